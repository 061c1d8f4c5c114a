//! Drawn commands: the book is the model after every one of them.
//!
//! Runs a million commands; CORELANE_BOOK_COMMANDS asks for another number. A failing case is
//! shrunk and printed as a script, ready to become a test of `semantics`.

use crate::draw::{
    AUCTIONS, BROAD, Draw, FAR, MIXED, Market, Mix, Numbers, PLAIN, TERMS, TIGHT, WILD,
};
use crate::pair::Pair;
use crate::script::command_text;
use book::{Command, Cut, Event, Outcome, SelfTrade, User};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestError, TestRunner};
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;

/// Commands of one case: enough for a book to fill and turn over, few enough to shrink.
const CASE_COMMANDS: usize = 1000;

/// After so many commands a book goes on as what comes back from its bytes.
const RESTORE_COMMANDS: u64 = 100;

/// What a run reached, so that a test can tell that it tested something.
#[derive(Default, Debug)]
struct Reached {
    commands: usize,
    /// By `kind`.
    events: [usize; 10],
    codes: [usize; 11],
    /// By reason, in the order of `Cut`.
    cuts: [usize; 6],
    /// Meetings of two orders of one user in continuous trading, by the mode in force.
    self_trades: [usize; 5],
    /// Cases, by the longest chain of stops that triggered each other in one command.
    cascades: [usize; 6],
    /// Books that came back from their bytes, and those that were made in another way too.
    restored: usize,
    rebuilt: usize,
    most_levels: usize,
}

impl Reached {
    fn note(&mut self, command: &Command, outcome: &Outcome, book_mode: SelfTrade, pair: &Pair) {
        self.commands += 1;
        self.codes[usize::from(outcome.code())] += 1;
        self.most_levels = self.most_levels.max(pair.book.level_count());
        let mode = match command {
            Command::New(new) | Command::NewWith(new, _) => new.self_trade,
            Command::Replace { self_trade, .. } => *self_trade,
            _ => None,
        };
        let triggered = pair.told().iter().any(|event| matches!(event, Event::Triggered { .. }));
        for event in pair.told() {
            self.events[kind(event)] += 1;
            let met = match event {
                Event::Cancelled(cancelled) => {
                    self.cuts[cancelled.cut as usize] += 1;
                    cancelled.cut == Cut::SelfTrade
                }
                Event::Traded(t) => t.maker_user == t.taker_user && t.taker_user != User(0),
                _ => false,
            };
            // A stop trades in a mode of its own.
            let in_uncross = matches!(command, Command::Uncross { .. });
            self.self_trades[mode.unwrap_or(book_mode) as usize] +=
                usize::from(met && !triggered && !in_uncross);
        }
    }

    /// What a million commands reach by a wide margin.
    fn assert_enough(&self) {
        let enough = |name: &str, counts: &[usize], least: usize| {
            assert!(counts.iter().all(|count| *count >= least), "{name}: {counts:?}");
        };
        enough("events", &self.events, 5_000);
        // The code of a full book takes more orders than a test has.
        enough("codes", &[&self.codes[..8], &self.codes[9..]].concat(), 1_000);
        enough("cuts", &self.cuts, 200);
        enough("self-trade modes", &self.self_trades, 1_000);
        enough("cascades of three and more", &[self.cascades[3..].iter().sum()], 20);
        enough("restored and rebuilt books", &[self.restored, self.rebuilt], 1_000);
        assert!(self.most_levels > 130, "{} levels split no chunk twice", self.most_levels);
    }
}

/// A number for each kind of event.
fn kind(event: &Event) -> usize {
    match event {
        Event::Accepted { .. } => 0,
        Event::Rejected { .. } => 1,
        Event::Traded(_) => 2,
        Event::Cancelled(_) => 3,
        Event::Rested(_) => 4,
        Event::Refreshed(_) => 5,
        Event::Waiting(_) => 6,
        Event::Triggered { .. } => 7,
        Event::PhaseSet { .. } => 8,
        Event::Uncrossed { .. } => 9,
    }
}

#[derive(Clone, Debug)]
struct Case {
    market: Market,
    mix: Mix,
    self_trade: SelfTrade,
    seed: u64,
    numbers: Vec<Numbers>,
}

fn case() -> impl Strategy<Value = Case> {
    let market = select(&[TIGHT, TIGHT, BROAD, FAR]);
    let mix = select(&[PLAIN, TERMS, TERMS, MIXED, AUCTIONS, WILD]);
    let numbers = vec(any::<Numbers>(), CASE_COMMANDS);
    (market, mix, select(&SelfTrade::ALL), any::<u64>(), numbers).prop_map(
        |(market, mix, self_trade, seed, numbers)| Case { market, mix, self_trade, seed, numbers },
    )
}

/// Runs a case; `script` is left with its commands.
fn agree(case: &Case, script: &RefCell<Vec<Command>>, reached: &mut Reached) {
    script.borrow_mut().clear();
    let mut pair = Pair::new(case.self_trade, case.seed);
    let mut deepest = 0;
    for (at, numbers) in (0..).zip(&case.numbers) {
        let draw = Draw::new(case.market, case.mix, *numbers, at);
        let command = draw.command(&pair.model);
        script.borrow_mut().push(command);
        let outcome = pair.apply(&command);
        reached.note(&command, &outcome, case.self_trade, &pair);
        if (at + 1) % RESTORE_COMMANDS == 0 {
            reached.rebuilt += usize::from(pair.restore());
            reached.restored += 1;
        }
        deepest = deepest.max(pair.model.deepest_cascade());
    }
    reached.cascades[deepest.min(5)] += 1;
}

/// Prints the shortest case that was found as a script.
fn fail(case: &Case, reason: &str) -> ! {
    let script = RefCell::new(Vec::new());
    let again = AssertUnwindSafe(|| agree(case, &script, &mut Reached::default()));
    let failed_again = std::panic::catch_unwind(again).is_err();
    let text: Vec<String> = script.borrow().iter().map(command_text).collect();
    let Case { self_trade, seed, .. } = case;
    panic!(
        "{reason}\nself-trade mode {self_trade:?}, seed {seed}, fails again: {failed_again}\n{}",
        text.join(";\n")
    );
}

#[test]
fn the_book_is_the_model() {
    let asked = std::env::var("CORELANE_BOOK_COMMANDS").ok();
    let total: usize = asked.map_or(1_000_000, |text| text.parse().expect("a number of commands"));
    let cases = u32::try_from(total.div_ceil(CASE_COMMANDS)).expect("fewer cases than 2^32");
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let reached = RefCell::new(Reached::default());
    let script = RefCell::new(Vec::new());
    let run = TestRunner::new(config).run(&case(), |case| {
        agree(&case, &script, &mut reached.borrow_mut());
        Ok(())
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => fail(&case, reason.message()),
        Err(TestError::Abort(reason)) => panic!("no case could be drawn: {reason}"),
    }
    let reached = reached.into_inner();
    eprintln!("{reached:?}");
    if total >= 1_000_000 {
        reached.assert_enough();
    }
}
