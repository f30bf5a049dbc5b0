//! Random orders of rows from a stream, and columns in such an order.

use rayon::prelude::*;

use crate::{Kind, linear, mask::Prg};

/// Counter blocks of the streams of orders that one order owns: more than any column has rows.
const OWNED: u32 = 40;

/// A uniformly random order of `rows` rows, by Fisher and Yates; numbers below a bound are drawn
/// without bias after Lemire, "Fast random integer generation in an interval" (2019).
pub(super) fn order(prg: &Prg, permutation: u32, rows: usize) -> Vec<u32> {
    let mut block = u64::from(permutation) << OWNED;
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
pub(super) fn permute(from: &[u64], order: &[u32], inverse: bool, to: &mut [u64]) {
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

#[cfg(test)]
mod tests {
    use super::*;
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
}
