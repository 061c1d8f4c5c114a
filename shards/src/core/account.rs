//! What is known of one watched account: its chain, its keys, what it holds back.

use std::collections::VecDeque;

use foldhash::HashSet;

use super::chain::Chain;
use crate::address::Address;
use crate::codec::{put_dir, put_text, put_varint};
use crate::decimal::Decimal;
use crate::fill::{Dir, Fill};
use crate::input::StartFrom;
use crate::text::Coin;

/// Slab key of an account.
pub(super) type AccountKey = usize;

/// Most fills that are held back while a gap is filled. Beyond it the gap is said and the stream goes on.
pub(super) const HELD_FILLS_MAX: usize = 10_000;
/// How long a break in the chain may mend itself before the REST interface is asked: reordered frames arrive within
/// a few milliseconds of each other.
pub(super) const BREAK_GRACE_NS: u64 = 100_000_000;
/// How long an answer may take before it is asked for again.
pub(super) const BACKFILL_RETRY_NS: u64 = 30_000_000_000;
/// How long fills are held back at most.
pub(super) const HOLD_MAX_NS: u64 = 300_000_000_000;

/// What tells one fill of an account from another: (coin, time, tid), and for tid 0 (coin, time, oid, dir).
/// Never the hash, which is zero on 12 % of real fills.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct FillKey {
    time_ms: u64,
    id: u64,
    coin: Coin,
    dir: Option<Dir>,
}

impl FillKey {
    pub(super) fn of(fill: &Fill) -> FillKey {
        let (id, dir) = match fill.tid {
            0 => (fill.oid, Some(fill.dir)),
            tid => (tid, None),
        };
        FillKey { time_ms: fill.time_ms, id, coin: fill.coin, dir }
    }

    /// Appends its bytes, for the state hash.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(self.time_ms, out);
        put_varint(self.id, out);
        put_text(&self.coin, out);
        out.push(u8::from(self.dir.is_some()));
        self.dir.iter().for_each(|dir| put_dir(dir, out));
    }
}

/// Why fills are held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hold {
    /// The chain is broken; it may mend itself until `since` + [`BREAK_GRACE_NS`].
    Break { since_ns: u64 },
    /// A back-fill was asked for.
    Asked { since_ns: u64, asked_ns: u64 },
    /// More fills than one input takes are ready; the rest is taken with the next tick, in the same way.
    Rest { since_ns: u64, force: bool },
}

impl Hold {
    pub(super) fn deadline_ns(self) -> u64 {
        match self {
            Hold::Break { since_ns } => since_ns.saturating_add(BREAK_GRACE_NS),
            Hold::Asked { since_ns, asked_ns } => {
                asked_ns.saturating_add(BACKFILL_RETRY_NS).min(since_ns.saturating_add(HOLD_MAX_NS))
            }
            // Later than now: not in the input at hand.
            Hold::Rest { since_ns, .. } => since_ns.saturating_add(1),
        }
    }

    pub(super) fn since_ns(self) -> u64 {
        match self {
            Hold::Break { since_ns }
            | Hold::Asked { since_ns, .. }
            | Hold::Rest { since_ns, .. } => since_ns,
        }
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
    /// Fills before this time are old; at this time their keys decide.
    pub(super) floor_ms: u64,
    /// Block time of the newest fill taken.
    pub(super) last_ms: u64,
    pub(super) chain: Chain,
    pub(super) keys: HashSet<FillKey>,
    /// The keys in the order they came, for expiry.
    pub(super) key_order: VecDeque<FillKey>,
    /// Sizes that orders had filled at the baseline, by oid.
    pub(super) baseline_orders: Vec<(u64, Decimal)>,
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
            floor_ms: 0,
            last_ms: 0,
            chain: Chain::default(),
            keys: HashSet::default(),
            key_order: VecDeque::new(),
            baseline_orders: Vec::new(),
            held: Vec::new(),
            hold: None,
            armed_ns: 0,
            account_value: None,
            spot_total: None,
        }
    }

    /// Whether the fill was taken before, or is older than what is remembered.
    pub(super) fn knows(&self, fill: &Fill) -> bool {
        fill.time_ms < self.floor_ms || self.keys.contains(&FillKey::of(fill))
    }

    /// Remembers a fill, and forgets those that are `window_ms` behind it: what is forgotten is old for ever.
    pub(super) fn remember(&mut self, fill: &Fill, window_ms: u64) {
        let key = FillKey::of(fill);
        if self.keys.insert(key) {
            self.key_order.push_back(key);
        }
        self.last_ms = self.last_ms.max(fill.time_ms);
        let oldest_ms = self.last_ms.saturating_sub(window_ms);
        while let Some(first) = self.key_order.front().filter(|key| key.time_ms < oldest_ms) {
            self.floor_ms = self.floor_ms.max(first.time_ms + 1);
            self.keys.remove(first);
            self.key_order.pop_front();
        }
    }

    /// Gives back the room of the keys of an account that is followed no longer. Fills before its newest are old from
    /// here on; those of its newest time are still told by key.
    pub(super) fn forget_keys(&mut self) {
        self.floor_ms = self.floor_ms.max(self.last_ms);
        let floor_ms = self.floor_ms;
        self.key_order.retain(|key| key.time_ms >= floor_ms);
        self.keys.retain(|key| key.time_ms >= floor_ms);
        self.key_order.shrink_to_fit();
        self.keys.shrink_to_fit();
    }

    /// Size that the order had filled at the baseline, if it had.
    pub(super) fn baseline_filled(&self, oid: u64) -> Option<Decimal> {
        let at = self.baseline_orders.binary_search_by_key(&oid, |(oid, _)| *oid).ok()?;
        Some(self.baseline_orders[at].1)
    }
}
