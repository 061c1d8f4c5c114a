//! What can be asked of a book.
//!
//! A command is what its sender wrote, decoded: sides and kinds are valid by type, numbers and
//! their combinations are judged by [`Book::apply`](crate::Book::apply). The owner of an order is
//! taken as given; whether the sender may touch an order is decided before the book.

use crate::units::{Lots, OrderId, Side, Ticks, Time, User};

/// One change of a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Enter an order.
    New(NewOrder),
    /// Enter an order with terms beyond price and time in force: iceberg, stop, expiry.
    NewWith(NewOrder, Terms),
    /// Take a live order out, resting or waiting.
    Cancel {
        /// The order.
        id: OrderId,
    },
    /// Make an order smaller, what it hides first; it keeps its place. By its whole quantity or more, it is
    /// cancelled.
    Reduce {
        /// The order.
        id: OrderId,
        /// How many lots to take off, 1 to [`LOTS_MAX`](crate::LOTS_MAX).
        by: Lots,
    },
    /// Cancel a resting order and enter it again, good till cancelled, with the same id, side and
    /// user. It loses its place and may trade.
    ///
    /// Display quantity and expiry stay, post-only is not remembered. A stop that waits goes on
    /// waiting for the same trigger, behind those that wait for it already, and has the new limit.
    /// A market order that waits for an uncross becomes a limit order.
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
    /// Cancel all orders of a user, user 0 included, resting or waiting, in rising order of their
    /// ids. Never refused.
    MassCancel {
        /// Whose orders.
        user: User,
        /// Only the orders on this side.
        side: Option<Side>,
    },
    /// It is `now`: cancel every order whose expiry is not later, in rising order of expiry, then
    /// of id. Never refused; a moment before an earlier one changes nothing.
    Expire {
        /// The moment that has come.
        now: Time,
    },
    /// Go to another phase, without trading. Refused when the book is crossed, or market orders
    /// wait, and continuous trading would start: that takes an [`Uncross`](Self::Uncross).
    SetPhase {
        /// The phase to go to.
        phase: Phase,
    },
    /// End an auction: trade all that can be traded at one price ([`Book::indicative`] tells which),
    /// cancel the market orders that are left, go to another phase. Self-trade prevention does not
    /// act here: the price was found with all orders.
    ///
    /// [`Book::indicative`]: crate::Book::indicative
    ///
    /// Refused unless the book is in an auction, and with an auction to
    /// follow.
    Uncross {
        /// The phase to go to.
        then: Phase,
    },
}

/// What a book does with the orders it gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Phase {
    /// Orders trade as they meet.
    #[default]
    Continuous = 0,
    /// Nothing enters and nothing trades; what rests or waits can be cancelled, reduced or expire.
    Halted = 1,
    /// Orders collect without trading, so the book may be crossed. Limit orders good till cancelled,
    /// market orders (unless fill-or-kill) and stops are taken; limit orders that are IOC, FOK or
    /// post-only are refused, as they can't be honoured.
    Auction = 2,
}

/// Terms that few orders carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Terms {
    /// Iceberg: how much of it the book shows at a time, 1 to [`LOTS_MAX`](crate::LOTS_MAX) and at
    /// least a 4096th of the order. When
    /// the shown slice has traded, the next one joins the end of the level. Only for orders that
    /// may rest.
    pub display: Option<Lots>,
    /// Stop: the order waits, unseen, until a trade at this price or beyond: at or above it for a
    /// buy, at or below it for a sell. Outside continuous trading nothing is triggered; when it
    /// begins, stops are held against all prices traded since it ended. Reached by the last trade already, it enters at once.
    pub stop: Option<Ticks>,
    /// Good till date: the order is cancelled by the first [`Command::Expire`] of this moment or a
    /// later one. Only for orders that may rest or wait.
    pub expires: Option<Time>,
}

/// A new order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// Its name; must not be that of a live order, resting or waiting.
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

    /// The same order, waiting for a trade at `price` or beyond.
    pub fn with_stop(self, price: Ticks) -> Command {
        Command::NewWith(self, Terms { stop: Some(price), ..Terms::default() })
    }

    /// The same order, shown in slices of `display` lots.
    pub fn with_display(self, display: Lots) -> Command {
        Command::NewWith(self, Terms { display: Some(display), ..Terms::default() })
    }

    /// The same order, good until `expires`.
    pub fn with_expiry(self, expires: Time) -> Command {
        Command::NewWith(self, Terms { expires: Some(expires), ..Terms::default() })
    }

    /// The same order with its own self-trade prevention.
    pub fn with_self_trade(self, mode: SelfTrade) -> NewOrder {
        NewOrder { self_trade: Some(mode), ..self }
    }
}

impl TimeInForce {
    /// Whether what does not trade at once may rest.
    #[inline]
    pub(crate) fn may_rest(self) -> bool {
        // Of 0 to 3 the first and the last, in two instructions.
        (self as u8 + 1) & 2 == 0
    }

    /// The value with this byte in the command record.
    #[inline]
    pub fn from_byte(byte: u8) -> Option<TimeInForce> {
        match byte {
            0 => Some(TimeInForce::Gtc),
            1 => Some(TimeInForce::Ioc),
            2 => Some(TimeInForce::Fok),
            3 => Some(TimeInForce::Post),
            _ => None,
        }
    }
}

impl Phase {
    /// All three, in the order of their bytes.
    pub const ALL: [Phase; 3] = [Phase::Continuous, Phase::Halted, Phase::Auction];

    /// The phase with this byte in a snapshot.
    pub fn from_byte(byte: u8) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| *phase as u8 == byte)
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
