//! Phases: what each takes, and going from one to another.

use super::check;

#[test]
fn every_way_from_phase_to_phase() {
    for from in ["continuous", "halted", "auction"] {
        for to in ["continuous", "halted", "auction"] {
            let front = if to == "continuous" { String::new() } else { format!("{to}: ") };
            check(
                &format!("b 5@100 #1; b 2@200 #2 stop101; phase {from}; phase {to}"),
                &format!("ok; phase {to}"),
                &format!("{front}b100 1=5, b^101 2=2"),
            );
        }
    }
}

#[test]
fn a_halted_book_lets_orders_go() {
    let halted = "b 5@100 #1 u7; b 9@100 #2 show2; s 5@90 #3 u7 stop80 till4; phase halted;";
    let rest = "b100 1=5 2=2+7";
    check(&format!("{halted} cancel #1"), "ok; cut 1 5@100 asked", "halted: b100 2=2+7, s^80 3=5");
    check(&format!("{halted} cancel #3"), "ok; cut 3 5 asked", &format!("halted: {rest}"));
    check(
        &format!("{halted} reduce #2 8"),
        "ok; cut 2[1] 8@100 asked",
        "halted: b100 1=5 2=1, s^80 3=5",
    );
    check(
        &format!("{halted} mass u7"),
        "ok; cut 1 5@100 asked; cut 3 5 asked",
        "halted: b100 2=2+7",
    );
    check(&format!("{halted} expire 4"), "ok; cut 3 5 expired", &format!("halted: {rest}"));
}

#[test]
fn orders_collect_in_an_auction() {
    check(
        "b 5@100 #1; phase auction; s 5@90 #2 u7; s 9@90 #3 show2",
        "ok; rest 3 2+7@90",
        "auction: b100 1=5, s90 2=5 3=2+7",
    );
    for tif in ["gtc", "ioc"] {
        check(
            &format!("b 5@100 #1; phase auction; s 5@mkt #2 {tif}"),
            "ok; wait 2 5^",
            "auction: b100 1=5, s^ 2=5",
        );
    }
    for tif in ["gtc", "ioc", "fok", "post"] {
        check(
            &format!("phase auction; b 5@100 #1 stop90 {tif}"),
            "ok; wait 1 5^90",
            "auction: b^90 1=5",
        );
    }
}

#[test]
fn orders_of_an_auction_can_be_changed_and_cancelled() {
    let auction = "phase auction; b 5@100 #1 u7; s 5@90 #2; s 4@mkt #3 u7; b 3@mkt #4;";
    check(
        &format!("{auction} cancel #3"),
        "ok; cut 3 4 asked",
        "auction: b100 1=5, s90 2=5, b^ 4=3",
    );
    check(
        &format!("{auction} reduce #3 1"),
        "ok; cut 3[3] 1 asked",
        "auction: b100 1=5, s90 2=5, b^ 4=3, s^ 3=3",
    );
    check(
        &format!("{auction} reduce #1 1"),
        "ok; cut 1[4] 1@100 asked",
        "auction: b100 1=4, s90 2=5, b^ 4=3, s^ 3=4",
    );
    check(
        &format!("{auction} mass u7"),
        "ok; cut 1 5@100 asked; cut 3 4 asked",
        "auction: s90 2=5, b^ 4=3",
    );
    check(
        &format!("{auction} phase halted; cancel #4"),
        "ok; cut 4 3 asked",
        "halted: b100 1=5, s90 2=5, s^ 3=4",
    );
}

#[test]
fn a_crossed_book_can_be_uncrossed_by_cancels_too() {
    check(
        "phase auction; b 5@100 #1; s 5@100 #2; cancel #2; phase continuous",
        "ok; phase continuous",
        "b100 1=5",
    );
}

#[test]
fn trading_goes_on_where_it_stopped() {
    check(
        "s 5@100 #1 show2; s 5@100 #2; phase halted; phase auction; phase continuous; b 3@100 #3",
        "ok; 1[3]/3[1] 2@100; next 1 2+1@100; 2[4]/3 1@100",
        "s100 2=4 1=2+1",
    );
}
