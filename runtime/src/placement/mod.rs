//! Which account goes over which connection, inside the budgets of each source, and how much each connection may do.
//!
//! Pure: no clock, no I/O. Control owns a [`Placer`] and tells the shards what it says; shards share nothing at run time.
//!
//! A *source* is one upstream reached from one address of this host: the venue counts its limits by that address. A
//! connection belongs to one shard and one source; it is named by its number on the shard. Numbers are used again, for the
//! same source.
//!
//! Placement: sources are taken in the order of the configuration. An account goes to the connection with the fewest
//! accounts that has room, among the sources of the first kind that can take it; to a new connection only if none has.

pub mod capacity;

mod share;

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use shards::{Address, ShardId, shard_of};

use crate::config::{Source, SourceKind};
use share::Slice;

/// Subscriptions that one account needs: fills, orders, perpetual and spot balances.
pub const SUBSCRIPTIONS_PER_USER: u32 = 4;
/// Subscriptions that each connection may need besides: the prices of so many dexes. One connection of a shard has them,
/// and any can become that one.
pub const SUBSCRIPTIONS_PER_CONNECTION: u32 = 16;
/// Percent of the subscription limit that is used; the rest is for changes while running.
const SUBSCRIPTIONS_PERCENT: u64 = 95;
/// Accounts that one subscription of a provider can name.
pub const PROVIDER_USERS_PER_CONNECTION: u32 = 1000;

/// Where an account is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Its shard.
    pub shard: ShardId,
    /// Index of the source.
    pub source: usize,
    /// The connection's number on the shard; `None` for a source without connections.
    pub link: Option<usize>,
}

/// How much a connection may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Whose.
    pub shard: ShardId,
    /// The connection's number on the shard.
    pub link: usize,
    /// Messages that it may send in a minute.
    pub messages_per_minute: u32,
    /// Times that it may connect in a minute.
    pub connects_per_minute: u32,
}

/// A limit that leaves no room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Limit {
    /// `users_per_ip`
    Users,
    /// `subscriptions_per_ip`
    Subscriptions,
    /// `connections_per_ip`, each with at most `monitor.users_per_connection`
    Connections,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Users => "users_per_ip",
            Limit::Subscriptions => "subscriptions_per_ip",
            Limit::Connections => "connections_per_ip",
        })
    }
}

/// What is known of a source.
#[derive(Clone, Debug)]
struct Room {
    kind: SourceKind,
    upstream: String,
    users: u32,
    users_max: u32,
    users_per_link: u32,
    links: u32,
    links_max: u32,
    subscriptions_max: u32,
    messages_per_minute: u32,
    connects_per_minute: u32,
    is_changed: bool,
    due: Option<Instant>,
}

/// A connection.
#[derive(Clone, Debug)]
struct Link {
    source: usize,
    users: u32,
    /// Its last account has gone, and it is not closed yet: until then it is one of those that the venue counts.
    is_leaving: bool,
    messages: Slice,
    connects: Slice,
    told: (u32, u32),
}

/// Places accounts.
#[derive(Clone, Debug)]
pub struct Placer {
    shard_count: u16,
    rooms: Vec<Room>,
    links: Vec<Vec<Link>>,
    seats: HashMap<Address, Seat>,
}

impl Room {
    fn new(source: &Source, users_per_connection: u32) -> Room {
        let is_provider = source.kind == SourceKind::HyperliquidProvider;
        let share = u64::from(source.subscriptions_per_ip) * SUBSCRIPTIONS_PERCENT / 100;
        Room {
            kind: source.kind,
            upstream: source.ws_url.clone(),
            users: 0,
            users_max: source.users_per_ip,
            users_per_link: match is_provider {
                true => PROVIDER_USERS_PER_CONNECTION,
                false => users_per_connection,
            },
            links: 0,
            // Each must be able to connect, and to say something, once a minute.
            links_max: source
                .connections_per_ip
                .min(source.connects_per_minute)
                .min(source.messages_per_minute),
            // A provider's subscription names many accounts.
            subscriptions_max: match is_provider {
                true => u32::MAX,
                false => u32::try_from(share).expect("a part of a u32"),
            },
            messages_per_minute: source.messages_per_minute,
            connects_per_minute: source.connects_per_minute,
            is_changed: false,
            due: None,
        }
    }

    fn subscriptions(&self) -> u64 {
        u64::from(self.users) * u64::from(SUBSCRIPTIONS_PER_USER)
            + u64::from(self.links) * u64::from(SUBSCRIPTIONS_PER_CONNECTION)
    }

    /// The limit that keeps one more account out; with `new_link`, one on a connection of its own.
    fn limit(&self, new_link: bool) -> Option<Limit> {
        let more = SUBSCRIPTIONS_PER_USER + if new_link { SUBSCRIPTIONS_PER_CONNECTION } else { 0 };
        if self.users >= self.users_max {
            Some(Limit::Users)
        } else if self.kind == SourceKind::HyperliquidNode {
            None
        } else if self.subscriptions() + u64::from(more) > u64::from(self.subscriptions_max) {
            Some(Limit::Subscriptions)
        } else if new_link && self.links >= self.links_max {
            Some(Limit::Connections)
        } else {
            None
        }
    }
}

impl Placer {
    /// Nothing is placed. `users_per_connection` holds for the public WebSocket.
    pub fn new(sources: &[Source], shard_count: u16, users_per_connection: u32) -> Placer {
        Placer {
            shard_count,
            rooms: sources.iter().map(|source| Room::new(source, users_per_connection)).collect(),
            links: vec![Vec::new(); usize::from(shard_count)],
            seats: HashMap::new(),
        }
    }

    /// Finds an account its seat. One that has one keeps it. Without room anywhere: the limit that was met, of the source
    /// that came nearest to having room.
    pub fn place(&mut self, address: Address) -> Result<Seat, Limit> {
        if let Some(seat) = self.seats.get(&address) {
            return Ok(*seat);
        }
        let shard = shard_of(&address, self.shard_count);
        let (source, link) = self.find(shard)?;
        let room = &mut self.rooms[source];
        room.users += 1;
        let link = (room.kind != SourceKind::HyperliquidNode)
            .then(|| link.unwrap_or_else(|| self.open(shard, source)));
        if let Some(at) = link {
            let link = &mut self.links[usize::from(shard.0)][at];
            link.users += 1;
            link.is_leaving = false;
            if link.users == 1 {
                link.messages.is_used = true;
                link.connects.is_used = true;
                self.rooms[source].is_changed = true;
            }
        }
        let seat = Seat { shard, source, link };
        self.seats.insert(address, seat);
        Ok(seat)
    }

    /// The first source that can take an account of this shard, and its connection if one of those that are there can: one
    /// that is about to be closed rather than a new one.
    fn find(&self, shard: ShardId) -> Result<(usize, Option<usize>), Limit> {
        let links = &self.links[usize::from(shard.0)];
        let has_room = |link: &Link| {
            let room = &self.rooms[link.source];
            link.users > 0 && link.users < room.users_per_link && room.limit(false).is_none()
        };
        let joins = |source: usize| {
            let able = links.iter().enumerate().filter(|(_, link)| has_room(link));
            let same = able.filter(|(_, link)| self.is_alike(link.source, source));
            same.min_by_key(|(_, link)| link.users)
        };
        let mut nearest: Option<Limit> = None;
        for (source, room) in self.rooms.iter().enumerate() {
            let joined = joins(source);
            if let Some((at, link)) = joined {
                return Ok((link.source, Some(at)));
            }
            let leaving = links.iter().position(|link| link.source == source && link.is_leaving);
            if leaving.is_some() && room.limit(false).is_none() {
                return Ok((source, leaving));
            }
            match room.limit(true) {
                None => return Ok((source, None)),
                Some(limit) => nearest = nearest.max(Some(limit)),
            }
        }
        Err(nearest.unwrap_or(Limit::Users))
    }

    /// Whether two sources are the same upstream, from different addresses of this host.
    fn is_alike(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.rooms[one], &self.rooms[other]);
        one.kind == other.kind && one.upstream == other.upstream
    }

    /// A connection for the first account on it: one that is not in use, or one more.
    fn open(&mut self, shard: ShardId, source: usize) -> usize {
        self.rooms[source].links += 1;
        let links = &mut self.links[usize::from(shard.0)];
        let is_unused = |link: &Link| link.source == source && link.users == 0 && !link.is_leaving;
        links.iter().position(is_unused).unwrap_or_else(|| {
            let (messages, connects) = (Slice::EMPTY, Slice::EMPTY);
            let (users, is_leaving, told) = (0, false, (0, 0));
            links.push(Link { source, users, is_leaving, messages, connects, told });
            links.len() - 1
        })
    }

    /// Gives an account's seat back. The connection of the last one leaves: it counts until [`Placer::closed`].
    pub fn remove(&mut self, address: &Address) -> Option<Seat> {
        let seat = self.seats.remove(address)?;
        let room = &mut self.rooms[seat.source];
        room.users -= 1;
        if let Some(at) = seat.link {
            let link = &mut self.links[usize::from(seat.shard.0)][at];
            link.users -= 1;
            if link.users == 0 {
                link.messages.is_used = false;
                link.connects.is_used = false;
                link.is_leaving = true;
                room.is_changed = true;
            }
        }
        Some(seat)
    }

    /// Whether nobody needs a connection that is not closed yet.
    pub fn is_leaving(&self, shard: ShardId, link: usize) -> bool {
        self.links[usize::from(shard.0)][link].is_leaving
    }

    /// A connection that was leaving is closed: there is room for another.
    pub fn closed(&mut self, shard: ShardId, link: usize) {
        let link = &mut self.links[usize::from(shard.0)][link];
        if std::mem::take(&mut link.is_leaving) {
            self.rooms[link.source].links -= 1;
        }
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> u16 {
        self.shard_count
    }

    /// The shard of an account.
    pub fn shard_of(&self, address: &Address) -> ShardId {
        shard_of(address, self.shard_count)
    }

    /// An account's seat.
    pub fn seat(&self, address: &Address) -> Option<Seat> {
        self.seats.get(address).copied()
    }

    /// Connections of all sources, those that are about to be closed among them.
    pub fn links(&self) -> u32 {
        self.rooms.iter().map(|room| room.links).sum()
    }

    /// Accounts and connections of a source.
    pub fn occupied(&self, source: usize) -> (u32, u32) {
        (self.rooms[source].users, self.rooms[source].links)
    }

    /// Subscriptions of a source, and how many it may have.
    pub fn subscriptions(&self, source: usize) -> (u32, u32) {
        let room = &self.rooms[source];
        (u32::try_from(room.subscriptions()).unwrap_or(u32::MAX), room.subscriptions_max)
    }

    /// What changed of what connections may do, after accounts came and went or time passed. To be told to the shards in
    /// this order: what is taken comes before what is given.
    pub fn allowances(&mut self, now: Instant) -> Vec<Allowance> {
        let mut changed = Vec::new();
        for (source, room) in self.rooms.iter_mut().enumerate() {
            if !room.is_changed && room.due.is_none_or(|due| due > now) {
                continue;
            }
            room.is_changed = false;
            let messages = self.links.iter_mut().flatten().filter(|link| link.source == source);
            let messages =
                share::cut(room.messages_per_minute, messages.map(|link| &mut link.messages), now);
            let connects = self.links.iter_mut().flatten().filter(|link| link.source == source);
            let connects =
                share::cut(room.connects_per_minute, connects.map(|link| &mut link.connects), now);
            room.due = [messages, connects].into_iter().flatten().min();
            for (shard, links) in self.links.iter_mut().enumerate() {
                let own = links.iter_mut().enumerate().filter(|(_, link)| link.source == source);
                for (at, link) in own {
                    let given = (link.messages.given(), link.connects.given());
                    let before = std::mem::replace(&mut link.told, given);
                    if given != before && link.users > 0 {
                        let less = given.0 <= before.0 && given.1 <= before.1;
                        let allowance = Allowance {
                            shard: ShardId(shard as u16),
                            link: at,
                            messages_per_minute: given.0,
                            connects_per_minute: given.1,
                        };
                        changed.push((!less, allowance));
                    }
                }
            }
        }
        changed.sort_by_key(|(is_more, _)| *is_more);
        changed.into_iter().map(|(_, allowance)| allowance).collect()
    }

    /// When [`Placer::allowances`] has more to say if nothing else changes.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.rooms.iter().filter_map(|room| room.due).min()
    }
}

#[cfg(test)]
mod tests;
