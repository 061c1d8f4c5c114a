//! A state and its bytes: at every place of random journals the state, its copy and the replay are the same, and the copy
//! goes on like the state.
//!
//! `CORELANE_STATE_LOGS` is the number of journals, `CORELANE_STATE_SEED` the first seed: a failure names its own.

use super::logs::{Record, log};
use super::*;

/// Records of one journal.
const LEN: usize = 40;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number in the environment"))
}

pub(super) fn bytes_of(core: &Core) -> Vec<u8> {
    let mut bytes = Vec::new();
    core.encode(&mut bytes);
    bytes
}

/// The live run of a journal: after each record the state's bytes, and what the record's events were.
struct Live {
    states: Vec<Vec<u8>>,
    events: Vec<Vec<Vec<u8>>>,
}

fn live(log: &[Record]) -> Live {
    let (mut core, mut scratch) = (Core::new(), Scratch::default());
    let mut live = Live { states: Vec::new(), events: Vec::new() };
    for record in log {
        live.events.push(record.apply(&mut core, &mut scratch));
        // As a shard's loop does: it drops timers that no longer count. A replay does not.
        core.next_deadline_ns();
        live.states.push(bytes_of(&core));
        assert_eq!(core.state_hash(), xxhash_rust::xxh3::xxh3_64(live.states.last().expect("one")));
    }
    live
}

fn check(seed: u64) {
    let log = log(seed, LEN);
    let live = live(&log);
    let (mut replay, mut scratch) = (Core::new(), Scratch::default());
    for (at, record) in log.iter().enumerate() {
        let case = format!("CORELANE_STATE_SEED={seed}, seq {}", at + 1);
        assert!(record.apply(&mut replay, &mut scratch) == live.events[at], "{case}: replay");
        assert!(bytes_of(&replay) == live.states[at], "{case}: state of the replay");
        let mut copy = match Core::decode(&live.states[at]) {
            Ok(copy) => copy,
            Err(error) => panic!("{case}: {error}"),
        };
        assert!(bytes_of(&copy) == live.states[at], "{case}: state of the copy");
        assert_eq!(copy.digest(), replay.digest(), "{case}: digest");
        assert_eq!(copy.next_deadline_ns(), replay.next_deadline_ns(), "{case}: deadline");
        for (later, record) in log.iter().enumerate().skip(at + 1) {
            let events = record.apply(&mut copy, &mut scratch);
            assert!(events == live.events[later], "{case}: events of the copy at {}", later + 1);
        }
        assert_eq!(Some(&bytes_of(&copy)), live.states.last(), "{case}: end of the copy");
    }
}

/// Two of them, for two processors.
fn run(part: u64) {
    let logs = number("CORELANE_STATE_LOGS").unwrap_or(1_000);
    let first = number("CORELANE_STATE_SEED");
    let (from, to) = first.map_or((0, logs), |seed| (seed, seed + 1));
    (from..to).filter(|seed| seed % 2 == part).for_each(check);
}

#[test]
fn live_replay_and_copy_agree_at_every_seq_of_even_journals() {
    run(0);
}

#[test]
fn live_replay_and_copy_agree_at_every_seq_of_odd_journals() {
    run(1);
}

#[test]
fn random_journals_reach_what_there_is_to_reach() {
    let (mut holds, mut kinds) = ([0; 6], [0; 16]);
    let mut most = [0; 6];
    for seed in 0..300 {
        let (mut core, mut scratch) = (Core::new(), Scratch::default());
        for record in log(seed, LEN) {
            kinds[usize::from(record.kind)] += 1;
            record.apply(&mut core, &mut scratch);
            for (_, account) in &core.accounts {
                holds[match account.hold {
                    None => 0,
                    Some(Hold::Break { .. }) => 1,
                    Some(Hold::Asked { .. }) => 2,
                    Some(Hold::Snapshot { .. }) => 3,
                    Some(Hold::Owed { .. }) => 4,
                    Some(Hold::Rest { .. }) => 5,
                }] += 1;
                most[0] = most[0].max(account.held.len());
                most[1] = most[1].max(account.baseline_orders.len());
            }
            let shared = core.orders.iter().filter(|(_, order)| order.same_oid.is_some());
            let found = [shared.count(), core.waiting.len(), core.unsignalled, core.symbols.len()];
            most[2..].iter_mut().zip(found).for_each(|(most, found)| *most = found.max(*most));
        }
        let counts = core.counts();
        let sums = [counts.fills, counts.signals, counts.gaps, counts.backfills];
        // Another program's check.
        kinds[13] += 1;
        kinds[0] += i32::from(sums.iter().all(|&sum| sum > 0));
    }
    assert!(kinds.iter().all(|&count| count > 10), "{kinds:?}");
    // Rests need thousands of fills: `bounds` has them.
    assert!(holds[..5].iter().all(|&count| count > 50), "{holds:?}");
    assert!(most.iter().all(|&most| most > 1), "{most:?}");
}
