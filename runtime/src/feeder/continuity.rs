//! Whether a block follows the one before it.
//!
//! Block numbers rise by one, so a number that does not is a hole in the file: a node that lost its peers and began
//! again later, or went back to a snapshot. Whether a node writes a line for a block that has no events is not
//! documented. Where it does not, every such block looks like a hole, and asking for fills at each of them would ask
//! for ever. So a node that shows [`HOLES`] small holes soon after one another and never an empty block is taken to be one
//! that leaves them out: holes of up to twice the longest of those are a [habit](Verdict::LeftOut) from then on. That
//! does not say that nothing is missing: the reader asks for the fills of such holes too, but for many at a time.
//!
//! The habit ends with the first empty block, and when [`NO_HOLE_BLOCKS`] have come without a hole: so few holes may be
//! asked for one by one.

/// Holes, within [`WITHIN_BLOCKS`] and without an empty block, that make a habit.
const HOLES: u32 = 5;

/// See [`HOLES`].
const WITHIN_BLOCKS: u32 = 500;

/// After so many blocks without a hole there is no habit any more: some twelve minutes of the chain.
const NO_HOLE_BLOCKS: u32 = 10_000;

/// A hole of fewer blocks can be blocks without events: about three seconds of the chain.
const SMALL_HOLE: u64 = 40;

/// What the number of a block says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It is the next, or the first.
    Follows,
    /// Blocks between may be missing, or empty: this file has the habit.
    LeftOut,
    /// Blocks are missing.
    Missing {
        /// The last block before.
        from: u64,
        /// Whether this was the hole that made the habit: then holes of up to so many blocks are one.
        habit: Option<u64>,
    },
    /// The number is not above the one before.
    Back {
        /// The last block before.
        from: u64,
    },
}

/// What is known of the numbers in the files of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Continuity {
    last: Option<u64>,
    /// Holes of up to so many blocks are a habit; 0 where none is.
    habit: u64,
    seen_empty: bool,
    blocks: u32,
    /// Holes within those blocks, and the longest of them.
    holes: u32,
    longest: u64,
    /// Blocks since the last hole.
    whole: u32,
}

impl Continuity {
    /// After this block, if one is known, of a node that leaves out up to so many blocks at a time.
    pub(super) fn new(last: Option<u64>, habit: u64) -> Continuity {
        Continuity { last, habit: habit.min(SMALL_HOLE - 1), ..Continuity::default() }
    }

    /// The last block.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Holes of up to so many blocks are a habit; 0 where none is.
    pub(super) fn habit(&self) -> u64 {
        self.habit
    }

    /// Whether a block of this number would follow.
    pub(super) fn would_follow(&self, number: u64) -> bool {
        self.last.is_none_or(|last| Some(number) == last.checked_add(1))
    }

    /// The next line is not of a block after the last: the file is read again, or another one.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// A line could not be read: it was one block.
    pub(super) fn skip(&mut self) {
        self.last = self.last.and_then(|last| last.checked_add(1));
    }

    /// A block was read.
    pub(super) fn block(&mut self, number: u64, events: usize) -> Verdict {
        let last = self.last.replace(number);
        if events == 0 {
            (self.seen_empty, self.habit) = (true, 0);
        }
        self.blocks += 1;
        if self.blocks > WITHIN_BLOCKS {
            (self.blocks, self.holes, self.longest) = (0, 0, 0);
        }
        self.whole += 1;
        if self.whole >= NO_HOLE_BLOCKS {
            (self.whole, self.habit) = (0, 0);
        }
        let Some(from) = last else { return Verdict::Follows };
        if number <= from {
            return Verdict::Back { from };
        }
        let hole = number - from - 1;
        if hole == 0 {
            return Verdict::Follows;
        }
        self.whole = 0;
        if hole >= SMALL_HOLE || self.seen_empty {
            return Verdict::Missing { from, habit: None };
        }
        if hole <= self.habit {
            return Verdict::LeftOut;
        }
        self.holes += 1;
        self.longest = self.longest.max(hole);
        if self.holes < HOLES {
            return Verdict::Missing { from, habit: None };
        }
        self.habit = (2 * self.longest).min(SMALL_HOLE - 1);
        (self.holes, self.longest) = (0, 0);
        Verdict::Missing { from, habit: Some(self.habit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_does_not_follow_is_a_hole() {
        let mut blocks = Continuity::default();
        assert_eq!(blocks.block(7, 0), Verdict::Follows);
        assert_eq!(blocks.block(8, 3), Verdict::Follows);
        assert_eq!(blocks.block(10, 3), Verdict::Missing { from: 8, habit: None });
        assert_eq!(blocks.block(10, 3), Verdict::Back { from: 10 });
        assert_eq!(blocks.block(4, 3), Verdict::Back { from: 10 });
        assert_eq!(blocks.block(5, 3), Verdict::Follows);
        blocks.skip();
        assert!(blocks.would_follow(7) && !blocks.would_follow(6));
        assert_eq!(blocks.block(7, 3), Verdict::Follows);
        blocks.forget();
        assert_eq!(blocks.block(3, 3), Verdict::Follows);
    }

    #[test]
    fn a_node_that_leaves_out_empty_blocks_is_found_out() {
        let mut blocks = Continuity::new(Some(0), 0);
        let mut told = 0;
        for number in (3..60).step_by(3) {
            match blocks.block(number, 1) {
                Verdict::Missing { habit, .. } => {
                    told += 1;
                    assert_eq!(habit, (told == HOLES).then_some(4), "twice the holes of two");
                }
                verdict => assert_eq!(verdict, Verdict::LeftOut),
            }
        }
        assert_eq!(told, HOLES);
        let mut last = blocks.last().expect("one");
        assert_eq!(blocks.block(last + 5, 1), Verdict::LeftOut, "four");
        last += 5;
        for hole in [5, 6, 38, SMALL_HOLE] {
            let next = last + hole + 1;
            assert_eq!(blocks.block(next, 1), Verdict::Missing { from: last, habit: None });
            last = next;
        }
        // An empty block proves the contrary.
        assert_eq!(blocks.block(last + 1, 0), Verdict::Follows);
        assert_eq!(blocks.block(last + 3, 1), Verdict::Missing { from: last + 1, habit: None });
    }

    #[test]
    fn a_habit_grows_with_holes_that_are_as_frequent_and_ends_without_any() {
        let mut blocks = Continuity::new(Some(0), 2);
        let mut number = 0;
        for hole in [3, 30, 3, 3] {
            number += hole + 1;
            assert!(matches!(blocks.block(number, 1), Verdict::Missing { habit: None, .. }));
        }
        let from = number;
        number += 4;
        let habit = Some(SMALL_HOLE - 1);
        assert_eq!(blocks.block(number, 1), Verdict::Missing { from, habit }, "60 is no habit");
        assert_eq!(Continuity::new(Some(0), 60).habit(), SMALL_HOLE - 1);
        for _ in 1..NO_HOLE_BLOCKS {
            number += 1;
            assert_eq!(blocks.block(number, 1), Verdict::Follows);
        }
        let last = number;
        assert_eq!(blocks.block(last + 2, 1), Verdict::Missing { from: last, habit: None });
    }

    #[test]
    fn rare_holes_are_no_habit() {
        let mut blocks = Continuity::default();
        let mut number = 0;
        for _ in 0..20 {
            for _ in 0..WITHIN_BLOCKS {
                number += 1;
                blocks.block(number, 1);
            }
            number += 2;
            let verdict = blocks.block(number, 1);
            assert_eq!(verdict, Verdict::Missing { from: number - 2, habit: None });
        }
    }
}
