//! Reading a book out: the touch, levels with their sums (L2), orders in queue order (L3).

use crate::arena::Slot;
use crate::book::Book;
use crate::command::{Phase, Terms};
use crate::event::Waiting;
use crate::index::Probe;
use crate::level::Level;
use crate::order::Order;
use crate::units::{Lots, OrderId, Side, Ticks, Time, User};

/// The sums of one price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LevelDepth {
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Ticks,
    /// Lots that its orders show.
    pub qty: Lots,
    /// Number of its orders.
    pub orders: u32,
}

/// An order that rests in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestingOrder {
    /// Its side.
    pub side: Side,
    /// Its name.
    pub id: OrderId,
    /// Its price.
    pub price: Ticks,
    /// What the book shows of it.
    pub qty: Lots,
    /// What it hides beyond that: zero unless it is an iceberg.
    pub hidden: Lots,
    /// Its owner.
    pub user: User,
}

/// An order in whatever state it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiveOrder {
    /// It rests in the queue of its level.
    Resting(RestingOrder),
    /// It waits, unseen.
    Waiting(Waiting),
}

impl Book {
    /// The best level of a side.
    pub fn best(&self, side: Side) -> Option<LevelDepth> {
        self.ladders[side as usize].best_level().some().map(|at| self.depth(at))
    }

    /// The levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = LevelDepth> + '_ {
        self.ladders[side as usize].iter().map(|(_, at)| self.depth(at))
    }

    /// The orders of a side: the best level first, inside a level as they stand in the queue.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = RestingOrder> + '_ {
        let levels = self.ladders[side as usize].iter();
        levels.flat_map(|(_, at)| self.queue(at).map(|slot| self.view(slot)))
    }

    /// A live order, with the terms it has left.
    pub fn order(&self, id: OrderId) -> Option<(LiveOrder, Terms)> {
        match self.index.probe(id) {
            Probe::Found(_, slot) => Some((LiveOrder::Resting(self.view(slot)), Terms::default())),
            Probe::Vacant(_) => None,
        }
    }

    /// Number of resting orders, both sides.
    pub fn order_count(&self) -> usize {
        self.orders.len()
    }

    /// Number of levels, both sides.
    pub fn level_count(&self) -> usize {
        self.levels.len()
    }

    /// The orders of a level, the one that trades first in front.
    pub(crate) fn queue(&self, at: Slot<Level>) -> impl Iterator<Item = Slot<Order>> + '_ {
        let first = self.levels[at].first.some();
        std::iter::successors(first, |slot| self.orders[*slot].behind.some())
    }

    fn depth(&self, at: Slot<Level>) -> LevelDepth {
        let level = &self.levels[at];
        let (side, price) = (level.side(), level.price());
        LevelDepth { side, price, qty: level.total, orders: level.count }
    }

    fn view(&self, slot: Slot<Order>) -> RestingOrder {
        let Order { id, open, user, level, .. } = self.orders[slot];
        let level = &self.levels[level];
        RestingOrder {
            side: level.side(),
            id,
            price: level.price(),
            qty: open,
            hidden: Lots::ZERO,
            user,
        }
    }
}

/// What an uncross would do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Indicative {
    /// The one price of its trades.
    pub price: Ticks,
    /// Lots that would trade.
    pub volume: Lots,
    /// Lots that would be left over at that price: positive of buyers, negative of sellers.
    pub surplus: i128,
}

/// Why bytes are no snapshot of a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// stub
    #[error("stub")]
    Stub,
}

impl Book {
    /// The orders of a side that wait: stops in the order they would be triggered, then the market
    /// orders that wait for an uncross.
    pub fn waiting(&self, side: Side) -> impl Iterator<Item = Waiting> + '_ {
        let _ = side;
        std::iter::empty()
    }
    /// The phase of the book.
    pub fn phase(&self) -> Phase {
        Phase::Continuous
    }
    /// The price of the last trade.
    pub fn last_trade(&self) -> Option<Ticks> {
        None
    }
    /// The latest moment that [`Command::Expire`](crate::Command::Expire) told.
    pub fn now(&self) -> Time {
        Time(0)
    }
    /// What an uncross would do now; `None` when nothing would trade. In any phase.
    pub fn indicative(&self) -> Option<Indicative> {
        None
    }
    /// A hash of all that decides what the book does from here on. Two books with the same queues,
    /// waiting orders, terms, phase, moment and last trade have the same hash, however they came
    /// there. Kept up to date by every command in constant time per order touched.
    pub fn state_hash(&self) -> u64 {
        0
    }
    /// Appends the whole state of the book, versioned.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
    }
    /// Reads a book that [`Book::encode`] wrote, with the capacity of `config`; its self-trade mode
    /// is that of the bytes. Checks every invariant.
    pub fn decode(bytes: &[u8], config: crate::BookConfig) -> Result<Book, DecodeError> {
        let _ = (bytes, config);
        Err(DecodeError::Stub)
    }
}
