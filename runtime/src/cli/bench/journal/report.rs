//! The result of a run: as tables for people, and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::fio::Fio;
use super::open_loop::OpenLoopRow;
use super::recovery::Recovery;
use super::single::{SingleRow, Writer};
use super::starved::{StarvedRow, Waits};
use super::throughput::ThroughputRow;
use crate::cli::bench::machine::Machine;
use crate::cli::bench::quantiles::Quantiles;

/// What a durable command may cost, by the bare write and flush, at p99.
const COMMAND_BY_FLOOR: f64 = 1.3;
/// Durable records a second, with 64 and more a flush.
const RECORDS_PER_S: f64 = 400_000.0;
/// Records a second that recovery reads.
const RECOVERED_PER_S: f64 = 2_000_000.0;

/// What a run found.
#[derive(Serialize, Debug)]
pub(super) struct Report {
    /// The arguments in force.
    pub(super) arguments: String,
    pub(super) machine: Machine,
    /// Why the figures are not those of a tuned machine; empty if they are.
    pub(super) untuned: Vec<String>,
    /// Whether the journal's buffers were registered with its ring.
    pub(super) registered: bool,
    pub(super) found: Found,
    pub(super) targets: Vec<Target>,
}

/// What was measured.
#[derive(Serialize, Debug)]
pub(super) struct Found {
    pub(super) single: Vec<SingleRow>,
    pub(super) throughput: Vec<ThroughputRow>,
    pub(super) open_loop: Vec<OpenLoopRow>,
    pub(super) starvation: Vec<StarvedRow>,
    pub(super) recovery: Recovery,
    pub(super) fio: Fio,
}

/// What the journal is to reach, and what it reached here.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub(super) struct Target {
    pub(super) what: String,
    pub(super) wanted: f64,
    pub(super) measured: f64,
    pub(super) reached: bool,
}

impl Target {
    fn at_most(what: String, wanted: f64, measured: f64) -> Target {
        Target { what, wanted, measured, reached: measured <= wanted }
    }

    fn at_least(what: String, wanted: f64, measured: f64) -> Target {
        Target { what, wanted, measured, reached: measured >= wanted }
    }
}

impl Found {
    /// The targets of the journal, as measured. `body_bytes` is the size of the records.
    pub(super) fn targets(&self, body_bytes: usize) -> Vec<Target> {
        let mut targets = Vec::new();
        for row in self.single.iter().filter(|row| row.writer == Writer::Journal) {
            let floors = [("ring entries", row.ratio_p99), ("system calls", row.calls_ratio_p99)];
            for (floor, ratio) in floors {
                let what = format!("{}: a command's p99, by that of bare {floor}", row.flush);
                targets.push(Target::at_most(what, COMMAND_BY_FLOOR, ratio));
            }
        }
        // Each combination by itself, by its slowest batch size: the best of all would be chosen
        // after the fact.
        let large = || self.throughput.iter().filter(|row| row.per_flush.is_none_or(|n| n >= 64));
        let mut ways: Vec<(&str, usize)> = large().map(|row| (row.flush, row.in_flight)).collect();
        ways.dedup();
        for (flush, in_flight) in ways {
            let same = large().filter(|row| (row.flush, row.in_flight) == (flush, in_flight));
            let slowest = same.map(|row| row.records_per_s).fold(f64::INFINITY, f64::min);
            let what = format!(
                "{flush}, {in_flight} in flight: durable records of {body_bytes} bytes a second, \
                 64 and more a flush"
            );
            targets.push(Target::at_least(what, RECORDS_PER_S, slowest));
        }
        let what = "records a second that recovery reads, from the page cache".to_owned();
        targets.push(Target::at_least(what, RECOVERED_PER_S, self.recovery.records_per_s));
        let of = |flush: &str, waits| {
            self.starvation.iter().find(|row| (row.flush, row.waits) == (flush, waits))
        };
        for row in self.starvation.iter().filter(|row| row.waits == Waits::AsShard) {
            // What also comes to one that sleeps is the machine's. One in a hundred is no tick.
            let asleep = of(row.flush, Waits::Asleep).map_or(0, |row| row.over_1ms);
            let allowed = asleep.max(row.times.samples / 100);
            let what = format!(
                "{}: flushes over 1 ms beside a loop that never sleeps, as a shard's, by one that sleeps",
                row.flush
            );
            targets.push(Target::at_most(what, allowed as f64, row.over_1ms as f64));
        }
        targets
    }
}

impl Report {
    /// All tables.
    pub(super) fn text(&self) -> String {
        let mut out = self.header();
        let found = &self.found;
        single(&mut out, &found.single);
        throughput(&mut out, &found.throughput);
        open_loop(&mut out, &found.open_loop);
        starvation(&mut out, &found.starvation);
        recovery(&mut out, &found.recovery);
        fio(&mut out, &found.fio);
        line(&mut out, "\ntargets");
        for target in &self.targets {
            let verdict = if target.reached { "reached" } else { "MISSED" };
            let (measured, wanted) = (number(target.measured), number(target.wanted));
            line(
                &mut out,
                &format!("  {verdict:<8}{measured:>11}  of {wanted:>9}  {}", target.what),
            );
        }
        if !self.untuned.is_empty() {
            line(&mut out, &format!("\nUNTUNED: {}", self.untuned.join("; ")));
        }
        out
    }

    fn header(&self) -> String {
        let registered = if self.registered { "registered" } else { "not registered" };
        let mut out = format!(
            "corelane bench journal {}\n{}buffers    {registered} with the ring\n",
            self.arguments,
            self.machine.text()
        );
        if !self.untuned.is_empty() {
            line(&mut out, "UNTUNED    the reasons are at the end");
        }
        out
    }
}

/// A number below ten with two digits behind the point, else a whole one.
fn number(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

const TIMES: &str = "    p50 us    p99 us  p99.9 us     max us";

fn times(times: &Quantiles) -> String {
    format!(
        "{:>10.1}{:>10.1}{:>10.1}{:>11.1}",
        us(times.p50_ns),
        us(times.p99_ns),
        us(times.p999_ns),
        us(times.max_ns)
    )
}

fn single(out: &mut String, rows: &[SingleRow]) {
    line(out, "\none command, one flush, one after the other (CPU: thread/process, us a flush)");
    line(
        out,
        &format!(
            "  flush   writer              {TIMES}  of ring p50/p99  of calls p50/p99        CPU"
        ),
    );
    for row in rows {
        let writer = match row.writer {
            Writer::Calls => "system calls",
            Writer::Ring => "ring, no journal",
            Writer::Journal => "journal",
        };
        let ratio = |p50, p99| format!("{p50:>7.2} /{p99:>5.2}");
        let _ = writeln!(
            out,
            "  {:<8}{writer:<20}{}{:>17}{:>18}{:>11}",
            row.flush,
            times(&row.times),
            ratio(row.ratio_p50, row.ratio_p99),
            ratio(row.calls_ratio_p50, row.calls_ratio_p99),
            format!("{:.0}/{:.0}", row.cpu_thread_us, row.cpu_process_us),
        );
    }
}

fn throughput(out: &mut String, rows: &[ThroughputRow]) {
    line(
        out,
        "\ndurable records a second (natural: batches as the node makes them, at full speed)",
    );
    line(
        out,
        "  flush   in flight  a flush   records/s  flushes/s     MB/s  bare MB/s  of bare  CPU ns/record",
    );
    for row in rows {
        let per_flush = match row.per_flush {
            Some(count) => count.to_string(),
            None => format!("~{:.0}", row.records_per_flush),
        };
        let _ = writeln!(
            out,
            "  {:<8}{:>9}{per_flush:>9}{:>12.0}{:>11.0}{:>9.0}{:>11.0}{:>9.2}{:>15}",
            row.flush,
            row.in_flight,
            row.records_per_s,
            row.flushes_per_s,
            row.bytes_per_s / 1e6,
            row.bare_bytes_per_s / 1e6,
            row.ratio,
            format!("{:.0}/{:.0}", row.cpu_thread_ns_per_record, row.cpu_process_ns_per_record),
        );
    }
}

fn open_loop(out: &mut String, rows: &[OpenLoopRow]) {
    line(out, "\nopen loop: from when a record was due to when it is durable");
    line(
        out,
        &format!(
            "  flush   in flight  submitted  accepted   durable{TIMES}  a flush  CPU us/record"
        ),
    );
    for row in rows {
        let _ = writeln!(
            out,
            "  {:<8}{:>9}{:>11}{:>10}{:>10}{}{:>9.2}{:>15}",
            row.flush,
            row.in_flight,
            row.submitted,
            row.accepted,
            row.durable,
            times(&row.times),
            row.records_per_flush,
            format!("{:.1}/{:.1}", row.cpu_thread_us_per_record, row.cpu_process_us_per_record),
        );
    }
}

fn starvation(out: &mut String, rows: &[StarvedRow]) {
    let cpu = rows.first().map_or(0, |row| row.cpu);
    line(out, &format!("\na flush whose worker must run on the CPU of its loop ({cpu})"));
    line(out, &format!("  flush   the loop is         {TIMES}   over 1 ms  of all   first us"));
    for row in rows {
        let waits = match row.waits {
            Waits::Asleep => "asleep: the control",
            Waits::Polling => "polling",
            Waits::PollingLongSlice => "polling, long slice",
            Waits::PollingGivingWay => "polling, giving way",
            Waits::AsShard => "both, as a shard",
        };
        let _ = writeln!(
            out,
            "  {:<8}{waits:<20}{}{:>12}{:>8}{:>11.1}",
            row.flush,
            times(&row.times),
            row.over_1ms,
            row.times.samples,
            us(row.first_ns),
        );
    }
    if rows.iter().any(|row| !row.worker_kept) {
        line(out, "  the kernel did not keep its workers on that CPU: this shows nothing");
    }
}

fn recovery(out: &mut String, found: &Recovery) {
    let _ = writeln!(
        out,
        "\nrecovery of {} records, {} batches, {:.0} MB\n  \
         {:.2} M records/s from the page cache, {:.2} M the first time, from the disk\n  \
         ns a record: {:.1} in all; alone: reading {:.1}, checksum {:.1}, two walks {:.1}; the rest, \
         with the look behind the end, {:.1}; most is {}",
        found.records,
        found.batches,
        found.bytes as f64 / 1e6,
        found.records_per_s / 1e6,
        found.cold_records_per_s / 1e6,
        found.total_ns_per_record,
        found.read_ns_per_record,
        found.checksum_ns_per_record,
        found.walks_ns_per_record,
        found.rest_ns_per_record,
        found.limit,
    );
}

fn fio(out: &mut String, found: &Fio) {
    match found {
        Fio::Absent(why) => line(out, &format!("\nfio: nothing ({why})")),
        Fio::Rows(rows) => {
            line(
                out,
                "\nfio, 4 KiB, one after the other (linked: the sum of fio's quantiles of write and fdatasync)",
            );
            line(out, &format!("  flush                       {TIMES}   mean us"));
            for row in rows {
                let mean = row.mean_ns / 1000.0;
                line(out, &format!("  {:<28}{}{mean:>10.1}", row.flush, times(&row.times)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
