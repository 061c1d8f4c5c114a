//! A journal played back, and compared with itself: the events that the core makes against those that were journaled,
//! its digests, its state at the seqs of snapshots.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use persist::open::State;
use persist::snapshot::Header;
use persist::{Position, Record};
use shards::codec::{Scratch, decode_input, encode_event, event_kind};
use shards::{Core, Effects, Event, Input, Request};

use crate::cli::args::ReplayArgs;
use crate::cli::journal::fields::{Decoder, Object};
use crate::cli::progress::Progress;
use crate::diag::Problem;
use crate::shard::replayer::Replayer;

/// Why a snapshot is passed over that nothing is wrong with.
pub(in crate::cli) const NOT_WANTED: &str = "the replay begins before it";

/// A replay.
pub(in crate::cli) struct Playback {
    /// The state so far.
    pub(in crate::cli) core: Core,
    /// The last input that was applied.
    pub(in crate::cli) last_seq: u64,
    /// The newest event.
    pub(in crate::cli) last_event: Position,
    /// Records taken.
    pub(in crate::cli) records: u64,
    /// Events that were the same.
    pub(in crate::cli) events_compared: u64,
    /// Digests and snapshots that the state agreed with.
    pub(in crate::cli) states_compared: u64,
    verify: bool,
    to_seq: u64,
    begin: Option<u64>,
    /// State hashes of snapshots, by seq.
    states: BTreeMap<u64, u64>,
    scratch: Scratch,
    made: Made,
    /// Events of the input at hand that the journal has given.
    given: usize,
    event_time: u64,
    fault: Option<Fault>,
    progress: Progress,
    total: u64,
}

/// What the core makes of one input.
#[derive(Default)]
struct Made {
    events: Vec<(u16, std::ops::Range<usize>)>,
    bytes: Vec<u8>,
}

impl Effects for Made {
    fn event(&mut self, event: &Event) {
        let from = self.bytes.len();
        encode_event(event, &mut self.bytes);
        self.events.push((event_kind(event), from..self.bytes.len()));
    }

    fn request(&mut self, _: Request) {}
}

impl Made {
    fn clear(&mut self) {
        self.events.clear();
        self.bytes.clear();
    }

    fn get(&self, nth: usize) -> Option<(u16, &[u8])> {
        self.events.get(nth).map(|(kind, range)| (*kind, &self.bytes[range.clone()]))
    }
}

/// Why a replay was broken off.
enum Fault {
    Unreadable {
        seq: u64,
        why: String,
    },
    /// What the journal has, and what the replay gives, in words.
    Differs {
        seq: u64,
        index: Option<u32>,
        journal: String,
        replay: String,
    },
}

impl Playback {
    pub(in crate::cli) fn new(args: &ReplayArgs, (progress, total): (Progress, u64)) -> Playback {
        Playback {
            core: Core::new(),
            last_seq: 0,
            last_event: Position::START,
            records: 0,
            events_compared: 0,
            states_compared: 0,
            verify: args.verify,
            to_seq: args.to_seq.unwrap_or(u64::MAX),
            begin: None,
            states: BTreeMap::new(),
            scratch: Scratch::default(),
            made: Made::default(),
            given: 0,
            event_time: 0,
            fault: None,
            progress,
            total,
        }
    }

    /// The state hashes to be met, by seq.
    pub(in crate::cli) fn expect_states(&mut self, states: impl Iterator<Item = (u64, u64)>) {
        self.states.extend(states);
    }

    /// Begins with the snapshot at this seq.
    pub(in crate::cli) fn begin_with(&mut self, snapshot: Option<u64>) {
        self.begin = snapshot;
    }

    /// Ends it: the last input, too, is compared. How long it took.
    pub(in crate::cli) fn end(&mut self) -> Duration {
        if self.fault.is_none() {
            // A fault is kept; there is nothing to break off.
            let _ = self.close();
        }
        self.progress.end()
    }

    /// What the user reads if it was broken off.
    pub(in crate::cli) fn problem(&self, dir: &Path) -> Option<Problem> {
        Some(match self.fault.as_ref()? {
            Fault::Unreadable { seq, why } => {
                Problem::error("JRN003", format!("{}: seq {seq}: {why}", dir.display()))
                    .why("the checksum is right: a later corelane wrote it")
                    .fix("use the version that wrote it, or a later one")
            }
            Fault::Differs { seq, index, journal, replay } => {
                let index = index.map_or(String::new(), |index| format!(", event {index}"));
                let what = format!(
                    "{}: at seq {seq}{index} the replay is not what the journal has",
                    dir.display()
                );
                Problem::error("JRN011", what)
                    .why(format!("journal: {journal}"))
                    .why(format!("replay:  {replay}"))
                    .fix("keep the directory, and replay it with the version that wrote it, and on another host")
            }
        })
    }

    /// What is left to compare of the input at hand.
    fn close(&mut self) -> ControlFlow<()> {
        if !self.verify || self.last_seq == 0 {
            return ControlFlow::Continue(());
        }
        if let Some(made) = self.made.get(self.given) {
            let replay = self.event_text(made);
            return self.differs(Some(self.given as u32), "no such event".to_owned(), replay);
        }
        if let Some(&hash) = self.states.get(&self.last_seq) {
            let found = self.core.state_hash();
            if found != hash {
                let journal = format!("a snapshot with state hash {hash:016x}");
                return self.differs(None, journal, format!("state hash {found:016x}"));
            }
            self.states_compared += 1;
        }
        ControlFlow::Continue(())
    }

    fn differs(&mut self, index: Option<u32>, journal: String, replay: String) -> ControlFlow<()> {
        self.fault = Some(Fault::Differs { seq: self.last_seq, index, journal, replay });
        ControlFlow::Break(())
    }

    fn input(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        self.close()?;
        if record.seq > self.to_seq {
            return ControlFlow::Break(());
        }
        let input = match decode_input(record.kind, record.body, &mut self.scratch) {
            Ok(input) => input,
            Err(error) => {
                let why = error.to_string();
                self.fault = Some(Fault::Unreadable { seq: record.seq, why });
                return ControlFlow::Break(());
            }
        };
        self.last_seq = record.seq;
        if let Input::Check { digest } = input {
            let found = self.core.digest();
            if found != digest {
                let journal = format!("digest {digest:016x} of the state before it");
                return self.differs(None, journal, format!("digest {found:016x}"));
            }
            self.states_compared += 1;
        }
        self.made.clear();
        (self.given, self.event_time) = (0, record.event_time);
        match self.verify {
            true => self.core.step(record.event_time, &input, &mut self.made),
            false => self.core.step(record.event_time, &input, &mut ()),
        }
        self.progress.at(record.seq, self.total, self.records);
        ControlFlow::Continue(())
    }

    fn event(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        self.last_event = Position::new(record.seq, record.index);
        // The events of the input that a snapshot ends with are behind it.
        if !self.verify || record.seq != self.last_seq {
            return ControlFlow::Continue(());
        }
        let made = self.made.get(self.given);
        if made == Some((record.kind, record.body)) {
            self.given += 1;
            self.events_compared += 1;
            return ControlFlow::Continue(());
        }
        let replay = made.map_or("no such event".to_owned(), |made| self.event_text(made));
        let journal = self.event_text((record.kind, record.body));
        self.differs(Some(record.index), journal, replay)
    }

    /// An event as JSON.
    fn event_text(&self, (kind, body): (u16, &[u8])) -> String {
        let record = Record {
            seq: self.last_seq,
            index: self.given as u32,
            is_input: false,
            kind,
            event_time: self.event_time,
            body,
        };
        let mut text = Vec::new();
        let mut object = Object::begin(&mut text);
        Decoder::head(&record, &mut object);
        Decoder::default().body(&record, &mut object);
        object.end();
        String::from_utf8(text).expect("JSON of texts is UTF-8")
    }
}

impl State for Playback {
    fn restore(&mut self, header: &Header, body: &[u8]) -> Result<(), String> {
        if self.begin != Some(header.seq()) {
            return Err(NOT_WANTED.to_owned());
        }
        let mut restored = Replayer::default();
        restored.restore(header, body)?;
        (self.core, self.last_seq) = (restored.core, header.seq());
        self.last_event = header.last_event;
        self.states_compared += 1;
        self.states.remove(&header.seq());
        Ok(())
    }

    fn record(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if record.is_input {
            self.input(&record)?;
        } else {
            self.event(&record)?;
        }
        self.records += 1;
        ControlFlow::Continue(())
    }
}
