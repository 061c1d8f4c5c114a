//! What a person does to a data directory from outside, and what the verbs tell them to do.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use persist::cursor::{self, Cursor};
use persist::open::{State, replay_with};
use persist::snapshot::Header;
use persist::{Position, Record};
use tempfile::TempDir;

use super::compare::make_snapshot;
use super::{INPUTS, Sample, Writer, arg, place_of, run, says};
use crate::{Ended, directory};

/// A data directory with these shards.
fn shards(of: &[(u16, u16)]) -> TempDir {
    let home = directory();
    for (shard, count) in of {
        Writer::open(&home.path().join(format!("shard-{shard}")), *shard, *count).write(9);
    }
    home
}

/// What is wrong with the shards of a directory is told by the verbs that look at all of it.
#[track_caller]
fn do_not_fit(data: &Path, parts: &[&str]) {
    says(&run(&["journal", "verify", arg(data)]), 1, parts);
    says(&run(&["replay", arg(data), "--verify"]), 1, parts);
    says(&run(&["replay", arg(data)]), 0, &[&["warn["], &parts[1..]].concat());
    let info = run(&["journal", "info", arg(data)]);
    assert!(info.out.contains(parts[1]) && info.code == Some(0), "{}", info.out);
}

#[test]
fn shards_that_do_not_belong_together_are_named() {
    let whole = shards(&[(0, 2), (1, 2)]);
    says(&run(&["journal", "verify", arg(whole.path())]), 0, &[]);
    says(&run(&["replay", arg(whole.path()), "--verify"]), 0, &[]);
    let missing = shards(&[(0, 3), (2, 3)]);
    do_not_fit(missing.path(), &["JRN005", "shard-1 is missing: the others are of 3 shards"]);
    let surplus = shards(&[(0, 2), (1, 2), (2, 3)]);
    do_not_fit(surplus.path(), &["JRN002", "says shard 2 of 3 shards; the others are of 2 shards"]);
    let path = |shard: u16| whole.path().join(format!("shard-{shard}"));
    fs::rename(path(0), path(7)).expect("renamed");
    fs::rename(path(1), path(0)).expect("renamed");
    fs::rename(path(7), path(1)).expect("renamed");
    do_not_fit(whole.path(), &["JRN005", "shard-0/superblock says shard 1 of 2 shards"]);
    // A shard by itself is what it says it is, whatever its directory is called.
    says(&run(&["journal", "verify", arg(&path(0))]), 0, &[]);
}

#[test]
fn a_segment_that_is_missing_before_another_is_damage() {
    let data = Sample::whole();
    assert!(data.segment(3).exists(), "there are spares");
    fs::remove_file(data.segment(2)).expect("removed");
    let gone = format!("{} is missing, {} is there", arg(&data.segment(2)), arg(&data.segment(3)));
    says(&data.journal("verify", &[]), 1, &["JRN005", &gone, "to go on after seq "]);
    says(&data.ask(&["replay"], &[]), 74, &["JRN005", &gone, "corelane journal verify"]);
    assert!(data.journal("info", &[]).out.contains(&gone));
    // With batches behind it, they are told, and where they could be cut.
    let data = Sample::with(|writer| writer.write(2 * INPUTS));
    assert!(place_of(&data, 2 * INPUTS - 2).0 > 2, "three segments are written");
    fs::remove_file(data.segment(2)).expect("removed");
    let next = format!("000002.journal is missing, {} is there (seq ", arg(&data.segment(3)));
    says(&data.journal("verify", &[]), 1, &[&next, "good batches", "corelane journal truncate "]);
}

/// A state that takes any snapshot.
struct Taken(Option<u64>);

impl State for Taken {
    fn restore(&mut self, header: &Header, _: &[u8]) -> Result<(), String> {
        self.0 = Some(header.seq());
        Ok(())
    }

    fn record(&mut self, _: Record<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[test]
fn damage_behind_which_a_start_begins_is_not_to_be_cut() {
    let data = Sample { home: directory() };
    let mut writer = Writer::open(&data.shard(), 0, 1);
    writer.write(30);
    make_snapshot(&data, &writer.core, writer.seq);
    writer.write(30);
    let (segment, offset) = place_of(&data, 13);
    data.change(segment, offset, |block| block[100] ^= 1);
    let passed = "a start does not read it: it begins with the snapshot at seq 30";
    for (ended, code) in [(data.journal("verify", &[]), 1), (data.ask(&["replay"], &[]), 74)] {
        says(&ended, code, &["JRN005", passed, "leave it"]);
        assert!(!ended.err.contains("truncate"), "{}", ended.err);
    }
    let store = cursor::path_of(&data.shard(), "store");
    let mut cursor = Cursor::open(&store).expect("a cursor");
    cursor.set(Position::new(5, 0)).expect("written");
    says(&data.journal("verify", &[]), 1, &["but sink store is at event 5.0"]);
    cursor.set(Position::end_of(60)).expect("written");
    // More damage, in the way of a start: only what is behind it goes.
    let (segment, offset) = place_of(&data, 46);
    data.change(segment, offset, |block| block[100] ^= 1);
    let cut = "--at-seq 46 --dry-run (would drop 15 inputs)";
    says(&data.journal("verify", &[]), 1, &[passed, cut]);
    let written = data.journal("truncate", &["--at-seq", "46", "--yes"]);
    says(
        &written,
        0,
        &["4096 bytes stay so", "cursor store was after seq 60, is now at event 45.0"],
    );
    let mut taken = Taken(None);
    let new = data.path().join("shard-0.truncated");
    let replayed = replay_with(&new, &mut taken).expect("a start begins behind the damage");
    assert_eq!((taken.0, replayed.last_seq), (Some(30), 45));
}

#[test]
fn damage_at_the_end_is_cut_and_nothing_is_proposed_that_is_refused() {
    let data = Sample::whole();
    // Opened once more: the superblock knows of the end.
    drop(Writer::open(&data.shard(), 0, 1));
    let (segment, offset) = place_of(&data, INPUTS - 2);
    data.change(segment, offset + 4096, |block| block[100] ^= 1);
    let verify = data.journal("verify", &[]);
    says(&verify, 1, &["--at-seq 61 --dry-run (would drop what 4096 damaged bytes held)"]);
    says(&data.journal("truncate", &["--at-seq", "61", "--yes"]), 0, &[]);
    says(&run(&["replay", arg(&data.path().join("shard-0.truncated")), "--verify"]), 0, &[]);
    // Without its beginning, and without a snapshot from before the damage, there is nothing to cut.
    let data = Sample { home: directory() };
    let mut writer = Writer::open(&data.shard(), 0, 1);
    writer.write(INPUTS);
    let (second, _) = place_of(&data, INPUTS - 2);
    make_snapshot(&data, &writer.core, writer.seq);
    fs::remove_file(data.segment(1)).expect("removed");
    data.change(second, 4096, |block| block[100] ^= 1);
    let verify = data.journal("verify", &[]);
    says(&verify, 1, &["JRN005", "a start does not read it"]);
    assert!(!verify.err.contains("truncate"), "{}", verify.err);
}

/// Runs the first line of a text that begins with these words, in a shell.
#[track_caller]
fn paste(text: &str, after: &str) {
    let line = text.split_once(after).and_then(|(_, rest)| rest.lines().next()).expect(text);
    let status = Command::new("sh").args(["-c", line]).status().expect("a shell");
    assert!(status.success(), "{line}");
}

#[test]
fn what_is_said_after_a_cut_can_be_pasted() {
    let home = directory();
    let data = home.path().join("my data");
    let shard = data.join("shard-0");
    Writer::open(&shard, 0, 1).write(INPUTS);
    fs::write(data.join("corelane.db"), "rows").expect("written");
    for sink in ["store", "stdout"] {
        let mut cursor = Cursor::open(&cursor::path_of(&shard, sink)).expect("a cursor");
        cursor.set(Position::new(59, 0)).expect("written");
    }
    let slash = format!("{}/", arg(&shard));
    let cut = run(&["journal", "truncate", &slash, "--at-seq", "25", "--yes"]);
    let rows = format!(
        "\n  sqlite3 '{}' \"DELETE FROM hl_address_signals WHERE shard=0 AND seq>=25;\"\n",
        arg(&data.join("corelane.db"))
    );
    says(&cut, 0, &[&rows, "have seen signals of seq 25 and later"]);
    paste(&cut.err, "use it:\n");
    let replay = |dir: &Path| run(&["replay", arg(dir), "--verify"]);
    assert!(replay(&data).out.contains("shard 0: verified from seq 1 to 24\n"));
    assert!(replay(&data.join("shard-0.before")).out.contains("from seq 1 to 60\n"));
    paste(&cut.err, "undo:\n");
    assert!(replay(&data).out.contains("from seq 1 to 60\n"));
    assert!(replay(&data.join("shard-0.truncated")).out.contains("from seq 1 to 24\n"));
    for sink in ["store", "stdout"] {
        fs::remove_file(cursor::path_of(&shard, sink)).expect("removed");
    }
    let slash = format!("{}/", arg(&data));
    let reshard = run(&["journal", "reshard", &slash, "--to", "2", "--yes", "--quiet"]);
    says(&reshard, 0, &["\n  then set node.shards = 2\n", "\n  then set node.shards = 1\n"]);
    paste(&reshard.err, "use it:\n");
    says(&replay(&data), 0, &[]);
    assert!(data.join("shard-1").exists());
    paste(&reshard.err, "undo:\n");
    assert!(!data.join("shard-1").exists());
}

#[test]
fn a_new_directory_is_beside_the_old_one_and_nothing_is_there() {
    let data = Sample::whole();
    let truncate = |into: PathBuf| {
        let into = arg(&into).to_owned();
        data.journal("truncate", &["--at-seq", "25", "--yes", "--into", &into])
    };
    says(&truncate(data.shard().join("new")), 2, &["JRN009", "is inside"]);
    let link = data.path().join("link");
    symlink(data.path().join("nowhere"), &link).expect("linked");
    says(&truncate(link.clone()), 73, &["DIR001", "link is there, a symbolic link"]);
    let reshard = |into: &Path| {
        run(&["journal", "reshard", arg(data.path()), "--to", "2", "--yes", "--into", arg(into)])
    };
    says(&reshard(&data.path().join("new")), 2, &["JRN009", "is inside"]);
    let other = directory();
    let link = other.path().join("link");
    symlink(other.path().join("nowhere"), &link).expect("linked");
    says(&reshard(&link), 73, &["DIR001", "a symbolic link"]);
    assert_eq!(fs::read_dir(other.path()).expect("ours").count(), 1, "nothing was written");
}

#[test]
fn no_number_that_stands_for_all_events_reaches_anyone() {
    let data = Sample::whole();
    let mut store = Cursor::open(&cursor::path_of(&data.shard(), "store")).expect("a cursor");
    store.set(Position::end_of(INPUTS)).expect("written");
    let is_clean = |ended: &Ended| {
        assert!(!(ended.out.clone() + &ended.err).contains("4294967295"), "{ended:?}");
    };
    let info = data.journal("info", &[]);
    assert!(info.out.contains("cursor      store after seq 60 · 0 events"), "{}", info.out);
    is_clean(&info);
    is_clean(&data.journal("info", &["--json"]));
    is_clean(&data.journal("truncate", &["--at-seq", "25", "--yes"]));
    store.set(Position::end_of(INPUTS + 5)).expect("written");
    let info = data.journal("info", &[]);
    let ahead = "store after seq 65 · AHEAD of the journal, which ends after seq 60";
    assert!(info.out.contains(ahead), "{}", info.out);
    let verify = data.journal("verify", &[]);
    says(&verify, 1, &["is after seq 65, but the journal ends after seq 60"]);
    is_clean(&verify);
}

#[test]
fn a_demo_does_not_touch_what_is_not_its_own() {
    let dir = directory();
    let demo = || run(&["demo", "--for", "1s", "--data", arg(dir.path())]);
    let config = dir.path().join("corelane.toml");
    fs::write(&config, "[node]\nshards = 1\n").expect("written");
    says(&demo(), 73, &["DIR001", "corelane.toml was not written by the demo"]);
    assert_eq!(fs::read_to_string(&config).expect("kept"), "[node]\nshards = 1\n");
    fs::remove_file(&config).expect("removed");
    let lock = persist::lock::DirLock::acquire(dir.path()).expect("nobody has it");
    says(&demo(), 73, &["JRN006", &format!("pid {} ", std::process::id())]);
    drop(lock);
    let names =
        fs::read_dir(dir.path()).expect("ours").map(|entry| entry.expect("ours").file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["lock"], "nothing was written");
}
