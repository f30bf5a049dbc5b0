//! [`Error`]: why a site cannot start or cannot go on serving.

/// Why a site cannot start or cannot go on serving. What goes wrong with one query is told to the
/// analyst and written to the receipts; it does not end the service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `site.toml`.
    #[error("{at}: {what}")]
    Config {
        /// The file.
        at: String,
        /// What is wrong.
        what: String,
    },
    /// The study, a signature, the key or the receipts.
    #[error(transparent)]
    Governance(#[from] tacit_governance::Error),
    /// The site's own tables.
    #[error(transparent)]
    Sql(#[from] tacit_sql::Error),
    /// The transport: a port in use, a name that does not resolve.
    #[error(transparent)]
    Net(#[from] tacit_net::Error),
    /// Durable state that cannot be read or written.
    #[error("{path}: {cause}")]
    State {
        /// The file.
        path: String,
        /// What the system said.
        cause: String,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A stable name of the kind of failure, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "config",
            Self::Governance(_) => "study",
            Self::Sql(_) => "data",
            Self::Net(_) => "network",
            Self::State { .. } => "state",
        }
    }
}
