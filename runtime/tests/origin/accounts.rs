//! Whose fills: new accounts, refused ones, those that go, and how addresses are written.

use std::fs;

use serde_json::{Value, json};

use super::common::exchange::words::{fill, status};
use super::common::exchange::{Exchange, Manner};
use super::common::node::Home;
use super::common::sums::Signals;
use super::{A, B, LONG, Scene, config};

/// Half an hour of an account: 30 orders that ended, and one that goes on.
fn half_an_hour(exchange: &Exchange) {
    let minute = 60_000;
    for n in 0..30 {
        exchange.past(A, &[fill(n * minute, 500 + n, &format!("BTC B 1.0 100.0 {n}.0"))]);
    }
    exchange.past(A, &[fill(30 * minute, 700, "BTC B 2.0 100.0 30.0")]);
}

#[test]
fn the_past_of_a_new_address_is_no_news() {
    let exchange = Exchange::open();
    half_an_hour(&exchange);
    let mut scene = Scene::at(exchange, &[A], "emit = \"frame\"");
    scene.exchange.fills(A, &[fill(2_000_000, 800, "BTC B 1.0 110.0 32.0")]);
    scene.expect(&["a1 800 Open Long-1 1@110 more frame"]);
    // What had begun before is told from here on, and it is said that there is more to it.
    scene.exchange.fills(A, &[fill(2_000_001, 700, "BTC B 3.0 111.0 33.0")]);
    let told = scene.signals(1).remove(0);
    assert_eq!((&told["oid"], &told["size_exact"]), (&json!(700), &json!("3")), "{told}");
    assert_eq!(told["partial_history"], true, "{told}");
    // Nor is it news after a restart, when the address is no longer new.
    scene.node.ends_well();
    scene.run_again(&[A]);
    scene.ends();
}

#[test]
fn the_past_is_news_where_that_is_asked_for_and_only_once() {
    let exchange = Exchange::open();
    half_an_hour(&exchange);
    let monitor = "start_from = \"snapshot\"";
    let home = Home::new(1, &config(&exchange, &[A], monitor, "emit = \"frame\""));
    let mut signals = Signals::default();
    for _ in 0..2 {
        let mut node = home.run();
        node.err.wait_for("followed address");
        node.ends_well();
        node.out.to_end().lines().for_each(|line| signals.take(line));
    }
    assert_eq!((signals.len(), signals.repeated), (31, 0));
    assert!(signals.all().all(|signal| signal["partial_history"] == false));
}

#[test]
fn a_refused_subscription_is_not_followed_until_it_is_taken() {
    let exchange = Exchange::open();
    // Refused without an echo, with one, and not answered at all: none of it is success.
    exchange.on_subscribe(|ask| match (&ask.subscription["user"], ask.before) {
        (user, 0) if *user == B && ask.subscription["type"] == "userFills" => {
            Manner::Refuse("Cannot track more than 10 total users.".to_owned())
        }
        (user, 1) if *user == B && ask.subscription["type"] == "userFills" => {
            Manner::Refuse(format!("Invalid subscription {}", ask.subscription))
        }
        _ => Manner::Acknowledge,
    });
    let mut scene = Scene::at(exchange, &[A, B], LONG);
    let mut lines = Vec::new();
    scene.node.err.wait(&mut 0, "B that is followed", |line| {
        lines.push(line.to_owned());
        line.contains(&format!("followed address={B}"))
    });
    let refusals = lines.iter().filter(|line| line.contains("UPS003") && line.contains(B)).count();
    assert_eq!(refusals, 2, "{}", lines.join("\n"));
    scene.fence(A);
    scene.fence(B);
    scene.ends();
}

#[test]
fn an_address_that_goes_leaves_the_orders_of_others() {
    let mut scene = Scene::of(&[A, B], LONG);
    scene.exchange.fills(A, &[fill(1, 7, "BTC B 1.0 100.0 0.0")]);
    scene.exchange.fills(B, &[fill(1, 8, "BTC B 1.0 100.0 0.0")]);
    // The end of an order of which no fill has come yet.
    scene.exchange.statuses(A, &status(9, "filled", "0.0", "1.0"));
    scene.fence(A);
    scene.fence(B);
    scene.node.ends_well();
    scene.home.configure(1, &config(&scene.exchange, &[A], "", LONG));
    scene.run_again(&[A]);
    scene.exchange.fills(A, &[fill(2, 7, "BTC B 1.0 100.0 1.0")]);
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "2.0"));
    scene.expect(&["a1 7 Open Long-1 2@100 final status"]);
    scene.exchange.fills(A, &[fill(3, 9, "BTC B 1.0 100.0 2.0")]);
    scene.expect(&["a1 9 Open Long-1 1@100 final status"]);
    assert_eq!(scene.exchange.look(|state| state.count("userFills")), 1, "B is not subscribed");
    scene.ends();
}

#[test]
fn an_address_that_goes_while_running_leaves_the_orders_of_others() {
    let exchange = Exchange::open();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("addresses.csv");
    fs::write(&file, format!("{B}\n")).expect("written");
    let monitor = format!(
        "addresses_file = \"{}\"\nreload_interval = \"1s\"\nremove_grace = \"0s\"",
        file.display()
    );
    let home = Home::new(1, &config(&exchange, &[A], &monitor, LONG));
    let node = home.run();
    let mut scene = Scene { exchange, home, node, cursor: 0, fences: 0 };
    [A, B].iter().for_each(|account| scene.follows(account));
    scene.exchange.fills(A, &[fill(1, 7, "BTC B 1.0 100.0 0.0")]);
    scene.exchange.fills(B, &[fill(1, 8, "BTC B 1.0 100.0 0.0")]);
    scene.exchange.statuses(A, &status(9, "filled", "0.0", "1.0"));
    scene.fence(A);
    scene.fence(B);
    let line = scene.exchange.line_of(A);
    fs::write(&file, "# nobody\n").expect("written");
    scene.exchange.wait("end of B", |state| {
        !state.lines.iter().any(|line| line.subscriptions.iter().any(|s| s["user"] == B))
    });
    assert_eq!(scene.exchange.line_of(A), line, "and nothing happened to A's connection");
    scene.exchange.fills(A, &[fill(2, 7, "BTC B 1.0 100.0 1.0")]);
    scene.exchange.statuses(A, &status(7, "filled", "0.0", "2.0"));
    scene.expect(&["a1 7 Open Long-1 2@100 final status"]);
    scene.exchange.fills(A, &[fill(3, 9, "BTC B 1.0 100.0 2.0")]);
    scene.expect(&["a1 9 Open Long-1 1@100 final status"]);
    let said = scene.ends();
    assert_eq!(said.matches("followed address").count(), 2, "{said}");
}

#[test]
fn an_address_is_the_same_in_any_case() {
    let exchange = Exchange::open();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("addresses.csv");
    // In the list as the venue's pages show it; in the file with everything in capitals, and once more.
    let (mixed, capitals) = ("0xAbCdEf00000000000000000000000000000000A1", B.to_uppercase());
    fs::write(&file, format!("{capitals},whale\n{}\n{mixed}\n", capitals.replace("0X", "0x")))
        .expect("written");
    let monitor = format!("addresses_file = \"{}\"", file.display());
    let home = Home::new(1, &config(&exchange, &[mixed], &monitor, LONG));
    let mut node = home.run();
    for account in [A, B] {
        node.err.wait_for(&format!("followed address={account}"));
    }
    let users: Vec<Value> = exchange.look(|state| {
        let all = state.lines.iter().flat_map(|line| &line.subscriptions);
        all.filter(|s| s["type"] == "userFills").map(|s| s["user"].clone()).collect()
    });
    assert_eq!(users.len(), 2, "each once: {users:?}");
    // The venue says the address in lower case; another server may say it as it likes.
    exchange.fills(A, &[fill(1, 7, "BTC B 1.0 100.0 0.0")]);
    let data = json!({"user": mixed, "fills": [fill(2, 7, "BTC B 1.0 100.0 1.0")]});
    exchange.tell("userFills", A, "userFills", &data);
    exchange.statuses(A, &status(7, "filled", "0.0", "2.0"));
    let told = node.out.wait_for("signal_id");
    assert!(
        told.contains(&format!("\"address\":\"{A}\"")) && told.contains("\"fills\":2"),
        "{told}"
    );
    node.ends_well();
}
