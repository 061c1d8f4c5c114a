//! One number for all that a shard knows: equal after live work and after replay of the same journal.
//!
//! Everything that can decide a later output is in it, in an order that no hash map decides. Timer entries and scratch
//! are not: they follow from the rest.

use super::Core;
use super::account::Hold;
use super::order::Terminal;
use crate::codec::{put_decimal, put_dir, put_fill, put_policy, put_text, put_varint};
use crate::decimal::Decimal;
use crate::event::Reason;
use crate::input::StartFrom;

fn put_optional(value: Option<Decimal>, out: &mut Vec<u8>) {
    out.push(u8::from(value.is_some()));
    value.iter().for_each(|value| put_decimal(*value, out));
}

fn put_terminal(terminal: &Terminal, out: &mut Vec<u8>) {
    put_text(&terminal.status, out);
    put_optional(terminal.filled, out);
}

impl Core {
    /// The hash: xxh3-64 over the canonical bytes of the state. Costs a pass over everything; for checks, not for
    /// the hot path.
    pub fn state_hash(&self) -> u64 {
        let mut out = Vec::new();
        put_policy(&self.policy, &mut out);
        for count in
            [self.counts.fills, self.counts.signals, self.counts.gaps, self.counts.backfills]
        {
            put_varint(count, &mut out);
        }
        for count in
            [self.accounts.len(), self.orders.len(), self.waiting.len(), self.symbols.len()]
        {
            put_varint(count as u64, &mut out);
        }
        self.put_accounts(&mut out);
        self.put_orders(&mut out);
        let mut waiting: Vec<_> = self.waiting.iter().collect();
        waiting.sort_unstable_by_key(|(oid, _)| **oid);
        for (oid, waiting) in waiting {
            put_varint(*oid, &mut out);
            put_varint(waiting.heard_ns, &mut out);
            put_terminal(&waiting.terminal, &mut out);
        }
        let mut symbols: Vec<_> = self.symbols.values().collect();
        symbols.sort_unstable_by_key(|entry| entry.coin);
        for entry in symbols {
            put_text(&entry.coin, &mut out);
            put_text(&entry.symbol, &mut out);
            out.extend_from_slice(&[entry.asset_type as u8, entry.coin_type]);
        }
        xxhash_rust::xxh3::xxh3_64(&out)
    }

    fn put_accounts(&self, out: &mut Vec<u8>) {
        let mut accounts: Vec<_> = self.accounts.iter().map(|(_, account)| account).collect();
        accounts.sort_unstable_by_key(|account| account.address);
        for account in accounts {
            out.extend_from_slice(&account.address.0);
            out.push(u8::from(account.start == StartFrom::Snapshot));
            for flag in [account.watched, account.baselined, account.synced, account.joined] {
                out.push(u8::from(flag));
            }
            // Lists are told apart by their lengths.
            for number in [
                account.floor_ms,
                account.last_ms,
                account.chain.stands().len() as u64,
                account.keys.len() as u64,
                account.baseline_orders.len() as u64,
                account.held.len() as u64,
            ] {
                put_varint(number, out);
            }
            for stand in account.chain.stands() {
                put_text(&stand.coin, out);
                put_decimal(stand.end, out);
                put_varint(stand.run_ms, out);
                put_decimal(stand.run_start, out);
                out.push(u8::from(stand.run_known));
            }
            let mut keys: Vec<_> = account.keys.iter().collect();
            keys.sort_unstable();
            for key in keys {
                for number in [key.time_ms, key.id, u64::from(key.coin), u64::from(key.dir)] {
                    put_varint(number, out);
                }
            }
            for (oid, filled) in &account.baseline_orders {
                put_varint(*oid, out);
                put_decimal(*filled, out);
            }
            account.held.iter().for_each(|fill| put_fill(fill, out));
            match account.hold {
                None => out.push(0),
                Some(Hold::Break { since_ns }) => {
                    out.push(1);
                    put_varint(since_ns, out);
                }
                Some(Hold::Asked { since_ns, asked_ns }) => {
                    out.push(2);
                    put_varint(since_ns, out);
                    put_varint(asked_ns, out);
                }
                Some(Hold::Rest { since_ns, force }) => {
                    out.extend_from_slice(&[3, u8::from(force)]);
                    put_varint(since_ns, out);
                }
            }
            put_optional(account.account_value, out);
            put_optional(account.spot_total, out);
        }
    }

    fn put_orders(&self, out: &mut Vec<u8>) {
        let mut orders: Vec<_> = self.orders.iter().map(|(_, order)| order).collect();
        orders.sort_unstable_by_key(|order| (order.oid, self.accounts[order.account].address));
        for order in orders {
            put_varint(order.oid, out);
            out.extend_from_slice(&self.accounts[order.account].address.0);
            put_text(&order.coin, out);
            out.push(u8::from(order.cloid.is_some()));
            order.cloid.iter().for_each(|cloid| out.extend_from_slice(cloid));
            put_decimal(order.filled, out);
            out.push(u8::from(order.partial_history));
            out.push(u8::from(order.terminal.is_some()));
            order.terminal.iter().for_each(|terminal| put_terminal(terminal, out));
            for time in [order.unsignalled_ns, order.grace_from_ns, order.touched_ns] {
                put_varint(time, out);
            }
            order.each_leg(&self.legs, |leg| {
                out.push(1);
                put_dir(&leg.kind.name, out);
                let reason = leg.open.reason.map_or("", Reason::as_str);
                for word in [leg.kind.side.as_str(), reason, leg.open.fee_token.as_str()] {
                    put_text::<31>(&word.into(), out);
                }
                out.push(u8::from(leg.is_final));
                for number in [
                    leg.first_start,
                    leg.size,
                    leg.notional,
                    leg.open.size,
                    leg.open.notional,
                    leg.open.closed_pnl,
                    leg.open.fee,
                ] {
                    put_decimal(number, out);
                }
                for number in [
                    u64::from(leg.revision),
                    u64::from(leg.open.fills),
                    leg.open.first_ms,
                    leg.last_ms,
                ] {
                    put_varint(number, out);
                }
            });
            // No leg follows.
            out.push(0);
        }
    }
}
