//! What a feeder hands to a shard: fills, statuses, and how far it has read.
//!
//! A feeder is a thread that reads for all shards what is not theirs to read alone, such as the files of a node. Entries
//! are `Copy` and of one size, so neither side allocates for them.

use shards::{Address, Fill, OrderStatus};

/// One entry of the ring between a feeder and a shard.
#[derive(Clone, Copy, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every entry is a fill")]
pub enum Fed {
    /// A fill of an account that the shard follows.
    Fill {
        /// The account.
        address: Address,
        /// The fill.
        fill: Fill,
    },
    /// The status of an order.
    Status(OrderStatus),
    /// All of a block, and of those before it, has been given.
    Block {
        /// Index of the source.
        source: u16,
        /// The feeder's number for it; rises. A node's block number where its files have one.
        number: u64,
        /// Block time, Unix milliseconds.
        time_ms: u64,
    },
    /// An account is fed from here on.
    Join {
        /// The account.
        address: Address,
        /// Block time of the last block before, Unix milliseconds.
        at_ms: u64,
        /// Whether nothing was missed since what the shards have acknowledged.
        continues: bool,
        /// Of the watch that it was ordered for: what was ordered for an earlier one does not count.
        ticket: u64,
    },
}
