//! Results as JSON. Every value carries its status; hidden and NULL have the value `null`.
//!
//! Whole numbers are written with all their digits. Decimals are numbers up to 15 digits and
//! strings beyond, so that no reader rounds them.

use std::io::{self, Write};

use serde_json::{Map, Value as Json, json};
use tacit_client::Answer;
use tacit_plan::{Type, Value};
use tacit_sql::{ResultTable, ResultValue, ValueStatus};

use super::value;

/// Largest whole number of 15 digits.
const FIFTEEN_DIGITS: u128 = 999_999_999_999_999;

/// Writes columns, rows, notes and the receipt of the run as one object.
///
/// # Errors
/// Of `out`.
pub fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &object(answer))?;
    writeln!(out)
}

/// Writes one object for each row.
///
/// # Errors
/// Of `out`.
pub fn write_lines(table: &ResultTable, out: &mut dyn Write) -> io::Result<()> {
    for row in &table.rows {
        let mut object = Map::new();
        for (column, cell) in table.columns.iter().zip(row) {
            object.insert(column.name.clone(), self::cell(cell));
        }
        writeln!(out, "{}", Json::Object(object))?;
    }
    Ok(())
}

/// The answer as one object.
pub fn object(answer: &Answer) -> Json {
    let table = &answer.table;
    let columns: Vec<Json> = table
        .columns
        .iter()
        .map(|column| {
            let mut object = json!({ "name": column.name, "type": type_name(column.r#type) });
            if let Type::Decimal { scale } = column.r#type {
                object["scale"] = json!(scale);
            }
            if let Some(unit) = &column.unit {
                object["unit"] = json!(unit);
            }
            object
        })
        .collect();
    let rows: Vec<Json> = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    json!({
        "columns": columns,
        "rows": rows,
        "notes": table.notes,
        "receipt": answer.receipt,
    })
}

/// Name of a type.
pub fn type_name(r#type: Type) -> &'static str {
    match r#type {
        Type::Integer => "integer",
        Type::Decimal { .. } => "decimal",
        Type::Float => "float",
        Type::Boolean => "boolean",
        Type::Text => "text",
        Type::Date => "date",
        Type::Timestamp => "timestamp",
    }
}

fn cell(cell: &ResultValue) -> Json {
    let plain = match cell.status {
        ValueStatus::Exact => scalar(&cell.value),
        ValueStatus::Hidden | ValueStatus::Null => Json::Null,
    };
    json!({ "status": value::status(cell.status), "value": plain })
}

fn scalar(plain: &Value) -> Json {
    match plain {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Boolean(truth) => json!(truth),
        Value::Decimal { unscaled, .. } if unscaled.unsigned_abs() <= FIFTEEN_DIGITS => {
            let text = value::exact(plain);
            text.parse::<f64>().map_or(json!(text), |number| json!(number))
        }
        other => json!(value::exact(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn every_value_carries_its_status() {
        let mut out = Vec::new();
        write_lines(&samples::table(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let second: Json = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!(second["n"], json!({"status": "hidden", "value": null}));
        let third: Json = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
        assert_eq!(third["city"], json!({"status": "null", "value": null}));
        assert_eq!(third["n"], json!({"status": "exact", "value": 12}));
    }

    #[test]
    fn decimals_are_never_rounded() {
        let decimal = |unscaled| scalar(&Value::Decimal { unscaled, scale: 2 });
        assert_eq!(decimal(12_345).to_string(), "123.45");
        assert_eq!(decimal(-5).to_string(), "-0.05");
        assert_eq!(decimal(12_345_678_901_234_567).to_string(), "\"123456789012345.67\"");
    }
}
