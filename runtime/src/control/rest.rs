//! The thread that asks the REST interface: back-fills, order statuses, the symbol table.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use net::Target;
use net::backoff::Backoff;
use net::hyperliquid::rest;
use shards::{Address, Fill, OrderStatus, ShardId};

use super::options::NodeOptions;
use super::{failure, placement, symbols};
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};

/// Jobs that may wait.
const JOBS_MAX: usize = 8192;
/// The venue keeps 10,000 fills of an account.
const FILLS_MAX: usize = 10_000;
/// Pages of one back-fill. The venue's have 2000 fills; another server's may be shorter.
const PAGES_MAX: usize = 1000;
/// How long one request may take.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// How long a job is tried. A core holds an account's fills for five minutes; a rate limit lasts one.
const TRIED_FOR: Duration = Duration::from_secs(150);
/// Largest answer: `spotMeta` and full pages have a few hundred KiB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Something to ask.
#[derive(Clone, Debug)]
pub enum Job {
    /// The fills of an account since a time.
    Backfill {
        /// Whose shard.
        shard: ShardId,
        /// The account.
        address: Address,
        /// Unix milliseconds.
        from_ms: u64,
    },
    /// The status of an order.
    Status {
        /// Whose shard.
        shard: ShardId,
        /// The account.
        address: Address,
        /// The order.
        oid: u64,
    },
    /// The symbol table.
    Symbols,
    /// The addresses of a source's host.
    Resolve {
        /// Index of the source.
        source: usize,
    },
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Job::Backfill { address, .. } => {
                write!(f, "the missing fills of {address} cannot be fetched, its fills wait")
            }
            Job::Status { oid, .. } => write!(f, "the status of order {oid} cannot be fetched"),
            Job::Symbols => f.write_str("the symbol table cannot be read"),
            Job::Resolve { .. } => f.write_str("the host cannot be resolved"),
        }
    }
}

impl Job {
    /// Whether the answer to one is the answer to the other.
    fn repeats(&self, other: &Job) -> bool {
        match (self, other) {
            (Job::Backfill { address: a, .. }, Job::Backfill { address: b, .. }) => a == b,
            (Job::Status { oid: a, .. }, Job::Status { oid: b, .. }) => a == b,
            (Job::Symbols, Job::Symbols) => true,
            (Job::Resolve { source: a }, Job::Resolve { source: b }) => a == b,
            _ => false,
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub enum Answer {
    /// A page of fills.
    Backfill {
        /// Whose shard.
        shard: ShardId,
        /// The account.
        address: Address,
        /// The fills, ascending.
        fills: Vec<Fill>,
        /// Whether it is the last page.
        last: bool,
    },
    /// The back-fill was given up.
    BackfillFailed {
        /// Whose shard.
        shard: ShardId,
        /// The account.
        address: Address,
        /// Why.
        why: String,
    },
    /// An order's status.
    Status {
        /// Whose shard.
        shard: ShardId,
        /// The status.
        status: OrderStatus,
    },
    /// The symbol table.
    Symbols(Box<symbols::Table>),
    /// The addresses of a source's host.
    Resolved {
        /// Index of the source.
        source: usize,
        /// They may have changed.
        addresses: Vec<SocketAddr>,
    },
    /// An attempt failed; there will be another.
    Trouble(Problem),
    /// A host could not be resolved. It is tried again when a connection fails.
    NotResolved(Problem),
    /// The symbol table could not be read.
    SymbolsFailed {
        /// Why.
        why: String,
    },
}

/// The thread, seen from control.
pub struct Rest {
    jobs: Sender<Job>,
    answers: Receiver<Answer>,
}

impl Rest {
    /// Starts the thread. It ends when this is dropped.
    pub fn start(options: &NodeOptions, control: &Arc<Bell>) -> Result<Rest, Problem> {
        let bell = super::new_bell()?;
        let (jobs, received) = channel(JOBS_MAX, &bell);
        let (sender, answers) = channel(JOBS_MAX, control);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST_WITHIN))
            .http_status_as_error(false)
            .build()
            .into();
        let worker = Worker {
            agent,
            urls: options.sources.iter().filter_map(|source| source.info_url.clone()).collect(),
            targets: placement::targets(options)?,
            placed: placement::place(options),
            aliases: options.aliases.clone(),
            answers: sender,
            retries: VecDeque::new(),
        };
        std::thread::Builder::new()
            .name("rest".to_owned())
            .spawn(move || worker.run(&bell, received))
            .map_err(|error| failure::thread("the REST thread", &error))?;
        Ok(Rest { jobs, answers })
    }

    /// Asks; `false` when too much waits. Cores ask again for what they still need.
    pub fn ask(&mut self, job: Job) -> bool {
        self.jobs.send(job).is_ok()
    }

    /// The next answer.
    pub fn answer(&mut self) -> Option<Answer> {
        self.answers.receive()
    }

    /// Whether there is an answer.
    pub fn has_news(&self) -> bool {
        !self.answers.is_empty()
    }
}

struct Retry {
    job: Job,
    since: Instant,
    due: Instant,
    backoff: Backoff,
}

struct Worker {
    agent: ureq::Agent,
    urls: Vec<String>,
    targets: Vec<Option<Target>>,
    placed: Vec<(Address, usize)>,
    aliases: Vec<(String, String)>,
    answers: Sender<Answer>,
    retries: VecDeque<Retry>,
}

impl Worker {
    fn run(mut self, bell: &Bell, mut jobs: Receiver<Job>) {
        while !jobs.is_abandoned() {
            let now = Instant::now();
            let due = self.retries.iter().position(|retry| retry.due <= now);
            if let Some(retry) = due.and_then(|at| self.retries.remove(at)) {
                self.attempt(retry.job, retry.since, retry.backoff);
            } else if let Some(job) = jobs.receive() {
                // A core asks again for what it still needs; it is being tried already.
                if !self.retries.iter().any(|retry| retry.job.repeats(&job)) {
                    let seed = crate::lane::clock::wall_now_ns();
                    self.attempt(job, now, Backoff::new(seed));
                }
            } else {
                let next = self.retries.iter().map(|retry| retry.due).min();
                let patience = next.map_or(Duration::from_secs(1), |due| due - now);
                bell.sleep(patience, || !jobs.is_empty() || jobs.is_abandoned());
            }
        }
    }

    fn attempt(&mut self, job: Job, since: Instant, mut backoff: Backoff) {
        let done = match &job {
            Job::Backfill { shard, address, from_ms } => self.backfill(*shard, *address, *from_ms),
            Job::Status { shard, address, oid } => self.status(*shard, address, *oid),
            Job::Symbols => self.symbols(),
            Job::Resolve { source } => {
                self.resolve(*source);
                Ok(())
            }
        };
        let Err(why) = done else { return };
        if since.elapsed() < TRIED_FOR {
            let wait = Duration::from_millis(backoff.next_ms());
            let due = Instant::now() + wait;
            self.say(Answer::Trouble(failure::trouble(&job.to_string(), &why, wait)));
            self.retries.push_back(Retry { job, since, due, backoff });
            return;
        }
        match job {
            Job::Backfill { shard, address, .. } => {
                self.say(Answer::BackfillFailed { shard, address, why });
            }
            // The order's time-out emits what there is; a host is looked up again with the next connection.
            Job::Status { .. } | Job::Resolve { .. } => {}
            Job::Symbols => self.say(Answer::SymbolsFailed { why }),
        }
    }

    fn say(&mut self, answer: Answer) {
        // Control takes answers every turn; if it has gone, nobody needs them.
        let _ = self.answers.send(answer);
    }

    fn url_of(&self, address: &Address) -> &str {
        let source = self.placed.iter().find(|(placed, _)| placed == address);
        &self.urls[source.map_or(0, |(_, source)| *source)]
    }

    fn post(&self, url: &str, body: &str) -> Result<Vec<u8>, String> {
        let sent = self.agent.post(url).content_type("application/json").send(body);
        let mut response = sent.map_err(|error| format!("POST {url}: {error}"))?;
        let status = response.status();
        let read = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = read.map_err(|error| format!("POST {url}: {error}"))?;
        if !status.is_success() {
            let said = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
            return Err(format!("POST {url}: status {status}: {said}"));
        }
        Ok(bytes)
    }

    /// Pages by the time of the last fill, until one brings nothing newer: both ends are inclusive, how long a page is
    /// is the server's affair, and the core knows what it has.
    fn backfill(&mut self, shard: ShardId, address: Address, from_ms: u64) -> Result<(), String> {
        let url = self.url_of(&address).to_owned();
        let mut pages: Vec<Vec<Fill>> = Vec::new();
        let mut start_ms = from_ms;
        let mut total = 0;
        while pages.len() < PAGES_MAX && total < FILLS_MAX {
            let body = rest::user_fills_by_time(&address, start_ms, None);
            let mut fills = Vec::new();
            rest::parse_fills(&self.post(&url, &body)?, &mut fills)
                .map_err(|error| error.to_string())?;
            fills.sort_by_key(|fill| fill.time_ms);
            total += fills.len();
            let newest_ms = fills.last().map_or(start_ms, |fill| fill.time_ms);
            pages.push(fills);
            if newest_ms <= start_ms {
                break;
            }
            start_ms = newest_ms;
        }
        let count = pages.len();
        for (at, fills) in pages.into_iter().enumerate() {
            self.say(Answer::Backfill { shard, address, fills, last: at + 1 == count });
        }
        Ok(())
    }

    fn status(&mut self, shard: ShardId, address: &Address, oid: u64) -> Result<(), String> {
        let answer = self.post(self.url_of(address), &rest::order_status(address, oid))?;
        let status = rest::parse_order_status(&answer).map_err(|error| error.to_string())?;
        if let Some(status) = status {
            self.say(Answer::Status { shard, status });
        }
        Ok(())
    }

    fn resolve(&mut self, source: usize) {
        let Some(target) = &self.targets[source] else { return };
        let answer = match placement::resolve(target) {
            Ok(addresses) => Answer::Resolved { source, addresses },
            Err(error) => Answer::NotResolved(failure::resolve(&target.host, &error)),
        };
        self.say(answer);
    }

    fn symbols(&mut self) -> Result<(), String> {
        let Some(url) = self.urls.first() else { return Ok(()) };
        let table = symbols::read(&self.aliases, |body| self.post(url, body))?;
        self.say(Answer::Symbols(Box::new(table)));
        Ok(())
    }
}
