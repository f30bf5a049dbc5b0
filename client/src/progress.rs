//! What a caller may watch while a query runs, and how it calls one off.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::Backend;

/// What has just happened to a query. Counts and times only, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The analyst's side compiled the query and turns to the parties.
    Asking {
        /// The engine that will run.
        engine: Backend,
        /// The parties that are asked, in session order.
        parties: Vec<String>,
    },
    /// A party compiled the query itself, ran its local part and is ready.
    Accepted {
        /// Its name.
        party: String,
        /// How many have accepted so far.
        ready: usize,
        /// How many there are.
        parties: usize,
    },
    /// The lead runs as many queries as it may; this one waits.
    Queued {
        /// Queries ahead of this one.
        ahead: u64,
    },
    /// The joint computation goes on.
    Round {
        /// Network rounds of the slowest party so far.
        round: u64,
        /// Rounds that the bill states.
        rounds: u64,
        /// Payload bytes that all parties have sent so far, as far as they are billed by round.
        bytes: u64,
        /// Payload bytes that the bill states.
        total: u64,
    },
    /// On `fhe`: a party gave what it had to make.
    Made {
        /// The party.
        party: String,
        /// What it made: `upload`, `result` or `part`.
        what: String,
        /// How many of these there are now, of all parties.
        ready: usize,
        /// How many there have to be.
        due: usize,
    },
    /// On `fhe`: a party evaluates, or evaluates again what another one did.
    Evaluating {
        /// The party.
        party: String,
        /// Whether it is a key holder that evaluates again.
        again: bool,
        /// Steps done.
        done: u64,
        /// Steps in all.
        total: u64,
    },
    /// On `fhe`: whom the question waits for, and why; told whenever it changes.
    Waiting {
        /// The parties; empty when it goes on.
        parties: Vec<Awaited>,
    },
    /// The shares are in; the result is put together.
    Releasing,
}

/// A party that a question on `fhe` waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// Its name.
    pub party: String,
    /// What it has to do next, such as `to encrypt its part`.
    pub what: String,
    /// Why it does not, to be read after its name.
    pub why: String,
}

impl std::fmt::Display for Awaited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({} {})", self.party, self.what, self.party, self.why)
    }
}

/// A switch that calls a query off, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A switch that is not yet thrown.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls the query off. Safe to call twice, and from a signal handler's thread.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was called off.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
