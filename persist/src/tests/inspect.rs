//! `inspect` against recovery: whatever was done to the files, both say the same.

use std::path::{Path, PathBuf};

use super::workload::{Collected, Input, options, prepare, reopen};
use crate::batch::{BadBatch, Place};
use crate::block::BLOCK_BYTES;
use crate::disk::Disk;
use crate::inspect::{Piece, Standing, Walk, Why};
use crate::journal::Options;
use crate::model::{ModelDisk, SECTOR_BYTES, Seeded};
use crate::open::{OpenError, replay_on};
use crate::segment;

/// What a walk saw.
#[derive(Default, PartialEq, Eq, Debug)]
struct Seen {
    live: Vec<(u64, u32, bool, Vec<u8>)>,
    after_damage_batches: u64,
    after_damage_records: u64,
    stale: u64,
    damaged: Vec<(Place, Option<u64>, Option<u64>, Why)>,
    end: Option<(u64, bool)>,
}

fn walked(disk: &ModelDisk, dir: &Path, from_seq: u64) -> Seen {
    let mut walk = Walk::on(disk.clone(), dir).expect("the model reads");
    if from_seq > 1 {
        walk.seek(from_seq).expect("the model reads");
    }
    let mut seen = Seen::default();
    while let Some(piece) = walk.next().expect("the model reads") {
        match piece {
            Piece::Batch(batch) => match batch.standing {
                Standing::Live => seen
                    .live
                    .extend(batch.records().map(|r| (r.seq, r.index, r.is_input, r.body.to_vec()))),
                Standing::AfterDamage => {
                    seen.after_damage_batches += 1;
                    seen.after_damage_records += batch.records().count() as u64;
                }
                Standing::Stale => seen.stale += 1,
            },
            Piece::Damaged(d) => seen.damaged.push((d.place, d.seq, d.next_seq, d.why)),
            Piece::Gone { .. } => panic!("nothing recycles here"),
            Piece::End(end) => {
                assert!(seen.end.is_none(), "it ends once");
                seen.end = Some((end.last_seq, end.torn.is_some()));
            }
            Piece::Remains { bytes, .. } => assert!(bytes > 0),
        }
    }
    assert!(seen.end.is_some(), "every walk comes to an end");
    seen
}

/// A journal of two segments: batches, a seal, more batches over the edge, a seal.
fn sample() -> (ModelDisk, Options) {
    let (disk, options) = (ModelDisk::default(), options(4));
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    prepare(&disk, &mut journal).expect("prepared");
    for nth in 0..5 {
        Input { salt: 77 + nth, body_bytes: 30, events: 2 }.push(&mut journal);
        if nth == 1 || nth == 4 {
            journal.seal();
        }
        journal.flush_blocking().expect("flushed");
    }
    (disk, options)
}

fn path(options: &Options, segment: u64) -> PathBuf {
    segment::path_of(&options.dir, segment)
}

/// Both judge alike: the same records, and damage exactly where recovery refuses.
#[track_caller]
fn check(disk: &ModelDisk, options: &Options, what: &str) -> Seen {
    let seen = walked(disk, &options.dir, 1);
    let mut records = Vec::new();
    let replayed = replay_on(disk, &options.dir, &mut |r| {
        records.push((r.seq, r.index, r.is_input, r.body.to_vec()));
        std::ops::ControlFlow::Continue(())
    });
    match replayed {
        Ok(replayed) => {
            assert_eq!(seen.damaged, [], "{what}: recovery sees no damage");
            let end = Some((replayed.last_seq, replayed.torn.is_some()));
            assert_eq!(seen.end, end, "{what}");
            assert_eq!(seen.live, records, "{what}");
        }
        Err(OpenError::CorruptBeforeEnd { seq, .. }) => {
            let first = seen.damaged.first().map(|damage| damage.1);
            assert_eq!(first, Some(Some(seq)), "{what}: recovery refuses");
            assert_eq!(seen.live, records, "{what}");
        }
        // Sizes, superblocks and versions are looked at before, and apart.
        Err(_) => {}
    }
    seen
}

#[test]
fn every_flipped_bit_is_judged_as_recovery_does() {
    let (disk, options) = sample();
    let whole = check(&disk, &options, "untouched");
    assert_eq!((whole.live.len(), whole.end), (15, Some((5, false))));
    for (segment, blocks) in [(1, 4), (2, 3)] {
        let path = path(&options, segment);
        for bit in (0..blocks * BLOCK_BYTES * 8).step_by(53) {
            let flip = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
            disk.edit(&path, flip);
            let seen = check(&disk, &options, &format!("segment {segment} bit {bit}"));
            // One batch was lost and no other: what is behind it was found again.
            let all = seen.live.len() as u64 + seen.after_damage_records;
            assert!(all == 15 || all == 12, "segment {segment} bit {bit}: {seen:?}");
            disk.edit(&path, flip);
        }
    }
}

#[test]
fn sectors_and_blocks_zeroed_or_swapped_are_judged_as_recovery_does() {
    let (disk, options) = sample();
    let path = path(&options, 1);
    for unit in [SECTOR_BYTES, BLOCK_BYTES] {
        let count = 4 * BLOCK_BYTES / unit;
        for (one, other) in (0..count).flat_map(|one| (0..count).map(move |other| (one, other))) {
            let old = disk.edit(&path, |bytes| {
                let old = bytes.clone();
                bytes[one * unit..][..unit].copy_from_slice(&old[other * unit..][..unit]);
                let fill = &old[one * unit..][..unit];
                match one == other {
                    true => bytes[one * unit..][..unit].fill(0),
                    false => bytes[other * unit..][..unit].copy_from_slice(fill),
                }
                old
            });
            check(&disk, &options, &format!("{unit}-byte units {one} and {other}"));
            disk.edit(&path, |bytes| *bytes = old);
        }
    }
}

#[test]
fn crashes_leave_what_recovery_and_the_walk_agree_about() {
    for seed in 0..400 {
        let mut seeded = Seeded(seed);
        let (mut disk, options) = (ModelDisk::default(), options(6));
        for _ in 0..3 {
            let Ok((opened, _)) = reopen(&disk, &options) else { panic!("seed {seed}") };
            let mut journal = opened.journal;
            prepare(&disk, &mut journal).expect("prepared");
            disk.cut_after(seeded.below(20) as u64);
            for _ in 0..8 {
                Input::random(&mut seeded, &[20, 100, 900, 5000]).push(&mut journal);
                let seals = seeded.below(3) == 0;
                if seals {
                    journal.seal();
                }
                if journal.flush_blocking().is_err() || prepare(&disk, &mut journal).is_err() {
                    break;
                }
            }
            disk = disk.crash(crate::model::Damage::Sectors, &mut |end| seeded.below(end));
            check(&disk, &options, &format!("seed {seed}"));
        }
    }
}

#[test]
fn damage_is_named_with_its_extent_and_what_it_costs() {
    let (disk, options) = sample();
    let place = |segment, offset: usize| Place { segment, offset: offset as u64 };
    disk.edit(&path(&options, 1), |bytes| bytes[BLOCK_BYTES + 80] ^= 1);
    disk.edit(&path(&options, 2), |bytes| bytes[..BLOCK_BYTES].fill(0));
    let seen = check(&disk, &options, "two batches");
    let checksum = Why::Bad(BadBatch::Checksum);
    // The second is where a batch could begin: behind the last batch of the segment before.
    assert_eq!(
        seen.damaged,
        [
            (place(1, BLOCK_BYTES), Some(2), Some(3), checksum),
            (place(2, 0), Some(4), Some(5), Why::Zeros),
        ]
    );
    assert_eq!((seen.live.len(), seen.after_damage_records), (3, 6));
    assert_eq!(seen.end, Some((5, false)));
}

#[test]
fn files_that_are_gone_or_cut_are_damage() {
    let (disk, options) = sample();
    disk.edit(&path(&options, 2), |bytes| bytes.truncate(BLOCK_BYTES));
    let seen = walked(&disk, &options.dir, 1);
    assert_eq!(
        (seen.live.len(), seen.damaged.len()),
        (12, 0),
        "nothing proves that there was more"
    );
    let (disk, options) = sample();
    drop(reopen(&disk, &options).expect("opened: the superblock remembers the end"));
    disk.edit(&path(&options, 2), |bytes| bytes.truncate(BLOCK_BYTES));
    let seen = walked(&disk, &options.dir, 1);
    assert_eq!(seen.damaged[0].3, Why::Cut);
    disk.remove(&path(&options, 2)).expect("removed");
    let seen = walked(&disk, &options.dir, 1);
    assert_eq!(seen.damaged[0].3, Why::Missing);
    assert_eq!(seen.damaged[0].0, Place { segment: 2, offset: 0 });
}

#[test]
fn a_seek_gives_the_same_records_from_some_place_before() {
    let (disk, options) = (ModelDisk::default(), options(3));
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    for nth in 0..30 {
        prepare(&disk, &mut journal).expect("prepared");
        Input { salt: nth, body_bytes: 50, events: 1 }.push(&mut journal);
        journal.flush_blocking().expect("flushed");
    }
    let all = walked(&disk, &options.dir, 1).live;
    for seq in 1..=30 {
        let some = walked(&disk, &options.dir, seq).live;
        assert!(all.ends_with(&some), "seq {seq}");
        assert!(some[0].0 <= seq && some[0].0 + 8 >= seq.min(25), "seq {seq} from {}", some[0].0);
    }
}

#[test]
fn a_journal_whose_first_segments_are_gone_starts_where_it_starts() {
    let (disk, options) = sample();
    disk.remove(&path(&options, 1)).expect("removed");
    let seen = walked(&disk, &options.dir, 1);
    assert_eq!((seen.damaged.len(), seen.live[0].0, seen.end), (0, 4, Some((5, false))));
}

#[test]
fn what_is_durable_is_known_from_what_follows() {
    let (disk, options) = (ModelDisk::default(), options(8));
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    prepare(&disk, &mut journal).expect("prepared");
    let mut walk = Walk::on(disk.clone(), &options.dir).expect("the model reads");
    for (nth, durable) in [(1, 0), (2, 1), (3, 2)] {
        Input { salt: nth, body_bytes: 50, events: 1 }.push(&mut journal);
        journal.flush_blocking().expect("flushed");
        walk.again();
        while walk.next().expect("the model reads").is_some() {}
        assert_eq!(walk.durable_seq(), durable);
    }
    journal.seal();
    assert!(walk.poll().expect("the model reads").is_none());
    journal.flush_blocking().expect("flushed");
    let seal = walk.poll().expect("the model reads").map(|batch| batch.header.is_seal());
    assert_eq!((seal, walk.durable_seq()), (Some(true), 3));
    let mut collected = Collected::default();
    replay_on(&disk, &options.dir, &mut |record| collected.take(record)).expect("it is whole");
    assert_eq!(collected.0.len(), 3);
}
