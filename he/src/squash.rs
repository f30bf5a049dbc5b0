//! Noise squashing: from blocks in Z_2^64 to ciphertexts in Z_2^128 with so little noise that flooding
//! drowns it.
//!
//! A lookup in the library has a bit of padding: what is looked up is below 16, since a bootstrapping
//! makes `-f(m)` of `m + 16`. Here nothing is computed afterwards, so that bit can hold a fifth bit as long
//! as no two of 32 values become the same. With `f(m) = (2 m + 1) D / 2` and D/2 taken away again,
//!
//! ```text
//! m       becomes  m D              m < 16
//! m + 16  becomes  -(m + 1) D = (31 - m) D
//! ```
//!
//! which [`place`] says: all 32 multiples of D = 2^123, once each. Noise and its bound are those of the
//! same bootstrapping with padding. Before it, a block is two digits and a bit, `x + 4 y + 16 z`, where z is
//! looked up into its place so that it is not multiplied: in variances of a lookup (see [`crate::digits`]),
//! `1 + 16 + 1 = 18` of the 25 that the parameters are made for.

use std::{collections::HashSet, fmt, sync::Mutex};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tfhe::{
    core_crypto::prelude::{
        CiphertextModulus, Cleartext, ComputationBuffers, Fft128, Fourier128LweBootstrapKeyOwned,
        GlweCiphertextOwned, LweCiphertext, LweKeyswitchKeyOwned,
        blind_rotate_f128_lwe_ciphertext_mem_optimized,
        blind_rotate_f128_lwe_ciphertext_mem_optimized_requirement,
        generate_programmable_bootstrap_glwe_lut, keyswitch_lwe_ciphertext,
        lwe_ciphertext_cleartext_mul_assign,
    },
    shortint::{
        Ciphertext, ServerKey,
        atomic_pattern::AtomicPatternServerKey,
        ciphertext::NoiseLevel,
        noise_squashing::{
            Shortint128BootstrappingKey, atomic_pattern::AtomicPatternNoiseSquashingKey,
        },
        server_key::ModulusSwitchConfiguration,
    },
};

use crate::{
    Error, EvaluationKeys, KeyShare, Result,
    digits::lookup,
    evaluate::{Count, side_by_side},
    flooding::SCALE_BITS,
    program::{Digit, Fifth, Group, Layout},
    summary::Summary,
};

/// Words of one squashed ciphertext: a mask of 4096 and a body.
pub(crate) const WORDS: usize = KeyShare::WORDS + 1;
/// Bytes of one squashed ciphertext.
pub const SQUASHED_BYTES: usize = WORDS * 16;
/// Most squashed ciphertexts of one plan; see [`crate::flooding`] for what a plan's noise allows.
pub(crate) const MOST: usize = 1 << 14;

/// The multiple of D that a value below 32 is squashed to, and the value at a multiple of D.
pub(crate) fn place(value: u8) -> u8 {
    if value < 16 { value } else { 47 - value }
}

/// Squashed ciphertexts, five bits each: what key holders decrypt. Two are equal if the words are.
#[derive(Clone)]
pub struct Squashed {
    pub(crate) blocks: Vec<Vec<u128>>,
    /// What they were evaluated from, if that happened in this process.
    statement: Option<[u8; 32]>,
}

/// What squashing needs of the keys.
pub(crate) struct Squasher<'a> {
    compute: &'a ServerKey,
    keyswitch: &'a LweKeyswitchKeyOwned<u64>,
    bootstrap: &'a Fourier128LweBootstrapKeyOwned,
    switch: &'a ModulusSwitchConfiguration<u64>,
    table: GlweCiphertextOwned<u128>,
}

impl<'a> Squasher<'a> {
    /// # Errors
    /// [`Error::Setup`] if the keys are of another kind than those of our parameters.
    pub(crate) fn new(keys: &'a EvaluationKeys) -> Result<Self> {
        let wrong = || Error::Setup("the public keys are of another kind".into());
        let compute = keys.key.as_ref();
        let AtomicPatternServerKey::Standard(standard) = &compute.atomic_pattern else {
            return Err(wrong());
        };
        let AtomicPatternNoiseSquashingKey::Standard(own) = keys.squash.atomic_pattern() else {
            return Err(wrong());
        };
        let Shortint128BootstrappingKey::Classic { bsk, modulus_switch_noise_reduction_key } =
            own.bootstrapping_key()
        else {
            return Err(wrong());
        };
        let table = generate_programmable_bootstrap_glwe_lut(
            bsk.polynomial_size(),
            bsk.glwe_size(),
            16,
            CiphertextModulus::new_native(),
            1 << (SCALE_BITS - 1),
            |m: u128| 2 * m + 1,
        );
        Ok(Self {
            compute,
            keyswitch: &standard.key_switching_key,
            bootstrap: bsk,
            switch: modulus_switch_noise_reduction_key,
            table,
        })
    }

    /// The block of a group: a lookup for what is not a digit already.
    fn block(&self, group: Group, digits: &[Ciphertext], bits: &[Ciphertext]) -> Ciphertext {
        let key = self.compute;
        let four = |digit: &Ciphertext| {
            let mut four = digit.clone();
            lwe_ciphertext_cleartext_mul_assign(&mut four.ct, Cleartext(4));
            four
        };
        let digit = |digit: Digit| match digit {
            // The library's sums of numbers may leave more than a lookup's noise.
            Digit::Own(at) if digits[at].noise_level() > NoiseLevel::NOMINAL => {
                lookup(key, &digits[at], |x| x & 3)
            }
            Digit::Own(at) => digits[at].clone(),
            Digit::Pair(at) => {
                let mut pair = key.unchecked_add(&bits[at], &bits[at + 1]);
                key.unchecked_add_assign(&mut pair, &bits[at + 1]);
                lookup(key, &pair, |x| x & 3)
            }
        };
        let fifth = |fifth: Fifth| match fifth {
            Fifth::Own(at) => lookup(key, &bits[at], |x| 16 * (x & 1)),
            Fifth::Of { digit, high } => {
                lookup(key, &digits[digit], |x| 16 * (x >> u8::from(high) & 1))
            }
        };
        let [low, high] = group.digits;
        let parts = [low.map(digit), high.map(|high| four(&digit(high))), group.fifth.map(fifth)];
        let sum = parts.into_iter().flatten().reduce(|mut sum, part| {
            key.unchecked_add_assign(&mut sum, &part);
            sum
        });
        sum.unwrap_or_else(|| key.create_trivial(0))
    }

    /// The words of a block below 32, squashed.
    pub(crate) fn squash(&self, block: &Ciphertext) -> Vec<u128> {
        let (key, native) = (self.bootstrap, CiphertextModulus::new_native());
        let small = self.keyswitch.output_lwe_size();
        let mut switched = LweCiphertext::new(0, small, self.keyswitch.ciphertext_modulus());
        keyswitch_lwe_ciphertext(self.keyswitch, &block.ct, &mut switched);
        let steps = key.polynomial_size().to_blind_rotation_input_modulus_log();
        let switched = self.switch.lwe_ciphertext_modulus_switch(&switched, steps);
        let mut squashed =
            LweCiphertext::new(0u128, key.output_lwe_dimension().to_lwe_size(), native);
        let fft = Fft128::new(key.polynomial_size());
        let memory = blind_rotate_f128_lwe_ciphertext_mem_optimized_requirement::<u128>(
            key.glwe_size(),
            key.polynomial_size(),
            fft.as_view(),
        );
        let mut buffers = ComputationBuffers::new();
        buffers.resize(memory.unaligned_bytes_required());
        blind_rotate_f128_lwe_ciphertext_mem_optimized(
            &switched,
            &mut squashed,
            &self.table,
            key,
            fft.as_view(),
            buffers.stack(),
        );
        let body = squashed.get_mut_body().data;
        *body = body.wrapping_sub(1 << (SCALE_BITS - 1));
        squashed.into_container()
    }
}

/// Puts digits and bits into ciphertexts as `layout` says, and squashes them.
pub(crate) fn squash(
    keys: &EvaluationKeys,
    layout: &Layout,
    digits: &[Ciphertext],
    bits: &[Ciphertext],
    statement: [u8; 32],
    threads: usize,
    count: &Count,
) -> Result<Squashed> {
    let squasher = Squasher::new(keys)?;
    let groups: Vec<(usize, Group)> = layout.groups().enumerate().collect();
    let done: Vec<Mutex<Option<Vec<u128>>>> = groups.iter().map(|_| Mutex::default()).collect();
    side_by_side(threads, &groups, count, |(at, group)| {
        let block = squasher.block(*group, digits, bits);
        if block.is_trivial() {
            return Err(unopened());
        }
        let words = squasher.squash(&block);
        if let Ok(mut place) = done[*at].lock() {
            *place = Some(words);
        }
        Ok(())
    })?;
    let blocks = done.into_iter().map(|place| place.into_inner().ok().flatten());
    let blocks: Option<Vec<Vec<u128>>> = blocks.collect();
    let blocks = blocks
        .filter(|blocks| blocks.iter().all(|block| block.len() == WORDS))
        .ok_or_else(|| Error::Setup("squashing gave a ciphertext of another size".into()))?;
    if blocks.iter().collect::<HashSet<_>>().len() < blocks.len() {
        return Err(unopened());
    }
    Ok(Squashed::new(blocks, Some(statement)))
}

/// No holder decrypts a ciphertext twice (see [`crate::Guard`]), and one that depends on nothing that was
/// entered is the same in every plan.
fn unopened() -> Error {
    let what = "a part of what is opened is public, or the same as another part of it, so that \
                no key holder would decrypt it; open each number once, without factors of 16 and more";
    Error::Input(what.into())
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
