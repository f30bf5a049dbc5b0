//! What the analyst's side makes of the opened numbers.
//!
//! Expressions above the aggregation become text over the table `released`, with `kI` for keys and
//! `nJ` for opened numbers, as [`OutputColumn::expression`] says. A mean is made there of its sum
//! and its count, rounded once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema},
    common::DFSchema,
    logical_expr::{Expr, ExprSchemable, TryCast},
};
use tacit_plan::{Key, OutputColumn, Release, Role, Rule, Sort, Value};

use super::{
    domain::value_type,
    expr::{Safe, columns, inside},
    interval::{Interval, Ranges},
    rules::{Made, Rules},
    shape::{Function, Shape},
    text,
};
use crate::{Refusal, types};

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// The release of a question.
pub(super) fn release(
    shape: &Shape,
    keys: &[Key],
    rules: &Rules<'_>,
    below: &Safe<'_>,
    notes: &mut BTreeSet<String>,
) -> Result<Release> {
    let schema = schema(shape, keys, rules)?;
    let ranges = ranges(keys, rules);
    let mut writer = Writer {
        safe: Safe { schema: &schema, nullif: Arc::clone(&below.nullif), notes: BTreeSet::new() },
        rules,
        schema: &schema,
        ranges: &ranges,
    };
    let mut columns = Vec::new();
    for (name, expr) in &shape.columns {
        let day = day_of(expr, shape, rules);
        let (expression, numbers, safe) = writer.write(day.as_ref().unwrap_or(expr))?;
        columns.push(OutputColumn {
            name: name.clone(),
            r#type: value_type(&safe, &schema)?,
            unit: unit(&safe, shape, rules),
            count: counts_only(&safe, rules),
            numbers,
            expression,
        });
    }
    let having = shape.having.iter().cloned();
    let having = having.reduce(datafusion::logical_expr::and);
    let having = having.map(|having| writer.write(&having)).transpose()?;
    let mut sort = Vec::new();
    for order in &shape.sort {
        let (expression, numbers, _) = writer.write(&order.expr)?;
        sort.push(Sort {
            expression,
            numbers,
            descending: order.descending,
            nulls_first: order.nulls_first,
        });
    }
    notes.extend(writer.safe.notes);
    Ok(Release {
        columns,
        having: having.map(|(expression, numbers, _)| (expression, numbers)),
        sort,
        limit: shape.limit,
        offset: shape.offset,
    })
}

struct Writer<'a> {
    safe: Safe<'a>,
    rules: &'a Rules<'a>,
    schema: &'a DFSchema,
    ranges: &'a BTreeMap<String, Interval>,
}

impl Writer<'_> {
    /// The text of an expression over keys and aggregates, the numbers that it reads, and itself.
    fn write(&mut self, expr: &Expr) -> Result<(String, Vec<usize>, Expr)> {
        let safe = self.safe.expr(expr.clone())?;
        Ranges { schema: self.schema, columns: self.ranges }.of(&safe)?;
        let made = |name: &str| {
            let at: usize = name.strip_prefix('a')?.parse().ok()?;
            self.rules.made.get(at).copied()
        };
        let text = text::sql_with(&safe, &|name| match made(name) {
            None => name.to_owned(),
            Some(Made::Count(n) | Made::Sum(n, _, true)) => format!("n{n}"),
            Some(Made::Sum(n, scale, false)) => format!("decimal_of(n{n}, {scale})"),
            Some(Made::Mean(s, c, scale)) => format!("mean_of(n{s}, n{c}, {scale})"),
        })?;
        let read = columns(&safe);
        let numbers: BTreeSet<usize> =
            read.iter().filter_map(|name| made(name)).flat_map(Made::numbers).collect();
        Ok((text, numbers.into_iter().collect(), safe))
    }
}

/// Keys and aggregates as columns.
fn schema(shape: &Shape, keys: &[Key], rules: &Rules<'_>) -> Result<DFSchema> {
    let mut fields = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        fields.push(Field::new(format!("k{i}"), types::value_type(key.r#type), true));
    }
    for (i, aggregate) in shape.aggregates.iter().enumerate() {
        let (kind, nullable) = match aggregate.function {
            Function::Count => (DataType::Int64, false),
            Function::Avg => (DataType::Float64, true),
            Function::Sum => {
                let kind = aggregate.argument.as_ref().map(|a| a.get_type(rules.schema));
                match kind.transpose().map_err(|e| inside(&e))? {
                    Some(DataType::Decimal128(_, scale)) => {
                        (DataType::Decimal128(types::RESULT_DIGITS, scale), true)
                    }
                    _ => (DataType::Int64, true),
                }
            }
        };
        fields.push(Field::new(format!("a{i}"), kind, nullable));
    }
    DFSchema::try_from(Schema::new(fields)).map_err(|e| inside(&e))
}

/// Ranges of keys and aggregates.
fn ranges(keys: &[Key], rules: &Rules<'_>) -> BTreeMap<String, Interval> {
    let mut ranges = BTreeMap::new();
    for (i, key) in keys.iter().enumerate() {
        let unscaled = key.domain.iter().filter_map(|value| match value {
            Value::Integer(n) => Some((i128::from(*n), 0)),
            Value::Decimal { unscaled, scale } => Some((*unscaled, u32::from(*scale))),
            _ => None,
        });
        let all: Vec<(i128, u32)> = unscaled.collect();
        let (low, high) = (all.iter().min(), all.iter().max());
        if let (Some((low, scale)), Some((high, _))) = (low, high) {
            ranges.insert(format!("k{i}"), Interval::new(*low, *high, *scale));
        }
    }
    for (i, made) in rules.made.iter().enumerate() {
        let (number, scale) = match made {
            Made::Count(number) => (*number, 0),
            Made::Sum(number, scale, _) => (*number, u32::from(*scale)),
            Made::Mean(..) => continue,
        };
        let input = rules.numbers[number].value.map(|input| &rules.inputs[input]);
        let Some(input) = input else { continue };
        let most = (1_i128 << input.bits) - 1;
        let interval = match input.role {
            Role::Sum => {
                Interval::new(-(1 << (input.bits - 1)), (1 << (input.bits - 1)) - 1, scale)
            }
            _ => Interval::new(0, most, 0),
        };
        ranges.insert(format!("a{i}"), interval);
    }
    ranges
}

/// The aggregate that an expression is, if it is one and nothing else.
fn plain(expr: &Expr, letter: char) -> Option<usize> {
    match expr {
        Expr::Column(column) => column.name.strip_prefix(letter)?.parse().ok(),
        _ => None,
    }
}

/// A key that truncates a date, as the date that it is; the engine makes it a moment.
fn day_of(expr: &Expr, shape: &Shape, rules: &Rules<'_>) -> Option<Expr> {
    let Expr::ScalarFunction(call) = shape.keys.get(plain(expr, 'k')?)? else {
        return None;
    };
    let ("date_trunc", [Expr::Literal(part, _), time]) = (call.func.name(), call.args.as_slice())
    else {
        return None;
    };
    let time = match time {
        Expr::TryCast(cast) => &cast.expr,
        other => other,
    };
    let day = time.get_type(rules.schema).is_ok_and(|kind| kind == DataType::Date32);
    let days = ["day", "week", "month", "quarter", "year"];
    let part = part.to_string().to_lowercase();
    (day && days.contains(&part.trim_matches('\'')))
        .then(|| Expr::TryCast(TryCast::new(Box::new(expr.clone()), DataType::Date32)))
}

/// Unit of a plain key, sum or mean of a column.
fn unit(expr: &Expr, shape: &Shape, rules: &Rules<'_>) -> Option<String> {
    let source = match (plain(expr, 'k'), plain(expr, 'a')) {
        (Some(key), _) => shape.keys.get(key),
        (_, Some(at)) => {
            let aggregate = shape.aggregates.get(at)?;
            let measures = aggregate.function != Function::Count;
            aggregate.argument.as_ref().filter(|_| measures)
        }
        _ => None,
    };
    match source? {
        Expr::Column(column) => {
            let own = rules.table.columns.iter().find(|c| c.name == column.name);
            own.and_then(|column| column.unit.clone())
        }
        _ => None,
    }
}

/// Whether a hidden value of the column says no more and no less than that a count of records is
/// below the threshold.
fn counts_only(expr: &Expr, rules: &Rules<'_>) -> bool {
    let Some(Made::Count(number)) = plain(expr, 'a').and_then(|at| rules.made.get(at)) else {
        return false;
    };
    rules.table.person.is_none()
        && rules.numbers[*number].hidden_by.iter().all(|test| {
            matches!(rules.tests[*test].rule, Rule::Total | Rule::Group | Rule::Contribution)
        })
}
