//! [`ResultTable`]: what the analyst gets to see.
//!
//! Every value carries a status. `hidden` is not NULL: a rule of release keeps it back, and it
//! stays hidden through every expression that reads it.

use serde::{Deserialize, Serialize};
use tacit_plan::{Type, Value};

/// Whether a value is there, kept back, or NULL as in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueStatus {
    /// The exact value of the pooled data.
    Exact,
    /// A rule of release hides it.
    Hidden,
    /// SQL NULL.
    Null,
}

/// One value of a result. `value` is [`Value::Null`] unless the status is exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultValue {
    /// Whether it is there.
    pub status: ValueStatus,
    /// The value.
    pub value: Value,
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Type of its values.
    pub r#type: Type,
    /// Their unit, if the dictionary has one.
    pub unit: Option<String>,
    /// Whether a hidden value is a COUNT that only the threshold can have hidden ("<11").
    pub count: bool,
}

/// The answer to a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultTable {
    /// The columns, in order.
    pub columns: Vec<ResultColumn>,
    /// The rows, each with one value for every column.
    pub rows: Vec<Vec<ResultValue>>,
    /// What a reader should know: rows that HAVING dropped because they are hidden, and so on.
    pub notes: Vec<String>,
}

impl ResultValue {
    /// A value that is there, or NULL.
    pub fn exact(value: Value) -> Self {
        let status = match value {
            Value::Null => ValueStatus::Null,
            _ => ValueStatus::Exact,
        };
        Self { status, value }
    }

    /// A value that a rule keeps back.
    pub fn hidden() -> Self {
        Self { status: ValueStatus::Hidden, value: Value::Null }
    }

    /// Whether a rule keeps it back.
    pub fn is_hidden(&self) -> bool {
        self.status == ValueStatus::Hidden
    }
}

impl ResultTable {
    /// How many values are hidden.
    pub fn hidden(&self) -> usize {
        let cells = self.rows.iter().flatten();
        cells.filter(|value| value.is_hidden()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_written_as_words() {
        let written = serde_json::to_value(ResultValue::hidden()).unwrap();
        assert_eq!(written, serde_json::json!({"status": "hidden", "value": "null"}));
        let null = ResultValue::exact(Value::Null);
        assert_eq!(null.status, ValueStatus::Null);
    }
}
