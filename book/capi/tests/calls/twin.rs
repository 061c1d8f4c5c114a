//! The same random commands to a book behind the interface and to one of Rust: every outcome,
//! event and change of a level is the same, and so is all that can be read out.

use crate::caller::{Caller, Plain, bytes, config};
use crate::draw::{Draw, IDS};
use crate::layout::{self, side_byte};
use book::{
    Book, BookConfig, Event, Events, LevelDepth, LiveOrder, OrderId, Outcome, SelfTrade, Side,
};
use corelane_book::{clb_config, clb_level};
use std::collections::{BTreeMap, BTreeSet};

/// What a book of Rust tells.
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

pub(crate) struct Twin {
    pub(crate) c: Caller,
    pub(crate) rust: Book,
    pub(crate) keeps_levels: bool,
    /// Kinds of events that came, with the code of those that have one.
    seen: BTreeSet<(u8, u8)>,
    /// The levels, as their changes told them: by side and price, lots and orders.
    followed: BTreeMap<(u8, i64), (u64, u32)>,
}

#[track_caller]
pub(crate) fn same<T: Plain + std::fmt::Debug>(from_c: &[T], expect: &[Vec<u8>]) {
    assert_eq!(from_c.len(), expect.len(), "{from_c:?}");
    for (thing, expect) in from_c.iter().zip(expect) {
        assert_eq!(bytes(&[*thing]), expect, "{thing:?}");
    }
}

impl Twin {
    pub(crate) fn new(config: &clb_config) -> Twin {
        let self_trade = SelfTrade::from_byte(config.self_trade).expect("one of the five");
        let (orders, levels) = (config.orders as usize, config.levels as usize);
        let rust = Book::new(BookConfig { self_trade, orders, levels, seed: config.seed });
        Twin::of(Caller::new(config), rust, config.level_changes == 1)
    }

    /// Two books that are the same.
    pub(crate) fn of(c: Caller, rust: Book, keeps_levels: bool) -> Twin {
        let followed = Side::BOTH.into_iter().flat_map(|side| rust.levels(side));
        let followed = followed
            .map(|level| ((side_byte(level.side), level.price.0), (level.qty.0, level.orders)));
        let followed = followed.collect();
        Twin { c, rust, keeps_levels, seen: BTreeSet::new(), followed }
    }

    /// Applies records in one call, and compares all that is told of it.
    pub(crate) fn apply(&mut self, records: &[u8], record_bytes: usize) {
        let outcomes = if records.len() == record_bytes {
            let (code, outcome) = self.c.apply(records);
            assert_eq!(code, i32::from(outcome.code));
            vec![outcome]
        } else {
            self.c.apply_all(records, record_bytes)
        };
        let (mut expect, mut events, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        for (command, record) in (0..).zip(records.chunks(record_bytes)) {
            let mut told = Told::default();
            let outcome = apply_in_rust(&mut self.rust, record, &mut told);
            expect.push(layout::outcome(&outcome, told.events.len() as u32));
            events.extend(told.events.iter().map(|event| layout::event(event, command)));
            levels.extend(told.levels.iter().map(layout::level));
        }
        if !self.keeps_levels {
            levels.clear();
        }
        same(&outcomes, &expect);
        same(&self.c.events(), &events);
        same(&self.c.level_changes(), &levels);
        self.follow();
        let has_code = |kind| matches!(kind, 2 | 4 | 9);
        let code = |event: &[u8]| if has_code(event[0]) { event[2] } else { 0 };
        let seen = events.iter().map(|event| (event[0], code(event)));
        self.seen.extend(seen);
    }

    fn follow(&mut self) {
        for clb_level { price, qty, orders, side, .. } in self.c.level_changes() {
            if orders == 0 {
                assert_eq!(qty, 0);
                self.followed.remove(&(side, price));
            } else {
                self.followed.insert((side, price), (qty, orders));
            }
        }
    }

    /// Compares all that can be read out.
    pub(crate) fn compare(&mut self) {
        let mut levels = BTreeMap::new();
        for side in Side::BOTH {
            let byte = side_byte(side);
            let of_c = self.c.levels(byte, self.rust.levels(side).count() + 1);
            let key = |level: &clb_level| ((level.side, level.price), (level.qty, level.orders));
            levels.extend(of_c.iter().map(key));
            same(&of_c, &self.rust.levels(side).map(|of| layout::level(&of)).collect::<Vec<_>>());
            let best = self.rust.best(side).map(|best| layout::level(&best));
            same(self.c.best(byte).as_slice(), best.as_slice());
            let resting = self.rust.orders(side).map(LiveOrder::Resting);
            let resting: Vec<_> = resting.map(|order| layout::order(&order)).collect();
            same(&self.c.orders(byte, resting.len() + 1), &resting);
            let waiting = self.rust.waiting(side).map(LiveOrder::Waiting);
            let waiting: Vec<_> = waiting.map(|order| layout::order(&order)).collect();
            same(&self.c.waiting(byte, waiting.len() + 1), &waiting);
        }
        if self.keeps_levels {
            assert_eq!(self.followed, levels);
        }
        for id in 0..IDS {
            let (order, terms) = self.c.find(id).unzip();
            let (its_order, its_terms) = self.rust.order(OrderId(id)).unzip();
            same(order.as_slice(), its_order.map(|order| layout::order(&order)).as_slice());
            same(terms.as_slice(), its_terms.map(|terms| layout::terms(&terms)).as_slice());
        }
        same(&[self.c.summary()], &[layout::summary(&self.rust)]);
        let indicative = self.rust.indicative().map(|found| layout::indicative(&found));
        same(self.c.indicative().as_slice(), indicative.as_slice());
        assert_eq!(self.c.state_hash(), self.rust.state_hash());
        assert_eq!(self.c.check(), 0);
    }
}

fn apply_in_rust(book: &mut Book, record: &[u8], events: &mut Told) -> Outcome {
    match record.len() {
        64 => book::wide::apply(book, record.first_chunk().expect("64 bytes"), events),
        _ => book::record::apply(book, record.first_chunk().expect("32 bytes"), events),
    }
}

/// Plays random records, half of the calls with one, the others with some. Returns what was seen.
fn play(self_trade: u8, level_changes: u8, short: bool) -> BTreeSet<(u8, u8)> {
    let mut twin = Twin::new(&clb_config { self_trade, level_changes, seed: 5, ..config() });
    let mut draw = Draw::new(u64::from(self_trade));
    twin.compare();
    for _ in 0..1500 {
        let count = if draw.below(2) == 0 { 1 } else { draw.below(8) };
        let mut record = || if short { draw.short_record() } else { draw.record() };
        let records: Vec<_> = (0..count).flat_map(|_| record()).collect();
        twin.apply(&records, if short { 32 } else { 64 });
        if draw.below(6) == 0 {
            twin.compare();
        }
    }
    twin.seen
}

#[test]
fn records_do_in_c_what_commands_do_in_rust() {
    let mut seen = BTreeSet::new();
    for self_trade in 0..5 {
        seen.extend(play(self_trade, self_trade % 2, false));
    }
    // All there is but a full book, which would take 2^24 orders.
    let rejects = [1, 2, 3, 4, 5, 6, 7, 9, 10].map(|code| (2, code));
    let cuts = (1..=6).map(|code| (4, code));
    let phases = (0..=2).map(|code| (9, code));
    let others = [1, 3, 5, 6, 7, 8, 10].map(|kind| (kind, 0));
    let all = rejects.into_iter().chain(cuts).chain(phases).chain(others).collect();
    assert_eq!(seen, all);
}

#[test]
fn short_records_do_in_c_what_they_do_in_rust() {
    let mut seen = BTreeSet::new();
    for self_trade in 0..5 {
        seen.extend(play(self_trade, 1, true));
    }
    let rejects = [1, 2, 3, 4, 5, 6, 7].map(|code| (2, code));
    let cuts = (1..=4).map(|code| (4, code));
    let others = [1, 3, 5].map(|kind| (kind, 0));
    assert_eq!(seen, rejects.into_iter().chain(cuts).chain(others).collect());
}
