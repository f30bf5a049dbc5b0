//! Ranges of numeric expressions, from the public ranges of their columns.
//!
//! DataFusion's arithmetic wraps. A wrapped value would be wrong, and a failing one would tell
//! about a row, so an expression that could leave its type's range is refused beforehand. The
//! analysis is the usual interval arithmetic on unscaled integers: a decimal of scale s is a whole
//! number of 10^-s.

use std::collections::BTreeMap;

use datafusion::{
    arrow::datatypes::DataType,
    common::{DFSchema, ScalarValue, tree_node::TreeNodeRecursion},
    logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, expr::ScalarFunction},
};

use super::{expr::inside, text};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Smallest and largest unscaled value, and the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) low: i128,
    pub(super) high: i128,
    pub(super) scale: u32,
}

impl Interval {
    pub(super) fn new(low: i128, high: i128, scale: u32) -> Self {
        Self { low, high, scale }
    }

    fn hull(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.rescale(scale)?, other.rescale(scale)?);
        Some(Self::new(a.low.min(b.low), a.high.max(b.high), scale))
    }

    /// At another scale; where digits are lost, rounded outwards.
    fn rescale(self, scale: u32) -> Option<Self> {
        if scale >= self.scale {
            let by = power(scale - self.scale)?;
            let (low, high) = (self.low.checked_mul(by)?, self.high.checked_mul(by)?);
            return Some(Self::new(low, high, scale));
        }
        let by = power(self.scale - scale)?;
        let low = self.low.div_euclid(by);
        let high = -(-self.high).div_euclid(by);
        Some(Self::new(low, high, scale))
    }

    fn clip(self, other: Self) -> Self {
        let low = self.low.clamp(other.low, other.high);
        Self::new(low, self.high.clamp(low, other.high.max(low)), self.scale)
    }

    fn magnitude(self) -> i128 {
        self.low.saturating_abs().max(self.high.saturating_abs())
    }

    fn within(self, other: Self) -> bool {
        other.low <= self.low && self.high <= other.high
    }
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// Everything that a numeric type can hold.
fn whole(kind: &DataType) -> Option<Interval> {
    let of = |low: i64, high: i64| Some(Interval::new(low.into(), high.into(), 0));
    match kind {
        DataType::Int8 => of(i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => of(i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => of(i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => of(i64::MIN, i64::MAX),
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            let most = power(u32::from(*precision))? - 1;
            Some(Interval::new(-most, most, *scale as u32))
        }
        _ => None,
    }
}

/// More days than lie between any two dates that text can name: years -262144 to 262143.
const DAYS: i128 = 1 << 28;

/// Ranges over one schema.
pub(super) struct Ranges<'a> {
    pub(super) schema: &'a DFSchema,
    /// Ranges of the columns.
    pub(super) columns: &'a BTreeMap<String, Interval>,
}

impl Ranges<'_> {
    /// Refuses `expr` if an operation in it could overflow; its own range if it is an integer or
    /// a decimal.
    pub(super) fn of(&self, expr: &Expr) -> Result<Option<Interval>> {
        let mut parts: Vec<&Expr> = Vec::new();
        expr.apply_children_of(&mut parts);
        let mut known = Vec::with_capacity(parts.len());
        for part in parts {
            known.push(self.of(part)?);
        }
        let overflow = || {
            let text = text::sql(expr).unwrap_or_default();
            Refusal::new("overflow", format!("{text} may overflow"))
                .suggest("narrow its parts, say by CAST(x AS SMALLINT) or CAST(x AS DECIMAL(9,2))")
        };
        // The engine takes one from where a part of a text starts.
        if let Expr::ScalarFunction(call) = expr
            && call.func.name() == "substr"
            && known.get(1).copied().flatten().is_none_or(|start| start.low <= i64::MIN.into())
        {
            return Err(overflow());
        }
        let kind = expr.get_type(self.schema).map_err(|e| inside(&e))?;
        let Some(whole) = whole(&kind) else {
            return Ok(None);
        };
        let range = match expr {
            Expr::Column(column) => self.columns.get(&column.name).copied().unwrap_or(whole),
            Expr::Literal(value, _) => literal(value).unwrap_or(whole),
            Expr::Negative(_) => {
                let inner = known[0].ok_or_else(overflow)?;
                let negated = Interval::new(-inner.high, -inner.low, inner.scale);
                if !negated.within(whole) {
                    return Err(overflow());
                }
                negated
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let date = |side: &Expr| {
                    side.get_type(self.schema).is_ok_and(|kind| kind == DataType::Date32)
                };
                let (Some(left), Some(right)) = (known[0], known[1]) else {
                    // Days between two dates.
                    return match *op {
                        Operator::Minus if date(left) && date(right) => {
                            Ok(Some(Interval::new(-DAYS, DAYS, 0)))
                        }
                        _ => Err(overflow()),
                    };
                };
                let range = operate(*op, left, right, whole.scale).ok_or_else(overflow)?;
                if !range.within(whole) {
                    return Err(overflow());
                }
                range
            }
            // A conversion that does not fit yields NULL.
            Expr::TryCast(cast) => {
                let from = cast.expr.get_type(self.schema).map_err(|e| inside(&e))?;
                match known[0] {
                    Some(inner) => match inner.rescale(whole.scale) {
                        Some(range) => range.clip(whole),
                        None => whole,
                    },
                    None if from == DataType::Boolean => {
                        Interval::new(0, power(whole.scale).unwrap_or(1), whole.scale).clip(whole)
                    }
                    None => whole,
                }
            }
            Expr::Case(case) => {
                // Parts in order: operand, then WHEN and THEN in turn, then ELSE.
                let skip = usize::from(case.expr.is_some());
                let whens = case.when_then_expr.len();
                let thens = (0..whens).map(|i| known[skip + 2 * i + 1]);
                let otherwise = case.else_expr.is_some().then(|| known[skip + 2 * whens]);
                hull(thens.chain(otherwise), whole)
            }
            Expr::ScalarFunction(call) => match call.func.name() {
                name @ ("greatest" | "least") => {
                    let sure = call.args.iter().map(|a| !a.nullable(self.schema).unwrap_or(true));
                    extreme(name == "greatest", &known, &sure.collect::<Vec<_>>(), whole)
                }
                _ => function(call, &known, whole),
            },
            _ => whole,
        };
        Ok(Some(range.rescale(whole.scale).ok_or_else(overflow)?))
    }
}

/// Children of an expression, in order.
trait Children {
    fn apply_children_of<'a>(&'a self, into: &mut Vec<&'a Expr>);
}

impl Children for Expr {
    fn apply_children_of<'a>(&'a self, into: &mut Vec<&'a Expr>) {
        use datafusion::common::tree_node::TreeNode as _;
        let _ = self.apply_children(|child| {
            into.push(child);
            Ok(TreeNodeRecursion::Continue)
        });
    }
}

fn hull(parts: impl Iterator<Item = Option<Interval>>, whole: Interval) -> Interval {
    let mut all: Option<Interval> = None;
    for part in parts {
        // A part without a range is a NULL, or of a type that was converted elsewhere.
        let Some(part) = part else { continue };
        all = match all {
            None => Some(part),
            Some(sofar) => match sofar.hull(part) {
                Some(hull) => Some(hull),
                None => return whole,
            },
        };
    }
    all.unwrap_or(Interval::new(0, 0, whole.scale))
}

/// Range of the greatest or least of parts, of which those that are NULL are left out: it is on
/// the right side of all parts that are `sure` to be there.
fn extreme(greatest: bool, known: &[Option<Interval>], sure: &[bool], whole: Interval) -> Interval {
    let mut all = hull(known.iter().copied(), whole);
    for (part, _) in known.iter().zip(sure).filter(|(_, sure)| **sure) {
        let Some(part) = part.and_then(|part| part.rescale(all.scale)) else { continue };
        if greatest {
            all.low = all.low.max(part.low);
        } else {
            all.high = all.high.min(part.high);
        }
    }
    all
}

fn function(call: &ScalarFunction, known: &[Option<Interval>], whole: Interval) -> Interval {
    match call.func.name() {
        "coalesce" | "nvl" => hull(known.iter().copied(), whole),
        "nvl2" => hull(known.iter().skip(1).copied(), whole),
        "nullif" => known.first().copied().flatten().unwrap_or(whole),
        "date_part" => {
            let part = match call.args.first() {
                Some(Expr::Literal(value, _)) => value.to_string().to_lowercase(),
                _ => return whole,
            };
            let (low, high) = match part.trim_matches('\'') {
                "month" => (1, 12),
                "quarter" => (1, 4),
                "week" => (1, 53),
                "day" => (1, 31),
                "dow" | "isodow" => (0, 7),
                "doy" => (1, 366),
                "hour" => (0, 24),
                "minute" => (0, 60),
                "year" | "isoyear" => (-300_000, 300_000),
                _ => return whole,
            };
            Interval::new(low, high, 0)
        }
        "character_length" | "strpos" | "octet_length" | "bit_length" | "ascii" => {
            Interval::new(0, i32::MAX.into(), 0)
        }
        _ => whole,
    }
}

/// The unscaled value of a numeric literal.
pub(super) fn literal(value: &ScalarValue) -> Option<Interval> {
    let at = |n: i128, scale: u32| Some(Interval::new(n, n, scale));
    match value {
        ScalarValue::Int8(Some(n)) => at((*n).into(), 0),
        ScalarValue::Int16(Some(n)) => at((*n).into(), 0),
        ScalarValue::Int32(Some(n)) => at((*n).into(), 0),
        ScalarValue::Int64(Some(n)) => at((*n).into(), 0),
        ScalarValue::Decimal128(Some(n), _, scale) if *scale >= 0 => at(*n, *scale as u32),
        value if value.is_null() => Some(Interval::new(0, 0, 0)),
        _ => None,
    }
}

/// Range of an operation whose result has `scale`; `None` if even an intermediate value could
/// leave 128 bits.
fn operate(op: Operator, left: Interval, right: Interval, scale: u32) -> Option<Interval> {
    let corners = |f: &dyn Fn(i128, i128) -> Option<i128>| {
        let all = [
            f(left.low, right.low)?,
            f(left.low, right.high)?,
            f(left.high, right.low)?,
            f(left.high, right.high)?,
        ];
        Some((*all.iter().min()?, *all.iter().max()?))
    };
    match op {
        Operator::Plus | Operator::Minus => {
            let (l, r) = (left.rescale(scale)?, right.rescale(scale)?);
            let (low, high) = if op == Operator::Plus {
                (l.low.checked_add(r.low)?, l.high.checked_add(r.high)?)
            } else {
                (l.low.checked_sub(r.high)?, l.high.checked_sub(r.low)?)
            };
            Some(Interval::new(low, high, scale))
        }
        Operator::Multiply => {
            let (low, high) = corners(&i128::checked_mul)?;
            Interval::new(low, high, left.scale + right.scale).rescale(scale)
        }
        Operator::Divide => {
            // l / 10^sl / (r / 10^sr) at the result's scale is l * 10^(scale - sl + sr) / r.
            let by = power((scale + right.scale).checked_sub(left.scale)?)?;
            // The engine's intermediate product must fit; a power of ten to spare.
            let most = left.magnitude().checked_mul(by)?;
            most.checked_mul(10)?;
            let smallest = if right.low > 0 || right.high < 0 {
                right.low.saturating_abs().min(right.high.saturating_abs())
            } else {
                1
            };
            let most = most / smallest + 1;
            let exact = scale == 0 && left.scale == 0;
            let most = if exact { most - 1 } else { most };
            let low = if left.low < 0 || right.low < 0 { -most } else { 0 };
            Some(Interval::new(low, most, scale))
        }
        Operator::Modulo => {
            let (l, r) = (left.rescale(scale)?, right.rescale(scale)?);
            let most = l.magnitude().min(r.magnitude());
            let low = if l.low < 0 { -most } else { 0 };
            let high = if l.high > 0 { most } else { 0 };
            Some(Interval::new(low, high, scale))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interval() -> impl Strategy<Value = (Interval, i128)> {
        (-1000_i128..1000, 0_i128..2000, 0_i128..=100).prop_map(|(low, width, part)| {
            (Interval::new(low, low + width, 0), low + width * part / 100)
        })
    }

    proptest! {
        #[test]
        fn a_result_lies_in_the_interval((left, x) in interval(), (right, y) in interval()) {
            let all = [
                (Operator::Plus, Some(x + y)),
                (Operator::Minus, Some(x - y)),
                (Operator::Multiply, Some(x * y)),
                (Operator::Divide, x.checked_div(y)),
                (Operator::Modulo, x.checked_rem(y)),
            ];
            for (op, value) in all {
                let Some(value) = value else { continue };
                let range = operate(op, left, right, 0).unwrap();
                prop_assert!(range.low <= value && value <= range.high, "{x} {op} {y}: {range:?}");
            }
        }

        #[test]
        fn losing_digits_rounds_outwards(low in -100_000_i128..100_000, width in 0_i128..100) {
            let range = Interval::new(low, low + width, 3).rescale(1).unwrap();
            prop_assert!(range.low * 100 <= low && low + width <= range.high * 100);
        }
    }

    #[test]
    fn what_is_never_missing_bounds_the_extremes() {
        let (one, many) = (Interval::new(1, 1, 0), Interval::new(0, 1000, 1));
        let of = |greatest, sure| extreme(greatest, &[Some(many), Some(one)], &[false, sure], many);
        assert_eq!(of(false, true), Interval::new(0, 10, 1));
        assert_eq!(of(false, false), Interval::new(0, 1000, 1));
        assert_eq!(of(true, true), Interval::new(10, 1000, 1));
    }

    #[test]
    fn what_leaves_128_bits_has_no_interval() {
        let large = Interval::new(0, i128::MAX / 2, 0);
        assert!(operate(Operator::Multiply, large, large, 0).is_none());
        assert!(operate(Operator::Divide, large, Interval::new(1, 2, 4), 4).is_none());
    }
}
