//! A hierarchical timer wheel with the outside of `shards/src/core/timers.rs`: what is due comes up in the same order,
//! (deadline, owner), to the nanosecond.
//!
//! Eight levels of 64 slots; a slot of the lowest is [`TICK_BITS`] wide. An entry stands on the level of the highest digit
//! (base 64) in which its tick differs from the wheel's, so whatever is on a lower level comes first. Entries are links in
//! one vector. When the wheel comes to a slot its entries go down a level, and from the lowest into a heap of what is due
//! in this tick: that puts them in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::timers::Owner;

/// A tick is 2^20 ns, about a millisecond.
const TICK_BITS: u32 = 20;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = (64 - TICK_BITS).div_ceil(DIGIT_BITS) as usize;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Link {
    entry: (u64, Owner),
    next: u32,
}

pub(crate) struct Wheel {
    tick: u64,
    links: Vec<Link>,
    free: u32,
    slots: [[u32; SLOTS]; LEVELS],
    used: [u64; LEVELS],
    /// Entries of the wheel's tick, and of earlier ones.
    due: BinaryHeap<Reverse<(u64, Owner)>>,
    waiting: usize,
}

impl Default for Wheel {
    fn default() -> Wheel {
        let slots = [[NONE; SLOTS]; LEVELS];
        let due = BinaryHeap::new();
        Wheel { tick: 0, links: Vec::new(), free: NONE, slots, used: [0; LEVELS], due, waiting: 0 }
    }
}

impl Wheel {
    pub(crate) fn set(&mut self, deadline_ns: u64, owner: Owner) {
        let entry = (deadline_ns, owner);
        let tick = deadline_ns >> TICK_BITS;
        if tick <= self.tick {
            return self.due.push(Reverse(entry));
        }
        let at = match self.free {
            NONE => {
                self.links.push(Link { entry, next: NONE });
                self.links.len() as u32 - 1
            }
            at => {
                self.free = self.links[at as usize].next;
                self.links[at as usize].entry = entry;
                at
            }
        };
        self.waiting += 1;
        self.link(tick, at);
    }

    fn link(&mut self, tick: u64, at: u32) {
        let level = (63 - (tick ^ self.tick).leading_zeros()) / DIGIT_BITS;
        let slot = (tick >> (level * DIGIT_BITS)) as usize % SLOTS;
        let head = &mut self.slots[level as usize][slot];
        self.links[at as usize].next = std::mem::replace(head, at);
        self.used[level as usize] |= 1 << slot;
    }

    /// The earliest entry that is due at `now_ns`.
    pub(crate) fn first(&mut self, now_ns: u64) -> Option<(u64, Owner)> {
        while self.due.is_empty() {
            let level = self.used.iter().position(|&used| used != 0)?;
            let slot = self.used[level].trailing_zeros() as usize;
            let shift = level as u32 * DIGIT_BITS;
            let above = self.tick >> shift >> DIGIT_BITS << DIGIT_BITS;
            let tick = (above | slot as u64) << shift;
            if tick > now_ns >> TICK_BITS {
                return None;
            }
            self.tick = tick;
            self.used[level] &= !(1 << slot);
            let mut at = std::mem::replace(&mut self.slots[level][slot], NONE);
            while at != NONE {
                let Link { entry, next } = self.links[at as usize];
                let tick = entry.0 >> TICK_BITS;
                if tick == self.tick {
                    self.due.push(Reverse(entry));
                    self.links[at as usize].next = std::mem::replace(&mut self.free, at);
                    self.waiting -= 1;
                } else {
                    self.link(tick, at);
                }
                at = next;
            }
        }
        self.due.peek().map(|Reverse(entry)| *entry).filter(|(deadline, _)| *deadline <= now_ns)
    }

    pub(crate) fn pop(&mut self) {
        self.due.pop();
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting + self.due.len()
    }

    /// Drops the entries that do not count.
    pub(crate) fn sweep(&mut self, counts: impl Fn(u64, Owner) -> bool) {
        self.due.retain(|Reverse((deadline, owner))| counts(*deadline, *owner));
        for level in 0..LEVELS {
            for slot in 0..SLOTS {
                let mut at = std::mem::replace(&mut self.slots[level][slot], NONE);
                while at != NONE {
                    let Link { entry, next } = self.links[at as usize];
                    if counts(entry.0, entry.1) {
                        let head = &mut self.slots[level][slot];
                        self.links[at as usize].next = std::mem::replace(head, at);
                    } else {
                        self.links[at as usize].next = std::mem::replace(&mut self.free, at);
                        self.waiting -= 1;
                    }
                    at = next;
                }
                if self.slots[level][slot] == NONE {
                    self.used[level] &= !(1 << slot);
                }
            }
        }
    }
}
