//! When a loop that never sleeps gives way.
//!
//! The sync of a journal batch runs in a worker of the kernel, often on the CPU of the loop that waits for it. A loop that has
//! work without end, or that polls, keeps the worker waiting for the scheduler's next tick: 4 ms. So when a flush takes longer
//! than flushes take, the loop sleeps for a moment, whatever else there is to do. A disk that is merely slow is given
//! way to ever more rarely, so that it does not stop the loop.

use std::time::Duration;

/// A flush that has taken this long may be waiting for the loop's CPU.
const LATE_NS: u64 = 300_000;
/// How long the loop sleeps to give way. A worker that is ready needs less to begin.
pub const MOMENT: Duration = Duration::from_micros(30);

/// Tells when to give way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// When the loop is to give way next; 0 while nothing flies.
    due_ns: u64,
    step_ns: u64,
}

impl Way {
    /// A flush began, or one ended and others are under way, or (`flying` false) all have ended.
    pub fn note(&mut self, flying: bool, now_ns: u64) {
        self.step_ns = LATE_NS;
        self.due_ns = if flying { now_ns.saturating_add(LATE_NS).max(1) } else { 0 };
    }

    /// Whether to sleep for a [`MOMENT`] now.
    #[inline]
    pub fn is_due(&mut self, now_ns: u64) -> bool {
        if self.due_ns == 0 || now_ns < self.due_ns {
            return false;
        }
        self.step_ns = self.step_ns.saturating_mul(2);
        self.due_ns = now_ns.saturating_add(self.step_ns);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{LATE_NS, Way};

    #[test]
    fn a_late_flush_is_given_way_to_ever_more_rarely() {
        let mut way = Way::default();
        assert!(!way.is_due(u64::MAX), "nothing flies");
        way.note(true, 1000);
        let mut times = Vec::new();
        for now_ns in (1000..1000 + 40 * LATE_NS).step_by(1000) {
            if way.is_due(now_ns) {
                times.push((now_ns - 1000) / LATE_NS);
            }
        }
        assert_eq!(times, [1, 3, 7, 15, 31]);
        way.note(true, 0);
        assert!(!way.is_due(LATE_NS - 1) && way.is_due(LATE_NS), "another begins anew");
        way.note(false, 0);
        assert!(!way.is_due(u64::MAX));
    }
}
