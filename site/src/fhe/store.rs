//! [`Store`]: what of a question on `fhe` must outlive a restart.
//!
//! One file for the process, `fhe.redb` in its state folder, mode 0600. It holds ciphertexts, signed
//! parcels and flooded parts, and nothing that is secret: who copies it can decrypt nothing with it. It
//! holds which plans were decrypted, too, and those marks are never removed: without them a key holder
//! could not tell a first decryption from a second one.
//!
//! ```text
//! jobs      session                     -> what was asked, by whom, until when
//! parcels   session, slot               -> the signed header and its length
//! chunks    session, slot, number       -> at most 1 MB of its bytes
//! notes     session, slot               -> the receipt that was written for it, and seconds
//! spent     plan                        -> the part that was made of it
//! blocks    digest of a ciphertext      -> it was decrypted
//! ```
//!
//! Every change is one transaction, on disk when it returns.

use std::path::{Path, PathBuf};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use tacit_governance::phases::{Kind, Parcel};
use tacit_plan::Digest;

use super::trouble::Trouble;
use crate::Error;

/// Bytes of one record; larger ones would be copied whole for every change.
const PIECE: usize = 1 << 20;
/// Bytes of pages that are kept in memory.
const CACHE: usize = 16 << 20;
/// Seconds of a day.
const DAY: i64 = 86_400;

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const JOBS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("jobs");
const PARCELS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("parcels");
const CHUNKS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("chunks");
const NOTES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("notes");
const SPENT: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("spent");
const BLOCKS: TableDefinition<&[u8; 32], ()> = TableDefinition::new("blocks");

const VERSION: &str = "version";
const BYTES: &str = "bytes";

/// What was asked under one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// Digest of the study.
    pub study: Digest,
    /// Digest of the public keys.
    pub keys: Digest,
    /// Name of the analyst.
    pub analyst: String,
    /// The question.
    pub sql: String,
    /// Digest of the plan.
    pub plan: Digest,
    /// Digest of the circuit.
    pub circuit: Digest,
    /// When it was first asked, in seconds since 1970.
    pub asked: i64,
    /// Days after which it waits no longer.
    pub days: u32,
    /// What this party needs of others, with their names.
    pub needs: Vec<(Slot, String)>,
    /// What this party makes: when all of it has left, its work is done.
    pub makes: Vec<Slot>,
    /// Why it ended, if it did.
    pub ended: Option<String>,
}

/// What is kept for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Slot {
    /// A parcel of a party.
    Parcel(Kind, u32),
    /// What this party evaluated itself, to be decrypted.
    Own,
}

/// A receipt that was written before something left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Hash of the receipt.
    pub receipt: Digest,
    /// Seconds that what it speaks of took.
    pub seconds: f64,
}

/// What may be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    /// Questions of one analyst that have not ended, and that this party still has to make something of.
    pub open: usize,
    /// MiB of all parcels.
    pub mib: u64,
}

impl Caps {
    /// All bytes, if so many come to what is used.
    fn within(self, used: u64, more: u64) -> Result<u64, Trouble> {
        let all = used.saturating_add(more);
        if all > self.mib.saturating_mul(1 << 20) { Err(Trouble::Full(self.mib)) } else { Ok(all) }
    }
}

/// The durable state of all questions on `fhe` of this process.
pub(crate) struct Store {
    database: Database,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Header {
    parcel: Option<Parcel>,
    length: u64,
}

impl Question {
    /// Whether both are the same question of the same analyst under the same keys.
    ///
    /// # Errors
    /// What differs.
    pub fn same(&self, other: &Self) -> Result<(), &'static str> {
        let pairs = [
            (self.analyst == other.analyst, "another analyst's"),
            (self.study == other.study, "of another study"),
            (self.sql == other.sql, "of another text"),
            (self.circuit == other.circuit && self.plan == other.plan, "of another plan"),
            (self.keys == other.keys, "under other keys, which the study had before"),
        ];
        pairs.into_iter().find(|(same, _)| !same).map_or(Ok(()), |(_, what)| Err(what))
    }

    fn over(&self, now: i64) -> bool {
        now >= self.asked.saturating_add(i64::from(self.days) * DAY)
    }

    fn forgotten(&self, now: i64) -> bool {
        now >= self.asked.saturating_add(2 * i64::from(self.days.max(1)) * DAY)
    }
}

impl Slot {
    fn byte(self) -> u8 {
        match self {
            Self::Parcel(Kind::Upload, _) => 0,
            Self::Parcel(Kind::Result, _) => 1,
            Self::Parcel(Kind::Part, _) => 2,
            Self::Own => 3,
        }
    }

    fn key(self, session: &[u8; 32]) -> Vec<u8> {
        let from = if let Self::Parcel(_, from) = self { from } else { 0 };
        let mut key = session.to_vec();
        key.push(self.byte());
        key.extend_from_slice(&from.to_be_bytes());
        key
    }

    fn of(key: &[u8]) -> Option<Self> {
        let (byte, from) = key.get(32..)?.split_first()?;
        let from = u32::from_be_bytes(from.try_into().ok()?);
        Some(match byte {
            0 => Self::Parcel(Kind::Upload, from),
            1 => Self::Parcel(Kind::Result, from),
            2 => Self::Parcel(Kind::Part, from),
            _ => Self::Own,
        })
    }
}

/// A fault of the file, in words for the operator's log.
pub(super) fn broken(error: impl Into<redb::Error>) -> Trouble {
    Trouble::Store(error.into().to_string())
}

impl Store {
    /// Opens the store, or creates it with mode 0600, forgets what is too old and returns the space.
    ///
    /// # Errors
    /// [`Error::State`] with what to do, if another process has it, it is damaged, or it cannot be
    /// written.
    pub fn open(path: &Path, now: i64) -> crate::Result<Self> {
        let failed = |cause: String| Error::State { path: path.display().to_string(), cause };
        create(path).map_err(|error| failed(error.to_string()))?;
        let opened = Database::builder().set_cache_size(CACHE).create(path);
        let database = opened.map_err(|error| failed(unusable(&error)))?;
        let mut store = Self { database, path: path.to_owned() };
        let begun = store.prepare().and_then(|()| store.sweep(now));
        let swept = begun.map_err(|trouble| failed(damaged(&trouble.to_string())))?;
        if swept > 0 {
            // Whether space is given back changes nothing else.
            let _ = store.database.compact();
        }
        Ok(store)
    }

    /// Creates the tables, and compares the version of what is there.
    fn prepare(&self) -> Result<(), Trouble> {
        let change = self.change()?;
        {
            let mut meta = change.open_table(META).map_err(broken)?;
            let version = meta.get(VERSION).map_err(broken)?.map(|version| version.value());
            if let Some(version) = version.filter(|version| *version != 1) {
                let what = format!("it is of version {version}, and this program reads version 1");
                return Err(Trouble::Store(what));
            }
            meta.insert(VERSION, 1).map_err(broken)?;
            change.open_table(JOBS).map_err(broken)?;
            change.open_table(SPENT).map_err(broken)?;
            change.open_table(BLOCKS).map_err(broken)?;
            for table in [PARCELS, CHUNKS, NOTES] {
                change.open_table(table).map_err(broken)?;
            }
        }
        change.commit().map_err(broken)
    }

    /// What was asked under a session.
    pub fn question(&self, session: &[u8; 32]) -> Result<Option<Question>, Trouble> {
        let jobs = self.look()?.open_table(JOBS).map_err(broken)?;
        let found = jobs.get(session).map_err(broken)?;
        found.map(|bytes| read(bytes.value())).transpose()
    }

    /// Keeps a new question.
    ///
    /// # Errors
    /// [`Trouble::Open`] if the analyst has as many open ones as may be.
    pub fn begin(
        &self,
        session: &[u8; 32],
        question: &Question,
        caps: Caps,
    ) -> Result<(), Trouble> {
        self.sweep(question.asked)?;
        let change = self.change()?;
        {
            let mut jobs = change.open_table(JOBS).map_err(broken)?;
            let notes = change.open_table(NOTES).map_err(broken)?;
            let mut open = 0;
            for entry in jobs.iter().map_err(broken)? {
                let (id, bytes) = entry.map_err(broken)?;
                let other: Question = read(bytes.value())?;
                let same = (&other.analyst, other.study) == (&question.analyst, question.study);
                if !same || other.ended.is_some() {
                    continue;
                }
                let mut left = other.makes.is_empty();
                for slot in &other.makes {
                    left |= notes.get(&*slot.key(id.value())).map_err(broken)?.is_none();
                }
                open += usize::from(left);
            }
            if open >= caps.open {
                return Err(Trouble::Open(caps.open));
            }
            jobs.insert(session, &*write(question)?).map_err(broken)?;
        }
        change.commit().map_err(broken)
    }

    /// Ends a question: its parcels go, and the reason stays until it is forgotten.
    pub fn end(&self, session: &[u8; 32], reason: &str) -> Result<(), Trouble> {
        let change = self.change()?;
        if let Some(mut question) = kept(&change, session)? {
            question.ended.get_or_insert_with(|| reason.to_owned());
            let mut jobs = change.open_table(JOBS).map_err(broken)?;
            jobs.insert(session, &*write(&question)?).map_err(broken)?;
        }
        clear(&change, session)?;
        change.commit().map_err(broken)
    }

    /// Keeps what was made or given. The same again changes nothing.
    ///
    /// # Errors
    /// [`Trouble::Other`] if another one is there, [`Trouble::Ended`] if the question has ended
    /// meanwhile, [`Trouble::Full`] if it is too much.
    pub fn put(
        &self,
        session: &[u8; 32],
        slot: Slot,
        parcel: Option<&Parcel>,
        bytes: &[u8],
        caps: Caps,
    ) -> Result<(), Trouble> {
        let change = self.change()?;
        let question = kept(&change, session)?;
        let ended = question.map_or(Some("it is not known here".to_owned()), |q| q.ended);
        if let Some(reason) = ended {
            return Err(Trouble::Ended(reason));
        }
        let key = slot.key(session);
        {
            let mut parcels = change.open_table(PARCELS).map_err(broken)?;
            let mut chunks = change.open_table(CHUNKS).map_err(broken)?;
            let mut meta = change.open_table(META).map_err(broken)?;
            let there = parcels.get(&*key).map_err(broken)?;
            let there: Option<Header> = there.map(|bytes| read(bytes.value())).transpose()?;
            if let Some(there) = there {
                let same = there.parcel.as_ref() == parcel && there.length == bytes.len() as u64;
                return if same { Ok(()) } else { Err(Trouble::Other) };
            }
            let used = meta.get(BYTES).map_err(broken)?.map_or(0, |bytes| bytes.value());
            let used = caps.within(used, bytes.len() as u64)?;
            meta.insert(BYTES, used).map_err(broken)?;
            let header = Header { parcel: parcel.cloned(), length: bytes.len() as u64 };
            parcels.insert(&*key, &*write(&header)?).map_err(broken)?;
            for (number, piece) in bytes.chunks(PIECE).enumerate() {
                let at = [&*key, &(number as u32).to_be_bytes()].concat();
                chunks.insert(&*at, piece).map_err(broken)?;
            }
        }
        change.commit().map_err(broken)
    }

    /// Whether so many bytes more may be kept.
    ///
    /// # Errors
    /// [`Trouble::Full`] if not.
    pub fn room(&self, more: u64, caps: Caps) -> Result<(), Trouble> {
        let meta = self.look()?.open_table(META).map_err(broken)?;
        let used = meta.get(BYTES).map_err(broken)?.map_or(0, |bytes| bytes.value());
        caps.within(used, more).map(|_| ())
    }

    /// The signed header of a parcel.
    pub fn parcel(&self, session: &[u8; 32], slot: Slot) -> Result<Option<Parcel>, Trouble> {
        Ok(self.header(session, slot)?.and_then(|header| header.parcel))
    }

    /// Whether something is kept.
    pub fn has(&self, session: &[u8; 32], slot: Slot) -> Result<bool, Trouble> {
        Ok(self.header(session, slot)?.is_some())
    }

    /// The bytes of what is kept.
    pub fn bytes(&self, session: &[u8; 32], slot: Slot) -> Result<Option<Vec<u8>>, Trouble> {
        let Some(header) = self.header(session, slot)? else { return Ok(None) };
        let key = slot.key(session);
        let (first, last) = ([&*key, &[0; 4]].concat(), [&*key, &[0xff; 4]].concat());
        let chunks = self.look()?.open_table(CHUNKS).map_err(broken)?;
        let mut bytes = Vec::new();
        for entry in chunks.range(&*first..=&*last).map_err(broken)? {
            bytes.extend_from_slice(entry.map_err(broken)?.1.value());
        }
        let whole = bytes.len() as u64 == header.length;
        whole.then_some(Some(bytes)).ok_or_else(|| Trouble::Store("a parcel is not whole".into()))
    }

    /// Everything that is kept for a session.
    pub fn slots(&self, session: &[u8; 32]) -> Result<Vec<Slot>, Trouble> {
        slots(&self.look()?.open_table(PARCELS).map_err(broken)?, session)
    }

    /// Forgets one thing that is kept.
    pub fn forget(&self, session: &[u8; 32], slot: Slot) -> Result<(), Trouble> {
        let change = self.change()?;
        clear(&change, &slot.key(session))?;
        change.commit().map_err(broken)
    }

    /// The receipt that was written for what is kept.
    pub fn note(&self, session: &[u8; 32], slot: Slot) -> Result<Option<Note>, Trouble> {
        let notes = self.look()?.open_table(NOTES).map_err(broken)?;
        let found = notes.get(&*slot.key(session)).map_err(broken)?;
        found.map(|bytes| read(bytes.value())).transpose()
    }

    /// Notes the receipt that was written.
    pub fn set_note(&self, session: &[u8; 32], slot: Slot, note: &Note) -> Result<(), Trouble> {
        let change = self.change()?;
        let key = slot.key(session);
        let mut notes = change.open_table(NOTES).map_err(broken)?;
        notes.insert(&*key, &*write(note)?).map_err(broken)?;
        drop(notes);
        change.commit().map_err(broken)
    }

    /// Ends questions that wait no longer, and forgets those that ended long ago; gives how many.
    pub fn sweep(&self, now: i64) -> Result<usize, Trouble> {
        let (mut over, mut old) = (Vec::new(), Vec::new());
        {
            let jobs = self.look()?.open_table(JOBS).map_err(broken)?;
            for entry in jobs.iter().map_err(broken)? {
                let (session, bytes) = entry.map_err(broken)?;
                let question: Question = read(bytes.value())?;
                if question.forgotten(now) {
                    old.push(*session.value());
                } else if question.ended.is_none() && question.over(now) {
                    over.push((*session.value(), question));
                }
            }
        }
        if over.is_empty() && old.is_empty() {
            return Ok(0);
        }
        for (session, question) in &over {
            self.end(session, &self.missing(session, question)?)?;
        }
        let change = self.change()?;
        for session in &old {
            clear(&change, session)?;
            change.open_table(JOBS).map_err(broken)?.remove(session).map_err(broken)?;
        }
        change.commit().map_err(broken)?;
        Ok(over.len() + old.len())
    }

    /// Why a question that waited too long could not go on.
    fn missing(&self, session: &[u8; 32], question: &Question) -> Result<String, Trouble> {
        let here = self.slots(session)?;
        let absent = question.needs.iter().filter(|(slot, _)| !here.contains(slot));
        let absent: Vec<String> = absent
            .map(|(slot, name)| match slot {
                Slot::Parcel(kind, _) => format!("the {kind} of {name}"),
                Slot::Own => format!("the evaluation of {name}"),
            })
            .collect();
        let days = question.days;
        let waited = format!("it waited {days} days, as long as the study allows");
        Ok(match absent[..] {
            [] => waited,
            _ => format!("{waited}; what was missing here: {}", absent.join(", ")),
        })
    }

    /// The part that was made of a plan, if it was decrypted.
    pub fn part(&self, plan: &[u8; 32]) -> Result<Option<Vec<u8>>, Trouble> {
        let spent = self.look()?.open_table(SPENT).map_err(broken)?;
        Ok(spent.get(plan).map_err(broken)?.map(|part| part.value().to_vec()))
    }

    /// Whether the ciphertext with this digest was decrypted.
    pub fn decrypted(&self, block: &[u8; 32]) -> Result<bool, Trouble> {
        let blocks = self.look()?.open_table(BLOCKS).map_err(broken)?;
        Ok(blocks.get(block).map_err(broken)?.is_some())
    }

    /// Marks a plan and its ciphertexts as decrypted and keeps the part, in one transaction.
    ///
    /// # Errors
    /// [`Trouble::Spent`] if one of them was decrypted before; then nothing changes.
    pub fn spend(&self, plan: &[u8; 32], blocks: &[[u8; 32]], part: &[u8]) -> Result<(), Trouble> {
        let change = self.change()?;
        {
            let mut spent = change.open_table(SPENT).map_err(broken)?;
            let mut marks = change.open_table(BLOCKS).map_err(broken)?;
            if spent.insert(plan, part).map_err(broken)?.is_some() {
                return Err(Trouble::Spent);
            }
            for block in blocks {
                if marks.insert(block, ()).map_err(broken)?.is_some() {
                    return Err(Trouble::Spent);
                }
            }
        }
        change.commit().map_err(broken)
    }

    /// Where it lies.
    #[cfg(test)]
    fn path(&self) -> &Path {
        &self.path
    }

    fn header(&self, session: &[u8; 32], slot: Slot) -> Result<Option<Header>, Trouble> {
        let parcels = self.look()?.open_table(PARCELS).map_err(broken)?;
        let found = parcels.get(&*slot.key(session)).map_err(broken)?;
        found.map(|bytes| read(bytes.value())).transpose()
    }

    fn look(&self) -> Result<ReadTransaction, Trouble> {
        self.database.begin_read().map_err(broken)
    }

    /// A change that is on disk once it is committed, and nothing if it is not.
    fn change(&self) -> Result<WriteTransaction, Trouble> {
        self.database.begin_write().map_err(broken)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

fn kept(change: &WriteTransaction, session: &[u8; 32]) -> Result<Option<Question>, Trouble> {
    let jobs = change.open_table(JOBS).map_err(broken)?;
    let found = jobs.get(session).map_err(broken)?;
    found.map(|bytes| read(bytes.value())).transpose()
}

fn slots(
    parcels: &impl ReadableTable<&'static [u8], &'static [u8]>,
    session: &[u8; 32],
) -> Result<Vec<Slot>, Trouble> {
    let (first, last) = ([&session[..], &[0; 5]].concat(), [&session[..], &[0xff; 5]].concat());
    let mut found = Vec::new();
    for entry in parcels.range(&*first..=&*last).map_err(broken)? {
        found.extend(Slot::of(entry.map_err(broken)?.0.value()));
    }
    Ok(found)
}

/// Removes everything whose key begins with `prefix`: a session, or a slot of one.
fn clear(change: &WriteTransaction, prefix: &[u8]) -> Result<(), Trouble> {
    // No key is longer than a session, a slot and a number.
    let end = [prefix, &[0xff; 10]].concat();
    let mut freed = 0;
    {
        let parcels = change.open_table(PARCELS).map_err(broken)?;
        for entry in parcels.range(prefix..=&*end).map_err(broken)? {
            let header: Header = read(entry.map_err(broken)?.1.value())?;
            freed += header.length;
        }
    }
    for table in [PARCELS, CHUNKS, NOTES] {
        let mut table = change.open_table(table).map_err(broken)?;
        table.retain_in(prefix..=&*end, |_, _| false).map_err(broken)?;
    }
    let mut meta = change.open_table(META).map_err(broken)?;
    let used = meta.get(BYTES).map_err(broken)?.map_or(0, |bytes| bytes.value());
    meta.insert(BYTES, used.saturating_sub(freed)).map_err(broken)?;
    Ok(())
}

fn read<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Trouble> {
    postcard::from_bytes(bytes).map_err(|_| Trouble::Store("a record cannot be read".into()))
}

fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, Trouble> {
    postcard::to_stdvec(value).map_err(|_| Trouble::Store("a record cannot be written".into()))
}

/// Creates the file, so that nobody else can read it.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let file = options.mode(0o600).open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
    }
    #[cfg(not(unix))]
    options.open(path).map(|_| ())
}

fn unusable(error: &redb::DatabaseError) -> String {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            "another process uses it: a service may run already, with the same state folder".into()
        }
        redb::DatabaseError::Storage(redb::StorageError::Io(io))
            if io.kind() != std::io::ErrorKind::InvalidData
                && io.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            format!("cannot be read or written: {io}")
        }
        other => damaged(&other.to_string()),
    }
}

fn damaged(what: &str) -> String {
    format!(
        "is damaged ({what}). It says what was decrypted before: put the last good copy in its place. \
         Without one, move it away only if all parties take new keys (`tacit study keys`), since \
         something could be decrypted twice under the old ones"
    )
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
