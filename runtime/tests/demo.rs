//! `corelane demo`, whole: it passes its own checks, leaves what it promises, and takes over after a `kill -9`.

mod common;

use std::path::Path;

use common::program::Program;
use common::sums;
use serde_json::Value;

/// Runs a demo of a few seconds to its end and gives its report.
#[track_caller]
fn demo(seed: u64, data: Option<&Path>) -> Value {
    let dir = tempfile::tempdir().expect("a directory");
    let report = dir.path().join("r.json");
    let seed = seed.to_string();
    let mut args = vec!["demo", "--for", "4s", "--addresses", "10", "--seed", &seed];
    args.extend(["--report", report.to_str().expect("a plain path")]);
    if let Some(data) = data {
        args.extend(["--data", data.to_str().expect("a plain path")]);
    }
    let mut program = Program::start(&args);
    program.ends_with(0);
    let text = std::fs::read(&report).expect("a report");
    serde_json::from_slice(&text).expect("JSON")
}

#[track_caller]
fn assert_passed(report: &Value) {
    for check in ["truth_passed", "replay_passed", "caught_up", "passed"] {
        assert_eq!(report[check], true, "{check}: {report:#}");
    }
    for count in ["lost", "duplicates", "gaps"] {
        assert_eq!(report[count], 0, "{count}: {report:#}");
    }
    assert_eq!(report["differences"].as_array().map(Vec::len), Some(0));
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    assert!(number("first_signal_ms") < 60_000);
    assert!(number("fills_seen") > 0 && number("signals") > 0);
    assert_eq!(number("legs_seen"), number("legs_expected"));
    assert_eq!(report["replay"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_demo_passes_with_seed_1() {
    let report = demo(1, None);
    assert_passed(&report);
    assert_eq!(report["fills_seen"], report["fills_sent"]);
}

#[test]
fn a_demo_passes_with_seed_77() {
    let report = demo(77, None);
    assert_passed(&report);
    assert_eq!(report["fills_seen"], report["fills_sent"]);
}

#[test]
fn what_a_demo_keeps_is_the_database_and_journals_that_replay_to_the_same_state() {
    let dir = tempfile::tempdir().expect("a directory");
    let report = demo(4_000_000_007, Some(dir.path()));
    assert_passed(&report);
    assert_eq!(report["fills_seen"], report["fills_sent"]);

    let database = sums::open(&dir.path().join("corelane.db"));
    let count = |table: &str| -> u64 {
        let query = format!("SELECT count(*) FROM {table}");
        database.query_row(&query, [], |row| row.get(0)).expect(table)
    };
    assert_eq!(Some(count("hl_address_signals")), report["signals"].as_u64());
    assert_eq!(Some(count("hl_order_aggregation")), report["legs_seen"].as_u64());
    assert_eq!(count("hl_position_cache"), 10, "one row an account");
    for empty in ["hl_watch_addresses", "pair_configs", "hl_active_addresses"] {
        assert_eq!(count(empty), 0, "{empty}");
    }

    let mut replay = Program::start(&["replay", dir.path().to_str().expect("plain"), "--json"]);
    replay.ends_with(0);
    let replayed: Value = serde_json::from_str(&replay.out.to_end()).expect("JSON");
    let shards = replayed["shards"].as_array().expect("shards");
    let checked = report["replay"].as_array().expect("the demo's own check");
    assert_eq!(shards.len(), checked.len());
    for (again, first) in shards.iter().zip(checked) {
        assert_eq!(again["shard"], first["shard"]);
        assert_eq!(again["state_hash"], first["state_hash"]);
        assert_eq!(again["records"], first["records"]);
        assert_eq!(again["torn"], false);
    }
    let fills: u64 = shards.iter().filter_map(|shard| shard["fills"].as_u64()).sum();
    assert_eq!(Some(fills), report["fills_seen"].as_u64());
}

#[test]
fn a_second_demo_on_the_data_of_a_killed_one_finds_its_simulator_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().to_str().expect("a plain path");
    let mut first = Program::start(&["demo", "--data", data, "--seed", "5", "--addresses", "10"]);
    // The first line of progress: signals have gone out, orders are open.
    first.out.wait_for("→ signals");
    let simulator = first.children();
    assert_eq!(simulator.len(), 1, "the demo's only child is the simulator");
    first.kill();

    let report = demo(5, Some(dir.path()));
    assert_passed(&report);
    assert_eq!(report["seed"], 5, "the same market went on");
    assert_eq!(report["fills_seen"], report["fills_sent"]);
}
