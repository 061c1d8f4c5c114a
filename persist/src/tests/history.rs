//! A journal's history over crashes, seen from outside: what was pushed, acknowledged, lost.

use super::kernel::{Kernel, Step};
use super::workload::{Input, OpenedOnModel, Sampled, Seed, open, options, prepare};
use crate::disk::Disk;
use crate::journal::{OpenError, Options};
use crate::model::{Damage, ModelDisk, Seeded};
use crate::superblock;

pub(super) struct History {
    pub(super) disk: ModelDisk,
    pub(super) options: Options,
    pub(super) pushed: Vec<Input>,
    pub(super) acked: usize,
    /// Pushed and lost: some are pushed again, byte by byte the same.
    lost: Vec<Input>,
    /// The newest epoch that a journal was opened with.
    epoch: u64,
    pub(super) seed: u64,
    /// Sizes of inputs, and of 4, how often a lost one is pushed again.
    pub(super) sizes: &'static [usize],
    pub(super) again_of_4: usize,
    /// Whether a crash loses sectors rather than whole writes.
    pub(super) by_sector: bool,
    /// Whether some lives end with the process alone, so that the next one finds, and relies on, what is not durable
    /// yet.
    pub(super) kills: bool,
}

impl History {
    pub(super) fn new(segment_blocks: usize, flights: usize, seed: &Seed) -> History {
        History {
            disk: ModelDisk::default(),
            options: Options { flights, ..options(segment_blocks) },
            pushed: Vec::new(),
            acked: 0,
            lost: Vec::new(),
            epoch: 0,
            seed: seed.seed,
            sizes: &[20, 100, 900, 5000],
            again_of_4: 3,
            by_sector: false,
            kills: false,
        }
    }

    fn input(&mut self, seeded: &mut Seeded) -> Input {
        match self.lost.pop() {
            Some(again) if seeded.below(4) < self.again_of_4 => again,
            _ => Input::random(seeded, self.sizes),
        }
    }

    /// Opens, and compares with the promise: what was acknowledged is there, what was not pushed is
    /// not, the epoch is new. From here on, what was found counts as acknowledged.
    pub(super) fn open(&mut self) -> Result<OpenedOnModel, OpenError> {
        let (opened, found) = open(&self.disk, &self.options, &self.pushed)?;
        let (acked, epoch) = (self.acked, opened.journal.epoch());
        assert!(found >= acked, "seed {}: {found} of {acked} acked are there", self.seed);
        assert!(epoch > self.epoch, "seed {}: epoch {epoch} was used before", self.seed);
        self.epoch = epoch;
        self.lost = self.pushed.split_off(found);
        self.lost.reverse();
        self.acked = found;
        Ok(opened)
    }

    /// As [`History::open`] after a crash: nothing but a fuse is a reason to fail.
    pub(super) fn recover(&mut self) -> OpenedOnModel {
        let seed = self.seed;
        self.open().unwrap_or_else(|error| panic!("seed {seed}: refused after a crash: {error}"))
    }

    /// Opens and appends: so many pushes and completions in random order, until the power fails. The
    /// crash happens with whatever is in flight then.
    pub(super) fn live(&mut self, seeded: &mut Seeded, steps: usize, damage: Damage) {
        let Ok(opened) = self.open() else { return self.crash(seeded, damage) };
        let mut kernel = Kernel::new(&self.disk, opened.journal, seeded.below(4) > 0);
        for _ in 0..steps {
            if prepare(&self.disk, &mut kernel.journal).is_err() {
                break;
            }
            match seeded.below(6) {
                0 | 1 => {
                    for _ in 0..=seeded.below(3) {
                        let input = self.input(seeded);
                        assert_eq!(input.push(&mut kernel.journal), self.pushed.len() as u64 + 1);
                        self.pushed.push(input);
                    }
                }
                2 if seeded.below(2) == 0 => kernel.journal.seal(),
                2 | 3 => _ = kernel.submit(),
                _ => _ = kernel.complete(seeded).expect("the disk is healthy"),
            }
        }
        self.acked = usize::try_from(kernel.acked).expect("small");
        if self.kills && seeded.below(3) == 0 {
            self.disk = self.disk.fork();
            self.disk.end_process();
        } else {
            self.crash(seeded, damage);
        }
        // On the disk that is gone: the buffers of what is in flight would never be freed.
        while kernel.complete(seeded).expect("healthy") != Step::Idle {}
    }

    pub(super) fn crash(&mut self, seeded: &mut Seeded, damage: Damage) {
        let seed = seeded.next();
        let mut sampled =
            if self.by_sector { Sampled::by_sector(seed) } else { Sampled::new(seed) };
        self.disk = self.disk.crash_by(damage, &mut |choice| sampled.choose(choice));
    }

    /// The same history on another disk, as far as an opening needs it.
    pub(super) fn on(&self, disk: ModelDisk) -> History {
        History {
            disk,
            options: Options { flights: 1, ..self.options.clone() },
            pushed: self.pushed.clone(),
            lost: Vec::new(),
            ..*self
        }
    }

    /// The superblock's bytes, to be put back later.
    pub(super) fn superblock(&self) -> Option<Vec<u8>> {
        let path = self.options.dir.join(superblock::NAME);
        self.disk.open(&path, crate::disk::Mode::Read).ok()?;
        Some(self.disk.edit(&path, |bytes| bytes.clone()))
    }

    /// As when someone restores one file from a backup. Epochs are used again then.
    pub(super) fn put_superblock_back(&mut self, old: Vec<u8>) {
        let path = self.options.dir.join(superblock::NAME);
        self.disk.edit(&path, |bytes| *bytes = old);
        self.epoch = 0;
    }
}
