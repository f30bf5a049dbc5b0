//! [`Book`]: the receipts, and the daily quota that is counted from them.
//!
//! A query that still runs has no receipt yet, so the book keeps those in mind beside the ones on
//! disk. Both are looked at under one lock: two questions at the same moment cannot share the last
//! place of the day.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tacit_governance::{Receipts, Record, Result, Timestamp};
use tacit_plan::Digest;

/// The receipts, and the queries that still run.
pub(crate) struct Book(Mutex<Inside>);

struct Inside {
    #[cfg(feature = "fhe")]
    path: std::path::PathBuf,
    receipts: Receipts,
    /// With whether it counts by its receipt already.
    running: HashMap<Asked, bool>,
}

/// One query of an analyst. Within a study a name stands for one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub study: Digest,
    pub analyst: String,
    pub session: [u8; 32],
}

/// A query that runs. However it ends, even by a panic, it runs no more when this is dropped.
pub(crate) struct Held<'a> {
    book: &'a Book,
    asked: Asked,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.book.inside().running.remove(&self.asked);
    }
}

impl Held<'_> {
    /// Appends a record of this query, synced to disk; returns the hash of its line. From now on
    /// the query counts by its receipt.
    ///
    /// # Errors
    /// If it is not on disk: then nothing may be released.
    pub fn append(&self, record: &Record) -> Result<Digest> {
        let mut inside = self.book.inside();
        let hash = inside.receipts.append(record)?;
        inside.running.insert(self.asked.clone(), true);
        Ok(hash)
    }
}

impl Book {
    /// Opens the receipts and checks their chain.
    pub fn open(path: &Path) -> Result<Self> {
        let receipts = Receipts::open(path)?;
        if let Some(note) = receipts.note() {
            tracing::warn!("{note}");
        }
        Ok(Self(Mutex::new(Inside {
            #[cfg(feature = "fhe")]
            path: path.to_owned(),
            receipts,
            running: HashMap::new(),
        })))
    }

    /// The hash of the last receipt of a session that says that this phase was released, of those that
    /// `question` takes for the same question: an identifier may be used again. Reads all receipts: for a
    /// party that was stopped before it could note the hash.
    #[cfg(feature = "fhe")]
    pub fn released(
        &self,
        session: &[u8; 32],
        phase: &str,
        question: impl Fn(&Record) -> bool,
    ) -> Result<Option<Digest>> {
        let path = self.inside().path.clone();
        let session = Digest(*session).to_string();
        let mut found = None;
        tacit_governance::receipts::read(&path, &mut |entry| {
            let record = &entry.record;
            let same = record.session == session && record.phase.as_deref() == Some(phase);
            let released = record.outcome == tacit_governance::Outcome::Released;
            if same && released && question(record) {
                found = Some(entry.hash);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Takes one of the analyst's queries of the day in this study, if `per_day` has one left.
    ///
    /// # Errors
    /// Why not, for the analyst.
    pub fn debit(
        &self,
        asked: Asked,
        per_day: Option<u64>,
        now: Timestamp,
    ) -> Result<Held<'_>, String> {
        let mut inside = self.inside();
        if inside.running.contains_key(&asked) {
            return Err("this session is known already".to_owned());
        }
        let (study, analyst) = (asked.study, asked.analyst.as_str());
        let unwritten = inside.running.iter().filter(|(other, written)| {
            !**written && other.study == study && other.analyst == analyst
        });
        let used = inside.receipts.queries_on(study, analyst, now) + unwritten.count() as u64;
        if let Some(limit) = per_day.filter(|&limit| used >= limit) {
            return Err(format!("{analyst} has asked {used} of {limit} queries today (UTC)"));
        }
        inside.running.insert(asked.clone(), false);
        Ok(Held { book: self, asked })
    }

    /// Appends the record of a question that holds no place, synced to disk.
    ///
    /// # Errors
    /// If it is not on disk.
    pub fn append(&self, record: &Record) -> Result<Digest> {
        self.inside().receipts.append(record)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tacit_governance::Outcome;

    use super::*;

    fn asked(analyst: &str, session: u8) -> Asked {
        Asked { study: Digest([7; 32]), analyst: analyst.to_owned(), session: [session; 32] }
    }

    fn record(asked: &Asked, outcome: Outcome) -> Record {
        let mut record = Record::new(Timestamp::now(), &asked.session, &asked.analyst, outcome);
        record.study = asked.study;
        record
    }

    fn open() -> (tempfile::TempDir, Book) {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(&folder.path().join("receipts.jsonl")).unwrap();
        (folder, book)
    }

    #[test]
    fn a_query_counts_while_it_runs_and_once_when_it_is_done() {
        let (folder, book) = open();
        let now = Timestamp::now();
        let first = book.debit(asked("a", 1), Some(2), now).unwrap();
        let second = book.debit(asked("a", 2), Some(2), now).unwrap();
        assert!(book.debit(asked("a", 3), Some(2), now).is_err());
        assert!(book.debit(asked("a", 1), None, now).is_err());
        first.append(&record(&asked("a", 1), Outcome::Released)).unwrap();
        assert!(book.debit(asked("a", 3), Some(2), now).is_err());
        drop(first);
        let other = book.debit(asked("b", 3), Some(1), now).unwrap();
        let refused = Outcome::Refused { reason: "this session is known already".into() };
        book.append(&record(&asked("a", 2), refused)).unwrap();
        let again = book.debit(asked("a", 3), Some(2), now);
        assert!(again.is_err(), "a refusal gave back what a running query holds");
        drop((again, second, other));
        drop(book);
        let book = Book::open(&folder.path().join("receipts.jsonl")).unwrap();
        let _held = book.debit(asked("a", 4), Some(2), now).unwrap();
        assert!(book.debit(asked("a", 5), Some(2), now).is_err());
    }

    #[test]
    fn a_query_whose_thread_panics_gives_its_place_back() {
        let (_folder, book) = open();
        let now = Timestamp::now();
        let died = std::thread::scope(|scope| {
            let query = scope.spawn(|| {
                let _held = book.debit(asked("a", 1), Some(1), now).unwrap();
                panic!("in the middle of a query");
            });
            query.join().is_err()
        });
        assert!(died);
        book.debit(asked("a", 1), Some(1), now).unwrap();
    }

    #[test]
    fn every_study_counts_its_own_queries() {
        let (_folder, book) = open();
        let now = Timestamp::now();
        let held = book.debit(asked("a", 1), Some(1), now).unwrap();
        held.append(&record(&asked("a", 1), Outcome::Released)).unwrap();
        drop(held);
        let elsewhere = Asked { study: Digest([8; 32]), ..asked("a", 2) };
        assert!(book.debit(asked("a", 2), Some(1), now).is_err());
        book.debit(elsewhere, Some(1), now).unwrap();
    }
}
