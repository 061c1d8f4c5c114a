//! Good till date: time comes as a command, orders go by expiry, then by id.

use super::{check, check_outcome};

#[test]
fn orders_go_when_their_time_has_come() {
    let orders = "b 5@100 #1 till10; b 4@100 #2; b 3@99 #3 till11;";
    check(&format!("{orders} expire 9"), "ok", "b100 1=5 2=4, b99 3=3");
    check(&format!("{orders} expire 10"), "ok; cut 1 5@100 expired", "b100 2=4, b99 3=3");
    check(
        &format!("{orders} expire 18446744073709551615"),
        "ok; cut 1 5@100 expired; cut 3 3@99 expired",
        "b100 2=4",
    );
    check_outcome(&format!("{orders} expire 11"), [0, 0, 8]);
}

#[test]
fn the_order_is_that_of_expiry_then_of_id() {
    check(
        "s 1@101 #9 till10; b 2@100 #4 till12; b 3@99 #5 till10; s 4@mkt #1 stop50 till11; \
         s 5@103 #2 till10 show2; expire 12",
        "ok; cut 2 5@103 expired; cut 5 3@99 expired; cut 9 1@101 expired; cut 1 4 expired; \
         cut 4 2@100 expired",
        "",
    );
}

#[test]
fn time_never_goes_back() {
    check("expire 10; expire 5; b 1@100 #1 till10", "no10", "");
    check("expire 10; expire 5; b 1@100 #1 till11", "ok; rest 1 1@100", "b100 1=1");
    check("expire 10; b 1@100 #1 till11; expire 10", "ok", "b100 1=1");
    check("b 1@100 #1 till1", "ok; rest 1 1@100", "b100 1=1");
    check("b 1@100 #1 till0", "no10", "");
    check("expire 18446744073709551615; b 1@100 #1 till18446744073709551615", "no10", "");
}

#[test]
fn an_order_that_trades_or_waits_keeps_its_expiry() {
    check("s 5@100 #1 till10; b 2@100 #2; expire 10", "ok; cut 1 3@100 expired", "");
    check("b 2@100 #2; s 5@100 #1 till10; expire 10", "ok; cut 1 3@100 expired", "");
    check(
        "s 9@100 #1 till10 show2; b 2@100 #2; reduce #1 1; expire 10",
        "ok; cut 1 6@100 expired",
        "",
    );
    // A stop of any kind may have one; what rests of it has it still.
    let stop = "s 1@100 #1; b 5@105 #2 stop100 till10; b 1@100 #3;";
    check(&format!("{stop} expire 10"), "ok; cut 2 5@105 expired", "");
    check("b 5@mkt #2 stop100 till10; expire 10", "ok; cut 2 5 expired", "");
    check("b 5@105 #2 ioc stop100 till10; expire 10", "ok; cut 2 5 expired", "");
}

#[test]
fn a_replace_keeps_the_expiry() {
    check("b 5@100 #1 till10; replace #1 6@101; expire 10", "ok; cut 1 6@101 expired", "");
    check("b 5@mkt #1 stop110 till10; replace #1 6@101; expire 10", "ok; cut 1 6 expired", "");
}

#[test]
fn orders_expire_in_every_phase() {
    for phase in ["halted", "auction"] {
        check(
            &format!("b 5@100 #1 till10; s 5@90 #2 stop80 till10; phase {phase}; expire 10"),
            "ok; cut 1 5@100 expired; cut 2 5 expired",
            &format!("{phase}: "),
        );
    }
}
