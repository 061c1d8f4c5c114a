//! The state of a shard as bytes: all that decides a later output, and nothing else. The way back is in `restore.rs`.
//!
//! A state has one form: [`Core::decode`] refuses every other, so equal states have equal bytes and the hash of the bytes
//! is the hash of the state. Slab keys, timer entries and scratch are not in it. Numbers and texts are written as in the
//! journal's records (`codec/mod.rs`); a list is a count and its items.
//!
//! | part | bytes |
//! |---|---|
//! | head | version u8 = 2, now, newest generation, digest u64, fills, signals, gaps, back-fills, policy as in its record |
//! | names | list of texts, each once; its place is its number |
//! | symbols | list of {coin, symbol, asset u8, coin_type u8}, coins ascending |
//! | waiting statuses | list of {oid, queued, heard, end}, in order of the queue |
//! | accounts | list of accounts; its place is its number |
//! | orders | list of orders, generations ascending; those that share an oid are found newest first |
//! | end (of an order) | flags u8 (1 says what was filled), status, what the flag names: decimal |
//! | account | address 20, flags u8 (1 watched, 2 from the snapshot, 4 baselined, 8 synced, 16 joined, 32 account value, 64 spot total, 128 fed), floor, last, armed, baselined, hold, values that the flags name, list of chains, list of {coin, position} passed, ascending, list of {oid, filled} with oids ascending, list of held fills as in their record, list of keys |
//! | hold | u8: 0 none; 1 break, since; 2 asked, since, asked; 3 rest, since; 4 rest by force, since; 5 asked, and the answer joins: since, asked; 6 no snapshot yet, since; 7 owed: since, asked, from; + 128 if the account began without a snapshot |
//! | chain | coin, end, time of the run, start of the run, known u8; coins ascending |
//! | key | time since the key before, id as a zigzag difference from the key before, number of the coin * 2 + 1 if a label follows, number of the label; ascending by (time, id, coin, label) |
//! | order | generation since the order before, number of the account, oid, flags u8 (1 partial history, 2 cloid, 4 end), coin, filled, unsignalled, grace from, touched, armed, what the flags name: cloid 16, end; list of legs |
//! | leg | name, direction u8, side u8, asset u8, final u8, start, size, notional, newest time, revision, number of unsignalled fills; if there are any: reason u8, their size, notional, pnl, fee, fee token, first time |

use super::account::Account;
use super::hold::Hold;
use super::leg::Leg;
use super::order::{Order, Terminal};
use super::{Core, Waiting};
use crate::codec::{
    ASSETS, DIRECTIONS, REASONS, SIDES, place, put_decimal, put_dir, put_fill, put_policy,
    put_symbol, put_text, put_varint,
};
use crate::input::StartFrom;

/// The form of the bytes.
pub(super) const VERSION: u8 = 2;

fn put_count(count: usize, out: &mut Vec<u8>) {
    put_varint(count as u64, out);
}

impl Core {
    /// Appends the state. Costs a pass over everything.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        put_varint(self.now_ns, out);
        put_varint(self.generation, out);
        out.extend_from_slice(&self.digest.to_le_bytes());
        let counts = &self.counts;
        for count in [counts.fills, counts.signals, counts.gaps, counts.backfills] {
            put_varint(count, out);
        }
        put_policy(&self.policy, out);
        let names = self.names.in_order();
        put_count(names.len(), out);
        names.iter().for_each(|name| put_text(name, out));
        let mut symbols: Vec<_> = self.symbols.values().collect();
        symbols.sort_unstable_by_key(|entry| entry.coin);
        put_count(symbols.len(), out);
        symbols.iter().for_each(|entry| put_symbol(entry, out));
        put_count(self.waiting_order.len(), out);
        for (queued_ns, oid) in &self.waiting_order {
            put_waiting(*oid, *queued_ns, &self.waiting[oid], out);
        }
        put_count(self.accounts.len(), out);
        for (at, (key, account)) in self.accounts.iter().enumerate() {
            assert_eq!(at, key, "accounts are never removed: their slab keys are their numbers");
            put_account(account, out);
        }
        let mut orders: Vec<&Order> = self.orders.iter().map(|(_, order)| order).collect();
        orders.sort_unstable_by_key(|order| order.generation);
        put_count(orders.len(), out);
        let mut generation = 0;
        for order in orders {
            put_varint(order.generation - generation, out);
            generation = order.generation;
            self.put_order(order, out);
        }
    }

    /// One number for all that a shard knows, equal after live work and after replay of the same journal: xxh3-64 over
    /// the bytes of the state. Costs a pass over everything; for checks, not for the hot path.
    pub fn state_hash(&self) -> u64 {
        let mut out = Vec::new();
        self.encode(&mut out);
        xxhash_rust::xxh3::xxh3_64(&out)
    }

    fn put_order(&self, order: &Order, out: &mut Vec<u8>) {
        put_count(order.account, out);
        put_varint(order.oid, out);
        out.push(
            u8::from(order.partial_history)
                | u8::from(order.cloid.is_some()) << 1
                | u8::from(order.terminal.is_some()) << 2,
        );
        put_text(&order.coin, out);
        put_decimal(order.filled, out);
        for time in [order.unsignalled_ns, order.grace_from_ns, order.touched_ns, order.armed_ns] {
            put_varint(time, out);
        }
        order.cloid.iter().for_each(|cloid| out.extend_from_slice(cloid));
        order.terminal.iter().for_each(|terminal| put_terminal(terminal, out));
        let mut legs = 0;
        order.each_leg(&self.legs, |_| legs += 1);
        put_count(legs, out);
        order.each_leg(&self.legs, |leg| put_leg(leg, out));
    }
}

fn put_terminal(terminal: &Terminal, out: &mut Vec<u8>) {
    out.push(u8::from(terminal.filled.is_some()));
    put_text(&terminal.status, out);
    terminal.filled.iter().for_each(|filled| put_decimal(*filled, out));
}

fn put_waiting(oid: u64, queued_ns: u64, waiting: &Waiting, out: &mut Vec<u8>) {
    [oid, queued_ns, waiting.heard_ns].iter().for_each(|&number| put_varint(number, out));
    put_terminal(&waiting.terminal, out);
}

fn put_account(account: &Account, out: &mut Vec<u8>) {
    out.extend_from_slice(&account.address.0);
    let flags = [
        account.watched,
        account.start == StartFrom::Snapshot,
        account.baselined,
        account.synced,
        account.joined,
        account.account_value.is_some(),
        account.spot_total.is_some(),
        account.fed,
    ];
    out.push((0..).zip(flags).fold(0, |bits, (at, flag)| bits | u8::from(flag) << at));
    for time in [account.floor_ms, account.last_ms, account.armed_ns, account.baselined_ns] {
        put_varint(time, out);
    }
    put_hold(account.hold, account.blind, out);
    let values = account.account_value.iter().chain(&account.spot_total);
    values.for_each(|value| put_decimal(*value, out));
    put_count(account.chain.stands().len(), out);
    for stand in account.chain.stands() {
        put_text(&stand.coin, out);
        put_decimal(stand.end, out);
        put_varint(stand.run_ms, out);
        put_decimal(stand.run_start, out);
        out.push(u8::from(stand.run_known));
    }
    put_count(account.chain.passed().len(), out);
    for (coin, position) in account.chain.passed() {
        put_text(coin, out);
        put_decimal(*position, out);
    }
    put_count(account.baseline_orders.len(), out);
    for (oid, filled) in &account.baseline_orders {
        put_varint(*oid, out);
        put_decimal(*filled, out);
    }
    put_count(account.held.len(), out);
    account.held.iter().for_each(|fill| put_fill(fill, out));
    put_keys(account, out);
}

fn put_hold(hold: Option<Hold>, blind: bool, out: &mut Vec<u8>) {
    let (kind, times) = match hold {
        None => (0, [None; 3]),
        Some(Hold::Break { since_ns }) => (1, [Some(since_ns), None, None]),
        Some(Hold::Asked { since_ns, asked_ns, from_ms, joins }) => {
            (if joins { 5 } else { 2 }, [Some(since_ns), Some(asked_ns), Some(from_ms)])
        }
        Some(Hold::Rest { since_ns, force: false }) => (3, [Some(since_ns), None, None]),
        Some(Hold::Rest { since_ns, force: true }) => (4, [Some(since_ns), None, None]),
        Some(Hold::Snapshot { since_ns }) => (6, [Some(since_ns), None, None]),
        Some(Hold::Owed { since_ns, asked_ns, from_ms }) => {
            (7, [Some(since_ns), Some(asked_ns), Some(from_ms)])
        }
    };
    out.push(kind | u8::from(blind) << 7);
    times.iter().flatten().for_each(|&time| put_varint(time, out));
}

/// The keys are by far the most there is.
fn put_keys(account: &Account, out: &mut Vec<u8>) {
    put_count(account.keys.len(), out);
    out.reserve(12 * account.keys.len());
    let (mut time_ms, mut id) = (0, 0u64);
    for key in &account.keys {
        put_varint(key.time_ms - time_ms, out);
        let difference = key.id.wrapping_sub(id) as i64;
        put_varint((difference << 1 ^ difference >> 63) as u64, out);
        put_varint(u64::from(key.coin) << 1 | u64::from(key.dir != 0), out);
        if key.dir != 0 {
            put_varint(u64::from(key.dir - 1), out);
        }
        (time_ms, id) = (key.time_ms, key.id);
    }
}

fn put_leg(leg: &Leg, out: &mut Vec<u8>) {
    let (kind, open) = (&leg.kind, &leg.open);
    put_dir(&kind.name, out);
    out.extend_from_slice(&[
        place(&DIRECTIONS, &kind.direction),
        place(&SIDES, &kind.side),
        place(&ASSETS, &kind.asset_type),
        u8::from(leg.is_final),
    ]);
    [leg.first_start, leg.size, leg.notional].iter().for_each(|&sum| put_decimal(sum, out));
    for number in [leg.last_ms, u64::from(leg.revision), u64::from(open.fills)] {
        put_varint(number, out);
    }
    if open.fills > 0 {
        out.push(place(&REASONS, &open.reason));
        for sum in [open.size, open.notional, open.closed_pnl, open.fee] {
            put_decimal(sum, out);
        }
        put_text(&open.fee_token, out);
        put_varint(open.first_ms, out);
    }
}
