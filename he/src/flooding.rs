//! How much noise a partial decryption needs, and how much it may have.
//!
//! A squashed ciphertext `(a, b)` in Z_q, q = 2^128, satisfies `b - <a, s> = D m + e` with m of four
//! bits, a bit of padding above, so D = 2^123, and `|e| <= B`. Key holder i of n with share `s_i`
//! publishes
//!
//! ```text
//! p_i = <a, s_i> + f_i        f_i uniform in [-F, F)
//! ```
//!
//! and `b - sum p_i = D m + e - sum f_i` is rounded to the nearest multiple of D.
//!
//! **Correct** as long as `B + n F < D / 2 = 2^122`: always then, not only with high probability.
//!
//! **Private.** Let all but holder h pool what they know, with the receiver. Shares of the others are
//! uniform and independent of s, so whoever knows m can make them up, and with them
//! `p_h = b - sum of the others - D m - e + f_h`. Without e he writes f' for `f_h - e`; the two are
//! apart by the statistical distance of a uniform variable and the same shifted by e, `|e| / 2F`. For
//! all K ciphertexts of a plan together at most `K B / 2F`, which has to be below 2^-40:
//!
//! ```text
//! F = 2^(log2 B + 39 + ceil(log2 K))        so  K B / 2F <= 2^-40
//! ```
//!
//! The method is that of Noah's Ark (Dahl et al., ePrint 2023/815), with an additive sharing among all
//! in place of a threshold sharing. B = 2^70 is what the makers of the library use in their own threshold
//! decryption (`LOG_B_SWITCH_SQUASH` in zama-ai/kms). An estimate from the parameters says how far it is from what happens. A
//! bootstrapping is 918 external products with 3 levels of 24 bits, (k + 1) N = 6144 coefficients:
//!
//! - fresh noise TUniform(30), standard deviation 2^29.2, times digits of standard deviation 2^22.2:
//!   sqrt(3 * 6144) * 2^51.4 = 2^58.5 a product, 2^63.4 in all;
//! - what lies below 72 bits is dropped, uniform in +-2^55, times up to 4096 bits of key of which half are
//!   1: sqrt(2048) * 2^54.2 = 2^59.7 a product, 2^64.6 in all;
//! - the transform with twice 53 bits adds less than either.
//!
//! Together 2^65, so that B is 32 standard deviations: beyond it lies less than 2^-700. A test looks at
//! the noise of real ciphertexts.
//!
//! **Room.** `n F + B < 2^122` with F = 2^109 K leaves `n K <= 2^12`: three holders decrypt 1024
//! ciphertexts (of four bits) under one plan, two 2048. A plan that needs more is refused.

use crate::{Error, Result, keys::MAX_HOLDERS};

/// `log2 B`, the bound of noise after squashing.
pub const SQUASHED_NOISE_BITS: u32 = 70;
/// Statistical distance of a whole plan is at most `2^-STATISTICAL_BITS`.
pub const STATISTICAL_BITS: u32 = 40;
/// `log2 D`: a message of four bits under one bit of padding.
pub const SCALE_BITS: u32 = 123;

/// Noise of the partial decryptions of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flooding {
    bits: u32,
    holders: usize,
    blocks: usize,
}

impl Flooding {
    /// The noise for `blocks` ciphertexts in all, and so many key holders.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no room: see the module's text.
    pub fn new(holders: usize, blocks: usize) -> Result<Self> {
        if !(2..=MAX_HOLDERS).contains(&holders) {
            return Err(Error::Input(format!("{holders} key holders; 2 to {MAX_HOLDERS} can be")));
        }
        let count = blocks.max(1).checked_next_power_of_two().map_or(64, usize::trailing_zeros);
        let bits = SQUASHED_NOISE_BITS + STATISTICAL_BITS - 1 + count;
        let half = 1u128 << (SCALE_BITS - 1);
        let all = (holders as u128)
            .checked_mul(1u128.checked_shl(bits).unwrap_or(u128::MAX))
            .and_then(|all| all.checked_add(1 << SQUASHED_NOISE_BITS));
        if all.is_none_or(|all| all >= half) {
            return Err(Error::Input(format!(
                "{blocks} ciphertexts of one plan for {holders} key holders leave no room for noise; \
                 ask for fewer cells at once"
            )));
        }
        Ok(Self { bits, holders, blocks })
    }

    /// `log2 F`: each summand is uniform in `-2^bits .. 2^bits`.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// `log2` of a bound on the plan's statistical distance, rounded up.
    pub fn distance_bits(self) -> i64 {
        let blocks = self.blocks.max(1).next_power_of_two().trailing_zeros();
        i64::from(SQUASHED_NOISE_BITS + blocks) - i64::from(self.bits) - 1
    }

    /// Number of key holders.
    pub fn holders(self) -> usize {
        self.holders
    }

    /// Number of ciphertexts.
    pub fn blocks(self) -> usize {
        self.blocks
    }

    /// Most of what is left of a ciphertext beside its message, in absolute value: `B + n F`.
    pub(crate) fn largest(self) -> u128 {
        (self.holders as u128) * (1 << self.bits) + (1 << SQUASHED_NOISE_BITS)
    }

    /// A summand from uniformly random bits.
    pub(crate) fn sample(self, random: u128) -> u128 {
        (random >> (127 - self.bits)).wrapping_sub(1 << self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_allowed_plan_stays_below_the_distance_and_decrypts_correctly() {
        for holders in 2..=MAX_HOLDERS {
            for blocks in 1..=4100 {
                let Ok(flooding) = Flooding::new(holders, blocks) else { continue };
                assert!(flooding.distance_bits() <= -i64::from(STATISTICAL_BITS));
                // K B / 2F <= 2^-40, exactly.
                let exact = (blocks as f64).log2() + 70.0 - f64::from(flooding.bits()) - 1.0;
                assert!(exact <= -40.0, "{holders} {blocks}: {exact}");
                let most = holders as u128 * (1 << flooding.bits()) + (1 << SQUASHED_NOISE_BITS);
                assert!(most < 1 << (SCALE_BITS - 1), "{holders} {blocks}");
            }
        }
    }

    #[test]
    fn room_is_as_stated() {
        assert!(Flooding::new(3, 1024).is_ok());
        assert!(Flooding::new(3, 2048 + 1).is_err());
        assert!(Flooding::new(2, 2048).is_ok());
        assert!(Flooding::new(MAX_HOLDERS, 64).is_ok());
        assert!(Flooding::new(2, usize::MAX).is_err());
        assert!(Flooding::new(1, 1).is_err());
    }

    #[test]
    fn samples_fill_their_range() {
        let flooding = Flooding::new(3, 100).unwrap();
        let bound = 1i128 << flooding.bits();
        assert_eq!(flooding.sample(0) as i128, -bound);
        assert_eq!(flooding.sample(u128::MAX) as i128, bound - 1);
    }
}
