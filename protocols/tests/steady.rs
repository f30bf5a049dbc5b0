//! Local code does the same whatever the secrets are: `cargo test -p tacit-protocols --test steady`.
//!
//! Every party's part of a run is done again by a process of its own, on one thread, from a tape of
//! the circuits and of what it enters and receives, under cachegrind (valgrind), which counts instructions, reads, writes,
//! branches, and what a simulated cache and branch predictor miss. All counts must be equal for two
//! runs that differ in what is entered alone: a branch on a secret changes branches taken, an index
//! the lines that are touched. Two parts that are broken on purpose show that the counts tell.
//!
//! Operators that open comparisons or places of shuffled rows go on as these say, and are left out. Seeds are
//! the same in both runs, so that random orders are: they index memory, and are no input. Without
//! valgrind nothing is checked, and that is said. `TACIT_STEADY=all` takes all operators, not those alone
//! that could tempt.

// What this file does not use of the operators' registry is used by the laws.
#[allow(dead_code, unused_imports)]
#[path = "laws/bits.rs"]
mod bits;
#[allow(dead_code, unused_imports)]
#[path = "laws/cipher.rs"]
mod cipher;
mod common;
#[allow(dead_code, unused_imports)]
#[path = "laws/moves.rs"]
mod moves;
#[allow(dead_code, unused_imports)]
#[path = "laws/registry.rs"]
mod registry;
#[allow(dead_code, unused_imports)]
#[path = "laws/rows.rs"]
mod rows;
#[allow(dead_code, unused_imports)]
#[path = "laws/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::{env, fs, thread};

use bytes::Bytes;
use common::plans::Draw;
use registry::{Data, Form, Operator};
use tacit_mpc::testing::{Inputs, Session, parties, session};
use tacit_mpc::{Builder, Circuit, Column, EngineKind, Kind, Op, Shape, run};
use tacit_net::{Arena, Frames, Link, Memory, Result, Round, Seed};
use tacit_protocols::lower;

/// Rows: more than a word of bits, and not a multiple of it.
const ROWS: usize = 70;

/// Operators whose results one would branch or index for, in the clear.
const TEMPTING: [&str; 19] = [
    "select",
    "suppress",
    "less",
    "equal",
    "min",
    "max",
    "argmin_rows",
    "clamp",
    "divide",
    "divide_public_signed",
    "one_hot",
    "look_up",
    "look_up_number",
    "sum_by_key",
    "to_num_by_sum",
    "segmented_max",
    "shuffle",
    "numbers::divide",
    "numbers::equal",
];

/// Engines, each with four sites of which three compute, so that one enters from outside.
const ENGINES: [EngineKind; 2] = [EngineKind::Rep3, EngineKind::Additive];

/// All operators that are checked.
fn operators() -> Vec<&'static Operator> {
    let all =
        [bits::OPERATORS, words::OPERATORS, rows::OPERATORS, moves::OPERATORS, cipher::OPERATORS];
    let wanted = env::var("TACIT_STEADY").is_ok_and(|which| which == "all");
    let some = |operator: &&Operator| wanted || TEMPTING.contains(&operator.name);
    all.into_iter().flatten().filter(some).collect()
}

/// An operator's circuit and columns; none if the engine does not have it or it opens comparisons or places.
fn circuit(operator: &Operator, engine: EngineKind) -> Option<(Circuit, Inputs, Session)> {
    let session = session(engine, 4, 3);
    let width = operator.widths.iter().copied().filter(|width| *width <= 9).max();
    let width = width.or_else(|| operator.widths.iter().copied().min())?;
    let mut data = Data { rows: ROWS, width, form: Form::Random, draw: Draw(5) };
    let case = (operator.case)(&mut data);
    let mut b = Builder::new();
    let mut inputs = Inputs::new();
    let mut entered = Vec::new();
    for (i, given) in case.given.iter().enumerate() {
        // Somebody who does not compute is first.
        let holder = (3 + i) % 4;
        entered.push(given.enter(&mut b, holder));
        inputs.entry(holder).or_default().extend(given.columns());
    }
    let addends = engine.addends(3);
    for value in (case.build)(&mut b, &entered, addends) {
        common::family::reveal(&mut b, &value, session.analyst);
    }
    let circuit = lower(&b.finish(), addends);
    let instructions = circuit.instructions();
    let sorts = instructions.iter().any(|i| matches!(i.op, Op::Sort(_) | Op::Permute { .. }));
    let shuffles = instructions.iter().any(|i| matches!(i.op, Op::Shuffle { .. }));
    if sorts || shuffles && engine == EngineKind::Additive {
        return None;
    }
    Some((circuit, inputs, session))
}

/// What a party enters, draws keys from and receives, in order.
#[derive(Default)]
struct Tape(Vec<Vec<u8>>);

impl Tape {
    fn column(&mut self, column: &Column) {
        let shape = column.shape();
        self.0.push(vec![shape.kind as u8]);
        self.0.push((shape.rows as u64).to_le_bytes().to_vec());
        self.0.push(column.words().iter().flat_map(|word| word.to_le_bytes()).collect());
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for item in &self.0 {
            bytes.extend((item.len() as u64).to_le_bytes());
            bytes.extend(item);
        }
    }
}

/// A tape that is read again.
struct Reader(Bytes);

impl Reader {
    fn number(&mut self) -> usize {
        let bytes = self.0.split_to(8);
        u64::from_le_bytes(bytes[..].try_into().expect("eight bytes")) as usize
    }

    fn item(&mut self) -> Bytes {
        let length = self.number();
        self.0.split_to(length)
    }

    /// A number that is an item.
    fn written(&mut self) -> usize {
        self.number();
        self.number()
    }

    fn column(&mut self) -> Column {
        let kind = if self.item()[0] == Kind::Bit as u8 { Kind::Bit } else { Kind::Num };
        let rows = self.written();
        let words = self.item();
        let words = words.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Column::from_words(Shape { kind, rows }, words)
    }
}

/// A link that writes down what comes over it.
struct Recorded {
    inner: Memory,
    tapes: Arc<Mutex<BTreeMap<usize, Tape>>>,
}

impl Recorded {
    fn note(&self, item: &[u8]) {
        let mut tapes = self.tapes.lock().expect("no party failed");
        tapes.entry(self.inner.me()).or_default().0.push(item.to_vec());
    }
}

impl Link for Recorded {
    fn me(&self) -> usize {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn exchange(&mut self, round: Round) -> Result<Frames> {
        let frames = self.inner.exchange(round)?;
        for frame in &frames {
            self.note(frame);
        }
        Ok(frames)
    }

    fn seed(&mut self, peer: usize) -> Result<Seed> {
        let seed = self.inner.seed(peer)?;
        self.note(&seed.0);
        Ok(seed)
    }

    fn arena(&self) -> Arena {
        self.inner.arena()
    }

    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        self.inner.abort(culprit, reason);
    }
}

/// A link on which everything comes from a tape.
struct Replayed {
    me: usize,
    parties: usize,
    tape: Reader,
    arena: Arena,
}

impl Link for Replayed {
    fn me(&self) -> usize {
        self.me
    }

    fn parties(&self) -> usize {
        self.parties
    }

    fn exchange(&mut self, round: Round) -> Result<Frames> {
        Ok(round.expect.iter().map(|_| self.tape.item()).collect())
    }

    fn seed(&mut self, _: usize) -> Result<Seed> {
        let item = self.tape.item();
        Ok(Seed(item[..].try_into().expect("a seed")))
    }

    fn arena(&self) -> Arena {
        self.arena.clone()
    }

    fn abort(&mut self, _: Option<usize>, _: &str) {}
}

/// Runs everything and gives each party's tape. The inputs are those of the case, or zeros.
fn record(engine: EngineKind, zeros: bool) -> BTreeMap<usize, Vec<u8>> {
    let mut all: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for operator in operators() {
        let Some((circuit, mut inputs, session)) = circuit(operator, engine) else { continue };
        for column in inputs.values_mut().flatten().filter(|_| zeros) {
            *column = Column::from_words(column.shape(), vec![0; column.shape().words()]);
        }
        let tapes = Arc::new(Mutex::new(BTreeMap::<usize, Tape>::new()));
        for party in 0..session.roster.parties {
            let mut tapes = tapes.lock().expect("nothing runs yet");
            let tape = tapes.entry(party).or_default();
            let columns = inputs.get(&party).map_or(&[][..], |columns| &columns[..]);
            tape.0.push(circuit.json().into_bytes());
            tape.0.push((columns.len() as u64).to_le_bytes().to_vec());
            for column in columns {
                tape.column(column);
            }
        }
        let wrap = |inner| Recorded { inner, tapes: Arc::clone(&tapes) };
        for party in parties(&circuit, engine, &session.roster, &inputs, 7, wrap) {
            party.result.expect(operator.name);
        }
        let mut tapes = tapes.lock().expect("no party failed");
        for party in 0..session.roster.parties {
            tapes.entry(party).or_default().write(all.entry(party).or_default());
        }
    }
    all
}

/// Does one party's part of everything again.
fn replay(tape: Vec<u8>, engine: EngineKind, me: usize, broken: &str) {
    let mut tape = Reader(tape.into());
    let Session { roster, .. } = session(engine, 4, 3);
    while !tape.0.is_empty() {
        let circuit: Circuit = serde_json::from_slice(&tape.item()).expect("a circuit");
        let due = tape.written();
        let columns: Vec<Column> = (0..due).map(|_| tape.column()).collect();
        for column in &columns {
            misuse(column.words(), broken);
        }
        let parties = roster.parties;
        let mut link = Replayed { me, parties, tape, arena: Arena::default() };
        let opened = run(&circuit, engine, &roster, &mut link, columns, &mut |_| Ok(()));
        drop(opened.expect("a run"));
        tape = link.tape;
    }
}

/// What must not be done with secrets, if it is asked for.
fn misuse(secret: &[u64], how: &str) {
    let mut table = vec![0_u8; 1 << 16];
    for &word in secret {
        match how {
            "branch" if word & 1 == 1 => black_box(()),
            "index" => {
                table[word as usize % (1 << 16)] += 1;
                black_box(&table);
            }
            _ => {}
        }
    }
}

/// What cachegrind counts: its names and numbers.
fn count(tape: &Path, engine: EngineKind, me: usize, broken: &str) -> Vec<(String, u64)> {
    // Two ways of being broken are counted at once.
    let out = tape.with_extension(format!("{broken}-counts"));
    let status = Command::new("valgrind")
        // Its debugging server would leave a name of random length among the process's mappings.
        .args(["--vgdb=no", "--tool=cachegrind", "--cache-sim=yes", "--branch-sim=yes", "-q"])
        .arg(format!("--cachegrind-out-file={}", out.display()))
        .arg(env::current_exe().expect("this program"))
        .args(["replay", &engine.to_string(), &me.to_string(), broken])
        .arg(tape)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("valgrind starts");
    assert!(status.success(), "a party's part ends well under valgrind");
    let text = fs::read_to_string(&out).expect("valgrind writes its counts");
    let line = |name: &str| -> Vec<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.expect("its counts").split_whitespace().map(str::to_owned).collect()
    };
    let numbers = line("summary:").into_iter().map(|number| number.parse().expect("a count"));
    line("events:").into_iter().zip(numbers).collect()
}

/// Compares every party's counts, and shows that broken ones differ.
fn check() -> bool {
    let known: Vec<&str> = operators().iter().map(|operator| operator.name).collect();
    assert!(TEMPTING.iter().all(|name| known.contains(name)), "an operator has another name");
    let runs = |operator: &&&Operator| circuit(operator, EngineKind::Rep3).is_some();
    let names: Vec<&str> = operators().iter().filter(runs).map(|operator| operator.name).collect();
    println!("local code of {} operators, whatever the inputs: {}", names.len(), names.join(", "));
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("NOT CHECKED: there is no valgrind here");
        return true;
    }
    let folder = env::temp_dir().join(format!("tacit-steady-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for tapes");
    let mut jobs = Vec::new();
    for engine in ENGINES {
        for (zeros, tapes) in [(0, record(engine, false)), (1, record(engine, true))] {
            for (party, tape) in tapes {
                let path = folder.join(format!("{engine}-{party}-{zeros}"));
                fs::write(&path, tape).expect("a tape is written");
                if zeros == 1 {
                    jobs.push((engine, party, "plain"));
                }
            }
        }
    }
    jobs.extend(["branch", "index"].map(|broken| (EngineKind::Rep3, 3, broken)));
    let next = Mutex::new(jobs.into_iter());
    let worker = || {
        let mut steady = true;
        while let Some((engine, party, broken)) = next.lock().ok().and_then(|mut jobs| jobs.next())
        {
            let counts = [0, 1].map(|zeros| {
                let path = folder.join(format!("{engine}-{party}-{zeros}"));
                count(&path, engine, party, broken)
            });
            let differ: Vec<String> = counts[0]
                .iter()
                .zip(&counts[1])
                .filter(|(one, other)| one != other)
                .map(|(one, other)| format!("{} {} and {}", one.0, one.1, other.1))
                .collect();
            let right = differ.is_empty() == (broken == "plain");
            println!(
                "{engine}, party {party}, {broken}: {}{}",
                if differ.is_empty() { "equal counts".into() } else { differ.join(", ") },
                if right { "" } else { " FAILED" }
            );
            steady &= right;
        }
        steady
    };
    let steady = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().all(|worker| worker.join().is_ok_and(|steady| steady))
    });
    // Tapes are as good as new when they are made again: nothing depends on them any more.
    let _ = fs::remove_dir_all(&folder);
    steady
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [replays, engine, party, broken, tape] if replays == "replay" => {
            let engine = engine.parse().expect("an engine");
            let tape = fs::read(tape).expect("a tape");
            replay(tape, engine, party.parse().expect("a party"), broken);
            ExitCode::SUCCESS
        }
        [.., last] if last == "--list" => ExitCode::SUCCESS,
        _ => ExitCode::from(u8::from(!check())),
    }
}
