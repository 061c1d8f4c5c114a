//! Drawn commands: the book is the model after every one of them.
//!
//! Runs a million commands; CORELANE_BOOK_COMMANDS asks for another number and CORELANE_BOOK_SEED
//! for other ones than the last time. A failing case is cut down to the commands that it takes and
//! printed as a script, ready to become a test of `semantics`.

use crate::draw::{AUCTIONS, BROAD, Dice, Draw, FAR, MIXED, PLAIN, TERMS, TIGHT, WILD};
use crate::pair::Pair;
use crate::script::command_text;
use book::{Command, Cut, Event, Outcome, SelfTrade, User};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};

/// Commands of one case: enough for a book to fill and turn over, few enough to cut down.
const CASE_COMMANDS: usize = 1000;

/// After so many commands a book goes on as what comes back from its bytes.
const RESTORE_COMMANDS: usize = 100;

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
    /// Books that came back from their bytes, and those whose hash differed from one nearly the same.
    restored: usize,
    varied: usize,
    most_levels: usize,
    /// Most slices that one command went through.
    most_slices: usize,
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
        let slices = pair.told().iter().filter(|event| matches!(event, Event::Refreshed(_)));
        self.most_slices = self.most_slices.max(slices.count());
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
        enough("events", &self.events, 1_000);
        // The code of a full book takes more orders than a test has.
        enough("codes", &[&self.codes[..8], &self.codes[9..]].concat(), 1_000);
        enough("cuts", &self.cuts, 200);
        enough("self-trade modes", &self.self_trades, 1_000);
        enough("cascades of three and more", &[self.cascades[3..].iter().sum()], 20);
        enough("restored and varied books", &[self.restored, self.varied], 1_000);
        assert!(self.most_slices > 4_000, "no iceberg of most slices traded: {}", self.most_slices);
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

/// A book and the commands that it got.
struct Case {
    self_trade: SelfTrade,
    seed: u64,
    commands: Vec<Command>,
}

impl Case {
    fn new(dice: &mut Dice) -> Case {
        let (self_trade, seed) = (dice.pick(&SelfTrade::ALL), dice.next());
        Case { self_trade, seed, commands: Vec::new() }
    }

    /// Draws commands and applies them, leaving them in the case.
    fn draw(&mut self, mut dice: Dice, reached: &mut Reached) {
        let market = dice.pick(&[TIGHT, TIGHT, BROAD, FAR]);
        let mix = dice.pick(&[PLAIN, TERMS, TERMS, MIXED, AUCTIONS, WILD]);
        let mut draw = Draw::new(market, mix, dice);
        let mut pair = Pair::new(self.self_trade, self.seed);
        for at in 1..=CASE_COMMANDS {
            let command = draw.command(&pair.model);
            self.commands.push(command);
            let outcome = pair.apply(&command);
            reached.note(&command, &outcome, self.self_trade, &pair);
            if at % RESTORE_COMMANDS == 0 {
                reached.varied += usize::from(pair.restore());
                reached.restored += 1;
            }
        }
        reached.cascades[pair.model.deepest_cascade().min(5)] += 1;
    }

    /// Whether the book and the model disagree on some of these commands.
    fn fails(&self, commands: &[Command]) -> bool {
        let run = || {
            let mut pair = Pair::new(self.self_trade, self.seed);
            for (at, command) in (1..).zip(commands) {
                pair.apply(command);
                if at % RESTORE_COMMANDS == 0 || at == commands.len() {
                    pair.restore();
                }
            }
        };
        catch_unwind(AssertUnwindSafe(run)).is_err()
    }

    /// Leaves commands out while it still fails, many at first, then one by one.
    fn cut_down(&mut self) {
        let mut size = self.commands.len();
        while size > 0 {
            let mut at = 0;
            while at < self.commands.len() {
                let mut fewer = self.commands.clone();
                fewer.drain(at..fewer.len().min(at + size));
                match self.fails(&fewer) {
                    true => self.commands = fewer,
                    false => at += size,
                }
            }
            size /= 2;
        }
    }

    fn script(&self) -> String {
        let texts: Vec<String> = self.commands.iter().map(command_text).collect();
        format!("self-trade mode {:?}:\n{}", self.self_trade, texts.join(";\n"))
    }
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn the_book_is_the_model() {
    let total = from_environment("CORELANE_BOOK_COMMANDS").unwrap_or(1_000_000);
    let seed = from_environment("CORELANE_BOOK_SEED").unwrap_or(1);
    let mut reached = Reached::default();
    let mut seeds = Dice::new(seed);
    for _ in 0..total.div_ceil(CASE_COMMANDS as u64) {
        let mut dice = Dice::new(seeds.next());
        let mut case = Case::new(&mut dice);
        let drawn = catch_unwind(AssertUnwindSafe(|| case.draw(dice, &mut reached)));
        if let Err(panic) = drawn {
            // The message of the first panic is out; those of the shorter cases are noise.
            let hook = take_hook();
            set_hook(Box::new(|_| {}));
            case.cut_down();
            set_hook(hook);
            eprintln!("with CORELANE_BOOK_SEED={seed}, {}", case.script());
            resume_unwind(panic);
        }
    }
    eprintln!("{reached:?}");
    if total >= 1_000_000 {
        reached.assert_enough();
    }
}
