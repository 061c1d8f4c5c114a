//! Tests of decoding: every kind of frame, and damaged ones.

use super::*;
use proptest::prelude::*;
use shards::fill::Liquidation;
use shards::{Dir, Label, Side, Token};

const USER: &str = "0x000000000000000000000000000000000000000A";

const FILL: &str = r#"{"coin":"BTC","px":"86006.0","sz":"0.07905","side":"B","time":1791280942711,
"startPosition":"-0.14136","dir":"Close Short","closedPnl":"-2.600745","hash":"0x0da3","oid":566617233807,
"crossed":true,"fee":"-0.067987","tid":669583051366496,"cloid":"0x000000000000000000065d2917ff6969",
"feeToken":"USDC","twapId":2288616,"builderFee":"0.0001","liquidation":{"liquidatedUser":
"0x000000000000000000000000000000000000000b","markPx":"86010.0","method":"backstop"},"newField":{"a":[1,{}]}}"#;

fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal in a test")
}

fn address(text: &str) -> Address {
    text.parse().expect("an address in a test")
}

fn user_fills(fills: &str) -> String {
    format!(r#"{{"channel":"userFills","data":{{"user":"{USER}","fills":[{fills}]}}}}"#)
}

#[track_caller]
fn read<'a>(text: &'a str, scratch: &mut Scratch) -> Frame<'a> {
    match decode(text, scratch) {
        Ok(frame) => frame,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_field_of_a_fill_is_read() {
    let mut scratch = Scratch::default();
    let text = user_fills(FILL);
    let frame = read(&text, &mut scratch);
    assert_eq!(frame, Frame::UserFills { user: address(USER), snapshot: false });
    let wanted = Fill {
        coin: Coin::new("BTC"),
        px: dec("86006"),
        sz: dec("0.07905"),
        side: Side::Buy,
        time_ms: 1_791_280_942_711,
        start_position: dec("-0.14136"),
        dir: Dir::CloseShort,
        closed_pnl: dec("-2.600745"),
        oid: 566_617_233_807,
        crossed: true,
        fee: dec("-0.067987"),
        fee_token: Token::new("USDC"),
        tid: 669_583_051_366_496,
        cloid: Some([0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0x5d, 0x29, 0x17, 0xff, 0x69, 0x69]),
        liquidation: Some(Liquidation {
            user: address("0x000000000000000000000000000000000000000b"),
            method: Token::new("backstop"),
        }),
    };
    assert_eq!(scratch.fills, [wanted]);
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let mut scratch = Scratch::default();
    let wanted = Frame::UserFills { user: address(USER), snapshot: true };
    for text in [
        format!(
            r#"{{"channel":"userFills","data":{{"isSnapshot":true,"user":"{USER}","fills":[{FILL}]}}}}"#
        ),
        format!(
            r#"{{"data":{{"fills":[{FILL}],"user":"{USER}","isSnapshot":true}},"channel":"userFills"}}"#
        ),
        format!(
            r#" {{ "new":1, "data":{{"fills":[{FILL}],"x":null,"isSnapshot":true,"user":"{USER}"}},
            "channel":"user\u0046ills", "z":[] }} "#
        ),
    ] {
        assert_eq!(read(&text, &mut scratch), wanted, "{text}");
        assert_eq!(scratch.fills.len(), 1, "{text}");
    }
}

#[test]
fn escapes_numbers_and_unknown_words_are_tolerated() {
    let mut scratch = Scratch::default();
    let fill = FILL
        .replace("\"86006.0\"", "86006.5")
        .replace("Close Short", "Close \\u0053hort")
        .replace("\"BTC\"", "\"PURR\\/USDC\"");
    let text = user_fills(&fill);
    read(&text, &mut scratch);
    assert_eq!(scratch.fills[0].px, dec("86006.5"));
    assert_eq!(scratch.fills[0].dir, Dir::CloseShort);
    assert_eq!(scratch.fills[0].coin.as_str(), "PURR/USDC");
    let text = user_fills(&FILL.replace("Close Short", "Merge Question"));
    read(&text, &mut scratch);
    assert_eq!(scratch.fills[0].dir, Dir::Other(Label::new("Merge Question")));
}

#[test]
fn a_bad_fill_spoils_the_frame_and_leaves_nothing() {
    let mut scratch = Scratch::default();
    for (field, bad) in [
        ("\"B\"", "\"C\""),
        ("\"86006.0\"", "\"86,006\""),
        ("\"86006.0\"", "null"),
        ("\"0.07905\"", "\"-1\""),
        ("1791280942711", "-1"),
        ("1791280942711", "\"now\""),
        ("\"oid\"", "\"oud\""),
        ("\"BTC\"", "\"a name of a coin that is longer than any\""),
        ("0x000000000000000000000000000000000000000b", "0x0b"),
    ] {
        let text = user_fills(&format!("{FILL},{}", FILL.replace(field, bad)));
        let error = decode(&text, &mut scratch).expect_err(bad);
        assert!(error.at > text.len() / 2 && error.at <= text.len(), "{error}");
        assert!(scratch.fills.is_empty(), "half a frame: {bad}");
    }
    for text in [
        r#"{"channel":"userFills","data":{"fills":[]}}"#.to_owned(),
        format!(r#"{{"channel":"userFills","data":{{"user":"{USER}"}}}}"#),
        r#"{"channel":"userFills"}"#.to_owned(),
        r#"{"channel":"userFills","data":null}"#.to_owned(),
    ] {
        assert!(decode(&text, &mut scratch).is_err(), "{text}");
    }
}

#[test]
fn errors_say_where_and_show_the_place() {
    let mut scratch = Scratch::default();
    let text = r#"{"channel":"orderUpdates","data":[{"status":7}]}"#;
    let error = decode(text, &mut scratch).expect_err("a number for a status");
    let place = text.find('7').expect("it is there");
    assert!(error.at.abs_diff(place) <= 1, "{error}");
    assert!(error.sample.as_str().contains("\"status\":7"), "{error}");
    // The same behind a late channel and a line end.
    let late = "{\n\"data\":[\n{\"status\":7}],\"channel\":\"orderUpdates\"}";
    let error = decode(late, &mut scratch).expect_err("a number for a status");
    let place = late.find('7').expect("it is there");
    assert!(error.at.abs_diff(place) <= 1, "{} for {place}: {error}", error.at);
    let huge = user_fills(&FILL.replace("86006.0", &"9".repeat(100_000)));
    let error = decode(&huge, &mut scratch).expect_err("too long a number");
    assert!(error.to_string().len() < 400, "{} bytes of error", error.to_string().len());
    for text in
        ["", "{", "[]", "nope", "{\"data\":1}", "{\"channel\":1}", "{\"channel\":\"pong\"} x", "é"]
    {
        assert!(decode(text, &mut scratch).is_err(), "{text}");
    }
}

#[test]
fn control_frames_are_told_apart() {
    let mut scratch = Scratch::default();
    let fills = Subscription::UserFills { user: address(USER) };
    for (text, wanted) in [
        ("Websocket connection established.".to_owned(), Frame::Greeting),
        (r#"{"channel":"pong"}"#.to_owned(), Frame::Pong),
        (r#"{"channel":"pong","data":null}"#.to_owned(), Frame::Pong),
        (
            format!(
                r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":
                {{"type":"userFills","user":"{USER}","aggregateByTime":false}}}}}}"#
            ),
            Frame::Subscribed { subscription: fills },
        ),
        (
            format!(
                r#"{{"channel":"subscriptionResponse","data":{{"subscription":{fills},"method":"unsubscribe"}}}}"#
            ),
            Frame::Unsubscribed { subscription: fills },
        ),
        (
            r#"{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":
                {"type":"bbo","coin":"BTC"}}}"#
                .to_owned(),
            Frame::Other { channel: "subscriptionResponse".into() },
        ),
        (
            r#"{"channel":"error","data":"Invalid: {\"a\":1}"}"#.to_owned(),
            Frame::Refused { text: "Invalid: {\"a\":1}".into() },
        ),
        (r#"{"channel":"new","data":{"a":[]}}"#.to_owned(), Frame::Other { channel: "new".into() }),
        (r#"{"channel":"new"}"#.to_owned(), Frame::Other { channel: "new".into() }),
        (r#"{"channel":"trades","data":[{},{"a":1}]}"#.to_owned(), Frame::Trades { count: 2 }),
    ] {
        assert_eq!(read(&text, &mut scratch), wanted, "{text}");
    }
}

#[test]
fn order_updates_bring_their_statuses_in_order() {
    let mut scratch = Scratch::default();
    let text = r#"{"channel":"orderUpdates","data":[
        {"order":{"coin":"@107","side":"B","limitPx":"93.218","sz":"3.28","oid":56,"timestamp":17,
         "origSz":"3.28","cloid":null},"status":"open","statusTimestamp":18},
        {"statusTimestamp":19,"status":"newRuleRejected","order":{"origSz":"3.28","sz":"1","oid":57}}]}"#;
    assert_eq!(read(text, &mut scratch), Frame::OrderUpdates);
    let status = |oid, status: &str, sz, time_ms| OrderStatus {
        oid,
        status: Label::new(status),
        orig_sz: dec("3.28"),
        sz: dec(sz),
        time_ms,
    };
    assert_eq!(
        scratch.statuses,
        [status(56, "open", "3.28", 18), status(57, "newRuleRejected", "1", 19)]
    );
}

#[test]
fn an_account_is_told_dex_by_dex() {
    let mut scratch = Scratch::default();
    let text = format!(
        r#"{{"channel":"allDexsClearinghouseState","data":{{"clearinghouseStates":[
        ["",{{"marginSummary":{{"accountValue":"100.5","totalNtlPos":"200","totalRawUsd":"1","totalMarginUsed":"3"}},
          "withdrawable":"2720674.5776","assetPositions":[{{"type":"oneWay","position":{{"coin":"SAGA",
          "szi":"-103774.5","leverage":{{"type":"cross","value":20}},"entryPx":"0.01662","positionValue":"2527.9",
          "unrealizedPnl":"-802.2","returnOnEquity":"-9.29","liquidationPx":null,"marginUsed":"126.3"}}}}],"time":1}}],
        ["xyz",{{"marginSummary":{{"accountValue":"-0.5","totalNtlPos":"1","totalMarginUsed":"0.0"}},
          "withdrawable":"0.0","assetPositions":[{{"position":{{"coin":"xyz:CL","szi":"1","entryPx":null}}}}]}},"more"]
        ],"user":"{USER}"}}}}"#
    );
    let Frame::Account(state) = read(&text, &mut scratch) else { panic!("an account") };
    let wanted = AccountState { user: address(USER), positions: 2 };
    assert_eq!(state, wanted);
    let dex = |dex: &str, amounts: [&str; 4]| {
        let [account_value, total_margin_used, total_ntl_pos, withdrawable] = amounts.map(dec);
        let dex = Coin::new(dex);
        DexState { dex, account_value, total_margin_used, total_ntl_pos, withdrawable }
    };
    assert_eq!(
        scratch.dexs,
        [dex("", ["100.5", "3", "200", "2720674.5776"]), dex("xyz", ["-0.5", "0", "1", "0"]),]
    );
    assert_eq!(
        scratch.text,
        concat!(
            r#"[{"coin":"SAGA","szi":"-103774.5","entry_px":"0.01662","unrealized_pnl":"-802.2","leverage":"20","#,
            r#""margin_used":"126.3","position_value":"2527.9","return_on_equity":"-9.29"},"#,
            r#"{"coin":"xyz:CL","szi":"1","entry_px":null,"unrealized_pnl":null,"leverage":null,"#,
            r#""margin_used":null,"position_value":null,"return_on_equity":null}]"#
        )
    );
    let empty = format!(
        r#"{{"channel":"allDexsClearinghouseState","data":{{"user":"{USER}","clearinghouseStates":[]}}}}"#
    );
    read(&empty, &mut scratch);
    assert_eq!((scratch.text.as_str(), scratch.dexs.len()), ("[]", 0));
}

#[test]
fn spot_balances_are_numbers_and_text() {
    let mut scratch = Scratch::default();
    let text = format!(
        r#"{{"channel":"spotState","data":{{"user":"{USER}","spotState":{{"balances":[
        {{"coin":"USDC","token":0,"total":"100508.11","hold":"49999.89","entryNtl":"1.0"}},
        {{"coin":"VA\"ULT","token":106,"total":"0.95"}}],"tokenToAvailableAfterMaintenance":[[0,"1"]]}}}}}}"#
    );
    let unified = |is_unified| Frame::Spot { user: address(USER), is_unified };
    assert_eq!(read(&text, &mut scratch), unified(true));
    for apart in ["[]", "null"] {
        let text = text.replace(r#"[[0,"1"]]"#, apart);
        assert_eq!(read(&text, &mut scratch), unified(false), "{apart}");
    }
    let text = text.replace(r#","tokenToAvailableAfterMaintenance":[[0,"1"]]"#, "");
    assert_eq!(read(&text, &mut scratch), unified(false));
    let unnumbered = text.replace(r#""token":0,"#, "").replace(r#""token":106,"#, "");
    read(&unnumbered, &mut scratch);
    let tokens: Vec<Option<u32>> = scratch.balances.iter().map(|balance| balance.token).collect();
    assert_eq!(tokens, [Some(0), None]);
    read(&text, &mut scratch);
    let balance = |coin: &str, token, total, hold, entry_ntl| Balance {
        coin: Coin::new(coin),
        token,
        total: dec(total),
        hold: dec(hold),
        entry_ntl: dec(entry_ntl),
    };
    assert_eq!(
        scratch.balances,
        [
            balance("USDC", Some(0), "100508.11", "49999.89", "1"),
            balance("VA\"ULT", Some(106), "0.95", "0", "0")
        ]
    );
    assert_eq!(
        scratch.text,
        concat!(
            r#"[{"coin":"USDC","total":"100508.11","hold":"49999.89","entry_ntl":"1"},"#,
            r#"{"coin":"VA\"ULT","total":"0.95","hold":"0","entry_ntl":"0"}]"#
        )
    );
}

#[test]
fn mids_without_a_price_are_left_out() {
    let mut scratch = Scratch::default();
    let text = r##"{"channel":"allMids","data":{"mids":{"BTC":"85801.5","@107":"92.9","#1":null},"dex":"xyz"}}"##;
    assert_eq!(read(text, &mut scratch), Frame::Mids { dex: Coin::new("xyz") });
    assert_eq!(
        scratch.mids,
        [(Coin::new("BTC"), dec("85801.5")), (Coin::new("@107"), dec("92.9"))]
    );
}

#[test]
fn what_an_earlier_frame_brought_is_gone() {
    let mut scratch = Scratch::default();
    read(&user_fills(FILL), &mut scratch);
    read(r#"{"channel":"allMids","data":{"mids":{"BTC":"1"}}}"#, &mut scratch);
    assert!(scratch.fills.is_empty() && scratch.mids.len() == 1);
    read(r#"{"channel":"pong"}"#, &mut scratch);
    assert!(scratch.mids.is_empty());
}

fn samples() -> Vec<String> {
    let mut samples = vec![
        user_fills(FILL),
        user_fills(&format!("{FILL},{FILL}")),
        r#"{"channel":"error","data":"x"}"#.to_owned(),
    ];
    samples.push(format!(
        r#"{{"data":{{"user":"{USER}","clearinghouseStates":[["",{{"assetPositions":[],"withdrawable":"1"}}]]}},"channel":"allDexsClearinghouseState"}}"#
    ));
    samples.push(r#"{"channel":"orderUpdates","data":[{"order":{"oid":1,"sz":"0","origSz":"1"},"status":"filled","statusTimestamp":1}]}"#.to_owned());
    samples.push(format!(
        r#"{{"channel":"spotState","data":{{"user":"{USER}","spotState":{{"balances":[{{"coin":"USDC","total":"1"}}]}}}}}}"#
    ));
    samples
}

proptest! {
    #[test]
    fn mutated_frames_never_panic_and_never_leave_half_a_frame(
        which in 0usize..6,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 0..6),
    ) {
        let mut bytes = samples()[which].clone().into_bytes();
        for (at, byte, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut scratch = Scratch::default();
        if let Err(error) = decode(&text, &mut scratch) {
            prop_assert!(error.at <= text.len());
            prop_assert!(scratch.fills.is_empty() && scratch.statuses.is_empty() && scratch.text.is_empty());
        }
    }

    #[test]
    fn any_text_is_a_frame_or_an_error(text in any::<String>()) {
        let _ = decode(&text, &mut Scratch::default());
    }
}
