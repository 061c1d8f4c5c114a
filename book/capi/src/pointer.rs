//! From the caller's pointers to references: the only place that follows them.
//!
//! NULL, a wrong alignment and an impossible length are found here. What can't be found, that a
//! pointer leads to what it should and to nothing that is in use elsewhere, is the caller's promise
//! in the header.

use crate::clb_book;
use crate::status::Status;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::slice;

/// A book to be read.
///
/// # Safety
///
/// `book` is NULL or a live book, and no call that may change it runs at the same time.
pub(crate) unsafe fn shared<'a>(book: *const clb_book) -> Result<&'a clb_book, Status> {
    // SAFETY: not NULL after this check, and a live book that nobody changes: the caller's promise.
    let book = unsafe { book.as_ref() }.ok_or(Status::Null)?;
    if book.broken { Err(Status::Defect) } else { Ok(book) }
}

/// A book to be changed.
///
/// # Safety
///
/// `book` is NULL or a live book, and no other call on it runs at the same time.
pub(crate) unsafe fn exclusive<'a>(book: *mut clb_book) -> Result<&'a mut clb_book, Status> {
    // SAFETY: not NULL after this check, and a live book of this call alone: the caller's promise.
    let book = unsafe { book.as_mut() }.ok_or(Status::Null)?;
    if book.broken { Err(Status::Defect) } else { Ok(book) }
}

/// A struct to be read.
///
/// # Safety
///
/// `from` is NULL or leads to a `T` with all its bytes written, which stays as it is meanwhile.
pub(crate) unsafe fn read<T: Copy>(from: *const T) -> Result<T, Status> {
    judge(from)?;
    // SAFETY: aligned and not NULL by the check, a written `T` by the caller's promise.
    Ok(unsafe { from.read() })
}

/// A struct to be written.
///
/// # Safety
///
/// `to` is NULL or leads to memory for a `T` that only this call uses.
pub(crate) unsafe fn place<'a, T>(to: *mut T) -> Result<&'a mut MaybeUninit<T>, Status> {
    judge(to)?;
    // SAFETY: aligned and not NULL by the check, memory of this call alone by the caller's promise;
    // `MaybeUninit` asks for nothing about what is in it.
    Ok(unsafe { &mut *to.cast() })
}

/// An array to be written.
///
/// # Safety
///
/// `to` is NULL or leads to memory for `count` `T`s that only this call uses.
pub(crate) unsafe fn places<'a, T>(
    to: *mut T,
    count: usize,
) -> Result<&'a mut [MaybeUninit<T>], Status> {
    judge(to)?;
    fits::<T>(count)?;
    // SAFETY: aligned, not NULL and not too long by the checks, memory of this call alone by the
    // caller's promise; `MaybeUninit` asks for nothing about what is in it.
    Ok(unsafe { slice::from_raw_parts_mut(to.cast(), count) })
}

/// `count` things of `N` bytes each, to be read.
///
/// # Safety
///
/// `from` is NULL or leads to so many bytes, which stay as they are meanwhile.
pub(crate) unsafe fn records<'a, const N: usize>(
    from: *const c_void,
    count: usize,
) -> Result<&'a [[u8; N]], Status> {
    let from: *const [u8; N] = from.cast();
    judge(from)?;
    fits::<[u8; N]>(count)?;
    // SAFETY: not NULL and not too long by the checks (bytes are always aligned), so many bytes
    // that stay as they are by the caller's promise.
    Ok(unsafe { slice::from_raw_parts(from, count) })
}

fn judge<T>(pointer: *const T) -> Result<(), Status> {
    if pointer.is_null() {
        Err(Status::Null)
    } else if !pointer.is_aligned() {
        Err(Status::Argument)
    } else {
        Ok(())
    }
}

/// Whether an array of `count` `T`s can be in memory at all.
fn fits<T>(count: usize) -> Result<(), Status> {
    let bytes = count.checked_mul(size_of::<T>());
    match bytes {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(()),
        _ => Err(Status::Argument),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    #[test]
    fn null_misaligned_and_endless_are_told_apart() {
        let mut numbers = [7_u64, 8];
        let odd: *mut u64 = numbers.as_mut_ptr().wrapping_byte_add(1);
        let start = numbers.as_mut_ptr();
        // SAFETY: each pointer is NULL, misaligned, used with an impossible length, or leads to
        // `numbers`, which outlives this block and is not used otherwise in it.
        unsafe {
            assert_eq!(read::<u64>(ptr::null()), Err(Status::Null));
            assert_eq!(read(odd.cast_const()), Err(Status::Argument));
            assert_eq!(read(start.cast_const()), Ok(7));
            assert_eq!(place::<u64>(ptr::null_mut()).err(), Some(Status::Null));
            assert_eq!(place(odd).err(), Some(Status::Argument));
            place(start).expect("a good place").write(9);
            assert_eq!(places::<u64>(ptr::null_mut(), 0).err(), Some(Status::Null));
            assert_eq!(places(start, usize::MAX / 8).err(), Some(Status::Argument));
            assert_eq!(places(start, usize::MAX).err(), Some(Status::Argument));
            assert_eq!(places(start, 2).expect("two").len(), 2);
            assert_eq!(records::<64>(ptr::null(), 1), Err(Status::Null));
            assert_eq!(records::<64>(start.cast(), usize::MAX / 64), Err(Status::Argument));
            assert_eq!(records::<8>(odd.cast(), 1).expect("bytes are aligned").len(), 1);
            assert_eq!(shared(ptr::null()).err(), Some(Status::Null));
            assert_eq!(exclusive(ptr::null_mut()).err(), Some(Status::Null));
        }
        assert_eq!(numbers, [9, 8]);
    }
}
