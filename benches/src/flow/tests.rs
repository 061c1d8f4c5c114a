//! Flows: what they hold, and that they come back the same.

use super::*;
use crate::digests::Digests;
use book::exec;
use book::{NewOrder, TimeInForce};

/// Enough that levels have come and gone, small enough for a debug build.
const COMMANDS: usize = 30_000;

#[test]
fn the_prototype_does_what_the_book_does() {
    for profile in Profile::TABLE.into_iter().chain(Profile::CLIFFS) {
        for (seed, ids) in [(1, Ids::Spread), (2, Ids::Dense)] {
            let flow = Flow::new(profile, COMMANDS, seed, ids);
            let name = profile.name();
            assert_eq!(Digests::of_book(&flow), Digests::of_bare(&flow), "{name}, {ids:?}");
        }
    }
}

#[test]
fn a_file_holds_what_the_flow_does() {
    let flow = Flow::new(Profile::Core, COMMANDS, 3, Ids::Spread);
    let report = exec::run(&flow.to_file()).expect("it is a command file");
    let digests = Digests::of_bare(&flow);
    assert_eq!(report.cmds, (flow.prefill.len() + COMMANDS) as u64);
    assert_eq!((report.t, report.r), (digests.t, digests.r));
    assert_eq!((report.l2, report.l3), (digests.l2, digests.l3));
}

#[test]
fn a_flow_is_as_its_profile_says() {
    for (profile, expected) in [
        (Profile::Core, [500, 400, 80, 20]),
        (Profile::Wide, [500, 400, 80, 20]),
        (Profile::Futures, [410, 310, 70, 210]),
    ] {
        let flow = Flow::new(profile, COMMANDS, 1, Ids::Spread);
        let mut shares = [0; 4];
        for command in &flow.commands {
            shares[match command {
                Command::New(NewOrder { tif: TimeInForce::Ioc, .. }) => 2,
                Command::New(_) => 0,
                Command::Cancel { .. } => 1,
                _ => 3,
            }] += 1;
        }
        for (share, expected) in shares.into_iter().zip(expected) {
            let share = share * 1000 / COMMANDS;
            assert!(share.abs_diff(expected) <= 30, "{}: {shares:?}", profile.name());
        }
    }
}

#[test]
fn takers_trade_and_cancels_mostly_hit() {
    for profile in Profile::TABLE {
        let flow = Flow::new(profile, COMMANDS, 1, Ids::Spread);
        let digests = Digests::of_bare(&flow);
        assert!(digests.trades as usize > COMMANDS / 20, "{}: {digests:?}", profile.name());
        assert!((digests.rejects as usize) < COMMANDS / 20, "{}: {digests:?}", profile.name());
        assert!(digests.rejects > 0, "{}: {digests:?}", profile.name());
    }
}

#[test]
fn the_same_seed_gives_the_same_flow() {
    let flow = |seed, ids| Flow::new(Profile::Futures, 5000, seed, ids).to_file();
    assert_eq!(flow(1, Ids::Spread), flow(1, Ids::Spread));
    assert_ne!(flow(1, Ids::Spread)[64..], flow(2, Ids::Spread)[64..]);
    assert_ne!(flow(1, Ids::Spread), flow(1, Ids::Dense));
}
