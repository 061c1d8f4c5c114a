//! From fills to signals: spec/monitor.md section 1, line by line.

use std::collections::BTreeMap;

use super::*;
use crate::fill::Liquidation;

fn number(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

/// `base` with another label.
fn called(dir: &str, base: Fill) -> Fill {
    Fill { dir: Dir::new(dir), ..base }
}

/// What one fill is signalled as: `leg direction side asset size reason`, one leg after the other.
#[track_caller]
fn check_legs(fill: Fill, wanted: &str) {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.live(&[fill]);
    let leg = |s: &Signal| {
        let reason = s.reason.map_or("-", |reason| reason.as_str());
        let words = [s.leg.as_str(), s.direction.as_str(), s.side.as_str(), s.asset_type.as_str()];
        format!("{} {} {reason}", words.join(" "), s.size)
    };
    let found: Vec<String> = bed.signals.iter().map(leg).collect();
    assert_eq!(found.join("; "), wanted);
}

#[test]
fn each_row_of_the_table_of_legs() {
    let perp = |side, sz, start| fill("BTC", side, sz, "100", start);
    check_legs(perp("B", "2", "0"), "Open Long open LONG futures 2 -");
    check_legs(perp("B", "2", "1"), "Open Long open LONG futures 2 -");
    check_legs(perp("A", "2", "0"), "Open Short open SHORT futures 2 -");
    check_legs(perp("A", "2", "-1"), "Open Short open SHORT futures 2 -");
    check_legs(perp("A", "2", "3"), "Close Long close LONG futures 2 -");
    check_legs(perp("A", "3", "3"), "Close Long close LONG futures 3 -");
    check_legs(perp("B", "2", "-3"), "Close Short close SHORT futures 2 -");
    let flips = [
        ("A", "3", "2", "Close Long close LONG futures 2 -; Open Short open SHORT futures 1 -"),
        ("B", "3", "-2", "Close Short close SHORT futures 2 -; Open Long open LONG futures 1 -"),
    ];
    for (side, sz, start, wanted) in flips {
        check_legs(called("Long > Short", perp(side, sz, start)), wanted);
        // The label is a label: what happened is in the numbers.
        check_legs(called("Open Long", perp(side, sz, start)), wanted);
    }
    check_legs(fill("@107", "B", "2", "5", "7"), "Buy open LONG spot 2 -");
    check_legs(fill("PURR/USDC", "A", "2", "5", "1"), "Sell close LONG spot 2 -");
    check_legs(fill("#12", "B", "2", "5", "0"), "Buy open LONG spot 2 -");
}

#[test]
fn what_was_forced_is_the_close_or_open_that_it_is_and_says_why() {
    let short = fill("BTC", "B", "2", "10", "-5");
    let long = fill("BTC", "A", "2", "10", "5");
    for dir in ["Liquidated Cross Short", "Liquidated Isolated Short"] {
        check_legs(called(dir, short), "Close Short close SHORT futures 2 liquidation");
    }
    check_legs(called("Auto-Deleveraging", long), "Close Long close LONG futures 2 adl");
    check_legs(called("Settlement", long), "Close Long close LONG futures 2 settlement");
    // A market that settles past zero, and one that is opened by force.
    let past_zero = fill("BTC", "A", "7", "10", "5");
    let wanted = "Close Long close LONG futures 5 adl; Open Short open SHORT futures 2 adl";
    check_legs(called("Auto-Deleveraging", past_zero), wanted);
    let spot = fill("@1", "A", "2", "10", "5");
    check_legs(called("Partial Borrow Liquidation", spot), "Sell close LONG spot 2 liquidation");
    // The object stands on the counterparty's fill, too.
    for (user, reason) in [(ME, "liquidation"), (Address([1; 20]), "-")] {
        let liquidation = Some(Liquidation { user, method: "market".into() });
        let wanted = format!("Close Long close LONG futures 2 {reason}");
        check_legs(Fill { liquidation, ..long }, &wanted);
    }
}

#[test]
fn any_other_label_is_a_leg_of_its_own_whatever_the_market() {
    let perp = fill("BTC", "A", "2", "10", "5");
    check_legs(called("Net Child Vaults", perp), "Net Child Vaults other SHORT futures 2 -");
    let spot = fill("@1", "B", "2", "10", "5");
    check_legs(called("A label of 2027", spot), "A label of 2027 other LONG spot 2 -");
    let dust = Fill { tid: 0, ..fill("@151", "A", "0.000026746", "3414.3", "0.000026746") };
    let wanted = "Spot Dust Conversion other SHORT spot 0.000026746 -";
    check_legs(called("Spot Dust Conversion", dust), wanted);
}

#[test]
fn labels_without_end_do_not_make_legs_without_end() {
    let mut bed = Bed::watching(Policy { emit_final: true, ..Policy::default() });
    let fills: Vec<Fill> = (0..200)
        .map(|n| called(&format!("label {n}"), nth(1, n, fill("@1", "B", "1", "5", "0"))))
        .collect();
    bed.live(&fills);
    assert_eq!(bed.core.legs.len(), crate::core::order::LEGS_MAX);
    bed.status(1, "filled", "200", "0");
    let sum =
        bed.signals.iter().fold(Decimal::ZERO, |sum, s| sum.checked_add(s.size).expect("small"));
    assert_eq!((bed.signals.len(), sum), (crate::core::order::LEGS_MAX, number("200")));
}

#[test]
fn the_parts_of_a_flip_add_up_to_the_fill_in_size_notional_fee_and_profit() {
    let mut bed = Bed::watching(Policy::default());
    let flip = Fill {
        fee: number("0.100000000000000001"),
        closed_pnl: number("-3.5"),
        ..nth(1, 1, fill("BTC", "B", "187.3", "0.12345678", "-174.9"))
    };
    bed.live(&[flip]);
    bed.status(1, "filled", "187.3", "0");
    let sum = |of: fn(&Signal) -> Decimal| {
        bed.signals.iter().try_fold(Decimal::ZERO, |sum, s| sum.checked_add(of(s)))
    };
    assert_eq!(sum(|s| s.size), Some(flip.sz));
    assert_eq!(sum(|s| s.notional), flip.px.checked_mul(flip.sz));
    assert_eq!(sum(|s| s.fee), Some(flip.fee));
    assert_eq!(sum(|s| s.closed_pnl), Some(flip.closed_pnl));
    bed.expect("Close Short 1 174.9 final status; Open Long 1 12.4 final status");
}

/// Size, notional, number of revisions, whether the last one was final.
type Sum = (Decimal, Decimal, u32, bool);

/// By order and leg: the sums over its signals, after checking that revisions count from 1 and totals go on.
fn sums(signals: &[Signal]) -> BTreeMap<(Address, u64, String), Sum> {
    let mut sums = BTreeMap::new();
    for s in signals {
        let key = (s.address, s.oid, s.leg.as_str().to_owned());
        let sum = sums.entry(key).or_insert((Decimal::ZERO, Decimal::ZERO, 0, false));
        sum.0 = s.size.checked_add(sum.0).expect("small");
        sum.1 = s.notional.checked_add(sum.1).expect("small");
        (sum.2, sum.3) = (sum.2 + 1, s.is_final);
        assert_eq!((s.revision, s.order_size, s.order_notional), (sum.2, sum.0, sum.1));
    }
    sums
}

#[test]
fn revisions_of_a_leg_add_up_through_time_outs_grace_and_late_fills() {
    for emit in [Emit::Order, Emit::Frame] {
        let mut bed = Bed::watching(Policy { emit, ..Policy::default() });
        let sizes = ["0.1", "0.02", "0.003", "0.0004", "0.00005"];
        let mut start = Decimal::ZERO;
        for (n, sz) in (1..).zip(sizes) {
            bed.live(&[nth(1, n, fill("BTC", "B", sz, "33333.3", &start.to_string()))]);
            start = start.checked_add(number(sz)).expect("small");
            match n {
                2 => bed.wait(300 * SECOND),
                3 => bed.status(1, "canceled", "9", "8.87655"),
                4 => bed.wait(2 * SECOND),
                _ => {}
            }
        }
        let leg = sums(&bed.signals)[&(ME, 1, "Open Long".to_owned())];
        assert_eq!(leg.0, start);
        assert_eq!(Some(leg.1), start.checked_mul(number("33333.3")));
        // 0.12; 0.0034 after the grace; the rest. Or each frame.
        assert_eq!((leg.2, leg.3), (if emit == Emit::Order { 3 } else { 5 }, true));
    }
}

#[test]
fn in_frame_mode_an_end_behind_everything_is_said_only_when_asked_for() {
    for (emit_final, wanted) in [(false, ""), (true, "Open Long 2 0 final status")] {
        let mut bed = Bed::watching(Policy { emit: Emit::Frame, emit_final, ..Policy::default() });
        bed.live(&[buy(1, 1, "1", "0")]);
        bed.expect("Open Long 1 1 more frame");
        bed.status(1, "filled", "1", "0");
        // The same word again, as from REST.
        bed.step(&Input::Statuses(&[order_status(1, "filled", "1", "0")]));
        bed.expect(wanted);
    }
}

#[test]
fn a_fill_behind_a_final_revision_is_a_revision_of_its_own() {
    // An end that says less than was filled: what it says is not to be relied on.
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(1, "marginCanceled", "5", "5");
    bed.expect("Open Long 1 1 final status");
    bed.wait(3600 * SECOND);
    bed.live(&[buy(1, 2, "1", "1")]);
    bed.expect("Open Long 2 1 final status");
}

#[test]
fn fills_that_go_on_after_the_end_do_not_put_the_signal_off_for_ever() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 0, "1", "0")]);
    bed.status(1, "canceled", "1000000", "0");
    for n in 1..400 {
        bed.wait(SECOND);
        bed.live(&[buy(1, n, "1", &n.to_string())]);
    }
    let first = bed.signals[0];
    assert_eq!((first.trigger, first.fills), (Trigger::Grace, 300));
}

#[test]
fn terminal_statuses_end_an_order_and_unknown_ones_by_their_suffix() {
    let filled = "Open Long 1 1 final status";
    for (status, wanted) in [
        ("filled", filled),
        ("iocCancelRejected", filled),
        ("scheduledCancel", filled),
        ("somethingOfNextYearCanceled", filled),
        ("somethingOfNextYearRejected", filled),
        ("open", ""),
        ("triggered", ""),
        ("accepted", ""),
        ("somethingOfNextYear", ""),
    ] {
        let mut bed = Bed::watching(Policy::default());
        bed.live(&[buy(1, 1, "1", "0")]);
        bed.status(1, status, "3", "2");
        bed.expect(wanted);
        bed.wait(300 * SECOND);
        bed.expect(if wanted.is_empty() { "Open Long 1 1 more timeout" } else { "" });
    }
}

#[test]
fn a_status_whose_numbers_make_no_sense_ends_the_order_after_the_grace() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(1, "canceled", "1", "2");
    bed.wait(2 * SECOND);
    bed.expect("Open Long 1 1 more grace");
}

#[test]
fn an_order_id_that_two_accounts_share_ends_for_both_whenever_they_are_filled() {
    let other = Address([8; 20]);
    for late in [false, true] {
        let mut bed = Bed::watching(Policy::default());
        bed.step(&Input::Watch { address: other, start: StartFrom::Snapshot });
        let origin = Origin::Snapshot { last: true, reaches: true };
        let of_other = Input::Fills { address: other, origin, fills: &[buy(1, 1, "1", "0")] };
        bed.live(&[buy(1, 1, "1", "0")]);
        if late {
            bed.status(1, "filled", "1", "0");
            bed.wait(5 * SECOND);
            bed.step(&of_other);
        } else {
            bed.step(&of_other);
            bed.status(1, "filled", "1", "0");
        }
        let sums = sums(&bed.signals);
        assert_eq!(sums.len(), 2);
        assert!(sums.values().all(|sum| *sum == (Decimal::ONE, number("100"), 1, true)));
    }
}

#[test]
fn ten_thousand_open_legs_are_signalled_once_each() {
    const LEGS: u64 = 10_000;
    for by_status in [false, true] {
        let mut bed = Bed::watching(Policy::default());
        let fills: Vec<Fill> =
            (1..=LEGS).map(|n| nth(n, n, fill("@1", "B", "0.3", "7.1", "0"))).collect();
        for frame in fills.chunks(100) {
            bed.live(frame);
        }
        assert_eq!((bed.core.unsignalled() as u64, bed.signals.len()), (LEGS, 0));
        if by_status {
            let statuses: Vec<OrderStatus> =
                (1..=LEGS).map(|oid| order_status(oid, "filled", "0.3", "0")).collect();
            statuses.chunks(500).for_each(|part| bed.step(&Input::Statuses(part)));
        } else {
            bed.wait(301 * SECOND);
        }
        let sums = sums(&bed.signals);
        let wanted = (number("0.3"), number("2.13"), 1, by_status);
        assert!(sums.len() as u64 == LEGS && sums.values().all(|sum| *sum == wanted));
        assert_eq!(bed.core.unsignalled(), 0);
    }
}

#[test]
fn an_order_that_was_filled_while_nobody_listened_goes_on_with_partial_history() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.wait(300 * SECOND);
    bed.expect("Open Long 1 1 more timeout");
    bed.step(&Input::Unwatch { address: ME });
    bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
    bed.snapshot(&[buy(1, 1, "1", "0"), buy(1, 2, "1", "1")]);
    bed.live(&[buy(1, 3, "1", "2")]);
    bed.status(1, "filled", "3", "0");
    assert!(bed.signals[0].partial_history);
    bed.expect("Open Long 2 1 final status");
}

#[test]
fn orders_from_before_the_baseline_are_remembered_while_they_may_be_filled() {
    let from_baseline = |days: u64, oid: u64| {
        let mut bed = Bed::new(Policy::default());
        bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
        let spot = |n: u64| nth(n, n, fill("@1", "B", "1", "5", "0"));
        let snapshot: Vec<Fill> = (1..=2_000).map(spot).collect();
        bed.snapshot(&snapshot);
        bed.now_ns += days * DAY;
        bed.live(&[Fill { time_ms: 10_000, tid: 9, ..spot(oid) }]);
        let kept = bed.core.accounts[0].baseline_orders.len();
        bed.status(oid, "filled", "2", "0");
        (kept, bed.signals.first().map(|s| s.partial_history))
    };
    assert_eq!(from_baseline(0, 1), (1_999, Some(true)));
    // After a day the newest stay.
    assert_eq!(from_baseline(2, 2_000), (63, Some(true)));
    assert_eq!(from_baseline(2, 1), (64, None));
    assert_eq!(from_baseline(100, 2_000), (0, None));
}
