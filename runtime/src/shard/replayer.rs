//! A core brought to where its journal ends: the same steps, without a world around them.
//!
//! Used at the start of a shard, by `corelane replay`, and by whoever else wants the state of a journal. Events are
//! not read: the core makes them again.

use std::ops::ControlFlow;

use persist::Position;
use shards::Core;
use shards::codec::{Scratch, decode_input};

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
    /// Why the replay was broken off: a record that this version cannot read.
    pub refused: Option<String>,
}

impl Replayer {
    /// Applies a record. Events are left alone: the core makes them again.
    pub fn take(&mut self, record: &persist::Record<'_>) -> ControlFlow<()> {
        self.newest_ns = self.newest_ns.max(record.event_time);
        if !record.is_input {
            self.last_event = Position { seq: record.seq, index: record.index };
            return ControlFlow::Continue(());
        }
        match decode_input(record.kind, record.body, &mut self.scratch) {
            Ok(input) => {
                self.core.step(record.event_time, &input, &mut ());
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.refused = Some(format!("seq {}: {error}", record.seq));
                ControlFlow::Break(())
            }
        }
    }
}
