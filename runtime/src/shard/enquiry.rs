//! How orders ended, asked of REST for accounts whose source does not say it.
//!
//! A provider sends fills only, and a node may write no statuses. Without an end an order's signal would wait for its
//! time-out. An order is asked for a second after its first fill that is not signalled, and then ever less often: it may
//! rest in the book for hours. What is not asked for any more is forgotten.

use foldhash::{HashMap, HashMapExt};
use shards::Address;

/// Orders asked for in one round, at most; those that have waited longest go first.
const ASKED_PER_ROUND_MAX: usize = 32;
/// Between two rounds.
const ROUND_MS: u64 = 500;
/// From the round that first sees an order to the first question.
const FIRST_MS: u64 = 500;
/// The longest time between two questions for one order.
const AGAIN_MS_MAX: u64 = 60_000;

/// When an order is to be asked for.
#[derive(Clone, Copy, Debug)]
struct Due {
    at_ms: u64,
    again_ms: u64,
    /// The round that last saw the order.
    round: u64,
}

/// The orders without an end.
#[derive(Default)]
pub(super) struct Enquiries {
    orders: HashMap<(Address, u64), Due>,
    next_ms: u64,
    round: u64,
}

impl Enquiries {
    pub(super) fn new() -> Enquiries {
        Enquiries { orders: HashMap::new(), next_ms: 0, round: 0 }
    }

    /// When the next round is due.
    pub(super) fn next_ms(&self) -> u64 {
        self.next_ms
    }

    /// One round: `open` has every order of such accounts that has fills to signal and no end. Those to ask for now.
    pub(super) fn round(&mut self, open: &[(Address, u64)], now_ms: u64) -> Vec<(Address, u64)> {
        self.next_ms = now_ms + ROUND_MS;
        self.round += 1;
        let round = self.round;
        let mut due: Vec<(u64, (Address, u64))> = Vec::new();
        for order in open {
            let first = Due { at_ms: now_ms + FIRST_MS, again_ms: 2 * FIRST_MS, round };
            let known = self.orders.entry(*order).or_insert(first);
            known.round = round;
            if known.at_ms <= now_ms {
                due.push((known.at_ms, *order));
            }
        }
        self.orders.retain(|_, known| known.round == round);
        due.sort_unstable();
        due.truncate(ASKED_PER_ROUND_MAX);
        for (_, order) in &due {
            let known = self.orders.get_mut(order).expect("seen in this round");
            known.at_ms = now_ms + known.again_ms;
            known.again_ms = (2 * known.again_ms).min(AGAIN_MS_MAX);
        }
        due.into_iter().map(|(_, order)| order).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(oid: u64) -> (Address, u64) {
        (Address([1; 20]), oid)
    }

    #[test]
    fn an_order_is_asked_for_soon_and_then_ever_less_often() {
        let mut enquiries = Enquiries::new();
        let mut asked = Vec::new();
        let mut now_ms = 0;
        while now_ms < 300_000 {
            if !enquiries.round(&[order(7)], now_ms).is_empty() {
                asked.push(now_ms);
            }
            now_ms = enquiries.next_ms();
        }
        assert_eq!(&asked[..6], [500, 1500, 3500, 7500, 15_500, 31_500]);
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 60_000));
    }

    #[test]
    fn what_ended_is_forgotten_and_begins_anew() {
        let mut enquiries = Enquiries::new();
        enquiries.round(&[order(7)], 0);
        enquiries.round(&[], 500);
        assert!(enquiries.orders.is_empty());
        assert!(enquiries.round(&[order(7)], 1000).is_empty());
        assert_eq!(enquiries.round(&[order(7)], 1500), [order(7)]);
    }

    #[test]
    fn of_very_many_the_oldest_go_first_and_all_get_their_turn() {
        let mut enquiries = Enquiries::new();
        let many: Vec<_> = (0..100).map(order).collect();
        enquiries.round(&many, 0);
        let mut seen = Vec::new();
        for round in 1..=4 {
            let asked = enquiries.round(&many, round * 500);
            assert!(asked.len() <= ASKED_PER_ROUND_MAX);
            seen.extend(asked);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100);
    }
}
