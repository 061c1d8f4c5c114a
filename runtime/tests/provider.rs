//! `corelane run` with a provider as its source: many accounts by one subscription, no snapshots, what was missed from
//! REST, and numbers that are left out.

mod common;

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use common::node::{Home, follow_at, source};
use common::program::Program;
use common::venue::{Connection, Venue};
use serde_json::{Value, json};

const A: &str = "0xabcdef00000000000000000000000000000000a1";
const B: &str = "0x00000000000000000000000000000000000000b2";

/// A purchase of one BTC after so many others.
fn fill(from_ms: u64, n: u64) -> Value {
    json!({"coin": "BTC", "side": "B", "sz": "1.0", "px": "100.0", "startPosition": n.to_string(), "dir": "Open Long",
        "oid": 100 + n, "time": from_ms + n, "tid": 1000 + n, "closedPnl": "0.0", "hash": "0x00", "crossed": true,
        "fee": "0.5", "feeToken": "USDC", "twapId": null, "txIndex": 3})
}

/// Hears the one subscription of both accounts and acknowledges it.
#[track_caller]
fn acknowledge(line: &mut Connection) {
    let wanted =
        json!({"method": "subscribe", "subscription": {"type": "userFills", "addresses": [B, A]}});
    let heard = line.hear();
    assert_eq!(heard, wanted);
    line.send("subscriptionResponse", &heard);
}

/// Waits for the signals of these orders, in this order.
#[track_caller]
fn wait(node: &Program, at: &mut usize, wanted: &[u64]) {
    let mut found = Vec::new();
    let told = node.out.try_wait(at, |line| {
        let signal: Value = serde_json::from_str(line).expect("JSON");
        found.extend(signal["oid"].as_u64());
        found.len() == wanted.len()
    });
    assert_eq!(found, wanted, "{told:?}");
}

#[test]
fn a_providers_fills_come_and_what_it_did_not_send_is_fetched() {
    // What REST knows of the first account.
    let known = Arc::new(Mutex::new(Vec::<Value>::new()));
    let tape = Arc::clone(&known);
    let venue = Venue::open(move |request: &Value| match request["type"].as_str() {
        Some("userFillsByTime") if request["user"] == A => {
            let start = request["startTime"].as_u64()?;
            let fills = tape.lock().ok()?;
            let newer = fills.iter().filter(|fill| fill["time"].as_u64() >= Some(start));
            Some(Value::from(newer.cloned().collect::<Vec<Value>>()))
        }
        Some("userFillsByTime") => Some(json!([])),
        _ => None,
    });
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    // Fills of before an account was followed are no news; these are all after.
    let from_ms = u64::try_from(since.as_millis()).expect("milliseconds") + 120_000;
    let one = |n: u64| fill(from_ms, n);

    let upstream = source(&venue.ws_url(), &venue.info_url());
    let upstream = format!("{upstream}kind = \"hyperliquid-provider\"\n");
    let accounts = [A.to_owned(), B.to_owned()];
    let home = Home::new(1, &follow_at(&accounts, &upstream, "", "emit = \"frame\""));
    let mut node = home.run();
    let mut at = 0;

    let mut line = venue.accept();
    acknowledge(&mut line);
    node.err.wait_for("followed");
    line.say(
        &json!({"channel": "userFills", "fills": [[A, one(0)], [B, one(0)], [A, one(1)]]})
            .to_string(),
    );
    wait(&node, &mut at, &[100, 100, 101]);

    // While the connection is away one fill happens; after it the provider goes on with the next.
    known.lock().expect("not poisoned").extend([one(0), one(1), one(2)]);
    line.expire();
    let mut line = venue.accept();
    acknowledge(&mut line);
    line.say(&json!({"type": "userFills", "seq": 1, "fills": [[A, one(3)]]}).to_string());
    wait(&node, &mut at, &[102, 103]);

    // The frame with number 2 does not come.
    known.lock().expect("not poisoned").extend([one(3), one(4)]);
    line.say(&json!({"type": "userFills", "seq": 3, "fills": [[A, one(5)]]}).to_string());
    wait(&node, &mut at, &[104, 105]);

    line.say(r#"{"type":"ping"}"#);
    assert_eq!(line.hear(), json!({"method": "pong"}));
    let said = node.ends_well();
    assert!(said.contains("UPS031"), "{said}");
    assert!(!said.contains("UPS009"), "no gap: {said}");
}

#[test]
fn rest_says_how_an_order_ended_where_the_provider_does_not() {
    let venue = Venue::open(|request: &Value| match request["type"].as_str() {
        Some("userFillsByTime") => Some(json!([])),
        Some("orderStatus") => {
            let order = json!({"coin": "BTC", "side": "B", "limitPx": "100.0", "sz": "0.0", "oid": request["oid"],
                "timestamp": 1, "origSz": "1.0"});
            let status = json!({"order": order, "status": "filled", "statusTimestamp": 5});
            Some(json!({"status": "order", "order": status}))
        }
        _ => None,
    });
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let from_ms = u64::try_from(since.as_millis()).expect("milliseconds") + 120_000;
    let upstream = source(&venue.ws_url(), &venue.info_url());
    let upstream = format!("{upstream}kind = \"hyperliquid-provider\"\n");
    let accounts = [A.to_owned(), B.to_owned()];
    // Without an answer the signal would come after an hour.
    let home = Home::new(1, &follow_at(&accounts, &upstream, "", "timeout = \"1h\""));
    let mut node = home.run();
    let mut line = venue.accept();
    acknowledge(&mut line);
    node.err.wait_for("followed");
    line.say(&json!({"channel": "userFills", "fills": [[A, fill(from_ms, 0)]]}).to_string());
    let signal: Value = serde_json::from_str(&node.out.wait_for("signal_id")).expect("JSON");
    assert_eq!((&signal["oid"], &signal["trigger"]), (&json!(100), &json!("status")));
    assert_eq!((&signal["final"], &signal["status"]), (&json!(true), &json!("filled")));
    node.ends_well();
}
