//! The workers against a small server of their own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Heard, Sender as Hears, channel as heard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shards::{Address, ShardId};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const SHARD: ShardId = ShardId(3);

/// An answer: status, headers, body.
type Said = (u16, &'static str, Value);

/// A request as the server saw it: from which address, and its body.
type Seen = (IpAddr, Value);

/// Serves requests until the test's process ends.
fn serve(answer: impl Fn(&Value) -> Said + Send + Sync + 'static) -> (String, Heard<Seen>) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (hears, seen) = heard();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (answer, hears) = (Arc::clone(&answer), hears.clone());
            std::thread::spawn(move || serve_one(connection, &*answer, &hears));
        }
    });
    (format!("http://127.0.0.1:{port}/info?key=secret"), seen)
}

fn serve_one(
    connection: TcpStream,
    answer: &(impl Fn(&Value) -> Said + ?Sized),
    hears: &Hears<Seen>,
) -> Option<()> {
    let peer = connection.peer_addr().ok()?.ip();
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            let lower = line.to_lowercase();
            if let Some(("content-length", value)) = lower.split_once(": ") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body: Value = serde_json::from_slice(&body).ok()?;
        let (status, headers, said) = answer(&body);
        hears.send((peer, body)).ok()?;
        let said = said.to_string();
        let length = said.len();
        let mut out = &connection;
        write!(out, "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{said}")
            .ok()?;
    }
}

fn fill(time_ms: u64, tid: u64) -> Value {
    json!({"coin": "BTC", "px": "1", "sz": "1", "side": "B", "time": time_ms, "startPosition": "0.0",
        "dir": "Open Long", "closedPnl": "0", "hash": "0x0", "oid": 1, "crossed": true, "fee": "0",
        "tid": tid, "feeToken": "USDC"})
}

fn source(info_url: Option<String>) -> RestSource {
    RestSource { info_url, target: None, local_addr: None, weight_per_minute: 1200, seed: 1 }
}

fn start(sources: Vec<RestSource>) -> (Rest, Arc<Bell>) {
    let bell = super::super::new_bell().expect("an eventfd");
    let with_symbols = (0..sources.len()).filter(|at| sources[*at].info_url.is_some()).collect();
    let rest = Rest::start_with(sources, with_symbols, &[], &bell).expect("threads start");
    (rest, bell)
}

fn backfill(source: usize, n: u8) -> Job {
    Job::Backfill { shard: SHARD, source, address: Address([n; 20]), from_ms: 10 }
}

/// The next answer that is none of `Trouble`.
#[track_caller]
fn next(rest: &mut Rest, bell: &Bell) -> Answer {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match rest.answer() {
            Some(Answer::Trouble(_)) => {}
            Some(answer) => return answer,
            None => bell.sleep(Duration::from_millis(100), || rest.has_news()),
        }
    }
    panic!("no answer in time");
}

/// The trade ids of a back-fill, until its last page.
#[track_caller]
fn tids(rest: &mut Rest, bell: &Bell, n: u8) -> Vec<u64> {
    let mut tids = Vec::new();
    loop {
        match next(rest, bell) {
            Answer::Backfill { shard, address, fills, last } => {
                assert_eq!((shard, address), (SHARD, Address([n; 20])));
                assert!(fills.is_sorted_by_key(|fill| fill.time_ms));
                tids.extend(fills.iter().map(|fill| fill.tid));
                if last {
                    tids.sort_unstable();
                    tids.dedup();
                    return tids;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A server with these fills, in pages of 2000.
fn tape(fills: Vec<Value>) -> impl Fn(&Value) -> Said + Send + Sync {
    move |body| {
        let start = body["startTime"].as_u64().expect("a start");
        let end = body["endTime"].as_u64().unwrap_or(u64::MAX);
        let is_within =
            |fill: &&Value| fill["time"].as_u64().is_some_and(|ms| (start..=end).contains(&ms));
        let mut page: Vec<Value> = fills.iter().filter(is_within).cloned().collect();
        if body["reversed"] == true {
            page.reverse();
        }
        page.truncate(2000);
        (200, "", Value::from(page))
    }
}

#[test]
fn a_backfill_comes_whole_over_pages_and_over_a_millisecond_that_fills_one() {
    let at = |tid: u64| if tid < 1000 { 10 + tid } else { 5000 + tid / 4000 };
    let (url, seen) = serve(tape((1..=6500).map(|tid| fill(at(tid), tid)).collect()));
    let (mut rest, bell) = start(vec![source(Some(url))]);
    assert!(rest.ask(backfill(0, 1)));
    assert_eq!(tids(&mut rest, &bell, 1), (1..=6500).collect::<Vec<u64>>());
    let asked: Vec<Seen> = seen.try_iter().collect();
    assert!(asked.iter().any(|(_, body)| body["reversed"] == true), "{asked:?}");
    assert!(asked.len() <= 8, "{} requests", asked.len());
}

#[test]
fn requests_leave_from_the_address_of_their_source() {
    let (url, seen) = serve(tape(vec![fill(11, 1)]));
    let from = |last: u8| RestSource {
        local_addr: Some(Ipv4Addr::new(127, 0, 0, last).into()),
        ..source(Some(url.clone()))
    };
    let (mut rest, bell) = start(vec![from(2), from(3), source(Some(url.clone()))]);
    let mut wanted = BTreeMap::new();
    for (at, ip) in [(0, 2), (1, 3), (2, 1), (0, 2)] {
        let n = at as u8 + 10;
        rest.ask(backfill(at, n));
        tids(&mut rest, &bell, n);
        wanted.insert(Address([n; 20]).to_string(), IpAddr::from([127, 0, 0, ip]));
    }
    for (peer, body) in seen.try_iter() {
        assert_eq!(Some(&peer), wanted.get(body["user"].as_str().expect("a user")));
    }
}

#[test]
fn an_address_that_this_host_does_not_have_is_named() {
    let (url, _seen) = serve(tape(Vec::new()));
    let elsewhere = Some(IpAddr::from([192, 0, 2, 1]));
    let (mut rest, bell) = start(vec![RestSource { local_addr: elsewhere, ..source(Some(url)) }]);
    rest.ask(backfill(0, 1));
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "not told");
        match rest.answer() {
            Some(Answer::Trouble(problem)) => {
                let text = problem.render(false);
                assert!(text.contains("192.0.2.1"), "{text}");
                assert!(!text.contains("secret"), "{text}");
                return;
            }
            Some(other) => panic!("{other:?}"),
            None => bell.sleep(Duration::from_millis(100), || rest.has_news()),
        }
    }
}

#[test]
fn failures_are_tried_again_and_told() {
    let (url, seen) = serve(|body| match body["type"].as_str() {
        Some("userFillsByTime") => (500, "", Value::Null),
        _ => (200, "", json!({"status": "unknownOid"})),
    });
    let (mut rest, bell) = start(vec![source(Some(url))]);
    rest.ask(backfill(0, 1));
    rest.ask(Job::Status { shard: SHARD, source: 0, address: Address([1; 20]), oid: 5 });
    let mut kinds = Vec::new();
    while kinds.iter().filter(|kind| *kind == "userFillsByTime").count() < 3 {
        let (_, body) = seen.recv_timeout(PATIENCE).expect("it is tried again");
        kinds.push(body["type"].as_str().expect("a type").to_owned());
    }
    assert_eq!(kinds[..2], ["userFillsByTime", "orderStatus"], "others go meanwhile");
    bell.sleep(PATIENCE, || rest.has_news());
    let Some(Answer::Trouble(problem)) = rest.answer() else { panic!("not told") };
    let text = problem.render(false);
    assert!(text.contains("status 500") && text.contains("tried again"), "{text}");
}

#[test]
fn a_spent_budget_is_told_and_the_servers_pause_is_kept() {
    let refused = std::sync::atomic::AtomicBool::new(false);
    let (url, seen) =
        serve(move |_| match refused.swap(true, std::sync::atomic::Ordering::Relaxed) {
            false => (429, "Retry-After: 120\r\n", Value::Null),
            true => (200, "", json!([])),
        });
    let (mut rest, bell) = start(vec![source(Some(url))]);
    rest.ask(backfill(0, 1));
    seen.recv_timeout(PATIENCE).expect("the first request");
    let until = Instant::now() + PATIENCE;
    while !rest.has_news() && Instant::now() < until {
        bell.sleep(Duration::from_millis(100), || rest.has_news());
    }
    let Some(Answer::Trouble(problem)) = rest.answer() else { panic!("not told") };
    let text = problem.render(false);
    assert!(text.contains("UPS030") && text.contains("429") && text.contains("in 120 s"), "{text}");
    assert!(seen.try_recv().is_err(), "it waits");
}

#[test]
fn more_pages_than_the_budget_has_wait_and_are_told() {
    let (url, seen) = serve(tape((1..=2000).map(|tid| fill(10 + tid, tid)).collect()));
    let (mut rest, bell) = start(vec![RestSource { weight_per_minute: 130, ..source(Some(url)) }]);
    rest.ask(backfill(0, 1));
    let until = Instant::now() + PATIENCE;
    let problem = loop {
        assert!(Instant::now() < until, "not told");
        match rest.answer() {
            Some(Answer::Trouble(problem)) => break problem,
            Some(other) => panic!("{other:?}"),
            None => bell.sleep(Duration::from_millis(100), || rest.has_news()),
        }
    };
    let text = problem.render(false);
    assert!(text.contains("1 back-fills") && text.contains("127.0.0.1"), "{text}");
    assert_eq!(seen.try_iter().count(), 1, "the second page waits");
}

#[test]
fn a_source_without_a_rest_interface_says_so_at_once() {
    let (mut rest, bell) = start(vec![source(None)]);
    rest.ask(backfill(0, 1));
    let Answer::BackfillFailed { shard, address, why } = next(&mut rest, &bell) else {
        panic!("not refused")
    };
    assert_eq!((shard, address), (SHARD, Address([1; 20])));
    assert!(why.contains("no REST interface"), "{why}");
    rest.ask(Job::Symbols);
    let Answer::SymbolsFailed { why } = next(&mut rest, &bell) else { panic!("not refused") };
    assert!(why.contains("no source has a REST interface"), "{why}");
}

#[test]
fn statuses_and_symbols_come_and_another_source_is_asked_when_one_fails() {
    let (url, _seen) = serve(|body| match body["type"].as_str() {
        Some("orderStatus") => {
            let order = json!({"coin": "BTC", "side": "B", "limitPx": "1", "sz": "0.0", "oid": body["oid"],
                "timestamp": 1, "origSz": "1"});
            let status = json!({"order": order, "status": "filled", "statusTimestamp": 5});
            (200, "", json!({"status": "order", "order": status}))
        }
        Some("spotMeta") => (200, "", json!({"tokens": [], "universe": []})),
        _ => (200, "", json!([{"universe": [{"name": "BTC"}], "collateralToken": 0}])),
    });
    let (mut rest, bell) = start(vec![source(Some(url.clone())), source(Some(url))]);
    rest.ask(Job::Status { shard: SHARD, source: 1, address: Address([1; 20]), oid: 77 });
    let Answer::Status { shard: SHARD, status } = next(&mut rest, &bell) else { panic!("none") };
    assert_eq!(status.oid, 77);
    rest.ask(Job::Symbols);
    let Answer::Symbols(table) = next(&mut rest, &bell) else { panic!("none") };
    assert_eq!(table.entries().len(), 1);
    assert_eq!(rest.with_symbols[0], 0);
    rest.own.push_back(Answer::SymbolsFailed { why: "it is away".to_owned() });
    rest.answer();
    assert_eq!(rest.with_symbols[0], 1);
}

/// Weights of what a server is asked until a worker says that it waits for the budget.
#[track_caller]
fn weight_until_it_waits(rest: &mut Rest, bell: &Bell, seen: &Heard<Seen>) -> u32 {
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "nothing waits");
        match rest.answer() {
            Some(Answer::Trouble(problem)) if problem.code == "UPS030" => break,
            Some(_) => {}
            None => bell.sleep(Duration::from_millis(100), || rest.has_news()),
        }
    }
    let weight = |(_, body): Seen| match body["type"].as_str() {
        Some("userFillsByTime") => 120,
        _ => 20,
    };
    seen.try_iter().map(weight).sum()
}

#[test]
fn sources_that_ask_one_server_from_one_address_share_its_budget() {
    let full: Value = (0..2000).map(|n| fill(100 + n, n + 1)).collect();
    let (url, seen) = serve(move |_| (200, "", full.clone()));
    // A node with the public interface for its back-fills beside the public WebSocket: the venue counts by address.
    let upper = url.replace("/info", "/INFO");
    let of = |url: &str, weight_per_minute| RestSource {
        weight_per_minute,
        local_addr: Some(Ipv4Addr::LOCALHOST.into()),
        ..source(Some(url.to_owned()))
    };
    let (mut rest, bell) = start(vec![of(&url, 1200), source(None), of(&upper, 120)]);
    assert_eq!((rest.workers.len(), &rest.worker_of[..]), (1, &[Some(0), None, Some(0)][..]));
    assert!(rest.ask(backfill(0, 1)) && rest.ask(backfill(2, 2)));
    assert_eq!(weight_until_it_waits(&mut rest, &bell, &seen), 120);
}

/// A server that has not one request for all dexes.
fn dexes(body: &Value) -> Said {
    match body["type"].as_str() {
        Some("spotMeta") => (200, "", json!({"universe": [], "tokens": []})),
        Some("perpDexs") => (200, "", json!([null, {"name": "a"}, {"name": "b"}, {"name": "c"}])),
        Some("meta") => {
            let name = body["dex"].as_str().map_or("BTC".to_owned(), |dex| format!("{dex}:CL"));
            (200, "", json!({"universe": [{"name": name}], "collateralToken": 0}))
        }
        _ => (500, "", json!("no")),
    }
}

#[test]
fn a_symbol_table_of_many_requests_keeps_to_the_budget() {
    let (url, seen) = serve(|body| match body["dex"].as_str() {
        Some("c") => (500, "", json!("no")),
        _ => dexes(body),
    });
    let one = RestSource { weight_per_minute: 120, ..source(Some(url)) };
    let (mut rest, bell) = start(vec![one]);
    assert!(rest.ask(Job::Symbols));
    assert_eq!(weight_until_it_waits(&mut rest, &bell, &seen), 120);
}

#[test]
fn a_symbol_table_of_many_requests_asks_each_once() {
    let failed = std::sync::atomic::AtomicBool::new(false);
    let (url, seen) = serve(move |body| {
        let fails = body["dex"] == "b" && !failed.swap(true, std::sync::atomic::Ordering::Relaxed);
        if fails { (500, "", json!("once")) } else { dexes(body) }
    });
    let (mut rest, bell) = start(vec![source(Some(url))]);
    assert!(rest.ask(Job::Symbols));
    let Answer::Symbols(table) = next(&mut rest, &bell) else { panic!("none") };
    assert_eq!(table.entries().len(), 4);
    let asked: Vec<String> = seen
        .try_iter()
        .map(|(_, body)| body["dex"].as_str().or(body["type"].as_str()).expect("a type").to_owned())
        .collect();
    assert_eq!(asked, ["spotMeta", "allPerpMetas", "perpDexs", "meta", "a", "b", "b", "c"]);
}

#[test]
fn hosts_are_looked_up_beside_requests_that_are_not_answered() {
    let (asked, is_asked) = heard();
    let (url, _seen) = serve(move |_| {
        let _ = asked.send(());
        // Until the test's process ends.
        loop {
            std::thread::park();
        }
    });
    let at = |target: &str| RestSource {
        target: Target::parse(target).ok(),
        ..source(Some(url.clone()))
    };
    let sources = vec![
        at("ws://127.0.0.1:5/ws"),
        at("ws://127.0.0.1:6/ws"),
        at("ws://127.0.0.1:5/other"),
        source(None),
    ];
    let (mut rest, bell) = start(sources);
    assert_eq!(rest.resolvers.len(), 2, "one for each host and port");
    rest.ask(backfill(0, 1));
    is_asked.recv_timeout(PATIENCE).expect("the request is under way");
    (0..4).for_each(|source| rest.resolve(source));
    let mut resolved = BTreeMap::new();
    while resolved.len() < 3 {
        let Answer::Resolved { source, addresses } = next(&mut rest, &bell) else {
            panic!("something else")
        };
        resolved.insert(source, addresses[0].port());
    }
    assert_eq!(resolved, BTreeMap::from([(0, 5), (1, 6), (2, 5)]));
}
