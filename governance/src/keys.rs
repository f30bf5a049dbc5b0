//! Ed25519 keys: who a party is.
//!
//! A secret key is a file that only its owner can read:
//!
//! ```text
//! tacit-key-1
//! ed25519-seed:<the 32 bytes, base64>
//! ```
//!
//! A public key is a word, `ed25519:<the 32 bytes, base64>`, and stands in the study.

use std::{fmt, fs, io::Read, path::Path, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use curve25519_dalek::MontgomeryPoint;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, Result, files};

const HEADER: &str = "tacit-key-1";
const SEED: &str = "ed25519-seed:";
const PUBLIC: &str = "ed25519:";
/// A key file has about 70 bytes; more than this is another file.
const LARGEST_FILE: u64 = 4096;

/// A secret key with its public half. It is wiped on drop and has no `Debug` of its content.
pub struct KeyPair {
    signing: SigningKey,
}

impl KeyPair {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)
            .map_err(|error| Error::Key(format!("the system gives no randomness: {error}")))?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { signing: SigningKey::from_bytes(seed) }
    }

    /// The seed: 32 secret bytes from which the key is made, for the transport.
    ///
    /// # Security
    /// Whoever has it is this party.
    pub fn seed(&self) -> &[u8; 32] {
        self.signing.as_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.signing.verifying_key())
    }

    /// A signature over `message`. Callers put a prefix of their own before what they sign, so
    /// that a signature for one purpose never serves another.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// The secret scalar before clamping, for X25519.
    pub(crate) fn to_scalar_bytes(&self) -> [u8; 32] {
        self.signing.to_scalar_bytes()
    }

    /// Writes the key to a new file of mode 0600, synced to disk. `force` replaces a file that is
    /// there.
    ///
    /// # Errors
    /// [`Error::Exists`] if the file is there; [`Error::Io`].
    pub fn save(&self, path: &Path, force: bool) -> Result<()> {
        let mut text = Zeroizing::new(format!("{HEADER}\n{SEED}"));
        // Room for the whole, so that no copy of the secret stays behind when it grows.
        text.reserve(64);
        STANDARD.encode_string(self.seed(), &mut text);
        text.push('\n');
        if force {
            return files::replace(path, text.as_bytes(), 0o600);
        }
        files::create(path, text.as_bytes(), 0o600)
    }

    /// Reads a key, and refuses a file that others can read.
    ///
    /// # Errors
    /// [`Error::NoKey`], [`Error::OpenKey`] with what to do, [`Error::Key`] for a file that holds
    /// something else.
    pub fn load(path: &Path) -> Result<Self> {
        let file = fs::File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NoKey(path.to_owned()),
            _ => Error::io("read", path)(error),
        })?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            return Err(Error::Key(format!("{} is no file", path.display())));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = metadata.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(Error::OpenKey { path: path.to_owned(), mode });
            }
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST_FILE as usize + 1));
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        Self::parse(&bytes).ok_or_else(|| {
            Error::Key(format!(
                "{} holds no key; a key file is two lines, `{HEADER}` and `{SEED}...`, written \
                 by `tacit key new`",
                path.display()
            ))
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        if lines.next()?.trim_end() != HEADER {
            return None;
        }
        let seed = lines.next()?.trim_end().strip_prefix(SEED)?;
        if lines.any(|line| !line.trim().is_empty()) {
            return None;
        }
        let seed = Zeroizing::new(STANDARD.decode(seed).ok()?);
        let mut bytes: [u8; 32] = seed.as_slice().try_into().ok()?;
        let key = Self::from_seed(&bytes);
        bytes.zeroize();
        Some(key)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({}, ..)", self.public())
    }
}

/// A public key, checked: a canonical point of the prime-order group.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From its 32 bytes.
    ///
    /// # Errors
    /// [`Error::Key`] for bytes that are no point, not the canonical form of one, or a point
    /// outside the prime-order group (low order, or mixed): under such a key, one signature could
    /// fit several messages.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        let refuse = |what: &str| Err(Error::Key(format!("not a usable public key: {what}")));
        let Ok(key) = VerifyingKey::from_bytes(bytes) else {
            return refuse("its bytes are no point of the curve");
        };
        let point = key.to_edwards();
        if point.compress().to_bytes() != *bytes {
            return refuse("its bytes are not in canonical form");
        }
        if key.is_weak() {
            return refuse("a point of low order");
        }
        if !point.is_torsion_free() {
            return refuse("a point outside the prime-order group");
        }
        Ok(Self(key))
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The same point in the coordinates of X25519.
    pub(crate) fn to_montgomery(self) -> MontgomeryPoint {
        self.0.to_montgomery()
    }

    /// Whether `signature` is this key's over `message` (strict verification: one signature per
    /// key and message, no low-order parts).
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    /// For people who compare keys by telephone: 4 groups of 4 hexadecimal digits (64 bits) of
    /// the key's SHA-256.
    pub fn fingerprint(&self) -> String {
        let hash = sha2::Sha256::digest(self.as_bytes());
        hash[..8]
            .chunks(2)
            .map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]))
            .collect::<Vec<_>>()
            .join("-")
    }

    /// Writes the word to a new file that all may read. `force` replaces a file that is there.
    ///
    /// # Errors
    /// [`Error::Exists`] if the file is there; [`Error::Io`].
    pub fn save(&self, path: &Path, force: bool) -> Result<()> {
        let text = format!("{self}\n");
        if force {
            return files::replace(path, text.as_bytes(), 0o644);
        }
        files::create(path, text.as_bytes(), 0o644)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", STANDARD.encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with(SEED) || text.starts_with(HEADER) {
            return Err(Error::Key(
                "this is a secret key, which belongs in no other file; give the public one, `ed25519:...`"
                    .to_owned(),
            ));
        }
        let bytes: Option<[u8; 32]> = text
            .strip_prefix(PUBLIC)
            .and_then(|base64| STANDARD.decode(base64).ok())
            .and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            Error::Key(format!(
                "{shown:?} is no public key; one reads `{PUBLIC}` and 44 letters of base64"
            ))
        })?;
        Self::from_bytes(&bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
