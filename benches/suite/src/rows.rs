//! Tasks whose rows do not stay where they are: permutations, compaction, the largest, groups.

use std::collections::BTreeMap;

use rand_chacha::{ChaCha12Rng, rand_core::Rng as _};
use tacit_mpc::{Bit, Builder, Column, Num};
use tacit_protocols::{self as operators, Order};

use crate::task::{Inputs, SAMPLE, bits};

/// Width of the keys of `top-100`.
const KEY: usize = 32;

/// Rows that `top-100` finds.
const FOUND: usize = 100;

/// Width of the keys of `sum-by-key`.
const GROUP: usize = 16;

/// What is done with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Moved by a secret permutation.
    Permute,
    /// Moved to the front if they count.
    Compact,
    /// Found if their keys are among the largest.
    Top,
    /// Summed up by a secret key.
    SumByKey,
    /// Summed up from the start of their segment on.
    Segments,
}

impl Rows {
    /// Planes that are entered besides a column of numbers.
    fn planes(self, n: usize) -> usize {
        match self {
            Self::Permute => operators::ceil_log2(n).max(1),
            Self::Compact | Self::Segments => 1,
            Self::Top => KEY,
            Self::SumByKey => GROUP,
        }
    }

    pub(crate) fn build(self, b: &mut Builder, n: usize, to: usize) {
        let x: Num = b.enter(to, n);
        let planes: Vec<Bit> = (0..self.planes(n)).map(|_| b.enter(to, n)).collect();
        let result = match self {
            Self::Permute => operators::apply(b, &Order::Planes(planes), &[x], &[]).0[0],
            Self::Compact => operators::compact(b, planes[0], &[x], &[]).nums[0],
            Self::Top => operators::top_k(b, &[planes], FOUND, &[x], &[]).nums[0],
            Self::SumByKey => operators::aggregate_by_key(b, &planes, &[x], &[], &[]).sums[0],
            Self::Segments => operators::segmented_sum(b, planes[0], x),
        };
        open_in_order(b, result, to);
    }

    pub(crate) fn inputs(self, n: usize, dice: &mut ChaCha12Rng) -> Inputs {
        let mut columns = vec![Column::Num((0..n).map(|_| dice.next_u64()).collect())];
        let planes = self.planes(n);
        if self == Self::Permute {
            let order = random_order(n, dice);
            let plane = |i: usize| Column::bits(order.iter().map(move |row| row >> i & 1 == 1));
            columns.extend((0..planes).map(plane));
        } else {
            columns.extend((0..planes).map(|_| {
                let words = (0..n.div_ceil(64)).map(|_| dice.next_u64()).collect();
                Column::from_words(bits(n), words)
            }));
        }
        columns
    }

    /// What must be opened; `x` are the numbers, and `y` those that the planes stand for.
    pub(crate) fn expected(self, x: &[u64], y: &[u64]) -> Vec<(String, Column)> {
        let pick = |rows: &[usize]| -> Vec<u64> { rows.iter().map(|&row| x[row]).collect() };
        let mut rows: Vec<usize> = (0..x.len()).collect();
        in_order(&match self {
            Self::Permute => y.iter().map(|&row| x[row as usize]).collect(),
            Self::Compact => {
                rows.sort_by_key(|&row| 1 - y[row]);
                pick(&rows)
            }
            Self::Top => {
                rows.sort_by_key(|&row| u64::MAX - y[row]);
                rows.truncate(FOUND);
                pick(&rows)
            }
            Self::SumByKey => {
                let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
                for (x, y) in x.iter().zip(y) {
                    let sum = sums.entry(*y).or_default();
                    *sum = sum.wrapping_add(*x);
                }
                let mut sums: Vec<u64> = sums.into_values().collect();
                sums.resize(x.len(), 0);
                sums
            }
            Self::Segments => {
                let mut sum = 0_u64;
                let next = |(x, y): (&u64, &u64)| {
                    sum = if *y == 1 { *x } else { sum.wrapping_add(*x) };
                    sum
                };
                x.iter().zip(y).map(next).collect()
            }
        })
    }
}

/// So many row numbers in a random order.
pub(crate) fn random_order(n: usize, dice: &mut ChaCha12Rng) -> Vec<u64> {
    let mut order: Vec<u64> = (0..n as u64).collect();
    for i in (1..n).rev() {
        order.swap(i, (dice.next_u64() % (i as u64 + 1)) as usize);
    }
    order
}

/// Opens the sum of all sums so far, in which row `i` of `n` counts `n - i` times, and the first rows.
pub(crate) fn open_in_order(b: &mut Builder, x: Num, to: usize) {
    let rows = b.rows(x).min(SAMPLE);
    let so_far = b.prefix_sum(x);
    let weighted = b.sum(so_far);
    let first = b.slice(x, 0, rows);
    b.reveal(weighted, to, "weighted");
    b.reveal(first, to, "first");
}

/// What [`open_in_order`] opens of these rows.
pub(crate) fn in_order(x: &[u64]) -> Vec<(String, Column)> {
    let weights = (1..=x.len() as u64).rev();
    let terms = x.iter().zip(weights).map(|(x, weight)| x.wrapping_mul(weight));
    let weighted = terms.fold(0, u64::wrapping_add);
    vec![
        ("weighted".into(), Column::Num(vec![weighted])),
        ("first".into(), Column::Num(x[..x.len().min(SAMPLE)].to_vec())),
    ]
}
