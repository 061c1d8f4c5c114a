//! The load under the crash and damage tests: inputs whose content tells where and when they were
//! pushed; what was submitted, acknowledged, and must be there again; and the seeds.

use std::cell::Cell;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use crate::batch::Record;
use crate::block::BLOCK_BYTES;
use crate::disk::DiskFile;
use crate::journal::{Journal, OpenError, Opened, Options};
use crate::model::{Choice, ModelDisk, ModelFile, Seeded};
use crate::open::{open_on, replay_on};
use crate::segment;

/// What an input and its events are made of: lengths, and a number to fill them with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Input {
    pub(super) salt: u64,
    pub(super) body_bytes: usize,
    pub(super) events: usize,
}

impl Input {
    pub(super) fn random(seeded: &mut Seeded, sizes: &[usize]) -> Input {
        let (salt, body_bytes) = (seeded.next(), sizes[seeded.below(sizes.len())]);
        Input { salt, body_bytes, events: seeded.below(3) }
    }

    pub(super) fn body(&self) -> Vec<u8> {
        self.salt.to_le_bytes().into_iter().cycle().take(self.body_bytes).collect()
    }

    pub(super) fn push<F: DiskFile>(&self, journal: &mut Journal<F>) -> u64 {
        let seq = journal.push_input(1, self.salt, |out| out.extend(self.body()));
        for event in 0..self.events {
            journal.push_event(2, event as u64, |out| out.extend(self.salt.to_be_bytes()));
        }
        seq
    }

    fn has_body(&self, body: &[u8]) -> bool {
        let salt = self.salt.to_le_bytes();
        body.len() == self.body_bytes && body.chunks(8).all(|part| *part == salt[..part.len()])
    }
}

/// Compares records with the inputs that were pushed, from the first on.
pub(super) struct Comparison<'a> {
    pushed: &'a [Input],
    inputs: usize,
    events: usize,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(pushed: &'a [Input]) -> Comparison<'a> {
        Comparison { pushed, inputs: 0, events: 0 }
    }

    pub(super) fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if record.is_input {
            self.end_input();
            assert_eq!(record.seq, self.inputs as u64 + 1, "seqs have no gaps");
            let Some(input) = self.pushed.get(self.inputs) else {
                panic!("seq {} was recovered, {} were pushed", record.seq, self.pushed.len());
            };
            let is_it = input.salt == record.event_time && input.has_body(record.body);
            assert!(is_it, "seq {} is not what was pushed", record.seq);
            (self.inputs, self.events) = (self.inputs + 1, 0);
        } else {
            let input = &self.pushed[self.inputs - 1];
            let expected = (self.events, self.events as u64, &input.salt.to_be_bytes()[..]);
            assert_eq!((record.index as usize, record.event_time, record.body), expected);
            self.events += 1;
        }
        ControlFlow::Continue(())
    }

    fn end_input(&self) {
        if let Some(last) = self.inputs.checked_sub(1) {
            let pushed = self.pushed[last].events;
            assert_eq!(self.events, pushed, "events of seq {}", self.inputs);
        }
    }

    /// How many inputs there were, each with all its events.
    pub(super) fn end(self) -> usize {
        self.end_input();
        self.inputs
    }
}

pub(super) fn options(segment_blocks: usize) -> Options {
    Options {
        dir: PathBuf::from("/data/shard-1"),
        shard: 1,
        shard_count: 4,
        segment_bytes: (segment_blocks * BLOCK_BYTES) as u64,
        batch_bytes_max: BLOCK_BYTES,
        flights: 1,
    }
}

pub(super) type OpenedOnModel = Opened<ModelFile>;

/// Opens on the model. What is in the journal must be a beginning of `pushed`; how long it is comes
/// with it.
pub(super) fn open(
    disk: &ModelDisk,
    options: &Options,
    pushed: &[Input],
) -> Result<(OpenedOnModel, usize), OpenError> {
    let mut comparison = Comparison::new(pushed);
    let opened = open_on(disk, options, &mut |record| comparison.take(record))?;
    Ok((opened, comparison.end()))
}

/// As [`open`], without writing.
pub(super) fn replay(
    disk: &ModelDisk,
    options: &Options,
    pushed: &[Input],
) -> Result<usize, OpenError> {
    let mut comparison = Comparison::new(pushed);
    replay_on(disk, &options.dir, &mut |record| comparison.take(record))?;
    Ok(comparison.end())
}

/// Collects records as the inputs they came of.
#[derive(Default)]
pub(super) struct Collected(pub(super) Vec<Input>);

impl Collected {
    pub(super) fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if record.is_input {
            let (salt, body_bytes) = (record.event_time, record.body.len());
            self.0.push(Input { salt, body_bytes, events: 0 });
        } else {
            self.0.last_mut().expect("an event follows its input").events += 1;
        }
        ControlFlow::Continue(())
    }
}

/// Opens on the model. What is in the journal comes with it.
pub(super) fn reopen(
    disk: &ModelDisk,
    options: &Options,
) -> Result<(OpenedOnModel, Vec<Input>), OpenError> {
    let mut collected = Collected::default();
    let opened = open_on(disk, options, &mut |record| collected.take(record))?;
    Ok((opened, collected.0))
}

/// Replays on the model. What is in the journal comes with it.
pub(super) fn reread(disk: &ModelDisk, options: &Options) -> Result<Vec<Input>, OpenError> {
    let mut collected = Collected::default();
    replay_on(disk, &options.dir, &mut |record| collected.take(record))?;
    Ok(collected.0)
}

/// Prepares the segments that a journal wants. `Err` when the disk says no.
pub(super) fn prepare(
    disk: &ModelDisk,
    journal: &mut Journal<ModelFile>,
) -> Result<(), segment::SegmentError> {
    while let Some(order) = journal.segment_wanted() {
        journal.segment_ready(segment::prepare_on(disk, &order)?);
    }
    Ok(())
}

/// How crashes are chosen where there are too many to try them all: now each part by itself, now
/// whole writes, with more or less of them lost.
pub(super) struct Sampled {
    seeded: Seeded,
    kept_of_8: usize,
    by_write: bool,
    /// The write that was decided last, and whether it is kept.
    last: Option<(u64, bool)>,
}

impl Sampled {
    pub(super) fn new(seed: u64) -> Sampled {
        let mut seeded = Seeded(seed);
        let kept_of_8 = seeded.below(9);
        let by_write = seeded.below(3) > 0;
        Sampled { seeded, kept_of_8, by_write, last: None }
    }

    /// Each sector is lost or kept by itself.
    pub(super) fn by_sector(seed: u64) -> Sampled {
        Sampled { seeded: Seeded(seed), kept_of_8: 5, by_write: false, last: None }
    }

    pub(super) fn choose(&mut self, choice: Choice) -> usize {
        let keeps = self.seeded.below(8) < self.kept_of_8;
        if !self.by_write || choice.write == 0 || self.seeded.below(16) == 0 {
            return if keeps { self.seeded.below(choice.outcomes) } else { 0 };
        }
        let (_, keeps) = match self.last {
            Some(last) if last.0 == choice.write => last,
            _ => (choice.write, keeps),
        };
        self.last = Some((choice.write, keeps));
        if keeps { choice.newest } else { 0 }
    }
}

/// A count of a test: its own, or that of an environment variable.
pub(super) fn count(variable: &str, own: u64) -> u64 {
    let wanted = std::env::var(variable).ok();
    wanted.map_or(own, |count| count.parse().expect("the variable is a whole number"))
}

/// The seeds of a test: so many, or the one that is asked for.
pub(super) fn seeds(count: u64) -> Range<u64> {
    match std::env::var("CORELANE_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("CORELANE_SEED is a whole number");
            seed..seed + 1
        }
        Err(_) => 1..count + 1,
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, which is to fail, without a word of it. Whether it failed.
pub(super) fn fails(f: impl FnOnce()) -> bool {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                told(panic)
            }
        }));
    });
    QUIET.set(true);
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
    QUIET.set(false);
    failed
}

/// Tells, when the test fails while it lives, how to run this seed alone.
pub(super) struct Seed {
    pub(super) seed: u64,
    test: &'static str,
}

impl Seed {
    pub(super) fn new(seed: u64, test: &'static str) -> Seed {
        Seed { seed, test }
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() && !QUIET.get() {
            let Seed { seed, test } = self;
            eprintln!("seed {seed}; again: CORELANE_SEED={seed} cargo test -p persist {test}");
        }
    }
}
