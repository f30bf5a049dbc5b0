//! What can go wrong, kept apart by whose mistake it is.

/// Errors of this crate. None carries a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the caller gave does not fit.
    #[error("input: {0}")]
    Input(String),
    /// Two parties differ in set-up: study, keys, plan or arithmetic.
    #[error("set-up: {0}")]
    Setup(String),
    /// An instruction that the evaluator lacks.
    #[error(
        "instruction {at}: the evaluator has no {what}; the engines of multi-party computation may"
    )]
    Unsupported {
        /// Index of the instruction.
        at: usize,
        /// What it lacks.
        what: String,
    },
    /// What another party sent was refused.
    #[error("refused from {party}: {what}")]
    Rejected {
        /// Who sent it.
        party: String,
        /// Why it was refused.
        what: String,
    },
    /// A decryption that is not approved, or not for the first time.
    #[error("decryption refused: {0}")]
    Refused(String),
    /// What was decrypted cannot be looked up or kept.
    #[error("memory of decryptions: {0}")]
    Store(String),
    /// The parts do not add up to a ciphertext's message: one of them is wrong.
    #[error(
        "ciphertext {at} of {of}: the parts of the key holders add up to no message, so at least one \
         part is wrong (a damaged file, or another key's share); nothing of the result can be believed"
    )]
    Inconsistent {
        /// Index of the first ciphertext that tells.
        at: usize,
        /// Number of ciphertexts.
        of: usize,
    },
    /// Who watches said to stop.
    #[error("the evaluation was stopped")]
    Stopped,
    /// A share of the key cannot be had from what was stored.
    #[error("key share: {0}")]
    Key(String),
    /// There is not enough memory for the keys.
    #[error("the keys take {needed} MB of memory, {available} MB are free")]
    Memory {
        /// Needed, in MB.
        needed: u64,
        /// Free, in MB.
        available: u64,
    },
    /// The system gave no randomness.
    #[error("no randomness from the system")]
    Randomness,
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn rejected(party: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Rejected { party: party.into(), what: what.into() }
    }
}
