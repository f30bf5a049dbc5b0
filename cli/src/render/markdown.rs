//! Results as a Markdown table.

use std::io::{self, Write};

use tacit_sql::ResultTable;

use super::{table::is_number, value};

/// Writes the table.
///
/// # Errors
/// Of `out`.
pub fn write(table: &ResultTable, threshold: u64, out: &mut dyn Write) -> io::Result<()> {
    let names = table.columns.iter().map(|column| value::printable(&column.name));
    line(names, out)?;
    let rules = table.columns.iter().map(|column| {
        let rule = if is_number(column) { "---:" } else { "---" };
        rule.to_owned()
    });
    line(rules, out)?;
    for row in &table.rows {
        let cells = row.iter().zip(&table.columns);
        line(cells.map(|(cell, column)| value::cell(cell, column, threshold)), out)?;
    }
    Ok(())
}

fn line(cells: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    let cells: Vec<String> = cells.map(|cell| escaped(&cell)).collect();
    writeln!(out, "| {} |", cells.join(" | "))
}

fn escaped(cell: &str) -> String {
    let cell = cell.replace('\\', "\\\\").replace('|', "\\|");
    // A lone `*` or `<` would begin emphasis or HTML.
    cell.replace('*', "\\*").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn hidden_counts_name_the_threshold_and_bars_are_escaped() {
        let mut out = Vec::new();
        write(&samples::table(), 11, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("| city | n | mean |\n| --- | ---: | ---: |\n"), "{text}");
        assert!(text.contains("| \\|\"x | &lt;11 | \\* |"), "{text}");
        assert!(text.contains("| NULL | 12 | NULL |"), "{text}");
    }
}
