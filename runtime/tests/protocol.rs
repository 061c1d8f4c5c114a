//! A venue with odd habits against `corelane run`: what must be tolerated is, what must not be believed is not, and
//! standard output carries the signals of spec/monitor.md section 6 to the letter.

mod common;

use std::fmt;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::market::Market;
use common::node::{Home, follow, follow_at, silent_addr, source};
use common::venue::{Connection, Venue};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};

/// An account, as the configuration and this venue's echo write it, and as everybody else does.
const MIXED: &str = "0xAbCdEf00000000000000000000000000000000A1";
const A: &str = "0xabcdef00000000000000000000000000000000a1";
const B: &str = "0x00000000000000000000000000000000000000b2";
const T: u64 = 1_790_000_000_000;

/// Nothing here waits for a time-out.
const LONG: &str = "timeout = \"10m\"\nstatus_grace = \"60s\"";

/// Subscriptions of two accounts, and the prices.
const SUBSCRIPTIONS: usize = 2 * 4 + 1;

/// Keys of a signal, in the order in which consumers have them.
const KEYS: &str = "address asset_type symbol coin_type direction side position_rate close_rate size price timestamp \
                    signal_id oid cloid revision final status trigger fills order_size order_avg_px size_exact \
                    price_exact notional_exact partial_history reason closed_pnl fee fee_token shard seq index";

/// A fill: `coin side sz px startPosition` and the order, with what else a fill has.
fn fill(at: u64, oid: u64, what: &str) -> Value {
    let parts: Vec<&str> = what.split(' ').collect();
    let [coin, side, sz, px, start] = parts[..] else { panic!("five words: {what}") };
    let dir = if side == "B" { "Open Long" } else { "Open Short" };
    json!({"coin": coin, "side": side, "sz": sz, "px": px, "startPosition": start, "dir": dir, "oid": oid,
        "time": T + at, "tid": 1000 + at, "closedPnl": "0.0", "hash": "0x00", "crossed": true, "fee": "0.5",
        "feeToken": "USDC", "twapId": null})
}

/// A fill with a label that nobody knows, and an order number that no float can hold.
fn galaxy() -> Value {
    let mut fill = fill(7, 9_007_199_254_740_993, "#12 A 5.0 0.25 9.0");
    fill["dir"] = json!("Merge Galaxy");
    fill
}

fn fills(user: &str, fills: &[Value]) -> Value {
    json!({"user": user, "fills": fills})
}

fn status(oid: u64, status: &str, left: &str, orig: &str) -> Value {
    json!([{"order": {"coin": "BTC", "side": "B", "limitPx": "1.0", "sz": left, "oid": oid, "timestamp": T,
        "origSz": orig}, "status": status, "statusTimestamp": T + 1}])
}

/// The keys of a JSON object, in the order of its text.
fn keys(line: &str) -> Vec<String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Vec<String>, M::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    serde_json::Deserializer::from_str(line).deserialize_map(Keys).expect("a JSON object")
}

/// A signal in a few words.
fn brief(line: &str) -> String {
    let s: Value = serde_json::from_str(line).expect("JSON");
    let text = |key: &str| s[key].as_str().unwrap_or("-").to_owned();
    let user = text("address");
    format!(
        "{} {} {} {} {}@{} fills {} rev {} final {} {} {}",
        &user[user.len() - 2..],
        s["oid"],
        text("symbol"),
        text("signal_id").split('-').nth(2).unwrap_or("-"),
        text("size_exact"),
        text("price_exact"),
        s["fills"],
        s["revision"],
        s["final"],
        text("status"),
        text("trigger"),
    )
}

/// A venue that does not know order 15 before its end, and then tells the end only to those who ask. It has no symbol
/// table either: signals carry the coin.
fn forgetful(has_ended: &Arc<AtomicBool>) -> Venue {
    let has_ended = Arc::clone(has_ended);
    Venue::open(move |request: &Value| match request["type"].as_str() {
        Some("orderStatus") if request["oid"] == 15 && has_ended.load(Ordering::SeqCst) => {
            Some(json!({"status": "order", "order": status(15, "filled", "0.0", "4.0")[0]}))
        }
        Some("orderStatus") => Some(json!({"status": "unknownOid"})),
        _ => None,
    })
}

/// Says what nobody asked for: nothing of it may end the connection.
fn babble(line: &mut Connection) {
    for text in [
        "Websocket connection established.",
        r#"{"channel":"pong"}"#,
        r#"{"channel":"userFills"}"#,
        r#"{"channel":"orderUpdates","data":null}"#,
        r#"{"channel":"notification","data":{"notification":"hello"}}"#,
        r#"{"channel":"weather","data":{"clouds":[1,2,{"x":null}]},"more":true}"#,
        r#"{"channel":7,"data":[]}"#,
        r#"{"channel":"userFi"#,
        "not JSON at all {",
        "[1,2,3]",
        "{}",
        "",
    ] {
        line.say(text);
    }
    line.send("webData2", &json!({"long": "x".repeat(3 << 20)}));
}

/// What the venue says on its first connection, and the signals that must come of it.
fn first_connection(line: &mut Connection) -> Vec<&'static str> {
    babble(line);
    line.acknowledge(SUBSCRIPTIONS);
    babble(line);
    let summary =
        json!({"accountValue": "200002.0", "totalNtlPos": "0.0", "totalMarginUsed": "0.0"});
    let state = json!({"marginSummary": summary, "withdrawable": "1.0", "assetPositions": []});
    let states = json!({"user": A, "clearinghouseStates": [["", state]]});
    line.send("allDexsClearinghouseState", &states);
    let snapshot =
        |user: &str, past: &[Value]| json!({"isSnapshot": true, "user": user, "fills": past});
    line.send("userFills", &snapshot(MIXED, &[fill(0, 1, "BTC B 1.0 90000.0 0.0")]));
    line.send("userFills", &snapshot(B, &[]));

    // Numbers where strings belong, a field that says what its absence says, fields that nobody knows.
    let mut odd = fill(1, 7, "BTC B 2 50000.5 1");
    for (name, number) in [("px", json!(50000.5)), ("sz", json!(2)), ("startPosition", json!(1))] {
        odd[name] = number;
    }
    odd["novelty"] = json!({"deep": [{}]});
    line.send("userFills", &json!({"isSnapshot": false, "user": MIXED, "fills": [odd]}));
    // The other account has an order of the same number.
    line.send("userFills", &fills(B, &[fill(2, 7, "BTC A 2.0 50000.5 0.0")]));
    line.send("orderUpdates", &status(7, "open", "2.0", "2.0"));
    line.send("orderUpdates", &status(7, "filled", "0.0", "2.0"));

    // The end before its fills, and they in two frames; the second one with everything in another order.
    line.send("orderUpdates", &status(8, "filled", "0.0", "3.0"));
    line.send("userFills", &fills(A, &[fill(3, 8, "BTC B 1.0 100.0 3.0")]));
    let frame = fills(A, &[fill(4, 8, "BTC B 2.0 101.5 4.0")]);
    let escaped = frame.to_string().replace("\"BTC\"", "\"\\u0042TC\"").replace(':', " : ");
    line.say(&format!("{{ \"data\" :\n {escaped} , \"channel\" : \"userFills\" }}"));

    // Half of a frame cannot be read: none of it counts, and the right one comes later.
    let (good, mut bad) = (fill(5, 9, "ETH B 1.0 3000.0 0.0"), fill(6, 9, "ETH B 0.5 3001.0 1.0"));
    bad["px"] = json!("three thousand");
    line.send("userFills", &fills(A, &[good.clone(), bad.clone()]));
    bad["px"] = json!("3001.0");
    line.send("userFills", &fills(A, &[good, bad]));
    line.send("orderUpdates", &status(9, "rarelyCanceled", "1.5", "3.0"));

    // What nobody has heard of: a label, an account, a status.
    line.send("userFills", &fills(B, &[galaxy()]));
    line.send("userFills", &fills(&A.replace('a', "e"), &[fill(8, 10, "BTC B 1.0 1.0 0.0")]));
    line.send("orderUpdates", &status(9_007_199_254_740_993, "pondering", "0.0", "5.0"));
    line.send("orderUpdates", &status(9_007_199_254_740_993, "canceled", "0.0", "5.0"));

    // An order in the middle of which the venue closes.
    line.send("userFills", &fills(A, &[fill(9, 15, "ETH B 1.0 3002.0 1.5")]));
    vec![
        "a1 7 BTC Open Long 2@50000.5 fills 1 rev 1 final true filled status",
        "b2 7 BTC Open Short 2@50000.5 fills 1 rev 1 final true filled status",
        "a1 8 BTC Open Long 3@101 fills 2 rev 1 final true filled status",
        "a1 9 ETH Open Long 1.5@3000.33333333333333 fills 2 rev 1 final true rarelyCanceled status",
        "b2 9007199254740993 #12 Merge Galaxy 5@0.25 fills 1 rev 1 final true canceled status",
    ]
}

#[test]
fn a_venue_with_odd_habits_gives_the_signals_that_it_means() {
    let has_ended = Arc::new(AtomicBool::new(false));
    let venue = forgetful(&has_ended);
    let source = source(&venue.ws_url(), &venue.info_url());
    let accounts = [MIXED.to_owned(), B.to_owned()];
    let home = Home::new(1, &follow_at(&accounts, &source, "", LONG));
    let mut node = home.run();

    let mut line = venue.accept();
    let mut wanted = first_connection(&mut line);
    line.expire();
    has_ended.store(true, Ordering::SeqCst);
    // The snapshot brings what is known, and a fill that was missed; the order's end has to be asked for.
    let mut line = venue.accept();
    line.acknowledge(SUBSCRIPTIONS);
    let known = [fill(4, 8, "BTC B 2.0 101.5 4.0"), fill(9, 15, "ETH B 1.0 3002.0 1.5")];
    let missed = fill(10, 15, "ETH B 3.0 3003.0 2.5");
    let snapshot = [&known[..], &[missed]].concat();
    line.send("userFills", &json!({"isSnapshot": true, "user": A, "fills": snapshot}));
    let known = [fill(2, 7, "BTC A 2.0 50000.5 0.0"), galaxy()];
    line.send("userFills", &json!({"isSnapshot": true, "user": B, "fills": known}));
    wanted.push("a1 15 ETH Open Long 4@3002.75 fills 2 rev 1 final true filled status");

    let mut lines = Vec::new();
    let told = node.out.try_wait(&mut 0, |line| {
        lines.push(line.to_owned());
        lines.len() == wanted.len()
    });
    let mut found: Vec<String> = lines.iter().map(|line| brief(line)).collect();
    // Of two accounts' orders with one number either may be the first.
    found[..2].sort();
    assert_eq!(found, wanted, "{told:?}");
    let said = node.ends_well();
    assert_eq!(node.out.to_end().lines().count(), wanted.len(), "and nothing more");
    assert!(said.contains("the server closed: 1000 Expired"), "{said}");

    let mut contract: Vec<&str> = KEYS.split_whitespace().collect();
    let of = |oid: u64, user: &str| {
        let id = format!("{user}-{oid}-");
        lines.iter().find(|line| line.contains(&id)).expect("it is there")
    };
    assert_eq!(keys(of(7, A)), contract);
    assert_eq!(*of(7, A), golden(of(7, A)));
    contract.push("position_rate_known");
    assert_eq!(keys(of(7, B)), contract, "of this account nothing is known");
}

/// The first signal, to the letter; its place in the journal is its own affair.
fn golden(line: &str) -> String {
    let signal: Value = serde_json::from_str(line).expect("JSON");
    format!(
        concat!(
            r#"{{"address":"{a}","asset_type":"futures","symbol":"BTC","coin_type":"D","direction":"open","#,
            r#""side":"LONG","position_rate":50,"close_rate":0,"size":2,"price":50000.5,"timestamp":1790000000001,"#,
            r#""signal_id":"{a}-7-Open Long-1","oid":7,"cloid":null,"revision":1,"final":true,"status":"filled","#,
            r#""trigger":"status","fills":1,"order_size":"2","order_avg_px":"50000.5","size_exact":"2","#,
            r#""price_exact":"50000.5","notional_exact":"100001","partial_history":false,"reason":null,"#,
            r#""closed_pnl":"0","fee":"0.5","fee_token":"USDC","shard":0,"seq":{seq},"index":{index}}}"#
        ),
        a = A,
        seq = signal["seq"],
        index = signal["index"]
    )
}

#[test]
fn a_refused_subscription_is_said_and_asked_again_and_until_then_nothing_is_followed() {
    let venue = Venue::open(|_: &Value| None);
    let source = source(&venue.ws_url(), &venue.info_url());
    let home = Home::new(1, &follow_at(&[A.to_owned()], &source, "", LONG));
    let mut node = home.run();
    let mut line = venue.accept();
    line.acknowledge(4);
    let refused = line.hear();
    assert_eq!(refused["subscription"]["type"], "userFills");
    line.send("error", &json!("Cannot track more than 10 total users."));
    let said = node.err.wait_for("UPS003");
    assert!(said.contains("Cannot track more than 10 total users.") && said.contains(A), "{said}");
    let others = std::iter::repeat_with(|| line.hear());
    let mut others = others.skip_while(|asked| asked["subscription"]["type"] == "allMids");
    assert_eq!(others.next().as_ref(), Some(&refused), "asked again");
    drop(others);
    let echo = json!({"method": "subscribe", "subscription": refused["subscription"]});
    line.send("subscriptionResponse", &echo);
    line.send("userFills", &json!({"isSnapshot": true, "user": A, "fills": []}));
    node.err.wait_for("followed");
    let said = node.ends_well();
    assert!(said.find("UPS003") < said.find("followed address"), "{said}");
    assert_eq!(said.matches("followed address").count(), 1, "{said}");
}

#[test]
fn an_exchange_that_comes_up_later_is_found() {
    let addr = silent_addr().to_string();
    // The same seed has the same accounts.
    let seed = ["--seed", "41", "--traders", "10"];
    let accounts = Market::start(&seed).addresses().to_vec();
    let source = source(&format!("ws://{addr}/ws"), &format!("http://{addr}/info"));
    let home = Home::new(2, &follow_at(&accounts, &source, "", LONG));
    let mut node = home.run();
    let said = node.err.wait_for("UPS007");
    assert!(said.contains("connection refused"), "{said}");
    let market = Market::start(&[&["--listen", &addr], &seed[..]].concat());
    assert_eq!(market.addresses(), accounts);
    node.out.wait_for("signal_id");
    node.ends_well();
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_node_in_good_order() {
    let market = Market::start(&["--seed", "42", "--traders", "10"]);
    let home = Home::new(1, &follow(&market, "", "timeout = \"2s\""));
    let mut node = home.run_unread();
    let mut first = String::new();
    // As `head -1`: reads a line, then closes the pipe.
    BufReader::new(node.take_out()).read_line(&mut first).expect("a signal");
    assert!(keys(&first).starts_with(&["address".to_owned()]), "{first}");
    let said = node.ends_with(0);
    assert!(said.contains("standard output was closed by its reader"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
