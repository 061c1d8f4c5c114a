//! The REST interface: back-fills, order statuses, the symbol table, inside the weight budgets of the sources.
//!
//! | file | what happens there |
//! |---|---|
//! | `schedule` | what is asked next over one source, and when |
//! | `worker` | a thread that asks for some of the sources |
//! | `http` | HTTP from a chosen address of this host |
//! | `resolve` | threads that look hosts up |
//!
//! The venue counts weights by address, so sources that ask one server from one address share a budget, the smallest of
//! theirs, and belong to one worker: a budget has one owner. A source without `local_addr` is taken to ask from an address
//! of its own. Which source an account belongs to is the asker's affair and may change from job to job.

mod http;
mod resolve;
mod schedule;
mod worker;

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use net::Target;
use shards::{Address, Fill, OrderStatus, ShardId};

use super::failure;
use super::options::NodeOptions;
use super::symbols::Table;
use crate::config::SourceKind;
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::executor;
use resolve::Resolver;
pub(super) use schedule::Said;
use worker::Worker;

/// Jobs and answers that may wait in the rings of a worker.
const JOBS_MAX: usize = 8192;
/// Threads. They mostly wait for servers, and never for their budgets alone.
const WORKERS_MAX: usize = 4;

/// Something to ask.
#[derive(Clone, Debug)]
pub enum Job {
    /// The fills of an account since a time.
    Backfill {
        /// Whose shard.
        shard: ShardId,
        /// Index of the source whose REST interface and budget it is.
        source: usize,
        /// The account.
        address: Address,
        /// Unix milliseconds.
        from_ms: u64,
    },
    /// The status of an order.
    Status {
        /// Whose shard.
        shard: ShardId,
        /// Index of the source whose REST interface and budget it is.
        source: usize,
        /// The account.
        address: Address,
        /// The order.
        oid: u64,
    },
    /// The symbol table, from whichever source has a REST interface.
    Symbols,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Job::Backfill { address, .. } => {
                write!(f, "the missing fills of {address} cannot be fetched, its fills wait")
            }
            Job::Status { oid, .. } => write!(f, "the status of order {oid} cannot be fetched"),
            Job::Symbols => f.write_str("the symbol table cannot be read"),
        }
    }
}

impl Job {
    /// The source that it is of; the symbol table is of none.
    fn source(&self) -> Option<usize> {
        match self {
            Job::Backfill { source, .. } | Job::Status { source, .. } => Some(*source),
            Job::Symbols => None,
        }
    }

    /// What is said of a job that is given up.
    fn give_up(self, why: String) -> Option<Answer> {
        match self {
            Job::Backfill { shard, address, .. } => {
                Some(Answer::BackfillFailed { shard, address, why })
            }
            // The order's time-out emits what there is.
            Job::Status { .. } => None,
            Job::Symbols => Some(Answer::SymbolsFailed { why }),
        }
    }

    /// Whether the answer to one is the answer to the other.
    fn repeats(&self, other: &Job) -> bool {
        match (self, other) {
            (Job::Backfill { address: a, .. }, Job::Backfill { address: b, .. }) => a == b,
            (Job::Status { oid: a, .. }, Job::Status { oid: b, .. }) => a == b,
            (Job::Symbols, Job::Symbols) => true,
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
    Symbols(Box<Table>),
    /// The addresses of a source's host.
    Resolved {
        /// Index of the source.
        source: usize,
        /// They may have changed.
        addresses: Vec<SocketAddr>,
    },
    /// Something to tell: an attempt failed and there will be another, or requests wait for the budget.
    Trouble(Problem),
    /// A host could not be resolved. It is tried again when a connection fails.
    NotResolved(Problem),
    /// The symbol table could not be read.
    SymbolsFailed {
        /// Why.
        why: String,
    },
}

/// What the workers need of a source.
#[derive(Clone, Debug)]
pub struct RestSource {
    /// Where it is asked; `None` where it cannot be.
    pub info_url: Option<String>,
    /// Its WebSocket server, whose host is looked up; `None` where there is none.
    pub target: Option<Target>,
    /// The address of this host to ask from.
    pub local_addr: Option<IpAddr>,
    /// Weight that may be asked for in any 60 seconds.
    pub weight_per_minute: u32,
    /// Seed of the jitter between retries.
    pub seed: u64,
}

/// The workers, seen from control.
pub struct Rest {
    workers: Vec<Ends>,
    /// The worker of each source; `None` where it has no REST interface.
    worker_of: Vec<Option<usize>>,
    resolvers: Vec<Resolver>,
    /// The sources that can be asked for the symbol table, the best first; where to ask next.
    with_symbols: VecDeque<usize>,
    /// Answers that need no worker.
    own: VecDeque<Answer>,
}

/// Control's ends of the rings of one worker.
struct Ends {
    thread: Option<JoinHandle<()>>,
    jobs: Sender<(usize, Job)>,
    answers: Receiver<Answer>,
}

impl Rest {
    /// Starts the workers. They end when this is dropped.
    pub fn start(options: &NodeOptions, control: &Arc<Bell>) -> Result<Rest, Problem> {
        let of_source = |source: &crate::config::Source| RestSource {
            info_url: source.info_url.clone(),
            target: match source.kind {
                SourceKind::HyperliquidNode => None,
                _ => Target::parse(&source.ws_url).ok(),
            },
            local_addr: source.local_addr,
            weight_per_minute: source.rest_weight_per_minute,
            seed: crate::lane::clock::wall_now_ns(),
        };
        let sources: Vec<RestSource> = options.sources.iter().map(of_source).collect();
        // A node's own interface knows the perpetuals only of what it follows, and a provider's may know none.
        let is_public = |at: &usize| options.sources[*at].kind == SourceKind::HyperliquidWs;
        let mut with_symbols: Vec<usize> =
            (0..sources.len()).filter(|at| sources[*at].info_url.is_some()).collect();
        with_symbols.sort_by_key(|at| !is_public(at));
        Rest::start_with(sources, with_symbols, &options.aliases, control)
    }

    fn start_with(
        sources: Vec<RestSource>,
        with_symbols: Vec<usize>,
        aliases: &[(String, String)],
        control: &Arc<Bell>,
    ) -> Result<Rest, Problem> {
        let targets = sources.iter().enumerate();
        let targets = targets.filter_map(|(at, source)| Some((at, source.target.clone()?)));
        let resolvers = resolve::start(targets, control)?;
        let mut worker_of = vec![None; sources.len()];
        let groups = by_budget(sources);
        let count = groups.len().min(WORKERS_MAX);
        let mut of_workers = vec![Vec::new(); count];
        for (at, group) in groups.into_iter().enumerate() {
            group.iter().for_each(|(source, _)| worker_of[*source] = Some(at % count));
            of_workers[at % count].push(group);
        }
        let mut workers = Vec::new();
        for (number, own) in of_workers.into_iter().enumerate() {
            let bell = super::new_bell()?;
            let (jobs, received) = channel(JOBS_MAX, &bell);
            let (sender, answers) = channel(JOBS_MAX, control);
            let worker = Worker::new(own, aliases.to_vec(), received, sender);
            let thread = std::thread::Builder::new()
                .name(format!("rest-{number}"))
                .spawn(move || worker.run(&bell))
                .map_err(|error| failure::thread("a REST thread", &error))?;
            workers.push(Ends { thread: Some(thread), jobs, answers });
        }
        let (with_symbols, own) = (with_symbols.into(), VecDeque::new());
        Ok(Rest { workers, worker_of, resolvers, with_symbols, own })
    }

    /// Asks; `false` when too much waits. Cores ask again for what they still need.
    pub fn ask(&mut self, job: Job) -> bool {
        let source = job.source().or_else(|| self.with_symbols.front().copied());
        let worker = source.and_then(|source| Some((source, self.worker_of[source]?)));
        let Some((source, at)) = worker else {
            let why = match job {
                Job::Symbols => "no source has a REST interface (source.info_url)",
                _ => "its source has no REST interface (source.info_url is empty)",
            };
            self.own.extend(job.give_up(why.to_owned()));
            return true;
        };
        self.workers[at].jobs.send((source, job)).is_ok()
    }

    /// Looks up the host of a source's WebSocket server, where it has one.
    pub fn resolve(&mut self, source: usize) {
        if let Some(resolver) = self.resolvers.iter_mut().find(|resolver| resolver.has(source)) {
            resolver.ask(source);
        }
    }

    /// The next answer.
    pub fn answer(&mut self) -> Option<Answer> {
        let answer = self
            .own
            .pop_front()
            .or_else(|| self.workers.iter_mut().find_map(|worker| worker.answers.receive()))
            .or_else(|| self.resolvers.iter_mut().find_map(Resolver::answer));
        if let Some(Answer::SymbolsFailed { .. }) = answer
            && !self.with_symbols.is_empty()
        {
            // Another source may be well.
            self.with_symbols.rotate_left(1);
        }
        answer
    }

    /// Why a worker has ended, if one has by itself. Said once.
    pub fn ended(&mut self) -> Option<String> {
        let worker = self.workers.iter_mut().find_map(|worker| executor::ended(&mut worker.thread));
        worker.or_else(|| self.resolvers.iter_mut().find_map(Resolver::ended))
    }

    /// Whether there is an answer.
    pub fn has_news(&self) -> bool {
        !self.own.is_empty()
            || self.workers.iter().any(|worker| !worker.answers.is_empty())
            || self.resolvers.iter().any(Resolver::has_news)
    }
}

/// Sources that share a budget: indices, and what is known of them.
type Group = Vec<(usize, RestSource)>;

/// The sources that can be asked, by server and by the address that they ask from.
fn by_budget(sources: Vec<RestSource>) -> Vec<Group> {
    let of = |source: &RestSource| {
        let host = http::host_of(source.info_url.as_deref()?).to_lowercase();
        Some((host, source.local_addr))
    };
    let mut groups: Vec<Group> = Vec::new();
    for (at, source) in sources.into_iter().enumerate().filter(|(_, source)| of(source).is_some()) {
        match groups.iter_mut().find(|group| of(&group[0].1) == of(&source)) {
            Some(group) => group.push((at, source)),
            None => groups.push(vec![(at, source)]),
        }
    }
    groups
}

#[cfg(test)]
mod tests;
