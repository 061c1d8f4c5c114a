//! Crashes at every point, with every part of what was not yet durable lost, kept or damaged.
//!
//! The promise: what was acknowledged is a prefix of what is recovered, which is a prefix of what
//! was submitted; and a crash alone is never a reason to refuse. Guards the wait for the flush, the
//! sync before reading, the order of names and syncs, epoch and chain against old tails. All by
//! seed; `CORELANE_CRASH_STATES` asks for more.

use super::workload::{Input, open, options, prepare, states_wanted};
use crate::batch::{self, Header, Place};
use crate::block::{BLOCK_BYTES, Blocks};
use crate::disk::{Disk, DiskFile, Mode};
use crate::journal::Options;
use crate::model::{Damage, ModelDisk, Seeded};
use crate::segment;

/// A journal's history over crashes, seen from outside.
struct History {
    disk: ModelDisk,
    options: Options,
    submitted: Vec<Input>,
    acked: usize,
    /// Submitted and lost: some are submitted again, byte by byte the same.
    lost: Vec<Input>,
    seed: u64,
}

impl History {
    fn new(segment_blocks: usize, seed: u64) -> History {
        History {
            disk: ModelDisk::default(),
            options: options(segment_blocks),
            submitted: Vec::new(),
            acked: 0,
            lost: Vec::new(),
            seed,
        }
    }

    /// The same history on a disk that came out of a crash.
    fn after(&self, disk: ModelDisk) -> History {
        History {
            disk,
            options: self.options.clone(),
            submitted: self.submitted.clone(),
            acked: self.acked,
            lost: self.lost.clone(),
            seed: self.seed,
        }
    }

    /// Opens, compares, appends until `inputs` are in or the power fails. Whether it survived.
    fn live(&mut self, seeded: &mut Seeded, inputs: usize) -> bool {
        let Ok((opened, recovered)) = open(&self.disk, &self.options) else { return false };
        self.compare(recovered);
        let mut journal = opened.journal;
        let goal = self.submitted.len() + inputs;
        while self.submitted.len() < goal {
            for _ in 0..=seeded.below(3) {
                let input = match self.lost.pop() {
                    Some(again) if seeded.below(2) == 0 => again,
                    _ => Input::random(seeded),
                };
                assert_eq!(input.push(&mut journal), self.submitted.len() as u64 + 1);
                self.submitted.push(input);
            }
            if seeded.below(4) == 0 {
                journal.seal();
            }
            if prepare(&self.disk, &mut journal).is_err() || journal.flush_blocking().is_err() {
                return false;
            }
            self.acked = self.submitted.len();
        }
        true
    }

    /// Opens after a crash, without a fuse: it must succeed.
    fn recover(&self) -> (Vec<Input>, u64) {
        match open(&self.disk, &self.options) {
            Ok((opened, recovered)) => (recovered, opened.journal.epoch()),
            Err(error) => panic!("seed {}: refused after a mere crash: {error}", self.seed),
        }
    }

    /// The promise. From here on, what was recovered counts as acknowledged.
    fn compare(&mut self, recovered: Vec<Input>) {
        let (acked, seed) = (self.acked, self.seed);
        assert!(recovered.len() >= acked, "seed {seed}: {} of {acked} acked", recovered.len());
        assert!(
            self.submitted.starts_with(&recovered),
            "seed {seed}: recovered what was not submitted"
        );
        self.lost = self.submitted.split_off(recovered.len());
        self.lost.reverse();
        self.acked = recovered.len();
        self.submitted = recovered;
    }
}

/// Cuts the power after each change of a log in turn, and tries every subset of the sectors in
/// flight where there are at most 256, and 64 of them where there are more.
fn check_every_crash(damage: Damage, seed: u64) -> usize {
    let mut states = 0;
    for fuse in 0.. {
        let mut history = History::new(8, seed);
        history.disk.cut_after(fuse);
        if history.live(&mut Seeded(seed), 24) {
            return states;
        }
        let pending = history.disk.pending_sectors();
        let exhaustive = pending <= 8 && damage == Damage::None;
        let tries = if exhaustive { 1 << pending } else { 64 };
        for subset in 0..tries {
            let mut random = Seeded(seed ^ (fuse << 32) ^ subset);
            let mut bits = subset;
            let mut choose = |outcomes: usize| match exhaustive && outcomes == 2 {
                true => {
                    bits = bits.rotate_right(1);
                    usize::from(bits.leading_zeros() == 0)
                }
                false => random.below(outcomes),
            };
            let mut after = history.after(history.disk.crash(damage, &mut choose));
            let (recovered, _) = after.recover();
            after.compare(recovered);
            states += 1;
        }
    }
    unreachable!("the log ends")
}

#[test]
fn every_crash_of_a_small_log_keeps_what_was_acked() {
    let (wanted, mut states, mut seed) = (states_wanted() / 2, 0, 1);
    while states < wanted {
        states += check_every_crash(Damage::None, seed);
        seed += 1;
    }
    eprintln!("{states} states, seeds 1 to {}", seed - 1);
}

#[test]
fn damaged_sectors_in_flight_are_no_worse() {
    let (wanted, mut states, mut seed) = (states_wanted() / 4, 0, 1);
    while states < wanted {
        states += check_every_crash(Damage::Sectors, seed);
        seed += 1;
    }
    eprintln!("{states} states, seeds 1 to {}", seed - 1);
}

#[test]
fn rounds_of_crash_and_recovery_keep_what_was_acked() {
    let rounds = states_wanted() / 4;
    let (mut done, mut seed) = (0, 1);
    while done < rounds {
        let mut seeded = Seeded(seed);
        let mut history = History::new(4 + seeded.below(12), seed);
        let mut last_epoch = 0;
        for _ in 0..2 + seeded.below(7) {
            // Early fuses hit the opening: its own writes are crashed too.
            history.disk.cut_after(seeded.below(60) as u64);
            let inputs = 1 + seeded.below(12);
            history.live(&mut seeded, inputs);
            if seeded.below(3) == 0 {
                // Killed, not cut off: what the next opening reads from the page cache it must make
                // durable.
                history.disk.end_process();
                let (recovered, epoch) = history.recover();
                assert!(epoch > last_epoch, "seed {seed}: epoch {epoch} was used before");
                last_epoch = epoch;
                history.compare(recovered);
            }
            let kept_of_8 = seeded.below(9);
            let damage = [Damage::None, Damage::Sectors][seeded.below(2)];
            let crashed = history.disk.crash(damage, &mut |outcomes| {
                if seeded.below(8) < kept_of_8 { seeded.below(outcomes) } else { 0 }
            });
            history = history.after(crashed);
            if seeded.below(2) == 0 {
                let (recovered, epoch) = history.recover();
                assert!(epoch > last_epoch, "seed {seed}: epoch {epoch} was used before");
                last_epoch = epoch;
                history.compare(recovered);
            }
            done += 1;
        }
        seed += 1;
    }
    eprintln!("{done} rounds, seeds 1 to {}", seed - 1);
}

/// A writer that keeps several batches in flight: more than the journal's own does, and what the
/// format is made for. A crash can lose the first of them and keep the second: an old tail, which
/// must stay dead.
struct Pipelined {
    history: History,
    depth: usize,
}

impl Pipelined {
    fn live(&mut self, seeded: &mut Seeded) {
        let (opened, recovered) = match open(&self.history.disk, &self.history.options) {
            Ok(opened) => opened,
            Err(error) => panic!("seed {}: refused: {error}", self.history.seed),
        };
        self.history.compare(recovered);
        let (mut chain, epoch) = (opened.journal.chain(), opened.journal.epoch());
        drop(opened);
        let path = segment::path_of(&self.history.options.dir, 1);
        let file = self.history.disk.open(&path, Mode::Write).expect("the first segment");
        for _ in 0..1 + seeded.below(3) {
            let durable_seq = self.history.acked as u64;
            for nth in 0..self.depth {
                let (header, records) = self.batch(seeded, epoch, durable_seq, nth == 0);
                let header = Header { parent_crc: chain.crc, first_seq: chain.next_seq, ..header };
                let room = self.history.options.segment_bytes - chain.place.offset;
                if header.padded_bytes() as u64 > room {
                    return;
                }
                let mut blocks = Blocks::default();
                let (crc, padded) = batch::encode(&header, chain.place, &records, &mut blocks);
                let bytes = &blocks.bytes()[..padded];
                file.write_all_at(bytes, chain.place.offset).expect("written");
                let input = self.history.submitted.last().expect("one a batch");
                assert_eq!(input.events, 0);
                let (place, next_seq) = (chain.place, chain.next_seq + 1);
                chain.advance(&header, crc, place, next_seq);
            }
            if seeded.below(3) == 0 {
                return;
            }
            file.sync().expect("synced");
            self.history.acked = self.history.submitted.len();
        }
    }

    /// A batch of one input, often one that was lost before.
    fn batch(
        &mut self,
        seeded: &mut Seeded,
        epoch: u64,
        durable_seq: u64,
        settled: bool,
    ) -> (Header, Vec<u8>) {
        let input = match self.history.lost.pop() {
            Some(again) if seeded.below(4) > 0 => again,
            // One size, so that the next batch begins where it did before.
            _ => Input { salt: seeded.next(), body_bytes: 100, events: 0 },
        };
        let mut records = Vec::new();
        batch::begin_record(&mut records, 1, true, input.salt);
        records.extend(input.body());
        batch::finish_record(&mut records, 0);
        self.history.submitted.push(input);
        let header = Header {
            shard: self.history.options.shard.into(),
            epoch,
            first_seq: 0,
            durable_seq,
            settled,
            count: 1,
            len: u32::try_from(records.len()).expect("small"),
            parent_crc: 0,
        };
        (header, records)
    }
}

#[test]
fn old_tails_stay_dead() {
    let rounds = states_wanted() / 4;
    let (mut done, mut seed) = (0, 1);
    while done < rounds {
        let mut seeded = Seeded(seed);
        let depth = [1, 2, 4][seeded.below(3)];
        let mut pipelined = Pipelined { history: History::new(64, seed), depth };
        for _ in 0..2 + seeded.below(7) {
            pipelined.live(&mut seeded);
            // Whole batches are lost or kept: the case that brings old tails about.
            let mut calls = 0;
            let mut keep = false;
            let crashed = pipelined.history.disk.crash(Damage::None, &mut |outcomes| {
                if calls % (BLOCK_BYTES / crate::model::SECTOR_BYTES) == 0 {
                    keep = seeded.below(2) == 1;
                }
                calls += 1;
                if keep { outcomes - 1 } else { 0 }
            });
            pipelined.history = pipelined.history.after(crashed);
            done += 1;
        }
        let (recovered, _) = pipelined.history.recover();
        pipelined.history.compare(recovered);
        seed += 1;
    }
    eprintln!("{done} rounds, seeds 1 to {}", seed - 1);
}

#[test]
fn a_failing_disk_acks_nothing_and_restart_gives_a_prefix() {
    for fuse in 0..200 {
        let mut history = History::new(8, fuse);
        let mut seeded = Seeded(fuse);
        history.live(&mut seeded, 4);
        let Ok((opened, recovered)) = open(&history.disk, &history.options) else {
            panic!("a healthy disk");
        };
        history.compare(recovered);
        let mut journal = opened.journal;
        history.disk.fail_with(Some([libc::EIO, libc::ENOSPC][fuse as usize % 2]));
        let input = Input::random(&mut seeded);
        input.push(&mut journal);
        history.submitted.push(input);
        journal.flush_blocking().expect_err("the disk fails");
        assert_eq!(journal.durable_seq(), history.acked as u64);
        assert!(journal.take_write().is_none(), "poisoned");
        history.disk.fail_with(None);
        let crashed = history.disk.crash(Damage::None, &mut |outcomes| seeded.below(outcomes));
        let mut after = history.after(crashed);
        let (recovered, _) = after.recover();
        after.compare(recovered);
    }
}

#[test]
fn short_writes_are_made_whole() {
    let mut seeded = Seeded(1);
    let mut history = History::new(64, 1);
    assert!(history.live(&mut seeded, 1));
    let (opened, _) = open(&history.disk, &history.options).expect("opened");
    let mut journal = opened.journal;
    let big = Input { salt: 9, body_bytes: 5000, events: 0 };
    history.disk.shorten_writes(Some(BLOCK_BYTES + 17));
    big.push(&mut journal);
    journal.flush_blocking().expect("two writes of at least half each");
    history.disk.shorten_writes(None);
    let (_, recovered) = open(&history.disk, &history.options).expect("opened");
    assert_eq!(recovered.last(), Some(&big));
    assert!(journal.chain().place > Place { segment: 1, offset: 0 });
}
