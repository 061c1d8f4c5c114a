//! Tests of reading a node's lines: every kind, every tolerance, and damaged ones.

use super::*;
use proptest::prelude::*;
use shards::Label;

const USER: &str = "0x0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "0xFEDCBA9876543210FEDCBA9876543210FEDCBA98";

const FILL: &str = r#"{"coin":"MON","px":"0.032693","sz":"33983.0","side":"B","time":1764059598111,"startPosition":"0.0","dir":"Open Long","closedPnl":"0.0","hash":"0xa955","oid":248252470514,"crossed":true,"fee":"0.499952","tid":128259158939093,"feeToken":"USDC","deployerFee":"0.1","new":[{"a":"]}"}]}"#;

fn status(user: &str) -> String {
    format!(
        r#"{{"time":"2025-11-25T08:33:18.111517886","user":"{user}","hash":"0x0d","builder":null,"status":"filled","order":{{"coin":"kPEPE","side":"B","limitPx":"0.004453","sz":"0.0","oid":248252469859,"timestamp":1764059598111,"triggerCondition":"N/A","children":[],"orderType":"Limit","origSz":"233318.0","tif":"Alo","cloid":null}}}}"#
    )
}

fn block(events: &str) -> String {
    format!(
        r#"{{"local_time":"2025-11-25T08:33:18.508962742","block_time":"2025-11-25T08:33:18.111517886","block_number":807847463,"events":[{events}]}}"#
    )
}

fn pair(user: &str) -> String {
    format!(r#"["{user}",{FILL}]"#)
}

/// With `user` among its fields.
fn object(user: &str) -> String {
    FILL.replacen('{', &format!(r#"{{"user":"{user}","#), 1)
}

fn address(text: &str) -> Address {
    text.parse().expect("an address in a test")
}

/// The line, read for `USER`: its head, and how much of it is wanted.
fn try_read(kind: Kind, line: &str) -> Result<(Head, Events), DecodeError> {
    let (mut events, user) = (Events::default(), address(USER));
    let head = read(kind, line.as_bytes(), |address| *address == user, &mut events)?;
    let mut users = events.fills.iter().map(|(user, _)| user);
    assert!(users.all(|found| *found == user), "only what is wanted");
    Ok((head, events))
}

#[track_caller]
fn reads(kind: Kind, line: &str, wanted: usize) -> (Head, Events) {
    match try_read(kind, line) {
        Ok((head, events)) => {
            assert_eq!(events.fills.len() + events.statuses.len(), wanted, "{line}");
            (head, events)
        }
        Err(error) => panic!("{error}: {line}"),
    }
}

#[test]
fn a_block_of_fills_gives_its_head_and_what_is_wanted() {
    let line = block(&[pair(OTHER), pair(USER), object(USER), pair(OTHER)].join(","));
    let (head, events) = reads(Kind::FillsByBlock, &line, 2);
    assert_eq!(head, Head { number: Some(807_847_463), time_ms: 1_764_059_598_111, events: 4 });
    let (user, fill) = events.fills[0];
    assert_eq!(user, address(USER));
    assert_eq!(
        (fill.coin.as_str(), fill.oid, fill.tid),
        ("MON", 248_252_470_514, 128_259_158_939_093)
    );
    assert_eq!(events.fills[1].1, fill, "both forms say the same");
    assert_eq!(reads(Kind::FillsByBlock, &block(""), 0).0.events, 0);
}

#[test]
fn single_fills_are_pairs_or_objects() {
    for line in [pair(USER), object(USER), format!(" [ \"{USER}\" , {FILL} , 7 ] \r")] {
        let (head, events) = reads(Kind::Fills, &line, 1);
        assert_eq!(head, Head { number: None, time_ms: 1_764_059_598_111, events: 1 });
        assert_eq!(events.fills[0].1.time_ms, head.time_ms);
    }
    assert_eq!(reads(Kind::Fills, &pair(OTHER), 0).0.time_ms, 1_764_059_598_111);
}

#[test]
fn statuses_are_read_in_blocks_and_alone() {
    let line = block(&format!("{},{}", status(OTHER), status(USER)));
    let (head, events) = reads(Kind::StatusesByBlock, &line, 1);
    assert_eq!(head.events, 2);
    let wanted = OrderStatus {
        oid: 248_252_469_859,
        status: Label::new("filled"),
        orig_sz: "233318".parse().expect("a decimal"),
        sz: "0".parse().expect("a decimal"),
        time_ms: 1_764_059_598_111,
    };
    assert_eq!(events.statuses, [(address(USER), wanted)]);
    let (head, events) = reads(Kind::Statuses, &status(USER), 1);
    assert_eq!((head.number, head.time_ms), (None, wanted.time_ms));
    assert_eq!(events.statuses[0].1, wanted);
}

#[test]
fn a_status_without_a_time_is_of_its_block() {
    let untimed = status(USER).replace("\"time\":\"2025-11-25T08:33:18.111517886\",", "");
    let (head, events) = reads(Kind::StatusesByBlock, &block(&untimed), 1);
    assert_eq!(events.statuses[0].1.time_ms, head.time_ms);
    assert!(try_read(Kind::Statuses, &untimed).is_err(), "alone it is of no time");
}

#[test]
fn keys_may_come_in_any_order_and_be_unknown() {
    let line = format!(
        r#" {{ "new" : {{"x":[1]}}, "events" : [ {} ] , "block_time":"2025-11-25T08:33:18Z", "block_number" : 7 , "z":null }} "#,
        pair(USER)
    );
    let (head, _) = reads(Kind::FillsByBlock, &line, 1);
    assert_eq!((head.number, head.time_ms), (Some(7), 1_764_059_598_000));
    let late = FILL.replace("\"feeToken\"", &format!("\"user\":\"{USER}\",\"feeToken\""));
    reads(Kind::FillsByBlock, &block(&late), 1);
    reads(Kind::Fills, &late, 1);
    // An unknown direction is kept as it is, by the rules of every fill.
    let unknown = pair(USER).replace("Open Long", "Quantum Close");
    assert_eq!(reads(Kind::Fills, &unknown, 1).1.fills[0].1.dir.as_str(), "Quantum Close");
    // So are fields that may be missing.
    for missing in ["\"tid\":128259158939093,", "\"fee\":\"0.499952\",", "\"crossed\":true,"] {
        reads(Kind::Fills, &pair(USER).replace(missing, ""), 1);
    }
}

#[test]
fn a_broken_line_is_an_error_with_its_place_and_leaves_nothing() {
    let good = block(&[pair(USER), pair(OTHER), pair(USER)].join(","));
    for (from, to, why) in [
        ("\"block_number\":807847463,", "", "a block without a number"),
        ("\"block_time\":\"2025-11-25T08:33:18.111517886\",", "", "a block without a time"),
        ("\"events\"", "\"event\"", "a block without events"),
        ("807847463", "\"807847463\"", "not an integer"),
        ("807847463", "18446744073709551615", "a block number beyond any chain's"),
        ("807847463", "9007199254740993", "a block number beyond any chain's"),
        ("T08:33:18.111517886\",\"block_number", " 08:33\",\"block_number", "not a time"),
        (OTHER, "0x638b9e1f...", "a user that is no address"),
        ("\"side\":\"B\"", "\"side\":\"C\"", "neither B nor A"),
        ("\"0.032693\"", "\"0.03...\"", "0.03..."),
        ("\"33983.0\"", "\"-1\"", "below zero"),
    ] {
        let line = good.replace(from, to);
        assert_ne!(line, good, "{from}");
        let error = try_read(Kind::FillsByBlock, &line).expect_err(why);
        assert!(error.why.contains(why), "{error}");
        assert!(error.at <= line.len() && !error.sample.is_empty(), "{error}");
    }
    let mut events = Events::default();
    for len in 0..good.len() {
        let cut = &good.as_bytes()[..len];
        let error = read(Kind::FillsByBlock, cut, |_| true, &mut events).expect_err("cut off");
        assert!(error.at <= len, "{error}");
        assert!(events.fills.is_empty(), "half a block");
    }
    for line in [format!("{good}x"), format!("{good}{good}"), "[]".to_owned(), "7".to_owned()] {
        assert!(try_read(Kind::FillsByBlock, &line).is_err(), "{line}");
    }
    let mut bytes = good.into_bytes();
    let at = bytes.len() / 2;
    bytes[at] = 0xff;
    let _ = read(Kind::FillsByBlock, &bytes, |_| true, &mut events);
}

#[test]
fn a_fill_that_nobody_wants_is_not_judged() {
    let line = block(&format!("{},{}", pair(OTHER).replace("33983.0", "?"), pair(USER)));
    reads(Kind::FillsByBlock, &line, 1);
}

proptest! {
    /// Passing over and decoding agree about where an event ends.
    #[test]
    fn what_is_wanted_does_not_change_what_the_line_is(
        users in proptest::collection::vec(any::<bool>(), 0..6),
        objects in proptest::collection::vec(any::<bool>(), 6),
        text in "[a-z\"\\\\\\[\\]{},:]{0,12}",
        statuses in any::<bool>(),
    ) {
        let escaped = serde_json::to_string(&text).expect("a string");
        let event = |(mine, object_form): (&bool, &bool)| {
            let user = if *mine { USER } else { OTHER };
            let event = match (statuses, object_form) {
                (true, _) => status(user),
                (false, true) => object(user),
                (false, false) => pair(user),
            };
            event.replace("\"coin\"", &format!("{escaped}:{{\"x\":[{escaped}]}},\"coin\""))
        };
        let line = block(&users.iter().zip(&objects).map(event).collect::<Vec<_>>().join(","));
        let kind = if statuses { Kind::StatusesByBlock } else { Kind::FillsByBlock };
        let mut events = Events::default();
        let all = read(kind, line.as_bytes(), |_| true, &mut events);
        prop_assert_eq!(events.fills.len() + events.statuses.len(), users.len());
        prop_assert_eq!(&all, &head(kind, line.as_bytes()));
        let (some, events) = try_read(kind, &line).expect("the same line");
        prop_assert_eq!(all, Ok(some));
        let mine = users.iter().filter(|mine| **mine).count();
        prop_assert_eq!(events.fills.len() + events.statuses.len(), mine);
    }
}
