//! What else is in a journal's directory, read without changing anything: the superblock, the sizes
//! of the segments, the cursors, the snapshots.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::batch::Place;
use crate::block::BLOCK_BYTES;
use crate::cursor::{self, Cursor, CursorError};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, OsDisk, failed};
use crate::position::Position;
use crate::reader::Reader;
use crate::segment;
use crate::snapshot::{self, Header, SnapshotError};
use crate::superblock::{self, Superblock, SuperblockError};

/// A superblock, as far as it can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SuperblockState {
    /// There is none: this is no journal, or not a whole one.
    Missing,
    /// Both slots are damaged.
    Damaged,
    /// Of a later version.
    Newer {
        /// Its format.
        found: u16,
    },
    /// Read.
    Found {
        /// What it says.
        superblock: Superblock,
        /// Whether both slots are intact. One is enough.
        whole: bool,
    },
}

/// A segment file that does not have the size of all others.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{} has {found} bytes, it was made with {expected}", .path.display())]
pub struct WrongSize {
    /// Its index.
    pub segment: u64,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub found: u64,
    /// The size in the superblock.
    pub expected: u64,
}

/// A segment that is not there, though one behind it is.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{} is missing, {} is there", .missing.display(), .next.display())]
pub struct Hole {
    /// Index of the first segment that is missing.
    pub segment: u64,
    /// Its file.
    pub missing: PathBuf,
    /// The first file behind it that is there.
    pub next: PathBuf,
}

/// A sink's cursor.
#[derive(Debug)]
pub struct CursorFile {
    /// The sink.
    pub sink: String,
    /// The file.
    pub path: PathBuf,
    /// Where it is.
    pub position: Result<Position, CursorError>,
}

/// A snapshot.
#[derive(Debug)]
pub struct SnapshotFile {
    /// The last input in it, as its name says.
    pub seq: u64,
    /// The file.
    pub path: PathBuf,
    /// What it says of itself, if it is intact and fits the journal.
    pub header: Result<Header, SnapshotError>,
}

/// Reads the superblock of the journal in `dir`.
pub fn superblock(dir: &Path) -> Result<SuperblockState, DiskError> {
    match superblock::load(&OsDisk, dir) {
        Ok(None) => Ok(SuperblockState::Missing),
        Ok(Some(loaded)) => {
            let (superblock, whole) = (loaded.superblock, loaded.is_whole());
            Ok(SuperblockState::Found { superblock, whole })
        }
        Err(SuperblockError::Damaged { .. }) => Ok(SuperblockState::Damaged),
        Err(SuperblockError::Newer { found, .. }) => Ok(SuperblockState::Newer { found }),
        Err(SuperblockError::Disk(error)) => Err(error),
    }
}

/// Indexes of the segments in `dir`, ascending.
pub fn segments(dir: &Path) -> Result<Vec<u64>, DiskError> {
    Ok(segment::list(&OsDisk, dir)?.segments)
}

/// Segments in `dir` of another size than `segment_bytes`.
///
/// A segment gets its name only when it has its full size, so no crash explains another one.
pub fn wrong_sizes(dir: &Path, segment_bytes: u64) -> Result<Vec<WrongSize>, DiskError> {
    let mut wrong = Vec::new();
    for index in segments(dir)? {
        let path = segment::path_of(dir, index);
        let found = match OsDisk.open(&path, Mode::Read) {
            Ok(file) => file.length().map_err(failed(Op::Length, &path))?,
            // Recycled since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(Op::Open, &path)(error)),
        };
        if found != segment_bytes {
            wrong.push(WrongSize { segment: index, path, found, expected: segment_bytes });
        }
    }
    Ok(wrong)
}

/// The first gap among the segments in `dir`.
///
/// Segments are made in order, ahead of need, and used again from the oldest on: so no crash leaves
/// one out. What lies before the segment from which the oldest snapshot goes on is not needed, and
/// may be missing.
pub fn hole(dir: &Path) -> Result<Option<Hole>, DiskError> {
    // A node at work may have got on between two looks; what is missing stays so.
    let mut found = None;
    for _ in 0..2 {
        found = look_for_hole(dir)?;
        if found.is_none() {
            break;
        }
    }
    Ok(found)
}

fn look_for_hole(dir: &Path) -> Result<Option<Hole>, DiskError> {
    // In this order: snapshots that are made later need less.
    let segments = segments(dir)?;
    let Some(&first) = segments.first() else { return Ok(None) };
    let seqs = snapshot::list(dir)?.into_iter();
    let headers = seqs.filter_map(|seq| snapshot::header_on(&OsDisk, dir, seq).ok());
    let from = match headers.map(|header| header.mark.segment()).min() {
        Some(oldest) => oldest,
        None if is_begun(dir, first)? => first,
        None => 1,
    };
    let needed = segments.into_iter().filter(|index| *index >= from);
    for (expected, index) in (from..).zip(needed) {
        if index > expected {
            let (missing, next) = (segment::path_of(dir, expected), segment::path_of(dir, index));
            return Ok(Some(Hole { segment: expected, missing, next }));
        }
    }
    Ok(None)
}

/// Whether a segment begins with a batch. A journal that begins so without a snapshot lacks that,
/// and not the segments before, which were recycled.
fn is_begun(dir: &Path, segment: u64) -> Result<bool, DiskError> {
    let mut reader = Reader::new(dir.to_owned(), Mode::Read, BLOCK_BYTES);
    Ok(reader.batch(&OsDisk, Place { segment, offset: 0 })?.is_ok())
}

/// The cursors in `dir`, by name.
pub fn cursors(dir: &Path) -> Result<Vec<CursorFile>, DiskError> {
    let files = cursor::list(dir)?.into_iter();
    Ok(files.map(|(sink, path)| CursorFile { sink, position: Cursor::peek(&path), path }).collect())
}

/// The snapshots in `dir`, ascending, each judged by itself and against the journal.
pub fn snapshots(dir: &Path) -> Result<Vec<SnapshotFile>, DiskError> {
    let mut files = Vec::new();
    for seq in snapshot::list(dir)? {
        let path = snapshot::path_of(dir, seq);
        let header = match snapshot::load_fitting(dir, seq).map(|snapshot| snapshot.header) {
            Err(SnapshotError::Disk(error)) if error.source.kind() == io::ErrorKind::NotFound => {
                // Removed since it was listed: there are newer ones.
                continue;
            }
            judged => judged,
        };
        files.push(SnapshotFile { seq, path, header });
    }
    Ok(files)
}
