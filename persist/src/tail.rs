//! Reading a journal while it is written: for a publisher that has fallen behind its ring.
//!
//! The reader is told how far the journal is durable and never looks at what is not. It reads with
//! O_DIRECT where the file system has that, since the writer writes so. It keeps the same chain as
//! writer and recovery, so a batch that was torn and written over cannot mislead it. Segments that
//! are gone, or whose content is not what was declared durable, are an error, never a silent end.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::batch::{Header, Place, Record, Records, WalkedTo};
use crate::chain::Chain;
use crate::disk::{Disk, DiskError, Mode, OsDisk};
use crate::position::Position;
use crate::reader::Reader;
use crate::segment;
use crate::snapshot::{self, Mark};
use crate::superblock::{self, Superblock, SuperblockError};

/// A compromise: reading far behind is fast, reading just behind the writer does not read much in
/// vain.
const AHEAD_BYTES: usize = 128 << 10;

/// Why a journal could not be read further.
#[derive(Debug, Error)]
pub enum TailError {
    /// There is no journal.
    #[error("{} is missing", .path.display())]
    NoJournal {
        /// The superblock that should be there.
        path: PathBuf,
    },
    /// The superblock cannot be read.
    #[error(transparent)]
    Superblock(SuperblockError),
    /// What was declared durable is not there: damaged, or recycled too early.
    #[error("{}: no intact batch with seq {seq} at byte {offset}", .segment.display())]
    Missing {
        /// The file.
        segment: PathBuf,
        /// Where the batch should begin.
        offset: u64,
        /// The input that should be in it.
        seq: u64,
    },
    /// What follows the position was recycled, and nothing shows that no event was in it.
    #[error("{}: what follows seq {} was recycled; the journal begins at seq {first_seq}",
        .dir.display(), .after.seq)]
    Recycled {
        /// The journal's directory.
        dir: PathBuf,
        /// The position that was asked for.
        after: Position,
        /// The first input that is there.
        first_seq: u64,
    },
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A reader of one journal. Every record after its position is handed over once, in order.
pub struct Tail<D: Disk = OsDisk> {
    disk: D,
    dir: PathBuf,
    reader: Reader<D::File>,
    after: Position,
    /// The last record handed over.
    last: Option<Handed>,
    chain: Chain,
    /// Where the journal ended when it was opened last, and the epoch since, as the superblock says.
    floor: Option<(Place, u64)>,
    /// The batch being walked.
    batch: Option<Walking>,
}

struct Walking {
    header: Header,
    place: Place,
    at: WalkedTo,
}

impl Tail {
    /// A reader of the journal in `dir` that hands over what follows `after`. From
    /// [`Position::START`], everything.
    pub fn open(dir: &Path, after: Position) -> Result<Tail, TailError> {
        Tail::open_on(OsDisk, dir, after)
    }

    /// A reader that hands over what follows `mark`.
    pub fn from_mark(dir: &Path, mark: &Mark) -> Tail {
        Tail::from_mark_on(OsDisk, dir, mark)
    }

    /// The first input that is in the journal in `dir`, `None` when there is none: 1, unless what
    /// came before was recycled.
    pub fn first_seq(dir: &Path) -> Result<Option<u64>, TailError> {
        let mut tail = Tail::from_mark(dir, &Mark::beginning(shard_in(&OsDisk, dir)?, 0));
        let segments = segment::list(&OsDisk, dir)?.segments;
        let Some(&first) = segments.first() else { return Ok(None) };
        Ok(tail.first_batch(first)?.map(|header| header.first_seq))
    }
}

fn shard_in<D: Disk>(disk: &D, dir: &Path) -> Result<u16, TailError> {
    Ok(superblock_in(disk, dir)?.shard)
}

fn superblock_in<D: Disk>(disk: &D, dir: &Path) -> Result<Superblock, TailError> {
    match superblock::load(disk, dir).map_err(TailError::Superblock)? {
        Some(loaded) => Ok(loaded.superblock),
        None => Err(TailError::NoJournal { path: dir.join(superblock::NAME) }),
    }
}

impl<D: Disk> Tail<D> {
    /// [`Tail::open`] on any disk.
    pub(crate) fn open_on(disk: D, dir: &Path, after: Position) -> Result<Tail<D>, TailError> {
        let shard = shard_in(&disk, dir)?;
        let mut tail = Tail::from_mark_on(disk, dir, &Mark::beginning(shard, 0));
        tail.seek(after)?;
        Ok(tail)
    }

    /// [`Tail::from_mark`] on any disk.
    pub(crate) fn from_mark_on(disk: D, dir: &Path, mark: &Mark) -> Tail<D> {
        Tail {
            disk,
            dir: dir.to_owned(),
            reader: Reader::new(dir.to_owned(), Mode::ReadDirect, AHEAD_BYTES),
            after: Position::end_of(mark.seq()),
            last: None,
            chain: mark.0,
            floor: None,
            batch: None,
        }
    }

    /// Where the reader is, if it is at the end of a batch: there a state may be taken.
    pub fn mark(&self) -> Option<Mark> {
        (self.batch.is_none() && self.chain.last.is_some()).then_some(Mark(self.chain))
    }

    /// Goes to another position, before or after the present one.
    ///
    /// Going a little forward costs nothing until the next [`Tail::read`], which walks there.
    pub fn seek(&mut self, after: Position) -> Result<(), TailError> {
        let start = self.segment_of(after)?;
        let is_ahead = after >= self.after
            && self.last.is_none_or(|last| last.is_at_or_before(after))
            && start.place.segment <= self.chain.place.segment;
        if !is_ahead || self.chain.crc == 0 {
            self.chain = start;
            (self.batch, self.last) = (None, None);
        }
        self.after = after;
        Ok(())
    }

    /// Hands over at most `budget_records` records, none with a seq above `durable_seq`. Returns
    /// how many; fewer than the budget means that there are no more.
    pub fn read(
        &mut self,
        durable_seq: u64,
        budget_records: usize,
        on_record: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, TailError> {
        let mut handed = 0;
        while handed < budget_records {
            if self.batch.is_none() {
                if self.chain.next_seq > durable_seq {
                    break;
                }
                self.load()?;
            }
            let budget = budget_records - handed;
            let (walked, ended) = self.walk(durable_seq, budget, on_record)?;
            handed += walked;
            if !ended {
                break;
            }
            self.batch = None;
        }
        Ok(handed)
    }

    /// Walks the present batch. Returns the records handed over, and whether it came to the batch's
    /// end.
    fn walk(
        &mut self,
        durable_seq: u64,
        budget: usize,
        on_record: &mut dyn FnMut(Record<'_>),
    ) -> Result<(usize, bool), TailError> {
        let walking = self.batch.as_mut().expect("loaded by the caller");
        let padded = walking.header.padded_bytes();
        let bytes = self.reader.read(&self.disk, walking.place, padded)?;
        let mut records = Records::resume(bytes, &walking.header, walking.at);
        let mut handed = 0;
        while handed < budget {
            let Some(record) = records.next() else {
                return Ok((handed, true));
            };
            if record.seq > durable_seq {
                return Ok((handed, false));
            }
            let here = Handed::from(&record);
            if !here.is_at_or_before(self.after) {
                on_record(record);
                handed += 1;
                self.last = Some(here);
            }
            walking.at = records.walked_to();
        }
        Ok((handed, records.remaining() == 0))
    }

    /// Loads the batch with the chain's next seq, which is durable, or a seal before it.
    fn load(&mut self) -> Result<(), TailError> {
        let here = self.chain.place;
        let places = [here, here.next_segment()];
        // What is in the window may have been read before it was written.
        for is_fresh in [false, true] {
            if is_fresh {
                self.reader.forget();
            }
            for place in places {
                let floor = self.epoch_floor(place)?;
                let Ok(found) = self.reader.batch(&self.disk, place)? else { continue };
                if !self.chain.admits(&found.header) || found.header.epoch < floor {
                    continue;
                }
                let mut records = Records::new(&found.header, found.bytes);
                let at = records.walked_to();
                records.by_ref().for_each(drop);
                let next_seq = records.next_seq();
                self.batch = Some(Walking { header: found.header, place, at });
                let (header, crc) = (found.header, found.crc);
                self.chain.advance(&header, crc, place, next_seq);
                return Ok(());
            }
        }
        Err(TailError::Missing {
            segment: segment::path_of(&self.dir, here.segment),
            offset: here.offset,
            seq: self.chain.next_seq,
        })
    }

    /// The chain at the start of the last segment that begins at or before what follows `after`.
    fn segment_of(&mut self, after: Position) -> Result<Chain, TailError> {
        let segments = segment::list(&self.disk, &self.dir)?.segments;
        self.reader.forget();
        self.floor = None;
        let mut oldest = None;
        for &segment in segments.iter().rev() {
            let Some(header) = self.first_batch(segment)? else { continue };
            let chain = Chain {
                shard: header.shard,
                place: Place { segment, offset: 0 },
                last: None,
                next_seq: header.first_seq,
                crc: header.parent_crc,
                epoch: header.epoch,
                sealed: false,
            };
            if header.first_seq <= after.seq.max(1) {
                return Ok(chain);
            }
            oldest = Some(chain);
        }
        let shard = u16::try_from(self.chain.shard).expect("made of a u16");
        match oldest {
            None => Ok(Chain::start(shard)),
            // Where a new sink begins: right before the first input that is there.
            Some(chain) if after >= Position::end_of(chain.next_seq - 1) => Ok(chain),
            Some(chain) if self.is_passed(after, chain.next_seq)? => Ok(chain),
            Some(chain) => {
                let (dir, first_seq) = (self.dir.clone(), chain.next_seq);
                Err(TailError::Recycled { dir, after, first_seq })
            }
        }
    }

    /// What the first batch of a segment says, if it is this shard's, and alive: with several flights a
    /// crash can leave a whole batch in a segment that the journal has not come to.
    fn first_batch(&mut self, segment: u64) -> Result<Option<Header>, TailError> {
        let place = Place { segment, offset: 0 };
        let (shard, floor) = (self.chain.shard, self.epoch_floor(place)?);
        let found = self.reader.batch(&self.disk, place)?.ok().map(|found| found.header);
        Ok(found.filter(|header| header.shard == shard && header.epoch >= floor))
    }

    /// The oldest epoch that a batch at `place` can have: what an opening cut off stays dead.
    fn epoch_floor(&mut self, place: Place) -> Result<u64, TailError> {
        let (end, epoch) = match self.floor {
            Some(floor) => floor,
            None => {
                let superblock = superblock_in(&self.disk, &self.dir)?;
                (superblock.end, superblock.epoch)
            }
        };
        self.floor = Some((end, epoch));
        Ok(if place >= end { epoch } else { 0 })
    }

    /// Whether a snapshot, or what was kept of one that is gone, shows that no event follows `after` before
    /// `first_seq`.
    fn is_passed(&self, after: Position, first_seq: u64) -> Result<bool, TailError> {
        let mut headers = snapshot::passed_headers(&self.disk, &self.dir)?;
        for seq in snapshot::list_on(&self.disk, &self.dir)? {
            headers.extend(snapshot::header_on(&self.disk, &self.dir, seq));
        }
        let shows = |header: &snapshot::Header| {
            header.last_event <= after && header.seq().saturating_add(1) >= first_seq
        };
        Ok(headers.iter().any(shows))
    }
}

/// Which record was handed over.
#[derive(Clone, Copy)]
struct Handed {
    position: Position,
    is_input: bool,
}

impl Handed {
    fn from(record: &Record<'_>) -> Handed {
        let position = Position::new(record.seq, record.index);
        Handed { position, is_input: record.is_input }
    }

    /// Whether a reader that wants what follows `after` does not want this record.
    fn is_at_or_before(self, after: Position) -> bool {
        // An input comes before its first event, and whoever has seen one of its events has seen
        // it.
        if self.is_input { self.position.seq <= after.seq } else { self.position <= after }
    }
}

#[cfg(test)]
mod tests;
