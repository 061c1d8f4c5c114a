//! Health: well only while what is wanted is followed, and something arrives.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::Value;

use super::common;
use super::common::exchange::{Exchange, Manner};
use super::common::node::{Home, silent_addr};
use super::common::program::PATIENCE;
use super::{A, B, LONG, config};

/// Asks until the answer has this status; the reasons it gives.
#[track_caller]
fn reasons(port: SocketAddr, wanted: u16) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, text) = common::get(port, "/health");
        let health: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(health["ok"], status == 200, "{text}");
        let reasons = health["reasons"].as_array().expect("a list").iter();
        let reasons = reasons.map(|r| r["reason"].as_str().expect("a word").to_owned()).collect();
        if status == wanted {
            return reasons;
        }
        assert!(Instant::now() < deadline, "no {wanted}: {text}");
        std::thread::yield_now();
    }
}

#[test]
fn health_is_bad_while_nothing_arrives() {
    // Nobody is there at all.
    let addr = silent_addr();
    let source = common::node::source(&format!("ws://{addr}/ws"), &format!("http://{addr}/info"));
    let text = common::node::follow_at(&[A.to_owned()], &source, "", LONG);
    let home = Home::new(1, &text);
    let (mut node, port) = home.run_admin();
    assert_eq!(reasons(port, 503)[0], "nothing_received");
    node.ends_well();

    // A venue that takes connections, answers pings, and nothing else; then some of it; then all.
    let exchange = Exchange::open();
    exchange.on_subscribe(|_| Manner::Ignore);
    let text = config(&exchange, &[A, B], "", LONG);
    let home = Home::new(1, &text);
    let (mut node, port) = home.run_admin();
    exchange.wait("requests", |state| state.heard() >= 8);
    exchange.wait("connection", |state| !state.open_lines().is_empty());
    assert!(reasons(port, 503).contains(&"not_followed".to_owned()));
    exchange.on_subscribe(|ask| match ask.subscription["user"] == B {
        true => Manner::Ignore,
        false => Manner::Acknowledge,
    });
    exchange.cut(exchange.open_lines()[0]);
    node.err.wait_for(&format!("followed address={A}"));
    assert!(reasons(port, 503).contains(&"not_followed".to_owned()), "B is not");
    exchange.on_subscribe(|_| Manner::Acknowledge);
    exchange.cut(exchange.open_lines()[0]);
    assert_eq!(reasons(port, 200), [""; 0]);

    // What was well is so no longer when the connection is lost and nobody answers.
    exchange.on_subscribe(|_| Manner::Ignore);
    exchange.cut(exchange.line_of(A));
    assert!(!reasons(port, 503).is_empty());
    exchange.on_subscribe(|_| Manner::Acknowledge);
    exchange.wait("requests on a connection", |state| {
        state.lines.iter().any(|line| line.is_open && line.heard >= 8)
    });
    exchange.cut(exchange.open_lines()[0]);
    assert_eq!(reasons(port, 200), [""; 0]);
    node.ends_well();
}
