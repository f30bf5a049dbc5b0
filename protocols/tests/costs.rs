//! Every operator costs what its documentation says: rounds and ANDs of planes, rounds and bytes of
//! numbers on engines.

mod common;

use common::family::price;
use common::{cost, mask, over_planes};
use tacit_mpc::{Bit, Builder, EngineKind, Num};
use tacit_protocols as ops;
use tacit_protocols::{ceil_log2, numbers, tidy};

#[test]
fn operators_on_planes_cost_what_they_say() {
    for w in 1..=64 {
        let of = |n, op: fn(&mut Builder, &[Vec<Bit>]) -> Vec<Bit>| {
            cost(&tidy(&over_planes(n, w, 1, op)))
        };

        let (rounds, ands) = of(2, |b, x| ops::add(b, &x[0], &x[1]));
        assert_eq!(rounds, ceil_log2(w), "add {w}");
        assert!(ands <= w / 2 * 2 * ceil_log2(w), "add {w}: {ands}");

        let (rounds, ands) = of(2, |b, x| vec![ops::top_of_sum(b, x)]);
        assert_eq!(rounds, ceil_log2(w), "top {w}");
        assert!(ands <= 2 * (w - 1), "top {w}: {ands}");

        for (n, levels) in [(3, 1), (4, 2), (5, 3), (6, 3)] {
            let (rounds, ands) = of(n, |b, x| vec![ops::top_of_sum(b, x)]);
            assert!(rounds <= levels + ceil_log2(w - 1), "top {w} of {n}: {rounds}");
            assert!(ands <= n * (w - 1), "top {w} of {n}: {ands}");
        }

        let (rounds, ands) = of(3, |b, x| ops::carry_save(b, &x[0], &x[1], &x[2]).0);
        assert_eq!((rounds, ands), (0, 0));
        let (rounds, ands) = of(3, |b, x| ops::carry_save(b, &x[0], &x[1], &x[2]).1);
        assert_eq!((rounds, ands), (usize::from(w > 1), w - 1));

        let (rounds, ands) = of(2, |b, x| vec![ops::less(b, &x[0], &x[1])]);
        assert_eq!(rounds, ceil_log2(w + 1), "less {w}");
        assert!(ands < 2 * w, "less {w}: {ands}");

        for c in [mask(w) / 3, mask(w) / 3 * 2, mask(w), mask(w) ^ mask(w) >> 1, mask(w) / 5] {
            let circuit = over_planes(1, w, 1, |b, x| vec![ops::less_public(b, &x[0], c)]);
            let (rounds, ands) = cost(&tidy(&circuit));
            assert!(rounds <= ceil_log2(w), "less_public {w}, {c}: {rounds}");
            assert!(ands <= 3 * w / 2, "less_public {w}, {c}: {ands}");
        }

        let (rounds, ands) = of(2, |b, x| vec![ops::equal(b, &x[0], &x[1])]);
        assert_eq!((rounds, ands), (ceil_log2(w), w - 1));
        let (rounds, ands) = of(2, |b, x| ops::max(b, &x[0], &x[1]));
        assert!(rounds == 1 + ceil_log2(w + 1) && ands < 3 * w);
        assert_eq!(of(2, |b, x| ops::select(b, x[0][0], &x[0], &x[1])), (1, w));
        assert_eq!(of(2, |b, x| ops::suppress(b, x[0][0], &x[1])), (1, w));
        assert_eq!(of(1, |b, x| vec![ops::or_all(b, &x[0])]), (ceil_log2(w), w - 1));
    }
}

fn bits(b: &mut Builder, width: usize, rows: usize) -> Vec<Bit> {
    (0..width).map(|_| b.random(rows)).collect()
}

#[test]
fn a_sign_on_rep3_takes_7_rounds_and_18_bytes() {
    let sign = price(EngineKind::Rep3, |b, rows| {
        let x: Num = b.random(rows);
        numbers::is_negative(b, x, 64).into()
    });
    assert_eq!(sign.rounds, 7);
    assert_eq!(sign.sent, [23.0, 15.0, 15.0]);
    let public = price(EngineKind::Rep3, |b, rows| {
        let x: Num = b.random(rows);
        numbers::less_public(b, x, 1000, 33).into()
    });
    assert_eq!(public.rounds, 7);
    assert!(public.sent[0] <= 12.0, "{:?}", public.sent);
}

#[test]
fn equality_of_numbers_on_rep3_takes_7_rounds_and_11_bytes() {
    let zero = price(EngineKind::Rep3, |b, rows| {
        let (x, y): (Num, Num) = (b.random(rows), b.random(rows));
        numbers::equal(b, x, y, 64).into()
    });
    assert_eq!(zero.rounds, 7);
    assert_eq!(zero.sent, [15.875, 7.875, 7.875]);
}

#[test]
fn a_comparison_of_20_bits_on_rep3_takes_5_rounds_and_5_bytes() {
    let less = price(EngineKind::Rep3, |b, rows| {
        let (x, y) = (bits(b, 20, rows), bits(b, 20, rows));
        ops::less(b, &x, &y).into()
    });
    assert_eq!(less.rounds, 5);
    assert_eq!(less.sent, [4.375; 3]);
    let public = price(EngineKind::Rep3, |b, rows| {
        let x = bits(b, 20, rows);
        ops::less_public(b, &x, 0xa_5c3b).into()
    });
    assert_eq!(public.rounds, 5);
    assert!(public.sent[0] < 3.2, "{:?}", public.sent);
}

#[test]
fn extremes_and_bounds_cost_what_they_say() {
    for w in [1, 2, 7, 20, 32, 64] {
        let step = 1 + ceil_log2(w + 1);
        for n in [1, 2, 3, 8, 11] {
            let columns = tidy(&over_planes(n, w, 1, ops::min_of));
            let rows = tidy(&over_planes(1, w, n, |b, x| ops::max_rows(b, &x[0])));
            for (rounds, ands) in [cost(&columns), cost(&rows)] {
                assert_eq!(rounds, ceil_log2(n) * step, "extreme of {n}, {w} bits");
                assert!(ands <= (n - 1) * (3 * w - 1), "extreme of {n}, {w} bits: {ands}");
            }
            let (rounds, found) = cost(&tidy(&over_planes(n, w, 1, |b, x| {
                let found = ops::argmax_of(b, x);
                [found.value, found.place].concat()
            })));
            assert_eq!(rounds, ceil_log2(n) * step);
            assert!(found <= (n - 1) * (3 * w - 1) + n, "place of {n}, {w} bits: {found}");
        }
        let circuit = over_planes(1, w, 1, |b, x| {
            ops::clamp_public(b, &x[0], mask(w) / 5, mask(w) - mask(w) / 3)
        });
        let (rounds, ands) = cost(&tidy(&circuit));
        assert!(rounds <= 1 + ceil_log2(w) && ands <= 4 * w, "clamp to public, {w}");
        let circuit = over_planes(3, w, 1, |b, x| ops::clamp(b, &x[0], &x[1], &x[2]));
        let (rounds, ands) = cost(&tidy(&circuit));
        assert!(rounds == step && ands <= 6 * w - 2, "clamp, {w}");
    }
}

#[test]
fn categories_and_tables_cost_what_they_say() {
    for w in 1..=9 {
        for count in [1, 2, (1 << w) - 1, 1 << w, (1 << w) / 3 + 1] {
            let circuit = over_planes(1, w, 1, |b, x| ops::one_hot(b, &x[0], count));
            let (rounds, ands) = cost(&tidy(&circuit));
            assert!(rounds <= ceil_log2(w), "one-hot {w}, {count}: {rounds}");
            assert!(ands < (1 << w) - w, "one-hot {w}, {count}: {ands}");
            assert!(ands <= count + 2 * (1 << w.div_ceil(2)), "one-hot {w}, {count}: {ands}");
        }
        for width in [1, 8, 64] {
            let table: Vec<u64> = (0..1 << w).map(|i: u64| (i * 0x9e37) & mask(width)).collect();
            let circuit = over_planes(1, w, 1, |b, x| ops::look_up(b, &x[0], &table, width));
            let (rounds, ands) = cost(&tidy(&circuit));
            assert!(rounds <= 1 + ceil_log2(w), "table {w}: {rounds}");
            assert!(ands < (1 << w) - w, "table {w}: {ands}");
            let root = (((width << w) as f64).sqrt() * 3.5) as usize;
            assert!(w < 8 || ands <= root, "table {w}, {width}: {ands}, {root}");
        }
    }
}

#[test]
fn a_choice_of_numbers_on_rep3_takes_3_rounds() {
    let choice = price(EngineKind::Rep3, |b, rows| {
        let (c, x, y) = (b.random(rows), b.random(rows), b.random(rows));
        numbers::select(b, c, x, y).into()
    });
    assert_eq!(choice.rounds, 3);
    assert_eq!(choice.sent, [24.0, 16.0, 16.0]);
}

#[test]
fn a_conversion_of_many_bits_saves_bytes_and_one_of_few_saves_rounds() {
    let of = |w: usize, by_sum: bool| {
        price(EngineKind::Rep3, |b, rows| {
            let x = bits(b, w, rows);
            if by_sum { ops::to_num_by_sum(b, &x, 2) } else { ops::to_num_by_planes(b, &x, 2) }
                .into()
        })
    };
    for w in [2, 3, 8, 20, 32, 63, 64] {
        let planes = of(w, false);
        let count = w as f64;
        assert_eq!(
            (planes.rounds, &planes.sent[..]),
            (2, &[16.0 * count, 8.0 * count, 8.0 * count][..])
        );
        let sum = of(w, true);
        assert_eq!(sum.rounds as usize, ceil_log2(w + usize::from(w < 64)) + 2, "{w}");
        let [first, others] = if w < 64 { [24.0, 8.0] } else { [8.0, 0.0] };
        let adder = sum.sent[1] - others;
        assert!(adder * 8.0 <= (w * ceil_log2(w)) as f64, "{w}: {adder}");
        assert_eq!(sum.sent, [adder + first, adder + others, adder + others + count / 8.0], "{w}");
        let chosen = price(EngineKind::Rep3, |b, rows| {
            let x = bits(b, w, rows);
            b.to_num(&x).into()
        });
        // 8,000 rows are many bits from 5 planes on.
        let due = if w < 5 { planes } else { sum };
        assert_eq!((chosen.rounds, chosen.sent), (due.rounds, due.sent), "{w}");
    }
    assert_eq!(of(32, true).sent, [40.25, 24.25, 28.25]);
}

#[test]
fn divisions_cost_what_they_say() {
    for (w, most_rounds, most_ands) in [(64, 16, 2300), (32, 13, 750)] {
        for d in [3, 7, 10, 100, 641, 1000, 12345, 86_400, 0x7fff_ffff] {
            let circuit = over_planes(1, w, 1, |b, x| ops::divide_public(b, &x[0], d));
            let (rounds, ands) = cost(&tidy(&circuit));
            assert!(rounds <= most_rounds && ands <= most_ands, "{w} by {d}: {rounds}, {ands}");
        }
    }
    for w in [1, 2, 5, 16, 33, 64] {
        let circuit = over_planes(2, w, 1, |b, x| {
            let divided = ops::divide(b, &x[0], &x[1]);
            [divided.quotient, divided.remainder].concat()
        });
        let (rounds, ands) = cost(&tidy(&circuit));
        let step = 1 + ceil_log2(w + 1);
        assert!(rounds <= w * step + ceil_log2(w), "divide {w}: {rounds}");
        assert!(ands <= 3 * w * w, "divide {w}: {ands}");
    }
    let third = price(EngineKind::Rep3, |b, rows| {
        let x: Num = b.random(rows);
        numbers::divide_public(b, x, 10, 31).into()
    });
    assert!(third.rounds <= 7);
}

#[test]
fn the_costs_in_the_overview_are_true() {
    let average = |build: &dyn Fn(&mut Builder, usize) -> common::family::Value| {
        let price = price(EngineKind::Rep3, build);
        (price.rounds, (price.sent.iter().sum::<f64>() / 3.0 * 10.0).round() / 10.0)
    };
    let number = |b: &mut Builder, rows: usize| -> Num { b.random(rows) };
    let sign = average(&|b, rows| {
        let x = number(b, rows);
        numbers::is_negative(b, x, 64).into()
    });
    assert_eq!(sign, (7, 17.7));
    let zero = average(&|b, rows| {
        let x = number(b, rows);
        numbers::is_zero(b, x, 64).into()
    });
    assert_eq!(zero, (7, 10.5));
    let less = average(&|b, rows| {
        let (x, y) = (bits(b, 20, rows), bits(b, 20, rows));
        ops::less(b, &x, &y).into()
    });
    assert_eq!(less, (5, 4.4));
    let tenth = average(&|b, rows| {
        let x = number(b, rows);
        numbers::divide_public(b, x, 10, 31).into()
    });
    assert_eq!(tenth, (7, 31.0));
    let choice = average(&|b, rows| {
        let (c, x, y) = (b.random(rows), number(b, rows), number(b, rows));
        numbers::select(b, c, x, y).into()
    });
    assert_eq!(choice, (3, 18.7));
    let masked = average(&|b, rows| {
        let x = bits(b, 32, rows);
        ops::to_num_by_sum(b, &x, 2).into()
    });
    assert_eq!(masked, (8, 30.9));
    let front = average(&|b, rows| {
        let (valid, x) = (b.random(rows), number(b, rows));
        ops::compact(b, valid, &[x], &[]).nums[0].into()
    });
    assert_eq!(front, (7, 58.9));
}

#[test]
fn what_is_local_costs_nothing() {
    let local = |op: fn(&mut Builder, &[Bit]) -> Vec<Bit>| {
        assert_eq!(cost(&tidy(&over_planes(1, 9, 5, |b, x| op(b, &x[0])))), (0, 0));
    };
    local(ops::signed_order);
    local(|b, x| ops::shift_right(b, x, 4));
    local(|_, x| ops::shift_right_signed(x, 4));
    local(|b, x| vec![ops::segment_ends(b, x[0])]);
    local(|b, _| ops::from_public(b, 77, 9, 5));
    local(|_, x| vec![ops::is_negative(x)]);
    let sum = price(EngineKind::Rep3, |b, rows| {
        let x: Num = b.random(rows);
        let groups: Vec<u32> = (0..rows).map(|row| (row % 5) as u32).collect();
        ops::group_sum(b, x, &groups, 5).into()
    });
    assert_eq!((sum.rounds, sum.sent), (0, vec![0.0; 3]));
}

/// An operator on planes.
type Planes<'a> = &'a dyn Fn(&mut Builder, &[Vec<Bit>]) -> Vec<Bit>;

#[test]
fn variants_cost_what_their_operators_do() {
    for w in [1, 2, 7, 20, 33, 64] {
        let of = |n, op: Planes<'_>| cost(&tidy(&over_planes(n, w, 1, op)));
        let (rounds, ands) = of(2, &|b, x| ops::subtract(b, &x[0], &x[1]));
        assert!(rounds == ceil_log2(w) && ands <= w / 2 * 2 * ceil_log2(w), "subtract {w}: {ands}");
        assert_eq!(of(1, &|b, x| vec![ops::and_all(b, &x[0])]), (ceil_log2(w), w - 1));
        let (rounds, ands) = of(2, &|b, x| ops::min(b, &x[0], &x[1]));
        assert!(rounds == 1 + ceil_log2(w + 1) && ands < 3 * w);
        let (rounds, ands) = of(2, &|b, x| ops::multiply(b, &x[0], &x[1]));
        assert!(rounds <= 3 * ceil_log2(w) + 2, "multiply {w}: {rounds}");
        assert!(ands <= w * w + 2 * w * ceil_log2(w) + 1, "multiply {w}: {ands}");
        for c in [mask(w) / 3, mask(w), mask(w) / 5] {
            let equal = of(1, &|b, x| vec![ops::equal_public(b, &x[0], c)]);
            assert_eq!(equal, (ceil_log2(w), w - 1), "equal_public {w}, {c}");
            let (rounds, ands) = of(1, &|b, x| vec![ops::at_least_public(b, &x[0], c)]);
            assert!(rounds <= ceil_log2(w) && ands <= 3 * w / 2, "at_least_public {w}, {c}");
            let (rounds, ands) = of(1, &|b, x| vec![ops::in_range_public(b, &x[0], c / 2, c)]);
            assert!(rounds <= ceil_log2(w) && ands <= 3 * w, "in_range_public {w}, {c}: {ands}");
        }
        let step = 1 + ceil_log2(w + 1);
        for n in [2, 5, 9] {
            let rows = |op: fn(&mut Builder, &[Bit]) -> ops::Found| {
                cost(&tidy(&over_planes(1, w, n, |b, x| {
                    let found = op(b, &x[0]);
                    [found.value, found.place].concat()
                })))
            };
            for (rounds, ands) in [rows(ops::argmin_rows), rows(ops::argmax_rows)] {
                assert_eq!(rounds, ceil_log2(n) * step, "place of {n} rows, {w} bits");
                assert!(ands <= (n - 1) * (3 * w - 1) + n, "place of {n} rows, {w}: {ands}");
            }
        }
    }
    for d in [3, 10, 641, 86_400] {
        let circuit = over_planes(1, 64, 1, |b, x| ops::divide_public_signed(b, &x[0], d));
        let (rounds, ands) = cost(&tidy(&circuit));
        assert!(rounds <= 16 && ands <= 2300, "signed by {d}: {rounds}, {ands}");
    }
}

#[test]
fn operators_on_numbers_cost_what_they_say() {
    let of = |build: &dyn Fn(&mut Builder, Num, Num, Bit) -> common::family::Value| {
        let price = price(EngineKind::Rep3, |b, rows| {
            let (x, y, c) = (b.random(rows), b.random(rows), b.random(rows));
            build(b, x, y, c)
        });
        (price.rounds, price.sent)
    };
    let less = (7, vec![23.0, 15.0, 15.0]);
    assert_eq!(of(&|b, x, y, _| numbers::less(b, x, y, 64).into()), less);
    assert_eq!(of(&|b, x, _, _| numbers::less_public(b, x, 99, 64).into()), less);
    let equal = (7, vec![15.875, 7.875, 7.875]);
    assert_eq!(of(&|b, x, _, _| numbers::is_zero(b, x, 64).into()), equal);
    assert_eq!(of(&|b, x, _, _| numbers::equal_public(b, x, 99, 64).into()), equal);
    let chosen = (3, vec![24.0, 16.0, 16.0]);
    assert_eq!(of(&|b, x, _, c| numbers::suppress(b, c, x).into()), chosen);
    // One conversion for both pairs.
    let both = of(&|b, x, y, c| {
        let chosen = numbers::select_all(b, c, &[(x, y), (y, x)]);
        b.concat(&chosen).into()
    });
    assert_eq!(both, (3, vec![32.0, 24.0, 24.0]));
    let least = (10, vec![47.0, 31.0, 31.0]);
    assert_eq!(of(&|b, x, y, _| numbers::min(b, x, y, 64).into()), least);
    assert_eq!(of(&|b, x, y, _| numbers::max(b, x, y, 64).into()), least);

    let bits = of(&|b, x, _, _| ops::to_bits(b, x, 32, 2).into());
    assert_eq!(bits.0, 6);
    let there_and_back = |shifted: (u64, Vec<f64>)| {
        let back = price(EngineKind::Rep3, |b, rows| {
            let planes: Vec<Bit> = (0..20).map(|_| b.random(rows)).collect();
            b.to_num(&planes).into()
        });
        assert!(shifted.0 <= bits.0 + back.rounds);
        for ((shifted, there), back) in shifted.1.iter().zip(&bits.1).zip(&back.sent) {
            assert!(*shifted <= there + back, "{shifted}, {there} and {back}");
        }
    };
    there_and_back(of(&|b, x, _, _| numbers::shift_right(b, x, 12, 32).into()));
    there_and_back(of(&|b, x, _, _| numbers::shift_right_signed(b, x, 12, 32).into()));
    let (rounds, _) = of(&|b, x, y, _| numbers::divide(b, x, y, 16).quotient.into());
    assert!(rounds <= 1 + 4 + 16 * (1 + 5) + 4, "{rounds}");
    let (rounds, _) = of(&|b, x, _, _| numbers::divide_public_signed(b, x, 10, 32).into());
    assert!(rounds <= 6 + 13, "{rounds}");
}

#[test]
fn a_table_of_numbers_costs_its_one_hot_planes_or_its_bits() {
    let of = |entries: u64, width: usize| {
        let table: Vec<u64> = (0..entries).map(|i| u64::MAX - i).collect();
        let price = price(EngineKind::Rep3, |b, rows| {
            let x = bits(b, width, rows);
            ops::look_up_number(b, &x, &table).into()
        });
        let hot = over_planes(1, width, 1, |b, x| ops::one_hot(b, &x[0], entries as usize));
        (price, cost(&tidy(&hot)))
    };
    let (few, (rounds, ands)) = of(16, 4);
    assert_eq!(few.rounds as usize, rounds + 2);
    let family = ands as f64 / 8.0;
    assert_eq!(few.sent, [256.0 + family, 128.0 + family, 128.0 + family]);
    // The 64 bits of an entry, all at once.
    let (many, _) = of(256, 8);
    assert!(many.rounds <= 4 + 8 && many.sent[0] < 200.0, "{many:?}");
}
