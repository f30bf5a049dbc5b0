//! What DataFusion's planner may look up: the dictionary's tables and DataFusion's functions.
//!
//! Functions that are refused are here as well, so that they are refused by name and not as
//! unknown. `AVG` is replaced by one that yields a float for decimals too, because the analyst's
//! side rounds a mean once, to a float; it is only ever planned, never run. The three functions
//! with which a plan's release reads opened numbers are not here: nobody may ask with them.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::{
    arrow::datatypes::DataType,
    common::{TableReference, config::ConfigOptions, not_impl_err, plan_err},
    error::Result,
    execution::SessionStateDefaults,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, HigherOrderUDF, ScalarUDF, Signature,
        TableSource, Volatility, WindowUDF,
        function::AccumulatorArgs,
        logical_plan::builder::LogicalTableSource,
        planner::{ContextProvider, ExprPlanner},
    },
};
use tacit_plan::Dictionary;

use crate::session_config;

pub(super) struct Catalog {
    tables: BTreeMap<String, Arc<dyn TableSource>>,
    scalar: BTreeMap<String, Arc<ScalarUDF>>,
    aggregate: BTreeMap<String, Arc<AggregateUDF>>,
    window: BTreeMap<String, Arc<WindowUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    options: Arc<ConfigOptions>,
}

fn by_name<T, A: AsRef<str>>(
    functions: Vec<Arc<T>>,
    name: impl Fn(&T) -> &str,
    aliases: impl Fn(&T) -> &[A],
) -> BTreeMap<String, Arc<T>> {
    let mut map = BTreeMap::new();
    for function in functions {
        for alias in aliases(&function) {
            map.insert(alias.as_ref().to_owned(), Arc::clone(&function));
        }
        map.insert(name(&function).to_owned(), function);
    }
    map
}

impl Catalog {
    pub(super) fn new(dictionary: &Dictionary) -> Self {
        let source = |table| -> Arc<dyn TableSource> {
            Arc::new(LogicalTableSource::new(crate::types::schema(table)))
        };
        let tables = dictionary.tables.iter();
        let mut aggregate = by_name(
            SessionStateDefaults::default_aggregate_functions(),
            |f| f.name(),
            |f| f.aliases(),
        );
        let mean = Arc::new(AggregateUDF::new_from_impl(Mean::new()));
        aggregate.insert("avg".into(), Arc::clone(&mean));
        aggregate.insert("mean".into(), mean);
        Self {
            tables: tables.map(|(name, t)| (name.clone(), source(t))).collect(),
            scalar: by_name(
                SessionStateDefaults::default_scalar_functions(),
                |f| f.name(),
                |f| f.aliases(),
            ),
            aggregate,
            window: by_name(
                SessionStateDefaults::default_window_functions(),
                |f| f.name(),
                |f| f.aliases(),
            ),
            planners: SessionStateDefaults::default_expr_planners(),
            options: Arc::new(session_config().options().as_ref().clone()),
        }
    }

    /// A scalar function by name.
    pub(super) fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar.get(name).cloned()
    }
}

impl ContextProvider for Catalog {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        match self.tables.get(name.table()) {
            Some(table) if name.schema().is_none() => Ok(Arc::clone(table)),
            _ => plan_err!("table '{name}' not found"),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.window.get(name).cloned()
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.scalar.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.aggregate.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.window.keys().cloned().collect()
    }
}

/// `AVG`, a float whatever it averages.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Mean {
    signature: Signature,
}

impl Mean {
    fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Mean {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [t] if t.is_numeric() || t.is_null() => Ok(arguments.to_vec()),
            [t] => plan_err!("AVG of {t}: it averages numbers"),
            _ => plan_err!("AVG takes one argument"),
        }
    }

    fn accumulator(&self, _arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("a mean is made of a sum and a count")
    }
}
