//! Comparison, equality, minimum and maximum.

use tacit_mpc::{Bit, Builder};

use super::prefix::{Carries, Run};
use super::{and_all, select};

/// `x < y`, unsigned: the borrow out of `x - y`.
///
/// `ceil(log2(w + 1))` rounds, at most `2 w - 1` ANDs. A position passes a borrow on where `x = y`;
/// where they differ, `y` is the borrow. The tree is that of Garay, Schoenmakers, Villegas,
/// "Practical and secure solutions for integer comparison" (PKC 2007), section 3, without its ANDs
/// in the leaves.
///
/// # Panics
/// If the widths differ.
pub fn less(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Bit {
    assert_eq!(x.len(), y.len(), "less: widths differ");
    let mut runs = Vec::with_capacity(x.len());
    for (&x, &y) in x.iter().zip(y) {
        let differ = b.xor(x, y);
        runs.push(Run { own: Some(y), through: Some(b.not(differ)), exact: false });
    }
    borrow(b, runs, rows(b, x))
}

/// `x < c`, unsigned, for a public `c`. `ceil(log2 w)` rounds, at most `3 w / 2` ANDs.
///
/// One AND for two positions says both whether `x` is below `c` there and whether it is equal. The
/// number of ANDs depends on `c`, which is public; positions below its lowest 1 do not count.
pub fn less_public(b: &mut Builder, x: &[Bit], c: u64) -> Bit {
    let rows = rows(b, x);
    if x.len() < 64 && c >> x.len() != 0 {
        return b.constant(1, rows);
    }
    let lowest = (c.trailing_zeros() as usize).min(x.len());
    let mut runs = Vec::with_capacity((x.len() - lowest).div_ceil(2));
    for (pair, at) in x[lowest..].chunks(2).zip((lowest..).step_by(2)) {
        // A single position is equal to 1 where x is 1, below it where x is 0; never below 0.
        let ones: Vec<bool> = (at..at + pair.len()).map(|i| c >> i & 1 == 1).collect();
        let same: Vec<Bit> =
            pair.iter().zip(&ones).map(|(&x, &one)| if one { x } else { b.not(x) }).collect();
        let equal = and_all(b, &same);
        let own = match ones[..] {
            [false] | [false, false] => None,
            [true] | [true, true] => Some(b.not(equal)),
            [true, false] => Some(b.xor(same[1], equal)),
            _ => Some(b.not(same[1])),
        };
        runs.push(Run { own, through: Some(equal), exact: true });
    }
    borrow(b, runs, rows)
}

/// `x >= c`, unsigned, for a public `c`. Cost of [`less_public`].
pub fn at_least_public(b: &mut Builder, x: &[Bit], c: u64) -> Bit {
    let less = less_public(b, x, c);
    b.not(less)
}

/// `least <= x < below`, unsigned, for public bounds. Cost of two [`less_public`]: where
/// `x < least`, also `x < below`, so that joining them is an exclusive or.
///
/// # Panics
/// If `least > below`.
pub fn in_range_public(b: &mut Builder, x: &[Bit], least: u64, below: u64) -> Bit {
    assert!(least <= below, "range: bounds out of order");
    let under = less_public(b, x, least);
    let within = less_public(b, x, below);
    b.xor(under, within)
}

/// `x < 0` in two's complement: its last plane. Local.
///
/// # Panics
/// If there is no plane.
pub fn is_negative(x: &[Bit]) -> Bit {
    *x.last().expect("a number of at least one bit")
}

/// The unsigned number that stands where `x` does among signed ones: the sign flipped. Local.
///
/// Everything here that compares, finds or clamps unsigned numbers does the same for signed ones of
/// this form; the same function leads back.
///
/// # Panics
/// If there is no plane.
pub fn signed_order(b: &mut Builder, x: &[Bit]) -> Vec<Bit> {
    let mut planes = x.to_vec();
    let sign = planes.pop().expect("a number of at least one bit");
    planes.push(b.not(sign));
    planes
}

/// `x == y`. `ceil(log2 w)` rounds, `w - 1` ANDs.
///
/// # Panics
/// If the widths differ or are 0.
pub fn equal(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Bit {
    assert_eq!(x.len(), y.len(), "equal: widths differ");
    let same: Vec<Bit> = x
        .iter()
        .zip(y)
        .map(|(&x, &y)| {
            let differ = b.xor(x, y);
            b.not(differ)
        })
        .collect();
    and_all(b, &same)
}

/// `x == c` for a public `c`. `ceil(log2 w)` rounds, `w - 1` ANDs.
///
/// # Panics
/// If the width is 0.
pub fn equal_public(b: &mut Builder, x: &[Bit], c: u64) -> Bit {
    if x.len() < 64 && c >> x.len() != 0 {
        let rows = rows(b, x);
        return b.constant(0, rows);
    }
    let same: Vec<Bit> =
        x.iter().enumerate().map(|(i, &x)| if c >> i & 1 == 1 { x } else { b.not(x) }).collect();
    and_all(b, &same)
}

/// The smaller, unsigned. `1 + ceil(log2(w + 1))` rounds, at most `3 w - 1` ANDs.
///
/// # Panics
/// If the widths differ.
pub fn min(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    let smaller = less(b, x, y);
    select(b, smaller, x, y)
}

/// The larger, unsigned. `1 + ceil(log2(w + 1))` rounds, at most `3 w - 1` ANDs.
///
/// # Panics
/// If the widths differ.
pub fn max(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    let smaller = less(b, x, y);
    select(b, smaller, y, x)
}

fn borrow(b: &mut Builder, runs: Vec<Run>, rows: usize) -> Bit {
    let count = runs.len();
    Carries::new(runs).carry(b, count).unwrap_or_else(|| b.constant(0, rows))
}

fn rows(b: &Builder, x: &[Bit]) -> usize {
    x.first().map_or(0, |&plane| b.rows(plane))
}
