//! Terms that few orders carry, kept beside the orders so that the others don't pay for them.
//!
//! An order with terms has one [`Special`], found by its id. Its level counts it, so that the paths
//! that matter for speed ask one question of a level they read anyway. Expiries stand in a binary
//! heap that knows where each of them is: an order that leaves takes its expiry along.

use crate::arena::{Arena, Slot, Stored};
use crate::command::{SelfTrade, Terms, TimeInForce};
use crate::hash;
use crate::index::{Index, Probe};
use crate::level::Level;
use crate::order::Order;
use crate::units::{Lots, OrderId, Side, Ticks, Time};

/// Most slices that an iceberg may be shown in: what one order can make a taker do is bounded.
pub(crate) const SLICES_MAX: u64 = 4096;

/// Whether so many lots may be shown in slices of `display`.
pub(crate) fn can_slice(qty: Lots, display: Option<Lots>) -> bool {
    display.is_none_or(|display| qty.0.div_ceil(display.0.max(1)) <= SLICES_MAX)
}

/// How a stop enters the book once it is triggered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) limit: Option<Ticks>,
    pub(crate) tif: TimeInForce,
    pub(crate) self_trade: Option<SelfTrade>,
}

/// What an order carries beyond what [`Order`] holds.
#[derive(Clone, Copy)]
pub(crate) struct Special {
    pub(crate) id: OrderId,
    pub(crate) order: Slot<Order>,
    pub(crate) side: Side,
    /// Lots of an iceberg that its level does not show.
    pub(crate) hidden: Lots,
    pub(crate) display: Option<Lots>,
    pub(crate) expires: Option<Time>,
    /// For a stop that has not been triggered.
    pub(crate) entry: Option<Entry>,
    /// Where its expiry stands in the heap. In a free slot: the next free one.
    heap_at: u32,
}

impl Special {
    /// The terms of an order that is about to rest or wait.
    pub(crate) fn new(id: OrderId, order: Slot<Order>, side: Side, terms: &Terms) -> Special {
        let Terms { display, expires, .. } = *terms;
        let hidden = Lots::ZERO;
        Special { id, order, side, hidden, display, expires, entry: None, heap_at: 0 }
    }

    /// What it adds to the hash of the book.
    pub(crate) fn hash(&self) -> u64 {
        let optional = |value: Option<u64>| [u64::from(value.is_some()), value.unwrap_or(0)];
        let [shows, display] = optional(self.display.map(|lots| lots.0));
        let [ends, expires] = optional(self.expires.map(|time| time.0));
        let [waits, limit, tif, mode] = match self.entry {
            None => [0; 4],
            Some(Entry { limit, tif, self_trade }) => {
                let limit = limit.map_or(0, |price| price.0 as u64);
                [1, limit, tif as u64, self_trade.map_or(0, |mode| mode as u64 + 1)]
            }
        };
        let hidden = self.hidden.0;
        let id = self.id.0;
        hash::of_words(&[id, hidden, shows, display, ends, expires, waits, limit, tif, mode])
    }
}

impl Stored for Special {
    fn free(&mut self, next: Slot<Special>) {
        self.heap_at = next.number();
    }

    fn next_free(&self) -> Slot<Special> {
        Slot::new(self.heap_at)
    }
}

/// An expiry in the heap. What it is ordered by stands in the heap itself: a look at the terms would
/// be a cache miss for each step.
#[derive(Clone, Copy)]
struct Dated {
    expires: Option<Time>,
    id: OrderId,
    special: Slot<Special>,
}

/// All orders with terms.
pub(crate) struct Specials {
    arena: Arena<Special>,
    index: Index<Special>,
    /// Those with an expiry; each has its two followers, at twice its place plus one and two, not
    /// before it.
    heap: Vec<Dated>,
    heap_growths: u32,
    hidden_growths: u32,
    /// By number of a level's slot: what its orders hide. Levels beyond the end hide nothing.
    hidden: Vec<Lots>,
    /// Sum of [`Special::hash`].
    pub(crate) hash: u64,
}

impl Specials {
    /// Room for the terms of so many orders, in so many levels.
    pub(crate) fn new(orders: usize, levels: usize, seed: u64) -> Specials {
        Specials {
            arena: Arena::new(orders),
            index: Index::new(orders, seed),
            heap: Vec::with_capacity(orders),
            heap_growths: 0,
            hidden_growths: 0,
            hidden: Vec::with_capacity(levels),
            hash: 0,
        }
    }

    /// The terms of the order with this id.
    pub(crate) fn get(&self, id: OrderId) -> Option<&Special> {
        match self.index.probe(id.0, |slot| self.arena[slot].id.0) {
            Probe::Found(_, slot) => Some(&self.arena[slot]),
            Probe::Vacant(_) => None,
        }
    }

    /// Adds the terms of an order that has none.
    pub(crate) fn insert(&mut self, special: Special) {
        let Probe::Vacant(place) = self.index.probe(special.id.0, |slot| self.arena[slot].id.0)
        else {
            unreachable!("an order has its terms once");
        };
        let slot = self.arena.insert(special);
        self.index.insert(place, slot, |slot| self.arena[slot].id.0);
        self.hash = self.hash.wrapping_add(special.hash());
        if special.expires.is_some() {
            if self.heap.len() == self.heap.capacity() {
                self.heap_growths += 1;
            }
            self.arena[slot].heap_at = self.heap.len() as u32;
            let Special { id, expires, .. } = special;
            self.heap.push(Dated { expires, id, special: slot });
            self.rise(self.heap.len() - 1);
        }
    }

    /// Removes and returns the terms of an order, if it has any.
    pub(crate) fn remove(&mut self, id: OrderId) -> Option<Special> {
        let found = self.index.probe(id.0, |slot| self.arena[slot].id.0);
        let Probe::Found(place, slot) = found else { return None };
        self.index.remove(place, |slot| self.arena[slot].id.0);
        let special = self.arena[slot];
        if special.expires.is_some() {
            self.leave_heap(special.heap_at as usize);
        }
        self.hash = self.hash.wrapping_sub(special.hash());
        Some(self.arena.remove(slot))
    }

    /// Changes the terms of an order, all but id and expiry.
    pub(crate) fn change(&mut self, id: OrderId, change: impl FnOnce(&mut Special)) {
        let found = self.index.probe(id.0, |slot| self.arena[slot].id.0);
        let Probe::Found(_, slot) = found else {
            unreachable!("callers have seen that it has terms");
        };
        let special = &mut self.arena[slot];
        let before = special.hash();
        change(special);
        self.hash = self.hash.wrapping_sub(before).wrapping_add(special.hash());
    }

    /// The order that expires first; of two at one moment the one with the lower id.
    pub(crate) fn first_to_expire(&self) -> Option<(Time, Slot<Order>)> {
        let special = &self.arena[self.heap.first()?.special];
        Some((special.expires?, special.order))
    }

    /// What the orders of a level hide.
    pub(crate) fn hidden_at(&self, level: Slot<Level>) -> Lots {
        self.hidden.get(level.number() as usize).copied().unwrap_or(Lots::ZERO)
    }

    /// Notes that the orders of a level hide more or less than before.
    pub(crate) fn hide_at(&mut self, level: Slot<Level>, before: Lots, after: Lots) {
        let at = level.number() as usize;
        if self.hidden.len() <= at {
            if after == before {
                return;
            }
            if at >= self.hidden.capacity() {
                self.hidden_growths += 1;
            }
            self.hidden.resize(at + 1, Lots::ZERO);
        }
        self.hidden[at].0 = self.hidden[at].0 + after.0 - before.0;
    }

    /// Orders with terms.
    pub(crate) fn len(&self) -> usize {
        self.arena.len()
    }

    /// All of them, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Special> {
        self.index.slots().map(|slot| &self.arena[slot])
    }

    /// How often the capacity was exceeded.
    pub(crate) fn growths(&self) -> u32 {
        let lists = self.heap_growths + self.hidden_growths;
        self.arena.growths() + self.index.growths() + lists
    }

    /// Makes room for the terms of so many orders, in so many levels.
    pub(crate) fn reserve(&mut self, orders: usize, levels: usize) {
        self.arena.reserve(orders);
        self.index.reserve(orders, |slot| self.arena[slot].id.0);
        self.heap.reserve_exact(orders.saturating_sub(self.heap.len()));
        self.hidden.reserve_exact(levels.saturating_sub(self.hidden.len()));
    }

    /// Gives the memory beyond a capacity back. For an empty book.
    pub(crate) fn shrink_to(&mut self, orders: usize, levels: usize) {
        self.arena.shrink_to(orders);
        self.index.shrink_to(orders);
        self.heap.shrink_to(orders);
        self.hidden.clear();
        self.hidden.shrink_to(levels);
    }

    /// Whether heap, index and places agree; reads everything.
    pub(crate) fn is_sound(&self) -> bool {
        let placed = |at: usize| self.arena[self.heap[at].special].heap_at as usize == at;
        let ordered = |at: usize| at == 0 || self.key((at - 1) / 2) < self.key(at);
        self.index.len() == self.arena.len()
            && (0..self.heap.len()).all(|at| placed(at) && ordered(at))
            && self.iter().filter(|special| special.expires.is_some()).count() == self.heap.len()
            && self.iter().map(Special::hash).fold(0, u64::wrapping_add) == self.hash
    }

    fn key(&self, at: usize) -> (Option<Time>, OrderId) {
        let Dated { expires, id, .. } = self.heap[at];
        (expires, id)
    }

    /// Takes one expiry out of the heap.
    fn leave_heap(&mut self, at: usize) {
        let last = self.heap.len() - 1;
        self.swap(at, last);
        self.heap.pop();
        if at < last {
            self.rise(at);
            self.sink(at);
        }
    }

    /// Moves an expiry that is too early for its place towards the front.
    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.key(at) < self.key((at - 1) / 2) {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    /// Moves an expiry that is too late for its place towards the back.
    fn sink(&mut self, mut at: usize) {
        loop {
            let followers = at * 2 + 1..(at * 2 + 3).min(self.heap.len());
            let Some(first) = followers.min_by_key(|at| self.key(*at)) else { return };
            if self.key(at) < self.key(first) {
                return;
            }
            self.swap(at, first);
            at = first;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for at in [a, b] {
            self.arena[self.heap[at].special].heap_at = at as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn special(id: u64, expires: Option<u64>) -> Special {
        let terms = Terms { expires: expires.map(Time), ..Terms::default() };
        Special::new(OrderId(id), Slot::new(id as u32), Side::Buy, &terms)
    }

    #[test]
    fn the_first_to_expire_comes_first_whatever_leaves() {
        let (mut specials, mut model) = (Specials::new(100, 1, 7), BTreeSet::new());
        let mut draw = 3_u64;
        for _ in 0..5000 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (id, expires) = (draw >> 33 & 127, draw >> 45 & 15);
            let dated = id % 4 != 0;
            if let Some(gone) = specials.remove(OrderId(id)) {
                assert_eq!(gone.id, OrderId(id));
                model.retain(|(_, held)| *held != id);
            } else if specials.len() < 100 {
                specials.insert(special(id, dated.then_some(expires)));
                if dated {
                    model.insert((expires, id));
                }
            }
            let first = specials.first_to_expire().map(|(time, slot)| (time.0, slot.number()));
            assert_eq!(first, model.first().map(|(time, id)| (*time, *id as u32)));
            assert!(specials.is_sound());
        }
        assert_eq!(specials.growths(), 0);
        while let Some((_, slot)) = specials.first_to_expire() {
            specials.remove(OrderId(u64::from(slot.number())));
        }
        let left: Vec<OrderId> = specials.iter().map(|special| special.id).collect();
        for id in left {
            specials.remove(id);
        }
        assert_eq!((specials.hash, specials.len()), (0, 0));
    }

    #[test]
    fn each_term_shows_in_the_hash() {
        let entry = Entry { limit: None, tif: TimeInForce::Gtc, self_trade: None };
        let plain = special(1, None);
        let variants = [
            plain,
            special(2, None),
            special(1, Some(0)),
            Special { hidden: Lots(1), ..plain },
            Special { display: Some(Lots(1)), ..plain },
            Special { entry: Some(entry), ..plain },
            Special { entry: Some(Entry { limit: Some(Ticks(1)), ..entry }), ..plain },
            Special { entry: Some(Entry { tif: TimeInForce::Ioc, ..entry }), ..plain },
            Special { entry: Some(Entry { self_trade: Some(SelfTrade::Allow), ..entry }), ..plain },
        ];
        let hashes: BTreeSet<u64> = variants.iter().map(Special::hash).collect();
        assert_eq!(hashes.len(), variants.len());
    }
}
