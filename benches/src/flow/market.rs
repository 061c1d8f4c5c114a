//! Draws commands that make sense: takers that trade, cancels that mostly hit, prices by the touch.
//!
//! The prototype follows along as the market's state, so a flow is a function of profile, length
//! and seed, and of nothing in the book that it is to measure.

use super::draw::{Draw, mix};
use super::shape::{Away, Shape};
use super::{Flow, Ids};
use crate::bare::Bare;
use book::{Command, Lots, NewOrder, OrderId, Side, TICKS_MAX, Ticks, TimeInForce, User};

/// Users that orders are spread over.
const USERS: u64 = 1000;
/// How old a recently placed order is on average, in orders.
const RECENT: u64 = 60;
/// Of the orders that turn out to have traded, so many in a thousand are cancelled nevertheless.
const LATE: u32 = 250;
/// Length of a burst, in commands, on average.
const BURST: u64 = 60;

/// A market that has come so far.
pub(super) struct Market {
    shape: Shape,
    ids: Ids,
    pub(super) draw: Draw,
    pub(super) book: Bare,
    /// Orders that were placed and not cancelled; some have traded.
    placed: Vec<(OrderId, Side)>,
    made: u64,
    middle: i64,
    pressing: Side,
    turn_in: u64,
    burst: Option<(Side, u64)>,
    pub(super) out: Vec<Command>,
    pub(super) orders_max: usize,
}

impl Market {
    pub(super) fn new(shape: Shape, ids: Ids, seed: u64) -> Market {
        Market {
            shape,
            ids,
            draw: Draw::new(seed),
            book: Bare::new(shape.resting),
            placed: Vec::new(),
            made: 0,
            middle: shape.middle,
            pressing: Side::Buy,
            turn_in: shape.turn,
            burst: None,
            out: Vec::new(),
            orders_max: 0,
        }
    }

    /// Adds away from the other side until the book has its size.
    pub(super) fn prefill(&mut self) -> Vec<Command> {
        while self.book.order_count() < self.shape.resting {
            let side = Side::BOTH[self.draw.below(2) as usize];
            let away = 1 + self.away();
            let price = match side {
                Side::Buy => self.shape.middle - away,
                Side::Sell => self.shape.middle + away,
            };
            self.place(side, price);
        }
        std::mem::take(&mut self.out)
    }

    /// The next command; appends it to `out`.
    pub(super) fn step(&mut self) {
        self.turn_in = self.turn_in.saturating_sub(1);
        if self.turn_in == 0 {
            self.pressing = Side::BOTH[self.draw.below(2) as usize];
            self.turn_in = 1 + self.draw.below(2 * self.shape.turn);
        }
        if let Some((side, left)) = self.burst {
            self.burst = (left > 1).then_some((side, left - 1));
            return self.burst_step(side);
        }
        if self.draw.per_mille(self.shape.burst) {
            let side = Side::BOTH[self.draw.below(2) as usize];
            self.burst = Some((side, self.draw.geometric(BURST)));
        }
        let Shape { add, cancel, take, .. } = self.shape;
        let roll = self.draw.below(1000) as u32;
        if roll < add + cancel {
            // The book keeps its size: one of the two may stand in for the other.
            let size = self.book.order_count() * 100;
            let (few, many) = (self.shape.resting * 98, self.shape.resting * 101);
            let adds = roll < add;
            let fewer = adds && size > many && self.draw.per_mille(200);
            let more = !adds && size < few && self.draw.per_mille(200);
            return if adds && !fewer || more { self.add() } else { self.cancel(None) };
        }
        if roll < add + cancel + take { self.take() } else { self.replace(None) }
    }

    /// A burst rearranges one side near the touch.
    fn burst_step(&mut self, side: Side) {
        match self.draw.below(100) {
            0..25 => {
                let price = self.price(side);
                self.place(side, price);
            }
            25..55 => self.cancel(Some(side)),
            55..95 => self.replace(Some(side)),
            _ => self.take(),
        }
    }

    fn add(&mut self) {
        let leans = self.draw.per_mille(500 + self.shape.lean);
        let side = if leans { self.pressing } else { self.pressing.opposite() };
        let price = self.price(side);
        self.place(side, price);
    }

    pub(super) fn place(&mut self, side: Side, price: i64) {
        let (id, user, qty) = (self.id(), self.user(), self.lots());
        self.push(Command::New(NewOrder::limit(id, user, side, ticks(price), qty)));
        self.placed.push((id, side));
    }

    pub(super) fn cancel(&mut self, side: Option<Side>) {
        match self.pick(side) {
            Some((at, recent)) => {
                // Recent ones keep their order; it does not matter for the others.
                let (id, _) =
                    if recent { self.placed.remove(at) } else { self.placed.swap_remove(at) };
                self.push(Command::Cancel { id });
            }
            None => self.add(),
        }
    }

    fn replace(&mut self, side: Option<Side>) {
        let Some((at, _)) = self.pick(side) else { return self.add() };
        let (id, side) = self.placed[at];
        let (price, qty) = (ticks(self.price(side)), self.lots());
        self.push(Command::Replace { id, price, qty, self_trade: None });
    }

    /// An immediate-or-cancel order that trades.
    fn take(&mut self) {
        let side = self.side();
        let side = if self.book.best(side.opposite()).is_some() { side } else { side.opposite() };
        let Some(Ticks(touch)) = self.book.best(side.opposite()) else { return self.add() };
        let through = self.draw.below(self.shape.through) as i64;
        let price = match side {
            Side::Buy => touch + through,
            Side::Sell => touch - through,
        };
        let mut qty = self.lots();
        for _ in 0..self.draw.below(2 * self.shape.sweep) {
            qty.0 += self.lots().0;
        }
        let taker = NewOrder::limit(self.id(), self.user(), side, ticks(price), qty);
        self.push(Command::New(taker.with_tif(TimeInForce::Ioc)));
    }

    /// An order to cancel or replace, and whether it was picked from the recent ones.
    fn pick(&mut self, side: Option<Side>) -> Option<(usize, bool)> {
        for _ in 0..50 {
            let len = self.placed.len();
            let recent = self.draw.per_mille(self.shape.recent);
            let back =
                if recent { self.draw.geometric(RECENT) } else { 1 + self.draw.below(len as u64) };
            let at = len.checked_sub(back as usize)?;
            let (id, of) = self.placed[at];
            if side.is_some_and(|side| side != of) {
                continue;
            }
            if self.book.rests(id) {
                return Some((at, recent));
            }
            if self.draw.per_mille(LATE) {
                return Some((at, recent));
            }
            self.placed.remove(at);
        }
        None
    }

    /// Where an order of this side is placed.
    fn price(&mut self, side: Side) -> i64 {
        let best = |side| self.book.best(side).map(|price| price.0);
        let (own, other) = (best(side), best(side.opposite()));
        let toward = if side == Side::Buy { 1 } else { -1 };
        let touch = own.or(other.map(|price| price - toward)).unwrap_or(self.middle);
        self.middle = touch;
        let presses = 1000 + self.shape.press * if side == self.pressing { 4 } else { 0 };
        let roll = self.draw.below(1000) as u32;
        let better = self.shape.better * presses / 1000;
        if roll < better {
            // Half of them close the gap, the others better it by little, or trade.
            return match other {
                Some(price) if self.draw.per_mille(500) => price - toward,
                _ => touch + toward * (1 + self.draw.below(3) as i64),
            };
        }
        if roll < better + self.shape.touch {
            return touch;
        }
        touch - toward * self.away()
    }

    pub(super) fn away(&mut self) -> i64 {
        let away = match self.shape.away {
            Away::Even(ticks) => self.draw.below(ticks),
            Away::Tail(ticks) if self.draw.per_mille(500) => self.draw.below(6).min(ticks),
            Away::Tail(ticks) => {
                // Beyond six ticks as 1/distance, as far as `ticks`.
                let unit = self.draw.unit();
                (6.0 / (1.0 - unit).max(1e-6)).min(6.0 + unit * ticks as f64) as u64
            }
            Away::Decades(decades) => self.draw.log_uniform(decades),
        };
        away as i64
    }

    /// The pressing side a little more often.
    fn side(&mut self) -> Side {
        let presses = self.draw.per_mille(500 + self.shape.press);
        if presses { self.pressing } else { self.pressing.opposite() }
    }

    pub(super) fn lots(&mut self) -> Lots {
        let lots = self.draw.log_uniform(self.shape.lots_decades);
        // Small ones are likelier still: every second is cut again.
        Lots(if self.draw.per_mille(500) { 1 + self.draw.below(lots) } else { lots })
    }

    pub(super) fn user(&mut self) -> User {
        User(1 + self.draw.below(USERS) as u32)
    }

    /// A new id: a count, or a count mixed.
    pub(super) fn id(&mut self) -> OrderId {
        self.made += 1;
        OrderId(match self.ids {
            Ids::Dense => self.made,
            Ids::Spread => mix(self.made),
        })
    }

    pub(super) fn push(&mut self, command: Command) {
        self.book.apply(&command, &mut |_| ());
        self.orders_max = self.orders_max.max(self.book.order_count());
        self.out.push(command);
    }

    /// All that came after the prefill, as a flow.
    pub(super) fn into_flow(self, name: &'static str, seed: u64, prefill: Vec<Command>) -> Flow {
        Flow { name, seed, prefill, commands: self.out, orders_max: self.orders_max }
    }
}

/// A price that an order may carry.
fn ticks(price: i64) -> Ticks {
    Ticks(price.clamp(1, TICKS_MAX.0))
}
