//! Running a task and writing down what it took.

use std::time::{Duration, Instant};

use tacit_mpc::{
    Bill, Circuit, Column, EngineKind, PartyCost, Roster, Schedule, bill, schedule, stream,
    testing::{self, Session},
    tile,
};
use tacit_net::{Ledger, memory, simulated};

use crate::{
    Error, LinkKind, Result, machine,
    machine::{Plain, References},
    play::{Figures, Mesh, Network, Play, Played, random},
    record::{Adversary, Limit, Peak, Phase, Record, SCHEMA, SecurityBits, Spread, file_name},
    task::Inputs,
    work::Work,
};

/// What is opened: names and columns, in the order of the circuit.
type Opened = [(String, Column)];

/// Words beyond which columns are entered tile by tile.
const LONG: usize = 1 << 25;

/// Rows of a tile of such columns over a network.
const LONG_TILE: usize = 1 << 22;

/// As many as a study has: what a round costs grows with their square.
const MOST_PARTIES: usize = 64;

/// How long a party may wait for another that computes.
const PATIENCE: Duration = Duration::from_mins(5);

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
    /// No repetition begins after this time; there is always one.
    pub time: Option<Duration>,
}

impl Setting {
    /// Name of its record. An engine whose triples are dealt says so.
    pub fn name(&self) -> String {
        let dealer = if self.engine.triples().is_some() { "+dealer" } else { "" };
        let Self { work, n, engine, link, .. } = self;
        format!("{engine}{dealer}/{}/{n}/{}", work.name(), link.name())
    }

    /// Name of the file of its record, as in [`Record::file_name`].
    pub fn file_name(&self) -> String {
        file_name(&self.name())
    }

    /// What it takes, before anything runs: the circuit that is measured and its bill.
    ///
    /// # Errors
    /// [`Error::Memory`] if all parties together would take more memory than there is;
    /// [`Error::Size`], [`Error::Parties`] and [`Error::Engine`].
    pub fn check(&self) -> Result<()> {
        self.bill(&self.session()?).map(|_| ())
    }

    fn session(&self) -> Result<Session> {
        if !(1..=MOST_PARTIES).contains(&self.parties) {
            return Err(Error::Parties { parties: self.parties });
        }
        Ok(testing::session(self.engine, self.parties, self.parties))
    }

    /// Rows at a time: where rounds cost next to nothing, what fits in a cache; elsewhere so many
    /// that rounds cost little beside bytes, if columns are too long to be held whole.
    fn tile(&self) -> Option<usize> {
        let rows = match self.link {
            LinkKind::Memory => self.work.tile(),
            _ if self.streams() => LONG_TILE,
            _ => return None,
        };
        (self.n > rows).then_some(rows)
    }

    /// Whether columns are so long that nobody shall hold them whole.
    fn streams(&self) -> bool {
        self.work.longest(self.n) > LONG
    }

    fn bill(&self, session: &Session) -> Result<(Circuit, Bill)> {
        let mut circuit = self.work.circuit(self.n, self.engine, self.parties, session.analyst)?;
        if let Some(rows) = self.tile() {
            circuit = if self.streams() { stream(&circuit, rows) } else { tile(&circuit, rows) }?;
        }
        let bill = bill(&circuit, self.engine, &session.roster)?;
        self.fits(&bill, self.parties, machine::available_memory())?;
        Ok((circuit, bill))
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`Error::Memory`] before anything runs; [`Error::Wrong`] and [`Error::Ledger`] instead of a
    /// figure that would be worth nothing.
    pub fn measure(&self, references: &References) -> Result<Record> {
        let start = Instant::now();
        let session = self.session()?;
        let roster = &session.roster;
        let (circuit, bill) = self.bill(&session)?;
        let inputs = self.work.inputs(self.n, 1);
        let expected = self.work.expected(self.n, &inputs)?;
        let mesh = self.link.transport().map(|over| Mesh::new(roster.parties, over)).transpose()?;
        let play = Play { circuit: &circuit, engine: self.engine, roster };
        let mut runs = Vec::new();
        for repetition in 0..self.repeat.max(1) {
            if repetition > 0 && self.time.is_some_and(|time| start.elapsed() >= time) {
                break;
            }
            let parties = self.once(play, &inputs, mesh.as_ref(), repetition)?;
            self.right(&parties[session.analyst].opened, &expected)?;
            for (party, cost) in parties.iter().zip(&bill.parties) {
                self.billed(&party.ledger, cost)?;
            }
            runs.push(parties.iter().map(|party| party.figures).collect());
        }
        self.record(&circuit, roster, &bill, &runs, references, self.tile())
    }

    /// What was opened is what plain Rust computes.
    pub(crate) fn right(&self, opened: &Opened, expected: &Opened) -> Result<()> {
        if opened == expected { Ok(()) } else { Err(Error::Wrong { name: self.name() }) }
    }

    /// A party sent and received what it was billed.
    pub(crate) fn billed(&self, ledger: &Ledger, cost: &PartyCost) -> Result<()> {
        if (ledger.sent(), ledger.received()) == (cost.sent, cost.received) {
            Ok(())
        } else {
            Err(Error::Ledger { name: self.name() })
        }
    }

    /// One repetition, in a session of its own.
    fn once(
        &self,
        play: Play<'_>,
        inputs: &Inputs,
        mesh: Option<&Mesh>,
        repetition: usize,
    ) -> Result<Vec<Played>> {
        if let Some(mesh) = mesh {
            return play.all(inputs, mesh.links(repetition)?, Network::REAL);
        }
        let seed = random()?;
        let parties = play.roster.parties;
        if let LinkKind::Simulated(profile) = self.link {
            let links = simulated::mesh(parties, seed, profile).into_iter();
            let links = links.map(|link| link.with_deadline(PATIENCE)).collect();
            let network = Network {
                elapsed: simulated::Simulated::elapsed,
                wait_until: simulated::Simulated::wait_until,
            };
            return play.all(inputs, links, network);
        }
        let links = memory::mesh(parties, seed).into_iter();
        play.all(inputs, links.map(|link| link.with_deadline(PATIENCE)).collect(), Network::REAL)
    }

    /// Refuses what the memory cannot hold: columns of the compute parties that are here, and the
    /// inputs with what is sent of them.
    pub(crate) fn fits(&self, bill: &Bill, here: usize, available: Option<u64>) -> Result<()> {
        let inputs = 3 * bill.parties.iter().map(|party| party.sent).max().unwrap_or(0);
        // Three times are what the holder has, what plain Rust computes, and what is under way.
        let needed = bill.peak_bytes * here as u64 + inputs;
        match available {
            Some(available) if needed > available => Err(Error::Memory {
                name: self.name(),
                needed_mb: needed / 1_000_000,
                available_mb: available / 1_000_000,
            }),
            _ => Ok(()),
        }
    }

    /// The record of these repetitions of a circuit that is in whole columns, or else in tiles of
    /// so many rows.
    pub(crate) fn record(
        &self,
        circuit: &Circuit,
        roster: &Roster,
        bill: &Bill,
        runs: &[Vec<Figures>],
        references: &References,
        tile: Option<usize>,
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
        let times = |of: fn(&Figures) -> f64| {
            let slowest = |run: &Vec<Figures>| run.iter().map(of).fold(0.0, f64::max);
            Spread::of(runs.iter().map(slowest).collect())
        };
        let setup_rounds = u64::from(!schedule.layers[0].bytes.is_empty());
        let online = Phase {
            seconds: times(|party| party.online),
            rounds: bill.rounds - setup_rounds,
            bytes_sent: later,
        };
        let opening_rounds = opening_rounds(&schedule);
        let (whole_rounds, digest) = if tile.is_some() {
            let asks = roster.parties - 1;
            let whole = self.work.circuit(self.n, self.engine, self.parties, asks)?;
            let schedule = tacit_mpc::schedule(&whole, self.engine, roster)?;
            let openings = self::opening_rounds(&schedule);
            (schedule.rounds() - setup_rounds - openings, whole.digest())
        } else {
            (online.rounds - opening_rounds, circuit.digest())
        };
        let measured = runs.iter().flatten().map(|party| party.peak).max();
        let security = security(self.engine, self.parties as u64);
        Ok(Record {
            schema: SCHEMA,
            name: self.name(),
            task: self.work.name(),
            about: self.work.about(),
            circuit: machine::hex(&digest),
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
            opening_rounds,
            tile_rows: tile.map(|rows| rows as u64),
            streamed: tile.is_some() && self.streams(),
            whole_rounds,
            peak_bytes: Peak { billed: bill.peak_bytes, measured: measured.unwrap_or(0) },
            references: references.list(),
            build: machine::build(),
            machine: machine::machine(),
            peers: None,
        })
    }

    /// The least time that the network can take for these rounds and bytes.
    fn limit(&self, online: &Phase, references: &References) -> Option<Limit> {
        let bytes: u64 = online.bytes_sent.iter().sum();
        let busiest = online.bytes_sent.iter().max().copied().unwrap_or(0);
        let plain =
            |plain: Plain| bytes as f64 / plain.transfer + online.rounds as f64 * plain.round;
        let (of, seconds) = match self.link {
            LinkKind::Quic | LinkKind::Tcp if references.parties != self.parties => return None,
            LinkKind::Quic => ("these bytes and rounds over plain quinn", plain(references.quic)),
            LinkKind::Tcp => {
                ("these bytes and rounds over plain rustls and TCP", plain(references.tcp))
            }
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

#[cfg(test)]
mod tests {
    use tacit_mpc::Op;

    use super::*;
    use crate::{Task, compare, csv, html, markdown, record::LinkRecord};

    fn references() -> References {
        References {
            aes: 1e9,
            copy: 1e9,
            quic: Plain { transfer: 1e8, round: 1e-4 },
            tcp: Plain { transfer: 1e8, round: 1e-4 },
            parties: 3,
        }
    }

    fn setting(task: &str, engine: EngineKind, link: &str, n: usize) -> Setting {
        let work = Work::Task(Task::named(task).unwrap());
        Setting { work, n, engine, parties: 3, link: link.parse().unwrap(), repeat: 3, time: None }
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
        let schema = format!("\"schema\": {SCHEMA}");
        let text = std::fs::read_to_string(&path).unwrap();
        let other = text.replacen(&schema, "\"schema\": 77", 1);
        std::fs::write(&path, other).unwrap();
        let error = Record::read_all(folder.path().join("new").as_path()).unwrap_err().to_string();
        assert!(
            error.contains("schema 77") && error.contains(&format!("schema {SCHEMA}")),
            "{error}"
        );
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
    fn a_simulated_network_takes_as_long_as_the_rounds_and_bytes_after_the_entering() {
        // So slow that computing does not count.
        for engine in [EngineKind::Rep3, EngineKind::Additive, EngineKind::Clear] {
            let record = setting("mul", engine, "2000,1", 1000).measure(&references()).unwrap();
            let share = record.limit.unwrap().share;
            assert!(share > 0.97 && share <= 1.0, "{engine}: {share}");
            let setup = record.setup.seconds.min;
            assert!(setup > 2.1, "{engine}: {setup}");
        }
    }

    #[test]
    fn quic_and_tcp_carry_the_same_bytes_as_memory_and_are_set_beside_their_own_limit() {
        let measure = |link: &str| {
            setting("less-20", EngineKind::Rep3, link, 500).measure(&references()).unwrap()
        };
        let memory = measure("memory");
        for (link, of) in [("quic", "quinn"), ("tcp", "rustls")] {
            let record = measure(link);
            assert_eq!(record.name, format!("rep3/less-20/500/{link}"));
            assert_eq!(record.online.bytes_sent, memory.online.bytes_sent);
            assert_eq!(record.online.rounds, memory.online.rounds);
            assert!(record.limit.unwrap().of.contains(of));
        }
    }

    #[test]
    fn columns_too_long_to_be_held_are_streamed_over_every_link() {
        for link in ["memory", "quic", "wan"] {
            let long = setting("mul", EngineKind::Rep3, link, 2 * LONG);
            let session = testing::session(EngineKind::Rep3, 3, 3);
            let (circuit, bill) = long.bill(&session).unwrap();
            let whole = circuit.instructions().iter().filter(|i| matches!(i.op, Op::Enter { .. }));
            assert_eq!(whole.count(), 0, "{link}");
            let longer = setting("mul", EngineKind::Rep3, link, 2 * LONG + long.tile().unwrap());
            assert_eq!(longer.bill(&session).unwrap().1.peak_bytes, bill.peak_bytes, "{link}");
        }
        // As many rows of bits take far less.
        assert!(!setting("and", EngineKind::Rep3, "memory", 2 * LONG).streams());
    }

    #[test]
    fn a_record_of_long_columns_that_were_whole_does_not_say_that_they_were_streamed() {
        let long = setting("mul", EngineKind::Rep3, "quic", 2 * LONG);
        let roster = testing::session(EngineKind::Rep3, 3, 3).roster;
        // As parties of their own run it, of whom the first asks.
        let circuit = long.work.circuit(long.n, long.engine, 3, 0).unwrap();
        let bill = bill(&circuit, long.engine, &roster).unwrap();
        let runs = [vec![Figures { setup: 1.0, online: 1.0, peak: 1 }; roster.parties]];
        let record = long.record(&circuit, &roster, &bill, &runs, &references(), None).unwrap();
        assert_eq!((record.tile_rows, record.streamed), (None, false));
        assert_eq!(record.circuit, machine::hex(&circuit.digest()));
        assert_eq!(record.whole_rounds + record.opening_rounds, record.online.rounds);
    }

    #[test]
    fn what_does_not_fit_the_memory_is_refused_before_it_runs() {
        let error = setting("mul", EngineKind::Rep3, "memory", 1 << 32).measure(&references());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("MB") && error.contains("--n"), "{error}");
    }

    #[test]
    fn a_circuit_on_more_rows_than_the_memory_holds_is_refused_before_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one-and.txt");
        std::fs::write(&path, "1 3\n1 1 1\n\n2 1 0 1 2 AND\n").unwrap();
        let work = Work::File(crate::File::read(&path).unwrap());
        let few = setting("and", EngineKind::Rep3, "wan", 1 << 20);
        let few = Setting { work, ..few };
        few.check().unwrap();
        let bytes = few.bill(&few.session().unwrap()).unwrap().1.peak_bytes;
        assert!(bytes >= 3 * 2 * (1 << 17), "three columns of two components: {bytes}");
        for (n, what) in [(0, "0 rows"), (1 << 33, "rows")] {
            let error = Setting { n, ..few.clone() }.measure(&references()).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
        let (_, bill) = few.bill(&few.session().unwrap()).unwrap();
        let error = few.fits(&bill, 3, Some(bytes)).unwrap_err();
        assert!(matches!(error, Error::Memory { .. }), "{error}");
    }

    #[test]
    fn a_number_of_parties_that_cannot_be_is_refused_before_anything_is_made() {
        for engine in [EngineKind::Clear, EngineKind::Additive] {
            for parties in [0, 65, 1 << 40, usize::MAX] {
                let many = Setting { parties, ..setting("less-20", engine, "memory", 10) };
                for error in [many.check().unwrap_err(), many.measure(&references()).unwrap_err()] {
                    assert!(error.to_string().contains("1 to 64"), "{error}");
                }
            }
        }
        let one = Setting { parties: 1, ..setting("less-20", EngineKind::Additive, "memory", 10) };
        assert!(matches!(one.check(), Err(Error::Engine(_))));
    }

    #[test]
    fn all_parties_together_must_fit_the_memory() {
        let setting = setting("mul", EngineKind::Rep3, "memory", 1_000_000);
        let session = testing::session(EngineKind::Rep3, 3, 3);
        let (_, bill) = setting.bill(&session).unwrap();
        let needed = 3 * bill.peak_bytes + 3 * bill.parties[session.analyst].sent;
        // Two operands of three parties, each of two components.
        assert!(needed > 2 * 3 * 2 * 8_000_000, "{needed}");
        assert!(
            setting.fits(&bill, 3, Some(needed)).is_ok() && setting.fits(&bill, 3, None).is_ok()
        );
        let error = setting.fits(&bill, 3, Some(needed - 1)).unwrap_err().to_string();
        assert!(error.contains(&format!("{} MB", needed / 1_000_000)), "{error}");
    }

    #[test]
    fn no_repetition_begins_after_its_time() {
        let mut setting = setting("mul", EngineKind::Rep3, "memory", 1000);
        setting.repeat = 1_000_000;
        setting.time = Some(Duration::from_millis(50));
        let record = setting.measure(&references()).unwrap();
        assert!((1..100_000).contains(&record.online.seconds.repetitions));
        setting.time = Some(Duration::ZERO);
        assert_eq!(setting.measure(&references()).unwrap().online.seconds.repetitions, 1);
    }

    #[test]
    fn circuits_of_one_name_have_digests_of_their_own_and_are_not_compared_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.txt");
        let record = |gate: &str, link: &str, n: usize| {
            std::fs::write(&path, format!("1 3\n1 1 1\n\n2 1 0 1 2 {gate}\n")).unwrap();
            let work = Work::File(crate::File::read(&path).unwrap());
            let setting = Setting { work, ..setting("and", EngineKind::Rep3, link, n) };
            setting.measure(&references()).unwrap()
        };
        let (a, b) = (record("AND", "memory", 100), record("XOR", "memory", 100));
        assert_eq!((&a.name, a.circuit.len()), (&b.name, 64));
        let caution = |a: &Record, b: &Record| {
            compare(std::slice::from_ref(a), std::slice::from_ref(b)).unwrap().remove(0).caution
        };
        assert!(caution(&a, &b).iter().any(|c| c.starts_with("other circuit")), "{a:?} {b:?}");
        assert!(caution(&a, &record("AND", "memory", 100)).is_empty());
        // Worked on a tile at a time, it is the same circuit.
        let n = 1 << 16;
        let (tiled, whole) = (record("AND", "memory", n), record("AND", "wan", n));
        assert!(tiled.tile_rows.is_some() && whole.tile_rows.is_none());
        assert_eq!(tiled.circuit, whole.circuit);
        let altered = Record { circuit: "abc".into(), ..a };
        let path = altered.write(folder.path()).unwrap();
        let error = Record::read(&path).unwrap_err().to_string();
        assert!(error.contains("digest of a circuit"), "{error}");
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
        let [ratio, low, high] = both[0].ratio;
        assert!((ratio - 0.5).abs() < 1e-9 && low <= ratio && ratio <= high, "{:?}", both[0]);
        assert!(both[0].caution.iter().any(|c| c.contains("build profile")), "{:?}", both[0]);
        assert!(compare(std::slice::from_ref(&more), &[b]).is_err());
        let records = [a, more];
        let page = html(&records);
        assert!(page.contains("<polyline") && page.contains("rep3/mul/1000/memory"));
        assert!(!page.contains("http"), "nothing is loaded from anywhere");
        assert!(csv(&records).contains("rep3/mul/1000/memory"));
        assert!(markdown(&records).contains("| rep3/mul/1000/memory |"));
    }

    #[test]
    fn no_task_asks_for_the_memory_before_it_is_refused() {
        // Of a plan with all its keys, of tiles with many rounds, and of very many tiles.
        for task in ["count", "aes", "sort"].map(|name| Task::named(name).unwrap()) {
            let n = 1 << 32;
            let error = setting(task.name, EngineKind::Rep3, "memory", n).check().unwrap_err();
            let sized = matches!(error, Error::Memory { .. } | Error::Size { .. });
            let tiles = error.to_string().contains("tiles");
            assert!(sized || tiles, "{}: {error}", task.name);
        }
    }
}
