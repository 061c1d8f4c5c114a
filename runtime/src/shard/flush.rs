//! The journal's batches on the core's ring.

use std::io;

use persist::Journal;
use persist::journal::{Part, Progress, Write};
use persist::ring::Flush;

use super::station::failed;
use crate::lane::ring::{Op, Ring, Token};

/// Submits batches and takes their completions.
pub(super) struct Flusher {
    flush: Flush,
    /// Operations in flight.
    in_flight: usize,
    bytes: u64,
}

impl Flusher {
    /// Flushes in this form.
    pub(super) fn new(flush: Flush) -> Flusher {
        Flusher { flush, in_flight: 0, bytes: 0 }
    }

    /// Whether a batch is on its way.
    pub(super) fn is_flushing(&self) -> bool {
        self.in_flight > 0
    }

    /// Submits what the journal has, if nothing is in flight.
    pub(super) fn submit(&mut self, journal: &mut Journal, ring: &mut Ring) -> Result<(), String> {
        if self.is_flushing() {
            return Ok(());
        }
        let Some(write) = journal.take_write() else { return Ok(()) };
        self.bytes = u64::from(write.len);
        self.push(&write, ring)
    }

    fn push(&mut self, write: &Write, ring: &mut Ring) -> Result<(), String> {
        let tokens = [Token::new(Op::Write, 0).bits(), Token::new(Op::Sync, 0).bits()];
        self.in_flight += self.flush.completions();
        // SAFETY: the journal is told of completions by `completed` only, so the write is in flight until then; it
        // outlives the ring's use of it, because the shard waits for the flush before it goes.
        ring.push_with(|queue| unsafe { self.flush.push(queue, write, tokens[0], tokens[1]) })
            .map_err(|error| failed("submitting a journal batch", &error))
    }

    /// A part of a flush completed. The batch's bytes, once it is durable. An error must end the process: a flush that
    /// failed says nothing about what is on the disk, and asking again proves nothing.
    pub(super) fn completed(
        &mut self,
        op: Op,
        result: io::Result<u32>,
        journal: &mut Journal,
        ring: &mut Ring,
    ) -> Result<Option<u64>, String> {
        self.in_flight -= 1;
        let part = if op == Op::Write { self.flush.write_part() } else { Part::Sync };
        match journal.complete(result, part) {
            Ok(Progress::Waiting) => Ok(None),
            Ok(Progress::Resubmit(rest)) => self.push(&rest, ring).map(|()| None),
            Ok(Progress::Durable { .. }) => Ok(Some(self.bytes)),
            Err(fault) => Err(format!("journal: {fault}")),
        }
    }
}
