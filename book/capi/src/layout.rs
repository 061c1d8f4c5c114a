//! The structs that C sees, field for field those of `include/corelane_book.h`, and how they are
//! made of the book's own types.
//!
//! None has padding: the size of each is the sum of its fields, asserted below, and asserted again
//! on the side of C with the offset of each field (`tests/c/layout.c`).

#![allow(non_camel_case_types, reason = "the names they have in C")]

use book::{
    BookConfig, Cut, Event, Indicative, LevelDepth, LiveOrder, Lots, ORDERS_MAX, OrderId, Outcome,
    Rested, RestingOrder, SelfTrade, Side, Terms, Ticks, Time, Waiting,
};

use crate::status::Status;

/// What a command came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct clb_outcome {
    /// 0, or why it was refused.
    pub code: u8,
    /// Zero.
    pub zero: [u8; 3],
    /// How many events it has.
    pub events: u32,
    /// Lots that traded at once.
    pub filled: u64,
    /// Lots left of its order.
    pub resting: u64,
    /// Lots it cancelled.
    pub cancelled: u64,
}

/// One thing that happened. Which fields a kind uses is in the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct clb_event {
    /// `CLB_ACCEPTED` and on.
    pub kind: u8,
    /// Side of the order; of a trade, the taker's.
    pub side: u8,
    /// Why it was rejected or cut; the phase that was set.
    pub code: u8,
    /// Which of id and price are there.
    pub given: u8,
    /// Owner of the order; of a trade, the taker's.
    pub user: u32,
    /// The order; of a trade, the taker.
    pub id: u64,
    /// Price in ticks.
    pub price: i64,
    /// Quantity in lots.
    pub qty: u64,
    /// Lots still open of the order.
    pub open: u64,
    /// Of these, lots that the book does not show.
    pub hidden: u64,
    /// The resting order of a trade.
    pub maker: u64,
    /// Lots still open of the maker.
    pub maker_open: u64,
    /// Owner of the maker.
    pub maker_user: u32,
    /// Which command of the call, from 0.
    pub command: u32,
}

/// A price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct clb_level {
    /// Its price.
    pub price: i64,
    /// Lots that show.
    pub qty: u64,
    /// Number of its orders.
    pub orders: u32,
    /// Its side.
    pub side: u8,
    /// Zero.
    pub zero: [u8; 3],
}

/// An order, resting or waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct clb_order {
    /// Its name.
    pub id: u64,
    /// Where it rests; the trigger of a stop; 0 of a waiting market order.
    pub price: i64,
    /// Lots that show, or wait.
    pub qty: u64,
    /// Lots beyond those.
    pub hidden: u64,
    /// Its owner.
    pub user: u32,
    /// Its side.
    pub side: u8,
    /// `CLB_RESTING`, `CLB_WAITING_STOP` or `CLB_WAITING_MARKET`.
    pub state: u8,
    /// Zero.
    pub zero: [u8; 2],
}

/// The terms an order has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct clb_terms {
    /// Lots an iceberg shows at a time.
    pub display: u64,
    /// The trigger of a stop.
    pub stop: i64,
    /// The moment it is good till.
    pub expires: u64,
    /// Which of these are there: 2 display, 4 stop, 8 expiry.
    pub given: u8,
    /// Zero.
    pub zero: [u8; 7],
}

/// The book as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct clb_summary {
    /// Live orders, resting or waiting.
    pub orders: u64,
    /// Price levels of both sides.
    pub levels: u64,
    /// The latest moment it was told.
    pub now: u64,
    /// Price of the last trade; 0 before the first.
    pub last_trade: i64,
    /// How often a command had to allocate.
    pub growths: u32,
    /// Its phase.
    pub phase: u8,
    /// Zero.
    pub zero: [u8; 3],
}

/// What an uncross would do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct clb_indicative {
    /// The one price of its trades.
    pub price: i64,
    /// Lots that would trade.
    pub volume: u64,
    /// Lots that would be left over at that price.
    pub surplus: u64,
    /// Side of the surplus.
    pub surplus_side: u8,
    /// Zero.
    pub zero: [u8; 7],
}

/// What a book is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct clb_config {
    /// Room for orders.
    pub orders: u64,
    /// Room for levels.
    pub levels: u64,
    /// Room for the events of one call.
    pub events: u64,
    /// Seed of the id table.
    pub seed: u64,
    /// Self-trade prevention of orders that name none of their own.
    pub self_trade: u8,
    /// 1: keep the changes of levels too.
    pub level_changes: u8,
    /// Zero.
    pub zero: [u8; 6],
}

const _: () = {
    assert!(size_of::<clb_outcome>() == 4 + 4 + 3 * 8);
    assert!(size_of::<clb_event>() == 4 + 4 + 7 * 8 + 2 * 4);
    assert!(size_of::<clb_level>() == 2 * 8 + 4 + 4);
    assert!(size_of::<clb_order>() == 4 * 8 + 4 + 4);
    assert!(size_of::<clb_terms>() == 3 * 8 + 8);
    assert!(size_of::<clb_summary>() == 4 * 8 + 4 + 4);
    assert!(size_of::<clb_indicative>() == 3 * 8 + 8);
    assert!(size_of::<clb_config>() == 4 * 8 + 8);
};

const KIND_ACCEPTED: u8 = 1;
const KIND_REJECTED: u8 = 2;
const KIND_TRADED: u8 = 3;
const KIND_CANCELLED: u8 = 4;
const KIND_RESTED: u8 = 5;
const KIND_REFRESHED: u8 = 6;
const KIND_WAITING: u8 = 7;
const KIND_TRIGGERED: u8 = 8;
const KIND_PHASE_SET: u8 = 9;
const KIND_UNCROSSED: u8 = 10;

const GIVEN_ID: u8 = 1;
const GIVEN_PRICE: u8 = 2;

const STATE_RESTING: u8 = 0;
const STATE_WAITING_STOP: u8 = 1;
const STATE_WAITING_MARKET: u8 = 2;

const HAS_DISPLAY: u8 = 2;
const HAS_STOP: u8 = 4;
const HAS_EXPIRY: u8 = 8;

/// The number of a cut; part of the interface, and not of the book.
fn cut_code(cut: Cut) -> u8 {
    match cut {
        Cut::Asked => 1,
        Cut::Replaced => 2,
        Cut::Unfilled => 3,
        Cut::SelfTrade => 4,
        Cut::Expired => 5,
        Cut::WouldCross => 6,
    }
}

impl clb_outcome {
    /// The outcome of a command with so many events.
    pub fn new(outcome: &Outcome, events: u32) -> clb_outcome {
        let Outcome { filled, resting, cancelled, .. } = *outcome;
        let (filled, resting, cancelled) = (filled.0, resting.0, cancelled.0);
        clb_outcome { code: outcome.code(), zero: [0; 3], events, filled, resting, cancelled }
    }
}

impl clb_event {
    /// An event of the command with this number.
    pub fn new(event: &Event, command: u32) -> clb_event {
        let none = clb_event { command, ..clb_event::default() };
        match *event {
            Event::Accepted { id } => clb_event { kind: KIND_ACCEPTED, ..none.about(id) },
            Event::Rejected { id, reject } => {
                clb_event { kind: KIND_REJECTED, code: reject as u8, ..none.about(id) }
            }
            Event::Traded(trade) => clb_event {
                kind: KIND_TRADED,
                side: trade.taker_side as u8,
                user: trade.taker_user.0,
                qty: trade.qty.0,
                open: trade.taker_open.0,
                maker: trade.maker.0,
                maker_open: trade.maker_open.0,
                maker_user: trade.maker_user.0,
                ..none.about(Some(trade.taker)).at(Some(trade.price))
            },
            Event::Cancelled(cancelled) => clb_event {
                kind: KIND_CANCELLED,
                side: cancelled.side as u8,
                code: cut_code(cancelled.cut),
                user: cancelled.user.0,
                qty: cancelled.qty.0,
                open: cancelled.open.0,
                hidden: cancelled.open.0 - cancelled.shown.0,
                ..none.about(Some(cancelled.id)).at(cancelled.price)
            },
            Event::Rested(rested) => clb_event { kind: KIND_RESTED, ..none.rested(&rested) },
            Event::Refreshed(rested) => clb_event { kind: KIND_REFRESHED, ..none.rested(&rested) },
            Event::Waiting(waiting) => clb_event {
                kind: KIND_WAITING,
                side: waiting.side as u8,
                user: waiting.user.0,
                qty: waiting.qty.0,
                open: waiting.qty.0,
                ..none.about(Some(waiting.id)).at(waiting.stop)
            },
            Event::Triggered { id } => clb_event { kind: KIND_TRIGGERED, ..none.about(Some(id)) },
            Event::PhaseSet { phase } => {
                clb_event { kind: KIND_PHASE_SET, code: phase as u8, ..none }
            }
            Event::Uncrossed { price, volume } => {
                clb_event { kind: KIND_UNCROSSED, qty: volume.0, ..none.at(Some(price)) }
            }
        }
    }

    fn about(self, id: Option<OrderId>) -> clb_event {
        match id {
            Some(id) => clb_event { id: id.0, given: self.given | GIVEN_ID, ..self },
            None => self,
        }
    }

    fn at(self, price: Option<Ticks>) -> clb_event {
        match price {
            Some(price) => clb_event { price: price.0, given: self.given | GIVEN_PRICE, ..self },
            None => self,
        }
    }

    fn rested(self, rested: &Rested) -> clb_event {
        clb_event {
            side: rested.side as u8,
            user: rested.user.0,
            qty: rested.qty.0,
            open: rested.qty.0 + rested.hidden.0,
            hidden: rested.hidden.0,
            ..self.about(Some(rested.id)).at(Some(rested.price))
        }
    }
}

impl From<LevelDepth> for clb_level {
    fn from(level: LevelDepth) -> clb_level {
        let LevelDepth { side, price, qty, orders } = level;
        clb_level { price: price.0, qty: qty.0, orders, side: side as u8, zero: [0; 3] }
    }
}

impl From<RestingOrder> for clb_order {
    fn from(order: RestingOrder) -> clb_order {
        clb_order {
            id: order.id.0,
            price: order.price.0,
            qty: order.qty.0,
            hidden: order.hidden.0,
            user: order.user.0,
            side: order.side as u8,
            state: STATE_RESTING,
            zero: [0; 2],
        }
    }
}

impl From<Waiting> for clb_order {
    fn from(order: Waiting) -> clb_order {
        clb_order {
            id: order.id.0,
            price: order.stop.map_or(0, |stop| stop.0),
            qty: order.qty.0,
            hidden: 0,
            user: order.user.0,
            side: order.side as u8,
            state: if order.stop.is_some() { STATE_WAITING_STOP } else { STATE_WAITING_MARKET },
            zero: [0; 2],
        }
    }
}

impl From<LiveOrder> for clb_order {
    fn from(order: LiveOrder) -> clb_order {
        match order {
            LiveOrder::Resting(order) => order.into(),
            LiveOrder::Waiting(order) => order.into(),
        }
    }
}

impl From<Terms> for clb_terms {
    fn from(terms: Terms) -> clb_terms {
        let Terms { display, stop, expires } = terms;
        let bit = |given: bool, bit: u8| if given { bit } else { 0 };
        clb_terms {
            display: display.unwrap_or(Lots::ZERO).0,
            stop: stop.unwrap_or(Ticks(0)).0,
            expires: expires.unwrap_or(Time(0)).0,
            given: bit(display.is_some(), HAS_DISPLAY)
                | bit(stop.is_some(), HAS_STOP)
                | bit(expires.is_some(), HAS_EXPIRY),
            zero: [0; 7],
        }
    }
}

impl From<Indicative> for clb_indicative {
    fn from(indicative: Indicative) -> clb_indicative {
        let Indicative { price, volume, surplus } = indicative;
        let surplus_side = if surplus < 0 { Side::Sell } else { Side::Buy };
        let surplus = u64::try_from(surplus.unsigned_abs());
        clb_indicative {
            price: price.0,
            volume: volume.0,
            surplus: surplus.expect("the lots of a whole book fit into 64 bits"),
            surplus_side: surplus_side as u8,
            zero: [0; 7],
        }
    }
}

impl clb_config {
    /// What [`BookConfig::default`] says, and room for the events of an ordinary call.
    pub fn new() -> clb_config {
        let BookConfig { self_trade, orders, levels, seed } = BookConfig::default();
        clb_config {
            orders: orders as u64,
            levels: levels as u64,
            events: 256,
            seed,
            self_trade: self_trade as u8,
            level_changes: 0,
            zero: [0; 6],
        }
    }

    /// The book's part of it, when all of it is in range.
    pub(crate) fn judge(&self) -> Result<BookConfig, Status> {
        let self_trade = SelfTrade::from_byte(self.self_trade).ok_or(Status::Argument)?;
        if self.level_changes > 1 || self.zero != [0; 6] {
            return Err(Status::Argument);
        }
        let [orders, levels, _] = [room(self.orders)?, room(self.levels)?, room(self.events)?];
        Ok(BookConfig { self_trade, orders, levels, seed: self.seed })
    }
}

impl Default for clb_config {
    fn default() -> clb_config {
        clb_config::new()
    }
}

/// A room that can be asked for.
pub(crate) fn room(asked: u64) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(asked) if asked <= ORDERS_MAX => Ok(asked),
        _ => Err(Status::Argument),
    }
}

/// A side, by its byte.
pub(crate) fn side(byte: u8) -> Result<Side, Status> {
    Side::BOTH.get(usize::from(byte)).copied().ok_or(Status::Argument)
}
