//! Operators on numbers, and conversions.

use tacit_mpc::{Bit, Builder, Num};
use tacit_protocols::{self as ops, numbers};

use super::common::family::Given;
use super::common::mask;
use super::registry::{Case, Data, Operator, by_row, on_numbers, operator, signed, words};

/// Of a difference: its operands have a bit less.
const ANY: &[usize] = &[2, 7, 20, 33, 64];
const EVERY: &[usize] = &[1, 2, 7, 20, 33, 64];
const SMALL: &[usize] = &[1, 2, 7, 20];

pub const OPERATORS: &[Operator] = &[
    operator("to_bits", EVERY, to_bits),
    operator("to_num", EVERY, |d| to_num(d, ops::to_num)).in_forms(1),
    operator("to_num_by_planes", EVERY, |d| to_num(d, ops::to_num_by_planes)).in_forms(3),
    operator("to_num_by_sum", EVERY, |d| to_num(d, ops::to_num_by_sum)),
    operator("is_zero", EVERY, is_zero),
    operator("numbers::is_negative", EVERY, |d| {
        let w = d.width;
        let x = signed_columns(d, 1);
        on_numbers(&x, move |b, x| numbers::is_negative(b, x[0], w), |x| x[0] >> 63)
    }),
    operator("numbers::less", ANY, |d| {
        let (x, w) = (operands(d), d.width);
        on_numbers(&x, move |b, x| numbers::less(b, x[0], x[1], w), |x| u64::from(x[0] < x[1]))
    }),
    operator("numbers::less_public", ANY, |d| {
        let (x, w) = (operands(d), d.width);
        let c = d.public(w - 1, &x[0]);
        let due = |x: &[u64]| u64::from(x[0] < c);
        on_numbers(&x[..1], move |b, x| numbers::less_public(b, x[0], c, w), due)
    }),
    operator("numbers::is_zero", EVERY, |d| {
        let (x, w) = (d.columns(1), d.width);
        on_numbers(&x, move |b, x| numbers::is_zero(b, x[0], w), |x| u64::from(x[0] == 0))
    }),
    operator("numbers::equal", EVERY, |d| {
        let (x, w) = (d.columns(2), d.width);
        on_numbers(&x, move |b, x| numbers::equal(b, x[0], x[1], w), |x| u64::from(x[0] == x[1]))
    }),
    operator("numbers::equal_public", EVERY, |d| {
        let (x, w) = (d.columns(1), d.width);
        let c = d.public(w, &x[0]);
        let due = |x: &[u64]| u64::from(x[0] == c);
        on_numbers(&x, move |b, x| numbers::equal_public(b, x[0], c, w), due)
    }),
    operator("numbers::select", &[64], |d| choice(d, 1)),
    operator("numbers::select_all", &[64], |d| choice(d, 3)),
    operator("numbers::suppress", &[64], suppress),
    operator("numbers::min", ANY, |d| {
        let (x, w) = (operands(d), d.width);
        on_numbers(&x, move |b, x| numbers::min(b, x[0], x[1], w), |x| x[0].min(x[1]))
    }),
    operator("numbers::max", ANY, |d| {
        let (x, w) = (operands(d), d.width);
        on_numbers(&x, move |b, x| numbers::max(b, x[0], x[1], w), |x| x[0].max(x[1]))
    }),
    operator("numbers::divide", SMALL, divide).in_forms(3),
    operator("numbers::shift_right", EVERY, |d| {
        let (x, w) = (d.columns(1), d.width);
        let by = d.draw.below(w as u64 + 2) as u32;
        let due = |x: &[u64]| x[0].checked_shr(by).unwrap_or(0);
        on_numbers(&x, move |b, x| numbers::shift_right(b, x[0], by as usize, w), due)
    }),
    operator("numbers::shift_right_signed", EVERY, |d| {
        let w = d.width;
        let x = signed_columns(d, 1);
        let by = d.draw.below(w as u64 + 2) as u32;
        let due = |x: &[u64]| (x[0] as i64 >> by.min(63)) as u64;
        on_numbers(&x, move |b, x| numbers::shift_right_signed(b, x[0], by as usize, w), due)
    }),
    operator("numbers::divide_public", EVERY, |d| {
        let (x, w) = (d.columns(1), d.width);
        let c = d.public(w, &x[0]).max(1);
        on_numbers(&x, move |b, x| numbers::divide_public(b, x[0], c, w), |x| x[0] / c)
    })
    .in_forms(3),
    operator("numbers::divide_public_signed", EVERY, |d| {
        let w = d.width;
        let x = signed_columns(d, 1);
        let c = d.public(w, &x[0]).max(1);
        let floor = |x: u64| i128::from(x as i64).div_euclid(i128::from(c)) as u64;
        let due = |x: &[u64]| floor(x[0]) & mask(w);
        on_numbers(&x, move |b, x| numbers::divide_public_signed(b, x[0], c, w), due)
    })
    .in_forms(3),
];

/// Two columns whose difference fits the width of the case.
fn operands(d: &mut Data) -> Vec<Vec<u64>> {
    (0..2).map(|_| d.column(d.width - 1)).collect()
}

/// Numbers in two's complement that fit the width of the case, as words.
fn signed_columns(d: &mut Data, count: usize) -> Vec<Vec<u64>> {
    let width = d.width;
    let word = |x: &u64| signed(*x, width) as u64;
    d.columns(count).iter().map(|x| x.iter().map(word).collect()).collect()
}

fn to_bits(d: &mut Data) -> Case {
    let (x, w) = (vec![d.column(64)], d.width);
    let due = by_row(&x, |x| x[0] & mask(w));
    Case::new(words(&x), vec![due], move |b, x, addends| {
        vec![ops::to_bits(b, x[0].num(), w, addends).into()]
    })
}

fn to_num(d: &mut Data, build: fn(&mut Builder, &[Bit], usize) -> Num) -> Case {
    let x = d.column(d.width);
    Case::new(vec![Given::Bits(d.width, x.clone())], vec![x], move |b, x, addends| {
        vec![build(b, x[0].bits(), addends).into()]
    })
}

fn is_zero(d: &mut Data) -> Case {
    let (x, w) = (d.columns(1), d.width);
    let due = by_row(&x, |x| u64::from(x[0] == 0));
    Case::new(words(&x), vec![due], move |b, x, addends| {
        vec![ops::is_zero(b, x[0].num(), w, addends).into()]
    })
}

/// One of the two numbers of every pair, by a bit.
fn choice(d: &mut Data, pairs: usize) -> Case {
    let c = d.column(1);
    let x = d.columns(2 * pairs);
    let taken = |pair: usize| -> Vec<u64> {
        let side = |row: usize| if c[row] == 1 { 2 * pair } else { 2 * pair + 1 };
        (0..c.len()).map(|row| x[side(row)][row]).collect()
    };
    let due = (0..pairs).map(taken).collect();
    let mut given = vec![Given::Bits(1, c.clone())];
    given.extend(words(&x));
    Case::new(given, due, move |b, x, _| {
        let c = x[0].bits()[0];
        if pairs == 1 {
            return vec![numbers::select(b, c, x[1].num(), x[2].num()).into()];
        }
        let pairs: Vec<(Num, Num)> =
            x[1..].chunks(2).map(|pair| (pair[0].num(), pair[1].num())).collect();
        numbers::select_all(b, c, &pairs).into_iter().map(Into::into).collect()
    })
}

fn suppress(d: &mut Data) -> Case {
    let x = vec![d.column(1), d.column(64)];
    let given = vec![Given::Bits(1, x[0].clone()), Given::Num(x[1].clone())];
    Case::new(given, vec![by_row(&x, |x| x[0] * x[1])], |b, x, _| {
        vec![numbers::suppress(b, x[0].bits()[0], x[1].num()).into()]
    })
}

fn divide(d: &mut Data) -> Case {
    let (x, w) = (d.columns(2), d.width);
    let quotient = by_row(&x, |x| x[0].checked_div(x[1]).unwrap_or(mask(w)));
    let remainder = by_row(&x, |x| x[0].checked_rem(x[1]).unwrap_or(x[0]));
    Case::new(words(&x), vec![quotient, remainder], move |b, x, _| {
        let got = numbers::divide(b, x[0].num(), x[1].num(), w);
        vec![got.quotient.into(), got.remainder.into()]
    })
}
