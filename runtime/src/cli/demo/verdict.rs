//! The two checks: what the database holds against what the simulator knows, and a second process's replay against the
//! state at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hdrhistogram::Histogram;
use persist::store::Sqlite;
use serde::Serialize;
use shards::Decimal;

use super::exchange::Exchange;
use super::floor;
use crate::cli::args::DemoArgs;
use crate::cli::replay::{ShardReplay, hash_text};
use crate::control::Ended;
use crate::control::latency::Latency;
use crate::diag::{Problem, reason};

/// Differences named in the report.
const DIFFERENCES_MAX: usize = 20;

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

/// Sums by (address, oid, leg).
type Sums = BTreeMap<(String, u64, String), (Decimal, Decimal)>;

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
        let truth = exchange.truth()?;
        let stats = exchange.stats()?;
        let mut expected = Sums::new();
        let addresses: BTreeSet<String> =
            truth.legs.iter().map(|leg| leg.address.to_string()).collect();
        for leg in truth.legs.iter().filter(|leg| leg.fills > 0) {
            let key = (leg.address.to_string(), leg.oid, leg.direction.clone());
            expected.insert(key, (leg.size, leg.notional));
        }
        let (seen, signals) = read_signals(&dir.join("corelane.db"), &addresses)?;
        let (mut lost, mut duplicates, mut differences) = (0, 0, Vec::new());
        for key in expected.keys().chain(seen.keys()).collect::<BTreeSet<_>>() {
            let wanted = expected.get(key).copied().unwrap_or_default();
            let found = seen.get(key).copied().unwrap_or_default();
            if wanted == found {
                continue;
            }
            lost += u64::from(found.0 < wanted.0);
            duplicates += u64::from(found.0 >= wanted.0);
            if differences.len() < DIFFERENCES_MAX {
                let (address, oid, leg) = key;
                differences.push(format!(
                    "{address} order {oid} {leg}: size {} notional {}, expected {} and {}",
                    found.0, found.1, wanted.0, wanted.1
                ));
            }
        }
        let sinks = &ended.report.publisher.sinks;
        duplicates += sinks.iter().map(|sink| sink.conflicts).sum::<u64>();
        let shards = &ended.report.shards;
        let fills_seen = shards.counts.fills;
        let truth_passed = lost == 0
            && duplicates == 0
            && (fills_seen == stats.fills || exchange.seed() != args.seed)
            && !expected.is_empty();
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
            legs_expected: expected.len() as u64,
            legs_seen: seen.len() as u64,
            signals,
            repeated: sinks.iter().map(|sink| sink.repeated).sum(),
            duplicates,
            lost,
            gaps: shards.counts.gaps,
            reconnects: shards.links_lost,
            backfills: shards.counts.backfills,
            duplicates_dropped: shards.duplicates,
            differences,
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

/// Sums the signals of these accounts in the database, and counts them.
fn read_signals(path: &Path, addresses: &BTreeSet<String>) -> Result<(Sums, u64), Problem> {
    let refused = |why: String| Problem::error("DB001", format!("{}: {why}", path.display()));
    let database = Sqlite::open(path).map_err(|error| refused(error.to_string()))?;
    let mut sums = Sums::new();
    let mut count = 0;
    let mut bad = None;
    let read = database.each_signal(&mut |signal_id, size, notional| {
        // address-oid-leg-revision; a leg may contain a dash, the others cannot.
        let parts = signal_id.split_once('-').and_then(|(address, rest)| {
            let (oid, rest) = rest.split_once('-')?;
            let (leg, _) = rest.rsplit_once('-')?;
            Some((address, oid.parse::<u64>().ok()?, leg))
        });
        let numbers = (size.parse::<Decimal>(), notional.parse::<Decimal>());
        let (Some((address, oid, leg)), (Ok(size), Ok(notional))) = (parts, numbers) else {
            bad = Some(signal_id.to_owned());
            return;
        };
        if !addresses.contains(address) {
            return;
        }
        count += 1;
        let sum = sums.entry((address.to_owned(), oid, leg.to_owned())).or_default();
        let added = (sum.0.checked_add(size), sum.1.checked_add(notional));
        match added {
            (Some(size), Some(notional)) => *sum = (size, notional),
            _ => bad = Some(signal_id.to_owned()),
        }
    });
    read.map_err(|error| refused(error.to_string()))?;
    match bad {
        Some(signal_id) => Err(refused(format!("signal {signal_id} cannot be read"))),
        None => Ok((sums, count)),
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
