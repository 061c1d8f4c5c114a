//! What each live order adds to the hash of a book's state.
//!
//! The hash of a book is the sum, modulo 2^64, of one number for each live order, so that it is
//! kept up to date by subtracting the old number of an order and adding the new one. An order's
//! number covers its id, owner, quantity and level, and the number of its arrival, so that a
//! reversed queue has another hash; it needs no look at its neighbours, which would be two cache
//! misses in a large book. Orders with terms add a second number for these.
//!
//! It finds accidents, not enemies: whoever may choose ids and quantities can make two books with
//! one hash.

use crate::order::Order;

/// Odd constants without pattern: digits of the golden ratio and of square roots of primes.
const ID: u64 = 0x9e37_79b9_7f4a_7c15;
const OWNER: u64 = 0x6a09_e667_f3bc_c909;
const PLACE: u64 = 0xbb67_ae85_84ca_a73b;
const LAST: u64 = 0x3c6e_f372_fe94_f82b;

/// The number of an order in the queue `place`.
#[inline]
pub(crate) fn of_order(order: &Order, place: u64) -> u64 {
    let who = order.id.0.wrapping_mul(ID);
    let what = order.word() ^ u64::from(order.user.0).rotate_left(23);
    fold(who.wrapping_add(what).wrapping_add(place.wrapping_mul(PLACE)))
}

/// One word from several, each in its place.
pub(crate) fn of_words(words: &[u64]) -> u64 {
    words.iter().fold(LAST, |hash, word| fold(hash.rotate_left(29) ^ word.wrapping_mul(PLACE)))
}

/// Spreads a word: every bit of the result depends on every bit of `word`.
#[inline]
fn fold(word: u64) -> u64 {
    let product = u128::from(word ^ OWNER) * u128::from(ID);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::{Kind, Level};
    use crate::units::{Lots, OrderId, Rank, Side, User};
    use std::collections::HashSet;

    #[test]
    fn each_field_shows() {
        let order = Order::new(OrderId(5), User(6), Lots(7));
        let mut later = order;
        later.set_arrival(1);
        let place = |rank, side, kind| Level::new(Rank(rank), side, kind).place();
        let bid = place(100, Side::Buy, Kind::Priced);
        let seen: HashSet<u64> = [
            of_order(&order, bid),
            of_order(&Order::new(OrderId(6), User(6), Lots(7)), bid),
            of_order(&Order::new(OrderId(5), User(5), Lots(7)), bid),
            of_order(&Order::new(OrderId(5), User(6), Lots(6)), bid),
            of_order(&later, bid),
            of_order(&order, place(101, Side::Buy, Kind::Priced)),
            of_order(&order, place(100, Side::Buy, Kind::Stop)),
            of_order(&order, place(100, Side::Sell, Kind::Priced)),
        ]
        .into();
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn words_count_in_their_places() {
        assert_ne!(of_words(&[1, 2]), of_words(&[2, 1]));
        assert_ne!(of_words(&[0]), of_words(&[0, 0]));
    }
}
