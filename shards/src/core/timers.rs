//! Deadlines of orders and accounts, earliest first.
//!
//! A timer is never cancelled: its owner remembers the one deadline that counts, and an entry that no longer agrees
//! with it is dropped when it comes up, or before that when there are more such entries than owners: an order that ends
//! after a second must not leave one for a day. The heap keeps its room, so setting a timer does not allocate after
//! warm-up.
//!
//! Why a heap and no hierarchical wheel: `benches/benches/shard_timers.rs` has both, with the same order of what is due.
//! One order's timers cost, in ns (medians of two runs of seven, on a machine with a load of 8 on 2 processors):
//!
//! | orders at a time | their lives, two thirds stale: heap | wheel | time-outs, none stale: heap | wheel |
//! |---|---|---|---|---|
//! | 10 | 102, 85 | 108, 133 | 65, 52 | 131, 113 |
//! | 1,000 | 119, 159 | 114, 129 | 98, 84 | 115, 104 |
//! | 100,000 | 444, 469 | 354, 374 | 238, 320 | 101, 87 |
//!
//! The wheel wins where a shard has 100,000 orders, 0.1 to 0.2 us an order, which is a tenth of what else the order costs; it
//! loses where it has ten. And the next deadline, to the nanosecond, after each input, is the top of a heap; a wheel has to
//! look through a slot for it, or to wake for nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Whose deadline it is. The order of variants, account numbers and generations breaks ties, so that a replay agrees,
/// and a state that was read back from its bytes, where orders have other slab keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Owner {
    /// An account, by slab key: accounts are never removed, so it is the account's number.
    Account(usize),
    /// An order.
    Order {
        /// No two orders of a shard have the same.
        generation: u64,
        /// Its slab key, which is used again when the order is gone.
        key: usize,
    },
}

/// Deadlines in nanoseconds.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(u64, Owner)>>,
}

impl FromIterator<(u64, Owner)> for Timers {
    fn from_iter<I: IntoIterator<Item = (u64, Owner)>>(entries: I) -> Timers {
        Timers { heap: entries.into_iter().map(Reverse).collect() }
    }
}

impl Timers {
    pub(super) fn set(&mut self, deadline_ns: u64, owner: Owner) {
        self.heap.push(Reverse((deadline_ns, owner)));
    }

    /// Whether most entries cannot count, when there are `owners` with one that does. Each time that costs a pass over
    /// all entries, as many were set since the last time.
    pub(super) fn wants_sweep(&self, owners: usize) -> bool {
        /// Below this a pass is not worth it.
        const ENTRIES_MIN: usize = 64;
        self.len() > ENTRIES_MIN + 2 * owners
    }

    /// Drops the entries that do not count.
    pub(super) fn sweep(&mut self, counts: impl Fn(u64, Owner) -> bool) {
        self.heap.retain(|Reverse((deadline_ns, owner))| counts(*deadline_ns, *owner));
    }

    /// The earliest entry.
    pub(super) fn first(&self) -> Option<(u64, Owner)> {
        self.heap.peek().map(|Reverse(entry)| *entry)
    }

    /// Entries, those that no longer count as well.
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Removes the earliest entry.
    pub(super) fn pop(&mut self) {
        self.heap.pop();
    }
}
