//! The C interface of the order book: `libcorelane_book`, for harnesses and languages other than
//! Rust. What each function does is said in `include/corelane_book.h`, which is written by hand and
//! held against this crate by programs in C (`tests/c/`).
//!
//! How it is built:
//!
//! * Events are not called back but kept, in a buffer of the book's, until the next command. A
//!   callback costs an indirect call per event, could call into the book that is calling it, and
//!   could leave it by `longjmp` or an exception; a buffer costs one store, and is read in place.
//! * No panic crosses the boundary. One inside a changing call leaves the book answering
//!   [`Status::Defect`] for good, as nobody knows what it holds.
//! * Every pointer is judged before the first change: a call with a wrong argument does nothing.
//! * The types in [`layout`] have no padding, so no byte that C sees is left unwritten.
//!
//! `unsafe` is here for one reason, to follow the pointers of the caller. All of it goes through the
//! few functions of `pointer.rs`; what they demand of the caller is what the header says.

#[cfg(not(target_endian = "little"))]
compile_error!("clb_command is a record on little-endian machines only");

pub mod apply;
pub mod layout;
pub mod make;
mod pointer;
pub mod read;
pub mod status;
mod tape;

pub use layout::{
    clb_config, clb_event, clb_indicative, clb_level, clb_order, clb_outcome, clb_summary,
    clb_terms,
};
pub use status::Status;

use book::Book;
use tape::Tape;

/// Counts the changes of the interface that need a new build of its users: `CLB_VERSION`.
pub const VERSION: u32 = 1;

/// A book as C holds it, with what belongs to it.
#[allow(non_camel_case_types, reason = "the name it has in C")]
pub struct clb_book {
    book: Book,
    tape: Tape,
    snapshot: Vec<u8>,
    /// A changing call has not come to its end.
    broken: bool,
}

impl clb_book {
    fn new(book: Book, tape: Tape) -> clb_book {
        clb_book { book, tape, snapshot: Vec::new(), broken: false }
    }

    /// Changes the book. If `change` panics, the book stays broken.
    fn change<T>(&mut self, change: impl FnOnce(&mut Book, &mut Tape) -> T) -> T {
        self.broken = true;
        let result = change(&mut self.book, &mut self.tape);
        self.broken = false;
        result
    }
}

const fn needs_send_and_sync<T: Send + Sync>() {}

/// What the header promises about threads.
const _: () = needs_send_and_sync::<clb_book>();

#[cfg(test)]
mod tests {
    use super::*;
    use book::BookConfig;

    #[test]
    fn a_book_that_a_change_left_in_the_middle_answers_nothing_more() {
        let mut broken = clb_book::new(Book::new(BookConfig::default()), Tape::new(0, false));
        let answered = status::answer::<i32>(|| {
            broken.change(|_, _| panic!("on purpose, in a test"));
            Ok(0)
        });
        assert_eq!(answered, Status::Defect as i32);
        let book = Box::into_raw(Box::new(broken));
        let mut outcome = clb_outcome::default();
        let (mut level, mut bytes) = (clb_level::default(), 7);
        // SAFETY: `book` is live until it is freed, used by this thread alone; the record is 64
        // bytes, and all else leads to variables of this function.
        unsafe {
            let record = [0_u8; 64];
            let applied = apply::clb_apply(book, record.as_ptr().cast(), &mut outcome);
            assert_eq!(applied, Status::Defect as i32);
            assert_eq!(read::clb_best(book, 0, &mut level), Status::Defect as i32);
            assert!(make::clb_snapshot(book, &mut bytes).is_null());
            assert!(read::clb_events(book, &mut bytes).is_null());
            make::clb_free(book);
        }
        assert_eq!((outcome, level, bytes), (clb_outcome::default(), clb_level::default(), 0));
    }
}
