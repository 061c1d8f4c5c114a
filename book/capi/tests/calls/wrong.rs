//! Wrong calls: each pointer NULL or misaligned, numbers out of range. Each answers what the header
//! says, writes nothing and changes nothing.

use crate::caller::{Caller, config, untouched, used};
use crate::layout::Command;
use corelane_book::apply::{clb_apply, clb_apply_all, clb_apply_short};
use corelane_book::layout::*;
use corelane_book::make::*;
use corelane_book::read::*;
use corelane_book::{clb_book, clb_config};
use std::ptr::{null, null_mut};

const NULL: i32 = -1;
const ARGUMENT: i32 = -2;

/// Most of what can be asked for, and one more.
const TOO_MANY: u64 = 1 << 24;

/// A book with an order; nothing about it may change while `calls` are made.
fn nothing_changes(calls: impl FnOnce(*mut clb_book)) {
    let mut book = Caller::new(&clb_config { level_changes: 1, ..config() });
    let bid = Command { op: 1, id: 1, price: 10, qty: 3, ..Command::default() };
    book.apply(&bid.bytes());
    let (hash, events) = (book.state_hash(), book.events());
    let levels = book.level_changes();
    assert_eq!((events.len(), levels.len()), (2, 1));
    calls(book.0);
    assert_eq!((book.state_hash(), book.events()), (hash, events));
    assert_eq!(book.level_changes(), levels);
    assert_eq!(book.check(), 0);
}

/// The address one behind, where nothing with an alignment lies.
fn misaligned<T>(place: *mut T) -> *mut T {
    place.wrapping_byte_add(1)
}

#[test]
fn applying_wants_a_book_records_and_outcomes() {
    let record = Command { op: 1, id: 2, price: 10, qty: 3, ..Command::default() }.bytes();
    let records = record.as_ptr().cast();
    let mut outcomes: [clb_outcome; 3] = [used(); 3];
    let to = outcomes.as_mut_ptr();
    nothing_changes(|book| {
        for apply in [clb_apply, clb_apply_short] {
            // SAFETY: pointers are NULL, misaligned, or lead to what the function wants there.
            unsafe {
                assert_eq!(apply(null_mut(), records, to), NULL);
                assert_eq!(apply(book, null(), to), NULL);
                assert_eq!(apply(book, records, null_mut()), NULL);
                assert_eq!(apply(book, records, misaligned(to)), ARGUMENT);
            }
        }
        // SAFETY: as above; calls with too large a count are refused before a record is read.
        unsafe {
            for bytes in [64, 32] {
                assert_eq!(clb_apply_all(null_mut(), records, bytes, 1, to), NULL);
                assert_eq!(clb_apply_all(book, null(), bytes, 1, to), NULL);
                assert_eq!(clb_apply_all(book, null(), bytes, 0, to), NULL);
                assert_eq!(clb_apply_all(book, records, bytes, 1, null_mut()), NULL);
                assert_eq!(clb_apply_all(book, records, bytes, 1, misaligned(to)), ARGUMENT);
                for count in [1 << 32, usize::MAX / 64, usize::MAX] {
                    assert_eq!(clb_apply_all(book, records, bytes, count, to), ARGUMENT);
                }
            }
            for bytes in [0, 1, 31, 33, 63, 65, usize::MAX] {
                assert_eq!(clb_apply_all(book, records, bytes, 1, to), ARGUMENT);
            }
        }
    });
    assert!(untouched(&outcomes));
}

#[test]
fn lists_want_a_book_and_a_count() {
    let mut count = 7;
    nothing_changes(|book| {
        // SAFETY: pointers are NULL, misaligned, or lead to what the function wants there.
        unsafe {
            assert!(clb_events(book, null_mut()).is_null());
            assert!(clb_level_changes(book, null_mut()).is_null());
            assert!(clb_snapshot(book, null_mut()).is_null());
            let odd = misaligned(&raw mut count);
            assert!(clb_events(book, odd).is_null());
            assert!(clb_level_changes(book, odd).is_null());
            assert!(clb_snapshot(book, odd).is_null());
            assert_eq!(count, 7);
            assert!(clb_events(null(), &mut count).is_null());
            assert_eq!(count, 0);
            count = 7;
            assert!(clb_level_changes(null(), &mut count).is_null());
            assert_eq!(count, 0);
            count = 7;
            assert!(clb_snapshot(null_mut(), &mut count).is_null());
        }
    });
    assert_eq!(count, 0);
}

/// A function that writes up to so many things of a side.
type ListOf<T> = unsafe extern "C" fn(*const clb_book, u8, *mut T, usize) -> i64;

fn list_is_judged<T: crate::caller::Plain>(list: ListOf<T>) {
    let mut places = [used::<T>(); 2];
    let to = places.as_mut_ptr();
    let [null_argument, argument] = [NULL, ARGUMENT].map(i64::from);
    nothing_changes(|book| {
        // SAFETY: pointers are NULL, misaligned, or lead to two places; too many are refused.
        unsafe {
            assert_eq!(list(null(), 0, to, 2), null_argument);
            assert_eq!(list(book, 0, null_mut(), 2), null_argument);
            assert_eq!(list(book, 0, null_mut(), 0), null_argument);
            assert_eq!(list(book, 0, misaligned(to), 1), argument);
            assert_eq!(list(book, 0, to, usize::MAX), argument);
            for side in [2, 3, 255] {
                assert_eq!(list(book, side, to, 2), argument);
            }
        }
    });
    assert!(untouched(&places));
}

#[test]
fn reading_a_side_wants_a_side_and_places() {
    list_is_judged(clb_levels);
    list_is_judged(clb_orders);
    list_is_judged(clb_waiting);
    let mut level: clb_level = used();
    let to = &raw mut level;
    nothing_changes(|book| {
        // SAFETY: pointers are NULL, misaligned, or lead to what the function wants there.
        unsafe {
            assert_eq!(clb_best(null(), 0, to), NULL);
            assert_eq!(clb_best(book, 0, null_mut()), NULL);
            assert_eq!(clb_best(book, 0, misaligned(to)), ARGUMENT);
            assert_eq!(clb_best(book, 2, to), ARGUMENT);
            assert_eq!(clb_best(book, 255, to), ARGUMENT);
        }
    });
    assert!(untouched(&[level]));
}

#[test]
fn reading_a_book_wants_a_book_and_a_place() {
    let (mut order, mut terms): (clb_order, clb_terms) = (used(), used());
    let (mut summary, mut indicative): (clb_summary, clb_indicative) = (used(), used());
    let mut hash: u64 = used();
    let (order_to, terms_to) = (&raw mut order, &raw mut terms);
    let (summary_to, indicative_to) = (&raw mut summary, &raw mut indicative);
    let hash_to = &raw mut hash;
    nothing_changes(|book| {
        // SAFETY: pointers are NULL, misaligned, or lead to what the function wants there.
        unsafe {
            assert_eq!(clb_find(null(), 1, order_to, terms_to), NULL);
            assert_eq!(clb_find(book, 1, null_mut(), terms_to), NULL);
            assert_eq!(clb_find(book, 1, order_to, null_mut()), NULL);
            assert_eq!(clb_find(book, 1, misaligned(order_to), terms_to), ARGUMENT);
            assert_eq!(clb_find(book, 1, order_to, misaligned(terms_to)), ARGUMENT);
            assert_eq!(clb_summarize(null(), summary_to), NULL);
            assert_eq!(clb_summarize(book, null_mut()), NULL);
            assert_eq!(clb_summarize(book, misaligned(summary_to)), ARGUMENT);
            assert_eq!(clb_indicate(null(), indicative_to), NULL);
            assert_eq!(clb_indicate(book, null_mut()), NULL);
            assert_eq!(clb_indicate(book, misaligned(indicative_to)), ARGUMENT);
            assert_eq!(clb_state_hash(null(), hash_to), NULL);
            assert_eq!(clb_state_hash(book, null_mut()), NULL);
            assert_eq!(clb_state_hash(book, misaligned(hash_to)), ARGUMENT);
            assert_eq!(clb_check(null()), NULL);
        }
    });
    assert!(untouched(&[order]) && untouched(&[terms]) && untouched(&[summary]));
    assert!(untouched(&[indicative]) && untouched(&[hash]));
}

/// Configs with one thing out of range each.
fn wrong_configs() -> Vec<clb_config> {
    let good = config();
    let mut wrong = vec![
        clb_config { self_trade: 5, ..good },
        clb_config { self_trade: 255, ..good },
        clb_config { level_changes: 2, ..good },
    ];
    for much in [TOO_MANY, u64::MAX] {
        wrong.push(clb_config { orders: much, ..good });
        wrong.push(clb_config { levels: much, ..good });
        wrong.push(clb_config { events: much, ..good });
    }
    for at in 0..good.zero.len() {
        let mut config = good;
        config.zero[at] = 1;
        wrong.push(config);
    }
    wrong
}

#[test]
fn making_a_book_wants_a_config_and_a_place() {
    let mut made = null_mut();
    let to = &raw mut made;
    let snapshot = Caller::new(&config()).snapshot();
    let (bytes, count) = (snapshot.as_ptr(), snapshot.len());
    let mut good = config();
    let odd_config = misaligned(&raw mut good);
    // SAFETY: pointers are NULL, misaligned, or lead to what the function wants there; a length
    // that can't be is refused before a byte is read.
    unsafe {
        assert_eq!(clb_config_default(null_mut()), NULL);
        assert_eq!(clb_config_default(odd_config), ARGUMENT);
        assert_eq!(clb_create(null(), to), NULL);
        assert_eq!(clb_create(&good, null_mut()), NULL);
        assert_eq!(clb_create(odd_config, to), ARGUMENT);
        assert_eq!(clb_create(&good, misaligned(to)), ARGUMENT);
        assert_eq!(clb_restore(null(), count, &good, to), NULL);
        assert_eq!(clb_restore(bytes, count, null(), to), NULL);
        assert_eq!(clb_restore(bytes, count, &good, null_mut()), NULL);
        assert_eq!(clb_restore(bytes, count, odd_config, to), ARGUMENT);
        assert_eq!(clb_restore(bytes, count, &good, misaligned(to)), ARGUMENT);
        assert_eq!(clb_restore(bytes, usize::MAX, &good, to), ARGUMENT);
        for wrong in wrong_configs() {
            assert_eq!(clb_create(&wrong, to), ARGUMENT, "{wrong:?}");
            assert_eq!(clb_restore(bytes, count, &wrong, to), ARGUMENT, "{wrong:?}");
        }
        clb_free(null_mut());
    }
    assert!(made.is_null());
    assert_eq!(good, config());
}

#[test]
fn reserving_wants_a_book_and_a_room_that_can_be() {
    nothing_changes(|book| {
        // SAFETY: NULL, or a live book.
        unsafe {
            assert_eq!(clb_reserve(null_mut(), 1, 1), NULL);
            for much in [TOO_MANY, u64::MAX] {
                assert_eq!(clb_reserve(book, much, 1), ARGUMENT);
                assert_eq!(clb_reserve(book, 1, much), ARGUMENT);
            }
            assert_eq!(clb_reserve(book, 0, 0), 0);
        }
    });
}
