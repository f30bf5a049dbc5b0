//! The engine without a network: products, ANDs, dispatch, and a query of 10,000 cells.

use std::{hint::black_box, time::Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tacit_benches::{ands, memory_mesh, products, run_rep3, three};
use tacit_mpc::{EngineKind, bill};

/// Products in one run: enough that making the two operands weighs little.
const TIMES: usize = 8;

fn throughput(c: &mut Criterion) {
    let mut group = c.benchmark_group("rep3 in memory, three parties");
    group.sample_size(10);
    let mut number = 0;
    for (name, rows, circuit) in [
        ("products of 10 M numbers", 10_000_000, products(10_000_000, TIMES)),
        ("ANDs of 640 M bits", 640_000_000, ands(640_000_000, TIMES)),
    ] {
        group.throughput(Throughput::Elements((rows * TIMES) as u64));
        group.bench_function(name, |b| {
            let mesh = || {
                number += 1;
                memory_mesh(number)
            };
            b.iter_batched(
                mesh,
                |mut links| run_rep3(&circuit, &mut links),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();

    // The reference for products: the bytes of masks and operands that they must touch.
    let mut group = c.benchmark_group("limit");
    let words = 10_000_000;
    let from = vec![1_u64; words];
    let mut to = vec![0_u64; words];
    group.throughput(Throughput::Bytes(8 * words as u64));
    group.bench_function("copy of 80 MB, one thread", |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)));
    });
    group.finish();
}

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("rep3 in memory, three parties");
    let rounds = 1000;
    let circuit = products(1, rounds);
    group.throughput(Throughput::Elements(rounds as u64));
    let mut number = 1 << 32;
    group.bench_function("rounds of one product", |b| {
        b.iter_custom(|times| {
            let mut total = std::time::Duration::ZERO;
            for _ in 0..times {
                number += 1;
                let mut links = memory_mesh(number);
                let start = Instant::now();
                run_rep3(&circuit, &mut links);
                total += start.elapsed();
            }
            total
        });
    });
    group.finish();

    let wide = {
        let mut b = tacit_mpc::Builder::new();
        let x: tacit_mpc::Bit = b.random(64);
        for _ in 0..3000 {
            let _ = b.and(x, x);
        }
        b.finish()
    };
    let mut group = c.benchmark_group("bill");
    group.bench_function("3000 instructions", |b| {
        b.iter(|| bill(black_box(&wide), EngineKind::Rep3, &three()).expect("a bill"));
    });
    group.finish();
}

criterion_group!(benches, throughput, dispatch);
criterion_main!(benches);
