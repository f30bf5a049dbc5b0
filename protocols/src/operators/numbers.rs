//! Operators on numbers (columns in Z_2^64) rather than on bit planes: comparisons, choices, shifts
//! and divisions.
//!
//! A difference of numbers is local, and so is one with a public number: where it fits `width` bits
//! in two's complement, its sign decides which is the smaller. Each function takes the `width` that
//! the difference must fit; a difference beyond it wraps and gives a wrong answer. Numbers below
//! `2^k` differ by less than `2^k`, which takes `width = k + 1` for order and `k` for equality.
//!
//! Costs are those after lowering, on top of the engine's round for an addend. A public number
//! costs what a secret one does: the difference is what counts. Where the bits of a number are
//! there anyway, [`less_public`](super::less_public) on them is cheaper.

use tacit_mpc::{Bit, Builder, Num};

use super::Quotient;
use super::division::Reciprocal;

/// `x < 0` for `-2^(w-1) <= x < 2^(w-1)`: bit `w - 1` of `x`.
///
/// Cost of [`top_of_sum`](super::top_of_sum) of the engine's addends. On `rep3` at 64 bits 7 rounds,
/// 23 bytes sent by the first compute party and 15 by the others.
///
/// # Panics
/// If `width` is not 1 to 64.
pub fn is_negative(b: &mut Builder, x: Num, width: usize) -> Bit {
    b.to_bits(x, width)[width - 1]
}

/// `x < y` for `-2^(w-1) <= x - y < 2^(w-1)`. Cost of [`is_negative`].
///
/// # Panics
/// If `width` is not 1 to 64, or the columns differ in rows.
pub fn less(b: &mut Builder, x: Num, y: Num, width: usize) -> Bit {
    let difference = b.sub(x, y);
    is_negative(b, difference, width)
}

/// `x < c` for a public `c` and `-2^(w-1) <= x - c < 2^(w-1)`. Cost of [`is_negative`].
///
/// # Panics
/// If `width` is not 1 to 64.
pub fn less_public(b: &mut Builder, x: Num, c: u64, width: usize) -> Bit {
    let c = b.constant(c, b.rows(x));
    less(b, x, c, width)
}

/// `x == 0` for `-2^w < x < 2^w`: the lowest `w` bits are zero.
///
/// Cost of [`is_zero`](super::is_zero). On `rep3` at 64 bits 7 rounds, 16 bytes sent by the first
/// compute party and 8 by the others.
///
/// # Panics
/// If `width` is not 1 to 64.
pub fn is_zero(b: &mut Builder, x: Num, width: usize) -> Bit {
    b.is_zero(x, width)
}

/// `x == y` for `-2^w < x - y < 2^w`. Cost of [`is_zero`].
///
/// # Panics
/// If `width` is not 1 to 64, or the columns differ in rows.
pub fn equal(b: &mut Builder, x: Num, y: Num, width: usize) -> Bit {
    let difference = b.sub(x, y);
    is_zero(b, difference, width)
}

/// `x == c` for a public `c` and `-2^w < x - c < 2^w`. Cost of [`is_zero`].
///
/// # Panics
/// If `width` is not 1 to 64.
pub fn equal_public(b: &mut Builder, x: Num, c: u64, width: usize) -> Bit {
    let c = b.constant(c, b.rows(x));
    equal(b, x, c, width)
}

/// `if c { x } else { y }`, as `y + c (x - y)`.
///
/// `c` becomes a number (see [`to_num`](super::to_num)), then one product: on `rep3` 3 rounds, 24
/// bytes sent by the first compute party and 16 by the others.
///
/// # Panics
/// If the columns differ in rows.
pub fn select(b: &mut Builder, c: Bit, x: Num, y: Num) -> Num {
    select_all(b, c, &[(x, y)])[0]
}

/// The same choice for several pairs: `c` becomes a number once, and each pair costs a product.
///
/// # Panics
/// If the columns differ in rows.
pub fn select_all(b: &mut Builder, c: Bit, pairs: &[(Num, Num)]) -> Vec<Num> {
    let c = b.to_num(&[c]);
    pairs
        .iter()
        .map(|&(x, y)| {
            let change = b.sub(x, y);
            let taken = b.mul(c, change);
            b.add(y, taken)
        })
        .collect()
}

/// `x` where `shown` is 1, else 0: see [`select`] for the cost.
///
/// # Panics
/// If the columns differ in rows.
pub fn suppress(b: &mut Builder, shown: Bit, x: Num) -> Num {
    let shown = b.to_num(&[shown]);
    b.mul(shown, x)
}

/// The smaller, for `-2^(w-1) <= x - y < 2^(w-1)`. Cost of [`less`] and then [`select`].
///
/// # Panics
/// If `width` is not 1 to 64, or the columns differ in rows.
pub fn min(b: &mut Builder, x: Num, y: Num, width: usize) -> Num {
    let smaller = less(b, x, y, width);
    select(b, smaller, x, y)
}

/// The larger, for `-2^(w-1) <= x - y < 2^(w-1)`. Cost of [`min`].
///
/// # Panics
/// If `width` is not 1 to 64, or the columns differ in rows.
pub fn max(b: &mut Builder, x: Num, y: Num, width: usize) -> Num {
    let smaller = less(b, x, y, width);
    select(b, smaller, y, x)
}

/// The planes of `floor(x / y)` and of the remainder for `0 <= x, y < 2^w`: the conversions to `w`
/// bits and [`divide`](super::divide), which says what a division by zero gives.
///
/// # Panics
/// If `width` is not 1 to 64, or the columns differ in rows.
pub fn divide(b: &mut Builder, x: Num, y: Num, width: usize) -> Quotient {
    let (x, y) = (b.to_bits(x, width), b.to_bits(y, width));
    super::divide(b, &x, &y)
}

/// `floor(x / 2^by)` for `0 <= x < 2^w`: exact. Cost of the conversions to `w` bits and back from
/// `w - by`.
///
/// # Panics
/// If `width` is not 1 to 64.
pub fn shift_right(b: &mut Builder, x: Num, by: usize, width: usize) -> Num {
    let planes = b.to_bits(x, width);
    match planes.get(by..) {
        Some(kept) if !kept.is_empty() => b.to_num(kept),
        _ => b.constant(0, b.rows(x)),
    }
}

/// `floor(x / 2^by)` for `-2^(w-1) <= x < 2^(w-1)`, towards minus infinity: exact. Cost of
/// [`shift_right`].
///
/// # Panics
/// If `width` is not 1 to 64.
pub fn shift_right_signed(b: &mut Builder, x: Num, by: usize, width: usize) -> Num {
    // Shifting by all bits but the sign leaves the sign.
    let by = by.min(width - 1);
    let rows = b.rows(x);
    let half = b.constant(1 << (width - 1), rows);
    let raised = b.add(x, half);
    let shifted = shift_right(b, raised, by, width);
    let half = b.constant(1 << (width - 1 - by), rows);
    b.sub(shifted, half)
}

/// The `w` planes of `floor(x / d)` for a public `d` and `0 <= x < 2^w`: exact.
///
/// Where the product of `x` and the reciprocal fits 64 bits, which it does up to 31 bits, the product
/// is local and what is left is one conversion of at most `2 w + 2` bits; for more, a conversion of
/// `w` bits and [`divide_public`](super::divide_public).
///
/// # Panics
/// If `d` is 0 or `width` is not 1 to 64.
pub fn divide_public(b: &mut Builder, x: Num, d: u64, width: usize) -> Vec<Bit> {
    assert!(d > 0, "division by zero");
    let most = u64::MAX >> (64 - width);
    if d.is_power_of_two() || most / d < 2 {
        let planes = b.to_bits(x, width);
        return super::divide_public(b, &planes, d);
    }
    let by = Reciprocal::of(d, width);
    let bits = by.shift + by.quotient;
    let (Ok(factor), true) = (u64::try_from(by.factor), bits <= 64) else {
        let planes = b.to_bits(x, width);
        return super::divide_public(b, &planes, d);
    };
    let product = b.scale(x, factor);
    let mut planes = b.to_bits(product, bits).split_off(by.shift);
    let rows = b.rows(x);
    while planes.len() < width {
        planes.push(b.constant(0, rows));
    }
    planes
}

/// The `w` planes of `floor(x / d)`, towards minus infinity, for a public `d` and
/// `-2^(w-1) <= x < 2^(w-1)`: exact. A conversion of `w` bits and
/// [`divide_public_signed`](super::divide_public_signed).
///
/// # Panics
/// If `d` is 0 or `width` is not 1 to 64.
pub fn divide_public_signed(b: &mut Builder, x: Num, d: u64, width: usize) -> Vec<Bit> {
    let planes = b.to_bits(x, width);
    super::divide_public_signed(b, &planes, d)
}
