//! How DataFusion is set up: the same for compiling, for the local part and for releasing, so that
//! a text means the same thing in all three.

use datafusion::{common::config::ConfigNonZeroUsize, prelude::SessionConfig};

use crate::{Error, Result};

/// Settings of every session: numeric literals are decimals, and the texts of plans, which bracket
/// every operation, may be nested deeper than typed ones.
pub fn session_config() -> SessionConfig {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.recursion_limit =
        ConfigNonZeroUsize::try_new(1000).expect("1000 is not zero");
    // The engine's own rewriting can make a column nullable that was not, which is harmless.
    options.execution.skip_physical_aggregate_schema_check = true;
    config
}

/// Stack of the threads that plan: trees are walked by recursion, to a bounded depth.
pub(crate) const STACK: usize = 256 << 20;

/// Runs `work` on a thread with a large stack, and waits for it.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let handle = thread.spawn_scoped(scope, work);
        let handle = handle.map_err(|e| Error::Local(format!("no thread to plan on: {e}")))?;
        let stopped = |_| Err(Error::Local("the planner stopped".to_owned()));
        handle.join().unwrap_or_else(stopped)
    })
}
