//! What each live order adds to the hash of a book's state.
//!
//! The hash of a book is the sum, modulo 2^64, of one number for each live order, so that it is
//! kept up to date by subtracting the old number of an order and adding the new one. An order's
//! number covers its id, owner, quantity and level, and the number of its arrival, so that a
//! reversed queue has another hash (unless 2^23 arrivals, or a multiple, lie between the two orders
//! that changed places: the number is counted modulo that); it needs no look at its neighbours, which would be two cache
//! misses in a large book. Orders with terms add a second number for these.
//!
//! It finds accidents, not enemies: whoever may choose ids and quantities can make two books with
//! one hash.

use crate::order::Order;
use crate::units::Rank;

/// Odd, without pattern: 2^64 over the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of an order in the queue of this rank.
#[inline]
pub(crate) fn of_order(order: &Order, rank: Rank) -> u64 {
    let who = (order.id.0 ^ rank.0.rotate_left(32) as u64).wrapping_mul(FACTOR);
    let what = order.word() ^ u64::from(order.user.0).rotate_left(23);
    fold(who.wrapping_add(what))
}

/// One word from several, each in its place.
pub(crate) fn of_words(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, word| {
        fold(hash.rotate_left(29) ^ word.wrapping_add(FACTOR).wrapping_mul(FACTOR))
    })
}

/// One word from bytes, each in its place.
pub(crate) fn of_bytes(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).fold(bytes.len() as u64, |hash, word| {
        fold(hash.rotate_left(29) ^ u64::from_le_bytes(*word).wrapping_add(FACTOR))
    })
}

/// Spreads a word: both halves of its product with a constant, one over the other.
#[inline]
fn fold(word: u64) -> u64 {
    let product = u128::from(word) * u128::from(FACTOR);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Lots, OrderId, User};
    use std::collections::HashSet;

    #[test]
    fn each_field_shows() {
        let order = Order::new(OrderId(5), User(6), Lots(7));
        let mut later = order;
        later.set_arrival(crate::order::Arrival::new(1));
        let bid = Rank(100);
        let seen: HashSet<u64> = [
            of_order(&order, bid),
            of_order(&Order::new(OrderId(6), User(6), Lots(7)), bid),
            of_order(&Order::new(OrderId(5), User(5), Lots(7)), bid),
            of_order(&Order::new(OrderId(5), User(6), Lots(6)), bid),
            of_order(&later, bid),
            of_order(&order, Rank(101)),
            of_order(&order, Rank(-100)),
        ]
        .into();
        assert_eq!(seen.len(), 7);
    }

    #[test]
    fn bytes_count_in_their_places() {
        let bytes: Vec<u8> = (0..40).collect();
        let mut seen: HashSet<u64> = (0..=40).map(|end| of_bytes(&bytes[..end])).collect();
        for at in 0..40 {
            let mut changed = bytes.clone();
            changed.swap(at, (at + 8) % 40);
            seen.insert(of_bytes(&changed));
            changed[at] ^= 128;
            seen.insert(of_bytes(&changed));
        }
        assert_eq!(seen.len(), 41 + 80);
        assert_ne!(of_bytes(&[0; 8]), of_bytes(&[0; 9]));
    }

    #[test]
    fn words_count_in_their_places() {
        assert_ne!(of_words(&[1, 2]), of_words(&[2, 1]));
        assert_ne!(of_words(&[0]), of_words(&[0, 0]));
    }
}
