//! Two books under the same commands, and all that must hold of them after each.
//!
//! The first book takes records as they are and tells its events to a list. The second, of another
//! room and seed, takes decoded commands and tells a sink that only follows levels. So the way in,
//! what is told to whom, room, growth and the table of ids must not matter.
//! Now and then the second is exchanged for a copy made of the first one's snapshot.

use crate::ledger::Ledger;
use crate::marks::Marks;
use crate::snapshot::after_a_long_day;
use book::record::{self, RECORD_BYTES};
use book::wide::{self, WIDE_BYTES};
use book::{Book, BookConfig, Command, Event, Events, LevelDepth, Lots, Outcome, Reject, Side};
use std::collections::{BTreeMap, HashMap};

/// A record that is no command.
const NO_COMMAND: [u8; WIDE_BYTES] = [0; WIDE_BYTES];

/// One command, as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Decoded from the dense form.
    Command(Command),
    /// A wide record, which may be none.
    Wide([u8; WIDE_BYTES]),
    /// A short record, which may be none.
    Short([u8; RECORD_BYTES]),
}

impl Step {
    /// What it says.
    pub fn command(&self) -> Result<Command, Reject> {
        match self {
            Step::Command(command) => Ok(*command),
            Step::Wide(record) => wide::decode(record),
            Step::Short(record) => record::decode(record),
        }
    }

    fn apply(&self, book: &mut Book, events: &mut impl Events) -> Outcome {
        match self {
            Step::Command(command) => book.apply(command, events),
            Step::Wide(record) => wide::apply(book, record, events),
            Step::Short(record) => record::apply(book, record, events),
        }
    }
}

/// Two books, a ledger beside them, and what followed their levels.
pub struct Trial {
    book: Book,
    twin: Book,
    ledger: Ledger,
    followed: [Followed; 2],
    told: Told,
    sums: Sums,
    marks: Marks,
    commands: u64,
    /// The bytes of every state so far, by its hash.
    states: HashMap<u64, Vec<u8>>,
}

/// The levels that a sink knows of, by side and price.
type Followed = BTreeMap<(usize, i64), (Lots, u32)>;

/// Lots and commands, added up from events and outcomes alone.
#[derive(Default)]
struct Sums {
    entered: u128,
    traded: u128,
    cancelled: u128,
    trades: u64,
    rejects: u64,
}

/// A sink that keeps what the first book tells.
#[derive(Default)]
struct Told {
    events: Vec<Event>,
    levels: Vec<LevelDepth>,
}

impl Events for Told {
    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn level(&mut self, level: LevelDepth) {
        self.levels.push(level);
    }
}

/// A sink that follows levels and nothing else.
struct Levels<'a>(&'a mut Followed);

impl Events for Levels<'_> {
    fn event(&mut self, _: Event) {}

    fn level(&mut self, level: LevelDepth) {
        follow(self.0, level);
    }
}

fn follow(followed: &mut Followed, level: LevelDepth) {
    let key = (level.side as usize, level.price.0);
    if level.orders == 0 {
        assert_eq!(level.qty, Lots::ZERO, "a level without orders has no lots");
        followed.remove(&key);
    } else {
        followed.insert(key, (level.qty, level.orders));
    }
}

impl Trial {
    /// Two empty books; near the end of the numbers of arrivals, if `late`.
    pub fn new(config: BookConfig, late: bool) -> Trial {
        let other = BookConfig { orders: 64, levels: 0, seed: !config.seed, ..config };
        let made = if late { after_a_long_day } else { Book::new };
        Trial {
            book: made(config),
            twin: made(other),
            ledger: Ledger::new(config.self_trade),
            followed: [Followed::new(), Followed::new()],
            told: Told::default(),
            sums: Sums::default(),
            marks: Marks::default(),
            commands: 0,
            states: HashMap::new(),
        }
    }

    /// Applies a command to both, and looks at everything.
    pub fn apply(&mut self, step: &Step) {
        let command = &step.command();
        let before = (self.book.state_hash(), self.book.indicative());
        self.told.events.clear();
        self.told.levels.clear();
        let outcome = step.apply(&mut self.book, &mut self.told);
        let [followed, twin_followed] = &mut self.followed;
        let mut levels = Levels(twin_followed);
        let twin = match command {
            Ok(command) => self.twin.apply(command, &mut levels),
            Err(_) => wide::apply(&mut self.twin, &NO_COMMAND, &mut levels),
        };
        assert_eq!(outcome, twin, "both books answer alike");
        self.told.levels.iter().for_each(|level| follow(followed, *level));

        self.ledger.follow(command, &outcome, &self.told.events, before.1);
        self.add_up(command, &outcome);
        self.note(&outcome);
        assert_eq!(self.book.check(), Ok(()), "the book is sound");
        self.ledger.compare(&self.book);
        self.compare_levels();
        let after = self.book.state_hash();
        assert_eq!(after, self.twin.state_hash(), "both books have the same state");
        if outcome.reject.is_some() {
            assert_eq!(
                before,
                (after, self.book.indicative()),
                "a refused command changes nothing"
            );
            assert!(self.told.levels.is_empty(), "a refused command touches no level");
        }
        self.tell_apart(after);
        self.commands += 1;
        if self.commands % 8 == after % 8 {
            self.copy();
        }
    }

    /// Looks at the second book and at a copy, too. Returns what was shown.
    pub fn end(mut self) -> Marks {
        assert_eq!(self.twin.check(), Ok(()), "the second book is sound");
        self.ledger.compare(&self.twin);
        self.copy();
        self.marks
    }

    /// The first book.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Trades, lots traded, commands refused.
    pub fn sums(&self) -> (u64, u128, u64) {
        (self.sums.trades, self.sums.traded, self.sums.rejects)
    }

    /// Puts a copy, made of the snapshot of the first book, in place of the second.
    fn copy(&mut self) {
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        self.book.encode(&mut bytes);
        self.twin.encode(&mut again);
        assert_eq!(bytes, again, "books of the same state are the same bytes");
        let config = BookConfig { orders: 1, levels: 1, seed: self.commands, ..Default::default() };
        let copy = Book::decode(&bytes, config).expect("a book was encoded");
        assert_eq!(copy.check(), Ok(()), "the copy is sound");
        assert_eq!(copy.state_hash(), self.book.state_hash(), "the copy has the same state");
        again.clear();
        copy.encode(&mut again);
        assert_eq!(bytes, again, "the copy is the same bytes");
        self.twin = copy;
    }

    /// Quantity is neither made nor lost: what entered has traded, was cancelled, or is live.
    fn add_up(&mut self, command: &Result<Command, Reject>, outcome: &Outcome) {
        let sums = &mut self.sums;
        sums.rejects += u64::from(outcome.reject.is_some());
        if outcome.reject.is_none() {
            sums.entered += match command {
                Ok(Command::New(new) | Command::NewWith(new, _)) => u128::from(new.qty.0),
                Ok(Command::Replace { qty, .. }) => u128::from(qty.0),
                _ => 0,
            };
        }
        for event in &self.told.events {
            match event {
                Event::Traded(trade) => {
                    sums.trades += 1;
                    sums.traded += u128::from(trade.qty.0);
                }
                Event::Cancelled(cancelled) => sums.cancelled += u128::from(cancelled.qty.0),
                _ => {}
            }
        }
        let live: u128 = Side::BOTH
            .into_iter()
            .flat_map(|side| {
                let resting = self.book.orders(side).map(|order| order.qty.0 + order.hidden.0);
                resting.chain(self.book.waiting(side).map(|order| order.qty.0))
            })
            .map(u128::from)
            .sum();
        let gone = 2 * sums.traded + sums.cancelled;
        assert_eq!(sums.entered, gone + live, "what entered has gone or is live");
    }

    /// Two states with one hash are one state.
    fn tell_apart(&mut self, hash: u64) {
        let mut bytes = Vec::new();
        self.book.encode(&mut bytes);
        let known = self.states.entry(hash).or_insert_with(|| bytes.clone());
        assert_eq!(*known, bytes, "two states have the hash {hash:016x}");
    }

    /// What the events showed: each kind after the one before it.
    fn note(&mut self, outcome: &Outcome) {
        let phase = self.book.phase() as u64;
        let (mut ahead, mut last) = (0, u64::from(outcome.code()));
        for event in &self.told.events {
            let kind = match event {
                Event::Accepted { .. } => 1,
                Event::Rejected { .. } => 2,
                Event::Traded(trade) => 3 + u64::from(trade.maker_open == Lots::ZERO),
                Event::Cancelled(cancelled) => {
                    let rested = u64::from(cancelled.price.is_some());
                    16 + cancelled.cut as u64 * 2 + rested
                }
                Event::Rested(rested) => 5 + u64::from(rested.hidden > Lots::ZERO),
                Event::Refreshed(_) => 7,
                Event::Waiting(waiting) => 8 + u64::from(waiting.stop.is_some()),
                Event::Triggered { .. } => 10,
                Event::PhaseSet { .. } => 11,
                Event::Uncrossed { .. } => 12,
            };
            self.marks.note(&[phase, ahead, last, kind]);
            (ahead, last) = (last, kind);
        }
        let events = (self.told.events.len() + 1).ilog2();
        let orders = (self.book.order_count() + 1).ilog2();
        self.marks.note(&[100, u64::from(events), u64::from(orders)]);
    }

    fn compare_levels(&self) {
        for side in Side::BOTH {
            let mut levels: Vec<_> = self
                .book
                .levels(side)
                .map(|level| ((level.side as usize, level.price.0), (level.qty, level.orders)))
                .collect();
            if side == Side::Buy {
                levels.reverse();
            }
            for followed in &self.followed {
                let known = followed.iter().filter(|((of, _), _)| *of == side as usize);
                let known: Vec<_> = known.map(|(key, level)| (*key, *level)).collect();
                assert_eq!(levels, known, "levels are those that their changes make");
            }
        }
    }
}
