//! Configs, room, versions and words.

use crate::caller::{Caller, bytes, config};
use crate::layout::Command;
use crate::twin::Twin;
use corelane_book::clb_config;
use corelane_book::make::clb_version;
use corelane_book::status::clb_text;
use std::collections::BTreeSet;
use std::ffi::CStr;

#[test]
fn the_version_is_that_of_the_header() {
    assert_eq!(clb_version(), 1);
}

#[test]
fn a_config_to_start_from_is_the_documented_one() {
    let mut expect = Vec::new();
    for number in [4096_u64, 1024, 256, 0, 0] {
        expect.extend(number.to_le_bytes());
    }
    assert_eq!(bytes(&[config()]), expect);
    assert_eq!(clb_config::default(), config());
}

#[test]
fn every_answer_has_words_of_its_own() {
    let text = |answer| {
        // SAFETY: never NULL, and a C string that is never freed.
        unsafe { CStr::from_ptr(clb_text(answer)) }.to_str().expect("ASCII")
    };
    let words: BTreeSet<_> = (-5..=10).map(text).collect();
    assert_eq!(words.len(), 16);
    assert_eq!((text(-5), text(11)), (text(i32::MIN), text(i32::MAX)));
    assert_eq!((text(0), text(1), text(10)), ("ok", "unknown order id", "the expiry has passed"));
    assert_eq!(text(-1), "an argument is NULL");
}

/// How often a book with such room allocates when it gets so many orders, spread over levels.
fn growths(mut book: Caller, orders: u64, levels: u64) -> u32 {
    for id in 0..orders {
        let price = 1000 + (id % levels) as i64;
        let new = Command { op: 1, id, price, qty: 1, ..Command::default() };
        assert_eq!(book.apply(&new.bytes()).0, 0);
    }
    let summary = book.summary();
    assert_eq!((summary.orders, summary.levels), (orders, levels));
    summary.growths
}

#[test]
fn room_is_for_orders_and_for_levels_each() {
    let made = |orders, levels| Caller::new(&clb_config { orders, levels, ..config() });
    assert_eq!(growths(made(2000, 500), 2000, 500), 0);
    assert!(growths(made(2000, 4), 2000, 500) > 0, "no room for the levels");
    assert!(growths(made(4, 2000), 2000, 1) > 0, "no room for the orders");
    let reserved = |orders, levels| {
        let mut book = made(0, 0);
        assert_eq!(book.reserve(orders, levels), 0);
        book
    };
    assert_eq!(growths(reserved(2000, 500), 2000, 500), 0);
    assert!(growths(reserved(2000, 4), 2000, 500) > 0, "no room for the levels");
    assert!(growths(reserved(4, 2000), 2000, 1) > 0, "no room for the orders");
}

#[test]
fn a_book_without_any_room_takes_what_comes() {
    let none = clb_config { orders: 0, levels: 0, events: 0, level_changes: 1, ..config() };
    let mut twin = Twin::new(&none);
    for id in 0..100 {
        let new = Command { op: 1, id, price: 5 + id as i64, qty: 2, ..Command::default() };
        twin.apply(&new.bytes(), 64);
    }
    let sweep = Command { op: 1, side: 1, id: 100, price: 1, qty: 150, ..Command::default() };
    twin.apply(&sweep.bytes(), 64);
    assert_eq!(twin.c.events().len(), 1 + 75);
    twin.compare();
}

#[test]
fn self_trade_prevention_of_the_config_counts() {
    // Lots that the maker has left, and that the taker traded, rests and lost, by mode.
    let expect = [(2, [3, 0, 0]), (5, [0, 0, 3]), (0, [0, 3, 0]), (0, [0, 0, 3]), (2, [0, 0, 3])];
    for (self_trade, (maker, lots)) in (0..).zip(expect) {
        let mut book = Caller::new(&clb_config { self_trade, ..config() });
        let bid = Command { op: 1, user: 1, id: 1, price: 9, qty: 5, ..Command::default() };
        assert_eq!(book.apply(&bid.bytes()).0, 0);
        let ask = Command { side: 1, id: 2, qty: 3, ..bid };
        let (code, outcome) = book.apply(&ask.bytes());
        assert_eq!(code, 0);
        assert_eq!([outcome.filled, outcome.resting, outcome.cancelled], lots, "{self_trade}");
        assert_eq!(book.find(1).map_or(0, |(order, _)| order.qty), maker, "{self_trade}");
    }
}
