//! The bill: bytes exactly and before anything runs, seconds from a calibration on this machine.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tacit_mpc::{Builder, Circuit, Num};

use crate::{
    Accepted, EncryptionKeys, EvaluationKeys, Program, Result, Session, Squashed, accept, encrypt,
    evaluate, fields,
    flooding::Flooding,
    input,
    program::{Kind, Work},
    squash, summary,
};

/// What a plan costs in bytes and in work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// Bytes that each party uploads, by index; once.
    pub uploads: Vec<u64>,
    /// Bytes of squashed ciphertexts: what every key holder gets from an evaluator that it trusts, and
    /// makes itself if it evaluates again.
    pub squashed: u64,
    /// Bytes of their summary, which the receiver gets, and key holders that evaluate again.
    pub summary: u64,
    /// Bytes that each key holder sends to the receiver.
    pub partial: u64,
    /// Squashed ciphertexts, four bits each.
    pub released: usize,
    /// `log2` of the bound on the plan's statistical distance.
    pub distance_bits: i64,
    /// Blocks that are worked on.
    pub work: Blocks,
}

/// Blocks of two bits by what is done to them: the unit of time on one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Blocks {
    /// Brought from the key of encryption to the key of computation.
    pub entered: usize,
    /// Results of sums and differences.
    pub summed: usize,
    /// Compared.
    pub compared: usize,
    /// Chosen or masked.
    pub chosen: usize,
    /// Multiplied; counted as the square of a number's blocks.
    pub multiplied: usize,
    /// Looked up: gates, and bits taken out of a number.
    pub looked_up: usize,
    /// Pairs of blocks that are squashed.
    pub squashed: usize,
}

/// Reads the bill of a program off its tasks.
///
/// # Errors
/// [`crate::Error::Input`] if it opens more than the noise has room for.
pub fn bill(program: &Program, holders: usize) -> Result<Bill> {
    let released = program.released();
    let flooding = Flooding::new(holders, released)?;
    Ok(Bill {
        uploads: program.fields().iter().map(|fields| input::bytes(fields)).collect(),
        squashed: squash::bytes(released),
        summary: summary::bytes(released),
        partial: crate::decrypt::bytes(released),
        released,
        distance_bits: flooding.distance_bits(),
        work: work(program),
    })
}

fn work(program: &Program) -> Blocks {
    let mut work = Blocks { squashed: program.released(), ..Blocks::default() };
    for fields in program.fields() {
        work.entered += fields.iter().map(|field| field.blocks()).sum::<usize>();
    }
    for task in &program.tasks {
        match task.work {
            Work::Atom(atom) => {
                let info = &program.atoms[atom as usize];
                let blocks = info.blocks();
                match info.kind {
                    Kind::Product(..) => work.multiplied += blocks * blocks,
                    Kind::Choose(..) => work.chosen += blocks,
                    Kind::Reduced(..) => work.looked_up += 1,
                    Kind::Input { .. } | Kind::Bit(_) => {}
                }
            }
            Work::Gate(_) => work.looked_up += 1,
            Work::Between { blocks, .. } => work.compared += blocks,
            Work::Against { form, .. } => {
                work.compared += program.form_blocks(&program.forms[form as usize]);
            }
            Work::Value { form, blocks } => {
                let form = &program.forms[form as usize];
                let alone = form.terms.len() == 1 && form.constant == 0;
                work.summed += if alone { 0 } else { blocks };
            }
            Work::Item(_) => {}
        }
    }
    work
}

/// Seconds on one core of this machine, per block of two bits. As JSON, it is an object of these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// A summed block.
    pub summed: f64,
    /// A compared block.
    pub compared: f64,
    /// A block that is entered, chosen or looked up.
    pub looked_up: f64,
    /// A product, per square of blocks.
    pub multiplied: f64,
    /// A squashed pair of blocks.
    pub squashed: f64,
}

impl Calibration {
    /// Runs a few operations on one core: some seconds.
    ///
    /// # Errors
    /// What encryption and evaluation return; none of it is expected.
    pub fn measure(encryption: &EncryptionKeys, keys: &EvaluationKeys) -> Result<Self> {
        // Two numbers of 16 bits enter each of these; what differs is one operation on eight blocks.
        let plain = seconds(encryption, keys, |b, x, _| b.reveal(x, 2, "x"))?;
        let summed = seconds(encryption, keys, |b, x, y| {
            // Nine blocks are revealed instead of eight: five pairs, not four.
            let sum = b.add(x, y);
            b.reveal(sum, 2, "sum");
        })?;
        let compared = seconds(encryption, keys, |b, x, y| {
            let (x, y) = (b.to_bits(x, 16), b.to_bits(y, 16));
            let less = b.less(&x, &y);
            b.reveal(less, 2, "less");
        })?;
        let multiplied = seconds(encryption, keys, |b, x, y| {
            let (x, y) = (b.to_bits(x, 4), b.to_bits(y, 4));
            let (x, y) = (b.to_num(&x), b.to_num(&y));
            let product = b.mul(x, y);
            b.reveal(product, 2, "product");
        })?;
        let squashed = plain.squashed / 4.0;
        let looked_up = plain.entered / 16.0;
        let evaluated = |cost: &Seconds| (cost.evaluated - plain.evaluated).max(0.0);
        Ok(Self {
            summed: evaluated(&summed) / 9.0,
            compared: evaluated(&compared) / 8.0,
            looked_up,
            multiplied: evaluated(&multiplied) / 16.0,
            squashed,
        })
    }

    /// The time that a plan's evaluation takes on so many cores: at least, if it has fewer cells than
    /// cores. The longest there is, if these numbers, which may come from a file, are no durations.
    pub fn time(&self, work: &Blocks, cores: usize) -> Duration {
        let seconds = self.summed * work.summed as f64
            + self.compared * work.compared as f64
            + self.looked_up * (work.entered + work.chosen + work.looked_up) as f64
            + self.multiplied * work.multiplied as f64
            + self.squashed * work.squashed as f64;
        Duration::try_from_secs_f64(seconds / cores.max(1) as f64).unwrap_or(Duration::MAX)
    }
}

/// Seconds of the phases of one evaluation.
struct Seconds {
    entered: f64,
    evaluated: f64,
    squashed: f64,
}

fn seconds(
    encryption: &EncryptionKeys,
    keys: &EvaluationKeys,
    write: impl FnOnce(&mut Builder, Num, Num),
) -> Result<Seconds> {
    let mut b = Builder::new();
    let (x, y) = (b.enter(0, 1), b.enter(1, 1));
    write(&mut b, x, y);
    let circuit: Circuit = b.finish();
    let fields = fields(&circuit, 3, |_, _| 16)?;
    let program = Program::new(&circuit, &fields)?;
    let session = Session { study: [0; 32], plan: circuit.digest(), session: [0; 32] };
    let mut uploads: Vec<Accepted> = Vec::new();
    for (site, value) in [(0, 40_000), (1, 50_000)] {
        let column = [tacit_mpc::Column::Num(vec![value])];
        let bytes = encrypt(encryption, &session, site, &fields[site], &column)?;
        uploads.push(accept(encryption, &session, site, &fields[site], &bytes)?);
    }
    let mut marks = vec![Instant::now()];
    let mark = &mut || marks.push(Instant::now());
    let _: Squashed = evaluate::evaluate_marked(keys, &program, &uploads, 1, &|_, _| true, mark)?;
    let spans: Vec<f64> =
        marks.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs_f64()).collect();
    let span = |at: usize| spans.get(at).copied().unwrap_or(0.0);
    Ok(Seconds { entered: span(0), evaluated: span(1), squashed: span(2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibration_from_a_file_gives_a_time_whatever_its_numbers_are() {
        let with = |summed| Calibration {
            summed,
            compared: 0.0,
            looked_up: 0.0,
            multiplied: 0.0,
            squashed: 0.0,
        };
        let work = Blocks { summed: 8, ..Blocks::default() };
        assert_eq!(with(0.5).time(&work, 2), Duration::from_secs(2));
        for number in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(with(number).time(&work, 2), Duration::MAX, "{number}");
        }
    }
}
