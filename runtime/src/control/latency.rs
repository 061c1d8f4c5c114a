//! Latency from a frame received to its event in the publisher's hands: totals by shard, and an hdr log.
//!
//! The log is in the V2 interval format that HistogramLogProcessor and hdr-plot read: one line per shard and interval,
//! tagged `shard-N`, nanoseconds.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::failure;
use crate::diag::Problem;

/// How often a line per shard is written.
const INTERVAL: Duration = Duration::from_secs(1);
const FILE: &str = "latency.hlog";

/// Totals and log.
#[derive(Default)]
pub struct Latency {
    shards: Vec<Shard>,
    log: Option<Log>,
}

struct Shard {
    total: Histogram<u64>,
    interval: Histogram<u64>,
    tag: String,
}

struct Log {
    path: PathBuf,
    out: BufWriter<File>,
    serializer: V2DeflateSerializer,
    started: Instant,
    interval_start: Instant,
    failed: bool,
}

fn histogram() -> Histogram<u64> {
    Histogram::new(2).expect("two digits are allowed")
}

impl Latency {
    /// Starts a log in `dir`; an earlier one is kept under its time.
    pub fn open(dir: &Path, shard_count: u16) -> Result<Latency, Problem> {
        let path = dir.join(FILE);
        if path.exists() {
            let stamp = crate::lane::clock::wall_now_ns() / 1_000_000_000;
            // Only the log of an earlier run is at stake; a new one replaces it if it cannot be kept.
            let _ = std::fs::rename(&path, dir.join(format!("latency-{stamp}.hlog")));
        }
        let out = File::create(&path).map_err(|error| failure::file(&path, &error))?;
        let mut out = BufWriter::new(out);
        let mut serializer = V2DeflateSerializer::new();
        IntervalLogWriterBuilder::new()
            .add_comment("corelane: frame received to event in the publisher, nanoseconds")
            .with_start_time(SystemTime::now())
            .with_base_time(SystemTime::now())
            .begin_log_with(&mut out, &mut serializer)
            .map_err(|error| failure::file(&path, &error))?;
        let shards = (0..shard_count)
            .map(|at| Shard {
                total: histogram(),
                interval: histogram(),
                tag: format!("shard-{at}"),
            })
            .collect();
        let now = Instant::now();
        let log = Log { path, out, serializer, started: now, interval_start: now, failed: false };
        Ok(Latency { shards, log: Some(log) })
    }

    /// Adds what the publisher measured, by shard.
    pub fn add(&mut self, latency: &[Option<Histogram<u64>>]) {
        for (shard, measured) in self.shards.iter_mut().zip(latency) {
            if let Some(measured) = measured {
                // Both grow as they must.
                shard.total.add(measured).expect("an auto-resizing histogram takes any value");
                shard.interval.add(measured).expect("an auto-resizing histogram takes any value");
            }
        }
    }

    /// Writes the lines that are due. A log that cannot be written is given up, and said once.
    pub fn write_due(&mut self) -> Result<(), Problem> {
        let Some(log) = self.log.as_mut().filter(|log| !log.failed) else { return Ok(()) };
        if log.interval_start.elapsed() < INTERVAL {
            return Ok(());
        }
        match log.write(&mut self.shards) {
            Ok(()) => Ok(()),
            Err(error) => {
                log.failed = true;
                Err(failure::file(&log.path, &error))
            }
        }
    }

    /// Writes what is left.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(log) = self.log.as_mut().filter(|log| !log.failed) else { return Ok(()) };
        log.write(&mut self.shards)
    }

    /// Where the log is.
    pub fn path(&self) -> Option<&Path> {
        self.log.as_ref().map(|log| log.path.as_path())
    }

    /// By shard.
    pub fn totals(&self) -> impl Iterator<Item = &Histogram<u64>> {
        self.shards.iter().map(|shard| &shard.total)
    }

    /// All shards together.
    pub fn total(&self) -> Histogram<u64> {
        let mut all = histogram();
        for total in self.totals() {
            all.add(total).expect("an auto-resizing histogram takes any value");
        }
        all
    }
}

impl Log {
    fn write(&mut self, shards: &mut [Shard]) -> io::Result<()> {
        let start = self.interval_start.duration_since(self.started);
        let length = self.interval_start.elapsed();
        self.interval_start += length;
        for shard in shards.iter_mut().filter(|shard| !shard.interval.is_empty()) {
            let line = self.line(shard, start, length);
            line.map_err(|error| io::Error::other(error.to_string()))?;
            shard.interval.reset();
        }
        self.out.flush()
    }

    fn line(
        &mut self,
        shard: &Shard,
        start: Duration,
        length: Duration,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let tag = Tag::new(&shard.tag).expect("no comma, space or line end");
        // The builder writes a header each time; into nothing, as the file has one.
        let mut sink = Joined { out: &mut self.out, body: false };
        let mut writer =
            IntervalLogWriterBuilder::new().begin_log_with(&mut sink, &mut self.serializer)?;
        writer.write_histogram(&shard.interval, start, length, Some(tag))?;
        Ok(())
    }
}

/// Leaves out the header lines that a log writer begins with.
struct Joined<'a> {
    out: &'a mut BufWriter<File>,
    body: bool,
}

impl Write for Joined<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.body |= bytes.starts_with(b"Tag=");
        if self.body { self.out.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
