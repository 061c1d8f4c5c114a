//! What can be asked of a book.
//!
//! A command is what its sender wrote, decoded: sides and kinds are valid by type, numbers and
//! their combinations are judged by [`Book::apply`](crate::Book::apply). The owner of an order is
//! taken as given; whether the sender may touch an order is decided before the book.

use crate::units::{Lots, OrderId, Side, Ticks, User};

/// One change of a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Enter an order.
    New(NewOrder),
    /// Take a resting order out.
    Cancel {
        /// The order.
        id: OrderId,
    },
    /// Make a resting order smaller; it keeps its place. By its whole quantity or more, it is
    /// cancelled.
    Reduce {
        /// The order.
        id: OrderId,
        /// How many lots to take off, 1 to [`LOTS_MAX`](crate::LOTS_MAX).
        by: Lots,
    },
    /// Cancel a resting order and enter it again, good till cancelled, with the same id, side and
    /// user. It loses its place and may trade.
    Replace {
        /// The order.
        id: OrderId,
        /// The new limit.
        price: Ticks,
        /// The new open quantity.
        qty: Lots,
        /// Self-trade prevention of this entry; the book's own when `None`.
        self_trade: Option<SelfTrade>,
    },
    /// Cancel all resting orders of a user, user 0 included. Never refused.
    MassCancel {
        /// Whose orders.
        user: User,
        /// Only the orders on this side.
        side: Option<Side>,
    },
}

/// A new order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// Its name; must not be that of a resting order.
    pub id: OrderId,
    /// Its owner.
    pub user: User,
    /// Bid or ask.
    pub side: Side,
    /// The worst price it may trade at; `None` for a market order, which never rests.
    pub limit: Option<Ticks>,
    /// How much to trade.
    pub qty: Lots,
    /// What becomes of the part that does not trade at once.
    pub tif: TimeInForce,
    /// Self-trade prevention of this order as a taker; the book's own when `None`.
    pub self_trade: Option<SelfTrade>,
}

/// What becomes of the part of an order that does not trade at once.
///
/// A market order never rests: it behaves as [`Ioc`](Self::Ioc) unless it is [`Fok`](Self::Fok).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum TimeInForce {
    /// Good till cancelled: it rests.
    #[default]
    Gtc = 0,
    /// Immediate or cancel: it is cancelled.
    Ioc = 1,
    /// Fill or kill: the order trades in full or is refused. All opposite quantity within the limit
    /// counts, the user's own included.
    Fok = 2,
    /// Post-only: the order is refused if any of it would trade.
    Post = 3,
}

/// What happens when an order meets an order of the same non-zero user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum SelfTrade {
    /// They trade.
    #[default]
    Allow = 0,
    /// The rest of the taker is cancelled.
    CancelNewest = 1,
    /// The maker is cancelled and the taker goes on.
    CancelOldest = 2,
    /// Both are cancelled.
    CancelBoth = 3,
    /// Both lose the smaller of their quantities, as cancelled, and the taker goes on.
    Decrement = 4,
}

impl NewOrder {
    /// A limit order that rests its remainder.
    pub fn limit(id: OrderId, user: User, side: Side, price: Ticks, qty: Lots) -> NewOrder {
        let tif = TimeInForce::Gtc;
        NewOrder { id, user, side, limit: Some(price), qty, tif, self_trade: None }
    }

    /// A market order.
    pub fn market(id: OrderId, user: User, side: Side, qty: Lots) -> NewOrder {
        let tif = TimeInForce::Ioc;
        NewOrder { id, user, side, limit: None, qty, tif, self_trade: None }
    }

    /// The same order with another time in force.
    pub fn with_tif(self, tif: TimeInForce) -> NewOrder {
        NewOrder { tif, ..self }
    }

    /// The same order with its own self-trade prevention.
    pub fn with_self_trade(self, mode: SelfTrade) -> NewOrder {
        NewOrder { self_trade: Some(mode), ..self }
    }
}

impl TimeInForce {
    /// The value with this byte in the command record.
    pub fn from_byte(byte: u8) -> Option<TimeInForce> {
        use TimeInForce::*;
        [Gtc, Ioc, Fok, Post].into_iter().find(|tif| *tif as u8 == byte)
    }
}

impl SelfTrade {
    /// All five modes, in the order of their bytes.
    pub const ALL: [SelfTrade; 5] = [
        SelfTrade::Allow,
        SelfTrade::CancelNewest,
        SelfTrade::CancelOldest,
        SelfTrade::CancelBoth,
        SelfTrade::Decrement,
    ];

    /// The mode with this byte in the header of a command file.
    pub fn from_byte(byte: u8) -> Option<SelfTrade> {
        SelfTrade::ALL.into_iter().find(|mode| *mode as u8 == byte)
    }
}
