//! A budget per minute, cut into slices for connections that share nothing at run time.
//!
//! A slice may be used up in the moment before it is made smaller, and the venue looks back over a minute. So what a slice
//! gives up can be given away only a minute later; until then it counts for the one that had it. A quarter of the budget
//! is kept back for that: a new connection gets its part of the quarter at once, and its full part when the minute is over.

use std::time::{Duration, Instant};

/// How far back the venue looks.
const WINDOW: Duration = Duration::from_secs(60);

/// What one connection may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    given: u32,
    /// The most that was given within the last minute, and until when that counts.
    peak: u32,
    peak_until: Option<Instant>,
    /// Whether the connection is in use.
    pub(super) is_used: bool,
}

impl Slice {
    /// Nothing yet.
    pub(super) const EMPTY: Slice = Slice { given: 0, peak: 0, peak_until: None, is_used: false };

    /// What the connection may use in a minute.
    pub(super) fn given(&self) -> u32 {
        self.given
    }

    fn settle(&mut self, now: Instant) {
        if self.peak_until.is_none_or(|until| until <= now) {
            self.peak = self.given;
            self.peak_until = None;
        }
    }

    fn shrink(&mut self, to: u32, now: Instant) {
        self.peak_until = Some(now + WINDOW);
        self.given = to;
    }
}

/// Cuts `total`, which must be at least the number of slices in use, evenly over these. When to do it again: what was taken away from some can then be given to
/// others.
pub(super) fn cut<'a>(
    total: u32,
    slices: impl Iterator<Item = &'a mut Slice>,
    now: Instant,
) -> Option<Instant> {
    let mut slices: Vec<&mut Slice> = slices.collect();
    let used = slices.iter().filter(|slice| slice.is_used).count() as u32;
    let target = (total - total / 4).checked_div(used).unwrap_or(0).max(1);
    for slice in &mut slices {
        slice.settle(now);
        let wanted = if slice.is_used { target } else { 0 };
        if slice.given > wanted {
            slice.shrink(wanted, now);
        }
    }
    let held: u32 = slices.iter().map(|slice| slice.peak).sum();
    let mut free = total.saturating_sub(held);
    let mut hungry = slices.iter().filter(|s| s.is_used && s.given < target).count() as u32;
    for slice in slices.iter_mut().filter(|slice| slice.is_used && slice.given < target) {
        // What its own past holds is its to use.
        let part = free / hungry;
        let most = target.min(slice.peak.max(slice.given + part));
        let taken = most.saturating_sub(slice.peak);
        slice.given = most;
        slice.peak = slice.peak.max(most);
        free -= taken;
        hungry -= 1;
    }
    let starved = slices.iter().any(|slice| slice.is_used && slice.given < target);
    starved.then(|| slices.iter().filter_map(|slice| slice.peak_until).min()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn used(slices: &mut [Slice]) {
        slices.iter_mut().for_each(|slice| slice.is_used = true);
    }

    #[test]
    fn those_that_begin_together_get_even_parts_at_once() {
        let mut slices = [Slice::EMPTY; 3];
        used(&mut slices);
        assert_eq!(cut(2000, slices.iter_mut(), Instant::now()), None);
        assert_eq!(slices.map(|slice| slice.given()), [500; 3]);
    }

    #[test]
    fn a_new_one_gets_what_is_kept_back_and_a_minute_later_its_part() {
        let start = Instant::now();
        let mut slices = [Slice::EMPTY; 2];
        used(&mut slices[..1]);
        assert_eq!(cut(2000, slices.iter_mut(), start), None);
        assert_eq!(slices[0].given(), 1500);
        used(&mut slices);
        let again = cut(2000, slices.iter_mut(), start).expect("more comes later");
        assert_eq!(slices.map(|slice| slice.given()), [750, 500]);
        assert_eq!(again, start + WINDOW);
        assert_eq!(cut(2000, slices.iter_mut(), again), None);
        assert_eq!(slices.map(|slice| slice.given()), [750, 750]);
    }

    #[test]
    fn small_budgets_serve_someone() {
        let mut slices = [Slice::EMPTY; 10];
        used(&mut slices);
        cut(30, slices.iter_mut(), Instant::now());
        assert!(slices.iter().all(|slice| slice.given() == 2));
    }

    proptest! {
        /// What all may use in any minute is never more than the budget, whatever comes and goes.
        #[test]
        fn never_more_than_the_budget_in_any_minute(
            total in 20u32..3000,
            steps in prop::collection::vec((0usize..12, any::<bool>(), 0u64..40), 1..80),
        ) {
            let start = Instant::now();
            let mut slices = [Slice::EMPTY; 12];
            let mut at = start;
            let mut history: Vec<(Instant, [u32; 12])> = Vec::new();
            for (which, is_used, seconds) in steps {
                at += Duration::from_secs(seconds);
                slices[which].is_used = is_used;
                cut(total, slices.iter_mut(), at);
                history.push((at, slices.map(|slice| slice.given())));
                // In a window each connection can use the most that it had in it.
                let mut most = [0u32; 12];
                for (index, (when, given)) in history.iter().enumerate() {
                    let ended = history.get(index + 1).is_some_and(|(next, _)| *next + WINDOW <= at);
                    let _ = when;
                    if !ended {
                        most.iter_mut().zip(given).for_each(|(most, given)| *most = (*most).max(*given));
                    }
                }
                prop_assert!(most.iter().sum::<u32>() <= total, "{most:?} of {total}");
            }
        }

        /// A minute after the last change everyone has an even part.
        #[test]
        fn in_the_end_all_are_even(total in 100u32..3000, flags in prop::collection::vec(any::<bool>(), 1..12)) {
            let start = Instant::now();
            let mut slices = vec![Slice::EMPTY; flags.len()];
            slices[0].is_used = true;
            cut(total, slices.iter_mut(), start);
            slices.iter_mut().zip(&flags).for_each(|(slice, flag)| slice.is_used = *flag);
            let mut due = cut(total, slices.iter_mut(), start);
            for _ in 0..3 {
                let Some(at) = due else { break };
                due = cut(total, slices.iter_mut(), at);
            }
            prop_assert_eq!(due, None);
            let given: Vec<u32> = slices.iter().filter(|s| s.is_used).map(|s| s.given()).collect();
            prop_assert!(given.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", given);
        }
    }
}
