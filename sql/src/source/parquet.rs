//! Parquet: typed columns, read one batch at a time.
//!
//! Columns of types that no dictionary describes (lists, structures, bytes) are passed over, as if
//! the file did not have them.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    arrow::datatypes::{DataType, Schema, SchemaRef},
    parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
};

use super::{BATCH_ROWS, Connector, Piece, Pieces, Result, SourceError};

/// Parquet files.
pub(super) struct ParquetFiles {
    files: Vec<PathBuf>,
    /// What is read of each file: its schema and the positions of those columns.
    columns: Vec<(SchemaRef, Vec<usize>)>,
}

impl ParquetFiles {
    pub(super) fn open(files: Vec<PathBuf>) -> Result<Self> {
        let mut columns = Vec::new();
        for file in &files {
            let opened = open(file)?;
            let fields = opened.schema().fields();
            let kept: Vec<usize> =
                (0..fields.len()).filter(|&i| readable(fields[i].data_type())).collect();
            let schema = opened.schema().project(&kept);
            let schema = schema.map_err(|e| SourceError::form(file, e))?;
            let schema = Schema::new(schema.fields().clone());
            unique(file, &schema)?;
            columns.push((Arc::new(schema), kept));
        }
        Ok(Self { files, columns })
    }
}

impl Connector for ParquetFiles {
    fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn schema(&self, file: usize) -> &SchemaRef {
        &self.columns[file].0
    }

    fn read(&self, file: usize) -> Result<Pieces> {
        let path = self.files[file].clone();
        let (schema, kept) = &self.columns[file];
        let schema = Arc::clone(schema);
        let opened = open(&path)?;
        let mask = ProjectionMask::roots(opened.parquet_schema(), kept.iter().copied());
        let reader = opened.with_projection(mask).with_batch_size(BATCH_ROWS);
        let reader = reader.build().map_err(|e| SourceError::form(&path, e))?;
        let mut rows = 0;
        Ok(Box::new(reader.map(move |batch| {
            let batch = batch.map_err(|e| SourceError::form(&path, e))?;
            let first = rows + 1;
            rows += batch.num_rows() as u64;
            let batch = batch.with_schema(Arc::clone(&schema));
            Ok(Piece { first, batch: batch.map_err(|e| SourceError::form(&path, e))? })
        })))
    }
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|e| SourceError::file(path, &e))?;
    if file.metadata().is_ok_and(|about| about.len() == 0) {
        return Err(SourceError::Empty { file: path.to_owned() });
    }
    ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|e| SourceError::form(path, format!("not a Parquet file that can be read: {e}")))
}

fn unique(file: &Path, schema: &Schema) -> Result<()> {
    let fields = schema.fields();
    for (second, field) in fields.iter().enumerate() {
        let first = fields.iter().position(|other| other.name() == field.name());
        if let Some(first) = first.filter(|&first| first < second) {
            return Err(SourceError::DuplicateColumn {
                file: file.to_owned(),
                column: field.name().clone(),
                first: first + 1,
                second: second + 1,
            });
        }
    }
    Ok(())
}

/// Whether a column of this type can be described by a dictionary.
fn readable(r#type: &DataType) -> bool {
    match r#type {
        DataType::Dictionary(_, values) => readable(values),
        DataType::Boolean
        | DataType::Null
        | DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(..) => true,
        other => other.is_numeric() || other.is_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_parquet_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let open = || ParquetFiles::open(vec![path.clone()]).err().unwrap();
        assert!(matches!(open(), SourceError::Missing { .. }));
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(open(), SourceError::Empty { .. }));
        std::fs::write(&path, b"PAR1 this is none PAR1").unwrap();
        assert!(matches!(open(), SourceError::Form { .. }));
    }
}
