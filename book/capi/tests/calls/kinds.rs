//! One story in which each kind of event comes, with every field written out; the records are those
//! of a program in C.

use crate::caller::{Caller, config};
use crate::layout::Command;
use corelane_book::{clb_event, clb_level, clb_outcome};

const NONE: clb_event = clb_event {
    kind: 0,
    side: 0,
    code: 0,
    given: 0,
    user: 0,
    id: 0,
    price: 0,
    qty: 0,
    open: 0,
    hidden: 0,
    maker: 0,
    maker_open: 0,
    maker_user: 0,
    command: 0,
};

struct Story(Caller);

impl Story {
    fn new() -> Story {
        Story(Caller::new(&corelane_book::clb_config { level_changes: 1, ..config() }))
    }

    /// Applies a command, which has these events and these lots filled, resting and cancelled.
    #[track_caller]
    fn tell(&mut self, command: Command, lots: [u64; 3], events: &[clb_event]) {
        let (answer, outcome) = self.0.apply(&command.bytes());
        assert_eq!(self.0.events(), events);
        let code = if events[0].kind == 2 { events[0].code } else { 0 };
        let [filled, resting, cancelled] = lots;
        let events = events.len() as u32;
        assert_eq!(outcome, clb_outcome { code, zero: [0; 3], events, filled, resting, cancelled });
        assert_eq!(answer, i32::from(code));
    }

    /// The changes of levels that the last command told.
    #[track_caller]
    fn changed(&self, levels: &[(u8, i64, u64, u32)]) {
        let level =
            |(side, price, qty, orders)| clb_level { price, qty, orders, side, zero: [0; 3] };
        assert_eq!(self.0.level_changes(), levels.iter().copied().map(level).collect::<Vec<_>>());
    }
}

fn accepted(id: u64) -> clb_event {
    clb_event { kind: 1, given: 1, id, ..NONE }
}

#[test]
fn an_iceberg_is_eaten_cut_and_cancelled() {
    let mut story = Story::new();
    let iceberg = Command {
        op: 1,
        side: 1,
        flags: 2,
        user: 7,
        id: 11,
        price: 100,
        qty: 10,
        display: 4,
        ..Command::default()
    };
    let rested = clb_event {
        kind: 5,
        side: 1,
        given: 3,
        user: 7,
        id: 11,
        price: 100,
        qty: 4,
        open: 10,
        hidden: 6,
        ..NONE
    };
    story.tell(iceberg, [0, 10, 0], &[accepted(11), rested]);
    story.changed(&[(1, 100, 4, 1)]);

    let buy = Command { op: 1, flags: 1, user: 8, id: 12, qty: 5, ..Command::default() };
    let traded = clb_event {
        kind: 3,
        given: 3,
        user: 8,
        id: 12,
        price: 100,
        qty: 4,
        open: 1,
        maker: 11,
        maker_open: 6,
        maker_user: 7,
        ..NONE
    };
    let refreshed = clb_event { kind: 6, qty: 4, open: 6, hidden: 2, ..rested };
    let again = clb_event { qty: 1, open: 0, maker_open: 5, ..traded };
    story.tell(buy, [5, 0, 0], &[accepted(12), traded, refreshed, again]);
    story.changed(&[(1, 100, 3, 1)]);

    let reduce = Command { op: 3, id: 11, qty: 1, ..Command::default() };
    let cut = clb_event {
        kind: 4,
        side: 1,
        code: 1,
        given: 3,
        user: 7,
        id: 11,
        price: 100,
        qty: 1,
        open: 4,
        hidden: 1,
        ..NONE
    };
    story.tell(reduce, [0, 4, 1], &[accepted(11), cut]);

    let replace = Command { op: 4, id: 11, price: 105, qty: 6, ..Command::default() };
    let out = clb_event { code: 2, qty: 4, open: 0, hidden: 0, ..cut };
    let back = clb_event { price: 105, open: 6, hidden: 2, ..rested };
    story.tell(replace, [0, 6, 0], &[accepted(11), out, back]);
    story.changed(&[(1, 100, 0, 0), (1, 105, 4, 1)]);

    let cancel = Command { op: 2, id: 11, ..Command::default() };
    let gone = clb_event { code: 1, price: 105, qty: 6, open: 0, hidden: 0, ..cut };
    story.tell(cancel, [0, 0, 6], &[accepted(11), gone]);
    let unknown = clb_event { kind: 2, code: 1, given: 1, id: 11, ..NONE };
    story.tell(cancel, [0; 3], &[unknown]);
    story.changed(&[]);
}

#[test]
fn a_stop_waits_and_is_triggered() {
    let mut story = Story::new();
    let stop = Command {
        op: 1,
        side: 1,
        flags: 4,
        user: 3,
        id: 21,
        price: 88,
        qty: 6,
        stop: 90,
        ..Command::default()
    };
    let waiting = clb_event {
        kind: 7,
        side: 1,
        given: 3,
        user: 3,
        id: 21,
        price: 90,
        qty: 6,
        open: 6,
        ..NONE
    };
    story.tell(stop, [0, 6, 0], &[accepted(21), waiting]);
    story.changed(&[]);

    let bid = Command { op: 1, user: 4, id: 22, price: 90, qty: 2, ..Command::default() };
    let rested =
        clb_event { kind: 5, given: 3, user: 4, id: 22, price: 90, qty: 2, open: 2, ..NONE };
    story.tell(bid, [0, 2, 0], &[accepted(22), rested]);

    let ioc = Command {
        op: 1,
        side: 1,
        tif: 1,
        user: 5,
        id: 23,
        price: 90,
        qty: 3,
        ..Command::default()
    };
    let traded = clb_event {
        kind: 3,
        side: 1,
        given: 3,
        user: 5,
        id: 23,
        price: 90,
        qty: 2,
        open: 1,
        maker: 22,
        maker_user: 4,
        ..NONE
    };
    let unfilled =
        clb_event { kind: 4, side: 1, code: 3, given: 1, user: 5, id: 23, qty: 1, ..NONE };
    let triggered = clb_event { kind: 8, given: 1, id: 21, ..NONE };
    let enters = clb_event { kind: 5, price: 88, ..waiting };
    let events = [accepted(23), traded, unfilled, triggered, enters];
    story.tell(ioc, [2, 0, 1], &events);
    story.changed(&[(0, 90, 0, 0), (1, 88, 6, 1)]);
}

#[test]
fn an_auction_collects_and_uncrosses() {
    let mut story = Story::new();
    let auction = Command { op: 7, phase: 2, ..Command::default() };
    let many = clb_event { kind: 1, ..NONE };
    let set = clb_event { kind: 9, code: 2, ..NONE };
    story.tell(auction, [0; 3], &[many, set]);

    // Order 0 of user 0: what is zero and what is not there are told apart by `given`.
    let market = Command { op: 1, flags: 1, qty: 5, ..Command::default() };
    let waiting = clb_event { kind: 7, given: 1, qty: 5, open: 5, ..NONE };
    story.tell(market, [0, 5, 0], &[accepted(0), waiting]);

    let ask = Command {
        op: 1,
        side: 1,
        flags: 8,
        user: 9,
        id: 31,
        price: 70,
        qty: 3,
        expires: 40,
        ..Command::default()
    };
    let rested = clb_event {
        kind: 5,
        side: 1,
        given: 3,
        user: 9,
        id: 31,
        price: 70,
        qty: 3,
        open: 3,
        ..NONE
    };
    story.tell(ask, [0, 3, 0], &[accepted(31), rested]);

    let uncross = Command { op: 8, phase: 1, ..Command::default() };
    let uncrossed = clb_event { kind: 10, given: 2, price: 70, qty: 3, ..NONE };
    let traded = clb_event {
        kind: 3,
        given: 3,
        price: 70,
        qty: 3,
        open: 2,
        maker: 31,
        maker_user: 9,
        ..NONE
    };
    let left = clb_event { kind: 4, code: 3, given: 1, qty: 2, ..NONE };
    let halted = clb_event { kind: 9, code: 1, ..NONE };
    story.tell(uncross, [3, 0, 2], &[many, uncrossed, traded, left, halted]);

    let malformed = Command { op: 9, ..Command::default() };
    story.tell(malformed, [0; 3], &[clb_event { kind: 2, code: 5, ..NONE }]);
}

#[test]
fn an_order_expires_and_a_user_meets_itself() {
    let mut story = Story::new();
    let bid = Command {
        op: 1,
        flags: 8,
        user: 6,
        id: 41,
        price: 50,
        qty: 7,
        expires: 9,
        ..Command::default()
    };
    let rested =
        clb_event { kind: 5, given: 3, user: 6, id: 41, price: 50, qty: 7, open: 7, ..NONE };
    story.tell(bid, [0, 7, 0], &[accepted(41), rested]);

    // 5: both are decremented.
    let ask = Command {
        op: 1,
        side: 1,
        user: 6,
        id: 42,
        price: 50,
        qty: 2,
        self_trade: 5,
        ..Command::default()
    };
    let maker = clb_event { kind: 4, code: 4, qty: 2, open: 5, ..rested };
    let taker = clb_event { kind: 4, side: 1, code: 4, given: 1, user: 6, id: 42, qty: 2, ..NONE };
    story.tell(ask, [0, 0, 2], &[accepted(42), maker, taker]);

    let expire = Command { op: 6, expires: 9, ..Command::default() };
    let expired = clb_event { kind: 4, code: 5, qty: 5, open: 0, ..rested };
    story.tell(expire, [0, 0, 5], &[clb_event { kind: 1, ..NONE }, expired]);
    assert_eq!(story.0.summary().now, 9);
}
