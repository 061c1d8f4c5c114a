//! Accounts of sources without snapshots: a node's files, a provider. Where they begin, and what was missed.

use super::*;

/// A shard that watches [`ME`], which a source without snapshots feeds from block time 1,000 on.
fn joined(start: StartFrom) -> Bed {
    let mut bed = Bed::new(Policy::default());
    bed.step(&Input::Watch { address: ME, start });
    join(&mut bed, 1_000, false);
    bed
}

fn join(bed: &mut Bed, at_ms: u64, continues: bool) {
    bed.step(&Input::Joined { address: ME, at_ms, continues });
}

/// Spot has no chain: nothing but the source itself shows that one is missing.
fn spot(n: u64) -> Fill {
    nth(n, n, fill("@1", "B", "1", "5", "0"))
}

fn backfill_from(from_ms: u64) -> Request {
    Request::Backfill { address: ME, from_ms }
}

#[test]
fn what_is_older_than_the_join_is_no_news() {
    let mut bed = Bed::new(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
    bed.live(&[spot(1), spot(5)]);
    assert_eq!(bed.core.counts().fills, 0, "until it is known where it begins, fills wait");
    join(&mut bed, 1_003, false);
    bed.expect("Buy 1 1 more frame");
    assert_eq!(bed.live(&[spot(2)]), Admission::Nothing);
    // At the very time of the join they are news, each once.
    let at = |n| Fill { time_ms: 1_003, ..spot(n) };
    bed.live(&[at(6), at(7)]);
    bed.live(&[at(6)]);
    bed.expect("Buy 1 1 more frame; Buy 1 1 more frame");
    assert_eq!(bed.requests, []);
}

#[test]
fn an_account_that_begins_with_the_snapshot_takes_all_that_it_is_fed() {
    let mut bed = joined(StartFrom::Snapshot);
    bed.live(&[Fill { time_ms: 5, ..spot(1) }, spot(2)]);
    assert_eq!((bed.core.counts().fills, bed.requests.len()), (2, 0));
}

#[test]
fn a_join_that_goes_on_takes_what_waited_and_asks_for_nothing() {
    let mut bed = joined(StartFrom::Now);
    bed.live(&[spot(1)]);
    bed.restart();
    bed.live(&[spot(2)]);
    assert_eq!(bed.core.counts().fills, 1);
    // What is read again is known.
    bed.live(&[spot(1)]);
    join(&mut bed, 1_001, true);
    bed.live(&[spot(3)]);
    assert_eq!((bed.core.counts().fills, bed.requests.len()), (3, 0));
}

#[test]
fn a_join_after_missed_blocks_asks_for_what_was_missed() {
    for joins in [1, 2] {
        let mut bed = joined(StartFrom::Now);
        bed.live(&[spot(1)]);
        // Without a disconnection: the node skipped blocks, and the feeder says so.
        (0..joins).for_each(|_| join(&mut bed, 1_004, false));
        assert_eq!(bed.requests, vec![backfill_from(1_001); joins]);
        bed.live(&[spot(4)]);
        assert_eq!(bed.core.counts().fills, 1);
        bed.backfill(&[spot(1), spot(2), spot(3)]);
        assert_eq!((bed.core.counts().fills, bed.gaps.len()), (4, 0));
    }
}

#[test]
fn a_join_that_goes_on_does_not_end_the_wait_for_an_answer() {
    let mut bed = joined(StartFrom::Now);
    bed.live(&[spot(1)]);
    join(&mut bed, 1_004, false);
    bed.live(&[spot(4)]);
    // The process ends before the answer came; the source goes on where it was.
    bed.restart();
    join(&mut bed, 1_004, true);
    bed.live(&[spot(5)]);
    assert_eq!((bed.core.counts().fills, bed.requests.len()), (1, 1));
    bed.wait(30 * SECOND);
    assert_eq!(bed.requests, [backfill_from(1_001); 2]);
    bed.backfill(&[spot(2), spot(3), spot(4)]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (5, 0));
}

#[test]
fn a_time_that_no_block_has_does_not_make_the_present_old() {
    for at_ms in [1_791_280_942_711_000, u64::MAX] {
        let mut bed = Bed::new(Policy::default());
        bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
        join(&mut bed, at_ms, false);
        let now_ms = bed.now_ns / MS;
        bed.live(&[Fill { time_ms: now_ms, ..spot(1) }]);
        assert_eq!(bed.core.counts().fills, 1);
    }
}

#[test]
fn a_join_of_an_account_that_is_not_watched_changes_nothing() {
    let mut bed = joined(StartFrom::Now);
    bed.live(&[spot(1)]);
    bed.step(&Input::Unwatch { address: ME });
    join(&mut bed, 1_000, true);
    assert!(!bed.core.accounts[0].joined);
    // Watched again it begins anew, where it joins then.
    bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
    join(&mut bed, 1_010, true);
    assert_eq!(bed.live(&[spot(2)]), Admission::Nothing);
    bed.live(&[spot(11)]);
    assert_eq!((bed.core.counts().fills, bed.requests.len()), (2, 0));
}

#[test]
fn an_order_that_was_partly_filled_before_the_join_says_so() {
    let mut bed = joined(StartFrom::Now);
    // One of three was filled before the account was watched: the first fill seen starts at 1.
    bed.live(&[buy(1, 2, "1", "1"), buy(1, 3, "1", "2")]);
    bed.status(1, "filled", "3", "0");
    bed.wait(2 * SECOND);
    assert!(bed.signals[0].partial_history, "the order is larger than what was seen of it");
    // An order of which nothing is missing.
    bed.live(&[buy(2, 4, "1", "3")]);
    bed.status(2, "filled", "1", "0");
    assert!(bed.signals[1].is_final && !bed.signals[1].partial_history);
}

/// After a fill of a perpetual the connection was lost and is back.
fn back_again() -> Bed {
    let mut bed = joined(StartFrom::Now);
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.step(&Input::Disconnected { address: ME });
    join(&mut bed, 1_002, false);
    assert_eq!(bed.requests, [backfill_from(1_001)]);
    bed
}

fn held(bed: &Bed) -> usize {
    bed.core.accounts[0].held.len()
}

#[test]
fn fills_whose_chain_goes_on_do_not_wait_for_the_answer() {
    let mut bed = back_again();
    bed.live(&[buy(2, 5, "1", "1")]);
    bed.live(&[buy(2, 6, "1", "2"), spot(7)]);
    assert_eq!((bed.core.counts().fills, held(&bed)), (3, 1), "spot has no chain");
    // The coin is new: what of it was missed no chain shows.
    bed.live(&[Fill { coin: "NEW".into(), ..buy(3, 8, "1", "0") }]);
    // Two that overtook another.
    bed.live(&[buy(2, 10, "1", "4"), buy(2, 11, "1", "5")]);
    assert_eq!((bed.core.counts().fills, held(&bed)), (3, 4));
    bed.live(&[buy(2, 9, "1", "3")]);
    assert_eq!((bed.core.counts().fills, held(&bed)), (6, 2));
    bed.backfill(&[spot(7)]);
    assert_eq!((bed.core.counts().fills, held(&bed), bed.gaps.len()), (8, 0, 0));
    bed.wait(HOUR);
    assert_eq!((bed.requests.len(), bed.gaps.len()), (1, 0));
}

const HOUR: u64 = 3_600 * SECOND;

#[test]
fn an_account_that_holds_nothing_waits_for_its_answer_without_end() {
    let mut bed = back_again();
    (0..120).for_each(|_| bed.wait(30 * SECOND));
    assert!(bed.requests.len() > 100 && bed.gaps.is_empty());
    assert!(bed.requests.iter().all(|request| *request == backfill_from(1_001)));
    // From here on something waits: not longer than fills ever do.
    bed.live(&[spot(9)]);
    bed.wait(270 * SECOND);
    assert_eq!((held(&bed), bed.gaps.len()), (1, 0));
    bed.wait(30 * SECOND);
    assert_eq!((held(&bed), bed.gaps.len()), (0, 1));
    assert_eq!((bed.gaps[0].coin, bed.gaps[0].from_ms), (Coin::EMPTY, 1_001));
}

#[test]
fn what_was_missed_and_led_back_is_taken_though_the_chain_went_on() {
    for hours in [0, 1] {
        let mut bed = back_again();
        bed.live(&[buy(2, 50, "1", "1")]);
        bed.wait(hours * HOUR);
        // Far beyond the window of the keys.
        let late = Fill { time_ms: 9_000_000, ..buy(2, 60, "1", "2") };
        bed.live(&[late]);
        assert_eq!(bed.core.counts().fills, 3);
        let sell = |n, start| nth(3, n, fill("BTC", "A", "1", "10", start));
        bed.backfill(&[buy(3, 2, "1", "1"), sell(3, "2"), buy(2, 50, "1", "1"), late]);
        assert_eq!((bed.core.counts().fills, bed.gaps.len()), (5, 0));
        let end = bed.core.accounts[0].chain.get(&"BTC".into());
        assert_eq!(end, Some("3".parse().expect("a number")), "the chain stands where it stood");
        bed.live(&[Fill { time_ms: 9_000_001, ..buy(2, 61, "1", "3") }]);
        assert_eq!((bed.core.counts().fills, held(&bed)), (6, 0));
    }
}

#[test]
fn what_was_missed_and_did_not_lead_back_is_told() {
    let mut bed = back_again();
    bed.live(&[buy(2, 50, "1", "1")]);
    // One of a pair: the venue's answer lacks the other.
    bed.backfill(&[buy(3, 2, "1", "1"), buy(2, 50, "1", "1")]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (3, 1));
    let gap = bed.gaps[0];
    assert_eq!((gap.from_ms, gap.to_ms), (1_002, 1_002));
    assert_eq!((gap.expected.to_string(), gap.found.to_string()), ("1".into(), "2".into()));
}

#[test]
fn without_an_answer_an_unbroken_chain_does_not_prove_that_nothing_was_missed() {
    let mut bed = back_again();
    bed.live(&[buy(2, 5, "1", "1")]);
    bed.step(&Input::BackfillFailed { address: ME });
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (2, 1));
    assert_eq!((bed.gaps[0].coin, bed.gaps[0].from_ms), (Coin::EMPTY, 1_001));
    // If it is answered after all, what was told as missing is taken, and told no more.
    let sell = nth(3, 3, fill("BTC", "A", "1", "10", "2"));
    bed.backfill(&[buy(3, 2, "1", "1"), sell]);
    assert_eq!((bed.core.counts().fills, held(&bed), bed.gaps.len()), (4, 0, 1));
}

#[test]
fn what_is_owed_is_owed_from_the_first_break_on() {
    let mut bed = back_again();
    bed.live(&[buy(2, 5, "1", "1")]);
    bed.restart();
    bed.live(&[buy(2, 8, "1", "2")]);
    assert_eq!(bed.core.counts().fills, 2, "not joined yet");
    join(&mut bed, 1_008, false);
    assert_eq!((bed.core.counts().fills, held(&bed)), (3, 0));
    assert_eq!(bed.requests, [backfill_from(1_001); 2]);
    // A public connection's snapshot reaches back to what was taken, not to what is missing.
    bed.snapshot(&[buy(2, 8, "1", "2"), buy(2, 9, "1", "3")]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (4, 0));
    assert!(matches!(bed.core.accounts[0].hold, Some(Hold::Owed { from_ms: 1_001, .. })));
}
