//! Snapshots: the caller's state at the end of one batch, and what ties it to the journal.
//!
//! A file `snapshot-SEQ` has a header of one block and the body behind it, padded with zeros to
//! whole blocks. It is written under another name, synced, renamed, and the directory synced, so a
//! file of that name is whole unless something has changed it since. Little-endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CLSN` |
//! | 4 | 4 | CRC-32C of this block with this field 0 |
//! | 8 | 2 | version of this header |
//! | 10 | 2 | shard |
//! | 12 | 2 | shard count |
//! | 14 | 2 | flags: bit 0, the last batch is a seal; bit 1, there is a last batch |
//! | 16 | 8 | seq: the last input in the state |
//! | 24 | 8 | segment, and |
//! | 32 | 8 | offset of the batch after which the snapshot was made |
//! | 40 | 8 | segment, and |
//! | 48 | 8 | offset where the next batch begins |
//! | 56 | 8 | epoch of the last batch |
//! | 64 | 4 | CRC-32C of the last batch |
//! | 68 | 4 | CRC-32C of the body |
//! | 72 | 8 | bytes of the body |
//! | 80 | 8 | state hash, the caller's |
//! | 88 | 8 | seq, and |
//! | 96 | 4 | index of the last event at or before `seq`; 0 and 0 when there is none |
//!
//! `passed-SEQ` is the header of a snapshot that is gone: it shows which event was the last before
//! segments that were recycled behind it.
//!
//! A snapshot fits a journal when the batch that it names is there, with its checksum. So it can
//! neither be laid over another journal, nor stand in for a journal whose end was lost.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::batch::{COUNT_MAX, Place};
use crate::block::{BLOCK_BYTES, Blocks};
use crate::chain::Chain;
use crate::disk::{
    Disk, DiskError, DiskFile, Mode, Op, OsDisk, failed, failed_at, read_up_to, sync_names,
};
use crate::position::Position;
use crate::reader::Reader;

/// Newest version of the header that this code writes and reads.
pub const VERSION: u16 = 1;
/// Snapshots that are kept: the newest, and one to fall back to.
pub const KEPT: usize = 2;

const PREFIX: &str = "snapshot-";
const MAGIC: u32 = u32::from_le_bytes(*b"CLSN");
const SEALED: u16 = 1;
const HAS_LAST: u16 = 2;
/// Bytes read or written at a time.
const CHUNK_BYTES: usize = 1 << 20;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: U32,
    crc: U32,
    version: U16,
    shard: U16,
    shard_count: U16,
    flags: U16,
    seq: U64,
    last_segment: U64,
    last_offset: U64,
    next_segment: U64,
    next_offset: U64,
    epoch: U64,
    last_crc: U32,
    body_crc: U32,
    body_bytes: U64,
    state_hash: U64,
    event_seq: U64,
    event_index: U32,
}

const _: () = assert!(size_of::<Raw>() == 100);

/// A place at the end of a batch, with what the next batch must fit: where a state was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(pub(crate) Chain);

impl Mark {
    /// The last input before it.
    pub fn seq(&self) -> u64 {
        self.0.next_seq - 1
    }

    /// The beginning of a new journal of `shard` whose inputs count on after `seq`.
    pub fn beginning(shard: u16, seq: u64) -> Mark {
        Mark(Chain { next_seq: seq + 1, ..Chain::start(shard) })
    }

    /// The shard whose journal it is in.
    pub fn shard(&self) -> u16 {
        u16::try_from(self.0.shard).expect("made of a u16")
    }

    /// The first segment that a replay from here reads: it looks at the last batch again.
    pub fn segment(&self) -> u64 {
        self.0.last.unwrap_or(self.0.place).segment
    }
}

/// What a snapshot says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The shard whose state it is.
    pub shard: u16,
    /// Shards among which keys were divided.
    pub shard_count: u16,
    /// Where in the journal it was made.
    pub mark: Mark,
    /// The last event at or before the mark.
    pub last_event: Position,
    /// The caller's hash of the state.
    pub state_hash: u64,
    /// Bytes of the body.
    pub body_bytes: u64,
}

impl Header {
    /// The last input in the state.
    pub fn seq(&self) -> u64 {
        self.mark.seq()
    }
}

/// A snapshot, whole.
#[derive(Debug)]
pub struct Snapshot {
    /// What it says of itself.
    pub header: Header,
    /// The state, in the caller's bytes.
    pub body: Vec<u8>,
}

/// Why a snapshot cannot be used.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Its bytes are not what was written.
    #[error("{} is damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Intact, but of a later version.
    #[error("{} has format {found}, known is {VERSION}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
    },
    /// Intact, but of another journal than the one beside it.
    #[error("{} does not fit the journal: {what}", .path.display())]
    Stranger {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// Intact, but the caller cannot make a state of it.
    #[error("{} cannot be restored: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The caller's reason.
        why: String,
    },
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The file of the snapshot at `seq`.
pub fn path_of(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{seq}"))
}

/// The seqs of the snapshots in a journal's directory, ascending.
pub fn list(dir: &Path) -> Result<Vec<u64>, DiskError> {
    list_on(&OsDisk, dir)
}

/// [`list`] on any disk.
pub(crate) fn list_on<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<u64>, DiskError> {
    let names = disk.list(dir).map_err(failed(Op::List, dir))?;
    let mut seqs: Vec<u64> = names
        .iter()
        .filter_map(|name| {
            let seq = name.strip_prefix(PREFIX)?.parse::<u64>().ok()?;
            (*name == format!("{PREFIX}{seq}")).then_some(seq)
        })
        .collect();
    seqs.sort_unstable();
    Ok(seqs)
}

/// Writes a snapshot. Durable, name included, when it returns.
pub fn write(dir: &Path, header: &Header, body: &[u8]) -> Result<(), DiskError> {
    write_on(&OsDisk, dir, header, body)
}

/// [`write`] on any disk.
pub(crate) fn write_on<D: Disk>(
    disk: &D,
    dir: &Path,
    header: &Header,
    body: &[u8],
) -> Result<(), DiskError> {
    let path = path_of(dir, header.seq());
    let tmp = dir.join(format!("{PREFIX}{}.tmp", header.seq()));
    let written = write_file(disk, &tmp, header, body);
    if written.is_err() {
        // What is left would keep a full disk full; the next opening removes it if this fails.
        let _ = disk.remove(&tmp);
    }
    written?;
    match disk.rename(&tmp, &path) {
        // Made before, from the same journal: as good as this one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(&path).map_err(failed(Op::Remove, &path))?;
            disk.rename(&tmp, &path).map_err(failed(Op::Rename, &path))?;
        }
        renamed => renamed.map_err(failed(Op::Rename, &path))?,
    }
    sync_names(disk, dir)
}

fn write_file<D: Disk>(
    disk: &D,
    path: &Path,
    header: &Header,
    body: &[u8],
) -> Result<(), DiskError> {
    let file = disk.create(path).map_err(failed(Op::Create, path))?;
    let mut buffer = Blocks::with_bytes(BLOCK_BYTES);
    encode(header, body, buffer.bytes_mut());
    file.write_all_at(buffer.bytes(), 0).map_err(failed_at(Op::Write, path, 0))?;
    let mut offset = BLOCK_BYTES as u64;
    for chunk in body.chunks(CHUNK_BYTES) {
        let padded = chunk.len().next_multiple_of(BLOCK_BYTES);
        buffer.ensure(padded);
        let bytes = &mut buffer.bytes_mut()[..padded];
        bytes[..chunk.len()].copy_from_slice(chunk);
        bytes[chunk.len()..].fill(0);
        file.write_all_at(bytes, offset).map_err(failed_at(Op::Write, path, offset))?;
        offset += padded as u64;
    }
    file.sync().map_err(failed(Op::Sync, path))
}

/// Reads a snapshot and judges it by itself.
pub fn load(dir: &Path, seq: u64) -> Result<Snapshot, SnapshotError> {
    load_on(&OsDisk, dir, seq)
}

/// [`load`] on any disk.
pub(crate) fn load_on<D: Disk>(disk: &D, dir: &Path, seq: u64) -> Result<Snapshot, SnapshotError> {
    let path = path_of(dir, seq);
    let file = disk.open(&path, Mode::Read).map_err(failed(Op::Open, &path))?;
    let (header, body_crc) = read_header(&file, &path, seq)?;
    let damaged = |what| SnapshotError::Damaged { path: path.clone(), what };
    let length = file.length().map_err(failed(Op::Length, &path))?;
    let expected = header.body_bytes.checked_next_multiple_of(BLOCK_BYTES as u64);
    if expected.and_then(|bytes| bytes.checked_add(BLOCK_BYTES as u64)) != Some(length) {
        return Err(damaged("its length is not what its header says"));
    }
    // No more than the file has.
    let mut body = vec![0; header.body_bytes as usize];
    read_all(&file, &path, BLOCK_BYTES as u64, &mut body)?;
    if crc32c::crc32c(&body) != body_crc {
        return Err(damaged("wrong checksum"));
    }
    Ok(Snapshot { header, body })
}

/// As [`load`], if it fits the journal beside it too.
pub fn load_fitting(dir: &Path, seq: u64) -> Result<Snapshot, SnapshotError> {
    load_fitting_on(&OsDisk, dir, seq)
}

/// [`load_fitting`] on any disk.
pub(crate) fn load_fitting_on<D: Disk>(
    disk: &D,
    dir: &Path,
    seq: u64,
) -> Result<Snapshot, SnapshotError> {
    let snapshot = load_on(disk, dir, seq)?;
    let stranger = |what| SnapshotError::Stranger { path: path_of(dir, seq), what };
    check_fit(disk, dir, &snapshot.header.mark)?.map_err(stranger)?;
    Ok(snapshot)
}

/// Reads what a snapshot says of itself, without its body.
pub fn header(dir: &Path, seq: u64) -> Result<Header, SnapshotError> {
    header_on(&OsDisk, dir, seq)
}

/// [`header`] on any disk.
pub(crate) fn header_on<D: Disk>(disk: &D, dir: &Path, seq: u64) -> Result<Header, SnapshotError> {
    let path = path_of(dir, seq);
    let file = disk.open(&path, Mode::Read).map_err(failed(Op::Open, &path))?;
    Ok(read_header(&file, &path, seq)?.0)
}

fn read_header<F: DiskFile>(
    file: &F,
    path: &Path,
    seq: u64,
) -> Result<(Header, u32), SnapshotError> {
    let mut block = Blocks::with_bytes(BLOCK_BYTES);
    let length = file.length().map_err(failed(Op::Length, path))?;
    let damaged = |what| SnapshotError::Damaged { path: path.to_owned(), what };
    if length < BLOCK_BYTES as u64 {
        return Err(damaged("it is shorter than a header"));
    }
    read_all(file, path, 0, block.bytes_mut())?;
    let Some((version, header, body_crc)) = decode(block.bytes()) else {
        return Err(damaged("its header has a wrong checksum"));
    };
    if version > VERSION {
        return Err(SnapshotError::Newer { path: path.to_owned(), found: version });
    }
    let header = header.ok_or_else(|| damaged("its header makes no sense"))?;
    if header.seq() != seq {
        return Err(damaged("it was made at another seq than its name says"));
    }
    Ok((header, body_crc))
}

const PASSED: &str = "passed-";

/// Keeps what the snapshot at `seq` says of itself, for when it is gone: it shows which event was the last before
/// segments that are recycled now. Durable when it returns.
pub(crate) fn keep_header_on<D: Disk>(disk: &D, dir: &Path, seq: u64) -> Result<(), SnapshotError> {
    let path = dir.join(format!("{PASSED}{seq}"));
    let known = passed_on(disk, dir)?;
    if known.contains(&seq) {
        return Ok(());
    }
    let whole = path_of(dir, seq);
    let file = disk.open(&whole, Mode::Read).map_err(failed(Op::Open, &whole))?;
    let mut block = Blocks::with_bytes(BLOCK_BYTES);
    read_all(&file, &whole, 0, block.bytes_mut())?;
    let tmp = dir.join(format!("{PASSED}{seq}.tmp"));
    let file = disk.create(&tmp).map_err(failed(Op::Create, &tmp))?;
    file.write_all_at(block.bytes(), 0).map_err(failed_at(Op::Write, &tmp, 0))?;
    file.sync().map_err(failed(Op::Sync, &tmp))?;
    disk.rename(&tmp, &path).map_err(failed(Op::Rename, &path))?;
    sync_names(disk, dir)?;
    for old in known {
        let path = dir.join(format!("{PASSED}{old}"));
        disk.remove(&path).map_err(failed(Op::Remove, &path))?;
    }
    Ok(())
}

/// What was kept of snapshots by [`keep_header_on`], as far as it is intact.
pub(crate) fn passed_headers<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<Header>, DiskError> {
    let header = |seq: u64| {
        let path = dir.join(format!("{PASSED}{seq}"));
        let file = disk.open(&path, Mode::Read).ok()?;
        Some(read_header(&file, &path, seq).ok()?.0)
    };
    Ok(passed_on(disk, dir)?.into_iter().filter_map(header).collect())
}

/// The files of [`passed_headers`].
pub(crate) fn passed_paths<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let path = |seq| dir.join(format!("{PASSED}{seq}"));
    Ok(passed_on(disk, dir)?.into_iter().map(path).collect())
}

fn passed_on<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<u64>, DiskError> {
    let names = disk.list(dir).map_err(failed(Op::List, dir))?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(PASSED)?.parse().ok()).collect())
}

/// Removes all but the newest [`KEPT`] snapshots that can be used. One that cannot does not count: it is no place
/// to fall back to. It is removed if it is damaged, or of another journal.
pub fn keep_newest(dir: &Path) -> Result<(), DiskError> {
    keep_newest_on(&OsDisk, dir)
}

/// [`keep_newest`] on any disk.
pub(crate) fn keep_newest_on<D: Disk>(disk: &D, dir: &Path) -> Result<(), DiskError> {
    let mut usable = 0;
    for &seq in list_on(disk, dir)?.iter().rev() {
        let is_needed = usable < KEPT
            && match load_fitting_on(disk, dir, seq) {
                Ok(_) => {
                    usable += 1;
                    true
                }
                Err(SnapshotError::Damaged { .. } | SnapshotError::Stranger { .. }) => false,
                Err(_) => true,
            };
        if !is_needed {
            let path = path_of(dir, seq);
            disk.remove(&path).map_err(failed(Op::Remove, &path))?;
        }
    }
    Ok(())
}

/// Whether the batch that a snapshot names is in the journal beside it.
pub(crate) fn check_fit<D: Disk>(
    disk: &D,
    dir: &Path,
    mark: &Mark,
) -> Result<Result<(), &'static str>, DiskError> {
    let Mark(chain) = mark;
    let mut reader = Reader::new(dir.to_owned(), Mode::Read, BLOCK_BYTES);
    let Some(last) = chain.last else {
        let first = reader.batch(disk, chain.place)?;
        let is_other = first.is_ok_and(|found| found.header.first_seq != chain.next_seq);
        return Ok(if is_other { Err("another journal begins where it was made") } else { Ok(()) });
    };
    let Ok(found) = reader.batch(disk, last)? else {
        return Ok(Err("the batch that it was made after is not intact"));
    };
    let end = last.offset.checked_add(found.header.padded_bytes() as u64);
    let fits = found.crc == chain.crc
        && found.header.epoch == chain.epoch
        && found.header.shard == chain.shard
        && last.segment == chain.place.segment
        && end == Some(chain.place.offset);
    Ok(if fits { Ok(()) } else { Err("another batch stands where it was made") })
}

fn read_all<F: DiskFile>(
    file: &F,
    path: &Path,
    offset: u64,
    bytes: &mut [u8],
) -> Result<(), SnapshotError> {
    if read_up_to(file, path, offset, bytes)? < bytes.len() {
        return Err(SnapshotError::Damaged { path: path.to_owned(), what: "it ends early" });
    }
    Ok(())
}

fn encode(header: &Header, body: &[u8], block: &mut [u8]) {
    assert!(header.body_bytes == body.len() as u64, "the header counts the body");
    let Mark(chain) = header.mark;
    let last = chain.last.unwrap_or(Place { segment: 0, offset: 0 });
    let flags = [(chain.sealed, SEALED), (chain.last.is_some(), HAS_LAST)];
    let flags = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum::<u16>();
    let raw = Raw {
        magic: MAGIC.into(),
        crc: 0.into(),
        version: VERSION.into(),
        shard: header.shard.into(),
        shard_count: header.shard_count.into(),
        flags: flags.into(),
        seq: header.seq().into(),
        last_segment: last.segment.into(),
        last_offset: last.offset.into(),
        next_segment: chain.place.segment.into(),
        next_offset: chain.place.offset.into(),
        epoch: chain.epoch.into(),
        last_crc: chain.crc.into(),
        body_crc: crc32c::crc32c(body).into(),
        body_bytes: header.body_bytes.into(),
        state_hash: header.state_hash.into(),
        event_seq: header.last_event.seq.into(),
        event_index: header.last_event.index.into(),
    };
    block.fill(0);
    block[..size_of::<Raw>()].copy_from_slice(raw.as_bytes());
    let crc = checksum(block);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// The version, the header unless it makes no sense or is of a later version, and the body's
/// checksum. `None` when the block is not intact.
fn decode(block: &[u8]) -> Option<(u16, Option<Header>, u32)> {
    let (raw, _) = Raw::ref_from_prefix(block).ok()?;
    if raw.magic.get() != MAGIC || raw.crc.get() != checksum(block) {
        return None;
    }
    let (version, flags) = (raw.version.get(), raw.flags.get());
    let place = |segment: U64, offset: U64| Place { segment: segment.get(), offset: offset.get() };
    let last = place(raw.last_segment, raw.last_offset);
    let next = place(raw.next_segment, raw.next_offset);
    let on_blocks = [last, next].iter().all(|p| p.offset.is_multiple_of(BLOCK_BYTES as u64));
    let counts = [last.segment, last.offset, next.segment, next.offset, raw.seq.get()];
    let sound = flags & !(SEALED | HAS_LAST) == 0
        && on_blocks
        && counts.iter().all(|count| *count <= COUNT_MAX)
        && raw.epoch.get() <= COUNT_MAX;
    let chain = Chain {
        shard: raw.shard.get().into(),
        place: next,
        last: (flags & HAS_LAST != 0).then_some(last),
        next_seq: raw.seq.get().saturating_add(1),
        crc: raw.last_crc.get(),
        epoch: raw.epoch.get(),
        sealed: flags & SEALED != 0,
    };
    let header = Header {
        shard: raw.shard.get(),
        shard_count: raw.shard_count.get(),
        mark: Mark(chain),
        last_event: Position::new(raw.event_seq.get(), raw.event_index.get()),
        state_hash: raw.state_hash.get(),
        body_bytes: raw.body_bytes.get(),
    };
    let known = sound && version <= VERSION;
    Some((version, known.then_some(header), raw.body_crc.get()))
}

fn checksum(block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&block[..4]), &block[8..BLOCK_BYTES])
}

#[cfg(test)]
mod tests;
