//! Quantiles of short times, on hosts whose time stamps come in lumps too.
//!
//! Some hypervisors hand out a time-stamp counter that moves in steps of 10 ns. A time then reads as
//! one of its two neighbours, each as often as the time is near to it, so a quantile is found by
//! interpolation between steps; a single reading says no more than its step.

use quanta::Clock;
use std::hint::black_box;

/// Steps that are looked for, in nanoseconds, the largest first.
const STEPS: [u64; 4] = [100, 40, 20, 10];

/// Turns pairs of time stamps into quantiles.
pub struct Stamps {
    clock: Clock,
    step_ns: u64,
}

impl Stamps {
    /// Looks at how the host's time stamps move.
    pub fn new() -> Stamps {
        let clock = Clock::new();
        let times: Vec<u64> = (0..4000)
            .map(|n| {
                let start = clock.raw();
                (0..n % 97).for_each(|turn| {
                    black_box(turn);
                });
                clock.delta_as_nanos(start, clock.raw())
            })
            .collect();
        let on_step = |step: &u64| {
            let near = times.iter().filter(|ns| (**ns + 1) % step <= 2).count();
            near * 100 >= times.len() * 95
        };
        let step_ns = STEPS.into_iter().find(on_step).unwrap_or(1);
        Stamps { clock, step_ns }
    }

    /// How the time stamps move, in nanoseconds; 1 stands for less, too.
    pub fn step_ns(&self) -> u64 {
        self.step_ns
    }

    /// A time stamp.
    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.raw()
    }

    /// Nanoseconds between two time stamps.
    pub fn ns_between(&self, start: u64, end: u64) -> u64 {
        self.clock.delta_as_nanos(start, end)
    }

    /// What reading the clock adds to a time, in nanoseconds: the median.
    pub fn own_ns(&self) -> f64 {
        let mut times: Vec<u64> = (0..10_000)
            .map(|_| {
                let start = self.now();
                self.now() - start
            })
            .collect();
        self.quantiles(&mut times, [500])[0]
    }

    /// Quantiles, given per mille, of differences of time stamps; in nanoseconds. Sorts them.
    pub fn quantiles<const N: usize>(&self, raw: &mut [u64], per_mille: [u32; N]) -> [f64; N] {
        raw.sort_unstable();
        let ns = |at: usize| self.clock.delta_as_nanos(0, raw[at]);
        per_mille.map(|share| quantile(raw.len(), ns, share, self.step_ns))
    }
}

impl Default for Stamps {
    fn default() -> Stamps {
        Stamps::new()
    }
}

/// A quantile of `len` sorted times of which each is a multiple of `step`, give or take one.
fn quantile(len: usize, ns: impl Fn(usize) -> u64, per_mille: u32, step: u64) -> f64 {
    if len == 0 {
        return 0.0;
    }
    let rank = (len - 1) * per_mille as usize / 1000;
    let bucket = |at: usize| (ns(at) + step / 2) / step;
    let mine = bucket(rank);
    let [from, to] = [mine, mine + 1].map(|edge| first(len, |at| bucket(at) >= edge));
    let part = (rank - from) as f64 / (to - from) as f64;
    ((mine as f64 - 0.5 + part) * step as f64).max(0.0)
}

/// The first of `len` sorted places for which `is` holds; `len` if none.
fn first(len: usize, is: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = (low + high) / 2;
        if is(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(times: &[u64], per_mille: u32, step: u64, expected: f64) {
        assert_eq!(quantile(times.len(), |at| times[at], per_mille, step), expected);
    }

    #[test]
    fn a_quantile_lies_between_steps_as_the_times_do() {
        // Half read as 20, half as 30: the time is 25.
        check(&[20, 20, 19, 20, 21, 30, 30, 29, 30, 30, 31], 500, 10, 25.0);
        check(&[20, 20, 20, 20], 0, 10, 15.0);
        check(&[20, 20, 20, 20, 20], 500, 10, 19.0);
        check(&[7, 8, 9], 500, 1, 7.5);
        check(&[], 500, 10, 0.0);
    }

    #[test]
    fn the_last_is_the_largest_but_for_half_a_step() {
        check(&[10, 20, 500], 1000, 10, 495.0);
    }
}
