//! Running a task and writing down what it took.

use std::{
    str::FromStr,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use tacit_mpc::{
    Bill, Circuit, Column, EngineKind, Roster, Schedule, bill, run_measured, schedule, testing,
};
use tacit_net::{
    Arena, Counted, Frames, Ledger, Link, Profile, Round, Seed, memory,
    quic::{Endpoint, LinkOptions, Options, Peer, QuicLink, SecretKey},
    simulated,
};

use crate::{
    Error, Result, machine,
    machine::References,
    record::{Adversary, Limit, LinkRecord, Peak, Phase, Record, SCHEMA, SecurityBits, Spread},
    task::{Inputs, Work},
};

/// How long the parties of a QUIC session may take to meet.
const WAIT: Duration = Duration::from_secs(10);

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkKind {
    /// Threads of one process.
    Memory,
    /// QUIC on loopback.
    Quic,
    /// In memory, with the time that a network would take added.
    Simulated(Profile),
}

impl LinkKind {
    fn name(self) -> String {
        match self {
            Self::Memory => "memory".into(),
            Self::Quic => "quic".into(),
            Self::Simulated(profile) if profile == Profile::LAN => "simulated-lan".into(),
            Self::Simulated(profile) if profile == Profile::WAN => "simulated-wan".into(),
            Self::Simulated(profile) => {
                let (ms, mbit) = numbers(profile);
                format!("simulated-{ms}ms-{mbit}mbit")
            }
        }
    }

    fn record(self) -> LinkRecord {
        match self {
            Self::Memory => LinkRecord::Memory,
            Self::Quic => LinkRecord::Quic,
            Self::Simulated(profile) => {
                let (one_way_ms, mbit_per_s) = numbers(profile);
                LinkRecord::Simulated { one_way_ms, mbit_per_s }
            }
        }
    }
}

fn numbers(profile: Profile) -> (f64, f64) {
    (profile.one_way.as_secs_f64() * 1e3, profile.bits_per_second / 1e6)
}

/// `memory`, `quic`, `lan`, `wan`, or `ONE-WAY-MS,MBIT`.
impl FromStr for LinkKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let own = || {
            let (ms, mbit) = text.split_once(',')?;
            let [ms, mbit] = [ms, mbit].map(|word| word.trim().parse::<f64>().ok());
            let (ms, mbit) = (ms?, mbit?);
            let sound = (0.0..=60_000.0).contains(&ms) && (1e-3..=1e9).contains(&mbit);
            sound.then(|| Profile {
                one_way: Duration::from_secs_f64(ms / 1e3),
                bits_per_second: mbit * 1e6,
            })
        };
        match text {
            "memory" => Ok(Self::Memory),
            "quic" => Ok(Self::Quic),
            "lan" => Ok(Self::Simulated(Profile::LAN)),
            "wan" => Ok(Self::Simulated(Profile::WAN)),
            _ => own().map(Self::Simulated).ok_or_else(|| Error::Unknown {
                what: "link",
                name: text.to_owned(),
                known: "memory, quic, lan, wan, and ONE-WAY-MS,MBIT such as 35,50".into(),
            }),
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The task or circuit.
    pub work: Work,
    /// Rows.
    pub n: usize,
    /// The engine.
    pub engine: EngineKind,
    /// Compute parties.
    pub parties: usize,
    /// What carries the frames.
    pub link: LinkKind,
    /// Repetitions.
    pub repeat: usize,
}

impl Setting {
    /// Name of its record. An engine whose triples are dealt says so.
    pub fn name(&self) -> String {
        let dealer = if self.engine.triples().is_some() { "+dealer" } else { "" };
        let Self { work, n, engine, link, .. } = self;
        format!("{engine}{dealer}/{}/{n}/{}", work.name(), link.name())
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`Error::Memory`] before anything runs; [`Error::Wrong`] and [`Error::Ledger`] instead of a
    /// figure that would be worth nothing.
    pub fn measure(&self, references: &References) -> Result<Record> {
        let session = testing::session(self.engine, self.parties, self.parties);
        let roster = &session.roster;
        let circuit = self.work.circuit(self.n, self.engine, self.parties, session.analyst)?;
        let bill = bill(&circuit, self.engine, roster)?;
        self.fits(&bill)?;
        let inputs = self.work.inputs(self.n, 1);
        let expected = self.work.expected(self.n, &inputs)?;
        let quic = match self.link {
            LinkKind::Quic => Some(Mesh::new(roster.parties)?),
            _ => None,
        };
        let mut runs = Vec::new();
        for repetition in 0..self.repeat.max(1) {
            let run = self.once(&circuit, roster, &inputs, quic.as_ref(), repetition)?;
            let opened = &run.parties[session.analyst].opened;
            if opened.len() != expected.len() || opened.iter().zip(&expected).any(|(a, b)| a != b) {
                return Err(Error::Wrong { name: self.name() });
            }
            for (party, cost) in run.parties.iter().zip(&bill.parties) {
                if (party.ledger.sent(), party.ledger.received()) != (cost.sent, cost.received) {
                    return Err(Error::Ledger { name: self.name() });
                }
            }
            runs.push(run);
        }
        self.record(&circuit, roster, &bill, &runs, references)
    }

    /// One repetition, in a session of its own.
    fn once(
        &self,
        circuit: &Circuit,
        roster: &Roster,
        inputs: &Inputs,
        quic: Option<&Mesh>,
        repetition: usize,
    ) -> Result<Run> {
        let none = Duration::ZERO;
        if let Some(mesh) = quic {
            let links = mesh.links(repetition)?;
            return play(circuit, self.engine, roster, inputs, links, |_| none);
        }
        let mut seed = [0; 32];
        getrandom(&mut seed)?;
        if let LinkKind::Simulated(profile) = self.link {
            let links = simulated::mesh(roster.parties, seed, profile);
            return play(
                circuit,
                self.engine,
                roster,
                inputs,
                links,
                simulated::Simulated::elapsed,
            );
        }
        play(circuit, self.engine, roster, inputs, memory::mesh(roster.parties, seed), |_| none)
    }

    /// Refuses what the memory cannot hold: columns of all parties, and the inputs with what is
    /// sent of them.
    fn fits(&self, bill: &Bill) -> Result<()> {
        let inputs = 3 * bill.parties.iter().map(|party| party.sent).max().unwrap_or(0);
        let needed = bill.peak_bytes * self.parties as u64 + inputs;
        match machine::available_memory() {
            Some(available) if needed > available => Err(Error::Memory {
                name: self.name(),
                needed_mb: needed / 1_000_000,
                available_mb: available / 1_000_000,
            }),
            _ => Ok(()),
        }
    }

    fn record(
        &self,
        circuit: &Circuit,
        roster: &Roster,
        bill: &Bill,
        runs: &[Run],
        references: &References,
    ) -> Result<Record> {
        let schedule = schedule(circuit, self.engine, roster)?;
        let first: Vec<u64> = (0..roster.parties)
            .map(|party| {
                let frames = schedule.layers[0].bytes.iter();
                frames.filter(|((from, _), _)| *from == party).map(|(_, b)| *b as u64).sum()
            })
            .collect();
        let sent: Vec<u64> = bill.parties.iter().map(|party| party.sent).collect();
        let later: Vec<u64> = sent.iter().zip(&first).map(|(all, first)| all - first).collect();
        let times = |of: fn(&Party) -> f64| {
            let slowest =
                |run: &Run| roster.compute.iter().map(|&p| of(&run.parties[p])).fold(0.0, f64::max);
            Spread::of(runs.iter().map(slowest).collect())
        };
        let setup_rounds = u64::from(!schedule.layers[0].bytes.is_empty());
        let online = Phase {
            seconds: times(|party| party.online),
            rounds: bill.rounds - setup_rounds,
            bytes_sent: later,
        };
        let measured = runs.iter().flat_map(|run| &run.parties).map(|party| party.peak).max();
        let security = security(self.engine, self.parties as u64);
        Ok(Record {
            schema: SCHEMA,
            name: self.name(),
            task: self.work.name(),
            about: self.work.about(),
            n: self.n as u64,
            depth: self.work.depth() as u64,
            engine: self.engine.to_string(),
            parties: self.parties as u64,
            adversary: security.0,
            security_bits: security.1,
            triples: self.engine.triples().map(str::to_owned),
            link: self.link.record(),
            limit: self.limit(&online, references),
            setup: Phase {
                seconds: times(|party| party.setup),
                rounds: setup_rounds,
                bytes_sent: first,
            },
            online,
            opening_rounds: opening_rounds(&schedule),
            peak_bytes: Peak { billed: bill.peak_bytes, measured: measured.unwrap_or(0) },
            references: references.list(),
            build: machine::build(),
            machine: machine::machine(),
        })
    }

    /// The least time that the network can take for these rounds and bytes.
    fn limit(&self, online: &Phase, references: &References) -> Option<Limit> {
        let bytes: u64 = online.bytes_sent.iter().sum();
        let busiest = online.bytes_sent.iter().max().copied().unwrap_or(0);
        let (of, seconds) = match self.link {
            LinkKind::Quic if references.parties == self.parties => (
                "these bytes and rounds over plain quinn",
                bytes as f64 / references.transfer + online.rounds as f64 * references.round,
            ),
            LinkKind::Quic => return None,
            LinkKind::Memory => {
                ("a copy of the bytes sent, one thread", bytes as f64 / references.copy)
            }
            LinkKind::Simulated(profile) => {
                ("these bytes and rounds on that network", profile.seconds(online.rounds, busiest))
            }
        };
        let share = seconds / online.seconds.median;
        (seconds > 0.0).then(|| Limit { of: of.into(), seconds, share })
    }
}

/// The last rounds, in which nothing but openings travels.
fn opening_rounds(schedule: &Schedule) -> u64 {
    let rounds = schedule.layers.iter().rev().filter(|layer| !layer.bytes.is_empty());
    rounds.take_while(|layer| layer.opens).count() as u64
}

fn security(engine: EngineKind, of: u64) -> (Adversary, SecurityBits) {
    let (behaviour, corrupted) = match engine {
        EngineKind::Clear => ("none", 0),
        EngineKind::Rep3 => ("semi-honest", 1),
        EngineKind::Additive => ("semi-honest", of - 1),
    };
    let computational = if engine == EngineKind::Clear { 0 } else { 128 };
    (
        Adversary { behaviour: behaviour.into(), corrupted, of },
        SecurityBits { computational, statistical: None },
    )
}

fn getrandom(seed: &mut [u8; 32]) -> Result<()> {
    getrandom::fill(seed).map_err(|error| {
        Error::Net(tacit_net::Error::Setup(format!("no randomness from the system: {error}")))
    })
}

/// One repetition.
struct Run {
    parties: Vec<Party>,
}

struct Party {
    setup: f64,
    online: f64,
    opened: Vec<(String, Column)>,
    ledger: Ledger,
    peak: u64,
}

/// Notes when the first round was over, and the time that a link had simulated by then.
struct Timed<'a, L> {
    inner: Counted<L>,
    network: &'a (dyn Fn(&L) -> Duration + Sync),
    first: Option<(Instant, Duration)>,
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
        self.first.get_or_insert_with(|| (Instant::now(), network));
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

/// Runs all parties, one thread each; `network` is the time to add that a link only simulates.
fn play<L: Link>(
    circuit: &Circuit,
    engine: EngineKind,
    roster: &Roster,
    inputs: &Inputs,
    links: Vec<L>,
    network: impl Fn(&L) -> Duration + Sync,
) -> Result<Run> {
    let ready = Barrier::new(links.len());
    let done = Barrier::new(links.len());
    let party = |me: usize, link: L| -> Result<Party> {
        let asks = me + 1 == roster.parties;
        let columns = if asks { inputs.clone() } else { Vec::new() };
        let mut link = Timed { inner: Counted::new(link), network: &network, first: None };
        ready.wait();
        let start = Instant::now();
        let result = run_measured(circuit, engine, roster, &mut link, columns, &mut |_| Ok(()));
        let end = Instant::now();
        done.wait();
        let (opened, peak) = result?;
        let all = network(link.inner.get_ref());
        let (first, before) = link.first.unwrap_or((end, Duration::ZERO));
        Ok(Party {
            setup: (first - start + before).as_secs_f64(),
            online: (end - first + all.saturating_sub(before)).as_secs_f64(),
            opened,
            ledger: link.inner.ledger().clone(),
            peak,
        })
    };
    thread::scope(|scope| {
        let party = &party;
        let threads: Vec<_> = links
            .into_iter()
            .enumerate()
            .map(|(me, link)| scope.spawn(move || party(me, link)))
            .collect();
        let parties = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<_>>()?;
        Ok(Run { parties })
    })
}

/// QUIC endpoints on loopback that know each other.
struct Mesh {
    endpoints: Vec<Endpoint>,
    peers: Vec<Peer>,
}

impl Mesh {
    fn new(parties: usize) -> Result<Self> {
        let bind = |_| -> Result<Endpoint> {
            let mut seed = [0; 32];
            getrandom(&mut seed)?;
            let options = Options::new(SecretKey::from_seed(seed));
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
    fn links(&self, number: usize) -> Result<Vec<QuicLink>> {
        let mut session = [0; 32];
        session[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let link = |me: usize| -> Result<QuicLink> {
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
            let join = |thread: thread::ScopedJoinHandle<'_, Result<QuicLink>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Task, compare, csv, html, markdown};

    fn references() -> References {
        References { aes: 1e9, copy: 1e9, transfer: 1e8, round: 1e-4, parties: 3 }
    }

    fn setting(task: &str, engine: EngineKind, link: &str, n: usize) -> Setting {
        let work = Work::Task(Task::named(task).unwrap());
        Setting { work, n, engine, parties: 3, link: link.parse().unwrap(), repeat: 3 }
    }

    #[test]
    fn a_record_tells_security_rounds_bytes_and_times_and_is_read_back() {
        let record =
            setting("mul", EngineKind::Rep3, "memory", 1000).measure(&references()).unwrap();
        assert_eq!(record.name, "rep3/mul/1000/memory");
        assert_eq!((record.adversary.corrupted, record.adversary.of), (1, 3));
        // Four products and the opening of one number; nothing of them is in the setup.
        assert_eq!((record.setup.rounds, record.online.rounds), (1, 5));
        assert_eq!(record.setup.bytes_sent[..3], [0, 0, 0]);
        assert_eq!(record.online.bytes_sent, [4 * 8000 + 8, 4 * 8000 + 8, 4 * 8000 + 8, 0]);
        assert_eq!(record.online.seconds.repetitions, 3);
        assert!(record.peak_bytes.measured <= record.peak_bytes.billed);
        let folder = tempfile::tempdir().unwrap();
        let path = record.write(&folder.path().join("new")).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        let other =
            std::fs::read_to_string(&path).unwrap().replacen("\"schema\": 2", "\"schema\": 7", 1);
        std::fs::write(&path, other).unwrap();
        let error = Record::read_all(folder.path().join("new").as_path()).unwrap_err().to_string();
        assert!(error.contains("schema 7") && error.contains("schema 2"), "{error}");
    }

    #[test]
    fn a_dealer_stands_in_the_name_and_its_bytes_in_the_setup() {
        let record =
            setting("mul", EngineKind::Additive, "memory", 1000).measure(&references()).unwrap();
        assert_eq!(record.name, "additive+dealer/mul/1000/memory");
        assert_eq!(record.triples.as_deref(), Some("trusted dealer"));
        let dealer = 3;
        assert!(record.setup.bytes_sent[dealer] > 0);
        assert_eq!(record.online.bytes_sent[dealer], 0);
        assert_eq!(record.setup.bytes_sent[..3], [0, 0, 0]);
        assert_eq!(record.online.rounds, 5);
    }

    #[test]
    fn a_simulated_link_adds_the_network_and_says_that_it_is_simulated() {
        let record = setting("round", EngineKind::Rep3, "wan", 1).measure(&references()).unwrap();
        assert!(record.name.ends_with("simulated-wan"));
        // A thousand products and an opening.
        assert_eq!(record.online.rounds, 1001);
        assert!(record.online.seconds.min >= 1001.0 * 0.02);
        assert!(matches!(record.link, LinkRecord::Simulated { .. }));
        let limit = record.limit.unwrap();
        assert!(limit.share <= 1.0, "{limit:?}");
    }

    #[test]
    fn quic_carries_the_same_bytes_as_memory() {
        let quic =
            setting("less-20", EngineKind::Rep3, "quic", 500).measure(&references()).unwrap();
        let memory =
            setting("less-20", EngineKind::Rep3, "memory", 500).measure(&references()).unwrap();
        assert_eq!(quic.online.bytes_sent, memory.online.bytes_sent);
        assert_eq!(quic.online.rounds, memory.online.rounds);
    }

    #[test]
    fn what_does_not_fit_the_memory_is_refused_before_it_runs() {
        let error = setting("mul", EngineKind::Rep3, "memory", 1 << 32).measure(&references());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("MB") && error.contains("--n"), "{error}");
    }

    #[test]
    fn links_are_read_by_name_or_by_figures() {
        assert_eq!("quic".parse::<LinkKind>().unwrap(), LinkKind::Quic);
        let own = "35, 50".parse::<LinkKind>().unwrap();
        assert_eq!(own.name(), "simulated-35ms-50mbit");
        for bad in ["", "quick", "1", "-1,5", "1,0", "nan,5"] {
            assert!(bad.parse::<LinkKind>().is_err(), "{bad}");
        }
    }

    #[test]
    fn comparisons_and_reports_show_what_the_records_say() {
        let a = setting("mul", EngineKind::Rep3, "memory", 100).measure(&references()).unwrap();
        let more = setting("mul", EngineKind::Rep3, "memory", 1000).measure(&references()).unwrap();
        let mut b = a.clone();
        b.online.seconds = Spread::of(vec![2.0 * a.online.seconds.median]);
        b.build.profile = "other".into();
        let both = compare(&[a.clone(), more.clone()], &[b.clone()]).unwrap();
        assert_eq!(both.len(), 1);
        assert!((both[0].ratio[0] - 2.0).abs() < 1e-9);
        assert!(both[0].caution.iter().any(|c| c.contains("build profile")), "{:?}", both[0]);
        assert!(compare(std::slice::from_ref(&more), &[b]).is_err());
        let records = [a, more];
        let page = html(&records);
        assert!(page.contains("<polyline") && page.contains("rep3/mul/1000/memory"));
        assert!(!page.contains("http"), "nothing is loaded from anywhere");
        assert!(csv(&records).contains("rep3/mul/1000/memory"));
        assert!(markdown(&records).contains("| rep3/mul/1000/memory |"));
    }
}
