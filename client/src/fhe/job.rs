//! [`Job`]: a question on `fhe` as it lies on the analyst's disk, so that it outlives this program.
//!
//! ```text
//! FOLDER/fhe-jobs/SESSION/job.json       what was asked, when, and how far it is
//! FOLDER/fhe-jobs/SESSION/NAME.upload    a parcel with its signed header
//! FOLDER/fhe-jobs/SESSION/NAME.result
//! FOLDER/fhe-jobs/SESSION/NAME.part
//! FOLDER/fhe-jobs/SESSION/lock           locked by the program that works on it
//! ```
//!
//! `FOLDER` is that of the analyst's key. Everything is readable by its owner alone: who has all parts and
//! the result has the answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tacit_governance::{
    Timestamp,
    phases::{Kind, Parcel},
};
use tacit_plan::Digest;

use super::files;
use crate::{Error, Result};

const VERSION: u32 = 1;
const FACTS: &str = "job.json";
const LOCK: &str = "lock";
const MAGIC: &[u8] = b"tacit parcel 1\n";
/// `job.json` holds a question, and a few hundred bytes for each party.
const LARGEST_FACTS: u64 = 4 << 20;
/// A header holds a signature and two digests.
const LARGEST_HEADER: u32 = 1024;
const SECONDS_A_DAY: i64 = 86_400;

/// A question on `fhe` that has begun and was not closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenJob {
    /// Identifier of the session, 64 hexadecimal digits.
    pub session: String,
    /// The question.
    pub sql: String,
    /// The study that it is of.
    pub study: PathBuf,
    /// When it was asked, RFC 3339 in UTC.
    pub asked: String,
    /// Days that it may wait for absent parties.
    pub wait_days: u32,
    /// What is still missing, such as `the upload of north`; empty if the answer can be put together.
    pub missing: Vec<String>,
    /// Whether it waited too long.
    pub overdue: bool,
}

/// A question on disk.
pub(crate) struct Job {
    folder: PathBuf,
    pub session: [u8; 32],
    pub facts: Facts,
}

/// What `job.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Facts {
    version: u32,
    pub sql: String,
    /// Where the study lay.
    pub path: PathBuf,
    pub study: Digest,
    pub keys: Digest,
    pub plan: Digest,
    pub circuit: Digest,
    pub analyst: String,
    /// RFC 3339.
    pub asked: String,
    pub wait_days: u32,
    /// Everything that has to be made.
    pub due: Vec<Due>,
    /// Digest of what each party's transforms make of fixed input, by name.
    pub arithmetic: BTreeMap<String, Digest>,
    /// What was given to whom: name of the taker, and what.
    pub given: BTreeSet<(String, Due)>,
}

/// A parcel, by its maker's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Due {
    pub kind: Kind,
    pub from: String,
}

/// A parcel as it was received, without its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Carried {
    pub parcel: Parcel,
    /// Hash of the receipt that its maker wrote before.
    pub receipt: Digest,
    /// Seconds that it took to make.
    pub seconds: f64,
}

impl std::fmt::Display for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} of {}", self.kind, self.from)
    }
}

impl Facts {
    /// A question that begins now.
    pub fn new(sql: &str, path: &Path, analyst: &str) -> Self {
        let zeros = Digest([0; 32]);
        Self {
            version: VERSION,
            sql: sql.to_owned(),
            path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            study: zeros,
            keys: zeros,
            plan: zeros,
            circuit: zeros,
            analyst: analyst.to_owned(),
            asked: Timestamp::now().to_string(),
            wait_days: 0,
            due: Vec::new(),
            arithmetic: BTreeMap::new(),
            given: BTreeSet::new(),
        }
    }

    /// Seconds since it was asked, with their fraction.
    pub fn age_seconds(&self, now: Timestamp) -> f64 {
        let asked = self.asked.parse::<Timestamp>().map_or(now, |asked| asked);
        (now.as_microsecond() - asked.as_microsecond()).max(0) as f64 / 1e6
    }

    /// Seconds since it was asked.
    fn age(&self, now: Timestamp) -> i64 {
        let asked = self.asked.parse::<Timestamp>().map_or(0, Timestamp::as_second);
        now.as_second().saturating_sub(asked)
    }

    /// Whether it has waited for as long as its study allows.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.age(now) >= i64::from(self.wait_days) * SECONDS_A_DAY
    }
}

/// The folder of all jobs of whoever's key lies at `key`.
pub(crate) fn home(key: &Path) -> PathBuf {
    key.parent().unwrap_or(Path::new("")).join("fhe-jobs")
}

impl Job {
    /// Puts a new job on disk.
    pub fn begin(home: &Path, session: [u8; 32], facts: Facts) -> Result<Self> {
        let folder = home.join(Digest(session).to_string());
        let job = Self { folder, session, facts };
        files::make_folder(&job.folder).map_err(|error| job.failed("made", &error))?;
        job.save()?;
        Ok(job)
    }

    /// The one job under `home` whose session begins with `prefix`.
    ///
    /// # Errors
    /// [`Error::Usage`] with what there is, if it is none or several.
    pub fn find(home: &Path, prefix: &str) -> Result<Self> {
        let all = sessions(home)?;
        let wanted = prefix.trim().to_ascii_lowercase();
        let found: Vec<&[u8; 32]> = all
            .iter()
            .filter(|session| Digest(**session).to_string().starts_with(&wanted))
            .collect();
        match found[..] {
            [session] if !wanted.is_empty() => Self::open(home, *session),
            _ => {
                let what =
                    if found.is_empty() { "no open question" } else { "several open questions" };
                let mut text = format!("{what} with a session that begins with {wanted:?}");
                if all.is_empty() {
                    let _ = write!(text, "; there is none in {}", home.display());
                }
                for session in &all {
                    let job = Self::open(home, *session);
                    let about = job.map_or_else(
                        |error| error.to_string(),
                        |job| format!("{} {}", job.facts.asked, one_line(&job.facts.sql)),
                    );
                    let _ = write!(text, "\n  {} {about}", Digest(*session).short());
                }
                Err(Error::Usage(text))
            }
        }
    }

    /// All jobs under `home`, the oldest first. One that cannot be read is an error with its place.
    pub fn all(home: &Path) -> Result<Vec<Self>> {
        let mut jobs: Vec<Self> = sessions(home)?
            .into_iter()
            .map(|session| Self::open(home, session))
            .collect::<Result<_>>()?;
        jobs.sort_by(|a, b| a.facts.asked.cmp(&b.facts.asked));
        Ok(jobs)
    }

    pub fn open(home: &Path, session: [u8; 32]) -> Result<Self> {
        let folder = home.join(Digest(session).to_string());
        let path = folder.join(FACTS);
        let broken = |what: String| Error::Job { path: path.clone(), what };
        let bytes = files::read(&path, LARGEST_FACTS)
            .map_err(|error| broken(format!("cannot be read: {error}")))?;
        let facts: Facts = serde_json::from_slice(&bytes).map_err(|error| {
            broken(format!("is no job of this version of tacit, or damaged ({error})"))
        })?;
        if facts.version != VERSION {
            return Err(broken(format!("is of version {}, and this is {VERSION}", facts.version)));
        }
        Ok(Self { folder, session, facts })
    }

    /// Keeps other programs from working on it for as long as what is returned lives.
    ///
    /// # Errors
    /// [`Error::Usage`] if another one does.
    pub fn claim(&self) -> Result<fs::File> {
        let failed = |error: io::Error| self.failed("locked", &error);
        let lock = files::private().truncate(false).open(self.folder.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => Err(Error::Usage(format!(
                "another program is going on with the question {} already: wait until it has ended, or \
                 stop it",
                Digest(self.session).short()
            ))),
            Err(fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts what is known of it on disk.
    pub fn save(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.facts)
            .map_err(|error| self.failed("written", &io::Error::other(error)))?;
        let path = self.folder.join(FACTS);
        files::write(&path, &[&text, b"\n"]).map_err(|error| self.failed("written", &error))
    }

    /// Whether a parcel lies here.
    pub fn has(&self, due: &Due) -> bool {
        self.parcel(due).exists()
    }

    /// Puts a parcel on disk.
    pub fn keep(&self, due: &Due, carried: &Carried, bytes: &[u8]) -> Result<()> {
        let failed = |error: io::Error| self.failed("written", &error);
        let header = postcard::to_stdvec(carried).map_err(|e| failed(io::Error::other(e)))?;
        let length = (header.len() as u32).to_le_bytes();
        files::write(&self.parcel(due), &[MAGIC, &length, &header, bytes]).map_err(failed)
    }

    /// A parcel with its bytes, which are those that its maker signed for `check` to look at; `None` if
    /// it is not here.
    ///
    /// # Errors
    /// [`Error::Job`] if what lies here was altered or damaged.
    pub fn carried(
        &self,
        due: &Due,
        check: impl Fn(&Parcel) -> Result<(), String>,
    ) -> Result<Option<(Carried, Vec<u8>)>> {
        let path = self.parcel(due);
        let broken = |what: &str| Error::Job {
            path: path.clone(),
            what: format!(
                "{what}: it was altered or damaged; remove it, and {} gives it again",
                due.from
            ),
        };
        let bytes = match files::read(&path, u64::MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", &error)),
        };
        let rest = bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first_chunk);
        let (length, rest) = rest.ok_or_else(|| broken("is no parcel"))?;
        let length = u32::from_le_bytes(*length);
        let (header, body) = rest
            .split_at_checked(length as usize)
            .filter(|_| length <= LARGEST_HEADER)
            .ok_or_else(|| broken("has no header"))?;
        let carried: Carried = postcard::from_bytes(header).map_err(|_| broken("has no header"))?;
        check(&carried.parcel).map_err(|what| broken(&what))?;
        carried.parcel.holds(body).map_err(|error| broken(&error.to_string()))?;
        Ok(Some((carried, body.to_vec())))
    }

    /// What is still to be made.
    pub fn missing(&self) -> Vec<&Due> {
        self.facts.due.iter().filter(|due| !self.has(due)).collect()
    }

    pub fn about(&self) -> OpenJob {
        OpenJob {
            session: Digest(self.session).to_string(),
            sql: self.facts.sql.clone(),
            study: self.facts.path.clone(),
            asked: self.facts.asked.clone(),
            wait_days: self.facts.wait_days,
            missing: self.missing().into_iter().map(ToString::to_string).collect(),
            overdue: self.facts.is_overdue(Timestamp::now()),
        }
    }

    /// Removes it from disk.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("removed", &error))
            }
            _ => Ok(()),
        }
    }

    fn parcel(&self, due: &Due) -> PathBuf {
        self.folder.join(format!("{}.{}", due.from, due.kind))
    }

    fn failed(&self, doing: &str, error: &io::Error) -> Error {
        Error::Job { path: self.folder.clone(), what: format!("cannot be {doing}: {error}") }
    }
}

/// The sessions of all jobs under `home`.
fn sessions(home: &Path) -> Result<Vec<[u8; 32]>> {
    let entries = match fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let what = format!("cannot be read: {error}");
            return Err(Error::Job { path: home.to_owned(), what });
        }
    };
    let session = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        // A job that was never whole is none.
        entry.path().join(FACTS).exists().then_some(name.parse::<Digest>().ok()?.0)
    };
    let mut all: Vec<[u8; 32]> = entries.flatten().filter_map(session).collect();
    all.sort_unstable();
    Ok(all)
}

/// The start of a question, for a list.
fn one_line(sql: &str) -> String {
    let words = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = words.chars().take(60).collect();
    if cut.len() < words.len() {
        cut += "...";
    }
    cut
}

#[cfg(test)]
mod tests {
    use tacit_governance::{KeyPair, phases::Scope};

    use super::*;

    fn job(home: &Path, first: u8) -> Job {
        let mut facts = Facts::new("SELECT COUNT(*)\n FROM visits", Path::new("study.toml"), "ada");
        facts.wait_days = 2;
        facts.due = ["north", "south"].map(upload).to_vec();
        Job::begin(home, [first; 32], facts).unwrap()
    }

    fn upload(from: &str) -> Due {
        Due { kind: Kind::Upload, from: from.to_owned() }
    }

    fn carried(bytes: &[u8]) -> Carried {
        let scope = Scope {
            study: Digest([1; 32]),
            keys: Digest([2; 32]),
            question: Digest([3; 32]),
            session: [4; 32],
        };
        let parcel = Parcel::sign(&KeyPair::from_seed(&[1; 32]), &scope, Kind::Upload, 0, bytes);
        Carried { parcel, receipt: Digest([7; 32]), seconds: 1.5 }
    }

    #[test]
    fn a_job_and_its_parcels_come_back_and_nobody_else_can_read_them() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().join("analyst/fhe-jobs");
        let made = job(&home, 0xab);
        made.keep(&upload("north"), &carried(b"bytes"), b"bytes").unwrap();
        let back = Job::find(&home, "ABAB").unwrap();
        assert_eq!(back.facts, made.facts);
        assert_eq!(back.missing(), [&upload("south")]);
        let (header, bytes) = back.carried(&upload("north"), |_| Ok(())).unwrap().unwrap();
        assert_eq!((header, &*bytes), (carried(b"bytes"), &b"bytes"[..]));
        assert!(back.carried(&upload("south"), |_| Ok(())).unwrap().is_none());
        assert_eq!(back.about().missing, ["the upload of south"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            for path in
                [back.folder.clone(), back.folder.join(FACTS), back.parcel(&upload("north"))]
            {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
            }
        }
        back.remove().unwrap();
        assert!(Job::all(&home).unwrap().is_empty());
    }

    #[test]
    fn one_program_at_a_time_goes_on_with_a_question() {
        let home = tempfile::tempdir().unwrap();
        let job = job(home.path(), 0xcd);
        let claim = job.claim().unwrap();
        let other = Job::find(home.path(), "cd").unwrap();
        let text = other.claim().unwrap_err().to_string();
        assert!(text.contains("already") && text.contains(&Digest([0xcd; 32]).short()), "{text}");
        drop(claim);
        other.claim().unwrap();
    }

    #[test]
    fn a_damaged_parcel_is_told_with_its_place_and_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let job = job(home.path(), 1);
        let due = upload("north");
        job.keep(&due, &carried(b"bytes"), b"bytes").unwrap();
        let good = fs::read(job.parcel(&due)).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(job.parcel(&due), &bad).unwrap();
            let accepted = job.carried(&due, |parcel| {
                (*parcel == carried(b"bytes").parcel).then_some(()).ok_or("is another".into())
            });
            // What is no part of what was signed is the receipt and the seconds.
            if let Ok(Some((header, bytes))) = &accepted {
                assert_eq!(header.parcel, carried(b"bytes").parcel);
                assert_eq!(bytes, b"bytes");
                continue;
            }
            let error = accepted.unwrap_err();
            assert_eq!(error.code(), "job");
            assert!(error.to_string().contains("north.upload"), "{error}");
            assert!(error.to_string().contains("remove it"), "{error}");
        }
        for end in 0..good.len() {
            fs::write(job.parcel(&due), &good[..end]).unwrap();
            assert!(job.carried(&due, |_| Ok(())).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_prefix_finds_one_job_and_otherwise_lists_what_there_is() {
        let home = tempfile::tempdir().unwrap();
        let none = Job::find(home.path(), "ab").err().unwrap().to_string();
        assert!(none.contains("no open question") && none.contains("there is none"), "{none}");
        job(home.path(), 0xaa);
        job(home.path(), 0xab);
        let several = Job::find(home.path(), "a").err().unwrap().to_string();
        assert!(
            several.contains("several") && several.contains("SELECT COUNT(*) FROM"),
            "{several}"
        );
        let unknown = Job::find(home.path(), "77").err().unwrap().to_string();
        assert!(unknown.contains("no open question") && unknown.contains("aaaa"), "{unknown}");
        assert!(Job::find(home.path(), "").is_err());
        assert_eq!(Job::find(home.path(), "ab").unwrap().session, [0xab; 32]);
    }

    #[test]
    fn a_job_is_overdue_after_the_days_of_its_study() {
        let home = tempfile::tempdir().unwrap();
        let job = job(home.path(), 1);
        let after = |days: i64| {
            let asked: Timestamp = job.facts.asked.parse().unwrap();
            Timestamp::from_second(asked.as_second() + days * SECONDS_A_DAY).unwrap()
        };
        assert!(!job.facts.is_overdue(after(1)));
        assert!(job.facts.is_overdue(after(2)));
    }
}
