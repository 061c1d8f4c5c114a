//! What is known of one watched account: its chain, its keys, what it holds back.

use std::collections::VecDeque;

use foldhash::HashMap;

use super::chain::Chain;
use super::hold::Hold;
use super::order::RESTING_KEEP;
use crate::address::Address;
use crate::decimal::Decimal;
use crate::fill::Fill;
use crate::input::StartFrom;
use crate::text::Label;

/// Slab key of an account.
pub(super) type AccountKey = usize;

/// Most orders from before the baseline that are remembered: more than a snapshot has fills.
const BASELINE_ORDERS_MAX: usize = 4_096;
/// Most of them after a day. The newest: an old one that was not filled since then hardly will be.
const BASELINE_ORDERS_RESTING_MAX: usize = 64;

/// Small numbers for names, given out in order of first use: keys are kept by the million.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<Label, u32>,
}

impl Names {
    fn get(&self, name: &str) -> Option<u32> {
        self.numbers.get(&Label::new(name)).copied()
    }

    pub(super) fn number(&mut self, name: &str) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(Label::new(name)).or_insert(next)
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The names, in the order of their numbers.
    pub(super) fn in_order(&self) -> Vec<Label> {
        let mut names = vec![Label::EMPTY; self.numbers.len()];
        self.numbers.iter().for_each(|(name, number)| names[*number as usize] = *name);
        names
    }

    /// Gives `name` the next number; whether it had none.
    pub(super) fn add(&mut self, name: Label) -> bool {
        let next = self.numbers.len() as u32;
        self.numbers.insert(name, next).is_none()
    }
}

/// What tells one fill of an account from another: (coin, time, tid), and for tid 0 (coin, time, oid, dir).
/// Never the hash, which is zero on 12 % of real fills.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct FillKey {
    pub(super) time_ms: u64,
    pub(super) id: u64,
    pub(super) coin: u32,
    /// Number of the label, from 1; 0 where the trade id tells enough.
    pub(super) dir: u32,
}

const _: () = assert!(size_of::<FillKey>() == 24);

impl FillKey {
    /// The key, or `None` when one of its names is new: then the fill is new too.
    fn find(fill: &Fill, names: &Names) -> Option<FillKey> {
        let coin = names.get(fill.coin.as_str())?;
        let (id, dir) = match fill.tid {
            0 => (fill.oid, names.get(fill.dir.as_str())? + 1),
            tid => (tid, 0),
        };
        Some(FillKey { time_ms: fill.time_ms, id, coin, dir })
    }

    fn new(fill: &Fill, names: &mut Names) -> FillKey {
        let coin = names.number(fill.coin.as_str());
        let (id, dir) = match fill.tid {
            0 => (fill.oid, names.number(fill.dir.as_str()) + 1),
            tid => (tid, 0),
        };
        FillKey { time_ms: fill.time_ms, id, coin, dir }
    }
}

/// One account.
pub(super) struct Account {
    pub(super) address: Address,
    pub(super) watched: bool,
    pub(super) start: StartFrom,
    /// Whether it is known what is old. Until then live fills wait.
    pub(super) baselined: bool,
    /// Whether a snapshot has come since it was watched.
    pub(super) synced: bool,
    /// Whether a snapshot has come on the connection at hand. Until then live fills wait: what came before them may
    /// be in that snapshot.
    pub(super) joined: bool,
    /// Whether it began, or went on, without a snapshot: of orders from before that nothing is known.
    pub(super) blind: bool,
    /// Whether live fills have come on the connection at hand.
    pub(super) fed: bool,
    /// Fills before this time are old; at this time their keys decide.
    pub(super) floor_ms: u64,
    /// Block time of the newest fill taken.
    pub(super) last_ms: u64,
    pub(super) chain: Chain,
    /// The keys of the fills taken, ascending: fills are taken in order of time, so a new one goes near the end.
    pub(super) keys: VecDeque<FillKey>,
    /// Sizes that orders had filled at the baseline, by oid; those that were filled again since then are gone from here.
    pub(super) baseline_orders: Vec<(u64, Decimal)>,
    /// When the baseline was, Unix nanoseconds.
    pub(super) baselined_ns: u64,
    /// Fills held back.
    pub(super) held: Vec<Fill>,
    pub(super) hold: Option<Hold>,
    /// Deadline of the timer that is set for this account; 0 if none.
    pub(super) armed_ns: u64,
    pub(super) account_value: Option<Decimal>,
    pub(super) spot_total: Option<Decimal>,
}

impl Account {
    pub(super) fn new(address: Address, start: StartFrom) -> Account {
        Account {
            address,
            watched: true,
            start,
            baselined: start == StartFrom::Snapshot,
            synced: false,
            joined: false,
            blind: false,
            fed: false,
            floor_ms: 0,
            last_ms: 0,
            chain: Chain::default(),
            keys: VecDeque::new(),
            baseline_orders: Vec::new(),
            baselined_ns: 0,
            held: Vec::new(),
            hold: None,
            armed_ns: 0,
            account_value: None,
            spot_total: None,
        }
    }

    /// It is followed no longer. Its open legs are emitted by their time-outs; if it is watched again, that is a new
    /// beginning.
    pub(super) fn unwatch(&mut self) {
        self.watched = false;
        self.baselined = false;
        self.synced = false;
        self.joined = false;
        self.blind = false;
        self.fed = false;
        self.hold = None;
        self.held = Vec::new();
        self.baseline_orders = Vec::new();
        self.chain.clear();
        self.forget_keys();
    }

    /// Block time since which fills may be missing, Unix milliseconds.
    pub(super) fn missing_since_ms(&self) -> u64 {
        self.last_ms.min(self.broken_since_ms().unwrap_or(u64::MAX))
    }

    /// Block time since which the chain of a fill that is held is broken: the earliest of all coins, Unix milliseconds.
    pub(super) fn broken_since_ms(&self) -> Option<u64> {
        let broken = self.held.iter().filter(|fill| !self.chain.accepts(fill));
        // A chain that stands at the baseline is broken since then at most.
        broken.map(|fill| self.chain.newest_ms(&fill.coin).unwrap_or(self.floor_ms)).min()
    }

    /// Whether the fill was taken before, or is older than what is remembered.
    pub(super) fn knows(&self, fill: &Fill, names: &Names) -> bool {
        if fill.time_ms < self.floor_ms {
            return true;
        }
        // Nearly every new fill is newer than all that were taken.
        if self.keys.back().is_none_or(|newest| newest.time_ms < fill.time_ms) {
            return false;
        }
        FillKey::find(fill, names).is_some_and(|key| self.keys.binary_search(&key).is_ok())
    }

    /// Remembers a fill that is not known, and forgets those that are `window_ms` behind it: what is forgotten is old
    /// for ever.
    pub(super) fn remember(&mut self, fill: &Fill, names: &mut Names, window_ms: u64) {
        let key = FillKey::new(fill, names);
        let at = match self.keys.back() {
            Some(newest) if *newest > key => self.keys.partition_point(|known| *known < key),
            _ => self.keys.len(),
        };
        self.keys.insert(at, key);
        self.last_ms = self.last_ms.max(fill.time_ms);
        let owed_ms = match self.hold {
            // What is still to come of that time would be known without its keys.
            Some(Hold::Owed { from_ms, .. }) => from_ms,
            _ => u64::MAX,
        };
        let oldest_ms = self.last_ms.saturating_sub(window_ms).min(owed_ms);
        while let Some(first) = self.keys.front().filter(|key| key.time_ms < oldest_ms) {
            self.floor_ms = self.floor_ms.max(first.time_ms + 1);
            self.keys.pop_front();
        }
    }

    /// Gives back the room of the keys of an account that is followed no longer. Fills before its newest are old from
    /// here on; those of its newest time are still told by key.
    fn forget_keys(&mut self) {
        self.floor_ms = self.floor_ms.max(self.last_ms);
        let floor_ms = self.floor_ms;
        self.keys.retain(|key| key.time_ms >= floor_ms);
        self.keys.shrink_to_fit();
    }

    /// Takes over what is known of orders from before the account was watched. The newest ones, if there are very many.
    pub(super) fn set_baseline_orders(
        &mut self,
        orders: impl Iterator<Item = (u64, Decimal)>,
        now_ns: u64,
    ) {
        self.baselined_ns = now_ns;
        self.baseline_orders.clear();
        self.baseline_orders.extend(orders);
        // Stable: of an order that stands there twice the first counts.
        self.baseline_orders.sort_by_key(|(oid, _)| *oid);
        self.baseline_orders.dedup_by_key(|(oid, _)| *oid);
        self.keep_baseline_orders(BASELINE_ORDERS_MAX);
    }

    fn keep_baseline_orders(&mut self, count: usize) {
        let older = self.baseline_orders.len().saturating_sub(count);
        self.baseline_orders.drain(..older);
    }

    /// Forgets the orders from before the baseline that are not likely to be filled again. A resting one is filled after
    /// days: forgotten, its signals would not say that a part of it is missing.
    pub(super) fn forget_baseline_orders(&mut self, now_ns: u64) {
        let age_ns = now_ns.saturating_sub(self.baselined_ns);
        let count = match age_ns {
            _ if age_ns < RESTING_KEEP.least_ns => return,
            _ if age_ns < RESTING_KEEP.most_ns => BASELINE_ORDERS_RESTING_MAX,
            _ => 0,
        };
        if self.baseline_orders.len() > count {
            self.keep_baseline_orders(count);
            self.baseline_orders.shrink_to_fit();
        }
    }

    /// Size that the order had filled at the baseline, if it had. From here on the order itself has it.
    pub(super) fn take_baseline_order(&mut self, oid: u64) -> Option<Decimal> {
        let at = self.baseline_orders.binary_search_by_key(&oid, |(oid, _)| *oid).ok()?;
        Some(self.baseline_orders.remove(at).1)
    }
}
