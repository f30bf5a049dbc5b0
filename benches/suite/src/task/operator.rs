//! Tasks of one operator: on bits, on numbers, over rows, and on permutations.

use rand_chacha::{ChaCha12Rng, rand_core::Rng as _};
use tacit_mpc::{Bit, Builder, Column, Num};
use tacit_protocols::{self as operators, Order, numbers};

use super::{Inputs, open_bits, opened_bits};
use crate::rows::{in_order, open_in_order, random_order};

/// What numbers are compared with; a quarter of them has its low bits.
const PUBLIC: u64 = 0x5DEE_CE66;

/// What numbers are kept between.
const BOUNDS: (u64, u64) = (1_000_000_000, 3_000_000_000);

/// What numbers are divided by.
const DIVISOR: u64 = 1000;

/// Bits that a truncation leaves out.
const SHIFT: usize = 12;

/// Columns of `min-of-8`.
const COLUMNS: usize = 8;

/// Width of the keys of `count-by-key-4` and `sum-by-key-4`, and how many there are.
const KEY: usize = 4;
const KEYS: usize = 1 << KEY;

/// Which operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    LessPublic,
    EqualPublic,
    Add,
    Multiply,
    DividePublic,
    Clamp,
    ClampPublic,
    MinOf,
    MinRows,
    MaxRows,
    ArgminRows,
    OneHot,
    LookUp,
    NumLookUp,
    NumLessPublic,
    NumEqualPublic,
    NumSelect,
    NumMax,
    NumDividePublic,
    NumShiftRight,
    PrefixSum,
    SegmentedCount,
    SegmentedMax,
    CountRows,
    CountByKey,
    SumByKey,
    Invert,
    Compose,
}

/// What is entered: numbers of so many bits, or row numbers in a random order as planes.
#[derive(Clone, Copy)]
enum Given {
    Num(usize),
    Planes(usize),
    Order,
}

/// What an operator gives.
enum Outcome {
    Num(Num),
    Planes(Vec<Bit>),
}

impl From<Num> for Outcome {
    fn from(x: Num) -> Self {
        Self::Num(x)
    }
}

impl From<Bit> for Outcome {
    fn from(x: Bit) -> Self {
        Self::Planes(vec![x])
    }
}

impl From<Vec<Bit>> for Outcome {
    fn from(planes: Vec<Bit>) -> Self {
        Self::Planes(planes)
    }
}

impl From<Order> for Outcome {
    fn from(order: Order) -> Self {
        match order {
            Order::Planes(planes) => planes.into(),
            Order::Numbers(numbers) => numbers.into(),
        }
    }
}

impl Operator {
    /// Whether only engines with a shuffle run it.
    #[cfg(test)]
    pub(super) fn needs_shuffle(self) -> bool {
        matches!(self, Self::Invert | Self::Compose)
    }

    fn given(self) -> Vec<Given> {
        use Given::{Num, Planes};
        match self {
            Self::LessPublic
            | Self::EqualPublic
            | Self::DividePublic
            | Self::ClampPublic
            | Self::MinRows
            | Self::MaxRows
            | Self::ArgminRows => vec![Planes(32)],
            Self::Add => vec![Planes(64); 2],
            Self::Multiply => vec![Planes(32); 2],
            Self::Clamp => vec![Planes(32); 3],
            Self::MinOf => vec![Planes(32); COLUMNS],
            Self::OneHot => vec![Planes(6)],
            Self::LookUp => vec![Planes(8)],
            Self::NumLookUp => vec![Planes(4)],
            Self::NumLessPublic | Self::NumEqualPublic => vec![Num(32)],
            Self::NumSelect => vec![Planes(1), Num(64), Num(64)],
            Self::NumMax => vec![Num(32); 2],
            Self::NumDividePublic => vec![Num(31)],
            Self::NumShiftRight | Self::PrefixSum => vec![Num(64)],
            Self::SegmentedCount | Self::CountRows => vec![Planes(1)],
            Self::SegmentedMax => vec![Planes(1), Planes(32)],
            Self::CountByKey => vec![Planes(KEY)],
            Self::SumByKey => vec![Planes(KEY), Num(64)],
            Self::Invert => vec![Given::Order],
            Self::Compose => vec![Given::Order; 2],
        }
    }

    pub(super) fn build(self, b: &mut Builder, n: usize, to: usize) {
        let (mut nums, mut planes): (Vec<Num>, Vec<Vec<Bit>>) = (vec![], vec![]);
        for given in self.given() {
            match given.width(n) {
                Some(width) => planes.push((0..width).map(|_| b.enter(to, n)).collect()),
                None => nums.push(b.enter(to, n)),
            }
        }
        match self.apply(b, &nums, &planes) {
            Outcome::Num(x) => open_in_order(b, x, to),
            Outcome::Planes(planes) => open_bits(b, &planes, to),
        }
    }

    fn apply(self, b: &mut Builder, nums: &[Num], planes: &[Vec<Bit>]) -> Outcome {
        let (x, y) = (|i: usize| nums[i], |i: usize| &planes[i][..]);
        match self {
            Self::LessPublic => operators::less_public(b, y(0), PUBLIC).into(),
            Self::EqualPublic => operators::equal_public(b, y(0), PUBLIC).into(),
            Self::Add => operators::add(b, y(0), y(1)).into(),
            Self::Multiply => operators::multiply(b, y(0), y(1)).into(),
            Self::DividePublic => operators::divide_public(b, y(0), DIVISOR).into(),
            Self::Clamp => operators::clamp(b, y(0), y(1), y(2)).into(),
            Self::ClampPublic => operators::clamp_public(b, y(0), BOUNDS.0, BOUNDS.1).into(),
            Self::MinOf => operators::min_of(b, planes).into(),
            Self::MinRows => operators::min_rows(b, y(0)).into(),
            Self::MaxRows => operators::max_rows(b, y(0)).into(),
            Self::ArgminRows => {
                let found = operators::argmin_rows(b, y(0));
                [found.value, found.place].concat().into()
            }
            Self::OneHot => operators::one_hot(b, y(0), 64).into(),
            Self::LookUp => operators::look_up(b, y(0), &table(8, 8), 8).into(),
            Self::NumLookUp => operators::look_up_number(b, y(0), &table(4, 64)).into(),
            // A difference has a sign besides.
            Self::NumLessPublic => numbers::less_public(b, x(0), PUBLIC, 33).into(),
            Self::NumEqualPublic => numbers::equal_public(b, x(0), PUBLIC, 32).into(),
            Self::NumSelect => numbers::select(b, planes[0][0], x(0), x(1)).into(),
            Self::NumMax => numbers::max(b, x(0), x(1), 33).into(),
            Self::NumDividePublic => numbers::divide_public(b, x(0), DIVISOR, 31).into(),
            Self::NumShiftRight => numbers::shift_right_signed(b, x(0), SHIFT, 64).into(),
            Self::PrefixSum => b.prefix_sum(x(0)).into(),
            Self::SegmentedCount => operators::segmented_count(b, planes[0][0]).into(),
            Self::SegmentedMax => operators::segmented_max(b, planes[0][0], y(1)).into(),
            Self::CountRows => operators::count_rows(b, planes[0][0]).into(),
            Self::CountByKey => operators::count_by_key(b, y(0), KEYS).into(),
            Self::SumByKey => operators::sum_by_key(b, y(0), KEYS, x(0)).into(),
            Self::Invert => operators::invert(b, &Order::Planes(planes[0].clone())).into(),
            Self::Compose => {
                let [p, q] = [0, 1].map(|i| Order::Planes(planes[i].clone()));
                operators::compose(b, &p, &q).into()
            }
        }
    }

    pub(super) fn inputs(self, n: usize, dice: &mut ChaCha12Rng) -> Inputs {
        let given = self.given();
        let mut columns: Vec<Vec<u64>> = given.iter().map(|given| given.draw(n, dice)).collect();
        if let (Self::Clamp, [_, least, most]) = (self, &mut columns[..]) {
            for (least, most) in least.iter_mut().zip(most) {
                (*least, *most) = (*least.min(most), *least.max(most));
            }
        }
        let mut inputs = Inputs::new();
        for (given, column) in given.iter().zip(columns) {
            match given.width(n) {
                Some(width) => inputs.extend(
                    (0..width).map(|i| Column::bits(column.iter().map(|x| x >> i & 1 == 1))),
                ),
                None => inputs.push(Column::Num(column)),
            }
        }
        inputs
    }

    /// What must be opened, by plain Rust.
    pub(super) fn expected(self, n: usize, inputs: &Inputs) -> Vec<(String, Column)> {
        let mut rest = &inputs[..];
        let mut take = |given: Given| -> Vec<u64> {
            let (own, after) = rest.split_at(given.width(n).unwrap_or(1));
            rest = after;
            match own {
                [Column::Num(x)] => x.clone(),
                planes => {
                    let bit =
                        |plane: &Column, row: usize| plane.words()[row / 64] >> (row % 64) & 1;
                    let number = |row| planes.iter().rev().fold(0, |x, p| x << 1 | bit(p, row));
                    (0..n).map(number).collect()
                }
            }
        };
        let x: Vec<Vec<u64>> = self.given().into_iter().map(&mut take).collect();
        let rows = self.plain(&x);
        match self.opened(n) {
            Some(width) => opened_bits(&rows, width),
            None => in_order(&rows),
        }
    }

    /// Planes of the result, nothing of a number.
    fn opened(self, n: usize) -> Option<usize> {
        Some(match self {
            Self::LessPublic | Self::EqualPublic | Self::NumLessPublic | Self::NumEqualPublic => 1,
            Self::LookUp => 8,
            Self::NumDividePublic => 31,
            Self::Multiply
            | Self::DividePublic
            | Self::Clamp
            | Self::ClampPublic
            | Self::MinOf
            | Self::MinRows
            | Self::MaxRows
            | Self::SegmentedMax => 32,
            Self::ArgminRows => 32 + operators::ceil_log2(n),
            Self::Add | Self::OneHot => 64,
            Self::CountRows => (usize::BITS - n.leading_zeros()) as usize,
            Self::Invert | Self::Compose => row_width(n),
            Self::NumLookUp
            | Self::NumSelect
            | Self::NumMax
            | Self::NumShiftRight
            | Self::PrefixSum
            | Self::SegmentedCount
            | Self::CountByKey
            | Self::SumByKey => return None,
        })
    }

    /// The rows of the result.
    fn plain(self, x: &[Vec<u64>]) -> Vec<u64> {
        let each = |f: &dyn Fn(u64) -> u64| -> Vec<u64> { x[0].iter().map(|x| f(*x)).collect() };
        let pairs = |f: fn(u64, u64) -> u64| -> Vec<u64> {
            x[0].iter().zip(&x[1]).map(|(x, y)| f(*x, *y)).collect()
        };
        let look_up = |table: &[u64]| each(&|x| table[x as usize]);
        // From the start of each segment on; without a second column every row counts as 1.
        let scan = |f: &dyn Fn(u64, u64) -> u64| -> Vec<u64> {
            let mut state = 0;
            let next = |row: usize| {
                let value = x.get(1).map_or(1, |x| x[row]);
                state = if row == 0 || x[0][row] == 1 { value } else { f(state, value) };
                state
            };
            (0..x[0].len()).map(next).collect()
        };
        let by_key = |value: &dyn Fn(usize) -> u64| -> Vec<u64> {
            let mut sums = vec![0_u64; KEYS];
            for (row, key) in x[0].iter().enumerate() {
                sums[*key as usize] = sums[*key as usize].wrapping_add(value(row));
            }
            sums
        };
        match self {
            Self::LessPublic | Self::NumLessPublic => each(&|x| u64::from(x < PUBLIC)),
            Self::EqualPublic | Self::NumEqualPublic => each(&|x| u64::from(x == PUBLIC)),
            Self::Add => pairs(u64::wrapping_add),
            Self::Multiply => pairs(u64::wrapping_mul),
            Self::DividePublic | Self::NumDividePublic => each(&|x| x / DIVISOR),
            Self::Clamp => {
                let bounds = x[1].iter().zip(&x[2]);
                x[0].iter().zip(bounds).map(|(x, (least, most))| *x.clamp(least, most)).collect()
            }
            Self::ClampPublic => each(&|x| x.clamp(BOUNDS.0, BOUNDS.1)),
            Self::MinOf => (0..x[0].len())
                .map(|row| x.iter().map(|column| column[row]).min().unwrap_or_default())
                .collect(),
            Self::MinRows => x[0].iter().min().copied().into_iter().collect(),
            Self::MaxRows => x[0].iter().max().copied().into_iter().collect(),
            Self::ArgminRows => {
                let rows = x[0].iter().zip(0_u64..);
                rows.min().map(|(value, row)| row << 32 | value).into_iter().collect()
            }
            Self::OneHot => each(&|x| 1 << x),
            Self::LookUp => look_up(&table(8, 8)),
            Self::NumLookUp => look_up(&table(4, 64)),
            Self::NumSelect => {
                let both = x[1].iter().zip(&x[2]);
                let chosen = x[0].iter().zip(both);
                chosen.map(|(c, (x, y))| if *c == 1 { *x } else { *y }).collect()
            }
            Self::NumMax => pairs(u64::max),
            Self::NumShiftRight => each(&|x| (x.cast_signed() >> SHIFT).cast_unsigned()),
            Self::PrefixSum => {
                let add = |sum: &mut u64, x: &u64| {
                    *sum = sum.wrapping_add(*x);
                    Some(*sum)
                };
                x[0].iter().scan(0, add).collect()
            }
            Self::SegmentedCount => scan(&|count, one| count + one),
            Self::SegmentedMax => scan(&u64::max),
            Self::CountRows => vec![x[0].iter().sum()],
            Self::CountByKey => by_key(&|_| 1),
            Self::SumByKey => by_key(&|row| x[1][row]),
            Self::Invert => {
                let mut inverse = vec![0; x[0].len()];
                for (row, to) in (0..).zip(&x[0]) {
                    inverse[*to as usize] = row;
                }
                inverse
            }
            Self::Compose => x[1].iter().map(|row| x[0][*row as usize]).collect(),
        }
    }
}

impl Given {
    /// Planes that are entered, nothing of a number.
    fn width(self, n: usize) -> Option<usize> {
        match self {
            Self::Num(_) => None,
            Self::Planes(width) => Some(width),
            Self::Order => Some(row_width(n)),
        }
    }

    fn draw(self, n: usize, dice: &mut ChaCha12Rng) -> Vec<u64> {
        let (Self::Num(width) | Self::Planes(width)) = self else {
            return random_order(n, dice);
        };
        let mut value = |_| match dice.next_u64() {
            _ if width == 1 => dice.next_u64() & 1,
            x if x % 4 == 0 => PUBLIC & (u64::MAX >> (64 - width)),
            x => x >> (64 - width),
        };
        (0..n).map(&mut value).collect()
    }
}

/// Planes that number so many rows.
fn row_width(n: usize) -> usize {
    operators::ceil_log2(n).max(1)
}

/// A public table of `2^planes` entries of `width` bits.
fn table(planes: usize, width: usize) -> Vec<u64> {
    (1..=1 << planes).map(|i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - width)).collect()
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    #[test]
    fn comparisons_are_measured_on_rows_with_either_answer() {
        use Operator::{EqualPublic, LessPublic, NumEqualPublic, NumLessPublic};
        for operator in [EqualPublic, LessPublic, NumEqualPublic, NumLessPublic] {
            let x = operator.given()[0].draw(1000, &mut ChaCha12Rng::seed_from_u64(1));
            let yes: u64 = operator.plain(&[x]).iter().sum();
            assert!((100..900).contains(&yes), "{operator:?}: {yes} of 1000");
        }
    }

    #[test]
    fn bounds_of_a_clamp_are_met_from_both_sides_and_never_cross() {
        let mut dice = ChaCha12Rng::seed_from_u64(1);
        let inputs = Operator::Clamp.inputs(64, &mut dice);
        let bit = |plane: &Column, row: usize| plane.words()[0] >> row & 1;
        let number = |row: usize, planes: &[Column]| -> u64 {
            planes.iter().rev().fold(0, |x, plane| x << 1 | bit(plane, row))
        };
        let rows = (0..64).map(|row| [0, 32, 64].map(|i| number(row, &inputs[i..i + 32])));
        let rows: Vec<[u64; 3]> = rows.collect();
        assert!(rows.iter().all(|[_, least, most]| least <= most));
        assert!(rows.iter().any(|[x, least, _]| x < least));
        assert!(rows.iter().any(|[x, _, most]| x > most));
    }
}
