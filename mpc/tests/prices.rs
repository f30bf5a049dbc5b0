//! What single instructions cost, in bytes on the wire, as the papers say; and what a party sees.

use std::sync::{Arc, Mutex};

use tacit_mpc::{
    Bit, Builder, Circuit, Column, EngineKind, Num, Roster, bill,
    testing::{Inputs, assert_laws, parties, session},
};
use tacit_net::Tampered;

const ROWS: usize = 1000;

/// Bytes sent by every party, and rounds.
fn cost(engine: EngineKind, roster: &Roster, build: impl Fn(&mut Builder)) -> (Vec<u64>, u64) {
    let mut b = Builder::new();
    build(&mut b);
    let bill = bill(&b.finish(), engine, roster).unwrap();
    (bill.parties.iter().map(|party| party.sent).collect(), bill.rounds)
}

#[test]
fn rep3_sends_a_word_a_product_and_a_bit_an_and() {
    let session = session(EngineKind::Rep3, 4, 3);
    let cost = |build: &dyn Fn(&mut Builder)| cost(EngineKind::Rep3, &session.roster, build);
    let products = cost(&|b| {
        let x: Num = b.random(ROWS);
        b.mul(x, x);
    });
    assert_eq!(products, (vec![8000, 8000, 8000, 0, 0], 1));
    let ands = cost(&|b| {
        let x: Bit = b.random(ROWS);
        b.mul(x, x);
    });
    assert_eq!(ands, (vec![125, 125, 125, 0, 0], 1));
    let entered = cost(&|b| {
        let _: Num = b.enter(1, ROWS);
    });
    assert_eq!(entered, (vec![0, 8000, 0, 0, 0], 1));
    let entered_outside = cost(&|b| {
        let _: (Num, Num) = (b.enter(3, ROWS), b.enter(3, ROWS));
    });
    assert_eq!(entered_outside, (vec![0, 0, 0, 2 * (16 + 16000), 0], 1));
    let addends = cost(&|b| {
        let x: Num = b.random(ROWS);
        b.addend_bits(x, 0, 20);
        b.addend_bits(x, 1, 20);
    });
    assert_eq!(addends, (vec![20 * 125, 0, 0, 0, 0], 1));
    let opened = cost(&|b| {
        let x: Num = b.random(ROWS);
        b.reveal(x, session.analyst, "x");
        b.reveal(x, 0, "x");
    });
    assert_eq!(opened, (vec![8000, 16000, 16000, 0, 0], 1));
}

#[test]
fn additive_opens_two_words_a_product_and_enters_for_nothing() {
    let session = session(EngineKind::Additive, 4, 3);
    let cost = |build: &dyn Fn(&mut Builder)| cost(EngineKind::Additive, &session.roster, build);
    // The dealer's correction shares the round of the first product.
    let products = cost(&|b| {
        let x: Num = b.random(ROWS);
        b.mul(x, x);
    });
    assert_eq!(products, (vec![32000, 32000, 32000, 0, 8000, 0], 1));
    let ands = cost(&|b| {
        let x: Bit = b.random(ROWS);
        b.mul(x, x);
    });
    assert_eq!(ands, (vec![500, 500, 500, 0, 125, 0], 1));
    let entered = cost(&|b| {
        let x: Num = b.enter(1, ROWS);
        (0..3).for_each(|i| drop(b.addend_bits(x, i, 20)));
    });
    assert_eq!(entered, (vec![0; 6], 0));
    let entered_outside = cost(&|b| {
        let _: Num = b.enter(3, ROWS);
    });
    assert_eq!(entered_outside, (vec![0, 0, 0, 8000, 0, 0], 1));
    let opened = cost(&|b| {
        let x: Num = b.random(ROWS);
        b.reveal(x, session.analyst, "x");
    });
    assert_eq!(opened, (vec![8000, 8000, 8000, 0, 0, 0], 1));
}

#[test]
fn memory_for_a_sum_of_constants_is_billed_where_it_is_used() {
    let session = session(EngineKind::Rep3, 3, 3);
    let mut b = Builder::new();
    let x: Bit = b.enter(0, ROWS);
    let zero: Bit = b.constant(0, ROWS);
    let one = b.not(zero);
    for i in 0..8 {
        let same = b.and(x, one);
        b.reveal(same, session.analyst, i.to_string());
    }
    let entered = vec![Column::bits((0..ROWS).map(|row| row % 3 == 0))];
    let inputs = Inputs::from([(0, entered)]);
    assert_laws(&b.finish(), EngineKind::Rep3, &session.roster, &inputs, 1);
}

#[test]
fn independent_instructions_share_a_round() {
    let session = session(EngineKind::Rep3, 3, 3);
    let (_, rounds) = cost(EngineKind::Rep3, &session.roster, |b| {
        let xs: Vec<Num> = (0..3).map(|site| b.enter(site, ROWS)).collect();
        let products: Vec<Num> = (0..3).map(|i| b.mul(xs[i], xs[(i + 1) % 3])).collect();
        for x in products {
            b.reveal(x, session.analyst, "x");
        }
    });
    assert_eq!(rounds, 3);
}

/// A circuit in which the openings tell nothing apart: both sites' columns are multiplied by zero.
fn veiled() -> Circuit {
    let mut b = Builder::new();
    let (x, y): (Num, Num) = (b.enter(0, ROWS), b.enter(1, ROWS));
    let zero = b.sub(x, x);
    let product = b.mul(x, y);
    let product = b.mul(product, zero);
    let sum = b.add(product, zero);
    b.reveal(sum, 4, "zero");
    b.finish()
}

/// Every word that travels is a mask away from its secret: over 1000 rows of all-zero and of
/// all-one inputs, ones and zeros among the bits sent stay within six deviations of even.
#[test]
fn what_travels_looks_random_whatever_the_inputs() {
    for engine in [EngineKind::Rep3, EngineKind::Additive] {
        for value in [0, u64::MAX] {
            // A fourth site makes the analyst party 4 for rep3, and a bystander.
            let sites = if engine == EngineKind::Rep3 { 4 } else { 3 };
            let session = session(engine, sites, 3);
            let column = || vec![Column::Num(vec![value; ROWS])];
            let inputs = Inputs::from([(0, column()), (1, column())]);
            let seen = Arc::new(Mutex::new(Vec::new()));
            let ends = parties(&veiled(), engine, &session.roster, &inputs, 11, |link| {
                let seen = seen.clone();
                Tampered::new(link, move |_, _, frame| seen.lock().unwrap().push(frame.clone()))
            });
            assert!(ends.iter().all(|end| end.result.is_ok()));
            for frame in seen.lock().unwrap().iter() {
                let bits = 8.0 * frame.len() as f64;
                let ones: u32 = frame.iter().map(|byte| byte.count_ones()).sum();
                let off = (f64::from(ones) - bits / 2.0).abs() / (bits.sqrt() / 2.0);
                assert!(off < 6.0, "{engine}, inputs {value}: {off} deviations");
            }
        }
    }
}

/// Linear functions of several parties' columns: were shares opened as they stand, the receiver
/// would read a column off the components (one component of an entered column is zero).
#[test]
fn an_opening_is_masked_anew() {
    for engine in [EngineKind::Rep3, EngineKind::Additive] {
        let session = session(engine, 3, 3);
        let mut b = Builder::new();
        let xs: Vec<Num> = (0..3).map(|site| b.enter(site, ROWS)).collect();
        let (u, v) = (b.add(xs[0], xs[2]), b.add(xs[1], xs[2]));
        b.reveal(u, session.analyst, "u");
        b.reveal(v, session.analyst, "v");
        let column = |site| (site, vec![Column::Num(vec![5; ROWS])]);
        let inputs: Inputs = (0..3).map(column).collect();
        let seen = Arc::new(Mutex::new(vec![Vec::new(); 3]));
        let ends = parties(&b.finish(), engine, &session.roster, &inputs, 11, |link| {
            let (seen, analyst) = (seen.clone(), session.analyst);
            let me = tacit_net::Link::me(&link);
            Tampered::new(link, move |_, to, frame| {
                if to == analyst {
                    seen.lock().unwrap()[me].clone_from(frame);
                }
            })
        });
        assert!(ends.iter().all(|end| end.result.is_ok()));
        let word = |frame: &[u8], at: usize| {
            u64::from_le_bytes(frame[8 * at..8 * at + 8].try_into().unwrap())
        };
        let seen = seen.lock().unwrap();
        // Any word of one opening with any of the other, by any two parties: never the column.
        for a in seen.iter() {
            for b in seen.iter() {
                for row in 0..ROWS {
                    let (x, y) = (word(a, row), word(b, ROWS + row));
                    assert_ne!(x, 5, "{engine}");
                    assert_ne!(x.wrapping_add(y), 5, "{engine}");
                    assert_ne!(x.wrapping_sub(y), 5, "{engine}");
                }
            }
        }
    }
}
