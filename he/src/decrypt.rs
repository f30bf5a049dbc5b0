//! Decrypting: a partial decryption of every key holder, to the receiver alone, who adds them up.
//!
//! See [`crate::flooding`] for the equation and how much noise hides what about the key. A partial
//! decryption that is wrong cannot be told from a right one in an n-of-n sharing without proofs; the
//! result is then garbage. Redundancy in a plan (a check value that is known) catches accidents.

use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::{
    Error, KeyShare, Result,
    flooding::{Flooding, SCALE_BITS},
    guard::Permit,
    squash::Squashed,
};

/// Bytes of a partial decryption of one ciphertext.
pub const PARTIAL_BYTES: usize = 16;

/// One key holder's part of the decryption of all ciphertexts of a plan.
pub struct Partial {
    holder: usize,
    digest: [u8; 32],
    words: Vec<u128>,
}

/// `p = <a, s_i> + f_i` for every ciphertext. A [`Permit`] is used up by it.
///
/// Cost: 4096 products in Z_2^128 a ciphertext, some microseconds; 16 bytes a ciphertext to send.
///
/// # Errors
/// [`Error::Setup`] if the share belongs to other keys than the permit; [`Error::Refused`] if the
/// ciphertexts are not those of the permit; [`Error::Input`] if they are too many;
/// [`Error::Randomness`].
///
/// # Security
/// The noise is fresh from the system for every ciphertext. Decrypting the same ciphertext many times
/// would average it away, which is why a permit exists once.
pub fn partial(share: &KeyShare, permit: Permit, squashed: &Squashed) -> Result<Partial> {
    let digest = squashed.digest();
    let (keys, ciphertexts) = permit.spend();
    if ciphertexts != digest {
        return Err(Error::Refused("these ciphertexts are not the ones that were approved".into()));
    }
    if keys != share.keys() {
        return Err(Error::Setup("the share belongs to other keys than the plan's".into()));
    }
    let flooding = Flooding::new(share.scope().holders, squashed.len())?;
    let mut random = Zeroizing::new(vec![0; squashed.len() * 16]);
    getrandom::fill(&mut random).map_err(|_| Error::Randomness)?;
    let noise = random.as_chunks().0;
    let words = squashed.blocks.par_iter().zip(noise).map(|(block, noise)| {
        let product = block
            .iter()
            .zip(share.words())
            .fold(0u128, |sum, (a, s)| sum.wrapping_add(a.wrapping_mul(*s)));
        product.wrapping_add(flooding.sample(u128::from_le_bytes(*noise)))
    });
    Ok(Partial { holder: share.holder(), digest, words: words.collect() })
}

/// Adds up what all key holders sent: four bits of every ciphertext, the first lowest.
///
/// # Errors
/// [`Error::Input`] unless there is one part of each of `holders`, all of these ciphertexts.
pub fn combine(squashed: &Squashed, holders: usize, partials: &[Partial]) -> Result<Vec<u8>> {
    let digest = squashed.digest();
    for holder in 0..holders {
        let count = partials.iter().filter(|partial| partial.holder == holder).count();
        if count != 1 {
            let what = if count == 0 { "is missing" } else { "is there twice" };
            return Err(Error::Input(format!("the part of key holder {holder} {what}")));
        }
    }
    if partials.len() != holders {
        return Err(Error::Input(format!("{} parts of {holders} key holders", partials.len())));
    }
    for partial in partials {
        if partial.digest != digest || partial.words.len() != squashed.len() {
            let party = format!("key holder {}", partial.holder);
            return Err(Error::rejected(party, "a part of other ciphertexts"));
        }
    }
    let value = |at: usize, block: &Vec<u128>| {
        let body = block.last().copied().unwrap_or(0);
        let noisy =
            partials.iter().fold(body, |left, partial| left.wrapping_sub(partial.words[at]));
        let rounded = noisy.wrapping_add(1 << (SCALE_BITS - 1)) >> SCALE_BITS;
        // The bit above is padding, and 0 unless a part was wrong.
        (rounded & 15) as u8
    };
    Ok(squashed.blocks.iter().enumerate().map(|(at, block)| value(at, block)).collect())
}

/// Bytes of a partial decryption of so many ciphertexts.
pub(crate) fn bytes(count: usize) -> u64 {
    32 + (count * PARTIAL_BYTES) as u64
}

impl Partial {
    /// Whose it is.
    pub fn holder(&self) -> usize {
        self.holder
    }

    /// Digest of the ciphertexts, then a word of 16 bytes for each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.words.iter().flat_map(|word| word.to_le_bytes());
        self.digest.into_iter().chain(words).collect()
    }

    /// Reads what key holder `holder` sent for these ciphertexts.
    ///
    /// # Errors
    /// [`Error::Rejected`] if it is not of their number or for other ciphertexts.
    pub fn from_bytes(bytes: &[u8], holder: usize, squashed: &Squashed) -> Result<Self> {
        let party = || format!("key holder {holder}");
        if bytes.len() != 32 + squashed.len() * PARTIAL_BYTES {
            let what = format!("{} bytes for {} ciphertexts", bytes.len(), squashed.len());
            return Err(Error::rejected(party(), what));
        }
        let digest = squashed.digest();
        let (own, words) = bytes.split_at(32);
        if own != digest {
            return Err(Error::rejected(party(), "a part of other ciphertexts"));
        }
        let words = words.as_chunks().0.iter().map(|word| u128::from_le_bytes(*word));
        Ok(Self { holder, digest, words: words.collect() })
    }
}
