//! The two checks: what the database holds against what the simulator knows, and a second process's replay against the
//! state at the end.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::exchange::Exchange;
use crate::cli::args::DemoArgs;
use crate::cli::replay::{ShardReplay, hash_text};
use crate::cli::{floor, truth};
use crate::control::Ended;
use crate::control::latency::Latency;
use crate::diag::{Problem, reason};

/// What the demo found.
#[derive(Serialize, Debug)]
pub(super) struct Verdict {
    pub(super) seed: u64,
    pub(super) addresses: usize,
    pub(super) shards: u16,
    pub(super) fills_sent: u64,
    pub(super) fills_seen: u64,
    pub(super) legs_expected: u64,
    pub(super) legs_seen: u64,
    pub(super) signals: u64,
    /// Deliveries to the database that repeated an earlier one; only a restart makes them, and they change nothing.
    pub(super) repeated: u64,
    /// Legs with more than the truth, and signals whose id came twice with different content.
    pub(super) duplicates: u64,
    /// Legs with less than the truth.
    pub(super) lost: u64,
    pub(super) gaps: u64,
    pub(super) reconnects: u64,
    pub(super) backfills: u64,
    pub(super) duplicates_dropped: u64,
    pub(super) differences: Vec<String>,
    pub(super) caught_up: bool,
    pub(super) truth_passed: bool,
    pub(super) replay: Vec<ReplayCheck>,
    pub(super) replay_passed: bool,
    pub(super) first_signal_ms: Option<u64>,
    pub(super) latency_ns: Vec<LatencyLine>,
    /// One 4-KiB write and fdatasync in the same directory, measured right after the run.
    pub(super) floor_ns: Option<LatencyLine>,
    pub(super) passed: bool,
}

/// One shard's replay.
#[derive(Serialize, Debug)]
pub(super) struct ReplayCheck {
    pub(super) shard: u16,
    pub(super) records: u64,
    pub(super) state_hash: String,
    pub(super) replayed_hash: String,
}

/// Frame received to event in the publisher, nanoseconds.
#[derive(Serialize, Debug)]
pub(super) struct LatencyLine {
    pub(super) shard: String,
    pub(super) count: u64,
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

impl LatencyLine {
    pub(super) fn new(shard: String, histogram: &Histogram<u64>) -> LatencyLine {
        LatencyLine {
            shard,
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

impl Verdict {
    /// Compares everything.
    pub(super) fn reach(
        args: &DemoArgs,
        dir: &Path,
        exchange: &Exchange,
        ended: &Ended,
        latency: &Latency,
        first_signal: Option<Duration>,
    ) -> Result<Verdict, Problem> {
        let stats = exchange.remote().stats()?;
        let compared = truth::compare(exchange.remote(), &dir.join("corelane.db"))?;
        let mut duplicates = compared.more;
        let sinks = &ended.report.publisher.sinks;
        duplicates += sinks.iter().map(|sink| sink.conflicts).sum::<u64>();
        let shards = &ended.report.shards;
        let fills_seen = shards.counts.fills;
        let truth_passed = compared.lost == 0
            && duplicates == 0
            && (fills_seen == stats.fills || exchange.seed() != args.seed)
            && compared.legs_expected > 0;
        let replay = replay_check(dir, ended)?;
        let replay_passed = !replay.is_empty()
            && replay.iter().all(|check| check.state_hash == check.replayed_hash);
        let each = latency.totals().enumerate();
        let mut latency_ns: Vec<LatencyLine> =
            each.map(|(at, total)| LatencyLine::new(at.to_string(), total)).collect();
        latency_ns.push(LatencyLine::new("all".to_owned(), &latency.total()));
        Ok(Verdict {
            seed: exchange.seed(),
            addresses: exchange.accounts(),
            shards: args.shards,
            fills_sent: stats.fills,
            fills_seen,
            legs_expected: compared.legs_expected,
            legs_seen: compared.legs_seen,
            signals: compared.signals,
            repeated: sinks.iter().map(|sink| sink.repeated).sum(),
            duplicates,
            lost: compared.lost,
            gaps: shards.counts.gaps,
            reconnects: shards.links_lost,
            backfills: shards.counts.backfills,
            duplicates_dropped: shards.duplicates,
            differences: compared.differences,
            caught_up: ended.is_caught_up,
            truth_passed,
            replay_passed,
            replay,
            first_signal_ms: first_signal.map(|time| time.as_millis() as u64),
            latency_ns,
            floor_ns: floor::measure(dir)
                .ok()
                .map(|floor| LatencyLine::new("floor".to_owned(), &floor)),
            passed: truth_passed && replay_passed && ended.is_caught_up,
        })
    }

    /// Whether both checks hold.
    pub(super) fn passed(&self) -> bool {
        self.passed
    }

    /// Writes the report.
    pub(super) fn write(&self, path: &Path) -> Result<(), Problem> {
        let mut text = serde_json::to_string_pretty(self).expect("plain fields serialize");
        text.push('\n');
        std::fs::write(path, text).map_err(|error| {
            Problem::error("DIR002", format!("cannot write {}: {}", path.display(), reason(&error)))
                .fix("name a file in a directory that can be written: --report FILE")
        })
    }
}

/// A second process replays the journals.
fn replay_check(dir: &Path, ended: &Ended) -> Result<Vec<ReplayCheck>, Problem> {
    #[derive(serde::Deserialize)]
    struct Answer {
        shards: Vec<ShardReplay>,
    }
    let failed = |why: String| Problem::error("JRN001", format!("the replay failed: {why}"));
    let program = std::env::current_exe().map_err(|error| failed(reason(&error)))?;
    let output = Command::new(program)
        .arg("replay")
        .arg(dir)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(reason(&error)))?;
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))?;
    Ok(answer
        .shards
        .into_iter()
        .map(|replayed| {
            let stopped = ended.shards.get(usize::from(replayed.shard)).copied().flatten();
            ReplayCheck {
                shard: replayed.shard,
                records: replayed.records,
                state_hash: stopped.map_or(String::new(), |s| hash_text(s.state_hash)),
                replayed_hash: replayed.state_hash,
            }
        })
        .collect())
}
