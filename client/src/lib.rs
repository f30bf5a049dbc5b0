//! What an analyst's program needs: compile a question, explain it, ask it, check what came back,
//! put the result together and release it by the rules of the study.
//!
//! ```no_run
//! # fn main() -> tacit_client::Result<()> {
//! use tacit_client::{Cancel, Client};
//!
//! let client = Client::open("study.toml".as_ref(), "analyst/key".as_ref())?;
//! let answer = client.ask(
//!     "SELECT sex, COUNT(*) AS n FROM encounters GROUP BY sex",
//!     None,
//!     &mut |progress| eprintln!("{progress:?}"),
//!     &Cancel::new(),
//! )?;
//! println!("{} rows", answer.table.rows.len());
//! # Ok(())
//! # }
//! ```
//!
//! Everything here blocks: call it from an ordinary thread. [`Client::explain`] and
//! [`Client::compile`] need neither a key nor any site ([`Client::open_study`]).

mod answer;
mod ask;
mod backend;
mod client;
mod doctor;
mod doctor_keys;
mod error;
mod explain;
mod explanation;
#[cfg(feature = "fhe")]
mod fhe;
mod prepared;
mod profile;
mod progress;
mod reach;
mod show;
mod talk;
mod verdict;

pub use answer::{Answer, Cost, PartyTraffic, PhaseReceipt, RunReceipt, Times};
pub use backend::Backend;
pub use client::{Client, DryParty, DryRun};
pub use doctor::Finding;
pub use error::{Error, Result, Side};
pub use explanation::{
    Encrypted, EncryptedPhase, EncryptedTime, EngineExplanation, Estimate, Explanation, Learns,
    Stats, Unpriced, Width,
};
#[cfg(feature = "fhe")]
pub use fhe::{GivenUp, OpenJob};
pub use profile::Profile;
pub use progress::{Awaited, Cancel, Progress};
