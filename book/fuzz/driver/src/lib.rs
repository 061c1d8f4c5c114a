//! Fuzzing of the order book: what the targets do, and a driver that runs them without libFuzzer.
//!
//! Three targets, each a function from bytes that panics when something does not hold:
//!
//! * [`commands`]: records are applied to two books. Every event must be the one that a [`ledger`]
//!   of plain maps foretells, every level the one that followed the changes of levels, every sum of
//!   lots what it was; both books, and copies made of their snapshots, must stay the same.
//! * [`snapshot`]: whatever decodes is sound, encodes to the same bytes and can be traded on.
//! * [`file`](mod@file): command files never break their reader, and mean what their header says.
//!
//! [`drive`] makes inputs: it mutates those that showed something new. There is no clock and no
//! randomness in it but the seed, so a run can be repeated.

pub mod commands;
pub mod dense;
pub mod drive;
pub mod file;
pub mod ledger;
pub mod marks;
pub mod mutate;
pub mod rng;
pub mod shrink;
pub mod snapshot;
pub mod target;
pub mod trial;

pub use marks::Marks;
pub use target::Target;
