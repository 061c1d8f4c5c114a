//! Coin types: the letter that consumers size their trades by, from the categories of the table `pair_configs`.
//!
//! Category 1 is `A`, 2 `B`, 3 and 4 `C`; any other, and a symbol without one, is `D`. Categories are by symbol, so the
//! perpetual and the spot pair of one name (`BTCUSDC`) have the same. Symbols are compared as they are written: `kBONKUSDC` and
//! `KBONKUSDC` may be two.

use std::collections::BTreeMap;

use shards::SymbolEntry;

/// The type of what has none.
pub(super) const NONE: u8 = b'D';

/// The types by symbol.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct CoinTypes(BTreeMap<String, u8>);

impl CoinTypes {
    /// From rows of symbol and category. Where a symbol stands twice the lower letter counts, whatever the order of the
    /// rows.
    pub(super) fn new(rows: impl IntoIterator<Item = (String, u8)>) -> CoinTypes {
        let mut types = BTreeMap::new();
        for (symbol, category) in rows {
            let letter = letter_of(category);
            let known = types.entry(symbol.trim().to_owned()).or_insert(letter);
            *known = letter.min(*known);
        }
        CoinTypes(types)
    }

    /// Writes the types into entries.
    pub(super) fn apply<'a>(&self, entries: impl IntoIterator<Item = &'a mut SymbolEntry>) {
        for entry in entries {
            entry.coin_type = self.0.get(entry.symbol.as_str()).copied().unwrap_or(NONE);
        }
    }
}

fn letter_of(category: u8) -> u8 {
    match category {
        1 => b'A',
        2 => b'B',
        3 | 4 => b'C',
        _ => NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::event::AssetType;

    #[track_caller]
    fn check(rows: &[(&str, u8)], symbol: &str, wanted: u8) {
        let types = CoinTypes::new(rows.iter().map(|(symbol, c)| ((*symbol).to_owned(), *c)));
        let mut entries = [AssetType::Futures, AssetType::Spot].map(|asset_type| SymbolEntry {
            coin: symbol.into(),
            symbol: symbol.into(),
            asset_type,
            coin_type: b'?',
        });
        types.apply(&mut entries);
        let found = entries.map(|entry| char::from(entry.coin_type));
        assert_eq!(found, [char::from(wanted); 2], "{symbol} with {rows:?}");
    }

    #[test]
    fn categories_are_letters() {
        let letters = [(0, b'D'), (1, b'A'), (2, b'B'), (3, b'C'), (4, b'C'), (5, b'D')];
        for (category, letter) in letters.into_iter().chain([(u8::MAX, b'D')]) {
            check(&[("BTCUSDC", category), ("ETHUSDC", 1)], "BTCUSDC", letter);
        }
        check(&[], "BTCUSDC", b'D');
        check(&[("ETHUSDC", 1)], "BTCUSDC", b'D');
    }

    #[test]
    fn symbols_are_compared_as_they_are_written() {
        check(&[("KBONKUSDC", 1)], "kBONKUSDC", b'D');
        check(&[("CLUSDC", 1)], "xyz:CLUSDC", b'D');
        check(&[(" xyz:CLUSDC\n", 2)], "xyz:CLUSDC", b'B');
        check(&[("BTCUSDC", 3), ("BTCUSDC", 1), ("BTCUSDC", 9)], "BTCUSDC", b'A');
    }
}
