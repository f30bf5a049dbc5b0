//! Homomorphic evaluation on real ciphertexts: what a site, an evaluator, a key holder and the analyst do.
//!
//! Keys are made once and kept in the target folder. `tacit bench fhe` gives the same and more figures,
//! with `rep3` beside them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use tacit_he::{Error, Program, accept, encrypt, evaluate, fields, testing::World};
use tacit_mpc::{Builder, Circuit, Column, Num};

/// Aggregates of an upload.
const AGGREGATES: usize = 100;

/// Cells that are evaluated at once, so that every core has work.
const CELLS: usize = 4;

fn world() -> World {
    World::load(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// A site's upload of 100 aggregates, and the check of its proofs.
fn uploads(c: &mut Criterion) {
    let world = world();
    let mut group = c.benchmark_group("fhe-upload-100");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    for bits in [16_u32, 24, 32] {
        let mut b = Builder::new();
        let _: Num = b.enter(0, AGGREGATES);
        let circuit = b.finish();
        let fields = fields(&circuit, 1, |_, _| bits).expect("fields");
        let columns = [Column::Num((0..AGGREGATES as u64).collect())];
        let session = World::session(circuit.digest());
        let make =
            || encrypt(&world.encryption, &session, 0, &fields[0], &columns).expect("an upload");
        let bytes = make();
        group.bench_function(format!("encrypt-{bits}"), |b| b.iter(make));
        group.bench_function(format!("accept-{bits}"), |b| {
            b.iter(|| accept(&world.encryption, &session, 0, &fields[0], &bytes).expect("proofs"));
        });
    }
    group.finish();
}

/// Counts of three sites: added up, and hidden below 11.
fn counts(bits: u32, hide: bool) -> Circuit {
    let mut b = Builder::new();
    let own: Vec<Num> = (0..3).map(|site| b.enter(site, CELLS)).collect();
    let sum = b.add(own[0], own[1]);
    let sum = b.add(sum, own[2]);
    let width = bits as usize + 2;
    let planes = b.to_bits(sum, width);
    let least = b.constant(11, CELLS);
    let below = b.sub(sum, least);
    let hidden = b.to_bits(below, width + 1)[width];
    let shown = b.not(hidden);
    for (i, plane) in planes.into_iter().enumerate() {
        let opened = if hide { b.and(plane, shown) } else { plane };
        b.reveal(opened, 3, format!("plane {i}"));
    }
    b.finish()
}

/// Cells before squashing, and squashing.
fn cells(c: &mut Criterion) {
    let world = world();
    let mut group = c.benchmark_group(format!("fhe-{CELLS}-cells"));
    group.sample_size(10).measurement_time(Duration::from_mins(1));
    for bits in [16_u32, 24, 32] {
        for (name, hide) in [("sum", false), ("suppress", true)] {
            let circuit = counts(bits, hide);
            let fields = fields(&circuit, 4, |_, _| bits).expect("fields");
            let program = Program::new(&circuit, &fields).expect("a program");
            let inputs: BTreeMap<usize, Vec<Column>> = (0..3)
                .map(|site| (site, vec![Column::Num((0..CELLS as u64).map(|i| 3 * i).collect())]))
                .collect();
            let uploads = world.uploads(&World::session(circuit.digest()), &fields, &inputs);
            let squashing = program.released();
            group.bench_function(format!("{name}-{bits}"), |b| {
                b.iter(|| {
                    let watch = |done: usize, total: usize| done + squashing < total;
                    let ended = evaluate(&world.evaluation, &program, &uploads, 0, &watch);
                    assert!(matches!(ended, Err(Error::Stopped)), "it stops before squashing");
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, uploads, cells);
criterion_main!(benches);
