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
