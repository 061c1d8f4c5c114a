//! The runtime of corelane: cores and their rings, the shard loop, the publisher, control, and what the user sees.

pub mod lane;
