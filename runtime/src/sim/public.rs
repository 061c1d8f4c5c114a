//! Public market data: middle prices and trades, as the accounts' fills make them.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use shards::{Decimal, Side};

use super::coins::{COINS, dex_of};
use super::random::Random;
use super::tape::{TapeFill, ZERO_HASH, wire};
use super::trader::{GENESIS_MS, address_of};

/// Trades that every new subscriber of a coin is shown again.
const REPLAYED_TRADES: usize = 30;

/// Prices and trades of every coin.
#[derive(Debug)]
pub(crate) struct Public {
    mids: BTreeMap<String, Decimal>,
    trades: BTreeMap<String, VecDeque<Rc<str>>>,
}

impl Public {
    pub(crate) fn new(seed: u64) -> Public {
        let mut public = Public { mids: BTreeMap::new(), trades: BTreeMap::new() };
        let mut random = Random::new(seed, u64::MAX - 1);
        for coin in &COINS {
            let px = Decimal::new(coin.start_ticks.into(), coin.px_decimals);
            public.mids.insert(coin.name.to_owned(), px);
            let trades = (0..REPLAYED_TRADES as u64).map(|i| {
                let sz = Decimal::new(random.between(1, coin.usual_lots).into(), coin.sz_decimals);
                let side = *random.pick(&["A", "B"]);
                let users = [random.next(), random.next()].map(|n| address_of(n, 0).to_string());
                let time_ms = GENESIS_MS - 60_000 + i * 1000;
                // Trade ids of the past stay below those of traders only by chance; nobody compares
                // the two.
                let tid = (random.next() >> 11).max(1);
                trade(coin.name, side, (px, sz), time_ms, ZERO_HASH, tid, &users)
            });
            public.trades.insert(coin.name.to_owned(), trades.collect());
        }
        public
    }

    /// Takes in a fill; gives the public trade, if it was one.
    pub(crate) fn apply(&mut self, user: &str, fill: &TapeFill) -> Option<Rc<str>> {
        let f = &fill.fill;
        if f.tid == 0 {
            return None;
        }
        let coin = f.coin.as_str();
        self.mids.insert(coin.to_owned(), f.px);
        let other = address_of(f.tid, 0).to_string();
        let buys = f.side == Side::Buy;
        let side = if buys == f.crossed { "B" } else { "A" };
        let users = if buys { [user.to_owned(), other] } else { [other, user.to_owned()] };
        let trade = trade(coin, side, (f.px, f.sz), f.time_ms, &fill.hash, f.tid, &users);
        let trades = self.trades.entry(coin.to_owned()).or_default();
        trades.push_back(Rc::clone(&trade));
        if trades.len() > REPLAYED_TRADES {
            trades.pop_front();
        }
        Some(trade)
    }

    /// Whether the venue has this coin.
    pub(crate) fn has_coin(&self, coin: &str) -> bool {
        self.mids.contains_key(coin)
    }

    /// The object of middle prices of one dex; spot is with the first.
    pub(crate) fn mids(&self, dex: &str) -> String {
        let of_dex = self.mids.iter().filter(|(coin, _)| dex_of(coin) == dex);
        let pairs: Vec<String> =
            of_dex.map(|(coin, px)| format!(r#""{coin}":"{}""#, wire(*px))).collect();
        format!("{{{}}}", pairs.join(","))
    }

    /// The frame of middle prices.
    pub(crate) fn mids_frame(&self, dex: &str) -> String {
        let name = if dex.is_empty() { String::new() } else { format!(r#""dex":"{dex}","#) };
        format!(r#"{{"channel":"allMids","data":{{{name}"mids":{}}}}}"#, self.mids(dex))
    }

    /// The frame of a coin's last trades.
    pub(crate) fn last_trades_frame(&self, coin: &str) -> String {
        let trades = self.trades.get(coin).into_iter().flatten();
        trades_frame(trades)
    }
}

/// A `trades` frame.
pub(crate) fn trades_frame<'a>(trades: impl Iterator<Item = &'a Rc<str>>) -> String {
    let list: Vec<&str> = trades.map(|trade| &**trade).collect();
    format!(r#"{{"channel":"trades","data":[{}]}}"#, list.join(","))
}

fn trade(
    coin: &str,
    side: &str,
    (px, sz): (Decimal, Decimal),
    time_ms: u64,
    hash: &str,
    tid: u64,
    users: &[String; 2],
) -> Rc<str> {
    let [buyer, seller] = users;
    format!(
        r#"{{"coin":"{coin}","side":"{side}","px":"{}","sz":"{}","hash":"{hash}","time":{time_ms},"tid":{tid},"users":["{buyer}","{seller}"]}}"#,
        wire(px),
        wire(sz)
    )
    .into()
}
