//! How results are written: tables for people, formats for programs, bar pictures.

pub mod bars;
pub mod csv;
pub mod document;
pub mod dry_run;
pub mod explain;
pub mod json;
pub mod markdown;
pub mod number;
#[cfg(test)]
pub mod samples;
pub mod table;
pub mod value;

use std::io::{self, Write};

use tacit_client::Answer;

use crate::terminal::Terminal;

/// Format of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// RFC 4180; hidden and NULL are empty.
    Csv,
    /// Columns, rows with status, and the receipt of the run.
    Json,
    /// One JSON object a row, with status.
    Ndjson,
    /// Markdown table.
    Md,
}

/// How to write a result.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The format.
    pub format: Format,
    /// CSV has a column `COLUMN_status` after every column.
    pub status: bool,
    /// Threshold of the disclosure rules: a hidden count is below it.
    pub threshold: u64,
    /// What the terminal can show.
    pub terminal: Terminal,
}

/// Writes `answer` to `out`.
///
/// # Errors
/// Of `out`.
pub fn write(answer: &Answer, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    match style.format {
        Format::Table => out.write_all(table::result(&answer.table, style).as_bytes()),
        Format::Md => markdown::write(&answer.table, style.threshold, out),
        Format::Csv => csv::write(&answer.table, style.status, out),
        Format::Json => json::write(answer, out),
        Format::Ndjson => json::write_lines(&answer.table, out),
    }
}
