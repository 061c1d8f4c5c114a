//! What must be known before a journal is read: whose it is, its shape, and its epoch.
//!
//! The file `superblock` has two slots of one block. A change is written to the slot that does not
//! hold the newest valid state, and synced; then to the other, and synced. So one of them is valid
//! at every moment, and between changes both are, and say the same. Little-endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CLSB` |
//! | 4 | 4 | CRC-32C of slot number (u64) and block with this field 0 |
//! | 8 | 2 | version |
//! | 10 | 2 | shard |
//! | 12 | 2 | shard count |
//! | 14 | 2 | 0 |
//! | 16 | 8 | generation: the newest valid slot is the one with the higher |
//! | 24 | 8 | epoch |
//! | 32 | 8 | bytes of a segment |
//! | 40 | 8 | segment, and |
//! | 48 | 8 | offset at which the journal ended when the epoch was raised |
//! | 56 | 8 | segment, and |
//! | 64 | 8 | offset up to which torn remains were found beyond that, and reported |
//!
//! The end is what makes recovery sure: everything before it was durable when it was written down,
//! and whatever stands at or beyond it in an older epoch was cut off then, and stays dead, even if
//! later writes that were cut short happen to make it whole.
//!
//! The epoch is raised here, durably, before the first batch of an opening is written. A slot that
//! is damaged may have held a newer one, cut short between the two, so the epoch then rises by two:
//! none is used twice.

use std::path::{Path, PathBuf};

use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::batch::{COUNT_MAX, Place, VERSION};
use crate::block::{BLOCK_BYTES, Blocks};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, failed, failed_at, read_up_to, sync_names};
use crate::segment;

/// The file's name.
pub const NAME: &str = "superblock";

/// The file's name before it is whole.
const TMP_NAME: &str = "superblock.tmp";
const MAGIC: u32 = u32::from_le_bytes(*b"CLSB");
const SLOTS: usize = 2;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawSlot {
    magic: U32,
    crc: U32,
    version: U16,
    shard: U16,
    shard_count: U16,
    reserved: U16,
    generation: U64,
    epoch: U64,
    segment_bytes: U64,
    end_segment: U64,
    end_offset: U64,
    remains_segment: U64,
    remains_offset: U64,
}

const _: () = assert!(size_of::<RawSlot>() == 72);

/// What a superblock says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Superblock {
    /// The shard whose journal this is.
    pub shard: u16,
    /// Shards among which keys were divided.
    pub shard_count: u16,
    /// Bytes of each segment file, for ever.
    pub segment_bytes: u64,
    /// Epoch of the last opening.
    pub epoch: u64,
    /// Where the journal ended then: batches of this epoch follow, and none of an older one.
    pub end: Place,
    /// Up to where torn remains beyond the journal's end have been reported already.
    pub remains: Place,
}

/// Why a superblock could not be had.
#[derive(Debug, Error)]
pub enum SuperblockError {
    /// Neither slot is valid.
    #[error("{}: both slots are damaged", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Intact, but of a later version.
    #[error("{} has format {found}, known is {VERSION}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
    },
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A superblock as read, with what is needed to write the next one.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) superblock: Superblock,
    generation: u64,
    slot: usize,
    /// Whether the other slot is unreadable: it may have held a newer state.
    other_damaged: bool,
}

/// Creates the superblock of a new journal. Durable, names included, when it returns.
pub(crate) fn create<D: Disk>(
    disk: &D,
    dir: &Path,
    superblock: Superblock,
) -> Result<Loaded, DiskError> {
    let (tmp, path) = (dir.join(TMP_NAME), dir.join(NAME));
    let file = disk.create(&tmp).map_err(failed(Op::Create, &tmp))?;
    for slot in 0..SLOTS {
        write_slot(&file, &tmp, slot, slot as u64, &superblock)?;
    }
    file.sync().map_err(failed(Op::Sync, &tmp))?;
    disk.rename(&tmp, &path).map_err(failed(Op::Rename, &path))?;
    sync_names(disk, dir)?;
    let slot = SLOTS - 1;
    Ok(Loaded { superblock, generation: slot as u64, slot, other_damaged: false })
}

/// Makes durable what an earlier process may have left in the page cache. Were the slot that it was
/// writing read and not synced, a power cut during the next change could tear both.
pub(crate) fn sync<D: Disk>(disk: &D, dir: &Path) -> Result<(), DiskError> {
    let path = dir.join(NAME);
    match disk.open(&path, Mode::Read) {
        Ok(file) => file.sync().map_err(failed(Op::Sync, &path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(Op::Open, &path)(error)),
    }
}

/// Reads the newest valid slot. `None` when there is no such file.
pub(crate) fn load<D: Disk>(disk: &D, dir: &Path) -> Result<Option<Loaded>, SuperblockError> {
    let path = dir.join(NAME);
    let file = match disk.open(&path, Mode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(Op::Open, &path)(error).into()),
    };
    let mut blocks = Blocks::with_bytes(SLOTS * BLOCK_BYTES);
    let bytes = blocks.bytes_mut();
    read_up_to(&file, &path, 0, bytes)?;
    let slots = [0, 1].map(|slot| read_slot(&bytes[slot * BLOCK_BYTES..][..BLOCK_BYTES], slot));
    let newest = (0..SLOTS).filter_map(|slot| slots[slot].map(|found| (slot, found)));
    let Some((slot, (version, generation, superblock))) =
        newest.max_by_key(|(_, (_, generation, _))| *generation)
    else {
        return Err(SuperblockError::Damaged { path });
    };
    if version > VERSION {
        return Err(SuperblockError::Newer { path, found: version });
    }
    let other_damaged = slots[1 - slot].is_none();
    Ok(Some(Loaded { superblock, generation, slot, other_damaged }))
}

impl Loaded {
    /// Whether both slots are intact.
    pub(crate) fn is_whole(&self) -> bool {
        !self.other_damaged
    }

    /// The epoch of the next opening, of a journal whose last batch has `journal_epoch`.
    pub(crate) fn next_epoch(&self, journal_epoch: u64) -> u64 {
        let step = if self.other_damaged { 2 } else { 1 };
        (self.superblock.epoch + step).max(journal_epoch + 1)
    }

    /// Replaces the superblock. Durable when it returns.
    pub(crate) fn replace<D: Disk>(
        &mut self,
        disk: &D,
        dir: &Path,
        superblock: Superblock,
    ) -> Result<(), DiskError> {
        assert!(superblock.epoch > self.superblock.epoch, "epochs rise");
        let path = dir.join(NAME);
        let file = disk.open(&path, Mode::Write).map_err(failed(Op::Open, &path))?;
        // First over the older slot; then, when that is durable, over the other: either alone will
        // do.
        for (slot, generation) in [1 - self.slot, self.slot].into_iter().zip(self.generation + 1..)
        {
            write_slot(&file, &path, slot, generation, &superblock)?;
            file.sync().map_err(failed(Op::Sync, &path))?;
        }
        let generation = self.generation + SLOTS as u64;
        *self = Loaded { superblock, generation, other_damaged: false, ..*self };
        Ok(())
    }
}

fn write_slot<F: DiskFile>(
    file: &F,
    path: &Path,
    slot: usize,
    generation: u64,
    superblock: &Superblock,
) -> Result<(), DiskError> {
    let raw = RawSlot {
        magic: MAGIC.into(),
        crc: 0.into(),
        version: VERSION.into(),
        shard: superblock.shard.into(),
        shard_count: superblock.shard_count.into(),
        reserved: 0.into(),
        generation: generation.into(),
        epoch: superblock.epoch.into(),
        segment_bytes: superblock.segment_bytes.into(),
        end_segment: superblock.end.segment.into(),
        end_offset: superblock.end.offset.into(),
        remains_segment: superblock.remains.segment.into(),
        remains_offset: superblock.remains.offset.into(),
    };
    let mut block = [0; BLOCK_BYTES];
    block[..size_of::<RawSlot>()].copy_from_slice(raw.as_bytes());
    let crc = checksum(&block, slot);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
    let offset = (slot * BLOCK_BYTES) as u64;
    file.write_all_at(&block, offset).map_err(failed_at(Op::Write, path, offset))
}

fn read_slot(block: &[u8], slot: usize) -> Option<(u16, u64, Superblock)> {
    let (raw, _) = RawSlot::ref_from_prefix(block).ok()?;
    if raw.magic.get() != MAGIC || raw.crc.get() != checksum(block, slot) {
        return None;
    }
    let superblock = Superblock {
        shard: raw.shard.get(),
        shard_count: raw.shard_count.get(),
        segment_bytes: raw.segment_bytes.get(),
        epoch: raw.epoch.get(),
        end: Place { segment: raw.end_segment.get(), offset: raw.end_offset.get() },
        remains: Place { segment: raw.remains_segment.get(), offset: raw.remains_offset.get() },
    };
    let Superblock { end, remains, segment_bytes, epoch, .. } = superblock;
    let generation = raw.generation.get();
    let counts = [generation, epoch, segment_bytes, end.segment, remains.segment];
    let is_sound = segment::is_size(segment_bytes)
        && superblock.shard < superblock.shard_count
        && counts.iter().all(|count| *count <= COUNT_MAX)
        && end.offset.max(remains.offset) <= segment_bytes;
    // What a later version says is not for this one to judge.
    let version = raw.version.get();
    (is_sound || version > VERSION).then_some((version, generation, superblock))
}

fn checksum(block: &[u8], slot: usize) -> u32 {
    let mut head = [0; 16];
    head[..8].copy_from_slice(&(slot as u64).to_le_bytes());
    head[8..12].copy_from_slice(&block[..4]);
    crc32c::crc32c_append(crc32c::crc32c(&head), &block[8..])
}
