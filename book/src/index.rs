//! Finds a stored value by its key: open addressing, one probe in the usual case.
//!
//! An entry is four bytes, so that sixteen share a cache line: the slot of the value, five bits of
//! the key's hash, and how far the entry stands from its home, where its hash points. A probe that
//! is n places from home looks only at values whose entry is n places from its home too and has the
//! same five bits. Entries stand in the first free place (linear probing); a removal moves later
//! entries back, for which the distances in the entries are enough, so there are no tombstones and
//! a table that has seen a billion keys is as fast as a new one.
//!
//! At most an eighth of the places are in use, as each entry in the way is a branch that can't be
//! predicted; a quarter in a table that would be too large for the nearest caches.
//!
//! Keys are what outsiders choose, so the hash is seeded by the owner of the book: chosen keys
//! can't be made to collide without the seed. The table is never read out in its own order: the
//! seed can't show in any result.

use crate::arena::Slot;
use std::marker::PhantomData;

/// A place of the table. Zero when vacant; else the number of the slot plus one in the low 24 bits,
/// then five bits of hash, then three bits of distance from home.
type Entry = u32;

const VACANT: Entry = 0;
const SLOT: Entry = (1 << 24) - 1;
/// One place further from home.
const STEP: Entry = 1 << 29;
/// The distance that stands for itself and all larger ones.
const FAR: Entry = 7;

/// Where a key is, or where it would go. Holds until the table changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Probe<T> {
    /// The key's place and its value.
    Found(Place, Slot<T>),
    /// The key is not in the table; this is where to put it.
    Vacant(Place),
}

/// A place found by [`Index::probe`], and what an entry of the key has there beside its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    at: usize,
    mark: Entry,
}

/// Slots of `T` by a key that each `T` has. What asks for it tells the key of a slot in `key_of`.
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
        Index { table, room, shift, len: 0, multiplier, growths: 0, of: PhantomData }
    }

    /// Where the value with `key` is, or where it would go.
    #[inline]
    pub(crate) fn probe(&self, key: u64, key_of: impl Fn(Slot<T>) -> u64) -> Probe<T> {
        self.search(key, |slot| key_of(slot) == key)
    }

    /// The same, with a question that tells the value from all others.
    #[inline]
    fn search(&self, key: u64, is: impl Fn(Slot<T>) -> bool) -> Probe<T> {
        let hash = self.hash(key);
        let mut at = self.home(hash);
        // Bits that no table is large enough to use for the home.
        let mut mark = ((hash >> 32) as u32 & 31) << 24;
        loop {
            let entry = self.table[at];
            if entry == VACANT {
                return Probe::Vacant(Place { at, mark });
            }
            if entry & !SLOT == mark && is(slot_of(entry)) {
                return Probe::Found(Place { at, mark }, slot_of(entry));
            }
            at = self.after(at);
            mark = mark.saturating_add(STEP).min(mark | (FAR * STEP));
        }
    }

    /// Adds a slot at the vacant place that [`Index::probe`] gave for its key, with no change in
    /// between.
    #[inline]
    pub(crate) fn insert(&mut self, place: Place, slot: Slot<T>, key_of: impl Fn(Slot<T>) -> u64) {
        let entry = &mut self.table[place.at];
        assert!(*entry == VACANT, "the index changed since the probe");
        *entry = place.mark | slot.number().wrapping_add(1) & SLOT;
        self.len = self.len.wrapping_add(1);
        if self.len > self.room {
            self.grow(key_of);
        }
    }

    /// Removes what is at a place that [`Index::probe`] found, with no change in between.
    #[inline]
    pub(crate) fn remove(&mut self, place: Place, key_of: impl Fn(Slot<T>) -> u64) {
        let hole = place.at;
        let next = self.after(hole);
        if self.table[next] == VACANT {
            self.table[hole] = VACANT;
        } else {
            self.close(hole, next, key_of);
        }
        self.len = self.len.wrapping_sub(1);
    }

    /// Closes a hole: moves back what stands behind it, as far as it may.
    fn close(&mut self, mut hole: usize, mut at: usize, key_of: impl Fn(Slot<T>) -> u64) {
        while self.table[at] != VACANT {
            let entry = self.table[at];
            let from_home = match entry / STEP {
                FAR => self.distance(self.home(self.hash(key_of(slot_of(entry)))), at),
                near => near as usize,
            };
            // It may move back to the hole unless its home lies behind the hole: then a probe for
            // it would start too late to find it.
            let back = self.distance(hole, at);
            if from_home >= back {
                let distance = ((from_home - back) as u32).min(FAR);
                self.table[hole] = (entry % STEP) | (distance * STEP);
                hole = at;
            }
            at = self.after(at);
        }
        self.table[hole] = VACANT;
    }

    /// Removes the entry of a slot by its key.
    #[inline]
    pub(crate) fn forget(&mut self, key: u64, slot: Slot<T>, key_of: impl Fn(Slot<T>) -> u64) {
        match self.search(key, |held| held == slot) {
            Probe::Found(place, _) => self.remove(place, key_of),
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
    pub(crate) fn reserve(&mut self, capacity: usize, key_of: impl Fn(Slot<T>) -> u64) {
        // Not the number of places: a table of the same size may be kept sparser.
        if capacity > self.room {
            self.rebuild(capacity, key_of);
        }
    }

    /// Gives the memory beyond `capacity` back. For an empty table.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        assert!(self.len == 0, "a table in use was shrunk");
        if places(capacity).0 < self.table.len() {
            (self.table, self.shift, self.room) = vacant(capacity);
        }
    }

    #[cold]
    fn grow(&mut self, key_of: impl Fn(Slot<T>) -> u64) {
        self.growths += 1;
        self.rebuild(self.len * 2, key_of);
    }

    fn rebuild(&mut self, capacity: usize, key_of: impl Fn(Slot<T>) -> u64) {
        let (table, shift, room) = vacant(capacity);
        let old = std::mem::replace(&mut self.table, table);
        (self.shift, self.room) = (shift, room);
        for entry in old.into_iter().filter(|entry| *entry != VACANT) {
            match self.search(key_of(slot_of(entry)), |_| false) {
                Probe::Vacant(place) => self.table[place.at] = place.mark | entry & SLOT,
                Probe::Found(..) => unreachable!("nothing is found where nothing matches"),
            }
        }
    }

    /// Multiplies by a random odd number, folds the product onto itself and multiplies again; the
    /// highest bits count. One multiplication is not enough: it takes ids at equal distances to homes
    /// at equal distances, and where these are near a fraction of the table with a small
    /// denominator, all ids stand in a few long runs.
    #[inline]
    fn hash(&self, key: u64) -> u64 {
        let product = key.wrapping_mul(self.multiplier);
        (product ^ product.rotate_right(29)).wrapping_mul(self.multiplier)
    }

    /// Where the search for a hash starts.
    #[inline]
    fn home(&self, hash: u64) -> usize {
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
    Slot::new((entry & SLOT).wrapping_sub(1))
}

/// A vacant table with room for `capacity` keys, the shift that belongs to its size, and its room.
fn vacant(capacity: usize) -> (Box<[Entry]>, u32, usize) {
    let (places, share) = places(capacity);
    (vec![VACANT; places].into_boxed_slice(), 64 - places.ilog2(), places / share)
}

/// Places of a table for `capacity` keys, a power of two, and the share of them that may be in use.
fn places(capacity: usize) -> (usize, usize) {
    let sized = |share: usize| ((capacity * share).next_power_of_two().max(16), share);
    let sparse = sized(8);
    if sparse.0 <= SPARSE_PLACES_MAX { sparse } else { sized(4) }
}

/// A table of up to so many places, 256 KiB, is kept sparse.
const SPARSE_PLACES_MAX: usize = 1 << 16;

/// Spreads a seed over 64 bits, so that seeds 1, 2, 3 serve as well as random ones
/// (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
fn spread(seed: u64) -> u64 {
    let a = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

const _: () = assert!(crate::ORDERS_MAX <= SLOT as usize, "the number of a slot plus one fits");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Keys whose value has the key's own number as its slot.
    fn find(index: &Index<()>, key: u64, keys: &[u64]) -> Probe<()> {
        index.probe(key, |slot| keys[slot.number() as usize])
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
                            index.remove(place, |slot| keys[slot.number() as usize]);
                        } else {
                            index.forget(key, slot, |slot| keys[slot.number() as usize]);
                        }
                    }
                    Probe::Vacant(place) if model.len() < 8 => {
                        let slot = Slot::new(key as u32);
                        assert_eq!(model.insert(key, slot), None);
                        index.insert(place, slot, |slot| keys[slot.number() as usize]);
                    }
                    Probe::Vacant(_) => assert!(!model.contains_key(&key)),
                }
                agree(&index, &keys, &model);
            }
            assert_eq!((index.growths(), index.table.len()), (0, 64));
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
                Probe::Vacant(place) => {
                    index.insert(place, Slot::new(at), |slot| keys[slot.number() as usize])
                }
                Probe::Found(..) => panic!("{key} is new"),
            }
            model.insert(*key, Slot::new(at));
        }
        agree(&index, &keys, &model);
        assert!((1..=8).contains(&index.growths()));
        let growths = index.growths();
        index.reserve(100_000, |slot| keys[slot.number() as usize]);
        agree(&index, &keys, &model);
        assert_eq!(index.growths(), growths, "room made ahead of need is no growth");
        for (key, slot) in model {
            index.forget(key, slot, |slot| keys[slot.number() as usize]);
        }
        index.shrink_to(4);
        assert_eq!((index.len(), index.table.len()), (0, 32));
    }

    #[test]
    fn long_runs_close_again() {
        // A table that takes only eight keys, all with one home: distances beyond those that an
        // entry can tell are found by the key.
        for seed in 0..50 {
            let mut index: Index<()> = Index::new(8, seed);
            let home = |key: &u64| index.home(index.hash(*key));
            let mut keys: Vec<u64> = (0..10_000).filter(|key| home(key) % 64 < 2).collect();
            keys.truncate(16);
            assert_eq!(keys.len(), 16);
            let room = index.room;
            index.room = 16;
            let key_of = |slot: Slot<()>| keys[slot.number() as usize];
            let mut model = BTreeMap::new();
            let mut word = seed;
            for _ in 0..500 {
                word = spread(word);
                let at = (word % 16) as usize;
                match index.probe(keys[at], key_of) {
                    Probe::Found(place, slot) => {
                        assert_eq!(model.remove(&keys[at]), Some(slot));
                        index.remove(place, key_of);
                    }
                    Probe::Vacant(place) => {
                        model.insert(keys[at], Slot::new(at as u32));
                        index.insert(place, Slot::new(at as u32), key_of);
                    }
                }
                agree(&index, &keys, &model);
            }
            index.room = room;
        }
    }

    /// How far from home the keys stand, on average.
    fn mean_distance(index: &mut Index<()>, keys: &[u64]) -> f64 {
        let mut far = 0;
        for (key, at) in keys.iter().zip(0..) {
            match find(index, *key, keys) {
                Probe::Vacant(place) => {
                    let home = index.home(index.hash(*key));
                    far += index.distance(home, place.at);
                    index.insert(place, Slot::new(at), |slot| keys[slot.number() as usize]);
                }
                Probe::Found(..) => panic!("keys are distinct"),
            }
        }
        far as f64 / keys.len() as f64
    }

    #[test]
    fn keys_at_equal_distances_stand_near_home_with_every_seed() {
        // With one multiplication, each of these seeds had a stride that made one long run.
        let strides = [1, 10, 256, 1000, 9833, 15_537, 21_288, 76_211, 1 << 20, 1 << 40, 1 << 50];
        for seed in [0, 1, 5, 12_345, 1390, 2628] {
            for stride in strides {
                let keys: Vec<u64> = (0..4096_u64).map(|at| at.wrapping_mul(stride)).collect();
                let mean = mean_distance(&mut Index::new(4096, seed), &keys);
                assert!(mean < 0.4, "{mean} places from home with seed {seed}, stride {stride}");
            }
        }
    }
}
