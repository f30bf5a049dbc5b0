//! Measuring among parties in processes, or on machines, of their own.
//!
//! All parties run the same command. They first tell each other what they are about to measure and
//! with which program, and nobody starts unless all say the same; that they look for each other over
//! different transports is found out as well. Then every repetition is a session
//! of its own, after which the parties tell each other their times. The first party asks: it enters
//! the inputs, and what is opened is opened to it. It computes as well.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tacit_mpc::{Bill, Circuit, EngineKind, Roster, bill};
use tacit_net::{
    Fault,
    mesh::{Endpoint, HELLO, LinkOptions, MeshLink, Options, Peer, SecretKey, Transport},
};

use crate::{
    Error, Record, References, Result, Setting, machine,
    play::{Figures, Network, Play},
    record::file_name,
};

/// How long the parties may take to meet: people start them one after the other.
pub const MEET: Duration = Duration::from_mins(2);

/// Between two looks for parties that are not there yet.
const PAUSE: Duration = Duration::from_millis(500);

/// How long such a look may take over the transport that is not one's own.
const LOOK: Duration = Duration::from_secs(3);

/// How long a party that has found one of another transport stays, so that it is found as well:
/// longer than a look at a party whose network says nothing.
const LINGER: Duration = Duration::from_secs(10);

/// How long a round may take.
const ROUND: Duration = Duration::from_mins(5);

/// How names of such records end.
const APART: &str = "-apart";

/// Bytes of a session's name that count; the others say what it is for.
const PURPOSE: &[u8; 24] = b"tacit bench, apart      ";

/// What a party is about to do; all parties must say the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    version: String,
    build: String,
    parties: Vec<String>,
    repetitions: u64,
    measurements: Vec<Measurement>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measurement {
    engine: String,
    task: String,
    n: u64,
    circuit: String,
}

impl Terms {
    /// The first thing that another party says otherwise: what, here, there.
    fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        let differ = |what: &str, mine: &dyn ToString, theirs: &dyn ToString| {
            let (mine, theirs) = (mine.to_string(), theirs.to_string());
            (mine != theirs).then(|| (what.to_owned(), mine, theirs))
        };
        let list = |names: &[String]| names.join(", ");
        differ("the release of Tacit", &self.version, &other.version)
            .or_else(|| differ("the build", &self.build, &other.build))
            .or_else(|| differ("the list of parties", &list(&self.parties), &list(&other.parties)))
            .or_else(|| differ("--repeat", &self.repetitions, &other.repetitions))
            .or_else(|| {
                let (mine, theirs) = (self.measurements.len(), other.measurements.len());
                differ("the number of measurements", &mine, &theirs)
            })
            .or_else(|| {
                let pairs = self.measurements.iter().zip(&other.measurements);
                pairs.enumerate().find_map(|(i, (mine, theirs))| {
                    let what = |field: &str| format!("{field} of measurement {}", i + 1);
                    differ(&what("the task"), &mine.task, &theirs.task)
                        .or_else(|| differ(&what("the engine"), &mine.engine, &theirs.engine))
                        .or_else(|| differ(&what("--n"), &mine.n, &theirs.n))
                        .or_else(|| differ(&what("the circuit"), &mine.circuit, &theirs.circuit))
                })
            })
    }
}

/// What a party tells after a repetition.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    figures: Figures,
    right: bool,
    billed: bool,
}

/// Where a party is, as far as a look tells.
enum Seen {
    Here,
    /// Over the other transport.
    Otherwise,
    /// Not yet, or never.
    Not(tacit_net::Error),
}

/// One party.
pub struct Apart {
    endpoint: Endpoint,
    peers: Vec<Peer>,
    me: usize,
    sessions: u64,
}

impl Apart {
    /// Listens as party `me` of `peers`, who all have an address, over the transport that all use.
    ///
    /// # Errors
    /// [`Error::Net`] if the address cannot be had.
    pub fn new(
        key: SecretKey,
        over: Transport,
        listen: SocketAddr,
        peers: Vec<Peer>,
        me: usize,
    ) -> Result<Self> {
        let endpoint = Endpoint::bind(Options::new(key).over(over).listen(listen))?;
        endpoint.allow(peers.iter().map(|peer| (peer.key, peer.name.clone())));
        Ok(Self { endpoint, peers, me, sessions: 0 })
    }

    /// Name of the file of the record of a setting whose link is the transport of the parties.
    pub fn file_name(setting: &Setting) -> String {
        file_name(&(setting.name() + APART))
    }

    /// Compute parties of an engine among so many: a dealer is the last of them.
    pub fn compute(engine: EngineKind, parties: usize) -> usize {
        parties - usize::from(engine.triples().is_some()).min(parties)
    }

    /// All parties compute but a dealer, and the first asks.
    fn roster(&self, engine: EngineKind) -> Roster {
        let parties = self.peers.len();
        let compute = Self::compute(engine, parties);
        let dealer = (compute < parties).then_some(compute);
        Roster { parties, compute: (0..compute).collect(), dealer }
    }

    fn circuit(&self, setting: &Setting) -> Result<(Circuit, Roster, Bill)> {
        let roster = self.roster(setting.engine);
        setting.engine.check(&roster)?;
        let Setting { work, n, engine, .. } = setting;
        let circuit = work.circuit(*n, *engine, roster.compute.len(), 0)?;
        let bill = bill(&circuit, *engine, &roster)?;
        setting.fits(&bill, 1, machine::available_memory())?;
        Ok((circuit, roster, bill))
    }

    /// Meets the others and compares what all are about to measure.
    ///
    /// # Errors
    /// [`Error::Differs`] with both sides; [`Error::Net`] names who does not come.
    pub fn agree(&mut self, settings: &[Setting]) -> Result<()> {
        let measurement = |setting: &Setting| -> Result<Measurement> {
            let (circuit, ..) = self.circuit(setting)?;
            Ok(Measurement {
                engine: setting.engine.to_string(),
                task: setting.work.name(),
                n: setting.n as u64,
                circuit: machine::hex(&circuit.digest()),
            })
        };
        let build = machine::build();
        let mine = Terms {
            version: build.version,
            build: build.digest,
            parties: self.peers.iter().map(|peer| peer.name.clone()).collect(),
            repetitions: settings.iter().map(|setting| setting.repeat as u64).max().unwrap_or(0),
            measurements: settings.iter().map(measurement).collect::<Result<_>>()?,
        };
        self.meet()?;
        let mut link = self.link()?;
        let theirs: Vec<Option<Terms>> = tell(&mut link, &mine)?;
        let mut difference = None;
        for (peer, terms) in self.peers.iter().zip(theirs) {
            let found = terms.and_then(|terms| mine.difference(&terms));
            difference = difference.or(found.map(|found| (peer.name.clone(), found)));
        }
        // Nobody leaves before everybody has heard everybody.
        let _: Vec<Option<bool>> = tell(&mut link, &difference.is_none())?;
        match difference {
            None => Ok(()),
            Some((peer, (what, mine, theirs))) => Err(Error::Differs { what, mine, peer, theirs }),
        }
    }

    /// Waits until everybody is there, over the transport of this party.
    fn meet(&self) -> Result<()> {
        let until = Instant::now() + MEET;
        let others = self.peers.iter().enumerate().filter(|(i, _)| *i != self.me);
        let mut missing: Vec<&Peer> = others.map(|(_, peer)| peer).collect();
        loop {
            let seen: Vec<Seen> = thread::scope(|scope| {
                let looks: Vec<_> =
                    missing.iter().map(|&peer| scope.spawn(move || self.look(peer))).collect();
                let closed = |_| Seen::Not(tacit_net::Error::Closed);
                looks.into_iter().map(|look| look.join().unwrap_or_else(closed)).collect()
            });
            let mut absent = None;
            let mut still = Vec::new();
            for (peer, seen) in missing.into_iter().zip(seen) {
                match seen {
                    Seen::Here => {}
                    Seen::Otherwise => {
                        thread::sleep(LINGER);
                        let mine = self.endpoint.transport();
                        return Err(Error::Differs {
                            what: "the transport".to_owned(),
                            mine: mine.to_string(),
                            peer: peer.name.clone(),
                            theirs: mine.other().to_string(),
                        });
                    }
                    Seen::Not(error) if !may_come(&error) => return Err(error.into()),
                    Seen::Not(error) => {
                        still.push(peer);
                        absent.get_or_insert(error);
                    }
                }
            }
            missing = still;
            let Some(error) = absent else { return Ok(()) };
            if Instant::now() + PAUSE >= until {
                return Err(error.into());
            }
            thread::sleep(PAUSE);
        }
    }

    /// Looks for a party, over both transports at once.
    fn look(&self, peer: &Peer) -> Seen {
        let endpoint = &self.endpoint;
        let other = endpoint.transport().other();
        let (here, there) = thread::scope(|scope| {
            let there = scope.spawn(move || endpoint.ping_over(other, peer, LOOK));
            (endpoint.ping(peer), there.join())
        });
        match (here, there) {
            (Ok(_), _) => Seen::Here,
            (Err(_), Ok(Ok(_))) => Seen::Otherwise,
            (Err(error), _) => Seen::Not(error),
        }
    }

    /// Runs a setting that all agreed on; every party gets the record, which names the transport of
    /// the parties whatever link the setting names.
    ///
    /// # Errors
    /// As [`Setting::measure`].
    pub fn measure(&mut self, setting: &Setting, references: &References) -> Result<Record> {
        let link = self.endpoint.transport().into();
        let setting = &Setting { link, ..setting.clone() };
        let (circuit, roster, bill) = self.circuit(setting)?;
        let play = Play { circuit: &circuit, engine: setting.engine, roster: &roster };
        let asks = self.me == 0;
        let inputs = if asks { setting.work.inputs(setting.n, 1) } else { Vec::new() };
        let expected = if asks { setting.work.expected(setting.n, &inputs)? } else { Vec::new() };
        let mut runs = Vec::new();
        for _ in 0..setting.repeat.max(1) {
            let mut link = self.link()?;
            let _: Vec<Option<bool>> = tell(&mut link, &true)?;
            let own = |_| (Instant::now(), Duration::ZERO);
            let (run, mut link) = play.one(inputs.clone(), link, Network::REAL, &own);
            let played = run?.apart();
            let told = Told {
                figures: played.figures,
                right: setting.right(&played.opened, &expected).is_ok(),
                billed: setting.billed(&played.ledger, &bill.parties[self.me]).is_ok(),
            };
            let mut all: Vec<Option<Told>> = tell(&mut link, &told)?;
            all[self.me] = Some(told);
            let all: Vec<Told> = all.into_iter().flatten().collect();
            if all.iter().any(|told| !told.right) {
                return Err(Error::Wrong { name: setting.name() });
            }
            if all.len() != roster.parties || all.iter().any(|told| !told.billed) {
                return Err(Error::Ledger { name: setting.name() });
            }
            runs.push(together(all.into_iter().map(|told| told.figures).collect()));
        }
        let mut record = setting.record(&circuit, &roster, &bill, &runs, references, None)?;
        record.name += APART;
        record.limit = None;
        let address = |peer: &Peer| peer.address.clone().unwrap_or_default();
        let named = self.peers.iter().map(|peer| format!("{} {}", peer.name, address(peer)));
        record.peers = Some(named.collect());
        Ok(record)
    }

    /// A session that nobody used before.
    fn link(&mut self) -> Result<MeshLink> {
        let mut session = [0; 32];
        session[..24].copy_from_slice(PURPOSE);
        session[24..].copy_from_slice(&self.sessions.to_le_bytes());
        self.sessions += 1;
        let others = self.peers.iter().enumerate();
        Ok(self.endpoint.link(LinkOptions {
            session,
            epoch: 0,
            me: self.me,
            peers: others.map(|(i, peer)| (i != self.me).then(|| peer.clone())).collect(),
            connect_deadline: MEET,
            round_deadline: ROUND,
        })?)
    }
}

/// What all take from when the last one has taken in what was entered: they begin together, and whoever
/// has taken in its part earlier waits for the others afterwards.
fn together(mut parties: Vec<Figures>) -> Vec<Figures> {
    let most = |of: fn(&Figures) -> f64| parties.iter().map(of).fold(0.0, f64::max);
    let (setup, whole) = (most(|party| party.setup), most(|party| party.setup + party.online));
    for party in &mut parties {
        party.online = whole - setup;
    }
    parties
}

/// Whether it is of use to look for a party again.
fn may_come(error: &tacit_net::Error) -> bool {
    use Fault::{NoAddress, OtherProtocol, RefusedOurKey, WrongKey};
    let tacit_net::Error::Unreachable { fault, .. } = error else { return false };
    !matches!(fault, RefusedOurKey | WrongKey | OtherProtocol | NoAddress)
}

/// Tells all peers something and hears theirs, by index; nothing at one's own.
fn tell<T: Serialize + for<'a> Deserialize<'a>>(
    link: &mut MeshLink,
    message: &T,
) -> Result<Vec<Option<T>>> {
    let setup = |what: String| Error::Net(tacit_net::Error::Setup(what));
    let bytes = serde_json::to_vec(message).map_err(|error| setup(error.to_string()))?;
    if bytes.len() > HELLO {
        return Err(setup("there are too many measurements at once; take fewer tasks".into()));
    }
    let read = |bytes: Option<bytes::Bytes>| {
        let read = |bytes: bytes::Bytes| serde_json::from_slice(&bytes);
        bytes.map(read).transpose().map_err(|_| {
            setup("a party speaks otherwise: its program is of another release".into())
        })
    };
    link.hello(&bytes, ROUND)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use tacit_net::mesh::PublicKey;

    use super::*;
    use crate::{LinkKind, Plain, Work, record::LinkRecord};

    /// Keys and addresses of parties that do not run yet.
    fn parties(count: u8) -> Vec<(SecretKey, SocketAddr, Peer)> {
        let sockets: Vec<UdpSocket> =
            (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let party = |(i, socket): (usize, &UdpSocket)| {
            let key = SecretKey::from_seed([i as u8 + 1; 32]);
            let address = socket.local_addr().unwrap();
            let public: PublicKey = key.public();
            let (name, text) = (format!("p{i}"), address.to_string());
            (key, address, Peer { name, key: public, address: Some(text) })
        };
        sockets.iter().enumerate().map(party).collect()
    }

    fn setting(engine: EngineKind, task: &str, n: usize, parties: usize) -> Setting {
        let (work, link) = (Work::named(task).unwrap(), LinkKind::Quic);
        Setting { work, n, engine, parties, link, repeat: 2, time: None }
    }

    /// Every party measures what `setting` says for it.
    fn play(count: u8, setting: impl Fn(usize) -> Setting + Sync) -> Vec<Result<Record>> {
        play_over(count, &|_| Transport::Quic, setting)
    }

    /// As [`play`], over the transport that `over` says for each.
    fn play_over(
        count: u8,
        over: &(impl Fn(usize) -> Transport + Sync),
        setting: impl Fn(usize) -> Setting + Sync,
    ) -> Vec<Result<Record>> {
        let all = parties(count);
        let peers: Vec<Peer> = all.iter().map(|party| party.2.clone()).collect();
        let references = References {
            aes: 1e9,
            copy: 1e9,
            quic: Plain::default(),
            tcp: Plain::default(),
            parties: 1,
        };
        thread::scope(|scope| {
            let (setting, peers, references) = (&setting, &peers, &references);
            let start = |(me, (key, address, _)): (usize, (SecretKey, SocketAddr, Peer))| {
                scope.spawn(move || {
                    let mut apart = Apart::new(key, over(me), address, peers.clone(), me)?;
                    let setting = setting(me);
                    apart.agree(std::slice::from_ref(&setting))?;
                    apart.measure(&setting, references)
                })
            };
            let threads: Vec<_> = all.into_iter().enumerate().map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn parties_apart_get_the_same_record_with_their_names() {
        for (count, engine) in [(3, EngineKind::Rep3), (3, EngineKind::Additive)] {
            let compute = Apart::compute(engine, count.into());
            let records = play(count, |_| setting(engine, "less-20", 100, compute));
            let records: Vec<Record> = records.into_iter().map(Result::unwrap).collect();
            let first = &records[0];
            assert!(first.name.ends_with("/less-20/100/quic-apart"), "{}", first.name);
            let file = Apart::file_name(&setting(engine, "less-20", 100, compute));
            assert_eq!(first.file_name(), file);
            assert_eq!(first.link, LinkRecord::Quic);
            assert_eq!(first.online.seconds.repetitions, 2);
            assert!(first.peers.as_ref().unwrap()[2].starts_with("p2 127.0.0.1:"));
            let ids: Vec<&str> = first.references.iter().map(|r| r.id.as_str()).collect();
            assert_eq!(ids, ["aes", "copy"]);
            for other in &records {
                assert_eq!(other.online, first.online);
            }
        }
    }

    #[test]
    fn parties_apart_measure_over_tcp_and_the_record_names_it() {
        let setting = |_| setting(EngineKind::Rep3, "less-20", 100, 3);
        for record in play_over(3, &|_| Transport::Tcp, setting) {
            let record = record.unwrap();
            assert!(record.name.ends_with("/less-20/100/tcp-apart"), "{}", record.name);
            assert_eq!(record.link, LinkRecord::Tcp);
        }
    }

    #[test]
    fn parties_with_different_transports_name_both_and_do_not_wait() {
        let begin = Instant::now();
        let all = parties(3);
        let peers: Vec<Peer> = all.iter().map(|party| party.2.clone()).collect();
        let over = [Transport::Quic, Transport::Tcp];
        // The third never comes: nobody waits for it.
        let said: Vec<String> = thread::scope(|scope| {
            let meet =
                |(me, ((key, address, _), over)): (usize, ((SecretKey, SocketAddr, Peer), _))| {
                    let peers = peers.clone();
                    scope.spawn(move || {
                        let mut apart = Apart::new(key, over, address, peers, me).unwrap();
                        apart
                            .agree(&[setting(EngineKind::Rep3, "mul", 10, 3)])
                            .unwrap_err()
                            .to_string()
                    })
                };
            let threads: Vec<_> = all.into_iter().zip(over).enumerate().map(meet).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let due = [("quic", "tcp", "p1"), ("tcp", "quic", "p0")];
        for (said, (mine, theirs, peer)) in said.into_iter().zip(due) {
            let due = format!("the transport differs: {mine:?} here, {theirs:?} at {peer}");
            assert_eq!(said, due);
        }
        assert!(begin.elapsed() < MEET / 4);
    }

    #[test]
    fn parties_that_would_measure_different_things_name_what_differs_and_both_sides() {
        let results = play(3, |me| setting(EngineKind::Rep3, "mul", 100 + me / 2, 3));
        let said: Vec<String> =
            results.iter().map(|r| r.as_ref().unwrap_err().to_string()).collect();
        for (said, peer) in said.iter().zip(["p2", "p2", "p0"]) {
            let here = if peer == "p0" { ("101", "100") } else { ("100", "101") };
            let due =
                format!("--n of measurement 1 differs: {:?} here, {:?} at {peer}", here.0, here.1);
            assert_eq!(*said, due);
        }
        let task = |me: usize| if me == 0 { "mul" } else { "and" };
        for result in play(3, |me| setting(EngineKind::Rep3, task(me), 100, 3)) {
            let said = result.unwrap_err().to_string();
            assert!(
                said.contains("the task") && said.contains("\"mul\"") && said.contains("\"and\""),
                "{said}"
            );
        }
        let repeat =
            |me: usize| Setting { repeat: me + 1, ..setting(EngineKind::Rep3, "mul", 10, 3) };
        for result in play(3, repeat) {
            assert!(matches!(result, Err(Error::Differs { what, .. }) if what == "--repeat"));
        }
    }

    #[test]
    fn circuit_files_of_one_name_and_other_gates_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let work = |gate: &str| {
            let path = folder.path().join(gate).join("circuit.txt");
            std::fs::create_dir(path.parent().unwrap()).unwrap();
            std::fs::write(&path, format!("1 3\n1 1 1\n\n2 1 0 1 2 {gate}\n")).unwrap();
            Work::File(crate::File::read(&path).unwrap())
        };
        let (and, xor) = (work("AND"), work("XOR"));
        let setting = |me| {
            let work = if me == 1 { xor.clone() } else { and.clone() };
            Setting { work, ..setting(EngineKind::Rep3, "and", 100, 3) }
        };
        for (result, peer) in play(3, setting).into_iter().zip(["p1", "p0", "p1"]) {
            let said = result.unwrap_err().to_string();
            let due = "the circuit of measurement 1 differs: ";
            assert!(said.starts_with(due) && said.ends_with(&format!("at {peer}")), "{said}");
        }
    }

    #[test]
    fn a_party_that_says_something_else_than_terms_ends_the_others_with_a_reason() {
        let all = parties(3);
        let peers: Vec<Peer> = all.iter().map(|party| party.2.clone()).collect();
        thread::scope(|scope| {
            let peers = &peers;
            let start = |(me, (key, address, _)): (usize, (SecretKey, SocketAddr, Peer))| {
                scope.spawn(move || {
                    let mut apart =
                        Apart::new(key, Transport::Quic, address, peers.clone(), me).unwrap();
                    if me > 0 {
                        return apart.agree(&[setting(EngineKind::Rep3, "mul", 10, 3)]);
                    }
                    apart.meet().unwrap();
                    let mut link = apart.link().unwrap();
                    let _ = link.hello(b"{\"version\": 1e999", ROUND);
                    // Stays until the others have heard it.
                    thread::sleep(Duration::from_secs(1));
                    Ok(())
                })
            };
            let threads: Vec<_> = all.into_iter().enumerate().map(start).collect();
            for thread in threads.into_iter().skip(1) {
                let said = thread.join().unwrap().unwrap_err().to_string();
                assert!(said.contains("speaks otherwise"), "{said}");
            }
        });
    }

    #[test]
    fn another_build_or_release_is_told_before_anything_else() {
        let terms = Terms {
            version: "1".into(),
            build: "aa".into(),
            parties: vec!["a".into(), "b".into()],
            repetitions: 3,
            measurements: Vec::new(),
        };
        let other = Terms { build: "bb".into(), repetitions: 4, ..terms.clone() };
        let due = ("the build".to_owned(), "aa".to_owned(), "bb".to_owned());
        assert_eq!(terms.difference(&other), Some(due));
        assert_eq!(terms.difference(&terms), None);
        let swapped = Terms { parties: vec!["b".into(), "a".into()], ..terms.clone() };
        assert_eq!(terms.difference(&swapped).unwrap().0, "the list of parties");
    }

    #[test]
    fn an_engine_that_does_not_fit_the_parties_is_refused_before_anybody_is_waited_for() {
        let mut all = parties(2);
        let peers: Vec<Peer> = all.iter().map(|party| party.2.clone()).collect();
        let (key, address, _) = all.remove(0);
        let mut apart = Apart::new(key, Transport::Tcp, address, peers, 0).unwrap();
        let error = apart.agree(&[setting(EngineKind::Rep3, "mul", 10, 3)]).unwrap_err();
        assert!(error.to_string().contains("three"), "{error}");
    }
}
