//! Finds a stored value by its key: open addressing, one probe in the usual case.
//!
//! An entry is eight bytes: 32 bits of the key's hash and the slot of the value, so that eight
//! entries share a cache line and the value is looked at only when 32 bits agree. Entries stand in
//! the first free place from where their hash points (linear probing); a removal moves later
//! entries back, which needs no look at their values, so there are no tombstones and a table that
//! has seen a billion keys is as fast as a new one. At most a quarter of the places are in use, as
//! each entry in the way is a branch that can't be predicted; half of them in a large table, which
//! misses the caches anyway and should do so less often.
//!
//! Keys are what outsiders choose, so the hash is seeded by the owner of the book: chosen keys
//! can't be made to collide without the seed. The table is never read out in its own order: the
//! seed can't show in any result.

use crate::arena::Slot;
use std::marker::PhantomData;

/// A place of the table: hash above, number of the slot plus one below. Zero when vacant.
type Entry = u64;

const VACANT: Entry = 0;

/// Where a key is, or where it would go. Holds until the table changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Probe<T> {
    /// The key's place and its value.
    Found(Place, Slot<T>),
    /// The key is not in the table; this is where to put it.
    Vacant(Place),
}

/// A place found by [`Index::probe`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    at: usize,
    hash: u32,
}

/// Slots of `T` by a key that each `T` has.
pub(crate) struct Index<T> {
    /// A power of two.
    table: Box<[Entry]>,
    /// How many entries it takes before it grows.
    room: usize,
    /// Takes a hash to the place where the search for it starts.
    shift: u32,
    len: usize,
    /// Odd and drawn from the seed.
    multiplier: u64,
    growths: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Index<T> {
    /// Room for `capacity` keys.
    pub(crate) fn new(capacity: usize, seed: u64) -> Index<T> {
        let multiplier = spread(seed) | 1;
        let (table, shift, room) = vacant(capacity);
        Index { table, shift, room, len: 0, multiplier, growths: 0, of: PhantomData }
    }

    /// Where the value with `key` is, or where it would go. `is` tells whether the value of a slot
    /// has the key; it is asked only about values whose hash agrees.
    #[inline]
    pub(crate) fn probe(&self, key: u64, is: impl Fn(Slot<T>) -> bool) -> Probe<T> {
        let hash = self.hash(key);
        let mut at = self.home(hash);
        loop {
            let entry = self.table[at];
            if entry == VACANT {
                return Probe::Vacant(Place { at, hash });
            }
            if (entry >> 32) as u32 == hash && is(slot_of(entry)) {
                return Probe::Found(Place { at, hash }, slot_of(entry));
            }
            at = self.after(at);
        }
    }

    /// Adds a slot at the vacant place that [`Index::probe`] gave for its key, with no change in
    /// between.
    #[inline]
    pub(crate) fn insert(&mut self, place: Place, slot: Slot<T>) {
        let entry = &mut self.table[place.at];
        assert!(*entry == VACANT, "the index changed since the probe");
        *entry = u64::from(place.hash) << 32 | u64::from(slot.number().wrapping_add(1));
        self.len = self.len.wrapping_add(1);
        if self.len > self.room {
            self.grow();
        }
    }

    /// Removes what is at a place that [`Index::probe`] found, with no change in between.
    #[inline]
    pub(crate) fn remove(&mut self, place: Place) {
        let mut hole = place.at;
        let mut at = self.after(hole);
        while self.table[at] != VACANT {
            let entry = self.table[at];
            // An entry may move back to the hole unless its home lies behind the hole: then a probe
            // for it would start too late to find it.
            let home = self.home((entry >> 32) as u32);
            if self.distance(home, at) >= self.distance(hole, at) {
                self.table[hole] = entry;
                hole = at;
            }
            at = self.after(at);
        }
        self.table[hole] = VACANT;
        self.len = self.len.wrapping_sub(1);
    }

    /// Removes the entry of a slot by its key.
    #[inline]
    pub(crate) fn forget(&mut self, key: u64, slot: Slot<T>) {
        match self.probe(key, |held| held == slot) {
            Probe::Found(place, _) => self.remove(place),
            Probe::Vacant(_) => unreachable!("what is stored is in the index"),
        }
    }

    /// All slots, in an order that means nothing.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot<T>> + '_ {
        self.table.iter().filter(|entry| **entry != VACANT).map(|entry| slot_of(*entry))
    }

    /// Keys in the table.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How often the capacity was exceeded.
    pub(crate) fn growths(&self) -> u32 {
        self.growths
    }

    /// Makes room for at least `capacity` keys in all.
    pub(crate) fn reserve(&mut self, capacity: usize) {
        if places(capacity) > self.table.len() {
            self.rebuild(capacity);
        }
    }

    /// Gives the memory beyond `capacity` back. For an empty table.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        assert!(self.len == 0, "a table in use was shrunk");
        if places(capacity) < self.table.len() {
            (self.table, self.shift, self.room) = vacant(capacity);
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.growths += 1;
        self.rebuild(self.len * 2);
    }

    fn rebuild(&mut self, capacity: usize) {
        let (table, shift, room) = vacant(capacity);
        let old = std::mem::replace(&mut self.table, table);
        (self.shift, self.room) = (shift, room);
        for entry in old.into_iter().filter(|entry| *entry != VACANT) {
            let mut at = self.home((entry >> 32) as u32);
            while self.table[at] != VACANT {
                at = self.after(at);
            }
            self.table[at] = entry;
        }
    }

    /// Multiplies by a random odd number and takes the highest bits: two keys agree in k of them
    /// with a probability of at most 2 in 2^k, whatever the keys are (Dietzfelbinger and others,
    /// "A reliable randomized algorithm for the closest-pair problem", 1997).
    #[inline]
    fn hash(&self, key: u64) -> u32 {
        (key.wrapping_mul(self.multiplier) >> 32) as u32
    }

    /// Where the search for a hash starts.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash.wrapping_shr(self.shift) as usize
    }

    /// The place after one, around the end.
    #[inline]
    fn after(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.table.len().wrapping_sub(1)
    }

    /// How many places lie from one to another, around the end.
    #[inline]
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.table.len().wrapping_sub(1)
    }
}

#[inline]
fn slot_of<T>(entry: Entry) -> Slot<T> {
    Slot::new((entry as u32).wrapping_sub(1))
}

/// A vacant table with room for `capacity` keys, the shift that belongs to its size, and its room.
fn vacant(capacity: usize) -> (Box<[Entry]>, u32, usize) {
    let places = places(capacity);
    let room = if places <= SPARSE_PLACES_MAX { places / 4 } else { places / 2 };
    (vec![VACANT; places].into_boxed_slice(), 32 - places.ilog2(), room)
}

/// Places of a table for `capacity` keys.
fn places(capacity: usize) -> usize {
    let sparse = (capacity * 4).next_power_of_two().max(16);
    if sparse <= SPARSE_PLACES_MAX { sparse } else { (capacity * 2).next_power_of_two() }
}

/// A table of up to so many places, 512 KiB, is kept sparse.
const SPARSE_PLACES_MAX: usize = 1 << 16;

/// Spreads a seed over 64 bits, so that seeds 1, 2, 3 serve as well as random ones
/// (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
fn spread(seed: u64) -> u64 {
    let a = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

const _: () = assert!(crate::ORDERS_MAX < 1 << 24, "a table has at most 2^25 places");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Keys whose value has the key's own number as its slot.
    fn find(index: &Index<()>, key: u64, keys: &[u64]) -> Probe<()> {
        index.probe(key, |slot| keys[slot.number() as usize] == key)
    }

    fn agree(index: &Index<()>, keys: &[u64], model: &BTreeMap<u64, Slot<()>>) {
        assert_eq!(index.len(), model.len());
        for (key, slot) in model {
            assert!(matches!(find(index, *key, keys), Probe::Found(_, found) if found == *slot));
        }
    }

    #[test]
    fn agrees_with_a_map_under_adds_and_removals() {
        // A small table that stays about half full, so that runs of entries wrap and move back.
        let keys: Vec<u64> = (0..64).collect();
        for seed in 0..20 {
            let mut index = Index::new(8, seed);
            let mut model = BTreeMap::new();
            let mut word = seed;
            for _ in 0..2000 {
                word = spread(word);
                let key = word % 64;
                match find(&index, key, &keys) {
                    Probe::Found(place, slot) => {
                        assert_eq!(model.remove(&key), Some(slot));
                        if word >> 63 == 0 {
                            index.remove(place);
                        } else {
                            index.forget(key, slot);
                        }
                    }
                    Probe::Vacant(place) if model.len() < 8 => {
                        let slot = Slot::new(key as u32);
                        assert_eq!(model.insert(key, slot), None);
                        index.insert(place, slot);
                    }
                    Probe::Vacant(_) => assert!(!model.contains_key(&key)),
                }
                agree(&index, &keys, &model);
            }
            assert_eq!((index.growths(), index.table.len()), (0, 32));
        }
    }

    #[test]
    fn takes_extreme_keys_and_counts_growth() {
        let shifted = (0..998).map(|at| (at + 1) << 40);
        let keys: Vec<u64> = [0, u64::MAX].into_iter().chain(shifted).collect();
        let mut index = Index::new(4, 7);
        let mut model = BTreeMap::new();
        for (key, at) in keys.iter().zip(0..) {
            match find(&index, *key, &keys) {
                Probe::Vacant(place) => index.insert(place, Slot::new(at)),
                Probe::Found(..) => panic!("{key} is new"),
            }
            model.insert(*key, Slot::new(at));
        }
        agree(&index, &keys, &model);
        assert!((1..=8).contains(&index.growths()));
        let growths = index.growths();
        index.reserve(100_000);
        agree(&index, &keys, &model);
        assert_eq!(index.growths(), growths, "room made ahead of need is no growth");
        for (key, slot) in model {
            index.forget(key, slot);
        }
        index.shrink_to(4);
        assert_eq!((index.len(), index.table.len()), (0, 16));
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_value() {
        let mut index: Index<()> = Index::new(8, 3);
        // The key is the same for the table; only `is` knows better.
        for at in 0..8 {
            match index.probe(5, |slot| slot == Slot::new(at)) {
                Probe::Vacant(place) => index.insert(place, Slot::new(at)),
                Probe::Found(..) => panic!("{at} is new"),
            }
        }
        for at in [3, 0, 7, 4] {
            index.forget(5, Slot::new(at));
        }
        for at in 0..8 {
            let found = matches!(index.probe(5, |slot| slot == Slot::new(at)), Probe::Found(..));
            assert_eq!(found, [1, 2, 5, 6].contains(&at), "{at}");
        }
    }

    #[test]
    fn long_runs_stay_short_for_sequential_and_shifted_keys() {
        for shift in [0, 1, 8, 16, 32, 50] {
            let keys: Vec<u64> = (0..4096).map(|at| at << shift).collect();
            let mut index: Index<()> = Index::new(4096, 3);
            let mut far = 0;
            for (key, at) in keys.iter().zip(0..) {
                match find(&index, *key, &keys) {
                    Probe::Vacant(place) => {
                        let home = index.home(index.hash(*key));
                        far = far.max(place.at.wrapping_sub(home) & (index.table.len() - 1));
                        index.insert(place, Slot::new(at));
                    }
                    Probe::Found(..) => panic!("keys are distinct"),
                }
            }
            assert!(far < 64, "a key is {far} places from home with shift {shift}");
        }
    }
}
