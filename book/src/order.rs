//! A live order as it lies in memory: 32 bytes, two to a cache line and never across two.
//!
//! Side and price are those of its level and are not repeated here; terms that few orders carry are
//! in [`special`](crate::special).

use crate::arena::{Slot, Stored};
use crate::level::Level;
use crate::units::{LOTS_MAX, Lots, OrderId, User};

/// Bits of [`Order::lots`] that hold the open quantity; above them stands the arrival.
const OPEN_BITS: u32 = 41;
const OPEN: u64 = (1 << OPEN_BITS) - 1;

/// The number of an arrival in a queue, in the bits above the open quantity of an order. It counts
/// modulo 2^23: of two orders in one queue it tells which came first, which makes it part of the
/// hash of the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arrival(u64);

impl Arrival {
    /// How many there are.
    pub(crate) const COUNT: u32 = 1 << (64 - OPEN_BITS);

    /// The arrival with this number, below [`Arrival::COUNT`].
    pub(crate) fn new(number: u32) -> Arrival {
        Arrival(u64::from(number) << OPEN_BITS)
    }

    /// Its number.
    pub(crate) fn number(self) -> u32 {
        (self.0 >> OPEN_BITS) as u32
    }

    /// The one after it; after the last comes the first.
    #[inline]
    pub(crate) fn next(self) -> Arrival {
        Arrival(self.0.wrapping_add(1 << OPEN_BITS))
    }
}

/// An order in the queue of its level.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// What its queue shows of it, and when it joined its queue.
    lots: u64,
    pub(crate) user: User,
    /// The order before it in the queue.
    pub(crate) ahead: Slot<Order>,
    /// The order after it in the queue.
    pub(crate) behind: Slot<Order>,
    pub(crate) level: Slot<Level>,
}

impl Order {
    /// An order that is in no queue yet.
    #[inline]
    pub(crate) fn new(id: OrderId, user: User, open: Lots) -> Order {
        let (ahead, behind) = (Slot::NONE, Slot::NONE);
        Order { id, lots: open.0, user, ahead, behind, level: Slot::NONE }
    }

    /// An order that joins its queue behind another.
    #[inline]
    pub(crate) fn arriving(
        (id, user, open): (OrderId, User, Lots),
        arrival: Arrival,
        level: Slot<Level>,
        ahead: Slot<Order>,
    ) -> Order {
        let lots = open.0 | arrival.0;
        Order { id, lots, user, ahead, behind: Slot::NONE, level }
    }

    /// What its queue shows of it. Never zero while the order lives, zero in a free slot.
    #[inline]
    pub(crate) fn open(&self) -> Lots {
        Lots(self.lots & OPEN)
    }

    /// Changes what its queue shows of it.
    #[inline]
    pub(crate) fn set_open(&mut self, open: Lots) {
        self.lots = self.lots & !OPEN | open.0;
    }

    /// Notes its arrival in a queue.
    #[inline]
    pub(crate) fn set_arrival(&mut self, arrival: Arrival) {
        self.lots = self.lots & OPEN | arrival.0;
    }

    /// Open quantity and arrival from one word, as [`Order::word`] gives it.
    pub(crate) fn lots_of(word: u64) -> (Lots, Arrival) {
        (Lots(word & OPEN), Arrival(word & !OPEN))
    }

    /// Open quantity and arrival as one word.
    #[inline]
    pub(crate) fn word(&self) -> u64 {
        self.lots
    }
}

impl Stored for Order {
    #[inline]
    fn free(&mut self, next: Slot<Order>) {
        self.lots = 0;
        self.behind = next;
    }

    #[inline]
    fn next_free(&self) -> Slot<Order> {
        self.behind
    }
}

const _: () = assert!(size_of::<Order>() == 32 && LOTS_MAX.0 <= OPEN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantity_and_arrival_do_not_touch_each_other() {
        let mut order = Order::new(OrderId(1), User(2), LOTS_MAX);
        for arrival in [0, 1, Arrival::COUNT - 1].map(Arrival::new) {
            order.set_arrival(arrival);
            for open in [LOTS_MAX, Lots(1), Lots(LOTS_MAX.0 - 1)] {
                order.set_open(open);
                assert_eq!(order.open(), open);
                assert_eq!(Order::lots_of(order.word()), (open, arrival));
                assert_eq!(arrival.next().number(), (arrival.number() + 1) % Arrival::COUNT);
            }
        }
    }
}
