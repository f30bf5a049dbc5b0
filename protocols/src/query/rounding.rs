//! Division by a public number as one product and a shift.
//!
//! `floor(x / r) = floor(x m / 2^k)` for all `x <= most`, with a public `m` close to `2^k / r`. A
//! product with a public number is free on the arithmetic side, and the shift is a choice of bit
//! planes, so that rounding costs no round. After Granlund and Montgomery, "Division by invariant
//! integers using multiplication" (PLDI 1994), and Robison, "N-bit unsigned division via N-bit
//! multiply-add" (ARITH 2005), for the reciprocal that is rounded down.

/// `floor((x + before) / r) = floor((x m + add) / 2^shift)`, everything below `2^64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reciprocal {
    /// Factor `m`.
    pub factor: u64,
    /// Added to the product.
    pub add: u64,
    /// `k`.
    pub shift: usize,
    /// Width of the quotient.
    pub bits: usize,
}

/// The reciprocal that rounds `x <= most` to the nearest multiple of `r`, halves upwards; `None`
/// if no product of 64 bits is exact.
pub fn nearest(most: u64, r: u64) -> Option<Reciprocal> {
    let half = r / 2;
    let most = most.checked_add(half)?;
    let bits = (u64::BITS - (most / r.max(1)).leading_zeros()).max(1) as usize;
    (0..64)
        .filter(|_| r > 0)
        .find_map(|shift| {
            let power = 1u128 << shift;
            let (down, rest) = (power / u128::from(r), power % u128::from(r));
            let wide = u128::from(most);
            // Rounded up: m r = 2^k + e, exact while x e < 2^k.
            let (up, over) = if rest == 0 { (down, 0) } else { (down + 1, u128::from(r) - rest) };
            if wide * over < power && wide * up <= u128::from(u64::MAX) {
                return Some((up, u128::from(half) * up, shift));
            }
            // Rounded down, applied to x + 1: m r = 2^k - f, exact while (x + 1) f <= 2^k.
            let fits = (wide + 1) * down <= u128::from(u64::MAX);
            if rest > 0 && (wide + 1) * rest <= power && fits {
                return Some((down, (u128::from(half) + 1) * down, shift));
            }
            None
        })
        .and_then(|(factor, add, shift)| {
            Some(Reciprocal {
                factor: u64::try_from(factor).ok()?,
                add: u64::try_from(add).ok()?,
                shift,
                bits,
            })
        })
        .filter(|found| found.shift + found.bits <= 64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn divide(found: Reciprocal, x: u64) -> u64 {
        let product = x * found.factor + found.add;
        product >> found.shift & (u64::MAX >> (64 - found.bits))
    }

    #[test]
    fn profiles_round_counts_of_32_bits() {
        for r in [2, 3, 4, 5, 6, 7, 10, 25, 100, 1000] {
            let most = u64::from(u32::MAX);
            let found = nearest(most, r).unwrap_or_else(|| panic!("{r}"));
            for x in (0..1000).chain(most - 1000..=most) {
                assert_eq!(divide(found, x), (x + r / 2) / r, "{x} by {r}");
            }
        }
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        assert_eq!(nearest(u64::MAX >> 1, 7), None);
        assert_eq!(nearest(100, 0), None);
    }

    proptest! {
        #[test]
        fn every_count_is_rounded_to_the_nearest(
            bits in 1u32..=34, r in 1u64..5000, share in 0.0f64..=1.0, edge in 0u64..3,
        ) {
            let most = (1u64 << bits) - 1;
            if let Some(found) = nearest(most, r) {
                let x = ((most as f64 * share) as u64).min(most);
                let below_multiple = (x / r * r + (r - r / 2)).saturating_sub(edge).min(most);
                for x in [0, x, below_multiple, most - edge.min(most), most] {
                    prop_assert_eq!(divide(found, x), (x + r / 2) / r);
                }
            } else {
                prop_assert!(bits > 30);
            }
        }
    }
}
