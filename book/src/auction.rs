//! The price of an uncross, from what both sides would trade at each price.
//!
//! Over all prices from the lowest to the highest limit of an order, or the last trade alone where no
//! order has a limit: the largest executable volume; then the smallest surplus; then, if every
//! price that is left has its surplus on the buyers' side, the highest of them, on the sellers'
//! side, the lowest; else the one nearest the last trade, or without one the middle, rounded down.
//! The volume rises to a plateau and falls again, and the surplus falls from buyers to sellers, so
//! what each rule leaves is an interval.

use crate::units::{Lots, Ticks};

/// What an uncross would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Indicative {
    /// The one price of its trades.
    pub price: Ticks,
    /// Lots that would trade.
    pub volume: Lots,
    /// Lots that would be left over at that price: positive of buyers, negative of sellers.
    pub surplus: i128,
}

/// Lots that would trade at the lowest price of all: every buyer, and the sellers at market.
#[derive(Clone, Copy)]
pub(crate) struct AtLowest {
    pub(crate) buy: Lots,
    pub(crate) sell: Lots,
}

/// Prices that the rules so far leave: `low..=high`, all with this volume and this size of surplus.
struct Left {
    volume: u64,
    surplus: u64,
    low: i64,
    high: i64,
    /// Up to which of them the surplus is one of buyers; above, it is one of sellers.
    buyers_to: Option<i64>,
}

/// Finds the price. `bids` and `asks` are the levels of each side, prices rising, with all their
/// lots; `None` when nothing would trade.
pub(crate) fn find(
    at_lowest: AtLowest,
    bids: impl Iterator<Item = (Ticks, Lots)>,
    asks: impl Iterator<Item = (Ticks, Lots)>,
    last_trade: Option<Ticks>,
) -> Option<Indicative> {
    let AtLowest { buy: Lots(mut buy), sell: Lots(mut sell) } = at_lowest;
    let (mut bids, mut asks) = (bids.peekable(), asks.peekable());
    let mut left: Option<Left> = None;
    // The lowest price that has not been looked at.
    let mut from = None;
    loop {
        let next = [bids.peek(), asks.peek()].into_iter().flatten().map(|(price, _)| price.0).min();
        let Some(price) = next else { break };
        // Between two prices of orders nothing changes.
        if let Some(from) = from.filter(|from| *from < price) {
            consider(&mut left, from, price - 1, buy, sell);
        }
        if let Some((_, lots)) = asks.next_if(|(at, _)| at.0 == price) {
            sell += lots.0;
        }
        consider(&mut left, price, price, buy, sell);
        if let Some((_, lots)) = bids.next_if(|(at, _)| at.0 == price) {
            buy -= lots.0;
        }
        from = Some(price + 1);
    }
    if let (None, Some(Ticks(last))) = (from, last_trade) {
        consider(&mut left, last, last, buy, sell);
    }
    let Left { volume, surplus, low, high, buyers_to } = left.filter(|left| left.volume > 0)?;
    let price = match buyers_to {
        _ if surplus == 0 => nearest(low, high, last_trade),
        Some(to) if to == high => high,
        None => low,
        Some(_) => nearest(low, high, last_trade),
    };
    let surplus = i128::from(surplus);
    let surplus = if buyers_to.is_some_and(|to| price <= to) { surplus } else { -surplus };
    Some(Indicative { price: Ticks(price), volume: Lots(volume), surplus })
}

/// The price of an interval that is nearest the last trade, or its middle.
fn nearest(low: i64, high: i64, last_trade: Option<Ticks>) -> i64 {
    last_trade.map_or(low + (high - low) / 2, |last| last.0.clamp(low, high))
}

/// Looks at prices at which this many lots would be bought and sold.
fn consider(left: &mut Option<Left>, low: i64, high: i64, buy: u64, sell: u64) {
    let (volume, surplus) = (buy.min(sell), buy.abs_diff(sell));
    let buyers_to = (buy > sell).then_some(high);
    match left {
        Some(left) if (left.volume, left.surplus) == (volume, surplus) => {
            assert!(left.high + 1 == low, "what the rules leave is an interval");
            (left.high, left.buyers_to) = (high, buyers_to.or(left.buyers_to));
        }
        Some(left) if left.volume > volume || left.volume == volume && left.surplus < surplus => {}
        _ => *left = Some(Left { volume, surplus, low, high, buyers_to }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `find` on sides written as `lots@price`, and compares `volume@price surplus`.
    #[track_caller]
    fn check(bids: &[(u64, i64)], asks: &[(u64, i64)], any: (u64, u64), last: i64, expected: &str) {
        let levels = |side: &[(u64, i64)]| {
            let mut levels: Vec<_> = side.iter().map(|(q, p)| (Ticks(*p), Lots(*q))).collect();
            levels.sort();
            levels
        };
        let (bids, asks) = (levels(bids), levels(asks));
        let buyers: u64 = bids.iter().map(|(_, lots)| lots.0).sum();
        let any = AtLowest { buy: Lots(any.0 + buyers), sell: Lots(any.1) };
        let last = (last > 0).then_some(Ticks(last));
        let found = find(any, bids.into_iter(), asks.into_iter(), last);
        let text = found.map_or("none".to_owned(), |found| {
            format!("{}@{} {}", found.volume.0, found.price.0, found.surplus)
        });
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_trades_where_nothing_crosses() {
        check(&[], &[], (0, 0), 5, "none");
        check(&[(5, 99)], &[(5, 100)], (0, 0), 5, "none");
        check(&[(5, 99)], &[], (7, 0), 5, "none");
    }

    #[test]
    fn each_rule_decides_where_those_before_it_do_not() {
        // Volume.
        check(&[(5, 101), (5, 100)], &[(8, 100), (4, 101)], (0, 0), 0, "8@100 2");
        // Surplus: between the orders' prices there is none.
        check(&[(5, 10), (5, 8)], &[(5, 8), (4, 10)], (0, 0), 0, "5@9 0");
        // The side of the surplus: buyers drive it up, sellers down.
        check(&[(9, 105)], &[(5, 100)], (0, 0), 0, "5@105 4");
        check(&[(5, 105)], &[(9, 100)], (0, 0), 0, "5@100 -4");
        // The last trade, in the interval, below and above it; without one the middle.
        for (last, price) in [(103, 103), (1, 100), (200, 105), (0, 102)] {
            check(&[(5, 105)], &[(5, 100)], (0, 0), last, &format!("5@{price} 0"));
        }
    }

    #[test]
    fn both_sides_with_the_same_surplus_go_by_the_last_trade() {
        // At 100: 6 against 5. At 101 and above: 5 against 6.
        let (bids, asks) = ([(5, 103), (1, 100)], [(5, 98), (1, 101)]);
        check(&bids, &asks, (0, 0), 100, "5@100 1");
        check(&bids, &asks, (0, 0), 200, "5@103 -1");
        check(&bids, &asks, (0, 0), 1, "5@98 1");
    }

    #[test]
    fn market_orders_trade_at_any_price() {
        check(&[], &[], (5, 5), 77, "5@77 0");
        check(&[], &[], (6, 5), 77, "5@77 1");
        check(&[], &[], (5, 6), 77, "5@77 -1");
        check(&[], &[], (5, 5), 0, "none");
        check(&[], &[(3, 100)], (5, 0), 77, "3@100 2");
        check(&[], &[(3, 100), (2, 110), (9, 120)], (4, 0), 77, "4@110 -1");
        check(&[(3, 100)], &[(3, 90)], (1, 1), 95, "4@95 0");
    }
}
