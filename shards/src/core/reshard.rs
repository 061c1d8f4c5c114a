//! Another number of shards: accounts move whole, with their orders, legs and keys, to the shard that owns them then.
//!
//! What is emitted for an account afterwards is what would have been emitted before. The exceptions are of the kind that
//! more or fewer shards always make: when many orders are kept, how long each stays depends on how many its shard has
//! (`ORDERS_ROOM`), and what is due waits for the next input of the new shard, not of the old one.

use super::account::{Account, FillKey, Names};
use super::leg::{Leg, LegKey};
use super::order::Order;
use super::{Core, WAITING_STATUSES_MAX};
use crate::address::Address;
use crate::input::Policy;
use crate::partition::{PARTITIONS, shard_of};
use crate::text::Label;

/// Why shards cannot be made into another number of shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReshardError {
    /// There is nothing to begin with.
    #[error("there are no shards to move accounts from")]
    NoShards,
    /// No node has that many shards.
    #[error("{shard_count} shards are asked for; there can be 1 to {PARTITIONS}")]
    ShardCount {
        /// The number asked for.
        shard_count: u16,
    },
    /// The settings in force differ: the shards stopped at different places of a change.
    #[error(
        "{setting} is not the same in shard 0 and shard {shard}; start and stop the node with one \
         configuration first"
    )]
    Policy {
        /// A shard whose settings are not those of shard 0.
        shard: usize,
        /// The first setting that differs, by its name in the configuration.
        setting: &'static str,
    },
    /// Two shards know the same account.
    #[error("account {address} is in shard {first} and in shard {second}")]
    Account {
        /// The account.
        address: Address,
        /// The shard that has it first.
        first: usize,
        /// The other one.
        second: usize,
    },
}

impl Core {
    /// Makes `shard_count` shards of the accounts of `cores`, the shards of a node in their order.
    ///
    /// Names and generations are numbered anew, in an order that the states alone decide; the clock of each new shard is
    /// the latest one; symbols and waiting statuses, which name no account, go to all; the counts go to the first, so that
    /// their sum stays.
    ///
    /// # Errors
    ///
    /// When `shard_count` is 0 or larger than the number of partitions, and when the states cannot be those of one node.
    pub fn reshard(cores: Vec<Core>, shard_count: u16) -> Result<Vec<Core>, ReshardError> {
        if !(1..=PARTITIONS).contains(&shard_count) {
            return Err(ReshardError::ShardCount { shard_count });
        }
        check(&cores)?;
        let mut shards: Vec<Core> = (0..shard_count).map(|_| Core::new()).collect();
        shards[0].counts = cores.iter().fold(super::Counts::default(), |sum, core| sum.plus(core));
        let now_ns = cores.iter().map(|core| core.now_ns).max().unwrap_or(0);
        for (number, shard) in (0..).zip(&mut shards) {
            shard.now_ns = now_ns;
            shard.policy = cores[0].policy;
            // A digest of its own: what was folded before is in it.
            shard.fold_pair(u64::from(shard_count), number);
            cores.iter().for_each(|core| shard.fold_pair(core.digest, core.now_ns));
            shard.copy_shared(&cores);
        }
        cores.into_iter().for_each(|core| core.move_to(&mut shards));
        shards.iter_mut().for_each(Core::arm);
        Ok(shards)
    }

    /// Takes over symbols and waiting statuses of all `cores`.
    fn copy_shared(&mut self, cores: &[Core]) {
        // Where shards know different ones, those of the shard that heard something last.
        let mut by_time: Vec<&Core> = cores.iter().collect();
        by_time.sort_by_key(|core| core.now_ns);
        for core in by_time {
            self.symbols.extend(core.symbols.iter().map(|(coin, entry)| (*coin, *entry)));
        }
        let queues = cores.iter().flat_map(|core| {
            core.waiting_order.iter().map(|(queued, oid)| (*queued, *oid, core.waiting[oid]))
        });
        let mut queue: Vec<_> = queues.collect();
        // Of an order that several heard of, the last word is kept, in the place of the first: as in one shard.
        queue.sort_by_key(|(queued_ns, ..)| *queued_ns);
        for (queued_ns, oid, waiting) in queue {
            match self.waiting.get_mut(&oid) {
                Some(kept) if kept.heard_ns >= waiting.heard_ns => {}
                Some(kept) => *kept = waiting,
                None => {
                    self.waiting.insert(oid, waiting);
                    self.waiting_order.push_back((queued_ns, oid));
                }
            }
        }
        while self.waiting.len() > WAITING_STATUSES_MAX {
            let (_, oid) = self.waiting_order.pop_front().expect("as many as there are statuses");
            self.waiting.remove(&oid);
        }
    }

    /// Moves all accounts to the shards that own them.
    fn move_to(mut self, shards: &mut [Core]) {
        let names = self.names.in_order();
        let count = u16::try_from(shards.len()).expect("PARTITIONS is the most");
        // By the old number of an account: its shard and its number there.
        let mut places = Vec::with_capacity(self.accounts.len());
        for (_, mut account) in std::mem::take(&mut self.accounts) {
            let at = usize::from(shard_of(&account.address, count).0);
            let shard = &mut shards[at];
            rename(&mut account, &names, &mut shard.names);
            let address = account.address;
            let key = shard.accounts.insert(account);
            shard.by_address.insert(address, key);
            places.push((at, key));
        }
        let mut orders: Vec<Order> =
            std::mem::take(&mut self.orders).into_iter().map(|(_, order)| order).collect();
        orders.sort_unstable_by_key(|order| order.generation);
        for mut order in orders {
            let (at, account) = places[order.account];
            order.account = account;
            let legs = self.legs_of(order.first_leg);
            shards[at].take_order(order, legs);
        }
    }

    fn legs_of(&self, first: Option<LegKey>) -> Vec<Leg> {
        let legs = std::iter::successors(first, |key| self.legs[*key].next);
        legs.map(|key| self.legs[key]).collect()
    }

    /// Takes an order over from another shard, as the newest.
    fn take_order(&mut self, mut order: Order, legs: Vec<Leg>) {
        let mut next = None;
        for leg in legs.into_iter().rev() {
            next = Some(self.legs.insert(Leg { next, ..leg }));
        }
        self.generation += 1;
        order.generation = self.generation;
        order.first_leg = next;
        order.same_oid = self.by_oid.get(&order.oid).copied();
        self.unsignalled += usize::from(order.unsignalled_ns != 0);
        let oid = order.oid;
        let key = self.orders.insert(order);
        self.by_oid.insert(oid, key);
    }
}

/// Whether `cores` can be the shards of one node.
fn check(cores: &[Core]) -> Result<(), ReshardError> {
    let first = cores.first().ok_or(ReshardError::NoShards)?;
    let mut owners = foldhash::HashMap::<Address, usize>::default();
    for (shard, core) in cores.iter().enumerate() {
        if let Some(setting) = difference(&first.policy, &core.policy) {
            return Err(ReshardError::Policy { shard, setting });
        }
        for (_, account) in &core.accounts {
            if let Some(first) = owners.insert(account.address, shard) {
                let address = account.address;
                return Err(ReshardError::Account { address, first, second: shard });
            }
        }
    }
    Ok(())
}

/// The first setting in which two policies differ.
fn difference(one: &Policy, other: &Policy) -> Option<&'static str> {
    let settings = [
        ("aggregation.emit", one.emit == other.emit),
        ("aggregation.emit_final", one.emit_final == other.emit_final),
        ("aggregation.timeout", one.timeout_ns == other.timeout_ns),
        ("aggregation.status_grace", one.status_grace_ns == other.status_grace_ns),
        ("aggregation.status_ttl", one.status_ttl_ns == other.status_ttl_ns),
        ("dedup.window", one.dedup_window_ms == other.dedup_window_ms),
    ];
    settings.into_iter().find(|(_, same)| !same).map(|(setting, _)| setting)
}

/// Gives the keys of `account` the numbers that their names have in another shard. Names that are new there are numbered
/// in order of their text: their old numbers tell of other accounts.
fn rename(account: &mut Account, from: &[Label], to: &mut Names) {
    // Names stay few, keys are many.
    let mut numbers = vec![None; from.len()];
    for key in &account.keys {
        numbers[key.coin as usize] = Some(0);
        if key.dir != 0 {
            numbers[key.dir as usize - 1] = Some(0);
        }
    }
    let mut used: Vec<usize> = (0..from.len()).filter(|&old| numbers[old].is_some()).collect();
    used.sort_unstable_by_key(|&old| from[old]);
    for old in used {
        numbers[old] = Some(to.number(from[old].as_str()));
    }
    let renumber = |old: u32| numbers[old as usize].expect("numbered above");
    for key in &mut account.keys {
        let dir = if key.dir == 0 { 0 } else { renumber(key.dir - 1) + 1 };
        *key = FillKey { coin: renumber(key.coin), dir, ..*key };
    }
    account.keys.make_contiguous().sort_unstable();
}
