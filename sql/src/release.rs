//! The analyst's side: from opened numbers to a table.
//!
//! The opened numbers become a table called `released`, a row for each cell that is there, with
//! the columns `kI` (key I) and `nJ` (number J). The expressions of [`tacit_plan::Release`] are
//! evaluated over it by the same engine that ran the local part, and give NULL where they fail in
//! a row, as they would there.
//!
//! What a hidden number stands for is not known, so whatever reads it is hidden as well. Which
//! numbers an expression reads is in the plan; it does not depend on values, so `COALESCE` or a
//! branch of `CASE` cannot tell hidden from NULL.

use std::{cmp::Ordering, sync::Arc};

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions,
        },
        compute::concat,
        datatypes::{DataType, Field, Schema},
    },
    common::{DFSchema, ScalarValue},
    error::DataFusionError,
    logical_expr::simplify::SimplifyContext,
    optimizer::simplify_expressions::ExprSimplifier,
    physical_plan::PhysicalExpr,
    prelude::SessionContext,
};
use tacit_plan::{Opened, Plan, Role, Status, Type, Value};

use crate::{
    Error, Result, ResultColumn, ResultTable, ResultValue,
    exact::functions,
    session::on_large_stack,
    session_config,
    types::{array, type_of, value_type, values},
};

/// Makes the table that the analyst sees.
///
/// # Errors
/// If the plan and the opened numbers do not fit together.
#[allow(clippy::unused_async, reason = "the seam is asynchronous for engines that wait")]
pub async fn release(plan: &Plan, opened: &Opened) -> Result<ResultTable> {
    on_large_stack(|| table(plan, opened))
}

fn table(plan: &Plan, opened: &Opened) -> Result<ResultTable> {
    let released = Released::of(plan, opened)?;
    let mut notes = Vec::new();
    let mut rows: Vec<usize> = (0..released.cells.len()).collect();
    if let Some((condition, numbers)) = &plan.release.having {
        let holds = released.evaluate(condition)?;
        let holds = truth(&holds)?;
        let before = rows.len();
        rows.retain(|&row| !released.hidden(numbers, row));
        if rows.len() < before {
            let (count, plural) = match before - rows.len() {
                1 => (1, "row is"),
                more => (more, "rows are"),
            };
            notes.push(format!("{count} {plural} left out: HAVING reads a hidden value there"));
        }
        rows.retain(|&row| !holds.is_null(row) && holds.value(row));
    }
    released.sort(&mut rows)?;
    let skipped = usize::try_from(plan.release.offset).unwrap_or(usize::MAX);
    let limit = plan.release.limit.and_then(|limit| usize::try_from(limit).ok());
    let rows: Vec<usize> =
        rows.into_iter().skip(skipped).take(limit.unwrap_or(usize::MAX)).collect();
    let mut table = ResultTable {
        columns: Vec::new(),
        rows: vec![Vec::with_capacity(plan.release.columns.len()); rows.len()],
        notes,
    };
    for column in &plan.release.columns {
        let all = released.evaluate(&column.expression)?;
        let all = values(&all, column.r#type).map_err(|e| malformed(&e))?;
        for (out, &row) in table.rows.iter_mut().zip(&rows) {
            out.push(if released.hidden(&column.numbers, row) {
                ResultValue::hidden()
            } else {
                ResultValue::exact(all[row].clone())
            });
        }
        table.columns.push(ResultColumn {
            name: column.name.clone(),
            r#type: column.r#type,
            unit: column.unit.clone(),
            count: column.count,
        });
    }
    Ok(table)
}

fn malformed(what: &dyn std::fmt::Display) -> Error {
    Error::Malformed(what.to_string())
}

/// The table `released`.
struct Released<'a> {
    plan: &'a Plan,
    opened: &'a Opened,
    /// The cell of each row.
    cells: Vec<usize>,
    batch: RecordBatch,
    schema: DFSchema,
    context: SessionContext,
}

impl<'a> Released<'a> {
    fn of(plan: &'a Plan, opened: &'a Opened) -> Result<Self> {
        let count = plan.cells();
        let fits = opened.numbers.len() == plan.numbers.len()
            && opened.numbers.iter().all(|number| number.len() == count);
        if !fits {
            return Err(malformed(&"the opened numbers are not those of the plan"));
        }
        let there = |cell: &usize| {
            let presence = plan.presence.and_then(|j| opened.numbers.get(j));
            presence.is_none_or(|cells| cells[*cell].status != Status::Zero)
        };
        let cells: Vec<usize> = (0..count).filter(there).collect();
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        let mut period = count;
        for (i, key) in plan.keys.iter().enumerate() {
            // The last key varies fastest.
            let size = key.domain.len().max(1);
            let each = period / size;
            let picked = cells.iter().map(|cell| key.domain[cell % period / each].clone());
            let picked: Vec<Value> = picked.collect();
            period = each;
            fields.push(Field::new(format!("k{i}"), value_type(key.r#type), true));
            columns.push(array(key.r#type, &picked).map_err(|e| malformed(&e))?);
        }
        for (j, number) in plan.numbers.iter().enumerate() {
            let input = number.value.and_then(|input| plan.inputs.get(input));
            let counts = input.is_some_and(|input| input.role == Role::Count);
            let value = |&cell: &usize| match opened.numbers[j][cell].status {
                Status::Shown if input.is_some() => Some(opened.numbers[j][cell].value),
                Status::Zero if counts => Some(0),
                _ => None,
            };
            let numbers: Int64Array = cells.iter().map(value).collect();
            fields.push(Field::new(format!("n{j}"), DataType::Int64, true));
            columns.push(Arc::new(numbers));
        }
        let schema = Arc::new(Schema::new(fields));
        let rows = RecordBatchOptions::new().with_row_count(Some(cells.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &rows);
        let batch = batch.map_err(|e| malformed(&e))?;
        let schema = DFSchema::try_from_qualified_schema("released", &schema);
        let context = SessionContext::new_with_config(session_config());
        for function in functions() {
            context.register_udf(function);
        }
        Ok(Self { plan, opened, cells, batch, schema: schema.map_err(|e| malformed(&e))?, context })
    }

    /// Whether something made of these numbers is hidden in a row.
    fn hidden(&self, numbers: &[usize], row: usize) -> bool {
        let cell = self.cells[row];
        let status = |j: &usize| self.opened.numbers.get(*j).map(|number| number[cell].status);
        let read = || numbers.iter().chain(&self.plan.presence);
        // A number that the plan does not have is nothing to be shown.
        !numbers.is_empty()
            && read().any(|j| !matches!(status(j), Some(Status::Shown | Status::Zero)))
    }

    /// The values of an expression in all rows.
    fn evaluate(&self, sql: &str) -> Result<ArrayRef> {
        let wrong = |e: DataFusionError| malformed(&format!("{sql}: {}", e.strip_backtrace()));
        let compiled = self.compile(sql).map_err(wrong)?;
        match apply(compiled.as_ref(), &self.batch) {
            Err(error) if fails_in_a_row(&error) => self.one_by_one(compiled.as_ref()),
            other => other,
        }
        .map_err(wrong)
    }

    fn compile(&self, sql: &str) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
        let parsed = self.context.parse_sql_expr(sql, &self.schema)?;
        // Some functions, COALESCE among them, have no form of their own and must be simplified.
        let about = SimplifyContext::builder()
            .with_schema(Arc::new(self.schema.clone()))
            .with_config_options(Arc::clone(self.context.state().config_options()))
            .build();
        let simplifier = ExprSimplifier::new(about);
        let coerced = simplifier.coerce(parsed, &self.schema)?;
        let simple = simplifier.simplify(coerced)?;
        self.context.create_physical_expr(simple, &self.schema)
    }

    /// Evaluates each row by itself: where that fails is NULL.
    fn one_by_one(&self, expression: &dyn PhysicalExpr) -> Result<ArrayRef, DataFusionError> {
        let null = ScalarValue::try_from(&expression.data_type(self.batch.schema_ref())?)?;
        let one = |row| match apply(expression, &self.batch.slice(row, 1)) {
            Err(error) if fails_in_a_row(&error) => null.to_array(),
            other => other,
        };
        let each: Vec<ArrayRef> = (0..self.batch.num_rows()).map(one).collect::<Result<_, _>>()?;
        let each: Vec<&dyn Array> = each.iter().map(AsRef::as_ref).collect();
        Ok(concat(&each)?)
    }

    /// Orders rows by the plan's sort keys; a hidden value comes last, and what is equal stays in
    /// the order of the domain.
    fn sort(&self, rows: &mut [usize]) -> Result<()> {
        let mut keys = Vec::new();
        for sort in &self.plan.release.sort {
            let array = self.evaluate(&sort.expression)?;
            let r#type = type_of(array.data_type()).unwrap_or(Type::Text);
            let values = values(&array, r#type).map_err(|e| malformed(&e))?;
            keys.push((sort, values));
        }
        rows.sort_by(|&a, &b| {
            let mut order = Ordering::Equal;
            for (sort, values) in &keys {
                let hidden = [a, b].map(|row| self.hidden(&sort.numbers, row));
                order = match (hidden, &values[a], &values[b]) {
                    ([true, true], ..) => Ordering::Equal,
                    ([one, other], ..) if one != other => one.cmp(&other),
                    (_, Value::Null, Value::Null) => Ordering::Equal,
                    (_, Value::Null, _) => nulls(sort.nulls_first),
                    (_, _, Value::Null) => nulls(sort.nulls_first).reverse(),
                    (_, x, y) if sort.descending => y.order(x),
                    (_, x, y) => x.order(y),
                };
                if order != Ordering::Equal {
                    break;
                }
            }
            order.then(a.cmp(&b))
        });
        Ok(())
    }
}

fn nulls(first: bool) -> Ordering {
    if first { Ordering::Less } else { Ordering::Greater }
}

/// Whether values are at fault (a division by zero, a failing cast) and not the expression.
fn fails_in_a_row(error: &DataFusionError) -> bool {
    let root = error.find_root();
    matches!(root, DataFusionError::ArrowError(..) | DataFusionError::Execution(_))
}

fn apply(expression: &dyn PhysicalExpr, batch: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
    expression.evaluate(batch)?.into_array(batch.num_rows())
}

fn truth(array: &ArrayRef) -> Result<BooleanArray> {
    match array.data_type() {
        DataType::Boolean => Ok(array.as_boolean().clone()),
        DataType::Null => Ok(BooleanArray::new_null(array.len())),
        other => Err(malformed(&format!("HAVING is of type {other}"))),
    }
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
