//! The ring from a shard to the publisher: events as the bytes the journal has, and where each one follows.
//!
//! The journal is the truth, the ring the fast path. When the ring is full the shard drops the copy, not the event:
//! each message names the event before it, so the publisher sees a jump and reads the missing ones from the journal
//! files. If nothing follows a dropped event, a marker says how far the journal goes.
//!
//! Message, native endianness (it never leaves the process):
//!
//! | bytes | field |
//! |---|---|
//! | 4 | length of the body |
//! | 2 | kind: the record kind of an event, [`MARKER`], or [`ROW`] |
//! | 2 | zero |
//! | 8, 4 | seq and index of the event; of a marker, those of the newest durable event |
//! | 8, 4 | seq and index of the event before it |
//! | 8 | monotonic nanoseconds when the frame was received |
//! | n | body |

use persist::Position;
use rtrb::{Consumer, Producer, RingBuffer};

/// Kind of a message that carries no event: the journal goes up to its position.
pub const MARKER: u16 = 0;
/// Kind of a message that is not in the journal: the newest state of something, worth nothing once there is a newer.
pub const ROW: u16 = 200;

const HEADER_BYTES: usize = 40;

/// What stands before a message's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Kind of the body.
    pub kind: u16,
    /// The event.
    pub position: Position,
    /// The event before it in this shard's journal.
    pub previous: Position,
    /// When the frame that it came of was received, monotonic nanoseconds; 0 if no frame caused it.
    pub received_ns: u64,
}

impl Header {
    fn to_bytes(self, body_bytes: usize) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&(body_bytes as u32).to_ne_bytes());
        bytes[4..6].copy_from_slice(&self.kind.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.position.seq.to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.position.index.to_ne_bytes());
        bytes[20..28].copy_from_slice(&self.previous.seq.to_ne_bytes());
        bytes[28..32].copy_from_slice(&self.previous.index.to_ne_bytes());
        bytes[32..40].copy_from_slice(&self.received_ns.to_ne_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> (Header, usize) {
        let u64_at =
            |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let u32_at =
            |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let header = Header {
            kind: u16::from_ne_bytes([bytes[4], bytes[5]]),
            position: Position { seq: u64_at(8), index: u32_at(16) },
            previous: Position { seq: u64_at(20), index: u32_at(28) },
            received_ns: u64_at(32),
        };
        (header, u32_at(0) as usize)
    }
}

/// A ring of `bytes` bytes.
pub fn ring(bytes: usize) -> (EventProducer, EventConsumer) {
    let (producer, consumer) = RingBuffer::new(bytes);
    (EventProducer { producer }, EventConsumer { consumer, body: Vec::new() })
}

/// The shard's end.
pub struct EventProducer {
    producer: Producer<u8>,
}

impl EventProducer {
    /// Puts a message, whole or not at all. `false` when there is no room.
    pub fn push(&mut self, header: Header, body: &[u8]) -> bool {
        if self.producer.slots() < HEADER_BYTES + body.len() {
            return false;
        }
        // Both fit: slots() only grows until we write. The consumer may see the header alone for a moment; it waits
        // for the body.
        const ROOM: &str = "room was checked";
        self.producer.push_entire_slice(&header.to_bytes(body.len())).expect(ROOM);
        self.producer.push_entire_slice(body).expect(ROOM);
        true
    }
}

/// The publisher's end.
pub struct EventConsumer {
    consumer: Consumer<u8>,
    body: Vec<u8>,
}

impl EventConsumer {
    /// Takes the next message, if one is complete.
    pub fn pop(&mut self) -> Option<(Header, &[u8])> {
        let chunk = self.consumer.read_chunk(HEADER_BYTES).ok()?;
        let (first, second) = chunk.as_slices();
        let mut bytes = [0; HEADER_BYTES];
        bytes[..first.len()].copy_from_slice(first);
        bytes[first.len()..].copy_from_slice(second);
        let (header, body_bytes) = Header::from_bytes(&bytes);
        if self.consumer.slots() < HEADER_BYTES + body_bytes {
            return None;
        }
        self.body.resize(body_bytes, 0);
        const THERE: &str = "header and body were counted";
        self.consumer.pop_entire_slice(&mut bytes).expect(THERE);
        self.consumer.pop_entire_slice(&mut self.body).expect(THERE);
        Some((header, &self.body))
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.consumer.is_empty()
    }

    /// Whether the shard is gone.
    pub fn is_abandoned(&self) -> bool {
        self.consumer.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(seq: u64) -> Header {
        Header {
            kind: 101,
            position: Position { seq, index: 3 },
            previous: Position { seq: seq - 1, index: 2 },
            received_ns: 77,
        }
    }

    #[test]
    fn messages_come_out_as_they_went_in_across_the_wrap() {
        let (mut producer, mut consumer) = ring(256);
        for seq in 1..500u64 {
            let body: Vec<u8> = (0..seq % 90).map(|byte| byte as u8).collect();
            assert!(producer.push(header(seq), &body));
            let (found, bytes) = consumer.pop().expect("one message");
            assert_eq!((found, bytes), (header(seq), &body[..]));
        }
        assert!(consumer.pop().is_none() && consumer.is_empty());
    }

    #[test]
    fn a_full_ring_refuses_whole_messages() {
        let (mut producer, mut consumer) = ring(128);
        assert!(producer.push(header(1), &[1; 40]));
        assert!(!producer.push(header(2), &[2; 40]));
        assert_eq!(consumer.pop().map(|(h, b)| (h, b.len())), Some((header(1), 40)));
        assert!(producer.push(header(2), &[2; 40]));
        drop(producer);
        assert!(consumer.is_abandoned() && consumer.pop().is_some());
    }
}
