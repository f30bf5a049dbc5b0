//! Sums by a public group or a secret key, and counts.

use tacit_mpc::{Bit, Builder, Num};

use super::{one_hot, sum_of};

/// Sum of the rows of each group: row `g` of the result is the sum of the rows `i` with
/// `groups[i] == g`, 0 for a group without rows. Local.
///
/// Pairs of rows of one group are added until one is left, all groups at once: `3 ceil(log2 m)`
/// instructions for groups of at most `m` rows, however many groups there are.
///
/// # Panics
/// If `groups` is not as long as the column, or names a group from `count` on.
pub fn group_sum(b: &mut Builder, x: Num, groups: &[u32], count: usize) -> Num {
    assert_eq!(groups.len(), b.rows(x), "group_sum: a group for every row");
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (row, &group) in (0..).zip(groups) {
        members[group as usize].push(row);
    }
    let mut column = x;
    while members.iter().any(|rows| rows.len() > 1) {
        let (padded, zero) = with_zero(b, column);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for rows in &mut members {
            *rows = rows
                .chunks(2)
                .map(|pair| {
                    left.push(pair[0]);
                    right.push(*pair.get(1).unwrap_or(&zero));
                    left.len() as u32 - 1
                })
                .collect();
        }
        let left = b.gather(padded, left);
        let right = b.gather(padded, right);
        column = b.add(left, right);
    }
    let (padded, zero) = with_zero(b, column);
    let index = members.iter().map(|rows| *rows.first().unwrap_or(&zero)).collect();
    b.gather(padded, index)
}

/// The column with a row of zero behind it, and the index of that row.
fn with_zero(b: &mut Builder, x: Num) -> (Num, u32) {
    let rows = b.rows(x) as u32;
    let zero: Num = b.constant(0, 1);
    (b.concat(&[x, zero]), rows)
}

/// Sums by a secret key: row `g` of the result is the sum, modulo `2^64`, of the rows of `x` with
/// `key == g`, for `g < count`. Rows with other keys count nowhere.
///
/// The key becomes one-hot ([`one_hot`]), its planes become numbers, and each is multiplied with
/// `x`: for each row and value one conversion of a bit and one product. On `rep3` `ceil(log2 w) + 3`
/// rounds, and for each row and value 24 bytes sent by the first compute party and 16 by the others.
/// All products are alive at once, `count` columns. Where rows are sorted by key,
/// [`segmented_sum`](super::segmented_sum) costs the same for any number of keys.
///
/// # Panics
/// If there is no plane or more than 24, `count` is 0, or rows differ.
pub fn sum_by_key(b: &mut Builder, key: &[Bit], count: usize, x: Num) -> Num {
    let chosen = chosen(b, key, count);
    let repeated = b.concat(&vec![x; count]);
    let products = b.mul(chosen, repeated);
    totals(b, products, count)
}

/// Rows by a secret key: row `g` of the result is the number of rows with `key == g`.
///
/// As [`sum_by_key`] without the products: on `rep3` `ceil(log2 w) + 2` rounds, and for each row and
/// value 16 bytes sent by the first compute party and 8 by the others. For many rows,
/// [`count_rows`] of the planes of [`one_hot`] takes more rounds and 60 times fewer bytes.
///
/// # Panics
/// If there is no plane or more than 24, or `count` is 0.
pub fn count_by_key(b: &mut Builder, key: &[Bit], count: usize) -> Num {
    let chosen = chosen(b, key, count);
    totals(b, chosen, count)
}

/// One-hot planes of a key as numbers, one below the other.
fn chosen(b: &mut Builder, key: &[Bit], count: usize) -> Num {
    let hot = one_hot(b, key, count);
    let long = b.concat(&hot);
    b.to_num(&[long])
}

/// The sum of each of `count` equal parts of a column.
fn totals(b: &mut Builder, x: Num, count: usize) -> Num {
    let rows = b.rows(x) / count;
    let sums: Vec<Num> = (0..count)
        .map(|group| {
            let part = b.slice(x, group * rows, rows);
            b.sum(part)
        })
        .collect();
    b.concat(&sums)
}

/// How many of `n` rows are 1, as the planes of one row: as many as `n` has bits.
///
/// Full adders take thirds of a column, a column for each weight, until no weight has more than two
/// rows, which one adder sums up (Wallace 1964). Less than `n + 3 log2 n` ANDs in all; about
/// `1.7 log2 n` levels, a round each, and those of the adder.
///
/// # Panics
/// If there is no row.
pub fn count_rows(b: &mut Builder, x: Bit) -> Vec<Bit> {
    let n = b.rows(x);
    assert!(n > 0, "count of no rows");
    let width = (usize::BITS - n.leading_zeros()) as usize;
    let mut weights: Vec<Vec<Bit>> = vec![Vec::new(); width];
    weights[0].push(x);
    let rows = |b: &Builder, parts: &[Bit]| parts.iter().map(|&part| b.rows(part)).sum::<usize>();
    while weights.iter().any(|parts| rows(b, parts) > 2) {
        let mut next: Vec<Vec<Bit>> = vec![Vec::new(); width + 1];
        for (weight, parts) in weights.iter().enumerate() {
            let all = rows(b, parts);
            if all == 0 {
                continue;
            }
            let column = b.concat(parts);
            let third = all / 3;
            if third > 0 {
                let [x, y, z] = [0, 1, 2].map(|i| b.slice(column, i * third, third));
                let (xz, yz) = (b.xor(x, z), b.xor(y, z));
                let both = b.and(xz, yz);
                next[weight].push(b.xor(xz, y));
                next[weight + 1].push(b.xor(both, z));
            }
            if all > 3 * third {
                next[weight].push(b.slice(column, 3 * third, all - 3 * third));
            }
        }
        // No more than n is counted, so that nothing is carried beyond its bits.
        next.truncate(width);
        weights = next;
    }
    let zero: Bit = b.constant(0, 1);
    let mut addends = [vec![zero; width], vec![zero; width]];
    for (weight, parts) in weights.iter().enumerate() {
        let mut at = 0;
        for &part in parts {
            for row in 0..b.rows(part) {
                addends[at][weight] = b.slice(part, row, 1);
                at += 1;
            }
        }
    }
    sum_of(b, &addends)
}
