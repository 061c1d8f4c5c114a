//! Faults over real sockets: what the venue's own tests cannot see, ends, silence and broken answers.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Client, DEADLINE, Event, Follower, info, post};
use runtime::sim::{self, Fault, FaultEvery, NodeOptions, Sim, SimLimits, SimOptions, Speed};
use serde_json::{Value, json};

fn start(faults: &[(Fault, u32)], change: impl FnOnce(&mut SimOptions)) -> Sim {
    let only_faults =
        faults.iter().map(|(fault, every)| FaultEvery { fault: *fault, every: *every });
    let mut options = SimOptions {
        only_faults: only_faults.collect(),
        traders: 3,
        speed: Speed::X(20.0),
        limits: SimLimits::none(),
        greeting: false,
        ..SimOptions::default()
    };
    change(&mut options);
    sim::start(options).expect("the simulator starts")
}

#[test]
fn a_silent_connection_stays_open_and_answers_nothing() {
    for fault in [Fault::Silent, Fault::SilentStart] {
        let sim = start(&[(fault, 5)], |_| {});
        let user = sim.addresses()[0];
        let made = || sim.stats().expect("it runs").faults.contains_key(fault.name());
        let deadline = Instant::now() + DEADLINE;
        let mut client = Client::connect(sim.addr());
        client.subscribe_user("userFills", &user);
        while !made() {
            assert!(Instant::now() < deadline, "never made");
            if client.poll() == Some(Event::Lost) {
                client = Client::connect(sim.addr());
                client.subscribe_user("userFills", &user);
            }
        }
        // What was on its way comes; then nothing, not even the answer to a ping.
        while client.poll().is_some() {}
        client.send(r#"{"method":"ping"}"#);
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            assert_eq!(client.poll(), None, "{}", fault.name());
        }
        assert_eq!(sim.stats().expect("it runs").connections_open, 1, "it is still open");
    }
}

#[test]
fn single_faults_lose_nothing_over_real_sockets() {
    let kinds = [
        Fault::HalfFrame,
        Fault::HugeFrame,
        Fault::NoAck,
        Fault::NoSnapshot,
        Fault::OthersConnections,
        Fault::PageInMillisecond,
        Fault::AllDropped,
    ];
    for fault in kinds {
        let sim = start(&[(fault, 15)], |_| {});
        let mut follower = Follower::new(sim.addr(), &sim.addresses()[..1]);
        let count = || sim.stats().expect("it runs").faults.get(fault.name()).copied();
        follower.follow(|_| count() >= Some(2));
        let stopped = sim.stop_trading().expect("it stops");
        follower.follow(|f| f.fills >= stopped.fills);
        assert_eq!(follower.fills, stopped.fills, "{}", fault.name());
    }
}

#[test]
fn requests_are_refused_fail_and_break_off() {
    let ask = |sim: &Sim| {
        let body = r#"{"type":"meta"}"#;
        let mut stream = TcpStream::connect(sim.addr()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_millis(400))).expect("an option");
        let length = body.len();
        let request =
            format!("POST /info HTTP/1.1\r\nHost: sim\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut bytes = Vec::new();
        // Until the end, or until nothing comes for a while.
        let end = stream.read_to_end(&mut bytes).is_ok();
        (end, String::from_utf8(bytes).expect("text"))
    };
    let sim = start(&[(Fault::RestLimit, 1)], |_| {});
    assert!(ask(&sim).1.starts_with("HTTP/1.1 429"));
    let sim = start(&[(Fault::RestError, 1)], |_| {});
    assert!(ask(&sim).1.starts_with("HTTP/1.1 500"));
    let sim = start(&[(Fault::RestHang, 1)], |_| {});
    assert_eq!(ask(&sim), (false, String::new()), "open, and not a byte");
    let sim = start(&[(Fault::RestCut, 1)], |_| {});
    let (end, text) = ask(&sim);
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").parse().expect("a number");
    assert!(end && head.starts_with("HTTP/1.1 200") && body.len() == length / 2, "{head}");
}

#[test]
fn a_full_millisecond_has_its_rest_at_the_other_end() {
    let sim = start(&[(Fault::FullMillisecond, 5)], |_| {});
    let user = sim.addresses()[0];
    let mut client = Client::connect(sim.addr());
    client.subscribe_user("userFills", &user);
    while client.next() != Event::Lost {}
    let user = user.to_string();
    let newest = info(sim.addr(), &json!({"type": "userFills", "user": user})).1;
    let time = |fill: &Value| fill["time"].as_u64().expect("a time");
    let full =
        newest.as_array().expect("fills").iter().map(time).fold((0, 0, 0), |(t, n, best), x| {
            let n = if x == t { n + 1 } else { 1 };
            (x, n, if n > 1500 { x } else { best })
        });
    let ms = full.2;
    let ask = |reversed: bool| {
        let body = json!({"type": "userFillsByTime", "user": user, "startTime": ms, "endTime": ms,
                          "reversed": reversed});
        info(sim.addr(), &body).1.as_array().expect("fills").clone()
    };
    let (first, last) = (ask(false), ask(true));
    assert_eq!((first.len(), last.len()), (2000, 2000));
    assert!(first.iter().chain(&last).all(|fill| time(fill) == ms));
    let mut tids: Vec<&Value> = first.iter().chain(&last).map(|fill| &fill["tid"]).collect();
    tids.sort_by_key(|tid| tid.as_u64());
    tids.dedup();
    assert!(tids.len() > 2000, "{}", tids.len());
}

#[test]
fn beyond_the_history_there_is_a_gap_and_the_truth_says_so() {
    let sim = start(&[(Fault::BeyondHistory, 10)], |o| o.limits.history_fills = 3_000);
    let mut follower = Follower::new(sim.addr(), &sim.addresses()[..1]);
    follower.follow(|f| f.lost >= 1 && f.has_all_snapshots());
    let stopped = sim.stop_trading().expect("it stops");
    let truth = sim.truth().expect("it runs");
    assert!(!truth.gaps.is_empty());
    let lossy: u64 = truth.legs.iter().filter(|leg| leg.lossy).map(|leg| leg.fills).sum();
    assert!(lossy > 3_000 && stopped.fills > 3_000);
    let text = truth.to_json_lines();
    assert_eq!(sim::Truth::from_json_lines(&text), Ok(truth));
}

#[test]
fn a_nodes_files_have_every_fill_and_hours_roll_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_owned();
    let sim = start(&[(Fault::NodePart, 7), (Fault::NodeReplace, 11)], |o| {
        let hour = Some(Duration::from_millis(400));
        o.node = Some(NodeOptions { dir: path, plain: false, hour });
    });
    assert_eq!(sim.stats().expect("it runs").fills, 0, "trading has not begun");
    let (status, stats) = post(sim.addr(), "/sim/start_trading", &json!({}));
    assert_eq!((status, &stats["accounts_started"]), (200, &json!(3)));
    let deadline = Instant::now() + DEADLINE;
    while sim.stats().expect("it runs").faults.len() < 2
        || sim.stats().expect("it runs").fills < 500
    {
        assert!(Instant::now() < deadline, "{:?}", sim.stats());
    }
    let stopped = sim.stop_trading().expect("it stops");
    assert!(stopped.quiet);
    let users: Vec<String> = sim.addresses().iter().map(ToString::to_string).collect();
    let mut files = Vec::new();
    for kind in ["node_fills_by_block", "node_order_statuses_by_block"] {
        let days = std::fs::read_dir(dir.path().join(kind).join("hourly")).expect("a directory");
        for day in days {
            for hour in std::fs::read_dir(day.expect("a day").path()).expect("a directory") {
                files.push((kind, hour.expect("an hour").path()));
            }
        }
    }
    assert!(files.len() >= 4, "{files:?}");
    let (mut fills, mut numbers) = (0, Vec::new());
    for (kind, path) in &files {
        for line in std::fs::read_to_string(path).expect("a file").lines() {
            let line: Value = serde_json::from_str(line).expect("a whole line");
            if *kind == "node_fills_by_block" {
                numbers.push(line["block_number"].as_u64().expect("a number"));
                let events = line["events"].as_array().expect("events").iter();
                let own = events.filter(|e| users.iter().any(|user| e[0] == *user.as_str()));
                fills += own.count() as u64;
            }
        }
    }
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "no hole");
    assert_eq!(fills, stopped.fills);
}

#[test]
fn the_provider_has_no_limits_and_no_snapshot() {
    let sim = start(&[], |o| {
        o.limits = SimLimits { users: 1, connections: 1, ..SimLimits::default() };
        o.traders = 20;
    });
    let users: Vec<String> = sim.addresses().iter().map(ToString::to_string).collect();
    let subscription = json!({"type": "userFills", "addresses": users});
    let mut clients = [0, 1].map(|_| Client::connect_provider(sim.addr()));
    for client in &mut clients {
        client.subscribe(&subscription);
        assert_eq!(client.next_of("subscriptionResponse")["subscription"], subscription);
        let tuples = client.next_of("userFills");
        let tuple = &tuples[0];
        assert!(users.iter().any(|user| tuple[0] == *user.as_str()) && tuple[1]["oid"].is_u64());
    }
}
