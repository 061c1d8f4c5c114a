//! Order inside one millisecond: what its chains say, what they leave open, and what it costs.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::core::arrange::Arranger;
use crate::core::chain::{Chain, PASSED_MAX};

/// Fills of BTC of one millisecond, from position to position; numbered from 1.
fn walk(positions: &[i64]) -> Vec<Fill> {
    let edge = |(n, pair): (usize, &[i64])| {
        let (from, to) = (pair[0], pair[1]);
        let side = if to > from { "B" } else { "A" };
        let base = fill("BTC", side, &(to - from).abs().to_string(), "100", &from.to_string());
        Fill { tid: n as u64 + 1, ..base }
    };
    positions.windows(2).enumerate().map(edge).collect()
}

fn at(time_ms: u64, fills: &[Fill]) -> Vec<Fill> {
    let tid = |fill: &Fill| fill.tid + 1_000_000 * time_ms;
    fills.iter().map(|fill| Fill { time_ms, tid: tid(fill), ..*fill }).collect()
}

fn reversed(fills: &[Fill]) -> Vec<Fill> {
    fills.iter().rev().copied().collect()
}

#[track_caller]
fn expect_no_gap(bed: &mut Bed, fills: usize) {
    bed.wait(SECOND);
    assert_eq!((bed.core.counts().fills as usize, bed.requests.len()), (fills, 0));
    assert_eq!(bed.gaps, []);
}

/// Bought and sold again, 25 times.
fn there_and_back() -> Vec<Fill> {
    let positions: Vec<i64> = (0..=50).map(|n| n % 2).collect();
    walk(&positions)
}

#[test]
fn a_closed_walk_of_a_new_coin_makes_no_false_gap_however_it_arrives() {
    for restarts in [false, true] {
        let mut bed = Bed::watching(Policy::default());
        // In reverse it looks like a walk that begins, and ends, at 1.
        bed.live(&reversed(&there_and_back()));
        if restarts {
            bed.restart();
            bed.snapshot(&there_and_back());
        }
        bed.live(&at(1_001, &walk(&[0, 5])));
        bed.live(&at(1_002, &walk(&[5, 7])));
        expect_no_gap(&mut bed, 52);
    }
}

#[test]
fn a_closed_walk_that_a_snapshot_ends_with_makes_no_false_gap() {
    for start in [StartFrom::Now, StartFrom::Snapshot] {
        let mut bed = Bed::new(Policy::default());
        bed.step(&Input::Watch { address: ME, start });
        bed.snapshot(&reversed(&there_and_back()));
        bed.live(&at(1_001, &walk(&[0, 5])));
        expect_no_gap(&mut bed, if start == StartFrom::Now { 1 } else { 51 });
    }
}

#[test]
fn a_gap_behind_a_closed_walk_is_still_found() {
    for start in [StartFrom::Now, StartFrom::Snapshot] {
        let mut bed = Bed::new(Policy::default());
        bed.step(&Input::Watch { address: ME, start });
        bed.snapshot(&there_and_back());
        // It never stood at 2.
        bed.live(&at(1_001, &walk(&[2, 5])));
        bed.wait(SECOND);
        assert_eq!(bed.requests.len(), 1);
        bed.backfill(&[]);
        assert_eq!(bed.gaps.len(), 1);
        // And where the next fill was, nothing else could have been.
        bed.live(&at(1_002, &walk(&[1, 5])));
        bed.wait(SECOND);
        assert_eq!(bed.requests.len(), 2);
    }
}

#[test]
fn what_the_next_fill_decided_is_decided() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&reversed(&there_and_back()));
    bed.live(&at(1_001, &walk(&[0, 5])));
    assert_eq!(bed.core.accounts[0].chain.passed(), []);
    bed.live(&at(1_002, &walk(&[1, 5])));
    bed.wait(SECOND);
    assert_eq!(bed.requests.len(), 1);
}

#[test]
fn a_closed_walk_goes_on_in_the_same_millisecond_from_where_it_passed() {
    let mut bed = Bed::watching(Policy::default());
    let fills = walk(&[0, 3, 1, 0, 3, 9]);
    // A loop, heard in reverse; the rest of the block in frames of its own.
    bed.live(&reversed(&fills[..3]));
    bed.live(&fills[3..4]);
    bed.live(&fills[4..]);
    bed.live(&at(1_001, &walk(&[9, 5])));
    expect_no_gap(&mut bed, 6);
}

#[test]
fn positions_passed_are_kept_in_bounds() {
    let mut bed = Bed::watching(Policy::default());
    let many: Vec<i64> = (0..500).chain([0]).collect();
    bed.live(&walk(&many));
    let chain = &bed.core.accounts[0].chain;
    assert_eq!((chain.passed().len(), bed.core.counts().fills), (PASSED_MAX, 500));
    bed.live(&at(1_001, &walk(&[0, 5])));
    expect_no_gap(&mut bed, 501);
}

#[test]
fn fills_behind_a_hole_are_put_in_order_among_themselves() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&at(999, &walk(&[-3, 0])));
    bed.live(&reversed(&[walk(&[0, 1, 2]), at(1_000, &walk(&[7, 8, 9, 10]))].concat()));
    bed.wait(SECOND);
    bed.step(&Input::BackfillFailed { address: ME });
    // One hole, one gap.
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (6, 1));
}

#[test]
fn a_first_half_too_long_for_one_input_is_held_in_bounds_and_asked_for() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    let many: Vec<i64> = (0..9_001).collect();
    let fills = walk(&many);
    let (first, second) = fills.split_at(8_990);
    bed.live(second);
    for frame in first.chunks(FILLS_PER_INPUT_MAX) {
        bed.step(&Input::Fills { address: ME, origin: Origin::Live, fills: frame });
    }
    bed.wait(SECOND);
    assert_eq!((bed.requests.len(), bed.gaps.len()), (1, 0));
    bed.backfill(&[]);
    bed.wait(SECOND);
    // Nothing is lost; that it was out of order is said.
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (9_000, 1));
}

/// The largest frame that a stranger could think of, in every shape that has been slow: this ends in no time, or never.
#[test]
fn a_hostile_millisecond_is_put_in_order_like_any_other() {
    const FILLS: i64 = 20_000;
    let line: Vec<i64> = (0..=FILLS).collect();
    let star: Vec<i64> = (0..=FILLS).map(|n| if n % 2 == 0 { 0 } else { n }).collect();
    let coins = |fills: Vec<Fill>| -> Vec<Fill> {
        (0..).zip(fills).map(|(n, f)| Fill { coin: Coin::new(&format!("c{n}")), ..f }).collect()
    };
    let holes = |fills: Vec<Fill>| fills.into_iter().step_by(2).collect::<Vec<_>>();
    for fills in [
        reversed(&walk(&line)),
        reversed(&walk(&star)),
        reversed(&there_and_back().repeat(400)),
        coins(walk(&line)),
        reversed(&holes(walk(&line))),
        walk(&line).iter().map(|f| Fill { tid: 0, oid: f.tid, ..*f }).collect(),
    ] {
        for end in [None, Some("0"), Some("77")] {
            let mut chain = Chain::default();
            end.iter().for_each(|end| chain.set("BTC".into(), end.parse().expect("a decimal")));
            let (mut ordered, mut arranger) = (fills.clone(), Arranger::default());
            arranger.leave_out_repeated(&mut ordered);
            arranger.order(&mut ordered, &chain);
            assert!(ordered.len() == fills.len() || ordered.len() == 50);
        }
    }
}

/// The walk as it was found before: Hierholzer's algorithm by looking at all fills for each.
fn quadratic(fills: &[Fill], from: Option<Decimal>) -> Vec<Fill> {
    let begins = |node: Decimal| fills.iter().any(|fill| fill.start_position == node);
    let surplus = |node: Decimal| {
        let leaves = fills.iter().filter(|fill| fill.start_position == node).count();
        let reaches = fills.iter().filter(|fill| fill.end_position() == Some(node)).count();
        leaves > reaches
    };
    let starts = || fills.iter().map(|fill| fill.start_position);
    let start = from
        .filter(|from| begins(*from))
        .or_else(|| starts().find(|&node| surplus(node)))
        .unwrap_or(fills[0].start_position);
    let mut used = vec![false; fills.len()];
    let mut stack: Vec<(Decimal, Option<usize>)> = vec![(start, None)];
    let mut found = Vec::new();
    while let Some(&(node, came_by)) = stack.last() {
        let next = (0..fills.len()).find(|&e| !used[e] && fills[e].start_position == node);
        match next {
            Some(edge) => {
                used[edge] = true;
                stack.push((fills[edge].end_position().expect("small"), Some(edge)));
            }
            None => {
                stack.pop();
                found.extend(came_by);
            }
        }
    }
    found.reverse();
    found.into_iter().map(|edge| fills[edge]).collect()
}

fn is_walk(fills: &[Fill]) -> bool {
    fills.windows(2).all(|pair| pair[0].end_position() == Some(pair[1].start_position))
}

proptest! {
    #[test]
    fn whatever_is_a_walk_is_found_as_it_was_before(
        positions in vec(-3i64..4, 2..40),
        known: bool,
        shuffle in vec(any::<prop::sample::Index>(), 40),
    ) {
        // Two fills of one position in a row are none.
        let mut positions = positions;
        positions.dedup();
        prop_assume!(positions.len() > 1);
        let mut fills = walk(&positions);
        for (at, other) in shuffle.iter().enumerate().take(fills.len()) {
            let other = other.index(fills.len());
            fills.swap(at, other);
        }
        let mut chain = Chain::default();
        if known {
            chain.set("BTC".into(), positions[0].to_string().parse().expect("a decimal"));
        }
        let wanted = match is_walk(&fills) && (!known || chain.accepts(&fills[0])) {
            true => fills.clone(),
            false => quadratic(&fills, chain.get(&"BTC".into())),
        };
        let mut ordered = fills.clone();
        Arranger::default().order(&mut ordered, &chain);
        prop_assert!(is_walk(&wanted) && wanted.len() == fills.len());
        prop_assert_eq!(ordered, wanted);
    }

    #[test]
    fn nothing_is_lost_or_doubled_by_putting_it_in_order(
        edges in vec((-4i64..5, 1i64..4, any::<bool>(), 0u64..3, 0u8..3), 1..60),
        end in proptest::option::of(-4i64..5),
    ) {
        let fills: Vec<Fill> = (1..).zip(&edges).map(|(n, (start, size, buys, ms, coin))| {
            let side = if *buys { "B" } else { "A" };
            let coin = ["BTC", "ETH", "@1"][usize::from(*coin)];
            let base = fill(coin, side, &size.to_string(), "1", &start.to_string());
            Fill { tid: n / 2 + 1, time_ms: 1_000 + ms, ..base }
        }).collect();
        let mut chain = Chain::default();
        end.iter().for_each(|end| {
            chain.set("BTC".into(), end.to_string().parse().expect("a decimal"));
        });
        let mut once: Vec<Fill> = Vec::new();
        for fill in &fills {
            if !once.iter().any(|kept| kept.is_same(fill)) {
                once.push(*fill);
            }
        }
        let (mut ordered, mut arranger) = (fills.clone(), Arranger::default());
        arranger.leave_out_repeated(&mut ordered);
        once.sort_by_key(|fill| fill.time_ms);
        prop_assert_eq!(&ordered, &once);
        arranger.order(&mut ordered, &chain);
        prop_assert!(ordered.is_sorted_by_key(|fill| fill.time_ms));
        let key = |fill: &Fill| (fill.time_ms, fill.tid, fill.coin);
        ordered.sort_by_key(key);
        once.sort_by_key(key);
        prop_assert_eq!(ordered, once);
    }
}
