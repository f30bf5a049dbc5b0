//! The prime field of 2^61 - 1, on canonical words.
//!
//! Elements are words below [`MODULUS`], each element one word. A Mersenne prime, so that a product
//! is reduced by adding its halves: 2^61 is 1. Nothing here branches on an element.

/// The Mersenne prime 2^61 - 1.
pub const MODULUS: u64 = (1 << 61) - 1;

/// `x` modulo [`MODULUS`], for `x < 2 MODULUS`.
fn once(x: u64) -> u64 {
    let less = x.wrapping_sub(MODULUS);
    // The top bit is set where it went below 0.
    less.wrapping_add(MODULUS & (less >> 63).wrapping_neg())
}

/// Any word modulo [`MODULUS`].
pub fn reduce(x: u64) -> u64 {
    once((x & MODULUS) + (x >> 61))
}

/// Any two words, the first the lower one, modulo [`MODULUS`]: for two uniform words an element
/// that is uniform but for a distance of 2^-122.
pub fn reduce_wide(low: u64, high: u64) -> u64 {
    // 2^64 is 8.
    add(reduce(low), mul(reduce(high), 8))
}

/// `x + y`, both canonical.
pub fn add(x: u64, y: u64) -> u64 {
    once(x.wrapping_add(y))
}

/// `x - y`, both canonical.
pub fn sub(x: u64, y: u64) -> u64 {
    let less = x.wrapping_sub(y);
    less.wrapping_add(MODULUS & (less >> 63).wrapping_neg())
}

/// `x y`, both canonical.
pub fn mul(x: u64, y: u64) -> u64 {
    let wide = u128::from(x) * u128::from(y);
    once((wide as u64 & MODULUS).wrapping_add((wide >> 61) as u64))
}

/// `1 / x`, and 0 for 0: `x` to the power `MODULUS - 2`, which takes as long for every `x`.
pub fn invert(x: u64) -> u64 {
    // MODULUS - 2 is 2^61 - 3: all bits from 0 to 60 but bit 1.
    (0..61).rev().fold(1, |power, bit| {
        let square = mul(power, power);
        if bit == 1 { square } else { mul(square, x) }
    })
}

/// Whether all words are below [`MODULUS`]. Looks at all of them.
pub fn is_canonical(words: &[u64]) -> bool {
    words.iter().fold(0, |above, &word| above | u64::from(word >= MODULUS)) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1), Just(MODULUS - 1), 0..MODULUS]
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_wide_integers(x in element(), y in element(), word in any::<u64>()) {
            let p = u128::from(MODULUS);
            let (a, b) = (u128::from(x), u128::from(y));
            prop_assert_eq!(u128::from(add(x, y)), (a + b) % p);
            prop_assert_eq!(u128::from(sub(x, y)), (p + a - b) % p);
            prop_assert_eq!(u128::from(mul(x, y)), a * b % p);
            prop_assert_eq!(u128::from(reduce(word)), u128::from(word) % p);
            let wide = u128::from(word) << 64 | u128::from(!word ^ x);
            prop_assert_eq!(u128::from(reduce_wide(wide as u64, word)), wide % p);
            prop_assert_eq!(mul(x, invert(x)), u64::from(x != 0));
        }
    }

    #[test]
    fn words_at_the_edge_are_reduced_and_told_apart() {
        for (word, due) in [(MODULUS, 0), (MODULUS + 1, 1), (u64::MAX, 7), (0, 0)] {
            assert_eq!(reduce(word), due);
        }
        assert_eq!(reduce_wide(u64::MAX, u64::MAX), 63);
        assert!(is_canonical(&[0, MODULUS - 1]));
        assert!(!is_canonical(&[0, MODULUS]));
    }
}
