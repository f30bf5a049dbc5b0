//! Sums by a public group.

use tacit_mpc::{Builder, Num};

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
