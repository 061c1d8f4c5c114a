//! What the program that corelane replaces gets wrong, where the state machine answers for it. The other names of that
//! list are with the parts that do the work: connections, publisher, store. See spec/monitor.md section 7.

use super::*;

#[test]
fn a_builder_dex_coin_is_not_merged_with_its_namesake() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    let on = |coin: &str, n: u64, start: &str| nth(n, n, fill(coin, "B", "1", "10", start));
    let entry = |coin: &str, symbol: &str| SymbolEntry {
        coin: coin.into(),
        symbol: symbol.into(),
        asset_type: AssetType::Futures,
        coin_type: b'D',
    };
    bed.step(&Input::Symbols(&[entry("CL", "CLUSDC"), entry("xyz:CL", "xyz:CLUSDC")]));
    bed.live(&[on("CL", 1, "0"), on("xyz:CL", 2, "0"), on("CL", 3, "1"), on("xyz:CL", 4, "1")]);
    let symbols: Vec<&str> = bed.signals.iter().map(|signal| signal.symbol.as_str()).collect();
    assert_eq!(symbols, ["CLUSDC", "xyz:CLUSDC", "CLUSDC", "xyz:CLUSDC"]);
    bed.wait(SECOND);
    assert_eq!((bed.requests.len(), bed.gaps.len()), (0, 0));
}

#[test]
fn a_replay_counts_the_first_fill_of_an_order_once() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.restart();
    bed.snapshot(&[buy(1, 1, "1", "0"), buy(1, 2, "1", "1")]);
    bed.status(1, "filled", "2", "0");
    bed.expect("Open Long 1 2 final status");
}

#[test]
fn open_orders_and_their_time_outs_survive_a_restart() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0"), buy(2, 1, "1", "1")]);
    bed.status(3, "filled", "1", "0");
    bed.wait(100 * SECOND);
    bed.restart();
    bed.snapshot(&[buy(1, 1, "1", "0"), buy(2, 1, "1", "1")]);
    bed.status(1, "filled", "1", "0");
    bed.live(&[buy(3, 5, "1", "2")]);
    bed.expect("Open Long 1 1 final status; Open Long 1 1 final status");
    bed.wait(200 * SECOND);
    bed.expect("Open Long 1 1 more timeout");
}

#[test]
fn a_hold_survives_a_restart_and_asks_again() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.live(&[buy(1, 3, "1", "2")]);
    bed.wait(SECOND);
    assert_eq!(bed.requests.len(), 1);
    bed.restart();
    bed.wait(30 * SECOND);
    assert_eq!(bed.requests.len(), 2);
    bed.backfill(&[buy(1, 2, "1", "1")]);
    bed.status(1, "filled", "3", "0");
    bed.expect("Open Long 1 3 final status");
}

#[test]
fn a_gap_of_hours_is_filled_like_one_of_seconds() {
    let mut bed = Bed::watching(Policy::default());
    let spot = |n: u64, ms: u64| Fill { time_ms: ms, ..nth(n, n, fill("@1", "B", "1", "5", "0")) };
    let hour = 3_600_000;
    bed.live(&[spot(1, hour)]);
    bed.step(&Input::Disconnected { address: ME });
    bed.wait(9 * 3600 * SECOND);
    bed.snapshot(&[spot(9, 10 * hour)]);
    assert_eq!(bed.requests, [Request::Backfill { address: ME, from_ms: hour }]);
    bed.backfill(&[spot(1, hour), spot(2, 2 * hour), spot(3, 9 * hour), spot(9, 10 * hour)]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (4, 0));
}

#[test]
fn fills_long_after_the_first_emission_are_signalled_at_once() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(1, "filled", "2", "0");
    bed.wait(1_700 * SECOND);
    bed.expect("Open Long 1 1 more grace");
    bed.live(&[buy(1, 2, "1", "1")]);
    bed.expect("Open Long 2 1 final status");
}

#[test]
fn unwatching_one_account_leaves_the_orders_of_others() {
    let mut bed = Bed::watching(Policy::default());
    let other = Address([8; 20]);
    bed.step(&Input::Watch { address: other, start: StartFrom::Snapshot });
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(2, "filled", "1", "0");
    bed.step(&Input::Unwatch { address: other });
    bed.live(&[buy(2, 2, "1", "1")]);
    bed.status(1, "filled", "1", "0");
    bed.expect("Open Long 1 1 final status; Open Long 1 1 final status");
}

#[test]
fn close_rate_does_not_use_a_position_from_before_or_after_the_leg() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    let sell = |n: u64, sz: &str, start: &str| nth(n, n, fill("BTC", "A", sz, "10", start));
    bed.live(&[sell(1, "2", "8")]);
    bed.live(&[sell(2, "3", "6")]);
    bed.live(&[sell(3, "3", "3")]);
    let rates: Vec<String> = bed.signals.iter().map(|s| s.close_rate.to_string()).collect();
    assert_eq!(rates, ["0.25", "0.5", "1"]);
}

#[test]
fn a_forced_close_has_the_name_of_a_close_and_says_why() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    let labels = ["Liquidated Isolated Short", "Auto-Deleveraging", "Settlement"];
    for (n, label) in (1..).zip(labels) {
        let base = fill("BTC", "B", "1", "10", &format!("-{}", 4 - n));
        bed.live(&[nth(n, n, Fill { dir: Dir::new(label), ..base })]);
    }
    let said: Vec<_> =
        bed.signals.iter().map(|s| (s.leg, s.reason.map(|reason| reason.as_str()))).collect();
    let wanted = ["liquidation", "adl", "settlement"];
    assert_eq!(said, wanted.map(|reason| (Dir::CloseShort, Some(reason))));
}
