//! Two orders of one user meet: the five modes, as taker and as the book's own.

use super::{check, check_in, check_outcome};
use book::SelfTrade;

/// The modes by the words of the language.
const MODES: [(&str, SelfTrade); 5] = [
    ("allow", SelfTrade::Allow),
    ("newest", SelfTrade::CancelNewest),
    ("oldest", SelfTrade::CancelOldest),
    ("both", SelfTrade::CancelBoth),
    ("dec", SelfTrade::Decrement),
];

/// Runs makers, then a taker with each mode of its own and with each mode as the book's; once as
/// written, with sells (`M`) that a buy (`T`) takes, and once the other way round. `cases` are the
/// events and the book for each mode, with `M` and `T` for the sides.
#[track_caller]
fn check_modes(makers: &str, taker: &str, cases: [(&str, &str); 5]) {
    for (maker_side, taker_side) in [("s", "b"), ("b", "s")] {
        let sided = |text: &str| text.replace('M', maker_side).replace('T', taker_side);
        for ((word, mode), (events, book)) in MODES.into_iter().zip(cases) {
            let (events, book) = (sided(events), sided(book));
            check(&sided(&format!("{makers} {taker} {word}")), &events, &book);
            check_in(mode, &sided(&format!("{makers} {taker}")), &events, &book);
            // An order's own mode beats the book's, whatever that is.
            let other =
                if word == "oldest" { SelfTrade::CancelNewest } else { SelfTrade::CancelOldest };
            check_in(other, &sided(&format!("{makers} {taker} {word}")), &events, &book);
        }
    }
}

#[test]
fn the_taker_is_larger() {
    check_modes(
        "M 4@100 #1 u7; M 4@100 #2 u8;",
        "T 10@100 #3 u7",
        [
            ("ok; 1/3[6] 4@100; 2/3[2] 4@100; rest 3 2@100", "T100 3=2"),
            ("ok; cut 3 10 selftrade", "M100 1=4 2=4"),
            ("ok; cut 1 4@100 selftrade; 2/3[6] 4@100; rest 3 6@100", "T100 3=6"),
            ("ok; cut 1 4@100 selftrade; cut 3 10 selftrade", "M100 2=4"),
            (
                "ok; cut 1 4@100 selftrade; 2/3[2] 4@100; cut 3[2] 4 selftrade; rest 3 2@100",
                "T100 3=2",
            ),
        ],
    );
}

#[test]
fn the_maker_is_larger() {
    check_modes(
        "M 9@100 #1 u7;",
        "T 4@100 #3 u7",
        [
            ("ok; 1[5]/3 4@100", "M100 1=5"),
            ("ok; cut 3 4 selftrade", "M100 1=9"),
            ("ok; cut 1 9@100 selftrade; rest 3 4@100", "T100 3=4"),
            ("ok; cut 1 9@100 selftrade; cut 3 4 selftrade", ""),
            ("ok; cut 1[5] 4@100 selftrade; cut 3 4 selftrade", "M100 1=5"),
        ],
    );
}

#[test]
fn an_own_iceberg_in_the_way() {
    check_modes(
        "M 10@100 #1 u7 show4; M 3@100 #2 u8;",
        "T 6@100 #3 u7",
        [
            ("ok; 1[6]/3[2] 4@100; next 1 4+2@100; 2[1]/3 2@100", "M100 2=1 1=4+2"),
            ("ok; cut 3 6 selftrade", "M100 1=4+6 2=3"),
            ("ok; cut 1 10@100 selftrade; 2/3[3] 3@100; rest 3 3@100", "T100 3=3"),
            ("ok; cut 1 10@100 selftrade; cut 3 6 selftrade", "M100 2=3"),
            (
                "ok; cut 1[6:0] 4@100 selftrade; next 1 4+2@100; 2[1]/3 2@100; cut 3 4 selftrade",
                "M100 2=1 1=4+2",
            ),
        ],
    );
}

#[test]
fn a_decrement_of_an_iceberg_within_its_slice_leaves_it_in_place() {
    check(
        "s 10@100 #1 u7 show4; s 3@100 #2 u8; b 3@100 #3 u7 dec",
        "ok; cut 1[7:1] 3@100 selftrade; cut 3 3 selftrade",
        "s100 1=1+6 2=3",
    );
    // The same taker meets the same iceberg slice by slice.
    check(
        "s 10@100 #1 u7 show4; b 11@100 #3 u7 dec",
        "ok; cut 1[6:0] 4@100 selftrade; next 1 4+2@100; cut 1[2:0] 4@100 selftrade; \
         next 1 2@100; cut 1 2@100 selftrade; cut 3[1] 10 selftrade; rest 3 1@100",
        "b100 3=1",
    );
}

#[test]
fn both_reasons_to_cut_a_taker_are_told_apart() {
    let script = "s 1@100 #1 u7; b 4@100 #2 u7 dec ioc";
    check(script, "ok; cut 1 1@100 selftrade; cut 2[3] 1 selftrade; cut 2 3 unfilled", "");
    check_outcome(script, [0, 0, 4]);
    check_outcome("s 1@100 #1 u7; s 1@100 #2; b 4@100 #3 u7 dec", [1, 2, 1]);
    check_outcome("s 1@100 #1 u7; s 1@100 #2; b 4@100 #3 u7 oldest", [1, 3, 0]);
}

#[test]
fn only_orders_of_one_known_user_that_meet_are_touched() {
    let both = SelfTrade::CancelBoth;
    check_in(both, "s 1@100 #1 u0; b 1@100 #2 u0", "ok; 1/2 1@100", "");
    check_in(both, "s 1@100 #1 u7; b 1@100 #2 u8", "ok; 1/2 1@100", "");
    check_in(both, "s 1@100 #1 u7; b 1@100 #2 u7 allow", "ok; 1/2 1@100", "");
    let script = "s 1@100 #1 u8; s 1@101 #2 u7; b 1@105 #3 u7";
    check_in(both, script, "ok; 1/3 1@100", "s101 2=1");
    let script = "s 2@100 #1 u8; s 1@100 #2 u7; b 3@105 #3 u7";
    let events = "ok; 1/3[1] 2@100; cut 2 1@100 selftrade; cut 3 1 selftrade";
    check_in(both, script, events, "");
}

#[test]
fn fill_or_kill_counts_own_orders_before_prevention_acts() {
    check(
        "s 5@100 #1 u7; s 5@100 #2 u8; b 10@100 #3 u7 fok oldest",
        "ok; cut 1 5@100 selftrade; 2/3[5] 5@100; cut 3 5 unfilled",
        "",
    );
    check("s 5@100 #1 u7; b 5@100 #3 u7 fok newest", "ok; cut 3 5 selftrade", "s100 1=5");
    check("s 5@100 #1 u7; b 6@100 #3 u7 fok oldest", "no7", "s100 1=5");
}

#[test]
fn post_only_is_refused_by_own_orders_too() {
    check("s 5@100 #1 u7; b 5@100 #2 u7 post oldest", "no6", "s100 1=5");
}
