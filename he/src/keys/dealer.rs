//! [`Dealer`]: a named party that makes all keys and forgets them.

use std::thread;

use tfhe::{
    ClientKey, CompressedCompactPublicKey, CompressedServerKey, Tag,
    core_crypto::{
        commons::math::random::{DefaultRandomGenerator, RandomGenerator, Seed},
        prelude::{LweCiphertextCount, LweSecretKey},
    },
    integer,
    shortint::{CompactPrivateKey, client_key::atomic_pattern::AtomicPatternClientKey},
    zk::{CompactPkeCrs, ZkMSBZeroPaddingBitCount},
};
use zeroize::{Zeroize, Zeroizing};

use super::{KeyShare, KeySource, Origin, PublicKeys, Scope};
use crate::{
    Error, Result,
    input::PROOF_MESSAGES,
    parameters::{DIGIT_ZERO_BITS, ENCRYPT, PLAINTEXTS, config, fix_transform},
};

/// Makes the keys of a study.
///
/// # Security
/// It sees the whole secret key while it works, and could decrypt everything and forge proofs. It
/// must be believed to forget: it wipes what it can reach (all secret keys and shares). Copies that
/// the library makes while it generates keys cannot be reached, so a dealer should be a process
/// that ends once the shares are handed out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dealer;

/// What a dealer hands out: the public keys to everybody, to every key holder its share.
pub struct Dealt {
    public: PublicKeys,
    shares: Vec<Option<KeyShare>>,
}

impl Dealer {
    /// Makes keys for a study. It takes half a minute of two cores and 2.2 GB of memory.
    ///
    /// # Errors
    /// [`Error::Randomness`]; [`Error::Setup`] if the library refuses its own parameters.
    pub fn deal(self, scope: Scope) -> Result<Dealt> {
        fix_transform();
        // The library's generators live as long as their thread.
        let made = thread::scope(|threads| threads.spawn(|| deal(scope)).join());
        made.map_err(|_| Error::Setup("key generation failed".into()))?
    }
}

fn deal(scope: Scope) -> Result<Dealt> {
    let client = ClientKey::generate(config());
    let server = CompressedServerKey::new(&client);
    let crs = reference_string()?;
    let (encryption, secret) = secrets(client)?;
    let public = PublicKeys::new(scope, Origin::Dealer, server, encryption, crs)?;
    let shares = split(scope, public.digest(), secret)?;
    Ok(Dealt { public, shares: shares.into_iter().map(Some).collect() })
}

/// What proofs of encryption are made and checked with: every message is a digit below 4.
pub(crate) fn reference_string() -> Result<CompactPkeCrs> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|_| Error::Randomness)?;
    let seed = Seed(u128::from_le_bytes(seed));
    CompactPkeCrs::new(
        ENCRYPT.encryption_lwe_dimension,
        LweCiphertextCount(PROOF_MESSAGES),
        ENCRYPT.encryption_noise_distribution,
        ENCRYPT.ciphertext_modulus,
        PLAINTEXTS,
        ZkMSBZeroPaddingBitCount(DIGIT_ZERO_BITS),
        &mut RandomGenerator::<DefaultRandomGenerator>::new(seed),
    )
    .map_err(|error| Error::Setup(error.to_string()))
}

/// The key that sites encrypt under and the key that decrypts squashed ciphertexts; wipes all others.
fn secrets(client: ClientKey) -> Result<(CompressedCompactPublicKey, Zeroizing<Vec<u128>>)> {
    let (compute, _, _, squash, ..) = client.into_raw_parts();
    let AtomicPatternClientKey::Standard(keys) = compute.into_raw_parts().atomic_pattern else {
        return Err(Error::Setup("keys of another kind were made".into()));
    };
    let (big, small, ..) = keys.into_raw_parts();
    small.into_container().zeroize();
    let big = Zeroizing::new(big.into_container());
    let private =
        CompactPrivateKey::from_raw_parts(LweSecretKey::from_container(big.as_slice()), ENCRYPT)
            .map_err(|error| Error::Setup(error.to_string()))?;
    let private = integer::CompactPrivateKey::from_raw_parts(private);
    let encryption = integer::CompressedCompactPublicKey::new(&private);
    let encryption = CompressedCompactPublicKey::from_raw_parts(encryption, Tag::default());
    let squash = squash.ok_or_else(|| Error::Setup("no key for squashing was made".into()))?;
    let (key, _) = squash.into_raw_parts().into_raw_parts();
    Ok((encryption, Zeroizing::new(key.into_container())))
}

/// `secret = s_1 + ... + s_n` in Z_2^128, all but the last uniformly random.
fn split(scope: Scope, keys: [u8; 32], mut last: Zeroizing<Vec<u128>>) -> Result<Vec<KeyShare>> {
    let mut shares = Vec::with_capacity(scope.holders);
    let mut bytes = Zeroizing::new(vec![0; last.len() * 16]);
    for holder in 0..scope.holders - 1 {
        getrandom::fill(&mut bytes).map_err(|_| Error::Randomness)?;
        let words = bytes.as_chunks().0.iter().map(|word| u128::from_le_bytes(*word));
        let words = Zeroizing::new(words.collect::<Vec<_>>());
        for (left, word) in last.iter_mut().zip(words.iter()) {
            *left = left.wrapping_sub(*word);
        }
        shares.push(KeyShare::new(scope, keys, holder, words)?);
    }
    shares.push(KeyShare::new(scope, keys, scope.holders - 1, last)?);
    Ok(shares)
}

impl KeySource for Dealt {
    fn origin(&self) -> Origin {
        Origin::Dealer
    }

    fn public(&self) -> &PublicKeys {
        &self.public
    }

    fn share(&mut self, holder: usize) -> Result<KeyShare> {
        let share = self.shares.get_mut(holder).and_then(Option::take);
        share.ok_or_else(|| Error::Key(format!("no share of key holder {holder} is left")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_key_and_fewer_do_not() {
        for holders in [2, 3, 7] {
            let scope = Scope::new([9; 32], holders).unwrap();
            let key: Vec<u128> = (0..KeyShare::WORDS).map(|i| (i % 3 == 0).into()).collect();
            let shares = split(scope, [1; 32], Zeroizing::new(key.clone())).unwrap();
            assert_eq!(shares.len(), holders);
            let sum = |shares: &[KeyShare]| -> Vec<u128> {
                let word =
                    |i: usize| shares.iter().fold(0u128, |s, k| s.wrapping_add(k.words()[i]));
                (0..KeyShare::WORDS).map(word).collect()
            };
            assert_eq!(sum(&shares), key);
            // What lacks one share is spread over the whole ring: its top bit is a fair coin.
            for missing in 0..holders {
                let mut others: Vec<u128> = sum(&shares);
                let own = shares[missing].words();
                others.iter_mut().zip(own).for_each(|(all, own)| *all = all.wrapping_sub(*own));
                let ones = others.iter().filter(|word| *word >> 127 == 1).count();
                // 4096 coins: 32 is one standard deviation.
                assert!(ones.abs_diff(KeyShare::WORDS / 2) < 8 * 32, "{ones} of 4096");
            }
        }
    }

    #[test]
    fn a_scope_has_at_least_two_holders() {
        assert!(Scope::new([0; 32], 1).is_err());
        assert!(Scope::new([0; 32], super::super::MAX_HOLDERS + 1).is_err());
    }
}
