//! Looking at a journal whatever state it is in: every batch, every damaged stretch, the end, and
//! what was cut off.
//!
//! [`Walk`] keeps the same chain as recovery and asks for the same proof, so the two agree about
//! what is the journal and what is not. Where recovery refuses and stops, the walk says what is
//! damaged and goes on behind it; where recovery sees an end, so does the walk. Only a disk that
//! cannot be read stops it. A directory whose first segment is not 1 is normal: older ones were
//! recycled.
//!
//! Nothing is written, and a journal may be looked at while a node writes it. Memory is bounded by
//! the largest batch. The one exception to reading is [`truncate`], which writes a new directory.

pub mod files;
pub mod truncate;

mod walk;

use thiserror::Error;

use crate::batch::{BadBatch, HEADER_BYTES, Header, Place, Records};
use crate::recover::TornTail;
use crate::snapshot;

pub use walk::Walk;

/// How a batch stands to the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Part of the journal: what replay hands over.
    Live,
    /// Intact behind damage, where replay does not get to. Proof that the damage is no torn tail.
    AfterDamage,
    /// Intact beyond the end: cut off by an earlier opening, or left by writes that nobody was told
    /// of. Not part of the journal.
    Stale,
}

/// A batch that is intact where it stands.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Where it begins.
    pub place: Place,
    /// What it says of itself.
    pub header: Header,
    /// Its checksum.
    pub crc: u32,
    /// Whether it is part of the journal.
    pub standing: Standing,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Its records, in order.
    pub fn records(&self) -> Records<'a> {
        Records::new(&self.header, self.bytes)
    }

    /// The bytes of its records.
    pub(crate) fn record_bytes(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..HEADER_BYTES + self.header.len as usize]
    }
}

/// Why no batch of the journal stands where one should.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Why {
    /// There is no such file.
    #[error("the file is missing")]
    Missing,
    /// The file is shorter than that.
    #[error("the file ends before it")]
    Cut,
    /// Nothing but zeros.
    #[error("zeros where a batch should be")]
    Zeros,
    /// No batch, or one that is not intact.
    #[error(transparent)]
    Bad(BadBatch),
    /// An intact batch that is not the next one.
    #[error("a batch of shard {shard}, epoch {epoch}, seq {first_seq} stands there")]
    Other {
        /// Its shard.
        shard: u32,
        /// Its epoch.
        epoch: u64,
        /// Its first seq.
        first_seq: u64,
    },
}

/// A stretch that should hold batches and does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Where it begins.
    pub place: Place,
    /// Where the journal goes on, or where nothing more was found.
    pub until: Place,
    /// Bytes in between.
    pub bytes: u64,
    /// What stands at its beginning.
    pub why: Why,
    /// The input that should be the next; `None` where not even that is known.
    pub seq: Option<u64>,
    /// The first input behind it; `None` when none follows.
    pub next_seq: Option<u64>,
}

impl Damage {
    /// Whether a start does not get to it: it begins with a snapshot from behind it, one of
    /// `usable`. Not so where files are missing or of the `wrong` size: those are looked at first.
    pub fn is_passed(&self, usable: &[snapshot::Header], wrong: &[files::WrongSize]) -> bool {
        let Some(next_seq) = self.next_seq else { return false };
        let is_behind = |header: &snapshot::Header| next_seq <= header.seq() + 1;
        let oldest = usable.iter().map(|header| header.mark.segment()).min();
        let has_shape = |segment| match self.why {
            Why::Missing => oldest.is_some_and(|oldest| segment < oldest),
            _ => wrong.iter().all(|wrong| wrong.segment != segment),
        };
        let mut segments = self.place.segment..=self.until.segment;
        usable.iter().any(is_behind) && segments.all(has_shape)
    }
}

/// The end of a journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// The byte behind its last batch.
    pub place: Place,
    /// The last input.
    pub last_seq: u64,
    /// Whether its last batch says that everything before it was durable.
    pub sealed: bool,
    /// An unfinished write. Also seen while a writer is at work.
    pub torn: Option<TornTail>,
}

/// One thing that stands in a journal's files.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A batch.
    Batch(Batch<'a>),
    /// What recovery refuses to start over.
    Damaged(Damage),
    /// The segments up to the one named were recycled by the writer while they were read.
    Gone {
        /// The input that was to come next.
        seq: u64,
        /// The first segment that is there.
        first: u64,
    },
    /// The journal ends. What follows is [`Standing::Stale`], or [`Piece::Remains`].
    End(End),
    /// Beyond the end: bytes that are neither zeros nor a batch.
    Remains {
        /// Where they begin.
        place: Place,
        /// How many.
        bytes: u64,
    },
}
