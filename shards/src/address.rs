//! Account addresses: 20 bytes, written as `0x` and 40 lower-case hex digits.

use std::fmt;
use std::str::FromStr;

/// An account address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub [u8; 20]);

/// Why a text is not an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// The text does not begin with `0x`.
    #[error("it does not begin with 0x")]
    NoPrefix,
    /// The number of hex digits is not 40.
    #[error("0x and {digits} hex digits; 40 are needed")]
    Length {
        /// Digits found after `0x`.
        digits: usize,
    },
    /// A character is no hex digit.
    #[error("character {at} is not a hex digit")]
    NotHex {
        /// Position in the text, from 1.
        at: usize,
    },
}

fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Reads `0x` and exactly `2 * N` hex digits of either case.
pub fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], AddressError> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .ok_or(AddressError::NoPrefix)?
        .as_bytes();
    if let Some(at) = digits.iter().position(|&b| hex_value(b).is_none()) {
        return Err(AddressError::NotHex { at: at + 3 });
    }
    if digits.len() != 2 * N {
        return Err(AddressError::Length { digits: digits.len() });
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |b| hex_value(b).expect("checked above");
        *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
    }
    Ok(bytes)
}

/// Writes `0x` and lower-case hex digits.
pub fn write_hex(bytes: &[u8], f: &mut impl fmt::Write) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    f.write_str("0x")?;
    for byte in bytes {
        f.write_char(char::from(DIGITS[usize::from(byte >> 4)]))?;
        f.write_char(char::from(DIGITS[usize::from(byte & 15)]))?;
    }
    Ok(())
}

impl FromStr for Address {
    type Err = AddressError;

    /// Accepts upper, lower and mixed case.
    fn from_str(text: &str) -> Result<Address, AddressError> {
        parse_hex(text).map(Address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_case_is_accepted_and_lower_case_is_written() {
        let text = "0x87F9cd15f5050A9283B8896300f7C8cf69ece2cF";
        let address: Address = text.parse().expect("an address");
        assert_eq!(address.to_string(), text.to_lowercase());
    }

    #[test]
    fn the_prefix_may_be_upper_case_and_debug_is_the_text() {
        let address: Address = "0X00000000000000000000000000000000000000FF".parse().expect("one");
        assert_eq!(format!("{address:?} {address}"), format!("{address} 0x{}ff", "0".repeat(38)));
        assert_eq!(address.0[19], 255);
        assert_eq!(parse_hex::<2>("0xABcd"), Ok([0xab, 0xcd]));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let parse = |text: &str| text.parse::<Address>().expect_err("not an address");
        assert_eq!(parse("87f9"), AddressError::NoPrefix);
        assert_eq!(parse("0x87f9"), AddressError::Length { digits: 4 });
        assert_eq!(parse("0x87g9"), AddressError::NotHex { at: 5 });
        assert_eq!(parse("vitalik.eth"), AddressError::NoPrefix);
        assert_eq!(parse(""), AddressError::NoPrefix);
        assert_eq!(parse(&format!("0x{}", "0".repeat(41))), AddressError::Length { digits: 41 });
        assert_eq!(parse("0xé"), AddressError::NotHex { at: 3 });
        assert_eq!(parse("0xzz").to_string(), "character 3 is not a hex digit");
        assert_eq!(parse("0xab").to_string(), "0x and 2 hex digits; 40 are needed");
    }
}
