//! Running a circuit among threads, or as one party of several, with a clock on every party.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tacit_mpc::{Circuit, Column, EngineKind, Roster, run_measured};
use tacit_net::{
    Arena, Counted, Frames, Ledger, Link, Round, Seed,
    mesh::{Endpoint, LinkOptions, MeshLink, Options, Peer, SecretKey, Transport},
};

use crate::{Error, Result, task::Inputs};

/// How long the parties of a session may take to meet.
const WAIT: Duration = Duration::from_secs(10);

/// 32 bytes from the system.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        Error::Net(tacit_net::Error::Setup(format!("no randomness from the system: {error}")))
    })?;
    Ok(seed)
}

/// What one party's repetition came to.
pub(crate) struct Played {
    /// Its times and its peak.
    pub figures: Figures,
    /// What was opened to it.
    pub opened: Vec<(String, Column)>,
    /// What its link carried.
    pub ledger: Ledger,
}

/// Times and memory of one party in one repetition.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    /// Seconds of the first round.
    pub setup: f64,
    /// Seconds after it.
    pub online: f64,
    /// Most bytes of columns and frames alive at once.
    pub peak: u64,
}

/// Notes the time that a link had simulated when the first round was over.
struct Timed<'a, L> {
    inner: Counted<L>,
    network: &'a (dyn Fn(&L) -> Duration + Sync),
    first: Option<Duration>,
}

impl<L: Link> Link for Timed<'_, L> {
    fn me(&self) -> usize {
        self.inner.me()
    }
    fn parties(&self) -> usize {
        self.inner.parties()
    }
    fn exchange(&mut self, round: Round) -> tacit_net::Result<Frames> {
        let frames = self.inner.exchange(round);
        let network = (self.network)(self.inner.get_ref());
        self.first.get_or_insert(network);
        frames
    }
    fn seed(&mut self, peer: usize) -> tacit_net::Result<Seed> {
        self.inner.seed(peer)
    }
    fn arena(&self) -> Arena {
        self.inner.arena()
    }
    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        self.inner.abort(culprit, reason);
    }
}

/// What all parties run.
#[derive(Clone, Copy)]
pub(crate) struct Play<'a> {
    /// The circuit, lowered.
    pub circuit: &'a Circuit,
    /// The engine.
    pub engine: EngineKind,
    /// Who does what.
    pub roster: &'a Roster,
}

impl Play<'_> {
    /// Runs all parties, one thread each; the last one asks. `network` is the time to add that a
    /// link only simulates.
    pub(crate) fn all<L: Link>(
        self,
        inputs: &Inputs,
        links: Vec<L>,
        network: impl Fn(&L) -> Duration + Sync,
    ) -> Result<Vec<Played>> {
        let ready = Barrier::new(links.len());
        // What is entered is taken in before anybody's clock of what follows runs.
        let entered = Barrier::new(self.roster.compute.len());
        let done = Barrier::new(links.len());
        let party = |me: usize, link: L| {
            let asks = me + 1 == self.roster.parties;
            let columns = if asks { inputs.clone() } else { Vec::new() };
            ready.wait();
            let entered = || {
                entered.wait();
            };
            let (result, link) = self.one(columns, link, &network, &entered);
            done.wait();
            drop(link);
            result
        };
        thread::scope(|scope| {
            let party = &party;
            let threads: Vec<_> = links
                .into_iter()
                .enumerate()
                .map(|(me, link)| scope.spawn(move || party(me, link)))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<Played>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        })
    }

    /// Runs one party and gives its link back. A compute party calls `entered` when it has taken in
    /// what was entered.
    pub(crate) fn one<L: Link>(
        self,
        columns: Inputs,
        link: L,
        network: &(dyn Fn(&L) -> Duration + Sync),
        entered: &dyn Fn(),
    ) -> (Result<Played>, L) {
        let Self { circuit, engine, roster } = self;
        let mut link = Timed { inner: Counted::new(link), network, first: None };
        let start = Instant::now();
        let mut first = None;
        let mut watch = |layer| {
            if layer == 1 {
                entered();
                first = Some(Instant::now());
            }
        };
        let result =
            run_measured(circuit, engine, roster, &mut link, columns, &mut |_| Ok(()), &mut watch);
        let end = Instant::now();
        let all = network(link.inner.get_ref());
        let (first, before) = (first.unwrap_or(end), link.first.unwrap_or_default());
        let played = result.map(|(opened, peak)| Played {
            figures: Figures {
                setup: (first - start + before).as_secs_f64(),
                online: (end - first + all.saturating_sub(before)).as_secs_f64(),
                peak,
            },
            opened,
            ledger: link.inner.ledger().clone(),
        });
        (played.map_err(Error::from), link.inner.into_inner())
    }
}

/// Endpoints on loopback that know each other.
pub(crate) struct Mesh {
    endpoints: Vec<Endpoint>,
    peers: Vec<Peer>,
}

impl Mesh {
    pub(crate) fn new(parties: usize, over: Transport) -> Result<Self> {
        let bind = |_| -> Result<Endpoint> {
            let options = Options::new(SecretKey::from_seed(random()?)).over(over);
            Ok(Endpoint::bind(options.listen(([127, 0, 0, 1], 0).into()))?)
        };
        let endpoints: Vec<Endpoint> = (0..parties).map(bind).collect::<Result<_>>()?;
        let peer = |endpoint: &Endpoint| {
            let address = endpoint.local_address().to_string();
            Peer { name: address.clone(), key: endpoint.key(), address: Some(address) }
        };
        let peers: Vec<Peer> = endpoints.iter().map(peer).collect();
        for endpoint in &endpoints {
            endpoint.allow(peers.iter().map(|peer| (peer.key, peer.name.clone())));
        }
        Ok(Self { endpoints, peers })
    }

    /// All ends of a fresh session, after a message to everybody.
    pub(crate) fn links(&self, number: usize) -> Result<Vec<MeshLink>> {
        let mut session = [0; 32];
        session[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let link = |me: usize| -> Result<MeshLink> {
            let others = self.peers.iter().enumerate();
            let mut link = self.endpoints[me].link(LinkOptions {
                session,
                epoch: 0,
                me,
                peers: others.map(|(i, peer)| (i != me).then(|| peer.clone())).collect(),
                connect_deadline: WAIT,
                round_deadline: Duration::from_mins(5),
            })?;
            link.hello(b"ready", WAIT)?;
            Ok(link)
        };
        thread::scope(|scope| {
            let link = &link;
            let threads: Vec<_> =
                (0..self.peers.len()).map(|me| scope.spawn(move || link(me))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<MeshLink>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        })
    }
}
