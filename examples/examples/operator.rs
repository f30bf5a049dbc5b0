//! An operator in ten lines: write it once, and every engine runs it.
//!
//! `cargo run --release -p tacit-examples --example operator`

use std::collections::BTreeMap;

use tacit_mpc::{Bit, Builder, Column, EngineKind, Num, testing};
use tacit_protocols::{lower, or_all};

/// 1 where `x` (below 2^`width`) is outside `low ..= high`, all public but `x`.
///
/// Both comparisons are the top bit of a difference, so they cost one carry chain side by side:
/// on `rep3` 1 + ceil(log2(width + 1)) rounds, and one more for the OR.
fn outside(b: &mut Builder, x: Num, width: usize, low: u64, high: u64) -> Bit {
    let rows = b.rows(x);
    let sign_of_difference = |b: &mut Builder, c: u64| {
        let c: Num = b.constant(c, rows);
        let difference = b.sub(x, c);
        b.to_bits(difference, width + 1)[width]
    };
    let below = sign_of_difference(b, low);
    let not_above = sign_of_difference(b, high + 1);
    let above = b.not(not_above);
    or_all(b, &[below, above])
}

fn main() {
    let ages = [17, 18, 19, 40, 64, 65, 66, 101];
    for engine in [EngineKind::Clear, EngineKind::Rep3, EngineKind::Additive] {
        let session = testing::session(engine, 3, 3);
        let mut b = Builder::new();
        let x: Num = b.enter(0, ages.len());
        let y = outside(&mut b, x, 7, 18, 65);
        b.reveal(y, session.analyst, "outside");
        let circuit = lower(&b.finish(), engine.addends(3));

        let inputs = BTreeMap::from([(0, vec![Column::Num(ages.to_vec())])]);
        // Checks that the run equals the clear interpreter and the ledger equals the bill.
        let opened = testing::assert_laws(&circuit, engine, &session.roster, &inputs, 1);
        let outside: Vec<u64> = opened[0].2.to_numbers();
        assert_eq!(outside, ages.map(|age| u64::from(!(18..=65).contains(&age))));

        let bill = tacit_mpc::bill(&circuit, engine, &session.roster).expect("a bill");
        println!("{engine:>8}: {outside:?} in {} rounds; {}", bill.rounds, engine.security());
    }
}
