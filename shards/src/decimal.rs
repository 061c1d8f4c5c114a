//! Exact decimal numbers: a 128-bit mantissa and a scale.
//!
//! Prices and sizes arrive as decimal strings; what leaves must add up exactly. Sums, differences and
//! products here are exact or refused, never rounded. Only [`Decimal::ratio`] rounds, to a stated number of
//! digits. Values are kept without trailing zeros, so equal numbers have equal bytes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Digits after the point that an input may carry. The venue sends at most 18.
pub const SCALE_MAX: u8 = 30;

/// Digits of a quotient, as `price_exact` promises.
pub const RATIO_DIGITS: u32 = 18;

/// An exact decimal number, `mantissa / 10^scale`, without trailing zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    mantissa: i128,
    scale: u8,
}

/// Why a text is not a decimal number that this type can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecimalError {
    /// The text is empty, has a sign only, or has a character that is neither digit nor point.
    #[error("not a decimal number")]
    Malformed,
    /// More digits than a 128-bit mantissa or [`SCALE_MAX`] can hold.
    #[error("more digits than an exact decimal can hold")]
    TooLong,
}

const POWERS: [i128; 39] = {
    let mut table = [1i128; 39];
    let mut i = 1;
    while i < 39 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal { mantissa: 0, scale: 0 };
    /// One.
    pub const ONE: Decimal = Decimal { mantissa: 1, scale: 0 };

    /// The number `mantissa / 10^scale`. Panics when `scale` exceeds [`SCALE_MAX`]: a caller's constant.
    pub const fn new(mantissa: i128, scale: u8) -> Decimal {
        assert!(scale <= SCALE_MAX, "scale beyond SCALE_MAX");
        Decimal { mantissa, scale }.reduced()
    }

    /// As [`Decimal::new`], for numbers from outside: `None` when the scale is too large.
    pub fn checked_new(mantissa: i128, scale: u8) -> Option<Decimal> {
        (scale <= SCALE_MAX).then(|| Decimal { mantissa, scale }.reduced())
    }

    /// The mantissa, without trailing zeros.
    pub const fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// The number of digits after the point.
    pub const fn scale(self) -> u8 {
        self.scale
    }

    const fn reduced(self) -> Decimal {
        if self.mantissa == 0 {
            return Decimal::ZERO;
        }
        let mut d = self;
        // Most wire numbers fit 64 bits, where a division costs a tenth of a 128-bit one.
        if d.mantissa as i64 as i128 == d.mantissa {
            let mut m = d.mantissa as i64;
            while d.scale > 0 && m % 10 == 0 {
                m /= 10;
                d.scale -= 1;
            }
            d.mantissa = m as i128;
            return d;
        }
        while d.scale > 0 && d.mantissa % 10 == 0 {
            d.mantissa /= 10;
            d.scale -= 1;
        }
        d
    }

    /// Reads a decimal from ASCII bytes: an optional sign, digits, an optional point and digits.
    pub fn parse(text: &[u8]) -> Result<Decimal, DecimalError> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut mantissa: i128 = 0;
        let mut scale: usize = 0;
        let mut point = false;
        let mut any = false;
        for &byte in digits {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    mantissa = mantissa
                        .checked_mul(10)
                        .and_then(|m| m.checked_add(i128::from(byte - b'0')))
                        .ok_or(DecimalError::TooLong)?;
                    scale += usize::from(point);
                }
                b'.' if !point => point = true,
                _ => return Err(DecimalError::Malformed),
            }
        }
        if !any {
            return Err(DecimalError::Malformed);
        }
        // Trailing zeros are dropped before the length is judged: "1.000...0" is 1.
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        if scale > usize::from(SCALE_MAX) {
            return Err(DecimalError::TooLong);
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        Ok(Decimal { mantissa, scale: scale as u8 }.reduced())
    }

    /// Whether this is zero.
    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Whether this is below zero.
    pub const fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// The absolute value. The mantissa is never `i128::MIN`: `parse` and the checked operations exclude it.
    #[must_use]
    pub const fn abs(self) -> Decimal {
        Decimal { mantissa: self.mantissa.saturating_abs(), scale: self.scale }
    }

    /// The number with its sign turned.
    #[must_use]
    pub const fn neg(self) -> Decimal {
        Decimal { mantissa: self.mantissa.saturating_neg(), scale: self.scale }
    }

    /// Both mantissas at the larger of the two scales.
    fn aligned(self, other: Decimal) -> Option<(i128, i128, u8)> {
        let scale = self.scale.max(other.scale);
        let a = self.mantissa.checked_mul(POWERS[usize::from(scale - self.scale)])?;
        let b = other.mantissa.checked_mul(POWERS[usize::from(scale - other.scale)])?;
        Some((a, b, scale))
    }

    /// The exact sum, or `None` when it does not fit.
    pub fn checked_add(self, other: Decimal) -> Option<Decimal> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal { mantissa: a.checked_add(b)?, scale }.reduced())
    }

    /// The exact difference, or `None` when it does not fit.
    pub fn checked_sub(self, other: Decimal) -> Option<Decimal> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal { mantissa: a.checked_sub(b)?, scale }.reduced())
    }

    /// The exact product, or `None` when it does not fit.
    pub fn checked_mul(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale + other.scale;
        let product =
            Decimal { mantissa: self.mantissa.checked_mul(other.mantissa)?, scale }.reduced();
        (product.scale <= SCALE_MAX).then_some(product)
    }

    /// The number cut to `scale` digits after the point.
    #[must_use]
    pub const fn truncated(self, scale: u8) -> Decimal {
        if self.scale <= scale {
            return self;
        }
        Decimal { mantissa: self.mantissa / POWERS[(self.scale - scale) as usize], scale }.reduced()
    }

    /// `self / other` to [`RATIO_DIGITS`] significant digits, rounded half away from zero; `None` when
    /// `other` is zero or the result does not fit.
    pub fn ratio(self, other: Decimal) -> Option<Decimal> {
        if other.mantissa == 0 {
            return None;
        }
        if self.mantissa == 0 {
            return Some(Decimal::ZERO);
        }
        let negative = (self.mantissa < 0) != (other.mantissa < 0);
        let (n, d) = (self.mantissa.unsigned_abs(), other.mantissa.unsigned_abs());
        let mut exponent = i32::from(other.scale) - i32::from(self.scale);
        // Long division: first the whole part, then digit by digit until there are enough.
        let mut quotient = n / d;
        let mut rest = n % d;
        let limit = 10u128.pow(RATIO_DIGITS);
        while quotient < limit && rest != 0 {
            let (digit, next) = long_division_step(rest, d);
            quotient = quotient * 10 + digit;
            rest = next;
            exponent -= 1;
        }
        // One digit more than asked for decides the rounding; a longer whole part is cut to that first.
        while quotient >= limit * 10 {
            quotient /= 10;
            exponent += 1;
        }
        if quotient >= limit {
            let last = quotient % 10;
            quotient /= 10;
            exponent += 1;
            if last >= 5 {
                quotient += 1;
            }
        }
        Decimal::from_parts(negative, quotient, exponent)
    }

    /// `quotient * 10^exponent`, dropping digits beyond [`SCALE_MAX`].
    fn from_parts(negative: bool, quotient: u128, exponent: i32) -> Option<Decimal> {
        let mut mantissa = i128::try_from(quotient).ok()?;
        let mut exponent = exponent;
        while exponent > 0 {
            mantissa = mantissa.checked_mul(10)?;
            exponent -= 1;
        }
        while exponent < -i32::from(SCALE_MAX) {
            mantissa /= 10;
            exponent += 1;
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        Some(Decimal { mantissa, scale: (-exponent) as u8 }.reduced())
    }

    /// The nearest `f64`, for consumers that read JSON numbers.
    pub fn to_f64(self) -> f64 {
        // The text route rounds once; mantissa / 10^scale would round twice.
        let mut text = Buffer::new();
        text.put(self);
        text.as_str().parse().unwrap_or(f64::NAN)
    }
}

/// `(rest * 10) / d` and its remainder, for `rest < d`, without overflowing 128 bits.
fn long_division_step(rest: u128, d: u128) -> (u128, u128) {
    if let Some(scaled) = rest.checked_mul(10) {
        return (scaled / d, scaled % d);
    }
    // rest * 10 as ten additions, subtracting d whenever it fits; both are below 2^127.
    let (mut digit, mut acc) = (0u128, 0u128);
    for _ in 0..10 {
        acc += rest;
        if acc >= d {
            acc -= d;
            digit += 1;
        }
    }
    (digit, acc)
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        if let Some((a, b, _)) = self.aligned(*other) {
            return a.cmp(&b);
        }
        // One side overflowed when brought to the other's scale: compare sign, whole part, then fraction.
        let sign = self.mantissa.signum().cmp(&other.mantissa.signum());
        if sign != Ordering::Equal {
            return sign;
        }
        let whole = |d: &Decimal| d.mantissa / POWERS[usize::from(d.scale)];
        let fraction = |d: &Decimal| {
            let rest = d.mantissa % POWERS[usize::from(d.scale)];
            // At most SCALE_MAX digits, so this fits.
            rest * POWERS[usize::from(SCALE_MAX - d.scale)]
        };
        whole(self).cmp(&whole(other)).then_with(|| fraction(self).cmp(&fraction(other)))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Decimal, DecimalError> {
        Decimal::parse(text.as_bytes())
    }
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Decimal {
        Decimal { mantissa: i128::from(value), scale: 0 }
    }
}

/// Room for a sign, 39 digits, a leading zero, a point and [`SCALE_MAX`] padding zeros.
struct Buffer {
    bytes: [u8; 80],
    start: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { bytes: [0; 80], start: 80 }
    }

    fn push_front(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    fn put(&mut self, d: Decimal) {
        let mut rest = d.mantissa.unsigned_abs();
        let mut written = 0u8;
        while rest != 0 || written <= d.scale {
            if written == d.scale && d.scale > 0 {
                self.push_front(b'.');
            }
            self.push_front(b'0' + (rest % 10) as u8);
            rest /= 10;
            written += 1;
        }
        if d.mantissa < 0 {
            self.push_front(b'-');
        }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.start..]).expect("only ASCII was written")
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Buffer::new();
        text.put(*self);
        f.pad(text.as_str())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal in a test")
    }

    #[test]
    fn text_round_trips_in_canonical_form() {
        let cases = [
            ("0", "0"),
            ("0.0", "0"),
            ("-0.0", "0"),
            ("1.50", "1.5"),
            ("-11676987.0", "-11676987"),
            ("0.00205", "0.00205"),
            ("100", "100"),
            ("54377.71000602", "54377.71000602"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+2", "2"),
        ];
        for (given, wanted) in cases {
            assert_eq!(dec(given).to_string(), wanted, "{given}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for bad in ["", "-", ".", "1e5", "1.2.3", " 1", "NaN", "1,5", "0x1"] {
            assert_eq!(bad.parse::<Decimal>(), Err(DecimalError::Malformed), "{bad}");
        }
        let long = "1".repeat(40);
        assert_eq!(long.parse::<Decimal>(), Err(DecimalError::TooLong));
        let deep = format!("0.{}1", "0".repeat(30));
        assert_eq!(deep.parse::<Decimal>(), Err(DecimalError::TooLong));
    }

    #[test]
    fn ratio_has_eighteen_significant_digits() {
        let cases = [
            ("1", "3", "0.333333333333333333"),
            ("2", "3", "0.666666666666666667"),
            ("75000.15", "1.5", "50000.1"),
            ("100", "7", "14.2857142857142857"),
            ("-1", "8", "-0.125"),
            ("0", "5", "0"),
            ("123456789012345678901", "1", "123456789012345679000"),
        ];
        for (n, d, wanted) in cases {
            assert_eq!(dec(n).ratio(dec(d)).map(|r| r.to_string()).as_deref(), Some(wanted));
        }
        assert_eq!(dec("1").ratio(Decimal::ZERO), None);
    }

    #[test]
    fn ratio_holds_where_ten_times_the_rest_does_not_fit() {
        let huge = Decimal::new(i128::MAX, 0);
        let less = Decimal::new(i128::MAX - 1, 0);
        assert_eq!(less.ratio(huge), Some(Decimal::ONE), "nines are rounded up");
        let third = Decimal::new(i128::MAX / 3, 0);
        assert_eq!(
            third.ratio(huge).map(|r| r.to_string()).as_deref(),
            Some("0.333333333333333333")
        );
        // 18 digits of 1 / (2^127 - 1) begin at the 39th place: beyond the 30 that a decimal may have.
        assert_eq!(Decimal::ONE.ratio(huge), Some(Decimal::ZERO));
        assert_eq!(
            dec("1").ratio(dec("7000000000000000000000")).map(|r| r.to_string()).as_deref(),
            Some("0.000000000000000000000142857142")
        );
        // And what is too large is refused: 10^38 / 10^-30.
        assert_eq!(huge.ratio(Decimal::new(1, SCALE_MAX)), None);
        assert_eq!(Decimal::new(i128::MIN, 0).ratio(Decimal::ONE), None);
        let tenth = Decimal::new(i128::MIN, 0).ratio(dec("10"));
        assert_eq!(
            tenth.map(|r| r.to_string()).as_deref(),
            Some("-17014118346046923200000000000000000000")
        );
    }

    #[test]
    fn ratio_rounds_half_away_from_zero() {
        // The nineteenth digit decides, and what is behind it does not.
        for (n, wanted) in [
            ("1.000000000000000005", "1.00000000000000001"),
            ("1.00000000000000000499", "1"),
            ("-1.000000000000000005", "-1.00000000000000001"),
            ("9.999999999999999999", "10"),
            ("1234567890123456785", "1234567890123456790"),
            ("12345678901234567849", "12345678901234567800"),
        ] {
            let found = dec(n).ratio(Decimal::ONE).map(|ratio| ratio.to_string());
            assert_eq!(found.as_deref(), Some(wanted), "{n}");
        }
    }

    #[test]
    fn numbers_are_cut_and_padded_as_asked() {
        assert_eq!(dec("-1.987").truncated(1), dec("-1.9"));
        assert_eq!(dec("1.5").truncated(4), dec("1.5"));
        assert_eq!(dec("1.04").truncated(1).to_string(), "1");
        assert_eq!(
            format!("[{:>6}][{:<6}][{:?}]", dec("-1.5"), dec("0.25"), dec("7")),
            "[  -1.5][0.25  ][7]"
        );
        assert_eq!(Decimal::new(1, SCALE_MAX).to_string(), format!("0.{}1", "0".repeat(29)));
        assert_eq!(
            Decimal::new(i128::MIN, 3).to_string(),
            "-170141183460469231731687303715884105.728"
        );
        assert_eq!(Decimal::checked_new(1, SCALE_MAX + 1), None);
        assert_eq!(Decimal::new(-100, 2), dec("-1"));
    }

    #[test]
    fn the_nearest_float_is_the_one_of_the_text() {
        for text in [
            "0",
            "0.1",
            "-86006.25",
            "123456789012345678901234567890",
            "0.000000000000000000000000000001",
        ] {
            assert_eq!(dec(text).to_f64(), text.parse::<f64>().expect("a float"), "{text}");
        }
    }

    #[test]
    fn order_holds_where_scales_cannot_be_aligned() {
        let huge = Decimal::new(i128::MAX, 0);
        let tiny = Decimal::new(1, SCALE_MAX);
        assert!(huge > tiny && huge.neg() < tiny.neg());
        assert!(huge.checked_add(tiny).is_none() && huge.checked_sub(tiny).is_none());
        assert!(huge.checked_mul(huge).is_none() && tiny.checked_mul(tiny).is_none());
    }

    #[test]
    fn order_goes_by_sign_then_whole_part_then_fraction() {
        // In rising order; no neighbours but the first pair can be brought to one scale.
        let rising = [
            Decimal::new(i128::MIN, 0),
            Decimal::new(i128::MIN, 10),
            Decimal::new(-1, SCALE_MAX),
            Decimal::ZERO,
            Decimal::new(1, SCALE_MAX),
            Decimal::new(10i128.pow(37), 9),
            Decimal::new(10i128.pow(37) + 1, 9),
            Decimal::new(10i128.pow(38) + 1, 9),
            Decimal::new(i128::MAX, 9),
            Decimal::new(i128::MAX, 0),
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(a.cmp(b), at.cmp(&other), "{a} and {b}");
                assert_eq!(a.partial_cmp(b), Some(at.cmp(&other)));
            }
        }
        // The same whole part, and fractions that cannot be brought to one scale.
        let a = dec("17014118346046923173168730371588410.6");
        let b = Decimal::new(i128::MAX, 4);
        assert_eq!((a.cmp(&b), b.cmp(&a)), (Ordering::Greater, Ordering::Less));
    }

    proptest! {
        #[test]
        fn sums_and_products_agree_with_integers(
            a in -1_000_000_000_000i64..1_000_000_000_000, sa in 0u8..9,
            b in -1_000_000_000_000i64..1_000_000_000_000, sb in 0u8..9,
        ) {
            let (x, y) = (Decimal::new(a.into(), sa), Decimal::new(b.into(), sb));
            let wide = |v: i64, s: u8| i128::from(v) * 10i128.pow(u32::from(9 - s));
            prop_assert_eq!(x.checked_add(y), Decimal::checked_new(wide(a, sa) + wide(b, sb), 9));
            prop_assert_eq!(x.checked_sub(y), Decimal::checked_new(wide(a, sa) - wide(b, sb), 9));
            prop_assert_eq!(x.checked_mul(y), Decimal::checked_new(i128::from(a) * i128::from(b), sa + sb));
            prop_assert_eq!(x.cmp(&y), wide(a, sa).cmp(&wide(b, sb)));
            prop_assert_eq!(x.to_string().parse::<Decimal>(), Ok(x));
        }

        #[test]
        fn a_ratio_times_its_divisor_comes_back_within_half_a_unit(
            a in 1i64..1_000_000_000, b in 1i64..1_000_000_000,
        ) {
            let q = Decimal::from(a as u64).ratio(Decimal::from(b as u64)).expect("b is not zero");
            let exact = a as f64 / b as f64;
            prop_assert!((q.to_f64() - exact).abs() <= exact.abs() * 1e-15);
        }
    }
}
