//! Whether memory is flat: the slope of what is resident over the last two thirds of a run.
//!
//! Caches, keys and orders fill up for as long as they are kept; the first third is left to them
//! (`plan.rs` shortens what is kept longer). After it a process that keeps nothing it should not
//! grows by no more than an allocator's noise.

use std::time::Duration;

use serde::Serialize;

/// Growth over the judged part that is still flat: this part of the mean, ...
const NOISE_PERCENT: f64 = 2.0;
/// ... or this much, whichever is more.
const NOISE_KIB: f64 = 2048.0;
/// Fewer samples say nothing.
const SAMPLES_MIN: usize = 100;

/// The rule, for people.
pub(super) const RULE: &str = "flat: a straight line through the last two thirds (least squares) \
     rises over them by at most 2 % of their mean, or 2 MiB if that is more";

/// What was found.
#[derive(Clone, Copy, PartialEq, Serialize, Debug)]
pub(super) struct Slope {
    pub(super) kib_per_minute: f64,
    /// How much it rose over the judged part.
    pub(super) rise_kib: f64,
    pub(super) mean_kib: f64,
    /// The judged part.
    pub(super) minutes: f64,
    pub(super) is_flat: bool,
}

impl Slope {
    /// Of samples in the order of time, KiB. `None` if they are too few.
    pub(super) fn of(samples: &[(Duration, u64)]) -> Option<Slope> {
        let end = samples.last()?.0;
        let from = end / 3;
        let judged: Vec<(f64, f64)> = samples
            .iter()
            .filter(|(at, _)| *at >= from)
            .map(|(at, kib)| (at.as_secs_f64() / 60.0, *kib as f64))
            .collect();
        if judged.len() < SAMPLES_MIN {
            return None;
        }
        let count = judged.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| judged.iter().map(of).sum::<f64>() / count;
        let (mean_at, mean_kib) = (mean(|(at, _)| *at), mean(|(_, kib)| *kib));
        let spread: f64 = judged.iter().map(|(at, _)| (at - mean_at).powi(2)).sum();
        let joint: f64 = judged.iter().map(|(at, kib)| (at - mean_at) * (kib - mean_kib)).sum();
        let kib_per_minute = joint / spread;
        let minutes = judged[judged.len() - 1].0 - judged[0].0;
        let rise_kib = kib_per_minute * minutes;
        let is_flat = rise_kib <= NOISE_KIB.max(mean_kib * NOISE_PERCENT / 100.0);
        Some(Slope { kib_per_minute, rise_kib, mean_kib, minutes, is_flat })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample a second for an hour.
    fn samples(kib: impl Fn(u64) -> u64) -> Vec<(Duration, u64)> {
        (0..3600).map(|at| (Duration::from_secs(at), kib(at))).collect()
    }

    #[track_caller]
    fn check(kib: impl Fn(u64) -> u64, kib_per_minute: f64, is_flat: bool) {
        let slope = Slope::of(&samples(kib)).expect("enough");
        assert!((slope.kib_per_minute - kib_per_minute).abs() < 1.0, "{slope:?}");
        assert_eq!(slope.is_flat, is_flat, "{slope:?}");
    }

    #[test]
    fn what_rises_after_the_first_third_is_not_flat() {
        let mib = 1024;
        check(|_| 60 * mib, 0.0, true);
        // It fills up in the first third, and stays.
        check(|at| 60 * mib + 100 * at.min(1200), 0.0, true);
        // Steps of an allocator, up and down.
        check(|at| 60 * mib + at / 7 % 2 * mib, 0.0, true);
        // 60 KiB a minute is 2.4 MiB over 40 minutes: more than 2 MiB.
        check(|at| 60 * mib + at, 60.0, false);
        // Of a large process 2 % are more.
        check(|at| 400 * mib + at, 60.0, true);
        check(|at| 400 * mib + 10 * at, 600.0, false);
        // What shrinks does not leak.
        check(|at| 400 * mib - 10 * at, -600.0, true);
    }

    #[test]
    fn few_samples_say_nothing() {
        assert_eq!(Slope::of(&[]), None);
        assert_eq!(Slope::of(&samples(|_| 1)[..140]), None);
        assert!(Slope::of(&samples(|_| 1)[..200]).is_some());
    }
}
