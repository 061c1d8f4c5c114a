//! Durations and sizes as users write them: a whole number and a unit, always both.
//!
//! `"1h30m"` is fine, `"1.5h"` is not: fractions invite rounding, and a smaller unit says the same.

use std::time::Duration;

/// Why a text is not a duration or a size; the text goes behind the underline.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnitError {
    /// Digits only.
    #[error("a number; write {0}")]
    NoUnit(String),
    /// The letters behind the digits are no unit.
    #[error("`{unit}` is not a unit; use {known}")]
    UnknownUnit {
        /// The letters found.
        unit: String,
        /// The units there are.
        known: &'static str,
    },
    /// No digits where digits must be.
    #[error("write a whole number and a unit, for example {0}")]
    NotANumber(&'static str),
    /// More than 64 bits.
    #[error("too large")]
    TooLarge,
}

const DURATION_UNITS: &str = "ns, us, ms, s, m, h or d";
const SIZE_UNITS: &str = "B, KiB, MiB or GiB (or KB, MB, GB for powers of 1000)";

/// Nanoseconds of each unit, longest first.
const DURATIONS: [(&str, u64); 8] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Bytes of each unit, the binary ones first, largest first.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads one or more pairs of digits and unit.
fn parse(
    text: &str,
    unit_of: impl Fn(&str) -> Option<u64>,
    known: &'static str,
    example: &'static str,
    bare: impl Fn(u64) -> String,
) -> Result<u64, UnitError> {
    let text = text.trim();
    let mut rest = text;
    let mut total = 0u64;
    if rest.is_empty() {
        return Err(UnitError::NotANumber(example));
    }
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if digits_end == 0 {
            return Err(UnitError::NotANumber(example));
        }
        let number: u64 = rest[..digits_end].parse().map_err(|_| UnitError::TooLarge)?;
        rest = rest[digits_end..].trim_start();
        let unit_end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = &rest[..unit_end];
        if unit.is_empty() {
            let fraction = rest.starts_with(['.', ',']);
            let whole = rest.is_empty() && text.len() == digits_end;
            return Err(match (fraction, whole) {
                (false, true) => UnitError::NoUnit(bare(number)),
                _ => UnitError::NotANumber(example),
            });
        }
        let factor =
            unit_of(unit).ok_or_else(|| UnitError::UnknownUnit { unit: unit.to_owned(), known })?;
        let part = number.checked_mul(factor).ok_or(UnitError::TooLarge)?;
        total = total.checked_add(part).ok_or(UnitError::TooLarge)?;
        rest = rest[unit_end..].trim_start();
    }
    Ok(total)
}

/// Reads a duration, up to 584 years.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let unit_of =
        |unit: &str| DURATIONS.iter().find(|(name, _)| *name == unit).map(|(_, nanos)| *nanos);
    let bare = |n: u64| format!("\"{n}s\" (or \"{n}ms\" if milliseconds were meant)");
    parse(text, unit_of, DURATION_UNITS, "\"100ms\"", bare).map(Duration::from_nanos)
}

/// Reads a size in bytes.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let unit_of = |unit: &str| {
        SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, bytes)| *bytes)
    };
    let bare = |n: u64| {
        if n < 1024 {
            format!("\"{n}MiB\" (or \"{n}B\" if bytes were meant)")
        } else {
            format!("\"{}\"", format_size(n))
        }
    };
    parse(text, unit_of, SIZE_UNITS, "\"64MiB\"", bare)
}

/// The shortest exact text with one unit.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let exact = DURATIONS.iter().find(|(_, unit)| nanos.is_multiple_of(u128::from(*unit)));
    let (name, unit) = exact.expect("every duration is a multiple of a nanosecond");
    format!("{}{name}", nanos / u128::from(*unit))
}

/// The shortest exact text with one binary unit.
pub fn format_size(bytes: u64) -> String {
    let exact = SIZES.iter().find(|(name, unit)| {
        (name.ends_with("iB") || *unit == 1) && bytes > 0 && bytes.is_multiple_of(*unit)
    });
    let (name, unit) = exact.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

/// A size for people: one binary unit, no more than one decimal, rounded down.
pub fn approximate_size(bytes: u64) -> String {
    let unit = SIZES.iter().find(|(name, unit)| name.ends_with("iB") && bytes >= *unit);
    let Some((name, unit)) = unit else { return format!("{bytes} B") };
    let tenths = u128::from(bytes) * 10 / u128::from(*unit);
    if tenths >= 100 || tenths.is_multiple_of(10) {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, nanos, back) in [
            ("100ms", 100_000_000, "100ms"),
            ("5m", 300_000_000_000, "5m"),
            ("50us", 50_000, "50us"),
            ("50µs", 50_000, "50us"),
            ("90s", 90_000_000_000, "90s"),
            ("1h30m", 5_400_000_000_000, "90m"),
            ("7d", 604_800_000_000_000, "7d"),
            (" 2 h ", 7_200_000_000_000, "2h"),
            ("0s", 0, "0s"),
            ("1ns", 1, "1ns"),
        ] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration, Duration::from_nanos(nanos), "{text}");
            assert_eq!(format_duration(duration), back, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, back) in [
            ("64MiB", 64 << 20, "64MiB"),
            ("1kib", 1024, "1KiB"),
            ("1KB", 1000, "1000B"),
            ("3GB", 3_000_000_000, "3000000000B"),
            ("1TiB", 1 << 40, "1TiB"),
            ("0B", 0, "0B"),
        ] {
            let size = parse_size(text).expect(text);
            assert_eq!(size, bytes, "{text}");
            assert_eq!(format_size(size), back, "{text}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        let duration = |text| parse_duration(text).expect_err(text).to_string();
        let size = |text| parse_size(text).expect_err(text).to_string();
        assert_eq!(size("64"), "a number; write \"64MiB\" (or \"64B\" if bytes were meant)");
        assert_eq!(size("67108864"), "a number; write \"64MiB\"");
        assert_eq!(duration("5"), "a number; write \"5s\" (or \"5ms\" if milliseconds were meant)");
        assert_eq!(duration("5 min"), "`min` is not a unit; use ns, us, ms, s, m, h or d");
        assert_eq!(duration("1.5s"), "write a whole number and a unit, for example \"100ms\"");
        assert_eq!(duration("1h30"), "write a whole number and a unit, for example \"100ms\"");
        assert_eq!(duration("soon"), "write a whole number and a unit, for example \"100ms\"");
        assert_eq!(duration(""), "write a whole number and a unit, for example \"100ms\"");
        assert_eq!(duration("-1s"), "write a whole number and a unit, for example \"100ms\"");
        assert_eq!(size("99999999999999999999B"), "too large");
        assert_eq!(duration("999999999999d"), "too large");
        assert!(size("64M").starts_with("`M` is not a unit; use B, KiB"));
    }

    #[test]
    fn people_get_one_decimal() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (8 << 20, "8 MiB"),
            (25_200_000_000, "23 GiB"),
            (65_536, "64 KiB"),
        ] {
            assert_eq!(approximate_size(bytes), text);
        }
    }
}
