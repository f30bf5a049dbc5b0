//! [`Tables`]: a site's tables, checked and ready to be asked.
//!
//! A Parquet file whose types are those of the dictionary (or narrower) is read where it lies, with
//! projections and filters pushed down. Anything else, CSV above all, is converted once, while it
//! is checked, and kept in memory if it is small, else in a Parquet file of its own.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    catalog::TableProvider,
    common::TableReference,
    datasource::{
        MemTable,
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    execution::{memory_pool::FairSpillPool, runtime_env::RuntimeEnvBuilder},
    prelude::SessionContext,
};
use tacit_plan::{Dictionary, Digest, Table};
use tempfile::{TempDir, TempPath};

use super::{
    CheckReport, Connector, Format, Result, Source, SourceError,
    check::scan,
    convert::Rule,
    sink::{Sink, Stored},
    stamp::Stamp,
};
use crate::types::schema;

/// Memory that local queries may take together unless told otherwise.
const MEMORY_BYTES: usize = 96 << 20;

/// How tables are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Folder for converted tables that are too large for memory, and for what large queries set
    /// aside; a temporary folder if absent. Everything in it is removed when the tables are.
    pub cache: Option<PathBuf>,
    /// Bytes that local queries may take together.
    pub memory: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: None, memory: MEMORY_BYTES }
    }
}

/// A site's tables, checked against the dictionary. Several queries at once may use them.
pub struct Tables {
    context: SessionContext,
    served: BTreeMap<String, Served>,
    manifest: BTreeMap<String, Digest>,
    /// Dropped last: what lies in it is removed one by one before.
    _folder: Option<TempDir>,
}

struct Served {
    source: Source,
    stamps: Vec<Stamp>,
    report: CheckReport,
    /// Where the table lies if it was converted to a file: removed with it.
    #[allow(dead_code, reason = "held for what its drop does")]
    file: Option<TempPath>,
}

/// One table, read and checked.
struct Opened {
    name: String,
    served: Served,
    digest: Digest,
    provider: Arc<dyn TableProvider>,
}

impl Tables {
    /// Checks all data against the dictionary and makes them ready, with the usual [`Options`].
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub async fn open(
        dictionary: &Dictionary,
        sources: &BTreeMap<String, Source>,
        rows_at_most: u64,
    ) -> Result<Self, crate::Error> {
        Self::open_with(dictionary, sources, rows_at_most, &Options::default()).await
    }

    /// Checks all data against the dictionary and makes them ready.
    ///
    /// # Errors
    /// If a table has no source or a source no table, a source cannot be read, a value does not
    /// fit ([`SourceError::Misfits`], with a report), or there are too many rows.
    pub async fn open_with(
        dictionary: &Dictionary,
        sources: &BTreeMap<String, Source>,
        rows_at_most: u64,
        options: &Options,
    ) -> Result<Self, crate::Error> {
        Ok(Self::opened(dictionary, sources, rows_at_most, options).await?)
    }

    async fn opened(
        dictionary: &Dictionary,
        sources: &BTreeMap<String, Source>,
        rows_at_most: u64,
        options: &Options,
    ) -> Result<Self> {
        if let Some(name) = sources.keys().find(|&name| !dictionary.tables.contains_key(name)) {
            return Err(SourceError::UnknownTable {
                table: name.clone(),
                tables: dictionary.tables.keys().cloned().collect(),
            });
        }
        let (folder, path) = if let Some(path) = &options.cache {
            std::fs::create_dir_all(path).map_err(|e| SourceError::file(path, &e))?;
            (None, path.clone())
        } else {
            let folder = tempfile::tempdir();
            let folder = folder.map_err(|e| SourceError::file(&std::env::temp_dir(), &e))?;
            let path = folder.path().to_owned();
            (Some(folder), path)
        };
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory)))
            .with_temp_file_path(&path)
            .build_arc()?;
        let context = SessionContext::new_with_config_rt(crate::session_config(), runtime);
        let mut tables =
            Self { context, served: BTreeMap::new(), manifest: BTreeMap::new(), _folder: folder };
        for (name, table) in &dictionary.tables {
            let source = sources.get(name).cloned();
            let source = source.ok_or_else(|| SourceError::NoSource { table: name.clone() })?;
            let (name, table, path) = (name.clone(), table.clone(), path.clone());
            let task = tokio::task::spawn_blocking(move || {
                Opened::open(name, source, &table, rows_at_most, &path)
            });
            let opened = task.await.map_err(|e| SourceError::Engine(e.to_string()))??;
            let reference = TableReference::bare(opened.name.as_str());
            tables.context.register_table(reference, opened.provider)?;
            tables.manifest.insert(opened.name.clone(), opened.digest);
            tables.served.insert(opened.name, opened.served);
        }
        Ok(tables)
    }

    /// Where the tables can be asked, by their names in the dictionary.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The tables' names.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.served.keys().cloned()
    }

    /// Number of rows of a table.
    pub fn rows(&self, table: &str) -> Option<u64> {
        Some(self.served.get(table)?.report.rows)
    }

    /// What the check of a table found.
    pub fn report(&self, table: &str) -> Option<&CheckReport> {
        Some(&self.served.get(table)?.report)
    }

    /// For each table, the digest of its files' names and contents: it pins in a receipt what was
    /// asked.
    pub fn manifest(&self) -> &BTreeMap<String, Digest> {
        &self.manifest
    }

    /// Makes sure that the files of some tables are as they were when they were checked: the same
    /// files, of the same size, not written to since.
    ///
    /// # Errors
    /// [`SourceError::Changed`] with the first file that is not.
    pub fn unchanged(&self, tables: &[String]) -> Result<(), crate::Error> {
        for (name, served) in &self.served {
            if tables.contains(name) {
                Stamp::same(name, &served.source, &served.stamps)?;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.served.keys()).finish()
    }
}

impl Opened {
    fn open(
        name: String,
        source: Source,
        table: &Table,
        rows_at_most: u64,
        folder: &Path,
    ) -> Result<Self> {
        let stamps = Stamp::of(&source.list()?)?;
        let connector = source.connect()?;
        let wanted = schema(table);
        let as_is = as_is(&source, connector.as_ref(), table)?;
        let mut sink = (!as_is).then(|| Sink::new(folder, Arc::clone(&wanted)));
        let mut rows = 0;
        let report = scan(connector.as_ref(), table, &mut |batch| {
            rows += batch.num_rows() as u64;
            match &mut sink {
                // What is too long is only counted.
                Some(sink) if rows <= rows_at_most => sink.push(batch),
                _ => Ok(()),
            }
        })?;
        if !report.fits() {
            return Err(SourceError::Misfits { table: name, report: Box::new(report) });
        }
        if report.rows > rows_at_most {
            return Err(SourceError::TooManyRows {
                table: name,
                rows: report.rows,
                at_most: rows_at_most,
            });
        }
        let digest = Stamp::digest(&stamps)?;
        Stamp::same(&name, &source, &stamps)?;
        let stored = sink.map(Sink::finish).transpose()?;
        let (provider, file) = match stored {
            None => (listing(connector.files(), wanted)?, None),
            Some(Stored::File(file)) => {
                let path = file.to_path_buf();
                (listing(&[path], wanted)?, Some(file))
            }
            Some(Stored::Memory(batches)) => {
                let parts = std::thread::available_parallelism().map_or(1, usize::from);
                let each = batches.len().div_ceil(parts).max(1);
                let mut parts: Vec<_> = batches.chunks(each).map(<[_]>::to_vec).collect();
                if parts.is_empty() {
                    parts.push(Vec::new());
                }
                let table = MemTable::try_new(wanted, parts)?;
                (Arc::new(table) as Arc<dyn TableProvider>, None)
            }
        };
        Ok(Self { name, served: Served { source, stamps, report, file }, digest, provider })
    }
}

/// Whether the files can be read where they lie.
fn as_is(source: &Source, connector: &dyn Connector, table: &Table) -> Result<bool> {
    if source.form(connector.files())? != Format::Parquet {
        return Ok(false);
    }
    for (index, file) in connector.files().iter().enumerate() {
        let here = connector.schema(index);
        for column in &table.columns {
            let rule = Rule::of(column).map_err(|what| SourceError::form(file, what))?;
            let place = super::place(file, here, &rule.name)?;
            if !rule.reads(here.field(place).data_type()) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A table over Parquet files.
fn listing(
    files: &[PathBuf],
    schema: datafusion::arrow::datatypes::SchemaRef,
) -> Result<Arc<dyn TableProvider>> {
    let urls = files.iter().map(|file| url(file));
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// The address of a file. A path would not do: DataFusion takes `*`, `?` and `[` in it for
/// patterns.
fn url(file: &Path) -> Result<ListingTableUrl> {
    let path = std::path::absolute(file).map_err(|e| SourceError::file(file, &e))?;
    let text = path.to_str().ok_or_else(|| {
        let what = "its path must be UTF-8".to_owned();
        SourceError::form(file, what)
    })?;
    let mut address = String::from("file://");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                address.push(char::from(byte));
            }
            other => _ = write!(address, "%{other:02X}"),
        }
    }
    Ok(ListingTableUrl::parse(address)?)
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
