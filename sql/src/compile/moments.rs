//! Spans of dates and times, from the public ranges of their columns.
//!
//! Steps in the calendar fail beyond its ends, and truncation to a week or longer outside the years
//! 1678 to 2261, which the engine counts in nanoseconds. A failure would tell about a row, so what
//! could lead there is refused beforehand.

use datafusion::{
    arrow::datatypes::DataType,
    common::{
        DFSchema, ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, TryCast, expr::ScalarFunction},
};
use tacit_plan::Table;

use super::{
    domain,
    expr::{inside, outside},
    text,
};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Microseconds of a day.
const DAY: i128 = 86_400_000_000;

/// From 1970, how far truncation reaches: the start of 1678 and of 2262.
const TRUNCATED: i128 = 106_650 * DAY;

/// From 1970, how far steps may lead; the calendar ends after some 260,000 years.
const REACHED: i128 = 200_000 * 366 * DAY;

/// First and last moment, in microseconds from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    low: i128,
    high: i128,
}

impl Span {
    /// Of NULL.
    const NOTHING: Self = Self { low: 1 << 100, high: -(1 << 100) };

    fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn within(self, far: i128) -> bool {
        self.low > self.high || (-far <= self.low && self.high <= far)
    }
}

/// Spans over one table.
pub(super) struct Moments<'a> {
    pub(super) schema: &'a DFSchema,
    pub(super) table: &'a Table,
}

impl Moments<'_> {
    /// Refuses `expr` if a step in it could lead out of the calendar.
    pub(super) fn check(&self, expr: &Expr) -> Result<()> {
        let checked = expr.apply(|node| {
            self.node(node).map_err(outside)?;
            Ok(TreeNodeRecursion::Continue)
        });
        checked.map(drop).map_err(|e| inside(&e))
    }

    fn node(&self, node: &Expr) -> Result<()> {
        let (span, far, message) = match node {
            Expr::ScalarFunction(call) if is_coarse(call) => {
                let span = call.args.get(1).and_then(|time| self.span(time));
                (span, TRUNCATED, "may leave the years 1678 to 2261, beyond which it fails")
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus, right })
                if is_interval(left) || is_interval(right) =>
            {
                (self.span(node), REACHED, "may leave the calendar")
            }
            _ => return Ok(()),
        };
        if span.is_some_and(|span| span.within(far)) {
            return Ok(());
        }
        let message = format!("{} {message}", text::sql(node).unwrap_or_default());
        Err(Refusal::new("overflow", message)
            .suggest("use a date or timestamp column of a narrow range, or EXTRACT"))
    }

    /// Where the values of a date or timestamp lie; `None` if that is not known.
    fn span(&self, expr: &Expr) -> Option<Span> {
        let hull = |parts: Vec<&Expr>| {
            let mut parts = parts.into_iter().map(|part| self.span(part));
            parts.try_fold(Span::NOTHING, |all, part| Some(all.hull(part?)))
        };
        match expr {
            Expr::Column(column) => {
                let own = self.table.columns.iter().find(|c| c.name == column.name)?;
                let (low, high) = domain::moments(own).ok()??;
                Some(Span { low, high })
            }
            Expr::Literal(value, _) => match value {
                ScalarValue::Date32(Some(days)) => {
                    let at = i128::from(*days) * DAY;
                    Some(Span { low: at, high: at })
                }
                ScalarValue::TimestampMicrosecond(Some(at), None) => {
                    Some(Span { low: i128::from(*at), high: i128::from(*at) })
                }
                value if value.is_null() => Some(Span::NOTHING),
                _ => None,
            },
            // A time that becomes a day loses its hours.
            Expr::TryCast(TryCast { expr, .. }) => {
                let kind = expr.get_type(self.schema).ok()?;
                let time =
                    matches!(kind, DataType::Null | DataType::Date32 | DataType::Timestamp(..));
                let Span { low, high } = self.span(expr).filter(|_| time)?;
                Some(Span { low: low - DAY, high })
            }
            Expr::BinaryExpr(BinaryExpr { left, right, .. }) => {
                let (time, step) = if is_interval(left) { (right, left) } else { (left, right) };
                let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(step)), _) = step.as_ref()
                else {
                    return None;
                };
                let days = step.months.unsigned_abs() * 31 + step.days.unsigned_abs();
                let by = i128::from(days) * DAY + i128::from(step.nanoseconds.unsigned_abs());
                let Span { low, high } = self.span(time)?;
                Some(Span { low: low - by, high: high + by })
            }
            Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
                ("date_trunc", [_, time]) => {
                    let Span { low, high } = self.span(time)?;
                    Some(Span { low: low - 366 * DAY, high })
                }
                ("coalesce" | "nvl" | "greatest" | "least", all) => hull(all.iter().collect()),
                ("nvl2", [_, values @ ..]) => hull(values.iter().collect()),
                ("nullif", [value, _]) => self.span(value),
                _ => None,
            },
            Expr::Case(case) => {
                let thens = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
                hull(thens.chain(case.else_expr.as_deref()).collect())
            }
            _ => None,
        }
    }
}

fn is_interval(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::IntervalMonthDayNano(_), _))
}

/// Whether it truncates to more than a day.
fn is_coarse(call: &ScalarFunction) -> bool {
    let fine = ["microsecond", "millisecond", "second", "minute", "hour", "day"];
    let part = call.args.first().map(ToString::to_string).unwrap_or_default().to_lowercase();
    call.func.name() == "date_trunc" && !fine.iter().any(|fine| part.contains(fine))
}
