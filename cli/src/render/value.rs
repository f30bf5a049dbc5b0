//! A value of a result as text.

use tacit_plan::{Value, calendar, literal};
use tacit_sql::{ResultColumn, ResultValue, ValueStatus};

/// Exact text for programs: ISO 8601 dates, all digits of numbers. NULL is empty.
pub fn exact(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal { unscaled, scale } => literal::format_decimal(*unscaled, *scale),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Text(text) => text.clone(),
        Value::Date(days) => calendar::format_date(*days),
        Value::Timestamp(micros) => calendar::format_timestamp(*micros),
    }
}

/// Text for people: as [`exact`], but averages have six digits behind the point, and control
/// characters are shown, never sent to the terminal.
pub fn readable(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Float(number) => float(*number),
        Value::Text(text) => printable(text),
        other => exact(other),
    }
}

/// A cell for people: `<11` for a count that only the threshold can have hidden, `*` for any
/// other hidden value.
pub fn cell(cell: &ResultValue, column: &ResultColumn, threshold: u64) -> String {
    match cell.status {
        ValueStatus::Hidden if column.count => format!("<{threshold}"),
        ValueStatus::Hidden => "*".into(),
        ValueStatus::Null => "NULL".into(),
        ValueStatus::Exact => readable(&cell.value),
    }
}

/// The value as a number, where it is one.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Decimal { unscaled, scale } => {
            Some(*unscaled as f64 / 10f64.powi(i32::from(*scale)))
        }
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// Word of a status.
pub fn status(status: ValueStatus) -> &'static str {
    match status {
        ValueStatus::Exact => "exact",
        ValueStatus::Hidden => "hidden",
        ValueStatus::Null => "null",
    }
}

/// Text with control characters written as escapes.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape =
                c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let escaped = escape.then(|| c.escape_default());
            let plain = (!escape).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

fn float(number: f64) -> String {
    let exact = number.to_string();
    let rounded = format!("{number:.6}");
    let short = number.abs() >= 1e-3 && number.abs() < 1e15;
    if short && exact.len() > rounded.len() { rounded } else { exact }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_exactly() {
        let decimal = |unscaled, scale| exact(&Value::Decimal { unscaled, scale });
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(12_345, 2), "123.45");
        assert_eq!(decimal(7, 0), "7");
        assert_eq!(exact(&Value::Date(0)), "1970-01-01");
        assert_eq!(exact(&Value::Date(-1)), "1969-12-31");
        assert_eq!(exact(&Value::Timestamp(1_500_000)), "1970-01-01T00:00:01.5");
        assert_eq!(exact(&Value::Null), "");
        assert_eq!(exact(&Value::Float(0.1)), "0.1");
    }

    #[test]
    fn averages_are_short_for_people_and_whole_for_programs() {
        let third = Value::Float(1.0 / 3.0);
        assert_eq!(readable(&third), "0.333333");
        assert_eq!(exact(&third), "0.3333333333333333");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable("Größe"), "Größe");
    }
}
