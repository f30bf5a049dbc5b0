//! Days and moments of the proleptic Gregorian calendar, years 1 to 9999, as ISO 8601 text.
//!
//! The conversions between days and dates are Howard Hinnant's `days_from_civil` and
//! `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms", 2013): a year that begins in
//! March puts the leap day last, so that a day's place within its 400-year era is a formula.

/// Microseconds in a day.
pub const DAY: i64 = 86_400_000_000;
/// Microseconds in an hour.
pub const HOUR: i64 = 3_600_000_000;

/// Days since 1970-01-01 of a date; `month` 1 to 12, `day` 1 to 31. A day beyond the month's end
/// counts into the next month.
pub fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from((month + 9) % 12);
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of a day since 1970-01-01.
pub fn date_of(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

/// `YYYY-MM-DD` to days since 1970-01-01; `None` for anything else and for days that do not
/// exist.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i64::from(digits(&bytes[..4])?);
    let (month, day) = (digits(&bytes[5..7])?, digits(&bytes[8..])?);
    let days = days_of(year, month.clamp(1, 12), day);
    (year >= 1 && date_of(days) == (year, month, day))
        .then_some(days)
        .and_then(|days| days.try_into().ok())
}

/// `YYYY-MM-DD` of days since 1970-01-01.
pub fn format_date(days: i32) -> String {
    let (year, month, day) = date_of(i64::from(days));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `YYYY-MM-DDTHH:MM:SS[.ffffff]` (or a blank for the T, or a bare day) to microseconds since
/// 1970-01-01T00:00:00, without a time zone; `None` for anything else.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, time) = match text.get(..10).zip(text.get(10..)) {
        Some((date, "")) => (date, "00:00:00"),
        Some((date, time)) => (date, time.strip_prefix(['T', ' '])?),
        None => return None,
    };
    let days = i64::from(parse_date(date)?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let bytes = clock.as_bytes();
    if bytes.len() != 8 || bytes[2] != b':' || bytes[5] != b':' {
        return None;
    }
    if fraction.len() > 6 || (fraction.is_empty() && time.contains('.')) {
        return None;
    }
    let [hours, minutes, seconds] =
        [&bytes[..2], &bytes[3..5], &bytes[6..]].map(|part| digits(part).map(i64::from));
    let (hours, minutes, seconds) = (hours?, minutes?, seconds?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let mut micros = if fraction.is_empty() { 0 } else { i64::from(digits(fraction.as_bytes())?) };
    for _ in fraction.len()..6 {
        micros *= 10;
    }
    Some(days * DAY + hours * HOUR + minutes * 60_000_000 + seconds * 1_000_000 + micros)
}

/// `YYYY-MM-DDTHH:MM:SS[.ffffff]` of microseconds since 1970-01-01T00:00:00.
pub fn format_timestamp(microseconds: i64) -> String {
    let days = microseconds.div_euclid(DAY);
    let rest = microseconds.rem_euclid(DAY);
    let (year, month, day) = date_of(days);
    let (hours, minutes) = (rest / HOUR, rest / 60_000_000 % 60);
    let (seconds, micros) = (rest / 1_000_000 % 60, rest % 1_000_000);
    let text = format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}");
    if micros == 0 {
        return text;
    }
    format!("{text}.{micros:06}").trim_end_matches('0').to_owned()
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_days_are_where_they_belong() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(parse_date(text), Some(days), "{text}");
            assert_eq!(format_date(days), text);
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "2021-02-29",
            "1900-02-29",
            "2021-00-10",
            "2021-13-01",
            "2021-04-31",
            "2021-04-00",
            "0000-01-01",
            "2021-4-01",
            "21-04-01",
            "2021/04/01",
            "2021-04-01 ",
            "",
            "+021-04-01",
            "２０21-04",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn moments_parse_with_and_without_fraction() {
        assert_eq!(parse_timestamp("1970-01-01"), Some(0));
        assert_eq!(parse_timestamp("1970-01-02 00:00:01"), Some(DAY + 1_000_000));
        assert_eq!(parse_timestamp("1970-01-01T00:00:00.5"), Some(500_000));
        assert_eq!(parse_timestamp("1969-12-31T23:59:59.999999"), Some(-1));
        for text in [
            "1970-01-01T24:00:00",
            "1970-01-01T00:60:00",
            "1970-01-01T00:00",
            "1970-01-01T",
            "1970-01-01T00:00:00.",
            "1970-01-01T00:00:00.1234567",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00.é",
            "1970-01-0é",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn days_and_moments_come_back(days in -719_162_i32..=2_932_896, micros in 0..DAY) {
            prop_assert_eq!(parse_date(&format_date(days)), Some(days));
            let moment = i64::from(days) * DAY + micros;
            prop_assert_eq!(parse_timestamp(&format_timestamp(moment)), Some(moment));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,30}") {
            let _ = (parse_date(&text), parse_timestamp(&text));
        }
    }
}
