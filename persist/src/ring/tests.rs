//! Both forms of a flush, through a real ring to a real file.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use io_uring::IoUring;

use super::Flush;
use crate::journal::{Journal, Options, Part, Progress, open, replay};

const WRITE: u64 = 71;
const SYNC: u64 = 72;

fn opened(dir: &Path) -> Journal {
    let options = Options {
        dir: dir.join("shard-0"),
        shard: 0,
        shard_count: 1,
        segment_bytes: 1 << 20,
        batch_bytes_max: 1 << 16,
    };
    open(&options, &mut |_| ControlFlow::Continue(())).expect("opened").journal
}

/// Flushes one batch through the ring, as a core's loop does.
fn flush(ring: &mut IoUring, journal: &mut Journal, flush: Flush) -> u64 {
    let write = journal.take_write().expect("something is pending");
    #[expect(unsafe_code, reason = "the test is the ring's owner here")]
    // SAFETY: `write` was taken just now, and the journal lives to the end of the test.
    unsafe { flush.push(&mut ring.submission(), &write, WRITE, SYNC) }.expect("an empty ring");
    ring.submit_and_wait(flush.completions()).expect("submitted");
    let completions: Vec<_> = ring.completion().collect();
    assert_eq!(completions.len(), flush.completions());
    let mut last = Progress::Waiting;
    for completion in completions {
        let result = completion.result();
        let result = u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
        let part = if completion.user_data() == WRITE { flush.write_part() } else { Part::Sync };
        last = journal.complete(result, part).expect("a healthy disk");
    }
    match last {
        Progress::Durable { seq } => seq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_forms_make_batches_durable() {
    let mut ring = match IoUring::new(8) {
        Ok(ring) => ring,
        Err(error) => {
            eprintln!("skipped: io_uring is refused here: {error}");
            return;
        }
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = opened(dir.path());
    for (form, seqs) in [(Flush::Linked, 1..=4), (Flush::Dsync, 5..=8)] {
        for seq in seqs {
            journal.push_input(1, seq, |out| out.extend(vec![seq as u8; 3000 * seq as usize]));
            journal.push_event(2, seq, |out| out.push(1));
            assert_eq!(flush(&mut ring, &mut journal, form), seq);
            assert_eq!(journal.durable_seq(), seq);
        }
    }
    let mut bodies = 0;
    let replayed = replay(&dir.path().join("shard-0"), &mut |record| {
        bodies += record.body.len();
        ControlFlow::Continue(())
    });
    let replayed = replayed.expect("replayed");
    assert_eq!((replayed.last_seq, replayed.records, bodies), (8, 16, 36 * 3000 + 8));
}

#[test]
fn a_full_ring_takes_nothing() {
    let Ok(mut ring) = IoUring::new(1) else {
        eprintln!("skipped: io_uring is refused here");
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = opened(dir.path());
    journal.push_input(1, 0, |_| {});
    let write = journal.take_write().expect("something is pending");
    #[expect(unsafe_code, reason = "the test is the ring's owner here")]
    // SAFETY: nothing is submitted.
    let pushed = unsafe { Flush::Linked.push(&mut ring.submission(), &write, WRITE, SYNC) };
    assert!(pushed.is_err() && ring.submission().is_empty(), "half a flush is none");
}
