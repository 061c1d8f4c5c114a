//! The uncross of an auction: its price by each rule, its trades, and what is left.

use super::{check, check_outcome, run};
use crate::pair::Pair;
use book::{Indicative, Lots, SelfTrade, TICKS_MAX, Ticks};

/// Orders collected in an auction without a last trade, or after one at a price; compares the
/// indicative price, volume and surplus.
#[track_caller]
fn check_price(last_trade: Option<i64>, orders: &str, expected: Option<(i64, u64, i128)>) {
    let mut pair = Pair::new(SelfTrade::Allow, 0);
    if let Some(price) = last_trade {
        run(&mut pair, &format!("s 1@{price} #90; b 1@{price} #91"));
    }
    run(&mut pair, &format!("phase auction; {orders}"));
    let expected = expected.map(|(price, volume, surplus)| Indicative {
        price: Ticks(price),
        volume: Lots(volume),
        surplus,
    });
    assert_eq!(pair.book.indicative(), expected, "{orders}");
    run(&mut pair, "uncross continuous");
    if let Some(expected) = expected {
        assert_eq!(pair.book.last_trade(), Some(expected.price), "{orders}");
    }
    assert_eq!(pair.book.indicative(), None, "after the uncross of {orders}");
}

#[test]
fn first_the_largest_volume() {
    // At 100: 10 against 4. At 101: 10 against 9. At 102: 6 against 12.
    let orders = "b 4@101 #1; b 6@102 #2; s 4@100 #3; s 5@101 #4; s 3@102 #5;";
    check_price(None, orders, Some((101, 9, 1)));
    check_price(Some(500), orders, Some((101, 9, 1)));
}

#[test]
fn hidden_lots_count() {
    let orders = "b 4@101 #1 show1; b 6@102 #2 show1; s 4@100 #3; s 5@101 #4 show2; s 3@102 #5;";
    check_price(None, orders, Some((101, 9, 1)));
}

#[test]
fn then_the_smallest_surplus() {
    // Five lots trade from 100 to 103; at 101 one buyer has gone, above 102 a seller has come.
    let orders = "b 2@100 #1; b 6@103 #2; s 5@100 #3; s 4@103 #4;";
    // 100: 8 against 5; 101, 102: 6 against 5; 103: 6 against 9 trades more.
    check_price(None, orders, Some((103, 6, -3)));
    let orders = "b 2@100 #1; b 5@103 #2; s 5@100 #3; s 4@103 #4;";
    // 100: 7 against 5; 101 and 102: 5 against 5; 103: 5 against 9.
    check_price(Some(90), orders, Some((101, 5, 0)));
    check_price(Some(110), orders, Some((102, 5, 0)));
}

#[test]
fn then_the_side_of_the_surplus() {
    // Buyers are left at every price from 100 to 105: up. Sellers are: down.
    check_price(None, "b 9@105 #1; s 5@100 #2", Some((105, 5, 4)));
    check_price(Some(1), "b 9@105 #1; s 5@100 #2", Some((105, 5, 4)));
    check_price(None, "b 5@105 #1; s 9@100 #2", Some((100, 5, -4)));
    check_price(Some(900), "b 5@105 #1; s 9@100 #2", Some((100, 5, -4)));
}

#[test]
fn then_what_is_nearest_to_the_last_trade() {
    let orders = "b 5@105 #1; s 5@100 #2";
    for (last, price) in [(1, 100), (99, 100), (100, 100), (103, 103), (105, 105), (999, 105)] {
        check_price(Some(last), orders, Some((price, 5, 0)));
    }
    // No surplus on either side, or one that changes sides with the same size.
    let orders = "b 5@105 #1; b 2@102 #2; s 5@100 #3; s 2@103 #4";
    // 100 to 102: 7 against 5; 103 to 105: 5 against 7.
    for (last, price, surplus) in [(99, 100, 2), (102, 102, 2), (103, 103, -2), (999, 105, -2)] {
        check_price(Some(last), orders, Some((price, 5, surplus)));
    }
}

#[test]
fn without_a_last_trade_the_middle_rounded_down() {
    check_price(None, "b 5@105 #1; s 5@100 #2", Some((102, 5, 0)));
    check_price(None, "b 5@104 #1; s 5@100 #2", Some((102, 5, 0)));
    check_price(None, "b 5@100 #1; s 5@100 #2", Some((100, 5, 0)));
    check_price(None, "b 5@MAX #1; s 5@1 #2", Some((1 << 51, 5, 0)));
    let orders = "b 5@105 #1; b 2@102 #2; s 5@100 #3; s 2@103 #4";
    check_price(None, orders, Some((102, 5, 2)));
}

#[test]
fn prices_between_orders_count() {
    // 100 has a seller too many behind it, 102 a buyer: only 101, where nobody is, has none.
    let orders = "b 5@MAX #1; b 3@100 #2; s 5@1 #3; s 3@102 #4";
    check_price(Some(500), orders, Some((101, 5, 0)));
}

#[test]
fn nothing_trades_when_nobody_meets() {
    check_price(None, "b 5@99 #1; s 5@100 #2", None);
    check_price(None, "b 5@99 #1; b 5@mkt #2", None);
    check_price(Some(100), "s 5@mkt #1", None);
    check_price(None, "b 5@99 #1", None);
    check(
        "phase auction; b 5@99 #1; s 5@100 #2; uncross continuous",
        "ok; phase continuous",
        "b99 1=5, s100 2=5",
    );
    check("phase auction; uncross halted", "ok; phase halted", "halted: ");
}

#[test]
fn market_orders_trade_at_any_price() {
    check_price(Some(77), "b 5@mkt #1; s 5@100 #2", Some((100, 5, 0)));
    check_price(Some(177), "s 5@mkt #1; b 5@100 #2", Some((100, 5, 0)));
    check_price(None, "b 4@mkt #1; s 3@100 #2; s 2@110 #3; s 9@120 #4", Some((110, 4, -1)));
    check_price(Some(90), "b 4@mkt #1; s 4@100 #2; s 2@110 #3", Some((100, 4, 0)));
    check_price(Some(999), "b 4@mkt #1; s 4@100 #2; s 2@110 #3", Some((109, 4, 0)));
    check_price(None, "b 4@mkt #1; s 4@100 #2; s 2@110 #3", Some((104, 4, 0)));
}

#[test]
fn no_price_is_beyond_the_limits_of_the_orders() {
    // A surplus of market orders that no price ends drives it to the last limit there is.
    for last_trade in [None, Some(77), Some(100), Some(177)] {
        check_price(last_trade, "b 6@mkt #1; s 5@100 #2", Some((100, 5, 1)));
        check_price(last_trade, "s 6@mkt #1; b 5@100 #2", Some((100, 5, -1)));
        check_price(last_trade, "b 9@mkt #1; s 5@100 #2; s 1@110 #3", Some((110, 6, 3)));
        check_price(last_trade, "s 9@mkt #1; b 5@100 #2; b 1@90 #3", Some((90, 6, -3)));
    }
    // Limits of both sides count, also of orders that do not trade: here up to 105.
    check_price(None, "b 9@mkt #1; b 1@105 #2; s 5@100 #3", Some((105, 5, 5)));
    check_price(None, "s 9@mkt #1; s 1@95 #2; b 5@100 #3", Some((95, 5, -5)));
    // The last trade is far from them all.
    let orders = "b 5@mkt #1; s 5@mkt #2; b 1@50 #3; s 1@60 #4";
    for (last, price) in [(1, 51), (55, 55), (999, 59)] {
        check_price(Some(last), orders, Some((price, 5, 0)));
    }
    check_price(None, orders, Some((55, 5, 0)));
    check_price(Some(50), "b 5@mkt #1; b 9@100 #3; s 5@mkt #2", Some((100, 5, 9)));
    // The limits of stops do not.
    check_price(None, "b 6@mkt #1; s 5@100 #2; s 1@200 #3 stop1", Some((100, 5, 1)));
    check(
        "phase auction; b 6@mkt #1; s 5@100 #2; uncross continuous",
        "ok; uncross 5@100; 2/1[1] 5@100; cut 1 1 unfilled; phase continuous",
        "",
    );
}

#[test]
fn market_orders_alone_trade_at_the_last_price_or_not_at_all() {
    for (orders, surplus) in [
        ("b 5@mkt #1; s 5@mkt #2", 0),
        ("b 6@mkt #1; s 5@mkt #2", 1),
        ("b 5@mkt #1; s 6@mkt #2", -1),
    ] {
        for last in [1, 77, TICKS_MAX.0] {
            check_price(Some(last), orders, Some((last, 5, surplus)));
        }
        check_price(None, orders, None);
    }
    // A stop that waits has not brought a limit yet.
    check_price(None, "b 5@mkt #1; s 5@mkt #2; b 5@100 #3 stop90", None);
    check(
        "phase auction; b 5@mkt #1; s 5@mkt #2; uncross continuous",
        "ok; cut 1 5 unfilled; cut 2 5 unfilled; phase continuous",
        "",
    );
}

#[test]
fn trades_pair_the_first_buyer_with_the_first_seller() {
    check(
        "phase auction; b 3@101 #1; b 4@102 #2; b 2@101 #3; s 5@100 #4; s 3@99 #5; \
         uncross continuous",
        "ok; uncross 8@101; 5/2[1] 3@101; 4[4]/2 1@101; 4[1]/1 3@101; 4/3[1] 1@101; \
         phase continuous",
        "b101 3=1",
    );
    check_outcome(
        "phase auction; b 3@101 #1; b 4@102 #2; b 2@101 #3; s 5@100 #4; s 3@99 #5; \
         uncross continuous",
        [8, 0, 0],
    );
}

#[test]
fn market_orders_come_first_and_what_is_left_of_them_is_cut() {
    let script = "phase auction; b 3@100 #1; b 4@mkt #2; b 2@mkt #3 ioc; s 5@100 #4; s 1@mkt #5; \
                  s 1@99 #6; uncross halted";
    check(
        script,
        "ok; uncross 7@100; 5/2[3] 1@100; 6/2[2] 1@100; 4[3]/2 2@100; 4[1]/3 2@100; \
         4/1[2] 1@100; phase halted",
        "halted: b100 1=2",
    );
    check_outcome(script, [7, 0, 0]);
    // Buyers in their order, then sellers.
    let script = "s 1@100 #8; b 1@100 #9; phase auction; b 4@mkt #3; b 2@mkt #1; s 3@mkt #2; \
                  uncross continuous";
    check(
        script,
        "ok; uncross 3@100; 2/3[1] 3@100; cut 3 1 unfilled; cut 1 2 unfilled; phase continuous",
        "",
    );
    check_outcome(script, [3, 0, 3]);
    let script = "phase auction; s 4@mkt #3; s 2@mkt #1; uncross halted";
    check(script, "ok; cut 3 4 unfilled; cut 1 2 unfilled; phase halted", "halted: ");
    check_outcome(script, [0, 0, 6]);
}

#[test]
fn slices_of_icebergs_go_to_the_end_of_their_level() {
    check(
        "phase auction; b 5@100 #1 show2; b 3@100 #2; s 4@100 #3 show2; s 4@99 #4; \
         uncross continuous",
        "ok; uncross 8@100; 4[2]/1[3] 2@100; next 1 2+1@100; 4/2[1] 2@100; \
         3[3]/2 1@100; 3[2]/1[2] 1@100; next 3 2@100; 3[1]/1[1] 1@100; \
         next 1 1@100; 3/1 1@100; phase continuous",
        "",
    );
    // Used up at once: the buyer's next slice is told first.
    check(
        "phase auction; b 4@100 #1 show2; s 4@100 #2 show2; uncross continuous",
        "ok; uncross 4@100; 2[2]/1[2] 2@100; next 1 2@100; next 2 2@100; 2/1 2@100; \
         phase continuous",
        "",
    );
}

#[test]
fn one_user_trades_with_itself_in_an_uncross() {
    check(
        "phase auction; b 4@100 #1 u7 both; s 4@100 #2 u7 both; uncross continuous",
        "ok; uncross 4@100; 2/1 4@100; phase continuous",
        "",
    );
}

#[test]
fn stops_are_elected_by_the_uncross_that_starts_trading() {
    let auction = "phase auction; b 4@100 #1; s 3@100 #2; b 1@50 #3 stop100; s 1@150 #4 stop100; \
                   b 1@50 #5 stop101;";
    check(
        &format!("{auction} uncross continuous"),
        "ok; uncross 3@100; 2/1[1] 3@100; phase continuous; trigger 3; rest 3 1@50; \
         trigger 4; rest 4 1@150",
        "b100 1=1, b50 3=1, s150 4=1, b^101 5=1",
    );
    check(
        &format!("{auction} uncross halted"),
        "ok; uncross 3@100; 2/1[1] 3@100; phase halted",
        "halted: b100 1=1, b^100 3=1, b^101 5=1, s^100 4=1",
    );
    check(
        &format!("{auction} uncross halted; phase continuous"),
        "ok; phase continuous; trigger 3; rest 3 1@50; trigger 4; rest 4 1@150",
        "b100 1=1, b50 3=1, s150 4=1, b^101 5=1",
    );
}

#[test]
fn trades_of_every_uncross_since_the_last_election_count() {
    // Two uncrosses that end in a halt, at 110 and at 90: the range reaches stops of both.
    check(
        "phase auction; b 1@50 #3 stop110; s 1@150 #4 stop90; b 1@110 #1; s 1@110 #2; \
         uncross halted; phase auction; b 1@90 #1; s 1@90 #2; uncross continuous",
        "ok; uncross 1@90; 2/1 1@90; phase continuous; trigger 3; rest 3 1@50; \
         trigger 4; rest 4 1@150",
        "b50 3=1, s150 4=1",
    );
}
