//! Reads numbers, dates and truth values from text, exactly.

use std::fmt::Write as _;

/// A number as it is written: `unscaled / 10^scale`, with no zero at its end behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub unscaled: i128,
    pub scale: u32,
}

/// Digits that are read, at most; more cannot be held exactly and are no number here.
const DIGITS: usize = 37;

/// Powers of ten that fit an `i128`.
pub(crate) fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// Reads `[+-] digits [. digits] [e [+-] digits]`; `7.0` and `70e-1` are 7 with scale 0.
pub(crate) fn number(text: &str) -> Option<Number> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let behind = behind.trim_end_matches('0');
    if digits.is_empty() || digits == "." || exponent.unsigned_abs() > 100 {
        return None;
    }
    let mut unscaled = 0_i128;
    let mut read = 0;
    for digit in whole.bytes().chain(behind.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        unscaled = unscaled.checked_mul(10)? + i128::from(digit - b'0');
        read += usize::from(unscaled != 0);
    }
    if read > DIGITS {
        return None;
    }
    let mut scale = i32::try_from(behind.len()).ok()?.checked_sub(exponent)?;
    while scale > 0 && unscaled % 10 == 0 {
        if unscaled == 0 {
            scale = 0;
            break;
        }
        unscaled /= 10;
        scale -= 1;
    }
    if scale < 0 {
        unscaled = unscaled.checked_mul(power(scale.unsigned_abs())?)?;
        scale = 0;
    }
    if negative {
        unscaled = -unscaled;
    }
    Some(Number { unscaled, scale: scale.unsigned_abs() })
}

/// Whether text is a whole number with zeros in front ("007"), which a number would lose.
pub(crate) fn leading_zero(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
    digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit()
}

impl Number {
    /// The unscaled value at `scale`; digits that do not fit are rounded half away from zero if
    /// `rounded`, else there is none.
    pub(crate) fn at_scale(self, scale: u32, rounded: bool) -> Option<i128> {
        if self.scale <= scale {
            return self.unscaled.checked_mul(power(scale - self.scale)?);
        }
        if !rounded {
            return None;
        }
        let Some(by) = power(self.scale - scale) else {
            return Some(0);
        };
        let (quotient, rest) = (self.unscaled / by, self.unscaled % by);
        let away = rest.unsigned_abs() >= by.unsigned_abs().div_ceil(2);
        Some(quotient + if away { rest.signum() } else { 0 })
    }

    /// Of a decimal as Arrow keeps it.
    pub(crate) fn of_decimal(unscaled: i128, scale: i8) -> Option<Self> {
        let mut number = Self { unscaled, scale: 0 };
        if scale < 0 {
            number.unscaled = unscaled.checked_mul(power(scale.unsigned_abs().into())?)?;
            return Some(number);
        }
        number.scale = scale.unsigned_abs().into();
        if unscaled == 0 {
            number.scale = 0;
        }
        while number.scale > 0 && number.unscaled % 10 == 0 {
            number.unscaled /= 10;
            number.scale -= 1;
        }
        Some(number)
    }

    /// The shortest decimal that reads back as this float: 0.1 is one tenth.
    pub(crate) fn of_float(value: f64) -> Option<Self> {
        if value.fract().abs() == 0.0 && value.abs() < 9e15 {
            return Some(Self { unscaled: value as i128, scale: 0 });
        }
        value.is_finite().then(|| number(&format!("{value:e}")))?
    }
}

/// Reads `true` and `false`, in any case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// `length` ASCII digits from `at`.
fn digits(text: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = text.get(at..at + length)?;
    digits.iter().try_fold(0, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0'))
    })
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, year 0001 to 9999.
fn day(year: u32, month: u32, day: u32) -> Option<i32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // Years that begin in March put the leap day at the end.
    let (year, month) = (year.cast_signed(), month.cast_signed());
    let shifted = year - i32::from(month <= 2);
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.cast_signed() - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Reads `YYYY-MM-DD` as days since 1970-01-01.
pub(crate) fn date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    day(digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?)
}

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// Reads `YYYY-MM-DD[T| ]HH:MM[:SS[.ffffff]][Z|+HH:MM]` as microseconds since 1970-01-01, in UTC
/// if a zone is given.
pub(crate) fn timestamp(text: &str) -> Option<i64> {
    let days = i64::from(date(text.get(..10)?)?);
    let bytes = text.as_bytes();
    if !matches!(bytes.get(10)?, b'T' | b't' | b' ') || bytes.get(13) != Some(&b':') {
        return None;
    }
    let (hour, minute) = (digits(bytes, 11, 2)?, digits(bytes, 14, 2)?);
    let mut at = 16;
    let (mut second, mut micros) = (0, 0_i64);
    if bytes.get(at) == Some(&b':') {
        second = digits(bytes, at + 1, 2)?;
        at += 3;
        if matches!(bytes.get(at), Some(b'.' | b',')) {
            at += 1;
            let start = at;
            while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
                match at - start {
                    0..6 => micros = micros * 10 + i64::from(digit - b'0'),
                    _ if *digit == b'0' => {}
                    _ => return None,
                }
                at += 1;
            }
            let read = u32::try_from((at - start).min(6)).ok()?;
            if read == 0 {
                return None;
            }
            micros *= 10_i64.pow(6 - read);
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let zone = zone(&bytes[at..])?;
    let seconds = i64::from(hour * 3600 + minute * 60 + second) - zone;
    Some(days * DAY + seconds * 1_000_000 + micros)
}

/// Seconds east of Greenwich; none given is 0.
fn zone(text: &[u8]) -> Option<i64> {
    if matches!(text, b"" | b"Z" | b"z") {
        return Some(0);
    }
    let sign = match text[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let minute = match text.len() {
        3 => 0,
        5 => digits(text, 3, 2)?,
        6 if text[3] == b':' => digits(text, 4, 2)?,
        _ => return None,
    };
    let hour = digits(text, 1, 2)?;
    (hour < 24 && minute < 60).then(|| sign * i64::from(hour * 3600 + minute * 60))
}

/// Whether a timestamp names a zone.
pub(crate) fn has_zone(text: &str) -> bool {
    text.ends_with(['Z', 'z']) || text.get(16..).is_some_and(|t| t.contains(['+', '-']))
}

/// Writes days since 1970-01-01 as `YYYY-MM-DD`.
pub(crate) fn write_date(days: i32) -> String {
    let (year, month, day) = civil(i64::from(days));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Writes microseconds since 1970-01-01 as `YYYY-MM-DDTHH:MM:SS[.ffffff]`.
pub(crate) fn write_timestamp(micros: i64) -> String {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let micros = micros.rem_euclid(DAY);
    let seconds = micros / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if micros % 1_000_000 != 0 {
        let _ = write!(text, ".{:06}", micros % 1_000_000);
    }
    text
}

/// Writes a decimal with all its digits behind the point.
pub(crate) fn write_decimal(unscaled: i128, scale: u32) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let size = unscaled.unsigned_abs();
    let Some(unit) = power(scale).map(i128::unsigned_abs).filter(|_| scale > 0) else {
        return format!("{sign}{size}");
    };
    let width = scale as usize;
    format!("{sign}{}.{:0width$}", size / unit, size % unit)
}

/// Year, month and day of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn num(text: &str) -> Option<(i128, u32)> {
        number(text).map(|n| (n.unscaled, n.scale))
    }

    #[test]
    fn numbers_keep_their_smallest_exact_scale() {
        assert_eq!(num("7.0"), Some((7, 0)));
        assert_eq!(num("-1.250"), Some((-125, 2)));
        assert_eq!(num("+.5"), Some((5, 1)));
        assert_eq!(num("1e3"), Some((1000, 0)));
        assert_eq!(num("25E-4"), Some((25, 4)));
        assert_eq!(num("0.000"), Some((0, 0)));
        assert_eq!(num("1500e-2"), Some((15, 0)));
        for bad in ["", "-", ".", "1.2.3", "1,2", "e5", "1e", "NaN", "inf", "0x1", "1 2"] {
            assert_eq!(num(bad), None, "{bad:?}");
        }
        assert_eq!(num(&"9".repeat(40)), None);
    }

    #[test]
    fn rounding_goes_half_away_from_zero() {
        let rounded = |text: &str| number(text).unwrap().at_scale(1, true);
        assert_eq!(rounded("0.25"), Some(3));
        assert_eq!(rounded("-0.25"), Some(-3));
        assert_eq!(rounded("0.249"), Some(2));
        assert_eq!(rounded("2"), Some(20));
        assert_eq!(number("0.25").unwrap().at_scale(1, false), None);
        assert_eq!(number("1e-40").map(|n| n.scale), Some(40));
        assert_eq!(number("1e-40").unwrap().at_scale(1, true), Some(0));
    }

    #[test]
    fn dates_and_timestamps_are_those_of_the_calendar() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2000-02-29"), Some(11_016));
        assert_eq!(date("1900-02-29"), None);
        assert_eq!(date("2023-13-01"), None);
        assert_eq!(date("2023-1-01"), None);
        assert_eq!(timestamp("1970-01-02 00:00"), Some(DAY));
        assert_eq!(timestamp("1970-01-01T00:00:01.5"), Some(1_500_000));
        assert_eq!(timestamp("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(timestamp("1970-01-01T00:00:00.1234567"), None);
        assert_eq!(timestamp("1970-01-01T24:00:00"), None);
        assert_eq!(timestamp("1970-01-01"), None);
        assert_eq!(write_timestamp(-1), "1969-12-31T23:59:59.999999");
    }

    #[test]
    fn decimals_are_written_with_their_sign() {
        assert_eq!(write_decimal(-5, 2), "-0.05");
        assert_eq!(write_decimal(125, 1), "12.5");
        assert_eq!(write_decimal(7, 0), "7");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(days in -719_162_i32..2_932_896, micros in 0..DAY) {
            prop_assert_eq!(date(&write_date(days)), Some(days));
            let at = i64::from(days) * DAY + micros;
            prop_assert_eq!(timestamp(&write_timestamp(at)), Some(at));
        }

        #[test]
        fn floats_read_as_their_shortest_decimal(unscaled in -999_999_999_i64..999_999_999, scale in 0_u32..6) {
            let written = write_decimal(unscaled.into(), scale);
            let float: f64 = written.parse().unwrap();
            prop_assert_eq!(Number::of_float(float), number(&written));
        }

        #[test]
        fn hostile_text_never_panics(text in "\\PC{0,40}|[-+.eE0-9:TZ ]{0,40}") {
            let _ = (number(&text), date(&text), timestamp(&text), boolean(&text), has_zone(&text));
        }
    }
}
