//! [`Cells`]: a column of a batch in one of seven forms, whatever a file's own types are.

use std::{borrow::Cow, path::Path, sync::Arc};

use datafusion::arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
        Int64Array, PrimitiveArray, StringArray, TimestampMicrosecondArray,
    },
    compute::{CastOptions, cast_with_options},
    datatypes::{
        ArrowTimestampType, DataType, Float32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};

use super::{
    Result, SourceError,
    parse::{self, DAY, Number},
};

/// A column of a batch. A float that is not a number is missing.
pub(super) enum Cells {
    Integer(Int64Array),
    Float(Float64Array),
    Decimal(Decimal128Array, i8),
    Boolean(BooleanArray),
    Text(StringArray),
    Date(Date32Array),
    Timestamp(TimestampMicrosecondArray),
}

impl Cells {
    /// The cells of an array, and how many of them were no numbers (NaN).
    pub(super) fn of(file: &Path, name: &str, array: &ArrayRef) -> Result<(Self, u64)> {
        let exact = CastOptions { safe: false, ..CastOptions::default() };
        let cast = |to: &DataType| {
            let cast = cast_with_options(array, to, &exact);
            cast.map_err(|_| {
                let what = format!("column {name:?} holds values that do not fit {to}");
                SourceError::form(file, what)
            })
        };
        let mut strange = 0;
        let cells = match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::UInt64 => {
                let wide = cast(&DataType::Decimal128(20, 0))?;
                Self::Decimal(wide.as_primitive().clone(), 0)
            }
            r#type if r#type.is_integer() => {
                Self::Integer(cast(&DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Float32 => {
                // Through text: 0.1 in 32 bits is one tenth, not 0.10000000149.
                let values = array.as_primitive::<Float32Type>().iter();
                let widen = |value: f32| value.to_string().parse().unwrap_or(f64::NAN);
                let values = values.map(|value| value.map(widen));
                Self::Float(without_nan(values, &mut strange))
            }
            DataType::Float16 | DataType::Float64 => {
                let values = cast(&DataType::Float64)?;
                let values = values.as_primitive::<datafusion::arrow::datatypes::Float64Type>();
                Self::Float(without_nan(values.iter(), &mut strange))
            }
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive().clone(), *scale),
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal256(_, scale) => {
                let scale = *scale;
                let narrow = cast(&DataType::Decimal128(38, scale))?;
                Self::Decimal(narrow.as_primitive().clone(), scale)
            }
            DataType::Date32 | DataType::Date64 => {
                Self::Date(cast(&DataType::Date32)?.as_primitive().clone())
            }
            DataType::Timestamp(unit, _) => Self::Timestamp(match unit {
                TimeUnit::Second => micros::<TimestampSecondType>(array, 1_000_000, 1),
                TimeUnit::Millisecond => micros::<TimestampMillisecondType>(array, 1_000, 1),
                TimeUnit::Microsecond => micros::<TimestampMicrosecondType>(array, 1, 1),
                TimeUnit::Nanosecond => micros::<TimestampNanosecondType>(array, 1, 1_000),
            }),
            _ => Self::Text(cast(&DataType::Utf8)?.as_string::<i32>().clone()),
        };
        Ok((cells, strange))
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Integer(array) => array,
            Self::Float(array) => array,
            Self::Decimal(array, _) => array,
            Self::Boolean(array) => array,
            Self::Text(array) => array,
            Self::Date(array) => array,
            Self::Timestamp(array) => array,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.array().len()
    }

    pub(super) fn missing(&self) -> usize {
        self.array().null_count()
    }

    pub(super) fn is_missing(&self, row: usize) -> bool {
        self.array().is_null(row)
    }

    /// What a reader calls the form.
    pub(super) fn form(&self) -> &'static str {
        match self {
            Self::Integer(_) | Self::Float(_) | Self::Decimal(..) => "numbers",
            Self::Boolean(_) => "booleans",
            Self::Text(_) => "text",
            Self::Date(_) => "dates",
            Self::Timestamp(_) => "timestamps",
        }
    }

    /// The number in a row that is not missing, if it is one that can be held exactly.
    pub(super) fn number(&self, row: usize) -> Option<Number> {
        match self {
            Self::Integer(array) => Some(Number { unscaled: array.value(row).into(), scale: 0 }),
            Self::Float(array) => Number::of_float(array.value(row)),
            Self::Decimal(array, scale) => Number::of_decimal(array.value(row), *scale),
            Self::Text(array) => parse::number(array.value(row).trim()),
            _ => None,
        }
    }

    /// The truth value in a row.
    pub(super) fn boolean(&self, row: usize) -> Option<bool> {
        match self {
            Self::Boolean(array) => Some(array.value(row)),
            Self::Text(array) => parse::boolean(array.value(row).trim()),
            _ => None,
        }
    }

    /// The day in a row.
    pub(super) fn date(&self, row: usize) -> Option<i32> {
        match self {
            Self::Date(array) => Some(array.value(row)),
            Self::Text(array) => parse::date(array.value(row).trim()),
            Self::Timestamp(array) => {
                let (micros, day) = (array.value(row), array.value(row).div_euclid(DAY));
                (micros == day * DAY).then(|| i32::try_from(day).ok())?
            }
            _ => None,
        }
    }

    /// The point in time in a row; a day is its midnight.
    pub(super) fn timestamp(&self, row: usize) -> Option<i64> {
        match self {
            Self::Timestamp(array) => Some(array.value(row)),
            Self::Text(array) => {
                let text = array.value(row).trim();
                let midnight = || Some(i64::from(parse::date(text)?) * DAY);
                parse::timestamp(text).or_else(midnight)
            }
            Self::Date(array) => Some(i64::from(array.value(row)) * DAY),
            _ => None,
        }
    }

    /// What stands in a row, as text.
    pub(super) fn text(&self, row: usize) -> Cow<'_, str> {
        match self {
            Self::Text(array) => Cow::Borrowed(array.value(row)),
            Self::Integer(array) => array.value(row).to_string().into(),
            Self::Float(array) => array.value(row).to_string().into(),
            Self::Boolean(array) => array.value(row).to_string().into(),
            Self::Date(array) => parse::write_date(array.value(row)).into(),
            Self::Timestamp(array) => parse::write_timestamp(array.value(row)).into(),
            Self::Decimal(array, scale) => {
                let scale = scale.unsigned_abs().into();
                parse::write_decimal(array.value(row), scale).into()
            }
        }
    }
}

fn without_nan(values: impl Iterator<Item = Option<f64>>, strange: &mut u64) -> Float64Array {
    let kept = values.map(|value| match value {
        Some(value) if value.is_nan() => {
            *strange += 1;
            None
        }
        other => other,
    });
    kept.collect()
}

/// Microseconds, in UTC where the column has a zone; finer digits are cut off.
fn micros<T: ArrowTimestampType>(
    array: &ArrayRef,
    times: i64,
    over: i64,
) -> TimestampMicrosecondArray {
    let values: &PrimitiveArray<T> = array.as_primitive();
    if times == 1 && over == 1 {
        let values = Arc::clone(array).to_data();
        return PrimitiveArray::<TimestampMicrosecondType>::from(
            values
                .into_builder()
                .data_type(DataType::Timestamp(TimeUnit::Microsecond, None))
                .build()
                .expect("the same buffers"),
        );
    }
    values.unary(|value| value.saturating_mul(times).div_euclid(over))
}
