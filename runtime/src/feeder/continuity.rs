//! Whether a block follows the one before it.
//!
//! Block numbers rise by one, so a number that does not is a hole in the file: a node that lost its peers and began
//! again later, or went back to a snapshot. Whether a node writes a line for a block that has no events is not
//! documented. Where it does not, every such block looks like a hole. So a node that has shown many small holes and
//! never an empty block is taken to be one that leaves them out: from then on only a long hole is one. The first
//! empty block ends that.

/// Holes, within [`WITHIN_BLOCKS`] and without an empty block, that make a habit.
const HOLES: u32 = 5;

/// See [`HOLES`].
const WITHIN_BLOCKS: u32 = 500;

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
        /// Whether this was the hole that made the habit.
        habit: bool,
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
    leaves_out_empty: bool,
    seen_empty: bool,
    blocks: u32,
    holes: u32,
}

impl Continuity {
    /// After this block, if one is known, of a node that has or has not the habit of leaving out empty blocks.
    pub(super) fn new(last: Option<u64>, leaves_out_empty: bool) -> Continuity {
        Continuity { last, leaves_out_empty, ..Continuity::default() }
    }

    /// The last block.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether empty blocks are left out.
    pub(super) fn leaves_out_empty(&self) -> bool {
        self.leaves_out_empty
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
            (self.seen_empty, self.leaves_out_empty) = (true, false);
        }
        self.blocks += 1;
        if self.blocks > WITHIN_BLOCKS {
            (self.blocks, self.holes) = (0, 0);
        }
        let Some(from) = last else { return Verdict::Follows };
        if number <= from {
            return Verdict::Back { from };
        }
        let hole = number - from - 1;
        if hole == 0 {
            return Verdict::Follows;
        }
        if hole >= SMALL_HOLE || self.seen_empty {
            return Verdict::Missing { from, habit: false };
        }
        if self.leaves_out_empty {
            return Verdict::LeftOut;
        }
        self.holes += 1;
        self.leaves_out_empty = self.holes == HOLES;
        Verdict::Missing { from, habit: self.leaves_out_empty }
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
        assert_eq!(blocks.block(10, 3), Verdict::Missing { from: 8, habit: false });
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
        let mut blocks = Continuity::new(Some(0), false);
        let mut told = 0;
        for number in (3..60).step_by(3) {
            match blocks.block(number, 1) {
                Verdict::Missing { habit, .. } => {
                    told += 1;
                    assert_eq!(habit, told == HOLES);
                }
                verdict => assert_eq!(verdict, Verdict::LeftOut),
            }
        }
        assert_eq!(told, HOLES);
        let last = blocks.last().expect("one");
        let far = last + SMALL_HOLE + 1;
        assert_eq!(blocks.block(far, 1), Verdict::Missing { from: last, habit: false });
        // An empty block proves the contrary.
        assert_eq!(blocks.block(far + 1, 0), Verdict::Follows);
        assert_eq!(blocks.block(far + 3, 1), Verdict::Missing { from: far + 1, habit: false });
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
            assert_eq!(verdict, Verdict::Missing { from: number - 2, habit: false });
        }
    }
}
