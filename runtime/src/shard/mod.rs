//! One shard: a pinned thread with its connections, its core and its journal, and the loop that moves data between
//! them.
//!
//! | file | what happens there |
//! |---|---|
//! | `message` | what the shard and control say to each other |
//! | `fed` | what a feeder hands to the shard |
//! | `feed` | the shard's end of a feeder's ring |
//! | `speech` | what a connection speaks: public subscriptions, or a provider's |
//! | `enquiry` | how orders ended, where the source does not say it |
//! | `by_account` | fills of many accounts, put together by account |
//! | `link` | bytes of one connection: socket, WebSocket, subscriptions |
//! | `station` | inputs: admitted, journaled, applied; events on their way out |
//! | `outbox` | events wait for their batch to be durable |
//! | `flush` | the journal's batches on the ring |
//! | `names` | symbols at hand, bounded |
//! | `prices` | prices at hand, bounded, and what amounts are worth |
//! | `positions` | the newest state of each account |
//! | `replayer` | a core brought to where its journal ends |
//!
//! A turn of the loop: commands, completions, what is due, journal, release, sleep. Nothing in it blocks but the sleep.

pub mod fed;
pub mod message;
pub mod replayer;

#[cfg(test)]
mod allocations;
mod by_account;
mod enquiry;
mod feed;
mod flush;
mod link;
mod names;
mod outbox;
mod positions;
mod prices;
mod speech;
mod station;
mod venue;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashSet;
use net::hyperliquid::subscription::Subscription;
use persist::Position;
use persist::lock::DirLock;
use persist::open::Ready;
use shards::{Address, Coin, Core, Input, Policy, ShardId};

use crate::config::SourceKind;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender};
use crate::lane::clock::Clock;
use crate::lane::events::EventProducer;
use crate::lane::executor::Cold;
use crate::lane::ring::{Completion, Op, Ring};
use crate::lane::slice;
use crate::lane::way;
use crate::placement::SUBSCRIPTIONS_PER_CONNECTION;
use enquiry::Enquiries;
use fed::Fed;
use feed::Feed;
use flush::Flusher;
use link::{Link, QUIET_WITHIN};
use message::{Command, Judged, NotOpened, Opened, Reply, Report, Source, Stopped};
use outbox::Outbox;
use replayer::Replayer;
use station::{Station, failed};

pub use positions::PositionRow;

/// Commands taken in one turn.
const COMMANDS_PER_TURN: usize = 64;
/// Completions taken in one turn.
const COMPLETIONS_PER_TURN: usize = 128;
/// Cold tasks run at least every so many turns.
const TURNS_PER_COLD: u64 = 64;
/// The longest sleep: a bound on everything that could be missed.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// How soon the ring to the publisher is tried again when it was full.
const BEHIND_RETRY: Duration = Duration::from_millis(1);

/// How the loop waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Never sleep: for a core of its own.
    Spin,
    /// Sleep after this time without work.
    Park {
        /// Time of looking before sleeping.
        spin_for: Duration,
    },
}

/// What a shard is made of.
pub struct ShardOptions {
    /// Its number.
    pub id: ShardId,
    /// Where its journal is.
    pub journal: persist::Options,
    /// How journal batches are made durable.
    pub flush: persist::ring::Flush,
    /// The settings that decide outputs.
    pub policy: Policy,
    /// Inputs between two journaled digests of the state.
    pub check_every: u64,
    /// The lock of the data directory, to be held until the last write is done.
    pub lock: Option<Arc<DirLock>>,
    /// How the loop waits.
    pub wait: Wait,
    /// Servers, by index.
    pub sources: Vec<Source>,
    /// What feeders bring.
    pub feeds: Vec<Receiver<Fed>>,
    /// How much is kept at hand.
    pub caches: CacheSizes,
    /// Wakes this shard.
    pub bell: Arc<Bell>,
    /// From control.
    pub commands: Receiver<Command>,
    /// To control.
    pub replies: Sender<Reply>,
    /// To the publisher.
    pub events: EventProducer,
    /// Wakes the publisher.
    pub publisher_bell: Arc<Bell>,
    /// From the publisher: positions that every sink has acknowledged.
    pub acks: Receiver<Position>,
}

/// The most that a shard keeps at hand of what control or the venue has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheSizes {
    /// Symbols.
    pub symbols: u64,
    /// Prices.
    pub prices: u64,
}

struct Shard {
    ring: Ring,
    flusher: Flusher,
    links: Vec<Link>,
    station: Station,
    sources: Vec<Source>,
    /// The connection that prices come over.
    price_link: Option<usize>,
    feeds: Vec<Feed>,
    /// Accounts whose source sends no order statuses.
    without_statuses: HashSet<Address>,
    enquiries: Enquiries,
    /// The dexes whose prices are followed.
    price_dexs: Vec<Coin>,
    wait: Wait,
    bell: Arc<Bell>,
    bell_watched: bool,
    publisher_bell: Arc<Bell>,
    commands: Receiver<Command>,
    /// Commands that wait for room in the journal.
    deferred: VecDeque<Command>,
    /// Watches that wait for space on the disk.
    refused: Vec<Command>,
    acks: Receiver<Position>,
    completions: Vec<Completion>,
    stopping: bool,
    /// Newest position that every sink has acknowledged.
    acked: Position,
}

/// Runs a shard to its end. What goes wrong is said to control as a [`Reply`]; then the thread ends.
pub async fn run(options: ShardOptions, cold: impl Cold) {
    let mut options = options;
    slice::lengthen();
    let (core, opened) = match open(&mut options) {
        Ok(Some(opened)) => opened,
        Ok(None) => return,
        Err(error) => {
            let reply = Reply::NotOpened(error);
            // The ring is new and empty.
            let _ = options.replies.send(reply);
            return;
        }
    };
    let bell = Arc::clone(&options.bell);
    let mut shard = match Shard::new(options, core, opened) {
        Ok(shard) => shard,
        Err((mut replies, why)) => {
            let _ = replies.send(Reply::Fault(why));
            return;
        }
    };
    let report_due = Rc::new(Cell::new(false));
    let cold = Rc::new(cold);
    spawn_reporter(&cold, &report_due);
    if let Err(why) = shard.work(&*cold, &report_due).await {
        // Nothing more is released: what was not durable was never seen.
        shard.station.reply(Reply::Fault(why));
        shard.station.send_replies();
    }
    bell.after_sleep();
}

/// A cold task that asks for a report each second.
fn spawn_reporter<C: Cold>(cold: &Rc<C>, due: &Rc<Cell<bool>>) {
    let (task, due) = (Rc::clone(cold), Rc::clone(due));
    cold.spawn(async move {
        loop {
            task.sleep(Duration::from_secs(1)).await;
            due.set(true);
        }
    });
}

struct Replayed {
    journal: persist::Journal,
    opened: Opened,
    newest_ns: u64,
}

/// Reads and judges the journal, waits until those of all shards were found good, and opens it. `None` when control has
/// given up.
fn open(options: &mut ShardOptions) -> Result<Option<(Core, Replayed)>, NotOpened> {
    let (replayer, ready) = judge(options)?;
    let (is_new, last_seq, last_event) = (ready.is_new(), ready.last_seq(), replayer.last_event);
    // The ring is new and empty.
    let _ = options.replies.send(Reply::Judged(Judged { is_new, last_seq, last_event }));
    while options.commands.is_empty() && !options.commands.is_abandoned() {
        let commands = &options.commands;
        options.bell.sleep(SLEEP_MAX, || !commands.is_empty() || commands.is_abandoned());
    }
    match options.commands.receive() {
        Some(Command::Open) => {}
        _ => return Ok(None),
    }
    let opened = ready.open(&options.journal);
    let opened = opened.map_err(|error| NotOpened::Journal(Box::new(error)))?;
    let news = Opened {
        last_seq: opened.last_seq,
        records: opened.records,
        last_event: replayer.last_event,
        snapshot: opened.snapshot,
        skipped: opened.skipped.iter().map(ToString::to_string).collect(),
        torn: opened.torn,
        ring: crate::lane::ring::Flavour::Plain,
        direct: opened.journal.is_direct(),
        registered: false,
    };
    let newest_ns = replayer.newest_ns;
    let replayed = Replayed { journal: opened.journal, opened: news, newest_ns };
    Ok(Some((replayer.core, replayed)))
}

/// Replays the journal and changes nothing. If the replay from one snapshot does not give the digests that the shard
/// journaled, the snapshot may be what is wrong: the one before it, or the whole journal, is tried before that is believed.
fn judge(options: &ShardOptions) -> Result<(Replayer, Ready), NotOpened> {
    let mut replayer = Replayer::default();
    let mut ready = persist::open::scan_with(&options.journal, &mut replayer);
    if let Some(mut other) = replayer.without_base() {
        let again = persist::open::scan_with(&options.journal, &mut other);
        if other.broken.is_none() && again.is_ok() {
            (replayer, ready) = (other, again);
        }
    }
    if let Some(why) = replayer.broken {
        return Err(NotOpened::Broken { dir: options.journal.dir.clone(), why });
    }
    let ready = ready.map_err(|error| NotOpened::Journal(Box::new(error)))?;
    Ok((replayer, ready))
}

impl Shard {
    fn new(
        options: ShardOptions,
        core: Core,
        replayed: Replayed,
    ) -> Result<Shard, (Sender<Reply>, String)> {
        let ring = match Ring::new() {
            Ok(ring) => ring,
            Err(error) => {
                return Err((options.replies, failed("setting up the core's io_uring", &error)));
            }
        };
        let outbox = Outbox::new(options.events, replayed.opened.last_event);
        let clock = Clock::new(replayed.newest_ns);
        let mut station =
            Station::new(core, replayed.journal, outbox, clock, options.replies, options.caches);
        station.check_every = options.check_every;
        if let Some(lock) = &options.lock {
            ring.hold(lock.as_fd());
        }
        let flusher = Flusher::new(options.flush, &ring, &station.journal);
        station.reply(Reply::Opened(Opened {
            ring: ring.flavour(),
            registered: flusher.is_registered(),
            ..replayed.opened
        }));
        // From here on nothing is connected, and these settings hold.
        if station.core.watched().next().is_some() {
            station.apply(&Input::Started, 0);
        }
        if *station.core.policy() != options.policy {
            station.apply(&Input::Policy(options.policy), 0);
        }
        Ok(Shard {
            ring,
            flusher,
            links: Vec::new(),
            station,
            sources: options.sources,
            price_link: None,
            feeds: options.feeds.into_iter().map(Feed::new).collect(),
            without_statuses: HashSet::default(),
            enquiries: Enquiries::new(),
            // The venue's own dex: what is known before the table says which others there are.
            price_dexs: vec![Coin::EMPTY],
            wait: options.wait,
            bell: options.bell,
            bell_watched: false,
            publisher_bell: options.publisher_bell,
            commands: options.commands,
            deferred: VecDeque::new(),
            refused: Vec::new(),
            acks: options.acks,
            completions: Vec::with_capacity(COMPLETIONS_PER_TURN),
            stopping: false,
            acked: Position::START,
        })
    }

    async fn work(&mut self, cold: &impl Cold, report_due: &Cell<bool>) -> Result<(), String> {
        let mut last_work = Instant::now();
        loop {
            self.station.report.turns += 1;
            let worked = self.turn()?;
            if report_due.take() {
                let report = Box::new(self.station.report());
                self.station.reply(Reply::Report(report));
            }
            self.station.send_replies();
            if self.stopping && self.is_finished() {
                return self.finish();
            }
            if worked {
                last_work = Instant::now();
            }
            let due_cold = cold.next_deadline().is_some_and(|deadline| deadline <= Instant::now());
            if due_cold || self.station.report.turns.is_multiple_of(TURNS_PER_COLD) {
                cold.run().await;
            }
            if !worked {
                self.idle(last_work, cold.next_deadline())?;
            }
        }
    }

    /// One turn. Whether there was anything to do.
    fn turn(&mut self) -> Result<bool, String> {
        let mut worked = self.take_commands();
        while let Some(position) = self.acks.receive() {
            self.acked = self.acked.max(position);
        }
        worked |= self.take_completions()?;
        if !self.stopping {
            for feed in &mut self.feeds {
                worked |= feed.turn(&mut self.station);
            }
        }
        let now_ms = self.station.clock.wall_ns() / 1_000_000;
        for link in &mut self.links {
            let source = &self.sources[link.source];
            if link.stalled && !self.station.journal.wants_room() {
                link.read(&mut self.station, now_ms);
                link.receive(&mut self.ring).map_err(|error| failed("io_uring", &error))?;
                worked = true;
            }
            if link.due_in_ms(now_ms) == Some(0) || link.is_quiet() {
                link.turn(&mut self.ring, source, &mut self.station, now_ms)
                    .map_err(|error| failed("io_uring", &error))?;
            }
        }
        if !self.without_statuses.is_empty() && now_ms >= self.enquiries.next_ms() {
            self.enquire(now_ms);
        }
        self.station.tick();
        let mono_ns = self.station.clock.mono_ns();
        self.flusher.submit(&mut self.station.journal, &mut self.ring, mono_ns)?;
        if self.station.outbox.release(self.station.journal.durable_seq()) {
            self.publisher_bell.ring();
            worked = true;
        }
        if self.flusher.gives_way(mono_ns) {
            self.station.report.gave_way += 1;
            self.ring.wait(way::MOMENT).map_err(|error| failed("io_uring", &error))?;
        } else if self.ring.has_unsubmitted() {
            self.ring.submit().map_err(|error| failed("io_uring", &error))?;
        }
        Ok(worked)
    }

    /// Asks how orders ended whose source does not say it.
    fn enquire(&mut self, now_ms: u64) {
        let mut open = Vec::new();
        self.station.core.orders_without_end(|address, oid| {
            if self.without_statuses.contains(&address) {
                open.push((address, oid));
            }
        });
        for (address, oid) in self.enquiries.round(&open, now_ms) {
            self.station.reply(Reply::StatusWanted { address, oid });
        }
    }

    fn take_completions(&mut self) -> Result<bool, String> {
        let mut list = std::mem::take(&mut self.completions);
        self.ring.completions(&mut list);
        let worked = !list.is_empty();
        for completion in &list {
            let result = completion.result();
            match completion.token.op() {
                Op::Bell => self.bell_watched = false,
                Op::Write | Op::Sync => {
                    let journal = &mut self.station.journal;
                    let now_ns = self.station.clock.mono_ns();
                    let flushed =
                        self.flusher.completed(completion, journal, &mut self.ring, now_ns)?;
                    if let Some(bytes) = flushed {
                        self.station.report.flushes += 1;
                        self.station.report.journal_bytes += bytes;
                    }
                }
                Op::Cancel => {}
                op => {
                    let now_ms = self.station.clock.wall_ns() / 1_000_000;
                    let link = &mut self.links[completion.token.value() as usize];
                    let source = &self.sources[link.source];
                    link.completed(op, result, &mut self.ring, source, &mut self.station, now_ms)
                        .map_err(|error| failed("io_uring", &error))?;
                }
            }
        }
        self.completions = list;
        Ok(worked)
    }

    fn take_commands(&mut self) -> bool {
        let mut worked = false;
        for _ in 0..COMMANDS_PER_TURN {
            let Some(command) = self.commands.receive() else { break };
            worked = true;
            match command {
                // These are what the journal may be waiting for, or the end.
                Command::Segment(_) | Command::Space(_) | Command::Stop => self.command(command),
                other => self.deferred.push_back(other),
            }
        }
        // The others wait, in their order, while the journal has no room.
        for _ in 0..COMMANDS_PER_TURN {
            if self.station.journal.wants_room() {
                break;
            }
            let Some(command) = self.deferred.pop_front() else { break };
            worked = true;
            self.command(command);
        }
        worked | self.take_refused()
    }

    fn command(&mut self, command: Command) {
        match command {
            // It came before the loop began.
            Command::Open => {}
            Command::Space(is_there) => self.station.space = is_there,
            Command::Watch { .. } if self.stopping => {}
            // Those that the journal knows go on.
            Command::Watch { address, ticket, .. }
                if !self.station.takes_new_work() && !self.station.core.is_watched(&address) =>
            {
                self.station.reply(Reply::NoSpace { address, ticket });
                self.refused.push(command);
            }
            Command::Watch { address, source, link, start, ticket } => {
                if !self.station.core.is_watched(&address) {
                    self.station.apply(&Input::Watch { address, start }, 0);
                }
                self.station.watches(address, ticket);
                match link {
                    Some(link) => self.seat(address, source, link),
                    None => self.station.reply(Reply::Watched { address, ticket }),
                }
            }
            Command::Unwatch(address) => self.unwatch(address),
            Command::Allow { link, messages_per_minute, connects_per_minute } => {
                self.link(link).allow(messages_per_minute, connects_per_minute);
            }
            Command::Leave { link, ticket } => self.link(link).leave_with(ticket),
            Command::Keep(keep) => {
                let mut strangers: Vec<Address> =
                    self.station.core.watched().filter(|known| !keep.contains(known)).collect();
                // The order of a hash map must not decide the journal.
                strangers.sort_unstable();
                strangers.into_iter().for_each(|address| self.unwatch(address));
            }
            Command::Symbols(entries) => self.station.symbols(&entries),
            Command::Tokens(tokens) => self.station.positions.tokens(*tokens),
            Command::Prices(dexs) => self.follow_prices(dexs),
            Command::Backfill { address, fills, last } => {
                self.station.backfill(address, &fills, last);
            }
            Command::BackfillFailed { address } => {
                self.station.apply(&Input::BackfillFailed { address }, 0);
            }
            Command::Status(status) => self.station.statuses(&[status], 0),
            Command::Resolved { source, addresses } => self.sources[source].resolved = addresses,
            Command::Segment(segment) => self.station.journal.segment_ready(segment),
            Command::Stop => {
                self.stopping = true;
                self.links.iter_mut().for_each(Link::leave);
            }
        }
    }

    /// Follows those that were refused, now that there is space for them.
    fn take_refused(&mut self) -> bool {
        let takes = !self.refused.is_empty()
            && self.station.takes_new_work()
            && !self.station.journal.wants_room();
        if takes {
            let refused = std::mem::take(&mut self.refused);
            refused.into_iter().for_each(|command| self.command(command));
        }
        takes
    }

    fn unwatch(&mut self, address: Address) {
        self.refused.retain(|command| {
            !matches!(command, Command::Watch { address: refused, .. } if *refused == address)
        });
        self.station.apply(&Input::Unwatch { address }, 0);
        self.station.positions.forget(&address);
        self.without_statuses.remove(&address);
        self.links.iter_mut().for_each(|link| link.remove(&address, &mut self.station));
        self.choose_price_link();
    }

    /// The connection of this number. It may be the first that is heard of it.
    fn link(&mut self, number: usize) -> &mut Link {
        while self.links.len() <= number {
            let new = self.links.len();
            let seed = crate::lane::clock::wall_now_ns() ^ (new as u64) << 48;
            self.links.push(Link::new(new, seed));
        }
        &mut self.links[number]
    }

    fn seat(&mut self, address: Address, source: usize, number: usize) {
        if self.links.iter().any(|link| link.users.contains(&address)) {
            return;
        }
        let kind = self.sources[source].kind;
        // Before the prices are wanted of it: a link that had a provider before would not know them.
        self.link(number).suit(kind);
        if self.price_link.is_none() && self.has_prices(source) {
            // Before its accounts: what they hold is valued at prices.
            self.take_prices_over(Some(number));
        }
        let now_ms = self.station.clock.wall_ns() / 1_000_000;
        self.links[number].add(address, source, now_ms);
        if kind == SourceKind::HyperliquidProvider {
            self.without_statuses.insert(address);
        }
    }

    /// Only the public WebSocket has prices.
    fn has_prices(&self, source: usize) -> bool {
        self.sources[source].kind == SourceKind::HyperliquidWs
    }

    /// Prices come over one connection that has accounts. When it has none any more they come over another.
    fn choose_price_link(&mut self) {
        if self.price_link.is_some_and(|at| self.links[at].users.is_empty()) {
            let fit = |link: &Link| !link.users.is_empty() && self.has_prices(link.source);
            let other = self.links.iter().position(fit);
            self.take_prices_over(other);
        }
    }

    fn take_prices_over(&mut self, new: Option<usize>) {
        let old = std::mem::replace(&mut self.price_link, new);
        for &dex in &self.price_dexs {
            let prices = Subscription::AllMids { dex };
            if let Some(old) = old {
                self.links[old].unwant(prices);
            }
            if let Some(new) = new {
                self.links[new].want(prices);
            }
        }
    }

    /// One subscription a dex, whatever the number of connections; as many as the plan of capacity counts on.
    fn follow_prices(&mut self, mut dexs: Vec<Coin>) {
        dexs.truncate(SUBSCRIPTIONS_PER_CONNECTION as usize);
        if let Some(link) = self.price_link.map(|at| &mut self.links[at]) {
            for &dex in self.price_dexs.iter().filter(|dex| !dexs.contains(dex)) {
                link.unwant(Subscription::AllMids { dex });
            }
            for &dex in dexs.iter().filter(|dex| !self.price_dexs.contains(dex)) {
                link.want(Subscription::AllMids { dex });
            }
        }
        self.price_dexs = dexs;
    }

    fn is_finished(&mut self) -> bool {
        self.station.seal();
        self.links.iter().all(Link::is_quiet)
            && self.station.journal.is_idle()
            && self.station.outbox.is_empty()
            && !self.station.has_replies()
    }

    fn finish(&mut self) -> Result<(), String> {
        let stopped = Stopped {
            report: self.station.report(),
            state_hash: self.station.core.state_hash(),
            last_seq: self.station.journal.next_seq() - 1,
        };
        self.station.reply(Reply::Stopped(Box::new(stopped)));
        self.station.send_replies();
        Ok(())
    }

    /// Nothing to do: look a little longer, then sleep until something comes or is due.
    fn idle(&mut self, last_work: Instant, cold_deadline: Option<Instant>) -> Result<(), String> {
        let fault = |error: io::Error| failed("io_uring", &error);
        match self.wait {
            Wait::Spin => return self.ring.submit().map_err(fault),
            // While a flush is in flight looking would keep the kernel's worker from this CPU.
            Wait::Park { spin_for }
                if last_work.elapsed() < spin_for && !self.flusher.is_flushing() =>
            {
                return self.ring.submit().map_err(fault);
            }
            Wait::Park { .. } => {}
        }
        if !self.bell_watched {
            self.ring.watch_bell(self.bell.fd()).map_err(fault)?;
            self.bell_watched = true;
        }
        let timeout = self.sleep_time(cold_deadline);
        self.bell.before_sleep();
        let nothing = self.commands.is_empty()
            && (self.deferred.is_empty() || self.station.journal.wants_room());
        let fed =
            self.feeds.iter().all(|feed| !feed.has_more() || self.station.journal.wants_room());
        if nothing && fed && self.acks.is_empty() && !timeout.is_zero() {
            self.station.report.parks += 1;
            self.ring.wait(timeout).map_err(fault)?;
        }
        self.bell.after_sleep();
        Ok(())
    }

    fn sleep_time(&mut self, cold_deadline: Option<Instant>) -> Duration {
        let now_ms = self.station.clock.wall_ns() / 1_000_000;
        let links = self.links.iter().filter_map(|link| link.due_in_ms(now_ms));
        // What a link has to tell waits for room in the journal: no reason to look again at once.
        let least_ms = if self.station.journal.wants_room() { 5 } else { 0 };
        let first = links.min().map(|ms| Duration::from_millis(ms.max(least_ms)));
        let mut time = first.unwrap_or(SLEEP_MAX).min(SLEEP_MAX);
        if !self.without_statuses.is_empty() {
            let ms = self.enquiries.next_ms().saturating_sub(now_ms);
            time = time.min(Duration::from_millis(ms));
        }
        if let Some(ns) = self.station.due_in_ns() {
            time = time.min(Duration::from_nanos(ns));
        }
        if let Some(deadline) = cold_deadline {
            time = time.min(deadline.saturating_duration_since(Instant::now()));
        }
        if self.station.outbox.is_behind() || self.station.has_replies() {
            time = time.min(BEHIND_RETRY);
        }
        time
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // The ring must not use memory that goes away with the links and the journal.
        let deadline = Instant::now() + QUIET_WITHIN;
        self.links.iter_mut().for_each(|link| link.end(u64::MAX));
        while Instant::now() < deadline {
            let quiet = self.links.iter().all(Link::is_quiet) && !self.flusher.is_flushing();
            if quiet || self.ring.wait(Duration::from_millis(10)).is_err() {
                break;
            }
            if self.take_completions().is_err() {
                break;
            }
        }
        if !self.flusher.is_flushing() {
            // Whoever locks the directory next need not wait for the kernel to take the ring down.
            self.ring.let_go();
        }
    }
}

impl Report {
    /// Adds another shard's counters.
    pub fn add(&mut self, other: &Report) {
        self.counts.fills += other.counts.fills;
        self.counts.signals += other.counts.signals;
        self.counts.gaps += other.counts.gaps;
        self.counts.backfills += other.counts.backfills;
        self.frames += other.frames;
        self.fill_frames += other.fill_frames;
        self.received_bytes += other.received_bytes;
        self.duplicates += other.duplicates;
        self.unsound += other.unsound;
        self.unreadable += other.unreadable;
        self.orders += other.orders;
        self.unsignalled += other.unsignalled;
        self.links_open += other.links_open;
        self.links_lost += other.links_lost;
        self.followed += other.followed;
        self.symbols.add(&other.symbols);
        self.prices.add(&other.prices);
        self.positions.add(&other.positions);
        self.flushes += other.flushes;
        self.journal_bytes += other.journal_bytes;
        self.spares += other.spares;
        self.ring_full += other.ring_full;
        self.turns += other.turns;
        self.parks += other.parks;
        self.gave_way += other.gave_way;
    }
}

#[cfg(test)]
mod tests;
