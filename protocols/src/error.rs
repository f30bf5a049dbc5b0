/// What can be wrong with a plan, with what a holder enters, or with what was opened.
///
/// No message carries a value.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plan that contradicts itself or cannot be computed.
    #[error("plan: {0}")]
    Plan(String),
    /// Parties that do not fit.
    #[error("parties: {0}")]
    Parties(String),
    /// A data holder's own columns do not fit the plan.
    #[error("input {input} ({name}): {what}")]
    Input {
        /// Index in the plan's inputs.
        input: usize,
        /// Its expression.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// The number of columns is not the plan's number of inputs.
    #[error("{found} input columns, the plan has {expected}")]
    Columns {
        /// Columns given.
        found: usize,
        /// Inputs of the plan.
        expected: usize,
    },
    /// What was opened is not what the plan lists.
    #[error("opened {name}: {what}")]
    Opened {
        /// Name of the opening.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// The circuit.
    #[error(transparent)]
    Mpc(#[from] tacit_mpc::Error),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
