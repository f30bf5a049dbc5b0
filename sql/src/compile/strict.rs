//! Conditions that do not hold where a column is missing.

use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// Functions that may be there though an argument is missing.
const LENIENT: [&str; 7] = ["coalesce", "concat", "greatest", "least", "nullif", "nvl", "nvl2"];

/// Whether `condition` says that a column is there, and one of `known` cannot hold otherwise.
pub(super) fn implies(known: &[&Expr], condition: &Expr) -> bool {
    let Expr::IsNotNull(inner) = condition else {
        return false;
    };
    matches!(inner.as_ref(), Expr::Column(column)
        if known.iter().any(|known| fails(known, &column.name)))
}

/// Whether a condition is false or unknown wherever the column is missing.
fn fails(condition: &Expr, column: &str) -> bool {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            fails(left, column) || fails(right, column)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            fails(left, column) && fails(right, column)
        }
        Expr::IsNotNull(inner) | Expr::IsTrue(inner) | Expr::IsFalse(inner) => {
            missing(inner, column)
        }
        other => missing(other, column),
    }
}

/// Whether an expression is NULL wherever the column is missing.
fn missing(expr: &Expr, column: &str) -> bool {
    match expr {
        Expr::Column(own) => own.name == column,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => missing(left, column) && missing(right, column),
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => false,
            _ => missing(left, column) || missing(right, column),
        },
        Expr::Not(inner) | Expr::Negative(inner) => missing(inner, column),
        Expr::TryCast(cast) => missing(&cast.expr, column),
        Expr::Like(like) => missing(&like.expr, column),
        Expr::Between(between) => missing(&between.expr, column),
        Expr::InList(list) => missing(&list.expr, column),
        Expr::ScalarFunction(call) if !LENIENT.contains(&call.func.name()) => {
            call.args.iter().any(|part| missing(part, column))
        }
        _ => false,
    }
}
