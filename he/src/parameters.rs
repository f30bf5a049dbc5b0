//! The one parameter set, and what makes its arithmetic repeatable.
//!
//! Blocks hold two bits of message and two of carry; all noise is TUniform, which noise flooding and
//! the proofs of encryption need; a bootstrapping fails with probability below 2^-128. Security is at
//! least 128 bits classical (the makers' estimates, `tfhe::shortint::parameters`).

use std::sync::Once;

use sha2::{Digest, Sha256};
use tfhe::{
    Config, ConfigBuilder,
    core_crypto::{
        fft_impl::{
            fft64::math::{
                fft::{Fft, FftAlgo, Method, Plan, setup_custom_fft_plan},
                polynomial::FourierPolynomial,
            },
            fft128::math::fft::Fft128,
        },
        prelude::{ComputationBuffers, Polynomial, PolynomialSize},
    },
    shortint::{
        AtomicPatternKind, ClassicPBSParameters, PBSOrder,
        parameters::{
            CompactCiphertextListExpansionKind, CompactPublicKeyEncryptionParameters,
            NoiseSquashingParameters,
            v1_8::{
                classic::tuniform::p_fail_2_minus_128::ks_pbs::V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
                compact_public_key_only::p_fail_2_minus_128::ks_pbs::V1_8_PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
                noise_squashing::p_fail_2_minus_128::V1_8_NOISE_SQUASHING_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
            },
        },
    },
};

/// What ciphertexts are computed on. Pinned to a version: an alias would move with the crate.
pub(crate) const COMPUTE: ClassicPBSParameters = V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
/// What sites encrypt with, and prove by the second scheme. Dimension and noise are those of the key of
/// computation, and it is that key: what a site sends can be added to results at once, without a
/// bootstrapping for every digit that brings it to another key.
pub(crate) const ENCRYPT: CompactPublicKeyEncryptionParameters =
    CompactPublicKeyEncryptionParameters {
        expansion_kind: CompactCiphertextListExpansionKind::NoCasting(AtomicPatternKind::Standard(
            PBSOrder::KeyswitchBootstrap,
        )),
        ..V1_8_PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128
    };
/// Bits at the top of an encrypted digit that a proof shows to be 0: padding and carries, so that a digit
/// is below 4.
pub(crate) const DIGIT_ZERO_BITS: u64 = 3;
/// Messages of a block with carries and padding.
pub(crate) const PLAINTEXTS: u64 = 32;
/// From Z_2^64 to Z_2^128, with so little noise that flooding has room.
pub(crate) const SQUASH: NoiseSquashingParameters =
    V1_8_NOISE_SQUASHING_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;

/// Message bits of one block.
pub const BLOCK_BITS: u32 = 2;
/// Name of the parameter set: part of the digest of a set of keys.
pub const PARAMETERS: &str =
    "tfhe-1.8 2_2 ks_pbs tuniform 2^-128, pke zkv2 digits 2, squash k=2 N=2048 l=3";

/// Name of how what is opened lies in squashed ciphertexts (see `squash.rs` and `program/layout.rs`): two
/// builds with different ones would read each other's results wrongly.
pub(crate) const ENCODING: &str = "5 bits, D = 2^123, digits 2 and a bit, layout 1";

/// The configuration that keys are generated from and checked against.
pub(crate) fn config() -> Config {
    ConfigBuilder::with_custom_parameters(COMPUTE).enable_noise_squashing(SQUASH).build()
}

/// Fixes the plan of the transform in Z_2^64, before anything is transformed in this process.
///
/// `tfhe` measures several plans the first time it needs one and keeps the fastest, so that two
/// processes may round differently. Here it is always radix 16 over blocks of 512, which is within
/// the noise of the fastest where it was measured. The transform in Z_2^128 has one plan only.
pub fn fix_transform() {
    static FIXED: Once = Once::new();
    FIXED.call_once(|| {
        let size = COMPUTE.polynomial_size.to_fourier_polynomial_size().0;
        let method = Method::UserProvided { base_algo: FftAlgo::Dif16, base_n: 512 };
        setup_custom_fft_plan(Plan::new(size, method));
    });
}

/// A digest of what this machine's transforms make of fixed input, and of the encoding of what is opened:
/// parties whose digests differ round differently (another vector unit, another compiler) or are other
/// builds, and would not agree on ciphertexts.
///
/// It takes about a millisecond, and shows no secret.
pub fn arithmetic() -> [u8; 32] {
    fix_transform();
    let mut hash = Sha256::new();
    hash.update(PARAMETERS);
    hash.update(ENCODING);
    let size = COMPUTE.polynomial_size;
    fourier_64(size, &mut hash);
    fourier_128(size, &mut hash);
    hash.finalize().into()
}

/// A polynomial that looks random and is the same everywhere: Knuth's multiplier, twice a word.
fn polynomial<T: From<u64> + std::ops::Shl<u32, Output = T> + std::ops::BitOr<Output = T>>(
    size: usize,
    shift: u32,
) -> Vec<T> {
    let word = |i: u64| i.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1 << 63 | 0x5bd1);
    (1..=size as u64).map(|i| T::from(word(i)) << shift | T::from(word(!i))).collect()
}

fn fourier_64(size: PolynomialSize, hash: &mut Sha256) {
    let input = Polynomial::from_container(polynomial::<u64>(size.0, 0));
    let fft = Fft::new(size);
    let fft = fft.as_view();
    let mut buffers = ComputationBuffers::new();
    let scratch = fft.forward_scratch().and(fft.backward_scratch());
    buffers.resize(scratch.unaligned_bytes_required());
    let mut fourier = FourierPolynomial::new(size);
    fft.forward_as_torus(fourier.as_mut_view(), input.as_view(), buffers.stack());
    for value in &*fourier.data {
        hash.update(value.re.to_le_bytes());
        hash.update(value.im.to_le_bytes());
    }
    let mut back = Polynomial::new(0u64, size);
    fft.backward_as_torus(back.as_mut_view(), fourier.as_view(), buffers.stack());
    back.as_ref().iter().for_each(|word| hash.update(word.to_le_bytes()));
}

fn fourier_128(size: PolynomialSize, hash: &mut Sha256) {
    let input = polynomial::<u128>(size.0, 64);
    let fft = Fft128::new(size);
    let fft = fft.as_view();
    let mut parts = vec![vec![0f64; size.0 / 2]; 4];
    if let [re0, re1, im0, im1] = parts.as_mut_slice() {
        fft.forward_as_torus(re0, re1, im0, im1, &input);
    }
    parts.iter().flatten().for_each(|value| hash.update(value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_encrypt_under_the_key_of_computation_with_its_noise() {
        let size = COMPUTE.glwe_dimension.0 * COMPUTE.polynomial_size.0;
        assert_eq!(ENCRYPT.encryption_lwe_dimension.0, size);
        assert_eq!(ENCRYPT.encryption_noise_distribution, COMPUTE.glwe_noise_distribution);
        assert_eq!(
            (ENCRYPT.message_modulus, ENCRYPT.carry_modulus),
            (COMPUTE.message_modulus, COMPUTE.carry_modulus)
        );
    }

    #[test]
    fn arithmetic_is_the_same_each_time() {
        assert_eq!(arithmetic(), arithmetic());
    }
}
