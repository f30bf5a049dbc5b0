//! Circuits of one operator on plain data, and what they cost.
#![allow(dead_code)]

pub mod family;
pub mod plans;

use std::collections::BTreeMap;

use tacit_mpc::{Bit, Builder, Circuit, Column, Op, clear};

/// The numbers of rows at which packing goes wrong first.
pub const ROWS: [usize; 5] = [0, 1, 63, 64, 65];

/// `1` in the lowest `width` places.
pub fn mask(width: usize) -> u64 {
    u64::MAX >> (64 - width)
}

/// The planes of numbers.
pub fn planes(numbers: &[u64], width: usize) -> Vec<Column> {
    (0..width).map(|i| Column::bits(numbers.iter().map(|x| x >> i & 1 == 1))).collect()
}

/// A circuit in which party 0 enters numbers of `width` bits as planes, `operator` computes, and
/// party 1 sees every plane of the result.
pub fn over_planes(
    arguments: usize,
    width: usize,
    rows: usize,
    operator: impl FnOnce(&mut Builder, &[Vec<Bit>]) -> Vec<Bit>,
) -> Circuit {
    let mut b = Builder::new();
    let entered: Vec<Vec<Bit>> =
        (0..arguments).map(|_| (0..width).map(|_| b.enter(0, rows)).collect()).collect();
    for plane in operator(&mut b, &entered) {
        b.reveal(plane, 1, "result");
    }
    b.finish()
}

/// What such a circuit gives for these arguments, by row.
pub fn result(circuit: &Circuit, arguments: &[Vec<u64>], width: usize) -> Vec<u64> {
    let columns = arguments.iter().flat_map(|x| planes(x, width)).collect();
    let opened = clear(circuit, &BTreeMap::from([(0, columns)])).unwrap();
    numbers(opened.iter().map(|(_, _, column)| column))
}

/// Numbers from planes, by row.
pub fn numbers<'a>(planes: impl Iterator<Item = &'a Column>) -> Vec<u64> {
    let mut numbers = Vec::new();
    for (i, plane) in planes.enumerate() {
        numbers.resize(plane.rows(), 0);
        for (row, number) in numbers.iter_mut().enumerate() {
            *number |= plane.row(row) << i;
        }
    }
    numbers
}

/// Longest chain of products, and their number.
pub fn cost(circuit: &Circuit) -> (usize, usize) {
    let mut depth = vec![0; circuit.shapes().len()];
    let mut products = 0;
    let (mut at, mut longest) = (0, 0);
    for (k, instruction) in circuit.instructions().iter().enumerate() {
        let product = usize::from(matches!(instruction.op, Op::Mul));
        products += product;
        let deepest = instruction.args.iter().map(|&a| depth[a as usize]).max();
        let here = deepest.unwrap_or(0) + product;
        longest = longest.max(here);
        let next = circuit.instructions().get(k + 1);
        let end = next.map_or(circuit.shapes().len(), |next| next.first as usize);
        while at < end {
            depth[at] = here;
            at += 1;
        }
    }
    (longest, products)
}
