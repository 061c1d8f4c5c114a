//! Writing JSON text: strings with their escapes, and a sink over bytes.

use std::fmt::{self, Write};

/// A `fmt::Write` that appends to bytes, so that one set of writers serves `String` and `Vec<u8>`.
pub(crate) struct Bytes<'a>(pub(crate) &'a mut Vec<u8>);

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Writes `text` as a JSON string, quotes included. RFC 8259 section 7: quotation mark, reverse solidus and the
/// control characters are escaped, everything else stands for itself.
pub(crate) fn write_string(into: &mut impl Write, text: &str) -> fmt::Result {
    into.write_char('"')?;
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        into.write_str(&text[plain_from..at])?;
        plain_from = at + 1;
        match byte {
            b'"' => into.write_str("\\\"")?,
            b'\\' => into.write_str("\\\\")?,
            b'\n' => into.write_str("\\n")?,
            b'\r' => into.write_str("\\r")?,
            b'\t' => into.write_str("\\t")?,
            control => write!(into, "\\u{control:04x}")?,
        }
    }
    into.write_str(&text[plain_from..])?;
    into.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_string_comes_back_from_a_json_parser(text in any::<String>()) {
            let mut bytes = Vec::new();
            write_string(&mut Bytes(&mut bytes), &text).expect("a vector takes all");
            let back: String = serde_json::from_slice(&bytes).expect("a JSON string");
            prop_assert_eq!(back, text);
        }
    }
}
