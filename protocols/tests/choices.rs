//! Extremes, bounds, categories, tables and choices, on every engine.

mod common;

use common::family::{Given, Value, column, columns, on_clear, on_engines};
use common::mask;
use proptest::prelude::*;
use tacit_mpc::{Bit, Builder};
use tacit_protocols as ops;

fn bits(width: usize, x: &[Vec<u64>]) -> Vec<Given> {
    x.iter().map(|x| Given::Bits(width, x.clone())).collect()
}

fn by_row(x: &[Vec<u64>], f: impl Fn(&[u64]) -> u64) -> Vec<u64> {
    (0..x[0].len()).map(|row| f(&x.iter().map(|x| x[row]).collect::<Vec<_>>())).collect()
}

/// First of the largest.
fn largest(x: &[u64]) -> u64 {
    (0..x.len()).rev().max_by_key(|&i| x[i]).unwrap() as u64
}

/// First of the smallest.
fn smallest(x: &[u64]) -> u64 {
    (0..x.len()).min_by_key(|&i| x[i]).unwrap() as u64
}

fn extremes(b: &mut Builder, given: &[Value]) -> Vec<Value> {
    let columns: Vec<Vec<Bit>> = given.iter().map(|x| x.bits().to_vec()).collect();
    let (low, high) = (ops::argmin_of(b, &columns), ops::argmax_of(b, &columns));
    let mut all = vec![low.value, high.value, ops::min_of(b, &columns), ops::max_of(b, &columns)];
    let signed: Vec<Vec<Bit>> = columns.iter().map(|x| ops::signed_order(b, x)).collect();
    let least = ops::min_of(b, &signed);
    all.push(ops::signed_order(b, &least));
    if columns.len() > 1 {
        all.extend([low.place, high.place]);
    }
    all.into_iter().map(Value::from).collect()
}

fn extremes_due(width: usize, x: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let low = by_row(x, |x| *x.iter().min().unwrap());
    let high = by_row(x, |x| *x.iter().max().unwrap());
    let sign = |x: u64| (x << (64 - width)) as i64;
    let signed = by_row(x, |x| *x.iter().min_by_key(|x| sign(**x)).unwrap());
    let mut due = vec![low.clone(), high.clone(), low, high, signed];
    if x.len() > 1 {
        due.extend([by_row(x, smallest), by_row(x, largest)]);
    }
    due
}

fn row_extremes(b: &mut Builder, given: &[Value]) -> Vec<Value> {
    let x = given[0].bits();
    let (low, high) = (ops::argmin_rows(b, x), ops::argmax_rows(b, x));
    let mut all = vec![ops::min_rows(b, x), ops::max_rows(b, x), low.value, high.value];
    if !low.place.is_empty() {
        all.extend([low.place, high.place]);
    }
    all.into_iter().map(Value::from).collect()
}

fn row_extremes_due(x: &[u64]) -> Vec<Vec<u64>> {
    let (low, high) = (*x.iter().min().unwrap(), *x.iter().max().unwrap());
    let mut due = vec![low, high, low, high];
    if x.len() > 1 {
        due.extend([smallest(x), largest(x)]);
    }
    due.into_iter().map(|x| vec![x]).collect()
}

/// Public bounds of that width, and `x` between them; then between secret bounds.
fn clamps(least: u64, most: u64) -> impl Fn(&mut Builder, &[Value]) -> Vec<Value> {
    move |b, given| {
        let [x, y, z] = [0, 1, 2].map(|i| given[i].bits());
        let (low, high) = (ops::min(b, y, z), ops::max(b, y, z));
        vec![ops::clamp_public(b, x, least, most).into(), ops::clamp(b, x, &low, &high).into()]
    }
}

fn clamps_due(x: &[Vec<u64>], least: u64, most: u64) -> Vec<Vec<u64>> {
    vec![
        by_row(x, |x| x[0].clamp(least, most)),
        by_row(x, |x| x[0].clamp(x[1].min(x[2]), x[1].max(x[2]))),
    ]
}

fn tables(
    count: usize,
    table: &[u64],
    width: usize,
) -> impl Fn(&mut Builder, &[Value]) -> Vec<Value> + '_ {
    move |b, given| {
        let x = given[0].bits();
        let mut all: Vec<Value> = ops::one_hot(b, x, count).into_iter().map(Value::from).collect();
        all.push(ops::look_up(b, x, table, width).into());
        all.push(ops::look_up_number(b, x, table).into());
        all
    }
}

fn tables_due(x: &[u64], count: usize, table: &[u64]) -> Vec<Vec<u64>> {
    let is = |j: usize| x.iter().map(|x| u64::from(*x == j as u64)).collect();
    let mut due: Vec<Vec<u64>> = (0..count).map(is).collect();
    let read: Vec<u64> =
        x.iter().map(|x| table.get(*x as usize).copied().unwrap_or_default()).collect();
    due.extend([read.clone(), read]);
    due
}

fn choices(b: &mut Builder, given: &[Value]) -> Vec<Value> {
    let (c, x, y) = (given[0].bits()[0], given[1].num(), given[2].num());
    vec![
        ops::numbers::select(b, c, x, y).into(),
        ops::numbers::select_all(b, c, &[(x, y), (y, x)])[1].into(),
        ops::numbers::suppress(b, c, x).into(),
    ]
}

fn choices_due(x: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let of = |f: fn(bool, u64, u64) -> u64| by_row(x, |x| f(x[0] == 1, x[1], x[2]));
    vec![
        of(|c, x, y| if c { x } else { y }),
        of(|c, x, y| if c { y } else { x }),
        of(|c, x, _| if c { x } else { 0 }),
    ]
}

/// Width, table of that width, index width, indices, and a number of values.
type Tables = (usize, Vec<u64>, usize, Vec<u64>, usize);

fn any_table(planes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Tables> {
    (1..=64usize, planes).prop_flat_map(|(width, planes)| {
        let entry = any::<u64>().prop_map(move |x| x & mask(width));
        let table = prop::collection::vec(entry, 0..=(1 << planes) + 2);
        let indices = prop::sample::select(&common::family::SIZES[..])
            .prop_flat_map(move |rows| column(planes, rows));
        (Just(width), table, Just(planes), indices, 1..=(1usize << planes) + 1)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn extremes_of_columns_are_found(
        (width, x) in (1..6usize).prop_flat_map(|n| columns(n, 1..=64)),
    ) {
        on_clear(&bits(width, &x), &extremes_due(width, &x), extremes);
    }

    #[test]
    fn extremes_of_rows_are_found((width, x) in columns(1, 1..=64)) {
        if !x[0].is_empty() {
            on_clear(&bits(width, &x), &row_extremes_due(&x[0]), row_extremes);
        }
    }

    #[test]
    fn values_are_kept_between_bounds((width, x) in columns(3, 1..=64), c in any::<[u64; 2]>()) {
        let [c, d] = c.map(|c| c & mask(width));
        for (least, most) in [(c.min(d), c.max(d)), (c, u64::MAX), (0, d), (c, c)] {
            on_clear(&bits(width, &x), &clamps_due(&x, least, most), clamps(least, most));
        }
    }

    #[test]
    fn tables_are_read((width, table, planes, x, count) in any_table(1..=6)) {
        let due = tables_due(&x, count, &table);
        on_clear(&bits(planes, &[x]), &due, tables(count, &table, width));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn extremes_are_found_on_every_engine((width, x) in columns(3, 1..=64)) {
        on_engines(&bits(width, &x), &extremes_due(width, &x), extremes);
        if !x[0].is_empty() {
            on_engines(&bits(width, &x[..1]), &row_extremes_due(&x[0]), row_extremes);
        }
    }

    #[test]
    fn bounds_hold_on_every_engine((width, x) in columns(3, 1..=64), c in any::<[u64; 2]>()) {
        let [c, d] = c.map(|c| c & mask(width));
        let (least, most) = (c.min(d), c.max(d));
        on_engines(&bits(width, &x), &clamps_due(&x, least, most), clamps(least, most));
    }

    #[test]
    fn tables_are_read_on_every_engine((width, table, planes, x, count) in any_table(1..=4)) {
        let due = tables_due(&x, count, &table);
        on_engines(&bits(planes, &[x]), &due, tables(count, &table, width));
    }

    #[test]
    fn numbers_are_chosen_on_every_engine((_, x) in columns(3, 64..=64)) {
        let given = [
            Given::Bits(1, x[0].iter().map(|x| x & 1).collect()),
            Given::Num(x[1].clone()),
            Given::Num(x[2].clone()),
        ];
        let mut x = x;
        x[0].iter_mut().for_each(|c| *c &= 1);
        on_engines(&given, &choices_due(&x), choices);
    }
}

#[test]
fn a_table_of_ten_planes_is_read_at_every_place() {
    let table: Vec<u64> = (0..1000u64).map(|i| i * i % 251).collect();
    let x: Vec<u64> = (0..1024).collect();
    let due = x.iter().map(|x| table.get(*x as usize).copied().unwrap_or_default()).collect();
    on_clear(&bits(10, &[x]), &[due], |b, given| {
        vec![ops::look_up(b, given[0].bits(), &table, 8).into()]
    });
}
