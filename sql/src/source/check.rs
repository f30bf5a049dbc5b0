//! Checks data against the dictionary: the whole table, once, whatever will be asked of it.

use std::path::{Path, PathBuf};

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use serde::Serialize;
use tacit_plan::Table;

use super::{Connector, Result, Source, SourceError, cells::Cells, convert::Rule};
use crate::types::schema;

/// A report lists at most this many misfits; they are counted beyond.
const LISTED: usize = 20;

/// After so many misfits the rest is not read: the wrong file or the wrong dictionary.
const HOPELESS: u64 = 100_000;

/// A value that the dictionary does not allow. It is for the site's own operator.
///
/// # Security
/// `Display` and `Debug` say where it is, never what it is: they end up in logs.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The file.
    pub file: PathBuf,
    /// The row, from 1, the header not counted.
    pub row: u64,
    /// The column.
    pub column: String,
    /// The value, quoted and cut off if long; `None` if it is missing.
    pub value: Option<String>,
    /// What the dictionary allows.
    pub allowed: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Rows that were read.
    pub rows: u64,
    /// How many values do not fit.
    pub misfits: u64,
    /// The first of them, at most 20.
    pub listed: Vec<Misfit>,
    /// What else an operator should know: columns that the dictionary does not name, no rows.
    pub warnings: Vec<String>,
}

impl CheckReport {
    /// Whether every value fits.
    pub fn fits(&self) -> bool {
        self.misfits == 0
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, row, column) = (self.file.display(), self.row, &self.column);
        write!(f, "{file}, row {row}, column {column}: not {}", self.allowed)
    }
}

impl std::fmt::Debug for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Misfit({self})")
    }
}

impl std::fmt::Display for CheckReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.fits() {
            return write!(f, "{} rows fit the dictionary", self.rows);
        }
        let plural = if self.misfits == 1 { "value does" } else { "values do" };
        write!(f, "{} {plural} not fit the dictionary", self.misfits)?;
        for misfit in &self.listed {
            write!(f, "\n  {misfit}")?;
        }
        match self.misfits - self.listed.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Checks every value of the source against a table of the dictionary, in bounded memory.
///
/// A file with a header and no rows fits, with a warning. Columns that the dictionary does not
/// name are not read. Values that do not fit are not an error here: the report has them.
///
/// # Errors
/// If the source cannot be read, or lacks a column.
pub async fn check(source: &Source, table: &Table) -> Result<CheckReport, crate::Error> {
    let (source, table) = (source.clone(), table.clone());
    let task = tokio::task::spawn_blocking(move || {
        let connector = source.connect()?;
        scan(connector.as_ref(), &table, &mut |_| Ok(()))
    });
    let done = task.await.map_err(|e| SourceError::Engine(e.to_string()))?;
    Ok(done?)
}

/// Reads everything once: checks it, and hands on the batches as the dictionary has them.
pub(super) fn scan(
    connector: &dyn Connector,
    table: &Table,
    take: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<CheckReport> {
    let files = connector.files();
    let rules = table.columns.iter().map(Rule::of);
    let rules: Vec<Rule> =
        rules.collect::<Result<_, _>>().map_err(|what| SourceError::form(&files[0], what))?;
    // Misfits are missing in what is handed on, so nothing is handed on after one of them.
    let wanted = schema(table);
    let mut report = CheckReport::default();
    for (index, file) in files.iter().enumerate() {
        let here = connector.schema(index);
        let places = rules.iter().map(|rule| super::place(file, here, &rule.name));
        let places: Vec<usize> = places.collect::<Result<_>>()?;
        let beside = here.fields().iter().map(|field| field.name());
        let beside = beside.filter(|name| rules.iter().all(|rule| rule.name != **name));
        let beside: Vec<&str> = beside.map(String::as_str).collect();
        if !beside.is_empty() {
            let (file, beside) = (file.display(), beside.join(", "));
            let what = format!("{file}: not in the dictionary, so not used: {beside}");
            report.warnings.push(what);
        }
        for piece in connector.read(index)? {
            let piece = piece?;
            let mut columns: Vec<ArrayRef> = Vec::with_capacity(rules.len());
            for (rule, &place) in rules.iter().zip(&places) {
                let (cells, _) = Cells::of(file, &rule.name, piece.batch.column(place))?;
                let (array, strays) = rule.convert(&cells);
                report.add(file, piece.first, rule, strays);
                columns.push(array);
            }
            let rows = piece.batch.num_rows();
            report.rows += rows as u64;
            if report.misfits > HOPELESS {
                report.sort();
                return Ok(report);
            }
            if report.fits() {
                let batch = RecordBatch::try_new(wanted.clone(), columns);
                take(batch.map_err(|e| SourceError::Engine(e.to_string()))?)?;
            }
        }
    }
    if report.rows == 0 {
        report.warnings.push("there are no rows".into());
    }
    report.sort();
    Ok(report)
}

impl CheckReport {
    fn add(&mut self, file: &Path, first: u64, rule: &Rule, strays: Vec<(usize, Option<String>)>) {
        self.misfits += strays.len() as u64;
        let room = LISTED.saturating_sub(self.listed.len());
        for (row, value) in strays.into_iter().take(room) {
            self.listed.push(Misfit {
                file: file.to_owned(),
                row: first + row as u64,
                column: rule.name.clone(),
                value,
                allowed: rule.words(),
            });
        }
    }

    fn sort(&mut self) {
        self.listed.sort_by(|a, b| (&a.file, a.row).cmp(&(&b.file, b.row)));
    }
}
