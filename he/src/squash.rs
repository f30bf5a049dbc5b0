//! Noise squashing: from blocks in Z_2^64 to ciphertexts in Z_2^128 with so little noise that flooding
//! drowns it.

use std::{fmt, sync::Mutex};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tfhe::{integer::RadixCiphertext, shortint::Ciphertext};

use crate::{
    Error, EvaluationKeys, KeyShare, Result,
    evaluate::{Count, side_by_side},
    summary::Summary,
};

/// Words of one squashed ciphertext: a mask of 4096 and a body.
pub(crate) const WORDS: usize = KeyShare::WORDS + 1;
/// Bytes of one squashed ciphertext.
pub const SQUASHED_BYTES: usize = WORDS * 16;
/// Most squashed ciphertexts of one plan; see [`crate::flooding`] for what a plan's noise allows.
pub(crate) const MOST: usize = 1 << 14;

/// Squashed ciphertexts, four bits each: what key holders decrypt. Two are equal if the words are.
#[derive(Clone)]
pub struct Squashed {
    pub(crate) blocks: Vec<Vec<u128>>,
    /// What they were evaluated from, if that happened in this process.
    statement: Option<[u8; 32]>,
}

pub(crate) fn squash(
    keys: &EvaluationKeys,
    blocks: &[Ciphertext],
    statement: [u8; 32],
    threads: usize,
    count: &Count,
) -> Result<Squashed> {
    let pairs: Vec<(usize, RadixCiphertext)> =
        blocks.chunks(2).map(|pair| RadixCiphertext::from(pair.to_vec())).enumerate().collect();
    let done: Vec<Mutex<Option<Vec<u128>>>> = pairs.iter().map(|_| Mutex::default()).collect();
    side_by_side(threads, &pairs, count, |(at, pair)| {
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
        .map(|blocks| Squashed::new(blocks, Some(statement)))
        .ok_or_else(|| Error::Setup("squashing gave a ciphertext of another size".into()))
}

/// Bytes of so many squashed ciphertexts.
pub(crate) fn bytes(count: usize) -> u64 {
    8 + (count * SQUASHED_BYTES) as u64
}

/// SHA-256 of every ciphertext.
pub(crate) fn block_digests(squashed: &Squashed) -> Vec<[u8; 32]> {
    squashed.blocks.par_iter().map(|block| hash(block).finalize().into()).collect()
}

fn hash(words: &[u128]) -> Sha256 {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.to_le_bytes());
    }
    hash
}

impl Squashed {
    pub(crate) fn new(blocks: Vec<Vec<u128>>, statement: Option<[u8; 32]>) -> Self {
        Self { blocks, statement }
    }

    /// What this process evaluated them from (see [`crate::statement`]); none if they were received.
    pub fn statement(&self) -> Option<[u8; 32]> {
        self.statement
    }

    /// Number of ciphertexts.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether nothing is to be decrypted.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// What the receiver needs of them.
    pub fn summary(&self) -> Summary {
        let masks = self.blocks.par_iter().map(|block| {
            let mask = block.split_last().map_or(&[][..], |(_, mask)| mask);
            hash(mask).finalize()
        });
        let mut all = Sha256::new();
        masks.collect::<Vec<_>>().iter().for_each(|mask| all.update(mask));
        let body = |block: &Vec<u128>| block.last().copied().unwrap_or(0);
        Summary::new(all.finalize().into(), self.blocks.iter().map(body).collect())
    }

    /// Digest over number, masks and bodies of all ciphertexts, in order: [`Summary::digest`].
    pub fn digest(&self) -> [u8; 32] {
        self.summary().digest()
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

    /// Reads what this party evaluated itself from `statement`, and kept since: [`Squashed::to_bytes`].
    ///
    /// # Errors
    /// [`Error::Rejected`] if there are not exactly `due` ciphertexts.
    ///
    /// # Security
    /// For bytes from this party's own store alone. What was received, and is read with this, would
    /// pass for evaluated here.
    pub fn kept(bytes: &[u8], due: usize, statement: [u8; 32]) -> Result<Self> {
        let read = Self::from_bytes(bytes, due, "this party's own store")?;
        Ok(Self { statement: Some(statement), ..read })
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
        Ok(Self::new(words.chunks_exact(WORDS).map(<[u128]>::to_vec).collect(), None))
    }
}

impl PartialEq for Squashed {
    fn eq(&self, other: &Self) -> bool {
        self.blocks == other.blocks
    }
}

impl Eq for Squashed {}

impl fmt::Debug for Squashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Squashed({} ciphertexts)", self.len())
    }
}
