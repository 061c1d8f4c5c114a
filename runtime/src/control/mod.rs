//! The control thread: starts the shards, the publisher and the helpers beside them, answers the shards' requests, and
//! stops everything in order.
//!
//! | file | what happens there |
//! |---|---|
//! | `start` | threads, journals, sinks |
//! | `accounts` | who is followed where, and how far each is |
//! | `options` | what a node is made of, from the configuration |
//! | `asks` | what the administration port asks, answered |
//! | `feeds` | whether what feeders read is of now |
//! | `house` | what the administration port sees of a node |
//! | `health` | whether all that is wanted is done |
//! | `lists` | the thread that reads configuration and lists of accounts again, and writes the list kept at run time |
//! | `roster` | which accounts are wanted, by origin, and who leaves when |
//! | `placement` | the servers, resolved |
//! | `rest` | the threads that ask the REST interfaces |
//! | `segments` | the thread that prepares journal segments |
//! | `snapshots` | the thread that makes snapshots and compares digests |
//! | `symbols` | the symbol table, and what of it the shards are told |
//! | `coin_types` | the types of coins, from the database's categories |
//! | `latency` | frame-to-publisher latency: totals and the hdr log |
//! | `threads` | threads that have ended by themselves |
//! | `failure` | what the user reads when a journal cannot be opened |

pub mod asks;
pub mod health;
pub mod latency;
pub mod lists;
pub mod options;
pub mod rest;
pub mod roster;

mod accounts;
mod coin_types;
mod failure;
mod feeds;
mod house;
mod placement;
mod segments;
mod snapshots;
mod start;
mod symbols;
mod threads;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use persist::lock::DirLock;
use shards::{Address, Coin, Request, ShardId};

use crate::diag::Problem;
use crate::feeder::Feeder;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender};
use crate::lane::clock::wall_now_ns;
use crate::lane::executor::Join;
use crate::placement::Limit;
use crate::publisher::{self, News, PublisherReport};
use crate::shard::message::{Command, Judged, LinkNews, Opened, Reply, Report, Stopped};
use latency::Latency;
pub use snapshots::Taken;

pub use accounts::Stage;
use accounts::{Accounts, Order};
use asks::Asks;
use feeds::Feeds;
use house::Pulse;
use lists::{Done, Keeper, Lists, Live};
use rest::{Answer, Job, Rest};
use roster::{Change, Origin, Roster};
use segments::Segments;
use snapshots::{Said, Snapshots};
use symbols::Symbols;

/// Commands and replies that a ring between control and a shard holds.
const MESSAGES_MAX: usize = 4096;
/// Orders to the publisher that may wait: a person gives them.
const PUBLISHER_ORDERS_MAX: usize = 16;
/// Entries that a ring between a feeder and a shard holds: a block has a few hundred of one shard's accounts at most.
const FED_MAX: usize = 2048;
/// Bytes of the event ring of one shard: some 3000 signals.
const EVENT_RING_BYTES: usize = 1 << 20;
/// How long shards may take to seal their journals, and then sinks to acknowledge.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long the first connections wait for the symbol table.
const SYMBOLS_WITHIN: Duration = Duration::from_secs(3);
/// How soon a symbol table that could not be read is tried again.
const SYMBOLS_RETRY: Duration = Duration::from_secs(60);
/// How soon a sink's trouble is told again.
const SAY_AGAIN: Duration = Duration::from_secs(30);
/// Most inputs between two journaled digests.
const CHECK_EVERY_MAX: u64 = 10_000;
/// How long control sleeps at most.
const SLEEP_MAX: Duration = Duration::from_millis(200);

/// A running node.
pub struct Node {
    bell: Arc<Bell>,
    shards: Vec<ShardState>,
    publisher: Option<PublisherState>,
    /// Of sources that have one.
    feeders: Vec<Option<Feeder>>,
    feeds: Feeds,
    rest: Rest,
    segments: Segments,
    snapshots: Snapshots,
    latency: Latency,
    symbols: Symbols,
    symbols_due: Option<Instant>,
    symbol_refresh: Duration,
    /// Until when orders about accounts wait for the symbol table: a signal should carry its symbol from the first on.
    orders_wait: Option<Instant>,
    roster: Roster,
    accounts: Accounts,
    /// The thread that reads the lists again.
    lists: Option<Keeper>,
    /// Lists that cannot be read now.
    lists_unread: u64,
    /// What the administration port asks.
    asks: Asks,
    pulse: Pulse,
    /// Names for people.
    names: BTreeMap<Address, String>,
    live: Live,
    /// Those of the configuration as it was read last.
    configured: Live,
    /// The ratio that the publisher knows.
    canary_told: u8,
    notices: VecDeque<Notice>,
    /// What sinks have said lately.
    said: BTreeMap<String, Instant>,
    _lock: Arc<DirLock>,
}

struct ShardState {
    id: ShardId,
    commands: Sender<Command>,
    /// Commands that found no room.
    waiting: VecDeque<Command>,
    replies: Receiver<Reply>,
    thread: Option<glommio::ExecutorJoinHandle<()>>,
    judged: Option<Judged>,
    opened: Option<Opened>,
    report: Report,
    stopped: Option<Stopped>,
    dir: PathBuf,
}

struct PublisherState {
    thread: Option<JoinHandle<()>>,
    /// Dropped when it is to end.
    orders: Option<Sender<publisher::Order>>,
    news: Receiver<News>,
    report: PublisherReport,
    stopped: bool,
}

/// Something that the one who runs the node should hear of.
#[derive(Debug)]
pub enum Notice {
    /// A connection of a shard changed.
    Link(ShardId, LinkNews),
    /// An account is followed.
    Followed(Address),
    /// No source has room for an account.
    Uncovered(Address, Limit),
    /// Settings that count from now on.
    Settings(Live),
    /// Everything was read again because of a signal, or not.
    Reloaded(Done),
    /// A source has room now for an account that had none.
    Covered(Address),
    /// An account is followed no longer.
    Released(Address),
    /// A snapshot of a shard was made, in this time.
    Snapshot(ShardId, Taken, Duration),
    /// An instrument is called by its coin, for another one has the symbol.
    Clash {
        /// The coin.
        coin: Coin,
        /// The symbol.
        symbol: String,
    },
    /// Something is wrong; it goes on.
    Warning(Problem),
    /// The node cannot go on.
    Fatal(Problem),
    /// Who read standard output has gone.
    ReaderGone,
}

/// All counters, added up.
#[derive(Clone, Debug, Default)]
pub struct NodeReport {
    /// Over all shards.
    pub shards: Report,
    /// Of the publisher.
    pub publisher: PublisherReport,
}

/// How a node ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// By shard, in order of their numbers; `None` if one did not end in time.
    pub shards: Vec<Option<Stopped>>,
    /// The last counters.
    pub report: NodeReport,
    /// Whether every sink has acknowledged every event.
    pub is_caught_up: bool,
    /// How long it took.
    pub took: Duration,
}

impl Node {
    fn command(&mut self, shard: ShardId, command: Command) {
        self.shards[usize::from(shard.0)].waiting.push_back(command);
    }

    /// One turn: takes what the others said, gives them what they asked for.
    pub fn turn(&mut self) {
        for at in 0..self.shards.len() {
            while let Some(reply) = self.shards[at].replies.receive() {
                self.reply(at, reply);
            }
            let state = &self.shards[at];
            if state.replies.is_abandoned() && state.stopped.is_none() && state.thread.is_some() {
                self.thread_ended(at);
            }
        }
        self.take_news();
        while let Some(answer) = self.rest.answer() {
            self.answer(answer);
        }
        self.segments.turn(|shard, segment| {
            self.shards[usize::from(shard.0)].waiting.push_back(Command::Segment(segment));
        });
        while let Some(space) = self.segments.news() {
            if let Some(is_there) = space.is_there {
                self.command(space.shard, Command::Space(is_there));
            }
            self.notices.push_back(Notice::Warning(space.problem));
        }
        self.turn_snapshots();
        if self.symbols_due.is_some_and(|due| due <= Instant::now()) && self.rest.ask(Job::Symbols)
        {
            self.symbols_due = Some(Instant::now() + self.symbol_refresh);
        }
        while let Some(said) = self.lists.as_mut().and_then(Keeper::said) {
            match said {
                lists::Said::Lists(lists) => self.take_lists(*lists),
                lists::Said::Problem(problem) => self.notices.push_back(Notice::Warning(problem)),
                lists::Said::Done { ticket, done } => self.done(ticket, done),
            }
        }
        self.turn_asks();
        self.tell_canary_ratio();
        self.turn_feeders();
        self.turn_accounts();
        self.watch_threads();
        for state in &mut self.shards {
            while let Some(command) = state.waiting.pop_front() {
                if let Err(command) = state.commands.send(command) {
                    state.waiting.push_front(command);
                    break;
                }
            }
        }
    }

    fn turn_snapshots(&mut self) {
        let shards = &self.shards;
        self.snapshots.turn(|at| shards[at].report.durable_seq);
        while let Some(said) = self.snapshots.said() {
            self.notices.push_back(match said {
                Said::Taken(shard, taken, took) => Notice::Snapshot(shard, taken, took),
                Said::Failed(problem) => Notice::Warning(problem),
                Said::Diverged(problem) => Notice::Fatal(problem),
            });
        }
    }

    /// What connections may do, and who follows what.
    fn turn_accounts(&mut self) {
        let now = Instant::now();
        if self.orders_wait.is_some_and(|until| until > now) {
            return;
        }
        self.orders_wait = None;
        while let Some(change) = self.roster.poll(now) {
            match change {
                Change::Add(address) => {
                    if let Err(limit) = self.accounts.want(address, now) {
                        self.notices.push_back(Notice::Uncovered(address, limit));
                    }
                }
                Change::Remove(address) => self.release(&address, now),
            }
        }
        self.accounts.turn(now);
        while let Some(order) = self.accounts.order() {
            match order {
                Order::Shard(shard, command) => self.command(shard, command),
                Order::Follow { source, shard, address, ticket } => {
                    self.feeder(source, |feeder| feeder.follow(shard, address, ticket));
                }
                Order::Unfollow(source, address) => {
                    self.feeder(source, |feeder| feeder.unfollow(address));
                }
                Order::Begin(source) => self.feeder(source, Feeder::begin),
            }
        }
    }

    fn feeder(&mut self, source: usize, tell: impl FnOnce(&mut Feeder)) {
        if let Some(Some(feeder)) = self.feeders.get_mut(source) {
            tell(feeder);
        }
    }

    fn turn_feeders(&mut self) {
        for feeder in self.feeders.iter_mut().flatten() {
            feeder.turn();
            while let Some(problem) = feeder.said() {
                self.notices.push_back(Notice::Warning(problem));
            }
        }
        let (now, unix_ms) = (Instant::now(), wall_now_ns() / 1_000_000);
        while let Some((source, is_well)) = self.feeds.change(now, unix_ms) {
            // The feeder has said why.
            self.accounts.feed_is_well(source, is_well, now);
        }
    }

    fn release(&mut self, address: &Address, now: Instant) {
        self.notices.push_back(Notice::Released(*address));
        for seated in self.accounts.release(address, now) {
            self.notices.push_back(Notice::Covered(seated));
        }
    }

    /// Takes what is new in the lists and in the settings that count while running.
    fn take_lists(&mut self, new: Lists) {
        let lists = [
            (Origin::Configuration, new.configuration),
            (Origin::File, new.file),
            (Origin::Database, new.database),
        ];
        for (origin, list) in lists {
            if let Some(list) = list {
                self.offer(origin, &list);
            }
        }
        if let Some(pairs) = new.pairs {
            self.take_coin_types(pairs);
        }
        if let Some(unread) = new.unread {
            self.lists_unread = unread;
        }
        if let Some(names) = new.names {
            self.names = names;
        }
        if let Some(live) = new.live {
            self.live.take_changes(&self.configured, &live);
            self.configured = live;
            self.roster.set_grace(self.live.remove_grace);
            self.notices.push_back(Notice::Settings(self.live));
        }
    }

    /// Takes the complete list of an origin: who is in no list any more leaves after the grace.
    pub fn offer(&mut self, origin: Origin, addresses: &[Address]) {
        self.roster.offer(origin, addresses, Instant::now());
    }

    fn thread_ended(&mut self, at: usize) {
        let state = &mut self.shards[at];
        let thread = state.thread.take().expect("checked by the caller");
        let why = Join::join(thread).err().unwrap_or_else(|| "its thread has ended".to_owned());
        let fatal = failure::fault(state.id, &why);
        self.notices.push_back(Notice::Fatal(fatal));
    }

    fn reply(&mut self, at: usize, reply: Reply) {
        let state = &mut self.shards[at];
        let id = state.id;
        match reply {
            Reply::Judged(_) | Reply::Opened(_) | Reply::NotOpened(_) => {}
            Reply::Request(Request::Backfill { address, from_ms }) => {
                let source = self.source_of(&address);
                self.rest.ask(Job::Backfill { shard: id, source, address, from_ms });
            }
            Reply::StatusWanted { address, oid } => {
                let source = self.source_of(&address);
                self.rest.ask(Job::Status { shard: id, source, address, oid });
            }
            Reply::SymbolWanted { coin } => self.symbol_wanted(id, coin),
            Reply::SegmentWanted(order) => self.segments.prepare(id, order),
            Reply::Link(news) => {
                if let LinkNews::Down { source, link, .. } = &news {
                    // The host may have moved.
                    self.rest.resolve(*source);
                    self.accounts.lost(id, *link, Instant::now());
                }
                self.notices.push_back(Notice::Link(id, news));
            }
            Reply::Left { link, ticket } => {
                for seated in self.accounts.left(id, link, ticket, Instant::now()) {
                    self.notices.push_back(Notice::Covered(seated));
                }
            }
            Reply::NoSpace { address, ticket } => {
                if self.accounts.refused(&address, ticket) {
                    self.notices.push_back(Notice::Warning(failure::not_watched(&address)));
                }
            }
            Reply::Watched { address, ticket } => self.accounts.watched(address, ticket),
            Reply::Acknowledged { address, ticket } => {
                self.accounts.acknowledged(&address, ticket, Instant::now());
            }
            Reply::Followed { address, ticket } => {
                if self.accounts.followed(&address, ticket, Instant::now()) {
                    self.notices.push_back(Notice::Followed(address));
                }
            }
            Reply::Unfollowed(address) => self.accounts.unfollowed(&address, Instant::now()),
            Reply::Fed { source, number, time_ms, seq } => {
                self.pulse.fed();
                self.feeds.heard(usize::from(source), time_ms, Instant::now());
                self.feeder(usize::from(source), |feeder| feeder.fed(id, number, seq));
            }
            Reply::Report(report) => {
                self.pulse.counted(&state.report, &report);
                state.report = *report;
            }
            Reply::Stopped(stopped) => {
                state.report = stopped.report;
                state.stopped = Some(*stopped);
            }
            Reply::Fault(why) => {
                self.notices.push_back(Notice::Fatal(failure::fault(id, &why)));
            }
        }
    }

    /// The source whose REST interface is asked about an account.
    fn source_of(&self, address: &Address) -> usize {
        // One that has just been let go: the answer will not matter.
        self.accounts.seat(address).map_or(0, |seat| seat.source)
    }

    fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Backfill { shard, address, fills, last } => {
                self.command(shard, Command::Backfill { address, fills, last });
            }
            Answer::BackfillFailed { shard, address, why } => {
                self.command(shard, Command::BackfillFailed { address });
                self.notices.push_back(Notice::Warning(failure::backfill(&address, &why)));
            }
            Answer::Status { shard, status } => self.command(shard, Command::Status(status)),
            Answer::Symbols(table) => {
                self.take_table(*table);
                self.orders_wait = None;
            }
            Answer::Resolved { source, addresses } => {
                for at in 0..self.shards.len() {
                    let addresses = addresses.clone();
                    self.command(ShardId(at as u16), Command::Resolved { source, addresses });
                }
            }
            Answer::Trouble(problem) | Answer::NotResolved(problem) => {
                self.notices.push_back(Notice::Warning(problem))
            }
            Answer::SymbolsFailed { why } => {
                self.symbols_due = Some(Instant::now() + SYMBOLS_RETRY);
                self.notices.push_back(Notice::Warning(failure::symbols(&why)));
            }
        }
    }

    fn take_news(&mut self) {
        let Some(publisher) = &mut self.publisher else { return };
        while let Some(news) = publisher.news.receive() {
            match news {
                News::Report(report) => {
                    self.latency.add(&report.latency);
                    publisher.report = *report;
                }
                News::Stopped(report) => {
                    self.latency.add(&report.latency);
                    publisher.report = *report;
                    publisher.stopped = true;
                }
                News::Problem { sink, what } => {
                    // A full disk is full ten times a second; once in a while is enough to hear.
                    let quiet = self.said.get(&what).is_some_and(|at| at.elapsed() < SAY_AGAIN);
                    if !quiet {
                        self.notices.push_back(Notice::Warning(failure::sink(&sink, &what)));
                        self.said.retain(|_, at| at.elapsed() < SAY_AGAIN);
                        self.said.insert(what, Instant::now());
                    }
                }
                News::ReaderGone => self.notices.push_back(Notice::ReaderGone),
            }
        }
        if let Err(problem) = self.latency.write_due() {
            self.notices.push_back(Notice::Warning(problem));
        }
    }

    /// The next thing to hear of.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Sleeps until something comes, at most `patience`.
    pub fn sleep(&self, patience: Duration) {
        let waiting = self.shards.iter().any(|state| !state.waiting.is_empty());
        let patience = if waiting { Duration::from_millis(1) } else { patience.min(SLEEP_MAX) };
        self.bell.sleep(patience, || self.has_news());
    }

    fn has_news(&self) -> bool {
        self.shards.iter().any(|state| !state.replies.is_empty())
            || self.publisher.as_ref().is_some_and(|publisher| !publisher.news.is_empty())
            || self.rest.has_news()
            || self.segments.has_news()
            || self.asks.has_news()
            || self.feeders.iter().flatten().any(Feeder::has_news)
            || self.lists.as_ref().is_some_and(Keeper::has_news)
            || self.snapshots.has_news()
    }

    /// What each shard found when it opened its journal.
    pub fn opened(&self) -> impl Iterator<Item = &Opened> {
        self.shards.iter().filter_map(|state| state.opened.as_ref())
    }

    /// Tells the publisher which ratio is in force; again with the next turn while it has too many orders waiting.
    fn tell_canary_ratio(&mut self) {
        let ratio = self.live.canary_ratio;
        let publisher = self.publisher.as_mut().and_then(|publisher| publisher.orders.as_mut());
        if ratio != self.canary_told
            && let Some(orders) = publisher
            && orders.send(publisher::Order::CanaryRatio(ratio)).is_ok()
        {
            self.canary_told = ratio;
        }
    }

    /// The counters as they were last told: up to a second old.
    pub fn report(&self) -> NodeReport {
        let mut report = NodeReport::default();
        self.shards.iter().for_each(|state| report.shards.add(&state.report));
        if let Some(publisher) = &self.publisher {
            report.publisher = publisher.report.clone();
        }
        report
    }

    /// Accounts that are wanted, and those of them for which no source has room.
    pub fn wanted(&self) -> (usize, usize) {
        self.accounts.wanted()
    }

    /// Accounts that are followed now.
    pub fn followed(&self) -> usize {
        self.accounts.followed_now()
    }

    /// Frame-to-publisher latencies since the start.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Stops in order: no more input, journals sealed, sinks drained, cursors written.
    pub fn stop(mut self) -> (Ended, Latency) {
        let started = Instant::now();
        // Nothing more is begun: a connection opened now would outlive the order to stop.
        self.accounts.drop_orders();
        // What they gave is in the rings or will be read again.
        self.feeders.clear();
        for state in &mut self.shards {
            state.waiting.push_back(Command::Stop);
        }
        let deadline = started + STOP_WITHIN;
        let mut fatal = false;
        while self.shards.iter().any(|state| state.stopped.is_none())
            && Instant::now() < deadline
            && !fatal
        {
            self.turn();
            fatal = self.notices.iter().any(|notice| matches!(notice, Notice::Fatal(_)));
            self.sleep(SLEEP_MAX);
        }
        for state in &mut self.shards {
            if state.stopped.is_some()
                && let Some(thread) = state.thread.take()
            {
                // Its last word was that it stopped.
                let _ = Join::join(thread);
            }
        }
        self.stop_publisher();
        let shards: Vec<Option<Stopped>> = self.shards.iter().map(|s| s.stopped).collect();
        let report = self.report();
        let is_caught_up = report.publisher.is_caught_up && !fatal;
        let latency = std::mem::take(&mut self.latency);
        (Ended { shards, report, is_caught_up, took: started.elapsed() }, latency)
    }

    fn stop_publisher(&mut self) {
        let Some(publisher) = &mut self.publisher else { return };
        publisher.orders = None;
        let deadline = Instant::now() + STOP_WITHIN + Duration::from_secs(1);
        while Instant::now() < deadline {
            self.take_news();
            match &self.publisher {
                Some(publisher) if !publisher.stopped => self.sleep(SLEEP_MAX),
                _ => break,
            }
        }
        if let Some(publisher) = &mut self.publisher
            && publisher.stopped
            && let Some(thread) = publisher.thread.take()
        {
            // Its last word was that it stopped.
            let _ = thread.join();
        }
    }
}

fn new_bell() -> Result<Arc<Bell>, Problem> {
    Bell::new().map(Arc::new).map_err(|error| failure::thread("an eventfd", &error))
}

/// What the user reads when a data directory cannot be locked.
pub(crate) fn not_locked(dir: &std::path::Path, error: &persist::lock::LockError) -> Problem {
    failure::not_locked(dir, error)
}

/// What the user reads when a journal cannot be replayed.
pub(crate) fn not_replayed(error: &persist::open::OpenError) -> Problem {
    failure::journal(error)
}
