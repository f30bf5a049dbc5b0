//! [`KeySet`]: the keys of `fhe` on disk, in a folder beside the study.
//!
//! ```text
//! study.toml
//! study.keys/keys.toml         what belongs to the set: this file's content is the KeySet
//! study.keys/keys.sig          the dealer's signature over it
//! study.keys/server.key        with which everybody evaluates, some 330 MB
//! study.keys/public.key        with which sites encrypt
//! study.keys/crs               for the proofs of encryption
//! study.keys/calibration.json  how fast the dealer's machine evaluates, for estimates
//! study.keys/NAME.share        the share of key holder NAME, sealed so that NAME alone can open it
//! ```
//!
//! Nothing in it is secret as it lies there, and every party gets the whole folder, or all but the
//! others' shares. The manifest names every file with its length and SHA-256, and the study's dealer
//! signs the manifest: who holds the study can tell whether a set of keys is the one that its dealer
//! made for it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tacit_plan::Digest;

use crate::{
    Error, KeyPair, Result, Study,
    document::{FheTerms, Party},
    files,
    keyset_draft::Draft,
    signatures::{Names, Parsed},
};

/// Version of the manifest that this build reads and writes.
pub const KEY_SET_VERSION: u32 = 1;

/// Name of the file of a part that is everybody's.
pub const SERVER: &str = "server.key";
/// With which sites encrypt.
pub const PUBLIC: &str = "public.key";
/// The reference string of the proofs.
pub const CRS: &str = "crs";
/// How fast the dealer's machine evaluates.
pub const CALIBRATION: &str = "calibration.json";

pub(crate) const MANIFEST: &str = "keys.toml";
pub(crate) const SIGNATURE: &str = "keys.sig";
pub(crate) const NAMES: Names =
    Names { header: "tacit-keys-signature-1", signer: "dealer", subject: "keys" };
const DOMAIN: &[u8] = b"tacit keys signature 1\0";
/// 64 holders take some 10 KB.
const LARGEST_MANIFEST: u64 = 256 << 10;
const LARGEST_SIGNATURE: u64 = 4096;
/// No part is near it: a bound on what is read into memory.
const LARGEST_PART: u64 = 1 << 30;

/// The keys of one study, as the manifest `keys.toml` names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// [`KEY_SET_VERSION`].
    pub version: u32,
    /// Digest of the study that they were made for.
    pub study: Digest,
    /// Digest of the public keys: what parties agree on.
    pub keys: Digest,
    /// Who has to be trusted for them: `"dealer"`.
    pub origin: String,
    /// Name of the dealer.
    pub dealer: String,
    /// Names of the key holders, in the study's order.
    pub holders: Vec<String>,
    /// Name of the parameter set.
    pub parameters: String,
    /// When they were made, RFC 3339 in UTC.
    pub made: String,
    /// Every other file of the folder, by name.
    pub files: BTreeMap<String, Listed>,
    /// Where they lie.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// A file of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// What is wrong with a set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetFault {
    /// There is none.
    #[error(
        "there are no keys for fhe; {dealer:?}, the study's dealer, makes them (`tacit study keys \
         --study {} --key KEY`), and every party keeps a copy of that folder beside its study",
        study.display()
    )]
    Missing {
        /// Name of the dealer.
        dealer: String,
        /// The study's file.
        study: PathBuf,
    },
    /// The study has no terms for them.
    #[error("the study allows no fhe, so that no keys can be its own")]
    NotAllowed,
    /// Of a form that this build does not read.
    #[error(
        "version {0} of the form; this build reads version {KEY_SET_VERSION}: use the same \
             version of tacit as the dealer"
    )]
    Version(u32),
    /// No manifest.
    #[error("it is no list of keys ({0}); copy the folder from the dealer again")]
    Form(String),
    /// Made for another study, or for another text of this one.
    #[error(
        "the keys were made for another study, or for another text of it ({}), and this one is {}; \
         the dealer makes keys anew whenever the study changes", found.short(), due.short()
    )]
    Study {
        /// Whose they are.
        found: Digest,
        /// The study at hand.
        due: Digest,
    },
    /// The signature is missing, or does not fit.
    #[error("the signature of {dealer:?} {what}; copy the folder from the dealer again")]
    Signature {
        /// Name of the dealer.
        dealer: String,
        /// "is missing", ...
        what: &'static str,
    },
    /// Signed with a key that is not the study's dealer's.
    #[error(
        "the keys are signed by another key than that of {dealer:?}, the study's dealer: do not \
         use them, and get the folder from the dealer"
    )]
    Signer {
        /// Name of the dealer.
        dealer: String,
    },
    /// It says something else than the study.
    #[error("its {what} is {found}, and the study says {due}; the dealer makes keys anew")]
    Terms {
        /// "key holders", ...
        what: &'static str,
        /// What the manifest says.
        found: String,
        /// What the study says.
        due: String,
    },
    /// A file is missing, or other than listed.
    #[error("the file {}; copy it from the dealer again", .0)]
    Part(String),
    /// No share for that name.
    #[error("there is no share for {0:?}, who is no key holder of the study")]
    NoShare(String),
}

impl KeySet {
    /// The folder of a study's keys: `study.keys` beside `study.toml`.
    pub fn folder(study: &Path) -> PathBuf {
        study.with_extension("keys")
    }

    /// Begins a set of keys for the study that lies at `path`: its parts are put into a folder of their
    /// own, which takes its place when it is whole ([`Draft::finish`]).
    ///
    /// `keys` is the digest of the public keys, `parameters` names their parameter set.
    ///
    /// # Errors
    /// [`KeySetFault::NotAllowed`]; [`Error::Io`].
    pub fn draft(
        study: &Study,
        path: &Path,
        keys: Digest,
        parameters: &str,
        now: jiff::Timestamp,
    ) -> Result<Draft> {
        let folder = Self::folder(path);
        let (terms, dealer) = terms(study, &folder)?;
        let set = Self {
            version: KEY_SET_VERSION,
            study: study.digest(),
            keys,
            origin: terms.keys.clone(),
            dealer: dealer.name.clone(),
            holders: terms.holders.clone(),
            parameters: parameters.to_owned(),
            made: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            files: BTreeMap::new(),
            folder,
        };
        Draft::new(set, dealer.key)
    }

    /// Opens the keys of the study that lies at `path`. They are this study's, made and signed by its
    /// dealer for its key holders. The other files are looked at when they are read.
    ///
    /// # Errors
    /// [`Error::KeySet`] with what is wrong and what to do; [`Error::Io`].
    pub fn open(study: &Study, path: &Path) -> Result<Self> {
        let folder = Self::folder(path);
        let (terms, dealer) = terms(study, &folder)?;
        let fault = |fault| fault_at(&folder, fault);
        let missing = KeySetFault::Missing { dealer: dealer.name.clone(), study: path.to_owned() };
        let bytes = found(&folder.join(MANIFEST), LARGEST_MANIFEST)?;
        let bytes = bytes.ok_or_else(|| fault(missing))?;
        // Before the form: a later version may have another one.
        let mut set = Self::parse(&bytes).map_err(fault)?;
        if set.study != study.digest() {
            return Err(fault(KeySetFault::Study { found: set.study, due: study.digest() }));
        }
        let signature = found(&folder.join(SIGNATURE), LARGEST_SIGNATURE)?;
        check_signature(dealer, &bytes, signature.as_deref()).map_err(fault)?;
        set.check_terms(terms, &dealer.name).map_err(fault)?;
        set.folder = folder;
        Ok(set)
    }

    /// Reads a manifest; nothing is believed of it yet.
    fn parse(bytes: &[u8]) -> Result<Self, KeySetFault> {
        #[derive(Deserialize)]
        struct VersionOnly {
            version: u32,
        }
        let form = |what: String| KeySetFault::Form(what);
        let text = std::str::from_utf8(bytes).map_err(|_| form("it is no text".into()))?;
        let version = toml::from_str::<VersionOnly>(text);
        if let Ok(VersionOnly { version }) = version
            && version != KEY_SET_VERSION
        {
            return Err(KeySetFault::Version(version));
        }
        toml::from_str(text).map_err(|error| form(error.message().trim().to_owned()))
    }

    /// What is signed must also be what the study says, and name everything once.
    fn check_terms(&self, terms: &FheTerms, dealer: &str) -> Result<(), KeySetFault> {
        let differ = |what, found: &str, due: &str| {
            Err(KeySetFault::Terms { what, found: found.to_owned(), due: due.to_owned() })
        };
        if self.holders != terms.holders {
            return differ(
                "list of key holders",
                &self.holders.join(", "),
                &terms.holders.join(", "),
            );
        }
        if self.origin != terms.keys {
            return differ("origin", &self.origin, &terms.keys);
        }
        if self.dealer != dealer {
            return differ("dealer", &self.dealer, dealer);
        }
        if !self.files.keys().eq(&self.due()) {
            return Err(KeySetFault::Form("it lists other files than belong to it".to_owned()));
        }
        let large = self.files.iter().find(|(_, listed)| listed.bytes > LARGEST_PART);
        if let Some((name, _)) = large {
            return Err(KeySetFault::Form(format!("{name} has more than {LARGEST_PART} bytes")));
        }
        Ok(())
    }

    /// Names of all files but the manifest and its signature, sorted.
    pub(crate) fn due(&self) -> Vec<String> {
        let mut names = [SERVER, PUBLIC, CRS, CALIBRATION].map(str::to_owned).to_vec();
        names.extend(self.holders.iter().map(|holder| share_name(holder)));
        names.sort();
        names
    }

    /// Where they lie.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The file with which everybody evaluates.
    pub fn server(&self) -> PathBuf {
        self.folder.join(SERVER)
    }

    /// The file with which sites encrypt.
    pub fn public(&self) -> PathBuf {
        self.folder.join(PUBLIC)
    }

    /// The file of the proofs' reference string.
    pub fn crs(&self) -> PathBuf {
        self.folder.join(CRS)
    }

    /// The file that says how fast the dealer's machine evaluates.
    pub fn calibration(&self) -> PathBuf {
        self.folder.join(CALIBRATION)
    }

    /// The file of a key holder's share.
    pub fn share(&self, holder: &str) -> PathBuf {
        self.folder.join(share_name(holder))
    }

    /// Place of a site among the key holders.
    pub fn holder(&self, name: &str) -> Option<usize> {
        self.holders.iter().position(|holder| holder == name)
    }

    /// The three parts that are everybody's: server key, public key, reference string. Some 330 MB,
    /// and as long as reading and hashing them takes.
    ///
    /// # Errors
    /// [`KeySetFault::Part`] if one is missing or not the listed one; [`Error::Io`].
    pub fn parts(&self) -> Result<[Vec<u8>; 3]> {
        Ok([self.read(SERVER)?, self.read(PUBLIC)?, self.read(CRS)?])
    }

    /// A key holder's share as it lies there, sealed.
    ///
    /// # Errors
    /// [`KeySetFault::NoShare`] if that site is no key holder, and those of [`KeySet::parts`].
    pub fn sealed(&self, holder: &str) -> Result<Vec<u8>> {
        self.holder(holder).ok_or_else(|| self.fault(KeySetFault::NoShare(holder.to_owned())))?;
        self.read(&share_name(holder))
    }

    /// A file of the folder, by its name; it is the one that the dealer signed for.
    ///
    /// # Errors
    /// Those of [`KeySet::parts`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let part = |what: &str| self.fault(KeySetFault::Part(format!("{name} {what}")));
        let listed = self.files.get(name).ok_or_else(|| part("is not listed"))?;
        let path = self.folder.join(name);
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(part("is missing"));
            }
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        if length != listed.bytes {
            return Err(part(&format!("has {length} bytes instead of {}", listed.bytes)));
        }
        let bytes = files::read(&path, listed.bytes)?;
        if Digest::of_bytes(&bytes) != listed.sha256 {
            return Err(part("was altered or damaged"));
        }
        Ok(bytes)
    }

    pub(crate) fn fault(&self, fault: KeySetFault) -> Error {
        fault_at(&self.folder, fault)
    }

    /// The manifest with what people should know of it, and the signature over it.
    pub(crate) fn to_files(&self, dealer: &KeyPair) -> Result<(String, String)> {
        let text = toml::to_string(self)
            .map_err(|error| self.fault(KeySetFault::Form(error.to_string())))?;
        let text = format!(
            "# The keys of fhe for one study, made and signed by its dealer (keys.sig). A share that\n\
             # is lost ends what was encrypted under these keys.\n\n{text}"
        );
        let signature = format!(
            "{}\n{}: {}\nkey: {}\n{}: {}\nsignature: {}\n",
            NAMES.header,
            NAMES.signer,
            self.dealer,
            dealer.public(),
            NAMES.subject,
            Digest::of_bytes(text.as_bytes()),
            STANDARD.encode(dealer.sign(&signed(text.as_bytes())))
        );
        Ok((text, signature))
    }
}

/// Name of the file of a key holder's share. A party's name holds no letter that a path could mind.
pub(crate) fn share_name(holder: &str) -> String {
    format!("{holder}.share")
}

pub(crate) fn fault_at(folder: &Path, fault: KeySetFault) -> Error {
    Error::KeySet { path: folder.to_owned(), fault: Box::new(fault) }
}

/// The study's terms of `fhe`, and its dealer.
fn terms<'a>(study: &'a Study, folder: &Path) -> Result<(&'a FheTerms, &'a Party)> {
    let terms = study.engines().fhe.as_ref().zip(study.dealer());
    terms.ok_or_else(|| fault_at(folder, KeySetFault::NotAllowed))
}

fn check_signature(
    dealer: &Party,
    manifest: &[u8],
    signature: Option<&[u8]>,
) -> Result<(), KeySetFault> {
    let wrong = |what| KeySetFault::Signature { dealer: dealer.name.clone(), what };
    let signature = signature.ok_or_else(|| wrong("is missing"))?;
    let parsed = Parsed::read(signature, &NAMES).ok_or_else(|| wrong("is damaged"))?;
    if dealer.key.verifies(&signed(manifest), &parsed.signature) {
        return Ok(());
    }
    Err(if parsed.key != dealer.key.to_string() {
        KeySetFault::Signer { dealer: dealer.name.clone() }
    } else if parsed.digest != Digest::of_bytes(manifest) {
        wrong("is of another list of keys: one of the two was altered")
    } else {
        wrong("does not hold")
    })
}

fn signed(manifest: &[u8]) -> Vec<u8> {
    [DOMAIN, manifest].concat()
}

/// The file's bytes; `None` if there is none.
fn found(path: &Path, cap: u64) -> Result<Option<Vec<u8>>> {
    match files::read(path, cap) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
