//! Frames in few words: fills, order states, and signals.

use serde_json::{Value, json};

/// When the exchange's story begins, Unix milliseconds.
pub const T: u64 = 1_790_000_000_000;

/// A fill: `at` milliseconds after the beginning (its trade id is made of that), its order, and
/// `coin side size price startPosition` with perhaps a label.
#[track_caller]
pub fn fill(at: u64, oid: u64, what: &str) -> Value {
    let parts: Vec<&str> = what.splitn(6, ' ').collect();
    let [coin, side, sz, px, start] = parts[..5] else { panic!("five words: {what}") };
    let dir = match (parts.get(5), side) {
        (Some(dir), _) => *dir,
        (None, "B") => "Open Long",
        (None, _) => "Open Short",
    };
    json!({"coin": coin, "side": side, "sz": sz, "px": px, "startPosition": start, "dir": dir, "oid": oid,
        "time": T + at, "tid": 1000 + at, "closedPnl": "0.0", "hash": "0x00", "crossed": true, "fee": "0.5",
        "feeToken": "USDC", "twapId": null})
}

/// A frame's worth of order states: one. `left` is what is not filled of `orig`.
pub fn status(oid: u64, status: &str, left: &str, orig: &str) -> Value {
    json!([{"order": {"coin": "BTC", "side": "B", "limitPx": "1.0", "sz": left, "oid": oid, "timestamp": T,
        "origSz": orig}, "status": status, "statusTimestamp": T + 1}])
}

/// A signal: the account's last letters, order, leg, size and price, revision, whether more is to come, and why it
/// came.
#[track_caller]
pub fn brief(line: &str) -> String {
    let s: Value = serde_json::from_str(line).expect("a line is JSON");
    let text = |key: &str| s[key].as_str().unwrap_or("-").to_owned();
    let user = text("address");
    if s["type"] == "gap" {
        return format!("{} {} gap", &user[user.len() - 2..], text("coin"));
    }
    let id = text("signal_id");
    let leg = id.split('-').skip(2).collect::<Vec<_>>().join("-");
    format!(
        "{} {} {leg} {}@{} {} {}",
        &user[user.len() - 2..],
        s["oid"],
        text("size_exact"),
        text("price_exact"),
        if s["final"] == true { "final" } else { "more" },
        text("trigger"),
    )
}
