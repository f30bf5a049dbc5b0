//! CSV: a header, then rows of text.
//!
//! What is accepted is RFC 4180 and what spreadsheets and data bases make of it: a byte order
//! mark, LF or CRLF, quoted fields with line breaks in them, any one delimiter. An empty (or
//! blank) field is missing, quoted or not. A row with too many or too few fields is an error with
//! its place, never filled up. Memory is bounded by the size of one batch and one record.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use super::{BATCH_ROWS, Connector, Piece, Pieces, Result, SourceError};

/// A record larger than this is taken for a missing closing quote: it would be read whole.
const RECORD_BYTES: u64 = 16 << 20;

/// A batch is handed on when its text has this many bytes.
const BATCH_BYTES: usize = 8 << 20;

/// How much of a file is looked at to find the delimiter.
const SAMPLE_BYTES: u64 = 64 << 10;

/// What may separate fields, the more usual first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// CSV files with the same columns.
pub(super) struct CsvFiles {
    files: Vec<PathBuf>,
    schemas: Vec<SchemaRef>,
    delimiters: Vec<u8>,
    null: Arc<[String]>,
}

impl CsvFiles {
    pub(super) fn open(
        files: Vec<PathBuf>,
        delimiter: Option<char>,
        null: &[String],
    ) -> Result<Self> {
        let mut schemas = Vec::new();
        let mut delimiters = Vec::new();
        for file in &files {
            let delimiter = match delimiter {
                Some(given) => u8::try_from(given).ok().filter(u8::is_ascii).ok_or_else(|| {
                    SourceError::form(file, format!("{given:?} cannot be a delimiter"))
                })?,
                None => detect(file)?,
            };
            schemas.push(header(file, delimiter)?);
            delimiters.push(delimiter);
        }
        Ok(Self {
            files,
            schemas,
            delimiters,
            null: null.iter().map(|word| word.trim().to_owned()).collect(),
        })
    }

    /// What separates the fields of a file.
    pub(super) fn delimiter(&self, file: usize) -> u8 {
        self.delimiters[file]
    }

    /// A field's text, or `None` if it stands for a missing value.
    pub(super) fn value<'a>(&self, field: &'a str) -> Option<&'a str> {
        present(field, &self.null)
    }

    /// The records of a file as they are, after the header.
    pub(super) fn records(&self, file: usize) -> Result<Records> {
        let mut records = Records::open(&self.files[file], self.delimiters[file])?;
        records.next_record()?;
        records.expected = Some(self.schemas[file].fields().len());
        Ok(records)
    }
}

impl Connector for CsvFiles {
    fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn schema(&self, file: usize) -> &SchemaRef {
        &self.schemas[file]
    }

    fn read(&self, file: usize) -> Result<Pieces> {
        Ok(Box::new(Batches {
            records: self.records(file)?,
            record: ByteRecord::new(),
            schema: Arc::clone(&self.schemas[file]),
            null: Arc::clone(&self.null),
            rows: 0,
            done: false,
        }))
    }
}

/// A stream of batches of text.
struct Batches {
    records: Records,
    record: ByteRecord,
    schema: SchemaRef,
    null: Arc<[String]>,
    rows: u64,
    done: bool,
}

impl Batches {
    fn piece(&mut self) -> Result<Option<Piece>> {
        let width = self.schema.fields().len();
        let mut columns: Vec<StringBuilder> = (0..width).map(|_| StringBuilder::new()).collect();
        let (mut rows, mut bytes) = (0, 0);
        while rows < BATCH_ROWS && bytes < BATCH_BYTES {
            if !self.records.read(&mut self.record)? {
                self.done = true;
                break;
            }
            let row = self.records.text(&self.record)?;
            // `fields` are slices of one text; its length is that of the record.
            bytes += self.record.as_slice().len();
            rows += 1;
            for (builder, range) in columns.iter_mut().zip(fields(&self.record)) {
                builder.append_option(present(&row[range], &self.null));
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())
            .map_err(|e| SourceError::Engine(e.to_string()))?;
        let first = self.rows + 1;
        self.rows += rows as u64;
        Ok(Some(Piece { first, batch }))
    }
}

impl Iterator for Batches {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let piece = self.piece().transpose();
        self.done |= !matches!(piece, Some(Ok(_)));
        piece
    }
}

/// A field that is neither blank nor a word for a missing value.
fn present<'a>(field: &'a str, null: &[String]) -> Option<&'a str> {
    let word = field.trim();
    let missing = word.is_empty() || null.iter().any(|null| null == word);
    (!missing).then_some(field)
}

/// Where the fields of a record lie in its text.
pub(super) fn fields(record: &ByteRecord) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    (0..record.len()).filter_map(|i| record.range(i))
}

/// The records of a file, each checked for its length, its number of fields and its encoding.
pub(super) struct Records {
    reader: csv::Reader<Bounded>,
    path: PathBuf,
    /// Bytes read since the last record ended.
    taken: Arc<AtomicU64>,
    /// Number of fields that a record must have.
    expected: Option<usize>,
    /// Number of the record read last; the header is 0.
    row: Option<u64>,
    /// Bytes before the first record: a byte order mark.
    offset: u64,
}

/// Fails when a record takes too many bytes, instead of filling the memory with it.
struct Bounded {
    inner: Box<dyn Read + Send>,
    taken: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let before = self.taken.fetch_add(read as u64, Ordering::Relaxed);
        if before > RECORD_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(read)
    }
}

impl Records {
    fn open(path: &Path, delimiter: u8) -> Result<Self> {
        let file = File::open(path).map_err(|e| SourceError::file(path, &e))?;
        Self::over(path, delimiter, Box::new(BufReader::new(file)))
    }

    fn over(path: &Path, delimiter: u8, mut input: Box<dyn Read + Send>) -> Result<Self> {
        let mut start = Vec::new();
        let taken = input.by_ref().take(3).read_to_end(&mut start);
        taken.map_err(|e| SourceError::file(path, &e))?;
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(SourceError::Encoding {
                file: path.to_owned(),
                row: 0,
                byte: 0,
                hint: "it is UTF-16; save it as UTF-8".into(),
            });
        }
        let mark = start == b"\xef\xbb\xbf";
        let start = if mark { Vec::new() } else { start };
        let taken = Arc::new(AtomicU64::new(0));
        let bounded = Bounded {
            inner: Box::new(std::io::Cursor::new(start).chain(input)),
            taken: Arc::clone(&taken),
        };
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).has_headers(false).flexible(true);
        Ok(Self {
            reader: builder.buffer_capacity(64 << 10).from_reader(bounded),
            path: path.to_owned(),
            taken,
            expected: None,
            row: None,
            offset: if mark { 3 } else { 0 },
        })
    }

    /// Reads the next record; `false` at the end.
    pub(super) fn read(&mut self, record: &mut ByteRecord) -> Result<bool> {
        self.taken.store(0, Ordering::Relaxed);
        let line = self.reader.position().line();
        let next = self.row.map_or(0, |row| row + 1);
        match self.reader.read_byte_record(record) {
            Ok(false) => return Ok(false),
            Ok(true) => self.row = Some(next),
            Err(error) => {
                return Err(match error.kind() {
                    ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::FileTooLarge => {
                        SourceError::TooLong {
                            file: self.path.clone(),
                            row: next,
                            line,
                            limit: RECORD_BYTES,
                        }
                    }
                    ErrorKind::Io(e) => SourceError::file(&self.path, e),
                    _ => SourceError::form(&self.path, error),
                });
            }
        }
        match self.expected {
            Some(expected) if record.len() != expected => Err(SourceError::Ragged {
                file: self.path.clone(),
                row: next,
                line: record.position().map_or(line, csv::Position::line),
                found: record.len(),
                expected,
            }),
            _ => Ok(true),
        }
    }

    /// The text of all fields of the record that was read last, one after the other.
    pub(super) fn text<'a>(&self, record: &'a ByteRecord) -> Result<&'a str> {
        let bytes = record.as_slice();
        let bad = match std::str::from_utf8(bytes) {
            // Bytes on both sides of a delimiter may make up a character, which no field has.
            Ok(text) => match fields(record).find(|field| !text.is_char_boundary(field.end)) {
                None => return Ok(text),
                Some(torn) => torn.end,
            },
            Err(error) => error.valid_up_to(),
        };
        let start = record.position().map_or(0, csv::Position::byte);
        Err(SourceError::Encoding {
            file: self.path.clone(),
            row: self.row.unwrap_or(0),
            byte: self.offset + start + bad as u64,
            hint: "save the file as UTF-8 (it may be Latin-1 or Windows-1252)".into(),
        })
    }

    /// Reads the next record into a fresh one.
    fn next_record(&mut self) -> Result<Option<ByteRecord>> {
        let mut record = ByteRecord::new();
        Ok(self.read(&mut record)?.then_some(record))
    }
}

/// Reads the header: its names without blanks around them, `column_3` for a third without one.
fn header(path: &Path, delimiter: u8) -> Result<SchemaRef> {
    let mut records = Records::open(path, delimiter)?;
    let empty = || SourceError::Empty { file: path.to_owned() };
    let record = records.next_record()?.ok_or_else(empty)?;
    let text = records.text(&record)?;
    let mut names: Vec<String> = Vec::new();
    for (i, range) in fields(&record).enumerate() {
        let name = match text[range].trim() {
            "" => format!("column_{}", i + 1),
            // A line break in a name would be in the way everywhere.
            name => name.replace(char::is_control, " "),
        };
        if let Some(first) = names.iter().position(|other| *other == name) {
            return Err(SourceError::DuplicateColumn {
                file: path.to_owned(),
                column: name,
                first: first + 1,
                second: i + 1,
            });
        }
        names.push(name);
    }
    if text.contains('\0') {
        return Err(SourceError::form(path, "this is no text file"));
    }
    let field = |name: &String| Field::new(name, DataType::Utf8, true);
    Ok(Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>())))
}

/// Finds the delimiter: the one that cuts the first records into the most fields of which every
/// record has the same number; a comma if none does.
fn detect(path: &Path) -> Result<u8> {
    let mut sample = Vec::new();
    let file = File::open(path).map_err(|e| SourceError::file(path, &e))?;
    file.take(SAMPLE_BYTES).read_to_end(&mut sample).map_err(|e| SourceError::file(path, &e))?;
    let cut = sample.len() as u64 == SAMPLE_BYTES;
    let widths = |delimiter: u8| {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).has_headers(false).flexible(true);
        let mut reader = builder.from_reader(sample.as_slice());
        let widths = reader.byte_records().map(|r| r.map_or(0, |r| r.len()));
        let mut widths: Vec<usize> = widths.take(200).collect();
        // The last record of a sample that was cut off may be torn.
        if cut && widths.len() < 200 && widths.len() > 1 {
            widths.pop();
        }
        widths
    };
    let mut best = (1, DELIMITERS[0]);
    let mut header = best;
    for delimiter in DELIMITERS {
        let widths = widths(delimiter);
        let Some(&first) = widths.first() else {
            break;
        };
        if first > best.0 && widths.iter().all(|&width| width == first) {
            best = (first, delimiter);
        }
        if first > header.0 {
            header = (first, delimiter);
        }
    }
    // Where no delimiter fits every record, the header decides, and the ragged row is reported.
    Ok(if best.0 > 1 { best.1 } else { header.1 })
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
