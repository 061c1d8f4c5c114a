//! Pre-sized storage with stable 32-bit slots, for orders, levels and what belongs to them.
//!
//! A freed slot is used again before a new one, the last freed first, as its cache line is the
//! warmest; free slots are linked through the values themselves, so freeing touches no other
//! memory. [`Arena::remove`] hands the value out as it frees the slot: state can't be read after
//! it is gone. Within the capacity given at the start nothing is allocated; beyond it the arena
//! grows and counts that. An arena that empties starts again at its first slot.

use crate::book::ORDERS_MAX;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// Place of a `T` in its arena.
pub(crate) struct Slot<T> {
    at: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Slot<T> {
    /// No slot.
    pub(crate) const NONE: Slot<T> = Slot { at: u32::MAX, of: PhantomData };

    /// The slot with this number.
    #[inline]
    pub(crate) fn new(at: u32) -> Slot<T> {
        Slot { at, of: PhantomData }
    }

    /// Its place among [`Arena::items`].
    #[inline]
    pub(crate) fn at(self) -> usize {
        self.at as usize
    }

    /// Its number.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.at
    }

    /// Whether this is [`Slot::NONE`].
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self.at == u32::MAX
    }

    /// `None` for [`Slot::NONE`].
    #[inline]
    pub(crate) fn some(self) -> Option<Slot<T>> {
        (!self.is_none()).then_some(self)
    }
}

impl<T> Clone for Slot<T> {
    #[inline]
    fn clone(&self) -> Slot<T> {
        *self
    }
}

impl<T> Copy for Slot<T> {}

impl<T> PartialEq for Slot<T> {
    #[inline]
    fn eq(&self, other: &Slot<T>) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Slot<T> {}

impl<T> std::fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.at)
    }
}

/// A value that can hold the next free slot while it is free itself.
pub(crate) trait Stored: Copy {
    /// Marks the value as free, with the slot that becomes free after it.
    fn free(&mut self, next: Slot<Self>);
    /// The slot that [`Stored::free`] put there.
    fn next_free(&self) -> Slot<Self>;
}

/// Values at stable slots.
pub(crate) struct Arena<T> {
    items: Vec<T>,
    first_free: Slot<T>,
    len: u32,
    growths: u32,
}

impl<T: Stored> Arena<T> {
    /// Room for `capacity` values.
    pub(crate) fn new(capacity: usize) -> Arena<T> {
        let items = Vec::with_capacity(capacity);
        Arena { items, first_free: Slot::NONE, len: 0, growths: 0 }
    }

    /// Stores a value.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Slot<T> {
        // Callers stop at ORDERS_MAX, below 2^32.
        self.len = self.len.wrapping_add(1);
        let slot = self.first_free;
        if let Some(free) = self.items.get_mut(slot.at as usize) {
            self.first_free = free.next_free();
            *free = value;
            return slot;
        }
        if self.items.len() == self.items.capacity() {
            self.grow();
        }
        let at = self.items.len() as u32;
        self.items.push(value);
        Slot::new(at)
    }

    /// Takes a value out; its slot may be used again.
    #[inline]
    pub(crate) fn remove(&mut self, slot: Slot<T>) -> T {
        let stored = &mut self.items[slot.at as usize];
        let value = *stored;
        stored.free(self.first_free);
        self.first_free = slot;
        self.len = self.len.wrapping_sub(1);
        if self.len == 0 {
            self.items.clear();
            self.first_free = Slot::NONE;
        }
        value
    }

    /// Frees values that are marked as free already, each linked to the next one, from `first` to
    /// `last`. Of a chain, the first is used again first.
    #[inline]
    pub(crate) fn release(&mut self, first: Slot<T>, last: Slot<T>, count: u32) {
        self.items[last.at as usize].free(self.first_free);
        self.first_free = first;
        assert!(self.len >= count, "a slot was freed twice");
        self.len -= count;
        if self.len == 0 {
            self.items.clear();
            self.first_free = Slot::NONE;
        }
    }

    /// What is at a slot; `None` for [`Slot::NONE`].
    #[inline]
    pub(crate) fn get(&self, slot: Slot<T>) -> Option<&T> {
        self.items.get(slot.at as usize)
    }

    /// All slots, in use or free, by number. For code that follows several links: it keeps the
    /// store's place in registers, where an access by itself has to look it up again.
    #[inline]
    pub(crate) fn items(&mut self) -> &mut [T] {
        &mut self.items
    }

    /// Values stored.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Slots in use or free: what a scan has to look at.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Slot<T>, &T)> {
        (0u32..).zip(&self.items).map(|(at, item)| (Slot::new(at), item))
    }

    /// Whether so many slots are free that following links to the values beats a scan.
    pub(crate) fn is_sparse(&self) -> bool {
        self.len() * 16 < self.items.len()
    }

    /// Values there is room for without growing.
    pub(crate) fn capacity(&self) -> usize {
        self.items.capacity()
    }

    /// How often the capacity was exceeded.
    pub(crate) fn growths(&self) -> u32 {
        self.growths
    }

    /// Makes room for at least `capacity` values in all.
    pub(crate) fn reserve(&mut self, capacity: usize) {
        self.items.reserve_exact(capacity.saturating_sub(self.items.len()));
    }

    /// Gives the memory beyond `capacity` back. For an empty arena.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        self.items.shrink_to(capacity);
    }

    #[cold]
    fn grow(&mut self) {
        self.growths += 1;
        // No book has more orders, so none has more of anything.
        self.reserve((self.items.len() * 2).clamp(16, (ORDERS_MAX + 1).max(self.items.len() + 1)));
    }
}

impl<T> Index<Slot<T>> for Arena<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: Slot<T>) -> &T {
        &self.items[slot.at as usize]
    }
}

impl<T> IndexMut<Slot<T>> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, slot: Slot<T>) -> &mut T {
        &mut self.items[slot.at as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Word(u32);

    impl Stored for Word {
        fn free(&mut self, next: Slot<Word>) {
            self.0 = next.number();
        }

        fn next_free(&self) -> Slot<Word> {
            Slot::new(self.0)
        }
    }

    #[test]
    fn slots_are_stable_and_used_again_last_freed_first() {
        let mut arena = Arena::new(3);
        let [a, b, c] = [10, 20, 30].map(|value| arena.insert(Word(value)));
        assert_eq!((arena[a], arena[b], arena.len()), (Word(10), Word(20), 3));
        assert_eq!(arena.remove(a), Word(10));
        assert_eq!(arena.remove(b), Word(20));
        assert_eq!(arena.insert(Word(40)), b);
        assert_eq!(arena.insert(Word(50)), a);
        assert_eq!((arena[a], arena[b], arena[c]), (Word(50), Word(40), Word(30)));
        assert_eq!((arena.growths(), arena.capacity()), (0, 3));
    }

    #[test]
    fn an_emptied_arena_starts_again() {
        let mut arena = Arena::new(4);
        let slots = [1, 2, 3].map(|value| arena.insert(Word(value)));
        for slot in slots {
            arena.remove(slot);
        }
        assert_eq!((arena.len(), arena.slots().count()), (0, 0));
        assert_eq!(arena.insert(Word(4)), slots[0]);
    }

    #[test]
    fn a_chain_is_freed_at_once() {
        let mut arena = Arena::new(4);
        let [a, b, c, d] = [1, 2, 3, 4].map(|value| arena.insert(Word(value)));
        arena.remove(d);
        for (gone, next) in [(a, b), (b, c), (c, c)] {
            arena.items()[gone.at()].free(next);
        }
        arena.release(a, b, 2);
        assert_eq!(arena.len(), 1);
        assert_eq!([5, 6, 7].map(|value| arena.insert(Word(value))), [a, b, d]);
        assert_eq!(arena.len(), 4);
    }

    #[test]
    fn growth_is_counted_and_keeps_slots() {
        let mut arena = Arena::new(0);
        let slots: Vec<_> = (0..100).map(|value| arena.insert(Word(value))).collect();
        assert!((0..).zip(&slots).all(|(value, slot)| arena[*slot] == Word(value)));
        assert!((1..10).contains(&arena.growths()), "{}", arena.growths());
        let before = arena.growths();
        arena.reserve(1000);
        (100..1000).for_each(|value| {
            arena.insert(Word(value));
        });
        assert_eq!(arena.growths(), before);
        assert!(arena.slots().map(|(_, word)| word.0).eq(0..1000));
        (0..1000).for_each(|at| {
            arena.remove(Slot::new(at));
        });
        arena.shrink_to(10);
        assert_eq!(arena.capacity(), 10);
    }

    #[test]
    #[should_panic]
    fn freeing_an_empty_arena_twice_is_noticed() {
        let mut arena = Arena::new(1);
        let slot = arena.insert(Word(1));
        arena.remove(slot);
        arena.remove(slot);
    }

    #[test]
    fn no_slot_is_none() {
        assert!(Slot::<Word>::NONE.is_none() && Slot::<Word>::NONE.some().is_none());
        let slot = Arena::new(1).insert(Word(1));
        assert_eq!(slot.some(), Some(slot));
        assert_eq!(format!("{slot:?}"), "#0");
    }
}
