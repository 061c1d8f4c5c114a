//! How the book is measured: flows of commands like those of markets, a bare prototype as the floor,
//! and what the benches and programs here have in common.
//!
//! * `flow PROFILE -o FILE` writes a command file for `corelane book exec`.
//! * `floor` prints, for each profile, the book and the prototype timed in turns in one run.
//! * `cargo bench -p benches --bench book_...` answers one question each.

pub mod bare;
pub mod digests;
pub mod flow;
pub mod pass;
pub mod stamps;
