//! Row 11: no space, and other errors, while a segment is prepared. New work is refused by a typed
//! answer, what was taken becomes durable, no segment is used before it is whole, and when there is
//! space again it heals by itself, with the same order.

use super::kernel::Kernel;
use super::life::{Life, NO_SEGMENT};
use super::workload::{Input, Sampled, open, options};
use crate::block::BLOCK_BYTES;
use crate::disk::{Disk, DiskFile, Mode};
use crate::journal::{Intake, OpenError, Options, SPARES_WANTED};
use crate::model::{Damage, ModelDisk, Seeded};
use crate::segment::{self, SegmentError, SegmentOrder};

fn input(salt: u64) -> Input {
    Input { salt, body_bytes: 600, events: 1 }
}

/// Tries every order once. Whether all were fulfilled.
fn try_orders(kernel: &mut Kernel, orders: &mut Vec<SegmentOrder>) -> bool {
    orders.extend(std::iter::from_fn(|| kernel.journal.segment_wanted()));
    orders.retain(|order| match segment::prepare_on(&kernel.disk, order) {
        Ok(segment) => {
            kernel.journal.segment_ready(segment);
            false
        }
        Err(SegmentError::NoSpace { bytes, .. }) => {
            assert_eq!(bytes, order.segment_bytes);
            true
        }
        Err(error) => panic!("{error}"),
    });
    orders.is_empty()
}

/// Every file that is called a segment has its full size, at any moment and after any crash.
fn check_segments(disk: &ModelDisk, options: &Options) {
    for index in segment::list(disk, &options.dir).expect("listed").segments {
        let file = disk.open(&segment::path_of(&options.dir, index), Mode::Read).expect("opened");
        assert_eq!(file.length().expect("a length"), options.segment_bytes, "segment {index}");
    }
}

/// Fills a disk that has room for `spare_bytes` beyond what the journal has at first; then there is
/// space again.
fn fill_and_heal(flights: usize, spare_bytes: usize) {
    let disk = ModelDisk::default();
    let options = Options { flights, ..options(4) };
    let (opened, _) = open(&disk, &options, &[]).expect("a new journal");
    let mut kernel = Kernel::new(&disk, opened.journal, true);
    let (mut seeded, mut orders, mut pushed) = (Seeded(2), Vec::new(), Vec::new());
    assert!(try_orders(&mut kernel, &mut orders));
    disk.leave_space(Some(spare_bytes));
    // As a node does: new work only while the intake is open; and what is left of the space is used.
    let mut refused = 0;
    while refused < 20 {
        try_orders(&mut kernel, &mut orders);
        check_segments(&disk, &options);
        if kernel.journal.intake() == Intake::Open {
            pushed.push(input(pushed.len() as u64));
            input(pushed.len() as u64 - 1).push(&mut kernel.journal);
        } else {
            refused += 1;
        }
        kernel.submit();
        kernel.complete(&mut seeded).expect("healthy");
    }
    // What was taken is durable, from the reserve.
    kernel.settle(&mut seeded).expect("healthy");
    assert_eq!(kernel.acked, pushed.len() as u64);
    let Intake::Closed { spares } = kernel.journal.intake() else { panic!("it is closed") };
    assert!(spares < 2 && !orders.is_empty());
    // Someone who does not heed it: what does not fit waits, and is not lost.
    for _ in 0..16 {
        pushed.push(input(pushed.len() as u64));
        input(pushed.len() as u64 - 1).push(&mut kernel.journal);
        kernel.settle(&mut seeded).expect("healthy");
        assert!(!try_orders(&mut kernel, &mut orders));
    }
    assert!(!kernel.journal.is_idle() && kernel.journal.take_write().is_none());
    for seed in 0..64 {
        let mut sampled = Sampled::new(seed);
        let crashed = disk.crash_by(Damage::None, &mut |choice| sampled.choose(choice));
        check_segments(&crashed, &options);
        crashed.leave_space(None);
        let (_, found) = open(&crashed, &options, &pushed).expect("a mere crash");
        assert!(found as u64 >= kernel.acked);
    }
    disk.leave_space(None);
    assert!(try_orders(&mut kernel, &mut orders), "the same orders");
    assert_eq!(kernel.journal.intake(), Intake::Open);
    while !kernel.journal.is_idle() {
        kernel.settle(&mut seeded).expect("healthy");
        try_orders(&mut kernel, &mut orders);
    }
    assert_eq!(kernel.acked, pushed.len() as u64);
    drop(kernel);
    let (_, found) = open(&disk, &options, &pushed).expect("opened");
    assert_eq!(found, pushed.len());
}

#[test]
fn without_space_the_intake_closes_and_opens_again_by_itself() {
    for flights in [1, 4] {
        // From no block to several segments and a part of one.
        for blocks in 0..14 {
            fill_and_heal(flights, blocks * BLOCK_BYTES + blocks * 100);
        }
    }
}

#[test]
fn an_opening_without_space_changes_nothing_that_the_next_does_not_mend() {
    for blocks in 0..10 {
        let disk = ModelDisk::default();
        disk.leave_space(Some(blocks * BLOCK_BYTES));
        match open(&disk, &options(4), &[]).err() {
            Some(OpenError::Segment(SegmentError::NoSpace { .. })) => assert!(blocks >= 2),
            Some(OpenError::Disk(error)) => assert!(error.is_no_space() && blocks < 2, "{error}"),
            Some(error) => panic!("{blocks} blocks: {error}"),
            None => assert!(blocks >= 6),
        }
        check_segments(&disk, &options(4));
        disk.leave_space(None);
        open(&disk, &options(4), &[]).unwrap_or_else(|error| panic!("{blocks} blocks: {error}"));
    }
}

#[test]
fn an_order_that_failed_at_any_step_is_fulfilled_when_tried_again() {
    for errno in [libc::ENOSPC, libc::EIO] {
        for step in 0.. {
            let disk = ModelDisk::default();
            let mut journal = open(&disk, &options(4), &[]).expect("opened").0.journal;
            let orders: Vec<_> = std::iter::from_fn(|| journal.segment_wanted()).collect();
            assert_eq!(orders.len(), SPARES_WANTED);
            disk.fail_once(step, errno);
            match segment::prepare_on(&disk, &orders[0]) {
                Ok(_) if step > 8 => break,
                Ok(_) => {}
                Err(error) => {
                    let full = matches!(error, SegmentError::NoSpace { .. });
                    assert_eq!(full, errno == libc::ENOSPC, "{error}");
                    check_segments(&disk, &options(4));
                    segment::prepare_on(&disk, &orders[0])
                        .unwrap_or_else(|error| panic!("failed at step {step}, then: {error}"));
                }
            }
        }
    }
}

#[test]
fn a_life_goes_on_after_an_error_at_any_step() {
    for errno in [libc::ENOSPC, libc::EIO] {
        for step in 0.. {
            let mut life = Life::new();
            life.is_strict = false;
            life.disk.fail_once(step, errno);
            let lived = life.live(30);
            if life.disk.changes() < step {
                break;
            }
            if let Err(over) = lived {
                assert_ne!(over, NO_SEGMENT, "after step {step}: that heals by itself");
                // A flush or an opening failed: the process ends, and starts again.
                life.disk.end_process();
                life.live(30).unwrap_or_else(|error| panic!("after step {step}: {error}"));
            }
        }
    }
}
