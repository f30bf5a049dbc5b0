//! The same question over the pooled rows, in the clear, with the rules of release written
//! plainly: what the joint answer must equal, value for value and status for status.

use std::{collections::BTreeMap, path::Path};

use tacit_governance::Study;
use tacit_plan::Plan;
use tacit_sql::{Options, ResultTable, Source, Tables, release, run_local};

use crate::{
    error::{Exit, Failure, Result},
    runtime,
};

/// The rows of all hospitals in one place, as only a demo has them.
pub struct Pooled {
    tables: Tables,
}

impl Pooled {
    /// Opens the whole file; what does not fit into memory goes to `cache`.
    pub fn open(study: &Study, table: &str, file: &Path, cache: &Path) -> Result<Self> {
        let sources = BTreeMap::from([(table.to_owned(), Source::new(file))]);
        let rows = study.rows_at_most().saturating_mul(study.sites().count() as u64);
        let tables = {
            let options = Options { cache: Some(cache.to_owned()), ..Options::default() };
            let opened = Tables::open_with(study.dictionary(), &sources, rows, &options);
            runtime::block_on(opened)??
        };
        Ok(Self { tables })
    }

    /// The answer to a plan.
    pub fn answer(&self, plan: &Plan) -> Result<ResultTable> {
        runtime::block_on(async {
            let columns = run_local(&self.tables, plan).await?;
            Ok(release(plan, &plan.open_pooled(&columns)).await?)
        })?
    }
}

/// Compares two answers; says in words what they agree on.
pub fn compare(joint: &ResultTable, pooled: &ResultTable) -> Result<String> {
    let differs = |what: String| Err(Failure::new(Exit::Differs, "differs", what));
    if joint.columns != pooled.columns || joint.rows.len() != pooled.rows.len() {
        return differs(format!(
            "the joint answer has {} rows, the pooled one {}",
            joint.rows.len(),
            pooled.rows.len()
        ));
    }
    let rows = joint.rows.iter().zip(&pooled.rows);
    let unequal = rows.clone().filter(|(joint, pooled)| joint != pooled).count();
    if unequal > 0 {
        return differs(format!("{unequal} rows differ from the pooled answer"));
    }
    let values = joint.rows.len() * joint.columns.len();
    let hidden = joint.hidden();
    Ok(if hidden == 0 {
        format!("equal: all {values} values")
    } else {
        format!("equal: {} of {values} values; hidden by the rules: {hidden}", values - hidden)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn one_value_that_differs_is_noticed() {
        let joint = samples::table();
        assert!(compare(&joint, &joint).unwrap().contains("hidden by the rules: 2"));
        let mut pooled = samples::table();
        pooled.rows[2][1].value = tacit_plan::Value::Integer(13);
        assert_eq!(compare(&joint, &pooled).unwrap_err().exit(), Exit::Differs);
        pooled.rows.pop();
        assert!(compare(&joint, &pooled).is_err());
    }
}
