//! Records at a fixed rate: the time from when a record was due to when it is durable.
//!
//! A record that could not be taken when it was due waits, and its time runs: what is slow is not
//! asked less often for it. What was due, what the journal took and what was durable when the time
//! was over are counted apart.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use persist::ring::Flush;
use serde::Serialize;

use super::Bed;
use super::driver::{Driver, Wait};
use super::failure::BenchError;
use super::plan::{Plan, form_name};
use crate::cli::bench::cpu::CpuTime;
use crate::cli::bench::quantiles::{Quantiles, median, turns};

/// What one combination gave.
#[derive(Clone, Serialize, Debug)]
pub(super) struct OpenLoopRow {
    pub(super) flush: &'static str,
    pub(super) in_flight: usize,
    /// Records that were due, over all rounds.
    pub(super) submitted: u64,
    /// Of those, taken by the journal within the time.
    pub(super) accepted: u64,
    /// Of those, durable within the time.
    pub(super) durable: u64,
    #[serde(flatten)]
    pub(super) times: Quantiles,
    pub(super) records_per_flush: f64,
    pub(super) cpu_thread_us_per_record: f64,
    pub(super) cpu_process_us_per_record: f64,
}

struct Case {
    form: Flush,
    in_flight: usize,
    rounds: Vec<Round>,
}

struct Round {
    submitted: u64,
    accepted: u64,
    durable: u64,
    times: Quantiles,
    flushes: u64,
    cpu: CpuTime,
}

/// Measures all combinations.
pub(super) fn measure(plan: &Plan, bed: &mut Bed) -> Result<Vec<OpenLoopRow>, BenchError> {
    let mut cases: Vec<Case> = plan
        .forms
        .iter()
        .flat_map(|form| {
            let case = |in_flight| Case { form: *form, in_flight, rounds: Vec::new() };
            plan.in_flight.iter().map(move |in_flight| case(*in_flight))
        })
        .collect();
    for round in 0..plan.rounds {
        plan.say(&format!("open loop: round {} of {}", round + 1, plan.rounds));
        for index in turns(cases.len(), round) {
            plan.go_on()?;
            let case = &mut cases[index];
            let driver = bed.driver(case.in_flight);
            driver.set_flush(case.form);
            driver.stock()?;
            let found = round_of(driver, plan)?;
            driver.stock()?;
            case.rounds.push(found);
        }
    }
    cases.iter().map(row).collect()
}

/// Records that are due one after the other.
struct Schedule {
    start: Instant,
    rate: u32,
    count: u64,
}

impl Schedule {
    /// As many as the time has room for, at least one.
    fn new(start: Instant, rate: u32, time: Duration, records: u64) -> Schedule {
        let count = (time.as_secs_f64() * f64::from(rate)) as u64;
        Schedule { start, rate, count: count.clamp(1, records) }
    }

    /// When a record, from 0, is due.
    fn due(&self, index: u64) -> Instant {
        let ns = u128::from(index) * 1_000_000_000 / u128::from(self.rate);
        self.start + Duration::from_nanos(ns as u64)
    }

    /// How many are due at `now`.
    fn due_by(&self, now: Instant) -> u64 {
        let ns = now.saturating_duration_since(self.start).as_nanos();
        let passed = ns * u128::from(self.rate) / 1_000_000_000;
        self.count.min(passed as u64 + 1)
    }

    /// When the time is over.
    fn end(&self) -> Instant {
        self.due(self.count)
    }
}

/// Records on their way, oldest first: when each was due, and its seq.
struct Flow {
    waiting: VecDeque<(Instant, u64)>,
    samples: Vec<u64>,
    accepted: u64,
}

impl Flow {
    fn take_due(&mut self, driver: &mut Driver, schedule: &Schedule, due: u64) {
        while self.accepted < due && driver.has_room() {
            let seq = driver.push();
            self.waiting.push_back((schedule.due(self.accepted), seq));
            self.accepted += 1;
        }
    }

    fn see_durable(&mut self, durable_seq: u64, now: Instant) {
        while let Some((due, _)) = self.waiting.front().filter(|(_, seq)| *seq <= durable_seq) {
            self.samples.push(now.saturating_duration_since(*due).as_nanos() as u64);
            self.waiting.pop_front();
        }
    }
}

fn round_of(driver: &mut Driver, plan: &Plan) -> Result<Round, BenchError> {
    let (before, written) = (CpuTime::now(), driver.written());
    let schedule = Schedule::new(Instant::now(), plan.rate, plan.loop_time(), plan.records);
    let mut flow = Flow {
        waiting: VecDeque::with_capacity(1 << 16),
        samples: Vec::with_capacity(schedule.count as usize),
        accepted: 0,
    };
    let end = schedule.end();
    loop {
        let now = Instant::now();
        flow.see_durable(driver.durable_seq(), now);
        if now >= end {
            break;
        }
        flow.take_due(driver, &schedule, schedule.due_by(now));
        while driver.submit()? {}
        driver.roll()?;
        // Until the next is due, or the end; a record that finds no room waits for a completion.
        let next = if driver.has_room() { schedule.due(flow.accepted) } else { end };
        let pause = next.min(end).saturating_duration_since(Instant::now());
        driver.turn(if pause.is_zero() { Wait::Look } else { Wait::Sleep(pause) })?;
    }
    let (accepted, durable) = (flow.accepted, flow.samples.len() as u64);
    let cpu = CpuTime::now() - before;
    // The rest counts too, or the slowest would be left out.
    while flow.samples.len() < schedule.count as usize {
        flow.take_due(driver, &schedule, schedule.count);
        while driver.submit()? {}
        driver.stock()?;
        driver.turn(if driver.flights() > 0 { Wait::FOR_COMPLETION } else { Wait::Look })?;
        flow.see_durable(driver.durable_seq(), Instant::now());
    }
    driver.settle()?;
    Ok(Round {
        submitted: schedule.count,
        accepted,
        durable,
        times: Quantiles::of(&mut flow.samples).ok_or(BenchError::Nothing)?,
        flushes: driver.written().flushes - written.flushes,
        cpu,
    })
}

fn row(case: &Case) -> Result<OpenLoopRow, BenchError> {
    let sum = |of: fn(&Round) -> u64| case.rounds.iter().map(of).sum::<u64>();
    let middle = |of: fn(&Round) -> f64| median(case.rounds.iter().map(of));
    let times: Vec<Quantiles> = case.rounds.iter().map(|round| round.times).collect();
    Ok(OpenLoopRow {
        flush: form_name(case.form),
        in_flight: case.in_flight,
        submitted: sum(|round| round.submitted),
        accepted: sum(|round| round.accepted),
        durable: sum(|round| round.durable),
        times: Quantiles::over(&times).ok_or(BenchError::Nothing)?,
        records_per_flush: middle(|r| r.submitted as f64 / r.flushes.max(1) as f64),
        cpu_thread_us_per_record: middle(|r| r.cpu.thread.as_secs_f64() * 1e6 / r.accepted as f64),
        cpu_process_us_per_record: middle(|r| {
            r.cpu.process.as_secs_f64() * 1e6 / r.accepted as f64
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_at_the_rate_whatever_became_of_those_before() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 10_000, Duration::from_secs(1), 1_000_000);
        assert_eq!(schedule.count, 10_000);
        assert_eq!(schedule.due_by(start), 1);
        assert_eq!(schedule.due_by(start + Duration::from_micros(99)), 1);
        assert_eq!(schedule.due_by(start + Duration::from_micros(100)), 2);
        assert_eq!(schedule.due_by(start + Duration::from_secs(9)), 10_000);
        assert_eq!(schedule.due(10_000), schedule.end());
        for index in [0, 1, 17, 9_999] {
            assert_eq!(schedule.due_by(schedule.due(index)), index + 1, "{index}");
        }
        assert_eq!(Schedule::new(start, 10_000, Duration::from_secs(1), 7).count, 7);
        assert_eq!(Schedule::new(start, 1, Duration::from_millis(1), 7).count, 1);
    }

    #[test]
    fn a_record_that_waited_is_timed_from_when_it_was_due() {
        let start = Instant::now();
        let mut flow = Flow { waiting: VecDeque::new(), samples: Vec::new(), accepted: 3 };
        for (due_us, seq) in [(0, 5), (100, 6), (200, 7)] {
            flow.waiting.push_back((start + Duration::from_micros(due_us), seq));
        }
        // The journal stalled for a millisecond; two of the three are durable then.
        flow.see_durable(6, start + Duration::from_micros(1000));
        assert_eq!(flow.samples, [1_000_000, 900_000]);
        assert_eq!(flow.waiting.len(), 1);
    }
}
