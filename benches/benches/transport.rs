//! The QUIC mesh beside plain quinn with the same settings, and products over it.

use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tacit_benches::{Quic, products, three};
use tacit_mpc::EngineKind;
use tacit_net::{Link, Round, quic::bare};

const PARTIES: usize = 3;
const ROUNDS: usize = 2000;
const ROWS: usize = 10_000_000;
/// Products in one run, one after the other.
const TIMES: usize = 4;

fn exchange(link: &mut impl Link, bytes: usize) {
    let peers: Vec<usize> = (0..PARTIES).filter(|&peer| peer != link.me()).collect();
    let frame = Bytes::from(vec![0; bytes]);
    for _ in 0..ROUNDS {
        let send = peers.iter().map(|&peer| (peer, frame.clone())).collect();
        let expect = peers.iter().map(|&peer| (peer, bytes)).collect();
        link.exchange(Round { send, expect }).expect("a round");
    }
}

fn rounds(c: &mut Criterion) {
    let quic = Quic::new(PARTIES);
    let mut number = 0;
    let mut group = c.benchmark_group("full-mesh round of 100 B, three parties");
    group.sample_size(10).throughput(Throughput::Elements(ROUNDS as u64));
    group.bench_function("plain quinn", |b| {
        b.iter_custom(|times| {
            (0..times).map(|_| bare::rounds(PARTIES, ROUNDS, 100).expect("quinn")).sum()
        });
    });
    group.bench_function("tacit", |b| {
        b.iter_custom(|times| {
            let time = |_| {
                number += 1;
                quic.time(number, |link| exchange(link, 100))
            };
            (0..times).map(time).sum::<Duration>()
        });
    });
    group.finish();
}

fn bulk(c: &mut Criterion) {
    let quic = Quic::new(PARTIES);
    let circuit = products(ROWS, TIMES);
    let random = products(ROWS, 0);
    let mut number = 0;
    let mut group = c.benchmark_group("rep3 over QUIC on loopback, 4 times 10 M products");
    group.sample_size(10).throughput(Throughput::Elements((TIMES * ROWS) as u64));
    group.bench_function("plain quinn, the same 4 times 80 MB a party", |b| {
        b.iter_custom(|times| {
            (0..times).map(|_| bare::transfer(PARTIES, TIMES * 8 * ROWS).expect("quinn")).sum()
        });
    });
    for (name, circuit) in [("tacit", &circuit), ("the two operands alone", &random)] {
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let time = |_| {
                    number += 1;
                    quic.time(number, |link| {
                        tacit_mpc::run(
                            circuit,
                            EngineKind::Rep3,
                            &three(),
                            link,
                            Vec::new(),
                            &mut |_| Ok(()),
                        )
                        .expect("the run succeeds");
                    })
                };
                (0..times).map(time).sum::<Duration>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rounds, bulk);
criterion_main!(benches);
