//! Row 17: whatever stands in a file, reading it neither panics nor allocates beyond a bound.
//!
//! Each case starts from files as the code writes them and changes bits, fields, sectors and
//! lengths; every other time the checksums are made to fit again, as only a person or a faulty
//! program would, so that what is behind them is reached. A case is its seed. (That nothing is read
//! beyond the end needs no test of its own: there is no unsafe code in these parsers, so it would be
//! a panic.)

use std::time::{Duration, Instant};

use super::allocations::most_held;
use super::life::{Fold, Life};
use super::workload::{Seed, count, seeds};
use crate::batch::{self, BATCH_BYTES_MAX, Place, Records};
use crate::block::BLOCK_BYTES;
use crate::cursor::Cursor;
use crate::disk::Disk;
use crate::model::{Damage, ModelDisk, SECTOR_BYTES, Seeded};
use crate::open::{OpenError, open_with_on, replay_with_on};
use crate::position::Position;
use crate::segment;
use crate::snapshot;
use crate::superblock;
use crate::tail::Tail;

/// Runs cases for so long as is asked for, or one.
fn cases(test: &'static str, case: impl Fn(&mut Seeded)) {
    let time = Duration::from_secs(count("CORELANE_FUZZ_SECONDS", 12));
    let (start, mut done) = (Instant::now(), 0);
    for number in seeds(u64::MAX - 1) {
        let seed = Seed::new(number, test);
        case(&mut Seeded(seed.seed));
        done += 1;
        if start.elapsed() > time {
            break;
        }
    }
    eprintln!("{done} cases");
}

/// A value that is at some edge.
fn edge(seeded: &mut Seeded) -> u64 {
    match seeded.below(6) {
        0 => seeded.below(3) as u64,
        1 => u64::MAX - seeded.below(3) as u64,
        2 => 1 << seeded.below(64),
        3 => (1 << seeded.below(64)) - 1,
        4 => seeded.below(20) as u64 * BLOCK_BYTES as u64,
        _ => seeded.next(),
    }
}

/// Changes one to four things in `bytes`, most of them in the first bytes of a block.
fn mutate(bytes: &mut Vec<u8>, seeded: &mut Seeded) {
    for _ in 0..1 + seeded.below(4) {
        let blocks = bytes.len().div_ceil(BLOCK_BYTES).max(1);
        let header = seeded.below(blocks) * BLOCK_BYTES;
        let at = header + [seeded.below(112), seeded.below(BLOCK_BYTES)][seeded.below(4) / 3];
        let even = at / 4 * 4;
        let number = edge(seeded).to_le_bytes();
        match seeded.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << seeded.below(8),
            1 | 8 if even + 8 <= bytes.len() => bytes[even..even + 8].copy_from_slice(&number),
            2 | 3 if even + 4 <= bytes.len() => bytes[even..even + 4].copy_from_slice(&number[..4]),
            4 if even + 2 <= bytes.len() => bytes[even..even + 2].copy_from_slice(&number[..2]),
            5 => {
                let unit = [SECTOR_BYTES, BLOCK_BYTES][seeded.below(2)];
                let units = bytes.len() / unit;
                if units > 0 {
                    let from = seeded.below(units) * unit;
                    bytes.copy_within(from..from + unit, seeded.below(units) * unit);
                }
            }
            6 if seeded.below(4) == 0 => bytes.truncate(seeded.below(bytes.len() + 1)),
            7 if seeded.below(4) == 0 => bytes.resize(bytes.len() + seeded.below(5000), 0),
            _ => {}
        }
    }
}

/// Makes the checksum of `len` bytes at `at` fit. Beyond its own field it covers `head`, which is made
/// of the first four bytes.
fn mend(bytes: &mut [u8], at: usize, len: usize, head: impl FnOnce(&[u8]) -> Vec<u8>) {
    if let Some(block) = bytes.get_mut(at..at + len) {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head(&block[..4])), &block[8..]);
        block[4..8].copy_from_slice(&crc.to_le_bytes());
    }
}

fn mend_superblock(bytes: &mut [u8]) {
    for slot in 0..2u64 {
        let head = |magic: &[u8]| [&slot.to_le_bytes(), magic, &[0; 4]].concat();
        mend(bytes, slot as usize * BLOCK_BYTES, BLOCK_BYTES, head);
    }
}

fn mend_batches(bytes: &mut [u8], segment: u64) {
    let mut at = 0;
    while at + BLOCK_BYTES <= bytes.len() {
        let padded =
            batch::peek(&bytes[at..]).map_or(BLOCK_BYTES, |(header, _)| header.padded_bytes());
        if batch::peek(&bytes[at..]).is_ok() {
            let place = [segment.to_le_bytes(), (at as u64).to_le_bytes()].concat();
            mend(bytes, at, padded, |magic| [&place[..], magic, &[0; 4]].concat());
        }
        at += padded;
    }
}

/// A journal with snapshots, whose segments have been recycled, on a quiet disk.
fn journal() -> (Life, ModelDisk) {
    let mut life = Life::new();
    life.live(22).expect("a healthy disk");
    let disk = life.disk.crash(Damage::None, &mut |outcomes| outcomes - 1);
    (life, disk)
}

/// Changes a file of the journal, and mends it half of the time.
fn mutate_file(
    disk: &ModelDisk,
    path: &std::path::Path,
    seeded: &mut Seeded,
    mend: impl FnOnce(&mut Vec<u8>),
) {
    disk.edit(path, |bytes| {
        mutate(bytes, seeded);
        if seeded.below(2) == 0 {
            mend(bytes);
        }
    });
}

#[test]
fn a_batch_of_any_bytes_is_judged() {
    let (life, disk) = journal();
    let index = segment::list(&disk, &life.options.dir).expect("listed").segments[0];
    let whole = disk.edit(&segment::path_of(&life.options.dir, index), |bytes| bytes.clone());
    cases("tests::fuzz::a_batch", |seeded| {
        let mut bytes = whole.clone();
        mutate(&mut bytes, seeded);
        if seeded.below(2) == 0 {
            mend_batches(&mut bytes, index);
        }
        let ((), held) = most_held(|| {
            for offset in (0..bytes.len()).step_by(BLOCK_BYTES) {
                let place = Place { segment: index, offset: offset as u64 };
                if let Ok((header, _)) = batch::check(&bytes[offset..], place) {
                    let records = Records::new(&header, &bytes[offset..]);
                    let bodies: usize = records.map(|record| record.body.len()).sum();
                    assert!(bodies <= bytes.len());
                }
            }
        });
        assert_eq!(held, 0, "judging allocates nothing");
    });
}

/// Opens, replays and tails what is there, from a snapshot and from the first batch.
fn read_all(disk: &ModelDisk, life: &Life) {
    let dir = &life.options.dir;
    disk.leave_space(Some(1 << 20));
    let (_, held) = most_held(|| {
        drop(replay_with_on(disk, dir, &mut Lenient::default()));
        if let Ok(mut tail) = Tail::open_on(disk.clone(), dir, Position::new(9, 0)) {
            drop(tail.read(u64::MAX, 10_000, &mut |_| {}));
        }
        drop(open_with_on(disk, &life.options, &mut Lenient::default()));
    });
    // Two windows that each hold a largest batch, and what else an opening needs.
    assert!(held <= 2 * BATCH_BYTES_MAX + (4 << 20), "{held} bytes");
}

/// A state that takes everything, whatever it says.
#[derive(Default)]
struct Lenient(u64);

impl crate::open::State for Lenient {
    fn restore(&mut self, header: &snapshot::Header, body: &[u8]) -> Result<(), String> {
        assert_eq!(header.body_bytes, body.len() as u64);
        Ok(())
    }

    fn record(&mut self, record: crate::Record<'_>) -> std::ops::ControlFlow<()> {
        self.0 += record.body.len() as u64;
        std::ops::ControlFlow::Continue(())
    }
}

#[test]
fn a_journal_of_any_bytes_is_opened_or_refused() {
    let (life, disk) = journal();
    let segments = segment::list(&disk, &life.options.dir).expect("listed").segments;
    cases("tests::fuzz::a_journal", |seeded| {
        let disk = disk.fork();
        for _ in 0..1 + seeded.below(2) {
            let index = segments[seeded.below(segments.len())];
            let path = segment::path_of(&life.options.dir, index);
            // Its length is judged before all else: leave it mostly.
            let keeps = seeded.below(8) > 0;
            mutate_file(&disk, &path, seeded, |bytes| {
                if keeps {
                    bytes.resize(usize::try_from(life.options.segment_bytes).expect("small"), 0);
                }
                mend_batches(bytes, index);
            });
        }
        read_all(&disk, &life);
    });
}

#[test]
fn a_snapshot_of_any_bytes_is_used_or_not() {
    let (life, disk) = journal();
    let dir = &life.options.dir;
    let seqs = snapshot::list_on(&disk, dir).expect("listed");
    cases("tests::fuzz::a_snapshot", |seeded| {
        let disk = disk.fork();
        let seq = seqs[seeded.below(2)];
        let path = snapshot::path_of(dir, seq);
        mutate_file(&disk, &path, seeded, |bytes| {
            if bytes.len() >= BLOCK_BYTES {
                let length = bytes[72..80].try_into().expect("eight bytes");
                let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
                let body = bytes[BLOCK_BYTES..].get(..length).map(crc32c::crc32c);
                bytes[68..72].copy_from_slice(&body.unwrap_or(0).to_le_bytes());
                mend(bytes, 0, BLOCK_BYTES, <[u8]>::to_vec);
            }
        });
        let length = disk.edit(&path, |bytes| bytes.len());
        let (_, held) = most_held(|| drop(snapshot::load_on(&disk, dir, seq)));
        assert!(held <= length + 3 * BLOCK_BYTES, "{held} bytes for a file of {length}");
        read_all(&disk, &life);
    });
}

#[test]
fn a_superblock_of_any_bytes_is_read_or_refused() {
    let (life, disk) = journal();
    let path = life.options.dir.join(superblock::NAME);
    cases("tests::fuzz::a_superblock", |seeded| {
        let disk = disk.fork();
        if seeded.below(4) == 0 {
            for index in segment::list(&disk, &life.options.dir).expect("listed").segments {
                disk.remove(&segment::path_of(&life.options.dir, index)).expect("removed");
            }
        }
        mutate_file(&disk, &path, seeded, |bytes| mend_superblock(bytes));
        read_all(&disk, &life);
    });
}

#[test]
fn a_cursor_of_any_bytes_is_read_or_refused() {
    const SLOT_BYTES: usize = 28;
    let disk = ModelDisk::default();
    let path = std::path::Path::new("/data/cursor-sink");
    let mut cursor = Cursor::open_on(&disk, path).expect("created");
    for seq in 1..3 {
        cursor.set(Position::new(seq, 1)).expect("set");
    }
    cursor.sync().expect("synced");
    let disk = disk.crash(Damage::None, &mut |outcomes| outcomes - 1);
    cases("tests::fuzz::a_cursor", |seeded| {
        let disk = disk.fork();
        mutate_file(&disk, path, seeded, |bytes| {
            for slot in 0..2u64 {
                let at = slot as usize * BLOCK_BYTES;
                mend(bytes, at, SLOT_BYTES, |_| slot.to_le_bytes().to_vec());
            }
        });
        let (_, held) = most_held(|| {
            if let Ok(mut cursor) = Cursor::open_on(&disk, path) {
                drop(cursor.set(Position::new(9, 9)));
            }
        });
        assert!(held <= 4 * BLOCK_BYTES, "{held} bytes");
    });
}

#[test]
fn the_life_under_the_cases_is_whole() {
    let (life, disk) = journal();
    let mut fold = Fold::default();
    replay_with_on(&disk, &life.options.dir, &mut fold).expect("whole");
    assert_eq!(fold, Fold::of(&life.pushed[..]));
}

#[test]
fn numbers_that_nobody_counted_to_are_refused() {
    for at in [16, 24, 32, 40, 48, 56, 64] {
        for value in [1 << 63, u64::MAX - 4096, u64::MAX - 1, u64::MAX] {
            let (life, disk) = journal();
            disk.edit(&life.options.dir.join(superblock::NAME), |bytes| {
                for slot in 0..2 {
                    let from = slot * BLOCK_BYTES + at;
                    bytes[from..from + 8].copy_from_slice(&value.to_le_bytes());
                }
                mend_superblock(bytes);
            });
            let refused = open_with_on(&disk, &life.options, &mut Fold::default()).err();
            let is_damaged = matches!(refused, Some(OpenError::SuperblockDamaged { .. }));
            assert!(is_damaged, "{value} at {at}: {refused:?}");
        }
    }
}
