//! What the parties of a study have agreed on, and the record of what they did.
//!
//! - A [`Study`] is a TOML document that every site signs ([`sign`], [`verify_all`]): parties with
//!   their pinned keys, tables, rules of release, engines, validity.
//! - [`KeyPair`] and [`PublicKey`] say who a party is.
//! - [`KeySet`] is what a study's dealer made for `fhe`, on disk.
//! - [`session`] holds the messages that parties exchange outside the circuit, and
//!   [`SessionParties`] who is on the link of one query.
//! - [`Receipts`] is a site's append-only record of what it took part in.

mod agree;
mod check;
mod document;
mod error;
mod files;
pub mod keys;
pub mod keyset;
mod keyset_draft;
mod meeting;
pub mod phases;
pub mod receipts;
mod record;
mod roster;
pub mod session;
mod signatures;
mod study;
mod write;

pub use document::{
    AdditiveTerms, DEFAULT_MAX_CELLS, DEFAULT_WAIT_DAYS, Document, EngineTerms, Engines, FheTerms,
    Party, Role, STUDY_VERSION, Transport, Verify,
};
pub use error::{Error, Result};
pub use jiff::Timestamp;
pub use keys::{KeyPair, PublicKey};
pub use keyset::{KEY_SET_VERSION, KeySet, KeySetFault, Listed};
pub use keyset_draft::Draft;
pub use meeting::mixed_epoch;
pub use receipts::Receipts;
pub use record::{Entry, Outcome, Record};
pub use roster::{SessionParties, SessionParty};
pub use signatures::{SignatureState, sign, signature_path, verify_all};
pub use study::{LARGEST_STUDY, Study};
