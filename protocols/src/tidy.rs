//! Leaves out of a circuit what nobody uses and what is computed twice.

use std::collections::HashMap;

use tacit_mpc::{Circuit, Id, Op, Shape};

/// The same circuit without dead instructions, and with equal instructions on equal arguments
/// once.
///
/// Every `Enter` stays, used or not: what a holder enters is agreed, not inferred.
pub fn tidy(circuit: &Circuit) -> Circuit {
    let live = live(circuit);
    let mut out = Circuit::default();
    let mut renamed: Vec<Id> = vec![0; circuit.shapes().len()];
    let mut seen: HashMap<Key, Id> = HashMap::new();
    for (at, instruction) in circuit.instructions().iter().enumerate() {
        let results = results(circuit, at);
        if !keeps(&instruction.op) && !results.clone().any(|id| live[id as usize]) {
            continue;
        }
        let mut args: Vec<Id> = instruction.args.iter().map(|&a| renamed[a as usize]).collect();
        if matches!(instruction.op, Op::Add | Op::Mul) {
            args.sort_unstable();
        }
        let first = if let Some(same) = identity(&instruction.op, &args, &out) {
            same
        } else if let Some(&known) = key(&instruction.op, &args).and_then(|k| seen.get(&k)) {
            known
        } else {
            let key = key(&instruction.op, &args);
            let new = out
                .push(instruction.op.clone(), &args)
                .expect("an instruction that was valid stays so")
                .start;
            if let Some(key) = key {
                seen.insert(key, new);
            }
            new
        };
        for (new, old) in (first..).zip(results) {
            renamed[old as usize] = new;
        }
    }
    out
}

/// By column, whether something that has an effect needs it.
pub fn live(circuit: &Circuit) -> Vec<bool> {
    let mut live = vec![false; circuit.shapes().len()];
    for (at, instruction) in circuit.instructions().iter().enumerate().rev() {
        if keeps(&instruction.op) || results(circuit, at).any(|id| live[id as usize]) {
            for &arg in &instruction.args {
                live[arg as usize] = true;
            }
        }
    }
    live
}

/// Results of instruction `at`.
pub fn results(circuit: &Circuit, at: usize) -> std::ops::Range<Id> {
    let instructions = circuit.instructions();
    let end = instructions.get(at + 1).map_or(circuit.shapes().len() as Id, |next| next.first);
    instructions[at].first..end
}

/// Whether an instruction stays even if nobody uses what it gives.
pub fn keeps(op: &Op) -> bool {
    matches!(op, Op::Enter { .. } | Op::Reveal { .. })
}

/// The argument that `op` returns unchanged.
fn identity(op: &Op, args: &[Id], out: &Circuit) -> Option<Id> {
    let &[only] = args else { return None };
    let Shape { rows, .. } = out.shape(only);
    let same = match op {
        Op::Slice { start: 0, rows: n } | Op::Broadcast { rows: n } => *n == rows,
        Op::Concat | Op::Scale(1) => true,
        Op::Transpose { columns } => *columns == 1 || *columns == rows,
        _ => false,
    };
    same.then_some(only)
}

/// What makes two instructions equal: a number for the operation, its parameters, its arguments.
type Key = (u8, [u64; 3], Vec<Id>);

/// `None` for what must never be merged (inputs, randomness, openings), for long public indices
/// and for macros.
fn key(op: &Op, args: &[Id]) -> Option<Key> {
    let (code, parameters) = match *op {
        Op::Constant { value, shape } => (0, [value, shape.rows as u64, shape.kind as u64]),
        Op::Add => (1, [0; 3]),
        Op::Sub => (2, [0; 3]),
        Op::Scale(c) => (3, [c, 0, 0]),
        Op::Sum => (4, [0; 3]),
        Op::Slice { start, rows } => (5, [start as u64, rows as u64, 0]),
        Op::Concat => (6, [0; 3]),
        Op::Broadcast { rows } => (7, [rows as u64, 0, 0]),
        Op::Mul => (8, [0; 3]),
        Op::PrefixSum => (10, [0; 3]),
        Op::Transpose { columns } => (11, [columns as u64, 0, 0]),
        Op::Addend { index, width } => (9, [index as u64, width as u64, 0]),
        _ => return None,
    };
    Some((code, parameters, args.to_vec()))
}
