//! The state machine of one shard: accounts, orders, legs.
//!
//! [`Core::step`] applies one input and gives its events. [`Core::admit`] tells, without changing anything, what of a
//! frame is worth an input: what was taken before is dropped there and never reaches the journal.
//!
//! Invariants: a fill is taken once; what is signalled of a leg adds up to what was taken of it, exactly; a revision
//! is never used twice; of a flip the closing leg goes first.

mod account;
mod admit;
mod arrange;
mod chain;
mod digest;
mod emit;
mod fills;
mod hold;
mod leg;
mod order;
mod reshard;
mod restore;
mod snapshot;
mod timers;

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt};
use slab::Slab;

use crate::address::Address;
use crate::event::{AssetType, Event};
use crate::fill::OrderStatus;
use crate::input::{Baseline, Input, Policy, Request, StartFrom, SymbolEntry};
use crate::text::Coin;
use account::{Account, AccountKey, Names};
use arrange::Arranger;
use fills::Mend;
use hold::Hold;
use leg::Leg;
use order::{Order, OrderKey, Terminal};
use timers::{Owner, Timers};

pub use admit::{Admission, Admitted};
pub use reshard::ReshardError;
pub use restore::StateError;

/// Most statuses that wait for their fills. The oldest goes first.
const WAITING_STATUSES_MAX: usize = 100_000;

/// Signals after which an input runs no more timers, and timers that it runs at most. What is due beyond that goes with
/// the next tick: after a long stop everything is due at once, and an input and its events must fit a journal batch.
const TIMER_SIGNALS_PER_INPUT_MAX: u64 = 2_048;
const TIMERS_PER_INPUT_MAX: usize = 8_192;

/// Takes what a step gives.
pub trait Effects {
    /// An event. Its index is its place among the events of the step.
    fn event(&mut self, event: &Event);
    /// Something the outside should do. Ignored in replay.
    fn request(&mut self, request: Request);
}

/// Effects that nobody takes: for replay.
impl Effects for () {
    fn event(&mut self, _: &Event) {}
    fn request(&mut self, _: Request) {}
}

/// What the core has done since it began. Derived from the inputs alone, so a replay agrees.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Fills taken.
    pub fills: u64,
    /// Signals emitted.
    pub signals: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Back-fills asked for.
    pub backfills: u64,
}

impl Counts {
    fn plus(self, core: &Core) -> Counts {
        let more = core.counts;
        Counts {
            fills: self.fills.saturating_add(more.fills),
            signals: self.signals.saturating_add(more.signals),
            gaps: self.gaps.saturating_add(more.gaps),
            backfills: self.backfills.saturating_add(more.backfills),
        }
    }
}

/// A terminal status whose fills have not come.
#[derive(Clone, Copy)]
struct Waiting {
    terminal: Terminal,
    heard_ns: u64,
}

/// One shard's state.
pub struct Core {
    policy: Policy,
    accounts: Slab<Account>,
    names: Names,
    by_address: HashMap<Address, AccountKey>,
    orders: Slab<Order>,
    by_oid: HashMap<u64, OrderKey>,
    legs: Slab<Leg>,
    /// Of the coins that were traded here.
    symbols: HashMap<Coin, SymbolEntry>,
    /// Terminal statuses whose fills have not come, by oid, and when each was queued, in that order.
    waiting: HashMap<u64, Waiting>,
    waiting_order: VecDeque<(u64, u64)>,
    timers: Timers,
    generation: u64,
    now_ns: u64,
    counts: Counts,
    digest: u64,
    /// Orders with unsignalled fills.
    unsignalled: usize,
    /// Orders touched by the input at hand, in order. Scratch, as what follows.
    touched: Vec<OrderKey>,
    drained: Vec<crate::fill::Fill>,
    coins: Vec<Coin>,
    others: Vec<crate::fill::Fill>,
    arranger: Arranger,
}

impl Default for Core {
    fn default() -> Core {
        Core::new()
    }
}

impl Core {
    /// A shard that knows nothing.
    pub fn new() -> Core {
        Core {
            policy: Policy::default(),
            accounts: Slab::new(),
            names: Names::default(),
            by_address: HashMap::new(),
            orders: Slab::new(),
            by_oid: HashMap::new(),
            legs: Slab::new(),
            symbols: HashMap::new(),
            waiting: HashMap::new(),
            waiting_order: VecDeque::new(),
            timers: Timers::default(),
            generation: 0,
            now_ns: 0,
            counts: Counts::default(),
            digest: 0,
            unsignalled: 0,
            touched: Vec::new(),
            drained: Vec::new(),
            coins: Vec::new(),
            others: Vec::new(),
            arranger: Arranger::default(),
        }
    }

    /// The settings in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The time of the last input, Unix nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Number of orders that are remembered.
    pub fn orders(&self) -> usize {
        self.orders.len()
    }

    /// Number of orders with fills that are not yet signalled.
    pub fn unsignalled(&self) -> usize {
        self.unsignalled
    }

    /// The accounts that are watched, in no particular order.
    pub fn watched(&self) -> impl Iterator<Item = Address> + '_ {
        self.accounts.iter().filter(|(_, a)| a.watched).map(|(_, a)| a.address)
    }

    /// Whether an account is watched.
    pub fn is_watched(&self, address: &Address) -> bool {
        self.by_address.get(address).is_some_and(|&key| self.accounts[key].watched)
    }

    /// The symbol known for a coin. What bounds these is the one who gives them: only those of coins whose fills are
    /// applied, of a table that the venue wrote, so never more than it has instruments.
    pub fn symbol(&self, coin: &Coin) -> Option<&SymbolEntry> {
        self.symbols.get(coin)
    }

    /// Calls `f` with (address, oid) of each order with unsignalled fills and no known end, in order of oid: after a
    /// reconnect their statuses may have been missed.
    pub fn orders_without_end(&self, mut f: impl FnMut(Address, u64)) {
        let mut open: Vec<(u64, Address)> = self
            .orders
            .iter()
            .filter(|(_, order)| order.terminal.is_none() && order.unsignalled_ns != 0)
            .map(|(_, order)| (order.oid, self.accounts[order.account].address))
            .collect();
        open.sort_unstable();
        open.into_iter().for_each(|(oid, address)| f(address, oid));
    }

    /// When a [`Input::Tick`] is due, nanoseconds; `None` while nothing waits.
    pub fn next_deadline_ns(&mut self) -> Option<u64> {
        while let Some((deadline_ns, owner)) = self.timers.first() {
            if self.armed_ns(owner) == Some(deadline_ns) {
                return Some(deadline_ns);
            }
            self.timers.pop();
        }
        None
    }

    /// Applies one input heard at `now_ns` (Unix nanoseconds; never less than the time of an earlier input).
    pub fn step(&mut self, now_ns: u64, input: &Input<'_>, effects: &mut impl Effects) {
        assert!(now_ns >= self.now_ns, "time never goes back: the caller holds it");
        self.now_ns = now_ns;
        self.forget_waiting();
        match *input {
            Input::Policy(policy) => self.policy = policy,
            Input::Watch { address, start } => self.watch(address, start),
            Input::Started => self.started(),
            Input::Statuses(statuses) => {
                statuses.iter().for_each(|status| self.status(status, effects));
            }
            Input::Symbols(entries) => {
                entries.iter().for_each(|entry| {
                    self.symbols.insert(entry.coin, *entry);
                });
            }
            Input::Tick | Input::Check { .. } => {}
            Input::Unwatch { address }
            | Input::Disconnected { address }
            | Input::Joined { address, .. }
            | Input::Baseline { address, .. }
            | Input::Fills { address, .. }
            | Input::BackfillFailed { address }
            | Input::Worth { address, .. } => {
                if let Some(&key) = self.by_address.get(&address) {
                    self.step_account(key, input, effects);
                    self.fold_account(key);
                }
            }
        }
        // Every input is also news that time went on: what is due does not wait for a tick.
        self.run_timers(effects);
        self.fold_step(input);
    }

    /// Applies an input that is about an account which is known.
    fn step_account(&mut self, key: AccountKey, input: &Input<'_>, effects: &mut impl Effects) {
        let account = &mut self.accounts[key];
        match *input {
            Input::Unwatch { .. } => account.unwatch(),
            Input::Disconnected { .. } => self.disconnected(key),
            Input::Joined { at_ms, continues, .. } => {
                self.joined(key, at_ms, continues, effects);
            }
            Input::Baseline { baseline, .. } => self.baseline(key, &baseline, effects),
            Input::Fills { origin, fills, .. } => self.fills(key, origin, fills, effects),
            Input::BackfillFailed { .. } => self.give_up(key, effects),
            Input::Worth { account_value, spot_total, .. } => {
                account.account_value = account_value.or(account.account_value);
                account.spot_total = spot_total.or(account.spot_total);
            }
            Input::Policy(_)
            | Input::Watch { .. }
            | Input::Started
            | Input::Statuses(_)
            | Input::Symbols(_)
            | Input::Tick
            | Input::Check { .. } => unreachable!("step applies these itself"),
        }
    }

    fn watch(&mut self, address: Address, start: StartFrom) {
        let key = match self.by_address.get(&address) {
            Some(&key) => {
                let account = &mut self.accounts[key];
                account.watched = true;
                if !account.baselined {
                    account.start = start;
                    account.baselined = start == StartFrom::Snapshot;
                }
                key
            }
            None => {
                let key = self.accounts.insert(Account::new(address, start));
                self.by_address.insert(address, key);
                key
            }
        };
        self.fold_account(key);
    }

    fn baseline(&mut self, key: AccountKey, baseline: &Baseline<'_>, effects: &mut impl Effects) {
        let account = &mut self.accounts[key];
        if !account.watched || account.baselined {
            return;
        }
        account.baselined = true;
        account.synced = true;
        account.joined = true;
        account.blind = false;
        account.floor_ms = account.floor_ms.max(baseline.newest_ms);
        account.last_ms = account.last_ms.max(baseline.newest_ms);
        for fill in baseline.newest.iter().filter(|fill| fill.is_sound()) {
            // It was watched before, perhaps: then some of these were taken.
            if !account.knows(fill, &self.names) {
                account.remember(fill, &mut self.names, self.policy.dedup_window_ms);
            }
        }
        for (coin, end) in baseline.chain {
            account.chain.set(*coin, *end);
        }
        let sums = baseline.orders.iter().filter(|(_, filled)| leg::is_sum(*filled));
        account.set_baseline_orders(sums.copied(), self.now_ns);
        self.tell_orders_of_baseline(key);
        self.drain(key, Mend::Wait, effects);
        self.settle_touched(effects);
    }

    /// Orders that were followed before, and were filled while nobody listened, have that from the baseline.
    fn tell_orders_of_baseline(&mut self, key: AccountKey) {
        let baseline = std::mem::take(&mut self.accounts[key].baseline_orders);
        let unknown = baseline.into_iter().filter(|&(oid, filled)| {
            let Some(order_key) = self.order_with(key, oid) else { return true };
            let order = &mut self.orders[order_key];
            if order.filled < filled {
                (order.filled, order.partial_history) = (filled, true);
                self.fold_order(order_key);
            }
            false
        });
        let unknown = unknown.collect();
        self.accounts[key].baseline_orders = unknown;
    }

    fn status(&mut self, status: &OrderStatus, effects: &mut impl Effects) {
        if !status.is_terminal() {
            return;
        }
        let terminal = Terminal::of(status);
        let mut next = self.by_oid.get(&status.oid).copied();
        if next.is_none() {
            self.keep_waiting(status.oid, terminal);
        }
        while let Some(key) = next {
            let order = &mut self.orders[key];
            next = order.same_oid;
            // The first word on an order's end counts; the same one comes again from REST.
            if order.terminal.is_none() {
                order.terminal = Some(terminal);
                order.grace_from_ns = self.now_ns;
                order.touched_ns = self.now_ns;
                let account = order.account;
                self.settle(key, effects);
                self.fold_account(account);
            }
        }
    }

    fn keep_waiting(&mut self, oid: u64, terminal: Terminal) {
        let waiting = Waiting { terminal, heard_ns: self.now_ns };
        if self.waiting.insert(oid, waiting).is_none() {
            self.waiting_order.push_back((self.now_ns, oid));
        }
        // One that was heard again goes to the back of the line first.
        while self.waiting.len() > WAITING_STATUSES_MAX {
            self.forget_oldest_waiting();
        }
    }

    fn forget_oldest_waiting(&mut self) {
        if let Some((heard_ns, oid)) = self.waiting_order.pop_front() {
            self.fold_pair(oid, heard_ns);
            let again_ns = self.waiting[&oid].heard_ns;
            if again_ns == heard_ns {
                self.waiting.remove(&oid);
            } else {
                // One heard again since then stays, in the place of that time.
                let at = self.waiting_order.partition_point(|(queued, _)| *queued <= again_ns);
                self.waiting_order.insert(at, (again_ns, oid));
            }
        }
    }

    fn forget_waiting(&mut self) {
        let ttl_ns = self.policy.status_ttl_ns;
        while let Some((heard_ns, _)) = self.waiting_order.front() {
            if heard_ns.saturating_add(ttl_ns) > self.now_ns {
                break;
            }
            self.forget_oldest_waiting();
        }
    }

    /// The deadline that counts for an owner; `None` when it is gone or waits for nothing.
    fn armed_ns(&self, owner: Owner) -> Option<u64> {
        let armed_ns = match owner {
            Owner::Account(key) => self.accounts.get(key)?.armed_ns,
            Owner::Order { generation, key } => {
                self.orders.get(key).filter(|order| order.generation == generation)?.armed_ns
            }
        };
        (armed_ns != 0).then_some(armed_ns)
    }

    fn run_timers(&mut self, effects: &mut impl Effects) {
        let signals_max = self.counts.signals.saturating_add(TIMER_SIGNALS_PER_INPUT_MAX);
        let mut run = 0;
        while let Some((deadline_ns, owner)) = self.timers.first() {
            if deadline_ns > self.now_ns
                || self.counts.signals >= signals_max
                || run == TIMERS_PER_INPUT_MAX
            {
                break;
            }
            self.timers.pop();
            // Not counted: how many of these there are differs between a shard, its replay and a copy of its state.
            // `Timers::wants_sweep` bounds them.
            if self.armed_ns(owner) != Some(deadline_ns) {
                continue;
            }
            run += 1;
            match owner {
                Owner::Account(key) => {
                    self.accounts[key].armed_ns = 0;
                    self.account_due(key, effects);
                    self.fold_account(key);
                }
                Owner::Order { key, .. } => {
                    let order = &mut self.orders[key];
                    order.armed_ns = 0;
                    let account = order.account;
                    self.order_due(key, effects);
                    self.fold_account(account);
                }
            }
        }
    }

    fn arm_account(&mut self, key: AccountKey) {
        let account = &mut self.accounts[key];
        let Some(deadline_ns) = account.hold.map(Hold::deadline_ns) else { return };
        if account.armed_ns == 0 || deadline_ns < account.armed_ns {
            account.armed_ns = deadline_ns;
            self.set_timer(deadline_ns, Owner::Account(key));
        }
    }

    fn set_timer(&mut self, deadline_ns: u64, owner: Owner) {
        self.timers.set(deadline_ns, owner);
        if self.timers.wants_sweep(self.accounts.len() + self.orders.len()) {
            let mut timers = std::mem::take(&mut self.timers);
            timers.sweep(|deadline_ns, owner| self.armed_ns(owner) == Some(deadline_ns));
            self.timers = timers;
        }
    }

    /// What a coin is called; by itself while the symbol table does not have it.
    fn symbol_of(&self, coin: &Coin, asset_type: AssetType) -> SymbolEntry {
        self.symbols.get(coin).copied().unwrap_or(SymbolEntry {
            coin: *coin,
            symbol: coin.as_str().into(),
            asset_type,
            coin_type: b'D',
        })
    }
}

#[cfg(test)]
mod tests;
