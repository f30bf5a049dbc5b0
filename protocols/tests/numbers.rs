//! Comparisons of numbers, on every engine.

mod common;

use common::family::{Given, SIZES, Value, columns, on_clear, on_engines};
use common::mask;
use proptest::prelude::*;
use tacit_mpc::Builder;
use tacit_protocols::numbers;

/// `x` and `y` of `width - 1` bits: their difference fits `width`.
fn comparisons(width: usize, c: u64) -> impl Fn(&mut Builder, &[Value]) -> Vec<Value> {
    move |b, given| {
        let (x, y) = (given[0].num(), given[1].num());
        let difference = b.sub(x, y);
        [
            numbers::less(b, x, y, width),
            numbers::less_public(b, x, c, width),
            numbers::is_negative(b, difference, width),
            numbers::equal(b, x, y, width - 1),
            numbers::equal_public(b, x, c, width - 1),
            numbers::is_zero(b, x, width - 1),
        ]
        .map(Value::from)
        .into_iter()
        .chain([numbers::min(b, x, y, width).into(), numbers::max(b, x, y, width).into()])
        .collect()
    }
}

fn expected(x: &[Vec<u64>], c: u64) -> Vec<Vec<u64>> {
    let of = |f: fn(u64, u64, u64) -> bool| -> Vec<u64> {
        x[0].iter().zip(&x[1]).map(|(&x, &y)| u64::from(f(x, y, c))).collect()
    };
    vec![
        of(|x, y, _| x < y),
        of(|x, _, c| x < c),
        of(|x, y, _| x < y),
        of(|x, y, _| x == y),
        of(|x, _, c| x == c),
        of(|x, _, _| x == 0),
        x[0].iter().zip(&x[1]).map(|(x, y)| *x.min(y)).collect(),
        x[0].iter().zip(&x[1]).map(|(x, y)| *x.max(y)).collect(),
    ]
}

fn given(x: &[Vec<u64>]) -> Vec<Given> {
    x.iter().map(|x| Given::Num(x.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn numbers_compare((width, x) in columns(2, 1..=63), c in any::<u64>(), pick in 0..130usize) {
        // A bound that some row may meet.
        let c = x[0].get(pick).copied().unwrap_or(c & mask(width));
        on_clear(&given(&x), &expected(&x, c), comparisons(width + 1, c));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn numbers_compare_on_every_engine((width, mut x) in columns(2, 1..=63), c in any::<u64>()) {
        let c = c & mask(width);
        for row in 0..x[0].len() / 3 {
            x[1][row] = x[0][row];
        }
        on_engines(&given(&x), &expected(&x, c), comparisons(width + 1, c));
    }
}

#[test]
fn all_64_bits_of_a_number_are_compared_with_zero() {
    for rows in SIZES {
        let x: Vec<u64> = (0..rows)
            .map(|row| match row % 4 {
                0 => 0,
                1 => 1 << (row % 64),
                2 => u64::MAX,
                _ => 1 << 63,
            })
            .collect();
        let zero = x.iter().map(|x| u64::from(*x == 0)).collect();
        let negative = x.iter().map(|x| x >> 63).collect();
        on_engines(&[Given::Num(x)], &[zero, negative], |b, given| {
            let x = given[0].num();
            vec![numbers::is_zero(b, x, 64).into(), numbers::is_negative(b, x, 64).into()]
        });
    }
}
