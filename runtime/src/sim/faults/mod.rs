//! Faults: what goes wrong on real connections, made on purpose, counted, and named by the seed.
//!
//! In the mix a fault is due every so many occasions. Kinds are drawn from a bag that holds each of
//! them once, so that a run of any length has made them all about equally often; a kind that is not
//! possible now stays in the bag. Or only some kinds are made, each every so many occasions. Apart
//! from the kinds that must be asked for, no fault loses anything that a monitor could not get back.

mod frames;
mod kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use shards::Address;

pub use kinds::{Fault, Occasion};

pub(crate) use frames::{Delivery, Made};
pub(crate) use kinds::Share;

use super::limits::Window;
use super::options::{FaultEvery, SimOptions};
use super::random::Random;

/// Rare faults begin after this time, and one of each occasion comes in such a time.
const RARE: Duration = Duration::from_secs(60);

/// The occasions of one kind: how many there were, and when the next fault is due.
#[derive(Default, Debug)]
struct Wheel {
    bag: Vec<Fault>,
    seen: u64,
    due: u64,
}

/// What is asked for by name.
#[derive(Debug)]
struct Asked {
    fault: Fault,
    every: u64,
    waited: u64,
}

/// The schedule, and what it has done.
#[derive(Debug)]
pub(crate) struct Faults {
    random: Random,
    on: bool,
    paused: bool,
    every: u64,
    only: Vec<Asked>,
    cuts_per_minute: u32,
    cuts: Window,
    rare: [Window; Occasion::COUNT],
    wheels: [Wheel; Occasion::COUNT],
    /// What the next subscription of a user meets.
    armed: BTreeMap<Address, Fault>,
    /// Source addresses whose next connection is silent.
    silent: BTreeSet<IpAddr>,
    /// Which text of several is next.
    pub(crate) turn: usize,
    pub(crate) made: BTreeMap<Fault, u64>,
}

impl Faults {
    pub(crate) fn new(options: &SimOptions) -> Faults {
        let asked = options.only_faults.iter().map(|FaultEvery { fault, every }| Asked {
            fault: *fault,
            every: u64::from(*every),
            waited: 0,
        });
        let mut faults = Faults {
            random: Random::new(options.seed, u64::MAX),
            on: options.faults || !options.only_faults.is_empty(),
            paused: false,
            every: u64::from(options.frames_per_fault),
            only: asked.collect(),
            cuts_per_minute: options.cuts_per_minute,
            cuts: Window::default(),
            rare: Default::default(),
            wheels: Default::default(),
            armed: BTreeMap::new(),
            silent: BTreeSet::new(),
            turn: 0,
            made: BTreeMap::new(),
        };
        for place in 0..Occasion::COUNT {
            faults.wheels[place].due = faults.until_next(place);
        }
        faults
    }

    /// No more faults, not even those that wait for a subscription.
    pub(crate) fn stop(&mut self) {
        self.on = false;
        self.armed.clear();
        self.silent.clear();
    }

    /// Stops drawing, or goes on. What it was before.
    pub(crate) fn pause(&mut self, paused: bool) -> bool {
        std::mem::replace(&mut self.paused, paused)
    }

    /// Whether faults are made.
    pub(crate) fn is_on(&self) -> bool {
        self.on && !self.paused
    }

    /// Occasions until the next fault. A live frame is the occasion of two.
    fn until_next(&mut self, occasion: usize) -> u64 {
        let shares = [Occasion::Frame as usize, Occasion::Cut as usize].contains(&occasion);
        1 + self.random.below(if shares { 4 } else { 2 } * self.every)
    }

    pub(crate) fn count(&mut self, fault: Fault) {
        *self.made.entry(fault).or_default() += 1;
    }

    /// A time from `low` to `high` milliseconds.
    pub(crate) fn a_while(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(low + self.random.below(high - low))
    }

    /// The fault for this occasion, if one is due and one of those in the bag is possible.
    pub(crate) fn draw(
        &mut self,
        occasion: Occasion,
        now: Duration,
        possible: impl Fn(Fault) -> bool,
    ) -> Option<Fault> {
        if !self.is_on() {
            return None;
        }
        if !self.only.is_empty() {
            return self.draw_asked(occasion, possible);
        }
        let wheel = &mut self.wheels[occasion as usize];
        wheel.seen += 1;
        if wheel.seen < wheel.due {
            return None;
        }
        if wheel.bag.is_empty() {
            let kinds = Fault::all().filter(|fault| fault.occasion() == occasion);
            wheel.bag.extend(kinds.filter(|fault| fault.share() != Share::OnRequest));
            self.random.shuffle(&mut wheel.bag);
        }
        let cuts = occasion == Occasion::Cut;
        if cuts && !self.cuts.has_room(now, 1, self.cuts_per_minute) {
            return None;
        }
        let rare = now >= RARE && self.rare[occasion as usize].has_room(now, 1, 1);
        let place = self.wheels[occasion as usize]
            .bag
            .iter()
            .rposition(|fault| (fault.share() != Share::Rare || rare) && possible(*fault));
        let Some(place) = place else {
            // What is left in the bag is rare: a new one beside it, so that the others go on.
            self.refill(occasion);
            return None;
        };
        let pause = self.until_next(occasion as usize);
        let wheel = &mut self.wheels[occasion as usize];
        wheel.due = wheel.seen + pause;
        let fault = wheel.bag.remove(place);
        if cuts {
            self.cuts.take(now, 1, self.cuts_per_minute);
        }
        if fault.share() == Share::Rare {
            self.rare[occasion as usize].take(now, 1, 1);
        }
        Some(fault)
    }

    /// Adds the usual kinds to a bag in which only rare ones are left.
    fn refill(&mut self, occasion: Occasion) {
        let bag = &mut self.wheels[occasion as usize].bag;
        if bag.iter().all(|fault| fault.share() == Share::Rare) {
            let usual = Fault::all().filter(|fault| fault.occasion() == occasion);
            bag.extend(usual.filter(|fault| fault.share() == Share::Usual));
            self.random.shuffle(bag);
        }
    }

    fn draw_asked(
        &mut self,
        occasion: Occasion,
        possible: impl Fn(Fault) -> bool,
    ) -> Option<Fault> {
        let mut drawn = None;
        for asked in self.only.iter_mut().filter(|asked| asked.fault.occasion() == occasion) {
            asked.waited += 1;
            if drawn.is_none() && asked.waited >= asked.every && possible(asked.fault) {
                asked.waited = 0;
                drawn = Some(asked.fault);
            }
        }
        drawn
    }

    /// Lets the next subscription of a user meet a fault.
    pub(crate) fn arm(&mut self, user: Address, fault: Fault) {
        assert!(fault.waits(), "{fault:?} is made at once");
        self.armed.insert(user, fault);
    }

    /// Takes what waits for this user's subscription, if it is one of these. It is made now.
    pub(crate) fn meets(&mut self, user: &Address, kinds: &[Fault]) -> Option<Fault> {
        let fault = *self.armed.get(user).filter(|fault| kinds.contains(fault))?;
        self.armed.remove(user);
        self.count(fault);
        Some(fault)
    }

    /// Lets the next connection of a source address be silent.
    pub(crate) fn arm_silence(&mut self, ip: IpAddr) {
        self.silent.insert(ip);
    }

    /// Whether this connection is silent from the start.
    pub(crate) fn silences(&mut self, ip: IpAddr) -> bool {
        let silent = self.silent.remove(&ip);
        if silent {
            self.count(Fault::SilentStart);
        }
        silent
    }
}
