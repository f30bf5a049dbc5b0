//! Sorting and shuffling rows.
//!
//! Radix sorts permute all rows once per bit of the key (Asharov, Hamada, Ikarashi, Kikuchi, Nof,
//! Pinkas, Takahashi, Tomida, "Efficient secure three-party sorting with applications to data
//! analysis and heavy hitters", CCS 2022). Here the rows are shuffled once and then sorted by
//! comparisons that are opened (Hamada et al., ICISC 2012): of rows in a random order that nobody
//! knows, with distinct keys, their order tells nothing.

use tacit_mpc::{
    Bit, Builder, Circuit, Kind, Num, Op, Shape, Sort,
    rank::{Contest, Level},
};

use super::{Order, less, permutation::row_width};

/// Rows that were sorted.
#[derive(Clone, Debug)]
pub struct Sorted {
    /// The keys, each as planes.
    pub keys: Vec<Vec<Bit>>,
    /// The other columns.
    pub nums: Vec<Num>,
    /// The other columns of bits.
    pub bits: Vec<Bit>,
    /// Planes of the number that each row had before.
    pub from: Vec<Bit>,
}

impl Sorted {
    /// The permutation that sorts: [`apply`](super::apply) sorts other columns with as many rows alike.
    pub fn order(&self) -> Order {
        Order::Planes(self.from.clone())
    }
}

/// The rows sorted by `keys`, the first of them most significant, each given as planes of an
/// unsigned number, least significant first. Stable. `nums` and `bits` go with their rows.
///
/// With `n` rows and keys of `w` bits in all, a comparison has `v = w + ceil(log2 n)` bits, which
/// takes at most `2 v - 1` ANDs and `ceil(log2(v + 1))` rounds, and one more to open. How many there
/// are, in how many levels, says [`Contest`]: for a million rows 30 levels and 29 per row. Three
/// rounds and two words per row and column come on top, for the shuffle.
///
/// # Security
/// All compute parties learn in which order the rows are after they were shuffled. That is a random
/// order whatever the keys are. About once in 2^40 runs it asks for more comparisons than were
/// billed and the run ends with an error.
///
/// # Panics
/// If there is no key, or numbers of rows differ.
pub fn sort(b: &mut Builder, keys: &[Vec<Bit>], nums: &[Num], bits: &[Bit]) -> Sorted {
    some(b, keys, None, nums, bits)
}

/// The `k` rows with the smallest `keys` in the order of [`sort`], all rows if there are fewer.
///
/// Of a shuffled column the first rows are a random sample; all rows are compared with one of them, and
/// those below it are kept: see [`Contest::first`]. For a million rows and up to a thousand of them that is
/// less than 2 comparisons per row in up to 33 levels, where [`sort`] takes 29. A tree of minima for each
/// row that is wanted would take 20 levels every time and move all columns.
///
/// # Security
/// As for [`sort`]; how many rows are below a row of the sample is opened too, and is random.
///
/// # Panics
/// If there is no key, or numbers of rows differ.
pub fn bottom_k(
    b: &mut Builder,
    keys: &[Vec<Bit>],
    k: usize,
    nums: &[Num],
    bits: &[Bit],
) -> Sorted {
    let k = k.min(b.rows(keys[0][0]));
    some(b, keys, Some(k), nums, bits)
}

/// The `k` rows with the largest `keys`, the largest first, and of equal ones the first: [`bottom_k`] of
/// flipped keys, and its cost.
///
/// # Panics
/// If there is no key, or numbers of rows differ.
pub fn top_k(b: &mut Builder, keys: &[Vec<Bit>], k: usize, nums: &[Num], bits: &[Bit]) -> Sorted {
    let flip = |b: &mut Builder, keys: &[Vec<Bit>]| -> Vec<Vec<Bit>> {
        keys.iter().map(|key| key.iter().map(|&plane| b.not(plane)).collect()).collect()
    };
    let flipped = flip(b, keys);
    let mut sorted = bottom_k(b, &flipped, k, nums, bits);
    sorted.keys = flip(b, &sorted.keys);
    sorted
}

/// The first rows in the order of `keys`, or all of them.
fn some(
    b: &mut Builder,
    keys: &[Vec<Bit>],
    first: Option<usize>,
    nums: &[Num],
    bits: &[Bit],
) -> Sorted {
    let rows = b.rows(keys[0][0]);
    let number = row_width(rows);
    let from = b.row_number(rows, number);
    // The row's number makes keys distinct and the sort stable.
    let planes: Vec<Bit> =
        from.iter().chain(keys.iter().rev().flatten()).chain(bits).copied().collect();
    let width = planes.len() - bits.len();
    let order = b.permutation();
    let (nums, planes) = b.shuffle(order, nums, &planes);
    let contest = first.map_or_else(|| Contest::new(rows), |first| Contest::first(rows, first));
    let most = contest.levels().map(Level::pairs).max();
    let tile = most.unwrap_or(0).max(1).next_multiple_of(64);
    let sort = Sort { width, less: comparison(width, tile), first, tile };
    let ids: Vec<u32> = planes.iter().map(id).chain(nums.iter().map(id)).collect();
    let results = b.push(Op::Sort(Box::new(sort)), &ids);
    let mut results = results.map(Some);
    let mut take = |count: usize| -> Vec<u32> {
        (0..count).filter_map(|_| results.next().flatten()).collect()
    };
    let from = take(number).into_iter().map(handle).collect();
    let mut sorted: Vec<Vec<Bit>> =
        keys.iter().rev().map(|key| take(key.len()).into_iter().map(handle).collect()).collect();
    sorted.reverse();
    let bits = take(bits.len()).into_iter().map(handle).collect();
    let nums = take(nums.len()).into_iter().map(handle).collect();
    Sorted { keys: sorted, nums, bits, from }
}

/// The columns with their rows in a random order that nobody knows.
///
/// Three rounds; each party sends two words per row and column of numbers, and two bits per row and
/// column of bits.
///
/// # Panics
/// If numbers of rows differ.
pub fn shuffle(b: &mut Builder, nums: &[Num], bits: &[Bit]) -> (Vec<Num>, Vec<Bit>) {
    let order = b.permutation();
    b.shuffle(order, nums, bits)
}

/// Opens whether `x < y` for keys of `width` bits.
fn comparison(width: usize, rows: usize) -> Circuit {
    let mut b = Builder::new();
    let shape = Shape { kind: Kind::Bit, rows };
    let keys: Vec<Bit> = (0..2 * width)
        .map(|index| handle(b.push(Op::Argument { index, shape }, &[]).start))
        .collect();
    let smaller = less(&mut b, &keys[..width], &keys[width..]);
    b.push(Op::Open, &[id(&smaller)]);
    b.finish()
}

fn id<H: tacit_mpc::Handle>(x: &H) -> u32 {
    x.id()
}

fn handle<H: tacit_mpc::Handle>(id: u32) -> H {
    H::from_id(id)
}
