//! Columns with too many values to try: the points at which conditions on them can change.
//!
//! Between two neighbouring literals that a column is compared with, every comparison is the same
//! for all values. So it is enough to try the literals, their neighbours, the ends of the column's
//! range and NULL. This is exact for conditions made of comparisons of a bare column (or of one
//! whose type was widened) with literals, IN, BETWEEN, IS NULL and truth values, joined by AND, OR,
//! NOT, CASE and COALESCE. Other conditions are left out of what is known (which can only miss an
//! implication), or not decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{ArrayRef, StringViewArray},
        datatypes::DataType,
    },
    common::ScalarValue,
    logical_expr::{BinaryExpr, Expr, Operator},
};
use tacit_plan::{Column, ColumnType, Table};

use super::{
    domain::{self, Space},
    expr::columns,
    interval::literal,
};

/// Combinations of points that are tried.
const TRIED: usize = 100_000;

/// Microseconds of a day.
const DAY: i128 = 86_400_000_000;

/// Whether `wide` holds wherever all of `known` hold; `None` if that is not decided.
pub(super) fn implies(known: &[&Expr], wide: &Expr, table: &Table) -> Option<bool> {
    let read = columns(wide);
    let near: Vec<&Expr> = known
        .iter()
        .copied()
        .filter(|condition| !columns(condition).is_disjoint(&read))
        .filter(|condition| Points::default().condition(condition))
        .collect();
    let own: Vec<&Expr> =
        near.iter().copied().filter(|condition| columns(condition).is_subset(&read)).collect();
    let decide = |known: &[&Expr]| {
        let space = Points::of(&[known, &[wide]].concat())?.space(table, 1)?;
        space.implies(known, &[wide])
    };
    decide(&near).or_else(|| decide(&own))
}

/// At most `most + 1` values of a column where `known` hold; `None` if that is not decided.
pub(super) fn few(
    column: &Expr,
    known: &[&Expr],
    table: &Table,
    most: usize,
) -> Option<Vec<ScalarValue>> {
    let Expr::Column(name) = column else {
        return None;
    };
    let mut points = Points::of(known)?;
    points.0.entry(name.name.clone()).or_default();
    // Of a stretch without literals, so many points tell that it has more than `most`.
    let space = points.space(table, most as i128 + 1)?;
    space.few(column, known, most).ok()
}

/// The points of an expression that chooses between constants; `None` if it does anything else.
pub(super) fn space(expr: &Expr, table: &Table) -> Option<Space> {
    let mut points = Points::default();
    points.constant(expr).then_some(())?;
    points.space(table, 1)
}

/// The literals that each column is compared with.
#[derive(Default)]
struct Points(BTreeMap<String, Vec<ScalarValue>>);

impl Points {
    fn of(conditions: &[&Expr]) -> Option<Self> {
        let mut points = Self::default();
        conditions.iter().all(|condition| points.condition(condition)).then_some(points)
    }

    /// Notes what a condition compares; false if it does anything else.
    fn condition(&mut self, expr: &Expr) -> bool {
        match expr {
            Expr::Literal(..) => true,
            Expr::Column(column) => self.note(&column.name, None),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
                self.condition(left) && self.condition(right)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
                self.compared(&[left, right])
            }
            Expr::Between(between) => self.compared(&[&between.expr, &between.low, &between.high]),
            Expr::InList(list) => {
                let all: Vec<&Expr> =
                    std::iter::once(list.expr.as_ref()).chain(&list.list).collect();
                self.compared(&all)
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => match bare(inner) {
                Some(name) => self.note(name, None),
                None => self.condition(inner) || self.constant(inner),
            },
            Expr::Not(inner)
            | Expr::IsTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNotUnknown(inner) => self.condition(inner),
            Expr::Case(case) => {
                let whens = case.when_then_expr.iter();
                case.expr.is_none()
                    && whens
                        .clone()
                        .all(|(when, then)| self.condition(when) && self.condition(then))
                    && case.else_expr.iter().all(|other| self.condition(other))
            }
            Expr::ScalarFunction(call) if call.func.name() == "coalesce" => {
                call.args.iter().all(|part| self.condition(part))
            }
            _ => false,
        }
    }

    /// One column and literals, or constants chosen by conditions.
    fn compared(&mut self, parts: &[&Expr]) -> bool {
        let column = parts.iter().find_map(|part| bare(part));
        let Some(name) = column else {
            return parts.iter().all(|part| self.constant(part));
        };
        parts.iter().all(|part| match part {
            Expr::Literal(value, _) => self.note(name, Some(value)),
            other => {
                bare(other) == Some(name) && parts.iter().filter(|p| bare(p).is_some()).count() == 1
            }
        })
    }

    /// A value that is chosen between constants by conditions.
    fn constant(&mut self, expr: &Expr) -> bool {
        match expr {
            Expr::Literal(..) => true,
            Expr::Case(case) => {
                let whens = case.when_then_expr.iter();
                case.expr.is_none()
                    && whens.clone().all(|(when, then)| self.condition(when) && self.constant(then))
                    && case.else_expr.iter().all(|other| self.constant(other))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::Plus | Operator::Minus | Operator::Multiply => {
                    self.constant(left) && self.constant(right)
                }
                _ => self.condition(expr),
            },
            Expr::TryCast(cast) => bare(&cast.expr).is_none() && self.constant(&cast.expr),
            Expr::Negative(inner) => self.constant(inner),
            Expr::Column(_) => false,
            other => self.condition(other),
        }
    }

    fn note(&mut self, name: &str, value: Option<&ScalarValue>) -> bool {
        let noted = self.0.entry(name.to_owned()).or_default();
        noted.extend(value.filter(|value| !value.is_null()).cloned());
        true
    }

    /// The points of every column.
    fn space(self, table: &Table, around: i128) -> Option<Space> {
        let lists = self.0.into_iter().map(|(name, literals)| {
            let column = table.columns.iter().find(|column| column.name == name)?;
            Some((column.clone(), list(column, &literals, around)?))
        });
        Space::given(lists.collect::<Option<Vec<_>>>()?, TRIED).ok()
    }
}

pub(super) fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// The column that an expression is, be it of a wider type.
fn bare(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::TryCast(cast) => match (cast.expr.as_ref(), cast.field.data_type()) {
            // A day as a moment, or the day of a moment: the order stays. (Of numbers, a conversion
            // that keeps all is left out of comparisons.) Text is no column that has such literals.
            (Expr::Column(column), DataType::Timestamp(..) | DataType::Date32) => {
                Some(&column.name)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Points of one column: `around` steps to both sides of each literal and of the ends.
fn list(column: &Column, literals: &[ScalarValue], around: i128) -> Option<ArrayRef> {
    if let ColumnType::Text = column.r#type {
        let mut texts = BTreeSet::from([String::new()]);
        for value in literals {
            let (ScalarValue::Utf8View(Some(text)) | ScalarValue::Utf8(Some(text))) = value else {
                return None;
            };
            // The next text in the order of bytes.
            texts.extend([text.clone(), format!("{text}\0")]);
        }
        let array: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        return domain::with_missing(array, column).ok();
    }
    let range = match &column.r#type {
        ColumnType::Boolean | ColumnType::Category { .. } => {
            return domain::listed(column, None).ok();
        }
        ColumnType::Timestamp { .. } => domain::moments(column).ok()?,
        ColumnType::Date { .. } => {
            domain::moments(column).ok()?.map(|(low, high)| (low / DAY, high / DAY))
        }
        _ => domain::range(column).ok()?.map(|(low, high, _)| (low, high)),
    };
    let (low, high) = range?;
    let mut at = BTreeSet::new();
    let mut mark = |n: i128| {
        at.extend((n - around..=n + around).filter(|n| (low..=high).contains(n)));
    };
    mark(low);
    mark(high);
    for value in literals {
        for n in places(column, value)? {
            mark(n);
        }
    }
    domain::array_of(column, at.into_iter()).ok()
}

/// Where a literal lies among a column's values: at one of them, or between two.
fn places(column: &Column, value: &ScalarValue) -> Option<Vec<i128>> {
    let (days, micros) = match value {
        ScalarValue::Date32(Some(days)) => (i128::from(*days), i128::from(*days) * DAY),
        ScalarValue::TimestampMicrosecond(Some(at), None) => {
            (i128::from(*at).div_euclid(DAY), i128::from(*at))
        }
        _ => (0, 0),
    };
    let time = matches!(value, ScalarValue::Date32(_) | ScalarValue::TimestampMicrosecond(..));
    match &column.r#type {
        ColumnType::Date { .. } if time => Some(vec![days, days + 1]),
        // The column may be compared by its day.
        ColumnType::Timestamp { .. } if time => Some(vec![days * DAY, micros, (days + 1) * DAY]),
        ColumnType::Integer { .. } | ColumnType::Decimal { .. } => {
            let (_, _, scale) = domain::range(column).ok()??;
            let at = literal(value)?;
            if at.scale <= scale {
                let n = at.low.checked_mul(10_i128.checked_pow(scale - at.scale)?)?;
                return Some(vec![n]);
            }
            let below = at.low.div_euclid(10_i128.checked_pow(at.scale - scale)?);
            Some(vec![below, below + 1])
        }
        _ => None,
    }
}
