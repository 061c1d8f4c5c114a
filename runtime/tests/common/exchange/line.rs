//! One connection of the monitor, and the thread that serves it.

use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use serde_json::{Value, json};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message, WebSocket};

use super::{Ask, Manner, Shared};
use crate::common::program::PATIENCE;

/// What a connection is to do.
#[derive(Debug)]
pub enum Do {
    /// Send a text.
    Say(String),
    /// Send a WebSocket ping.
    Ping,
    /// Close in order, with a code and a reason.
    Close(u16, &'static str),
    /// End without a word.
    Cut,
    /// Stay open, say nothing, hear nothing.
    Mute,
}

/// A connection as the test sees it.
pub struct Line {
    /// From where it came.
    pub peer: IpAddr,
    /// Whether it is there.
    pub is_open: bool,
    /// Its subscriptions, in canonical form.
    pub subscriptions: Vec<Value>,
    /// Messages heard on it.
    pub heard: usize,
    /// Answers to WebSocket pings.
    pub pongs: usize,
    todo: Sender<Do>,
    bell: Arc<OwnedFd>,
}

impl Line {
    /// Whether it is open and subscribed to this of an account.
    pub fn has(&self, kind: &str, user: &str) -> bool {
        let user = user.to_lowercase();
        self.is_open && self.subscriptions.iter().any(|s| s["type"] == kind && s["user"] == user)
    }

    pub(super) fn give(&self, what: Do) {
        // Its thread has gone when the connection has: then there is nobody to tell.
        let _ = self.todo.send(what);
        let _ = rustix::io::write(&*self.bell, &1u64.to_ne_bytes());
    }
}

/// Accepts connections until the test ends.
pub(super) fn accept(stream: &TcpListener, shared: &Arc<Shared>) {
    for connection in stream.incoming().flatten() {
        let Ok(peer) = connection.peer_addr() else { continue };
        let (todo, given) = channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd"));
        let line = Line {
            peer: peer.ip(),
            is_open: true,
            subscriptions: Vec::new(),
            heard: 0,
            pongs: 0,
            todo,
            bell: Arc::clone(&bell),
        };
        let number = {
            let mut state = shared.lock();
            if state.ended {
                return;
            }
            state.lines.push(line);
            state.usage.entry(peer.ip()).or_default().opened();
            state.lines.len() - 1
        };
        shared.changed.notify_all();
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            if let Some(mut service) = Service::begin(&shared, number, connection, given, bell) {
                while service.turn() {}
            }
            shared.lock().closed(number);
            shared.changed.notify_all();
        });
    }
}

/// The thread of a connection.
struct Service<'a> {
    shared: &'a Shared,
    number: usize,
    socket: WebSocket<TcpStream>,
    todo: Receiver<Do>,
    bell: Arc<OwnedFd>,
    is_muted: bool,
}

impl<'a> Service<'a> {
    /// Shakes hands; nothing if the other side has gone.
    fn begin(
        shared: &'a Shared,
        number: usize,
        stream: TcpStream,
        todo: Receiver<Do>,
        bell: Arc<OwnedFd>,
    ) -> Option<Service<'a>> {
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_nodelay(true).ok()?;
        let socket = tungstenite::accept(stream).ok()?;
        // Read only when there is something; a frame that is not whole must not hold this thread.
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(1))).ok()?;
        Some(Service { shared, number, socket, todo, bell, is_muted: false })
    }

    /// Waits for something, and does it. `false` when the connection has ended.
    fn turn(&mut self) -> bool {
        {
            let heeded = if self.is_muted { PollFlags::empty() } else { PollFlags::IN };
            let mut fds = [
                PollFd::new(self.socket.get_ref(), heeded),
                PollFd::new(&self.bell, PollFlags::IN),
            ];
            if poll(&mut fds, None).is_err() {
                return true;
            }
            if self.is_muted && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
                return false;
            }
        }
        // Nobody rang: fine, too.
        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
        while let Ok(what) = self.todo.try_recv() {
            if !self.act(what) {
                return false;
            }
        }
        self.is_muted || self.hear()
    }

    fn act(&mut self, what: Do) -> bool {
        match what {
            Do::Mute => {
                self.is_muted = true;
                true
            }
            _ if self.is_muted && !matches!(what, Do::Cut) => true,
            Do::Say(text) => self.socket.send(Message::text(text)).is_ok(),
            Do::Ping => self.socket.send(Message::Ping(Vec::new().into())).is_ok(),
            Do::Close(code, reason) => {
                let frame = CloseFrame { code: code.into(), reason: reason.into() };
                self.socket.close(Some(frame)).is_ok()
            }
            Do::Cut => {
                // The end is the end, whoever was first.
                let _ = self.socket.get_ref().shutdown(Shutdown::Both);
                false
            }
        }
    }

    /// Takes in what is there.
    fn hear(&mut self) -> bool {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let Ok(message) = serde_json::from_str(&text) else { return false };
                    for reply in self.heard(&message) {
                        if self.socket.send(Message::text(reply)).is_err() {
                            return false;
                        }
                    }
                }
                Ok(Message::Pong(_)) => {
                    self.shared.lock().lines[self.number].pongs += 1;
                    self.shared.changed.notify_all();
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return true;
                }
                Err(_) => return false,
            }
        }
    }

    /// Takes a message in; the frames that answer it.
    fn heard(&self, message: &Value) -> Vec<String> {
        let mut guard = self.shared.lock();
        self.shared.changed.notify_all();
        let state = &mut *guard;
        let line = &mut state.lines[self.number];
        line.heard += 1;
        let usage = state.usage.entry(line.peer).or_default();
        usage.heard();
        let subscription = canonical(&message["subscription"]);
        let ack = json!({"channel": "subscriptionResponse",
            "data": {"method": message["method"], "subscription": subscription}});
        match message["method"].as_str() {
            Some("ping") => vec![json!({"channel": "pong"}).to_string()],
            Some("unsubscribe") => {
                if line.subscriptions.contains(&subscription) {
                    line.subscriptions.retain(|known| *known != subscription);
                    usage.unsubscribed(&subscription);
                }
                match &mut state.late {
                    Some(late) => {
                        late.push((self.number, ack.to_string()));
                        Vec::new()
                    }
                    None => vec![ack.to_string()],
                }
            }
            Some("subscribe") if line.is_open => {
                let times = state.subscribed.entry(subscription.to_string()).or_default();
                let ask = Ask { line: self.number, before: *times, subscription: &subscription };
                *times += 1;
                match (state.rule)(&ask) {
                    Manner::Acknowledge => {
                        line.subscriptions.push(subscription.clone());
                        usage.subscribed(&subscription);
                        let snapshot = state.snapshot(&subscription);
                        [Some(ack), snapshot].iter().flatten().map(Value::to_string).collect()
                    }
                    Manner::Refuse(words) => {
                        vec![json!({"channel": "error", "data": words}).to_string()]
                    }
                    Manner::Ignore => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }
}

/// A subscription as the venue echoes it: defaults added, accounts in lower case.
fn canonical(subscription: &Value) -> Value {
    let mut subscription = subscription.clone();
    match subscription["type"].as_str() {
        Some("userFills") => subscription["aggregateByTime"] = json!(false),
        Some("spotState") => subscription["ignorePortfolioMargin"] = json!(false),
        _ => {}
    }
    if let Some(user) = subscription["user"].as_str() {
        subscription["user"] = json!(user.to_lowercase());
    }
    subscription
}
