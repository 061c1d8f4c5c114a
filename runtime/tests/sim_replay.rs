//! Recorded material comes out of the simulator exactly as it went in.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Follower, Sums, add_fill, decimal, info, shared_data};
use runtime::sim::{self, ReplayFile, SimLimits, SimOptions, Speed, Truth};
use serde_json::{Value, json};
use shards::Decimal;

fn options(files: &[PathBuf]) -> SimOptions {
    let replay = files.iter().map(|path| ReplayFile { path: path.clone(), address: None });
    SimOptions {
        traders: 0,
        replay: replay.collect(),
        speed: Speed::Max,
        limits: SimLimits::none(),
        ..SimOptions::default()
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files
}

/// The live fills of a recording of frames, added up straight from the file.
fn live_sums_of_frames(files: &[PathBuf]) -> (Sums, u64) {
    let (mut sums, mut count) = (Sums::new(), 0);
    for path in files {
        for line in fs::read_to_string(path).expect("a file").lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let data = &line["frame"]["data"];
            if line["frame"]["channel"] != "userFills" || data["isSnapshot"] == true {
                continue;
            }
            for fill in data["fills"].as_array().expect("fills") {
                add_fill(&mut sums, data["user"].as_str().expect("a user"), fill);
                count += 1;
            }
        }
    }
    (sums, count)
}

/// Follows a replay to its end; what came and what the truth says.
fn follow(options: SimOptions) -> (Follower, Truth) {
    let sim = sim::start(options).expect("the simulator starts");
    let mut follower = Follower::new(sim.addr(), sim.addresses());
    follower.follow(|f| f.has_all_snapshots() && sim.stats().expect("it runs").quiet);
    let made = sim.stats().expect("it runs").fills;
    follower.follow(|f| f.fills == made);
    let last = |f: &Follower| f.sums.keys().all(|(_, oid)| f.statuses.contains_key(oid));
    follower.follow(last);
    let truth = sim.truth().expect("it runs");
    (follower, truth)
}

#[track_caller]
fn assert_truth(sums: &Sums, truth: &Truth) {
    let mut found = Sums::new();
    for leg in truth.legs.iter().filter(|leg| leg.fills > 0) {
        let sum = found.entry((leg.address.to_string(), leg.oid)).or_default();
        sum.0 = sum.0.checked_add(leg.size).expect("it fits");
        sum.1 = sum.1.checked_add(leg.notional).expect("it fits");
        sum.2 += leg.fills;
    }
    assert_eq!(found.len(), sums.len());
    for (order, wanted) in sums {
        assert_eq!((found[order].0, found[order].1), (wanted.0, wanted.1), "{order:?}");
    }
}

#[test]
fn recorded_frames_give_exactly_their_fills() {
    let Some(data) = shared_data() else { return };
    let files = files_in(&data.join("derived_ws"));
    let (wanted, count) = live_sums_of_frames(&files);
    assert_eq!(count, 144 + 647 + 65 + 833 + 107 - 36 - 129 - 13 - 167 - 21);
    let (follower, truth) = follow(options(&files));
    assert_eq!((follower.fills, &follower.sums), (count, &wanted));
    assert_truth(&wanted, &truth);
    // Some orders began in the snapshot.
    assert!(truth.legs.iter().any(|leg| leg.partial_history && leg.fills > 0));
}

#[test]
fn recorded_frames_with_faults_lose_nothing() {
    let Some(data) = shared_data() else { return };
    let files = files_in(&data.join("derived_ws"));
    let (wanted, count) = live_sums_of_frames(&files);
    let faults =
        SimOptions { faults: true, frames_per_fault: 10, cuts_per_minute: 60, ..options(&files) };
    let sim = sim::start(faults).expect("the simulator starts");
    let mut follower = Follower::new(sim.addr(), sim.addresses());
    follower.follow(|f| f.fills == count);
    assert_eq!(follower.sums, wanted);
    assert!(follower.lost > 0);
}

#[test]
fn plain_fills_of_an_account_come_in_frames_by_block_time() {
    let Some(data) = shared_data() else { return };
    let files = files_in(&data.join("rest_userFillsByTime"));
    let (follower, truth) = follow(options(&files));
    assert_eq!(follower.fills, 144 + 647 + 65 + 833 + 107);
    assert_truth(&follower.sums, &truth);
    assert!(truth.legs.iter().all(|leg| !leg.partial_history && leg.snapshot_fills == 0));
    // Both forms of the same account have the same address.
    let user = "0xed8b24ccef33fdbcef848e5beec2fd453896b590";
    assert!(follower.sums.keys().any(|(address, _)| address == user));
}

fn fill(time: u64, oid: u64, tid: u64, start: &str, sz: &str) -> Value {
    json!({"closedPnl": "0.0", "coin": "PUMP", "crossed": true, "dir": "Open Short", "fee": "0.1",
        "feeToken": "USDC", "hash": "0x01", "oid": oid, "px": "0.00205", "side": "A",
        "startPosition": start, "sz": sz, "tid": tid, "time": time, "twapId": null,
        "extra": {"x": 1}})
}

fn fixture(dir: &Path) -> PathBuf {
    let path = dir.join("leader_x1.json");
    let fills = json!([
        fill(1000, 1, 11, "0.0", "10.0"),
        fill(1000, 1, 12, "-10.0", "5.0"),
        fill(2500, 1, 13, "-15.0", "2.5"),
        fill(2600, 2, 14, "-17.5", "1.0"),
    ]);
    fs::write(&path, fills.to_string()).expect("written");
    path
}

#[test]
fn states_follow_the_last_fill_of_each_order_and_info_has_the_same_fills() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = fixture(dir.path());
    let address = "0x00000000000000000000000000000000000000aa".parse().expect("an address");
    let replay = vec![ReplayFile { path, address: Some(address) }];
    let sim = sim::start(SimOptions { replay, ..options(&[]) }).expect("the simulator starts");
    assert_eq!(sim.addresses(), [address]);
    let mut client = common::Client::connect(sim.addr());
    client.subscribe_user("orderUpdates", &address);
    client.subscribe_user("userFills", &address);
    assert_eq!(client.next_of("userFills")["fills"], json!([]));
    let frame = client.next_of("userFills");
    assert_eq!(frame["fills"].as_array().map(Vec::len), Some(2), "one frame for one block time");
    assert_eq!(frame["fills"][0]["extra"], json!({"x": 1}), "unknown fields are kept");
    assert_eq!(client.next_of("userFills")["fills"].as_array().map(Vec::len), Some(1));
    let update = &client.next_of("orderUpdates")[0];
    assert_eq!(
        (&update["status"], decimal(&update["order"], "origSz").to_string().as_str()),
        (&json!("filled"), "17.5")
    );
    assert_eq!(decimal(&update["order"], "sz"), Decimal::ZERO);
    assert_eq!(client.next_of("orderUpdates")[0]["order"]["oid"], 2);
    let by_time = json!({"type": "userFillsByTime", "user": address.to_string(), "startTime": 1000,
        "endTime": 2500});
    assert_eq!(info(sim.addr(), &by_time).1.as_array().map(Vec::len), Some(3));
    let status = json!({"type": "orderStatus", "user": address.to_string(), "oid": 1});
    assert_eq!(info(sim.addr(), &status).1["order"]["status"], "filled");
}

#[test]
fn without_order_updates_nothing_is_said_and_stopping_ends_a_recording() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = fixture(dir.path());
    // At this speed the second block is due in 1500 seconds.
    let slow = SimOptions { speed: Speed::X(0.001), ..options(std::slice::from_ref(&path)) };
    let sim = sim::start(slow).expect("the simulator starts");
    let user = sim.addresses()[0];
    let mut client = common::Client::connect(sim.addr());
    client.subscribe_user("orderUpdates", &user);
    client.subscribe_user("userFills", &user);
    client.next_of("userFills");
    assert_eq!(client.next_of("userFills")["fills"].as_array().map(Vec::len), Some(2));
    let stopped = sim.stop_trading().expect("it stops");
    assert_eq!((stopped.fills, stopped.quiet), (2, true));
    let update = &client.next_of("orderUpdates")[0];
    assert_eq!(update["status"], "canceled");
    assert_eq!(decimal(&update["order"], "sz").to_string(), "2.5");
    let silent = SimOptions { order_updates: false, ..options(&[path]) };
    let sim = sim::start(silent).expect("the simulator starts");
    let mut follower = Follower::new(sim.addr(), sim.addresses());
    follower.follow(|f| f.fills == 4);
    assert!(follower.statuses.is_empty());
    assert_eq!(sim.stats().expect("it runs").order_updates, 0);
}
