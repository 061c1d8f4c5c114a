//! Many plain orders: in one level, in many, taken and cancelled in every order.

use crate::{Shape, shuffled};
use book::{Command, Event, LevelDepth, Lots, NewOrder, OrderId, Side, Ticks, TimeInForce, User};

#[test]
fn a_level_of_100_000_orders_cancelled_from_the_middle() {
    const COUNT: u64 = 100_000;
    let mut shape = Shape::new(COUNT as usize, 1);
    (0..COUNT).for_each(|id| shape.rest(id, Side::Sell, 500, id % 10 + 1));
    shape.check(COUNT as usize, 1);
    // Outwards from the middle: the upper half rising, the lower half falling, by turns.
    let middle = COUNT / 2;
    for step in 0..middle - 5 {
        assert_eq!(shape.cancel(middle + step), Lots((middle + step) % 10 + 1));
        assert_eq!(shape.cancel(middle - 1 - step), Lots((middle - 1 - step) % 10 + 1));
    }
    shape.check(10, 1);
    let left: Vec<u64> = (0..5).chain(COUNT - 5..COUNT).collect();
    assert_eq!(shape.ids(Side::Sell), left);
    let qty = Lots(left.iter().map(|id| id % 10 + 1).sum());
    let level = LevelDepth { side: Side::Sell, price: Ticks(500), qty, orders: 10 };
    assert_eq!(shape.book.best(Side::Sell), Some(level));
    left.iter().for_each(|id| assert_eq!(shape.cancel(*id), Lots(id % 10 + 1)));
    shape.check(0, 0);
}

#[test]
fn a_hundred_thousand_levels_as_far_apart_as_prices_go() {
    const COUNT: u64 = 100_000;
    const STRIDE: i64 = (1 << 52) / COUNT as i64;
    let mut shape = Shape::new(COUNT as usize, COUNT as usize);
    // Bids in the lower half of the prices, asks in the upper.
    let side = |level: u64| if level < COUNT / 2 { Side::Buy } else { Side::Sell };
    let price = |level: u64| 1 + level as i64 * STRIDE;
    shuffled(COUNT, 7919).for_each(|level| shape.rest(level, side(level), price(level), 3));
    shape.check(COUNT as usize, COUNT as usize);
    assert!(shape.prices(Side::Buy).into_iter().eq((0..COUNT / 2).rev().map(price)));
    assert!(shape.prices(Side::Sell).into_iter().eq((COUNT / 2..COUNT).map(price)));
    // Every third level goes; then a taker walks ten of what is left of the asks.
    shuffled(COUNT, 31_337).filter(|level| level % 3 == 0).for_each(|level| {
        shape.cancel(level);
    });
    let left: Vec<u64> = (COUNT / 2..COUNT).filter(|level| level % 3 != 0).collect();
    let buy = NewOrder::market(OrderId(COUNT), User(0), Side::Buy, Lots(30));
    assert_eq!(shape.apply(Command::New(buy)).filled, Lots(30));
    assert!(shape.prices(Side::Sell).into_iter().eq(left[10..].iter().map(|level| price(*level))));
    shape.check(66_656, 66_656);
    for level in shuffled(COUNT, 104_729).filter(|level| level % 3 != 0) {
        if !left[..10].contains(&level) {
            shape.cancel(level);
        }
    }
    shape.check(0, 0);
}

#[test]
fn a_sweep_through_10_000_orders() {
    const LEVELS: u64 = 100;
    const EACH: u64 = 100;
    const COUNT: u64 = LEVELS * EACH;
    for maker in Side::BOTH {
        let mut shape = Shape::new(COUNT as usize + 1, LEVELS as usize + 1);
        let depth = |level: u64| match maker {
            Side::Buy => 1000 - level as i64,
            Side::Sell => 1000 + level as i64,
        };
        // Ids rise with time, the best level last.
        for id in 0..COUNT {
            shape.rest(id, maker, depth(LEVELS - 1 - id / EACH), 2);
        }
        let limit = Ticks(depth(LEVELS));
        let taker = NewOrder::limit(OrderId(COUNT), User(0), maker.opposite(), limit, Lots(20_001));
        // A lot more than there is: killed, then taken with one lot to rest.
        let killed = Command::New(taker.with_tif(TimeInForce::Fok));
        assert_eq!(shape.book.apply(&killed, &mut book::Discard).code(), 7);
        let outcome = shape.apply(Command::New(taker));
        assert_eq!((outcome.filled, outcome.resting), (Lots(20_000), Lots(1)));
        let trades = shape.told.events.iter().filter_map(|event| match event {
            Event::Traded(trade) => Some((trade.maker.0, trade.price.0)),
            _ => None,
        });
        let expected = (0..LEVELS).flat_map(|level| {
            (0..EACH).map(move |nth| ((LEVELS - 1 - level) * EACH + nth, depth(level)))
        });
        assert!(trades.eq(expected));
        // Each level was told once, as gone, and the one that the rest made.
        assert_eq!(shape.told.levels.len() as u64, LEVELS + 1);
        assert_eq!(shape.told.levels.iter().filter(|level| level.orders == 0).count(), 100);
        shape.check(1, 1);
    }
}

#[test]
fn levels_and_sides_that_empty_and_fill_by_turns() {
    let mut shape = Shape::new(4, 4);
    // Far orders that stay, and the touch between them, which goes and comes at jumping prices.
    shape.rest(0, Side::Buy, 1, 1);
    shape.rest(1, Side::Sell, 1 << 52, 1);
    for (turn, jump) in shuffled(20_011, 7919).enumerate() {
        let (side, price) = (Side::BOTH[turn % 2], 2 + (jump as i64) * (1 << 37));
        shape.rest(2, side, price, 5);
        let best = shape.book.best(side).map(|level| (level.price.0, level.qty.0, level.orders));
        assert_eq!(best, Some((price, 5, 1)));
        if turn % 3 == 0 {
            shape.cancel(2);
        } else {
            let limit = Ticks(price);
            let taker = NewOrder::limit(OrderId(3), User(0), side.opposite(), limit, Lots(5));
            assert_eq!(shape.apply(Command::New(taker)).filled, Lots(5));
        }
        let far =
            [Side::Buy, Side::Sell].map(|side| shape.book.best(side).map(|best| best.price.0));
        assert_eq!(far, [Some(1), Some(1 << 52)]);
    }
    shape.check(2, 2);
    // And with nothing behind.
    shape.cancel(0);
    shape.cancel(1);
    for turn in 0..20_000_i64 {
        let (side, price) = (Side::BOTH[(turn % 2) as usize], 1 + (turn << 38) % (1 << 52));
        shape.rest(u64::MAX, side, price, 1);
        shape.cancel(u64::MAX);
        assert_eq!((shape.book.best(Side::Buy), shape.book.best(Side::Sell)), (None, None));
    }
    shape.check(0, 0);
}

#[test]
fn a_mass_cancel_of_10_000_orders_among_20_000() {
    const COUNT: u64 = 20_000;
    let mut shape = Shape::new(COUNT as usize, 200);
    // Ids fall with time, and the owners take turns.
    for id in (0..COUNT).rev() {
        let (side, away) = (Side::BOTH[(id / 2 % 2) as usize], (id % 97) as i64);
        let price = if side == Side::Buy { 1000 - away } else { 1001 + away };
        let (user, price) = (User((id % 2) as u32 + 1), Ticks(price));
        let order = NewOrder::limit(OrderId(id), user, side, price, Lots(id + 1));
        shape.apply(Command::New(order));
    }
    let before = [Side::Buy, Side::Sell].map(|side| shape.ids(side));
    let outcome = shape.apply(Command::MassCancel { user: User(1), side: None });
    let theirs = || (0..COUNT).filter(|id| id % 2 == 0);
    assert_eq!(outcome.cancelled, Lots(theirs().map(|id| id + 1).sum()));
    let cut = shape.told.events.iter().filter_map(|event| match event {
        Event::Cancelled(cancelled) => Some(cancelled.id.0),
        _ => None,
    });
    assert!(cut.eq(theirs()), "by rising id");
    for (side, before) in Side::BOTH.into_iter().zip(before) {
        let left: Vec<u64> = before.into_iter().filter(|id| id % 2 == 1).collect();
        assert_eq!(shape.ids(side), left);
    }
    shape.check(10_000, 2 * 97);
    let side = Some(Side::Sell);
    shape.apply(Command::MassCancel { user: User(2), side });
    shape.check(5_000, 97);
    shape.apply(Command::MassCancel { user: User(2), side: None });
    shape.check(0, 0);
}
