//! What proves that something acknowledged is missing, and what does not: each piece of evidence by
//! itself, planted.

use std::path::PathBuf;

use super::workload::{Input, options, prepare, reopen, reread};
use crate::batch::{self, Header, Place, Records};
use crate::block::{BLOCK_BYTES, Blocks};
use crate::journal::{OpenError, Options};
use crate::model::ModelDisk;
use crate::position::Position;
use crate::segment;
use crate::superblock;
use crate::tail::Tail;

/// A journal of two segments: batches, a seal, more batches over the edge, and a seal unless told
/// otherwise.
fn sample(sealed: bool) -> (ModelDisk, Options, Vec<Input>) {
    let (disk, options) = (ModelDisk::default(), options(4));
    let (opened, _) = reopen(&disk, &options).expect("opened");
    let mut journal = opened.journal;
    prepare(&disk, &mut journal).expect("prepared");
    let mut inputs = Vec::new();
    for nth in 0..5 {
        let input = Input { salt: 77 + nth, body_bytes: 30, events: 2 };
        input.push(&mut journal);
        inputs.push(input);
        if nth == 1 || (nth == 4 && sealed) {
            journal.seal();
        }
        journal.flush_blocking().expect("flushed");
    }
    (disk, options, inputs)
}

/// Bytes that the sample uses in its second segment.
const USED: usize = 3 * BLOCK_BYTES;

fn journal_path(options: &Options, segment: u64) -> PathBuf {
    segment::path_of(&options.dir, segment)
}

/// Everything is read, or it is refused. Whether it is refused.
#[track_caller]
fn check_no_loss(disk: &ModelDisk, options: &Options, inputs: &[Input], what: &str) -> bool {
    match reread(disk, options) {
        Ok(found) => {
            assert_eq!(found, inputs, "{what}: a silent loss");
            false
        }
        Err(_) => true,
    }
}

#[test]
fn corruption_is_reported_with_its_place_and_what_follows() {
    let (disk, options, _) = sample(true);
    let path = journal_path(&options, 1);
    disk.edit(&path, |bytes| bytes[BLOCK_BYTES + 100] ^= 4);
    let before = disk.image();
    let Err(error) = reopen(&disk, &options) else { panic!("opened a damaged journal") };
    let OpenError::CorruptBeforeEnd { segment, offset, seq, batches, records } = &error else {
        panic!("{error}");
    };
    // After it: the seal, three inputs with two events each, the last seal.
    assert_eq!((segment, *offset, *seq, *batches, *records), (&path, 4096, 2, 5, 9));
    assert!(error.to_string().contains("000001.journal"), "{error}");
    assert!(disk.image() == before, "a refusal changes nothing");
}

#[test]
pub(super) fn damage_to_a_seal_does_not_make_what_follows_look_torn() {
    // Only the batch after the seal, which is not followed by anything that knows of it.
    let (disk, options) = (ModelDisk::default(), options(8));
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    for salt in 1..3 {
        Input { salt, body_bytes: 30, events: 0 }.push(&mut journal);
        if salt == 1 {
            journal.seal();
        }
        journal.flush_blocking().expect("flushed");
    }
    let path = journal_path(&options, 1);
    disk.edit(&path, |bytes| bytes[BLOCK_BYTES + 20] ^= 1);
    let error = reread(&disk, &options).expect_err("seq 2 was acknowledged");
    assert!(matches!(error, OpenError::CorruptBeforeEnd { seq: 2, .. }), "{error}");
}

#[test]
fn the_last_batch_is_told_from_a_torn_one_only_by_the_seal() {
    for (sealed, at) in [(true, USED - 2 * BLOCK_BYTES), (false, USED - 2 * BLOCK_BYTES)] {
        let (disk, options, inputs) = sample(sealed);
        disk.edit(&journal_path(&options, 2), |bytes| bytes[at + 70] ^= 1);
        match reread(&disk, &options) {
            Ok(found) => assert!(!sealed && found == inputs[..4], "known: an unsealed end is weak"),
            Err(error) => {
                assert!(sealed && matches!(error, OpenError::CorruptBeforeEnd { seq: 5, .. }));
            }
        }
    }
}

#[test]
pub(super) fn a_batch_elsewhere_is_not_valid() {
    let (disk, options, inputs) = sample(true);
    // The first batch, where the second should be, and the second segment in place of a spare one.
    disk.edit(&journal_path(&options, 1), |bytes| {
        let first = bytes[..BLOCK_BYTES].to_vec();
        bytes[BLOCK_BYTES..2 * BLOCK_BYTES].copy_from_slice(&first);
    });
    assert!(check_no_loss(&disk, &options, &inputs, "misdirected"));
    let (disk, options, inputs) = sample(true);
    let second = disk.edit(&journal_path(&options, 2), |bytes| bytes.clone());
    disk.edit(&journal_path(&options, 3), |bytes| *bytes = second);
    assert!(!check_no_loss(&disk, &options, &inputs, "a copy where nothing should be"));
}

#[test]
fn a_damaged_superblock_slot_is_survived_and_no_epoch_is_used_twice() {
    for slot in 0..2 {
        for at in (0..60).chain([2000, 4095]) {
            let (disk, options, inputs) = sample(true);
            let mut last_epoch = 1;
            // Damage after each opening: the newest state may be the one that is lost.
            for _ in 0..3 {
                let path = options.dir.join(superblock::NAME);
                disk.edit(&path, |bytes| bytes[slot * BLOCK_BYTES + at] ^= 0x10);
                let (opened, found) = reopen(&disk, &options).expect("one slot is whole");
                assert_eq!(found, inputs);
                // The damaged slot may have held one more.
                assert_eq!(opened.journal.epoch(), last_epoch + 2, "slot {slot} byte {at}");
                last_epoch = opened.journal.epoch();
            }
        }
    }
}

/// Puts a batch of one input at the end of a journal, as some earlier opening might have left it
/// there.
fn plant(disk: &ModelDisk, options: &Options, place: Place, header: Header, salt: u64) -> u32 {
    let input = Input { salt, body_bytes: 30, events: 0 };
    let mut records = Vec::new();
    batch::begin_record(&mut records, 1, true, salt);
    records.extend(input.body());
    batch::finish_record(&mut records, 0);
    let len = u32::try_from(records.len()).expect("small");
    let mut blocks = Blocks::default();
    let header = Header { count: 1, len, settled: false, ..header };
    let (crc, padded) = batch::encode(&header, place, &records, &mut blocks);
    let bytes = &blocks.bytes()[..padded];
    assert_eq!(Records::new(&header, bytes).count(), 1);
    let offset = place.offset as usize;
    disk.edit(&journal_path(options, place.segment), |file| {
        file[offset..offset + padded].copy_from_slice(bytes);
    });
    crc
}

/// Plants a batch that would be next but for what `change` does to its header. Whether it came to
/// life.
#[track_caller]
fn check_planted(change: impl FnOnce(Header) -> Header, lives: bool) {
    let (disk, options, inputs) = sample(false);
    let (opened, _) = reopen(&disk, &options).expect("opened");
    let (chain, epoch) = (opened.journal.chain(), opened.journal.epoch());
    drop(opened);
    let header = Header {
        shard: chain.shard,
        epoch,
        first_seq: chain.next_seq,
        durable_seq: 0,
        settled: false,
        count: 0,
        len: 0,
        parent_crc: chain.crc,
    };
    plant(&disk, &options, chain.place, change(header), 5);
    let found = reread(&disk, &options).expect("nothing acknowledged is missing");
    assert_eq!(found.len(), inputs.len() + usize::from(lives));
}

#[test]
fn only_the_very_next_batch_comes_to_life() {
    check_planted(|header| header, true);
    check_planted(|header| Header { first_seq: header.first_seq + 1, ..header }, false);
}

#[test]
fn an_older_epoch_stays_dead() {
    // All else fits, as when after a recovery the same bytes were written again before it.
    check_planted(|header| Header { epoch: 0, ..header }, false);
}

#[test]
fn a_reader_beside_the_writer_does_not_take_what_an_opening_cut_off() {
    for read_ahead in [false, true] {
        let (disk, options, inputs) = sample(true);
        // Cut off by an opening, then made whole by a later write that was cut short: see
        // `tails::EPOCH`.
        let mut journal = reopen(&disk, &options).expect("opened").0.journal;
        prepare(&disk, &mut journal).expect("prepared");
        let chain = journal.chain();
        let dead = Header {
            shard: chain.shard,
            epoch: chain.epoch,
            first_seq: chain.next_seq,
            durable_seq: chain.next_seq - 1,
            settled: false,
            count: 0,
            len: 0,
            parent_crc: chain.crc,
        };
        plant(&disk, &options, chain.place, dead, 666);
        let mut tail = Tail::open_on(disk.clone(), &options.dir, Position::START).expect("opened");
        let mut salts = Vec::new();
        let mut note = |record: crate::Record<'_>| {
            if record.is_input {
                salts.push(record.event_time);
            }
        };
        if read_ahead {
            tail.read(journal.durable_seq(), 1000, &mut note).expect("read");
        }
        // Over the dead one, or beyond it, where it has room.
        let body_bytes = if read_ahead { 30 } else { 2 * BLOCK_BYTES };
        Input { salt: 5, body_bytes, events: 0 }.push(&mut journal);
        journal.flush_blocking().expect("flushed");
        tail.read(journal.durable_seq(), 1000, &mut note).expect("read");
        let pushed: Vec<_> = inputs.iter().map(|input| input.salt).chain([5]).collect();
        assert_eq!(salts, pushed);
    }
}

#[test]
fn an_epoch_used_twice_still_cannot_revive_another_forerunners_successor() {
    // As when the superblock was put back from an old copy, and the epoch rose to the same number
    // again.
    check_planted(|header| Header { parent_crc: header.parent_crc ^ 1, ..header }, false);
}

#[test]
pub(super) fn a_later_batch_that_knew_of_the_missing_one_is_proof() {
    for (durable_seq, is_proof) in [(5, false), (6, true)] {
        let (disk, options, inputs) = sample(false);
        let (opened, _) = reopen(&disk, &options).expect("opened");
        let (chain, epoch) = (opened.journal.chain(), opened.journal.epoch());
        drop(opened);
        // As a writer with more than one batch in flight leaves it: seq 6 is not there, seq 7 is.
        let header = Header {
            shard: chain.shard,
            epoch,
            first_seq: 7,
            durable_seq,
            settled: false,
            count: 0,
            len: 0,
            parent_crc: 99,
        };
        let place = Place { offset: chain.place.offset + BLOCK_BYTES as u64, ..chain.place };
        plant(&disk, &options, place, header, 5);
        match reread(&disk, &options) {
            Ok(found) => assert!(!is_proof && found == inputs),
            Err(OpenError::CorruptBeforeEnd { seq, batches, records, .. }) => {
                assert_eq!((is_proof, seq, batches, records), (true, 6, 1, 1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
pub(super) fn what_an_opening_has_seen_is_durable_sealed_or_not() {
    let (disk, options, _) = sample(false);
    reopen(&disk, &options).expect("opened, and nothing written");
    let last = USED - 2 * BLOCK_BYTES;
    disk.edit(&journal_path(&options, 2), |bytes| bytes[last] ^= 1);
    let error = reread(&disk, &options).expect_err("seq 5 was there");
    assert!(matches!(error, OpenError::CorruptBeforeEnd { seq: 5, batches: 0, .. }), "{error}");
}

#[test]
fn a_torn_tail_is_reported_once_and_sealed_over() {
    let (disk, options) = (ModelDisk::default(), options(8));
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    let inputs = [1, 2].map(|salt| Input { salt, body_bytes: 30, events: 1 });
    inputs.iter().for_each(|input| _ = input.push(&mut journal));
    journal.flush_blocking().expect("flushed");
    let place = journal.chain().place;
    Input { salt: 3, body_bytes: 7000, events: 0 }.push(&mut journal);
    journal.flush_blocking().expect("flushed");
    drop(journal);
    // The first block of the unfinished batch is whole, so its header can be read.
    let path = journal_path(&options, 1);
    disk.edit(&path, |bytes| bytes[place.offset as usize + 5000] ^= 1);

    let (opened, found) = reopen(&disk, &options).expect("torn, not damaged");
    let torn = opened.torn.expect("torn");
    assert_eq!(found, inputs);
    assert_eq!((torn.segment, torn.offset, torn.last_seq), (path, place.offset, 2));
    assert_eq!(torn.batch_bytes, Some(2 * BLOCK_BYTES as u64));
    let mut journal = opened.journal;
    assert!(!journal.is_idle(), "a seal is owed");
    journal.flush_blocking().expect("flushed");
    drop(journal);
    // The second block of the torn batch is still there, after the seal.
    let (opened, found) = reopen(&disk, &options).expect("opened");
    assert_eq!((&opened.torn, found), (&None, inputs.to_vec()));
    assert!(opened.journal.is_idle());
    // Garbage where the next batch would be, beyond what was reported, is torn too.
    let end = opened.journal.chain().place;
    drop(opened);
    let path = journal_path(&options, 1);
    assert_eq!(
        disk.edit(&path, |bytes| bytes[end.offset as usize..].iter().max().copied()),
        Some(3)
    );
    let beyond = end.offset as usize + BLOCK_BYTES;
    let mut journal = reopen(&disk, &options).expect("opened").0.journal;
    Input { salt: 4, body_bytes: 30, events: 0 }.push(&mut journal);
    journal.flush_blocking().expect("flushed");
    assert_eq!(journal.chain().place.offset as usize, beyond);
    drop(journal);
    disk.edit(&path, |bytes| bytes[beyond] = 1);
    let torn = reopen(&disk, &options).expect("opened").0.torn.expect("torn");
    assert_eq!((torn.segment, torn.offset as usize, torn.batch_bytes), (path, beyond, None));
}
