//! Times of a command file. The clock is the caller's: this crate has none.

use super::{CommandFile, ExecError, ExecReport, Peak, measure};
use crate::book::Book;
use crate::event::{Event, Events};
use crate::record::{self, RECORD_BYTES};
use std::hint::black_box;

/// Times of a command file, the prefill left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BenchReport {
    /// Nanoseconds per command of each run, their median, in thousandths.
    pub ps_per_cmd_median: u64,
    /// Times of single commands, from a further pass that reads the clock around each.
    pub latency: LatencyNs,
}

/// Quantiles of the times of single commands, in nanoseconds. The clock's own time is in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the names are the quantiles")]
pub struct LatencyNs {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// Runs a command file once for its digests, `runs` times for its speed, and once command by
/// command.
///
/// `clock_ns` tells nanoseconds from any start and must be cheap, as it is called twice a command
/// in the last pass. A file whose commands are all prefill has no times. Decoding the records is part of what is timed; the book has room
/// for as many orders and levels as it will hold at once. At least one timed run is made.
pub fn bench(
    bytes: &[u8],
    runs: u32,
    mut clock_ns: impl FnMut() -> u64,
) -> Result<ExecReport, ExecError> {
    let file = CommandFile::parse(bytes)?;
    let (mut report, peak) = measure(&file);
    let (prefill, timed) = file.records().split_at(file.prefill);
    let mut ps_per_cmd: Vec<u64> = (0..runs.max(1))
        .map(|_| {
            let (mut book, mut tally) = prefilled(&file, peak, prefill);
            let start = clock_ns();
            for record in timed {
                record::apply(&mut book, record, &mut tally);
            }
            let spent_ns = clock_ns().saturating_sub(start);
            black_box(tally);
            spent_ns.saturating_mul(1000) / (timed.len() as u64).max(1)
        })
        .collect();
    ps_per_cmd.sort_unstable();
    let ps_per_cmd_median = ps_per_cmd[ps_per_cmd.len() / 2];
    if timed.is_empty() {
        return Ok(report);
    }
    let latency = single_commands(&file, peak, prefill, timed, clock_ns);
    report.bench = Some(BenchReport { ps_per_cmd_median, latency });
    Ok(report)
}

impl BenchReport {
    /// The fields that it adds to a line of JSON, each after a comma.
    pub(super) fn to_json_fields(self) -> String {
        let (ns, ps) = (self.ps_per_cmd_median / 1000, self.ps_per_cmd_median % 1000);
        let LatencyNs { p50, p90, p99, p999, max } = self.latency;
        format!(
            ",\"ns_per_cmd_median\":{ns}.{ps:03},\"lat_ns\":{{\"p50\":{p50},\"p90\":{p90},\
             \"p99\":{p99},\"p999\":{p999},\"max\":{max}}}"
        )
    }
}

fn single_commands(
    file: &CommandFile<'_>,
    peak: Peak,
    prefill: &[[u8; RECORD_BYTES]],
    timed: &[[u8; RECORD_BYTES]],
    mut clock_ns: impl FnMut() -> u64,
) -> LatencyNs {
    let (mut book, mut tally) = prefilled(file, peak, prefill);
    let mut times = Vec::with_capacity(timed.len());
    for record in timed {
        let start = clock_ns();
        record::apply(&mut book, record, &mut tally);
        times.push(clock_ns().saturating_sub(start));
    }
    black_box(tally);
    times.sort_unstable();
    let quantile = |per_mille: usize| match times.len() {
        0 => 0,
        len => times[(len * per_mille / 1000).min(len - 1)],
    };
    LatencyNs {
        p50: quantile(500),
        p90: quantile(900),
        p99: quantile(990),
        p999: quantile(999),
        max: quantile(1000),
    }
}

fn prefilled(file: &CommandFile<'_>, peak: Peak, prefill: &[[u8; RECORD_BYTES]]) -> (Book, Tally) {
    let (mut book, mut tally) = (file.book(peak.orders, peak.levels), Tally::default());
    for record in prefill {
        record::apply(&mut book, record, &mut tally);
    }
    (book, tally)
}

/// Reads every trade, so that making them is part of what is timed.
#[derive(Default)]
struct Tally {
    trades: u64,
    lots: u64,
}

impl Events for Tally {
    fn event(&mut self, event: Event) {
        if let Event::Traded(trade) = event {
            self.trades += 1;
            self.lots = self.lots.wrapping_add(trade.qty.0);
        }
    }
}
