//! The pieces of one core: its thread, its ring, its bell, and the rings between threads.

pub mod bell;
pub mod channel;
pub mod clock;
pub mod events;
pub mod executor;
pub mod ring;
pub mod slice;
pub mod way;
