//! One flush under way: a write and its sync, and what their completions mean.

use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::batch::Place;
use crate::block::BLOCK_BYTES;
use crate::segment;

/// A write to be submitted. The bytes at `ptr` stay where they are, unchanged, until it is
/// completed; should the journal be dropped before, they are leaked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Write {
    /// Which flight, from 0: to be told back with each completion.
    pub flight: u8,
    /// The segment's file.
    pub fd: RawFd,
    /// Where in it.
    pub offset: u64,
    /// Aligned for O_DIRECT.
    pub ptr: *const u8,
    /// Whole blocks.
    pub len: u32,
    /// Whether the bytes lie in the flight's fixed buffer.
    pub fixed: bool,
}

/// Which part of a flush was completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The write; a sync follows.
    Write,
    /// The sync after the write.
    Sync,
    /// A write that is durable by itself.
    WriteAndSync,
}

/// What a completion leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// The other part is still to come, or an earlier batch has not landed.
    Waiting,
    /// The write was short. Submit the rest, with its sync.
    Resubmit(Write),
    /// The batch, and perhaps later ones that had to wait for it, are durable; outputs may be
    /// released.
    Durable {
        /// Everything up to here is durable.
        seq: u64,
    },
}

/// A flush failed. What is on disk is unknown: abort the process, and let recovery find out.
#[derive(Debug, Error)]
pub enum JournalFault {
    /// The write failed.
    #[error("cannot write {len} bytes to {} at byte {offset}: {source}", .segment.display())]
    Write {
        /// The file.
        segment: PathBuf,
        /// Where in it.
        offset: u64,
        /// Bytes of the write.
        len: usize,
        /// The reason.
        source: io::Error,
    },
    /// The sync failed. It is not tried again: that would prove nothing.
    #[error("cannot sync {} after a write at byte {offset}: {source}", .segment.display())]
    Sync {
        /// The file.
        segment: PathBuf,
        /// Where the write was.
        offset: u64,
        /// The reason.
        source: io::Error,
    },
    /// The rest of a short write was short again.
    #[error("{}: a write stopped twice, then at byte {offset}, after {written} of {len} bytes",
        .segment.display())]
    ShortTwice {
        /// The file.
        segment: PathBuf,
        /// Where the second write was.
        offset: u64,
        /// What it wrote.
        written: u32,
        /// What was left to write.
        len: usize,
    },
    /// A completion that belongs to nothing submitted.
    #[error("unexpected completion of a journal flush: {part:?}, result {result:?}")]
    Unexpected {
        /// The part.
        part: Part,
        /// Its result, `None` for an error.
        result: Option<u32>,
    },
    /// Told of a completion after a fault.
    #[error("the journal has failed before")]
    Poisoned,
}

/// A batch in flight: which part of its buffer is still to be written, to where.
pub(crate) struct Flight {
    pub(crate) segment: u64,
    offset: u64,
    from: usize,
    to: usize,
    /// Whether its batch lies in the fixed buffer.
    pub(crate) is_fixed: bool,
    stage: Stage,
    resubmitted: bool,
    /// The last input that is durable when this, and all before it, have landed.
    pub(crate) last_seq: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Writing,
    Syncing,
    /// The write was short; the sync linked to it comes back cancelled.
    ShortSyncing,
    Landed,
}

/// What a completion means for the flight.
pub(crate) enum Landing {
    Waiting,
    Resubmit,
    Durable,
}

impl Flight {
    /// The first `bytes` bytes of the buffer go to `place`.
    pub(crate) fn new(place: Place, bytes: usize, is_fixed: bool, last_seq: u64) -> Flight {
        Flight {
            segment: place.segment,
            offset: place.offset,
            from: 0,
            to: bytes,
            is_fixed,
            stage: Stage::Writing,
            resubmitted: false,
            last_seq,
        }
    }

    /// Whether it is durable by itself.
    pub(crate) fn has_landed(&self) -> bool {
        self.stage == Stage::Landed
    }

    /// The part of the buffer that is still to be written.
    pub(crate) fn remaining(&self) -> Range<usize> {
        self.from..self.to
    }

    /// Where that goes.
    pub(crate) fn remaining_offset(&self) -> u64 {
        self.offset + self.from as u64
    }

    /// Judges a completion. `dir` is the journal's, for an error.
    pub(crate) fn complete(
        &mut self,
        result: io::Result<u32>,
        part: Part,
        dir: &Path,
    ) -> Result<Landing, JournalFault> {
        let offset = self.remaining_offset();
        let index = self.segment;
        let segment = || segment::path_of(dir, index);
        match (self.stage, part) {
            (Stage::Writing, Part::Write | Part::WriteAndSync) => match result {
                Ok(written) => self.written(written, part, dir),
                Err(source) => {
                    let len = self.remaining().len();
                    Err(JournalFault::Write { segment: segment(), offset, len, source })
                }
            },
            (Stage::Syncing, Part::Sync) => match result {
                Ok(_) => {
                    self.stage = Stage::Landed;
                    Ok(Landing::Durable)
                }
                Err(source) => Err(JournalFault::Sync { segment: segment(), offset, source }),
            },
            (Stage::ShortSyncing, Part::Sync) => match result {
                Err(source) if source.raw_os_error() != Some(libc::ECANCELED) => {
                    Err(JournalFault::Sync { segment: segment(), offset, source })
                }
                // Cancelled, since the short write has cut the link; or done, which proves nothing
                // about the rest. The rest gets a sync of its own.
                _ => {
                    self.stage = Stage::Writing;
                    Ok(Landing::Resubmit)
                }
            },
            _ => Err(JournalFault::Unexpected { part, result: result.ok() }),
        }
    }

    fn written(&mut self, written: u32, part: Part, dir: &Path) -> Result<Landing, JournalFault> {
        let (offset, len) = (self.remaining_offset(), self.remaining().len());
        let is_linked = part == Part::Write;
        match written as usize {
            all if all == len && is_linked => {
                self.stage = Stage::Syncing;
                Ok(Landing::Waiting)
            }
            all if all == len => {
                self.stage = Stage::Landed;
                Ok(Landing::Durable)
            }
            more if more > len => Err(JournalFault::Unexpected { part, result: Some(written) }),
            _ if self.resubmitted => {
                let segment = segment::path_of(dir, self.segment);
                Err(JournalFault::ShortTwice { segment, offset, written, len })
            }
            short => {
                // O_DIRECT wants whole blocks: a block that was begun is written again.
                self.from += short / BLOCK_BYTES * BLOCK_BYTES;
                self.resubmitted = true;
                if is_linked {
                    self.stage = Stage::ShortSyncing;
                    return Ok(Landing::Waiting);
                }
                Ok(Landing::Resubmit)
            }
        }
    }
}
