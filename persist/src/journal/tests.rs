//! The writer, on real files.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::{Intake, SPARES_MIN, SPARES_WANTED};
use super::{Journal, JournalFault, OpenError, Opened, Options, Part, Progress, open, replay};
use crate::batch::{BATCH_BYTES_MAX, Place, Record};
use crate::block::BLOCK_BYTES;
use crate::segment;

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.join("shard-0"),
        shard: 0,
        shard_count: 2,
        segment_bytes: 16 * BLOCK_BYTES as u64,
        batch_bytes_max: 2 * BLOCK_BYTES,
        flights: 1,
    }
}

fn go_on(_: Record<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn opened(options: &Options) -> Opened {
    open(options, &mut go_on).expect("opened")
}

/// The journal's records as text: `1:in(7)`, `1.0:ev(9)`.
fn contents(options: &Options) -> Vec<String> {
    let mut seen = Vec::new();
    let mut note = |record: Record<'_>| {
        let body = String::from_utf8_lossy(record.body);
        let (seq, index, time) = (record.seq, record.index, record.event_time);
        seen.push(match record.is_input {
            true => format!("{seq}:{body}({time})"),
            false => format!("{seq}.{index}:{body}({time})"),
        });
        ControlFlow::Continue(())
    };
    replay(&options.dir, &mut note).expect("replayed");
    seen
}

fn push(journal: &mut Journal, body: &str) -> u64 {
    journal.push_input(1, 7, |out| out.extend_from_slice(body.as_bytes()))
}

/// Prepares the segments that are wanted, as the background thread does.
fn prepare_wanted(journal: &mut Journal) {
    while let Some(order) = journal.segment_wanted() {
        journal.segment_ready(segment::prepare(&order).expect("prepared"));
    }
}

#[test]
fn records_come_back_in_order_and_durable_seq_follows_the_flush() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let Opened { mut journal, new, last_seq, torn, .. } = opened(&options);
    assert_eq!((new, last_seq, torn, journal.next_seq(), journal.epoch()), (true, 0, None, 1, 1));
    assert!(journal.is_idle() && journal.take_write().is_none());
    assert_eq!(push(&mut journal, "a"), 1);
    assert_eq!(journal.push_event(2, 8, |out| out.push(b'x')), 0);
    assert_eq!(journal.push_event(2, 9, |out| out.push(b'y')), 1);
    assert_eq!(push(&mut journal, "b"), 2);
    assert_eq!((journal.durable_seq(), journal.is_idle()), (0, false));
    journal.flush_blocking().expect("flushed");
    assert_eq!((journal.durable_seq(), journal.next_seq(), journal.is_idle()), (2, 3, true));
    let text = format!("{journal:?}");
    assert!(text.contains("durable_seq: 2"), "{text}");
    drop(journal);
    assert_eq!(contents(&options), ["1:a(7)", "1.0:x(8)", "1.1:y(9)", "2:b(7)"]);
    let Opened { mut journal, new, last_seq, records, .. } = opened(&options);
    assert_eq!((new, last_seq, records, journal.epoch()), (false, 2, 4, 2));
    assert_eq!(push(&mut journal, "c"), 3);
    assert_eq!(journal.push_event(2, 8, |_| {}), 0);
    journal.flush_blocking().expect("flushed");
    assert_eq!(contents(&options).len(), 6);
}

#[test]
fn a_seal_is_written_once_and_is_no_input() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut journal = opened(&options).journal;
    journal.seal();
    assert!(journal.take_write().is_none(), "an empty journal needs no seal");
    push(&mut journal, "a");
    journal.seal();
    let batches = |journal: &mut Journal| {
        journal.flush_blocking().expect("flushed");
        replay(&options.dir, &mut go_on).expect("replayed").batches
    };
    assert_eq!(batches(&mut journal), 2);
    journal.seal();
    assert_eq!(batches(&mut journal), 2, "sealed already");
    drop(journal);
    let mut journal = opened(&options).journal;
    journal.seal();
    assert_eq!(batches(&mut journal), 2, "sealed by the process before");
    push(&mut journal, "b");
    assert_eq!(batches(&mut journal), 3);
    drop(journal);
    // Killed before the seal: the next opening makes up for it, unasked.
    let mut journal = opened(&options).journal;
    assert!(!journal.is_idle());
    assert_eq!((batches(&mut journal), journal.is_idle()), (4, true));
    assert_eq!(contents(&options), ["1:a(7)", "2:b(7)"]);
}

#[test]
fn segments_roll_over_and_wait_for_a_spare() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut journal = opened(&options).journal;
    let orders: Vec<_> = std::iter::from_fn(|| journal.segment_wanted()).collect();
    assert_eq!(orders.iter().map(|order| order.index).collect::<Vec<_>>(), [2, 3, 4]);
    let body = "x".repeat(3 * BLOCK_BYTES);
    for _ in 0..4 {
        push(&mut journal, &body);
        journal.flush_blocking().expect("flushed");
    }
    push(&mut journal, &body);
    assert!(journal.take_write().is_none(), "no room, no spare");
    assert_eq!((journal.durable_seq(), journal.is_idle()), (4, false));
    // They may be told of in any order.
    for order in orders.iter().rev() {
        assert_eq!(journal.take_write(), None);
        journal.segment_ready(segment::prepare(order).expect("prepared"));
    }
    journal.flush_blocking().expect("flushed");
    assert_eq!((journal.durable_seq(), journal.spare_segments()), (5, 2));
    for at in 0..40 {
        prepare_wanted(&mut journal);
        assert_eq!(push(&mut journal, &body), 6 + at);
        journal.flush_blocking().expect("flushed");
    }
    assert_eq!(journal.durable_seq(), 45);
    drop(journal);
    let reopened = opened(&options);
    assert_eq!(reopened.last_seq, 45);
    assert_eq!(reopened.journal.spare_segments(), 2, "what was prepared is used");
}

#[test]
fn an_input_and_its_events_stay_together() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut journal = opened(&options).journal;
    assert!(!journal.wants_room());
    push(&mut journal, &"a".repeat(2 * BLOCK_BYTES));
    assert!(journal.wants_room());
    // The caller does not heed it: a second batch is begun.
    push(&mut journal, "b");
    for _ in 0..14 {
        journal.push_event(2, 0, |out| out.extend([7; BLOCK_BYTES - 100]));
    }
    assert!(journal.wants_room());
    assert!(journal.take_write().is_some());
    drop(journal);
    let mut journal = opened(&options).journal;
    // Too much for one batch together: the later input gets its own, with its first events.
    push(&mut journal, &"c".repeat(2 * BLOCK_BYTES - 100));
    push(&mut journal, "d");
    for at in 0..15 {
        assert_eq!(journal.push_event(2, 0, |out| out.extend([8; BLOCK_BYTES - 100])), at);
    }
    prepare_wanted(&mut journal);
    journal.flush_blocking().expect("flushed");
    let replayed = replay(&options.dir, &mut go_on).expect("replayed");
    assert_eq!((replayed.last_seq, replayed.records, replayed.batches), (2, 17, 2));
}

#[test]
#[should_panic(expected = "a batch has room for")]
fn an_input_too_large_for_any_batch_is_a_fault_of_the_caller() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = opened(&options(dir.path())).journal;
    push(&mut journal, &"a".repeat(16 * BLOCK_BYTES));
}

#[test]
#[should_panic(expected = "right after its input")]
fn an_event_without_its_input_is_a_fault_of_the_caller() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = opened(&options(dir.path())).journal;
    push(&mut journal, "a");
    let _ = journal.take_write();
    journal.push_event(2, 0, |_| {});
}

#[test]
fn buffers_are_reused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options { segment_bytes: 1 << 20, ..options(dir.path()) };
    let mut journal = opened(&options).journal;
    let load = |journal: &mut Journal| {
        for _ in 0..20 {
            push(journal, &"x".repeat(100));
            journal.push_event(2, 0, |out| out.extend([1; 50]));
        }
        journal.flush_blocking().expect("flushed");
    };
    let buffers = |journal: &Journal| {
        let mut all: Vec<_> = journal.unused.iter().chain([&journal.collecting.bytes]).collect();
        all.sort_by_key(|bytes| bytes.capacity());
        let slots = journal.slots.iter().map(|slot| slot.fixed.len() + slot.large.len());
        (slots.sum::<usize>(), all.iter().map(|bytes| bytes.capacity()).collect::<Vec<_>>())
    };
    (0..4).for_each(|_| load(&mut journal));
    let warm = buffers(&journal);
    (0..40).for_each(|_| load(&mut journal));
    assert_eq!(buffers(&journal), warm);
    assert_eq!(warm.1.len(), 2, "one to collect in, one that was written");
}

/// Drives a journal with one batch in flight through completions. `None` as the result is an error.
#[track_caller]
fn check_completions(steps: &[(Option<i64>, Part)], expected: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = opened(&options(dir.path())).journal;
    push(&mut journal, &"x".repeat(3 * BLOCK_BYTES - 100));
    let write = journal.take_write().expect("something to write");
    assert_eq!(write.ptr.addr() % BLOCK_BYTES, 0);
    assert!(journal.take_write().is_none(), "one in flight");
    let mut seen = Vec::new();
    for (result, part) in steps {
        let result = match *result {
            Some(written) if written >= 0 => Ok(u32::try_from(written).expect("small")),
            Some(errno) => Err(io::Error::from_raw_os_error(i32::try_from(-errno).expect("small"))),
            None => Ok(write.len),
        };
        seen.push(match journal.complete(0, *part, result) {
            Ok(Progress::Waiting) => "waiting".to_owned(),
            Ok(Progress::Durable { seq }) => format!("durable {seq}"),
            Ok(Progress::Resubmit(rest)) => {
                assert_eq!(rest.ptr.addr() - write.ptr.addr(), rest.offset as usize);
                format!("resubmit {}+{}", rest.offset, rest.len)
            }
            Err(fault) => {
                assert!(!fault.to_string().is_empty());
                assert!(journal.take_write().is_none(), "poisoned");
                match fault {
                    JournalFault::Write { .. } => "write fault",
                    JournalFault::Sync { .. } => "sync fault",
                    JournalFault::ShortTwice { .. } => "short twice",
                    JournalFault::Unexpected { .. } => "unexpected",
                    JournalFault::Poisoned => "poisoned",
                }
                .to_owned()
            }
        });
    }
    assert_eq!(seen.join(", "), expected);
}

#[test]
fn completions_lead_to_durability_or_to_a_fault() {
    use Part::{Sync, Write, WriteAndSync};
    const CANCELLED: Option<i64> = Some(-125);
    const EIO: Option<i64> = Some(-5);
    check_completions(&[(None, Write), (Some(0), Sync)], "waiting, durable 1");
    check_completions(&[(None, WriteAndSync)], "durable 1");
    let short = [(Some(5000), Write), (CANCELLED, Sync), (Some(8192), Write), (Some(0), Sync)];
    check_completions(&short, "waiting, resubmit 4096+8192, waiting, durable 1");
    let uncut = [(Some(0), Write), (Some(0), Sync), (Some(12288), Write), (Some(0), Sync)];
    check_completions(&uncut, "waiting, resubmit 0+12288, waiting, durable 1");
    let dsync = [(Some(8192), WriteAndSync), (Some(4096), WriteAndSync)];
    check_completions(&dsync, "resubmit 8192+4096, durable 1");
    let twice = [(Some(8192), WriteAndSync), (Some(4095), WriteAndSync), (None, WriteAndSync)];
    check_completions(&twice, "resubmit 8192+4096, short twice, poisoned");
    // EINTR, EAGAIN, ECANCELED, EIO, ENOSPC of a write: all end it.
    for errno in [4, 11, 125, 5, 28] {
        check_completions(&[(Some(-errno), Write), (None, Write)], "write fault, poisoned");
        check_completions(&[(None, Write), (Some(-errno), Sync)], "waiting, sync fault");
    }
    check_completions(&[(Some(4096), Write), (EIO, Sync)], "waiting, sync fault");
    check_completions(&[(Some(12289), Write)], "unexpected");
    check_completions(&[(Some(0), Sync)], "unexpected");
    check_completions(&[(None, Write), (None, Write)], "waiting, unexpected");
    check_completions(&[(None, WriteAndSync), (Some(0), Sync)], "durable 1, unexpected");
}

/// A journal with `flights` batches in flight, each of one block and one input.
fn flying(options: &Options, flights: u8) -> Journal {
    let mut journal = opened(&Options { flights: 4, ..options.clone() }).journal;
    prepare_wanted(&mut journal);
    for at in 0..flights {
        assert_eq!(push(&mut journal, "a"), u64::from(at) + 1);
        assert_eq!(journal.take_write().expect("something to write").flight, at);
    }
    journal
}

#[test]
fn flights_land_in_any_order_and_count_in_theirs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = flying(&options(dir.path()), 4);
    push(&mut journal, "b");
    assert!(journal.take_write().is_none(), "no more than four");
    let mut land = |flight| journal.complete(flight, Part::WriteAndSync, Ok(4096)).expect("lands");
    assert_eq!(land(2), Progress::Waiting);
    assert_eq!(land(1), Progress::Waiting);
    assert_eq!(land(0), Progress::Durable { seq: 3 });
    assert_eq!((journal.durable_seq(), journal.flights()), (3, 1));
    // The header of the next batch says what was known: not more, and that something flies.
    let write = journal.take_write().expect("room again");
    let (header, _) = crate::batch::peek(journal.bytes_of(&write)).expect("a batch");
    assert_eq!((header.first_seq, header.durable_seq, header.settled), (5, 3, false));
    let fault = journal.complete(2, Part::WriteAndSync, Ok(4096)).expect_err("not in flight");
    assert!(matches!(fault, JournalFault::Unexpected { .. }), "{fault}");
    let fault = journal.complete(9, Part::Write, Ok(4096)).expect_err("no such flight");
    assert!(matches!(fault, JournalFault::Poisoned), "{fault}");
}

#[test]
fn a_seal_waits_for_everything_before_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut journal = flying(&options, 2);
    journal.seal();
    assert!(journal.take_write().is_none() && !journal.is_idle());
    for flight in [1, 0] {
        journal.complete(flight, Part::WriteAndSync, Ok(4096)).expect("lands");
    }
    let seal = journal.take_write().expect("the seal");
    let (header, _) = crate::batch::peek(journal.bytes_of(&seal)).expect("a batch");
    assert_eq!((header.is_seal(), header.settled, header.durable_seq), (true, true, 2));
    // Nothing keeps an input from flying beside a seal; it is not settled.
    push(&mut journal, "c");
    let beside = journal.take_write().expect("an input");
    let (header, _) = crate::batch::peek(journal.bytes_of(&beside)).expect("a batch");
    assert_eq!((header.settled, header.first_seq), (false, 3));
}

#[test]
fn a_segment_stays_open_while_something_flies_into_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options { segment_bytes: 2 * BLOCK_BYTES as u64, ..options(dir.path()) };
    let mut journal = flying(&options, 4);
    assert_eq!((journal.current.index, journal.left.len()), (2, 1));
    let first = journal.slots[0].flight.as_ref().map(|flight| flight.segment);
    assert_eq!(first, Some(1));
    for (flight, open) in [(3, 1), (1, 1), (0, 0)] {
        journal.complete(flight, Part::WriteAndSync, Ok(4096)).expect("lands");
        assert_eq!(journal.left.len(), open, "after flight {flight}");
    }
}

#[test]
fn intake_closes_when_segments_run_out_and_opens_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = opened(&options(dir.path())).journal;
    let mut orders: Vec<_> = std::iter::from_fn(|| journal.segment_wanted()).collect();
    assert_eq!(journal.intake(), Intake::Closed { spares: 0 });
    while let Some(order) = orders.pop() {
        journal.segment_ready(segment::prepare(&order).expect("prepared"));
        let closed = journal.spare_segments() < SPARES_MIN;
        assert_eq!(journal.intake() == Intake::Open, !closed);
    }
    assert_eq!(journal.spare_segments(), SPARES_WANTED);
}

#[test]
fn a_short_write_of_any_length_is_resubmitted_from_a_block() {
    for written in 0..3 * BLOCK_BYTES {
        let from = written / BLOCK_BYTES * BLOCK_BYTES;
        let place = Place { segment: 1, offset: 4096 };
        let mut flight = super::Flight::new(place, 3 * BLOCK_BYTES, true, 1);
        let length = u32::try_from(written).expect("small");
        let landing = flight.complete(Ok(length), Part::WriteAndSync, Path::new(""));
        assert!(matches!(landing, Ok(super::Landing::Resubmit)));
        assert_eq!(flight.remaining(), from..3 * BLOCK_BYTES);
        assert_eq!(flight.remaining_offset(), 4096 + from as u64);
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let good = options(dir.path());
    for bad in [
        Options { shard: 2, ..good.clone() },
        Options { segment_bytes: 0, ..good.clone() },
        Options { segment_bytes: 4097, ..good.clone() },
        Options { batch_bytes_max: 0, ..good.clone() },
        Options { flights: 0, ..good.clone() },
        Options { flights: 5, ..good.clone() },
        Options { batch_bytes_max: BATCH_BYTES_MAX + 1, ..good.clone() },
    ] {
        let error = open(&bad, &mut go_on).expect_err("refused");
        assert!(matches!(error, OpenError::Options { .. }), "{error}");
        assert!(!bad.dir.exists(), "and nothing was created");
    }
}

#[test]
fn the_closure_stops_an_opening_and_a_replay() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(dir.path());
    let mut journal = opened(&options).journal;
    (0..5).for_each(|_| _ = push(&mut journal, "a"));
    journal.flush_blocking().expect("flushed");
    drop(journal);
    let mut stop = |record: Record<'_>| match record.seq {
        3 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let error = open(&options, &mut stop).expect_err("stopped");
    assert!(matches!(error, OpenError::Stopped { seq: 3, index: 0 }), "{error}");
    let replayed = replay(&options.dir, &mut stop).expect("replayed so far");
    assert_eq!((replayed.stopped, replayed.records), (true, 2));
    assert_eq!(opened(&options).journal.epoch(), 2, "a stopped opening has raised nothing");
}
