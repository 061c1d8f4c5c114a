//! An exchange that serves by itself and counts: it acknowledges every subscription, sends snapshots of what has
//! happened, answers requests. What happens, and which connections fail how, the test says.
//!
//! | file | what is there |
//! |---|---|
//! | `line` | the thread of one connection |
//! | `requests` | the thread that answers requests |
//! | `usage` | what each source address used of the venue's budgets |
//! | `words` | frames and fills in few words |

pub mod line;
pub mod requests;
pub mod usage;
pub mod words;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use super::program::PATIENCE;
use line::{Do, Line};
use usage::{Most, Usage};

/// What the exchange does with a subscription.
#[derive(Clone, PartialEq, Debug)]
pub enum Manner {
    /// Acknowledges it, and sends what belongs to it.
    Acknowledge,
    /// Refuses it with these words.
    Refuse(String),
    /// Says nothing.
    Ignore,
}

/// A subscription that was asked for.
pub struct Ask<'a> {
    /// The number of its connection.
    pub line: usize,
    /// How often it was asked for before, on any connection.
    pub before: usize,
    /// What was asked for.
    pub subscription: &'a Value,
}

type Rule = Box<dyn Fn(&Ask) -> Manner + Send>;
type Answer = Box<dyn Fn(&Value) -> Option<Value> + Send>;

/// Everything that the test and the threads share.
pub struct State {
    /// Every connection that ever was, in the order of their coming.
    pub lines: Vec<Line>,
    /// The fills of each account, oldest first.
    past: BTreeMap<String, Vec<Value>>,
    /// The last state of each order.
    orders: BTreeMap<u64, Value>,
    /// Every request, in order.
    pub asked: Vec<Value>,
    /// How often each subscription was asked for.
    subscribed: BTreeMap<String, usize>,
    usage: BTreeMap<IpAddr, Usage>,
    rule: Rule,
    answer: Answer,
    /// Newest fills that a snapshot has, at most.
    snapshot_max: usize,
    /// Acknowledgements of ends, while they are held back.
    late: Option<Vec<(usize, String)>>,
    ended: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the lock")
    }
}

/// A running exchange.
pub struct Exchange {
    shared: Arc<Shared>,
    stream: SocketAddr,
    requests: SocketAddr,
}

impl Exchange {
    /// Listens on free ports.
    pub fn open() -> Exchange {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let (stream, asked) = (listen(), listen());
        let addr = |listener: &TcpListener| listener.local_addr().expect("it is bound");
        let state = State {
            lines: Vec::new(),
            past: BTreeMap::new(),
            orders: BTreeMap::new(),
            asked: Vec::new(),
            subscribed: BTreeMap::new(),
            usage: BTreeMap::new(),
            rule: Box::new(|_| Manner::Acknowledge),
            answer: Box::new(|_| None),
            snapshot_max: 2000,
            late: None,
            ended: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let exchange =
            Exchange { stream: addr(&stream), requests: addr(&asked), shared: Arc::clone(&shared) };
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || line::accept(&stream, &serving));
        std::thread::spawn(move || requests::serve(&asked, &shared));
        exchange
    }

    /// Where its stream is.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws", self.stream)
    }

    /// Where it takes requests.
    pub fn info_url(&self) -> String {
        format!("http://{}/info", self.requests)
    }

    /// `[[source]]` for it, without limits to speak of.
    pub fn source(&self) -> String {
        super::node::source(&self.ws_url(), &self.info_url())
    }

    /// Decides what becomes of each subscription from here on.
    pub fn on_subscribe(&self, rule: impl Fn(&Ask) -> Manner + Send + 'static) {
        self.shared.lock().rule = Box::new(rule);
    }

    /// Answers requests before the exchange does; where it gives nothing, the exchange answers.
    pub fn on_request(&self, answer: impl Fn(&Value) -> Option<Value> + Send + 'static) {
        self.shared.lock().answer = Box::new(answer);
    }

    /// How many of the newest fills a snapshot has.
    pub fn show_at_most(&self, fills: usize) {
        self.shared.lock().snapshot_max = fills;
    }

    /// Holds the acknowledgements of ends back from here on.
    pub fn hold_ends(&self) {
        self.shared.lock().late = Some(Vec::new());
    }

    /// Ends that were asked for while they are held back.
    pub fn ends(&self) -> usize {
        self.look(|state| state.late.as_ref().map_or(0, Vec::len))
    }

    /// Sends the acknowledgements that were held back; they stay, to be sent once more.
    pub fn acknowledge_ends(&self) {
        let state = self.shared.lock();
        for (line, ack) in state.late.iter().flatten() {
            state.lines[*line].give(Do::Say(ack.clone()));
        }
    }

    /// Fills that snapshots and requests know, and no frame tells.
    pub fn past(&self, user: &str, fills: &[Value]) {
        self.shared.lock().past.entry(user.to_lowercase()).or_default().extend_from_slice(fills);
    }

    /// Fills, told in one frame to whoever is subscribed.
    #[track_caller]
    pub fn fills(&self, user: &str, fills: &[Value]) {
        self.past(user, fills);
        let data = json!({"user": user.to_lowercase(), "fills": fills});
        self.tell("userFills", user, "userFills", &data);
    }

    /// Order states that requests know, and no frame tells.
    pub fn past_statuses(&self, updates: &Value) {
        let mut state = self.shared.lock();
        for update in updates.as_array().expect("a list of updates") {
            let oid = update["order"]["oid"].as_u64().expect("an order");
            state.orders.insert(oid, update.clone());
        }
    }

    /// Order states, told in one frame to whoever is subscribed.
    #[track_caller]
    pub fn statuses(&self, user: &str, updates: &Value) {
        self.past_statuses(updates);
        self.tell("orderUpdates", user, "orderUpdates", updates);
    }

    /// Sends a frame to every open connection that is subscribed to this of that account.
    pub fn tell(&self, kind: &str, user: &str, channel: &str, data: &Value) {
        let frame = json!({"channel": channel, "data": data}).to_string();
        let state = self.shared.lock();
        for line in state.lines.iter().filter(|line| line.has(kind, user)) {
            line.give(Do::Say(frame.clone()));
        }
    }

    /// Sends a text to a connection.
    pub fn say(&self, line: usize, text: &str) {
        self.shared.lock().lines[line].give(Do::Say(text.to_owned()));
    }

    /// Sends a WebSocket ping to a connection: whoever answers it reads.
    pub fn ping(&self, line: usize) {
        self.shared.lock().lines[line].give(Do::Ping);
    }

    /// Ends a connection without a word.
    pub fn cut(&self, line: usize) {
        self.end(line, Do::Cut);
    }

    /// Closes a connection as the venue does in its routine.
    pub fn expire(&self, line: usize) {
        self.end(line, Do::Close(1000, "Expired"));
    }

    /// Closes a connection with another code.
    pub fn close(&self, line: usize, code: u16, reason: &'static str) {
        self.end(line, Do::Close(code, reason));
    }

    fn end(&self, line: usize, how: Do) {
        let mut state = self.shared.lock();
        state.lines[line].give(how);
        state.closed(line);
        self.shared.changed.notify_all();
    }

    /// Neither reads nor writes any more on a connection that stays open.
    pub fn mute(&self, line: usize) {
        self.shared.lock().lines[line].give(Do::Mute);
    }

    /// The open connections, the oldest first.
    pub fn open_lines(&self) -> Vec<usize> {
        self.shared.lock().open_lines()
    }

    /// Connections that there ever were.
    pub fn connects(&self) -> usize {
        self.shared.lock().lines.len()
    }

    /// The open connection on which the fills of an account are.
    #[track_caller]
    pub fn line_of(&self, user: &str) -> usize {
        self.wait(&format!("subscription of {user}"), |state| {
            state.lines.iter().any(|line| line.has("userFills", user))
        });
        let state = self.shared.lock();
        let found = state.lines.iter().position(|line| line.has("userFills", user));
        found.expect("seen a moment ago")
    }

    /// Requests of a type so far.
    pub fn asked(&self, kind: &str) -> Vec<Value> {
        let state = self.shared.lock();
        state.asked.iter().filter(|request| request["type"] == kind).cloned().collect()
    }

    /// What each source address has used at most.
    pub fn most(&self) -> BTreeMap<IpAddr, Most> {
        let state = self.shared.lock();
        state.usage.iter().map(|(ip, usage)| (*ip, usage.most())).collect()
    }

    /// Looks at the state.
    pub fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.shared.lock())
    }

    /// Waits until something is so, at the latest until a moment; whether it is.
    pub fn wait_until(&self, moment: Instant, is_so: impl Fn(&State) -> bool) -> bool {
        let mut state = self.shared.lock();
        while !is_so(&state) {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.expect("nobody panics with the lock").0;
        }
        true
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn wait(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        if !self.wait_until(Instant::now() + PATIENCE, is_so) {
            panic!("no {what}: {}", self.shared.lock().brief());
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Whatever a test that failed left behind.
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = true;
        state.lines.iter().for_each(|line| line.give(Do::Cut));
    }
}

impl State {
    /// The open connections, the oldest first.
    pub fn open_lines(&self) -> Vec<usize> {
        (0..self.lines.len()).filter(|at| self.lines[*at].is_open).collect()
    }

    /// Messages heard on all connections that ever were.
    pub fn heard(&self) -> usize {
        self.lines.iter().map(|line| line.heard).sum()
    }

    /// Open subscriptions of a type.
    pub fn count(&self, kind: &str) -> usize {
        let lines = self.lines.iter().filter(|line| line.is_open);
        lines.flat_map(|line| &line.subscriptions).filter(|s| s["type"] == kind).count()
    }

    fn brief(&self) -> String {
        let line =
            |at: &usize| format!("{at}: {} subscriptions", self.lines[*at].subscriptions.len());
        let open: Vec<String> = self.open_lines().iter().map(line).collect();
        format!("{} connections, open: {}", self.lines.len(), open.join(", "))
    }

    fn closed(&mut self, line: usize) {
        let line = &mut self.lines[line];
        if !std::mem::take(&mut line.is_open) {
            return;
        }
        let gone = std::mem::take(&mut line.subscriptions);
        let usage = self.usage.entry(line.peer).or_default();
        usage.closed(&gone);
    }

    /// The snapshot that belongs to a subscription, if one does.
    fn snapshot(&self, subscription: &Value) -> Option<Value> {
        let user = subscription["user"].as_str()?;
        if subscription["type"] != "userFills" {
            return None;
        }
        let past = self.past.get(user).map_or(&[][..], Vec::as_slice);
        let shown = &past[past.len().saturating_sub(self.snapshot_max)..];
        Some(
            json!({"channel": "userFills", "data": {"isSnapshot": true, "user": user, "fills": shown}}),
        )
    }
}
