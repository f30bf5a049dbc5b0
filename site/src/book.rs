//! [`Book`]: the receipts, and the daily quota that is counted from them.
//!
//! A query that still runs has no receipt yet, so the book keeps those in mind beside the ones on
//! disk. Both are looked at under one lock: two questions at the same moment cannot share the last
//! place of the day.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tacit_governance::{Outcome, Receipts, Record, Result, Timestamp};
use tacit_plan::Digest;

/// The receipts, and the queries that still run.
pub(crate) struct Book(Mutex<Inside>);

struct Inside {
    receipts: Receipts,
    /// Analyst and session.
    running: HashSet<(String, [u8; 32])>,
}

impl Book {
    /// Opens the receipts and checks their chain.
    pub fn open(path: &Path) -> Result<Self> {
        let receipts = Receipts::open(path)?;
        if let Some(note) = receipts.note() {
            tracing::warn!("{note}");
        }
        Ok(Self(Mutex::new(Inside { receipts, running: HashSet::new() })))
    }

    /// Takes one of the analyst's queries of the day, if `per_day` has one left.
    ///
    /// # Errors
    /// Why not, for the analyst.
    pub fn debit(
        &self,
        analyst: &str,
        session: [u8; 32],
        per_day: Option<u64>,
        now: Timestamp,
    ) -> Result<(), String> {
        let mut inside = self.inside();
        if !inside.running.insert((analyst.to_owned(), session)) {
            return Err("this session is known already".to_owned());
        }
        let running = inside.running.iter().filter(|(name, _)| name == analyst).count() as u64;
        let used = inside.receipts.queries_on(analyst, now) + running - 1;
        match per_day {
            Some(limit) if used >= limit => {
                inside.running.remove(&(analyst.to_owned(), session));
                Err(format!("{analyst} has asked {used} of {limit} queries today (UTC)"))
            }
            _ => Ok(()),
        }
    }

    /// Appends a record, synced to disk; returns the hash of its line. From now on the query counts
    /// by its receipt.
    ///
    /// # Errors
    /// If it is not on disk: then nothing may be released.
    pub fn append(&self, record: &Record, session: [u8; 32]) -> Result<Digest> {
        let mut inside = self.inside();
        let hash = inside.receipts.append(record)?;
        // A refused question never held a place; another one of this session may.
        if !matches!(record.outcome, Outcome::Refused { .. }) {
            inside.running.remove(&(record.analyst.clone(), session));
        }
        Ok(hash)
    }

    /// Forgets a query that ended without a receipt.
    pub fn forget(&self, analyst: &str, session: [u8; 32]) {
        self.inside().running.remove(&(analyst.to_owned(), session));
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_counts_while_it_runs_and_once_when_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl");
        let now = Timestamp::now();
        let book = Book::open(&path).unwrap();
        book.debit("a", [1; 32], Some(2), now).unwrap();
        book.debit("a", [2; 32], Some(2), now).unwrap();
        assert!(book.debit("a", [3; 32], Some(2), now).is_err());
        assert!(book.debit("a", [1; 32], None, now).is_err());
        let record = Record::new(now, &[1; 32], "a", Outcome::Released);
        book.append(&record, [1; 32]).unwrap();
        assert!(book.debit("a", [3; 32], Some(2), now).is_err());
        book.debit("b", [3; 32], Some(1), now).unwrap();
        let refused = Outcome::Refused { reason: "this session is known already".into() };
        book.append(&Record::new(now, &[2; 32], "a", refused), [2; 32]).unwrap();
        let again = book.debit("a", [3; 32], Some(2), now);
        assert!(again.is_err(), "a refusal gave back what a running query holds");
        drop(book);
        let book = Book::open(&path).unwrap();
        book.debit("a", [4; 32], Some(2), now).unwrap();
        assert!(book.debit("a", [5; 32], Some(2), now).is_err());
    }
}
