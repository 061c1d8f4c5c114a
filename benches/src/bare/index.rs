//! Where an order id is found: open addressing, linear probing, one multiplicative hash, back-shift
//! deletion.
//!
//! An entry is eight bytes: the slot of the order, plus one, and the upper half of the id's hash.
//! The half tells the entry's home and nearly always the id, so neither a miss nor a back-shift
//! looks at orders.

use super::Order;

/// Odd, with bits spread: 2^64 over the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Ids to slots of orders.
pub(super) struct Index {
    entries: Vec<u64>,
    /// The home of a tag is its upper bits: `tag >> shift`.
    shift: u32,
    len: usize,
}

impl Index {
    /// Room for `orders` ids at a load of at most one quarter.
    pub(super) fn new(orders: usize) -> Index {
        let size = (orders.max(32) * 4).next_power_of_two();
        // Written, not only reserved: the first touch of a page is no part of a command.
        let mut entries = vec![1; size];
        entries.fill(0);
        Index { entries, shift: 32 - size.trailing_zeros(), len: 0 }
    }

    /// Number of ids.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place and the slot of an id; the place where it would go if it is not there.
    #[inline]
    pub(super) fn find(&self, id: u64, orders: &[Order]) -> Result<(usize, u32), usize> {
        let (mask, tag) = (self.entries.len() - 1, tag(id));
        let mut at = (tag >> self.shift) as usize & mask;
        loop {
            let entry = self.entries[at & mask];
            if entry == 0 {
                return Err(at);
            }
            let slot = (entry as u32).wrapping_sub(1);
            if (entry >> 32) as u32 == tag && orders[slot as usize].id == id {
                return Ok((at, slot));
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an id at the place that was found for it.
    #[inline]
    pub(super) fn insert(&mut self, vacant: usize, id: u64, slot: u32) {
        let mask = self.entries.len() - 1;
        self.entries[vacant & mask] = u64::from(tag(id)) << 32 | u64::from(slot + 1);
        self.len += 1;
        if self.len * 4 > self.entries.len() {
            self.grow();
        }
    }

    /// Removes the entry at a place, and moves those behind it that were pushed past it.
    #[inline]
    pub(super) fn remove(&mut self, place: usize) {
        self.len -= 1;
        let mask = self.entries.len() - 1;
        let (mut hole, mut at) = (place, place);
        loop {
            at = at.wrapping_add(1) & mask;
            let entry = self.entries[at & mask];
            if entry == 0 {
                break;
            }
            let home = ((entry >> 32) as u32 >> self.shift) as usize;
            // It may move to the hole if that lies between its home and where it is.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.entries[hole & mask] = entry;
                hole = at;
            }
        }
        self.entries[hole & mask] = 0;
    }

    fn put(&mut self, entry: u64) {
        let mask = self.entries.len() - 1;
        let mut at = ((entry >> 32) as u32 >> self.shift) as usize;
        while self.entries[at & mask] != 0 {
            at = at.wrapping_add(1);
        }
        self.entries[at & mask] = entry;
    }

    #[cold]
    fn grow(&mut self) {
        let doubled = vec![0; self.entries.len() * 2];
        let old = std::mem::replace(&mut self.entries, doubled);
        self.shift -= 1;
        old.into_iter().filter(|entry| *entry != 0).for_each(|entry| self.put(entry));
    }
}

#[inline]
fn tag(id: u64) -> u32 {
    (id.wrapping_mul(MULTIPLIER) >> 32) as u32
}
