//! Blocks and sorts: circuits that run tile by tile within an instruction.

use tacit_net::Buffer;

use super::{
    Context,
    level::{Level, Slot, arguments, missing},
};
use crate::{
    Block, Column, Id, Instruction, Kind, Op, Result, Shape,
    block::Part,
    engine::{Inbox, Outbox, Share},
    linear::{self, Ring, with_ring},
    rank::Ranking,
    schedule::{Task, Tiles},
    share::Component,
    words,
};

/// A sort under way.
pub(super) struct Sorting {
    /// By component, and by group of 64 columns of bits: a word per row.
    packed: Vec<Vec<Buffer>>,
    ranking: Ranking,
    pairs: (Option<Vec<u32>>, Vec<u32>),
    /// What was opened in this level.
    less: Vec<u64>,
}

impl<'a> Level<'a> {
    pub(super) fn start_tile(
        &mut self,
        ctx: &mut Context,
        task: &Task,
        tiles: &'a Tiles,
        out: &mut Outbox,
    ) -> Result<()> {
        let (tile, step) = (task.step / tiles.depth, task.step % tiles.depth);
        if step == 0 {
            self.open_tile(ctx, task.at, tiles, tile)?;
        }
        let level = self.tile(task.at)?;
        let layer = &level.schedule.layers[step];
        for &at in &layer.local {
            level.local(ctx, at)?;
        }
        level.start(ctx, &layer.tasks, out)
    }

    pub(super) fn finish_tile(
        &mut self,
        ctx: &mut Context,
        task: &Task,
        tiles: &'a Tiles,
        inbox: &Inbox,
    ) -> Result<()> {
        let (tile, step) = (task.step / tiles.depth, task.step % tiles.depth);
        let level = self.tile(task.at)?;
        level.finish(ctx, &level.schedule.layers[step].tasks, inbox)?;
        if step + 1 == tiles.depth {
            self.close_tile(ctx, task.at, tiles, tile)?;
        }
        Ok(())
    }

    /// Lets tiles read the arguments of a block where they lie.
    pub(super) fn begin_block(&mut self, at: usize) {
        let Some(pending) = self.pending.get_mut(&at) else { return };
        for &id in &self.circuit.instructions()[at].args {
            if let Slot::Share(share) = &mut self.slots[id as usize] {
                share.0.iter_mut().for_each(Component::share);
            }
        }
        for (_, share) in &mut pending.temporary {
            share.0.iter_mut().for_each(Component::share);
        }
    }

    /// Runs all tiles of an instruction that needs no round.
    pub(super) fn local_tiles(&mut self, ctx: &mut Context, at: usize) -> Result<()> {
        let schedule = self.schedule;
        let Some(tiles) = schedule.blocks.get(&at) else { return Err(missing(at)) };
        for tile in 0..tiles.bounds.len() {
            self.open_tile(ctx, at, tiles, tile)?;
            self.close_tile(ctx, at, tiles, tile)?;
        }
        if tiles.bounds.is_empty() {
            self.end_sort(ctx, at)?;
        }
        Ok(())
    }

    /// The tile at hand.
    fn tile(&mut self, at: usize) -> Result<&mut Level<'a>> {
        let tile = self.pending.get_mut(&at).and_then(|pending| pending.tile.as_deref_mut());
        tile.ok_or_else(|| missing(at))
    }

    /// Cuts a tile from the arguments.
    fn open_tile(
        &mut self,
        ctx: &mut Context,
        at: usize,
        tiles: &'a Tiles,
        tile: usize,
    ) -> Result<()> {
        let body = tiles.body(tile);
        let bound = tiles.bounds[tile];
        let masks = self.masks + self.schedule.masks[at] + tile as u64 * tiles.masks;
        let mut level = Level::new(&body.circuit, &body.schedule, masks, Some(bound.start));
        let pending = self.pending.get_mut(&at).ok_or_else(|| missing(at))?;
        let Instruction { op, args: ids, .. } = &self.circuit.instructions()[at];
        let args = arguments(&self.slots, &pending.temporary, ids).ok_or_else(|| missing(at))?;
        let given = body.circuit.instructions().iter().filter_map(|i| match i.op {
            Op::Argument { index, shape } => Some((index, shape, i.first)),
            _ => None,
        });
        if let (Op::Sort(sort), Some(sorting)) = (op, &mut pending.sorting) {
            if bound.start == 0 {
                sorting.pairs = sorting.ranking.pairs()?;
                sorting.less.clear();
                sorting.less.resize(sorting.pairs.1.len().div_ceil(64), 0);
            }
            let mut keys = sorting.keys(ctx, sort.width, bound.start, bound.rows);
            for (index, _, id) in given {
                let key = keys.get_mut(index).and_then(Option::take);
                level.slots[id as usize] = Slot::Share(key.ok_or_else(|| missing(at))?);
            }
            for key in keys.into_iter().flatten() {
                Self::free(ctx, key);
            }
        } else {
            for (index, shape, id) in given {
                let rows = part(shape.kind, bound.start, bound.rows);
                let share = Share(args[index].0.iter().map(|x| x.part(rows.clone())).collect());
                ctx.pool.hold((8 * rows.len() * share.0.len()) as u64);
                level.slots[id as usize] = Slot::Share(share);
            }
        }
        pending.tile = Some(Box::new(level));
        Ok(())
    }

    /// Computes what is left of a tile and takes what comes out of it.
    fn close_tile(
        &mut self,
        ctx: &mut Context,
        at: usize,
        tiles: &'a Tiles,
        tile: usize,
    ) -> Result<()> {
        let bound = tiles.bounds[tile];
        let pending = self.pending.get_mut(&at).ok_or_else(|| missing(at))?;
        let mut level = pending.tile.take().ok_or_else(|| missing(at))?;
        for layer in level.schedule.layers.iter().skip(tiles.depth) {
            for &at in &layer.local {
                level.local(ctx, at)?;
            }
        }
        match (&self.circuit.instructions()[at].op, &mut pending.sorting) {
            (Op::Block(block), _) => {
                level.leave(ctx, block, &mut pending.results, bound.start, bound.rows)?;
            }
            (Op::Sort(_), Some(sorting)) => {
                let less = level.opened.pop().ok_or_else(|| missing(at))?;
                let range = part(Kind::Bit, bound.start, bound.rows);
                sorting.less[range].copy_from_slice(less.words());
                if tiles.bounds.get(tile + 1).map(|next| next.level) != Some(bound.level) {
                    let shape = Shape { kind: Kind::Bit, rows: sorting.pairs.1.len() };
                    let less = Column::from_words(shape, std::mem::take(&mut sorting.less));
                    sorting.ranking.learn(&less)?;
                }
            }
            _ => return Err(missing(at)),
        }
        for slot in level.slots {
            if let Slot::Share(share) = slot {
                Self::free(ctx, share);
            }
        }
        if tile + 1 == tiles.bounds.len() {
            self.end_sort(ctx, at)?;
        }
        Ok(())
    }

    /// Puts a tile's outputs into the results of its block.
    fn leave(
        &self,
        ctx: &Context,
        block: &Block,
        results: &mut [Share],
        start: usize,
        rows: usize,
    ) -> Result<()> {
        let (outputs, parts) = results.split_at_mut(block.outputs.len());
        for (&id, result) in block.outputs.iter().zip(outputs) {
            let shape = self.circuit.shape(id);
            let range = part(shape.kind, start, rows);
            for (c, z) in result.0.iter_mut().enumerate() {
                let z = &mut z[range.clone()];
                match &self.slots[id as usize] {
                    Slot::Share(share) => z.copy_from_slice(&share.0[c]),
                    Slot::Constant(value) => {
                        linear::fill(shape, linear::word(shape.kind, *value) * ctx.one[c], z);
                    }
                    Slot::Empty => return Err(missing(id as usize)),
                }
            }
        }
        for (part, result) in block.parts.iter().zip(parts) {
            let shape = self.circuit.shape(part.of());
            for (c, z) in result.0.iter_mut().enumerate() {
                match (part, &self.slots[part.of() as usize]) {
                    (Part::Sum(_), slot) => {
                        let sum = match slot {
                            Slot::Share(share) => linear::sum(shape.kind, &share.0[c]),
                            Slot::Constant(value) => {
                                linear::times(shape.kind, *value, rows) * ctx.one[c]
                            }
                            Slot::Empty => return Err(missing(part.of() as usize)),
                        };
                        let before = if start == 0 { 0 } else { z[0] };
                        z[0] = with_ring!(shape.kind, R => R::add(before, sum));
                    }
                    (Part::Rows { .. }, _) if start > 0 => {}
                    (&Part::Rows { start, rows, .. }, slot) => {
                        let some = Shape { rows, ..shape };
                        match slot {
                            Slot::Share(share) => linear::slice(some, &share.0[c], start, z),
                            Slot::Constant(value) => {
                                let word = linear::word(shape.kind, *value) * ctx.one[c];
                                linear::fill(some, word, z);
                            }
                            Slot::Empty => return Err(missing(part.of() as usize)),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Packs the columns of bits of a sort row by row.
    pub(super) fn begin_sort(&mut self, ctx: &mut Context, at: usize) -> Result<()> {
        let instruction = &self.circuit.instructions()[at];
        let ids = &instruction.args;
        let bits = self.bits(ids);
        let pending = self.pending.get_mut(&at).ok_or_else(|| missing(at))?;
        let args = arguments(&self.slots, &pending.temporary, ids).ok_or_else(|| missing(at))?;
        let rows = self.circuit.shape(ids[0]).rows;
        let pack = |component: usize| {
            let pack = |group: &[usize]| {
                let planes: Vec<&[u64]> = group.iter().map(|&k| &*args[k].0[component]).collect();
                let mut numbers = ctx.pool.take(rows);
                words::from_planes(&planes, &mut numbers);
                numbers
            };
            bits.chunks(64).map(pack).collect()
        };
        let Op::Sort(sort) = &instruction.op else { return Err(missing(at)) };
        let contest = sort.contest(rows);
        pending.sorting = Some(Box::new(Sorting {
            packed: (0..ctx.components[Kind::Bit as usize]).map(pack).collect(),
            ranking: Ranking::new(&contest),
            pairs: (None, Vec::new()),
            less: Vec::new(),
        }));
        Ok(())
    }

    /// Which of the arguments are bits.
    fn bits(&self, ids: &[Id]) -> Vec<usize> {
        let is_bit = |&k: &usize| self.circuit.shape(ids[k]).kind == Kind::Bit;
        (0..ids.len()).filter(is_bit).collect()
    }

    /// Puts the columns of a sort into the order that was found.
    fn end_sort(&mut self, ctx: &mut Context, at: usize) -> Result<()> {
        let ids = &self.circuit.instructions()[at].args;
        let bits = self.bits(ids);
        let pending = self.pending.get_mut(&at).ok_or_else(|| missing(at))?;
        let Some(sorting) = pending.sorting.take() else { return Ok(()) };
        let args = arguments(&self.slots, &pending.temporary, ids).ok_or_else(|| missing(at))?;
        let Sorting { packed, ranking, .. } = *sorting;
        let order = ranking.order();
        for (k, (result, arg)) in pending.results.iter_mut().zip(&args).enumerate() {
            if self.circuit.shape(ids[k]).kind == Kind::Num {
                for (z, x) in result.0.iter_mut().zip(&arg.0) {
                    linear::gather(Kind::Num, x, &order, z);
                }
            }
        }
        let mut numbers = ctx.pool.take(order.len());
        for (component, groups) in packed.into_iter().enumerate() {
            for (group, packed) in bits.chunks(64).zip(groups) {
                linear::gather(Kind::Num, &packed, &order, &mut numbers);
                let results = pending.results.iter_mut().enumerate();
                let results = results.filter(|(k, _)| group.contains(k));
                let mut planes: Vec<&mut [u64]> =
                    results.map(|(_, result)| result.0[component].as_mut()).collect();
                words::to_planes(&numbers, &mut planes);
                ctx.pool.give(vec![Component::Own(packed)]);
            }
        }
        ctx.pool.give(vec![Component::Own(numbers)]);
        Ok(())
    }
}

impl Sorting {
    /// Shares of the planes of the left keys and of the right keys of pairs `start ..`.
    fn keys(
        &self,
        ctx: &mut Context,
        width: usize,
        start: usize,
        rows: usize,
    ) -> Vec<Option<Share>> {
        let shape = Shape { kind: Kind::Bit, rows };
        let mut numbers = ctx.pool.take(rows);
        let mut keys = Vec::with_capacity(2 * width);
        for side in [self.pairs.0.as_ref(), Some(&self.pairs.1)] {
            let mut planes: Vec<Share> = (0..width).map(|_| Level::buffers(ctx, shape)).collect();
            for (component, groups) in self.packed.iter().enumerate() {
                for (planes, packed) in planes.chunks_mut(64).zip(groups) {
                    match side {
                        None => numbers.copy_from_slice(&packed[start..start + rows]),
                        Some(pairs) => {
                            let pairs = &pairs[start..start + rows];
                            linear::gather(Kind::Num, packed, pairs, &mut numbers);
                        }
                    }
                    let mut planes: Vec<&mut [u64]> =
                        planes.iter_mut().map(|plane| plane.0[component].as_mut()).collect();
                    words::to_planes(&numbers, &mut planes);
                }
            }
            keys.extend(planes.into_iter().map(Some));
        }
        ctx.pool.give(vec![Component::Own(numbers)]);
        keys
    }
}

/// The words of rows `start .. start + rows`; `start` is a multiple of 64.
fn part(kind: Kind, start: usize, rows: usize) -> std::ops::Range<usize> {
    let start = Shape { kind, rows: start }.words();
    start..start + Shape { kind, rows }.words()
}
