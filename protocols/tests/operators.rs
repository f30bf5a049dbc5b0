//! Every operator equals plain arithmetic and costs what its documentation says.

mod common;

use std::collections::BTreeMap;

use common::{ROWS, cost, mask, numbers, over_planes, planes, result};
use proptest::prelude::*;
use tacit_mpc::{Bit, Builder, Column, Num, clear};
use tacit_protocols as ops;
use tacit_protocols::{lower, tidy};

/// Width, and rows of `arguments` numbers of that width, edge values among them.
fn arguments(count: usize) -> impl Strategy<Value = (usize, Vec<Vec<u64>>)> {
    (1..=64usize, prop::sample::select(&ROWS[..])).prop_flat_map(move |(width, rows)| {
        let top = mask(width);
        let number = prop_oneof![
            4 => any::<u64>().prop_map(move |x| x & top),
            1 => prop::sample::select(vec![0, 1 & top, top, top >> 1, top ^ (top >> 1)]),
        ];
        let column = prop::collection::vec(number, rows);
        (Just(width), prop::collection::vec(column, count))
    })
}

fn check(
    (width, x): &(usize, Vec<Vec<u64>>),
    operator: impl FnOnce(&mut Builder, &[Vec<Bit>]) -> Vec<Bit>,
    plain: impl Fn(&[u64]) -> u64,
) -> Result<(), TestCaseError> {
    let rows = x[0].len();
    let circuit = over_planes(x.len(), *width, rows, operator);
    let expected: Vec<u64> = (0..rows)
        .map(|row| plain(&x.iter().map(|column| column[row]).collect::<Vec<_>>()))
        .collect();
    prop_assert_eq!(&result(&circuit, x, *width), &expected);
    prop_assert_eq!(result(&lower(&circuit, 2), x, *width), expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn add_is_addition(x in arguments(2)) {
        let top = mask(x.0);
        check(&x, |b, x| ops::add(b, &x[0], &x[1]), |x| x[0].wrapping_add(x[1]) & top)?;
    }

    #[test]
    fn subtract_is_subtraction(x in arguments(2)) {
        let top = mask(x.0);
        check(&x, |b, x| ops::subtract(b, &x[0], &x[1]), |x| x[0].wrapping_sub(x[1]) & top)?;
    }

    #[test]
    fn sum_of_five_is_their_sum(x in arguments(5)) {
        let top = mask(x.0);
        check(&x, ops::sum_of, |x| x.iter().fold(0u64, |sum, x| sum.wrapping_add(*x)) & top)?;
    }

    #[test]
    fn the_top_of_a_sum_is_its_sign(x in arguments(3)) {
        let top = x.0 - 1;
        check(
            &x,
            |b, x| vec![ops::top_of_sum(b, x)],
            |x| x.iter().fold(0u64, |sum, x| sum.wrapping_add(*x)) >> top & 1,
        )?;
    }

    #[test]
    fn carry_save_keeps_the_sum(x in arguments(3)) {
        let top = mask(x.0);
        check(
            &x,
            |b, x| {
                let (sum, carry) = ops::carry_save(b, &x[0], &x[1], &x[2]);
                ops::add(b, &sum, &carry)
            },
            |x| x.iter().fold(0u64, |sum, x| sum.wrapping_add(*x)) & top,
        )?;
    }

    #[test]
    fn less_and_the_macro_compare(x in arguments(2)) {
        check(&x, |b, x| vec![ops::less(b, &x[0], &x[1])], |x| u64::from(x[0] < x[1]))?;
        check(&x, |b, x| vec![b.less(&x[0], &x[1])], |x| u64::from(x[0] < x[1]))?;
    }

    #[test]
    fn equal_and_the_macro_tell_equality(mut x in arguments(2), same in any::<bool>()) {
        if same {
            x.1[1] = x.1[0].clone();
        }
        check(&x, |b, x| vec![ops::equal(b, &x[0], &x[1])], |x| u64::from(x[0] == x[1]))?;
        check(&x, |b, x| vec![b.equal(&x[0], &x[1])], |x| u64::from(x[0] == x[1]))?;
    }

    #[test]
    fn public_bounds_compare(x in arguments(1), c in any::<u64>(), d in any::<u64>(), narrow in 0..64u32) {
        let (c, d) = (c >> narrow, d >> narrow);
        let (least, below): (u64, u64) = (c.min(d), c.max(d));
        check(&x, |b, x| vec![ops::less_public(b, &x[0], c)], |x| u64::from(x[0] < c))?;
        check(&x, |b, x| vec![ops::at_least_public(b, &x[0], c)], |x| u64::from(x[0] >= c))?;
        check(&x, |b, x| vec![ops::equal_public(b, &x[0], c)], |x| u64::from(x[0] == c))?;
        check(
            &x,
            |b, x| vec![ops::in_range_public(b, &x[0], least, below)],
            |x| u64::from((least..below).contains(&x[0])),
        )?;
    }

    #[test]
    fn select_suppress_min_and_max_choose(x in arguments(2)) {
        check(&x, |b, x| ops::select(b, x[0][0], &x[0], &x[1]), |x| x[(1 - (x[0] & 1)) as usize])?;
        check(&x, |b, x| b.select(x[0][0], &x[0], &x[1]), |x| x[(1 - (x[0] & 1)) as usize])?;
        check(&x, |b, x| ops::suppress(b, x[0][0], &x[1]), |x| x[1] * (x[0] & 1))?;
        check(&x, |b, x| ops::min(b, &x[0], &x[1]), |x| x[0].min(x[1]))?;
        check(&x, |b, x| ops::max(b, &x[0], &x[1]), |x| x[0].max(x[1]))?;
    }

    #[test]
    fn trees_join_all(x in arguments(1)) {
        let top = mask(x.0);
        check(&x, |b, x| vec![ops::and_all(b, &x[0])], |x| u64::from(x[0] == top))?;
        check(&x, |b, x| vec![ops::or_all(b, &x[0])], |x| u64::from(x[0] != 0))?;
        check(&x, |_, x| vec![ops::is_negative(&x[0])], |x| u64::from(x[0] > top >> 1))?;
    }

    #[test]
    fn conversions_return(x in arguments(1), addends in prop::sample::select(vec![1, 2, 3, 5])) {
        let (width, x) = (x.0, &x.1[0]);
        let mut b = Builder::new();
        let number = b.enter(0, x.len());
        let macros = b.to_bits(number, width);
        let written = ops::to_bits(&mut b, number, width, addends);
        let back = b.to_num(&macros);
        let also = ops::to_num(&mut b, &written, addends);
        for plane in macros.iter().chain(&written) {
            b.reveal(*plane, 1, "planes");
        }
        b.reveal(back, 1, "number");
        b.reveal(also, 1, "number");
        let circuit = b.finish();
        for circuit in [circuit.clone(), lower(&circuit, addends), lower(&circuit, 1)] {
            let inputs = BTreeMap::from([(0, vec![Column::Num(x.clone())])]);
            let opened: Vec<Column> =
                clear(&circuit, &inputs).unwrap().into_iter().map(|o| o.2).collect();
            prop_assert_eq!(&numbers(opened[..width].iter()), x);
            prop_assert_eq!(&numbers(opened[width..2 * width].iter()), x);
            prop_assert_eq!(&opened[2 * width].to_numbers(), x);
            prop_assert_eq!(&opened[2 * width + 1].to_numbers(), x);
        }
    }

    #[test]
    fn groups_are_summed(
        rows in prop::collection::vec((any::<u64>(), 0..7u32), 0..70),
        spare in 0..3usize,
    ) {
        let (x, groups): (Vec<u64>, Vec<u32>) = rows.into_iter().unzip();
        let count = 7 + spare;
        let mut expected = vec![0u64; count];
        for (x, &group) in x.iter().zip(&groups) {
            expected[group as usize] = expected[group as usize].wrapping_add(*x);
        }
        let mut b = Builder::new();
        let column = b.enter(0, x.len());
        let sums = ops::group_sum(&mut b, column, &groups, count);
        b.reveal(sums, 1, "sums");
        let opened = clear(&b.finish(), &BTreeMap::from([(0, vec![Column::Num(x)])])).unwrap();
        prop_assert_eq!(opened[0].2.to_numbers(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn multiply_is_multiplication(mut x in arguments(2)) {
        x.0 = x.0.div_ceil(2);
        let top = mask(x.0);
        x.1.iter_mut().flatten().for_each(|x| *x &= top);
        check(&x, |b, x| ops::multiply(b, &x[0], &x[1]), |x| x[0].wrapping_mul(x[1]) & top)?;
    }
}

#[test]
fn a_sign_alone_costs_one_carry_tree() {
    let mut b = Builder::new();
    let x = b.enter(0, 100);
    let planes = b.to_bits(x, 33);
    b.reveal(planes[32], 1, "sign");
    let (rounds, ands) = cost(&lower(&b.finish(), 2));
    assert_eq!(rounds, 6);
    assert!(ands <= 3 * 32, "{ands}");
}

#[test]
fn unused_high_bits_are_not_entered() {
    let mut b = Builder::new();
    let x = b.enter(0, 5);
    let planes = b.to_bits(x, 64);
    b.reveal(planes[0], 1, "parity");
    let circuit = lower(&b.finish(), 3);
    assert_eq!(cost(&circuit), (0, 0));
    assert!(circuit.shapes().len() < 10);
}

#[test]
fn lowering_leaves_out_what_is_made_of_planes_that_nobody_needs() {
    let mut b = Builder::new();
    let x: Num = b.enter(0, 3);
    let planes = b.to_bits(x, 4);
    let _dead = b.not(planes[0]);
    b.reveal(planes[3], 1, "top");
    let circuit = lower(&b.finish(), 1);
    let entered = vec![Column::Num(vec![7, 8, 15])];
    let opened = clear(&circuit, &BTreeMap::from([(0, entered)])).unwrap();
    assert_eq!(opened[0].2.to_numbers(), [0, 1, 1]);
}

#[test]
fn tidying_keeps_inputs_and_drops_what_is_dead_or_double() {
    let mut b = Builder::new();
    let x: Bit = b.enter(0, 3);
    let _unused: Bit = b.enter(0, 3);
    let y: Bit = b.enter(0, 3);
    let first = b.and(x, y);
    let again = b.and(y, x);
    let _dead = b.and(first, y);
    let whole = b.slice(again, 0, 3);
    let differ = b.xor(first, whole);
    b.reveal(differ, 1, "differ");
    let circuit = tidy(&b.finish());
    assert_eq!(circuit.instructions().len(), 6);
    let entered = planes(&[5, 2, 7], 3);
    let opened = clear(&circuit, &BTreeMap::from([(0, entered)])).unwrap();
    assert_eq!(opened[0].2.to_numbers(), [0, 0, 0]);
}
