//! Where a key lives: `partition = xxh3_64(key) % 1024`, `shard = partition % shard_count`.
//!
//! The hash is part of the on-disk contract. It never changes: journals are laid out by it.

use crate::address::Address;

/// Number of partitions, for ever. Shards own whole partitions, so re-sharding moves these, not keys.
pub const PARTITIONS: u16 = 1024;

/// Number of a shard, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

/// Number of a partition, from 0 to [`PARTITIONS`] - 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Partition(pub u16);

impl Partition {
    /// The partition of a key: the 20 bytes of an address, or the UTF-8 of a symbol.
    pub fn of(key: &[u8]) -> Partition {
        Partition((xxhash_rust::xxh3::xxh3_64(key) % u64::from(PARTITIONS)) as u16)
    }

    /// The shard that owns this partition when there are `shard_count` of them.
    pub fn shard(self, shard_count: u16) -> ShardId {
        assert!(shard_count > 0, "a node has at least one shard");
        ShardId(self.0 % shard_count)
    }
}

/// The shard that owns an account.
pub fn shard_of(address: &Address, shard_count: u16) -> ShardId {
    Partition::of(&address.0).shard(shard_count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_in_the_journals() {
        // Golden values: from the reference implementation of xxh3-64 with seed 0.
        assert_eq!(xxhash_rust::xxh3::xxh3_64(b""), 0x2d06_8005_38d3_94c2);
        let keys: [&[u8]; 4] = [&[0; 20], &[0xff; 20], b"BTC", b"ETH"];
        let found = keys.map(|key| Partition::of(key).0);
        assert_eq!(found, [945, 526, 336, 969]);
    }

    #[test]
    fn neighbours_spread_over_shards() {
        let mut count = [0u32; 8];
        for i in 0..8000u64 {
            let mut bytes = [0; 20];
            bytes[..8].copy_from_slice(&(i << 8).to_le_bytes());
            count[usize::from(shard_of(&Address(bytes), 8).0)] += 1;
        }
        assert!(count.iter().all(|&n| (900..1100).contains(&n)), "{count:?}");
    }
}
