//! Which segments nobody needs any more, and using them again.
//!
//! A segment is needed by the older of the two snapshots that are kept, so that a damaged newest one
//! costs nothing but time; by every cursor file in the directory, of sinks that are configured or
//! not; and while there are fewer than two snapshots, by the next opening. All of this is read from
//! the disk, after cursors were synced: what a power cut could take back does not count.
//!
//! To be used again a segment loses its name first, durably, and is then made like a new one: zeros,
//! sync, its next name. Its blocks on the disk are allocated already, so the file system has little
//! to commit; writing zeros costs bandwidth, and buys that recovery never meets old batches.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::batch::Place;
use crate::block::BLOCK_BYTES;
use crate::cursor::{self, Cursor, CursorError};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, OsDisk, failed, sync_names};
use crate::position::Position;
use crate::reader::Reader;
use crate::segment::{self, Segment, SegmentOrder};
use crate::snapshot::{self, SnapshotError};

/// Segments without use that are kept for orders to come. More are removed.
const KEPT: usize = 2;

/// Why it is not known what is needed. Nothing is recycled then.
#[derive(Debug, Error)]
pub enum NeedError {
    /// A cursor cannot be read.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// A snapshot cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What is needed of a journal, and by whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    /// The first segment that is needed: those before it may be recycled. 0 when all are.
    pub first: u64,
    /// Who needs that one.
    pub by: Needed,
}

/// Who needs a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Needed {
    /// There are fewer than two snapshots: the next opening may need everything.
    Opening,
    /// The older of the two snapshots.
    Snapshot {
        /// Its seq.
        seq: u64,
    },
    /// A cursor.
    Cursor {
        /// Its file.
        path: PathBuf,
        /// How far its sink has come.
        at: Position,
    },
}

/// What is needed of the journal in `dir`.
pub fn need(dir: &Path) -> Result<Need, NeedError> {
    need_on(&OsDisk, dir)
}

/// [`need`] on any disk.
pub(crate) fn need_on<D: Disk>(disk: &D, dir: &Path) -> Result<Need, NeedError> {
    let snapshots = snapshot::list_on(disk, dir)?;
    let Some(&older) = snapshots.iter().rev().nth(snapshot::KEPT - 1) else {
        return Ok(Need { first: 0, by: Needed::Opening });
    };
    let newest = *snapshots.last().expect("there are two");
    let header = snapshot::header_on(disk, dir, older)?;
    // One to fall back to is no use if there is nothing to fall back from.
    snapshot::header_on(disk, dir, newest)?;
    let first = header.mark.segment();
    let mut need = Need { first, by: Needed::Snapshot { seq: older } };
    for (_, path) in cursor::list_on(disk, dir)? {
        let cursor = Cursor::open_on(disk, &path)?;
        cursor.sync()?;
        let at = cursor.get();
        if at >= header.last_event {
            continue;
        }
        let segment = segment_with(disk, dir, at, need.first)?;
        if segment < need.first {
            need = Need { first: segment, by: Needed::Cursor { path, at } };
        }
    }
    Ok(need)
}

/// The last segment before `end` that begins at or before what follows `at`; 0 if none does.
fn segment_with<D: Disk>(disk: &D, dir: &Path, at: Position, end: u64) -> Result<u64, DiskError> {
    let segments = segment::list(disk, dir)?.segments;
    let mut reader = Reader::new(dir.to_owned(), Mode::Read, BLOCK_BYTES);
    for &segment in segments.iter().rev().filter(|index| **index <= end) {
        let found = reader.batch(disk, Place { segment, offset: 0 })?;
        if found.is_ok_and(|found| found.header.first_seq <= at.seq.max(1)) {
            return Ok(segment);
        }
    }
    Ok(0)
}

/// Makes the segment that was ordered from the oldest one that nobody needs. `None` when all are
/// needed, or when that is not known.
pub(crate) fn again<D: Disk>(
    disk: &D,
    order: &SegmentOrder,
) -> Result<Option<Segment<D::File>>, DiskError> {
    let dir = &order.dir;
    let Ok(Need { first, .. }) = need_on(disk, dir) else { return Ok(None) };
    let mut unneeded = segment::list(disk, dir)?.segments;
    unneeded.retain(|index| *index < first);
    if unneeded.is_empty() {
        return Ok(None);
    }
    // A cursor may be passed because no event follows it there. That must still be known when the snapshot that says
    // so has been replaced.
    if let Some(&older) = snapshot::list_on(disk, dir)?.iter().rev().nth(snapshot::KEPT - 1)
        && snapshot::keep_header_on(disk, dir, older).is_err()
    {
        return Ok(None);
    }
    // From the oldest on, each durably before the next: what is left begins somewhere, and has all that follows.
    let surplus = unneeded.len().saturating_sub(1 + KEPT);
    for &index in &unneeded[..surplus] {
        let path = segment::path_of(dir, index);
        disk.remove(&path).map_err(failed(Op::Remove, &path))?;
        sync_names(disk, dir)?;
    }
    let path = segment::path_of(dir, unneeded[surplus]);
    let tmp = segment::tmp_of(dir, order.index);
    // What an earlier attempt left.
    if disk.open(&tmp, Mode::Read).is_ok() {
        disk.remove(&tmp).map_err(failed(Op::Remove, &tmp))?;
    }
    disk.rename(&path, &tmp).map_err(failed(Op::Rename, &path))?;
    // Its old name must be gone before its content goes.
    sync_names(disk, dir)?;
    let file = disk.open(&tmp, Mode::Read).map_err(failed(Op::Open, &tmp))?;
    let length = file.length().map_err(failed(Op::Length, &tmp))?;
    drop(file);
    if length != order.segment_bytes {
        disk.remove(&tmp).map_err(failed(Op::Remove, &tmp))?;
        return Ok(None);
    }
    segment::finish(disk, order).map(Some)
}
