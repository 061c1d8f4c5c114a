//! The life of one connection's groups: which addresses are wanted, what was asked, what is in force.
//!
//! As [`crate::hyperliquid::session`], no I/O and no clock, and one session outlives many connections. An address that
//! is wanted later comes in a group of its own; one that is not wanted any more stays in its group, where its fills
//! are the caller's to ignore, until the whole group is not wanted. So neither adding nor removing disturbs anybody. Only
//! when the provider has refused a group, so perhaps has no room for more, do groups end that others still want: these
//! are told as [`Action::Unfollowed`] and asked for again. A new connection forms the groups anew.
//!
//! Why those that stay are not asked for in a new group first, and the old one ended after: of a provider that takes
//! addresses away, the end of the old group would take away those of the new one.
//!
//! Invariants: one request is under way at a time; an account is followed only after the acknowledgement of its group;
//! never more messages in any 60 seconds than the policy allows.

use super::frame::{Frame, Position};
use super::group::{Group, Wire};
use super::{ADDRESSES_MAX, PONG_TEXT};
use crate::hyperliquid::session::{Action, Pace, Policy, Silence};
use shards::{Address, Text};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Refusals that wait to be polled, at most.
const NOTICES_MAX: usize = 256;
/// How much of the provider's words is kept.
const SAID_BYTES_MAX: usize = 200;
/// Until a provider has answered a ping, nothing is known of its answering any: it must be silent for so many times
/// the policy's silence to be dead. Hydromancer's own pings come each minute.
const UNKNOWN_SILENCE: u64 = 3;

/// What waits to be polled beside [`Action::Followed`]; [`Action`] without its borrow.
#[derive(Clone, Debug)]
enum Notice {
    Refused { said: String, retry_at_ms: Option<u64> },
    Missed { after_seq: u64, next_seq: u64 },
}

/// The groups of one connection.
#[derive(Clone, Debug)]
pub struct Session {
    policy: Policy,
    addresses_max: usize,
    /// Every address that is wanted, and whether it is followed.
    wanted: BTreeMap<Address, bool>,
    /// Those of them that are in no group.
    waiting: BTreeSet<Address>,
    groups: Vec<Group>,
    /// Accounts whose following is to be told, or (`false`) its end.
    changes: VecDeque<(Address, bool)>,
    notices: VecDeque<Notice>,
    pace: Pace,
    open: bool,
    /// The provider has refused a group: what is not wanted must make room.
    crowded: bool,
    pong_due: bool,
    /// Whether this provider answers pings; not known before it has.
    answers_pings: bool,
    /// A ping was refused on this connection.
    ping_refused: bool,
    last_frame_ms: u64,
    last_ping_ms: u64,
    /// The last message was a ping.
    pinged: bool,
    last_seq: Option<u64>,
    /// Of the last request that was not answered in time.
    late: Option<Address>,
    formed: u64,
    text: String,
}

impl Session {
    /// Nothing wanted, no connection.
    pub fn new(policy: Policy) -> Session {
        Session {
            policy,
            addresses_max: ADDRESSES_MAX,
            wanted: BTreeMap::new(),
            waiting: BTreeSet::new(),
            groups: Vec::new(),
            changes: VecDeque::new(),
            notices: VecDeque::new(),
            pace: Pace::new(policy.messages_per_minute),
            open: false,
            crowded: false,
            pong_due: false,
            answers_pings: false,
            ping_refused: false,
            last_frame_ms: 0,
            last_ping_ms: 0,
            pinged: false,
            last_seq: None,
            late: None,
            formed: 0,
            text: String::new(),
        }
    }

    /// With fewer addresses in a request than [`ADDRESSES_MAX`].
    pub fn with_addresses_max(mut self, addresses_max: usize) -> Session {
        self.addresses_max = addresses_max.clamp(1, ADDRESSES_MAX);
        self
    }

    /// Wants the fills of an account.
    pub fn want(&mut self, user: Address) {
        if self.wanted.contains_key(&user) {
            return;
        }
        self.wanted.insert(user, false);
        let Some(group) = self.groups.iter_mut().find(|group| group.holds(&user)) else {
            self.waiting.insert(user);
            return;
        };
        // It is still in its group: not wanted for a while.
        group.dead -= 1;
        match group.wire {
            Wire::InForce => self.follow(user),
            // It is followed with the others, by the acknowledgement of the beginning, or asked for after the end.
            Wire::Idle { .. } | Wire::Asked { .. } | Wire::EndAsked { .. } => {}
        }
    }

    /// Wants the fills of an account no longer.
    pub fn unwant(&mut self, user: Address) {
        if self.wanted.remove(&user).is_none() || self.waiting.remove(&user) {
            return;
        }
        self.changes.retain(|(changed, _)| *changed != user);
        let group = self.groups.iter_mut().find(|group| group.holds(&user));
        group.expect("what is wanted and does not wait is in a group").dead += 1;
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

    /// Something was received: the connection lives.
    pub fn on_traffic(&mut self, now_ms: u64) {
        self.last_frame_ms = self.last_frame_ms.max(now_ms);
    }

    /// A frame was received. Call it for every frame, after its fills were taken.
    pub fn on_frame(&mut self, frame: &Frame<'_>, now_ms: u64) {
        self.on_traffic(now_ms);
        match frame {
            Frame::Acknowledged { begins, address } => {
                self.acknowledged(*begins, address.as_ref());
            }
            Frame::Refused { text } => self.refused(text, now_ms),
            Frame::Fills { position, first, .. } => {
                // A provider that acknowledges nothing shows by its fills that the group is in force.
                if let Some(first) = first
                    && self
                        .asked()
                        .is_some_and(|at| matches!(self.groups[at].wire, Wire::Asked { .. }))
                {
                    self.acknowledged(Some(true), Some(first));
                }
                self.follows_on(position);
            }
            Frame::Pong => self.answers_pings = true,
            Frame::Ping => self.pong_due = true,
            Frame::Other => {}
        }
    }

    /// The next thing to do. Call it until it says nothing, after every event and at [`Session::next_deadline`].
    pub fn poll(&mut self, now_ms: u64) -> Option<Action<'_>> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice.into_action());
        }
        if let Some((user, followed)) = self.changes.pop_front() {
            return Some(if followed { Action::Followed(user) } else { Action::Unfollowed(user) });
        }
        if !self.open {
            return None;
        }
        let silent_ms = now_ms.saturating_sub(self.last_frame_ms);
        if silent_ms >= self.silence_ms_max() {
            self.on_closed(now_ms);
            return Some(Action::Dead { why: Silence::NoFrame { silent_ms } });
        }
        self.expire(now_ms);
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice.into_action());
        }
        if std::mem::take(&mut self.pong_due) {
            // It must go even where the budget is spent: without it the provider closes.
            self.pace.take(now_ms);
            return Some(Action::Send(PONG_TEXT));
        }
        let is_ping_due = self.ping_due_ms().is_some_and(|due_ms| now_ms >= due_ms);
        // As in the public session: where something comes requests go first, where nothing comes they take turns.
        let ping_first = !self.pinged && silent_ms >= self.policy.ping_ms;
        if !(is_ping_due && ping_first) && self.request(now_ms) {
            self.pinged = false;
            return Some(Action::Send(&self.text));
        }
        if is_ping_due && self.pace.take(now_ms) {
            self.last_ping_ms = now_ms;
            self.pinged = true;
            return Some(Action::Ping);
        }
        None
    }

    /// When [`Session::poll`] must be called again if nothing happens; `None` without a connection.
    pub fn next_deadline(&self) -> Option<u64> {
        if !self.notices.is_empty() || !self.changes.is_empty() || (self.open && self.pong_due) {
            return Some(0);
        }
        if !self.open {
            return None;
        }
        let mut deadline = self.last_frame_ms + self.silence_ms_max();
        let send_ms = self.pace.ready_at(0);
        if let Some(due_ms) = self.ping_due_ms() {
            deadline = deadline.min(due_ms.max(send_ms));
        }
        if let Some(at) = self.asked() {
            let asked_ms = self.groups[at].asked_ms().expect("it is asked");
            return Some(deadline.min(asked_ms + self.policy.ack_ms_max));
        }
        if !self.waiting.is_empty() || self.groups.iter().any(|group| self.is_to_end(group)) {
            return Some(deadline.min(send_ms));
        }
        let idle = self.groups.iter().filter_map(|group| match group.wire {
            Wire::Idle { due_ms } => Some(due_ms.max(send_ms)),
            _ => None,
        });
        Some(idle.fold(deadline, u64::min))
    }

    /// Another budget of messages from here on.
    pub fn set_messages_per_minute(&mut self, messages_per_minute: u32) {
        self.policy.messages_per_minute = messages_per_minute;
        self.pace.set_rate(messages_per_minute);
    }

    /// Whether nothing is wanted. Groups that may still be on the wire disturb nobody.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether an account is followed: its group is acknowledged.
    pub fn is_followed(&self, user: Address) -> bool {
        self.wanted.get(&user) == Some(&true)
    }

    /// Accounts that are followed, and accounts that are wanted.
    pub fn in_force(&self) -> (usize, usize) {
        (self.wanted.values().filter(|followed| **followed).count(), self.wanted.len())
    }

    fn silence_ms_max(&self) -> u64 {
        let times = if self.answers_pings { 1 } else { UNKNOWN_SILENCE };
        self.policy.silence_ms_max * times
    }

    /// When the next ping is due. None while an answer is awaited: a refusal of the ping would be taken for that.
    fn ping_due_ms(&self) -> Option<u64> {
        let may = !self.ping_refused && self.asked().is_none();
        may.then_some(self.last_ping_ms + self.policy.ping_ms)
    }

    /// The group whose answer is awaited.
    fn asked(&self) -> Option<usize> {
        self.groups.iter().position(|group| group.asked_ms().is_some())
    }

    fn notify(&mut self, notice: Notice) {
        if self.notices.len() < NOTICES_MAX {
            self.notices.push_back(notice);
        }
    }

    fn follow(&mut self, user: Address) {
        if let Some(followed) = self.wanted.get_mut(&user) {
            *followed = true;
            self.changes.push_back((user, true));
        }
    }

    /// What of a group was followed is so no longer.
    fn unfollow_group(&mut self, at: usize) {
        for user in &self.groups[at].addresses {
            if let Some(followed) = self.wanted.get_mut(user)
                && std::mem::take(followed)
            {
                self.changes.push_back((*user, false));
            }
        }
    }

    /// Tells of all members of a group that are wanted.
    fn follow_group(&mut self, at: usize) {
        for user in self.groups[at].addresses.clone() {
            self.follow(user);
        }
    }

    fn forget_wire(&mut self) {
        self.groups.clear();
        self.changes.clear();
        self.waiting = self.wanted.keys().copied().collect();
        self.wanted.values_mut().for_each(|followed| *followed = false);
        self.crowded = false;
        self.pong_due = false;
        self.ping_refused = false;
        self.last_seq = None;
        self.late = None;
    }

    /// An answer to the one request that is under way; `begins` and `address` where the frame says them.
    fn acknowledged(&mut self, begins: Option<bool>, address: Option<&Address>) {
        let Some(at) = self.asked() else { return };
        let group = &mut self.groups[at];
        let began = matches!(group.wire, Wire::Asked { .. });
        let is_late = begins.is_some_and(|begins| begins != began)
            || address.is_some_and(|address| !group.holds(address));
        let first = group.addresses[0];
        // An answer that names nothing may be the late one to the request that was given up. If it is not, this one
        // is given up too and asked again.
        let late = self.late.take().filter(|_| address.is_none());
        if is_late || late.is_some_and(|late| late != first) {
            return;
        }
        if !began {
            return self.ended(at);
        }
        group.wire = Wire::InForce;
        group.backoff.reset();
        // Whether the provider counts on through a new subscription is not documented.
        self.last_seq = None;
        self.crowded = self.groups.iter().any(|group| matches!(group.wire, Wire::Idle { .. }));
        self.follow_group(at);
    }

    /// A group is no longer on the wire: those of it that are wanted wait for another.
    fn ended(&mut self, at: usize) {
        let group = self.groups.swap_remove(at);
        self.last_seq = None;
        for user in group.addresses {
            if self.wanted.contains_key(&user) {
                self.waiting.insert(user);
            }
        }
    }

    fn refused(&mut self, text: &str, now_ms: u64) {
        let Some(at) = self.asked() else {
            let pinged = now_ms.saturating_sub(self.last_ping_ms) < self.policy.ack_ms_max;
            if !self.answers_pings && !self.ping_refused && pinged {
                // The provider knows no pings; its own, or its fills, must do.
                self.ping_refused = true;
                return;
            }
            let said = Text::<SAID_BYTES_MAX>::new(text).to_string();
            return self.notify(Notice::Refused { said, retry_at_ms: None });
        };
        let group = &mut self.groups[at];
        let first = group.addresses[0];
        if matches!(group.wire, Wire::EndAsked { .. }) {
            // It is not there, or cannot be ended: to us it is the same.
            return self.ended(at);
        }
        if text.starts_with("Already subscribed") {
            return self.acknowledged(Some(true), Some(&first));
        }
        let retry_at_ms = now_ms + group.backoff.next_ms();
        group.wire = Wire::Idle { due_ms: retry_at_ms };
        let said = format!("{}: {}", group.describe(), Text::<SAID_BYTES_MAX>::new(text));
        self.crowded = true;
        self.notify(Notice::Refused { said, retry_at_ms: Some(retry_at_ms) });
    }

    /// Gives up a request that was not answered in time.
    fn expire(&mut self, now_ms: u64) {
        let Some(at) = self.asked() else { return };
        let ack_ms_max = self.policy.ack_ms_max;
        let group = &mut self.groups[at];
        let asked_ms = group.asked_ms().expect("it is asked");
        if now_ms < asked_ms + ack_ms_max {
            return;
        }
        if matches!(group.wire, Wire::EndAsked { .. }) {
            self.late = Some(group.addresses[0]);
            return self.ended(at);
        }
        self.late = Some(group.addresses[0]);
        let retry_at_ms = now_ms + group.backoff.next_ms();
        group.wire = Wire::Idle { due_ms: retry_at_ms };
        let said = format!("{}: no answer within {ack_ms_max} ms", group.describe());
        self.notify(Notice::Refused { said, retry_at_ms: Some(retry_at_ms) });
    }

    /// Whether a frame comes right after the one before it.
    fn follows_on(&mut self, position: &Position) {
        let Some(seq) = position.seq else { return };
        let last_seq = self.last_seq.replace(seq);
        let Some(last_seq) = last_seq.filter(|last_seq| seq > last_seq.saturating_add(1)) else {
            return;
        };
        self.notify(Notice::Missed { after_seq: last_seq, next_seq: seq });
        self.changes.retain(|(_, followed)| !followed);
        for at in 0..self.groups.len() {
            if self.groups[at].wire == Wire::InForce {
                self.follow_group(at);
            }
        }
    }

    /// Whether a group in force is to end: nobody wants it, or there may be no room for more.
    fn is_to_end(&self, group: &Group) -> bool {
        let is_dead = group.dead == group.addresses.len();
        group.wire == Wire::InForce && (is_dead || (self.crowded && group.dead > 0))
    }

    /// Writes the next request into `text`, if one is due and may go: ends before beginnings, for they make room.
    fn request(&mut self, now_ms: u64) -> bool {
        if self.asked().is_some() || now_ms < self.pace.ready_at(now_ms) {
            return false;
        }
        // A group that was refused, and that nobody wants any more, has nothing to end.
        let is_gone = |group: &Group| {
            matches!(group.wire, Wire::Idle { .. }) && group.dead == group.addresses.len()
        };
        self.groups.retain(|group| !is_gone(group));
        if let Some(at) = self.groups.iter().position(|group| self.is_to_end(group)) {
            self.groups[at].wire = Wire::EndAsked { at_ms: now_ms };
            // From now on their fills may stop.
            self.unfollow_group(at);
            return self.write(at, false, now_ms);
        }
        let is_due =
            |group: &Group| matches!(group.wire, Wire::Idle { due_ms } if due_ms <= now_ms);
        let due = self.groups.iter().position(is_due).or_else(|| self.form());
        let Some(at) = due else { return false };
        if self.groups[at].dead > 0 {
            // It is not on the wire: it may as well be what is wanted of it.
            let group = &mut self.groups[at];
            group.addresses.retain(|user| self.wanted.contains_key(user));
            group.dead = 0;
        }
        self.groups[at].wire = Wire::Asked { at_ms: now_ms };
        self.write(at, true, now_ms)
    }

    fn write(&mut self, at: usize, begins: bool, now_ms: u64) -> bool {
        self.text.clear();
        self.groups[at].write_request(begins, &mut self.text);
        self.pace.take(now_ms)
    }

    /// Makes a group of the addresses that wait.
    fn form(&mut self) -> Option<usize> {
        let addresses: Vec<Address> =
            self.waiting.iter().take(self.addresses_max).copied().collect();
        if addresses.is_empty() {
            return None;
        }
        for address in &addresses {
            self.waiting.remove(address);
        }
        self.formed += 1;
        self.groups.push(Group::new(addresses, self.policy.seed.wrapping_add(self.formed)));
        Some(self.groups.len() - 1)
    }
}

impl Notice {
    fn into_action<'a>(self) -> Action<'a> {
        match self {
            Notice::Refused { said, retry_at_ms } => {
                Action::Refused { subscription: None, said, retry_at_ms }
            }
            Notice::Missed { after_seq, next_seq } => Action::Missed { after_seq, next_seq },
        }
    }
}

#[cfg(test)]
mod tests;
