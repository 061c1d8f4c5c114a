//! The venue's limits over real sockets, in its own words.

mod common;

use common::{Client, DEADLINE, Event, info};
use runtime::sim::{self, Fault, FaultEvery, Sim, SimLimits, SimOptions, SimRates, Speed};
use serde_json::{Value, json};
use std::time::Instant;

fn start(limits: SimLimits) -> Sim {
    let options = SimOptions { limits, traders: 12, greeting: false, ..SimOptions::default() };
    sim::start(options).expect("the simulator starts")
}

#[track_caller]
fn expect_error(client: &mut Client, wanted: &str) {
    assert_eq!(client.next_of("error"), wanted);
}

#[test]
fn the_documented_budgets_are_the_defaults() {
    let sim = start(SimLimits::default());
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(sim.addr())).collect();
    assert_eq!(Client::try_connect(sim.addr()).err(), Some(429));
    // Ten users over all connections; the eleventh is one too many anywhere.
    for (client, user) in clients.iter_mut().zip(sim.addresses()) {
        client.subscribe_user("userFills", user);
        assert_eq!(client.next_of("subscriptionResponse")["method"], "subscribe");
        client.subscribe_user("orderUpdates", user);
        assert_eq!(client.next_of("subscriptionResponse")["subscription"]["type"], "orderUpdates");
    }
    let eleventh = &sim.addresses()[10];
    clients[3].subscribe_user("userFills", eleventh);
    expect_error(&mut clients[3], "Cannot track more than 10 total users.");
    // A connection that ends makes room for another and for its user.
    drop(clients.pop());
    let deadline = Instant::now() + DEADLINE;
    while sim.stats().expect("it runs").connections_open > 9 {
        assert!(Instant::now() < deadline, "the end was not noticed");
    }
    let mut client = Client::connect(sim.addr());
    client.subscribe_user("userFills", eleventh);
    assert_eq!(client.next_of("subscriptionResponse")["method"], "subscribe");
}

#[test]
fn each_source_address_has_budgets_of_its_own() {
    let sim = start(SimLimits { connections: 1, users: 1, ..SimLimits::default() });
    let users = sim.addresses();
    let from = |last: u8| Client::try_connect_from([127, 0, 0, last].into(), sim.addr());
    for (last, user) in [(2, &users[0]), (3, &users[1])] {
        let mut client = from(last).expect("room");
        assert_eq!(from(last).err(), Some(429), "127.0.0.{last} has one");
        client.subscribe_user("userFills", user);
        assert_eq!(client.next_of("subscriptionResponse")["method"], "subscribe");
        client.subscribe_user("userFills", &users[2]);
        expect_error(&mut client, "Cannot track more than 1 total users.");
        std::mem::forget(client);
    }
}

#[test]
fn new_connections_are_rationed() {
    let sim = start(SimLimits { connects_per_minute: 3, ..SimLimits::default() });
    for _ in 0..3 {
        drop(Client::connect(sim.addr()));
    }
    assert_eq!(Client::try_connect(sim.addr()).err(), Some(429));
    assert_eq!(sim.stats().expect("it runs").refused, 1);
}

#[test]
fn subscriptions_and_messages_are_counted() {
    let limits = SimLimits { subscriptions: 2, messages_per_minute: 4, ..SimLimits::default() };
    let sim = start(limits);
    let mut client = Client::connect(sim.addr());
    client.subscribe(&json!({"type": "allMids"}));
    client.subscribe(&json!({"type": "trades", "coin": "BTC"}));
    client.subscribe(&json!({"type": "trades", "coin": "ETH"}));
    expect_error(&mut client, "Cannot subscribe to more than 2 channels.");
    client.subscribe(&json!({"type": "allMids"}));
    expect_error(&mut client, r#"Already subscribed: {"type":"allMids"}"#);
    client.send(r#"{"method":"ping"}"#);
    expect_error(&mut client, "Cannot send more than 4 messages per minute.");
}

#[test]
fn info_has_weights_and_pages() {
    let options = SimOptions {
        traders: 1,
        rates: SimRates { orders_per_mille: 800, history_blocks: 8_000, ..SimRates::default() },
        limits: SimLimits {
            rest_weight_per_minute: 20 + 100 + 20 + 100 + 20,
            ..SimLimits::default()
        },
        ..SimOptions::default()
    };
    let sim = sim::start(options).expect("the simulator starts");
    let user = sim.addresses()[0].to_string();
    let page = |start: u64| {
        info(sim.addr(), &json!({"type": "userFillsByTime", "user": user, "startTime": start}))
    };
    let (status, first) = page(0);
    let first = first.as_array().expect("fills").clone();
    assert_eq!((status, first.len()), (200, 2000));
    let time = |fill: &Value| fill["time"].as_u64().expect("a time");
    assert!(first.iter().map(time).is_sorted());
    // Both ends are included: the next page begins with the last time of this one.
    let last = time(&first[1999]);
    let (_, second) = page(last);
    let second = second.as_array().expect("fills").clone();
    let shared = first.iter().filter(|fill| time(fill) == last).count();
    assert_eq!(first[2000 - shared..], second[..shared]);
    assert_eq!(second.len(), 2000);
    // The weight is used up: 20 and 1 for each 20 fills, twice; one empty answer fits, a full one
    // does not.
    assert_eq!(page(last).0, 429);
    // Only the 10,000 newest fills exist; a history this long has more.
    assert!(time(&first[0]) > 1_790_000_000_000 + 60_000, "the oldest are forgotten");
}

#[test]
fn both_ends_of_a_range_are_included() {
    let sim = start(SimLimits::none());
    let user = sim.addresses()[0].to_string();
    let (_, all) =
        info(sim.addr(), &json!({"type": "userFillsByTime", "user": user, "startTime": 0}));
    let all = all.as_array().expect("fills").clone();
    let time = |i: usize| all[i]["time"].as_u64().expect("a time");
    let (from, to) = (time(10), time(40));
    let body = json!({"type": "userFillsByTime", "user": user, "startTime": from, "endTime": to});
    let (_, some) = info(sim.addr(), &body);
    let wanted: Vec<&Value> = all
        .iter()
        .filter(|fill| (from..=to).contains(&fill["time"].as_u64().expect("a time")))
        .collect();
    assert!(wanted.len() >= 31);
    assert_eq!(some.as_array().expect("fills").iter().collect::<Vec<_>>(), wanted);
}

#[test]
fn an_idle_connection_ends_without_a_word() {
    let sim = start(SimLimits { idle_ms: 150, ..SimLimits::default() });
    let mut client = Client::connect(sim.addr());
    let begun = Instant::now();
    assert_eq!(client.next(), Event::Lost);
    assert!(begun.elapsed().as_millis() >= 140);
}

#[test]
fn an_expired_connection_says_so() {
    let every = |fault| FaultEvery { fault, every: 4 };
    let options = SimOptions {
        traders: 1,
        only_faults: vec![every(Fault::Expire), every(Fault::Drop)],
        speed: Speed::X(100.0),
        limits: SimLimits::none(),
        ..SimOptions::default()
    };
    let sim = sim::start(options).expect("the simulator starts");
    let user = sim.addresses()[0];
    let deadline = Instant::now() + DEADLINE;
    let (mut polite, mut abrupt) = (false, false);
    while !(polite && abrupt) {
        assert!(Instant::now() < deadline, "polite {polite}, abrupt {abrupt}");
        let mut client = Client::connect(sim.addr());
        client.subscribe_user("userFills", &user);
        loop {
            match client.next() {
                Event::Closed(code, reason) => {
                    assert_eq!((code, reason.as_str()), (1000, "Expired"));
                    polite = true;
                    break;
                }
                Event::Lost => {
                    abrupt = true;
                    break;
                }
                Event::Frame(frame) if frame["channel"] == "error" => {
                    client.subscribe_user("userFills", &user);
                }
                Event::Frame(_) | Event::Text(_) => {}
            }
        }
    }
}
