//! Permutations of rows that nobody knows, as shared row numbers.
//!
//! A permutation is a column of row numbers that has each of them once. It is applied by shuffling it
//! and opening what it has become, a random order: Chida, Hamada, Ikarashi, Kikuchi, Kiribuchi, Pinkas,
//! "An efficient secure three-party sorting protocol with an honest majority" (ePrint 2019/695),
//! section 4, and Asharov et al., "Efficient secure three-party sorting with applications to data
//! analysis and heavy hitters" (ePrint 2022/1595). With a shuffle `s`, written as functions
//! of row numbers,
//!
//! ```text
//! z[p[i]] = x[i]      open p s, shuffle x: row i of x s goes to row (p s)[i]
//! z[i] = x[p[i]]      open p s, take row (p s)[i] of x as row i: that is x p s; undo the shuffle
//! ```
//!
//! # Security
//! Each function opens one order of rows to all compute parties. It is random whatever the permutation
//! is, as long as the row numbers are one: where a number is missing or there twice the run ends with
//! an error ([`tacit_mpc::Error::Disorder`]) after all compute parties have seen how often each
//! number is there. Of the operators here [`sort`](super::sort()), [`random_order`], [`invert`] and
//! [`compose`] make permutations; what a holder enters as one is as good as the holder.

use tacit_mpc::{Bit, Builder, Num};

/// A permutation of rows: row `i` holds the row number `p[i]`.
#[derive(Clone, Debug)]
pub enum Order {
    /// Planes of row numbers, `ceil(log2 n)` of them and at least one: cheaper to move and to open.
    Planes(Vec<Bit>),
    /// Row numbers as a column of numbers.
    Numbers(Num),
}

impl Order {
    /// Number of rows.
    ///
    /// # Panics
    /// If there is no plane.
    pub fn rows(&self, b: &Builder) -> usize {
        match self {
            Self::Planes(planes) => b.rows(planes[0]),
            Self::Numbers(numbers) => b.rows(*numbers),
        }
    }

    fn columns(&self) -> (Vec<Num>, Vec<Bit>) {
        match self {
            Self::Planes(planes) => (vec![], planes.clone()),
            Self::Numbers(numbers) => (vec![*numbers], vec![]),
        }
    }

    /// The same as a shuffle made of it, from the front of the columns that were shuffled.
    fn take(&self, nums: &mut Vec<Num>, bits: &mut Vec<Bit>) -> Self {
        match self {
            Self::Planes(planes) => Self::Planes(bits.drain(..planes.len()).collect()),
            Self::Numbers(_) => Self::Numbers(nums.remove(0)),
        }
    }

    /// Opens it.
    fn permute(
        &self,
        b: &mut Builder,
        inverse: bool,
        nums: &[Num],
        bits: &[Bit],
    ) -> (Vec<Num>, Vec<Bit>) {
        match self {
            Self::Planes(planes) => b.permute_by_opened(planes, inverse, nums, bits),
            Self::Numbers(numbers) => b.permute_by_opened(&[*numbers], inverse, nums, bits),
        }
    }
}

/// Planes that number so many rows.
pub(super) fn row_width(rows: usize) -> usize {
    (usize::BITS - rows.saturating_sub(1).leading_zeros()).max(1) as usize
}

/// A random permutation of so many rows, from public row numbers. Three rounds; with `w = ceil(log2 n)`
/// each party of `rep3` sends `2 w` bits a row.
pub fn random_order(b: &mut Builder, rows: usize) -> Order {
    let planes = b.row_number(rows, row_width(rows));
    let by = b.permutation();
    let (_, planes) = b.shuffle(by, &[], &planes);
    Order::Planes(planes)
}

/// Row `p[i]` of the columns as row `i`.
///
/// 7 rounds on `rep3`: two shuffles and an opening. Each party sends 16 bytes a row for each column of
/// numbers, 2 bits for each column of bits, and for a permutation in `w` planes `3 w` bits, as numbers 24
/// bytes.
///
/// # Panics
/// If numbers of rows differ.
pub fn apply(b: &mut Builder, order: &Order, nums: &[Num], bits: &[Bit]) -> (Vec<Num>, Vec<Bit>) {
    let by = b.permutation();
    let (own_nums, own_bits) = order.columns();
    let (mut own_nums, mut own_bits) = b.shuffle(by, &own_nums, &own_bits);
    let shuffled = order.take(&mut own_nums, &mut own_bits);
    let (nums, bits) = shuffled.permute(b, false, nums, bits);
    b.unshuffle(by, &nums, &bits)
}

/// Row `i` of the columns as row `p[i]`: undoes [`apply`].
///
/// 4 rounds on `rep3`: a shuffle and an opening. Bytes of [`apply`].
///
/// # Panics
/// If numbers of rows differ.
pub fn apply_inverse(
    b: &mut Builder,
    order: &Order,
    nums: &[Num],
    bits: &[Bit],
) -> (Vec<Num>, Vec<Bit>) {
    let by = b.permutation();
    let (own_nums, own_bits) = order.columns();
    let (mut nums, mut bits) =
        b.shuffle(by, &[&own_nums[..], nums].concat(), &[&own_bits[..], bits].concat());
    let shuffled = order.take(&mut nums, &mut bits);
    shuffled.permute(b, true, &nums, &bits)
}

/// The permutation that undoes another one: `q[p[i]] = i`. Cost of [`apply_inverse`] of public row
/// numbers: 4 rounds, and each party of `rep3` sends `5 w` bits a row for a permutation in `w` planes.
pub fn invert(b: &mut Builder, order: &Order) -> Order {
    let rows = order.rows(b);
    let numbers = b.row_number(rows, row_width(rows));
    Order::Planes(apply_inverse(b, order, &[], &numbers).1)
}

/// The permutation `p[q[i]]`: [`apply`] of it is [`apply`] of `p`, then of `q`. Cost of [`apply`] of `q` to
/// the row numbers of `p`.
///
/// # Panics
/// If numbers of rows differ.
pub fn compose(b: &mut Builder, p: &Order, q: &Order) -> Order {
    let (nums, bits) = p.columns();
    let (mut nums, mut bits) = apply(b, q, &nums, &bits);
    p.take(&mut nums, &mut bits)
}
