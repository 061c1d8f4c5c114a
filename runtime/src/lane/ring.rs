//! A core's own io_uring: sockets, journal and bell complete here, and the loop sleeps here.
//!
//! Every operation carries a token; its completion brings the token back. Memory that an operation uses belongs to the
//! caller and must stay where it is until that completion.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

/// Entries of the submission queue. A core has at most a few operations per connection in flight.
const ENTRIES: u32 = 256;

/// Which features of the kernel the ring uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flavour {
    /// SINGLE_ISSUER and DEFER_TASKRUN (Linux 6.1): completions run when the loop asks for them.
    Deferred,
    /// COOP_TASKRUN (Linux 5.19): completions run at the loop's next system call.
    Cooperative,
    /// Nothing special.
    Plain,
}

/// Names an operation. The upper byte is its [`Op`], the rest is the caller's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token(u64);

/// What kind of operation completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// The bell rang.
    Bell = 1,
    /// A socket was connected.
    Connect,
    /// Bytes were received.
    Recv,
    /// Bytes were sent.
    Send,
    /// An operation was cancelled, or was not there to cancel.
    Cancel,
    /// A journal write.
    Write,
    /// A journal flush.
    Sync,
}

const OPS: [Op; 7] = [Op::Bell, Op::Connect, Op::Recv, Op::Send, Op::Cancel, Op::Write, Op::Sync];

impl Token {
    /// A token of the caller's 56 bits.
    pub fn new(op: Op, value: u64) -> Token {
        assert!(value < 1 << 56, "a token's value has 56 bits");
        Token((op as u64) << 56 | value)
    }

    /// The kind of operation.
    pub fn op(self) -> Op {
        let code = self.0 >> 56;
        *OPS.iter().find(|op| **op as u64 == code).expect("tokens are made by Token::new")
    }

    /// The caller's value.
    pub fn value(self) -> u64 {
        self.0 & ((1 << 56) - 1)
    }

    /// The bits, for entries that are built elsewhere.
    pub fn bits(self) -> u64 {
        self.0
    }
}

/// A completed operation.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// Which one.
    pub token: Token,
    /// Bytes, or a negated errno.
    result: i32,
}

impl Completion {
    /// Bytes transferred, or the error.
    pub fn result(self) -> io::Result<u32> {
        u32::try_from(self.result).map_err(|_| io::Error::from_raw_os_error(-self.result))
    }
}

/// The ring.
pub struct Ring {
    uring: IoUring,
    flavour: Flavour,
}

impl Ring {
    /// A ring with the best features that the kernel has. To be called on the thread that will use it.
    pub fn new() -> io::Result<Ring> {
        let mut deferred = IoUring::builder();
        deferred.setup_single_issuer().setup_defer_taskrun().setup_submit_all().dontfork();
        let mut cooperative = IoUring::builder();
        cooperative.setup_coop_taskrun().setup_submit_all().dontfork();
        let (uring, flavour) = match deferred.build(ENTRIES) {
            Ok(uring) => (uring, Flavour::Deferred),
            // The kernel refuses flags that it does not know with EINVAL; anything else is said by the last try.
            Err(_) => match cooperative.build(ENTRIES) {
                Ok(uring) => (uring, Flavour::Cooperative),
                Err(_) => (IoUring::new(ENTRIES)?, Flavour::Plain),
            },
        };
        Ok(Ring { uring, flavour })
    }

    /// The features in use.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The ring itself, to register buffers with.
    pub fn uring(&self) -> &IoUring {
        &self.uring
    }

    /// Lets the ring hold an open file until the last of its operations is done, even if the process is killed before.
    /// Best effort: an old kernel may refuse.
    pub fn hold(&self, file: BorrowedFd<'_>) {
        let _ = self.uring.submitter().register_files(&[file.as_raw_fd()]);
    }

    /// Lets go of what [`Ring::hold`] holds, now.
    pub fn let_go(&self) {
        let _ = self.uring.submitter().unregister_files();
    }

    /// Keeps the kernel's workers for this thread's operations on one CPU.
    pub fn keep_workers_on(&self, cpu: usize) -> io::Result<()> {
        // SAFETY: a set of CPUs is plain bits, and all zeros is the empty one.
        let mut cpus: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        if cpu >= libc::CPU_SETSIZE as usize {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: `cpu` is below the size of the set.
        unsafe { libc::CPU_SET(cpu, &mut cpus) };
        self.uring.submitter().register_iowq_aff(&cpus)
    }

    /// Adds an entry, submitting what waits when the queue is full.
    ///
    /// # Safety
    /// The memory and the descriptor that `entry` names stay valid until its completion came.
    pub unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: the caller keeps what the entry names.
            if unsafe { self.uring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.submit()?;
        }
    }

    /// Lets `push` add entries that belong together, submitting what waits when they have no room. Linked entries reach
    /// the kernel in one submission, because nothing is submitted between them.
    pub fn push_with(
        &mut self,
        mut push: impl FnMut(&mut squeue::SubmissionQueue<'_>) -> Result<(), squeue::PushError>,
    ) -> io::Result<()> {
        loop {
            if push(&mut self.uring.submission()).is_ok() {
                return Ok(());
            }
            self.submit()?;
        }
    }

    /// Watches the bell's descriptor: that it is readable completes once, and the watch must be renewed. A read would
    /// not do: on a descriptor that does not block it fails at once.
    pub fn watch_bell(&mut self, fd: RawFd) -> io::Result<()> {
        let entry = opcode::PollAdd::new(types::Fd(fd), libc::POLLIN as u32)
            .build()
            .user_data(Token::new(Op::Bell, 0).bits());
        // SAFETY: the entry names no memory; a closed descriptor would only end the watch with an error.
        unsafe { self.push(&entry) }
    }

    /// Asks for the cancellation of an operation. Both complete.
    pub fn cancel(&mut self, token: Token) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(token.bits())
            .build()
            .user_data(Token::new(Op::Cancel, 0).bits());
        // SAFETY: the entry names no memory.
        unsafe { self.push(&entry) }
    }

    /// Submits what waits, and runs completions that are due, without blocking.
    pub fn submit(&mut self) -> io::Result<()> {
        let submitted = match self.flavour {
            // Deferred completions run only inside a call that asks for events. It asks for none: to
            // ask for one, with no time to wait for it, puts the thread to sleep until a timer that
            // is due at once has fired, 10 us and more.
            Flavour::Deferred => {
                const GETEVENTS: u32 = 1;
                let waiting = self.uring.submission().len() as u32;
                // SAFETY: no argument is passed. What the entries name is kept by who pushed them.
                unsafe {
                    self.uring.submitter().enter::<libc::sigset_t>(waiting, 0, GETEVENTS, None)
                }
            }
            Flavour::Cooperative | Flavour::Plain => self.uring.submit(),
        };
        settle(submitted)
    }

    /// Submits what waits and blocks until something completes or `timeout` has passed.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timespec = types::Timespec::new().sec(timeout.as_secs()).nsec(timeout.subsec_nanos());
        let args = types::SubmitArgs::new().timespec(&timespec);
        settle(self.uring.submitter().submit_with_args(1, &args))
    }

    /// Whether entries wait to be submitted.
    pub fn has_unsubmitted(&mut self) -> bool {
        !self.uring.submission().is_empty()
    }

    /// Takes up to `into.capacity()` completions.
    pub fn completions(&mut self, into: &mut Vec<Completion>) {
        into.clear();
        let room = into.capacity();
        into.extend(self.uring.completion().take(room).map(|entry: cqueue::Entry| Completion {
            token: Token(entry.user_data()),
            result: entry.result(),
        }));
    }
}

/// Nothing to do, a signal, or a time that is over are no failures.
fn settle(submitted: io::Result<usize>) -> io::Result<()> {
    match submitted {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(()),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::bell::Bell;
    use std::sync::Arc;

    fn wait_for(ring: &mut Ring, op: Op) -> Completion {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let mut list = Vec::with_capacity(16);
        while std::time::Instant::now() < deadline {
            ring.wait(Duration::from_millis(100)).expect("the ring works");
            ring.completions(&mut list);
            if let Some(found) = list.iter().find(|completion| completion.token.op() == op) {
                return *found;
            }
        }
        panic!("no {op:?} completed");
    }

    #[test]
    fn tokens_carry_their_operation_and_value() {
        for op in OPS {
            let token = Token::new(op, 0x00ab_cdef_0123_4567);
            assert_eq!((token.op(), token.value()), (op, 0x00ab_cdef_0123_4567));
        }
    }

    #[test]
    fn a_sleeping_ring_is_woken_by_the_bell_and_by_time() {
        let mut ring = Ring::new().expect("a ring");
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        ring.watch_bell(bell.fd()).expect("room");
        bell.before_sleep();
        let ringer = Arc::clone(&bell);
        let thread = std::thread::spawn(move || ringer.ring());
        assert_eq!(wait_for(&mut ring, Op::Bell).result().expect("readable"), libc::POLLIN as u32);
        thread.join().expect("the ringer ends");
        ring.wait(Duration::from_millis(1)).expect("a time-out is no failure");
    }

    #[test]
    fn a_cancelled_operation_completes() {
        let mut ring = Ring::new().expect("a ring");
        let bell = Bell::new().expect("an eventfd");
        ring.watch_bell(bell.fd()).expect("room");
        ring.submit().expect("submitted");
        ring.cancel(Token::new(Op::Bell, 0)).expect("room");
        let error = wait_for(&mut ring, Op::Bell).result().expect_err("cancelled");
        assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
    }

    #[test]
    fn a_ring_holds_a_lock_until_it_lets_go() {
        use persist::lock::{DirLock, LockError};
        use std::os::fd::AsFd;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ring = Ring::new().expect("a ring");
        let lock = DirLock::acquire(dir.path()).expect("free");
        ring.hold(lock.as_fd());
        drop(lock);
        let error = DirLock::acquire(dir.path()).expect_err("a write may be on its way");
        assert!(matches!(error, LockError::Held { .. }), "{error}");
        ring.let_go();
        DirLock::acquire(dir.path()).expect("free again");
    }
}
