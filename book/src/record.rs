//! A command as 32 bytes, little-endian: the record of command files.
//!
//! | at | field | meaning |
//! |---|---|---|
//! | 0 | op u8 | 1 new, 2 cancel, 3 reduce, 4 replace, 5 mass cancel |
//! | 1 | side u8 | 0 buy, 1 sell |
//! | 2 | tif u8 | 0 GTC, 1 IOC, 2 FOK, 3 POST |
//! | 3 | flags u8 | 1 market |
//! | 4 | user u32 | |
//! | 8 | id u64 | |
//! | 16 | price i64 | |
//! | 24 | qty u64 | |
//!
//! Side, tif, flags and price speak of a new order only; what other operations have there is not looked
//! at. The record has no self-trade mode of its own and no side of a mass cancel.

use crate::command::{Command, NewOrder, TimeInForce};
use crate::event::Reject;
use crate::units::{Lots, OrderId, Side, Ticks, User};

/// Bytes of a record.
pub const RECORD_BYTES: usize = 32;

const NEW: u8 = 1;
const CANCEL: u8 = 2;
const REDUCE: u8 = 3;
const REPLACE: u8 = 4;
const MASS_CANCEL: u8 = 5;

const FLAG_MARKET: u8 = 1;

/// Reads a record. [`Reject::BadCommand`] when it is none; numbers out of range are left to the book.
pub fn decode(record: &[u8; RECORD_BYTES]) -> Result<Command, Reject> {
    let id = OrderId(u64::from_le_bytes(field(record, 8)));
    let price = Ticks(i64::from_le_bytes(field(record, 16)));
    let qty = Lots(u64::from_le_bytes(field(record, 24)));
    let user = User(u32::from_le_bytes(field(record, 4)));
    match record[0] {
        NEW => {
            let [_, side, tif, flags, ..] = *record;
            let side = *Side::BOTH.get(usize::from(side)).ok_or(Reject::BadCommand)?;
            let tif = TimeInForce::from_byte(tif).ok_or(Reject::BadCommand)?;
            let limit = match flags {
                0 => Some(price),
                FLAG_MARKET if tif != TimeInForce::Post => None,
                _ => return Err(Reject::BadCommand),
            };
            Ok(Command::New(NewOrder { id, user, side, limit, qty, tif, self_trade: None }))
        }
        CANCEL => Ok(Command::Cancel { id }),
        REDUCE => Ok(Command::Reduce { id, by: qty }),
        REPLACE => Ok(Command::Replace { id, price, qty, self_trade: None }),
        MASS_CANCEL => Ok(Command::MassCancel { user, side: None }),
        _ => Err(Reject::BadCommand),
    }
}

/// Writes a command as a record; `None` if it says more than a record can.
pub fn encode(command: &Command) -> Option<[u8; RECORD_BYTES]> {
    let mut record = [0; RECORD_BYTES];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    match command {
        Command::New(NewOrder { self_trade: Some(_), .. })
        | Command::Replace { self_trade: Some(_), .. }
        | Command::MassCancel { side: Some(_), .. } => return None,
        Command::New(new) => {
            let flags = if new.limit.is_none() { FLAG_MARKET } else { 0 };
            put(0, &[NEW, new.side as u8, new.tif as u8, flags]);
            put(4, &new.user.0.to_le_bytes());
            put(8, &new.id.0.to_le_bytes());
            put(16, &new.limit.unwrap_or(Ticks(0)).0.to_le_bytes());
            put(24, &new.qty.0.to_le_bytes());
        }
        Command::Cancel { id } => {
            put(0, &[CANCEL]);
            put(8, &id.0.to_le_bytes());
        }
        Command::Reduce { id, by } => {
            put(0, &[REDUCE]);
            put(8, &id.0.to_le_bytes());
            put(24, &by.0.to_le_bytes());
        }
        Command::Replace { id, price, qty, .. } => {
            put(0, &[REPLACE]);
            put(8, &id.0.to_le_bytes());
            put(16, &price.0.to_le_bytes());
            put(24, &qty.0.to_le_bytes());
        }
        Command::MassCancel { user, .. } => {
            put(0, &[MASS_CANCEL]);
            put(4, &user.0.to_le_bytes());
        }
    }
    Some(record)
}

fn field<const N: usize>(record: &[u8; RECORD_BYTES], at: usize) -> [u8; N] {
    record[at..].first_chunk().copied().expect("every field ends inside the record")
}
