//! FNV-1a over 64 bits, the digest of command files: simple enough for every other engine to
//! compute too.

use std::fmt;

/// A running digest. Fields are fed packed, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest(u64);

impl Digest {
    /// The digest of nothing.
    pub const START: Digest = Digest(0xcbf2_9ce4_8422_2325);

    /// Feeds bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The value so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors of the draft that specifies FNV (draft-eastlake-fnv).
    #[test]
    fn gives_the_published_values() {
        for (text, value) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            let mut digest = Digest::START;
            digest.feed(text.as_bytes());
            assert_eq!(digest.value(), value, "{text}");
        }
        assert_eq!(Digest(0xab).to_string(), "00000000000000ab");
    }
}
