//! Sorting and shuffling, against plain Rust, whole and in tiles.

mod common;

use std::collections::BTreeMap;

use common::{numbers, planes};
use proptest::prelude::*;
use tacit_mpc::{
    Bit, Builder, Circuit, Column, EngineKind, Num, bill,
    testing::{Session, assert_laws, session, world},
    tile,
};
use tacit_protocols::{lower, shuffle, sort, top_k};

/// One or several keys of these widths, a number and a bit, entered by party 0, sorted, opened.
fn circuit(widths: &[usize], rows: usize, engine: EngineKind, session: &Session) -> Circuit {
    let mut b = Builder::new();
    let keys: Vec<Vec<Bit>> =
        widths.iter().map(|&width| (0..width).map(|_| b.enter(0, rows)).collect()).collect();
    let (num, bit): (Num, Bit) = (b.enter(0, rows), b.enter(0, rows));
    let sorted = sort(&mut b, &keys, &[num], &[bit]);
    for plane in sorted.keys.iter().flatten().chain(&sorted.bits).chain(&sorted.from) {
        b.reveal(*plane, session.analyst, "plane");
    }
    b.reveal(sorted.nums[0], session.analyst, "number");
    lower(&b.finish(), engine.addends(3))
}

/// What is opened: keys by row, the payload, and where each row came from.
type Rows = Vec<(Vec<u64>, u64, u64, usize)>;

fn run(keys: &[(usize, Vec<u64>)], engine: EngineKind, tile_rows: usize, seed: u64) -> Rows {
    let rows = keys[0].1.len();
    let session = session(engine, 3, 3);
    let widths: Vec<usize> = keys.iter().map(|key| key.0).collect();
    let mut circuit = circuit(&widths, rows, engine, &session);
    if tile_rows > 0 {
        circuit = tile(&circuit, tile_rows).unwrap();
    }
    let mut columns: Vec<Column> =
        keys.iter().flat_map(|(width, key)| planes(key, *width)).collect();
    columns.push(Column::Num((0..rows as u64).map(|row| row * 1_000_003).collect()));
    columns.push(Column::bits((0..rows).map(|row| row % 3 == 1)));
    let inputs = BTreeMap::from([(0, columns)]);
    let opened = assert_laws(&circuit, engine, &session.roster, &inputs, seed);
    let number = |planes: &[(usize, String, Column)], row: usize| {
        let bits = planes.iter().enumerate().map(|(i, (_, _, plane))| plane.row(row) << i);
        bits.sum::<u64>()
    };
    let total: usize = widths.iter().sum();
    (0..rows)
        .map(|row| {
            let mut at = 0;
            let keys = widths.iter().map(|&width| {
                at += width;
                number(&opened[at - width..at], row)
            });
            let keys = keys.collect();
            let last = opened.len() - 1;
            let from = number(&opened[total + 1..last], row) as usize;
            (keys, opened[last].2.row(row), opened[total].2.row(row), from)
        })
        .collect()
}

fn check(keys: &[(usize, Vec<u64>)], engine: EngineKind, tile_rows: usize, seed: u64) {
    let rows = keys[0].1.len();
    let key = |row: usize| keys.iter().map(|key| key.1[row]).collect::<Vec<u64>>();
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by_key(|&row| key(row));
    let due: Rows = order
        .into_iter()
        .map(|row| (key(row), row as u64 * 1_000_003, u64::from(row % 3 == 1), row))
        .collect();
    assert_eq!(run(keys, engine, tile_rows, seed), due, "{engine} in tiles of {tile_rows}");
}

fn keys() -> impl Strategy<Value = Vec<(usize, Vec<u64>)>> {
    let rows = prop_oneof![
        Just(0_usize),
        Just(1),
        Just(2),
        Just(3),
        Just(63),
        Just(64),
        Just(65),
        4..300_usize
    ];
    let width = prop_oneof![Just(1_usize), Just(2), Just(7), Just(33), Just(64)];
    (rows, prop::collection::vec((width, 0..5_u8, any::<u64>()), 1..3)).prop_map(|(rows, keys)| {
        let column = |(width, form, seed): (usize, u8, u64)| {
            let mask = u64::MAX >> (64 - width);
            let value = |row: u64| match form {
                0 => 7,
                1 => row,
                2 => u64::MAX - row,
                3 => [0, 1, u64::MAX, 1 << 63, u64::MAX >> 1][(row % 5) as usize],
                _ => (row + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11,
            };
            (width, (0..rows as u64).map(|row| value(row) & mask).collect())
        };
        keys.into_iter().map(column).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_sorted_stably_by_all_keys_and_take_their_columns_along(
        keys in keys(),
        engine in prop_oneof![Just(EngineKind::Rep3), Just(EngineKind::Clear)],
        tile_rows in prop_oneof![Just(0_usize), Just(64), Just(128)],
        seed in any::<u64>(),
    ) {
        check(&keys, engine, tile_rows, seed);
    }

    #[test]
    fn a_shuffle_keeps_the_rows_and_comes_undone(
        rows in prop_oneof![Just(0_usize), Just(1), Just(2), 3..300_usize],
        columns in 0..70_usize,
        seed in any::<u64>(),
    ) {
        let session = session(EngineKind::Rep3, 3, 3);
        let mut b = Builder::new();
        let num: Num = b.enter(0, rows);
        let bits: Vec<Bit> = (0..columns).map(|_| b.enter(0, rows)).collect();
        let order = b.permutation();
        let (nums, mixed) = b.shuffle(order, &[num], &bits);
        let (back, bits_back) = b.unshuffle(order, &nums, &mixed);
        for num in nums.iter().chain(&back) {
            b.reveal(*num, session.analyst, "number");
        }
        for bit in mixed.iter().chain(&bits_back) {
            b.reveal(*bit, session.analyst, "bit");
        }
        let circuit = b.finish();
        let numbers: Vec<u64> = (0..rows as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let mut entered = vec![Column::Num(numbers.clone())];
        entered.extend(planes(&numbers, 64).into_iter().cycle().take(columns));
        let inputs = BTreeMap::from([(0, entered)]);
        let outcome = world(&circuit, EngineKind::Rep3, &session.roster, &inputs, seed).unwrap();
        for (ledger, cost) in outcome.ledgers.iter().zip(&outcome.bill.parties) {
            prop_assert_eq!((ledger.sent(), ledger.received()), (cost.sent, cost.received));
        }
        let opened: Vec<Vec<u64>> =
            outcome.opened.iter().map(|(_, _, column)| column.to_numbers()).collect();
        let mut sorted = opened[0].clone();
        sorted.sort_unstable();
        let mut due = numbers.clone();
        due.sort_unstable();
        prop_assert_eq!(&sorted, &due);
        prop_assert_eq!(&opened[1], &numbers);
        for k in 0..columns {
            let plane = |x: u64| x >> (k % 64) & 1;
            let moved: Vec<u64> = opened[0].iter().map(|&x| plane(x)).collect();
            prop_assert_eq!(&opened[2 + k], &moved, "plane {} moved with its row", k);
            let back: Vec<u64> = numbers.iter().map(|&x| plane(x)).collect();
            prop_assert_eq!(&opened[2 + columns + k], &back);
        }
    }
}

#[test]
fn another_session_gives_another_order_and_every_order_occurs() {
    let session = session(EngineKind::Rep3, 3, 3);
    let mut b = Builder::new();
    let num: Num = b.enter(0, 3);
    let (nums, _) = shuffle(&mut b, &[num], &[]);
    b.reveal(nums[0], session.analyst, "number");
    let circuit = b.finish();
    let inputs = BTreeMap::from([(0, vec![Column::Num(vec![0, 1, 2])])]);
    let mut counts: BTreeMap<Vec<u64>, u32> = BTreeMap::new();
    for seed in 0..1200 {
        let outcome = world(&circuit, EngineKind::Rep3, &session.roster, &inputs, seed).unwrap();
        *counts.entry(outcome.opened[0].2.to_numbers()).or_default() += 1;
    }
    // Six orders, 200 times each on average; five standard deviations are 65.
    assert_eq!(counts.len(), 6, "{counts:?}");
    assert!(counts.values().all(|count| count.abs_diff(200) < 65), "{counts:?}");
}

#[test]
fn the_largest_of_many_rows_are_found_by_comparing_most_rows_once() {
    let rows = 20_000;
    let session = session(EngineKind::Rep3, 3, 3);
    let key: Vec<u64> = (0..rows).map(|row| row * 7919 % 1000).collect();
    let mut b = Builder::new();
    let entered: Vec<Bit> = (0..10).map(|_| b.enter(0, rows as usize)).collect();
    let sorted = top_k(&mut b, std::slice::from_ref(&entered), 25, &[], &[]);
    for plane in &sorted.from {
        b.reveal(*plane, session.analyst, "from");
    }
    let found = lower(&b.finish(), 2);
    let inputs = BTreeMap::from([(0, planes(&key, 10))]);
    let opened = assert_laws(&found, EngineKind::Rep3, &session.roster, &inputs, 3);
    let mut due: Vec<u64> = (0..rows).collect();
    due.sort_by_key(|&row| 1000 - key[row as usize]);
    due.truncate(25);
    assert_eq!(numbers(opened.iter().map(|(_, _, column)| column)), due);

    let sent = |circuit: &Circuit| {
        let bill = bill(circuit, EngineKind::Rep3, &session.roster).unwrap();
        bill.parties[1].sent
    };
    let mut b = Builder::new();
    let entered: Vec<Bit> = (0..10).map(|_| b.enter(0, rows as usize)).collect();
    let all = sort(&mut b, &[entered], &[], &[]);
    b.reveal(all.from[0], session.analyst, "from");
    let all = lower(&b.finish(), 2);
    assert!(5 * sent(&found) < 2 * sent(&all), "{} {}", sent(&found), sent(&all));
}

#[test]
fn a_million_rows_cost_what_is_said() {
    let session = session(EngineKind::Rep3, 3, 3);
    let circuit = circuit(&[32], 1_000_000, EngineKind::Rep3, &session);
    let bill = bill(&circuit, EngineKind::Rep3, &session.roster).unwrap();
    let sent = bill.parties[..3].iter().map(|party| party.sent).max().unwrap();
    assert!(sent < 600_000_000, "{sent}");
    assert!(bill.rounds <= 300, "{}", bill.rounds);
    assert!(bill.peak_bytes < 1_000_000_000, "{}", bill.peak_bytes);
}

#[test]
fn engines_without_a_shuffle_say_so() {
    let session = session(EngineKind::Additive, 3, 3);
    let circuit = circuit(&[8], 10, EngineKind::Additive, &session);
    let error = bill(&circuit, EngineKind::Additive, &session.roster).unwrap_err();
    assert!(error.to_string().contains("additive cannot"), "{error}");
}
