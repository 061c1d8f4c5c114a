//! Changing a book by records.

use crate::layout::clb_outcome;
use crate::status::{Status, answer};
use crate::tape::{Tape, Writer};
use crate::{clb_book, pointer};
use book::record::{self, RECORD_BYTES};
use book::wide::{self, WIDE_BYTES};
use book::{Book, Events, Outcome};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Applies one record of 64 bytes. Answers the code of its outcome.
///
/// # Safety
///
/// `book` is NULL or a live book, and no other call on it runs at the same time; `record` is NULL
/// or leads to 64 bytes, `outcome` is NULL or leads to memory for an outcome, neither used by
/// others during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_apply(
    book: *mut clb_book,
    record: *const c_void,
    outcome: *mut clb_outcome,
) -> i32 {
    // SAFETY: the caller's promises.
    answer(|| unsafe { one::<Wide, _>(book, record, outcome) })
}

/// Applies one record of 32 bytes. Answers the code of its outcome.
///
/// # Safety
///
/// As for [`clb_apply`], with 32 bytes of record.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_apply_short(
    book: *mut clb_book,
    record: *const c_void,
    outcome: *mut clb_outcome,
) -> i32 {
    // SAFETY: the caller's promises.
    answer(|| unsafe { one::<Short, _>(book, record, outcome) })
}

/// Applies records one after the other and writes as many outcomes.
///
/// # Safety
///
/// As for [`clb_apply`], with `count * record_bytes` bytes of records and memory for `count`
/// outcomes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_apply_all(
    book: *mut clb_book,
    records: *const c_void,
    record_bytes: usize,
    count: usize,
    outcomes: *mut clb_outcome,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promises.
        unsafe {
            match record_bytes {
                WIDE_BYTES => all::<Wide, _>(book, records, count, outcomes),
                RECORD_BYTES => all::<Short, _>(book, records, count, outcomes),
                _ => Err(Status::Argument),
            }
        }?;
        Ok(0)
    })
}

/// A kind of record, of `N` bytes.
trait Record<const N: usize> {
    fn apply(book: &mut Book, record: &[u8; N], events: &mut impl Events) -> Outcome;
}

struct Wide;

impl Record<WIDE_BYTES> for Wide {
    fn apply(book: &mut Book, record: &[u8; WIDE_BYTES], events: &mut impl Events) -> Outcome {
        wide::apply(book, record, events)
    }
}

struct Short;

impl Record<RECORD_BYTES> for Short {
    fn apply(book: &mut Book, record: &[u8; RECORD_BYTES], events: &mut impl Events) -> Outcome {
        record::apply(book, record, events)
    }
}

/// Applies one record and answers its code.
///
/// # Safety
///
/// As for [`all`] with a count of one.
unsafe fn one<R: Record<N>, const N: usize>(
    book: *mut clb_book,
    record: *const c_void,
    outcome: *mut clb_outcome,
) -> Result<i32, Status> {
    // SAFETY: the caller's promises.
    let code = unsafe { all::<R, N>(book, record, 1, outcome) }?;
    Ok(i32::from(code))
}

/// Applies `count` records of `N` bytes. Returns the code of the last one, 0 if there was none.
///
/// # Safety
///
/// `book` is NULL or a live book of this call alone, `records` is NULL or leads to so many records,
/// `outcomes` is NULL or leads to memory for so many outcomes, neither used by others.
unsafe fn all<R: Record<N>, const N: usize>(
    book: *mut clb_book,
    records: *const c_void,
    count: usize,
    outcomes: *mut clb_outcome,
) -> Result<u8, Status> {
    // Events count the commands of a call in 32 bits.
    u32::try_from(count).map_err(|_| Status::Argument)?;
    // SAFETY: the caller's promises.
    let (book, records, places) = unsafe {
        let book = pointer::exclusive(book)?;
        (book, pointer::records(records, count)?, pointer::places(outcomes, count)?)
    };
    Ok(book.change(|book, tape| {
        if tape.keeps_levels {
            play::<R, N, true>(book, tape, records, places)
        } else {
            play::<R, N, false>(book, tape, records, places)
        }
    }))
}

fn play<R: Record<N>, const N: usize, const LEVELS: bool>(
    book: &mut Book,
    tape: &mut Tape,
    records: &[[u8; N]],
    places: &mut [MaybeUninit<clb_outcome>],
) -> u8 {
    tape.clear();
    let mut code = 0;
    for ((number, record), place) in (0..).zip(records).zip(places) {
        tape.command = number;
        let before = tape.events.len();
        let outcome = R::apply(book, record, &mut Writer::<LEVELS>(tape));
        let events = u32::try_from(tape.events.len() - before);
        let events = events.expect("a command touches an order a few times at most");
        place.write(clb_outcome::new(&outcome, events));
        code = outcome.code();
    }
    code
}
