/// What can go wrong when a circuit is built, priced or run.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A circuit that contradicts itself.
    #[error("instruction {at}: {what}")]
    Circuit {
        /// Index of the instruction.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// Inputs that do not fit the circuit.
    #[error("input: {0}")]
    Input(String),
    /// An engine that cannot run this circuit among these parties.
    #[error("engine: {0}")]
    Engine(String),
    /// The network.
    #[error(transparent)]
    Net(#[from] tacit_net::Error),
    /// A party cheated; nothing is opened after this.
    #[error("party {culprit:?} cheated: {what}")]
    Abort {
        /// Session index, if it can be told.
        culprit: Option<usize>,
        /// Which check failed.
        what: String,
    },
    /// Rows in random order asked for more comparisons than a sort has; once in 2^40 runs.
    #[error(
        "the random order of a sort was too uneven for its comparisons; nothing was told: run it again"
    )]
    Unlucky,
    /// Comparisons that were opened do not belong to any order.
    #[error(
        "opened comparisons contradict each other: a party sent wrong shares, or keys are not distinct"
    )]
    Contradiction,
    /// Row numbers that were opened are not those of an order of the rows.
    #[error(
        "opened row numbers are no order of the rows: a party sent wrong shares, or they were none before"
    )]
    Disorder,
    /// The owner of the run refused to go on (a receipt could not be written, a cancellation).
    #[error("stopped: {0}")]
    Stopped(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
