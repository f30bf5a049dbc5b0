//! The service that a party of a study runs: a site with its tables, or the dealer.
//!
//! # The life of a query
//!
//! Everything that two parties do for a query happens in two kinds of exchange, on one connection
//! for each pair: a **conversation** (the analyst's program and one party, small framed messages)
//! and a **session** (a link among all parties, whose frames are the protocol of the engine).
//!
//! 1. The analyst's program draws a session identifier and opens a conversation with every party:
//!    all sites in the order of the study, then the dealer if the engine needs one. It sends `Ask`:
//!    study digest, version, SQL text, engine.
//! 2. Every party decides **for itself**: is the key at the other end of the TLS connection an
//!    analyst's of this study, is the study valid today, do the local deny list, the limits of
//!    `site.toml` or the daily quota forbid it? It compiles the text itself, builds, lowers, prices and digests the circuit,
//!    and runs the local part on its own rows. Local parts are limited at each site, and nothing is
//!    held while another site is waited for. It answers `Accepted` with its `Agreement` (digests of
//!    study, plan and circuit, engine, version, parties, restart epoch), or `Refused` with a code.
//!    An analyst that says neither `Start` nor `Waiting` for a minute has given up.
//! 3. When all have accepted, the analyst's program compares the agreements with its own and sends
//!    `Start`, with the restart epochs of all, to the **lead**: the first compute site. The lead
//!    alone limits how many joint computations run, says `Queued` while this one waits, and
//!    `Progress` (joint, round 0) when it has a place; then the others get their `Start`. (Were
//!    there a queue at every site, two sites could each start the query that the other has queued,
//!    for ever.) A place is held by a query that the others do not join for a few seconds at most.
//! 4. The parties open their link, whose seeds are bound to the session and to all epochs, and
//!    greet each other with their agreements, which are not counted. A difference is
//!    `config_mismatch` with both values, before any share.
//! 5. The engine runs on the query's own thread. Before each network round a gate looks whether the
//!    analyst still wants it, and before the round in which output shares leave, the receipt is
//!    appended and synced to disk; a party that only enters shares, or deals, does so before its
//!    first round. If that fails nothing is released and everybody is told.
//! 6. `Done` carries this party's ledger and the hash of its receipt to the analyst, who compares
//!    ledgers with the bill and releases the table.
//!
//! A query that fails after it was accepted leaves a receipt as well; one that fails after its
//! receipt was written leaves two, and the second one says so. The daily quota counts sessions that
//! a party accepted, from the receipts on disk and those still running.
//!
//! A question on `fhe` has conversations alone, which may lie days apart: after `Accepted` the analyst's
//! program asks each party for its step, and carries what it makes to the others (feature `fhe`).
//!
//! A party that is lost in any phase is noticed by its peers' deadlines or its closed connection;
//! whoever notices first tells the others the first culprit, so that everybody names the same.

mod asker;
mod book;
mod config;
mod epoch;
mod error;
mod failure;
#[cfg(feature = "fhe")]
mod fhe;
mod guests;
mod joint;
mod limits;
mod places;
mod query;
mod record;
mod refuse;
mod served;
mod service;

pub use config::{Config, Refuse, Serving};
pub use error::{Error, Result};
pub use limits::Limits;
pub use service::{Ready, Serves, Site};
pub use tacit_sql::Source;

/// Stops a service; cloned freely, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Shutdown {
    /// A switch that is not yet thrown.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the service end: running queries are stopped and their peers told.
    pub fn stop(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Whether it was thrown.
    pub fn is_stopped(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Acquire)
    }
}
