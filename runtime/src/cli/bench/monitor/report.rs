//! What is printed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::goals::Goal;
use super::hlog::Latencies;
use super::memory;
use super::plan::SOAK_MIN;
use super::run::Run;
use crate::cli::bench::machine::Machine;
use crate::cli::figures::{grouped, time};
use crate::config::units::format_duration;

/// A simulator that made more of its blocks late is the limit itself.
const LATE_PERCENT_MAX: f64 = 1.0;

/// Everything that was found.
#[derive(Serialize, Debug)]
pub(super) struct Report {
    pub(super) arguments: String,
    /// What of the node is not as a user has it by default.
    pub(super) settings: String,
    pub(super) machine: Machine,
    pub(super) untuned: Vec<String>,
    pub(super) runs: Vec<Run>,
    pub(super) goals: Vec<Goal>,
}

impl Report {
    /// All of it, for people.
    pub(super) fn text(&self) -> String {
        let mut out = format!(
            "corelane bench monitor {}\n{}{}counted    a message is one live userFills frame of one \
             account; its orderUpdates frame and all others come beside it\n\
             node       corelane run, a process of its own: SQLite, standard output read through a \
             pipe; {}\n",
            self.arguments,
            self.machine.text(),
            self.pinning(),
            self.settings,
        );
        self.runs.iter().for_each(|run| run_text(&mut out, run));
        if self.runs.len() > 1 {
            table(&mut out, &self.runs);
        }
        out.push_str("\ngoals of the program that corelane replaces\n");
        for goal in &self.goals {
            let verdict = match goal.is_met {
                Some(true) => "met",
                Some(false) => "NOT MET",
                None => "",
            };
            let line =
                format!("  {:<10}{:<10}{:<44}{verdict}", goal.what, goal.wanted, goal.measured);
            out.push_str(line.trim_end());
            out.push('\n');
        }
        if !self.untuned.is_empty() {
            out.push_str(&format!("\nUNTUNED: {}\n", self.untuned.join("; ")));
        }
        out
    }

    /// As the kernel has it: threads that have a CPU of their own, and where the others may run.
    fn pinning(&self) -> String {
        let Some(run) = self.runs.first() else { return String::new() };
        let single = |cpus: &str| cpus.parse::<u32>().is_ok();
        let mut parts = Vec::new();
        for (name, cpus) in run.pinning.iter().filter(|(_, cpus)| single(cpus)) {
            parts.push(format!("{name} on CPU {cpus}"));
        }
        let others: BTreeSet<&String> = run.pinning.values().filter(|cpus| !single(cpus)).collect();
        parts.extend(others.iter().map(|cpus| format!("all other threads on CPU {cpus}")));
        format!("pinning    {}\n", parts.join(" · "))
    }
}

fn run_text(out: &mut String, run: &Run) {
    let head = match run.rate {
        0 => "idle".to_owned(),
        rate => format!("{} messages/s", grouped(rate.into())),
    };
    let early = if run.ended_early { ", ended early by a signal" } else { "" };
    write_line(
        out,
        &format!(
            "\n{head}: {} accounts, {:.1} s{early}",
            grouped(run.addresses.into()),
            run.seconds
        ),
    );
    let mut line = |name: &str, value: String| write_line(out, &format!("  {name:<11}{value}"));
    line("offered", format!("{}/s · {} fills/s", rate(run.messages_per_s), rate(run.fills_per_s)));
    line(
        "sustained",
        format!(
            "{}/s read · frames of all kinds {}/s, {:.2} MB/s · behind by {} fills at most, {} at the end   {}",
            rate(run.messages_read_per_s),
            rate(run.frames_read_per_s),
            run.bytes_read_per_s / 1e6,
            grouped(run.behind_max),
            grouped(run.behind_at_end),
            if run.is_sustained { "SUSTAINED" } else { "NOT SUSTAINED" },
        ),
    );
    line("signals", format!("{}/s", rate(run.signals_per_s)));
    line("simulator", simulator(run));
    line("latency", latency(run.latency, "frame received → event in the publisher, durable"));
    line("floor", latency(run.floor, "one 4-KiB write + fdatasync, after the run"));
    line("cpu", cpu(run));
    line(
        "memory",
        format!(
            "RSS {:.1} MiB at the end, {:.1} MiB at most",
            run.resident.now_kib as f64 / 1024.0,
            run.resident.peak_kib as f64 / 1024.0
        ),
    );
    line("", slope(run));
    line(
        "repairs",
        format!(
            "{} links lost · {} back-fills · {} gaps · {} faults made",
            grouped(run.links_lost),
            grouped(run.backfills),
            grouped(run.truth.gaps),
            grouped(run.faults)
        ),
    );
    line("truth", truth(run));
}

fn simulator(run: &Run) -> String {
    let percent = run.late_blocks as f64 * 100.0 / run.blocks.max(1) as f64;
    let word = match run.rate > 0 && percent > LATE_PERCENT_MAX {
        true => "   LATE: the load was not even; the limit may be the simulator's",
        false => "",
    };
    format!(
        "{} of {} blocks more than 10 ms late ({percent:.2} %), the latest {}{word}",
        grouped(run.late_blocks),
        grouped(run.blocks),
        time(run.late_us_max * 1000),
    )
}

fn latency(latency: Option<Latencies>, what: &str) -> String {
    match latency {
        Some(l) => format!(
            "p50 {} p99 {} p99.9 {} max {}  ({what}; {} samples)",
            time(l.p50_ns),
            time(l.p99_ns),
            time(l.p999_ns),
            time(l.max_ns),
            grouped(l.signals)
        ),
        None => format!("no samples  ({what})"),
    }
}

fn cpu(run: &Run) -> String {
    let threads: Vec<String> =
        run.cpu.threads.iter().map(|(name, percent)| format!("{name} {percent:.1}")).collect();
    let each = match run.messages_read_per_s {
        messages if run.rate > 0 && messages > 0.0 => {
            format!(", {:.1} µs a message", run.cpu.percent / 100.0 / messages * 1e6)
        }
        _ => String::new(),
    };
    format!(
        "{:.1} % of one CPU, user + system, the node alone{each}  ({})",
        run.cpu.percent,
        threads.join(" · ")
    )
}

fn slope(run: &Run) -> String {
    match run.memory {
        Some(slope) => format!(
            "{:+.1} KiB/min over the last {:.0} min, {:+.0} KiB in all   {}\n             {}",
            slope.kib_per_minute,
            slope.minutes,
            slope.rise_kib,
            if slope.is_flat { "FLAT" } else { "NOT FLAT" },
            memory::RULE,
        ),
        None => format!("whether it is flat takes --for {} and more", format_duration(SOAK_MIN)),
    }
}

fn truth(run: &Run) -> String {
    let truth = &run.truth;
    let (sent, seen) = (truth.fills_sent, truth.fills_seen);
    let compared = &truth.compared;
    format!(
        "fills made {} {} taken {} · legs expected {} {} signalled {} · signals {} · lost {} · too many {}   {}",
        grouped(sent),
        sign(sent == seen),
        grouped(seen),
        grouped(compared.legs_expected),
        sign(compared.legs_expected == compared.legs_seen),
        grouped(compared.legs_seen),
        grouped(compared.signals),
        grouped(compared.lost),
        grouped(compared.more),
        if truth.passed { "PASS" } else { "FAIL" },
    )
}

fn table(out: &mut String, runs: &[Run]) {
    write_line(
        out,
        "\n   asked/s  offered/s     read/s  signals/s    p50     p99   p99.9     max   CPU %  RSS MiB  late %  lost",
    );
    for run in runs {
        let quantile = |of: fn(&Latencies) -> u64| {
            run.latency.as_ref().map_or("-".to_owned(), |latency| time(of(latency)))
        };
        write_line(
            out,
            &format!(
                "{:>10} {:>10} {:>10} {:>10}{:>8}{:>8}{:>8}{:>8}{:>8.1}{:>9.1}{:>8.2}{:>6}  {}",
                grouped(run.rate.into()),
                rate(run.messages_per_s),
                rate(run.messages_read_per_s),
                rate(run.signals_per_s),
                quantile(|l| l.p50_ns),
                quantile(|l| l.p99_ns),
                quantile(|l| l.p999_ns),
                quantile(|l| l.max_ns),
                run.cpu.percent,
                run.resident.peak_kib as f64 / 1024.0,
                run.late_blocks as f64 * 100.0 / run.blocks.max(1) as f64,
                run.truth.compared.lost,
                if run.is_sustained { "sustained" } else { "NOT SUSTAINED" },
            ),
        );
    }
}

fn rate(per_s: f64) -> String {
    grouped(per_s.round() as u64)
}

fn sign(equal: bool) -> &'static str {
    if equal { "=" } else { "≠" }
}

fn write_line(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("a string takes every write");
}

#[cfg(test)]
mod tests;
