//! What a site refuses for itself: its deny list.
//!
//! It is compared with the structure of the plan that this site has compiled itself, never with the
//! text of the question: comments, quotes and unusual names make no difference.

use tacit_plan::{Dictionary, Plan, Role};

use crate::Refuse;

/// A kind of statistic that can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statistic {
    Count,
    Sum,
    Average,
}

impl Statistic {
    fn of(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "count" => Some(Self::Count),
            "sum" => Some(Self::Sum),
            "avg" | "mean" => Some(Self::Average),
            _ => None,
        }
    }

    /// Whether `plan` opens it. A sum beside the count that contributes to it is an average,
    /// however the question spells it.
    fn opened_by(self, plan: &Plan) -> bool {
        let opens = |sum: bool| {
            plan.numbers.iter().filter(move |number| {
                let input = number.value.and_then(|value| plan.inputs.get(value));
                input.is_some_and(|input| (input.role == Role::Sum) == sum)
            })
        };
        match self {
            Self::Count => opens(false).next().is_some(),
            Self::Sum => opens(true).next().is_some(),
            Self::Average => {
                opens(true).any(|sum| opens(false).any(|count| count.count == sum.count))
            }
        }
    }
}

impl Refuse {
    /// Whether this site takes part in `plan`, asked with `key` by `analyst`.
    ///
    /// An average opens its sum and count, so a site that refuses `sum` or `count` refuses averages
    /// as well.
    ///
    /// # Errors
    /// What is refused, for the analyst.
    pub fn check(&self, plan: &Plan, analyst: &str, key: &str) -> Result<(), String> {
        if self.analysts.iter().any(|a| a == analyst || a == key) {
            return Err(format!("this site does not serve {analyst}"));
        }
        for name in &self.statistics {
            // A word that is none was refused when the site started; here it refuses everything.
            if Statistic::of(name).is_none_or(|statistic| statistic.opened_by(plan)) {
                return Err(format!("this site does not take part in {name}"));
            }
        }
        if let Some(table) = plan.tables.iter().find(|t| listed(&self.tables, t)) {
            return Err(format!("this site does not offer the table {table}"));
        }
        if let Some(column) = plan.columns.iter().find(|c| column_listed(&self.columns, c, plan)) {
            return Err(format!("this site does not offer the column {column}"));
        }
        if self.keys.is_empty() || plan.keys.is_empty() {
            return Ok(());
        }
        let mut grouped = std::collections::BTreeSet::new();
        for key in &plan.keys {
            let read = tacit_sql::columns_of(&key.expression);
            grouped.extend(read.map_err(|_| "this site cannot tell the keys apart".to_owned())?);
        }
        for column in plan.columns.iter().filter(|c| column_listed(&self.keys, c, plan)) {
            if grouped.contains(bare(column, plan)) {
                return Err(format!("this site does not group by the column {column}"));
            }
        }
        Ok(())
    }

    /// The first statistic of the list that does not exist: it would refuse nothing that anybody
    /// meant.
    pub(crate) fn no_statistic(&self) -> Option<&str> {
        self.statistics.iter().find(|name| Statistic::of(name).is_none()).map(String::as_str)
    }

    /// Tables and columns of the list that `dictionary` does not have.
    pub(crate) fn unknown<'a>(&'a self, dictionary: &'a Dictionary) -> Vec<&'a str> {
        let tables = &dictionary.tables;
        let column = |entry: &str| {
            tables.iter().any(|(table, terms)| {
                let mut columns = terms.columns.iter();
                columns.any(|c| same(entry, &c.name) || same(entry, &format!("{table}.{}", c.name)))
            })
        };
        let table = |entry: &str| tables.keys().any(|table| same(entry, table));
        let columns = self.columns.iter().chain(&self.keys).filter(|entry| !column(entry));
        let tables = self.tables.iter().filter(|entry| !table(entry));
        tables.chain(columns).map(String::as_str).collect()
    }
}

fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

fn listed(list: &[String], name: &str) -> bool {
    list.iter().any(|entry| same(entry, name))
}

/// The column's own name: `column` is `table.column`, and both may hold dots.
fn bare<'a>(column: &'a str, plan: &Plan) -> &'a str {
    let tables = plan.tables.iter();
    let mut rest =
        tables.filter_map(|table| column.strip_prefix(table.as_str())?.strip_prefix('.'));
    rest.next().unwrap_or(column)
}

/// `table.column` is listed in full, or by the column's name alone.
fn column_listed(list: &[String], column: &str, plan: &Plan) -> bool {
    listed(list, column) || listed(list, bare(column, plan))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tacit_plan::{Column, ColumnType, Digest, Disclosure, Table};
    use tacit_sql::{Context, Statement};

    use super::*;

    fn dictionary() -> Dictionary {
        let column = |name: &str, r#type: ColumnType| Column {
            name: name.to_owned(),
            r#type,
            unit: None,
            description: None,
            missing: true,
        };
        let number = || ColumnType::Integer { range: [0, 120] };
        let columns = vec![
            column("age", number()),
            column("Körper Größe", number()),
            column("a.b", number()),
            column("say \"x\"", number()),
        ];
        let table = Table { person: None, description: None, columns };
        Dictionary { tables: BTreeMap::from([("visits".to_owned(), table)]) }
    }

    fn plan(sql: &str) -> Plan {
        let context = Context {
            study: Digest([0; 32]),
            dictionary: &dictionary(),
            disclosure: &Disclosure::profile("default").unwrap(),
            rows_at_most: 1000,
            sites: 3,
            max_cells: 1000,
            max_domain: 100_000,
        };
        let Statement::Query(plan) = tacit_sql::compile(sql, &context).unwrap() else { panic!() };
        plan
    }

    fn refused(refuse: &Refuse, sql: &str) -> bool {
        refuse.check(&plan(sql), "analyst", "key").is_err()
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn an_average_is_refused_however_it_is_spelt() {
        let refuse = Refuse { statistics: words(&["AVG"]), ..Refuse::default() };
        for sql in [
            "SELECT AVG(age) FROM visits",
            "SELECT AVG/**/(age) FROM visits",
            "SELECT \"avg\" -- \n (age) FROM visits",
            "SELECT mean(age) FROM visits",
            "SELECT SUM(age) / COUNT(age) FROM visits",
            "SELECT COUNT(*) FROM visits HAVING AVG(age) > 40",
        ] {
            assert!(refused(&refuse, sql), "{sql}");
        }
        for sql in [
            "SELECT COUNT(*) AS \"avg(age)\" FROM visits",
            "SELECT SUM(age) FROM visits",
            "SELECT age, SUM(\"a.b\") FROM visits GROUP BY age",
            "SELECT COUNT(age) FROM visits",
        ] {
            assert!(!refused(&refuse, sql), "{sql}");
        }
    }

    #[test]
    fn sums_and_counts_are_told_by_what_is_opened() {
        let sum = Refuse { statistics: words(&["sum"]), ..Refuse::default() };
        let count = Refuse { statistics: words(&["count"]), ..Refuse::default() };
        for (sql, by_sum, by_count) in [
            ("SELECT SUM /* */ (age) FROM visits", true, false),
            ("SELECT COUNT/**/(*) FROM visits", false, true),
            ("SELECT AVG(age) FROM visits", true, true),
        ] {
            assert_eq!((refused(&sum, sql), refused(&count, sql)), (by_sum, by_count), "{sql}");
        }
    }

    #[test]
    fn a_key_is_refused_whatever_its_name_holds() {
        for name in ["Körper Größe", "a.b", "say \"x\"", "AGE"] {
            let column = dictionary().tables["visits"].columns.iter().find_map(|column| {
                same(&column.name, name).then(|| column.name.replace('"', "\"\""))
            });
            let column = column.unwrap();
            let group = format!("SELECT COUNT(*) FROM visits GROUP BY \"{column}\"/**// 10");
            let count = format!("SELECT COUNT(\"{column}\") FROM visits");
            for entry in [name.to_owned(), format!("visits.{name}")] {
                let keys = Refuse { keys: vec![entry.clone()], ..Refuse::default() };
                assert!(refused(&keys, &group), "{entry}");
                assert!(!refused(&keys, &count), "{entry}");
                let columns = Refuse { columns: vec![entry.clone()], ..Refuse::default() };
                assert!(refused(&columns, &count), "{entry}");
            }
        }
        let keys = Refuse { keys: words(&["b"]), ..Refuse::default() };
        assert!(!refused(&keys, "SELECT COUNT(*) FROM visits GROUP BY \"a.b\""));
    }

    #[test]
    fn entries_that_name_nothing_are_found() {
        let refuse = Refuse {
            statistics: words(&["sum", "median"]),
            tables: words(&["visit"]),
            columns: words(&["visits.AGE", "weight"]),
            keys: words(&["a.b"]),
            ..Refuse::default()
        };
        assert_eq!(refuse.no_statistic(), Some("median"));
        assert_eq!(refuse.unknown(&dictionary()), ["visit", "weight"]);
    }
}
