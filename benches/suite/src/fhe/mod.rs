//! Figures of homomorphic evaluation, each phase apart, with the same question on `rep3` beside it.
//!
//! Keys, encryption with proofs, addition, comparison, suppression, squashing, partial decryption and
//! combination; then a grouped COUNT with the rules of disclosure, from encryption to the opened
//! columns. What is opened is compared with the clear interpreter before a figure is given, and bytes
//! with the bill. All parties are in this process and take their turns, so that a time is that of one
//! party on all cores of this machine.

mod figures;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use tacit_he::{
    Accepted, Calibration, Decryption, EncryptionKeys, EvaluationKeys, Field, Forgetful, Guard,
    KeyShare, Partial, Program, Session, Squashed, Verify, accept, bill, combine, encrypt,
    evaluate, fields,
    keys::{Dealer, KeySource, Scope},
    plan_digest, statement,
};
use tacit_mpc::{Builder, Circuit, Column, EngineKind, Num, Roster, clear};
use tacit_net::{Counted, memory};
use tacit_plan::{Number, Plan, Role, Rows, Rule, Test};
use tacit_protocols::Parties;

use self::figures::AGGREGATES;
pub use self::figures::{Cell, Count, Figures, Keys, Opened, Rep3, SCHEMA, Upload, text};
use crate::{
    Error, Result,
    count::{THRESHOLD, grouped, input},
    machine,
};

/// Sites that enter; each of them may hold a share of the key.
const SITES: usize = 3;

/// Session index of the analyst.
const ANALYST: usize = SITES;

/// Widths at which a cell is measured.
const WIDTHS: [u32; 3] = [16, 24, 32];

/// A site with fewer rows than this in a group, but some, hides it.
const FLOOR: u64 = 3;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Key holders, 2 to 3.
    pub holders: usize,
    /// Cells of the grouped COUNT.
    pub cells: usize,
    /// Its width in bits.
    pub bits: u32,
    /// Cells on which an operation is measured.
    pub sample: usize,
}

impl Default for Order {
    fn default() -> Self {
        Self { holders: 3, cells: 50, bits: 24, sample: 8 }
    }
}

/// Everything that the parties hold.
struct World {
    encryption: EncryptionKeys,
    evaluation: EvaluationKeys,
    shares: Vec<KeyShare>,
    keys: [u8; 32],
}

/// Measures all of it; `tell` hears what comes next.
///
/// # Errors
/// [`Error::Homomorphic`] of the library; [`Error::Wrong`] and [`Error::Ledger`] if what was opened or
/// sent is not what had to be.
pub fn measure(order: &Order, tell: &mut dyn FnMut(&str)) -> Result<Figures> {
    tell("making keys");
    let (world, keys) = keys(order.holders)?;
    tell("calibrating");
    let calibration = Calibration::measure(&world.encryption, &world.evaluation)?;
    let mut uploads = Vec::new();
    let mut cells = Vec::new();
    for bits in WIDTHS {
        tell(&format!("an upload of {AGGREGATES} aggregates of {bits} bits"));
        uploads.push(upload(&world, bits)?);
        tell(&format!("cells of {bits} bits"));
        cells.push(cell(&world, bits, order.sample.max(1))?);
    }
    tell(&format!("a COUNT over {} groups of {} bits", order.cells, order.bits));
    let (count, opened) = count(&world, order, &calibration)?;
    Ok(Figures {
        schema: SCHEMA,
        security: format!(
            "{} of {} key holders may be curious; keys: trusted dealer, CRS: trusted dealer; \
             semi-honest evaluator unless holders evaluate again",
            order.holders - 1,
            order.holders
        ),
        parameters: tacit_he::PARAMETERS.into(),
        holders: order.holders as u64,
        keys,
        uploads,
        cells,
        opened,
        count,
        calibration,
        build: machine::build(),
        machine: machine::machine(),
    })
}

/// What `run` gives, and how long it took.
fn timed<T>(run: impl FnOnce() -> tacit_he::Result<T>) -> Result<(T, f64)> {
    let start = Instant::now();
    let made = run()?;
    Ok((made, start.elapsed().as_secs_f64()))
}

fn keys(holders: usize) -> Result<(World, Keys)> {
    let scope = Scope::new([1; 32], holders)?;
    let (mut dealt, make) = timed(|| Dealer.deal(scope))?;
    let shares = (0..holders).map(|holder| dealt.share(holder)).collect::<Result<_, _>>()?;
    let parts = dealt.public().to_parts()?;
    let [evaluation_bytes, encryption_bytes, reference_bytes] =
        [0, 1, 2].map(|part: usize| parts[part].len() as u64);
    drop(parts);
    let encryption = dealt.public().encryption();
    let (evaluation, expand) = timed(|| dealt.public().evaluation())?;
    let world = World { encryption, evaluation, shares, keys: dealt.public().digest() };
    let share_bytes = (KeyShare::WORDS * 16) as u64;
    let keys =
        Keys { make, expand, evaluation_bytes, encryption_bytes, reference_bytes, share_bytes };
    Ok((world, keys))
}

fn session(circuit: &Circuit) -> Session {
    Session { study: [1; 32], plan: circuit.digest(), session: [2; 32] }
}

fn upload(world: &World, bits: u32) -> Result<Upload> {
    let mut b = Builder::new();
    let _: Num = b.enter(0, AGGREGATES);
    let circuit = b.finish();
    let fields = fields(&circuit, 1, |_, _| bits)?;
    let values = (0..AGGREGATES as u64).map(|i| i.wrapping_mul(0x9e37_79b9) >> 2 & mask(bits));
    let columns = [Column::Num(values.collect())];
    let session = session(&circuit);
    let (bytes, encrypt) = timed(|| encrypt(&world.encryption, &session, 0, &fields[0], &columns))?;
    let (_, accept) = timed(|| accept(&world.encryption, &session, 0, &fields[0], &bytes))?;
    Ok(Upload { bits, encrypt, accept, bytes: bytes.len() as u64 })
}

fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits.clamp(1, 64))
}

/// How far a cell's circuit goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Sum,
    Compare,
    Suppress,
}

/// Counts of three sites, added up, and as much more as `stage` says.
fn cell_circuit(cells: usize, bits: u32, stage: Stage) -> Circuit {
    let mut b = Builder::new();
    let own: Vec<Num> = (0..SITES).map(|site| b.enter(site, cells)).collect();
    let sum = own[1..].iter().fold(own[0], |sum, &x| b.add(sum, x));
    let width = bits as usize + 2;
    let planes = b.to_bits(sum, width);
    if stage == Stage::Sum {
        for (i, plane) in planes.into_iter().enumerate() {
            b.reveal(plane, ANALYST, format!("plane {i}"));
        }
        return b.finish();
    }
    let least = b.constant(THRESHOLD, cells);
    let below = b.sub(sum, least);
    let hidden = b.to_bits(below, width + 1)[width];
    let shown = b.not(hidden);
    b.reveal(hidden, ANALYST, "hidden");
    for (i, &plane) in planes.iter().enumerate() {
        let opened = if stage == Stage::Suppress { b.and(plane, shown) } else { plane };
        b.reveal(opened, ANALYST, format!("plane {i}"));
    }
    b.finish()
}

/// A circuit with what three sites enter.
struct Run {
    circuit: Circuit,
    fields: Vec<Vec<Field>>,
    program: Program,
    inputs: BTreeMap<usize, Vec<Column>>,
}

impl Run {
    fn new(
        circuit: Circuit,
        width: impl Fn(usize, usize) -> u32,
        inputs: BTreeMap<usize, Vec<Column>>,
    ) -> Result<Self> {
        let fields = fields(&circuit, SITES + 1, width)?;
        let program = Program::new(&circuit, &fields)?;
        Ok(Self { circuit, fields, program, inputs })
    }

    fn encrypt(&self, world: &World, site: usize) -> tacit_he::Result<Vec<u8>> {
        let session = session(&self.circuit);
        encrypt(&world.encryption, &session, site, &self.fields[site], &self.inputs[&site])
    }

    fn accept(&self, world: &World, site: usize, bytes: &[u8]) -> tacit_he::Result<Accepted> {
        accept(&world.encryption, &session(&self.circuit), site, &self.fields[site], bytes)
    }

    /// Evaluates up to squashing, which is left out.
    fn evaluated(&self, world: &World, uploads: &[Accepted]) -> Result<f64> {
        let squashing = self.program.released();
        let enough = AtomicBool::new(false);
        let watch = |done: usize, total: usize| {
            if done + squashing >= total {
                enough.store(true, Ordering::Relaxed);
            }
            !enough.load(Ordering::Relaxed)
        };
        let start = Instant::now();
        match evaluate(&world.evaluation, &self.program, uploads, 0, &watch) {
            Err(tacit_he::Error::Stopped) => Ok(start.elapsed().as_secs_f64()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(Error::Wrong { name: "fhe: nothing was squashed".into() }),
        }
    }
}

fn cell(world: &World, bits: u32, sample: usize) -> Result<Cell> {
    let mut seconds = [0.0; 3];
    let mut opened = 0;
    for (at, stage) in [Stage::Sum, Stage::Compare, Stage::Suppress].into_iter().enumerate() {
        let counts = |site: usize| {
            let own = (0..sample as u64).map(|cell| (cell * 5 + site as u64) & mask(bits));
            (site, vec![Column::Num(own.collect())])
        };
        let circuit = cell_circuit(sample, bits, stage);
        let run = Run::new(circuit, |_, _| bits, (0..SITES).map(counts).collect())?;
        let mut uploads = Vec::new();
        for site in 0..SITES {
            uploads.push(run.accept(world, site, &run.encrypt(world, site)?)?);
        }
        seconds[at] = run.evaluated(world, &uploads)? / sample as f64;
        opened = run.program.released();
    }
    let [sum, compare, suppress] = seconds;
    Ok(Cell {
        bits,
        sum,
        compare: (compare - sum).max(0.0),
        suppress: (suppress - compare).max(0.0),
        opened: opened as f64 / sample as f64,
    })
}

/// `SELECT k, COUNT(*) ... GROUP BY k`, hidden if the result or its group is small or a site holds too
/// few rows of the group.
fn plan(cells: usize, bits: u32) -> Plan {
    let test = |rule, rows, plus, below| Test { rule, rows, plus, minus: None, least: 1, below };
    let number = |value| Number {
        expression: "COUNT(*)".into(),
        value,
        count: 1,
        hidden_by: vec![0, 1, 2],
        rounding: None,
    };
    let inputs = vec![
        input("COUNT(*)", Rows::Total, Role::Count, (bits + 6).min(63)),
        input("COUNT(*)", Rows::Cells, Role::Count, bits),
        input("below floor", Rows::Cells, Role::BelowFloor { of: 1, floor: FLOOR }, 2),
    ];
    let tests = vec![
        test(Rule::Total, Rows::Total, 0, Some(THRESHOLD)),
        test(Rule::Group, Rows::Cells, 1, Some(THRESHOLD)),
        test(Rule::SiteFloor, Rows::Cells, 2, None),
    ];
    grouped(cells, inputs, tests, vec![number(Some(1)), number(None)], Some(1))
}

/// What one site counts: nothing, few and many.
fn counted(cells: usize, bits: u32, site: usize) -> Vec<Column> {
    let most = mask(bits) / SITES as u64;
    let count = |cell: usize| match cell % 5 {
        0 => 0,
        1 => 3 * (site as u64 % 2) + 3,
        2 => 12 * (site as u64 % 2) + 2,
        3 => most,
        _ => most / (cell as u64 + site as u64 + 2),
    };
    let counts: Vec<u64> = (0..cells).map(count).collect();
    let floors = counts.iter().map(|&count| u64::from((1..FLOOR).contains(&count))).collect();
    let total = counts.iter().sum();
    vec![Column::Num(vec![total]), Column::Num(counts), Column::Num(floors)]
}

fn count(world: &World, order: &Order, calibration: &Calibration) -> Result<(Count, Opened)> {
    let Order { cells, bits, holders, .. } = *order;
    let plan = plan(cells, bits);
    let parties = Parties { holders: (0..SITES).collect(), analyst: ANALYST };
    let circuit = tacit_protocols::circuit(&plan, &parties)
        .map_err(|_| Error::Wrong { name: "fhe: the plan".into() })?;
    let width = |_: usize, slot: usize| plan.inputs.get(slot).map_or(1, |input| input.bits);
    let inputs: BTreeMap<usize, Vec<Column>> =
        (0..SITES).map(|site| (site, counted(cells, bits, site))).collect();
    let run = Run::new(circuit, width, inputs)?;
    let billed = bill(&run.program, holders)?;

    let mut bytes = 0;
    let mut encrypting = 0.0;
    let mut sent = Vec::new();
    for site in 0..SITES {
        let (upload, seconds) = timed(|| run.encrypt(world, site))?;
        encrypting += seconds / SITES as f64;
        if upload.len() as u64 != billed.uploads[site] {
            return Err(Error::Ledger { name: "fhe: an upload".into() });
        }
        bytes += upload.len() as u64;
        sent.push(upload);
    }
    let (uploads, accepting) = timed(|| {
        sent.iter().enumerate().map(|(site, bytes)| run.accept(world, site, bytes)).collect()
    })?;
    let uploads: Vec<Accepted> = uploads;
    let (squashed, evaluating, squashing) = whole(world, &run, &uploads)?;
    let summary = squashed.summary();
    bytes += summary.to_bytes().len() as u64;
    let statement = statement(world.keys, &run.program, &uploads);
    let decryption = Decryption {
        plan: plan_digest(&run.circuit.digest(), &[2; 32]),
        released: run.program.released(),
        approved: statement,
        statement,
        claimed: squashed.digest(),
        squashed: &squashed,
        verify: Verify::Reevaluate,
    };
    let mut parts = Vec::new();
    let mut decrypting = 0.0;
    for share in &world.shares {
        let guard = Guard::new(Forgetful::default());
        let (part, seconds) = timed(|| guard.decrypt(share, &decryption))?;
        decrypting += seconds / holders as f64;
        if part.len() as u64 != billed.partial {
            return Err(Error::Ledger { name: "fhe: a part".into() });
        }
        bytes += part.len() as u64;
        parts.push(Partial::from_bytes(&part, share.holder(), &summary)?);
    }
    let (opened, combining) = timed(|| {
        let blocks = combine(&summary, holders, &parts)?;
        run.program.decode(&blocks)
    })?;
    let expected = clear(&run.circuit, &run.inputs)?;
    let same = |(found, due): (&(usize, String, Column), &(usize, String, Column))| {
        found.1 == due.1 && found.2.to_numbers() == due.2.to_numbers()
    };
    if opened.len() != expected.len() || !opened.iter().zip(&expected).all(same) {
        return Err(Error::Wrong { name: "fhe: the grouped COUNT".into() });
    }
    let rep3 = rep3(&run)?;
    let each = run.program.released().max(1) as f64;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let count = Count {
        cells: cells as u64,
        bits,
        opened: run.program.released() as u64,
        encrypt: encrypting,
        accept: accepting,
        evaluate: evaluating,
        squash: squashing,
        partial: decrypting,
        combine: combining,
        bytes,
        billed: calibration.time(&billed.work, cores).as_secs_f64(),
        rep3,
    };
    let opened = Opened {
        squash: squashing / each,
        partial: decrypting / each,
        combine: combining / each,
        squashed_bytes: tacit_he::SQUASHED_BYTES as u64,
        partial_bytes: tacit_he::PARTIAL_BYTES as u64,
    };
    Ok((count, opened))
}

/// Evaluates and squashes; how long each took.
fn whole(world: &World, run: &Run, uploads: &[Accepted]) -> Result<(Squashed, f64, f64)> {
    let squashing = run.program.released();
    let start = Instant::now();
    let turn = std::sync::OnceLock::new();
    let watch = |done: usize, total: usize| {
        if done + squashing >= total {
            turn.get_or_init(|| start.elapsed().as_secs_f64());
        }
        true
    };
    let squashed = evaluate(&world.evaluation, &run.program, uploads, 0, &watch)?;
    let all = start.elapsed().as_secs_f64();
    let evaluated = turn.get().copied().unwrap_or(all);
    Ok((squashed, evaluated, all - evaluated))
}

/// The same circuit on `rep3`, all parties as threads over memory; the result must be the same too.
fn rep3(run: &Run) -> Result<Rep3> {
    let roster = Roster { parties: SITES + 1, compute: (0..SITES).collect(), dealer: None };
    let engine = EngineKind::Rep3;
    let circuit = tacit_protocols::lower(&run.circuit, engine.addends(SITES));
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| tacit_he::Error::Randomness)?;
    let links = memory::mesh(SITES + 1, seed);
    let start = Instant::now();
    let ran: Vec<_> = thread::scope(|scope| {
        let party = |(me, link)| {
            let (circuit, roster) = (&circuit, &roster);
            let inputs = run.inputs.get(&me).cloned().unwrap_or_default();
            scope.spawn(move || {
                let mut link = Counted::new(link);
                let opened =
                    tacit_mpc::run(circuit, engine, roster, &mut link, inputs, &mut |_| Ok(()));
                opened.map(|opened| (opened, link.ledger().clone()))
            })
        };
        let parties: Vec<_> = links.into_iter().enumerate().map(party).collect();
        parties.into_iter().map(|party| party.join().ok()).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let failed = || Error::Wrong { name: "rep3: the grouped COUNT".into() };
    let ran = ran.into_iter().map(|ran| ran.ok_or_else(failed)?.map_err(Error::from));
    let ran = ran.collect::<Result<Vec<_>>>()?;
    let expected = clear(&run.circuit, &run.inputs)?;
    let (opened, _) = ran.last().ok_or_else(failed)?;
    let right = opened.len() == expected.len()
        && opened.iter().zip(&expected).all(|((name, column), (_, due, value))| {
            name == due && column.to_numbers() == value.to_numbers()
        });
    if !right {
        return Err(failed());
    }
    let rounds = ran.iter().map(|(_, ledger)| ledger.rounds).max().unwrap_or(0);
    Ok(Rep3 { seconds, rounds, bytes: ran.iter().map(|(_, ledger)| ledger.sent()).sum() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cells: usize, bits: u32) -> Run {
        let plan = plan(cells, bits);
        let parties = Parties { holders: (0..SITES).collect(), analyst: ANALYST };
        let circuit = tacit_protocols::circuit(&plan, &parties).unwrap();
        let inputs = (0..SITES).map(|site| (site, counted(cells, bits, site))).collect();
        Run::new(circuit, |_, slot| plan.inputs[slot].bits, inputs).unwrap()
    }

    #[test]
    fn the_count_has_cells_that_are_zero_hidden_and_shown_on_rep3_too() {
        let run = run(10, 24);
        let opened = clear(&run.circuit, &run.inputs).unwrap();
        let ones = |name: &str| {
            let column = &opened.iter().find(|(_, of, _)| of == name).unwrap().2;
            column.to_numbers().iter().sum::<u64>()
        };
        let (hidden, zero) = (ones("hidden"), ones("zero"));
        assert!(hidden > 0 && zero > 0 && hidden + zero < 20, "{hidden} {zero}");
        let rep3 = rep3(&run).unwrap();
        assert!(rep3.rounds > 0 && rep3.bytes > 0);
    }

    #[test]
    fn a_cell_opens_its_number_and_whether_it_is_hidden() {
        for bits in WIDTHS {
            let circuit = cell_circuit(4, bits, Stage::Suppress);
            let fields = fields(&circuit, SITES + 1, |_, _| bits).unwrap();
            let program = Program::new(&circuit, &fields).unwrap();
            // Of four cells, two bits more than one site's and a bit of status; five to a ciphertext.
            assert_eq!(program.released(), (4 * (bits as usize + 3)).div_ceil(5));
        }
    }
}
