//! [`Study`]: the agreement between parties, read from the exact bytes that the sites sign.
//!
//! A study says who takes part and with which key, what the tables hold, what may be released,
//! which engines may run among whom, and when. Its digest is SHA-256 over the bytes of the file,
//! so that two parties whose files differ in a single space notice before they start.

use std::path::Path;

use jiff::Timestamp;
use tacit_plan::{Dictionary, Digest, Disclosure};

use crate::{
    Error, PublicKey, Result, check,
    document::{DEFAULT_MAX_CELLS, Document, Engines, Party, Role, STUDY_VERSION, Transport},
    files,
};

/// A study's file is at most this long: dictionaries are read by people.
pub const LARGEST_STUDY: u64 = 4 << 20;

#[derive(serde::Deserialize)]
struct VersionOnly {
    version: u32,
}

/// A study, parsed and checked.
#[derive(Clone, Debug)]
pub struct Study {
    document: Document,
    dictionary: Dictionary,
    disclosure: Disclosure,
    from: Timestamp,
    until: Timestamp,
    digest: Digest,
    bytes: Vec<u8>,
}

impl Study {
    /// Reads a study from its exact bytes and checks it.
    ///
    /// # Errors
    /// [`Error::Study`] with the line where it is known; [`Error::Plan`] for the dictionary and
    /// the disclosure rules.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > LARGEST_STUDY {
            return Err(Error::study(format!("it has more than {LARGEST_STUDY} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Error::Study {
            line: Some(line_at(bytes, error.valid_up_to())),
            what: "not UTF-8; save it as UTF-8 text".to_owned(),
        })?;
        let document: Document = toml::from_str(text).map_err(|error| {
            // A later form has fields of its own: the version is what is wrong then.
            match toml::from_str::<VersionOnly>(text) {
                Ok(VersionOnly { version }) if version != STUDY_VERSION => check::version(version),
                _ => Error::Study {
                    line: error.span().map(|span| line_at(bytes, span.start)),
                    what: error.message().trim().to_owned(),
                },
            }
        })?;
        let checked = check::check(&document)?;
        Ok(Self {
            dictionary: Dictionary { tables: document.tables.clone() },
            disclosure: checked.disclosure,
            from: checked.from,
            until: checked.until,
            digest: Digest::of_bytes(bytes),
            bytes: bytes.to_owned(),
            document,
        })
    }

    /// Reads a study's file. Signatures and validity are not looked at: see
    /// [`Study::open_signed`].
    ///
    /// # Errors
    /// [`Error::Io`], and those of [`Study::parse`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::parse(&files::read(path, LARGEST_STUDY)?)
    }

    /// Reads a study that is in force: every site has signed these very bytes, and `now` lies
    /// within its validity.
    ///
    /// # Errors
    /// [`Error::Unsigned`] and [`Error::Altered`] name the sites; [`Error::Validity`]; and those
    /// of [`Study::open`].
    pub fn open_signed(path: &Path, now: Timestamp) -> Result<Self> {
        let study = Self::open(path)?;
        crate::signatures::require_all(&study, path)?;
        study.valid_at(now)?;
        Ok(study)
    }

    /// Refuses a moment outside the study's validity.
    ///
    /// # Errors
    /// [`Error::Validity`] with the study's dates.
    pub fn valid_at(&self, now: Timestamp) -> Result<()> {
        let what = if now < self.from {
            "not yet valid"
        } else if now > self.until {
            "expired"
        } else {
            return Ok(());
        };
        Err(Error::Validity {
            what,
            from: self.document.valid_from.clone(),
            until: self.document.valid_until.clone(),
            now: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        })
    }

    /// The document as written.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// SHA-256 of the exact bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All parties, in study order.
    pub fn parties(&self) -> &[Party] {
        &self.document.parties
    }

    /// The sites, in study order.
    pub fn sites(&self) -> impl Iterator<Item = &Party> {
        self.with_role(Role::Site)
    }

    /// The analysts, in study order.
    pub fn analysts(&self) -> impl Iterator<Item = &Party> {
        self.with_role(Role::Analyst)
    }

    /// The dealer, if there is one.
    pub fn dealer(&self) -> Option<&Party> {
        self.with_role(Role::Dealer).next()
    }

    fn with_role(&self, role: Role) -> impl Iterator<Item = &Party> {
        self.parties().iter().filter(move |party| party.role == role)
    }

    /// The party of that name.
    ///
    /// # Errors
    /// [`Error::Party`] with the nearest name.
    pub fn party(&self, name: &str) -> Result<&Party> {
        let found = self.parties().iter().find(|party| party.name == name);
        found.ok_or_else(|| {
            let names = self.parties().iter().map(|party| party.name.as_str());
            Error::Party(format!(
                "the study {:?} has no party {name:?}{}",
                self.name(),
                tacit_plan::suggest::did_you_mean(name, names)
            ))
        })
    }

    /// The party whose key it is.
    pub fn party_of(&self, key: &PublicKey) -> Option<&Party> {
        self.parties().iter().find(|party| party.key == *key)
    }

    /// The party of that role whose key it is.
    ///
    /// # Errors
    /// [`Error::Party`]: the key is no party's, or that of a party with another role.
    pub fn require(&self, key: &PublicKey, role: Role) -> Result<&Party> {
        match self.party_of(key) {
            Some(party) if party.role == role => Ok(party),
            Some(party) => Err(Error::Party(format!(
                "this key is that of {} {:?} of the study {:?}, and here a key with the role \
                 {role} is needed",
                party.role,
                party.name,
                self.name()
            ))),
            None => Err(Error::Party(format!(
                "the key {} (fingerprint {}) is no party's of the study {:?}; its {role}s are {}",
                key,
                key.fingerprint(),
                self.name(),
                names(self.with_role(role))
            ))),
        }
    }

    /// The data dictionary.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The rules of release in force.
    pub fn disclosure(&self) -> &Disclosure {
        &self.disclosure
    }

    /// Upper bound on the rows of a table at one site, a power of ten.
    pub fn rows_at_most(&self) -> u64 {
        self.document.rows_at_most
    }

    /// What carries the frames between the parties.
    pub fn transport(&self) -> Transport {
        self.document.transport
    }

    /// Cells that a result may have.
    pub fn max_cells(&self) -> usize {
        let cells = self.document.max_cells.unwrap_or(DEFAULT_MAX_CELLS);
        usize::try_from(cells).unwrap_or(usize::MAX)
    }

    /// The engines that are allowed.
    pub fn engines(&self) -> &Engines {
        &self.document.engines
    }

    /// First and last moment of validity.
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        (self.from, self.until)
    }
}

fn names<'a>(parties: impl Iterator<Item = &'a Party>) -> String {
    let names: Vec<_> = parties.map(|party| party.name.as_str()).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// Line of a byte offset, from 1.
fn line_at(bytes: &[u8], offset: usize) -> usize {
    let before = &bytes[..offset.min(bytes.len())];
    before.split(|byte| *byte == b'\n').count()
}
