//! The codec: golden bytes, round trips, every bit and every length.

use proptest::prelude::*;

use super::{
    BATCH_BYTES_MAX, BadBatch, HEADER_BYTES, Header, Place, Record, Records, VERSION, begin_record,
    check, encode, finish_record, padded_bytes, peek,
};
use crate::block::{BLOCK_BYTES, Blocks};

const GOLDEN: &str = include_str!("golden_v1.hex");
const PLACE: Place = Place { segment: 7, offset: 3 * 4096 };

fn header(count: u32, len: usize) -> Header {
    Header {
        shard: 3,
        epoch: 0x1122_3344_5566_7788,
        first_seq: 41,
        durable_seq: 40,
        settled: true,
        count,
        len: u32::try_from(len).expect("small"),
        parent_crc: 0xDEAD_BEEF,
    }
}

fn put(out: &mut Vec<u8>, kind: u16, is_input: bool, event_time: u64, body: &[u8]) {
    let start = out.len();
    begin_record(out, kind, is_input, event_time);
    out.extend_from_slice(body);
    finish_record(out, start);
}

fn encoded(header: &Header, place: Place, records: &[u8]) -> Vec<u8> {
    let mut blocks = Blocks::default();
    let (_, padded) = encode(header, place, records, &mut blocks);
    blocks.bytes()[..padded].to_vec()
}

/// An input with two events, an input with none, an input with one.
fn sample() -> (Header, Vec<u8>) {
    let mut records = Vec::new();
    put(&mut records, 1, true, 1_700_000_000_001, b"fill");
    put(&mut records, 10, false, 1_700_000_000_002, b"signal a");
    put(&mut records, 11, false, 1_700_000_000_003, b"");
    put(&mut records, 2, true, 4, b"status");
    put(&mut records, 3, true, 5, b"tick");
    put(&mut records, 10, false, 6, b"signal b");
    (header(6, records.len()), records)
}

/// The golden file: lines of `offset: hex`, only lines that are not zero, so that a change shows
/// where it is.
fn dump(bytes: &[u8]) -> String {
    let mut text = format!("bytes {}\n", bytes.len());
    for (row, line) in bytes.chunks(16).enumerate().filter(|(_, line)| **line != [0; 16]) {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{:04x}: {}\n", row * 16, hex.join(" "));
    }
    text
}

#[test]
fn golden_bytes_of_version_1() {
    let (header, records) = sample();
    assert_eq!(dump(&encoded(&header, PLACE, &records)), GOLDEN);
}

#[test]
fn records_number_themselves() {
    let (header, records) = sample();
    let bytes = encoded(&header, PLACE, &records);
    let (found, _) = check(&bytes, PLACE).expect("intact");
    assert_eq!(found, header);
    let mut walk = Records::new(&found, &bytes);
    let seen: Vec<_> = walk
        .by_ref()
        .map(|Record { seq, index, is_input, kind, event_time, body }| {
            (seq, index, is_input, kind, event_time, String::from_utf8_lossy(body).into_owned())
        })
        .collect();
    let expected = [
        (41, 0, true, 1, 1_700_000_000_001, "fill"),
        (41, 0, false, 10, 1_700_000_000_002, "signal a"),
        (41, 1, false, 11, 1_700_000_000_003, ""),
        (42, 0, true, 2, 4, "status"),
        (43, 0, true, 3, 5, "tick"),
        (43, 0, false, 10, 6, "signal b"),
    ]
    .map(|(seq, index, input, kind, time, body)| (seq, index, input, kind, time, body.to_owned()));
    assert_eq!(seen, expected);
    assert_eq!(walk.next_seq(), 44);
}

#[test]
fn every_flipped_bit_is_seen() {
    let (header, records) = sample();
    let mut bytes = encoded(&header, PLACE, &records);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        check(&bytes, PLACE).expect_err("one bit is wrong");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    check(&bytes, PLACE).expect("all bits are right again");
}

#[test]
fn every_length_but_the_whole_is_refused() {
    let bytes = encoded(&header(0, 0), PLACE, &[]);
    for len in 0..bytes.len() {
        check(&bytes[..len], PLACE).expect_err("cut short");
    }
    check(&bytes, PLACE).expect("whole");
}

#[test]
fn another_place_is_refused() {
    let (header, records) = sample();
    let bytes = encoded(&header, PLACE, &records);
    for place in [Place { segment: 8, ..PLACE }, Place { offset: 4 * 4096, ..PLACE }] {
        assert_eq!(check(&bytes, place).expect_err("misplaced"), BadBatch::Checksum);
    }
}

/// The sample with bytes replaced and the checksum made right again, as a faulty program would
/// write it.
#[track_caller]
fn check_forged(at: usize, new: &[u8], expected: &BadBatch) {
    let (header, records) = sample();
    let mut bytes = encoded(&header, PLACE, &records);
    bytes[at..at + new.len()].copy_from_slice(new);
    let crc = super::checksum(PLACE, &bytes).to_le_bytes();
    bytes[4..8].copy_from_slice(&crc);
    assert_eq!(check(&bytes, PLACE).expect_err("forged"), *expected);
}

#[test]
fn intact_nonsense_is_told_from_damage() {
    let too_long = u32::try_from(BATCH_BYTES_MAX).expect("8 MiB");
    check_forged(0, b"CLJX", &BadBatch::Magic);
    check_forged(8, &(VERSION + 1).to_le_bytes(), &BadBatch::Newer { found: VERSION + 1 });
    check_forged(40, &5u32.to_le_bytes(), &BadBatch::Records);
    check_forged(40, &7u32.to_le_bytes(), &BadBatch::Records);
    check_forged(44, &too_long.to_le_bytes(), &BadBatch::Length { len: too_long });
    check_forged(44, &4096u32.to_le_bytes(), &BadBatch::Length { len: 4096 });
    // The first record an event; an unknown flag; a body longer than the batch.
    check_forged(HEADER_BYTES + 6, &[0], &BadBatch::Records);
    check_forged(HEADER_BYTES + 6, &[3], &BadBatch::Records);
    check_forged(HEADER_BYTES, &u32::MAX.to_le_bytes(), &BadBatch::Records);
    assert_eq!(peek(&[0; 63]).expect_err("too short for a header"), BadBatch::Magic);
    for bad in [BadBatch::Magic, BadBatch::Checksum, BadBatch::Records] {
        assert!(!bad.to_string().is_empty());
    }
}

#[test]
fn padding_is_whole_blocks() {
    for (len, padded) in [(0, 4096), (4032, 4096), (4033, 8192), (8128, 8192)] {
        assert_eq!(padded_bytes(len), padded);
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        inputs in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(any::<u64>(), 0..4)),
            0..40,
        ),
        first_seq in 1..super::COUNT_MAX,
        segment in any::<u64>(),
    ) {
        let (mut records, mut expected) = (Vec::new(), Vec::new());
        for (at, (body, events)) in inputs.iter().enumerate() {
            let seq = first_seq + at as u64;
            put(&mut records, 1, true, seq, body);
            expected.push((seq, 0, true, body.clone()));
            for (index, event) in (0..).zip(events) {
                put(&mut records, 2, false, seq, &event.to_le_bytes());
                expected.push((seq, index, false, event.to_le_bytes().to_vec()));
            }
        }
        let header = Header {
            first_seq, ..header(u32::try_from(expected.len()).expect("small"), records.len())
        };
        let place = Place { segment, offset: 0 };
        let bytes = encoded(&header, place, &records);
        prop_assert_eq!(bytes.len() % BLOCK_BYTES, 0);
        let (found, _) = check(&bytes, place).expect("intact");
        prop_assert_eq!(found, header);
        let seen: Vec<_> = Records::new(&found, &bytes)
            .map(|record| (record.seq, record.index, record.is_input, record.body.to_vec()))
            .collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn no_bytes_make_the_check_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let _ = check(&bytes, PLACE);
        if bytes.len() >= 64 {
            // With a magic and a plausible length, to get further in.
            bytes[..4].copy_from_slice(b"CLJB");
            bytes[45..48].fill(0);
            let _ = check(&bytes, PLACE);
        }
    }
}
