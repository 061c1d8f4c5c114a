//! Pre-sized storage with stable 32-bit slots, for orders, levels and ladder chunks.
//!
//! A freed slot is used again before a new one, the last freed first, as its cache line is the
//! warmest. [`Arena::remove`] hands the value out as it frees the slot: state can't be read after
//! it is gone. Within the capacity given at the start nothing is allocated; beyond it the arena
//! grows and counts that.

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

    /// Whether this is [`Slot::NONE`].
    pub(crate) fn is_none(self) -> bool {
        self.at == u32::MAX
    }

    /// `None` for [`Slot::NONE`].
    pub(crate) fn some(self) -> Option<Slot<T>> {
        (!self.is_none()).then_some(self)
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Slot<T> {
        *self
    }
}

impl<T> Copy for Slot<T> {}

impl<T> PartialEq for Slot<T> {
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

/// Values at stable slots.
pub(crate) struct Arena<T> {
    items: Vec<T>,
    free: Vec<Slot<T>>,
    growths: u32,
}

impl<T: Copy> Arena<T> {
    /// Room for `capacity` values.
    pub(crate) fn new(capacity: usize) -> Arena<T> {
        let (items, free) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        Arena { items, free, growths: 0 }
    }

    /// Stores a value.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Slot<T> {
        if let Some(slot) = self.free.pop() {
            self[slot] = value;
            return slot;
        }
        if self.items.len() == self.items.capacity() {
            self.grow();
        }
        let at = u32::try_from(self.items.len()).expect("callers stop at ORDERS_MAX, below 2^32");
        self.items.push(value);
        Slot { at, of: PhantomData }
    }

    /// Takes a value out; its slot may be used again.
    #[inline]
    pub(crate) fn remove(&mut self, slot: Slot<T>) -> T {
        let value = self[slot];
        self.free.push(slot);
        assert!(self.free.len() <= self.items.len(), "a slot was freed twice");
        value
    }

    /// Values stored.
    pub(crate) fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// How often the capacity was exceeded.
    pub(crate) fn growths(&self) -> u32 {
        self.growths
    }

    /// Makes room for at least `capacity` values in all.
    pub(crate) fn reserve(&mut self, capacity: usize) {
        self.items.reserve(capacity.saturating_sub(self.items.len()));
        let free_max = self.items.capacity();
        self.free.reserve(free_max.saturating_sub(self.free.len()));
    }

    #[cold]
    fn grow(&mut self) {
        self.growths += 1;
        self.reserve((self.items.len() * 2).max(16));
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

    #[test]
    fn slots_are_stable_and_used_again_last_freed_first() {
        let mut arena = Arena::new(2);
        let [a, b] = [10, 20].map(|value| arena.insert(value));
        assert_eq!((arena[a], arena[b], arena.len()), (10, 20, 2));
        assert_eq!(arena.remove(a), 10);
        assert_eq!(arena.remove(b), 20);
        assert_eq!(arena.insert(30), b);
        assert_eq!(arena.insert(40), a);
        assert_eq!((arena[a], arena[b], arena.growths()), (40, 30, 0));
    }

    #[test]
    fn growth_is_counted_and_keeps_slots() {
        let mut arena = Arena::new(0);
        let slots: Vec<_> = (0..100).map(|value| arena.insert(value)).collect();
        assert!(slots.iter().enumerate().all(|(value, slot)| arena[*slot] == value));
        assert!((1..10).contains(&arena.growths()), "{}", arena.growths());
        let before = arena.growths();
        assert!(arena.free.capacity() >= arena.items.capacity(), "freeing must not allocate");
        arena.reserve(1000);
        assert!(arena.free.capacity() >= arena.items.capacity(), "freeing must not allocate");
        (100..1000).for_each(|value| {
            arena.insert(value);
        });
        assert_eq!(arena.growths(), before);
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn freeing_an_empty_arena_twice_is_noticed() {
        let mut arena = Arena::new(1);
        let slot = arena.insert(1);
        arena.remove(slot);
        arena.remove(slot);
    }

    #[test]
    fn no_slot_is_none() {
        assert!(Slot::<u8>::NONE.is_none() && Slot::<u8>::NONE.some().is_none());
        let slot = Arena::new(1).insert(1u8);
        assert_eq!(slot.some(), Some(slot));
        assert_eq!(format!("{slot:?}"), "#0");
    }
}
