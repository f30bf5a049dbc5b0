//! Operators across rows: extremes, counts, groups, segments, sorts and shuffles.

use tacit_mpc::{Bit, Builder, Num};
use tacit_protocols as ops;

use super::common::family::{Given, Value};
use super::registry::{Case, Data, Operator, by_row, operator, planes};

const ANY: &[usize] = &[1, 2, 7, 20, 33, 64];
const KEY: &[usize] = &[1, 2, 3, 4];
const ONE: &[usize] = &[1];

pub const OPERATORS: &[Operator] = &[
    operator("min_rows", ANY, |d| of_rows(d, ops::min_rows, |x| *x.iter().min().unwrap()))
        .of_rows()
        .in_forms(3),
    operator("max_rows", ANY, |d| of_rows(d, ops::max_rows, |x| *x.iter().max().unwrap()))
        .of_rows()
        .in_forms(3),
    operator("argmin_rows", ANY, |d| found(d, ops::argmin_rows, |x, best| x < best))
        .of_rows()
        .in_forms(3),
    operator("argmax_rows", ANY, |d| found(d, ops::argmax_rows, |x, best| x > best))
        .of_rows()
        .in_forms(3),
    operator("count_rows", ONE, |d| {
        of_rows(d, |b, x| ops::count_rows(b, x[0]), |x| x.iter().sum())
    })
    .of_rows(),
    operator("group_sum", &[64], group_sum),
    operator("sum_by_key", KEY, |d| by_key(d, true)),
    operator("count_by_key", KEY, |d| by_key(d, false)),
    operator("segment_starts", ANY, |d| {
        let x = d.column(d.width);
        let due = (0..d.rows).map(|row| u64::from(row == 0 || x[row] != x[row - 1])).collect();
        Case::new(vec![Given::Bits(d.width, x)], vec![due], |b, x, _| {
            vec![ops::segment_starts(b, x[0].bits()).into()]
        })
    }),
    operator("segment_ends", ONE, |d| {
        let starts = d.column(1);
        let due = (0..d.rows).map(|row| starts.get(row + 1).copied().unwrap_or(1)).collect();
        // Of no row there is no last one.
        Case::new(vec![Given::Bits(1, starts)], vec![due], |b, x, _| {
            vec![ops::segment_ends(b, x[0].bits()[0]).into()]
        })
    }),
    operator("segmented_max", ANY, |d| segmented(d, ops::segmented_max, u64::max)).in_forms(2),
    operator("segmented_min", ANY, |d| segmented(d, ops::segmented_min, u64::min)).in_forms(2),
    operator("segmented_first", ANY, |d| segmented(d, ops::segmented_first, |before, _| before))
        .in_forms(2),
    operator("segmented_sum", &[64], |d| {
        let (starts, x) = (d.column(1), d.column(64));
        let due = running(&starts, &x, u64::wrapping_add);
        Case::new(vec![Given::Bits(1, starts), Given::Num(x)], vec![due], |b, x, _| {
            vec![ops::segmented_sum(b, x[0].bits()[0], x[1].num()).into()]
        })
    }),
    operator("segmented_sums", &[64], |d| {
        let (starts, x) = (d.column(1), d.columns(3));
        let due = x.iter().map(|x| running(&starts, x, u64::wrapping_add)).collect();
        let mut given = vec![Given::Bits(1, starts)];
        given.extend(x.into_iter().map(Given::Num));
        Case::new(given, due, |b, x, _| {
            let columns: Vec<Num> = x[1..].iter().map(Value::num).collect();
            let sums = ops::segmented_sums(b, x[0].bits()[0], &columns);
            sums.into_iter().map(Value::from).collect()
        })
    }),
    operator("segmented_count", ONE, |d| {
        let starts = d.column(1);
        let due = running(&starts, &vec![1; d.rows], u64::wrapping_add);
        Case::new(vec![Given::Bits(1, starts)], vec![due], |b, x, _| {
            vec![ops::segmented_count(b, x[0].bits()[0]).into()]
        })
    }),
    operator("sort", ANY, sort).shuffling().in_forms(2),
    operator("bottom_k", KEY, |d| first(d, false)).shuffling().in_forms(1),
    operator("top_k", KEY, |d| first(d, true)).shuffling().in_forms(1),
    operator("shuffle", &[64], shuffle).mixing(),
];

/// An operator that makes one row of all.
fn of_rows(
    d: &mut Data,
    build: fn(&mut Builder, &[Bit]) -> Vec<Bit>,
    due: impl Fn(&[u64]) -> u64,
) -> Case {
    let x = d.column(d.width);
    let due = vec![due(&x)];
    Case::new(vec![Given::Bits(d.width, x)], vec![due], move |b, x, _| {
        vec![build(b, x[0].bits()).into()]
    })
}

/// The first row for which `better` holds against all before it, and its number.
fn found(
    d: &mut Data,
    build: fn(&mut Builder, &[Bit]) -> ops::Found,
    better: fn(u64, u64) -> bool,
) -> Case {
    let x = d.column(d.width);
    let place = (1..d.rows).fold(0, |best, row| if better(x[row], x[best]) { row } else { best });
    let mut due = vec![vec![x[place]]];
    // One row needs no bit to number it.
    due.extend((d.rows > 1).then(|| vec![place as u64]));
    Case::new(vec![Given::Bits(d.width, x)], due, move |b, x, _| {
        let found = build(b, x[0].bits());
        let mut out = vec![found.value.into()];
        if !found.place.is_empty() {
            out.push(found.place.into());
        }
        out
    })
}

fn group_sum(d: &mut Data) -> Case {
    let x = d.column(64);
    // The last group has no row.
    let groups: Vec<u32> = (0..d.rows).map(|_| d.draw.below(3) as u32).collect();
    let mut due = vec![0_u64; 4];
    for (&group, x) in groups.iter().zip(&x) {
        due[group as usize] = due[group as usize].wrapping_add(*x);
    }
    Case::new(vec![Given::Num(x)], vec![due], move |b, x, _| {
        vec![ops::group_sum(b, x[0].num(), &groups, 4).into()]
    })
}

fn by_key(d: &mut Data, sum: bool) -> Case {
    let (key, x) = (d.column(d.width), d.column(64));
    let count = 1 + d.draw.below(1 << d.width) as usize;
    let mut due = vec![0_u64; count];
    for (&key, &x) in key.iter().zip(&x).filter(|(key, _)| **key < count as u64) {
        let more = if sum { x } else { 1 };
        due[key as usize] = due[key as usize].wrapping_add(more);
    }
    let mut given = vec![Given::Bits(d.width, key)];
    given.extend(sum.then_some(Given::Num(x)));
    Case::new(given, vec![due], move |b, x, _| {
        let key = x[0].bits();
        vec![match x.get(1) {
            Some(x) => ops::sum_by_key(b, key, count, x.num()).into(),
            None => ops::count_by_key(b, key, count).into(),
        }]
    })
}

/// For every row, what `next` makes of the row before, within its segment, and of the row.
fn running(starts: &[u64], x: &[u64], next: impl Fn(u64, u64) -> u64) -> Vec<u64> {
    let mut out: Vec<u64> = Vec::with_capacity(x.len());
    for (row, &x) in x.iter().enumerate() {
        let before = out.last().filter(|_| starts[row] == 0);
        out.push(before.map_or(x, |&before| next(before, x)));
    }
    out
}

fn segmented(
    d: &mut Data,
    build: fn(&mut Builder, Bit, &[Bit]) -> Vec<Bit>,
    next: fn(u64, u64) -> u64,
) -> Case {
    let (starts, x) = (d.column(1), d.column(d.width));
    let due = running(&starts, &x, next);
    Case::new(vec![Given::Bits(1, starts), Given::Bits(d.width, x)], vec![due], move |b, x, _| {
        vec![build(b, x[0].bits()[0], x[1].bits()).into()]
    })
}

/// By two keys, with a number and a bit that go along.
fn sort(d: &mut Data) -> Case {
    let (major, minor) = (d.column(d.width), d.column(2));
    let (number, bit) = (d.column(64), d.column(1));
    let mut order: Vec<usize> = (0..d.rows).collect();
    order.sort_by_key(|&row| (major[row], minor[row]));
    let from: Vec<u64> = order.iter().map(|&row| row as u64).collect();
    let pick = |x: &[u64]| order.iter().map(|&row| x[row]).collect::<Vec<u64>>();
    let due = vec![pick(&major), pick(&minor), pick(&number), pick(&bit), from];
    let mut given = vec![Given::Bits(d.width, major), Given::Bits(2, minor)];
    given.extend([Given::Num(number), Given::Bits(1, bit)]);
    Case::new(given, due, |b, x, _| {
        let keys = [x[0].bits().to_vec(), x[1].bits().to_vec()];
        let sorted = ops::sort(b, &keys, &[x[2].num()], x[3].bits());
        let mut out: Vec<Value> = sorted.keys.into_iter().map(Value::from).collect();
        out.extend([sorted.nums[0].into(), sorted.bits[0].into(), sorted.from.into()]);
        out
    })
}

/// The first rows from the smallest or from the largest key, with a number that goes along.
fn first(d: &mut Data, largest: bool) -> Case {
    let (key, number) = (d.column(d.width), d.column(64));
    let k = d.rows / 3 + 1;
    let mut order: Vec<usize> = (0..d.rows).collect();
    order.sort_by_key(|&row| if largest { u64::MAX - key[row] } else { key[row] });
    order.truncate(k);
    let from: Vec<u64> = order.iter().map(|&row| row as u64).collect();
    let pick = |x: &[u64]| order.iter().map(|&row| x[row]).collect::<Vec<u64>>();
    let due = vec![pick(&key), pick(&number), from];
    Case::new(vec![Given::Bits(d.width, key), Given::Num(number)], due, move |b, x, _| {
        let of = if largest { ops::top_k } else { ops::bottom_k };
        let key = [x[0].bits().to_vec()];
        let sorted = of(b, &key, k, &[x[1].num()], &[]);
        vec![sorted.keys[0].clone().into(), sorted.nums[0].into(), sorted.from.into()]
    })
}

/// A number and its planes, which have to stay in one row.
fn shuffle(d: &mut Data) -> Case {
    let x = d.columns(1);
    let mut given = planes(d.width, &x);
    given.push(Given::Num(x[0].clone()));
    let due = vec![by_row(&x, |x| x[0]), x[0].clone()];
    Case::new(given, due, |b, x, _| {
        let (nums, bits) = ops::shuffle(b, &[x[1].num()], x[0].bits());
        vec![bits.into(), nums[0].into()]
    })
}
