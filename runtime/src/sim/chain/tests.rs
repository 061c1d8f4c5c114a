//! What the chain writes, line by line.

use std::rc::Rc;

use serde_json::{Value, json};

use super::super::tape::OrderFace;
use super::*;

const USER: Address = Address([5; 20]);
/// 2026-09-21T14:13:20 UTC.
const BEGIN_MS: u64 = 1_790_000_000_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn chain(plain: bool, hour: Option<Duration>) -> Chain {
    Chain::new(1, plain, hour, BEGIN_MS)
}

fn block(time_ms: u64, tid: u64) -> Block {
    let fill = Fill {
        coin: "BTC".into(),
        px: Decimal::new(50_000, 0),
        sz: Decimal::new(5, 1),
        side: Side::Buy,
        time_ms,
        start_position: Decimal::ZERO,
        dir: Dir::OpenLong,
        closed_pnl: Decimal::ZERO,
        oid: 77,
        crossed: true,
        fee: Decimal::ZERO,
        fee_token: "USDC".into(),
        tid,
        cloid: None,
        liquidation: None,
    };
    let face = OrderFace {
        coin: "BTC",
        side: Side::Buy,
        limit_px: fill.px,
        left: Decimal::ZERO,
        orig: fill.sz,
        oid: 77,
        placed_ms: time_ms,
        cloid: None,
        reduce_only: false,
    };
    let updates = vec![face.update("filled", time_ms)];
    Block { time_ms, fills: vec![Rc::new(fill_on_tape(fill, Extras::default()))], updates }
}

fn lines(chain: &mut Chain, wanted: NodeKind) -> Vec<(u64, String)> {
    let ops = chain.take_ops().into_iter();
    ops.filter_map(|op| match op {
        NodeOp::Append { kind, hour, text } if kind == wanted => Some((hour, text)),
        _ => None,
    })
    .collect()
}

#[test]
fn a_block_has_both_sides_of_each_trade_and_the_states_of_orders() {
    let mut chain = chain(false, None);
    chain.take_in(&USER, &block(BEGIN_MS + 250, 9));
    assert!(chain.has_fills() && !chain.is_quiet());
    assert!(chain.ends_before(&block(BEGIN_MS + 251, 9)));
    chain.seal(BEGIN_MS + 250, ms(250), None);
    let ops = chain.take_ops();
    let [NodeOp::Append { text: fills, hour, .. }, NodeOp::Append { text: statuses, .. }] =
        &ops[..]
    else {
        panic!("{ops:?}");
    };
    assert_eq!(*hour, BEGIN_MS / HOUR_MS);
    assert!(fills.ends_with('\n') && fills.lines().count() == 1);
    let line: Value = serde_json::from_str(fills).expect("JSON");
    assert_eq!(line["block_number"], NUMBER_BASE + 1);
    let time = line["block_time"].as_str().expect("a time");
    assert!(time.starts_with("2026-09-21T14:13:20.250") && time.len() == 29, "{time}");
    let events = line["events"].as_array().expect("events");
    assert_eq!((&events[0][0], &events[0][1]["oid"]), (&json!(USER.to_string()), &json!(77)));
    let (own, other) = (&events[0][1], &events[1][1]);
    for field in ["tid", "px", "sz", "time", "coin", "hash"] {
        assert_eq!(own[field], other[field], "{field}");
    }
    assert_eq!((&own["side"], &other["side"]), (&json!("B"), &json!("A")));
    let line: Value = serde_json::from_str(statuses).expect("JSON");
    let status = &line["events"][0];
    assert_eq!((&status["user"], &status["time"]), (&json!(USER.to_string()), &json!(time)));
    assert_eq!((&status["status"], &status["order"]["cloid"]), (&json!("filled"), &Value::Null));
    assert_eq!(status["order"]["reduceOnly"], false);
    assert!(chain.is_quiet());
}

#[test]
fn empty_blocks_come_in_a_rhythm_and_numbers_have_no_hole() {
    let mut chain = chain(false, None);
    assert!(!chain.is_due(ms(99)) && chain.is_due(ms(100)));
    for n in 1..=3 {
        chain.seal(BEGIN_MS, ms(100 * n), None);
    }
    let numbers: Vec<u64> = lines(&mut chain, NodeKind::Fills)
        .iter()
        .map(|(_, line)| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(line["events"], json!([]));
            line["block_number"].as_u64().expect("a number")
        })
        .collect();
    assert_eq!(numbers, [NUMBER_BASE + 1, NUMBER_BASE + 2, NUMBER_BASE + 3]);
}

#[test]
fn plain_files_have_events_only_and_short_hours_count_on() {
    let mut chain = chain(true, Some(ms(5000)));
    chain.seal(BEGIN_MS, ms(100), None);
    assert!(chain.take_ops().is_empty(), "an empty block leaves no trace");
    chain.take_in(&USER, &block(BEGIN_MS + 1, 0));
    chain.seal(BEGIN_MS + 1, ms(4999), None);
    chain.take_in(&USER, &block(BEGIN_MS + 2, 0));
    chain.seal(BEGIN_MS + 2, ms(5000), None);
    let found = lines(&mut chain, NodeKind::Fills);
    let hours: Vec<u64> = found.iter().map(|(hour, _)| *hour).collect();
    assert_eq!(hours, [0, 1]);
    let event = found[0].1.lines().next().expect("a line");
    let event: Value = serde_json::from_str(event).expect("JSON");
    assert_eq!(event[0], USER.to_string());
}

#[test]
fn mishaps_lose_nothing_but_the_skipped_block() {
    let mut chain = chain(false, None);
    let mut at = 0;
    let mut seal = |chain: &mut Chain, mishap| {
        at += 10;
        chain.take_in(&USER, &block(BEGIN_MS + at, at));
        chain.seal(BEGIN_MS + at, ms(at), mishap);
    };
    seal(&mut chain, Some(Mishap::Skip));
    assert!(chain.take_ops().is_empty());
    seal(&mut chain, Some(Mishap::Part(ms(100))));
    seal(&mut chain, None);
    let part: String = lines(&mut chain, NodeKind::Fills).into_iter().map(|l| l.1).collect();
    assert!(!part.contains('\n') && chain.is_held());
    chain.release(Some(ms(119)));
    assert!(chain.take_ops().is_empty());
    chain.release(Some(ms(120)));
    let rest: String = lines(&mut chain, NodeKind::Fills).into_iter().map(|l| l.1).collect();
    let numbers: Vec<Value> = (part + &rest)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["block_number"].clone())
        .collect();
    assert_eq!(numbers, [json!(NUMBER_BASE + 2), json!(NUMBER_BASE + 3)]);
    seal(&mut chain, Some(Mishap::Lag(ms(50))));
    seal(&mut chain, None);
    assert!(chain.take_ops().is_empty());
    chain.release(None);
    assert_eq!(lines(&mut chain, NodeKind::Statuses).len(), 2);
    seal(&mut chain, Some(Mishap::Replace));
    assert_eq!(chain.take_ops().last(), Some(&NodeOp::Replace(NodeKind::Statuses)));
}

#[test]
fn days_have_their_dates() {
    for (days, date) in
        [(0, (1970, 1, 1)), (58, (1970, 2, 28)), (789, (1972, 2, 29)), (20_717, (2026, 9, 21))]
    {
        assert_eq!(civil(days), date);
    }
}
