//! Smallest and largest of many, and their places; values kept between bounds.
//!
//! All are trees of [`less`](super::less) and [`select`](super::select) over unsigned numbers.
//! [`signed_order`](super::signed_order) makes them work for signed ones. Of equal values the first
//! counts.

use tacit_mpc::{Bit, Builder};

use super::{ceil_log2, less, less_public, select};

/// A value and where it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Planes of the value.
    pub value: Vec<Bit>,
    /// Planes of its place, counted from 0: `ceil(log2 n)` of them.
    pub place: Vec<Bit>,
}

/// Row by row the smallest of `n` columns. `ceil(log2 n) (1 + ceil(log2(w + 1)))` rounds, at most
/// `(n - 1) (3 w - 1)` ANDs.
///
/// # Panics
/// If there is no column, or widths or rows differ.
pub fn min_of(b: &mut Builder, columns: &[Vec<Bit>]) -> Vec<Bit> {
    argmin_of(b, columns).value
}

/// Row by row the largest of `n` columns. Cost of [`min_of`].
///
/// # Panics
/// If there is no column, or widths or rows differ.
pub fn max_of(b: &mut Builder, columns: &[Vec<Bit>]) -> Vec<Bit> {
    argmax_of(b, columns).value
}

/// Row by row the smallest of `n` columns and which it is, the first of equals. Rounds of
/// [`min_of`]; at most `n` more ANDs.
///
/// # Panics
/// If there is no column, or widths or rows differ.
pub fn argmin_of(b: &mut Builder, columns: &[Vec<Bit>]) -> Found {
    of_columns(b, columns, |b, x, y| less(b, y, x))
}

/// Row by row the largest of `n` columns and which it is, the first of equals. Cost of
/// [`argmin_of`].
///
/// # Panics
/// If there is no column, or widths or rows differ.
pub fn argmax_of(b: &mut Builder, columns: &[Vec<Bit>]) -> Found {
    of_columns(b, columns, less)
}

/// The smallest of the `n` rows of a column, one row. Cost of [`min_of`], with `n` rows in place of
/// `n` columns.
///
/// # Panics
/// If there is no plane or no row.
pub fn min_rows(b: &mut Builder, x: &[Bit]) -> Vec<Bit> {
    argmin_rows(b, x).value
}

/// The largest of the `n` rows of a column, one row. Cost of [`min_rows`].
///
/// # Panics
/// If there is no plane or no row.
pub fn max_rows(b: &mut Builder, x: &[Bit]) -> Vec<Bit> {
    argmax_rows(b, x).value
}

/// The smallest of the `n` rows of a column and its row, the first of equals. Rounds of
/// [`min_rows`]; at most `n` more ANDs.
///
/// # Panics
/// If there is no plane or no row.
pub fn argmin_rows(b: &mut Builder, x: &[Bit]) -> Found {
    of_rows(b, x, |b, x, y| less(b, y, x))
}

/// The largest of the `n` rows of a column and its row, the first of equals. Cost of
/// [`argmin_rows`].
///
/// # Panics
/// If there is no plane or no row.
pub fn argmax_rows(b: &mut Builder, x: &[Bit]) -> Found {
    of_rows(b, x, less)
}

/// The nearer of `least` and `most` where `x` is not between them, for public bounds.
/// `1 + ceil(log2 w)` rounds, at most `4 w` ANDs.
///
/// # Panics
/// If `least > most`, or `least` does not fit the width of `x`.
pub fn clamp_public(b: &mut Builder, x: &[Bit], least: u64, most: u64) -> Vec<Bit> {
    assert!(least <= most, "clamp: bounds out of order");
    assert!(x.len() >= 64 || least >> x.len() == 0, "clamp: a bound beyond the width");
    let under = less_public(b, x, least);
    let Some(below) = most.checked_add(1) else {
        let planes = super::from_public(b, least, x.len(), b.rows(under));
        return select(b, under, &planes, x);
    };
    // Where x is under the least, it is below the most too: the two never hold together.
    let within = less_public(b, x, below);
    let over = b.not(within);
    let kept = b.xor(within, under);
    x.iter()
        .enumerate()
        .map(|(i, &plane)| {
            let mut plane = b.and(kept, plane);
            for (bound, chosen) in [(least, under), (most, over)] {
                if bound >> i & 1 == 1 {
                    plane = b.xor(plane, chosen);
                }
            }
            plane
        })
        .collect()
}

/// The nearer of `least` and `most` where `x` is not between them, for secret bounds with
/// `least <= most`. `1 + ceil(log2(w + 1))` rounds, at most `6 w - 2` ANDs.
///
/// Where `least > most` the result is the exclusive or of planes, of no use.
///
/// # Panics
/// If the widths differ.
pub fn clamp(b: &mut Builder, x: &[Bit], least: &[Bit], most: &[Bit]) -> Vec<Bit> {
    let under = less(b, x, least);
    let over = less(b, most, x);
    let raised = select(b, under, least, x);
    let lowered = select(b, over, most, x);
    // At most one of the two differs from x.
    x.iter()
        .zip(raised.iter().zip(&lowered))
        .map(|(&x, (&raised, &lowered))| {
            let changed = b.xor(raised, lowered);
            b.xor(x, changed)
        })
        .collect()
}

/// The later of two where `later` holds; the new plane of the place is the answer itself.
fn join(b: &mut Builder, x: &Found, y: &Found, later: Bit) -> Found {
    let value = select(b, later, &y.value, &x.value);
    let mut place = select(b, later, &y.place, &x.place);
    place.push(later);
    Found { value, place }
}

fn of_columns(
    b: &mut Builder,
    columns: &[Vec<Bit>],
    later: impl Fn(&mut Builder, &[Bit], &[Bit]) -> Bit,
) -> Found {
    assert!(!columns.is_empty(), "extreme of nothing");
    let found = |value: &Vec<Bit>| Found { value: value.clone(), place: Vec::new() };
    let mut level: Vec<Found> = columns.iter().map(found).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [x, y] => {
                    let later = later(b, &x.value, &y.value);
                    join(b, x, y, later)
                }
                rest => {
                    let mut rest = rest[0].clone();
                    let rows = rest.value.first().map_or(0, |&plane| b.rows(plane));
                    rest.place.push(b.constant(0, rows));
                    rest
                }
            })
            .collect();
    }
    level.remove(0)
}

fn of_rows(
    b: &mut Builder,
    x: &[Bit],
    later: impl Fn(&mut Builder, &[Bit], &[Bit]) -> Bit,
) -> Found {
    let mut rows = x.first().map_or(0, |&plane| b.rows(plane));
    assert!(rows > 0, "extreme of nothing");
    let levels = ceil_log2(rows);
    let mut found = Found { value: x.to_vec(), place: Vec::new() };
    for _ in 0..levels {
        let half = rows / 2;
        let part = |b: &mut Builder, found: &Found, odd: usize| {
            let mut rows = |planes: &[Bit]| -> Vec<Bit> {
                planes
                    .iter()
                    .map(|&plane| {
                        let pairs = b.slice(plane, 0, 2 * half);
                        let halves = b.transpose(pairs, 2);
                        b.slice(halves, odd * half, half)
                    })
                    .collect()
            };
            Found { value: rows(&found.value), place: rows(&found.place) }
        };
        let (even, odd) = (part(b, &found, 0), part(b, &found, 1));
        let later = later(b, &even.value, &odd.value);
        let mut joined = join(b, &even, &odd, later);
        if rows % 2 == 1 {
            let zero: Bit = b.constant(0, rows);
            found.place.push(zero);
            let last = |b: &mut Builder, (joined, old): (&mut Bit, &Bit)| {
                let last = b.slice(*old, rows - 1, 1);
                *joined = b.concat(&[*joined, last]);
            };
            joined.value.iter_mut().zip(&found.value).for_each(|pair| last(b, pair));
            joined.place.iter_mut().zip(&found.place).for_each(|pair| last(b, pair));
        }
        found = joined;
        rows = rows.div_ceil(2);
    }
    found
}
