//! Linear maps over GF(2) with few exclusive ors.

use std::collections::BTreeMap;

use tacit_mpc::{Bit, Builder};

/// A linear map: every output is the sum of some inputs.
///
/// As long as two outputs share a pair of summands, the pair that most outputs share is added once
/// (Paar, "Optimized Arithmetic for Reed-Solomon Encoders", ISIT 1997).
pub struct Linear {
    inputs: usize,
    /// Signals to add: inputs first, then the sums so far.
    sums: Vec<(usize, usize)>,
    /// Signals that are the outputs.
    outputs: Vec<usize>,
}

impl Linear {
    /// From the inputs of every output, bit `i` of a row for input `i`.
    ///
    /// # Panics
    /// If an output has no input.
    pub fn new(inputs: usize, rows: &[u32]) -> Self {
        let list = |row: &u32| (0..inputs).filter(|i| row >> i & 1 == 1).collect();
        let mut rows: Vec<Vec<usize>> = rows.iter().map(list).collect();
        let mut sums = Vec::new();
        loop {
            let mut shared: BTreeMap<(usize, usize), usize> = BTreeMap::new();
            for row in &rows {
                for (at, &x) in row.iter().enumerate() {
                    for &y in &row[at + 1..] {
                        *shared.entry((x, y)).or_default() += 1;
                    }
                }
            }
            // The first of the most shared ones, so that the circuit is always the same.
            let Some((&(x, y), _)) = shared.iter().rev().max_by_key(|(_, count)| **count) else {
                break;
            };
            let sum = inputs + sums.len();
            sums.push((x, y));
            for row in &mut rows {
                if row.contains(&x) && row.contains(&y) {
                    row.retain(|signal| *signal != x && *signal != y);
                    row.push(sum);
                }
            }
        }
        let outputs = rows.iter().map(|row| row[0]).collect();
        Self { inputs, sums, outputs }
    }

    /// The outputs for these inputs. Local.
    pub fn apply(&self, b: &mut Builder, inputs: &[Bit]) -> Vec<Bit> {
        assert_eq!(inputs.len(), self.inputs, "inputs of a linear map");
        let mut signals = inputs.to_vec();
        for &(x, y) in &self.sums {
            let sum = b.xor(signals[x], signals[y]);
            signals.push(sum);
        }
        self.outputs.iter().map(|&at| signals[at]).collect()
    }

    /// Exclusive ors that it takes.
    #[cfg(test)]
    pub fn cost(&self) -> usize {
        self.sums.len()
    }
}

#[cfg(test)]
mod tests {
    use tacit_mpc::{Column, clear};

    use super::*;

    #[test]
    fn a_map_gives_the_sums_of_its_rows_and_adds_shared_pairs_once() {
        let rows = [0b0111, 0b1011, 0b0011, 0b0100];
        let map = Linear::new(4, &rows);
        assert_eq!(map.cost(), 3);
        let mut b = Builder::new();
        let inputs: Vec<Bit> = (0..4).map(|_| b.enter(0, 16)).collect();
        for bit in map.apply(&mut b, &inputs) {
            b.reveal(bit, 1, "sum");
        }
        let planes = (0..4).map(|i| Column::bits((0..16_u32).map(|x| x >> i & 1 == 1))).collect();
        let opened = clear(&b.finish(), &[(0, planes)].into()).unwrap();
        for ((_, _, column), row) in opened.iter().zip(rows) {
            let due: Vec<u64> =
                (0..16_u32).map(|x| u64::from((x & row).count_ones() % 2)).collect();
            assert_eq!(column.to_numbers(), due);
        }
    }
}
