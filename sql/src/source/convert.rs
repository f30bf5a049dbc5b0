//! Turns a column of a file into the type of the dictionary, and finds what does not fit.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use datafusion::arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, StringViewBuilder,
        TimestampMicrosecondArray,
    },
    compute,
    datatypes::DataType,
};
use tacit_plan::{Column, ColumnType};

use super::{
    cells::Cells,
    parse::{self, Number},
};
use crate::types::column_type;

/// Longest value that a report quotes, in characters.
const QUOTED: usize = 60;

/// What a column of the dictionary allows, made ready for many batches.
pub(super) struct Rule {
    pub name: String,
    missing: bool,
    allowed: Allowed,
    data: DataType,
}

enum Allowed {
    Integer(i64, i64),
    Decimal { scale: u32, rounded: bool, low: i128, high: i128 },
    Boolean,
    Category(HashSet<String>),
    Date(i32, i32),
    Timestamp(i64, i64),
    Text,
}

/// A row that does not fit, and what it holds; `None` if it holds nothing.
pub(super) type Stray = (usize, Option<String>);

impl Rule {
    /// `Err` says what is wrong with the dictionary.
    pub(super) fn of(column: &Column) -> Result<Self, String> {
        let bad = || format!("column {:?}: its range cannot be read", column.name);
        let allowed = match &column.r#type {
            ColumnType::Integer { range } => Allowed::Integer(range[0], range[1]),
            ColumnType::Decimal { scale, range, rounded } => {
                let scale = u32::from(*scale);
                let end = |text: &String| parse::number(text.trim())?.at_scale(scale, false);
                Allowed::Decimal {
                    scale,
                    rounded: *rounded,
                    low: end(&range[0]).ok_or_else(bad)?,
                    high: end(&range[1]).ok_or_else(bad)?,
                }
            }
            ColumnType::Boolean => Allowed::Boolean,
            ColumnType::Category { values } => Allowed::Category(values.iter().cloned().collect()),
            ColumnType::Date { range } => {
                let end = |text: &String| parse::date(text.trim()).ok_or_else(bad);
                Allowed::Date(end(&range[0])?, end(&range[1])?)
            }
            ColumnType::Timestamp { range } => {
                let end = |text: &String| parse::timestamp(text.trim());
                let day = |text: &String| Some(i64::from(parse::date(text.trim())?) * parse::DAY);
                let end = |text| end(text).or_else(|| day(text)).ok_or_else(bad);
                Allowed::Timestamp(end(&range[0])?, end(&range[1])?)
            }
            ColumnType::Text => Allowed::Text,
        };
        Ok(Self {
            name: column.name.clone(),
            missing: column.missing,
            allowed,
            data: column_type(&column.r#type),
        })
    }

    /// What is allowed, in words.
    pub(super) fn words(&self) -> String {
        let allowed = match &self.allowed {
            Allowed::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Allowed::Decimal { scale, rounded, low, high } => {
                let end = |end| parse::write_decimal(end, *scale);
                let digits = if *rounded {
                    String::new()
                } else {
                    format!(" with at most {scale} digits behind the point")
                };
                format!("a number from {} to {}{digits}", end(*low), end(*high))
            }
            Allowed::Boolean => "true or false".into(),
            Allowed::Category(values) => {
                let mut values: Vec<&String> = values.iter().collect();
                values.sort_by(|a, b| super::natural::compare(a, b));
                let more = values.len().saturating_sub(10);
                let named = values.iter().take(10).map(|value| format!("{value:?}"));
                let named = named.collect::<Vec<_>>().join(", ");
                match more {
                    0 => format!("one of {named}"),
                    more => format!("one of {named} and {more} more"),
                }
            }
            Allowed::Date(low, high) => {
                let (low, high) = (parse::write_date(*low), parse::write_date(*high));
                format!("a date from {low} to {high}")
            }
            Allowed::Timestamp(low, high) => {
                let write = parse::write_timestamp;
                format!("a time from {} to {}", write(*low), write(*high))
            }
            Allowed::Text => "text".into(),
        };
        if self.missing { allowed + ", or nothing" } else { allowed }
    }

    /// Whether a Parquet column of this type can be read as it is: the type is that of the
    /// dictionary, or is widened to it without loss.
    pub(super) fn reads(&self, r#type: &DataType) -> bool {
        match (&self.allowed, r#type) {
            (Allowed::Integer(..), DataType::UInt64) => false,
            (Allowed::Integer(..), r#type) => r#type.is_integer(),
            (Allowed::Decimal { scale, .. }, DataType::Decimal128(_, given)) => {
                i64::from(*given) == i64::from(*scale)
            }
            (Allowed::Category(_) | Allowed::Text, DataType::Dictionary(_, values)) => {
                values.is_string()
            }
            (Allowed::Category(_) | Allowed::Text, r#type) => r#type.is_string(),
            (_, r#type) => *r#type == self.data,
        }
    }

    /// The cells as the dictionary has them, and the rows that do not fit (missing there).
    pub(super) fn convert(&self, cells: &Cells) -> (ArrayRef, Vec<Stray>) {
        let mut strays = Vec::new();
        if !self.missing && cells.missing() > 0 {
            let rows = (0..cells.len()).filter(|&row| cells.is_missing(row));
            strays.extend(rows.map(|row| (row, None)));
        }
        let array: ArrayRef = match &self.allowed {
            Allowed::Integer(low, high) => {
                if let Cells::Integer(array) = cells {
                    let fits = |end: Option<i64>| end.is_none_or(|x| (*low..=*high).contains(&x));
                    if fits(compute::min(array)) && fits(compute::max(array)) {
                        return (Arc::new(array.clone()), strays);
                    }
                }
                let read = |row| {
                    let number: Number = cells.number(row)?;
                    let whole = i64::try_from(number.at_scale(0, false)?).ok()?;
                    (*low..=*high).contains(&whole).then_some(whole)
                };
                Arc::new(Int64Array::from(each(cells, &mut strays, read)))
            }
            Allowed::Decimal { scale, rounded, low, high } => {
                let read = |row| {
                    let unscaled = cells.number(row)?.at_scale(*scale, *rounded)?;
                    (*low..=*high).contains(&unscaled).then_some(unscaled)
                };
                let array = Decimal128Array::from(each(cells, &mut strays, read));
                Arc::new(array.with_data_type(self.data.clone()))
            }
            Allowed::Boolean => {
                let read = |row| cells.boolean(row);
                Arc::new(BooleanArray::from(each(cells, &mut strays, read)))
            }
            Allowed::Date(low, high) => {
                let read = |row| cells.date(row).filter(|day| (*low..=*high).contains(day));
                Arc::new(Date32Array::from(each(cells, &mut strays, read)))
            }
            Allowed::Timestamp(low, high) => {
                let read = |row| cells.timestamp(row).filter(|at| (*low..=*high).contains(at));
                let values = each(cells, &mut strays, read);
                Arc::new(TimestampMicrosecondArray::from(values))
            }
            Allowed::Category(words) => self::words(cells, &mut strays, Some(words)),
            Allowed::Text => words(cells, &mut strays, None),
        };
        strays.sort_by_key(|stray| stray.0);
        (array, strays)
    }
}

/// Reads every row that is not missing; one that cannot be read is a stray.
fn each<T>(
    cells: &Cells,
    strays: &mut Vec<Stray>,
    read: impl Fn(usize) -> Option<T>,
) -> Vec<Option<T>> {
    let one = |row| {
        if cells.is_missing(row) {
            return None;
        }
        let value = read(row);
        if value.is_none() {
            strays.push((row, Some(quote(&cells.text(row)))));
        }
        value
    };
    (0..cells.len()).map(one).collect()
}

fn words(cells: &Cells, strays: &mut Vec<Stray>, allowed: Option<&HashSet<String>>) -> ArrayRef {
    let mut built = StringViewBuilder::with_capacity(cells.len()).with_deduplicate_strings();
    let mut last: Cow<'_, str> = Cow::Borrowed("");
    let mut known = false;
    for row in 0..cells.len() {
        if cells.is_missing(row) {
            built.append_null();
            continue;
        }
        let word = cells.text(row);
        if !known || word != last {
            known = allowed.is_none_or(|allowed| allowed.contains(word.as_ref()));
        }
        if known {
            built.append_value(&word);
        } else {
            strays.push((row, Some(quote(&word))));
            built.append_null();
        }
        last = word;
    }
    Arc::new(built.finish())
}

/// A value as a report shows it: quoted, and cut off where it is long.
fn quote(text: &str) -> String {
    let short: String = text.chars().take(QUOTED).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{more}")
}
