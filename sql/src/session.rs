//! How DataFusion is set up: the same for compiling, for the local part and for releasing, so that
//! a text means the same thing in all three.

use datafusion::{common::config::ConfigNonZeroUsize, prelude::SessionConfig};

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
