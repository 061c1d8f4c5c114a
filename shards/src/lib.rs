//! The shard core: what one core knows about its accounts, and what it makes of what it hears.
//!
//! Principles: no I/O, no clock, no randomness, no floats, no async. Time is a field of each input. An output
//! never depends on the order of a hash map. The same [`Core::step`] runs live, in replay, in tests and in
//! benches.

pub mod address;
pub mod cache;
pub mod codec;
mod core;
pub mod decimal;
pub mod event;
pub mod fill;
#[cfg(test)]
mod fixture;
pub mod input;
pub mod partition;
pub mod text;

pub use self::core::{Admission, Admitted, Core, Counts, Effects, ReshardError, StateError};
pub use address::Address;
pub use cache::{Cache, CacheCounts};
pub use decimal::Decimal;
pub use event::{Event, EventId, Gap, Seq, Signal};
pub use fill::{Dir, Fill, OrderStatus, Side};
pub use input::{Input, Origin, Policy, Request, StartFrom, SymbolEntry};
pub use partition::{Partition, ShardId, shard_of};
pub use text::{Coin, Label, Symbol, Text, Token};
