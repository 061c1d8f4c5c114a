//! The life of one connection's subscriptions: what is wanted, what was asked, what is in force.
//!
//! No I/O and no clock: the caller says what happened and when (`now_ms`, any monotonic clock), and
//! [`Session::poll`] says what to do. One session outlives many connections: what is wanted stays, what is in
//! force begins anew with each.
//!
//! Invariants: a subscription is in force only after its acknowledgement; fills count as followed only after
//! their snapshot too; never more messages in any 60 seconds than the policy allows; an acknowledgement that
//! nothing waits for changes nothing.
//!
//! Look-ups walk the list of subscriptions: a connection has some forty, at most a thousand.

use super::frame::Frame;
use super::subscription::Subscription;
use crate::backoff::Backoff;
use entry::{Entry, Wire, needs_snapshot};
pub(in crate::hyperliquid) use pace::Pace;
use shards::{Address, Text};
use std::collections::VecDeque;

mod entry;
mod pace;

/// What a ping is on this venue: a text message.
pub const PING_TEXT: &str = "{\"method\":\"ping\"}";

/// Notices that wait to be polled, at most; a server that refuses without end must not fill memory.
const NOTICES_MAX: usize = 4096;

/// How much of the venue's words is kept.
const SAID_BYTES_MAX: usize = 200;

/// The times and budgets of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Time between pings.
    pub ping_ms: u64,
    /// Time without any frame after which the connection is dead: two pings.
    pub silence_ms_max: u64,
    /// Time in which a request must be acknowledged, and fills must have sent their snapshot.
    pub ack_ms_max: u64,
    /// Messages this connection may send in any 60 seconds: its share of what the source address may.
    pub messages_per_minute: u32,
    /// Seed of the jitter between retries; each connection has its own.
    pub seed: u64,
}

impl Default for Policy {
    /// A tenth of the venue's 2000 messages a minute: ten connections may share an address.
    fn default() -> Policy {
        Policy {
            ping_ms: 15_000,
            silence_ms_max: 30_000,
            ack_ms_max: 10_000,
            messages_per_minute: 200,
            seed: 0,
        }
    }
}

/// Why a connection is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Silence {
    /// Nothing was received for too long.
    #[error("nothing received for {silent_ms} ms")]
    NoFrame {
        /// For how long.
        silent_ms: u64,
    },
}

/// What the caller is to do, or to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action<'a> {
    /// Send this text.
    Send(&'a str),
    /// Send [`PING_TEXT`].
    Ping,
    /// Give the connection up. Said once; then nothing until [`Session::on_open`].
    Dead {
        /// Why.
        why: Silence,
    },
    /// A subscription is in force.
    Subscribed(Subscription),
    /// A subscription that was no longer wanted has ended.
    Unsubscribed(Subscription),
    /// All that is wanted of an account is in force, and its snapshot has come: it is followed from here on.
    Followed(Address),
    /// A provider's group is ended though this account is wanted: it is followed no longer, until it is told again.
    Unfollowed(Address),
    /// The venue refused.
    Refused {
        /// What, if it can be told.
        subscription: Option<Subscription>,
        /// The venue's words, cut short.
        said: String,
        /// When it will be asked again; `None` where nothing is.
        retry_at_ms: Option<u64>,
    },
    /// No acknowledgement, or no snapshot, in time. It will be asked again.
    TimedOut {
        /// What.
        subscription: Subscription,
        /// When it will be asked again.
        retry_at_ms: u64,
    },
    /// A provider's frames are numbered, and some did not come: every account on the connection may lack fills. All
    /// of them are told as followed again. The public server's frames have no numbers.
    Missed {
        /// Number of the last frame before.
        after_seq: u64,
        /// Number of the frame that came instead of the next.
        next_seq: u64,
    },
}

/// What waits to be polled; [`Action`] without its borrow.
#[derive(Clone, Debug)]
enum Notice {
    Subscribed(Subscription),
    Unsubscribed(Subscription),
    Followed(Address),
    Refused { subscription: Option<Subscription>, said: String, retry_at_ms: Option<u64> },
    TimedOut { subscription: Subscription, retry_at_ms: u64 },
}

/// The subscriptions of one connection.
#[derive(Clone, Debug)]
pub struct Session {
    policy: Policy,
    entries: Vec<Entry>,
    notices: VecDeque<Notice>,
    pace: Pace,
    open: bool,
    last_frame_ms: u64,
    last_ping_ms: u64,
    /// The last message was a ping.
    pinged: bool,
    /// Nothing but the clock can make anything due before this; 0 after every change.
    quiet_until_ms: u64,
    text: String,
}

impl Session {
    /// Nothing wanted, no connection.
    pub fn new(policy: Policy) -> Session {
        Session {
            policy,
            entries: Vec::new(),
            notices: VecDeque::new(),
            pace: Pace::new(policy.messages_per_minute),
            open: false,
            last_frame_ms: 0,
            last_ping_ms: 0,
            pinged: false,
            quiet_until_ms: 0,
            text: String::with_capacity(256),
        }
    }

    /// Another budget of messages from here on.
    pub fn set_messages_per_minute(&mut self, messages_per_minute: u32) {
        self.quiet_until_ms = 0;
        self.policy.messages_per_minute = messages_per_minute;
        self.pace.set_rate(messages_per_minute);
    }

    /// Whether nothing is wanted, and nothing of what was is still on the wire.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One more wants this subscription.
    pub fn want(&mut self, subscription: Subscription) {
        self.quiet_until_ms = 0;
        if let Some(entry) = self.entry(&subscription) {
            // One that is ending ends first and is asked for again after: so it begins with a snapshot.
            entry.wanted += 1;
            return;
        }
        let seed = self.policy.seed.wrapping_add(self.entries.len() as u64);
        self.entries.push(Entry {
            subscription,
            wanted: 1,
            wire: Wire::Idle { due_ms: 0 },
            snapshot: false,
            backoff: Backoff::new(seed),
        });
    }

    /// One fewer wants this subscription; with the last one it ends on the wire.
    pub fn unwant(&mut self, subscription: Subscription) {
        self.quiet_until_ms = 0;
        let Some(entry) = self.entry(&subscription) else { return };
        entry.wanted = entry.wanted.saturating_sub(1);
        if entry.wanted > 0 {
            return;
        }
        let in_force = matches!(entry.wire, Wire::InForce { .. });
        match entry.wire {
            Wire::Idle { .. } => self.entries.retain(|entry| entry.subscription != subscription),
            // The venue answers in order: an end that follows an unanswered beginning ends it.
            Wire::Asked { .. } | Wire::InForce { .. } => entry.wire = Wire::Ending,
            Wire::Ending | Wire::EndAsked { .. } => {}
        }
        if !in_force {
            // What was missing is not wanted any more.
            self.check_followed(subscription.user());
        }
    }

    /// A new connection is open: on it nothing is in force.
    pub fn on_open(&mut self, now_ms: u64) {
        self.forget_wire();
        self.open = true;
        self.last_frame_ms = now_ms;
        self.last_ping_ms = now_ms;
    }

    /// The connection is gone.
    pub fn on_closed(&mut self, _now_ms: u64) {
        self.forget_wire();
        self.open = false;
    }

    /// Something was received that is no readable frame: it shows that the connection lives.
    pub fn on_traffic(&mut self, now_ms: u64) {
        self.last_frame_ms = self.last_frame_ms.max(now_ms);
    }

    /// A frame was received. Call it for every frame, also those that concern nobody here.
    pub fn on_frame(&mut self, frame: &Frame<'_>, now_ms: u64) {
        self.on_traffic(now_ms);
        match frame {
            Frame::Subscribed { subscription } => self.acknowledged(*subscription, now_ms),
            Frame::Unsubscribed { subscription } => self.ended(*subscription, now_ms),
            Frame::UserFills { user, snapshot: true } => self.snapshot(*user),
            Frame::Refused { text } => self.refused(text, now_ms),
            _ => {}
        }
    }

    /// The next thing to do. Call it until it says nothing, after every event and at [`Session::next_deadline`].
    pub fn poll(&mut self, now_ms: u64) -> Option<Action<'_>> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice.into_action());
        }
        if !self.open || now_ms < self.quiet_until_ms {
            return None;
        }
        let silent_ms = now_ms.saturating_sub(self.last_frame_ms);
        if silent_ms >= self.policy.silence_ms_max {
            self.on_closed(now_ms);
            return Some(Action::Dead { why: Silence::NoFrame { silent_ms } });
        }
        self.expire(now_ms);
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice.into_action());
        }
        let request = self.next_request(now_ms);
        let is_ping_due = now_ms >= self.last_ping_ms + self.policy.ping_ms;
        // A request shows by its answer, too, that the venue is there: a small budget must not go for pings. Where nothing
        // comes they take turns.
        let ping_first = !self.pinged && silent_ms >= self.policy.ping_ms;
        if is_ping_due && (request.is_none() || ping_first) && self.pace.take(now_ms) {
            self.last_ping_ms = now_ms;
            self.pinged = true;
            return Some(Action::Ping);
        }
        if let Some(at) = request
            && self.pace.take(now_ms)
        {
            self.pinged = false;
            self.request(at, now_ms);
            return Some(Action::Send(&self.text));
        }
        self.quiet_until_ms = self.deadline(now_ms);
        None
    }

    /// When [`Session::poll`] must be called again if nothing happens; `None` without a connection. Exact after a
    /// poll that said nothing; before that it is now.
    pub fn next_deadline(&self) -> Option<u64> {
        if !self.notices.is_empty() {
            return Some(0);
        }
        // Frames that came since the last poll moved the watchdog on; the ping and the rest are in the bound.
        self.open.then_some(self.quiet_until_ms)
    }

    /// Whether the snapshot of an account's fills has come on this connection.
    pub fn snapshot_seen(&self, user: Address) -> bool {
        let fills = Subscription::UserFills { user };
        self.entries.iter().any(|entry| entry.subscription == fills && entry.snapshot)
    }

    /// Whether an account is followed: all that is wanted of it is in force, its fills are among that, and their
    /// snapshot has come.
    pub fn is_followed(&self, user: Address) -> bool {
        let mut fills = false;
        let mut of_user = self
            .entries
            .iter()
            .filter(|entry| entry.wanted > 0 && entry.subscription.user() == Some(user));
        let whole = of_user.all(|entry| {
            let is_fills = matches!(entry.subscription, Subscription::UserFills { .. });
            fills |= is_fills;
            matches!(entry.wire, Wire::InForce { .. }) && (!is_fills || entry.snapshot)
        });
        whole && fills
    }

    /// Subscriptions in force, and subscriptions wanted.
    pub fn in_force(&self) -> (usize, usize) {
        let in_force =
            self.entries.iter().filter(|e| matches!(e.wire, Wire::InForce { .. })).count();
        (in_force, self.entries.iter().filter(|entry| entry.wanted > 0).count())
    }

    fn entry(&mut self, subscription: &Subscription) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.subscription == *subscription)
    }

    fn notify(&mut self, notice: Notice) {
        if self.notices.len() < NOTICES_MAX {
            self.notices.push_back(notice);
        }
    }

    fn forget_wire(&mut self) {
        self.quiet_until_ms = 0;
        self.entries.retain(|entry| entry.wanted > 0);
        for entry in &mut self.entries {
            entry.wire = Wire::Idle { due_ms: 0 };
            entry.snapshot = false;
        }
    }

    fn acknowledged(&mut self, subscription: Subscription, now_ms: u64) {
        self.quiet_until_ms = 0;
        let Some(entry) = self.entry(&subscription) else { return };
        // Anything but a waiting request: a late or repeated acknowledgement, which changes nothing.
        if !matches!(entry.wire, Wire::Asked { .. } | Wire::Idle { .. }) {
            return;
        }
        entry.wire =
            if entry.wanted > 0 { Wire::InForce { since_ms: now_ms } } else { Wire::Ending };
        if !needs_snapshot(&subscription) || entry.snapshot {
            entry.backoff.reset();
        }
        self.notify(Notice::Subscribed(subscription));
        self.check_followed(subscription.user());
    }

    fn ended(&mut self, subscription: Subscription, now_ms: u64) {
        self.quiet_until_ms = 0;
        let Some(entry) = self.entry(&subscription) else { return };
        if !matches!(entry.wire, Wire::EndAsked { .. }) {
            return;
        }
        entry.snapshot = false;
        if entry.wanted > 0 {
            entry.wire = Wire::Idle { due_ms: now_ms };
            return;
        }
        self.entries.retain(|entry| entry.subscription != subscription);
        self.notify(Notice::Unsubscribed(subscription));
    }

    fn snapshot(&mut self, user: Address) {
        let Some(entry) = self.entry(&Subscription::UserFills { user }) else { return };
        // A snapshot may overtake its acknowledgement; one of a subscription that is ending is of no use.
        if entry.snapshot || !matches!(entry.wire, Wire::Asked { .. } | Wire::InForce { .. }) {
            return;
        }
        entry.snapshot = true;
        entry.backoff.reset();
        self.quiet_until_ms = 0;
        self.check_followed(Some(user));
    }

    fn check_followed(&mut self, user: Option<Address>) {
        if let Some(user) = user
            && self.is_followed(user)
        {
            self.notify(Notice::Followed(user));
        }
    }

    /// Attributes an error frame: by its echo; a text about limits, which has none, to the oldest unanswered
    /// request that the limit can be about.
    fn refused(&mut self, text: &str, now_ms: u64) {
        self.quiet_until_ms = 0;
        let echo = Subscription::find_in(text);
        if text.starts_with("Already subscribed")
            && let Some(subscription) = echo
        {
            return self.acknowledged(subscription, now_ms);
        }
        if text.starts_with("Already unsubscribed")
            && let Some(subscription) = echo
        {
            return self.ended(subscription, now_ms);
        }
        if text.starts_with("Cannot send more than") {
            self.pace.exhaust(now_ms);
        }
        let at = match echo {
            Some(echo) => self.entries.iter().position(|e| e.subscription == echo && e.is_asked()),
            None => self.oldest_asked(text),
        };
        let (subscription, retry_at_ms) = match at {
            Some(at) => {
                let entry = &mut self.entries[at];
                let retry_at_ms = entry.retry(now_ms);
                (Some(entry.subscription), Some(retry_at_ms))
            }
            None => (echo, None),
        };
        self.entries.retain(Entry::has_a_future);
        let said = Text::<SAID_BYTES_MAX>::new(text).to_string();
        self.notify(Notice::Refused { subscription, said, retry_at_ms });
    }

    fn oldest_asked(&self, text: &str) -> Option<usize> {
        let about_users = text.starts_with("Cannot track more than");
        if !about_users
            && !text.starts_with("Cannot subscribe to more than")
            && !text.starts_with("Cannot send more than")
        {
            return None;
        }
        let asked_at = |entry: &Entry| match entry.wire {
            Wire::Asked { at_ms } if !about_users || entry.subscription.user().is_some() => {
                Some(at_ms)
            }
            _ => None,
        };
        let asked = self.entries.iter().enumerate();
        asked.filter_map(|(at, entry)| Some((asked_at(entry)?, at))).min().map(|(_, at)| at)
    }

    /// Gives up requests that were not answered in time.
    fn expire(&mut self, now_ms: u64) {
        let ack_ms_max = self.policy.ack_ms_max;
        for at in 0..self.entries.len() {
            let entry = &mut self.entries[at];
            let Some(deadline_ms) = entry.answer_deadline(ack_ms_max) else { continue };
            if now_ms < deadline_ms {
                continue;
            }
            let subscription = entry.subscription;
            let retry_at_ms = match entry.wire {
                // In force but without its snapshot: only a new subscription brings one.
                Wire::InForce { .. } => {
                    entry.wire = Wire::Ending;
                    now_ms
                }
                Wire::EndAsked { .. } if entry.wanted == 0 => {
                    entry.wire = Wire::Ending;
                    now_ms
                }
                _ => entry.retry(now_ms),
            };
            if entry.wanted > 0 {
                self.notify(Notice::TimedOut { subscription, retry_at_ms });
            }
        }
        self.entries.retain(Entry::has_a_future);
    }

    /// The entry whose request is due: ends before beginnings, for they free what beginnings need.
    fn next_request(&self, now_ms: u64) -> Option<usize> {
        let ending = self.entries.iter().position(|entry| entry.wire == Wire::Ending);
        ending.or_else(|| {
            let due = |entry: &Entry| match entry.wire {
                Wire::Idle { due_ms } if entry.wanted > 0 && due_ms <= now_ms => Some(due_ms),
                _ => None,
            };
            let entries = self.entries.iter().enumerate();
            entries.filter_map(|(at, entry)| Some((due(entry)?, at))).min().map(|(_, at)| at)
        })
    }

    fn request(&mut self, at: usize, now_ms: u64) {
        let entry = &mut self.entries[at];
        self.text.clear();
        if entry.wire == Wire::Ending {
            entry.subscription.write_unsubscribe(&mut self.text);
            entry.wire = Wire::EndAsked { at_ms: now_ms };
        } else {
            entry.subscription.write_subscribe(&mut self.text);
            entry.wire = Wire::Asked { at_ms: now_ms };
            entry.snapshot = false;
        }
    }

    /// The earliest time at which anything can become due, as things stand.
    fn deadline(&self, now_ms: u64) -> u64 {
        let mut deadline = self.last_frame_ms + self.policy.silence_ms_max;
        let send_at = self.pace.ready_at(now_ms);
        deadline = deadline.min((self.last_ping_ms + self.policy.ping_ms).max(send_at));
        for entry in &self.entries {
            if let Some(answer) = entry.answer_deadline(self.policy.ack_ms_max) {
                deadline = deadline.min(answer);
            }
            deadline = match entry.wire {
                Wire::Idle { due_ms } if entry.wanted > 0 => deadline.min(due_ms.max(send_at)),
                Wire::Ending => deadline.min(send_at),
                _ => deadline,
            };
        }
        deadline
    }
}

impl Notice {
    fn into_action<'a>(self) -> Action<'a> {
        match self {
            Notice::Subscribed(subscription) => Action::Subscribed(subscription),
            Notice::Unsubscribed(subscription) => Action::Unsubscribed(subscription),
            Notice::Followed(user) => Action::Followed(user),
            Notice::Refused { subscription, said, retry_at_ms } => {
                Action::Refused { subscription, said, retry_at_ms }
            }
            Notice::TimedOut { subscription, retry_at_ms } => {
                Action::TimedOut { subscription, retry_at_ms }
            }
        }
    }
}

#[cfg(test)]
mod tests;
