//! Making books, also of snapshots, and freeing them.

use crate::layout::{clb_config, room};
use crate::status::{Status, answer};
use crate::tape::Tape;
use crate::{VERSION, clb_book, pointer};
use book::Book;
use std::ptr;

/// The version of the interface that this library was built with.
#[unsafe(no_mangle)]
pub extern "C" fn clb_version() -> u32 {
    VERSION
}

/// Writes a config to start from.
///
/// # Safety
///
/// `config` is NULL or leads to memory for a config that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_config_default(config: *mut clb_config) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let config = unsafe { pointer::place(config) }?;
        config.write(clb_config::new());
        Ok(0)
    })
}

/// Makes an empty book.
///
/// # Safety
///
/// `config` is NULL or leads to a config, `book` is NULL or leads to memory for a pointer; neither
/// is used by others during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_create(config: *const clb_config, book: *mut *mut clb_book) -> i32 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (config, place) = unsafe { (pointer::read(config)?, pointer::place(book)?) };
        let made = Book::new(config.judge()?);
        place.write(give(made, &config)?);
        Ok(0)
    })
}

/// Frees a book.
///
/// # Safety
///
/// `book` is NULL or a live book, and no other call on it runs or will come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_free(book: *mut clb_book) {
    answer(|| {
        if !book.is_null() {
            // SAFETY: live, so it came from `give` and was not freed: the caller's promise.
            drop(unsafe { Box::from_raw(book) });
        }
        Ok(0)
    });
}

/// Makes room for so many orders and levels in all.
///
/// # Safety
///
/// `book` is NULL or a live book, and no other call on it runs at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_reserve(book: *mut clb_book, orders: u64, levels: u64) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let book = unsafe { pointer::exclusive(book) }?;
        let (orders, levels) = (room(orders)?, room(levels)?);
        book.change(|book, _| book.reserve(orders, levels));
        Ok(0)
    })
}

/// The whole state as bytes, which are the book's.
///
/// # Safety
///
/// `book` is NULL or a live book, and no other call on it runs at the same time; `bytes` is NULL or
/// leads to memory for a number that only this call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_snapshot(book: *mut clb_book, bytes: *mut usize) -> *const u8 {
    // SAFETY: the caller's promise.
    let Ok(count) = (unsafe { pointer::place(bytes) }) else { return ptr::null() };
    count.write(0);
    let mut snapshot = ptr::null();
    let answered = answer(|| {
        // SAFETY: the caller's promise.
        let book = unsafe { pointer::exclusive(book) }?;
        book.snapshot.clear();
        book.book.encode(&mut book.snapshot);
        count.write(book.snapshot.len());
        snapshot = book.snapshot.as_ptr();
        Ok(0)
    });
    if answered < 0 { ptr::null() } else { snapshot }
}

/// Makes a book of a snapshot.
///
/// # Safety
///
/// `snapshot` is NULL or leads to so many bytes, `config` is NULL or leads to a config, `book` is
/// NULL or leads to memory for a pointer; none is used by others during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clb_restore(
    snapshot: *const u8,
    bytes: usize,
    config: *const clb_config,
    book: *mut *mut clb_book,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promises.
        let (snapshot, config, place) = unsafe {
            let snapshot = pointer::records::<1>(snapshot.cast(), bytes)?;
            (snapshot.as_flattened(), pointer::read(config)?, pointer::place(book)?)
        };
        let made = Book::decode(snapshot, config.judge()?).map_err(|_| Status::Snapshot)?;
        place.write(give(made, &config)?);
        Ok(0)
    })
}

/// Hands a book to the caller, who frees it by [`clb_free`].
fn give(book: Book, config: &clb_config) -> Result<*mut clb_book, Status> {
    let tape = Tape::new(room(config.events)?, config.level_changes == 1);
    Ok(Box::into_raw(Box::new(clb_book::new(book, tape))))
}
