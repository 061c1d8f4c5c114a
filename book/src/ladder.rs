//! The levels of one side, in order of price.
//!
//! Two questions, two kinds of structure. *Which level has this price?* is asked by every order that
//! rests. A window answers for most: a level stands at the place that the low bits of its price name,
//! so as many neighbouring prices as it has places have places of their own, and neighbours share
//! cache lines. The window needs no moving when the market moves: a level whose place is taken, by a
//! price at least that far away, goes to a hash table, and is found there in one more probe.
//!
//! *Which level is next?* is asked only when a level comes or goes: pages of 1024 ranks hold a bit
//! for each level, so that the next one is found in a few instructions inside a page, and a sorted
//! directory of the pages finds the next page. The best rank and its level are kept at hand.
//!
//! Memory follows the number of levels, at most one page each, and never their distance.

mod directory;
mod page;

use crate::arena::{Arena, Slot};
use crate::index::{Index, Probe};
use crate::level::Level;
use crate::units::Rank;
use directory::Directory;
use page::Page;

/// Bounds of the number of places in a window: four times the levels that are expected, as they do
/// not stand side by side, but no more than 64 KiB of places.
const WINDOW_PLACES: [usize; 2] = [64, 1 << 14];

/// The levels of one side in order. Its size is a power of two, as the side picks one of two.
#[repr(align(256))]
pub(crate) struct Ladder {
    best: Rank,
    best_level: Slot<Level>,
    /// Numbers of the slots of levels, plus one, by the low bits of their rank; zero where there is
    /// none. The places are a power of two.
    window: Box<[u32]>,
    /// The levels that found their place in the window taken.
    others: Index<Level>,
    /// Levels in the window.
    in_window: usize,
    pages: Arena<Page>,
    directory: Directory,
    /// The page that was used last, and its key: near the touch it is nearly always the next one.
    last: (i64, Slot<Page>),
}

/// No rank is in the page with this key.
const NO_PAGE: (i64, Slot<Page>) = (i64::MAX, Slot::NONE);

impl Ladder {
    /// Room for `capacity` levels, the seed is that of the hash table.
    pub(crate) fn new(capacity: usize, seed: u64) -> Ladder {
        let [least, most] = WINDOW_PLACES;
        let places = (capacity * 4).next_power_of_two().clamp(least, most);
        Ladder {
            best: Rank::EMPTY,
            best_level: Slot::NONE,
            window: vec![0; places].into_boxed_slice(),
            others: Index::new(capacity, seed),
            in_window: 0,
            pages: Arena::new(capacity),
            directory: Directory::new(capacity),
            last: NO_PAGE,
        }
    }

    /// Levels on this side.
    pub(crate) fn len(&self) -> usize {
        self.in_window + self.others.len()
    }

    /// The rank that trades first; [`Rank::EMPTY`] when there is none.
    #[inline]
    pub(crate) fn best(&self) -> Rank {
        self.best
    }

    /// The level that trades first; [`Slot::NONE`] when there is none.
    #[inline]
    pub(crate) fn best_level(&self) -> Slot<Level> {
        self.best_level
    }

    /// The level of this rank.
    #[inline]
    pub(crate) fn find(&self, rank: Rank, levels: &Arena<Level>) -> Option<Slot<Level>> {
        let near = Slot::new(self.window[self.place(rank)].wrapping_sub(1));
        if levels.get(near).is_some_and(|level| level.rank == rank) {
            return Some(near);
        }
        if self.others.len() == 0 {
            return None;
        }
        match self.others.probe(rank.0 as u64, |slot| levels[slot].rank.0 as u64) {
            Probe::Found(_, level) => Some(level),
            Probe::Vacant(_) => None,
        }
    }

    /// Adds a level of a rank that has none. `levels` holds all of this ladder.
    #[inline(always)]
    pub(crate) fn insert(&mut self, rank: Rank, level: Slot<Level>, levels: &Arena<Level>) {
        let place = self.place(rank);
        if self.window[place] == 0 {
            self.window[place] = level.number().wrapping_add(1);
            self.in_window = self.in_window.wrapping_add(1);
        } else {
            self.insert_other(rank, level, levels);
        }
        let key = Page::key_of(rank);
        if self.last.0 != key {
            self.turn_to(key);
        }
        self.pages[self.last.1].insert(rank);
        if rank > self.best {
            (self.best, self.best_level) = (rank, level);
        }
    }

    /// Takes the level of this rank out. `levels` holds all of this ladder.
    #[inline(always)]
    pub(crate) fn remove(&mut self, rank: Rank, level: Slot<Level>, levels: &Arena<Level>) {
        let place = self.place(rank);
        if self.window[place] == level.number().wrapping_add(1) {
            self.window[place] = 0;
            self.in_window = self.in_window.wrapping_sub(1);
        } else {
            self.remove_other(rank, level, levels);
        }
        let key = Page::key_of(rank);
        if self.last.0 != key {
            self.turn_to(key);
        }
        let page = &mut self.pages[self.last.1];
        if page.remove(rank) {
            return self.close_page(key, rank, levels);
        }
        if rank == self.best {
            let next = page.highest();
            (self.best, self.best_level) = (next, self.level(next, levels));
        }
    }

    /// The place of a rank in the window.
    #[inline]
    fn place(&self, rank: Rank) -> usize {
        rank.0 as usize & self.window.len().wrapping_sub(1)
    }

    /// Adds a level whose place in the window is taken.
    #[inline(never)]
    fn insert_other(&mut self, rank: Rank, level: Slot<Level>, levels: &Arena<Level>) {
        match self.others.probe(rank.0 as u64, |slot| levels[slot].rank.0 as u64) {
            Probe::Vacant(place) => {
                self.others.insert(place, level, |slot| levels[slot].rank.0 as u64)
            }
            Probe::Found(..) => unreachable!("the rank has no level yet"),
        }
    }

    /// Removes a level that is not in the window.
    #[inline(never)]
    fn remove_other(&mut self, rank: Rank, level: Slot<Level>, levels: &Arena<Level>) {
        self.others.forget(rank.0 as u64, level, |slot| levels[slot].rank.0 as u64);
    }

    /// Makes the page with this key the last one, and the page if it is missing.
    #[inline(never)]
    fn turn_to(&mut self, key: i64) {
        let page = self.directory.find(key).unwrap_or_else(|place| {
            let page = self.pages.insert(Page::new(key));
            self.directory.insert(place, key, page);
            page
        });
        self.last = (key, page);
    }

    /// Gives the last page back, of which `rank` was the last.
    #[inline(never)]
    fn close_page(&mut self, key: i64, rank: Rank, levels: &Arena<Level>) {
        if rank == self.best {
            let next = self.directory.below(key).map(|page| self.pages[page].highest());
            (self.best, self.best_level) = match next {
                Some(next) => (next, self.level(next, levels)),
                None => (Rank::EMPTY, Slot::NONE),
            };
        }
        self.pages.remove(self.last.1);
        self.directory.remove(key);
        self.last = NO_PAGE;
    }

    /// Ranks, the best first.
    pub(crate) fn ranks(&self) -> impl Iterator<Item = Rank> + '_ {
        self.directory.falling().flat_map(|page| self.pages[page].falling())
    }

    /// Ranks, the worst first.
    pub(crate) fn ranks_rising(&self) -> impl Iterator<Item = Rank> + '_ {
        self.directory.rising().flat_map(|page| self.pages[page].rising())
    }

    /// The level of a rank that is present.
    #[inline]
    pub(crate) fn level(&self, rank: Rank, levels: &Arena<Level>) -> Slot<Level> {
        self.find(rank, levels).expect("a rank that is present has its level")
    }

    /// How often the capacity was exceeded.
    pub(crate) fn growths(&self) -> u32 {
        self.others.growths() + self.pages.growths() + self.directory.growths()
    }

    /// Makes room for at least `capacity` levels in all.
    pub(crate) fn reserve(&mut self, capacity: usize, levels: &Arena<Level>) {
        self.others.reserve(capacity, |slot| levels[slot].rank.0 as u64);
        self.pages.reserve(capacity);
        self.directory.reserve(capacity);
    }

    /// Gives the memory beyond `capacity` back. For an empty ladder.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        self.others.shrink_to(capacity);
        self.pages.shrink_to(capacity);
        self.directory.shrink_to(capacity);
    }

    /// Whether order, bounds, sums and the best level hold; reads everything.
    pub(crate) fn is_sound(&self, levels: &Arena<Level>) -> bool {
        let ranks: Vec<Rank> = self.ranks().collect();
        let best = ranks.first().copied();
        let mut rising: Vec<Rank> = self.ranks_rising().collect();
        rising.reverse();
        self.directory.is_sound()
            && self.directory.rising().count() == self.pages.len()
            && self.directory.rising().all(|page| self.pages[page].is_sound())
            && ranks.windows(2).all(|pair| pair[0] > pair[1])
            && rising == ranks
            && ranks.len() == self.len()
            && ranks.iter().all(|rank| self.find(*rank, levels).is_some())
            && self.window.iter().filter(|level| **level != 0).count() == self.in_window
            && self.best == best.unwrap_or(Rank::EMPTY)
            && best.map_or(Slot::NONE, |rank| self.level(rank, levels)) == self.best_level
            && (self.last == NO_PAGE || self.directory.find(self.last.0).ok() == Some(self.last.1))
    }
}

const _: () = assert!(size_of::<Ladder>() == 256);

#[cfg(test)]
mod tests;
