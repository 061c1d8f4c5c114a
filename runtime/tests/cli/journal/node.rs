//! Journals at work, and journals that were written for a node to go on with.

use std::fs;
use std::path::Path;

use persist::Position;
use persist::cursor::{self, Cursor};
use rustix::process::Signal;
use serde_json::Value;
use shards::input::Emit;
use shards::{Address, Input, Policy};

use super::{INPUTS, Writer, arg, run, says};
use crate::common::market::Market;
use crate::common::node::{Home, follow};
use crate::common::sums::{LegSums, Signals};
use crate::{Ended, corelane, directory, finish, pid};

#[test]
fn a_journal_at_work_is_followed_verified_and_not_cut() {
    let market = Market::start(&["--seed", "33", "--traders", "10"]);
    let home = Home::new(1, &follow(&market, "", "timeout = \"2s\"\nstatus_grace = \"1s\""));
    let mut node = home.run();
    node.out.wait(&mut 0, "first signal", |_| true);
    let shard = home.data().join("shard-0");
    let args = ["journal", "dump", arg(&shard), "--follow"];
    let mut child = corelane(&home.data(), &args).spawn().expect("the binary starts");
    let mut out = child.stdout.take().expect("it was piped");
    // The node goes on: signals that come from now on are seen.
    let mut seen = node.out.count();
    node.out.wait(&mut seen, "signal", |_| true);
    let mut text = Vec::new();
    let signals = |text: &[u8]| String::from_utf8_lossy(text).matches("\"signal\"").count();
    while signals(&text) < 3 {
        let mut some = [0; 4096];
        let read = std::io::Read::read(&mut out, &mut some).expect("it goes on");
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&some[..read]);
    }
    says(&run(&["journal", "verify", arg(&home.data())]), 0, &[]);
    let cut = ["journal", "truncate", arg(&shard), "--at-seq", "3", "--yes"];
    says(&run(&cut), 73, &["JRN006", &format!("pid {} ", node.pid())]);
    drop(out);
    rustix::process::kill_process(pid(&child), Signal::INT).expect("it runs and is ours");
    assert_eq!(finish(child).code, Some(0));
    node.ends_well();
    says(&run(&["replay", arg(&home.data()), "--verify"]), 0, &[]);
}

#[test]
fn a_data_directory_is_written_for_another_number_of_shards() {
    let home = directory();
    let data = home.path().join("data");
    for shard in 0..2 {
        let dir = data.join(format!("shard-{shard}"));
        let mut writer = Writer::open(&dir, shard, 2);
        // Each account is in one shard only.
        if shard == shards::shard_of(&Address([7; 20]), 2).0 {
            writer.write(INPUTS);
        } else {
            writer.apply(&Input::Policy(Policy { emit: Emit::Frame, ..Policy::default() }));
            writer.flush();
        }
    }
    fs::write(data.join("corelane.db"), "signals").expect("written");
    let old = run(&["replay", arg(&data), "--json"]);
    let reshard = |more: &[&str]| run(&[&["journal", "reshard", arg(&data)], more].concat());
    says(&reshard(&["--to", "2", "--dry-run"]), 1, &["JRN017", "has 2 shards already"]);
    says(&reshard(&["--to", "3"]), 2, &["JRN009", "--yes"]);
    // A sink that has not taken all keeps the events from being left behind.
    let busy = data.join(format!("shard-{}", shards::shard_of(&Address([7; 20]), 2).0));
    let mut cursor = Cursor::open(&cursor::path_of(&busy, "store")).expect("a cursor");
    cursor.set(Position::new(25, 0)).expect("written");
    says(&reshard(&["--to", "3", "--yes"]), 1, &["JRN017", "sink store is at event 25.0"]);
    cursor.set(Position::new(59, 0)).expect("written");
    let plan = reshard(&["--to", "3", "--dry-run"]);
    assert!(plan.out.contains("2 shards to 3: 1 accounts, inputs go on at seq 61"), "{}", plan.err);
    let written = reshard(&["--to", "3", "--yes"]);
    let new = home.path().join("data.resharded");
    says(&written, 0, &["node.shards = 3", "undo:"]);
    assert_eq!(written.out, format!("{}\n", new.display()));
    says(&run(&["journal", "verify", arg(&new)]), 0, &[]);
    assert_eq!(fs::read_to_string(new.join("corelane.db")).expect("copied"), "signals");
    let totals = |ended: &Ended| {
        let replay: Value = serde_json::from_str(&ended.out).expect("JSON");
        let shards = replay["shards"].as_array().expect("shards");
        let fills: u64 = shards.iter().filter_map(|shard| shard["fills"].as_u64()).sum();
        (shards.len(), fills)
    };
    let replay = run(&["replay", arg(&new), "--json"]);
    assert_eq!((totals(&old).0, totals(&replay)), (2, (3, totals(&old).1)));
    let info = run(&["journal", "info", arg(&new)]);
    assert!(info.out.contains("shard 2 of 3"), "{}", info.out);
    says(&reshard(&["--to", "3", "--yes"]), 73, &["DIR001"]);
}

/// Puts a directory in the place of another, as the verbs say.
fn swap(old: &Path, new: &Path) {
    fs::rename(old, old.with_extension("before")).expect("renamed");
    fs::rename(new, old).expect("renamed");
}

#[test]
fn a_node_goes_on_with_what_was_written_for_it() {
    let market = Market::start(&["--seed", "34", "--traders", "12"]);
    let aggregation = "timeout = \"2s\"\nstatus_grace = \"1s\"";
    let home = Home::new(2, &follow(&market, "", aggregation));
    let data = home.data();
    let (mut signals, mut cursor) = (Signals::default(), 0);
    let mut node = home.run();
    node.out.wait(&mut cursor, "tenth signal", |line| {
        signals.take(line);
        signals.len() == 10
    });
    node.ends_well();
    node.out.to_end().lines().skip(cursor).for_each(|line| signals.take(line));
    let new = data.with_extension("resharded");
    let args = ["journal", "reshard", arg(&data), "--to", "3", "--yes", "--quiet"];
    says(&run(&args), 0, &["2 shards to 3"]);
    swap(&data, &new);
    home.configure(3, &follow(&market, "", aggregation));
    let mut node = home.run();
    cursor = 0;
    node.out.wait(&mut cursor, "signal", |line| {
        signals.take(line);
        true
    });
    market.stop_trading();
    let truth = market.truth();
    let told = node.out.try_wait(&mut cursor, |line| {
        signals.take(line);
        signals.sums == truth
    });
    if let Err(why) = told {
        signals.sums.assert_equals(&truth, &why);
    }
    node.ends_well();
    LegSums::of_database(&home.database()).assert_equals(&truth, "the database");
    says(&run(&["journal", "verify", arg(&data)]), 0, &[]);

    // And one shard without its last inputs: what it lacks is fetched, and told again.
    let shard = data.join("shard-0");
    let info = run(&["journal", "info", arg(&shard), "--json"]);
    let info: Value = serde_json::from_str(&info.out).expect("JSON");
    let last = info["shards"][0]["end"]["last_seq"].as_u64().expect("a number").to_string();
    let args = ["journal", "truncate", arg(&shard), "--at-seq", &last, "--yes"];
    says(&run(&args), 0, &["use it"]);
    swap(&shard, &data.join("shard-0.truncated"));
    let mut node = home.run();
    node.err.wait_for("running");
    node.ends_well();
}
