//! A journal against itself, its snapshots and cursors, and another journal.

use std::fs;

use persist::Position;
use persist::cursor::{self, Cursor};
use persist::snapshot::{self, Header};
use persist::tail::Tail;
use serde_json::Value;
use shards::Core;

use super::{BLOCK, INPUTS, Sample, Writer, arg, lines, run, says};
use crate::{Ended, directory};

/// Makes a snapshot of a journal at its end.
pub(super) fn make_snapshot(data: &Sample, core: &Core, seq: u64) {
    let shard = data.shard();
    let mut tail = Tail::open(&shard, Position::START).expect("a journal");
    let mut last_event = Position::START;
    tail.read(seq, usize::MAX, &mut |record| {
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
    make_snapshot(&data, &writer.core, writer.seq);
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
    make_snapshot(&data, &writer.core, writer.seq);
    let whole = data.ask(&["replay"], &["--json"]);
    fs::remove_file(data.segment(1)).expect("removed");
    says(&data.journal("verify", &[]), 0, &[]);
    let replay = data.ask(&["replay"], &["--json", "--verify"]);
    let hash = |ended: &Ended| {
        let replay: Value = serde_json::from_str(&ended.out).expect("JSON");
        replay["shards"][0]["state_hash"].clone()
    };
    assert_eq!(hash(&replay), hash(&whole), "{}", replay.err);
    let behind = "begins behind the snapshot at seq 60: 5 is before it";
    says(&data.ask(&["replay"], &["--to-seq", "5"]), 1, &["JRN015", behind, "--to-seq 60"]);
    let verified = data.ask(&["replay"], &["--verify"]).out;
    assert!(verified.contains("shard 0: no inputs (behind the snapshot at seq 60"), "{verified}");
    let first = lines(&data.journal("dump", &[])).remove(0)["seq"].to_string();
    let begins = format!("shard 0: the journal begins at seq {first}\n");
    let dump = data.journal("dump", &["--from-seq", "2", "--to-seq", "5"]);
    assert_eq!((dump.code, dump.out.as_str(), &dump.err), (Some(0), "", &begins));
    assert_eq!(data.journal("dump", &["--from-seq", &first]).err, "");
    says(&data.journal("dump", &["--from-seq", "6", "--to-seq", "5"]), 2, &["JRN009"]);
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
    assert_eq!((&line["same"], &line["shard"]), (&false.into(), &0.into()));
    let same = run(&["journal", "diff", arg(&a), arg(&a)]);
    let line: Value = serde_json::from_str(&same.out).expect("one line of JSON");
    assert_eq!((same.code, &line["same"], &line["a"]), (Some(0), &true.into(), &Value::Null));
    // Two shards of one directory, and a directory that has one more.
    let home = directory();
    for shard in 0..2 {
        Writer::open(&home.path().join(format!("shard-{shard}")), shard, 2).write(9);
    }
    let [first, second] = [0, 1].map(|shard| home.path().join(format!("shard-{shard}")));
    let others = run(&["journal", "diff", arg(&first), arg(&second)]);
    says(&others, 0, &["A is shard 0, B is shard 1: different shards"]);
    let fewer = run(&["journal", "diff", arg(home.path()), arg(one.path())]);
    says(&fewer, 1, &["A has 2 shards, B has 1 shard\n", "shard 1 is only in A"]);
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
