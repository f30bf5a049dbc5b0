//! [`lower`]: macro instructions rewritten for engines that have none.

use tacit_mpc::{Bit, Builder, Circuit, Handle, Id, Num, Op};

use crate::operators::{addend_planes, equal, is_zero, less, select, sum_planes, to_num};
use crate::tidy::{keeps, live, results, tidy};

/// The same circuit without macro instructions, for an engine that holds a number as so many
/// addends (`EngineKind::addends`).
///
/// Only what is used is built: a `ToBits` of which only the last plane is looked at becomes the
/// tree of that carry instead of an adder.
///
/// # Panics
/// If `addends` is 0.
pub fn lower(circuit: &Circuit, addends: usize) -> Circuit {
    assert!(addends > 0, "an engine holds a number as at least one addend");
    let live = live(circuit);
    let mut b = Builder::new();
    let mut renamed: Vec<Id> = vec![0; circuit.shapes().len()];
    for (at, instruction) in circuit.instructions().iter().enumerate() {
        let results = results(circuit, at);
        let args: Vec<Id> = instruction.args.iter().map(|&a| renamed[a as usize]).collect();
        // What nobody uses may be made of planes that were not built.
        if !keeps(&instruction.op) && !results.clone().any(|id| live[id as usize]) {
            continue;
        }
        match instruction.op {
            Op::ToBits { .. } => {
                let needed: Vec<bool> = results.clone().map(|id| live[id as usize]).collect();
                let planes = some_bits(&mut b, Num::from_id(args[0]), &needed, addends);
                for (old, plane) in results.zip(planes) {
                    if let Some(plane) = plane {
                        renamed[old as usize] = plane.id();
                    }
                }
            }
            Op::ToNum => {
                renamed[results.start as usize] = to_num(&mut b, &planes(&args), addends).id();
            }
            Op::IsZero { width } => {
                let x = Num::from_id(args[0]);
                renamed[results.start as usize] = is_zero(&mut b, x, width, addends).id();
            }
            Op::Less => {
                let (x, y) = args.split_at(args.len() / 2);
                renamed[results.start as usize] = less(&mut b, &planes(x), &planes(y)).id();
            }
            Op::Equal => {
                let (x, y) = args.split_at(args.len() / 2);
                renamed[results.start as usize] = equal(&mut b, &planes(x), &planes(y)).id();
            }
            Op::Select => {
                let (x, y) = args[1..].split_at(args.len() / 2);
                let chosen = select(&mut b, Bit::from_id(args[0]), &planes(x), &planes(y));
                for (old, plane) in results.zip(chosen) {
                    renamed[old as usize] = plane.id();
                }
            }
            ref op => {
                let new = b.push(op.clone(), &args);
                for (old, new) in results.zip(new) {
                    renamed[old as usize] = new;
                }
            }
        }
    }
    tidy(&b.finish())
}

/// The needed bits of a number; bits above the last needed one are not even entered.
fn some_bits(b: &mut Builder, x: Num, needed: &[bool], addends: usize) -> Vec<Option<Bit>> {
    let width = needed.iter().rposition(|&n| n).map_or(0, |top| top + 1);
    let all = addend_planes(b, x, width, addends);
    sum_planes(b, &all, &needed[..width])
}

fn planes(ids: &[Id]) -> Vec<Bit> {
    ids.iter().map(|&id| Bit::from_id(id)).collect()
}
