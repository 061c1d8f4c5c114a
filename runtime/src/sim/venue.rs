//! The simulated venue: accounts, connections, limits, faults and the truth, as one state machine
//! without I/O.
//!
//! | file | what is there |
//! |---|---|
//! | `venue/market.rs` | how time goes on: blocks, deliveries, the end of trading |
//! | `venue/subscribe.rs` | what connections subscribe |
//! | `venue/provider.rs` | the provider's protocol |
//! | `venue/node.rs` | the chain that a node writes |
//! | `venue/harm.rs` | faults that take more than one connection |
//!
//! The server tells it what happened and when; what is to be sent waits in each session's outbox.
//! Time is an argument: the time since the simulator started.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use shards::Address;

use super::account::{Account, Source};
use super::agenda::{Agenda, Chore};
use super::chain::Chain;
use super::faults::Faults;
use super::limits::Limits;
use super::options::{SimError, SimOptions, SimStats, Speed};
use super::public::Public;
use super::replay::Recorded;
use super::session::{GREETING, Out, Ready, Session};
use super::subscription::{Refusal, Request, Subscription};
use super::trader::{Trader, address_of};
use super::truth::{Truth, TruthBook};

mod harm;
mod market;
mod node;
mod provider;
mod subscribe;

use harm::Harm;

/// The venue.
pub(crate) struct Venue {
    pub(crate) options: SimOptions,
    pub(crate) accounts: Vec<Account>,
    places: BTreeMap<Address, usize>,
    sessions: BTreeMap<u64, Session>,
    /// By account: the connections that its blocks go to.
    listeners: Vec<Vec<u64>>,
    /// By coin: the connections that its trades go to.
    trade_listeners: BTreeMap<String, Vec<u64>>,
    agenda: Agenda,
    ready: Ready,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) public: Public,
    truth: TruthBook,
    /// Perpetuals of the recorded accounts: they are in the metas, too.
    pub(crate) recorded_perps: BTreeSet<String>,
    /// What a node writes.
    chain: Option<Chain>,
    /// Provider's connections whose next frame is being made.
    tuples_wait: Vec<u64>,
    /// Faults that are left to be made: where they were drawn, and the block of it.
    harms: Vec<Harm>,
    /// At full speed: the accounts that go on whenever there is room.
    runners: Vec<usize>,
    /// When this clock began, Unix microseconds.
    pub(crate) epoch_us: u64,
    stopping: bool,
    connections: u64,
    /// Frames of connections that are gone.
    frames_before: u64,
    pub(crate) stats: SimStats,
}

impl Venue {
    pub(crate) fn new(options: SimOptions) -> Result<Venue, SimError> {
        options.check()?;
        let mut accounts = Vec::with_capacity(options.traders + options.replay.len());
        let mut places = BTreeMap::new();
        let mut recorded_perps = BTreeSet::new();
        for file in &options.replay {
            let recorded = Recorded::load(file, options.order_updates)?;
            let address = recorded.address;
            recorded_perps.extend(recorded.perps().map(str::to_owned));
            if places.insert(address, accounts.len()).is_some() {
                return Err(SimError::Twice { path: file.path.clone(), address });
            }
            let source = Source::Recorded(recorded);
            accounts.push(Account::new(address, source, options.limits.history_fills));
        }
        for number in 0..options.traders as u64 {
            let trader = Box::new(Trader::new(options.seed, number, options.rates.clone()));
            let address = address_of(options.seed, number);
            places.insert(address, accounts.len());
            let source = Source::Trader { trader, blocks_left: options.blocks };
            let mut account = Account::new(address, source, options.limits.history_fills);
            // A chain's accounts share its blocks and take no turns.
            if options.rates.shared_by > 1 && options.node.is_none() {
                let rate = f64::from(options.rates.blocks_per_second);
                account.set_phase(
                    (number % u64::from(options.rates.shared_by)) as f64 * 1000.0 / rate,
                );
            }
            accounts.push(account);
        }
        let faults = Faults::new(&options);
        let mut venue = Venue {
            listeners: vec![Vec::new(); accounts.len()],
            accounts,
            places,
            sessions: BTreeMap::new(),
            trade_listeners: BTreeMap::new(),
            agenda: Agenda::default(),
            ready: Ready::default(),
            limits: Limits::new(options.limits.clone()),
            faults,
            public: Public::new(options.seed),
            truth: TruthBook::default(),
            recorded_perps,
            chain: None,
            tuples_wait: Vec::new(),
            harms: Vec::new(),
            runners: Vec::new(),
            epoch_us: 0,
            stopping: false,
            connections: 0,
            frames_before: 0,
            stats: SimStats::default(),
            options,
        };
        venue.begin_chain();
        if venue.options.starts_at_once {
            venue.start_all(Duration::ZERO);
        }
        Ok(venue)
    }

    /// The accounts, recorded ones first.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.accounts.iter().map(|account| account.address).collect()
    }

    /// The account of an address, with its past.
    pub(crate) fn account(&mut self, address: &Address) -> Option<&Account> {
        let account = &mut self.accounts[*self.places.get(address)?];
        account.wake();
        Some(account)
    }

    /// A connection comes; `None` refuses it.
    pub(crate) fn connect(&mut self, ip: IpAddr, now: Duration) -> Option<u64> {
        if !self.limits.connect(ip, now) {
            return None;
        }
        self.connections += 1;
        let conn = self.connections;
        let mut session = Session::new(conn, ip, Rc::clone(&self.ready), now);
        if self.faults.silences(ip) {
            session.mute();
        }
        if self.options.greeting {
            session.push(GREETING);
        }
        self.sessions.insert(conn, session);
        self.arm(conn, Chore::Idle, now + self.idle());
        Some(conn)
    }

    /// A connection is gone.
    pub(crate) fn disconnect(&mut self, conn: u64) {
        let Some(session) = self.sessions.remove(&conn) else { return };
        self.frames_before += session.frames;
        for place in &session.listens {
            self.listeners[*place].retain(|listener| *listener != conn);
        }
        for subscription in session.subscriptions.keys() {
            if let Subscription::Trades(coin) = subscription {
                self.leave_trades(conn, coin);
            }
        }
        if session.provider.is_none() {
            let users = session.subscriptions.keys().map(Subscription::user);
            self.limits.disconnect(session.ip, users);
        }
    }

    /// Anything came on the connection: it is not idle.
    pub(crate) fn touch(&mut self, conn: u64, now: Duration) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.last_traffic = now;
        }
    }

    /// A text message came.
    pub(crate) fn message(&mut self, conn: u64, text: &str, now: Duration) {
        self.touch(conn, now);
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.muted || session.ended {
            return;
        }
        if session.provider.is_some() {
            return self.provider_message(conn, text, now);
        }
        let ip = session.ip;
        if let Err(refusal) = self.limits.message(ip, now) {
            return session.push(error_frame(&refusal));
        }
        match Request::parse(text, |coin| self.public.has_coin(coin)) {
            Ok(Request::Ping) => session.push(r#"{"channel":"pong"}"#),
            Ok(Request::Subscribe(subscription)) => self.subscribe(conn, subscription, now),
            Ok(Request::Unsubscribe(subscription)) => self.unsubscribe(conn, &subscription, now),
            Ok(Request::Post(id, payload)) => {
                let frame = self.post(ip, id, &payload, now);
                self.push(conn, frame);
            }
            Err(refusal) => {
                self.stats.bad_messages += 1;
                let text = match refusal {
                    Refusal::Unparseable => {
                        format!("Error parsing JSON into valid websocket request: {text}")
                    }
                    Refusal::Invalid(echo) => format!("Invalid subscription {echo}"),
                };
                session.push(error_frame(&text));
            }
        }
    }

    fn push(&mut self, conn: u64, frame: String) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.push(frame);
        }
    }

    /// What a connection has to send, at most `limit` of it. The socket is busy until
    /// [`Venue::sent`].
    pub(crate) fn take_out(&mut self, conn: u64, limit: usize) -> Vec<Out> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Vec::new() };
        let count = session.outbox.len().min(limit);
        session.sending = count > 0;
        session.outbox.drain(..count).collect()
    }

    /// What was taken has gone out.
    pub(crate) fn sent(&mut self, conn: u64, now: Duration) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.sending = false;
            session.last_traffic = now;
        }
    }

    /// The connections that have something new to send, each at least once.
    pub(crate) fn take_ready(&mut self) -> Vec<u64> {
        std::mem::take(&mut *self.ready.borrow_mut())
    }

    fn is_quiet(&self) -> bool {
        self.has_ended()
            && self.sessions.values().all(Session::is_quiet)
            && self.chain.as_ref().is_none_or(Chain::is_quiet)
    }

    /// What has happened so far.
    pub(crate) fn stats(&self) -> SimStats {
        let open = self.sessions.values().map(|session| session.frames).sum::<u64>();
        let faults = &self.faults.made;
        SimStats {
            frames: self.frames_before + open,
            faults: faults.iter().map(|(kind, n)| (kind.name().to_owned(), *n)).collect(),
            connections: self.connections,
            connections_open: self.sessions.len() as u64,
            refused: self.limits.refused,
            accounts_live: self.accounts.iter().filter(|a| a.is_live()).count() as u64,
            quiet: self.is_quiet(),
            ..self.stats.clone()
        }
    }

    /// When the block of any time was due, by account: a fill of time `t` at `at_us + (t -
    /// begin_ms) * us_per_ms`, Unix microseconds. At full speed nothing has a time.
    pub(crate) fn starts(&self) -> Value {
        let Speed::X(factor) = self.options.speed else { return json!([]) };
        let started = self.accounts.iter().filter_map(|account| {
            let (at, begin_ms) = account.started(factor)?;
            let at_us = self.epoch_us + at.as_micros() as u64;
            let address = account.address.to_string();
            Some(json!({
                "address": address, "at_us": at_us, "begin_ms": begin_ms, "us_per_ms": 1000.0 / factor
            }))
        });
        started.collect()
    }

    /// What a perfect monitor must have emitted by now.
    pub(crate) fn truth(&self) -> Truth {
        self.truth.truth()
    }
}

/// An error, in the venue's form.
pub(crate) fn error_frame(text: &str) -> String {
    format!(r#"{{"channel":"error","data":{}}}"#, Value::from(text))
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
