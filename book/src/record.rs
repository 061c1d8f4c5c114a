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
//! Side, tif and flags speak of a new order only, price of a new order and of a replace; what other
//! operations have there is not looked at. The record has no self-trade mode of its own and no side of a mass cancel.

use crate::book::{Book, refuse};
use crate::command::{Command, NewOrder, TimeInForce};
use crate::event::{Events, Outcome, Reject};
use crate::units::{Lots, OrderId, Side, Ticks, User};

/// Bytes of a record.
pub const RECORD_BYTES: usize = 32;

const NEW: u8 = 1;
const CANCEL: u8 = 2;
const REDUCE: u8 = 3;
const REPLACE: u8 = 4;
const MASS_CANCEL: u8 = 5;

const FLAG_MARKET: u8 = 1;

/// Applies a record: the same as decoding it and [`Book::apply`], without the command in between. A
/// record that is none is refused as the book refuses, with an event.
#[inline]
pub fn apply(book: &mut Book, record: &[u8; RECORD_BYTES], events: &mut impl Events) -> Outcome {
    match record[0] {
        NEW => match decode_new(record) {
            Ok(new) => book.enter(&new, events),
            Err(reject) => refuse(None, reject, events),
        },
        CANCEL => book.cancel(OrderId(u64::from_le_bytes(field(record, 8))), events),
        _ => apply_rare(book, record, events),
    }
}

#[inline(never)]
fn apply_rare(book: &mut Book, record: &[u8; RECORD_BYTES], events: &mut impl Events) -> Outcome {
    match decode(record) {
        Ok(command) => book.apply(&command, events),
        Err(reject) => refuse(None, reject, events),
    }
}

/// Reads a record. [`Reject::BadCommand`] when it is none; numbers out of range are left to the
/// book.
pub fn decode(record: &[u8; RECORD_BYTES]) -> Result<Command, Reject> {
    let id = OrderId(u64::from_le_bytes(field(record, 8)));
    let price = Ticks(i64::from_le_bytes(field(record, 16)));
    let qty = Lots(u64::from_le_bytes(field(record, 24)));
    let user = User(u32::from_le_bytes(field(record, 4)));
    match record[0] {
        NEW => decode_new(record).map(Command::New),
        CANCEL => Ok(Command::Cancel { id }),
        REDUCE => Ok(Command::Reduce { id, by: qty }),
        REPLACE => Ok(Command::Replace { id, price, qty, self_trade: None }),
        MASS_CANCEL => Ok(Command::MassCancel { user, side: None }),
        _ => Err(Reject::BadCommand),
    }
}

/// Reads the record of a new order.
#[inline]
fn decode_new(record: &[u8; RECORD_BYTES]) -> Result<NewOrder, Reject> {
    let [_, side, tif, flags, ..] = *record;
    let side = match side {
        0 => Side::Buy,
        1 => Side::Sell,
        _ => return Err(Reject::BadCommand),
    };
    let tif = TimeInForce::from_byte(tif).ok_or(Reject::BadCommand)?;
    let limit = match flags {
        0 => Some(Ticks(i64::from_le_bytes(field(record, 16)))),
        FLAG_MARKET if tif != TimeInForce::Post => None,
        _ => return Err(Reject::BadCommand),
    };
    let user = User(u32::from_le_bytes(field(record, 4)));
    let id = OrderId(u64::from_le_bytes(field(record, 8)));
    let qty = Lots(u64::from_le_bytes(field(record, 24)));
    Ok(NewOrder { id, user, side, limit, qty, tif, self_trade: None })
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
        _ => return None,
    }
    Some(record)
}

#[inline]
fn field<const N: usize>(record: &[u8; RECORD_BYTES], at: usize) -> [u8; N] {
    record[at..].first_chunk().copied().expect("every field ends inside the record")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::BookConfig;
    use crate::command::SelfTrade;

    #[test]
    fn a_record_does_what_its_command_does() {
        let new =
            || Book::new(BookConfig { self_trade: SelfTrade::CancelBoth, ..Default::default() });
        let (mut by_record, mut by_command) = (new(), new());
        let (mut told, mut expected) = (Vec::new(), Vec::new());
        let mut accepted = 0;
        for at in 0..6000_u64 {
            let draw = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let byte = |shift: u32, bound: u64| ((draw >> shift) % bound) as u8;
            let mut record = [0; RECORD_BYTES];
            record[..4].copy_from_slice(&[byte(8, 7), byte(16, 3), byte(24, 6), byte(32, 12) / 9]);
            record[4] = byte(36, 3);
            record[8..16].copy_from_slice(&(draw >> 40 & 63).to_le_bytes());
            record[16..24].copy_from_slice(&(draw >> 46 & 15).to_le_bytes());
            record[24..32].copy_from_slice(&(draw >> 52 & 7).to_le_bytes());
            let outcome = apply(&mut by_record, &record, &mut told);
            let command = match decode(&record) {
                Ok(command) => by_command.apply(&command, &mut expected),
                Err(reject) => refuse(None, reject, &mut expected),
            };
            assert_eq!(outcome, command, "{record:?}");
            accepted += u32::from(outcome.code() == 0);
        }
        assert_eq!(told, expected);
        assert_eq!(by_record.state_hash(), by_command.state_hash());
        assert!(accepted > 900 && told.len() > 4000, "{accepted} of 6000, {} events", told.len());
    }

    #[test]
    fn bytes_stand_where_the_table_says() {
        let new = NewOrder::limit(OrderId(0x0102), User(0x0304), Side::Sell, Ticks(-2), Lots(5));
        let record = encode(&Command::New(new.with_tif(TimeInForce::Post))).expect("it fits");
        let mut expected = [0; RECORD_BYTES];
        expected[..10].copy_from_slice(&[1, 1, 3, 0, 4, 3, 0, 0, 2, 1]);
        expected[16..24].copy_from_slice(&[0xfe, 255, 255, 255, 255, 255, 255, 255]);
        expected[24] = 5;
        assert_eq!(record, expected);
    }

    #[test]
    fn commands_come_back_from_their_bytes() {
        let (id, user, price, qty) = (OrderId(u64::MAX), User(9), Ticks(77), Lots(u64::MAX));
        let mut commands = vec![
            Command::Cancel { id },
            Command::Reduce { id, by: qty },
            Command::Replace { id, price, qty, self_trade: None },
            Command::MassCancel { user, side: None },
        ];
        for side in Side::BOTH {
            for tif in [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::Post] {
                let new = NewOrder::limit(id, user, side, price, qty).with_tif(tif);
                commands.push(Command::New(new));
                if tif != TimeInForce::Post {
                    let new = NewOrder::market(id, user, side, qty).with_tif(tif);
                    commands.push(Command::New(new));
                }
            }
        }
        for command in commands {
            let record = encode(&command).expect("it fits");
            assert_eq!(decode(&record), Ok(command));
        }
    }

    #[test]
    fn what_a_record_has_no_place_for_is_not_written() {
        let new = NewOrder::market(OrderId(1), User(1), Side::Buy, Lots(1));
        let new = new.with_self_trade(SelfTrade::Decrement);
        let (id, price, qty) = (OrderId(1), Ticks(1), Lots(1));
        let self_trade = Some(SelfTrade::Allow);
        assert_eq!(encode(&Command::New(new)), None);
        assert_eq!(encode(&Command::Replace { id, price, qty, self_trade }), None);
        assert_eq!(encode(&Command::MassCancel { user: User(1), side: Some(Side::Buy) }), None);
    }

    #[test]
    fn only_a_new_order_is_judged_by_side_tif_and_flags() {
        for (at, byte) in [(1, 2), (1, 255), (2, 4), (2, 255), (3, 2), (3, 255)] {
            for op in 0..=6 {
                let mut record = [0; RECORD_BYTES];
                (record[0], record[at]) = (op, byte);
                let good = (CANCEL..=MASS_CANCEL).contains(&op);
                assert_eq!(decode(&record).is_ok(), good, "op {op}, byte {at} = {byte}");
            }
        }
        let mut market_post = [0; RECORD_BYTES];
        market_post[..4].copy_from_slice(&[NEW, 0, 3, FLAG_MARKET]);
        assert_eq!(decode(&market_post), Err(Reject::BadCommand));
    }
}
