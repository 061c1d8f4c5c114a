//! Stops: when they wait, in which order they are triggered, and what they do then.

use super::{check, check_in, check_outcome};
use book::SelfTrade;

/// The last trade is at 100; nothing rests.
const AT_100: &str = "s 1@100 #90; b 1@100 #91;";

#[test]
fn a_stop_waits_until_a_trade_reaches_it() {
    check(&format!("{AT_100} b 5@mkt #1 stop101"), "ok; wait 1 5^101", "b^101 1=5");
    check(&format!("{AT_100} s 5@mkt #1 stop99"), "ok; wait 1 5^99", "s^99 1=5");
    check_outcome(&format!("{AT_100} b 5@mkt #1 stop101"), [0, 5, 0]);
    // Without a last trade, any stop waits.
    check("b 5@mkt #1 stop1", "ok; wait 1 5^1", "b^1 1=5");
    check("s 5@mkt #1 stopMAX", "ok; wait 1 5^4503599627370496", "s^4503599627370496 1=5");
    // An order that rests, or a price that is only quoted, triggers nothing.
    check(
        "b 5@99 #1 stop101; s 1@105 #2; b 1@104 #3",
        "ok; rest 3 1@104",
        "b104 3=1, s105 2=1, b^101 1=5",
    );
}

#[test]
fn a_buy_is_triggered_at_or_above_and_a_sell_at_or_below() {
    for (price, triggered) in [(100, false), (101, true), (102, true)] {
        let (events, book) = match triggered {
            true => ("; trigger 1; rest 1 5@50", "b50 1=5"),
            false => ("", "b^101 1=5"),
        };
        check(
            &format!("b 5@50 #1 stop101; s 1@{price} #2; b 1@{price} #3"),
            &format!("ok; 2/3 1@{price}{events}"),
            book,
        );
    }
    for (price, triggered) in [(100, false), (99, true), (98, true)] {
        let (events, book) = match triggered {
            true => ("; trigger 1; rest 1 5@150", "s150 1=5"),
            false => ("", "s^99 1=5"),
        };
        check(
            &format!("s 5@150 #1 stop99; b 1@{price} #2; s 1@{price} #3"),
            &format!("ok; 2/3 1@{price}{events}"),
            book,
        );
    }
}

#[test]
fn a_stop_that_the_last_trade_has_reached_enters_at_once() {
    let asks = format!("{AT_100} s 3@104 #2;");
    for stop in [1, 99, 100] {
        let script = format!("{asks} b 5@104 #1 stop{stop}");
        check(&script, "ok; trigger 1; 2/1[2] 3@104; rest 1 2@104", "b104 1=2");
        check_outcome(&script, [3, 2, 0]);
    }
    check(&format!("{AT_100} s 5@103 #1 stop100"), "ok; trigger 1; rest 1 5@103", "s103 1=5");
    check(&format!("{AT_100} s 5@mkt #1 stopMAX"), "ok; trigger 1; cut 1 5 unfilled", "");
    // It has been accepted: what it can't do is a cut and no refusal.
    let script = format!("{asks} b 4@104 #1 stop100 fok");
    check(&script, "ok; trigger 1; cut 1 4 unfilled", "s104 2=3");
    check_outcome(&script, [0, 0, 4]);
    let script = format!("{asks} b 1@104 #1 stop100 post");
    check(&script, "ok; trigger 1; cut 1 1 wouldcross", "s104 2=3");
    check_outcome(&script, [0, 0, 1]);
}

#[test]
fn stops_are_elected_by_trigger_then_by_arrival() {
    // Asks 100 to 103 of one lot; one buy takes all, so the highest trade is 103.
    let asks = "s 1@100 #91; s 1@101 #92; s 1@102 #93; s 1@103 #94;";
    check(
        &format!(
            "{asks} b 1@50 #1 stop103; b 1@50 #2 stop101; b 1@50 #3 stop104; b 1@50 #4 stop101; \
             b 1@50 #5 stop102; b 4@103 #9"
        ),
        "ok; 91/9[3] 1@100; 92/9[2] 1@101; 93/9[1] 1@102; 94/9 1@103; \
         trigger 2; rest 2 1@50; trigger 4; rest 4 1@50; trigger 5; rest 5 1@50; \
         trigger 1; rest 1 1@50",
        "b50 2=1 4=1 5=1 1=1, b^104 3=1",
    );
    let bids = "b 1@103 #91; b 1@102 #92; b 1@101 #93; b 1@100 #94;";
    check(
        &format!(
            "{bids} s 1@150 #1 stop100; s 1@150 #2 stop102; s 1@150 #3 stop99; \
             s 1@150 #4 stop102; s 1@150 #5 stop101; s 4@100 #9"
        ),
        "ok; 91/9[3] 1@103; 92/9[2] 1@102; 93/9[1] 1@101; 94/9 1@100; \
         trigger 2; rest 2 1@150; trigger 4; rest 4 1@150; trigger 5; rest 5 1@150; \
         trigger 1; rest 1 1@150",
        "s150 2=1 4=1 5=1 1=1, s^99 3=1",
    );
}

#[test]
fn buys_are_elected_before_sells_by_one_command() {
    // One sweep from 100 to 102 reaches the buys up to 102 and the sells down to 100.
    check(
        "s 1@100 #91; s 1@102 #92; s 1@150 #1 stop101; s 1@150 #2 stop99; b 1@50 #3 stop102; \
         s 1@150 #4 stop100; b 2@102 #9",
        "ok; 91/9[1] 1@100; 92/9 1@102; trigger 3; rest 3 1@50; trigger 1; rest 1 1@150; \
         trigger 4; rest 4 1@150",
        "b50 3=1, s150 1=1 4=1, s^99 2=1",
    );
}

#[test]
fn a_stop_enters_after_the_command_that_triggered_it_is_complete() {
    // The taker trades on and rests before the stop that its first trade triggered enters.
    check(
        "s 1@100 #91; s 1@101 #92; b 5@mkt #1 stop100; b 3@101 #9",
        "ok; 91/9[2] 1@100; 92/9[1] 1@101; rest 9 1@101; trigger 1; cut 1 5 unfilled",
        "b101 9=1",
    );
    check(
        "s 1@100 #91; s 4@100 #1 stop100; b 3@101 #9",
        "ok; 91/9[2] 1@100; rest 9 2@101; trigger 1; 9/1[2] 2@101; rest 1 2@100",
        "s100 1=2",
    );
    // What became of it is in the events only.
    check_outcome("s 1@100 #91; s 4@100 #1 stop100; b 3@101 #9", [1, 2, 0]);
}

#[test]
fn buy_stops_trigger_each_other_upwards() {
    check(
        "s 1@100 #91; s 1@101 #92; s 1@102 #93; s 1@103 #94; \
         b 1@mkt #1 stop100; b 1@mkt #2 stop101; b 1@mkt #3 stop102; b 1@mkt #4 stop104; \
         b 1@100 #9",
        "ok; 91/9 1@100; trigger 1; 92/1 1@101; trigger 2; 93/2 1@102; trigger 3; 94/3 1@103",
        "b^104 4=1",
    );
}

#[test]
fn sell_stops_trigger_each_other_downwards() {
    check(
        "b 1@100 #91; b 1@99 #92; b 1@98 #93; b 1@97 #94; \
         s 1@mkt #1 stop100; s 1@mkt #2 stop99; s 1@mkt #3 stop98; s 1@mkt #4 stop96; \
         s 1@100 #9",
        "ok; 91/9 1@100; trigger 1; 92/1 1@99; trigger 2; 93/2 1@98; trigger 3; 94/3 1@97",
        "s^96 4=1",
    );
}

#[test]
fn stops_of_both_sides_trigger_each_other() {
    // Reached by one sweep are buy 1, which rests, and sells 2 and 4. Sell 2 trades with it above
    // all before and triggers buy 3; that trades with sell 4 below all before and triggers sell 5.
    check(
        "s 1@100 #91; s 1@104 #92; b 1@110 #1 stop104; s 1@mkt #2 stop100; b 1@mkt #3 stop110; \
         s 1@95 #4 stop100; s 1@150 #5 stop95; b 2@104 #9",
        "ok; 91/9[1] 1@100; 92/9 1@104; trigger 1; rest 1 1@110; trigger 2; 1/2 1@110; \
         trigger 4; rest 4 1@95; trigger 3; 4/3 1@95; trigger 5; rest 5 1@150",
        "s150 5=1",
    );
}

#[test]
fn those_in_line_come_before_those_they_trigger() {
    // 1 and 2 are elected together; 1 triggers 3, which lines up behind 2.
    check(
        "s 1@100 #91; s 1@102 #92; b 1@mkt #1 stop100; b 2@50 #2 stop100; b 3@50 #3 stop101; \
         b 1@100 #9",
        "ok; 91/9 1@100; trigger 1; 92/1 1@102; trigger 2; rest 2 2@50; trigger 3; rest 3 3@50",
        "b50 2=2 3=3",
    );
}

#[test]
fn a_triggered_stop_is_judged_as_it_enters() {
    let setup = "s 1@100 #91; s 2@101 #92;";
    let cases = [
        ("b 2@101 #1 stop100 post", "cut 1 2 wouldcross", "s101 92=2"),
        ("b 2@100 #1 stop100 post", "rest 1 2@100", "b100 1=2, s101 92=2"),
        ("b 3@101 #1 stop100 fok", "cut 1 3 unfilled", "s101 92=2"),
        ("b 2@101 #1 stop100 fok", "92/1 2@101", ""),
        ("b 3@101 #1 stop100 ioc", "92/1[1] 2@101; cut 1 1 unfilled", ""),
        ("b 3@mkt #1 stop100 fok", "cut 1 3 unfilled", "s101 92=2"),
        ("b 9@101 #1 stop100 show2", "92/1[7] 2@101; rest 1 2+5@101", "b101 1=2+5"),
    ];
    for (stop, events, book) in cases {
        check(
            &format!("{setup} {stop}; b 1@100 #9"),
            &format!("ok; 91/9 1@100; trigger 1; {events}"),
            book,
        );
    }
}

#[test]
fn a_stop_has_its_own_self_trade_mode() {
    let setup = "s 1@100 #91; s 2@101 #92 u7;";
    let newest = "ok; 91/9 1@100; trigger 1; cut 1 3 selftrade";
    check(
        &format!("{setup} b 3@101 #1 u7 stop100 newest; b 1@100 #9 u7 oldest"),
        newest,
        "s101 92=2",
    );
    let own = format!("{setup} b 3@101 #1 u7 stop100; b 1@100 #9 u7 oldest");
    check_in(SelfTrade::CancelNewest, &own, newest, "s101 92=2");
}

#[test]
fn a_prevented_trade_triggers_nothing() {
    check(
        "s 1@100 #91 u7; b 5@50 #1 stop100; b 1@100 #9 u7 both",
        "ok; cut 91 1@100 selftrade; cut 9 1 selftrade",
        "b^100 1=5",
    );
}

#[test]
fn a_waiting_stop_can_be_changed_and_cancelled() {
    let stops = "b 5@110 #1 stop105; b 4@110 #2 stop105;";
    check(&format!("{stops} cancel #1"), "ok; cut 1 5 asked", "b^105 2=4");
    check(&format!("{stops} reduce #1 2"), "ok; cut 1[3] 2 asked", "b^105 1=3 2=4");
    check(&format!("{stops} reduce #1 5"), "ok; cut 1 5 asked", "b^105 2=4");
    check_outcome(&format!("{stops} reduce #1 2"), [0, 3, 2]);
    check("b 5@110 #1 stop105 show2; reduce #1 1", "ok; cut 1[4] 1 asked", "b^105 1=4");
}

#[test]
fn what_waits_is_in_no_queue_and_fills_nobody() {
    check("b 5@110 #1 stop105; s 5@100 #2 fok", "no7", "b^105 1=5");
    check("b 5@110 #1 stop105; s 5@100 #2 post", "ok; rest 2 5@100", "s100 2=5, b^105 1=5");
}

#[test]
fn a_stop_of_another_phase_is_triggered_when_trading_starts() {
    // In the auction it waits, though the last trade has reached it.
    let auction = format!("{AT_100} phase auction; b 5@50 #1 stop100; s 5@150 #2 stop99;");
    check(&auction, "ok; wait 2 5^99", "auction: b^100 1=5, s^99 2=5");
    check(
        &format!("{auction} phase continuous"),
        "ok; phase continuous; trigger 1; rest 1 5@50",
        "b50 1=5, s^99 2=5",
    );
    check(&format!("{auction} phase halted"), "ok; phase halted", "halted: b^100 1=5, s^99 2=5");
    check(
        &format!("{auction} phase halted; phase continuous"),
        "ok; phase continuous; trigger 1; rest 1 5@50",
        "b50 1=5, s^99 2=5",
    );
}
