//! Shifts and divisions, on every engine.

mod common;

use common::family::{Given, Value, columns, on_clear, on_engines};
use common::mask;
use proptest::prelude::*;
use tacit_mpc::Builder;
use tacit_protocols as ops;
use tacit_protocols::numbers;

/// A number of `width` bits in two's complement, as a word.
fn signed(x: u64, width: usize) -> i64 {
    ((x << (64 - width)) as i64) >> (64 - width)
}

fn floor(x: i64, d: u64) -> i64 {
    i64::try_from(i128::from(x).div_euclid(i128::from(d))).unwrap()
}

/// The planes of `x`, and `x` as an unsigned and as a signed number.
fn given(width: usize, x: &[u64]) -> Vec<Given> {
    vec![
        Given::Bits(width, x.to_vec()),
        Given::Num(x.to_vec()),
        Given::Num(x.iter().map(|x| signed(*x, width) as u64).collect()),
    ]
}

fn by_public(width: usize, d: u64) -> impl Fn(&mut Builder, &[Value]) -> Vec<Value> {
    move |b, given| {
        let (x, number, number_signed) = (given[0].bits(), given[1].num(), given[2].num());
        vec![
            ops::divide_public(b, x, d).into(),
            ops::divide_public_signed(b, x, d).into(),
            numbers::divide_public(b, number, d, width).into(),
            numbers::divide_public_signed(b, number_signed, d, width).into(),
        ]
    }
}

fn by_public_due(width: usize, x: &[u64], d: u64) -> Vec<Vec<u64>> {
    let unsigned: Vec<u64> = x.iter().map(|x| x / d).collect();
    let signed: Vec<u64> =
        x.iter().map(|x| floor(signed(*x, width), d) as u64 & mask(width)).collect();
    vec![unsigned.clone(), signed.clone(), unsigned, signed]
}

fn shifts(width: usize, by: usize) -> impl Fn(&mut Builder, &[Value]) -> Vec<Value> {
    move |b, given| {
        let (x, number, number_signed) = (given[0].bits(), given[1].num(), given[2].num());
        vec![
            ops::shift_right(b, x, by).into(),
            ops::shift_right_signed(x, by).into(),
            numbers::shift_right(b, number, by, width).into(),
            numbers::shift_right_signed(b, number_signed, by, width).into(),
        ]
    }
}

fn shifts_due(width: usize, x: &[u64], by: usize) -> Vec<Vec<u64>> {
    let unsigned: Vec<u64> = x.iter().map(|x| x.checked_shr(by as u32).unwrap_or(0)).collect();
    let signed = x.iter().map(|x| signed(*x, width) >> by.min(63));
    let signed: Vec<u64> = signed.map(|x| x as u64).collect();
    let planes = signed.iter().map(|x| x & mask(width)).collect();
    vec![unsigned.clone(), planes, unsigned, signed]
}

fn by_secret(b: &mut Builder, given: &[Value]) -> Vec<Value> {
    let divided = ops::divide(b, given[0].bits(), given[1].bits());
    vec![divided.quotient.into(), divided.remainder.into()]
}

/// The same of numbers.
fn by_secret_number(width: usize) -> impl Fn(&mut Builder, &[Value]) -> Vec<Value> {
    move |b, given| {
        let divided = numbers::divide(b, given[0].num(), given[1].num(), width);
        vec![divided.quotient.into(), divided.remainder.into()]
    }
}

fn by_secret_due(width: usize, x: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let pairs = || x[0].iter().zip(&x[1]);
    vec![
        pairs().map(|(x, y)| x.checked_div(*y).unwrap_or(mask(width))).collect(),
        pairs().map(|(x, y)| x.checked_rem(*y).unwrap_or(*x)).collect(),
    ]
}

/// Divisors of all sizes, with those at the edges.
fn divisor() -> impl Strategy<Value = u64> {
    let edges = vec![1, 2, 3, 5, 7, 10, 641, 1 << 31, 1 << 63, (1 << 63) + 1, u64::MAX];
    prop_oneof![
        (any::<u64>(), 0..64u32).prop_map(|(d, narrow)| (d >> narrow).max(1)),
        prop::sample::select(edges),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn public_divisors_divide((width, mut x) in columns(1, 1..=64), d in divisor()) {
        // Multiples and their neighbours.
        for (i, x) in x[0].iter_mut().enumerate().skip(2) {
            *x = (*x / d * d).wrapping_sub(i as u64 % 3) & mask(width);
        }
        on_clear(&given(width, &x[0]), &by_public_due(width, &x[0], d), by_public(width, d));
    }

    #[test]
    fn shifts_divide_by_powers_of_two((width, x) in columns(1, 1..=64), by in 0..66usize) {
        on_clear(&given(width, &x[0]), &shifts_due(width, &x[0], by), shifts(width, by));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn secret_divisors_divide((width, mut x) in columns(2, 1..=64), narrow in 0..64usize) {
        x[1].iter_mut().for_each(|y| *y >>= narrow % width);
        let given: Vec<Given> = x.iter().map(|x| Given::Bits(width, x.clone())).collect();
        on_clear(&given, &by_secret_due(width, &x), by_secret);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn divisions_hold_on_every_engine((width, x) in columns(1, 1..=64), d in divisor()) {
        on_engines(&given(width, &x[0]), &by_public_due(width, &x[0], d), by_public(width, d));
    }

    #[test]
    fn shifts_hold_on_every_engine((width, x) in columns(1, 1..=64), by in 0..66usize) {
        on_engines(&given(width, &x[0]), &shifts_due(width, &x[0], by), shifts(width, by));
    }

    #[test]
    fn secret_divisors_divide_on_every_engine((width, mut x) in columns(2, 1..=16)) {
        x[1].iter_mut().enumerate().for_each(|(i, y)| *y >>= i % width);
        let given: Vec<Given> = x.iter().map(|x| Given::Bits(width, x.clone())).collect();
        on_engines(&given, &by_secret_due(width, &x), by_secret);
        let given: Vec<Given> = x.iter().map(|x| Given::Num(x.clone())).collect();
        on_clear(&given, &by_secret_due(width, &x), by_secret_number(width));
    }
}

#[test]
fn every_pair_of_five_bits_is_divided() {
    let x: Vec<u64> = (0..1024).map(|i| i % 32).collect();
    let y: Vec<u64> = (0..1024).map(|i| i / 32).collect();
    let both = [x.clone(), y];
    let given: Vec<Given> = both.iter().map(|x| Given::Bits(5, x.clone())).collect();
    on_clear(&given, &by_secret_due(5, &both), by_secret);
    let x: Vec<u64> = (0..32).collect();
    for d in 1..40 {
        on_clear(&self::given(5, &x), &by_public_due(5, &x, d), by_public(5, d));
    }
}
