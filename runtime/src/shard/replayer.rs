//! A core brought to where its journal ends: the same steps, without a world around them.
//!
//! Used at the start of a shard, by the snapshot thread, by `corelane replay`, and by whoever else wants the state of a
//! journal. Events are not read: the core makes them again. The digests that the shard journaled are compared with those
//! of the replay: the first that differs ends it.

use std::ops::ControlFlow;

use persist::Position;
use persist::open::State;
use persist::snapshot::Header;
use shards::codec::{Scratch, decode_input};
use shards::{Core, Input};

/// Brings a core to where its journal ends.
#[derive(Default)]
pub struct Replayer {
    /// The core.
    pub core: Core,
    scratch: Scratch,
    /// Newest event.
    pub last_event: Position,
    /// Newest time.
    pub newest_ns: u64,
    /// Why the replay was broken off.
    pub broken: Option<Broken>,
    /// Seq of the snapshot that it began with.
    pub restored: Option<u64>,
    /// Snapshots from this seq on are not to be begun with.
    refuted: Option<u64>,
}

/// Why a replay was broken off.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// A record that this version cannot read.
    #[error("seq {seq}: {why}")]
    Unreadable {
        /// The record's input.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The replay is not what the shard did.
    #[error(transparent)]
    Diverged(#[from] Diverged),
}

/// A replay whose digest is not the one that the shard journaled: one of the two computed something else from the same
/// inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("at seq {seq} the journal has state digest {journaled:016x}, the replay {replayed:016x}")]
pub struct Diverged {
    /// The input that carries the digest.
    pub seq: u64,
    /// What the shard had.
    pub journaled: u64,
    /// What the replay has.
    pub replayed: u64,
}

impl Replayer {
    /// After a replay from a snapshot that diverged: one that does not take that snapshot, nor later ones. It may be the
    /// snapshot that is wrong.
    pub fn without_base(&self) -> Option<Replayer> {
        let is_diverged = matches!(self.broken, Some(Broken::Diverged(_)));
        let refuted = self.restored.filter(|_| is_diverged)?;
        Some(Replayer { refuted: Some(refuted), ..Replayer::default() })
    }

    /// Applies a record. Events are left alone: the core makes them again.
    pub fn take(&mut self, record: &persist::Record<'_>) -> ControlFlow<()> {
        self.newest_ns = self.newest_ns.max(record.event_time);
        if !record.is_input {
            self.last_event = Position { seq: record.seq, index: record.index };
            return ControlFlow::Continue(());
        }
        let input = match decode_input(record.kind, record.body, &mut self.scratch) {
            Ok(input) => input,
            Err(error) => {
                let why = error.to_string();
                self.broken = Some(Broken::Unreadable { seq: record.seq, why });
                return ControlFlow::Break(());
            }
        };
        if let Input::Check { digest: journaled } = input {
            let replayed = self.core.digest();
            if journaled != replayed {
                self.broken = Some(Diverged { seq: record.seq, journaled, replayed }.into());
                return ControlFlow::Break(());
            }
        }
        self.core.step(record.event_time, &input, &mut ());
        ControlFlow::Continue(())
    }
}

impl State for Replayer {
    fn restore(&mut self, header: &Header, body: &[u8]) -> Result<(), String> {
        if self.refuted.is_some_and(|refuted| header.seq() >= refuted) {
            return Err(
                "a replay from it does not give the digests that the shard journaled".into()
            );
        }
        let core = Core::decode(body).map_err(|error| error.to_string())?;
        let hash = core.state_hash();
        if hash != header.state_hash {
            return Err(format!(
                "its state hash is {:016x}, the state in it has {hash:016x}",
                header.state_hash
            ));
        }
        let (last_event, newest_ns) = (header.last_event, core.now_ns());
        let (restored, refuted) = (Some(header.seq()), self.refuted);
        *self = Replayer { core, last_event, newest_ns, restored, refuted, ..Replayer::default() };
        Ok(())
    }

    fn record(&mut self, record: persist::Record<'_>) -> ControlFlow<()> {
        self.take(&record)
    }
}
