//! Where a site's rows come from.
//!
//! A [`Source`] names a file or a folder of files. A [`Connector`] reads it as a stream of Arrow
//! batches, and everything else (inference, the check against the dictionary, splitting) is written
//! on that stream, so that another kind of source, such as a data base, is one more connector. A
//! CSV connector yields text, a Parquet connector whatever types its files have; turning either
//! into the types of the dictionary is the work of one function, in [`check`](fn@check).
//!
//! Nothing here holds a table in memory: batches are bounded in rows and bytes.

mod beside;
mod cells;
mod check;
mod convert;
mod csv;
mod error;
mod infer;
mod natural;
mod parquet;
pub(crate) mod parse;
mod profile;
mod sink;
mod split;
mod stamp;
mod tables;

use std::path::{Path, PathBuf};

use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
use serde::{Deserialize, Serialize};

pub use check::{CheckReport, Misfit, check};
pub use error::SourceError;
pub use infer::{Inferred, infer};
pub use split::{Part, Split, split};
pub use tables::{Options, Tables};

/// Result of this part of the crate.
type Result<T, E = SourceError> = std::result::Result<T, E>;

/// Rows of a batch, at most: columns of it stay in the cache of a core.
const BATCH_ROWS: usize = 8192;

/// Form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text with a header and a delimiter (RFC 4180, and what spreadsheets make of it).
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// A file, or a folder of files of one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The file or folder. Hidden files and folders in a folder are passed over.
    pub path: PathBuf,
    /// What separates the fields of a CSV file; found out if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Words that stand for a missing value, besides the empty field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub null: Vec<String>,
    /// The form; found out from the file's name and first bytes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
}

/// Rows that lie together in a file.
pub(crate) struct Piece {
    /// Number of the first row in the file, counted from 1 without the header.
    pub first: u64,
    /// The rows.
    pub batch: RecordBatch,
}

/// Pieces in order.
pub(crate) type Pieces = Box<dyn Iterator<Item = Result<Piece>> + Send>;

/// A way to read a source.
pub(crate) trait Connector: Send {
    /// The files, in the order in which they are read.
    fn files(&self) -> &[PathBuf];
    /// Columns of the batches of a file.
    fn schema(&self, file: usize) -> &SchemaRef;
    /// Streams one file.
    fn read(&self, file: usize) -> Result<Pieces>;
}

impl Source {
    /// A file or folder with everything else found out.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), delimiter: None, null: Vec::new(), format: None }
    }

    /// The files, by name.
    ///
    /// # Errors
    /// If the path is not there, cannot be read, or is a folder without files.
    pub fn files(&self) -> Result<Vec<PathBuf>, crate::Error> {
        Ok(self.list()?)
    }

    /// The form that was given, or that the first file seems to have.
    ///
    /// # Errors
    /// If the path is not there or cannot be read, or the form is not known.
    pub fn format(&self) -> Result<Format, crate::Error> {
        Ok(self.form(&self.list()?)?)
    }

    fn list(&self) -> Result<Vec<PathBuf>> {
        let about = std::fs::metadata(&self.path).map_err(|e| SourceError::file(&self.path, &e))?;
        if !about.is_dir() {
            return Ok(vec![self.path.clone()]);
        }
        let mut files = Vec::new();
        let entries = std::fs::read_dir(&self.path);
        for entry in entries.map_err(|e| SourceError::file(&self.path, &e))? {
            let entry = entry.map_err(|e| SourceError::file(&self.path, &e))?;
            let hidden = entry.file_name().to_string_lossy().starts_with(['.', '_']);
            if !hidden && entry.path().is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(SourceError::NoFiles { folder: self.path.clone() });
        }
        Ok(files)
    }

    fn form(&self, files: &[PathBuf]) -> Result<Format> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let mut found: Option<(Format, &Path)> = None;
        for file in files {
            let format = form_of(file)?;
            match found {
                Some((first, beside)) if first != format => {
                    return Err(SourceError::MixedForms {
                        first: beside.to_owned(),
                        second: file.clone(),
                    });
                }
                Some(_) => {}
                None => found = Some((format, file)),
            }
        }
        Ok(found.map_or(Format::Csv, |(format, _)| format))
    }

    fn connect(&self) -> Result<Box<dyn Connector>> {
        let files = self.list()?;
        Ok(match self.form(&files)? {
            Format::Csv => Box::new(csv::CsvFiles::open(files, self.delimiter, &self.null)?),
            Format::Parquet => Box::new(parquet::ParquetFiles::open(files)?),
        })
    }
}

/// The position of a column in a file's schema.
fn place(file: &Path, schema: &SchemaRef, column: &str) -> Result<usize> {
    let found: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    if let Some(place) = found.iter().position(|name| name == column) {
        return Ok(place);
    }
    let near = |name: &&String| strsim::jaro(&name.to_lowercase(), &column.to_lowercase());
    let best = found.iter().max_by(|a, b| near(a).total_cmp(&near(b)));
    Err(SourceError::AbsentColumn {
        file: file.to_owned(),
        column: column.to_owned(),
        similar: best.filter(|name| near(name) > 0.8).cloned(),
        found,
    })
}

/// Parquet says so in its first four bytes; everything else is taken for text.
fn form_of(file: &Path) -> Result<Format> {
    use std::io::Read as _;
    let mut start = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(4).read_to_end(&mut start))
        .map_err(|e| SourceError::file(file, &e))?;
    let named = |endings: [&str; 2]| {
        let ending = file.extension().map(|e| e.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| endings.contains(&ending.as_str()))
    };
    if start == b"PAR1" || named(["parquet", "pq"]) {
        return Ok(Format::Parquet);
    }
    let packed: [(&[u8], &str); 4] = [
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip or a spreadsheet"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
    ];
    match packed.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, name)) => Err(SourceError::Form {
            file: file.to_owned(),
            what: format!("it is {name}; unpack it to CSV or Parquet first"),
        }),
        None => Ok(Format::Csv),
    }
}
