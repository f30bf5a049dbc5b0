//! What the pooled data say: the answer to compare a joint answer with, in tests and wherever all
//! parts may lie in one place.
//!
//! Two ways lead to it. [`pooled`] takes the plan's own way, with the rules of release written
//! plainly. [`plain`] hands the question as it was asked to DataFusion, over the union of the
//! parts, and knows neither plans nor rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::{
    common::TableReference,
    error::DataFusionError,
    logical_expr::{Expr, ident},
    prelude::SessionContext,
};
use tacit_plan::{InputColumns, Opened, Plan, Value};

use crate::{
    Error, Result, ResultColumn, ResultTable, ResultValue, Tables, release, run_local,
    session_config,
    source::parse::write_decimal,
    types::{type_of, values},
};

/// Adds up what the parts hold, as the computation does.
///
/// # Errors
/// As [`run_local`], or if a sum leaves 64 bits.
pub async fn pool(parts: &[&Tables], plan: &Plan) -> Result<InputColumns> {
    let mut pooled: Option<InputColumns> = None;
    for tables in parts {
        let part = run_local(tables, plan).await?;
        let Some(pool) = &mut pooled else {
            pooled = Some(part);
            continue;
        };
        let columns = pool.columns.iter_mut().zip(part.columns);
        for (into, value) in columns.flat_map(|(into, from)| into.iter_mut().zip(from)) {
            let sum = into.checked_add(value);
            *into = sum.ok_or_else(|| Error::Local("a pooled sum leaves 64 bits".into()))?;
        }
    }
    pooled.ok_or_else(|| Error::Malformed("there are no parts".into()))
}

/// The answer to a plan over the pooled parts, with the rules of release applied.
///
/// # Errors
/// As [`run_local`] and [`release`].
pub async fn pooled(parts: &[&Tables], plan: &Plan) -> Result<ResultTable> {
    let opened: Opened = plan.open_pooled(&pool(parts, plan).await?);
    release(plan, &opened).await
}

/// DataFusion's own answer to the text over the union of the parts: nothing is hidden.
///
/// Columns are renamed to lower case, so that unquoted names match them, unless the text quotes.
///
/// # Errors
/// If DataFusion cannot answer.
pub async fn plain(parts: &[&Tables], sql: &str) -> Result<ResultTable> {
    let failed = |e: DataFusionError| Error::Local(e.strip_backtrace());
    let context = SessionContext::new_with_config(session_config());
    let names: BTreeSet<String> = parts.iter().flat_map(|part| part.names()).collect();
    for name in names {
        let mut union = None;
        for part in parts {
            let table = part.context().table(TableReference::bare(name.as_str())).await;
            let table = table.map_err(failed)?;
            union = Some(match union {
                None => table,
                Some(before) => {
                    datafusion::prelude::DataFrame::union(before, table).map_err(failed)?
                }
            });
        }
        let Some(union) = union else { continue };
        let fields: Vec<String> =
            union.schema().fields().iter().map(|f| f.name().clone()).collect();
        let lower: BTreeSet<String> = fields.iter().map(|name| name.to_lowercase()).collect();
        let view = if sql.contains('"') || lower.len() < fields.len() {
            union
        } else {
            let renamed = fields.iter().map(|name| ident(name).alias(name.to_lowercase()));
            let renamed: Vec<Expr> = renamed.collect();
            union.select(renamed).map_err(failed)?
        };
        let table = if sql.contains('"') { name } else { name.to_lowercase() };
        let registered = context.register_table(TableReference::bare(table), view.into_view());
        registered.map_err(failed)?;
    }
    let answer = context.sql(sql).await.map_err(failed)?;
    let schema = answer.schema().clone();
    let batches = answer.collect().await.map_err(failed)?;
    let mut table = ResultTable::default();
    for field in schema.fields() {
        let r#type = type_of(field.data_type());
        table.columns.push(ResultColumn {
            name: field.name().clone(),
            r#type: r#type.ok_or_else(|| Error::Local(format!("type {}", field.data_type())))?,
            unit: None,
            count: false,
        });
    }
    for batch in &batches {
        let mut rows = vec![Vec::new(); batch.num_rows()];
        for (column, array) in table.columns.iter().zip(batch.columns()) {
            let read = values(array, column.r#type).map_err(failed)?;
            for (row, value) in rows.iter_mut().zip(read) {
                row.push(ResultValue::exact(value));
            }
        }
        table.rows.extend(rows);
    }
    Ok(table)
}

/// How a joint answer compares with a pooled one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Values that are equal.
    pub equal: usize,
    /// Values of the joint answer that are hidden: there is nothing to compare.
    pub hidden: usize,
    /// Rows of the pooled answer that the joint one lacks, where that can be: HAVING, LIMIT.
    pub left_out: usize,
    /// What differs, for people.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Whether every value that is shown is that of the pooled answer.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Compares a joint answer with a pooled one, whatever the order of rows.
///
/// `keys` are the positions of the columns that no rule hides; rows are matched by them, and within
/// equal keys to any row that agrees in all that is shown. Rows that the joint answer lacks are
/// differences unless `partial` (the question has HAVING, LIMIT or OFFSET). Floats are equal if
/// they differ by rounding alone (a relative 1e-12), and a float equals a decimal that was cut off
/// after it.
pub fn compare(
    joint: &ResultTable,
    pooled: &ResultTable,
    keys: &[usize],
    partial: bool,
) -> Comparison {
    let mut found = Comparison::default();
    if joint.columns.len() != pooled.columns.len() {
        let (ours, theirs) = (joint.columns.len(), pooled.columns.len());
        found.differences.push(format!("{ours} columns, pooled {theirs}"));
        return found;
    }
    let key = |row: &[ResultValue]| keys.iter().map(|&i| write(&row[i].value)).collect::<Vec<_>>();
    let mut left: HashMap<Vec<String>, Vec<&Vec<ResultValue>>> = HashMap::new();
    for row in &pooled.rows {
        left.entry(key(row)).or_default().push(row);
    }
    // Rows that show the most choose first; one that hides a value takes what they leave.
    let mut order: BTreeMap<(usize, usize), &Vec<ResultValue>> = BTreeMap::new();
    for (i, row) in joint.rows.iter().enumerate() {
        let hidden = row.iter().filter(|value| value.is_hidden()).count();
        order.insert((hidden, i), row);
    }
    for ((hidden, _), row) in order {
        let candidates = left.entry(key(row)).or_default();
        let agrees = |other: &&Vec<ResultValue>| {
            let mut pairs = row.iter().zip(other.iter());
            pairs.all(|(ours, theirs)| ours.is_hidden() || same(&ours.value, &theirs.value))
        };
        found.hidden += hidden;
        if let Some(at) = candidates.iter().position(agrees) {
            candidates.swap_remove(at);
            found.equal += row.len() - hidden;
        } else if !candidates.is_empty() {
            let other = candidates.remove(0);
            let pairs = row.iter().zip(other).enumerate();
            for (i, (ours, theirs)) in pairs.filter(|(_, (ours, _))| !ours.is_hidden()) {
                if same(&ours.value, &theirs.value) {
                    found.equal += 1;
                } else {
                    let (ours, theirs) = (write(&ours.value), write(&theirs.value));
                    let (at, name) = (key(row).join(", "), &joint.columns[i].name);
                    found.differences.push(format!("[{at}] {name}: {ours}, pooled {theirs}"));
                }
            }
        } else if row.iter().enumerate().all(|(i, v)| keys.contains(&i) || v.is_hidden()) {
            // A rule that hides zeros shows groups that are not there.
        } else {
            let at = row.iter().map(|value| write(&value.value)).collect::<Vec<_>>().join(", ");
            found.differences.push(format!("[{at}] is not in the pooled answer"));
        }
    }
    let mut rest: Vec<(Vec<String>, usize)> =
        left.into_iter().map(|(key, rows)| (key, rows.len())).filter(|(_, n)| *n > 0).collect();
    rest.sort();
    for (key, rows) in rest {
        if partial {
            found.left_out += rows;
        } else {
            let at = key.join(", ");
            found.differences.push(format!("[{at}] is missing ({rows} rows of the pooled answer)"));
        }
    }
    found
}

/// A value as people read it; equal numbers are written alike.
fn write(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(x) => x.to_string(),
        Value::Decimal { unscaled, scale } => {
            let text = write_decimal(*unscaled, (*scale).into());
            match text.split_once('.') {
                Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                None => text,
            }
        }
        Value::Float(x) => x.to_string(),
        Value::Boolean(x) => x.to_string(),
        Value::Text(x) => x.clone(),
        Value::Date(x) => format!("day {x}"),
        Value::Timestamp(x) => format!("moment {x}"),
    }
}

/// A number as a float, with the error that it may carry.
fn number(value: &Value) -> Option<(f64, f64)> {
    match value {
        Value::Float(x) => Some((*x, x.abs() * 1e-12)),
        Value::Decimal { unscaled, scale } => {
            let unit = 10_f64.powi(-i32::from(*scale));
            Some((*unscaled as f64 * unit, unit))
        }
        Value::Integer(x) => Some((*x as f64, 0.0)),
        _ => None,
    }
}

fn same(ours: &Value, theirs: &Value) -> bool {
    let float = matches!(ours, Value::Float(_)) || matches!(theirs, Value::Float(_));
    match (number(ours), number(theirs)) {
        (Some((a, one)), Some((b, other))) if float => (a - b).abs() <= one.max(other),
        _ => write(ours) == write(theirs),
    }
}

#[cfg(test)]
#[path = "pooled_tests.rs"]
mod tests;
