//! What can go wrong.

use std::path::PathBuf;

use tacit_plan::suggest::did_you_mean;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Homomorphic evaluation failed.
    #[cfg(feature = "fhe")]
    #[error(transparent)]
    Homomorphic(#[from] tacit_he::Error),
    /// A name that is not known.
    #[error("there is no {what} {name:?}{}; there are {known}", did_you_mean(name, known.split(", ")))]
    Unknown {
        /// Of what it is a name.
        what: &'static str,
        /// The name.
        name: String,
        /// All names that are known.
        known: String,
    },
    /// Two measurements whose records would have one file.
    #[error(
        "two of the measurements would have the same record, {name}: a task, an engine, a link or \
         a number of rows is named twice, or two circuits have one name (rename a file)"
    )]
    Twice {
        /// Name of the record.
        name: String,
    },
    /// A number of rows that cannot be.
    #[error("{n} rows: {what} takes 1 to {most}")]
    Size {
        /// The rows asked for.
        n: usize,
        /// The task.
        what: String,
        /// The most that it takes.
        most: usize,
    },
    /// A number of compute parties that cannot be.
    #[error("{parties} compute parties: a measurement takes 1 to 64")]
    Parties {
        /// The parties asked for.
        parties: usize,
    },
    /// A run that would not fit the memory, by its bill.
    #[error(
        "{name} would take {needed_mb} MB for all parties together, and {available_mb} MB are \
         available; take fewer rows (--n)"
    )]
    Memory {
        /// Name of the record.
        name: String,
        /// Megabytes billed, inputs included.
        needed_mb: u64,
        /// Megabytes that the system has to spare.
        available_mb: u64,
    },
    /// A run opened something else than plain Rust computes.
    #[error("{name} opened a wrong value: this is a fault of the engine, not a figure")]
    Wrong {
        /// Name of the record.
        name: String,
    },
    /// The ledger of a run is not its bill.
    #[error("{name} sent other than it was billed: this is a fault of the engine, not a figure")]
    Ledger {
        /// Name of the record.
        name: String,
    },
    /// Parties that are about to measure different things.
    #[error("{what} differs: {mine:?} here, {theirs:?} at {peer}")]
    Differs {
        /// What differs.
        what: String,
        /// This side's.
        mine: String,
        /// Name of the other party.
        peer: String,
        /// The other side's.
        theirs: String,
    },
    /// The engine cannot run it, or a run failed.
    #[error(transparent)]
    Engine(#[from] tacit_mpc::Error),
    /// The network of this machine.
    #[error(transparent)]
    Net(#[from] tacit_net::Error),
    /// A file that cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A file that is no record of this schema.
    #[error("{}: {cause}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Records that cannot be compared, or none.
    #[error("{0}")]
    Compare(String),
}
