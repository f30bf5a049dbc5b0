//! The figures of homomorphic evaluation, on real ciphertexts and few cells.
#![cfg(feature = "fhe")]

use tacit_bench::fhe::{Figures, Order, measure, text};

#[test]
#[ignore = "slow: real ciphertexts"]
fn every_phase_gets_a_figure_and_the_count_equals_rep3() {
    let order = Order { holders: 2, cells: 3, bits: 8, sample: 2 };
    let mut told = Vec::new();
    let figures = measure(&order, &mut |what| told.push(what.to_owned())).unwrap();
    assert!(told.len() >= 9, "{told:?}");
    let text = text(&figures);
    println!("{text}");
    let count = &figures.count;
    for seconds in [
        figures.keys.make,
        figures.opened.squash,
        figures.opened.partial,
        count.encrypt,
        count.accept,
        count.evaluate,
        count.squash,
        count.rep3.seconds,
    ] {
        assert!(seconds > 0.0, "{text}");
    }
    assert!(figures.cells.iter().all(|cell| cell.evaluated() > 0.0), "{text}");
    assert!(count.rep3.bytes > 0 && count.bytes > count.rep3.bytes, "{text}");
    let json = serde_json::to_string(&figures).unwrap();
    let back: Figures = serde_json::from_str(&json).unwrap();
    assert_eq!((back.cells.len(), back.schema), (3, 1));
}
