//! How a node starts: threads, journals read and opened, sinks.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use persist::Position;
use persist::lock::DirLock;
use shards::{Address, ShardId, shard_of};

use super::accounts::Accounts;
use super::asks::Asks;
use super::feeds::Feeds;
use super::house::Pulse;
use super::latency::Latency;
use super::lists::{self, Keeper, Lists, ListsOptions};
use super::options::{self, NodeOptions};
use super::rest::Rest;
use super::roster::{Origin, Roster};
use super::segments::Segments;
use super::snapshots::Snapshots;
use super::symbols::Symbols;
use super::{
    CHECK_EVERY_MAX, EVENT_RING_BYTES, FED_MAX, MESSAGES_MAX, Node, Notice, PUBLISHER_ORDERS_MAX,
    PublisherState, SLEEP_MAX, STOP_WITHIN, SYMBOLS_WITHIN, ShardState, failure, new_bell,
    placement,
};
use crate::admin;
use crate::config::SourceKind;
use crate::diag::Problem;
use crate::feeder::{self, Feeder, ReaderOptions};
use crate::lane::bell::Bell;
use crate::lane::channel::{Sender, channel};
use crate::lane::events;
use crate::lane::executor::{Executor, Glommio, Housekeeping};
use crate::placement::capacity;
use crate::publisher::sink::Sink;
use crate::publisher::stdout::Stdout;
use crate::publisher::store::Store;
use crate::publisher::{self, Feed, PublisherOptions, PublisherReport};
use crate::shard::fed::Fed;
use crate::shard::message::{Command, Reply, Report, Source};
use crate::shard::{self, ShardOptions};

struct HalfFeed {
    /// To the shard, of each source that has a feeder.
    fed: Vec<Sender<Fed>>,
    events: events::EventConsumer,
    acks: Sender<Position>,
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
        let sources = placement::sources(&options)?;
        let mut feeds = Vec::new();
        let mut shards = Vec::new();
        for at in 0..options.shard_count {
            let (state, feed) =
                start_shard(&options, ShardId(at), &sources, &bell, &publisher_bell, &lock)?;
            shards.push(state);
            feeds.push(feed);
        }
        let feeders = start_feeders(&options, &mut feeds, &bell)?;
        let fed = fed_sources(&options);
        let mut node = Node {
            feeders,
            feeds: Feeds::new(&fed, Instant::now()),
            rest: Rest::start(&options, &bell)?,
            segments: Segments::start(&bell, &options.housekeeping)?,
            snapshots: Snapshots::start(
                &bell,
                options.snapshot_every,
                &options.housekeeping,
                options.shard_count,
            )?,
            latency: Latency::default(),
            symbols: Symbols::default(),
            symbols_due: Some(Instant::now()),
            symbol_refresh: options.symbol_refresh,
            // Where nobody can be asked for the table nothing waits for it.
            orders_wait: options
                .sources
                .iter()
                .any(|source| source.info_url.is_some())
                .then(|| Instant::now() + SYMBOLS_WITHIN),
            roster: Roster::new(options.remove_grace),
            accounts: Accounts::new(placement::placer(&options), options.start_from, fed),
            lists: None,
            lists_unread: 0,
            asks: Asks::default(),
            pulse: Pulse::new(options.sources.iter().map(capacity::name).collect()),
            names: BTreeMap::new(),
            live: options.live,
            configured: options.live,
            canary_told: options.live.canary_ratio,
            notices: VecDeque::new(),
            said: BTreeMap::new(),
            publisher: None,
            shards,
            bell,
            _lock: lock,
        };
        node.wait_for_journals(&options)?;
        node.tell_feeders();
        node.begin_snapshots();
        node.latency = Latency::open(&options.data_dir, options.shard_count)?;
        node.publisher = Some(node.start_publisher(&options, feeds, publisher_bell)?);
        match options.lists {
            Some(lists) => node.start_lists(lists, &options.housekeeping, options.shard_count)?,
            None => node.begin_with(&options.addresses, options.shard_count),
        }
        if let Some(port) = options.admin {
            let admin = admin::start(port, &node.bell, &options.housekeeping)?;
            node.asks = Asks::new(Some(admin));
        }
        Ok(node)
    }

    /// The lists of accounts, read once now and again while the node runs.
    fn start_lists(
        &mut self,
        options: ListsOptions,
        housekeeping: &Housekeeping,
        shard_count: u16,
    ) -> Result<(), Problem> {
        let mut keeper = Keeper::start(options, &self.bell, housekeeping)?;
        let mut first = Lists::default();
        let mut is_whole = true;
        while let Some(said) = keeper.said() {
            match said {
                lists::Said::Lists(lists) => first = *lists,
                lists::Said::Problem(problem) => {
                    // Who is on a list that cannot be read is not let go for that.
                    is_whole &= !lists::is_unread(&problem);
                    self.notices.push_back(Notice::Warning(problem));
                }
                lists::Said::Done { .. } => {}
            }
        }
        let all = [&first.configuration, &first.file, &first.database];
        let all: Vec<Address> = all.into_iter().flatten().flatten().copied().collect();
        if is_whole {
            self.let_strangers_go(&all, shard_count);
        }
        self.take_lists(first);
        self.lists = Some(keeper);
        Ok(())
    }

    fn begin_with(&mut self, addresses: &[Address], shard_count: u16) {
        self.let_strangers_go(addresses, shard_count);
        self.offer(Origin::Configuration, addresses);
    }

    /// Accounts that the journals know and nobody names any more are let go: their grace is for lists that change while the
    /// node runs.
    fn let_strangers_go(&mut self, wanted: &[Address], shard_count: u16) {
        for shard in (0..shard_count).map(ShardId) {
            let is_of_shard = |address: &&Address| shard_of(address, shard_count) == shard;
            let keep = wanted.iter().filter(is_of_shard).copied().collect();
            self.command(shard, Command::Keep(keep));
        }
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

    /// How far the journals reach: a position that is of others, or of more than they have, is not gone on from.
    fn tell_feeders(&mut self) {
        for state in &self.shards {
            let seq = state.judged.map_or(0, |judged| judged.last_seq);
            self.feeders.iter_mut().flatten().for_each(|feeder| feeder.journal(state.id, seq));
        }
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
            sinks.push(Box::new(Stdout::new(out, options.canary.clone())));
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
        let (orders, ordered) = channel(PUBLISHER_ORDERS_MAX, &bell);
        let (news, received) = channel(MESSAGES_MAX, &self.bell);
        let parts = PublisherOptions {
            feeds: feeds.collect(),
            sinks,
            bell,
            orders: ordered,
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
            orders: Some(orders),
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
}

/// The sources that have a feeder.
fn fed_sources(options: &NodeOptions) -> Vec<usize> {
    let is_fed = |at: &usize| options.sources[*at].kind == SourceKind::HyperliquidNode;
    (0..options.sources.len()).filter(is_fed).collect()
}

/// A thread for each source that is a node's files, with a ring to every shard.
fn start_feeders(
    options: &NodeOptions,
    shards: &mut [HalfFeed],
    bell: &Arc<Bell>,
) -> Result<Vec<Option<Feeder>>, Problem> {
    let mut feeders = Vec::new();
    for (at, source) in options.sources.iter().enumerate() {
        let feeder = match &source.node_dir {
            Some(node_dir) if source.kind == SourceKind::HyperliquidNode => {
                let reader = ReaderOptions {
                    source: u16::try_from(at).expect("a configuration has fewer sources"),
                    node_dir: node_dir.clone(),
                    data_dir: options.data_dir.clone(),
                };
                let rings = shards.iter_mut().map(|shard| shard.fed.remove(0)).collect();
                Some(feeder::start(reader, rings, bell, &options.housekeeping)?)
            }
            _ => None,
        };
        feeders.push(feeder);
    }
    Ok(feeders)
}

fn start_shard(
    options: &NodeOptions,
    id: ShardId,
    sources: &[Source],
    bell: &Arc<Bell>,
    publisher_bell: &Arc<Bell>,
    lock: &Arc<DirLock>,
) -> Result<(ShardState, HalfFeed), Problem> {
    let own_bell = new_bell()?;
    let (commands, received_commands) = channel(MESSAGES_MAX, &own_bell);
    let (replies, received_replies) = channel(MESSAGES_MAX, bell);
    let (producer, consumer) = events::ring(EVENT_RING_BYTES);
    let (acks, received_acks) = channel(64, &own_bell);
    let is_fed = |source: &&Source| source.kind == SourceKind::HyperliquidNode;
    let (fed, feeds): (Vec<_>, Vec<_>) =
        sources.iter().filter(is_fed).map(|_| channel::<Fed>(FED_MAX, &own_bell)).unzip();
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
        sources: sources.to_vec(),
        feeds,
        caches: options.caches,
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
    Ok((state, HalfFeed { fed, events: consumer, acks }))
}

fn sink_names(options: &NodeOptions) -> impl Iterator<Item = &'static str> {
    let stdout = options.stdout.as_ref().map(|_| publisher::stdout::NAME);
    stdout.into_iter().chain(options.store.as_ref().map(|_| publisher::store::NAME))
}
