//! A kernel under the journal: takes its writes and completes them in any order, on the model.
//!
//! Up to four writes are in flight. A linked sync begins when its write has completed and covers
//! every write of that file which had completed by then; it takes effect when it completes. A write
//! that is durable by itself covers only itself. So a later flight may land before an earlier one,
//! and a sync may make durable what nobody has been told of.

use std::io;

use crate::journal::{Journal, JournalFault, Part, Progress, Write};
use crate::model::{ModelDisk, ModelFile, Seeded, Sync, WriteId};

/// A journal and what is in flight of it.
pub(super) struct Kernel {
    pub(super) disk: ModelDisk,
    pub(super) journal: Journal<ModelFile>,
    /// Whether a write and its sync are two completions.
    pub(super) linked: bool,
    /// What was acknowledged: seqs up to this one.
    pub(super) acked: u64,
    in_flight: Vec<InFlight>,
    /// Writes taken, and syncs begun, so far.
    pub(super) writes: u64,
    pub(super) syncs: u64,
    pub(super) fault: Option<Fault>,
}

/// What goes wrong, once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The write with this number, from 0, writes only so many bytes; and whether the sync linked to
    /// it runs nevertheless.
    Short { nth: u64, bytes: usize, syncs: bool },
    /// Every write writes only so many bytes.
    AlwaysShort { bytes: usize },
    /// The write with this number completes with this error, having written this many bytes.
    Write { nth: u64, errno: i32, bytes: usize },
    /// The sync with this number completes with this error. What it covers may or may not be on the
    /// disk; in a page cache it counts as clean, can still be read, and will never be written.
    Sync { nth: u64, errno: i32, cached: bool },
}

struct InFlight {
    write: Write,
    nth: u64,
    stage: Stage,
}

enum Stage {
    /// So many bytes of it are on their way.
    Writing(WriteId, usize),
    /// `None` is cancelled.
    Syncing(Option<Sync>, u64),
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Nothing is in flight.
    Idle,
    /// A write completed, or a sync without anything new being durable.
    Went,
    /// More is acknowledged.
    Acked,
}

impl Kernel {
    pub(super) fn new(disk: &ModelDisk, journal: Journal<ModelFile>, linked: bool) -> Kernel {
        let acked = journal.durable_seq();
        let disk = disk.clone();
        let in_flight = Vec::new();
        Kernel { disk, journal, linked, acked, in_flight, writes: 0, syncs: 0, fault: None }
    }

    /// Takes one write. Whether there was one.
    pub(super) fn submit(&mut self) -> bool {
        let Some(write) = self.journal.take_write() else { return false };
        self.begin(write);
        true
    }

    fn begin(&mut self, write: Write) {
        let bytes = self.journal.bytes_of(&write);
        assert_eq!(bytes.len(), write.len as usize);
        let nth = self.writes;
        let written = match self.fault {
            Some(Fault::Short { nth: at, bytes, .. } | Fault::Write { nth: at, bytes, .. })
                if at == nth =>
            {
                bytes.min(write.len as usize)
            }
            Some(Fault::AlwaysShort { bytes }) => bytes.min(write.len as usize),
            _ => write.len as usize,
        };
        let file = self.journal.file_of(&write);
        let id = self.disk.submit(file, &bytes[..written], write.offset);
        self.writes += 1;
        self.in_flight.push(InFlight { write, nth, stage: Stage::Writing(id, written) });
    }

    /// Completes something that is in flight.
    pub(super) fn complete(&mut self, seeded: &mut Seeded) -> Result<Step, JournalFault> {
        if self.in_flight.is_empty() {
            return Ok(Step::Idle);
        }
        let at = seeded.below(self.in_flight.len());
        let mut flying = self.in_flight.swap_remove(at);
        let file = self.journal.file_of(&flying.write);
        let (part, result) = match flying.stage {
            Stage::Writing(id, written) => {
                let part = if self.linked { Part::Write } else { Part::WriteAndSync };
                let result = match self.fault {
                    Some(Fault::Write { nth, errno, .. }) if nth == flying.nth => {
                        self.disk.land(file, id);
                        Err(io::Error::from_raw_os_error(errno))
                    }
                    _ => Ok(u32::try_from(written).expect("at most 8 MiB")),
                };
                if result.is_ok() && self.linked {
                    self.disk.land(file, id);
                } else if result.is_ok() {
                    self.disk.land_durably(file, id);
                }
                (part, result)
            }
            Stage::Syncing(ref sync, nth) => (Part::Sync, self.end_sync(sync.as_ref(), nth)),
        };
        if self.linked
            && let Stage::Writing(_, written) = flying.stage
        {
            let is_short = written < flying.write.len as usize;
            let is_cut = is_short && !matches!(self.fault, Some(Fault::Short { syncs: true, .. }));
            let sync = (!is_cut && result.is_ok()).then(|| self.disk.begin_sync(file));
            flying.stage = Stage::Syncing(sync, self.syncs);
            self.syncs += 1;
            self.in_flight.push(InFlight { ..flying });
        }
        self.tell(flying.write.flight, part, result)
    }

    fn end_sync(&self, sync: Option<&Sync>, nth: u64) -> io::Result<u32> {
        let Some(sync) = sync else { return Err(io::Error::from_raw_os_error(libc::ECANCELED)) };
        if let Some(Fault::Sync { nth: at, errno, cached }) = self.fault
            && at == nth
        {
            if cached {
                self.disk.fail_sync(sync);
            }
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.disk.end_sync(sync);
        Ok(0)
    }

    fn tell(
        &mut self,
        flight: u8,
        part: Part,
        result: io::Result<u32>,
    ) -> Result<Step, JournalFault> {
        match self.journal.complete(flight, part, result)? {
            Progress::Waiting => Ok(Step::Went),
            Progress::Durable { seq } => {
                assert!(seq >= self.acked && seq == self.journal.durable_seq());
                self.acked = seq;
                Ok(Step::Acked)
            }
            Progress::Resubmit(write) => {
                self.begin(write);
                Ok(Step::Went)
            }
        }
    }

    /// Writes and completes until nothing is pending.
    pub(super) fn settle(&mut self, seeded: &mut Seeded) -> Result<(), JournalFault> {
        loop {
            let wrote = self.submit();
            if self.complete(seeded)? == Step::Idle && !wrote {
                return Ok(());
            }
        }
    }
}
