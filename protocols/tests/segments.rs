//! Running results within segments and results by key, on every engine.

mod common;

use common::cost;
use common::family::{Given, SIZES, Value, column, on_clear, on_engines, price};
use proptest::prelude::*;
use tacit_mpc::{Bit, Builder, EngineKind, Num};
use tacit_protocols as ops;
use tacit_protocols::{ceil_log2, tidy};

/// Width, values, numbers, and starts of segments: of one row, of all rows, or in between.
type Case = (usize, Vec<u64>, Vec<u64>, Vec<u64>);

fn cases() -> impl Strategy<Value = Case> {
    (1..=64usize, prop::sample::select(&SIZES[..]), prop::sample::select(vec![0, 2, 8, 100]))
        .prop_flat_map(|(width, rows, among)| {
            let start = (0..=100u32).prop_map(move |x| u64::from(x < among));
            let starts = prop::collection::vec(start, rows);
            (Just(width), column(width, rows), prop::collection::vec(any::<u64>(), rows), starts)
        })
}

/// For every row, `next` of what it was in the row before, if that is in the same segment.
fn running<T: Copy>(starts: &[u64], next: impl Fn(Option<T>, usize) -> T) -> Vec<T> {
    let mut before = None;
    let rows = 0..starts.len();
    rows.map(|row| {
        let now = next(before.filter(|_| starts[row] == 0), row);
        before = Some(now);
        now
    })
    .collect()
}

fn given((width, x, numbers, starts): &Case) -> Vec<Given> {
    vec![
        Given::Bits(*width, x.clone()),
        Given::Num(numbers.clone()),
        Given::Bits(1, starts.clone()),
    ]
}

fn segmented(b: &mut Builder, given: &[Value]) -> Vec<Value> {
    let (x, number, starts) = (given[0].bits(), given[1].num(), given[2].bits()[0]);
    let double = b.add(number, number);
    let mut out: Vec<Value> = vec![
        ops::segmented_max(b, starts, x).into(),
        ops::segmented_min(b, starts, x).into(),
        ops::segmented_first(b, starts, x).into(),
        ops::segmented_sum(b, starts, number).into(),
        ops::segmented_count(b, starts).into(),
        ops::segment_ends(b, starts).into(),
        ops::segment_starts(b, x).into(),
    ];
    out.push(ops::segmented_sums(b, starts, &[number, double])[1].into());
    out
}

fn segmented_due((_, x, numbers, starts): &Case) -> Vec<Vec<u64>> {
    let n = x.len();
    let sum =
        running(starts, |before: Option<u64>, row| before.unwrap_or(0).wrapping_add(numbers[row]));
    vec![
        running(starts, |before: Option<u64>, row| before.map_or(x[row], |b| b.max(x[row]))),
        running(starts, |before: Option<u64>, row| before.map_or(x[row], |b| b.min(x[row]))),
        running(starts, |before: Option<u64>, row| before.unwrap_or(x[row])),
        sum.clone(),
        running(starts, |before: Option<u64>, _| before.unwrap_or(0) + 1),
        (0..n).map(|row| starts.get(row + 1).copied().unwrap_or(1)).collect(),
        (0..n).map(|row| u64::from(row == 0 || x[row] != x[row - 1])).collect(),
        sum.iter().map(|x| x.wrapping_mul(2)).collect(),
    ]
}

fn keyed(count: usize) -> impl Fn(&mut Builder, &[Value]) -> Vec<Value> {
    move |b, given| {
        let (key, number) = (given[0].bits(), given[1].num());
        vec![ops::sum_by_key(b, key, count, number).into(), ops::count_by_key(b, key, count).into()]
    }
}

fn keyed_due(key: &[u64], numbers: &[u64], count: usize) -> Vec<Vec<u64>> {
    let (mut sums, mut counts) = (vec![0u64; count], vec![0; count]);
    for (&key, number) in key.iter().zip(numbers).filter(|(key, _)| **key < count as u64) {
        sums[key as usize] = sums[key as usize].wrapping_add(*number);
        counts[key as usize] += 1;
    }
    vec![sums, counts]
}

/// Width of a key, keys, numbers, and how many values of the key count.
fn keys() -> impl Strategy<Value = (usize, Vec<u64>, Vec<u64>, usize)> {
    (1..=4usize, prop::sample::select(&SIZES[..])).prop_flat_map(|(width, rows)| {
        let numbers = prop::collection::vec(any::<u64>(), rows);
        (Just(width), column(width, rows), numbers, 1..=(1usize << width) + 1)
    })
}

fn ones(b: &mut Builder, given: &[Value]) -> Vec<Value> {
    vec![ops::count_rows(b, given[0].bits()[0]).into()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn results_run_within_segments(case in cases()) {
        on_clear(&given(&case), &segmented_due(&case), segmented);
    }

    #[test]
    fn results_are_kept_by_key((width, key, numbers, count) in keys()) {
        let due = keyed_due(&key, &numbers, count);
        on_clear(&[Given::Bits(width, key), Given::Num(numbers)], &due, keyed(count));
    }

    #[test]
    fn ones_are_counted(x in prop::collection::vec(0..=1u64, 1..300), fill in 0..4u64) {
        // All zero and all one, too.
        let x: Vec<u64> = x.iter().map(|x| match fill { 0 => 0, 1 => 1, _ => *x }).collect();
        on_clear(&[Given::Bits(1, x.clone())], &[vec![x.iter().sum()]], ones);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn results_run_within_segments_on_every_engine(case in cases()) {
        on_engines(&given(&case), &segmented_due(&case), segmented);
    }

    #[test]
    fn results_are_kept_by_key_on_every_engine((width, key, numbers, count) in keys()) {
        let due = keyed_due(&key, &numbers, count);
        if !key.is_empty() {
            let one = key.iter().map(|x| x & 1).sum();
            let bits = key.iter().map(|x| x & 1).collect();
            on_engines(&[Given::Bits(1, bits)], &[vec![one]], ones);
        }
        on_engines(&[Given::Bits(width, key), Given::Num(numbers)], &due, keyed(count));
    }
}

#[test]
fn rows_in_order_are_summed_by_key() {
    let key = vec![0, 0, 1, 4, 4, 4, 9];
    let x = vec![1, 2, 3, 4, 5, 6, 7];
    let given = [Given::Bits(4, key), Given::Num(x)];
    let due = vec![vec![0, 3, 3, 0, 0, 15, 7], vec![0, 1, 1, 0, 0, 1, 1]];
    on_clear(&given, &due, |b, given| {
        let starts = ops::segment_starts(b, given[0].bits());
        let ends = ops::segment_ends(b, starts);
        let sums = ops::segmented_sum(b, starts, given[1].num());
        vec![ops::numbers::suppress(b, ends, sums).into(), ends.into()]
    });
}

/// Rounds, and ANDs and products a row, of a circuit over `n` rows.
fn per_row(n: usize, build: impl Fn(&mut Builder)) -> (usize, f64) {
    let mut b = Builder::new();
    build(&mut b);
    let circuit = tidy(&b.finish());
    let mut products = 0;
    for instruction in circuit.instructions() {
        if instruction.op == tacit_mpc::Op::Mul {
            products += circuit.shape(instruction.first).rows;
        }
    }
    (cost(&circuit).0, products as f64 / n as f64)
}

#[test]
fn scans_cost_what_they_say() {
    for n in [1_usize, 2, 3, 64, 100, 1000] {
        let chain = 2 * n.ilog2() as usize;
        for w in [1, 20, 64] {
            let planes = |b: &mut Builder| -> (Bit, Vec<Bit>) {
                (b.random(n), (0..w).map(|_| b.random(n)).collect())
            };
            let (rounds, ands) = per_row(n, |b| {
                let (starts, x) = planes(b);
                for plane in ops::segmented_max(b, starts, &x) {
                    b.reveal(plane, 1, "x");
                }
            });
            assert!(rounds <= chain * (1 + ceil_log2(w + 2)), "max {n}, {w}: {rounds}");
            assert!(ands < (6 * w + 3) as f64, "max {n}, {w}: {ands}");
            let (rounds, ands) = per_row(n, |b| {
                let (starts, x) = planes(b);
                for plane in ops::segmented_first(b, starts, &x) {
                    b.reveal(plane, 1, "x");
                }
            });
            assert!(rounds <= chain, "first {n}, {w}: {rounds}");
            assert!(ands < (2 * w + 1) as f64, "first {n}, {w}: {ands}");
        }
        let (rounds, ands) = per_row(n, |b| {
            let x = b.random(n);
            for plane in ops::count_rows(b, x) {
                b.reveal(plane, 1, "x");
            }
        });
        let levels = 1.7 * (n as f64).log2() + 2.0;
        let adder = ceil_log2(1 + n.ilog2() as usize);
        assert!(rounds as f64 <= levels + adder as f64, "count {n}: {rounds}");
        let all = ands * n as f64;
        assert!(all < n as f64 + 3.0 * (n as f64).log2() + 1.0, "count {n}: {all}");
    }
    let sum = price(EngineKind::Rep3, |b, rows| {
        let (starts, x): (Bit, Num) = (b.random(rows), b.random(rows));
        ops::segmented_sum(b, starts, x).into()
    });
    assert!(sum.rounds <= 2 + 2 * 12);
    assert!(sum.sent[0] < 40.0 && sum.sent[1] < 32.0, "{:?}", sum.sent);
    let keyed = price(EngineKind::Rep3, |b, rows| {
        let x: Num = b.random(rows);
        let key: Vec<Bit> = (0..4).map(|_| b.random(rows)).collect();
        ops::sum_by_key(b, &key, 16, x).into()
    });
    assert_eq!(keyed.rounds, 5);
    assert!(keyed.sent[0] < 16.0 * 24.2, "{:?}", keyed.sent);
    let counted = price(EngineKind::Rep3, |b, rows| {
        let key: Vec<Bit> = (0..4).map(|_| b.random(rows)).collect();
        ops::count_by_key(b, &key, 16).into()
    });
    assert_eq!(counted.rounds, 4);
    assert!(counted.sent[0] < 16.0 * 16.2, "{:?}", counted.sent);
}

#[test]
fn a_scan_is_a_short_circuit_however_many_rows() {
    let instructions = |n: usize| {
        let mut b = Builder::new();
        let (starts, x): (Bit, Num) = (b.random(n), b.random(n));
        let sums = ops::segmented_sum(&mut b, starts, x);
        b.reveal(sums, 1, "sums");
        b.finish().instructions().len()
    };
    assert!(instructions(1 << 20) <= 20 * instructions(2));
}

#[test]
fn a_prefix_sum_is_a_sum_of_all_rows_before() {
    for rows in SIZES {
        let x: Vec<u64> = (0..rows as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let mut sum = 0u64;
        let due = x.iter().map(|x| {
            sum = sum.wrapping_add(*x);
            sum
        });
        let due = due.collect();
        on_engines(&[Given::Num(x)], &[due], |b, given| vec![b.prefix_sum(given[0].num()).into()]);
    }
}
