//! A joint count among three programs, from library code: keys, a QUIC mesh, a circuit, an engine.
//!
//! Three clinics hold how many of their patients fall into each of four groups. They learn nothing
//! of each other; the fourth party learns the totals of groups that hold none or at least eleven.
//!
//! `cargo run --release -p tacit-examples --example embedded`

use std::{thread, time::Duration};

use tacit_mpc::{Builder, Circuit, Column, EngineKind, Num, Roster, run};
use tacit_net::{
    Counted,
    mesh::{Endpoint, LinkOptions, Options, Peer, SecretKey},
};
use tacit_protocols::{lower, suppress};

const CLINICS: usize = 3;
const ANALYST: usize = 3;
const GROUPS: usize = 4;
const WIDTH: usize = 20;
const THRESHOLD: u64 = 11;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Adds the clinics' counts; opens each total to the analyst unless it is 1 to 10.
fn circuit() -> Circuit {
    let mut b = Builder::new();
    let columns: Vec<Num> = (0..CLINICS).map(|clinic| b.enter(clinic, GROUPS)).collect();
    let total = columns.into_iter().reduce(|x, y| b.add(x, y)).expect("three columns");
    let below = |b: &mut Builder, c: u64| {
        let c: Num = b.constant(c, GROUPS);
        let difference = b.sub(total, c);
        b.to_bits(difference, WIDTH + 1)[WIDTH]
    };
    let (small, zero) = (below(&mut b, THRESHOLD), below(&mut b, 1));
    let hidden = b.xor(small, zero);
    let shown = b.not(hidden);
    let planes = b.to_bits(total, WIDTH);
    let opened = suppress(&mut b, shown, &planes);
    b.reveal(hidden, ANALYST, "hidden");
    for (i, plane) in opened.into_iter().enumerate() {
        b.reveal(plane, ANALYST, format!("bit {i}"));
    }
    lower(&b.finish(), EngineKind::Rep3.addends(CLINICS))
}

/// One party of the session: in a real pipeline, a program of its own.
fn party(
    me: usize,
    endpoint: &Endpoint,
    peers: &[Peer],
    counts: &[u64],
) -> Result<Vec<u64>, Failure> {
    endpoint.allow(peers.iter().map(|peer| (peer.key, peer.name.clone())));
    let link = endpoint.link(LinkOptions {
        session: [42; 32], // never the same twice: 32 random bytes that all parties know
        epoch: 0,
        me,
        peers: peers.iter().enumerate().map(|(i, p)| (i != me).then(|| p.clone())).collect(),
        connect_deadline: Duration::from_secs(10),
        round_deadline: Duration::from_secs(10),
    })?;
    let mut link = Counted::new(link);
    let roster = Roster { parties: CLINICS + 1, compute: (0..CLINICS).collect(), dealer: None };
    let own = if me == ANALYST { vec![] } else { vec![Column::Num(counts.to_vec())] };
    let opened = run(&circuit(), EngineKind::Rep3, &roster, &mut link, own, &mut |_| Ok(()))?;
    println!("{}: {} bytes sent", peers[me].name, link.ledger().sent());
    let rows: Vec<Vec<u64>> = opened.iter().map(|(_, column)| column.to_numbers()).collect();
    Ok(match rows.split_first() {
        None => Vec::new(),
        Some((hidden, planes)) => (0..GROUPS)
            .map(|group| match hidden[group] {
                1 => u64::MAX,
                _ => planes.iter().rev().fold(0, |total, plane| 2 * total + plane[group]),
            })
            .collect(),
    })
}

fn main() -> Result<(), Failure> {
    let counts = [[120, 4, 0, 7], [31, 2, 0, 3], [18, 1, 0, 1]];
    let names = ["clinic a", "clinic b", "clinic c", "analyst"];
    let endpoints = (0..=ANALYST)
        .map(|i| {
            let key = SecretKey::from_seed([i as u8 + 1; 32]); // a real key is random and kept
            Endpoint::bind(Options::new(key).listen(([127, 0, 0, 1], 0).into()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let peers: Vec<Peer> = endpoints
        .iter()
        .zip(names)
        .map(|(endpoint, name)| Peer {
            name: name.into(),
            key: endpoint.key(),
            address: Some(endpoint.local_address().to_string()),
        })
        .collect();

    let totals = thread::scope(|scope| {
        let threads: Vec<_> = endpoints
            .iter()
            .enumerate()
            .map(|(me, endpoint)| {
                let (peers, own) = (&peers, counts.get(me).map_or(&[][..], |c| &c[..]));
                scope.spawn(move || party(me, endpoint, peers, own))
            })
            .collect();
        let results = threads.into_iter().map(|thread| thread.join().expect("a party"));
        results.collect::<Result<Vec<_>, _>>()
    })?;
    let shown: Vec<String> = totals[ANALYST]
        .iter()
        .map(|&total| if total == u64::MAX { "<11".into() } else { total.to_string() })
        .collect();
    println!("totals of the four groups: {}", shown.join(", "));
    assert_eq!(shown, ["169", "<11", "0", "11"]);
    Ok(())
}
