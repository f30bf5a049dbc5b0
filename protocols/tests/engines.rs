//! The laws, on every engine: execute equals clear, the ledger equals the bill, and a query opens
//! what its rules say in the rounds that were promised.

#[path = "common/mod.rs"]
mod common;
#[path = "common/world.rs"]
mod world;

use std::collections::BTreeMap;

use common::plans::{Draw, case, data, grouped, pool};
use common::{ROWS, planes};
use tacit_mpc::{Bit, Builder, Circuit, Column, EngineKind, Num};
use tacit_protocols as ops;
use tacit_protocols::{Parties, circuit, decode};
use world::World;

/// One circuit with every operator and every macro; party 0 enters bits, party 1 numbers.
fn everything(width: usize, rows: usize, analyst: usize) -> Circuit {
    let mut b = Builder::new();
    let enter = |b: &mut Builder| -> Vec<Bit> { (0..width).map(|_| b.enter(0, rows)).collect() };
    let (x, y, z) = (enter(&mut b), enter(&mut b), enter(&mut b));
    let n: Num = b.enter(1, rows);
    let m: Num = b.enter(1, rows);
    let mut out: Vec<Bit> = Vec::new();
    out.extend(ops::add(&mut b, &x, &y));
    out.extend(ops::subtract(&mut b, &x, &y));
    out.extend(ops::sum_of(&mut b, &[x.clone(), y.clone(), z.clone()]));
    if width <= 12 {
        out.extend(ops::multiply(&mut b, &x, &y));
    }
    out.extend(ops::min(&mut b, &x, &y));
    out.extend(ops::max(&mut b, &y, &z));
    out.push(b.less(&x, &y));
    out.push(b.equal(&x, &y));
    out.push(ops::less_public(&mut b, &x, 5));
    out.push(ops::equal_public(&mut b, &x, 1));
    out.push(ops::in_range_public(&mut b, &x, 1, 7));
    out.extend(b.select(x[0], &y, &z));
    out.extend(ops::suppress(&mut b, x[0], &y));
    out.push(ops::or_all(&mut b, &x));
    out.push(ops::and_all(&mut b, &x));
    out.extend(b.to_bits(n, width));
    let other = b.sub(n, m);
    out.push(b.to_bits(other, width)[width - 1]);
    let out = b.concat(&out);
    b.reveal(out, analyst, "bits");
    let number = b.to_num(&x);
    let product = b.mul(number, n);
    b.reveal(product, analyst, "product");
    let groups: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
    let sums = ops::group_sum(&mut b, m, &groups, 4);
    b.reveal(sums, analyst, "sums");
    b.finish()
}

#[test]
fn every_operator_equals_clear_and_costs_its_bill_on_every_engine() {
    let mut draw = Draw(11);
    for world in World::all() {
        for (width, rows) in [(1, 1), (2, 64), (7, 65), (12, 63), (33, 0), (64, 5)] {
            let circuit = everything(width, rows, world.analyst);
            let mut numbers =
                || -> Vec<u64> { (0..rows).map(|_| draw.word() >> draw.below(64)).collect() };
            let bits = (0..3).flat_map(|_| planes(&numbers(), width)).collect();
            let words = (0..2).map(|_| Column::Num(numbers())).collect();
            world.check(&circuit, &BTreeMap::from([(0, bits), (1, words)]));
        }
    }
}

#[test]
fn conversions_hold_at_every_width_on_every_engine() {
    let mut draw = Draw(5);
    for world in World::all() {
        let mut b = Builder::new();
        let mut columns = Vec::new();
        for width in [1, 2, 3, 31, 32, 33, 63, 64] {
            let rows = ROWS[draw.below(5) as usize];
            let x: Num = b.enter(0, rows);
            let bits = b.to_bits(x, width);
            let back = b.to_num(&bits);
            b.reveal(back, world.analyst, "back");
            columns.push(Column::Num((0..rows).map(|_| draw.word()).collect()));
        }
        world.check(&b.finish(), &BTreeMap::from([(0, columns)]));
    }
}

#[test]
fn random_plans_open_what_the_rules_say_on_every_engine() {
    for world in World::all() {
        for seed in 0..8 {
            let case = case(1000 + seed, world.sites);
            let parties = Parties { holders: (0..world.sites).collect(), analyst: world.analyst };
            let circuit = circuit(&case.plan, &parties).unwrap();
            let entered = case.entered().into_iter().enumerate().collect();
            let opened = world.check(&circuit, &entered);
            let opened = decode(&case.plan, &opened).unwrap();
            assert_eq!(opened, case.plan.open_pooled(&case.pooled()), "{world:?}, seed {seed}");
        }
    }
}

#[test]
fn a_large_grouped_query_runs_as_billed() {
    for world in [World::new(EngineKind::Rep3, 3), World::new(EngineKind::Additive, 2)] {
        let plan = grouped(500, 2, 22);
        let sites = data(&mut Draw(3), &plan, world.sites);
        let parties = Parties { holders: (0..world.sites).collect(), analyst: world.analyst };
        let circuit = circuit(&plan, &parties).unwrap();
        let enter = |own| ops::inputs(&plan, own).unwrap();
        let opened = world.check(&circuit, &sites.iter().map(enter).enumerate().collect());
        assert_eq!(decode(&plan, &opened).unwrap(), plan.open_pooled(&pool(&sites)));
    }
}

#[test]
fn rounds_are_few_and_the_same_for_every_query() {
    for world in World::all() {
        let most = match world.engine {
            EngineKind::Clear => 3,
            EngineKind::Rep3 => 14,
            EngineKind::Additive => 17,
        };
        let parties = Parties { holders: (0..world.sites).collect(), analyst: world.analyst };
        let mut seen = Vec::new();
        for cells in [1, 12, 1000] {
            for aggregates in [0, 1, 5] {
                for bits in [10, 23, 32] {
                    let plan = grouped(cells, aggregates, bits);
                    let bill = world.bill(&circuit(&plan, &parties).unwrap());
                    assert!(bill.rounds <= most, "{world:?}: {} rounds", bill.rounds);
                    seen.push(bill.rounds);
                }
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "{world:?}: {seen:?}");
    }
}
