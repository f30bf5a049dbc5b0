//! Ed25519 keys as raw public keys (RFC 7250): no certificate, no authority, no expiry.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::{SigningKey, VerifyingKey};
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, Result};

/// DER of a SubjectPublicKeyInfo up to the key (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// DER of a PKCS#8 private key up to the seed (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// An Ed25519 public key: what a study pins for each party.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The key in a raw public key of TLS; `None` if it is no Ed25519 key or one of low order,
    /// under which anybody can sign.
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        let key = Self(spki.strip_prefix(&SPKI)?.try_into().ok()?);
        let point = VerifyingKey::from_bytes(&key.0).ok()?;
        (!point.is_weak()).then_some(key)
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        [&SPKI[..], &self.0].concat()
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The 32-byte Ed25519 seed that a party's key is made of. Wiped on drop, never printed.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// Takes a seed over; the caller wipes its own copy.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }

    /// What rustls presents and signs with.
    pub(crate) fn certified(&self) -> Result<Arc<CertifiedKey>> {
        let mut der = Zeroizing::new([&PKCS8[..], &self.0[..]].concat());
        let signer = any_eddsa_type(&PrivatePkcs8KeyDer::from(der.as_slice()))
            .map_err(|error| Error::Setup(format!("the key cannot be used: {error}")));
        der.zeroize();
        let spki = CertificateDer::from(self.public().spki());
        Ok(Arc::new(CertifiedKey::new(vec![spki], signer?)))
    }

    /// A secret of this key for another purpose.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        let inner = Sha256::new().chain_update(b"tacit derive").chain_update(*self.0);
        let inner = inner.chain_update(purpose).finalize();
        Sha256::digest(inner).into()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_survives_its_der_form() {
        let key = SecretKey::from_seed([7; 32]).public();
        assert_eq!(PublicKey::from_spki(&key.spki()), Some(key));
        assert!(key.same(&key.clone()));
    }

    #[test]
    fn a_low_order_or_malformed_key_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_spki(&PublicKey(identity).spki()), None);
        let key = SecretKey::from_seed([7; 32]).public().spki();
        assert_eq!(PublicKey::from_spki(&key[..43]), None);
        assert_eq!(PublicKey::from_spki(&[&key[..], &[0]].concat()), None);
        assert_eq!(PublicKey::from_spki(b""), None);
    }

    #[test]
    fn debug_of_a_secret_key_shows_nothing() {
        let key = SecretKey::from_seed([0xab; 32]);
        assert_eq!(format!("{key:?}"), "SecretKey(..)");
    }

    #[test]
    fn rustls_accepts_the_key() {
        assert!(SecretKey::from_seed([3; 32]).certified().is_ok());
    }
}
