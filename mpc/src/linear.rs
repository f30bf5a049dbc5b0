//! The linear instructions, for one component of one column at a time.
//!
//! They are the same for every linear scheme: a sharing is a list of components, and a linear map
//! of the secret is that map of every component. Only a public constant needs to know the scheme,
//! and it asks for this party's components of 1.

use rayon::prelude::*;

use crate::{Kind, Shape, field, wide::wide, words};

/// Words from which a loop is worth splitting over threads: half a megabyte, well past L2.
pub(crate) const SPLIT: usize = 1 << 16;

/// Words of one piece of a split loop.
pub(crate) const PIECE: usize = 1 << 14;

/// A ring of words: Z_2^64, 64 copies of Z_2, or a prime field on canonical words.
pub(crate) trait Ring {
    fn add(x: u64, y: u64) -> u64;
    fn sub(x: u64, y: u64) -> u64;
    fn mul(x: u64, y: u64) -> u64;
}

/// Z_2^64.
pub(crate) struct Z64;

/// 64 copies of Z_2.
pub(crate) struct Packed;

/// The prime field of 2^61 - 1.
pub(crate) struct Prime;

impl Ring for Z64 {
    fn add(x: u64, y: u64) -> u64 {
        x.wrapping_add(y)
    }
    fn sub(x: u64, y: u64) -> u64 {
        x.wrapping_sub(y)
    }
    fn mul(x: u64, y: u64) -> u64 {
        x.wrapping_mul(y)
    }
}

impl Ring for Packed {
    fn add(x: u64, y: u64) -> u64 {
        x ^ y
    }
    fn sub(x: u64, y: u64) -> u64 {
        x ^ y
    }
    fn mul(x: u64, y: u64) -> u64 {
        x & y
    }
}

impl Ring for Prime {
    fn add(x: u64, y: u64) -> u64 {
        field::add(x, y)
    }
    fn sub(x: u64, y: u64) -> u64 {
        field::sub(x, y)
    }
    fn mul(x: u64, y: u64) -> u64 {
        field::mul(x, y)
    }
}

/// Runs `$body` with `$ring` bound to the ring of `$kind`.
macro_rules! with_ring {
    ($kind:expr, $ring:ident => $body:expr) => {
        match $kind {
            $crate::Kind::Num => {
                type $ring = $crate::linear::Z64;
                $body
            }
            $crate::Kind::Bit => {
                type $ring = $crate::linear::Packed;
                $body
            }
            $crate::Kind::Field => {
                type $ring = $crate::linear::Prime;
                $body
            }
        }
    };
}
pub(crate) use with_ring;

/// The word that stands for the public `value` in a column of this kind.
pub(crate) fn word(kind: Kind, value: u64) -> u64 {
    match kind {
        Kind::Num | Kind::Field => value,
        Kind::Bit => (value & 1).wrapping_neg(),
    }
}

/// The sum of `rows` rows of the public `value`.
pub(crate) fn times(kind: Kind, value: u64, rows: usize) -> u64 {
    match kind {
        Kind::Num => value.wrapping_mul(rows as u64),
        Kind::Bit => value & rows as u64 & 1,
        Kind::Field => field::mul(value, field::reduce(rows as u64)),
    }
}

#[inline(always)]
fn each(z: &mut [u64], f: &impl Fn(u64) -> u64) {
    for z in z {
        *z = f(*z);
    }
}

#[inline(always)]
fn each_with(x: &[u64], z: &mut [u64], f: &impl Fn(u64, u64) -> u64) {
    for (z, x) in z.iter_mut().zip(x) {
        *z = f(*z, *x);
    }
}

#[inline(always)]
fn each_of_two(x: &[u64], y: &[u64], z: &mut [u64], f: &impl Fn(u64, u64) -> u64) {
    for ((z, x), y) in z.iter_mut().zip(x).zip(y) {
        *z = f(*x, *y);
    }
}

#[inline(always)]
fn total<R: Ring>(x: &[u64]) -> u64 {
    x.iter().fold(0, |a, b| R::add(a, *b))
}

fn zip_one(z: &mut [u64], f: impl Fn(u64) -> u64) {
    wide!(each(z, &f));
}

fn zip(x: &[u64], z: &mut [u64], f: impl Fn(u64, u64) -> u64 + Sync) {
    let piece = |x: &[u64], z: &mut [u64]| wide!(each_with(x, z, &f));
    if z.len() < SPLIT {
        piece(x, z);
    } else {
        z.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(z, x)| piece(x, z));
    }
}

fn zip2(x: &[u64], y: &[u64], z: &mut [u64], f: impl Fn(u64, u64) -> u64 + Sync) {
    let piece = |x: &[u64], y: &[u64], z: &mut [u64]| wide!(each_of_two(x, y, z, &f));
    if z.len() < SPLIT {
        piece(x, y, z);
    } else {
        z.par_chunks_mut(PIECE)
            .zip(x.par_chunks(PIECE))
            .zip(y.par_chunks(PIECE))
            .for_each(|((z, x), y)| piece(x, y, z));
    }
}

/// `z = x + y`.
pub(crate) fn add(kind: Kind, x: &[u64], y: &[u64], z: &mut [u64]) {
    with_ring!(kind, R => zip2(x, y, z, R::add));
}

/// `z = x - y`.
pub(crate) fn sub(kind: Kind, x: &[u64], y: &[u64], z: &mut [u64]) {
    with_ring!(kind, R => zip2(x, y, z, R::sub));
}

/// `z += x`.
pub(crate) fn add_to(kind: Kind, x: &[u64], z: &mut [u64]) {
    with_ring!(kind, R => zip(x, z, R::add));
}

/// `z -= x`.
pub(crate) fn sub_from(kind: Kind, x: &[u64], z: &mut [u64]) {
    with_ring!(kind, R => zip(x, z, R::sub));
}

/// `z = c z`.
pub(crate) fn scale(kind: Kind, c: u64, z: &mut [u64]) {
    with_ring!(kind, R => if z.len() < SPLIT {
        zip_one(z, |z| R::mul(z, c));
    } else {
        z.par_chunks_mut(PIECE).for_each(|z| zip_one(z, |z| R::mul(z, c)));
    });
}

/// `z += c` in every row, `c` a word as made by [`word`]. Bits beyond the last row stay zero.
pub(crate) fn add_word(shape: Shape, c: u64, z: &mut [u64]) {
    if c == 0 {
        return;
    }
    with_ring!(shape.kind, R => zip_one(z, |z| R::add(z, c)));
    words::clean(shape, z);
}

/// `z = -z`.
pub(crate) fn negate(kind: Kind, z: &mut [u64]) {
    if kind != Kind::Bit {
        with_ring!(kind, R => zip_one(z, |z| R::sub(0, z)));
    }
}

/// The same word in every row.
pub(crate) fn fill(shape: Shape, c: u64, z: &mut [u64]) {
    z.fill(c);
    words::clean(shape, z);
}

/// Sum of all rows, one row.
pub(crate) fn sum(kind: Kind, x: &[u64]) -> u64 {
    let words = with_ring!(kind, R => {
        let piece = |x: &[u64]| wide!(total::<R>(x));
        if x.len() < SPLIT {
            piece(x)
        } else {
            x.par_chunks(PIECE).map(piece).reduce(|| 0, R::add)
        }
    });
    match kind {
        Kind::Num | Kind::Field => words,
        Kind::Bit => u64::from(words.count_ones() % 2),
    }
}

/// Rows `start ..` of `x`, as many as `shape` (that of the result) has.
pub(crate) fn slice(shape: Shape, x: &[u64], start: usize, z: &mut [u64]) {
    match shape.kind {
        Kind::Num | Kind::Field => z.copy_from_slice(&x[start..start + shape.rows]),
        Kind::Bit => {
            let (first, shift) = (start / 64, start % 64);
            for (i, z) in z.iter_mut().enumerate() {
                let low = x[first + i] >> shift;
                let high = match x.get(first + i + 1) {
                    Some(next) if shift > 0 => next << (64 - shift),
                    _ => 0,
                };
                *z = low | high;
            }
            words::clean(shape, z);
        }
    }
}

/// Columns one below the other; each part comes with its number of rows.
pub(crate) fn concat<'a>(
    kind: Kind,
    parts: impl Iterator<Item = (&'a [u64], usize)>,
    z: &mut [u64],
) {
    match kind {
        Kind::Num | Kind::Field => {
            let mut at = 0;
            for (x, rows) in parts {
                z[at..at + rows].copy_from_slice(x);
                at += rows;
            }
        }
        Kind::Bit => {
            z.fill(0);
            let mut at = 0;
            for (x, rows) in parts {
                let (first, shift) = (at / 64, at % 64);
                for (i, x) in x.iter().enumerate() {
                    z[first + i] |= x << shift;
                    if shift > 0
                        && let Some(next) = z.get_mut(first + i + 1)
                    {
                        *next |= x >> (64 - shift);
                    }
                }
                at += rows;
            }
        }
    }
}

/// Row 0 of `x` in every row of `z`.
pub(crate) fn broadcast(shape: Shape, x: &[u64], z: &mut [u64]) {
    let value = match shape.kind {
        Kind::Num | Kind::Field => x[0],
        Kind::Bit => word(Kind::Bit, x[0]),
    };
    fill(shape, value, z);
}

/// Row `index[i]` of `x` becomes row `i`.
pub(crate) fn gather(kind: Kind, x: &[u64], index: &[u32], z: &mut [u64]) {
    match kind {
        Kind::Num | Kind::Field => {
            for (z, &i) in z.iter_mut().zip(index) {
                *z = x[i as usize];
            }
        }
        Kind::Bit => {
            for (z, index) in z.iter_mut().zip(index.chunks(64)) {
                *z = index
                    .iter()
                    .enumerate()
                    .fold(0, |word, (at, &i)| word | words::bit(x, i as usize) << at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Column;

    fn bits(rows: &[bool]) -> Vec<u64> {
        Column::bits(rows.iter().copied()).words().to_vec()
    }

    fn shape(rows: usize) -> Shape {
        Shape { kind: Kind::Bit, rows }
    }

    #[test]
    fn loops_give_equal_bits_with_all_instructions() {
        let [x, y] = [3, 5].map(|by| crate::wide::testing::words(131, by));
        for kind in [Kind::Num, Kind::Bit] {
            with_ring!(kind, R => {
                let mut due = x.clone();
                each_of_two(&x, &y, &mut due, &R::mul);
                each_with(&y, &mut due, &R::sub);
                each(&mut due, &|z| R::add(z, 7));
                for level in crate::wide::testing::levels() {
                    let mut z = x.clone();
                    fearless_simd::dispatch!(level, _ => each_of_two(&x, &y, &mut z, &R::mul));
                    fearless_simd::dispatch!(level, _ => each_with(&y, &mut z, &R::sub));
                    fearless_simd::dispatch!(level, _ => each(&mut z, &|z| R::add(z, 7)));
                    assert_eq!(z, due, "{level:?}");
                    let sum = fearless_simd::dispatch!(level, _ => total::<R>(&z));
                    assert_eq!(sum, total::<R>(&due), "{level:?}");
                }
            });
        }
    }

    proptest! {
        #[test]
        fn slices_gathers_and_concats_of_bits_move_rows(
            x in prop::collection::vec(any::<bool>(), 0..200),
            y in prop::collection::vec(any::<bool>(), 0..200),
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let both: Vec<bool> = x.iter().chain(&y).copied().collect();
            let (px, py) = (bits(&x), bits(&y));
            let mut z = vec![7; shape(both.len()).words()];
            concat(Kind::Bit, [(&px[..], x.len()), (&py[..], y.len())].into_iter(), &mut z);
            prop_assert_eq!(&z, &bits(&both));

            let a = cut.0.index(both.len() + 1);
            let b = a + cut.1.index(both.len() - a + 1);
            let mut part = vec![7; shape(b - a).words()];
            slice(shape(b - a), &z, a, &mut part);
            prop_assert_eq!(&part, &bits(&both[a..b]));

            let index: Vec<u32> = (a as u32..b as u32).rev().collect();
            let mut rev = vec![7; shape(b - a).words()];
            gather(Kind::Bit, &z, &index, &mut rev);
            let expected: Vec<bool> = both[a..b].iter().rev().copied().collect();
            prop_assert_eq!(&rev, &bits(&expected));
            prop_assert_eq!(
                sum(Kind::Bit, &z),
                (both.iter().filter(|b| **b).count() % 2) as u64
            );
        }
    }
}
