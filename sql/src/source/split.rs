//! Divides a source over sites, for sandboxes: every row goes to exactly one of them.

use std::{
    collections::HashMap,
    fs::{DirBuilder, File, OpenOptions},
    io::BufWriter,
    path::{Path, PathBuf},
    sync::Arc,
};

use csv::{ByteRecord, WriterBuilder};
use datafusion::{
    arrow::{
        array::{ArrayRef, BooleanArray, RecordBatch},
        compute::{cast, filter_record_batch},
        datatypes::SchemaRef,
    },
    parquet::{arrow::ArrowWriter, file::properties::WriterProperties},
};

use super::{
    Connector, Format, Result, Source, SourceError,
    cells::Cells,
    csv::{CsvFiles, fields},
    natural,
    parquet::ParquetFiles,
};

/// A column with more different values, free text for one, is no way to divide rows.
const VALUES: usize = 1000;

/// Rows of a group of a Parquet part: one group is held for each site.
const GROUP_ROWS: usize = 1 << 15;

/// How rows are dealt out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// By a hash of the row's number: parts of nearly equal size.
    Hash,
    /// By a hash of a column's value: rows of one person stay together.
    Person(String),
    /// Each site gets some of a column's values: the most frequent first, each to the site that
    /// has the fewest rows so far. With as many values as sites, the first site is the largest.
    Column(String),
}

/// What a site got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How to read its file.
    pub source: Source,
    /// Number of rows.
    pub rows: u64,
    /// The values of the column, where the rows were divided by a column; missing is "".
    pub values: Vec<String>,
}

/// Writes each row of the source to one of `outputs`, CSV as CSV and Parquet as Parquet, with all
/// columns, in one pass (two by column). Same source and same `by`, same parts.
///
/// # Errors
/// If the source cannot be read, lacks the column, or a file cannot be written.
pub async fn split(
    source: &Source,
    by: &Split,
    outputs: &[PathBuf],
) -> Result<Vec<Part>, crate::Error> {
    let (source, by, outputs) = (source.clone(), by.clone(), outputs.to_vec());
    let task = tokio::task::spawn_blocking(move || divide(&source, &by, &outputs));
    let done = task.await.map_err(|e| SourceError::Engine(e.to_string()))?;
    Ok(done?)
}

fn divide(source: &Source, by: &Split, outputs: &[PathBuf]) -> Result<Vec<Part>> {
    if outputs.is_empty() {
        return Err(SourceError::Split("there are no sites".into()));
    }
    let files = source.list()?;
    let format = source.form(&files)?;
    let (parts, delimiter) = match format {
        Format::Csv => {
            let files = CsvFiles::open(files, source.delimiter, &source.null)?;
            let deal = Deal::of(&files, by, outputs.len())?;
            (write_csv(&files, deal, outputs)?, Some(files.delimiter(0)))
        }
        Format::Parquet => {
            let files = ParquetFiles::open(files)?;
            let deal = Deal::of(&files, by, outputs.len())?;
            (write_parquet(&files, deal, outputs)?, None)
        }
    };
    let parts = parts.into_iter().zip(outputs);
    let part = |((rows, values), output): ((u64, Vec<String>), &PathBuf)| Part {
        source: Source {
            path: output.clone(),
            delimiter: delimiter.map(char::from),
            null: source.null.clone(),
            format: Some(format),
        },
        rows,
        values,
    };
    Ok(parts.map(part).collect())
}

/// Decides for each row.
struct Deal {
    sites: usize,
    /// The column that decides; the row's number does if there is none.
    column: Option<String>,
    /// Site of each value of the column; a hash decides if there is none.
    of: Option<HashMap<String, usize>>,
    rows: u64,
    counts: Vec<u64>,
}

impl Deal {
    fn of(connector: &dyn Connector, by: &Split, sites: usize) -> Result<Self> {
        let (column, of) = match by {
            Split::Hash => (None, None),
            Split::Person(column) => (Some(column.clone()), None),
            Split::Column(column) => {
                let counts = count(connector, column)?;
                (Some(column.clone()), Some(balance(counts, sites)))
            }
        };
        Ok(Self { sites, column, of, rows: 0, counts: vec![0; sites] })
    }

    /// The site of the next row, whose deciding column holds `value`.
    fn next(&mut self, value: &str) -> usize {
        let site = match (&self.of, &self.column) {
            (Some(of), _) => of.get(value).copied().unwrap_or(0),
            (None, Some(_)) => (hash(value.as_bytes()) % self.sites as u64) as usize,
            (None, None) => (mix(self.rows) % self.sites as u64) as usize,
        };
        self.rows += 1;
        self.counts[site] += 1;
        site
    }

    /// Rows and values of each site.
    fn finish(self) -> Vec<(u64, Vec<String>)> {
        let mut parts: Vec<(u64, Vec<String>)> =
            self.counts.into_iter().map(|rows| (rows, Vec::new())).collect();
        for (value, site) in self.of.into_iter().flatten() {
            parts[site].1.push(value);
        }
        for (_, values) in &mut parts {
            values.sort_by(|a, b| natural::compare(a, b));
        }
        parts
    }
}

/// How often each value of a column occurs; missing is "".
fn count(connector: &dyn Connector, column: &str) -> Result<HashMap<String, u64>> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for (index, file) in connector.files().iter().enumerate() {
        let place = super::place(file, connector.schema(index), column)?;
        for piece in connector.read(index)? {
            let (cells, _) = Cells::of(file, column, piece?.batch.column(place))?;
            for row in 0..cells.len() {
                let value = text(&cells, row);
                match counts.get_mut(value.as_ref()) {
                    Some(count) => *count += 1,
                    None => _ = counts.insert(value.into_owned(), 1),
                }
            }
            if counts.len() > VALUES {
                let what = format!(
                    "column {column:?} has over {VALUES} different values, too many to deal out; \
                     choose one with fewer, or --split hash"
                );
                return Err(SourceError::Split(what));
            }
        }
    }
    Ok(counts)
}

fn text(cells: &Cells, row: usize) -> std::borrow::Cow<'_, str> {
    if cells.is_missing(row) { "".into() } else { cells.text(row) }
}

/// Gives the most frequent value left to the site with the fewest rows, until none is left
/// (Graham's longest-first rule: the largest part is at most 4/3 of the best possible).
fn balance(counts: HashMap<String, u64>, sites: usize) -> HashMap<String, usize> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| natural::compare(&a.0, &b.0)));
    let mut load = vec![0_u64; sites];
    let deal = |(value, count): (String, u64)| {
        let site = (0..sites).min_by_key(|&site| load[site]).unwrap_or(0);
        load[site] += count;
        (value, site)
    };
    counts.into_iter().map(deal).collect()
}

/// SplitMix64's output function: row numbers become evenly spread.
fn mix(row: u64) -> u64 {
    let mut x = row.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x7ac1_7000);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// FNV-1a, mixed.
fn hash(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

/// A new file, in a new folder if need be, that only its owner reads: it holds a site's rows.
fn create(path: &Path) -> Result<File> {
    let mut folder = DirBuilder::new();
    folder.recursive(true);
    let mut file = OpenOptions::new();
    file.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        folder.mode(0o700);
        file.mode(0o600);
    }
    let made = path.parent().map_or(Ok(()), |parent| folder.create(parent));
    made.and_then(|()| file.open(path)).map_err(|e| SourceError::file(path, &e))
}

fn write_csv(
    files: &CsvFiles,
    mut deal: Deal,
    outputs: &[PathBuf],
) -> Result<Vec<(u64, Vec<String>)>> {
    let failed = |output: &PathBuf, e: csv::Error| SourceError::Io {
        path: output.clone(),
        what: e.to_string(),
    };
    let header: Vec<&str> = files.schema(0).fields().iter().map(|f| f.name().as_str()).collect();
    let mut writers = Vec::new();
    for output in outputs {
        let mut builder = WriterBuilder::new();
        builder.delimiter(files.delimiter(0));
        let mut writer = builder.from_writer(BufWriter::new(create(output)?));
        writer.write_record(&header).map_err(|e| failed(output, e))?;
        writers.push(writer);
    }
    for (index, file) in files.files().iter().enumerate() {
        let here = files.schema(index);
        let places = header.iter().map(|name| super::place(file, here, name));
        let places: Vec<usize> = places.collect::<Result<_>>()?;
        let column = deal.column.as_ref().map(|name| super::place(file, here, name)).transpose()?;
        let mut records = files.records(index)?;
        let (mut record, mut moved) = (ByteRecord::new(), ByteRecord::new());
        while records.read(&mut record)? {
            let row = records.text(&record)?;
            let ranges: Vec<_> = fields(&record).collect();
            let value = column.map_or("", |column| &row[ranges[column].clone()]);
            let site = deal.next(files.value(value).unwrap_or(""));
            moved.clear();
            for &place in &places {
                moved.push_field(&record[place]);
            }
            let written = writers[site].write_byte_record(&moved);
            written.map_err(|e| failed(&outputs[site], e))?;
        }
    }
    for (writer, output) in writers.iter_mut().zip(outputs) {
        writer.flush().map_err(|e| SourceError::file(output, &e))?;
    }
    Ok(deal.finish())
}

fn write_parquet(
    files: &ParquetFiles,
    mut deal: Deal,
    outputs: &[PathBuf],
) -> Result<Vec<(u64, Vec<String>)>> {
    let schema: &SchemaRef = files.schema(0);
    let mut writers = Vec::new();
    for output in outputs {
        let settings =
            WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
        let writer = ArrowWriter::try_new(create(output)?, Arc::clone(schema), Some(settings));
        writers.push(writer.map_err(|e| SourceError::form(output, e))?);
    }
    for (index, file) in files.files().iter().enumerate() {
        let here = files.schema(index);
        let names = schema.fields().iter();
        let places = names.map(|field| super::place(file, here, field.name()));
        let places: Vec<usize> = places.collect::<Result<_>>()?;
        let column = deal.column.as_ref().map(|name| super::place(file, here, name)).transpose()?;
        for piece in files.read(index)? {
            let batch = piece?.batch;
            let columns = places.iter().zip(schema.fields()).map(|(&place, field)| {
                let column = batch.column(place);
                if column.data_type() == field.data_type() {
                    return Ok(Arc::clone(column));
                }
                cast(column, field.data_type()).map_err(|e| SourceError::form(file, e))
            });
            let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
            let deciding = column
                .map(|place| Cells::of(file, "the deciding one", batch.column(place)))
                .transpose()?;
            let site_of = |row| match &deciding {
                Some((cells, _)) => deal.next(&text(cells, row)),
                None => deal.next(""),
            };
            let sites: Vec<usize> = (0..batch.num_rows()).map(site_of).collect();
            let batch = RecordBatch::try_new(Arc::clone(schema), columns)
                .map_err(|e| SourceError::form(file, e))?;
            for (site, writer) in writers.iter_mut().enumerate() {
                let mine: BooleanArray = sites.iter().map(|&other| Some(other == site)).collect();
                let rows = filter_record_batch(&batch, &mine);
                let rows = rows.map_err(|e| SourceError::form(file, e))?;
                writer.write(&rows).map_err(|e| SourceError::form(&outputs[site], e))?;
            }
        }
    }
    for (writer, output) in writers.into_iter().zip(outputs) {
        writer.close().map_err(|e| SourceError::form(output, e))?;
    }
    Ok(deal.finish())
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
