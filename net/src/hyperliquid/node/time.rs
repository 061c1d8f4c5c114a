//! The node's times: `2025-11-25T08:33:18.111517886`, in UTC although no zone says so.

/// Unix milliseconds of such a text; what is below a millisecond is cut off. `None` for any other text, and for days
/// that no calendar has.
pub(super) fn unix_ms(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    let (seconds, fraction) = match text.split_at_checked(19)? {
        (seconds, []) => (seconds, &[][..]),
        (seconds, [b'.', fraction @ ..]) if !fraction.is_empty() => (seconds, fraction),
        _ => return None,
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| seconds[*at] != *mark) {
        return None;
    }
    let year = number(&seconds[..4])?;
    let month = number(&seconds[5..7])?;
    let day = number(&seconds[8..10])?;
    let hour = number(&seconds[11..13])?;
    let minute = number(&seconds[14..16])?;
    let second = number(&seconds[17..])?;
    if year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_epoch(year, month, day)?;
    // Tenths, hundredths, thousandths; digits that are not there are zeros.
    let place = |at: usize| fraction.get(at).map_or(0, |digit| u64::from(digit - b'0'));
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let ms = place(0) * 100 + place(1) * 10 + place(2);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// Days since 1970-01-01 of a day of the Gregorian calendar from then on.
fn days_from_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let months = DAYS.get(..usize::try_from(month).ok()?.checked_sub(1)?)?;
    let length = DAYS.get(months.len())? + u64::from(month == 2 && is_leap(year));
    if day == 0 || day > length {
        return None;
    }
    // Leap days before the year, less those before 1970.
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let leap_day = u64::from(month > 2 && is_leap(year));
    Some((year - 1970) * 365 + leaps + months.iter().sum::<u64>() + leap_day + day - 1)
}

#[cfg(test)]
mod tests {
    use super::unix_ms;

    #[test]
    fn times_are_utc_with_any_fraction() {
        for (text, ms) in [
            ("1970-01-01T00:00:00", 0),
            ("2025-11-25T08:33:18.111517886", 1_764_059_598_111),
            ("2024-07-26T08:26:25.899", 1_721_982_385_899),
            ("2024-02-29T23:59:59.9Z", 1_709_251_199_900),
            ("2024-03-01T00:00:00.000000000", 1_709_251_200_000),
            ("2100-03-01T00:00:00.07", 4_107_542_400_070),
        ] {
            assert_eq!(unix_ms(text.as_bytes()), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2025-11-25",
            "2025-11-25 08:33:18",
            "2025-11-25T08:33:18.",
            "2025-11-25T08:33:18.1a",
            "2025-11-25T08:33:18+02:00",
            "2025-13-25T08:33:18",
            "2025-00-25T08:33:18",
            "2025-02-29T08:33:18",
            "2025-02-00T08:33:18",
            "2025-11-25T24:00:00",
            "1969-12-31T23:59:59",
            "+025-11-25T08:33:18",
        ] {
            assert_eq!(unix_ms(text.as_bytes()), None, "{text}");
        }
    }
}
