//! A trader's positions, and the fills that move them.
//!
//! Numbers are whole ticks and lots, so that prices, sizes and profits are exact. A perpetual's
//! position changes by its fills and by nothing else; a spot balance also pays fees.

use std::rc::Rc;

use shards::fill::{Cloid, Liquidation};
use shards::{Decimal, Dir, Fill, Side};

use super::coins::{COINS, Coin, Kind};
use super::tape::{Extras, TapeFill, fill_on_tape};

/// Order ids begin here, above the recorded ones of 2026. 20 bits of trader and 32 of number stay
/// below 2^53.
const OID_BASE: u64 = 1 << 40;
/// Bits of a trade id.
const TID_BITS: u32 = 53;
/// Bits of a trader's own numbers in a trade id.
const TID_NUMBER_BITS: u32 = 33;
/// An odd factor spreads trade ids over their range and keeps them different.
const TID_FACTOR: u64 = 0x0001_9e37_79b9_7f4b;

/// One execution, before it has numbers and labels.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    /// Place in [`COINS`].
    pub(crate) coin: usize,
    pub(crate) side: Side,
    pub(crate) lots: i64,
    pub(crate) ticks: i64,
    pub(crate) oid: u64,
    pub(crate) time_ms: u64,
    pub(crate) crossed: bool,
    pub(crate) cloid: Option<Cloid>,
    pub(crate) liquidation: Option<Liquidation>,
    pub(crate) twap_id: Option<u64>,
    pub(crate) builder: bool,
    pub(crate) hash: String,
    /// The label, where it is not the one that the position gives.
    pub(crate) label: Option<Dir>,
    /// Dust conversions have no trade id.
    pub(crate) dust: bool,
}

#[derive(Clone, Copy, Default, Debug)]
struct Position {
    /// Signed size of a perpetual, in lots.
    lots: i64,
    /// What was paid for it, in ticks times lots, never negative.
    paid: i128,
    /// A spot coin's balance.
    balance: Decimal,
}

/// The positions of one trader and the numbers of his orders and trades.
#[derive(Debug)]
pub(crate) struct Ledger {
    trader: u64,
    positions: [Position; COINS.len()],
    orders: u64,
    trades: u64,
}

impl Ledger {
    pub(crate) fn new(trader: u64) -> Ledger {
        assert!(trader < 1 << 20, "SimOptions::check bounds the number of traders");
        Ledger { trader, positions: Default::default(), orders: 0, trades: 0 }
    }

    /// A new order id.
    pub(crate) fn next_oid(&mut self) -> u64 {
        self.orders += 1;
        assert!(self.orders < 1 << 32, "a trader's order numbers are used up");
        OID_BASE + (self.trader << 32) + self.orders
    }

    fn next_tid(&mut self) -> u64 {
        self.trades += 1;
        assert!(self.trades < 1 << TID_NUMBER_BITS, "a trader's trade numbers are used up");
        let number = self.trader << TID_NUMBER_BITS | self.trades;
        number.wrapping_mul(TID_FACTOR) & ((1 << TID_BITS) - 1)
    }

    /// The signed position in lots; for spot the whole lots of the balance.
    pub(crate) fn lots(&self, coin: usize) -> i64 {
        let position = &self.positions[coin];
        match COINS[coin].kind {
            Kind::Perp { .. } => position.lots,
            Kind::Spot { .. } => whole_lots(position.balance, COINS[coin].sz_decimals),
        }
    }

    /// Executes: moves the position and gives the fill.
    pub(crate) fn execute(&mut self, e: Execution) -> Rc<TapeFill> {
        assert!(e.lots > 0 && e.ticks > 0, "a fill has a size and a price");
        let coin = &COINS[e.coin];
        let tid = if e.dust { 0 } else { self.next_tid() };
        let sz = Decimal::new(e.lots.into(), coin.sz_decimals);
        let px = Decimal::new(e.ticks.into(), coin.px_decimals);
        let (fee, fee_token) = fee(coin, &e);
        let position = &mut self.positions[e.coin];
        let (start_position, dir, closed_pnl) = match coin.kind {
            Kind::Perp { .. } => position.trade_perp(coin, &e),
            Kind::Spot { .. } => position.trade_spot(&e, sz, fee),
        };
        let fill = Fill {
            coin: coin.name.into(),
            px,
            sz,
            side: e.side,
            time_ms: e.time_ms,
            start_position,
            dir: e.label.unwrap_or(dir),
            closed_pnl,
            oid: e.oid,
            crossed: e.crossed,
            fee,
            fee_token: fee_token.into(),
            tid,
            cloid: e.cloid,
            liquidation: e.liquidation,
        };
        let builder_fee = e.builder.then_some(Decimal::new(1, 4));
        Rc::new(fill_on_tape(fill, Extras { hash: e.hash, twap_id: e.twap_id, builder_fee }))
    }
}

impl Position {
    fn trade_perp(&mut self, coin: &Coin, e: &Execution) -> (Decimal, Dir, Decimal) {
        let start = self.lots;
        let signed = if e.side == Side::Buy { e.lots } else { -e.lots };
        let opposes = start != 0 && (start > 0) != (signed > 0);
        let closing = if opposes { e.lots.min(start.abs()) } else { 0 };
        let ticks = i128::from(e.ticks);
        let mut pnl = 0;
        if closing > 0 {
            let share = self.paid * i128::from(closing) / i128::from(start.abs());
            let value = ticks * i128::from(closing);
            pnl = if start > 0 { value - share } else { share - value };
            self.paid -= share;
        }
        self.paid += ticks * i128::from(e.lots - closing);
        self.lots += signed;
        let dir = match (start.signum(), signed > 0) {
            (1 | 0, true) => Dir::OpenLong,
            (-1 | 0, false) => Dir::OpenShort,
            (1, false) if e.lots > start => Dir::LongToShort,
            (1, false) => Dir::CloseLong,
            (_, true) if e.lots > -start => Dir::ShortToLong,
            _ => Dir::CloseShort,
        };
        let pnl = Decimal::new(pnl, coin.px_decimals + coin.sz_decimals);
        (Decimal::new(start.into(), coin.sz_decimals), dir, pnl)
    }

    fn trade_spot(&mut self, e: &Execution, sz: Decimal, fee: Decimal) -> (Decimal, Dir, Decimal) {
        let start = self.balance;
        let (change, dir) = match e.side {
            Side::Buy => (sz.checked_sub(fee), Dir::Buy),
            Side::Sell => (Some(sz.neg()), Dir::Sell),
        };
        self.balance = change
            .and_then(|change| start.checked_add(change))
            .expect("a trader's balance stays within 64-bit lots");
        (start, dir, Decimal::ZERO)
    }
}

/// The fee of an execution and its token: takers pay 0.045 %, makers get 0.002 %, spot buyers pay
/// 0.07 % in the token they buy; all others pay in the quote or the collateral. A perpetual's fee is cut after six digits, as the venue does.
fn fee(coin: &Coin, e: &Execution) -> (Decimal, &'static str) {
    if e.dust {
        return (Decimal::ZERO, coin.paid_in());
    }
    if let (Kind::Spot { base, .. }, Side::Buy) = (coin.kind, e.side) {
        return (Decimal::new(i128::from(e.lots) * 7, coin.sz_decimals + 4), base);
    }
    let rate = if e.crossed { 45 } else { -2 };
    let exact = i128::from(e.ticks) * i128::from(e.lots) * rate;
    let scale = coin.px_decimals + coin.sz_decimals + 5;
    let cut = scale.saturating_sub(6);
    (Decimal::new(exact / 10i128.pow(cut.into()), scale - cut), coin.paid_in())
}

/// The whole lots in a balance that is not negative.
fn whole_lots(balance: Decimal, sz_decimals: u8) -> i64 {
    let power = |n: u8| 10i128.pow(n.into());
    let lots = if balance.scale() >= sz_decimals {
        balance.mantissa() / power(balance.scale() - sz_decimals)
    } else {
        balance.mantissa() * power(sz_decimals - balance.scale())
    };
    i64::try_from(lots).expect("a trader's balance stays within 64-bit lots")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tape::ZERO_HASH;
    use std::collections::HashSet;

    fn execution(coin: usize, side: Side, lots: i64, ticks: i64) -> Execution {
        Execution {
            coin,
            side,
            lots,
            ticks,
            oid: 1,
            time_ms: 1,
            crossed: true,
            cloid: None,
            liquidation: None,
            twap_id: None,
            builder: false,
            hash: ZERO_HASH.into(),
            label: None,
            dust: false,
        }
    }

    #[track_caller]
    fn check(ledger: &mut Ledger, e: Execution, start: &str, dir: &str, pnl: &str, fee: &str) {
        let fill = ledger.execute(e).fill;
        let found = [fill.start_position.to_string(), fill.dir.as_str().into()];
        assert_eq!(found, [start, dir]);
        assert_eq!(fill.closed_pnl.to_string(), pnl);
        assert_eq!(format!("{} {}", fill.fee, fill.fee_token), fee);
    }

    #[test]
    fn a_position_opens_grows_shrinks_and_flips() {
        let mut ledger = Ledger::new(3);
        // SOL: ticks of 0.001, lots of 0.01.
        let sol = |side, lots, ticks| execution(2, side, lots, ticks);
        let l = &mut ledger;
        check(l, sol(Side::Buy, 100, 100_000), "0", "Open Long", "0", "0.045 USDC");
        check(l, sol(Side::Buy, 100, 110_000), "1", "Open Long", "0", "0.0495 USDC");
        check(l, sol(Side::Sell, 50, 120_000), "2", "Close Long", "7.5", "0.027 USDC");
        check(l, sol(Side::Sell, 250, 120_000), "1.5", "Long > Short", "22.5", "0.135 USDC");
        check(l, sol(Side::Sell, 100, 130_000), "-1", "Open Short", "0", "0.0585 USDC");
        check(l, sol(Side::Buy, 200, 125_000), "-2", "Close Short", "0", "0.1125 USDC");
        assert_eq!(ledger.lots(2), 0);
        let l = &mut ledger;
        check(l, sol(Side::Sell, 1, 1_000), "0", "Open Short", "0", "0.000004 USDC");
        check(l, sol(Side::Buy, 2, 1_000), "-0.01", "Short > Long", "0", "0.000009 USDC");
    }

    #[test]
    fn a_spot_buyer_pays_in_the_token_and_makers_are_paid() {
        let mut ledger = Ledger::new(0);
        let hype = |side, lots| execution(11, side, lots, 41_350);
        let l = &mut ledger;
        check(l, hype(Side::Buy, 1000), "0", "Buy", "0", "0.007 HYPE");
        assert_eq!(l.lots(11), 999);
        let sell = Execution { crossed: false, ..hype(Side::Sell, 999) };
        check(l, sell, "9.993", "Sell", "0", "-0.008261 USDC");
        assert_eq!(l.lots(11), 0);
        let label = Some(Dir::new("Spot Dust Conversion"));
        l.execute(execution(14, Side::Buy, 1000, 299_120));
        let sold = l.execute(execution(14, Side::Sell, 900, 299_120)).fill;
        assert_eq!(sold.fee_token.as_str(), "USDT0", "the pair's quote");
        let opened = l.execute(execution(8, Side::Buy, 1000, 43_000)).fill;
        assert_eq!((opened.coin.as_str(), opened.fee_token.as_str()), ("flx:TSLA", "USDH"));
        l.execute(hype(Side::Buy, 2));
        let dust = Execution { dust: true, label, ..hype(Side::Sell, 1) };
        let fill = l.execute(dust).fill;
        assert_eq!((fill.tid, fill.dir.as_str()), (0, "Spot Dust Conversion"));
    }

    #[test]
    fn numbers_are_unique_and_fit_a_json_number() {
        let mut seen = HashSet::new();
        for trader in [0, 1, 2, (1 << 20) - 1] {
            let mut ledger = Ledger::new(trader);
            for _ in 0..2000 {
                for id in [ledger.next_oid(), ledger.next_tid()] {
                    assert!(id > 0 && id < 1 << 53, "{id}");
                    assert!(seen.insert(id), "{id} twice");
                }
            }
        }
    }
}
