//! What the program that corelane replaces gets wrong: a test for each line of spec/monitor.md section 7 that the state
//! machine answers for. The others need connections, the publisher or the store: they are in `runtime/tests/origin.rs`.
//!
//! | line of section 7 | test here |
//! |---|---|
//! | status before fill is dropped, signal 5 minutes late | [`a_status_before_its_fill_is_kept_and_the_signal_is_not_late`] |
//! | fills after the first flush are discarded for 30 minutes | [`fills_after_the_first_emission_are_signalled_at_once`] |
//! | first fill of an order counted twice on replay | [`a_replay_counts_the_first_fill_of_an_order_once`] |
//! | early flush on the first fill of several | [`the_first_fill_of_several_is_not_emitted_early`] |
//! | flip legs in random order | [`flip_legs_are_in_one_order_closing_first`] |
//! | close_rate always 0 for shorts | [`close_rate_of_a_short_is_not_0`] |
//! | stale position used for close_rate | [`close_rate_does_not_use_a_position_from_before_or_after_the_leg`] |
//! | `xyz:COIN` merged with `COIN`, perp `PUMP` renamed | [`a_builder_dex_coin_is_not_merged_with_its_namesake`], [`a_perpetual_is_not_renamed_like_the_spot_token_of_its_name`]; the table: `net/src/hyperliquid` |
//! | unknown directions leak for ever | [`an_unknown_direction_does_not_leak`] |
//! | liquidation directions break a whole database batch | [`a_forced_close_has_the_name_of_a_close_and_says_why`]; runtime/tests/origin.rs |
//! | 30 minutes of old fills of a new address sent as news | [`old_fills_of_a_new_address_are_no_news`] |
//! | refused subscriptions counted as monitored | runtime/tests/origin.rs |
//! | connections beyond the first 150 subscriptions never repaired | runtime/tests/origin.rs |
//! | second disconnect during a repair ignored | [`a_second_disconnect_during_a_repair_is_not_ignored`]; runtime/tests/origin.rs |
//! | subscribe on a dead connection reports success | runtime/tests/origin.rs |
//! | unsubscribing one address wipes all others' order ids | [`unwatching_one_account_leaves_the_order_ids_of_others`] |
//! | mixed-case addresses never match | [`a_mixed_case_address_matches`]; runtime/tests/origin.rs |
//! | publish while NATS is down counted as sent | runtime/tests/origin.rs |
//! | crash between publish and database row sends twice | [`after_a_crash_the_same_events_have_the_same_ids`]; runtime/tests/origin.rs |
//! | shutdown loses queue, open orders and the last two seconds of rows | [`open_orders_and_their_time_outs_survive_a_restart`], [`a_hold_survives_a_restart_and_asks_again`]; runtime/tests/origin.rs |
//! | a failed database batch is thrown away | runtime/tests/origin.rs |
//! | a full queue breaks the order | [`what_is_more_than_one_input_takes_keeps_its_order`]; runtime/tests/origin.rs |
//! | one slow callback stalls the socket | runtime/tests/origin.rs |
//! | no back-fill after 30 minutes | [`a_gap_of_hours_is_filled_like_one_of_seconds`] |
//! | a missing table kills a fresh install | runtime/tests/origin.rs |
//! | health says ok while nothing arrives | runtime/tests/origin.rs |

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
fn fills_after_the_first_emission_are_signalled_at_once() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(1, "filled", "2", "0");
    bed.wait(1_700 * SECOND);
    bed.expect("Open Long 1 1 more grace");
    bed.live(&[buy(1, 2, "1", "1")]);
    bed.expect("Open Long 2 1 final status");
}

#[test]
fn unwatching_one_account_leaves_the_order_ids_of_others() {
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

#[test]
fn a_status_before_its_fill_is_kept_and_the_signal_is_not_late() {
    for emit in [Emit::Order, Emit::Frame] {
        let mut bed = Bed::watching(Policy { emit, ..Policy::default() });
        bed.status(1, "filled", "2", "0");
        // Up to the last moment that statuses are kept.
        bed.wait(599 * SECOND);
        bed.live(&[buy(1, 1, "1", "0"), buy(1, 2, "1", "1")]);
        let trigger = if emit == Emit::Order { "status" } else { "frame" };
        bed.expect(&format!("Open Long 1 2 final {trigger}"));
    }
}

#[test]
fn the_first_fill_of_several_is_not_emitted_early() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(1, "filled", "3", "0");
    bed.wait(SECOND);
    bed.live(&[buy(1, 2, "1", "1")]);
    bed.wait(SECOND);
    bed.expect("");
    bed.live(&[buy(1, 3, "1", "2")]);
    bed.expect("Open Long 1 3 final status");
}

#[test]
fn flip_legs_are_in_one_order_closing_first() {
    // Whichever leg had the first fill of its order, and many times.
    for n in 0..50u64 {
        let mut bed = Bed::watching(Policy::default());
        let sell = |n, sz: &str, start: &str| nth(1, n, fill("BTC", "A", sz, "10", start));
        let fills = [sell(n + 1, "2", "3"), sell(n + 2, "4", "1"), sell(n + 3, "1", "-3")];
        bed.live(&fills);
        bed.status(1, "filled", "7", "0");
        bed.expect("Close Long 1 3 final status; Open Short 1 4 final status");
    }
    let mut bed = Bed::watching(Policy::default());
    let buy = |n, sz: &str, start: &str| nth(1, n, fill("BTC", "B", sz, "10", start));
    // It opens first, is turned by another order, and closes then.
    bed.live(&[buy(1, "1", "0")]);
    bed.live(&[nth(2, 2, fill("BTC", "A", "3", "10", "1"))]);
    bed.live(&[buy(3, "1", "-2")]);
    bed.status(1, "filled", "2", "0");
    bed.expect("Close Short 1 1 final status; Open Long 1 1 final status");
}

#[test]
fn close_rate_of_a_short_is_not_0() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    let buy = |n: u64, sz: &str, start: &str| nth(n, n, fill("BTC", "B", sz, "10", start));
    bed.live(&[buy(1, "2", "-8")]);
    bed.live(&[buy(2, "6", "-6")]);
    let rates: Vec<String> = bed.signals.iter().map(|s| s.close_rate.to_string()).collect();
    assert_eq!(rates, ["0.25", "1"]);
}

#[test]
fn a_perpetual_is_not_renamed_like_the_spot_token_of_its_name() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    let entry = |coin: &str, symbol: &str, asset_type| SymbolEntry {
        coin: coin.into(),
        symbol: symbol.into(),
        asset_type,
        coin_type: b'D',
    };
    // The spot token UPUMP is called PUMP; the perpetual PUMP is another instrument.
    let entries =
        [entry("PUMP", "PUMPUSDC", AssetType::Futures), entry("@188", "PUMPUSDC", AssetType::Spot)];
    bed.step(&Input::Symbols(&entries));
    bed.live(&[
        nth(1, 1, fill("PUMP", "B", "1", "10", "0")),
        nth(2, 2, fill("@188", "B", "1", "10", "0")),
    ]);
    let said: Vec<_> = bed.signals.iter().map(|s| (s.coin.as_str(), s.asset_type)).collect();
    assert_eq!(said, [("PUMP", AssetType::Futures), ("@188", AssetType::Spot)]);
}

#[test]
fn an_unknown_direction_does_not_leak() {
    let mut bed = Bed::watching(Policy::default());
    for n in 0..100u64 {
        let odd =
            Fill { dir: Dir::new(&format!("Direction {n}")), ..buy(n, n, "1", &n.to_string()) };
        bed.live(&[odd]);
    }
    bed.wait(300 * SECOND);
    assert!(bed.signals.iter().all(|s| s.direction.as_str() == "other"));
    assert_eq!((bed.signals.len(), bed.core.unsignalled()), (100, 0));
    bed.wait(91 * DAY);
    assert!(bed.core.orders.is_empty() && bed.core.legs.is_empty() && bed.core.by_oid.is_empty());
}

#[test]
fn old_fills_of_a_new_address_are_no_news() {
    let mut bed = Bed::new(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
    let old: Vec<Fill> = (0..1_800).map(|n| buy(n, n, "1", &n.to_string())).collect();
    bed.snapshot(&old);
    // Nor when the same comes again, with the next connection or from REST.
    bed.step(&Input::Disconnected { address: ME });
    bed.snapshot(&old);
    bed.backfill(&old[1_500..]);
    bed.expect("");
    bed.live(&[buy(9_999, 1_800, "1", "1800")]);
    bed.expect("Open Long 1 1 more frame");
}

#[test]
fn a_second_disconnect_during_a_repair_is_not_ignored() {
    let spot = |n: u64| nth(n, n, fill("@1", "B", "1", "5", "0"));
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[spot(1)]);
    bed.step(&Input::Disconnected { address: ME });
    bed.snapshot(&[spot(5)]);
    // While the first repair is under way.
    bed.step(&Input::Disconnected { address: ME });
    bed.backfill(&(2..=5).map(spot).collect::<Vec<_>>());
    bed.live(&[spot(9)]);
    assert_eq!(bed.core.counts().fills, 5, "until the snapshot has come again, live fills wait");
    bed.snapshot(&[spot(8), spot(9)]);
    let asked = Request::Backfill { address: ME, from_ms: 1_005 };
    assert_eq!(bed.requests.last(), Some(&asked));
    bed.backfill(&(5..=9).map(spot).collect::<Vec<_>>());
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (9, 0));
}

#[test]
fn a_mixed_case_address_matches() {
    let lower = ME.to_string();
    let mixed: String = lower
        .char_indices()
        .map(|(at, c)| if at > 1 && at % 2 == 0 { c.to_ascii_uppercase() } else { c })
        .collect();
    for text in [lower.clone(), mixed, lower.to_uppercase().replacen("0X", "0x", 1)] {
        let address: Address = text.parse().expect("an address");
        let mut bed = Bed::new(Policy { emit: Emit::Frame, ..Policy::default() });
        bed.step(&Input::Watch { address, start: StartFrom::Snapshot });
        bed.snapshot(&[buy(1, 1, "1", "0")]);
        assert_eq!(bed.signals[0].address.to_string(), lower);
    }
}

#[test]
fn after_a_crash_the_same_events_have_the_same_ids() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.live(&[buy(1, 1, "1", "0"), nth(2, 2, fill("BTC", "A", "3", "100", "1"))]);
    bed.restart();
    // The name of an event is its place: which input, and which of its events.
    let (_, events) = bed.replayed();
    assert_eq!((events.len(), &events), (3, &bed.events));
    // The source says it all again: nothing is signalled again.
    bed.snapshot(&[buy(1, 1, "1", "0"), nth(2, 2, fill("BTC", "A", "3", "100", "1"))]);
    bed.live(&[nth(2, 3, fill("BTC", "A", "1", "100", "-2"))]);
    bed.signals.drain(..3);
    bed.expect("Open Short 2 1 more frame");
}

#[test]
fn what_is_more_than_one_input_takes_keeps_its_order() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.live(&[buy(1, 0, "1", "0")]);
    bed.step(&Input::Disconnected { address: ME });
    let count = 6_000;
    let all: Vec<Fill> = (0..count).map(|n| buy(n + 1, n, "1", &n.to_string())).collect();
    bed.snapshot(&all);
    bed.wait(SECOND);
    let oids: Vec<u64> = bed.signals.iter().map(|signal| signal.oid).collect();
    assert!(oids.len() as u64 == count && oids.is_sorted());
}
