//! Keys to suggest in place of a column with too many values: such that they are taken.

use tacit_plan::{Column, ColumnType};

use super::{domain, text};
use crate::MAX_DOMAIN;

/// The most cells of what is suggested.
pub(super) const CELLS: u128 = 1000;

/// A key over one column, of at most `most` values: the column, or a band of it. `None` if there is
/// no such key.
pub(super) fn key(column: &Column, most: u128) -> Option<String> {
    let name = text::name(&column.name);
    let missing = u128::from(column.missing);
    match &column.r#type {
        ColumnType::Text => None,
        ColumnType::Boolean => Some(name),
        ColumnType::Category { values } => (values.len() as u128 + missing <= most).then_some(name),
        ColumnType::Date { .. } | ColumnType::Timestamp { .. } => {
            let (low, high) = domain::moments(column).ok()??;
            let days = (high - low).unsigned_abs() / 86_400_000_000 + 1;
            let day = matches!(column.r#type, ColumnType::Date { .. });
            // From 1678 to 2261, where months are found.
            let near = low > -9_000_000_000_000_000 && high < 9_000_000_000_000_000;
            if day && days + missing <= most {
                return Some(name);
            }
            if near && days / 28 + 2 + missing <= most {
                return Some(format!("date_trunc('month', {name})"));
            }
            (days / 365 + 2 + missing <= most).then(|| format!("EXTRACT(YEAR FROM {name})"))
        }
        ColumnType::Integer { .. } | ColumnType::Decimal { .. } => {
            let (low, high, scale) = domain::range(column).ok()??;
            let size = (high - low).unsigned_abs() + 1;
            if size + missing <= most {
                return Some(name);
            }
            let unit = 10_i128.checked_pow(scale)?;
            if size + missing > MAX_DOMAIN as u128 {
                // Too many to try each; between literals nothing changes.
                let third = |n: i128| (low + (high - low) / 3 * n) / unit;
                return Some(format!(
                    "CASE WHEN {name} < {} THEN 0 WHEN {name} < {} THEN 1 ELSE 2 END",
                    third(1),
                    third(2)
                ));
            }
            let width = (high - low).unsigned_abs() / unit.unsigned_abs();
            let mut step: u128 = 1;
            while width / step + 2 + missing > most {
                step = step.checked_mul(10)?;
            }
            Some(format!("CAST({name} / {step} AS INT)"))
        }
    }
}

/// What to do about keys over these columns that have too many values together.
pub(super) fn coarser<'a>(columns: impl Iterator<Item = &'a Column> + Clone) -> String {
    let count = columns.clone().count().max(1) as u32;
    // So many for each that all together have `CELLS`.
    let most = (2..=CELLS).take_while(|n| n.saturating_pow(count) <= CELLS).last();
    let keys: Option<Vec<String>> = columns.map(|column| key(column, most.unwrap_or(2))).collect();
    match keys {
        Some(keys) if !keys.is_empty() => {
            format!("use coarser keys, say GROUP BY {}", keys.join(", "))
        }
        _ => "use fewer or coarser keys, such as CASE WHEN x < 10 THEN 0 ELSE 1 END".to_owned(),
    }
}
