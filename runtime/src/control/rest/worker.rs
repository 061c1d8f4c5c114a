//! One thread that asks for some of the sources.
//!
//! A line is a server that is asked from one address: the sources there share its budget. Requests of one line are made one after the other: its budget and its order of priorities are kept without a
//! lock. A worker's lines take turns, one request each; one that waits for its budget holds up no other. A server
//! that does not answer holds up the worker's other lines for the time of a request.

use std::time::{Duration, Instant};

use net::hyperliquid::pages::PagesError;
use net::hyperliquid::rest;

use super::http::{self, Http, PostError};
use super::schedule::{JobId, Next, Said, Schedule, Scheduled};
use super::{Answer, Group, Job};
use crate::control::{failure, symbols};
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender};

/// How long the thread sleeps at most.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// Jobs that are taken from the ring before the sources go on.
const JOBS_PER_TURN_MAX: usize = 1024;
/// How soon failed attempts of one source are told again: a server that is away fails hundreds of jobs.
const TROUBLE_AGAIN_MS: u64 = 10_000;

/// Sources that share a budget.
#[derive(Debug)]
struct Line {
    /// Their indices, and where each is asked.
    urls: Vec<(usize, String)>,
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
    /// With an answer of so many items; whether the job has more to ask.
    Answered { items: usize, goes_on: bool },
    /// The budget is spent.
    Limited { retry_after_ms: Option<u64> },
    /// It may work the next time. Whether the venue may have counted a whole answer.
    Failed { why: String, may_be_counted: bool },
    /// It never will.
    Hopeless(String),
}

impl From<PostError> for Outcome {
    fn from(error: PostError) -> Outcome {
        match error {
            PostError::Limited { retry_after_ms } => Outcome::Limited { retry_after_ms },
            PostError::Failed { why, may_be_counted } => Outcome::Failed { why, may_be_counted },
        }
    }
}

impl From<PagesError> for Outcome {
    fn from(error: PagesError) -> Outcome {
        Outcome::Hopeless(error.to_string())
    }
}

impl Outcome {
    /// An answer that cannot be read.
    fn unreadable(why: String) -> Outcome {
        Outcome::Failed { why, may_be_counted: true }
    }
}

impl Worker {
    /// For these sources.
    pub(super) fn new(
        groups: Vec<Group>,
        aliases: Vec<(String, String)>,
        jobs: Receiver<(usize, Job)>,
        answers: Sender<Answer>,
    ) -> Worker {
        let line = |group: Group| {
            let first = &group.first().expect("a group has a source").1;
            let (http, seed) = (Http::new(first.local_addr), first.seed);
            let weights = group.iter().map(|(_, source)| source.weight_per_minute);
            let schedule = Schedule::new(weights.min().unwrap_or(0), seed);
            let url = |(at, source): (usize, super::RestSource)| Some((at, source.info_url?));
            let urls = group.into_iter().filter_map(url).collect();
            Line { urls, http, schedule, troubled_ms: None }
        };
        let lines = groups.into_iter().map(line).collect();
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
            let has = |line: &&mut Line| line.urls.iter().any(|(at, _)| *at == source);
            let line = self.lines.iter_mut().find(has);
            let line = line.expect("jobs are given to the worker of their source");
            line.schedule.push(source, job, now_ms);
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
            let host = self.lines[at].urls.first().map_or("", |(_, url)| http::host_of(url));
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
                self.post(at, id, &rest::order_status(&address, oid)).and_then(|body| {
                    let status = rest::parse_order_status(&body)
                        .map_err(|error| Outcome::unreadable(error.to_string()))?;
                    if let Some(status) = status {
                        self.say(Answer::Status { shard, status });
                    }
                    Ok(Outcome::Answered { items: 0, goes_on: false })
                })
            }
            Job::Symbols => self.symbols(at, id),
        };
        let now_ms = self.now_ms();
        // A repetition that was asked while the request was under way is of the same need: it must not become a job
        // of its own after this one has ended.
        self.receive();
        let schedule = &mut self.lines[at].schedule;
        match outcome.unwrap_or_else(|outcome| outcome) {
            Outcome::Answered { items, goes_on } => {
                schedule.answered(id, now_ms, items);
                let is_backfill = matches!(schedule.get_mut(id).job, Job::Backfill { .. });
                if goes_on || is_backfill && !schedule.is_done(id) {
                    return;
                }
                let done = schedule.remove(id);
                self.hand_over(done);
            }
            Outcome::Limited { retry_after_ms } => schedule.limited(id, now_ms, retry_after_ms),
            Outcome::Failed { why, may_be_counted } => {
                let took_ms = now_ms - started_ms;
                match schedule.failed(id, now_ms, took_ms, &why, may_be_counted) {
                    Some(wait_ms) => self.trouble(at, id, &why, wait_ms),
                    None => {
                        let job = schedule.remove(id);
                        self.abandon(job, why);
                    }
                }
            }
            Outcome::Hopeless(why) => {
                schedule.answered(id, now_ms, rest::FILLS_PER_PAGE_MAX);
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

    fn post(&mut self, at: usize, id: JobId, body: &str) -> Result<Vec<u8>, Outcome> {
        let line = &mut self.lines[at];
        let source = line.schedule.get_mut(id).source;
        let found = line.urls.iter().find(|(at, _)| *at == source);
        let (_, url) = found.expect("jobs are given to the line of their source");
        Ok(line.http.post(url, body)?)
    }

    fn page(&mut self, at: usize, id: JobId) -> Result<Outcome, Outcome> {
        let job = self.lines[at].schedule.get_mut(id);
        let Job::Backfill { address, .. } = &job.job else {
            unreachable!("called for back-fills");
        };
        let body = job.pages.request(address).expect("a job whose pages are done is removed");
        let answer = self.post(at, id, &body)?;
        let mut page = Vec::new();
        rest::parse_fills(&answer, &mut page)
            .map_err(|error| Outcome::unreadable(error.to_string()))?;
        let items = page.len();
        let job = self.lines[at].schedule.get_mut(id);
        let taken = job.pages.take(&mut page);
        job.fills.append(&mut page);
        taken?;
        Ok(Outcome::Answered { items, goes_on: false })
    }

    /// One request of those that the symbol table takes: how many it will be is known only by their answers, and each has
    /// to find its weight in the budget.
    fn symbols(&mut self, at: usize, id: JobId) -> Result<Outcome, Outcome> {
        let mut answers = std::mem::take(&mut self.lines[at].schedule.get_mut(id).answers);
        let aliases = std::mem::take(&mut self.aliases);
        let (mut sent, mut limited, mut goes_on) = (false, None, false);
        let read = symbols::read(&aliases, |body| {
            if let Some((_, answer)) = answers.iter().find(|(asked, _)| asked == body) {
                return answer.clone();
            }
            if std::mem::replace(&mut sent, true) {
                goes_on = true;
                return Err("it is asked for next".to_owned());
            }
            let answer = match self.post(at, id, body) {
                Ok(answer) => Ok(answer),
                Err(Outcome::Failed { why, .. }) => Err(why),
                Err(other) => {
                    limited = Some(other);
                    return Err("the budget is spent".to_owned());
                }
            };
            answers.push((body.to_owned(), answer.clone()));
            answer
        });
        self.aliases = aliases;
        let ended = match (limited, read) {
            (Some(limited), _) => Err(limited),
            (None, Ok(table)) => {
                self.say(Answer::Symbols(Box::new(table)));
                Ok(Outcome::Answered { items: 0, goes_on: false })
            }
            (None, Err(_)) if goes_on => Ok(Outcome::Answered { items: 0, goes_on }),
            (None, Err(why)) => {
                match answers.last() {
                    // The others stand.
                    Some((_, Err(_))) => drop(answers.pop()),
                    _ => answers.clear(),
                }
                Err(Outcome::unreadable(why))
            }
        };
        self.lines[at].schedule.get_mut(id).answers = answers;
        ended
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
        if let Some(answer) = job.give_up(why) {
            self.say(answer);
        }
    }
}
