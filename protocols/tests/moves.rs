//! Rows moved by secret permutations: what it costs, what is refused, and tables sorted alike.

mod common;

use std::collections::BTreeMap;

use common::{numbers, planes};
use tacit_mpc::rank::Contest;
use tacit_mpc::testing::{Outcome, session, world};
use tacit_mpc::{Bill, Bit, Builder, Column, EngineKind, Error, Num, bill};
use tacit_protocols::{
    Compacted, Order, aggregate_by_key, apply, apply_inverse, ceil_log2, compact, compose, invert,
    lower, random_order, sort, top_k,
};

const ROWS: usize = 1 << 10;

/// Rounds, and bytes sent by each compute party for a row, of what is made and then opened.
fn price(build: impl Fn(&mut Builder) -> (Vec<Num>, Vec<Bit>)) -> (u64, [f64; 3]) {
    let session = session(EngineKind::Rep3, 3, 3);
    let mut b = Builder::new();
    let (nums, bits) = build(&mut b);
    let opened = 8 * ROWS * nums.len() + ROWS / 8 * bits.len();
    for x in nums {
        b.reveal(x, session.analyst, "number");
    }
    for x in bits {
        b.reveal(x, session.analyst, "bit");
    }
    let circuit = lower(&b.finish(), 2);
    let Bill { rounds, parties, .. } = bill(&circuit, EngineKind::Rep3, &session.roster).unwrap();
    let sent = [0, 1, 2].map(|p: usize| (parties[p].sent - opened as u64) as f64 / ROWS as f64);
    (rounds - 1, sent)
}

fn order(b: &mut Builder, numbers: bool) -> Order {
    if numbers {
        Order::Numbers(b.random(ROWS))
    } else {
        Order::Planes((0..10).map(|_| b.random(ROWS)).collect())
    }
}

fn of_order(order: Order) -> (Vec<Num>, Vec<Bit>) {
    match order {
        Order::Planes(planes) => (vec![], planes),
        Order::Numbers(numbers) => (vec![numbers], vec![]),
    }
}

#[test]
fn permutations_cost_what_they_say() {
    for (nums, bits) in [(1, 0), (0, 3), (2, 5)] {
        for as_numbers in [false, true] {
            let due = 16.0 * nums as f64
                + bits as f64 / 4.0
                + if as_numbers { 24.0 } else { 3.0 * 10.0 / 8.0 };
            for (inverse, rounds) in [(false, 7), (true, 4)] {
                let got = price(|b| {
                    let order = order(b, as_numbers);
                    let nums: Vec<Num> = (0..nums).map(|_| b.random(ROWS)).collect();
                    let bits: Vec<Bit> = (0..bits).map(|_| b.random(ROWS)).collect();
                    let apply = if inverse { apply_inverse } else { apply };
                    apply(b, &order, &nums, &bits)
                });
                assert_eq!(got, (rounds, [due; 3]), "{nums} {bits} {as_numbers} {inverse}");
            }
        }
    }
    assert_eq!(price(|b| of_order(random_order(b, ROWS))), (3, [2.5; 3]));
    let inverted = price(|b| {
        let order = order(b, false);
        of_order(invert(b, &order))
    });
    assert_eq!(inverted, (4, [5.0 * 10.0 / 8.0; 3]));
    let composed = price(|b| {
        let (p, q) = (order(b, false), order(b, true));
        of_order(compose(b, &p, &q))
    });
    assert_eq!(composed, (7, [24.0 + 2.5; 3]));
}

#[test]
fn a_compaction_costs_what_it_says() {
    let got = price(|b| {
        let (valid, x, y): (Bit, Num, Bit) = (b.random(ROWS), b.random(ROWS), b.random(ROWS));
        let Compacted { valid, nums, mut bits } = compact(b, valid, &[x], &[y]);
        bits.push(valid);
        (nums, bits)
    });
    // The columns: 16 for the number, a quarter for either bit.
    let columns = 16.5;
    assert_eq!(got, (7, [48.0 + columns, 40.0 + columns, 40.0 + columns]));
}

#[test]
fn a_sort_costs_its_shuffle_and_its_comparisons() {
    let key = |b: &mut Builder| -> Vec<Bit> { (0..12).map(|_| b.random(ROWS)).collect() };
    // Key and row number.
    let bits = 12 + 10;
    let due = |contest: &Contest, columns: f64| {
        let ands = 2 * bits - 1;
        let compared = (contest.pairs() * (ands + 1)) as f64 / 8.0 / ROWS as f64;
        let levels = contest.levels().count() as u64;
        (3 + levels * (1 + ceil_log2(bits + 1) as u64), compared + columns)
    };
    // A shuffle of both and of one number, of which the levels are whole bytes.
    let columns = bits as f64 / 4.0 + 16.0;
    let (rounds, sent) = price(|b| {
        let (key, x) = (key(b), b.random(ROWS));
        let sorted = sort(b, &[key], &[x], &[]);
        (sorted.nums, vec![])
    });
    let (most_rounds, most) = due(&Contest::new(ROWS), columns);
    assert_eq!(rounds, most_rounds);
    assert!(sent.iter().all(|sent| *sent <= most + 0.2), "{sent:?} {most}");
    let (rounds, sent) = price(|b| {
        let (key, x) = (key(b), b.random(ROWS));
        let found = top_k(b, &[key], 8, &[x], &[]);
        let zeros = b.constant(0, ROWS - 8);
        (vec![b.concat(&[found.nums[0], zeros])], vec![])
    });
    let (most_rounds, most) = due(&Contest::first(ROWS, 8), columns);
    assert_eq!(rounds, most_rounds);
    assert!(sent.iter().all(|sent| *sent <= most + 0.2), "{sent:?} {most}");
}

#[test]
fn sums_by_a_key_of_many_values_cost_a_sort_and_a_compaction() {
    let key = |b: &mut Builder| -> Vec<Bit> { (0..12).map(|_| b.random(ROWS)).collect() };
    let (sorting, sorted) = price(|b| {
        let key = key(b);
        (vec![], sort(b, &[key], &[], &[]).keys.concat())
    });
    let (rounds, sent) = price(|b| {
        let (key, x) = (key(b), b.random(ROWS));
        let groups = aggregate_by_key(b, &key, &[x], &[], &[]);
        (vec![groups.count, groups.sums[0]], vec![])
    });
    // Segments from the key, then the compaction, then zeros behind the groups.
    assert_eq!(rounds, sorting + 4 + 7 + 3);
    // A number in the sort, two in the compaction and two that are suppressed.
    let numbers = 16.0 + 2.0 * 16.0 + 2.0 * 8.0;
    for (p, (sent, sorted)) in sent.iter().zip(sorted).enumerate() {
        let first = if p == 0 { 16.0 } else { 0.0 };
        let flags = 40.0 + 8.0 + first;
        assert!(*sent < sorted + numbers + flags + 8.0, "{sent} {sorted}");
    }
}

/// Applies what party 0 enters as a permutation.
fn applied(engine: EngineKind, given: &[u64], numbers: bool) -> tacit_mpc::Result<Outcome> {
    let session = session(engine, 3, 3);
    let mut b = Builder::new();
    let rows = given.len();
    let (order, mut columns) = if numbers {
        (Order::Numbers(b.enter(0, rows)), vec![Column::Num(given.to_vec())])
    } else {
        let entered = (0..3).map(|_| b.enter(0, rows)).collect();
        (Order::Planes(entered), planes(given, 3))
    };
    let x: Num = b.enter(0, rows);
    columns.push(Column::Num((0..rows as u64).collect()));
    let (nums, _) = apply(&mut b, &order, &[x], &[]);
    b.reveal(nums[0], session.analyst, "number");
    let inputs = BTreeMap::from([(0, columns)]);
    world(&b.finish(), engine, &session.roster, &inputs, 3)
}

#[test]
fn row_numbers_that_are_no_permutation_end_the_run_at_every_party() {
    for engine in [EngineKind::Rep3, EngineKind::Clear] {
        let good = [3, 1, 4, 0, 2];
        for numbers in [false, true] {
            let outcome = applied(engine, &good, numbers).unwrap();
            assert_eq!(outcome.opened[0].2.to_numbers(), good);
            for wrong in [[3, 1, 4, 0, 0], [7, 1, 4, 0, 2], [0; 5]] {
                let Err(error) = applied(engine, &wrong, numbers) else { panic!("{wrong:?}") };
                let told = error.to_string();
                assert!(
                    matches!(error, Error::Disorder) || told.contains("no order of the rows"),
                    "{told}"
                );
            }
        }
        let far = [u64::MAX, 1, 4, 0, 2];
        let Err(error) = applied(engine, &far, true) else { panic!("{far:?}") };
        assert!(error.to_string().contains("no order of the rows"), "{error}");
    }
}

#[test]
fn the_permutation_of_a_sort_sorts_other_tables_alike() {
    let session = session(EngineKind::Rep3, 3, 3);
    let rows = 100;
    let key: Vec<u64> = (0..rows).map(|row| row * 37 % 11).collect();
    let mut b = Builder::new();
    let entered: Vec<Bit> = (0..4).map(|_| b.enter(0, rows as usize)).collect();
    let x: Num = b.enter(1, rows as usize);
    let order = sort(&mut b, std::slice::from_ref(&entered), &[], &[]).order();
    let (nums, bits) = apply(&mut b, &order, &[x], &entered);
    b.reveal(nums[0], session.analyst, "number");
    for plane in bits {
        b.reveal(plane, session.analyst, "key");
    }
    let circuit = lower(&b.finish(), 2);
    let inputs =
        BTreeMap::from([(0, planes(&key, 4)), (1, vec![Column::Num((0..rows).collect())])]);
    let outcome = world(&circuit, EngineKind::Rep3, &session.roster, &inputs, 5).unwrap();
    let mut due: Vec<u64> = (0..rows).collect();
    due.sort_by_key(|&row| key[row as usize]);
    assert_eq!(outcome.opened[0].2.to_numbers(), due);
    let sorted = numbers(outcome.opened[1..].iter().map(|(_, _, column)| column));
    assert!(sorted.is_sorted());
}

#[test]
fn engines_without_a_shuffle_refuse_a_permutation() {
    let session = session(EngineKind::Additive, 3, 3);
    let mut b = Builder::new();
    let order: Vec<Bit> = (0..3).map(|_| b.enter(0, 8)).collect();
    let x: Num = b.enter(0, 8);
    let (nums, _) = b.permute_by_opened(&order, false, &[x], &[]);
    b.reveal(nums[0], session.analyst, "number");
    let error = bill(&b.finish(), EngineKind::Additive, &session.roster).unwrap_err();
    assert!(error.to_string().contains("additive cannot"), "{error}");
}
