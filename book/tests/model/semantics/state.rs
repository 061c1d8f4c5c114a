//! The hash of a state: another for every state that would go on in another way.

use super::run;
use crate::pair::Pair;
use book::SelfTrade;

fn hash_after(self_trade: SelfTrade, script: &str) -> u64 {
    let mut pair = Pair::new(self_trade, 0);
    run(&mut pair, script);
    pair.book.state_hash()
}

/// Two scripts make two states, whose hashes differ.
#[track_caller]
fn differ(one: &str, other: &str) {
    let [one_hash, other_hash] = [one, other].map(|script| hash_after(SelfTrade::Allow, script));
    assert_ne!(one_hash, other_hash, "{one}\n{other}");
}

#[test]
fn a_refused_command_leaves_the_hash() {
    let order = "b 5@100 #1";
    for refused in ["b 1@100 #1", "cancel #7", "b 9@90 #2 fok", "b 0@1 #3", "uncross halted"] {
        let [before, after] = [order.to_owned(), format!("{order}; {refused}")]
            .map(|script| hash_after(SelfTrade::Allow, &script));
        assert_eq!(before, after, "{refused}");
    }
}

#[test]
fn each_thing_that_counts_shows_in_the_hash() {
    let order = "s 1@100 #8; b 1@100 #9; b 5@100 #1 u3";
    for (one, other) in [
        (order, "s 1@100 #8; b 1@100 #9; b 5@100 #2 u3"),
        (order, "s 1@100 #8; b 1@100 #9; b 5@100 #1 u4"),
        (order, "s 1@100 #8; b 1@100 #9; b 6@100 #1 u3"),
        (order, "s 1@100 #8; b 1@100 #9; b 5@101 #1 u3"),
        (order, "s 1@100 #8; b 1@100 #9; s 5@100 #1 u3"),
        (order, "s 1@100 #8; b 1@100 #9; b 5@100 #1 u3 till9"),
        (order, "s 1@100 #8; b 1@100 #9; b 5@100 #1 u3 show5"),
        (order, "s 1@100 #8; b 1@100 #9; b 5@100 #1 u3 stop101"),
        // The price of the last trade, the phase, the moment.
        (order, "s 1@101 #8; b 1@101 #9; b 5@100 #1 u3"),
        (order, "b 5@100 #1 u3"),
        (order, "s 1@100 #8; b 1@100 #9; b 5@100 #1 u3; phase halted"),
        (order, "s 1@100 #8; b 1@100 #9; b 5@100 #1 u3; expire 1"),
        // Terms against others.
        ("b 5@100 #1 till9", "b 5@100 #1 till8"),
        ("b 5@100 #1 show2", "b 5@100 #1 show3"),
        ("b 5@100 #1 stop101", "b 5@100 #1 stop102"),
        ("b 5@100 #1 stop101", "b 5@101 #1 stop101"),
        ("b 5@mkt #1 stop101", "b 5@101 #1 stop101"),
        ("b 5@100 #1 stop101", "b 5@100 #1 stop101 ioc"),
        ("b 5@100 #1 u3 stop101", "b 5@100 #1 u3 stop101 newest"),
        ("phase auction; b 5@100 #1", "phase auction; b 5@mkt #1"),
        // The order in a queue.
        ("b 5@100 #1; b 5@100 #2", "b 5@100 #2; b 5@100 #1"),
        ("b 5@100 #1 stop101; b 5@100 #2 stop101", "b 5@100 #2 stop101; b 5@100 #1 stop101"),
        ("phase auction; b 5@mkt #1; b 5@mkt #2", "phase auction; b 5@mkt #2; b 5@mkt #1"),
        // What is hidden and what is shown.
        (
            "s 9@100 #1 show4; b 1@1 #2; s 1@1 #3; b 1@100 #4",
            "s 8@100 #1 show4; b 1@1 #2; s 1@1 #3",
        ),
    ] {
        differ(one, other);
    }
    let [one, other] =
        [SelfTrade::Allow, SelfTrade::CancelBoth].map(|mode| hash_after(mode, order));
    assert_ne!(one, other, "the book's own mode");
}

#[test]
fn trades_that_stops_have_yet_to_answer_to_show_in_the_hash() {
    // All that can be read out is the same, but one has traded at 110 on the way.
    differ(
        "phase auction; b 1@110 #1; s 1@110 #2; uncross halted; \
         phase auction; b 1@90 #1; s 1@90 #2; uncross halted",
        "phase auction; b 1@90 #1; s 1@90 #2; uncross halted; \
         phase auction; b 1@90 #1; s 1@90 #2; uncross halted",
    );
}
