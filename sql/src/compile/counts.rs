//! Which rows a count counts, and when one count lies within another.

use std::collections::BTreeMap;

use datafusion::{
    arrow::datatypes::DataType,
    common::{DFSchema, ScalarValue},
    logical_expr::{BinaryExpr, Case, Expr, ExprSchemable, Operator, binary_expr},
};
use tacit_plan::Table;

use super::{
    domain,
    expr::{columns, conjuncts, digits},
    points, strict, text,
};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Combinations that are tried to find out whether one condition implies another.
const TRIED: usize = 20_000;

/// The rows that pass a set of conditions, beside the WHERE. Conditions are kept by their text:
/// two counts of the same conditions are the same count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    conditions: BTreeMap<String, Expr>,
}

impl Rows {
    /// Rows that pass `filter` and where `argument` is there.
    pub(super) fn of(
        filter: Option<&Expr>,
        argument: Option<&Expr>,
        schema: &DFSchema,
    ) -> Result<Self> {
        let mut rows = Self::default();
        for condition in filter.map(conjuncts).unwrap_or_default() {
            rows.insert(condition)?;
        }
        if let Some(argument) = argument {
            let mut parts = Vec::new();
            not_null(argument, schema, &mut parts);
            for part in parts {
                for condition in conjuncts(&part) {
                    rows.insert(condition)?;
                }
            }
        }
        Ok(rows)
    }

    /// Those of them where `conditions` hold.
    pub(super) fn and(&self, conditions: impl IntoIterator<Item = Expr>) -> Result<Self> {
        let mut rows = self.clone();
        for condition in conditions {
            for part in conjuncts(&condition) {
                rows.insert(part)?;
            }
        }
        Ok(rows)
    }

    fn insert(&mut self, condition: Expr) -> Result<()> {
        self.conditions.insert(text::sql(&condition)?, condition);
        Ok(())
    }

    /// Those of them where `expr = value`.
    pub(super) fn with(&self, expr: &Expr, value: &ScalarValue) -> Result<Self> {
        let mut rows = self.clone();
        let literal = Expr::Literal(value.clone(), None);
        rows.insert(binary_expr(expr.clone(), Operator::Eq, literal))?;
        Ok(rows)
    }

    /// Those of them where `expr <> value`.
    pub(super) fn without(&self, expr: &Expr, value: &ScalarValue) -> Result<Self> {
        let literal = Expr::Literal(value.clone(), None);
        self.and([binary_expr(expr.clone(), Operator::NotEq, literal)])
    }

    /// All rows that pass the WHERE.
    pub(super) fn is_all(&self) -> bool {
        self.conditions.is_empty()
    }

    /// The conditions.
    pub(super) fn exprs(&self) -> Vec<&Expr> {
        self.conditions.values().collect()
    }

    /// The conditions that `other` does not share.
    pub(super) fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Expr> {
        let own = self.conditions.iter();
        own.filter(|(text, _)| !other.conditions.contains_key(*text)).map(|(_, expr)| expr)
    }

    /// Whether every row of `self` is one of `wide`, by the conditions' text.
    pub(super) fn is_plainly_within(&self, wide: &Self) -> bool {
        wide.conditions.keys().all(|text| self.conditions.contains_key(text))
    }

    /// Whether every row of `self` is one of `wide`, by the conditions' text or by trying
    /// all combinations of values, or those at which the conditions can change.
    pub(super) fn within(&self, wide: &Self, filters: &[Expr], table: &Table) -> bool {
        if self.is_plainly_within(wide) {
            return true;
        }
        let mut narrow = self.exprs();
        let missing: Vec<&Expr> = wide.beyond(self).collect();
        let decided = domain::implies(&narrow, &missing, table, TRIED);
        if decided == Some(true) {
            return true;
        }
        narrow.extend(filters);
        let with_filters = match decided {
            Some(no) if filters.is_empty() => Some(no),
            _ => domain::implies(&narrow, &missing, table, TRIED),
        };
        with_filters.unwrap_or_else(|| {
            // One by one, by what is known about the same columns.
            missing.iter().all(|condition| {
                if strict::implies(&narrow, condition) {
                    return true;
                }
                let read = columns(condition);
                let about = narrow.iter().copied().filter(|c| columns(c).is_subset(&read));
                let about: Vec<&Expr> = about.collect();
                domain::implies(&about, &[condition], table, TRIED)
                    .or_else(|| points::implies(&narrow, condition, table))
                    .unwrap_or(false)
            })
        })
    }

    /// Text of the conditions, to stand beside AND.
    fn text(&self) -> Result<String> {
        let all = self.exprs().into_iter().map(text::operand);
        Ok(all.collect::<Result<Vec<_>>>()?.join(" AND "))
    }

    /// The number of these rows, as SQL; of distinct persons if the table names them.
    pub(super) fn count(&self, person: Option<&str>) -> Result<String> {
        let mut conditions = self.exprs();
        let counted = if let Some(person) = person {
            format!("DISTINCT {}", text::name(person))
        } else {
            let at = conditions.iter().position(|c| matches!(c, Expr::IsNotNull(_)));
            match at.map(|at| conditions.remove(at)) {
                Some(Expr::IsNotNull(inner)) => text::sql(inner)?,
                _ => "*".into(),
            }
        };
        if conditions.is_empty() {
            return Ok(format!("count({counted})"));
        }
        Ok(format!("count({counted}) FILTER (WHERE {})", joined(&conditions)?))
    }

    /// The number of persons of `self` that have a row outside `narrow`, as SQL.
    pub(super) fn count_without(&self, narrow: &Self, person: &str) -> Result<String> {
        let beyond: Vec<&Expr> = narrow.beyond(self).collect();
        let outside = match beyond.as_slice() {
            [Expr::IsNotNull(inner)] => text::sql(&Expr::IsNull(inner.clone()))?,
            // Not `(...) IS NOT TRUE`: the planner names columns without brackets, and would take
            // `(a AND b) IS NOT TRUE` and `a AND b IS NOT TRUE` for the same column.
            several => format!("NOT coalesce({}, FALSE)", joined(several)?),
        };
        let conditions =
            if self.is_all() { outside } else { format!("{} AND {outside}", self.text()?) };
        Ok(format!("count(DISTINCT {}) FILTER (WHERE {conditions})", text::name(person)))
    }
}

/// One condition that all of `conditions` hold.
pub(super) fn all_of(conditions: &[Expr]) -> Expr {
    let all = conditions.iter().cloned().reduce(|a, b| binary_expr(a, Operator::And, b));
    all.unwrap_or_else(super::shape::always)
}

/// Conditions joined by AND.
pub(super) fn joined(conditions: &[&Expr]) -> Result<String> {
    let all = conditions.iter().map(|condition| (*condition).clone());
    match all.reduce(|a, b| binary_expr(a, Operator::And, b)) {
        Some(all) => text::sql(&all),
        None => Ok("TRUE".into()),
    }
}

/// Conditions under which `expr` is not NULL, taken apart where that is plain:
/// `CASE WHEN p THEN x END` is there where p holds and x is there.
fn not_null(expr: &Expr, schema: &DFSchema, into: &mut Vec<Expr>) {
    match expr {
        Expr::Case(Case { expr: None, when_then_expr, else_expr })
            if when_then_expr.len() == 1 && else_expr.as_deref().is_none_or(is_null) =>
        {
            let (when, then) = &when_then_expr[0];
            into.push(when.as_ref().clone());
            not_null(then, schema, into);
        }
        // These are NULL only where one of their sides is.
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Plus | Operator::Minus | Operator::Multiply,
            right,
        }) if is_number(left, schema) && is_number(right, schema) => {
            not_null(left, schema, into);
            not_null(right, schema, into);
        }
        Expr::Negative(inner) => not_null(inner, schema, into),
        Expr::TryCast(cast) if keeps_all(&cast.expr, cast.field.data_type(), schema) => {
            not_null(&cast.expr, schema, into);
        }
        // A literal NULL that was converted to the CASE's type.
        expr if !expr.nullable(schema).unwrap_or(true) => {}
        expr => into.push(Expr::IsNotNull(Box::new(expr.clone()))),
    }
}

fn is_number(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|kind| kind.is_numeric())
}

/// Whether a conversion keeps every number.
pub(super) fn keeps_all(inner: &Expr, to: &DataType, schema: &DFSchema) -> bool {
    let from = inner.get_type(schema).ok();
    match (from.as_ref().and_then(digits), digits(to)) {
        (Some(from), Some(to)) => from.0 <= to.0 && from.1 <= to.1,
        _ => false,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.is_null())
}
