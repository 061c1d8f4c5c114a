//! The publisher: one thread that takes every shard's events and gives them to the sinks.
//!
//! | file | what happens there |
//! |---|---|
//! | `canary` | which accounts' signals are live |
//! | `reach` | how far a sink has come with a shard, its cursor, and catching up from the journal |
//! | `sink` | what a sink is |
//! | `stdout` | signals as JSON lines on standard output |
//! | `store` | rows to the thread that owns the database |
//!
//! Events come over the ring while a sink keeps up. A sink that was away, or whose ring copy was dropped, reads the journal
//! files from where it stands; the shard does not notice. A cursor moves only behind what the sink has acknowledged: a
//! crash may repeat, never skip.

pub mod canary;
pub mod sink;
pub mod stdout;
pub mod store;

mod reach;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use persist::Position;
use shards::codec::decode_event;
use shards::{Event, EventId, Seq, ShardId};

use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender};
use crate::lane::clock::Clock;
use crate::lane::events::{EventConsumer, Header, MARKER, ROW};
use crate::shard::PositionRow;
use reach::Reach;
use sink::{Sink, SinkReport};

/// Messages taken from one ring before the next one's turn.
const MESSAGES_PER_TURN: usize = 256;
/// The longest sleep.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// How often cursors are written.
const CURSOR_EVERY: Duration = Duration::from_millis(100);
/// How often reports go to control.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Latencies are recorded from 100 ns to 100 s with two significant digits.
const LATENCY_NS_MAX: u64 = 100_000_000_000;

/// A shard, seen from here.
pub struct Feed {
    /// Which.
    pub shard: ShardId,
    /// Its events.
    pub events: EventConsumer,
    /// Its journal's directory.
    pub dir: PathBuf,
    /// The newest event that its journal had when it was opened.
    pub last_event: Position,
    /// Where to say what every sink has acknowledged.
    pub acks: Sender<Position>,
}

/// What the publisher is made of.
pub struct PublisherOptions {
    /// The shards.
    pub feeds: Vec<Feed>,
    /// The sinks.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Wakes the publisher.
    pub bell: Arc<Bell>,
    /// From control: dropped when the publisher is to end, after the shards have.
    pub orders: Receiver<Order>,
    /// To control.
    pub news: Sender<News>,
    /// How long the end may wait for sinks that do not acknowledge.
    pub drain_within: Duration,
}

/// To the publisher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// From now on this many percent of the accounts are live.
    CanaryRatio(u8),
}

/// From the publisher.
#[derive(Debug)]
pub enum News {
    /// About once a second.
    Report(Box<PublisherReport>),
    /// Something that a person should read.
    Problem {
        /// Which sink.
        sink: String,
        /// What.
        what: String,
    },
    /// Standard output was closed by its reader.
    ReaderGone,
    /// The publisher has ended; the last report.
    Stopped(Box<PublisherReport>),
}

/// What the publisher has done.
#[derive(Clone, Debug, Default)]
pub struct PublisherReport {
    /// Events that came over the rings.
    pub events: u64,
    /// Frame received to event here, nanoseconds, since the last report, by shard.
    pub latency: Vec<Option<Histogram<u64>>>,
    /// By sink.
    pub sinks: Vec<SinkReport>,
    /// Whether every sink that is still there has acknowledged every event.
    pub is_caught_up: bool,
}

struct Publisher {
    feeds: Vec<FeedState>,
    sinks: Vec<SinkState>,
    clock: Clock,
    events: u64,
    news: Sender<News>,
}

struct FeedState {
    feed: Feed,
    /// Newest event that is durable, as far as the shard has said.
    seen: Position,
    acked: Position,
    latency: Histogram<u64>,
}

struct SinkState {
    sink: Box<dyn Sink>,
    reaches: Vec<Reach>,
}

/// Runs the publisher to its end.
pub fn run(options: PublisherOptions) {
    let PublisherOptions { feeds, sinks, bell, mut orders, news, drain_within } = options;
    let mut publisher = match Publisher::new(feeds, sinks, news) {
        Ok(publisher) => publisher,
        Err((mut news, sink, what)) => {
            // The ring is new and empty.
            let _ = news.send(News::Problem { sink, what });
            let _ = news.send(News::Stopped(Box::default()));
            return;
        }
    };
    let (mut cursors_at, mut report_at) = (Instant::now(), Instant::now());
    let mut drain_until: Option<Instant> = None;
    loop {
        let mut worked = publisher.take_events();
        worked |= publisher.catch_up();
        publisher.settle();
        if cursors_at.elapsed() >= CURSOR_EVERY {
            publisher.write_cursors();
            cursors_at = Instant::now();
        }
        if report_at.elapsed() >= REPORT_EVERY {
            let report = publisher.report();
            publisher.tell(News::Report(report));
            report_at = Instant::now();
        }
        while let Some(order) = orders.receive() {
            publisher.carry_out(order);
        }
        if drain_until.is_none() && orders.is_abandoned() {
            drain_until = Some(Instant::now() + drain_within);
        }
        if let Some(until) = drain_until
            && (publisher.is_caught_up() || Instant::now() >= until)
        {
            break;
        }
        if !worked {
            let patience = match (publisher.is_caught_up(), drain_until) {
                (true, _) => SLEEP_MAX,
                (false, Some(_)) => Duration::from_millis(1),
                (false, None) => CURSOR_EVERY,
            };
            bell.sleep(patience, || {
                let is_ordered = !orders.is_empty() || orders.is_abandoned();
                publisher.has_news() || is_ordered && drain_until.is_none()
            });
        }
    }
    publisher.finish();
}

impl Publisher {
    fn new(
        feeds: Vec<Feed>,
        sinks: Vec<Box<dyn Sink>>,
        news: Sender<News>,
    ) -> Result<Publisher, (Sender<News>, String, String)> {
        let mut states = Vec::new();
        for sink in sinks {
            let reaches: Result<Vec<Reach>, String> =
                feeds.iter().map(|feed| Reach::open(&feed.dir, sink.name())).collect();
            match reaches {
                Ok(reaches) => states.push(SinkState { sink, reaches }),
                Err(what) => return Err((news, sink.name().to_owned(), what)),
            }
        }
        let feeds = feeds.into_iter().map(FeedState::new).collect();
        Ok(Publisher { feeds, sinks: states, clock: Clock::new(0), events: 0, news })
    }

    fn carry_out(&mut self, order: Order) {
        let Order::CanaryRatio(ratio) = order;
        self.sinks.iter_mut().for_each(|state| state.sink.set_canary_ratio(ratio));
    }

    /// Takes what the rings have. Whether there was anything.
    fn take_events(&mut self) -> bool {
        let mut worked = false;
        let Publisher { feeds, sinks, clock, events, news } = self;
        for (at, state) in feeds.iter_mut().enumerate() {
            for _ in 0..MESSAGES_PER_TURN {
                let Some((header, body)) = state.feed.events.pop() else { break };
                worked = true;
                match header.kind {
                    MARKER => state.seen = state.seen.max(header.position),
                    ROW => {
                        if let Some(row) = PositionRow::decode(body) {
                            sinks.iter_mut().for_each(|sink| sink.sink.row(&row));
                        }
                    }
                    _ => {
                        *events += 1;
                        if header.received_ns != 0 {
                            let took_ns = clock.mono_ns().saturating_sub(header.received_ns);
                            state.latency.saturating_record(took_ns);
                        }
                        state.seen = state.seen.max(header.position);
                        offer(at, state.feed.shard, &header, body, sinks, news);
                    }
                }
            }
        }
        worked
    }

    /// Lets sinks that are behind read the journals. Whether one got further.
    fn catch_up(&mut self) -> bool {
        let mut worked = false;
        let Publisher { feeds, sinks, news, .. } = self;
        for SinkState { sink, reaches } in sinks {
            for (state, reach) in feeds.iter().zip(reaches.iter_mut()) {
                if reach.taken() >= state.seen {
                    continue;
                }
                match reach.catch_up(&state.feed.dir, state.feed.shard, state.seen, &mut **sink) {
                    Ok(advanced) => worked |= advanced,
                    Err(what) => complain(news, sink.name(), what),
                }
            }
        }
        worked
    }

    /// Collects acknowledgements.
    fn settle(&mut self) {
        let Publisher { feeds, sinks, news, .. } = self;
        for SinkState { sink, reaches } in sinks.iter_mut() {
            sink.turn(&mut |shard, position| {
                let at = feeds.iter().position(|state| state.feed.shard == shard);
                reaches[at.expect("a sink acknowledges what it was given")].acknowledge(position);
            });
            while let Some(problem) = sink.problem() {
                match problem {
                    sink::Problem::ReaderGone => drop(news.send(News::ReaderGone)),
                    sink::Problem::Text(what) => complain(news, sink.name(), what),
                }
            }
        }
        for (at, state) in feeds.iter_mut().enumerate() {
            let all = sinks.iter().map(|sink| sink.reaches[at].acked()).min();
            if let Some(all) = all.filter(|all| *all > state.acked)
                && state.feed.acks.send(all).is_ok()
            {
                state.acked = all;
            }
        }
    }

    fn write_cursors(&mut self) {
        let Publisher { sinks, news, .. } = self;
        for SinkState { sink, reaches } in sinks {
            for reach in reaches {
                if let Err(what) = reach.write_cursor() {
                    complain(news, sink.name(), what);
                }
            }
        }
    }

    fn is_caught_up(&self) -> bool {
        self.sinks.iter().filter(|sink| !sink.sink.is_gone()).all(|sink| {
            let all_acked = |(state, reach): (&FeedState, &Reach)| reach.acked() >= state.seen;
            self.feeds.iter().zip(&sink.reaches).all(all_acked)
        }) && self.feeds.iter().all(|state| state.feed.events.is_empty())
    }

    fn has_news(&self) -> bool {
        self.feeds.iter().any(|state| !state.feed.events.is_empty())
            || self.sinks.iter().any(|sink| sink.sink.has_news())
    }

    fn report(&mut self) -> Box<PublisherReport> {
        let latency = self.feeds.iter_mut().map(|state| {
            let full = !state.latency.is_empty();
            full.then(|| std::mem::replace(&mut state.latency, new_histogram()))
        });
        Box::new(PublisherReport {
            events: self.events,
            latency: latency.collect(),
            sinks: self.sinks.iter().map(|sink| sink.sink.report()).collect(),
            is_caught_up: self.is_caught_up(),
        })
    }

    fn tell(&mut self, news: News) {
        // Control reads as fast as it can; a report that finds no room is followed by another.
        let _ = self.news.send(news);
    }

    fn finish(mut self) {
        self.write_cursors();
        for SinkState { sink, reaches } in &mut self.sinks {
            for reach in reaches {
                if let Err(what) = reach.sync_cursor() {
                    complain(&mut self.news, sink.name(), what);
                }
            }
        }
        let report = self.report();
        for SinkState { sink, .. } in &mut self.sinks {
            sink.stop();
        }
        self.tell(News::Stopped(report));
    }
}

impl FeedState {
    fn new(feed: Feed) -> FeedState {
        let seen = feed.last_event;
        FeedState { feed, seen, acked: Position::START, latency: new_histogram() }
    }
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 2).expect("the bounds are right")
}

fn complain(news: &mut Sender<News>, sink: &str, what: String) {
    // No room: control is being told enough already.
    let _ = news.send(News::Problem { sink: sink.to_owned(), what });
}

/// Gives an event to the sinks that stand right before it. The others read it from the journal.
fn offer(
    at: usize,
    shard: ShardId,
    header: &Header,
    body: &[u8],
    sinks: &mut [SinkState],
    news: &mut Sender<News>,
) {
    let event: Event = match decode_event(header.kind, body) {
        Ok(event) => event,
        Err(error) => {
            complain(
                news,
                "ring",
                format!("an event of shard {} cannot be read: {error}", shard.0),
            );
            return;
        }
    };
    for SinkState { sink, reaches } in sinks {
        let reach = &mut reaches[at];
        if reach.taken() == header.previous && sink.offer(id(shard, header.position), &event) {
            reach.took(header.position);
        }
    }
}

fn id(shard: ShardId, position: Position) -> EventId {
    EventId { shard, seq: Seq(position.seq), index: position.index }
}
