//! What changed bytes can do: be refused, or be a state, an input or an event that the core goes on with.
//!
//! Each test runs for `CORELANE_FUZZ_SECONDS` (3), from `CORELANE_FUZZ_SEED` (0) on; a failure names its seed.

use std::time::{Duration, Instant};

use super::logs::{Record, Rng, log};
use super::state::bytes_of;
use super::*;
use crate::core::restore::StateError;

/// Says what to try again when a trial panics.
struct Trial(u64);

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again with CORELANE_FUZZ_SEED={}", self.0);
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Calls `trial` with seed after seed while there is time, at least once; how many were accepted, of how many.
fn fuzz(trial: impl Fn(&mut Rng) -> (u64, u64)) {
    let seconds = number("CORELANE_FUZZ_SECONDS", 3);
    let (end, mut seed) =
        (Instant::now() + Duration::from_secs(seconds), number("CORELANE_FUZZ_SEED", 0));
    let (mut accepted, mut tried) = (0, 0);
    loop {
        let guard = Trial(seed);
        let (yes, all) = trial(&mut Rng::new(seed));
        drop(guard);
        (accepted, tried, seed) = (accepted + yes, tried + all, seed + 1);
        if Instant::now() >= end {
            break;
        }
    }
    eprintln!("{accepted} of {tried} were accepted");
    assert!(accepted > 0 && accepted < tried, "{accepted} of {tried}");
}

/// Bytes that tend to matter: ends of ranges, beginnings of long numbers.
const ODD: [u8; 8] = [0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff];

fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    for _ in 0..1 + rng.below(3) {
        if bytes.is_empty() {
            bytes.push(rng.next() as u8);
            continue;
        }
        let at = rng.below(bytes.len());
        match rng.below(10) {
            0..=2 => bytes[at] ^= 1 << rng.below(8),
            3 => bytes[at] = rng.next() as u8,
            4 => bytes[at] = rng.pick(&ODD),
            5 => bytes.insert(at, rng.pick(&ODD)),
            6 => drop(bytes.remove(at)),
            // The largest number of 64 bits, and of 128.
            7 => {
                let len = rng.pick(&[9, 18]);
                let number = (0..len).map(|_| 0xff).chain([1]);
                bytes.splice(at..at + 1, number);
            }
            8 if !other.is_empty() => {
                let from = rng.below(other.len());
                let len = rng.below(40).min(other.len() - from).min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&other[from..from + len]);
            }
            _ => bytes.truncate(at.max(bytes.len().saturating_sub(3))),
        }
    }
}

/// Goes on with `core` through `log` and through a day of ticks.
fn go_on(core: &mut Core, log: &[Record], scratch: &mut Scratch) {
    let mut now_ns = core.now_ns;
    for record in log {
        now_ns = now_ns.max(record.now_ns);
        Record { now_ns, ..record.clone() }.apply(core, scratch);
    }
    for ns in [0, 1, MS, SECOND, 30 * SECOND, 300 * SECOND, 3_600 * SECOND, 100 * DAY, u64::MAX] {
        let deadline_ns = core.next_deadline_ns().unwrap_or(0);
        now_ns = now_ns.max(deadline_ns.min(now_ns.saturating_add(DAY))).saturating_add(ns);
        core.step(now_ns, &Input::Tick, &mut Taken::default());
    }
    core.orders_without_end(|_, _| ());
    let bytes = bytes_of(core);
    assert!(Core::decode(&bytes).map(|copy| bytes_of(&copy)) == Ok(bytes), "its own state is one");
}

#[test]
fn a_changed_state_is_refused_or_one_to_go_on_from() {
    fuzz(|rng| {
        let log = log(rng.next() % 1_000, 32);
        let (mut core, mut scratch) = (Core::new(), Scratch::default());
        let at = rng.below(log.len());
        log[..at].iter().for_each(|record| drop(record.apply(&mut core, &mut scratch)));
        let other = bytes_of(&core);
        log[at].apply(&mut core, &mut scratch);
        let state = bytes_of(&core);
        let mut accepted = 0;
        const TRIALS: u64 = 50;
        for _ in 0..TRIALS {
            let mut bytes = state.clone();
            mutate(&mut bytes, &other, rng);
            if let Ok(mut core) = Core::decode(&bytes) {
                assert!(bytes_of(&core) == bytes, "a state has one form");
                go_on(&mut core, &log[at + 1..], &mut scratch);
                accepted += 1;
            }
        }
        (accepted, TRIALS)
    });
}

#[test]
fn a_changed_input_is_refused_or_one_that_a_shard_survives() {
    fuzz(|rng| {
        let log = log(rng.next() % 1_000, 32);
        let (mut core, mut scratch) = (Core::new(), Scratch::default());
        let (mut accepted, mut tried) = (0, 0);
        let mut last: &[u8] = &[];
        for record in &log {
            for _ in 0..4 {
                let mut record = record.clone();
                mutate(&mut record.body, last, rng);
                if rng.one_in(8) {
                    record.kind = rng.below(17) as u16;
                }
                tried += 1;
                if let Ok(input) =
                    codec::decode_input(record.kind, &record.body, &mut Scratch::default())
                {
                    let again = Record::new(record.now_ns, &input);
                    assert!(again.body == record.body, "an input has one form");
                    record.apply(&mut core, &mut scratch);
                    accepted += 1;
                }
            }
            record.apply(&mut core, &mut scratch);
            last = &record.body;
        }
        go_on(&mut core, &[], &mut scratch);
        (accepted, tried)
    });
}

#[test]
fn a_changed_event_is_refused_or_the_one_form_of_another() {
    fuzz(|rng| {
        let log = log(rng.next() % 1_000, 32);
        let (mut core, mut scratch) = (Core::new(), Scratch::default());
        let (mut accepted, mut tried) = (0, 0);
        let mut last = Vec::new();
        for body in log.iter().flat_map(|record| record.apply(&mut core, &mut scratch)) {
            for _ in 0..10 {
                let mut body = body.clone();
                mutate(&mut body, &last, rng);
                let kind = 101 + rng.below(2) as u16;
                tried += 1;
                if let Ok(event) = codec::decode_event(kind, &body) {
                    let mut again = Vec::new();
                    codec::encode_event(&event, &mut again);
                    assert!(again == body, "an event has one form");
                    accepted += 1;
                }
            }
            last = body;
        }
        (accepted, tried)
    });
}

#[test]
fn every_cut_and_every_bit_of_a_state_is_refused_or_goes_on() {
    let log = log(3, 48);
    let (mut core, mut scratch) = (Core::new(), Scratch::default());
    log.iter().for_each(|record| drop(record.apply(&mut core, &mut scratch)));
    let state = bytes_of(&core);
    for len in 0..state.len() {
        assert!(Core::decode(&state[..len]).is_err(), "cut at {len}");
    }
    let longer = [&state[..], &[0]].concat();
    let end = StateError::Invalid { at: state.len() - 1, what: "end of the record" };
    assert_eq!(Core::decode(&longer).err(), Some(end));
    for bit in 0..8 * state.len() {
        let mut bytes = state.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(mut copy) = Core::decode(&bytes) {
            assert!(bytes_of(&copy) == bytes, "bit {bit}");
            go_on(&mut copy, &[], &mut scratch);
        }
    }
}
