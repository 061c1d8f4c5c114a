//! Books as bytes and back, and bytes that are no book.

use crate::caller::{Caller, config};
use crate::draw::Draw;
use crate::layout::Command;
use crate::twin::Twin;
use corelane_book::clb_config;

const SNAPSHOT: i32 = -3;

/// A book with something of everything in it.
fn played(self_trade: u8, commands: u32) -> Twin {
    let mut twin = Twin::new(&clb_config { self_trade, ..config() });
    let mut draw = Draw::new(77);
    for _ in 0..commands {
        twin.apply(&draw.record(), 64);
    }
    twin
}

#[test]
fn a_snapshot_is_that_of_the_book_and_gives_it_back() {
    for self_trade in 0..5 {
        let mut twin = played(self_trade, 400);
        let snapshot = twin.c.snapshot();
        let mut expect = Vec::new();
        twin.rust.encode(&mut expect);
        assert_eq!(snapshot, expect);
        // Self-trade prevention is the snapshot's, whatever the config says; the rest is not.
        let other = clb_config { self_trade: (self_trade + 1) % 5, level_changes: 1, ..config() };
        let restored = Caller::restore(&snapshot, &other).expect("a whole snapshot");
        assert!(restored.events().is_empty() && restored.level_changes().is_empty());
        let mut restored = Twin::of(restored, twin.rust, true);
        restored.compare();
        let mut draw = Draw::new(u64::from(self_trade) + 99);
        for _ in 0..400 {
            restored.apply(&draw.record(), 64);
        }
        restored.compare();
    }
}

#[test]
fn a_snapshot_is_not_added_to_the_one_before() {
    let mut twin = played(0, 60);
    let first = twin.c.snapshot();
    assert_eq!(twin.c.snapshot(), first);
    let all = Command { op: 5, side: 255, ..Command::default() };
    for user in 0..4 {
        twin.apply(&Command { user, ..all }.bytes(), 64);
    }
    let empty = twin.c.snapshot();
    assert!(empty.len() < first.len());
    let restored = Caller::restore(&empty, &config()).expect("a whole snapshot");
    assert_eq!(restored.state_hash(), twin.rust.state_hash());
}

#[test]
fn a_damaged_snapshot_is_no_book() {
    let mut twin = played(2, 30);
    let snapshot = twin.c.snapshot();
    for end in 0..snapshot.len() {
        assert_eq!(Caller::restore(&snapshot[..end], &config()).err(), Some(SNAPSHOT), "{end}");
    }
    let longer = [&snapshot[..], &[0]].concat();
    assert_eq!(Caller::restore(&longer, &config()).err(), Some(SNAPSHOT));
    for at in 0..snapshot.len() {
        let mut damaged = snapshot.clone();
        damaged[at] ^= 1 << (at % 8);
        assert_eq!(Caller::restore(&damaged, &config()).err(), Some(SNAPSHOT), "{at}");
    }
}
