//! One mapping between the types of the dictionary and Arrow's, for all that touches DataFusion.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
            Int64Array, StringViewArray, TimestampMicrosecondArray,
        },
        compute::cast,
        datatypes::{
            DataType, Date32Type, Decimal128Type, Field, Float64Type, Int64Type, Schema, SchemaRef,
            TimeUnit, TimestampMicrosecondType,
        },
    },
    error::DataFusionError,
};
use tacit_plan::{Column, ColumnType, Table, Type, Value};

/// Digits of a decimal column where its range does not say: all that fit 64 bits.
const DIGITS: u8 = 18;

/// Digits of every decimal of a result.
pub(crate) const RESULT_DIGITS: u8 = 38;

/// Arrow's type of a column of the dictionary.
///
/// Integers are `Int64`, categories and text `Utf8View`, decimals `Decimal128` with the digits
/// that the ends of their range need, timestamps microseconds without a zone.
pub fn column_type(column: &ColumnType) -> DataType {
    match column {
        ColumnType::Integer { .. } => DataType::Int64,
        ColumnType::Decimal { scale, range, .. } => {
            DataType::Decimal128(digits(range, *scale), *scale as i8)
        }
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Category { .. } | ColumnType::Text => DataType::Utf8View,
        ColumnType::Date { .. } => DataType::Date32,
        ColumnType::Timestamp { .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

/// Arrow's type of a value; decimals have 38 digits.
pub fn value_type(r#type: Type) -> DataType {
    match r#type {
        Type::Integer => DataType::Int64,
        Type::Decimal { scale } => DataType::Decimal128(RESULT_DIGITS, scale as i8),
        Type::Float => DataType::Float64,
        Type::Boolean => DataType::Boolean,
        Type::Text => DataType::Utf8View,
        Type::Date => DataType::Date32,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

/// Arrow's schema of a table: its columns in order.
pub fn schema(table: &Table) -> SchemaRef {
    let field = |column: &Column| {
        let r#type = column_type(&column.r#type);
        Field::new(&column.name, r#type, column.missing)
    };
    let fields: Vec<Field> = table.columns.iter().map(field).collect();
    Arc::new(Schema::new(fields))
}

/// Digits that both ends of a range need, and one before the point at least.
fn digits(range: &[String; 2], scale: u8) -> u8 {
    let of = |text: &String| {
        let text = text.trim().trim_start_matches(['-', '+']);
        let whole = text.split('.').next().unwrap_or_default();
        let whole = whole.trim_start_matches('0').len().max(1);
        u8::try_from(whole).unwrap_or(DIGITS).saturating_add(scale)
    };
    of(&range[0]).max(of(&range[1])).min(RESULT_DIGITS)
}

/// An array of `values`, each of the type or NULL; an integer or decimal of a smaller scale is
/// widened.
///
/// # Errors
/// If a value is of another type.
pub fn array(r#type: Type, values: &[Value]) -> Result<ArrayRef, DataFusionError> {
    let wrong = |value: &Value| {
        let what = format!("a value of another type than {type:?}: {}", kind(value));
        DataFusionError::Internal(what)
    };
    macro_rules! gather {
        ($($pattern:pat => $value:expr),+ $(,)?) => {
            values
                .iter()
                .map(|value| match value {
                    Value::Null => Ok(None),
                    $($pattern => Ok(Some($value)),)+
                    #[allow(unreachable_patterns)]
                    other => Err(wrong(other)),
                })
                .collect::<Result<Vec<_>, _>>()?
        };
    }
    Ok(match r#type {
        Type::Integer => Arc::new(Int64Array::from(gather!(Value::Integer(x) => *x))),
        Type::Decimal { scale } => {
            let widen = |unscaled: i128, from: u8| {
                let by = scale.checked_sub(from).map(u32::from);
                by.and_then(|by| unscaled.checked_mul(10_i128.checked_pow(by)?))
            };
            let values = values.iter().map(|value| match value {
                Value::Null => Ok(None),
                Value::Integer(x) => widen(i128::from(*x), 0).map(Some).ok_or(wrong(value)),
                Value::Decimal { unscaled, scale } => {
                    widen(*unscaled, *scale).map(Some).ok_or(wrong(value))
                }
                other => Err(wrong(other)),
            });
            let values: Vec<Option<i128>> = values.collect::<Result<_, _>>()?;
            let array = Decimal128Array::from(values);
            Arc::new(array.with_precision_and_scale(RESULT_DIGITS, scale as i8)?)
        }
        Type::Float => Arc::new(Float64Array::from(gather!(Value::Float(x) => *x))),
        Type::Boolean => Arc::new(BooleanArray::from(gather!(Value::Boolean(x) => *x))),
        Type::Text => Arc::new(StringViewArray::from(gather!(Value::Text(x) => x.as_str()))),
        Type::Date => Arc::new(Date32Array::from(gather!(Value::Date(x) => *x))),
        Type::Timestamp => {
            Arc::new(TimestampMicrosecondArray::from(gather!(Value::Timestamp(x) => *x)))
        }
    })
}

/// The values of an array, read as `r#type` (cast to it if the array is of another).
///
/// # Errors
/// If the array cannot be cast.
pub fn values(array: &ArrayRef, r#type: Type) -> Result<Vec<Value>, DataFusionError> {
    let wanted = value_type(r#type);
    let array =
        if array.data_type() == &wanted { Arc::clone(array) } else { cast(array, &wanted)? };
    let at = |i: usize| match r#type {
        _ if array.is_null(i) => Value::Null,
        Type::Integer => Value::Integer(array.as_primitive::<Int64Type>().value(i)),
        Type::Decimal { scale } => {
            Value::Decimal { unscaled: array.as_primitive::<Decimal128Type>().value(i), scale }
        }
        Type::Float => Value::Float(array.as_primitive::<Float64Type>().value(i)),
        Type::Boolean => Value::Boolean(array.as_boolean().value(i)),
        Type::Text => Value::Text(array.as_string_view().value(i).to_owned()),
        Type::Date => Value::Date(array.as_primitive::<Date32Type>().value(i)),
        Type::Timestamp => {
            Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(i))
        }
    };
    Ok((0..array.len()).map(at).collect())
}

/// The type of a value that can stand for an Arrow type in a result, if there is one.
pub fn type_of(data: &DataType) -> Option<Type> {
    Some(match data {
        DataType::Null => Type::Integer,
        integer if integer.is_integer() => Type::Integer,
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            Type::Decimal { scale: u8::try_from(*scale).unwrap_or(0) }
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Type::Float,
        DataType::Boolean => Type::Boolean,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::Text,
        DataType::Dictionary(_, values) => return type_of(values),
        DataType::Date32 | DataType::Date64 => Type::Date,
        DataType::Timestamp(..) => Type::Timestamp,
        _ => return None,
    })
}

/// What a value is, without the value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Integer(_) => "integer",
        Value::Decimal { .. } => "decimal",
        Value::Float(_) => "float",
        Value::Boolean(_) => "boolean",
        Value::Text(_) => "text",
        Value::Date(_) => "date",
        Value::Timestamp(_) => "timestamp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way_through_arrow() {
        let cases = [
            (Type::Integer, vec![Value::Integer(-3), Value::Null]),
            (
                Type::Decimal { scale: 2 },
                vec![Value::Null, Value::Decimal { unscaled: -150, scale: 2 }],
            ),
            (Type::Float, vec![Value::Float(0.5)]),
            (Type::Boolean, vec![Value::Boolean(true), Value::Null]),
            (Type::Text, vec![Value::Text("a word".into())]),
            (Type::Date, vec![Value::Date(-1)]),
            (Type::Timestamp, vec![Value::Timestamp(7)]),
        ];
        for (kind, given) in cases {
            let array = array(kind, &given).unwrap();
            assert_eq!(array.data_type(), &value_type(kind));
            assert_eq!(values(&array, kind).unwrap(), given);
        }
    }

    #[test]
    fn decimals_get_the_digits_of_their_range() {
        let column = |low: &str, high: &str| ColumnType::Decimal {
            scale: 2,
            range: [low.into(), high.into()],
            rounded: false,
        };
        let of = |low, high| column_type(&column(low, high));
        assert_eq!(of("-1000.00", "9.5"), DataType::Decimal128(6, 2));
        assert_eq!(of("0", "0.5"), DataType::Decimal128(3, 2));
    }

    #[test]
    fn a_value_of_another_type_is_refused_without_being_told() {
        let error = array(Type::Integer, &[Value::Text("secret".into())]).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
