//! [`crate::Op::Transpose`] on one component: a column read as a matrix, row after row.

use crate::{
    Kind, Shape,
    linear::{self, Ring, with_ring},
    words,
};

/// Row `r * columns + c` of `x` becomes row `c * rows + r`; `shape` is that of `x` and of `z`.
pub(crate) fn transpose(shape: Shape, columns: usize, x: &[u64], z: &mut [u64]) {
    let rows = shape.rows.checked_div(columns).unwrap_or_default();
    match shape.kind {
        Kind::Num | Kind::Field => {
            for (c, z) in z.chunks_exact_mut(rows.max(1)).enumerate() {
                for (z, x) in z.iter_mut().zip(x[c..].iter().step_by(columns.max(1))) {
                    *z = *x;
                }
            }
        }
        Kind::Bit if columns == 2 => split(rows, x, z),
        Kind::Bit if rows == 2 => merge(columns, x, z),
        Kind::Bit => {
            z.fill(0);
            for to in 0..shape.rows {
                let from = to % rows * columns + to / rows;
                z[to / 64] |= words::bit(x, from) << (to % 64);
            }
        }
    }
}

/// Even rows of `x`, `half` of them, then the odd ones.
fn split(half: usize, x: &[u64], z: &mut [u64]) {
    z.fill(0);
    for (i, word) in x.iter().enumerate() {
        for (odd, at) in [(0, 32 * i), (1, half + 32 * i)] {
            let bits = gather_even(word >> odd);
            let shift = at % 64;
            if let Some(z) = z.get_mut(at / 64) {
                *z |= bits << shift;
            }
            if shift > 32
                && let Some(z) = z.get_mut(at / 64 + 1)
            {
                *z |= bits >> (64 - shift);
            }
        }
    }
}

/// The first `half` rows of `x` at even places, the others at odd ones.
fn merge(half: usize, x: &[u64], z: &mut [u64]) {
    let part = |at: usize| {
        let (word, shift) = (at / 64, at % 64);
        let low = x.get(word).map_or(0, |x| x >> shift);
        let high = match x.get(word + 1) {
            Some(x) if shift > 0 => x << (64 - shift),
            _ => 0,
        };
        (low | high) & 0xffff_ffff
    };
    for (i, z) in z.iter_mut().enumerate() {
        *z = scatter_even(part(32 * i)) | scatter_even(part(half + 32 * i)) << 1;
    }
    words::clean(Shape { kind: Kind::Bit, rows: 2 * half }, z);
}

/// Bits 0, 2, 4, ... of a word, side by side.
fn gather_even(x: u64) -> u64 {
    let mut x = x & 0x5555_5555_5555_5555;
    x = (x | x >> 1) & 0x3333_3333_3333_3333;
    x = (x | x >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    x = (x | x >> 4) & 0x00ff_00ff_00ff_00ff;
    x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
    (x | x >> 16) & 0xffff_ffff
}

/// The lowest 32 bits of a word at places 0, 2, 4, ...
fn scatter_even(x: u64) -> u64 {
    let mut x = x & 0xffff_ffff;
    x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    x = (x | x << 2) & 0x3333_3333_3333_3333;
    (x | x << 1) & 0x5555_5555_5555_5555
}

/// `z_i = x_0 + ... + x_i` in the ring of the kind.
pub(crate) fn prefix_sum(shape: Shape, x: &[u64], z: &mut [u64]) {
    let mut sum = 0_u64;
    match shape.kind {
        Kind::Num | Kind::Field => with_ring!(shape.kind, R => {
            for (z, x) in z.iter_mut().zip(x) {
                sum = R::add(sum, *x);
                *z = sum;
            }
        }),
        Kind::Bit => {
            for (z, x) in z.iter_mut().zip(x) {
                let mut parity = *x;
                for shift in [1, 2, 4, 8, 16, 32] {
                    parity ^= parity << shift;
                }
                *z = parity ^ linear::word(Kind::Bit, sum);
                sum = *z >> 63;
            }
            words::clean(shape, z);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Builder, Column, Handle, Num, Op};

    fn bits(rows: &[bool]) -> Vec<u64> {
        Column::bits(rows.iter().copied()).words().to_vec()
    }

    #[test]
    fn a_matrix_of_broken_rows_is_refused() {
        for (rows, columns, fits) in
            [(6, 2, true), (6, 6, true), (0, 4, true), (5, 2, false), (4, 8, false), (4, 0, false)]
        {
            let mut b = Builder::new();
            let x: Num = b.enter(0, rows);
            let made = b.finish().push(Op::Transpose { columns }, &[x.id()]);
            assert_eq!(made.is_ok(), fits, "{rows} rows, {columns} columns");
        }
    }

    proptest! {
        #[test]
        fn transposition_moves_every_row_to_its_place(
            rows in prop_oneof![Just(1), Just(2), 0..70usize],
            columns in prop_oneof![Just(1), Just(2), Just(3), 1..70usize],
            seed in prop::collection::vec(any::<u64>(), 4900),
        ) {
            let n = rows * columns;
            let place = |to: usize| to % rows * columns + to / rows;
            let mut z = vec![7; n];
            transpose(Shape { kind: Kind::Num, rows: n }, columns, &seed[..n], &mut z);
            let due: Vec<u64> = (0..n).map(|to| seed[place(to)]).collect();
            prop_assert_eq!(z, due);

            let plain: Vec<bool> = seed[..n].iter().map(|x| x & 1 == 1).collect();
            let due: Vec<bool> = (0..n).map(|to| plain[place(to)]).collect();
            let shape = Shape { kind: Kind::Bit, rows: n };
            let mut z = vec![7; shape.words()];
            transpose(shape, columns, &bits(&plain), &mut z);
            prop_assert_eq!(z, bits(&due));
        }

        #[test]
        fn prefix_sums_add_up_what_came_before(x in prop::collection::vec(any::<u64>(), 0..200)) {
            let shape = |kind| Shape { kind, rows: x.len() };
            let mut z = vec![7; x.len()];
            prefix_sum(shape(Kind::Num), &x, &mut z);
            for i in 0..x.len() {
                prop_assert_eq!(z[i], x[..=i].iter().fold(0, |sum: u64, x| sum.wrapping_add(*x)));
            }
            let plain: Vec<bool> = x.iter().map(|x| x >> 9 & 1 == 1).collect();
            let due: Vec<bool> =
                (0..x.len()).map(|i| plain[..=i].iter().filter(|bit| **bit).count() % 2 == 1).collect();
            let mut z = vec![7; shape(Kind::Bit).words()];
            prefix_sum(shape(Kind::Bit), &bits(&plain), &mut z);
            prop_assert_eq!(z, bits(&due));
        }
    }
}
