//! How many records are durable a second: by batch size, form of flush and writes in flight, each
//! beside as many bytes per flush written without a journal.
//!
//! A measurement ends after its time, its records, or the bytes for which segments were prepared,
//! whatever comes first; the time until the last record is durable counts.

use std::time::{Duration, Instant};

use persist::ring::Flush;
use serde::Serialize;

use super::Bed;
use super::driver::{Driver, Wait};
use super::failure::BenchError;
use super::plan::{Plan, form_name};
use crate::cli::bench::cpu::CpuTime;
use crate::cli::bench::quantiles::{median, turns};

/// Records that a busy shard takes between two looks at its completions.
const RECORDS_PER_TURN: u64 = 64;

/// When a batch is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Batching {
    /// When it has so many records.
    Count(usize),
    /// As soon as one more may be in flight: what the node does.
    Natural,
}

/// What one combination gave: medians over rounds.
#[derive(Clone, Serialize, Debug)]
pub(super) struct ThroughputRow {
    pub(super) flush: &'static str,
    pub(super) in_flight: usize,
    /// `None`: natural batching at full speed.
    pub(super) per_flush: Option<usize>,
    pub(super) records_per_s: f64,
    pub(super) bytes_per_s: f64,
    pub(super) flushes_per_s: f64,
    pub(super) records_per_flush: f64,
    pub(super) bare_bytes_per_s: f64,
    /// Journal by bare.
    pub(super) ratio: f64,
    pub(super) cpu_thread_ns_per_record: f64,
    pub(super) cpu_process_ns_per_record: f64,
}

struct Cell {
    form: Flush,
    in_flight: usize,
    batching: Batching,
    rounds: Vec<Round>,
}

#[derive(Clone, Copy)]
struct Round {
    records: f64,
    flushes: f64,
    bytes: f64,
    seconds: f64,
    cpu: CpuTime,
    bare_bytes_per_s: f64,
}

/// Measures all combinations.
pub(super) fn measure(plan: &Plan, bed: &mut Bed) -> Result<Vec<ThroughputRow>, BenchError> {
    let mut cells = Vec::new();
    for form in &plan.forms {
        for in_flight in &plan.in_flight {
            let counted = plan.per_flush.iter().map(|count| Batching::Count(*count));
            for batching in counted.chain([Batching::Natural]) {
                let rounds = Vec::new();
                cells.push(Cell { form: *form, in_flight: *in_flight, batching, rounds });
            }
        }
    }
    for round in 0..plan.rounds {
        plan.say(&format!("throughput: round {} of {}", round + 1, plan.rounds));
        for index in turns(cells.len(), round) {
            plan.go_on()?;
            let cell = &mut cells[index];
            let found = round_of(cell, plan, bed)?;
            cell.rounds.push(found);
        }
    }
    Ok(cells.iter().map(row).collect())
}

fn round_of(cell: &Cell, plan: &Plan, bed: &mut Bed) -> Result<Round, BenchError> {
    let driver = bed.driver(cell.in_flight);
    driver.stock()?;
    driver.set_flush(cell.form);
    let limit = Limit {
        time: plan.cell_time(),
        records: plan.records,
        // The journal keeps three segments ahead, and a batch has at most an eighth of one: what is in
        // flight at the end, and what does not fit before the ends of segments, take less than the
        // third.
        bytes: 2 * plan.segment_bytes,
    };
    let (before, written) = (CpuTime::now(), driver.written());
    let started = Instant::now();
    let records = match cell.batching {
        Batching::Count(count) => by_count(driver, count, cell.in_flight, limit)?,
        Batching::Natural => naturally(driver, limit)?,
    };
    driver.settle()?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = CpuTime::now() - before;
    let now = driver.written();
    let (flushes, bytes) = (now.flushes - written.flushes, now.bytes - written.bytes);
    bed.bare.set_flush(cell.form);
    let per_flush = (bytes / flushes.max(1)) as usize;
    let bare_bytes_per_s = bare(bed, per_flush, cell.in_flight, limit)?;
    let (records, flushes, bytes) = (records as f64, flushes as f64, bytes as f64);
    Ok(Round { records, flushes, bytes, seconds, cpu, bare_bytes_per_s })
}

/// When a measurement ends.
#[derive(Clone, Copy)]
struct Limit {
    time: Duration,
    records: u64,
    bytes: u64,
}

/// Batches of `count`, as many in flight as may be. Records that were pushed.
fn by_count(
    driver: &mut Driver,
    count: usize,
    in_flight: usize,
    limit: Limit,
) -> Result<u64, BenchError> {
    let (started, before) = (Instant::now(), driver.written().bytes);
    let mut pushed = 0;
    while started.elapsed() < limit.time
        && pushed < limit.records
        && driver.written().bytes - before < limit.bytes
    {
        while driver.flights() < in_flight {
            for _ in 0..count {
                driver.push();
            }
            pushed += count as u64;
            if !driver.submit()? {
                return Err(BenchError::NoRoom);
            }
        }
        driver.turn(Wait::FOR_COMPLETION)?;
    }
    Ok(pushed)
}

/// As a busy shard does: records as long as there is room, a batch whenever one more may be in
/// flight. Records that were pushed.
fn naturally(driver: &mut Driver, limit: Limit) -> Result<u64, BenchError> {
    let (started, before) = (Instant::now(), driver.written().bytes);
    let mut pushed = 0;
    while started.elapsed() < limit.time
        && pushed < limit.records
        && driver.written().bytes - before < limit.bytes
    {
        let mut taken = 0;
        while taken < RECORDS_PER_TURN && driver.has_room() {
            driver.push();
            taken += 1;
        }
        pushed += taken;
        while driver.submit()? {}
        driver.turn(if driver.has_room() { Wait::Look } else { Wait::FOR_COMPLETION })?;
    }
    Ok(pushed)
}

/// Bytes a second without a journal.
fn bare(bed: &mut Bed, bytes: usize, in_flight: usize, limit: Limit) -> Result<f64, BenchError> {
    let started = Instant::now();
    let mut written = 0;
    while started.elapsed() < limit.time && written < limit.bytes {
        while bed.bare.in_flight() < in_flight {
            bed.bare.submit(bytes)?;
            written += bytes as u64;
        }
        bed.bare.turn(Wait::FOR_COMPLETION)?;
    }
    bed.bare.settle()?;
    Ok(written as f64 / started.elapsed().as_secs_f64())
}

fn row(cell: &Cell) -> ThroughputRow {
    let middle = |of: fn(&Round) -> f64| median(cell.rounds.iter().map(of));
    ThroughputRow {
        flush: form_name(cell.form),
        in_flight: cell.in_flight,
        per_flush: match cell.batching {
            Batching::Count(count) => Some(count),
            Batching::Natural => None,
        },
        records_per_s: middle(|round| round.records / round.seconds),
        bytes_per_s: middle(|round| round.bytes / round.seconds),
        flushes_per_s: middle(|round| round.flushes / round.seconds),
        records_per_flush: middle(|round| round.records / round.flushes),
        bare_bytes_per_s: middle(|round| round.bare_bytes_per_s),
        ratio: middle(|round| round.bytes / round.seconds / round.bare_bytes_per_s),
        cpu_thread_ns_per_record: middle(|r| r.cpu.thread.as_nanos() as f64 / r.records),
        cpu_process_ns_per_record: middle(|r| r.cpu.process.as_nanos() as f64 / r.records),
    }
}
