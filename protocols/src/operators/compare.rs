//! Comparison, equality, minimum and maximum.

use tacit_mpc::{Bit, Builder};

use super::prefix::{Carries, Plane};
use super::{and_all, select};

/// `x < y`, unsigned: the borrow out of `x - y`.
///
/// `1 + ceil(log2 w)` rounds, at most `3 w - 2` ANDs. A position generates a borrow where
/// `x = 0, y = 1` and propagates one where `x = y`; see Garay, Schoenmakers, Villegas,
/// "Practical and secure solutions for integer comparison" (PKC 2007), section 3.
///
/// # Panics
/// If the widths differ.
pub fn less(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Bit {
    assert_eq!(x.len(), y.len(), "less: widths differ");
    let mut leaves: Vec<(Plane, Plane)> = Vec::with_capacity(x.len());
    for (&x, &y) in x.iter().zip(y) {
        let differ = b.xor(x, y);
        let generate = b.and(differ, y);
        leaves.push((Some(generate), Some(b.not(differ))));
    }
    borrow(b, leaves, rows(b, x))
}

/// `x < c`, unsigned, for a public `c`. `ceil(log2 w)` rounds, at most `2 (w - 1)` ANDs.
///
/// The number of ANDs depends on `c`, which is public.
pub fn less_public(b: &mut Builder, x: &[Bit], c: u64) -> Bit {
    let rows = rows(b, x);
    if x.len() < 64 && c >> x.len() != 0 {
        return b.constant(1, rows);
    }
    let mut leaves: Vec<(Plane, Plane)> = Vec::with_capacity(x.len());
    for (i, &x) in x.iter().enumerate() {
        let not = b.not(x);
        leaves.push(if c >> i & 1 == 1 { (Some(not), Some(x)) } else { (None, Some(not)) });
    }
    borrow(b, leaves, rows)
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

/// The smaller, unsigned. `2 + ceil(log2 w)` rounds, at most `4 w - 2` ANDs.
///
/// # Panics
/// If the widths differ.
pub fn min(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    let smaller = less(b, x, y);
    select(b, smaller, x, y)
}

/// The larger, unsigned. `2 + ceil(log2 w)` rounds, at most `4 w - 2` ANDs.
///
/// # Panics
/// If the widths differ.
pub fn max(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    let smaller = less(b, x, y);
    select(b, smaller, y, x)
}

fn borrow(b: &mut Builder, leaves: Vec<(Plane, Plane)>, rows: usize) -> Bit {
    let width = leaves.len();
    Carries::new(leaves).carry(b, width).unwrap_or_else(|| b.constant(0, rows))
}

fn rows(b: &Builder, x: &[Bit]) -> usize {
    x.first().map_or(0, |&plane| b.rows(plane))
}
