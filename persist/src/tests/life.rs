//! A whole life on the model: a writer that rolls over segments, snapshots, cursors and recycling, as
//! a node runs them, with a disk that may fail or lose power at any step.

use std::ops::ControlFlow;

use super::workload::{Input, options};
use crate::batch::Record;
use crate::cursor::{self, Cursor};
use crate::journal::{Journal, Options};
use crate::model::{ModelDisk, ModelFile};
use crate::open::{OpenError, Opened, State, open_with_on};
use crate::position::Position;
use crate::segment::{self, SegmentOrder};
use crate::snapshot;
use crate::tail::Tail;

/// What a replay of the life's inputs builds: how many there were, and a fold of their content.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Fold {
    pub(super) inputs: u64,
    hash: u64,
    last_event: Position,
}

impl Fold {
    pub(super) fn add(&mut self, input: &Input) {
        self.inputs += 1;
        self.hash = self.hash.rotate_left(9).wrapping_mul(0x100_0193) ^ input.salt;
        if input.events > 0 {
            self.last_event = Position::new(self.inputs, input.events as u32 - 1);
        }
    }

    pub(super) fn of(inputs: &[Input]) -> Fold {
        let mut fold = Fold::default();
        inputs.iter().for_each(|input| fold.add(input));
        fold
    }

    /// 5000 bytes, so that a snapshot is of several blocks.
    fn body(&self) -> Vec<u8> {
        self.hash.to_le_bytes().repeat(625)
    }
}

impl State for Fold {
    fn restore(&mut self, header: &snapshot::Header, body: &[u8]) -> Result<(), String> {
        let hash = u64::from_le_bytes(body[..8].try_into().expect("eight bytes"));
        *self = Fold { inputs: header.seq(), hash, last_event: header.last_event };
        assert_eq!((header.state_hash, body), (hash, &self.body()[..]), "the body is whole");
        Ok(())
    }

    fn record(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if record.is_input {
            let salt = record.event_time;
            self.add(&Input { salt, body_bytes: record.body.len(), events: 0 });
            assert_eq!(record.seq, self.inputs, "seqs have no gaps");
        } else {
            self.last_event = Position::new(record.seq, record.index);
        }
        ControlFlow::Continue(())
    }
}

/// What a life is over when no segment could be prepared in time.
pub(super) const NO_SEGMENT: &str = "no segment";

/// What a life is over: the disk said no, in words.
pub(super) type Over = String;

pub(super) struct Life {
    pub(super) disk: ModelDisk,
    pub(super) options: Options,
    pub(super) pushed: Vec<Input>,
    pub(super) acked: u64,
    /// Orders that could not be fulfilled yet.
    unfulfilled: Vec<SegmentOrder>,
    /// Whether an error ends it at once. Otherwise it does what a node does: it goes on, but for a
    /// failed flush.
    pub(super) is_strict: bool,
}

impl Life {
    /// Four batches a segment.
    pub(super) fn new() -> Life {
        Life {
            disk: ModelDisk::default(),
            options: options(4),
            pushed: Vec::new(),
            acked: 0,
            unfulfilled: Vec::new(),
            is_strict: true,
        }
    }

    /// The same life on another disk.
    pub(super) fn on(&self, disk: ModelDisk) -> Life {
        let pushed = self.pushed.clone();
        Life { disk, pushed, unfulfilled: Vec::new(), options: self.options.clone(), ..*self }
    }

    /// Opens from a snapshot and compares: what was acknowledged is there, what was not pushed is
    /// not. What is found counts as acknowledged.
    pub(super) fn open(&mut self) -> Result<Opened<ModelFile>, OpenError> {
        let mut fold = Fold::default();
        let opened = open_with_on(&self.disk, &self.options, &mut fold)?;
        let found = usize::try_from(fold.inputs).expect("small");
        assert_eq!(opened.last_seq, fold.inputs);
        let acked = self.acked;
        assert!(fold.inputs >= acked && found <= self.pushed.len(), "{found} of {acked} acked");
        let expected = Fold::of(&self.pushed[..found]);
        assert_eq!((fold.inputs, fold.hash), (expected.inputs, expected.hash));
        self.pushed.truncate(found);
        self.acked = fold.inputs;
        self.unfulfilled.clear();
        Ok(opened)
    }

    /// Appends so many inputs, each in a batch of its own. Every third is followed by a snapshot,
    /// every second by an acknowledgement of the sink.
    pub(super) fn live(&mut self, inputs: u64) -> Result<(), Over> {
        let mut journal = self.open().map_err(|error| error.to_string())?.journal;
        let goal = self.acked + inputs;
        while self.acked < goal {
            self.prepare(&mut journal)?;
            let seq = self.pushed.len() as u64 + 1;
            let input = Input { salt: seq * 977, body_bytes: 40, events: (seq % 3) as usize };
            input.push(&mut journal);
            self.pushed.push(input);
            if seq.is_multiple_of(5) {
                journal.seal();
            }
            journal.flush_blocking().map_err(|error| error.to_string())?;
            if journal.durable_seq() < seq {
                return Err(NO_SEGMENT.to_owned());
            }
            self.acked = seq;
            if seq.is_multiple_of(3) {
                let made = self.snapshot();
                self.unless_strict(made)?;
            }
            if seq.is_multiple_of(2) {
                let moved = self.acknowledge(seq);
                self.unless_strict(moved)?;
            }
        }
        Ok(())
    }

    fn unless_strict(&self, result: Result<(), Over>) -> Result<(), Over> {
        if self.is_strict { result } else { Ok(()) }
    }

    /// Prepares what is wanted, and tries again what failed before.
    fn prepare(&mut self, journal: &mut Journal<ModelFile>) -> Result<(), Over> {
        self.unfulfilled.extend(std::iter::from_fn(|| journal.segment_wanted()));
        for order in std::mem::take(&mut self.unfulfilled) {
            match segment::prepare_on(&self.disk, &order) {
                Ok(segment) => journal.segment_ready(segment),
                Err(error) if self.is_strict => return Err(error.to_string()),
                Err(_) => self.unfulfilled.push(order),
            }
        }
        Ok(())
    }

    /// Makes a snapshot of everything acknowledged, from the newest one on.
    fn snapshot(&self) -> Result<(), Over> {
        let (disk, dir) = (&self.disk, &self.options.dir);
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let mut fold = Fold::default();
        let newest = snapshot::list_on(disk, dir).map_err(|error| told(&error))?.last().copied();
        let mut tail = match newest {
            Some(seq) => {
                let base = snapshot::load_on(disk, dir, seq).map_err(|error| told(&error))?;
                fold.restore(&base.header, &base.body)?;
                Tail::from_mark_on(disk.clone(), dir, &base.header.mark)
            }
            None => {
                Tail::open_on(disk.clone(), dir, Position::START).map_err(|error| told(&error))?
            }
        };
        let read = tail.read(self.acked, usize::MAX, &mut |record| _ = fold.record(record));
        read.map_err(|error| told(&error))?;
        let Some(mark) = tail.mark() else { return Ok(()) };
        let body = fold.body();
        let header = snapshot::Header {
            shard: self.options.shard,
            shard_count: self.options.shard_count,
            mark,
            last_event: fold.last_event,
            state_hash: fold.hash,
            body_bytes: body.len() as u64,
        };
        snapshot::write_on(disk, dir, &header, &body).map_err(|error| told(&error))?;
        snapshot::keep_newest_on(disk, dir).map_err(|error| told(&error))
    }

    fn acknowledge(&self, seq: u64) -> Result<(), Over> {
        let path = cursor::path_of(&self.options.dir, "sink");
        let mut cursor = Cursor::open_on(&self.disk, &path).map_err(|error| error.to_string())?;
        cursor.set(Position::end_of(seq)).map_err(|error| error.to_string())
    }
}
