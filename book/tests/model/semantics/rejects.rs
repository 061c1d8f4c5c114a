//! Why commands are refused, one by one, and which reason wins when there are several.

use super::check;

/// Resting: asks 1 at 100 and 2 at 105 (five lots each). A buy stop 3 waits for 110. It is 50.
const BOOK: &str = "expire 50; s 5@100 #1; s 5@105 #2; b 5@110 #3 stop110;";
const BOOK_TEXT: &str = "s100 1=5, s105 2=5, b^110 3=5";

/// Compares the codes that commands are refused with; none of them changes the book.
#[track_caller]
fn refused(setup: &str, book: &str, cases: &[(&str, u8)]) {
    for (command, code) in cases {
        check(&format!("{setup} {command}"), &format!("no{code}"), book);
    }
}

#[test]
fn every_reason_to_refuse_a_new_order() {
    refused(
        BOOK,
        BOOK_TEXT,
        &[
            // Malformed.
            ("b 5@mkt #9 post", 5),
            ("b 5@mkt #9 post stop120", 5),
            ("b 5@mkt #9 show2", 5),
            ("b 5@mkt #9 show2 stop120", 5),
            ("b 5@90 #9 show2 ioc", 5),
            ("b 5@90 #9 show2 fok", 5),
            ("b 5@90 #9 show2 ioc stop120", 5),
            ("b 5@mkt #9 till90", 5),
            ("b 5@90 #9 till90 ioc", 5),
            ("b 5@90 #9 till90 fok", 5),
            // Quantities.
            ("b 0@90 #9", 3),
            ("b OVER@90 #9", 3),
            ("b 18446744073709551615@90 #9", 3),
            ("b 0@mkt #9", 3),
            ("b 5@90 #9 show0", 3),
            ("b 5@90 #9 showOVER", 3),
            ("b 4097@90 #9 show1", 3),
            ("b MAX@90 #9 show268435455", 3),
            // Prices.
            ("b 5@0 #9", 4),
            ("b 5@-1 #9", 4),
            ("b 5@OVER #9", 4),
            ("b 5@-9223372036854775808 #9", 4),
            ("s 5@9223372036854775807 #9", 4),
            ("b 5@90 #9 stop0", 4),
            ("b 5@90 #9 stopOVER", 4),
            ("s 5@mkt #9 stop-7", 4),
            // Expiry: now is as late as before.
            ("b 5@90 #9 till50", 10),
            ("b 5@90 #9 till49", 10),
            ("b 5@90 #9 till0", 10),
            ("s 5@mkt #9 stop80 till50", 10),
            // The id rests, or waits.
            ("b 5@90 #1", 2),
            ("b 5@90 #3", 2),
            ("b 5@120 #3 stop130", 2),
            // Against the book.
            ("b 5@100 #9 post", 6),
            ("b 5@MAX #9 post show2", 6),
            ("b 6@104 #9 fok", 7),
            ("b 11@mkt #9 fok", 7),
            ("s 1@mkt #9 fok", 7),
        ],
    );
}

#[test]
fn the_first_reason_to_refuse_a_new_order_wins() {
    refused(
        BOOK,
        BOOK_TEXT,
        &[
            // Malformed before quantity, quantity before price.
            ("b 0@mkt #1 post", 5),
            ("b 5@90 #9 show0 ioc", 5),
            ("b 5@0 #1 till1 fok", 5),
            ("b 0@0 #1 post", 3),
            ("b 5@0 #9 show0", 3),
            ("b 0@90 #9 stop0", 3),
            // So many slices that it is its quantity that is bad.
            ("b 4097@90 #9 show1 ioc", 5),
            ("b 4097@0 #1 show1 till50", 3),
            // Price before expiry, expiry before id.
            ("b 5@0 #1 post till50", 4),
            ("b 5@90 #1 stop0 till50", 4),
            ("b 5@100 #1 post till50", 10),
            // Id before the book.
            ("b 5@100 #1 post", 2),
            ("b 6@100 #1 fok", 2),
        ],
    );
}

#[test]
fn in_a_halt_the_phase_comes_after_price_and_before_expiry() {
    let halt = format!("{BOOK} phase halted;");
    refused(
        &halt,
        &format!("halted: {BOOK_TEXT}"),
        &[
            ("b 5@mkt #9 post", 5),
            ("b 0@90 #9", 3),
            ("b 4097@90 #9 show1", 3),
            ("b 5@0 #9", 4),
            ("b 5@90 #9", 9),
            ("b 5@90 #9 stop120", 9),
            ("b 5@mkt #9", 9),
            ("b 5@90 #9 till50", 9),
            ("b 5@90 #1", 9),
            ("b 5@100 #9 post", 9),
            ("b 6@100 #9 fok", 9),
            ("replace #1 0@100", 3),
            ("replace #1 5@0", 4),
            ("replace #9 5@100", 1),
            ("replace #1 5@100", 9),
            ("replace #3 5@100", 9),
            ("uncross continuous", 9),
        ],
    );
}

#[test]
fn in_an_auction_only_what_can_be_honoured_is_taken() {
    let auction = format!("{BOOK} phase auction; s 5@mkt #4;");
    refused(
        &auction,
        &format!("auction: {BOOK_TEXT}, s^ 4=5"),
        &[
            ("b 5@90 #9 ioc", 9),
            ("b 5@90 #9 fok", 9),
            ("b 5@90 #9 post", 9),
            ("b 5@90 #9 post show1", 9),
            ("b 5@mkt #9 fok", 9),
            ("b 5@mkt #9 post", 5),
            ("b 0@90 #9 ioc", 3),
            ("b 5@0 #9 ioc", 4),
            ("b 5@90 #1 ioc", 9),
            ("b 5@90 #9 post till50", 9),
            ("b 5@90 #9 till50", 10),
            ("b 5@90 #1 till50", 10),
            ("b 5@90 #4", 2),
            ("b 5@mkt #3", 2),
            ("uncross auction", 9),
            ("phase continuous", 9),
        ],
    );
}

#[test]
fn every_reason_to_refuse_what_names_an_order() {
    refused(
        BOOK,
        BOOK_TEXT,
        &[
            ("cancel #9", 1),
            ("reduce #1 0", 3),
            ("reduce #3 0", 3),
            ("reduce #1 OVER", 3),
            ("reduce #9 0", 3),
            ("reduce #9 1", 1),
            ("replace #1 0@100", 3),
            ("replace #1 OVER@100", 3),
            ("replace #1 5@0", 4),
            ("replace #1 5@OVER", 4),
            ("replace #9 5@100", 1),
            ("replace #9 0@0", 3),
            ("replace #9 5@0", 4),
            ("uncross continuous", 9),
            ("uncross halted", 9),
        ],
    );
}

#[test]
fn continuous_trading_does_not_start_on_a_crossed_book_or_with_market_orders() {
    let crossed = "phase auction; b 5@100 #1; s 5@100 #2;";
    refused(crossed, "auction: b100 1=5, s100 2=5", &[("phase continuous", 9)]);
    let halted = format!("{crossed} phase halted;");
    refused(&halted, "halted: b100 1=5, s100 2=5", &[("phase continuous", 9)]);
    let market = "phase auction; b 5@mkt #1;";
    refused(market, "auction: b^ 1=5", &[("phase continuous", 9)]);
    let apart = "phase auction; b 5@99 #1; s 5@100 #2; b 1@50 #3 stop101;";
    check(
        &format!("{apart} phase continuous"),
        "ok; phase continuous",
        "b99 1=5, s100 2=5, b^101 3=1",
    );
}
