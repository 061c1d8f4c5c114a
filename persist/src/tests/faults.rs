//! Rows 9 and 10: flushes that fail and writes that fall short, with several in flight.
//!
//! After an error nothing more is acknowledged or written; the process is to end, and the next
//! opening finds a valid prefix. A write that falls short once is made whole.

use super::kernel::{Fault, Kernel, Step};
use super::workload::{Input, Sampled, open, options, prepare};
use crate::block::BLOCK_BYTES;
use crate::journal::{JournalFault, Options};
use crate::model::{Damage, ModelDisk, Seeded};

const FLIGHTS: [usize; 3] = [1, 2, 4];

/// A log that is written until something goes wrong.
struct Log {
    kernel: Kernel,
    options: Options,
    pushed: Vec<Input>,
    seeded: Seeded,
}

impl Log {
    fn new(flights: usize, linked: bool, fault: Fault) -> Log {
        let disk = ModelDisk::default();
        let options = Options { flights, ..options(4) };
        let (opened, _) = open(&disk, &options, &[]).expect("a new journal");
        let mut kernel = Kernel::new(&disk, opened.journal, linked);
        kernel.fault = Some(fault);
        Log { kernel, options, pushed: Vec::new(), seeded: Seeded(9) }
    }

    /// Writes so many batches.
    fn write(&mut self, batches: u64) -> Result<(), JournalFault> {
        while self.kernel.writes < batches || self.kernel.journal.flights() > 0 {
            prepare(&self.kernel.disk, &mut self.kernel.journal).expect("there is space");
            if self.kernel.writes < batches {
                let salt = self.seeded.next();
                let body_bytes = [5000, 9000][self.seeded.below(2)];
                let input = Input { salt, body_bytes, events: 1 };
                input.push(&mut self.kernel.journal);
                self.pushed.push(input);
                while self.kernel.submit() {}
            }
            self.kernel.complete(&mut self.seeded)?;
        }
        Ok(())
    }

    /// After a fault: nothing is acknowledged any more, whatever completes, and nothing is written.
    fn check_poisoned(&mut self) {
        let acked = self.kernel.acked;
        loop {
            match self.kernel.complete(&mut self.seeded) {
                Err(JournalFault::Poisoned) => {}
                Ok(Step::Idle) => break,
                other => panic!("{other:?} after a fault"),
            }
        }
        assert!(self.kernel.journal.take_write().is_none(), "nothing is written");
        assert_eq!((self.kernel.acked, self.kernel.journal.durable_seq()), (acked, acked));
    }

    /// The process ends and starts again, without or with a power cut before, or after.
    fn check_restart(&mut self, samples: u64, power_is_cut_after: bool) {
        let disk = &self.kernel.disk;
        let crash = |disk: &ModelDisk, seed: u64| {
            let mut sampled = Sampled::new(seed);
            disk.crash_by(Damage::Sectors, &mut |choice| sampled.choose(choice))
        };
        for seed in 0..samples {
            self.check_opens(&crash(disk, seed), self.kernel.acked);
            let restarted = disk.fork();
            restarted.end_process();
            let found = self.check_opens(&restarted, self.kernel.acked);
            if power_is_cut_after {
                self.check_opens(&crash(&restarted, seed), found);
            }
        }
    }

    fn check_opens(&self, disk: &ModelDisk, acked: u64) -> u64 {
        let options = Options { flights: 1, ..self.options.clone() };
        match open(disk, &options, &self.pushed) {
            Ok((_, found)) if found as u64 >= acked => found as u64,
            Ok((_, found)) => panic!("{found} of {acked} acked are there"),
            Err(error) => panic!("refused after a fault: {error}"),
        }
    }
}

#[test]
fn after_a_failed_flush_nothing_is_acked_and_restart_gives_a_prefix() {
    for nth in 0..64 {
        for flights in FLIGHTS {
            let errno = libc::EIO;
            for (linked, cached) in [(true, true), (true, false), (false, false)] {
                let fault = match linked {
                    true => Fault::Sync { nth, errno, cached },
                    false => Fault::Write { nth, errno, bytes: usize::MAX },
                };
                let mut log = Log::new(flights, linked, fault);
                let error = log.write(65).expect_err("a flush fails");
                assert_eq!(linked, matches!(error, JournalFault::Sync { .. }), "{error}");
                log.check_poisoned();
                // What a page cache says is clean, no opening can make durable.
                log.check_restart(8, !cached);
            }
        }
    }
}

#[test]
fn a_short_write_of_any_length_is_made_whole() {
    for bytes in 0..=BLOCK_BYTES {
        for nth in 0..8 {
            let form = (bytes + 3 * nth as usize) % 9;
            let (linked, syncs) = [(true, false), (true, true), (false, false)][form % 3];
            let mut log = Log::new(FLIGHTS[form / 3], linked, Fault::Short { nth, bytes, syncs });
            log.write(nth + 2).expect("short once");
            // Somewhere in the middle of the rest, the power is cut.
            let middle = log.kernel.writes + 4;
            while log.kernel.writes < middle {
                let input = Input { salt: log.seeded.next(), body_bytes: 30, events: 0 };
                input.push(&mut log.kernel.journal);
                log.pushed.push(input);
                prepare(&log.kernel.disk, &mut log.kernel.journal).expect("there is space");
                log.kernel.submit();
                log.kernel.complete(&mut log.seeded).expect("healthy");
            }
            log.check_restart(1, true);
            while !log.kernel.journal.is_idle() {
                prepare(&log.kernel.disk, &mut log.kernel.journal).expect("there is space");
                log.kernel.settle(&mut log.seeded).expect("healthy");
            }
            assert_eq!(log.kernel.acked, log.pushed.len() as u64, "{bytes} bytes of write {nth}");
            let found = log.check_opens(&log.kernel.disk, log.kernel.acked);
            assert_eq!(found, log.kernel.acked);
        }
    }
}

#[test]
fn a_second_short_write_is_a_fault() {
    for flights in FLIGHTS {
        for (linked, bytes) in [(true, 0), (true, 4096), (false, 512), (false, 8191)] {
            let mut log = Log::new(flights, linked, Fault::AlwaysShort { bytes });
            let error = log.write(4).expect_err("short twice");
            assert!(matches!(error, JournalFault::ShortTwice { .. }), "{error}");
            log.check_poisoned();
            log.check_restart(8, true);
        }
    }
}

#[test]
fn a_completion_with_an_error_ends_it() {
    let errnos = [libc::EINTR, libc::EAGAIN, libc::ECANCELED, libc::EIO, libc::ENOSPC];
    for errno in errnos {
        for nth in 0..64 {
            for flights in FLIGHTS {
                let bytes = [0, 512, 4096, usize::MAX][nth as usize % 4];
                let faults = [
                    (true, Fault::Write { nth, errno, bytes }),
                    (false, Fault::Write { nth, errno, bytes }),
                    (true, Fault::Sync { nth, errno, cached: false }),
                ];
                for (linked, fault) in faults {
                    let mut log = Log::new(flights, linked, fault);
                    let error = log.write(65).expect_err("a completion is an error");
                    let is_sync = matches!(fault, Fault::Sync { .. });
                    assert_eq!(is_sync, matches!(error, JournalFault::Sync { .. }), "{error}");
                    log.check_poisoned();
                    log.check_restart(1, true);
                }
            }
        }
    }
}
