//! [`Type`] and [`Value`]: what a column of a table or of a result holds.

use serde::{Deserialize, Serialize};

/// Type of a value, without its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Whole number, 64 bits.
    Integer,
    /// Decimal with a fixed number of digits behind the point.
    Decimal {
        /// Digits behind the point.
        scale: u8,
    },
    /// 64-bit floating point; only in results (averages).
    Float,
    /// True or false.
    Boolean,
    /// A word: a category, or text.
    Text,
    /// Day of the Gregorian calendar.
    Date,
    /// Microseconds since 1970-01-01T00:00:00, no time zone.
    Timestamp,
}

/// A public value. Integers are written as strings in JSON: RFC 8785 numbers are doubles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// SQL NULL.
    Null,
    /// Whole number.
    Integer(#[serde(with = "as_text")] i64),
    /// Decimal, `unscaled / 10^scale`.
    Decimal {
        /// All digits.
        #[serde(with = "as_text")]
        unscaled: i128,
        /// Digits behind the point.
        scale: u8,
    },
    /// 64-bit floating point.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A word.
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00.
    Timestamp(#[serde(with = "as_text")] i64),
}

mod as_text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        String::deserialize(d)?.parse().map_err(|_| D::Error::custom("not a whole number"))
    }
}
