//! A small result with everything in it, for tests.

use tacit_plan::{Type, Value};
use tacit_sql::{ResultColumn, ResultTable, ResultValue};

/// Words with quotes and bars, hidden counts and means, NULLs.
pub fn table() -> ResultTable {
    let column =
        |name: &str, r#type, count| ResultColumn { name: name.into(), r#type, unit: None, count };
    let text = |text: &str| ResultValue::exact(Value::Text(text.into()));
    let null = || ResultValue::exact(Value::Null);
    ResultTable {
        columns: vec![
            column("city", Type::Text, false),
            column("n", Type::Integer, true),
            column("mean", Type::Float, false),
        ],
        rows: vec![
            vec![
                text("a, b"),
                ResultValue::exact(Value::Integer(25)),
                ResultValue::exact(Value::Float(1.5)),
            ],
            vec![text("|\"x"), ResultValue::hidden(), ResultValue::hidden()],
            vec![null(), ResultValue::exact(Value::Integer(12)), null()],
        ],
        notes: Vec::new(),
    }
}
