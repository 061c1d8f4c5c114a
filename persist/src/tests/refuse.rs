//! What is refused, with the facts that the user is told, and that a refusal changes nothing.

use std::path::Path;

use super::workload::{Input, options, prepare, reopen};
use crate::batch::{self, Header, VERSION};
use crate::block::{BLOCK_BYTES, Blocks};
use crate::disk::{Disk, DiskFile, Op};
use crate::journal::{OpenError, Options};
use crate::model::ModelDisk;
use crate::open::replay_on;
use crate::segment::{self, SegmentError};
use crate::superblock;

/// A journal of some inputs, in several segments.
fn sample() -> (ModelDisk, Options) {
    let (disk, options) = (ModelDisk::default(), options(4));
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    for salt in 0..10 {
        prepare(&disk, &mut journal).expect("prepared");
        Input { salt, body_bytes: 30, events: 1 }.push(&mut journal);
        journal.seal();
        journal.flush_blocking().expect("flushed");
    }
    (disk, options)
}

#[track_caller]
fn refused(disk: &ModelDisk, options: &Options) -> OpenError {
    let before = disk.image();
    let Err(error) = reopen(disk, options) else { panic!("it was opened") };
    assert!(disk.image() == before, "a refusal changes nothing");
    assert!(!error.to_string().is_empty());
    error
}

#[test]
fn another_shard_count_or_shard_is_refused() {
    let (disk, options) = sample();
    let error = refused(&disk, &Options { shard_count: 8, ..options.clone() });
    assert!(matches!(error, OpenError::ShardCount { found: 4, asked: 8, .. }), "{error}");
    let error = refused(&disk, &Options { shard: 2, ..options.clone() });
    assert!(matches!(error, OpenError::WrongShard { found: 1, asked: 2, .. }), "{error}");
}

#[test]
fn another_segment_size_is_for_new_journals() {
    let (disk, options) = sample();
    let other = Options { segment_bytes: 64 * BLOCK_BYTES as u64, ..options.clone() };
    let (opened, found) = reopen(&disk, &other).expect("opened");
    assert_eq!((opened.segment_bytes, found.len()), (options.segment_bytes, 10));
}

#[test]
fn files_of_another_shard_are_refused() {
    let (disk, options) = sample();
    let stranger = Options { shard: 2, dir: "/data/shard-2".into(), ..options.clone() };
    let mut journal = reopen(&disk, &stranger).expect("opened").0.journal;
    Input { salt: 1, body_bytes: 30, events: 0 }.push(&mut journal);
    journal.flush_blocking().expect("flushed");
    let bytes = disk.edit(&segment::path_of(&stranger.dir, 1), |bytes| bytes.clone());
    disk.edit(&segment::path_of(&options.dir, 1), |old| *old = bytes);
    let error = refused(&disk, &options);
    assert!(matches!(error, OpenError::CorruptBeforeEnd { seq: 1, offset: 0, .. }), "{error}");
}

#[test]
fn a_missing_segment_is_refused() {
    for missing in 1..5 {
        let (disk, options) = sample();
        disk.remove(&segment::path_of(&options.dir, missing)).expect("removed");
        match refused(&disk, &options) {
            OpenError::CorruptBeforeEnd { seq, batches, .. } => {
                assert_eq!((seq, batches), (2 * (missing - 1) + 1, 20 - 4 * missing));
            }
            // As if it had been recycled; but there is no snapshot.
            OpenError::NoSnapshot { first_seq, .. } => assert_eq!((missing, first_seq), (1, 3)),
            OpenError::SegmentMissing { path, next } => {
                let of = |index| segment::path_of(&options.dir, index);
                assert_eq!((path, next), (of(missing), of(missing + 1)));
            }
            error => panic!("{error}"),
        }
    }
}

#[test]
fn a_newer_format_is_refused() {
    // Of a batch, as a later version would write the next one.
    let (disk, options) = sample();
    let chain = reopen(&disk, &options).expect("opened").0.journal.chain();
    let header = Header {
        shard: chain.shard,
        epoch: 2,
        first_seq: chain.next_seq,
        durable_seq: 10,
        settled: true,
        count: 0,
        len: 0,
        parent_crc: chain.crc,
    };
    let place = chain.place.next_segment();
    let mut blocks = Blocks::default();
    batch::encode(&header, place, &[], &mut blocks);
    let mut bytes = blocks.bytes()[..BLOCK_BYTES].to_vec();
    bytes[8..10].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let mut head = [0; 24];
    head[..8].copy_from_slice(&place.segment.to_le_bytes());
    head[16..20].copy_from_slice(&bytes[..4]);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head), &bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    let path = segment::path_of(&options.dir, place.segment);
    disk.edit(&path, |file| file[..BLOCK_BYTES].copy_from_slice(&bytes));
    match refused(&disk, &options) {
        OpenError::NewerFormat { path: named, found: 2, known: 1 } => assert_eq!(named, path),
        error => panic!("{error}"),
    }

    // Of the superblock.
    let (disk, options) = sample();
    let path = options.dir.join(superblock::NAME);
    disk.edit(&path, |bytes| {
        for slot in 0..2usize {
            let block = &mut bytes[slot * BLOCK_BYTES..][..BLOCK_BYTES];
            block[8] = 9;
            let mut head = [0; 16];
            head[..8].copy_from_slice(&(slot as u64).to_le_bytes());
            head[8..12].copy_from_slice(&block[..4]);
            let crc = crc32c::crc32c_append(crc32c::crc32c(&head), &block[8..]);
            block[4..8].copy_from_slice(&crc.to_le_bytes());
        }
    });
    let error = refused(&disk, &options);
    assert!(matches!(error, OpenError::NewerFormat { found: 9, known: 1, .. }), "{error}");
}

#[test]
fn a_superblock_that_is_gone_or_damaged_twice_is_refused() {
    let (disk, options) = sample();
    let path = options.dir.join(superblock::NAME);
    disk.edit(&path, |bytes| {
        bytes[30] ^= 1;
        bytes[BLOCK_BYTES + 30] ^= 1;
    });
    let error = refused(&disk, &options);
    assert!(matches!(error, OpenError::SuperblockDamaged { .. }), "{error}");
    disk.remove(&path).expect("removed");
    let error = refused(&disk, &options);
    assert!(matches!(error, OpenError::SuperblockMissing { .. }), "{error}");
    let mut ignore = |_: crate::Record<'_>| std::ops::ControlFlow::Continue(());
    let error = replay_on(&disk, Path::new("/data/shard-7"), &mut ignore).expect_err("no journal");
    assert!(matches!(error, OpenError::SuperblockMissing { .. }), "{error}");
}

#[test]
fn leftovers_are_removed_and_strangers_left_alone() {
    let (disk, options) = sample();
    for name in ["000009.journal.tmp", "notes.txt", "1.journal", "cursor-nats"] {
        let file = disk.create(&options.dir.join(name)).expect("created");
        file.write_all_at(b"x", 0).expect("written");
    }
    reopen(&disk, &options).expect("opened");
    let left = disk.list(&options.dir).expect("listed");
    for (name, expected) in [
        ("000009.journal.tmp", false),
        ("notes.txt", true),
        ("1.journal", true),
        ("cursor-nats", true),
    ] {
        assert_eq!(left.iter().any(|found| found == name), expected, "{name}");
    }
}

#[test]
fn no_space_is_told_from_other_errors_and_heals() {
    let (disk, options) = (ModelDisk::default(), options(4));
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    let order = std::iter::from_fn(|| journal.segment_wanted()).last().expect("one is wanted");
    for (errno, full) in [(libc::ENOSPC, true), (libc::EDQUOT, true), (libc::EIO, false)] {
        disk.fail_with(Some(errno));
        let error = segment::prepare_on(&disk, &order).expect_err("the disk says no");
        assert_eq!(matches!(error, SegmentError::NoSpace { .. }), full, "{error}");
    }
    disk.fail_with(None);
    assert!(journal.segment_wanted().is_none(), "an order is given once");
    journal.segment_ready(segment::prepare_on(&disk, &order).expect("there is space again"));

    // At the start: which path, doing what.
    let empty = ModelDisk::default();
    empty.fail_with(Some(libc::EACCES));
    let Err(error) = reopen(&empty, &options) else { panic!("it was opened") };
    let OpenError::Disk(error) = error else { panic!("{error}") };
    assert_eq!((error.op, error.path), (Op::CreateDir, options.dir.clone()));
}

#[test]
fn a_segment_is_never_made_over_another() {
    let (disk, options) = sample();
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    let order = crate::segment::SegmentOrder {
        dir: options.dir.clone(),
        index: 1,
        segment_bytes: options.segment_bytes,
    };
    let before = disk.image();
    segment::prepare_on(&disk, &order).expect_err("segment 1 is in use");
    let path = segment::path_of(&options.dir, 1);
    assert!(disk.image()[&path] == before[&path]);
    journal.flush_blocking().expect("flushed");
}

/// A model of a disk of which one sync of a directory fails, as for want of a file descriptor.
struct NoDescriptor(ModelDisk, std::cell::Cell<bool>);

impl Disk for NoDescriptor {
    type File = <ModelDisk as Disk>::File;

    fn create_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.0.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn create(&self, path: &Path) -> std::io::Result<Self::File> {
        self.0.create(path)
    }

    fn open(&self, path: &Path, mode: crate::disk::Mode) -> std::io::Result<Self::File> {
        self.0.open(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        match self.1.replace(false) {
            true => Err(std::io::Error::from_raw_os_error(libc::EMFILE)),
            false => self.0.sync_dir(dir),
        }
    }
}

#[test]
fn an_order_that_failed_after_the_rename_can_be_carried_out_later() {
    let (disk, options) = (ModelDisk::default(), options(4));
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    let order = journal.segment_wanted().expect("a new journal wants spares");
    let disk = NoDescriptor(disk, true.into());
    segment::prepare_on(&disk, &order).expect_err("no descriptor for the directory");
    journal.segment_ready(segment::prepare_on(&disk, &order).expect("it was in passing"));
}
