//! CPU time of this thread and of the whole process, and the slack of this thread's timers.

use std::ops::Sub;
use std::time::Duration;

/// CPU time used so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CpuTime {
    /// By the calling thread.
    pub(super) thread: Duration,
    /// By the process: all of its threads, and the kernel's workers for their rings.
    pub(super) process: Duration,
}

impl CpuTime {
    /// Reads both.
    pub(super) fn now() -> CpuTime {
        CpuTime {
            thread: read(libc::CLOCK_THREAD_CPUTIME_ID),
            process: read(libc::CLOCK_PROCESS_CPUTIME_ID),
        }
    }
}

impl Sub for CpuTime {
    type Output = CpuTime;

    fn sub(self, before: CpuTime) -> CpuTime {
        CpuTime {
            thread: self.thread.saturating_sub(before.thread),
            process: self.process.saturating_sub(before.process),
        }
    }
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes the structure, which outlives the call.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert!(read == 0, "every kernel that has io_uring has these clocks");
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Lets this thread's timers fire when they are due, not up to 50 us later: the open loop sleeps until
/// a record is due.
pub(super) fn sharpen_timers() {
    // SAFETY: the call reads two numbers. It cannot fail for them.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1u64) };
}

#[cfg(test)]
mod tests {
    use super::CpuTime;

    #[test]
    fn work_takes_cpu_time_of_thread_and_process() {
        let before = CpuTime::now();
        let mut used = CpuTime::now() - before;
        // Until both clocks have moved: the one of the process may move with the kernel's tick only.
        while used.thread.is_zero() || used.process.is_zero() {
            used = CpuTime::now() - before;
        }
        assert_eq!(before - CpuTime::now(), before - before, "they do not go back");
    }
}
