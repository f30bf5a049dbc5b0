//! Splitting a Parquet file, a batch of rows at a time.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use datafusion::{
    arrow::{
        array::{ArrayRef, BooleanArray, RecordBatch, cast::AsArray as _},
        compute::{cast, filter_record_batch},
        datatypes::DataType,
    },
    parquet::arrow::{
        ArrowWriter,
        arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
};

use crate::error::{Failure, Result};

/// Rows of a batch.
const BATCH: usize = 65_536;

/// Names of the columns.
pub fn columns(file: &Path) -> Result<Vec<String>> {
    let builder = builder(file)?;
    let fields = builder.schema().fields();
    Ok(fields.iter().map(|field| field.name().clone()).collect())
}

/// Calls `each` with every value of a column, as text; NULL is the empty text.
pub fn values(file: &Path, column: usize, each: &mut dyn FnMut(&str)) -> Result<()> {
    for batch in reader(file)? {
        let batch = batch.map_err(|error| unreadable(file, &error))?;
        let texts = texts(file, &batch, column)?;
        texts.as_string::<i32>().iter().for_each(|text| each(text.unwrap_or_default()));
    }
    Ok(())
}

/// Writes each site's rows to its target and returns their number.
pub fn split(
    files: &[PathBuf],
    column: Option<usize>,
    site: &dyn Fn(u64, Option<&str>) -> usize,
    targets: &[PathBuf],
) -> Result<Vec<u64>> {
    let schema = builder(&files[0])?.schema().clone();
    let mut writers = Vec::new();
    for target in targets {
        let output = File::create(target).map_err(|e| Failure::file(target, &e))?;
        let writer = ArrowWriter::try_new(output, schema.clone(), None);
        writers.push(writer.map_err(|error| unreadable(target, &error))?);
    }
    let mut rows = vec![0; targets.len()];
    let mut row = 0;
    for file in files {
        for batch in reader(file)? {
            let batch = batch.map_err(|error| unreadable(file, &error))?;
            let texts = column.map(|column| texts(file, &batch, column)).transpose()?;
            let sites: Vec<usize> = (0..batch.num_rows())
                .map(|i| {
                    let text = texts.as_ref().map(|texts| {
                        let texts = texts.as_string::<i32>();
                        if datafusion::arrow::array::Array::is_null(texts, i) {
                            ""
                        } else {
                            texts.value(i)
                        }
                    });
                    site(row + i as u64, text)
                })
                .collect();
            row += batch.num_rows() as u64;
            for (at, writer) in writers.iter_mut().enumerate() {
                let mask: BooleanArray = sites.iter().map(|&site| Some(site == at)).collect();
                rows[at] += mask.true_count() as u64;
                let part = filter_record_batch(&batch, &mask)
                    .map_err(|error| unreadable(file, &error))?;
                writer.write(&part).map_err(|error| unreadable(&targets[at], &error))?;
            }
        }
    }
    for (writer, target) in writers.into_iter().zip(targets) {
        writer.close().map_err(|error| unreadable(target, &error))?;
    }
    Ok(rows)
}

fn builder(file: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let opened = File::open(file).map_err(|e| Failure::file(file, &e))?;
    ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| unreadable(file, &error))
}

fn reader(file: &Path) -> Result<ParquetRecordBatchReader> {
    let built = builder(file)?.with_batch_size(BATCH).build();
    built.map_err(|error| unreadable(file, &error))
}

fn texts(file: &Path, batch: &RecordBatch, column: usize) -> Result<ArrayRef> {
    cast(batch.column(column), &DataType::Utf8).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::setup("parquet", format!("{}: {error}", file.display()))
        .help("is it a Parquet file? tacit reads CSV where the name ends in .csv")
}
