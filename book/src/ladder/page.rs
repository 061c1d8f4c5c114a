//! A page: which of 1024 neighbouring ranks have a level, as bits under bits.
//!
//! 16 words of 64 ranks, and one that says which of these are not zero: the highest rank is found
//! in a few instructions. Small enough that a book whose levels are all far apart can afford a page
//! for each.

use crate::arena::{Slot, Stored};
use crate::units::Rank;

/// Ranks of a page.
const PAGE_RANKS: i64 = 64 * WORDS as i64;

/// Words of a page.
const WORDS: usize = 16;

/// Which ranks of one page are present.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    /// Its ranks divided by their number, rounded down. In a free slot: the next free one.
    key: i64,
    /// Bit n is set when `words[n]` is not zero.
    summary: u64,
    words: [u64; WORDS],
}

impl Page {
    /// The page of `key`, without ranks.
    pub(super) fn new(key: i64) -> Page {
        Page { key, summary: 0, words: [0; WORDS] }
    }

    /// The key of the page that `rank` belongs to.
    #[inline]
    pub(super) fn key_of(rank: Rank) -> i64 {
        rank.0 >> PAGE_RANKS.trailing_zeros()
    }

    /// Adds a rank that belongs to this page and is not there.
    #[inline]
    pub(super) fn insert(&mut self, rank: Rank) {
        let (word, bit) = place(rank);
        assert!(self.words[word] & bit == 0, "a rank was added twice");
        self.words[word] |= bit;
        self.summary |= 1 << word;
    }

    /// Removes a rank that is there. True when the page is empty now.
    #[inline]
    pub(super) fn remove(&mut self, rank: Rank) -> bool {
        let (word, bit) = place(rank);
        assert!(self.words[word] & bit != 0, "a rank was removed that was not there");
        self.words[word] &= !bit;
        if self.words[word] == 0 {
            self.summary &= !(1 << word);
        }
        self.summary == 0
    }

    /// The highest rank. For a page that is not empty.
    #[inline]
    pub(super) fn highest(&self) -> Rank {
        let word = self.summary.ilog2() as usize;
        self.rank(word, self.words[word].ilog2())
    }

    /// The ranks, the highest first.
    pub(super) fn falling(&self) -> impl Iterator<Item = Rank> + '_ {
        let words = std::iter::successors(top(self.summary), |summary| top(summary.1));
        words.flat_map(move |(word, _)| {
            let bits = std::iter::successors(top(self.words[word as usize]), |bits| top(bits.1));
            bits.map(move |(bit, _)| self.rank(word as usize, bit))
        })
    }

    /// The ranks, the lowest first.
    pub(super) fn rising(&self) -> impl Iterator<Item = Rank> + '_ {
        let words = (0..WORDS).filter(|word| self.summary >> word & 1 == 1);
        words.flat_map(move |word| {
            let bits = (0..64).filter(move |bit| self.words[word] >> bit & 1 == 1);
            bits.map(move |bit| self.rank(word, bit))
        })
    }

    /// Whether the summary agrees with the words, and something is there.
    pub(super) fn is_sound(&self) -> bool {
        self.summary != 0
            && (0..WORDS).all(|word| (self.words[word] != 0) == (self.summary >> word & 1 == 1))
    }

    #[inline]
    fn rank(&self, word: usize, bit: u32) -> Rank {
        Rank(self.key * PAGE_RANKS + (word * 64) as i64 + i64::from(bit))
    }
}

impl Stored for Page {
    fn free(&mut self, next: Slot<Page>) {
        self.key = i64::from(next.number());
    }

    fn next_free(&self) -> Slot<Page> {
        Slot::new(self.key as u32)
    }
}

/// Word and bit of a rank in its page.
#[inline]
fn place(rank: Rank) -> (usize, u64) {
    ((rank.0 >> 6) as usize % WORDS, 1 << (rank.0 & 63))
}

/// The highest bit of a word, and the word without it.
fn top(word: u64) -> Option<(u32, u64)> {
    word.checked_ilog2().map(|bit| (bit, word & !(1 << bit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn agrees_with_a_set() {
        for base in [0, PAGE_RANKS * 1000, -PAGE_RANKS, -PAGE_RANKS << 40] {
            let (mut page, mut model) = (Page::new(base / PAGE_RANKS), BTreeSet::new());
            let mut draw = 7_u64;
            for _ in 0..3000 {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let rank = Rank(base + (draw >> 33) as i64 % PAGE_RANKS);
                assert_eq!(Page::key_of(rank), base / PAGE_RANKS);
                if draw >> 63 == 0 && model.remove(&rank) {
                    assert_eq!(page.remove(rank), model.is_empty());
                } else if model.insert(rank) {
                    page.insert(rank);
                }
                if !model.is_empty() {
                    assert_eq!(Some(page.highest()), model.last().copied());
                    assert!(page.is_sound());
                }
            }
            assert!(page.rising().eq(model.iter().copied()));
            assert!(page.falling().eq(model.iter().rev().copied()));
        }
    }

    #[test]
    #[should_panic(expected = "added twice")]
    fn a_rank_is_not_added_twice() {
        let mut page = Page::new(0);
        page.insert(Rank(5));
        page.insert(Rank(5));
    }

    #[test]
    #[should_panic(expected = "not there")]
    fn a_missing_rank_is_not_removed() {
        Page::new(0).remove(Rank(5));
    }
}
