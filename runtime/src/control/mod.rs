//! The control thread: starts the shards, the publisher and the helpers beside them, answers the shards' requests, and
//! stops everything in order.
//!
//! | file | what happens there |
//! |---|---|
//! | `options` | what a node is made of, from the configuration |
//! | `placement` | which account goes over which source |
//! | `rest` | the threads that ask the REST interfaces |
//! | `segments` | the thread that prepares journal segments |
//! | `snapshots` | the thread that makes snapshots and compares digests |
//! | `symbols` | the symbol table |
//! | `latency` | frame-to-publisher latency: totals and the hdr log |
//! | `failure` | what the user reads when a journal cannot be opened |

pub mod latency;
pub mod options;
pub mod rest;

mod failure;
mod placement;
mod segments;
mod snapshots;
mod symbols;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use persist::Position;
use persist::lock::DirLock;
use shards::{Address, Request, ShardId, shard_of};

use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::events;
use crate::lane::executor::{Executor, Glommio, Join};
use crate::publisher::sink::Sink;
use crate::publisher::stdout::Stdout;
use crate::publisher::store::Store;
use crate::publisher::{self, Feed, News, PublisherOptions, PublisherReport};
use crate::shard::message::{Command, Judged, LinkNews, Opened, Reply, Report, Stopped};
use crate::shard::{self, ShardOptions};
use latency::Latency;
pub use snapshots::Taken;

use options::NodeOptions;
use rest::{Answer, Job, Rest};
use segments::Segments;
use snapshots::{Said, Snapshots};

/// Commands and replies that a ring between control and a shard holds.
const MESSAGES_MAX: usize = 4096;
/// Bytes of the event ring of one shard: some 3000 signals.
const EVENT_RING_BYTES: usize = 1 << 20;
/// How long shards may take to seal their journals, and then sinks to acknowledge.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long the first connections wait for the symbol table.
const SYMBOLS_WITHIN: Duration = Duration::from_secs(3);
/// How soon the symbol table is read again for a coin that it does not have.
const UNKNOWN_COIN_REFRESH: Duration = Duration::from_secs(5);
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
    rest: Rest,
    /// Each account's source.
    placed: BTreeMap<Address, usize>,
    segments: Segments,
    snapshots: Snapshots,
    /// Watches that a shard refused for want of space.
    refused: Vec<(ShardId, Command)>,
    latency: Latency,
    symbols_due: Option<Instant>,
    symbol_refresh: Duration,
    /// Watches that wait for the symbol table, and until when: a signal should carry its symbol from the first on.
    watches: Option<(Instant, Vec<(ShardId, Command)>)>,
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
    stop: Option<Sender<()>>,
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
    /// A snapshot of a shard was made, in this time.
    Snapshot(ShardId, Taken, Duration),
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
    /// Starts a node: journals are replayed, then everything runs.
    pub fn start(options: NodeOptions) -> Result<Node, Problem> {
        let lock = DirLock::acquire(&options.data_dir)
            .map_err(|error| failure::not_locked(&options.data_dir, &error))?;
        let lock = Arc::new(lock);
        failure::check_shards(&options.data_dir, options.shard_count)?;
        let bell = new_bell()?;
        let publisher_bell = new_bell()?;
        let placed = placement::place(&options);
        let sources = placement::sources(&options, &placed)?;
        let mut feeds = Vec::new();
        let mut shards = Vec::new();
        for at in 0..options.shard_count {
            let (state, feed) =
                start_shard(&options, ShardId(at), &sources, &bell, &publisher_bell, &lock)?;
            shards.push(state);
            feeds.push(feed);
        }
        let mut node = Node {
            rest: Rest::start(&options, &bell)?,
            placed: placed.iter().copied().collect(),
            segments: Segments::start(&bell, &options.housekeeping)?,
            snapshots: Snapshots::start(
                &bell,
                options.snapshot_every,
                &options.housekeeping,
                options.shard_count,
            )?,
            refused: Vec::new(),
            latency: Latency::default(),
            symbols_due: Some(Instant::now()),
            symbol_refresh: options.symbol_refresh,
            watches: None,
            notices: VecDeque::new(),
            said: BTreeMap::new(),
            publisher: None,
            shards,
            bell,
            _lock: lock,
        };
        node.wait_for_journals(&options)?;
        node.begin_snapshots();
        node.latency = Latency::open(&options.data_dir, options.shard_count)?;
        node.publisher = Some(node.start_publisher(&options, feeds, publisher_bell)?);
        let watch = |(address, source)| {
            let shard = shard_of(&address, options.shard_count);
            (shard, Command::Watch { address, source, start: options.start_from })
        };
        let watches = placed.into_iter().map(watch).collect();
        node.watches = Some((Instant::now() + SYMBOLS_WITHIN, watches));
        node.unwatch_strangers(&options);
        Ok(node)
    }

    /// Snapshots are made from where the journals were opened on; what opening them found is told.
    fn begin_snapshots(&mut self) {
        let newest = |state: &ShardState| {
            let snapshot = state.opened.as_ref().and_then(|opened| opened.snapshot);
            (state.dir.clone(), snapshot.unwrap_or(0))
        };
        self.snapshots.begin(self.shards.iter().map(newest));
        for opened in self.shards.iter().filter_map(|state| state.opened.as_ref()) {
            for why in &opened.skipped {
                self.notices.push_back(Notice::Warning(failure::snapshot_skipped(why, opened)));
            }
        }
        // All journals are on one file system.
        let is_direct = |state: &&ShardState| state.opened.as_ref().is_none_or(|o| o.direct);
        if let Some(state) = self.shards.iter().find(|state| !is_direct(state)) {
            self.notices.push_back(Notice::Warning(failure::not_direct(&state.dir)));
        }
    }

    /// Each shard reads its journal and says how it found it. Only when all are good, and the sinks' cursors fit them, is one
    /// of them opened: a refusal leaves all as they were.
    fn wait_for_journals(&mut self, options: &NodeOptions) -> Result<(), Problem> {
        self.wait_for_shards(|state| state.judged.is_some())?;
        let old = || {
            let judged = |state: &'_ ShardState| state.judged.filter(|judged| !judged.is_new);
            self.shards.iter().filter_map(move |state| Some((&state.dir, judged(state)?)))
        };
        for (dir, judged) in old() {
            for sink in sink_names(options) {
                failure::check_cursor(dir, sink, judged.last_event, judged.last_seq)?;
            }
        }
        // Those of new sinks are made before anything is recycled: what the journals have now is held for them.
        for (dir, _) in old() {
            for sink in sink_names(options) {
                failure::begin_cursor(dir, sink)?;
            }
        }
        for state in &mut self.shards {
            // The ring is empty.
            let _ = state.commands.send(Command::Open);
        }
        self.wait_for_shards(|state| state.opened.is_some())
    }

    fn wait_for_shards(&mut self, is_done: impl Fn(&ShardState) -> bool) -> Result<(), Problem> {
        loop {
            self.segments.turn(|shard, segment| {
                self.shards[usize::from(shard.0)].waiting.push_back(Command::Segment(segment));
            });
            for state in &mut self.shards {
                while !is_done(state) {
                    match state.replies.receive() {
                        Some(Reply::Judged(judged)) => state.judged = Some(judged),
                        Some(Reply::Opened(opened)) => state.opened = Some(opened),
                        Some(Reply::NotOpened(why)) => return Err(failure::not_opened(&why)),
                        Some(Reply::Fault(why)) => return Err(failure::fault(state.id, &why)),
                        Some(Reply::SegmentWanted(order)) => self.segments.prepare(state.id, order),
                        Some(_) => {}
                        None if state.replies.is_abandoned() => {
                            return Err(failure::fault(state.id, "its thread has ended"));
                        }
                        None => break,
                    }
                }
            }
            if self.shards.iter().all(&is_done) {
                return Ok(());
            }
            let shards = &self.shards;
            self.bell.sleep(SLEEP_MAX, || shards.iter().any(|s| !s.replies.is_empty()));
        }
    }

    fn start_publisher(
        &mut self,
        options: &NodeOptions,
        feeds: Vec<HalfFeed>,
        bell: Arc<Bell>,
    ) -> Result<PublisherState, Problem> {
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if let Some(out) = &options.stdout {
            let out =
                out.try_clone().map_err(|error| failure::thread("standard output", &error))?;
            sinks.push(Box::new(Stdout::new(out)));
        }
        if let Some((path, store)) = &options.store {
            if !path.exists() {
                self.tell_of_new_database(path);
            }
            let sink = Store::start(path.clone(), *store, &bell);
            sinks.push(Box::new(sink.map_err(|error| failure::store(path, &error))?));
        }
        let feeds = feeds.into_iter().zip(&self.shards).map(|(feed, state)| Feed {
            shard: state.id,
            events: feed.events,
            dir: state.dir.clone(),
            last_event: state.opened.as_ref().map_or(Position::START, |opened| opened.last_event),
            acks: feed.acks,
        });
        let (stop, stopped) = channel(1, &bell);
        let (news, received) = channel(MESSAGES_MAX, &self.bell);
        let parts = PublisherOptions {
            feeds: feeds.collect(),
            sinks,
            bell,
            stop: stopped,
            news,
            drain_within: STOP_WITHIN,
        };
        let cpu = options.publisher_cpu;
        let thread = std::thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || {
                crate::lane::executor::pin(cpu);
                publisher::run(parts);
            })
            .map_err(|error| failure::thread("the publisher", &error))?;
        let report = PublisherReport::default();
        Ok(PublisherState {
            thread: Some(thread),
            stop: Some(stop),
            news: received,
            report,
            stopped: false,
        })
    }

    fn tell_of_new_database(&mut self, path: &Path) {
        for state in &self.shards {
            let cursor = persist::cursor::path_of(&state.dir, publisher::store::NAME);
            let at = persist::cursor::Cursor::peek(&cursor).unwrap_or(Position::START);
            if at > Position::START {
                let problem = failure::new_database(path, &cursor, at);
                self.notices.push_back(Notice::Warning(problem));
                return;
            }
        }
    }

    /// Accounts that the journals know and the configuration no longer names are let go.
    fn unwatch_strangers(&mut self, options: &NodeOptions) {
        for shard in 0..options.shard_count {
            let keep: Vec<Address> = options
                .addresses
                .iter()
                .filter(|address| shard_of(address, options.shard_count) == ShardId(shard))
                .copied()
                .collect();
            self.command(ShardId(shard), Command::Keep(keep));
        }
    }

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
            if space.is_there == Some(true) {
                let again = std::mem::take(&mut self.refused);
                again.into_iter().for_each(|(shard, command)| self.command(shard, command));
            }
            self.notices.push_back(Notice::Warning(space.problem));
        }
        self.turn_snapshots();
        if self.symbols_due.is_some_and(|due| due <= Instant::now()) && self.rest.ask(Job::Symbols)
        {
            self.symbols_due = Some(Instant::now() + self.symbol_refresh);
        }
        if self.watches.as_ref().is_some_and(|(until, _)| *until <= Instant::now()) {
            self.send_watches();
        }
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

    fn send_watches(&mut self) {
        for (shard, command) in self.watches.take().into_iter().flat_map(|(_, watches)| watches) {
            self.command(shard, command);
        }
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
            Reply::SegmentWanted(order) => self.segments.prepare(id, order),
            Reply::Link(news) => {
                if let LinkNews::UnknownCoin { .. } = &news {
                    let soon = Instant::now() + UNKNOWN_COIN_REFRESH;
                    self.symbols_due = self.symbols_due.map(|due| due.min(soon));
                }
                if let LinkNews::Down { source, .. } = &news {
                    // The host may have moved.
                    self.rest.ask(Job::Resolve { source: *source });
                }
                self.notices.push_back(Notice::Link(id, news));
            }
            Reply::NoSpace(command) => {
                if let Command::Watch { address, .. } = &*command {
                    self.notices.push_back(Notice::Warning(failure::not_watched(address)));
                }
                self.refused.push((id, *command));
            }
            Reply::Followed(address) => {
                self.notices.push_back(Notice::Followed(address));
            }
            // Feeders are not wired yet in this commit.
            Reply::Fed { .. } => {}
            Reply::Report(report) => state.report = *report,
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
        self.placed.get(address).copied().unwrap_or(0)
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
            Answer::Symbols { entries, spot_prices } => {
                for at in 0..self.shards.len() {
                    let (entries, spot_prices) = (entries.clone(), spot_prices.clone());
                    self.command(ShardId(at as u16), Command::Symbols { entries, spot_prices });
                }
                self.send_watches();
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
            || self.snapshots.has_news()
    }

    /// What each shard found when it opened its journal.
    pub fn opened(&self) -> impl Iterator<Item = &Opened> {
        self.shards.iter().filter_map(|state| state.opened.as_ref())
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

    /// Frame-to-publisher latencies since the start.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Stops in order: no more input, journals sealed, sinks drained, cursors written.
    pub fn stop(mut self) -> (Ended, Latency) {
        let started = Instant::now();
        // Nothing more is begun: a connection opened now would outlive the order to stop.
        self.watches = None;
        self.refused.clear();
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
        publisher.stop = None;
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

struct HalfFeed {
    events: events::EventConsumer,
    acks: Sender<Position>,
}

fn new_bell() -> Result<Arc<Bell>, Problem> {
    Bell::new().map(Arc::new).map_err(|error| failure::thread("an eventfd", &error))
}

fn start_shard(
    options: &NodeOptions,
    id: ShardId,
    sources: &[Vec<shard::message::Source>],
    bell: &Arc<Bell>,
    publisher_bell: &Arc<Bell>,
    lock: &Arc<DirLock>,
) -> Result<(ShardState, HalfFeed), Problem> {
    let own_bell = new_bell()?;
    let (commands, received_commands) = channel(MESSAGES_MAX, &own_bell);
    let (replies, received_replies) = channel(MESSAGES_MAX, bell);
    let (producer, consumer) = events::ring(EVENT_RING_BYTES);
    let (acks, received_acks) = channel(64, &own_bell);
    let dir = options.data_dir.join(format!("shard-{}", id.0));
    let parts = ShardOptions {
        id,
        journal: persist::Options {
            dir: dir.clone(),
            shard: id.0,
            shard_count: options.shard_count,
            segment_bytes: options.segment_bytes,
            batch_bytes_max: options::BATCH_BYTES_MAX,
            flights: options.flights,
        },
        flush: options.flush,
        policy: options.policy,
        lock: Some(Arc::clone(lock)),
        check_every: options.snapshot_every.min(CHECK_EVERY_MAX),
        wait: options.wait,
        sources: sources[usize::from(id.0)].clone(),
        users_per_link: options.users_per_link,
        bell: own_bell,
        commands: received_commands,
        replies,
        events: producer,
        publisher_bell: Arc::clone(publisher_bell),
        acks: received_acks,
    };
    let cpu = options.cpus[usize::from(id.0)];
    let thread = Glommio
        .start(&format!("shard-{}", id.0), cpu, move |cold| shard::run(parts, cold))
        .map_err(|error| failure::thread(&format!("shard {}", id.0), &error))?;
    let state = ShardState {
        id,
        commands,
        waiting: VecDeque::new(),
        replies: received_replies,
        thread: Some(thread),
        judged: None,
        opened: None,
        report: Report::default(),
        stopped: None,
        dir,
    };
    Ok((state, HalfFeed { events: consumer, acks }))
}

/// What the user reads when a data directory cannot be locked.
pub(crate) fn not_locked(dir: &std::path::Path, error: &persist::lock::LockError) -> Problem {
    failure::not_locked(dir, error)
}

fn sink_names(options: &NodeOptions) -> impl Iterator<Item = &'static str> {
    let stdout = options.stdout.as_ref().map(|_| publisher::stdout::NAME);
    stdout.into_iter().chain(options.store.as_ref().map(|_| publisher::store::NAME))
}

/// What the user reads when a journal cannot be replayed.
pub(crate) fn not_replayed(error: &persist::open::OpenError) -> Problem {
    failure::journal(error)
}
