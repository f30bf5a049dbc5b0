//! Threshold homomorphic encryption of aggregates: a second back end for the circuits of [`tacit_mpc`].
//!
//! Sites encrypt their aggregates under a joint key; one machine adds and compares them encrypted; all
//! key holders together, and no fewer, decrypt what the plan lists. Sites need not be there at the same
//! time: phases may lie days apart. The answer equals that of the clear interpreter bit for bit.
//!
//! ```text
//! Dealer ── PublicKeys ──> everybody          KeyShare ──> each key holder, sealed
//! site      encrypt ── upload with proofs ──> evaluator and key holders: accept
//! evaluator evaluate(Program) ── Summary, or Squashed if it is trusted ──> key holders, receiver
//! holder    evaluate again, Guard::decrypt ── Partial ──> receiver: combine, decode
//! ```
//!
//! - [`keys`]: n-of-n sharing of the decryption key, and where keys come from.
//! - [`encrypt`], [`accept`]: compact lists with proofs of encryption, bound to study, plan, session and
//!   site.
//! - [`Program`]: a circuit read row by row with its macros kept whole; [`bill()`] counts it.
//! - [`evaluate()`]: the same to the bit on any number of cores.
//! - [`Guard`]: decrypts what was approved, once, and keeps what it did in a [`Memory`].
//! - [`flooding`]: the arithmetic of noise, correctness and privacy of decryption.
//!
//! No sockets, no files but `/proc/meminfo`, no clock but in [`Calibration`].
//!
//! # Security
//! Secure against any number of curious sites, and up to n - 1 key holders together with the receiver
//! and the evaluator, as long as TFHE with these parameters and the proofs are, and the dealer is
//! honest. With [`Verify::Reevaluate`] an evaluator that deviates is noticed by every honest key
//! holder before it decrypts. A key holder that deviates can alter the result unnoticed; one that errs
//! by accident is noticed by [`combine`].
//!
//! # Licence of a dependency
//! `tfhe` is BSD-3-Clause-Clear, which grants no patent rights: commercial use needs a licence of its
//! makers' patents.

mod bill;
mod compute;
mod decrypt;
mod digits;
mod error;
mod evaluate;
pub mod flooding;
mod guard;
mod input;
pub mod keys;
mod parameters;
mod program;
mod squash;
mod summary;
#[doc(hidden)]
pub mod testing;
mod wire;

pub use bill::{Bill, Blocks, Calibration, bill};
pub use decrypt::{PARTIAL_BYTES, Partial, combine};
pub use error::{Error, Result};
pub use evaluate::{evaluate, statement, statement_of};
pub use guard::{Decryption, Forgetful, Guard, Memory, Verify, plan_digest};
pub use input::{Accepted, Field, Session, accept, encrypt, fields, limit, proofs};
pub use keys::{EncryptionKeys, EvaluationKeys, KeyShare, PublicKeys};
pub use parameters::{BLOCK_BITS, PARAMETERS, arithmetic, fix_transform};
pub use program::Program;
pub use squash::{SQUASHED_BYTES, Squashed};
pub use summary::{BODY_BYTES, Summary};

/// The first bytes of a digest for people.
pub(crate) fn hex(digest: &[u8]) -> String {
    let first: [u8; 8] = std::array::from_fn(|i| digest.get(i).copied().unwrap_or(0));
    format!("{:016x}", u64::from_be_bytes(first))
}
