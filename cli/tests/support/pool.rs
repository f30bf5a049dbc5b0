//! The pooled rows in SQLite: another engine, with other code, that answers the same questions.

use std::collections::BTreeMap;

use rusqlite::{Connection, types::Value as Sqlite};
use serde_json::Value;

use super::data::Row;

/// The pooled rows.
pub struct Pool(Connection);

/// A value of either engine in one form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plain {
    Null,
    Number(Rounded),
    Text(String),
}

/// A number to nine significant digits: engines add floats in different orders.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rounded(String);

/// A question with its form for SQLite where that differs, and what is known of it.
pub struct Question {
    pub sql: &'static str,
    pub sqlite: Option<&'static str>,
    /// Leading columns that are group keys.
    pub keys: usize,
    /// The one number is COUNT(*): hidden exactly where it is 1 to 10.
    pub plain_count: bool,
    /// HAVING or LIMIT may drop rows.
    pub drops: bool,
}

impl Pool {
    pub fn new(rows: &[Row]) -> Self {
        let mut pool = Connection::open_in_memory().expect("SQLite");
        pool.execute_batch(
            "CREATE TABLE visits (patient TEXT, Region TEXT, sex TEXT, age INTEGER, weight REAL, \
             balance REAL, admitted TEXT, smoker INTEGER, flag INTEGER, score INTEGER, note TEXT)",
        )
        .expect("a table");
        let insert = pool.transaction().expect("a transaction");
        for row in rows {
            let date = row.admitted.map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
            insert
                .execute(
                    "INSERT INTO visits VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
                    rusqlite::params![
                        format!("p{:05}", row.patient),
                        row.region,
                        row.sex,
                        row.age as i64,
                        row.weight.map(|tenths| tenths as f64 / 10.0),
                        row.balance as f64 / 100.0,
                        date,
                        row.smoker,
                        row.flag as i64,
                        row.score,
                        row.note,
                    ],
                )
                .expect("a row");
        }
        insert.commit().expect("a commit");
        Self(pool)
    }

    pub fn answer(&self, sql: &str) -> Vec<Vec<Plain>> {
        let mut statement = self.0.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns).map(|i| Ok(plain(row.get::<_, Sqlite>(i)?))).collect()
        });
        rows.expect("rows").map(|row| row.expect("a row")).collect()
    }

    /// Compares an answer in JSON with the pooled one: every exact value is equal, every small
    /// group is hidden, and nothing is missing but what may be.
    #[track_caller]
    pub fn check(&self, question: &Question, joint: &Value) -> Checked {
        let sql = question.sql;
        let pooled = self.answer(question.sqlite.unwrap_or(sql));
        let mut expected: BTreeMap<Vec<Plain>, Vec<Plain>> = BTreeMap::new();
        for mut row in pooled {
            let numbers = row.split_off(question.keys);
            expected.insert(row, numbers);
        }
        let mut checked = Checked::default();
        let rows = joint["rows"].as_array().expect("rows");
        for row in rows {
            let cells = row.as_array().expect("a row");
            let key: Vec<Plain> = cells[..question.keys].iter().map(value).collect();
            let numbers = &cells[question.keys..];
            let Some(pooled) = expected.remove(&key) else {
                let all = numbers.iter().all(|cell| cell["status"] == "hidden");
                assert!(all, "{sql}: {key:?} is not in the pooled answer");
                checked.hidden += numbers.len();
                continue;
            };
            for (cell, pooled) in numbers.iter().zip(&pooled) {
                if question.plain_count {
                    let Plain::Number(Rounded(count)) = pooled else { panic!("{sql}: a count") };
                    let small = (1.0..11.0).contains(&count.parse::<f64>().unwrap_or(0.0));
                    assert_eq!(cell["status"] == "hidden", small, "{sql}: {key:?} {pooled:?}");
                }
                if cell["status"] == "hidden" {
                    assert!(cell["value"].is_null(), "{sql}: {key:?}");
                    checked.hidden += 1;
                } else {
                    assert_eq!(&value(cell), pooled, "{sql}: {key:?}");
                    checked.equal += 1;
                }
            }
        }
        assert!(expected.is_empty() || question.drops, "{sql}: missing {expected:?}");
        assert!(checked.equal + checked.hidden > 0 || question.drops, "{sql}: no rows");
        checked
    }
}

/// What a comparison saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checked {
    pub equal: usize,
    pub hidden: usize,
}

fn value(cell: &Value) -> Plain {
    match &cell["value"] {
        Value::Null => Plain::Null,
        Value::Bool(truth) => number(f64::from(u8::from(*truth))),
        Value::Number(n) => number(n.as_f64().expect("a number")),
        Value::String(text) => Plain::Text(text.clone()),
        other => panic!("{other}"),
    }
}

fn plain(value: Sqlite) -> Plain {
    match value {
        Sqlite::Null => Plain::Null,
        Sqlite::Integer(n) => number(n as f64),
        Sqlite::Real(n) => number(n),
        Sqlite::Text(text) => Plain::Text(text),
        Sqlite::Blob(_) => panic!("a blob"),
    }
}

fn number(number: f64) -> Plain {
    let rounded: f64 = format!("{number:.8e}").parse().expect("a number");
    // Sums of floats that cancel leave dust.
    let rounded = if rounded.abs() < 1e-7 { 0.0 } else { rounded };
    Plain::Number(Rounded(format!("{rounded:e}")))
}
