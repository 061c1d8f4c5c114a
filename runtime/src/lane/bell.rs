//! Waking a thread that sleeps, at the cost of a fence when it does not.
//!
//! A thread that is about to sleep says so ([`Bell::before_sleep`]), looks at its rings once more, and blocks on the
//! bell's eventfd. A thread that has put something in a ring rings the bell ([`Bell::ring`]): it writes the eventfd
//! only if the sleeper said that it sleeps. One ring per loop turn is enough, however much was put.
//!
//! The two must not miss each other: the producer stores to the ring and then reads the flag; the sleeper stores the
//! flag and then reads the ring. Both have a SeqCst fence between their store and their load, so at least one of them
//! sees the other's store.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// The bell of one thread. Shared with everyone who may wake it.
pub struct Bell {
    sleeping: AtomicBool,
    eventfd: OwnedFd,
}

impl Bell {
    /// A bell that nobody sleeps by.
    pub fn new() -> io::Result<Bell> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { sleeping: AtomicBool::new(false), eventfd })
    }

    /// The descriptor that becomes readable when the bell is rung.
    pub fn fd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// Says that this thread is about to sleep. It must look at its rings once more before it does.
    pub fn before_sleep(&self) {
        // Relaxed: the fence orders it before the sleeper's look at its rings.
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Says that this thread is awake, and takes what was rung.
    pub fn after_sleep(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
        let mut count = [0u8; 8];
        // Nothing to read means that nobody rang: the sleep ended for another reason.
        let _ = rustix::io::read(&self.eventfd, &mut count);
    }

    /// Wakes the thread if it sleeps. To be called after what it should see was put in its ring.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        // Relaxed: the fence ordered the ring's store before this load.
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            // The counter cannot overflow: each ring follows a sleep.
            let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
        }
    }

    /// Sleeps until the bell is rung or `timeout` has passed, unless `ready` finds work first.
    pub fn sleep(&self, timeout: Duration, ready: impl FnOnce() -> bool) {
        self.sleep_beside(None, timeout, ready);
    }

    /// As [`Bell::sleep`], and until `other` can be read.
    pub fn sleep_beside(
        &self,
        other: Option<BorrowedFd<'_>>,
        timeout: Duration,
        ready: impl FnOnce() -> bool,
    ) {
        self.before_sleep();
        if !ready() {
            let timeout = Timespec::try_from(timeout).ok();
            let own = self.eventfd.as_fd();
            let mut fds =
                [own, other.unwrap_or(own)].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            // A signal ends the sleep early, which every caller allows for.
            let _ = poll(&mut fds[..1 + usize::from(other.is_some())], timeout.as_ref());
        }
        self.after_sleep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn nothing_put_before_a_sleep_is_missed() {
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        let (mut producer, mut consumer) = rtrb::RingBuffer::new(4);
        let ringer = Arc::clone(&bell);
        const COUNT: u32 = 20_000;
        let thread = std::thread::spawn(move || {
            for value in 0..COUNT {
                while producer.push(value).is_err() {
                    std::hint::spin_loop();
                }
                ringer.ring();
            }
        });
        let mut next = 0;
        while next < COUNT {
            match consumer.pop() {
                Ok(value) => {
                    assert_eq!(value, next);
                    next += 1;
                }
                // A missed wake shows as this time-out, and the count of them as the assertion below.
                Err(_) => {
                    let started = std::time::Instant::now();
                    bell.sleep(Duration::from_secs(5), || !consumer.is_empty());
                    assert!(started.elapsed() < Duration::from_secs(5), "the wake was missed");
                }
            }
        }
        thread.join().expect("the producer ends");
    }

    #[test]
    fn ringing_a_thread_that_is_awake_costs_no_call() {
        let bell = Bell::new().expect("an eventfd");
        bell.ring();
        let mut count = [0u8; 8];
        assert!(rustix::io::read(&bell.eventfd, &mut count).is_err(), "nothing was written");
    }
}
