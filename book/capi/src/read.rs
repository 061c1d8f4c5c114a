//! Reading a book out.

use crate::layout::{
    clb_event, clb_indicative, clb_level, clb_order, clb_summary, clb_terms, side,
};
use crate::status::{Status, answer};
use crate::{clb_book, pointer};
use book::OrderId;
use std::mem::MaybeUninit;
use std::ptr;

/// The events of the last call that applied records.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile, `count` is NULL or leads to memory
/// for a number that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_events(book: *const clb_book, count: *mut usize) -> *const clb_event {
    // SAFETY: the caller's promises.
    unsafe { lend(book, count, |book| &book.tape.events) }
}

/// The changes of levels of the last call that applied records.
///
/// # Safety
///
/// As for [`clb_events`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_level_changes(
    book: *const clb_book,
    count: *mut usize,
) -> *const clb_level {
    // SAFETY: the caller's promises.
    unsafe { lend(book, count, |book| &book.tape.levels) }
}

/// The best level of a side.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile, `level` is NULL or leads to memory
/// for a level that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_best(
    book: *const clb_book,
    of_side: u8,
    level: *mut clb_level,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (book, place) = unsafe { (pointer::shared(book)?, pointer::place(level)?) };
        Ok(put(place, book.book.best(side(of_side)?)))
    })
}

/// The levels of a side, the best first.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile, `levels` is NULL or leads to
/// memory for `max` levels that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_levels(
    book: *const clb_book,
    of_side: u8,
    levels: *mut clb_level,
    max: usize,
) -> i64 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (book, places) = unsafe { (pointer::shared(book)?, pointer::places(levels, max)?) };
        Ok(fill(places, book.book.levels(side(of_side)?)))
    })
}

/// The resting orders of a side.
///
/// # Safety
///
/// As for [`clb_levels`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_orders(
    book: *const clb_book,
    of_side: u8,
    orders: *mut clb_order,
    max: usize,
) -> i64 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (book, places) = unsafe { (pointer::shared(book)?, pointer::places(orders, max)?) };
        Ok(fill(places, book.book.orders(side(of_side)?)))
    })
}

/// The waiting orders of a side.
///
/// # Safety
///
/// As for [`clb_levels`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_waiting(
    book: *const clb_book,
    of_side: u8,
    orders: *mut clb_order,
    max: usize,
) -> i64 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (book, places) = unsafe { (pointer::shared(book)?, pointer::places(orders, max)?) };
        Ok(fill(places, book.book.waiting(side(of_side)?)))
    })
}

/// An order by its id, and its terms.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile, `order` and `terms` are NULL or
/// lead to memory for them that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_find(
    book: *const clb_book,
    id: u64,
    order: *mut clb_order,
    terms: *mut clb_terms,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (book, order, terms) =
            unsafe { (pointer::shared(book)?, pointer::place(order)?, pointer::place(terms)?) };
        let (found, its_terms) = book.book.order(OrderId(id)).unzip();
        put(terms, its_terms);
        Ok(put(order, found))
    })
}

/// Counts, phase, moment and last trade.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile, `summary` is NULL or leads to
/// memory for a summary that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_summarize(book: *const clb_book, summary: *mut clb_summary) -> i32 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (book, place) = unsafe { (&pointer::shared(book)?.book, pointer::place(summary)?) };
        place.write(clb_summary {
            orders: book.order_count() as u64,
            levels: book.level_count() as u64,
            now: book.now().0,
            last_trade: book.last_trade().map_or(0, |price| price.0),
            growths: book.growths(),
            phase: book.phase() as u8,
            zero: [0; 3],
        });
        Ok(0)
    })
}

/// What an uncross would do now.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile, `indicative` is NULL or leads to
/// memory for one that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_indicate(
    book: *const clb_book,
    indicative: *mut clb_indicative,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (book, place) = unsafe { (pointer::shared(book)?, pointer::place(indicative)?) };
        Ok(put(place, book.book.indicative()))
    })
}

/// A hash of all that decides what the book does from here on.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile, `hash` is NULL or leads to memory
/// for a number that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_state_hash(book: *const clb_book, hash: *mut u64) -> i32 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (book, place) = unsafe { (pointer::shared(book)?, pointer::place(hash)?) };
        place.write(book.book.state_hash());
        Ok(0)
    })
}

/// Checks every invariant.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_check(book: *const clb_book) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let book = unsafe { pointer::shared(book) }?;
        book.book.check().map_or(Err(Status::Defect), |()| Ok(0))
    })
}

/// A list that stays the book's: where it is, and how long.
///
/// # Safety
///
/// `book` is NULL or a live book that no call changes meanwhile, `count` is NULL or leads to memory
/// for a number that only this call uses.
unsafe fn lend<T>(
    book: *const clb_book,
    count: *mut usize,
    list: fn(&clb_book) -> &Vec<T>,
) -> *const T {
    // SAFETY: the caller's promises.
    let (book, count) = unsafe { (pointer::shared(book), pointer::place(count)) };
    let Ok(count) = count else { return ptr::null() };
    let list = book.map_or(&[][..], |book| list(book));
    count.write(list.len());
    if list.is_empty() { ptr::null() } else { list.as_ptr() }
}

/// Writes what is there. Answers 1, or 0 when there is nothing.
fn put<T>(place: &mut MaybeUninit<T>, found: Option<impl Into<T>>) -> i32 {
    let Some(found) = found else { return 0 };
    place.write(found.into());
    1
}

/// Writes as many as there are and fit. Answers their number.
fn fill<T>(places: &mut [MaybeUninit<T>], items: impl Iterator<Item = impl Into<T>>) -> i64 {
    let mut written = 0;
    for (place, item) in places.iter_mut().zip(items) {
        place.write(item.into());
        written += 1;
    }
    written
}
