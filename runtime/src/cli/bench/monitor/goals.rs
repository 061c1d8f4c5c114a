//! The goals that the program which corelane replaces had set itself, and whether these runs meet
//! them.

use serde::Serialize;

use super::run::Run;
use crate::cli::figures::{grouped, time};

/// Messages a second.
const MESSAGES_PER_S: f64 = 10_000.0;
/// p99 from a frame to the publisher.
const P99_NS: u64 = 200_000_000;
/// Resident memory, bytes: 1 GB.
const RESIDENT_BYTES: u64 = 1_000_000_000;
/// CPU of a node that has nothing to do, per cent of one CPU.
const IDLE_CPU_PERCENT: f64 = 10.0;

/// One goal.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub(super) struct Goal {
    pub(super) what: &'static str,
    pub(super) wanted: String,
    pub(super) measured: String,
    /// `None`: no run asked.
    pub(super) is_met: Option<bool>,
}

impl Goal {
    fn new(
        what: &'static str,
        wanted: String,
        measured: Option<(String, Option<bool>)>,
        ask: &str,
    ) -> Goal {
        let (measured, is_met) =
            measured.unwrap_or_else(|| (format!("not measured ({ask})"), None));
        Goal { what, wanted, measured, is_met }
    }
}

/// The four goals. Runs that lost something count for nothing.
pub(super) fn judge(runs: &[Run]) -> Vec<Goal> {
    let loaded = || runs.iter().filter(|run| run.rate > 0 && run.truth.passed);
    let best = loaded()
        .filter(|run| run.is_sustained)
        .max_by(|a, b| a.messages_per_s.total_cmp(&b.messages_per_s));
    let asked = loaded().any(|run| f64::from(run.rate) >= MESSAGES_PER_S);
    let messages = best.map(|run| {
        let is_met = run.messages_per_s >= MESSAGES_PER_S;
        // What was not asked for was not missed.
        let verdict = (is_met || asked).then_some(is_met);
        (format!("{} sustained", grouped(run.messages_per_s as u64)), verdict)
    });
    // At the largest load that was sustained.
    let p99 = best.and_then(|run| {
        let p99_ns = run.latency?.p99_ns;
        let rate = grouped(run.messages_per_s as u64);
        Some((format!("{} at {rate} messages/s", time(p99_ns)), Some(p99_ns <= P99_NS)))
    });
    let peak = runs.iter().max_by_key(|run| run.resident.peak_kib).map(|run| {
        let bytes = run.resident.peak_kib * 1024;
        (format!("{} MB at most", bytes / 1_000_000), Some(bytes <= RESIDENT_BYTES))
    });
    let idle = runs.iter().find(|run| run.rate == 0).map(|run| {
        let percent = run.cpu.percent;
        let text = format!("{percent:.1} % of one CPU, {} accounts", grouped(run.addresses.into()));
        (text, Some(percent <= IDLE_CPU_PERCENT))
    });
    let at_load = format!("--rate {MESSAGES_PER_S:.0}");
    vec![
        Goal::new("messages", "10 000/s".to_owned(), messages, &at_load),
        Goal::new("p99", "200 ms".to_owned(), p99, &at_load),
        Goal::new("memory", "1 GB".to_owned(), peak, &at_load),
        Goal::new("idle CPU", "10 %".to_owned(), idle, "--rate 0"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::hlog::Latencies;
    use super::super::run::tests::run;
    use super::*;

    fn verdicts(runs: &[Run]) -> Vec<Option<bool>> {
        judge(runs).iter().map(|goal| goal.is_met).collect()
    }

    #[test]
    fn a_goal_is_met_by_a_run_that_sustained_its_load_and_lost_nothing() {
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(verdicts(&[run(0, 0.0)]), [None, None, yes, yes]);
        assert_eq!(verdicts(&[run(10_000, 10_050.0)]), [yes, yes, yes, None]);
        assert_eq!(verdicts(&[run(1000, 1003.0), run(0, 0.0)]), [None, yes, yes, yes]);
        let mut behind = run(10_000, 10_050.0);
        behind.is_sustained = false;
        assert_eq!(verdicts(&[behind, run(1000, 1003.0)]), [no, yes, yes, None]);
        let mut lossy = run(10_000, 10_050.0);
        lossy.truth.passed = false;
        assert_eq!(verdicts(&[lossy]), [None, None, yes, None]);
    }

    #[test]
    fn each_goal_can_be_missed() {
        let mut slow = run(10_000, 10_050.0);
        slow.latency = slow.latency.map(|l| Latencies { p99_ns: P99_NS + 1, ..l });
        slow.resident.peak_kib = RESIDENT_BYTES / 1024 + 1;
        let mut idle = run(0, 0.0);
        idle.cpu.percent = 10.1;
        assert_eq!(verdicts(&[slow, idle]), [Some(true), Some(false), Some(false), Some(false)]);
    }
}
