//! A place in a node's files: behind one line of one of them.

use net::hyperliquid::node::Kind;
use xxhash_rust::xxh3::xxh3_64;

use super::hours::Hour;

/// Behind a line. The line is kept by its hash: a file that was replaced by another has another one there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Which files.
    pub(super) kind: Kind,
    /// Which of them.
    pub(super) hour: Hour,
    /// Where the next line begins.
    pub(super) offset: u64,
    /// Length of the line before, with its line feed; 0 at the beginning of the file.
    pub(super) line_bytes: u64,
    /// XXH3 of that line, without its line feed.
    pub(super) line_hash: u64,
}

/// The hash of a line.
pub(super) fn line_hash(line: &[u8]) -> u64 {
    xxh3_64(line)
}
