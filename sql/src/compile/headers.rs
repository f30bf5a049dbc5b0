//! Names of output columns: what the asker wrote, where no name was given.

use std::{collections::BTreeSet, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectNamePart, Query, Select, SelectItem, SetExpr, VisitMut, VisitorMut,
};

/// The text of each item of a query's SELECT that is an expression without a name; `None` for the
/// others. Nothing if its items are not its columns one by one.
pub(super) fn written(query: &Query) -> Vec<Option<String>> {
    let Some(select) = outermost(&query.body) else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for item in &select.projection {
        headers.push(match item {
            SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_))
            | SelectItem::ExprWithAlias { .. } => None,
            SelectItem::UnnamedExpr(expr) => {
                let mut expr = expr.clone();
                let _ = VisitMut::visit(&mut expr, &mut Lower);
                Some(expr.to_string())
            }
            _ => return Vec::new(),
        });
    }
    headers
}

fn outermost(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => outermost(&query.body),
        _ => None,
    }
}

/// Puts the headers into the names of as many columns; each name is there once.
pub(super) fn put<T>(columns: &mut [(String, T)], headers: &[Option<String>]) {
    if headers.len() == columns.len() {
        for ((name, _), header) in columns.iter_mut().zip(headers) {
            if let Some(header) = header {
                name.clone_from(header);
            }
        }
    }
    let mut taken = BTreeSet::new();
    for (name, _) in columns {
        let first = name.clone();
        let mut n = 1;
        while !taken.insert(name.clone()) {
            n += 1;
            *name = format!("{first} ({n})");
        }
    }
}

/// Writes names of functions in lower case.
struct Lower;

impl VisitorMut for Lower {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            for part in &mut function.name.0 {
                if let ObjectNamePart::Identifier(ident) = part
                    && ident.quote_style.is_none()
                {
                    ident.value = ident.value.to_lowercase();
                }
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_there_twice() {
        let mut columns = ["a", "n", "a (2)"].map(|name| (name.to_owned(), ()));
        put(&mut columns, &[None, Some("a".into()), None]);
        assert_eq!(columns.map(|(name, ())| name), ["a", "a (2)", "a (2) (2)"]);
        let mut columns = [("a".to_owned(), ())];
        put(&mut columns, &[]);
        assert_eq!(columns[0].0, "a");
    }
}
