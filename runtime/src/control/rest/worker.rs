//! One thread that asks for some of the sources.
//!
//! Requests of one source are made one after the other: its budget and its order of priorities are kept without a
//! lock. A worker's sources take turns, one request each; one that waits for its budget holds up no other. A server
//! that does not answer holds up the worker's other sources for the time of a request.

use std::time::{Duration, Instant};

use net::Target;
use net::hyperliquid::pages::PagesError;
use net::hyperliquid::rest;

use super::http::{self, Http, PostError};
use super::schedule::{JobId, Next, Said, Schedule, Scheduled};
use super::{Answer, Job, RestSource};
use crate::control::{failure, symbols};
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender};

/// How long the thread sleeps at most.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// Jobs that are taken from the ring before the sources go on.
const JOBS_PER_TURN_MAX: usize = 1024;
/// How soon failed attempts of one source are told again: a server that is away fails hundreds of jobs.
const TROUBLE_AGAIN_MS: u64 = 10_000;

/// A source, as its worker has it.
#[derive(Debug)]
struct Line {
    /// Its index among all sources.
    source: usize,
    info_url: Option<String>,
    target: Option<Target>,
    http: Http,
    schedule: Schedule,
    troubled_ms: Option<u64>,
}

/// The thread's own.
pub(super) struct Worker {
    lines: Vec<Line>,
    aliases: Vec<(String, String)>,
    /// Source and job.
    jobs: Receiver<(usize, Job)>,
    answers: Sender<Answer>,
    started: Instant,
}

/// How one request ended.
enum Outcome {
    /// With an answer of so many items, after so many requests beyond those that were counted.
    Answered { items: usize, more_requests: u32 },
    /// The budget is spent.
    Limited { retry_after_ms: Option<u64> },
    /// It may work the next time.
    Failed(String),
    /// It never will.
    Hopeless(String),
}

impl From<PostError> for Outcome {
    fn from(error: PostError) -> Outcome {
        match error {
            PostError::Limited { retry_after_ms } => Outcome::Limited { retry_after_ms },
            PostError::Failed(why) => Outcome::Failed(why),
        }
    }
}

impl From<PagesError> for Outcome {
    fn from(error: PagesError) -> Outcome {
        Outcome::Hopeless(error.to_string())
    }
}

impl Worker {
    /// For these sources: index, and what is known of it.
    pub(super) fn new(
        sources: Vec<(usize, RestSource)>,
        aliases: Vec<(String, String)>,
        jobs: Receiver<(usize, Job)>,
        answers: Sender<Answer>,
    ) -> Worker {
        let line = |(source, options): (usize, RestSource)| Line {
            source,
            info_url: options.info_url,
            target: options.target,
            http: Http::new(options.local_addr),
            schedule: Schedule::new(options.weight_per_minute, options.seed),
            troubled_ms: None,
        };
        let lines = sources.into_iter().map(line).collect();
        Worker { lines, aliases, jobs, answers, started: Instant::now() }
    }

    /// Works until nobody asks any more.
    pub(super) fn run(mut self, bell: &Bell) {
        while !self.jobs.is_abandoned() {
            self.receive();
            let (mut worked, mut until_ms) = (false, u64::MAX);
            for at in 0..self.lines.len() {
                match self.turn(at) {
                    Next::Ask(id) => {
                        worked = true;
                        self.ask(at, id);
                    }
                    Next::Until(ms) => until_ms = until_ms.min(ms),
                    Next::Idle => {}
                }
            }
            if !worked {
                let patience = Duration::from_millis(until_ms.saturating_sub(self.now_ms()));
                let jobs = &self.jobs;
                bell.sleep(patience.min(SLEEP_MAX), || !jobs.is_empty() || jobs.is_abandoned());
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn say(&mut self, answer: Answer) {
        // Control takes answers every turn; if it has gone, nobody needs them.
        let _ = self.answers.send(answer);
    }

    fn receive(&mut self) {
        let now_ms = self.now_ms();
        for _ in 0..JOBS_PER_TURN_MAX {
            let Some((source, job)) = self.jobs.receive() else { return };
            let line = self.lines.iter_mut().find(|line| line.source == source);
            let line = line.expect("jobs are given to the worker of their source");
            if line.info_url.is_some() || matches!(job, Job::Resolve { .. }) {
                line.schedule.push(job, now_ms);
            } else {
                let why = "its source has no REST interface (source.info_url is empty)";
                self.give_up(job, why.to_owned());
            }
        }
    }

    /// What a source does next; tells what there is to tell.
    fn turn(&mut self, at: usize) -> Next {
        let now_ms = self.now_ms();
        while let Some((job, why)) = self.lines[at].schedule.expired(now_ms) {
            self.abandon(job, why);
        }
        let next = self.lines[at].schedule.next(now_ms);
        if let Some(said) = self.lines[at].schedule.said() {
            let host = self.lines[at].info_url.as_deref().map_or("", http::host_of);
            let problem = match said {
                Said::Waits { .. } => failure::rest_waits(host, &said),
                Said::GoesOn { after_ms } => failure::rest_goes_on(host, after_ms),
            };
            self.say(Answer::Trouble(problem));
        }
        next
    }

    /// Makes one request.
    fn ask(&mut self, at: usize, id: JobId) {
        let started_ms = self.now_ms();
        let outcome = match self.lines[at].schedule.get_mut(id).job.clone() {
            Job::Backfill { .. } => self.page(at, id),
            Job::Status { shard, address, oid, .. } => {
                self.post(at, &rest::order_status(&address, oid)).and_then(|body| {
                    let status = rest::parse_order_status(&body)
                        .map_err(|error| Outcome::Failed(error.to_string()))?;
                    if let Some(status) = status {
                        self.say(Answer::Status { shard, status });
                    }
                    Ok(Outcome::Answered { items: 0, more_requests: 0 })
                })
            }
            Job::Symbols => self.symbols(at),
            Job::Resolve { source } => {
                self.resolve(at, source);
                Ok(Outcome::Answered { items: 0, more_requests: 0 })
            }
        };
        let now_ms = self.now_ms();
        // A repetition that was asked while the request was under way is of the same need: it must not become a job
        // of its own after this one has ended.
        self.receive();
        let schedule = &mut self.lines[at].schedule;
        match outcome.unwrap_or_else(|outcome| outcome) {
            Outcome::Answered { items, more_requests } => {
                schedule.answered(id, now_ms, items, more_requests);
                if matches!(schedule.get_mut(id).job, Job::Backfill { .. }) && !schedule.is_done(id)
                {
                    return;
                }
                let done = schedule.remove(id);
                self.hand_over(done);
            }
            Outcome::Limited { retry_after_ms } => schedule.limited(id, now_ms, retry_after_ms),
            Outcome::Failed(why) => {
                let took_ms = now_ms - started_ms;
                match schedule.failed(id, now_ms, took_ms, &why) {
                    Some(wait_ms) => self.trouble(at, id, &why, wait_ms),
                    None => {
                        let job = schedule.remove(id);
                        self.abandon(job, why);
                    }
                }
            }
            Outcome::Hopeless(why) => {
                schedule.answered(id, now_ms, rest::FILLS_PER_PAGE_MAX, 0);
                let job = schedule.remove(id);
                self.abandon(job, why);
            }
        }
    }

    fn trouble(&mut self, at: usize, id: JobId, why: &str, wait_ms: u64) {
        let now_ms = self.now_ms();
        let line = &mut self.lines[at];
        if line.troubled_ms.is_some_and(|told_ms| now_ms < told_ms + TROUBLE_AGAIN_MS) {
            return;
        }
        line.troubled_ms = Some(now_ms);
        let what = line.schedule.get_mut(id).job.to_string();
        self.say(Answer::Trouble(failure::trouble(&what, why, Duration::from_millis(wait_ms))));
    }

    fn post(&self, at: usize, body: &str) -> Result<Vec<u8>, Outcome> {
        let line = &self.lines[at];
        let url = line.info_url.as_deref().expect("jobs of sources without a URL are given up");
        Ok(line.http.post(url, body)?)
    }

    fn page(&mut self, at: usize, id: JobId) -> Result<Outcome, Outcome> {
        let job = self.lines[at].schedule.get_mut(id);
        let Job::Backfill { address, .. } = &job.job else {
            unreachable!("called for back-fills");
        };
        let body = job.pages.request(address).expect("a job whose pages are done is removed");
        let answer = self.post(at, &body)?;
        let mut page = Vec::new();
        rest::parse_fills(&answer, &mut page)
            .map_err(|error| Outcome::Failed(error.to_string()))?;
        let items = page.len();
        let job = self.lines[at].schedule.get_mut(id);
        let taken = job.pages.take(&mut page);
        job.fills.append(&mut page);
        taken?;
        Ok(Outcome::Answered { items, more_requests: 0 })
    }

    fn symbols(&mut self, at: usize) -> Result<Outcome, Outcome> {
        let (mut requests, mut outcome) = (0u32, None);
        let read = symbols::read(&self.aliases, |body| {
            requests += 1;
            self.post(at, body).map_err(|error| match error {
                Outcome::Failed(why) => why,
                other => {
                    outcome = Some(other);
                    "the budget is spent".to_owned()
                }
            })
        });
        match (read, outcome) {
            (Ok(table), _) => {
                self.say(Answer::Symbols(Box::new(table)));
                let more_requests = requests.saturating_sub(2);
                Ok(Outcome::Answered { items: 0, more_requests })
            }
            (Err(_), Some(outcome)) => Err(outcome),
            (Err(why), None) => Err(Outcome::Failed(why)),
        }
    }

    fn resolve(&mut self, at: usize, source: usize) {
        let Some(target) = &self.lines[at].target else { return };
        let answer = match http::resolve(target) {
            Ok(addresses) => Answer::Resolved { source, addresses },
            Err(error) => Answer::NotResolved(failure::resolve(&target.host, &error)),
        };
        self.say(answer);
    }

    /// Gives a back-fill's fills to the shard, in pages that are not too large for one command.
    fn hand_over(&mut self, done: Scheduled) {
        let Job::Backfill { shard, address, .. } = done.job else { return };
        let mut rest = done.fills;
        while rest.len() > rest::FILLS_PER_PAGE_MAX {
            let more = rest.split_off(rest::FILLS_PER_PAGE_MAX);
            self.say(Answer::Backfill { shard, address, fills: rest, last: false });
            rest = more;
        }
        self.say(Answer::Backfill { shard, address, fills: rest, last: true });
    }

    /// A job that cannot be done: what it has brought is given all the same.
    fn abandon(&mut self, job: Scheduled, why: String) {
        if let Job::Backfill { shard, address, .. } = job.job {
            for page in job.fills.chunks(rest::FILLS_PER_PAGE_MAX) {
                self.say(Answer::Backfill { shard, address, fills: page.to_vec(), last: false });
            }
        }
        self.give_up(job.job, why);
    }

    fn give_up(&mut self, job: Job, why: String) {
        match job {
            Job::Backfill { shard, address, .. } => {
                self.say(Answer::BackfillFailed { shard, address, why });
            }
            // The order's time-out emits what there is; a host is looked up again with the next connection.
            Job::Status { .. } | Job::Resolve { .. } => {}
            Job::Symbols => self.say(Answer::SymbolsFailed { why }),
        }
    }
}
