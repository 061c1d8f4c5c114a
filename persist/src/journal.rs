//! The writer of one shard's journal: a state machine that does no I/O.
//!
//! ```text
//!   push_input, push_event -> collecting -> take_write -> in flight -> complete -> durable
//! ```
//!
//! Up to [`Options::flights`] batches are in flight at a time; what arrives meanwhile is collected
//! and goes out in the next. That is the whole of group commit: no timer, no tuning. An input and
//! its events go into one batch. Flights land in any order, but a batch counts as durable only when
//! all before it are: [`Journal::durable_seq`] is a prefix. A seal flies alone, since it speaks for
//! everything before it.
//!
//! Every flight has a buffer of [`FIXED_BYTES`] that never moves, for a ring with registered
//! buffers; a larger batch goes through a second buffer that grows. Buffers are kept and reused, so
//! that nothing is allocated once they have grown to the size that the load asks for.
//!
//! An error, a second short write, or a completion that cannot be poisons the journal: it hands out
//! nothing more. A failed flush is never tried again, since the kernel marks pages clean that it
//! could not write.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::batch::{self, BATCH_BYTES_MAX, HEADER_BYTES, Header};
use crate::block::Blocks;
use crate::chain::Chain;
use crate::defence::{self, Defence};
use crate::disk::{DiskFile, OsFile};
use crate::flight::{Flight, Landing};
use crate::segment::{Segment, SegmentOrder};

pub use crate::flight::{JournalFault, Part, Progress, Write};
pub use crate::open::{OpenError, Opened, Replayed, open, replay};
pub use crate::recover::TornTail;

/// Segments kept ready ahead of need.
pub const SPARES_WANTED: usize = 3;
/// With fewer segments ready than this, new work is to be refused: see [`Journal::intake`].
pub const SPARES_MIN: usize = 2;
/// Most batches in flight at a time.
pub const FLIGHTS_MAX: usize = 4;
/// Bytes of each flight's fixed buffer, or those of a segment, if that is smaller. Larger batches are
/// written from another one.
pub const FIXED_BYTES: usize = 256 << 10;

/// Where a journal is and how it is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// The journal's own directory: `data_dir/shard-N`.
    pub dir: PathBuf,
    /// Whose journal it is.
    pub shard: u16,
    /// Among how many shards keys are divided.
    pub shard_count: u16,
    /// Bytes of a segment of a new journal: whole blocks of 4 KiB.
    pub segment_bytes: u64,
    /// Bytes at which a batch is closed. The input at which it gets there, with its events, may go
    /// beyond, to 8 MiB or the size of a segment.
    pub batch_bytes_max: usize,
    /// Batches that may be in flight at a time, from 1 to [`FLIGHTS_MAX`].
    pub flights: usize,
}

/// Whether a journal has room for new work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intake {
    /// Enough segments are ready.
    Open,
    /// Fewer than [`SPARES_MIN`] segments are ready: the disk is full, or slower than the load. New
    /// work is refused, what belongs to earlier work is still taken. It opens by itself.
    Closed {
        /// Segments that are ready.
        spares: usize,
    },
}

/// The writer of one shard's journal. See the [module](self).
pub struct Journal<F = OsFile> {
    dir: PathBuf,
    epoch: u64,
    segment_bytes: u64,
    /// Bytes of records at which a batch is closed, and which it never exceeds.
    soft_bytes: usize,
    hard_bytes: usize,
    /// After the last batch handed out, in flight or durable.
    chain: Chain,
    durable_seq: u64,
    next_seq: u64,
    next_index: u32,
    collecting: Collecting,
    /// Closed batches that wait, oldest first. Empty while the caller heeds
    /// [`Journal::wants_room`].
    closed: VecDeque<Collecting>,
    /// Empty buffers, to be used again.
    unused: Vec<Vec<u8>>,
    slots: Vec<Slot>,
    /// Slots in flight, oldest first.
    order: VecDeque<u8>,
    current: Segment<F>,
    /// Segments before the current one into which something is still in flight.
    left: Vec<Segment<F>>,
    spares: VecDeque<Segment<F>>,
    ordered: Vec<u64>,
    seal_wanted: bool,
    poisoned: bool,
}

/// Records that will be one batch.
#[derive(Default)]
struct Collecting {
    bytes: Vec<u8>,
    first_seq: u64,
    count: u32,
    /// Where the last input begins, and how many records are before it.
    input_start: usize,
    input_count: u32,
}

/// What one batch needs to be in flight.
struct Slot {
    /// Never moves.
    fixed: Blocks,
    /// For batches that are larger; grows.
    large: Blocks,
    flight: Option<Flight>,
}

impl Slot {
    fn new(bytes: usize) -> Slot {
        Slot { fixed: Blocks::with_bytes(bytes), large: Blocks::default(), flight: None }
    }

    /// The buffer of a batch of `padded` bytes, and whether it is the fixed one.
    fn buffer_mut(&mut self, padded: usize) -> (&mut Blocks, bool) {
        let is_fixed = padded <= self.fixed.len();
        (if is_fixed { &mut self.fixed } else { &mut self.large }, is_fixed)
    }
}

/// What an opening hands to the writer.
pub(crate) struct Start<F> {
    pub(crate) chain: Chain,
    pub(crate) epoch: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) current: Segment<F>,
    pub(crate) spares: VecDeque<Segment<F>>,
}

impl<F: DiskFile> Journal<F> {
    pub(crate) fn new(options: &Options, start: Start<F>) -> Journal<F> {
        let Start { chain, epoch, segment_bytes, current, spares } = start;
        assert!(epoch > chain.epoch, "a new epoch for each opening");
        assert!(current.index == chain.place.segment, "writing goes on where the journal ends");
        let fixed_bytes = segment_bytes.min(FIXED_BYTES as u64) as usize;
        let hard_bytes = segment_bytes.min(BATCH_BYTES_MAX as u64) as usize - HEADER_BYTES;
        Journal {
            dir: options.dir.clone(),
            epoch,
            segment_bytes,
            soft_bytes: options.batch_bytes_max.min(hard_bytes),
            hard_bytes,
            chain,
            durable_seq: chain.next_seq - 1,
            next_seq: chain.next_seq,
            next_index: 0,
            collecting: Collecting::default(),
            closed: VecDeque::new(),
            unused: Vec::new(),
            slots: (0..options.flights).map(|_| Slot::new(fixed_bytes)).collect(),
            order: VecDeque::with_capacity(FLIGHTS_MAX),
            current,
            left: Vec::with_capacity(FLIGHTS_MAX),
            spares,
            ordered: Vec::new(),
            seal_wanted: !chain.sealed,
            poisoned: false,
        }
    }

    /// The seq that the next input will get. The first is 1.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The last input that is durable.
    pub fn durable_seq(&self) -> u64 {
        self.durable_seq
    }

    /// Where the journal ends, for tests that write on in their own way.
    #[cfg(test)]
    pub(crate) fn chain(&self) -> Chain {
        self.chain
    }

    /// The epoch of this opening.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether everything pushed is durable, no seal is owed and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.order.is_empty() && !self.has_pending()
    }

    /// Batches in flight.
    pub fn flights(&self) -> usize {
        self.order.len()
    }

    /// Whether a batch is full: take no inputs until a flush is done.
    pub fn wants_room(&self) -> bool {
        !self.closed.is_empty() || self.collecting.bytes.len() >= self.soft_bytes
    }

    /// Segments that are ready.
    pub fn spare_segments(&self) -> usize {
        self.spares.len()
    }

    /// Whether new work may be taken. It is the caller who refuses it.
    pub fn intake(&self) -> Intake {
        match self.spares.len() {
            spares if spares < SPARES_MIN => Intake::Closed { spares },
            _ => Intake::Open,
        }
    }

    /// The fixed buffer of each flight, to be registered with a ring: start and bytes. They stay
    /// where they are for the life of the journal.
    pub fn fixed_buffers(&self) -> impl Iterator<Item = (*const u8, usize)> {
        self.slots.iter().map(|slot| (slot.fixed.bytes().as_ptr(), slot.fixed.len()))
    }

    /// Whether writes go around the page cache.
    pub fn is_direct(&self) -> bool {
        self.current.direct
    }

    /// Adds an input, whose body `write` appends. Returns its seq.
    pub fn push_input(
        &mut self,
        kind: u16,
        event_time: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> u64 {
        if self.collecting.bytes.len() >= self.soft_bytes {
            self.close_batch();
        }
        let batch = &mut self.collecting;
        if batch.count == 0 {
            batch.first_seq = self.next_seq;
        }
        (batch.input_start, batch.input_count) = (batch.bytes.len(), batch.count);
        self.next_index = 0;
        self.push(kind, true, event_time, write);
        self.next_seq += 1;
        self.next_seq - 1
    }

    /// Adds an event of the last input, whose body `write` appends. Returns its index.
    ///
    /// # Panics
    /// If [`Journal::take_write`] was called since that input: the two must be in one batch.
    pub fn push_event(
        &mut self,
        kind: u16,
        event_time: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> u32 {
        assert!(self.collecting.count > 0, "an event is pushed right after its input");
        self.push(kind, false, event_time, write);
        self.next_index += 1;
        self.next_index - 1
    }

    fn push(
        &mut self,
        kind: u16,
        is_input: bool,
        event_time: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        assert!(!self.poisoned, "nothing is pushed after a fault");
        let batch = &mut self.collecting;
        let start = batch.bytes.len();
        batch::begin_record(&mut batch.bytes, kind, is_input, event_time);
        write(&mut batch.bytes);
        batch::finish_record(&mut batch.bytes, start);
        batch.count += 1;
        if self.collecting.bytes.len() > self.hard_bytes {
            self.split_batch();
        }
    }

    /// Closes the batch that is collected and begins another.
    fn close_batch(&mut self) {
        let next =
            Collecting { bytes: self.unused.pop().unwrap_or_default(), ..Default::default() };
        self.closed.push_back(std::mem::replace(&mut self.collecting, next));
    }

    /// The batch has become too large: its last input, with its events so far, begins another.
    fn split_batch(&mut self) {
        let (start, count) = (self.collecting.input_start, self.collecting.input_count);
        let bytes = self.collecting.bytes.len() - start;
        assert!(
            bytes <= self.hard_bytes,
            "an input and its events take {bytes} bytes, a batch has room for {}",
            self.hard_bytes
        );
        self.close_batch();
        let full = self.closed.back_mut().expect("closed just now");
        let next = &mut self.collecting;
        next.bytes.extend_from_slice(&full.bytes[start..]);
        full.bytes.truncate(start);
        next.count = full.count - count;
        next.first_seq = self.next_seq - u64::from(next.count > 1);
        full.count = count;
    }

    /// Asks for an empty batch after everything pending, unless the last batch is one already.
    pub fn seal(&mut self) {
        self.seal_wanted = defence::stands(Defence::Seal);
    }

    /// The next write. `None` while as many are in flight as may be, when nothing is pending, after
    /// a fault, and when no segment has room: then one is [wanted](Journal::segment_wanted) and
    /// what is pending stays pending.
    pub fn take_write(&mut self) -> Option<Write> {
        if self.poisoned {
            return None;
        }
        let slot = self.slots.iter().position(|slot| slot.flight.is_none())?;
        if !self.has_pending() {
            self.seal_wanted = false;
            return None;
        }
        let batch = self.closed.front().unwrap_or(&self.collecting);
        if batch.count == 0 && !self.order.is_empty() {
            return None;
        }
        if !self.make_room(batch::padded_bytes(batch.bytes.len()) as u64) {
            return None;
        }
        if self.closed.is_empty() {
            self.close_batch();
        }
        let batch = self.closed.pop_front().expect("closed just now, if not before");
        let slot = u8::try_from(slot).expect("at most four slots");
        self.launch(slot, batch);
        Some(self.remaining_write(slot))
    }

    /// Whether the current segment has room for `bytes`, if need be after going over to the next.
    fn make_room(&mut self, bytes: u64) -> bool {
        if self.chain.place.offset + bytes <= self.segment_bytes {
            return true;
        }
        let next = self.chain.place.next_segment();
        if self.spares.front().is_none_or(|spare| spare.index != next.segment) {
            return false;
        }
        let spare = self.spares.pop_front().expect("seen just now");
        let left = std::mem::replace(&mut self.current, spare);
        self.left.push(left);
        self.leave_segments();
        self.chain.place = next;
        true
    }

    /// Closes the segments before the current one into which nothing is in flight.
    fn leave_segments(&mut self) {
        let slots = &self.slots;
        let is_used =
            |index| slots.iter().flat_map(|slot| &slot.flight).any(|f| f.segment == index);
        self.left.retain(|segment| is_used(segment.index));
    }

    /// Encodes a batch into the slot's buffer and puts it in flight.
    fn launch(&mut self, slot: u8, mut batch: Collecting) {
        let is_seal = batch.count == 0;
        let header = Header {
            shard: self.chain.shard,
            epoch: self.epoch,
            first_seq: if is_seal { self.next_seq } else { batch.first_seq },
            durable_seq: self.durable_seq,
            settled: self.order.is_empty(),
            count: batch.count,
            len: u32::try_from(batch.bytes.len()).expect("at most 8 MiB"),
            parent_crc: self.chain.crc,
        };
        assert!(header.first_seq == self.chain.next_seq, "seqs have no gaps");
        let place = self.chain.place;
        let room = &mut self.slots[usize::from(slot)];
        let (buffer, is_fixed) = room.buffer_mut(header.padded_bytes());
        let (crc, padded) = batch::encode(&header, place, &batch.bytes, buffer);
        // What was collected last is what comes next: the seqs of this batch end where the rest
        // begins.
        let rest = self.closed.front().unwrap_or(&self.collecting);
        let next_seq = if rest.count > 0 { rest.first_seq } else { self.next_seq };
        room.flight = Some(Flight::new(place, padded, is_fixed, next_seq - 1));
        self.order.push_back(slot);
        self.chain.advance(&header, crc, place, next_seq);
        batch.bytes.clear();
        self.unused.push(batch.bytes);
    }

    /// Whether there is something to be written, records or the seal that was asked for.
    fn has_pending(&self) -> bool {
        let owes_seal = self.seal_wanted && !self.chain.sealed;
        owes_seal || self.collecting.count > 0 || !self.closed.is_empty()
    }

    /// Tells how a part of a flight's flush went: the number of bytes written (0 for a sync), or
    /// the error.
    pub fn complete(
        &mut self,
        flight: u8,
        part: Part,
        result: io::Result<u32>,
    ) -> Result<Progress, JournalFault> {
        if self.poisoned {
            return Err(JournalFault::Poisoned);
        }
        let dir = &self.dir;
        let in_flight = self.slots.get_mut(usize::from(flight)).and_then(|s| s.flight.as_mut());
        let landing = match in_flight {
            Some(flight) => flight.complete(result, part, dir),
            None => Err(JournalFault::Unexpected { part, result: result.ok() }),
        };
        self.poisoned = landing.is_err();
        Ok(match landing? {
            Landing::Waiting => self.waiting(flight),
            Landing::Resubmit => Progress::Resubmit(self.remaining_write(flight)),
            Landing::Durable => self.landed(),
        })
    }

    /// A write has been done; its sync is still to come.
    fn waiting(&mut self, flight: u8) -> Progress {
        if !defence::stands(Defence::FlushWait) {
            let written = self.slots[usize::from(flight)].flight.as_ref();
            self.durable_seq = self.durable_seq.max(written.map_or(0, |flight| flight.last_seq));
            return Progress::Durable { seq: self.durable_seq };
        }
        Progress::Waiting
    }

    /// A flight has landed: all that have, up to the first that has not, are durable.
    fn landed(&mut self) -> Progress {
        let mut progress = Progress::Waiting;
        while let Some(&oldest) = self.order.front() {
            let slot = &mut self.slots[usize::from(oldest)];
            let Some(flight) = slot.flight.take_if(|flight| flight.has_landed()) else { break };
            self.order.pop_front();
            self.durable_seq = flight.last_seq;
            progress = Progress::Durable { seq: flight.last_seq };
        }
        if !self.left.is_empty() {
            self.leave_segments();
        }
        progress
    }

    fn remaining_write(&self, slot: u8) -> Write {
        let room = &self.slots[usize::from(slot)];
        let flight = room.flight.as_ref().expect("asked for only in flight");
        let bytes = self.remaining_bytes(slot);
        Write {
            flight: slot,
            fd: self.file(flight.segment).raw_fd(),
            offset: flight.remaining_offset(),
            ptr: bytes.as_ptr(),
            len: u32::try_from(bytes.len()).expect("at most 8 MiB"),
            fixed: flight.is_fixed,
        }
    }

    fn remaining_bytes(&self, slot: u8) -> &[u8] {
        let room = &self.slots[usize::from(slot)];
        let flight = room.flight.as_ref().expect("asked for only in flight");
        let buffer = if flight.is_fixed { &room.fixed } else { &room.large };
        &buffer.bytes()[flight.remaining()]
    }

    fn file(&self, segment: u64) -> &F {
        let segments = self.left.iter().chain([&self.current]);
        let mut found = segments.filter(|known| known.index == segment);
        &found.next().expect("a segment is kept while something is in flight into it").file
    }

    /// The bytes of a write that is in flight: for a disk without a ring.
    pub fn bytes_of(&self, write: &Write) -> &[u8] {
        self.remaining_bytes(write.flight)
    }

    /// The file of a write that is in flight: for a disk without a ring.
    pub fn file_of(&self, write: &Write) -> &F {
        let flight = &self.slots[usize::from(write.flight)].flight;
        self.file(flight.as_ref().expect("asked for only in flight").segment)
    }

    /// Writes and syncs everything pending, here and now: for tools, and for a host without a ring.
    pub fn flush_blocking(&mut self) -> Result<(), JournalFault> {
        while let Some(mut write) = self.take_write() {
            loop {
                let file = self.file_of(&write);
                let wrote = file.write_at(self.bytes_of(&write), write.offset);
                let wrote = wrote.map(|bytes| u32::try_from(bytes).expect("at most 8 MiB"));
                // Asked for before the write is told of: a flight that has landed has no file.
                let synced = file.sync().map(|()| 0);
                self.complete(write.flight, Part::Write, wrote)?;
                match self.complete(write.flight, Part::Sync, synced)? {
                    Progress::Resubmit(rest) => write = rest,
                    Progress::Waiting | Progress::Durable { .. } => break,
                }
            }
        }
        Ok(())
    }

    /// A segment to be made on a background thread, if there are too few. Each order is given once;
    /// if it fails, try the same order again. Carry the orders of a journal out one after the other:
    /// an opening takes a hole among the segments for damage.
    pub fn segment_wanted(&mut self) -> Option<SegmentOrder> {
        let is_known = |index: &u64| {
            self.ordered.contains(index) || self.spares.iter().any(|spare| spare.index == *index)
        };
        // Those that follow, without a gap: what lies behind a gap is of no use yet.
        let mut wanted = (self.current.index + 1..).take(SPARES_WANTED);
        let index = wanted.find(|index| !is_known(index))?;
        self.ordered.push(index);
        Some(SegmentOrder { dir: self.dir.clone(), index, segment_bytes: self.segment_bytes })
    }

    /// Takes a segment that was ordered.
    ///
    /// # Panics
    /// If it was not ordered.
    pub fn segment_ready(&mut self, segment: Segment<F>) {
        let ordered = self.ordered.iter().position(|index| *index == segment.index);
        self.ordered.swap_remove(ordered.expect("a segment is made only when ordered"));
        let at = self.spares.partition_point(|spare| spare.index < segment.index);
        self.spares.insert(at, segment);
    }
}

impl<F> Drop for Journal<F> {
    fn drop(&mut self) {
        if !self.order.is_empty() {
            // The kernel may still read the buffers. Were they freed and used anew, the journal
            // would get that.
            std::mem::forget(std::mem::take(&mut self.slots));
        }
    }
}

impl<F> fmt::Debug for Journal<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("dir", &self.dir)
            .field("epoch", &self.epoch)
            .field("place", &self.chain.place)
            .field("durable_seq", &self.durable_seq)
            .field("next_seq", &self.next_seq)
            .field("spares", &self.spares.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
