//! [`Work`]: a task or a circuit from a file, as what is run and what must come of it.

use std::{io::Read, path::Path};

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use tacit_mpc::{Bit, Builder, Circuit, Column, EngineKind, bristol::Bristol, clear};
use tacit_protocols as operators;

use crate::{
    Error, Inputs, Task,
    task::{bits, open_bits},
};

/// The largest circuit file that is read, in bytes.
const LARGEST: u64 = 1 << 28;

/// Rows of a column can be numbered by 32 bits.
const MOST_ROWS: usize = 1 << 32;

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
        let file = std::fs::File::open(path).map_err(|e| fail(e.to_string()))?;
        let text = text(file, LARGEST).map_err(fail)?;
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

/// Everything that a reader gives, of which the length need not be known nor be finite.
///
/// # Errors
/// Why not, also if it is more than `most` bytes.
fn text(from: impl Read, most: u64) -> Result<String, String> {
    let mut text = String::new();
    let length = from.take(most + 1).read_to_string(&mut text).map_err(|error| {
        if error.kind() == std::io::ErrorKind::InvalidData {
            "this is no text: a circuit in Bristol Fashion is (UTF-8, or ASCII)".into()
        } else {
            error.to_string()
        }
    })?;
    if length as u64 > most {
        return Err(format!("a circuit of up to {most} bytes is read, and this is longer"));
    }
    Ok(text)
}

/// What a measurement works on: a task of [`TASKS`](crate::TASKS) or a circuit from a file.
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

    /// Words of the longest of the columns that are entered for `n` rows.
    pub(crate) fn longest(&self, n: usize) -> usize {
        match self {
            Self::Task(task) if task.takes_numbers() => n,
            _ => n.div_ceil(64),
        }
    }

    /// Rows at a time that fit in a cache with all that is alive.
    pub(crate) fn tile(&self) -> usize {
        match self {
            Self::Task(task) => task.tile(),
            Self::File(_) => 1 << 15,
        }
    }

    /// The lowered circuit over `n` rows, entered by `receiver` and opened to it.
    ///
    /// # Errors
    /// [`Error::Size`] if `n` is 0 or more than the task takes, 2^32 at most.
    pub fn circuit(
        &self,
        n: usize,
        engine: EngineKind,
        compute: usize,
        receiver: usize,
    ) -> Result<Circuit, Error> {
        let most = match self {
            Self::Task(task) => task.most_rows().min(MOST_ROWS),
            Self::File(_) => MOST_ROWS,
        };
        if n == 0 || n > most {
            return Err(Error::Size { n, what: self.name(), most });
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

#[cfg(test)]
mod tests {
    use tacit_mpc::testing;

    use super::*;
    use crate::{TASKS, task::opened_bits};

    #[test]
    fn every_task_opens_what_plain_rust_computes_on_every_engine() {
        for &task in TASKS {
            for n in [1, 63, 200] {
                for engine in [EngineKind::Clear, EngineKind::Rep3, EngineKind::Additive] {
                    if engine == EngineKind::Additive && task.needs_shuffle() {
                        continue;
                    }
                    // A layer of `dispatch` is many instructions.
                    let most = if task.name == "dispatch" { 4000 } else { 3 };
                    let mut task = task;
                    task.depth = task.depth.min(most);
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
    fn a_file_without_an_end_or_that_is_none_is_refused() {
        let error = text(std::io::repeat(b'1'), 1000).unwrap_err();
        assert!(error.contains("1000 bytes"), "{error}");
        assert_eq!(text(&b"12"[..], 2).unwrap(), "12");
        let error = text(&b"\xff\xfe\0"[..], 1000).unwrap_err();
        assert!(error.starts_with("this is no text"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("long.txt");
        std::fs::File::create(&long).unwrap().set_len(LARGEST + 1).unwrap();
        for (path, why) in [(folder.path(), "directory"), (&long, "longer")] {
            let error = File::read(path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn unknown_tasks_and_sizes_are_refused_by_name() {
        let error = Task::named("sotr").unwrap_err().to_string();
        assert!(error.contains("sotr") && error.contains("less-64"), "{error}");
        assert!(error.contains("did you mean \"sort\"?"), "{error}");
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
