//! The book and the model side by side: every command goes to both, and all that can be read out is
//! compared.

use crate::depth::Sink;
use crate::draw::Dice;
use crate::follower::Follower;
use crate::naive::{Naive, vary};
use crate::script::command_text;
use book::{
    Book, BookConfig, Command, Discard, Event, LevelDepth, Lots, OrderId, Outcome, RestingOrder,
    SelfTrade, Side,
};
use std::collections::HashMap;

/// What reads a whole book runs when so many commands have come for each of its orders: on every
/// command while the book is small, and at a bounded cost per command when it is not.
const ORDERS_PER_COMMAND: usize = 4;

/// Up to so many commands, what makes a book is varied too: it takes no large book to see whether a
/// field counts.
const VARIED_COMMANDS_MAX: usize = 60;

/// A book, its model, and those who follow its events.
pub(crate) struct Pair {
    pub(crate) book: Book,
    /// Takes the same commands, and is never restored.
    twin: Book,
    pub(crate) model: Naive,
    follower: Follower,
    sink: Sink,
    expected: Vec<Event>,
    self_trade: SelfTrade,
    /// Seed of the id table of the next book to take over.
    seed: u64,
    commands_unread: usize,
    /// Orders read since the last time that the indicative price was compared.
    orders_read: usize,
    /// State hashes seen, with what the model said of the state.
    states: HashMap<u64, u64>,
}

impl Pair {
    pub(crate) fn new(self_trade: SelfTrade, seed: u64) -> Pair {
        Pair {
            book: Book::new(BookConfig { self_trade, orders: 8, levels: 8, seed }),
            twin: Book::new(BookConfig { self_trade, orders: 500, levels: 300, seed: !seed }),
            model: Naive::new(self_trade),
            follower: Follower::default(),
            sink: Sink::default(),
            expected: Vec::new(),
            self_trade,
            seed,
            commands_unread: 0,
            orders_read: 0,
            states: HashMap::new(),
        }
    }

    /// Applies a command to both, and compares what they answer and, now and then, all they hold.
    pub(crate) fn apply(&mut self, command: &Command) -> Outcome {
        let hash_before = self.book.state_hash();
        self.sink.told.clear();
        self.expected.clear();
        let outcome = self.book.apply(command, &mut self.sink);
        let expected = self.model.apply(command, &mut self.expected);
        let text = || command_text(command);
        assert_eq!(self.sink.told, self.expected, "events of `{}`", text());
        assert_eq!(outcome, expected, "outcome of `{}`", text());
        assert_eq!(self.twin.apply(command, &mut Discard), outcome, "twin of `{}`", text());
        assert_eq!(self.twin.state_hash(), self.book.state_hash(), "state after `{}`", text());
        self.follower.follow(&self.sink.told);
        if outcome.reject.is_some() {
            assert_eq!(self.book.state_hash(), hash_before, "`{}` was refused", text());
        }
        self.compare_heads();
        if let Some(id) = id_of(command) {
            assert_eq!(self.book.order(id), self.model.order(id), "order of `{}`", text());
        }
        self.commands_unread += 1;
        if self.commands_unread * ORDERS_PER_COMMAND >= self.model.order_count() {
            self.commands_unread = 0;
            self.compare();
        }
        outcome
    }

    /// The events of the last command.
    pub(crate) fn told(&self) -> &[Event] {
        &self.sink.told
    }

    /// What is read at the front, and costs the same in every book.
    fn compare_heads(&self) {
        let (book, model) = (&self.book, &self.model);
        assert_eq!(book.phase(), model.phase());
        assert_eq!(book.phase(), self.follower.phase);
        assert_eq!(book.now(), model.now());
        assert_eq!(book.last_trade(), model.last_trade());
        assert_eq!(book.last_trade(), self.follower.last_trade);
        assert_eq!(book.order_count(), model.order_count());
        assert_eq!(book.level_count(), self.sink.level_count());
        for side in Side::BOTH {
            assert_eq!(book.best(side), self.sink.best(side));
        }
    }

    /// All that can be read out of the book, and its invariants.
    pub(crate) fn compare(&mut self) {
        let (book, model) = (&self.book, &self.model);
        assert_eq!(book.check(), Ok(()));
        for side in Side::BOTH {
            let queue: Vec<_> = book.orders(side).collect();
            assert_eq!(queue, model.queue(side).collect::<Vec<_>>());
            assert_eq!(queue, self.follower.queue(side));
            let levels: Vec<_> = book.levels(side).collect();
            assert_eq!(levels, levels_of(&queue));
            assert_eq!(levels, self.sink.levels(side));
            let waiting: Vec<_> = book.waiting(side).collect();
            assert_eq!(waiting, model.waiting(side).collect::<Vec<_>>());
            assert_eq!(waiting, self.follower.waiting(side));
        }
        for (id, order) in model.orders() {
            assert_eq!(book.order(id), Some(order));
        }
        // The model tries every price on every order.
        self.orders_read += ORDERS_PER_COMMAND;
        if self.orders_read >= 2 * model.order_count() {
            self.orders_read = 0;
            assert_eq!(book.indicative(), model.indicative());
        }
        self.compare_hash();
    }

    /// Two states never have one hash.
    fn compare_hash(&mut self) {
        let (hash, digest) = (self.book.state_hash(), self.model.digest());
        let known = *self.states.entry(hash).or_insert(digest);
        assert_eq!(known, digest, "two states have one hash");
    }

    /// Goes on with the book that comes back from the bytes of this one. Returns whether its hash was
    /// compared with that of a book nearly the same.
    pub(crate) fn restore(&mut self) -> bool {
        let mut bytes = Vec::new();
        self.book.encode(&mut bytes);
        self.seed = self.seed.wrapping_add(1);
        // The mode comes with the bytes.
        let config =
            BookConfig { self_trade: SelfTrade::Allow, orders: 8, levels: 8, seed: self.seed };
        let restored = Book::decode(&bytes, config).expect("it reads what it wrote");
        assert_eq!(restored.state_hash(), self.book.state_hash(), "of the decoded book");
        self.book = restored;
        self.compare_heads();
        self.compare();
        let mut again = Vec::new();
        self.book.encode(&mut again);
        assert_eq!(again, bytes, "bytes of one state");
        self.compare_varied()
    }

    /// Makes a book that differs in one thing from one in the state of this one: their hashes must
    /// tell them apart. Returns whether there was one to make.
    fn compare_varied(&self) -> bool {
        let Some(mut commands) = self.model.rebuild() else { return false };
        if commands.len() > VARIED_COMMANDS_MAX {
            return false;
        }
        let (hash, digest) = self.made_by(&commands);
        assert_eq!(digest, self.model.digest(), "the model was not rebuilt");
        vary(&mut commands, &mut Dice::new(self.seed));
        let (varied_hash, varied_digest) = self.made_by(&commands);
        let text = || commands.iter().map(command_text).collect::<Vec<_>>().join("; ");
        assert!(varied_digest == digest || varied_hash != hash, "hash of {}", text());
        varied_digest != digest
    }

    /// State hash and digest of an empty book and its model after some commands.
    fn made_by(&self, commands: &[Command]) -> (u64, u64) {
        let (self_trade, seed) = (self.self_trade, self.seed);
        let mut book = Book::new(BookConfig { self_trade, orders: 8, levels: 8, seed });
        let mut model = Naive::new(self_trade);
        for command in commands {
            book.apply(command, &mut Discard);
            model.apply(command, &mut Vec::new());
        }
        (book.state_hash(), model.digest())
    }
}

fn id_of(command: &Command) -> Option<OrderId> {
    match *command {
        Command::New(new) | Command::NewWith(new, _) => Some(new.id),
        Command::Cancel { id } | Command::Reduce { id, .. } | Command::Replace { id, .. } => {
            Some(id)
        }
        Command::MassCancel { .. }
        | Command::Expire { .. }
        | Command::SetPhase { .. }
        | Command::Uncross { .. } => None,
    }
}

/// The levels that a queue makes.
fn levels_of(queue: &[RestingOrder]) -> Vec<LevelDepth> {
    let same_price = |a: &RestingOrder, b: &RestingOrder| a.price == b.price;
    let sum = |level: &[RestingOrder]| LevelDepth {
        side: level[0].side,
        price: level[0].price,
        qty: Lots(level.iter().map(|order| order.qty.0).sum()),
        orders: u32::try_from(level.len()).expect("a level of a test"),
    };
    queue.chunk_by(same_price).map(sum).collect()
}
