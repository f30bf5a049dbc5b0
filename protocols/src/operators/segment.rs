//! Running sums, counts and extremes within segments of rows.
//!
//! A segment is a run of rows; a bit for each row says whether a segment starts there, and the first
//! row starts one in any case. Sorted rows of one key are a segment: see [`segment_starts`]. Every
//! function gives for each row what holds from the start of its segment up to and with that row, so
//! that the last row of a segment (see [`segment_ends`]) has the whole.
//!
//! All are prefix scans in the pattern of Brent and Kung, "A regular layout for parallel adders"
//! (1982): pairs of rows are joined, the pairs are scanned, and the even rows join what comes before
//! them. That is less than 2 joins a row and at most `2 floor(log2 n)` of them in a chain. Even and
//! odd rows are parted by transposition, so that the circuit has `O(log n)` instructions for each
//! plane.

use tacit_mpc::{Bit, Builder, Handle, Num};

use super::prefix::{Carries, Run};
use super::{equal, or_all, select};

/// Where a row's key differs from that of the row before it; 1 in the first row.
///
/// `ceil(log2 w)` rounds, `w - 1` ANDs.
///
/// # Panics
/// If there is no plane.
pub fn segment_starts(b: &mut Builder, key: &[Bit]) -> Bit {
    let rows = b.rows(key[0]);
    let first: Bit = b.constant(1, rows.min(1));
    if rows < 2 {
        return first;
    }
    let mut part = |start: usize| -> Vec<Bit> {
        key.iter().map(|&plane| b.slice(plane, start, rows - 1)).collect()
    };
    let (before, after) = (part(0), part(1));
    let same = equal(b, &before, &after);
    let differ = b.not(same);
    b.concat(&[first, differ])
}

/// Where a segment ends: the row before a start, and the last row. Local.
pub fn segment_ends(b: &mut Builder, starts: Bit) -> Bit {
    let rows = b.rows(starts);
    let last: Bit = b.constant(1, rows.min(1));
    if rows < 2 {
        return last;
    }
    let next = b.slice(starts, 1, rows - 1);
    b.concat(&[next, last])
}

/// Sums within segments, modulo `2^64`, of several columns.
///
/// The starts become numbers (see [`to_num`](super::to_num)), then at most `2 floor(log2 n)` rounds,
/// less than 2 products a row for each column and one for the starts. On `rep3` 2 rounds more, and
/// for one column less than 40 bytes a row sent by the first compute party and 32 by the others.
///
/// # Panics
/// If rows differ.
pub fn segmented_sums(b: &mut Builder, starts: Bit, columns: &[Num]) -> Vec<Num> {
    let starts = b.to_num(&[starts]);
    let one = b.constant(1, b.rows(starts));
    // 1 where a row goes on with the segment of the row before.
    let on = b.sub(one, starts);
    let sum = |b: &mut Builder, x: &[Num], on: Num, y: &[Num]| -> Vec<Num> {
        x.iter()
            .zip(y)
            .map(|(&x, &y)| {
                let carried = b.mul(on, x);
                b.add(y, carried)
            })
            .collect()
    };
    let join = |b: &mut Builder, x: &Rows<Num, Num>, y: &Rows<Num, Num>| Rows {
        flag: b.mul(x.flag, y.flag),
        values: sum(b, &x.values, y.flag, &y.values),
    };
    let close = |b: &mut Builder, x: &[Num], y: &Rows<Num, Num>| sum(b, x, y.flag, &y.values);
    scan(b, Rows { flag: on, values: columns.to_vec() }, &join, &close)
}

/// Sums within segments, modulo `2^64`. Cost of [`segmented_sums`].
///
/// # Panics
/// If rows differ.
pub fn segmented_sum(b: &mut Builder, starts: Bit, x: Num) -> Num {
    segmented_sums(b, starts, &[x])[0]
}

/// The place of a row within its segment, counted from 1. Cost of [`segmented_sums`].
pub fn segmented_count(b: &mut Builder, starts: Bit) -> Num {
    let one = b.constant(1, b.rows(starts));
    segmented_sum(b, starts, one)
}

/// The largest within segments, unsigned.
///
/// At most `2 floor(log2 n) (1 + ceil(log2(w + 2)))` rounds and less than `6 w + 3` ANDs a row.
///
/// # Panics
/// If there is no plane, or rows differ.
pub fn segmented_max(b: &mut Builder, starts: Bit, x: &[Bit]) -> Vec<Bit> {
    extreme(b, starts, x, |x, y| (x, y))
}

/// The smallest within segments, unsigned. Cost of [`segmented_max`].
///
/// # Panics
/// If there is no plane, or rows differ.
pub fn segmented_min(b: &mut Builder, starts: Bit, x: &[Bit]) -> Vec<Bit> {
    extreme(b, starts, x, |x, y| (y, x))
}

/// The first of each segment, in all its rows.
///
/// At most `2 floor(log2 n)` rounds and less than `2 w + 1` ANDs a row.
///
/// # Panics
/// If there is no plane, or rows differ.
pub fn segmented_first(b: &mut Builder, starts: Bit, x: &[Bit]) -> Vec<Bit> {
    let join = |b: &mut Builder, x: &Rows<Bit, Bit>, y: &Rows<Bit, Bit>| Rows {
        flag: or_all(b, &[x.flag, y.flag]),
        values: select(b, y.flag, &y.values, &x.values),
    };
    let close = |b: &mut Builder, x: &[Bit], y: &Rows<Bit, Bit>| select(b, y.flag, &y.values, x);
    scan(b, Rows { flag: starts, values: x.to_vec() }, &join, &close)
}

/// `order` puts the smaller first of what is kept and what replaces it.
fn extreme<'a>(
    b: &mut Builder,
    starts: Bit,
    x: &'a [Bit],
    order: impl Fn(Bit, Bit) -> (Bit, Bit) + 'a,
) -> Vec<Bit> {
    // The later row counts where it starts a segment, as if its value had one bit more.
    let later = |b: &mut Builder, x: &[Bit], flag: Bit, y: &[Bit]| -> Vec<Bit> {
        let mut runs = Vec::with_capacity(x.len() + 1);
        for (&x, &y) in x.iter().zip(y) {
            let (low, high) = order(x, y);
            let differ = b.xor(low, high);
            runs.push(Run { own: Some(high), through: Some(b.not(differ)), exact: false });
        }
        runs.push(Run { own: Some(flag), through: Some(b.not(flag)), exact: true });
        let all = runs.len();
        let taken = Carries::new(runs).carry(b, all).expect("the last run is a plane");
        select(b, taken, y, x)
    };
    let join = |b: &mut Builder, x: &Rows<Bit, Bit>, y: &Rows<Bit, Bit>| Rows {
        flag: or_all(b, &[x.flag, y.flag]),
        values: later(b, &x.values, y.flag, &y.values),
    };
    let close = |b: &mut Builder, x: &[Bit], y: &Rows<Bit, Bit>| later(b, x, y.flag, &y.values);
    scan(b, Rows { flag: starts, values: x.to_vec() }, &join, &close)
}

/// Columns that are scanned together: whether a segment starts, or goes on, and its values.
struct Rows<F, V> {
    flag: F,
    values: Vec<V>,
}

impl<F: Handle, V: Handle> Rows<F, V> {
    fn slice(&self, b: &mut Builder, start: usize, rows: usize) -> Self {
        let values = self.values.iter().map(|&x| b.slice(x, start, rows)).collect();
        Self { flag: b.slice(self.flag, start, rows), values }
    }
}

/// Prefix scan: `join` makes one of two neighbouring runs of rows, `close` the values of a run that
/// comes after those of all rows before it.
fn scan<F: Handle, V: Handle>(
    b: &mut Builder,
    x: Rows<F, V>,
    join: &impl Fn(&mut Builder, &Rows<F, V>, &Rows<F, V>) -> Rows<F, V>,
    close: &impl Fn(&mut Builder, &[V], &Rows<F, V>) -> Vec<V>,
) -> Vec<V> {
    let n = b.rows(x.flag);
    assert!(x.values.iter().all(|&value| b.rows(value) == n), "scan: rows differ");
    if n < 2 {
        return x.values;
    }
    let half = n / 2;
    let (even, odd) = part(b, &x, half);
    let head = even.slice(b, 0, half);
    let pairs = join(b, &head, &odd);
    let scanned = scan(b, pairs, join, close);
    let mut evens = even.slice(b, 0, 1).values;
    let after = n - half - 1;
    if after > 0 {
        let before: Vec<V> = scanned.iter().map(|&x| b.slice(x, 0, after)).collect();
        let rest = even.slice(b, 1, after);
        let closed = close(b, &before, &rest);
        for (first, closed) in evens.iter_mut().zip(closed) {
            *first = b.concat(&[*first, closed]);
        }
    }
    let merged = evens.into_iter().zip(scanned).map(|(even, odd)| {
        let head = b.slice(even, 0, half);
        let both = b.concat(&[head, odd]);
        let merged = b.transpose(both, half);
        if n.is_multiple_of(2) {
            return merged;
        }
        let last = b.slice(even, half, 1);
        b.concat(&[merged, last])
    });
    merged.collect()
}

/// Even rows, one more of them if the number of rows is odd, and `half` odd rows.
fn part<F: Handle, V: Handle>(
    b: &mut Builder,
    x: &Rows<F, V>,
    half: usize,
) -> (Rows<F, V>, Rows<F, V>) {
    let (flag, odd_flag) = halves(b, x.flag, half);
    let (mut even, mut odd) =
        (Rows { flag, values: Vec::new() }, Rows { flag: odd_flag, values: Vec::new() });
    for &value in &x.values {
        let (evens, odds) = halves(b, value, half);
        even.values.push(evens);
        odd.values.push(odds);
    }
    (even, odd)
}

fn halves<H: Handle>(b: &mut Builder, x: H, half: usize) -> (H, H) {
    let n = b.rows(x);
    let pairs = b.slice(x, 0, 2 * half);
    let both = b.transpose(pairs, 2);
    let (mut even, odd) = (b.slice(both, 0, half), b.slice(both, half, half));
    if n > 2 * half {
        let last = b.slice(x, 2 * half, 1);
        even = b.concat(&[even, last]);
    }
    (even, odd)
}
