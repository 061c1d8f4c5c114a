//! A command as 64 bytes, little-endian: every command there is. For journals, other languages and
//! fuzzing; command files have the shorter [records](crate::record).
//!
//! | at | field | used by | meaning |
//! |---|---|---|---|
//! | 0 | op u8 | all | 1 new, 2 cancel, 3 reduce, 4 replace, 5 mass cancel, 6 expire, 7 set phase, 8 uncross |
//! | 1 | side u8 | 1, 5 | 0 buy, 1 sell; mass cancel: 255 for both sides |
//! | 2 | tif u8 | 1 | 0 GTC, 1 IOC, 2 FOK, 3 POST |
//! | 3 | flags u8 | 1 | 1 market, 2 display given, 4 stop given, 8 expiry given |
//! | 4 | user u32 | 1, 5 | |
//! | 8 | id u64 | 1, 2, 3, 4 | |
//! | 16 | price i64 | 1, 4 | new: only without flag 1 |
//! | 24 | qty u64 | 1, 3, 4 | reduce: by how much |
//! | 32 | display u64 | 1 | only with flag 2 |
//! | 40 | stop i64 | 1 | only with flag 4 |
//! | 48 | expires u64 | 1, 6 | new: only with flag 8; expire: the moment that has come |
//! | 56 | self_trade u8 | 1, 4 | 0 the book's, else 1 + the mode: 1 allow, 2 cancel newest, 3 cancel oldest, 4 cancel both, 5 decrement |
//! | 57 | phase u8 | 7, 8 | 0 continuous, 1 halted, 2 auction |
//! | 58 | zero | | 6 bytes |
//!
//! **What an operation does not use is zero**, and [`decode`] insists on it: a command has one
//! record and a record one command, so records can be compared and hashed in place of what they
//! say. One command is said in two ways and has one record: [`Command::NewWith`] with no term given
//! is a plain order, and comes back as [`Command::New`].
//!
//! The first 32 bytes have the layout of [`record`](crate::record), with three differences. Short
//! records are not looked at where their operation has no field; these are refused if they hold
//! anything there. A short mass cancel means both sides, whatever its side byte; here both sides
//! are 255, so a short record followed by zeros is another command: to widen one, decode it and
//! encode it here. A short record that is market and post-only is no command; here it is one, as it
//! is for [`Book::apply`](crate::Book::apply), which refuses it by the same code and names it.

use crate::book::{Book, refuse};
use crate::command::{Command, NewOrder, Phase, SelfTrade, Terms, TimeInForce};
use crate::event::{Events, Outcome, Reject};
use crate::units::{Lots, OrderId, Side, Ticks, Time, User};

/// Bytes of a record.
pub const WIDE_BYTES: usize = 64;

const NEW: u8 = 1;
const CANCEL: u8 = 2;
const REDUCE: u8 = 3;
const REPLACE: u8 = 4;
const MASS_CANCEL: u8 = 5;
const EXPIRE: u8 = 6;
const SET_PHASE: u8 = 7;
const UNCROSS: u8 = 8;

const FLAG_MARKET: u8 = 1;
const FLAG_DISPLAY: u8 = 2;
const FLAG_STOP: u8 = 4;
const FLAG_EXPIRES: u8 = 8;

/// Side of a mass cancel on both.
const SIDE_BOTH: u8 = 255;

/// Writes a command as a record.
pub fn encode(command: &Command) -> [u8; WIDE_BYTES] {
    let mut record = Fields([0; WIDE_BYTES]);
    match *command {
        Command::New(new) => record.put_new(new, Terms::default()),
        Command::NewWith(new, terms) => record.put_new(new, terms),
        Command::Cancel { id } => {
            record.put(0, [CANCEL]);
            record.put(8, id.0.to_le_bytes());
        }
        Command::Reduce { id, by } => {
            record.put(0, [REDUCE]);
            record.put(8, id.0.to_le_bytes());
            record.put(24, by.0.to_le_bytes());
        }
        Command::Replace { id, price, qty, self_trade } => {
            record.put(0, [REPLACE]);
            record.put(8, id.0.to_le_bytes());
            record.put(16, price.0.to_le_bytes());
            record.put(24, qty.0.to_le_bytes());
            record.put_self_trade(self_trade);
        }
        Command::MassCancel { user, side } => {
            record.put(0, [MASS_CANCEL, side.map_or(SIDE_BOTH, |side| side as u8)]);
            record.put(4, user.0.to_le_bytes());
        }
        Command::Expire { now } => {
            record.put(0, [EXPIRE]);
            record.put(48, now.0.to_le_bytes());
        }
        Command::SetPhase { phase } => {
            record.put(0, [SET_PHASE]);
            record.put(57, [phase as u8]);
        }
        Command::Uncross { then } => {
            record.put(0, [UNCROSS]);
            record.put(57, [then as u8]);
        }
    }
    record.0
}

/// Reads a record. [`Reject::BadCommand`] when it is none; numbers out of range, and terms that do
/// not go together, are left to the book.
pub fn decode(record: &[u8; WIDE_BYTES]) -> Result<Command, Reject> {
    let command = Fields(*record).command().ok_or(Reject::BadCommand)?;
    // What was not read is zero if, and only if, writing the command gives the same bytes again.
    if encode(&command) == *record { Ok(command) } else { Err(Reject::BadCommand) }
}

/// Applies a record: the same as decoding it and [`Book::apply`]. A record that is none is refused
/// as the book refuses, with an event.
pub fn apply(book: &mut Book, record: &[u8; WIDE_BYTES], events: &mut impl Events) -> Outcome {
    match decode(record) {
        Ok(command) => book.apply(&command, events),
        Err(reject) => refuse(None, reject, events),
    }
}

/// The bytes of a record, by the offsets of the table.
struct Fields([u8; WIDE_BYTES]);

impl Fields {
    #[inline(always)]
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&bytes);
    }

    #[inline(always)]
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..].first_chunk().copied().expect("every field ends inside the record")
    }

    fn put_new(&mut self, new: NewOrder, terms: Terms) {
        let NewOrder { id, user, side, limit, qty, tif, self_trade } = new;
        let flag = |given: bool, flag: u8| if given { flag } else { 0 };
        let flags = flag(limit.is_none(), FLAG_MARKET)
            | flag(terms.display.is_some(), FLAG_DISPLAY)
            | flag(terms.stop.is_some(), FLAG_STOP)
            | flag(terms.expires.is_some(), FLAG_EXPIRES);
        self.put(0, [NEW, side as u8, tif as u8, flags]);
        self.put(4, user.0.to_le_bytes());
        self.put(8, id.0.to_le_bytes());
        self.put(16, limit.map_or(0, |price| price.0).to_le_bytes());
        self.put(24, qty.0.to_le_bytes());
        self.put(32, terms.display.map_or(0, |qty| qty.0).to_le_bytes());
        self.put(40, terms.stop.map_or(0, |price| price.0).to_le_bytes());
        self.put(48, terms.expires.map_or(0, |time| time.0).to_le_bytes());
        self.put_self_trade(self_trade);
    }

    fn put_self_trade(&mut self, mode: Option<SelfTrade>) {
        self.put(56, [mode.map_or(0, |mode| 1 + mode as u8)]);
    }

    /// The command, read from the fields that its operation uses; `None` if one of them says
    /// nothing.
    fn command(&self) -> Option<Command> {
        let id = OrderId(u64::from_le_bytes(self.get(8)));
        let price = Ticks(i64::from_le_bytes(self.get(16)));
        let qty = Lots(u64::from_le_bytes(self.get(24)));
        let user = User(u32::from_le_bytes(self.get(4)));
        Some(match self.0[0] {
            NEW => {
                let side = *Side::BOTH.get(usize::from(self.0[1]))?;
                let tif = TimeInForce::from_byte(self.0[2])?;
                let limit = (!self.has(FLAG_MARKET)).then_some(price);
                let self_trade = self.self_trade()?;
                let new = NewOrder { id, user, side, limit, qty, tif, self_trade };
                let terms = self.terms();
                if terms == Terms::default() {
                    Command::New(new)
                } else {
                    Command::NewWith(new, terms)
                }
            }
            CANCEL => Command::Cancel { id },
            REDUCE => Command::Reduce { id, by: qty },
            REPLACE => Command::Replace { id, price, qty, self_trade: self.self_trade()? },
            MASS_CANCEL => {
                let side = match self.0[1] {
                    SIDE_BOTH => None,
                    side => Some(*Side::BOTH.get(usize::from(side))?),
                };
                Command::MassCancel { user, side }
            }
            EXPIRE => Command::Expire { now: self.time() },
            SET_PHASE => Command::SetPhase { phase: Phase::from_byte(self.0[57])? },
            UNCROSS => Command::Uncross { then: Phase::from_byte(self.0[57])? },
            _ => return None,
        })
    }

    fn terms(&self) -> Terms {
        let display = Lots(u64::from_le_bytes(self.get(32)));
        let stop = Ticks(i64::from_le_bytes(self.get(40)));
        Terms {
            display: self.has(FLAG_DISPLAY).then_some(display),
            stop: self.has(FLAG_STOP).then_some(stop),
            expires: self.has(FLAG_EXPIRES).then_some(self.time()),
        }
    }

    fn time(&self) -> Time {
        Time(u64::from_le_bytes(self.get(48)))
    }

    /// `None` if the byte is no mode; `Some(None)` if it is the book's.
    fn self_trade(&self) -> Option<Option<SelfTrade>> {
        match self.0[56].checked_sub(1) {
            None => Some(None),
            Some(mode) => SelfTrade::from_byte(mode).map(Some),
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.0[3] & flag != 0
    }
}

#[cfg(test)]
mod tests;
