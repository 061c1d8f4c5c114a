//! What goes wrong on one connection, and stays there.

use std::fmt::Write as _;
use std::fs;

use serde_json::json;

use super::common::exchange::words::{brief, fill, status};
use super::common::exchange::{Exchange, Manner};
use super::common::node::Home;
use super::common::program::Program;
use super::{ROOMY, account, config, followed};

const HERE: [&str; 1] = ["127.0.0.1"];

/// The pause before the next attempt that the log names, of each loss from the cursor on.
fn pauses(node: &Program, cursor: &mut usize, count: usize) -> Vec<u64> {
    let mut pauses = Vec::new();
    node.err.wait(cursor, "connection that is lost", |line| {
        if let Some((_, rest)) = line.split_once("retry_ms=") {
            pauses.push(rest.split(' ').next().expect("a word").parse().expect("a number"));
        }
        pauses.len() == count
    });
    pauses
}

#[test]
fn an_expired_connection_is_made_again_at_once_and_others_back_off() {
    let exchange = Exchange::open();
    let home = Home::new(1, &config(&exchange, 1, "", &HERE, ROOMY));
    let mut node = home.run();
    let mut talk = 0;
    followed(&node, &mut talk, 1);
    // Each time that it was whole the pauses begin anew.
    for _ in 0..3 {
        exchange.expire(exchange.open_lines()[0]);
        assert_eq!(pauses(&node, &mut talk, 1), [0]);
        followed(&node, &mut talk, 1);
        exchange.close(exchange.open_lines()[0], 1001, "Going away");
        let pause = pauses(&node, &mut talk, 1)[0];
        assert!((125..=250).contains(&pause), "{pause}");
        followed(&node, &mut talk, 1);
    }
    // A venue that closes as soon as it is asked for something, with its routine's words too.
    let first = exchange.connects();
    exchange.on_subscribe(|_| Manner::Ignore);
    exchange.expire(exchange.open_lines()[0]);
    for line in first..first + 4 {
        exchange.wait("request", |state| state.lines.get(line).is_some_and(|l| l.heard > 0));
        exchange.expire(line);
    }
    let pauses = pauses(&node, &mut talk, 5);
    let within = |at: usize, most: u64| (most / 2..=most).contains(&pauses[at]);
    assert!(pauses[0] == 0 && within(1, 250) && within(2, 500), "{pauses:?}");
    assert!(within(3, 1000) && within(4, 2000), "{pauses:?}");
    // The end does not wait for the end of a pause.
    node.ends_well();
}

#[test]
fn a_dead_connection_touches_no_other() {
    let exchange = Exchange::open();
    let more = "users_per_connection = 1";
    let home = Home::new(1, &config(&exchange, 3, more, &HERE, ROOMY));
    let mut node = home.run();
    let (mut talk, mut cursor) = (0, 0);
    followed(&node, &mut talk, 3);
    let [dying, silent, other] = [0, 1, 2].map(account);
    let line = exchange.line_of(&other);
    // One is open, and says and hears nothing.
    exchange.mute(exchange.line_of(&silent));
    for oid in 0..20 {
        if oid % 5 == 0 {
            exchange.cut(exchange.line_of(&dying));
        }
        exchange.fills(&other, &[fill(oid, oid, "@188 B 1.0 2.0 0.0 Buy")]);
        exchange.statuses(&other, &status(oid, "filled", "0.0", "1.0"));
        let mut told = String::new();
        node.out.wait(&mut cursor, "signal", |line| {
            told = brief(line);
            true
        });
        assert_eq!(told, format!("02 {oid} Buy-1 1@2 final status"));
    }
    assert_eq!(exchange.line_of(&other), line, "it has been there all the time");
    exchange.line_of(&dying);
    let said = node.ends_well();
    let times = |account: &str| said.matches(&format!("followed address={account}")).count();
    assert_eq!((times(&other), times(&silent)), (1, 1), "{said}");
    assert!(times(&dying) > 1, "{said}");
}

#[test]
fn what_the_venue_says_unasked_ends_nothing() {
    let exchange = Exchange::open();
    let home = Home::new(1, &config(&exchange, 2, "", &HERE, ROOMY));
    let mut node = home.run();
    followed(&node, &mut 0, 2);
    let line = exchange.open_lines()[0];
    let users = [account(0), account(1)];
    // Errors that belong to no request, acknowledgements of ends that nobody waits for.
    let fills = json!({"type": "userFills", "user": users[0], "aggregateByTime": false});
    let end = json!({"method": "unsubscribe", "subscription": fills});
    let late = json!({"channel": "subscriptionResponse", "data": end}).to_string();
    let errors = [
        "Cannot track more than 10 total users.",
        "Cannot track more than 15 total users.",
        "Cannot subscribe to more than 1000 channels.",
        "Error parsing JSON into valid websocket request: {\"method\":\"pign\"}",
        "too many pending post requests id=1234",
        "Something that nobody has ever seen",
    ];
    for text in errors {
        exchange.say(line, &json!({"channel": "error", "data": text}).to_string());
        exchange.say(line, &late);
    }
    let unsubscribed =
        json!({"channel": "error", "data": format!("Already unsubscribed: {fills}")});
    exchange.say(line, &unsubscribed.to_string());
    for (oid, user) in (0..).zip(&users) {
        exchange.fills(user, &[fill(oid, oid, "@188 B 1.0 2.0 0.0 Buy")]);
        exchange.statuses(user, &status(oid, "filled", "0.0", "1.0"));
    }
    let mut count = 0;
    node.out.wait(&mut 0, "signal", |_| {
        count += 1;
        count == 2
    });
    assert_eq!(exchange.connects(), 1);
    let said = node.ends_well();
    for text in errors {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert_eq!(said.matches("followed address").count(), 2, "{said}");
}

/// Waits until the log says this of an account once more.
#[track_caller]
fn said_of(node: &Program, talk: &mut usize, what: &str, account: &str) {
    let wanted = format!("{what} address={account}");
    node.err.wait(talk, &wanted, |line| line.contains(&wanted));
}

#[test]
fn a_late_acknowledgement_of_an_end_ends_no_new_subscription() {
    let exchange = Exchange::open();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("addresses.csv");
    let list = |accounts: &[String]| fs::write(&file, accounts.join("\n") + "\n").expect("written");
    // One account of the configuration keeps the connection, another comes and goes.
    let (goes, path) = (account(7), file.display());
    list(std::slice::from_ref(&goes));
    let more =
        format!("addresses_file = \"{path}\"\nreload_interval = \"1s\"\nremove_grace = \"0s\"");
    let home = Home::new(1, &config(&exchange, 1, &more, &HERE, ROOMY));
    let mut node = home.run();
    let mut talk = 0;
    followed(&node, &mut talk, 2);
    exchange.hold_ends();
    list(&["# nobody".to_owned()]);
    said_of(&node, &mut talk, "followed no longer", &goes);
    exchange.wait("end", |state| state.count("userFills") == 1);
    // It comes back before its end was acknowledged.
    list(std::slice::from_ref(&goes));
    exchange.acknowledge_ends();
    said_of(&node, &mut talk, "followed", &goes);
    // And again, for good measure: of those nobody waits any more.
    exchange.acknowledge_ends();
    exchange.fills(&goes, &[fill(1, 7, "@188 B 1.0 2.0 0.0 Buy")]);
    exchange.statuses(&goes, &status(7, "filled", "0.0", "1.0"));
    let told = node.out.wait_for("signal_id");
    assert_eq!(brief(&told), "07 7 Buy-1 1@2 final status");
    assert_eq!(exchange.connects(), 1);
    node.ends_well();
}

#[test]
fn frames_of_several_mebibytes_are_frames() {
    let exchange = Exchange::open();
    let home = Home::new(1, &config(&exchange, 1, "", &HERE, ROOMY));
    let mut node = home.run();
    followed(&node, &mut 0, 1);
    let user = account(0);
    let line = exchange.open_lines()[0];
    let unknown = json!({"channel": "webData2", "data": {"long": "x".repeat(12 << 20)}});
    exchange.say(line, &unknown.to_string());
    // One order, ten thousand fills, one frame.
    const FILLS: u64 = 10_000;
    let made: Vec<_> = (0..FILLS)
        .map(|n| fill(n, 7, &format!("BTC B 0.5 100.5 {}.{}", n / 2, n % 2 * 5)))
        .collect();
    let bytes = json!(made).to_string().len();
    assert!(bytes > 2 << 20, "{bytes}");
    exchange.fills(&user, &made);
    exchange.statuses(&user, &status(7, "filled", "0.0", "5000.0"));
    let told = node.out.wait_for("signal_id");
    assert_eq!(brief(&told), "00 7 Open Long-1 5000@100.5 final status");
    assert!(told.contains("\"fills\":10000"), "{told}");
    // And a snapshot as large as that.
    exchange.show_at_most(usize::MAX);
    exchange.expire(line);
    exchange.line_of(&user);
    exchange.fills(&user, &[fill(FILLS, 8, "BTC B 1.0 100.0 5000.0")]);
    exchange.statuses(&user, &status(8, "filled", "0.0", "1.0"));
    let told = node.out.wait_for(&format!("{user}-8-"));
    assert_eq!(brief(&told), "00 8 Open Long-1 1@100 final status");
    let said = node.ends_well();
    assert!(!said.contains("UPS008") && !said.contains("UPS009"), "{said}");
}

#[test]
fn frames_that_cannot_be_read_are_counted_and_end_nothing() {
    let exchange = Exchange::open();
    let home = Home::new(1, &config(&exchange, 1, "", &HERE, ROOMY));
    let mut node = home.run();
    followed(&node, &mut 0, 1);
    let (user, line) = (account(0), exchange.open_lines()[0]);
    let mut frames = 0;
    for n in 0..20 {
        let mut text = String::from(match n % 4 {
            0 => "{\"channel\":\"userFills\",\"data\":{\"user\":",
            1 => "{\"channel\":\"orderUpdates\",\"data\":[{\"order\":7}]}",
            2 => "{\"channel\":\"userFills\",\"data\":{\"user\":\"0xzz\",\"fills\":[]}}",
            _ => "{\"channel\":\"orderUpdates\",\"data\":[",
        });
        write!(text, "{}", " ".repeat(n)).expect("a string takes all");
        exchange.say(line, &text);
        frames += 1;
    }
    exchange.fills(&user, &[fill(1, 7, "@188 B 1.0 2.0 0.0 Buy")]);
    exchange.statuses(&user, &status(7, "filled", "0.0", "1.0"));
    node.out.wait_for("signal_id");
    assert_eq!(exchange.connects(), 1, "the connection is the first one");
    let said = node.ends_well();
    // The first ten are told, then those whose number is a power of two: the sixteenth.
    assert_eq!((frames, said.matches("a frame cannot be read").count()), (20, 11), "{said}");
}
