//! Columns of the prime field: what they mean, how they are written, and who refuses them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tacit_mpc::{
    Bit, Builder, Circuit, Column, EngineKind, Error, Field, Handle, Kind, Num, Op, Shape, bill,
    clear,
    field::MODULUS,
    testing::{assert_laws, random_circuit, session, world},
    tile,
};

fn element() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(MODULUS - 1), 0..MODULUS]
}

/// Receives `x` and `y`, opens what every linear instruction and a product make of them.
fn everything(rows: usize, scale: u64, constant: u64) -> Circuit {
    let mut b = Builder::new();
    let (x, y): (Field, Field) = (b.enter(0, rows), b.enter(1, rows));
    let c = b.constant(constant, rows);
    let d = b.constant(MODULUS - 1, rows);
    let constants = b.sub(c, d);
    let made = [
        b.add(x, y),
        b.sub(x, y),
        b.mul(x, y),
        b.scale(x, scale),
        b.sub(c, x),
        b.sub(x, c),
        b.add(constants, x),
        b.mul(constants, x),
        b.prefix_sum(x),
        b.transpose(x, rows),
        b.gather(x, (0..rows as u32).rev().collect()),
    ];
    for (i, z) in made.into_iter().enumerate() {
        b.reveal(z, 2, i.to_string());
    }
    let sum = b.sum(x);
    let many = b.broadcast(sum, 3);
    let (head, tail) = (b.slice(x, 0, 1), b.slice(y, 1, rows - 1));
    let parts = b.concat(&[head, tail]);
    b.reveal(many, 2, "sum");
    b.reveal(parts, 2, "parts");
    b.finish()
}

proptest! {
    #[test]
    fn every_instruction_is_that_of_wide_integers(
        rows in prop::collection::vec((element(), element()), 1..40),
        scale in element(),
        constant in element(),
    ) {
        let (x, y): (Vec<u64>, Vec<u64>) = rows.iter().copied().unzip();
        let circuit = everything(x.len(), scale, constant);
        let inputs =
            BTreeMap::from([(0, vec![Column::Field(x.clone())]), (1, vec![Column::Field(y.clone())])]);
        let opened: Vec<Vec<u64>> =
            clear(&circuit, &inputs).unwrap().into_iter().map(|(_, _, z)| z.to_numbers()).collect();
        let p = u128::from(MODULUS);
        let wide = |x: u64| u128::from(x);
        let each = |f: &dyn Fn(u128, u128) -> u128| -> Vec<u64> {
            x.iter().zip(&y).map(|(&x, &y)| (f(wide(x), wide(y)) % p) as u64).collect()
        };
        let (s, c) = (wide(scale), wide(constant));
        let due: [&dyn Fn(u128, u128) -> u128; 8] = [
            &|x, y| x + y,
            &|x, y| p + x - y,
            &|x, y| x * y,
            &|x, _| s * x,
            &|x, _| p + c - x,
            &|x, _| p + x - c,
            &|x, _| c + 1 + x,
            &|x, _| (c + 1) % p * x,
        ];
        for (i, f) in due.into_iter().enumerate() {
            prop_assert_eq!(&opened[i], &each(f), "{}", i);
        }
        let sums: Vec<u64> = x
            .iter()
            .scan(0, |sum, x| {
                *sum = (*sum + wide(*x)) % p;
                Some(*sum as u64)
            })
            .collect();
        prop_assert_eq!(&opened[8], &sums);
        prop_assert_eq!(&opened[9], &x);
        prop_assert_eq!(&opened[10], &x.iter().rev().copied().collect::<Vec<_>>());
        prop_assert_eq!(&opened[11], &vec![*sums.last().unwrap(); 3]);
        prop_assert_eq!(opened[12][0], x[0]);
        prop_assert_eq!(&opened[12][1..], &y[1..]);
    }
}

#[test]
fn a_circuit_of_the_field_is_written_by_name_read_back_and_tiled() {
    let circuit = everything(200, 3, 5);
    let json = circuit.json();
    assert!(json.contains("{\"kind\":\"field\",\"rows\":200}"), "{json}");
    assert_eq!(serde_json::from_str::<Circuit>(&json).unwrap(), circuit);
    assert!(circuit.dot().contains("200 field"));
    let column = |seed: u64| vec![Column::Field((0..200).map(|i| i * seed % MODULUS).collect())];
    let inputs = BTreeMap::from([(0, column(1 << 55)), (1, column(77))]);
    let open = |circuit: &Circuit| -> Vec<Vec<u64>> {
        clear(circuit, &inputs).unwrap().iter().map(|(_, _, z)| z.to_numbers()).collect()
    };
    let tiled = tile(&circuit, 64).unwrap();
    assert!(tiled.instructions().iter().any(|i| matches!(i.op, Op::Block(_))));
    assert_eq!(open(&tiled), open(&circuit));
}

#[test]
fn what_has_no_meaning_in_the_field_is_refused_when_it_is_written() {
    let shape = Shape { kind: Kind::Field, rows: 4 };
    let refused = |op: Op| {
        let mut b = Builder::new();
        let x: Field = b.enter(0, 4);
        let args = if matches!(op, Op::Constant { .. }) { vec![] } else { vec![x.id()] };
        matches!(b.finish().push(op, &args), Err(Error::Circuit { at: 1, .. }))
    };
    for op in [
        Op::Constant { value: MODULUS, shape },
        Op::Scale(MODULUS),
        Op::Addend { index: 0, width: 1 },
        Op::ToBits { width: 3 },
        Op::ToNum,
        Op::IsZero { width: 3 },
        Op::Shuffle { permutation: 0, inverse: false },
        Op::Open,
    ] {
        assert!(refused(op.clone()), "{op:?}");
    }
    assert!(!refused(Op::Constant { value: MODULUS - 1, shape }));
    let mut b = Builder::new();
    let (x, y): (Field, Num) = (b.enter(0, 4), b.enter(0, 4));
    assert!(b.finish().push(Op::Add, &[x.id(), y.id()]).is_err());
}

#[test]
fn an_input_that_is_not_canonical_is_refused() {
    let mut b = Builder::new();
    let x: Field = b.enter(0, 2);
    b.reveal(x, 1, "x");
    let circuit = b.finish();
    let given = |column| clear(&circuit, &BTreeMap::from([(0, vec![column])]));
    assert!(given(Column::Field(vec![1, MODULUS - 1])).is_ok());
    for column in [Column::Field(vec![1, MODULUS]), Column::Num(vec![1, 2])] {
        let error = given(column).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
    }
    assert_eq!(format!("{:?}", Column::Field(vec![77])), "Column(Field, 1 rows)");
}

#[test]
fn engines_over_the_ring_refuse_the_field_with_a_reason() {
    for engine in EngineKind::ALL {
        let session = session(engine, 3, 3);
        let (circuit, inputs) =
            random_circuit::<Field>(&[0, 1, 2], session.analyst, 5, engine as u64);
        let whole = bill(&circuit, engine, &session.roster).unwrap_err();
        let run = world(&circuit, engine, &session.roster, &inputs, 1).unwrap_err();
        let tiled = bill(&tile(&everything(200, 1, 1), 64).unwrap(), engine, &session.roster);
        for error in [whole, run, tiled.unwrap_err()] {
            let said = error.to_string();
            let due = format!("{engine} has no columns of elements of the prime field");
            assert!(matches!(error, Error::Engine(_)) && said.contains(&due), "{said}");
        }
        assert_eq!(engine.scheme(&session.roster).unwrap().name(), engine.to_string());
    }
}

#[test]
fn random_circuits_of_one_kind_keep_the_laws_on_every_engine() {
    for engine in EngineKind::ALL {
        let session = session(engine, 4, 3);
        // As from outside this crate, where a protocol is known by its trait alone.
        let protocol: &dyn tacit_mpc::engine::Protocol = &engine;
        for (rows, seed) in [0, 1, 2, 63, 64, 65, 200].into_iter().zip(0..) {
            let holders = [0, 1, 3];
            let (circuit, inputs) = random_circuit::<Num>(&holders, session.analyst, rows, seed);
            assert_laws(&circuit, protocol, &session.roster, &inputs, seed);
            let (circuit, inputs) = random_circuit::<Bit>(&holders, session.analyst, rows, seed);
            assert_laws(&circuit, protocol, &session.roster, &inputs, seed);
        }
    }
}
