//! Time on a core: monotonic for latency, wall time that never goes back for the journal.

use std::time::{SystemTime, UNIX_EPOCH};

use quanta::{Clock as Quanta, Instant};

/// Readings of time for one thread.
pub struct Clock {
    quanta: Quanta,
    start: Instant,
    start_wall_ns: u64,
    last_wall_ns: u64,
}

/// The wall clock now, Unix nanoseconds.
pub fn wall_now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

impl Clock {
    /// A clock whose times are at least `not_before_ns`: the newest time in the journal.
    pub fn new(not_before_ns: u64) -> Clock {
        let quanta = Quanta::new();
        let start = quanta.now();
        let start_wall_ns = wall_now_ns().max(not_before_ns);
        Clock { quanta, start, start_wall_ns, last_wall_ns: not_before_ns }
    }

    /// Nanoseconds since an arbitrary moment, the same for all threads of the process. For differences only.
    pub fn mono_ns(&self) -> u64 {
        self.quanta.delta_as_nanos(0, self.quanta.raw())
    }

    /// Unix nanoseconds: the wall clock at the start plus the monotonic time since. It never goes back, and a step of
    /// the wall clock moves no deadline; if the journal was written under a later clock, it goes on from there: were it to
    /// stand, no deadline would come, no journal be sealed and no connection be tried again until that is past.
    pub fn wall_ns(&mut self) -> u64 {
        let elapsed = self.quanta.now().duration_since(self.start).as_nanos() as u64;
        self.last_wall_ns = self.last_wall_ns.max(self.start_wall_ns + elapsed);
        self.last_wall_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_behind_the_journal() {
        let later = wall_now_ns() + 3_600_000_000_000;
        let mut clock = Clock::new(later);
        assert!(clock.wall_ns() >= later);
        let mut clock = Clock::new(0);
        let first = clock.wall_ns();
        assert!(clock.wall_ns() >= first && first.abs_diff(wall_now_ns()) < 1_000_000_000);
    }

    #[test]
    fn time_goes_on_under_a_journal_of_a_later_clock() {
        let later = wall_now_ns() + 3_600_000_000_000;
        let mut clock = Clock::new(later);
        let (from_ns, started_ns) = (clock.wall_ns(), clock.mono_ns());
        while clock.mono_ns() - started_ns < 2_000_000 {
            std::hint::spin_loop();
        }
        assert!(clock.wall_ns() >= from_ns + 1_000_000, "deadlines, seals and retries hang on it");
    }
}
