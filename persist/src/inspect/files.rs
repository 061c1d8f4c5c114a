//! What else is in a journal's directory, read without changing anything: the superblock, the sizes
//! of the segments, the cursors.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cursor::{self, Cursor, CursorError};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, OsDisk, failed};
use crate::position::Position;
use crate::segment;
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
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
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
    let mut names = OsDisk.list(dir).map_err(failed(Op::List, dir))?;
    names.sort();
    let sinks = names.iter().filter_map(|name| name.strip_prefix(cursor::PREFIX));
    Ok(sinks
        .map(|sink| {
            let path = cursor::path_of(dir, sink);
            CursorFile { sink: sink.to_owned(), position: Cursor::peek(&path), path }
        })
        .collect())
}
