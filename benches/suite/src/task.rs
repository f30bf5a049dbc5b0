//! The tasks that are measured: what each builds, what it must open, and what counts as one.
//!
//! The party that asks enters random columns, the task works on them, and a check value of every
//! result is opened to it: the sum of a column of numbers, the parity and the first rows of a
//! column of bits. A run whose check values are not those of plain Rust is an error, not a figure.

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use tacit_mpc::{Bit, Builder, Column, Num, Shape};
use tacit_protocols as operators;

use crate::{
    Error, aes, count,
    rows::{self, Rows},
};

mod list;
mod operator;

pub use list::TASKS;
use operator::Operator;

/// Rows of a column of bits that are opened besides its parity.
pub(crate) const SAMPLE: usize = 64;

/// Groups of `group-sum`.
const GROUPS: usize = 1000;

/// Rounds of `dispatch`, and of either instruction in each: so many that a round counts for little.
const LAYERS: usize = 10;
const ACROSS: usize = 1000;

/// What the party that asks enters.
pub type Inputs = Vec<Column>;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Name on the command line.
    pub name: &'static str,
    /// What one of the `n` is.
    pub about: &'static str,
    /// How many are done one after the other on `n` rows each: figures count all of them.
    pub depth: usize,
    /// Rows unless told otherwise.
    pub n: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Multiply,
    And,
    Negative,
    Zero,
    Less(usize),
    Equal(usize),
    Maximum(usize),
    Select(usize),
    ToBits(usize),
    ToNumber(usize),
    Sort(usize),
    Shuffle,
    GroupSum,
    Divide(usize),
    Rows(Rows),
    Operator(Operator),
    Count,
    Aes,
    Dispatch,
}

impl Task {
    /// The task of this name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with all names.
    pub fn named(name: &str) -> Result<Self, Error> {
        TASKS.iter().find(|task| task.name == name).copied().ok_or_else(|| {
            let names: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
            Error::Unknown { what: "task", name: name.to_owned(), known: names.join(", ") }
        })
    }

    /// Whether columns of numbers are entered.
    pub(crate) fn takes_numbers(&self) -> bool {
        self.inputs(1, 0).iter().any(|column| matches!(column, Column::Num(_)))
    }

    /// The most rows that its circuit is written for: that of a plan has every key in it, and is made
    /// before its bill can tell that it does not fit.
    pub(crate) fn most_rows(&self) -> usize {
        match self.kind {
            Kind::Count => 1 << 24,
            _ => usize::MAX,
        }
    }

    /// Rows at a time that fit in a cache with all that is alive.
    pub(crate) fn tile(&self) -> usize {
        match self.kind {
            Kind::And => 1 << 21,
            Kind::Sort(_) | Kind::Rows(_) => 1 << 15,
            Kind::Multiply => 3 << 14,
            _ => 7 << 13,
        }
    }

    /// Whether only engines with a shuffle run it.
    #[cfg(test)]
    pub(crate) fn needs_shuffle(&self) -> bool {
        match self.kind {
            Kind::Rows(rows) => rows != Rows::Segments,
            Kind::Operator(operator) => operator.needs_shuffle(),
            kind => matches!(kind, Kind::Sort(_) | Kind::Shuffle),
        }
    }

    pub(crate) fn build(&self, b: &mut Builder, n: usize, addends: usize, to: usize) {
        let number = |b: &mut Builder| -> Num { b.enter(to, n) };
        let bits =
            |b: &mut Builder, width| -> Vec<Bit> { (0..width).map(|_| b.enter(to, n)).collect() };
        let planes = match self.kind {
            Kind::Multiply => {
                let (x, mut y) = (number(b), number(b));
                for _ in 0..self.depth {
                    y = b.mul(x, y);
                }
                let sum = b.sum(y);
                return b.reveal(sum, to, "sum");
            }
            Kind::And => {
                let (x, mut y): (Bit, Bit) = (b.enter(to, n), b.enter(to, n));
                for _ in 0..self.depth {
                    y = b.and(x, y);
                }
                vec![y]
            }
            Kind::Negative => {
                let x = number(b);
                let planes: Vec<Vec<Bit>> = (0..addends).map(|i| b.addend_bits(x, i, 64)).collect();
                vec![operators::top_of_sum(b, &planes)]
            }
            Kind::Zero => {
                let x = number(b);
                vec![operators::is_zero(b, x, 64, addends)]
            }
            Kind::Less(width) => {
                let (x, y) = (bits(b, width), bits(b, width));
                vec![operators::less(b, &x, &y)]
            }
            Kind::Equal(width) => {
                let (x, y) = (bits(b, width), bits(b, width));
                vec![operators::equal(b, &x, &y)]
            }
            Kind::Maximum(width) => {
                let (x, y) = (bits(b, width), bits(b, width));
                operators::max(b, &x, &y)
            }
            Kind::Select(width) => {
                let c: Bit = b.enter(to, n);
                let (x, y) = (bits(b, width), bits(b, width));
                operators::select(b, c, &x, &y)
            }
            Kind::ToBits(width) => {
                let x = number(b);
                operators::to_bits(b, x, width, addends)
            }
            Kind::ToNumber(width) => {
                let planes = bits(b, width);
                let x = operators::to_num(b, &planes, addends);
                let sum = b.sum(x);
                return b.reveal(sum, to, "sum");
            }
            Kind::Sort(width) => {
                let (x, key) = (number(b), bits(b, width));
                let sorted = operators::sort(b, &[key], &[x], &[]);
                return rows::open_in_order(b, sorted.nums[0], to);
            }
            Kind::Rows(rows) => return rows.build(b, n, to),
            Kind::Operator(operator) => return operator.build(b, n, to),
            Kind::Count => return count::build(b, n, to),
            Kind::Divide(width) => {
                let (x, y) = (bits(b, width), bits(b, width));
                operators::divide(b, &x, &y).quotient
            }
            Kind::Shuffle => {
                let x = number(b);
                let (nums, _) = operators::shuffle(b, &[x], &[]);
                let sum = b.sum(nums[0]);
                return b.reveal(sum, to, "sum");
            }
            Kind::GroupSum => {
                let x = number(b);
                let groups: Vec<u32> = (0..n).map(|row| (row % GROUPS) as u32).collect();
                let sums = operators::group_sum(b, x, &groups, GROUPS);
                return b.reveal(sums, to, "sums");
            }
            Kind::Aes => {
                let planes = bits(b, 256);
                aes::apply(b, &planes)
            }
            Kind::Dispatch => {
                let mut x = bits(b, ACROSS);
                for _ in 0..self.depth / (2 * ACROSS) {
                    let both: Vec<Bit> =
                        (0..ACROSS).map(|i| b.and(x[i], x[(i + 1) % ACROSS])).collect();
                    x = (0..ACROSS).map(|i| b.xor(both[i], x[(i + 2) % ACROSS])).collect();
                }
                vec![b.concat(&x)]
            }
        };
        open_bits(b, &planes, to);
    }

    pub(crate) fn inputs(&self, n: usize, seed: u64) -> Inputs {
        let mut dice = ChaCha12Rng::seed_from_u64(seed);
        match self.kind {
            Kind::Rows(rows) => return rows.inputs(n, &mut dice),
            Kind::Operator(operator) => return operator.inputs(n, &mut dice),
            Kind::Count => return count::inputs(n, &mut dice),
            _ => {}
        }
        let mut words =
            |count: usize| -> Vec<u64> { (0..count).map(|_| dice.next_u64()).collect() };
        let mut column = |kind: &str| match kind {
            "number" => Column::Num(words(n)),
            _ => Column::from_words(bits(n), words(n.div_ceil(64))),
        };
        let mut planes =
            |width: usize| -> Vec<Column> { (0..width).map(|_| column("bit")).collect() };
        match self.kind {
            Kind::Multiply => vec![column("number"), column("number")],
            Kind::And => planes(2),
            Kind::Less(width) | Kind::Equal(width) | Kind::Maximum(width) | Kind::Divide(width) => {
                planes(2 * width)
            }
            Kind::Select(width) => planes(1 + 2 * width),
            Kind::ToNumber(width) => planes(width),
            Kind::Aes => planes(256),
            Kind::Dispatch => planes(ACROSS),
            Kind::Sort(width) => {
                let mut columns = vec![column("number")];
                columns.extend((0..width).map(|_| column("bit")));
                columns
            }
            Kind::Rows(_) | Kind::Operator(_) | Kind::Count => vec![],
            Kind::Negative | Kind::Zero | Kind::ToBits(_) | Kind::GroupSum | Kind::Shuffle => {
                vec![column("number")]
            }
        }
    }

    /// What must be opened, by plain Rust.
    pub(crate) fn expected(&self, n: usize, inputs: &Inputs) -> Vec<(String, Column)> {
        let column = |slot: usize| inputs[slot].words();
        // Rows of planes as numbers.
        let rows = |first: usize, width: usize| -> Vec<u64> {
            let planes: Vec<&[u64]> = (first..first + width).map(column).collect();
            let bit = |plane: &[u64], row: usize| plane[row / 64] >> (row % 64) & 1;
            let number = |row| planes.iter().rev().fold(0, |x, plane| x << 1 | bit(plane, row));
            (0..n).map(number).collect()
        };
        let pairs = |width, f: fn(u64, u64) -> u64| -> Vec<u64> {
            let (x, y) = (rows(0, width), rows(width, width));
            x.into_iter().zip(y).map(|(x, y)| f(x, y)).collect()
        };
        let sum = |sum: u64| vec![("sum".to_owned(), Column::Num(vec![sum]))];
        let total =
            |numbers: &mut dyn Iterator<Item = u64>| sum(numbers.fold(0, u64::wrapping_add));
        match self.kind {
            Kind::Multiply => {
                let product = |x: u64, y: u64| (0..self.depth).fold(y, |y, _| y.wrapping_mul(x));
                let both = column(0).iter().zip(column(1));
                total(&mut both.map(|(x, y)| product(*x, *y)))
            }
            Kind::And => {
                let both = column(0).iter().zip(column(1));
                opened_plane(0, n, both.map(|(x, y)| x & y).collect())
            }
            Kind::Negative => opened_bits(&map(column(0), |x| x >> 63), 1),
            Kind::Zero => opened_bits(&map(column(0), |x| u64::from(x == 0)), 1),
            Kind::Less(width) => opened_bits(&pairs(width, |x, y| u64::from(x < y)), 1),
            Kind::Equal(width) => opened_bits(&pairs(width, |x, y| u64::from(x == y)), 1),
            Kind::Maximum(width) => opened_bits(&pairs(width, u64::max), width),
            Kind::Select(width) => {
                let (c, x, y) = (rows(0, 1), rows(1, width), rows(1 + width, width));
                let chosen = c.iter().zip(x.iter().zip(&y));
                let chosen: Vec<u64> =
                    chosen.map(|(c, (x, y))| if *c == 1 { *x } else { *y }).collect();
                opened_bits(&chosen, width)
            }
            Kind::ToBits(width) => opened_bits(column(0), width),
            Kind::ToNumber(width) => total(&mut rows(0, width).into_iter()),
            Kind::Aes => aes::expected(n, inputs),
            Kind::Dispatch => {
                let mut x: Vec<Vec<u64>> = (0..ACROSS).map(|slot| column(slot).to_vec()).collect();
                for _ in 0..self.depth / (2 * ACROSS) {
                    x = (0..ACROSS)
                        .map(|i| {
                            let [x, y, z] = [0, 1, 2].map(|by| &x[(i + by) % ACROSS]);
                            x.iter().zip(y).zip(z).map(|((x, y), z)| x & y ^ z).collect()
                        })
                        .collect();
                }
                let rows = x.iter().flat_map(|words| {
                    (0..n).map(move |row| words[row / 64] >> (row % 64) & 1 == 1)
                });
                opened_plane(0, ACROSS * n, Column::bits(rows).words().to_vec())
            }
            Kind::Sort(width) => {
                let keys = rows(1, width);
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by_key(|&row| keys[row]);
                let sorted: Vec<u64> = order.iter().map(|&row| column(0)[row]).collect();
                rows::in_order(&sorted)
            }
            Kind::Rows(kind) => kind.expected(column(0), &rows(1, inputs.len() - 1)),
            Kind::Operator(operator) => operator.expected(n, inputs),
            Kind::Count => count::expected(n, inputs),
            Kind::Divide(width) => {
                // By zero: all ones, of which the width is kept.
                let quotient = |x: u64, y: u64| x.checked_div(y).unwrap_or(u64::MAX);
                opened_bits(&pairs(width, quotient), width)
            }
            Kind::Shuffle => total(&mut column(0).iter().copied()),
            Kind::GroupSum => {
                let mut sums = vec![0_u64; GROUPS];
                for (row, x) in column(0).iter().enumerate() {
                    sums[row % GROUPS] = sums[row % GROUPS].wrapping_add(*x);
                }
                vec![("sums".into(), Column::Num(sums))]
            }
        }
    }
}

/// Shape of a column of bits.
pub(crate) fn bits(rows: usize) -> Shape {
    Shape { kind: tacit_mpc::Kind::Bit, rows }
}

fn map(words: &[u64], f: fn(u64) -> u64) -> Vec<u64> {
    words.iter().map(|word| f(*word)).collect()
}

/// Opens the parity and the first rows of every plane.
pub(crate) fn open_bits(b: &mut Builder, planes: &[Bit], to: usize) {
    for (i, &plane) in planes.iter().enumerate() {
        let rows = b.rows(plane).min(SAMPLE);
        let parity = b.sum(plane);
        let sample = b.slice(plane, 0, rows);
        b.reveal(parity, to, format!("parity {i}"));
        b.reveal(sample, to, format!("rows {i}"));
    }
}

/// What [`open_bits`] opens of planes with these rows.
pub(crate) fn opened_bits(rows: &[u64], width: usize) -> Vec<(String, Column)> {
    opened_planes(width, rows.len(), |i, row| rows[row] >> i & 1 == 1)
}

/// What [`open_bits`] opens of `n` rows of planes: whether bit `plane` of `row` is set.
pub(crate) fn opened_planes(
    width: usize,
    n: usize,
    bit: impl Fn(usize, usize) -> bool,
) -> Vec<(String, Column)> {
    let plane = |i: usize| Column::bits((0..n).map(|row| bit(i, row))).words().to_vec();
    (0..width).flat_map(|i| opened_plane(i, n, plane(i))).collect()
}

fn opened_plane(i: usize, n: usize, words: Vec<u64>) -> Vec<(String, Column)> {
    let plane = Column::from_words(bits(n), words);
    let parity = plane.words().iter().fold(0, |parity, word| parity ^ word).count_ones() & 1;
    let sample = plane.words()[..1].to_vec();
    vec![
        (format!("parity {i}"), Column::from_words(bits(1), vec![parity.into()])),
        (format!("rows {i}"), Column::from_words(bits(n.min(SAMPLE)), sample)),
    ]
}
