//! How DataFusion is set up: the same for compiling, for the local part and for releasing, so that
//! a text means the same thing in all three.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    prelude::SessionConfig,
};
use tacit_plan::{Column, Table, Type};

/// Settings of every session: numeric literals are decimals, strings are plain Utf8, and unparsed
/// expressions may be nested deeper than typed ones.
pub fn session_config() -> SessionConfig {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.recursion_limit = ConfigNonZeroUsize::new(500).expect("not zero");
    options.execution.time_zone = None;
    config
}

/// Arrow type of values of a type. Decimals are 18 digits wide: a sum of 63 bits has no more.
pub fn arrow_type(r#type: Type) -> DataType {
    match r#type {
        Type::Integer => DataType::Int64,
        Type::Decimal { scale } => DataType::Decimal128(18, scale.min(18) as i8),
        Type::Float => DataType::Float64,
        Type::Boolean => DataType::Boolean,
        Type::Text => DataType::Utf8,
        Type::Date => DataType::Date32,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

fn field(column: &Column) -> Field {
    let r#type = arrow_type(column.r#type.value_type());
    Field::new(&column.name, r#type, column.missing)
}

/// Arrow schema of a table: the columns of the dictionary, in order.
pub fn arrow_schema(table: &Table) -> SchemaRef {
    Arc::new(Schema::new(
        table.columns.iter().map(field).collect::<Vec<_>>(),
    ))
}
