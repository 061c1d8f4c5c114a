//! What a sink is: something that takes events in order and says how far they are safe.

use persist::Position;
use shards::{Event, EventId, ShardId};

use crate::shard::PositionRow;

/// Takes events. Implemented by standard output and by the store.
pub trait Sink: Send {
    /// Its name, and that of its cursors.
    fn name(&self) -> &'static str;

    /// Offers an event. `false` when there is no room: it will be offered again, from the journal.
    fn offer(&mut self, id: EventId, event: &Event) -> bool;

    /// Takes the newest state of an account; may drop it.
    fn row(&mut self, _row: &PositionRow) {}

    /// From the next offer on, this many percent of the accounts are live.
    fn set_canary_ratio(&mut self, _ratio: u8) {}

    /// Works, and calls `acked` with positions up to which everything offered is safe.
    fn turn(&mut self, acked: &mut dyn FnMut(ShardId, Position));

    /// Whether [`Sink::turn`] has something to do.
    fn has_news(&self) -> bool {
        false
    }

    /// Whether it will never acknowledge anything again: nobody waits for it, and its cursor stays where it is.
    fn is_gone(&self) -> bool {
        false
    }

    /// The next thing that someone should know.
    fn problem(&mut self) -> Option<Problem> {
        None
    }

    /// What it has done.
    fn report(&self) -> SinkReport;

    /// Ends it.
    fn stop(&mut self) {}
}

/// What goes wrong with a sink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// Who read it has gone.
    ReaderGone,
    /// Anything else, for a person.
    Text(String),
}

/// What a sink has done since the start.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SinkReport {
    /// Its name.
    pub name: &'static str,
    /// Signals that it acknowledged or holds.
    pub signals: u64,
    /// Signals that it had before: a restart repeats what was not yet acknowledged.
    pub repeated: u64,
    /// Signals that it had before with another content. Must be none.
    pub conflicts: u64,
    /// Gaps taken.
    pub gaps: u64,
}
