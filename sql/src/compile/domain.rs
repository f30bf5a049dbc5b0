//! Public domains: what an expression can be, found by evaluating it over all that its columns can
//! be.
//!
//! A timestamp has too many values to list. Where an expression reads it only through parts of the
//! date (or of the hour, the minute), one value for each day (hour, minute) of its range stands for
//! all.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch,
            StringViewArray, TimestampMicrosecondArray, UInt64Array,
        },
        compute::{concat, take},
        datatypes::{DataType, Field, Schema, TimeUnit},
    },
    common::{
        DFSchema, ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Expr, ExprSchemable},
};
use tacit_plan::{Column, ColumnType, Table, Type, Value};

use super::{
    expr::{columns, inside, physical},
    points, text,
};
use crate::{Refusal, types};

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Combinations that are evaluated at once.
const CHUNK: usize = 8192;

/// Microseconds of a minute, an hour, a day.
const STEPS: [i64; 3] = [60_000_000, 3_600_000_000, 86_400_000_000];

/// The values that columns can take, and how to run through their combinations.
pub(super) struct Space {
    schema: DFSchema,
    values: Vec<Values>,
    sizes: Vec<usize>,
}

/// The values of one column.
enum Values {
    /// All of them, a timestamp's by a step.
    All(Column, Option<i64>),
    Given(ArrayRef),
}

/// Result of a type's image.
pub(super) type Image = Vec<Value>;

impl Space {
    /// The combinations of the columns that `exprs` read; refused beyond `most`.
    pub(super) fn new(exprs: &[&Expr], table: &Table, most: usize) -> Result<Self> {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for expr in exprs {
            names.extend(columns(expr));
        }
        let mut all = Vec::new();
        let mut sizes = Vec::new();
        let mut product: u128 = 1;
        for name in names {
            let column = table.columns.iter().find(|column| column.name == name);
            let Some(column) = column else {
                return Err(Refusal::new("malformed", format!("no column {name}")));
            };
            let step = match column.r#type {
                ColumnType::Timestamp { .. } => Some(step(exprs, &name)?),
                _ => None,
            };
            let size = size(column, step)?;
            product = product.saturating_mul(size);
            sizes.push(size);
            all.push((name, column.clone(), step));
        }
        if product > most as u128 {
            let each = all.iter().zip(&sizes);
            let each: Vec<String> = each.map(|((n, ..), s)| format!("{n} has {s}")).collect();
            let message = format!(
                "the domain is too large: {product} combinations of values ({}); the most is {most}",
                each.join(", ")
            );
            return Err(Refusal::new("domain_too_large", message)
                .suggest("use coarser columns, or narrower ranges in the dictionary"));
        }
        let schema = schema_of(all.iter().map(|(_, column, _)| column))?;
        let values = all.into_iter().map(|(_, column, step)| Values::All(column, step));
        let sizes = sizes.into_iter().map(|size| size as usize).collect();
        Ok(Self { schema, values: values.collect(), sizes })
    }

    /// The combinations of given values; refused beyond `most`.
    pub(super) fn given(lists: Vec<(Column, ArrayRef)>, most: usize) -> Result<Self> {
        let schema = schema_of(lists.iter().map(|(column, _)| column))?;
        let sizes: Vec<usize> = lists.iter().map(|(_, list)| list.len()).collect();
        if sizes.iter().fold(1, |all: usize, size| all.saturating_mul(*size)) > most {
            return Err(Refusal::new("domain_too_large", "too many points to try"));
        }
        let values = lists.into_iter().map(|(_, list)| Values::Given(list)).collect();
        Ok(Self { schema, values, sizes })
    }

    /// Evaluates `exprs` over all combinations, chunk by chunk, until `see` has seen enough
    /// (returns false).
    pub(super) fn run(
        &self,
        exprs: &[&Expr],
        mut see: impl FnMut(&[ArrayRef]) -> bool,
    ) -> Result<()> {
        let physical = exprs.iter().map(|expr| physical(expr, &self.schema));
        let physical = physical.collect::<Result<Vec<_>, _>>().map_err(|e| inside(&e))?;
        let values = self.values.iter().map(|values| match values {
            Values::All(column, step) => listed(column, *step),
            Values::Given(list) => Ok(Arc::clone(list)),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        let total: usize = self.sizes.iter().product();
        let schema = Arc::new(self.schema.as_arrow().clone());
        let mut start = 0;
        while start < total {
            let end = (start + CHUNK).min(total);
            let mut behind = total;
            let mut arrays = Vec::with_capacity(values.len());
            for (list, size) in values.iter().zip(&self.sizes) {
                behind /= size;
                let at = (start..end).map(|i| (i / behind % size) as u64);
                let at = UInt64Array::from_iter_values(at);
                arrays.push(take(list, &at, None).map_err(|e| inside(&e.into()))?);
            }
            let options = datafusion::arrow::array::RecordBatchOptions::new()
                .with_row_count(Some(end - start));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)
                .map_err(|e| inside(&e.into()))?;
            let results = physical.iter().map(|expr| {
                let value = expr.evaluate(&batch)?;
                value.into_array(end - start)
            });
            let results = results.collect::<Result<Vec<_>, _>>().map_err(|e| inside(&e))?;
            if !see(&results) {
                return Ok(());
            }
            start = end;
        }
        Ok(())
    }
}

/// The domain of a key: its image, in the order of the values, NULL last and only if it occurs; a
/// plain category in the order of the dictionary. With it, how many combinations were tried.
///
/// Refused if more than the first of `limits` would have to be tried, and as soon as there are more
/// values than the second.
pub(super) fn key(
    expr: &Expr,
    kind: Type,
    table: &Table,
    (most, cells): (usize, usize),
) -> Result<(Image, usize)> {
    let space = match Space::new(&[expr], table, most) {
        Ok(space) => space,
        // Bands of a column with more values than can be tried.
        Err(refusal) => points::space(expr, table).ok_or(refusal)?,
    };
    let mut seen = HashSet::new();
    let mut values = Vec::new();
    let mut fault = None;
    space.run(&[expr], |results| {
        match types::values(&results[0], kind) {
            Ok(chunk) => {
                for value in chunk {
                    if seen.insert(identity(&value)) {
                        values.push(value);
                    }
                }
            }
            Err(e) => fault = Some(inside(&e)),
        }
        if values.len() > cells && fault.is_none() {
            let message = format!("it has more than {cells} values, a cell for each");
            fault = Some(Refusal::new("too_many_cells", message));
        }
        fault.is_none()
    })?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let plain = matches!(expr, Expr::Column(column)
        if table.columns.iter().any(|c| c.name == column.name
            && matches!(c.r#type, ColumnType::Category { .. })));
    if !plain {
        values.sort_by(order);
    }
    Ok((values, space.sizes.iter().product()))
}

/// At most `most + 1` different non-NULL values of `expr` where all of `conditions` hold.
pub(super) fn few(
    expr: &Expr,
    conditions: &[&Expr],
    table: &Table,
    max_domain: usize,
    most: usize,
) -> Result<Vec<ScalarValue>> {
    let exprs = [&[expr], conditions].concat();
    Space::new(&exprs, table, max_domain)?.few(expr, conditions, most)
}

/// Whether `wide` holds wherever all of `narrow` hold; `None` if that cannot be told by trying
/// `most` combinations.
pub(super) fn implies(
    narrow: &[&Expr],
    wide: &[&Expr],
    table: &Table,
    most: usize,
) -> Option<bool> {
    let exprs = [narrow, wide].concat();
    Space::new(&exprs, table, most).ok()?.implies(narrow, wide)
}

impl Space {
    /// As [`few`].
    pub(super) fn few(
        &self,
        expr: &Expr,
        conditions: &[&Expr],
        most: usize,
    ) -> Result<Vec<ScalarValue>> {
        let exprs = [&[expr], conditions].concat();
        let mut found: Vec<ScalarValue> = Vec::new();
        let mut fault = None;
        self.run(&exprs, |results| {
            for row in 0..results[0].len() {
                if results[0].is_null(row) || !results[1..].iter().all(|c| holds(c, row)) {
                    continue;
                }
                match ScalarValue::try_from_array(&results[0], row) {
                    Ok(value) if found.contains(&value) => {}
                    Ok(value) => found.push(value),
                    Err(e) => fault = Some(inside(&e)),
                }
                if found.len() > most || fault.is_some() {
                    return false;
                }
            }
            true
        })?;
        match fault {
            Some(fault) => Err(fault),
            None => Ok(found),
        }
    }

    /// As [`implies`].
    pub(super) fn implies(&self, narrow: &[&Expr], wide: &[&Expr]) -> Option<bool> {
        let exprs = [narrow, wide].concat();
        let mut holding = true;
        let run = self.run(&exprs, |results| {
            let (n, w) = results.split_at(narrow.len());
            let rows = results.first().map_or(0, Array::len);
            holding = (0..rows)
                .all(|row| !n.iter().all(|c| holds(c, row)) || w.iter().all(|c| holds(c, row)));
            holding
        });
        run.ok().map(|()| holding)
    }
}

fn schema_of<'a>(columns: impl Iterator<Item = &'a Column>) -> Result<DFSchema> {
    let fields = columns
        .map(|column| Field::new(&column.name, types::column_type(&column.r#type), column.missing));
    DFSchema::try_from(Schema::new(fields.collect::<Vec<_>>())).map_err(|e| inside(&e))
}

fn holds(condition: &ArrayRef, row: usize) -> bool {
    let booleans = condition.as_any().downcast_ref::<BooleanArray>();
    booleans.is_some_and(|b| b.is_valid(row) && b.value(row))
}

/// A key for sets of values.
pub(crate) fn identity(value: &Value) -> (u8, i128, String) {
    match value {
        Value::Null => (0, 0, String::new()),
        Value::Integer(n) => (1, (*n).into(), String::new()),
        Value::Decimal { unscaled, .. } => (2, *unscaled, String::new()),
        Value::Float(x) => (3, x.to_bits().into(), String::new()),
        Value::Boolean(b) => (4, (*b).into(), String::new()),
        Value::Text(text) => (5, 0, text.clone()),
        Value::Date(days) => (6, (*days).into(), String::new()),
        Value::Timestamp(micros) => (7, (*micros).into(), String::new()),
    }
}

/// By value, NULL last.
fn order(a: &Value, b: &Value) -> Ordering {
    let null = |value: &Value| matches!(value, Value::Null);
    null(a).cmp(&null(b)).then_with(|| identity(a).cmp(&identity(b)))
}

/// The step at which `exprs` may look at the timestamp `name`: the coarsest at which each use of
/// it is constant.
fn step(exprs: &[&Expr], name: &str) -> Result<i64> {
    let mut finest = STEPS[2];
    for expr in exprs {
        let mut bare = false;
        let _ = expr.apply(|node| {
            let inner = match node {
                Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
                    ("date_part" | "date_trunc", [Expr::Literal(part, _), inner]) => {
                        Some((granularity(&part.to_string()), inner))
                    }
                    _ => None,
                },
                Expr::TryCast(cast) if cast.field.data_type() == &DataType::Date32 => {
                    Some((Some(STEPS[2]), cast.expr.as_ref()))
                }
                Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                    Some((Some(STEPS[2]), inner.as_ref()))
                }
                _ => None,
            };
            let is = |e: &Expr| matches!(e, Expr::Column(column) if column.name == name);
            match (node, inner) {
                (_, Some((Some(step), inner))) if is(inner) => {
                    finest = finest.min(step);
                    Ok(TreeNodeRecursion::Jump)
                }
                (node, _) if is(node) => {
                    bare = true;
                    Ok(TreeNodeRecursion::Stop)
                }
                _ => Ok(TreeNodeRecursion::Continue),
            }
        });
        if bare {
            let quoted = text::name(name);
            let message = format!("the timestamp {quoted} has no public list of values");
            return Err(Refusal::new("no_domain", message).suggest(format!(
                "use a part of it: date_trunc('month', {quoted}), EXTRACT(YEAR FROM {quoted}) or \
                 CAST({quoted} AS DATE)"
            )));
        }
    }
    Ok(finest)
}

fn granularity(part: &str) -> Option<i64> {
    Some(match part.trim_matches('\'').to_lowercase().as_str() {
        "minute" => STEPS[0],
        "hour" => STEPS[1],
        "day" | "week" | "month" | "quarter" | "year" | "dow" | "doy" | "isodow" | "isoyear"
        | "decade" | "century" | "millennium" => STEPS[2],
        _ => return None,
    })
}

fn malformed(column: &Column) -> Refusal {
    let message = format!("the range of {} in the dictionary cannot be read", column.name);
    Refusal::new("dictionary", message)
}

/// Both ends of a range that is written as text, as whole numbers of its unit.
fn ends(column: &Column, range: &[String; 2], kind: &DataType) -> Result<(i128, i128)> {
    let end = |text: &String| {
        let value = ScalarValue::Utf8(Some(text.trim().to_owned())).cast_to(kind).ok()?;
        match value {
            ScalarValue::Date32(Some(n)) => Some(i128::from(n)),
            ScalarValue::TimestampMicrosecond(Some(n), _) => Some(i128::from(n)),
            ScalarValue::Decimal128(Some(n), ..) => Some(n),
            _ => None,
        }
    };
    match (end(&range[0]), end(&range[1])) {
        (Some(low), Some(high)) if low <= high => Ok((low, high)),
        _ => Err(malformed(column)),
    }
}

/// The range of a numeric column, unscaled, with its scale; `None` for other columns.
pub(super) fn range(column: &Column) -> Result<Option<(i128, i128, u32)>> {
    let kind = types::column_type(&column.r#type);
    Ok(match &column.r#type {
        ColumnType::Integer { range } => Some((range[0].into(), range[1].into(), 0)),
        ColumnType::Decimal { scale, range, .. } => {
            let (low, high) = ends(column, range, &kind)?;
            Some((low, high, u32::from(*scale)))
        }
        _ => None,
    })
}

/// The span of a date or timestamp column, in microseconds; `None` for other columns.
pub(super) fn moments(column: &Column) -> Result<Option<(i128, i128)>> {
    let kind = types::column_type(&column.r#type);
    let day = i128::from(STEPS[2]);
    Ok(match &column.r#type {
        ColumnType::Date { range } => {
            let (low, high) = ends(column, range, &kind)?;
            Some((low * day, high * day))
        }
        ColumnType::Timestamp { range } => Some(ends(column, range, &kind)?),
        _ => None,
    })
}

/// Whole numbers that stand for a column's values, as `low..=high` by `step`.
fn numbers(column: &Column, step: Option<i64>) -> Result<Option<(i128, i128, i128)>> {
    let kind = types::column_type(&column.r#type);
    Ok(match &column.r#type {
        ColumnType::Integer { .. } | ColumnType::Decimal { .. } => {
            range(column)?.map(|(low, high, _)| (low, high, 1))
        }
        ColumnType::Date { range } => {
            let (low, high) = ends(column, range, &kind)?;
            Some((low, high, 1))
        }
        ColumnType::Timestamp { range } => {
            let (low, high) = ends(column, range, &kind)?;
            let step = i128::from(step.unwrap_or(1));
            Some((low.div_euclid(step) * step, high, step))
        }
        ColumnType::Boolean | ColumnType::Category { .. } | ColumnType::Text => None,
    })
}

/// How many values a column has, NULL included.
fn size(column: &Column, step: Option<i64>) -> Result<u128> {
    let values = match &column.r#type {
        ColumnType::Boolean => 2,
        ColumnType::Category { values } => values.len() as u128,
        ColumnType::Text => {
            let name = text::name(&column.name);
            let message = format!("the text column {name} has no public list of values");
            return Err(Refusal::new("no_domain", message).suggest(format!(
                "filter on it (WHERE {name} LIKE ...), or let the study list its values as a category"
            )));
        }
        _ => match numbers(column, step)? {
            Some((low, high, step)) if low <= high => ((high - low) / step) as u128 + 1,
            _ => 0,
        },
    };
    Ok(values + u128::from(column.missing))
}

/// The values of a column, NULL last if it may be missing.
pub(super) fn listed(column: &Column, step: Option<i64>) -> Result<ArrayRef> {
    let values: ArrayRef = match &column.r#type {
        ColumnType::Boolean => Arc::new(BooleanArray::from(vec![false, true])),
        ColumnType::Category { values } => {
            Arc::new(StringViewArray::from_iter_values(values.iter()))
        }
        ColumnType::Text => return Err(malformed(column)),
        _ => {
            let (low, high, step) = numbers(column, step)?.ok_or_else(|| malformed(column))?;
            return array_of(column, (0..=(high - low) / step).map(|i| low + i * step));
        }
    };
    with_missing(values, column)
}

/// Whole numbers as values of a column, NULL last if it may be missing.
pub(super) fn array_of(column: &Column, all: impl Iterator<Item = i128>) -> Result<ArrayRef> {
    let kind = types::column_type(&column.r#type);
    let values: ArrayRef = match &kind {
        DataType::Int64 => Arc::new(Int64Array::from_iter_values(all.map(|n| n as i64))),
        DataType::Date32 => Arc::new(Date32Array::from_iter_values(all.map(|n| n as i32))),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            Arc::new(TimestampMicrosecondArray::from_iter_values(all.map(|n| n as i64)))
        }
        _ => Arc::new(Decimal128Array::from_iter_values(all).with_data_type(kind.clone())),
    };
    with_missing(values, column)
}

/// `values` and NULL, if the column may be missing.
pub(super) fn with_missing(values: ArrayRef, column: &Column) -> Result<ArrayRef> {
    if !column.missing {
        return Ok(values);
    }
    let null = datafusion::arrow::array::new_null_array(values.data_type(), 1);
    concat(&[values.as_ref(), null.as_ref()]).map_err(|e| inside(&e.into()))
}

/// The dictionary's type of an expression's values.
pub(super) fn value_type(expr: &Expr, schema: &DFSchema) -> Result<Type> {
    let kind = expr.get_type(schema).map_err(|e| inside(&e))?;
    type_of(&kind).ok_or_else(|| {
        let text = text::sql(expr).unwrap_or_default();
        Refusal::new("unsupported_type", format!("{text} has the type {kind}"))
            .suggest("convert it: CAST(... AS BIGINT), DECIMAL(p,s), VARCHAR, DATE or TIMESTAMP")
    })
}

fn type_of(kind: &DataType) -> Option<Type> {
    Some(match kind {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Type::Integer,
        DataType::Decimal128(_, scale) => Type::Decimal { scale: u8::try_from(*scale).ok()? },
        DataType::Float32 | DataType::Float64 => Type::Float,
        DataType::Boolean => Type::Boolean,
        DataType::Utf8 | DataType::Utf8View | DataType::Null => Type::Text,
        DataType::Date32 => Type::Date,
        DataType::Timestamp(TimeUnit::Microsecond, None) => Type::Timestamp,
        _ => return None,
    })
}
