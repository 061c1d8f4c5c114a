//! How fast a journal is read back, and what of that is reading, what is checking, what is walking.
//!
//! The journal is written around the page cache, so the first replay reads the disk and the later
//! ones the cache. The parts are timed in a pass of their own over the same files, batch by batch:
//! read as recovery reads, check (checksum and one walk), walk. What they leave of the whole is the
//! chain, the caller's closure, and the look at what lies behind the end.

use std::fs::File;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use persist::batch::{self, Place, Records};
use persist::block::BLOCK_BYTES;
use persist::ring::Flush;
use persist::segment;
use serde::Serialize;

use super::driver::{Driver, Wait};
use super::failure::BenchError;
use super::plan::Plan;
use crate::cli::bench::quantiles::median;

/// Bytes that recovery reads at a time.
const AHEAD_BYTES: usize = 1 << 20;
/// Records of a batch, where they fit: neither the smallest that a journal holds, nor the largest.
const PER_FLUSH: usize = 1024;

/// What recovery took.
#[derive(Clone, Serialize, Debug)]
pub(super) struct Recovery {
    pub(super) records: u64,
    pub(super) batches: u64,
    /// Of all segments, as far as they are written.
    pub(super) bytes: u64,
    /// The first replay: from the disk.
    pub(super) cold_records_per_s: f64,
    /// The median of the later ones: from the page cache.
    pub(super) records_per_s: f64,
    pub(super) total_ns_per_record: f64,
    /// Reading alone, from the page cache.
    pub(super) read_ns_per_record: f64,
    /// The checksum alone: checking less the walk that is part of it.
    pub(super) checksum_ns_per_record: f64,
    /// Recovery walks each batch twice: to check it, and to hand its records over.
    pub(super) walks_ns_per_record: f64,
    /// What is left of the whole: most of it for looking through what lies behind the end, up to
    /// four segments however long the journal is.
    pub(super) rest_ns_per_record: f64,
    /// The largest of the four.
    pub(super) limit: &'static str,
}

/// Writes a journal in `dir` and reads it back.
pub(super) fn measure(plan: &Plan, dir: &Path) -> Result<Recovery, BenchError> {
    plan.say(&format!("recovery: writing {} records", plan.records));
    write(plan, dir)?;
    let replay = || -> Result<(u64, u64, Duration), BenchError> {
        plan.go_on()?;
        let started = Instant::now();
        let replayed = persist::open::replay(dir, &mut |record| {
            black_box(record.body);
            ControlFlow::Continue(())
        })?;
        let time = started.elapsed();
        let (found, expected) = (replayed.records, plan.records);
        if found != expected {
            return Err(BenchError::Lost { found, expected });
        }
        Ok((replayed.records, replayed.batches, time))
    };
    plan.say("recovery: reading");
    let (records, batches, cold) = replay()?;
    let mut times = Vec::new();
    let mut parts = Vec::new();
    for _ in 0..plan.rounds {
        times.push(replay()?.2);
        parts.push(Parts::measure(dir)?);
    }
    let per_record = |seconds: f64| seconds * 1e9 / records as f64;
    let middle = |of: fn(&Parts) -> Duration| {
        per_record(median(parts.iter().map(|part| of(part).as_secs_f64())))
    };
    let total = median(times.iter().map(Duration::as_secs_f64));
    let (read, count) = (middle(|parts| parts.read), middle(|parts| parts.count));
    let checksum = (middle(|parts| parts.check) - count).max(0.0);
    let walks = count + middle(|parts| parts.walk);
    let rest = (per_record(total) - read - checksum - walks).max(0.0);
    let mut shares = [
        (read, "reading"),
        (checksum, "the checksum"),
        (walks, "walking the records"),
        (rest, "the rest"),
    ];
    shares.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(Recovery {
        records,
        batches,
        bytes: parts.first().map_or(0, |parts| parts.bytes),
        cold_records_per_s: records as f64 / cold.as_secs_f64(),
        records_per_s: records as f64 / total,
        total_ns_per_record: per_record(total),
        read_ns_per_record: read,
        checksum_ns_per_record: checksum,
        walks_ns_per_record: walks,
        rest_ns_per_record: rest,
        limit: shares[0].1,
    })
}

fn write(plan: &Plan, dir: &Path) -> Result<(), BenchError> {
    let mut driver = Driver::create(dir, plan, plan.segment_bytes, 2)?;
    driver.keep_all();
    driver.set_flush(Flush::Dsync);
    let per_flush = PER_FLUSH.min(plan.per_flush_max()) as u64;
    let mut left = plan.records;
    while left > 0 {
        plan.go_on()?;
        let now = left.min(per_flush);
        (0..now).for_each(|_| {
            driver.push();
        });
        left -= now;
        while !driver.submit()? {
            if driver.flights() > 0 {
                driver.turn(Wait::FOR_COMPLETION)?;
            } else {
                driver.stock()?;
            }
        }
        driver.roll()?;
    }
    driver.settle()
}

/// The parts of one replay, each by itself.
struct Parts {
    bytes: u64,
    read: Duration,
    check: Duration,
    /// A walk that only counts, as it is part of the check.
    count: Duration,
    /// A walk that hands records over.
    walk: Duration,
}

impl Parts {
    fn measure(dir: &Path) -> Result<Parts, BenchError> {
        let [read, check, count, walk] = [Duration::ZERO; 4];
        let mut parts = Parts { bytes: 0, read, check, count, walk };
        let mut window = Vec::new();
        for index in 1.. {
            let path = segment::path_of(dir, index);
            let Ok(file) = File::open(&path) else { break };
            parts.segment(&file, &path, index, &mut window)?;
        }
        Ok(parts)
    }

    /// One segment, batch by batch: what a part costs depends on what the one before it has left in
    /// the CPU's caches, so they follow each other as they do in recovery.
    fn segment(
        &mut self,
        file: &File,
        path: &Path,
        index: u64,
        window: &mut Vec<u8>,
    ) -> Result<(), BenchError> {
        let len = file.metadata().map_err(BenchError::file(path))?.len() as usize;
        window.resize(AHEAD_BYTES.min(len), 0);
        let (mut at, mut start, mut filled) = (0, 0, 0);
        while at < len {
            let header = batch::peek(&window[at - start..filled]).map(|(header, _)| header);
            let bytes = header.map_or(BLOCK_BYTES, |header| header.padded_bytes());
            if at - start + bytes > filled {
                // Either nothing is read yet, or the batch goes beyond what is: read on from here.
                let began = Instant::now();
                (start, filled) = (at, window.len().min(len - at));
                file.read_exact_at(&mut window[..filled], at as u64)
                    .map_err(BenchError::file(path))?;
                self.read += began.elapsed();
            }
            match self.batch(&window[at - start..filled], index, at as u64) {
                Some(bytes) => at += bytes,
                None => break,
            }
        }
        self.bytes += at as u64;
        Ok(())
    }

    /// The batch at the start of `bytes`: its length, if there is one.
    fn batch(&mut self, bytes: &[u8], segment: u64, offset: u64) -> Option<usize> {
        let began = Instant::now();
        let (header, _) = batch::check(bytes, Place { segment, offset }).ok()?;
        let checked = Instant::now();
        black_box(Records::new(&header, bytes).count());
        let counted = Instant::now();
        Records::new(&header, bytes).for_each(|record| {
            black_box(record.body);
        });
        self.walk += counted.elapsed();
        self.count += counted - checked;
        self.check += checked - began;
        Some(header.padded_bytes())
    }
}
