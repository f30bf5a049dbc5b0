//! Comparisons and choices of values that have no common type without loss.
//!
//! The planner finds a common type for whatever meets in an operation. Text that meets a number is
//! converted to the narrow type of that number (`x > 0.0` reads `x` as a decimal of one digit), and
//! what does not fit is silently left out; digits beyond 38 are lost likewise. Both are refused
//! before the planner converts anything.

use datafusion::{
    arrow::datatypes::DataType,
    common::{
        DFSchema,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator},
};

use super::expr::{digits, inside, outside};
use crate::Refusal;

/// The most digits of a decimal.
const DIGITS: i32 = 38;

/// Refuses operations of a plan, types not yet made equal, whose parts would lose something.
pub(super) fn check(plan: &LogicalPlan) -> Result<(), Refusal> {
    let walked = plan.apply(|node| {
        let inputs = node.inputs();
        let Some(input) = inputs.first() else {
            return Ok(TreeNodeRecursion::Continue);
        };
        let schema = input.schema();
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                parts(part, schema).map_err(outside)?;
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    walked.map(drop).map_err(|e| inside(&e))
}

/// Looks at one operation: all that gets one type in it.
fn parts(expr: &Expr, schema: &DFSchema) -> Result<(), Refusal> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo => text_with_number(&[left, right], schema),
            Operator::And | Operator::Or | Operator::StringConcat => Ok(()),
            _ => together(&[left, right], schema),
        },
        Expr::Between(between) => together(&[&between.expr, &between.low, &between.high], schema),
        Expr::InList(list) => {
            let all: Vec<&Expr> = std::iter::once(list.expr.as_ref()).chain(&list.list).collect();
            together(&all, schema)
        }
        Expr::Case(case) => {
            let whens = case.when_then_expr.iter();
            if let Some(operand) = &case.expr {
                let whens = whens.clone().map(|(when, _)| when.as_ref());
                let all: Vec<&Expr> = std::iter::once(operand.as_ref()).chain(whens).collect();
                together(&all, schema)?;
            }
            let thens = whens.map(|(_, then)| then.as_ref()).chain(case.else_expr.as_deref());
            together(&thens.collect::<Vec<_>>(), schema)
        }
        Expr::ScalarFunction(call) => match call.func.name() {
            "coalesce" | "nvl" | "greatest" | "least" | "nullif" => {
                together(&call.args.iter().collect::<Vec<_>>(), schema)
            }
            "nvl2" => together(&call.args.iter().skip(1).collect::<Vec<_>>(), schema),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn together(all: &[&Expr], schema: &DFSchema) -> Result<(), Refusal> {
    text_with_number(all, schema)?;
    let digits = all.iter().filter_map(|expr| digits(&expr.get_type(schema).ok()?));
    let (whole, scale) = digits.fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
    if scale > 0 && whole + scale > DIGITS {
        let all = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let message = format!("{all} together need more than {DIGITS} digits");
        return Err(Refusal::new("type", message)
            .suggest("write fewer digits, or CAST(... AS DECIMAL(18,2))"));
    }
    Ok(())
}

fn text_with_number(all: &[&Expr], schema: &DFSchema) -> Result<(), Refusal> {
    let is = |what: fn(&DataType) -> bool| {
        all.iter().find(|expr| expr.get_type(schema).is_ok_and(|kind| what(&kind)))
    };
    let (Some(text), Some(number)) = (is(DataType::is_string), is(DataType::is_numeric)) else {
        return Ok(());
    };
    if let Expr::Literal(value, _) = text {
        let message = format!("the text '{value}' meets the number {}", bare(number));
        return Err(Refusal::new("type", message).suggest("write a number, without quotes"));
    }
    let (text, number) = (bare(text), bare(number));
    let message = format!("{text} is text and cannot be compared with the number {number}");
    Err(Refusal::new("type", message).suggest(format!(
        "write CAST({text} AS DECIMAL(18,2)), or declare the column as a number in the dictionary"
    )))
}

/// An expression in words, without its table.
fn bare(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => super::text::name(&column.name),
        Expr::Literal(value, _) => value.to_string(),
        other => super::text::sql(other).unwrap_or_else(|_| other.to_string()),
    }
}
