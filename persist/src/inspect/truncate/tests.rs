//! Cut at every input: what stays can be replayed and opened, what goes is gone.

use std::ops::ControlFlow;
use std::path::Path;

use super::{Plan, TruncateError};
use crate::block::BLOCK_BYTES;
use crate::cursor::{self, Cursor};
use crate::journal::Options;
use crate::open::{open, replay};
use crate::position::Position;
use crate::segment;

const INPUTS: u64 = 12;

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        shard: 1,
        shard_count: 2,
        segment_bytes: (4 * BLOCK_BYTES) as u64,
        batch_bytes_max: BLOCK_BYTES,
        flights: 1,
    }
}

/// Three inputs a batch, one event each, over several segments; two openings.
fn sample(dir: &Path) {
    let mut seq = 0;
    for _ in 0..2 {
        let opened = open(&options(dir), &mut |_| ControlFlow::Continue(())).expect("opened");
        let mut journal = opened.journal;
        for _ in 0..INPUTS / 6 {
            while let Some(order) = journal.segment_wanted() {
                journal.segment_ready(segment::prepare(&order).expect("space"));
            }
            for _ in 0..3 {
                seq += 1;
                journal.push_input(1, seq, |out| out.extend(seq.to_le_bytes()));
                journal.push_event(2, seq, |out| out.push(7));
            }
            journal.flush_blocking().expect("flushed");
        }
    }
    for (sink, seq) in [("behind", 2), ("ahead", INPUTS)] {
        let mut cursor = Cursor::open(&cursor::path_of(dir, sink)).expect("a cursor");
        cursor.set(Position::new(seq, 0)).expect("written");
    }
}

fn seqs(dir: &Path) -> Vec<(u64, bool)> {
    let mut seqs = Vec::new();
    let replayed = replay(dir, &mut |record| {
        seqs.push((record.seq, record.is_input));
        ControlFlow::Continue(())
    });
    assert_eq!(replayed.expect("it is whole").torn, None);
    seqs
}

#[test]
fn what_stays_is_replayed_and_written_on_and_what_goes_is_gone() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("shard-1");
    sample(&dir);
    let all = seqs(&dir);
    for at_seq in 1..=INPUTS {
        let into = home.path().join(format!("cut-{at_seq}"));
        let plan = Plan::new(&dir, at_seq).expect("it is whole");
        let inputs = (plan.kept.inputs, plan.dropped.inputs);
        assert_eq!(inputs, (at_seq - 1, INPUTS - at_seq + 1));
        assert_eq!((plan.kept.events, plan.dropped.events), inputs);
        // Four, and the seal of the second opening.
        assert_eq!(plan.kept.batches + plan.dropped.batches, 5, "seq {at_seq}");
        let truncated = plan.write(&into).expect("written");
        assert_eq!(seqs(&into), all[..2 * (at_seq as usize - 1)], "seq {at_seq}");
        let newest = if at_seq == 1 { Position::START } else { Position::new(at_seq - 1, 0) };
        assert_eq!(plan.last_event, newest);
        let at = |sink| Cursor::peek(&cursor::path_of(&into, sink)).expect("a cursor");
        assert_eq!((at("ahead"), at("behind")), (newest, newest.min(Position::new(2, 0))));
        assert!(truncated.cursors.iter().any(|(sink, ..)| sink == "ahead"));

        // It is written on, and the next opening finds the old and the new.
        let opened = open(&options(&into), &mut |_| ControlFlow::Continue(())).expect("opened");
        assert_eq!(opened.last_seq, at_seq - 1);
        let mut journal = opened.journal;
        while let Some(order) = journal.segment_wanted() {
            journal.segment_ready(segment::prepare(&order).expect("space"));
        }
        journal.push_input(1, 99, |out| out.push(9));
        journal.flush_blocking().expect("flushed");
        assert_eq!(seqs(&into).last(), Some(&(at_seq, true)));
    }
    assert_eq!(seqs(&dir), all, "the old one stays as it was");
}

#[test]
fn a_cut_at_the_damage_makes_a_journal_that_opens() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("shard-1");
    sample(&dir);
    let path = segment::path_of(&dir, 1);
    let mut bytes = std::fs::read(&path).expect("a segment");
    bytes[BLOCK_BYTES + 70] ^= 4;
    std::fs::write(&path, bytes).expect("written");
    assert!(replay(&dir, &mut |_| ControlFlow::Continue(())).is_err());
    let early = Plan::new(&dir, 5);
    assert!(matches!(early, Err(TruncateError::DamagedBefore { seq: 4 })), "{early:?}");
    let plan = Plan::new(&dir, 4).expect("before it all is whole");
    assert_eq!((plan.kept.inputs, plan.dropped.inputs), (3, 6), "three cannot be read");
    assert_eq!(plan.damaged_bytes, BLOCK_BYTES as u64);
    let into = home.path().join("shard-1.truncated");
    plan.write(&into).expect("written");
    assert_eq!(seqs(&into).len(), 6);
    let again = plan.write(&into);
    assert!(matches!(again, Err(TruncateError::Exists { .. })), "{again:?}");
}

#[test]
fn a_cut_beyond_the_end_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("shard-1");
    sample(&dir);
    let beyond = Plan::new(&dir, INPUTS + 1);
    assert!(matches!(beyond, Err(TruncateError::BeyondEnd { last_seq: INPUTS })), "{beyond:?}");
    assert!(matches!(Plan::new(&dir, 0), Err(TruncateError::BeforeStart { first_seq: 1 })));
    std::fs::write(dir.join("superblock"), [1; 8192]).expect("written");
    assert!(matches!(Plan::new(&dir, 3), Err(TruncateError::Superblock { .. })));
}
