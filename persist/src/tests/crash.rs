//! Rows 1 and 2: crashes at every point of a log of 64 batches, with every part of what was in flight
//! lost, kept or damaged.
//!
//! The promise: what was acknowledged is a prefix of what is recovered, which is a prefix of what
//! was submitted; and a crash alone is never a reason to refuse. Guards the wait for the flush and
//! the rule by which a torn tail is told from damage.

use super::kernel::{Kernel, Step};
use super::workload::{Input, Sampled, Seed, count, open, options, prepare, seeds};
use crate::journal::Options;
use crate::model::{Choice, Damage, ModelDisk, Seeded};

const BATCHES: u64 = 64;
/// So many outcomes of one crash are all tried; of more, some.
const EXHAUSTIVE: usize = 1 << 12;
const SAMPLES: usize = 512;

/// A log that is being written, and the crashes that were made of it.
struct Log<'a> {
    kernel: Kernel,
    options: Options,
    pushed: Vec<Input>,
    damage: Damage,
    seed: &'a Seed,
    states: u64,
}

/// Writes a log; crashes it after each submission of a write, and after each completion that makes
/// anything durable or acknowledges it. Returns how many states of the disk were recovered.
fn crash_log(seed: &Seed, flights: usize, damage: Damage, wanted: u64) -> u64 {
    let mut seeded = Seeded(seed.seed ^ (flights as u64) << 40);
    let disk = ModelDisk::default();
    let options = Options { flights, ..options(8) };
    let (opened, _) = open(&disk, &options, &[]).expect("a new journal");
    let kernel = Kernel::new(&disk, opened.journal, seeded.below(4) > 0);
    // What is opened after a crash writes nothing: one buffer will do.
    let options = Options { flights: 1, ..options };
    let mut log = Log { kernel, options, pushed: Vec::new(), damage, seed, states: 0 };
    while log.kernel.writes < BATCHES && log.states < wanted {
        prepare(&disk, &mut log.kernel.journal).expect("there is space");
        if log.kernel.journal.flights() < flights && seeded.below(3) > 0 {
            log.push(&mut seeded);
            while log.kernel.submit() {
                log.crash(&mut seeded);
            }
        } else if log.step(&mut seeded) == Step::Idle {
            log.push(&mut seeded);
        }
    }
    while log.step(&mut seeded) != Step::Idle {}
    log.states
}

impl Log<'_> {
    fn push(&mut self, seeded: &mut Seeded) {
        if seeded.below(8) == 0 {
            return self.kernel.journal.seal();
        }
        // One sector mostly, so that all subsets of several batches can be tried; sometimes more.
        let body_bytes = [20, 150, 300, 300, 800, 6000][seeded.below(6)];
        let input = Input { salt: seeded.next(), body_bytes, events: seeded.below(2) };
        input.push(&mut self.kernel.journal);
        self.pushed.push(input);
    }

    fn step(&mut self, seeded: &mut Seeded) -> Step {
        let (acked, syncs) = (self.kernel.acked, self.kernel.syncs);
        let step = self.kernel.complete(seeded).expect("the disk is healthy");
        // A write that has completed has changed nothing: it may be lost as before.
        let is_write = self.kernel.linked && self.kernel.syncs > syncs;
        if step != Step::Idle && (!is_write || self.kernel.acked > acked) {
            self.crash(seeded);
        }
        step
    }

    /// Crashes here, in all ways or in many.
    fn crash(&mut self, seeded: &mut Seeded) {
        let mut outcomes = Vec::new();
        let mut all_lost = |choice: Choice| {
            outcomes.push(choice.outcomes);
            0
        };
        let lost = self.kernel.disk.crash_by(self.damage, &mut all_lost);
        self.recover(&lost);
        let product = outcomes.iter().try_fold(1usize, |all, one| all.checked_mul(*one));
        match product.filter(|product| *product <= EXHAUSTIVE) {
            Some(product) => {
                for mut number in 1..product {
                    let mut choose = |choice: Choice| {
                        let outcome = number % choice.outcomes;
                        number /= choice.outcomes;
                        outcome
                    };
                    let after = self.kernel.disk.crash_by(self.damage, &mut choose);
                    self.recover(&after);
                }
            }
            None => {
                for _ in 0..SAMPLES {
                    let mut sampled = Sampled::new(seeded.next());
                    let mut choose = |choice| sampled.choose(choice);
                    let after = self.kernel.disk.crash_by(self.damage, &mut choose);
                    self.recover(&after);
                }
            }
        }
    }

    fn recover(&mut self, disk: &ModelDisk) {
        let (seed, acked) = (self.seed.seed, self.kernel.acked);
        match open(disk, &self.options, &self.pushed) {
            Ok((_, found)) => {
                assert!(found as u64 >= acked, "seed {seed}: {found} of {acked} acked are there");
            }
            Err(error) => panic!("seed {seed}: refused after a mere crash: {error}"),
        }
        self.states += 1;
    }
}

/// Tries so many states.
pub(super) fn crash_logs(damage: &[Damage], wanted: u64, test: &'static str) {
    let mut states = 0;
    for number in seeds(u64::MAX - 1) {
        if states >= wanted {
            break;
        }
        let seed = Seed::new(number, test);
        let damage = damage[number as usize % damage.len()];
        for flights in [1, 2, 4] {
            states += crash_log(&seed, flights, damage, wanted / 20 + 500);
        }
    }
    eprintln!("{states} states");
}

fn states_wanted() -> u64 {
    count("CORELANE_CRASH_STATES", 1_000_000)
}

#[test]
fn every_crash_keeps_what_was_acked() {
    crash_logs(&[Damage::None], states_wanted(), "tests::crash::every_crash");
}

#[test]
fn damaged_sectors_in_flight_are_no_worse() {
    let damage = [Damage::Sectors, Damage::Everywhere];
    crash_logs(&damage, states_wanted(), "tests::crash::damaged_sectors");
}
