//! From the names on the wire to the symbols that consumers know: `BTC` to `BTCUSDC`, `@107` to `HYPEUSDC`.
//!
//! Two instruments of one kind never share a symbol. A builder dex keeps its prefix (`xyz:CL`), aliases apply to
//! spot tokens only (the perpetual `PUMP` and the spot token `UPUMP` are different things), and where an alias
//! makes two spot pairs the same, the one that was named so by the operator has the name and the other keeps its
//! wire name.

use super::frame::DecodeError;
use super::rest::text_of;
use serde::Deserialize;
use shards::event::AssetType;
use shards::{Coin, Symbol};
use std::collections::BTreeMap;

/// Spot tokens whose names on the venue differ from what the market calls them.
pub const ALIASES: [(&str, &str); 13] = [
    ("UBTC", "BTC"),
    ("UETH", "ETH"),
    ("USOL", "SOL"),
    ("UFART", "FARTCOIN"),
    ("USDT0", "USDT"),
    ("HPENGU", "PENGU"),
    ("XAUT0", "XAUT"),
    ("UPUMP", "PUMP"),
    ("UUUSPX", "SPX"),
    ("UBONK", "BONK"),
    ("WMNT", "MNT"),
    ("UXPL", "XPL"),
    ("UDZ", "2Z"),
];

/// The index of USDC among the spot tokens, and the collateral of a dex that does not name one.
const USDC: u32 = 0;

/// One instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SymbolEntry {
    /// Coin as the wire names it.
    pub coin: Coin,
    /// Symbol as consumers know it.
    pub symbol: Symbol,
    /// Kind of market.
    pub asset_type: AssetType,
}

/// Collects the answers to `spotMeta`, `meta` and `allPerpMetas`, in any order, and makes the table of them.
#[derive(Clone, Debug)]
pub struct SymbolTable {
    aliases: BTreeMap<String, String>,
    /// Names of spot tokens by their index, which need not be their place in the list.
    tokens: BTreeMap<u32, String>,
    /// Spot pairs by index: wire name, base, quote.
    pairs: BTreeMap<u32, (Coin, u32, u32)>,
    /// Perpetuals: wire name and collateral token.
    perps: BTreeMap<Coin, u32>,
}

#[derive(Deserialize)]
struct WireSpotMeta {
    tokens: Vec<WireToken>,
    universe: Vec<WirePair>,
}

#[derive(Deserialize)]
struct WireToken {
    name: String,
    index: u32,
}

#[derive(Deserialize)]
struct WirePair {
    name: String,
    index: u32,
    tokens: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta {
    universe: Vec<WirePerp>,
    collateral_token: Option<u32>,
}

#[derive(Deserialize)]
struct WirePerp {
    name: String,
}

impl SymbolTable {
    /// Nothing known yet. [`ALIASES`] are the usual aliases, spot token to symbol.
    pub fn new<'a>(aliases: impl IntoIterator<Item = (&'a str, &'a str)>) -> SymbolTable {
        SymbolTable {
            aliases: aliases.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect(),
            tokens: BTreeMap::new(),
            pairs: BTreeMap::new(),
            perps: BTreeMap::new(),
        }
    }

    /// Takes an answer to `spotMeta`, in place of an earlier one.
    pub fn read_spot_meta(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let text = text_of(body)?;
        let meta: WireSpotMeta =
            serde_json::from_str(text).map_err(|error| DecodeError::new(text, 0, &error))?;
        self.tokens = meta.tokens.into_iter().map(|token| (token.index, token.name)).collect();
        self.pairs = meta
            .universe
            .into_iter()
            .filter_map(|pair| match pair.tokens[..] {
                [base, quote] => Some((pair.index, (Coin::new(&pair.name), base, quote))),
                _ => None,
            })
            .collect();
        Ok(())
    }

    /// Takes an answer to `meta`: one dex.
    pub fn read_meta(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let text = text_of(body)?;
        let meta = serde_json::from_str(text).map_err(|error| DecodeError::new(text, 0, &error))?;
        self.take_meta(meta);
        Ok(())
    }

    /// Takes an answer to `allPerpMetas`: all dexes.
    pub fn read_all_perp_metas(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let text = text_of(body)?;
        let metas: Vec<Option<WireMeta>> =
            serde_json::from_str(text).map_err(|error| DecodeError::new(text, 0, &error))?;
        metas.into_iter().flatten().for_each(|meta| self.take_meta(meta));
        Ok(())
    }

    fn take_meta(&mut self, meta: WireMeta) {
        let collateral = meta.collateral_token.unwrap_or(USDC);
        // Delisted entries too: their last fills still want a name.
        self.perps.extend(meta.universe.iter().map(|perp| (Coin::new(&perp.name), collateral)));
    }

    /// For each spot token that trades against USDC, its index and the wire name of the pair that prices it: the pair
    /// with the lowest index, which is the venue's own.
    pub fn spot_prices(&self) -> Vec<(u32, Coin)> {
        let mut prices: BTreeMap<u32, Coin> = BTreeMap::new();
        for (coin, base, quote) in self.pairs.values() {
            if *quote == USDC {
                prices.entry(*base).or_insert(*coin);
            }
        }
        prices.into_iter().collect()
    }

    /// All instruments: perpetuals by name, then spot pairs by index.
    pub fn entries(&self) -> Vec<SymbolEntry> {
        let mut entries: Vec<SymbolEntry> = self
            .perps
            .iter()
            .map(|(coin, collateral)| SymbolEntry {
                coin: *coin,
                symbol: Symbol::new(&format!("{coin}{}", self.token(*collateral))),
                asset_type: AssetType::Futures,
            })
            .collect();
        let renamed = self.spot_owners();
        entries.extend(self.pairs.values().map(|(coin, base, quote)| {
            let symbol = self.spot_symbol(*base, *quote);
            let owned = renamed.get(&symbol) == Some(coin);
            let symbol = if owned { Symbol::new(&symbol) } else { Symbol::new(coin.as_str()) };
            SymbolEntry { coin: *coin, symbol, asset_type: AssetType::Spot }
        }));
        entries
    }

    /// Which pair has each symbol: an aliased one before others, then the lowest index.
    fn spot_owners(&self) -> BTreeMap<String, Coin> {
        let mut owners: BTreeMap<String, (bool, Coin)> = BTreeMap::new();
        for (coin, base, quote) in self.pairs.values() {
            let symbol = self.spot_symbol(*base, *quote);
            let aliased = self.is_aliased(*base) || self.is_aliased(*quote);
            match owners.get(&symbol) {
                Some((before, _)) if *before || !aliased => {}
                _ => drop(owners.insert(symbol, (aliased, *coin))),
            }
        }
        owners.into_iter().map(|(symbol, (_, coin))| (symbol, coin)).collect()
    }

    fn spot_symbol(&self, base: u32, quote: u32) -> String {
        let named = |token: u32| {
            let name = self.token(token);
            self.aliases.get(&name).cloned().unwrap_or(name)
        };
        named(base) + &named(quote)
    }

    fn is_aliased(&self, token: u32) -> bool {
        self.tokens.get(&token).is_some_and(|name| self.aliases.contains_key(name))
    }

    /// A token's name; its index where the list of tokens is older than the pair.
    fn token(&self, index: u32) -> String {
        match self.tokens.get(&index) {
            Some(name) => name.clone(),
            None if index == USDC => "USDC".to_owned(),
            None => format!("#{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOT: &str = r#"{"universe":[
        {"tokens":[1,0],"name":"PURR/USDC","index":0,"isCanonical":true},
        {"tokens":[7,0],"name":"@107","index":107},
        {"tokens":[5,0],"name":"@20","index":20},
        {"tokens":[6,0],"name":"@188","index":188},
        {"tokens":[7,9],"name":"@209","index":209},
        {"tokens":[99,0],"name":"@300","index":300}],
      "tokens":[{"name":"USDC","index":0,"szDecimals":8},{"name":"PURR","index":1},{"name":"UPUMP","index":6},
        {"name":"PUMP","index":5},{"name":"HYPE","index":7},{"name":"USDT0","index":9}]}"#;
    const MAIN: &str = r#"{"universe":[{"name":"BTC","szDecimals":5},{"name":"PUMP","isDelisted":true}],
        "marginTables":[],"collateralToken":0}"#;
    const XYZ: &str = r#"{"universe":[{"name":"xyz:CL"},{"name":"xyz:BTC"}],"collateralToken":9}"#;

    fn lines(table: &SymbolTable) -> Vec<String> {
        table
            .entries()
            .iter()
            .map(|e| format!("{} {} {}", e.coin, e.symbol, e.asset_type.as_str()))
            .collect()
    }

    #[test]
    fn symbols_follow_index_prefix_collateral_and_aliases() {
        let mut table = SymbolTable::new(ALIASES);
        table.read_meta(MAIN.as_bytes()).expect("meta");
        table.read_meta(XYZ.as_bytes()).expect("meta");
        table.read_spot_meta(SPOT.as_bytes()).expect("spot meta");
        let wanted = [
            "BTC BTCUSDC futures",
            "PUMP PUMPUSDC futures",
            "xyz:BTC xyz:BTCUSDT0 futures",
            "xyz:CL xyz:CLUSDT0 futures",
            "PURR/USDC PURRUSDC spot",
            "@20 @20 spot",
            "@107 HYPEUSDC spot",
            "@188 PUMPUSDC spot",
            "@209 HYPEUSDT spot",
            "@300 #99USDC spot",
        ];
        assert_eq!(lines(&table), wanted);
    }

    #[test]
    fn all_dexes_at_once_are_the_same_as_one_by_one() {
        let mut one_by_one = SymbolTable::new([]);
        one_by_one.read_meta(MAIN.as_bytes()).expect("meta");
        one_by_one.read_meta(XYZ.as_bytes()).expect("meta");
        let mut at_once = SymbolTable::new([]);
        let all = format!("[{MAIN},null,{XYZ}]");
        at_once.read_all_perp_metas(all.as_bytes()).expect("metas");
        assert_eq!(lines(&at_once), lines(&one_by_one));
        assert_eq!(lines(&at_once)[0], "BTC BTCUSDC futures");
    }

    #[test]
    fn an_answer_that_cannot_be_read_changes_nothing() {
        let mut table = SymbolTable::new(ALIASES);
        table.read_spot_meta(SPOT.as_bytes()).expect("spot meta");
        let before = lines(&table);
        assert!(table.read_spot_meta(b"{}").is_err());
        assert!(table.read_meta(b"[1]").is_err());
        assert!(table.read_all_perp_metas(b"{").is_err());
        assert_eq!(lines(&table), before);
    }
}
