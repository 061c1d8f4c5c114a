//! The database: a sink that hands events to the thread that owns it, and that thread.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use net::payload::write_signal_id;
use persist::Position;
use persist::store::{AggregationRow, PositionRow as StoredPosition, Row, SignalRow, Sqlite};
use shards::{Event, EventId, ShardId, Signal};

use super::sink::{Problem, Sink, SinkReport};
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::clock::wall_now_ns;
use crate::shard::PositionRow;

/// Its name, in reports and in its cursors.
pub const NAME: &str = "store";

/// Jobs between publisher and store.
const JOBS_MAX: usize = 4096;
/// First and longest wait before a failed batch is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How often old rows are deleted.
const RETAIN_EVERY: Duration = Duration::from_secs(60);
/// How long an aggregation row is kept.
const AGGREGATION_RETENTION: Duration = Duration::from_secs(2 * 3600);

enum Job {
    Event(EventId, Box<Event>),
    Position(Box<PositionRow>),
}

enum Answer {
    Acked(ShardId, Position),
    Applied { signals: u64, repeated: u64, conflicts: u64 },
    Problem(String),
}

/// How the store batches.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Rows in a batch.
    pub batch_size: usize,
    /// The longest time that a row waits for its batch.
    pub flush_interval: Duration,
    /// How long signals are kept.
    pub retention: Duration,
}

/// The sink.
pub struct Store {
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
    report: SinkReport,
    problems: Vec<Problem>,
}

impl Store {
    /// Opens the database at `path` and starts its thread, which wakes the publisher by `publisher_bell`.
    pub fn start(
        path: PathBuf,
        options: StoreOptions,
        publisher_bell: &Arc<Bell>,
    ) -> Result<Store, StartError> {
        let database = Sqlite::open(&path).map_err(StartError::Database)?;
        let bell = Arc::new(Bell::new().map_err(StartError::Thread)?);
        let (jobs, work) = channel(JOBS_MAX, &bell);
        let (results, answers) = channel(JOBS_MAX, publisher_bell);
        let worker = Worker {
            database,
            options,
            work,
            results,
            bell,
            next_retain: Instant::now() + RETAIN_EVERY,
        };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker.run())
            .map_err(StartError::Thread)?;
        Ok(Store {
            jobs: Some(jobs),
            answers,
            thread: Some(thread),
            report: SinkReport { name: "store", ..SinkReport::default() },
            problems: Vec::new(),
        })
    }

    fn send(&mut self, job: Job) -> bool {
        self.jobs.as_mut().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

/// Why the store could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(persist::store::StoreError),
    /// Its thread or its bell could not be made.
    #[error("starting the store's thread: {0}")]
    Thread(std::io::Error),
}

impl Sink for Store {
    fn name(&self) -> &'static str {
        NAME
    }

    fn offer(&mut self, id: EventId, event: &Event) -> bool {
        let room = self.jobs.as_ref().is_some_and(|jobs| jobs.room() > 0);
        room && self.send(Job::Event(id, Box::new(*event)))
    }

    fn row(&mut self, row: &PositionRow) {
        // No room: the next state of this account replaces it anyway.
        self.send(Job::Position(Box::new(row.clone())));
    }

    fn turn(&mut self, acked: &mut dyn FnMut(ShardId, Position)) {
        while let Some(answer) = self.answers.receive() {
            match answer {
                Answer::Acked(shard, position) => acked(shard, position),
                Answer::Applied { signals, repeated, conflicts } => {
                    self.report.signals += signals;
                    self.report.repeated += repeated;
                    self.report.conflicts += conflicts;
                }
                Answer::Problem(text) => self.problems.push(Problem::Text(text)),
            }
        }
    }

    fn has_news(&self) -> bool {
        !self.answers.is_empty()
    }

    fn problem(&mut self) -> Option<Problem> {
        self.problems.pop()
    }

    fn report(&self) -> SinkReport {
        self.report.clone()
    }

    fn stop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It ends when the jobs have: everything was acknowledged, or the deadline has passed.
            let _ = thread.join();
        }
    }
}

struct Worker {
    database: Sqlite,
    options: StoreOptions,
    work: Receiver<Job>,
    results: Sender<Answer>,
    bell: Arc<Bell>,
    next_retain: Instant,
}

impl Worker {
    fn run(mut self) {
        let mut batch: Vec<Job> = Vec::new();
        let mut since = Instant::now();
        loop {
            let ended = self.work.is_abandoned();
            while batch.len() < self.options.batch_size {
                let Some(job) = self.work.receive() else { break };
                if batch.is_empty() {
                    since = Instant::now();
                }
                batch.push(job);
            }
            let waited = since.elapsed();
            let full = batch.len() >= self.options.batch_size;
            if !batch.is_empty() && (full || ended || waited >= self.options.flush_interval) {
                if !self.apply(&batch) {
                    return;
                }
                batch.clear();
                continue;
            }
            if ended && batch.is_empty() && self.work.is_empty() {
                return;
            }
            self.retain();
            let patience = match batch.is_empty() {
                true => Duration::from_secs(1),
                false => self.options.flush_interval.saturating_sub(waited),
            };
            let work = &self.work;
            self.bell.sleep(patience, || !work.is_empty() || work.is_abandoned());
        }
    }

    /// Writes a batch, again and again until it is written. `false` when the publisher has gone meanwhile: the journal
    /// has what was not acknowledged.
    fn apply(&mut self, batch: &[Job]) -> bool {
        let now_ms = wall_now_ns() / 1_000_000;
        let rows: Vec<Row> = batch.iter().flat_map(|job| self.rows(job, now_ms)).collect();
        let mut wait = RETRY.0;
        loop {
            match self.database.apply(&rows) {
                Ok(applied) => {
                    for id in &applied.conflicts {
                        self.answer(Answer::Problem(format!(
                            "signal {id} is in the database with another content"
                        )));
                    }
                    self.answer(Answer::Applied {
                        signals: applied.inserted as u64,
                        repeated: applied.repeated as u64,
                        conflicts: applied.conflicts.len() as u64,
                    });
                    self.acknowledge(batch);
                    return true;
                }
                Err(error) => {
                    let text = format!("{error}; nothing is lost, it is tried again");
                    self.answer(Answer::Problem(text));
                    if self.work.is_abandoned() {
                        return false;
                    }
                    let work = &self.work;
                    self.bell.sleep(wait, || work.is_abandoned());
                    wait = (wait * 2).min(RETRY.1);
                }
            }
        }
    }

    fn acknowledge(&mut self, batch: &[Job]) {
        let mut newest: BTreeMap<ShardId, Position> = BTreeMap::new();
        for job in batch {
            if let Job::Event(id, _) = job {
                newest.insert(id.shard, Position { seq: id.seq.0, index: id.index });
            }
        }
        newest
            .into_iter()
            .for_each(|(shard, position)| self.answer(Answer::Acked(shard, position)));
    }

    fn answer(&mut self, answer: Answer) {
        let mut answer = answer;
        // The publisher takes answers every turn; while it has gone there is nobody to tell.
        while let Err(back) = self.results.send(answer) {
            if self.results.is_abandoned() {
                return;
            }
            answer = back;
            std::thread::yield_now();
        }
    }

    fn rows(&self, job: &Job, now_ms: u64) -> Vec<Row> {
        match job {
            Job::Event(id, event) => match &**event {
                Event::Signal(signal) => vec![
                    Row::Signal(self.signal_row(signal, *id, now_ms)),
                    Row::Aggregation(aggregation_row(signal, now_ms)),
                ],
                Event::Gap(_) => Vec::new(),
            },
            Job::Position(row) => vec![Row::Position(position_row(row, now_ms))],
        }
    }

    fn signal_row(&self, s: &Signal, id: EventId, now_ms: u64) -> SignalRow {
        let mut signal_id = String::new();
        write_signal_id(s, &mut signal_id).expect("a string takes every write");
        SignalRow {
            signal_id,
            address: s.address.to_string(),
            position_rate: s.position_rate.map(|rate| rate.to_f64()),
            close_rate: s.close_rate.to_f64(),
            symbol: s.symbol.to_string(),
            coin_type: char::from(s.coin_type).to_string(),
            asset_type: s.asset_type.as_str().to_owned(),
            direction: s.direction.as_str().to_owned(),
            side: s.side.as_str().to_owned(),
            price: s.price.to_f64(),
            size: s.size.to_f64(),
            created_ms: now_ms,
            expired_ms: now_ms + self.options.retention.as_millis() as u64,
            oid: s.oid as i64,
            revision: s.revision,
            is_final: s.is_final,
            timestamp_ms: s.timestamp_ms,
            size_exact: s.size.to_string(),
            price_exact: s.price.to_string(),
            notional_exact: s.notional.to_string(),
            fills: s.fills,
            trigger: s.trigger.as_str().to_owned(),
            status: s.status.map(|status| status.to_string()),
            shard: id.shard.0,
            seq: id.seq.0,
            index: id.index,
        }
    }

    fn retain(&mut self) {
        if Instant::now() < self.next_retain {
            return;
        }
        let now_ms = wall_now_ns() / 1_000_000;
        let aggregations_ms = AGGREGATION_RETENTION.as_millis() as u64;
        let signals_ms = self.options.retention.as_millis() as u64;
        let more = match self.database.retain(now_ms, aggregations_ms, signals_ms) {
            Ok(retained) => retained.more,
            Err(error) => {
                self.answer(Answer::Problem(format!("deleting old rows: {error}")));
                false
            }
        };
        self.next_retain = Instant::now() + if more { Duration::ZERO } else { RETAIN_EVERY };
    }
}

fn aggregation_row(s: &Signal, now_ms: u64) -> AggregationRow {
    let average = s.order_notional.ratio(s.order_size);
    AggregationRow {
        oid: s.oid as i64,
        address: s.address.to_string(),
        symbol: s.symbol.to_string(),
        direction: s.leg.as_str().to_owned(),
        fills: "[]".to_owned(),
        total_size: s.order_size.to_string(),
        weighted_avg_px: average.unwrap_or_default().to_string(),
        order_status: s.status.map_or_else(|| "open".to_owned(), |status| status.to_string()),
        last_fill_ms: s.last_fill_ms,
        signal_sent: true,
        updated_ms: now_ms,
    }
}

fn position_row(row: &PositionRow, now_ms: u64) -> StoredPosition {
    let list = |json: &str| if json.is_empty() { "[]".to_owned() } else { json.to_owned() };
    StoredPosition {
        address: row.address.to_string(),
        spot_balances: list(&row.spot_balances),
        spot_total_usd: row.spot_total.to_string(),
        futures_positions: list(&row.futures_positions),
        account_value: row.account_value.to_string(),
        total_margin_used: row.total_margin_used.to_string(),
        total_ntl_pos: row.total_ntl_pos.to_string(),
        withdrawable: row.withdrawable.to_string(),
        updated_ms: now_ms,
    }
}
