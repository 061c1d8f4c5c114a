//! Many orders with terms: slices, cascades, expiries, auctions.

use crate::{Shape, shuffled};
use book::{Command, Event, Lots, NewOrder, OrderId, Phase, Side, Terms, Ticks, Time, User};

fn order(id: u64, side: Side, price: i64, qty: u64) -> NewOrder {
    NewOrder::limit(OrderId(id), User(0), side, Ticks(price), Lots(qty))
}

#[test]
fn one_taker_through_10_000_slices() {
    const ICEBERGS: u64 = 100;
    const SLICES: u64 = 100;
    let mut shape = Shape::new(ICEBERGS as usize + 1, 1);
    for id in 0..ICEBERGS {
        shape.apply(order(id, Side::Sell, 100, SLICES * 3).with_display(Lots(3)));
    }
    let all = ICEBERGS * SLICES * 3;
    assert_eq!(
        shape.apply(Command::New(order(1000, Side::Buy, 100, all - 1))).filled,
        Lots(all - 1)
    );
    let makers = shape.told.events.iter().filter_map(|event| match event {
        Event::Traded(trade) => Some(trade.maker.0),
        _ => None,
    });
    assert!(makers.eq((0..ICEBERGS * SLICES).map(|slice| slice % ICEBERGS)), "in turns");
    let next = shape.told.events.iter().filter(|event| matches!(event, Event::Refreshed(_)));
    assert_eq!(next.count() as u64, ICEBERGS * (SLICES - 1));
    assert_eq!(shape.told.levels.len(), 1, "the level is told when the taker leaves it");
    let left: Vec<_> = shape
        .book
        .orders(Side::Sell)
        .map(|order| (order.id.0, order.qty.0, order.hidden.0))
        .collect();
    assert_eq!(left, [(ICEBERGS - 1, 1, 0)]);
    shape.check(1, 1);
}

#[test]
fn a_cascade_of_10_000_stops_each_triggered_by_the_one_before() {
    const COUNT: u64 = 10_000;
    for side in Side::BOTH {
        let mut shape = Shape::new(2 * COUNT as usize + 2, 2 * COUNT as usize + 2);
        // The n-th stop waits for the price that the one before it trades at.
        let price = |nth: u64| match side {
            Side::Buy => 1 + nth as i64,
            Side::Sell => (1 << 52) - nth as i64,
        };
        (0..=COUNT).for_each(|nth| shape.rest(nth, side.opposite(), price(nth), 1));
        for nth in shuffled(COUNT, 7919) {
            let stop = NewOrder::market(OrderId(COUNT + 1 + nth), User(0), side, Lots(1));
            shape.apply(stop.with_stop(Ticks(price(nth))));
        }
        shape.check(2 * COUNT as usize + 1, COUNT as usize + 1);
        let taker = NewOrder::market(OrderId(u64::MAX), User(0), side, Lots(1));
        assert_eq!(shape.apply(Command::New(taker)).filled, Lots(1));
        let takers = shape.told.events.iter().filter_map(|event| match event {
            Event::Traded(trade) => Some((trade.taker.0, trade.maker.0)),
            _ => None,
        });
        let expected = (0..COUNT).map(|nth| (COUNT + 1 + nth, nth + 1));
        assert!(takers.skip(1).eq(expected));
        assert_eq!(shape.book.last_trade(), Some(Ticks(price(COUNT))));
        shape.check(0, 0);
    }
}

#[test]
fn ten_thousand_stops_of_one_trigger_enter_in_order() {
    const COUNT: u64 = 10_000;
    let mut shape = Shape::new(COUNT as usize + 1, 3);
    for id in 0..COUNT {
        shape.apply(order(id, Side::Buy, 50, 1).with_stop(Ticks(100)));
    }
    shape.rest(COUNT, Side::Sell, 100, 1);
    shape.apply(Command::New(order(COUNT + 1, Side::Buy, 100, 1)));
    assert!(shape.ids(Side::Buy).into_iter().eq(0..COUNT));
    assert_eq!(shape.told.events.len() as u64, 2 + 2 * COUNT);
    shape.check(COUNT as usize, 1);
}

#[test]
fn ten_thousand_orders_expire_at_once() {
    const COUNT: u64 = 10_000;
    let mut shape = Shape::new(2 * COUNT as usize, 100);
    for id in shuffled(COUNT, 7919) {
        let price = 1000 - (id % 97) as i64;
        let expires = Time(1 + id % 10);
        shape.apply(order(id, Side::Buy, price, 2).with_expiry(expires));
        shape.rest(COUNT + id, Side::Buy, price, 1);
    }
    shape.check(2 * COUNT as usize, 97);
    let mut gone: Vec<u64> = (0..COUNT).filter(|id| id % 10 < 9).collect();
    gone.sort_by_key(|id| (id % 10, *id));
    let outcome = shape.apply(Command::Expire { now: Time(9) });
    assert_eq!(outcome.cancelled, Lots(2 * gone.len() as u64));
    let cut = shape.told.events.iter().filter_map(|event| match event {
        Event::Cancelled(cancelled) => Some(cancelled.id.0),
        _ => None,
    });
    assert!(cut.eq(gone.iter().copied()), "by expiry, then by id");
    shape.check(COUNT as usize + 1000, 97);
    shape.apply(Command::Expire { now: Time(u64::MAX) });
    shape.check(COUNT as usize, 97);
}

#[test]
fn an_auction_of_20_000_orders_far_apart() {
    const COUNT: u64 = 10_000;
    const STRIDE: i64 = 1 << 38;
    let mut shape = Shape::new(2 * COUNT as usize, 2 * COUNT as usize);
    shape.apply(Command::SetPhase { phase: Phase::Auction });
    // One bid and one ask of three lots at each price; asks a tick below, so that none rests alone.
    for level in shuffled(COUNT, 7919) {
        let price = 2 + level as i64 * STRIDE;
        let terms = Terms { display: (level % 2 == 0).then_some(Lots(1)), ..Terms::default() };
        shape.apply(Command::NewWith(order(2 * level, Side::Buy, price, 3), terms));
        shape.apply(Command::NewWith(order(2 * level + 1, Side::Sell, price - 1, 3), terms));
    }
    shape.check(2 * COUNT as usize, 2 * COUNT as usize);
    // Half of the bids are at or above the middle, and half of the asks below. At the bid of level
    // 5000, and a tick below it, 5000 bids meet 5001 asks; lower down to the bid of 4999, excluded,
    // they meet 5000.
    let indicative = shape.book.indicative().expect("it is crossed");
    assert_eq!((indicative.volume, indicative.surplus), (Lots(15_000), 0));
    let (low, high) = (3 + 4999 * STRIDE, 5000 * STRIDE);
    assert_eq!(indicative.price, Ticks((low + high) / 2));
    let outcome = shape.apply(Command::Uncross { then: Phase::Continuous });
    assert_eq!((outcome.filled, outcome.cancelled), (Lots(15_000), Lots::ZERO));
    assert!(shape.ids(Side::Buy).into_iter().eq((0..COUNT / 2).rev().map(|level| 2 * level)));
    assert!(shape.ids(Side::Sell).into_iter().eq((COUNT / 2..COUNT).map(|level| 2 * level + 1)));
    shape.check(COUNT as usize, COUNT as usize);
}
