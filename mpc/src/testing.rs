//! A seeded test world, for tests of operators and of engines.
//!
//! [`world`] runs a circuit among threads over in-memory links, with every link counted, and says
//! what was opened, what every link carried and what the bill had promised. [`assert_laws`] checks
//! what must hold for every circuit and engine. Nothing here is for anything but tests: pairwise
//! seeds follow from a number.

use std::{collections::BTreeMap, thread};

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use tacit_net::{Counted, Ledger, Link, Memory, memory};

use crate::{
    Bill, Builder, Circuit, Column, EngineKind, Handle, Kind, Op, Result, Roster, Shape, Step,
    bill, clear, engine::Protocol, execute::run_measured, field,
};

/// Columns by holder and slot.
pub type Inputs = BTreeMap<usize, Vec<Column>>;

/// The session of a study with this many sites: all sites, then a dealer if the engine needs one,
/// then the analyst. The first `compute` sites compute.
pub fn session(engine: EngineKind, sites: usize, compute: usize) -> Session {
    let dealer = engine.triples().is_some().then_some(sites);
    let analyst = sites + usize::from(dealer.is_some());
    let roster = Roster { parties: analyst + 1, compute: (0..compute).collect(), dealer };
    Session { roster, analyst }
}

/// A roster and who asks.
#[derive(Clone, Debug)]
pub struct Session {
    /// The roles.
    pub roster: Roster,
    /// Session index of the analyst.
    pub analyst: usize,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was opened: receiver, name, column, in circuit order.
    pub opened: Vec<(usize, String, Column)>,
    /// What each party's link carried.
    pub ledgers: Vec<Ledger>,
    /// What the bill had promised.
    pub bill: Bill,
    /// Most bytes alive at once at each party; 0 at a party that does not compute.
    pub peaks: Vec<u64>,
    /// The network rounds that each party was asked about.
    pub steps: Vec<Vec<Step>>,
}

/// What one party's run came to.
#[derive(Debug)]
pub struct Party {
    /// What was opened to it, or how it ended.
    pub result: Result<Vec<(String, Column)>>,
    /// What its link carried.
    pub ledger: Ledger,
    /// Most bytes alive at once.
    pub peak: u64,
    /// The network rounds that it was asked about.
    pub steps: Vec<Step>,
}

/// Runs every party in a thread over in-memory links, each wrapped by `wrap` (a tamperer, say).
pub fn parties<L: Link>(
    circuit: &Circuit,
    engine: impl Protocol,
    roster: &Roster,
    inputs: &Inputs,
    seed: u64,
    wrap: impl Fn(Memory) -> L,
) -> Vec<Party> {
    let engine = &engine;
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let links: Vec<L> = memory::mesh(roster.parties, key).into_iter().map(wrap).collect();
    thread::scope(|scope| {
        let start = |(me, link): (usize, L)| {
            let columns = inputs.get(&me).cloned().unwrap_or_default();
            scope.spawn(move || {
                let mut link = Counted::new(link);
                let mut steps = Vec::new();
                let gate = &mut |step: &Step| {
                    steps.push(*step);
                    Ok(())
                };
                let watch = &mut |_| {};
                let result = run_measured(circuit, engine, roster, &mut link, columns, gate, watch);
                let peak = result.as_ref().map_or(0, |(_, peak)| *peak);
                let ledger = link.ledger().clone();
                Party { result: result.map(|(opened, _)| opened), ledger, peak, steps }
            })
        };
        let threads: Vec<_> = links.into_iter().enumerate().map(start).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Runs a lowered circuit on an engine.
///
/// # Errors
/// The first error of any party.
pub fn world(
    circuit: &Circuit,
    engine: impl Protocol,
    roster: &Roster,
    inputs: &Inputs,
    seed: u64,
) -> Result<Outcome> {
    let bill = bill(circuit, &engine, roster)?;
    let mut lists = Vec::new();
    let (mut ledgers, mut peaks, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for party in parties(circuit, &engine, roster, inputs, seed, |link| link) {
        lists.push(party.result?.into_iter());
        ledgers.push(party.ledger);
        peaks.push(party.peak);
        steps.push(party.steps);
    }
    let mut opened = Vec::new();
    for instruction in circuit.instructions() {
        if let Op::Reveal { to, .. } = &instruction.op {
            opened.extend(lists[*to].next().map(|(name, column)| (*to, name, column)));
        }
    }
    Ok(Outcome { opened, ledgers, bill, peaks, steps })
}

/// A random circuit over columns of one kind, opened to `receiver`, and inputs for it: every
/// instruction that keeps to the kind, on `rows` rows entered by each of `holders`. The same for the
/// same seed; edge values are among the inputs.
pub fn random_circuit<H: Handle>(
    holders: &[usize],
    receiver: usize,
    rows: usize,
    seed: u64,
) -> (Circuit, Inputs) {
    let mut dice = ChaCha12Rng::seed_from_u64(seed);
    let mut b = Builder::new();
    let mut inputs = Inputs::new();
    let mut columns: Vec<H> = Vec::new();
    for &holder in holders {
        let shape = Shape { kind: H::KIND, rows };
        let words = (0..shape.words()).map(|_| word(H::KIND, &mut dice)).collect();
        inputs.entry(holder).or_default().push(Column::from_words(shape, words));
        columns.push(b.enter(holder, rows));
    }
    // All columns keep `rows` rows, so that any two fit.
    for _ in 0..20 {
        let mut pick = || columns[dice.next_u32() as usize % columns.len()];
        let (x, y) = (pick(), pick());
        let cut = dice.next_u32() as usize % (rows + 1);
        let z = match dice.next_u32() % 12 {
            0 => b.add(x, y),
            1 => b.sub(x, y),
            2 if H::KIND != Kind::Bit => b.scale(x, word(H::KIND, &mut dice)),
            3 => {
                let value = word(H::KIND, &mut dice);
                let value = if H::KIND == Kind::Bit { value & 1 } else { value };
                let c = b.constant(value, rows);
                let less = b.sub(c, x);
                b.mul(c, less)
            }
            4 => {
                let parts = [b.slice(x, cut, rows - cut), b.slice(y, 0, cut)];
                b.concat(&parts)
            }
            5 => {
                let sum = b.sum(x);
                b.broadcast(sum, rows)
            }
            6 => b.gather(x, (0..rows as u32).rev().collect()),
            7 => b.prefix_sum(x),
            8 => b.transpose(x, (1..9).rev().find(|n| rows.is_multiple_of(*n)).unwrap_or(1)),
            9 => {
                let random = b.random(rows);
                let hidden = b.add(x, random);
                b.sub(hidden, random)
            }
            _ => b.mul(x, y),
        };
        columns.push(z);
    }
    for (i, &x) in columns.iter().rev().take(4).enumerate() {
        b.reveal(x, receiver, format!("column {i}"));
        b.reveal(x, holders[i % holders.len()], format!("column {i}"));
    }
    (b.finish(), inputs)
}

/// A word that stands in a column of this kind, often one at the edge.
fn word(kind: Kind, dice: &mut ChaCha12Rng) -> u64 {
    let largest = if kind == Kind::Field { field::MODULUS - 1 } else { u64::MAX };
    let word = match dice.next_u32() % 6 {
        0 => 0,
        1 => 1,
        2 => largest,
        _ => dice.next_u64(),
    };
    if kind == Kind::Field { field::reduce(word) } else { word }
}

/// Checks the laws that hold for every circuit and engine, and returns what was opened.
///
/// The run equals the clear interpreter, bit for bit; every ledger equals the bill; no compute
/// party holds more than the bill's peak; the gate was asked once per round, and about openings in
/// the last round alone.
///
/// # Panics
/// If a law is broken, with the seed.
pub fn assert_laws(
    circuit: &Circuit,
    engine: impl Protocol,
    roster: &Roster,
    inputs: &Inputs,
    seed: u64,
) -> Vec<(usize, String, Column)> {
    let case = format!("engine {engine}, compute {:?}, seed {seed}", roster.compute);
    let outcome = match world(circuit, &engine, roster, inputs, seed) {
        Ok(outcome) => outcome,
        Err(error) => panic!("{case}: {error}"),
    };
    let expected = match clear(circuit, inputs) {
        Ok(expected) => expected,
        Err(error) => panic!("{case}: {error}"),
    };
    assert_eq!(outcome.opened.len(), expected.len(), "{case}: number of openings");
    for (got, due) in outcome.opened.iter().zip(&expected) {
        assert_eq!((got.0, &got.1), (due.0, &due.1), "{case}: order of openings");
        assert_eq!(got.2.to_numbers(), due.2.to_numbers(), "{case}: {}", got.1);
    }
    let bill = &outcome.bill;
    for (party, (ledger, cost)) in outcome.ledgers.iter().zip(&bill.parties).enumerate() {
        let got = (ledger.rounds, ledger.sent(), ledger.received());
        let due = (cost.rounds, cost.sent, cost.received);
        assert_eq!(got, due, "{case}: ledger and bill of party {party}");
        let steps = &outcome.steps[party];
        assert_eq!(steps.len() as u64, cost.rounds, "{case}: gate of party {party}");
        for step in steps {
            assert_eq!(step.rounds, bill.rounds, "{case}");
            assert!(step.round <= step.rounds, "{case}");
            assert!(!step.opens || step.round == step.rounds, "{case}: an early opening");
        }
        let peak = outcome.peaks[party];
        assert!(peak <= bill.peak_bytes, "{case}: {peak} bytes, billed {}", bill.peak_bytes);
    }
    outcome.opened
}
