//! Conversions between numbers and bits.
//!
//! An engine holds a number as a sum of addends, each known to some party. Entering the bits of an
//! addend is cheap; adding the addends up over bits is a carry-save tree and one adder. After
//! Araki, Barak, Furukawa, Lichter, Lindell, Nof, Ohara, Watzman, Weinstein, "Generalizing the SPDZ
//! compiler for other protocols" (CCS 2018), section on local share conversion, and Mohassel,
//! Rindal, "ABY3" (CCS 2018), section 5.3.

use tacit_mpc::{Bit, Builder, Num};

use super::{sum_is_ones, sum_of};

/// The lowest `width` bits of `x`, for an engine with so many `addends`.
///
/// The engine's round for an addend, then `ceil(log2 width)` rounds for two addends; for more see
/// [`top_of_sum`](super::top_of_sum).
///
/// # Panics
/// If there is no addend or `width` is not 1 to 64.
pub fn to_bits(b: &mut Builder, x: Num, width: usize, addends: usize) -> Vec<Bit> {
    let planes = addend_planes(b, x, width, addends);
    sum_of(b, &planes)
}

/// Where the lowest `width` bits of `x` are zero, for an engine with so many `addends`.
///
/// `x = 0` modulo `2^w` where the addends of `x - 1` sum to all ones: two addends do where they are
/// each other's complement, which is local to see plane by plane; of more, carry-save levels leave
/// two. The engine's round for an addend, carry-save levels (none for two addends), then
/// `ceil(log2 width)` rounds and `width - 1` ANDs. After Cortadella and Llabería, "Evaluation of
/// A + B = K conditions without carry propagation" (1992).
///
/// # Panics
/// If there is no addend or `width` is not 1 to 64.
pub fn is_zero(b: &mut Builder, x: Num, width: usize, addends: usize) -> Bit {
    let one = b.constant(1, b.rows(x));
    let before = b.sub(x, one);
    let planes = addend_planes(b, before, width, addends);
    sum_is_ones(b, planes)
}

/// Bit planes of every addend of `x`.
pub(crate) fn addend_planes(
    b: &mut Builder,
    x: Num,
    width: usize,
    addends: usize,
) -> Vec<Vec<Bit>> {
    (0..addends).map(|i| b.addend_bits(x, i, width)).collect()
}

/// The number, unsigned, whose bit planes are given, for an engine with so many `addends`.
///
/// All planes go as one long column. The engine's round for an addend, then the exclusive or of
/// the addends over numbers, `x + y - 2 x y`, as a tree: `ceil(log2 addends)` rounds and
/// `w (addends - 1)` products.
///
/// # Panics
/// If there is no plane or no addend.
pub fn to_num(b: &mut Builder, planes: &[Bit], addends: usize) -> Num {
    let rows = b.rows(planes[0]);
    let all = b.concat(planes);
    let mut level: Vec<Num> = (0..addends).map(|i| b.addend_num(all, i)).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [x, y] => {
                    let sum = b.add(*x, *y);
                    let both = b.mul(*x, *y);
                    let twice = b.scale(both, 2);
                    b.sub(sum, twice)
                }
                rest => rest[0],
            })
            .collect();
    }
    let mut number: Option<Num> = None;
    for i in 0..planes.len() {
        let plane = b.slice(level[0], i * rows, rows);
        let weighted = b.scale(plane, 1 << i);
        number = Some(match number {
            Some(sum) => b.add(sum, weighted),
            None => weighted,
        });
    }
    number.expect("at least one plane")
}

/// The planes of a public number, the same in every row. Local.
pub fn from_public(b: &mut Builder, value: u64, width: usize, rows: usize) -> Vec<Bit> {
    (0..width).map(|i| b.constant(value.checked_shr(i as u32).unwrap_or(0) & 1, rows)).collect()
}
