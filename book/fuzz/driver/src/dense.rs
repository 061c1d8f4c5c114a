//! A command as 8 bytes, every combination of which means something that has a chance to matter: a
//! few ids, users and prices that meet, and now and then a number at a limit.

use book::{
    Command, LOTS_MAX, Lots, NewOrder, OrderId, Phase, SelfTrade, Side, TICKS_MAX, Terms, Ticks,
    Time, TimeInForce, User,
};

/// Bytes of a command.
pub const DENSE_BYTES: usize = 8;

/// The command that these bytes mean.
pub fn decode(bytes: &[u8; DENSE_BYTES]) -> Command {
    let [op, id, price, qty, how, terms, who, more] = *bytes;
    let (id, price, qty) = (order_id(id), ticks(price), lots(qty));
    let user = User(u32::from(who & 3));
    let self_trade = SelfTrade::ALL.get(usize::from(who >> 2 & 15)).copied();
    let side = Side::BOTH[usize::from(how & 1)];
    match op % 40 {
        0..24 => {
            let tif = TimeInForce::from_byte([0, 0, 0, 0, 0, 1, 2, 3][usize::from(how >> 1 & 7)]);
            let tif = tif.expect("0 to 3 are times in force");
            let limit = (how >> 4 > 1).then_some(price);
            let new = NewOrder { id, user, side, limit, qty, tif, self_trade };
            let given = Terms {
                display: (terms & 3 == 0).then(|| Lots(u64::from(terms >> 2 & 3) + 1)),
                stop: (terms >> 4 & 3 == 0).then(|| ticks(more)),
                expires: (terms >> 6 == 0).then(|| Time(u64::from(more >> 3) * 8)),
            };
            match given == Terms::default() {
                true => Command::New(new),
                false => Command::NewWith(new, given),
            }
        }
        24..27 => Command::Cancel { id },
        27..30 => Command::Reduce { id, by: qty },
        30..34 => Command::Replace { id, price, qty, self_trade },
        34 => Command::MassCancel { user, side: (how & 6 != 0).then_some(side) },
        35 => Command::Expire { now: Time(u64::from(more)) },
        36 => Command::SetPhase { phase: Phase::ALL[usize::from(how) % 3] },
        37 => Command::SetPhase { phase: Phase::Auction },
        _ => Command::Uncross { then: Phase::ALL[usize::from(how >> 4 == 0)] },
    }
}

fn order_id(byte: u8) -> OrderId {
    OrderId(match byte {
        0..250 => u64::from(byte % 32),
        _ => u64::MAX - u64::from(byte & 1),
    })
}

fn ticks(byte: u8) -> Ticks {
    Ticks(match byte {
        0..240 => 96 + i64::from(byte % 8),
        240..246 => [1, 2, TICKS_MAX.0, TICKS_MAX.0 - 1, 1 << 33, 63][usize::from(byte - 240)],
        _ => [0, -1, TICKS_MAX.0 + 1, i64::MIN, i64::MAX, 64, 127, 128, 1 << 20, 4096]
            [usize::from(byte - 246)],
    })
}

fn lots(byte: u8) -> Lots {
    Lots(match byte {
        0..244 => 1 + u64::from(byte % 12),
        244..250 => 1 << (byte - 230),
        _ => [0, LOTS_MAX.0, LOTS_MAX.0 - 1, LOTS_MAX.0 + 1, u64::MAX, 1 << 63]
            [usize::from(byte - 250)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::mem::discriminant;

    #[test]
    fn every_kind_of_command_has_bytes() {
        let kinds: HashSet<_> =
            (0..40).map(|op| discriminant(&decode(&[op, 0, 0, 0, 255, 255, 0, 0]))).collect();
        assert_eq!(kinds.len() + 1, 9, "all but orders with terms");
        let with_terms = decode(&[0; DENSE_BYTES]);
        assert!(matches!(with_terms, Command::NewWith(..)));
    }

    #[test]
    fn every_byte_means_something() {
        for at in 0..DENSE_BYTES {
            for byte in 0..=255 {
                let mut bytes = [17; DENSE_BYTES];
                bytes[at] = byte;
                decode(&bytes);
            }
        }
    }
}
