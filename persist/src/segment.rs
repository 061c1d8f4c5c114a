//! Segment files: their names, their sizes, and how one is made.
//!
//! A segment is written with zeros and made durable before it gets its name, so a file called
//! `NNNNNN.journal` has its full size and its blocks on disk: writing into it never needs space,
//! nor a commit of the file system.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::batch::COUNT_MAX;
use crate::block::{BLOCK_BYTES, Blocks};
use crate::disk::{
    Disk, DiskError, DiskFile, Mode, Op, OsDisk, OsFile, failed, failed_at, sync_names,
};
use crate::recycle;

/// A segment to be made. Handed out by a journal, carried to a background thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentOrder {
    /// The journal's directory.
    pub dir: PathBuf,
    /// Which segment.
    pub index: u64,
    /// Its size.
    pub segment_bytes: u64,
}

/// A segment that is ready to be written.
#[derive(Debug)]
pub struct Segment<F = OsFile> {
    /// Which segment.
    pub index: u64,
    /// Its file.
    pub file: F,
    /// Whether writes go around the page cache. If not, the file system has no O_DIRECT: worth a
    /// word to the user, for a flush is slower then.
    pub direct: bool,
}

/// Why a segment could not be made.
#[derive(Debug, Error)]
pub enum SegmentError {
    /// The disk is full. It may be tried again with the same order.
    #[error("no space for a segment of {bytes} bytes at {}", .cause.path.display())]
    NoSpace {
        /// Size of the segment.
        bytes: u64,
        /// What was being done.
        #[source]
        cause: DiskError,
    },
    /// The disk said no.
    #[error(transparent)]
    Disk(DiskError),
}

/// Makes a segment: zeros, sync, rename, sync of the directory. Takes the oldest segment that nobody
/// needs, if there is one. Blocks; meant for a background thread.
pub fn prepare(order: &SegmentOrder) -> Result<Segment, SegmentError> {
    prepare_on(&OsDisk, order)
}

/// [`prepare`] on any disk.
pub(crate) fn prepare_on<D: Disk>(
    disk: &D,
    order: &SegmentOrder,
) -> Result<Segment<D::File>, SegmentError> {
    let made = match recycle::again(disk, order) {
        Ok(Some(segment)) => Ok(segment),
        Ok(None) => make(disk, order),
        Err(error) => Err(error),
    };
    made.map_err(|cause| match cause.is_no_space() {
        true => SegmentError::NoSpace { bytes: order.segment_bytes, cause },
        false => SegmentError::Disk(cause),
    })
}

fn make<D: Disk>(disk: &D, order: &SegmentOrder) -> Result<Segment<D::File>, DiskError> {
    let tmp = tmp_of(&order.dir, order.index);
    drop(disk.create(&tmp).map_err(failed(Op::Create, &tmp))?);
    finish(disk, order)
}

/// Fills the order's unfinished file with zeros and gives it its name.
pub(crate) fn finish<D: Disk>(
    disk: &D,
    order: &SegmentOrder,
) -> Result<Segment<D::File>, DiskError> {
    let (tmp, path) = (tmp_of(&order.dir, order.index), path_of(&order.dir, order.index));
    let written = write_zeros(disk, &tmp, order.segment_bytes);
    if written.is_err() {
        // A full disk is not to be kept full by our attempt. If this fails too, the next opening
        // removes it.
        let _ = disk.remove(&tmp);
    }
    written?;
    disk.rename(&tmp, &path).map_err(failed(Op::Rename, &path))?;
    let opened = sync_names(disk, &order.dir).and_then(|()| open(disk, &order.dir, order.index));
    if opened.is_err() {
        // Nobody has had it. With its name the order could not be tried again: what failed may be in passing.
        let _ = disk.remove(&path);
    }
    opened
}

/// The file of an order before it is finished.
pub(crate) fn tmp_of(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:06}{TMP_SUFFIX}"))
}

/// Around the page cache, where that is possible: syncing a whole segment of dirty pages would hold
/// up the flushes of the journal itself.
fn write_zeros<D: Disk>(disk: &D, path: &Path, bytes: u64) -> Result<(), DiskError> {
    const CHUNK_BYTES: u64 = 256 << 10;
    let file = disk.open(path, Mode::WriteDirect).map_err(failed(Op::Open, path))?;
    let zeros = Blocks::with_bytes(CHUNK_BYTES.min(bytes) as usize);
    let mut offset = 0;
    while offset < bytes {
        let chunk = &zeros.bytes()[..CHUNK_BYTES.min(bytes - offset) as usize];
        file.write_all_at(chunk, offset).map_err(failed_at(Op::Write, path, offset))?;
        offset += chunk.len() as u64;
    }
    file.sync().map_err(failed(Op::Sync, path))
}

/// Opens a segment that exists, to be written.
pub(crate) fn open<D: Disk>(
    disk: &D,
    dir: &Path,
    index: u64,
) -> Result<Segment<D::File>, DiskError> {
    let path = path_of(dir, index);
    let file = disk.open(&path, Mode::WriteDirect).map_err(failed(Op::Open, &path))?;
    let direct = file.is_direct();
    Ok(Segment { index, file, direct })
}

/// The file of segment `index`.
pub fn path_of(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:06}{SUFFIX}"))
}

const SUFFIX: &str = ".journal";
const TMP_SUFFIX: &str = ".journal.tmp";

/// What is in a journal's directory.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Listing {
    /// Segments, ascending.
    pub(crate) segments: Vec<u64>,
    /// Files left behind by an attempt that was cut short.
    pub(crate) unfinished: Vec<String>,
}

/// Lists a journal's directory.
pub(crate) fn list<D: Disk>(disk: &D, dir: &Path) -> Result<Listing, DiskError> {
    let mut listing = Listing::default();
    for name in disk.list(dir).map_err(failed(Op::List, dir))? {
        let index = name.strip_suffix(SUFFIX).and_then(|stem| stem.parse().ok());
        // Only the one spelling of an index is ours: `1.journal` is a stranger.
        match index.filter(|index| *index <= COUNT_MAX && format!("{index:06}{SUFFIX}") == name) {
            Some(index) => listing.segments.push(index),
            None if name.ends_with(".tmp") => listing.unfinished.push(name),
            None => {}
        }
    }
    listing.segments.sort_unstable();
    Ok(listing)
}

/// Whether a segment may have this size: whole blocks, at least one.
pub(crate) fn is_size(bytes: u64) -> bool {
    bytes > 0 && bytes.is_multiple_of(BLOCK_BYTES as u64)
}
