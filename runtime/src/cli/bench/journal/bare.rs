//! The floor: the same bytes written and flushed without a journal.
//!
//! [`Calls`] does it by plain system calls, [`Bare`] with the same ring entries that the journal
//! uses. Both overwrite a file that was filled with zeros and synced before, as a segment is.

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use persist::block::{BLOCK_BYTES, Blocks};
use persist::journal::{FIXED_BYTES, FLIGHTS_MAX, Write};
use persist::ring::Flush;
use persist::segment::{self, SegmentOrder};
use rustix::io::ReadWriteFlags;

use super::driver::{Wait, noise};
use super::failure::BenchError;
use crate::lane::ring::{Completion, Op, Ring, Token};

/// A file as a segment is: full of zeros, on the disk.
struct Target {
    file: File,
    direct: bool,
    bytes: u64,
    offset: u64,
}

impl Target {
    fn create(dir: &Path, bytes: u64) -> Result<Target, BenchError> {
        std::fs::create_dir_all(dir).map_err(BenchError::file(dir))?;
        let order = SegmentOrder { dir: dir.to_owned(), index: 1, segment_bytes: bytes };
        segment::prepare(&order)?;
        let path: PathBuf = segment::path_of(dir, order.index);
        let mut options = File::options();
        options.read(true).write(true);
        // A file system without O_DIRECT is measured as it is used: through the page cache.
        let direct = options.clone().custom_flags(libc::O_DIRECT).open(&path);
        let is_direct = direct.is_ok();
        let file = direct.or_else(|_| options.open(&path)).map_err(BenchError::file(&path))?;
        Ok(Target { file, direct: is_direct, bytes, offset: 0 })
    }

    /// Where the next write goes: behind the last one, and again from the start when it is full.
    fn place(&mut self, len: usize) -> u64 {
        if self.offset + len as u64 > self.bytes {
            self.offset = 0;
        }
        self.offset += len as u64;
        self.offset - len as u64
    }
}

fn filled(bytes: usize) -> Blocks {
    let mut blocks = Blocks::with_bytes(bytes);
    let noise = noise(blocks.len());
    blocks.bytes_mut().copy_from_slice(&noise);
    blocks
}

/// Write and flush by system calls.
pub(super) struct Calls {
    target: Target,
    block: Blocks,
}

impl Calls {
    /// Makes its file in `dir`.
    pub(super) fn create(dir: &Path, bytes: u64) -> Result<Calls, BenchError> {
        Ok(Calls { target: Target::create(dir, bytes)?, block: filled(BLOCK_BYTES) })
    }

    /// Whether it goes around the page cache.
    pub(super) fn is_direct(&self) -> bool {
        self.target.direct
    }

    /// Writes one block and makes it durable.
    pub(super) fn write(&mut self, form: Flush) -> Result<(), BenchError> {
        let block = self.block.bytes();
        let offset = self.target.place(block.len());
        let file = &self.target.file;
        let len = block.len() as u32;
        let written = match form {
            Flush::Linked => {
                let written =
                    file.write_at(block, offset).map_err(BenchError::system("a bare write"))?;
                file.sync_data().map_err(BenchError::system("a bare fdatasync"))?;
                written
            }
            Flush::Dsync => {
                rustix::io::pwritev2(file, &[IoSlice::new(block)], offset, ReadWriteFlags::DSYNC)
                    .map_err(|error| BenchError::system("a bare dsync write")(error.into()))?
            }
        };
        if written == block.len() {
            Ok(())
        } else {
            Err(BenchError::Short { written: written as u32, len })
        }
    }
}

struct Slot {
    block: Blocks,
    /// Operations of it in flight.
    ops: usize,
    len: u32,
}

/// Write and flush with ring entries.
pub(super) struct Bare {
    // Before the slots: the ring ends first, since it may use their memory.
    ring: Ring,
    target: Target,
    slots: Vec<Slot>,
    registered: bool,
    flush: Flush,
    completions: Vec<Completion>,
}

impl Bare {
    /// Makes its file in `dir`, and buffers for flushes of up to `flush_bytes_max`.
    pub(super) fn create(
        dir: &Path,
        bytes: u64,
        flush_bytes_max: usize,
    ) -> Result<Bare, BenchError> {
        let ring = Ring::new().map_err(BenchError::system("setting up an io_uring"))?;
        let slot = |_| Slot { block: filled(flush_bytes_max), ops: 0, len: 0 };
        let slots: Vec<Slot> = (0..FLIGHTS_MAX).map(slot).collect();
        let iovec = |slot: &Slot| libc::iovec {
            iov_base: slot.block.bytes().as_ptr().cast_mut().cast(),
            iov_len: slot.block.len().min(FIXED_BYTES),
        };
        let buffers: Vec<libc::iovec> = slots.iter().map(iovec).collect();
        // SAFETY: the ring is dropped before the slots: it stands before them in the structure. The
        // blocks neither move nor grow, and the kernel only reads them.
        let registered = unsafe { ring.uring().submitter().register_buffers(&buffers) }.is_ok();
        Ok(Bare {
            ring,
            target: Target::create(dir, bytes)?,
            slots,
            registered,
            flush: Flush::default(),
            completions: Vec::with_capacity(2 * FLIGHTS_MAX),
        })
    }

    /// From now on flushes in this form.
    pub(super) fn set_flush(&mut self, flush: Flush) {
        assert!(self.in_flight() == 0, "the form of what is in flight does not change");
        self.flush = flush;
    }

    /// Flushes in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.slots.iter().filter(|slot| slot.ops > 0).count()
    }

    /// Submits a flush of `bytes`, rounded up to whole blocks. At most as many as a journal has may be
    /// in flight.
    pub(super) fn submit(&mut self, bytes: usize) -> Result<(), BenchError> {
        let free = self.slots.iter().position(|slot| slot.ops == 0);
        let index = free.expect("the caller counts what is in flight");
        let slot = &mut self.slots[index];
        let bytes = bytes.next_multiple_of(BLOCK_BYTES).clamp(BLOCK_BYTES, slot.block.len());
        slot.len = u32::try_from(bytes).expect("a batch is small");
        slot.ops = self.flush.completions();
        let write = Write {
            flight: index as u8,
            fd: self.target.file.as_raw_fd(),
            offset: self.target.place(bytes),
            ptr: slot.block.bytes().as_ptr(),
            len: slot.len,
            fixed: bytes <= FIXED_BYTES,
        };
        let tokens = [Op::Write, Op::Sync].map(|op| Token::new(op, index as u64).bits());
        let (flush, registered) = (self.flush, self.registered);
        // SAFETY: slot and file stay until the operations have completed: `drop` waits for them, and
        // leaks what was not waited for.
        self.ring
            .push_with(|queue| unsafe {
                flush.push(queue, &write, tokens[0], tokens[1], registered)
            })
            .map_err(BenchError::system("submitting a bare flush"))
    }

    /// Hands over what was submitted, waits, and takes completions.
    pub(super) fn turn(&mut self, wait: Wait) -> Result<(), BenchError> {
        let entered = match wait {
            Wait::Sleep(time) => self.ring.wait(time),
            Wait::Look => self.ring.submit(),
        };
        entered.map_err(BenchError::system("waiting in an io_uring"))?;
        self.ring.completions(&mut self.completions);
        for completion in &self.completions {
            let slot = &mut self.slots[completion.token.value() as usize];
            slot.ops -= 1;
            let result = completion.result().map_err(BenchError::system("a bare flush"))?;
            if completion.token.op() == Op::Write && result != slot.len {
                return Err(BenchError::Short { written: result, len: slot.len });
            }
        }
        Ok(())
    }

    /// Waits for everything in flight.
    pub(super) fn settle(&mut self) -> Result<(), BenchError> {
        while self.in_flight() > 0 {
            self.turn(Wait::FOR_COMPLETION)?;
        }
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.in_flight() > 0 && Instant::now() < deadline {
            // A failed flush was told where it was waited for; here only the memory counts.
            let _ = self.turn(Wait::Sleep(Duration::from_millis(100)));
        }
        if self.in_flight() > 0 {
            std::mem::forget(std::mem::take(&mut self.slots));
        }
    }
}
