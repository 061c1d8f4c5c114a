//! Snapshots and recycling, on real files: what an opening begins with, what it falls back to, what
//! it refuses.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use super::{Header, KEPT, SnapshotError, header, keep_newest, list, load, path_of, write};
use crate::batch::Record;
use crate::block::BLOCK_BYTES;
use crate::cursor::{self, Cursor};
use crate::journal::Options;
use crate::open::{OpenError, Opened, Replayed, State, found, open, open_with, replay_with};
use crate::position::Position;
use crate::recycle::{Needed, need};
use crate::segment;
use crate::snapshot::Mark;
use crate::tail::{Tail, TailError};

/// A state that adds up the bodies of inputs: order does not matter, completeness does.
#[derive(Default, PartialEq, Debug)]
struct Sum {
    sum: u64,
    inputs: u64,
    last_event: Position,
    refuses: Option<u64>,
}

fn number(body: &[u8]) -> u64 {
    u64::from_le_bytes(body.try_into().expect("eight bytes"))
}

impl State for Sum {
    fn restore(&mut self, header: &Header, body: &[u8]) -> Result<(), String> {
        if self.refuses == Some(header.seq()) {
            return Err("not today".to_owned());
        }
        (self.sum, self.inputs) = (number(&body[..8]), header.seq());
        assert_eq!(header.state_hash, self.sum ^ 0x55);
        Ok(())
    }

    fn record(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if record.is_input {
            self.inputs += 1;
            assert_eq!(record.seq, self.inputs, "no gaps");
            self.sum += number(record.body);
        } else {
            self.last_event = Position::new(record.seq, record.index);
        }
        ControlFlow::Continue(())
    }
}

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.join("shard-0"),
        shard: 0,
        shard_count: 1,
        segment_bytes: 4 * BLOCK_BYTES as u64,
        batch_bytes_max: BLOCK_BYTES,
        flights: 2,
    }
}

/// Appends inputs up to seq `to`, each with one event and in a batch of its own.
fn append(options: &Options, to: u64) -> Sum {
    let mut sum = Sum::default();
    let Opened { mut journal, .. } = open_with(options, &mut sum).expect("opened");
    while journal.next_seq() <= to {
        while let Some(order) = journal.segment_wanted() {
            journal.segment_ready(segment::prepare(&order).expect("prepared"));
        }
        let seq = journal.next_seq();
        journal.push_input(1, seq, |out| out.extend((seq * seq).to_le_bytes()));
        journal.push_event(2, seq, |_| {});
        (sum.sum, sum.inputs) = (sum.sum + seq * seq, seq);
        journal.flush_blocking().expect("flushed");
    }
    sum
}

/// Makes a snapshot at `seq`, as the background replayer does.
fn snapshot_at(options: &Options, seq: u64) {
    let dir = &options.dir;
    let mut sum = Sum::default();
    let mut tail = match list(dir).expect("listed").last() {
        Some(&newest) => {
            let base = load(dir, newest).expect("whole");
            sum.restore(&base.header, &base.body).expect("restored");
            sum.last_event = base.header.last_event;
            Tail::from_mark(dir, &base.header.mark)
        }
        None => Tail::open(dir, Position::START).expect("opened"),
    };
    while sum.inputs < seq {
        let read = tail.read(seq, 1, &mut |record| _ = sum.record(record));
        assert!(read.expect("read") > 0);
    }
    // The event behind the last input, and the end of its batch.
    tail.read(seq, 9, &mut |record| _ = sum.record(record)).expect("read");
    let mark = tail.mark().expect("the end of a batch");
    let body = [sum.sum.to_le_bytes(), [7; 8]].concat().repeat(700);
    let header = Header {
        shard: 0,
        shard_count: 1,
        mark,
        last_event: sum.last_event,
        state_hash: sum.sum ^ 0x55,
        body_bytes: body.len() as u64,
    };
    assert_eq!(header.seq(), seq);
    write(dir, &header, &body).expect("written");
    keep_newest(dir).expect("the rest is removed");
}

fn segments(options: &Options) -> Vec<u64> {
    segment::list(&crate::disk::OsDisk, &options.dir).expect("listed").segments
}

fn replayed(options: &Options) -> (Replayed, Sum) {
    let mut sum = Sum::default();
    (replay_with(&options.dir, &mut sum).expect("replayed"), sum)
}

#[test]
fn a_replay_begins_with_the_newest_snapshot_and_ends_the_same() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    append(&options, 20);
    for seq in [5, 11, 17] {
        snapshot_at(&options, seq);
    }
    assert_eq!(list(&options.dir).expect("listed"), [11, 17], "{KEPT} are kept");
    let full = append(&options, 25);
    let (replayed, sum) = replayed(&options);
    assert_eq!((replayed.snapshot, replayed.last_seq, replayed.records), (Some(17), 25, 16));
    assert_eq!((sum.sum, sum.inputs), (full.sum, 25));
    let snapshot = load(&options.dir, 17).expect("whole");
    assert_eq!(snapshot.header.last_event, Position::new(17, 0));
    assert_eq!(snapshot.header, header(&options.dir, 17).expect("whole"));
    // A snapshot at the very end: nothing follows it, and the journal goes on after it.
    snapshot_at(&options, 25);
    let Opened { journal, records, snapshot, .. } =
        open_with(&options, &mut Sum::default()).expect("opened");
    assert_eq!((records, snapshot, journal.next_seq()), (0, Some(25), 26));
}

#[test]
fn a_damaged_snapshot_is_told_and_the_one_before_it_used() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let full = append(&options, 20);
    [6, 13].into_iter().for_each(|seq| snapshot_at(&options, seq));
    let path = path_of(&options.dir, 13);
    let good = fs::read(&path).expect("read");
    let bits = (0..good.len() * 8).step_by(997).chain(0..100 * 8);
    for bit in bits {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bad).expect("written");
        let (replayed, sum) = replayed(&options);
        // The padding behind the body is nobody's.
        if replayed.snapshot == Some(13) {
            assert!(bit / 8 >= BLOCK_BYTES + 16 * 700, "bit {bit} is noticed");
        } else {
            assert_eq!((replayed.snapshot, replayed.skipped.len()), (Some(6), 1));
            assert!(matches!(replayed.skipped[0], SnapshotError::Damaged { .. }));
        }
        assert_eq!((sum.sum, sum.inputs), (full.sum, 20));
    }
    for length in [0, 99, BLOCK_BYTES, good.len() - 1, good.len() - BLOCK_BYTES] {
        fs::write(&path, &good[..length]).expect("written");
        assert_eq!(replayed(&options).0.snapshot, Some(6), "cut to {length}");
    }
    fs::write(&path, [good.clone(), vec![0; BLOCK_BYTES]].concat()).expect("written");
    assert_eq!(replayed(&options).0.snapshot, Some(6), "extended");
    fs::write(&path, &good).expect("written");
    let mut picky = Sum { refuses: Some(13), ..Sum::default() };
    let replayed = replay_with(&options.dir, &mut picky).expect("replayed");
    assert_eq!((replayed.snapshot, picky.sum), (Some(6), full.sum));
    assert!(replayed.skipped[0].to_string().contains("not today"));
    // A copy under another name is none.
    fs::rename(&path, path_of(&options.dir, 14)).expect("renamed");
    assert!(matches!(load(&options.dir, 14), Err(SnapshotError::Damaged { .. })));
}

#[test]
fn a_snapshot_of_another_journal_is_not_used_and_one_ahead_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ours, theirs) = (options(&dir.path().join("a")), options(&dir.path().join("b")));
    append(&ours, 12);
    append(&theirs, 4);
    append(&theirs, 12);
    snapshot_at(&theirs, 9);
    fs::copy(path_of(&theirs.dir, 9), path_of(&ours.dir, 9)).expect("copied");
    let (replayed, sum) = replayed(&ours);
    assert_eq!((replayed.snapshot, sum.inputs), (None, 12));
    assert!(matches!(replayed.skipped[0], SnapshotError::Stranger { .. }));
    fs::remove_file(path_of(&ours.dir, 9)).expect("removed");
    // The unsealed end of the journal is lost: without the snapshot that would be a torn tail.
    snapshot_at(&ours, 12);
    let last = header(&ours.dir, 12).expect("whole").mark.0.last.expect("a batch");
    let segment = segment::path_of(&ours.dir, last.segment);
    let mut bytes = fs::read(&segment).expect("read");
    bytes[last.offset as usize + 90] ^= 1;
    fs::write(&segment, &bytes).expect("written");
    let error = replay_with(&ours.dir, &mut Sum::default()).expect_err("refused");
    assert!(matches!(error, OpenError::SnapshotAhead { seq: 12, last_seq: 11, .. }), "{error}");
    let error = open_with(&ours, &mut Sum::default()).expect_err("refused");
    assert!(error.to_string().contains("ends at 11"), "{error}");
}

#[test]
fn segments_behind_two_snapshots_and_every_cursor_are_used_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    append(&options, 20);
    let journal = &options.dir;
    // Four batches a segment: 20 inputs end in segment 5.
    snapshot_at(&options, 10);
    assert_eq!(need(journal).expect("known").first, 0, "one snapshot is not enough");
    snapshot_at(&options, 18);
    assert_eq!(need(journal).expect("known").first, 3, "the older one is of segment 3");
    let mut cursor = Cursor::open(&cursor::path_of(journal, "slow")).expect("created");
    assert_eq!(need(journal).expect("known").first, 1, "a new cursor needs everything");
    for (at, needed) in [(4, 1), (5, 2), (9, 3), (10, 3), (17, 3)] {
        cursor.set(Position::new(at, 0)).expect("set");
        assert_eq!(need(journal).expect("known").first, needed, "at {at}");
    }
    assert_eq!(need(journal).expect("known").by, Needed::Snapshot { seq: 10 });
    let at = Position::new(4, 0);
    cursor.set(at).expect("set");
    let path = cursor::path_of(journal, "slow");
    assert_eq!(need(journal).expect("known").by, Needed::Cursor { path, at });
    cursor.set(Position::new(17, 0)).expect("set");
    let before = segments(&options);
    let full = append(&options, 40);
    let after = segments(&options);
    assert_eq!(after[0], 3, "{before:?} became {after:?}");
    assert!(after.is_sorted() && after.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(replayed(&options).1.sum, full.sum);
    // No snapshot, no beginning.
    let kept = [10, 18].map(|seq| (path_of(journal, seq), fs::read(path_of(journal, seq))));
    kept.iter().for_each(|(path, _)| fs::remove_file(path).expect("removed"));
    let error = open_with(&options, &mut Sum::default()).expect_err("refused");
    assert!(matches!(error, OpenError::NoSnapshot { first_seq: 9, .. }), "{error}");
    kept.into_iter().for_each(|(path, bytes)| fs::write(path, bytes.expect("read")).expect("back"));
    assert_eq!(replayed(&options).1.sum, full.sum);
    let error = open(&options, &mut |_| ControlFlow::Continue(())).expect_err("from the first");
    assert!(matches!(error, OpenError::NoSnapshot { .. }), "{error}");
}

#[test]
fn a_reader_that_comes_too_late_is_told_and_one_that_missed_nothing_goes_on() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    append(&options, 20);
    [10, 18].into_iter().for_each(|seq| snapshot_at(&options, seq));
    append(&options, 40);
    assert_eq!(Tail::first_seq(&options.dir).expect("read"), Some(9));
    for late in [Position::START, Position::new(7, 0)] {
        match Tail::open(&options.dir, late).err() {
            Some(TailError::Recycled { first_seq: 9, after, .. }) => assert_eq!(after, late),
            other => panic!("{other:?}"),
        }
    }
    let mut seen = Vec::new();
    let mut tail = Tail::open(&options.dir, Position::new(10, 0)).expect("nothing was missed");
    tail.read(40, 1000, &mut |record| seen.push(record.seq)).expect("read");
    assert_eq!(seen, (11..=40).flat_map(|seq| [seq, seq]).collect::<Vec<_>>());
    // Recycled segments of a journal whose inputs have no events for long are no loss.
    let mut header = header(&options.dir, 10).expect("whole");
    header.last_event = Position::new(2, 0);
    let body = load(&options.dir, 10).expect("whole").body;
    fs::remove_file(path_of(&options.dir, 10)).expect("removed");
    write(&options.dir, &header, &body).expect("written");
    Tail::open(&options.dir, Position::new(2, 0)).expect("no event between 2 and 9");
}

#[test]
fn a_journal_can_begin_with_a_snapshot() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let body = 1000u64.to_le_bytes();
    let header = Header {
        shard: 0,
        shard_count: 1,
        mark: Mark::beginning(0, 50),
        last_event: Position::new(48, 1),
        state_hash: 1000 ^ 0x55,
        body_bytes: 8,
    };
    found(&options, 6, &header, &body).expect("founded");
    let Opened { journal, last_seq, snapshot, .. } =
        open_with(&options, &mut Sum::default()).expect("opened");
    assert_eq!((journal.next_seq(), journal.epoch(), last_seq, snapshot), (51, 7, 50, Some(50)));
    drop(journal);
    let full = append(&options, 60);
    assert_eq!(full.sum, 1000 + (51..=60).map(|seq| seq * seq).sum::<u64>());
    assert_eq!(replayed(&options).1.sum, full.sum);
    assert_eq!(Tail::first_seq(&options.dir).expect("read"), Some(51));
    fs::remove_file(path_of(&options.dir, 50)).expect("removed");
    let error = replay_with(&options.dir, &mut Sum::default()).expect_err("refused");
    assert!(matches!(error, OpenError::NoSnapshot { first_seq: 51, .. }), "{error}");
}

/// A sink that had everything when the journal fell silent is passed by recycling. It must find its way when events
/// come again while it is away, however many snapshots are made meanwhile.
#[test]
fn a_sink_that_was_passed_in_silence_reads_on_after_later_snapshots() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let run = |to: u64, events: bool| {
        let Opened { mut journal, .. } = open_with(&options, &mut Sum::default()).expect("opened");
        while journal.next_seq() <= to {
            while let Some(order) = journal.segment_wanted() {
                journal.segment_ready(segment::prepare(&order).expect("prepared"));
            }
            let seq = journal.next_seq();
            journal.push_input(1, seq, |out| out.extend((seq * seq).to_le_bytes()));
            if events {
                journal.push_event(2, seq, |_| {});
            }
            journal.flush_blocking().expect("flushed");
        }
    };
    let journal = &options.dir;
    run(4, true);
    let at = Position::new(4, 0);
    Cursor::open(&cursor::path_of(journal, "store")).and_then(|mut c| c.set(at)).expect("set");
    run(20, false);
    [10, 18].into_iter().for_each(|seq| snapshot_at(&options, seq));
    run(40, false);
    assert!(Tail::first_seq(journal).expect("read") > Some(5), "what nobody needs is gone");
    run(60, true);
    [50, 58].into_iter().for_each(|seq| snapshot_at(&options, seq));
    run(70, true);
    let mut events = Vec::new();
    let mut tail = Tail::open(journal, at).expect("no event was missed");
    tail.read(70, 1000, &mut |r| events.extend((!r.is_input).then_some(r.seq))).expect("read");
    assert_eq!(events, (41..=70).collect::<Vec<_>>());
}

/// A snapshot that fell out of use must not count as one of the two that recycling relies on.
#[test]
fn a_damaged_snapshot_is_not_one_of_the_two_that_are_kept() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    append(&options, 20);
    [6, 13].into_iter().for_each(|seq| snapshot_at(&options, seq));
    let path = path_of(&options.dir, 13);
    let mut bad = fs::read(&path).expect("read");
    bad[BLOCK_BYTES + 3] ^= 1;
    fs::write(&path, &bad).expect("written");
    // The next one is made from the one before the damaged one.
    let aside = dir.path().join("aside");
    fs::rename(&path, &aside).expect("aside");
    let newest = {
        let mut sum = Sum::default();
        let base = load(&options.dir, 6).expect("whole");
        sum.restore(&base.header, &base.body).expect("restored");
        let mut tail = Tail::from_mark(&options.dir, &base.header.mark);
        while sum.inputs < 18 {
            tail.read(18, 1, &mut |record| _ = sum.record(record)).expect("read");
        }
        tail.read(18, 9, &mut |record| _ = sum.record(record)).expect("read");
        let body = [sum.sum.to_le_bytes(), [7; 8]].concat().repeat(700);
        let (mark, state_hash) = (tail.mark().expect("an end"), sum.sum ^ 0x55);
        let last_event = sum.last_event;
        let body_bytes = body.len() as u64;
        (Header { mark, last_event, state_hash, body_bytes, ..base.header }, body)
    };
    fs::rename(&aside, &path).expect("back");
    write(&options.dir, &newest.0, &newest.1).expect("written");
    keep_newest(&options.dir).expect("the rest is removed");
    append(&options, 40);
    // Now the newest one goes bad: the one to fall back to must be there, and the journal behind it.
    fs::remove_file(path_of(&options.dir, 18)).expect("removed");
    let (replayed, _) = replayed(&options);
    assert_eq!(replayed.snapshot, Some(6));
}

/// A bad sector is an error of the disk, not a wrong checksum. The other snapshot is for that too.
#[test]
fn a_snapshot_that_the_disk_cannot_read_is_no_reason_to_refuse() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let full = append(&options, 20);
    [6, 13].into_iter().for_each(|seq| snapshot_at(&options, seq));
    // Reading a directory fails with an error, as reading a bad sector does.
    fs::remove_file(path_of(&options.dir, 13)).expect("removed");
    fs::create_dir(path_of(&options.dir, 13)).expect("created");
    let (replayed, sum) = replayed(&options);
    assert_eq!((replayed.snapshot, replayed.skipped.len(), sum.sum), (Some(6), 1, full.sum));
    open_with(&options, &mut Sum::default()).expect("opened");
}
