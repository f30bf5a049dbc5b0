//! A secret with the holder of a public key, who need not be there: for what is sealed to a party.
//!
//! Every party has one key, of Ed25519, and the study pins it. Its Montgomery form serves X25519
//! (RFC 7748): the curve is the same, written in other coordinates, and libsodium and
//! `ed25519-dalek` convert in this way. The sender makes an ephemeral X25519 key, and
//!
//! ```text
//! shared = X25519(ephemeral secret, recipient) = X25519(recipient's secret, ephemeral)
//! secret = HKDF-SHA-256(salt: none, input: shared, info: label, ephemeral, recipient)   (RFC 5869)
//! ```
//!
//! Signing and agreeing under one key is sound as long as the secret goes through such a derivation
//! (Thormarker, "On using the same key pair for Ed25519 and an X25519 based KEM", ePrint 2021/509):
//! no signature tells about an agreement, nor the other way round.
//!
//! # Security
//! The recipient learns nothing about who the sender is: what must come from somebody in particular
//! is signed besides. Whoever gets the recipient's key later can open all that was ever sealed to it,
//! and so can a quantum computer that is large enough: X25519 is not post-quantum.

use curve25519_dalek::MontgomeryPoint;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, KeyPair, PublicKey, Result};

/// What the secret is for: a secret for another purpose would have another label.
const LABEL: &[u8] = b"tacit sealed to a party 1\0";

impl PublicKey {
    /// A fresh secret with the holder of this key: the ephemeral public key that the holder needs
    /// to come to the same ([`KeyPair::agree`]), and 32 secret bytes.
    ///
    /// # Errors
    /// [`Error::Key`] if the system has no randomness to give.
    pub fn agree(&self) -> Result<([u8; 32], Zeroizing<[u8; 32]>)> {
        let mut scalar = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *scalar)
            .map_err(|error| Error::Key(format!("the system gives no randomness: {error}")))?;
        let ephemeral = MontgomeryPoint::mul_base_clamped(*scalar).to_bytes();
        let shared = x25519(&scalar, self.to_montgomery())?;
        Ok((ephemeral, derive(&shared, &ephemeral, self)?))
    }
}

impl KeyPair {
    /// The secret that somebody agreed on with this key's public half ([`PublicKey::agree`]).
    ///
    /// Any 32 bytes give some secret, but for the few that hold no point of large order: whether it is
    /// the right one shows where something sealed under it opens.
    ///
    /// # Errors
    /// [`Error::Key`] for an ephemeral key that adds nothing to the secret (RFC 7748, 6.1).
    pub fn agree(&self, ephemeral: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>> {
        let scalar = Zeroizing::new(self.to_scalar_bytes());
        let shared = x25519(&scalar, MontgomeryPoint(*ephemeral))?;
        derive(&shared, ephemeral, &self.public())
    }
}

/// X25519 of RFC 7748, section 5; constant time. The scalar is clamped here.
fn x25519(scalar: &[u8; 32], point: MontgomeryPoint) -> Result<Zeroizing<[u8; 32]>> {
    let mut shared = point.mul_clamped(*scalar);
    let bytes = Zeroizing::new(shared.to_bytes());
    shared.zeroize();
    // All bytes are looked at, as section 6.1 asks.
    if bytes.iter().fold(0, |any, byte| any | byte) == 0 {
        let what = "an ephemeral key that adds nothing to the secret: it was not made by tacit";
        return Err(Error::Key(what.to_owned()));
    }
    Ok(bytes)
}

fn derive(
    shared: &[u8; 32],
    ephemeral: &[u8; 32],
    recipient: &PublicKey,
) -> Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, shared)
        .expand_multi_info(&[LABEL, ephemeral, recipient.as_bytes()], &mut *secret)
        .map_err(|_| Error::Key("no secret of that length".to_owned()))?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    fn of(scalar: &str, point: &str) -> [u8; 32] {
        *x25519(&hex(scalar), MontgomeryPoint(hex(point))).unwrap()
    }

    #[test]
    fn x25519_is_that_of_rfc_7748() {
        // Section 5.2.
        let out = of(
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        );
        assert_eq!(out, hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
        let out = of(
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        );
        assert_eq!(out, hex("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"));
        // Section 6.1.
        let alice = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
        let bob = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
        let of_alice = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
        let of_bob = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
        assert_eq!(MontgomeryPoint::mul_base_clamped(hex(alice)).0, hex(of_alice));
        assert_eq!(MontgomeryPoint::mul_base_clamped(hex(bob)).0, hex(of_bob));
        let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!((of(alice, of_bob), of(bob, of_alice)), (shared, shared));
    }

    #[test]
    fn keys_convert_as_in_libsodium() {
        // libsodium, test/default/ed25519_convert.c and .exp.
        let seed = hex("421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee");
        let key = KeyPair::from_seed(&seed);
        let public = hex("f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50");
        assert_eq!(key.public().to_montgomery().to_bytes(), public);
        // There, the secret is given as it is after clamping.
        let mut scalar = key.to_scalar_bytes();
        scalar[0] &= 0xf8;
        scalar[31] = scalar[31] & 0x7f | 0x40;
        let secret = hex("8052030376d47112be7f73ed7a019293dd12ad910b654455798b4667d73de166");
        assert_eq!(scalar, secret);
    }

    #[test]
    fn the_secret_is_the_one_that_another_program_computes() {
        // The ephemeral key of RFC 7748, 6.1 (Alice), libsodium's seed, and RFC 5869 computed with
        // Python's `hmac`.
        let seed = hex("421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee");
        let ephemeral = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let secret = KeyPair::from_seed(&seed).agree(&ephemeral).unwrap();
        assert_eq!(
            *secret,
            hex("3885152ec7826d9e3872c8d262c1f3ff0f9b0f69f0859288a63949d7d5908d25")
        );
    }

    #[test]
    fn points_of_low_order_are_refused() {
        // RFC 7748, 6.1; the list is that of libsodium's `has_small_order`.
        for low in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            for top in [0, 0x80] {
                let mut ephemeral = hex(low);
                ephemeral[31] |= top;
                let error = KeyPair::from_seed(&[1; 32]).agree(&ephemeral).unwrap_err();
                assert!(error.to_string().contains("adds nothing"), "{low}: {error}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn both_sides_agree_and_nobody_else(seed: [u8; 32], other: [u8; 32], bit in 0_usize..256) {
            let recipient = KeyPair::from_seed(&seed);
            let (ephemeral, secret) = recipient.public().agree().unwrap();
            prop_assert_eq!(&*recipient.agree(&ephemeral).unwrap(), &*secret);
            let (another, fresh) = recipient.public().agree().unwrap();
            prop_assert!(another != ephemeral && *fresh != *secret, "each secret is fresh");
            if other != seed {
                prop_assert_ne!(&*KeyPair::from_seed(&other).agree(&ephemeral).unwrap(), &*secret);
            }
            // The top bit is none of X25519's, but the derivation sees it.
            let mut altered = ephemeral;
            altered[bit / 8] ^= 1 << (bit % 8);
            if let Ok(altered) = recipient.agree(&altered) {
                prop_assert_ne!(&*altered, &*secret);
            }
        }

        #[test]
        fn any_bytes_are_an_ephemeral_key_or_an_error(bytes: [u8; 32]) {
            let _ = KeyPair::from_seed(&[1; 32]).agree(&bytes);
        }
    }
}
