//! Aggregates by a secret key of many values.

use tacit_mpc::{Bit, Builder, Num};

use super::{
    Sorted, compact, segment_ends, segment_starts, segmented_max, segmented_min, sort, suppress,
};

/// One row for each group, in the order of keys, then rows of zeros: as many rows as there were.
#[derive(Clone, Debug)]
pub struct Groups {
    /// 1 in the rows that stand for a group.
    pub valid: Bit,
    /// Planes of its key.
    pub key: Vec<Bit>,
    /// Its number of rows.
    pub count: Num,
    /// Its sums, modulo `2^64`.
    pub sums: Vec<Num>,
    /// Its smallest values, as planes.
    pub least: Vec<Vec<Bit>>,
    /// Its largest values, as planes.
    pub most: Vec<Vec<Bit>>,
}

/// Sums of columns, extremes of others and the number of rows for every value of a secret key, of
/// which there may be as many as rows. How many groups there are stays secret.
///
/// Rows are sorted by key ([`sort`](super::sort())). Sums over all rows so far are local; the last rows
/// of all groups are moved to the front ([`compact`](super::compact())), and differences of neighbours
/// are the sums of groups. So a sum or count takes no scan: on `rep3` 16 bytes a row in the sort, 16 in
/// the compaction and 8 to put zeros behind the last group. A smallest or largest value takes
/// [`segmented_min`](super::segmented_min), whose rounds come on top: to sort by key and value instead
/// would take fewer rounds and several times the bytes. Rounds are those of the sort, `ceil(log2 w)` to see
/// where groups end, 7 to compact and 3 for the zeros. Where the key has a few public values,
/// [`sum_by_key`](super::sum_by_key) costs less.
///
/// # Security
/// Opens random orders: see [`sort`](super::sort()) and [`Order`](super::Order).
///
/// # Panics
/// If the key or an extreme has no plane, or numbers of rows differ.
pub fn aggregate_by_key(
    b: &mut Builder,
    key: &[Bit],
    sums: &[Num],
    least: &[Vec<Bit>],
    most: &[Vec<Bit>],
) -> Groups {
    let rows = b.rows(key[0]);
    let values: Vec<Bit> = least.iter().chain(most).flatten().copied().collect();
    let Sorted { keys, nums, bits, .. } = sort(b, &[key.to_vec()], sums, &values);
    let starts = segment_starts(b, &keys[0]);
    let ends = segment_ends(b, starts);
    let mut given = bits.into_iter();
    let mut planes = keys[0].clone();
    for (i, value) in least.iter().chain(most).enumerate() {
        let value: Vec<Bit> = given.by_ref().take(value.len()).collect();
        planes.extend(if i < least.len() {
            segmented_min(b, starts, &value)
        } else {
            segmented_max(b, starts, &value)
        });
    }
    let one: Num = b.constant(1, rows);
    let mut totals = vec![b.prefix_sum(one)];
    totals.extend(nums.iter().map(|&x| b.prefix_sum(x)));
    let compacted = compact(b, ends, &totals, &planes);
    let valid = compacted.valid;
    let shown = b.to_num(&[valid]);
    let mut sums: Vec<Num> = Vec::with_capacity(totals.len());
    for x in compacted.nums {
        let before = before(b, x);
        let sum = b.sub(x, before);
        sums.push(b.mul(shown, sum));
    }
    let count = sums.remove(0);
    let mut planes = suppress(b, valid, &compacted.bits).into_iter();
    let key = planes.by_ref().take(key.len()).collect();
    let mut taken = |values: &[Vec<Bit>]| -> Vec<Vec<Bit>> {
        values.iter().map(|value| planes.by_ref().take(value.len()).collect()).collect()
    };
    let (least, most) = (taken(least), taken(most));
    Groups { valid, key, count, sums, least, most }
}

/// The row before, 0 before the first.
fn before(b: &mut Builder, x: Num) -> Num {
    let rows = b.rows(x);
    let zero: Num = b.constant(0, rows.min(1));
    let head = b.slice(x, 0, rows.saturating_sub(1));
    b.concat(&[zero, head])
}
