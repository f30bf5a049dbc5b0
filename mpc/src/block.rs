//! Blocks: row-wise parts of a circuit that run tile by tile.
//!
//! A whole column of a million rows leaves every cache between one instruction and the next, and
//! all the columns of a layer are alive at once. A [`Block`] is a circuit of row-wise instructions
//! over columns of [`Block::tile`] rows; [`crate::Op::Block`] runs it on every tile of its
//! arguments, one after the other, each through all its rounds. So what is alive is a tile of each
//! column, which stays in the cache, and memory does not grow with the number of rows. The price is
//! rounds: those of a tile, times the number of tiles. That pays where a round costs microseconds;
//! over a network whole columns are better. [`tile`] makes the blocks; since the result is a
//! circuit again, its bill says what it costs, and parties that differ in it do not start.
//!
//! A column that is entered whole is there whole at every compute party. [`stream`] makes blocks
//! that enter theirs tile by tile, so that what the parties hold does not grow with the rows at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Circuit, Id, Instruction, Kind, Op, Result, Shape, builder::MOST_ROWS};

/// A circuit of row-wise instructions over columns of one number of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The instructions; [`Op::Argument`] stands for what comes in.
    pub body: Circuit,
    /// The columns that go out.
    pub outputs: Vec<Id>,
    /// What goes out of other columns, after the outputs.
    pub parts: Vec<Part>,
    /// Rows of the arguments, of the columns that it enters and of the outputs.
    pub rows: usize,
    /// Rows of every column of the body, those that it enters included; a multiple of 64.
    pub tile: usize,
}

/// What goes out of a column that does not go out as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The sum of all rows.
    Sum(Id),
    /// Rows of the first tile.
    Rows {
        /// Of which column.
        of: Id,
        /// The first row.
        start: usize,
        /// Number of rows.
        rows: usize,
    },
}

impl Part {
    pub(crate) fn of(self) -> Id {
        match self {
            Self::Sum(id) | Self::Rows { of: id, .. } => id,
        }
    }
}

impl Block {
    /// Shapes of the results for arguments of these shapes.
    ///
    /// # Errors
    /// What is wrong: an instruction that is not row-wise, a column of another number of rows,
    /// arguments that do not fit.
    pub(crate) fn results(&self, args: &[Shape]) -> Result<Vec<Shape>, String> {
        let rows = self.rows;
        if rows == 0 || rows > MOST_ROWS {
            return Err(format!("a block of {rows} rows"));
        }
        if args.iter().any(|shape| shape.rows != rows) {
            return Err(format!("an argument of a block of {rows} rows has others"));
        }
        let kinds: Vec<Kind> = args.iter().map(|shape| shape.kind).collect();
        if check(&self.body, self.tile, &kinds, true)? > 0 {
            return Err("a block opens nothing".into());
        }
        let shape = |id: Id, rows: usize| {
            let shape = self.body.shapes().get(id as usize);
            shape.map(|shape| Shape { rows, ..*shape })
        };
        let columns = self.outputs.iter().map(|&id| shape(id, rows));
        let parts = self.parts.iter().map(|part| match *part {
            Part::Sum(id) => shape(id, 1),
            Part::Rows { of, start, rows: some } => {
                let end = start.checked_add(some)?;
                if end <= self.tile.min(rows) { shape(of, some) } else { None }
            }
        });
        let shapes = columns.chain(parts).collect::<Option<_>>();
        shapes.ok_or_else(|| "a block has no such output".into())
    }

    /// The tiles.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = Bound> {
        bounds(self.rows, self.tile, 0)
    }

    /// How many tiles there are.
    pub(crate) fn tiles(&self) -> usize {
        self.rows.div_ceil(self.tile)
    }

    /// The columns that outlive a tile's instructions.
    pub(crate) fn kept(&self) -> Vec<Id> {
        self.outputs.iter().copied().chain(self.parts.iter().map(|part| part.of())).collect()
    }
}

/// A tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Its first row.
    pub(crate) start: usize,
    /// Its number of rows.
    pub(crate) rows: usize,
    /// Which of several passes over rows it belongs to.
    pub(crate) level: usize,
}

/// The tiles of `rows` rows.
pub(crate) fn bounds(rows: usize, tile: usize, level: usize) -> impl Iterator<Item = Bound> {
    let tile = tile.max(1);
    (0..rows).step_by(tile).map(move |start| Bound { start, rows: tile.min(rows - start), level })
}

/// A column that somebody enters.
pub(crate) struct Entry {
    pub(crate) holder: usize,
    pub(crate) slot: usize,
    pub(crate) shape: Shape,
}

/// What an instruction enters, whole or tile by tile.
pub(crate) fn entries(op: &Op) -> Vec<Entry> {
    match op {
        &Op::Enter { holder, slot, shape } => vec![Entry { holder, slot, shape }],
        Op::Block(block) => {
            let inner = block.body.instructions().iter().flat_map(|i| entries(&i.op));
            let whole =
                |entry: Entry| Entry { shape: Shape { rows: block.rows, ..entry.shape }, ..entry };
            inner.map(whole).collect()
        }
        _ => vec![],
    }
}

/// Checks the body of a block or sort whose arguments have these kinds, and which may enter columns
/// if it `enters`. Returns how many columns it opens.
///
/// # Errors
/// What is wrong.
pub(crate) fn check(
    body: &Circuit,
    tile: usize,
    args: &[Kind],
    enters: bool,
) -> Result<usize, String> {
    if tile == 0 || !tile.is_multiple_of(64) || tile > MOST_ROWS {
        return Err(format!("a tile of {tile} rows is not a multiple of 64, up to 2^40"));
    }
    let mut opened = 0;
    for instruction in body.instructions() {
        let fits = match &instruction.op {
            Op::Argument { index, shape } => {
                args.get(*index).is_some_and(|&kind| kind == shape.kind)
            }
            Op::Open => {
                opened += 1;
                true
            }
            Op::Enter { .. } => enters,
            op => is_row_wise(op) || matches!(op, Op::Constant { .. }),
        };
        if !fits {
            return Err(format!("{:?} in a block", instruction.op));
        }
    }
    if body.shapes().iter().any(|shape| shape.rows != tile) {
        return Err(format!("a block of {tile} rows has a column of others"));
    }
    Ok(opened)
}

/// A tile that a caller asks for, as one may have it.
pub(crate) fn rounded(tile: usize) -> usize {
    tile.clamp(1, MOST_ROWS).next_multiple_of(64)
}

/// The body of a block over columns of `rows` rows.
pub(crate) fn resized(body: &Circuit, rows: usize) -> Result<Circuit> {
    let mut circuit = Circuit::default();
    for Instruction { op, args, .. } in body.instructions() {
        let at = |shape: &Shape| Shape { rows, ..*shape };
        let op = match op {
            Op::Argument { index, shape } => Op::Argument { index: *index, shape: at(shape) },
            Op::Constant { value, shape } => Op::Constant { value: *value, shape: at(shape) },
            Op::Random { shape } => Op::Random { shape: at(shape) },
            Op::Enter { holder, slot, shape } => {
                Op::Enter { holder: *holder, slot: *slot, shape: at(shape) }
            }
            Op::Mask { width, .. } => Op::Mask { rows, width: *width },
            op => op.clone(),
        };
        circuit.push(op, args)?;
    }
    Ok(circuit)
}

/// Whether row `i` of the results follows from row `i` of the arguments alone.
fn is_row_wise(op: &Op) -> bool {
    matches!(
        op,
        Op::Add
            | Op::Sub
            | Op::Scale(_)
            | Op::Mul
            | Op::Addend { .. }
            | Op::Random { .. }
            | Op::Mask { .. }
            | Op::OpenMasked
    )
}

/// A circuit with the same results whose row-wise parts over more than `tile` rows are blocks.
///
/// Parts without an interactive instruction stay as they are. `tile` is rounded up to a multiple
/// of 64. Rounds grow by the number of tiles: this is for links whose rounds are cheap.
///
/// # Errors
/// None for a circuit without macros: [`crate::Error::Circuit`] if an instruction does not fit.
pub fn tile(circuit: &Circuit, tile: usize) -> Result<Circuit> {
    cut(circuit, tile, false)
}

/// As [`tile`], and what only one block reads is entered tile by tile: no compute party ever holds
/// more than a tile of it. Entering and computing take turns then.
///
/// # Errors
/// As [`tile`].
pub fn stream(circuit: &Circuit, tile: usize) -> Result<Circuit> {
    cut(circuit, tile, true)
}

fn cut(circuit: &Circuit, tile: usize, stream: bool) -> Result<Circuit> {
    let tile = rounded(tile);
    let parts = Parts::of(circuit, tile);
    let streamed = if stream { parts.streamed(circuit) } else { BTreeMap::new() };
    let mut out = Circuit::default();
    let mut renamed: BTreeMap<Id, Id> = BTreeMap::new();
    for stage in 0..=parts.last {
        for (key, group) in parts.groups.range((stage, 0)..(stage + 1, 0)) {
            let entered = streamed.get(key).map_or(&[][..], Vec::as_slice);
            emit(circuit, group, entered, (key.1, tile), &mut renamed, &mut out)?;
        }
        for &at in parts.others.get(&stage).into_iter().flatten() {
            match &circuit.instructions()[at].op {
                // It is entered by its block.
                Op::Enter { .. } if streamed.values().flatten().any(|&other| other == at) => {}
                // The comparisons of a sort are a block of their own.
                Op::Sort(sort) => {
                    let op = Op::Sort(Box::new(sort.with_tile(tile.min(sort.tile))?));
                    put(circuit, at, op, &mut renamed, &mut out)?;
                }
                _ => copy(circuit, at, &mut renamed, &mut out)?,
            }
        }
    }
    for &at in &parts.reveals {
        copy(circuit, at, &mut renamed, &mut out)?;
    }
    Ok(out)
}

/// What of a circuit runs together: a part comes after everything it needs.
struct Parts {
    /// Row-wise instructions by stage and number of rows.
    groups: BTreeMap<(usize, usize), Vec<usize>>,
    /// All others but constants and reveals, by stage.
    others: BTreeMap<usize, Vec<usize>>,
    reveals: Vec<usize>,
    last: usize,
}

impl Parts {
    /// A group's stage is one more than that of whatever it needs from outside itself, and any
    /// other instruction has the stage of what it needs. So a path that leaves a group never comes
    /// back to it.
    fn of(circuit: &Circuit, tile: usize) -> Self {
        let mut parts =
            Self { groups: BTreeMap::new(), others: BTreeMap::new(), reveals: vec![], last: 0 };
        // Per column: its stage, and the rows of its group.
        let mut stages: Vec<(usize, Option<usize>)> = Vec::with_capacity(circuit.shapes().len());
        for (at, instruction) in circuit.instructions().iter().enumerate() {
            let rows = circuit.shapes().get(instruction.first as usize).map_or(0, |s| s.rows);
            let group = (is_row_wise(&instruction.op) && rows > tile).then_some(rows);
            let args = instruction.args.iter().map(|&id| stages[id as usize]);
            let stage = match group {
                Some(_) => args.map(|(stage, of)| stage + usize::from(of != group)).max(),
                None => args.map(|(stage, _)| stage).max(),
            };
            let stage = stage.unwrap_or(0);
            // A sum is taken tile by tile, and some rows from the first tile, so that the column
            // need not be kept.
            let part = match (&instruction.op, instruction.args.first()) {
                (Op::Sum, Some(&id)) => stages[id as usize].1,
                (Op::Slice { start, rows }, Some(&id)) if start + rows <= tile => {
                    stages[id as usize].1
                }
                _ => None,
            };
            parts.last = parts.last.max(stage);
            stages.resize(stages.len() + made(circuit, at).len(), (stage, group));
            match (&instruction.op, group.or(part)) {
                (Op::Constant { .. }, _) => {
                    // A constant is made anew wherever it is used; at the front it costs nothing.
                    parts.others.entry(0).or_default().push(at);
                    if let Some(last) = stages.last_mut() {
                        *last = (0, None);
                    }
                }
                (Op::Reveal { .. }, _) => parts.reveals.push(at),
                (_, Some(rows)) => parts.groups.entry((stage, rows)).or_default().push(at),
                (_, None) => parts.others.entry(stage).or_default().push(at),
            }
        }
        parts
    }
}

impl Parts {
    /// What each group enters tile by tile: columns that nothing else reads. The first column of a
    /// holder that does not compute brings its keys, so that it is not streamed unless all of the
    /// holder's columns come with it.
    fn streamed(&self, circuit: &Circuit) -> BTreeMap<(usize, usize), Vec<usize>> {
        let instructions = circuit.instructions();
        let mut readers: BTreeMap<Id, BTreeSet<usize>> = BTreeMap::new();
        for (at, instruction) in instructions.iter().enumerate() {
            for &id in &instruction.args {
                readers.entry(id).or_default().insert(at);
            }
        }
        let mut of_holder: BTreeMap<usize, usize> = BTreeMap::new();
        for entry in instructions.iter().flat_map(|i| entries(&i.op)) {
            *of_holder.entry(entry.holder).or_default() += 1;
        }
        let mut streamed = BTreeMap::new();
        for (&key, group) in &self.groups {
            let members: BTreeSet<usize> = group.iter().copied().collect();
            let only = |(_, i): &(usize, &Instruction)| {
                matches!(i.op, Op::Enter { shape, .. } if shape.rows == key.1)
                    && readers.get(&i.first).is_some_and(|of| of.is_subset(&members))
            };
            let mut entered: Vec<(usize, usize, usize)> = instructions
                .iter()
                .enumerate()
                .filter(only)
                .filter_map(|(at, i)| match i.op {
                    Op::Enter { holder, slot, .. } => Some((holder, slot, at)),
                    _ => None,
                })
                .collect();
            entered.sort_unstable();
            let mut with: BTreeMap<usize, usize> = BTreeMap::new();
            for &(holder, ..) in &entered {
                *with.entry(holder).or_default() += 1;
            }
            let all = |holder: usize| with.get(&holder) == of_holder.get(&holder);
            entered.retain(|&(holder, slot, _)| slot > 0 || all(holder));
            streamed.insert(key, entered.into_iter().map(|e| e.2).collect());
        }
        streamed
    }
}

/// Columns that an instruction makes.
fn made(circuit: &Circuit, at: usize) -> std::ops::Range<Id> {
    let instructions = circuit.instructions();
    let end = instructions.get(at + 1).map_or(circuit.shapes().len() as Id, |next| next.first);
    instructions[at].first..end
}

fn copy(
    circuit: &Circuit,
    at: usize,
    renamed: &mut BTreeMap<Id, Id>,
    out: &mut Circuit,
) -> Result<()> {
    put(circuit, at, circuit.instructions()[at].op.clone(), renamed, out)
}

/// Appends `op` in place of instruction `at`.
fn put(
    circuit: &Circuit,
    at: usize,
    op: Op,
    renamed: &mut BTreeMap<Id, Id>,
    out: &mut Circuit,
) -> Result<()> {
    let args = circuit.instructions()[at].args.iter();
    let args: Vec<Id> = args.map(|id| renamed[id]).collect();
    let results = out.push(op, &args)?;
    renamed.extend(made(circuit, at).zip(results));
    Ok(())
}

/// Appends a group as a block, or as it is if nothing in it is interactive.
fn emit(
    circuit: &Circuit,
    group: &[usize],
    entered: &[usize],
    (rows, tile): (usize, usize),
    renamed: &mut BTreeMap<Id, Id>,
    out: &mut Circuit,
) -> Result<()> {
    let instructions = circuit.instructions();
    let interactive =
        |&at: &usize| matches!(instructions[at].op, Op::Mul | Op::Addend { .. } | Op::OpenMasked);
    let inside: BTreeSet<Id> = group.iter().flat_map(|&at| made(circuit, at)).collect();
    let mut body = Circuit::default();
    let mut inner: BTreeMap<Id, Id> = BTreeMap::new();
    let mut args: Vec<Id> = Vec::new();
    for &at in entered {
        if let Op::Enter { holder, slot, shape } = instructions[at].op {
            let shape = Shape { rows: tile, ..shape };
            let id = body.push(Op::Enter { holder, slot, shape }, &[])?.start;
            inner.insert(instructions[at].first, id);
        }
    }
    let needs = group.iter().flat_map(|&at| &instructions[at].args);
    let constants: BTreeMap<Id, u64> = constants(circuit);
    for &id in needs {
        if inside.contains(&id) || inner.contains_key(&id) {
            continue;
        }
        let shape = Shape { rows: tile, ..circuit.shape(id) };
        let op = if let Some(&value) = constants.get(&id) {
            Op::Constant { value, shape }
        } else {
            args.push(renamed[&id]);
            Op::Argument { index: args.len() - 1, shape }
        };
        inner.insert(id, body.push(op, &[])?.start);
    }
    if entered.is_empty() && (args.is_empty() || !group.iter().any(interactive)) {
        for &at in group {
            copy(circuit, at, renamed, out)?;
        }
        return Ok(());
    }
    let whole = |&&at: &&usize| is_row_wise(&instructions[at].op);
    for &at in group.iter().filter(whole) {
        let Instruction { op, args, .. } = &instructions[at];
        let op = match op {
            Op::Random { shape } => Op::Random { shape: Shape { rows: tile, ..*shape } },
            Op::Mask { width, .. } => Op::Mask { rows: tile, width: *width },
            op => op.clone(),
        };
        let args: Vec<Id> = args.iter().map(|id| inner[id]).collect();
        let results = body.push(op, &args)?;
        inner.extend(made(circuit, at).zip(results));
    }
    let members: BTreeSet<usize> = group.iter().copied().collect();
    let outside = instructions.iter().enumerate().filter(|(at, _)| !members.contains(at));
    let used: BTreeSet<Id> = outside.flat_map(|(_, i)| i.args.iter().copied()).collect();
    let mut kept: Vec<Id> =
        inside.intersection(&used).copied().filter(|id| inner.contains_key(id)).collect();
    let outputs = kept.iter().map(|id| inner[id]).collect();
    let mut parts = Vec::new();
    for instruction in group.iter().map(|&at| &instructions[at]) {
        let of = instruction.args.first().and_then(|id| inner.get(id).copied());
        let part = match (&instruction.op, of) {
            (Op::Sum, Some(of)) => Part::Sum(of),
            (&Op::Slice { start, rows }, Some(of)) => Part::Rows { of, start, rows },
            _ => continue,
        };
        parts.push(part);
        kept.push(instruction.first);
    }
    let results =
        out.push(Op::Block(Box::new(Block { body, outputs, parts, rows, tile })), &args)?;
    renamed.extend(kept.into_iter().zip(results));
    Ok(())
}

fn constants(circuit: &Circuit) -> BTreeMap<Id, u64> {
    let constant = |instruction: &Instruction| match instruction.op {
        Op::Constant { value, .. } => Some((instruction.first, value)),
        _ => None,
    };
    circuit.instructions().iter().filter_map(constant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bit, Builder, Error, Num};

    fn squares(rows: usize) -> Circuit {
        let mut b = Builder::new();
        let x: Num = b.enter(0, rows);
        let two = b.constant(2, rows);
        let sum = b.add(x, two);
        let square = b.mul(sum, sum);
        let total = b.sum(square);
        b.reveal(total, 1, "total");
        b.finish()
    }

    #[test]
    fn a_column_that_is_only_summed_does_not_leave_its_block() {
        let tiled = tile(&squares(200), 60).unwrap();
        let blocks: Vec<&Block> = tiled
            .instructions()
            .iter()
            .filter_map(|i| if let Op::Block(block) = &i.op { Some(&**block) } else { None })
            .collect();
        let [block] = blocks[..] else { panic!("{tiled:?}") };
        assert_eq!((block.tile, block.outputs.len(), block.parts.len()), (64, 0, 1));
        let tiles: Vec<_> = bounds(200, 64, 0).map(|tile| (tile.start, tile.rows)).collect();
        assert_eq!(tiles, [(0, 64), (64, 64), (128, 64), (192, 8)]);
        // What fits in a tile stays as it is.
        let small = squares(64);
        assert!(
            tile(&small, 64)
                .unwrap()
                .instructions()
                .iter()
                .all(|i| { !matches!(i.op, Op::Block(_)) })
        );
    }

    #[test]
    fn what_is_not_row_wise_is_refused_in_a_block() {
        let shape = Shape { kind: crate::Kind::Bit, rows: 64 };
        let argument = |index| Op::Argument { index, shape };
        let body = |op: Op, args: &[Id]| {
            let mut body = Circuit::default();
            body.push(argument(0), &[]).unwrap();
            body.push(op, args).unwrap();
            body
        };
        let good = body(Op::Mul, &[0, 0]);
        let block = |body: &Circuit, outputs: &[Id], tile| {
            let block = Block {
                body: body.clone(),
                outputs: outputs.to_vec(),
                parts: vec![],
                rows: 100,
                tile,
            };
            let mut b = Builder::new();
            let x: Bit = b.enter(0, 100);
            let mut circuit = b.finish();
            circuit.push(Op::Block(Box::new(block)), &[x.0]).map(|_| ())
        };
        block(&good, &[1], 64).unwrap();
        for (body, outputs, tile) in [
            (&good, &[2][..], 64),
            (&good, &[1], 128),
            (&good, &[1], 0),
            (&good, &[1], 60),
            (&body(Op::Sum, &[0]), &[], 64),
            (&body(Op::Gather { index: vec![0; 64] }, &[0]), &[], 64),
            (&body(Op::Reveal { to: 0, name: String::new() }, &[0]), &[], 64),
            (&body(argument(1), &[]), &[], 64),
            (&body(Op::Constant { value: 1, shape: Shape { rows: 3, ..shape } }, &[]), &[], 64),
        ] {
            let error = block(body, outputs, tile).unwrap_err();
            assert!(matches!(error, Error::Circuit { at: 1, .. }), "{error}");
        }
    }
}
