//! Prices at hand, and what amounts are worth in dollars.
//!
//! Tokens are priced as the table says ([`Tokens`]): stablecoins at one, others at the middle of the pair that prices
//! them. Middles come with `allMids`; those that fit are kept, and those that were looked for are kept before others. A
//! middle stays until the next one comes: while the connection is away the last one holds.
//!
//! Whether an amount is worth nothing or is not known yet is told apart. It is not known until the table was read and, for
//! a coin that was never looked for, until prices have come once more. What has no price then is worth nothing.

use foldhash::{HashMap, HashMapExt};
use fxhash::FxHashMap;
use net::hyperliquid::Tokens;
use net::hyperliquid::symbols::Priced;
use shards::{Cache, CacheCounts, Coin, Decimal};

/// Most coins whose prices are waited for. Beyond them a coin without a price at hand counts as worth nothing.
const WANTED_MAX: usize = 4096;

/// All entries are of one size.
const WEIGHT: u64 = 1;

/// A sum of dollars that may not be whole yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dollars {
    /// As far as prices are known.
    pub(super) sum: Decimal,
    /// Whether every amount in it was priced, or has no price.
    pub(super) is_whole: bool,
}

impl Dollars {
    /// Nothing, and that is known.
    pub(super) const NONE: Dollars = Dollars { sum: Decimal::ZERO, is_whole: true };

    /// The sum, if it is whole.
    pub(super) fn whole(self) -> Option<Decimal> {
        self.is_whole.then_some(self.sum)
    }

    /// Adds an amount at its price.
    pub(super) fn add(&mut self, amount: Decimal, price: Price) {
        // Nothing of it is worth nothing, whatever its price.
        if amount.is_zero() {
            return;
        }
        let worth = match price {
            Price::Known(price) => price.checked_mul(amount),
            Price::None => return,
            Price::Later => None,
        };
        match worth.and_then(|worth| self.sum.checked_add(worth)) {
            Some(sum) => self.sum = sum,
            None => self.is_whole = false,
        }
    }
}

/// The price of a token, in dollars.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Price {
    /// This.
    Known(Decimal),
    /// Nothing prices it.
    None,
    /// It is not known yet.
    Later,
}

/// The prices of one shard.
pub(super) struct Prices {
    mids: Cache<Coin, Decimal>,
    tokens: Tokens,
    /// The same for one token. Their numbers are dense: the fast hash will do.
    priced: FxHashMap<u32, Priced>,
    /// How often the prices of the venue's own dex came; spot is among them.
    rounds: u64,
    /// Coins that were looked for and not found, and at which round.
    wanted: HashMap<Coin, u64>,
}

impl Prices {
    /// None yet, at most `size`.
    pub(super) fn new(size: u64) -> Prices {
        let mut prices = Prices {
            mids: Cache::new(size),
            tokens: Tokens::default(),
            priced: FxHashMap::default(),
            rounds: 0,
            wanted: HashMap::new(),
        };
        prices.tokens(Tokens::default());
        prices
    }

    /// Takes what the table says of tokens.
    pub(super) fn tokens(&mut self, tokens: Tokens) {
        self.priced = tokens.priced().collect();
        self.tokens = tokens;
    }

    /// Takes the middles of a dex.
    pub(super) fn take(&mut self, dex: &Coin, mids: &[(Coin, Decimal)]) {
        for (coin, mid) in mids {
            if let Some(known) = self.mids.peek_mut(coin) {
                *known = *mid;
            } else if self.wanted.remove(coin).is_some() || self.mids.has_room(WEIGHT) {
                self.mids.insert(*coin, *mid, WEIGHT);
            }
        }
        self.rounds += u64::from(dex.is_empty());
    }

    /// What one of a token is worth.
    pub(super) fn of_token(&mut self, token: u32) -> Price {
        match self.priced.get(&token).copied().or_else(|| Tokens::outcome(token)) {
            Some(Priced::AtOne) => Price::Known(Decimal::from(1)),
            Some(Priced::ByMid(coin)) => self.of_coin(coin),
            None if self.tokens.is_read() => Price::None,
            None => Price::Later,
        }
    }

    /// What one of the token is worth that a dex counts in.
    pub(super) fn of_collateral(&mut self, dex: &Coin) -> Price {
        match self.tokens.collateral_of(dex) {
            Some(token) => self.of_token(token),
            // A dex that is newer than the table.
            None => Price::Later,
        }
    }

    fn of_coin(&mut self, coin: Coin) -> Price {
        if let Some(mid) = self.mids.get(&coin) {
            return Price::Known(*mid);
        }
        match self.wanted.get(&coin) {
            Some(round) if self.rounds > *round => Price::None,
            Some(_) => Price::Later,
            None if self.wanted.len() < WANTED_MAX => {
                self.wanted.insert(coin, self.rounds);
                Price::Later
            }
            None => Price::None,
        }
    }

    /// What the cache did.
    pub(super) fn counts(&self) -> CacheCounts {
        self.mids.counts()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use net::hyperliquid::SymbolTable;

    /// HYPE (150) by @107, ODD (7) by @7, LONE (8) by nothing, USDH (360); the dexes flx in USDH and hyp in HYPE.
    pub(in crate::shard) fn tokens() -> Tokens {
        let spot = r#"{"universe":[{"name":"@107","index":107,"tokens":[150,0]},
                {"name":"@7","index":7,"tokens":[7,0]}],
            "tokens":[{"name":"USDC","index":0},{"name":"HYPE","index":150},{"name":"ODD","index":7},
                {"name":"LONE","index":8},{"name":"USDH","index":360}]}"#;
        let metas = r#"[{"universe":[{"name":"BTC"}]},
            {"universe":[{"name":"flx:TSLA"}],"collateralToken":360},
            {"universe":[{"name":"hyp:TSLA"}],"collateralToken":150}]"#;
        let mut table = SymbolTable::new([]);
        table.read_spot_meta(spot.as_bytes()).expect("spot meta");
        table.read_all_perp_metas(metas.as_bytes()).expect("metas");
        table.tokens()
    }

    fn mids(list: &[(&str, &str)]) -> Vec<(Coin, Decimal)> {
        list.iter().map(|(coin, px)| (Coin::new(coin), px.parse().expect("a decimal"))).collect()
    }

    fn known(px: &str) -> Price {
        Price::Known(px.parse().expect("a decimal"))
    }

    #[test]
    fn a_price_is_known_or_none_or_still_to_come() {
        let mut prices = Prices::new(10);
        assert_eq!(prices.of_token(0), known("1"), "a dollar is one without any table");
        assert_eq!(prices.of_token(150), Price::Later);
        prices.tokens(tokens());
        assert_eq!(prices.of_token(8), Price::None);
        assert_eq!(prices.of_token(360), known("1"));
        assert_eq!(prices.of_token(150), Price::Later);
        // Another dex's prices say nothing of spot.
        prices.take(&Coin::new("flx"), &mids(&[("flx:TSLA", "1")]));
        assert_eq!(prices.of_token(150), Price::Later);
        prices.take(&Coin::EMPTY, &mids(&[("BTC", "9"), ("@107", "92.5")]));
        assert_eq!(prices.of_token(150), known("92.5"));
        prices.take(&Coin::EMPTY, &mids(&[("@107", "93")]));
        assert_eq!(prices.of_token(150), known("93"));
        // Looked for, and prices came without it: it has none.
        assert_eq!(prices.of_token(7), Price::Later);
        prices.take(&Coin::EMPTY, &mids(&[("BTC", "9")]));
        assert_eq!(prices.of_token(7), Price::None);
        prices.take(&Coin::EMPTY, &mids(&[("@7", "0.5")]));
        assert_eq!(prices.of_token(7), known("0.5"));
    }

    #[test]
    fn collateral_is_priced_by_its_token() {
        let mut prices = Prices::new(10);
        assert_eq!(prices.of_collateral(&Coin::EMPTY), known("1"));
        assert_eq!(prices.of_collateral(&Coin::new("flx")), Price::Later);
        prices.tokens(tokens());
        prices.take(&Coin::EMPTY, &mids(&[("@107", "40")]));
        assert_eq!(prices.of_collateral(&Coin::new("flx")), known("1"));
        assert_eq!(prices.of_collateral(&Coin::new("hyp")), known("40"));
        assert_eq!(prices.of_collateral(&Coin::new("new")), Price::Later);
    }

    #[test]
    fn what_is_looked_for_takes_the_place_of_what_is_not() {
        let mut prices = Prices::new(2);
        prices.tokens(tokens());
        let all = mids(&[("BTC", "1"), ("ETH", "2"), ("@107", "40"), ("@7", "5")]);
        for _ in 0..5 {
            prices.take(&Coin::EMPTY, &all);
            // Each asks for one more; then both are there, and nothing moves any more.
            prices.of_token(150);
            prices.of_token(7);
        }
        assert_eq!((prices.of_token(150), prices.of_token(7)), (known("40"), known("5")));
        assert_eq!((prices.counts().entries, prices.counts().evictions), (2, 2));
    }

    #[test]
    fn a_sum_is_whole_only_when_all_of_it_is_known() {
        let mut dollars = Dollars::NONE;
        dollars.add(Decimal::from(2), known("1.5"));
        dollars.add(Decimal::from(7), Price::None);
        dollars.add(Decimal::ZERO, Price::Later);
        assert_eq!(dollars.whole(), Some(Decimal::from(3)));
        dollars.add(Decimal::from(1), Price::Later);
        assert_eq!((dollars.sum, dollars.whole()), (Decimal::from(3), None));
    }
}
