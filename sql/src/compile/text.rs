//! Expressions as SQL text.
//!
//! What is shown to people is what a site runs, so the text must mean exactly what the compiled
//! expression means: every operation is in brackets except where precedence is plain, every
//! conversion is written out, and no literal changes its type on the way back.

use datafusion::{
    arrow::datatypes::{DataType, TimeUnit},
    common::ScalarValue,
    logical_expr::{BinaryExpr, Expr, Like, Operator},
};

use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// A name as SQL, in quotes unless it is plain.
pub(super) fn name(name: &str) -> String {
    let plain = !name.is_empty()
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !is_keyword(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Whether the parser would take a bare name for anything else, in any place where names stand.
fn is_keyword(name: &str) -> bool {
    use datafusion::sql::sqlparser::{
        ast,
        dialect::GenericDialect,
        keywords::{
            ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS,
        },
        parser::Parser,
    };
    // Words that the parser takes for names only if nothing else fits.
    let inside = [
        "all", "and", "any", "array", "between", "case", "cast", "distinct", "else", "end",
        "exists", "false", "filter", "in", "interval", "is", "like", "not", "null", "or", "struct",
        "then", "true", "when",
    ];
    if inside.contains(&name) {
        return true;
    }
    let upper = name.to_uppercase();
    if let Ok(at) = ALL_KEYWORDS.binary_search(&upper.as_str()) {
        let word = ALL_KEYWORDS_INDEX[at];
        if RESERVED_FOR_COLUMN_ALIAS.contains(&word) || RESERVED_FOR_TABLE_ALIAS.contains(&word) {
            return true;
        }
    }
    let dialect = GenericDialect {};
    let parser = Parser::new(&dialect).try_with_sql(name);
    let alone = parser.and_then(|mut parser| parser.parse_expr());
    let uses = format!(
        "SELECT {name} AS k, f({name}, {name} + 1) FROM {name} WHERE {name} IS NULL AND NOT {name} \
         AND {name} LIKE 'x' AND {name} - 1 > {name} GROUP BY {name}"
    );
    !matches!(alone, Ok(ast::Expr::Identifier(_))) || Parser::parse_sql(&dialect, &uses).is_err()
}

/// An expression as SQL.
pub(super) fn sql(expr: &Expr) -> Result<String> {
    sql_with(expr, &name)
}

/// An expression as SQL that can stand beside AND.
pub(super) fn operand(expr: &Expr) -> Result<String> {
    Writer { column: &name }.write(expr, 2)
}

/// An expression as SQL, its columns written by `column`.
pub(super) fn sql_with(expr: &Expr, column: &dyn Fn(&str) -> String) -> Result<String> {
    Writer { column }.write(expr, 0)
}

struct Writer<'a> {
    column: &'a dyn Fn(&str) -> String,
}

/// Text in single quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

// Binding strength: IS DISTINCT FROM 0 (the parser takes all that follows for its right side), OR 1, AND 2, NOT 3, comparison 4, IS and the like 5, + - 6, * / % 7, unary 8.
fn strength(op: Operator) -> Option<(u8, &'static str)> {
    Some(match op {
        Operator::Or => (1, "OR"),
        Operator::And => (2, "AND"),
        Operator::Eq => (4, "="),
        Operator::NotEq => (4, "<>"),
        Operator::Lt => (4, "<"),
        Operator::LtEq => (4, "<="),
        Operator::Gt => (4, ">"),
        Operator::GtEq => (4, ">="),
        Operator::IsDistinctFrom => (0, "IS DISTINCT FROM"),
        Operator::IsNotDistinctFrom => (0, "IS NOT DISTINCT FROM"),
        Operator::Plus => (6, "+"),
        Operator::Minus => (6, "-"),
        Operator::Multiply => (7, "*"),
        Operator::Divide => (7, "/"),
        Operator::Modulo => (7, "%"),
        Operator::StringConcat => (6, "||"),
        _ => return None,
    })
}

impl Writer<'_> {
    /// Writes `expr`; in brackets if it binds weaker than `outer`.
    fn write(&self, expr: &Expr, outer: u8) -> Result<String> {
        let bracket = |own: u8, text: String| {
            if own < outer { format!("({text})") } else { text }
        };
        let postfix = |inner: &Expr, words: &str| -> Result<String> {
            Ok(bracket(3, format!("{} {words}", self.write(inner, 9)?)))
        };
        Ok(match expr {
            Expr::Alias(alias) => self.write(&alias.expr, outer)?,
            Expr::Column(column) => (self.column)(&column.name),
            Expr::Literal(value, _) => literal(value)?,
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let Some((own, word)) = strength(*op) else {
                    return Err(unprintable(&format!("the operator {op}")));
                };
                // AND and OR chains stay flat; the rest brackets an equal on the right (and on both
                // sides of a comparison).
                let (l, r) = match op {
                    Operator::And | Operator::Or => (own, own + 1),
                    _ if own == 4 || own == 0 => (6, 6),
                    Operator::StringConcat => (9, 9),
                    _ => (own, own + 1),
                };
                bracket(own, format!("{} {word} {}", self.write(left, l)?, self.write(right, r)?))
            }
            Expr::Not(inner) => bracket(3, format!("NOT {}", self.write(inner, 9)?)),
            Expr::Negative(inner) => format!("(- {})", self.write(inner, 9)?),
            Expr::IsNull(inner) => postfix(inner, "IS NULL")?,
            Expr::IsNotNull(inner) => postfix(inner, "IS NOT NULL")?,
            Expr::IsTrue(inner) => postfix(inner, "IS TRUE")?,
            Expr::IsFalse(inner) => postfix(inner, "IS FALSE")?,
            Expr::IsUnknown(inner) => postfix(inner, "IS UNKNOWN")?,
            Expr::IsNotTrue(inner) => postfix(inner, "IS NOT TRUE")?,
            Expr::IsNotFalse(inner) => postfix(inner, "IS NOT FALSE")?,
            Expr::IsNotUnknown(inner) => postfix(inner, "IS NOT UNKNOWN")?,
            Expr::Between(between) => {
                let not = if between.negated { "NOT " } else { "" };
                let (low, high) = (self.write(&between.low, 9)?, self.write(&between.high, 9)?);
                let text =
                    format!("{} {not}BETWEEN {low} AND {high}", self.write(&between.expr, 9)?);
                bracket(3, text)
            }
            Expr::InList(list) => {
                let not = if list.negated { "NOT " } else { "" };
                let items =
                    list.list.iter().map(|e| self.write(e, 0)).collect::<Result<Vec<_>>>()?;
                let text = format!("{} {not}IN ({})", self.write(&list.expr, 9)?, items.join(", "));
                bracket(3, text)
            }
            Expr::Like(Like { negated, expr, pattern, escape_char, case_insensitive }) => {
                let not = if *negated { "NOT " } else { "" };
                let word = if *case_insensitive { "ILIKE" } else { "LIKE" };
                let mut text =
                    format!("{} {not}{word} {}", self.write(expr, 9)?, self.write(pattern, 9)?);
                if let Some(escape) = escape_char {
                    text = format!("{text} ESCAPE {}", quoted(&escape.to_string()));
                }
                bracket(3, text)
            }
            Expr::Case(case) => {
                let mut text = String::from("CASE");
                if let Some(operand) = &case.expr {
                    text = format!("{text} {}", self.write(operand, 9)?);
                }
                // NULL has the type of the other branches, if one has any.
                let null = |e: &Expr| matches!(e, Expr::Literal(value, _) if value.is_null());
                let typed = case.when_then_expr.iter().any(|(_, then)| !null(then));
                for (when, then) in &case.when_then_expr {
                    let then =
                        if typed && null(then) { "NULL".to_owned() } else { self.write(then, 0)? };
                    text = format!("{text} WHEN {} THEN {then}", self.write(when, 0)?);
                }
                if let Some(otherwise) = case.else_expr.as_ref().filter(|e| !typed || !null(e)) {
                    text = format!("{text} ELSE {}", self.write(otherwise, 0)?);
                }
                format!("{text} END")
            }
            Expr::TryCast(cast) => {
                let target = data_type(cast.field.data_type())?;
                format!("TRY_CAST({} AS {target})", self.write(&cast.expr, 0)?)
            }
            Expr::ScalarFunction(call) => {
                let arguments =
                    call.args.iter().map(|e| self.write(e, 0)).collect::<Result<Vec<_>>>()?;
                format!("{}({})", call.func.name(), arguments.join(", "))
            }
            other => return Err(unprintable(&format!("{other}"))),
        })
    }
}

fn unprintable(what: &str) -> Refusal {
    Refusal::new("unsupported_expression", format!("{what} is not supported"))
}

/// A type as SQL that the parser reads as the same type.
pub(super) fn data_type(data_type: &DataType) -> Result<String> {
    Ok(match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "REAL".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Utf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP(6)".into(),
        other => return Err(unprintable(&format!("the type {other}"))),
    })
}

fn literal(value: &ScalarValue) -> Result<String> {
    let typed = |text: String| -> Result<String> {
        Ok(format!("CAST({text} AS {})", data_type(&value.data_type())?))
    };
    Ok(match value {
        ScalarValue::Null => "NULL".into(),
        ScalarValue::Boolean(Some(b)) => b.to_string().to_uppercase(),
        ScalarValue::Int64(Some(n)) if *n >= 0 => n.to_string(),
        ScalarValue::Int64(Some(n)) if *n > i64::MIN => format!("({n})"),
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => quoted(text),
        ScalarValue::Decimal128(Some(n), precision, scale)
            if *scale > 0 && *scale <= 38 && *precision <= 38 =>
        {
            let text = decimal(*n, *scale as u32);
            if *n < 0 { format!("({text})") } else { text }
        }
        ScalarValue::Decimal128(Some(n), _, 0) => typed(n.to_string())?,
        ScalarValue::Float64(Some(_)) => typed(quoted(&value.to_string()))?,
        ScalarValue::Date32(Some(_)) => format!("DATE {}", quoted(&value.to_string())),
        ScalarValue::TimestampMicrosecond(Some(_), None) => {
            let text =
                value.cast_to(&DataType::Utf8).map_err(|_| unprintable("this point in time"))?;
            typed(quoted(&text.to_string()))?
        }
        ScalarValue::IntervalMonthDayNano(Some(i)) => {
            let text = format!("{} months {} days {} nanoseconds", i.months, i.days, i.nanoseconds);
            format!("INTERVAL {}", quoted(&text))
        }
        ScalarValue::Int8(Some(_)) | ScalarValue::Int16(Some(_)) | ScalarValue::Int32(Some(_)) => {
            typed(value.to_string())?
        }
        value if value.is_null() => typed("NULL".into())?,
        other => return Err(unprintable(&format!("a literal of type {}", other.data_type()))),
    })
}

/// `unscaled / 10^scale` with all its digits.
pub(super) fn decimal(unscaled: i128, scale: u32) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let scale = scale as usize;
    if scale == 0 {
        let sign = if unscaled < 0 { "-" } else { "" };
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, rest) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    format!("{sign}{whole}.{rest}")
}

#[cfg(test)]
mod tests {
    use datafusion::{
        logical_expr::{and, col, lit, or},
        prelude::Expr,
    };

    use super::*;

    #[test]
    fn brackets_stand_where_they_change_the_meaning() {
        let (a, b, c) = (|| col("a"), || col("b"), || col("c"));
        let cases: [(Expr, &str); 9] = [
            (and(or(a(), b()), c()), "(a OR b) AND c"),
            (or(and(a(), b()), c()), "a AND b OR c"),
            (and(Expr::Not(Box::new(or(a(), b()))), c()), "NOT (a OR b) AND c"),
            (a() - (b() - c()), "a - (b - c)"),
            (a() - b() - c(), "a - b - c"),
            ((a() + b()) * c(), "(a + b) * c"),
            (a() * -b(), "a * (- b)"),
            (a().eq(lit(-1_i64)).is_null(), "(a = (-1)) IS NULL"),
            (and(a(), col("Order \"x\"").eq(lit("it's"))), "a AND \"Order \"\"x\"\"\" = 'it''s'"),
        ];
        for (expr, text) in cases {
            assert_eq!(sql(&expr).unwrap(), text);
        }
    }

    #[test]
    fn literals_keep_their_type() {
        let decimal = |n, scale| sql(&lit(ScalarValue::Decimal128(Some(n), 9, scale))).unwrap();
        assert_eq!(decimal(5, 2), "0.05");
        assert_eq!(decimal(-1234, 1), "(-123.4)");
        assert_eq!(decimal(7, 0), "CAST(7 AS DECIMAL(9,0))");
        assert_eq!(sql(&lit(ScalarValue::Date32(Some(0)))).unwrap(), "DATE '1970-01-01'");
        let instant = ScalarValue::TimestampMicrosecond(Some(1_500_000), None);
        assert_eq!(sql(&lit(instant)).unwrap(), "CAST('1970-01-01T00:00:01.500' AS TIMESTAMP(6))");
    }

    #[test]
    fn names_that_the_parser_would_take_for_words_are_quoted() {
        assert_eq!(name("age"), "age");
        assert_eq!(name("date"), "date");
        for word in ["select", "Age", "current_date", "null", "interval", "1st", "case", "from"] {
            assert!(name(word).starts_with('"'), "{word}");
        }
    }
}
