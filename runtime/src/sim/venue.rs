//! The simulated venue: accounts, connections, limits, faults and the truth, as one state machine
//! without I/O.
//!
//! The server tells it what happened and when; what is to be sent waits in each session's outbox.
//! Time is an argument: the time since the simulator started.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use shards::Address;

use super::account::{Account, Source};
use super::faults::{Delivery, Faults};
use super::limits::Limits;
use super::options::{SimError, SimOptions, SimStats, Speed};
use super::public::{Public, trades_frame};
use super::replay::Recorded;
use super::session::{Channel, Lane, Out, Session};
use super::subscription::{Refusal, Request, Subscription};
use super::tape::{Block, fills_frame, updates_frame};
use super::trader::{GENESIS_MS, Trader, address_of};
use super::truth::{Truth, TruthBook};

/// Between two pushes of middle prices.
const MIDS_EVERY: Duration = Duration::from_secs(1);
/// Between two pushes of an account's state.
const STATE_EVERY: Duration = Duration::from_secs(5);
/// At full speed an account goes on while each of its subscribers has fewer frames waiting.
const FRAMES_AHEAD: usize = 64;
/// Blocks that one account is moved on in one turn, so that sockets are served in between.
const BLOCKS_PER_TURN: usize = 256;

/// The venue.
pub(crate) struct Venue {
    pub(crate) options: SimOptions,
    pub(crate) accounts: Vec<Account>,
    places: BTreeMap<Address, usize>,
    sessions: BTreeMap<u64, Session>,
    pub(crate) limits: Limits,
    faults: Faults,
    pub(crate) public: Public,
    truth: TruthBook,
    /// Perpetuals of the recorded accounts: they are in the metas, too.
    pub(crate) recorded_perps: BTreeSet<String>,
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
            accounts.push(Account::new(address, Source::Recorded(recorded)));
        }
        for number in 0..options.traders as u64 {
            let trader = Box::new(Trader::new(options.seed, number, options.rates.clone()));
            let address = address_of(options.seed, number);
            places.insert(address, accounts.len());
            let source = Source::Trader { trader, blocks_left: options.blocks };
            accounts.push(Account::new(address, source));
        }
        let faults = Faults::new(
            options.seed,
            options.faults,
            options.frames_per_fault,
            options.cuts_per_minute,
        );
        Ok(Venue {
            accounts,
            places,
            sessions: BTreeMap::new(),
            limits: Limits::new(options.limits.clone()),
            faults,
            public: Public::new(options.seed),
            truth: TruthBook::default(),
            recorded_perps,
            stopping: false,
            connections: 0,
            frames_before: 0,
            stats: SimStats::default(),
            options,
        })
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
        let mut session = Session::new(ip, now);
        if self.options.greeting {
            session.push("Websocket connection established.");
        }
        self.sessions.insert(self.connections, session);
        Some(self.connections)
    }

    /// A connection is gone.
    pub(crate) fn disconnect(&mut self, conn: u64) {
        let Some(session) = self.sessions.remove(&conn) else { return };
        self.frames_before += session.frames;
        self.limits.disconnect(session.ip, session.subscriptions.keys().map(Subscription::user));
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
        let ip = session.ip;
        if let Err(refusal) = self.limits.message(ip, now) {
            return session.push(error_frame(&refusal));
        }
        match Request::parse(text, |coin| self.public.has_coin(coin)) {
            Ok(Request::Ping) => session.push(r#"{"channel":"pong"}"#),
            Ok(Request::Subscribe(subscription)) => self.subscribe(conn, subscription, now),
            Ok(Request::Unsubscribe(subscription)) => self.unsubscribe(conn, &subscription),
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

    fn subscribe(&mut self, conn: u64, wanted: Subscription, now: Duration) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.ended {
            return;
        }
        let canonical = wanted.canonical();
        if session.subscriptions.contains_key(&wanted) {
            return session.push(error_frame(&format!("Already subscribed: {canonical}")));
        }
        if let Subscription::UserFills(user) = &wanted
            && self.faults.refuses(user)
        {
            return session.push(error_frame(&self.limits.users_text()));
        }
        if let Err(text) = self.limits.subscribe(session.ip, wanted.user()) {
            return session.push(error_frame(&text));
        }
        session.push(format!(
            r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{canonical}}}}}"#
        ));
        let due = match wanted {
            Subscription::UserFills(_)
            | Subscription::OrderUpdates(_)
            | Subscription::Trades(_) => None,
            _ => Some(now),
        };
        session.subscriptions.insert(wanted.clone(), due);
        match wanted {
            Subscription::UserFills(user) => self.begin_fills(conn, user, now),
            Subscription::OrderUpdates(user) => {
                session.lanes.entry(user).or_default().updates = true;
            }
            Subscription::Trades(coin) => session.push(self.public.last_trades_frame(&coin)),
            _ => self.push_states(now),
        }
    }

    /// The snapshot; from here on the user's fills go to this connection too.
    fn begin_fills(&mut self, conn: u64, user: Address, now: Duration) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(&place) = self.places.get(&user) else {
            return session.push(fills_frame(&user, true, [].iter()));
        };
        let account = &mut self.accounts[place];
        self.stats.accounts_started += u64::from(!account.has_started());
        account.start(now, &mut self.truth);
        let fills = account.newest(self.faults.snapshot_limit(&user));
        let lane = session.lanes.entry(user).or_insert_with(Lane::default);
        lane.fills = true;
        let fills: Vec<_> = fills.collect();
        self.stats.snapshot_fills_sent += fills.len() as u64;
        session.push(fills_frame(&user, true, fills.iter().copied()));
        if let Some(count) = self.faults.overlap(&user) {
            let from = fills.len().saturating_sub(count);
            self.stats.fills_sent += (fills.len() - from) as u64;
            session.push(fills_frame(&user, false, fills[from..].iter().copied()));
        }
        if self.stopping && account.is_live() {
            self.close(place);
        }
    }

    fn unsubscribe(&mut self, conn: u64, subscription: &Subscription) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let canonical = subscription.canonical();
        if session.subscriptions.remove(subscription).is_none() {
            return session.push(error_frame(&format!("Already unsubscribed: {canonical}")));
        }
        self.limits.unsubscribe(session.ip, subscription.user());
        match subscription {
            Subscription::UserFills(user) => {
                session.lanes.entry(*user).or_default().fills = false;
            }
            Subscription::OrderUpdates(user) => {
                session.lanes.entry(*user).or_default().updates = false;
            }
            _ => {}
        }
        session.push(format!(
            r#"{{"channel":"subscriptionResponse","data":{{"method":"unsubscribe","subscription":{canonical}}}}}"#
        ));
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

    /// The connections with something to send.
    pub(crate) fn ready(&self) -> impl Iterator<Item = u64> + '_ {
        self.sessions.iter().filter(|(_, s)| !s.outbox.is_empty()).map(|(conn, _)| *conn)
    }

    /// Does what is due. Says when the next thing is; `None` if only a message or a sent frame can
    /// bring one.
    pub(crate) fn tick(&mut self, now: Duration) -> Option<Duration> {
        for session in self.sessions.values_mut() {
            session.release(Some(now));
        }
        let mut next = self.advance(now);
        self.push_states(now);
        self.drop_idle(now);
        for session in self.sessions.values().filter(|session| !session.ended) {
            let idle = session.last_traffic + Duration::from_millis(self.limits.options().idle_ms);
            let pushes = session.subscriptions.values().flatten().copied();
            next = pushes.chain([idle]).chain(session.next_release()).chain(next).min();
        }
        next
    }

    /// Moves every account on that is due.
    fn advance(&mut self, now: Duration) -> Option<Duration> {
        let speed = self.options.speed;
        let mut next: Option<Duration> = None;
        for place in 0..self.accounts.len() {
            let full_speed = speed == Speed::Max;
            let mut moved = 0;
            while let Some(due) = self.accounts[place].due(speed) {
                let waits = full_speed && !self.has_room(self.accounts[place].address);
                if waits {
                    break;
                }
                if due > now || moved == BLOCKS_PER_TURN {
                    next = [next, Some(due.max(now))].into_iter().flatten().min();
                    break;
                }
                let block = self.accounts[place].advance(&mut self.truth);
                self.deliver(place, &block, now);
                moved += 1;
            }
        }
        next
    }

    /// Whether someone listens to the account, and nobody is far behind.
    fn has_room(&self, user: Address) -> bool {
        let mut listeners = 0;
        for session in self.sessions.values().filter(|session| !session.ended) {
            if let Some(lane) = session.lanes.get(&user).filter(|lane| lane.fills) {
                if session.outbox.len() + lane.waiting() >= FRAMES_AHEAD {
                    return false;
                }
                listeners += 1;
            }
        }
        listeners > 0
    }

    fn deliver(&mut self, place: usize, block: &Block, now: Duration) {
        if block.fills.is_empty() && block.updates.is_empty() {
            return;
        }
        let user = self.accounts[place].address;
        let says_updates = self.options.order_updates && !block.updates.is_empty();
        let fills: Rc<str> = fills_frame(&user, false, block.fills.iter()).into();
        let updates: Option<Rc<str>> = says_updates.then(|| updates_frame(&block.updates).into());
        self.stats.fills += block.fills.len() as u64;
        if says_updates {
            self.stats.order_updates += block.updates.len() as u64;
        }
        for session in self.sessions.values_mut().filter(|session| !session.ended) {
            let Some(lane) = session.lanes.get(&user) else { continue };
            let (wants_fills, wants_updates) = (lane.fills, lane.updates);
            let updates = updates.as_ref().filter(|_| wants_updates);
            if wants_fills && !block.fills.is_empty() {
                self.stats.fills_sent += block.fills.len() as u64;
                let delivery = Delivery { user, block, fills: &fills, updates };
                self.faults.deliver(session, &delivery, now);
            } else if let Some(updates) = updates {
                session.send(&user, Channel::Updates, updates);
            }
            if session.outbox.len() > self.limits.options().outbox_frames {
                session.outbox.clear();
                session.end(Out::Drop);
            }
        }
        self.publish(user, block);
    }

    fn publish(&mut self, user: Address, block: &Block) {
        let user = user.to_string();
        for fill in &block.fills {
            let Some(trade) = self.public.apply(&user, fill) else { continue };
            let coin = Subscription::Trades(fill.fill.coin.as_str().to_owned());
            let frame: Rc<str> = trades_frame([&trade].into_iter()).into();
            for session in self.sessions.values_mut() {
                if session.subscriptions.contains_key(&coin) {
                    session.push(Rc::clone(&frame));
                }
            }
        }
    }

    /// Pushes prices and account states whose time has come.
    fn push_states(&mut self, now: Duration) {
        for session in self.sessions.values_mut().filter(|session| !session.ended) {
            let mut frames = Vec::new();
            for (subscription, due) in &mut session.subscriptions {
                let Some(due) = due.as_mut().filter(|due| **due <= now) else { continue };
                let every = match subscription {
                    Subscription::AllMids(_) => MIDS_EVERY,
                    _ => STATE_EVERY,
                };
                *due = now + every;
                let account = subscription.user().and_then(|user| self.places.get(&user));
                let account = account.map(|place| &mut self.accounts[*place]);
                frames.extend(state_frame(subscription, account, &self.public));
            }
            frames.into_iter().for_each(|frame| session.push(frame));
        }
    }

    fn drop_idle(&mut self, now: Duration) {
        let idle = Duration::from_millis(self.limits.options().idle_ms);
        for session in self.sessions.values_mut() {
            if now.saturating_sub(session.last_traffic) >= idle {
                session.end(Out::Drop);
            }
        }
    }

    /// Ends trading: no new fault, nothing is kept back, every open order is cancelled.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.faults.stop();
        for session in self.sessions.values_mut() {
            session.release(None);
        }
        for place in 0..self.accounts.len() {
            if self.accounts[place].is_live() {
                self.close(place);
            }
        }
    }

    fn close(&mut self, place: usize) {
        let block = self.accounts[place].close(&mut self.truth);
        // Faults are off: the time would only matter to them.
        self.deliver(place, &block, Duration::ZERO);
    }

    fn is_quiet(&self) -> bool {
        let done = !self.accounts.iter().any(Account::is_live);
        done && self.sessions.values().all(Session::is_quiet)
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

    /// What a perfect monitor must have emitted by now.
    pub(crate) fn truth(&self) -> Truth {
        self.truth.truth()
    }
}

fn error_frame(text: &str) -> String {
    format!(r#"{{"channel":"error","data":{}}}"#, serde_json::Value::from(text))
}

/// The frame of a subscription with a rhythm.
fn state_frame(
    subscription: &Subscription,
    account: Option<&mut Account>,
    public: &Public,
) -> Option<String> {
    let time_ms = account.as_ref().map_or(GENESIS_MS, |account| account.newest_ms());
    let empty = super::holdings::Holdings::default();
    let holdings = account.map_or(&empty, |account| {
        account.wake();
        &account.holdings
    });
    Some(match subscription {
        Subscription::AllMids(dex) => public.mids_frame(dex),
        Subscription::SpotState(user) => {
            let state = holdings.spot();
            format!(r#"{{"channel":"spotState","data":{{"user":"{user}","spotState":{state}}}}}"#)
        }
        Subscription::ClearinghouseState(user, dex) => {
            let state = holdings.clearinghouse(dex, time_ms);
            format!(
                r#"{{"channel":"clearinghouseState","data":{{"dex":"{dex}","user":"{user}","clearinghouseState":{state}}}}}"#
            )
        }
        Subscription::AllDexsClearinghouseState(user) => {
            let states = holdings.all_clearinghouses(time_ms);
            format!(
                r#"{{"channel":"allDexsClearinghouseState","data":{{"user":"{user}","clearinghouseStates":{states}}}}}"#
            )
        }
        Subscription::UserFills(_) | Subscription::OrderUpdates(_) | Subscription::Trades(_) => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests;
