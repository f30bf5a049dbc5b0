//! Circuits from hostile hands: what is read is refused or laid out, and what is laid out runs or
//! ends with an error. Nothing panics, and nothing is allocated for sizes that are only claimed.

use std::collections::BTreeMap;

use tacit_mpc::{
    Bit, Block, Builder, Circuit, Column, EngineKind, Error, Handle, Id, Kind, Num, Op, Part,
    Shape, Sort, bill, clear, stream, testing, tile,
};
use tacit_net::{Link, Tampered};

const BIT: Kind = Kind::Bit;

/// `left < right` over two bits, opened: the comparison of a sort.
fn comparison(rows: usize) -> Circuit {
    let mut b = Builder::new();
    let shape = Shape { kind: BIT, rows };
    let bits: Vec<Bit> = (0..4)
        .map(|index| Bit::from_id(b.push(Op::Argument { index, shape }, &[]).start))
        .collect();
    let differ = b.xor(bits[0], bits[2]);
    let right = b.mul(differ, bits[2]);
    let high = b.xor(bits[1], bits[3]);
    let above = b.mul(high, bits[3]);
    let same = b.not(high);
    let below = b.mul(same, right);
    let less = b.xor(above, below);
    b.push(Op::Open, &[less.id()]);
    b.finish()
}

/// A circuit with every kind of instruction that runs rows in another order or in parts.
fn everything(rows: usize) -> Circuit {
    let mut b = Builder::new();
    let (x, y): (Num, Num) = (b.enter(0, rows), b.enter(3, rows));
    let p: Bit = b.enter(1, rows);
    let product = b.mul(x, y);
    let planes = b.addend_bits(product, 0, 3);
    let mask = b.mask(rows, 3);
    let numbers = b.row_number(rows, 2);
    let by = b.permutation();
    let (nums, bits) = b.shuffle(by, &[product], &[&numbers[..], &[p]].concat());
    let sort = Sort { width: 2, less: comparison(64), first: None, tile: 64 };
    let ids: Vec<Id> = bits.iter().map(|bit| bit.id()).chain([nums[0].id()]).collect();
    let sorted = b.push(Op::Sort(Box::new(sort)), &ids);
    let (nums, _) = b.permute_by_opened(&bits[..2], true, &[Num::from_id(sorted.end - 1)], &[p]);
    let opened = b.open_masked(&planes);
    let sum = b.add(opened, mask);
    let sum = b.add(sum, nums[0]);
    let turned = b.transpose(sum, 2);
    let part = b.slice(turned, 1, 2);
    let random: Num = b.random(2);
    let part = b.add(part, random);
    let total = b.sum(part);
    let all = b.broadcast(total, 3);
    let all = b.concat(&[all, part]);
    let all = b.gather(all, vec![4, 0]);
    b.reveal(all, 3, "all");
    b.finish()
}

/// Products over more rows than a tile, entered by a party that does not compute.
fn products(rows: usize) -> Circuit {
    let mut b = Builder::new();
    let (x, y): (Num, Num) = (b.enter(3, rows), b.enter(3, rows));
    let z = b.mul(x, y);
    let z = b.mul(z, x);
    let first = b.slice(z, 0, 5);
    let sum = b.sum(z);
    b.reveal(first, 3, "first");
    b.reveal(sum, 3, "sum");
    b.finish()
}

/// Columns for what a circuit asks.
fn inputs(circuit: &Circuit) -> testing::Inputs {
    let mut slots: BTreeMap<usize, BTreeMap<usize, Shape>> = BTreeMap::new();
    let mut ask = |op: &Op, rows: Option<usize>| {
        if let &Op::Enter { holder, slot, shape } = op {
            let shape = Shape { rows: rows.unwrap_or(shape.rows), ..shape };
            slots.entry(holder).or_default().insert(slot, shape);
        }
    };
    for instruction in circuit.instructions() {
        match &instruction.op {
            Op::Block(block) => {
                let inner = block.body.instructions().iter();
                inner.for_each(|i| ask(&i.op, Some(block.rows)));
            }
            op => ask(op, None),
        }
    }
    let column = |shape: &Shape| Column::from_words(*shape, vec![3; shape.words()]);
    slots.iter().map(|(holder, of)| (*holder, of.values().map(column).collect())).collect()
}

/// The circuit that somebody wrote; columns are numbered as the instructions make them.
fn read(json: &str) -> Option<Circuit> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let mut circuit = Circuit::default();
    for instruction in value.get("instructions")?.as_array()? {
        let op: Op = serde_json::from_value(instruction.get("op")?.clone()).ok()?;
        let args: Vec<Id> = serde_json::from_value(instruction.get("args")?.clone()).ok()?;
        circuit.push(op, &args).ok()?;
    }
    Some(circuit)
}

/// Reads, lays out and, if it is small, runs what somebody wrote. How it ended, if it began.
fn take(json: &str) -> Option<Result<(), Error>> {
    // The list of shapes at its end need not fit: what counts is what instructions make.
    drop(serde_json::from_str::<Circuit>(json));
    let circuit = read(json)?;
    let (_, _, _) = (circuit.stats(), circuit.dot(), circuit.digest());
    let session = testing::session(EngineKind::Rep3, 3, 3);
    let Ok(bill) = bill(&circuit, EngineKind::Rep3, &session.roster) else { return None };
    if bill.peak_bytes > 1 << 20 || bill.rounds > 4000 {
        return None;
    }
    let inputs = inputs(&circuit);
    drop(clear(&circuit, &inputs));
    let run = testing::parties(&circuit, EngineKind::Rep3, &session.roster, &inputs, 1, |l| l);
    Some(run.into_iter().try_for_each(|party| party.result.map(drop)))
}

/// Every number of a JSON text in turn replaced by others.
fn with_other_numbers(json: &str, others: &[&str], mut each: impl FnMut(&str)) {
    let bytes = json.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        let number = start < at && matches!(bytes[start - 1], b':' | b'[' | b',');
        if number {
            for other in others {
                each(&format!("{}{other}{}", &json[..start], &json[at..]));
            }
        }
        at = at.max(start + 1);
    }
}

#[test]
fn a_circuit_with_any_number_changed_is_refused_or_runs_to_an_end() {
    let circuits =
        [everything(4), tile(&products(70), 64).unwrap(), stream(&products(70), 64).unwrap()];
    let others = ["0", "1", "2", "63", "64", "128", "4294967296", "1099511627776"];
    let edge = ["4611686018427387904", "9223372036854775808", "18446744073709551615", "-1"];
    for circuit in &circuits {
        let json = circuit.json();
        take(&json).unwrap().unwrap();
        let mut ran = 0;
        with_other_numbers(&json, &[&others[..], &edge].concat(), |altered| {
            ran += usize::from(take(altered).is_some_and(|end| end.is_ok()));
        });
        assert!(ran > 0, "{json}");
    }
}

#[test]
fn sizes_that_nothing_can_hold_are_refused_before_anything_is_made() {
    let shape = |kind, rows| Shape { kind, rows };
    let refused = |ops: &[(Op, &[Id])], why: &str| {
        let mut circuit = Circuit::default();
        let mut built = Ok(());
        for (op, args) in ops {
            built = built.and_then(|()| circuit.push(op.clone(), args).map(drop));
        }
        let session = testing::session(EngineKind::Rep3, 3, 3);
        let laid_out = built.and_then(|()| bill(&circuit, EngineKind::Rep3, &session.roster));
        let error = laid_out.unwrap_err();
        assert!(matches!(error, Error::Circuit { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}, not {why}");
    };
    let enter = |kind, rows| Op::Enter { holder: 0, slot: 0, shape: shape(kind, rows) };
    let most = 1 << 40;
    refused(&[(enter(Kind::Num, most + 1), &[])], "more than 2^40");
    refused(&[(Op::RowNumber { rows: usize::MAX, width: 64 }, &[])], "more than 2^40");
    refused(&[(enter(BIT, most), &[]), (Op::Concat, &[0, 0])], "more than 2^40");
    let shuffle = Op::Shuffle { permutation: 0, inverse: false };
    refused(&[(enter(BIT, (1 << 32) + 1), &[]), (shuffle.clone(), &[0])], "more than 2^32");
    let permute = Op::Permute { order: 1, inverse: false };
    refused(&[(enter(BIT, (1 << 32) + 1), &[]), (permute, &[0])], "more than 2^32");
    // Every column is small enough, and all of them are not.
    refused(&[(enter(Kind::Num, most), &[]), (Op::Concat, &[0]), (shuffle, &[1; 2000])], "2^32");
    let many: Vec<(Op, &[Id])> = std::iter::once((enter(Kind::Num, most), &[][..]))
        .chain(std::iter::repeat_n((Op::Mul, &[0, 0][..]), 400))
        .collect();
    refused(&many, "2^50 words");

    let body = |rows| {
        let mut body = Circuit::default();
        body.push(Op::Argument { index: 0, shape: shape(BIT, rows) }, &[]).unwrap();
        body.push(Op::Mul, &[0, 0]).unwrap();
        body
    };
    let block = |rows, tile, body| {
        let parts = vec![Part::Sum(1)];
        Op::Block(Box::new(Block { body, outputs: vec![1], parts, rows, tile }))
    };
    refused(&[(enter(BIT, most), &[]), (block(most, 64, body(64)), &[0])], "tiles");
    refused(&[(block(most + 1, 64, body(64)), &[])], "a block of");
    // Its sum would be whatever the memory held.
    refused(&[(enter(BIT, 0), &[]), (block(0, 64, body(64)), &[0])], "a block of 0 rows");
    let rows = 1 << 32;
    let sort = Sort { width: 2, less: comparison(64), first: None, tile: 64 };
    let bits = enter(BIT, rows);
    refused(&[(bits, &[]), (Op::Sort(Box::new(sort)), &[0, 0])], "tiles");

    let small = products(70);
    assert_eq!(tile(&small, usize::MAX).unwrap().stats().instructions, small.stats().instructions);
}

#[test]
fn a_picture_of_an_instruction_without_columns_is_drawn() {
    let mut circuit = Circuit::default();
    let body = Circuit::default();
    let block = Block { body, outputs: vec![], parts: vec![], rows: 5, tile: 64 };
    circuit.push(Op::Block(Box::new(block)), &[]).unwrap();
    assert!(circuit.dot().contains("block"));
}

#[test]
fn a_peer_that_lies_in_any_round_changes_the_result_or_ends_the_run_and_does_nothing_else() {
    let session = testing::session(EngineKind::Rep3, 3, 3);
    let engine = EngineKind::Rep3;
    // Opened orders and comparisons, which steer what is read; and columns entered tile by tile.
    for circuit in [everything(4), stream(&products(70), 64).unwrap()] {
        let inputs = inputs(&circuit);
        let rounds = bill(&circuit, engine, &session.roster).unwrap().rounds;
        let lies: [fn(&mut Vec<u8>); 5] = [
            |frame| frame.iter_mut().for_each(|byte| *byte = !*byte),
            |frame| frame.fill(0),
            |frame| frame.fill(0xff),
            |frame| frame.truncate(frame.len() - 1),
            |frame| frame.push(0),
        ];
        for (liar, at) in (0..4).flat_map(|liar| (0..rounds).map(move |at| (liar, at))) {
            for (kind, lie) in lies.iter().enumerate() {
                let lie = *lie;
                let wrap = |link: tacit_net::Memory| {
                    let liar = link.me() == liar;
                    Tampered::new(link, move |round, _, frame| {
                        if liar && round == at && !frame.is_empty() {
                            lie(frame);
                        }
                    })
                };
                let run = testing::parties(&circuit, engine, &session.roster, &inputs, 1, wrap);
                for (me, party) in run.iter().enumerate().filter(|(me, _)| *me != liar) {
                    let case = format!("lie {kind} of {liar} in round {at}, at {me}");
                    match &party.result {
                        Ok(opened) if me == session.analyst => {
                            assert!(!opened.is_empty(), "{case}");
                        }
                        Ok(_) | Err(Error::Net(_) | Error::Contradiction | Error::Disorder) => {}
                        Err(error) => panic!("{case}: {error}"),
                    }
                }
            }
        }
    }
}
