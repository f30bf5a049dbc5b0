//! The bill: bytes exactly and before anything runs, seconds from a calibration on this machine.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tacit_mpc::{Column, Kind as Columns, Shape};
use tfhe::integer::{IntegerCiphertext, RadixCiphertext};

use crate::{
    EncryptionKeys, Error, EvaluationKeys, Field, Program, Result, Session, accept,
    digits::lookup,
    encrypt, evaluate,
    flooding::Flooding,
    input,
    parameters::ENCODING,
    program::{Kind, Work},
    squash::{self, Squasher},
    summary,
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
    /// Squashed ciphertexts, five bits each.
    pub released: usize,
    /// `log2` of the bound on the plan's statistical distance.
    pub distance_bits: i64,
    /// Blocks that are worked on.
    pub work: Blocks,
    /// Bytes of ciphertexts that an evaluation has in memory at once, at most: what was entered, values
    /// that are still needed, and what was squashed. Keys are apart.
    pub memory: u64,
    /// How what is opened lies in its ciphertexts: parties with other ones would read each other wrongly.
    pub encoding: &'static str,
}

/// Bytes of a block of two bits while it is computed on: a mask of 2048 words and a body.
const BLOCK_BYTES: u64 = 8 * 2049;

/// Blocks of two bits by what is done to them: the unit of time on one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Blocks {
    /// Entered as bits, which are looked up once.
    pub entered: usize,
    /// Results of sums and differences.
    pub summed: usize,
    /// Compared.
    pub compared: usize,
    /// Chosen or masked.
    pub chosen: usize,
    /// Multiplied; counted as the square of a number's blocks.
    pub multiplied: usize,
    /// Looked up: gates, bits taken out of a number, and what is put into its place for squashing.
    pub looked_up: usize,
    /// Ciphertexts that are squashed: two blocks and a bit each.
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
        memory: memory(program),
        encoding: ENCODING,
    })
}

/// Bytes of ciphertexts that are there at once, at most.
fn memory(program: &Program) -> u64 {
    // An upload is there twice while it is expanded.
    let entered = program.fields().iter().map(|fields| input::digits(fields));
    let (all, largest) = entered.fold((0, 0), |(all, most), own| (all + own, most.max(own)));
    let layers = evaluate::layers(&program.tasks);
    let last = evaluate::last(&program.tasks, &layers);
    let mut dropped = vec![0; layers.len()];
    let (mut live, mut most) = (0, 0);
    for (at, layer) in layers.iter().enumerate() {
        for &task in layer {
            let blocks = made(program, &program.tasks[task].work);
            live += blocks;
            if let Some(after) = last[task] {
                dropped[after] += blocks;
            }
        }
        most = most.max(live);
        live -= dropped[at];
    }
    (all + largest + most) as u64 * BLOCK_BYTES + squash::bytes(program.released())
}

/// Blocks that a task makes.
fn made(program: &Program, work: &Work) -> usize {
    match *work {
        Work::Atom(atom) => program.atoms[atom as usize].blocks(),
        Work::Digits(form) => program.form_blocks(&program.forms[form as usize]),
        Work::Value { blocks, .. } => blocks,
        Work::Item(item) => program.outputs.items[item].digits().max(1),
        Work::Gate(_) | Work::Against { .. } | Work::Between { .. } | Work::High { .. } => 1,
    }
}

fn work(program: &Program) -> Blocks {
    let layout = program.outputs.layout();
    let mut work =
        Blocks { squashed: layout.len(), looked_up: layout.lookups(), ..Blocks::default() };
    for fields in program.fields() {
        let bits = fields.iter().filter(|field| field.shape.kind == Columns::Bit);
        work.entered += bits.map(|field| field.blocks()).sum::<usize>();
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
            Work::Against { form, constant, equal, .. }
                if program.digits(form).is_some() && (!equal || constant == 0) =>
            {
                work.looked_up += Program::low_digits(constant.max(1));
            }
            Work::Against { form, .. } => {
                work.compared += program.form_blocks(&program.forms[form as usize]);
            }
            Work::Value { form, blocks } if program.digits(form).is_some() => {
                let fresh = program.forms[form as usize].terms.len() == 1;
                work.looked_up += if fresh { 0 } else { blocks };
            }
            Work::Value { form, blocks } => {
                let form = &program.forms[form as usize];
                let alone = form.terms.len() == 1 && form.constant == 0;
                work.summed += if alone { 0 } else { blocks };
            }
            Work::Digits(form) => {
                let form = &program.forms[form as usize];
                let carries = if form.terms.len() > 1 { program.form_blocks(form) - 1 } else { 0 };
                work.looked_up += carries;
            }
            Work::High { from, digits, .. } => {
                work.looked_up += (digits - from).div_ceil(2) + 1;
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
    /// A squashed ciphertext: two blocks and a bit.
    pub squashed: f64,
}

impl Calibration {
    /// What was measured where this was written, for whoever has no calibration of a study's machine: one of
    /// two processors (Intel Xeon with AVX-512, virtual, on a quiet host).
    pub const REFERENCE: Self = Self {
        summed: 0.049,
        compared: 0.038,
        looked_up: 0.0255,
        multiplied: 0.044,
        squashed: 0.342,
    };

    /// Runs a few operations on one core: some seconds.
    ///
    /// # Errors
    /// What encryption and evaluation return; none of it is expected.
    pub fn measure(encryption: &EncryptionKeys, keys: &EvaluationKeys) -> Result<Self> {
        let [x, y] = numbers(encryption)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|error| Error::Setup(format!("no thread: {error}")))?;
        let key = &keys.key;
        let squasher = Squasher::new(keys)?;
        let each = BLOCKS as f64;
        pool.install(|| {
            // Once for what is set up at the first call.
            let sum = key.add_parallelized(&x, &y);
            Ok(Self {
                summed: seconds(|| key.add_parallelized(&x, &y)) / each,
                compared: seconds(|| key.lt_parallelized(&sum, &y)) / each,
                looked_up: seconds(|| {
                    let of = |block| lookup(key.as_ref(), block, |x| x & 1);
                    sum.blocks().iter().map(of).collect::<Vec<_>>()
                }) / each,
                multiplied: seconds(|| key.mul_parallelized(&sum, &y)) / (each * each),
                squashed: seconds(|| squasher.squash(&sum.blocks()[0])),
            })
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

/// Blocks of the numbers that are measured with.
const BLOCKS: usize = 6;

/// Two encrypted numbers.
fn numbers(encryption: &EncryptionKeys) -> Result<[RadixCiphertext; 2]> {
    let session = Session { study: [0; 32], plan: [0; 32], session: [0; 32] };
    let shape = Shape { kind: Columns::Num, rows: 2 };
    let fields = [Field { shape, width: BLOCKS as u32 * crate::BLOCK_BITS }];
    let column = [Column::Num(vec![3_000, 2_000])];
    let bytes = encrypt(encryption, &session, 0, &fields, &column)?;
    let upload = accept(encryption, &session, 0, &fields, &bytes)?;
    let entered = evaluate::expand(&upload, 1)?;
    Ok([
        RadixCiphertext::from(entered.row(0)?.to_vec()),
        RadixCiphertext::from(entered.row(1)?.to_vec()),
    ])
}

/// The least time of two runs.
fn seconds<T>(mut run: impl FnMut() -> T) -> f64 {
    let times = [(); 2].map(|()| {
        let start = Instant::now();
        std::hint::black_box(run());
        start.elapsed().as_secs_f64()
    });
    times[0].min(times[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacit_mpc::{Builder, Num};

    #[test]
    fn memory_counts_what_is_entered_even_if_it_is_never_opened() {
        let memory = |unopened: usize| {
            let mut b = Builder::new();
            let (x, y): (Num, Num) = (b.enter(0, 10), b.enter(1, 10));
            let _: Num = b.enter(1, unopened);
            let sum = b.add(x, y);
            b.reveal(sum, 2, "sum");
            let circuit = b.finish();
            let fields = crate::fields(&circuit, 3, |_, _| 8).unwrap();
            bill(&Program::new(&circuit, &fields).unwrap(), 2).unwrap().memory
        };
        // 10 and 20 rows of 4 blocks, the larger party's twice; 10 sums of 5 blocks while both summands
        // of 4 are there; 20 squashed ciphertexts.
        let (entered, live) = (10 * 4 + 2 * 20 * 4, 10 * (4 + 4 + 5));
        let due = (entered + live) * BLOCK_BYTES + squash::bytes(20);
        assert_eq!(memory(10), due);
        assert_eq!(memory(1010), due + 2 * 1000 * 4 * BLOCK_BYTES);
    }

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
