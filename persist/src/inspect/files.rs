//! What else is in a journal's directory, read without changing anything: the superblock, the sizes
//! of the segments, the cursors, the snapshots.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cursor::{self, Cursor, CursorError};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, OsDisk, failed};
use crate::position::Position;
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
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub found: u64,
    /// The size in the superblock.
    pub expected: u64,
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
            wrong.push(WrongSize { path, found, expected: segment_bytes });
        }
    }
    Ok(wrong)
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
        let header = match judged(dir, seq) {
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

fn judged(dir: &Path, seq: u64) -> Result<Header, SnapshotError> {
    let header = snapshot::load(dir, seq)?.header;
    let fit = snapshot::check_fit(&OsDisk, dir, &header.mark)?;
    fit.map_err(|what| SnapshotError::Stranger { path: snapshot::path_of(dir, seq), what })?;
    Ok(header)
}
