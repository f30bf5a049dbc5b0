//! From DataFusion's plan to the one shape that is answered: filters and expressions over one
//! table, one aggregation, and what is made of its results.

use std::sync::Arc;

use datafusion::{
    common::{
        Column, DFSchema, ScalarValue,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    logical_expr::{Distinct, Expr, FetchType, LogicalPlan, SkipType},
};

use super::expr::{columns, inside, size};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// What an aggregate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Count,
    Sum,
    Avg,
}

/// One aggregate, as resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aggregate {
    pub(super) function: Function,
    /// `None` is COUNT(*).
    pub(super) argument: Option<Expr>,
    pub(super) filter: Option<Expr>,
}

/// One sort key.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) expr: Expr,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// A question in its one shape. Expressions below the aggregation are over the table's columns;
/// those above over `kI` (key) and `aI` (aggregate).
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) table: String,
    pub(super) filters: Vec<Expr>,
    pub(super) keys: Vec<Expr>,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) columns: Vec<(String, Expr)>,
    pub(super) having: Vec<Expr>,
    pub(super) sort: Vec<Order>,
    pub(super) limit: Option<u64>,
    pub(super) offset: u64,
    fields: Vec<Expr>,
    limited: bool,
}

/// A subquery is written out where it is used; what it may grow to.
const MOST_NODES: usize = 20_000;

/// Brings a plan into shape.
pub(super) fn shape(plan: &LogicalPlan) -> Result<Shape> {
    let mut shape = upper(plan)?;
    let fields = plan.schema().fields().iter();
    let prefix = format!("{}.", shape.table);
    let names = fields.map(|field| field.name().replace(&prefix, ""));
    shape.columns = names.zip(std::mem::take(&mut shape.fields)).collect();
    Ok(shape)
}

fn upper(plan: &LogicalPlan) -> Result<Shape> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let mut shape = upper(&projection.input)?;
            let (schema, from) = (projection.input.schema(), &shape.fields);
            shape.fields = substitute_all(&projection.expr, schema, from)?;
            Ok(shape)
        }
        LogicalPlan::SubqueryAlias(alias) => upper(&alias.input),
        LogicalPlan::Filter(filter) => {
            let mut shape = upper(&filter.input)?;
            if shape.limited {
                let message = "a filter on the rows that a LIMIT leaves is not supported";
                return Err(Refusal::new("filter_after_limit", message)
                    .suggest("put the condition into HAVING"));
            }
            let (schema, from) = (filter.input.schema(), &shape.fields);
            let condition = substitute(&filter.predicate, schema, from)?;
            shape.having.push(condition);
            Ok(shape)
        }
        LogicalPlan::Sort(sort) => {
            let mut shape = upper(&sort.input)?;
            if shape.limited {
                let message = "sorting the rows that a LIMIT leaves is not supported";
                return Err(Refusal::new("sort_after_limit", message)
                    .suggest("put ORDER BY and LIMIT into the same SELECT"));
            }
            let schema = sort.input.schema();
            let orders = sort.expr.iter().map(|order| {
                Ok(Order {
                    expr: substitute(&order.expr, schema, &shape.fields)?,
                    descending: !order.asc,
                    nulls_first: order.nulls_first,
                })
            });
            shape.sort = orders.collect::<Result<_>>()?;
            shape.limit = sort.fetch.map(|n| n as u64);
            Ok(shape)
        }
        LogicalPlan::Limit(limit) => {
            let mut shape = upper(&limit.input)?;
            let (skip, fetch) = (limit.get_skip_type(), limit.get_fetch_type());
            let (Ok(SkipType::Literal(skip)), Ok(FetchType::Literal(fetch))) = (skip, fetch) else {
                let message = "LIMIT and OFFSET take whole numbers";
                return Err(Refusal::new("unsupported_clause", message));
            };
            if shape.limited {
                let message = "a LIMIT of a LIMIT is not supported";
                return Err(Refusal::new("unsupported_clause", message).suggest("write one"));
            }
            shape.limited = true;
            shape.offset = skip as u64;
            shape.limit = fetch.map(|n| n as u64);
            Ok(shape)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let below = lower(&aggregate.input)?;
            let schema = aggregate.input.schema();
            if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
                let message = "ROLLUP, CUBE and GROUPING SETS are not supported";
                return Err(Refusal::new("grouping_sets", message).suggest("ask one GROUP BY"));
            }
            let keys = substitute_all(&aggregate.group_expr, schema, &below.fields)?;
            let mut aggregates: Vec<Aggregate> = Vec::new();
            let mut fields: Vec<Expr> = (0..keys.len()).map(|i| place('k', i)).collect();
            for expr in &aggregate.aggr_expr {
                let one = one(expr, schema, &below.fields)?;
                let at = aggregates.iter().position(|other| *other == one);
                let at = at.unwrap_or_else(|| {
                    aggregates.push(one);
                    aggregates.len() - 1
                });
                fields.push(place('a', at));
            }
            Ok(Shape {
                table: below.table,
                filters: below.filters,
                keys,
                aggregates,
                columns: Vec::new(),
                having: Vec::new(),
                sort: Vec::new(),
                limit: None,
                offset: 0,
                fields,
                limited: false,
            })
        }
        other => Err(refuse(other, false)),
    }
}

fn place(letter: char, i: usize) -> Expr {
    Expr::Column(Column::new_unqualified(format!("{letter}{i}")))
}

/// Filters and expressions over one table.
struct Lower {
    table: String,
    fields: Vec<Expr>,
    filters: Vec<Expr>,
}

fn lower(plan: &LogicalPlan) -> Result<Lower> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let names = scan.projected_schema.fields().iter();
            let names = names.map(|field| Column::new_unqualified(field.name()));
            Ok(Lower {
                table: scan.table_name.table().to_owned(),
                fields: names.map(Expr::Column).collect(),
                filters: scan.filters.clone(),
            })
        }
        LogicalPlan::Projection(projection) => {
            let mut below = lower(&projection.input)?;
            let (schema, from) = (projection.input.schema(), &below.fields);
            below.fields = substitute_all(&projection.expr, schema, from)?;
            Ok(below)
        }
        LogicalPlan::Filter(filter) => {
            let mut below = lower(&filter.input)?;
            let (schema, from) = (filter.input.schema(), &below.fields);
            let condition = substitute(&filter.predicate, schema, from)?;
            below.filters.push(condition);
            Ok(below)
        }
        LogicalPlan::SubqueryAlias(alias) => lower(&alias.input),
        // An order below an aggregation changes nothing.
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => lower(&sort.input),
        other => Err(refuse(other, true)),
    }
}

/// Says what cannot be answered. `below` an aggregation, or in place of one.
fn refuse(plan: &LogicalPlan, below: bool) -> Refusal {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let table = super::text::name(scan.table_name.table());
            Refusal::new("rows", "rows never leave a site: a query needs an aggregate")
                .suggest(format!("try SELECT COUNT(*) AS n FROM {table}"))
        }
        LogicalPlan::Aggregate(_) => {
            Refusal::new("two_levels", "an aggregation over an aggregation is not supported")
                .suggest("ask the inner one, and work on its answer")
        }
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) if below => Refusal::new(
            "limit_below",
            "LIMIT below an aggregation is not supported: it would pick rows",
        )
        .suggest("leave it out, or put it behind the GROUP BY"),
        LogicalPlan::Join(_) => Refusal::new("join", "a join is not supported")
            .suggest("join the tables at the sites before they are registered"),
        LogicalPlan::Union(_) => {
            Refusal::new("union", "UNION is not supported").suggest("ask its parts one by one")
        }
        LogicalPlan::Distinct(Distinct::All(_) | Distinct::On(_)) => {
            Refusal::new("distinct", "DISTINCT is not supported")
                .suggest("count by value: SELECT x, COUNT(*) ... GROUP BY x")
        }
        LogicalPlan::Window(_) => {
            Refusal::new("window", "window functions are not supported").suggest("use GROUP BY")
        }
        LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => {
            Refusal::new("no_table", "a query reads a table of the study")
                .suggest("try SHOW TABLES")
        }
        other => {
            let name = format!("{}", other.display());
            let name = name.split([':', ' ']).next().unwrap_or_default().to_owned();
            Refusal::new("unsupported", format!("{name} is not supported"))
        }
    }
}

/// One aggregate.
fn one(expr: &Expr, schema: &Arc<DFSchema>, fields: &[Expr]) -> Result<Aggregate> {
    let call = match expr {
        Expr::Alias(alias) => return one(&alias.expr, schema, fields),
        Expr::AggregateFunction(call) => call,
        other => {
            let message = format!("{other} is not supported");
            return Err(Refusal::new("unsupported_expression", message));
        }
    };
    let name = call.func.name();
    let parameters = &call.params;
    if parameters.distinct {
        let message = format!("{name}(DISTINCT ...) is not supported");
        return Err(Refusal::new("distinct", message).suggest("count by value with GROUP BY"));
    }
    if !parameters.order_by.is_empty() || parameters.null_treatment.is_some() {
        let message = format!("ORDER BY and NULLS in {name}(...) are not supported");
        return Err(Refusal::new("aggregate", message).suggest("leave them out"));
    }
    let function = match name {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "avg" => Function::Avg,
        _ => {
            let message = format!("{} is not supported", name.to_uppercase());
            return Err(Refusal::new("aggregate", message)
                .suggest("there are COUNT, SUM and AVG, each with FILTER (WHERE ...)"));
        }
    };
    let [argument] = parameters.args.as_slice() else {
        let message = format!("{} takes one argument", name.to_uppercase());
        return Err(Refusal::new("type", message));
    };
    let argument = substitute(argument, schema, fields)?;
    let constant = |e: &Expr| match e {
        Expr::Literal(value, _) => !value.is_null(),
        _ => false,
    };
    let filter = parameters.filter.as_ref();
    let filter = filter.map(|filter| substitute(filter, schema, fields));
    Ok(Aggregate {
        function,
        argument: match function {
            Function::Count if constant(&argument) => None,
            _ => Some(argument),
        },
        filter: filter.transpose()?,
    })
}

/// `expr` over a node's output, written over what the node's input is made of.
fn substitute(expr: &Expr, schema: &Arc<DFSchema>, fields: &[Expr]) -> Result<Expr> {
    let replaced = expr.clone().transform_up(|node| match &node {
        Expr::Column(column) => {
            let at = schema.index_of_column(column)?;
            Ok(Transformed::yes(fields[at].clone()))
        }
        _ => Ok(Transformed::no(node)),
    });
    let replaced = replaced.data().map_err(|e| inside(&e))?;
    if size(&replaced) > MOST_NODES {
        let message = "the query is too long once its subqueries are written out";
        return Err(Refusal::new("too_long", message).suggest("split it into several queries"));
    }
    Ok(replaced)
}

fn substitute_all(exprs: &[Expr], schema: &Arc<DFSchema>, fields: &[Expr]) -> Result<Vec<Expr>> {
    let bare = exprs.iter().map(|expr| match expr {
        Expr::Alias(alias) => alias.expr.as_ref(),
        other => other,
    });
    bare.map(|expr| substitute(expr, schema, fields)).collect()
}

impl Aggregate {
    /// Whether it reads the column.
    pub(super) fn reads(&self, column: &str) -> bool {
        let parts = [&self.argument, &self.filter];
        parts.into_iter().flatten().any(|e| columns(e).contains(column))
    }
}

/// A condition that is always true.
pub(super) fn always() -> Expr {
    Expr::Literal(ScalarValue::Boolean(Some(true)), None)
}
