//! What a reader must find.

use super::super::goals;
use super::super::memory::Slope;
use super::super::run::tests::run;
use super::*;
use crate::host::Root;

fn text(runs: Vec<Run>) -> String {
    let report = Report {
        arguments: "--addresses 1000".to_owned(),
        settings: "no limits per address".to_owned(),
        machine: Machine::read(&Root::at("/no/such/place"), std::path::Path::new("/"), None),
        untuned: vec!["load average 8.00 before the start".to_owned()],
        goals: goals::judge(&runs),
        runs,
    };
    let json = serde_json::to_value(&report).expect("plain fields serialize");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(report.runs.len()));
    report.text()
}

#[track_caller]
fn says(text: &str, all: &[&str]) {
    for said in all {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
}

#[test]
fn a_run_says_what_was_offered_taken_and_what_it_cost() {
    let text = text(vec![run(10_000, 10_050.0)]);
    says(
        &text,
        &[
            "corelane bench monitor --addresses 1000\n",
            "a message is one live userFills frame",
            "pinning    shard-0 on CPU 1 · all other threads on CPU 0-1\n",
            "\n10 000 messages/s: 1 000 accounts, 30.0 s\n",
            "offered    10 050/s · 15 075 fills/s",
            "behind by 40 fills at most, 0 at the end   SUSTAINED",
            "0 of 30 000 blocks more than 10 ms late (0.00 %), the latest 4.0ms\n",
            "latency    p50 250µs p99 4.0ms p99.9 9.0ms max 12.0ms",
            "floor      p50 250µs",
            "20.0 % of one CPU, user + system, the node alone, 19.9 µs a message  (publisher 3.2 · shard-0 12.5)",
            "RSS 60.0 MiB at the end, 64.0 MiB at most",
            "whether it is flat takes --for 10m and more",
            "lost 0 · too many 0   PASS",
            "messages  10 000/s  10 050 sustained",
            "idle CPU  10 %      not measured (--rate 0)",
            "\nUNTUNED: load average 8.00",
        ],
    );
    assert!(!text.contains("asked/s"), "one run needs no table");
}

#[test]
fn what_is_wrong_stands_out() {
    let mut bad = run(10_000, 9_000.0);
    bad.is_sustained = false;
    bad.late_blocks = 3_000;
    bad.ended_early = true;
    (bad.truth.passed, bad.truth.fills_sent) = (false, 3);
    bad.memory = Some(Slope {
        kib_per_minute: 61.5,
        rise_kib: 2460.0,
        mean_kib: 61_000.0,
        minutes: 40.0,
        is_flat: false,
    });
    let text = text(vec![bad, run(0, 0.0)]);
    says(
        &text,
        &[
            "30.0 s, ended early by a signal\n",
            "NOT SUSTAINED",
            "(10.00 %), the latest 4.0ms   LATE: ",
            "+61.5 KiB/min over the last 40 min, +2460 KiB in all   NOT FLAT\n             flat: a straight",
            "fills made 3 ≠ taken 0",
            "FAIL",
            "\nidle: 1 000 accounts",
            "no samples",
            "asked/s",
            "idle CPU  10 %      2.0 % of one CPU, 1 000 accounts",
        ],
    );
}
