//! Timed passes of a flow: an engine is prefilled, then all commands are applied.

use crate::bare::{Bare, BareTrade};
use crate::flow::Flow;
use book::{Book, Command, Event, Events};
use std::hint::black_box;

/// What is timed: it takes commands, and its trades are read.
pub trait Engine {
    /// Prefilled, ready for the commands of a flow.
    fn prefilled(flow: &Flow) -> Self;

    /// Applies one command.
    fn apply(&mut self, command: &Command, tally: &mut Tally);
}

/// Reads what a consumer would read of each trade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Trades.
    pub trades: u64,
    /// Lots traded.
    pub lots: u64,
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

impl Engine for Book {
    fn prefilled(flow: &Flow) -> Book {
        let (mut book, mut tally) = (flow.book(), Tally::default());
        flow.prefill.iter().for_each(|command| Engine::apply(&mut book, command, &mut tally));
        book
    }

    #[inline]
    fn apply(&mut self, command: &Command, tally: &mut Tally) {
        black_box(Book::apply(self, command, tally));
    }
}

impl Engine for Bare {
    fn prefilled(flow: &Flow) -> Bare {
        let (mut bare, mut tally) = (Bare::new(flow.orders_max), Tally::default());
        flow.prefill.iter().for_each(|command| Engine::apply(&mut bare, command, &mut tally));
        bare
    }

    #[inline]
    fn apply(&mut self, command: &Command, tally: &mut Tally) {
        black_box(Bare::apply(self, command, &mut |trade: BareTrade| {
            tally.trades += 1;
            tally.lots = tally.lots.wrapping_add(trade.qty);
        }));
    }
}

/// Applies all commands of a flow.
#[inline(never)]
pub fn run<E: Engine>(engine: &mut E, commands: &[Command]) -> Tally {
    let mut tally = Tally::default();
    for command in commands {
        engine.apply(command, &mut tally);
    }
    tally
}
