//! Operators that move rows by secret orders: permutations, compaction, aggregates by key.

use std::collections::BTreeMap;

use tacit_protocols::{self as ops, Order};

use super::common::family::{Given, Value};
use super::registry::{Case, Data, Operator, operator};

const ONE: &[usize] = &[1];
const FORMS: &[usize] = &[1, 64];

pub const OPERATORS: &[Operator] = &[
    operator("random_order", ONE, |d| {
        let rows = d.rows;
        let due: Vec<u64> = (0..rows as u64).collect();
        Case::new(vec![], vec![due.clone(), due], move |b, _, _| {
            let order: Value = planes(&ops::random_order(b, rows)).into();
            vec![order.clone(), order]
        })
    })
    .mixing()
    .in_forms(1),
    operator("apply", FORMS, |d| moved(d, false)).shuffling().in_forms(2),
    operator("apply_inverse", FORMS, |d| moved(d, true)).shuffling().in_forms(2),
    operator("invert", FORMS, |d| {
        let p = permutation(d);
        let due = undone(&p, &(0..d.rows as u64).collect::<Vec<_>>());
        let width = d.width;
        Case::new(vec![given(&p, width)], vec![due], move |b, x, _| {
            let order = ops::invert(b, &order(&x[0]));
            vec![planes(&order).into()]
        })
    })
    .shuffling()
    .in_forms(2),
    operator("compose", FORMS, |d| {
        let (p, q) = (permutation(d), permutation(d));
        let due = q.iter().map(|&row| p[row as usize]).collect();
        // Of either kind on either side.
        let (one, other) = (d.width, 65 - d.width);
        Case::new(vec![given(&p, one), given(&q, other)], vec![due], move |b, x, _| {
            vec![match ops::compose(b, &order(&x[0]), &order(&x[1])) {
                Order::Planes(planes) => planes.into(),
                Order::Numbers(numbers) => numbers.into(),
            }]
        })
    })
    .shuffling()
    .in_forms(2),
    operator("compact", ONE, |d| {
        let (valid, x) = (d.column(1), d.column(64));
        let mut rows: Vec<usize> = (0..d.rows).collect();
        rows.sort_by_key(|&row| 1 - valid[row]);
        let pick = |x: &[u64]| -> Vec<u64> { rows.iter().map(|&row| x[row]).collect() };
        let due = vec![pick(&valid), pick(&x), pick(&x)];
        let given = vec![Given::Bits(1, valid), Given::Num(x.clone()), Given::Bits(64, x)];
        Case::new(given, due, |b, x, _| {
            let got = ops::compact(b, x[0].bits()[0], &[x[1].num()], x[2].bits());
            vec![got.valid.into(), got.nums[0].into(), got.bits.into()]
        })
    })
    .shuffling()
    .in_forms(3),
    operator("aggregate_by_key", &[1, 3, 20], aggregate).shuffling().in_forms(2),
];

/// A random permutation of the rows of the case.
fn permutation(d: &mut Data) -> Vec<u64> {
    let mut p: Vec<u64> = (0..d.rows as u64).collect();
    for i in (1..d.rows).rev() {
        p.swap(i, d.draw.below(i as u64 + 1) as usize);
    }
    p
}

/// A permutation as planes for cases of one bit, else as numbers.
fn given(p: &[u64], width: usize) -> Given {
    let number = (1..64).find(|w| p.len() <= 1 << w).unwrap();
    if width == 1 { Given::Bits(number, p.to_vec()) } else { Given::Num(p.to_vec()) }
}

fn order(value: &Value) -> Order {
    match value {
        Value::Bits(planes) => Order::Planes(planes.clone()),
        Value::Num(numbers) => Order::Numbers(*numbers),
    }
}

fn planes(order: &Order) -> Vec<tacit_mpc::Bit> {
    match order {
        Order::Planes(planes) => planes.clone(),
        Order::Numbers(_) => panic!("planes are due"),
    }
}

/// Row `i` of the result, as row `p[i]`.
fn undone(p: &[u64], x: &[u64]) -> Vec<u64> {
    let mut z = vec![0; p.len()];
    for (&row, &x) in p.iter().zip(x) {
        z[row as usize] = x;
    }
    z
}

fn moved(d: &mut Data, inverse: bool) -> Case {
    let (p, x, y) = (permutation(d), d.column(64), d.column(7));
    let place = |x: &[u64]| -> Vec<u64> {
        if inverse { undone(&p, x) } else { p.iter().map(|&row| x[row as usize]).collect() }
    };
    let due = vec![place(&x), place(&y)];
    let given = vec![given(&p, d.width), Given::Num(x), Given::Bits(7, y)];
    Case::new(given, due, move |b, x, _| {
        let apply = if inverse { ops::apply_inverse } else { ops::apply };
        let (nums, bits) = apply(b, &order(&x[0]), &[x[1].num()], x[2].bits());
        vec![nums[0].into(), bits.into()]
    })
}

fn aggregate(d: &mut Data) -> Case {
    let (key, x, y) = (d.column(d.width), d.column(64), d.column(5));
    let mut groups: BTreeMap<u64, [u64; 4]> = BTreeMap::new();
    for ((&key, &x), &y) in key.iter().zip(&x).zip(&y) {
        let [count, sum, least, most] = groups.entry(key).or_insert([0, 0, u64::MAX, 0]);
        *count += 1;
        *sum = sum.wrapping_add(x);
        *least = y.min(*least);
        *most = y.max(*most);
    }
    let mut due = vec![vec![0; d.rows]; 6];
    for (row, (&key, group)) in groups.iter().enumerate() {
        due[0][row] = 1;
        due[1][row] = key;
        for (due, x) in due[2..].iter_mut().zip(group) {
            due[row] = *x;
        }
    }
    let given = vec![Given::Bits(d.width, key), Given::Num(x), Given::Bits(5, y)];
    Case::new(given, due, |b, x, _| {
        let y = [x[2].bits().to_vec()];
        let got = ops::aggregate_by_key(b, x[0].bits(), &[x[1].num()], &y, &y);
        let mut out = vec![got.valid.into(), got.key.into(), got.count.into(), got.sums[0].into()];
        out.extend([got.least[0].clone().into(), got.most[0].clone().into()]);
        out
    })
}
