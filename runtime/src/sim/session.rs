//! One WebSocket connection as the venue sees it: what it subscribed, and what waits to be sent.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use shards::Address;

use super::agenda::Chore;
use super::subscription::Subscription;

/// Connections whose outbox has something new, for whoever rings their bells.
pub(crate) type Ready = Rc<RefCell<Vec<u64>>>;

/// What the venue may say first: plain text, no JSON.
pub(crate) const GREETING: &str = "Websocket connection established.";

/// Something for the socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Out {
    /// A text frame.
    Text(Rc<str>),
    /// Half of a text frame, then the end without a close frame.
    Half(Rc<str>),
    /// The routine close: code 1000, reason `Expired`.
    Expire,
    /// The end without a close frame.
    Drop,
}

/// The channels whose frames are held back and overtaken by faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Channel {
    Fills,
    Updates,
}

/// A channel of a user on one connection. While it is shut, frames wait in order.
#[derive(Default, Debug)]
struct Gate {
    shut_until: Option<Duration>,
    queue: VecDeque<Rc<str>>,
}

/// Frames that are kept back for good, unless they stay too few to be missed.
#[derive(Debug)]
pub(crate) struct Withheld {
    pub(crate) since: Duration,
    pub(crate) fills: usize,
    pub(crate) blocks: usize,
    frames: Vec<(Channel, Rc<str>)>,
}

/// A user on one connection.
#[derive(Default, Debug)]
pub(crate) struct Lane {
    pub(crate) fills: bool,
    pub(crate) updates: bool,
    fills_gate: Gate,
    updates_gate: Gate,
    pub(crate) withheld: Option<Withheld>,
}

impl Lane {
    fn gate(&mut self, channel: Channel) -> &mut Gate {
        match channel {
            Channel::Fills => &mut self.fills_gate,
            Channel::Updates => &mut self.updates_gate,
        }
    }

    /// Frames that wait.
    pub(crate) fn waiting(&self) -> usize {
        let withheld = self.withheld.as_ref().map_or(0, |w| w.frames.len());
        self.fills_gate.queue.len() + self.updates_gate.queue.len() + withheld
    }

    fn next_release(&self) -> Option<Duration> {
        let gates = [self.fills_gate.shut_until, self.updates_gate.shut_until];
        let withheld = self.withheld.as_ref().map(|w| w.since + WITHHELD_FOR_MAX);
        gates.into_iter().chain([withheld]).flatten().min()
    }
}

/// Withheld frames of an account that then says nothing more are let go after this long: a fault
/// must not delay the truth for ever.
const WITHHELD_FOR_MAX: Duration = Duration::from_secs(2);

/// What a provider's connection is sent: the next frame, while it is being made.
#[derive(Default, Debug)]
pub(crate) struct Tuples {
    /// The addresses of each subscription, as they were written.
    pub(crate) subscriptions: Vec<Vec<Address>>,
    /// `["0x..",{fill}]`, joined by commas.
    pub(crate) next: String,
    pub(crate) fills: u64,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    id: u64,
    pub(crate) ip: IpAddr,
    pub(crate) outbox: VecDeque<Out>,
    ready: Ready,
    /// Whether the socket is busy with what it took from the outbox.
    pub(crate) sending: bool,
    /// When each subscription with a rhythm is due again.
    pub(crate) subscriptions: BTreeMap<Subscription, Option<Duration>>,
    pub(crate) lanes: BTreeMap<Address, Lane>,
    pub(crate) last_traffic: Duration,
    /// The end is in the outbox: nothing may follow.
    pub(crate) ended: bool,
    /// Open, and silent for ever: nothing more is said and nothing heard.
    pub(crate) muted: bool,
    /// Frames that come at their time or, by subscription, before it.
    late: Vec<(Duration, Subscription, String)>,
    /// Whether it speaks the provider's protocol; then what its next frame lists.
    pub(crate) provider: Option<Tuples>,
    /// Text frames put into the outbox.
    pub(crate) frames: u64,
    /// Accounts, by place, whose blocks come here.
    pub(crate) listens: Vec<usize>,
    /// When the agenda has each chore, in the order of [`Chore`].
    armed: [Option<Duration>; 3],
    /// When something is to be let go next.
    release_at: Option<Duration>,
}

impl Session {
    pub(crate) fn new(id: u64, ip: IpAddr, ready: Ready, now: Duration) -> Session {
        Session {
            id,
            ip,
            ready,
            outbox: VecDeque::new(),
            sending: false,
            subscriptions: BTreeMap::new(),
            lanes: BTreeMap::new(),
            last_traffic: now,
            ended: false,
            muted: false,
            late: Vec::new(),
            provider: None,
            frames: 0,
            listens: Vec::new(),
            armed: [None; 3],
            release_at: None,
        }
    }

    /// Whether the agenda must be told of this time: it has none as early.
    pub(crate) fn arm(&mut self, chore: Chore, at: Duration) -> bool {
        let armed = &mut self.armed[chore as usize];
        let news = armed.is_none_or(|earlier| at < earlier);
        if news {
            *armed = Some(at);
        }
        news
    }

    /// Whether this is the time that the chore is armed for; it no longer is.
    pub(crate) fn fire(&mut self, chore: Chore, at: Duration) -> bool {
        self.armed[chore as usize].take_if(|armed| *armed == at).is_some()
    }

    fn put(&mut self, out: Out) {
        if self.outbox.is_empty() {
            self.ready.borrow_mut().push(self.id);
        }
        self.outbox.push_back(out);
    }

    /// Keeps a channel's frames back until `until`.
    pub(crate) fn shut(&mut self, user: &Address, channel: Channel, until: Duration) {
        let Some(lane) = self.lanes.get_mut(user) else { return };
        let gate = lane.gate(channel);
        gate.shut_until = gate.shut_until.max(Some(until));
        self.release_at = self.next_release();
    }

    /// Keeps all frames of a user back from now on.
    pub(crate) fn withhold(&mut self, user: &Address, since: Duration) {
        let Some(lane) = self.lanes.get_mut(user) else { return };
        lane.withheld = Some(Withheld { since, fills: 0, blocks: 0, frames: Vec::new() });
        self.release_at = self.next_release();
    }

    /// When something is to be let go next.
    pub(crate) fn release_at(&self) -> Option<Duration> {
        self.release_at.filter(|_| !self.ended)
    }

    /// Puts a frame into the outbox, unless the end is in there.
    pub(crate) fn push(&mut self, text: impl Into<Rc<str>>) {
        if !self.ended && !self.muted {
            self.frames += 1;
            self.put(Out::Text(text.into()));
        }
    }

    /// Ends the connection after what is in the outbox. What its lanes keep is lost.
    pub(crate) fn end(&mut self, how: Out) {
        if !self.ended && !self.muted {
            self.ended = true;
            self.put(how);
            self.lanes.clear();
        }
    }

    /// Falls silent for ever. What its lanes keep is lost.
    pub(crate) fn mute(&mut self) {
        self.muted = true;
        self.lanes.clear();
        self.late.clear();
    }

    /// Keeps a frame until the subscription comes again, or until `until`.
    pub(crate) fn say_later(&mut self, until: Duration, subscription: Subscription, text: String) {
        self.late.push((until, subscription, text));
        self.release_at = self.next_release();
    }

    /// Says what was kept for this subscription. Whether there was something.
    pub(crate) fn say_kept(&mut self, subscription: &Subscription) -> bool {
        let kept: Vec<String> =
            self.late.extract_if(.., |(_, of, _)| of == subscription).map(|late| late.2).collect();
        let some = !kept.is_empty();
        kept.into_iter().for_each(|text| self.push(text));
        some
    }

    /// Sends a frame of a user's channel: into the outbox, or to wait where the lane keeps things
    /// back.
    pub(crate) fn send(&mut self, user: &Address, channel: Channel, text: &Rc<str>) {
        let Some(lane) = self.lanes.get_mut(user) else { return };
        if let Some(withheld) = &mut lane.withheld {
            withheld.frames.push((channel, Rc::clone(text)));
            return;
        }
        let gate = lane.gate(channel);
        if gate.shut_until.is_some() {
            gate.queue.push_back(Rc::clone(text));
        } else {
            self.push(Rc::clone(text));
        }
    }

    /// Lets go what is due at `now`; everything for `None`.
    pub(crate) fn release(&mut self, now: Option<Duration>) {
        let is_due = |at: Duration| now.is_none_or(|now| at <= now);
        let mut due = Vec::new();
        for lane in self.lanes.values_mut() {
            for gate in [&mut lane.fills_gate, &mut lane.updates_gate] {
                if gate.shut_until.is_some_and(is_due) {
                    gate.shut_until = None;
                    due.extend(gate.queue.drain(..));
                }
            }
            if let Some(withheld) = lane.withheld.take_if(|w| is_due(w.since + WITHHELD_FOR_MAX)) {
                // A gate may still be shut for an earlier fault; its frames stay in front of these.
                for (channel, text) in withheld.frames {
                    let gate = lane.gate(channel);
                    if gate.shut_until.is_some() {
                        gate.queue.push_back(text);
                    } else {
                        due.push(text);
                    }
                }
            }
        }
        due.into_iter().for_each(|text| self.push(text));
        let late: Vec<String> =
            self.late.extract_if(.., |(until, ..)| is_due(*until)).map(|late| late.2).collect();
        late.into_iter().for_each(|text| self.push(text));
        self.release_at = self.next_release();
    }

    fn next_release(&self) -> Option<Duration> {
        let late = self.late.iter().map(|(until, ..)| *until).min();
        self.lanes.values().filter_map(Lane::next_release).chain(late).min()
    }

    /// Whether everything has gone out.
    pub(crate) fn is_quiet(&self) -> bool {
        let kept = self.lanes.values().any(|lane| lane.waiting() > 0) || !self.late.is_empty();
        self.outbox.is_empty() && !self.sending && !kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const USER: Address = Address([3; 20]);

    fn session() -> Session {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut session = Session::new(1, ip, Ready::default(), Duration::ZERO);
        session.lanes.insert(USER, Lane { fills: true, updates: true, ..Lane::default() });
        session
    }

    fn send(session: &mut Session, channel: Channel, text: &str) {
        session.send(&USER, channel, &text.into());
    }

    #[track_caller]
    fn check(session: &mut Session, wanted: &[&str]) {
        let found: Vec<String> = session
            .outbox
            .drain(..)
            .map(|out| match out {
                Out::Text(text) => text.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(found, wanted);
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_shut_channel_keeps_its_order_and_the_other_overtakes() {
        let mut s = session();
        s.shut(&USER, Channel::Fills, ms(100));
        send(&mut s, Channel::Fills, "f1");
        send(&mut s, Channel::Updates, "u1");
        send(&mut s, Channel::Fills, "f2");
        check(&mut s, &["u1"]);
        assert!(!s.is_quiet());
        assert_eq!(s.release_at(), Some(ms(100)));
        s.release(Some(ms(99)));
        check(&mut s, &[]);
        s.release(Some(ms(100)));
        check(&mut s, &["f1", "f2"]);
        send(&mut s, Channel::Fills, "f3");
        check(&mut s, &["f3"]);
        assert!(s.is_quiet());
    }

    #[test]
    fn withheld_frames_die_with_the_connection_or_come_in_the_end() {
        let mut s = session();
        s.withhold(&USER, ms(5));
        send(&mut s, Channel::Fills, "f1");
        send(&mut s, Channel::Updates, "u1");
        check(&mut s, &[]);
        s.release(None);
        check(&mut s, &["f1", "u1"]);
        s.withhold(&USER, ms(5));
        send(&mut s, Channel::Fills, "f2");
        s.end(Out::Drop);
        send(&mut s, Channel::Fills, "f3");
        s.push("late");
        s.end(Out::Expire);
        check(&mut s, &["Drop"]);
        assert!(s.is_quiet());
    }
}
