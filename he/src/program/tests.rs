//! Programs on plain numbers: every task does what it says on integers, and the whole equals the clear
//! interpreter. Thousands of circuits cost seconds this way; what ciphertexts do is tested on few.

use std::collections::BTreeMap;

use tacit_mpc::{Builder, Circuit, Column, Num, clear};

use super::{Kind, Program, Work, bits::Gate, form::Form, reveal::Item};
use crate::{fields, testing};

struct Plain<'a> {
    program: &'a Program,
    inputs: &'a BTreeMap<usize, Vec<Column>>,
}

impl Plain<'_> {
    fn row(&self, party: usize, index: usize) -> u128 {
        let rows = self.inputs[&party].iter().flat_map(Column::to_numbers);
        u128::from(rows.into_iter().nth(index).unwrap())
    }

    fn signed(bit: super::Ref, value: u128) -> u128 {
        value ^ u128::from(bit.not)
    }

    fn modulo(value: u128, blocks: usize) -> u128 {
        if blocks >= 64 { value } else { value & ((1 << (2 * blocks)) - 1) }
    }

    fn run(&self, work: &Work, needs: &[u128]) -> u128 {
        let program = self.program;
        match *work {
            Work::Atom(atom) => {
                let info = &program.atoms[atom as usize];
                let value = match info.kind {
                    Kind::Input { party, index } => self.row(party, index),
                    Kind::Bit(_) => unreachable!("bits are gates"),
                    Kind::Product(..) => {
                        Self::modulo(needs[0].wrapping_mul(needs[1]), info.blocks())
                    }
                    Kind::Choose(c, x, y) => {
                        let nil = |form: u32| program.forms[form as usize] == Form::default();
                        let (yes, no) = match (nil(x), nil(y)) {
                            (_, true) => (needs[1], 0),
                            (true, _) => (0, needs[1]),
                            _ => (needs[1], needs[2]),
                        };
                        let chosen = if Self::signed(c, needs[0]) == 1 { yes } else { no };
                        Self::modulo(chosen, info.blocks())
                    }
                    Kind::Reduced(_, width) => needs[0] & ((1 << width) - 1),
                };
                assert!(value <= u128::from(info.most), "{info:?} is {value}");
                value
            }
            Work::Gate(gate) => match &program.gates[gate as usize] {
                Gate::Input { party, index } => self.row(*party, *index),
                Gate::Plane { index, .. } => needs[0] >> index & 1,
                Gate::And(parts) => {
                    let mut all = parts.iter().zip(needs);
                    u128::from(all.all(|(part, &need)| Self::signed(*part, need) == 1))
                }
                Gate::Xor(_) => needs.iter().sum::<u128>() & 1,
                gate => unreachable!("{gate:?} is a comparison"),
            },
            Work::Against { form, constant, equal, not } => {
                let value = match program.digits(form) {
                    Some((_, digits)) => Self::modulo(needs[0], digits),
                    None => needs[0],
                };
                if let Some(&high) = needs.get(1) {
                    let rest = Self::modulo(value, Program::low_digits(constant.max(1)));
                    assert_eq!(high == 1, rest != value, "what is above the low digits");
                }
                let bit = if equal { value == constant } else { value < constant };
                u128::from(bit != not)
            }
            Work::Between { equal, .. } => {
                u128::from(if equal { needs[0] == needs[1] } else { needs[0] < needs[1] })
            }
            Work::Digits(_) => needs.iter().sum(),
            Work::High { from, digits, .. } => {
                u128::from(Self::modulo(needs[0], digits) >> (2 * from) != 0)
            }
            Work::Value { form, blocks } if program.digits(form).is_some() => {
                let (_, digits) = program.digits(form).unwrap();
                Self::modulo(needs[0], digits.min(blocks))
            }
            Work::Value { form, blocks } => {
                let form = &program.forms[form as usize];
                let mut sum = form.constant as u128;
                for ((&atom, &c), &need) in form.terms.iter().zip(needs) {
                    let value = match program.atoms[atom as usize].kind {
                        Kind::Bit(bit) => Self::signed(bit, need),
                        _ => need,
                    };
                    sum = sum.wrapping_add((c as u128).wrapping_mul(value));
                }
                Self::modulo(sum, blocks)
            }
            Work::Item(item) => match &program.outputs.items[item] {
                Item::Number { .. } => needs[0],
                Item::Bit(bit) => Self::signed(*bit, needs[0]),
            },
        }
    }
}

/// Runs a program on plain numbers and decodes what it opens, which is nothing that no column is read
/// from.
pub(super) fn plain(
    program: &Program,
    inputs: &BTreeMap<usize, Vec<Column>>,
) -> Vec<(usize, String, Column)> {
    let plain = Plain { program, inputs };
    let mut values: Vec<u128> = Vec::new();
    let (mut digits, mut bits): (Vec<u8>, Vec<u8>) = Default::default();
    let read = program.outputs.read();
    for task in &program.tasks {
        let needs: Vec<u128> = task.needs.iter().map(|&need| values[need]).collect();
        let value = plain.run(&task.work, &needs);
        if let Work::Item(item) = task.work {
            assert_eq!(value & !u128::from(read[item]), 0, "what the plan does not list");
            let item = &program.outputs.items[item];
            match item {
                Item::Number { blocks, .. } => {
                    digits.extend((0..*blocks).map(|i| (value >> (2 * i) & 3) as u8));
                }
                Item::Bit(_) => bits.push(value as u8),
            }
        }
        values.push(value);
    }
    program.decode(&program.outputs.layout().write(&digits, &bits)).unwrap()
}

fn assert_equal(circuit: &Circuit, width: u32, inputs: &BTreeMap<usize, Vec<Column>>, what: &str) {
    let fields = fields(circuit, 3, |_, _| width).unwrap();
    let program = Program::new(circuit, &fields).unwrap();
    let due = clear(circuit, inputs).unwrap();
    let found = plain(&program, inputs);
    assert_eq!(found.len(), due.len());
    for (found, due) in found.iter().zip(&due) {
        assert_eq!(found.2.to_numbers(), due.2.to_numbers(), "{what}: {}", due.1);
        assert_eq!((found.0, &found.1), (due.0, &due.1));
    }
}

#[test]
fn programs_mean_what_circuits_mean() {
    for seed in 0..3000 {
        let (steps, rows) = (3 + seed as usize % 30, 1 + seed as usize % 3);
        let width = [1, 5, 8, 20, 33, 63][seed as usize % 6];
        let (circuit, inputs) = testing::circuit(seed, steps, rows, width);
        assert_equal(&circuit, width, &inputs, &format!("seed {seed}"));
    }
}

#[test]
fn a_threshold_is_one_comparison_and_a_hidden_number_is_decrypted_whole() {
    let mut b = Builder::new();
    let own: Vec<Num> = (0..3).map(|party| b.enter(party, 1)).collect();
    let sum = b.add(own[0], own[1]);
    let sum = b.add(sum, own[2]);
    let least = b.constant(11, 1);
    let difference = b.sub(sum, least);
    let sign = b.to_bits(difference, 27)[26];
    let shown = b.not(sign);
    let planes = b.to_bits(sum, 26);
    for (i, &plane) in planes.iter().enumerate() {
        let opened = b.and(plane, shown);
        b.reveal(opened, 3, format!("plane {i}"));
    }
    b.reveal(shown, 3, "shown");
    let circuit = b.finish();
    let fields = fields(&circuit, 3, |_, _| 24).unwrap();
    let program = Program::new(&circuit, &fields).unwrap();
    let compared = program.tasks.iter().filter(|task| matches!(task.work, Work::Against { .. }));
    assert_eq!(compared.count(), 1);
    let planes = program.tasks.iter().filter(|task| matches!(task.work, Work::Gate(_)));
    assert_eq!(planes.count(), 0, "no bit is taken out of a number");
    // 26 bits of the number and one of the status, five at a time.
    assert_eq!(program.released(), 6);
    for counts in [[3, 4, 3], [3, 4, 4], [1 << 23, 77, (1 << 24) - 1]] {
        let column = |(party, &count): (usize, &u64)| (party, vec![Column::Num(vec![count])]);
        let inputs = counts.iter().enumerate().map(column).collect();
        assert_equal(&circuit, 24, &inputs, "threshold");
    }
}

#[test]
fn what_there_is_no_evaluation_of_is_named() {
    let mut b = Builder::new();
    let x: Num = b.enter(0, 2);
    let noise: Num = b.random(2);
    let y = b.add(x, noise);
    b.reveal(y, 3, "noisy");
    let circuit = b.finish();
    let fields = fields(&circuit, 3, |_, _| 8).unwrap();
    let text = Program::new(&circuit, &fields).unwrap_err().to_string();
    assert!(text.contains("instruction 1") && text.contains("randomness"), "{text}");
    assert!(text.contains("multi-party"), "{text}");
}
