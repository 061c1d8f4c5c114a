//! Accounts that move to another number of shards: for each of them nothing changes.

use std::collections::BTreeMap;

use super::logs::{Market, Record, log_of};
use super::state::bytes_of;
use super::*;
use crate::partition::shard_of;

/// The shards of a node.
struct Node {
    cores: Vec<Core>,
    addresses: Vec<Address>,
}

/// What was said of each account, in order.
type Said = BTreeMap<Address, Vec<Event>>;

impl Node {
    fn new(count: usize, market: &Market) -> Node {
        let cores = (0..count).map(|_| Core::new()).collect();
        Node { cores, addresses: market.addresses() }
    }

    fn reshard(self, count: u16) -> Node {
        let cores = Core::reshard(self.cores, count).expect("shards of one node");
        assert_eq!(cores.len(), usize::from(count));
        let copy = |core: &Core| Core::decode(&bytes_of(core)).expect("a state like any other");
        // The bytes of a moved state are one, and what goes on is its copy.
        Node { cores: cores.iter().map(copy).collect(), ..self }
    }

    /// Gives `record` to the shards that it is for, as a node does; before that, time goes on in all.
    fn apply(&mut self, record: &Record, said: &mut Said) {
        for core in &mut self.cores {
            loop {
                step(core, record.now_ns, &Input::Tick, said);
                if core.next_deadline_ns().is_none_or(|deadline_ns| deadline_ns > record.now_ns) {
                    break;
                }
            }
        }
        let mut scratch = Scratch::default();
        let input = codec::decode_input(record.kind, &record.body, &mut scratch).expect("ours");
        let owner = match input {
            Input::Watch { address, .. }
            | Input::Unwatch { address }
            | Input::Disconnected { address }
            | Input::Joined { address, .. }
            | Input::Baseline { address, .. }
            | Input::Fills { address, .. }
            | Input::BackfillFailed { address }
            | Input::Worth { address, .. } => Some(address),
            // They come on the connection of the account whose orders they are of.
            Input::Statuses(statuses) => Some(self.addresses[(statuses[0].oid as usize - 10) / 10]),
            _ => None,
        };
        let count = self.cores.len() as u16;
        let owner = owner.map(|address| usize::from(shard_of(&address, count).0));
        for (at, core) in self.cores.iter_mut().enumerate() {
            if owner.is_none_or(|owner| owner == at) {
                step(core, record.now_ns, &input, said);
            }
        }
    }

    /// The state of each account, one after the other: each alone on a shard.
    fn alone(self) -> Vec<Vec<u8>> {
        let cores = self.reshard(1024).cores;
        let alone = cores.into_iter().filter(|core| !core.accounts.is_empty()).map(|mut core| {
            assert_eq!(core.accounts.len(), 1);
            (core.digest, core.counts) = (0, Counts::default());
            bytes_of(&core)
        });
        alone.collect()
    }

    fn counts(&self) -> Counts {
        self.cores.iter().fold(Counts::default(), |sum, core| sum.plus(core))
    }
}

fn step(core: &mut Core, now_ns: u64, input: &Input<'_>, said: &mut Said) {
    struct Listen<'a>(&'a mut Said);
    impl Effects for Listen<'_> {
        fn event(&mut self, event: &Event) {
            let address = match event {
                Event::Signal(signal) => signal.address,
                Event::Gap(gap) => gap.address,
            };
            self.0.entry(address).or_default().push(*event);
        }

        fn request(&mut self, _: Request) {}
    }
    core.step(now_ns, input, &mut Listen(said));
}

fn market(seed: u64) -> Market {
    let mut market = Market::new(seed);
    market.own_oids = true;
    market
}

#[test]
fn what_is_said_of_an_account_does_not_depend_on_the_shards() {
    let (mut moved, mut events) = (0, 0);
    for seed in 0..200 {
        let market = market(seed);
        let mut nodes = [1, 2, 3].map(|count| Node::new(count, &market));
        for address in market.addresses() {
            moved += usize::from(shard_of(&address, 2) != shard_of(&address, 3));
        }
        let log = log_of(market, 60);
        let mut said = [(); 3].map(|()| Said::new());
        for (at, record) in log.iter().enumerate() {
            // At a place of its own in each journal, and again at another.
            let (first, second) = (seed as usize % 50, 25 + seed as usize % 30);
            if at == first || at == second {
                let numbers = if at == first { [3, 3, 2] } else { [1, 2, 5] };
                let mut numbers = numbers.into_iter();
                nodes = nodes.map(|node| {
                    let before = node.counts();
                    let node = node.reshard(numbers.next().expect("as many as nodes"));
                    assert_eq!(node.counts(), before);
                    node
                });
            }
            for (node, said) in nodes.iter_mut().zip(&mut said) {
                node.apply(record, said);
            }
            assert!(said[0] == said[1] && said[0] == said[2], "seed {seed}, record {at}");
        }
        events += said[0].values().map(Vec::len).sum::<usize>();
        let [one, two, three] = nodes.map(Node::alone);
        assert!(one == two && one == three, "seed {seed}");
    }
    assert!(moved > 50 && events > 500, "{moved} {events}");
}

#[test]
fn there_and_back_again_is_the_same() {
    for seed in 0..100 {
        let market = market(seed);
        let nodes = [(); 2].map(|()| Node::new(2, &market));
        let log = log_of(market, 50);
        let [stayed, went] = nodes.map(|mut node| {
            log.iter().for_each(|record| node.apply(record, &mut Said::new()));
            node
        });
        let (counts, unsignalled) =
            (stayed.counts(), stayed.cores.iter().map(Core::unsignalled).sum::<usize>());
        let back = went.reshard(3).reshard(2);
        assert_eq!(back.counts(), counts);
        assert_eq!(back.cores.iter().map(Core::unsignalled).sum::<usize>(), unsignalled);
        assert!(back.alone() == stayed.alone(), "seed {seed}");
    }
}

#[test]
fn statuses_and_symbols_go_to_all_and_the_newest_count() {
    let mut cores = [Core::new(), Core::new()];
    let symbol = |name: &str| SymbolEntry {
        coin: "BTC".into(),
        symbol: name.into(),
        asset_type: AssetType::Futures,
        coin_type: b'A',
    };
    cores[0].step(9, &Input::Symbols(&[symbol("new")]), &mut ());
    cores[1].step(3, &Input::Symbols(&[symbol("old")]), &mut ());
    let filled = |size: &str| [order_status(1, "filled", size, "0")];
    cores[1].step(5, &Input::Statuses(&filled("1")), &mut ());
    cores[1].step(6, &Input::Statuses(&[order_status(2, "filled", "1", "0")]), &mut ());
    cores[0].step(10, &Input::Statuses(&filled("2")), &mut ());
    let shards = Core::reshard(cores.into(), 3).expect("shards of one node");
    let digests: std::collections::BTreeSet<u64> = shards.iter().map(Core::digest).collect();
    assert_eq!(digests.len(), 3);
    for core in shards {
        assert_eq!(core.symbol(&"BTC".into()), Some(&symbol("new")));
        assert_eq!(core.waiting_order, [(5, 1), (6, 2)]);
        assert_eq!(core.waiting[&1].terminal.filled, Some(Decimal::from(2)));
        assert_eq!((core.now_ns, core.waiting[&1].heard_ns), (10, 10));
    }
}

#[test]
fn what_are_no_shards_of_one_node_is_refused() {
    let error = |cores: Vec<Core>, count| match Core::reshard(cores, count) {
        Ok(_) => panic!("no shards of one node"),
        Err(error) => error.to_string(),
    };
    assert_eq!(error(vec![], 2), "there are no shards to move accounts from");
    let range = "1025 shards are asked for; there can be 1 to 1024";
    assert_eq!(error(vec![Core::new()], 1025), range);
    assert_eq!(error(vec![Core::new()], 0), range.replace("1025", "0"));
    let mut cores = [(); 3].map(|()| Core::new());
    let policy = Policy { status_grace_ns: 5, ..Policy::default() };
    cores[2].step(1, &Input::Policy(policy), &mut ());
    assert_eq!(
        error(cores.into(), 2),
        "aggregation.status_grace is not the same in shard 0 and shard 2; start and stop the \
         node with one configuration first"
    );
    let mut cores = [(); 3].map(|()| Core::new());
    for core in &mut cores[1..] {
        core.step(1, &Input::Watch { address: ME, start: StartFrom::Now }, &mut ());
    }
    let wanted = format!("account {ME} is in shard 1 and in shard 2");
    assert_eq!(error(cores.into(), 2), wanted);
}
