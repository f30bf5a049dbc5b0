//! Categories: one plane for each of a few values, and public tables read at a secret place.

use tacit_mpc::{Bit, Builder, Num};

/// Plane `j` is 1 where `x == j`, for `j < count`; all are 0 where `x >= count`.
///
/// Both halves of the planes of `x` become one-hot, and so do their products; of the products of
/// one plane with a whole one-hot family the last is what the others leave. `ceil(log2 w)` rounds,
/// at most `2^w - w - 1` ANDs, and at most `count + 2 2^ceil(w / 2)`.
///
/// # Panics
/// If there is no plane, `count` is 0, or there are more than 24 planes (each value is a column).
pub fn one_hot(b: &mut Builder, x: &[Bit], count: usize) -> Vec<Bit> {
    assert!((1..=24).contains(&x.len()), "one-hot of {} planes", x.len());
    assert!(count > 0, "one-hot of no value");
    let rows = b.rows(x[0]);
    let all = 1 << x.len();
    let mut hot = family(b, x, count.min(all));
    while hot.len() < count {
        hot.push(b.constant(0, rows));
    }
    hot
}

/// The first `count` planes of the one-hot family of at least one plane.
fn family(b: &mut Builder, x: &[Bit], count: usize) -> Vec<Bit> {
    if let [bit] = *x {
        return [b.not(bit), bit][..count].to_vec();
    }
    let (low, high) = x.split_at(x.len() / 2);
    let across = 1 << low.len();
    let lows = family(b, low, across);
    let highs = family(b, high, count.div_ceil(across));
    let mut hot = Vec::with_capacity(count);
    // What the products of each low plane with all high ones so far add up to.
    let complete = highs.len() == 1 << high.len();
    for (h, &high) in highs.iter().enumerate() {
        let due = across.min(count - h * across);
        let start = hot.len();
        for (l, &low) in lows[..due].iter().enumerate() {
            let rest = if complete && h + 1 == highs.len() {
                // All other rows of this column of products.
                Some((low, (0..h).map(|h| h * across + l).collect::<Vec<_>>()))
            } else if l + 1 == across {
                Some((high, (start..start + l).collect()))
            } else {
                None
            };
            let product = match rest {
                Some((whole, others)) => {
                    others.into_iter().fold(whole, |rest, i| b.xor(rest, hot[i]))
                }
                None => b.and(high, low),
            };
            hot.push(product);
        }
    }
    hot
}

/// `table[x]` of `width` bits, 0 where `x` is beyond the table.
///
/// The table is a matrix: a one-hot family of the low planes of `x` chooses a column, which is
/// local, and one of the high planes a row, an AND for each row and bit. How many planes are high
/// is chosen for the fewest ANDs: at most `2^w - w - 1` of them, and at most `3.5 sqrt(width 2^w)`
/// from 8 planes on. At most `1 + ceil(log2 w)` rounds. The circuit has up to `width` instructions for
/// each entry of the table.
///
/// # Panics
/// If `x` has no plane or more than 16, `width` is not 1 to 64, or an entry does not fit.
pub fn look_up(b: &mut Builder, x: &[Bit], table: &[u64], width: usize) -> Vec<Bit> {
    assert!((1..=16).contains(&x.len()), "look-up by {} planes", x.len());
    assert!((1..=64).contains(&width), "look-up of {width} bits");
    let fits = |entry: &u64| width == 64 || entry >> width == 0;
    assert!(table.iter().all(fits), "look-up: an entry of more than {width} bits");
    let reached = table.len().min(1 << x.len());
    let table = &table[..reached];
    let rows = b.rows(x[0]);
    let cut = (0..x.len()).min_by_key(|&high| cost(x.len() - high, high, width)).unwrap_or(0);
    let (low, high) = x.split_at(x.len() - cut);
    let across = 1 << low.len();
    let lows = one_hot(b, low, across.min(reached.max(1)));
    let lines: Vec<Vec<Option<Bit>>> =
        table.chunks(across).map(|line| choose(b, &lows, line, width)).collect();
    let sum = |b: &mut Builder, planes: Vec<Bit>| {
        planes.into_iter().reduce(|x, y| b.xor(x, y)).unwrap_or_else(|| b.constant(0, rows))
    };
    if high.is_empty() {
        let line = lines.into_iter().next().unwrap_or_else(|| vec![None; width]);
        return line.into_iter().map(|plane| sum(b, plane.into_iter().collect())).collect();
    }
    let highs = one_hot(b, high, lines.len().max(1));
    (0..width)
        .map(|bit| {
            let mut products = Vec::new();
            for (line, &high) in lines.iter().zip(&highs) {
                products.extend(line[bit].map(|plane| b.and(high, plane)));
            }
            sum(b, products)
        })
        .collect()
}

/// ANDs of a look-up with so many low and high planes.
fn cost(low: usize, high: usize, width: usize) -> usize {
    let family = |planes: usize| (1_usize << planes) - planes - 1;
    let lines = if high == 0 { 0 } else { width << high };
    family(low) + family(high) + lines
}

/// The sum of the chosen planes for every bit of the entries; `None` is zero. Local.
fn choose(b: &mut Builder, hot: &[Bit], line: &[u64], width: usize) -> Vec<Option<Bit>> {
    (0..width)
        .map(|bit| {
            let chosen = line.iter().zip(hot).filter(|(entry, _)| *entry >> bit & 1 == 1);
            chosen.map(|(_, &plane)| plane).reduce(|x, y| b.xor(x, y))
        })
        .collect()
}

/// `table[x]` as a number, 0 where `x` is beyond the table: numbers of all 64 bits.
///
/// Of a table of at most 64 entries the one-hot planes become numbers, of a larger one the bits of
/// the entry: cost of [`one_hot`] or [`look_up`], then that of [`to_num`](super::to_num) for a plane
/// each.
///
/// # Panics
/// If `x` has no plane or more than 16.
pub fn look_up_number(b: &mut Builder, x: &[Bit], table: &[u64]) -> Num {
    let widest = table.iter().fold(0, |all, entry| all | entry);
    let width = (64 - widest.leading_zeros() as usize).max(1);
    if table.len() > width {
        let planes = look_up(b, x, table, width);
        return b.to_num(&planes);
    }
    let rows = b.rows(x[0]);
    let hot = if table.is_empty() { Vec::new() } else { one_hot(b, x, table.len()) };
    let mut sum = b.constant(0, rows);
    if hot.is_empty() {
        return sum;
    }
    let long = b.concat(&hot);
    let long = b.to_num(&[long]);
    for (i, &entry) in table.iter().enumerate() {
        let hot = b.slice(long, i * rows, rows);
        let chosen = b.scale(hot, entry);
        sum = b.add(sum, chosen);
    }
    sum
}
