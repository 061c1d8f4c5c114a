//! Replace: a cancel and a new order in one, of everything that can be live.

use super::{check, check_in, check_outcome};
use book::SelfTrade;

#[test]
fn it_loses_its_place_and_may_trade() {
    let two = "b 5@100 #1 u7; b 5@100 #2;";
    check(
        &format!("{two} replace #1 5@100"),
        "ok; cut 1 5@100 replaced; rest 1 5@100",
        "b100 2=5 1=5",
    );
    check(
        &format!("{two} replace #1 3@99"),
        "ok; cut 1 5@100 replaced; rest 1 3@99",
        "b100 2=5, b99 1=3",
    );
    check(
        &format!("{two} s 3@102 #3; replace #1 5@102"),
        "ok; cut 1 5@100 replaced; 3/1[2] 3@102; rest 1 2@102",
        "b102 1=2, b100 2=5",
    );
    check(
        "s 5@100 #1; b 3@90 #2; replace #1 7@90",
        "ok; cut 1 5@100 replaced; 2/1[4] 3@90; rest 1 4@90",
        "s90 1=4",
    );
}

#[test]
fn the_old_quantity_is_in_no_outcome() {
    check_outcome("b 5@100 #1; replace #1 9@101", [0, 9, 0]);
    check_outcome("b 5@100 #1; s 4@102 #2; replace #1 9@102", [4, 5, 0]);
    check_outcome("b 5@100 #1; s 9@102 #2; replace #1 9@102", [9, 0, 0]);
    check_outcome("b 5@100 #1 u7; s 4@102 #2 u7; replace #1 9@102 newest", [0, 0, 9]);
}

#[test]
fn it_enters_good_till_cancelled_with_the_same_user() {
    // Post-only is not remembered, the user is.
    check(
        "b 5@100 #1 u7 post; s 5@101 #2 u7; replace #1 5@101 both",
        "ok; cut 1 5@100 replaced; cut 2 5@101 selftrade; cut 1 5 selftrade",
        "",
    );
    // The mode of the replace, else the book's; not that of the order it was.
    check_in(
        SelfTrade::CancelOldest,
        "b 5@100 #1 u7 newest; s 5@101 #2 u7; replace #1 5@101",
        "ok; cut 1 5@100 replaced; cut 2 5@101 selftrade; rest 1 5@101",
        "b101 1=5",
    );
}

#[test]
fn a_stop_goes_on_waiting_at_the_end_of_its_trigger() {
    let stops = "b 5@110 #1 stop105; b 5@110 #2 stop105; b 5@110 #3 stop104;";
    check(
        &format!("{stops} replace #1 7@108"),
        "ok; cut 1 5 replaced; wait 1 7^105",
        "b^104 3=5, b^105 2=5 1=7",
    );
    check_outcome(&format!("{stops} replace #1 7@108"), [0, 7, 0]);
    // A market stop gets a limit.
    check(
        "s 2@100 #9; b 5@mkt #1 stop100; replace #1 4@103; b 1@100 #8",
        "ok; 9[1]/8 1@100; trigger 1; 9/1[3] 1@100; rest 1 3@103",
        "b103 1=3",
    );
}

#[test]
fn the_kind_of_a_stop_is_not_remembered() {
    for tif in ["ioc", "fok", "post"] {
        check(
            &format!("s 2@100 #9; b 5@110 #1 stop100 {tif}; replace #1 4@100; b 1@100 #8"),
            "ok; 9[1]/8 1@100; trigger 1; 9/1[3] 1@100; rest 1 3@100",
            "b100 1=3",
        );
    }
    check(
        "s 9@120 #9; b 9@105 #1 stop100 show2; replace #1 7@106; s 1@100 #8; b 1@100 #7",
        "ok; 8/7 1@100; trigger 1; rest 1 2+5@106",
        "b106 1=2+5, s120 9=9",
    );
}

#[test]
fn a_stop_takes_the_mode_of_its_replace() {
    let script = "s 1@100 #9; s 3@100 #8 u7; b 5@100 #1 u7 stop100 oldest;";
    check(
        &format!("{script} replace #1 4@100 newest; b 1@100 #7"),
        "ok; 9/7 1@100; trigger 1; cut 1 4 selftrade",
        "s100 8=3",
    );
    check_in(
        SelfTrade::CancelBoth,
        &format!("{script} replace #1 4@100; b 1@100 #7"),
        "ok; 9/7 1@100; trigger 1; cut 8 3@100 selftrade; cut 1 4 selftrade",
        "",
    );
}

#[test]
fn in_an_auction_it_queues_again_without_trading() {
    check(
        "phase auction; b 5@100 #1; b 5@101 #2; s 5@100 #3; replace #1 6@101",
        "ok; cut 1 5@100 replaced; rest 1 6@101",
        "auction: b101 2=5 1=6, s100 3=5",
    );
    // A market order becomes a limit order.
    check(
        "phase auction; b 5@mkt #1; b 5@mkt #2; replace #1 6@101",
        "ok; cut 1 5 replaced; rest 1 6@101",
        "auction: b101 1=6, b^ 2=5",
    );
    check(
        "phase auction; b 5@90 #1 stop100; replace #1 6@91",
        "ok; cut 1 5 replaced; wait 1 6^100",
        "auction: b^100 1=6",
    );
}
