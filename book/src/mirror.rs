//! L2 at a distance: a snapshot of the levels, numbered changes, and the copy they keep.
//!
//! The side of the book numbers the changes it tells ([`DepthFeed`]); the far side starts from a
//! [`DepthSnapshot`] and applies the changes that follow ([`Mirror`]). A change that is missing is
//! noticed at the next one; changes that the snapshot contains already are passed over, so it does
//! not matter which of the two arrives first.
//!
//! ```
//! use book::mirror::{DepthFeed, DepthSnapshot, Mirror};
//! use book::{Book, BookConfig, Command, Lots, NewOrder, OrderId, Side, Ticks, User};
//!
//! let mut book = Book::new(BookConfig::default());
//! let mut changes = Vec::new();
//! let mut feed = DepthFeed::new(|change| changes.push(change));
//! let mut mirror = Mirror::new(&DepthSnapshot::of(&book, feed.seq()));
//! let bid = NewOrder::limit(OrderId(1), User(7), Side::Buy, Ticks(100), Lots(5));
//! book.apply(&Command::New(bid), &mut feed);
//! for change in &changes {
//!     mirror.apply(change).expect("nothing is missing");
//! }
//! assert!(mirror.levels(Side::Buy).eq(book.levels(Side::Buy)));
//! ```

use crate::book::Book;
use crate::depth::LevelDepth;
use crate::event::{Event, Events};
use crate::units::{Lots, Rank, Side};
use std::collections::BTreeMap;

/// A level as it is after a change; without lots and orders when it is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DepthChange {
    /// Its number: one more than that of the change before it. Starts at 1.
    pub seq: u64,
    /// The level.
    pub level: LevelDepth,
}

/// A sink that numbers the changes of levels and hands them on.
pub struct DepthFeed<F> {
    seq: u64,
    tell: F,
}

/// All levels of a book at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DepthSnapshot {
    /// Number of the last change that is in it; zero before the first.
    pub seq: u64,
    /// Bids, then asks, the best first.
    pub levels: Vec<LevelDepth>,
}

/// A change did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("depth change {expected} is missing: {found} came; take a new snapshot")]
pub struct Gap {
    /// The number that was due.
    pub expected: u64,
    /// The number that came.
    pub found: u64,
}

/// The levels of a book, kept from a snapshot and changes.
#[derive(Clone, Debug)]
pub struct Mirror {
    seq: u64,
    /// Lots and orders by rank, by `Side as usize`.
    sides: [BTreeMap<Rank, (Lots, u32)>; 2],
}

impl<F: FnMut(DepthChange)> DepthFeed<F> {
    /// A feed whose first change is number 1.
    pub fn new(tell: F) -> DepthFeed<F> {
        DepthFeed { seq: 0, tell }
    }

    /// A feed that goes on after change `seq`.
    pub fn resume(seq: u64, tell: F) -> DepthFeed<F> {
        DepthFeed { seq, tell }
    }

    /// Number of the last change told.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

impl<F: FnMut(DepthChange)> Events for DepthFeed<F> {
    fn event(&mut self, _: Event) {}

    fn level(&mut self, level: LevelDepth) {
        self.seq += 1;
        (self.tell)(DepthChange { seq: self.seq, level });
    }
}

impl DepthSnapshot {
    /// The levels of a book after change `seq`.
    pub fn of(book: &Book, seq: u64) -> DepthSnapshot {
        let levels = Side::BOTH.into_iter().flat_map(|side| book.levels(side)).collect();
        DepthSnapshot { seq, levels }
    }
}

impl Mirror {
    /// The levels of a snapshot.
    pub fn new(snapshot: &DepthSnapshot) -> Mirror {
        let mut mirror = Mirror { seq: snapshot.seq, sides: [BTreeMap::new(), BTreeMap::new()] };
        snapshot.levels.iter().for_each(|level| mirror.set(level));
        mirror
    }

    /// Number of the last change that is in it.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Applies the next change; one that is in it already is passed over. After a [`Gap`] the mirror
    /// is as before: it needs a new snapshot.
    pub fn apply(&mut self, change: &DepthChange) -> Result<(), Gap> {
        let expected = self.seq.wrapping_add(1);
        if change.seq > expected {
            return Err(Gap { expected, found: change.seq });
        }
        if change.seq == expected {
            self.set(&change.level);
            self.seq = expected;
        }
        Ok(())
    }

    /// The levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = LevelDepth> + '_ {
        // Keyed by rank, so that the best is last on both sides.
        let levels = self.sides[side as usize].iter().rev();
        levels.map(move |(rank, (qty, orders))| LevelDepth {
            side,
            price: rank.price(side),
            qty: *qty,
            orders: *orders,
        })
    }

    fn set(&mut self, level: &LevelDepth) {
        let LevelDepth { side, price, qty, orders } = *level;
        let rank = Rank::new(side, price);
        let levels = &mut self.sides[side as usize];
        if orders == 0 {
            levels.remove(&rank);
        } else {
            levels.insert(rank, (qty, orders));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::BookConfig;
    use crate::command::{Command, NewOrder};
    use crate::units::{OrderId, Ticks, User};

    /// Orders that trade, rest and leave, around one price.
    fn commands() -> impl Iterator<Item = Command> {
        (0..2000_u64).map(|at| {
            let draw = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let side = Side::BOTH[(draw % 2) as usize];
            let price = Ticks(100 + (draw / 2 % 9) as i64);
            let lots = Lots(1 + draw / 32 % 7);
            match draw / 1024 % 4 {
                0 => Command::Cancel { id: OrderId(at / 2) },
                1 => Command::Reduce { id: OrderId(at - at / 16), by: Lots(1) },
                2 => NewOrder::limit(OrderId(at), User(1), side, price, lots).with_display(Lots(1)),
                _ => Command::New(NewOrder::limit(OrderId(at), User(1), side, price, lots)),
            }
        })
    }

    #[test]
    fn a_mirror_is_the_book_wherever_it_starts() {
        let mut book = Book::new(BookConfig::default());
        let (mut seq, mut mirrors) = (0, Vec::new());
        for (at, command) in commands().enumerate() {
            if at % 500 == 0 {
                mirrors.push(Mirror::new(&DepthSnapshot::of(&book, seq)));
            }
            let mut changes = Vec::new();
            let mut feed = DepthFeed::resume(seq, |change| changes.push(change));
            let mut told = Vec::new();
            book.apply(&command, &mut (&mut told, &mut feed));
            assert!(!told.is_empty(), "both sinks are told");
            seq = feed.seq();
            for mirror in &mut mirrors {
                changes.iter().for_each(|change| mirror.apply(change).expect("none is missing"));
                assert_eq!(mirror.seq(), seq);
                for side in Side::BOTH {
                    assert!(mirror.levels(side).eq(book.levels(side)), "{command:?}");
                }
            }
        }
        assert!(seq > 1000 && mirrors.len() == 4, "{seq} changes");
    }

    #[test]
    fn a_gap_is_visible_and_a_repeat_is_harmless() {
        let level = LevelDepth { side: Side::Buy, price: Ticks(5), qty: Lots(1), orders: 1 };
        let change = |seq| DepthChange { seq, level };
        let mut mirror = Mirror::new(&DepthSnapshot { seq: 7, levels: vec![] });
        assert_eq!(mirror.apply(&change(7)), Ok(()));
        assert_eq!(mirror.levels(Side::Buy).count(), 0);
        let gap = Gap { expected: 8, found: 9 };
        assert_eq!(mirror.apply(&change(9)), Err(gap));
        assert!(gap.to_string().contains("8 is missing"));
        assert_eq!((mirror.apply(&change(8)), mirror.apply(&change(9))), (Ok(()), Ok(())));
        assert!(mirror.levels(Side::Buy).eq([level]));
    }
}
