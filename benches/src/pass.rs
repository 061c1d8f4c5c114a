//! Timed passes of a flow: an engine is prefilled, then all commands are applied.

use crate::bare::{Bare, BareTrade};
use crate::flow::Flow;
use book::record::{self, RECORD_BYTES};
use book::{Book, Command, Event, Events, Outcome};
use std::hint::black_box;

/// What is timed: it takes commands, and its trades and outcomes are read.
pub trait Engine {
    /// Empty, with room for a flow.
    fn for_flow(flow: &Flow) -> Self;

    /// Applies one command.
    fn apply(&mut self, command: &Command, tally: &mut Tally) -> Outcome;

    /// Ready for the commands of a flow.
    fn prefilled(flow: &Flow) -> Self
    where
        Self: Sized,
    {
        let mut engine = Self::for_flow(flow);
        let mut tally = Tally::default();
        for command in &flow.prefill {
            engine.apply(command, &mut tally);
        }
        engine
    }
}

/// Reads what a consumer would read of each trade and each outcome. Two engines that did the same
/// have the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Trades.
    pub trades: u64,
    /// Lots traded.
    pub lots: u64,
    /// Commands refused.
    pub rejects: u64,
    /// Lots of all outcomes: filled once, left resting twice, cancelled four times.
    pub outcomes: u64,
}

impl Tally {
    /// Reads an outcome.
    #[inline]
    pub fn outcome(&mut self, outcome: Outcome) {
        let Outcome { reject, filled, resting, cancelled } = outcome;
        self.rejects += u64::from(reject.is_some());
        let sum = filled.0.wrapping_add(resting.0 << 1).wrapping_add(cancelled.0 << 2);
        self.outcomes = self.outcomes.wrapping_add(sum);
    }
}

impl Events for Tally {
    #[inline]
    fn event(&mut self, event: Event) {
        if let Event::Traded(trade) = event {
            self.trades += 1;
            self.lots = self.lots.wrapping_add(trade.qty.0);
        }
    }
}

/// An engine that does nothing: what the loop around an engine costs.
pub struct Idle;

impl Engine for Idle {
    fn for_flow(_: &Flow) -> Idle {
        Idle
    }

    #[inline]
    fn apply(&mut self, command: &Command, _: &mut Tally) -> Outcome {
        black_box(command);
        black_box(Outcome::default())
    }
}

impl Engine for Book {
    fn for_flow(flow: &Flow) -> Book {
        flow.book()
    }

    #[inline]
    fn apply(&mut self, command: &Command, tally: &mut Tally) -> Outcome {
        Book::apply(self, command, tally)
    }
}

impl Engine for Bare {
    fn for_flow(flow: &Flow) -> Bare {
        Bare::new(flow.orders_max)
    }

    #[inline]
    fn apply(&mut self, command: &Command, tally: &mut Tally) -> Outcome {
        Bare::apply(self, command, &mut |trade: BareTrade| {
            tally.trades += 1;
            tally.lots = tally.lots.wrapping_add(trade.qty);
        })
    }
}

/// Applies commands.
#[inline(never)]
pub fn run<E: Engine>(engine: &mut E, commands: &[Command]) -> Tally {
    let mut tally = Tally::default();
    for command in commands {
        let outcome = engine.apply(command, &mut tally);
        tally.outcome(outcome);
    }
    tally
}

/// Applies commands that are decoded from their records on the way.
#[inline(never)]
pub fn run_records<E: Engine>(engine: &mut E, records: &[[u8; RECORD_BYTES]]) -> Tally {
    let mut tally = Tally::default();
    for record in records {
        if let Ok(command) = record::decode(record) {
            let outcome = engine.apply(&command, &mut tally);
            tally.outcome(outcome);
        }
    }
    tally
}
