//! `tacit dictionary`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tacit_governance::Study;
use tacit_plan::Dictionary;
use tacit_sql::{CheckReport, Source};

use crate::{
    context::Context,
    error::{Exit, Failure, Result},
    render::{self, number},
    runtime,
};

/// Misfits that are printed.
const SHOWN: usize = 20;

/// Commands of `tacit dictionary`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Describe the columns of a file: types, ranges, categories
    #[command(after_help = "\
The result is for a person to look at: ranges are rounded outwards, and categories are listed as
found. It is what tacit study new merges.

Example:
  tacit dictionary infer visits.csv --table visits --null NA --output visits.toml")]
    Infer(Infer),
    /// Check a file against the dictionary of a study
    #[command(after_help = "\
Example:
  tacit dictionary check visits.csv --study study.toml --table visits")]
    Check(Check),
}

/// How to read a file.
#[derive(Debug, Args)]
pub struct Reading {
    /// CSV with a header, or Parquet; or a folder of such files
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// The table [default: the file's name without its ending]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// What separates the fields of a CSV file [default: found out]
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
    /// A word that means "missing", besides the empty field; may be given several times
    #[arg(long, value_name = "WORD")]
    null: Vec<String>,
}

/// Arguments of `tacit dictionary infer`.
#[derive(Debug, Args)]
pub struct Infer {
    #[command(flatten)]
    reading: Reading,
    /// The column that tells persons apart: counts are then of persons
    #[arg(long, value_name = "COLUMN")]
    person: Option<String>,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Arguments of `tacit dictionary check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    reading: Reading,
    /// The study
    #[arg(long, value_name = "FILE", env = "TACIT_STUDY")]
    study: PathBuf,
}

/// Runs it.
///
/// # Errors
/// If the data cannot be read or do not fit.
pub fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Infer(arguments) => infer(&arguments, context),
        Command::Check(arguments) => check(&arguments, context),
    }
}

fn infer(arguments: &Infer, context: &Context) -> Result<()> {
    let inferred = runtime::block_on(tacit_sql::infer(&arguments.reading.source()))??;
    let mut table = inferred.table;
    if let Some(person) = &arguments.person {
        table.person = Some(table.column(person)?.name.clone());
    }
    let name = arguments.reading.table_name();
    let columns = table.columns.len() as u64;
    let mut dictionary = Dictionary::default();
    dictionary.tables.insert(name.clone(), table);
    let text = render::document::dictionary(&dictionary)
        .map_err(|error| Failure::setup("dictionary", error))?;
    for warning in &inferred.warnings {
        context.note(&format!("warning: {warning}"));
    }
    let read = format!(
        "read {} and {}",
        number::plural(inferred.rows, "row", "rows"),
        number::plural(columns, "column", "columns")
    );
    let Some(path) = &arguments.output else {
        context.print(&text)?;
        context.note(&read);
        return Ok(());
    };
    std::fs::write(path, text).map_err(|error| Failure::file(path, &error))?;
    context.note(&format!(
        "{read}; wrote {path}\nnext: look at ranges, categories and descriptions, and give it to \
         whoever writes the study (tacit study new --site NAME=KEY,ADDRESS,{path})",
        path = path.display()
    ));
    Ok(())
}

fn check(arguments: &Check, context: &Context) -> Result<()> {
    let study = Study::open(&arguments.study)?;
    let dictionary = study.dictionary();
    let name = match &arguments.reading.table {
        None if dictionary.tables.len() == 1 => {
            dictionary.tables.keys().next().cloned().unwrap_or_default()
        }
        _ => arguments.reading.table_name(),
    };
    let (name, table) = dictionary.table(&name)?;
    let report = runtime::block_on(tacit_sql::check(&arguments.reading.source(), table))??;
    for warning in &report.warnings {
        context.note(&format!("warning: {warning}"));
    }
    let rows = number::plural(report.rows, "row", "rows");
    if report.rows > study.rows_at_most() {
        let most = number::grouped(study.rows_at_most());
        return Err(Failure::setup(
            "too_many_rows",
            format!("{name}: {rows}; the study allows {most} at each site"),
        ));
    }
    if report.fits() {
        return context.print(&format!("{rows} of {name} fit the study\n"));
    }
    context.print(&misfits(&report))?;
    let message = format!(
        "{} of {name} do not fit the study",
        number::plural(report.misfits, "value", "values")
    );
    Err(Failure::new(Exit::Setup, "outside_dictionary", message)
        .help("mend the data, or widen the dictionary and let every site sign the study again"))
}

fn misfits(report: &CheckReport) -> String {
    let mut text = String::new();
    for misfit in report.listed.iter().take(SHOWN) {
        let value = match &misfit.value {
            Some(value) => format!("{:?}", render::value::printable(value)),
            None => "a missing value".into(),
        };
        let _ = writeln!(
            text,
            "{}, row {}, column {}: {value} is not {}",
            misfit.file.display(),
            misfit.row,
            misfit.column,
            misfit.allowed
        );
    }
    let more = report.misfits.saturating_sub(report.listed.len().min(SHOWN) as u64);
    if more > 0 {
        let _ = writeln!(text, "and {} more", number::grouped(more));
    }
    text
}

impl Reading {
    fn source(&self) -> Source {
        Source {
            path: self.path.clone(),
            delimiter: self.delimiter,
            null: self.null.clone(),
            format: None,
        }
    }

    fn table_name(&self) -> String {
        self.table.clone().unwrap_or_else(|| table_name(&self.path))
    }
}

/// A table's name from a file's: lower case, with underscores for what SQL would have to quote.
fn table_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = stem.chars().map(plain).collect();
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => name,
        _ => format!("t{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_after_its_file() {
        assert_eq!(table_name(Path::new("/a/My Visits-2.csv")), "my_visits_2");
        assert_eq!(table_name(Path::new("2020.parquet")), "t2020");
    }
}
