//! The administration port over real sockets, with a node that is a table.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shards::Address;

use super::server::{Times, start_with};
use super::wire::{Account, AccountState, Status};
use super::{Port, start};
use crate::control::asks::{Asks, House};
use crate::control::health::Vitals;
use crate::control::lists::{Done, Order};
use crate::control::roster::{Origin, Removal, Roster};
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::executor::Housekeeping;

const TOKEN: &str = "0123456789abcdef0123";
const GRACE: Duration = Duration::from_secs(300);

fn account(last: u8) -> Address {
    Address([last; 20])
}

/// A node that has a roster and a list, and nothing else.
struct Table {
    roster: Roster,
    names: BTreeMap<Address, String>,
    orders: Vec<Order>,
    ratio: u8,
}

impl Table {
    fn new() -> Table {
        let mut roster = Roster::new(GRACE);
        roster.offer(Origin::Configuration, &[account(1)], Instant::now());
        Table { roster, names: BTreeMap::new(), orders: Vec::new(), ratio: 100 }
    }

    /// Does as the thread of the lists does.
    fn carry_out(&mut self) -> Vec<(u64, Done)> {
        let mut done = Vec::new();
        for order in std::mem::take(&mut self.orders) {
            let now = Instant::now();
            done.push(match order {
                Order::Reload { ticket } => (ticket, Done::Reloaded(vec!["node.shards".into()])),
                Order::Add { ticket, accounts } => {
                    let bad = accounts.iter().any(|named| named.name == "bad");
                    let names = accounts.into_iter().map(|named| {
                        self.names.insert(named.address, named.name.clone()) != Some(named.name)
                    });
                    let changed = names.collect();
                    match bad {
                        true => (ticket, Done::Refused(Problem::error("ADR005", "no space"))),
                        false => (ticket, Done::Written(changed)),
                    }
                }
                Order::Remove { ticket, addresses } => {
                    let found = addresses.iter().map(|a| self.names.remove(a).is_some());
                    (ticket, Done::Written(found.collect()))
                }
            });
            let list: Vec<Address> = self.names.keys().copied().collect();
            self.roster.offer(Origin::Database, &list, now);
            while self.roster.poll(now).is_some() {}
        }
        done
    }
}

impl House for Table {
    fn vitals(&self) -> Vitals {
        Vitals { wanted: self.roster.len() as u64, ..Vitals::default() }
    }

    fn status(&self) -> Status {
        Status { wanted: self.roster.len() as u64, canary_ratio: self.ratio, ..Status::default() }
    }

    fn accounts(&self) -> Vec<Account> {
        self.roster.iter().filter_map(|(address, ..)| self.account(&address)).collect()
    }

    fn account(&self, address: &Address) -> Option<Account> {
        let (origins, _) = self.roster.get(address)?;
        let leaves = origins.is_empty();
        Some(Account {
            address: address.to_string(),
            name: self.names.get(address).cloned().unwrap_or_default(),
            origins: origins.iter().map(|origin| origin.name().to_owned()).collect(),
            state: if leaves { AccountState::Leaving } else { AccountState::Followed },
            source: Some("ws://127.0.0.1:1/ws".to_owned()),
            shard: Some(1),
            since_ms: Some(5),
            leaves_at_ms: leaves.then_some(7),
        })
    }

    fn order(&mut self, order: Order) -> Result<(), Order> {
        self.orders.push(order);
        Ok(())
    }

    fn remove_now(&mut self, address: &Address) -> Removal {
        self.roster.remove_now(address)
    }

    fn canary_ratio(&self) -> u8 {
        self.ratio
    }

    fn set_canary_ratio(&mut self, ratio: u8) -> bool {
        self.ratio = ratio;
        true
    }
}

/// A port with the table behind it, until it is dropped.
struct Served {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn new(token: Option<&str>) -> Served {
        let port = Port::free().expect("a port");
        let port =
            token.map_or_else(|| Port::free().expect("a port"), |token| port.with_token(token));
        let addr = port.addr();
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        let housekeeping = Housekeeping::beside(&[], std::iter::empty());
        let admin = start(port, &bell, &housekeeping).expect("it starts");
        let stop = Arc::new(AtomicBool::new(false));
        let (asked_to_stop, own_bell) = (Arc::clone(&stop), Arc::clone(&bell));
        let thread = std::thread::spawn(move || {
            let mut asks = Asks::new(Some(admin));
            let mut table = Table::new();
            while !asked_to_stop.load(Ordering::Relaxed) {
                asks.turn(&mut table);
                for (ticket, done) in table.carry_out() {
                    assert!(asks.done(ticket, done, &mut table).is_none());
                }
                own_bell.sleep(Duration::from_millis(100), || asks.has_news());
            }
        });
        Served { addr, stop, bell, thread: Some(thread) }
    }

    /// Sends this text and reads to the end: status and body.
    fn raw(&self, request: &str) -> (u16, Value) {
        let (status, body) = exchange(self.addr, request.as_bytes());
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.raw(&request(method, path, "", body))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn exchange(addr: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    // A server that has refused already may have closed.
    let _ = stream.write_all(request);
    read_reply(&mut stream)
}

fn read_reply(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("text");
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned());
    (status, body)
}

fn path(address: Address) -> String {
    format!("/v1/addresses/{address}")
}

#[test]
fn an_account_is_added_listed_renamed_and_removed() {
    let served = Served::new(None);
    let upper = path(account(0xab)).replace("ab", "AB");
    let (status, added) = served.send("PUT", &upper, "{\"nickname\":\"anna\"}");
    assert_eq!((status, &added["changed"]), (200, &json!(true)));
    assert_eq!(added["account"]["address"], json!(account(0xab).to_string()));
    assert_eq!(added["account"]["state"], json!("followed"));
    let (_, again) = served.send("PUT", &upper, "{\"nickname\":\"anna\"}");
    assert_eq!(again["changed"], json!(false));
    let (status, list) = served.send("GET", "/v1/addresses", "");
    assert_eq!((status, list.as_array().map(Vec::len)), (200, Some(2)));
    assert_eq!(
        (&list[1]["name"], &list[0]["origins"][0]),
        (&json!("anna"), &json!("configuration"))
    );
    let (status, removed) = served.send("DELETE", &upper, "");
    assert_eq!(
        (status, &removed["still_in"], &removed["leaves_at_ms"]),
        (200, &json!([]), &json!(7))
    );
    let (status, refused) = served.send("DELETE", &upper, "");
    assert_eq!((status, &refused["why"]), (409, &json!("it is leaving already")));
    served.send("PUT", &upper, "");
    let (status, removed) = served.send("DELETE", &format!("{upper}?now=true"), "");
    assert_eq!((status, &removed["leaves_at_ms"]), (200, &Value::Null));
    assert_eq!(served.send("DELETE", &upper, "").0, 404);
}

#[test]
fn what_another_list_names_is_not_removed_and_the_answer_says_where_it_stands() {
    let served = Served::new(None);
    let (status, refused) = served.send("DELETE", &format!("{}?now=true", path(account(1))), "");
    assert_eq!((status, &refused["code"]), (409, &json!("ADM007")));
    assert_eq!(refused["why"], json!("it is watched because of: configuration"));
    served.send("PUT", &path(account(1)), "");
    let (status, removed) = served.send("DELETE", &path(account(1)), "");
    assert_eq!((status, &removed["still_in"]), (200, &json!(["configuration"])));
}

#[test]
fn an_import_answers_each_line() {
    let served = Served::new(None);
    let (one, two) = (account(0x11), account(0x22));
    served.send("PUT", &path(one), "");
    let body = format!("{one}\n{two},second\n0x12\n{two}\n");
    let (status, said) = served.send("POST", "/v1/addresses", &body);
    assert_eq!(status, 200);
    assert_eq!(
        (&said["added"], &said["known"], &said["refused"]),
        (&json!(1), &json!(1), &json!(2))
    );
    let results: Vec<_> = said["lines"].as_array().expect("lines").iter().collect();
    let words: Vec<_> = results.iter().filter_map(|line| line["result"].as_str()).collect();
    assert_eq!(words, ["known", "added", "refused", "refused"]);
    assert_eq!((&results[2]["line"], &results[2]["code"]), (&json!(3), &json!("ADR001")));
}

#[test]
fn a_thousand_accounts_come_in_one_request() {
    let served = Served::new(None);
    let line = |number: u16| {
        let mut bytes = [0x77; 20];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        format!("{},name {number}\n", Address(bytes))
    };
    let body: String = (0..1000).map(line).collect();
    let (status, said) = served.send("POST", "/v1/addresses", &body);
    assert_eq!((status, &said["added"], &said["refused"]), (200, &json!(1000), &json!(0)));
}

#[test]
fn reload_canary_status_and_health_answer() {
    let served = Served::new(None);
    let (status, said) = served.send("POST", "/v1/reload", "");
    assert_eq!((status, &said["needs_restart"]), (200, &json!(["node.shards"])));
    assert_eq!(served.send("PUT", "/v1/canary", "{\"ratio\":7}"), (200, json!({"ratio": 7})));
    assert_eq!(served.send("GET", "/v1/canary", ""), (200, json!({"ratio": 7})));
    assert_eq!(served.send("GET", "/v1/status", "").1["canary_ratio"], json!(7));
    let (status, health) = served.send("GET", "/health", "");
    assert_eq!((status, &health["ok"]), (503, &json!(false)), "nothing arrives");
    let reasons: Vec<_> = health["reasons"].as_array().expect("reasons").iter().collect();
    assert_eq!(reasons[0]["reason"], json!("nothing_received"));
}

#[test]
fn what_is_not_understood_is_said_with_code_and_fix() {
    let served = Served::new(None);
    for (method, path, body, status, code) in [
        ("GET", "/", "", 404, "ADM004"),
        ("DELETE", "/v1/addresses", "", 405, "ADM004"),
        ("GET", "/health?x=1", "", 400, "ADM004"),
        ("PUT", "/v1/addresses/vitalik.eth", "", 400, "ADR001"),
        ("PUT", "/v1/addresses/0x0000000000000000000000000000000000000000", "", 400, "ADR003"),
        ("PUT", &path(account(9)), "{\"nick\":1}", 400, "ADM004"),
        ("PUT", &path(account(9)), "{\"nickname\":\"bad\"}", 503, "ADR005"),
        ("DELETE", &format!("{}?now=yes", path(account(9))), "", 400, "ADM004"),
        ("PUT", "/v1/canary", "{\"ratio\":101}", 400, "ADM004"),
        ("PUT", "/v1/canary", "{}", 400, "ADM004"),
        ("POST", "/v1/addresses", "[1]", 400, "ADM004"),
    ] {
        let (found, said) = served.send(method, path, body);
        assert_eq!((found, &said["code"]), (status, &json!(code)), "{method} {path}: {said}");
        assert!(said["what"].as_str().is_some_and(|what| !what.is_empty()), "{said}");
    }
}

#[test]
fn a_page_in_a_browser_changes_nothing_and_reads_nothing() {
    let served = Served::new(None);
    let origin = "Origin: http://127.0.0.1:8080\r\n";
    for method in ["PUT", "DELETE"] {
        let (status, said) = served.raw(&request(method, &path(account(9)), origin, ""));
        assert_eq!((status, &said["code"]), (403, &json!("ADM003")));
    }
    assert_eq!(served.raw(&request("POST", "/v1/reload", origin, "")).0, 403);
    // A page whose own name was made to point here.
    let rebound = "GET /v1/addresses HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n";
    assert_eq!(served.raw(rebound).0, 421);
    let none = "GET /v1/addresses HTTP/1.0\r\n\r\n";
    assert_eq!(served.raw(none).0, 421);
}

#[test]
fn with_a_token_everything_but_health_needs_it() {
    let served = Served::new(Some(TOKEN));
    assert_eq!(served.send("GET", "/health", "").0, 503, "it answers: nothing arrives");
    assert_eq!(served.send("GET", "/v1/addresses", "").0, 401);
    let with = |header: &str| {
        served.raw(&request("PUT", &path(account(9)), &format!("Authorization: {header}\r\n"), ""))
    };
    assert_eq!(with(&format!("Bearer {TOKEN}")).0, 200);
    assert_eq!(with(&format!("bearer {TOKEN}")).0, 200);
    for wrong in ["Bearer 0123456789abcdef0124", "Bearer", "Basic eDp5", TOKEN] {
        let (status, said) = with(wrong);
        assert_eq!((status, &said["code"]), (401, &json!("ADM001")), "{wrong}");
    }
}

#[test]
fn heads_and_bodies_have_limits() {
    let served = Served::new(None);
    let long = format!("X: {}\r\n", "y".repeat(64 << 10));
    assert_eq!(served.raw(&request("GET", "/health", &long, "")).0, 431);
    let many = "X: y\r\n".repeat(100);
    assert_eq!(served.raw(&request("GET", "/health", &many, "")).0, 431);
    let big = "x".repeat((1 << 20) + 1);
    assert_eq!(served.send("POST", "/v1/addresses", &big).0, 413);
    assert_eq!(served.send("GET", "/health", "").0, 503, "it goes on");
}

#[test]
fn slow_clients_and_a_control_that_says_nothing_are_given_up() {
    let short = Duration::from_millis(100);
    let times = Times {
        read_within: short,
        answer_within: short,
        connection_within: Duration::from_secs(20),
    };
    let port = Port::free().expect("a port");
    let addr = port.addr();
    let bell = Arc::new(Bell::new().expect("an eventfd"));
    let housekeeping = Housekeeping::beside(&[], std::iter::empty());
    let admin = start_with(port, &bell, &housekeeping, times).expect("it starts");
    let connect = |begun: &str| {
        let mut stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.write_all(begun.as_bytes()).expect("sent");
        stream
    };
    // Half a head, and no head at all: closed. Half a body: told.
    for begun in ["GET /health HT", ""] {
        let mut stream = connect(begun);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("it closes");
    }
    let half = "POST /v1/addresses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx";
    assert_eq!(read_reply(&mut connect(half)).0, 408);
    assert_eq!(exchange(addr, request("GET", "/health", "", "").as_bytes()).0, 504);
    // Control ends: so does the server.
    drop(admin);
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Ok(stream) = TcpStream::connect(addr) {
        let _ = stream.shutdown(Shutdown::Both);
        assert!(Instant::now() < deadline, "it goes on listening");
        std::thread::yield_now();
    }
}
