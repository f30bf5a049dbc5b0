//! What a caller may watch while a query runs, and how it calls one off.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tacit_mpc::EngineKind;

/// What has just happened to a query. Counts and times only, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The analyst's side compiled the query and turns to the parties.
    Asking {
        /// The engine that will run.
        engine: EngineKind,
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
    /// The shares are in; the result is put together.
    Releasing,
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
