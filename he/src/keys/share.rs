//! [`KeyShare`]: one holder's summand of the decryption key.

use std::fmt;

use zeroize::Zeroizing;

use super::Scope;
use crate::{Error, Result};

/// One key holder's additive share of the decryption key: 4096 words of Z_2^128, 64 KiB.
///
/// # Security
/// It is wiped on drop, cannot be cloned, and `Debug` shows whose it is alone.
pub struct KeyShare {
    scope: Scope,
    keys: [u8; 32],
    holder: usize,
    words: Zeroizing<Vec<u128>>,
}

impl KeyShare {
    /// Number of words of a share.
    pub const WORDS: usize = 2 * 2048;

    pub(crate) fn new(
        scope: Scope,
        keys: [u8; 32],
        holder: usize,
        words: Zeroizing<Vec<u128>>,
    ) -> Result<Self> {
        if holder >= scope.holders || words.len() != Self::WORDS {
            return Err(Error::Key("it is not of these keys' size".into()));
        }
        Ok(Self { scope, keys, holder, words })
    }

    /// What the keys were made for.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Digest of the public keys that it belongs to.
    pub fn keys(&self) -> [u8; 32] {
        self.keys
    }

    /// Which key holder's it is, from 0.
    pub fn holder(&self) -> usize {
        self.holder
    }

    pub(crate) fn words(&self) -> &[u128] {
        &self.words
    }
}

impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyShare({} of {})", self.holder + 1, self.scope.holders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::SQUASH;

    #[test]
    fn a_share_is_wiped_when_it_is_dropped() {
        fn wiped(_: &impl zeroize::ZeroizeOnDrop) {}
        let scope = Scope::new([0; 32], 2).unwrap();
        let words = Zeroizing::new(vec![7; KeyShare::WORDS]);
        let share = KeyShare::new(scope, [0; 32], 0, words).unwrap();
        wiped(&share.words);
    }

    #[test]
    fn a_share_is_as_long_as_the_key() {
        assert_eq!(KeyShare::WORDS, SQUASH.glwe_dimension().0 * SQUASH.polynomial_size().0);
    }
}
