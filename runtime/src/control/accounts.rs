//! The accounts that a node follows: where each has its seat, how far it is, and what shards must be told.
//!
//! Pure: what happened and when comes in, orders come out. Which accounts are wanted is not decided here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use shards::{Address, ShardId, StartFrom};

use crate::placement::{Limit, Placer, Seat};
use crate::shard::message::Command;

/// How far an account is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// No source has room.
    Uncovered(Limit),
    /// It has a seat; its subscriptions are still to be acknowledged, since then.
    Subscribing(Instant),
    /// Its subscriptions are acknowledged, its snapshot is still to come, since then.
    Acknowledged(Instant),
    /// It is followed, since then.
    Followed(Instant),
}

/// What somebody must be told.
#[derive(Debug)]
pub(super) enum Order {
    /// A shard.
    Shard(ShardId, Command),
    /// The feeder of a source: bring this account to this shard.
    Follow { source: usize, shard: ShardId, address: Address, ticket: u64 },
    /// The feeder of a source: bring this account no longer.
    Unfollow(usize, Address),
    /// The feeder of a source: all accounts of the start have been given.
    Begin(usize),
}

/// How many accounts are how far, those that leave among them.
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Census {
    wanted: usize,
    followed: usize,
    /// Accounts that no source has room for.
    uncovered: usize,
}

/// An account that has a seat.
struct Seated {
    stage: Stage,
    /// Of the watch that its shard was ordered: what is said of an earlier one does not count.
    ticket: u64,
}

/// The accounts, their seats, and the orders that follow.
pub(super) struct Accounts {
    placer: Placer,
    start: StartFrom,
    seated: HashMap<Address, Seated>,
    /// Watches ordered so far.
    tickets: u64,
    /// By shard, in the order of their addresses, so that who gets a free seat is no accident.
    uncovered: Vec<BTreeMap<Address, Limit>>,
    /// Connections that nobody needs and that are not closed yet, with the ticket of the order to say when they are.
    leaving: BTreeMap<(ShardId, usize), u64>,
    orders: VecDeque<Order>,
    /// Sources whose feeders bring nothing of now, since when.
    unwell: BTreeMap<usize, Instant>,
    /// Accounts whose shards have not yet said that they watch them, by the source that has a feeder.
    unwatched: BTreeSet<(usize, Address)>,
    /// Sources whose feeders have not begun.
    resting: Vec<usize>,
}

impl Accounts {
    /// Nobody is wanted yet. `fed` are the sources that have a feeder.
    pub(super) fn new(placer: Placer, start: StartFrom, fed: Vec<usize>) -> Accounts {
        Accounts {
            start,
            seated: HashMap::new(),
            tickets: 0,
            uncovered: vec![BTreeMap::new(); usize::from(placer.shard_count())],
            leaving: BTreeMap::new(),
            orders: VecDeque::new(),
            unwell: BTreeMap::new(),
            unwatched: BTreeSet::new(),
            resting: fed,
            placer,
        }
    }

    /// An account is wanted. Without room for it, the limit that was met; it gets the next seat that becomes free.
    pub(super) fn want(&mut self, address: Address, now: Instant) -> Result<Seat, Limit> {
        if let Some(seat) = self.placer.seat(&address) {
            return Ok(seat);
        }
        let seat = self.placer.place(address).inspect_err(|limit| {
            let shard = usize::from(self.placer.shard_of(&address).0);
            self.uncovered[shard].insert(address, *limit);
        })?;
        self.uncovered[usize::from(seat.shard.0)].remove(&address);
        self.tickets += 1;
        let ticket = self.tickets;
        self.seated.insert(address, Seated { stage: Stage::Subscribing(now), ticket });
        let Seat { shard, source, link } = seat;
        match link {
            None => drop(self.unwatched.insert((source, address))),
            Some(link) => drop(self.leaving.remove(&(shard, link))),
        }
        let watch = Command::Watch { address, source, link, start: self.start, ticket };
        self.orders.push_back(Order::Shard(shard, watch));
        Ok(seat)
    }

    /// An account is wanted no longer. Those that get its seat.
    pub(super) fn release(&mut self, address: &Address, now: Instant) -> Vec<Address> {
        self.uncovered[usize::from(self.placer.shard_of(address).0)].remove(address);
        let Some(seat) = self.placer.remove(address) else { return Vec::new() };
        self.seated.remove(address);
        if seat.link.is_none() {
            self.unwatched.remove(&(seat.source, *address));
            self.orders.push_back(Order::Unfollow(seat.source, *address));
        }
        self.orders.push_back(Order::Shard(seat.shard, Command::Unwatch(*address)));
        let seated = self.seat_uncovered(now);
        if let Some(link) = seat.link
            && self.placer.is_leaving(seat.shard, link)
        {
            self.tickets += 1;
            self.leaving.insert((seat.shard, link), self.tickets);
            let leave = Command::Leave { link, ticket: self.tickets };
            self.orders.push_back(Order::Shard(seat.shard, leave));
        }
        seated
    }

    /// A connection that nobody needs is closed. Those that get the room.
    pub(super) fn left(
        &mut self,
        shard: ShardId,
        link: usize,
        ticket: u64,
        now: Instant,
    ) -> Vec<Address> {
        if self.leaving.get(&(shard, link)) != Some(&ticket) {
            // It has accounts again.
            return Vec::new();
        }
        self.leaving.remove(&(shard, link));
        self.placer.closed(shard, link);
        self.seat_uncovered(now)
    }

    /// Seats those that have none, as far as there is room. Where one account of a shard finds none the others of that
    /// shard find none.
    fn seat_uncovered(&mut self, now: Instant) -> Vec<Address> {
        let mut seated = Vec::new();
        let mut full = vec![false; self.uncovered.len()];
        loop {
            let lists = self.uncovered.iter().zip(&full).enumerate();
            let first = lists
                .filter(|(_, (_, full))| !**full)
                .filter_map(|(shard, (list, _))| Some((*list.first_key_value()?.0, shard)))
                .min();
            let Some((address, shard)) = first else { return seated };
            match self.want(address, now) {
                Ok(_) => seated.push(address),
                Err(_) => full[shard] = true,
            }
        }
    }

    /// A shard watches an account that a feeder is to bring.
    pub(super) fn watched(&mut self, address: Address, ticket: u64) {
        if self.seated(&address, ticket).is_some()
            && let Some(Seat { shard, source, link: None }) = self.placer.seat(&address)
        {
            self.unwatched.remove(&(source, address));
            self.orders.push_back(Order::Follow { source, shard, address, ticket });
        }
    }

    /// An account, if this is the ticket of its watch.
    fn seated(&mut self, address: &Address, ticket: u64) -> Option<&mut Seated> {
        self.seated.get_mut(address).filter(|seated| seated.ticket == ticket)
    }

    /// A shard does not watch an account yet for want of space: its feeder does not wait for that. Whether it is wanted still.
    pub(super) fn refused(&mut self, address: &Address, ticket: u64) -> bool {
        let is_wanted = self.seated(address, ticket).is_some();
        if is_wanted && let Some(seat) = self.placer.seat(address) {
            self.unwatched.remove(&(seat.source, *address));
        }
        is_wanted
    }

    /// The subscription to an account's fills is acknowledged.
    pub(super) fn acknowledged(&mut self, address: &Address, ticket: u64, now: Instant) {
        if let Some(Seated { stage: stage @ Stage::Subscribing(_), .. }) =
            self.seated(address, ticket)
        {
            *stage = Stage::Acknowledged(now);
        }
    }

    /// An account is followed from now on. Whether that is so: it may have been let go since.
    pub(super) fn followed(&mut self, address: &Address, ticket: u64, now: Instant) -> bool {
        let Some(seated) = self.seated(address, ticket) else { return false };
        if !matches!(seated.stage, Stage::Followed(_)) {
            seated.stage = Stage::Followed(now);
        }
        true
    }

    /// A connection is lost: its accounts are not followed until their snapshots have come again.
    pub(super) fn lost(&mut self, shard: ShardId, link: usize, now: Instant) {
        for (address, Seated { stage, .. }) in &mut self.seated {
            let seat = self.placer.seat(address);
            let is_on_it = seat.is_some_and(|s| (s.shard, s.link) == (shard, Some(link)));
            if is_on_it && !matches!(stage, Stage::Subscribing(_)) {
                *stage = Stage::Subscribing(now);
            }
        }
    }

    /// A feeder brings nothing of now, or does again: its accounts are not followed meanwhile.
    pub(super) fn feed_is_well(&mut self, source: usize, is_well: bool, now: Instant) {
        if !is_well {
            self.unwell.insert(source, now);
        } else if self.unwell.remove(&source).is_some() {
            for (address, Seated { stage, .. }) in &mut self.seated {
                let is_of_it = self.placer.seat(address).is_some_and(|seat| seat.source == source);
                if let (true, Stage::Followed(since)) = (is_of_it, stage) {
                    *since = now;
                }
            }
        }
    }

    /// What connections may do may have changed.
    pub(super) fn turn(&mut self, now: Instant) {
        for allowance in self.placer.allowances(now) {
            let command = Command::Allow {
                link: allowance.link,
                messages_per_minute: allowance.messages_per_minute,
                connects_per_minute: allowance.connects_per_minute,
            };
            self.orders.push_back(Order::Shard(allowance.shard, command));
        }
        let unwatched = &self.unwatched;
        let orders = &mut self.orders;
        self.resting.retain(|source| {
            let waits = unwatched.range((*source, Address::default())..).next();
            let waits = waits.is_some_and(|(other, _)| other == source);
            if !waits {
                orders.push_back(Order::Begin(*source));
            }
            waits
        });
    }

    /// Connections that are needed.
    pub(super) fn links(&self) -> u32 {
        self.placer.links()
    }

    /// Accounts that are wanted, and those of them for which no source has room.
    pub(super) fn wanted(&self) -> (usize, usize) {
        let uncovered = self.uncovered.iter().map(BTreeMap::len).sum();
        (self.seated.len() + uncovered, uncovered)
    }

    /// The next order.
    pub(super) fn order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Nothing more is begun.
    pub(super) fn drop_orders(&mut self) {
        self.orders.clear();
    }

    /// Where an account has its seat.
    pub(super) fn seat(&self, address: &Address) -> Option<Seat> {
        self.placer.seat(address)
    }

    /// How far an account is; `None` if nobody wants it.
    pub(super) fn stage(&self, address: &Address) -> Option<Stage> {
        let list = &self.uncovered[usize::from(self.placer.shard_of(address).0)];
        let uncovered = || list.get(address).map(|limit| Stage::Uncovered(*limit));
        let seated = self.seated.get(address).map(|seated| match seated.stage {
            Stage::Followed(_) => {
                self.unwell_since(address).map_or(seated.stage, Stage::Subscribing)
            }
            stage => stage,
        });
        seated.or_else(uncovered)
    }

    /// Since when the feeder of an account brings nothing of now.
    fn unwell_since(&self, address: &Address) -> Option<Instant> {
        if self.unwell.is_empty() {
            return None;
        }
        self.unwell.get(&self.placer.seat(address)?.source).copied()
    }

    /// Accounts that are followed now, those that leave among them.
    pub(super) fn followed_now(&self) -> usize {
        let is_followed = |(address, seated): &(&Address, &Seated)| {
            matches!(seated.stage, Stage::Followed(_)) && self.unwell_since(address).is_none()
        };
        self.seated.iter().filter(is_followed).count()
    }

    #[cfg(test)]
    pub(super) fn census(&self) -> Census {
        let (wanted, uncovered) = self.wanted();
        Census { wanted, followed: self.followed_now(), uncovered }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Config, Source, SourceKind};

    fn accounts(users: u32, kind: SourceKind) -> Accounts {
        let mut source: Source = Config::default().sources.remove(0);
        (source.users_per_ip, source.kind) = (users, kind);
        let fed = if kind == SourceKind::HyperliquidNode { vec![0] } else { Vec::new() };
        Accounts::new(Placer::new(&[source], 1, 100), StartFrom::Now, fed)
    }

    fn address(last: u8) -> Address {
        Address([last; 20])
    }

    fn orders(accounts: &mut Accounts) -> Vec<String> {
        std::iter::from_fn(|| accounts.order())
            .map(|order| match order {
                Order::Shard(_, Command::Watch { address, .. }) => {
                    format!("watch {}", address.0[0])
                }
                Order::Shard(_, Command::Unwatch(address)) => format!("unwatch {}", address.0[0]),
                Order::Shard(_, Command::Allow { link, messages_per_minute, .. }) => {
                    format!("allow {link} {messages_per_minute}")
                }
                Order::Shard(_, Command::Leave { link, ticket }) => {
                    format!("leave {link} {ticket}")
                }
                Order::Follow { address, .. } => format!("follow {}", address.0[0]),
                Order::Unfollow(_, address) => format!("unfollow {}", address.0[0]),
                Order::Begin(source) => format!("begin {source}"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn an_account_without_a_seat_is_told_and_gets_the_next_free_one() {
        let mut accounts = accounts(2, SourceKind::HyperliquidWs);
        let now = Instant::now();
        assert!(accounts.want(address(1), now).is_ok());
        assert!(accounts.want(address(2), now).is_ok());
        assert_eq!(accounts.want(address(4), now), Err(Limit::Users));
        assert_eq!(accounts.want(address(3), now), Err(Limit::Users));
        accounts.turn(now);
        assert_eq!(orders(&mut accounts), ["watch 1", "watch 2", "allow 0 1500"]);
        assert_eq!(accounts.stage(&address(3)), Some(Stage::Uncovered(Limit::Users)));
        assert_eq!(accounts.census(), Census { wanted: 4, followed: 0, uncovered: 2 });
        assert_eq!(accounts.release(&address(2), now), [address(3)]);
        assert_eq!(orders(&mut accounts), ["unwatch 2", "watch 3"]);
        assert_eq!(accounts.release(&address(4), now), []);
        assert_eq!(accounts.census(), Census { wanted: 2, followed: 0, uncovered: 0 });
        assert_eq!(accounts.stage(&address(4)), None);
    }

    #[test]
    fn only_what_is_followed_counts_as_followed() {
        let mut accounts = accounts(5, SourceKind::HyperliquidWs);
        let now = Instant::now();
        accounts.followed(&address(9), 1, now);
        accounts.acknowledged(&address(9), 1, now);
        for n in 1..=3 {
            accounts.want(address(n), now).expect("room");
            accounts.acknowledged(&address(n), u64::from(n), now);
        }
        assert_eq!(accounts.stage(&address(3)), Some(Stage::Acknowledged(now)));
        for n in [1, 2, 2] {
            accounts.followed(&address(n), u64::from(n), now);
        }
        assert_eq!(accounts.census().followed, 2);
        accounts.lost(ShardId(0), 7, now);
        assert_eq!(accounts.census().followed, 2, "another connection");
        accounts.release(&address(1), now);
        assert_eq!(accounts.census().followed, 1);
        accounts.lost(ShardId(0), 0, now);
        assert_eq!(accounts.census(), Census { wanted: 2, followed: 0, uncovered: 0 });
        for n in 2..=3 {
            assert_eq!(accounts.stage(&address(n)), Some(Stage::Subscribing(now)));
        }
    }

    #[test]
    fn a_feeder_is_asked_when_the_shard_watches() {
        let mut accounts = accounts(5, SourceKind::HyperliquidNode);
        let now = Instant::now();
        accounts.want(address(1), now).expect("room");
        accounts.want(address(3), now).expect("room");
        accounts.turn(now);
        assert_eq!(orders(&mut accounts), ["watch 1", "watch 3"]);
        accounts.watched(address(1), 1);
        accounts.watched(address(2), 2);
        accounts.turn(now);
        assert_eq!(orders(&mut accounts), ["follow 1"]);
        assert!(!accounts.refused(&address(3), 1));
        assert!(accounts.refused(&address(3), 2));
        accounts.turn(now);
        accounts.turn(now);
        assert_eq!(orders(&mut accounts), ["begin 0"]);
        accounts.release(&address(1), now);
        assert_eq!(orders(&mut accounts), ["unfollow 1", "unwatch 1"]);
    }

    /// Accounts of each of two shards, in the order of their addresses.
    fn of_two_shards() -> [Vec<Address>; 2] {
        [0, 1].map(|shard| {
            let is_of = |a: &Address| shards::shard_of(a, 2) == ShardId(shard);
            (0..=255).map(address).filter(is_of).collect()
        })
    }

    #[test]
    fn a_connection_gives_its_room_when_it_is_closed_to_as_many_as_fit() {
        let mut source: Source = Config::default().sources.remove(0);
        (source.users_per_ip, source.connections_per_ip) = (99, 1);
        let placer = Placer::new(&[source], 2, 3);
        let mut accounts = Accounts::new(placer, StartFrom::Now, Vec::new());
        let now = Instant::now();
        let [left, right] = of_two_shards();
        accounts.want(left[0], now).expect("room");
        for n in (0..5).rev() {
            assert_eq!(accounts.want(right[n], now), Err(Limit::Connections));
        }
        assert_eq!(accounts.release(&left[0], now), [], "it is open until the shard says else");
        orders(&mut accounts).retain(|order| order.starts_with("leave"));
        assert_eq!(accounts.links(), 1);
        // It has an account again before it is closed, and none once more: the first end does not count.
        accounts.want(left[1], now).expect("its own shard takes it as it is");
        accounts.release(&left[1], now);
        assert_eq!(orders(&mut accounts).last().map(String::as_str), Some("leave 0 4"));
        assert_eq!(accounts.left(ShardId(0), 0, 2, now), []);
        assert_eq!(accounts.left(ShardId(0), 0, 4, now), right[..3]);
        assert_eq!(accounts.left(ShardId(0), 0, 4, now), []);
        assert_eq!((accounts.wanted(), accounts.links()), ((5, 2), 1));
    }

    #[test]
    fn what_a_feeder_brings_is_not_followed_while_that_is_not_of_now() {
        let start = Instant::now();
        let mut node = accounts(5, SourceKind::HyperliquidNode);
        for n in 1..=2 {
            node.want(address(n), start).expect("room");
        }
        assert!(node.followed(&address(1), 1, start));
        let [asleep, awake] = [10, 20].map(|seconds| start + Duration::from_secs(seconds));
        node.feed_is_well(7, false, asleep);
        assert_eq!(node.stage(&address(1)), Some(Stage::Followed(start)), "of another source");
        node.feed_is_well(0, false, asleep);
        assert_eq!(node.stage(&address(1)), Some(Stage::Subscribing(asleep)));
        assert_eq!(node.stage(&address(2)), Some(Stage::Subscribing(start)));
        // A join that comes meanwhile does not make it so.
        assert!(node.followed(&address(2), 2, asleep));
        assert_eq!(node.census().followed, 0);
        node.feed_is_well(0, true, awake);
        for n in 1..=2 {
            assert_eq!(node.stage(&address(n)), Some(Stage::Followed(awake)));
        }
        assert_eq!(node.census().followed, 2);
    }

    #[test]
    fn what_is_said_of_an_earlier_watch_does_not_count_for_a_later_one() {
        let now = Instant::now();
        let mut node = accounts(5, SourceKind::HyperliquidNode);
        node.want(address(1), now).expect("room");
        // Let go and wanted again before the shard answers the first watch.
        node.release(&address(1), now);
        node.want(address(1), now).expect("room");
        node.turn(now);
        assert_eq!(orders(&mut node), ["watch 1", "unfollow 1", "unwatch 1", "watch 1"]);
        node.watched(address(1), 1);
        node.turn(now);
        assert_eq!(orders(&mut node), [""; 0], "the answer to the second watch is still to come");
        node.watched(address(1), 2);
        node.turn(now);
        assert_eq!(orders(&mut node), ["follow 1", "begin 0"]);
    }

    #[test]
    fn followed_of_an_earlier_seat_does_not_make_the_later_one_followed() {
        let now = Instant::now();
        let mut ws = accounts(5, SourceKind::HyperliquidWs);
        ws.want(address(1), now).expect("room");
        ws.release(&address(1), now);
        ws.want(address(1), now).expect("room");
        // Under way since before the release.
        ws.acknowledged(&address(1), 1, now);
        assert!(!ws.followed(&address(1), 1, now));
        assert_eq!(ws.stage(&address(1)), Some(Stage::Subscribing(now)));
        // The second order in between was for the connection.
        assert!(ws.followed(&address(1), 3, now));
        assert_eq!(ws.stage(&address(1)), Some(Stage::Followed(now)));
    }
}
