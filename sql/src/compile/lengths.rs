//! How long a text can become.
//!
//! Texts grow where they are put together; a query that writes one text out a thousand times would
//! fill a site's memory. Literals and categories have known lengths. How long the text of a free
//! column is nobody knows, so the number of such texts in one is bounded instead.

use datafusion::{
    common::{ScalarValue, tree_node::TreeNodeRecursion},
    logical_expr::{BinaryExpr, Expr, Operator},
};
use tacit_plan::{ColumnType, Table};

use super::text;
use crate::Refusal;

/// The longest text of known length, in bytes.
const LONGEST: u64 = 1 << 20;

/// The most texts of free columns in one text.
const MOST: u64 = 64;

/// The longest number, date or truth value as text.
const WRITTEN: u64 = 64;

/// What a text is made of at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Length {
    bytes: u64,
    texts: u64,
}

impl Length {
    fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            texts: self.texts.saturating_add(other.texts),
        }
    }

    fn or(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), texts: self.texts.max(other.texts) }
    }
}

/// Refuses an expression of which a part may be too long a text.
pub(super) fn check(expr: &Expr, table: &Table) -> Result<(), Refusal> {
    length(expr, table).map(drop)
}

fn length(expr: &Expr, table: &Table) -> Result<Length, Refusal> {
    use datafusion::common::tree_node::TreeNode as _;
    let mut parts = Vec::new();
    let mut fault = None;
    let _ = expr.apply_children(|child| {
        match length(child, table) {
            Ok(part) => parts.push(part),
            Err(refusal) => {
                fault = Some(refusal);
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if let Some(refusal) = fault {
        return Err(refusal);
    }
    let parts = parts.into_iter();
    let own = match expr {
        Expr::Column(column) => {
            let own = table.columns.iter().find(|c| c.name == column.name);
            match own.map(|column| &column.r#type) {
                Some(ColumnType::Text) => Length { bytes: 0, texts: 1 },
                Some(ColumnType::Category { values }) => {
                    let longest = values.iter().map(String::len).max().unwrap_or_default();
                    Length { bytes: longest as u64, texts: 0 }
                }
                _ => Length { bytes: WRITTEN, texts: 0 },
            }
        }
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => {
            Length { bytes: text.len() as u64, texts: 0 }
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::StringConcat, .. }) => {
            parts.fold(Length::default(), Length::plus)
        }
        Expr::ScalarFunction(call) => match call.func.name() {
            "concat" => parts.fold(Length::default(), Length::plus),
            // A letter of another case may take more bytes.
            "upper" | "lower" | "initcap" => {
                let inner = parts.fold(Length::default(), Length::or);
                Length { bytes: inner.bytes.saturating_mul(3), texts: inner.texts }
            }
            _ => parts.fold(Length::default(), Length::or),
        },
        Expr::Case(_) | Expr::TryCast(_) => {
            parts.fold(Length { bytes: WRITTEN, texts: 0 }, Length::or)
        }
        // A truth value or a number.
        _ => Length { bytes: WRITTEN, texts: 0 },
    };
    if own.bytes <= LONGEST && own.texts <= MOST {
        return Ok(own);
    }
    let written = text::sql(expr).unwrap_or_default();
    let start: String = written.chars().take(60).collect();
    let message = format!(
        "the text {start}... may have {} bytes beside {} texts of columns; the most is {LONGEST} \
         and {MOST}",
        own.bytes, own.texts
    );
    Err(Refusal::new("too_long", message).suggest("put fewer texts together"))
}
