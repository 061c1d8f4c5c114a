//! A running digest of what a shard does: equal in a shard, in its replay, and in a copy of its state that went on.
//!
//! Each step folds into it the time, the kind of input, the settings, the counts, the sizes of the collections, and the
//! state, as the step left it, of each account, chain, order and leg that the step touched. So two replicas that differ
//! in anything have different digests as soon as that thing decides something, and for ever after. It costs no pass over
//! the state: that is [`Core::state_hash`].
//!
//! Digests are in journals ([`Input::Check`]): what is folded, and how, is a format. The function is the folded multiply
//! of the wyhash family; the constants are digits of pi. It finds faults, not forgers.

use super::Core;
use super::account::AccountKey;
use super::chain::Stand;
use super::hold::Hold;
use super::leg::Leg;
use super::order::OrderKey;
use crate::codec::input_kind;
use crate::decimal::Decimal;
use crate::input::{Emit, Input, StartFrom, SymbolEntry};
use crate::text::Text;

const PI: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The words of one object. Objects are folded beside each other, not one behind the other: a multiply takes four cycles,
/// and a core has several in flight.
#[derive(Clone, Copy)]
struct Fold(u64);

impl Fold {
    #[inline]
    fn new(kind: u64) -> Fold {
        Fold(PI[2] ^ kind)
    }

    #[inline]
    fn pair(self, a: u64, b: u64) -> Fold {
        Fold(mix(self.0 ^ a, PI[1] ^ b))
    }

    #[inline]
    fn decimal(self, value: Decimal) -> Fold {
        let mantissa = value.mantissa();
        // The scale is below 32, and what the high half of a mantissa ends with is its sign, for all but absurd ones.
        let high = (mantissa >> 64) as u64 ^ u64::from(value.scale()) << 56;
        self.pair(mantissa as u64, high)
    }

    #[inline]
    fn optional(self, value: Option<Decimal>) -> Fold {
        match value {
            Some(value) => self.decimal(value),
            None => self.pair(PI[3], 0),
        }
    }

    #[inline]
    fn text<const N: usize>(self, text: &Text<N>) -> Fold {
        let len = text.as_bytes().len();
        let mut fold = self.pair(text.word(0), len as u64);
        // Nearly all names end in the first word.
        for at in (8..len).step_by(16) {
            fold = fold.pair(text.word(at), text.word(at + 8));
        }
        fold
    }
}

impl Core {
    /// The digest of all steps so far. See [`Input::Check`].
    pub fn digest(&self) -> u64 {
        self.digest
    }

    #[inline]
    fn fold(&mut self, object: Fold) {
        self.digest = mix(self.digest ^ PI[0], PI[3] ^ object.0);
    }

    /// Two numbers that say what was touched.
    #[inline]
    pub(super) fn fold_pair(&mut self, a: u64, b: u64) {
        self.fold(Fold::new(0).pair(a, b));
    }

    /// Ends a step.
    pub(super) fn fold_step(&mut self, input: &Input<'_>) {
        let (counts, policy) = (&self.counts, &self.policy);
        let sizes = Fold::new(1)
            .pair(self.accounts.len() as u64, self.orders.len() as u64)
            .pair(self.legs.len() as u64, self.waiting.len() as u64)
            .pair(self.symbols.len() as u64, self.names.len() as u64)
            .pair(self.unsignalled as u64, self.generation)
            .pair(counts.fills, counts.signals)
            .pair(counts.gaps, counts.backfills);
        let modes = u64::from(policy.emit == Emit::Frame) | u64::from(policy.emit_final) << 1;
        let settings = Fold::new(2)
            .pair(policy.timeout_ns, policy.status_grace_ns)
            .pair(policy.status_ttl_ns, policy.dedup_window_ms)
            .pair(u64::from(input_kind(input)) | modes << 32, self.now_ns);
        self.fold(sizes.pair(settings.0, 0));
    }

    /// An account was touched: all of it but what its chains, keys, held fills and orders are, whose numbers tell.
    pub(super) fn fold_account(&mut self, key: AccountKey) {
        let account = &self.accounts[key];
        let flags = [
            account.watched,
            account.start == StartFrom::Snapshot,
            account.baselined,
            account.synced,
            account.joined,
            account.fed,
        ];
        let flags = flags
            .into_iter()
            .fold(u64::from(account.blind), |bits, flag| bits << 1 | u64::from(flag));
        let (why, since_ns, asked_ns) = match account.hold {
            None => (0, 0, 0),
            Some(Hold::Break { since_ns }) => (1, since_ns, 0),
            Some(Hold::Asked { since_ns, asked_ns, joins: false, .. }) => (2, since_ns, asked_ns),
            Some(Hold::Rest { since_ns, force }) => (3, since_ns, u64::from(force)),
            Some(Hold::Asked { since_ns, asked_ns, joins: true, .. }) => (4, since_ns, asked_ns),
            Some(Hold::Snapshot { since_ns }) => (5, since_ns, 0),
            Some(Hold::Owed { since_ns, asked_ns, from_ms }) => {
                (6, since_ns, asked_ns ^ from_ms.rotate_left(32))
            }
        };
        let inside = Fold::new(3)
            .pair(flags << 8 | why, account.armed_ns)
            .pair(since_ns, asked_ns)
            .pair(account.floor_ms, account.last_ms)
            .pair(account.keys.len() as u64, account.held.len() as u64)
            .pair(account.baseline_orders.len() as u64, account.baselined_ns)
            .pair(account.chain.stands().len() as u64, account.chain.passed().len() as u64);
        // What signals say of it.
        let address = &account.address.0;
        let word = |at: usize| {
            u64::from_le_bytes(address[at..at + 8].try_into().expect("8 bytes of an address"))
        };
        let outside = Fold::new(4)
            .pair(word(0), word(8))
            // The last 4 bytes, and 4 again.
            .pair(word(12), key as u64)
            .optional(account.account_value)
            .optional(account.spot_total);
        self.fold(inside.pair(outside.0, 0));
    }

    /// A chain went on.
    pub(super) fn fold_stand(&mut self, stand: &Stand) {
        self.fold(
            Fold::new(5)
                .decimal(stand.end)
                .decimal(stand.run_start)
                .pair(stand.run_ms, u64::from(stand.run_known)),
        );
    }

    /// An order was touched, and its legs. Its account is folded by who touched it.
    pub(super) fn fold_order(&mut self, key: OrderKey) {
        let order = &self.orders[key];
        let mut fold = Fold::new(6)
            .pair(order.oid, order.generation)
            .pair(order.unsignalled_ns, order.grace_from_ns)
            .pair(order.touched_ns, order.armed_ns)
            .decimal(order.filled)
            .text(&order.coin);
        let flags = u64::from(order.partial_history) | u64::from(order.cloid.is_some()) << 1;
        fold = fold.pair(flags, u64::from(order.terminal.is_some()));
        if let Some(cloid) = order.cloid {
            let number = u128::from_le_bytes(cloid);
            fold = fold.pair(number as u64, (number >> 64) as u64);
        }
        if let Some(terminal) = &order.terminal {
            fold = fold.text(&terminal.status).optional(terminal.filled);
        }
        order.each_leg(&self.legs, |leg| fold = fold.pair(of_leg(leg).0, 0));
        self.fold(fold.pair(order.account as u64, 0));
    }

    /// A signal says what its coin is called.
    pub(super) fn fold_symbol(&mut self, entry: &SymbolEntry) {
        let word = (entry.asset_type as u64) << 8 | u64::from(entry.coin_type);
        self.fold(Fold::new(7).text(&entry.symbol).pair(word, 0));
    }
}

fn of_leg(leg: &Leg) -> Fold {
    let (kind, open) = (&leg.kind, &leg.open);
    let words = [
        kind.name.number(),
        kind.direction as u8,
        kind.side as u8,
        kind.asset_type as u8,
        u8::from(leg.is_final),
        open.reason.map_or(0, |reason| reason as u8 + 1),
        0,
        0,
    ];
    let mut fold = Fold::new(8)
        .pair(u64::from_le_bytes(words), u64::from(leg.revision) << 32 | u64::from(open.fills))
        .pair(leg.last_ms, open.first_ms)
        .decimal(leg.first_start)
        .decimal(leg.size)
        .decimal(leg.notional);
    if let crate::fill::Dir::Other(label) = &kind.name {
        fold = fold.text(label);
    }
    if open.fills > 0 {
        let unsignalled = Fold::new(9)
            .decimal(open.size)
            .decimal(open.notional)
            .decimal(open.closed_pnl)
            .decimal(open.fee)
            .text(&open.fee_token);
        fold = fold.pair(unsignalled.0, 0);
    }
    fold
}
