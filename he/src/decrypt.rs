//! Decrypting: a partial decryption of every key holder, to the receiver alone, who adds them up.
//!
//! See [`crate::flooding`] for the equation and how much noise hides what about the key. An n-of-n
//! sharing has no room to correct: a wrong part spoils the result. But it cannot go unnoticed by
//! accident. What the parts leave of a ciphertext is `D m + e - sum f_i` with `|e - sum f_i| <= B + n F`,
//! which is a small part of D. A part that is garbage (a damaged file, another key's share, another
//! order) makes it uniform in Z_q, which passes with probability about `2 n F / D = n K / 2^14` a
//! ciphertext, and with all K ciphertexts of a plan with the K-th power of that: for two holders 2^-13
//! with one ciphertext, 2^-635 with a hundred, 2^-1382 with the 7167 that there can be. So
//! every ciphertext is redundant in itself, and [`combine`] looks at each; a check value, known and encrypted
//! beside the others, would look at one. A holder that adds a multiple of D on purpose passes:
//! against that only proofs would help.

use hkdf::HkdfExtract;
use rayon::prelude::*;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Error, KeyShare, Result, Summary,
    flooding::{Flooding, SCALE_BITS},
    squash::{Squashed, place},
};

/// Bytes of a partial decryption of one ciphertext.
pub const PARTIAL_BYTES: usize = 16;

/// One key holder's part of the decryption of all ciphertexts of a plan.
pub struct Partial {
    holder: usize,
    digest: [u8; 32],
    words: Vec<u128>,
}

/// `p = <a, s_i> + f_i` for every ciphertext.
///
/// Cost: 4096 products in Z_2^128 a ciphertext, some microseconds; 16 bytes a ciphertext to send.
///
/// # Errors
/// [`Error::Input`] if there are too many; [`Error::Randomness`].
///
/// # Security
/// The noise is fresh for every ciphertext. Decrypting the same ciphertext many times would average it
/// away, which is why only [`crate::Guard`] calls this.
pub(crate) fn partial(share: &KeyShare, squashed: &Squashed) -> Result<Partial> {
    let flooding = Flooding::new(share.scope().holders, squashed.len())?;
    let mut random = Zeroizing::new(vec![0; squashed.len() * 32]);
    getrandom::fill(&mut random).map_err(|_| Error::Randomness)?;
    bind(share, squashed, &mut random);
    let noise = random.as_chunks::<32>().0;
    let words = squashed.blocks.par_iter().zip(noise).map(|(block, noise)| {
        let product = block
            .iter()
            .zip(share.words())
            .fold(0u128, |sum, (a, s)| sum.wrapping_add(a.wrapping_mul(*s)));
        product.wrapping_add(flooding.sample(noise_words(noise)))
    });
    Ok(Partial { holder: share.holder(), digest: squashed.digest(), words: words.collect() })
}

/// Masks random bytes, 32 for the noise of every ciphertext, by HKDF-SHA-256 (RFC 5869) of the share and
/// the ciphertexts.
///
/// A machine that is put back to a snapshot may draw the same bytes again. Noise of them alone would then
/// be the same for other ciphertexts, and the difference of two parts an equation for the share; this is
/// other noise for other ciphertexts all the same, and the same for the same. Whoever finds what the hash
/// leaves in memory knows nothing of the noise without the bytes, which are wiped.
fn bind(share: &KeyShare, squashed: &Squashed, random: &mut [u8]) {
    let mut extract = HkdfExtract::<Sha256>::new(None);
    for word in share.words() {
        extract.input_ikm(&Zeroizing::new(word.to_le_bytes())[..]);
    }
    let (mut key, expand) = extract.finalize();
    key.zeroize();
    let digest = squashed.digest();
    let mut mask = Zeroizing::new([0; 32]);
    for (at, random) in random.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let info: [&[u8]; 3] = [b"tacit flooding noise v1", &digest, &(at as u64).to_le_bytes()];
        // 32 bytes are never too many to ask for.
        let _ = expand.expand_multi_info(&info, &mut mask[..]);
        random.iter_mut().zip(mask.iter()).for_each(|(random, mask)| *random ^= mask);
    }
}

fn noise_words(bytes: &[u8; 32]) -> [u128; 2] {
    let word = |at: usize| std::array::from_fn(|i| bytes[16 * at + i]);
    [u128::from_le_bytes(word(0)), u128::from_le_bytes(word(1))]
}

/// Adds up what all key holders sent: the five bits of every ciphertext.
///
/// # Errors
/// [`Error::Input`] unless there is one part of each of `holders`, or if there are more ciphertexts than
/// have room; [`Error::Rejected`] if a part is of other ciphertexts; [`Error::Inconsistent`] if what
/// they add up to is no ciphertext's message (see the module's text): a part, or a body, is wrong.
pub fn combine(summary: &Summary, holders: usize, partials: &[Partial]) -> Result<Vec<u8>> {
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
    let digest = summary.digest();
    for partial in partials {
        if partial.digest != digest || partial.words.len() != summary.len() {
            let party = format!("key holder {}", partial.holder);
            return Err(Error::rejected(party, "a part of other ciphertexts"));
        }
    }
    let flooding = Flooding::new(holders, summary.len())?;
    let value = |(at, &body): (usize, &u128)| {
        let left = partials.iter().fold(body, |left, partial| left.wrapping_sub(partial.words[at]));
        message(left, flooding).ok_or(Error::Inconsistent { at, of: summary.len() })
    };
    summary.bodies().iter().enumerate().map(value).collect()
}

/// The message in `D m + e - sum f_i`, if that can be one.
fn message(left: u128, flooding: Flooding) -> Option<u8> {
    let rounded = left.wrapping_add(1 << (SCALE_BITS - 1)) >> SCALE_BITS;
    let noise = left.wrapping_sub(rounded << SCALE_BITS) as i128;
    (noise.unsigned_abs() <= flooding.largest()).then(|| place(rounded as u8))
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
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let words = self.words.iter().flat_map(|word| word.to_le_bytes());
        self.digest.into_iter().chain(words).collect()
    }

    /// Reads what key holder `holder` sent for these ciphertexts.
    ///
    /// # Errors
    /// [`Error::Rejected`] if it is not of their number or for other ciphertexts.
    pub fn from_bytes(bytes: &[u8], holder: usize, summary: &Summary) -> Result<Self> {
        let party = || format!("key holder {holder}");
        if bytes.len() as u64 != self::bytes(summary.len()) {
            let what = format!("{} bytes for {} ciphertexts", bytes.len(), summary.len());
            return Err(Error::rejected(party(), what));
        }
        let digest = summary.digest();
        let (own, words) = bytes.split_at(32);
        if own != digest {
            return Err(Error::rejected(party(), "a part of other ciphertexts"));
        }
        let words = words.as_chunks().0.iter().map(|word| u128::from_le_bytes(*word));
        Ok(Self { holder, digest, words: words.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::Scope, squash::WORDS};

    /// Ciphertexts of these messages under a key of ones, shared among three, and all parts.
    fn world(messages: &[u8]) -> (Summary, Vec<Vec<u8>>) {
        let scope = Scope::new([1; 32], 3).unwrap();
        let word = |seed: u128| (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mut last = vec![1u128; KeyShare::WORDS];
        let mut shares = Vec::new();
        for holder in 0..2 {
            let words: Vec<u128> =
                (0..KeyShare::WORDS as u128).map(|i| word(i << 8 | holder)).collect();
            last.iter_mut().zip(&words).for_each(|(left, word)| *left = left.wrapping_sub(*word));
            shares.push(
                KeyShare::new(scope, [2; 32], holder as usize, Zeroizing::new(words)).unwrap(),
            );
        }
        shares.push(KeyShare::new(scope, [2; 32], 2, Zeroizing::new(last)).unwrap());
        let block = |(at, &message): (usize, &u8)| {
            let mut block: Vec<u128> =
                (1..WORDS as u128).map(|i| word(i << 20 | at as u128)).collect();
            let body = block.iter().fold(0u128, |sum, a| sum.wrapping_add(*a));
            block.push(
                body.wrapping_add(u128::from(place(message)) << SCALE_BITS).wrapping_add(12345),
            );
            block
        };
        let squashed = Squashed::new(messages.iter().enumerate().map(block).collect(), None);
        let parts = shares.iter().map(|share| partial(share, &squashed).unwrap().to_bytes());
        (squashed.summary(), parts.collect())
    }

    fn combined(summary: &Summary, parts: &[Vec<u8>]) -> Result<Vec<u8>> {
        let read = |(holder, bytes): (usize, &Vec<u8>)| Partial::from_bytes(bytes, holder, summary);
        let parts: Vec<Partial> = parts.iter().enumerate().map(read).collect::<Result<_>>()?;
        combine(summary, 3, &parts)
    }

    #[test]
    fn parts_add_up_to_the_messages() {
        let messages: Vec<u8> = (0..32).collect();
        let (summary, parts) = world(&messages);
        assert_eq!(combined(&summary, &parts).unwrap(), messages);
    }

    #[test]
    fn a_garbage_part_is_noticed_by_the_noise_it_leaves() {
        let (summary, parts) = world(&[3, 15, 0]);
        let mut garbage = parts.clone();
        garbage[1][32 + 5..].iter_mut().for_each(|byte| *byte ^= 0x5a);
        let error = combined(&summary, &garbage).unwrap_err();
        assert!(matches!(error, Error::Inconsistent { .. }), "{error}");
        assert!(error.to_string().contains("part"), "{error}");
        // One bit just above what noise there can be.
        let mut altered = parts.clone();
        altered[2][32 + 2 * PARTIAL_BYTES + 14] ^= 4;
        assert!(matches!(combined(&summary, &altered), Err(Error::Inconsistent { at: 2, of: 3 })));
    }

    #[test]
    fn garbage_passes_as_seldom_as_stated() {
        // So many ciphertexts that the noise fills much of D, or nothing could be counted.
        let flooding = Flooding::new(3, 4000).unwrap();
        let stated = 2f64.powi(1 - SCALE_BITS as i32) * flooding.largest() as f64;
        let mut random = crate::testing::Random(1);
        let mut uniform = || u128::from(random.word()) << 64 | u128::from(random.word());
        let passed = (0..20_000).filter(|_| message(uniform(), flooding).is_some()).count();
        let expected = stated * 20_000.0;
        // 5 standard deviations.
        assert!((passed as f64 - expected).abs() < 5.0 * expected.sqrt(), "{passed}, {expected}");
        assert!(stated < 0.8, "{stated}");
    }

    #[test]
    fn parts_are_of_every_holder_once_and_of_these_ciphertexts() {
        let (summary, parts) = world(&[1]);
        let part = |holder: usize| Partial::from_bytes(&parts[holder], holder, &summary).unwrap();
        let reason = |parts: &[Partial]| combine(&summary, 3, parts).unwrap_err().to_string();
        let text = reason(&[part(0), part(2)]);
        assert!(text.contains("key holder 1 is missing"), "{text}");
        let text = reason(&[part(0), part(0), part(2)]);
        assert!(text.contains("key holder 0 is there twice"), "{text}");
        assert_eq!(combine(&summary, 3, &[part(2), part(0), part(1)]).unwrap(), [1]);
        let (other, _) = world(&[2]);
        let text = Partial::from_bytes(&parts[0], 0, &other).err().unwrap().to_string();
        assert!(text.contains("key holder 0") && text.contains("other ciphertexts"), "{text}");
        let text = Partial::from_bytes(&parts[0][..47], 0, &summary).err().unwrap().to_string();
        assert!(text.contains("47 bytes for 1 ciphertexts"), "{text}");
    }

    /// A holder's share and ciphertexts of no meaning.
    fn drawn(seed: u64, count: usize) -> (KeyShare, Squashed) {
        let mut random = crate::testing::Random(seed);
        let mut words = |count: usize| -> Vec<u128> {
            let mut word = || u128::from(random.word()) << 64 | u128::from(random.word());
            (0..count).map(|_| word()).collect()
        };
        let scope = Scope::new([1; 32], 3).unwrap();
        let share = Zeroizing::new(words(KeyShare::WORDS));
        let share = KeyShare::new(scope, [2; 32], 1, share).unwrap();
        (share, Squashed::new((0..count).map(|_| words(WORDS)).collect(), None))
    }

    /// What a part adds to `<a, s>`.
    fn flooded(share: &KeyShare, squashed: &Squashed) -> Vec<i128> {
        let part = partial(share, squashed).unwrap();
        let noise = |(block, word): (&Vec<u128>, &u128)| {
            let product = block.iter().zip(share.words());
            product.fold(*word, |left, (a, s)| left.wrapping_sub(a.wrapping_mul(*s))) as i128
        };
        squashed.blocks.iter().zip(&part.words).map(noise).collect()
    }

    #[test]
    fn a_part_hides_each_product_behind_noise_of_its_own_that_fills_its_range() {
        let (share, squashed) = drawn(5, 1600);
        let bound = Flooding::new(3, 1600).unwrap().bound() as i128;
        let (first, second) = (flooded(&share, &squashed), flooded(&share, &squashed));
        assert!(first.iter().chain(&second).all(|noise| (-bound..bound).contains(noise)));
        // Never the same, neither of two ciphertexts nor of two times.
        let all: std::collections::HashSet<&i128> = first.iter().chain(&second).collect();
        assert_eq!(all.len(), 3200);
        let mut counts = [0u32; 16];
        for noise in first.iter().chain(&second) {
            counts[((noise + bound) / (bound / 8)) as usize] += 1;
        }
        let square: f64 = counts.iter().map(|&n| (f64::from(n) - 200.0).powi(2) / 200.0).sum();
        // Chi-square with 15 degrees of freedom: beyond 50 with probability 1e-5.
        assert!(square < 50.0, "{square}: {counts:?}");
    }

    #[test]
    fn random_bytes_that_come_again_give_other_ciphertexts_and_shares_other_noise() {
        let ((share, one), (other, two)) = (drawn(5, 3), drawn(6, 3));
        let noise = |share: &KeyShare, squashed: &Squashed, drawn: u8| {
            let mut random = vec![drawn; 96];
            bind(share, squashed, &mut random);
            random
        };
        let due = noise(&share, &one, 7);
        assert_eq!(due, noise(&share, &one, 7), "the same for the same");
        let others = [noise(&share, &two, 7), noise(&other, &one, 7), noise(&share, &one, 8)];
        for found in others {
            let pairs = due.as_chunks::<32>().0.iter().zip(found.as_chunks::<32>().0);
            assert!(pairs.clone().count() == 3 && pairs.into_iter().all(|(a, b)| a != b));
        }
    }

    /// Chi-square of the top four bits against the uniform distribution.
    fn unevenness(words: &[u128]) -> f64 {
        let mut counts = [0u32; 16];
        for word in words {
            counts[(word >> 124) as usize] += 1;
        }
        let due = words.len() as f64 / 16.0;
        counts.iter().map(|&count| (f64::from(count) - due).powi(2) / due).sum()
    }

    #[test]
    fn with_one_share_missing_parts_are_distributed_alike_whatever_the_message() {
        let scope = Scope::new([1; 32], 3).unwrap();
        let mut random = crate::testing::Random(11);
        let mut word = || u128::from(random.word()) << 64 | u128::from(random.word());
        let mut share = |holder| {
            let words = (0..KeyShare::WORDS).map(|_| word()).collect();
            KeyShare::new(scope, [2; 32], holder, Zeroizing::new(words)).unwrap()
        };
        let shares: Vec<KeyShare> = (0..3).map(&mut share).collect();
        for message in [0u128, 31] {
            let block = |_| {
                let mut block: Vec<u128> = (0..KeyShare::WORDS).map(|_| word()).collect();
                let mut body = message << SCALE_BITS;
                for share in &shares {
                    for (a, s) in block.iter().zip(share.words()) {
                        body = body.wrapping_add(a.wrapping_mul(*s));
                    }
                }
                block.push(body);
                block
            };
            let squashed = Squashed::new((0..640).map(block).collect(), None);
            let parts: Vec<Partial> =
                shares.iter().map(|share| partial(share, &squashed).unwrap()).collect();
            let left = |without: Option<usize>| -> Vec<u128> {
                let own = parts.iter().filter(|part| Some(part.holder) != without);
                let less = |sum: u128, part: &Partial, at: usize| sum.wrapping_sub(part.words[at]);
                let bodies = squashed.summary();
                let sum = |(at, &body): (usize, &u128)| {
                    own.clone().fold(body, |sum, part| less(sum, part, at))
                };
                bodies.bodies().iter().enumerate().map(sum).collect()
            };
            // 15 degrees of freedom: beyond 50 with probability 1e-5. With all shares, it is no chance.
            for part in &parts {
                let uneven = unevenness(&left(Some(part.holder)));
                assert!(uneven < 50.0, "message {message} without {}: {uneven}", part.holder);
                assert!(unevenness(&part.words) < 50.0);
            }
            assert!(unevenness(&left(None)) > 1000.0);
        }
    }
}
