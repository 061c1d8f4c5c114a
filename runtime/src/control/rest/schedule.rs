//! What is asked next of one server from one address, and when: priorities, the weight budget, retries.
//!
//! Pure: times are milliseconds of a clock that the worker reads. Back-fills go before order statuses and those before
//! the symbol table; within one kind the oldest goes first. Waiting for the budget is no failure and does not count
//! as one; it is told when it begins and when nothing waits any more. A thousand back-fills at once, after a break of a
//! source without snapshots, take 18 minutes at the public budget: cores wait for them, and what is given up is a gap.

use net::backoff::Backoff;
use net::hyperliquid::pages::Pages;
use net::hyperliquid::weight::{Budget, RequestKind, most_of, weight_of, weight_of_items};
use shards::Fill;

use super::Job;

/// For how long a job is tried, pauses between attempts included and waiting for the budget not.
const TRIED_MS_MAX: u64 = 150_000;
/// For how long a job may wait and be tried: three times a thousand back-fills. A core that gives up before, because fills
/// wait, still takes what a late answer brings; its next question is a repetition of this one, which then goes on to
/// the newest fill.
const BACKFILL_MS_MAX: u64 = 3_600_000;
/// Of any other job: it is of no use later, or asked for again.
const OTHER_MS_MAX: u64 = 290_000;
/// A shorter wait for the budget is not worth a word.
const TOLD_MS_MIN: u64 = 1_000;

/// Names a job that is scheduled; rises, so it is also its age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct JobId(u64);

/// A job that is not done.
#[derive(Debug)]
pub(super) struct Scheduled {
    id: JobId,
    pub(super) job: Job,
    /// Index of the source over which it is asked.
    pub(super) source: usize,
    /// Of a back-fill: its pages, and what they have brought.
    pub(super) pages: Pages,
    pub(super) fills: Vec<Fill>,
    /// Of the symbol table: what was asked and answered, in order.
    pub(super) answers: Vec<(String, Result<Vec<u8>, String>)>,
    since_ms: u64,
    due_ms: u64,
    tried_ms: u64,
    backoff: Backoff,
    why: Option<String>,
    /// Asked for again since the last request was sent: its answer may be too old to be the last.
    asked_again: bool,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Ask: its weight is taken.
    Ask(JobId),
    /// Nothing before this time.
    Until(u64),
    /// Nothing.
    Idle,
}

/// Something to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::control) enum Said {
    /// Jobs wait for the budget.
    Waits {
        /// Back-fills among them.
        backfills: usize,
        /// Others among them.
        others: usize,
        /// Until the next one may go.
        wait_ms: u64,
        /// Until all have gone, if each is answered by one short page.
        all_ms: u64,
        /// Whether the server said that the budget is spent, and not our own count.
        refused: bool,
    },
    /// Nothing waits for the budget any more.
    GoesOn {
        /// How long that took.
        after_ms: u64,
    },
}

/// The jobs of sources that share a budget.
#[derive(Debug)]
pub(super) struct Schedule {
    jobs: Vec<Scheduled>,
    budget: Budget,
    next_id: u64,
    seed: u64,
    /// After a refusal: not before this time, and how long the next pause will be.
    paused_until_ms: u64,
    pauses: Backoff,
    /// Since when waiting for the budget has been told.
    told_since_ms: Option<u64>,
    said: Option<Said>,
}

impl Scheduled {
    /// When it has waited for too long.
    fn ends_ms(&self) -> u64 {
        self.since_ms
            + match self.job {
                Job::Backfill { .. } => BACKFILL_MS_MAX,
                Job::Status { .. } | Job::Symbols => OTHER_MS_MAX,
            }
    }
}

fn class_of(job: &Job) -> u8 {
    match job {
        Job::Backfill { .. } => 0,
        Job::Status { .. } => 1,
        Job::Symbols => 2,
    }
}

/// The most that the next request of a job weighs.
fn taken_for(job: &Job) -> u32 {
    match job {
        Job::Backfill { .. } => most_of(RequestKind::Fills),
        Job::Status { .. } => most_of(RequestKind::OrderStatus),
        Job::Symbols => most_of(RequestKind::Other),
    }
}

/// What the next request of a job weighs that is answered by a short page, or refused.
fn least_for(job: &Job) -> u32 {
    match job {
        Job::Backfill { .. } => weight_of(RequestKind::Fills) + 1,
        other => taken_for(other),
    }
}

/// What a job weighs that is answered as most are.
fn usual_weight(job: &Job) -> u32 {
    match job {
        // `spotMeta` and `allPerpMetas`.
        Job::Symbols => 2 * taken_for(job),
        other => least_for(other),
    }
}

impl Schedule {
    /// Nothing to do, nothing spent.
    pub(super) fn new(weight_per_minute: u32, seed: u64) -> Schedule {
        Schedule {
            jobs: Vec::new(),
            budget: Budget::new(weight_per_minute),
            next_id: 0,
            seed,
            paused_until_ms: 0,
            pauses: Backoff::new(seed),
            told_since_ms: None,
            said: None,
        }
    }

    /// One more job. Cores ask again for what they still need: what waits already is not asked for twice.
    pub(super) fn push(&mut self, source: usize, job: Job, now_ms: u64) {
        if let Some(known) = self.jobs.iter_mut().find(|known| known.job.repeats(&job)) {
            known.asked_again = true;
            // More is missing than was thought: what was read so far begins too late.
            if let (Job::Backfill { from_ms: known_ms, .. }, Job::Backfill { from_ms, .. }) =
                (&known.job, &job)
                && from_ms < known_ms
            {
                (known.pages, known.asked_again) = (Pages::new(*from_ms), false);
                known.job = job;
            }
            return;
        }
        let from_ms = if let Job::Backfill { from_ms, .. } = &job { *from_ms } else { 0 };
        let id = self.next_id;
        self.next_id += 1;
        self.jobs.push(Scheduled {
            id: JobId(id),
            job,
            source,
            answers: Vec::new(),
            pages: Pages::new(from_ms),
            fills: Vec::new(),
            since_ms: now_ms,
            due_ms: now_ms,
            tried_ms: 0,
            backoff: Backoff::new(self.seed.wrapping_add(id)),
            why: None,
            asked_again: false,
        });
    }

    /// What to do now. Call [`Schedule::expired`] first.
    pub(super) fn next(&mut self, now_ms: u64) -> Next {
        let due = self.jobs.iter().filter(|job| job.due_ms <= now_ms);
        let Some(first) = due.min_by_key(|job| (class_of(&job.job), job.id)) else {
            self.waits_no_more(now_ms);
            let soonest = self.jobs.iter().map(|job| job.due_ms).min();
            return soonest.map_or(Next::Idle, Next::Until);
        };
        let (id, weight) = (first.id, taken_for(&first.job));
        let paused_ms = self.paused_until_ms.saturating_sub(now_ms);
        let wait_ms = match paused_ms {
            0 => self.budget.take(now_ms, weight).err().unwrap_or(0),
            _ => paused_ms,
        };
        if wait_ms > 0 {
            self.waits(now_ms, wait_ms, paused_ms > 0);
            // At the latest when the oldest has waited for too long.
            let oldest = self.jobs.iter().map(Scheduled::ends_ms).min();
            return Next::Until((now_ms + wait_ms).min(oldest.unwrap_or(u64::MAX)));
        }
        self.get_mut(id).asked_again = false;
        Next::Ask(id)
    }

    /// A job that is scheduled.
    pub(super) fn get_mut(&mut self, id: JobId) -> &mut Scheduled {
        let found = self.jobs.iter_mut().find(|job| job.id == id);
        found.expect("an id is given out for a job that is scheduled, and dropped with it")
    }

    /// The answer has come, with this many items.
    pub(super) fn answered(&mut self, id: JobId, now_ms: u64, items: usize) {
        let job = &self.get_mut(id).job;
        let taken = taken_for(job);
        let weighs = match job {
            Job::Backfill { .. } => {
                weight_of(RequestKind::Fills) + weight_of_items(RequestKind::Fills, items)
            }
            _ => taken,
        };
        self.budget.settle(now_ms, taken, weighs);
        self.pauses.reset();
        let job = self.get_mut(id);
        // A page was had: what comes is a new request, and the server works.
        job.tried_ms = 0;
        job.backoff.reset();
    }

    /// Whether a back-fill that has its last page is done; if it was asked for meanwhile, its pages go on.
    pub(super) fn is_done(&mut self, id: JobId) -> bool {
        let job = self.get_mut(id);
        if job.pages.is_done() && job.asked_again {
            job.pages.go_on();
        }
        job.pages.is_done()
    }

    /// The job is over.
    pub(super) fn remove(&mut self, id: JobId) -> Scheduled {
        let at = self.jobs.iter().position(|job| job.id == id);
        self.jobs.swap_remove(at.expect("an id is dropped with its job"))
    }

    /// The server says that the budget is spent: others share the address, or it counts otherwise. That is no failure of the
    /// job. It is asked again after a pause that doubles up to half a minute; a whole minute would hold an account's signals
    /// for that long where one refusal was a hiccup.
    pub(super) fn limited(&mut self, id: JobId, now_ms: u64, retry_after_ms: Option<u64>) {
        let job = &self.get_mut(id).job;
        // A refusal is a request too; whether it weighs is not documented.
        let (taken, weighs) = (taken_for(job), least_for(job));
        self.budget.settle(now_ms, taken, weighs);
        let pause_ms = self.pauses.next_ms().max(retry_after_ms.unwrap_or(0));
        self.paused_until_ms = now_ms + pause_ms;
        self.get_mut(id).why = Some("the server answers 429, too many requests".to_owned());
    }

    /// The request failed after this time; `may_be_counted` is whether the venue may have counted a whole answer. Says
    /// when it is tried again; `None` when it is not.
    pub(super) fn failed(
        &mut self,
        id: JobId,
        now_ms: u64,
        took_ms: u64,
        why: &str,
        may_be_counted: bool,
    ) -> Option<u64> {
        let job = &self.get_mut(id).job;
        let taken = taken_for(job);
        let weighs = if may_be_counted { taken } else { least_for(job) };
        self.budget.settle(now_ms, taken, weighs);
        let job = self.get_mut(id);
        let wait_ms = job.backoff.next_ms();
        job.tried_ms += took_ms + wait_ms;
        job.due_ms = now_ms + wait_ms;
        job.why = Some(why.to_owned());
        (job.tried_ms < TRIED_MS_MAX).then_some(wait_ms)
    }

    /// A job that has waited for too long, with the reason. Call it until there is none.
    pub(super) fn expired(&mut self, now_ms: u64) -> Option<(Scheduled, String)> {
        let old = |job: &Scheduled| now_ms >= job.ends_ms();
        let at = self.jobs.iter().position(old)?;
        let job = self.jobs.swap_remove(at);
        let (waiting, budget) = (self.jobs.len(), self.budget.per_minute());
        let held_s = (job.ends_ms() - job.since_ms) / 1000;
        let why = match &job.why {
            Some(why) => format!("not answered within {held_s} s: {why}"),
            None => format!(
                "it waited {held_s} s for the REST budget of {budget} a minute, {waiting} others wait too"
            ),
        };
        Some((job, why))
    }

    /// What is to be told, once.
    pub(super) fn said(&mut self) -> Option<Said> {
        self.said.take()
    }

    fn waits(&mut self, now_ms: u64, wait_ms: u64, refused: bool) {
        if self.told_since_ms.is_some() || wait_ms < TOLD_MS_MIN {
            return;
        }
        self.told_since_ms = Some(now_ms);
        let due = || self.jobs.iter().filter(|job| job.due_ms <= now_ms);
        let backfills = due().filter(|job| matches!(job.job, Job::Backfill { .. })).count();
        let others = due().count() - backfills;
        let weight: u64 = due().map(|job| u64::from(usual_weight(&job.job))).sum();
        let all_ms = wait_ms + weight * 60_000 / self.budget.per_minute();
        self.said = Some(Said::Waits { backfills, others, wait_ms, all_ms, refused });
    }

    fn waits_no_more(&mut self, now_ms: u64) {
        if let Some(since_ms) = self.told_since_ms.take() {
            self.said = Some(Said::GoesOn { after_ms: now_ms.saturating_sub(since_ms) });
        }
    }
}

#[cfg(test)]
mod tests;
