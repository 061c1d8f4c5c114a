//! What survives a power cut: journal, cursors, superblock, directory lock, and the SQL store.
//!
//! Principles: bytes only, no domain type. A record is a kind, a flag that says whether it is an
//! input, a time and a body; what they mean is the caller's. Nothing is believed that a checksum
//! over content *and place* does not cover. Nothing that was acknowledged is ever dropped in
//! silence: recovery either proves that what it cuts was never acknowledged, or refuses and changes
//! nothing. The crate opens no ring, starts no thread, prints nothing.
//!
//! The journal's writer ([`journal::Journal`]) does no I/O: it hands out writes and is told how
//! they went. All else under it goes through [`disk::Disk`], so that a model of a disk can be
//! crashed at every point.
//!
//! | file | what is in it |
//! |---|---|
//! | `block` | aligned buffers, the window through which files are read |
//! | `batch` | the unit of writing: byte layout, encode, check, decode |
//! | `chain` | the rule by which one batch continues another |
//! | `defence` | what keeps a journal safe, each to be taken away by a test |
//! | `disk` | the trait under everything that touches a disk, and the real one |
//! | `superblock` | shard, shard count, format, epoch |
//! | `segment` | names, sizes and preparation of segment files |
//! | `reader` | reading batches from segment files |
//! | `recover` | the scan: replay, find the end, tell torn from damaged |
//! | `open` | opening for writing, replaying without writing |
//! | `journal` | the writer's state machine |
//! | `flight` | a write and its sync, and what their completions mean |
//! | `ring` | ring entries of one flush; the only unsafe code |
//! | `snapshot` | the caller's state at one place of the journal |
//! | `recycle` | which segments nobody needs, and using them again |
//! | `tail` | reading a journal while it is written |
//! | `cursor` | how far a sink has acknowledged |
//! | `inspect` | looking at a journal whatever state it is in; writing a shorter one |
//! | `lock` | one process a directory |
//! | `store` | SQLite: schema, rows, retention; the lists that others keep there |

#![deny(unsafe_code)]

pub mod batch;
pub mod block;
pub(crate) mod chain;
pub mod cursor;
pub(crate) mod defence;
pub mod disk;
pub(crate) mod flight;
pub mod inspect;
pub mod journal;
pub mod lock;
pub mod open;
pub mod position;
pub mod recycle;
pub mod ring;
pub mod segment;
pub mod snapshot;
pub mod store;
pub mod superblock;
pub mod tail;

pub(crate) mod reader;
pub(crate) mod recover;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use batch::Record;
pub use journal::{Journal, Options};
pub use position::Position;
