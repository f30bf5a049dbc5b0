//! Bar pictures of a column of numbers.

use std::fmt::Write as _;

use tacit_sql::{ResultTable, ValueStatus};

use super::{table::is_number, value};
use crate::terminal::Terminal;

/// Eighths of a block, from one to eight.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Longest bar, in characters.
const LONGEST: usize = 48;

/// A picture of the last number column, labelled by the columns before the first number, or by the
/// first column; `None` where there is no such column, no row, or a negative number.
pub fn picture(table: &ResultTable, threshold: u64, terminal: &Terminal) -> Option<String> {
    let drawn = table.columns.iter().rposition(is_number)?;
    // A key may be a number itself.
    let labelled = table.columns.iter().position(is_number)?.max(1).min(drawn);
    let numbers: Vec<Option<f64>> = table
        .rows
        .iter()
        .map(|row| match row[drawn].status {
            ValueStatus::Exact => value::number(&row[drawn].value),
            _ => None,
        })
        .collect();
    let largest = numbers.iter().flatten().copied().fold(0.0, f64::max);
    let negative = numbers.iter().flatten().any(|&number| number < 0.0);
    if largest <= 0.0 || negative {
        return None;
    }
    let labels: Vec<String> = table
        .rows
        .iter()
        .map(|row| {
            let words = row[..labelled].iter().zip(&table.columns);
            let words = words.map(|(cell, column)| value::cell(cell, column, threshold));
            words.collect::<Vec<_>>().join(", ")
        })
        .collect();
    let widest = labels.iter().map(|label| label.chars().count()).max()?;
    let room = terminal.width.saturating_sub(widest + 16).clamp(8, LONGEST);
    let mut picture = String::new();
    for ((row, label), number) in table.rows.iter().zip(&labels).zip(&numbers) {
        let pad = widest - label.chars().count();
        let text = value::cell(&row[drawn], &table.columns[drawn], threshold);
        let share = number.map(|number| number / largest);
        let bar = share.map_or(String::new(), |share| bar(share, room, terminal.unicode));
        let gap = if bar.is_empty() { "" } else { " " };
        let _ = writeln!(picture, "  {label}{:pad$}  {bar}{gap}{text}", "");
    }
    Some(picture)
}

/// A bar of `share` (0 to 1) of `room` characters.
fn bar(share: f64, room: usize, unicode: bool) -> String {
    if !unicode {
        return "#".repeat((share * room as f64).round() as usize);
    }
    let eighths = (share * room as f64 * 8.0).round() as usize;
    let mut text = EIGHTHS[7].to_string().repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(EIGHTHS[eighths % 8 - 1]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(1.0, 4, true), "████");
        assert_eq!(bar(0.5, 4, true), "██");
        assert_eq!(bar(0.15625, 4, true), "▋");
        assert_eq!(bar(0.0, 4, true), "");
        assert_eq!(bar(0.5, 4, false), "##");
    }
}
