//! From the names on the wire to the symbols that consumers know: `BTC` to `BTCUSDC`, `@107` to `HYPEUSDC`.
//!
//! Two instruments of one kind never share a symbol. A builder dex keeps its prefix (`xyz:CL`), aliases apply to
//! spot tokens only (the perpetual `PUMP` and the spot token `UPUMP` are different things), and where an alias
//! makes two spot pairs the same, the one that was named so by the operator has the name and the other keeps its
//! wire name ([`SymbolTable::clashes`] tells which). Outcomes (`#14880`) are in no table: their coin is their symbol.
//!
//! The same answers say what tokens are worth ([`SymbolTable::tokens`]), and in which token a dex counts.

use super::frame::DecodeError;
use super::rest::text_of;
use serde::Deserialize;
use shards::event::AssetType;
use shards::{Coin, Symbol};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

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

/// Tokens that are worth one dollar. Others of whose name that is a part are, when the venue itself takes them as a
/// quote or as collateral; without that anybody could give a token such a name.
const STABLECOINS: [&str; 5] = ["USDC", "USDT0", "USDE", "USDH", "USDXL"];

/// The numbers of outcome tokens (`+10`) begin here; the rest of one is the number of its coin (`#10`).
const OUTCOME_TOKENS: u32 = 100_000_000;

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

/// How a token is priced, in dollars.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priced {
    /// A stablecoin: at one.
    AtOne,
    /// At the middle price of this coin.
    ByMid(Coin),
}

/// What tokens are worth, and in which token each perpetual dex counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tokens {
    priced: BTreeMap<u32, Priced>,
    collateral: BTreeMap<Coin, u32>,
    is_read: bool,
}

impl Default for Tokens {
    /// Before the table is read it is known that USDC is a dollar and what the venue's own dex counts in.
    fn default() -> Tokens {
        Tokens {
            priced: BTreeMap::from([(USDC, Priced::AtOne)]),
            collateral: BTreeMap::from([(Coin::EMPTY, USDC)]),
            is_read: false,
        }
    }
}

impl Tokens {
    /// How a token is priced; `None` when nothing prices it.
    pub fn price_of(&self, token: u32) -> Option<Priced> {
        self.priced.get(&token).copied().or_else(|| Tokens::outcome(token))
    }

    /// The tokens of the table that have a price, by number.
    pub fn priced(&self) -> impl Iterator<Item = (u32, Priced)> + '_ {
        self.priced.iter().map(|(token, priced)| (*token, *priced))
    }

    /// How the token of an outcome is priced: no table has these. `None` for other tokens.
    pub fn outcome(token: u32) -> Option<Priced> {
        let number = token.checked_sub(OUTCOME_TOKENS)?;
        let mut text = [0; 11];
        let mut rest = &mut text[..];
        write!(rest, "#{number}").expect("a sign and at most ten digits");
        let unused = rest.len();
        let name = std::str::from_utf8(&text[..text.len() - unused]).expect("it is ASCII");
        Some(Priced::ByMid(Coin::new(name)))
    }

    /// The token in which a dex counts; `None` for a dex that is not known.
    pub fn collateral_of(&self, dex: &Coin) -> Option<u32> {
        self.collateral.get(dex).copied()
    }

    /// The perpetual dexes, the venue's own (with the empty name) first.
    pub fn dexs(&self) -> impl Iterator<Item = Coin> + '_ {
        self.collateral.keys().copied()
    }

    /// Whether this comes of a table, or is what is known without one.
    pub fn is_read(&self) -> bool {
        self.is_read
    }
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
    /// Collateral tokens by dex.
    dexs: BTreeMap<Coin, u32>,
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
            dexs: BTreeMap::new(),
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
                [base, quote] => Some((pair.index, (coin_of(&pair.name)?, base, quote))),
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
        // The answer does not name its dex, its coins do. A dex without coins has nothing that counts in anything.
        if let Some(perp) = meta.universe.first() {
            let dex = perp.name.split_once(':').map_or("", |(dex, _)| dex);
            self.dexs.extend(coin_of(dex).map(|dex| (dex, collateral)));
        }
        // Delisted entries too: their last fills still want a name.
        let coins = meta.universe.iter().filter_map(|perp| coin_of(&perp.name));
        self.perps.extend(coins.map(|coin| (coin, collateral)));
    }

    /// What the answers say of tokens.
    pub fn tokens(&self) -> Tokens {
        let mut tokens = Tokens { is_read: true, ..Tokens::default() };
        let taken: BTreeSet<u32> =
            self.pairs.values().map(|pair| pair.2).chain(self.dexs.values().copied()).collect();
        for (token, name) in &self.tokens {
            let is_taken = name.contains("USD") && taken.contains(token);
            if is_taken || STABLECOINS.contains(&name.as_str()) {
                tokens.priced.insert(*token, Priced::AtOne);
            }
        }
        // By the pair against USDC with the lowest index, which is the venue's own; else by one against another dollar.
        let in_usdc = self.pairs.values().filter(|pair| pair.2 == USDC);
        let in_other = self.pairs.values().filter(|pair| pair.2 != USDC);
        for (coin, base, quote) in in_usdc.chain(in_other) {
            if tokens.priced.get(quote) == Some(&Priced::AtOne) {
                tokens.priced.entry(*base).or_insert(Priced::ByMid(*coin));
            }
        }
        tokens.collateral.extend(&self.dexs);
        tokens
    }

    /// Instruments that have their wire name because another one has the symbol that they would have: the coin, and that
    /// symbol.
    pub fn clashes(&self) -> Vec<(Coin, String)> {
        let owners = self.spot_owners();
        let clash = |(coin, base, quote): &(Coin, u32, u32)| {
            let symbol = self.spot_symbol(*base, *quote);
            (owners.get(&symbol) != Some(coin)).then_some((*coin, symbol))
        };
        self.pairs.values().filter_map(clash).collect()
    }

    /// All instruments: perpetuals by name, then spot pairs by index.
    pub fn entries(&self) -> Vec<SymbolEntry> {
        let mut entries: Vec<SymbolEntry> = self
            .perps
            .iter()
            .map(|(coin, collateral)| SymbolEntry {
                coin: *coin,
                // Within a dex all have the same collateral, and dexes differ in their prefix: no two are alike.
                symbol: symbol_of(coin, &format!("{coin}{}", self.token(*collateral))),
                asset_type: AssetType::Futures,
            })
            .collect();
        let owners = self.spot_owners();
        entries.extend(self.pairs.values().map(|(coin, base, quote)| {
            let symbol = self.spot_symbol(*base, *quote);
            let owned = owners.get(&symbol) == Some(coin);
            let symbol = if owned { symbol_of(coin, &symbol) } else { Symbol::new(coin.as_str()) };
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

/// The coin of a name; `None` for a longer one than fits: cut, two coins could become one.
fn coin_of(name: &str) -> Option<Coin> {
    Some(Coin::new(name)).filter(|coin| coin.as_str() == name)
}

/// The symbol of a coin; its own name where the symbol is longer than fits.
fn symbol_of(coin: &Coin, name: &str) -> Symbol {
    let symbol = Symbol::new(name);
    if symbol.as_str() == name { symbol } else { Symbol::new(coin.as_str()) }
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

    #[test]
    fn a_clash_is_told_and_the_two_stay_apart() {
        let mut table = SymbolTable::new(ALIASES);
        table.read_spot_meta(SPOT.as_bytes()).expect("spot meta");
        assert_eq!(table.clashes(), [(Coin::new("@20"), "PUMPUSDC".to_owned())]);
        let mut apart = SymbolTable::new([]);
        apart.read_spot_meta(SPOT.as_bytes()).expect("spot meta");
        assert_eq!(apart.clashes(), []);
    }

    #[test]
    fn names_that_do_not_fit_are_never_cut_to_anothers() {
        let long = "x".repeat(40);
        let spot = format!(
            r#"{{"universe":[{{"tokens":[1,0],"name":"{long}","index":1}},{{"tokens":[2,0],"name":"@2","index":2}}],
                "tokens":[{{"name":"A","index":1}},{{"name":"{long}{long}","index":2}}]}}"#
        );
        let mut table = SymbolTable::new([]);
        table.read_spot_meta(spot.as_bytes()).expect("spot meta");
        let meta = format!(r#"{{"universe":[{{"name":"{long}"}},{{"name":"A"}}]}}"#);
        table.read_meta(meta.as_bytes()).expect("meta");
        assert_eq!(lines(&table), ["A AUSDC futures", "@2 @2 spot"]);
    }

    #[test]
    fn tokens_are_priced_by_their_pair_and_dollars_at_one() {
        let spot = r#"{"universe":[
            {"tokens":[7,0],"name":"@107","index":107},{"tokens":[7,0],"name":"@9","index":9},
            {"tokens":[7,9],"name":"@3","index":3},{"tokens":[6,9],"name":"@4","index":4},
            {"tokens":[5,7],"name":"@5","index":5},{"tokens":[8,0],"name":"@8","index":8},
            {"tokens":[4,0],"name":"@6","index":6},{"tokens":[3,12],"name":"@7","index":7}],
          "tokens":[{"name":"USDC","index":0},{"name":"HYPE","index":7},{"name":"USDT0","index":9},
            {"name":"ONLYT","index":6},{"name":"INHYPE","index":5},{"name":"USDFAKE","index":8},
            {"name":"USDE","index":4},{"name":"XUSDNEW","index":12},{"name":"X","index":3}]}"#;
        let mut table = SymbolTable::new(ALIASES);
        table.read_spot_meta(spot.as_bytes()).expect("spot meta");
        table.read_meta(MAIN.as_bytes()).expect("meta");
        table.read_meta(XYZ.as_bytes()).expect("meta");
        let tokens = table.tokens();
        let by = |coin| Some(Priced::ByMid(Coin::new(coin)));
        for (token, priced) in [
            (0, Some(Priced::AtOne)),
            (9, Some(Priced::AtOne)),
            (4, Some(Priced::AtOne)),
            // The venue takes it as a quote, so its name is no pretence.
            (12, Some(Priced::AtOne)),
            (8, by("@8")),
            (7, by("@9")),
            (6, by("@4")),
            (3, by("@7")),
            // Against something that is no dollar: the price would be in that.
            (5, None),
            (100_000_010, by("#10")),
        ] {
            assert_eq!(tokens.price_of(token), priced, "token {token}");
        }
        assert_eq!(tokens.collateral_of(&Coin::EMPTY), Some(0));
        assert_eq!(tokens.collateral_of(&Coin::new("xyz")), Some(9));
        assert_eq!(tokens.collateral_of(&Coin::new("abc")), None);
        assert_eq!(tokens.dexs().collect::<Vec<_>>(), [Coin::EMPTY, Coin::new("xyz")]);
        assert!(tokens.is_read() && !Tokens::default().is_read());
    }
}
