//! [`Sink`]: keeps a checked table as the dictionary has it, in memory while it is small and in a
//! Parquet file from then on.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{Array, RecordBatch, StringViewArray},
        datatypes::SchemaRef,
    },
    parquet::{arrow::ArrowWriter, file::properties::WriterProperties},
};
use tempfile::{NamedTempFile, TempPath};

use super::{Result, SourceError};

/// A table up to this size stays in memory.
const MEMORY_BYTES: usize = 64 << 20;

/// Rows of a group of the file: what a writer holds at once.
const GROUP_ROWS: usize = 1 << 17;

/// Takes batches of one schema.
pub(super) struct Sink {
    folder: PathBuf,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    bytes: usize,
    writer: Option<(ArrowWriter<File>, TempPath)>,
}

/// What a sink took.
pub(super) enum Stored {
    Memory(Vec<RecordBatch>),
    /// Removed when it is dropped.
    File(TempPath),
}

impl Sink {
    /// A sink that writes into `folder` if it must.
    pub(super) fn new(folder: &Path, schema: SchemaRef) -> Self {
        Self { folder: folder.to_owned(), schema, batches: Vec::new(), bytes: 0, writer: None }
    }

    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if let Some((writer, path)) = &mut self.writer {
            return write(writer, path, &batch);
        }
        let batch = compact(batch)?;
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.bytes > MEMORY_BYTES {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let named = NamedTempFile::with_prefix_in("tacit-", &self.folder);
        let named = named.map_err(|e| SourceError::file(&self.folder, &e))?;
        let (file, path) = named.into_parts();
        let settings =
            WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&self.schema), Some(settings))
            .map_err(|e| SourceError::form(&path, e))?;
        for batch in std::mem::take(&mut self.batches) {
            write(&mut writer, &path, &batch)?;
        }
        self.writer = Some((writer, path));
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Stored> {
        match self.writer {
            None => Ok(Stored::Memory(self.batches)),
            Some((writer, path)) => {
                writer.close().map_err(|e| SourceError::form(&path, e))?;
                Ok(Stored::File(path))
            }
        }
    }
}

fn write(writer: &mut ArrowWriter<File>, path: &Path, batch: &RecordBatch) -> Result<()> {
    writer.write(batch).map_err(|e| SourceError::form(path, e))
}

/// Frees what a string column has allocated beyond its values.
fn compact(batch: RecordBatch) -> Result<RecordBatch> {
    let (schema, mut columns, _) = batch.into_parts();
    for column in &mut columns {
        if let Some(words) = column.as_any().downcast_ref::<StringViewArray>()
            && words.data_buffers().len() > 1
        {
            *column = Arc::new(words.gc());
        }
    }
    RecordBatch::try_new(schema, columns).map_err(|e| SourceError::Engine(e.to_string()))
}
