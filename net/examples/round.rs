//! What a round and a bulk transfer cost over the mesh, beside plain quinn and plain rustls over TCP.
//!
//! `cargo run --release -p tacit-net --example round`

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tacit_net::mesh::{Endpoint, LinkOptions, MeshLink, Options, Peer, SecretKey, Transport};
use tacit_net::{Link, Result, Round, quic, tcp};

const PARTIES: usize = 3;
const ROUNDS: usize = 3000;
const BULK: usize = 80_000_000;

const REPEATS: usize = 7;

type Rounds = fn(usize, usize, usize) -> Result<Duration>;
type Transfer = fn(usize, usize) -> Result<Duration>;

fn main() -> Result<()> {
    measure(Transport::Quic, quic::bare::rounds, quic::bare::transfer)?;
    measure(Transport::Tcp, tcp::bare::rounds, tcp::bare::transfer)
}

fn measure(over: Transport, bare_rounds: Rounds, bare_transfer: Transfer) -> Result<()> {
    let plain = || Ok(bare_rounds(PARTIES, ROUNDS, 100)? / ROUNDS as u32);
    let mesh = || Ok(run(over, |link| rounds(link, ROUNDS, 100))? / ROUNDS as u32);
    compare(&format!("{over}, round of 100 B"), plain, mesh)?;
    let plain = || bare_transfer(PARTIES, BULK);
    let mesh = || run(over, |link| pass_on(link, BULK));
    compare(&format!("{over}, 80 MB to the next"), plain, mesh)
}

/// Takes turns, and compares the best of each: the machine may be busy otherwise.
fn compare(
    what: &str,
    plain: impl Fn() -> Result<Duration>,
    mesh: impl Fn() -> Result<Duration>,
) -> Result<()> {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..REPEATS {
        let (plain, mesh) = (plain()?, mesh()?);
        println!("{what}: plain {plain:.1?}, mesh {mesh:.1?}");
        best = (best.0.min(plain), best.1.min(mesh));
    }
    let ratio = best.1.as_secs_f64() / best.0.as_secs_f64();
    println!("{what}: best {:.1?} and {:.1?}, ratio {ratio:.2}", best.0, best.1);
    Ok(())
}

fn rounds(link: &mut MeshLink, rounds: usize, bytes: usize) -> Result<()> {
    let peers: Vec<usize> = (0..PARTIES).filter(|&peer| peer != link.me()).collect();
    let frame = Bytes::from(vec![0; bytes]);
    for _ in 0..rounds {
        let send = peers.iter().map(|&peer| (peer, frame.clone())).collect();
        let expect = peers.iter().map(|&peer| (peer, bytes)).collect();
        link.exchange(Round { send, expect })?;
    }
    Ok(())
}

fn pass_on(link: &mut MeshLink, bytes: usize) -> Result<()> {
    let me = link.me();
    let send = vec![((me + 1) % PARTIES, Bytes::from(vec![0; bytes]))];
    let expect = vec![((me + PARTIES - 1) % PARTIES, bytes)];
    link.exchange(Round { send, expect })?;
    Ok(())
}

/// Time of `work` at the slowest party.
fn run(over: Transport, work: impl Fn(&mut MeshLink) -> Result<()> + Sync) -> Result<Duration> {
    let keys: Vec<SecretKey> =
        (0..PARTIES).map(|party| SecretKey::from_seed([party as u8 + 1; 32])).collect();
    let bind = |key: &SecretKey| {
        Endpoint::bind(Options::new(key.clone()).over(over).listen(([127, 0, 0, 1], 0).into()))
    };
    let endpoints = keys.iter().map(bind).collect::<Result<Vec<_>>>()?;
    let peer = |endpoint: &Endpoint| Peer {
        name: endpoint.local_address().to_string(),
        key: endpoint.key(),
        address: Some(endpoint.local_address().to_string()),
    };
    let peers: Vec<Peer> = endpoints.iter().map(peer).collect();
    let barrier = Barrier::new(PARTIES);
    let party = |me: usize| -> Result<Duration> {
        let endpoint = &endpoints[me];
        endpoint.allow(peers.iter().map(|peer| (peer.key, peer.name.clone())));
        barrier.wait();
        let others = peers.iter().enumerate().map(|(i, peer)| (i != me).then(|| peer.clone()));
        let mut link = endpoint.link(LinkOptions {
            session: [1; 32],
            epoch: 0,
            me,
            peers: others.collect(),
            connect_deadline: Duration::from_secs(10),
            round_deadline: Duration::from_mins(1),
        })?;
        link.hello(b"ready", Duration::from_secs(10))?;
        let start = Instant::now();
        work(&mut link)?;
        let time = start.elapsed();
        barrier.wait();
        Ok(time)
    };
    thread::scope(|scope| {
        let party = &party;
        let threads: Vec<_> = (0..PARTIES).map(|me| scope.spawn(move || party(me))).collect();
        let times = threads.into_iter().map(|t| t.join().expect("a party panicked"));
        Ok(times.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or_default())
    })
}
