//! What functions answer when they fail, and how a panic becomes such an answer.

use book::Reject;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An error of a call. The numbers are part of the interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Status {
    /// An argument is NULL.
    Null = -1,
    /// An argument is out of its range, or a pointer is not aligned.
    Argument = -2,
    /// The bytes are no snapshot, or are damaged.
    Snapshot = -3,
    /// A panic, or an invariant that does not hold.
    Defect = -4,
}

/// Runs the inside of a function. An error, or a panic, becomes its number.
///
/// What a panic leaves behind is not looked at again: a changing call marks its book as broken for
/// as long as it runs, any other changes nothing.
pub(crate) fn answer<T: From<i32>>(inside: impl FnOnce() -> Result<T, Status>) -> T {
    let result = catch_unwind(AssertUnwindSafe(inside)).unwrap_or(Err(Status::Defect));
    result.unwrap_or_else(|status| T::from(status as i32))
}

/// An answer in words: a reject, an error, or success.
#[unsafe(no_mangle)]
pub extern "C" fn clb_text(answer: i32) -> *const std::ffi::c_char {
    text(answer).as_ptr()
}

fn text(answer: i32) -> &'static CStr {
    const REJECTS: [(Reject, &CStr); 10] = [
        (Reject::UnknownId, c"unknown order id"),
        (Reject::DuplicateId, c"an order with this id is live"),
        (Reject::BadQuantity, c"quantity out of range"),
        (Reject::BadPrice, c"price out of range"),
        (Reject::BadCommand, c"malformed command"),
        (Reject::WouldCross, c"post-only order would trade"),
        (Reject::Killed, c"fill-or-kill order can't be filled"),
        (Reject::Full, c"the book is full"),
        (Reject::WrongPhase, c"not in this phase of the book"),
        (Reject::Expired, c"the expiry has passed"),
    ];
    const ERRORS: [(Status, &CStr); 4] = [
        (Status::Null, c"an argument is NULL"),
        (Status::Argument, c"an argument is out of its range"),
        (Status::Snapshot, c"not a snapshot, or a damaged one"),
        (Status::Defect, c"defect of the library: the book cannot be used any more"),
    ];
    let reject = REJECTS.iter().find(|(reject, _)| i32::from(*reject as u8) == answer);
    let error = ERRORS.iter().find(|(status, _)| *status as i32 == answer);
    match (answer, reject, error) {
        (0, ..) => c"ok",
        (_, Some((_, text)), _) | (_, _, Some((_, text))) => text,
        _ => c"not an answer of this library",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_words() {
        let known: Vec<_> = (-4..=10).map(text).collect();
        let unknown = text(11);
        assert_eq!([text(-5), text(i32::MAX), text(i32::MIN)], [unknown; 3]);
        for (at, words) in known.iter().enumerate() {
            assert!(*words != unknown && !known[..at].contains(words), "{words:?}");
        }
        assert_eq!(text(0), c"ok");
    }

    #[test]
    fn a_panic_is_an_answer() {
        let panics = || -> Result<i32, Status> { panic!("on purpose, in a test") };
        assert_eq!(answer(panics), Status::Defect as i32);
        assert_eq!(answer(|| Err::<i64, _>(Status::Null)), -1);
        assert_eq!(answer(|| Ok(7)), 7);
    }
}
