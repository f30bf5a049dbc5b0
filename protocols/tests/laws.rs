//! The laws, for every operator on every engine: `cargo test -p tacit-protocols --test laws --
//! --nocapture` prints how many cases each had, under compute parties of sites.
//!
//! A case is one operator on one engine, for so many rows of one width and form, whole or in tiles.
//! It runs among threads; what is opened equals the interpreter in the clear and plain Rust, each
//! ledger equals the bill, and no party holds more than was billed.

#[path = "laws/bits.rs"]
mod bits;
#[path = "laws/cipher.rs"]
mod cipher;
mod common;
#[path = "laws/moves.rs"]
mod moves;
#[path = "laws/registry.rs"]
mod registry;
#[path = "laws/rows.rs"]
mod rows;
#[path = "laws/words.rs"]
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::family::{Value, read, reveal};
use common::plans::Draw;
use registry::{Case, Data, FORMS, Operator, ROWS};
use tacit_mpc::testing::{Inputs, Session, assert_laws, session, world};
use tacit_mpc::{Builder, Circuit, Column, EngineKind, bill, tile};
use tacit_protocols::lower;

/// Public functions that build no circuit.
const OTHER: [&str; 1] = ["ceil_log2"];

/// Engine, sites, compute parties.
const WORLDS: [(EngineKind, usize, usize); 6] = [
    (EngineKind::Clear, 3, 3),
    (EngineKind::Rep3, 3, 3),
    (EngineKind::Rep3, 5, 3),
    (EngineKind::Additive, 2, 2),
    (EngineKind::Additive, 3, 3),
    (EngineKind::Additive, 5, 5),
];

fn operators() -> impl Iterator<Item = &'static Operator> {
    [cipher::OPERATORS, bits::OPERATORS, words::OPERATORS, rows::OPERATORS, moves::OPERATORS]
        .into_iter()
        .flatten()
}

/// A case as a circuit among parties, and how many planes each result has.
struct Run {
    circuit: Circuit,
    inputs: Inputs,
    widths: Vec<usize>,
}

/// The arguments are entered by one site after another, from site `first` on.
fn run(case: &Case, engine: EngineKind, sites: usize, session: &Session, first: usize) -> Run {
    let mut b = Builder::new();
    let mut inputs = Inputs::new();
    let mut entered = Vec::new();
    for (i, given) in case.given.iter().enumerate() {
        let holder = (first + i) % sites;
        entered.push(given.enter(&mut b, holder));
        inputs.entry(holder).or_default().extend(given.columns());
    }
    let addends = engine.addends(session.roster.compute.len());
    let mut widths = Vec::new();
    for value in (case.build)(&mut b, &entered, addends) {
        reveal(&mut b, &value, session.analyst);
        widths.push(match value {
            Value::Bits(planes) => planes.len(),
            Value::Num(_) => 0,
        });
    }
    Run { circuit: lower(&b.finish(), addends), inputs, widths }
}

/// Whether an engine has the instructions of an operator; if not, the bill says so.
fn has(engine: EngineKind, operator: &Operator) -> bool {
    engine != EngineKind::Additive || !operator.shuffles
}

fn sorted(rows: &[u64]) -> Vec<u64> {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    rows
}

/// Runs a case and compares.
fn check(operator: &Operator, case: &Case, run: &Run, circuit: &Circuit, at: &Setting) {
    let what = format!("{} {at:?}", operator.name);
    if !operator.mixes {
        let opened = assert_laws(circuit, at.engine, &at.session.roster, &run.inputs, at.seed);
        assert_eq!(read(&opened, &run.widths), case.due, "{what}");
        return;
    }
    // In another order than in the clear: the ledger and the rows, which stay whole.
    let outcome = world(circuit, at.engine, &at.session.roster, &run.inputs, at.seed).expect(&what);
    for (ledger, cost) in outcome.ledgers.iter().zip(&outcome.bill.parties) {
        let got = (ledger.rounds, ledger.sent(), ledger.received());
        assert_eq!(got, (cost.rounds, cost.sent, cost.received), "{what}");
    }
    assert!(outcome.peaks.iter().all(|peak| *peak <= outcome.bill.peak_bytes), "{what}");
    let got = read(&outcome.opened, &run.widths);
    assert_eq!(got[0], got[1], "{what}: a row came apart");
    assert_eq!(sorted(&got[0]), sorted(&case.due[0]), "{what}");
}

/// Where a case runs.
#[derive(Debug)]
struct Setting {
    engine: EngineKind,
    session: Session,
    seed: u64,
}

/// All cases of an operator on an engine, and their number.
fn cases(operator: &Operator, (engine, sites, compute): (EngineKind, usize, usize)) -> usize {
    let session = session(engine, sites, compute);
    let mut at = Setting { engine, session, seed: 0 };
    let mut count = 0;
    let tried = operator.least_rows..=operator.most_rows;
    for (i, &rows) in ROWS.iter().filter(|rows| tried.contains(rows)).enumerate() {
        for k in 0..operator.forms {
            let turn = i * operator.forms + k;
            let (form, widths) = (FORMS[turn % FORMS.len()], operator.widths);
            // Every width meets every form.
            let skew =
                if widths.len().is_multiple_of(FORMS.len()) { turn / FORMS.len() } else { 0 };
            let width = widths[(turn + skew) % widths.len()];
            at.seed += 1;
            let draw = Draw(at.seed << 8 | sites as u64);
            let case = (operator.case)(&mut Data { rows, width, form, draw });
            let run = run(&case, engine, sites, &at.session, k);
            if !has(engine, operator) {
                let error = bill(&run.circuit, engine, &at.session.roster).unwrap_err();
                assert!(error.to_string().contains("additive cannot"), "{error}");
                continue;
            }
            check(operator, &case, &run, &run.circuit, &at);
            count += 1;
            if rows > 64 {
                let tiled = tile(&run.circuit, 64).unwrap();
                check(operator, &case, &run, &tiled, &at);
                count += 1;
            }
        }
    }
    count
}

#[test]
fn the_laws_hold_for_every_operator_on_every_engine() {
    let operators: Vec<&Operator> = operators().collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some(operator) = operators.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((operator.name, WORLDS.map(|world| cases(operator, world))));
        }
        done
    };
    let counts: BTreeMap<&str, [usize; 6]> = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    });
    print!("\ncases of {:23}", "");
    for (engine, sites, compute) in WORLDS {
        print!("{:>15}", format!("{engine} {compute}/{sites}"));
    }
    println!();
    let mut total = 0;
    for operator in operators {
        let counts = counts[operator.name];
        print!("{:32}", operator.name);
        for (count, world) in counts.into_iter().zip(WORLDS) {
            let cell = if has(world.0, operator) { count.to_string() } else { "refused".into() };
            print!("{cell:>15}");
            assert_eq!(count == 0, !has(world.0, operator), "{} in {world:?}", operator.name);
        }
        println!();
        total += counts.iter().sum::<usize>();
    }
    println!("{total} cases of {} operators", counts.len());
}

/// Every public function that the sources name.
fn public_functions() -> BTreeSet<String> {
    let operators = concat!(env!("CARGO_MANIFEST_DIR"), "/src/operators/");
    let text = |file: &str| std::fs::read_to_string(format!("{operators}{file}")).unwrap();
    let module = text("mod.rs");
    let exported =
        module.split(';').filter_map(|item| item.split_once("pub use ")).flat_map(|item| {
            let (_, names) = item.1.split_once("::").expect("a path");
            names
                .trim_matches(['{', '}'])
                .split(',')
                .map(|name| name.trim().trim_matches(['{', '}']))
        });
    let functions = |file: &str| -> Vec<String> {
        let lines: Vec<String> = text(file).lines().map(str::to_owned).collect();
        let name = |line: &String| {
            let rest = line.strip_prefix("pub fn ")?;
            Some(rest[..rest.find(['(', '<'])?].to_owned())
        };
        lines.iter().filter_map(name).collect()
    };
    let mut all: BTreeSet<String> = exported
        .filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect();
    all.extend(functions("mod.rs"));
    all.extend(functions("numbers.rs").into_iter().map(|name| format!("numbers::{name}")));
    all
}

#[test]
fn every_public_operator_is_among_those_that_are_checked() {
    let listed: BTreeSet<String> =
        operators().map(|operator| operator.name).chain(OTHER).map(str::to_owned).collect();
    assert_eq!(listed.len(), operators().count() + OTHER.len(), "an operator is listed twice");
    assert_eq!(listed, public_functions());
}

#[test]
fn what_runs_and_what_is_sent_does_not_depend_on_the_inputs() {
    let session = session(EngineKind::Rep3, 3, 3);
    for operator in operators() {
        let width = *operator.widths.last().unwrap().min(&20);
        let form = registry::Form::Random;
        let drawn = |draw: Draw| {
            let case = (operator.case)(&mut Data { rows: 65, width, form, draw });
            run(&case, EngineKind::Rep3, 3, &session, 0)
        };
        let run = drawn(Draw(3));
        let zero =
            |column: &Column| Column::from_words(column.shape(), vec![0; column.shape().words()]);
        let mut other: Inputs =
            run.inputs.iter().map(|(&who, x)| (who, x.iter().map(zero).collect())).collect();
        if operator.shuffles {
            // Zeros are no permutation.
            other = drawn(Draw(4)).inputs;
        }
        let [a, b] = [&run.inputs, &other].map(|inputs| {
            world(&run.circuit, EngineKind::Rep3, &session.roster, inputs, 1).expect(operator.name)
        });
        assert_eq!(a.ledgers, b.ledgers, "{}", operator.name);
        assert_eq!(a.steps, b.steps, "{}", operator.name);
        assert_eq!(a.peaks, b.peaks, "{}", operator.name);
    }
}
