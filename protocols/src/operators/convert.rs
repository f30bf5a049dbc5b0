//! Conversions between numbers and bits.
//!
//! An engine holds a number as a sum of addends, each known to some party. Entering the bits of an
//! addend is cheap; adding the addends up over bits is a carry-save tree and one adder. After
//! Araki, Barak, Furukawa, Lichter, Lindell, Nof, Ohara, Watzman, Weinstein, "Generalizing the SPDZ
//! compiler for other protocols" (CCS 2018), section on local share conversion, and Mohassel,
//! Rindal, "ABY3" (CCS 2018), section 5.3.

use tacit_mpc::{Bit, Builder, Num};

use super::arithmetic::total;
use super::{ceil_log2, sum_is_ones, sum_of};

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

/// Bits from which [`to_num`] saves bytes rather than rounds: at 32 planes 6 rounds for half a megabyte,
/// which a line of 100 Mbit/s takes 40 ms for.
const MANY: usize = 1 << 15;

/// The number, unsigned, whose bit planes are given, for an engine with so many `addends`.
///
/// [`to_num_by_sum`] from two planes and 2^15 bits in all on, else [`to_num_by_planes`]: few bits take few
/// rounds, many bits take few bytes.
///
/// # Panics
/// If there is no plane or no addend.
pub fn to_num(b: &mut Builder, planes: &[Bit], addends: usize) -> Num {
    if addends > 1 && planes.len() > 1 && planes.len() * b.rows(planes[0]) >= MANY {
        to_num_by_sum(b, planes, addends)
    } else {
        to_num_by_planes(b, planes, addends)
    }
}

/// As [`to_num`], of many planes with few bytes.
///
/// A mask below `2^w` that lacks addend 0 is added over bits; the lowest `w` planes of the sum are opened
/// to whoever knows addend 0 and become it, the planes above are converted one by one, and the mask is
/// subtracted:
///
/// ```text
/// s = x + r over bits      x = (s mod 2^w) + 2^w floor(s / 2^w) - r over numbers
/// ```
///
/// The mask and its bits cost nothing, for they are what some party knows. With two addends
/// `ceil(log2(w + 1)) + 2` rounds on `rep3` (8 at 64 bits), at most `w ceil(log2 w)` ANDs, `w` bits sent by
/// the third compute party, and 24 bytes by the first one and 8 by the others, or at 64 bits 8 bytes by
/// the first one. At 32 bits the first party sends 40.3 bytes a row where [`to_num_by_planes`] takes 512. After
/// Escudero, Ghosh, Keller, Rachuri, Scholl, "Improved primitives for MPC over mixed arithmetic-binary
/// circuits" (CRYPTO 2020), with a mask of which parties know addends in place of random
/// bits that are shared twice.
///
/// # Panics
/// If there is no plane or no addend, or more than 64 planes.
pub fn to_num_by_sum(b: &mut Builder, planes: &[Bit], addends: usize) -> Num {
    let (rows, width) = (b.rows(planes[0]), planes.len());
    // The sum of so many numbers of `width` bits has so many planes more.
    let above = ceil_log2(addends).min(64 - width);
    let mask = b.mask(rows, width);
    let mut terms = vec![planes.to_vec()];
    terms.extend((1..addends).map(|i| b.addend_bits(mask, i, width)));
    let widened = terms.into_iter().map(|planes| {
        let planes = planes.into_iter().map(Some);
        planes.chain(std::iter::repeat_n(None, above)).collect()
    });
    let sum = total(b, widened.collect(), &vec![true; width + above]);
    let sum: Vec<Bit> = sum
        .into_iter()
        .map(|plane| plane.flatten().unwrap_or_else(|| b.constant(0, rows)))
        .collect();
    let (low, high) = sum.split_at(width);
    let mut number = b.open_masked(low);
    if !high.is_empty() {
        let high = to_num_by_planes(b, high, addends);
        let high = b.scale(high, 1 << width);
        number = b.add(number, high);
    }
    b.sub(number, mask)
}

/// As [`to_num`], in few rounds.
///
/// All planes go as one long column. The engine's round for an addend, then the exclusive or of
/// the addends over numbers, `x + y - 2 x y`, as a tree: `ceil(log2 addends)` rounds and
/// `w (addends - 1)` products. On `rep3` two rounds, 16 bytes a plane sent by the first compute party and 8
/// by the others.
///
/// # Panics
/// If there is no plane or no addend.
pub fn to_num_by_planes(b: &mut Builder, planes: &[Bit], addends: usize) -> Num {
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
