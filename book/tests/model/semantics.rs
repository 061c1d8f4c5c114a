//! What a book does, by examples in the language of `script`.

use crate::pair::Pair;
use crate::script::{book_text, commands, events_text};
use book::{Lots, Outcome, SelfTrade, Side};

mod expiry;
mod icebergs;
mod ids;
mod limits;
mod phases;
mod plain;
mod rejects;
mod replace;
mod self_trade;
mod state;
mod stops;
mod uncross;

/// Runs `script` on an empty book and its model; compares the events of the last command, and the
/// book at the end.
#[track_caller]
fn check(script: &str, events: &str, book: &str) {
    check_in(SelfTrade::Allow, script, events, book);
}

/// The same, in a book with a self-trade mode of its own.
#[track_caller]
fn check_in(self_trade: SelfTrade, script: &str, events: &str, book: &str) {
    let mut pair = Pair::new(self_trade, 0);
    run(&mut pair, script);
    assert_eq!(events_text(pair.told()), events, "events of the last of: {script}");
    let text = book_text(
        pair.model.phase(),
        Side::BOTH.map(|side| pair.model.queue(side).collect()),
        Side::BOTH.map(|side| pair.model.waiting(side).collect()),
    );
    assert_eq!(text, book, "book after: {script}");
}

/// What the last command of `script` came to: `[filled, resting, cancelled]`.
#[track_caller]
fn check_outcome(script: &str, lots: [u64; 3]) {
    let mut pair = Pair::new(SelfTrade::Allow, 0);
    let Outcome { reject, filled, resting, cancelled } = run(&mut pair, script);
    assert_eq!(reject, None, "{script}");
    assert_eq!([filled, resting, cancelled], lots.map(Lots), "{script}");
}

/// Applies a script; the book comes back from its bytes before the last command, and at the end.
fn run(pair: &mut Pair, script: &str) -> Outcome {
    let commands = commands(script);
    let (last, setup) = commands.split_last().expect("a script has a command");
    for command in setup {
        pair.apply(command);
    }
    pair.restore();
    let outcome = pair.apply(last);
    pair.compare();
    pair.restore();
    outcome
}
