//! What a protocol costs: rounds and bytes as billed and as counted, time on a simulated network
//! and time of computing, the work of a dealer apart.
//!
//! `cargo run --release -p tacit-examples --example benchmark`

use std::{collections::BTreeMap, thread, time::Instant};

use tacit_mpc::{Bill, Builder, Circuit, Column, EngineKind, Num, bill, run, testing};
use tacit_net::{Counted, Profile, Simulated, simulated};
use tacit_protocols::lower;

const ROWS: usize = 100_000;
const WIDTH: usize = 32;

/// `x < y` for two columns of two parties.
fn comparison(engine: EngineKind, analyst: usize, compute: usize) -> Circuit {
    let mut b = Builder::new();
    let x: Num = b.enter(0, ROWS);
    let y: Num = b.enter(1, ROWS);
    let (x, y) = (b.to_bits(x, WIDTH), b.to_bits(y, WIDTH));
    let less = b.less(&x, &y);
    b.reveal(less, analyst, "x < y");
    lower(&b.finish(), engine.addends(compute))
}

/// Rounds, and bytes sent, of the busiest party as counted; seconds on the virtual clock; seconds
/// of the whole run in memory.
struct Measured {
    rounds: u64,
    sent: u64,
    network: f64,
    computing: f64,
}

fn measure(
    circuit: &Circuit,
    engine: EngineKind,
    session: &testing::Session,
    profile: Profile,
) -> Measured {
    let column = |seed: u64| {
        Column::Num(
            (0..ROWS as u64).map(|i| (i + 1) * (seed + 2_654_435_761) % (1 << 32)).collect(),
        )
    };
    let inputs = BTreeMap::from([(0, vec![column(1)]), (1, vec![column(5)])]);
    let links = simulated::mesh(session.roster.parties, [7; 32], profile);
    let start = Instant::now();
    let parties: Vec<(u64, u64, f64)> = thread::scope(|scope| {
        let party = |(me, link): (usize, Simulated)| {
            let own = inputs.get(&me).cloned().unwrap_or_default();
            scope.spawn(move || {
                let mut link = Counted::new(link);
                run(circuit, engine, &session.roster, &mut link, own, &mut |_| Ok(()))
                    .expect("the run succeeds");
                let ledger = link.ledger();
                (ledger.rounds, ledger.sent(), link.get_ref().elapsed().as_secs_f64())
            })
        };
        let threads: Vec<_> = links.into_iter().enumerate().map(party).collect();
        threads.into_iter().map(|thread| thread.join().expect("a party")).collect()
    });
    let compute = session.roster.compute.iter().map(|&party| &parties[party]);
    Measured {
        rounds: parties.iter().map(|party| party.0).max().unwrap_or_default(),
        sent: compute.map(|party| party.1).max().unwrap_or_default(),
        network: parties.iter().map(|party| party.2).fold(0.0, f64::max),
        computing: start.elapsed().as_secs_f64(),
    }
}

/// Bytes that a dealer sends before anything else.
fn offline(bill: &Bill, session: &testing::Session) -> u64 {
    session.roster.dealer.map_or(0, |dealer| bill.parties[dealer].sent)
}

fn main() {
    println!("{ROWS} comparisons of {WIDTH} bits; bytes are sent by the busiest compute party");
    println!("network: simulated, 20 ms one way, 100 Mbit/s; computing: all parties, this machine");
    for (engine, sites) in
        [(EngineKind::Rep3, 3), (EngineKind::Additive, 2), (EngineKind::Additive, 3)]
    {
        let session = testing::session(engine, sites, sites);
        let circuit = comparison(engine, session.analyst, sites);
        let bill = bill(&circuit, engine, &session.roster).expect("a bill");
        let run = measure(&circuit, engine, &session, Profile::WAN);
        let compute = session.roster.compute.iter();
        let billed = compute.map(|&party| bill.parties[party].sent).max().unwrap_or_default();
        assert_eq!((run.rounds, run.sent), (bill.rounds, billed), "the ledger equals the bill");
        println!(
            "\n{engine}, {sites} compute parties: {}\n  \
             rounds {}, sent {:.1} B a row, network {:.3} s, computing {:.3} s",
            engine.security(),
            run.rounds,
            run.sent as f64 / ROWS as f64,
            run.network,
            run.computing,
        );
        if let Some(source) = engine.triples() {
            println!(
                "  offline: {} bit triples, {} bytes from the dealer; triples: {source}",
                bill.bit_triples,
                offline(&bill, &session),
            );
        }
    }
}
