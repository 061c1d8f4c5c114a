//! Where frames end, so that tungstenite never holds a piece of the next one.
//!
//! Its read buffer doubles whenever a message meets the beginning of another one in it, and keeps its size. Given one frame
//! at a time it stays as large as the largest, and after a message it is empty, so that it can be made anew.

/// Messages beyond this make the buffer worth renewing.
const LARGE_BYTES: u64 = 64 << 10;

/// Most bytes of a frame's header (RFC 6455 section 5.2).
const HEADER_BYTES_MAX: usize = 14;

/// The frame at hand, as far as its header says.
#[derive(Default, Debug)]
pub(super) struct Frames {
    /// Bytes that may be read before the next header is looked at.
    left: u64,
    /// The frame at hand does not end its message.
    is_open: bool,
    /// A large frame went by since the buffer was new.
    was_large: bool,
}

impl Frames {
    /// Lets so many bytes pass that are no frame: the answer to the handshake.
    pub(super) fn let_pass(&mut self, bytes: usize) {
        self.left = bytes as u64;
    }

    /// How much of `rest`, which is not empty, may be read now: no more than the frame at hand. `None` until its header is
    /// whole.
    pub(super) fn readable(&mut self, rest: &[u8]) -> Option<usize> {
        if self.left == 0 {
            self.left = self.header(rest)?;
            self.was_large |= self.left > LARGE_BYTES;
        }
        Some(usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len()))
    }

    /// So many bytes were read.
    pub(super) fn read(&mut self, bytes: usize) {
        self.left -= bytes as u64;
    }

    /// Whether nothing of a message is under way, and a large one was.
    pub(super) fn is_bloated(&self) -> bool {
        self.was_large && self.left == 0 && !self.is_open
    }

    /// The buffer is new.
    pub(super) fn renewed(&mut self) {
        self.was_large = false;
    }

    /// Bytes of the frame that begins here, its header included; `None` until that is whole. What makes no sense is for
    /// tungstenite to refuse: it sees the same bytes.
    fn header(&mut self, rest: &[u8]) -> Option<u64> {
        let [first, second, ..] = rest else { return None };
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let mask = if second & 0x80 != 0 { 4 } else { 0 };
        let (lengths, payload) = match second & 0x7f {
            126 => (2, u64::from(u16::from_be_bytes(*rest.get(2..)?.first_chunk()?))),
            127 => (8, u64::from_be_bytes(*rest.get(2..)?.first_chunk()?)),
            short => (0, u64::from(short)),
        };
        // Control frames may stand between the parts of a message.
        if opcode & 0x08 == 0 {
            self.is_open = !is_last;
        }
        let header = 2 + lengths + mask;
        debug_assert!(header <= HEADER_BYTES_MAX as u64, "as the standard has it");
        Some(payload.saturating_add(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives `bytes` in pieces of `piece`, reads as much as may be read, and returns the lengths of the frames.
    fn frames(bytes: &[u8], piece: usize) -> Vec<usize> {
        let mut frames = Frames::default();
        let (mut have, mut at, mut lengths, mut read) = (0, 0, Vec::new(), 0);
        while at < bytes.len() {
            match (have > at).then(|| frames.readable(&bytes[at..have])).flatten() {
                Some(count) => {
                    frames.read(count);
                    at += count;
                    read += count;
                    if frames.left == 0 {
                        lengths.push(std::mem::take(&mut read));
                    }
                }
                None => have = (have + piece).min(bytes.len()),
            }
        }
        lengths
    }

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload {
            0..=125 => bytes.push(payload as u8),
            126..=0xffff => {
                bytes.push(126);
                bytes.extend_from_slice(&(payload as u16).to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend_from_slice(&(payload as u64).to_be_bytes());
            }
        }
        bytes.resize(bytes.len() + payload, b'x');
        bytes
    }

    #[test]
    fn every_frame_ends_where_its_header_says() {
        let sizes = [0, 1, 125, 126, 65_535, 65_536, 100_000, 3];
        let all: Vec<u8> = sizes.iter().flat_map(|size| frame(0x81, *size)).collect();
        let wanted: Vec<usize> = sizes.iter().map(|size| frame(0x81, *size).len()).collect();
        for piece in [1, 2, 3, 7, 4096, all.len()] {
            assert_eq!(frames(&all, piece), wanted, "in pieces of {piece}");
        }
        assert_eq!(frames(&[0x81, 0x82, 1, 2, 3, 4, 5, 6], 1), [8], "with a mask");
    }

    #[test]
    fn only_between_messages_a_buffer_is_worth_renewing() {
        let mut frames = Frames::default();
        let mut give = |bytes: &[u8]| {
            let count = frames.readable(bytes).expect("whole");
            frames.read(count);
            frames.is_bloated()
        };
        assert!(!give(&frame(0x81, 60_000)));
        assert!(!give(&frame(0x01, 70_000)), "a part of a message");
        assert!(!give(&frame(0x89, 5)), "a ping between the parts");
        assert!(give(&frame(0x80, 10)));
        assert!(!give(&frame(0x81, 70_000)[..100]), "a part of a frame");
    }
}
