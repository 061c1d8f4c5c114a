//! What a check passes and what it does not; a run to be judged and printed.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::*;
use crate::admin::wire::SinkStatus;

/// One that went well, as the other files' tests need it.
pub(in super::super) fn run(rate: u32, messages_per_s: f64) -> Run {
    let latency = (rate > 0).then_some(Latencies {
        signals: 9000,
        p50_ns: 250_000,
        p99_ns: 4_000_000,
        p999_ns: 9_000_000,
        max_ns: 12_000_000,
    });
    let threads = [("publisher".to_owned(), 3.2), ("shard-0".to_owned(), 12.5)];
    Run {
        rate,
        addresses: 1000,
        seconds: 30.0,
        ended_early: false,
        messages_per_s,
        messages_read_per_s: messages_per_s,
        frames_read_per_s: messages_per_s * 2.0,
        bytes_read_per_s: messages_per_s * 600.0,
        fills_per_s: messages_per_s * 1.5,
        signals_per_s: messages_per_s * 0.9,
        behind_max: 40,
        behind_at_end: 0,
        is_sustained: true,
        blocks: 30_000,
        late_blocks: 0,
        late_us_max: 4000,
        latency,
        floor: latency,
        cpu: CpuShare { percent: if rate == 0 { 2.0 } else { 20.0 }, threads: threads.into() },
        pinning: [("shard-0", "1"), ("store", "0-1"), ("publisher", "0-1")]
            .map(|(name, cpus)| (name.to_owned(), cpus.to_owned()))
            .into(),
        resident: Resident { now_kib: 60 << 10, peak_kib: 64 << 10 },
        memory: None,
        links_lost: 0,
        backfills: 0,
        faults: 0,
        minutes: Vec::new(),
        truth: TruthCheck { passed: true, ..TruthCheck::default() },
    }
}

#[track_caller]
fn check(change: impl Fn(&mut Comparison, &mut Status, &mut NodeEnd), wrong: Option<&str>) {
    let mut compared =
        Comparison { legs_expected: 5, legs_seen: 5, signals: 7, ..Comparison::default() };
    let mut last = Status { fills: 9, gaps: 1, ..Status::default() };
    // Seven signals and a gap.
    let mut end = NodeEnd { status: ExitStatus::from_raw(0), lines: 8 };
    change(&mut compared, &mut last, &mut end);
    let truth = TruthCheck::judge(compared, 9, &last, &end);
    assert_eq!(truth.passed, wrong.is_none(), "{truth:?}");
    if let Some(wrong) = wrong {
        assert!(truth.wrong.join(";").contains(wrong), "{truth:?}");
    }
}

#[test]
fn the_check_fails_on_each_difference() {
    check(|_, _, _| {}, None);
    check(|c, _, _| c.lost = 1, Some(""));
    check(|c, _, _| c.more = 1, Some(""));
    check(|_, s, _| s.fills = 8, Some("9 fills were made, the node took 8"));
    check(|_, _, e| e.lines = 7, Some("6 signals were printed, 7 are in the database"));
    check(|_, _, e| e.status = ExitStatus::from_raw(9), Some("the node ended with signal"));
    let conflict = SinkStatus { conflicts: 2, ..SinkStatus::default() };
    check(|_, s, _| s.sinks = vec![conflict.clone()], Some("2 signals came twice"));
    // What the venue itself has forgotten cannot be had.
    check(|c, s, _| (c.beyond_recovery, s.fills) = (1, 8), None);
}

#[test]
fn what_failed_is_told_with_where_to_look() {
    let mut run = run(1000, 1003.0);
    run.truth.compared.lost = 2;
    run.truth.compared.differences = vec!["0x07 order 1 Open Long: ...".to_owned()];
    run.truth.kept = Some("/d/.corelane-bench-x".into());
    let problem = run.not_passed();
    assert_eq!(problem.code, "BEN008");
    assert!(problem.what.starts_with("--rate 1000: ") && problem.what.contains("2 legs lost"));
    assert!(problem.why[0].contains("Open Long") && problem.fix[0].contains("node.log"));
    assert_eq!(run.shard_cpu(), Some(1));
}

#[test]
fn a_minute_is_a_line() {
    let minute = Minute {
        at_s: 3660,
        messages_read_per_s: 1003.4,
        resident_kib: 61_952,
        p99_ns: None,
        links_lost: 3,
        backfills: 2,
        behind: 12,
    };
    assert_eq!(
        minute.line(),
        " 1:01:00  messages 1 003/s · behind 12 fills · RSS 60.5 MiB · p99 - · links lost 3 · back-fills 2"
    );
}
