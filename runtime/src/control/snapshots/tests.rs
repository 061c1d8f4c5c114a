//! Snapshots of journals that are written here, input by input.

use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use persist::open::{open, replay_with};
use persist::snapshot;
use shards::codec::{encode_input, input_kind};
use shards::{Address, Core, Input, StartFrom};

use super::{Diverged, NotTaken, Taken, take};
use crate::shard::replayer::{Broken, Replayer};

fn options(dir: &Path) -> persist::Options {
    persist::Options {
        dir: dir.join("shard-0"),
        shard: 0,
        shard_count: 1,
        segment_bytes: 1 << 20,
        batch_bytes_max: 1 << 16,
        flights: 1,
    }
}

/// Appends `count` accounts to the journal, with a digest behind each tenth, xored with `wrong`. The core after them.
fn append(options: &persist::Options, count: u32, wrong: u64) -> Core {
    let mut replayer = Replayer::default();
    let opened = open(options, &mut |record| replayer.take(&record)).expect("opened");
    let (mut journal, mut core) = (opened.journal, replayer.core);
    let first = journal.next_seq();
    for at in 0..count {
        let mut push = |input: &Input<'_>| {
            let now_ns = journal.next_seq() * 1000;
            journal.push_input(input_kind(input), now_ns, |body| encode_input(input, body));
            core.step(now_ns, input, &mut ());
        };
        let mut address = Address([0; 20]);
        address.0[..8].copy_from_slice(&(first + u64::from(at)).to_le_bytes());
        push(&Input::Watch { address, start: StartFrom::Now });
        if at % 10 == 9 {
            let digest = core.digest() ^ wrong;
            let check = Input::Check { digest };
            let now_ns = journal.next_seq() * 1000;
            journal.push_input(input_kind(&check), now_ns, |body| encode_input(&check, body));
            core.step(now_ns, &check, &mut ());
        }
    }
    journal.flush_blocking().expect("flushed");
    core
}

fn taken(options: &persist::Options, durable_seq: u64) -> Result<Taken, NotTaken> {
    take(&options.dir, 1, durable_seq, &|| false)
}

#[test]
fn snapshots_are_made_from_one_another_and_replay_to_the_same_state() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut wanted = Vec::new();
    for round in 1..=3 {
        let core = append(&options, 100, 0);
        let made = taken(&options, 110 * round).expect("taken");
        assert_eq!((made.seq, made.records), (110 * round, 110));
        assert_eq!(made.state_hash, core.state_hash());
        wanted.push(110 * round);
    }
    assert_eq!(snapshot::list(&options.dir).expect("listed"), wanted[1..]);
    let core = append(&options, 7, 0);
    let mut replayer = Replayer::default();
    let replayed = replay_with(&options.dir, &mut replayer).expect("replayed");
    assert_eq!((replayed.snapshot, replayed.records), (Some(330), 7));
    assert_eq!(replayer.core.state_hash(), core.state_hash());
    // With the newest damaged, the next is made from the one before it.
    let path = snapshot::path_of(&options.dir, 330);
    let mut bytes = fs::read(&path).expect("read");
    bytes[5000] ^= 4;
    fs::write(&path, &bytes).expect("written");
    let made = taken(&options, 337).expect("taken");
    assert_eq!((made.records, made.state_hash), (117, core.state_hash()));
}

#[test]
fn the_first_digest_that_differs_ends_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    append(&options, 25, 0);
    append(&options, 25, 1);
    // 25 accounts and 2 digests, then the tenth account of the second half and its digest.
    match taken(&options, 54) {
        Err(NotTaken::Diverged(Diverged { seq: 38, journaled, replayed })) => {
            assert_eq!(journaled ^ replayed, 1);
        }
        other => panic!("{other:?}"),
    }
    assert!(snapshot::list(&options.dir).expect("listed").is_empty(), "none is made of it");
    let mut replayer = Replayer::default();
    replay_with(&options.dir, &mut replayer).expect("broken off, not failed");
    assert!(matches!(replayer.broken, Some(Broken::Diverged(Diverged { seq: 38, .. }))));
}

#[test]
fn a_snapshot_with_another_hash_than_its_state_is_not_used() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    append(&options, 30, 0);
    taken(&options, 33).expect("taken");
    let mut loaded = snapshot::load(&options.dir, 33).expect("whole");
    loaded.header.state_hash ^= 1;
    fs::remove_file(snapshot::path_of(&options.dir, 33)).expect("removed");
    snapshot::write(&options.dir, &loaded.header, &loaded.body).expect("written");
    let mut replayer = Replayer::default();
    let replayed = replay_with(&options.dir, &mut replayer).expect("replayed");
    assert_eq!((replayed.snapshot, replayed.records), (None, 33));
    assert!(replayed.skipped[0].to_string().contains("state hash"), "{:?}", replayed.skipped);
}

#[test]
fn a_stop_and_a_seq_inside_a_batch_leave_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    append(&options, 30, 0);
    let asked = Cell::new(false);
    let stop = || {
        asked.set(true);
        true
    };
    let stopped = take(&options.dir, 1, 33, &stop);
    assert!(matches!(stopped, Err(NotTaken::Stopped)) && asked.get());
    match taken(&options, 20) {
        Err(NotTaken::Failed(why)) => assert!(why.contains("not the end of a batch"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(snapshot::list(&options.dir).expect("listed").is_empty());
    let go_on = &mut |_: persist::Record<'_>| ControlFlow::Continue(());
    assert_eq!(open(&options, go_on).expect("opened").last_seq, 33);
}

/// A snapshot of another journal, copied in by mistake or left by one: the start steps over it and says that it will be
/// replaced. So it must be.
#[test]
fn a_snapshot_of_another_journal_does_not_end_snapshots_for_ever() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ours, theirs) = (options(&dir.path().join("a")), options(&dir.path().join("b")));
    append(&theirs, 10, 0);
    append(&theirs, 20, 0);
    taken(&theirs, 33).expect("taken");
    append(&ours, 40, 0);
    let stranger = snapshot::path_of(&ours.dir, 33);
    fs::copy(snapshot::path_of(&theirs.dir, 33), &stranger).expect("copied");
    let replayed = replay_with(&ours.dir, &mut Replayer::default()).expect("replayed");
    assert_eq!((replayed.snapshot, replayed.skipped.len()), (None, 1));
    assert_eq!(taken(&ours, 44).expect("taken").records, 44);
    assert!(!stranger.exists(), "it is not one of the two");
}

/// A snapshot was made of a wrong state (a bit of memory, say), after the last digest before it. The next digest finds
/// out; the snapshot before it, and the journal behind that, are right.
#[test]
fn a_snapshot_that_a_later_digest_refutes_is_replaced() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ours, other) = (options(&dir.path().join("a")), options(&dir.path().join("b")));
    append(&ours, 30, 0);
    taken(&ours, 33).expect("taken");
    append(&ours, 5, 0);
    taken(&ours, 38).expect("taken");
    // Another state at the same seq.
    append(&other, 1, 0);
    append(&other, 33, 0);
    append(&other, 1, 0);
    taken(&other, 38).expect("taken");
    let wrong = snapshot::load(&other.dir, 38).expect("whole");
    let right = snapshot::load(&ours.dir, 38).expect("whole").header;
    let header = snapshot::Header { mark: right.mark, ..wrong.header };
    fs::remove_file(snapshot::path_of(&ours.dir, 38)).expect("removed");
    snapshot::write(&ours.dir, &header, &wrong.body).expect("written");
    let core = append(&ours, 20, 0);
    // A start goes back by one.
    let mut replayer = Replayer::default();
    replay_with(&ours.dir, &mut replayer).expect("broken off");
    assert!(matches!(replayer.broken, Some(Broken::Diverged(_))) && replayer.restored == Some(38));
    let mut again = replayer.without_base().expect("there is one before it");
    let replayed = replay_with(&ours.dir, &mut again).expect("replayed");
    assert_eq!((replayed.snapshot, &again.broken), (Some(33), &None));
    assert_eq!(again.core.state_hash(), core.state_hash());
    assert!(again.without_base().is_none(), "it did not diverge");
    // And so does the next snapshot, which takes the place of the wrong one.
    let made = taken(&ours, 60).expect("taken");
    assert_eq!((made.records, made.state_hash), (27, core.state_hash()));
    assert_eq!(snapshot::list(&ours.dir).expect("listed"), [33, 60]);
}
