//! Rows 3 to 5: damage to what is durable is never a silent loss. Either everything is read, or the
//! opening is refused.
//!
//! The log fills two segments of 32 KiB to the last block. It was written with several batches in
//! flight, over the remains of an earlier life, and ends with a seal.

use std::path::PathBuf;

use super::kernel::{Kernel, Step};
use super::workload::{Input, open, options, prepare, replay};
use crate::batch::{self, Place};
use crate::block::BLOCK_BYTES;
use crate::journal::{OpenError, Options};
use crate::model::{Damage, ModelDisk, SECTOR_BYTES, Seeded};
use crate::segment;

const SEGMENT_BYTES: usize = 8 * BLOCK_BYTES;
const LOG_BYTES: usize = 2 * SEGMENT_BYTES;

struct Sample {
    disk: ModelDisk,
    options: Options,
    inputs: Vec<Input>,
    /// What stood in the segments before.
    previous: [Vec<u8>; 2],
}

impl Sample {
    fn new() -> Sample {
        let (disk, inputs) = earlier_life();
        let options = Options { flights: 4, ..options(8) };
        let (opened, found) = open(&disk, &options, &inputs).expect("a torn tail at worst");
        assert_eq!(found, 1, "the rest was lost");
        let inputs = vec![inputs[0]];
        let mut sample = Sample { disk, options, inputs, previous: [Vec::new(), Vec::new()] };
        sample.previous = [1, 2].map(|segment| sample.edit(segment, |bytes| bytes.clone()));
        let mut kernel = Kernel::new(&sample.disk, opened.journal, true);
        sample.fill(&mut kernel);
        assert_eq!(sample.read(), Some(sample.inputs.len()));
        sample
    }

    /// Writes to the end of the second segment.
    fn fill(&mut self, kernel: &mut Kernel) {
        let mut seeded = Seeded(3);
        prepare(&self.disk, &mut kernel.journal).expect("prepared");
        let last = Place { segment: 2, offset: (SEGMENT_BYTES - BLOCK_BYTES) as u64 };
        while kernel.journal.chain().place != last {
            if seeded.below(4) == 0 && kernel.journal.flights() == 0 {
                kernel.journal.seal();
                if kernel.submit() {
                    continue;
                }
            }
            // Of one block or two, and none that does not fit before the last.
            let place = kernel.journal.chain().place;
            let is_tight = SEGMENT_BYTES as u64 - place.offset <= 2 * BLOCK_BYTES as u64;
            let body_bytes = if is_tight { 600 } else { [30, 600, 5000][seeded.below(3)] };
            let input = Input { salt: seeded.next(), body_bytes, events: seeded.below(3) };
            input.push(&mut kernel.journal);
            self.inputs.push(input);
            kernel.submit();
            for _ in 0..seeded.below(4) {
                kernel.complete(&mut seeded).expect("healthy");
            }
            while kernel.journal.flights() == 4 {
                kernel.complete(&mut seeded).expect("healthy");
            }
        }
        kernel.journal.seal();
        kernel.settle(&mut seeded).expect("healthy");
        let end = kernel.journal.chain();
        assert!(end.sealed && end.place.offset == SEGMENT_BYTES as u64, "{end:?}");
    }

    fn path(&self, segment: u64) -> PathBuf {
        segment::path_of(&self.options.dir, segment)
    }

    fn edit<T>(&self, segment: u64, edit: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.disk.edit(&self.path(segment), edit)
    }

    /// How many inputs are read; `None` when it is refused.
    fn read(&self) -> Option<usize> {
        replay(&self.disk, &self.options, &self.inputs).ok()
    }

    /// Everything is read, or it is refused. Whether it is refused.
    #[track_caller]
    fn check_no_loss(&self, what: impl FnOnce() -> String) -> bool {
        match self.read() {
            Some(found) if found == self.inputs.len() => false,
            Some(found) => panic!("{}: a silent loss after seq {found}", what()),
            None => true,
        }
    }

    /// Inputs at the end of which only the last seal says that they were durable.
    fn unproven(&self) -> usize {
        let all = [1, 2].map(|segment| self.edit(segment, |bytes| bytes.clone())).concat();
        let (mut at, mut proven) = (0, 0);
        while at < LOG_BYTES {
            let (header, _) = batch::peek(&all[at..]).expect("batch follows batch");
            at += header.padded_bytes();
            if at < LOG_BYTES {
                let before = if header.settled { header.first_seq - 1 } else { 0 };
                proven = before.max(header.durable_seq).max(proven);
            }
        }
        self.inputs.len() - usize::try_from(proven).expect("small")
    }

    /// Swaps two runs of `unit` bytes of the log.
    fn swap(&self, unit: usize, one: usize, other: usize) {
        let place = |at: usize| (1 + (at * unit / SEGMENT_BYTES) as u64, at * unit % SEGMENT_BYTES);
        let ((first, from), (second, to)) = (place(one), place(other));
        let one = self.edit(first, |bytes| bytes[from..from + unit].to_vec());
        let other = self.edit(second, |bytes| bytes[to..to + unit].to_vec());
        self.edit(first, |bytes| bytes[from..from + unit].copy_from_slice(&other));
        self.edit(second, |bytes| bytes[to..to + unit].copy_from_slice(&one));
    }
}

/// One batch that is durable, and behind it the remains of four that were in flight when the power
/// failed: the first is lost.
fn earlier_life() -> (ModelDisk, Vec<Input>) {
    let (disk, options) = (ModelDisk::default(), Options { flights: 4, ..options(8) });
    let (opened, _) = open(&disk, &options, &[]).expect("a new journal");
    let mut kernel = Kernel::new(&disk, opened.journal, true);
    let mut seeded = Seeded(1);
    prepare(&disk, &mut kernel.journal).expect("prepared");
    let inputs: Vec<_> =
        (1..6).map(|salt| Input { salt, body_bytes: 600 * salt as usize, events: 1 }).collect();
    inputs[0].push(&mut kernel.journal);
    kernel.settle(&mut seeded).expect("healthy");
    let mut lost = None;
    for input in &inputs[1..] {
        input.push(&mut kernel.journal);
        assert!(kernel.submit());
    }
    let crashed = disk.crash_by(Damage::None, &mut |choice| {
        let is_lost = choice.write == *lost.get_or_insert(choice.write);
        if is_lost { 0 } else { choice.newest }
    });
    while kernel.complete(&mut seeded).expect("healthy") != Step::Idle {}
    (crashed, inputs)
}

/// Flips bits of a sealed log, every `step`-th.
pub(super) fn flip_bits(step: usize) {
    let sample = Sample::new();
    let (mut refused, mut bits) = (0, 0);
    for bit in (0..LOG_BYTES * 8).step_by(step) {
        let (segment, at) = (1 + (bit / 8 / SEGMENT_BYTES) as u64, bit / 8 % SEGMENT_BYTES);
        let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 1 << (bit % 8);
        sample.edit(segment, flip);
        let is_refused = sample.check_no_loss(|| format!("segment {segment} bit {bit}"));
        sample.edit(segment, flip);
        // A flip in the last seal costs nothing; any other costs an input, or a seal with batches
        // after it.
        assert_eq!(is_refused, bit / 8 < LOG_BYTES - BLOCK_BYTES, "bit {bit}");
        (refused, bits) = (refused + usize::from(is_refused), bits + 1);
    }
    eprintln!("{bits} bits, {refused} refused");
}

#[test]
fn every_flipped_bit_of_a_sealed_log_is_noticed() {
    flip_bits(1);
}

#[test]
fn every_byte_zeroed_filled_or_changed_is_noticed_or_harmless() {
    let (sample, mut seeded) = (Sample::new(), Seeded(5));
    for at in 0..LOG_BYTES {
        let (segment, at) = (1 + (at / SEGMENT_BYTES) as u64, at % SEGMENT_BYTES);
        for value in [0, 0xFF, seeded.below(256) as u8] {
            let old = sample.edit(segment, |bytes| std::mem::replace(&mut bytes[at], value));
            sample.check_no_loss(|| format!("segment {segment} byte {at} to {value}"));
            sample.edit(segment, |bytes| bytes[at] = old);
        }
    }
}

/// Swaps every two sectors and every two blocks of the log.
///
/// A swap with the last seal damages, besides a batch, the one proof that this batch was there. Known:
/// what was in flight together with the last batch before the seal is lost then, and no more.
#[test]
fn sectors_and_blocks_swapped_are_noticed_or_harmless() {
    let sample = Sample::new();
    let last_settled = sample.inputs.len() - sample.unproven();
    let mut losses = 0;
    for unit in [BLOCK_BYTES, SECTOR_BYTES] {
        let seal = (LOG_BYTES - BLOCK_BYTES) / unit;
        for one in 0..LOG_BYTES / unit {
            for other in one + 1..LOG_BYTES / unit {
                sample.swap(unit, one, other);
                let found = sample.read();
                if other >= seal && found.is_some_and(|found| found >= last_settled) {
                    losses += usize::from(found != Some(sample.inputs.len()));
                } else {
                    sample.check_no_loss(|| format!("{unit}-byte units {one} and {other} swapped"));
                }
                sample.swap(unit, one, other);
            }
        }
    }
    eprintln!("{losses} swaps with the last seal lost what only it could prove");
}

#[test]
fn sectors_and_blocks_zeroed_or_taken_back_are_noticed_or_harmless() {
    let sample = Sample::new();
    let mut took_back = 0;
    for unit in [SECTOR_BYTES, BLOCK_BYTES] {
        for (segment, previous) in (1..).zip(&sample.previous) {
            for from in (0..SEGMENT_BYTES).step_by(unit) {
                let range = from..from + unit;
                let old = sample.edit(segment, |bytes| {
                    let old = bytes[range.clone()].to_vec();
                    bytes[range.clone()].fill(0);
                    old
                });
                let what = || format!("{unit} bytes of segment {segment} at {from}");
                sample.check_no_loss(what);
                let previous = &previous[range.clone()];
                took_back += usize::from(previous != old && previous.iter().any(|byte| *byte > 0));
                sample.edit(segment, |bytes| bytes[range.clone()].copy_from_slice(previous));
                sample.check_no_loss(what);
                sample.edit(segment, |bytes| bytes[range].copy_from_slice(&old));
            }
        }
    }
    assert!(took_back > 16, "the earlier life left remains: {took_back}");
}

#[test]
fn every_cut_and_every_extension_of_a_segment_is_refused() {
    let sample = Sample::new();
    for segment in [1, 2, 3] {
        let whole = sample.edit(segment, |bytes| bytes.clone());
        let refused = |length: usize| match replay(&sample.disk, &sample.options, &sample.inputs)
            .expect_err("refused")
        {
            OpenError::SegmentSize { found, .. } => assert_eq!(found, length as u64),
            error => panic!("{length} bytes: {error}"),
        };
        for length in (0..whole.len()).rev() {
            sample.edit(segment, |bytes| bytes.truncate(length));
            refused(length);
        }
        for filling in [0, 0xA5] {
            for more in 1..=4096 {
                sample.edit(segment, |bytes| {
                    bytes.clone_from(&whole);
                    bytes.resize(whole.len() + more, filling);
                });
                refused(whole.len() + more);
            }
        }
        sample.edit(segment, |bytes| bytes.clone_from(&whole));
    }
    assert_eq!(sample.read(), Some(sample.inputs.len()), "whole again");
}
