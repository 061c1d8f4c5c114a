//! A cache that is bounded by weight and lets the least valuable entries go first.
//!
//! **What an entry is worth.** Each entry has a weight (1 or more; the cache holds at most `weight_max` of it) and a number
//! of uses (its insertion, and every [`Cache::get`] that found it, up to [`USES_MAX`]). Its value is
//!
//! ```text
//! evictions so far when it was last used  +  uses x (weight_max / weight)
//! ```
//!
//! so an entry that is used more, or that is lighter, is worth more, and every eviction makes what was not used since
//! worth one less beside what is. `weight_max / weight` is how many entries like this one the cache holds: an entry with
//! `u` uses is still there after `u - 1` times as many others of its weight came and went unused. That is what a
//! scan of cold keys runs against, and how long an entry that was hot once stays: at most `USES_MAX` fillings of the cache.
//! Of equals the one that came first goes first.
//!
//! An entry that comes in stays in: others go. So a cache that is full of hot entries gives up one of them
//! (as many as the newcomer's weight takes) to let a scan through, and no more.
//!
//! **What it costs.** An index by key, a slab, and a binary heap by value that knows where each entry stands: O(1)
//! to find, O(log n) to count a use (O(1) when nothing was evicted since and the uses are at their limit), O(log n) for
//! each entry that comes or goes. All room grows with the entries; once the cache has been full nothing is allocated.
//!
//! No clock, no random number, no float. The index is only asked, never walked: what goes and what stays follows
//! from the calls alone.

use std::hash::Hash;

use foldhash::{HashMap, HashMapExt};
use slab::Slab;

/// Uses that count. More would keep what was hot once for too long.
pub const USES_MAX: u64 = 8;

/// What a cache has done and holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CacheCounts {
    /// Look-ups that found their key.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Entries that went to make room for others.
    pub evictions: u64,
    /// Entries, now.
    pub entries: u64,
    /// Their weight, now.
    pub weight: u64,
}

impl CacheCounts {
    /// Adds another cache's counts.
    pub fn add(&mut self, other: &CacheCounts) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.evictions += other.evictions;
        self.entries += other.entries;
        self.weight += other.weight;
    }
}

struct Entry<K, V> {
    key: K,
    value: V,
    weight: u64,
    uses: u64,
    /// What it is worth; of equals the lower number came first.
    worth: u64,
    number: u64,
    /// Its place in the heap.
    at: usize,
}

/// A map that is bounded by the weight of its entries. See the [module](self) for the rule.
pub struct Cache<K, V> {
    weight_max: u64,
    slots: HashMap<K, usize>,
    entries: Slab<Entry<K, V>>,
    /// Slots, the least valuable first: a parent is never worth more than its children.
    heap: Vec<usize>,
    /// Entries that there is room for in the index without an allocation.
    reserved: usize,
    /// How many entries ever came.
    numbers: u64,
    counts: CacheCounts,
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    /// An empty cache for entries of at most `weight_max` together.
    pub fn new(weight_max: u64) -> Cache<K, V> {
        // So that a value, which is at most `USES_MAX` times this and one more for each eviction, fits its 64 bits.
        assert!(weight_max < 1 << 48, "a cache of {weight_max} is none");
        Cache {
            weight_max,
            slots: HashMap::new(),
            entries: Slab::new(),
            heap: Vec::new(),
            reserved: 0,
            numbers: 0,
            counts: CacheCounts::default(),
        }
    }

    /// The value of a key. This is a use of it, and counted as a hit; or a miss.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let Some(&slot) = self.slots.get(key) else {
            self.counts.misses += 1;
            return None;
        };
        self.counts.hits += 1;
        self.used(slot);
        Some(&self.entries[slot].value)
    }

    /// The value of a key, without that being a use of it.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.slots.get(key).map(|&slot| &self.entries[slot].value)
    }

    /// The value of a key, to be changed, without that being a use of it.
    pub fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        self.slots.get(key).map(|&slot| &mut self.entries[slot].value)
    }

    /// Takes an entry, and lets others go until it fits. What the key had before is replaced, and its uses stay.
    /// `false` when the entry is heavier than the whole cache: then it is not taken, and the key has nothing.
    pub fn insert(&mut self, key: K, value: V, weight: u64) -> bool {
        assert!(weight > 0, "an entry without weight would never have to go");
        let uses = self.take(&key).map_or(1, |old| old.uses);
        if weight > self.weight_max {
            return false;
        }
        while self.counts.weight > self.weight_max - weight {
            let slot = *self.heap.first().expect("what weighs something is in the heap");
            self.leave(slot);
            self.counts.evictions += 1;
        }
        self.make_room();
        let worth = self.worth(uses, weight);
        let (number, at) = (self.numbers, self.heap.len());
        self.numbers += 1;
        let entry = Entry { key: key.clone(), value, weight, uses, worth, number, at };
        let slot = self.entries.insert(entry);
        self.slots.insert(key, slot);
        self.heap.push(slot);
        self.rise(at);
        self.counts.entries += 1;
        self.counts.weight += weight;
        true
    }

    /// Takes a key out. This is no eviction.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.take(key).map(|entry| entry.value)
    }

    /// Whether an entry of this weight fits without another one having to go.
    pub fn has_room(&self, weight: u64) -> bool {
        self.counts.weight.saturating_add(weight) <= self.weight_max
    }

    /// What was done, and what is held.
    pub fn counts(&self) -> CacheCounts {
        self.counts
    }

    fn worth(&self, uses: u64, weight: u64) -> u64 {
        self.counts.evictions + uses * (self.weight_max / weight)
    }

    fn used(&mut self, slot: usize) {
        let (uses, weight) = (self.entries[slot].uses, self.entries[slot].weight);
        let uses = USES_MAX.min(uses + 1);
        let worth = self.worth(uses, weight);
        let entry = &mut self.entries[slot];
        debug_assert!(worth >= entry.worth, "a use makes nothing worth less");
        entry.uses = uses;
        if worth != entry.worth {
            entry.worth = worth;
            let at = entry.at;
            self.sink(at);
        }
    }

    fn take(&mut self, key: &K) -> Option<Entry<K, V>> {
        let slot = *self.slots.get(key)?;
        Some(self.leave(slot))
    }

    fn leave(&mut self, slot: usize) -> Entry<K, V> {
        let entry = self.entries.remove(slot);
        self.slots.remove(&entry.key);
        self.heap.swap_remove(entry.at);
        if entry.at < self.heap.len() {
            // The last one of the heap stands here now; it may belong above or below.
            self.stand(entry.at);
            self.rise(entry.at);
            self.sink(entry.at);
        }
        self.counts.entries -= 1;
        self.counts.weight -= entry.weight;
        entry
    }

    /// Keeps twice the room that the index needs: then the marks that removed keys leave in it are cleaned up in place.
    fn make_room(&mut self) {
        if self.slots.len() == self.reserved {
            self.reserved = (2 * self.reserved).max(16);
            self.slots.reserve(2 * self.reserved - self.slots.len());
        }
    }

    fn is_before(&self, a: usize, b: usize) -> bool {
        let rank = |at: usize| {
            let entry = &self.entries[self.heap[at]];
            (entry.worth, entry.number)
        };
        rank(a) < rank(b)
    }

    fn stand(&mut self, at: usize) {
        let slot = self.heap[at];
        self.entries[slot].at = at;
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.stand(a);
        self.stand(b);
    }

    /// Lets what stands at `at` go up as far as it belongs.
    fn rise(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.is_before(at, parent) {
                return;
            }
            self.swap(at, parent);
            at = parent;
        }
    }

    /// Lets what stands at `at` go down as far as it belongs.
    fn sink(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if child < self.heap.len() && self.is_before(child, least) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.swap(at, least);
            at = least;
        }
    }
}

#[cfg(test)]
mod tests;
