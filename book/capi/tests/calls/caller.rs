//! A caller of the library: a book, owned, and a safe method for each right call of it.
//!
//! Memory that a function should write has `0xAA` in all its bytes before the call. Records lie at
//! odd addresses, as the header lets them.

use corelane_book::apply::{clb_apply, clb_apply_all, clb_apply_short};
use corelane_book::layout::*;
use corelane_book::make::*;
use corelane_book::read::*;
use corelane_book::{clb_book, clb_config};
use std::{mem, ptr, slice};

/// A struct of integers without padding, all of whose bytes may be read, and be anything.
///
/// # Safety
///
/// That it is so.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: integers.
unsafe impl Plain for u64 {}
// SAFETY: integers only, and `layout.rs` of the library asserts that there is no padding.
unsafe impl Plain for clb_outcome {}
// SAFETY: as for the outcome.
unsafe impl Plain for clb_event {}
// SAFETY: as for the outcome.
unsafe impl Plain for clb_level {}
// SAFETY: as for the outcome.
unsafe impl Plain for clb_order {}
// SAFETY: as for the outcome.
unsafe impl Plain for clb_terms {}
// SAFETY: as for the outcome.
unsafe impl Plain for clb_summary {}
// SAFETY: as for the outcome.
unsafe impl Plain for clb_indicative {}
// SAFETY: as for the outcome.
unsafe impl Plain for clb_config {}

/// Memory in which something else was.
pub(crate) fn used<T: Plain>() -> T {
    let mut used = mem::MaybeUninit::uninit();
    // SAFETY: as many bytes as it has are written, and any bytes are a `Plain`.
    unsafe {
        ptr::write_bytes(&mut used, 0xAA, 1);
        used.assume_init()
    }
}

/// The bytes of things, one thing after the other.
pub(crate) fn bytes<T: Plain>(things: &[T]) -> &[u8] {
    // SAFETY: all of these bytes are written, as a `Plain` has no padding.
    unsafe { slice::from_raw_parts(things.as_ptr().cast(), size_of_val(things)) }
}

/// Whether nothing was written there.
pub(crate) fn untouched<T: Plain>(things: &[T]) -> bool {
    bytes(things).iter().all(|byte| *byte == 0xAA)
}

/// A live book, freed at its end.
pub(crate) struct Caller(pub(crate) *mut clb_book);

impl Drop for Caller {
    fn drop(&mut self) {
        // SAFETY: live, as nothing else frees it, and used by nobody from here on.
        unsafe { clb_free(self.0) }
    }
}

pub(crate) fn config() -> clb_config {
    let mut config = used();
    // SAFETY: leads to a variable of this function.
    assert_eq!(unsafe { clb_config_default(&mut config) }, 0);
    config
}

impl Caller {
    pub(crate) fn new(config: &clb_config) -> Caller {
        let mut book = ptr::null_mut();
        // SAFETY: a config, and a variable of this function.
        assert_eq!(unsafe { clb_create(config, &mut book) }, 0);
        assert!(!book.is_null());
        Caller(book)
    }

    /// A book of a snapshot, or what was answered instead.
    pub(crate) fn restore(snapshot: &[u8], config: &clb_config) -> Result<Caller, i32> {
        let mut book = ptr::null_mut();
        // SAFETY: bytes of this length, a config, and a variable of this function.
        match unsafe { clb_restore(snapshot.as_ptr(), snapshot.len(), config, &mut book) } {
            0 => Ok(Caller(book)),
            answer => {
                assert!(book.is_null(), "a book beside an error");
                Err(answer)
            }
        }
    }

    /// Applies one record of 32 or 64 bytes.
    pub(crate) fn apply(&mut self, record: &[u8]) -> (i32, clb_outcome) {
        let mut outcome = used();
        let odd = odd(record);
        // SAFETY: this book is used here alone; the record is as long as each function wants it.
        let code = unsafe {
            match record.len() {
                64 => clb_apply(self.0, odd.at(), &mut outcome),
                32 => clb_apply_short(self.0, odd.at(), &mut outcome),
                other => panic!("no record has {other} bytes"),
            }
        };
        (code, outcome)
    }

    /// Applies many records in one call.
    pub(crate) fn apply_all(&mut self, records: &[u8], record_bytes: usize) -> Vec<clb_outcome> {
        let count = records.len() / record_bytes;
        let mut outcomes = vec![used(); count + 1];
        let odd = odd(records);
        // SAFETY: this book is used here alone; there are `count` records, and more outcomes.
        let answer =
            unsafe { clb_apply_all(self.0, odd.at(), record_bytes, count, outcomes.as_mut_ptr()) };
        assert_eq!(answer, 0);
        assert!(untouched(&outcomes[count..]));
        outcomes.truncate(count);
        outcomes
    }

    pub(crate) fn events(&self) -> Vec<clb_event> {
        let mut count = 0xAAAA;
        // SAFETY: a live book, and a variable of this function.
        let events = unsafe { clb_events(self.0, &mut count) };
        // SAFETY: the book lends so many until it is changed, which `self` forbids here.
        unsafe { copy(events, count) }
    }

    pub(crate) fn level_changes(&self) -> Vec<clb_level> {
        let mut count = 0xAAAA;
        // SAFETY: a live book, and a variable of this function.
        let levels = unsafe { clb_level_changes(self.0, &mut count) };
        // SAFETY: the book lends so many until it is changed, which `self` forbids here.
        unsafe { copy(levels, count) }
    }

    pub(crate) fn best(&self, side: u8) -> Option<clb_level> {
        // SAFETY: a live book, and a place that `found` gives.
        found(|level| unsafe { clb_best(self.0, side, level) })
    }

    pub(crate) fn indicative(&self) -> Option<clb_indicative> {
        // SAFETY: a live book, and a place that `found` gives.
        found(|indicative| unsafe { clb_indicate(self.0, indicative) })
    }

    pub(crate) fn find(&self, id: u64) -> Option<(clb_order, clb_terms)> {
        let mut terms = [used()];
        // SAFETY: a live book, a place that `found` gives, and a variable of this function.
        let order = found(|order| unsafe { clb_find(self.0, id, order, terms.as_mut_ptr()) });
        assert!(order.is_some() || untouched(&terms));
        Some((order?, terms[0]))
    }

    /// Up to `max` levels of a side.
    pub(crate) fn levels(&self, side: u8, max: usize) -> Vec<clb_level> {
        // SAFETY: a live book, and the places that `filled` gives.
        filled(max, |levels| unsafe { clb_levels(self.0, side, levels, max) })
    }

    /// Up to `max` resting orders of a side.
    pub(crate) fn orders(&self, side: u8, max: usize) -> Vec<clb_order> {
        // SAFETY: a live book, and the places that `filled` gives.
        filled(max, |orders| unsafe { clb_orders(self.0, side, orders, max) })
    }

    /// Up to `max` waiting orders of a side.
    pub(crate) fn waiting(&self, side: u8, max: usize) -> Vec<clb_order> {
        // SAFETY: a live book, and the places that `filled` gives.
        filled(max, |orders| unsafe { clb_waiting(self.0, side, orders, max) })
    }

    pub(crate) fn summary(&self) -> clb_summary {
        let mut summary = used();
        // SAFETY: a live book, and a variable of this function.
        assert_eq!(unsafe { clb_summarize(self.0, &mut summary) }, 0);
        summary
    }

    pub(crate) fn state_hash(&self) -> u64 {
        let mut hash = used();
        // SAFETY: a live book, and a variable of this function.
        assert_eq!(unsafe { clb_state_hash(self.0, &mut hash) }, 0);
        hash
    }

    pub(crate) fn check(&self) -> i32 {
        // SAFETY: a live book.
        unsafe { clb_check(self.0) }
    }

    pub(crate) fn reserve(&mut self, orders: u64, levels: u64) -> i32 {
        // SAFETY: a live book, used here alone.
        unsafe { clb_reserve(self.0, orders, levels) }
    }

    pub(crate) fn snapshot(&mut self) -> Vec<u8> {
        let mut count = 0xAAAA;
        // SAFETY: a live book, used here alone, and a variable of this function.
        let snapshot = unsafe { clb_snapshot(self.0, &mut count) };
        // SAFETY: the book lends so many bytes until the next snapshot.
        unsafe { copy(snapshot, count) }
    }
}

/// Bytes behind one other byte, so that at least every second address is no aligned one.
struct Odd(Vec<u8>);

fn odd(bytes: &[u8]) -> Odd {
    Odd([&[0xAA], bytes].concat())
}

impl Odd {
    fn at(&self) -> *const std::ffi::c_void {
        self.0[1..].as_ptr().cast()
    }
}

/// # Safety
///
/// `list` is NULL or leads to `count` things.
unsafe fn copy<T: Copy>(list: *const T, count: usize) -> Vec<T> {
    if list.is_null() {
        assert_eq!(count, 0, "NULL has a length");
        return Vec::new();
    }
    // SAFETY: not NULL, so it leads to so many.
    unsafe { slice::from_raw_parts(list, count) }.to_vec()
}

/// What a call that answers 0 or 1 finds.
fn found<T: Plain>(call: impl FnOnce(*mut T) -> i32) -> Option<T> {
    let mut place = [used()];
    match call(place.as_mut_ptr()) {
        0 => {
            assert!(untouched(&place), "wrote, and answered that there is none");
            None
        }
        1 => Some(place[0]),
        other => panic!("neither 0 nor 1: {other}"),
    }
}

/// What a call writes to `max` places. There are two more, which must stay as they are.
fn filled<T: Plain>(max: usize, call: impl FnOnce(*mut T) -> i64) -> Vec<T> {
    let mut places = vec![used(); max + 2];
    let count = usize::try_from(call(places.as_mut_ptr())).expect("no error");
    assert!(count <= max && untouched(&places[count..]));
    places.truncate(count);
    places
}
