//! One connection on the core's ring: connect, receive, send, and the way back after a loss.
//!
//! Memory that the ring uses (the receive buffer, the bytes being sent, the peer's address) is owned by the link and
//! stays where it is until the operation has completed: a link that is lost waits for its operations before it is
//! used again.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::{opcode, types};
use net::backoff::Backoff;
use net::hyperliquid::session::{Action, PING_TEXT, Policy};
use net::hyperliquid::subscription::Subscription;
use net::hyperliquid::weight::Budget;
use net::ws::{Limits, Message, Socket};
use shards::{Address, Input};
use socket2::{Domain, Protocol, SockAddr, Type};

use super::message::{LinkNews, Reply, Source};
use super::speech::{Speech, provider_frame, public_frame};
use super::station::{Station, failed};
use super::venue::VenueClock;
use crate::config::SourceKind;
use crate::lane::clock::wall_now_ns;
use crate::lane::ring::{Op, Ring, Token};

const RECV_BYTES: usize = 16 << 10;
/// How long a connection may take to open, handshakes included.
const OPEN_MS_MAX: u64 = 10_000;
/// How long a connection that no account needs waits for the answers to the ends of its subscriptions.
const EMPTY_MS_MAX: u64 = 10_000;

/// What a session has to say in one turn of the loop, at most: a provider's group of a thousand accounts is followed at once.
const ACTIONS_PER_TURN: usize = 128;

/// Where a link stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nobody needs it.
    Resting,
    /// To be connected at this time.
    Waiting { retry_at_ms: u64 },
    /// TCP, TLS or WebSocket is being set up.
    Opening { since_ms: u64 },
    /// Messages flow.
    Open,
    /// Lost; operations are still in flight.
    Ending { retry_at_ms: u64 },
}

/// One connection and the accounts on it.
pub(super) struct Link {
    number: usize,
    pub(super) source: usize,
    pub(super) users: BTreeSet<Address>,
    speech: Speech,
    policy: Policy,
    /// Times that it may connect in a minute, and those of the last one.
    connects_max: u32,
    connects: Budget,
    backoff: Backoff,
    stage: Stage,
    tcp: Option<socket2::Socket>,
    ws: Option<Socket>,
    peer: Box<SockAddr>,
    received: Box<[u8]>,
    sending: Vec<u8>,
    sent: usize,
    connecting: bool,
    receiving: bool,
    is_sending: bool,
    /// A message waits inside the socket for room in the journal.
    pub(super) stalled: bool,
    received_ns: u64,
    lost_at_ms: u64,
    attempt: usize,
    /// When the connection was opened, or an account came to it since: its fills come from then on at least.
    since_ms: u64,
    /// The venue's time, as a provider's fills tell it.
    venue: VenueClock,
    /// Accounts that are followed on the connection at hand.
    followed: BTreeSet<Address>,
    /// Since when it has no accounts; `None` before the first.
    empty_since_ms: Option<u64>,
    /// Control wants to hear, under this ticket, when it is closed.
    leaving: Option<u64>,
    /// Statuses may have been missed since the link was last whole.
    missed_statuses: bool,
}

impl Link {
    /// A link that nobody needs yet.
    pub(super) fn new(number: usize, seed: u64) -> Link {
        let policy = Policy { messages_per_minute: 0, seed, ..Policy::default() };
        Link {
            number,
            source: 0,
            users: BTreeSet::new(),
            speech: Speech::new(SourceKind::HyperliquidWs, policy),
            policy,
            connects_max: 0,
            connects: Budget::new(0),
            backoff: Backoff::new(seed),
            stage: Stage::Resting,
            tcp: None,
            ws: None,
            peer: Box::new(SockAddr::from(std::net::SocketAddr::from(([0, 0, 0, 0], 0)))),
            received: vec![0; RECV_BYTES].into_boxed_slice(),
            sending: Vec::new(),
            sent: 0,
            connecting: false,
            receiving: false,
            is_sending: false,
            stalled: false,
            received_ns: 0,
            lost_at_ms: 0,
            attempt: 0,
            since_ms: 0,
            venue: VenueClock::default(),
            followed: BTreeSet::new(),
            empty_since_ms: None,
            leaving: None,
            missed_statuses: true,
        }
    }

    /// How much it may do in a minute.
    pub(super) fn allow(&mut self, messages: u32, connects: u32) {
        self.policy.messages_per_minute = messages;
        self.speech.allow(messages);
        self.connects_max = connects;
        self.connects.set_per_minute(connects);
    }

    /// Speaks as a source of this kind does, if it has no accounts of another. Before anything is wanted of it.
    pub(super) fn suit(&mut self, kind: SourceKind) {
        if self.users.is_empty() && !self.speech.fits(kind) {
            self.speech = Speech::new(kind, self.policy);
        }
    }

    /// Follows an account over a source that the link [suits](Link::suit). The first one wakes it; while it has others the
    /// source is theirs.
    pub(super) fn add(&mut self, user: Address, source: usize, now_ms: u64) {
        if self.users.is_empty() {
            self.source = source;
        }
        self.since_ms = self.since_ms.max(now_ms);
        debug_assert_eq!(self.source, source, "a link has one source");
        self.users.insert(user);
        self.speech.follow(user);
        (self.empty_since_ms, self.leaving) = (None, None);
        match &mut self.stage {
            Stage::Resting => self.stage = Stage::Waiting { retry_at_ms: 0 },
            Stage::Ending { retry_at_ms } if self.users.len() == 1 => *retry_at_ms = 0,
            // It was laid down, and has not come to rest yet.
            Stage::Waiting { retry_at_ms } if *retry_at_ms == u64::MAX => *retry_at_ms = 0,
            _ => {}
        }
    }

    /// Follows an account no longer.
    pub(super) fn remove(&mut self, user: &Address, station: &mut Station) {
        if !self.users.remove(user) {
            return;
        }
        if self.followed.remove(user) {
            station.report.followed -= 1;
        }
        self.speech.let_go(*user);
        if self.users.is_empty() {
            self.empty_since_ms = Some(station.clock.wall_ns() / 1_000_000);
        }
    }

    /// Says, under this ticket, when the connection is closed, unless an account comes to it before.
    pub(super) fn leave_with(&mut self, ticket: u64) {
        if self.users.is_empty() {
            self.leaving = Some(ticket);
        }
    }

    /// When it is closed whatever the server says to the ends of its subscriptions.
    fn empty_until_ms(&self) -> Option<u64> {
        self.empty_since_ms.map(|since_ms| since_ms + EMPTY_MS_MAX)
    }

    /// Follows a subscription that belongs to no account no longer.
    pub(super) fn unwant(&mut self, subscription: Subscription) {
        self.speech.unwant(subscription);
    }

    /// Follows a subscription that belongs to no account.
    pub(super) fn want(&mut self, subscription: Subscription) {
        self.speech.want(subscription);
    }

    /// Whether messages flow.
    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether no operation is in flight.
    pub(super) fn is_quiet(&self) -> bool {
        !(self.connecting || self.receiving || self.is_sending)
    }

    /// Milliseconds until [`Link::turn`] has something to do; `None` when only a completion can give it that.
    pub(super) fn due_in_ms(&self, now_ms: u64) -> Option<u64> {
        let at_ms = match self.stage {
            Stage::Resting => None,
            // Until control says how often it may.
            Stage::Waiting { .. } if self.connects_max == 0 => None,
            Stage::Waiting { retry_at_ms } => Some(retry_at_ms),
            Stage::Opening { since_ms } => Some(since_ms + OPEN_MS_MAX),
            Stage::Open => {
                self.speech.next_deadline().into_iter().chain(self.empty_until_ms()).min()
            }
            Stage::Ending { .. } => None,
        };
        at_ms.map(|at_ms| at_ms.saturating_sub(now_ms))
    }

    /// Does what is due: connect, subscribe, ping, give up.
    pub(super) fn turn(
        &mut self,
        ring: &mut Ring,
        source: &Source,
        station: &mut Station,
        now_ms: u64,
    ) -> io::Result<()> {
        match self.stage {
            Stage::Waiting { .. } if self.users.is_empty() => self.stage = Stage::Resting,
            Stage::Waiting { retry_at_ms } if retry_at_ms <= now_ms && self.connects_max > 0 => {
                self.begin(ring, source, station, now_ms);
            }
            Stage::Opening { since_ms } if now_ms >= since_ms + OPEN_MS_MAX => {
                self.lose(station, now_ms, "not open after 10 s", None);
            }
            Stage::Open => {
                self.converse(station, now_ms);
                // What was ended on the wire is free for others at once.
                let is_over = self.speech.is_empty()
                    || self.empty_until_ms().is_some_and(|until_ms| until_ms <= now_ms);
                if self.users.is_empty() && is_over && self.is_open() {
                    self.lay_down(station, now_ms);
                }
            }
            Stage::Ending { retry_at_ms } if self.is_quiet() => {
                self.tcp = None;
                self.ws = None;
                self.stage = Stage::Waiting { retry_at_ms };
            }
            _ => {}
        }
        if self.stage == Stage::Resting
            && let Some(ticket) = self.leaving.take()
        {
            station.reply(Reply::Left { link: self.number, ticket });
        }
        if self.connecting && matches!(self.stage, Stage::Ending { .. }) {
            ring.cancel(self.token(Op::Connect))?;
        }
        self.send(ring)
    }

    fn token(&self, op: Op) -> Token {
        Token::new(op, self.number as u64)
    }

    fn fd(&self) -> RawFd {
        self.tcp.as_ref().expect("an operation needs a socket").as_raw_fd()
    }

    /// Connects, if the budget of new connections allows.
    fn begin(&mut self, ring: &mut Ring, source: &Source, station: &mut Station, now_ms: u64) {
        if let Err(wait_ms) = self.connects.take(now_ms, 1) {
            self.stage = Stage::Waiting { retry_at_ms: now_ms + wait_ms.max(1) };
            let (link, users) = (self.number, self.users.len());
            return station.news(LinkNews::Paced { link, users, wait_ms });
        }
        if let Err(why) = self.connect(ring, source, now_ms) {
            self.lose(station, now_ms, &why, None);
        }
    }

    /// Nobody needs it any more.
    fn lay_down(&mut self, station: &mut Station, now_ms: u64) {
        station.report.links_open -= 1;
        self.speech.on_closed(now_ms);
        self.lost_at_ms = 0;
        self.leave();
        station.news(LinkNews::Left { link: self.number });
    }

    fn connect(&mut self, ring: &mut Ring, source: &Source, now_ms: u64) -> Result<(), String> {
        assert!(self.is_quiet(), "the last connection's operations have completed");
        let many = source.resolved.len();
        if many == 0 {
            return Err(format!("no address is known for {}", host(source)));
        }
        let peer = source.resolved[self.attempt % many];
        self.attempt += 1;
        let open = || -> io::Result<socket2::Socket> {
            let tcp =
                socket2::Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
            tcp.set_tcp_nodelay(true)?;
            if let Some(local) = source.local_addr {
                tcp.bind(&std::net::SocketAddr::new(local, 0).into())?;
            }
            Ok(tcp)
        };
        let tcp = open().map_err(|error| failed(&format!("connecting to {peer}"), &error))?;
        *self.peer = peer.into();
        let fd = tcp.as_raw_fd();
        self.tcp = Some(tcp);
        self.sending.clear();
        self.sent = 0;
        let entry = opcode::Connect::new(types::Fd(fd), self.peer.as_ptr().cast(), self.peer.len())
            .build()
            .user_data(self.token(Op::Connect).bits());
        // SAFETY: `peer` is boxed and `tcp` is kept until the link is quiet again.
        unsafe { ring.push(&entry) }.map_err(|error| failed("io_uring", &error))?;
        self.connecting = true;
        self.stage = Stage::Opening { since_ms: now_ms };
        Ok(())
    }

    /// Something of this link completed.
    pub(super) fn completed(
        &mut self,
        op: Op,
        result: io::Result<u32>,
        ring: &mut Ring,
        source: &Source,
        station: &mut Station,
        now_ms: u64,
    ) -> io::Result<()> {
        match op {
            Op::Connect => self.connecting = false,
            Op::Recv => self.receiving = false,
            Op::Send => self.is_sending = false,
            _ => return Ok(()),
        }
        if matches!(self.stage, Stage::Ending { .. }) {
            return self.turn(ring, source, station, now_ms);
        }
        match (op, result) {
            (Op::Connect, Ok(_)) => match source.target.as_ref().map(connect_ws) {
                None => self.lose(station, now_ms, "the source has no server", None),
                Some(Ok(ws)) => self.ws = Some(ws),
                Some(Err(error)) => self.lose(station, now_ms, &error.to_string(), None),
            },
            (Op::Recv, Ok(0)) => self.lose(station, now_ms, "closed by the server", None),
            (Op::Recv, Ok(bytes)) => {
                self.received_ns = station.clock.mono_ns();
                self.speech.on_bytes(now_ms);
                station.report.received_bytes += u64::from(bytes);
                self.feed(bytes as usize, station, now_ms);
            }
            (Op::Send, Ok(bytes)) => self.sent += bytes as usize,
            (_, Err(error)) => {
                let what = match op {
                    Op::Connect => format!("connecting to {}", host(source)),
                    Op::Recv => "receiving".to_owned(),
                    _ => "sending".to_owned(),
                };
                self.lose(station, now_ms, &failed(&what, &error), None);
            }
            _ => {}
        }
        self.receive(ring)?;
        self.turn(ring, source, station, now_ms)
    }

    fn feed(&mut self, bytes: usize, station: &mut Station, now_ms: u64) {
        let ws = self.ws.as_mut().expect("bytes come after the handshake began");
        if let Err(error) = ws.feed(&self.received[..bytes]) {
            self.lose(station, now_ms, &error.to_string(), None);
            return;
        }
        self.read(station, now_ms);
    }

    /// Takes the messages that are complete, until the journal has no room for more.
    pub(super) fn read(&mut self, station: &mut Station, now_ms: u64) {
        self.stalled = false;
        while let Some(ws) =
            self.ws.as_mut().filter(|_| !matches!(self.stage, Stage::Ending { .. }))
        {
            if station.journal.wants_room() {
                self.stalled = true;
                return;
            }
            match ws.next() {
                Ok(None) => return,
                Ok(Some(Message::Opened)) => self.opened(station, now_ms),
                Ok(Some(Message::Text(text))) => self.text(text.as_str(), station, now_ms),
                Ok(Some(Message::Binary(_))) => self.speech.on_traffic(now_ms),
                Ok(Some(Message::Closed { code, reason })) => {
                    let why = format!("the server closed: {code} {reason}");
                    self.lose(station, now_ms, why.trim_end(), Some((code, &reason)));
                }
                Err(error) => self.lose(station, now_ms, &error.to_string(), None),
            }
        }
    }

    fn opened(&mut self, station: &mut Station, now_ms: u64) {
        self.stage = Stage::Open;
        self.followed.clear();
        self.since_ms = now_ms;
        self.speech.on_open(now_ms);
        station.report.links_open += 1;
        let away_ms = if self.lost_at_ms == 0 { 0 } else { now_ms - self.lost_at_ms };
        station.news(LinkNews::Up { link: self.number, users: self.users.len(), away_ms });
    }

    fn text(&mut self, text: &str, station: &mut Station, now_ms: u64) {
        station.report.frames += 1;
        let read = match &mut self.speech {
            Speech::Public(session) => {
                public_frame(session, text, station, self.received_ns, now_ms)
            }
            Speech::Provider(session) => {
                let read = provider_frame(session, text, station, self.received_ns, now_ms);
                if let Ok(Some(newest_ms)) = read {
                    self.venue.hear(newest_ms, now_ms);
                }
                read.map(drop)
            }
        };
        if let Err(error) = read {
            self.speech.on_traffic(now_ms);
            station.report.unreadable += 1;
            let count = station.report.unreadable;
            if count <= 10 || count.is_power_of_two() {
                station.news(LinkNews::Unreadable { why: error.to_string() });
            }
        }
    }

    /// Says what the session has to say.
    fn converse(&mut self, station: &mut Station, now_ms: u64) {
        for _ in 0..ACTIONS_PER_TURN {
            // What it has to tell goes to the journal; a ping does not.
            if station.journal.wants_room() && self.speech.next_deadline() == Some(0) {
                return;
            }
            let Some(action) = self.speech.poll(now_ms) else { return };
            let ws = self.ws.as_mut().expect("an open link has a socket");
            let sent = match action {
                Action::Send(text) => ws.send_text(text),
                Action::Ping => ws.send_text(PING_TEXT),
                Action::Dead { why } => {
                    self.lose(station, now_ms, &why.to_string(), None);
                    return;
                }
                Action::Followed(user) => {
                    self.now_follows(user, station);
                    Ok(())
                }
                Action::Unfollowed(user) => {
                    self.follows_no_more(user, station);
                    Ok(())
                }
                Action::Refused { subscription, said, retry_at_ms } => {
                    let retry_ms = retry_at_ms.map(|at_ms| at_ms.saturating_sub(now_ms));
                    station.news(LinkNews::Refused { subscription, said, retry_ms });
                    Ok(())
                }
                Action::TimedOut { subscription, .. } => {
                    station.news(LinkNews::TimedOut { subscription });
                    Ok(())
                }
                Action::Subscribed(Subscription::UserFills { user }) => {
                    if let Some(ticket) = station.ticket(&user) {
                        station.reply(Reply::Acknowledged { address: user, ticket });
                    }
                    Ok(())
                }
                Action::Missed { after_seq, next_seq } => {
                    station.news(LinkNews::Missed { link: self.number, after_seq, next_seq });
                    Ok(())
                }
                Action::Subscribed(_) | Action::Unsubscribed(_) => Ok(()),
            };
            if let Err(error) = sent {
                self.lose(station, now_ms, &error.to_string(), None);
                return;
            }
        }
    }

    fn now_follows(&mut self, user: Address, station: &mut Station) {
        if !self.users.contains(&user) {
            return;
        }
        // One that was asked for again on this connection is told again, and counts once.
        station.report.followed += u64::from(self.followed.insert(user));
        if let Speech::Provider(_) = self.speech {
            // There is no snapshot: what was missed only REST can say.
            let at_ms = self.venue.at(self.since_ms, wall_now_ns() / 1_000_000);
            let joined = Input::Joined { address: user, at_ms, continues: false };
            station.apply(&joined, 0);
        }
        station.follows(user);
        if self.followed.len() < self.users.len() {
            return;
        }
        // The link is whole: it has proven itself, and what ended while it was away must be asked for.
        self.backoff.reset();
        if std::mem::take(&mut self.missed_statuses) {
            let mut open = Vec::new();
            station.core.orders_without_end(|address, oid| open.push((address, oid)));
            for (address, oid) in open {
                if self.users.contains(&address) {
                    station.reply(Reply::StatusWanted { address, oid });
                }
            }
        }
    }

    /// An account's group is ended, though it is wanted.
    fn follows_no_more(&mut self, user: Address, station: &mut Station) {
        if self.followed.remove(&user) {
            station.report.followed -= 1;
        }
        station.apply(&Input::Disconnected { address: user }, 0);
        station.unfollows(user);
    }

    /// Gives the connection up. Its operations end by themselves; then it is tried again.
    fn lose(&mut self, station: &mut Station, now_ms: u64, why: &str, close: Option<(u16, &str)>) {
        let was_open = self.is_open();
        if was_open {
            self.lost_at_ms = now_ms;
            station.report.links_open -= 1;
            station.report.links_lost += 1;
            station.report.followed -= self.followed.len() as u64;
            self.followed.clear();
            self.missed_statuses = true;
            for &address in &self.users {
                station.apply(&Input::Disconnected { address }, 0);
            }
        }
        self.speech.on_closed(now_ms);
        self.stalled = false;
        let retry_ms = match close {
            Some((code, reason)) => self.backoff.after_close_ms(code, reason),
            None => self.backoff.next_ms(),
        };
        self.end(now_ms + retry_ms);
        let why = why.to_owned();
        station.news(LinkNews::Down {
            source: self.source,
            link: self.number,
            users: self.users.len(),
            why,
            retry_ms,
        });
    }

    /// Ends the connection for good, with a close frame if the socket takes it at once.
    pub(super) fn leave(&mut self) {
        let polite = self.is_open() && !self.is_sending && self.sent == self.sending.len();
        if let (true, Some(ws), Some(tcp)) = (polite, &mut self.ws, &self.tcp) {
            ws.close();
            self.sending.clear();
            self.sent = 0;
            ws.take_outgoing(&mut self.sending);
            // Not worth waiting for: the server sees the end of the stream anyway.
            let _ = tcp.send_with_flags(&self.sending, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
            self.sending.clear();
        }
        self.end(u64::MAX);
    }

    /// Ends the connection, to be tried again at `retry_at_ms`.
    pub(super) fn end(&mut self, retry_at_ms: u64) {
        self.stage = Stage::Ending { retry_at_ms };
        if let Some(tcp) = &self.tcp {
            // It completes what is in flight. On a socket that is not connected it fails, and there is nothing.
            let _ = tcp.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Arms the next receive, unless messages still wait for the journal.
    pub(super) fn receive(&mut self, ring: &mut Ring) -> io::Result<()> {
        let flows = self.ws.is_some() && matches!(self.stage, Stage::Opening { .. } | Stage::Open);
        if self.receiving || self.stalled || !flows {
            return Ok(());
        }
        let entry =
            opcode::Recv::new(types::Fd(self.fd()), self.received.as_mut_ptr(), RECV_BYTES as u32)
                .build()
                .user_data(self.token(Op::Recv).bits());
        // SAFETY: the buffer is boxed, and it and the socket are kept until the link is quiet again.
        unsafe { ring.push(&entry)? };
        self.receiving = true;
        Ok(())
    }

    /// Sends what waits, one operation at a time.
    fn send(&mut self, ring: &mut Ring) -> io::Result<()> {
        let flows = matches!(self.stage, Stage::Opening { .. } | Stage::Open);
        if self.is_sending || !flows {
            return Ok(());
        }
        if self.sent == self.sending.len() {
            self.sent = 0;
            self.sending.clear();
            match &mut self.ws {
                Some(ws) if ws.wants_write() => ws.take_outgoing(&mut self.sending),
                _ => return Ok(()),
            }
        }
        let rest = &self.sending[self.sent..];
        if rest.is_empty() {
            return Ok(());
        }
        let entry = opcode::Send::new(types::Fd(self.fd()), rest.as_ptr(), rest.len() as u32)
            .flags(libc::MSG_NOSIGNAL)
            .build()
            .user_data(self.token(Op::Send).bits());
        // SAFETY: `sending` is not touched while `is_sending`, and it and the socket are kept until then.
        unsafe { ring.push(&entry)? };
        self.is_sending = true;
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Memory of an operation in flight must outlive it. The loop waits before it drops links; if it panicked, a leak
        // is the safe end: the process is about to go.
        if !self.is_quiet() {
            std::mem::forget(std::mem::take(&mut self.received));
            std::mem::forget(std::mem::take(&mut self.sending));
            let any = SockAddr::from(std::net::SocketAddr::from(([0, 0, 0, 0], 0)));
            std::mem::forget(std::mem::replace(&mut self.peer, Box::new(any)));
        }
    }
}

/// The WebSocket handshake with a server.
fn connect_ws(target: &net::Target) -> Result<Socket, net::ws::WsError> {
    Socket::connect(target, &Limits::default())
}

fn host(source: &Source) -> &str {
    source.target.as_ref().map_or("a source without a server", |target| &target.host)
}

/// How long the loop waits for the operations of ended links.
pub(super) const QUIET_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_comes_while_a_link_is_laid_down_wakes_it() {
        let mut link = Link::new(0, 1);
        link.allow(100, 100);
        // What `turn` makes of `Ending` when the last operation has completed, until its next turn sees that it has no
        // accounts.
        link.stage = Stage::Waiting { retry_at_ms: u64::MAX };
        link.add(Address([1; 20]), 0, 1_000);
        assert_eq!(link.due_in_ms(1_000), Some(0), "it never connects");
    }
}
