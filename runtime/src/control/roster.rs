//! Which accounts are wanted: the lists of all origins put together, and the grace of those that left them.
//!
//! Pure: time is an argument, nothing is read. Each origin offers its whole list; an account is wanted while one of them
//! names it. When the last one no longer does, the account leaves after the grace, and coming back before that cancels it.
//! What follows is taken one by one with [`Roster::poll`]: who leaves first, so that their places are free for who comes,
//! each group in the order in which it came to be.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use shards::Address;

/// Where a list comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// `monitor.addresses`.
    Configuration,
    /// `monitor.addresses_file`.
    File,
    /// The list that is kept at run time: tables of the database, or `addresses.csv` of the data directory.
    Database,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Origin; 3] = [Origin::Configuration, Origin::File, Origin::Database];

    /// One word.
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Configuration => "configuration",
            Origin::File => "file",
            Origin::Database => "database",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of origins.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Origins(u8);

impl Origins {
    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is in it.
    pub const fn has(self, origin: Origin) -> bool {
        self.0 & origin.bit() != 0
    }

    /// Those in it.
    pub fn iter(self) -> impl Iterator<Item = Origin> {
        Origin::ALL.into_iter().filter(move |origin| self.has(*origin))
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, origin) in self.iter().enumerate() {
            write!(f, "{}{}", if at > 0 { "," } else { "" }, origin.name())?;
        }
        Ok(())
    }
}

/// What control has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Follow this account.
    Add(Address),
    /// Let it go.
    Remove(Address),
}

/// Whether an account stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// An origin names it.
    Wanted,
    /// None does any more; it is let go at this time.
    Leaving {
        /// When the grace is over.
        until: Instant,
    },
}

/// What became of [`Roster::remove_now`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// It leaves with the next polls.
    Leaves,
    /// Nothing was done: these origins still name it.
    Wanted(Origins),
    /// It is not there.
    Unknown,
}

/// All accounts that are wanted or leave.
pub struct Roster {
    grace: Duration,
    offered: Origins,
    entries: BTreeMap<Address, Entry>,
    /// Wanted and not yet told, in the order of their coming.
    arrivals: BTreeMap<u64, Address>,
    arrivals_seen: u64,
    /// By the time at which the last origin let go.
    leaving: BTreeSet<(Instant, Address)>,
    /// Removed without waiting for the grace.
    removals: VecDeque<Address>,
}

#[derive(Default)]
struct Entry {
    origins: Origins,
    left_at: Option<Instant>,
    /// Key in `arrivals`, while control was not told of it.
    arrival: Option<u64>,
}

impl Roster {
    /// Nobody is wanted yet.
    pub fn new(grace: Duration) -> Roster {
        Roster {
            grace,
            offered: Origins::default(),
            entries: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            arrivals_seen: 0,
            leaving: BTreeSet::new(),
            removals: VecDeque::new(),
        }
    }

    /// Changes the grace, for those too that are leaving.
    pub fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Takes the complete list of an origin; one that could not be read is not offered.
    pub fn offer(&mut self, origin: Origin, addresses: &[Address], now: Instant) {
        self.offered.0 |= origin.bit();
        let named: HashSet<Address> = addresses.iter().copied().collect();
        let gone: Vec<Address> = self
            .entries
            .iter()
            .filter(|(address, entry)| entry.origins.has(origin) && !named.contains(address))
            .map(|(address, _)| *address)
            .collect();
        for address in gone {
            self.leave(address, origin, now);
        }
        for address in addresses {
            self.join(*address, origin);
        }
    }

    fn leave(&mut self, address: Address, origin: Origin, now: Instant) {
        let entry = self.entries.get_mut(&address).expect("found by the caller");
        entry.origins.0 &= !origin.bit();
        if !entry.origins.is_empty() {
            return;
        }
        match entry.arrival {
            // Nobody has been told of it: nobody need be told that it left.
            Some(arrival) => {
                self.arrivals.remove(&arrival);
                self.entries.remove(&address);
            }
            None => {
                entry.left_at = Some(now);
                self.leaving.insert((now, address));
            }
        }
    }

    fn join(&mut self, address: Address, origin: Origin) {
        let is_new = !self.entries.contains_key(&address);
        let entry = self.entries.entry(address).or_default();
        entry.origins.0 |= origin.bit();
        if let Some(left_at) = entry.left_at.take() {
            self.leaving.remove(&(left_at, address));
        }
        if is_new {
            self.arrivals_seen += 1;
            entry.arrival = Some(self.arrivals_seen);
            self.arrivals.insert(self.arrivals_seen, address);
        }
    }

    /// Whether every origin has offered its list. Before that, an account that the journal knows and nobody names may be on
    /// a list that could not be read yet: it must not be let go.
    pub fn is_complete(&self) -> bool {
        Origin::ALL.into_iter().all(|origin| self.offered.has(origin))
    }

    /// Lets an account that no origin names go at once, without the rest of its grace.
    pub fn remove_now(&mut self, address: &Address) -> Removal {
        match self.entries.get(address) {
            None => Removal::Unknown,
            Some(Entry { left_at: Some(left_at), .. }) => {
                self.leaving.remove(&(*left_at, *address));
                self.entries.remove(address);
                self.removals.push_back(*address);
                Removal::Leaves
            }
            Some(entry) => Removal::Wanted(entry.origins),
        }
    }

    /// The next thing to do; `None` until the [next deadline](Roster::next_deadline) or the next offer.
    pub fn poll(&mut self, now: Instant) -> Option<Change> {
        if let Some(address) = self.removals.pop_front() {
            return Some(Change::Remove(address));
        }
        if let Some(&(left_at, address)) = self.leaving.first()
            && self.until(left_at) <= now
        {
            self.leaving.pop_first();
            self.entries.remove(&address);
            return Some(Change::Remove(address));
        }
        let (_, address) = self.arrivals.pop_first()?;
        let entry = self.entries.get_mut(&address).expect("who arrives is here");
        entry.arrival = None;
        Some(Change::Add(address))
    }

    /// When the next grace is over.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.leaving.first().map(|(left_at, _)| self.until(*left_at))
    }

    fn until(&self, left_at: Instant) -> Instant {
        left_at + self.grace
    }

    /// Every account that is wanted or leaves, by address.
    pub fn iter(&self) -> impl Iterator<Item = (Address, Origins, Standing)> {
        self.entries.iter().map(|(address, entry)| (*address, entry.origins, self.standing(entry)))
    }

    /// One account.
    pub fn get(&self, address: &Address) -> Option<(Origins, Standing)> {
        self.entries.get(address).map(|entry| (entry.origins, self.standing(entry)))
    }

    fn standing(&self, entry: &Entry) -> Standing {
        match entry.left_at {
            Some(left_at) => Standing::Leaving { until: self.until(left_at) },
            None => Standing::Wanted,
        }
    }

    /// How many are wanted or leave.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is wanted and nobody leaves.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests;
