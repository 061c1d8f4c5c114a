//! Public market data: middle prices and trades, as the accounts' fills make them.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use shards::{Address, Decimal, Side};

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
    trades: BTreeMap<String, VecDeque<Trade>>,
}

/// A public trade. Its text is made when someone asks: nearly nobody does.
#[derive(Clone, Debug)]
enum Trade {
    /// From before the first account.
    Past(Rc<str>),
    /// A fill of this account.
    Fill(Address, Rc<TapeFill>),
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
                Trade::Past(trade(coin.name, side, (px, sz), time_ms, ZERO_HASH, tid, &users))
            });
            public.trades.insert(coin.name.to_owned(), trades.collect());
        }
        public
    }

    /// Takes in a fill. Whether it was a public trade.
    pub(crate) fn apply(&mut self, user: &Address, fill: &Rc<TapeFill>) -> bool {
        let f = &fill.fill;
        if f.tid == 0 {
            return false;
        }
        let coin = f.coin.as_str();
        match self.mids.get_mut(coin) {
            Some(mid) => *mid = f.px,
            None => drop(self.mids.insert(coin.to_owned(), f.px)),
        }
        let trade = Trade::Fill(*user, Rc::clone(fill));
        match self.trades.get_mut(coin) {
            Some(trades) => {
                trades.push_back(trade);
                if trades.len() > REPLAYED_TRADES {
                    trades.pop_front();
                }
            }
            None => drop(self.trades.insert(coin.to_owned(), VecDeque::from([trade]))),
        }
        true
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
        let trades: Vec<Rc<str>> =
            self.trades.get(coin).into_iter().flatten().map(Trade::text).collect();
        trades_frame(&trades)
    }
}

impl Trade {
    fn text(&self) -> Rc<str> {
        match self {
            Trade::Past(text) => Rc::clone(text),
            Trade::Fill(user, fill) => trade_of(user, fill),
        }
    }
}

/// The public trade that a fill is one side of.
fn trade_of(user: &Address, tape: &TapeFill) -> Rc<str> {
    let f = &tape.fill;
    let (user, other) = (user.to_string(), counterparty(f.tid).to_string());
    let buys = f.side == Side::Buy;
    let side = if buys == f.crossed { "B" } else { "A" };
    let users = if buys { [user, other] } else { [other, user] };
    trade(f.coin.as_str(), side, (f.px, f.sz), f.time_ms, &tape.hash, f.tid, &users)
}

/// The account on the other side of a trade: nobody that is simulated.
pub(crate) fn counterparty(tid: u64) -> Address {
    address_of(tid, 0)
}

/// The frame of one new trade.
pub(crate) fn trade_frame(user: &Address, fill: &TapeFill) -> String {
    trades_frame(&[trade_of(user, fill)])
}

/// A `trades` frame.
fn trades_frame(trades: &[Rc<str>]) -> String {
    format!(r#"{{"channel":"trades","data":[{}]}}"#, trades.join(","))
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
