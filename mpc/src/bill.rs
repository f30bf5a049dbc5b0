//! The bill: what a run will cost every party, exactly, before anything runs.
//!
//! It is read off the schedule, whose frames the executor sends: the bill of a run equals the
//! ledger of [`tacit_net::Counted`] to the byte.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Circuit, Kind, Op, Result, Roster, Schedule, Shape, Sort,
    engine::{Protocol, Scheme},
    schedule::{self, memory, results, stores_constants},
};

/// What a run costs one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyCost {
    /// Network rounds in which it sends or receives anything.
    pub rounds: u64,
    /// Bytes of payload that it sends.
    pub sent: u64,
    /// Bytes of payload that it receives.
    pub received: u64,
}

/// What a run costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// Network rounds of the whole run: those in which anybody sends anything, one after the
    /// other. What a dealer sends and what holders enter travels in the first of them. A party
    /// that has nothing to say in some round has fewer.
    pub rounds: u64,
    /// By session index.
    pub parties: Vec<PartyCost>,
    /// Triples over Z_2^64.
    pub triples: u64,
    /// Bit triples.
    pub bit_triples: u64,
    /// Upper bound on the bytes of columns and frames that are alive at once at the compute party
    /// that needs most. The inputs that the caller gave and the opened results are apart.
    pub peak_bytes: u64,
}

/// The bill of a lowered circuit.
///
/// # Errors
/// As [`crate::schedule()`].
pub fn bill(circuit: &Circuit, engine: impl Protocol, roster: &Roster) -> Result<Bill> {
    let scheme = engine.scheme(roster)?;
    let schedule = schedule::lay_out(circuit, &*scheme, roster)?;
    Ok(of(circuit, &schedule, &*scheme, roster))
}

fn of(circuit: &Circuit, schedule: &Schedule, scheme: &dyn Scheme, roster: &Roster) -> Bill {
    let mut parties = vec![PartyCost::default(); roster.parties];
    for layer in &schedule.layers {
        for (&(from, to), &bytes) in &layer.bytes {
            parties[from].sent += bytes as u64;
            parties[to].received += bytes as u64;
        }
        for (party, cost) in parties.iter_mut().enumerate() {
            cost.rounds += u64::from(layer.involves(party));
        }
    }
    let peaks = peaks(circuit, schedule, scheme, &roster.compute);
    Bill {
        rounds: schedule.rounds(),
        parties,
        triples: schedule.triples,
        bit_triples: schedule.bit_triples,
        peak_bytes: peaks.into_iter().max().unwrap_or(0),
    }
}

/// Most bytes alive at once, for each of `parties` as if it computed.
pub(crate) fn peaks(
    circuit: &Circuit,
    schedule: &Schedule,
    scheme: &dyn Scheme,
    parties: &[usize],
) -> Vec<u64> {
    let size = |id: usize| {
        let shape = circuit.shapes()[id];
        memory(shape) * scheme.components(shape.kind) as u64
    };
    let constant: Vec<bool> = {
        let mut constant = vec![false; circuit.shapes().len()];
        for instruction in circuit.instructions() {
            constant[instruction.first as usize] = match instruction.op {
                Op::Constant { .. } => true,
                // Of constants these are constants again.
                Op::Add | Op::Sub | Op::Scale(_) => {
                    instruction.args.iter().all(|&id| constant[id as usize])
                }
                _ => continue,
            };
        }
        constant
    };
    let stored = |id: usize| if constant[id] { 0 } else { size(id) };
    // Constants made into columns for the time of an instruction.
    let temporary = |at: usize| -> u64 {
        let instruction = &circuit.instructions()[at];
        if !stores_constants(&instruction.op) {
            return 0;
        }
        let args = instruction.args.iter().map(|&id| id as usize);
        args.filter(|&id| constant[id]).map(size).sum()
    };
    let made = |at: usize| -> u64 { results(circuit, at).map(stored).sum() };
    let freed =
        |at: usize| -> u64 { schedule.dies[at].iter().map(|&id| stored(id as usize)).sum() };

    // What a block's tile needs beside its arguments and results.
    let inside = |at: usize| -> Vec<u64> {
        let Some(tiles) = schedule.blocks.get(&at) else { return vec![0; parties.len()] };
        let bodies = tiles.bodies.values();
        let each = bodies.map(|body| self::peaks(&body.circuit, &body.schedule, scheme, parties));
        let tile = each.reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| a.max(b)).collect());
        let mut beside = tile.unwrap_or_else(|| vec![0; parties.len()]);
        let instruction = &circuit.instructions()[at];
        if matches!(instruction.op, Op::Sort(_)) {
            let args: Vec<Shape> = instruction.args.iter().map(|&id| circuit.shape(id)).collect();
            let largest = tiles.bodies.keys().copied().max().unwrap_or(0);
            let packed = Sort::beside(&args, scheme.components(Kind::Bit) as u64, largest);
            for beside in &mut beside {
                *beside += packed;
            }
        }
        beside
    };
    let blocks: BTreeMap<usize, Vec<u64>> =
        schedule.blocks.keys().map(|&at| (at, inside(at))).collect();
    let beside = |at: usize, party: usize| blocks.get(&at).map_or(0, |peaks| peaks[party]);

    let mut live = 0;
    let mut held = vec![0; parties.len()];
    let mut peaks = vec![0; parties.len()];
    for (round, layer) in schedule.layers.iter().enumerate() {
        for &at in &layer.local {
            live += made(at);
            let now = live + temporary(at);
            for (party, (peak, held)) in peaks.iter_mut().zip(&held).enumerate() {
                *peak = (*peak).max(now + beside(at, party) + held);
            }
            live -= freed(at);
        }
        let mut extra = 0;
        for task in &layer.tasks {
            if task.step == 0 {
                live += made(task.at);
                extra += temporary(task.at);
            }
        }
        for (place, ((peak, held), &party)) in
            peaks.iter_mut().zip(&mut held).zip(parties).enumerate()
        {
            let beside: u64 = layer.tasks.iter().map(|task| beside(task.at, place)).sum();
            let frames: usize = layer
                .bytes
                .iter()
                .filter(|&(&(from, to), _)| from == party || to == party)
                .map(|(_, bytes)| bytes)
                .sum();
            *peak = (*peak).max(live + extra + beside + *held + frames as u64);
            if round == 0 {
                *held = schedule.held[party];
            }
        }
        live -= layer.tasks.iter().filter(|task| task.last).map(|task| freed(task.at)).sum::<u64>();
    }
    peaks
}
