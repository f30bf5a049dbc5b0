//! What the benchmarks share: circuits to measure and sessions to run them in.
//!
//! Every figure is taken beside a reference in the same run; `README.md` says which, and how to
//! repeat it.

use std::{collections::BTreeMap, sync::Barrier, thread, time::Duration};

use tacit_mpc::{Bit, Builder, Circuit, Column, EngineKind, Num, Roster};
use tacit_net::{
    Link, Memory, memory,
    mesh::{Endpoint, LinkOptions, MeshLink, Options, Peer, SecretKey, Transport},
};

/// Three compute parties and nobody else.
pub fn three() -> Roster {
    Roster { parties: 3, compute: vec![0, 1, 2], dealer: None }
}

/// `times` products of columns of `rows` random numbers, one after the other.
pub fn products(rows: usize, times: usize) -> Circuit {
    let mut b = Builder::new();
    let x: Num = b.random(rows);
    let mut y: Num = b.random(rows);
    for _ in 0..times {
        y = b.mul(x, y);
    }
    b.finish()
}

/// `times` ANDs of columns of `rows` random bits, one after the other.
pub fn ands(rows: usize, times: usize) -> Circuit {
    let mut b = Builder::new();
    let x: Bit = b.random(rows);
    let mut y: Bit = b.random(rows);
    for _ in 0..times {
        y = b.and(x, y);
    }
    b.finish()
}

/// Runs a circuit without inputs on `rep3` at every link, one thread a party.
///
/// # Panics
/// If a party fails.
pub fn run_rep3<L: Link>(circuit: &Circuit, links: &mut [L]) {
    let roster = three();
    thread::scope(|scope| {
        for link in links {
            let roster = &roster;
            scope.spawn(move || {
                tacit_mpc::run(
                    circuit,
                    EngineKind::Rep3,
                    roster,
                    link,
                    Vec::new(),
                    &mut |_| Ok(()),
                )
                .expect("the run succeeds");
            });
        }
    });
}

/// A fresh in-memory mesh of three. `number` keeps the masks of two runs apart.
pub fn memory_mesh(number: u64) -> Vec<Memory> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    memory::mesh(3, seed)
}

/// Inputs by session party.
pub type Inputs = BTreeMap<usize, Vec<Column>>;

/// Endpoints on loopback that know each other.
pub struct Mesh {
    endpoints: Vec<Endpoint>,
    peers: Vec<Peer>,
}

impl Mesh {
    /// `parties` endpoints in this process, each with a runtime of its own.
    ///
    /// # Panics
    /// If the network of this machine does not work.
    pub fn new(parties: usize, over: Transport) -> Self {
        let endpoints: Vec<Endpoint> = (0..parties)
            .map(|party| {
                let key = SecretKey::from_seed([party as u8 + 1; 32]);
                Endpoint::bind(Options::new(key).over(over).listen(([127, 0, 0, 1], 0).into()))
                    .expect("a loopback port")
            })
            .collect();
        let peers: Vec<Peer> = endpoints
            .iter()
            .map(|endpoint| Peer {
                name: endpoint.local_address().to_string(),
                key: endpoint.key(),
                address: Some(endpoint.local_address().to_string()),
            })
            .collect();
        for endpoint in &endpoints {
            endpoint.allow(peers.iter().map(|peer| (peer.key, peer.name.clone())));
        }
        Self { endpoints, peers }
    }

    /// Time of `work` at the slowest party, in a fresh session with this number: connections and
    /// handshakes apart.
    ///
    /// # Panics
    /// If a party fails.
    pub fn time(&self, number: u64, work: impl Fn(&mut MeshLink) + Sync) -> Duration {
        let mut session = [0; 32];
        session[..8].copy_from_slice(&number.to_le_bytes());
        let barrier = Barrier::new(self.endpoints.len());
        let party = |me: usize| {
            let others = self.peers.iter().enumerate();
            let mut link = self.endpoints[me]
                .link(LinkOptions {
                    session,
                    epoch: 0,
                    me,
                    peers: others.map(|(i, peer)| (i != me).then(|| peer.clone())).collect(),
                    connect_deadline: Duration::from_secs(10),
                    round_deadline: Duration::from_mins(2),
                })
                .expect("a session");
            link.hello(b"ready", Duration::from_secs(10)).expect("everybody is there");
            let start = std::time::Instant::now();
            work(&mut link);
            let time = start.elapsed();
            barrier.wait();
            time
        };
        thread::scope(|scope| {
            let party = &party;
            let threads: Vec<_> =
                (0..self.endpoints.len()).map(|me| scope.spawn(move || party(me))).collect();
            threads.into_iter().map(|t| t.join().expect("a party")).max().unwrap_or_default()
        })
    }
}
