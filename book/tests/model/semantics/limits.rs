//! The ends of the numbers: prices to 2^52, orders of 2^40 lots, levels beyond 2^50.

use super::{check, check_outcome, run};
use crate::pair::Pair;
use book::{LOTS_MAX, LevelDepth, Lots, SelfTrade, Side, TICKS_MAX, Ticks};

#[test]
fn orders_rest_and_trade_at_both_ends_of_the_prices() {
    check("b 5@1 #1; s 5@MAX #2; s 2@1 #3", "ok; 1[3]/3 2@1", "b1 1=3, s4503599627370496 2=5");
    check(
        "s 5@MAX #2; b 6@MAX #3",
        "ok; 2/3[1] 5@4503599627370496; rest 3 1@4503599627370496",
        "b4503599627370496 3=1",
    );
    check("s 5@1 #2; b 6@1 #3", "ok; 2/3[1] 5@1; rest 3 1@1", "b1 3=1");
    check(
        "b 1@1 #1 stopMAX; s 1@MAX #2 stop1; s 1@MAX #3; b 1@MAX #4",
        "ok; 3/4 1@4503599627370496; trigger 1; rest 1 1@1",
        "b1 1=1, s^1 2=1",
    );
}

#[test]
fn the_largest_orders_are_counted_to_the_lot() {
    check_outcome("s MAX@100 #1; b MAX@100 #2", [LOTS_MAX.0, 0, 0]);
    check_outcome("s MAX@100 #1; s 1@100 #2; b MAX@100 #3", [LOTS_MAX.0, 0, 0]);
    check_outcome("s MAX@100 #1 showMAX; cancel #1", [0, 0, LOTS_MAX.0]);
    // The thinnest slices that so many lots may have.
    check_outcome("s MAX@100 #1 show268435456; reduce #1 MAX", [0, 0, LOTS_MAX.0]);
    check(
        "s MAX@100 #1 show268435456; b 268435457@100 #2",
        "ok; 1[1099243192320]/2[1] 268435456@100; next 1 268435456+1098974756864@100; \
         1[1099243192319]/2 1@100",
        "s100 1=268435455+1098974756864",
    );
    check_outcome("s MAX@100 #1 show268435456; b MAX@100 #2", [LOTS_MAX.0, 0, 0]);
    check("s MAX@100 #1 show268435455", "no3", "");
    check_outcome("b MAX@100 #1 u7; b MAX@99 #2 u7; mass u7", [0, 0, 2 * LOTS_MAX.0]);
}

/// A side with 1100 orders of the largest size: more than 2^50 lots.
fn deep(pair: &mut Pair, side: &str, price: i64, first_id: u64) {
    let orders: Vec<String> =
        (first_id..first_id + 1100).map(|id| format!("{side} MAX@{price} #{id}")).collect();
    run(pair, &orders.join(";"));
}

#[test]
fn a_level_holds_more_than_two_to_the_fiftieth() {
    let mut pair = Pair::new(SelfTrade::Allow, 0);
    deep(&mut pair, "s", TICKS_MAX.0, 0);
    let (side, qty) = (Side::Sell, Lots(1100 * LOTS_MAX.0));
    assert!(qty.0 > 1 << 50);
    let level = LevelDepth { side, price: TICKS_MAX, qty, orders: 1100 };
    assert_eq!(pair.book.best(side), Some(level));
    // Fill-or-kill adds levels up, too.
    run(&mut pair, "s MAX@1 #5000");
    assert_eq!(run(&mut pair, "b MAX@mkt #6000 fok").filled, LOTS_MAX);
    assert_eq!(run(&mut pair, "mass u0").cancelled, qty);
}

#[test]
fn an_uncross_of_such_levels_is_exact() {
    let mut pair = Pair::new(SelfTrade::Allow, 0);
    run(&mut pair, "phase auction");
    deep(&mut pair, "s", 1, 0);
    deep(&mut pair, "b", TICKS_MAX.0, 5000);
    run(&mut pair, "b 1@mkt #9000");
    let indicative = pair.book.indicative().expect("it is crossed");
    let volume = Lots(1100 * LOTS_MAX.0);
    assert_eq!((indicative.volume, indicative.surplus), (volume, 1));
    assert_eq!(indicative.price, TICKS_MAX);
    let outcome = run(&mut pair, "uncross continuous");
    assert_eq!((outcome.filled, outcome.cancelled), (volume, Lots::ZERO));
    let left = pair.book.best(Side::Buy).expect("one lot is left");
    assert_eq!((left.price, left.qty, left.orders), (TICKS_MAX, Lots(1), 1));
    assert_eq!(pair.book.last_trade(), Some(Ticks(1 << 52)));
}
