//! From bytes to inputs and events. What no writer makes is refused, so that a record has one form.

use super::{ASSETS, CodecError, DIRECTIONS, EMITS, REASONS, SIDES, STARTS, Scratch, TRIGGERS};
use crate::address::Address;
use crate::decimal::{Decimal, SCALE_MAX};
use crate::event::{Event, Gap, Signal};
use crate::fill::{Dir, Fill, Liquidation, OrderStatus, Side};
use crate::input::{Baseline, FILLS_PER_INPUT_MAX, Input, Origin, Policy, SymbolEntry};
use crate::text::Text;

/// Reads an input. It borrows from `scratch` until the next call.
pub fn decode_input<'a>(
    kind: u16,
    body: &[u8],
    scratch: &'a mut Scratch,
) -> Result<Input<'a>, CodecError> {
    let mut r = Reader::new(body);
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
            if scratch.fills.len() > FILLS_PER_INPUT_MAX {
                return r.invalid("number of fills");
            }
            Input::Fills { address, origin, fills: &scratch.fills }
        }
        6 => Input::BackfillFailed { address: r.address()? },
        7 => {
            r.list(&mut scratch.statuses, Reader::status)?;
            Input::Statuses(&scratch.statuses)
        }
        8 => {
            let address = r.address()?;
            let present = r.flags(3, "presence")?;
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
        14 => {
            let address = r.address()?;
            let continues = r.flags(1, "continues")? == 1;
            Input::Joined { address, at_ms: r.varint()?, continues }
        }
        15 => Input::Check { digest: u64::from_le_bytes(r.array()?) },
        kind => return Err(CodecError::Kind { kind }),
    };
    r.end()?;
    Ok(input)
}

/// Reads an event.
pub fn decode_event(kind: u16, body: &[u8]) -> Result<Event, CodecError> {
    let mut r = Reader::new(body);
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

/// A place in a record's body, or in the bytes of a state.
pub(crate) struct Reader<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(body: &'b [u8]) -> Reader<'b> {
        Reader { body, at: 0 }
    }

    /// Bytes that are not read yet.
    pub(crate) fn rest(&self) -> usize {
        self.body.len() - self.at
    }

    /// What was read since `from`, a value of [`Reader::rest`] then.
    pub(crate) fn since(&self, from: usize) -> &'b [u8] {
        &self.body[self.body.len() - from..self.at]
    }

    fn bytes(&mut self, n: usize) -> Result<&'b [u8], CodecError> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.body.len());
        let end = end.ok_or(CodecError::Short { at: self.at })?;
        let bytes = &self.body[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    pub(crate) fn invalid<T>(&self, what: &'static str) -> Result<T, CodecError> {
        Err(CodecError::Invalid { at: self.at.saturating_sub(1), what })
    }

    pub(crate) fn end(&self) -> Result<(), CodecError> {
        if self.at == self.body.len() { Ok(()) } else { self.invalid("end of the record") }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        Ok(self.bytes(1)?[0])
    }

    /// A byte with no bits but those of `known`, a mask of the lowest bits.
    pub(crate) fn flags(&mut self, known: u8, what: &'static str) -> Result<u8, CodecError> {
        let byte = self.byte()?;
        if byte > known { self.invalid(what) } else { Ok(byte) }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        Ok(self.bytes(N)?.try_into().expect("bytes(N) has N bytes"))
    }

    pub(crate) fn address(&mut self) -> Result<Address, CodecError> {
        Ok(Address(self.array()?))
    }

    fn wide_varint(&mut self) -> Result<u128, CodecError> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            let is_padding = byte == 0 && shift > 0;
            if is_padding || (shift == 126 && part > 3) {
                return self.invalid("number");
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        self.invalid("number")
    }

    pub(crate) fn varint(&mut self) -> Result<u64, CodecError> {
        let value = self.wide_varint()?;
        u64::try_from(value).or_else(|_| self.invalid("64-bit number"))
    }

    pub(crate) fn varint32(&mut self) -> Result<u32, CodecError> {
        let value = self.varint()?;
        u32::try_from(value).or_else(|_| self.invalid("32-bit number"))
    }

    pub(crate) fn decimal(&mut self) -> Result<Decimal, CodecError> {
        let zigzag = self.wide_varint()?;
        let mantissa = (zigzag >> 1) as i128 ^ -((zigzag & 1) as i128);
        let scale = self.byte()?;
        if scale > SCALE_MAX {
            return self.invalid("scale");
        }
        // Its absolute value is no 128-bit number, and arithmetic counts on one.
        if mantissa == i128::MIN {
            return self.invalid("mantissa");
        }
        let number = Decimal::new(mantissa, scale);
        if (number.mantissa(), number.scale()) != (mantissa, scale) {
            return self.invalid("decimal without trailing zeros");
        }
        Ok(number)
    }

    pub(crate) fn text<const N: usize>(&mut self) -> Result<Text<N>, CodecError> {
        let len = usize::from(self.byte()?);
        if len > N {
            return self.invalid("text length");
        }
        match std::str::from_utf8(self.bytes(len)?) {
            Ok(text) => Ok(Text::new(text)),
            Err(_) => self.invalid("UTF-8 text"),
        }
    }

    pub(crate) fn dir(&mut self) -> Result<Dir, CodecError> {
        Ok(Dir::new(self.text::<47>()?.as_str()))
    }

    pub(crate) fn pick<T: Copy>(
        &mut self,
        table: &[T],
        what: &'static str,
    ) -> Result<T, CodecError> {
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

    pub(crate) fn policy(&mut self) -> Result<Policy, CodecError> {
        Ok(Policy {
            emit: self.pick(&EMITS, "emit mode")?,
            emit_final: self.flags(1, "emit_final")? == 1,
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

    pub(crate) fn fill(&mut self) -> Result<Fill, CodecError> {
        let flags = self.flags(15, "fill flags")?;
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

    pub(crate) fn symbol(&mut self) -> Result<SymbolEntry, CodecError> {
        Ok(SymbolEntry {
            coin: self.text()?,
            symbol: self.text()?,
            asset_type: self.pick(&ASSETS, "asset type")?,
            coin_type: self.byte()?,
        })
    }

    fn signal(&mut self) -> Result<Signal, CodecError> {
        let flags = self.flags(31, "signal flags")?;
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
