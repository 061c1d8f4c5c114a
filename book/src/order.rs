//! A live order as it lies in memory: 32 bytes, two to a cache line and never across two.
//!
//! Side and price are those of its level and are not repeated here; terms that few orders carry are
//! in [`special`](crate::special).

use crate::arena::{Slot, Stored};
use crate::level::Level;
use crate::units::{Lots, OrderId, User};

/// An order in the queue of its level.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// What its queue shows of it. Never zero while the order lives, zero in a free slot.
    pub(crate) open: Lots,
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
        Order { id, open, user, ahead, behind, level: Slot::NONE }
    }
}

impl Stored for Order {
    #[inline]
    fn free(&mut self, next: Slot<Order>) {
        self.open = Lots::ZERO;
        self.behind = next;
    }

    #[inline]
    fn next_free(&self) -> Slot<Order> {
        self.behind
    }
}

const _: () = assert!(size_of::<Order>() == 32);
