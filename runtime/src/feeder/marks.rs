//! Which places in the files are behind all shards: what the position may say.

use std::collections::VecDeque;

use super::place::Place;

/// Marks that wait for the shards. When there are more the newest ones become one, which only makes the position later.
const MARKS_MAX: usize = 4096;

/// How far the files were read when a block had been given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    /// The block, as the shards know it.
    pub(super) number: u64,
    /// Number of the last block in the fills' files, if they have numbers.
    pub(super) block: Option<u64>,
    /// The same of the statuses' files.
    pub(super) status_block: Option<u64>,
    /// Its time, Unix milliseconds.
    pub(super) time_ms: u64,
    /// In the files of fills.
    pub(super) fills: Place,
    /// In the files of statuses, if there are any.
    pub(super) statuses: Option<Place>,
    /// Holes of up to so many blocks are a habit of the fills' files, and of the statuses'.
    pub(super) habits: [u64; 2],
}

/// The marks that wait, and what each shard has acknowledged.
pub(super) struct Marks {
    waiting: VecDeque<Mark>,
    acknowledged: Vec<u64>,
    /// How far each shard's journal is durable.
    journals: Vec<u64>,
    passed: Option<Mark>,
}

impl Marks {
    pub(super) fn new(shards: usize) -> Marks {
        Marks {
            waiting: VecDeque::new(),
            acknowledged: vec![0; shards],
            journals: vec![0; shards],
            passed: None,
        }
    }

    /// Everything up to here has been given to all shards.
    pub(super) fn push(&mut self, mark: Mark) {
        if self.waiting.len() >= MARKS_MAX {
            self.waiting.pop_back();
        }
        self.waiting.push_back(mark);
    }

    /// A shard says that everything up to this block is durable, and its journal up to `seq`.
    pub(super) fn acknowledge(&mut self, shard: usize, number: u64, seq: u64) {
        let Some(acknowledged) = self.acknowledged.get_mut(shard) else { return };
        *acknowledged = number.max(*acknowledged);
        self.journals[shard] = seq.max(self.journals[shard]);
        let by_all = self.acknowledged.iter().min().copied().unwrap_or(0);
        while let Some(mark) = self.waiting.front().filter(|mark| mark.number <= by_all) {
            self.passed = Some(*mark);
            self.waiting.pop_front();
        }
    }

    /// How far the shards' journals are durable.
    pub(super) fn journals(&self) -> &[u64] {
        &self.journals
    }

    /// The newest mark that all shards have passed, if it was not taken before.
    pub(super) fn take_passed(&mut self) -> Option<Mark> {
        self.passed.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeder::hours::Hour;
    use net::hyperliquid::node::Kind;

    fn mark(number: u64) -> Mark {
        let hour = Hour { day: 20_251_125, hour: 8 };
        let kind = Kind::FillsByBlock;
        let fills = Place { kind, hour, offset: number, line_bytes: 1, line_hash: 0 };
        Mark {
            number,
            block: Some(number),
            status_block: None,
            time_ms: 0,
            fills,
            statuses: None,
            habits: [0; 2],
        }
    }

    #[test]
    fn the_position_is_behind_the_slowest_shard() {
        let mut marks = Marks::new(2);
        for number in 1..=5 {
            marks.push(mark(number));
        }
        marks.acknowledge(0, 5, 1);
        assert_eq!(marks.take_passed(), None, "the other one has not said anything");
        marks.acknowledge(1, 3, 1);
        assert_eq!(marks.take_passed(), Some(mark(3)));
        assert_eq!(marks.take_passed(), None, "once");
        marks.acknowledge(1, 2, 1);
        marks.acknowledge(7, 9, 1);
        assert_eq!(marks.take_passed(), None);
        marks.acknowledge(1, 9, 1);
        assert_eq!(marks.take_passed(), Some(mark(5)));
    }

    #[test]
    fn marks_that_nobody_acknowledges_stay_few() {
        let mut marks = Marks::new(1);
        for number in 1..=2 * MARKS_MAX as u64 {
            marks.push(mark(number));
        }
        assert_eq!(marks.waiting.len(), MARKS_MAX);
        marks.acknowledge(0, MARKS_MAX as u64, 1);
        assert_eq!(marks.take_passed(), Some(mark(MARKS_MAX as u64 - 1)));
        marks.acknowledge(0, 2 * MARKS_MAX as u64, 1);
        assert_eq!(marks.take_passed(), Some(mark(2 * MARKS_MAX as u64)));
    }
}
