//! Rebuilds the levels of a book from `Events::level` alone, as a depth feed does, and takes the
//! events down beside it.

use book::{Event, Events, LevelDepth, Lots, Side};
use std::collections::BTreeMap;

/// More events than any command of these tests has.
const EVENTS_MAX: usize = 1_000_000;

/// The sink of the tests.
#[derive(Default)]
pub(crate) struct Sink {
    /// The events since they were last cleared.
    pub(crate) told: Vec<Event>,
    /// By side, by price, so the best bid is the last of its side.
    levels: [BTreeMap<i64, LevelDepth>; 2],
}

impl Sink {
    /// The best level of a side.
    pub(crate) fn best(&self, side: Side) -> Option<LevelDepth> {
        let levels = self.levels[side as usize].values();
        match side {
            Side::Buy => levels.copied().next_back(),
            Side::Sell => levels.copied().next(),
        }
    }

    /// The levels of a side, the best first.
    pub(crate) fn levels(&self, side: Side) -> Vec<LevelDepth> {
        let mut levels: Vec<_> = self.levels[side as usize].values().copied().collect();
        if side == Side::Buy {
            levels.reverse();
        }
        levels
    }

    /// Number of levels, both sides.
    pub(crate) fn level_count(&self) -> usize {
        self.levels.iter().map(BTreeMap::len).sum()
    }
}

impl Events for Sink {
    fn event(&mut self, event: Event) {
        assert!(self.told.len() < EVENTS_MAX, "a command does not end");
        self.told.push(event);
    }

    fn level(&mut self, level: LevelDepth) {
        let gone = level.orders == 0;
        assert_eq!(level.qty == Lots::ZERO, gone, "lots without orders, or orders without lots");
        let levels = &mut self.levels[level.side as usize];
        match gone {
            true => levels.remove(&level.price.0),
            false => levels.insert(level.price.0, level),
        };
    }
}
