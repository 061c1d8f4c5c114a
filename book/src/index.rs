//! Finds a resting order by its id: open addressing, one probe in the usual case.
//!
//! Ids are what outsiders choose, so the hash is seeded by the owner of the book: chosen ids can't
//! be made to collide without the seed. Entries stand in the first free place from where their hash
//! points (linear probing); a removal moves later entries back, so there are no tombstones and a
//! table that has seen a billion orders is as fast as a new one. At most half of the places are in
//! use. The table is never read out in its own order: the seed can't show in any result.

use crate::arena::Slot;
use crate::order::Order;
use crate::units::OrderId;

/// A place of the table. Vacant when its slot is [`Slot::NONE`].
#[derive(Clone, Copy)]
struct Entry {
    id: OrderId,
    slot: Slot<Order>,
}

const VACANT: Entry = Entry { id: OrderId(0), slot: Slot::NONE };

/// Where an id is, or where it would go. Holds until the table changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Probe {
    /// The id's place and its order.
    Found(Place, Slot<Order>),
    /// The id is not in the table; this is where to put it.
    Vacant(Place),
}

/// A place found by [`Index::probe`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(usize);

/// Slots of orders by id.
pub(crate) struct Index {
    /// A power of two, at least twice `len`.
    table: Box<[Entry]>,
    len: usize,
    seed: u64,
    multiplier: u64,
    growths: u32,
}

impl Index {
    /// Room for `capacity` ids.
    pub(crate) fn new(capacity: usize, seed: u64) -> Index {
        // An even multiplier would lose bits of the id.
        let multiplier = spread(seed.wrapping_add(1)) | 1;
        let table = vec![VACANT; places(capacity)].into_boxed_slice();
        Index { table, len: 0, seed: spread(seed), multiplier, growths: 0 }
    }

    /// Where `id` is, or where it would go.
    #[inline]
    pub(crate) fn probe(&self, id: OrderId) -> Probe {
        let mut at = self.home(id);
        loop {
            let entry = self.table[at];
            if entry.slot.is_none() {
                return Probe::Vacant(Place(at));
            }
            if entry.id == id {
                return Probe::Found(Place(at), entry.slot);
            }
            at = self.after(at);
        }
    }

    /// Adds an id at the vacant place that [`Index::probe`] gave for it, with no change in between.
    #[inline]
    pub(crate) fn insert(&mut self, place: Place, id: OrderId, slot: Slot<Order>) {
        assert!(self.table[place.0].slot.is_none(), "the index changed since the probe");
        self.table[place.0] = Entry { id, slot };
        self.len += 1;
        if self.len * 2 > self.table.len() {
            self.grow(self.len * 2);
        }
    }

    /// Removes what is at a place that [`Index::probe`] found, with no change in between.
    #[inline]
    pub(crate) fn remove(&mut self, place: Place) {
        let mut hole = place.0;
        let mut at = hole;
        loop {
            at = self.after(at);
            let entry = self.table[at];
            if entry.slot.is_none() {
                break;
            }
            // An entry may move back to the hole unless its home lies behind the hole: then a probe
            // for it would start too late to find it.
            let mask = self.table.len() - 1;
            let from_home = at.wrapping_sub(self.home(entry.id)) & mask;
            if from_home >= at.wrapping_sub(hole) & mask {
                self.table[hole] = entry;
                hole = at;
            }
        }
        self.table[hole] = VACANT;
        self.len -= 1;
    }

    /// Ids in the table.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How often the capacity was exceeded.
    pub(crate) fn growths(&self) -> u32 {
        self.growths
    }

    /// Makes room for at least `capacity` ids in all.
    pub(crate) fn reserve(&mut self, capacity: usize) {
        if places(capacity) > self.table.len() {
            self.rebuild(places(capacity));
        }
    }

    #[cold]
    fn grow(&mut self, capacity: usize) {
        self.growths += 1;
        self.rebuild(places(capacity));
    }

    fn rebuild(&mut self, places: usize) {
        let old = std::mem::replace(&mut self.table, vec![VACANT; places].into_boxed_slice());
        for entry in old.iter().filter(|entry| !entry.slot.is_none()) {
            match self.probe(entry.id) {
                Probe::Vacant(place) => self.table[place.0] = *entry,
                Probe::Found(..) => unreachable!("an id was in the index twice"),
            }
        }
    }

    /// Where the search for `id` starts.
    #[inline]
    fn home(&self, id: OrderId) -> usize {
        let product = u128::from(id.0 ^ self.seed) * u128::from(self.multiplier);
        let folded = (product >> 64) as u64 ^ product as u64;
        folded as usize & (self.table.len() - 1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.table.len() - 1)
    }
}

/// Places of a table for `capacity` ids: a power of two, at most half of them in use.
fn places(capacity: usize) -> usize {
    (capacity * 2).next_power_of_two().max(16)
}

/// Spreads a seed over 64 bits, so that seeds 1, 2, 3 serve as well as random ones
/// (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
fn spread(seed: u64) -> u64 {
    let a = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;
    use std::collections::BTreeMap;

    /// Distinct slots without orders behind them: the index never looks inside.
    fn slots(count: usize) -> Vec<Slot<Order>> {
        use crate::units::{Lots, User};
        let mut orders = Arena::new(count);
        (0..count).map(|_| orders.insert(Order::new(OrderId(0), User(0), Lots(1)))).collect()
    }

    fn agree(index: &Index, model: &BTreeMap<u64, Slot<Order>>) {
        assert_eq!(index.len(), model.len());
        for (id, slot) in model {
            assert!(matches!(index.probe(OrderId(*id)), Probe::Found(_, found) if found == *slot));
        }
    }

    #[test]
    fn agrees_with_a_map_under_adds_and_removals() {
        // A small table that stays about half full, so that runs of entries wrap and move back.
        let slots = slots(64);
        for seed in 0..20 {
            let mut index = Index::new(8, seed);
            let mut model = BTreeMap::new();
            let mut word = seed;
            for _ in 0..2000 {
                word = spread(word);
                let id = OrderId(word % 64);
                match index.probe(id) {
                    Probe::Found(place, slot) => {
                        assert_eq!(model.remove(&id.0), Some(slot));
                        index.remove(place);
                    }
                    Probe::Vacant(place) if model.len() < 8 => {
                        let slot = slots[id.0 as usize];
                        assert_eq!(model.insert(id.0, slot), None);
                        index.insert(place, id, slot);
                    }
                    Probe::Vacant(_) => assert!(!model.contains_key(&id.0)),
                }
                agree(&index, &model);
            }
            assert_eq!((index.growths(), index.table.len()), (0, 16));
        }
    }

    #[test]
    fn takes_extreme_ids_and_counts_growth() {
        let slots = slots(1000);
        let mut index = Index::new(4, 7);
        let mut model = BTreeMap::new();
        let shifted = (0..998).map(|at| (at + 1) << 40);
        for (id, slot) in [0, u64::MAX].into_iter().chain(shifted).zip(&slots) {
            match index.probe(OrderId(id)) {
                Probe::Vacant(place) => index.insert(place, OrderId(id), *slot),
                Probe::Found(..) => panic!("{id} is new"),
            }
            model.insert(id, *slot);
        }
        agree(&index, &model);
        assert!((1..=8).contains(&index.growths()));
        let growths = index.growths();
        index.reserve(100_000);
        agree(&index, &model);
        assert_eq!(index.growths(), growths, "room made ahead of need is no growth");
    }

    #[test]
    fn long_runs_stay_short_for_sequential_and_shifted_ids() {
        let slots = slots(4096);
        for shift in [0, 1, 8, 16, 32, 50] {
            let mut index = Index::new(4096, 3);
            let mut far = 0;
            for (at, slot) in slots.iter().enumerate() {
                let id = OrderId((at as u64) << shift);
                match index.probe(id) {
                    Probe::Vacant(place) => {
                        let steps = place.0.wrapping_sub(index.home(id)) & (index.table.len() - 1);
                        far = far.max(steps);
                        index.insert(place, id, *slot);
                    }
                    Probe::Found(..) => panic!("ids are distinct"),
                }
            }
            assert!(far < 64, "an id is {far} places from home with shift {shift}");
        }
    }
}
