//! The simulator over real sockets: what a patient client can see is exactly what the truth says.

mod common;

use std::collections::BTreeMap;

use common::{Client, Event, Follower, Sums, decimal, get, info, post};
use runtime::sim::{self, Sim, SimLimits, SimOptions, SimRates, Speed, Truth};
use serde_json::{Value, json};
use shards::Decimal;

fn options() -> SimOptions {
    SimOptions { traders: 4, limits: SimLimits::none(), ..SimOptions::default() }
}

fn start(options: SimOptions) -> Sim {
    sim::start(options).expect("the simulator starts")
}

/// The live part of the truth by (user, oid): a flip's two legs are one order's sum.
fn sums_of(truth: &Truth) -> (Sums, Decimal) {
    let mut sums = Sums::new();
    let mut snapshot = Decimal::ZERO;
    for leg in &truth.legs {
        snapshot = snapshot.checked_add(leg.snapshot_size).expect("it fits");
        if leg.fills > 0 {
            let sum = sums.entry((leg.address.to_string(), leg.oid)).or_default();
            sum.0 = sum.0.checked_add(leg.size).expect("it fits");
            sum.1 = sum.1.checked_add(leg.notional).expect("it fits");
            sum.2 += leg.fills;
        }
    }
    (sums, snapshot)
}

#[track_caller]
fn assert_same(found: &Sums, truth: &Truth) {
    let (wanted, _) = sums_of(truth);
    assert_eq!(found.len(), wanted.len(), "orders");
    for (order, (size, notional, fills)) in &wanted {
        let seen = found.get(order).expect("an order of the truth was seen");
        assert_eq!((seen.0, seen.1), (*size, *notional), "{order:?}");
        // A flip is one fill in two legs.
        assert!(seen.2 <= *fills, "{order:?}");
    }
}

#[test]
fn with_all_faults_on_nothing_is_lost_and_sums_are_exact() {
    let sim = start(SimOptions {
        seed: 11,
        faults: true,
        frames_per_fault: 6,
        cuts_per_minute: 60,
        speed: Speed::X(20.0),
        ..options()
    });
    let mut follower = Follower::new(sim.addr(), sim.addresses());
    // Rare kinds begin after a minute, and are made by the tests of single faults.
    let kinds = || sim.stats().expect("it runs").faults.len();
    follower.follow(|f| f.fills > 3_000 && f.lost >= 6 && kinds() >= 20);
    let stopped = sim.stop_trading().expect("it stops");
    follower.follow(|f| f.fills >= stopped.fills && f.has_all_snapshots());
    assert_eq!(follower.fills, stopped.fills);
    let truth = sim.truth().expect("it runs");
    assert_same(&follower.sums, &truth);
    assert!(truth.legs.iter().any(|leg| leg.partial_history && leg.fills > 0));
    let (_, snapshot) = sums_of(&truth);
    assert!(!snapshot.is_zero());
    sim.shutdown().expect("it ends");
}

#[test]
fn without_faults_each_order_ends_with_a_state_that_adds_up() {
    let sim = start(SimOptions {
        blocks: Some(2_000),
        speed: Speed::Max,
        rates: SimRates { forced_per_mille: 0, ..SimRates::default() },
        ..options()
    });
    let mut follower = Follower::new(sim.addr(), sim.addresses());
    follower.follow(|f| f.has_all_snapshots() && sim.stats().expect("it runs").quiet);
    let made = sim.stats().expect("it runs").fills;
    follower.follow(|f| f.fills == made);
    let truth = sim.truth().expect("it runs");
    assert_same(&follower.sums, &truth);
    let mut filled: BTreeMap<u64, Decimal> = BTreeMap::new();
    for leg in &truth.legs {
        let sum = filled.entry(leg.oid).or_default();
        let whole = leg.size.checked_add(leg.snapshot_size).expect("it fits");
        *sum = sum.checked_add(whole).expect("it fits");
    }
    // Frames are followed in order, so the states of the last fills may still be on their way.
    follower.follow(|f| f.sums.keys().all(|(_, oid)| is_terminal(f.statuses.get(oid))));
    for (_, oid) in follower.sums.keys() {
        let status = &follower.statuses[oid];
        let order = &status["order"];
        let told = decimal(order, "origSz").checked_sub(decimal(order, "sz")).expect("it fits");
        assert_eq!(told, filled[oid], "{status}");
    }
}

fn is_terminal(status: Option<&Value>) -> bool {
    status.is_some_and(|status| !matches!(status["status"].as_str(), Some("open" | "triggered")))
}

#[test]
fn the_same_seed_sends_the_same_frames() {
    let run = |seed: u64, speed: Speed| {
        let sim = start(SimOptions { seed, speed, blocks: Some(300), ..options() });
        let user = sim.addresses()[1];
        let mut client = Client::connect(sim.addr());
        client.subscribe_user("userFills", &user);
        let mut frames = Vec::new();
        while !sim.stats().expect("it runs").quiet || frames.len() < 2 {
            frames.extend(client.poll());
        }
        let made = sim.stats().expect("it runs").fills;
        let count = |frames: &[Event]| -> u64 {
            let fills = |event: &Event| match event {
                Event::Frame(frame) if frame["data"]["isSnapshot"].is_null() => {
                    frame["data"]["fills"].as_array().map_or(0, Vec::len) as u64
                }
                _ => 0,
            };
            frames.iter().map(fills).sum()
        };
        while count(&frames) < made {
            frames.push(client.next());
        }
        frames
    };
    let found = run(5, Speed::Max);
    assert!(found.len() > 30);
    assert!(found == run(5, Speed::Max), "the same seed");
    assert!(found == run(5, Speed::X(100.0)), "whatever the speed");
    assert!(found != run(6, Speed::Max), "another seed");
}

#[test]
fn the_control_paths_serve_another_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("truth.jsonl");
    let sim = start(SimOptions { truth: Some(path.clone()), speed: Speed::X(50.0), ..options() });
    let addr = sim.addr();
    let (status, text) = get(addr, "/sim/addresses");
    let listed: Vec<String> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(status, 200);
    assert_eq!(listed, sim.addresses().iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut follower = Follower::new(addr, sim.addresses());
    follower.follow(|f| f.fills > 100);
    let (status, stats) = post(addr, "/sim/stop_trading", &json!({}));
    assert_eq!((status, &stats["quiet"], &stats["accounts_live"]), (200, &json!(true), &json!(0)));
    let (status, text) = get(addr, "/sim/truth");
    assert_eq!(status, 200);
    assert_eq!(Truth::from_json_lines(&text), Ok(sim.truth().expect("it runs")));
    assert_eq!(std::fs::read_to_string(&path).expect("written"), text);
    let (_, text) = get(addr, "/sim/stats");
    let stats: sim::SimStats = serde_json::from_str(&text).expect("statistics");
    follower.follow(|f| f.fills == stats.fills);
    assert_eq!(get(addr, "/nowhere").0, 404);
    assert_eq!(get(addr, "/ws").0, 400);
    std::fs::remove_file(&path).expect("it is there");
    sim.shutdown().expect("it ends");
    assert!(path.exists(), "written once more at the end");
    assert!(std::net::TcpStream::connect(addr).is_err(), "nobody listens any more");
}

#[test]
fn info_answers_for_positions_fills_and_orders() {
    let sim = start(SimOptions { blocks: Some(400), speed: Speed::Max, ..options() });
    let addr = sim.addr();
    let user = sim.addresses()[0];
    let mut follower = Follower::new(addr, &[user]);
    follower.follow(|f| f.has_all_snapshots() && sim.stats().expect("it runs").quiet);
    let ask = |body: Value| {
        let (status, answer) = info(addr, &body);
        assert_eq!(status, 200, "{body}");
        answer
    };
    let user = user.to_string();
    let newest = ask(json!({"type": "userFills", "user": user}));
    let newest = newest.as_array().expect("fills");
    let ascending = ask(json!({"type": "userFillsByTime", "user": user, "startTime": 0}));
    let ascending = ascending.as_array().expect("fills");
    assert!(newest.iter().rev().eq(ascending.iter()), "the same, newest first");
    // Positions are where the chains end.
    let state = ask(json!({"type": "clearinghouseState", "user": user}));
    for held in state["assetPositions"].as_array().expect("positions") {
        let position = &held["position"];
        let last = newest.iter().find(|f| f["coin"] == position["coin"]).expect("a fill");
        let sz = decimal(last, "sz");
        let signed = if last["side"] == "B" { sz } else { sz.neg() };
        let end = decimal(last, "startPosition").checked_add(signed);
        assert_eq!(Some(decimal(position, "szi")), end);
    }
    assert!(
        ask(json!({"type": "spotClearinghouseState", "user": user}))["balances"][0].is_object()
    );
    let oid = newest[0]["oid"].as_u64().expect("an oid");
    let asked = |oid: Value| ask(json!({"type": "orderStatus", "user": user, "oid": oid}));
    let status = asked(json!(oid));
    assert!(status["status"] == "unknownOid" || status["order"]["order"]["oid"] == oid);
    assert_eq!(asked(json!(1)), json!({"status": "unknownOid"}));
    let named = newest.iter().find(|f| f["cloid"].is_string()).expect("a client id");
    assert_eq!(asked(named["cloid"].clone())["order"]["order"]["cloid"], named["cloid"]);
    for kind in ["meta", "allPerpMetas", "perpDexs", "spotMeta", "allMids"] {
        assert!(!ask(json!({"type": kind})).is_null(), "{kind}");
    }
    for bad in [json!({"type": "noSuchThing"}), json!({"type": "userFills"}), json!(7)] {
        let (status, text) = info(addr, &bad);
        assert_eq!(status, 422);
        assert_eq!(text, "Failed to deserialize the JSON body into the target type");
    }
    // The same by socket.
    let mut client = Client::connect(addr);
    let request =
        json!({"type": "info", "payload": {"type": "orderStatus", "user": user, "oid": 1}});
    client.send(&json!({"method": "post", "id": 9, "request": request}).to_string());
    let answer = client.next_of("post");
    let payload = json!({"type": "orderStatus", "data": {"status": "unknownOid"}});
    assert_eq!(answer, json!({"id": 9, "response": {"type": "info", "payload": payload}}));
    client.send(r#"{"method":"post","id":9,"request":{"type":"info","payload":{"type":"x"}}}"#);
    assert_eq!(client.next_of("post")["response"]["type"], "error");
}

#[test]
fn what_cannot_start_says_why() {
    let sim = start(options());
    let taken = SimOptions { listen: sim.addr(), ..options() };
    let error = sim::start(taken).expect_err("the port is in use").to_string();
    assert!(error.starts_with(&format!("cannot listen on {}: ", sim.addr())), "{error}");
    let error = sim::start(SimOptions { speed: Speed::X(-1.0), ..options() }).expect_err("refused");
    assert_eq!(error.to_string(), "speed: a number above 0, or max");
    let path = std::path::PathBuf::from("/nowhere/truth");
    let sim = start(SimOptions { truth: Some(path), ..options() });
    let error = sim.shutdown().expect_err("no such directory").to_string();
    assert!(error.starts_with("cannot write /nowhere/truth: "), "{error}");
}
