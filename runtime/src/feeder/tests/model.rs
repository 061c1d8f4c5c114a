//! Whatever the node, the shards and the process do, nothing that was written is passed over unsaid.
//!
//! The model of a shard keeps what it took, up to what is durable, over a kill. A join that does not continue is answered
//! as the core and REST would: everything of the account up to then is had. At the end each account must have every
//! fill of every block after its first join, those of blocks that the node left out included, and every status.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const USERS: u8 = 4;
const SHARDS: usize = 2;
const RING: usize = 5;

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
    /// The chain makes a block with events of these accounts. The node may leave it out, and may begin a new hour.
    Block { users: Vec<u8>, left_out: bool, new_hour: bool },
    /// The node gets as many bytes of its fills, or of its statuses, to the disk.
    Write { fills: bool, bytes: usize },
    /// A line that nobody can read.
    Spoil,
    /// A turn, this much later.
    Turn { ms: u64 },
    /// A shard takes entries, and the first of what it has become durable and acknowledged.
    Take { shard: usize, entries: usize, durable: usize },
    /// The process is killed and starts again. `rotated` removes all files but the newest in between.
    Kill { rotated: bool },
    /// An account is followed, or no longer.
    Toggle { user: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    let users = proptest::collection::vec(1..=USERS + 1, 0..4);
    prop_oneof![
        6 => (users, proptest::bool::weighted(0.1), proptest::bool::weighted(0.15))
            .prop_map(|(users, left_out, new_hour)| Act::Block { users, left_out, new_hour }),
        8 => (any::<bool>(), prop_oneof![1usize..40, Just(100_000)])
            .prop_map(|(fills, bytes)| Act::Write { fills, bytes }),
        1 => Just(Act::Spoil),
        6 => prop_oneof![Just(1u64), Just(150), Just(1200), Just(2500)].prop_map(|ms| Act::Turn { ms }),
        6 => (0..SHARDS, 0usize..12, 0usize..12)
            .prop_map(|(shard, entries, durable)| Act::Take { shard, entries, durable }),
        1 => proptest::bool::weighted(0.2).prop_map(|rotated| Act::Kill { rotated }),
        1 => (1..=USERS).prop_map(|user| Act::Toggle { user }),
    ]
}

/// A block of the chain.
struct Block {
    number: u64,
    users: Vec<Address>,
}

/// One kind of the node's files: bytes that are not on the disk yet, by hour.
struct Writer {
    kind: Kind,
    waiting: Vec<(u8, Vec<u8>)>,
}

impl Writer {
    fn put(&mut self, hour: u8, text: &str) {
        match self.waiting.last_mut() {
            Some((last, bytes)) if *last == hour => bytes.extend_from_slice(text.as_bytes()),
            _ => self.waiting.push((hour, text.as_bytes().to_vec())),
        }
    }
}

/// A shard: what it took, as a log, and how much of that is durable.
#[derive(Default)]
struct Shard {
    /// With the number of the newest block of the chain when it was taken.
    log: Vec<(Fed, u64)>,
    durable: usize,
}

/// What an account has, by the log.
struct Account {
    since_ms: u64,
    fills: BTreeSet<u64>,
    statuses: BTreeSet<u64>,
    /// Fills up to this time were asked for, and statuses up to that block.
    asked_ms: u64,
    asked_block: u64,
}

struct World {
    node: Node,
    chain: Vec<Block>,
    hour: u8,
    writers: [Writer; 2],
    shards: Vec<Shard>,
    followed: BTreeSet<u8>,
}

fn shard_of(user: Address) -> usize {
    usize::from(user.0[0]) % SHARDS
}

impl World {
    fn new(kinds: [Kind; 2]) -> World {
        let mut world = World {
            node: Node::new(SHARDS, RING),
            chain: Vec::new(),
            hour: 0,
            writers: kinds.map(|kind| Writer { kind, waiting: Vec::new() }),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            followed: (1..=USERS).collect(),
        };
        world.begin();
        world
    }

    /// The accounts are given to a reader that has just been made.
    fn begin(&mut self) {
        for number in &self.followed {
            self.node.reader.follow(shard_of(user(*number)), user(*number));
        }
        self.node.reader.begin();
    }

    fn newest(&self) -> u64 {
        self.chain.len() as u64
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Block { users, left_out, new_hour } => self.block(users, *left_out, *new_hour),
            Act::Write { fills, bytes } => self.write(usize::from(!fills), *bytes),
            Act::Spoil => self.writers[0].put(self.hour, "{\"block_time\":\n"),
            Act::Turn { ms } => {
                self.node.now.unix_ms = time_ms(self.newest()) + 20;
                self.node.turn_after(Duration::from_millis(*ms));
            }
            Act::Take { shard, entries, durable } => self.take(*shard, *entries, *durable),
            Act::Kill { rotated } => self.kill(*rotated),
            Act::Toggle { user: number } => {
                if self.followed.remove(number) {
                    self.node.reader.unfollow(&user(*number));
                    self.forget(user(*number));
                } else {
                    self.followed.insert(*number);
                    self.node.reader.follow(shard_of(user(*number)), user(*number));
                }
            }
        }
    }

    fn block(&mut self, users: &[u8], left_out: bool, new_hour: bool) {
        let number = self.newest() + 1;
        let users: Vec<Address> = users.iter().map(|number| user(*number)).collect();
        self.hour += u8::from(new_hour && self.hour < 200);
        let by_block = self.writers[0].kind.is_by_block();
        // Without numbers nobody can know.
        if !(left_out && by_block) {
            for writer in &mut self.writers {
                writer.put(self.hour, &lines(writer.kind, number, &users));
            }
        }
        self.chain.push(Block { number, users });
    }

    fn write(&mut self, which: usize, bytes: usize) {
        let Writer { kind, waiting } = &mut self.writers[which];
        let Some((hour, text)) = waiting.first_mut() else { return };
        let part: Vec<u8> = text.drain(..bytes.min(text.len())).collect();
        append(&file(self.node.dir.path(), *kind, *hour), &part);
        if text.is_empty() {
            waiting.remove(0);
        }
    }

    fn take(&mut self, shard: usize, entries: usize, durable: usize) {
        let newest = self.newest();
        let Shard { log, durable: at } = &mut self.shards[shard];
        log.extend(
            std::iter::from_fn(|| self.node.rings[shard].receive())
                .take(entries)
                .map(|fed| (fed, newest)),
        );
        *at = (*at + durable).min(log.len());
        let block = log[..*at].iter().rev().find_map(|(fed, _)| match fed {
            Fed::Block { number, .. } => Some(*number),
            _ => None,
        });
        if let Some(number) = block {
            self.node.reader.acknowledge(shard, number);
        }
    }

    fn kill(&mut self, rotated: bool) {
        for shard in &mut self.shards {
            shard.log.truncate(shard.durable);
        }
        for writer in self.writers.iter().filter(|_| rotated) {
            let hours: Vec<u8> =
                (0..=self.hour).filter(|h| self.node.path(writer.kind, *h).exists()).collect();
            for hour in hours.iter().rev().skip(1) {
                fs::remove_file(self.node.path(writer.kind, *hour)).expect("removed");
            }
        }
        self.node.restart(RING);
        self.begin();
    }

    /// An account that is not followed any more is no business of its shard.
    fn forget(&mut self, user: Address) {
        let Shard { log, durable } = &mut self.shards[shard_of(user)];
        let is_other = |fed: &Fed| match fed {
            Fed::Fill { address, .. } | Fed::Join { address, .. } => *address != user,
            _ => true,
        };
        *durable -= log[..*durable].iter().filter(|(fed, _)| !is_other(fed)).count();
        log.retain(|(fed, _)| is_other(fed));
        // What is in the ring is from before.
        while let Some(fed) = self.node.rings[shard_of(user)].receive() {
            if is_other(&fed) {
                log.push((fed, self.chain.len() as u64));
            }
        }
    }

    /// Everything gets to the disk, to the shards, and durable.
    fn finish(&mut self) {
        let mut quiet = 0;
        // Long enough for a next hour, and one after it, to be gone over to.
        while quiet < 12 {
            (0..2).for_each(|which| self.write(which, usize::MAX));
            let took = |world: &World| world.shards.iter().map(|s| s.log.len()).sum::<usize>();
            let before = took(self);
            let progress = self.node.turn_after(Duration::from_millis(400));
            (0..SHARDS).for_each(|shard| self.take(shard, usize::MAX, 0));
            let is_quiet = progress == Progress::Idle && took(self) == before;
            quiet = if is_quiet { quiet + 1 } else { 0 };
        }
    }

    /// What each account has, by what its shard has.
    fn accounts(&self) -> BTreeMap<Address, Account> {
        let mut accounts: BTreeMap<Address, Account> = BTreeMap::new();
        for (fed, newest) in self.shards.iter().flat_map(|shard| &shard.log) {
            match *fed {
                Fed::Join { address, at_ms, continues } => {
                    let account = accounts.entry(address).or_insert(Account {
                        since_ms: at_ms,
                        fills: BTreeSet::new(),
                        statuses: BTreeSet::new(),
                        asked_ms: 0,
                        asked_block: *newest,
                    });
                    if !continues {
                        account.asked_ms = account.asked_ms.max(at_ms);
                        account.asked_block = account.asked_block.max(*newest);
                    }
                }
                Fed::Fill { address, fill } => {
                    if let Some(account) = accounts.get_mut(&address) {
                        account.fills.insert(fill.tid);
                    }
                }
                Fed::Status(status) => {
                    // A status does not say whose it is; its order does.
                    for account in accounts.values_mut() {
                        account.statuses.insert(status.oid);
                    }
                }
                Fed::Block { .. } => {}
            }
        }
        accounts
    }

    /// That nothing is missing.
    fn check(&self) -> Result<(), TestCaseError> {
        let accounts = self.accounts();
        for number in &self.followed {
            let address = user(*number);
            let Some(account) = accounts.get(&address) else {
                prop_assert!(self.chain.is_empty() || !self.has_lines(), "{number} never joined");
                continue;
            };
            for block in &self.chain {
                let at_ms = time_ms(block.number);
                for (index, _) in block.users.iter().enumerate().filter(|(_, u)| **u == address) {
                    let id = tid(block.number, index as u64);
                    prop_assert!(
                        account.fills.contains(&id)
                            || at_ms <= account.since_ms.max(account.asked_ms),
                        "account {number} has no fill {id}"
                    );
                    prop_assert!(
                        account.statuses.contains(&id)
                            || at_ms <= account.since_ms
                            || block.number <= account.asked_block,
                        "account {number} has no status {id}"
                    );
                }
            }
        }
        Ok(())
    }

    fn has_lines(&self) -> bool {
        (0..=self.hour).any(|hour| self.node.path(self.writers[0].kind, hour).exists())
    }
}

fn run(kinds: [Kind; 2], acts: &[Act]) -> Result<(), TestCaseError> {
    let mut world = World::new(kinds);
    for act in acts {
        world.act(act);
    }
    // One more block shows what is missing before it.
    world.finish();
    world.act(&Act::Block { users: vec![1, 2, 3, 4], left_out: false, new_hour: false });
    world.finish();
    world.check()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_passed_over_unsaid_by_block(acts in proptest::collection::vec(act(), 0..150)) {
        run([Kind::FillsByBlock, Kind::StatusesByBlock], &acts)?;
    }

    #[test]
    fn nothing_is_passed_over_unsaid_in_single_lines(acts in proptest::collection::vec(act(), 0..150)) {
        // Bytes that come to an old file long after the next one was begun are noticed by block numbers only.
        let in_time = |act: &&Act| !matches!(act, Act::Block { new_hour: true, .. });
        let acts: Vec<Act> = acts.iter().filter(in_time).cloned().collect();
        run([Kind::Fills, Kind::Statuses], &acts)?;
    }
}
