//! Fills that wait: for how long, for what, and what is said when it does not come.

use super::*;
use crate::core::fills::TAKEN_PER_INPUT_MAX;
use crate::core::hold::{HELD_FILLS_MAX, HELD_IN_ALL_MAX};

/// Spot has no chain: nothing but keys and times shows that one is missing.
fn spot(n: u64) -> Fill {
    nth(n, n, fill("@1", "B", "1", "5", "0"))
}

fn backfill_from(from_ms: u64) -> Request {
    Request::Backfill { address: ME, from_ms }
}

fn held(bed: &Bed) -> usize {
    bed.core.accounts[0].held.len()
}

/// Watching [`ME`], of which one fill was taken, on a connection that has ended.
fn disconnected() -> Bed {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[spot(1)]);
    bed.step(&Input::Disconnected { address: ME });
    bed
}

#[test]
fn live_fills_whose_snapshot_never_comes_are_completed_by_rest_and_go_on() {
    for restarts in [false, true] {
        let mut bed = disconnected();
        bed.live(&[spot(4)]);
        if restarts {
            // The wait begins anew with the connection.
            bed.wait(29 * SECOND);
            bed.restart();
        }
        bed.wait(29 * SECOND);
        assert_eq!((bed.requests.len(), bed.core.counts().fills), (0, 1));
        if restarts {
            bed.live(&[spot(5)]);
        }
        bed.wait(SECOND);
        assert_eq!(bed.requests, [backfill_from(1_001)]);
        bed.backfill(&[spot(2), spot(3), spot(4), spot(5)]);
        assert_eq!((bed.core.counts().fills, bed.gaps.len()), (5, 0));
        // If live fills came before the question, they and the answer leave nothing out.
        bed.live(&[spot(6)]);
        assert_eq!((bed.core.counts().fills, held(&bed)), (6, 0));
        bed.wait(100 * SECOND);
        assert_eq!(bed.requests.len(), 1);
    }
}

#[test]
fn an_answer_does_not_join_what_another_connection_brings() {
    let mut bed = disconnected();
    bed.live(&[spot(2)]);
    bed.wait(30 * SECOND);
    assert_eq!(bed.requests.len(), 1);
    // Again it is lost. Between the answer and the next live fills there is a hole.
    bed.step(&Input::Disconnected { address: ME });
    bed.live(&[spot(9)]);
    bed.backfill(&[spot(2), spot(3)]);
    assert_eq!((bed.core.counts().fills, held(&bed)), (1, 4));
    // The snapshot of that connection does not reach back to what was taken: it is asked for.
    bed.snapshot(&[spot(8), spot(9)]);
    assert_eq!(bed.requests.len(), 2);
    bed.backfill(&(2..10).map(spot).collect::<Vec<_>>());
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (9, 0));
}

#[test]
fn an_answer_behind_a_lost_connection_is_taken_and_the_next_one_waits_for_its_snapshot() {
    let mut bed = disconnected();
    bed.live(&[spot(2)]);
    bed.wait(30 * SECOND);
    bed.step(&Input::Disconnected { address: ME });
    bed.backfill(&[spot(2), spot(3)]);
    assert_eq!((bed.core.counts().fills, held(&bed)), (3, 0));
    bed.live(&[spot(5)]);
    assert_eq!((bed.core.counts().fills, held(&bed)), (3, 1));
    bed.snapshot(&[spot(3), spot(4), spot(5)]);
    assert_eq!((bed.core.counts().fills, bed.requests.len()), (5, 1));
}

#[test]
fn live_fills_do_not_overtake_the_snapshot_of_their_connection() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[spot(1)]);
    // A chain that may mend itself, and a connection that ends before it does.
    bed.live(&[buy(1, 2, "1", "0")]);
    bed.live(&[buy(1, 4, "1", "2")]);
    bed.step(&Input::Disconnected { address: ME });
    bed.live(&[buy(1, 3, "1", "1"), spot(90)]);
    assert_eq!(bed.core.counts().fills, 2);
    // Taken, the newest would make this snapshot look as if it reached back.
    bed.snapshot(&[spot(80), spot(90)]);
    assert_eq!(bed.requests, [backfill_from(1_002)]);
    bed.backfill(&[buy(1, 3, "1", "1"), spot(7), spot(80)]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (7, 0));
}

#[test]
fn what_no_chain_shows_is_told_when_it_is_given_up() {
    for failed in [true, false] {
        let mut bed = disconnected();
        bed.snapshot(&[spot(7), spot(8)]);
        if failed {
            bed.step(&Input::BackfillFailed { address: ME });
        } else {
            bed.wait(300 * SECOND);
        }
        let gap = bed.gaps[0];
        assert_eq!((gap.coin, gap.from_ms, gap.to_ms), (Coin::EMPTY, 1_001, 1_007));
        assert_eq!((bed.core.counts().fills, bed.gaps.len()), (3, 1));
        // It goes on, and says it once.
        bed.live(&[spot(9)]);
        bed.step(&Input::BackfillFailed { address: ME });
        assert_eq!((bed.core.counts().fills, bed.core.counts().gaps), (4, 1));
    }
}

#[test]
fn a_gap_that_a_chain_shows_is_told_by_its_coin_only() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.step(&Input::Disconnected { address: ME });
    bed.snapshot(&[buy(1, 5, "1", "4")]);
    bed.step(&Input::BackfillFailed { address: ME });
    let coins: Vec<&str> = bed.gaps.iter().map(|gap| gap.coin.as_str()).collect();
    assert_eq!(coins, ["BTC"]);
}

#[test]
fn a_late_answer_does_not_let_live_fills_overtake_their_snapshot() {
    let mut bed = disconnected();
    bed.live(&[spot(9)]);
    bed.backfill(&[spot(2)]);
    assert_eq!((bed.core.counts().fills, held(&bed)), (1, 2));
    bed.snapshot(&[spot(1), spot(2), spot(3), spot(9)]);
    assert_eq!((bed.core.counts().fills, bed.requests.len()), (4, 0));
}

#[test]
fn a_snapshot_of_which_only_a_part_came_does_not_hold_it_for_ever() {
    let mut bed = disconnected();
    let origin = Origin::Snapshot { last: false, reaches: true };
    bed.step(&Input::Fills { address: ME, origin, fills: &[spot(2), spot(3)] });
    bed.restart();
    assert_eq!(held(&bed), 2);
    bed.wait(30 * SECOND);
    assert_eq!(bed.requests, [backfill_from(1_001)]);
    bed.backfill(&[spot(2), spot(3)]);
    assert_eq!((bed.core.counts().fills, held(&bed), bed.gaps.len()), (3, 0, 0));
}

#[test]
fn parts_without_end_are_held_in_bounds_and_told() {
    for origin in
        [Origin::Snapshot { last: false, reaches: true }, Origin::Backfill { last: false }]
    {
        let mut bed = disconnected();
        let mut n = 2;
        while bed.gaps.is_empty() {
            let fills: Vec<Fill> = (n..n + FILLS_PER_INPUT_MAX as u64).map(spot).collect();
            n += fills.len() as u64;
            bed.step(&Input::Fills { address: ME, origin, fills: &fills });
            assert!(held(&bed) <= HELD_IN_ALL_MAX + FILLS_PER_INPUT_MAX);
        }
        // The same ones over and over are not more.
        let again: Vec<Fill> = (2..514).map(spot).collect();
        for _ in 0..100 {
            bed.step(&Input::Fills { address: ME, origin, fills: &again });
        }
        bed.wait(SECOND);
        assert_eq!((bed.core.counts().fills, bed.gaps.len()), (n - 1, 1));
        assert_eq!(bed.gaps[0].coin, Coin::EMPTY);
    }
}

#[test]
fn what_does_not_fit_before_a_join_is_told() {
    let mut bed = Bed::new(Policy::default());
    bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
    let fills: Vec<Fill> = (1..=HELD_FILLS_MAX as u64 + 1).map(spot).collect();
    for frame in fills.chunks(FILLS_PER_INPUT_MAX) {
        bed.step(&Input::Fills { address: ME, origin: Origin::Live, fills: frame });
    }
    assert_eq!(held(&bed), HELD_FILLS_MAX);
    bed.step(&Input::Joined { address: ME, at_ms: 1_000, continues: true });
    assert_eq!(bed.core.counts().fills as usize, TAKEN_PER_INPUT_MAX);
    assert_eq!((bed.gaps.len(), bed.gaps[0].from_ms), (1, 1_000 + HELD_FILLS_MAX as u64));
    bed.wait(SECOND);
    assert_eq!(bed.core.counts().fills as usize, HELD_FILLS_MAX);
}

#[test]
fn a_second_loss_while_a_gap_is_filled_is_not_ignored() {
    let mut bed = disconnected();
    bed.snapshot(&[spot(5)]);
    assert_eq!(bed.requests.len(), 1);
    bed.step(&Input::Disconnected { address: ME });
    bed.snapshot(&[spot(9)]);
    assert_eq!(bed.requests, [backfill_from(1_001); 2]);
    // The first answer knows nothing of what the second loss left out, the second does.
    bed.backfill(&(2..=5).map(spot).collect::<Vec<_>>());
    bed.backfill(&(2..=9).map(spot).collect::<Vec<_>>());
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (9, 0));
}

#[test]
fn many_live_fills_without_a_snapshot_are_asked_for_before_they_are_too_many() {
    let mut bed = disconnected();
    let mut n = 10;
    while bed.requests.is_empty() {
        let fills: Vec<Fill> = (n..n + FILLS_PER_INPUT_MAX as u64).map(spot).collect();
        n += fills.len() as u64;
        bed.live(&fills);
    }
    bed.live(&[spot(n)]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (1, 0));
    bed.backfill(&(2..20).map(spot).collect::<Vec<_>>());
    bed.live(&[spot(n + 1)]);
    bed.wait(SECOND);
    assert_eq!((bed.core.counts().fills, held(&bed), bed.gaps.len()), (n + 1, 0, 0));
}

/// A perpetual's fill at second `n` of block time, which takes the position from `start` on by one.
fn perp(coin: &str, n: u64, start: &str) -> Fill {
    nth(n, n, fill(coin, "B", "1", "5", start))
}

#[test]
fn a_chain_is_asked_for_from_where_it_stands_though_other_coins_went_on() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[perp("BTC", 1, "0"), perp("ETH", 3, "0")]);
    let newest_ms = perp("ETH", 3, "0").time_ms;
    let since_ms = perp("BTC", 1, "0").time_ms;
    assert!(since_ms < newest_ms);
    // BTC of second 2 was lost before ETH of second 3 came.
    bed.live(&[perp("BTC", 4, "2")]);
    bed.wait(SECOND);
    assert_eq!(bed.requests, [backfill_from(since_ms)]);
    bed.backfill(&[perp("BTC", 2, "1"), perp("ETH", 3, "0"), perp("BTC", 4, "2")]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (4, 0));
}

#[test]
fn a_chain_that_is_broken_since_before_the_question_is_asked_for_again() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[perp("BTC", 1, "0"), perp("ETH", 3, "0")]);
    // The ETH of second 4 is missing, and that is seen first.
    bed.live(&[perp("ETH", 6, "2")]);
    bed.wait(SECOND);
    assert_eq!(bed.requests, [backfill_from(perp("ETH", 3, "0").time_ms)]);
    // While the answer is under way the BTC of second 2 is missed, too.
    bed.live(&[perp("BTC", 7, "2")]);
    bed.backfill(&[perp("ETH", 4, "1"), perp("ETH", 6, "2"), perp("BTC", 7, "2")]);
    assert_eq!(bed.requests.last(), Some(&backfill_from(perp("BTC", 1, "0").time_ms)));
    assert_eq!(bed.gaps, []);
    bed.backfill(&[perp("BTC", 2, "1"), perp("BTC", 7, "2")]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (6, 0));
    // What is not to be had is told, once.
    bed.live(&[perp("BTC", 9, "4")]);
    bed.wait(SECOND);
    bed.backfill(&[perp("BTC", 9, "4")]);
    assert_eq!(bed.gaps.len(), 1);
}

#[test]
fn fills_that_are_late_by_more_than_the_grace_make_no_gap() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[perp("BTC", 1, "0"), perp("ETH", 3, "0"), perp("BTC", 4, "2")]);
    bed.wait(SECOND);
    let late = perp("BTC", 2, "1");
    bed.live(&[late]);
    let all = [perp("BTC", 1, "0"), late, perp("ETH", 3, "0"), perp("BTC", 4, "2")];
    bed.backfill(&all);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (4, 0));
}

#[test]
fn an_account_waits_for_its_answer_for_its_full_time() {
    let mut bed = disconnected();
    bed.live(&[spot(4)]);
    bed.wait(30 * SECOND);
    assert_eq!(bed.requests.len(), 1, "asked when the snapshot did not come");
    bed.wait(299 * SECOND);
    assert_eq!(bed.gaps.len(), 0, "given up before its time");
    bed.backfill(&[spot(2), spot(3), spot(4)]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (4, 0));
}

#[test]
fn an_answer_of_very_many_is_taken_in_parts_that_fit_an_input() {
    let many = 2 * TAKEN_PER_INPUT_MAX as u64 + 100;
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[perp("BTC", 1, "0")]);
    bed.step(&Input::Disconnected { address: ME });
    bed.snapshot(&[perp("BTC", many, &(many - 1).to_string())]);
    assert_eq!(bed.requests.len(), 1);
    let all: Vec<Fill> = (2..=many).map(|n| perp("BTC", n, &(n - 1).to_string())).collect();
    for fills in all.chunks(FILLS_PER_INPUT_MAX) {
        let origin = Origin::Backfill { last: fills.last() == all.last() };
        bed.step(&Input::Fills { address: ME, origin, fills });
    }
    assert_eq!(bed.core.counts().fills, 1 + TAKEN_PER_INPUT_MAX as u64);
    bed.wait(SECOND);
    assert_eq!((bed.core.counts().fills, held(&bed), bed.gaps.len()), (many, 0, 0));
    assert_eq!(bed.requests.len(), 1, "nothing is missing");
}
