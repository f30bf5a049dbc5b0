//! The mesh over QUIC and TCP beside plain quinn and plain rustls, and products over it.

use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tacit_benches::{Mesh, products, three};
use tacit_mpc::EngineKind;
use tacit_net::{Link, Result, Round, mesh::Transport, quic, tcp};

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

type Rounds = fn(usize, usize, usize) -> Result<Duration>;
type Transfer = fn(usize, usize) -> Result<Duration>;

/// Each transport with what the plain library does.
const TRANSPORTS: [(Transport, &str, Rounds, Transfer); 2] = [
    (Transport::Quic, "plain quinn", quic::bare::rounds, quic::bare::transfer),
    (Transport::Tcp, "plain rustls over TCP", tcp::bare::rounds, tcp::bare::transfer),
];

fn rounds(c: &mut Criterion) {
    let mut group = c.benchmark_group("full-mesh round of 100 B, three parties");
    group.sample_size(10).throughput(Throughput::Elements(ROUNDS as u64));
    for (over, plain, rounds, _) in TRANSPORTS {
        let mesh = Mesh::new(PARTIES, over);
        let mut number = 0;
        group.bench_function(plain, |b| {
            b.iter_custom(|times| {
                (0..times).map(|_| rounds(PARTIES, ROUNDS, 100).expect("loopback")).sum()
            });
        });
        group.bench_function(format!("tacit over {over}"), |b| {
            b.iter_custom(|times| {
                let time = |_| {
                    number += 1;
                    mesh.time(number, |link| exchange(link, 100))
                };
                (0..times).map(time).sum::<Duration>()
            });
        });
    }
    group.finish();
}

fn bulk(c: &mut Criterion) {
    let circuit = products(ROWS, TIMES);
    let random = products(ROWS, 0);
    let mut group = c.benchmark_group("rep3 on loopback, 4 times 10 M products");
    group.sample_size(10).throughput(Throughput::Elements((TIMES * ROWS) as u64));
    for (over, plain, _, transfer) in TRANSPORTS {
        let mesh = Mesh::new(PARTIES, over);
        let mut number = 0;
        group.bench_function(format!("{plain}, the same 4 times 80 MB a party"), |b| {
            b.iter_custom(|times| {
                (0..times).map(|_| transfer(PARTIES, TIMES * 8 * ROWS).expect("loopback")).sum()
            });
        });
        for (name, circuit) in [("tacit", &circuit), ("the two operands alone", &random)] {
            group.bench_function(format!("{name} over {over}"), |b| {
                b.iter_custom(|times| {
                    let time = |_| {
                        number += 1;
                        mesh.time(number, |link| {
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
    }
    group.finish();
}

criterion_group!(benches, rounds, bulk);
criterion_main!(benches);
