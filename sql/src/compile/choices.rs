//! The choices in the argument of a sum, taken apart.
//!
//! `SUM(CASE WHEN id = 17 THEN balance ELSE 0 END)` adds up one row, whatever number of rows it
//! runs over. So an argument is taken apart into [`Path`]s: conditions, of which exactly one set
//! holds in each row, and the value that is added there. Choices are CASE, COALESCE, NVL, NVL2,
//! NULLIF, GREATEST, LEAST, truth values that become numbers, and a factor of a product that is 0
//! or one other value. A path whose value is 0 or NULL adds nothing.
//!
//! What is not taken apart: arithmetic of columns that happens to weigh rows, such as a polynomial
//! of an identifier.

use datafusion::{
    arrow::datatypes::DataType,
    common::{
        DFSchema, ScalarValue,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    functions::core::coalesce,
    logical_expr::{
        BinaryExpr, Case, Expr, ExprSchemable, Operator, binary_expr, expr::ScalarFunction,
        simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
};
use tacit_plan::Table;

use super::{
    counts::keeps_all,
    domain,
    expr::{columns, conjuncts, inside, size},
    interval::literal,
    text,
};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// The most paths of an argument that add something.
pub(super) const MOST: usize = 8;

/// The most paths of an argument.
const MOST_TAKEN: usize = 64;

/// Combinations that are tried to find out whether a factor is 0 or one other value.
const TRIED: usize = 20_000;

/// The largest factor, in parts, that is tried: what is tried is evaluated thousands of times.
const LARGEST: usize = 50;

/// One way through an argument's choices.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// What holds in the rows that take it.
    pub(super) conditions: Vec<Expr>,
    /// What it adds; without choices.
    pub(super) value: Expr,
}

impl Path {
    fn always(value: Expr) -> Self {
        Self { conditions: Vec::new(), value }
    }

    /// Whether it can add anything but 0.
    pub(super) fn adds(&self) -> bool {
        !is_nothing(&self.value)
    }
}

/// Takes arguments apart.
pub(super) struct Choices<'a> {
    pub(super) schema: &'a DFSchema,
    pub(super) table: &'a Table,
    /// What holds in all rows that are added up.
    pub(super) holding: &'a [Expr],
}

/// The refusal of an argument with too many choices.
pub(super) fn too_many(argument: &Expr) -> Refusal {
    let written = text::sql(argument).unwrap_or_default();
    let message = format!("{written} chooses between more than {MOST} summands");
    Refusal::new("choices", message)
        .suggest("GROUP BY the condition, or ask for several COUNT or SUM with FILTER (WHERE ...)")
}

impl Choices<'_> {
    /// The paths of an argument: in every row the conditions of one of them hold, or of none if it
    /// is NULL.
    pub(super) fn paths(&self, expr: &Expr) -> Result<Vec<Path>> {
        let kind = expr.get_type(self.schema).map_err(|e| inside(&e))?;
        let paths = match expr {
            Expr::Literal(..) => vec![Path::always(expr.clone())],
            _ if kind == DataType::Boolean => {
                let of = |truth| Expr::Literal(ScalarValue::Boolean(truth), None);
                let negated = Expr::Not(Box::new(expr.clone()));
                let mut paths = vec![
                    Path { conditions: conjuncts(expr), value: of(Some(true)) },
                    Path { conditions: vec![negated], value: of(Some(false)) },
                ];
                if self.nullable(expr) {
                    let unknown = Expr::IsNull(Box::new(expr.clone()));
                    paths.push(Path { conditions: vec![unknown], value: of(None) });
                }
                paths
            }
            Expr::Case(case) => self.case(case, &kind)?,
            Expr::ScalarFunction(call) => self.call(expr, call, &kind)?,
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: op @ (Operator::Divide | Operator::Modulo),
                right,
            }) => {
                // A divisor is NULL where it is 0, which adds nothing.
                let (left, divisors) = (self.paths(left)?, self.divisors(right)?);
                self.combined(expr, &[left, divisors], |mut parts| {
                    let right = parts.pop().unwrap_or_else(|| right.as_ref().clone());
                    let left = parts.pop().unwrap_or_else(|| right.clone());
                    Ok(binary_expr(left, *op, right))
                })?
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Multiply, right }) => {
                let sides = [self.factor(left)?, self.factor(right)?];
                self.rebuilt(expr, &sides)?
            }
            _ => {
                let mut parts = Vec::new();
                let _ = expr.apply_children(|child| {
                    parts.push(child.clone());
                    Ok(TreeNodeRecursion::Continue)
                });
                let parts = parts.iter().map(|part| self.paths(part));
                self.rebuilt(expr, &parts.collect::<Result<Vec<_>>>()?)?
            }
        };
        match paths.len() {
            0..=MOST_TAKEN => Ok(paths),
            _ => Err(too_many(expr)),
        }
    }

    fn nullable(&self, expr: &Expr) -> bool {
        expr.nullable(self.schema).unwrap_or(true)
    }

    fn case(&self, case: &Case, kind: &DataType) -> Result<Vec<Path>> {
        let mut paths = Vec::new();
        let mut before: Vec<Expr> = Vec::new();
        for (when, then) in &case.when_then_expr {
            let when = match &case.expr {
                Some(operand) => {
                    binary_expr(operand.as_ref().clone(), Operator::Eq, when.as_ref().clone())
                }
                None => when.as_ref().clone(),
            };
            let here = [before.clone(), conjuncts(&when)].concat();
            paths.extend(self.under(&here, self.paths(then)?));
            before.push(self.not(&when));
            if paths.len() > MOST_TAKEN {
                break;
            }
        }
        let otherwise = match &case.else_expr {
            Some(otherwise) => self.paths(otherwise)?,
            None => vec![Path::always(null(kind)?)],
        };
        paths.extend(self.under(&before, otherwise));
        Ok(paths)
    }

    fn call(&self, expr: &Expr, call: &ScalarFunction, kind: &DataType) -> Result<Vec<Path>> {
        // A conversion that keeps all is NULL where what it converts is.
        let core = |e: &Expr| match e {
            Expr::TryCast(cast) if keeps_all(&cast.expr, cast.field.data_type(), self.schema) => {
                cast.expr.clone()
            }
            other => Box::new(other.clone()),
        };
        let (there, missing) =
            (|e: &Expr| Expr::IsNotNull(core(e)), |e: &Expr| Expr::IsNull(core(e)));
        let mut paths = Vec::new();
        match (call.func.name(), call.args.as_slice()) {
            ("coalesce" | "nvl", all) => {
                let mut before = Vec::new();
                for one in all {
                    let own = self.paths(one)?;
                    if !self.nullable(one) {
                        paths.extend(self.under(&before, own));
                        return Ok(paths);
                    }
                    let own = own.into_iter().filter(|path| !is_null(&path.value)).collect();
                    paths.extend(self.under(&[before.clone(), vec![there(one)]].concat(), own));
                    before.push(missing(one));
                    if paths.len() > MOST_TAKEN {
                        break;
                    }
                }
                paths.extend(self.under(&before, vec![Path::always(null(kind)?)]));
            }
            ("nvl2", [of, then, otherwise]) => {
                paths.extend(self.under(&[there(of)], self.paths(then)?));
                if self.nullable(of) {
                    paths.extend(self.under(&[missing(of)], self.paths(otherwise)?));
                }
            }
            ("nullif", [value, other]) => {
                let equal = binary_expr(value.clone(), Operator::Eq, other.clone());
                paths.extend(self.under(&[self.not(&equal)], self.paths(value)?));
                paths.extend(self.under(&[equal], vec![Path::always(null(kind)?)]));
            }
            ("greatest" | "least", [one]) => return self.paths(one),
            (name @ ("greatest" | "least"), [first, others @ ..]) => {
                let rest = if let [one] = others {
                    one.clone()
                } else {
                    let others = others.to_vec();
                    Expr::ScalarFunction(ScalarFunction::new_udf(call.func.clone(), others))
                };
                let op = if name == "greatest" { Operator::GtEq } else { Operator::LtEq };
                let mut wins = binary_expr(first.clone(), op, rest.clone());
                if self.nullable(&rest) {
                    wins = binary_expr(wins, Operator::Or, missing(&rest));
                }
                let (own, other) = (self.paths(first)?, self.paths(&rest)?);
                paths.extend(self.under(std::slice::from_ref(&wins), own));
                paths.extend(self.under(&[self.not(&wins)], other));
            }
            (_, all) => {
                let parts = all.iter().map(|part| self.paths(part));
                return self.rebuilt(expr, &parts.collect::<Result<Vec<_>>>()?);
            }
        }
        Ok(paths)
    }

    /// The paths of a divisor, less its guard against 0.
    fn divisors(&self, expr: &Expr) -> Result<Vec<Path>> {
        let Expr::ScalarFunction(call) = expr else {
            return self.paths(expr);
        };
        let ("nullif", [inner, zero]) = (call.func.name(), call.args.as_slice()) else {
            return self.paths(expr);
        };
        if !is_nothing(zero) {
            return self.paths(expr);
        }
        self.combined(expr, &[self.paths(inner)?], |mut parts| {
            let inner = parts.pop().unwrap_or_else(|| inner.clone());
            let guarded = vec![inner, zero.clone()];
            Ok(Expr::ScalarFunction(ScalarFunction::new_udf(call.func.clone(), guarded)))
        })
    }

    /// The paths of a factor; one that is 0 or one other value is a choice.
    fn factor(&self, expr: &Expr) -> Result<Vec<Path>> {
        let paths = self.paths(expr)?;
        if paths.len() != 1 || columns(expr).is_empty() || size(expr) > LARGEST {
            return Ok(paths);
        }
        let read = columns(expr);
        let own = self.holding.iter().filter(|c| columns(c).is_subset(&read));
        let own: Vec<&Expr> = own.collect();
        let values = match domain::few(expr, &own, self.table, TRIED, 2) {
            Ok(values) if values.len() <= 2 => values,
            _ => return Ok(paths),
        };
        let literal = |value: &ScalarValue| Expr::Literal(value.clone(), None);
        if !values.iter().any(|value| is_nothing(&literal(value))) {
            return Ok(paths);
        }
        let of = |value: &ScalarValue| Path {
            conditions: vec![binary_expr(expr.clone(), Operator::Eq, literal(value))],
            value: literal(value),
        };
        let mut split: Vec<Path> = values.iter().map(of).collect();
        if self.nullable(expr) {
            let kind = expr.get_type(self.schema).map_err(|e| inside(&e))?;
            let missing = Expr::IsNull(Box::new(expr.clone()));
            split.push(Path { conditions: vec![missing], value: null(&kind)? });
        }
        Ok(split)
    }

    /// `expr` over every combination of its parts' paths.
    fn rebuilt(&self, expr: &Expr, parts: &[Vec<Path>]) -> Result<Vec<Path>> {
        if parts.iter().all(|paths| matches!(paths.as_slice(), [one] if one.conditions.is_empty()))
            && !columns(expr).is_empty()
        {
            return Ok(vec![Path::always(expr.clone())]);
        }
        self.combined(expr, parts, |values| {
            let mut values = values.into_iter();
            let rebuilt = expr.clone().map_children(|old| match values.next() {
                Some(value) => Ok(Transformed::yes(value)),
                None => Ok(Transformed::no(old)),
            });
            rebuilt.data().map_err(|e| inside(&e))
        })
    }

    /// What `make` makes of every combination of paths.
    fn combined(
        &self,
        expr: &Expr,
        parts: &[Vec<Path>],
        make: impl Fn(Vec<Expr>) -> Result<Expr>,
    ) -> Result<Vec<Path>> {
        let mut all: Vec<(Vec<Expr>, Vec<Expr>)> = vec![(Vec::new(), Vec::new())];
        for paths in parts {
            let mut longer = Vec::new();
            for (conditions, values) in &all {
                for path in paths {
                    if let Some(both) = self.both(conditions, &path.conditions) {
                        longer.push((
                            both,
                            [values.as_slice(), std::slice::from_ref(&path.value)].concat(),
                        ));
                    }
                }
            }
            all = longer;
            if all.len() > MOST_TAKEN {
                return Err(too_many(expr));
            }
        }
        let made = all.into_iter().map(|(conditions, values)| {
            Ok(Path { conditions, value: self.folded(make(values)?)? })
        });
        made.collect()
    }

    /// `paths` where `conditions` hold as well.
    fn under(&self, conditions: &[Expr], paths: Vec<Path>) -> Vec<Path> {
        let paths = paths.into_iter().filter_map(|path| {
            let conditions = self.both(conditions, &path.conditions)?;
            Some(Path { conditions, value: path.value })
        });
        paths.collect()
    }

    /// All of the conditions; `None` if they contradict each other by their form.
    fn both(&self, one: &[Expr], other: &[Expr]) -> Option<Vec<Expr>> {
        let literal =
            |conditions: &[Expr]| conditions.iter().any(|c| matches!(c, Expr::Literal(..)));
        for (one, other) in [(one, other), (other, one)] {
            if one.is_empty() && !literal(other) {
                return Some(other.to_vec());
            }
        }
        let mut both: Vec<Expr> = Vec::new();
        for condition in one.iter().chain(other) {
            match condition {
                Expr::Literal(ScalarValue::Boolean(Some(true)), _) => continue,
                Expr::Literal(..) => return None,
                _ => {}
            }
            if both.contains(condition) {
                continue;
            }
            let not = self.not(condition);
            let against =
                |old: &Expr| *old == not || self.not(old) == *condition || apart(old, condition);
            if both.iter().any(against) {
                return None;
            }
            both.push(condition.clone());
        }
        Some(both)
    }

    /// That a condition does not hold, be it false or unknown.
    pub(super) fn not(&self, condition: &Expr) -> Expr {
        let sure = !self.nullable(condition);
        match condition {
            Expr::Literal(value, _) => {
                let holds = *value == ScalarValue::Boolean(Some(true));
                Expr::Literal(ScalarValue::Boolean(Some(!holds)), None)
            }
            Expr::IsNull(inner) => Expr::IsNotNull(inner.clone()),
            Expr::IsNotNull(inner) => Expr::IsNull(inner.clone()),
            Expr::Not(inner) if sure => inner.as_ref().clone(),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if sure && op.negate().is_some() => {
                let op = op.negate().unwrap_or(*op);
                binary_expr(left.as_ref().clone(), op, right.as_ref().clone())
            }
            _ if sure => Expr::Not(Box::new(condition.clone())),
            _ => {
                let no = Expr::Literal(ScalarValue::Boolean(Some(false)), None);
                let known = ScalarFunction::new_udf(coalesce(), vec![condition.clone(), no]);
                Expr::Not(Box::new(Expr::ScalarFunction(known)))
            }
        }
    }

    /// A value that reads no column, as a literal.
    fn folded(&self, value: Expr) -> Result<Expr> {
        if !columns(&value).is_empty() {
            return Ok(value);
        }
        let about = SimplifyContext::builder().with_schema(self.schema.clone().into()).build();
        let simplifier = ExprSimplifier::new(about);
        let simple = simplifier
            .coerce(value, self.schema)
            .and_then(|value| simplifier.simplify(value))
            .map_err(|e| inside(&e))?;
        Ok(simple)
    }
}

/// Whether two conditions ask one expression for different values.
fn apart(one: &Expr, other: &Expr) -> bool {
    fn asked(condition: &Expr) -> Option<(&Expr, Option<&ScalarValue>)> {
        match condition {
            Expr::IsNull(inner) => Some((inner, None)),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
                match right.as_ref() {
                    Expr::Literal(value, _) => Some((left, Some(value))),
                    _ => None,
                }
            }
            _ => None,
        }
    }
    match (asked(one), asked(other)) {
        (Some((a, Some(x))), Some((b, Some(y)))) => {
            // 1 and 1.0 are one value, and so may be two floats.
            let kind = x.data_type();
            a == b && x != y && kind == y.data_type() && !kind.is_floating()
        }
        (Some((a, x)), Some((b, y))) => a == b && x != y,
        _ => false,
    }
}

/// The constants that paths add, each once, if all of them add constants.
pub(super) fn constants(paths: &[Path]) -> Option<Vec<ScalarValue>> {
    let mut values: Vec<ScalarValue> = Vec::new();
    for path in paths {
        match &path.value {
            Expr::Literal(value, _) if value.is_null() => {}
            Expr::Literal(value, _) if values.contains(value) => {}
            Expr::Literal(value, _) => values.push(value.clone()),
            _ => return None,
        }
    }
    Some(values)
}

fn null(kind: &DataType) -> Result<Expr> {
    let value = ScalarValue::try_new_null(kind).map_err(|e| inside(&e))?;
    Ok(Expr::Literal(value, None))
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.is_null())
}

/// Whether a value is 0 or NULL by its form.
fn is_nothing(value: &Expr) -> bool {
    match value {
        Expr::Literal(value, _) => {
            value.is_null() || literal(value).is_some_and(|at| at.low == 0 && at.high == 0)
        }
        Expr::Negative(inner) => is_nothing(inner),
        Expr::TryCast(cast) => is_nothing(&cast.expr),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Multiply => is_nothing(left) || is_nothing(right),
            Operator::Divide | Operator::Modulo => is_nothing(left) || is_null(right),
            Operator::Plus | Operator::Minus => {
                is_null(left) || is_null(right) || (is_nothing(left) && is_nothing(right))
            }
            _ => false,
        },
        _ => false,
    }
}
