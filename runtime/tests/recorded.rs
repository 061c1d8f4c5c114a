//! Recorded material through the simulator into a node: every leg's size and notional come out exactly, whatever the
//! beginning (`start_from`) and whatever the moment of emission (`emit`).
//!
//! The two small recordings in `common/recorded` are written for the purpose, in the formats of the captured ones: flips,
//! fills of one millisecond, several coins, orders from before the beginning, repeated frames, liquidations.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::exchange::Exchange;
use common::market::Market;
use common::node::{Home, follow_at};
use common::shared_data;
use common::sums::{LegSums, Signals};
use serde_json::{Value, json};
use shards::Decimal;

/// Where an account's signals begin.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Start {
    Now,
    Snapshot,
}

impl Start {
    fn key(self) -> &'static str {
        match self {
            Start::Now => "start_from = \"now\"",
            Start::Snapshot => "start_from = \"snapshot\"",
        }
    }
}

/// What the recordings hold, straight from the files. `users` are the accounts in the order of the files.
fn wanted(files: &[PathBuf], users: &[String], start: Start) -> LegSums {
    let mut sums = LegSums::default();
    for (path, user) in files.iter().zip(users) {
        let text = fs::read_to_string(path).expect("a recording");
        let mut known = BTreeMap::new();
        let mut add = |fill: &Value, is_news: bool| {
            if known.insert(common::fill_key(fill), ()).is_none() && is_news {
                sums.add_fill(user, fill);
            }
        };
        if path.extension().is_some_and(|extension| extension == "json") {
            let fills: Vec<Value> = serde_json::from_str(&text).expect("fills");
            fills.iter().for_each(|fill| add(fill, true));
            continue;
        }
        let mut is_first = true;
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("a frame");
            let frame = &line["frame"];
            if frame["channel"] == "userFills" {
                let fills = frame["data"]["fills"].as_array().expect("fills");
                // The first snapshot is the past; a later one holds what is known, and perhaps more.
                let is_past = is_first && frame["data"]["isSnapshot"] == true;
                fills.iter().for_each(|fill| add(fill, !is_past || start == Start::Snapshot));
                is_first = false;
            }
        }
    }
    sums
}

/// Plays recordings into a node until standard output has told all of it, stops the node, and checks that the database
/// tells the same; the signals.
#[track_caller]
fn play(files: &[PathBuf], start: Start, emit: &str) -> (Market, Signals) {
    let mut args = vec!["--speed", "max", "--replay"];
    args.extend(files.iter().map(|path| path.to_str().expect("a plain path")));
    let market = Market::start(&args);
    let wanted = wanted(files, market.addresses(), start);
    let emit = format!("emit = \"{emit}\"\ntimeout = \"2s\"\nstatus_grace = \"1s\"");
    let home = Home::following(&market, start.key(), &emit);
    let mut node = home.run();
    let (mut signals, mut cursor) = (Signals::default(), 0);
    let told = node.out.try_wait(&mut cursor, |line| {
        signals.take(line);
        signals.sums == wanted
    });
    if let Err(why) = told {
        signals.sums.assert_equals(&wanted, &why);
    }
    node.ends_well();
    node.out.to_end().lines().skip(cursor).for_each(|line| signals.take(line));
    signals.sums.assert_equals(&wanted, "standard output");
    LegSums::of_database(&home.database()).assert_equals(&wanted, "the database");
    assert_eq!(signals.gaps, [""; 0], "nothing was missing");
    if start == Start::Now {
        market.truth().assert_equals(&wanted, "the simulator");
    }
    (market, signals)
}

/// The order emission says each leg once, when its order ends.
#[track_caller]
fn assert_once_a_leg(signals: &Signals) {
    assert_eq!(signals.len(), signals.sums.len());
    for signal in signals.all() {
        assert_eq!(signal["trigger"], "status", "{signal}");
        assert_eq!((&signal["revision"], &signal["final"]), (&1.into(), &true.into()), "{signal}");
        assert_eq!(signal["status"], "filled", "{signal}");
    }
}

fn small() -> [PathBuf; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/recorded");
    ["frames_a1.jsonl", "fills_b2.json"].map(|name| folder.join(name))
}

/// The signals of an order, in the order in which they left.
fn of_order(signals: &Signals, oid: u64) -> Vec<Value> {
    let mut found: Vec<Value> = signals.all().filter(|signal| signal["oid"] == oid).collect();
    found.sort_by_key(|signal| (signal["seq"].as_u64(), signal["index"].as_u64()));
    found
}

#[test]
fn small_recordings_from_now_on_at_the_end_of_each_order() {
    let (market, signals) = play(&small(), Start::Now, "order");
    assert_once_a_leg(&signals);
    let (a, b) = (market.addresses()[0].as_str(), market.addresses()[1].as_str());
    // Worked out by hand.
    for (user, oid, direction, size, notional) in [
        (a, 9004, "Close Long", "0.05", "4300.5"),
        (a, 9005, "Close Long", "0.35", "30103.175"),
        (a, 9007, "Close Long", "0.25", "21497.5"),
        (a, 9007, "Open Short", "0.25", "21497.45"),
        (a, 9008, "Close Short", "6", "366.61"),
        (a, 9010, "Sell", "12.25", "507.64"),
        (a, 9015, "Close Long", "0.03", "2581.6575"),
        (b, 8003, "Close Long", "15", "44923.75"),
        (b, 8003, "Open Short", "5", "14973.75"),
        (b, 8004, "Open Long", "3", "8980.5"),
        (b, 8005, "Close Short", "19796", "433.5324"),
    ] {
        let found = signals.sums.of(user, oid, direction);
        assert_eq!(found, Some((size.into(), notional.into())), "{oid} {direction}");
    }
    for flip in [9007, 8003, 8004, 9013] {
        let directions: Vec<Value> =
            of_order(&signals, flip).iter().map(|signal| signal["direction"].clone()).collect();
        assert_eq!(directions, ["close", "open"], "{flip}");
    }
    let one = |oid| of_order(&signals, oid).remove(0);
    assert_eq!(one(9004)["partial_history"], true);
    assert_eq!(one(9004)["cloid"], "0x00000000000000000000000000c10001");
    assert_eq!(one(9007)["partial_history"], false);
    assert_eq!(one(9011)["reason"], "liquidation");
    assert_eq!(one(9012)["reason"], Value::Null, "another one was liquidated");
    assert_eq!(one(8005)["reason"], "liquidation", "the label says it");
    assert_eq!(one(8007)["reason"], "adl");
    assert_eq!(one(9009)["fee_token"], "HYPE");
    // |start of the first fill| of the order was 0.6: 0.35 of it were closed.
    assert_eq!(one(9005)["close_rate"].as_f64(), Some(0.35 / 0.6));
}

#[test]
fn small_recordings_with_their_past_at_the_end_of_each_order() {
    let (market, signals) = play(&small(), Start::Snapshot, "order");
    let a = market.addresses()[0].as_str();
    for (oid, direction, size, notional) in [
        (9001, "Open Long", "0.75", "64500.5"),
        (9002, "Open Short", "10", "612"),
        (9003, "Buy", "20", "830"),
        (9004, "Close Long", "0.15", "12901.5"),
    ] {
        let found = signals.sums.of(a, oid, direction);
        assert_eq!(found, Some((size.into(), notional.into())), "{oid} {direction}");
    }
    assert!(signals.all().all(|signal| signal["partial_history"] == false));
}

#[test]
fn small_recordings_frame_by_frame() {
    let (market, signals) = play(&small(), Start::Now, "frame");
    let revisions: Vec<Value> =
        of_order(&signals, 9014).iter().map(|signal| signal["revision"].clone()).collect();
    assert_eq!(revisions, [1, 2, 3, 4, 5, 6], "a frame each");
    let flip: Vec<(Value, Value)> = of_order(&signals, 9007)
        .iter()
        .map(|signal| (signal["signal_id"].clone(), signal["size_exact"].clone()))
        .collect();
    let a = market.addresses()[0].as_str();
    let id = |rest: &str| Value::from(format!("{a}-9007-{rest}"));
    assert_eq!(
        flip,
        [
            (id("Close Long-1"), "0.25".into()),
            (id("Open Short-1"), "0.15".into()),
            (id("Open Short-2"), "0.1".into())
        ]
    );
    play(&small(), Start::Snapshot, "frame");
}

fn captured(folder: &str) -> Option<Vec<PathBuf>> {
    let entries = fs::read_dir(shared_data()?.join(folder)).expect("a folder of captured data");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    Some(files)
}

#[test]
fn captured_frames_give_exactly_their_legs() {
    let Some(files) = captured("derived_ws") else { return };
    let (_, signals) = play(&files, Start::Now, "order");
    assert_once_a_leg(&signals);
    play(&files, Start::Snapshot, "order");
    play(&files, Start::Now, "frame");
}

#[test]
fn captured_fills_give_exactly_their_legs() {
    let Some(files) = captured("rest_userFillsByTime") else { return };
    let (_, signals) = play(&files, Start::Now, "order");
    assert_once_a_leg(&signals);
    play(&files, Start::Now, "frame");
}

/// Whether a fill crosses zero, told from its numbers.
fn is_flip(fill: &Value) -> bool {
    let (start, size) = (common::decimal(fill, "startPosition"), common::decimal(fill, "sz"));
    let closes = !start.is_zero() && start.is_negative() == (fill["side"] == "B");
    closes && size > start.abs()
}

/// The end of each order, as if all of it had been filled.
fn ends(fills: &[Value]) -> Vec<Value> {
    let mut sizes: BTreeMap<u64, Decimal> = BTreeMap::new();
    for fill in fills {
        let size = sizes.entry(fill["oid"].as_u64().expect("an order")).or_default();
        *size = size.checked_add(common::decimal(fill, "sz")).expect("it fits");
    }
    let end = |(oid, size): (&u64, &Decimal)| {
        json!({"order": {"coin": "X", "side": "B", "limitPx": "1.0", "sz": "0.0", "oid": oid, "timestamp": 1,
            "origSz": size.to_string()}, "status": "filled", "statusTimestamp": 2})
    };
    sizes.iter().map(end).collect()
}

/// Plays an account's fills, in the order of their times: some as its past, some by frames, some while nobody is connected.
#[track_caller]
fn play_with_a_loss(user: &str, fills: &[Value], emit: &str) -> Signals {
    let blocks: Vec<&[Value]> = fills.chunk_by(|a, b| a["time"] == b["time"]).collect();
    let (past, live) = blocks.split_at(blocks.len() / 5);
    let (first, rest) = live.split_at(live.len() / 3);
    let (missed, last) = rest.split_at(rest.len() / 2);
    let mut wanted = LegSums::default();
    live.iter().copied().flatten().for_each(|fill| wanted.add_fill(user, fill));

    let exchange = Exchange::open();
    past.iter().for_each(|block| exchange.past(user, block));
    let aggregation = format!("emit = \"{emit}\"\ntimeout = \"10m\"\nstatus_grace = \"60s\"");
    let config = follow_at(&[user.to_owned()], &exchange.source(), "", &aggregation);
    let home = Home::new(1, &config);
    let mut node = home.run();
    node.err.wait_for("followed address");
    first.iter().for_each(|block| exchange.fills(user, block));
    // Of what is missed the snapshot shows some; the rest has to be asked for.
    exchange.show_at_most(20);
    exchange.cut(exchange.line_of(user));
    missed.iter().for_each(|block| exchange.past(user, block));
    exchange.line_of(user);
    last.iter().for_each(|block| exchange.fills(user, block));
    ends(fills).chunks(50).for_each(|ends| exchange.statuses(user, &json!(ends)));

    let (mut signals, mut cursor) = (Signals::default(), 0);
    let told = node.out.try_wait(&mut cursor, |line| {
        signals.take(line);
        signals.sums == wanted
    });
    if let Err(why) = told {
        signals.sums.assert_equals(&wanted, &why);
    }
    node.ends_well();
    node.out.to_end().lines().skip(cursor).for_each(|line| signals.take(line));
    signals.sums.assert_equals(&wanted, "standard output");
    LegSums::of_database(&home.database()).assert_equals(&wanted, "the database");
    signals
}

/// Fills of 2023: without trade ids, and an account that trades with itself, so that a position does not lead to the next
/// one. What cannot be told apart from missing fills is told as a gap; every fill counts all the same.
#[test]
fn captured_flips_of_2023_give_exactly_their_legs() {
    let Some(data) = shared_data() else { return };
    let path = data.join("rest_python_sdk/test_get_user_fills_by_time.json");
    let text = fs::read_to_string(path).expect("a recording");
    let mut fills: Vec<Value> = serde_json::from_str(&text).expect("fills");
    fills.sort_by_key(|fill| fill["time"].as_u64());
    assert!(fills.iter().all(|fill| fill["tid"].is_null() && fill["feeToken"].is_null()));
    let flips: Vec<&Value> = fills.iter().filter(|fill| is_flip(fill)).collect();
    assert_eq!(flips.len(), 22);
    let user = "0xb7b6f3cea3f66bf525f5d8f965f6dbf6d9b017b2";
    for emit in ["order", "frame"] {
        let signals = play_with_a_loss(user, &fills, emit);
        let mut seen = 0;
        for flip in &flips {
            let told = of_order(&signals, flip["oid"].as_u64().expect("an order"));
            let Some(close) = told.iter().position(|s| s["direction"] == "close") else { continue };
            // An order may go on after it has turned the position around.
            assert!(told[close..].iter().any(|s| s["direction"] == "open"), "{flip}: {told:?}");
            assert_ne!(told[0]["direction"], "open", "{flip}: {told:?}");
            seen += 1;
        }
        eprintln!("{emit}: {} signals, {} gaps, {seen} flips", signals.len(), signals.gaps.len());
        assert!(seen > 12, "{seen} of 22 flips are not in the past");
    }
}
