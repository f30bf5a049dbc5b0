//! Expressions made safe to run on rows that nobody may see.
//!
//! An expression is taken only if every operation in it is known here. It is rewritten so that no
//! row can make it fail, since a failure would tell about that row: a conversion that fails yields
//! NULL, and so does a division by zero. Overflow is excluded separately, in `interval`.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions, new_null_array},
        datatypes::{DataType, Field, Schema, TimeUnit},
    },
    common::{
        Column, DFSchema, ScalarValue,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    error::DataFusionError,
    execution::context::ExecutionProps,
    logical_expr::{
        Between, BinaryExpr, Cast, Expr, ExprSchemable, Operator, ScalarUDF, TryCast, Volatility,
        expr::{InList, ScalarFunction},
        physical_planning_context::PhysicalPlanningContext,
        simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
    physical_expr::{PhysicalExpr, create_physical_expr},
};

use super::{points, text};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Bounds of an expression once its subqueries are written out.
const MOST_NODES: usize = 30_000;
const DEEPEST: usize = 150;

/// The longest pattern of LIKE, in bytes.
const LONGEST_PATTERN: usize = 1000;

/// Functions that cannot fail, whatever the row.
pub(super) const FUNCTIONS: [&str; 29] = [
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "coalesce",
    "concat",
    "contains",
    "date_part",
    "date_trunc",
    "ends_with",
    "greatest",
    "initcap",
    "least",
    "left",
    "lower",
    "ltrim",
    "nullif",
    "nvl",
    "nvl2",
    "octet_length",
    "reverse",
    "right",
    "rtrim",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "trim",
    "upper",
];

/// Makes expressions over one schema safe.
pub(super) struct Safe<'a> {
    pub(super) schema: &'a DFSchema,
    /// `NULLIF`.
    pub(super) nullif: Arc<ScalarUDF>,
    /// What may surprise.
    pub(super) notes: BTreeSet<String>,
}

impl Safe<'_> {
    /// The expression, rewritten.
    pub(super) fn expr(&mut self, expr: Expr) -> Result<Expr> {
        let safe = expr
            .transform_up(|node| self.node(node).map(Transformed::yes).map_err(outside))
            .data()
            .map_err(|e| inside(&e))?;
        self.trial(&safe)?;
        Ok(safe)
    }

    fn kind(&self, expr: &Expr) -> Result<DataType> {
        expr.get_type(self.schema).map_err(|e| inside(&e))
    }

    fn node(&mut self, node: Expr) -> Result<Expr> {
        let node = match node {
            Expr::Alias(alias) => *alias.expr,
            Expr::Column(column) => Expr::Column(Column::new_unqualified(column.name)),
            Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text), _) => {
                Expr::Literal(ScalarValue::Utf8View(text), None)
            }
            Expr::Literal(value, _) => Expr::Literal(value, None),
            Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
                self.cast(*expr, field.data_type())?
            }
            Expr::BinaryExpr(binary) => self.binary(binary)?,
            Expr::ScalarFunction(call) => {
                if let ("arrow_try_cast" | "arrow_cast", [inner, Expr::Literal(name, _)]) =
                    (call.func.name(), call.args.as_slice())
                {
                    let target = name.to_string().parse::<DataType>();
                    let target = target.map_err(|e| type_error(&e.to_string()))?;
                    return self.cast(inner.clone(), &target);
                }
                function(&call)?;
                Expr::ScalarFunction(call)
            }
            Expr::Like(like) => {
                // Patterns become automata, of which a large one fails.
                let short = match like.pattern.as_ref() {
                    Expr::Literal(value, _) => value.to_string().len() <= LONGEST_PATTERN,
                    _ => false,
                };
                if !short {
                    let message = format!(
                        "the pattern of LIKE must be a literal of at most {LONGEST_PATTERN} bytes"
                    );
                    return Err(Refusal::new("unsupported_expression", message)
                        .suggest("for text within text there are contains and strpos"));
                }
                Expr::Like(like)
            }
            Expr::Negative(inner) => match *inner {
                Expr::Literal(value, _) => match value.arithmetic_negate() {
                    Ok(value) => Expr::Literal(value, None),
                    Err(e) => return Err(type_error(&e.strip_backtrace())),
                },
                inner => Expr::Negative(Box::new(inner)),
            },
            Expr::Between(between) => Expr::Between(Between {
                expr: self.bare(between.expr),
                low: self.bare(between.low),
                high: self.bare(between.high),
                ..between
            }),
            Expr::InList(list) => {
                let items = list.list.into_iter().map(|item| *self.bare(Box::new(item)));
                Expr::InList(InList { list: items.collect(), expr: self.bare(list.expr), ..list })
            }
            node @ (Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Case(_)) => node,
            Expr::AggregateFunction(_) => {
                let message = "an aggregate inside an aggregate, a WHERE or a GROUP BY";
                return Err(Refusal::new("nested_aggregate", message)
                    .suggest("put the condition into HAVING, or ask two queries"));
            }
            other => {
                let message = format!("{other} is not supported");
                return Err(Refusal::new("unsupported_expression", message));
            }
        };
        let kind = self.kind(&node)?;
        match kind {
            DataType::Null
            | DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Utf8
            | DataType::Utf8View
            | DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond, None)
            | DataType::Interval(_) => Ok(node),
            DataType::Decimal128(_, scale) if scale >= 0 => Ok(node),
            other => Err(Refusal::new(
                "unsupported_type",
                format!("{node} has the type {other}, which is not supported"),
            )
            .suggest("use BIGINT, DECIMAL(p,s), DOUBLE, BOOLEAN, VARCHAR, DATE or TIMESTAMP")),
        }
    }

    fn cast(&self, expr: Expr, target: &DataType) -> Result<Expr> {
        let target = match target {
            DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            other => other.clone(),
        };
        let from = self.kind(&expr)?;
        if from == target {
            return Ok(expr);
        }
        let is_time = |kind: &DataType| matches!(kind, DataType::Date32 | DataType::Timestamp(..));
        let text = from.is_null() || from.is_string();
        if is_time(&target) && !is_time(&from) && !text {
            // It may lie outside the calendar, where steps fail.
            let message = format!("{expr} is no date: a number cannot be converted to one");
            return Err(Refusal::new("type", message)
                .suggest("write, say, DATE '2020-01-01' + INTERVAL '30 days'"));
        }
        if let Expr::Literal(value, _) = &expr
            && !matches!(target, DataType::Interval(_))
        {
            let wrong = || {
                let wanted = text::data_type(&target).unwrap_or_else(|_| target.to_string());
                Refusal::new("type", format!("'{value}' cannot be read as {wanted}"))
            };
            let cast = value.cast_to(&target).map_err(|_| wrong())?;
            if cast.is_null() && !value.is_null() {
                return Err(wrong());
            }
            return Ok(Expr::Literal(cast, None));
        }
        Ok(Expr::TryCast(TryCast::new(Box::new(expr), target)))
    }

    fn binary(&mut self, binary: BinaryExpr) -> Result<Expr> {
        let BinaryExpr { left, op, right } = binary;
        let right = match op {
            Operator::Divide | Operator::Modulo => {
                let kind = self.kind(&right)?;
                if op == Operator::Divide && kind.is_integer() {
                    self.notes.insert(format!(
                        "integer division truncates: {} / {}; write CAST(... AS DECIMAL(18,2)) \
                         for digits behind the point",
                        text::sql(&left)?,
                        text::sql(&right)?
                    ));
                }
                self.or_null(*right, &kind)?
            }
            Operator::Plus | Operator::Minus => {
                for side in [&left, &right] {
                    moderate(side, &self.kind(side)?)?;
                }
                *right
            }
            op if points::is_comparison(op) => {
                let (left, right) = (self.bare(left), self.bare(right));
                return Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, right)));
            }
            Operator::Multiply | Operator::And | Operator::Or | Operator::StringConcat => *right,
            other => {
                let message = format!("the operator {other} is not supported");
                let refusal = Refusal::new("unsupported_operator", message);
                return Err(refusal.suggest("for patterns there are LIKE and ILIKE"));
            }
        };
        Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, Box::new(right))))
    }

    /// One side of a comparison without a conversion that loses nothing: the engine makes it
    /// again, and the text is plainer without.
    #[allow(clippy::unnecessary_box_returns, reason = "it goes back to where it was")]
    fn bare(&self, side: Box<Expr>) -> Box<Expr> {
        let Expr::TryCast(cast) = side.as_ref() else {
            return side;
        };
        let from = self.kind(&cast.expr).ok().as_ref().and_then(digits);
        let to = digits(cast.field.data_type());
        match (from, to) {
            (Some(from), Some(to)) if from.0 <= to.0 && from.1 <= to.1 => cast.expr.clone(),
            _ => side,
        }
    }

    /// A divisor that is NULL where it is zero.
    fn or_null(&self, divisor: Expr, kind: &DataType) -> Result<Expr> {
        let zero = ScalarValue::new_zero(kind).map_err(|e| inside(&e))?;
        match &divisor {
            Expr::Literal(value, _) if *value == zero => {
                return Ok(Expr::Literal(
                    ScalarValue::try_new_null(kind).map_err(|e| inside(&e))?,
                    None,
                ));
            }
            Expr::Literal(..) => return Ok(divisor),
            Expr::ScalarFunction(call)
                if call.func.name() == "nullif"
                    && call.args.get(1) == Some(&Expr::Literal(zero.clone(), None)) =>
            {
                return Ok(divisor);
            }
            _ => {}
        }
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(
            Arc::clone(&self.nullif),
            vec![divisor, Expr::Literal(zero, None)],
        )))
    }

    /// Runs the expression once, on a row of NULLs: an argument that is wrong for every row (an
    /// unknown part of a date, say) shows here and not at the sites.
    fn trial(&self, expr: &Expr) -> Result<()> {
        if expanded(expr) > MOST_NODES || depth(expr) > DEEPEST {
            let message = format!(
                "an expression is longer than {MOST_NODES} parts or deeper than {DEEPEST}, its \
                 subqueries written out"
            );
            let suggestion = "write x IN (1, 2, 3) for x = 1 OR x = 2 OR x = 3";
            return Err(Refusal::new("too_long", message).suggest(suggestion));
        }
        let schema = Arc::new(self.schema.as_arrow().clone());
        let nullable: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let schema = Arc::new(Schema::new(nullable));
        let columns = schema.fields().iter();
        let columns = columns.map(|field| new_null_array(field.data_type(), 1)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let run = || -> Result<(), DataFusionError> {
            let schema = DFSchema::try_from(schema.as_ref().clone())?;
            let batch = RecordBatch::try_new_with_options(
                Arc::new(schema.as_arrow().clone()),
                columns,
                &options,
            )?;
            let physical = physical(expr, &schema)?;
            physical.evaluate(&batch)?;
            Ok(())
        };
        run().map_err(|e| type_error(&e.strip_backtrace()))?;
        self.trial_of_calls(expr)
    }

    /// Runs each call by itself as well: the engine skips a branch of CASE that no row takes, so
    /// that a call that always fails would otherwise show only where a row takes it.
    fn trial_of_calls(&self, expr: &Expr) -> Result<()> {
        let mut calls = Vec::new();
        let _ = expr.apply(|node| {
            if let Expr::ScalarFunction(call) = node {
                calls.push(call);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        for call in calls {
            let mut fields = Vec::new();
            let mut arguments = Vec::new();
            for (i, argument) in call.args.iter().enumerate() {
                arguments.push(match argument {
                    Expr::Literal(..) => argument.clone(),
                    other => {
                        let name = format!("a{i}");
                        fields.push(Field::new(&name, self.kind(other)?, true));
                        Expr::Column(Column::new_unqualified(name))
                    }
                });
            }
            let columns = fields.iter().map(|field| new_null_array(field.data_type(), 1)).collect();
            let call = ScalarFunction::new_udf(Arc::clone(&call.func), arguments);
            let run = || -> Result<(), DataFusionError> {
                let schema = DFSchema::try_from(Schema::new(fields))?;
                let options = RecordBatchOptions::new().with_row_count(Some(1));
                let batch = RecordBatch::try_new_with_options(
                    Arc::new(schema.as_arrow().clone()),
                    columns,
                    &options,
                )?;
                physical(&Expr::ScalarFunction(call), &schema)?.evaluate(&batch)?;
                Ok(())
            };
            run().map_err(|e| type_error(&e.strip_backtrace()))?;
        }
        Ok(())
    }
}

/// An expression ready to evaluate over batches of `schema`.
pub(super) fn physical(
    expr: &Expr,
    schema: &DFSchema,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let about = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
    // Some functions (COALESCE) exist only in their simplified form.
    let simplifier = ExprSimplifier::new(about);
    let simple = simplifier.simplify(simplifier.coerce(expr.clone(), schema)?)?;
    let (properties, planning) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    create_physical_expr(&simple, schema, &properties, &planning)
}

/// Dates move by moderate steps only: beyond, the calendar ends.
fn moderate(side: &Expr, kind: &DataType) -> Result<()> {
    if !matches!(kind, DataType::Interval(_)) {
        return Ok(());
    }
    let far = |months: i32, days: i32, nanos: i64| {
        months.unsigned_abs() > 12_000
            || days.unsigned_abs() > 366_000
            || nanos.unsigned_abs() > 366 * 86_400 * 1_000_000_000
    };
    match side {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(i)), _)
            if !far(i.months, i.days, i.nanoseconds) =>
        {
            Ok(())
        }
        _ => Err(Refusal::new(
            "unsupported_expression",
            "a date moves only by a literal INTERVAL of at most 1000 years",
        )
        .suggest("write, say, admitted + INTERVAL '30 days'")),
    }
}

fn function(call: &ScalarFunction) -> Result<()> {
    let name = call.func.name();
    if call.func.signature().volatility != Volatility::Immutable {
        let message = format!("{name} is not supported: its value differs from site to site");
        return Err(Refusal::new("volatile", message).suggest("write a literal instead"));
    }
    if !FUNCTIONS.contains(&name) {
        let message = format!("the function {name} is not supported");
        return Err(Refusal::new("unsupported_function", message)
            .suggest(format!("there are: {}", FUNCTIONS.join(", "))));
    }
    let literal = |i: usize| match call.args.get(i) {
        Some(Expr::Literal(value, _)) => Some(value.clone()),
        _ => None,
    };
    if matches!(name, "date_part" | "date_trunc") && literal(0).is_none() {
        let message = format!("{name} takes the part of the date as a literal, such as 'month'");
        return Err(Refusal::new("unsupported_function", message));
    }
    // A negative length fails, whatever the text.
    if matches!(name, "substr" | "substring") && call.args.len() > 2 {
        let length = literal(2).and_then(|value| value.cast_to(&DataType::Int64).ok());
        if !matches!(length, Some(ScalarValue::Int64(Some(n))) if n >= 0) {
            let message = format!("the length in {name} must be a literal of at least 0");
            return Err(Refusal::new("unsupported_function", message)
                .suggest("use LEFT(text, n) for a length that varies"));
        }
    }
    Ok(())
}

/// A refusal on its way through DataFusion's tree walks.
pub(super) fn outside(refusal: Refusal) -> DataFusionError {
    DataFusionError::External(Box::new(refusal))
}

/// A refusal out of DataFusion's tree walks, or one made of DataFusion's own words.
pub(super) fn inside(error: &DataFusionError) -> Refusal {
    if let DataFusionError::External(own) = error.find_root()
        && let Some(refusal) = own.downcast_ref::<Refusal>()
    {
        return refusal.clone();
    }
    type_error(&error.strip_backtrace())
}

/// A type error in DataFusion's words, less what they say about DataFusion.
pub(super) fn type_error(message: &str) -> Refusal {
    let first = message.lines().next().unwrap_or_default();
    let mut words = first;
    for prefix in [
        "type_coercion\ncaused by\n",
        "Error during planning: ",
        "Execution error: ",
        "This feature is not implemented: ",
        "Arrow error: ",
        "Invalid argument error: ",
        "Internal error: ",
    ] {
        words = words.trim_start_matches(prefix);
    }
    Refusal::new("type", words.trim_end_matches('.').to_owned())
}

/// Nodes of an expression.
pub(super) fn size(expr: &Expr) -> usize {
    let mut nodes = 0;
    let _ = expr.apply(|_| {
        nodes += 1;
        Ok(TreeNodeRecursion::Continue)
    });
    nodes
}

fn depth(expr: &Expr) -> usize {
    let mut deepest = 0;
    let _ = expr.apply_children(|child| {
        deepest = deepest.max(depth(child));
        Ok(TreeNodeRecursion::Continue)
    });
    deepest + 1
}

/// Nodes of an expression as the engine may rewrite it: it writes some arguments twice (COALESCE
/// and BETWEEN become CASE and comparisons), which doubles with every nesting.
fn expanded(expr: &Expr) -> usize {
    let times = |child: usize| match expr {
        Expr::ScalarFunction(call) => match call.func.name() {
            "coalesce" | "nvl" | "nvl2" | "nullif" | "date_part" | "date_trunc" => 2,
            _ => 1,
        },
        Expr::Between(_) if child == 0 => 2,
        Expr::InList(list) if child == 0 => list.list.len().clamp(1, 4),
        Expr::Case(case) if child == 0 && case.expr.is_some() => case.when_then_expr.len(),
        _ => 1,
    };
    let (mut nodes, mut child) = (1_usize, 0);
    let _ = expr.apply_children(|inner| {
        nodes = nodes.saturating_add(expanded(inner).saturating_mul(times(child)));
        child += 1;
        Ok(TreeNodeRecursion::Continue)
    });
    nodes
}

/// Digits of a number before and behind the point.
pub(super) fn digits(kind: &DataType) -> Option<(i32, i32)> {
    match kind {
        DataType::Int8 => Some((3, 0)),
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            Some((i32::from(*precision) - i32::from(*scale), i32::from(*scale)))
        }
        _ => None,
    }
}

/// Names of the columns that an expression reads.
pub(super) fn columns(expr: &Expr) -> BTreeSet<String> {
    let columns = expr.column_refs().into_iter();
    columns.map(|column| column.name.clone()).collect()
}

/// The parts of an AND.
pub(super) fn conjuncts(expr: &Expr) -> Vec<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            [conjuncts(left), conjuncts(right)].concat()
        }
        Expr::Literal(ScalarValue::Boolean(Some(true)), _) => Vec::new(),
        other => vec![other.clone()],
    }
}
