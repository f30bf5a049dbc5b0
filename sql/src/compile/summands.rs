//! What a sum adds up: a few constants, or values over the rows of its argument's paths.

use std::collections::BTreeSet;

use datafusion::{common::ScalarValue, logical_expr::Expr};
use tacit_plan::ColumnType;

use super::{
    choices::{self, Choices, MOST, Path},
    counts::{Rows, all_of},
    domain,
    expr::{columns, conjuncts},
    rules::{Added, Rules, TRIED, is_zero},
    shape::Aggregate,
    text,
};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// What an argument without only one or two values adds.
pub(super) enum Summands {
    /// One of these constants in each row: the sum encodes how often each occurs.
    Constants(Vec<ScalarValue>),
    /// Values over the rows of each path, and over all rows that add something.
    Added(Vec<Added>),
}

impl Rules<'_> {
    /// What a sum or mean of `argument` adds.
    pub(super) fn summands(&self, argument: &Expr, aggregate: &Aggregate) -> Result<Summands> {
        let filter = aggregate.filter.as_ref();
        let holding: Vec<Expr> =
            filter.into_iter().chain(self.filters).flat_map(conjuncts).collect();
        let choices = Choices { schema: self.schema, table: self.table, holding: &holding };
        let paths = choices.paths(argument)?;
        if let Some(constants) = choices::constants(&paths) {
            return encoded(argument, constants);
        }
        if let Some(constants) = self.of_text(argument, &paths, &holding)? {
            return encoded(argument, constants);
        }
        let (adding, idle): (Vec<Path>, Vec<Path>) = paths.into_iter().partition(Path::adds);
        if adding.len() > MOST {
            return Err(choices::too_many(argument));
        }
        let rows = |path: &Path| {
            Rows::of(filter, Some(&path.value), self.schema)?.and(path.conditions.clone())
        };
        let mut added = Vec::new();
        for path in &adding {
            added.push(Added { rows: rows(path)?, read: columns(&path.value) });
        }
        if added.len() == 1 || idle.is_empty() {
            return Ok(Summands::Added(added));
        }
        // All rows that add something: those of no idle path.
        let mut all = Rows::of(filter, Some(argument), self.schema)?;
        for path in &idle {
            all = all.and([choices.not(&all_of(&path.conditions))])?;
        }
        let read: BTreeSet<String> = added.iter().flat_map(|one| one.read.clone()).collect();
        added.push(Added { rows: all, read });
        Ok(Summands::Added(added))
    }

    /// Refuses values that are computed from text; the values of an argument that computes few
    /// from categories.
    fn of_text(
        &self,
        argument: &Expr,
        paths: &[Path],
        holding: &[Expr],
    ) -> Result<Option<Vec<ScalarValue>>> {
        let read: BTreeSet<String> = paths.iter().flat_map(|path| columns(&path.value)).collect();
        let mut own = self.table.columns.iter().filter(|column| read.contains(&column.name));
        let text = own.clone().find(|column| matches!(column.r#type, ColumnType::Text));
        let category = own.find(|column| matches!(column.r#type, ColumnType::Category { .. }));
        let Some(column) = text.or(category) else {
            return Ok(None);
        };
        if text.is_none() {
            let all = columns(argument);
            let own: Vec<&Expr> = holding.iter().filter(|c| columns(c).is_subset(&all)).collect();
            if let Ok(values) = domain::few(argument, &own, self.table, TRIED, MOST)
                && values.len() <= MOST
            {
                return Ok(Some(values));
            }
        }
        let (written, name) = (text::sql(argument)?, text::name(&column.name));
        let message = format!("a sum of {written} would be computed from the text in {name}");
        Err(Refusal::new("text", message).suggest(format!(
            "declare {name} as a number in the dictionary, or COUNT(*) FILTER (WHERE ...) with a \
             condition on it"
        )))
    }
}

fn encoded(argument: &Expr, constants: Vec<ScalarValue>) -> Result<Summands> {
    if constants.iter().filter(|value| !is_zero(value)).count() > MOST {
        return Err(choices::too_many(argument));
    }
    Ok(Summands::Constants(constants))
}
