//! A share of the key at rest: encrypted to the site that holds it, bound to study and holder.
//!
//! Whoever makes the share draws an ephemeral X25519 key and agrees on a secret with the site's own; only
//! that secret and the ephemeral public key come here, so this crate sees no long-lived key. HKDF-SHA-256
//! (RFC 5869) derives a key from the secret under a fresh salt and a label of its own, with the header
//! as context. XChaCha20-Poly1305 encrypts: constant time without special instructions, and a nonce long
//! enough to be drawn at random. The header (study, digest of the public keys, holder, ephemeral key) is
//! authenticated with it and is what [`open`] looks at first, so that a file of another study is told
//! from a damaged one.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{KeyShare, Scope};
use crate::{Error, Result};

const MAGIC: &[u8; 16] = b"tacit-he-share-2";
const KEY: usize = 32;
const SALT: usize = 32;
const NONCE: usize = 24;
/// What is bound: magic, study, digest of the keys, holder, number of holders, ephemeral key.
const BOUND: usize = MAGIC.len() + 32 + 32 + 2 + 2;
const HEADER: usize = BOUND + KEY;
const TAG: usize = 16;
/// Bytes of a sealed share.
pub const SEALED_BYTES: usize = HEADER + SALT + NONCE + KeyShare::WORDS * 16 + TAG;

/// Encrypts a share: [`SEALED_BYTES`], 64 KiB and some. `secret` is what X25519 makes of the ephemeral
/// secret key that belongs to `ephemeral` and of the site's public key.
///
/// # Errors
/// [`Error::Randomness`]; [`Error::Key`] if the secret is all zeros, which no honest public key gives.
///
/// # Security
/// The ephemeral secret key must be wiped after use; one that is used for two shares is no harm, as
/// salt and nonce are fresh.
pub fn seal(share: &KeyShare, ephemeral: [u8; 32], secret: &[u8; 32]) -> Result<Vec<u8>> {
    let mut sealed = bound(share.scope(), share.keys(), share.holder());
    sealed.extend_from_slice(&ephemeral);
    let mut fresh = [0; SALT + NONCE];
    getrandom::fill(&mut fresh).map_err(|_| Error::Randomness)?;
    sealed.extend_from_slice(&fresh);
    let mut plain = Zeroizing::new(Vec::with_capacity(KeyShare::WORDS * 16));
    for word in share.words() {
        plain.extend_from_slice(&word.to_le_bytes());
    }
    let payload = Payload { msg: &plain, aad: &sealed[..HEADER] };
    let cipher = cipher(secret, &fresh[..SALT], &sealed[..HEADER])?;
    let nonce = fresh[SALT..].try_into().map_err(|_| wrong())?;
    let encrypted = cipher.encrypt(nonce, payload).map_err(|_| wrong())?;
    sealed.extend_from_slice(&encrypted);
    Ok(sealed)
}

/// The ephemeral public key of a sealed share, from which and its own secret key a site makes the
/// secret for [`open`]; nothing if these bytes are no sealed share.
pub fn ephemeral(sealed: &[u8]) -> Option<[u8; 32]> {
    let whole = sealed.len() == SEALED_BYTES && sealed.starts_with(MAGIC);
    sealed.get(BOUND..HEADER).filter(|_| whole)?.try_into().ok()
}

/// Decrypts the share of `holder` for these keys.
///
/// # Errors
/// [`Error::Key`] if it belongs to another study, to other keys or to another holder, was sealed for
/// another site's key, or is damaged.
pub fn open(
    sealed: &[u8],
    secret: &[u8; 32],
    scope: Scope,
    keys: [u8; 32],
    holder: usize,
) -> Result<KeyShare> {
    let key = |what: &str| Error::Key(what.into());
    if ephemeral(sealed).is_none() {
        return Err(key("the file is not a sealed share, or is cut short"));
    }
    let due = bound(scope, keys, holder);
    let (header, rest) = sealed.split_at(HEADER);
    let found = &header[..BOUND];
    let study = MAGIC.len()..MAGIC.len() + 32;
    let digest = study.end..study.end + 32;
    if found[study.clone()] != due[study] {
        return Err(key("the file belongs to another study"));
    }
    if found[digest.clone()] != due[digest] {
        return Err(key("the file belongs to other keys of this study"));
    }
    if found != due {
        return Err(key("the file belongs to another key holder"));
    }
    let (salt, rest) = rest.split_at(SALT);
    let (nonce, encrypted) = rest.split_at(NONCE);
    let nonce = nonce.try_into().map_err(|_| wrong())?;
    let payload = Payload { msg: encrypted, aad: header };
    let plain = cipher(secret, salt, header)?.decrypt(nonce, payload);
    let plain = Zeroizing::new(plain.map_err(|_| wrong())?);
    let words = plain.as_chunks().0.iter().map(|word| u128::from_le_bytes(*word));
    KeyShare::new(scope, keys, holder, Zeroizing::new(words.collect()))
}

fn wrong() -> Error {
    Error::Key("it was sealed for another site's key, or the file is damaged".into())
}

fn bound(scope: Scope, keys: [u8; 32], holder: usize) -> Vec<u8> {
    let mut bound = Vec::with_capacity(SEALED_BYTES);
    bound.extend_from_slice(MAGIC);
    bound.extend_from_slice(&scope.study);
    bound.extend_from_slice(&keys);
    // At most MAX_HOLDERS, checked where a scope is made.
    bound.extend_from_slice(&(holder as u16).to_le_bytes());
    bound.extend_from_slice(&(scope.holders as u16).to_le_bytes());
    bound
}

fn cipher(secret: &[u8; 32], salt: &[u8], header: &[u8]) -> Result<XChaCha20Poly1305> {
    if bool::from(secret.ct_eq(&[0; 32])) {
        return Err(Error::Key("the agreed secret is zero: the public key is not a site's".into()));
    }
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand_multi_info(&[b"tacit homomorphic key share at rest v2", header], &mut key[..])
        .map_err(|_| wrong())?;
    XChaCha20Poly1305::new_from_slice(&key[..]).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPHEMERAL: [u8; 32] = [4; 32];

    fn share(scope: Scope) -> KeyShare {
        let words = (0..KeyShare::WORDS as u128).map(|i| i << 64 | !i).collect();
        KeyShare::new(scope, [7; 32], 1, Zeroizing::new(words)).unwrap()
    }

    fn refusal(result: Result<KeyShare>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_sealed_share_comes_back() {
        let scope = Scope::new([1; 32], 3).unwrap();
        let sealed = seal(&share(scope), EPHEMERAL, &[5; 32]).unwrap();
        assert_eq!(sealed.len(), SEALED_BYTES);
        assert_eq!(ephemeral(&sealed), Some(EPHEMERAL));
        let back = open(&sealed, &[5; 32], scope, [7; 32], 1).unwrap();
        assert_eq!(back.words(), share(scope).words());
        let again = seal(&back, EPHEMERAL, &[5; 32]).unwrap();
        assert_ne!(sealed[HEADER..], again[HEADER..], "salt and nonce are fresh");
    }

    #[test]
    fn what_does_not_belong_is_refused_with_the_reason() {
        let scope = Scope::new([1; 32], 3).unwrap();
        let secret = [5; 32];
        let sealed = seal(&share(scope), EPHEMERAL, &secret).unwrap();
        let study = Scope::new([2; 32], 3).unwrap();
        let text = refusal(open(&sealed, &secret, study, [7; 32], 1));
        assert!(text.contains("another study"), "{text}");
        let text = refusal(open(&sealed, &secret, scope, [8; 32], 1));
        assert!(text.contains("other keys"), "{text}");
        let text = refusal(open(&sealed, &secret, scope, [7; 32], 0));
        assert!(text.contains("another key holder"), "{text}");
        let text = refusal(open(&sealed, &[6; 32], scope, [7; 32], 1));
        assert!(text.contains("another site's key"), "{text}");
        let short = &sealed[..SEALED_BYTES - 1];
        let text = refusal(open(short, &secret, scope, [7; 32], 1));
        assert!(text.contains("cut short"), "{text}");
        assert_eq!(ephemeral(short), None);
    }

    #[test]
    fn a_secret_that_anybody_knows_is_refused() {
        let scope = Scope::new([1; 32], 3).unwrap();
        let text = seal(&share(scope), EPHEMERAL, &[0; 32]).unwrap_err().to_string();
        assert!(text.contains("zero"), "{text}");
    }

    #[test]
    fn a_flipped_bit_anywhere_is_refused() {
        let scope = Scope::new([1; 32], 3).unwrap();
        let sealed = seal(&share(scope), EPHEMERAL, &[5; 32]).unwrap();
        let places = [0, 20, 50, 80, 90, HEADER - 1, HEADER, HEADER + SALT, HEADER + 60];
        for at in places.into_iter().chain([SEALED_BYTES - 1]) {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(open(&altered, &[5; 32], scope, [7; 32], 1).is_err(), "byte {at}");
        }
    }

    #[test]
    fn debug_shows_no_word() {
        let scope = Scope::new([1; 32], 3).unwrap();
        assert_eq!(format!("{:?}", share(scope)), "KeyShare(2 of 3)");
    }
}
