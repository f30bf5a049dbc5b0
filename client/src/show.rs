//! SHOW TABLES and DESCRIBE, answered from the study alone.

use tacit_governance::Study;
use tacit_plan::{Column, ColumnType, Type, Value};
use tacit_sql::{ResultColumn, ResultTable, ResultValue, Statement};

/// Words of a category that are written out; a longer list is cut.
const WORDS: usize = 12;

/// The answer to `statement`; `None` for a query.
pub(crate) fn show(study: &Study, statement: &Statement) -> Option<ResultTable> {
    match statement {
        Statement::ShowTables => Some(tables(study)),
        Statement::Describe(table) => describe(study, table),
        Statement::Query(_) => None,
    }
}

fn tables(study: &Study) -> ResultTable {
    let rows = study.dictionary().tables.iter().map(|(name, table)| {
        let counted =
            table.person.as_ref().map_or("records".to_owned(), |p| format!("persons ({p})"));
        vec![
            text(name),
            ResultValue::exact(Value::Integer(table.columns.len() as i64)),
            text(&counted),
            optional(table.description.as_ref()),
        ]
    });
    ResultTable {
        columns: columns(&[
            ("table", Type::Text),
            ("columns", Type::Integer),
            ("counts", Type::Text),
            ("description", Type::Text),
        ]),
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

fn describe(study: &Study, table: &str) -> Option<ResultTable> {
    let table = study.dictionary().tables.get(table)?;
    let rows = table.columns.iter().map(|column| {
        vec![
            text(&column.name),
            text(column.r#type.word()),
            text(&holds(&column.r#type)),
            ResultValue::exact(Value::Boolean(column.missing)),
            optional(column.unit.as_ref()),
            ResultValue::exact(Value::Boolean(can_be_key(column))),
            optional(column.description.as_ref()),
        ]
    });
    Some(ResultTable {
        columns: columns(&[
            ("column", Type::Text),
            ("type", Type::Text),
            ("holds", Type::Text),
            ("missing", Type::Boolean),
            ("unit", Type::Text),
            ("key", Type::Boolean),
            ("description", Type::Text),
        ]),
        rows: rows.collect(),
        notes: Vec::new(),
    })
}

/// Whether GROUP BY the bare column works. Dates and numbers of a wide range work by part.
fn can_be_key(column: &Column) -> bool {
    column.domain().is_some()
}

fn holds(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Integer { range: [least, most] } => format!("{least} to {most}"),
        ColumnType::Decimal { range: [least, most], .. }
        | ColumnType::Date { range: [least, most] }
        | ColumnType::Timestamp { range: [least, most] } => format!("{least} to {most}"),
        ColumnType::Boolean => "true, false".to_owned(),
        ColumnType::Category { values } => {
            let shown: Vec<String> = values.iter().take(WORDS).map(|word| quoted(word)).collect();
            let more = values.len().saturating_sub(WORDS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{more}", shown.join(", "))
        }
        ColumnType::Text => "free text; it never leaves the site, and may be filtered on".into(),
    }
}

/// A word in a list: in quotes, as SQL has them, where it could be taken for two or for none.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.trim() == word && !word.contains([',', '\'', '"']);
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "''")) }
}

fn columns(named: &[(&str, Type)]) -> Vec<ResultColumn> {
    let column = |&(name, r#type): &(&str, Type)| ResultColumn {
        name: name.to_owned(),
        r#type,
        unit: None,
        count: false,
    };
    named.iter().map(column).collect()
}

fn text(word: &str) -> ResultValue {
    ResultValue::exact(Value::Text(word.to_owned()))
}

fn optional(word: Option<&String>) -> ResultValue {
    ResultValue::exact(word.map_or(Value::Null, |word| Value::Text(word.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_category_are_quoted_where_a_list_would_blur_them() {
        let values = ["[0-10)", "a b", "no, never", "it's", "", " x"].map(str::to_owned).to_vec();
        let held = holds(&ColumnType::Category { values });
        assert_eq!(held, "[0-10), a b, 'no, never', 'it''s', '', ' x'");
    }
}
