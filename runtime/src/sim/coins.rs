//! The coins of the simulated venue, and what `/info` says about them.
//!
//! The names cover what a monitor must tell apart: a builder dex's coin with its prefix, a
//! perpetual and a spot token of the same name (`HYPE`; `PUMP`, `UPUMP`), the same coin on two
//! dexes, dexes with another collateral than USDC, the one spot pair with a name, one with another
//! quote, spot indices and token indices that are not array positions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What a coin is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A perpetual of the venue (`dex` empty) or of a builder's dex.
    Perp {
        /// Name of the dex, as in the coin's prefix.
        dex: &'static str,
    },
    /// A spot pair.
    Spot {
        /// Number of the pair.
        pair: u32,
        /// The base token.
        base: &'static str,
        /// Number of the base token.
        token: u32,
        /// Number of the quote token.
        quote: u32,
    },
}

/// One coin. Prices are whole ticks of `10^-px_decimals`, sizes whole lots of `10^-sz_decimals`.
#[derive(Debug)]
pub(crate) struct Coin {
    /// The name on the wire.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) px_decimals: u8,
    pub(crate) sz_decimals: u8,
    /// Price that every trader's walk begins at, in ticks.
    pub(crate) start_ticks: i64,
    /// A usual order, in lots.
    pub(crate) usual_lots: i64,
}

const fn perp(
    name: &'static str,
    dex: &'static str,
    decimals: (u8, u8),
    start_ticks: i64,
    usual_lots: i64,
) -> Coin {
    let (px_decimals, sz_decimals) = decimals;
    Coin { name, kind: Kind::Perp { dex }, px_decimals, sz_decimals, start_ticks, usual_lots }
}

const fn spot(
    name: &'static str,
    pair: (u32, &'static str, u32, u32),
    decimals: (u8, u8),
    start_ticks: i64,
    usual_lots: i64,
) -> Coin {
    let (px_decimals, sz_decimals) = decimals;
    let kind = Kind::Spot { pair: pair.0, base: pair.1, token: pair.2, quote: pair.3 };
    Coin { name, kind, px_decimals, sz_decimals, start_ticks, usual_lots }
}

/// The coins that are traded, perpetuals first.
pub(crate) const COINS: [Coin; 15] = [
    perp("BTC", "", (1, 5), 858_015, 4_821),
    perp("ETH", "", (2, 4), 299_010, 12_500),
    perp("SOL", "", (3, 2), 131_455, 4_200),
    perp("HYPE", "", (3, 2), 41_337, 15_060),
    perp("PUMP", "", (6, 0), 2_050, 145_123),
    perp("kBONK", "", (6, 0), 21_874, 61_000),
    perp("xyz:CL", "xyz", (3, 3), 61_240, 9_750),
    perp("xyz:XYZ100", "xyz", (1, 4), 254_310, 2_960),
    perp("flx:TSLA", "flx", (2, 3), 43_120, 2_400),
    perp("hyna:BTC", "hyna", (1, 5), 858_110, 3_900),
    spot("PURR/USDC", (0, "PURR", 1, USDC), (5, 0), 14_988, 8_100),
    spot("@107", (107, "HYPE", 150, USDC), (3, 2), 41_350, 9_300),
    spot("@142", (142, "UBTC", 197, USDC), (0, 5), 85_802, 1_450),
    spot("@188", (188, "UPUMP", 299, USDC), (6, 0), 2_051, 210_000),
    spot("@207", (207, "UETH", 221, USDT0), (2, 4), 299_120, 9_100),
];

/// Number of perpetuals at the head of [`COINS`].
pub(crate) const PERPS: usize = 10;

/// Numbers of tokens that others are paid in.
const USDC: u32 = 0;
const USDT0: u32 = 268;
const USDE: u32 = 235;
const USDH: u32 = 360;

/// Their names.
const QUOTES: [(u32, &str); 4] = [(USDC, "USDC"), (USDE, "USDE"), (USDT0, "USDT0"), (USDH, "USDH")];

/// The builder dexes and their collateral. One lists a coin that the venue has, too.
const DEXES: [(&str, u32); 3] = [("xyz", USDC), ("flx", USDH), ("hyna", USDE)];

impl Coin {
    /// The token that its trades are paid in: a perpetual's collateral, a spot pair's quote.
    pub(crate) fn paid_in(&self) -> &'static str {
        let token = match self.kind {
            Kind::Perp { dex } => collateral(dex),
            Kind::Spot { quote, .. } => quote,
        };
        QUOTES.iter().find(|quote| quote.0 == token).map_or("USDC", |quote| quote.1)
    }
}

fn collateral(dex: &str) -> u32 {
    DEXES.iter().find(|known| known.0 == dex).map_or(USDC, |known| known.1)
}

/// Whether there is a dex of this name; the venue's own has the empty one.
pub(crate) fn is_dex(name: &str) -> bool {
    name.is_empty() || DEXES.iter().any(|dex| dex.0 == name)
}

/// The dex of a perpetual by its name: the text before the colon.
pub(crate) fn dex_of(coin: &str) -> &str {
    coin.split_once(':').map_or("", |(dex, _)| dex)
}

/// All dexes, the venue's own first.
pub(crate) fn dexes() -> impl Iterator<Item = &'static str> {
    std::iter::once("").chain(DEXES.map(|dex| dex.0))
}

/// The answer to `meta`; coins that are only `recorded` come last.
pub(crate) fn meta(dex: &str, recorded: &BTreeSet<String>) -> Value {
    let mut universe: Vec<Value> = COINS
        .iter()
        .filter(|coin| coin.kind == Kind::Perp { dex: dex_static(dex) })
        .map(|coin| {
            json!({
                "szDecimals": coin.sz_decimals, "name": coin.name, "maxLeverage": 20,
                "marginTableId": 20,
            })
        })
        .collect();
    if dex.is_empty() {
        // A delisted coin keeps its place: the index is the asset's number.
        universe.insert(
            3,
            json!({"szDecimals": 1, "name": "MATIC", "maxLeverage": 20, "marginTableId": 20,
                   "isDelisted": true}),
        );
    }
    let known = |name: &str| COINS.iter().any(|coin| coin.name == name);
    universe.extend(recorded.iter().filter(|name| dex_of(name) == dex && !known(name)).map(
        |name| json!({"szDecimals": 2, "name": name, "maxLeverage": 20, "marginTableId": 20}),
    ));
    json!({"universe": universe, "marginTables": [], "collateralToken": collateral(dex)})
}

fn dex_static(dex: &str) -> &'static str {
    DEXES.iter().find(|known| known.0 == dex).map_or("", |known| known.0)
}

/// The answer to `allPerpMetas`.
pub(crate) fn all_perp_metas(recorded: &BTreeSet<String>) -> Value {
    dexes().map(|dex| meta(dex, recorded)).collect()
}

/// The answer to `perpDexs`: the venue's own dex is `null`.
pub(crate) fn perp_dexs() -> Value {
    dexes()
        .map(|dex| match dex {
            "" => Value::Null,
            name => json!({
                "name": name, "fullName": name.to_uppercase(),
                "deployer": "0x88806a71d74ad0a510b350545c9ae490912f0888",
                "oracleUpdater": null, "feeRecipient": null, "assetToStreamingOiCap": [],
            }),
        })
        .collect()
}

/// The answer to `spotMeta`.
pub(crate) fn spot_meta() -> Value {
    let token = |name: &str, index: u32, sz_decimals: u8, canonical: bool| {
        json!({
            "name": name, "szDecimals": sz_decimals, "weiDecimals": 8, "index": index,
            "tokenId": format!("0x{index:032x}"), "isCanonical": canonical,
            "evmContract": null, "fullName": null,
        })
    };
    let mut tokens: Vec<Value> =
        QUOTES.iter().map(|(index, name)| token(name, *index, 8, *index == USDC)).collect();
    let mut known: BTreeSet<u32> = QUOTES.iter().map(|quote| quote.0).collect();
    let mut universe = Vec::new();
    for coin in &COINS {
        if let Kind::Spot { pair, base, token: index, quote } = coin.kind {
            if known.insert(index) {
                tokens.push(token(base, index, coin.sz_decimals, pair == 0));
            }
            universe.push(json!({
                "tokens": [index, quote], "name": coin.name, "index": pair, "isCanonical": pair == 0,
            }));
        }
    }
    json!({"universe": universe, "tokens": tokens})
}

/// The base token of a spot coin: its name and number.
pub(crate) fn base_token(coin: &str) -> Option<(&'static str, u32)> {
    COINS.iter().find(|c| c.name == coin).and_then(|c| match c.kind {
        Kind::Spot { base, token, .. } => Some((base, token)),
        Kind::Perp { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perpetuals_come_first_and_names_are_theirs() {
        for (i, coin) in COINS.iter().enumerate() {
            assert_eq!(shards::fill::is_perp(coin.name), i < PERPS, "{}", coin.name);
            if let Kind::Perp { dex } = coin.kind {
                assert_eq!(dex_of(coin.name), dex);
            }
        }
    }

    #[test]
    fn metas_list_each_perpetual_once_under_its_dex() {
        let recorded = BTreeSet::from(["ENA", "xyz:SKHX", "BTC"].map(str::to_owned));
        let names = |dex: &str| -> Vec<String> {
            let meta = meta(dex, &recorded);
            let universe = meta["universe"].as_array().expect("an array");
            universe.iter().map(|c| c["name"].as_str().expect("a name").to_owned()).collect()
        };
        assert_eq!(names("xyz"), ["xyz:CL", "xyz:XYZ100", "xyz:SKHX"]);
        assert_eq!(names(""), ["BTC", "ETH", "SOL", "MATIC", "HYPE", "PUMP", "kBONK", "ENA"]);
        assert_eq!(all_perp_metas(&recorded).as_array().map(Vec::len), Some(4));
        assert_eq!(names("hyna"), ["hyna:BTC"], "not the venue's BTC");
        let collateral = |dex: &str| meta(dex, &recorded)["collateralToken"].clone();
        assert_eq!(["", "xyz", "flx", "hyna"].map(collateral), [0, 0, 360, 235].map(Value::from));
        assert!(perp_dexs()[0].is_null());
        assert_eq!(perp_dexs()[1]["name"], "xyz");
    }

    #[test]
    fn spot_pairs_name_their_tokens_by_number() {
        let meta = spot_meta();
        let hype = &meta["universe"][1];
        assert_eq!((&hype["name"], &hype["index"]), (&json!("@107"), &json!(107)));
        assert_eq!(hype["tokens"], json!([150, 0]));
        let other = meta["universe"].as_array().expect("pairs").last().expect("a pair");
        assert_eq!((&other["name"], &other["tokens"]), (&json!("@207"), &json!([221, 268])));
        let tokens = meta["tokens"].as_array().expect("tokens");
        let indexes: Vec<&Value> = tokens.iter().map(|token| &token["index"]).collect();
        let wanted = [0, 235, 268, 360, 1, 150, 197, 299, 221].map(Value::from);
        assert_eq!(indexes, wanted.iter().collect::<Vec<_>>(), "each once, none at its index");
        let paid_in = |name: &str| COINS.iter().find(|c| c.name == name).map(Coin::paid_in);
        assert_eq!(
            ["BTC", "flx:TSLA", "hyna:BTC", "@207", "@107"].map(paid_in),
            ["USDC", "USDH", "USDE", "USDT0", "USDC"].map(Some)
        );
        assert_eq!(base_token("@142"), Some(("UBTC", 197)));
        assert_eq!(base_token("BTC"), None);
        assert!(is_dex("") && is_dex("xyz") && !is_dex("abc"));
    }
}
