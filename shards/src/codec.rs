//! Bytes of the journal's records: inputs and events.
//!
//! Little-endian; numbers are LEB128 varints (signed ones zigzag), decimals are a varint mantissa and a scale byte,
//! texts a length byte and UTF-8. The kind of a record is the journal's field, not part of the body.
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
//! | 101 | Signal | see [`encode_event`] |
//! | 102 | Gap | address 20, coin, from, to, expected, found |

use crate::address::Address;
use crate::decimal::{Decimal, SCALE_MAX};
use crate::event::{AssetType, Direction, Event, Gap, PositionSide, Reason, Signal, Trigger};
use crate::fill::{Dir, Fill, Liquidation, OrderStatus, Side};
use crate::input::{Baseline, Emit, Input, Origin, Policy, StartFrom, SymbolEntry};
use crate::text::{Coin, Text};

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
    }
}

/// The kind of an event's record.
pub fn event_kind(event: &Event) -> u16 {
    match event {
        Event::Signal(_) => 101,
        Event::Gap(_) => 102,
    }
}

/// Appends the body of an input's record.
pub fn encode_input(input: &Input<'_>, out: &mut Vec<u8>) {
    match input {
        Input::Policy(policy) => put_policy(policy, out),
        Input::Watch { address, start } => {
            out.extend_from_slice(&address.0);
            out.push(u8::from(*start == StartFrom::Snapshot));
        }
        Input::Unwatch { address }
        | Input::BackfillFailed { address }
        | Input::Disconnected { address } => {
            out.extend_from_slice(&address.0);
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
            for entry in *entries {
                put_text(&entry.coin, out);
                put_text(&entry.symbol, out);
                out.push(u8::from(entry.asset_type == AssetType::Spot));
                out.push(entry.coin_type);
            }
        }
        Input::Tick | Input::Started => {}
    }
}

/// Reads an input. It borrows from `scratch` until the next call.
pub fn decode_input<'a>(
    kind: u16,
    body: &[u8],
    scratch: &'a mut Scratch,
) -> Result<Input<'a>, CodecError> {
    let mut r = Reader { body, at: 0 };
    let input = match kind {
        1 => Input::Policy(r.policy()?),
        2 => Input::Watch { address: r.address()?, start: r.pick(&STARTS, "start")? },
        3 => Input::Unwatch { address: r.address()? },
        4 => {
            let address = r.address()?;
            Input::Baseline { address, baseline: r.baseline(scratch)? }
        }
        5 => {
            let address = r.address()?;
            let origin = r.origin()?;
            r.fills(&mut scratch.fills)?;
            Input::Fills { address, origin, fills: &scratch.fills }
        }
        6 => Input::BackfillFailed { address: r.address()? },
        7 => {
            r.list(&mut scratch.statuses, Reader::status)?;
            Input::Statuses(&scratch.statuses)
        }
        8 => {
            let address = r.address()?;
            let present = r.byte()?;
            let account_value = if present & 1 != 0 { Some(r.decimal()?) } else { None };
            let spot_total = if present & 2 != 0 { Some(r.decimal()?) } else { None };
            Input::Worth { address, account_value, spot_total }
        }
        9 => {
            r.list(&mut scratch.symbols, Reader::symbol)?;
            Input::Symbols(&scratch.symbols)
        }
        10 => Input::Tick,
        11 => Input::Disconnected { address: r.address()? },
        12 => Input::Started,
        kind => return Err(CodecError::Kind { kind }),
    };
    r.end()?;
    Ok(input)
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

/// Reads an event.
pub fn decode_event(kind: u16, body: &[u8]) -> Result<Event, CodecError> {
    let mut r = Reader { body, at: 0 };
    let event = match kind {
        101 => Event::Signal(r.signal()?),
        102 => Event::Gap(Gap {
            address: r.address()?,
            coin: r.text()?,
            from_ms: r.varint()?,
            to_ms: r.varint()?,
            expected: r.decimal()?,
            found: r.decimal()?,
        }),
        kind => return Err(CodecError::Kind { kind }),
    };
    r.end()?;
    Ok(event)
}

const STARTS: [StartFrom; 2] = [StartFrom::Now, StartFrom::Snapshot];
const EMITS: [Emit; 2] = [Emit::Order, Emit::Frame];
const ASSETS: [AssetType; 2] = [AssetType::Futures, AssetType::Spot];
const DIRECTIONS: [Direction; 3] = [Direction::Open, Direction::Close, Direction::Other];
const SIDES: [PositionSide; 2] = [PositionSide::Long, PositionSide::Short];
const TRIGGERS: [Trigger; 4] = [Trigger::Status, Trigger::Grace, Trigger::Timeout, Trigger::Frame];
const REASONS: [Option<Reason>; 4] =
    [None, Some(Reason::Liquidation), Some(Reason::AutoDeleveraging), Some(Reason::Settlement)];

fn place<T: PartialEq>(table: &[T], value: &T) -> u8 {
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

struct Reader<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn bytes(&mut self, n: usize) -> Result<&'b [u8], CodecError> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.body.len());
        let end = end.ok_or(CodecError::Short { at: self.at })?;
        let bytes = &self.body[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn invalid<T>(&self, what: &'static str) -> Result<T, CodecError> {
        Err(CodecError::Invalid { at: self.at.saturating_sub(1), what })
    }

    fn end(&self) -> Result<(), CodecError> {
        if self.at == self.body.len() { Ok(()) } else { self.invalid("end of the record") }
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        Ok(self.bytes(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        Ok(self.bytes(N)?.try_into().expect("bytes(N) has N bytes"))
    }

    fn address(&mut self) -> Result<Address, CodecError> {
        Ok(Address(self.array()?))
    }

    fn wide_varint(&mut self) -> Result<u128, CodecError> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            if shift == 126 && part > 3 {
                return self.invalid("number");
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        self.invalid("number")
    }

    fn varint(&mut self) -> Result<u64, CodecError> {
        let value = self.wide_varint()?;
        u64::try_from(value).or_else(|_| self.invalid("64-bit number"))
    }

    fn varint32(&mut self) -> Result<u32, CodecError> {
        let value = self.varint()?;
        u32::try_from(value).or_else(|_| self.invalid("32-bit number"))
    }

    fn decimal(&mut self) -> Result<Decimal, CodecError> {
        let zigzag = self.wide_varint()?;
        let mantissa = (zigzag >> 1) as i128 ^ -((zigzag & 1) as i128);
        let scale = self.byte()?;
        if scale > SCALE_MAX {
            return self.invalid("scale");
        }
        Ok(Decimal::new(mantissa, scale))
    }

    fn text<const N: usize>(&mut self) -> Result<Text<N>, CodecError> {
        let len = usize::from(self.byte()?);
        if len > N {
            return self.invalid("text length");
        }
        match std::str::from_utf8(self.bytes(len)?) {
            Ok(text) => Ok(Text::new(text)),
            Err(_) => self.invalid("UTF-8 text"),
        }
    }

    fn dir(&mut self) -> Result<Dir, CodecError> {
        Ok(Dir::new(self.text::<47>()?.as_str()))
    }

    fn pick<T: Copy>(&mut self, table: &[T], what: &'static str) -> Result<T, CodecError> {
        let place = usize::from(self.byte()?);
        table.get(place).copied().map_or_else(|| self.invalid(what), Ok)
    }

    /// Reads a counted list. Room grows with what is really there, never with what the count claims.
    fn list<T>(
        &mut self,
        into: &mut Vec<T>,
        item: fn(&mut Reader<'b>) -> Result<T, CodecError>,
    ) -> Result<(), CodecError> {
        into.clear();
        for _ in 0..self.varint()? {
            into.push(item(self)?);
        }
        Ok(())
    }

    fn policy(&mut self) -> Result<Policy, CodecError> {
        Ok(Policy {
            emit: self.pick(&EMITS, "emit mode")?,
            emit_final: self.byte()? != 0,
            timeout_ns: self.varint()?,
            status_grace_ns: self.varint()?,
            status_ttl_ns: self.varint()?,
            dedup_window_ms: self.varint()?,
        })
    }

    fn origin(&mut self) -> Result<Origin, CodecError> {
        let byte = self.byte()?;
        let last = byte & 2 != 0;
        match byte {
            0 => Ok(Origin::Live),
            _ if byte & !6 == 1 => Ok(Origin::Snapshot { last, reaches: byte & 4 != 0 }),
            _ if byte & !2 == 8 => Ok(Origin::Backfill { last }),
            _ => self.invalid("origin"),
        }
    }

    fn baseline<'a>(&mut self, scratch: &'a mut Scratch) -> Result<Baseline<'a>, CodecError> {
        let newest_ms = self.varint()?;
        self.fills(&mut scratch.fills)?;
        self.list(&mut scratch.chain, |r| Ok((r.text()?, r.decimal()?)))?;
        self.list(&mut scratch.orders, |r| Ok((r.varint()?, r.decimal()?)))?;
        Ok(Baseline {
            newest_ms,
            newest: &scratch.fills,
            chain: &scratch.chain,
            orders: &scratch.orders,
        })
    }

    fn fills(&mut self, into: &mut Vec<Fill>) -> Result<(), CodecError> {
        self.list(into, Reader::fill)
    }

    fn fill(&mut self) -> Result<Fill, CodecError> {
        let flags = self.byte()?;
        if flags > 15 {
            return self.invalid("fill flags");
        }
        let (coin, dir, fee_token) = (self.text()?, self.dir()?, self.text()?);
        let (px, sz, start_position) = (self.decimal()?, self.decimal()?, self.decimal()?);
        let (closed_pnl, fee) = (self.decimal()?, self.decimal()?);
        let (time_ms, oid, tid) = (self.varint()?, self.varint()?, self.varint()?);
        let cloid = if flags & 4 != 0 { Some(self.array()?) } else { None };
        let liquidation = if flags & 8 != 0 {
            Some(Liquidation { user: self.address()?, method: self.text()? })
        } else {
            None
        };
        let side = if flags & 1 != 0 { Side::Sell } else { Side::Buy };
        let crossed = flags & 2 != 0;
        Ok(Fill {
            coin,
            px,
            sz,
            side,
            time_ms,
            start_position,
            dir,
            closed_pnl,
            oid,
            crossed,
            fee,
            fee_token,
            tid,
            cloid,
            liquidation,
        })
    }

    fn status(&mut self) -> Result<OrderStatus, CodecError> {
        Ok(OrderStatus {
            oid: self.varint()?,
            status: self.text()?,
            orig_sz: self.decimal()?,
            sz: self.decimal()?,
            time_ms: self.varint()?,
        })
    }

    fn symbol(&mut self) -> Result<SymbolEntry, CodecError> {
        Ok(SymbolEntry {
            coin: self.text()?,
            symbol: self.text()?,
            asset_type: self.pick(&ASSETS, "asset type")?,
            coin_type: self.byte()?,
        })
    }

    fn signal(&mut self) -> Result<Signal, CodecError> {
        let flags = self.byte()?;
        if flags > 31 {
            return self.invalid("signal flags");
        }
        let address = self.address()?;
        let asset_type = self.pick(&ASSETS, "asset type")?;
        let coin_type = self.byte()?;
        let direction = self.pick(&DIRECTIONS, "direction")?;
        let side = self.pick(&SIDES, "side")?;
        let trigger = self.pick(&TRIGGERS, "trigger")?;
        let reason = self.pick(&REASONS, "reason")?;
        let (coin, symbol, leg, fee_token) =
            (self.text()?, self.text()?, self.dir()?, self.text()?);
        let (close_rate, size, notional) = (self.decimal()?, self.decimal()?, self.decimal()?);
        let (price, order_size, order_notional) =
            (self.decimal()?, self.decimal()?, self.decimal()?);
        let (closed_pnl, fee) = (self.decimal()?, self.decimal()?);
        let (timestamp_ms, last_fill_ms, oid) = (self.varint()?, self.varint()?, self.varint()?);
        let (revision, fills) = (self.varint32()?, self.varint32()?);
        let cloid = if flags & 4 != 0 { Some(self.array()?) } else { None };
        let status = if flags & 8 != 0 { Some(self.text()?) } else { None };
        let position_rate = if flags & 16 != 0 { Some(self.decimal()?) } else { None };
        Ok(Signal {
            address,
            asset_type,
            coin,
            symbol,
            coin_type,
            direction,
            side,
            leg,
            position_rate,
            close_rate,
            size,
            notional,
            price,
            timestamp_ms,
            last_fill_ms,
            oid,
            cloid,
            revision,
            is_final: flags & 1 != 0,
            status,
            trigger,
            fills,
            order_size,
            order_notional,
            partial_history: flags & 2 != 0,
            reason,
            closed_pnl,
            fee,
            fee_token,
        })
    }
}
