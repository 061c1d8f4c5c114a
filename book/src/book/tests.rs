//! Semantics one by one, in a small language.
//!
//! Commands, separated by `;`: `b 5@100 #1` bids five lots at 100 as order 1, `s 5@mkt #2` sells at
//! market. Behind it, in any order: `ioc`, `fok`, `post`, `u7` (user), `newest`, `oldest`, `both`,
//! `dec`, `allow` (self-trade mode). Further `cancel #1`, `reduce #1 2`, `replace #1 5@101`, `mass
//! u7`, `mass u7 b`.
//!
//! Events of the last command: `ok`, `no6` (refused), `1/2 5@100` (maker/taker), `cut 1 5 Asked 0`
//! (order, quantity, why, still open), `rest 2 5@100`. The book: `b100 1=5 2=3, s101 4=1`.

use super::*;
use crate::command::{NewOrder, TimeInForce};
use crate::event::Discard;
use crate::units::{TICKS_MAX, User};

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap_or_else(|| panic!("not a number: {text}"))
}

fn lots_and_price(text: &str) -> (Lots, Option<Ticks>) {
    let (qty, price) = text.split_once('@').expect("quantity@price");
    (Lots(number(qty)), (price != "mkt").then(|| Ticks(number(price))))
}

fn side(word: &str) -> Option<Side> {
    Some([Side::Buy, Side::Sell]["bs".find(word)?])
}

fn mode(word: &str) -> Option<SelfTrade> {
    let words = ["allow", "newest", "oldest", "both", "dec"];
    Some(SelfTrade::ALL[words.iter().position(|each| *each == word)?])
}

fn parse(text: &str) -> Command {
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |mark: char| words.iter().find_map(|word| word.strip_prefix(mark));
    let id = OrderId(after('#').map_or(0, number));
    let user = User(after('u').map_or(0, number));
    let self_trade = words.iter().find_map(|word| mode(word));
    match words[0] {
        "cancel" => Command::Cancel { id },
        "reduce" => Command::Reduce { id, by: Lots(number(words[2])) },
        "replace" => {
            let (qty, price) = lots_and_price(words[2]);
            Command::Replace { id, price: price.expect("a price"), qty, self_trade }
        }
        "mass" => Command::MassCancel { user, side: words.get(2).and_then(|word| side(word)) },
        word => {
            let (qty, limit) = lots_and_price(words[1]);
            let tifs = [("ioc", TimeInForce::Ioc), ("fok", TimeInForce::Fok)];
            let tifs = tifs.into_iter().chain([("post", TimeInForce::Post)]);
            let tif = tifs.into_iter().find(|(name, _)| words.contains(name));
            let tif = tif.map_or(TimeInForce::Gtc, |(_, tif)| tif);
            let side = side(word).unwrap_or_else(|| panic!("not a command: {text}"));
            Command::New(NewOrder { id, user, side, limit, qty, tif, self_trade })
        }
    }
}

fn event_text(event: &Event) -> String {
    match event {
        Event::Accepted { .. } => "ok".into(),
        Event::Rejected { reject, .. } => format!("no{}", *reject as u8),
        Event::Traded(t) => format!("{}/{} {}@{}", t.maker.0, t.taker.0, t.qty.0, t.price.0),
        Event::Cancelled(c) => format!("cut {} {} {:?} {}", c.id.0, c.qty.0, c.cut, c.open.0),
        Event::Rested(r) => format!("rest {} {}@{}", r.id.0, r.qty.0, r.price.0),
        other => format!("{other:?}"),
    }
}

fn book_text(book: &Book) -> String {
    let mut levels: Vec<String> = Vec::new();
    for level in Side::BOTH.into_iter().flat_map(|side| book.levels(side)) {
        let mut text = format!("{}{}", ['b', 's'][level.side as usize], level.price.0);
        let orders = book.orders(level.side).filter(|order| order.price == level.price);
        orders.for_each(|order| text += &format!(" {}={}", order.id.0, order.qty.0));
        levels.push(text);
    }
    levels.join(", ")
}

/// Runs `commands` on an empty book; compares the events of the last one, and the book at the end.
#[track_caller]
fn check(commands: &str, events: &str, book: &str) {
    check_in(Book::new(BookConfig::default()), commands, events, book);
}

#[track_caller]
fn check_in(mut on: Book, commands: &str, events: &str, book: &str) {
    let mut told = Vec::new();
    for command in commands.split(';') {
        told.clear();
        let before = book_text(&on);
        let outcome = on.apply(&parse(command), &mut told);
        assert_eq!(on.check(), Ok(()), "after {command}");
        if let Some(reject) = outcome.reject {
            assert_eq!(book_text(&on), before, "a refused command changed the book: {command}");
            assert_eq!(outcome, Outcome::refused(reject));
        }
    }
    let told: Vec<String> = told.iter().map(event_text).collect();
    assert_eq!(told.join("; "), events, "events of the last of: {commands}");
    assert_eq!(book_text(&on), book, "book after: {commands}");
}

#[test]
fn price_comes_before_time_and_the_maker_sets_the_price() {
    let asks = "s 5@101 #1; s 5@100 #2; s 5@100 #3;";
    check(&format!("{asks} b 12@105 #4"), "ok; 2/4 5@100; 3/4 5@100; 1/4 2@101", "s101 1=3");
    let bids = "b 5@99 #1; b 5@100 #2; b 5@100 #3;";
    check(&format!("{bids} s 12@90 #4"), "ok; 2/4 5@100; 3/4 5@100; 1/4 2@99", "b99 1=3");
}

#[test]
fn a_limit_order_trades_within_its_limit_and_rests_the_rest() {
    check("s 5@100 #1; b 8@100 #2", "ok; 1/2 5@100; rest 2 3@100", "b100 2=3");
    check("s 5@101 #1; b 8@100 #2", "ok; rest 2 8@100", "b100 2=8, s101 1=5");
    check("b 5@100 #1; s 8@100 #2", "ok; 1/2 5@100; rest 2 3@100", "s100 2=3");
    check("b 5@100 #1; b 2@100 #2", "ok; rest 2 2@100", "b100 1=5 2=2");
}

#[test]
fn what_may_not_rest_is_cut() {
    check("s 5@100 #1; b 8@100 #2 ioc", "ok; 1/2 5@100; cut 2 3 Unfilled 0", "");
    check("b 8@100 #2 ioc", "ok; cut 2 8 Unfilled 0", "");
    check("s 5@100 #1; b 8@mkt #2", "ok; 1/2 5@100; cut 2 3 Unfilled 0", "");
    check("b 5@1 #1; s 8@mkt #2 ioc", "ok; 1/2 5@1; cut 2 3 Unfilled 0", "");
    check("b 8@mkt #2", "ok; cut 2 8 Unfilled 0", "");
}

#[test]
fn fill_or_kill_trades_in_full_or_not_at_all() {
    let asks = "s 5@100 #1; s 5@101 #2; s 5@102 #3;";
    check(&format!("{asks} b 10@101 #4 fok"), "ok; 1/4 5@100; 2/4 5@101", "s102 3=5");
    check(&format!("{asks} b 11@101 #4 fok"), "no7", "s100 1=5, s101 2=5, s102 3=5");
    check(&format!("{asks} b 15@mkt #4 fok"), "ok; 1/4 5@100; 2/4 5@101; 3/4 5@102", "");
    check(&format!("{asks} b 16@mkt #4 fok"), "no7", "s100 1=5, s101 2=5, s102 3=5");
    check("b 1@100 #1 fok", "no7", "");
}

#[test]
fn fill_or_kill_counts_own_orders_before_prevention_acts() {
    check(
        "s 5@100 #1 u7; s 5@100 #2 u8; b 10@100 #3 u7 fok oldest",
        "ok; cut 1 5 SelfTrade 0; 2/3 5@100; cut 3 5 Unfilled 0",
        "",
    );
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
    check(&format!("{three} cancel #2"), "ok; cut 2 2 Asked 0", "b100 1=1 3=3");
    check(&format!("{three} cancel #1"), "ok; cut 1 1 Asked 0", "b100 2=2 3=3");
    check("b 1@100 #1; b 1@99 #2; cancel #1", "ok; cut 1 1 Asked 0", "b99 2=1");
}

#[test]
fn reduce_keeps_the_place_and_cancels_at_the_whole() {
    let two = "b 5@100 #1; b 5@100 #2;";
    check(&format!("{two} reduce #1 4"), "ok; cut 1 4 Asked 1", "b100 1=1 2=5");
    check(&format!("{two} reduce #1 5"), "ok; cut 1 5 Asked 0", "b100 2=5");
    check(&format!("{two} reduce #1 600"), "ok; cut 1 5 Asked 0", "b100 2=5");
}

#[test]
fn replace_loses_the_place_and_may_trade() {
    let two = "b 5@100 #1 u7; b 5@100 #2;";
    check(
        &format!("{two} replace #1 5@100"),
        "ok; cut 1 5 Replaced 0; rest 1 5@100",
        "b100 2=5 1=5",
    );
    check(
        &format!("{two} s 3@102 #3; replace #1 5@102"),
        "ok; cut 1 5 Replaced 0; 3/1 3@102; rest 1 2@102",
        "b102 1=2, b100 2=5",
    );
    // Filled in full, the id is free again.
    check(
        &format!("{two} s 9@102 #3; replace #1 9@103; b 1@99 #1"),
        "ok; rest 1 1@99",
        "b100 2=5, b99 1=1",
    );
    // Post-only is not remembered, the user is.
    check(
        "b 5@100 #1 u7 post; s 5@101 #2 u7; replace #1 5@101 both",
        "ok; cut 1 5 Replaced 0; cut 2 5 SelfTrade 0; cut 1 5 SelfTrade 0",
        "",
    );
}

#[test]
fn mass_cancel_takes_one_user_in_the_order_of_ids() {
    let orders = "b 1@98 #1 u7; b 2@99 #2 u7; b 3@99 #3 u8; s 4@101 #4 u7; s 5@100 #5 u7;";
    check(
        &format!("{orders} mass u7"),
        "ok; cut 1 1 Asked 0; cut 2 2 Asked 0; cut 4 4 Asked 0; cut 5 5 Asked 0",
        "b99 3=3",
    );
    check(
        &format!("{orders} mass u7 s"),
        "ok; cut 4 4 Asked 0; cut 5 5 Asked 0",
        "b99 2=2 3=3, b98 1=1",
    );
    check(&format!("{orders} mass u8 b"), "ok; cut 3 3 Asked 0", {
        "b99 2=2, b98 1=1, s100 5=5, s101 4=4"
    });
    check("b 1@98 #1; mass u0", "ok; cut 1 1 Asked 0", "");
    check("b 1@98 #1; mass u9", "ok", "b98 1=1");
}

#[test]
fn every_self_trade_mode_in_both_directions() {
    let cases = [
        ("allow", "1/3 4@100; 2/3 2@100", "2=2"),
        ("newest", "cut 3 6 SelfTrade 0", "1=4 2=4"),
        ("oldest", "cut 1 4 SelfTrade 0; 2/3 4@100; rest 3 2@100", "own"),
        ("both", "cut 1 4 SelfTrade 0; cut 3 6 SelfTrade 0", "2=4"),
        ("dec", "cut 1 4 SelfTrade 0; 2/3 2@100; cut 3 4 SelfTrade 0", "2=2"),
    ];
    for (maker, taker) in [("s", "b"), ("b", "s")] {
        for (mode, events, left) in cases {
            let makers = format!("{maker} 4@100 #1 u7; {maker} 4@100 #2 u8;");
            let book = match left {
                "own" => format!("{taker}100 3=2"),
                _ => format!("{maker}100 {left}"),
            };
            let events = format!("ok; {events}");
            check(&format!("{makers} {taker} 6@100 #3 u7 {mode}"), &events, &book);
            // The same mode as the book's own.
            let self_trade = super::tests::mode(mode).expect("a mode");
            let on = Book::new(BookConfig { self_trade, ..BookConfig::default() });
            check_in(on, &format!("{makers} {taker} 6@100 #3 u7"), &events, &book);
        }
    }
}

#[test]
fn self_trade_prevention_ends() {
    // A maker larger than the taker keeps its place and loses what the taker had.
    check(
        "s 9@100 #1 u7; b 4@100 #2 u7 dec",
        "ok; cut 1 4 SelfTrade 5; cut 2 4 SelfTrade 0",
        "s100 1=5",
    );
    // Both reasons to cut a taker are told apart.
    check(
        "s 1@100 #1 u7; b 4@100 #2 u7 dec ioc",
        "ok; cut 1 1 SelfTrade 0; cut 2 1 SelfTrade 3; cut 2 3 Unfilled 0",
        "",
    );
    // User 0 is nobody, other users trade, an order may undo the book's mode.
    let on = || {
        let self_trade = SelfTrade::CancelBoth;
        Book::new(BookConfig { self_trade, ..BookConfig::default() })
    };
    check_in(on(), "s 1@100 #1 u0; b 1@100 #2 u0", "ok; 1/2 1@100", "");
    check_in(on(), "s 1@100 #1 u7; b 1@100 #2 u8", "ok; 1/2 1@100", "");
    check_in(on(), "s 1@100 #1 u7; b 1@100 #2 u7 allow", "ok; 1/2 1@100", "");
    // Only what is reached is touched.
    check_in(on(), "s 1@100 #1 u8; s 1@101 #2 u7; b 1@105 #3 u7", "ok; 1/3 1@100", "s101 2=1");
}

#[test]
fn rejects_one_by_one_and_their_order() {
    let max = (LOTS_MAX.0 + 1, TICKS_MAX.0 + 1);
    let rested = "s 5@100 #1;";
    for (command, code) in [
        // Each alone.
        ("b 5@mkt #2 post".to_owned(), 5),
        ("b 0@100 #2".to_owned(), 3),
        (format!("b {}@100 #2", max.0), 3),
        ("b 5@0 #2".to_owned(), 4),
        ("b 5@-1 #2".to_owned(), 4),
        (format!("b 5@{} #2", max.1), 4),
        ("s 5@100 #1".to_owned(), 2),
        ("b 5@100 #2 post".to_owned(), 6),
        ("b 6@100 #2 fok".to_owned(), 7),
        ("cancel #2".to_owned(), 1),
        ("reduce #1 0".to_owned(), 3),
        (format!("reduce #1 {}", max.0), 3),
        ("reduce #2 1".to_owned(), 1),
        ("replace #1 0@100".to_owned(), 3),
        (format!("replace #1 {}@100", max.0), 3),
        ("replace #1 5@0".to_owned(), 4),
        (format!("replace #1 5@{}", max.1), 4),
        ("replace #2 5@100".to_owned(), 1),
        // The earlier check wins.
        ("b 0@mkt #1 post".to_owned(), 5),
        ("b 0@0 #1 post".to_owned(), 3),
        ("b 5@0 #1 post".to_owned(), 4),
        ("b 5@100 #1 post".to_owned(), 2),
        ("b 6@100 #1 fok".to_owned(), 2),
        ("reduce #2 0".to_owned(), 3),
        ("replace #2 0@0".to_owned(), 3),
        ("replace #2 5@0".to_owned(), 4),
    ] {
        check(&format!("{rested} {command}"), &format!("no{code}"), "s100 1=5");
    }
}

#[test]
fn ids_are_all_of_u64_and_may_be_used_again() {
    let ids = format!("b 1@100 #0; b 2@100 #{max}; s 3@100 #5", max = u64::MAX);
    check(&ids, &format!("ok; 0/5 1@100; {}/5 2@100", u64::MAX), "");
    check("b 1@100 #1; s 1@100 #2; s 1@101 #1; b 1@101 #1", "no2", "s101 1=1");
    check("b 1@100 #1; cancel #1; s 1@101 #1", "ok; rest 1 1@101", "s101 1=1");
    // A taker that trades away and rests not leaves its id free.
    check("s 1@100 #1; b 1@100 #2; b 1@99 #2", "ok; rest 2 1@99", "b99 2=1");
}

#[test]
fn numeric_limits_hold() {
    let (qty, price) = (LOTS_MAX.0, TICKS_MAX.0);
    check(
        &format!("s {qty}@{price} #1; s {qty}@{price} #2; b {qty}@{price} #3"),
        &format!("ok; 1/3 {qty}@{price}"),
        &format!("s{price} 2={qty}"),
    );
    check(
        &format!("b {qty}@1 #1; s 1@{price} #2; s {qty}@mkt #3"),
        &format!("ok; 1/3 {qty}@1"),
        &format!("s{price} 2=1"),
    );
}

#[test]
fn a_full_book_refuses_what_may_rest_and_nothing_else() {
    let full = || {
        let mut book = Book::new(BookConfig::default());
        book.orders_max = 2;
        book
    };
    let two = "b 1@100 #1; s 2@101 #2;";
    let both = "b100 1=1, s101 2=2";
    for may_rest in ["b 1@99 #3", "b 9@105 #3", "b 1@99 #3 post"] {
        check_in(full(), &format!("{two} {may_rest}"), "no8", both);
    }
    check_in(full(), &format!("{two} b 1@101 #3 post"), "no6", both);
    check_in(full(), &format!("{two} b 3@101 #3 fok"), "no7", both);
    check_in(full(), &format!("{two} b 2@101 #3 ioc"), "ok; 2/3 2@101", "b100 1=1");
    check_in(full(), &format!("{two} b 2@mkt #3"), "ok; 2/3 2@101", "b100 1=1");
    check_in(full(), &format!("{two} replace #1 1@99"), "ok; cut 1 1 Replaced 0; rest 1 1@99", {
        "b99 1=1, s101 2=2"
    });
    check_in(full(), &format!("{two} cancel #1; b 1@99 #3"), "ok; rest 3 1@99", {
        "b99 3=1, s101 2=2"
    });
}

#[test]
fn outcomes_sum_to_the_order() {
    let mut book = Book::new(BookConfig::default());
    let mut apply = |text: &str| {
        let Outcome { reject, filled, resting, cancelled } = book.apply(&parse(text), &mut Discard);
        assert_eq!(reject, None, "{text}");
        [filled.0, resting.0, cancelled.0]
    };
    assert_eq!(apply("s 5@100 #1 u7"), [0, 5, 0]);
    assert_eq!(apply("s 5@101 #2 u8"), [0, 5, 0]);
    assert_eq!(apply("b 4@100 #3"), [4, 0, 0]);
    assert_eq!(apply("b 9@101 #4 u7 dec"), [5, 3, 1]);
    assert_eq!(apply("reduce #4 1"), [0, 2, 1]);
    assert_eq!(apply("replace #4 6@99"), [0, 6, 0]);
    assert_eq!(apply("s 8@99 #5 ioc"), [6, 0, 2]);
    assert_eq!(apply("b 7@99 #6 u9"), [0, 7, 0]);
    assert_eq!(apply("b 1@98 #7 u9"), [0, 1, 0]);
    assert_eq!(apply("mass u9"), [0, 0, 8]);
    assert_eq!((book.order_count(), book.level_count()), (0, 0));
}

#[test]
fn a_trade_names_both_sides_of_itself() {
    let mut book = Book::new(BookConfig::default());
    let mut events = Vec::new();
    book.apply(&parse("s 5@100 #1 u7"), &mut events);
    events.clear();
    book.apply(&parse("b 3@101 #2 u8"), &mut events);
    let trade = crate::event::Trade {
        maker: OrderId(1),
        taker: OrderId(2),
        price: Ticks(100),
        qty: Lots(3),
        maker_open: Lots(2),
        taker_open: Lots(0),
        maker_user: User(7),
        taker_user: User(8),
        taker_side: Side::Buy,
    };
    assert_eq!(events, [Event::Accepted { id: Some(OrderId(2)) }, Event::Traded(trade)]);
}

#[test]
fn a_book_grows_beyond_its_capacity_and_counts_it() {
    let mut book = Book::new(BookConfig { orders: 4, levels: 2, ..BookConfig::default() });
    let add = |book: &mut Book, ids: std::ops::Range<u64>| {
        for id in ids {
            let price = Ticks(1 + id as i64 * 1_000_003);
            let new = NewOrder::limit(OrderId(id), User(1), Side::Sell, price, Lots(1));
            assert_eq!(book.apply(&Command::New(new), &mut Discard).code(), 0);
        }
    };
    add(&mut book, 0..500);
    assert_eq!((book.check(), book.order_count()), (Ok(()), 500));
    let growths = book.growths();
    assert!(growths > 0);
    book.reserve(5000, 5000);
    add(&mut book, 500..5000);
    assert_eq!((book.check(), book.growths()), (Ok(()), growths));
    assert_eq!(book.best(Side::Sell).map(|level| level.price), Some(Ticks(1)));
}

#[test]
fn memory_is_given_back_when_the_last_order_leaves() {
    let mut book = Book::new(BookConfig { orders: 4, levels: 2, ..BookConfig::default() });
    for turn in 1..4 {
        for id in 0..3000 {
            let price = Ticks(1 + id as i64 * 1_000_003);
            let new = NewOrder::limit(OrderId(id), User(1), Side::Sell, price, Lots(1));
            assert_eq!(book.apply(&new.with_expiry(Time(u64::MAX)), &mut Discard).code(), 0);
        }
        assert!(book.queues.orders.capacity() >= 3000);
        let before = book.growths();
        match turn {
            1 => book.apply(&Command::MassCancel { user: User(1), side: None }, &mut Discard),
            2 => book.apply(&Command::Expire { now: Time(u64::MAX) }, &mut Discard),
            _ => book.apply(&parse("b 3000@mkt #9999"), &mut Discard),
        };
        assert_eq!((book.check(), book.order_count()), (Ok(()), 0));
        // A mass cancel of more than the capacity needs room to sort them in.
        assert!(book.growths() <= before + u32::from(turn == 1), "leaving is no growth");
        assert_eq!(book.trims(), turn);
        assert!(book.queues.orders.capacity() < 10, "turn {turn}");
        book.now = Time(0);
    }
    // Within its capacity it keeps what it has.
    assert_eq!(book.apply(&parse("b 1@100 #1"), &mut Discard).code(), 0);
    assert_eq!(book.apply(&parse("cancel #1"), &mut Discard).code(), 0);
    assert_eq!(book.trims(), 3);
}
