//! Detached signatures: every site signs the exact bytes of the study.
//!
//! The signature of the site `north` over `study.toml` stands in `study.toml.north.sig`:
//!
//! ```text
//! tacit-study-signature-1
//! site: north
//! key: ed25519:<base64>
//! study: <SHA-256 of the file, hexadecimal>
//! signature: <base64>
//! ```
//!
//! What is signed is `tacit study signature 1\0`, the site's name, `\0` and the file's bytes; the
//! lines `key` and `study` only help to say what is wrong. Signatures are checked against the
//! keys in the study itself: who pins a study by its digest thereby pins its parties.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tacit_plan::Digest;

use crate::{Error, KeyPair, Result, Study, document::Role, files};

const HEADER: &str = "tacit-study-signature-1";
const DOMAIN: &[u8] = b"tacit study signature 1\0";
/// A signature file has about 250 bytes.
const LARGEST_FILE: u64 = 4096;

/// What became of one site's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureState {
    /// It fits the study's bytes and the site's key.
    Valid,
    /// There is none.
    Missing,
    /// It is of another text of the study: one of the two was altered.
    Altered {
        /// Digest of the text that was signed.
        signed: Digest,
    },
    /// It was made with another key than the study names for the site.
    OtherKey,
    /// The file is no signature, or does not verify.
    Damaged,
}

impl fmt::Display for SignatureState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid => f.write_str("valid"),
            Self::Missing => f.write_str("missing"),
            Self::Altered { signed } => {
                write!(f, "of another text of the study ({})", signed.short())
            }
            Self::OtherKey => f.write_str("made with another key"),
            Self::Damaged => f.write_str("damaged"),
        }
    }
}

/// Where the signature of a site stands.
pub fn signature_path(study: &Path, site: &str) -> PathBuf {
    let mut name = study.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{site}.sig"));
    study.with_file_name(name)
}

/// Signs the study at `path` with a site's key; an older signature of that site is replaced.
/// Returns the site's name and the file written.
///
/// # Errors
/// [`Error::Party`] if the key is no site's of the study; those of [`Study::open`].
pub fn sign(path: &Path, key: &KeyPair) -> Result<(String, PathBuf)> {
    let study = Study::open(path)?;
    let site = study.require(&key.public(), Role::Site)?.name.clone();
    let signature = key.sign(&signed_bytes(&site, study.bytes()));
    let text = format!(
        "{HEADER}\nsite: {site}\nkey: {}\nstudy: {}\nsignature: {}\n",
        key.public(),
        study.digest(),
        STANDARD.encode(signature)
    );
    let file = signature_path(path, &site);
    files::replace(&file, text.as_bytes(), 0o644)?;
    Ok((site, file))
}

/// The state of every site's signature, in study order.
///
/// # Errors
/// Those of [`Study::open`].
pub fn verify_all(path: &Path) -> Result<Vec<(String, SignatureState)>> {
    states(&Study::open(path)?, path)
}

/// The state of every site's signature over a study that was read from `path`.
pub(crate) fn states(study: &Study, path: &Path) -> Result<Vec<(String, SignatureState)>> {
    study.sites().map(|site| Ok((site.name.clone(), state(study, path, &site.name)?))).collect()
}

/// Refuses a study that lacks a valid signature of any site.
pub(crate) fn require_all(study: &Study, path: &Path) -> Result<()> {
    let states = states(study, path)?;
    let with = |missing: bool| -> Vec<String> {
        states
            .iter()
            .filter(|(_, state)| *state != SignatureState::Valid)
            .filter(|(_, state)| (*state == SignatureState::Missing) == missing)
            .map(|(site, _)| site.clone())
            .collect()
    };
    let altered = with(false);
    if !altered.is_empty() {
        return Err(Error::Altered { sites: altered });
    }
    let missing = with(true);
    if !missing.is_empty() {
        return Err(Error::Unsigned { missing });
    }
    Ok(())
}

fn state(study: &Study, path: &Path, site: &str) -> Result<SignatureState> {
    let file = signature_path(path, site);
    let bytes = match files::read(&file, LARGEST_FILE) {
        Ok(bytes) => bytes,
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(SignatureState::Missing);
        }
        Err(error) => return Err(error),
    };
    let key = study.party(site)?.key;
    let Some(parsed) = Parsed::read(&bytes, &NAMES) else {
        return Ok(SignatureState::Damaged);
    };
    if key.verifies(&signed_bytes(site, study.bytes()), &parsed.signature) {
        return Ok(SignatureState::Valid);
    }
    Ok(if parsed.digest != study.digest() {
        SignatureState::Altered { signed: parsed.digest }
    } else if parsed.key != key.to_string() {
        SignatureState::OtherKey
    } else {
        SignatureState::Damaged
    })
}

fn signed_bytes(site: &str, study: &[u8]) -> Vec<u8> {
    [DOMAIN, site.as_bytes(), b"\0", study].concat()
}

/// The words of a signature file.
pub(crate) struct Names {
    /// Its first line.
    pub header: &'static str,
    /// Before the name of who signs.
    pub signer: &'static str,
    /// Before the digest of what is signed.
    pub subject: &'static str,
}

const NAMES: Names = Names { header: HEADER, signer: "site", subject: "study" };

/// What a signature file says; nothing is checked.
pub(crate) struct Parsed {
    pub key: String,
    pub digest: Digest,
    pub signature: [u8; 64],
}

impl Parsed {
    pub fn read(bytes: &[u8], names: &Names) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        if lines.next()? != names.header {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ");
        field(names.signer)?;
        let key = field("key")?.to_owned();
        let digest = field(names.subject)?.parse().ok()?;
        let signature = STANDARD.decode(field("signature")?).ok()?;
        Some(Self { key, digest, signature: signature.try_into().ok()? })
    }
}
