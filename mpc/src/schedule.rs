//! The schedule: which instructions share a network round, and when a column dies.
//!
//! An instruction is due as soon as its arguments are there, counted in network rounds: local
//! instructions cost none, an interactive one costs what the engine's price says. All interactive
//! instructions that are due after the same number of rounds form a [`Layer`] and share its rounds.
//! Every [`Op::Reveal`] waits for the last layer, so that nothing is opened while anything is still
//! computed, and a party has one moment at which it lets results go.
//!
//! A column is freed after its last use in this order; a constant is never stored at all.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use crate::{
    Circuit, Error, Id, Kind, Op, Result, Roster, Shape,
    block::{self, Bound},
    engine::{Demand, Price, Product, Protocol, Scheme, Wire},
    mask,
};

/// One round of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// The instruction.
    pub at: usize,
    /// Which of its rounds, from 0.
    pub step: usize,
    /// Whether it is the last.
    pub last: bool,
}

/// One network round and what is computed before it.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// Instructions that need no round, run before it, in order.
    pub local: Vec<usize>,
    /// What shares the round, in circuit order. Empty in the last layer, which has no round.
    pub tasks: Vec<Task>,
    /// Whether shares of openings travel in it.
    pub opens: bool,
    /// Bytes from one session party to another; only pairs that talk.
    pub bytes: BTreeMap<(usize, usize), usize>,
}

impl Layer {
    /// Whether `party` sends or receives anything in this round.
    pub fn involves(&self, party: usize) -> bool {
        self.bytes.keys().any(|&(from, to)| from == party || to == party)
    }
}

/// A circuit laid out for an engine.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The network rounds, and a last layer for what is local after them.
    pub layers: Vec<Layer>,
    /// Per instruction: the columns that die with it.
    pub dies: Vec<Vec<Id>>,
    /// Bytes that a party holds from the first round on (dealt material), by session index.
    pub held: Vec<u64>,
    /// Triples over Z_2^64.
    pub triples: u64,
    /// Bit triples.
    pub bit_triples: u64,
    pub(crate) masks: Vec<u64>,
    pub(crate) demand: Demand,
    /// Blocks, by instruction.
    pub(crate) blocks: BTreeMap<usize, Tiles>,
}

/// A block or sort laid out for its number of rows.
#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    /// The tiles, one after the other.
    pub(crate) bounds: Vec<Bound>,
    /// The body, by the rows of a tile.
    pub(crate) bodies: BTreeMap<usize, Body>,
    /// Network rounds of a tile.
    pub(crate) depth: usize,
    /// Counter blocks of a tile.
    pub(crate) masks: u64,
}

/// Body of a block or sort for tiles of some number of rows.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) circuit: Circuit,
    pub(crate) schedule: Schedule,
    ahead: Ahead,
}

impl Tiles {
    /// The body of a tile.
    pub(crate) fn body(&self, tile: usize) -> &Body {
        &self.bodies[&self.bounds[tile].rows]
    }
}

impl Schedule {
    /// Network rounds in which anything travels.
    pub fn rounds(&self) -> u64 {
        self.layers.iter().filter(|layer| !layer.bytes.is_empty()).count() as u64
    }
}

/// Lays a circuit out for an engine among these parties.
///
/// # Errors
/// [`Error::Engine`] if the engine cannot run the circuit (a macro that was not lowered, an addend
/// that it does not have, a kind of column, the wrong parties), [`Error::Circuit`] if a holder's slots are not
/// numbered in order.
pub fn schedule(circuit: &Circuit, engine: impl Protocol, roster: &Roster) -> Result<Schedule> {
    lay_out(circuit, &*engine.scheme(roster)?, roster)
}

pub(crate) fn lay_out(circuit: &Circuit, scheme: &dyn Scheme, roster: &Roster) -> Result<Schedule> {
    check_size(circuit)?;
    let (mut schedule, ahead) = draft(circuit, scheme, roster, None)?;
    for (pair, bytes) in ahead {
        *schedule.layers[0].bytes.entry(pair).or_insert(0) += bytes;
    }
    Ok(schedule)
}

/// Most tiles of an instruction: each has wires and rounds of its own in the schedule.
const MOST_TILES: usize = 1 << 20;

/// Most messages and rounds of the tiles of one instruction: each is in the schedule.
const MOST_STEPS: usize = 1 << 24;

/// Most products of the tiles of one instruction, for the same reason.
const MOST_PRODUCTS: usize = 1 << 26;

/// Most words of all arguments and results together, 8 PiB: sizes, bills and counters of masks
/// are far from overflow below that.
const MOST_WORDS: u128 = 1 << 50;

/// Refuses what nothing can hold, before anything is made for it.
fn check_size(circuit: &Circuit) -> Result<()> {
    let words = |circuit: &Circuit, at: usize| -> u128 {
        let args = circuit.instructions()[at].args.iter().map(|&id| id as usize);
        let columns = args.chain(results(circuit, at)).map(|id| circuit.shapes()[id]);
        columns.map(|shape| shape.words() as u128).sum()
    };
    let mut all = 0;
    for (at, instruction) in circuit.instructions().iter().enumerate() {
        let wrong = |what: String| Error::Circuit { at, what };
        let (body, tiles) = match &instruction.op {
            Op::Block(block) => (Some(&block.body), block.tiles()),
            Op::Sort(sort) => {
                (Some(&sort.less), sort.tiles(circuit.shape(instruction.args[0]).rows))
            }
            _ => (None, 0),
        };
        if tiles > MOST_TILES {
            return Err(wrong(format!("{tiles} tiles are more than 2^20: take larger ones")));
        }
        all += words(circuit, at);
        if let Some(body) = body {
            let tile: u128 = (0..body.instructions().len()).map(|at| words(body, at)).sum();
            all += tile * tiles as u128;
        }
        if all > MOST_WORDS {
            return Err(wrong("columns of more than 2^50 words in all".into()));
        }
    }
    Ok(())
}

/// Bytes that travel ahead of everything, by sender and receiver.
type Ahead = BTreeMap<(usize, usize), usize>;

/// A schedule without what travels ahead. `outputs` are those of a block whose body this is.
fn draft(
    circuit: &Circuit,
    scheme: &dyn Scheme,
    roster: &Roster,
    outputs: Option<&[Id]>,
) -> Result<(Schedule, Ahead)> {
    let instructions = circuit.instructions();
    shares_all(circuit, scheme)?;
    let mut schedule = Schedule {
        layers: Vec::new(),
        dies: vec![Vec::new(); instructions.len()],
        held: vec![0; roster.parties],
        triples: 0,
        bit_triples: 0,
        masks: Vec::with_capacity(instructions.len()),
        demand: Demand::default(),
        blocks: BTreeMap::new(),
    };
    let mut layers: Vec<Layer> = Vec::new();
    // Rounds after which a column is there.
    let mut ready = vec![0; circuit.shapes().len()];
    let mut slots: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut masks = 0;
    let mut price = Price::default();
    let mut reveals = Vec::new();
    let mut reveal_wires = Vec::new();
    let mut ahead = Ahead::new();

    for (at, instruction) in instructions.iter().enumerate() {
        check(at, &instruction.op, roster)?;
        for entry in block::entries(&instruction.op) {
            schedule.demand.holders.insert(entry.holder);
            // A block's are counted where the block is.
            if outputs.is_none() {
                enter(at, &entry, roster, &mut slots)?;
            }
        }
        price.reset();
        schedule.masks.push(masks);
        match &instruction.op {
            Op::Block(_) | Op::Sort(_) => {
                let (body, kept, bounds) = match &instruction.op {
                    Op::Block(block) => (&block.body, block.kept(), block.bounds().collect()),
                    Op::Sort(sort) => {
                        let rows = circuit.shape(instruction.args[0]).rows;
                        (&sort.less, vec![], sort.bounds(rows))
                    }
                    _ => continue,
                };
                let tiles = lay_out_tiles(body, &kept, bounds, scheme, roster, &mut price)
                    .map_err(|error| match error {
                        Error::Circuit { what, .. } => Error::Circuit { at, what },
                        other => other,
                    })?;
                for tile in 0..tiles.bounds.len() {
                    let first = masks + tile as u64 * tiles.masks;
                    let products = tiles.body(tile).schedule.demand.products.iter();
                    let moved = products.map(|p| Product { masks: first + p.masks, ..*p });
                    schedule.demand.products.extend(moved);
                }
                schedule.blocks.insert(at, tiles);
            }
            Op::Argument { .. } | Op::Open if outputs.is_none() => {
                let what = format!("{:?} outside of a block", instruction.op);
                return Err(Error::Circuit { at, what });
            }
            Op::Argument { .. } => {}
            _ => scheme.price(circuit, at, &mut price)?,
        }
        if matches!(instruction.op, Op::Mul) {
            let shape = circuit.shape(instruction.first);
            schedule.demand.products.push(Product { shape, masks });
        }
        masks += mask::blocks(circuit, instruction);
        schedule.triples += price.triples;
        schedule.bit_triples += price.bit_triples;
        for wire in price.ahead.iter().filter(|wire| wire.bytes > 0) {
            *ahead.entry((wire.from, wire.to)).or_insert(0) += wire.bytes;
            schedule.held[wire.to] += wire.bytes as u64;
        }
        if matches!(instruction.op, Op::Reveal { .. }) {
            reveals.push((at, price.rounds));
            reveal_wires.extend_from_slice(&price.wires);
            continue;
        }
        let due = instruction.args.iter().map(|&id| ready[id as usize]).max().unwrap_or(0);
        let there = due + price.rounds;
        if layers.len() <= there {
            layers.resize_with(there + 1, Layer::default);
        }
        if price.rounds == 0 {
            layers[due].local.push(at);
        }
        for step in 0..price.rounds {
            let last = step + 1 == price.rounds;
            layers[due + step].tasks.push(Task { at, step, last });
        }
        for wire in price.wires.iter().filter(|wire| wire.bytes > 0) {
            *layers[due + wire.step].bytes.entry((wire.from, wire.to)).or_insert(0) += wire.bytes;
        }
        ready[results(circuit, at)].fill(there);
    }

    for (holder, slots) in slots {
        if slots.iter().copied().ne(0..slots.len()) {
            let what = format!("party {holder} enters columns {slots:?}: some are left out");
            return Err(Error::Circuit { at: instructions.len(), what });
        }
    }
    open_last(&mut layers, &reveals, &reveal_wires);
    schedule.layers = layers;
    bury(circuit, &mut schedule, outputs.unwrap_or_default());
    Ok((schedule, ahead))
}

/// Every column must be of a kind that the scheme shares.
fn shares_all(circuit: &Circuit, scheme: &dyn Scheme) -> Result<()> {
    let used = |kind: &Kind| circuit.shapes().iter().any(|shape| shape.kind == *kind);
    match Kind::ALL.into_iter().filter(|&kind| scheme.components(kind) == 0).find(used) {
        None => Ok(()),
        Some(kind) => {
            let columns = match kind {
                Kind::Num => "numbers modulo 2^64",
                Kind::Bit => "bits",
                Kind::Field => "elements of the prime field of 2^61 - 1",
            };
            Err(Error::Engine(format!("{} has no columns of {columns}", scheme.name())))
        }
    }
}

/// Lays out the tiles of a block one after the other, and adds them up in `price`.
fn lay_out_tiles(
    body: &Circuit,
    kept: &[Id],
    bounds: Vec<Bound>,
    scheme: &dyn Scheme,
    roster: &Roster,
    price: &mut Price,
) -> Result<Tiles> {
    let mut tiles =
        Tiles { bounds, bodies: BTreeMap::new(), depth: 0, masks: mask::per_tile(body) };
    for (tile, bound) in tiles.bounds.iter().enumerate() {
        if let Entry::Vacant(vacant) = tiles.bodies.entry(bound.rows) {
            let circuit = block::resized(body, bound.rows)?;
            let (schedule, ahead) = draft(&circuit, scheme, roster, Some(kept))?;
            tiles.depth = schedule.layers.iter().filter(|layer| !layer.tasks.is_empty()).count();
            let steps: usize = schedule.layers.iter().map(|layer| 1 + layer.bytes.len()).sum();
            let (count, products) = (tiles.bounds.len(), schedule.demand.products.len());
            if steps * count > MOST_STEPS || products * count > MOST_PRODUCTS {
                let what = format!(
                    "{count} tiles of {} rounds and {products} products are too many: take larger \
                     ones",
                    tiles.depth
                );
                return Err(Error::Circuit { at: 0, what });
            }
            vacant.insert(Body { circuit, schedule, ahead });
        }
        let Body { schedule, ahead, .. } = &tiles.bodies[&bound.rows];
        for (layer, step) in schedule.layers.iter().zip(tile * tiles.depth..) {
            let wires = layer.bytes.iter();
            price.wires.extend(wires.map(|(&(from, to), &bytes)| Wire { step, from, to, bytes }));
        }
        price.triples += schedule.triples;
        price.bit_triples += schedule.bit_triples;
        let ahead = ahead.iter();
        price.ahead.extend(ahead.map(|(&(from, to), &bytes)| Wire { step: 0, from, to, bytes }));
    }
    price.rounds = tiles.depth * tiles.bounds.len();
    Ok(tiles)
}

/// Puts every reveal behind everything else.
fn open_last(layers: &mut Vec<Layer>, reveals: &[(usize, usize)], wires: &[crate::engine::Wire]) {
    if layers.is_empty() {
        layers.push(Layer::default());
    }
    let first = layers.len() - 1;
    let rounds = reveals.iter().map(|r| r.1).max().unwrap_or(0);
    layers.resize_with(first + rounds + 1, Layer::default);
    for &(at, rounds) in reveals {
        if rounds == 0 {
            layers[first].local.push(at);
        }
        for step in 0..rounds {
            layers[first + step].tasks.push(Task { at, step, last: step + 1 == rounds });
            layers[first + step].opens = true;
        }
    }
    for wire in wires.iter().filter(|wire| wire.bytes > 0) {
        *layers[first + wire.step].bytes.entry((wire.from, wire.to)).or_insert(0) += wire.bytes;
    }
}

/// Columns of the results of an instruction.
pub(crate) fn results(circuit: &Circuit, at: usize) -> std::ops::Range<usize> {
    let instructions = circuit.instructions();
    let end = instructions.get(at + 1).map_or(circuit.shapes().len(), |next| next.first as usize);
    instructions[at].first as usize..end
}

/// Finds every column's last use. Columns that are never used die where they are made, but for the
/// outputs of a block, which outlive it.
fn bury(circuit: &Circuit, schedule: &mut Schedule, outputs: &[Id]) {
    let mut dead = vec![false; circuit.shapes().len()];
    for &id in outputs {
        dead[id as usize] = true;
    }
    for layer in schedule.layers.iter().rev() {
        let done = layer.tasks.iter().filter(|task| task.last).map(|task| task.at);
        for at in layer.local.iter().copied().chain(done).collect::<Vec<_>>().into_iter().rev() {
            let instruction = &circuit.instructions()[at];
            let own = results(circuit, at).map(|id| id as Id);
            for id in instruction.args.iter().copied().chain(own) {
                if !std::mem::replace(&mut dead[id as usize], true) {
                    schedule.dies[at].push(id);
                }
            }
        }
    }
}

/// What a circuit must be beyond what its construction checks.
fn check(at: usize, op: &Op, roster: &Roster) -> Result<()> {
    match op {
        Op::Reveal { to, .. } if *to >= roster.parties => {
            Err(Error::Circuit { at, what: format!("there is no party {to} to open to") })
        }
        _ => Ok(()),
    }
}

/// Notes that a column is entered, which must be once, and a holder's first column first: its keys
/// may come with that.
fn enter(
    at: usize,
    entry: &block::Entry,
    roster: &Roster,
    slots: &mut BTreeMap<usize, BTreeSet<usize>>,
) -> Result<()> {
    let block::Entry { holder, slot, .. } = *entry;
    let wrong = |what: String| Err(Error::Circuit { at, what });
    if holder >= roster.parties {
        return wrong(format!("there is no party {holder} to enter a column"));
    }
    let entered = slots.entry(holder).or_default();
    if (slot > 0 && entered.is_empty()) || !entered.insert(slot) {
        return wrong(format!("slot {slot} of party {holder} is out of order"));
    }
    Ok(())
}

/// Whether the executor makes a constant argument of this instruction into a column.
pub(crate) fn stores_constants(op: &Op) -> bool {
    !matches!(op, Op::Add | Op::Sub)
}

/// Bytes of one component of a column in memory.
pub(crate) fn memory(shape: Shape) -> u64 {
    8 * shape.words() as u64
}
