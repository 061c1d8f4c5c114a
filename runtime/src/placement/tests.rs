//! What the placer promises.

use std::time::Duration;

use super::*;
use crate::config::Config;
use proptest::prelude::*;

fn address(n: u32) -> Address {
    let mut bytes = [7; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    Address(bytes)
}

/// Addresses of one shard.
fn of_shard(shard: u16, shard_count: u16) -> impl Iterator<Item = Address> {
    (0..).map(address).filter(move |a| shard_of(a, shard_count) == ShardId(shard))
}

fn source(change: impl FnOnce(&mut Source)) -> Source {
    let mut source = Config::default().sources.remove(0);
    change(&mut source);
    source
}

fn roomy() -> Source {
    source(|s| s.users_per_ip = 200)
}

#[test]
fn the_connection_with_the_fewest_accounts_is_taken_before_a_new_one() {
    let mut placer = Placer::new(&[roomy()], 1, 3);
    let all: Vec<Address> = of_shard(0, 1).take(9).collect();
    let links: Vec<_> = all.iter().map(|a| placer.place(*a).expect("room").link).collect();
    assert_eq!(links, [0, 0, 0, 1, 1, 1, 2, 2, 2].map(Some));
    for gone in [&all[0], &all[3], &all[4]] {
        placer.remove(gone);
    }
    let again: Vec<_> = of_shard(0, 1).skip(20).take(4).collect();
    let links: Vec<_> = again.iter().map(|a| placer.place(*a).expect("room").link).collect();
    assert_eq!(links, [1, 0, 1, 3].map(Some));
}

#[test]
fn an_account_that_has_a_seat_keeps_it() {
    let mut placer = Placer::new(&[roomy()], 2, 10);
    let seat = placer.place(address(1));
    assert_eq!(placer.place(address(1)), seat);
    assert_eq!(placer.occupied(0), (1, 1));
    assert_eq!(placer.remove(&address(2)), None);
}

#[test]
fn another_address_of_this_host_is_joined_before_a_connection_is_opened() {
    let one = source(|s| s.users_per_ip = 2);
    let two = source(|s| s.local_addr = Some([10, 0, 0, 2].into()));
    let mut placer = Placer::new(&[one, two], 2, 10);
    let (mut left, mut right) = (of_shard(0, 2), of_shard(1, 2));
    let mut place = |a: Option<Address>| {
        let seat = placer.place(a.expect("there is another")).expect("room");
        (seat.source, seat.link)
    };
    assert_eq!(place(left.next()), (0, Some(0)));
    assert_eq!(place(left.next()), (0, Some(0)));
    assert_eq!(place(left.next()), (1, Some(1)));
    assert_eq!(place(right.next()), (1, Some(0)));
    let gone = of_shard(0, 2).next().expect("the first");
    placer.remove(&gone);
    let seat = placer.place(right.next().expect("another")).expect("room");
    assert_eq!((seat.source, seat.link), (1, Some(0)), "it has a connection there already");
}

#[test]
fn over_the_limit_is_an_error() {
    let check = |change: fn(&mut Source), users: usize, limit| {
        let mut placer = Placer::new(&[source(change)], 1, 5);
        let mut all = of_shard(0, 1);
        for _ in 0..users {
            placer.place(all.next().expect("another")).expect("room");
        }
        assert_eq!(placer.place(all.next().expect("another")), Err(limit));
    };
    check(|_| {}, 10, Limit::Users);
    check(|s| (s.users_per_ip, s.connections_per_ip) = (99, 2), 10, Limit::Connections);
    check(|s| (s.users_per_ip, s.subscriptions_per_ip) = (99, 40), 5, Limit::Subscriptions);
    check(|s| (s.users_per_ip, s.connects_per_minute) = (99, 1), 5, Limit::Connections);
    assert_eq!(Placer::new(&[], 1, 5).place(address(0)), Err(Limit::Users));
}

#[test]
fn a_connection_number_is_used_again_for_the_same_source_only() {
    let other = source(|s| s.ws_url = "wss://other/ws".to_owned());
    let mut placer = Placer::new(&[source(|s| s.users_per_ip = 1), other], 1, 10);
    let all: Vec<Address> = of_shard(0, 1).take(4).collect();
    let link = |seat: Result<Seat, Limit>| seat.expect("room").link;
    assert_eq!(link(placer.place(all[0])), Some(0));
    assert_eq!(link(placer.place(all[1])), Some(1));
    placer.remove(&all[1]);
    placer.remove(&all[0]);
    assert_eq!(placer.occupied(0), (0, 1), "it is not closed yet");
    placer.closed(ShardId(0), 0);
    placer.closed(ShardId(0), 0);
    assert_eq!(placer.occupied(0), (0, 0));
    assert_eq!(link(placer.place(all[2])), Some(0));
    assert_eq!(link(placer.place(all[3])), Some(1));
}

#[test]
fn a_connection_is_free_for_another_shard_when_it_is_closed() {
    let mut placer = Placer::new(&[source(|s| s.connections_per_ip = 1)], 2, 10);
    let (mut left, mut right) = (of_shard(0, 2), of_shard(1, 2));
    let [first, second] = [left.next().expect("one"), left.next().expect("two")];
    let other = right.next().expect("three");
    placer.place(first).expect("room");
    placer.remove(&first);
    assert!(placer.is_leaving(ShardId(0), 0));
    assert_eq!(placer.place(other), Err(Limit::Connections));
    // Its own shard takes it as it is.
    assert_eq!(placer.place(second).expect("room").link, Some(0));
    assert!(!placer.is_leaving(ShardId(0), 0));
    placer.closed(ShardId(0), 0);
    assert_eq!(placer.occupied(0), (1, 1), "that was not its end");
    placer.remove(&second);
    placer.closed(ShardId(0), 0);
    assert_eq!(placer.place(other).expect("room").shard, ShardId(1));
}

#[test]
fn what_is_taken_is_told_before_what_is_given() {
    let start = Instant::now();
    let mut placer = Placer::new(&[roomy()], 1, 1);
    let mut all = of_shard(0, 1);
    placer.place(all.next().expect("one")).expect("room");
    let first = placer.allowances(start);
    assert_eq!(
        (first.len(), first[0].messages_per_minute, first[0].connects_per_minute),
        (1, 1500, 23)
    );
    assert!(placer.allowances(start).is_empty(), "nothing changed");
    placer.place(all.next().expect("two")).expect("room");
    let told = placer.allowances(start);
    let brief = |a: &Allowance| (a.link, a.messages_per_minute, a.connects_per_minute);
    assert_eq!(told.iter().map(brief).collect::<Vec<_>>(), [(0, 750, 11), (1, 500, 7)]);
    let due = placer.next_deadline().expect("the rest comes");
    assert_eq!(due, start + Duration::from_secs(60));
    let told = placer.allowances(due);
    assert_eq!(told.iter().map(brief).collect::<Vec<_>>(), [(1, 750, 11)]);
    assert_eq!(placer.next_deadline(), None);
}

proptest! {
    /// Whatever comes and goes: no source is over its limits, each connection has what was placed on it, and whoever is
    /// refused would have fit nowhere.
    #[test]
    fn no_limit_is_ever_passed(
        shards in 1u16..9,
        users in 1u32..40,
        connections in 1u32..6,
        per_link in 1u32..12,
        steps in prop::collection::vec((0u32..300, any::<bool>(), any::<bool>()), 1..400),
    ) {
        let sources: Vec<Source> = (1..4)
            .map(|n| source(|s| {
                s.users_per_ip = users;
                s.connections_per_ip = connections;
                s.local_addr = Some([10, 0, 0, n].into());
            }))
            .collect();
        let mut placer = Placer::new(&sources, shards, per_link);
        let mut seats: HashMap<Address, Seat> = HashMap::new();
        let mut leaving: HashMap<(ShardId, usize), usize> = HashMap::new();
        for (n, comes, closes) in steps {
            let address = address(n);
            if comes {
                if let Ok(seat) = placer.place(address) {
                    prop_assert_eq!(seat.shard, shard_of(&address, shards));
                    seats.insert(address, seat);
                    leaving.remove(&(seat.shard, seat.link.expect("all have connections")));
                } else {
                    prop_assert!(!seats.contains_key(&address));
                }
            } else {
                let seat = placer.remove(&address);
                prop_assert_eq!(seat, seats.remove(&address));
                if let Some(Seat { shard, source, link: Some(link) }) = seat
                    && placer.is_leaving(shard, link)
                {
                    leaving.insert((shard, link), source);
                }
            }
            if let Some(&(shard, link)) = leaving.keys().min().filter(|_| closes) {
                placer.closed(shard, link);
                leaving.remove(&(shard, link));
            }
            for (at, source) in sources.iter().enumerate() {
                let of_source: Vec<&Seat> = seats.values().filter(|s| s.source == at).collect();
                prop_assert!(of_source.len() as u32 <= source.users_per_ip);
                let mut by_link: HashMap<(ShardId, Option<usize>), u32> = HashMap::new();
                of_source.iter().for_each(|s| *by_link.entry((s.shard, s.link)).or_default() += 1);
                let links = by_link.len() + leaving.values().filter(|of| **of == at).count();
                prop_assert!(links as u32 <= source.connections_per_ip);
                prop_assert!(by_link.values().all(|count| *count <= per_link));
                prop_assert_eq!(placer.occupied(at), (of_source.len() as u32, links as u32));
            }
        }
    }
}
