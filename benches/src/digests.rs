//! The digests of a command file, of the book and of the prototype, by one code.

use crate::bare::{Bare, BareTrade};
use crate::flow::Flow;
use book::digest::Digest;
use book::{Event, LevelDepth, Outcome, RestingOrder, Side};

/// What a run came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digests {
    /// Trades.
    pub trades: u64,
    /// Commands refused.
    pub rejects: u64,
    /// Of the trades.
    pub t: Digest,
    /// Of the outcomes.
    pub r: Digest,
    /// Of the levels at the end.
    pub l2: Digest,
    /// Of the orders at the end.
    pub l3: Digest,
}

impl Digests {
    /// Runs a flow on the book.
    pub fn of_book(flow: &Flow) -> Digests {
        let (mut book, mut digests) = (flow.book(), Digests::start());
        for command in flow.prefill.iter().chain(&flow.commands) {
            let t = &mut digests;
            let outcome = book.apply(command, &mut Trades(|trade| t.trade(trade)));
            digests.outcome(outcome);
        }
        Side::BOTH.iter().flat_map(|side| book.levels(*side)).for_each(|at| digests.level(at));
        Side::BOTH.iter().flat_map(|side| book.orders(*side)).for_each(|at| digests.order(at));
        digests
    }

    /// Runs a flow on the prototype.
    pub fn of_bare(flow: &Flow) -> Digests {
        let (mut bare, mut digests) = (Bare::new(flow.orders_max), Digests::start());
        for command in flow.prefill.iter().chain(&flow.commands) {
            let t = &mut digests;
            let outcome = bare.apply(command, &mut |trade| t.trade(trade));
            digests.outcome(outcome);
        }
        Side::BOTH.iter().flat_map(|side| bare.levels(*side)).for_each(|at| digests.level(at));
        Side::BOTH.iter().flat_map(|side| bare.orders(*side)).for_each(|at| digests.order(at));
        digests
    }

    fn start() -> Digests {
        let empty = Digest::START;
        Digests { trades: 0, rejects: 0, t: empty, r: empty, l2: empty, l3: empty }
    }

    fn trade(&mut self, BareTrade { maker, taker, price, qty }: BareTrade) {
        self.trades += 1;
        for field in [maker, taker, price as u64, qty] {
            self.t.feed(&field.to_le_bytes());
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        self.rejects += u64::from(outcome.reject.is_some());
        self.r.feed(&[outcome.code()]);
        for lots in [outcome.filled, outcome.resting, outcome.cancelled] {
            self.r.feed(&lots.0.to_le_bytes());
        }
    }

    fn level(&mut self, level: LevelDepth) {
        self.l2.feed(&[level.side as u8]);
        self.l2.feed(&level.price.0.to_le_bytes());
        self.l2.feed(&level.qty.0.to_le_bytes());
        self.l2.feed(&level.orders.to_le_bytes());
    }

    fn order(&mut self, order: RestingOrder) {
        self.l3.feed(&[order.side as u8]);
        self.l3.feed(&order.id.0.to_le_bytes());
        self.l3.feed(&order.price.0.to_le_bytes());
        self.l3.feed(&order.qty.0.to_le_bytes());
        self.l3.feed(&order.user.0.to_le_bytes());
    }
}

/// A sink that only hears trades.
struct Trades<F>(F);

impl<F: FnMut(BareTrade)> book::Events for Trades<F> {
    fn event(&mut self, event: Event) {
        if let Event::Traded(trade) = event {
            let (maker, taker) = (trade.maker.0, trade.taker.0);
            (self.0)(BareTrade { maker, taker, price: trade.price.0, qty: trade.qty.0 });
        }
    }
}
