//! The part of a query that a site runs on its own rows.
//!
//! The plan's own text is run, as it is shown. Its groups are put to their cells by the keys'
//! domains; a group that is not there holds zeros.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, RecordBatch},
        compute::cast,
        datatypes::{DataType, Decimal128Type, Int64Type},
    },
    datasource::MemTable,
    error::DataFusionError,
    execution::SendableRecordBatchStream,
    prelude::SessionContext,
};
use futures::StreamExt as _;
use tacit_plan::{InputColumns, Key, Plan, Role, Rows};

use crate::{Error, Result, Tables, compile::domain::identity, types};

/// Runs the local part of `plan` on a site's tables: one column for each input, as long as it has
/// rows.
///
/// # Errors
/// If the engine fails (out of its memory, a file that changed), or yields what the plan does not
/// foresee.
///
/// # Security
/// Errors name no value of a row.
pub async fn run_local(tables: &Tables, plan: &Plan) -> Result<InputColumns> {
    tables.unchanged(&plan.tables)?;
    run_on(tables.context(), plan).await
}

/// [`run_local`] on any session whose tables have the dictionary's types.
pub(crate) async fn run_on(context: &SessionContext, plan: &Plan) -> Result<InputColumns> {
    let inputs = plan.inputs.iter();
    let mut columns: Vec<Vec<i64>> = inputs.map(|input| vec![0; plan.rows(input.rows)]).collect();
    let mut named = HashMap::new();
    for (i, input) in plan.inputs.iter().enumerate() {
        if !input.name.is_empty() {
            named.insert(input.name.as_str(), i);
        }
    }
    let mut cells = Cells::new(&plan.keys);
    // The total over records is the sum of the cells' counts; its text reads them as a table.
    let mut kept = Vec::new();
    let cells_table = cells_table(plan);
    for query in &plan.local {
        let session = match &cells_table {
            Some(name) if query.rows == Rows::Total => {
                beside(context, name, std::mem::take(&mut kept))?
            }
            _ => context.clone(),
        };
        let mut stream = start(session, query.sql.clone()).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            if batch.num_rows() == 0 {
                continue;
            }
            let at = match query.rows {
                Rows::Cells => cells.of(&batch)?,
                Rows::Total => vec![0; batch.num_rows()],
            };
            for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                let Some(input) = named.get(field.name().as_str()) else {
                    continue;
                };
                fill(&mut columns[*input], &at, array)?;
            }
            if cells_table.is_some() && query.rows == Rows::Cells {
                kept.push(batch);
            }
        }
    }
    for (i, input) in plan.inputs.iter().enumerate() {
        if let Role::BelowFloor { of, floor } = input.role {
            let Some(counts) = columns.get(of) else {
                return Err(Error::Malformed(format!("input {i} looks at input {of}")));
            };
            let below = |count: &i64| i64::from(*count > 0 && (*count as u64) < floor);
            columns[i] = counts.iter().map(below).collect();
        }
    }
    Ok(InputColumns { columns })
}

/// Name of the table of cells, if the plan's total reads one.
fn cells_table(plan: &Plan) -> Option<String> {
    let total = plan.local.iter().find(|query| query.rows == Rows::Total)?;
    let from = total.sql.rsplit(" FROM ").next()?;
    let name = from.trim();
    (!plan.tables.iter().any(|table| table == name)
        && name.starts_with("cells")
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    .then(|| name.to_owned())
}

/// A session of its own for the table of cells.
fn beside(context: &SessionContext, name: &str, cells: Vec<RecordBatch>) -> Result<SessionContext> {
    let own = SessionContext::new_with_config_rt(context.copied_config(), context.runtime_env());
    if let Some(first) = cells.first() {
        let table = MemTable::try_new(first.schema(), vec![cells]).map_err(failed)?;
        own.register_table(name, Arc::new(table)).map_err(failed)?;
    } else {
        let fields = vec![datafusion::arrow::datatypes::Field::new("c0", DataType::Int64, true)];
        let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(fields));
        let table = MemTable::try_new(schema, vec![Vec::new()]).map_err(failed)?;
        own.register_table(name, Arc::new(table)).map_err(failed)?;
    }
    Ok(own)
}

/// Plans a query and starts it.
///
/// Planning walks the text's tree by recursion, so it has a thread with a stack of its own.
async fn start(context: SessionContext, sql: String) -> Result<SendableRecordBatchStream> {
    let runtime = tokio::runtime::Handle::current();
    let (done, planned) = tokio::sync::oneshot::channel();
    let plan = move || {
        let stream = runtime.block_on(async {
            let data = context.sql(&sql).await?;
            data.execute_stream().await
        });
        // Nobody waits any more if the query was cancelled.
        let _ = done.send(stream);
    };
    let thread = std::thread::Builder::new().stack_size(crate::session::STACK);
    thread.spawn(plan).map_err(|e| Error::Local(format!("no thread to plan on: {e}")))?;
    let stopped = |_| Error::Local("the planner stopped".to_owned());
    planned.await.map_err(stopped)?.map_err(failed)
}

/// The engine's failure, in words that hold no value.
#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: DataFusionError) -> Error {
    let kind = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => {
            "it needs more memory than the site allows; group by fewer cells, or raise the limit"
        }
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => "a file cannot be read",
        DataFusionError::ParquetError(_) => "a Parquet file cannot be read",
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_) => {
            // The text is the plan's, and public; no row has been read.
            return Error::Local(error.strip_backtrace());
        }
        _ => "the engine stopped",
    };
    Error::Local(kind.to_owned())
}

/// From tuples of keys to cells.
struct Cells<'a> {
    keys: &'a [Key],
    at: Vec<HashMap<(u8, i128, String), usize>>,
}

impl<'a> Cells<'a> {
    fn new(keys: &'a [Key]) -> Self {
        let at = keys.iter().map(|key| {
            let values = key.domain.iter().enumerate();
            values.map(|(i, value)| (identity(value), i)).collect()
        });
        Self { keys, at: at.collect() }
    }

    /// The cell of each row of a batch.
    fn of(&mut self, batch: &RecordBatch) -> Result<Vec<usize>> {
        let mut cells = vec![0; batch.num_rows()];
        for (i, (key, at)) in self.keys.iter().zip(&self.at).enumerate() {
            let array = batch.column_by_name(&format!("k{i}"));
            let array = array.ok_or_else(|| Error::Malformed(format!("no column k{i}")))?;
            let values = types::values(array, key.r#type).map_err(failed)?;
            for (cell, value) in cells.iter_mut().zip(&values) {
                let index = at
                    .get(&identity(value))
                    .ok_or_else(|| Error::OutsideDomain { key: key.expression.clone() })?;
                *cell = *cell * key.domain.len() + index;
            }
        }
        Ok(cells)
    }
}

/// Adds an array's values (integers, or decimals unscaled) to a column at `at`.
fn fill(column: &mut [i64], at: &[usize], array: &ArrayRef) -> Result<()> {
    let too_large = || Error::Local("a sum is larger than its bound".to_owned());
    let mut put = |row: usize, value: i64| {
        let cell = column.get_mut(at[row])?;
        *cell = cell.checked_add(value)?;
        Some(())
    };
    if let DataType::Decimal128(..) = array.data_type() {
        let values = array.as_primitive::<Decimal128Type>();
        for (row, value) in values.iter().enumerate() {
            let value = i64::try_from(value.unwrap_or(0)).map_err(|_| too_large())?;
            put(row, value).ok_or_else(too_large)?;
        }
        return Ok(());
    }
    let array = match array.data_type() {
        DataType::Int64 => Arc::clone(array),
        _ => cast(array, &DataType::Int64).map_err(|e| failed(e.into()))?,
    };
    for (row, value) in array.as_primitive::<Int64Type>().iter().enumerate() {
        put(row, value.unwrap_or(0)).ok_or_else(too_large)?;
    }
    Ok(())
}
