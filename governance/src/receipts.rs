//! [`Receipts`]: the append-only record of what a site took part in.
//!
//! One line of JSON for each query: `{"sequence":N,"previous":HASH,"record":{...}}`, where HASH is
//! the SHA-256 of the line before (zeros for the first). Anybody can check it with `sha256sum`. A
//! line that is changed, dropped, doubled or moved breaks the chain at the next one. What a chain
//! cannot show by itself is that its end was cut off or rewritten: for that, every analyst gets
//! the hash of the receipt with the result, and [`verify`] takes such hashes.
//!
//! A receipt is synced to disk before the output shares that it speaks of leave the site.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Seek, Write},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use tacit_plan::Digest;

use crate::{
    Error, Result, files,
    record::{Entry, Outcome, Record, day_of},
};

/// Longest line: a question, a bill and a ledger have room many times over.
const LARGEST_LINE: usize = 4 << 20;
/// Days whose queries are kept in mind for quotas.
const DAYS: usize = 3;

/// The receipts of a site, open for appending. One process holds them at a time.
pub struct Receipts {
    path: PathBuf,
    file: File,
    /// Bytes of whole, synced lines.
    length: u64,
    sequence: u64,
    last: Digest,
    /// Queries by day, study and analyst, and session.
    sessions: Sessions,
    note: Option<String>,
    broken: bool,
}

type Sessions = BTreeMap<Date, HashMap<(Digest, String), HashMap<String, Asked>>>;

/// What was asked under one session.
#[derive(Default)]
struct Asked {
    queries: u64,
    /// Whether the last receipt is of a release: the query may still fail.
    released: bool,
}

impl Receipts {
    /// Opens or creates the receipts and checks the whole chain.
    ///
    /// A last line without its end was being written when the machine or the process stopped; what
    /// it speaks of was never released. It is moved aside into a file of its own, and
    /// [`Receipts::note`] says so.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds them; [`Error::Receipts`] with the first bad
    /// line; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let (file, created) = open_or_create(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
        }
        if created {
            files::sync_folder(path)?;
        }
        let mut sessions = Sessions::new();
        let scan = scan(&file, path, &mut |entry| {
            remember(&mut sessions, &entry.record);
            Ok(())
        })?;
        let mut receipts = Self {
            path: path.to_owned(),
            file,
            length: scan.length,
            sequence: scan.count,
            last: scan.last,
            sessions,
            note: None,
            broken: false,
        };
        if !scan.torn.is_empty() {
            receipts.move_aside(&scan.torn)?;
        }
        Ok(receipts)
    }

    /// Appends a record and syncs it to disk; returns the hash of its line.
    ///
    /// # Errors
    /// [`Error::Io`] (disk full, read-only ...): then it is not recorded, and nothing may be
    /// released. After a failed sync nothing more is appended until the receipts are opened anew:
    /// what the disk holds is not known.
    pub fn append(&mut self, record: &Record) -> Result<Digest> {
        let io = |doing| Error::io(doing, &self.path);
        if self.broken {
            let error = io::Error::other("an earlier write failed; restart the site");
            return Err(io("write")(error));
        }
        self.still_there().map_err(io("write"))?;
        let mut line =
            serde_json::to_vec(&Line { sequence: self.sequence, previous: self.last, record })
                .map_err(|error| io("write")(io::Error::other(error)))?;
        if line.len() >= LARGEST_LINE {
            return Err(io("write")(io::Error::other("the record is too long")));
        }
        let hash = Digest::of_bytes(&line);
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // A part of the line may be there: take it back, or stop.
            self.broken = self.file.set_len(self.length).is_err()
                || self.file.seek(io::SeekFrom::Start(self.length)).is_err();
            return Err(io("write")(error));
        }
        if let Err(error) = self.file.sync_data() {
            self.broken = true;
            return Err(io("sync")(error));
        }
        self.length += line.len() as u64;
        self.sequence += 1;
        self.last = hash;
        remember(&mut self.sessions, record);
        Ok(hash)
    }

    /// Number of receipts.
    pub fn count(&self) -> u64 {
        self.sequence
    }

    /// Hash of the last line; zeros if there is none.
    pub fn last(&self) -> Digest {
        self.last
    }

    /// What was mended when they were opened.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Queries of an analyst of a study on the day (UTC) of `now`, from the receipts on disk. Within
    /// a study, whose digest it is, a name stands for one key. Each counts once, whether it was released, failed (before or after its release) or was cancelled; what
    /// the site refused does not count. A session that is used again is another query. Queries that
    /// still run have no receipt yet: the caller adds them. The last few days are kept.
    pub fn queries_on(&self, study: Digest, analyst: &str, now: Timestamp) -> u64 {
        self.sessions
            .get(&day_of(now))
            .and_then(|analysts| analysts.get(&(study, analyst.to_owned())))
            .map_or(0, |sessions| sessions.values().map(|asked| asked.queries).sum())
    }

    /// Refuses to write into a file that no longer lies where the receipts are looked for.
    fn still_there(&self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let ours = self.file.metadata()?;
            let gone = |what: &str| Err(io::Error::other(format!("{what}; restart the site")));
            let there = match std::fs::metadata(&self.path) {
                Ok(there) => there,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return gone("the file was deleted or moved away");
                }
                Err(error) => return Err(error),
            };
            if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
                return gone("another file was put in its place");
            }
        }
        Ok(())
    }

    /// Writes what was torn off into a new file beside the receipts; none is overwritten.
    fn keep_aside(&self, torn: &[u8]) -> Result<PathBuf> {
        for time in 0_u64.. {
            let mut name = self.path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".torn-{}", self.sequence));
            if time > 0 {
                name.push(format!("-{time}"));
            }
            let aside = self.path.with_file_name(name);
            match files::create(&aside, torn, 0o600) {
                Ok(()) => return Ok(aside),
                Err(Error::Exists(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::io("create", &self.path)(io::Error::other("no name is free beside it")))
    }

    fn move_aside(&mut self, torn: &[u8]) -> Result<()> {
        let aside = self.keep_aside(torn)?;
        let io = |doing| Error::io(doing, &self.path);
        self.file.set_len(self.length).map_err(io("write"))?;
        self.file.seek(io::SeekFrom::Start(self.length)).map_err(io("write"))?;
        self.file.sync_all().map_err(io("sync"))?;
        self.note = Some(format!(
            "the last line of {} was cut off in writing ({} bytes); it was moved to {}, and \
             what it speaks of was not released",
            self.path.display(),
            torn.len(),
            aside.display()
        ));
        Ok(())
    }
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Number of receipts.
    pub receipts: u64,
    /// Hash of the last line.
    pub last: Digest,
    /// Bytes of a last line without its end: a write that was cut off.
    pub torn: u64,
}

/// Checks the whole chain, and that every receipt in `given` (hashes that analysts got with their
/// results) is in it.
///
/// # Errors
/// [`Error::Receipts`] with the first bad line, or with the line after the last if a given hash is
/// nowhere: then the end was cut off or rewritten. [`Error::Io`].
pub fn verify(path: &Path, given: &[Digest]) -> Result<Report> {
    let mut wanted: HashSet<Digest> = given.iter().copied().collect();
    let file = File::open(path).map_err(Error::io("read", path))?;
    let scan = scan(&file, path, &mut |entry| {
        wanted.remove(&entry.hash);
        Ok(())
    })?;
    if let Some(missing) = wanted.iter().min() {
        return Err(Error::Receipts {
            path: path.to_owned(),
            line: scan.count + 1,
            what: format!(
                "the chain ends after {} receipts, and the receipt {missing}, which was given \
                 out, is not in it: the end was cut off or written anew",
                scan.count
            ),
        });
    }
    Ok(Report { receipts: scan.count, last: scan.last, torn: scan.torn.len() as u64 })
}

/// Hands every receipt to `each`, in order, checking the chain on the way.
///
/// # Errors
/// Those of [`verify`], and whatever `each` returns.
pub fn read(path: &Path, each: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    scan(&file, path, each).map(|_| ())
}

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    previous: Digest,
    record: &'a Record,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnedLine {
    sequence: u64,
    previous: Digest,
    record: Record,
}

struct Scan {
    count: u64,
    last: Digest,
    /// Bytes of whole lines.
    length: u64,
    /// What follows them.
    torn: Vec<u8>,
}

/// Reads the chain from its start; memory is one line.
fn scan(file: &File, path: &Path, each: &mut dyn FnMut(Entry) -> Result<()>) -> Result<Scan> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut scan = Scan { count: 0, last: Digest([0; 32]), length: 0, torn: Vec::new() };
    loop {
        let bad =
            |what: String| Error::Receipts { path: path.to_owned(), line: scan.count + 1, what };
        let mut line = Vec::new();
        io::Read::take(&mut reader, LARGEST_LINE as u64)
            .read_until(b'\n', &mut line)
            .map_err(Error::io("read", path))?;
        let read = line.len();
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            if read >= LARGEST_LINE {
                return Err(bad(format!("longer than {LARGEST_LINE} bytes")));
            }
            scan.torn = line;
            return Ok(scan);
        }
        let parsed: OwnedLine = serde_json::from_slice(&line)
            .map_err(|error| bad(format!("it is no receipt ({error}); it was altered")))?;
        if parsed.sequence != scan.count {
            return Err(bad(format!(
                "it has the number {} where {} is due: a line is missing, doubled or moved",
                parsed.sequence, scan.count
            )));
        }
        if parsed.previous != scan.last {
            return Err(bad(
                "it does not continue the line before: one of the two was altered".to_owned()
            ));
        }
        let hash = Digest::of_bytes(&line);
        scan.count += 1;
        scan.last = hash;
        scan.length += read as u64;
        each(Entry {
            sequence: parsed.sequence,
            previous: parsed.previous,
            hash,
            record: parsed.record,
        })?;
    }
}

fn remember(sessions: &mut Sessions, record: &Record) {
    if matches!(record.outcome, Outcome::Refused { .. }) {
        return;
    }
    // Every site enters, and later phases are of the same query.
    if record.phase.as_deref().is_some_and(|phase| phase != "enter") {
        return;
    }
    let Some(day) = record.day() else { return };
    let analysts = sessions.entry(day).or_default();
    let known = analysts.entry((record.study, record.analyst.clone())).or_default();
    let asked = known.entry(record.session.clone()).or_default();
    let released = record.outcome == Outcome::Released;
    // A failure after a release is the end of the same query.
    if released || !asked.released {
        asked.queries += 1;
    }
    asked.released = released;
    while sessions.len() > DAYS {
        // Days of a clock that ran ahead must not push out the day that is counted now.
        let Some(other) = sessions.keys().copied().find(|other| *other != day) else { return };
        sessions.remove(&other);
    }
}

fn open_or_create(path: &Path) -> Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    match options.open(path) {
        Ok(file) => return Ok((file, false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("open", path)(error)),
    }
    options.create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path).map_err(Error::io("create", path))?;
    Ok((file, true))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Receipts whose file takes no bytes.
    fn over(path: &str, options: &OpenOptions) -> Receipts {
        Receipts {
            path: PathBuf::from(path),
            file: options.open(path).unwrap(),
            length: 0,
            sequence: 0,
            last: Digest([0; 32]),
            sessions: Sessions::new(),
            note: None,
            broken: false,
        }
    }

    #[test]
    fn a_full_disk_or_a_read_only_file_is_a_typed_error_and_nothing_is_recorded() {
        let record = Record::new(Timestamp::UNIX_EPOCH, &[0; 32], "analyst", Outcome::Released);
        // Every write to this device fails as on a full disk.
        let (mut full, mut read_only) = (OpenOptions::new(), OpenOptions::new());
        for (path, options) in
            [("/dev/full", full.append(true)), ("/dev/null", read_only.read(true))]
        {
            let mut receipts = over(path, options);
            let error = receipts.append(&record).unwrap_err();
            assert!(matches!(error, Error::Io { doing: "write", .. }), "{error}");
            assert_eq!((receipts.count(), receipts.last()), (0, Digest([0; 32])));
            assert_eq!(receipts.queries_on(Digest([0; 32]), "analyst", Timestamp::UNIX_EPOCH), 0);
            let again = receipts.append(&record).unwrap_err().to_string();
            assert!(again.contains(&format!("cannot write {path}")), "{again}");
        }
    }
}
