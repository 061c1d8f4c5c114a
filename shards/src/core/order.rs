//! What is known of one order of one account.

use super::account::AccountKey;
use super::leg::{Leg, LegKey};
use crate::decimal::Decimal;
use crate::fill::{Cloid, OrderStatus};
use crate::text::{Coin, Label};

/// Slab key of an order.
pub(super) type OrderKey = usize;

/// Orders that are kept for as long as they may be needed. With more, they go as soon as they can be spared. An order
/// with its leg is some 700 bytes.
pub(super) const ORDERS_ROOM: usize = 1 << 15;

/// Most legs of one order. An order has one side, so there are two, and those of labels of their own; what comes with
/// more labels than this goes to the last leg.
pub(super) const LEGS_MAX: usize = 32;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 24 * 3_600 * SECOND_NS;

/// How long an order with nothing to signal stays. A forgotten one that is filled again begins anew, at revision 1: its
/// signal's id is then not unique.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Keep {
    /// At least this long.
    pub(super) least_ns: u64,
    /// This long while there is room.
    pub(super) most_ns: u64,
}

/// Of an order whose end came, and whose fills add up to it: nothing more can come of it but repeats, which are known by their keys.
const COMPLETE_KEEP: Keep = Keep { least_ns: 10 * SECOND_NS, most_ns: 10 * SECOND_NS };
/// Of any other: a resting order is filled again after days, a missing fill is found after an outage.
pub(super) const RESTING_KEEP: Keep = Keep { least_ns: DAY_NS, most_ns: 90 * DAY_NS };

/// The end of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terminal {
    pub(super) status: Label,
    /// Size that must have been filled; `None` when the status does not say.
    pub(super) filled: Option<Decimal>,
}

impl Terminal {
    pub(super) fn of(status: &OrderStatus) -> Terminal {
        Terminal { status: status.status, filled: status.filled() }
    }
}

/// One order.
pub(super) struct Order {
    pub(super) account: AccountKey,
    pub(super) oid: u64,
    /// Tells this order from an earlier one with the same slab key.
    pub(super) generation: u64,
    pub(super) coin: Coin,
    pub(super) cloid: Option<Cloid>,
    /// The next order with this oid, of another account.
    pub(super) same_oid: Option<OrderKey>,
    pub(super) first_leg: Option<LegKey>,
    /// Sum of the fills, with what was filled at the baseline.
    pub(super) filled: Decimal,
    /// Whether it had fills before the account was watched.
    pub(super) partial_history: bool,
    pub(super) terminal: Option<Terminal>,
    /// When the oldest unsignalled fill came; 0 if everything is signalled.
    pub(super) unsignalled_ns: u64,
    /// From when the grace of a terminal status counts.
    pub(super) grace_from_ns: u64,
    /// When something last happened.
    pub(super) touched_ns: u64,
    /// Deadline of the timer that is set; 0 if none.
    pub(super) armed_ns: u64,
    /// Whether it is among those that the input at hand touched. Never between two steps.
    pub(super) is_touched: bool,
}

impl Order {
    /// Whether the end is known and every fill before it has come.
    pub(super) fn is_complete(&self) -> bool {
        self.terminal
            .is_some_and(|terminal| terminal.filled.is_some_and(|filled| self.filled >= filled))
    }

    /// How long it stays once everything is signalled.
    pub(super) fn keep(&self) -> Keep {
        // An end that says less than what came is not to be relied on.
        let adds_up = self.terminal.is_some_and(|end| end.filled == Some(self.filled));
        if adds_up { COMPLETE_KEEP } else { RESTING_KEEP }
    }

    /// Calls `f` with each leg.
    pub(super) fn each_leg(&self, legs: &slab::Slab<Leg>, mut f: impl FnMut(&Leg)) {
        let mut next = self.first_leg;
        while let Some(key) = next {
            let leg = &legs[key];
            f(leg);
            next = leg.next;
        }
    }
}
