//! The load under the crash and damage tests: inputs whose content tells where and when they were
//! pushed.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::batch::Record;
use crate::block::BLOCK_BYTES;
use crate::disk::DiskFile;
use crate::journal::{Journal, OpenError, Opened, Options};
use crate::model::{ModelDisk, Seeded};
use crate::open::open_on;
use crate::segment;

/// What an input and its events are made of: lengths, and a number to fill them with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Input {
    pub(super) salt: u64,
    pub(super) body_bytes: usize,
    pub(super) events: usize,
}

impl Input {
    pub(super) fn random(seeded: &mut Seeded) -> Input {
        let salt = seeded.next();
        // Mostly small; now and then a batch of several blocks.
        let body_bytes = [20, 100, 900, 5000][seeded.below(4)];
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
}

/// Collects records as the inputs they came of, comparing each event with what its input must have
/// had.
#[derive(Default)]
pub(super) struct Collected(pub(super) Vec<Input>);

impl Collected {
    pub(super) fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if record.is_input {
            assert_eq!(record.seq, self.0.len() as u64 + 1, "seqs have no gaps");
            let salt = record.event_time;
            let input = Input { salt, body_bytes: record.body.len(), events: 0 };
            assert_eq!(record.body, input.body(), "the content of seq {}", record.seq);
            self.0.push(input);
        } else {
            let input = self.0.last_mut().expect("an event follows its input");
            let expected = (input.events, input.events as u64, &input.salt.to_be_bytes()[..]);
            assert_eq!((record.index as usize, record.event_time, record.body), expected);
            input.events += 1;
        }
        ControlFlow::Continue(())
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

type OpenedOnModel = Opened<<ModelDisk as crate::disk::Disk>::File>;

/// Opens on the model. What is in the journal comes with it.
pub(super) fn open(
    disk: &ModelDisk,
    options: &Options,
) -> Result<(OpenedOnModel, Vec<Input>), OpenError> {
    let mut collected = Collected::default();
    let opened = open_on(disk, options, &mut |record| collected.take(record))?;
    Ok((opened, collected.0))
}

/// Prepares the segments that a journal wants. `Err` when the disk says no.
pub(super) fn prepare(
    disk: &ModelDisk,
    journal: &mut Journal<<ModelDisk as crate::disk::Disk>::File>,
) -> Result<(), segment::SegmentError> {
    while let Some(order) = journal.segment_wanted() {
        journal.segment_ready(segment::prepare_on(disk, &order)?);
    }
    Ok(())
}

/// States to try, from `CORELANE_CRASH_STATES`, or some that take a few seconds.
pub(super) fn states_wanted() -> usize {
    let wanted = std::env::var("CORELANE_CRASH_STATES").ok();
    wanted.and_then(|states| states.parse().ok()).unwrap_or(10_000)
}
