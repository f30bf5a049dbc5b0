//! Adders over bit planes.

use tacit_mpc::{Bit, Builder};

use super::and_all;
use super::prefix::{Carries, Plane, Run, and, xor};

/// `x + y` modulo `2^w`.
///
/// `ceil(log2 w)` rounds, at most `(w / 2) 2 ceil(log2 w)` ANDs; parallel prefix after Sklansky
/// (1960).
///
/// # Panics
/// If the widths differ.
pub fn add(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    sum_of(b, &[x.to_vec(), y.to_vec()])
}

/// `x - y` modulo `2^w`, as `not(not x + y)`. Cost of [`add`].
///
/// # Panics
/// If the widths differ.
pub fn subtract(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    let flipped: Vec<Bit> = x.iter().map(|&plane| b.not(plane)).collect();
    let sum = add(b, &flipped, y);
    sum.into_iter().map(|plane| b.not(plane)).collect()
}

/// The most significant bit of the sum of `addends` modulo `2^w`: only the tree that leads to it.
///
/// `ceil(log2 w)` rounds and at most `2 (w - 1)` ANDs for two addends. Carry-save levels come
/// before, a round and `w - 1` ANDs for each addend that they take away: 1 level for three addends,
/// 2 for four, 3 for five or six. They leave nothing to carry in the lowest position, so that the
/// rest takes `ceil(log2(w - 1))` rounds.
///
/// # Panics
/// If there is no addend, or the widths differ or are 0.
pub fn top_of_sum(b: &mut Builder, addends: &[Vec<Bit>]) -> Bit {
    let width = addends[0].len();
    let mut needed = vec![false; width];
    needed[width - 1] = true;
    sum_planes(b, addends, &needed)[width - 1].expect("the plane that was asked for")
}

/// Carry-save adder, three numbers to two with the same sum modulo `2^w`.
///
/// One round, `w - 1` ANDs: `majority(x, y, z) = (x + z)(y + z) + z`.
///
/// # Panics
/// If the widths differ.
pub fn carry_save(b: &mut Builder, x: &[Bit], y: &[Bit], z: &[Bit]) -> (Vec<Bit>, Vec<Bit>) {
    let rows = x.first().map_or(0, |&plane| b.rows(plane));
    let [x, y, z] = [x, y, z].map(|planes| planes.iter().copied().map(Some).collect::<Vec<_>>());
    let (sum, carry) = save(b, &x, &y, &z);
    (solid(b, sum, rows), solid(b, carry, rows))
}

/// Sum of any number of addends modulo `2^w`: carry-save levels down to two, then [`add`].
///
/// # Panics
/// If there is no addend, or the widths differ.
pub fn sum_of(b: &mut Builder, addends: &[Vec<Bit>]) -> Vec<Bit> {
    let needed = vec![true; addends[0].len()];
    let sum = sum_planes(b, addends, &needed);
    sum.into_iter().flatten().collect()
}

/// `x y` modulo `2^w` over planes: all partial products in one round, then [`sum_of`] them.
///
/// About `w^2 / 2` ANDs for the products and as many for the carry-save levels; at most
/// `3 ceil(log2 w) + 2` rounds. Where the factors are numbers rather than planes, `Builder::mul`
/// takes one round and one product.
///
/// # Panics
/// If the widths differ.
pub fn multiply(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    assert_eq!(x.len(), y.len(), "multiply: widths differ");
    let Some(&first) = x.first() else {
        return Vec::new();
    };
    let rows = b.rows(first);
    let mut addends = Vec::with_capacity(y.len());
    for (shift, &bit) in y.iter().enumerate() {
        let mut addend: Vec<Plane> = vec![None; shift];
        for &plane in &x[..x.len() - shift] {
            addend.push(Some(b.and(plane, bit)));
        }
        addends.push(addend);
    }
    let sum = total(b, addends, &vec![true; x.len()]);
    let planes = sum.into_iter().map(|plane| plane.expect("needed")).collect();
    solid(b, planes, rows)
}

/// Where the sum of `addends` modulo `2^w` is `2^w - 1`, all ones: where the two that carry-save
/// levels leave are each other's complement.
///
/// `ceil(log2 w)` rounds and `w - 1` ANDs after the carry-save levels: see [`top_of_sum`].
pub(crate) fn sum_is_ones(b: &mut Builder, addends: Vec<Vec<Bit>>) -> Bit {
    let addends =
        addends.into_iter().map(|planes| planes.into_iter().map(Some).collect()).collect();
    let saved = save_all(b, addends);
    let differ: Vec<Bit> = match &saved[..] {
        [x, y] => x.iter().zip(y).filter_map(|(&x, &y)| xor(b, x, y)).collect(),
        _ => saved.into_iter().flatten().flatten().collect(),
    };
    and_all(b, &differ)
}

/// The planes of the sum that are `needed`; the others are `None`.
pub(crate) fn sum_planes(
    b: &mut Builder,
    addends: &[Vec<Bit>],
    needed: &[bool],
) -> Vec<Option<Bit>> {
    let width = needed.len();
    assert!(addends.iter().all(|planes| planes.len() == width), "sum: widths differ");
    let rows = addends.first().and_then(|planes| planes.first()).map_or(0, |&plane| b.rows(plane));
    let addends = addends.iter().map(|planes| planes.iter().copied().map(Some).collect()).collect();
    total(b, addends, needed)
        .into_iter()
        .map(|plane| plane.map(|p| p.unwrap_or_else(|| b.constant(0, rows))))
        .collect()
}

/// The needed planes of a sum; the outer `None` is "not asked for", the inner a public zero.
pub(super) fn total(
    b: &mut Builder,
    mut addends: Vec<Vec<Plane>>,
    needed: &[bool],
) -> Vec<Option<Plane>> {
    assert!(!addends.is_empty(), "sum of nothing");
    let width = needed.iter().rposition(|&n| n).map_or(0, |top| top + 1);
    for planes in &mut addends {
        planes.truncate(width);
    }
    addends = save_all(b, addends);
    let mut sum: Vec<Option<Plane>> = match &addends[..] {
        [x, y] => carried(b, x, y, needed),
        _ => addends.swap_remove(0).into_iter().map(Some).collect(),
    };
    sum.resize(needed.len(), None);
    for (plane, &needed) in sum.iter_mut().zip(needed) {
        if !needed {
            *plane = None;
        }
    }
    sum
}

fn carried(b: &mut Builder, x: &[Plane], y: &[Plane], needed: &[bool]) -> Vec<Option<Plane>> {
    let runs: Vec<Run> = x.iter().zip(y).map(|(&x, &y)| Run::of_sum(b, x, y)).collect();
    let differ: Vec<Plane> = runs.iter().map(|run| run.through).collect();
    let mut carries = Carries::new(runs);
    let mut sum = Vec::with_capacity(differ.len());
    for (i, &differ) in differ.iter().enumerate() {
        sum.push(needed[i].then(|| {
            let carry = carries.carry(b, i);
            xor(b, differ, carry)
        }));
    }
    sum
}

/// Carry-save levels down to two addends at most.
fn save_all(b: &mut Builder, mut addends: Vec<Vec<Plane>>) -> Vec<Vec<Plane>> {
    while addends.len() > 2 {
        let mut next = Vec::with_capacity(addends.len() * 2 / 3 + 1);
        for three in addends.chunks(3) {
            if let [x, y, z] = three {
                let (sum, carry) = save(b, x, y, z);
                next.extend([sum, carry]);
            } else {
                next.extend_from_slice(three);
            }
        }
        addends = next;
    }
    addends
}

fn save(b: &mut Builder, x: &[Plane], y: &[Plane], z: &[Plane]) -> (Vec<Plane>, Vec<Plane>) {
    assert!(x.len() == y.len() && y.len() == z.len(), "carry-save: widths differ");
    let width = x.len();
    let mut sum = Vec::with_capacity(width);
    let mut carry = Vec::with_capacity(width + 1);
    carry.push(None);
    for i in 0..width {
        // A public zero among the three goes to the place where it saves most.
        let (x, y, z) = match (x[i], y[i], z[i]) {
            (None, y, z) => (y, z, None),
            (x, None, z) => (x, z, None),
            all => all,
        };
        let one = xor(b, x, z);
        let two = xor(b, y, z);
        sum.push(xor(b, one, y));
        let both = if i + 1 < width { and(b, one, two) } else { None };
        carry.push(xor(b, both, z));
    }
    // The carry out of the last position is beyond the modulus.
    carry.truncate(width);
    (sum, carry)
}

/// Puts a constant column where a plane is publicly zero.
fn solid(b: &mut Builder, planes: Vec<Plane>, rows: usize) -> Vec<Bit> {
    planes.into_iter().map(|plane| plane.unwrap_or_else(|| b.constant(0, rows))).collect()
}
