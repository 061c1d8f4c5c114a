//! Connections that end, and what is missed meanwhile.

use serde_json::json;

use super::common::exchange::words::{T, brief, fill, status};
use super::common::exchange::{Exchange, Manner};
use super::common::node::Home;
use super::common::program::Program;
use super::{A, B, LONG, Scene, config};

/// Accounts with four subscriptions each: more than 150 of them, many times over.
const MANY: usize = 60;

fn account(n: usize) -> String {
    format!("0x{:040x}", 0x1000 + n)
}

/// A node with many connections, all accounts followed.
fn many(exchange: &Exchange) -> (Home, Program) {
    let accounts: Vec<String> = (0..MANY).map(account).collect();
    let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
    let home = Home::new(2, &config(exchange, &accounts, "users_per_connection = 5", LONG));
    let node = home.run();
    followed(&node, &mut 0);
    (home, node)
}

/// Waits until every account has been said to be followed, from the cursor on.
#[track_caller]
fn followed(node: &Program, cursor: &mut usize) {
    let mut count = 0;
    node.err.wait(cursor, "account that is followed", |line| {
        count += usize::from(line.contains("followed address"));
        count == MANY
    });
}

/// Each account makes an order; each is signalled.
#[track_caller]
fn all_are_told(exchange: &Exchange, node: &Program, oid: u64, cursor: &mut usize) {
    for n in 0..MANY {
        let (user, oid) = (account(n), oid + n as u64);
        exchange.fills(&user, &[fill(oid, oid, "@188 B 1.0 2.0 0.0 Buy")]);
        exchange.statuses(&user, &status(oid, "filled", "0.0", "1.0"));
    }
    let mut orders = std::collections::BTreeSet::new();
    node.out.wait(cursor, "signal", |line| {
        assert!(orders.insert(brief(line)), "{line}");
        orders.len() == MANY
    });
}

#[test]
fn every_connection_is_repaired() {
    let exchange = Exchange::open();
    let (_home, mut node) = many(&exchange);
    let before = exchange.open_lines();
    assert!(before.len() >= MANY / 5, "{} connections", before.len());
    assert!(exchange.look(|state| state.count("userFills")) == MANY);
    let mut cursor = 0;
    all_are_told(&exchange, &node, 1000, &mut cursor);
    let mut talk = node.err.count();
    before.iter().for_each(|line| exchange.cut(*line));
    followed(&node, &mut talk);
    assert_eq!(exchange.open_lines().len(), before.len());
    all_are_told(&exchange, &node, 2000, &mut cursor);
    node.ends_well();
}

#[test]
fn a_second_loss_during_a_repair_is_repaired() {
    let exchange = Exchange::open();
    let (_home, mut node) = many(&exchange);
    let before = exchange.open_lines();
    let (first, lines) = (exchange.connects(), before.len());
    // The repair gets as far as a connection whose subscriptions nobody answers.
    exchange.on_subscribe(move |ask| match ask.line < first + lines {
        true => Manner::Ignore,
        false => Manner::Acknowledge,
    });
    let mut talk = node.err.count();
    before.iter().for_each(|line| exchange.cut(*line));
    exchange.wait("repair that is under way", |state| {
        let again = &state.lines[first..];
        again.len() == lines && again.iter().all(|line| line.heard > 3)
    });
    (first..first + lines).for_each(|line| exchange.cut(line));
    followed(&node, &mut talk);
    all_are_told(&exchange, &node, 1000, &mut 0);
    node.ends_well();
}

#[test]
fn a_subscription_on_a_dead_connection_is_no_success() {
    let exchange = Exchange::open();
    exchange.on_subscribe(|ask| match ask.line {
        0 => Manner::Ignore,
        _ => Manner::Acknowledge,
    });
    let home = Home::new(1, &config(&exchange, &[A], "", LONG));
    let mut node = home.run();
    // Everything was sent, the last byte was taken; then the connection dies.
    exchange.wait("request", |state| state.lines.first().is_some_and(|line| line.heard >= 4));
    exchange.cut(0);
    node.err.wait_for(&format!("followed address={A}"));
    assert!(exchange.look(|state| state.lines[1].has("userFills", A)));
    let said = node.ends_well();
    let (lost, followed) = (said.find("connection lost"), said.find("followed address"));
    assert!(lost.is_some() && lost < followed, "{said}");
    assert_eq!(said.matches("followed address").count(), 1, "{said}");
}

#[test]
fn hours_of_absence_are_fetched() {
    let hour = 3_600_000;
    let mut scene = Scene::of(&[A, B], LONG);
    scene.exchange.fills(A, &[fill(1, 7, "BTC B 1.0 100.0 0.0")]);
    scene.fence(B);
    scene.node.kill();
    // Nine hours: the snapshot has the last fill only, the rest is for those who ask.
    for n in 1..9 {
        let start = format!("BTC B 1.0 100.0 {n}.0");
        scene.exchange.past(A, &[fill(n * hour, 7, &start)]);
    }
    scene.exchange.past(A, &[fill(9 * hour, 7, "BTC B 1.0 100.0 9.0")]);
    scene.exchange.past_statuses(&status(7, "filled", "0.0", "10.0"));
    scene.exchange.show_at_most(1);
    scene.run_again(&[A, B]);
    let mut told = scene.signals(1).remove(0);
    if told["oid"] != 7 {
        told = scene.signals(1).remove(0);
    }
    assert_eq!((&told["oid"], &told["fills"]), (&json!(7), &json!(10)), "{told}");
    assert_eq!((&told["size_exact"], &told["final"]), (&json!("10"), &json!(true)), "{told}");
    let asked = scene.exchange.asked("userFillsByTime");
    let of_a: Vec<_> = asked.iter().filter(|request| request["user"] == A).collect();
    assert_eq!(of_a[0]["startTime"], T + 1, "from the last that was taken: {of_a:?}");
    let said = scene.ends();
    assert!(!said.contains("UPS009"), "nothing is missing: {said}");
}
