//! Tables for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableComponent, presets};
use tacit_plan::Type;
use tacit_sql::{ResultColumn, ResultTable};

use super::{Style, value};
use crate::terminal::Terminal;

/// A result, with the notes that belong to it below.
pub fn result(result: &ResultTable, style: &Style) -> String {
    let mut table = plain(&style.terminal);
    table.set_header(result.columns.iter().map(|column| {
        let name = value::printable(&column.name);
        let name = match &column.unit {
            Some(unit) => format!("{name} [{}]", value::printable(unit)),
            None => name,
        };
        aligned(Cell::new(name), is_number(column))
    }));
    for row in &result.rows {
        table.add_row(row.iter().zip(&result.columns).map(|(cell, column)| {
            let text = value::cell(cell, column, style.threshold);
            aligned(Cell::new(text), is_number(column))
        }));
    }
    drawn(&table, &style.terminal)
}

/// A table of plain words with a header; columns listed in `numbers` are aligned to the right.
pub fn words(
    header: &[&str],
    rows: &[Vec<String>],
    numbers: &[usize],
    terminal: &Terminal,
) -> String {
    let mut table = plain(terminal);
    let cell = |(i, text): (usize, &str)| aligned(Cell::new(text), numbers.contains(&i));
    table.set_header(header.iter().copied().enumerate().map(cell));
    for row in rows {
        table.add_row(row.iter().map(String::as_str).enumerate().map(cell));
    }
    drawn(&table, terminal)
}

/// Whether values of the column are numbers.
pub fn is_number(column: &ResultColumn) -> bool {
    matches!(column.r#type, Type::Integer | Type::Decimal { .. } | Type::Float)
}

fn plain(terminal: &Terminal) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    let rule = if terminal.unicode { '─' } else { '-' };
    table.load_preset(presets::NOTHING);
    for component in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
        table.set_style(component, rule);
    }
    table
}

/// The text, its header bold where that can be seen.
fn drawn(table: &Table, terminal: &Terminal) -> String {
    let text = table.trim_fmt();
    match text.split_once('\n') {
        Some((header, rows)) if terminal.color => format!("\u{1b}[1m{header}\u{1b}[0m\n{rows}\n"),
        _ => text + "\n",
    }
}

fn aligned(cell: Cell, number: bool) -> Cell {
    cell.set_alignment(if number { CellAlignment::Right } else { CellAlignment::Left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Format, samples};

    fn style(unicode: bool) -> Style {
        Style {
            format: Format::Table,
            status: false,
            threshold: 11,
            terminal: Terminal { unicode, ..Terminal::plain() },
        }
    }

    #[test]
    fn a_hidden_count_names_the_threshold_and_another_hidden_value_is_a_star() {
        let text = result(&samples::table(), &style(false));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[1].starts_with("---"), "{text}");
        assert!(lines[3].contains("<11") && lines[3].trim_end().ends_with('*'), "{text}");
        assert!(lines[4].contains("NULL"), "{text}");
        assert!(text.is_ascii(), "{text}");
    }

    #[test]
    fn bars_of_a_result_fit_their_labels() {
        let picture = crate::render::bars::picture(&samples::table(), 11, &Terminal::plain());
        assert_eq!(picture.unwrap().lines().count(), 3);
    }
}
