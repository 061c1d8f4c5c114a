//! The scan of a journal: replay what is whole, find the end, and tell a torn tail from damage.
//!
//! The rule. Stop at the first place where no batch continues the chain; `h` is the seq expected
//! there. From the end that the superblock remembers on, a batch must be of the epoch that began
//! there, or newer: an older one was cut off then. Look through every later block for an intact
//! batch of the same or a newer epoch. If one says that `h` was durable when it was built, or that
//! everything before it was (the flag `settled`, which also speaks for a seal, which has no seq),
//! then something acknowledged is damaged: refuse. Refuse as well when the remembered end is not
//! reached. Otherwise what lies beyond is the remains of writes that nobody was told of: a torn
//! tail.
//!
//! The scan writes nothing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::batch::{self, BadBatch, Header, Place, Record, Records};
use crate::block::{BLOCK_BYTES, ZERO_BLOCK};
use crate::chain::Chain;
use crate::defence::{self, Defence};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, failed};
use crate::open::OpenError;
use crate::position::Position;
use crate::reader::Reader;
use crate::segment;
use crate::superblock::Superblock;

/// Large enough that a disk reads at its full rate, small against the memory of a host.
const AHEAD_BYTES: u64 = 1 << 20;

/// A journal that ends in the middle of a write. Normal after a power cut: nobody was told of what
/// it held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The file.
    pub segment: PathBuf,
    /// The byte where the unfinished batch begins: the journal ends here.
    pub offset: u64,
    /// Bytes that the batch was to have, if its header can be read.
    pub batch_bytes: Option<u64>,
    /// The last input that is whole.
    pub last_seq: u64,
}

/// What the caller's closure says to each record.
pub(crate) type OnRecord<'a> = dyn FnMut(Record<'_>) -> ControlFlow<()> + 'a;

/// What the scan found.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) chain: Chain,
    pub(crate) batches: u64,
    pub(crate) records: u64,
    /// The record at which the closure said stop. The rest was not looked at.
    pub(crate) stopped: Option<Position>,
    pub(crate) torn: Option<TornTail>,
    /// After the last byte beyond the end that is not zero.
    pub(crate) remains: Place,
}

impl Scanned {
    /// Of a journal that is still to be made.
    pub(crate) fn nothing(chain: Chain) -> Scanned {
        let remains = Place { segment: 0, offset: 0 };
        Scanned { chain, batches: 0, records: 0, stopped: None, torn: None, remains }
    }
}

/// Compares the size of every segment with what the superblock says.
///
/// A segment gets its name only when it has its full size, durably, so no crash explains another
/// size.
pub(crate) fn check_sizes<D: Disk>(
    disk: &D,
    dir: &Path,
    segments: &[u64],
    segment_bytes: u64,
) -> Result<(), OpenError> {
    for &index in segments {
        let path = segment::path_of(dir, index);
        let file = disk.open(&path, Mode::Read).map_err(failed(Op::Open, &path))?;
        let found = file.length().map_err(failed(Op::Length, &path))?;
        if found != segment_bytes {
            return Err(OpenError::SegmentSize { path, found, expected: segment_bytes });
        }
    }
    Ok(())
}

/// Scans the journal in `dir`, whose segments are `segments`, ascending, from `chain` on.
pub(crate) fn scan<D: Disk>(
    disk: &D,
    dir: &Path,
    superblock: &Superblock,
    segments: &[u64],
    chain: Chain,
    on_record: &mut OnRecord<'_>,
) -> Result<Scanned, OpenError> {
    let ahead = AHEAD_BYTES.min(superblock.segment_bytes) as usize;
    let reader = Reader::new(dir.to_owned(), Mode::Read, ahead);
    let mut scan = Scan { disk, dir, superblock, reader, chain, batches: 0, records: 0 };
    let mut looked_at = None;
    loop {
        let stopped = scan.replay(on_record)?;
        if stopped.is_some() {
            let remains = scan.chain.place;
            return Ok(scan.into_scanned(stopped, None, remains));
        }
        let later = scan.survey(segments)?;
        let is_reached =
            scan.chain.place >= superblock.end || !defence::stands(Defence::RememberedEnd);
        if !later.proof && is_reached {
            let torn = scan.torn()?;
            return Ok(scan.into_scanned(None, torn, later.remains));
        }
        if looked_at.replace(scan.batches) == Some(scan.batches) {
            return Err(OpenError::CorruptBeforeEnd {
                segment: segment::path_of(dir, scan.chain.place.segment),
                offset: scan.chain.place.offset,
                seq: scan.chain.next_seq,
                batches: later.batches,
                records: later.records,
            });
        }
        // Before the verdict, look again: a writer at work may have gone on since this was read.
        scan.reader.forget();
    }
}

struct Scan<'a, D: Disk> {
    disk: &'a D,
    dir: &'a Path,
    superblock: &'a Superblock,
    reader: Reader<D::File>,
    chain: Chain,
    batches: u64,
    records: u64,
}

/// What lies beyond the end.
struct Later {
    batches: u64,
    records: u64,
    proof: bool,
    remains: Place,
}

impl<D: Disk> Scan<'_, D> {
    /// Replays up to the end of the chain, or to where the closure says stop.
    fn replay(&mut self, on_record: &mut OnRecord<'_>) -> Result<Option<Position>, DiskError> {
        loop {
            let here = self.chain.place;
            let mut step = self.step(here, on_record)?;
            if matches!(step, Step::None) {
                step = self.step(here.next_segment(), on_record)?;
            }
            match step {
                Step::Taken => {}
                Step::None => return Ok(None),
                Step::Stopped(position) => return Ok(Some(position)),
            }
        }
    }

    /// Takes the batch at `place` if it continues the chain.
    fn step(&mut self, place: Place, on_record: &mut OnRecord<'_>) -> Result<Step, DiskError> {
        let Ok(found) = self.reader.batch(self.disk, place)? else { return Ok(Step::None) };
        let (chain, superblock) = (&self.chain, self.superblock);
        if !is_next(chain, superblock, &found.header, place) {
            return Ok(Step::None);
        }
        let mut records = Records::new(&found.header, found.bytes);
        for record in records.by_ref() {
            if on_record(record).is_break() {
                return Ok(Step::Stopped(Position::new(record.seq, record.index)));
            }
            self.records += 1;
        }
        self.batches += 1;
        self.chain.advance(&found.header, found.crc, place, records.next_seq());
        Ok(Step::Taken)
    }

    fn into_scanned(
        self,
        stopped: Option<Position>,
        torn: Option<TornTail>,
        remains: Place,
    ) -> Scanned {
        let Scan { chain, batches, records, .. } = self;
        Scanned { chain, batches, records, stopped, torn, remains }
    }

    /// Looks through every block beyond the end for proof that something acknowledged is missing.
    fn survey(&mut self, segments: &[u64]) -> Result<Later, OpenError> {
        let segment_bytes = self.superblock.segment_bytes;
        let end = self.chain.place;
        let mut later = Later { batches: 0, records: 0, proof: false, remains: end };
        for &segment in segments.iter().filter(|index| **index >= end.segment) {
            let mut offset = if segment == end.segment { end.offset } else { 0 };
            while offset < segment_bytes {
                let place = Place { segment, offset };
                if self.reader.read(self.disk, place, BLOCK_BYTES)? == ZERO_BLOCK.0 {
                    offset += BLOCK_BYTES as u64;
                    continue;
                }
                offset += self.weigh(place, &mut later)?;
                later.remains = Place { segment, offset };
            }
        }
        Ok(later)
    }

    /// Weighs what stands at `place`, beyond the end; returns its bytes.
    fn weigh(&mut self, place: Place, later: &mut Later) -> Result<u64, OpenError> {
        match self.reader.batch(self.disk, place)? {
            Ok(found) => {
                let header = found.header;
                // A batch of another shard proves nothing about seqs, but that files were mixed up.
                let stranger = header.shard != self.chain.shard;
                let floor = epoch_floor(&self.chain, self.superblock, place);
                if stranger || header.epoch >= floor {
                    later.batches += 1;
                    later.records += u64::from(header.count);
                    later.proof |= stranger
                        || header.settled && defence::stands(Defence::Settled)
                        || header.durable_seq >= self.chain.next_seq
                            && defence::stands(Defence::DurableSeq);
                }
                Ok(header.padded_bytes() as u64)
            }
            Err(BadBatch::Newer { found }) => {
                let path = segment::path_of(self.dir, place.segment);
                Err(OpenError::NewerFormat { path, found, known: batch::VERSION })
            }
            // Intact, so it was written as it is: not torn.
            Err(BadBatch::Records) => {
                later.proof = true;
                Ok(BLOCK_BYTES as u64)
            }
            Err(BadBatch::Magic | BadBatch::Length { .. } | BadBatch::Checksum) => {
                Ok(BLOCK_BYTES as u64)
            }
        }
    }

    /// Whether a write was cut short at the end. What the last opening saw already is not reported
    /// again, unless the start of the very next batch can be read there.
    fn torn(&mut self) -> Result<Option<TornTail>, DiskError> {
        let end = self.chain.place;
        for place in [end, end.next_segment()] {
            let (chain, superblock) = (&self.chain, self.superblock);
            let block = self.reader.read(self.disk, place, BLOCK_BYTES)?;
            if block.is_empty() || block == ZERO_BLOCK.0 {
                continue;
            }
            let next = batch::peek(block)
                .ok()
                .filter(|(header, _)| is_next(chain, superblock, header, place));
            if next.is_none() && place < self.superblock.remains {
                continue;
            }
            return Ok(Some(TornTail {
                segment: segment::path_of(self.dir, place.segment),
                offset: place.offset,
                batch_bytes: next.map(|(header, _)| header.padded_bytes() as u64),
                last_seq: self.chain.next_seq - 1,
            }));
        }
        Ok(None)
    }
}

/// Whether the batch at `place` is the next one, and not one that an earlier opening cut off.
pub(crate) fn is_next(
    chain: &Chain,
    superblock: &Superblock,
    header: &Header,
    place: Place,
) -> bool {
    chain.admits(header) && header.epoch >= epoch_floor(chain, superblock, place)
}

/// The oldest epoch that a batch at `place`, not before the end of the chain, can have.
pub(crate) fn epoch_floor(chain: &Chain, superblock: &Superblock, place: Place) -> u64 {
    if !defence::stands(Defence::Epoch) {
        return 0;
    }
    if place >= superblock.end { chain.epoch.max(superblock.epoch) } else { chain.epoch }
}

enum Step {
    Taken,
    None,
    Stopped(Position),
}
