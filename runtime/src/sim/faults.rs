//! Faults: what goes wrong on real connections, made on purpose, counted, and named by the seed.
//!
//! A fault is due every so many live frames with fills. Kinds are drawn from a bag that holds each
//! of them once, so that a run of any length has made them all about equally often. A kind that is
//! not possible at its frame stays in the bag. No fault loses anything that a monitor could not get
//! back.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use shards::Address;

use super::limits::Window;
use super::random::Random;
use super::session::{Channel, Out, Session};
use super::tape::{Block, TapeFill, fills_frame};

/// Kinds of faults.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fault {
    Drop,
    Expire,
    HalfFrame,
    Duplicate,
    ReorderFills,
    SwapFrames,
    StatusFirst,
    StatusLate,
    Delay,
    RefuseSubscription,
    OverlapSnapshot,
    Gap,
}

impl Fault {
    pub(crate) const ALL: [Fault; 12] = [
        Fault::Drop,
        Fault::Expire,
        Fault::HalfFrame,
        Fault::Duplicate,
        Fault::ReorderFills,
        Fault::SwapFrames,
        Fault::StatusFirst,
        Fault::StatusLate,
        Fault::Delay,
        Fault::RefuseSubscription,
        Fault::OverlapSnapshot,
        Fault::Gap,
    ];

    /// The name in the statistics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Drop => "dropped_connection",
            Fault::Expire => "expired_connection",
            Fault::HalfFrame => "half_frame",
            Fault::Duplicate => "duplicated_frame",
            Fault::ReorderFills => "reordered_fills",
            Fault::SwapFrames => "swapped_frames",
            Fault::StatusFirst => "status_before_fills",
            Fault::StatusLate => "fills_before_status",
            Fault::Delay => "delayed",
            Fault::RefuseSubscription => "refused_subscription",
            Fault::OverlapSnapshot => "overlapping_snapshot",
            Fault::Gap => "gap_for_info",
        }
    }

    /// Whether it ends the connection.
    fn cuts(self) -> bool {
        use Fault::{Drop, Expire, Gap, HalfFrame, OverlapSnapshot, RefuseSubscription};
        matches!(self, Drop | Expire | HalfFrame | RefuseSubscription | OverlapSnapshot | Gap)
    }
}

/// What the next subscription of a user meets.
#[derive(Default, Debug)]
struct Armed {
    refuse: BTreeSet<Address>,
    overlap: BTreeSet<Address>,
    cut: BTreeSet<Address>,
}

/// A block on its way to one connection.
pub(crate) struct Delivery<'a> {
    pub(crate) user: Address,
    pub(crate) block: &'a Block,
    pub(crate) fills: &'a Rc<str>,
    pub(crate) updates: Option<&'a Rc<str>>,
}

/// The schedule, and what it has done.
#[derive(Debug)]
pub(crate) struct Faults {
    random: Random,
    on: bool,
    frames_per_fault: u32,
    cuts_per_minute: u32,
    cuts: Window,
    bag: Vec<Fault>,
    frame: u64,
    due: u64,
    armed: Armed,
    pub(crate) made: BTreeMap<Fault, u64>,
}

impl Faults {
    pub(crate) fn new(seed: u64, on: bool, frames_per_fault: u32, cuts_per_minute: u32) -> Faults {
        let mut faults = Faults {
            random: Random::new(seed, u64::MAX),
            on,
            frames_per_fault,
            cuts_per_minute,
            cuts: Window::default(),
            bag: Vec::new(),
            frame: 0,
            due: 0,
            armed: Armed::default(),
            made: BTreeMap::new(),
        };
        faults.due = faults.next_due();
        faults
    }

    /// No more faults, not even those that wait for a subscription.
    pub(crate) fn stop(&mut self) {
        self.on = false;
        self.armed = Armed::default();
    }

    fn next_due(&mut self) -> u64 {
        self.frame + 1 + self.random.below(2 * u64::from(self.frames_per_fault))
    }

    fn count(&mut self, fault: Fault) {
        *self.made.entry(fault).or_default() += 1;
    }

    /// Sends a block with fills, whole or with a fault.
    pub(crate) fn deliver(&mut self, session: &mut Session, d: &Delivery, now: Duration) {
        match self.draw(session, d, now) {
            None => plain(session, d),
            Some(fault) => self.make(fault, session, d, now),
        }
        self.end_of_withholding(session, d);
    }

    /// The fault for this frame, if one is due and one of those in the bag is possible.
    fn draw(&mut self, session: &Session, d: &Delivery, now: Duration) -> Option<Fault> {
        self.frame += 1;
        let lane = session.lanes.get(&d.user)?;
        if !self.on || self.frame < self.due || lane.withheld.is_some() {
            return None;
        }
        if self.bag.is_empty() {
            self.bag.extend(Fault::ALL);
            self.random.shuffle(&mut self.bag);
        }
        let has_status = lane.updates && !d.block.updates.is_empty();
        let mut may_cut = None;
        let (limit, cuts) = (self.cuts_per_minute, &mut self.cuts);
        let place = self.bag.iter().rposition(|fault| match fault {
            Fault::ReorderFills | Fault::SwapFrames => d.block.fills.len() > 1,
            Fault::StatusFirst | Fault::StatusLate => has_status,
            fault if fault.cuts() => *may_cut.get_or_insert_with(|| cuts.take(now, 1, limit)),
            _ => true,
        })?;
        self.due = self.next_due();
        Some(self.bag.remove(place))
    }

    fn make(&mut self, fault: Fault, session: &mut Session, d: &Delivery, now: Duration) {
        let until = now + Duration::from_millis(20 + self.random.below(230));
        match fault {
            Fault::Drop => session.end(Out::Drop),
            Fault::Expire => session.end(Out::Expire),
            Fault::HalfFrame => session.end(Out::Half(Rc::clone(d.fills))),
            Fault::Duplicate => duplicate(session, d),
            Fault::ReorderFills => reorder_fills(session, d, &mut self.random),
            Fault::SwapFrames => swap_frames(session, d),
            Fault::StatusFirst => hold(session, d, &[Channel::Fills], until),
            Fault::StatusLate => hold(session, d, &[Channel::Updates], until),
            Fault::Delay => hold(session, d, &[Channel::Fills, Channel::Updates], until),
            Fault::RefuseSubscription => {
                self.armed.refuse.insert(d.user);
                session.end(Out::Drop);
            }
            Fault::OverlapSnapshot => {
                self.armed.overlap.insert(d.user);
                session.end(Out::Drop);
            }
            Fault::Gap => withhold(session, d, now),
        }
        // The others are made, and counted, when the user subscribes again.
        let waits = [Fault::RefuseSubscription, Fault::OverlapSnapshot, Fault::Gap];
        if !waits.contains(&fault) {
            self.count(fault);
        }
    }

    /// Ends a connection once enough was withheld: two blocks at least, of which the next snapshot
    /// shows one.
    fn end_of_withholding(&mut self, session: &mut Session, d: &Delivery) {
        let Some(lane) = session.lanes.get_mut(&d.user) else { return };
        let Some(withheld) = &mut lane.withheld else { return };
        withheld.fills += d.block.fills.len();
        withheld.blocks += 1;
        if self.on && withheld.blocks >= 2 && withheld.fills >= 3 {
            self.armed.cut.insert(d.user);
            session.end(Out::Drop);
        }
    }

    /// Whether this subscription is refused, once.
    pub(crate) fn refuses(&mut self, user: &Address) -> bool {
        let refused = self.armed.refuse.remove(user);
        if refused {
            self.count(Fault::RefuseSubscription);
        }
        refused
    }

    /// How many fills the snapshot may have.
    pub(crate) fn snapshot_limit(&mut self, user: &Address) -> usize {
        if !self.armed.cut.remove(user) {
            return usize::MAX;
        }
        self.count(Fault::Gap);
        1
    }

    /// How many of the newest fills come once more after the snapshot.
    pub(crate) fn overlap(&mut self, user: &Address) -> Option<usize> {
        if !self.armed.overlap.remove(user) {
            return None;
        }
        self.count(Fault::OverlapSnapshot);
        Some(1 + self.random.below(5) as usize)
    }
}

/// No fault: fills, then states.
pub(crate) fn plain(session: &mut Session, d: &Delivery) {
    session.send(&d.user, Channel::Fills, d.fills);
    if let Some(updates) = d.updates {
        session.send(&d.user, Channel::Updates, updates);
    }
}

fn duplicate(session: &mut Session, d: &Delivery) {
    session.send(&d.user, Channel::Fills, d.fills);
    plain(session, d);
}

/// The fills of one block in another order.
fn reorder_fills(session: &mut Session, d: &Delivery, random: &mut Random) {
    let mut fills: Vec<&Rc<TapeFill>> = d.block.fills.iter().collect();
    random.shuffle(&mut fills);
    if fills.iter().zip(&d.block.fills).all(|(a, b)| Rc::ptr_eq(a, b)) {
        fills.reverse();
    }
    let frame = fills_frame(&d.user, false, fills.into_iter());
    plain(session, &Delivery { fills: &frame.into(), ..*d });
}

/// A block in two frames, the second one first.
fn swap_frames(session: &mut Session, d: &Delivery) {
    let (first, second) = d.block.fills.split_at(d.block.fills.len() / 2);
    let second = fills_frame(&d.user, false, second.iter());
    session.send(&d.user, Channel::Fills, &second.into());
    let first = fills_frame(&d.user, false, first.iter());
    plain(session, &Delivery { fills: &first.into(), ..*d });
}

/// Some channels wait, with all that follows in them.
fn hold(session: &mut Session, d: &Delivery, channels: &[Channel], until: Duration) {
    channels.iter().for_each(|channel| session.shut(&d.user, *channel, until));
    plain(session, d);
}

/// From here on the user's frames are kept back, until the connection ends.
fn withhold(session: &mut Session, d: &Delivery, now: Duration) {
    session.withhold(&d.user, now);
    plain(session, d);
}
