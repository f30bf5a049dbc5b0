//! For tests, here and in the crates above: random tables, random questions, and the two ways to
//! answer them.
//!
//! A [`World`] is a table with its dictionary, cut into the parts of some sites. A [`Question`] is
//! a SQL text with, for each of its aggregates, the text of the count that decides about it. The
//! *joint* way compiles the text, runs each site's part, adds up, applies the rules and releases;
//! the *pooled* way is DataFusion's own answer over all rows. [`compare`] holds them together.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use datafusion::{
    arrow::array::RecordBatch, datasource::MemTable, error::DataFusionError,
    prelude::SessionContext,
};
use tacit_plan::{
    Column, ColumnType, Dictionary, Digest, Disclosure, InputColumns, Plan, Table, Type, Value,
};

use crate::{
    Context, Error, MAX_CELLS, MAX_DOMAIN, Result, ResultTable, Statement, compile,
    compile::domain::identity, local::run_on, release, session_config, types,
};

/// A small seeded generator (SplitMix64): tests print the seed, and the same seed repeats the case.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    /// A number of a range, both ends included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high.abs_diff(low) + 1) as i64
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of some.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// A table, its dictionary, and its rows at each site.
#[derive(Clone, Debug)]
pub struct World {
    /// With one table, `encounters`.
    pub dictionary: Dictionary,
    /// Rows by site; values in the order of the dictionary's columns.
    pub sites: Vec<Vec<Vec<Value>>>,
}

/// The dictionary of [`World::random`].
pub fn dictionary(person: bool) -> Dictionary {
    let column = |name: &str, r#type, missing| Column {
        name: name.into(),
        r#type,
        unit: None,
        description: None,
        missing,
    };
    let words = |words: &[&str]| ColumnType::Category {
        values: words.iter().map(|word| (*word).to_owned()).collect(),
    };
    let span = |low: &str, high: &str| [low.to_owned(), high.to_owned()];
    let columns = vec![
        column("pid", ColumnType::Integer { range: [1, 100_000] }, false),
        column("sex", words(&["male", "female"]), true),
        column("Ward", words(&["north", "east", "south", "it's west"]), false),
        column("age", ColumnType::Integer { range: [0, 110] }, true),
        column("los", ColumnType::Integer { range: [1, 30] }, false),
        column("delta", ColumnType::Integer { range: [-40, 40] }, true),
        column("smoker", ColumnType::Boolean, true),
        column("readmitted", ColumnType::Integer { range: [0, 1] }, true),
        column(
            "bmi",
            ColumnType::Decimal { scale: 1, range: span("10.0", "60.0"), rounded: false },
            true,
        ),
        column(
            "cost",
            ColumnType::Decimal { scale: 2, range: span("-100.00", "99999.99"), rounded: false },
            false,
        ),
        column("admitted", ColumnType::Date { range: span("2019-06-15", "2021-12-31") }, true),
        column(
            "seen",
            ColumnType::Timestamp { range: span("2020-01-01T00:00:00", "2020-12-31T23:59:59") },
            true,
        ),
        column("note", ColumnType::Text, true),
    ];
    let table = Table { person: person.then(|| "pid".to_owned()), description: None, columns };
    Dictionary { tables: BTreeMap::from([("encounters".to_owned(), table)]) }
}

impl World {
    /// `rows` random rows over `sites` sites.
    pub fn random(dice: &mut Dice, rows: usize, sites: usize, person: bool) -> Self {
        let dictionary = dictionary(person);
        let mut world = Self { sites: vec![Vec::new(); sites], dictionary };
        for _ in 0..rows {
            let row = row(dice, &world.dictionary.tables["encounters"]);
            let site = dice.below(sites as u64) as usize;
            world.sites[site].push(row);
        }
        world
    }

    /// A session over one site's rows, or over all of them.
    ///
    /// # Errors
    /// If a value does not fit its column.
    pub fn session(&self, site: Option<usize>) -> Result<SessionContext, DataFusionError> {
        let table = &self.dictionary.tables["encounters"];
        let sites = self.sites.iter().enumerate();
        let own = sites.filter(|(i, _)| site.is_none_or(|site| site == *i));
        let rows: Vec<&Vec<Value>> = own.flat_map(|(_, rows)| rows).collect();
        let schema = types::schema(table);
        let mut arrays = Vec::new();
        for (i, column) in table.columns.iter().enumerate() {
            let values: Vec<Value> = rows.iter().map(|row| row[i].clone()).collect();
            let array = types::array(column.r#type.value_type(), &values)?;
            let kind = types::column_type(&column.r#type);
            arrays.push(datafusion::arrow::compute::cast(&array, &kind)?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        let context = SessionContext::new_with_config(session_config());
        let provider = MemTable::try_new(schema, vec![vec![batch]])?;
        context.register_table("encounters", Arc::new(provider))?;
        Ok(context)
    }

    /// Compiles a question against the world.
    ///
    /// # Errors
    /// As [`compile`].
    pub fn compile(&self, sql: &str, disclosure: &Disclosure) -> Result<Plan> {
        let context = Context {
            study: Digest([7; 32]),
            dictionary: &self.dictionary,
            disclosure,
            rows_at_most: 100_000,
            sites: self.sites.len(),
            max_cells: MAX_CELLS,
            max_domain: MAX_DOMAIN,
        };
        match compile(sql, &context)? {
            Statement::Query(plan) => Ok(plan),
            other => Err(Error::Malformed(format!("{other:?} is no question"))),
        }
    }

    /// What each site enters.
    ///
    /// # Errors
    /// As [`run_local`](crate::run_local).
    pub async fn entered(&self, plan: &Plan) -> Result<Vec<InputColumns>> {
        let mut all = Vec::new();
        for site in 0..self.sites.len() {
            let session = self.session(Some(site)).map_err(|e| Error::Local(e.to_string()))?;
            all.push(run_on(&session, plan).await?);
        }
        Ok(all)
    }

    /// What the sites enter, added up.
    ///
    /// # Errors
    /// As [`run_local`](crate::run_local).
    pub async fn inputs(&self, plan: &Plan) -> Result<InputColumns> {
        let add = |mut sum: InputColumns, own: InputColumns| {
            for (all, own) in sum.columns.iter_mut().zip(&own.columns) {
                all.iter_mut().zip(own).for_each(|(all, own)| *all += own);
            }
            sum
        };
        let sum = self.entered(plan).await?.into_iter().reduce(add);
        sum.ok_or_else(|| Error::Malformed("a world without sites".into()))
    }

    /// The joint answer.
    ///
    /// # Errors
    /// As the parts of it.
    pub async fn joint(&self, plan: &Plan) -> Result<ResultTable> {
        let pooled = self.inputs(plan).await?;
        release(plan, &plan.open_pooled(&pooled)).await
    }

    /// DataFusion's own answer over all rows, each column read as the given type.
    ///
    /// # Errors
    /// If it refuses or fails.
    pub async fn pooled(
        &self,
        sql: &str,
        wanted: &[Type],
    ) -> Result<Vec<Vec<Value>>, DataFusionError> {
        let session = self.session(None)?;
        let all = session.table("encounters").await?;
        let lower = all.schema().fields().iter().map(|field| {
            let column = datafusion::common::Column::new_unqualified(field.name());
            datafusion::prelude::Expr::Column(column).alias(field.name().to_lowercase())
        });
        let lower: Vec<_> = lower.collect();
        let view = all.select(lower)?.into_view();
        session.deregister_table("encounters")?;
        session.register_table("encounters", view)?;
        let batches = session.sql(sql).await?.collect().await?;
        let mut rows = Vec::new();
        for batch in batches {
            let columns = batch.columns().iter().zip(wanted);
            let columns = columns.map(|(array, kind)| types::values(array, *kind));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            rows.extend((0..batch.num_rows()).map(|i| -> Vec<Value> {
                columns.iter().map(|column| column[i].clone()).collect()
            }));
        }
        Ok(rows)
    }
}

fn row(dice: &mut Dice, table: &Table) -> Vec<Value> {
    let columns = table.columns.iter();
    columns
        .map(|column| {
            if column.missing && dice.once_in(8) {
                return Value::Null;
            }
            match (&column.r#type, column.name.as_str()) {
                (_, "pid") => Value::Integer(dice.between(1, 60)),
                (ColumnType::Integer { range }, _) => {
                    Value::Integer(dice.between(range[0], range[1]))
                }
                (ColumnType::Decimal { scale, .. }, "bmi") => {
                    Value::Decimal { unscaled: dice.between(100, 600).into(), scale: *scale }
                }
                (ColumnType::Decimal { scale, .. }, _) => Value::Decimal {
                    unscaled: dice.between(-10_000, 9_999_999).into(),
                    scale: *scale,
                },
                (ColumnType::Boolean, _) => Value::Boolean(dice.once_in(3)),
                (ColumnType::Category { values }, _) => Value::Text(dice.pick(values).clone()),
                // 2019-06-15 is day 18062, 2021-12-31 is day 18992.
                (ColumnType::Date { .. }, _) => Value::Date(dice.between(18_062, 18_992) as i32),
                // 2020 starts 1577836800 s after 1970 and has 31622400 s.
                (ColumnType::Timestamp { .. }, _) => {
                    Value::Timestamp((1_577_836_800 + dice.between(0, 31_622_399)) * 1_000_000)
                }
                (ColumnType::Text, _) => {
                    let words = ["fever", "cough", "fever, cough", "O'Neill", "50%"];
                    Value::Text((*dice.pick(&words)).to_owned())
                }
            }
        })
        .collect()
}

/// A random question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The text: keys first, then aggregates.
    pub sql: String,
    /// Number of keys.
    pub keys: usize,
    /// The same keys, with the contributing count of each aggregate in place of it.
    pub counts: String,
}

const KEYS: [&str; 17] = [
    "sex",
    "ward",
    "smoker",
    "readmitted",
    "age / 10",
    "age % 7",
    "CASE WHEN age < 40 THEN 'young' WHEN age < 70 THEN 'middle' ELSE 'old' END",
    "EXTRACT(YEAR FROM admitted)",
    "date_trunc('month', admitted)",
    "date_trunc('quarter', seen)",
    "EXTRACT(HOUR FROM seen) / 6",
    "arrow_cast(bmi, 'Int32') / 10",
    "los > 7",
    "upper(sex)",
    "COALESCE(sex, 'unknown')",
    "delta",
    "CASE WHEN bmi >= 30 THEN 'obese' WHEN bmi IS NULL THEN NULL ELSE 'not' END",
];

const ARGUMENTS: [&str; 15] = [
    "age",
    "los",
    "delta",
    "readmitted",
    "cost",
    "bmi",
    "los * 2 - delta",
    "CASE WHEN age > 60 THEN 1 ELSE 0 END",
    "CASE WHEN smoker THEN los END",
    "cost * 1.5",
    "age * age",
    "los / NULLIF(readmitted, 0)",
    "arrow_cast(bmi, 'Decimal128(9, 0)')",
    "COALESCE(delta, 0)",
    "-delta",
];

const CONDITIONS: [&str; 20] = [
    "age > 50",
    "age BETWEEN 20 AND 80",
    "sex = 'female'",
    "sex IS NULL",
    "sex IS NOT NULL",
    "ward IN ('north', 'it''s west')",
    "ward NOT LIKE '%th'",
    "smoker",
    "NOT smoker",
    "readmitted = 1",
    "bmi >= 24.95",
    "cost < 5000",
    "admitted >= DATE '2020-06-01'",
    "seen < TIMESTAMP '2020-07-01 12:00:00'",
    "los + delta > 3",
    "(age > 30 OR los < 5) AND delta <> 0",
    "note LIKE '%fever%'",
    "admitted + INTERVAL '30 days' > DATE '2020-12-31'",
    "NOT (sex = 'male' AND age < 60)",
    "age IN (1, 2, 3, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60)",
];

impl Question {
    /// A random question over [`dictionary`].
    pub fn random(dice: &mut Dice) -> Self {
        let mut keys: Vec<&str> = Vec::new();
        for _ in 0..dice.below(3) {
            let key = *dice.pick(&KEYS);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let mut items: Vec<String> = Vec::new();
        let mut counts: Vec<String> = Vec::new();
        for (i, key) in keys.iter().enumerate() {
            items.push(format!("{key} AS key{i}"));
            counts.push(format!("{key} AS key{i}"));
        }
        for i in 0..=dice.below(3) {
            let argument = *dice.pick(&ARGUMENTS);
            let filter = if dice.once_in(3) {
                format!(" FILTER (WHERE {})", dice.pick(&CONDITIONS))
            } else {
                String::new()
            };
            let (aggregate, counted) = match dice.below(4) {
                0 => ("COUNT(*)".to_owned(), "*"),
                1 => (format!("COUNT({argument})"), argument),
                2 => (format!("SUM({argument})"), argument),
                _ => (format!("AVG({argument})"), argument),
            };
            items.push(format!("{aggregate}{filter} AS out{i}"));
            counts.push(format!("COUNT({counted}){filter} AS out{i}"));
        }
        let mut rest = String::from(" FROM encounters");
        if dice.once_in(2) {
            let _ = write!(rest, " WHERE {}", dice.pick(&CONDITIONS));
            if dice.once_in(3) {
                let _ = write!(rest, " AND {}", dice.pick(&CONDITIONS));
            }
        }
        if !keys.is_empty() {
            let _ = write!(rest, " GROUP BY {}", keys.join(", "));
        }
        Self {
            sql: format!("SELECT {}{rest}", items.join(", ")),
            keys: keys.len(),
            counts: format!("SELECT {}{rest}", counts.join(", ")),
        }
    }
}

/// Compares a joint answer with the pooled one: values that are shown are equal (floats nearly), each pooled group is there, and a group that only the joint answer has shows nothing.
///
/// # Errors
/// What differs, in words.
pub fn compare(
    joint: &ResultTable,
    pooled: &[Vec<Value>],
    keys: usize,
) -> std::result::Result<(), String> {
    let by = |row: &[Value]| row[..keys].iter().map(identity).collect::<Vec<_>>();
    let mut rows = BTreeMap::new();
    for row in pooled {
        rows.insert(by(row), row);
    }
    for row in &joint.rows {
        let values: Vec<Value> = row.iter().map(|value| value.value.clone()).collect();
        let Some(other) = rows.remove(&by(&values)) else {
            if row[keys..].iter().all(crate::ResultValue::is_hidden) {
                continue;
            }
            return Err(format!("the pooled answer has no row {:?}", &values[..keys]));
        };
        for (i, (own, other)) in row.iter().zip(other).enumerate() {
            if !own.is_hidden() && !alike(&own.value, other) {
                return Err(format!(
                    "row {:?}, column {i}: joint {:?}, pooled {other:?}",
                    &values[..keys],
                    own.value
                ));
            }
        }
    }
    match rows.values().next() {
        Some(row) => Err(format!("the joint answer has no row {:?}", &row[..keys])),
        None => Ok(()),
    }
}

// DataFusion's mean of decimals is a decimal, cut off behind four more digits.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => (a - b).abs() <= (1e-9 * a.abs()).max(1e-4),
        _ => a == b,
    }
}
