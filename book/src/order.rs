//! A resting order as it lies in memory: 32 bytes, two to a cache line.
//!
//! Side and price are those of its level and are not repeated here.

use crate::arena::Slot;
use crate::level::Level;
use crate::units::{Lots, OrderId, User};

/// An order in the queue of its level.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// Never zero while the order rests.
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
    pub(crate) fn new(id: OrderId, user: User, open: Lots) -> Order {
        let (ahead, behind) = (Slot::NONE, Slot::NONE);
        Order { id, open, user, ahead, behind, level: Slot::NONE }
    }
}

const _: () = assert!(size_of::<Order>() == 32);
