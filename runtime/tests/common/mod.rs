//! A small blocking client of the simulator, for whole-system tests: real sockets, deadlines, no
//! sleeps. Beside it what tests of the binary share:
//!
//! | file | what is there |
//! |---|---|
//! | `program` | the binary as a child process: its lines, its end |
//! | `ending` | a market that ends, and a node that must have told all of it |
//! | `exchange` | a server that serves by itself and counts; the test says what happens |
//! | `market` | the simulator as a process of its own |
//! | `node` | configuration and data directory of `corelane run` |
//! | `sums` | sizes and notionals by leg, from four places that must agree |
//! | `venue` | a server that says exactly what a test wants |

// Each test binary compiles this for itself and uses its own part.
#![allow(dead_code, unreachable_pub)]

pub mod ending;
pub mod exchange;
pub mod market;
pub mod node;
pub mod program;
pub mod sums;
pub mod venue;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shards::{Address, Decimal};
use tungstenite::{Error, Message, WebSocket};

/// Longer than anything here takes, shorter than a test run's patience.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What a connection brought.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A JSON frame.
    Frame(Value),
    /// A text frame that is no JSON.
    Text(String),
    /// A close frame: code and reason.
    Closed(u16, String),
    /// The end without a close frame.
    Lost,
}

/// A WebSocket connection.
pub struct Client {
    socket: WebSocket<TcpStream>,
}

impl Client {
    /// Connects, or gives the HTTP status of the refusal.
    pub fn try_connect(addr: SocketAddr) -> Result<Client, u16> {
        Client::try_connect_from([127, 0, 0, 1].into(), addr)
    }

    /// Connects from this address, or gives the HTTP status of the refusal.
    pub fn try_connect_from(from: IpAddr, addr: SocketAddr) -> Result<Client, u16> {
        Client::open(TcpStream::from(bound(from, addr)), addr, "/ws")
    }

    /// Connects to the provider.
    pub fn connect_provider(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).expect("the simulator listens");
        Client::open(stream, addr, "/provider").expect("the provider takes everyone")
    }

    fn open(stream: TcpStream, addr: SocketAddr, path: &str) -> Result<Client, u16> {
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        let mut attempt = tungstenite::client(format!("ws://{addr}{path}"), stream);
        let deadline = Instant::now() + DEADLINE;
        loop {
            match attempt {
                Ok((socket, _)) => return Ok(Client { socket }),
                Err(tungstenite::HandshakeError::Interrupted(handshake)) => {
                    assert!(Instant::now() < deadline, "no handshake in time");
                    attempt = handshake.handshake();
                }
                Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => {
                    return Err(response.status().as_u16());
                }
                Err(tungstenite::HandshakeError::Failure(error)) => panic!("handshake: {error}"),
            }
        }
    }

    /// Connects.
    pub fn connect(addr: SocketAddr) -> Client {
        Client::try_connect(addr).expect("the simulator takes another connection")
    }

    /// Sends a text; a connection that is gone is noticed when reading.
    pub fn send(&mut self, text: &str) {
        let _ = self.socket.send(Message::text(text));
    }

    /// Subscribes.
    pub fn subscribe(&mut self, subscription: &Value) {
        self.send(&json!({"method": "subscribe", "subscription": subscription}).to_string());
    }

    /// Subscribes a channel of a user.
    pub fn subscribe_user(&mut self, kind: &str, user: &Address) {
        self.subscribe(&json!({"type": kind, "user": user.to_string()}));
    }

    /// What comes next, if anything does within a moment.
    pub fn poll(&mut self) -> Option<Event> {
        match self.socket.read() {
            Ok(Message::Text(text)) => Some(match serde_json::from_str(&text) {
                Ok(value) => Event::Frame(value),
                Err(_) => Event::Text(text.to_string()),
            }),
            Ok(Message::Close(Some(frame))) => {
                // The answer to a close frame goes out with the next read.
                let _ = self.socket.flush();
                Some(Event::Closed(frame.code.into(), frame.reason.to_string()))
            }
            Ok(Message::Close(None)) => Some(Event::Closed(1005, String::new())),
            Ok(_) => None,
            Err(Error::Io(error))
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                None
            }
            Err(_) => Some(Event::Lost),
        }
    }

    /// What comes next, within the deadline.
    #[track_caller]
    pub fn next(&mut self) -> Event {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if let Some(event) = self.poll() {
                return event;
            }
        }
        panic!("nothing came in time");
    }

    /// The next frame of a channel; others are skipped.
    #[track_caller]
    pub fn next_of(&mut self, channel: &str) -> Value {
        loop {
            match self.next() {
                Event::Frame(frame) if frame["channel"] == channel => return frame["data"].clone(),
                Event::Frame(_) | Event::Text(_) => {}
                end => panic!("{end:?} instead of {channel}"),
            }
        }
    }
}

/// A connection from a certain address of this host.
fn bound(from: IpAddr, to: SocketAddr) -> socket2::Socket {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("an address of this host");
    socket.connect(&to.into()).expect("the simulator listens");
    socket
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

/// `POST`: status and JSON.
pub fn post(addr: SocketAddr, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("http://{addr}{path}");
    let mut response = agent().post(url).send(body.to_string()).expect("an answer");
    let text = response.body_mut().with_config().limit(1 << 30).read_to_string().expect("a body");
    (response.status().as_u16(), serde_json::from_str(&text).expect("JSON"))
}

/// `POST /info`: status and JSON.
pub fn info(addr: SocketAddr, body: &Value) -> (u16, Value) {
    post(addr, "/info", body)
}

/// `POST /info`: what it says, if all of it comes.
pub fn try_info(addr: SocketAddr, body: &Value) -> Option<Value> {
    let mut response = agent().post(format!("http://{addr}/info")).send(body.to_string()).ok()?;
    let limited = response.body_mut().with_config().limit(1 << 30).read_to_string();
    let text = limited.ok().filter(|_| response.status() == 200)?;
    serde_json::from_str(&text).ok()
}

/// `GET`: status and text.
pub fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut response = agent().get(format!("http://{addr}{path}")).call().expect("an answer");
    let text = response.body_mut().with_config().limit(1 << 30).read_to_string().expect("a body");
    (response.status().as_u16(), text)
}

/// The folder with captured material, if this machine has it; says loudly when it does not.
pub fn shared_data() -> Option<PathBuf> {
    let root = std::env::var_os("CORELANE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let data = root.join("data/hyperliquid");
    if data.is_dir() {
        return Some(data);
    }
    eprintln!("skipped: no captured data at {} (set CORELANE_SHARED)", data.display());
    None
}

/// A decimal inside a JSON object.
#[track_caller]
pub fn decimal(object: &Value, name: &str) -> Decimal {
    object[name].as_str().expect("a text").parse().expect("a decimal")
}

/// What makes two fills of one user the same (spec/monitor.md section 2).
pub fn fill_key(fill: &Value) -> String {
    match fill["tid"].as_u64() {
        Some(0) => format!("{} {} {} {}", fill["coin"], fill["time"], fill["oid"], fill["dir"]),
        _ => format!("{} {} {}", fill["coin"], fill["time"], fill["tid"]),
    }
}

/// Size, notional and number of fills by (user, oid).
pub type Sums = BTreeMap<(String, u64), (Decimal, Decimal, u64)>;

/// Adds a fill; a flip counts once, with its whole size.
pub fn add_fill(sums: &mut Sums, user: &str, fill: &Value) {
    let oid = fill["oid"].as_u64().expect("an oid");
    let (px, sz) = (decimal(fill, "px"), decimal(fill, "sz"));
    let sum = sums.entry((user.to_owned(), oid)).or_default();
    sum.0 = sum.0.checked_add(sz).expect("it fits");
    sum.1 = sum.1.checked_add(px.checked_mul(sz).expect("it fits")).expect("it fits");
    sum.2 += 1;
}

/// A patient reader of some users on one connection: reconnects, retries what is refused, merges
/// snapshots by key and asks `/info` for what they do not reach.
pub struct Follower {
    addr: SocketAddr,
    users: Vec<Address>,
    client: Client,
    baseline: BTreeMap<String, BTreeSet<String>>,
    newest_ms: BTreeMap<String, u64>,
    seen: BTreeSet<(String, String)>,
    /// All fills that were news.
    pub sums: Sums,
    /// The last state of each order.
    pub statuses: BTreeMap<u64, Value>,
    /// News so far.
    pub fills: u64,
    /// Connections lost.
    pub lost: u64,
    heard_at: Instant,
    asked_at: Instant,
    pinged_at: Instant,
    /// Something was refused since it asked: one answer to many requests is enough.
    refused: bool,
    has_snapshot: BTreeSet<String>,
    /// Back-fills to be made, and from when.
    back_fills: BTreeMap<String, u64>,
}

/// The patience of a [`Follower`]: much less than a monitor's, so that tests are short.
const PATIENCE: Duration = Duration::from_millis(1_500);

impl Follower {
    /// Connects and subscribes.
    pub fn new(addr: SocketAddr, users: &[Address]) -> Follower {
        let mut follower = Follower {
            addr,
            users: users.to_vec(),
            client: Client::connect(addr),
            baseline: BTreeMap::new(),
            newest_ms: BTreeMap::new(),
            seen: BTreeSet::new(),
            sums: Sums::new(),
            statuses: BTreeMap::new(),
            fills: 0,
            lost: 0,
            heard_at: Instant::now(),
            asked_at: Instant::now(),
            pinged_at: Instant::now(),
            refused: false,
            has_snapshot: BTreeSet::new(),
            back_fills: BTreeMap::new(),
        };
        follower.subscribe();
        follower
    }

    fn subscribe(&mut self) {
        self.asked_at = Instant::now();
        for user in &self.users {
            self.client.subscribe_user("orderUpdates", user);
            self.client.subscribe_user("userFills", user);
        }
    }

    fn reconnect(&mut self) {
        self.lost += 1;
        let deadline = Instant::now() + DEADLINE;
        self.client = loop {
            if let Ok(client) = Client::try_connect(self.addr) {
                break client;
            }
            assert!(Instant::now() < deadline, "no connection in time");
        };
        self.heard_at = Instant::now();
        self.has_snapshot.clear();
        self.subscribe();
    }

    /// Gives a silent connection up; asks again for what has not come.
    fn watch(&mut self) {
        if self.refused && self.asked_at.elapsed() > PATIENCE / 30 {
            self.refused = false;
            self.subscribe();
        }
        if self.heard_at.elapsed() > PATIENCE {
            self.reconnect();
        } else if self.asked_at.elapsed() > PATIENCE && self.has_snapshot.len() < self.users.len() {
            for user in self.users.clone() {
                if !self.has_snapshot.contains(&user.to_string()) {
                    let wanted = json!({"type": "userFills", "user": user.to_string()});
                    let leave = json!({"method": "unsubscribe", "subscription": wanted});
                    self.client.send(&leave.to_string());
                }
            }
            self.subscribe();
        }
        if self.pinged_at.elapsed() > PATIENCE / 4 {
            self.pinged_at = Instant::now();
            self.client.send(r#"{"method":"ping"}"#);
        }
        for (user, from_ms) in std::mem::take(&mut self.back_fills) {
            self.back_fill(&user, from_ms);
        }
    }

    /// Whether the snapshots of all users have come.
    pub fn has_all_snapshots(&self) -> bool {
        self.baseline.len() == self.users.len()
    }

    /// Takes in what comes until `done`.
    #[track_caller]
    pub fn follow(&mut self, mut done: impl FnMut(&Follower) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(self) {
            assert!(Instant::now() < deadline, "{} fills, {} losses", self.fills, self.lost);
            self.watch();
            let event = self.client.poll();
            if event.is_some() {
                self.heard_at = Instant::now();
            }
            match event {
                Some(Event::Frame(frame)) => self.take_in(&frame),
                Some(Event::Text(_)) | None => {}
                Some(Event::Closed(..) | Event::Lost) => self.reconnect(),
            }
        }
    }

    fn take_in(&mut self, frame: &Value) {
        match frame["channel"].as_str() {
            // A refusal names no user; what is subscribed already is refused again, and that is no
            // news.
            Some("error") if frame["data"].as_str().is_some_and(|t| t.starts_with("Cannot")) => {
                self.refused = true;
            }
            Some(_) if frame["data"].is_null() => {}
            Some("orderUpdates") => {
                for update in frame["data"].as_array().expect("updates") {
                    let oid = update["order"]["oid"].as_u64().expect("an oid");
                    self.statuses.insert(oid, update.clone());
                }
            }
            Some("userFills") => self.take_fills(&frame["data"]),
            _ => {}
        }
    }

    fn take_fills(&mut self, data: &Value) {
        let user = data["user"].as_str().expect("a user").to_owned();
        let fills = data["fills"].as_array().expect("fills");
        if data["isSnapshot"] == true {
            self.has_snapshot.insert(user.clone());
            if !self.baseline.contains_key(&user) {
                self.baseline.insert(user.clone(), fills.iter().map(fill_key).collect());
                return;
            }
            let reached = self.newest_ms.get(&user).copied().unwrap_or_default();
            if fills.first().is_none_or(|oldest| oldest["time"].as_u64() > Some(reached)) {
                self.back_fill(&user, reached);
            }
        }
        fills.iter().for_each(|fill| self.take_fill(&user, fill));
    }

    fn back_fill(&mut self, user: &str, from_ms: u64) {
        let mut start = from_ms;
        loop {
            let body = json!({"type": "userFillsByTime", "user": user, "startTime": start});
            let Some(page) = try_info(self.addr, &body) else {
                // Later, from where it was.
                self.back_fills.insert(user.to_owned(), start);
                return;
            };
            let page = page.as_array().expect("fills");
            page.iter().for_each(|fill| self.take_fill(user, fill));
            if page.len() < 2000 {
                return;
            }
            let last = page.last().expect("2000 fills")["time"].as_u64().expect("a time");
            assert!(last > start, "a millisecond with more than a page");
            start = last;
        }
    }

    fn take_fill(&mut self, user: &str, fill: &Value) {
        let key = fill_key(fill);
        let known = self.baseline.get(user).is_some_and(|known| known.contains(&key));
        if known || !self.seen.insert((user.to_owned(), key)) {
            return;
        }
        let newest = self.newest_ms.entry(user.to_owned()).or_default();
        *newest = (*newest).max(fill["time"].as_u64().expect("a time"));
        self.fills += 1;
        add_fill(&mut self.sums, user, fill);
    }
}
