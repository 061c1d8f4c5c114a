//! A loop that never sleeps, on the CPU where the kernel's worker for its flushes must run: whether
//! the worker is kept waiting for a tick of the scheduler, and whether a long slice mends that.
//!
//! Each measurement has a thread of its own, pinned, whose io_uring workers are kept on the same CPU.
//! The thread never waits for a completion, it looks; a third one, which sleeps for it, tells how much
//! of what is seen is the machine's. The fdatasync of a linked pair runs in an
//! io_uring worker. The flush of a dsync write runs in a worker of the kernel's own, on the CPU that
//! took the disk's interrupt: where that is another one, there is nothing to see.

use std::path::Path;
use std::time::Instant;

use persist::ring::Flush;
use serde::Serialize;

use super::driver::{Driver, Wait};
use super::failure::BenchError;
use super::plan::{Plan, form_name};
use crate::cli::bench::quantiles::{Quantiles, median, turns};
use crate::lane::slice;
use crate::lane::way::{MOMENT, Way};

/// Flushes of each subject in a round: with 4 ms each, not a second.
const FLUSHES: u64 = 200;
/// One segment of this size holds them all.
const SEGMENT_BYTES: u64 = 4 << 20;

/// How the loop waits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(super) enum Waits {
    /// Asleep in its ring: nothing to be starved by.
    Asleep,
    /// Polling, with the slice that the kernel gives.
    Polling,
    /// Polling, with its slice lengthened.
    PollingLongSlice,
    /// Polling, and sleeping for a moment when a flush is late, as a shard does.
    PollingGivingWay,
    /// Both, as a shard does.
    AsShard,
}

/// What one subject took.
#[derive(Clone, Serialize, Debug)]
pub(super) struct StarvedRow {
    pub(super) flush: &'static str,
    pub(super) waits: Waits,
    /// Whether the kernel kept the workers on the loop's CPU.
    pub(super) worker_kept: bool,
    pub(super) cpu: usize,
    #[serde(flatten)]
    pub(super) times: Quantiles,
    /// Flushes that took longer than a millisecond.
    pub(super) over_1ms: u64,
    /// The first flush of a round, which makes the worker: the median. It is among `times` too.
    pub(super) first_ns: u64,
}

/// Measures all subjects on `cpu`. `dir` is free for what they write.
pub(super) fn measure(plan: &Plan, dir: &Path, cpu: usize) -> Result<Vec<StarvedRow>, BenchError> {
    let all = [
        Waits::Asleep,
        Waits::Polling,
        Waits::PollingLongSlice,
        Waits::PollingGivingWay,
        Waits::AsShard,
    ];
    let subjects: Vec<(Flush, Waits)> =
        plan.forms.iter().flat_map(|form| all.map(|waits| (*form, waits))).collect();
    let mut rounds: Vec<Vec<Found>> = subjects.iter().map(|_| Vec::new()).collect();
    let mut kept = true;
    for round in 0..plan.rounds {
        plan.say(&format!("starvation: round {} of {}", round + 1, plan.rounds));
        for index in turns(subjects.len(), round) {
            plan.go_on()?;
            let (form, waits) = subjects[index];
            let shard = dir.join("starved");
            let found = std::thread::scope(|scope| {
                let thread = scope.spawn(|| on_thread(plan, &shard, form, waits, cpu));
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            std::fs::remove_dir_all(&shard).map_err(BenchError::file(&shard))?;
            kept &= found.worker_kept;
            rounds[index].push(found);
        }
    }
    let row = |((form, waits), rounds): (&(Flush, Waits), &Vec<Found>)| {
        let times: Vec<Quantiles> = rounds.iter().map(|found| found.times).collect();
        Ok(StarvedRow {
            flush: form_name(*form),
            waits: *waits,
            worker_kept: kept,
            cpu,
            times: Quantiles::over(&times).ok_or(BenchError::Nothing)?,
            over_1ms: rounds.iter().map(|found| found.over_1ms).sum(),
            first_ns: median(rounds.iter().map(|found| found.first_ns as f64)) as u64,
        })
    };
    subjects.iter().zip(&rounds).map(row).collect()
}

struct Found {
    times: Quantiles,
    over_1ms: u64,
    first_ns: u64,
    worker_kept: bool,
}

fn on_thread(
    plan: &Plan,
    dir: &Path,
    form: Flush,
    waits: Waits,
    cpu: usize,
) -> Result<Found, BenchError> {
    let mut driver = Driver::create(dir, plan, SEGMENT_BYTES, 1)?;
    driver.set_flush(form);
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
    let worker_kept = driver.ring().keep_workers_on(cpu).is_ok();
    if matches!(waits, Waits::PollingLongSlice | Waits::AsShard) {
        slice::lengthen();
    }
    let gives_way = matches!(waits, Waits::PollingGivingWay | Waits::AsShard);
    let wait = if waits == Waits::Asleep { Wait::FOR_COMPLETION } else { Wait::Look };
    let mut samples = Vec::with_capacity(FLUSHES as usize);
    for _ in 0..FLUSHES.min(plan.records) {
        let started = Instant::now();
        let seq = driver.push();
        if !driver.submit()? {
            return Err(BenchError::NoRoom);
        }
        let mut way = Way::default();
        way.note(true, 0);
        while driver.durable_seq() < seq {
            let is_late = gives_way && way.is_due(started.elapsed().as_nanos() as u64);
            driver.turn(if is_late { Wait::Sleep(MOMENT) } else { wait })?;
        }
        samples.push(started.elapsed().as_nanos() as u64);
    }
    let first_ns = *samples.first().ok_or(BenchError::Nothing)?;
    let over_1ms = samples.iter().filter(|ns| **ns > 1_000_000).count() as u64;
    let times = Quantiles::of(&mut samples).ok_or(BenchError::Nothing)?;
    Ok(Found { times, over_1ms, first_ns, worker_kept })
}
