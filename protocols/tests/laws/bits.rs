//! Operators on bit planes, row by row.

use tacit_mpc::{Bit, Builder};
use tacit_protocols as ops;

use super::common::family::{Given, Value};
use super::common::mask;
use super::registry::{Case, Data, Operator, binary, by_row, operator, planes, signed, unary};

const ANY: &[usize] = &[1, 2, 7, 20, 33, 64];
const SMALL: &[usize] = &[1, 2, 7, 20];
const KEY: &[usize] = &[1, 2, 3, 5];

pub const OPERATORS: &[Operator] = &[
    operator("add", ANY, |d| binary(d, ops::add, |x, y, w| x.wrapping_add(y) & mask(w))),
    operator("subtract", ANY, |d| binary(d, ops::subtract, |x, y, w| x.wrapping_sub(y) & mask(w))),
    operator("multiply", SMALL, |d| {
        binary(d, ops::multiply, |x, y, w| x.wrapping_mul(y) & mask(w))
    }),
    operator("sum_of", ANY, |d| {
        let count = 1 + d.draw.below(6) as usize;
        several(d, count, ops::sum_of, |x| x.iter().fold(0, |sum, x| sum.wrapping_add(*x)))
    }),
    operator("top_of_sum", ANY, |d| {
        let (count, w) = (1 + d.draw.below(6) as usize, d.width);
        let top = move |x: &[u64]| x.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x)) >> (w - 1);
        several(d, count, |b, x| vec![ops::top_of_sum(b, x)], move |x| top(x) & 1)
    }),
    operator("carry_save", ANY, carry_save),
    operator("less", ANY, |d| binary(d, ops::less, |x, y, _| u64::from(x < y))),
    operator("equal", ANY, |d| binary(d, ops::equal, |x, y, _| u64::from(x == y))),
    operator("min", ANY, |d| binary(d, ops::min, |x, y, _| x.min(y))),
    operator("max", ANY, |d| binary(d, ops::max, |x, y, _| x.max(y))),
    operator("less_public", ANY, |d| {
        public(d, |b, x, c| vec![ops::less_public(b, x, c)], |x, c, _| u64::from(x < c))
    }),
    operator("at_least_public", ANY, |d| {
        public(d, |b, x, c| vec![ops::at_least_public(b, x, c)], |x, c, _| u64::from(x >= c))
    }),
    operator("equal_public", ANY, |d| {
        public(d, |b, x, c| vec![ops::equal_public(b, x, c)], |x, c, _| u64::from(x == c))
    }),
    operator("in_range_public", ANY, in_range_public),
    operator("is_negative", ANY, |d| {
        let w = d.width;
        unary(d, |_, x| ops::is_negative(x), move |x| x >> (w - 1))
    }),
    operator("signed_order", ANY, |d| {
        let w = d.width;
        unary(d, ops::signed_order, move |x| x ^ 1 << (w - 1))
    }),
    operator("from_public", ANY, from_public),
    operator("and_all", ANY, |d| {
        let w = d.width;
        unary(d, ops::and_all, move |x| u64::from(x == mask(w)))
    }),
    operator("or_all", ANY, |d| unary(d, ops::or_all, |x| u64::from(x != 0))),
    operator("select", ANY, select),
    operator("suppress", ANY, suppress),
    operator("shift_right", ANY, |d| {
        let by = d.draw.below(d.width as u64 + 2) as u32;
        let due = move |x: u64| x.checked_shr(by).unwrap_or(0);
        unary(d, move |b, x| ops::shift_right(b, x, by as usize), due)
    }),
    operator("shift_right_signed", ANY, |d| {
        let (by, w) = (d.draw.below(d.width as u64 + 2) as u32, d.width);
        let due = move |x: u64| (signed(x, w) >> by.min(63)) as u64 & mask(w);
        unary(d, move |_, x| ops::shift_right_signed(x, by as usize), due)
    }),
    operator("divide_public", ANY, |d| {
        public(d, |b, x, c| ops::divide_public(b, x, c.max(1)), |x, c, _| x / c.max(1))
    })
    .in_forms(3),
    operator("divide_public_signed", ANY, |d| {
        let floor = |x: u64, c: u64, w| i128::from(signed(x, w)).div_euclid(i128::from(c.max(1)));
        let due = move |x, c, w| floor(x, c, w) as u64 & mask(w);
        public(d, |b, x, c| ops::divide_public_signed(b, x, c.max(1)), due)
    })
    .in_forms(3),
    operator("divide", SMALL, divide).in_forms(3),
    operator("min_of", ANY, |d| several(d, 3, ops::min_of, |x| *x.iter().min().unwrap())),
    operator("max_of", ANY, |d| several(d, 3, ops::max_of, |x| *x.iter().max().unwrap())),
    operator("argmin_of", ANY, |d| found(d, ops::argmin_of, |x, best| x < best)),
    operator("argmax_of", ANY, |d| found(d, ops::argmax_of, |x, best| x > best)),
    operator("clamp_public", ANY, clamp_public),
    operator("clamp", ANY, clamp),
    operator("one_hot", KEY, |d| {
        let count = 1 + d.draw.below(1 << d.width) as usize;
        let due = move |x: u64| if x < count as u64 { 1 << x } else { 0 };
        unary(d, move |b, x| ops::one_hot(b, x, count), due)
    }),
    operator("look_up", KEY, |d| {
        let table = table(d, 20);
        let due = table.clone();
        let due = move |x: u64| due.get(x as usize).copied().unwrap_or(0);
        unary(d, move |b, x| ops::look_up(b, x, &table, 20), due)
    }),
    operator("look_up_number", KEY, |d| {
        let table = table(d, 64);
        let due = table.clone();
        let due = move |x: u64| due.get(x as usize).copied().unwrap_or(0);
        unary(d, move |b, x| ops::look_up_number(b, x, &table), due)
    }),
];

/// A public table, of fewer entries than the key has values or of as many.
fn table(d: &mut Data, width: usize) -> Vec<u64> {
    let count = 1 + d.draw.below(1 << d.width);
    (0..count).map(|_| d.draw.word() & mask(width)).collect()
}

/// An operator on several values.
fn several(
    d: &mut Data,
    count: usize,
    build: fn(&mut Builder, &[Vec<Bit>]) -> Vec<Bit>,
    due: impl Fn(&[u64]) -> u64,
) -> Case {
    let x = d.columns(count);
    let due = by_row(&x, |x| due(x) & mask(d.width));
    Case::new(planes(d.width, &x), vec![due], move |b, x, _| {
        let x: Vec<Vec<Bit>> = x.iter().map(|x| x.bits().to_vec()).collect();
        vec![build(b, &x).into()]
    })
}

/// An operator on a value and a public number.
fn public(
    d: &mut Data,
    build: fn(&mut Builder, &[Bit], u64) -> Vec<Bit>,
    due: impl Fn(u64, u64, usize) -> u64,
) -> Case {
    let x = d.columns(1);
    let c = d.public(d.width, &x[0]);
    let due = by_row(&x, |x| due(x[0], c, d.width));
    Case::new(planes(d.width, &x), vec![due], move |b, x, _| vec![build(b, x[0].bits(), c).into()])
}

/// The first of three for which `better` holds against all before it, and its place.
fn found(
    d: &mut Data,
    build: fn(&mut Builder, &[Vec<Bit>]) -> ops::Found,
    better: fn(u64, u64) -> bool,
) -> Case {
    let x = d.columns(3);
    let place = |x: &[u64]| (1..3).fold(0, |best, i| if better(x[i], x[best]) { i } else { best });
    let due = vec![by_row(&x, |x| x[place(x)]), by_row(&x, |x| place(x) as u64)];
    Case::new(planes(d.width, &x), due, move |b, x, _| {
        let x: Vec<Vec<Bit>> = x.iter().map(|x| x.bits().to_vec()).collect();
        let found = build(b, &x);
        vec![found.value.into(), found.place.into()]
    })
}

fn carry_save(d: &mut Data) -> Case {
    let (x, w) = (d.columns(3), d.width);
    let carry = |x: &[u64]| (x[0] & x[1] | x[0] & x[2] | x[1] & x[2]) << 1 & mask(w);
    let due = vec![by_row(&x, |x| x[0] ^ x[1] ^ x[2]), by_row(&x, carry)];
    Case::new(planes(w, &x), due, |b, x, _| {
        let (sum, carry) = ops::carry_save(b, x[0].bits(), x[1].bits(), x[2].bits());
        vec![sum.into(), carry.into()]
    })
}

fn in_range_public(d: &mut Data) -> Case {
    let x = d.columns(1);
    let (one, two) = (d.public(d.width, &x[0]), d.public(d.width, &x[0]));
    let (least, below) = (one.min(two), one.max(two));
    let due = by_row(&x, |x| u64::from(least <= x[0] && x[0] < below));
    Case::new(planes(d.width, &x), vec![due], move |b, x, _| {
        vec![ops::in_range_public(b, x[0].bits(), least, below).into()]
    })
}

fn from_public(d: &mut Data) -> Case {
    let (x, w) = (d.columns(1), d.width);
    let c = d.public(w, &x[0]);
    let due = by_row(&x, |x| x[0] ^ c);
    Case::new(planes(w, &x), vec![due], move |b, x, _| {
        let x = x[0].bits();
        let c = ops::from_public(b, c, w, b.rows(x[0]));
        let sum: Vec<Bit> = x.iter().zip(c).map(|(&x, c)| b.xor(x, c)).collect();
        vec![sum.into()]
    })
}

/// A bit and two values.
fn chosen(d: &mut Data) -> (Vec<Vec<u64>>, Vec<Given>) {
    let x = vec![d.column(1), d.column(d.width), d.column(d.width)];
    let mut given = planes(1, &x[..1]);
    given.extend(planes(d.width, &x[1..]));
    (x, given)
}

fn select(d: &mut Data) -> Case {
    let (x, given) = chosen(d);
    let due = by_row(&x, |x| if x[0] == 1 { x[1] } else { x[2] });
    Case::new(given, vec![due], |b, x, _| {
        vec![ops::select(b, x[0].bits()[0], x[1].bits(), x[2].bits()).into()]
    })
}

fn suppress(d: &mut Data) -> Case {
    let (x, mut given) = chosen(d);
    given.truncate(2);
    let due = by_row(&x, |x| x[0] * x[1]);
    Case::new(given, vec![due], |b, x, _| {
        vec![ops::suppress(b, x[0].bits()[0], x[1].bits()).into()]
    })
}

fn divide(d: &mut Data) -> Case {
    let (x, w) = (d.columns(2), d.width);
    let quotient = by_row(&x, |x| x[0].checked_div(x[1]).unwrap_or(mask(w)));
    let remainder = by_row(&x, |x| x[0].checked_rem(x[1]).unwrap_or(x[0]));
    Case::new(planes(w, &x), vec![quotient, remainder], |b, x, _| {
        let got = ops::divide(b, x[0].bits(), x[1].bits());
        vec![got.quotient.into(), got.remainder.into()]
    })
}

fn clamp_public(d: &mut Data) -> Case {
    let x = d.columns(1);
    let (one, two) = (d.public(d.width, &x[0]), d.public(d.width, &x[0]));
    let (least, most) = (one.min(two), one.max(two));
    let due = by_row(&x, |x| x[0].clamp(least, most));
    Case::new(planes(d.width, &x), vec![due], move |b, x, _| {
        vec![ops::clamp_public(b, x[0].bits(), least, most).into()]
    })
}

fn clamp(d: &mut Data) -> Case {
    let mut x = d.columns(3);
    let ordered = |(one, two): (&u64, &u64)| (*one.min(two), *one.max(two));
    (x[1], x[2]) = x[1].iter().zip(&x[2]).map(ordered).unzip();
    let due = by_row(&x, |x| x[0].clamp(x[1], x[2]));
    Case::new(planes(d.width, &x), vec![due], |b: &mut Builder, x: &[Value], _| {
        vec![ops::clamp(b, x[0].bits(), x[1].bits(), x[2].bits()).into()]
    })
}
