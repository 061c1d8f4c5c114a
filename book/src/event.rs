//! What a book answers: the outcome of a command, and the events it caused.
//!
//! Order of the events of one command: `Accepted` or `Rejected`; for a replace, `Cancelled` of the
//! old order; then trades, slices that icebergs show next, and makers cut by self-trade prevention,
//! in the order they are met; `Cancelled` for what is cut from the taker; `Rested` or `Waiting` for
//! what stays of it. Then, for each stop that those trades triggered, in order: `Triggered` and the
//! same story of its own. A sink that follows them in this order has the queue of every level exact
//! after each event. The n-th event of a command has index n.

use crate::command::Phase;
use crate::depth::LevelDepth;
use crate::units::{Lots, OrderId, Side, Ticks, User};

/// Takes the events of a book, in order. Called from inside matching: it should only write down.
pub trait Events {
    /// The next event of the command being applied.
    fn event(&mut self, event: Event);

    /// A level as it is now, after a change; without lots and orders when it is gone. A command
    /// that takes several orders of a level tells the level once, when it leaves it.
    ///
    /// What a sink does not listen to costs nothing.
    #[inline(always)]
    fn level(&mut self, level: LevelDepth) {
        let _ = level;
    }
}

/// One thing that happened in a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The command was accepted.
    Accepted {
        /// The order the command is about; `None` if it is about many, or about the book.
        id: Option<OrderId>,
    },
    /// The command was refused and changed nothing.
    Rejected {
        /// The order the command is about, if it could be read.
        id: Option<OrderId>,
        /// Why.
        reject: Reject,
    },
    /// Two orders traded.
    Traded(Trade),
    /// Quantity left without trading.
    Cancelled(Cancelled),
    /// An order joined the end of its level.
    Rested(Rested),
    /// The next slice of an iceberg, whose shown slice has gone, joined the end of its level.
    Refreshed(Rested),
    /// An order waits, unseen.
    Waiting(Waiting),
    /// A stop has been triggered and enters the book now.
    Triggered {
        /// The order.
        id: OrderId,
    },
    /// The book has gone to another phase.
    PhaseSet {
        /// The phase it is in now.
        phase: Phase,
    },
    /// An uncross has found a price; its trades follow.
    Uncrossed {
        /// The price of all of them.
        price: Ticks,
        /// Lots that trade.
        volume: Lots,
    },
}

/// A trade between a resting order and the order that met it. In an uncross, where nobody came
/// later, the seller is called the maker and the buyer the taker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trade {
    /// The resting order.
    pub maker: OrderId,
    /// The order that met it.
    pub taker: OrderId,
    /// The maker's price.
    pub price: Ticks,
    /// How much traded.
    pub qty: Lots,
    /// What is still open of the maker, with what an iceberg hides; it has left the book when this
    /// is zero.
    pub maker_open: Lots,
    /// What is still open of the taker.
    pub taker_open: Lots,
    /// Owner of the maker.
    pub maker_user: User,
    /// Owner of the taker.
    pub taker_user: User,
    /// Side of the taker.
    pub taker_side: Side,
}

/// Quantity of an order that left without trading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancelled {
    /// The order.
    pub id: OrderId,
    /// Its owner.
    pub user: User,
    /// Its side.
    pub side: Side,
    /// The price it rested at; `None` when what is cut never rested: a part of a taker, or an order
    /// that waited.
    pub price: Option<Ticks>,
    /// How much left.
    pub qty: Lots,
    /// What is still open of it; it has left when this is zero.
    pub open: Lots,
    /// What the book shows of it now: for an iceberg less than `open`.
    pub shown: Lots,
    /// Why it was cut.
    pub cut: Cut,
}

/// Why quantity was cut.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cut {
    /// A cancel, a mass cancel or a reduce asked for it.
    Asked,
    /// A replace took the order out to enter it again.
    Replaced,
    /// The order may not rest.
    Unfilled,
    /// It met an order of the same user.
    SelfTrade,
    /// Its time has come.
    Expired,
    /// It is a triggered post-only stop that would trade.
    WouldCross,
}

/// An order that joined the end of its level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rested {
    /// The order.
    pub id: OrderId,
    /// Its owner.
    pub user: User,
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Ticks,
    /// What the book shows of it.
    pub qty: Lots,
    /// What it hides beyond that: zero unless it is an iceberg.
    pub hidden: Lots,
}

/// An order that waits, unseen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The order.
    pub id: OrderId,
    /// Its owner.
    pub user: User,
    /// Its side.
    pub side: Side,
    /// What is open of it.
    pub qty: Lots,
    /// The trade price that a stop waits for; `None` for a market order that waits for an uncross.
    pub stop: Option<Ticks>,
}

/// Why a command was refused. The numbers are part of the protocol; they fill a word so that an
/// [`Outcome`] has no padding, which is dear to copy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[repr(u64)]
pub enum Reject {
    /// No live order has this id, resting or waiting.
    #[error("unknown order id")]
    UnknownId = 1,
    /// A live order has this id, resting or waiting.
    #[error("an order with this id is live")]
    DuplicateId = 2,
    /// The quantity, or that which an iceberg shows, is not between 1 and
    /// [`LOTS_MAX`](crate::LOTS_MAX), or the iceberg would have more than 4096 slices.
    #[error("quantity out of range")]
    BadQuantity = 3,
    /// The price, or the trigger of a stop, is not between 1 and [`TICKS_MAX`](crate::TICKS_MAX).
    #[error("price out of range")]
    BadPrice = 4,
    /// A record that is no command, a market order that is post-only, or terms that the order could
    /// never make use of.
    #[error("malformed command")]
    BadCommand = 5,
    /// A post-only order would trade.
    #[error("post-only order would trade")]
    WouldCross = 6,
    /// A fill-or-kill order can't trade in full.
    #[error("fill-or-kill order can't be filled")]
    Killed = 7,
    /// An order that may rest or wait found [`ORDERS_MAX`](crate::ORDERS_MAX) orders live.
    #[error("the book is full")]
    Full = 8,
    /// The phase of the book does not allow it, or an uncross has to come first.
    #[error("not in this phase of the book")]
    WrongPhase = 9,
    /// The expiry is not after the moment that the book has come to.
    #[error("the expiry has passed")]
    Expired = 10,
}

/// What a command came to.
///
/// Lots of a new or replaced order: `filled + resting + cancelled` is its quantity. Quantity taken
/// from makers by self-trade prevention, the old quantity of a replaced order, and what became of
/// stops that the command triggered, are in the events only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Why the command was refused; all quantities are zero then.
    pub reject: Option<Reject>,
    /// What traded at once; of an uncross, all that traded.
    pub filled: Lots,
    /// What the command leaves of the order it is about: resting, hidden or waiting.
    pub resting: Lots,
    /// What the command cancelled of the orders it is about.
    pub cancelled: Lots,
}

impl Outcome {
    /// A refused command.
    pub(crate) fn refused(reject: Reject) -> Outcome {
        Outcome { reject: Some(reject), ..Outcome::default() }
    }

    /// The protocol's number: 0 when accepted.
    pub fn code(&self) -> u8 {
        self.reject.map_or(0, |reject| reject as u8)
    }
}

/// A sink for those who only want the book changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Events for Discard {
    fn event(&mut self, _: Event) {}
}

impl Events for Vec<Event> {
    fn event(&mut self, event: Event) {
        self.push(event);
    }
}

/// Two sinks, told the same.
impl<A: Events, B: Events> Events for (A, B) {
    #[inline]
    fn event(&mut self, event: Event) {
        self.0.event(event);
        self.1.event(event);
    }

    #[inline]
    fn level(&mut self, level: LevelDepth) {
        self.0.level(level);
        self.1.level(level);
    }
}

impl<E: Events> Events for &mut E {
    #[inline]
    fn event(&mut self, event: Event) {
        (**self).event(event);
    }

    #[inline]
    fn level(&mut self, level: LevelDepth) {
        (**self).level(level);
    }
}

const _: () = assert!(size_of::<Event>() <= 64);
