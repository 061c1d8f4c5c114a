//! The journal's batches on the core's ring.

use persist::Journal;
use persist::journal::{FLIGHTS_MAX, Part, Progress, Write};
use persist::ring::Flush;

use super::station::failed;
use crate::lane::ring::{Completion, Op, Ring, Token};
use crate::lane::way::Way;

/// Submits batches and takes their completions.
pub(super) struct Flusher {
    flush: Flush,
    /// Whether the journal's fixed buffers are registered with the ring.
    registered: bool,
    /// Operations in flight.
    in_flight: usize,
    way: Way,
    /// Bytes of each flight's batch.
    bytes: [u64; FLIGHTS_MAX],
}

impl Flusher {
    /// Flushes in this form, from buffers that are registered if the kernel lets them be.
    pub(super) fn new(flush: Flush, ring: &Ring, journal: &Journal) -> Flusher {
        // SAFETY: shard and ring end together; the shard waits for its flushes first, and a journal that goes with
        // something in flight leaks its buffers.
        let registered = unsafe { persist::ring::register(ring.uring(), journal) }.is_ok();
        Flusher { flush, registered, in_flight: 0, way: Way::default(), bytes: [0; FLIGHTS_MAX] }
    }

    /// Whether a batch is on its way.
    pub(super) fn is_flushing(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether batches are written from registered buffers.
    pub(super) fn is_registered(&self) -> bool {
        self.registered
    }

    /// Submits what the journal has, as far as more may be in flight.
    pub(super) fn submit(
        &mut self,
        journal: &mut Journal,
        ring: &mut Ring,
        now_ns: u64,
    ) -> Result<(), String> {
        while let Some(write) = journal.take_write() {
            if !self.is_flushing() {
                self.way.note(true, now_ns);
            }
            self.bytes[usize::from(write.flight)] = u64::from(write.len);
            self.push(&write, ring)?;
        }
        Ok(())
    }

    /// Whether the loop must sleep for a moment, because a flush may be waiting for its CPU.
    pub(super) fn gives_way(&mut self, now_ns: u64) -> bool {
        self.way.is_due(now_ns)
    }

    fn push(&mut self, write: &Write, ring: &mut Ring) -> Result<(), String> {
        let flight = u64::from(write.flight);
        let tokens = [Op::Write, Op::Sync].map(|op| Token::new(op, flight).bits());
        let (flush, registered) = (self.flush, self.registered);
        self.in_flight += flush.completions();
        // SAFETY: the journal is told of completions by `completed` only, so the write is in flight until then; it
        // outlives the ring's use of it, because the shard waits for the flush before it goes.
        ring.push_with(|queue| unsafe {
            flush.push(queue, write, tokens[0], tokens[1], registered)
        })
        .map_err(|error| failed("submitting a journal batch", &error))
    }

    /// A part of a flush completed. The batch's bytes, once it is written and synced. An error must end the process: a
    /// flush that failed says nothing about what is on the disk, and asking again proves nothing.
    pub(super) fn completed(
        &mut self,
        completion: &Completion,
        journal: &mut Journal,
        ring: &mut Ring,
        now_ns: u64,
    ) -> Result<Option<u64>, String> {
        self.in_flight -= 1;
        let is_write = completion.token.op() == Op::Write;
        let part = if is_write { self.flush.write_part() } else { Part::Sync };
        let flight = u8::try_from(completion.token.value()).expect("at most four flights");
        match journal.complete(flight, part, completion.result()) {
            Ok(Progress::Waiting) if part == Part::Write => Ok(None),
            Ok(Progress::Resubmit(rest)) => self.push(&rest, ring).map(|()| None),
            Ok(Progress::Waiting | Progress::Durable { .. }) => {
                self.way.note(self.is_flushing(), now_ns);
                Ok(Some(self.bytes[usize::from(flight)]))
            }
            Err(fault) => Err(format!("journal: {fault}")),
        }
    }
}
