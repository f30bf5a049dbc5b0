//! [`Plan`]: what a query computes, which rules decide what is shown, and what is opened to whom.

use serde::{Deserialize, Serialize};

use crate::{Digest, Disclosure, Type, Value};

/// Version of the plan's form; part of its digest.
pub const VERSION: u32 = 1;

/// How many rows an input has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// One for each cell.
    Cells,
    /// One: over all rows that pass the WHERE.
    Total,
}

/// A group key and its public domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// The expression, as SQL.
    pub expression: String,
    /// Type of the values.
    pub r#type: Type,
    /// Every value that can occur, NULL last if it can. Position is the key's index.
    pub domain: Vec<Value>,
}

/// A statement that each site runs on its own rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalQuery {
    /// Whether it yields a row per cell or one row.
    pub rows: Rows,
    /// The statement: what is shown is what is run.
    pub sql: String,
}

/// What a site's column of an input means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Number of records or distinct persons.
    Count,
    /// Sum of a column, at the scale of its type.
    Sum,
    /// 1 where the site's own count (that input) is between 1 and the floor less 1, else 0.
    BelowFloor {
        /// Index of the input that is looked at.
        of: usize,
        /// The floor.
        floor: u64,
    },
}

/// A column that every data holder enters; the computation adds them up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Name of the column in the local query (empty for [`Role::BelowFloor`]).
    pub name: String,
    /// The aggregate, as SQL, for people.
    pub expression: String,
    /// Its number of rows.
    pub rows: Rows,
    /// What it means.
    pub role: Role,
    /// Width of the pooled value in bits: unsigned for counts and flags, two's complement with
    /// its sign for sums. At most 63.
    pub bits: u32,
}

/// Why a number may be hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The whole result: too few pass the WHERE.
    Total,
    /// The whole group: its COUNT(*).
    Group,
    /// The number's own contributing count.
    Contribution,
    /// One value of an indicator.
    Indicator,
    /// The difference of two opened nested counts.
    Nested,
    /// A site holds some, but fewer than the floor.
    SiteFloor,
}

/// A secret bit decided inside the computation: `value = plus - minus` is between `least` and
/// `below - 1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Test {
    /// The rule that it serves.
    pub rule: Rule,
    /// Rows of its inputs (both the same).
    pub rows: Rows,
    /// Index of an input.
    pub plus: usize,
    /// Index of an input that is never larger.
    pub minus: Option<usize>,
    /// 1, or 0 where zeros are hidden too.
    pub least: u64,
    /// The first value that passes; `None` for "no bound": everything from `least` fails.
    pub below: Option<u64>,
}

/// A number that may be opened to the analyst, one for each cell: its status and, if it is
/// shown, its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// The aggregate, as SQL.
    pub expression: String,
    /// Index of the input whose pooled value is opened; `None` opens the status alone.
    pub value: Option<usize>,
    /// Index of the count that contributes to it: zero there is the status "zero".
    pub count: usize,
    /// Indices of the tests of which each hides it. A test of [`Rows::Total`] hides every cell.
    pub hidden_by: Vec<usize>,
    /// Shown values are rounded to the nearest multiple inside the computation.
    pub rounding: Option<u64>,
}

/// One column of the released table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub r#type: Type,
    /// Unit of the values, if the dictionary has one.
    pub unit: Option<String>,
    /// Whether a hidden value is a COUNT that only the threshold can have hidden.
    pub count: bool,
    /// The numbers that it is made of: it is hidden where one of them is.
    pub numbers: Vec<usize>,
    /// Expression over the columns of table `released`: `kI` for key I at its type, and `nJ` for
    /// number J as the whole number that was opened (a sum of decimals is unscaled), NULL where it
    /// is hidden, or zero and no count. Besides SQL's own functions there are
    /// `decimal_of(nJ, scale)`, the decimal `nJ / 10^scale`, and `mean_of(nS, nC, scale)`, the
    /// float nearest to `nS / (nC * 10^scale)`.
    pub expression: String,
}

/// One sort key of the released table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// Expression over `released`.
    pub expression: String,
    /// The numbers that it is made of; rows where it is hidden come last.
    pub numbers: Vec<usize>,
    /// Descending.
    pub descending: bool,
    /// NULL before the rest.
    pub nulls_first: bool,
}

/// What the analyst's side makes of the opened numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The columns, in order.
    pub columns: Vec<OutputColumn>,
    /// HAVING: an expression over `released`, and the numbers that it is made of.
    pub having: Option<(String, Vec<usize>)>,
    /// ORDER BY.
    pub sort: Vec<Sort>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// OFFSET.
    pub offset: u64,
}

/// A query, compiled: every party derives the same one from the SQL text and the study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// Digest of the study's bytes.
    pub study: Digest,
    /// The question, as asked, trimmed.
    pub sql: String,
    /// Tables that it reads.
    pub tables: Vec<String>,
    /// Columns that it reads, `table.column`, sorted.
    pub columns: Vec<String>,
    /// Contributing counts are distinct persons (of each site, summed), else records.
    pub persons: bool,
    /// A filter reads a text column: zeros are hidden as well.
    pub text_filter: bool,
    /// Group keys, the last one varying fastest; none means one cell.
    pub keys: Vec<Key>,
    /// What each site runs.
    pub local: Vec<LocalQuery>,
    /// What each data holder enters, in order.
    pub inputs: Vec<Input>,
    /// What decides.
    pub tests: Vec<Test>,
    /// What may be opened, to the analyst alone.
    pub numbers: Vec<Number>,
    /// The number that says whether a group is there (its COUNT(*)); `None` without GROUP BY.
    pub presence: Option<usize>,
    /// The rules in force.
    pub disclosure: Disclosure,
    /// What the analyst's side makes of it.
    pub release: Release,
    /// What may surprise, for people (integer division truncates, ...).
    pub notes: Vec<String>,
}

impl Plan {
    /// SHA-256 of the plan's canonical JSON (RFC 8785): what the parties compare before they start.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }

    /// Number of cells: the product of the keys' domains.
    pub fn cells(&self) -> usize {
        self.keys.iter().map(|key| key.domain.len()).product()
    }

    /// Rows of an input or test.
    pub fn rows(&self, rows: Rows) -> usize {
        match rows {
            Rows::Cells => self.cells(),
            Rows::Total => 1,
        }
    }
}

/// Status of a number in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing contributed.
    Zero,
    /// A rule hides it.
    Hidden,
    /// Shown.
    Shown,
}

/// A number in one cell, as opened to the analyst: `value` is 0 unless shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Its status.
    pub status: Status,
    /// Its value, at the scale of its type.
    pub value: i64,
}

/// All numbers of a plan, as opened: `numbers[j][cell]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// One column for each of [`Plan::numbers`], [`Plan::cells`] long.
    pub numbers: Vec<Vec<Cell>>,
}

/// What one site (or the pool of all) holds for every input: `columns[i][row]`.
#[derive(Clone, PartialEq, Eq)]
pub struct InputColumns {
    /// One column for each of [`Plan::inputs`].
    pub columns: Vec<Vec<i64>>,
}

impl std::fmt::Debug for InputColumns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InputColumns({} columns)", self.columns.len())
    }
}
