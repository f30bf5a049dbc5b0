//! How much noise a partial decryption needs, and how much it may have.
//!
//! A squashed ciphertext `(a, b)` in Z_q, q = 2^128, satisfies `b - <a, s> = D m + e` with m of five
//! bits (see `he/src/squash.rs`), so D = 2^123, and `|e| <= B`. Key holder i of n with share `s_i`
//! publishes
//!
//! ```text
//! p_i = <a, s_i> + f_i        f_i uniform in [-F, F)
//! ```
//!
//! and `b - sum p_i = D m + e - sum f_i` is rounded to the nearest multiple of D.
//!
//! **Correct** as long as `B + n F < D / 2 = 2^122`: always then, not only with high probability. An
//! eighth of that is left empty, so that garbage, which fills the ring evenly, is noticed (see
//! `he/src/decrypt.rs`): it passes with probability `2 (B + n F) / D` a ciphertext, at most 7/8.
//!
//! **Private.** Let all but holder h pool what they know, with the receiver. Shares of the others are
//! uniform and independent of s, so whoever knows m can make them up, and with them
//! `p_h = b - sum of the others - D m - e + f_h`. Without e he writes f' for `f_h - e`; the two are
//! apart by the statistical distance of a uniform variable and the same shifted by e, `|e| / 2F`. For
//! all K ciphertexts of a plan together at most `K B / 2F`, which has to be at most 2^-40:
//!
//! ```text
//! F = 2^39 K B        so  K B / 2F = 2^-40
//! ```
//!
//! Noise that is random and hidden counts with its mean: with the estimate below, `|e|` is 2^64.7 on
//! average, and the distance of a plan 2^-44.
//!
//! The method is that of Noah's Ark (Dahl et al., ePrint 2023/815), with an additive sharing among all
//! in place of a threshold sharing.
//!
//! **How large B is.** An estimate from the parameters says how large the noise is. A bootstrapping is
//! 918 external products with 3 levels of 24 bits, (k + 1) N = 6144 coefficients:
//!
//! - fresh noise TUniform(30), standard deviation 2^29.2, times digits of standard deviation 2^22.2:
//!   sqrt(3 * 6144) * 2^51.4 = 2^58.5 a product, 2^63.4 in all;
//! - what lies below 72 bits is dropped, uniform in +-2^55, times up to 4096 bits of key of which half are
//!   1: sqrt(2048) * 2^54.2 = 2^59.7 a product, 2^64.6 in all;
//! - the transform with twice 53 bits adds less than either.
//!
//! Together a standard deviation of 2^65, and a sum of so many independent summands is normal as far as
//! that matters: beyond B = 2^69, 16 standard deviations, lies `2 Q(16) < 2 e^-128 / (16 sqrt(2 pi))`,
//! below 2^-180, and below 2^-166 for the 2^14 ciphertexts that a plan can have. That also holds beyond
//! 255/256 B, so that the bound stays below 2^-40 with all that is added to it here. The makers of the library
//! reckon with 2^70 in their own threshold decryption (`LOG_B_SWITCH_SQUASH` in zama-ai/kms). A test
//! looks at the noise of real ciphertexts.
//!
//! **Room.** `n F + B <= 7/8 2^122` with F = 2^108 K leaves `n K < 14336`: two holders decrypt 7167
//! ciphertexts (of five bits) under one plan, three 4778. A plan that needs more is refused.
//!
//! **Sampling.** `[-F, F)` has 2^109 K values: 109 uniform bits, and above them `floor(r K / 2^128)` of
//! 128 others. That is uniform but for a distance of at most `K / 2^130`, all together below 2^-102.

use crate::{Error, Result, keys::MAX_HOLDERS};

/// `log2 B`, the bound of noise after squashing.
pub const SQUASHED_NOISE_BITS: u32 = 69;
/// Statistical distance of a whole plan is at most `2^-STATISTICAL_BITS`.
pub const STATISTICAL_BITS: u32 = 40;
/// `log2 D`: a message of five bits fills the ring.
pub const SCALE_BITS: u32 = 123;
/// The most that may be left of a ciphertext beside its message: seven eighths of `D / 2`.
const ROOM: u128 = 7 << (SCALE_BITS - 4);
/// `log2` of the values that a summand has for each ciphertext of the plan, `2 F / K`.
const RANGE_BITS: u32 = SQUASHED_NOISE_BITS + STATISTICAL_BITS;

/// Noise of the partial decryptions of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flooding {
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
        let flooding = Self { holders, blocks };
        if flooding.checked_largest().is_none_or(|largest| largest > ROOM) {
            return Err(Error::Input(format!(
                "{blocks} ciphertexts of one plan for {holders} key holders leave no room for noise \
                 (at most {} can be); ask for fewer cells at once",
                most(holders)
            )));
        }
        Ok(flooding)
    }

    /// F: each summand is uniform in `-F .. F`.
    pub fn bound(self) -> u128 {
        (self.blocks.max(1) as u128) << (RANGE_BITS - 1)
    }

    /// `log2` of the bound on the plan's statistical distance.
    pub fn distance_bits(self) -> i64 {
        // K B / 2F with 2F = 2^RANGE_BITS K.
        i64::from(SQUASHED_NOISE_BITS) - i64::from(RANGE_BITS)
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
        // It was reckoned when this was made.
        self.checked_largest().unwrap_or(u128::MAX)
    }

    fn checked_largest(self) -> Option<u128> {
        let range = 1u128 << (RANGE_BITS - 1);
        let all = (self.blocks.max(1) as u128).checked_mul(range)?;
        all.checked_mul(self.holders as u128)?.checked_add(1 << SQUASHED_NOISE_BITS)
    }

    /// A summand from twice 128 uniformly random bits.
    pub(crate) fn sample(self, [low, high]: [u128; 2]) -> u128 {
        let blocks = self.blocks.max(1) as u128;
        // The upper 128 of the product's 192 bits; there is no carry beyond u128, as K < 2^14.
        let part = (((high as u64 as u128) * blocks) >> 64) + (high >> 64) * blocks;
        let value = (part >> 64) << RANGE_BITS | low >> (128 - RANGE_BITS);
        value.wrapping_sub(self.bound())
    }
}

/// Most ciphertexts of one plan for so many key holders: those that leave room for noise.
pub fn most(holders: usize) -> usize {
    let each = (holders.max(1) as u128) << (RANGE_BITS - 1);
    ((ROOM - (1 << SQUASHED_NOISE_BITS)) / each) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_allowed_plan_stays_below_the_distance_and_decrypts_correctly() {
        for holders in 2..=MAX_HOLDERS {
            for blocks in 1..=8300 {
                let Ok(flooding) = Flooding::new(holders, blocks) else {
                    assert!(blocks > most(holders));
                    continue;
                };
                assert!(blocks <= most(holders));
                assert!(flooding.distance_bits() <= -i64::from(STATISTICAL_BITS));
                // K B / 2F <= 2^-40, in integers: 2^40 K B <= 2F.
                let distance = (blocks as u128) << (STATISTICAL_BITS + SQUASHED_NOISE_BITS);
                assert!(distance <= 2 * flooding.bound(), "{holders} {blocks}");
                let most = holders as u128 * flooding.bound() + (1 << SQUASHED_NOISE_BITS);
                assert_eq!(most, flooding.largest());
                assert!(most <= (1 << (SCALE_BITS - 1)) / 8 * 7, "{holders} {blocks}");
            }
        }
    }

    #[test]
    fn room_is_as_stated() {
        // 1200 cells of 20 bits and two of status each are 5,280 ciphertexts.
        assert_eq!([2, 3, 4].map(most), [7167, 4778, 3583]);
        assert!(Flooding::new(2, 7167).is_ok() && Flooding::new(2, 7168).is_err());
        assert!(Flooding::new(3, 4778).is_ok() && Flooding::new(3, 4779).is_err());
        assert!(Flooding::new(MAX_HOLDERS, 223).is_ok());
        assert!(Flooding::new(2, usize::MAX).is_err());
        assert!(Flooding::new(1, 1).is_err());
        let text = Flooding::new(3, 6000).unwrap_err().to_string();
        assert!(text.contains("6000") && text.contains("at most 4778"), "{text}");
    }

    #[test]
    fn samples_fill_their_range() {
        for blocks in [1, 100, 4778] {
            let flooding = Flooding::new(3, blocks).unwrap();
            let bound = flooding.bound() as i128;
            assert_eq!(bound, (blocks as i128) << 108);
            assert_eq!(flooding.sample([0; 2]) as i128, -bound);
            assert_eq!(flooding.sample([u128::MAX; 2]) as i128, bound - 1);
        }
    }

    #[test]
    fn samples_are_spread_evenly_over_a_range_that_is_no_power_of_two() {
        let flooding = Flooding::new(3, 3).unwrap();
        let mut random = crate::testing::Random(5);
        let mut word = || u128::from(random.word()) << 64 | u128::from(random.word());
        let mut counts = [0u32; 24];
        for _ in 0..24_000 {
            let place = flooding.sample([word(), word()]).wrapping_add(flooding.bound());
            counts[(place / (flooding.bound() / 12)) as usize] += 1;
        }
        let square: f64 = counts.iter().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
        // Chi-square with 23 degrees of freedom: beyond 60 with probability 4e-5.
        assert!(square < 60.0, "{square}: {counts:?}");
    }
}
