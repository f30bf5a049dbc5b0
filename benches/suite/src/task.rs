//! The tasks that are measured: what each builds, what it must open, and what counts as one.
//!
//! The party that asks enters random columns, the task works on them, and a check value of every
//! result is opened to it: the sum of a column of numbers, the parity and the first rows of a
//! column of bits. A run whose check values are not those of plain Rust is an error, not a figure.

use std::path::Path;

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use tacit_mpc::{Bit, Builder, Circuit, Column, EngineKind, Num, Shape, bristol::Bristol, clear};
use tacit_protocols as operators;

use crate::Error;

/// Rows of a column of bits that are opened besides its parity.
const SAMPLE: usize = 64;

/// Groups of `group-sum`.
const GROUPS: usize = 1000;

/// Rows of a column can be numbered by 32 bits.
const MOST_ROWS: usize = 1 << 32;

/// The largest circuit file that is read, in bytes.
const LARGEST: u64 = 1 << 30;

/// What the party that asks enters.
pub type Inputs = Vec<Column>;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Name on the command line.
    pub name: &'static str,
    /// What one of the `n` is.
    pub about: &'static str,
    /// How many are done one after the other on `n` rows each: figures count all of them.
    pub depth: usize,
    /// Rows unless told otherwise.
    pub n: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Multiply,
    And,
    Negative,
    Zero,
    Less(usize),
    Equal(usize),
    Maximum(usize),
    Select(usize),
    ToBits(usize),
    ToNumber(usize),
    GroupSum,
}

/// All tasks.
pub const TASKS: [Task; 13] = [
    Task {
        name: "mul",
        about: "product modulo 2^64",
        depth: 4,
        n: 10_000_000,
        kind: Kind::Multiply,
    },
    Task { name: "and", about: "AND of bits", depth: 4, n: 640_000_000, kind: Kind::And },
    Task {
        name: "ltz",
        about: "whether a number, as a signed one of 64 bits, is below zero",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Negative,
    },
    Task {
        name: "eqz",
        about: "whether a number of 64 bits is zero",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Zero,
    },
    Task {
        name: "less-20",
        about: "comparison of two numbers of 20 bits that are shared as bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Less(20),
    },
    Task {
        name: "less-64",
        about: "comparison of two numbers of 64 bits that are shared as bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Less(64),
    },
    Task {
        name: "equal-64",
        about: "equality of two numbers of 64 bits that are shared as bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Equal(64),
    },
    Task {
        name: "max-32",
        about: "larger of two numbers of 32 bits that are shared as bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Maximum(32),
    },
    Task {
        name: "select-32",
        about: "choice between two numbers of 32 bits by a secret bit",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Select(32),
    },
    Task {
        name: "to-bits-64",
        about: "conversion of a number to 64 bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::ToBits(64),
    },
    Task {
        name: "to-number-32",
        about: "conversion of 32 bits to a number",
        depth: 1,
        n: 1_000_000,
        kind: Kind::ToNumber(32),
    },
    Task {
        name: "group-sum",
        about: "number summed into one of 1,000 public groups (local)",
        depth: 1,
        n: 1_000_000,
        kind: Kind::GroupSum,
    },
    Task {
        name: "round",
        about: "network round: a product that waits for the one before",
        depth: 1000,
        n: 1,
        kind: Kind::Multiply,
    },
];

impl Task {
    /// The task of this name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with all names.
    pub fn named(name: &str) -> Result<Self, Error> {
        TASKS.iter().find(|task| task.name == name).copied().ok_or_else(|| {
            let names: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
            Error::Unknown { what: "task", name: name.to_owned(), known: names.join(", ") }
        })
    }

    fn build(&self, b: &mut Builder, n: usize, addends: usize, to: usize) {
        let number = |b: &mut Builder| -> Num { b.enter(to, n) };
        let bits =
            |b: &mut Builder, width| -> Vec<Bit> { (0..width).map(|_| b.enter(to, n)).collect() };
        let planes = match self.kind {
            Kind::Multiply => {
                let (x, mut y) = (number(b), number(b));
                for _ in 0..self.depth {
                    y = b.mul(x, y);
                }
                let sum = b.sum(y);
                return b.reveal(sum, to, "sum");
            }
            Kind::And => {
                let (x, mut y): (Bit, Bit) = (b.enter(to, n), b.enter(to, n));
                for _ in 0..self.depth {
                    y = b.and(x, y);
                }
                vec![y]
            }
            Kind::Negative => {
                let x = number(b);
                let planes: Vec<Vec<Bit>> = (0..addends).map(|i| b.addend_bits(x, i, 64)).collect();
                vec![operators::top_of_sum(b, &planes)]
            }
            Kind::Zero => {
                let x = number(b);
                let planes = operators::to_bits(b, x, 64, addends);
                vec![operators::equal_public(b, &planes, 0)]
            }
            Kind::Less(width) => {
                let (x, y) = (bits(b, width), bits(b, width));
                vec![operators::less(b, &x, &y)]
            }
            Kind::Equal(width) => {
                let (x, y) = (bits(b, width), bits(b, width));
                vec![operators::equal(b, &x, &y)]
            }
            Kind::Maximum(width) => {
                let (x, y) = (bits(b, width), bits(b, width));
                operators::max(b, &x, &y)
            }
            Kind::Select(width) => {
                let c: Bit = b.enter(to, n);
                let (x, y) = (bits(b, width), bits(b, width));
                operators::select(b, c, &x, &y)
            }
            Kind::ToBits(width) => {
                let x = number(b);
                operators::to_bits(b, x, width, addends)
            }
            Kind::ToNumber(width) => {
                let planes = bits(b, width);
                let x = operators::to_num(b, &planes, addends);
                let sum = b.sum(x);
                return b.reveal(sum, to, "sum");
            }
            Kind::GroupSum => {
                let x = number(b);
                let groups: Vec<u32> = (0..n).map(|row| (row % GROUPS) as u32).collect();
                let sums = operators::group_sum(b, x, &groups, GROUPS);
                return b.reveal(sums, to, "sums");
            }
        };
        open_bits(b, &planes, to);
    }

    fn inputs(&self, n: usize, seed: u64) -> Inputs {
        let mut dice = ChaCha12Rng::seed_from_u64(seed);
        let mut words =
            |count: usize| -> Vec<u64> { (0..count).map(|_| dice.next_u64()).collect() };
        let mut column = |kind: &str| match kind {
            "number" => Column::Num(words(n)),
            _ => Column::from_words(bits(n), words(n.div_ceil(64))),
        };
        let mut planes =
            |width: usize| -> Vec<Column> { (0..width).map(|_| column("bit")).collect() };
        match self.kind {
            Kind::Multiply => vec![column("number"), column("number")],
            Kind::And => planes(2),
            Kind::Less(width) | Kind::Equal(width) | Kind::Maximum(width) => planes(2 * width),
            Kind::Select(width) => planes(1 + 2 * width),
            Kind::ToNumber(width) => planes(width),
            Kind::Negative | Kind::Zero | Kind::ToBits(_) | Kind::GroupSum => {
                vec![column("number")]
            }
        }
    }

    /// What must be opened, by plain Rust.
    fn expected(&self, n: usize, inputs: &Inputs) -> Vec<(String, Column)> {
        let column = |slot: usize| inputs[slot].words();
        // Rows of planes as numbers.
        let rows = |first: usize, width: usize| -> Vec<u64> {
            let planes: Vec<&[u64]> = (first..first + width).map(column).collect();
            let bit = |plane: &[u64], row: usize| plane[row / 64] >> (row % 64) & 1;
            let number = |row| planes.iter().rev().fold(0, |x, plane| x << 1 | bit(plane, row));
            (0..n).map(number).collect()
        };
        let pairs = |width, f: fn(u64, u64) -> u64| -> Vec<u64> {
            let (x, y) = (rows(0, width), rows(width, width));
            x.into_iter().zip(y).map(|(x, y)| f(x, y)).collect()
        };
        let sum = |sum: u64| vec![("sum".to_owned(), Column::Num(vec![sum]))];
        let total =
            |numbers: &mut dyn Iterator<Item = u64>| sum(numbers.fold(0, u64::wrapping_add));
        match self.kind {
            Kind::Multiply => {
                let product = |x: u64, y: u64| (0..self.depth).fold(y, |y, _| y.wrapping_mul(x));
                let both = column(0).iter().zip(column(1));
                total(&mut both.map(|(x, y)| product(*x, *y)))
            }
            Kind::And => {
                let both = column(0).iter().zip(column(1));
                opened_plane(0, n, both.map(|(x, y)| x & y).collect())
            }
            Kind::Negative => opened_bits(&map(column(0), |x| x >> 63), 1),
            Kind::Zero => opened_bits(&map(column(0), |x| u64::from(x == 0)), 1),
            Kind::Less(width) => opened_bits(&pairs(width, |x, y| u64::from(x < y)), 1),
            Kind::Equal(width) => opened_bits(&pairs(width, |x, y| u64::from(x == y)), 1),
            Kind::Maximum(width) => opened_bits(&pairs(width, u64::max), width),
            Kind::Select(width) => {
                let (c, x, y) = (rows(0, 1), rows(1, width), rows(1 + width, width));
                let chosen = c.iter().zip(x.iter().zip(&y));
                let chosen: Vec<u64> =
                    chosen.map(|(c, (x, y))| if *c == 1 { *x } else { *y }).collect();
                opened_bits(&chosen, width)
            }
            Kind::ToBits(width) => opened_bits(column(0), width),
            Kind::ToNumber(width) => total(&mut rows(0, width).into_iter()),
            Kind::GroupSum => {
                let mut sums = vec![0_u64; GROUPS];
                for (row, x) in column(0).iter().enumerate() {
                    sums[row % GROUPS] = sums[row % GROUPS].wrapping_add(*x);
                }
                vec![("sums".into(), Column::Num(sums))]
            }
        }
    }
}

/// A circuit that the user gives.
#[derive(Clone, Debug)]
pub struct File {
    /// What it is called.
    pub name: String,
    /// Its gates.
    pub bristol: Bristol,
}

impl File {
    /// Reads a file in Bristol Fashion, old or new form.
    ///
    /// # Errors
    /// [`Error::File`], with the line where it is not the format.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fail = |cause: String| Error::File { path: path.to_owned(), cause };
        let length = std::fs::metadata(path).map_err(|e| fail(e.to_string()))?.len();
        if length > LARGEST {
            return Err(fail(format!("{length} bytes; a circuit of up to {LARGEST} is read")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        let bristol = Bristol::parse(&text).map_err(|e| fail(e.to_string()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, bristol })
    }

    fn build(&self, b: &mut Builder, n: usize, to: usize) -> Result<(), Error> {
        let widths = self.bristol.inputs.iter();
        let inputs: Vec<Vec<Bit>> =
            widths.map(|width| (0..*width).map(|_| b.enter(to, n)).collect()).collect();
        let outputs = self.bristol.apply(b, &inputs)?;
        open_bits(b, &outputs.concat(), to);
        Ok(())
    }
}

/// What a measurement works on: a task of [`TASKS`] or a circuit from a file.
#[derive(Clone, Debug)]
pub enum Work {
    /// A task.
    Task(Task),
    /// A circuit.
    File(File),
}

impl Work {
    /// The task of this name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with all names.
    pub fn named(name: &str) -> Result<Self, Error> {
        Task::named(name).map(Self::Task)
    }

    /// Name in records.
    pub fn name(&self) -> String {
        match self {
            Self::Task(task) => task.name.into(),
            Self::File(file) => format!("circuit-{}", file.name),
        }
    }

    /// What one of the `n` is.
    pub fn about(&self) -> String {
        match self {
            Self::Task(task) => task.about.into(),
            Self::File(File { name, bristol }) => {
                format!(
                    "{name}: inputs of {:?} bits, outputs of {:?}",
                    bristol.inputs, bristol.outputs
                )
            }
        }
    }

    /// How many are done one after the other.
    pub fn depth(&self) -> usize {
        match self {
            Self::Task(task) => task.depth,
            Self::File(_) => 1,
        }
    }

    /// Rows unless told otherwise.
    pub fn rows(&self) -> usize {
        match self {
            Self::Task(task) => task.n,
            Self::File(_) => 1000,
        }
    }

    /// The lowered circuit over `n` rows, entered by `receiver` and opened to it.
    ///
    /// # Errors
    /// [`Error::Size`] if `n` is 0 or more than 2^32.
    pub fn circuit(
        &self,
        n: usize,
        engine: EngineKind,
        compute: usize,
        receiver: usize,
    ) -> Result<Circuit, Error> {
        if n == 0 || n > MOST_ROWS {
            return Err(Error::Size { n });
        }
        let mut b = Builder::new();
        let addends = engine.addends(compute);
        match self {
            Self::Task(task) => task.build(&mut b, n, addends, receiver),
            Self::File(file) => file.build(&mut b, n, receiver)?,
        }
        Ok(operators::lower(&b.finish(), addends))
    }

    /// Random columns, the same for the same seed.
    pub fn inputs(&self, n: usize, seed: u64) -> Inputs {
        match self {
            Self::Task(task) => task.inputs(n, seed),
            Self::File(file) => {
                let mut dice = ChaCha12Rng::seed_from_u64(seed);
                let plane = |_| {
                    let words = (0..n.div_ceil(64)).map(|_| dice.next_u64()).collect();
                    Column::from_words(bits(n), words)
                };
                (0..file.bristol.inputs.iter().sum()).map(plane).collect()
            }
        }
    }

    /// What must be opened: by plain Rust for a task, by the clear interpreter for a circuit.
    ///
    /// # Errors
    /// If the interpreter fails.
    pub fn expected(&self, n: usize, inputs: &Inputs) -> Result<Vec<(String, Column)>, Error> {
        match self {
            Self::Task(task) => Ok(task.expected(n, inputs)),
            Self::File(file) => {
                let mut b = Builder::new();
                file.build(&mut b, n, 0)?;
                let opened = clear(&b.finish(), &[(0, inputs.clone())].into())?;
                Ok(opened.into_iter().map(|(_, name, column)| (name, column)).collect())
            }
        }
    }
}

fn bits(rows: usize) -> Shape {
    Shape { kind: tacit_mpc::Kind::Bit, rows }
}

fn map(words: &[u64], f: fn(u64) -> u64) -> Vec<u64> {
    words.iter().map(|word| f(*word)).collect()
}

/// Opens the parity and the first rows of every plane.
pub(crate) fn open_bits(b: &mut Builder, planes: &[Bit], to: usize) {
    for (i, &plane) in planes.iter().enumerate() {
        let rows = b.rows(plane).min(SAMPLE);
        let parity = b.sum(plane);
        let sample = b.slice(plane, 0, rows);
        b.reveal(parity, to, format!("parity {i}"));
        b.reveal(sample, to, format!("rows {i}"));
    }
}

/// What [`open_bits`] opens of planes with these rows.
pub(crate) fn opened_bits(rows: &[u64], width: usize) -> Vec<(String, Column)> {
    let plane = |i: usize| -> Vec<u64> {
        let word = |rows: &[u64]| {
            rows.iter().enumerate().fold(0, |word, (at, row)| word | (row >> i & 1) << at)
        };
        rows.chunks(64).map(word).collect()
    };
    (0..width).flat_map(|i| opened_plane(i, rows.len(), plane(i))).collect()
}

fn opened_plane(i: usize, n: usize, words: Vec<u64>) -> Vec<(String, Column)> {
    let plane = Column::from_words(bits(n), words);
    let parity = plane.words().iter().fold(0, |parity, word| parity ^ word).count_ones() & 1;
    let sample = plane.words()[..1].to_vec();
    vec![
        (format!("parity {i}"), Column::from_words(bits(1), vec![parity.into()])),
        (format!("rows {i}"), Column::from_words(bits(n.min(SAMPLE)), sample)),
    ]
}

#[cfg(test)]
mod tests {
    use tacit_mpc::testing;

    use super::*;

    #[test]
    fn every_task_opens_what_plain_rust_computes_on_every_engine() {
        for task in TASKS {
            for n in [1, 63, 200] {
                for engine in [EngineKind::Clear, EngineKind::Rep3, EngineKind::Additive] {
                    let task = Task { depth: task.depth.min(3), ..task };
                    let session = testing::session(engine, 3, 3);
                    let work = Work::Task(task);
                    let circuit = work.circuit(n, engine, 3, session.analyst).unwrap();
                    let inputs = work.inputs(n, 5);
                    let opened = testing::assert_laws(
                        &circuit,
                        engine,
                        &session.roster,
                        &[(session.analyst, inputs.clone())].into(),
                        9,
                    );
                    let opened: Vec<_> =
                        opened.into_iter().map(|(_, name, column)| (name, column)).collect();
                    let name = task.name;
                    assert!(
                        opened == work.expected(n, &inputs).unwrap(),
                        "{name}, {n} rows, {engine}"
                    );
                }
            }
        }
    }

    #[test]
    fn unknown_tasks_and_sizes_are_refused_by_name() {
        let error = Task::named("sotr").unwrap_err().to_string();
        assert!(error.contains("sotr") && error.contains("less-64"), "{error}");
        assert!(Work::Task(TASKS[0]).circuit(0, EngineKind::Rep3, 3, 3).is_err());
    }

    #[test]
    fn a_circuit_from_a_file_runs_on_every_engine_and_a_broken_one_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full-adder.txt");
        // s = a + b + c of one bit each: sum and carry.
        let text = "7 10\n3 1 1 1\n2 1 1\n\n2 1 0 1 3 XOR\n2 1 3 2 4 XOR\n2 1 0 2 5 XOR\n\
                    2 1 1 2 6 XOR\n2 1 5 6 7 AND\n2 1 7 2 9 XOR\n1 1 4 8 EQW\n";
        std::fs::write(&path, text).unwrap();
        let work = Work::File(File::read(&path).unwrap());
        let n = 130;
        let inputs = work.inputs(n, 1);
        let rows = |slot: usize| inputs[slot].to_numbers();
        let (a, b, c) = (rows(0), rows(1), rows(2));
        let sums: Vec<u64> = (0..n).map(|i| a[i] + b[i] + c[i]).collect();
        for engine in [EngineKind::Clear, EngineKind::Rep3, EngineKind::Additive] {
            let session = testing::session(engine, 3, 3);
            let circuit = work.circuit(n, engine, 3, session.analyst).unwrap();
            let opened = testing::assert_laws(
                &circuit,
                engine,
                &session.roster,
                &[(session.analyst, inputs.clone())].into(),
                9,
            );
            let opened: Vec<_> =
                opened.into_iter().map(|(_, name, column)| (name, column)).collect();
            assert!(opened == opened_bits(&sums, 2), "{engine}");
            assert!(opened == work.expected(n, &inputs).unwrap(), "{engine}");
        }
        std::fs::write(&path, text.replace("2 1 5 6 7", "2 1 5 11 7")).unwrap();
        let error = File::read(&path).unwrap_err().to_string();
        assert!(error.contains("full-adder.txt") && error.contains("line 9"), "{error}");
    }
}
