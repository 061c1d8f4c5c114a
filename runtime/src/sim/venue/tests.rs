//! The venue without sockets: protocol, limits, snapshots, by hand and clock. Faults are in
//! `fault_tests.rs`.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::super::options::{ReplayFile, SimLimits, Speed};
use super::market::FRAMES_AHEAD;
use super::*;

const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn options() -> SimOptions {
    SimOptions { traders: 3, greeting: false, limits: SimLimits::none(), ..SimOptions::default() }
}

fn venue(options: SimOptions) -> Venue {
    Venue::new(options).expect("a venue")
}

fn connect(venue: &mut Venue) -> u64 {
    venue.connect(IP, Duration::ZERO).expect("room for a connection")
}

fn subscribe(venue: &mut Venue, conn: u64, subscription: &str, now: Duration) {
    let text = format!(r#"{{"method":"subscribe","subscription":{subscription}}}"#);
    venue.message(conn, &text, now);
}

fn user_sub(kind: &str, user: &Address) -> String {
    format!(r#"{{"type":"{kind}","user":"{user}"}}"#)
}

/// Takes what waits; frames as JSON, ends by name.
fn take(venue: &mut Venue, conn: u64) -> Vec<Value> {
    let outs = venue.take_out(conn, usize::MAX);
    venue.sent(conn, Duration::ZERO);
    outs.iter()
        .map(|out| match out {
            Out::Text(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(**text)),
            Out::Half(_) => json!("half"),
            Out::Expire => json!("expire"),
            Out::Drop => json!("drop"),
        })
        .collect()
}

#[track_caller]
fn check_error(venue: &mut Venue, conn: u64, message: &str, wanted: &str) {
    venue.message(conn, message, Duration::ZERO);
    assert_eq!(take(venue, conn), [json!({"channel": "error", "data": wanted})]);
}

#[test]
fn the_protocol_has_the_venues_texts() {
    let mut venue = venue(SimOptions { greeting: true, ..options() });
    let user = venue.addresses()[0];
    let conn = connect(&mut venue);
    assert_eq!(take(&mut venue, conn), [json!("Websocket connection established.")]);
    venue.message(conn, r#"{"method":"ping"}"#, Duration::ZERO);
    assert_eq!(take(&mut venue, conn), [json!({"channel": "pong"})]);
    let upper = user.to_string().replace("0x", "0X").to_uppercase();
    subscribe(&mut venue, conn, &format!(r#"{{"type":"userFills","user":"{upper}"}}"#), ms(0));
    let frames = take(&mut venue, conn);
    let canonical =
        json!({"type": "userFills", "user": user.to_string(), "aggregateByTime": false});
    let ack = json!({"method": "subscribe", "subscription": canonical});
    assert_eq!(frames[0], json!({"channel": "subscriptionResponse", "data": ack}));
    assert_eq!(frames[1]["data"]["isSnapshot"], true);
    let times: Vec<u64> = frames[1]["data"]["fills"]
        .as_array()
        .expect("fills")
        .iter()
        .map(|fill| fill["time"].as_u64().expect("a time"))
        .collect();
    assert!(times.len() > 50 && times.is_sorted());
    let again =
        format!(r#"{{"method":"subscribe","subscription":{}}}"#, user_sub("userFills", &user));
    let text = Subscription::UserFills(user).canonical();
    check_error(&mut venue, conn, &again, &format!("Already subscribed: {text}"));
    let nonsense = r#"{"method": "subscribe", "subscription": {"type": "noSuchType"}}"#;
    let text = format!("Error parsing JSON into valid websocket request: {nonsense}");
    check_error(&mut venue, conn, nonsense, &text);
    let no_coin = r#"{"method":"subscribe","subscription":{"type":"trades","coin":"NO"}}"#;
    let text = r#"Invalid subscription {"coin":"NO","type":"trades"}"#;
    check_error(&mut venue, conn, no_coin, text);
    let leave = r#"{"method":"unsubscribe","subscription":{"type":"allMids"}}"#;
    check_error(&mut venue, conn, leave, r#"Already unsubscribed: {"type":"allMids"}"#);
    assert_eq!(venue.stats().bad_messages, 2);
}

#[test]
fn a_stranger_has_an_empty_snapshot_and_an_end_to_it() {
    let mut venue = venue(options());
    let conn = connect(&mut venue);
    let stranger = Address([7; 20]);
    subscribe(&mut venue, conn, &user_sub("userFills", &stranger), ms(0));
    let frames = take(&mut venue, conn);
    assert_eq!(frames[1]["data"]["fills"], json!([]));
    let leave = format!(
        r#"{{"method":"unsubscribe","subscription":{}}}"#,
        user_sub("userFills", &stranger)
    );
    venue.message(conn, &leave, ms(1));
    assert_eq!(take(&mut venue, conn)[0]["data"]["method"], "unsubscribe");
    assert_eq!(venue.stats().accounts_started, 0);
    assert!(venue.truth().legs.is_empty());
}

#[test]
fn prices_and_states_come_at_once_and_in_their_rhythm() {
    let mut venue = venue(options());
    let user = venue.addresses()[1];
    let conn = connect(&mut venue);
    for (kind, channel) in [
        ("allDexsClearinghouseState", "clearinghouseStates"),
        ("clearinghouseState", "clearinghouseState"),
        ("spotState", "spotState"),
    ] {
        subscribe(&mut venue, conn, &user_sub(kind, &user), ms(0));
        let frames = take(&mut venue, conn);
        assert_eq!((frames.len(), &frames[1]["channel"]), (2, &json!(kind)));
        assert_eq!(frames[1]["data"]["user"], user.to_string());
        assert!(!frames[1]["data"][channel].is_null(), "{}", frames[1]);
    }
    subscribe(&mut venue, conn, r#"{"type":"allMids"}"#, ms(0));
    let frames = take(&mut venue, conn);
    assert_eq!(frames[1]["data"]["mids"]["BTC"], "85801.5");
    assert!(frames[1]["data"]["mids"]["xyz:CL"].is_null());
    let mut count = |at: u64| {
        venue.tick(ms(at));
        take(&mut venue, conn).len()
    };
    assert_eq!([count(999), count(1000), count(1500), count(5000)], [0, 1, 0, 4]);
}

#[test]
fn trades_are_replayed_and_then_those_of_the_accounts() {
    let mut venue = venue(options());
    let user = venue.addresses()[0];
    let conn = connect(&mut venue);
    for coin in ["BTC", "ETH", "SOL", "HYPE"] {
        let wanted = format!(r#"{{"type":"trades","coin":"{coin}"}}"#);
        subscribe(&mut venue, conn, &wanted, ms(0));
        let frames = take(&mut venue, conn);
        assert_eq!(frames[1]["data"].as_array().map(Vec::len), Some(30));
    }
    subscribe(&mut venue, conn, &user_sub("userFills", &user), ms(0));
    venue.tick(ms(20_000));
    let frames = take(&mut venue, conn);
    let own = |trade: &Value| {
        let users = trade["users"].as_array().expect("two users");
        users.iter().filter(|u| **u == user.to_string()).count() == 1
    };
    let trades: Vec<&Value> = frames.iter().filter(|f| f["channel"] == "trades").collect();
    assert!(!trades.is_empty() && trades.iter().all(|frame| own(&frame["data"][0])));
}

#[test]
fn the_live_part_begins_with_the_first_subscription_and_goes_on_without_one() {
    let mut venue = venue(options());
    let user = venue.addresses()[0];
    venue.tick(ms(10_000));
    assert_eq!(venue.stats().fills, 0);
    let conn = connect(&mut venue);
    subscribe(&mut venue, conn, &user_sub("userFills", &user), ms(10_000));
    let first = take(&mut venue, conn)[1]["data"]["fills"].as_array().map(Vec::len);
    venue.tick(ms(20_000));
    let live: usize = take(&mut venue, conn)
        .iter()
        .map(|frame| frame["data"]["fills"].as_array().map_or(0, Vec::len))
        .sum();
    let made = venue.stats().fills;
    assert!(live > 0 && made == live as u64);
    venue.disconnect(conn);
    venue.tick(ms(30_000));
    assert!(venue.stats().fills > made, "time goes on");
    let conn = connect(&mut venue);
    subscribe(&mut venue, conn, &user_sub("userFills", &user), ms(30_000));
    let again = take(&mut venue, conn)[1]["data"]["fills"].as_array().map(Vec::len);
    assert_eq!(again, first.map(|first| first + venue.stats().fills as usize));
}

#[test]
fn frames_do_not_depend_on_when_the_clock_looks() {
    let run = |steps: &[u64]| {
        let mut venue = venue(options());
        let user = venue.addresses()[2];
        let conn = connect(&mut venue);
        subscribe(&mut venue, conn, &user_sub("userFills", &user), ms(0));
        subscribe(&mut venue, conn, &user_sub("orderUpdates", &user), ms(0));
        let mut frames = take(&mut venue, conn);
        for at in steps {
            while venue.tick(ms(*at)).is_some_and(|next| next <= ms(*at)) {}
            frames.extend(take(&mut venue, conn));
        }
        frames.into_iter().map(|frame| frame.to_string()).collect::<Vec<String>>()
    };
    let every: Vec<u64> = (0..=30_000).step_by(7).chain([30_000]).collect();
    let found = run(&[30_000]);
    assert!(found.len() > 50);
    assert!(found == run(&every), "frames differ");
}

#[test]
fn full_speed_waits_for_its_readers() {
    let mut venue = venue(SimOptions { speed: Speed::Max, blocks: Some(5_000), ..options() });
    let user = venue.addresses()[0];
    let conn = connect(&mut venue);
    subscribe(&mut venue, conn, &user_sub("userFills", &user), ms(0));
    let mut seen = 0;
    let deadline = 200_000;
    for _ in 0..deadline {
        venue.tick(ms(1));
        let waiting = venue.sessions[&conn].outbox.len();
        assert!(waiting <= FRAMES_AHEAD + 4, "{waiting}");
        seen += take(&mut venue, conn)
            .iter()
            .filter(|frame| frame["data"]["isSnapshot"].is_null())
            .map(|frame| frame["data"]["fills"].as_array().map_or(0, Vec::len) as u64)
            .sum::<u64>();
        if venue.stats().quiet {
            break;
        }
    }
    let stats = venue.stats();
    assert!(stats.quiet && stats.accounts_live == 0);
    assert!(stats.fills > 2_000 && stats.fills == seen);
}

#[test]
fn stopping_cancels_open_orders_and_later_subscribers_see_the_end() {
    let mut venue = venue(SimOptions { faults: true, ..options() });
    let users = venue.addresses();
    let conn = connect(&mut venue);
    subscribe(&mut venue, conn, &user_sub("userFills", &users[0]), ms(0));
    subscribe(&mut venue, conn, &user_sub("orderUpdates", &users[0]), ms(0));
    venue.tick(ms(1_000));
    venue.stop(ms(1_000));
    assert!(!venue.stats().quiet, "frames wait");
    let frames = take(&mut venue, conn);
    let last = frames.last().expect("the last states");
    assert_eq!(last["data"][0]["status"], "canceled");
    assert!(venue.stats().quiet);
    let fills = venue.stats().fills;
    venue.tick(ms(60_000 - 1));
    assert_eq!(venue.stats().fills, fills);
    subscribe(&mut venue, conn, &user_sub("orderUpdates", &users[1]), ms(2_000));
    subscribe(&mut venue, conn, &user_sub("userFills", &users[1]), ms(2_000));
    let frames = take(&mut venue, conn);
    assert_eq!(frames.last().expect("a frame")["channel"], "orderUpdates");
    assert!(venue.stats().quiet && venue.stats().accounts_started == 2);
}

#[test]
fn idle_and_slow_connections_are_dropped() {
    let limits = SimLimits { idle_ms: 5_000, outbox_frames: 20, ..SimLimits::none() };
    let mut venue = venue(SimOptions { limits, ..options() });
    let user = venue.addresses()[0];
    let (idle, slow) = (connect(&mut venue), connect(&mut venue));
    subscribe(&mut venue, slow, &user_sub("userFills", &user), ms(4_000));
    venue.tick(ms(4_999));
    assert_eq!(take(&mut venue, idle), Vec::<Value>::new());
    assert!(venue.tick(ms(5_000)).is_some());
    assert_eq!(take(&mut venue, idle), [json!("drop")]);
    venue.touch(slow, ms(60_000));
    venue.tick(ms(60_000));
    let frames = take(&mut venue, slow);
    assert_eq!(frames.last(), Some(&json!("drop")));
    assert!(frames.len() < 22, "{}", frames.len());
}

#[test]
fn limits_answer_in_the_venues_words_and_free_what_ends() {
    let limits =
        SimLimits { users: 1, connections: 1, messages_per_minute: 5, ..SimLimits::none() };
    let mut venue = venue(SimOptions { limits, ..options() });
    let users = venue.addresses();
    let conn = connect(&mut venue);
    assert_eq!(venue.connect(IP, Duration::ZERO), None);
    subscribe(&mut venue, conn, &user_sub("userFills", &users[0]), ms(0));
    take(&mut venue, conn);
    let one_more =
        format!(r#"{{"method":"subscribe","subscription":{}}}"#, user_sub("userFills", &users[1]));
    check_error(&mut venue, conn, &one_more, "Cannot track more than 1 total users.");
    venue.disconnect(conn);
    let conn = connect(&mut venue);
    subscribe(&mut venue, conn, &user_sub("userFills", &users[1]), ms(0));
    assert_eq!(take(&mut venue, conn).len(), 2);
    let ping = r#"{"method":"ping"}"#;
    (0..2).for_each(|_| venue.message(conn, ping, ms(0)));
    take(&mut venue, conn);
    check_error(&mut venue, conn, ping, "Cannot send more than 5 messages per minute.");
    assert_eq!(venue.stats().refused, 3);
}

#[test]
fn the_same_account_twice_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.json");
    std::fs::write(&path, "[]").expect("written");
    let file = ReplayFile { path, address: None };
    let options = SimOptions { replay: vec![file.clone(), file], ..options() };
    assert!(matches!(Venue::new(options), Err(SimError::Twice { .. })));
}
