//! [`PublicKeys`]: what everybody holds, as bytes with a digest, and expanded for use.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tfhe::{
    CompressedCompactPublicKey, CompressedServerKey,
    conformance::ParameterSetConformant,
    core_crypto::prelude::LweCiphertextCount,
    integer::{CompactPublicKey, ServerKey},
    shortint::noise_squashing::NoiseSquashingKey,
    zk::{CompactPkeCrs, CompactPkeZkScheme},
};

use super::{Origin, Scope};
use crate::{
    Error, Result,
    input::PROOF_MESSAGES,
    parameters::{DIGIT_ZERO_BITS, ENCRYPT, PARAMETERS, PLAINTEXTS, config, fix_transform},
    wire,
};

/// Limits of the three parts in bytes; each is about a fifth above what the part takes.
const SERVER: u64 = 420 << 20;
const ENCRYPTION: u64 = 64 << 10;
const CRS: u64 = 4 << 20;

/// The public keys of a study, seeded: the smallest form, and the one whose digest counts.
pub struct PublicKeys {
    scope: Scope,
    origin: Origin,
    digest: [u8; 32],
    server: CompressedServerKey,
    encryption: CompressedCompactPublicKey,
    crs: CompactPkeCrs,
}

/// What a site needs to encrypt, and to check what others encrypted. Cheap to clone.
#[derive(Clone)]
pub struct EncryptionKeys {
    pub(crate) digest: [u8; 32],
    pub(crate) key: Arc<CompactPublicKey>,
    pub(crate) crs: Arc<CompactPkeCrs>,
}

/// What an evaluator needs: 1.3 GB in memory.
pub struct EvaluationKeys {
    pub(crate) digest: [u8; 32],
    pub(crate) key: ServerKey,
    pub(crate) squash: NoiseSquashingKey,
}

impl PublicKeys {
    pub(crate) fn new(
        scope: Scope,
        origin: Origin,
        server: CompressedServerKey,
        encryption: CompressedCompactPublicKey,
        crs: CompactPkeCrs,
    ) -> Result<Self> {
        let parts = [
            wire::write(&server, SERVER)?,
            wire::write(&encryption, ENCRYPTION)?,
            wire::write(&crs, CRS)?,
        ];
        let digest = digest(scope, origin, &parts);
        Ok(Self { scope, origin, digest, server, encryption, crs })
    }

    /// The same keys, as if they had been made for another study: for tests alone.
    pub(crate) fn of_study(self, study: [u8; 32]) -> Result<Self> {
        let scope = Scope { study, ..self.scope };
        Self::new(scope, self.origin, self.server, self.encryption, self.crs)
    }

    /// What they are for.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Who made them.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Digest of study, number of key holders, origin, parameters and all parts.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The three parts as bytes: for evaluation (350 MB), for encryption (16 KB), for proofs.
    ///
    /// # Errors
    /// [`Error::Input`] if one is larger than its limit, which does not happen to what was made here.
    pub fn to_parts(&self) -> Result<[Vec<u8>; 3]> {
        Ok([
            wire::write(&self.server, SERVER)?,
            wire::write(&self.encryption, ENCRYPTION)?,
            wire::write(&self.crs, CRS)?,
        ])
    }

    /// Reads and checks the three parts, whose digest the parties agreed on.
    ///
    /// # Errors
    /// [`Error::Rejected`] if a part is too long, damaged or of other parameters; [`Error::Setup`] if
    /// the digest is another one.
    pub fn from_parts(
        scope: Scope,
        origin: Origin,
        agreed: [u8; 32],
        parts: &[Vec<u8>; 3],
    ) -> Result<Self> {
        let party = origin.to_string();
        // Before anything is parsed: a digest is cheap and tells most mistakes.
        let found = digest(scope, origin, parts);
        if found != agreed {
            return Err(Error::Setup(format!(
                "the public keys have digest {}, agreed was {}",
                crate::hex(&found),
                crate::hex(&agreed)
            )));
        }
        let crs = of_our_parameters()?;
        Ok(Self {
            scope,
            origin,
            digest: found,
            server: wire::read(&parts[0], SERVER, &config().into(), &party)?,
            encryption: wire::read(&parts[1], ENCRYPTION, &ENCRYPT, &party)?,
            crs: wire::read(&parts[2], CRS, &crs, &party)?,
        })
    }

    /// Expands what encryption needs. A few milliseconds.
    pub fn encryption(&self) -> EncryptionKeys {
        let (key, _) = self.encryption.decompress().into_raw_parts();
        EncryptionKeys { digest: self.digest, key: Arc::new(key), crs: Arc::new(self.crs.clone()) }
    }

    /// Expands what evaluation needs: some seconds and [`EvaluationKeys::MEMORY_MB`].
    ///
    /// # Errors
    /// [`Error::Memory`] if so much is not free; [`Error::Setup`] if the keys lack a part.
    pub fn evaluation(&self) -> Result<EvaluationKeys> {
        fix_transform();
        enough(available_mb())?;
        let (key, _, _, _, squash, ..) = self.server.decompress().into_raw_parts();
        let squash = squash.ok_or_else(|| Error::Setup("the public keys lack a part".into()))?;
        Ok(EvaluationKeys { digest: self.digest, key, squash: squash.into_raw_parts() })
    }
}

impl EncryptionKeys {
    /// Digest of the set of keys.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl EvaluationKeys {
    /// Memory that they take, with room for the buffers of their expansion, in MB.
    pub const MEMORY_MB: u64 = 1800;

    /// Digest of the set of keys.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// What a reference string must be: for our dimension, noise and digits, and so many messages.
fn of_our_parameters() -> Result<<CompactPkeCrs as ParameterSetConformant>::ParameterSet> {
    let (dimension, messages, noise, modulus, plaintexts) = CompactPkeCrs::prepare_crs_parameters(
        ENCRYPT.encryption_lwe_dimension,
        LweCiphertextCount(PROOF_MESSAGES),
        ENCRYPT.encryption_noise_distribution,
        ENCRYPT.ciphertext_modulus,
        PLAINTEXTS,
        CompactPkeZkScheme::V2,
    )
    .map_err(|error| Error::Setup(error.to_string()))?;
    Ok(<CompactPkeCrs as ParameterSetConformant>::ParameterSet::new(
        dimension.0,
        messages.0,
        noise,
        modulus,
        plaintexts,
        DIGIT_ZERO_BITS,
    ))
}

fn digest(scope: Scope, origin: Origin, parts: &[Vec<u8>; 3]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"tacit homomorphic keys v1");
    hash.update(scope.study);
    hash.update((scope.holders as u64).to_le_bytes());
    for text in [PARAMETERS, &origin.to_string()] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whether the keys fit into so many free MB; where the system does not tell, they are tried.
fn enough(available: Option<u64>) -> Result<()> {
    let needed = EvaluationKeys::MEMORY_MB;
    match available {
        Some(available) if available < needed => Err(Error::Memory { needed, available }),
        _ => Ok(()),
    }
}

/// Memory in MB that programs can still have without swapping, where the system tells: what
/// [`PublicKeys::evaluation`] looks at.
pub fn available_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_said_before_keys_are_expanded() {
        let text = enough(Some(512)).unwrap_err().to_string();
        let due = EvaluationKeys::MEMORY_MB;
        assert!(text.contains(&format!("{due} MB")) && text.contains("512 MB"), "{text}");
        assert!(enough(Some(due)).is_ok() && enough(None).is_ok());
    }
}
