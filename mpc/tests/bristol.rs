//! Circuits in Bristol Fashion from outside, in both forms, run on every engine.

use std::collections::BTreeMap;

use tacit_mpc::{Column, EngineKind, bristol::Bristol, testing};

const ADDERS: [&str; 2] =
    [include_str!("bristol/adder-4-new.txt"), include_str!("bristol/adder-4-old.txt")];
const COMPARISONS: [&str; 2] =
    [include_str!("bristol/less-4-new.txt"), include_str!("bristol/less-4-old.txt")];

/// All pairs of numbers of four bits.
fn pairs() -> impl Iterator<Item = (u64, u64)> {
    (0..256).map(|row| (row & 15, row >> 4))
}

fn planes(number: fn((u64, u64)) -> u64) -> Vec<Column> {
    (0..4).map(|bit| Column::bits(pairs().map(|pair| number(pair) >> bit & 1 == 1))).collect()
}

/// Runs a circuit on all pairs; party 0 has the first numbers and party 1 the second. Every output
/// bit, by row, in order of the file.
fn outputs(text: &str, engine: EngineKind) -> Vec<Vec<u64>> {
    let bristol = Bristol::parse(text).unwrap();
    let session = testing::session(engine, 3, 3);
    let circuit = bristol.circuit(256, &[0, 1], session.analyst).unwrap();
    let inputs = BTreeMap::from([(0, planes(|pair| pair.0)), (1, planes(|pair| pair.1))]);
    let opened = testing::assert_laws(&circuit, engine, &session.roster, &inputs, 3);
    opened.into_iter().map(|(_, _, column)| column.to_numbers()).collect()
}

#[test]
fn an_adder_from_outside_adds_on_every_engine_in_both_forms() {
    for engine in EngineKind::ALL {
        for text in ADDERS {
            let bits = outputs(text, engine);
            for (row, (x, y)) in pairs().enumerate() {
                let sum: u64 = bits.iter().enumerate().map(|(i, bit)| bit[row] << i).sum();
                assert_eq!(sum, x + y, "{engine}: {x} + {y}");
            }
        }
    }
}

#[test]
fn a_comparison_from_outside_compares_on_every_engine_in_both_forms() {
    for engine in EngineKind::ALL {
        for text in COMPARISONS {
            let bits = outputs(text, engine);
            let less: Vec<u64> = pairs().map(|(x, y)| u64::from(x < y)).collect();
            assert_eq!(bits[0], less, "{engine}");
            // The new form has equality as a second output value.
            if let Some(equal) = bits.get(1) {
                let due: Vec<u64> = pairs().map(|(x, y)| u64::from(x == y)).collect();
                assert_eq!(*equal, due, "{engine}");
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_and_never_panics() {
    for text in ADDERS.iter().chain(&COMPARISONS) {
        let lines: Vec<&str> = text.lines().collect();
        for kept in 0..lines.len() {
            assert!(Bristol::parse(&lines[..kept].join("\n")).is_err(), "{kept} lines");
        }
        for kept in 0..text.len() {
            // Cut within a line, a file may still be whole but for the last newline.
            if let Ok(whole) = Bristol::parse(&text[..kept]) {
                assert!(kept + 1 >= text.len(), "{kept} bytes: {whole:?}");
            }
        }
    }
}

#[test]
fn a_file_with_any_one_number_changed_is_refused_or_still_a_circuit() {
    for text in ADDERS.iter().chain(&COMPARISONS) {
        for (at, word) in text.split_inclusive(char::is_whitespace).enumerate() {
            if word.trim().parse::<u64>().is_err() {
                continue;
            }
            for other in ["0", "7", "4096", "18446744073709551615", "99999999999999999999", "-1"] {
                let changed: String = text
                    .split_inclusive(char::is_whitespace)
                    .enumerate()
                    .map(|(i, word)| if i == at { format!("{other} ") } else { word.to_owned() })
                    .collect();
                if let Ok(bristol) = Bristol::parse(&changed) {
                    let holders = vec![0; bristol.inputs.len()];
                    bristol.circuit(3, &holders, 1).unwrap();
                }
            }
        }
    }
}
