//! Orders of rows: random ones from a stream, opened ones, and columns in such an order.

use rayon::prelude::*;
use tacit_net::{Arena, Buffer};

use crate::{Error, Kind, Result, Shape, linear, mask::Prg, words};

/// A uniformly random order of `rows` rows, by Fisher and Yates; numbers below a bound are drawn
/// without bias after Lemire, "Fast random integer generation in an interval" (2019).
pub(crate) fn order(prg: &Prg, permutation: u32, rows: usize) -> Vec<u32> {
    // One of its own for each number of rows: orders of more and of fewer rows that begin with the same
    // draws would tell about each other once one of them is opened.
    let prg = prg.part(u64::from(permutation), rows as u64);
    let mut block = 0;
    let mut drawn = vec![0; 1024];
    let mut next = drawn.len();
    let mut draw = || {
        if next == drawn.len() {
            prg.fill(block, &mut drawn);
            block += drawn.len() as u64 / 2;
            next = 0;
        }
        next += 1;
        drawn[next - 1]
    };
    let mut order: Vec<u32> = (0..rows as u32).collect();
    for i in (1..rows).rev() {
        let bound = i as u64 + 1;
        let chosen = loop {
            let wide = u128::from(draw()) * u128::from(bound);
            if wide as u64 >= bound.wrapping_neg() % bound {
                break (wide >> 64) as usize;
            }
        };
        order.swap(i, chosen);
    }
    order
}

/// Row `order[i]` becomes row `i`, or the other way round.
pub(crate) fn permute(from: &[u64], order: &[u32], inverse: bool, to: &mut [u64]) {
    if inverse {
        for (&row, &word) in order.iter().zip(from) {
            to[row as usize] = word;
        }
    } else if order.len() < linear::SPLIT {
        linear::gather(Kind::Num, from, order, to);
    } else {
        let pieces = to.par_chunks_mut(linear::PIECE).zip(order.par_chunks(linear::PIECE));
        pieces.for_each(|(to, order)| linear::gather(Kind::Num, from, order, to));
    }
}

/// The row numbers that planes of bits, or one column of numbers, stand for.
pub(crate) fn row_numbers(shape: Shape, columns: &[&[u64]]) -> Vec<u64> {
    if shape.kind != Kind::Bit {
        return columns[0].to_vec();
    }
    let mut numbers = vec![0; shape.rows];
    words::from_planes(columns, &mut numbers);
    numbers
}

/// The order that opened row numbers are.
///
/// # Errors
/// [`Error::Disorder`] if a row is missing or there twice.
pub(crate) fn from_opened(numbers: &[u64]) -> Result<Vec<u32>> {
    let mut seen = vec![false; numbers.len()];
    let row = |&number: &u64| {
        let row = usize::try_from(number).ok().and_then(|row| seen.get_mut(row));
        let seen = row.ok_or(Error::Disorder)?;
        if std::mem::replace(seen, true) { Err(Error::Disorder) } else { Ok(number as u32) }
    };
    numbers.iter().map(row).collect()
}

/// Columns of these shapes with their rows in an order, as [`permute`] does; columns of bits are
/// moved 64 at a time as words.
pub(crate) fn arrange(
    shapes: &[Shape],
    columns: &[&[u64]],
    order: &[u32],
    inverse: bool,
    to: &mut [&mut [u64]],
) {
    let mut bits: Vec<(&[u64], &mut [u64])> = Vec::new();
    for ((shape, from), to) in shapes.iter().zip(columns).zip(to) {
        match shape.kind {
            Kind::Num | Kind::Field => permute(from, order, inverse, to),
            Kind::Bit => bits.push((from, to)),
        }
    }
    if bits.is_empty() {
        return;
    }
    let [mut rows, mut moved]: [Buffer; 2] = [0, 1].map(|_| Arena::default().take(8 * order.len()));
    for group in bits.chunks_mut(64) {
        let planes: Vec<&[u64]> = group.iter().map(|(from, _)| *from).collect();
        words::from_planes(&planes, &mut rows);
        permute(&rows, order, inverse, &mut moved);
        let mut planes: Vec<&mut [u64]> = group.iter_mut().map(|(_, to)| &mut **to).collect();
        words::to_planes(&moved, &mut planes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_numbers_that_are_no_order_are_refused() {
        assert_eq!(from_opened(&[2, 0, 1]).unwrap(), [2, 0, 1]);
        assert!(from_opened(&[]).unwrap().is_empty());
        for wrong in [&[0, 0][..], &[1, 2], &[0, u64::MAX], &[0, 1 << 32]] {
            assert!(matches!(from_opened(wrong), Err(Error::Disorder)), "{wrong:?}");
        }
    }
    use crate::mask;

    #[test]
    fn an_order_has_every_row_once_and_columns_come_back_from_it() {
        for rows in [0, 1, 2, 100, 70_000] {
            let order = order(&mask::public(), 3, rows);
            let mut seen = order.clone();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..rows as u32));
            let from: Vec<u64> = (0..rows as u64).collect();
            let [mut there, mut back] = [vec![0; rows], vec![0; rows]];
            permute(&from, &order, false, &mut there);
            permute(&there, &order, true, &mut back);
            assert_eq!(from, back);
        }
        assert_ne!(order(&mask::public(), 0, 100), order(&mask::public(), 1, 100));
    }

    #[test]
    fn orders_of_different_numbers_of_rows_tell_nothing_about_each_other() {
        // Both begin with the largest row; from the same draws they would take it from about the
        // same place of all rows.
        let mut near = 0;
        for permutation in 0..200 {
            let [x, y] = [1000, 999].map(|rows| {
                let last = order(&mask::public(), permutation, rows).last().copied().unwrap_or(0);
                f64::from(last) / rows as f64
            });
            near += u32::from((x - y).abs() < 0.05);
        }
        // A tenth of them by chance.
        assert!(near < 50, "{near} of 200");
    }
}
