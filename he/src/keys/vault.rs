//! A share of the key at rest: encrypted under the site's own key, bound to study and holder.
//!
//! A site has one secret already, its Ed25519 key, and an operator guards it. HKDF-SHA-256 (RFC 5869)
//! derives a key from it under a fresh salt and a label of its own, so that what is derived tells
//! nothing about signatures. XChaCha20-Poly1305 encrypts: constant time without special
//! instructions, and a nonce long enough to be drawn at random. The header (study, digest of the
//! public keys, holder) is authenticated with it and is what [`open`] looks at first, so that a file
//! of another study is told from a damaged one.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{KeyShare, Scope};
use crate::{Error, Result};

const MAGIC: &[u8; 16] = b"tacit-he-share-1";
const SALT: usize = 32;
const NONCE: usize = 24;
const HEADER: usize = MAGIC.len() + 32 + 32 + 2 + 2;
const TAG: usize = 16;
/// Bytes of a sealed share.
pub(crate) const SEALED: usize = HEADER + SALT + NONCE + KeyShare::WORDS * 16 + TAG;

/// Encrypts a share under a site's key: 64 KiB and 140 bytes.
///
/// # Errors
/// [`Error::Randomness`].
pub fn seal(share: &KeyShare, site: &SigningKey) -> Result<Vec<u8>> {
    let mut sealed = header(share.scope(), share.keys(), share.holder());
    let mut fresh = [0; SALT + NONCE];
    getrandom::fill(&mut fresh).map_err(|_| Error::Randomness)?;
    sealed.extend_from_slice(&fresh);
    let mut plain = Zeroizing::new(Vec::with_capacity(KeyShare::WORDS * 16));
    for word in share.words() {
        plain.extend_from_slice(&word.to_le_bytes());
    }
    let payload = Payload { msg: &plain, aad: &sealed[..HEADER] };
    let cipher = cipher(site, &fresh[..SALT])?;
    let nonce = fresh[SALT..].try_into().map_err(|_| wrong())?;
    let encrypted = cipher.encrypt(nonce, payload).map_err(|_| wrong())?;
    sealed.extend_from_slice(&encrypted);
    Ok(sealed)
}

/// Decrypts the share of `holder` for these keys.
///
/// # Errors
/// [`Error::Key`] if it belongs to another study, to other keys or to another holder, was sealed under
/// another site's key, or is damaged.
pub fn open(
    sealed: &[u8],
    site: &SigningKey,
    scope: Scope,
    keys: [u8; 32],
    holder: usize,
) -> Result<KeyShare> {
    let key = |what: &str| Error::Key(what.into());
    if sealed.len() != SEALED || &sealed[..MAGIC.len()] != MAGIC {
        return Err(key("the file is not a sealed share, or is cut short"));
    }
    let due = header(scope, keys, holder);
    let (found, rest) = sealed.split_at(HEADER);
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
    let payload = Payload { msg: encrypted, aad: found };
    let plain = cipher(site, salt)?.decrypt(nonce, payload);
    let plain = Zeroizing::new(plain.map_err(|_| wrong())?);
    let words = plain.as_chunks().0.iter().map(|word| u128::from_le_bytes(*word));
    KeyShare::new(scope, keys, holder, Zeroizing::new(words.collect()))
}

fn wrong() -> Error {
    Error::Key("it was sealed under another site's key, or the file is damaged".into())
}

fn header(scope: Scope, keys: [u8; 32], holder: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(SEALED);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&scope.study);
    header.extend_from_slice(&keys);
    // At most MAX_HOLDERS, checked where a scope is made.
    header.extend_from_slice(&(holder as u16).to_le_bytes());
    header.extend_from_slice(&(scope.holders as u16).to_le_bytes());
    header
}

fn cipher(site: &SigningKey, salt: &[u8]) -> Result<XChaCha20Poly1305> {
    let secret = Zeroizing::new(site.to_bytes());
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), &secret[..])
        .expand(b"tacit homomorphic key share at rest v1", &mut key[..])
        .map_err(|_| wrong())?;
    XChaCha20Poly1305::new_from_slice(&key[..]).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(scope: Scope) -> KeyShare {
        let words = (0..KeyShare::WORDS as u128).map(|i| i << 64 | !i).collect();
        KeyShare::new(scope, [7; 32], 1, Zeroizing::new(words)).unwrap()
    }

    fn site(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn refusal(result: Result<KeyShare>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_sealed_share_comes_back() {
        let scope = Scope::new([1; 32], 3).unwrap();
        let sealed = seal(&share(scope), &site(5)).unwrap();
        assert_eq!(sealed.len(), SEALED);
        let back = open(&sealed, &site(5), scope, [7; 32], 1).unwrap();
        assert_eq!(back.words(), share(scope).words());
        let again = seal(&back, &site(5)).unwrap();
        assert_ne!(sealed[HEADER..], again[HEADER..], "salt and nonce are fresh");
    }

    #[test]
    fn what_does_not_belong_is_refused_with_the_reason() {
        let scope = Scope::new([1; 32], 3).unwrap();
        let sealed = seal(&share(scope), &site(5)).unwrap();
        let study = Scope::new([2; 32], 3).unwrap();
        let text = refusal(open(&sealed, &site(5), study, [7; 32], 1));
        assert!(text.contains("another study"), "{text}");
        let text = refusal(open(&sealed, &site(5), scope, [8; 32], 1));
        assert!(text.contains("other keys"), "{text}");
        let text = refusal(open(&sealed, &site(5), scope, [7; 32], 0));
        assert!(text.contains("another key holder"), "{text}");
        let text = refusal(open(&sealed, &site(6), scope, [7; 32], 1));
        assert!(text.contains("another site's key"), "{text}");
        let text = refusal(open(&sealed[..SEALED - 1], &site(5), scope, [7; 32], 1));
        assert!(text.contains("cut short"), "{text}");
    }

    #[test]
    fn a_flipped_bit_anywhere_is_refused() {
        let scope = Scope::new([1; 32], 3).unwrap();
        let sealed = seal(&share(scope), &site(5)).unwrap();
        for at in [0, 20, 50, 80, HEADER - 1, HEADER, HEADER + SALT, HEADER + 60, SEALED - 1] {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(open(&altered, &site(5), scope, [7; 32], 1).is_err(), "byte {at}");
        }
    }

    #[test]
    fn debug_shows_no_word() {
        let scope = Scope::new([1; 32], 3).unwrap();
        assert_eq!(format!("{:?}", share(scope)), "KeyShare(2 of 3)");
    }
}
