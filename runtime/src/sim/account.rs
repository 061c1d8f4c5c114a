//! One account of the venue: where its fills come from, what it has had so far, and what `/info`
//! says of it.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use shards::Address;

use super::holdings::Holdings;
use super::options::Speed;
use super::replay::Recorded;
use super::tape::{Block, TapeFill, TapeUpdate};
use super::trader::{GENESIS_MS, Trader};
use super::truth::TruthBook;

/// Fills in a snapshot or on a page, at most.
pub(crate) const PAGE_FILLS: usize = 2000;

/// Where fills come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Made up as time goes on.
    Trader {
        /// The trader.
        trader: Box<Trader>,
        /// Live blocks that remain; `None` without end.
        blocks_left: Option<u64>,
    },
    /// Played from a file.
    Recorded(Recorded),
}

impl Source {
    /// What happened before the first subscription: fills and order states.
    fn past(&mut self) -> (Vec<Rc<TapeFill>>, Vec<TapeUpdate>) {
        match self {
            Source::Trader { trader, .. } => {
                let mut past = (Vec::new(), Vec::new());
                for block in trader.history() {
                    past.0.extend(block.fills);
                    past.1.extend(block.updates);
                }
                past
            }
            Source::Recorded(recorded) => (recorded.take_past(), Vec::new()),
        }
    }

    /// Time of the next block on the source's own clock.
    fn next_ms(&self) -> Option<u64> {
        match self {
            Source::Trader { trader, .. } => trader.next_ms(),
            Source::Recorded(recorded) => recorded.next_ms(),
        }
    }

    /// How far its times have jumped ahead of its clock.
    fn skew_ms(&self) -> u64 {
        match self {
            Source::Trader { trader, .. } => trader.skew_ms(),
            Source::Recorded(_) => 0,
        }
    }

    fn begin_ms(&self) -> u64 {
        match self {
            Source::Trader { trader, .. } => trader.next_ms().unwrap_or_default(),
            Source::Recorded(recorded) => recorded.begin_ms(),
        }
    }

    fn next_block(&mut self) -> Block {
        match self {
            Source::Trader { blocks_left: Some(0), trader } => trader.close(),
            Source::Trader { blocks_left, trader } => {
                *blocks_left = blocks_left.map(|left| left - 1);
                trader.next_block()
            }
            Source::Recorded(recorded) => recorded.next_block(),
        }
    }

    fn close(&mut self) -> Block {
        match self {
            Source::Trader { trader, .. } => trader.close(),
            Source::Recorded(recorded) => recorded.close(),
        }
    }
}

/// When an account's live part began.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// On the simulator's clock.
    at: Duration,
    /// On the source's clock.
    begin_ms: u64,
}

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) address: Address,
    source: Source,
    /// The newest fills, oldest first.
    history: VecDeque<Rc<TapeFill>>,
    /// The last state of each order, by oid.
    orders: BTreeMap<u64, TapeUpdate>,
    pub(crate) holdings: Holdings,
    has_past: bool,
    start: Option<Start>,
    /// Virtual milliseconds that its blocks come after their time, so that accounts take turns.
    phase_ms: f64,
    /// Newest fills, and last states of orders, that the venue remembers.
    history_fills: usize,
}

impl Account {
    pub(crate) fn new(address: Address, source: Source, history_fills: usize) -> Account {
        Account {
            address,
            source,
            history: VecDeque::new(),
            orders: BTreeMap::new(),
            holdings: Holdings::default(),
            has_past: false,
            start: None,
            phase_ms: 0.0,
            history_fills,
        }
    }

    /// Lets its blocks come so much after their time.
    pub(crate) fn set_phase(&mut self, phase_ms: f64) {
        self.phase_ms = phase_ms;
    }

    /// Makes the account's past, the first time anyone asks. A past costs time and memory: a
    /// simulator of a thousand accounts must not pay for all of them before it listens.
    pub(crate) fn wake(&mut self) {
        if std::mem::replace(&mut self.has_past, true) {
            return;
        }
        let (fills, updates) = self.source.past();
        self.remember(&Block { time_ms: 0, fills, updates });
    }

    /// Begins the live part at `now`, at the first subscription. The truth learns what went before.
    pub(crate) fn start(&mut self, now: Duration, truth: &mut TruthBook) {
        self.wake();
        if self.start.is_some() {
            return;
        }
        self.start = Some(Start { at: now, begin_ms: self.source.begin_ms() });
        let hidden = self.history.len().saturating_sub(PAGE_FILLS);
        for (i, fill) in self.history.iter().enumerate() {
            truth.before(self.address, &fill.fill, i >= hidden);
        }
    }

    /// When the live part began: on the simulator's clock, its phase included, and on its own.
    pub(crate) fn started(&self, factor: f64) -> Option<(Duration, u64)> {
        let phase = Duration::from_secs_f64(self.phase_ms / factor / 1000.0);
        self.start.map(|start| (start.at + phase, start.begin_ms))
    }

    /// Whether the live part has begun.
    pub(crate) fn has_started(&self) -> bool {
        self.start.is_some()
    }

    /// Whether the live part has begun and is not over.
    pub(crate) fn is_live(&self) -> bool {
        self.start.is_some() && self.source.next_ms().is_some()
    }

    /// When the next block is due on the simulator's clock; at full speed it always is.
    pub(crate) fn due(&self, speed: Speed) -> Option<Duration> {
        let start = self.start?;
        let next_ms = self.source.next_ms()? - self.source.skew_ms();
        Some(match speed {
            Speed::Max => start.at,
            Speed::X(factor) => {
                let virtual_ms = next_ms.saturating_sub(start.begin_ms) as f64 + self.phase_ms;
                start.at + Duration::from_secs_f64((virtual_ms / factor / 1000.0).min(1e9))
            }
        })
    }

    /// The next block of the live part.
    pub(crate) fn advance(&mut self, truth: &mut TruthBook) -> Block {
        let block = self.source.next_block();
        self.take_in(&block, truth);
        block
    }

    /// Whether it does what is asked of it: a trader with blocks to come.
    pub(crate) fn obeys(&self) -> bool {
        matches!(self.source, Source::Trader { blocks_left: None | Some(1..), .. })
            && self.is_live()
    }

    /// The next block, before its time, with so many fills more.
    pub(crate) fn burst(&mut self, fills: u32, truth: &mut TruthBook) -> Block {
        let block = match &mut self.source {
            Source::Trader { trader, blocks_left } => {
                *blocks_left = blocks_left.map(|left| left.saturating_sub(1));
                trader.burst(fills)
            }
            Source::Recorded(_) => unreachable!("only traders obey"),
        };
        self.take_in(&block, truth);
        block
    }

    /// Lets the times of all blocks to come jump ahead.
    pub(crate) fn skew(&mut self, ms: u64) {
        if let Source::Trader { trader, .. } = &mut self.source {
            trader.skew(ms);
        }
    }

    /// Time of the next block on its own clock.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.source.next_ms()
    }

    /// The last block of a live part that is ended before its time.
    pub(crate) fn close(&mut self, truth: &mut TruthBook) -> Block {
        let block = self.source.close();
        self.take_in(&block, truth);
        block
    }

    fn take_in(&mut self, block: &Block, truth: &mut TruthBook) {
        assert!(self.start.is_some(), "only a subscribed account has a live part");
        for fill in &block.fills {
            truth.live(self.address, &fill.fill);
        }
        self.remember(block);
    }

    fn remember(&mut self, block: &Block) {
        for fill in &block.fills {
            self.holdings.apply(&fill.fill);
            // A recording may have frames that overtook each other; pages are in the order of time.
            let later = self.history.iter().rev();
            let later = later.take_while(|known| known.fill.time_ms > fill.fill.time_ms).count();
            self.history.insert(self.history.len() - later, Rc::clone(fill));
        }
        let beyond = self.history.len().saturating_sub(self.history_fills);
        self.history.drain(..beyond);
        for update in &block.updates {
            self.orders.insert(update.oid, update.clone());
        }
        while self.orders.len() > self.history_fills {
            self.orders.pop_first();
        }
    }

    /// The newest fills, oldest first: what a snapshot has.
    pub(crate) fn newest(&self, limit: usize) -> impl DoubleEndedIterator<Item = &Rc<TapeFill>> {
        let beyond = self.history.len().saturating_sub(limit.min(PAGE_FILLS));
        self.history.range(beyond..)
    }

    /// The oldest page of fills from `start_ms` to `end_ms`, both included, oldest first.
    pub(crate) fn page(&self, start_ms: u64, end_ms: u64) -> impl Iterator<Item = &Rc<TapeFill>> {
        let from = self.history.partition_point(|fill| fill.fill.time_ms < start_ms);
        let page = self.history.range(from..);
        page.take_while(move |fill| fill.fill.time_ms <= end_ms).take(PAGE_FILLS)
    }

    /// The newest page of fills from `start_ms` to `end_ms`, both included, newest first.
    pub(crate) fn page_back(
        &self,
        start_ms: u64,
        end_ms: u64,
    ) -> impl Iterator<Item = &Rc<TapeFill>> {
        let to = self.history.partition_point(|fill| fill.fill.time_ms <= end_ms);
        let page = self.history.range(..to).rev();
        page.take_while(move |fill| fill.fill.time_ms >= start_ms).take(PAGE_FILLS)
    }

    /// Time of the newest fill.
    pub(crate) fn newest_ms(&self) -> u64 {
        self.history.back().map_or(GENESIS_MS, |fill| fill.fill.time_ms)
    }

    /// The last state of an order.
    pub(crate) fn order(&self, oid: u64) -> Option<&TapeUpdate> {
        self.orders.get(&oid)
    }

    /// The last state of the newest order with this client id.
    pub(crate) fn order_by_cloid(&self, cloid: &str) -> Option<&TapeUpdate> {
        self.orders.values().rev().find(|update| update.cloid.as_deref() == Some(cloid))
    }
}
