//! The structs of the header as bytes, written down by offset, and the numbers in them: from the
//! header, and from nothing of the library's own.

use book::{
    Cut, Event, Indicative, LevelDepth, LiveOrder, Outcome, Phase, Reject, Rested, Side, Terms,
};

/// A command as a program in C fills it: `clb_command`.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Command {
    pub(crate) op: u8,
    pub(crate) side: u8,
    pub(crate) tif: u8,
    pub(crate) flags: u8,
    pub(crate) user: u32,
    pub(crate) id: u64,
    pub(crate) price: i64,
    pub(crate) qty: u64,
    pub(crate) display: u64,
    pub(crate) stop: i64,
    pub(crate) expires: u64,
    pub(crate) self_trade: u8,
    pub(crate) phase: u8,
}

impl Command {
    /// Its 64 bytes; the first 32 are the record of a command file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        Row::default()
            .put([self.op, self.side, self.tif, self.flags])
            .put(self.user.to_le_bytes())
            .put(self.id.to_le_bytes())
            .put(self.price.to_le_bytes())
            .put(self.qty.to_le_bytes())
            .put(self.display.to_le_bytes())
            .put(self.stop.to_le_bytes())
            .put(self.expires.to_le_bytes())
            .put([self.self_trade, self.phase])
            .end(64)
    }
}

/// The bytes of a struct: what was not put is zero.
#[derive(Default)]
struct Row(Vec<u8>);

impl Row {
    fn put<const N: usize>(mut self, bytes: [u8; N]) -> Row {
        self.0.extend(bytes);
        self
    }

    /// Puts bytes at an offset, behind all that was put.
    fn at<const N: usize>(mut self, offset: usize, bytes: [u8; N]) -> Row {
        assert!(self.0.len() <= offset, "put in rising order");
        self.0.resize(offset, 0);
        self.put(bytes)
    }

    fn end(mut self, bytes: usize) -> Vec<u8> {
        assert!(self.0.len() <= bytes);
        self.0.resize(bytes, 0);
        self.0
    }
}

pub(crate) fn side_byte(side: Side) -> u8 {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

fn phase_byte(phase: Phase) -> u8 {
    match phase {
        Phase::Continuous => 0,
        Phase::Halted => 1,
        Phase::Auction => 2,
    }
}

fn reject_byte(reject: Reject) -> u8 {
    match reject {
        Reject::UnknownId => 1,
        Reject::DuplicateId => 2,
        Reject::BadQuantity => 3,
        Reject::BadPrice => 4,
        Reject::BadCommand => 5,
        Reject::WouldCross => 6,
        Reject::Killed => 7,
        Reject::Full => 8,
        Reject::WrongPhase => 9,
        Reject::Expired => 10,
    }
}

fn cut_byte(cut: Cut) -> u8 {
    match cut {
        Cut::Asked => 1,
        Cut::Replaced => 2,
        Cut::Unfilled => 3,
        Cut::SelfTrade => 4,
        Cut::Expired => 5,
        Cut::WouldCross => 6,
    }
}

pub(crate) fn outcome(outcome: &Outcome, events: u32) -> Vec<u8> {
    Row::default()
        .at(0, [outcome.reject.map_or(0, reject_byte)])
        .at(4, events.to_le_bytes())
        .at(8, outcome.filled.0.to_le_bytes())
        .at(16, outcome.resting.0.to_le_bytes())
        .at(24, outcome.cancelled.0.to_le_bytes())
        .end(32)
}

const GIVEN_ID: u8 = 1;
const GIVEN_PRICE: u8 = 2;

/// An event, as its kind fills it; the number of its command is the last field.
pub(crate) fn event(event: &Event, command: u32) -> Vec<u8> {
    let row = match event {
        Event::Accepted { id } => about(1, 0, id.map(|id| id.0)),
        Event::Rejected { id, reject } => about(2, reject_byte(*reject), id.map(|id| id.0)),
        Event::Traded(trade) => Row::default()
            .at(0, [3, side_byte(trade.taker_side), 0, GIVEN_ID | GIVEN_PRICE])
            .at(4, trade.taker_user.0.to_le_bytes())
            .at(8, trade.taker.0.to_le_bytes())
            .at(16, trade.price.0.to_le_bytes())
            .at(24, trade.qty.0.to_le_bytes())
            .at(32, trade.taker_open.0.to_le_bytes())
            .at(48, trade.maker.0.to_le_bytes())
            .at(56, trade.maker_open.0.to_le_bytes())
            .at(64, trade.maker_user.0.to_le_bytes()),
        Event::Cancelled(cut) => {
            let given = GIVEN_ID | cut.price.map_or(0, |_| GIVEN_PRICE);
            Row::default()
                .at(0, [4, side_byte(cut.side), cut_byte(cut.cut), given])
                .at(4, cut.user.0.to_le_bytes())
                .at(8, cut.id.0.to_le_bytes())
                .at(16, cut.price.map_or(0, |price| price.0).to_le_bytes())
                .at(24, cut.qty.0.to_le_bytes())
                .at(32, cut.open.0.to_le_bytes())
                .at(40, (cut.open.0 - cut.shown.0).to_le_bytes())
        }
        Event::Rested(order) => rested(5, order),
        Event::Refreshed(order) => rested(6, order),
        Event::Waiting(order) => {
            let given = GIVEN_ID | order.stop.map_or(0, |_| GIVEN_PRICE);
            Row::default()
                .at(0, [7, side_byte(order.side), 0, given])
                .at(4, order.user.0.to_le_bytes())
                .at(8, order.id.0.to_le_bytes())
                .at(16, order.stop.map_or(0, |stop| stop.0).to_le_bytes())
                .at(24, order.qty.0.to_le_bytes())
                .at(32, order.qty.0.to_le_bytes())
        }
        Event::Triggered { id } => about(8, 0, Some(id.0)),
        Event::PhaseSet { phase } => about(9, phase_byte(*phase), None),
        Event::Uncrossed { price, volume } => Row::default()
            .at(0, [10, 0, 0, GIVEN_PRICE])
            .at(16, price.0.to_le_bytes())
            .at(24, volume.0.to_le_bytes()),
    };
    row.at(68, command.to_le_bytes()).end(72)
}

fn about(kind: u8, code: u8, id: Option<u64>) -> Row {
    let given = id.map_or(0, |_| GIVEN_ID);
    Row::default().at(0, [kind, 0, code, given]).at(8, id.unwrap_or(0).to_le_bytes())
}

fn rested(kind: u8, order: &Rested) -> Row {
    Row::default()
        .at(0, [kind, side_byte(order.side), 0, GIVEN_ID | GIVEN_PRICE])
        .at(4, order.user.0.to_le_bytes())
        .at(8, order.id.0.to_le_bytes())
        .at(16, order.price.0.to_le_bytes())
        .at(24, order.qty.0.to_le_bytes())
        .at(32, (order.qty.0 + order.hidden.0).to_le_bytes())
        .at(40, order.hidden.0.to_le_bytes())
}

pub(crate) fn level(level: &LevelDepth) -> Vec<u8> {
    Row::default()
        .at(0, level.price.0.to_le_bytes())
        .at(8, level.qty.0.to_le_bytes())
        .at(16, level.orders.to_le_bytes())
        .at(20, [side_byte(level.side)])
        .end(24)
}

pub(crate) fn order(order: &LiveOrder) -> Vec<u8> {
    // State 0 rests, 1 waits for its trigger, 2 is a market order that waits for an uncross.
    let (id, price, qty, hidden, user, side, state) = match *order {
        LiveOrder::Resting(o) => (o.id, o.price.0, o.qty, o.hidden.0, o.user, o.side, 0),
        LiveOrder::Waiting(o) => match o.stop {
            Some(stop) => (o.id, stop.0, o.qty, 0, o.user, o.side, 1),
            None => (o.id, 0, o.qty, 0, o.user, o.side, 2),
        },
    };
    Row::default()
        .at(0, id.0.to_le_bytes())
        .at(8, price.to_le_bytes())
        .at(16, qty.0.to_le_bytes())
        .at(24, hidden.to_le_bytes())
        .at(32, user.0.to_le_bytes())
        .at(36, [side_byte(side), state])
        .end(40)
}

pub(crate) fn terms(terms: &Terms) -> Vec<u8> {
    let mut given = 0;
    given += terms.display.map_or(0, |_| 2);
    given += terms.stop.map_or(0, |_| 4);
    given += terms.expires.map_or(0, |_| 8);
    Row::default()
        .at(0, terms.display.map_or(0, |lots| lots.0).to_le_bytes())
        .at(8, terms.stop.map_or(0, |price| price.0).to_le_bytes())
        .at(16, terms.expires.map_or(0, |time| time.0).to_le_bytes())
        .at(24, [given])
        .end(32)
}

pub(crate) fn summary(book: &book::Book) -> Vec<u8> {
    let last_trade = book.last_trade().map_or(0, |price| price.0);
    Row::default()
        .at(0, (book.order_count() as u64).to_le_bytes())
        .at(8, (book.level_count() as u64).to_le_bytes())
        .at(16, book.now().0.to_le_bytes())
        .at(24, last_trade.to_le_bytes())
        .at(32, book.growths().to_le_bytes())
        .at(36, [phase_byte(book.phase())])
        .end(40)
}

pub(crate) fn indicative(found: &Indicative) -> Vec<u8> {
    let surplus = u64::try_from(found.surplus.unsigned_abs()).expect("lots of a small book");
    Row::default()
        .at(0, found.price.0.to_le_bytes())
        .at(8, found.volume.0.to_le_bytes())
        .at(16, surplus.to_le_bytes())
        .at(24, [u8::from(found.surplus < 0)])
        .end(32)
}
