//! The roster, by hand and against a model that looks at everything each time.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use shards::Address;

use super::{Change, Origin, Removal, Roster, Standing};

const GRACE: Duration = Duration::from_secs(300);

fn account(number: u16) -> Address {
    let mut bytes = [0; 20];
    bytes[18..].copy_from_slice(&number.to_be_bytes());
    Address(bytes)
}

fn polled(roster: &mut Roster, now: Instant) -> Vec<Change> {
    std::iter::from_fn(|| roster.poll(now)).collect()
}

#[test]
fn an_account_stays_while_one_origin_names_it_and_leaves_after_the_grace() {
    let start = Instant::now();
    let mut roster = Roster::new(GRACE);
    let (one, two) = (account(1), account(2));
    roster.offer(Origin::Configuration, &[two, one], start);
    roster.offer(Origin::File, &[one], start);
    assert_eq!(polled(&mut roster, start), [Change::Add(two), Change::Add(one)]);
    roster.offer(Origin::Configuration, &[], start);
    assert_eq!(polled(&mut roster, start), []);
    assert_eq!(roster.next_deadline(), Some(start + GRACE));
    assert_eq!(roster.get(&one).map(|(origins, _)| origins.to_string()), Some("file".into()));
    assert_eq!(polled(&mut roster, start + GRACE - Duration::from_millis(1)), []);
    assert_eq!(polled(&mut roster, start + GRACE), [Change::Remove(two)]);
    assert_eq!((roster.len(), roster.next_deadline()), (1, None));
}

#[test]
fn coming_back_cancels_the_leaving_whichever_origin_it_is() {
    let start = Instant::now();
    let mut roster = Roster::new(GRACE);
    roster.offer(Origin::File, &[account(1)], start);
    polled(&mut roster, start);
    roster.offer(Origin::File, &[], start);
    roster.offer(Origin::Database, &[account(1)], start + GRACE);
    assert!(!roster.is_complete(), "the configuration said nothing yet");
    roster.offer(Origin::Configuration, &[], start + GRACE);
    assert!(roster.is_complete());
    assert_eq!(polled(&mut roster, start + GRACE * 9), []);
    let (origins, standing) = roster.get(&account(1)).expect("it is wanted");
    assert_eq!((origins.to_string().as_str(), standing), ("database", Standing::Wanted));
}

#[test]
fn a_move_from_one_origin_to_another_is_nothing_even_without_a_grace() {
    let start = Instant::now();
    let mut roster = Roster::new(Duration::ZERO);
    roster.offer(Origin::File, &[account(1)], start);
    polled(&mut roster, start);
    roster.offer(Origin::File, &[], start);
    roster.offer(Origin::Database, &[account(1)], start);
    assert_eq!(polled(&mut roster, start), []);
}

#[test]
fn who_leaves_goes_before_who_comes() {
    let start = Instant::now();
    let mut roster = Roster::new(Duration::ZERO);
    roster.offer(Origin::Database, &[account(1)], start);
    polled(&mut roster, start);
    roster.offer(Origin::Database, &[account(2)], start);
    assert_eq!(polled(&mut roster, start), [Change::Remove(account(1)), Change::Add(account(2))]);
}

#[test]
fn an_account_can_be_let_go_at_once_but_not_against_an_origin() {
    let start = Instant::now();
    let mut roster = Roster::new(GRACE);
    roster.offer(Origin::Configuration, &[account(1)], start);
    polled(&mut roster, start);
    assert_eq!(roster.remove_now(&account(2)), Removal::Unknown);
    let Removal::Wanted(origins) = roster.remove_now(&account(1)) else { panic!("it is wanted") };
    assert!(origins.has(Origin::Configuration) && !origins.has(Origin::File));
    roster.offer(Origin::Configuration, &[], start);
    assert_eq!(roster.remove_now(&account(1)), Removal::Leaves);
    // It comes back before control was told: it leaves and comes, in this order.
    roster.offer(Origin::File, &[account(1)], start);
    assert_eq!(polled(&mut roster, start), [Change::Remove(account(1)), Change::Add(account(1))]);
}

#[test]
fn a_shorter_grace_counts_for_those_who_are_leaving() {
    let start = Instant::now();
    let mut roster = Roster::new(GRACE);
    roster.offer(Origin::File, &[account(1)], start);
    polled(&mut roster, start);
    roster.offer(Origin::File, &[], start);
    roster.set_grace(Duration::from_secs(1));
    assert_eq!(roster.next_deadline(), Some(start + Duration::from_secs(1)));
    assert_eq!(polled(&mut roster, start + Duration::from_secs(1)), [Change::Remove(account(1))]);
}

/// The roster as it is defined: every answer is found by looking at all lists.
#[derive(Default)]
struct Naive {
    grace: Duration,
    lists: [Vec<Address>; 3],
    /// Those of whom control was told.
    told: Vec<Address>,
    /// Those who came and of whom control was not told.
    news: Vec<Address>,
    left: Vec<(Instant, Address)>,
    removed: Vec<Address>,
}

impl Naive {
    fn is_wanted(&self, address: &Address) -> bool {
        self.lists.iter().any(|list| list.contains(address))
    }

    fn offer(&mut self, origin: Origin, list: &[Address], now: Instant) {
        self.lists[origin as usize] = list.to_vec();
        let lists = self.lists.clone();
        let wanted = |address: &Address| lists.iter().any(|list| list.contains(address));
        self.left.retain(|(_, address)| !wanted(address));
        for address in &self.told {
            if !wanted(address) && !self.left.iter().any(|(_, left)| left == address) {
                self.left.push((now, *address));
            }
        }
        self.left.sort();
        self.news.retain(wanted);
        for address in list {
            if !self.told.contains(address) && !self.news.contains(address) {
                self.news.push(*address);
            }
        }
    }

    fn remove_now(&mut self, address: &Address) -> bool {
        let leaves = !self.is_wanted(address) && self.told.contains(address);
        if leaves {
            self.told.retain(|told| told != address);
            self.left.retain(|(_, left)| left != address);
            self.removed.push(*address);
        }
        leaves
    }

    fn polled(&mut self, now: Instant) -> Vec<Change> {
        let mut changes: Vec<Change> = self.removed.drain(..).map(Change::Remove).collect();
        let (grace, told) = (self.grace, &mut self.told);
        self.left.retain(|(at, address)| {
            let is_over = *at + grace <= now;
            if is_over {
                told.retain(|told| told != address);
                changes.push(Change::Remove(*address));
            }
            !is_over
        });
        changes.extend(self.news.iter().copied().map(Change::Add));
        self.told.append(&mut self.news);
        changes
    }
}

#[derive(Clone, Debug)]
enum Step {
    Offer(usize, Vec<u16>),
    Wait(u64),
    Poll,
    Now(u16),
    Grace(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, prop::collection::vec(0..12u16, 0..8)).prop_map(|(o, l)| Step::Offer(o, l)),
        2 => (0..8u64).prop_map(Step::Wait),
        3 => Just(Step::Poll),
        2 => (0..12u16).prop_map(Step::Now),
        1 => (0..6u64).prop_map(Step::Grace),
    ]
}

proptest! {
    #[test]
    fn the_roster_does_what_its_definition_does(steps in prop::collection::vec(step(), 0..60)) {
        let mut now = Instant::now();
        let (mut roster, mut naive) = (Roster::new(Duration::ZERO), Naive::default());
        for step in steps {
            match step {
                Step::Offer(origin, list) => {
                    let list: Vec<Address> = list.into_iter().map(account).collect();
                    roster.offer(Origin::ALL[origin], &list, now);
                    naive.offer(Origin::ALL[origin], &list, now);
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Poll => prop_assert_eq!(polled(&mut roster, now), naive.polled(now)),
                Step::Now(number) => {
                    let leaves = roster.remove_now(&account(number)) == Removal::Leaves;
                    prop_assert_eq!(leaves, naive.remove_now(&account(number)));
                }
                Step::Grace(seconds) => {
                    roster.set_grace(Duration::from_secs(seconds));
                    naive.grace = Duration::from_secs(seconds);
                }
            }
            for (address, origins, standing) in roster.iter() {
                prop_assert_eq!(naive.is_wanted(&address), !origins.is_empty());
                prop_assert_eq!(standing == Standing::Wanted, !origins.is_empty());
            }
            let next = naive.left.first().map(|(at, _)| *at + naive.grace);
            prop_assert_eq!(roster.next_deadline(), next);
        }
    }
}
