//! Noise squashing: from blocks in Z_2^64 to ciphertexts in Z_2^128 with so little noise that flooding
//! drowns it.

use std::sync::Mutex;

use sha2::{Digest, Sha256};
use tfhe::{integer::RadixCiphertext, shortint::Ciphertext};

use crate::{Error, EvaluationKeys, KeyShare, Result, evaluate::side_by_side};

/// Words of one squashed ciphertext: a mask of 4096 and a body.
pub(crate) const WORDS: usize = KeyShare::WORDS + 1;
/// Bytes of one squashed ciphertext.
pub const SQUASHED_BYTES: usize = WORDS * 16;
/// Most squashed ciphertexts of one plan; see [`crate::flooding`] for what a plan's noise allows.
const MOST: usize = 1 << 14;

/// Squashed ciphertexts, four bits each: what key holders decrypt.
#[derive(Clone, PartialEq, Eq)]
pub struct Squashed {
    pub(crate) blocks: Vec<Vec<u128>>,
}

pub(crate) fn squash(
    keys: &EvaluationKeys,
    blocks: &[Ciphertext],
    threads: usize,
) -> Result<Squashed> {
    let pairs: Vec<(usize, RadixCiphertext)> =
        blocks.chunks(2).map(|pair| RadixCiphertext::from(pair.to_vec())).enumerate().collect();
    let done: Vec<Mutex<Option<Vec<u128>>>> = pairs.iter().map(|_| Mutex::default()).collect();
    side_by_side(threads, &pairs, |(at, pair)| {
        let squashed = keys.squash.squash_radix_ciphertext_noise(&keys.key, pair);
        let squashed = squashed.map_err(|error| Error::Setup(error.to_string()))?;
        let block = squashed.packed_blocks().first();
        let words = block.map(|block| block.lwe_ciphertext().as_ref().to_vec());
        if let Ok(mut place) = done[*at].lock() {
            *place = words;
        }
        Ok(())
    })?;
    let blocks = done.into_iter().map(|place| place.into_inner().ok().flatten());
    let blocks: Option<Vec<Vec<u128>>> = blocks.collect();
    blocks
        .filter(|blocks| blocks.iter().all(|block| block.len() == WORDS))
        .map(|blocks| Squashed { blocks })
        .ok_or_else(|| Error::Setup("squashing gave a ciphertext of another size".into()))
}

/// Bytes of so many squashed ciphertexts.
pub(crate) fn bytes(count: usize) -> u64 {
    8 + (count * SQUASHED_BYTES) as u64
}

impl Squashed {
    /// Number of ciphertexts.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether nothing is to be decrypted.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// SHA-256 over number and words of all ciphertexts, in order.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// Their number, then all words, little endian: 8 bytes and [`SQUASHED_BYTES`] each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.len() * SQUASHED_BYTES);
        bytes.extend_from_slice(&(self.len() as u64).to_le_bytes());
        for word in self.blocks.iter().flatten() {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads what `party` sent, of which `due` ciphertexts are expected.
    ///
    /// # Errors
    /// [`Error::Rejected`] if there are not exactly so many.
    pub fn from_bytes(bytes: &[u8], due: usize, party: &str) -> Result<Self> {
        let length = due.checked_mul(SQUASHED_BYTES).and_then(|n| n.checked_add(8));
        let count = bytes.first_chunk().map(|count| u64::from_le_bytes(*count));
        if due > MOST || length != Some(bytes.len()) || count != Some(due as u64) {
            let what = format!("{} bytes, due are {due} squashed ciphertexts", bytes.len());
            return Err(Error::rejected(party, what));
        }
        let words = bytes[8..].as_chunks().0.iter().map(|word| u128::from_le_bytes(*word));
        let words: Vec<u128> = words.collect();
        Ok(Self { blocks: words.chunks_exact(WORDS).map(<[u128]>::to_vec).collect() })
    }
}
