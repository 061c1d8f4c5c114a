//! Orders in the queues of their levels, with the sums and the hash that follow from them.
//!
//! A queue is linked through the orders themselves, so an order leaves it in constant time wherever
//! it stands. Every function here keeps the sums of the level and the hash of the state exact;
//! [`ORDERS_MAX`](crate::ORDERS_MAX) proves that the sums fit.

use crate::arena::{Arena, Slot};
use crate::hash;
use crate::level::Level;
use crate::order::{Arrival, Order};
use crate::units::{Lots, OrderId, User};

/// All live orders and their levels.
pub(crate) struct Queues {
    pub(crate) orders: Arena<Order>,
    pub(crate) levels: Arena<Level>,
    /// Sum of the numbers of all queued orders.
    pub(crate) hash: u64,
    /// The next arrival in a queue.
    pub(crate) arrival: Arrival,
}

impl Queues {
    /// Room for so many orders and levels.
    pub(crate) fn new(orders: usize, levels: usize) -> Queues {
        let (orders, levels) = (Arena::new(orders), Arena::new(levels));
        Queues { orders, levels, hash: 0, arrival: Arrival::new(0) }
    }

    /// Stores an order at the end of a level's queue.
    #[inline]
    pub(crate) fn push_new(
        &mut self,
        at: Slot<Level>,
        id: OrderId,
        user: User,
        open: Lots,
    ) -> Slot<Order> {
        let arrival = self.next_arrival();
        let level = &mut self.levels[at];
        let order = Order::arriving((id, user, open), arrival, at, level.last);
        level.total.0 += open.0;
        // At most ORDERS_MAX.
        level.count = level.count.wrapping_add(1);
        self.hash = self.hash.wrapping_add(hash::of_order(&order, level.rank));
        let slot = self.orders.insert(order);
        level.last = slot;
        match order.ahead.some() {
            Some(ahead) => self.orders[ahead].behind = slot,
            None => level.first = slot,
        }
        slot
    }

    /// Puts a stored order at the end of a level's queue.
    #[inline]
    pub(crate) fn push_last(&mut self, at: Slot<Level>, slot: Slot<Order>) {
        let arrival = self.next_arrival();
        let orders = self.orders.items();
        let level = &mut self.levels[at];
        let last = level.last;
        level.last = slot;
        level.count += 1;
        match last.some() {
            Some(last) => orders[last.at()].behind = slot,
            None => level.first = slot,
        }
        let order = &mut orders[slot.at()];
        (order.level, order.ahead, order.behind) = (at, last, Slot::NONE);
        order.set_arrival(arrival);
        level.total.0 += order.open().0;
        self.hash = self.hash.wrapping_add(hash::of_order(order, level.rank));
    }

    /// Takes an order out of its level's queue, wherever it stands. True when the level is empty
    /// now.
    #[inline]
    pub(crate) fn unlink(&mut self, slot: Slot<Order>) -> bool {
        let orders = self.orders.items();
        let order = orders[slot.at()];
        let level = &mut self.levels[order.level];
        self.hash = self.hash.wrapping_sub(hash::of_order(&order, level.rank));
        level.total.0 -= order.open().0;
        level.count -= 1;
        match order.ahead.some() {
            Some(ahead) => orders[ahead.at()].behind = order.behind,
            None => level.first = order.behind,
        }
        match order.behind.some() {
            Some(behind) => orders[behind.at()].ahead = order.ahead,
            None => level.last = order.ahead,
        }
        level.count == 0
    }

    /// Makes an order smaller by less than what it shows; it keeps its place.
    #[inline]
    pub(crate) fn shrink(&mut self, slot: Slot<Order>, by: Lots) {
        let order = &mut self.orders[slot];
        let level = &mut self.levels[order.level];
        let open = order.open();
        assert!(by < open, "an order that loses everything has to leave its queue");
        let before = hash::of_order(order, level.rank);
        order.set_open(Lots(open.0 - by.0));
        level.total.0 -= by.0;
        let after = hash::of_order(order, level.rank);
        self.hash = self.hash.wrapping_sub(before).wrapping_add(after);
    }

    #[inline]
    fn next_arrival(&mut self) -> Arrival {
        let arrival = self.arrival;
        self.arrival = arrival.next();
        arrival
    }

    /// The orders of a level, the one that trades first in front.
    pub(crate) fn queue(&self, at: Slot<Level>) -> impl Iterator<Item = Slot<Order>> + '_ {
        let first = at.some().and_then(|at| self.levels[at].first.some());
        std::iter::successors(first, |slot| self.orders[*slot].behind.some())
    }

    /// The level of an order.
    #[inline]
    pub(crate) fn level_of(&self, slot: Slot<Order>) -> &Level {
        &self.levels[self.orders[slot].level]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Kind;
    use crate::units::{Rank, Side};

    fn ids(queues: &Queues, at: Slot<Level>) -> Vec<u64> {
        let forward: Vec<_> = queues.queue(at).collect();
        let last = queues.levels[at].last.some();
        let back = std::iter::successors(last, |slot| queues.orders[*slot].ahead.some());
        assert!(forward.iter().copied().eq(back.collect::<Vec<_>>().into_iter().rev()));
        let level = &queues.levels[at];
        let orders = || forward.iter().map(|slot| &queues.orders[*slot]);
        assert_eq!(level.count as usize, forward.len());
        assert_eq!(level.total.0, orders().map(|order| order.open().0).sum::<u64>());
        let numbers = orders().map(|order| hash::of_order(order, level.rank));
        assert_eq!(queues.hash, numbers.fold(0, u64::wrapping_add));
        orders().map(|order| order.id.0).collect()
    }

    fn four() -> (Queues, Slot<Level>, [Slot<Order>; 4]) {
        let mut queues = Queues::new(4, 1);
        let at = queues.levels.insert(Level::new(Rank(-7), Side::Sell, Kind::Priced));
        let slots = [1, 2, 3, 4].map(|id| {
            let (id, user, open) = (OrderId(id), User(0), Lots(id * 10));
            if id.0 % 2 == 0 {
                return queues.push_new(at, id, user, open);
            }
            let slot = queues.orders.insert(Order::new(id, user, open));
            queues.push_last(at, slot);
            slot
        });
        (queues, at, slots)
    }

    #[test]
    fn orders_leave_from_front_middle_and_back() {
        let (mut queues, at, slots) = four();
        assert_eq!(ids(&queues, at), [1, 2, 3, 4]);
        queues.shrink(slots[1], Lots(19));
        assert_eq!(queues.levels[at].total, Lots(81));
        for (place, left) in [(1, vec![1, 3, 4]), (0, vec![3, 4]), (3, vec![3]), (2, vec![])] {
            assert_eq!(queues.unlink(slots[place]), left.is_empty());
            assert_eq!(ids(&queues, at), left);
        }
        assert_eq!(queues.hash, 0);
    }

    #[test]
    fn the_order_of_a_queue_shows_in_the_hash() {
        let (mut queues, at, slots) = four();
        let before = queues.hash;
        queues.unlink(slots[0]);
        queues.push_last(at, slots[0]);
        assert_eq!(ids(&queues, at), [2, 3, 4, 1]);
        assert_ne!(queues.hash, before);
    }

    #[test]
    #[should_panic(expected = "leave its queue")]
    fn an_order_is_never_shrunk_to_nothing() {
        let (mut queues, _, slots) = four();
        queues.shrink(slots[0], Lots(10));
    }
}
