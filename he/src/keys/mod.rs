//! Keys of one study: what everybody holds, and one share of the decryption key per key holder.
//!
//! A result is encrypted under a key `s` of 4096 bits in Z_2^128. It exists as n additive shares,
//! `s = s_1 + ... + s_n`, of which any n - 1 are uniformly random: all key holders together decrypt,
//! and fewer learn nothing. **A share that is lost ends what was encrypted under these keys.**
//!
//! Where keys come from is a [`KeySource`]. Today that is a [`Dealer`]; generation by the sites
//! themselves will be another one, and whatever follows looks at [`PublicKeys`] and [`KeyShare`] only.

mod dealer;
mod public;
mod share;
mod vault;

use std::fmt;

#[cfg(test)]
pub(crate) use dealer::reference_string;
pub use dealer::{Dealer, Dealt};
pub use public::{EncryptionKeys, EvaluationKeys, PublicKeys, available_mb};
pub use share::KeyShare;
pub use vault::{SEALED_BYTES, ephemeral, open, seal};

use crate::{Error, Result};

/// Most key holders: room for errors in decryption is shared among them (see [`crate::flooding`]).
pub const MAX_HOLDERS: usize = 64;

/// What keys are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Digest of the study.
    pub study: [u8; 32],
    /// Number of key holders.
    pub holders: usize,
}

impl Scope {
    /// Keys for the study with this digest and so many key holders.
    ///
    /// # Errors
    /// [`Error::Input`] unless there are 2 to [`MAX_HOLDERS`] key holders.
    pub fn new(study: [u8; 32], holders: usize) -> Result<Self> {
        if !(2..=MAX_HOLDERS).contains(&holders) {
            return Err(Error::Input(format!("{holders} key holders; 2 to {MAX_HOLDERS} can be")));
        }
        Ok(Self { study, holders })
    }
}

/// Who made a set of keys, and the reference string of the proofs with it. Results say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A named party that made the keys and forgot them. It could decrypt everything, and forge
    /// proofs of encryption, if it did not.
    Dealer,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dealer => f.write_str("keys: trusted dealer, CRS: trusted dealer"),
        }
    }
}

/// Where the keys of a study come from.
///
/// # Security
/// What a source promises is the n-of-n sharing above; who has to be trusted for it is its
/// [`Origin`], which a study allows by name.
pub trait KeySource {
    /// Whom to trust.
    fn origin(&self) -> Origin;
    /// What all parties hold.
    fn public(&self) -> &PublicKeys;
    /// The share of key holder `holder` (from 0); each is handed out once.
    ///
    /// # Errors
    /// [`Error::Key`] if there is no such share or it was handed out before.
    fn share(&mut self, holder: usize) -> Result<KeyShare>;
}
