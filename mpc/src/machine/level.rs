//! One compute party's columns, and the instructions on them.

use std::collections::BTreeMap;

use super::{Context, tiles::Sorting};
use crate::{
    Circuit, Column, Error, Id, Instruction, Op, Result, Schedule, Shape,
    engine::{Engine, Inbox, Job, Outbox, Share},
    execute::job_shape,
    linear::{self, Ring, with_ring},
    order,
    schedule::{Task, results},
    share::Component,
    transpose, words,
};

/// Where a column is.
pub(super) enum Slot {
    /// Not there yet, or dead.
    Empty,
    /// A public word (bits: 0 or 1) in every row; never stored.
    Constant(u64),
    /// This party's components.
    Share(Share),
}

/// A job between its first start and its last finish.
pub(super) struct Pending<'a> {
    pub(super) results: Vec<Share>,
    /// Its results are the frames of its round, and count as frames until that is over.
    moves: bool,
    pub(super) temporary: Temporary,
    /// The tile at hand of a block or sort.
    pub(super) tile: Option<Box<Level<'a>>>,
    /// What a sort has come to.
    pub(super) sorting: Option<Box<Sorting>>,
}

/// Constant arguments made into columns.
pub(super) type Temporary = Vec<(Id, Share)>;

/// The columns of a circuit, or of one tile of a block.
pub(super) struct Level<'a> {
    pub(super) circuit: &'a Circuit,
    pub(super) schedule: &'a Schedule,
    /// First counter block of its masks.
    pub(super) masks: u64,
    /// First row of the tile, if it is one: what it enters is a part of what is given.
    pub(super) start: Option<usize>,
    pub(super) slots: Vec<Slot>,
    pub(super) pending: BTreeMap<usize, Pending<'a>>,
    /// What was opened to all compute parties.
    pub(super) opened: Vec<Column>,
}

impl<'a> Level<'a> {
    pub(super) fn new(
        circuit: &'a Circuit,
        schedule: &'a Schedule,
        masks: u64,
        start: Option<usize>,
    ) -> Self {
        Self {
            circuit,
            schedule,
            masks,
            start,
            slots: circuit.shapes().iter().map(|_| Slot::Empty).collect(),
            pending: BTreeMap::new(),
            opened: Vec::new(),
        }
    }

    /// Starts every task of a layer.
    pub(super) fn start(
        &mut self,
        ctx: &mut Context,
        tasks: &[Task],
        out: &mut Outbox,
    ) -> Result<()> {
        let schedule = self.schedule;
        for task in tasks {
            if task.step == 0 {
                let pending = self.begin(ctx, task.at);
                self.pending.insert(task.at, pending);
                match self.circuit.instructions()[task.at].op {
                    Op::Sort(_) => self.begin_sort(ctx, task.at)?,
                    Op::Block(_) => self.begin_block(task.at),
                    _ => {}
                }
            }
            match schedule.blocks.get(&task.at) {
                Some(tiles) => self.start_tile(ctx, task, tiles, out)?,
                None => self.with_job(ctx, task, |engine, job| engine.start(job, out))?,
            }
        }
        Ok(())
    }

    /// Finishes every task of a layer; the results of those in their last round are there.
    pub(super) fn finish(
        &mut self,
        ctx: &mut Context,
        tasks: &[Task],
        inbox: &Inbox,
    ) -> Result<()> {
        let schedule = self.schedule;
        for task in tasks {
            if let Some(tiles) = schedule.blocks.get(&task.at) {
                self.finish_tile(ctx, task, tiles, inbox)?;
                continue;
            }
            let opened = self.with_job(ctx, task, |engine, job| {
                engine.finish(job, inbox)?;
                Ok(job.opened.take())
            })?;
            match self.circuit.instructions()[task.at].op {
                Op::Open => self.opened.extend(opened),
                Op::Permute { order, inverse } => {
                    let opened = opened.ok_or_else(|| missing(task.at))?;
                    self.permute(task.at, order, inverse, &opened)?;
                }
                _ => ctx.opened.extend(opened.map(|column| (task.at, column))),
            }
        }
        for task in tasks.iter().filter(|task| task.last) {
            self.end(ctx, task.at);
        }
        Ok(())
    }

    /// Runs an instruction that needs no round.
    pub(super) fn local(&mut self, ctx: &mut Context, at: usize) -> Result<()> {
        let circuit = self.circuit;
        let instruction = &circuit.instructions()[at];
        match &instruction.op {
            Op::Constant { value, .. } => {
                self.slots[instruction.first as usize] = Slot::Constant(*value);
                self.bury(ctx, at);
            }
            Op::Add | Op::Sub => self.combine(ctx, at, instruction),
            Op::Scale(by) => self.scale(ctx, at, instruction, *by),
            Op::Sum
            | Op::PrefixSum
            | Op::Transpose { .. }
            | Op::Slice { .. }
            | Op::Concat
            | Op::Broadcast { .. }
            | Op::Gather { .. } => self.linear(ctx, at, instruction),
            // Its column was cut when the tile was opened.
            Op::Argument { .. } => self.bury(ctx, at),
            Op::Block(_) | Op::Sort(_) => {
                let pending = self.begin(ctx, at);
                self.pending.insert(at, pending);
                match instruction.op {
                    Op::Sort(_) => self.begin_sort(ctx, at)?,
                    _ => self.begin_block(at),
                }
                self.local_tiles(ctx, at)?;
                self.end(ctx, at);
            }
            Op::RowNumber { rows, width } => {
                let numbers: Vec<u64> = (0..*rows as u64).collect();
                let mut planes: Vec<Share> = (0..*width)
                    .map(|_| Self::buffers(ctx, circuit.shape(instruction.first)))
                    .collect();
                for (c, &one) in ctx.one.iter().enumerate() {
                    let mut plane: Vec<&mut [u64]> =
                        planes.iter_mut().map(|plane| plane.0[c].as_mut()).collect();
                    if one == 1 {
                        words::to_planes(&numbers, &mut plane);
                    } else {
                        for plane in plane {
                            plane.fill(0);
                        }
                    }
                }
                for (id, plane) in results(circuit, at).zip(planes) {
                    self.slots[id] = Slot::Share(plane);
                }
                self.bury(ctx, at);
            }
            _ => {
                let task = [Task { at, step: 0, last: true }];
                self.start(ctx, &task, &mut Outbox::new([]))?;
                self.finish(ctx, &task, &Inbox::default())?;
            }
        }
        Ok(())
    }

    pub(super) fn buffers(ctx: &mut Context, shape: Shape) -> Share {
        let components = ctx.components[shape.kind as usize];
        let take = |_| Component::Own(ctx.pool.take(shape.words()));
        Share((0..components).map(take).collect())
    }

    pub(super) fn free(ctx: &mut Context, share: Share) {
        ctx.pool.give(share.0);
    }

    fn bury(&mut self, ctx: &mut Context, at: usize) {
        let schedule = self.schedule;
        for &id in &schedule.dies[at] {
            if let Slot::Share(share) = std::mem::replace(&mut self.slots[id as usize], Slot::Empty)
            {
                Self::free(ctx, share);
            }
        }
    }

    /// Makes constant arguments into columns.
    fn materialise(&mut self, ctx: &mut Context, instruction: &Instruction) -> Temporary {
        let mut temporary = Temporary::new();
        for &id in &instruction.args {
            if let Slot::Constant(value) = self.slots[id as usize]
                && temporary.iter().all(|t| t.0 != id)
            {
                let shape = self.circuit.shape(id);
                let mut share = Self::buffers(ctx, shape);
                for (component, one) in share.0.iter_mut().zip(&ctx.one) {
                    linear::fill(shape, linear::word(shape.kind, value) * one, component);
                }
                temporary.push((id, share));
            }
        }
        temporary
    }

    fn begin(&mut self, ctx: &mut Context, at: usize) -> Pending<'a> {
        let circuit = self.circuit;
        let instruction = &circuit.instructions()[at];
        let moves = ctx.engine.moves(&instruction.op, job_shape(circuit, instruction), &ctx.frames);
        let results = results(circuit, at).map(|id| {
            if moves { Share(Vec::new()) } else { Self::buffers(ctx, circuit.shapes()[id]) }
        });
        let results = results.collect();
        let temporary = self.materialise(ctx, instruction);
        Pending { results, moves, temporary, tile: None, sorting: None }
    }

    fn end(&mut self, ctx: &mut Context, at: usize) {
        if let Some(pending) = self.pending.remove(&at) {
            for (id, share) in results(self.circuit, at).zip(pending.results) {
                if pending.moves {
                    let words: usize = share.0.iter().map(|component| component.len()).sum();
                    ctx.moved += 8 * words as u64;
                }
                self.slots[id] = Slot::Share(share);
            }
            for (_, share) in pending.temporary {
                Self::free(ctx, share);
            }
        }
        if let Op::Enter { holder, slot, .. } = &self.circuit.instructions()[at].op
            && *holder == ctx.me
            && self.start.is_none()
            && let Some(column) = ctx.inputs.get_mut(*slot)
        {
            // It is shared now: what the caller gave is wiped.
            *column = Column::Num(Vec::new());
        }
        self.bury(ctx, at);
    }

    /// Puts the columns after the first `order` into the order that was opened.
    fn permute(&mut self, at: usize, order: usize, inverse: bool, opened: &Column) -> Result<()> {
        let circuit = self.circuit;
        let ids = &circuit.instructions()[at].args;
        let pending = self.pending.get_mut(&at).ok_or_else(|| missing(at))?;
        let args = arguments(&self.slots, &pending.temporary, ids).ok_or_else(|| missing(at))?;
        let rows = order::from_opened(opened.words())?;
        for component in 0..args.iter().map(|share| share.0.len()).max().unwrap_or(0) {
            let (mut shapes, mut columns, mut moved) = (Vec::new(), Vec::new(), Vec::new());
            let both = args[order..].iter().zip(&mut pending.results).zip(&ids[order..]);
            for ((from, to), &id) in both {
                if let (Some(from), Some(to)) = (from.0.get(component), to.0.get_mut(component)) {
                    shapes.push(circuit.shape(id));
                    columns.push(&**from);
                    moved.push(to.as_mut());
                }
            }
            order::arrange(&shapes, &columns, &rows, inverse, &mut moved);
        }
        Ok(())
    }

    /// Calls the engine on a pending job.
    fn with_job<T>(
        &mut self,
        ctx: &mut Context,
        task: &Task,
        call: impl FnOnce(&mut dyn Engine, &mut Job<'_>) -> Result<T>,
    ) -> Result<T> {
        let circuit = self.circuit;
        let instruction = &circuit.instructions()[task.at];
        let at = task.at;
        let pending = self.pending.get_mut(&at).ok_or_else(|| missing(at))?;
        let args = arguments(&self.slots, &pending.temporary, &instruction.args)
            .ok_or_else(|| missing(at))?;
        let whole = match &instruction.op {
            Op::Enter { holder, slot, .. } if *holder == ctx.me => ctx.inputs.get(*slot),
            _ => None,
        };
        let part = whole
            .zip(self.start)
            .map(|(column, start)| column.part(start, circuit.shape(instruction.first).rows));
        let input = part.as_ref().or(whole);
        let shapes: Vec<Shape> = match instruction.op {
            Op::Shuffle { .. } => instruction.args.iter().map(|&id| circuit.shape(id)).collect(),
            _ => Vec::new(),
        };
        let mut job = Job {
            at: task.at,
            step: task.step,
            op: &instruction.op,
            shape: job_shape(circuit, instruction),
            shapes: &shapes,
            masks: self.masks + self.schedule.masks[task.at],
            args: &args,
            results: &mut pending.results,
            input,
            opened: None,
        };
        call(&mut *ctx.engine, &mut job)
    }

    /// Sum and difference, in place where an argument dies, with constants never stored.
    fn combine(&mut self, ctx: &mut Context, at: usize, instruction: &Instruction) {
        let [x, y] = [instruction.args[0], instruction.args[1]];
        let shape = self.circuit.shape(x);
        let subtract = instruction.op == Op::Sub;
        let constants = [x, y].map(|id| match self.slots[id as usize] {
            Slot::Constant(value) => Some(value),
            _ => None,
        });
        let result = match constants {
            [Some(a), Some(b)] => Slot::Constant(with_ring!(shape.kind, R => {
                if subtract { R::sub(a, b) } else { R::add(a, b) }
            })),
            [None, None] => Slot::Share(self.combine_shares(ctx, at, x, y, subtract)),
            [a, b] => {
                let mut z = self.owned(ctx, at, if a.is_some() { y } else { x });
                let mut word = linear::word(shape.kind, a.or(b).unwrap_or_default());
                if subtract && b.is_some() {
                    word = with_ring!(shape.kind, R => R::sub(0, word));
                }
                for (z, one) in z.0.iter_mut().zip(&ctx.one) {
                    if subtract && a.is_some() {
                        linear::negate(shape.kind, z);
                    }
                    linear::add_word(shape, word * one, z);
                }
                Slot::Share(z)
            }
        };
        self.slots[instruction.first as usize] = result;
        self.bury(ctx, at);
    }

    fn combine_shares(
        &mut self,
        ctx: &mut Context,
        at: usize,
        x: Id,
        y: Id,
        subtract: bool,
    ) -> Share {
        let kind = self.circuit.shape(x).kind;
        let dies = |id| self.schedule.dies[at].contains(&id);
        if x != y && dies(x) {
            let mut z = self.owned(ctx, at, x);
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
        let mut z = Self::buffers(ctx, self.circuit.shape(x));
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
    fn owned(&mut self, ctx: &mut Context, at: usize, id: Id) -> Share {
        if self.schedule.dies[at].contains(&id)
            && let Slot::Share(share) = std::mem::replace(&mut self.slots[id as usize], Slot::Empty)
        {
            return Self::writable(ctx, share);
        }
        let mut copy = Self::buffers(ctx, self.circuit.shape(id));
        if let Slot::Share(share) = &self.slots[id as usize] {
            for (copy, share) in copy.0.iter_mut().zip(&share.0) {
                copy.copy_from_slice(share);
            }
        }
        copy
    }

    /// The same share in memory of its own: frames have other readers.
    fn writable(ctx: &mut Context, mut share: Share) -> Share {
        for component in &mut share.0 {
            if component.is_frame() {
                let mut copy = ctx.pool.take(component.len());
                copy.copy_from_slice(component);
                let frame = std::mem::replace(component, Component::Own(copy));
                ctx.pool.give(vec![frame]);
            }
        }
        share
    }

    /// Multiplies by a public word, in place if the argument dies.
    fn scale(&mut self, ctx: &mut Context, at: usize, instruction: &Instruction, by: u64) {
        let id = instruction.args[0];
        let kind = self.circuit.shape(id).kind;
        let result = if let Slot::Constant(value) = self.slots[id as usize] {
            Slot::Constant(with_ring!(kind, R => R::mul(value, by)))
        } else {
            let mut z = self.owned(ctx, at, id);
            z.0.iter_mut().for_each(|z| linear::scale(kind, by, z));
            Slot::Share(z)
        };
        self.slots[instruction.first as usize] = result;
        self.bury(ctx, at);
    }

    /// A linear instruction that moves or sums rows.
    fn linear(&mut self, ctx: &mut Context, at: usize, instruction: &Instruction) {
        let circuit = self.circuit;
        let shape = circuit.shape(instruction.first);
        let temporary = self.materialise(ctx, instruction);
        let mut z = Self::buffers(ctx, shape);
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
            Self::free(ctx, share);
        }
        self.slots[instruction.first as usize] = Slot::Share(z);
        self.bury(ctx, at);
    }
}

pub(super) fn missing(at: usize) -> Error {
    Error::Circuit { at, what: "an argument is not there when it is used".into() }
}

/// The arguments of an instruction, constants from `temporary`.
pub(super) fn arguments<'s>(
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
