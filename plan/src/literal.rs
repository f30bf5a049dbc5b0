//! How values and names are written: plain, as SQL, and read back.

use std::{cmp::Ordering, fmt};

use crate::{Error, Result, Type, Value, calendar};

/// An identifier as SQL: in double quotes, so that any name is usable and keeps its case.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A decimal's digits: `unscaled / 10^scale`.
pub fn format_decimal(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// Reads `-12.5` at a scale; `None` for anything else, for digits beyond the scale (zeros
/// aside), and beyond 38 digits.
pub fn parse_decimal(text: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.is_ascii() {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::from(scale);
    let (kept, rest) = fraction.split_at_checked(scale).unwrap_or((fraction, ""));
    if (whole.is_empty() && fraction.is_empty()) || rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    if whole.len() + scale > 60 {
        return None;
    }
    let mut unscaled = 0_i128;
    let padding = std::iter::repeat_n(b'0', scale - kept.len());
    for digit in whole.bytes().chain(kept.bytes()).chain(padding) {
        if !digit.is_ascii_digit() {
            return None;
        }
        unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    if unscaled >= 10_i128.pow(38) {
        return None;
    }
    Some(if negative { -unscaled } else { unscaled })
}

/// Plain form: what a result shows. NULL is `NULL`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Decimal { unscaled, scale } => f.write_str(&format_decimal(*unscaled, *scale)),
            Self::Float(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Text(text) => f.write_str(text),
            Self::Date(days) => f.write_str(&calendar::format_date(*days)),
            Self::Timestamp(micros) => f.write_str(&calendar::format_timestamp(*micros)),
        }
    }
}

impl Value {
    /// As an SQL expression of the value's own type.
    pub fn to_sql(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            // The digits of the smallest number, without its sign, are no 64-bit number.
            Self::Integer(i64::MIN) => format!("CAST('{}' AS BIGINT)", i64::MIN),
            Self::Integer(number) => number.to_string(),
            Self::Decimal { unscaled, scale } => {
                let text = format_decimal(*unscaled, *scale);
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                format!("CAST('{text}' AS DECIMAL({}, {scale}))", digits.min(38))
            }
            Self::Float(number) => format!("CAST('{number:?}' AS DOUBLE)"),
            Self::Boolean(truth) => (if *truth { "TRUE" } else { "FALSE" }).to_owned(),
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Self::Date(days) => format!("DATE '{}'", calendar::format_date(*days)),
            Self::Timestamp(micros) => {
                format!("TIMESTAMP '{}'", calendar::format_timestamp(*micros))
            }
        }
    }

    /// Reads the plain form of a value of that type. Text is taken as it is: there is no NULL.
    ///
    /// # Errors
    /// [`Error::Value`].
    pub fn parse(text: &str, r#type: Type) -> Result<Self> {
        let value = match r#type {
            Type::Integer => text.parse().ok().map(Self::Integer),
            Type::Decimal { scale } => {
                parse_decimal(text, scale).map(|unscaled| Self::Decimal { unscaled, scale })
            }
            Type::Float => text.parse().ok().map(Self::Float),
            Type::Boolean => match text {
                "true" => Some(Self::Boolean(true)),
                "false" => Some(Self::Boolean(false)),
                _ => None,
            },
            Type::Text => Some(Self::Text(text.to_owned())),
            Type::Date => calendar::parse_date(text).map(Self::Date),
            Type::Timestamp => calendar::parse_timestamp(text).map(Self::Timestamp),
        };
        value.ok_or_else(|| Error::Value {
            text: text.chars().take(80).collect(),
            r#type: r#type.to_string(),
        })
    }

    /// Its type; `None` for NULL.
    pub fn value_type(&self) -> Option<Type> {
        Some(match self {
            Self::Null => return None,
            Self::Integer(_) => Type::Integer,
            Self::Decimal { scale, .. } => Type::Decimal { scale: *scale },
            Self::Float(_) => Type::Float,
            Self::Boolean(_) => Type::Boolean,
            Self::Text(_) => Type::Text,
            Self::Date(_) => Type::Date,
            Self::Timestamp(_) => Type::Timestamp,
        })
    }

    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A total order: within a type as SQL orders it, whole numbers and decimals among each other
    /// by their value, other types one after the other, NULL last.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            _ => match (self.scaled(), other.scaled()) {
                (Some(a), Some(b)) => order_scaled(a, b),
                _ => self.rank().cmp(&other.rank()),
            },
        }
    }

    fn scaled(&self) -> Option<(i128, u8)> {
        match self {
            Self::Integer(number) => Some((i128::from(*number), 0)),
            Self::Decimal { unscaled, scale } => Some((*unscaled, *scale)),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Boolean(_) => 0,
            Self::Integer(_) | Self::Decimal { .. } => 1,
            Self::Float(_) => 2,
            Self::Date(_) => 3,
            Self::Timestamp(_) => 4,
            Self::Text(_) => 5,
            Self::Null => 6,
        }
    }
}

/// Compares whole parts, then fractions brought to one scale: nothing overflows.
fn order_scaled((a, scale_a): (i128, u8), (b, scale_b): (i128, u8)) -> Ordering {
    let split = |number: i128, scale: u8| {
        let unit = 10_i128.pow(u32::from(scale.min(38)));
        (number.div_euclid(unit), number.rem_euclid(unit), 38 - u32::from(scale.min(38)))
    };
    let (whole_a, fraction_a, up_a) = split(a, scale_a);
    let (whole_b, fraction_b, up_b) = split(b, scale_b);
    whole_a
        .cmp(&whole_b)
        .then_with(|| (fraction_a * 10_i128.pow(up_a)).cmp(&(fraction_b * 10_i128.pow(up_b))))
}

/// For people: `integer`, `decimal(2)`, ...
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer => f.write_str("integer"),
            Self::Decimal { scale } => write!(f, "decimal({scale})"),
            Self::Float => f.write_str("float"),
            Self::Boolean => f.write_str("boolean"),
            Self::Text => f.write_str("text"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_written_plain_and_as_sql() {
        let decimal = Value::Decimal { unscaled: -5, scale: 2 };
        for (value, plain, sql) in [
            (Value::Null, "NULL", "NULL"),
            (Value::Integer(-7), "-7", "-7"),
            (decimal, "-0.05", "CAST('-0.05' AS DECIMAL(3, 2))"),
            (Value::Boolean(true), "true", "TRUE"),
            (Value::Text("O'Hara".into()), "O'Hara", "'O''Hara'"),
            (Value::Date(0), "1970-01-01", "DATE '1970-01-01'"),
            (
                Value::Timestamp(1),
                "1970-01-01T00:00:00.000001",
                "TIMESTAMP '1970-01-01T00:00:00.000001'",
            ),
            (Value::Float(1.0), "1", "CAST('1.0' AS DOUBLE)"),
        ] {
            assert_eq!(value.to_string(), plain);
            assert_eq!(value.to_sql(), sql);
        }
        assert_eq!(quote("a \"b\""), "\"a \"\"b\"\"\"");
    }

    #[test]
    fn decimals_read_exactly_or_not_at_all() {
        assert_eq!(parse_decimal("1.50", 2), Some(150));
        assert_eq!(parse_decimal("1.5", 2), Some(150));
        assert_eq!(parse_decimal("1.500", 2), Some(150));
        assert_eq!(parse_decimal("-.5", 1), Some(-5));
        assert_eq!(parse_decimal("+3", 0), Some(3));
        for text in ["", "-", ".", "1.505", "1e3", "--1", "1.2.3", "é", "1.é", " 1"] {
            assert_eq!(parse_decimal(text, 2), None, "{text}");
        }
        assert_eq!(parse_decimal(&"9".repeat(39), 0), None);
        assert_eq!(parse_decimal(&"9".repeat(5000), 6), None);
    }

    #[test]
    fn numbers_of_different_scales_are_ordered_by_value_and_null_comes_last() {
        let decimal = |unscaled, scale| Value::Decimal { unscaled, scale };
        let ordered = [
            Value::Integer(-2),
            decimal(-15, 1),
            decimal(-125, 2),
            Value::Integer(0),
            decimal(1, 6),
            decimal(99, 2),
            Value::Integer(1),
            decimal(i128::MAX, 0),
            Value::Null,
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(a.order(b), i.cmp(&j), "{a} {b}");
            }
        }
        assert_eq!(decimal(10, 1).order(&Value::Integer(1)), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn plain_decimals_come_back(unscaled in -(10_i128.pow(30))..10_i128.pow(30), scale in 0_u8..=6) {
            let text = format_decimal(unscaled, scale);
            prop_assert_eq!(parse_decimal(&text, scale), Some(unscaled));
        }

        #[test]
        fn any_text_is_a_value_or_an_error(text in "\\PC{0,30}", scale in 0_u8..=6) {
            for r#type in [
                Type::Integer, Type::Decimal { scale }, Type::Float, Type::Boolean, Type::Text,
                Type::Date, Type::Timestamp,
            ] {
                if let Ok(value) = Value::parse(&text, r#type) {
                    prop_assert_eq!(value.value_type(), Some(r#type));
                }
            }
        }
    }
}
