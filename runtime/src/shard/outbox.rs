//! Events that wait until their batch is durable, then go to the publisher.

use std::collections::VecDeque;

use persist::Position;

use crate::lane::events::{EventProducer, Header, MARKER, ROW};

/// Events in order, as bytes, and what the publisher has been told.
pub(super) struct Outbox {
    ring: EventProducer,
    headers: VecDeque<(Header, usize)>,
    bytes: VecDeque<u8>,
    /// Newest event made.
    newest: Position,
    /// Newest event that is durable.
    durable: Position,
    /// Newest event that the ring took or that a marker named.
    told: Position,
    body: Vec<u8>,
    ring_full: u64,
}

impl Outbox {
    /// An outbox behind a journal whose newest event is `last_event`: the publisher knows of it.
    pub(super) fn new(ring: EventProducer, last_event: Position) -> Outbox {
        Outbox {
            ring,
            headers: VecDeque::new(),
            bytes: VecDeque::new(),
            newest: last_event,
            durable: last_event,
            told: last_event,
            body: Vec::new(),
            ring_full: 0,
        }
    }

    /// Keeps an event that is in the journal's batch buffer.
    pub(super) fn hold(&mut self, kind: u16, position: Position, received_ns: u64, body: &[u8]) {
        assert!(position > self.newest, "events are made in order");
        let header = Header { kind, position, previous: self.newest, received_ns };
        self.newest = position;
        self.headers.push_back((header, body.len()));
        self.bytes.extend(body);
    }

    /// Gives the events up to `durable_seq` to the ring. Whether anything was put.
    pub(super) fn release(&mut self, durable_seq: u64) -> bool {
        let mut put = false;
        while let Some((header, len)) = self.headers.front().copied() {
            if header.position.seq > durable_seq {
                break;
            }
            self.headers.pop_front();
            self.body.clear();
            self.body.extend(self.bytes.drain(..len));
            self.durable = header.position;
            // Once one was dropped the next ones still go: each names its predecessor, so the publisher sees the jump.
            if self.ring.push(header, &self.body) {
                self.told = header.position;
                put = true;
            } else {
                self.ring_full += 1;
            }
        }
        put | self.tell()
    }

    /// Says how far the journal goes when the newest durable events did not fit. Whether anything was put.
    fn tell(&mut self) -> bool {
        if self.told == self.durable {
            return false;
        }
        let marker =
            Header { kind: MARKER, position: self.durable, previous: self.durable, received_ns: 0 };
        let put = self.ring.push(marker, &[]);
        if put {
            self.told = self.durable;
        }
        put
    }

    /// Sends something that is not in the journal, if there is room.
    pub(super) fn row(&mut self, body: &[u8]) -> bool {
        let here = self.told;
        self.ring.push(Header { kind: ROW, position: here, previous: here, received_ns: 0 }, body)
    }

    /// Whether the publisher has yet to be told of durable events.
    pub(super) fn is_behind(&self) -> bool {
        self.told != self.durable
    }

    /// Whether no event waits, here or for its flush.
    pub(super) fn is_empty(&self) -> bool {
        self.headers.is_empty() && !self.is_behind()
    }

    /// Copies that the ring had no room for.
    pub(super) fn ring_full(&self) -> u64 {
        self.ring_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::events::ring;

    fn at(seq: u64, index: u32) -> Position {
        Position { seq, index }
    }

    #[test]
    fn nothing_leaves_before_it_is_durable() {
        let (producer, mut consumer) = ring(1024);
        let mut outbox = Outbox::new(producer, at(0, 0));
        outbox.hold(101, at(1, 0), 5, b"one");
        outbox.hold(101, at(2, 0), 5, b"two");
        assert!(!outbox.release(0));
        assert!(outbox.release(1));
        let (header, body) = consumer.pop().expect("the first");
        assert_eq!((header.position, header.previous, body), (at(1, 0), at(0, 0), &b"one"[..]));
        assert!(consumer.pop().is_none());
        assert!(outbox.release(2) && outbox.is_empty());
    }

    #[test]
    fn a_dropped_copy_shows_as_a_jump_and_a_dropped_end_as_a_marker() {
        let (producer, mut consumer) = ring(100);
        let mut outbox = Outbox::new(producer, at(0, 0));
        for seq in 1..=3 {
            outbox.hold(101, at(seq, 0), 0, &[7; 30]);
        }
        outbox.release(3);
        assert_eq!(outbox.ring_full(), 2);
        assert!(outbox.is_behind() && !outbox.is_empty());
        assert_eq!(consumer.pop().map(|(h, _)| h.position), Some(at(1, 0)));
        outbox.release(3);
        let (marker, _) = consumer.pop().expect("a marker");
        assert_eq!((marker.kind, marker.position), (MARKER, at(3, 0)));
        outbox.hold(101, at(4, 1), 0, b"x");
        outbox.release(4);
        let (header, _) = consumer.pop().expect("the next event");
        assert_eq!((header.previous, header.position), (at(3, 0), at(4, 1)));
        assert!(outbox.is_empty());
    }
}
