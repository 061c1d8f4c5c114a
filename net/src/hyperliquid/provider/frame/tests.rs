//! Tests of the frames of providers: every form, and what is none.

use super::*;
use proptest::prelude::*;

const FILL: &str = r#"{"coin":"ETH","px":"2150.50","sz":"1.5","side":"B","time":1704067200000,"startPosition":"1.5","dir":"Open Long","closedPnl":"125.5","hash":"0xab","oid":5,"crossed":true,"fee":"0.1","tid":6,"feeToken":"USDC","builder":"0x01","txIndex":3}"#;

fn user(n: u8) -> String {
    Address([n; 20]).to_string()
}

/// Two tuples: of accounts 0x0a… (in upper case) and 0x0b….
fn tuples() -> String {
    let first = user(0x0a).to_uppercase().replace('X', "x");
    format!(r#"[["{first}",{FILL}],["{}",{FILL},null]]"#, user(0x0b))
}

#[track_caller]
fn check(text: &str, snapshot: bool, seq: Option<u64>, block: Option<u64>) {
    let mut scratch = Scratch::default();
    let frame = decode(text, &mut scratch).expect(text);
    let Frame::Fills { snapshot: found, position, first } = frame else {
        panic!("{frame:?}: {text}")
    };
    assert_eq!((found, position.seq, position.block), (snapshot, seq, block), "{text}");
    assert_eq!(first, Some(Address([0x0a; 20])));
    let users: Vec<Address> = scratch.fills.iter().map(|(user, _)| *user).collect();
    assert_eq!(users, [Address([0x0a; 20]), Address([0x0b; 20])], "{text}");
    assert!(scratch.fills.iter().all(|(_, fill)| fill.tid == 6));
}

#[test]
fn fills_are_found_wherever_they_stand() {
    let list = tuples();
    check(&format!(r#"{{"channel":"userFills","fills":{list}}}"#), false, None, None);
    check(
        &format!(
            r#"{{"type":"userFills","channel":"userFills","seq":7,"cursor":"500:1:3","fills":{list}}}"#
        ),
        false,
        Some(7),
        None,
    );
    check(&format!(r#"{{"fills":{list},"seq":"8","type":"userFills"}}"#), false, Some(8), None);
    check(&format!(r#"{{"channel":"userFills","data":{list}}}"#), false, None, None);
    check(
        &format!(
            r#"{{"data":{{"isSnapshot":true,"block_number":500,"fills":{list}}},"seq":1,"channel":"userFills"}}"#
        ),
        true,
        Some(1),
        Some(500),
    );
    check(
        &format!(
            r#"{{"channel":"userFills","data":{{"events":{list},"blockNumber":9,"seq":2,"new":[]}}}}"#
        ),
        false,
        Some(2),
        Some(9),
    );
}

#[test]
fn the_public_servers_form_is_understood_too() {
    let text = format!(
        r#"{{"channel":"userFills","data":{{"user":"{}","isSnapshot":true,"fills":[{FILL},{FILL}]}}}}"#,
        user(7)
    );
    let mut scratch = Scratch::default();
    let frame = decode(&text, &mut scratch).expect("reads");
    let first = Some(Address([7; 20]));
    assert_eq!(frame, Frame::Fills { snapshot: true, position: Position::default(), first });
    assert_eq!(scratch.fills.len(), 2);
}

#[test]
fn answers_pings_and_greetings_are_told_apart() {
    let address = Some(Address([7; 20]));
    let refused = |text: &'static str| Frame::Refused { text: Cow::Borrowed(text) };
    let acknowledged = |begins, address| Frame::Acknowledged { begins, address };
    let echo = format!(r#"{{"type":"userFills","addresses":["{}"]}}"#, user(7));
    let whole = format!(
        r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{echo}}}}}"#
    );
    let ended = format!(
        r#"{{"channel":"subscriptionResponse","method":"unsubscribe","subscription":{echo}}}"#
    );
    for (text, wanted) in [
        (whole.as_str(), acknowledged(Some(true), address)),
        (ended.as_str(), acknowledged(Some(false), address)),
        (
            r#"{"channel":"subscriptionResponse","data":{"subscriptionId":"sub_01","type":"userFills"}}"#,
            acknowledged(None, None),
        ),
        (
            r#"{"type":"subscriptionUpdate","subscribed":["userFills"],"unsubscribed":[]}"#,
            acknowledged(None, None),
        ),
        (r#"{"type":"unsubscribed"}"#, acknowledged(Some(false), None)),
        (r#"{"channel":"error","data":"no \\ key"}"#, refused("no \\ key")),
        (r#"{"type":"error","message":"limit reached"}"#, refused("limit reached")),
        (r#"{"channel":"error","data":{"message":"bad key"}}"#, refused("bad key")),
        (r#"{"error":"Unauthorized"}"#, refused("Unauthorized")),
        (r#"{"channel":"pong"}"#, Frame::Pong),
        (r#"{"type":"pong"}"#, Frame::Pong),
        (r#"{ "type": "ping" }"#, Frame::Ping),
        ("ping", Frame::Ping),
        (r#"{"type":"connected","sessionId":"x"}"#, Frame::Other),
        (r#"{"channel":"trades","data":[1]}"#, Frame::Other),
        ("{}", Frame::Other),
        ("Websocket connection established.", Frame::Other),
    ] {
        assert_eq!(decode(text, &mut Scratch::default()), Ok(wanted), "{text}");
    }
}

#[test]
fn a_bad_fill_spoils_its_frame_and_says_where() {
    let mut scratch = Scratch::default();
    let good = format!(r#"{{"channel":"userFills","fills":{}}}"#, tuples());
    for (from, to) in [
        ("\"B\"", "\"X\""),
        (",{", ",[{"),
        ("0x0b", "0x0"),
        ("\"1.5\",\"side\"", "\"-1.5\",\"side\""),
        ("\"fills\":[", "\"fills\":[7,"),
        ("\"fills\":", "\"files\":"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let error = decode(&bad, &mut scratch).expect_err(&bad);
        assert!(error.at <= bad.len() && scratch.fills.is_empty(), "{error}: {bad}");
    }
    for text in ["", "[]", "nonsense", "{", r#"{"channel":"userFills"}"#] {
        assert!(decode(text, &mut scratch).is_err(), "{text}");
    }
    assert!(decode(&good, &mut scratch).is_ok());
}

/// What both readers make of a text: whether the short way read it, after checking that it read what the other reads.
fn both(text: &str) -> Result<bool, TestCaseError> {
    let mut fills = Vec::new();
    let Some((snapshot, position)) = Direct::read(text, &mut fills) else { return Ok(false) };
    let mut scratch = Scratch::default();
    let first = fills.first().map(|(user, _)| *user);
    let wanted = Frame::Fills { snapshot, position, first };
    prop_assert_eq!(decode_json(text, &mut scratch), Ok(wanted), "{}", text);
    prop_assert_eq!(&fills, &scratch.fills, "{}", text);
    Ok(true)
}

/// Members of the outer object and of `data`; the list of fills is one of them.
fn members() -> [String; 9] {
    [
        r#""type":"userFills""#.to_owned(),
        r#""channel":"userFills""#.to_owned(),
        r#""seq":7"#.to_owned(),
        r#""cursor":"500:1704067200000:3""#.to_owned(),
        r#""block_number":"500""#.to_owned(),
        r#""isSnapshot":true"#.to_owned(),
        r#""new":[{}]"#.to_owned(),
        r#""blockTime":5"#.to_owned(),
        format!(r#""fills":{}"#, tuples()),
    ]
}

#[test]
fn the_short_way_reads_what_providers_send() {
    let reads = |text: &str| both(text).expect("the readers agree");
    let list = tuples();
    for text in [
        format!(r#"{{"channel":"userFills","fills":{list}}}"#),
        format!(r#"{{"type":"userFills","channel":"userFills","seq":7,"fills":{list}}}"#),
        format!(r#"{{"channel":"userFills","data":{list}}}"#),
        format!(r#"{{"channel":"userFills","data":{{"isSnapshot":true,"events":{list}}}}}"#),
        r#"{"channel":"userFills","fills":[]}"#.to_owned(),
    ] {
        assert!(reads(&text), "{text}");
        for cut in 0..text.len() {
            assert!(!reads(&text[..cut]), "{cut} bytes");
        }
    }
}

proptest! {
    #[test]
    fn what_the_short_way_reads_is_what_the_general_reader_reads(
        order in Just(members().to_vec()).prop_shuffle(),
        split in 0usize..10,
        keep in 0usize..10,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..2), 0..3),
    ) {
        let kept = &order[..keep.min(order.len())];
        let (outer, inner) = kept.split_at(split.min(kept.len()));
        let mut outer = outer.to_vec();
        if !inner.is_empty() {
            outer.push(format!(r#""data":{{{}}}"#, inner.join(",")));
        }
        let text = format!("{{{}}}", outer.join(","));
        both(&text)?;
        let mut bytes = text.into_bytes();
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len());
            if edit == 0 { bytes[at] = byte } else { bytes[at..].rotate_left(1) }
        }
        both(&String::from_utf8_lossy(&bytes))?;
    }
}
