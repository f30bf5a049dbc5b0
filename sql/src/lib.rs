//! SQL to plan, and the part of a query that a site runs on its own rows.
//!
//! [`compile`] turns the text of a question into a [`Plan`], from public things alone: the study's
//! dictionary and its rules of release. It is a pure function, so every party compiles the text
//! itself and arrives at the same digest, or stops. [`run_local`] runs the plan's own SQL on a
//! site's [`Tables`] and yields the columns that the site enters into the computation.
//! [`release`] makes the table that the analyst sees out of what was opened.
//!
//! DataFusion parses, resolves and coerces the text, and runs the local part. Everything between,
//! i.e. what may be asked and which counts must be looked at, is in `compile`.

mod compile;
mod error;
mod exact;
mod local;
mod names;
mod pooled;
mod release;
mod result;
mod session;
mod source;
pub mod testing;
mod types;

use tacit_plan::{Dictionary, Digest, Disclosure, Plan};

pub use compile::compile;
pub use error::{Error, Place, Refusal, Result};
pub use local::run_local;
pub use names::columns_of;
pub use pooled::{Comparison, compare, plain, pool, pooled};
pub use release::release;
pub use result::{ResultColumn, ResultTable, ResultValue, ValueStatus};
pub use session::session_config;
pub use source::{
    CheckReport, Format, Inferred, Misfit, Options, Part, Source, SourceError, Split, Tables,
    check, infer, split,
};

/// What a query is compiled against: all public.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Digest of the study's bytes.
    pub study: Digest,
    /// The tables.
    pub dictionary: &'a Dictionary,
    /// The rules of release.
    pub disclosure: &'a Disclosure,
    /// The most rows that a table has at one site.
    pub rows_at_most: u64,
    /// Number of sites that hold data.
    pub sites: usize,
    /// The most cells of a result, [`MAX_CELLS`] unless a study says otherwise.
    pub max_cells: usize,
    /// The most values over which a key is evaluated, [`MAX_DOMAIN`] likewise.
    pub max_domain: usize,
}

/// Default of [`Context::max_cells`].
pub const MAX_CELLS: usize = 100_000;

/// Default of [`Context::max_domain`].
pub const MAX_DOMAIN: usize = 10_000_000;

/// What a text asks for.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one is made for each question")]
pub enum Statement {
    /// `SHOW TABLES`: answered from the dictionary.
    ShowTables,
    /// `DESCRIBE t`: answered from the dictionary; the table's name as it is there.
    Describe(String),
    /// A question over all sites.
    Query(Plan),
}
