//! A protocol of one's own: its laws on random circuits, and its figures beside those of `rep3`.
//!
//! The protocol is one file, `examples/src/shamir.rs`.
//!
//! `cargo run --release -p tacit-examples --example shamir`

use std::{collections::BTreeMap, time::Instant};

use tacit_examples::shamir::Shamir;
use tacit_mpc::{
    Builder, Circuit, Column, EngineKind, Field, Handle, Num, Roster,
    engine::Protocol,
    testing::{assert_laws, random_circuit, world},
    tile,
};

const ROWS: usize = 100_000;
const PRODUCTS: usize = 10;

/// `n` compute parties, then a receiver.
fn roster(n: usize) -> Roster {
    Roster { parties: n + 1, compute: (0..n).collect(), dealer: None }
}

/// Runs random circuits; `assert_laws` ends the program if one of them breaks a law.
fn laws(n: usize) -> usize {
    let mut runs = 0;
    for rows in [0, 1, 2, 65, 200] {
        for seed in 0..8 {
            let (circuit, inputs) = random_circuit::<Field>(&[0, n - 1], n, rows, seed);
            assert_laws(&circuit, Shamir, &roster(n), &inputs, seed);
            let tiled = tile(&circuit, 64).expect("a circuit without macros");
            assert_laws(&tiled, Shamir, &roster(n), &inputs, seed);
            runs += 2;
        }
    }
    runs
}

/// Squares a column again and again.
fn squares<H: Handle>(analyst: usize) -> Circuit {
    let mut b = Builder::new();
    let mut x: H = b.enter(0, ROWS);
    for _ in 0..PRODUCTS {
        x = b.mul(x, x);
    }
    let sum = b.sum(x);
    b.reveal(sum, analyst, "sum");
    b.finish()
}

/// Runs it among `n` parties and prints a line.
fn figures<H: Handle>(protocol: &dyn Protocol, n: usize, column: fn(Vec<u64>) -> Column) {
    let circuit = squares::<H>(n);
    let inputs = BTreeMap::from([(0, vec![column((0..ROWS as u64).collect())])]);
    let start = Instant::now();
    let outcome = world(&circuit, protocol, &roster(n), &inputs, 7).expect("the run succeeds");
    let seconds = start.elapsed().as_secs_f64();
    let sent = |party: &usize| outcome.ledgers[*party].sent();
    for (ledger, cost) in outcome.ledgers.iter().zip(&outcome.bill.parties) {
        let (counted, billed) = (
            (ledger.rounds, ledger.sent(), ledger.received()),
            (cost.rounds, cost.sent, cost.received),
        );
        assert_eq!(counted, billed, "the ledger equals the bill");
    }
    let busiest = roster(n).compute.iter().map(sent).max().unwrap_or_default();
    println!(
        "{:<7} n = {n}: {:>3} rounds, {:>5.1} B a row and product sent by the busiest party, {:>7.1} M/s",
        protocol.to_string(),
        outcome.bill.rounds,
        busiest as f64 / (ROWS * PRODUCTS) as f64,
        (ROWS * PRODUCTS) as f64 / seconds / 1e6,
    );
}

fn main() {
    for n in [3, 4, 5, 7] {
        println!("shamir, n = {n}: {} runs of random circuits keep the laws", laws(n));
    }
    println!(
        "\n{PRODUCTS} products one after the other on {ROWS} rows, all parties on this machine,"
    );
    println!("entering and opening included:");
    figures::<Num>(&EngineKind::Rep3, 3, Column::Num);
    for n in [3, 4, 5, 7] {
        figures::<Field>(&Shamir, n, Column::Field);
    }
}
