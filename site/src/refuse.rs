//! What a site refuses for itself: its deny list.

use tacit_plan::Plan;

use crate::Refuse;

impl Refuse {
    /// Whether this site takes part in `plan`, asked with `key` by `analyst`.
    ///
    /// An average opens its sum and count, so a site that refuses `sum` refuses averages as well.
    ///
    /// # Errors
    /// What is refused, for the analyst.
    pub fn check(&self, plan: &Plan, analyst: &str, key: &str) -> Result<(), String> {
        if self.analysts.iter().any(|a| a == analyst || a == key) {
            return Err(format!("this site does not serve {analyst}"));
        }
        for statistic in &self.statistics {
            let asked = calls(&plan.sql, statistic)
                || plan.numbers.iter().any(|number| calls(&number.expression, statistic));
            if asked {
                return Err(format!("this site does not take part in {statistic}"));
            }
        }
        if let Some(table) = plan.tables.iter().find(|t| listed(&self.tables, t)) {
            return Err(format!("this site does not offer the table {table}"));
        }
        if let Some(column) = plan.columns.iter().find(|c| column_listed(&self.columns, c)) {
            return Err(format!("this site does not offer the column {column}"));
        }
        for column in plan.columns.iter().filter(|c| column_listed(&self.keys, c)) {
            let bare = column.rsplit('.').next().unwrap_or(column);
            let is_key = plan
                .keys
                .iter()
                .any(|key| words(&key.expression).any(|(word, _)| word.eq_ignore_ascii_case(bare)));
            if is_key {
                return Err(format!("this site does not group by the column {column}"));
            }
        }
        Ok(())
    }
}

fn listed(list: &[String], name: &str) -> bool {
    list.iter().any(|entry| entry.eq_ignore_ascii_case(name))
}

/// `table.column` is listed in full, or by the column's name alone.
fn column_listed(list: &[String], column: &str) -> bool {
    listed(list, column) || column.rsplit('.').next().is_some_and(|bare| listed(list, bare))
}

/// Words of an SQL text, each with whether an opening parenthesis follows. Literals count as
/// words too, which may refuse too much but never too little.
fn words(sql: &str) -> impl Iterator<Item = (&str, bool)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = sql;
    std::iter::from_fn(move || {
        let start = rest.find(is_word)?;
        let tail = &rest[start..];
        let end = tail.find(|c| !is_word(c)).unwrap_or(tail.len());
        let (word, after) = tail.split_at(end);
        rest = after;
        // A quoted name may call a function too: "avg"(x).
        Some((word, after.trim_start_matches('"').trim_start().starts_with('(')))
    })
}

fn calls(sql: &str, function: &str) -> bool {
    let also = if function.eq_ignore_ascii_case("avg") { "mean" } else { function };
    words(sql).any(|(word, called)| {
        called && (word.eq_ignore_ascii_case(function) || word.eq_ignore_ascii_case(also))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_however_it_is_written() {
        assert!(calls("SELECT Avg (x) FROM t", "avg"));
        assert!(calls("SELECT \"avg\"(x) FROM t", "avg"));
        assert!(calls("SELECT mean(x) FROM t", "avg"));
        assert!(!calls("SELECT avg_age, COUNT(*) FROM t", "avg"));
    }

    #[test]
    fn a_column_is_refused_in_full_or_by_its_name() {
        let list = vec!["t.Weight".to_owned(), "height".to_owned()];
        assert!(column_listed(&list, "t.weight"));
        assert!(column_listed(&list, "u.height"));
        assert!(!column_listed(&list, "u.weight"));
    }
}
