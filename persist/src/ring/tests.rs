//! Both forms of a flush, through a real ring to a real file.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use io_uring::IoUring;

use super::{Flush, register};
use crate::journal::{Journal, Options, Part, Progress, open, replay};

const WRITE: u64 = 16;
const SYNC: u64 = 32;

fn opened(dir: &Path) -> Journal {
    let options = Options {
        dir: dir.join("shard-0"),
        shard: 0,
        shard_count: 1,
        segment_bytes: 32 << 20,
        batch_bytes_max: 1 << 16,
        flights: 4,
    };
    open(&options, &mut |_| ControlFlow::Continue(())).expect("opened").journal
}

/// Flushes what is pending through the ring, as a core's loop does, with several batches in flight.
fn flush(ring: &mut IoUring, journal: &mut Journal, flush: Flush, registered: bool) -> u64 {
    let (mut durable, mut expected) = (0, 0);
    loop {
        while let Some(write) = journal.take_write() {
            let flight = u64::from(write.flight);
            let queue = &mut ring.submission();
            #[expect(unsafe_code, reason = "the test is the ring's owner here")]
            // SAFETY: `write` was taken just now, and the journal lives to the end of the test.
            unsafe { flush.push(queue, &write, WRITE + flight, SYNC + flight, registered) }
                .expect("an empty ring");
            expected += flush.completions();
        }
        if expected == 0 {
            return durable;
        }
        ring.submit_and_wait(1).expect("submitted");
        let completions: Vec<_> = ring.completion().collect();
        expected -= completions.len();
        for completion in completions {
            let result = completion.result();
            let result = u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
            let is_write = completion.user_data() < SYNC;
            let part = if is_write { flush.write_part() } else { Part::Sync };
            let flight = (completion.user_data() % 16) as u8;
            match journal.complete(flight, part, result).expect("a healthy disk") {
                Progress::Durable { seq } => durable = seq,
                Progress::Waiting => {}
                other @ Progress::Resubmit(_) => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn both_forms_make_batches_durable() {
    let mut ring = match IoUring::new(16) {
        Ok(ring) => ring,
        Err(error) => {
            eprintln!("skipped: io_uring is refused here: {error}");
            return;
        }
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = opened(dir.path());
    #[expect(unsafe_code, reason = "the test is the ring's owner here")]
    // SAFETY: the ring is dropped before the journal.
    let registered = unsafe { register(&ring, &journal) };
    if let Err(error) = &registered {
        eprintln!("skipped: fixed buffers are refused here: {error}");
    }
    let mut wanted = 0;
    let forms = [(Flush::Linked, false), (Flush::Dsync, false), (Flush::Linked, true)];
    for (form, fixed) in forms.into_iter().chain([(Flush::Dsync, true)]) {
        for round in 1..=4 {
            // Batches are closed at 64 KiB: several in flight, some beyond the fixed buffers.
            for _ in 0..10 * round {
                wanted = journal.push_input(1, wanted, |out| out.extend(vec![7; 30_000]));
                journal.push_event(2, wanted, |out| out.push(1));
            }
            let fixed = fixed && registered.is_ok();
            assert_eq!(flush(&mut ring, &mut journal, form, fixed), wanted);
            assert_eq!(journal.durable_seq(), wanted);
        }
    }
    let mut bodies = 0;
    let replayed = replay(&dir.path().join("shard-0"), &mut |record| {
        bodies += record.body.len() as u64;
        ControlFlow::Continue(())
    });
    let replayed = replayed.expect("replayed");
    let expected = (wanted, 2 * wanted, 30_001 * wanted);
    assert_eq!((replayed.last_seq, replayed.records, bodies), expected);
    drop(ring);
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
    let pushed = unsafe { Flush::Linked.push(&mut ring.submission(), &write, WRITE, SYNC, false) };
    assert!(pushed.is_err() && ring.submission().is_empty(), "half a flush is none");
}
