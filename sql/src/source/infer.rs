//! Infers a table of the dictionary from data, in one pass.

use std::sync::Arc;

use tacit_plan::Table;

use super::{Format, Result, Source, SourceError, cells::Cells, profile::Profile};

/// A table of the dictionary as the data suggest it. It is for a person to look at: ranges are
/// rounded outwards and categories are listed as found.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// The table.
    pub table: Table,
    /// Number of rows.
    pub rows: u64,
    /// What a person should decide or know, one line each, starting with the column's name.
    pub warnings: Vec<String>,
}

/// Reads the whole source once and says what its columns hold.
///
/// Whole numbers, `7.0` too, are integers, also where there are only 0 and 1. Other numbers are
/// decimals of the smallest scale that holds them all exactly, at most 6; beyond, they are rounded
/// and a warning says so. Only the words true and false are boolean. Dates and times are those of
/// ISO 8601. Other text is a category, or text if it has over 200 values, long ones, or mostly
/// different ones. In Parquet, a column of strings is never taken for another type.
///
/// # Errors
/// If the source cannot be read, or has no rows.
pub async fn infer(source: &Source) -> Result<Inferred, crate::Error> {
    let source = source.clone();
    let task = tokio::task::spawn_blocking(move || inferred(&source));
    let done = task.await.map_err(|e| SourceError::Engine(e.to_string()))?;
    Ok(done?)
}

fn inferred(source: &Source) -> Result<Inferred> {
    let connector = source.connect()?;
    let files = connector.files();
    let schema = Arc::clone(connector.schema(0));
    let sniff = source.form(files)? == Format::Csv;
    let profile = |name: &String| Profile::new(name, sniff);
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let mut profiles: Vec<Profile> = names.iter().map(profile).collect();
    let mut warnings = Vec::new();
    let mut rows = 0;
    for (index, file) in files.iter().enumerate() {
        let here = connector.schema(index);
        let places = names.iter().map(|name| super::place(file, here, name));
        let places: Vec<usize> = places.collect::<Result<_>>()?;
        for field in here.fields() {
            if schema.field_with_name(field.name()).is_err() {
                let (first, name) = (files[0].display(), field.name());
                let what = format!("{name}: {} has it, {first} lacks it", file.display());
                warnings.push(what);
            }
        }
        for piece in connector.read(index)? {
            let piece = piece?;
            rows += piece.batch.num_rows() as u64;
            for ((profile, &place), name) in profiles.iter_mut().zip(&places).zip(&names) {
                let (cells, strange) = Cells::of(file, name, piece.batch.column(place))?;
                profile.add(&cells, strange).map_err(|before| {
                    let now = cells.form();
                    let what = format!("column {name:?} holds {now} here and {before} elsewhere");
                    SourceError::form(file, what)
                })?;
            }
        }
    }
    if rows == 0 {
        let file = files[0].clone();
        return Err(SourceError::HeaderOnly { file });
    }
    let mut columns = Vec::new();
    for profile in profiles {
        let (column, about) = profile.finish();
        columns.push(column);
        warnings.extend(about);
    }
    let table = Table { person: None, description: None, columns };
    Ok(Inferred { table, rows, warnings })
}
