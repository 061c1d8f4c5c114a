//! The journal's batches on the core's ring.

use std::io;

use persist::Journal;
use persist::journal::Part;
use persist::ring::{Flush, entries};

use super::station::failed;
use crate::lane::ring::{Op, Ring, Token};

/// Submits batches and takes their completions.
pub struct Flusher {
    flush: Flush,
    /// Operations in flight.
    in_flight: u32,
    bytes: u64,
}

impl Flusher {
    /// Flushes in this form.
    pub fn new(flush: Flush) -> Flusher {
        Flusher { flush, in_flight: 0, bytes: 0 }
    }

    /// Whether a batch is on its way.
    pub fn is_flushing(&self) -> bool {
        self.in_flight > 0
    }

    /// Submits what the journal has, if nothing is in flight.
    pub fn submit(&mut self, journal: &mut Journal, ring: &mut Ring) -> Result<(), String> {
        if self.is_flushing() {
            return Ok(());
        }
        let Some(write) = journal.take_write() else { return Ok(()) };
        let tokens = [Token::new(Op::Write, 0).bits(), Token::new(Op::Sync, 0).bits()];
        let entries = entries(self.flush, &write, tokens[0], tokens[1]);
        self.bytes = u64::from(write.len);
        self.in_flight = entries.as_slice().len() as u32;
        // SAFETY: the journal keeps the batch buffer and the file as they are until both parts have completed.
        unsafe { ring.push_linked(entries.as_slice()) }
            .map_err(|error| failed("submitting a journal batch", &error))
    }

    /// A part of a flush completed. The batch's bytes, once it is durable. An error must end the process: a flush that
    /// failed says nothing about what is on the disk, and asking again proves nothing.
    pub fn completed(
        &mut self,
        op: Op,
        result: io::Result<u32>,
        journal: &mut Journal,
    ) -> Result<Option<u64>, String> {
        self.in_flight -= 1;
        let part = if op == Op::Write { Part::Write } else { Part::Sync };
        match journal.complete(result, part) {
            Ok(progress) => Ok(progress.is_durable().then_some(self.bytes)),
            Err(fault) => Err(format!("journal: {fault}")),
        }
    }
}
