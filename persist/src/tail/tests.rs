//! The tail reader beside a writer, on real files.

use std::ops::ControlFlow;
use std::path::Path;

use super::{Tail, TailError};
use crate::block::BLOCK_BYTES;
use crate::disk::DiskFile;
use crate::journal::{Journal, Options, open, replay};
use crate::model::Seeded;
use crate::position::Position;
use crate::segment;

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.join("shard-3"),
        shard: 3,
        shard_count: 4,
        segment_bytes: 8 * BLOCK_BYTES as u64,
        batch_bytes_max: 2 * BLOCK_BYTES,
        flights: 1,
    }
}

fn opened(options: &Options) -> Journal {
    open(options, &mut |_| ControlFlow::Continue(())).expect("opened").journal
}

/// One record: its seq, its event index or -1 for the input, and its body.
type Seen = (u64, i64, Vec<u8>);

fn read(tail: &mut Tail, durable_seq: u64, budget: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    let handed = tail
        .read(durable_seq, budget, &mut |record| {
            let index = if record.is_input { -1 } else { i64::from(record.index) };
            seen.push((record.seq, index, record.body.to_vec()));
        })
        .expect("read");
    assert_eq!(handed, seen.len());
    seen
}

/// Pushes an input of some size with some events; notes what it pushed.
fn push(journal: &mut Journal, seeded: &mut Seeded, pushed: &mut Vec<Seen>) {
    let body = vec![seeded.next() as u8; [10, 200, 6000][seeded.below(3)]];
    let seq = journal.push_input(1, 0, |out| out.extend(&body));
    pushed.push((seq, -1, body));
    for _ in 0..seeded.below(4) {
        let body = seeded.next().to_le_bytes().to_vec();
        let index = journal.push_event(2, 0, |out| out.extend(&body));
        pushed.push((seq, index.into(), body));
    }
}

fn flush(journal: &mut Journal) {
    while let Some(order) = journal.segment_wanted() {
        journal.segment_ready(segment::prepare(&order).expect("prepared"));
    }
    journal.flush_blocking().expect("flushed");
}

#[test]
fn a_reader_beside_a_writer_sees_each_record_once_over_segments_and_openings() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut journal = opened(&options);
    let mut seeded = Seeded(11);
    let mut tail = Tail::open(&options.dir, Position::START).expect("opened");
    let (mut pushed, mut seen) = (Vec::new(), Vec::new());
    for turn in 0..400 {
        for _ in 0..seeded.below(4) {
            push(&mut journal, &mut seeded, &mut pushed);
        }
        match seeded.below(8) {
            0 => journal.seal(),
            1 => {
                flush(&mut journal);
                drop(journal);
                journal = opened(&options);
            }
            _ => {}
        }
        if turn % 3 > 0 {
            flush(&mut journal);
        }
        let budget = [1, 7, 10_000][seeded.below(3)];
        // Now and then it is told less than is durable.
        let durable_seq = journal.durable_seq().saturating_sub(seeded.below(3) as u64);
        let new = read(&mut tail, durable_seq, budget);
        assert!(new.iter().all(|(seq, ..)| *seq <= durable_seq), "turn {turn}");
        seen.extend(new);
        assert!(pushed.starts_with(&seen), "turn {turn}");
    }
    flush(&mut journal);
    seen.extend(read(&mut tail, journal.durable_seq(), usize::MAX));
    assert!(seen == pushed);
    assert!(read(&mut tail, journal.durable_seq(), usize::MAX).is_empty());
    let segments = segment::list(&crate::disk::OsDisk, &options.dir).expect("listed").segments;
    assert!(segments.len() > 20, "it rolled over often: {}", segments.len());
}

#[test]
fn every_position_is_an_exact_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut journal = opened(&options);
    let (mut seeded, mut pushed) = (Seeded(3), Vec::new());
    for _ in 0..60 {
        push(&mut journal, &mut seeded, &mut pushed);
        if seeded.below(2) == 0 {
            journal.seal();
            flush(&mut journal);
        }
    }
    flush(&mut journal);
    let durable_seq = journal.durable_seq();
    let mut sought = Tail::open(&options.dir, Position::START).expect("opened");
    let events = pushed.iter().filter(|(_, index, _)| *index >= 0);
    let positions = events
        .map(|(seq, index, _)| Position::new(*seq, u32::try_from(*index).expect("an event")))
        .chain((0..=durable_seq).map(Position::end_of))
        .chain([Position::START]);
    for after in positions {
        let is_after = |(seq, index, _): &&Seen| {
            *seq > after.seq || (*seq == after.seq && *index > i64::from(after.index))
        };
        let expected: Vec<_> = pushed.iter().filter(is_after).cloned().collect();
        let mut fresh = Tail::open(&options.dir, after).expect("opened");
        assert!(read(&mut fresh, durable_seq, usize::MAX) == expected, "after {after:?}");
        // The same reader, to and fro.
        sought.seek(after).expect("sought");
        assert!(read(&mut sought, durable_seq, 5) == expected[..expected.len().min(5)]);
    }
}

#[test]
fn what_is_not_there_is_an_error_not_an_end() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let error = Tail::open(&options.dir, Position::START).err().expect("no journal");
    assert!(matches!(error, TailError::NoJournal { .. }), "{error}");
    let mut journal = opened(&options);
    let mut tail = Tail::open(&options.dir, Position::START).expect("an empty journal");
    assert!(read(&mut tail, 0, 10).is_empty());
    push(&mut journal, &mut Seeded(1), &mut Vec::new());
    flush(&mut journal);
    let error = tail.read(2, 100, &mut |_| {}).expect_err("seq 2 was never pushed");
    assert!(matches!(error, TailError::Missing { seq: 2, .. }), "{error}");
    assert!(error.to_string().contains("seq 2"), "{error}");
}

#[test]
fn a_replay_beside_a_writer_takes_nothing_for_damage() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut journal = opened(&options);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut seeded, mut pushed) = (Seeded(5), Vec::new());
            for _ in 0..600 {
                push(&mut journal, &mut seeded, &mut pushed);
                flush(&mut journal);
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        let (mut last_seq, mut replays) = (0, 0);
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            let replayed = replay(&options.dir, &mut |_| ControlFlow::Continue(()));
            let replayed = replayed.expect("a torn tail at worst");
            assert!(replayed.last_seq >= last_seq);
            (last_seq, replays) = (replayed.last_seq, replays + 1);
        }
        assert!(replays > 0);
    });
}

/// Two flights over a segment's end, the first of them lost: the second stands whole at the start of a
/// segment that the journal has not come to. It is dead, and a reader must not begin with it.
#[test]
fn a_reader_does_not_begin_with_a_batch_that_recovery_cut_off() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let batch_bytes_max = 6 * BLOCK_BYTES;
    let options = Options { flights: 2, batch_bytes_max, ..options(dir.path()) };
    let mut journal = opened(&options);
    let add = |journal: &mut Journal, body: &[u8]| {
        journal.push_input(1, 0, |out| out.extend(body));
        journal.push_event(2, 0, |out| out.extend(body));
    };
    for _ in 1..=3 {
        add(&mut journal, b"old");
        flush(&mut journal);
    }
    add(&mut journal, b"lost");
    journal.take_write().expect("in segment 1");
    (5..=7).for_each(|_| add(&mut journal, &b"dead".repeat(700)));
    let second = journal.take_write().expect("at the start of segment 2");
    assert_eq!(second.offset, 0);
    let file = journal.file_of(&second);
    file.write_all_at(journal.bytes_of(&second), 0).expect("written");
    drop(journal);
    let mut journal = opened(&options);
    assert_eq!(journal.next_seq(), 4, "nothing of the two was acknowledged");
    (4..=8).for_each(|_| add(&mut journal, b"live"));
    flush(&mut journal);
    assert_eq!(journal.durable_seq(), 8);
    for after in 3..7 {
        let mut tail = Tail::open(&options.dir, Position::end_of(after)).expect("opened");
        let seen = read(&mut tail, 7, 100);
        assert!(seen.iter().all(|(.., body)| body == b"live"), "after {after}");
        assert_eq!(seen.len() as u64, 2 * (7 - after), "after {after}");
    }
}
