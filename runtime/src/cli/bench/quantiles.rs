//! Quantiles of one round's samples, medians over rounds, and the order in which those that are
//! compared take turns.
//!
//! Samples are kept whole and sorted, so a quantile is a value that was seen (nearest rank), not the
//! edge of a bucket.

use serde::Serialize;

/// Times of one kind of operation, nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
pub(super) struct Quantiles {
    /// How many were timed.
    pub(super) samples: u64,
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) p999_ns: u64,
    pub(super) max_ns: u64,
}

impl Quantiles {
    /// Of the samples of one round, which are sorted here. `None` if there are none.
    pub(super) fn of(samples: &mut [u64]) -> Option<Quantiles> {
        samples.sort_unstable();
        Some(Quantiles {
            samples: samples.len() as u64,
            p50_ns: nearest_rank(samples, 500)?,
            p99_ns: nearest_rank(samples, 990)?,
            p999_ns: nearest_rank(samples, 999)?,
            max_ns: *samples.last()?,
        })
    }

    /// Over rounds: the median of each quantile, and the largest maximum.
    pub(super) fn over(rounds: &[Quantiles]) -> Option<Quantiles> {
        let middle = |of: fn(&Quantiles) -> u64| {
            let mut values: Vec<u64> = rounds.iter().map(of).collect();
            values.sort_unstable();
            nearest_rank(&values, 500)
        };
        Some(Quantiles {
            samples: rounds.iter().map(|round| round.samples).sum(),
            p50_ns: middle(|round| round.p50_ns)?,
            p99_ns: middle(|round| round.p99_ns)?,
            p999_ns: middle(|round| round.p999_ns)?,
            max_ns: rounds.iter().map(|round| round.max_ns).max()?,
        })
    }
}

/// The smallest sample that at least `permille` of 1000 do not exceed.
fn nearest_rank(sorted: &[u64], permille: usize) -> Option<u64> {
    let rank = (sorted.len() * permille).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The median; the lower one of two in the middle. Not a number where there is none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}

/// The order in which `count` subjects are measured in a turn. Each turn begins with the next one, so
/// that none is always first, or always behind the same one after a pause.
pub(super) fn turns(count: usize, turn: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (place + turn) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        for (count, p50, p99, p999) in [
            (1, 1, 1, 1),
            (2, 1, 2, 2),
            (100, 50, 99, 100),
            (101, 51, 100, 101),
            (1000, 500, 990, 999),
        ] {
            let mut samples: Vec<u64> = (1..=count).rev().collect();
            let found = Quantiles::of(&mut samples).expect("there are samples");
            assert_eq!((found.p50_ns, found.p99_ns, found.p999_ns), (p50, p99, p999), "{count}");
            assert_eq!((found.samples, found.max_ns), (count, count));
        }
        assert_eq!(Quantiles::of(&mut []), None);
    }

    #[test]
    fn a_round_that_was_disturbed_does_not_decide() {
        let calm = Quantiles { samples: 10, p50_ns: 100, p99_ns: 200, p999_ns: 300, max_ns: 300 };
        let noisy = Quantiles { p99_ns: 9000, p999_ns: 9000, max_ns: 9000, ..calm };
        let over = Quantiles::over(&[noisy, calm, calm]).expect("three rounds");
        assert_eq!((over.p99_ns, over.max_ns, over.samples), (200, 9000, 30));
        assert_eq!(Quantiles::over(&[]), None);
    }

    #[test]
    fn medians_of_numbers() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 1.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn everyone_has_its_turn_in_every_place() {
        let order = |turn| turns(3, turn).collect::<Vec<_>>();
        assert_eq!(
            [order(0), order(1), order(2), order(3)],
            [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]
        );
        assert_eq!(turns(0, 5).count(), 0);
    }
}
