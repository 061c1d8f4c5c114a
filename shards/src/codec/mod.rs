//! Bytes of the journal's records: inputs and events.
//!
//! Little-endian; numbers are LEB128 varints (signed ones zigzag), decimals are a varint mantissa and a scale byte,
//! texts a length byte and UTF-8. The kind of a record is the journal's field, not part of the body. A record has one
//! form: padded numbers, decimals with trailing zeros and unknown flags are refused.
//!
//! | kind | record | body |
//! |---|---|---|
//! | 1 | Policy | emit u8, emit_final u8, timeout, grace, ttl, window (varints) |
//! | 2 | Watch | address 20, start u8 |
//! | 3 | Unwatch | address 20 |
//! | 4 | Baseline | address 20, newest varint, fills, chain (count, {coin, decimal}), orders (count, {oid, decimal}) |
//! | 5 | Fills | address 20, origin u8 (0 live; 1 snapshot, +2 last, +4 reaches; 8 back-fill, +2 last), fills |
//! | 6 | BackfillFailed | address 20 |
//! | 7 | Statuses | count, {oid, status, orig_sz, sz, time} |
//! | 8 | Worth | address 20, presence u8 (1 account value, 2 spot total), the decimals that are present |
//! | 9 | Symbols | count, {coin, symbol, asset u8, coin_type u8} |
//! | 10 | Tick | empty |
//! | 11 | Disconnected | address 20 |
//! | 12 | Started | empty |
//! | 14 | Joined | address 20, continues u8, at varint |
//! | 15 | Check | digest u64; of these rules: a program whose steps give other digests takes another kind (13 was one), and reads only its own |
//! | 101 | Signal | flags u8 (1 final, 2 partial history, 4 cloid, 8 status, 16 position rate), address 20, asset u8, coin_type u8, direction u8, side u8, trigger u8, reason u8, coin, symbol, leg, fee token, close rate, size, notional, price, order size, order notional, closed pnl, fee, timestamp, last fill, oid, revision, fills, then what the flags name: cloid 16, status, position rate |
//! | 102 | Gap | address 20, coin, from, to, expected, found |
//!
//! Fills are a count and, for each, flags u8 (1 sell, 2 taker, 4 cloid, 8 liquidation), coin, dir, fee token, price,
//! size, start position, closed pnl, fee, time, oid, tid, then what the flags name: cloid 16, user 20 and method.

mod read;
mod write;

use crate::decimal::Decimal;
use crate::event::{AssetType, Direction, Event, PositionSide, Reason, Trigger};
use crate::fill::{Fill, OrderStatus};
use crate::input::{Emit, Input, StartFrom, SymbolEntry};
use crate::text::Coin;

pub(crate) use read::Reader;
pub use read::{decode_event, decode_input};
pub use write::{encode_event, encode_input};
pub(crate) use write::{
    place, put_decimal, put_dir, put_fill, put_policy, put_symbol, put_text, put_varint,
};

/// Why a record's body cannot be read: the journal's checksum was right, so the writer or the version was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    /// The body ends before the record does.
    #[error("the record ends early, at byte {at}")]
    Short {
        /// Offset in the body.
        at: usize,
    },
    /// A value that no writer of this version makes.
    #[error("byte {at} of the record is not a valid {what}")]
    Invalid {
        /// Offset in the body.
        at: usize,
        /// What was expected there.
        what: &'static str,
    },
    /// A kind that this version does not know.
    #[error("record kind {kind} is not known")]
    Kind {
        /// The kind.
        kind: u16,
    },
}

/// Room for what a decoded input borrows. Reused, so that replay does not allocate per record.
#[derive(Default)]
pub struct Scratch {
    fills: Vec<Fill>,
    statuses: Vec<OrderStatus>,
    symbols: Vec<SymbolEntry>,
    chain: Vec<(Coin, Decimal)>,
    orders: Vec<(u64, Decimal)>,
}

/// The kind of an input's record.
pub fn input_kind(input: &Input<'_>) -> u16 {
    match input {
        Input::Policy(_) => 1,
        Input::Watch { .. } => 2,
        Input::Unwatch { .. } => 3,
        Input::Baseline { .. } => 4,
        Input::Fills { .. } => 5,
        Input::BackfillFailed { .. } => 6,
        Input::Statuses(_) => 7,
        Input::Worth { .. } => 8,
        Input::Symbols(_) => 9,
        Input::Tick => 10,
        Input::Disconnected { .. } => 11,
        Input::Started => 12,
        Input::Check { .. } => 15,
        Input::Joined { .. } => 14,
    }
}

/// The kind of an event's record.
pub fn event_kind(event: &Event) -> u16 {
    match event {
        Event::Signal(_) => 101,
        Event::Gap(_) => 102,
    }
}

// Enumerations are one byte: the place in these tables, for ever.
const STARTS: [StartFrom; 2] = [StartFrom::Now, StartFrom::Snapshot];
const EMITS: [Emit; 2] = [Emit::Order, Emit::Frame];
pub(crate) const ASSETS: [AssetType; 2] = [AssetType::Futures, AssetType::Spot];
pub(crate) const DIRECTIONS: [Direction; 3] = [Direction::Open, Direction::Close, Direction::Other];
pub(crate) const SIDES: [PositionSide; 2] = [PositionSide::Long, PositionSide::Short];
const TRIGGERS: [Trigger; 4] = [Trigger::Status, Trigger::Grace, Trigger::Timeout, Trigger::Frame];
pub(crate) const REASONS: [Option<Reason>; 4] =
    [None, Some(Reason::Liquidation), Some(Reason::AutoDeleveraging), Some(Reason::Settlement)];

#[cfg(test)]
mod tests;
