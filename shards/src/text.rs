//! Short strings held inline: coins, symbols, tokens, statuses. They cost no allocation.

use std::fmt;

/// Up to `N` bytes of UTF-8, inline. Longer text is cut at a character boundary: the venue's names are far
/// shorter, and a label that a stranger made longer must not stop the stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const N: usize> {
    // Bytes past `len` are zero, so that derived equality and order are those of the text.
    bytes: [u8; N],
    len: u8,
}

/// The name of a coin on the wire: `BTC`, `xyz:CL`, `@107`, `PURR/USDC`.
pub type Coin = Text<31>;

/// The name of a symbol in a signal: `BTCUSDC`.
pub type Symbol = Text<47>;

/// A label from an open set: an unknown `dir`, an order status.
pub type Label = Text<47>;

/// The name of a token: `USDC`.
pub type Token = Text<15>;

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Text<N> = Text { bytes: [0; N], len: 0 };

    /// The first `N` bytes of `text`, cut at a character boundary.
    pub fn new(text: &str) -> Text<N> {
        const { assert!(N <= 255, "the length is one byte") };
        let mut len = text.len().min(N);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0; N];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Text { bytes, len: len as u8 }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("only cut at character boundaries")
    }

    /// The bytes of the text.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Bytes `at` to `at + 8` as a number; those past the end are zero.
    #[inline]
    pub(crate) fn word(&self, at: usize) -> u64 {
        let mut word = [0; 8];
        if at < N {
            let end = N.min(at + 8);
            word[..end - at].copy_from_slice(&self.bytes[at..end]);
        }
        u64::from_le_bytes(word)
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Text<N> {
        Text::EMPTY
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Text<N> {
        Text::new(text)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_boundary() {
        assert_eq!(Text::<4>::new("abc").as_str(), "abc");
        assert_eq!(Text::<4>::new("abcdef").as_str(), "abcd");
        assert_eq!(Text::<4>::new("abcé").as_str(), "abc");
        assert!(Text::<4>::new("").is_empty());
        assert!(Text::<8>::new("ab") < Text::<8>::new("abc"));
    }

    #[test]
    fn text_is_written_like_a_string() {
        let coin = Coin::from("xyz:CL");
        assert_eq!(format!("{coin} {coin:?} [{coin:>8}]"), "xyz:CL \"xyz:CL\" [  xyz:CL]");
        assert_eq!(Coin::default(), Coin::EMPTY);
        assert!(!coin.is_empty());
        // What was cut off does not come back: equal texts have equal bytes.
        assert_eq!(Text::<3>::new("abcd"), Text::<3>::new("abce"));
    }
}
