//! Trees of AND and OR, selection, suppression.

use tacit_mpc::{Bit, Builder};

/// AND of all. `ceil(log2 n)` rounds, `n - 1` ANDs.
///
/// # Panics
/// If there are none.
pub fn and_all(b: &mut Builder, bits: &[Bit]) -> Bit {
    assert!(!bits.is_empty(), "and of nothing");
    let mut level = bits.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [x, y] => b.and(*x, *y),
                rest => rest[0],
            })
            .collect();
    }
    level[0]
}

/// OR of all, by De Morgan. `ceil(log2 n)` rounds, `n - 1` ANDs.
///
/// # Panics
/// If there are none.
pub fn or_all(b: &mut Builder, bits: &[Bit]) -> Bit {
    if let [one] = bits {
        return *one;
    }
    let flipped: Vec<Bit> = bits.iter().map(|&bit| b.not(bit)).collect();
    let none = and_all(b, &flipped);
    b.not(none)
}

/// `if c { x } else { y }`, as `y + c (x + y)`. One round, `w` ANDs.
///
/// # Panics
/// If the widths differ.
pub fn select(b: &mut Builder, c: Bit, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    assert_eq!(x.len(), y.len(), "select: widths differ");
    x.iter()
        .zip(y)
        .map(|(&x, &y)| {
            let change = b.xor(x, y);
            let taken = b.and(c, change);
            b.xor(y, taken)
        })
        .collect()
}

/// `x` where `shown` is 1, else 0. One round, `w` ANDs.
///
/// This is what makes opening safe: a hidden row opens as zeros, whatever it holds.
pub fn suppress(b: &mut Builder, shown: Bit, x: &[Bit]) -> Vec<Bit> {
    x.iter().map(|&plane| b.and(shown, plane)).collect()
}
