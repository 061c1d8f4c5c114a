//! What a request costs in the venue's REST budget, and a budget that is never overdrawn.
//!
//! The venue counts weights per source address: 1200 in any 60 seconds, a base for each request and 1 more per 20
//! items of some answers. What an answer will weigh is known only when it is there. So the most that it can weigh
//! is reserved before the request ([`most_of`]) and what it did weigh is charged when the answer has come
//! ([`Budget::settle`]). Asking first and overdrawing would let a few more through in a minute whose end is near,
//! but each time that it goes wrong the venue refuses an answer that it has already charged for.
//!
//! The charge stands at the time of the answer, which is after the time at which the venue counted: however long a
//! request was under way, two that are 60 seconds apart here are at least that there.
//!
//! No clock: the caller says what time it is, by any clock that does not go back.

use std::collections::VecDeque;

/// The window that the venue counts in.
pub const WINDOW_MS: u64 = 60_000;

/// Charges this close together are counted as one, at the time of the later one: it bounds what is remembered of a
/// window to some 240 entries, and only makes the budget wait a little longer.
const MERGED_MS: u64 = 250;

/// Items of an answer that weigh 1.
const ITEMS_PER_WEIGHT: usize = 20;

/// Most items of one answer: `userFills` and `userFillsByTime` are cut at 2000.
const ITEMS_MAX: usize = 2000;

/// A kind of request, as far as its weight goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RequestKind {
    /// `orderStatus`.
    OrderStatus,
    /// `clearinghouseState` and `spotClearinghouseState`.
    AccountState,
    /// `allMids`.
    AllMids,
    /// `userRole`.
    UserRole,
    /// `userFills` and `userFillsByTime`: the items of the answer weigh too.
    Fills,
    /// Every other question whose answer weighs nothing more.
    Other,
}

/// What a request weighs before its answer.
pub fn weight_of(kind: RequestKind) -> u32 {
    match kind {
        RequestKind::OrderStatus | RequestKind::AccountState | RequestKind::AllMids => 2,
        RequestKind::UserRole => 60,
        RequestKind::Fills | RequestKind::Other => 20,
    }
}

/// What `items` items of the answer weigh in addition, a part of 20 counted as 20: whether the venue rounds is not
/// documented.
pub fn weight_of_items(kind: RequestKind, items: usize) -> u32 {
    match kind {
        RequestKind::Fills => u32::try_from(items.div_ceil(ITEMS_PER_WEIGHT)).unwrap_or(u32::MAX),
        _ => 0,
    }
}

/// The most that a request can weigh.
pub fn most_of(kind: RequestKind) -> u32 {
    weight_of(kind) + weight_of_items(kind, ITEMS_MAX)
}

/// Weights charged at nearly the same time.
#[derive(Clone, Copy, Debug)]
struct Charge {
    first_ms: u64,
    last_ms: u64,
    weight: u64,
}

/// A budget of weights in any 60 seconds.
#[derive(Clone, Debug)]
pub struct Budget {
    per_minute: u64,
    charges: VecDeque<Charge>,
    spent: u64,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub fn new(per_minute: u32) -> Budget {
        Budget { per_minute: u64::from(per_minute.max(1)), charges: VecDeque::new(), spent: 0 }
    }

    /// Takes `weight`, or says for how many milliseconds that will not be possible. More than the whole budget is
    /// taken for the whole budget: it goes when nothing else is spent, and is charged in full afterwards.
    pub fn take(&mut self, now_ms: u64, weight: u32) -> Result<(), u64> {
        self.forget(now_ms);
        let weight = u64::from(weight).min(self.per_minute);
        let mut left = self.spent;
        if left + weight <= self.per_minute {
            self.push(now_ms, weight);
            return Ok(());
        }
        for charge in &self.charges {
            left -= charge.weight;
            if left + weight <= self.per_minute {
                return Err((charge.last_ms + WINDOW_MS).saturating_sub(now_ms));
            }
        }
        unreachable!("with nothing spent every weight fits: it is bounded by the budget");
    }

    /// Charges what became known afterwards, whether it fits or not: then the next wait is longer.
    pub fn charge(&mut self, now_ms: u64, more: u32) {
        self.forget(now_ms);
        self.push(now_ms, u64::from(more));
    }

    /// The answer has come: what was taken for it last is given back, and what it weighs is charged as of now.
    pub fn settle(&mut self, now_ms: u64, taken: u32, weighs: u32) {
        let mut back = u64::from(taken).min(self.per_minute);
        while back > 0 {
            // What was taken is forgotten when the answer took longer than the window.
            let Some(charge) = self.charges.back_mut() else { break };
            let part = back.min(charge.weight);
            charge.weight -= part;
            self.spent -= part;
            back -= part;
            if charge.weight == 0 {
                self.charges.pop_back();
            }
        }
        self.charge(now_ms, weighs);
    }

    /// The venue says that the budget is spent: others share the address. What was left of it is charged as of now.
    pub fn exhaust(&mut self, now_ms: u64) {
        self.forget(now_ms);
        self.push(now_ms, self.per_minute.saturating_sub(self.spent));
    }

    /// Another budget from here on. What was spent stays spent.
    pub fn set_per_minute(&mut self, per_minute: u32) {
        self.per_minute = u64::from(per_minute.max(1));
    }

    /// What is spent of the window that ends now.
    pub fn spent(&mut self, now_ms: u64) -> u64 {
        self.forget(now_ms);
        self.spent
    }

    /// Weight in any 60 seconds.
    pub fn per_minute(&self) -> u64 {
        self.per_minute
    }

    fn push(&mut self, now_ms: u64, weight: u64) {
        if weight == 0 {
            return;
        }
        self.spent += weight;
        match self.charges.back_mut() {
            Some(charge) if now_ms < charge.first_ms + MERGED_MS => {
                charge.last_ms = charge.last_ms.max(now_ms);
                charge.weight += weight;
            }
            _ => self.charges.push_back(Charge { first_ms: now_ms, last_ms: now_ms, weight }),
        }
    }

    fn forget(&mut self, now_ms: u64) {
        while let Some(charge) = self.charges.front()
            && charge.last_ms + WINDOW_MS <= now_ms
        {
            self.spent -= charge.weight;
            self.charges.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_are_the_venues() {
        for (kind, base, page, most) in [
            (RequestKind::OrderStatus, 2, 0, 2),
            (RequestKind::AccountState, 2, 0, 2),
            (RequestKind::AllMids, 2, 0, 2),
            (RequestKind::UserRole, 60, 0, 60),
            (RequestKind::Fills, 20, 100, 120),
            (RequestKind::Other, 20, 0, 20),
        ] {
            assert_eq!(weight_of(kind), base, "{kind:?}");
            assert_eq!(weight_of_items(kind, 2000), page, "{kind:?}");
            assert_eq!(most_of(kind), most, "{kind:?}");
            assert_eq!(weight_of_items(kind, 0), 0, "{kind:?}");
        }
        assert_eq!(weight_of_items(RequestKind::Fills, 1), 1);
        assert_eq!(weight_of_items(RequestKind::Fills, 21), 2);
    }

    #[test]
    fn ten_full_pages_a_minute_and_sixty_empty_ones() {
        for (items, wanted) in [(2000, 10), (0, 56)] {
            let mut budget = Budget::new(1200);
            let weight = weight_of(RequestKind::Fills) + weight_of_items(RequestKind::Fills, items);
            let mut pages = 0;
            while budget.take(pages * 300, most_of(RequestKind::Fills)).is_ok() {
                budget.settle(pages * 300 + 100, most_of(RequestKind::Fills), weight);
                pages += 1;
            }
            // Of the empty ones the last five would fit, but might be full.
            assert!((wanted - 1..=wanted).contains(&pages), "{pages} pages of {items}");
        }
    }

    #[test]
    fn the_wait_is_as_long_as_needed_and_no_longer() {
        let mut budget = Budget::new(100);
        assert_eq!(budget.take(1_000, 60), Ok(()));
        assert_eq!(budget.take(5_000, 40), Ok(()));
        assert_eq!(budget.take(6_000, 20), Err(55_000));
        assert_eq!(budget.take(60_999, 20), Err(1));
        assert_eq!(budget.take(61_000, 61), Err(4_000));
        assert_eq!(budget.take(61_000, 60), Ok(()));
        assert_eq!(budget.spent(61_000), 100);
    }

    #[test]
    fn an_overdraft_is_paid_back_by_waiting() {
        let mut budget = Budget::new(100);
        assert_eq!(budget.take(0, 1_000), Ok(()), "alone it goes");
        budget.settle(500, 1_000, 250);
        assert_eq!(budget.take(30_000, 1), Err(30_500));
        assert_eq!(budget.take(60_500, 100), Ok(()));
    }

    #[test]
    fn a_refusal_empties_the_budget_until_old_charges_leave_it() {
        let mut budget = Budget::new(100);
        assert_eq!(budget.take(0, 30), Ok(()));
        budget.exhaust(10_000);
        assert_eq!(budget.take(10_000, 1), Err(50_000));
        assert_eq!(budget.take(60_000, 30), Ok(()));
        assert_eq!(budget.take(60_000, 1), Err(10_000));
    }

    proptest! {
        /// A venue that counts each request at some moment between its sending and its answer never sees more than
        /// the budget in any 60 seconds, whatever is asked when.
        #[test]
        fn no_window_of_the_venue_sees_more_than_the_budget(
            per_minute in 120u32..2000,
            steps in proptest::collection::vec(
                (0u64..4_000, 0u8..3, 0usize..2001, 0u64..3_000, 0u64..3_000), 1..400),
        ) {
            let mut budget = Budget::new(per_minute);
            let mut counted: Vec<(u64, u64)> = Vec::new();
            let mut now_ms = 0;
            for (passed, kind, items, there_ms, back_ms) in steps {
                now_ms += passed;
                let kind =
                    [RequestKind::Fills, RequestKind::OrderStatus, RequestKind::Other][usize::from(kind)];
                if let Err(wait_ms) = budget.take(now_ms, most_of(kind)) {
                    prop_assert!(wait_ms > 0 && wait_ms <= WINDOW_MS);
                    now_ms += wait_ms;
                    prop_assert_eq!(budget.take(now_ms, most_of(kind)), Ok(()), "after its own wait");
                }
                let weighs = weight_of(kind) + weight_of_items(kind, items);
                counted.push((now_ms + there_ms, u64::from(weighs)));
                now_ms += there_ms + back_ms;
                budget.settle(now_ms, most_of(kind), weighs);
                prop_assert!(budget.charges.len() < 500);
            }
            for (at, (first_ms, _)) in counted.iter().enumerate() {
                let window = counted[at..].iter().take_while(|(ms, _)| *ms < first_ms + WINDOW_MS);
                let sum: u64 = window.map(|(_, weight)| weight).sum();
                prop_assert!(sum <= u64::from(per_minute), "{sum} of {per_minute} after {first_ms}");
            }
        }
    }
}
