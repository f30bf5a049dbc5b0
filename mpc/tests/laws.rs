//! The laws that hold for every circuit and engine, over random circuits.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tacit_mpc::{
    Bit, Builder, Circuit, Column, EngineKind, Num, Op, bill, clear, stream,
    testing::{Inputs, Session, assert_laws, session, world},
    tile,
};

/// Draws choices from a list that proptest shrinks.
struct Dice<'a>(std::slice::Iter<'a, u32>);

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        self.0.next().copied().unwrap_or(0) as usize % sides
    }
}

/// A random lowered circuit and inputs for it.
fn random_circuit(
    engine: EngineKind,
    sites: usize,
    compute: usize,
    rows: usize,
    dice: &[u32],
) -> (Circuit, Session, Inputs) {
    let session = session(engine, sites, compute);
    let addends = engine.addends(compute);
    let mut dice = Dice(dice.iter());
    let mut b = Builder::new();
    let mut inputs: Inputs = BTreeMap::new();
    let (mut nums, mut bits): (Vec<Num>, Vec<Bit>) = (Vec::new(), Vec::new());
    let word = |i: usize| match i % 5 {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << 63,
        _ => (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    };
    for site in 0..sites {
        let shift = dice.roll(1 << 16);
        let columns = inputs.entry(site).or_default();
        nums.push(b.enter(site, rows));
        columns.push(Column::Num((0..rows).map(|i| word(i + shift)).collect()));
        bits.push(b.enter(site, rows));
        columns.push(Column::bits((0..rows).map(|i| word(i + shift) >> 7 & 1 == 1)));
    }
    // All columns keep `rows` rows, so that any two fit.
    for _ in 0..16 {
        let (x, y) = (nums[dice.roll(nums.len())], nums[dice.roll(nums.len())]);
        let (p, q) = (bits[dice.roll(bits.len())], bits[dice.roll(bits.len())]);
        match dice.roll(20) {
            0 => nums.push(b.add(x, y)),
            1 => nums.push(b.sub(x, y)),
            2 => nums.push(b.scale(x, 0xffff_ffff_0000_0003)),
            3 | 4 => nums.push(b.mul(x, y)),
            5 => bits.push(b.xor(p, q)),
            6 => bits.push(b.not(p)),
            7 | 8 => bits.push(b.and(p, q)),
            9 => bits.push(b.or(p, q)),
            10 => {
                let c = b.constant(77, rows);
                nums.push(b.sub(c, x));
                nums.push(b.mul(c, x));
            }
            11 => {
                let cut = dice.roll(rows + 1);
                let (head, tail) = (b.slice(p, 0, cut), b.slice(p, cut, rows - cut));
                bits.push(b.concat(&[tail, head]));
            }
            12 => {
                let cut = dice.roll(rows + 1);
                let (head, tail) = (b.slice(x, 0, cut), b.slice(x, cut, rows - cut));
                nums.push(b.concat(&[tail, head]));
            }
            13 => {
                let (one, bit) = (b.sum(x), b.sum(p));
                nums.push(b.broadcast(one, rows));
                bits.push(b.broadcast(bit, rows));
            }
            14 => {
                let index: Vec<u32> = (0..rows as u32).rev().collect();
                nums.push(b.gather(x, index.clone()));
                bits.push(b.gather(p, index));
            }
            18 => {
                nums.push(b.prefix_sum(x));
                bits.push(b.prefix_sum(p));
                let columns = (1..=rows.max(1)).rev().find(|c| *c <= 8 && rows.is_multiple_of(*c));
                nums.push(b.transpose(x, columns.unwrap_or(1)));
                bits.push(b.transpose(p, columns.unwrap_or(1)));
            }
            15 => {
                // x as bits again: the addends of x add up to x, here on their lowest bit.
                let planes: Vec<Bit> = (0..addends).map(|i| b.addend_bits(x, i, 1)[0]).collect();
                bits.push(planes.into_iter().reduce(|p, q| b.xor(p, q)).unwrap());
            }
            16 => {
                // The addends of p combine by exclusive or: a + c - 2 a c.
                let parts: Vec<Num> = (0..addends).map(|i| b.addend_num(p, i)).collect();
                let mut xor = |a: Num, c: Num| {
                    let (sum, both) = (b.add(a, c), b.mul(a, c));
                    let twice = b.scale(both, 2);
                    b.sub(sum, twice)
                };
                nums.push(parts.into_iter().reduce(&mut xor).unwrap());
            }
            17 => {
                let (r, s): (Num, Bit) = (b.random(rows), b.random(rows));
                let (hidden, masked) = (b.add(x, r), b.xor(p, s));
                nums.push(b.sub(hidden, r));
                bits.push(b.xor(masked, s));
            }
            _ => {
                let zero: Bit = b.constant(0, rows);
                let one: Bit = b.constant(1, rows);
                let c = b.xor(zero, one);
                bits.push(b.and(c, p));
            }
        }
    }
    for (i, x) in nums.iter().rev().take(3).enumerate() {
        b.reveal(*x, session.analyst, format!("num {i}"));
        let sum = b.sum(*x);
        b.reveal(sum, session.analyst, format!("sum {i}"));
    }
    for (i, x) in bits.iter().rev().take(3).enumerate() {
        b.reveal(*x, session.analyst, format!("bit {i}"));
    }
    b.reveal(nums[nums.len() - 1], 0, "to a compute party");
    b.reveal(bits[bits.len() - 1], sites - 1, "to the last site");
    (b.finish(), session, inputs)
}

fn rows() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), Just(1), Just(63), Just(64), Just(65), Just(128), 0..300_usize]
}

/// Engine, sites, compute parties.
fn setting() -> impl Strategy<Value = (EngineKind, usize, usize)> {
    use EngineKind::{Additive, Clear, Rep3};
    prop_oneof![
        Just((Clear, 3, 1)),
        Just((Clear, 3, 3)),
        Just((Rep3, 3, 3)),
        Just((Rep3, 5, 3)),
        Just((Additive, 2, 2)),
        Just((Additive, 3, 3)),
        Just((Additive, 5, 3)),
        Just((Additive, 4, 4)),
        Just((Additive, 5, 5)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn run_equals_clear_and_ledger_equals_bill(
        (engine, sites, compute) in setting(),
        rows in rows(),
        dice in prop::collection::vec(any::<u32>(), 100),
        seed in any::<u64>(),
    ) {
        let (circuit, session, inputs) = random_circuit(engine, sites, compute, rows, &dice);
        assert_laws(&circuit, engine, &session.roster, &inputs, seed);
    }

    #[test]
    fn a_circuit_in_tiles_opens_the_same(
        (engine, sites, compute) in setting(),
        rows in rows(),
        tile_rows in prop_oneof![Just(64), Just(128), Just(192)],
        dice in prop::collection::vec(any::<u32>(), 100),
        seed in any::<u64>(),
    ) {
        let (circuit, session, inputs) = random_circuit(engine, sites, compute, rows, &dice);
        let tiled = tile(&circuit, tile_rows).unwrap();
        let opened = assert_laws(&tiled, engine, &session.roster, &inputs, seed);
        prop_assert_eq!(opened, clear(&circuit, &inputs).unwrap());
        let blocks = tiled.instructions().iter().filter(|i| matches!(i.op, Op::Block(_))).count();
        prop_assert!(rows > tile_rows || blocks == 0);
        let written: Circuit = serde_json::from_str(&tiled.json()).unwrap();
        prop_assert_eq!(written, tiled);
    }

    #[test]
    fn columns_that_are_entered_tile_by_tile_open_the_same(
        (engine, sites, compute) in setting(),
        rows in rows(),
        tile_rows in prop_oneof![Just(64), Just(128), Just(192)],
        dice in prop::collection::vec(any::<u32>(), 100),
        seed in any::<u64>(),
    ) {
        let (circuit, session, inputs) = random_circuit(engine, sites, compute, rows, &dice);
        let streamed = stream(&circuit, tile_rows).unwrap();
        let opened = assert_laws(&streamed, engine, &session.roster, &inputs, seed);
        prop_assert_eq!(opened, clear(&circuit, &inputs).unwrap());
    }

    #[test]
    fn a_transcript_does_not_depend_on_the_inputs(
        (engine, sites, compute) in setting(),
        rows in 0..130_usize,
        dice in prop::collection::vec(any::<u32>(), 100),
        seed in any::<u64>(),
    ) {
        let (circuit, session, inputs) = random_circuit(engine, sites, compute, rows, &dice);
        let zero = |column: &Column| {
            Column::from_words(column.shape(), vec![0; column.shape().words()])
        };
        let zeros: Inputs =
            inputs.iter().map(|(&who, columns)| (who, columns.iter().map(zero).collect())).collect();
        let a = world(&circuit, engine, &session.roster, &inputs, seed).unwrap();
        let b = world(&circuit, engine, &session.roster, &zeros, seed).unwrap();
        prop_assert_eq!(a.ledgers, b.ledgers);
        prop_assert_eq!(a.steps, b.steps);
        prop_assert_eq!(a.peaks, b.peaks);
    }
}

/// `x y + x` of two columns of the analyst, summed; both columns are read by one block alone.
fn summed(session: &Session, rows: usize) -> Circuit {
    let mut b = Builder::new();
    let (x, y): (Num, Num) = (b.enter(session.analyst, rows), b.enter(session.analyst, rows));
    let product = b.mul(x, y);
    let both = b.add(product, x);
    let sum = b.sum(both);
    b.reveal(sum, session.analyst, "sum");
    b.finish()
}

#[test]
fn memory_does_not_grow_with_the_rows_of_what_is_entered_tile_by_tile() {
    for (engine, sites, compute) in [
        (EngineKind::Clear, 3, 3),
        (EngineKind::Rep3, 3, 3),
        // The bytes that a dealer sends ahead are there from the start.
        (EngineKind::Additive, 3, 3),
    ] {
        let session = session(engine, sites, compute);
        let peak = |rows: usize, streamed: bool| {
            let mut circuit = summed(&session, rows);
            if streamed {
                circuit = stream(&circuit, 64).unwrap();
            }
            bill(&circuit, engine, &session.roster).unwrap().peak_bytes
        };
        let dealt = if engine == EngineKind::Additive { 8 * (100_000 - 1000) } else { 0 };
        assert!(peak(100_000, true) <= peak(1000, true) + dealt, "{engine}");
        assert!(peak(100_000, true) < peak(100_000, false) / 2, "{engine}");
        let rows = 1000;
        let columns = [3, 5].map(|by| Column::Num((0..rows as u64).map(|i| i * by).collect()));
        let inputs: Inputs = BTreeMap::from([(session.analyst, columns.to_vec())]);
        let circuit = stream(&summed(&session, rows), 64).unwrap();
        let opened = assert_laws(&circuit, engine, &session.roster, &inputs, 1);
        let due: u64 = (0..1000).map(|i| 3 * i * 5 * i + 3 * i).sum();
        assert_eq!(opened[0].2.to_numbers(), [due], "{engine}");
    }
}

#[test]
fn a_holder_whose_columns_are_all_streamed_need_not_come_first() {
    let session = session(EngineKind::Rep3, 4, 3);
    let (outside, me, rows) = (3, session.analyst, 200);
    // The block waits for a column that is needed whole.
    let mut b = Builder::new();
    let (w, x, y): (Num, Num, Num) =
        (b.enter(me, rows), b.enter(outside, rows), b.enter(outside, rows));
    let turned = b.gather(w, (0..rows as u32).rev().collect());
    let product = b.mul(turned, y);
    let product = b.mul(product, x);
    let sum = b.sum(product);
    b.reveal(sum, me, "sum");
    let circuit = stream(&b.finish(), 64).unwrap();
    let whole = circuit.instructions().iter().filter(|i| matches!(i.op, Op::Enter { .. }));
    assert_eq!(whole.count(), 1);
    let column = Column::Num((0..rows as u64).collect());
    let inputs: Inputs = BTreeMap::from([(me, vec![column.clone()]), (outside, vec![column; 2])]);
    let opened = assert_laws(&circuit, EngineKind::Rep3, &session.roster, &inputs, 1);
    let due: u64 = (0..200).map(|i| i * (199 - i) * i).sum();
    assert_eq!(opened[0].2.to_numbers(), [due]);
}

#[test]
fn a_holders_first_column_is_streamed_only_if_its_keys_come_in_time() {
    let session = session(EngineKind::Rep3, 3, 3);
    let (me, rows) = (session.analyst, 200);
    // The second column is needed whole, so that the first one must not wait for its block.
    let mut b = Builder::new();
    let (x, y, z): (Num, Num, Num) = (b.enter(me, rows), b.enter(me, rows), b.enter(me, rows));
    let turned = b.gather(y, (0..rows as u32).rev().collect());
    let product = b.mul(x, turned);
    let product = b.mul(product, z);
    let sum = b.sum(product);
    b.reveal(sum, me, "sum");
    let circuit = stream(&b.finish(), 64).unwrap();
    let whole = circuit.instructions().iter().filter_map(|i| match i.op {
        Op::Enter { slot, .. } => Some(slot),
        _ => None,
    });
    assert_eq!(whole.collect::<Vec<_>>(), [0, 1]);
    let column = Column::Num((0..rows as u64).collect());
    let inputs: Inputs = BTreeMap::from([(me, vec![column; 3])]);
    let opened = assert_laws(&circuit, EngineKind::Rep3, &session.roster, &inputs, 1);
    let due: u64 = (0..200).map(|i| i * (199 - i) * i).sum();
    assert_eq!(opened[0].2.to_numbers(), [due]);
}
