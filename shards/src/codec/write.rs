//! From inputs and events to bytes.

use super::{ASSETS, DIRECTIONS, EMITS, REASONS, SIDES, STARTS, TRIGGERS};
use crate::decimal::Decimal;
use crate::event::{Event, Signal};
use crate::fill::{Dir, Fill, Side};
use crate::input::{Baseline, Input, Origin, Policy, SymbolEntry};
use crate::text::Text;

/// Appends the body of an input's record.
pub fn encode_input(input: &Input<'_>, out: &mut Vec<u8>) {
    match input {
        Input::Policy(policy) => put_policy(policy, out),
        Input::Watch { address, start } => {
            out.extend_from_slice(&address.0);
            out.push(place(&STARTS, start));
        }
        Input::Unwatch { address }
        | Input::BackfillFailed { address }
        | Input::Disconnected { address } => {
            out.extend_from_slice(&address.0);
        }
        Input::Joined { address, at_ms, continues } => {
            out.extend_from_slice(&address.0);
            out.push(u8::from(*continues));
            put_varint(*at_ms, out);
        }
        Input::Baseline { address, baseline } => {
            out.extend_from_slice(&address.0);
            put_baseline(baseline, out);
        }
        Input::Fills { address, origin, fills } => {
            out.extend_from_slice(&address.0);
            out.push(origin_byte(*origin));
            put_fills(fills, out);
        }
        Input::Statuses(statuses) => {
            put_varint(statuses.len() as u64, out);
            for status in *statuses {
                put_varint(status.oid, out);
                put_text(&status.status, out);
                put_decimal(status.orig_sz, out);
                put_decimal(status.sz, out);
                put_varint(status.time_ms, out);
            }
        }
        Input::Worth { address, account_value, spot_total } => {
            out.extend_from_slice(&address.0);
            out.push(u8::from(account_value.is_some()) | u8::from(spot_total.is_some()) << 1);
            account_value.iter().chain(spot_total).for_each(|value| put_decimal(*value, out));
        }
        Input::Symbols(entries) => {
            put_varint(entries.len() as u64, out);
            entries.iter().for_each(|entry| put_symbol(entry, out));
        }
        Input::Tick | Input::Started => {}
        Input::Check { digest } => out.extend_from_slice(&digest.to_le_bytes()),
    }
}

/// Appends the body of an event's record.
pub fn encode_event(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Signal(signal) => put_signal(signal, out),
        Event::Gap(gap) => {
            out.extend_from_slice(&gap.address.0);
            put_text(&gap.coin, out);
            put_varint(gap.from_ms, out);
            put_varint(gap.to_ms, out);
            put_decimal(gap.expected, out);
            put_decimal(gap.found, out);
        }
    }
}

/// The byte of an enumeration's value: its place in the table.
pub(crate) fn place<T: PartialEq>(table: &[T], value: &T) -> u8 {
    table.iter().position(|entry| entry == value).expect("the tables are total") as u8
}

fn origin_byte(origin: Origin) -> u8 {
    match origin {
        Origin::Live => 0,
        Origin::Snapshot { last, reaches } => 1 | u8::from(last) << 1 | u8::from(reaches) << 2,
        Origin::Backfill { last } => 8 | u8::from(last) << 1,
    }
}

/// Appends an unsigned LEB128 varint.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a decimal: zigzag varint mantissa, scale byte.
pub(crate) fn put_decimal(value: Decimal, out: &mut Vec<u8>) {
    let m = value.mantissa();
    let mut zigzag = (m << 1 ^ m >> 127) as u128;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
    out.push(value.scale());
}

/// Appends a text: length byte, UTF-8.
pub(crate) fn put_text<const N: usize>(text: &Text<N>, out: &mut Vec<u8>) {
    out.push(text.as_str().len() as u8);
    out.extend_from_slice(text.as_str().as_bytes());
}

/// Appends a label: its text.
pub(crate) fn put_dir(dir: &Dir, out: &mut Vec<u8>) {
    put_text(&Text::<47>::new(dir.as_str()), out);
}

/// Appends the settings.
pub(crate) fn put_policy(policy: &Policy, out: &mut Vec<u8>) {
    out.push(place(&EMITS, &policy.emit));
    out.push(u8::from(policy.emit_final));
    let times =
        [policy.timeout_ns, policy.status_grace_ns, policy.status_ttl_ns, policy.dedup_window_ms];
    times.iter().for_each(|&time| put_varint(time, out));
}

/// Appends what a coin is called.
pub(crate) fn put_symbol(entry: &SymbolEntry, out: &mut Vec<u8>) {
    put_text(&entry.coin, out);
    put_text(&entry.symbol, out);
    out.push(place(&ASSETS, &entry.asset_type));
    out.push(entry.coin_type);
}

fn put_baseline(baseline: &Baseline<'_>, out: &mut Vec<u8>) {
    put_varint(baseline.newest_ms, out);
    put_fills(baseline.newest, out);
    put_varint(baseline.chain.len() as u64, out);
    for (coin, position) in baseline.chain {
        put_text(coin, out);
        put_decimal(*position, out);
    }
    put_varint(baseline.orders.len() as u64, out);
    for (oid, filled) in baseline.orders {
        put_varint(*oid, out);
        put_decimal(*filled, out);
    }
}

fn put_fills(fills: &[Fill], out: &mut Vec<u8>) {
    put_varint(fills.len() as u64, out);
    fills.iter().for_each(|fill| put_fill(fill, out));
}

/// Appends a fill. Flags: 1 sell, 2 taker, 4 cloid, 8 liquidation.
pub(crate) fn put_fill(fill: &Fill, out: &mut Vec<u8>) {
    out.push(
        u8::from(fill.side == Side::Sell)
            | u8::from(fill.crossed) << 1
            | u8::from(fill.cloid.is_some()) << 2
            | u8::from(fill.liquidation.is_some()) << 3,
    );
    put_text(&fill.coin, out);
    put_dir(&fill.dir, out);
    put_text(&fill.fee_token, out);
    for number in [fill.px, fill.sz, fill.start_position, fill.closed_pnl, fill.fee] {
        put_decimal(number, out);
    }
    for number in [fill.time_ms, fill.oid, fill.tid] {
        put_varint(number, out);
    }
    if let Some(cloid) = &fill.cloid {
        out.extend_from_slice(cloid);
    }
    if let Some(liquidation) = &fill.liquidation {
        out.extend_from_slice(&liquidation.user.0);
        put_text(&liquidation.method, out);
    }
}

/// Flags: 1 final, 2 partial history, 4 cloid, 8 status, 16 position rate.
fn put_signal(s: &Signal, out: &mut Vec<u8>) {
    out.push(
        u8::from(s.is_final)
            | u8::from(s.partial_history) << 1
            | u8::from(s.cloid.is_some()) << 2
            | u8::from(s.status.is_some()) << 3
            | u8::from(s.position_rate.is_some()) << 4,
    );
    out.extend_from_slice(&s.address.0);
    out.extend_from_slice(&[
        place(&ASSETS, &s.asset_type),
        s.coin_type,
        place(&DIRECTIONS, &s.direction),
        place(&SIDES, &s.side),
        place(&TRIGGERS, &s.trigger),
        place(&REASONS, &s.reason),
    ]);
    put_text(&s.coin, out);
    put_text(&s.symbol, out);
    put_dir(&s.leg, out);
    put_text(&s.fee_token, out);
    for number in [
        s.close_rate,
        s.size,
        s.notional,
        s.price,
        s.order_size,
        s.order_notional,
        s.closed_pnl,
        s.fee,
    ] {
        put_decimal(number, out);
    }
    for number in [s.timestamp_ms, s.last_fill_ms, s.oid, u64::from(s.revision), u64::from(s.fills)]
    {
        put_varint(number, out);
    }
    if let Some(cloid) = &s.cloid {
        out.extend_from_slice(cloid);
    }
    if let Some(status) = &s.status {
        put_text(status, out);
    }
    if let Some(rate) = s.position_rate {
        put_decimal(rate, out);
    }
}
