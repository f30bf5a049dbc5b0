//! Phases of a query on `fhe`: what an analyst's program and one party say to each other.
//!
//! The phases may lie days apart, and no two parties need be there at the same time. The analyst's
//! program is the courier: it carries **parcels** between the parties. A parcel is signed by whoever made
//! it and bound to study, plan, keys and session, so that the courier can hold one back but neither
//! alter nor replace one.
//!
//! ```text
//! every site    Ask, then Enter                       -> a parcel, Kind::Upload
//! evaluator     Ask, then Give each upload, Evaluate  -> a parcel, Kind::Result
//! key holder    Ask, then Give each upload and the result, Decrypt  -> a parcel, Kind::Part
//! ```
//!
//! `Ask` with the identifier of a session that the party knows goes on with it: the party answers
//! `Accepted` and then [`Word::State`], which says what it has. Asked again for what it has made, it
//! gives the very same bytes. A conversation that ends leaves the session as it is; `Cancel` ends it.

use serde::{Deserialize, Serialize};
use tacit_plan::Digest;

use crate::{Error, KeyPair, PublicKey, Result, session::Agreement};

/// Most bytes of one chunk of a parcel.
pub const CHUNK: usize = 192 << 10;

/// What an analyst's program asks a party that has accepted a query on `fhe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Encrypt this site's part, once, and give it.
    Enter,
    /// Here is what another party made; its bytes follow in chunks. Answered by [`Word::Taken`].
    Give(Parcel),
    /// The next at most [`CHUNK`] bytes of what is given.
    Chunk(Vec<u8>),
    /// Evaluate what was given.
    Evaluate,
    /// Check the result that was given, and decrypt this holder's part of it.
    Decrypt,
}

/// What a party answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Word {
    /// How far it is with this session.
    State(State),
    /// What it made; the bytes follow in chunks.
    Made {
        /// What it is.
        parcel: Parcel,
        /// Hash of the receipt that it wrote before.
        receipt: Digest,
        /// Seconds that it took to make.
        seconds: f64,
    },
    /// The next at most [`CHUNK`] bytes of what was made.
    Chunk(Vec<u8>),
    /// It has checked and stored what was given.
    Taken,
}

/// How far a party is with a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Digest of what its transforms make of fixed input; only parties whose digests are equal can
    /// compare evaluations.
    pub arithmetic: [u8; 32],
    /// Session indices of the sites whose uploads it was given, or made itself.
    pub uploads: Vec<u32>,
    /// Whether it has the result of the evaluation.
    pub result: bool,
    /// Whether it has decrypted its part.
    pub part: bool,
}

/// What a parcel holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A site's encrypted columns, with proofs.
    Upload,
    /// What the evaluator made of them.
    Result,
    /// A key holder's partial decryption.
    Part,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Upload => "upload",
            Self::Result => "result",
            Self::Part => "part",
        })
    }
}

/// What a parcel belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Digest of the study.
    pub study: Digest,
    /// Digest of the public keys.
    pub keys: Digest,
    /// [`Agreement::question`]: plan, circuit, parties and who asks.
    pub question: Digest,
    /// The session.
    pub session: [u8; 32],
}

impl Scope {
    /// What the parcels of a question belong to.
    pub fn of(agreement: &Agreement) -> Self {
        let Agreement { study, keys, session, .. } = *agreement;
        Self { study, keys, question: agreement.question(), session }
    }
}

/// What is carried: who made it, its length and digest, signed. The bytes travel beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// What it holds.
    pub kind: Kind,
    /// Session index of its maker.
    pub from: u32,
    /// Number of bytes.
    pub length: u64,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Its maker's signature, 64 bytes.
    pub signature: Vec<u8>,
}

impl Parcel {
    /// Signs `bytes` as the work of the party with session index `from`.
    pub fn sign(key: &KeyPair, scope: &Scope, kind: Kind, from: usize, bytes: &[u8]) -> Self {
        let mut parcel = Self {
            kind,
            from: from as u32,
            length: bytes.len() as u64,
            digest: Digest::of_bytes(bytes),
            signature: Vec::new(),
        };
        parcel.signature = key.sign(&parcel.message(scope)).to_vec();
        parcel
    }

    /// Checks that the holder of `maker` signed this for `scope`. To be called before any byte is
    /// taken.
    ///
    /// # Errors
    /// [`Error::Message`].
    pub fn check(&self, maker: &PublicKey, scope: &Scope) -> Result<()> {
        let signature = self.signature.as_slice().try_into();
        let wrong = || Error::Message(format!("the signature of the {} does not hold", self.kind));
        let signature: [u8; 64] = signature.map_err(|_| wrong())?;
        let holds = maker.verifies(&self.message(scope), &signature);
        if holds { Ok(()) } else { Err(wrong()) }
    }

    /// Checks that these are its bytes.
    ///
    /// # Errors
    /// [`Error::Message`].
    pub fn holds(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 != self.length || Digest::of_bytes(bytes) != self.digest {
            return Err(Error::Message(format!("the bytes of the {} are not its own", self.kind)));
        }
        Ok(())
    }

    fn message(&self, scope: &Scope) -> Vec<u8> {
        let mut message = b"tacit parcel 1\0".to_vec();
        message.push(self.kind as u8);
        message.extend_from_slice(&self.from.to_le_bytes());
        message.extend_from_slice(&self.length.to_le_bytes());
        for digest in [&self.digest, &scope.study, &scope.keys, &scope.question] {
            message.extend_from_slice(&digest.0);
        }
        message.extend_from_slice(&scope.session);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let digest = |byte| Digest([byte; 32]);
        Scope { study: digest(1), keys: digest(2), question: digest(3), session: [4; 32] }
    }

    #[test]
    fn a_parcel_holds_for_its_maker_scope_and_bytes_alone() {
        let (maker, other) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let parcel = Parcel::sign(&maker, &scope(), Kind::Upload, 2, b"bytes");
        assert!(parcel.check(&maker.public(), &scope()).is_ok());
        assert!(parcel.holds(b"bytes").is_ok());
        assert!(parcel.holds(b"bytez").is_err() && parcel.holds(b"byte").is_err());
        assert!(parcel.check(&other.public(), &scope()).is_err());
        let elsewhere = [
            Scope { study: Digest([9; 32]), ..scope() },
            Scope { keys: Digest([9; 32]), ..scope() },
            Scope { question: Digest([9; 32]), ..scope() },
            Scope { session: [9; 32], ..scope() },
        ];
        for scope in elsewhere {
            assert!(parcel.check(&maker.public(), &scope).is_err(), "{scope:?}");
        }
        let altered = [
            Parcel { kind: Kind::Part, ..parcel.clone() },
            Parcel { from: 1, ..parcel.clone() },
            Parcel { length: 6, ..parcel.clone() },
            Parcel { digest: Digest([9; 32]), ..parcel.clone() },
            Parcel { signature: vec![0; 64], ..parcel.clone() },
            Parcel { signature: vec![], ..parcel.clone() },
        ];
        for parcel in altered {
            assert!(parcel.check(&maker.public(), &scope()).is_err(), "{parcel:?}");
        }
    }
}
