//! [`SourceError`]: what can be wrong with a site's data.

use std::path::{Path, PathBuf};

use super::CheckReport;

/// What is wrong with a site's data, and where. Rows count from 1, the header not included.
///
/// Messages are for the site's own operator: a few of them quote a value. They never leave a site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such file or folder.
    #[error("there is no file {}", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{}: {what}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        what: String,
    },
    /// A folder without files.
    #[error("the folder {} holds no file", .folder.display())]
    NoFiles {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder with CSV and Parquet.
    #[error("{} and {} differ in form: put only CSV or only Parquet into a folder", .first.display(), .second.display())]
    MixedForms {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The file is empty: it has not even a header.
    #[error("{} is empty; a header with the columns' names is needed", .file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// Nothing but a header, where rows are needed (to infer a dictionary).
    #[error("{} has a header but no rows, so there is nothing to infer from", .file.display())]
    HeaderOnly {
        /// The file.
        file: PathBuf,
    },
    /// A row with more or fewer fields than the header.
    #[error("{}, row {row} (line {line}): {found} fields where the header has {expected}", .file.display())]
    Ragged {
        /// The file.
        file: PathBuf,
        /// The row.
        row: u64,
        /// The line of the file on which it starts, from 1.
        line: u64,
        /// Its number of fields.
        found: usize,
        /// Number of columns.
        expected: usize,
    },
    /// Bytes that are no UTF-8.
    #[error("{}, row {row} (byte {byte}): not UTF-8; {hint}", .file.display())]
    Encoding {
        /// The file.
        file: PathBuf,
        /// The row; 0 is the header.
        row: u64,
        /// Position in the file.
        byte: u64,
        /// What it may be and what to do.
        hint: String,
    },
    /// A record that does not end.
    #[error("{}, row {row} (line {line}): a field of more than {limit} bytes; is a closing quote missing?", .file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
        /// The row.
        row: u64,
        /// The line on which it starts.
        line: u64,
        /// The bound.
        limit: u64,
    },
    /// Two columns of one name.
    #[error("{}: columns {first} and {second} are both called {column:?}", .file.display())]
    DuplicateColumn {
        /// The file.
        file: PathBuf,
        /// The name.
        column: String,
        /// Position of the first, from 1.
        first: usize,
        /// Position of the second.
        second: usize,
    },
    /// A column of the dictionary that the file lacks.
    #[error("{}: no column {column:?}{}; the file has: {}", .file.display(), hint(.similar.as_deref()), .found.join(", "))]
    AbsentColumn {
        /// The file.
        file: PathBuf,
        /// The name.
        column: String,
        /// A name that looks like it.
        similar: Option<String>,
        /// What the file has.
        found: Vec<String>,
    },
    /// Not the form that it should have.
    #[error("{}: {what}", .file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
    /// Values outside the dictionary.
    #[error("table {table}: {report}")]
    Misfits {
        /// The table.
        table: String,
        /// What and where.
        report: Box<CheckReport>,
    },
    /// More rows than the study allows.
    #[error("table {table} has {rows} rows; the study allows at most {at_most} at each site")]
    TooManyRows {
        /// The table.
        table: String,
        /// Rows.
        rows: u64,
        /// The study's bound.
        at_most: u64,
    },
    /// A table of the dictionary for which no file is given.
    #[error("table {table}: no file is given for it")]
    NoSource {
        /// The table.
        table: String,
    },
    /// A file is given for a table that the dictionary lacks.
    #[error("table {table} is not in the dictionary; it has: {}", .tables.join(", "))]
    UnknownTable {
        /// The table.
        table: String,
        /// The dictionary's tables.
        tables: Vec<String>,
    },
    /// A file is not as it was when it was checked.
    #[error("table {table}: {} changed since it was checked; check it again (restart the site)", .file.display())]
    Changed {
        /// The table.
        table: String,
        /// The file.
        file: PathBuf,
    },
    /// Rows cannot be divided as asked.
    #[error("cannot split: {0}")]
    Split(String),
    /// The engine that runs local queries failed.
    #[error("local engine: {0}")]
    Engine(String),
}

fn hint(similar: Option<&str>) -> String {
    let named = similar.map(|name| format!(" (is it {name:?}?)"));
    named.unwrap_or_default()
}

impl SourceError {
    pub(super) fn file(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { path },
            std::io::ErrorKind::PermissionDenied => {
                Self::Io { path, what: "this user may not read or write it".into() }
            }
            _ => Self::Io { path, what: error.to_string() },
        }
    }

    pub(super) fn form(file: &Path, what: impl std::fmt::Display) -> Self {
        Self::Form { file: file.to_owned(), what: what.to_string() }
    }
}

impl From<datafusion::error::DataFusionError> for SourceError {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        Self::Engine(error.strip_backtrace())
    }
}
