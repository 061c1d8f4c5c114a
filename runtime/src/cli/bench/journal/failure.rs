//! What can go wrong while the journal is measured, and what the user reads then.

use std::io;
use std::path::{Path, PathBuf};

use persist::journal::JournalFault;
use persist::open::OpenError;
use persist::segment::SegmentError;
use thiserror::Error;

use crate::diag::{Problem, reason};
use crate::host::dirs;

/// Why there is no result.
#[derive(Debug, Error)]
pub(super) enum BenchError {
    /// A signal asked for the end.
    #[error("stopped by a signal")]
    Stopped,
    /// The system refused something.
    #[error("{what}: {}", reason(.source))]
    System { what: &'static str, source: io::Error },
    /// A file could not be used.
    #[error("{}: {}", .path.display(), reason(.source))]
    File { path: PathBuf, source: io::Error },
    /// The journal could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A segment could not be made.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A flush failed.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// A bare write wrote less than it was given.
    #[error("a bare write wrote {written} of {len} bytes")]
    Short { written: u32, len: u32 },
    /// The journal has no room, though segments were prepared.
    #[error("the journal has no segment to write into")]
    NoRoom,
    /// What was read back is not what was written.
    #[error("{found} records were read back, {expected} were written")]
    Lost { found: u64, expected: u64 },
    /// A measurement gave no samples.
    #[error("nothing was measured in the time given")]
    Nothing,
}

impl BenchError {
    /// For `map_err`.
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> BenchError {
        move |source| BenchError::System { what, source }
    }

    /// For `map_err`.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> BenchError {
        move |source| BenchError::File { path: path.to_owned(), source }
    }

    /// What the user reads.
    pub(super) fn problem(self, dir: &Path) -> Problem {
        let text = format!("{}: the journal could not be measured: {self}", dir.display());
        match self {
            BenchError::File { source, .. } => dirs::refused(dir, "--dir", &source),
            BenchError::Segment(SegmentError::NoSpace { .. }) => Problem::error("DSK001", text)
                .fix(
                    "free space, choose another directory with --dir, or a smaller --segment-size",
                ),
            BenchError::Stopped => Problem::error("BEN002", text),
            BenchError::Nothing => {
                Problem::error("BEN002", text).fix("a longer --for, or more --records")
            }
            _ => Problem::error("BEN003", text)
                .fix("look at the disk; `corelane check` looks at io_uring"),
        }
    }
}
