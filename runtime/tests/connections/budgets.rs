//! Nothing is used beyond what a source address may, whatever dies.

use std::time::{Duration, Instant};

use super::common::exchange::Exchange;
use super::common::exchange::words::fill;
use super::common::node::Home;
use super::{Limits, ROOMY, account, config, followed, within};

/// Three addresses of this host.
const THREE: [&str; 3] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];

/// Accounts for [`THREE`], all that they take.
const THIRTY: usize = 30;

#[test]
fn no_budget_is_exceeded_while_connections_die_and_heal() {
    let limits = Limits {
        users: 10,
        connections: 6,
        connects: 30,
        subscriptions: 120,
        messages: 1200,
        ..ROOMY
    };
    let exchange = Exchange::open();
    let more = "users_per_connection = 4";
    let home = Home::new(2, &config(&exchange, THIRTY, more, &THREE, limits));
    let mut node = home.run();
    let mut talk = 0;
    followed(&node, &mut talk, THIRTY);
    within(&exchange, &THREE, limits);
    // Each account is on one address; all of it on one connection.
    for n in 0..THIRTY {
        let user = account(n);
        let lines = exchange.look(|state| {
            let has = |at: &usize| {
                state.lines[*at].subscriptions.iter().any(|s| s["user"] == user.as_str())
            };
            (0..state.lines.len()).filter(has).count()
        });
        assert_eq!(lines, 1, "{user}");
    }
    // One after the other, then all at once.
    for line in exchange.open_lines() {
        let users = exchange.look(|state| {
            state.lines[line].subscriptions.iter().filter(|s| s["type"] == "userFills").count()
        });
        exchange.cut(line);
        followed(&node, &mut talk, users);
        within(&exchange, &THREE, limits);
    }
    exchange.open_lines().into_iter().for_each(|line| exchange.expire(line));
    followed(&node, &mut talk, THIRTY);
    within(&exchange, &THREE, limits);
    node.ends_well();
}

/// Ends every connection as soon as it is there, for so long.
fn storm(exchange: &Exchange, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        let newest = exchange.connects();
        exchange.open_lines().into_iter().for_each(|line| exchange.cut(line));
        exchange.wait_until(until, |state| state.lines.len() > newest);
    }
}

#[test]
fn connections_that_die_at_once_are_made_again_within_their_budget() {
    let limits = Limits { users: 10, connections: 4, connects: 8, ..ROOMY };
    let exchange = Exchange::open();
    let more = "users_per_connection = 3";
    let home = Home::new(2, &config(&exchange, THIRTY, more, &THREE, limits));
    let mut node = home.run();
    // Alone, the pauses of a few seconds between attempts would let through more.
    storm(&exchange, Duration::from_secs(8));
    within(&exchange, &THREE, limits);
    let most = exchange.most();
    let half = limits.connects / 2;
    let few = most.values().find(|most| most.connects > 0 && most.connects < half);
    assert_eq!(few, None, "no storm to speak of: {most:?}");
    node.ends_well();
}

#[test]
fn resubscription_keeps_to_the_budget_of_messages() {
    // Ten accounts need forty messages, and the prices some: not enough for five times.
    let limits = Limits { users: 10, messages: 150, ..ROOMY };
    let exchange = Exchange::open();
    let from = ["127.0.0.2"];
    let more = "users_per_connection = 3";
    let home = Home::new(2, &config(&exchange, 10, more, &from, limits));
    let mut node = home.run();
    followed(&node, &mut 0, 10);
    let heard = || exchange.look(|state| state.heard());
    for _ in 0..4 {
        exchange.open_lines().into_iter().for_each(|line| exchange.expire(line));
        // Until it falls silent: it has what it wanted, or its budget is spent.
        let mut before = heard();
        let silence = || Instant::now() + Duration::from_secs(1);
        while exchange.wait_until(silence(), |state| state.heard() > before) {
            before = heard();
        }
    }
    let heard = heard();
    within(&exchange, &from, limits);
    assert!(heard > 50, "the budget was there to be used: {heard}");
    node.ends_well();
}

#[test]
fn back_fills_keep_to_the_budget_of_weight() {
    // Each round wants a back-fill for each account: 200 for ten, and there are more rounds than that.
    let limits = Limits { users: 10, weight: 400, ..ROOMY };
    let exchange = Exchange::open();
    let from = ["127.0.0.2", "127.0.0.3"];
    let home = Home::new(2, &config(&exchange, 20, "", &from, limits));
    let mut node = home.run();
    let (mut talk, mut oid) = (0, 0);
    followed(&node, &mut talk, 20);
    exchange.show_at_most(1);
    for _ in 0..3 {
        exchange.open_lines().into_iter().for_each(|line| exchange.cut(line));
        for n in 0..20 {
            oid += 2;
            let made = |oid| fill(oid, oid, "@188 B 1.0 2.0 0.0 Buy");
            exchange.past(&account(n), &[made(oid), made(oid + 1)]);
        }
        followed(&node, &mut talk, 20);
    }
    // Until nothing is asked any more: all that the budget has is used.
    let asked = || exchange.look(|state| state.asked.len());
    let mut before = asked();
    let silence = || Instant::now() + Duration::from_secs(2);
    while exchange.wait_until(silence(), |state| state.asked.len() > before) {
        before = asked();
    }
    within(&exchange, &from, limits);
    // A source's requests go out from its own address: their weight is counted there.
    let most = exchange.most();
    assert_eq!(most.len(), from.len(), "{most:?}");
    assert!(most.values().all(|most| most.weight > 150), "no back-fills to speak of: {most:?}");
    node.ends_well();
}

#[test]
fn what_cannot_be_covered_is_refused_before_anything_connects() {
    let exchange = Exchange::open();
    let limits = Limits { users: 10, ..ROOMY };
    let home = Home::new(2, &config(&exchange, 31, "", &THREE, limits));
    let said = home.run().ends_with(78);
    assert!(said.contains("UPS002") && said.contains("30 live, 1 not covered"), "{said}");
    assert_eq!((exchange.connects(), exchange.look(|state| state.asked.len())), (0, 0));
    assert!(!home.data().join("shard-0").exists(), "and nothing was made");
}

#[test]
fn a_connection_is_free_for_another_shard_when_it_is_closed_and_not_before() {
    let exchange = Exchange::open();
    let limits = Limits { connections: 1, ..ROOMY };
    let from = ["127.0.0.2"];
    let of_shard = |shard: u16| {
        let is_of = |text: &String| {
            let address: shards::Address = text.parse().expect("an address");
            shards::shard_of(&address, 2) == shards::ShardId(shard)
        };
        (0..).map(account).find(is_of).expect("one of many")
    };
    let more = "addresses_file = \"more.csv\"\nremove_grace = \"0s\"";
    let home = Home::new(2, &config(&exchange, 0, more, &from, limits));
    let file = home.config().with_file_name("more.csv");
    std::fs::write(&file, of_shard(0)).expect("written");
    let mut node = home.run();
    let mut talk = 0;
    followed(&node, &mut talk, 1);
    // The venue never answers the ends: the connection is closed all the same, and gives its room then.
    exchange.hold_ends();
    std::fs::write(&file, of_shard(1)).expect("written");
    node.hang_up();
    followed(&node, &mut talk, 1);
    within(&exchange, &from, limits);
    node.ends_well();
}
