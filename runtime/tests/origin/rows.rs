//! What goes out: rows, queues, crashes, the end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use rusqlite::Connection;
use serde_json::Value;

use super::common::exchange::Exchange;
use super::common::exchange::words::{fill, status};
use super::common::node::Home;
use super::common::sums::{LegSums, Signals, open};
use super::{A, B, LONG, Scene, config};

/// Somebody else who holds the database.
fn lock(path: &std::path::Path) -> Connection {
    let other = Connection::open(path).expect("the database");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    other
}

/// Rows of a table.
fn count(path: &std::path::Path, table: &str) -> usize {
    let query = format!("SELECT count(*) FROM {table}");
    open(path).query_row(&query, [], |row| row.get(0)).expect("a count")
}

#[test]
fn a_batch_that_fails_is_written_later() {
    let mut scene = Scene::of(&[A], LONG);
    let path = scene.home.database();
    let other = lock(&path);
    for _ in 0..5 {
        // Standard output goes on.
        scene.fence(A);
    }
    let said = scene.node.err.wait_for("SNK");
    assert!(said.contains("locked") && said.contains("nothing is lost"), "{said}");
    assert_eq!(count(&path, "hl_address_signals"), 0);
    scene.fence(A);
    other.execute_batch("ROLLBACK").expect("let go");
    scene.ends();
    assert_eq!(count(&path, "hl_address_signals"), 6);
}

#[test]
fn a_crash_between_publish_and_row_leaves_one_row_and_one_id() {
    let mut scene = Scene::of(&[A], LONG);
    let (path, mut signals) = (scene.home.database(), Signals::default());
    scene.fence(A);
    let other = lock(&path);
    for _ in 0..5 {
        scene.fence(A);
    }
    scene.node.kill();
    scene.node.out.to_end().lines().for_each(|line| signals.take(line));
    assert_eq!(signals.len(), 6);
    other.execute_batch("ROLLBACK").expect("let go");
    scene.run_again(&[A]);
    scene.exchange.fills(A, &[fill(1, 7, "BTC B 1.0 100.0 0.0")]);
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "1.0"));
    // What comes again is the same to the letter, or the test ends here.
    scene.node.out.wait(&mut 0, "signal", |line| {
        signals.take(line);
        signals.len() == 7
    });
    scene.node.ends_well();
    assert_eq!(count(&path, "hl_address_signals"), 7);
    LegSums::of_database(&path).assert_equals(&signals.sums, "one row each");
}

#[test]
fn a_shutdown_loses_nothing() {
    let mut scene = Scene::of(&[A, B], LONG);
    let (path, mut signals) = (scene.home.database(), Signals::default());
    scene.exchange.fills(A, &[fill(1, 7, "BTC B 1.0 100.0 0.0")]);
    scene.fence(A);
    for n in 0..300 {
        let oid = 2000 + n;
        scene.exchange.fills(B, &[fill(oid, oid, "@188 B 1.0 2.0 0.0 Buy")]);
        scene.exchange.statuses(B, &status(oid, "filled", "0.0", "1.0"));
    }
    // In the middle of it.
    scene.lines(20);
    scene.node.ends_well();
    scene.node.out.to_end().lines().for_each(|line| signals.take(line));
    // Every signal that was told has its row: none of the last ones is missing, and none was told only there.
    LegSums::of_database(&path).assert_equals(&signals.sums, "rows at the end");
    // The open order goes on, and what was still on the wire comes with the snapshot.
    scene.run_again(&[A, B]);
    scene.exchange.fills(A, &[fill(2, 7, "BTC B 1.0 102.0 1.0")]);
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "2.0"));
    scene.node.out.wait(&mut 0, "signal", |line| {
        signals.take(line);
        signals.len() == 302
    });
    scene.node.ends_well();
    assert_eq!(signals.repeated, 0, "nothing was told twice");
    let found = signals.sums.of(A, 7, "Open Long");
    assert_eq!(found, Some(("2".to_owned(), "202".to_owned())));
    LegSums::of_database(&path).assert_equals(&signals.sums, "rows");
}

#[test]
fn a_full_queue_keeps_the_order_and_stalls_no_socket() {
    /// Far more signals than the ring to the publisher and a pipe hold.
    const ORDERS: u64 = 10_000;
    let exchange = Exchange::open();
    let home = Home::new(1, &config(&exchange, &[A, B], "", "emit = \"frame\""));
    // Nobody reads standard output.
    let mut node = home.run_unread();
    node.err.wait_for(&format!("followed address={A}"));
    node.err.wait_for(&format!("followed address={B}"));
    for first in (0..ORDERS).step_by(50) {
        for (user, oid) in [(A, first), (B, ORDERS + first)] {
            let made = |n: u64| fill(oid + n, oid + n, "@188 B 1.0 2.0 0.0 Buy");
            exchange.fills(user, &(0..25).map(made).collect::<Vec<_>>());
        }
    }
    // The socket is read, and answered, all the same.
    let line = exchange.line_of(A);
    exchange.ping(line);
    exchange.wait("answer to a ping", |state| state.lines[line].pongs == 1);
    assert_eq!(exchange.connects(), exchange.open_lines().len(), "no connection was lost");
    let mut newest = (0, 0);
    let mut orders: BTreeMap<String, u64> = BTreeMap::new();
    let mut out = BufReader::new(node.take_out()).lines();
    for _ in 0..ORDERS {
        let line = out.next().expect("a signal").expect("text");
        let signal: Value = serde_json::from_str(&line).expect("JSON");
        let number = |key: &str| signal[key].as_u64().expect("a number");
        let place = (number("seq"), number("index"));
        assert!(newest < place, "{place:?} after {newest:?}");
        newest = place;
        let user = signal["address"].as_str().expect("an address").to_owned();
        let before = orders.insert(user, number("oid"));
        assert!(before.is_none_or(|before| before < number("oid")), "{before:?}: {line}");
    }
    node.ends_well();
    assert!(out.next().is_none(), "and nothing more");
    assert_eq!(count(&home.database(), "hl_address_signals"), ORDERS as usize);
}

#[test]
fn a_fresh_install_needs_no_tables() {
    for with_a_stranger in [false, true] {
        let exchange = Exchange::open();
        let home = Home::new(1, &config(&exchange, &[A], "", LONG));
        if with_a_stranger {
            // A database that somebody has made for something else, without one of our tables.
            std::fs::create_dir_all(home.data()).expect("a directory");
            let database = Connection::open(home.database()).expect("a new database");
            database.execute_batch("CREATE TABLE notes (text TEXT)").expect("a table");
        }
        let mut node = home.run();
        node.err.wait_for("followed address");
        exchange.fills(A, &[fill(1, 7, "BTC B 1.0 100.0 0.0")]);
        exchange.statuses(A, &status(7, "filled", "0.0", "1.0"));
        let told = node.out.wait_for("signal_id");
        assert!(told.contains("\"coin_type\":\"D\""), "no pair_configs, no category: {told}");
        let said = node.ends_well();
        assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
        assert_eq!(count(&home.database(), "hl_address_signals"), 1);
    }
}
