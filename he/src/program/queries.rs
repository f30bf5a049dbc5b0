//! Circuits of whole queries on plain numbers: they equal the clear interpreter, and what they cost is known.

use std::collections::BTreeMap;

use tacit_mpc::{Column, clear};
use tacit_plan::{Plan, Role};
use tacit_protocols::{Parties, circuit};

use super::{Program, tests::plain};
use crate::fields;

#[path = "../../../protocols/tests/common/plans.rs"]
#[allow(dead_code, reason = "the tests of protocols use all of it")]
mod plans;

/// The program of a plan among three sites, whose columns are as wide as the plan says.
fn program(plan: &Plan) -> Program {
    let parties = Parties { holders: vec![0, 1, 2], analyst: 3 };
    let circuit = circuit(plan, &parties).unwrap();
    let fields = fields(&circuit, 4, |_, slot| width(plan, slot)).unwrap();
    Program::new(&circuit, &fields).unwrap()
}

/// A sum can be negative: it needs the whole ring.
fn width(plan: &Plan, slot: usize) -> u32 {
    let input = &plan.inputs[slot];
    if matches!(input.role, Role::Sum) { 64 } else { input.bits }
}

#[test]
fn random_queries_open_what_the_clear_interpreter_opens() {
    let mut seen = 0;
    for seed in 0..150 {
        let case = plans::case(seed, 3);
        if case.plan.cells() > 5 {
            continue;
        }
        seen += 1;
        let parties = Parties { holders: vec![0, 1, 2], analyst: 3 };
        let circuit = circuit(&case.plan, &parties).unwrap();
        let inputs: BTreeMap<usize, Vec<Column>> = case.entered().into_iter().enumerate().collect();
        let due = clear(&circuit, &inputs).unwrap();
        let found = plain(&program(&case.plan), &inputs);
        assert_eq!(found.len(), due.len());
        for (found, due) in found.iter().zip(&due) {
            assert_eq!(found.2.to_numbers(), due.2.to_numbers(), "seed {seed}: {}", due.1);
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_cell_of_a_grouped_count_is_compared_twice_and_masked_whole() {
    use super::Work;
    let program = program(&plans::grouped(50, 0, 24));
    let count = |of: fn(&Work) -> bool| program.tasks.iter().filter(|task| of(&task.work)).count();
    // 50 cells and the total; each is asked whether it is below 1 and below 11.
    assert_eq!(count(|work| matches!(work, Work::Against { .. })), 102);
    // 24 bits of value and two of status a cell.
    assert_eq!(program.released(), 50 * 26 / 5);
}
