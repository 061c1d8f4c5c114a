//! The ring entries of one flush, in two forms. The only file of this crate with unsafe code.
//!
//! [`Flush::Linked`] is a write, linked to an fdatasync that begins when the write has ended: two
//! completions. It is the form that a simulated power cut can test on any file system.
//! [`Flush::Dsync`] is one write that is durable when it completes: faster where the disk has
//! forced unit access, and on FUSE known to be lost.

use std::io;

use io_uring::squeue::{Entry, Flags, PushError, SubmissionQueue};
use io_uring::{IoUring, opcode, types};

use crate::disk::DiskFile;
use crate::journal::{Journal, Part, Write};

/// How a batch is made durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Flush {
    /// Write, then fdatasync, linked.
    #[default]
    Linked,
    /// One write with `RWF_DSYNC`.
    Dsync,
}

impl Flush {
    /// What the completion of the write means.
    pub fn write_part(self) -> Part {
        match self {
            Flush::Linked => Part::Write,
            Flush::Dsync => Part::WriteAndSync,
        }
    }

    /// Completions of one flush.
    pub fn completions(self) -> usize {
        match self {
            Flush::Linked => 2,
            Flush::Dsync => 1,
        }
    }

    /// Pushes the flush of `write`. Its write completes with `write_data`; its sync, if it has one,
    /// with
    /// `sync_data`. Nothing is pushed when not all of it has room.
    ///
    /// `registered` says that the journal's [fixed buffers](crate::Journal::fixed_buffers) are
    /// registered with this ring, in their order.
    ///
    /// The entries of a link must reach the kernel in one submission: submit after pushing, not
    /// between.
    ///
    /// # Safety
    /// The journal that gave `write` must have been told of no completion of it since, and must be
    /// alive when the entries are submitted. (It keeps the buffer and the file while a write is in
    /// flight, and leaks the buffer when it is dropped earlier.)
    #[expect(unsafe_code, reason = "ring entries carry raw pointers")]
    pub unsafe fn push(
        self,
        queue: &mut SubmissionQueue<'_>,
        write: &Write,
        write_data: u64,
        sync_data: u64,
        registered: bool,
    ) -> Result<(), PushError> {
        let fd = types::Fd(write.fd);
        match self {
            Flush::Linked => {
                let pair = [
                    write_entry(write, 0, registered).flags(Flags::IO_LINK).user_data(write_data),
                    opcode::Fsync::new(fd)
                        .flags(types::FsyncFlags::DATASYNC)
                        .build()
                        .user_data(sync_data),
                ];
                // SAFETY: the write reads `len` bytes at `ptr`, which lie in the journal's buffer;
                // the caller promises that the write is still in flight, and while it is, the
                // journal neither changes nor frees that buffer and keeps the file open.
                unsafe { queue.push_multiple(&pair) }
            }
            Flush::Dsync => {
                let entry = write_entry(write, libc::RWF_DSYNC, registered).user_data(write_data);
                // SAFETY: as above.
                unsafe { queue.push(&entry) }
            }
        }
    }
}

/// Registers the journal's fixed buffers with a ring, so that the kernel need not look up their pages
/// for each write. They count as locked memory: an error says that there is not enough of it, and
/// that the writes go without.
///
/// # Safety
/// The journal must outlive the ring, or the buffers be unregistered before it goes. (A journal that
/// goes with something in flight leaks its buffers.)
#[expect(unsafe_code, reason = "the kernel is given raw memory")]
pub unsafe fn register<F: DiskFile>(ring: &IoUring, journal: &Journal<F>) -> io::Result<()> {
    let buffers: Vec<_> = journal
        .fixed_buffers()
        .map(|(start, bytes)| libc::iovec { iov_base: start.cast_mut().cast(), iov_len: bytes })
        .collect();
    // SAFETY: the memory is the journal's, which the caller keeps; the kernel only reads it.
    unsafe { ring.submitter().register_buffers(&buffers) }
}

fn write_entry(write: &Write, flags: libc::c_int, registered: bool) -> Entry {
    let fd = types::Fd(write.fd);
    if registered && write.fixed {
        return opcode::WriteFixed::new(fd, write.ptr, write.len, write.flight.into())
            .offset(write.offset)
            .rw_flags(flags)
            .build();
    }
    opcode::Write::new(fd, write.ptr, write.len).offset(write.offset).rw_flags(flags).build()
}

#[cfg(test)]
mod tests;
