//! How long to wait before the next attempt: 250 ms doubling to 30 s, with jitter.
//!
//! The jitter is a function of the caller's seed and the attempt, so that a thousand connections cut at one
//! moment do not come back at one moment, and a test can name the delays.

/// First delay.
pub const DELAY_MS_MIN: u64 = 250;

/// Longest delay: an outage of the venue costs at most this after its end.
pub const DELAY_MS_MAX: u64 = 30_000;

/// The close code of an orderly end (RFC 6455 section 7.4.1). With the reason `Expired` it is the venue's routine
/// rotation of connections.
const CLOSE_NORMAL: u16 = 1000;

/// The attempts so far, and the delays they call for.
#[derive(Clone, Debug)]
pub struct Backoff {
    seed: u64,
    attempts: u32,
    rotated: bool,
}

impl Backoff {
    /// No attempts so far. Give each connection its own seed.
    pub fn new(seed: u64) -> Backoff {
        Backoff { seed, attempts: 0, rotated: false }
    }

    /// The delay before the next attempt, after a failure: half of it fixed, half of it jitter.
    pub fn next_ms(&mut self) -> u64 {
        let doublings = self.attempts.min(DELAY_MS_MAX.ilog2());
        let ceiling = DELAY_MS_MIN.saturating_mul(1 << doublings).min(DELAY_MS_MAX);
        let jitter = mix(self.seed ^ (u64::from(self.attempts) << 32)) % (ceiling / 2 + 1);
        self.attempts = self.attempts.saturating_add(1);
        ceiling / 2 + jitter
    }

    /// The delay before the next attempt, after the peer closed: none for a routine rotation. A second rotation
    /// without a [`Backoff::reset`] between is no routine and waits like a failure.
    pub fn after_close_ms(&mut self, code: u16, reason: &str) -> u64 {
        if code == CLOSE_NORMAL && reason == "Expired" && !self.rotated {
            self.rotated = true;
            return 0;
        }
        self.next_ms()
    }

    /// The attempt succeeded: the next failure starts from the first delay again.
    pub fn reset(&mut self) {
        // Another seed for the next row of failures, or the same connections would meet again each time.
        self.seed = mix(self.seed);
        self.attempts = 0;
        self.rotated = false;
    }

    /// Attempts since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the output.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_ceiling_and_start_over_after_success() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            for ceiling in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
                let delay = backoff.next_ms();
                assert!(
                    (ceiling / 2..=ceiling).contains(&delay),
                    "seed {seed}: {delay} of {ceiling}"
                );
            }
            backoff.reset();
            assert!(backoff.next_ms() <= DELAY_MS_MIN);
        }
    }

    #[test]
    fn a_long_outage_never_overflows() {
        let mut backoff = Backoff { attempts: u32::MAX - 1, ..Backoff::new(1) };
        for _ in 0..4 {
            assert!(backoff.next_ms() <= DELAY_MS_MAX);
        }
    }

    #[test]
    fn connections_cut_together_come_back_apart() {
        let delays: std::collections::BTreeSet<u64> =
            (0..100).map(|seed| Backoff::new(seed).next_ms()).collect();
        assert!(delays.len() > 40, "{} different delays", delays.len());
    }

    #[test]
    fn a_routine_rotation_is_followed_at_once_but_only_once() {
        let mut backoff = Backoff::new(3);
        assert_eq!(backoff.after_close_ms(1000, "Expired"), 0);
        assert!(backoff.after_close_ms(1000, "Expired") >= 125);
        backoff.reset();
        assert_eq!(backoff.after_close_ms(1000, "Expired"), 0);
        backoff.reset();
        assert!(backoff.after_close_ms(1000, "") >= 125);
        assert!(backoff.after_close_ms(1006, "Expired") >= 125);
    }
}
