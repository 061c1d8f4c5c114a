//! A price level: a queue of orders, first come first, and their sums.
//!
//! The queue is linked through the orders themselves, so an order leaves it in constant time
//! wherever it stands. Sums are kept exact by every function here;
//! [`ORDERS_MAX`](crate::ORDERS_MAX) proves that they fit.

use crate::arena::{Arena, Slot};
use crate::order::Order;
use crate::units::{Lots, Rank, Side, Ticks};

/// The orders of one side at one price.
#[derive(Clone, Copy)]
pub(crate) struct Level {
    /// Side and price in one word.
    pub(crate) rank: Rank,
    pub(crate) total: Lots,
    pub(crate) first: Slot<Order>,
    pub(crate) last: Slot<Order>,
    pub(crate) count: u32,
}

impl Level {
    /// A level without orders.
    pub(crate) fn new(rank: Rank) -> Level {
        Level { rank, total: Lots::ZERO, first: Slot::NONE, last: Slot::NONE, count: 0 }
    }

    /// The side it belongs to: prices are positive, so ranks are positive on the bid side only.
    pub(crate) fn side(&self) -> Side {
        if self.rank.0 > 0 { Side::Buy } else { Side::Sell }
    }

    /// The price of its orders.
    pub(crate) fn price(&self) -> Ticks {
        self.rank.price(self.side())
    }
}

/// Puts an order at the end of a level's queue.
#[inline]
pub(crate) fn push_last(
    levels: &mut Arena<Level>,
    orders: &mut Arena<Order>,
    at: Slot<Level>,
    slot: Slot<Order>,
) {
    let level = &mut levels[at];
    let last = level.last;
    let order = &mut orders[slot];
    (order.level, order.ahead, order.behind) = (at, last, Slot::NONE);
    level.total.0 += order.open.0;
    level.count += 1;
    level.last = slot;
    match last.some() {
        Some(last) => orders[last].behind = slot,
        None => level.first = slot,
    }
}

/// Takes an order out of its level's queue, wherever it stands. True when the level is empty now.
#[inline]
pub(crate) fn unlink(
    levels: &mut Arena<Level>,
    orders: &mut Arena<Order>,
    slot: Slot<Order>,
) -> bool {
    let Order { ahead, behind, open, level, .. } = orders[slot];
    let level = &mut levels[level];
    match ahead.some() {
        Some(ahead) => orders[ahead].behind = behind,
        None => level.first = behind,
    }
    match behind.some() {
        Some(behind) => orders[behind].ahead = ahead,
        None => level.last = ahead,
    }
    level.total.0 -= open.0;
    level.count -= 1;
    level.count == 0
}

/// Makes an order smaller by less than what is open of it; it keeps its place.
#[inline]
pub(crate) fn shrink(level: &mut Level, order: &mut Order, by: Lots) {
    assert!(by < order.open, "an order that loses everything has to leave its queue");
    order.open.0 -= by.0;
    level.total.0 -= by.0;
}

const _: () = assert!(size_of::<Level>() == 32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{OrderId, User};

    fn queue(levels: &Arena<Level>, orders: &Arena<Order>, at: Slot<Level>) -> Vec<u64> {
        let first = levels[at].first.some();
        let forward: Vec<_> =
            std::iter::successors(first, |slot| orders[*slot].behind.some()).collect();
        let back = std::iter::successors(levels[at].last.some(), |slot| orders[*slot].ahead.some());
        assert!(forward.iter().copied().eq(back.collect::<Vec<_>>().into_iter().rev()));
        assert_eq!(levels[at].count as usize, forward.len());
        assert_eq!(
            levels[at].total.0,
            forward.iter().map(|slot| orders[*slot].open.0).sum::<u64>()
        );
        forward.iter().map(|slot| orders[*slot].id.0).collect()
    }

    #[test]
    fn orders_leave_from_front_middle_and_back() {
        let (mut levels, mut orders) = (Arena::new(1), Arena::new(4));
        let at = levels.insert(Level::new(Rank(-7)));
        assert_eq!((levels[at].side(), levels[at].price()), (Side::Sell, Ticks(7)));
        let slots = [1, 2, 3, 4].map(|id| {
            let slot = orders.insert(Order::new(OrderId(id), User(0), Lots(id * 10)));
            push_last(&mut levels, &mut orders, at, slot);
            slot
        });
        assert_eq!(queue(&levels, &orders, at), [1, 2, 3, 4]);
        shrink(&mut levels[at], &mut orders[slots[1]], Lots(19));
        assert_eq!(levels[at].total, Lots(81));
        for (place, left) in [(1, vec![1, 3, 4]), (0, vec![3, 4]), (3, vec![3]), (2, vec![])] {
            assert_eq!(unlink(&mut levels, &mut orders, slots[place]), left.is_empty());
            assert_eq!(queue(&levels, &orders, at), left);
        }
    }

    #[test]
    #[should_panic(expected = "leave its queue")]
    fn an_order_is_never_shrunk_to_nothing() {
        let mut order = Order::new(OrderId(1), User(0), Lots(5));
        shrink(&mut Level::new(Rank(7)), &mut order, Lots(5));
    }
}
