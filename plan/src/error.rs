/// What can be wrong with a dictionary or a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a SHA-256 digest.
    #[error("{0:?} is no digest of 64 hexadecimal digits")]
    Digest(String),
    /// A dictionary that contradicts itself: where and what.
    #[error("{at}: {what}")]
    Dictionary {
        /// `table.column`.
        at: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// A profile that is not known, or rules that contradict each other or are not built yet.
    #[error("disclosure: {0}")]
    Disclosure(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
