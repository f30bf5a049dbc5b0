//! Conversions that the planner can tell apart.
//!
//! DataFusion names a column after its expression and leaves conversions out of the name, so that
//! `SUM(x)` and `SUM(CAST(x AS INT))` cannot stand in one query. Where that happens, conversions
//! are written as calls of `arrow_try_cast`, whose type is a part of the name.

use std::ops::ControlFlow;

use datafusion::{
    logical_expr::LogicalPlan,
    sql::{
        planner::SqlToRel,
        sqlparser::{
            ast::{Expr, Statement, VisitMut, VisitorMut},
            dialect::GenericDialect,
            parser::Parser,
        },
    },
};

use super::catalog::Catalog;

/// Whether two columns of one name are what is wrong.
pub(super) fn confused(error: &dyn std::fmt::Display) -> bool {
    let text = error.to_string();
    text.contains("duplicate") || text.contains("unique expression names")
}

/// Writes the conversions of a statement as calls.
pub(super) fn tell_apart(statement: &mut Statement, catalog: &Catalog) {
    let _ = VisitMut::visit(statement, &mut Calls(catalog));
}

struct Calls<'a>(&'a Catalog);

impl VisitorMut for Calls<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, node: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr, data_type, format: None, .. } = node
            && let Some(arrow) = self.arrow_type(&data_type.to_string())
        {
            let call = format!("arrow_try_cast({expr}, '{arrow}')");
            if let Some(call) = parsed(&call) {
                *node = call;
            }
        }
        ControlFlow::Continue(())
    }
}

impl Calls<'_> {
    /// Arrow's name of a SQL type.
    fn arrow_type(&self, data_type: &str) -> Option<String> {
        let sql = format!("SELECT CAST(NULL AS {data_type}) AS x");
        let statement = Parser::parse_sql(&GenericDialect {}, &sql).ok()?.pop()?;
        let plan: LogicalPlan = SqlToRel::new(self.0).sql_statement_to_plan(statement).ok()?;
        Some(plan.schema().field(0).data_type().to_string())
    }
}

fn parsed(text: &str) -> Option<Expr> {
    let parser = Parser::new(&GenericDialect {}).with_recursion_limit(1000).try_with_sql(text);
    parser.ok()?.parse_expr().ok()
}
