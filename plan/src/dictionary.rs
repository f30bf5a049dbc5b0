//! The data dictionary: what the tables of a study hold, public to all its parties.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Type, form::ColumnForm};

/// What a column may hold, with its public range or list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
pub enum ColumnType {
    /// Whole numbers in `range`, both ends included.
    Integer {
        /// Smallest and largest.
        range: [i64; 2],
    },
    /// Decimals in `range`, both ends included, written as text ("-1.50").
    Decimal {
        /// Digits behind the point, at most 6.
        scale: u8,
        /// Smallest and largest.
        range: [String; 2],
        /// Values with more digits are rounded (half away from zero) instead of refused.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rounded: bool,
    },
    /// The words true and false.
    Boolean,
    /// One of a list of words.
    Category {
        /// The words, in the order of the domain.
        values: Vec<String>,
    },
    /// Days in `range` (ISO 8601), both ends included.
    Date {
        /// First and last.
        range: [String; 2],
    },
    /// Points in time in `range` (ISO 8601, no zone), both ends included.
    Timestamp {
        /// First and last.
        range: [String; 2],
    },
    /// Free text. It never leaves the site; it may be filtered on.
    Text,
}

/// A column of a table.
///
/// Written flat: `{ name = "age", type = "integer", range = [0, 120], unit = "a" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ColumnForm", into = "ColumnForm")]
pub struct Column {
    /// Its name as in the data; unquoted SQL names match it without regard to case.
    pub name: String,
    /// What it may hold.
    pub r#type: ColumnType,
    /// Unit (UCUM), if it has one.
    pub unit: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// Whether values may be missing (NULL).
    pub missing: bool,
}

/// A table: the union of its parts at the sites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The column that tells persons apart; contributing counts are then distinct persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// What the table holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// The tables of a study.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dictionary {
    /// By name.
    pub tables: BTreeMap<String, Table>,
}

impl ColumnType {
    /// Its word in a study: `integer`, `decimal`, `boolean`, `category`, `date`, `timestamp` or
    /// `text`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Integer { .. } => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Boolean => "boolean",
            Self::Category { .. } => "category",
            Self::Date { .. } => "date",
            Self::Timestamp { .. } => "timestamp",
            Self::Text => "text",
        }
    }

    /// The type of a value of such a column.
    pub fn value_type(&self) -> Type {
        match self {
            Self::Integer { .. } => Type::Integer,
            Self::Decimal { scale, .. } => Type::Decimal { scale: *scale },
            Self::Boolean => Type::Boolean,
            Self::Category { .. } | Self::Text => Type::Text,
            Self::Date { .. } => Type::Date,
            Self::Timestamp { .. } => Type::Timestamp,
        }
    }
}

impl Dictionary {
    /// The table of that name, as it is spelled in the dictionary: exactly, else without regard
    /// to case.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest name.
    pub fn table(&self, name: &str) -> Result<(&str, &Table)> {
        let exact = self.tables.get_key_value(name);
        let found = exact.or_else(|| {
            let lower = name.to_lowercase();
            self.tables.iter().find(|(table, _)| table.to_lowercase() == lower)
        });
        found.map(|(name, table)| (name.as_str(), table)).ok_or_else(|| {
            let names = self.tables.keys().map(String::as_str);
            Error::unknown("table", name, names)
        })
    }
}

impl Table {
    /// The column of that name: exactly, else without regard to case.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest name.
    pub fn column(&self, name: &str) -> Result<&Column> {
        let exact = self.columns.iter().find(|column| column.name == name);
        let found = exact.or_else(|| {
            let lower = name.to_lowercase();
            self.columns.iter().find(|column| column.name.to_lowercase() == lower)
        });
        found.ok_or_else(|| {
            let names = self.columns.iter().map(|column| column.name.as_str());
            Error::unknown("column", name, names)
        })
    }
}
