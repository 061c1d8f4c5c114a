//! Reading a book out: the touch, levels with their sums (L2), orders in queue order (L3).

use crate::arena::Slot;
use crate::book::Book;
use crate::index::Probe;
use crate::level::Level;
use crate::order::Order;
use crate::units::{Lots, OrderId, Side, Ticks, User};

/// The sums of one price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LevelDepth {
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Ticks,
    /// Open lots of all its orders.
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
    /// What is open of it.
    pub qty: Lots,
    /// Its owner.
    pub user: User,
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

    /// A resting order.
    pub fn order(&self, id: OrderId) -> Option<RestingOrder> {
        match self.index.probe(id) {
            Probe::Found(_, slot) => Some(self.view(slot)),
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
        RestingOrder { side: level.side(), id, price: level.price(), qty: open, user }
    }
}
