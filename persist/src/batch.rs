//! The unit of writing, of durability and of checksumming: byte layout, encode, check, decode.
//! Pure.
//!
//! A batch begins on a 4-KiB block and is padded with zeros to a whole number of them.
//! Little-endian.
//!
//! | offset | bytes | field | meaning |
//! |---|---|---|---|
//! | 0 | 4 | magic | `CLJB` |
//! | 4 | 4 | crc | CRC-32C of segment index, file offset (u64 each), padded batch with this 0 |
//! | 8 | 2 | version | [`VERSION`] |
//! | 10 | 2 | flags | bit 0, settled: every batch before it was durable when it was built |
//! | 12 | 4 | shard | whose journal this is |
//! | 16 | 8 | epoch | raised at every open |
//! | 24 | 8 | first_seq | of the first input; of the next input when there is none |
//! | 32 | 8 | durable_seq | last input known to be durable when the batch was built |
//! | 40 | 4 | count | records; 0 is a seal |
//! | 44 | 4 | len | bytes of records |
//! | 48 | 4 | parent_crc | crc of the batch before; 0 in the first |
//! | 52 | 12 | reserved | 0 |
//! | 64 | len | records | |
//!
//! A record: `len u32 | kind u16 | flags u16 | event_time u64 | body`, where `len` counts the body.
//! Flag bit 0 is set on an input, which opens the next seq; a record without it is an event of the
//! input before it, and the events of an input count from 0. The first record of a batch is an
//! input: an input and its events are never split over two batches.
//!
//! The crc covers the place, so a batch that was written to the wrong place, or was left behind by
//! an earlier use of the space, is not valid where it stands.

use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::block::{BLOCK_BYTES, Blocks};
use crate::defence::{self, Defence};

/// Newest version of the format that this code writes and reads.
pub const VERSION: u16 = 1;
/// Bytes of a batch's header.
pub const HEADER_BYTES: usize = 64;
/// Bytes before a record's body.
pub const RECORD_HEADER_BYTES: usize = 16;
/// Largest padded batch. Bounds what recovery has to hold in memory, whatever a damaged length
/// says.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// Seqs, epochs, generations, segments and bytes are counted up one by one and stay far below. What
/// is read beyond was never counted; to go on from there would overflow.
pub(crate) const COUNT_MAX: u64 = 1 << 62;

const MAGIC: u32 = u32::from_le_bytes(*b"CLJB");
const SETTLED: u16 = 1;
const INPUT: u16 = 1;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: U32,
    crc: U32,
    version: U16,
    flags: U16,
    shard: U32,
    epoch: U64,
    first_seq: U64,
    durable_seq: U64,
    count: U32,
    len: U32,
    parent_crc: U32,
    reserved: [u8; 12],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawRecord {
    len: U32,
    kind: U16,
    flags: U16,
    event_time: U64,
}

const _: () = assert!(size_of::<RawHeader>() == HEADER_BYTES);
const _: () = assert!(size_of::<RawRecord>() == RECORD_HEADER_BYTES);

/// Where a batch stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Index of the segment.
    pub segment: u64,
    /// Byte in its file.
    pub offset: u64,
}

/// What a batch says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Whose journal this is.
    pub shard: u32,
    /// The opening that wrote it.
    pub epoch: u64,
    /// Seq of its first input, or of the next one if it has none.
    pub first_seq: u64,
    /// Last input known to be durable when it was built.
    pub durable_seq: u64,
    /// Whether every batch before it, seals too, was durable when it was built.
    pub settled: bool,
    /// Records in it.
    pub count: u32,
    /// Bytes of records in it.
    pub len: u32,
    /// Checksum of the batch before it.
    pub parent_crc: u32,
}

impl Header {
    /// Bytes of the whole batch on disk.
    pub fn padded_bytes(&self) -> usize {
        padded_bytes(self.len as usize)
    }

    /// Whether it is empty: it only says that what came before was durable.
    pub fn is_seal(&self) -> bool {
        self.count == 0
    }
}

/// One record of a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// The input, or the input that the event came of.
    pub seq: u64,
    /// Place among the events of that input, from 0; 0 for the input itself.
    pub index: u32,
    /// Whether this is the input.
    pub is_input: bool,
    /// What the body is; the caller's numbers.
    pub kind: u16,
    /// The caller's time.
    pub event_time: u64,
    /// The caller's bytes.
    pub body: &'a [u8],
}

/// Why bytes are not a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum BadBatch {
    /// No batch begins here.
    #[error("no batch begins here")]
    Magic,
    /// The header speaks of more bytes than a batch may have, or than there are.
    #[error("a length of {len} does not fit")]
    Length {
        /// What it says.
        len: u32,
    },
    /// Content, or place, is not what was checksummed.
    #[error("wrong checksum")]
    Checksum,
    /// Intact, but of a later version.
    #[error("format {found}")]
    Newer {
        /// Its version.
        found: u16,
    },
    /// Intact, but the records in it make no sense: written by a faulty program.
    #[error("the numbers or the records do not add up")]
    Records,
}

/// Bytes on disk of a batch with `len` bytes of records.
pub fn padded_bytes(len: usize) -> usize {
    (HEADER_BYTES + len).next_multiple_of(BLOCK_BYTES)
}

/// Writes the batch into `out` as it goes to `place`; returns its checksum and its padded length.
pub fn encode(header: &Header, place: Place, records: &[u8], out: &mut Blocks) -> (u32, usize) {
    assert!(header.len as usize == records.len(), "the length counts the records");
    assert!(place.offset.is_multiple_of(BLOCK_BYTES as u64), "batches begin on a block");
    let padded = header.padded_bytes();
    assert!(padded <= BATCH_BYTES_MAX, "a batch of {padded} bytes");
    out.ensure(padded);
    let out = &mut out.bytes_mut()[..padded];
    let raw = RawHeader {
        magic: MAGIC.into(),
        crc: 0.into(),
        version: VERSION.into(),
        flags: if header.settled { SETTLED } else { 0 }.into(),
        shard: header.shard.into(),
        epoch: header.epoch.into(),
        first_seq: header.first_seq.into(),
        durable_seq: header.durable_seq.into(),
        count: header.count.into(),
        len: header.len.into(),
        parent_crc: header.parent_crc.into(),
        reserved: [0; 12],
    };
    out[..HEADER_BYTES].copy_from_slice(raw.as_bytes());
    out[HEADER_BYTES..HEADER_BYTES + records.len()].copy_from_slice(records);
    out[HEADER_BYTES + records.len()..].fill(0);
    let crc = checksum(place, out);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    (crc, padded)
}

/// Reads a header without judging it by its checksum: only whether a batch could begin here.
/// Returns it with the checksum that it claims.
pub fn peek(bytes: &[u8]) -> Result<(Header, u32), BadBatch> {
    let (raw, _) = RawHeader::ref_from_prefix(bytes).map_err(|_| BadBatch::Magic)?;
    if raw.magic.get() != MAGIC {
        return Err(BadBatch::Magic);
    }
    let len = raw.len.get();
    if len as usize > BATCH_BYTES_MAX - HEADER_BYTES {
        return Err(BadBatch::Length { len });
    }
    let header = Header {
        shard: raw.shard.get(),
        epoch: raw.epoch.get(),
        first_seq: raw.first_seq.get(),
        durable_seq: raw.durable_seq.get(),
        settled: raw.flags.get() & SETTLED != 0,
        count: raw.count.get(),
        len,
        parent_crc: raw.parent_crc.get(),
    };
    Ok((header, raw.crc.get()))
}

/// Checks the batch at the start of `bytes`, found at `place`, in every respect that needs no
/// neighbour. Returns its header and its checksum.
pub fn check(bytes: &[u8], place: Place) -> Result<(Header, u32), BadBatch> {
    let (header, crc) = peek(bytes)?;
    let Some(whole) = bytes.get(..header.padded_bytes()) else {
        return Err(BadBatch::Length { len: header.len });
    };
    if checksum(place, whole) != crc {
        return Err(BadBatch::Checksum);
    }
    let found = u16::from_le_bytes([bytes[8], bytes[9]]);
    if found > VERSION {
        return Err(BadBatch::Newer { found });
    }
    if header.epoch.max(header.first_seq) > COUNT_MAX {
        return Err(BadBatch::Records);
    }
    let mut rest = Records::new(&header, whole);
    let walked = rest.by_ref().count();
    if walked != header.count as usize || !rest.bytes.is_empty() {
        return Err(BadBatch::Records);
    }
    Ok((header, crc))
}

/// Begins a record at the end of `out`; the body is to be appended and [`finish_record`] called.
pub(crate) fn begin_record(out: &mut Vec<u8>, kind: u16, is_input: bool, event_time: u64) {
    let raw = RawRecord {
        len: 0.into(),
        kind: kind.into(),
        flags: if is_input { INPUT } else { 0 }.into(),
        event_time: event_time.into(),
    };
    out.extend_from_slice(raw.as_bytes());
}

/// Ends the record that began at `start`: its length is known now.
pub(crate) fn finish_record(out: &mut [u8], start: usize) {
    assert!(out.len() >= start + RECORD_HEADER_BYTES, "a body is appended, nothing is taken away");
    let len =
        u32::try_from(out.len() - start - RECORD_HEADER_BYTES).expect("checked against 8 MiB");
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

/// The records of one batch, in order. Stops early where they make no sense, which [`check`] has
/// excluded.
pub struct Records<'a> {
    bytes: &'a [u8],
    next_seq: u64,
    next_index: u32,
    /// Whether an input has been seen: an event needs one.
    opened: bool,
}

impl<'a> Records<'a> {
    /// The records of `batch`, whose header is `header`.
    pub fn new(header: &Header, batch: &'a [u8]) -> Records<'a> {
        let bytes = &batch[HEADER_BYTES..HEADER_BYTES + header.len as usize];
        Records { bytes, next_seq: header.first_seq, next_index: 0, opened: false }
    }

    /// The seq that the next input would get: after the last record, the seq that follows the
    /// batch.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Bytes not yet walked.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Goes on where another walk of the same batch stopped, `remaining` bytes before its end.
    pub(crate) fn resume(batch: &'a [u8], header: &Header, at: WalkedTo) -> Records<'a> {
        let end = HEADER_BYTES + header.len as usize;
        Records {
            bytes: &batch[end - at.remaining..end],
            next_seq: at.next_seq,
            next_index: at.next_index,
            opened: at.opened,
        }
    }

    /// Where the walk is, to go on later.
    pub(crate) fn walked_to(&self) -> WalkedTo {
        WalkedTo {
            remaining: self.bytes.len(),
            next_seq: self.next_seq,
            next_index: self.next_index,
            opened: self.opened,
        }
    }
}

/// A walk over records, paused.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WalkedTo {
    pub(crate) remaining: usize,
    next_seq: u64,
    next_index: u32,
    opened: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (raw, rest) = RawRecord::ref_from_prefix(self.bytes).ok()?;
        let (body, rest) = rest.split_at_checked(raw.len.get() as usize)?;
        let is_input = raw.flags.get() & INPUT != 0;
        if raw.flags.get() & !INPUT != 0 || !(is_input || self.opened) {
            return None;
        }
        let (seq, index) = if is_input {
            self.next_seq = self.next_seq.checked_add(1)?;
            (self.opened, self.next_index) = (true, 0);
            (self.next_seq - 1, 0)
        } else {
            self.next_index = self.next_index.checked_add(1)?;
            (self.next_seq - 1, self.next_index - 1)
        };
        self.bytes = rest;
        let (kind, event_time) = (raw.kind.get(), raw.event_time.get());
        Some(Record { seq, index, is_input, kind, event_time, body })
    }
}

/// The checksum of a padded batch at a place, taking its crc field as 0.
fn checksum(place: Place, batch: &[u8]) -> u32 {
    let mut head = [0; 24];
    if defence::stands(Defence::Place) {
        head[..8].copy_from_slice(&place.segment.to_le_bytes());
        head[8..16].copy_from_slice(&place.offset.to_le_bytes());
    }
    head[16..20].copy_from_slice(&batch[..4]);
    crc32c::crc32c_append(crc32c::crc32c(&head), &batch[8..])
}

#[cfg(test)]
mod tests;
