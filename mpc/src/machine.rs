//! One compute party's columns, and the instructions on them.

use std::collections::BTreeMap;

use crate::{
    Circuit, Column, Error, Id, Instruction, Kind, Op, Result, Schedule, Shape,
    engine::{Engine, FrameLengths, Inbox, Job, Outbox, Scheme, Share},
    execute::{Opened, job_shape},
    linear,
    pool::Pool,
    schedule::{Task, results},
    share::Component,
    transpose,
};

/// Where a column is.
enum Slot {
    /// Not there yet, or dead.
    Empty,
    /// A public word (bits: 0 or 1) in every row; never stored.
    Constant(u64),
    /// This party's components.
    Share(Share),
}

/// A job between its first start and its last finish.
struct Pending {
    results: Vec<Share>,
    /// Its results are the frames of its round, and count as frames until that is over.
    moves: bool,
    temporary: Temporary,
}

/// Constant arguments made into columns.
type Temporary = Vec<(Id, Share)>;

/// The columns of a run at one compute party.
pub(crate) struct Machine<'a> {
    circuit: &'a Circuit,
    schedule: &'a Schedule,
    components: [usize; 2],
    engine: Box<dyn Engine>,
    one: Vec<u64>,
    me: usize,
    inputs: Vec<Column>,
    pool: Pool,
    slots: Vec<Slot>,
    pending: BTreeMap<usize, Pending>,
    opened: Opened,
    /// Lengths of the frames of the round at hand.
    frames: FrameLengths,
    /// Bytes of them that have become columns.
    moved: u64,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(
        circuit: &'a Circuit,
        schedule: &'a Schedule,
        scheme: &dyn Scheme,
        engine: Box<dyn Engine>,
        me: usize,
        inputs: Vec<Column>,
        pool: Pool,
    ) -> Self {
        Self {
            circuit,
            schedule,
            components: [Kind::Num, Kind::Bit].map(|kind| scheme.components(kind)),
            one: engine.one().to_vec(),
            engine,
            me,
            inputs,
            pool,
            slots: circuit.shapes().iter().map(|_| Slot::Empty).collect(),
            pending: BTreeMap::new(),
            opened: Vec::new(),
            frames: FrameLengths::default(),
            moved: 0,
        }
    }

    /// Settles deferred checks before anything is opened.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.engine.settle()
    }

    /// Frames to write in a round in which others are awaited.
    pub(crate) fn outbox(
        &mut self,
        sends: impl Iterator<Item = (usize, usize)>,
        awaits: impl Iterator<Item = (usize, usize)>,
    ) -> Outbox {
        self.frames = FrameLengths { sends: sends.collect(), awaits: awaits.collect() };
        Outbox::new(self.frames.sends.iter().map(|&(to, bytes)| (to, self.pool.frame(bytes))))
    }

    /// Counts the frames that will come in.
    pub(crate) fn expect(&mut self) {
        for &(_, bytes) in &self.frames.awaits {
            self.pool.hold(bytes as u64);
        }
    }

    /// Hands the engine what came ahead.
    pub(crate) fn prepare(&mut self, inbox: &Inbox) -> Result<()> {
        self.engine.prepare(inbox)
    }

    /// Takes the frames of a round back, `bytes` in all.
    pub(crate) fn recycle(&mut self, bytes: u64, inbox: Inbox) {
        self.pool.release(bytes - std::mem::take(&mut self.moved));
        drop(inbox);
    }

    /// What was opened here, and the most bytes that were alive at once.
    pub(crate) fn done(mut self) -> (Opened, u64) {
        (std::mem::take(&mut self.opened), self.pool.peak())
    }

    /// Starts every task of a layer.
    pub(crate) fn start(&mut self, tasks: &[Task], out: &mut Outbox) -> Result<()> {
        for task in tasks {
            if task.step == 0 {
                let pending = self.begin(task.at);
                self.pending.insert(task.at, pending);
            }
            self.with_job(task, |engine, job| engine.start(job, out))?;
        }
        Ok(())
    }

    /// Finishes every task of a layer; the results of those in their last round are there.
    pub(crate) fn finish(&mut self, tasks: &[Task], inbox: &Inbox) -> Result<()> {
        for task in tasks {
            let opened = self.with_job(task, |engine, job| {
                engine.finish(job, inbox)?;
                Ok(job.opened.take())
            })?;
            self.opened.extend(opened.map(|column| (task.at, column)));
        }
        for task in tasks.iter().filter(|task| task.last) {
            self.end(task.at);
        }
        Ok(())
    }

    /// Runs an instruction that needs no round.
    pub(crate) fn local(&mut self, at: usize) -> Result<()> {
        let circuit = self.circuit;
        let instruction = &circuit.instructions()[at];
        match &instruction.op {
            Op::Constant { value, .. } => {
                self.slots[instruction.first as usize] = Slot::Constant(*value);
                self.bury(at);
            }
            Op::Add | Op::Sub => self.combine(at, instruction),
            Op::Scale(by) => self.scale(at, instruction, *by),
            Op::Sum
            | Op::PrefixSum
            | Op::Transpose { .. }
            | Op::Slice { .. }
            | Op::Concat
            | Op::Broadcast { .. }
            | Op::Gather { .. } => self.linear(at, instruction),
            _ => {
                let task = [Task { at, step: 0, last: true }];
                self.start(&task, &mut Outbox::new([]))?;
                self.finish(&task, &Inbox::default())?;
            }
        }
        Ok(())
    }

    fn buffers(&mut self, shape: Shape) -> Share {
        let components = self.components[usize::from(shape.kind == Kind::Bit)];
        let take = |_| Component::Own(self.pool.take(shape.words()));
        Share((0..components).map(take).collect())
    }

    fn free(&mut self, share: Share) {
        self.pool.give(share.0);
    }

    fn bury(&mut self, at: usize) {
        let schedule = self.schedule;
        for &id in &schedule.dies[at] {
            if let Slot::Share(share) = std::mem::replace(&mut self.slots[id as usize], Slot::Empty)
            {
                self.free(share);
            }
        }
    }

    /// Makes constant arguments into columns.
    fn materialise(&mut self, instruction: &Instruction) -> Temporary {
        let mut temporary = Temporary::new();
        for &id in &instruction.args {
            if let Slot::Constant(value) = self.slots[id as usize]
                && temporary.iter().all(|t| t.0 != id)
            {
                let shape = self.circuit.shape(id);
                let mut share = self.buffers(shape);
                for (component, one) in share.0.iter_mut().zip(&self.one) {
                    linear::fill(shape, linear::word(shape.kind, value) * one, component);
                }
                temporary.push((id, share));
            }
        }
        temporary
    }

    fn begin(&mut self, at: usize) -> Pending {
        let circuit = self.circuit;
        let instruction = &circuit.instructions()[at];
        let moves =
            self.engine.moves(&instruction.op, job_shape(circuit, instruction), &self.frames);
        let results = results(circuit, at)
            .map(|id| if moves { Share(Vec::new()) } else { self.buffers(circuit.shapes()[id]) });
        let results = results.collect();
        let temporary = self.materialise(instruction);
        Pending { results, moves, temporary }
    }

    fn end(&mut self, at: usize) {
        if let Some(pending) = self.pending.remove(&at) {
            for (id, share) in results(self.circuit, at).zip(pending.results) {
                if pending.moves {
                    let words: usize = share.0.iter().map(|component| component.len()).sum();
                    self.moved += 8 * words as u64;
                }
                self.slots[id] = Slot::Share(share);
            }
            for (_, share) in pending.temporary {
                self.free(share);
            }
        }
        if let Op::Enter { holder, slot, .. } = &self.circuit.instructions()[at].op
            && *holder == self.me
            && let Some(column) = self.inputs.get_mut(*slot)
        {
            // It is shared now: what the caller gave is wiped.
            *column = Column::Num(Vec::new());
        }
        self.bury(at);
    }

    /// Calls the engine on a pending job.
    fn with_job<T>(
        &mut self,
        task: &Task,
        call: impl FnOnce(&mut dyn Engine, &mut Job<'_>) -> Result<T>,
    ) -> Result<T> {
        let circuit = self.circuit;
        let instruction = &circuit.instructions()[task.at];
        let missing = || Error::Circuit {
            at: task.at,
            what: "an argument is not there when it is used".into(),
        };
        let pending = self.pending.get_mut(&task.at).ok_or_else(missing)?;
        let args =
            arguments(&self.slots, &pending.temporary, &instruction.args).ok_or_else(missing)?;
        let input = match &instruction.op {
            Op::Enter { holder, slot, .. } if *holder == self.me => self.inputs.get(*slot),
            _ => None,
        };
        let mut job = Job {
            at: task.at,
            step: task.step,
            op: &instruction.op,
            shape: job_shape(circuit, instruction),
            masks: self.schedule.masks[task.at],
            args: &args,
            results: &mut pending.results,
            input,
            opened: None,
        };
        call(&mut *self.engine, &mut job)
    }

    /// Sum and difference, in place where an argument dies, with constants never stored.
    fn combine(&mut self, at: usize, instruction: &Instruction) {
        let [x, y] = [instruction.args[0], instruction.args[1]];
        let shape = self.circuit.shape(x);
        let subtract = instruction.op == Op::Sub;
        let constants = [x, y].map(|id| match self.slots[id as usize] {
            Slot::Constant(value) => Some(value),
            _ => None,
        });
        let result = match constants {
            [Some(a), Some(b)] => Slot::Constant(match (shape.kind, subtract) {
                (Kind::Bit, _) => a ^ b,
                (Kind::Num, false) => a.wrapping_add(b),
                (Kind::Num, true) => a.wrapping_sub(b),
            }),
            [None, None] => Slot::Share(self.combine_shares(at, x, y, subtract)),
            [a, b] => {
                let mut z = self.owned(at, if a.is_some() { y } else { x });
                let negative = subtract && b.is_some() && shape.kind == Kind::Num;
                let word = linear::word(shape.kind, a.or(b).unwrap_or_default());
                let word = if negative { word.wrapping_neg() } else { word };
                for (z, one) in z.0.iter_mut().zip(&self.one) {
                    if subtract && a.is_some() {
                        linear::negate(shape.kind, z);
                    }
                    linear::add_word(shape, word * one, z);
                }
                Slot::Share(z)
            }
        };
        self.slots[instruction.first as usize] = result;
        self.bury(at);
    }

    fn combine_shares(&mut self, at: usize, x: Id, y: Id, subtract: bool) -> Share {
        let kind = self.circuit.shape(x).kind;
        let dies = |id| self.schedule.dies[at].contains(&id);
        if x != y && dies(x) {
            let mut z = self.owned(at, x);
            if let Slot::Share(y) = &self.slots[y as usize] {
                for (z, y) in z.0.iter_mut().zip(&y.0) {
                    if subtract {
                        linear::sub_from(kind, y, z);
                    } else {
                        linear::add_to(kind, y, z);
                    }
                }
            }
            return z;
        }
        let mut z = self.buffers(self.circuit.shape(x));
        if let (Slot::Share(x), Slot::Share(y)) = (&self.slots[x as usize], &self.slots[y as usize])
        {
            for ((z, x), y) in z.0.iter_mut().zip(&x.0).zip(&y.0) {
                if subtract {
                    linear::sub(kind, x, y, z);
                } else {
                    linear::add(kind, x, y, z);
                }
            }
        }
        z
    }

    /// A share of `id` to change: its own buffers if it dies here, else a copy.
    fn owned(&mut self, at: usize, id: Id) -> Share {
        if self.schedule.dies[at].contains(&id)
            && let Slot::Share(share) = std::mem::replace(&mut self.slots[id as usize], Slot::Empty)
        {
            return self.writable(share);
        }
        let mut copy = self.buffers(self.circuit.shape(id));
        if let Slot::Share(share) = &self.slots[id as usize] {
            for (copy, share) in copy.0.iter_mut().zip(&share.0) {
                copy.copy_from_slice(share);
            }
        }
        copy
    }

    /// The same share in memory of its own: frames have other readers.
    fn writable(&mut self, mut share: Share) -> Share {
        for component in &mut share.0 {
            if component.is_frame() {
                let mut copy = self.pool.take(component.len());
                copy.copy_from_slice(component);
                let frame = std::mem::replace(component, Component::Own(copy));
                self.pool.give(vec![frame]);
            }
        }
        share
    }

    /// Multiplies by a public word, in place if the argument dies.
    fn scale(&mut self, at: usize, instruction: &Instruction, by: u64) {
        let id = instruction.args[0];
        let result = if let Slot::Constant(value) = self.slots[id as usize] {
            Slot::Constant(value.wrapping_mul(by))
        } else {
            let mut z = self.owned(at, id);
            z.0.iter_mut().for_each(|z| linear::scale(by, z));
            Slot::Share(z)
        };
        self.slots[instruction.first as usize] = result;
        self.bury(at);
    }

    /// A linear instruction that moves or sums rows.
    fn linear(&mut self, at: usize, instruction: &Instruction) {
        let circuit = self.circuit;
        let shape = circuit.shape(instruction.first);
        let temporary = self.materialise(instruction);
        let mut z = self.buffers(shape);
        if let Some(args) = arguments(&self.slots, &temporary, &instruction.args) {
            for (c, z) in z.0.iter_mut().enumerate() {
                let x = &*args[0].0[c];
                match &instruction.op {
                    Op::Sum => z[0] = linear::sum(shape.kind, x),
                    Op::PrefixSum => transpose::prefix_sum(shape, x, z),
                    Op::Transpose { columns } => transpose::transpose(shape, *columns, x, z),
                    Op::Slice { start, .. } => linear::slice(shape, x, *start, z),
                    Op::Concat => {
                        let parts = args
                            .iter()
                            .zip(&instruction.args)
                            .map(|(share, &id)| (&*share.0[c], circuit.shape(id).rows));
                        linear::concat(shape.kind, parts, z);
                    }
                    Op::Broadcast { .. } => linear::broadcast(shape, x, z),
                    Op::Gather { index } => linear::gather(shape.kind, x, index, z),
                    _ => {}
                }
            }
        }
        for (_, share) in temporary {
            self.free(share);
        }
        self.slots[instruction.first as usize] = Slot::Share(z);
        self.bury(at);
    }
}

/// The arguments of an instruction, constants from `temporary`.
fn arguments<'s>(
    slots: &'s [Slot],
    temporary: &'s Temporary,
    ids: &[Id],
) -> Option<Vec<&'s Share>> {
    ids.iter()
        .map(|&id| match &slots[id as usize] {
            Slot::Share(share) => Some(share),
            Slot::Constant(_) => temporary.iter().find(|t| t.0 == id).map(|t| &t.1),
            Slot::Empty => None,
        })
        .collect()
}
