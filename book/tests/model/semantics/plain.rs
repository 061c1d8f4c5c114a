//! Plain orders: price and time, time in force, cancel, reduce, mass cancel.

use super::{check, check_outcome};

#[test]
fn price_comes_before_time_and_the_maker_sets_the_price() {
    let asks = "s 5@101 #1; s 5@100 #2; s 5@100 #3;";
    check(
        &format!("{asks} b 12@105 #4"),
        "ok; 2/4[7] 5@100; 3/4[2] 5@100; 1[3]/4 2@101",
        "s101 1=3",
    );
    let bids = "b 5@99 #1; b 5@100 #2; b 5@100 #3;";
    check(&format!("{bids} s 12@90 #4"), "ok; 2/4[7] 5@100; 3/4[2] 5@100; 1[3]/4 2@99", "b99 1=3");
}

#[test]
fn a_limit_order_trades_within_its_limit_and_rests_the_rest() {
    check("s 5@100 #1; b 8@100 #2", "ok; 1/2[3] 5@100; rest 2 3@100", "b100 2=3");
    check("b 5@100 #1; s 8@100 #2", "ok; 1/2[3] 5@100; rest 2 3@100", "s100 2=3");
    check("s 5@101 #1; b 8@100 #2", "ok; rest 2 8@100", "b100 2=8, s101 1=5");
    check("b 5@100 #1; b 2@100 #2", "ok; rest 2 2@100", "b100 1=5 2=2");
    check("s 5@100 #1; b 5@100 #2", "ok; 1/2 5@100", "");
    check_outcome("s 5@100 #1; b 8@100 #2", [5, 3, 0]);
}

#[test]
fn what_may_not_rest_is_cut() {
    check("s 5@100 #1; b 8@100 #2 ioc", "ok; 1/2[3] 5@100; cut 2 3 unfilled", "");
    check("b 8@100 #2 ioc", "ok; cut 2 8 unfilled", "");
    check("s 5@101 #1; b 8@100 #2 ioc", "ok; cut 2 8 unfilled", "s101 1=5");
    check_outcome("s 5@100 #1; b 8@100 #2 ioc", [5, 0, 3]);
}

#[test]
fn a_market_order_takes_any_price_and_never_rests() {
    let asks = "s 5@1 #1; s 5@MAX #2;";
    for tif in ["gtc", "ioc"] {
        check(
            &format!("{asks} b 12@mkt #3 {tif}"),
            "ok; 1/3[7] 5@1; 2/3[2] 5@4503599627370496; cut 3 2 unfilled",
            "",
        );
        check(&format!("s 8@mkt #2 {tif}"), "ok; cut 2 8 unfilled", "");
    }
    check("b 5@1 #1; s 8@mkt #2", "ok; 1/2[3] 5@1; cut 2 3 unfilled", "");
}

#[test]
fn fill_or_kill_trades_in_full_or_not_at_all() {
    let asks = "s 5@100 #1; s 5@101 #2; s 5@102 #3;";
    let untouched = "s100 1=5, s101 2=5, s102 3=5";
    check(&format!("{asks} b 10@101 #4 fok"), "ok; 1/4[5] 5@100; 2/4 5@101", "s102 3=5");
    check(&format!("{asks} b 11@101 #4 fok"), "no7", untouched);
    check(&format!("{asks} b 15@mkt #4 fok"), "ok; 1/4[10] 5@100; 2/4[5] 5@101; 3/4 5@102", "");
    check(&format!("{asks} b 16@mkt #4 fok"), "no7", untouched);
    check("b 5@100 #1; s 6@100 #2 fok", "no7", "b100 1=5");
    check("b 1@100 #1 fok", "no7", "");
}

#[test]
fn post_only_rests_or_is_refused() {
    check("s 5@101 #1; b 5@100 #2 post", "ok; rest 2 5@100", "b100 2=5, s101 1=5");
    check("s 5@100 #1; b 5@100 #2 post", "no6", "s100 1=5");
    check("b 5@100 #1; s 5@100 #2 post", "no6", "b100 1=5");
}

#[test]
fn cancel_takes_the_order_wherever_it_stands() {
    let three = "b 1@100 #1; b 2@100 #2; b 3@100 #3;";
    check(&format!("{three} cancel #1"), "ok; cut 1 1@100 asked", "b100 2=2 3=3");
    check(&format!("{three} cancel #2"), "ok; cut 2 2@100 asked", "b100 1=1 3=3");
    check(&format!("{three} cancel #3"), "ok; cut 3 3@100 asked", "b100 1=1 2=2");
    check("b 1@100 #1; b 1@99 #2; cancel #1", "ok; cut 1 1@100 asked", "b99 2=1");
    check_outcome(&format!("{three} cancel #3"), [0, 0, 3]);
}

#[test]
fn reduce_keeps_the_place_and_cancels_at_the_whole() {
    let two = "b 5@100 #1; b 5@100 #2;";
    check(&format!("{two} reduce #1 4"), "ok; cut 1[1] 4@100 asked", "b100 1=1 2=5");
    check(&format!("{two} reduce #1 5"), "ok; cut 1 5@100 asked", "b100 2=5");
    check(&format!("{two} reduce #1 MAX"), "ok; cut 1 5@100 asked", "b100 2=5");
    check_outcome(&format!("{two} reduce #1 4"), [0, 1, 4]);
    check_outcome(&format!("{two} reduce #1 600"), [0, 0, 5]);
}

#[test]
fn mass_cancel_takes_one_user_by_rising_id() {
    let orders = "b 1@98 #4 u7; s 2@101 #1 u7; b 3@99 #3 u8; b 4@99 #2 u7; s 5@103 #5 u7 stop97;";
    check(
        &format!("{orders} mass u7"),
        "ok; cut 1 2@101 asked; cut 2 4@99 asked; cut 4 1@98 asked; cut 5 5 asked",
        "b99 3=3",
    );
    check(
        &format!("{orders} mass u7 s"),
        "ok; cut 1 2@101 asked; cut 5 5 asked",
        "b99 3=3 2=4, b98 4=1",
    );
    check(
        &format!("{orders} mass u8 b"),
        "ok; cut 3 3@99 asked",
        "b99 2=4, b98 4=1, s101 1=2, s^97 5=5",
    );
    check_outcome(&format!("{orders} mass u7"), [0, 0, 12]);
    check("b 1@98 #1; mass u0", "ok; cut 1 1@98 asked", "");
    check("b 1@98 #1; mass u9", "ok", "b98 1=1");
    check("mass u9", "ok", "");
}
