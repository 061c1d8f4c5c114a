//! From fills to signals: order of arrival, revisions, flips, rates, names, labels.

use serde_json::{Value, json};

use super::common::exchange::words::{fill, status};
use super::common::sums::open;
use super::{A, B, LONG, Scene};

#[test]
fn a_status_before_its_fills_is_kept_for_them() {
    // No time-out is near: what comes, comes because the fills add up.
    let mut scene = Scene::of(&[A], LONG);
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "2.0"));
    scene.fence(A);
    scene.exchange.fills(A, &[fill(1, 7, "BTC B 0.5 100.0 0.0")]);
    scene.exchange.fills(A, &[fill(2, 7, "BTC B 1.5 102.0 0.5")]);
    scene.expect(&["a1 7 Open Long-1 2@101.5 final status"]);
    scene.ends();
}

#[test]
fn fills_after_the_first_signal_are_its_next_revision() {
    let mut scene = Scene::of(&[A], "timeout = \"10m\"\nstatus_grace = \"100ms\"");
    scene.exchange.fills(A, &[fill(1, 7, "BTC B 1.0 100.0 0.0")]);
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "3.0"));
    scene.expect(&["a1 7 Open Long-1 1@100 more grace"]);
    scene.exchange.fills(A, &[fill(2, 7, "BTC B 2.0 103.0 1.0")]);
    let told = scene.signals(1).remove(0);
    assert_eq!(told["signal_id"], format!("{A}-7-Open Long-2"));
    assert_eq!((&told["revision"], &told["final"]), (&json!(2), &json!(true)), "{told}");
    // It carries what was not yet told, and the totals.
    assert_eq!((&told["size_exact"], &told["notional_exact"]), (&json!("2"), &json!("206")));
    assert_eq!((&told["order_size"], &told["order_avg_px"]), (&json!("3"), &json!("102")));
    scene.ends();
}

#[test]
fn a_restart_and_a_replay_count_nothing_twice() {
    let mut scene = Scene::of(&[A], LONG);
    let first = fill(1, 7, "BTC B 1.0 100.0 0.0");
    scene.exchange.fills(A, std::slice::from_ref(&first));
    scene.fence(A);
    scene.node.kill();
    // The snapshot brings the first fill again, and a frame does, too.
    scene.exchange.past(A, &[fill(2, 7, "BTC B 1.0 101.0 1.0")]);
    scene.run_again(&[A]);
    let repeated = json!({"user": A, "fills": [first]});
    scene.exchange.tell("userFills", A, "userFills", &repeated);
    scene.exchange.fills(A, &[fill(3, 7, "BTC B 1.0 102.0 2.0")]);
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "3.0"));
    let mut told = scene.signals(1);
    // The signal of the fence may come once more: it is the same.
    if told[0]["oid"] != 7 {
        assert_eq!(told[0]["signal_id"], format!("{A}-1000001-Buy-1"));
        told = scene.signals(1);
    }
    assert_eq!(told[0]["signal_id"], format!("{A}-7-Open Long-1"));
    assert_eq!((&told[0]["fills"], &told[0]["size_exact"]), (&json!(3), &json!("3")));
    scene.ends();
}

#[test]
fn an_order_of_several_frames_is_one_signal() {
    let mut scene = Scene::of(&[A], LONG);
    let mut start = 0.0;
    for (oid, ended_after) in [(7, 0), (8, 1), (9, 2), (10, 3)] {
        for part in 0..3 {
            if part == ended_after {
                scene.exchange.statuses(A, &status(oid, "filled", "0.0", "3.0"));
            }
            let what = format!("BTC B 1.0 100.0 {start}");
            scene.exchange.fills(A, &[fill(10 * oid + part, oid, &what)]);
            start += 1.0;
        }
        if ended_after == 3 {
            scene.exchange.statuses(A, &status(oid, "filled", "0.0", "3.0"));
        }
        scene.expect(&[&format!("a1 {oid} Open Long-1 3@100 final status")]);
    }
    scene.ends();
}

/// The `n`th fill of an account that turns around with each, and the legs that come of it.
fn turn_around(n: u64) -> (&'static str, &'static [(&'static str, &'static str)]) {
    match (n, n % 2) {
        (0, _) => ("BTC B 1.0 100.0 0.0 Open Long", &[("Open Long", "1")]),
        (_, 1) => ("BTC A 3.0 100.0 1.0 Long > Short", &[("Close Long", "1"), ("Open Short", "2")]),
        _ => ("BTC B 3.0 100.0 -2.0 Short > Long", &[("Close Short", "2"), ("Open Long", "1")]),
    }
}

#[test]
fn a_flip_closes_before_it_opens() {
    for (emit, ending) in [("order", "final status"), ("frame", "more frame")] {
        let mut scene = Scene::of(&[A, B], &format!("emit = \"{emit}\"\n{LONG}"));
        let mut wanted = Vec::new();
        for (n, user, oid) in (0..10).flat_map(|n| [(n, A, 100 + n), (n, B, 200 + n)]) {
            let (what, legs) = turn_around(n);
            let made = fill(10 * n, oid, what);
            scene.exchange.fills(user, std::slice::from_ref(&made));
            let end = &user[user.len() - 2..];
            if emit == "order" {
                let size = made["sz"].as_str().expect("a size");
                scene.exchange.statuses(user, &status(oid, "filled", "0.0", size));
            }
            for (leg, size) in legs {
                scene.expect(&[&format!("{end} {oid} {leg}-1 {size}@100 {ending}")]);
                wanted.push((format!("{user}-{oid}-{leg}-1"), (*size).to_owned()));
            }
        }
        scene.ends();
        let database = open(&scene.home.database());
        let mut query = database
            .prepare("SELECT signal_id, size_exact FROM hl_address_signals ORDER BY id")
            .expect("the table");
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        let rows: Vec<(String, String)> = rows.map(|row| row.expect("a row")).collect();
        assert_eq!(rows, wanted, "the rows are in the same order");
    }
}

#[test]
fn a_short_that_is_closed_has_a_close_rate() {
    let mut scene = Scene::of(&[A], LONG);
    for (oid, what, rate) in [
        (7, "BTC B 2.0 100.0 -8.0 Close Short", 0.25),
        (8, "BTC B 6.0 100.0 -6.0 Close Short", 1.0),
        (9, "BTC A 3.0 100.0 0.0 Open Short", 0.0),
        (10, "BTC B 0.75 100.0 -3.0 Close Short", 0.25),
    ] {
        let made = fill(oid, oid, what);
        scene.exchange.fills(A, std::slice::from_ref(&made));
        let size = made["sz"].as_str().expect("a size");
        scene.exchange.statuses(A, &status(oid, "filled", "0.0", size));
        let told = scene.signals(1).remove(0);
        assert_eq!(
            (&told["oid"], told["close_rate"].as_f64()),
            (&json!(oid), Some(rate)),
            "{told}"
        );
    }
    scene.ends();
}

/// A state of the account that says a position of `size` BTC.
fn position(size: &str) -> Value {
    let summary = json!({"accountValue": "1000.0", "totalNtlPos": "0.0", "totalMarginUsed": "0.0"});
    let position = json!({"type": "oneWay", "position": {"coin": "BTC", "szi": size,
        "entryPx": "100.0", "positionValue": "1.0", "unrealizedPnl": "0.0", "marginUsed": "0.0"}});
    let state =
        json!({"marginSummary": summary, "withdrawable": "1.0", "assetPositions": [position]});
    json!({"user": A, "clearinghouseStates": [["", state]]})
}

#[test]
fn close_rate_is_of_the_legs_own_beginning() {
    let mut scene = Scene::of(&[A], LONG);
    let state = |size: &str| {
        let kind = "allDexsClearinghouseState";
        scene.exchange.tell(kind, A, kind, &position(size));
    };
    // The state is from before the leg, then from the middle of it, then from after.
    state("100.0");
    scene.exchange.fills(A, &[fill(1, 7, "BTC A 3.0 100.0 16.0 Close Long")]);
    state("13.0");
    scene.exchange.fills(A, &[fill(2, 7, "BTC A 1.0 100.0 13.0 Close Long")]);
    state("0.0");
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "4.0"));
    let told = scene.signals(1).remove(0);
    assert_eq!(told["close_rate"].as_f64(), Some(0.25), "4 of 16: {told}");
    assert_eq!(told["position_rate"].as_f64(), Some(40.0), "400 of 1000: {told}");
    scene.ends();
}

#[test]
fn instruments_with_like_names_keep_their_own() {
    let mut scene = Scene::of(&[A], "emit = \"frame\"");
    let (coins, mut told) = (["CL", "xyz:CL", "PUMP", "@188", "CL", "xyz:CL"], Vec::new());
    for (n, coin) in (1..).zip(coins) {
        // Second fills continue the chains of their own instruments.
        let start = if n > 4 { "1.0" } else { "0.0" };
        let dir = if coin.starts_with('@') { "Buy" } else { "Open Long" };
        scene.exchange.fills(A, &[fill(n, n, &format!("{coin} B 1.0 10.0 {start} {dir}"))]);
        let signal = scene.signals(1).remove(0);
        let word = |key: &str| signal[key].as_str().expect("a text").to_owned();
        told.push(format!("{} {}", word("symbol"), word("asset_type")));
    }
    let wanted = ["CLUSDC futures", "xyz:CLUSDC futures", "PUMPUSDC futures", "PUMPUSDC spot"];
    assert_eq!(told[..4], wanted);
    assert_eq!(told[4..], wanted[..2]);
    let said = scene.ends();
    assert!(!said.contains("UPS006") && !said.contains("UPS009"), "{said}");
}

#[test]
fn an_unknown_direction_is_told_and_ends() {
    let mut scene = Scene::of(&[A], "timeout = \"1s\"\nstatus_grace = \"60s\"");
    let merged =
        |at, oid, start: &str| fill(at, oid, &format!("#12 B 2.0 0.5 {start} Merge Galaxy"));
    scene.exchange.fills(A, &[merged(1, 7, "0.0")]);
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "2.0"));
    let told = scene.signals(1).remove(0);
    assert_eq!(told["signal_id"], format!("{A}-7-Merge Galaxy-1"));
    assert_eq!((&told["direction"], &told["final"]), (&json!("other"), &json!(true)), "{told}");
    // Without an end it is told when its time is over.
    scene.exchange.fills(A, &[merged(2, 8, "2.0")]);
    scene.expect(&["a1 8 Merge Galaxy-1 2@0.5 more timeout"]);
    scene.ends();
}

#[test]
fn no_direction_breaks_a_batch_of_rows() {
    let labels = [
        "Open Long",
        "Liquidated Cross Long",
        "Liquidated Cross Short",
        "Liquidated Isolated Long",
        "Liquidated Isolated Short",
        "Auto-Deleveraging",
        "Backstop Borrow Liquidation",
        "Partial Borrow Liquidation",
        "Settlement",
        "Spot Dust Conversion",
        "Net Child Vaults",
        "A Label That Somebody May Invent One Day, Longer Than Any That There Is Today",
        "'; DROP TABLE hl_address_signals; --",
        "Liquidación ⚡",
    ];
    let mut scene = Scene::of(&[A], "emit = \"frame\"");
    let mut fills = Vec::new();
    for (n, label) in (0u64..).zip(labels) {
        // A dust conversion has no trade id.
        let coin = if n > 8 { "@188" } else { "BTC" };
        let mut made = fill(n, 100 + n, &format!("{coin} B 1.0 10.0 {n}.0 {label}"));
        if label == "Spot Dust Conversion" {
            made["tid"] = json!(0);
        }
        fills.push(made);
    }
    // One frame, one batch.
    scene.exchange.fills(A, &fills);
    let told = scene.signals(labels.len());
    let oids: Vec<u64> =
        told.iter().map(|signal| signal["oid"].as_u64().expect("an order")).collect();
    assert_eq!(oids, (100..100 + labels.len() as u64).collect::<Vec<_>>());
    let reasons: Vec<&Value> = told[1..9].iter().map(|signal| &signal["reason"]).collect();
    let forced = ["liquidation", "liquidation", "liquidation", "liquidation", "adl"];
    assert_eq!(reasons[..5], forced);
    let path = scene.home.database();
    let said = scene.ends();
    assert!(!said.contains("SNK"), "{said}");
    let database = open(&path);
    for table in ["hl_address_signals", "hl_order_aggregation"] {
        let count = format!("SELECT count(DISTINCT oid) FROM {table}");
        let rows: usize = database.query_row(&count, [], |row| row.get(0)).expect("a count");
        assert_eq!(rows, labels.len(), "{table}");
    }
}
