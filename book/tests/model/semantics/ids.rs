//! Ids: all of 64 bits, unique among what is live, free again when an order has gone.

use super::check;

#[test]
fn the_ends_of_the_range_are_ids() {
    check(
        "b 5@100 #0; b 5@100 #MAX; cancel #0",
        "ok; cut 0 5@100 asked",
        "b100 18446744073709551615=5",
    );
    check("b 5@100 #MAX; s 5@100 #0", "ok; 18446744073709551615/0 5@100", "");
    check("b 5@100 #MAX stop100; b 1@1 #MAX", "no2", "b^100 18446744073709551615=5");
}

/// Scripts after which order 1 has gone, one for each way to go.
const GONE: [&str; 14] = [
    // Filled as a maker.
    "s 5@100 #1; b 5@100 #2;",
    // Filled as a taker.
    "s 5@100 #2; b 5@100 #1;",
    // Filled as an iceberg.
    "s 5@100 #1 show2; b 5@100 #2;",
    // Cut as a taker.
    "b 5@100 #1 ioc;",
    // Cancelled.
    "b 5@100 #1; cancel #1;",
    // Reduced to nothing.
    "b 5@100 #1; reduce #1 5;",
    // Mass-cancelled.
    "b 5@100 #1 u7; mass u7;",
    // Expired.
    "b 5@100 #1 till3; expire 3;",
    // Killed.
    "b 5@100 #1 fok;",
    // Refused as post-only.
    "s 5@100 #2; b 5@100 #1 post; cancel #2;",
    // Cut by self-trade prevention.
    "b 5@100 #1 u7; s 5@100 #2 u7 both;",
    // A stop that was cancelled.
    "b 5@100 #1 stop110; cancel #1;",
    // A stop that was triggered and cut.
    "b 5@mkt #1 stop110; s 1@110 #2; b 1@110 #3;",
    // A replaced order that was filled.
    "b 5@90 #1; s 5@100 #2; replace #1 5@100;",
];

#[test]
fn an_id_is_free_when_its_order_has_gone() {
    for script in GONE {
        for (again, event, book) in [
            ("b 1@50 #1", "ok; rest 1 1@50", "b50 1=1"),
            ("b 1@MAX #1 stopMAX", "ok; wait 1 1^4503599627370496", "b^4503599627370496 1=1"),
        ] {
            check(&format!("{script} {again}"), event, book);
        }
        check(&format!("{script} cancel #1"), "no1", "");
    }
}

#[test]
fn a_market_order_cut_by_the_uncross_frees_its_id() {
    let script = "phase auction; b 5@mkt #1; uncross continuous;";
    check(&format!("{script} b 1@50 #1"), "ok; rest 1 1@50", "b50 1=1");
    check(&format!("{script} cancel #1"), "no1", "");
}

#[test]
fn an_id_is_taken_while_its_order_is_live_in_any_way() {
    check("s 5@100 #1 show1; b 1@100 #2; b 1@90 #1", "no2", "s100 1=1+3");
    check("b 5@100 #1 stop105; b 5@100 #1", "no2", "b^105 1=5");
    check("phase auction; b 5@mkt #1; b 5@100 #1", "no2", "auction: b^ 1=5");
    check("b 5@105 #1 stop105; s 1@105 #2; b 1@105 #3; b 1@1 #1", "no2", "b105 1=5");
}
