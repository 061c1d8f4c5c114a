//! Snapshots and the recycling of segments in the real binary, under load and under kills: nothing is lost, nothing is
//! told in two ways, and the journal stays small.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use common::ending::{all_followed, finish, take_rest};
use common::market::Market;
use common::node::Home;
use common::program::Program;
use common::sums::Signals;

/// Time-outs that a test can wait for.
const SHORT: &str = "timeout = \"2s\"\nstatus_grace = \"1s\"";

/// The files of a shard whose names end so, ascending.
fn files(shard: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let listed = fs::read_dir(shard).expect("a shard's directory").flatten();
    let names = listed.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_wanted(name)).collect();
    names.sort();
    names
}

/// Waits for lines that tell of a snapshot until the first segment of shard 0 has been recycled.
fn until_recycled(node: &Program, shard: &Path, cursor: &mut usize) {
    node.err.wait(cursor, "recycled segment", |line| {
        line.contains(" snapshot ") && files(shard, |n| n == "000001.journal").is_empty()
    });
}

#[test]
fn segments_are_recycled_under_load_and_kills_lose_nothing() {
    let market = Market::start(&["--seed", "77", "--traders", "20", "--rate", "50", "--faults"]);
    let home = Home::new(1, &common::node::follow(&market, "", SHORT));
    let shard = home.data().join("shard-0");
    let mut signals = Signals::default();
    for kill in 0..3 {
        let mut node = home.run();
        if kill == 0 {
            all_followed(&node, market.addresses().len());
        }
        until_recycled(&node, &shard, &mut 0);
        node.kill();
        take_rest(&node, 0, &mut signals);
        let snapshots = files(&shard, |name| name.starts_with("snapshot-"));
        assert!(!snapshots.is_empty() && snapshots.len() <= 3, "{snapshots:?}");
    }
    let said = finish(&home, &market, &mut signals).1;
    assert_eq!(signals.gaps, [""; 0], "everything could be fetched");
    // What the shard had at its end is what a replay from the newest snapshot gives.
    let sealed = said.lines().rfind(|line| line.contains("journal sealed")).unwrap_or_default();
    let mut replay = Program::start(&["replay", home.data().to_str().expect("a plain path")]);
    replay.ends_with(0);
    let table = replay.out.to_end();
    let replayed = table.lines().last().and_then(|line| line.split_whitespace().nth(1));
    let replayed = replayed.expect("a state hash");
    assert!(sealed.contains(replayed), "{replayed}: {sealed}");
    let segments = files(&shard, |name| name.ends_with(".journal"));
    assert!(segments.len() < 24, "the journal stays small: {segments:?}");
}

#[test]
fn a_sink_that_does_not_take_holds_its_segments_and_reads_them_later() {
    let market = Market::start(&["--seed", "78", "--traders", "20", "--rate", "50"]);
    let home = Home::new(1, &common::node::follow(&market, "", SHORT));
    let shard = home.data().join("shard-0");
    // Nobody reads standard output: the pipe is full after 64 KiB.
    let mut node = home.run_unread();
    let mut cursor = 0;
    node.err.wait(&mut cursor, "journal of five segments, two snapshots", |line| {
        line.contains(" snapshot ")
            && files(&shard, |name| name.starts_with("snapshot-")).len() == 2
            && files(&shard, |name| name.ends_with(".journal")).len() >= 5
    });
    let first = files(&shard, |name| name == "000001.journal");
    assert_eq!(first.len(), 1, "standard output's cursor holds the first segment");
    // It is read now, while the shard goes on writing, and the segments behind it are recycled.
    let mut signals = Signals::default();
    let reader = BufReader::new(node.take_out());
    let (lines, taken) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        reader
            .lines()
            .map_while(Result::ok)
            .take_while(|line| lines.send(line.clone()).is_ok())
            .count()
    });
    until_recycled(&node, &shard, &mut cursor);
    market.stop_trading();
    let truth = market.truth();
    while signals.sums != truth {
        match taken.recv_timeout(common::program::PATIENCE) {
            Ok(line) => signals.take(&line),
            Err(why) => signals.sums.assert_equals(&truth, &why.to_string()),
        }
    }
    assert_eq!(signals.repeated, 0, "each once");
    node.ends_well();
    drop(taken);
    thread.join().expect("the reader ends with the pipe");
}

#[test]
fn a_sink_that_is_switched_on_later_begins_with_what_is_there() {
    let market = Market::start(&["--seed", "79", "--traders", "20", "--rate", "50"]);
    let follow = common::node::follow(&market, "", SHORT);
    let home = Home::new(1, &format!("{follow}\n[stdout]\nenabled = false\n"));
    let shard = home.data().join("shard-0");
    let mut node = home.run();
    until_recycled(&node, &shard, &mut 0);
    node.ends_well();
    home.configure(1, &follow);
    for _ in 0..2 {
        // The second start finds the cursor that the first one made.
        let mut node = home.run();
        node.out.wait(&mut 0, "signal", |_| true);
        let said = node.ends_well();
        assert!(!said.contains("SNK001") && !said.contains("JRN008"), "{said}");
    }
}
