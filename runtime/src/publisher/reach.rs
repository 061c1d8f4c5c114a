//! How far one sink has come with one shard.

use std::path::Path;

use persist::Position;
use persist::cursor::{Cursor, path_of};
use persist::tail::Tail;
use shards::ShardId;
use shards::codec::decode_event;

use super::id;
use super::sink::Sink;

/// Records read from a journal before the next sink's turn.
const RECORDS_PER_TURN: usize = 512;

/// Position of a sink in a shard's events.
pub(super) struct Reach {
    taken: Position,
    acked: Position,
    written: Position,
    cursor: Cursor,
    /// Open while the sink is behind.
    tail: Option<Tail>,
}

impl Reach {
    /// Where the sink's cursor says.
    pub(super) fn open(dir: &Path, sink: &str) -> Result<Reach, String> {
        let mut cursor = Cursor::open(&path_of(dir, sink)).map_err(|error| error.to_string())?;
        if cursor.get() == Position::START {
            // A new sink begins with what the journal still has.
            let first = Tail::first_seq(dir).map_err(|error| error.to_string())?;
            let before = first.map_or(0, |first| first.saturating_sub(1));
            if before > 0 {
                cursor.set(Position::end_of(before)).map_err(|error| error.to_string())?;
            }
        }
        let at = cursor.get();
        Ok(Reach { taken: at, acked: at, written: at, cursor, tail: None })
    }

    /// Newest event that the sink took.
    pub(super) fn taken(&self) -> Position {
        self.taken
    }

    /// Newest event that the sink has acknowledged.
    pub(super) fn acked(&self) -> Position {
        self.acked
    }

    /// The sink took this event from the ring.
    pub(super) fn took(&mut self, position: Position) {
        self.taken = position;
        self.tail = None;
    }

    /// The sink acknowledged up to here.
    pub(super) fn acknowledge(&mut self, position: Position) {
        assert!(position <= self.taken, "a sink acknowledges only what it took");
        self.acked = self.acked.max(position);
    }

    /// Offers events from the journal, up to `seen`. Whether the sink took one, or all were passed.
    pub(super) fn catch_up(
        &mut self,
        dir: &Path,
        shard: ShardId,
        seen: Position,
        sink: &mut dyn Sink,
    ) -> Result<bool, String> {
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => Tail::open(dir, self.taken).map_err(|error| error.to_string())?,
        };
        let before = self.taken;
        let mut full = false;
        let mut unreadable = None;
        let read = tail.read(seen.seq, RECORDS_PER_TURN, &mut |record| {
            let position = Position { seq: record.seq, index: record.index };
            let is_over = full || unreadable.is_some();
            if record.is_input || is_over || position <= self.taken || position > seen {
                return;
            }
            match decode_event(record.kind, record.body) {
                Ok(event) if sink.offer(id(shard, position), &event) => self.taken = position,
                Ok(_) => full = true,
                Err(error) => unreadable = Some((position, error)),
            }
        });
        let read = read.map_err(|error| error.to_string())?;
        if let Some((position, error)) = unreadable {
            return Err(format!(
                "event {}.{} of shard {}: {error}",
                position.seq, position.index, shard.0
            ));
        }
        if full {
            // What was read in vain is read again when there is room.
            tail.seek(self.taken).map_err(|error| error.to_string())?;
        }
        self.tail = (self.taken < seen).then_some(tail);
        Ok(self.taken > before || (read > 0 && !full))
    }

    /// Writes the cursor, if it moved.
    pub(super) fn write_cursor(&mut self) -> Result<(), String> {
        if self.written < self.acked {
            self.cursor.set(self.acked).map_err(|error| error.to_string())?;
            self.written = self.acked;
        }
        Ok(())
    }

    /// Makes the cursor durable.
    pub(super) fn sync_cursor(&self) -> Result<(), String> {
        self.cursor.sync().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use shards::codec::{encode_event, event_kind};
    use shards::{Address, Coin, Decimal, Event, EventId, Gap};

    use super::*;
    use crate::publisher::sink::SinkReport;

    #[derive(Default)]
    struct Taking(Vec<u64>);

    impl Sink for Taking {
        fn name(&self) -> &'static str {
            "taking"
        }

        fn offer(&mut self, id: EventId, _: &Event) -> bool {
            self.0.push(id.seq.0);
            true
        }

        fn turn(&mut self, _: &mut dyn FnMut(ShardId, Position)) {}

        fn report(&self) -> SinkReport {
            SinkReport::default()
        }
    }

    #[test]
    fn an_event_that_cannot_be_read_is_not_stepped_over() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = persist::Options {
            dir: dir.path().join("shard-0"),
            shard: 0,
            shard_count: 1,
            segment_bytes: 1 << 16,
            batch_bytes_max: 1 << 14,
            flights: 1,
        };
        let opened = persist::open::open(&options, &mut |_| ControlFlow::Continue(()));
        let mut journal = opened.expect("opened").journal;
        let (coin, zero) = (Coin::new("BTC"), Decimal::ZERO);
        let address = Address([1; 20]);
        let gap = Gap { address, coin, from_ms: 1, to_ms: 2, expected: zero, found: zero };
        let good = Event::Gap(gap);
        for seq in 1..=4 {
            journal.push_input(1, seq, |_| {});
            match seq {
                2 => journal.push_event(60_000, seq, |body| body.push(1)),
                _ => journal.push_event(event_kind(&good), seq, |body| encode_event(&good, body)),
            };
        }
        journal.flush_blocking().expect("flushed");
        let mut reach = Reach::open(&options.dir, "taking").expect("opened");
        let mut sink = Taking::default();
        for _ in 0..2 {
            let seen = Position { seq: 4, index: 0 };
            let error = reach.catch_up(&options.dir, ShardId(0), seen, &mut sink);
            assert!(error.expect_err("told each time").contains("event 2.0"));
        }
        assert_eq!((sink.0, reach.taken().seq), (vec![1], 1), "it may repeat, it never skips");
    }
}
