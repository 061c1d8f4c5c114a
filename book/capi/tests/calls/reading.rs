//! What is read out of a book, with every field written out, and buffers that are too short.

use crate::caller::{Caller, config};
use crate::layout::Command;
use corelane_book::{clb_indicative, clb_level, clb_order, clb_summary, clb_terms};

/// Bids of 3, 4 and 5 lots at 10, 11 and 10, an ask that is an iceberg and expires, a stop that
/// sells.
fn book() -> Caller {
    let mut book = Caller::new(&config());
    let bid = Command { op: 1, user: 6, id: 1, price: 10, qty: 3, ..Command::default() };
    let higher = Command { user: 7, id: 2, price: 11, qty: 4, ..bid };
    let behind = Command { user: 8, id: 3, qty: 5, ..bid };
    let iceberg = Command {
        op: 1,
        side: 1,
        flags: 2 | 8,
        user: 9,
        id: 4,
        price: 12,
        qty: 20,
        display: 6,
        expires: 99,
        ..Command::default()
    };
    let stop = Command { side: 1, flags: 4, user: 5, id: 5, price: 1, qty: 8, stop: 7, ..bid };
    for command in [bid, higher, behind, iceberg, stop] {
        assert_eq!(book.apply(&command.bytes()).0, 0);
    }
    book
}

const BEST: clb_level = clb_level { price: 11, qty: 4, orders: 1, side: 0, zero: [0; 3] };
const NEXT: clb_level = clb_level { price: 10, qty: 8, orders: 2, side: 0, zero: [0; 3] };
const ASK: clb_level = clb_level { price: 12, qty: 6, orders: 1, side: 1, zero: [0; 3] };

fn bid(id: u64, price: i64, qty: u64, user: u32) -> clb_order {
    clb_order { id, price, qty, hidden: 0, user, side: 0, state: 0, zero: [0; 2] }
}

const ICEBERG: clb_order =
    clb_order { id: 4, price: 12, qty: 6, hidden: 14, user: 9, side: 1, state: 0, zero: [0; 2] };
const STOP: clb_order =
    clb_order { id: 5, price: 7, qty: 8, hidden: 0, user: 5, side: 1, state: 1, zero: [0; 2] };

#[test]
fn levels_are_read_the_best_first() {
    let book = book();
    assert_eq!((book.best(0), book.best(1)), (Some(BEST), Some(ASK)));
    assert_eq!(book.levels(0, 9), [BEST, NEXT]);
    assert_eq!(book.levels(1, 9), [ASK]);
    assert_eq!(book.levels(0, 1), [BEST]);
    assert_eq!(book.levels(0, 0), []);
}

#[test]
fn orders_are_read_in_the_order_of_their_queues() {
    let book = book();
    let bids = [bid(2, 11, 4, 7), bid(1, 10, 3, 6), bid(3, 10, 5, 8)];
    for max in 0..5 {
        assert_eq!(book.orders(0, max), bids[..max.min(3)]);
    }
    assert_eq!(book.orders(1, 9), [ICEBERG]);
    assert_eq!(book.waiting(1, 9), [STOP]);
    assert_eq!(book.waiting(1, 0), []);
    assert_eq!(book.waiting(0, 9), []);
}

#[test]
fn orders_are_found_with_their_terms() {
    let book = book();
    let terms = clb_terms { display: 6, stop: 0, expires: 99, given: 2 | 8, zero: [0; 7] };
    assert_eq!(book.find(4), Some((ICEBERG, terms)));
    let terms = clb_terms { stop: 7, given: 4, ..clb_terms::default() };
    assert_eq!(book.find(5), Some((STOP, terms)));
    assert_eq!(book.find(1), Some((bid(1, 10, 3, 6), clb_terms::default())));
    assert_eq!(book.find(6), None);
}

#[test]
fn a_market_order_that_waits_has_no_price() {
    let mut book = Caller::new(&config());
    let auction = Command { op: 7, phase: 2, ..Command::default() };
    let market = Command { op: 1, flags: 1, user: 2, id: 3, qty: 4, ..Command::default() };
    for command in [auction, market] {
        assert_eq!(book.apply(&command.bytes()).0, 0);
    }
    let order = clb_order { price: 0, state: 2, ..bid(3, 0, 4, 2) };
    assert_eq!(book.find(3), Some((order, clb_terms::default())));
    assert_eq!(book.waiting(0, 1), [order]);
}

#[test]
fn the_summary_has_its_counts() {
    let mut book = book();
    let none = clb_summary { growths: 0, ..clb_summary::default() };
    assert_eq!(book.summary(), clb_summary { orders: 5, levels: 3, ..none });
    let sell = Command { op: 1, side: 1, flags: 1, id: 6, qty: 4, ..Command::default() };
    let expire = Command { op: 6, expires: 55, ..Command::default() };
    let halt = Command { op: 7, phase: 1, ..Command::default() };
    for command in [sell, expire, halt] {
        assert_eq!(book.apply(&command.bytes()).0, 0);
    }
    let expect = clb_summary { orders: 4, levels: 2, now: 55, last_trade: 11, phase: 1, ..none };
    assert_eq!(book.summary(), expect);
}

#[test]
fn the_surplus_of_an_uncross_has_its_side() {
    let mut book = Caller::new(&config());
    let auction = Command { op: 7, phase: 2, ..Command::default() };
    let ask = Command { op: 1, side: 1, id: 1, price: 20, qty: 9, ..Command::default() };
    let mut buy = Command { side: 0, id: 2, price: 20, qty: 4, ..ask };
    assert_eq!(book.apply(&auction.bytes()).0, 0);
    assert_eq!(book.apply(&ask.bytes()).0, 0);
    assert_eq!(book.indicative(), None);
    // Lots that trade, and surplus with its side, as one buyer after the other comes.
    for (qty, volume, surplus, surplus_side) in [(4, 4, 5, 1), (5, 9, 0, 0), (2, 9, 2, 0)] {
        (buy.qty, buy.id) = (qty, buy.id + 1);
        assert_eq!(book.apply(&buy.bytes()).0, 0);
        let expect = clb_indicative { price: 20, volume, surplus, surplus_side, zero: [0; 7] };
        assert_eq!(book.indicative(), Some(expect));
    }
}

#[test]
fn commands_of_a_call_are_numbered_and_events_last_until_the_next() {
    let mut book = Caller::new(&config());
    let bid = Command { op: 1, id: 1, price: 10, qty: 3, ..Command::default() };
    let unknown = Command { op: 2, id: 8, ..Command::default() };
    let ask = Command { side: 1, id: 2, ..bid };
    for record_bytes in [64, 32] {
        let records: Vec<u8> =
            [bid, unknown, ask].iter().flat_map(|c| c.bytes()[..record_bytes].to_vec()).collect();
        let outcomes = book.apply_all(&records, record_bytes);
        let told: Vec<_> = outcomes.iter().map(|o| (o.code, o.events, o.filled)).collect();
        assert_eq!(told, [(0, 2, 0), (1, 1, 0), (0, 2, 3)]);
        let told: Vec<_> = book.events().iter().map(|e| (e.command, e.kind, e.id)).collect();
        assert_eq!(told, [(0, 1, 1), (0, 5, 1), (1, 2, 8), (2, 1, 2), (2, 3, 2)]);
        assert!(book.level_changes().is_empty());
    }
    assert_eq!(book.apply(&unknown.bytes()).0, 1);
    assert_eq!(book.events().len(), 1);
    assert_eq!(book.events()[0].command, 0);
    assert!(book.apply_all(&[], 64).is_empty());
    assert!(book.events().is_empty());
}
