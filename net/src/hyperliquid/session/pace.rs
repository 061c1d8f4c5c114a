//! A budget of messages a minute that holds for every minute, not only on average.
//!
//! A bucket of half the budget that refills with half the budget a minute: a full bucket and all that flows in
//! during 60 seconds are the budget, so no window of 60 seconds can see more. Of one message a minute the bucket holds that
//! one, and the next takes a minute to flow in.

/// One message, in the units of the bucket: at a rate of one message a minute, one unit flows in per millisecond.
const MESSAGE: u64 = 60_000;

/// How much may be sent now.
#[derive(Clone, Debug)]
pub(in crate::hyperliquid) struct Pace {
    /// Units that flow in per millisecond; also messages a minute.
    rate: u64,
    level: u64,
    at_ms: u64,
}

impl Pace {
    /// A full bucket. A budget of nothing is taken for one message a minute: who may send nothing does not connect.
    pub(in crate::hyperliquid) fn new(messages_per_minute: u32) -> Pace {
        let rate = u64::from(messages_per_minute / 2).max(1);
        Pace { rate, level: rate * MESSAGE, at_ms: 0 }
    }

    /// Another budget from here on. What was sent counts against it.
    pub(in crate::hyperliquid) fn set_rate(&mut self, messages_per_minute: u32) {
        let fresh = Pace::new(messages_per_minute);
        // A bucket that was full is full; no other gets more than it had.
        let was_full = self.level == self.rate * MESSAGE;
        self.level = if was_full { fresh.level } else { self.level.min(fresh.level) };
        self.rate = fresh.rate;
    }

    fn refill(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        let full = self.rate * MESSAGE;
        self.level = self.level.saturating_add(passed.saturating_mul(self.rate)).min(full);
    }

    /// Takes one message from the budget, if there is one.
    pub(in crate::hyperliquid) fn take(&mut self, now_ms: u64) -> bool {
        self.refill(now_ms);
        let enough = self.level >= MESSAGE;
        if enough {
            self.level -= MESSAGE;
        }
        enough
    }

    /// The venue says that the budget is spent: others share it. Begin from nothing.
    pub(in crate::hyperliquid) fn exhaust(&mut self, now_ms: u64) {
        self.refill(now_ms);
        self.level = 0;
    }

    /// When the next message may go.
    pub(in crate::hyperliquid) fn ready_at(&self, now_ms: u64) -> u64 {
        let missing = MESSAGE.saturating_sub(self.level);
        (self.at_ms + missing.div_ceil(self.rate)).max(if missing == 0 { now_ms } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_sees_more_than_the_budget() {
        for budget in [1, 2, 3, 20, 200, 2000] {
            let mut pace = Pace::new(budget);
            let sent: Vec<u64> = (0..600_000).step_by(7).filter(|now| pace.take(*now)).collect();
            for (at, first) in sent.iter().enumerate() {
                let within = sent[at..].iter().take_while(|ms| **ms < first + 60_000).count();
                assert!(within <= budget as usize, "{within} of {budget} after {first} ms");
            }
            let least = 9 * (budget / 2).max(1) as usize;
            assert!(sent.len() >= least, "{} sent of {budget}", sent.len());
        }
    }

    #[test]
    fn another_budget_does_not_forget_what_was_sent() {
        let mut pace = Pace::new(200);
        pace.set_rate(400);
        assert_eq!((0..500).filter(|_| pace.take(0)).count(), 200, "nothing was sent yet");
        pace.set_rate(800);
        assert!(!pace.take(0), "a larger budget flows in, it is not there at once");
        assert!(pace.take(150), "at 400 a minute");
        let mut pace = Pace::new(400);
        pace.set_rate(100);
        assert_eq!((0..500).filter(|_| pace.take(0)).count(), 50);
    }

    #[test]
    fn ready_at_is_when_the_next_one_goes() {
        let mut pace = Pace::new(60);
        while pace.take(1000) {}
        let ready = pace.ready_at(1000);
        assert!(!pace.clone().take(ready - 1));
        assert!(pace.take(ready));
        pace.exhaust(ready);
        assert_eq!(pace.ready_at(ready), ready + 2000);
    }
}
