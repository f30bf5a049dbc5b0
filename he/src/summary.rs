//! [`Summary`]: what the receiver needs of squashed ciphertexts to add up parts.

use sha2::{Digest, Sha256};

use crate::{Error, Result, squash::MOST};

/// Bytes of a summary's part for one ciphertext.
pub const BODY_BYTES: usize = 16;

/// The bodies of all squashed ciphertexts, and a digest of their masks: 16 bytes a ciphertext in place
/// of 64 KiB.
///
/// [`Summary::digest`] is the digest of the ciphertexts, masks and bodies alike. A key holder's part
/// begins with it, so that an evaluator that gives other bodies to the receiver is found out by the
/// first part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    masks: [u8; 32],
    bodies: Vec<u128>,
}

impl Summary {
    pub(crate) fn new(masks: [u8; 32], bodies: Vec<u128>) -> Self {
        Self { masks, bodies }
    }

    /// Number of ciphertexts.
    pub fn len(&self) -> usize {
        self.bodies.len()
    }

    /// Whether nothing is to be decrypted.
    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    pub(crate) fn bodies(&self) -> &[u128] {
        &self.bodies
    }

    /// Digest of the ciphertexts: SHA-256 over their number, the digest of all masks, and all bodies.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"tacit homomorphic result v1");
        hash.update((self.len() as u64).to_le_bytes());
        hash.update(self.masks);
        for body in &self.bodies {
            hash.update(body.to_le_bytes());
        }
        hash.finalize().into()
    }

    /// The digest of the masks, then all bodies, little endian: 32 bytes and [`BODY_BYTES`] each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bodies = self.bodies.iter().flat_map(|body| body.to_le_bytes());
        self.masks.into_iter().chain(bodies).collect()
    }

    /// Reads what `party` sent, of which `due` ciphertexts are expected.
    ///
    /// # Errors
    /// [`Error::Rejected`] if there are not exactly so many.
    pub fn from_bytes(bytes: &[u8], due: usize, party: &str) -> Result<Self> {
        let wrong = || {
            let what = format!("{} bytes, due is a summary of {due} ciphertexts", bytes.len());
            Error::rejected(party, what)
        };
        let (masks, bodies) = bytes.split_first_chunk().ok_or_else(wrong)?;
        if due > MOST || bodies.len() != due * BODY_BYTES {
            return Err(wrong());
        }
        let bodies = bodies.as_chunks().0.iter().map(|body| u128::from_le_bytes(*body));
        Ok(Self { masks: *masks, bodies: bodies.collect() })
    }
}

/// Bytes of a summary of so many ciphertexts.
pub(crate) fn bytes(count: usize) -> u64 {
    32 + (count * BODY_BYTES) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Squashed, squash::WORDS};

    #[test]
    fn a_summary_comes_back_and_its_digest_holds_masks_and_bodies() {
        let blocks: Vec<Vec<u128>> = (0..3).map(|i| vec![i; WORDS]).collect();
        let squashed = Squashed::new(blocks.clone(), None);
        let summary = squashed.summary();
        assert_eq!(summary.digest(), squashed.digest());
        assert_eq!(summary.to_bytes().len() as u64, bytes(3));
        let back = Summary::from_bytes(&summary.to_bytes(), 3, "evaluator").unwrap();
        assert_eq!(back, summary);
        for at in [0, WORDS / 2, WORDS - 1] {
            let mut altered = blocks.clone();
            altered[1][at] ^= 1 << 100;
            assert_ne!(Squashed::new(altered, None).digest(), squashed.digest(), "word {at}");
        }
        let mut altered = summary.to_bytes();
        altered[40] ^= 1;
        let altered = Summary::from_bytes(&altered, 3, "evaluator").unwrap();
        assert_ne!(altered.digest(), summary.digest());
    }

    #[test]
    fn a_summary_of_another_size_is_refused() {
        let summary = Squashed::new(vec![vec![1; WORDS]; 2], None).summary().to_bytes();
        for (bytes, due) in
            [(&summary[..], 3), (&summary[..63], 2), (&[][..], 0), (&summary, usize::MAX)]
        {
            let text = Summary::from_bytes(bytes, due, "evaluator").unwrap_err().to_string();
            assert!(text.contains("refused from evaluator"), "{text}");
            assert!(text.contains(&format!("a summary of {due}")), "{text}");
        }
    }
}
