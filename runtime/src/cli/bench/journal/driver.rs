//! A journal on a ring of its own, driven as a shard's loop drives it (`shard/flush.rs`).
//!
//! The driver, its ring and its segments' thread belong to the thread that made it. Segments are
//! made ahead of need on a thread of their own, as the node does it, and waited for between
//! measurements; those that are full are removed, since nothing here reads them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use persist::journal::{self, FLIGHTS_MAX, Journal, Options, Part, Progress, Write};
use persist::ring::Flush;
use persist::segment::{self, Segment, SegmentError, SegmentOrder};

use super::failure::BenchError;
use super::plan::Plan;
use crate::lane::ring::{Completion, Op, Ring, Token};

/// How long a driver that ends waits for what is in flight.
const QUIET_WITHIN: Duration = Duration::from_secs(10);
/// The longest sleep while something is in flight.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// What the records are; their reader here does not ask.
const KIND: u16 = 1;

/// How a turn waits for completions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// Asleep in the ring, at most this long.
    Sleep(Duration),
    /// Not at all.
    Look,
}

impl Wait {
    /// Asleep until something completes.
    pub(super) const FOR_COMPLETION: Wait = Wait::Sleep(SLEEP_MAX);
}

/// What went to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Written {
    pub(super) flushes: u64,
    pub(super) bytes: u64,
}

/// A journal with its ring.
pub(super) struct Driver {
    // Before the journal: the ring ends first, since it may use the journal's buffers.
    ring: Ring,
    journal: Journal,
    registered: bool,
    flush: Flush,
    /// Operations in flight.
    in_flight: usize,
    body: Vec<u8>,
    completions: Vec<Completion>,
    preparer: Preparer,
    dir: PathBuf,
    /// Segments below it have been removed.
    oldest: u64,
    keeps_all: bool,
    written: Written,
}

impl Driver {
    /// Makes a journal in `dir`, with its segments.
    pub(super) fn create(
        dir: &Path,
        plan: &Plan,
        segment_bytes: u64,
        flights: usize,
    ) -> Result<Driver, BenchError> {
        let options = Options {
            dir: dir.to_owned(),
            shard: 0,
            shard_count: 1,
            segment_bytes,
            batch_bytes_max: plan.batch_bytes_max,
            flights,
        };
        let opened = journal::open(&options, &mut |_| ControlFlow::Continue(()))?;
        let journal = opened.journal;
        let ring = Ring::new().map_err(BenchError::system("setting up an io_uring"))?;
        // SAFETY: the ring is dropped before the journal: it stands before it in the structure.
        let registered = unsafe { persist::ring::register(ring.uring(), &journal) }.is_ok();
        let mut driver = Driver {
            ring,
            journal,
            registered,
            flush: Flush::default(),
            in_flight: 0,
            body: noise(plan.body_bytes),
            completions: Vec::with_capacity(2 * FLIGHTS_MAX),
            preparer: Preparer::start()?,
            dir: dir.to_owned(),
            oldest: 1,
            keeps_all: false,
            written: Written::default(),
        };
        driver.stock()?;
        Ok(driver)
    }

    /// Lets full segments stay, for a reader.
    pub(super) fn keep_all(&mut self) {
        self.keeps_all = true;
    }

    /// From now on flushes in this form.
    pub(super) fn set_flush(&mut self, flush: Flush) {
        assert!(self.in_flight == 0, "the form of what is in flight does not change");
        self.flush = flush;
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(super) fn is_direct(&self) -> bool {
        self.journal.is_direct()
    }

    /// Whether writes are made from buffers that are registered with the ring.
    pub(super) fn is_registered(&self) -> bool {
        self.registered
    }

    pub(super) fn durable_seq(&self) -> u64 {
        self.journal.durable_seq()
    }

    /// Whether a record may be added, as the shard asks it.
    pub(super) fn has_room(&self) -> bool {
        !self.journal.wants_room()
    }

    /// Batches in flight.
    pub(super) fn flights(&self) -> usize {
        self.journal.flights()
    }

    pub(super) fn written(&self) -> Written {
        self.written
    }

    /// Adds a record. Returns its seq.
    pub(super) fn push(&mut self) -> u64 {
        let body = &self.body;
        self.journal.push_input(KIND, 0, |bytes| bytes.extend_from_slice(body))
    }

    /// Submits what is collected as one batch, if one more may be in flight. Whether it was.
    pub(super) fn submit(&mut self) -> Result<bool, BenchError> {
        let Some(write) = self.journal.take_write() else { return Ok(false) };
        self.written.flushes += 1;
        self.written.bytes += u64::from(write.len);
        self.enter(&write)?;
        Ok(true)
    }

    fn enter(&mut self, write: &Write) -> Result<(), BenchError> {
        let flight = u64::from(write.flight);
        let tokens = [Op::Write, Op::Sync].map(|op| Token::new(op, flight).bits());
        let (flush, registered) = (self.flush, self.registered);
        self.in_flight += flush.completions();
        // SAFETY: the journal is told of completions by `turn` only, so the write is in flight until
        // then; the driver waits for it before it goes, and the journal leaks what was not waited for.
        self.ring
            .push_with(|queue| unsafe {
                flush.push(queue, write, tokens[0], tokens[1], registered)
            })
            .map_err(BenchError::system("submitting a journal batch"))
    }

    /// Hands over what was submitted, waits, and takes completions.
    pub(super) fn turn(&mut self, wait: Wait) -> Result<(), BenchError> {
        let entered = match wait {
            Wait::Sleep(time) => self.ring.wait(time),
            Wait::Look => self.ring.submit(),
        };
        entered.map_err(BenchError::system("waiting in an io_uring"))?;
        let mut list = std::mem::take(&mut self.completions);
        self.ring.completions(&mut list);
        for completion in &list {
            self.in_flight -= 1;
            let is_write = completion.token.op() == Op::Write;
            let part = if is_write { self.flush.write_part() } else { Part::Sync };
            let flight = u8::try_from(completion.token.value()).expect("at most four flights");
            if let Progress::Resubmit(rest) =
                self.journal.complete(flight, part, completion.result())?
            {
                self.enter(&rest)?;
            }
        }
        self.completions = list;
        Ok(())
    }

    /// Brings everything that was pushed to the disk.
    pub(super) fn settle(&mut self) -> Result<(), BenchError> {
        let newest = self.journal.next_seq() - 1;
        while self.journal.durable_seq() < newest || self.in_flight > 0 {
            while self.journal.durable_seq() < newest && self.submit()? {}
            if self.in_flight == 0 && self.journal.durable_seq() < newest {
                return Err(BenchError::NoRoom);
            }
            self.turn(Wait::FOR_COMPLETION)?;
        }
        Ok(())
    }

    /// Orders segments and takes those that are there, without waiting.
    pub(super) fn roll(&mut self) -> Result<(), BenchError> {
        while let Some(order) = self.journal.segment_wanted() {
            self.preparer.order(order);
        }
        while let Some(segment) = self.preparer.made(false)? {
            self.journal.segment_ready(segment);
        }
        Ok(())
    }

    /// Waits until all segments that the journal wants ahead are there.
    pub(super) fn stock(&mut self) -> Result<(), BenchError> {
        self.roll()?;
        while let Some(segment) = self.preparer.made(true)? {
            self.journal.segment_ready(segment);
            self.roll()?;
        }
        let current = self.preparer.newest - self.journal.spare_segments() as u64;
        while self.oldest < current && !self.keeps_all {
            let path = segment::path_of(&self.dir, self.oldest);
            std::fs::remove_file(&path).map_err(BenchError::file(&path))?;
            self.oldest += 1;
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The ring must not use memory that goes away with the journal.
        let deadline = Instant::now() + QUIET_WITHIN;
        while self.in_flight > 0 && Instant::now() < deadline {
            if self.turn(Wait::Sleep(Duration::from_millis(100))).is_err() {
                break;
            }
        }
    }
}

/// The thread that makes segments. It ends, and is waited for, when this is dropped: nothing is
/// written into a directory that is being removed.
struct Preparer {
    orders: Option<Sender<SegmentOrder>>,
    made: Receiver<Result<Segment, SegmentError>>,
    thread: Option<JoinHandle<()>>,
    outstanding: usize,
    /// The highest segment that was ordered. The first is made by the opening.
    newest: u64,
}

impl Preparer {
    fn start() -> Result<Preparer, BenchError> {
        let (orders, ordered) = mpsc::channel::<SegmentOrder>();
        let (done, made) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("segments".to_owned())
            .spawn(move || {
                for order in ordered {
                    // Nobody waits for it any more when the driver has gone.
                    let _ = done.send(segment::prepare(&order));
                }
            })
            .map_err(BenchError::system("starting the segment thread"))?;
        let orders = Some(orders);
        Ok(Preparer { orders, made, thread: Some(thread), outstanding: 0, newest: 1 })
    }

    fn order(&mut self, order: SegmentOrder) {
        self.newest = self.newest.max(order.index);
        self.outstanding += 1;
        let orders = self.orders.as_ref().expect("taken only when this is dropped");
        orders.send(order).expect("the thread ends only when this is dropped");
    }

    /// The next segment, waiting for it if `wait`. `None` if none is outstanding, or none is there.
    fn made(&mut self, wait: bool) -> Result<Option<Segment>, BenchError> {
        if self.outstanding == 0 {
            return Ok(None);
        }
        let made = match wait {
            true => self.made.recv().expect("the thread ends only when this is dropped"),
            false => match self.made.try_recv() {
                Ok(made) => made,
                Err(_) => return Ok(None),
            },
        };
        self.outstanding -= 1;
        Ok(Some(made?))
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to panic with; if it did, the measurement has failed already.
            let _ = thread.join();
        }
    }
}

/// Bytes that no disk can store in less.
pub(super) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(next).collect()
}
