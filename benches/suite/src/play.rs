//! Running a circuit among threads, or as one party of several, with a clock on every party.

use std::{
    sync::{
        Barrier, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
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
    /// Seconds until all compute parties had taken in what was entered.
    pub setup: f64,
    /// Seconds after that.
    pub online: f64,
    /// Most bytes of columns and frames alive at once.
    pub peak: u64,
}

/// The clock of a network that a link only simulates.
pub(crate) struct Network<L> {
    /// Time since the start.
    pub elapsed: fn(&L) -> Duration,
    /// Waits until then.
    pub wait_until: fn(&mut L, Duration),
}

impl<L> Network<L> {
    /// A network that takes its own time.
    pub(crate) const REAL: Self = Self { elapsed: |_| Duration::ZERO, wait_until: |_, _| () };
}

impl<L> Clone for Network<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for Network<L> {}

/// A moment: on the clock, and on that of a network that is only simulated.
type Moment = (Instant, Duration);

/// Time from one moment to another.
fn between(start: Moment, end: Moment) -> f64 {
    (end.0.saturating_duration_since(start.0) + end.1.saturating_sub(start.1)).as_secs_f64()
}

/// A party's run and its moments.
pub(crate) struct Run {
    opened: Vec<(String, Column)>,
    ledger: Ledger,
    peak: u64,
    start: Moment,
    /// When everything was entered, at a compute party.
    entered: Option<Moment>,
    end: Moment,
}

impl Run {
    /// As one of several processes, each with a clock of its own.
    pub(crate) fn apart(self) -> Played {
        let entered = self.entered.unwrap_or(self.end);
        self.played(entered, true)
    }

    /// `waits` says whether it ends with the last result, and not as soon as it has entered.
    fn played(self, entered: Moment, waits: bool) -> Played {
        let figures = Figures {
            setup: self.entered.map_or(0.0, |entered| between(self.start, entered)),
            online: if waits { between(entered, self.end) } else { 0.0 },
            peak: self.peak,
        };
        Played { figures, opened: self.opened, ledger: self.ledger }
    }
}

/// Reads the clock of the network after every round, and sets it before the next one.
struct Timed<'a, L> {
    inner: Counted<L>,
    network: Network<L>,
    /// Nanoseconds.
    now: &'a AtomicU64,
    wait_until: &'a AtomicU64,
}

impl<L: Link> Link for Timed<'_, L> {
    fn me(&self) -> usize {
        self.inner.me()
    }
    fn parties(&self) -> usize {
        self.inner.parties()
    }
    fn exchange(&mut self, round: Round) -> tacit_net::Result<Frames> {
        let time = Duration::from_nanos(self.wait_until.load(Relaxed));
        (self.network.wait_until)(self.inner.get_mut(), time);
        let frames = self.inner.exchange(round);
        let now = (self.network.elapsed)(self.inner.get_ref());
        self.now.store(nanos(now), Relaxed);
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
    /// Runs all parties, one thread each; the last one asks. What follows the entering begins at
    /// the same moment for all, on the clock and on that of the network.
    pub(crate) fn all<L: Link>(
        self,
        inputs: &Inputs,
        links: Vec<L>,
        network: Network<L>,
    ) -> Result<Vec<Played>> {
        let asks = self.roster.parties - 1;
        let ready = Barrier::new(links.len());
        let (latest, all_entered) = (AtomicU64::new(0), Barrier::new(self.roster.compute.len()));
        let moment = OnceLock::new();
        let entered = |now: Duration| {
            latest.fetch_max(nanos(now), Relaxed);
            all_entered.wait();
            *moment.get_or_init(|| (Instant::now(), Duration::from_nanos(latest.load(Relaxed))))
        };
        let done = Barrier::new(links.len());
        let party = |me: usize, link: L| {
            let columns = if me == asks { inputs.clone() } else { Vec::new() };
            ready.wait();
            let (result, link) = self.one(columns, link, network, &entered);
            done.wait();
            drop(link);
            result
        };
        let runs: Result<Vec<Run>> = thread::scope(|scope| {
            let party = &party;
            let threads: Vec<_> = links
                .into_iter()
                .enumerate()
                .map(|(me, link)| scope.spawn(move || party(me, link)))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<Run>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        let played = runs?.into_iter().enumerate().map(|(me, run)| {
            let entered = moment.get().copied().unwrap_or(run.end);
            run.played(entered, me == asks || self.roster.compute.contains(&me))
        });
        Ok(played.collect())
    }

    /// Runs one party and gives its link back. A compute party calls `entered` with the time of its
    /// network when it has taken in what was entered, and goes on at the moment that it says.
    pub(crate) fn one<L: Link>(
        self,
        columns: Inputs,
        link: L,
        network: Network<L>,
        entered: &dyn Fn(Duration) -> Moment,
    ) -> (Result<Run>, L) {
        let Self { circuit, engine, roster } = self;
        let [now, wait_until] = [(); 2].map(|()| AtomicU64::new(0));
        let inner = Counted::new(link);
        let mut link = Timed { inner, network, now: &now, wait_until: &wait_until };
        let start = (Instant::now(), Duration::ZERO);
        let mut moment = None;
        let mut watch = |layer| {
            if layer == 1 {
                let begins = entered(Duration::from_nanos(now.load(Relaxed)));
                wait_until.store(nanos(begins.1), Relaxed);
                moment = Some(begins);
            }
        };
        let result =
            run_measured(circuit, engine, roster, &mut link, columns, &mut |_| Ok(()), &mut watch);
        let end = (Instant::now(), (network.elapsed)(link.inner.get_ref()));
        let ledger = link.inner.ledger().clone();
        let run =
            result.map(|(opened, peak)| Run { opened, ledger, peak, start, entered: moment, end });
        (run.map_err(Error::from), link.inner.into_inner())
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
