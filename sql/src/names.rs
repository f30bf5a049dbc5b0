//! Which columns an expression of a plan reads.

use std::{collections::BTreeSet, ops::ControlFlow};

use datafusion::sql::sqlparser::{
    ast::{Expr, visit_expressions},
    dialect::GenericDialect,
    parser::Parser,
};

use crate::{Error, Result, session::on_large_stack};

/// How deep an expression of a plan may be nested, as [`crate::session_config`] says.
const DEPTH: usize = 1000;

/// Names of the columns that `expression` reads, such as [`tacit_plan::Key::expression`]: without
/// their quotes, and without a table before them.
///
/// It looks at the expression's structure: what stands in a literal is no column, and a name may
/// hold spaces, dots or quotes.
///
/// # Errors
/// [`Error::Malformed`] if it is no expression.
pub fn columns_of(expression: &str) -> Result<BTreeSet<String>> {
    on_large_stack(|| read(expression))
}

fn read(expression: &str) -> Result<BTreeSet<String>> {
    let fault = |cause: &dyn std::fmt::Display| {
        Error::Malformed(format!("an expression of the plan cannot be read: {cause}"))
    };
    let mut parser = Parser::new(&GenericDialect {})
        .with_recursion_limit(DEPTH)
        .try_with_sql(expression)
        .map_err(|error| fault(&error))?;
    let parsed = parser.parse_expr().map_err(|error| fault(&error))?;
    let rest = parser.peek_token().token;
    if rest != datafusion::sql::sqlparser::tokenizer::Token::EOF {
        return Err(fault(&format!("{rest} stands after it")));
    }
    let mut names = BTreeSet::new();
    let _: ControlFlow<()> = visit_expressions(&parsed, |part| {
        let name = match part {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(names) => names.last(),
            _ => None,
        };
        names.extend(name.map(|name| name.value.clone()));
        ControlFlow::Continue(())
    });
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(expression: &str) -> Vec<String> {
        columns_of(expression).unwrap().into_iter().collect()
    }

    #[test]
    fn names_are_read_from_the_structure_whatever_they_hold() {
        assert_eq!(of("CAST(\"Körper gewicht\" / 10 AS INT)"), ["Körper gewicht"]);
        assert_eq!(of("\"a.b\" + \"say \"\"x\"\"\""), ["a.b", "say \"x\""]);
        assert_eq!(of("CASE WHEN sex = 'age' THEN lower(town) END"), ["sex", "town"]);
        assert_eq!(of("t.age"), ["age"]);
        assert!(of("1 + 2").is_empty());
    }

    #[test]
    fn what_is_no_expression_is_an_error_and_not_without_columns() {
        for text in ["", "a b", "(a", "a; b"] {
            assert!(columns_of(text).is_err(), "{text}");
        }
    }
}
