//! A journal against itself, its snapshots and cursors, and another journal.

use std::fs;

use persist::Position;
use persist::cursor::{self, Cursor};
use persist::snapshot::{self, Header};
use persist::tail::Tail;
use serde_json::Value;
use shards::Core;

use super::{BLOCK, INPUTS, Sample, Writer, arg, run, says};
use crate::{Ended, directory};

/// Makes a snapshot of a journal at its end.
fn make_snapshot(data: &Sample, core: &Core) {
    let shard = data.shard();
    let mut tail = Tail::open(&shard, Position::START).expect("a journal");
    let mut last_event = Position::START;
    tail.read(INPUTS, usize::MAX, &mut |record| {
        if !record.is_input {
            last_event = Position::new(record.seq, record.index);
        }
    })
    .expect("it is whole");
    let mut body = Vec::new();
    core.encode(&mut body);
    let header = Header {
        shard: 0,
        shard_count: 1,
        mark: tail.mark().expect("the end of a batch"),
        last_event,
        state_hash: core.state_hash(),
        body_bytes: body.len() as u64,
    };
    snapshot::write(&shard, &header, &body).expect("written");
}

#[test]
fn snapshots_and_cursors_are_judged_too() {
    let data = Sample { home: directory() };
    let mut writer = Writer::open(&data.shard(), 0, 1);
    writer.write(INPUTS);
    make_snapshot(&data, &writer.core);
    let at = |sink: &str, seq| {
        let path = cursor::path_of(&data.shard(), sink);
        let mut cursor = Cursor::open(&path).expect("a cursor");
        cursor.set(Position::new(seq, 0)).expect("written");
        path
    };
    at("store", 25);
    says(&data.journal("verify", &[]), 0, &[]);
    let info = data.journal("info", &[]);
    assert!(info.out.contains("store at event 25.0 · "), "{}", info.out);
    assert!(info.out.contains(" · intact · state "), "{}", info.out);
    // The state at the snapshot's seq is compared, besides the digests.
    let replay = data.ask(&["replay"], &["--verify"]);
    assert!(replay.out.contains("and 7 states"), "{}\n{}", replay.out, replay.err);

    let ahead = at("bus", INPUTS + 1);
    says(&data.journal("verify", &[]), 1, &["JRN008", "cursor-bus is at event 61.0"]);
    fs::write(&ahead, [1; 8192]).expect("written");
    says(&data.journal("verify", &[]), 1, &["JRN008", "cursor-bus is damaged"]);
    fs::remove_file(ahead).expect("removed");

    let path = snapshot::path_of(&data.shard(), INPUTS);
    let mut bytes = fs::read(&path).expect("a snapshot");
    bytes[BLOCK as usize + 9] ^= 1;
    fs::write(&path, &bytes).expect("written");
    says(&data.journal("verify", &[]), 1, &["JRN010", "wrong checksum"]);
    assert!(data.journal("info", &[]).out.contains("snapshot-60 is damaged: wrong checksum"));
    // Nothing is lost: the journal is whole from its beginning.
    says(&data.ask(&["replay"], &["--verify"]), 0, &[]);
}

#[test]
fn a_journal_without_its_beginning_is_replayed_from_its_snapshot() {
    let data = Sample { home: directory() };
    let mut writer = Writer::open(&data.shard(), 0, 1);
    writer.write(INPUTS);
    make_snapshot(&data, &writer.core);
    let whole = data.ask(&["replay"], &["--json"]);
    fs::remove_file(data.segment(1)).expect("removed");
    says(&data.journal("verify", &[]), 0, &[]);
    let replay = data.ask(&["replay"], &["--json", "--verify"]);
    let hash = |ended: &Ended| {
        let replay: Value = serde_json::from_str(&ended.out).expect("JSON");
        replay["shards"][0]["state_hash"].clone()
    };
    assert_eq!(hash(&replay), hash(&whole), "{}", replay.err);
    says(&data.ask(&["replay"], &["--to-seq", "5"]), 74, &["JRN014", "before seq 5"]);
    says(&data.journal("dump", &["--to-seq", "5"]), 0, &[]);
    fs::remove_file(snapshot::path_of(&data.shard(), INPUTS)).expect("removed");
    says(&data.journal("verify", &[]), 1, &["JRN014"]);
    says(&data.ask(&["replay"], &[]), 74, &["JRN014"]);
}

#[test]
fn the_first_difference_of_a_replay_is_named_with_both_sides() {
    let data = Sample::with(|writer| {
        writer.false_event = 25;
        writer.write(INPUTS);
    });
    let replay = data.ask(&["replay"], &["--verify"]);
    says(&replay, 1, &["JRN011", "seq 25, event 0", "\"oid\":126", "\"oid\":125"]);
    says(&data.ask(&["replay"], &[]), 0, &[]);
    let data = Sample::with(|writer| {
        writer.false_check = 30;
        writer.write(INPUTS);
    });
    says(&data.ask(&["replay"], &[]), 1, &["JRN011", "seq 30", "digest"]);
    says(&data.ask(&["replay"], &["--to-seq", "29", "--verify"]), 0, &[]);
    says(&data.ask(&["replay"], &["--to-seq", "99"]), 1, &["JRN011"]);
    says(&Sample::whole().ask(&["replay"], &["--to-seq", "99"]), 1, &["JRN015", "--to-seq 60"]);
}

#[test]
fn two_journals_are_compared_by_what_they_say() {
    let (one, other) = (Sample::whole(), Sample::with(|writer| writer.write(20)));
    let (a, b) = (one.shard(), other.shard());
    let longer = run(&["journal", "diff", arg(&a), arg(&b)]);
    says(&longer, 1, &["A goes on at seq 21"]);
    let line: Value = serde_json::from_str(&longer.out).expect("one line of JSON");
    assert_eq!((&line["a"]["seq"], &line["b"]), (&21.into(), &Value::Null));
    let prefix = run(&["journal", "diff", arg(&b), arg(&a), "--prefix"]);
    says(&prefix, 0, &["B goes on at seq 21"]);
    let lying = Sample::with(|writer| {
        writer.false_event = 25;
        writer.write(INPUTS);
    });
    let differ = run(&["journal", "diff", arg(&a), arg(&lying.shard())]);
    says(&differ, 1, &["they differ at seq 25"]);
    let line: Value = serde_json::from_str(&differ.out).expect("one line of JSON");
    assert_eq!((&line["a"]["oid"], &line["b"]["oid"]), (&125.into(), &126.into()));
}
