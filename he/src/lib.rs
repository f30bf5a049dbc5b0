//! Threshold homomorphic encryption of aggregates.

mod bill;
mod compute;
mod decrypt;
mod error;
mod evaluate;
pub mod flooding;
mod guard;
mod input;
pub mod keys;
mod parameters;
mod program;
mod squash;
#[doc(hidden)]
pub mod testing;
mod wire;

pub use bill::{Bill, Blocks, Calibration, bill};
pub use decrypt::{PARTIAL_BYTES, Partial, combine, partial};
pub use error::{Error, Result};
pub use evaluate::{evaluate, statement};
pub use guard::{Guard, Permit, Verify};
pub use input::{Accepted, Field, Session, accept, encrypt, fields, limit};
pub use keys::{EncryptionKeys, EvaluationKeys, KeyShare, PublicKeys};
pub use parameters::{BLOCK_BITS, PARAMETERS, arithmetic, fix_transform};
pub use program::Program;
pub use squash::{SQUASHED_BYTES, Squashed};

/// The first bytes of a digest for people.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
