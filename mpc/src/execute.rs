//! Running a circuit: one call for every role.
//!
//! [`run`] lays the circuit out, then walks the layers. A compute party runs local instructions on
//! its components, lets its engine start every job of the layer, exchanges one frame per peer and
//! lets the engine finish them. Everybody else only enters, deals or opens in the rounds that ask
//! for it. All parties walk the same rounds, so that nobody needs to be told where the others are.

use tacit_net::Link;

use crate::{
    Circuit, Column, Error, Instruction, Op, Result, Roster, Schedule, Shape, Task, bill, block,
    engine::{Client, Inbox, Job, Outbox, Protocol, Scheme},
    machine::Machine,
    pool::Pool,
    schedule::{self, Tiles},
};

/// A network round that is about to begin at this party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which of the run's network rounds, from 1.
    pub round: u64,
    /// Network rounds of the whole run.
    pub rounds: u64,
    /// Whether shares of openings travel in it. Before this nothing is opened to anybody.
    pub opens: bool,
}

/// Runs a lowered circuit as whatever this party is: compute party, data holder, dealer, receiver.
///
/// `inputs` are this party's columns by slot. `gate` is called before each network round in which
/// this party takes part; if it fails, nothing more is sent and every peer is told. The result is
/// what was opened to this party, by name, in circuit order.
///
/// # Security
/// A session's pairwise seeds carry **one** run: a second run over the same link would use every
/// mask again.
///
/// # Errors
/// [`Error::Engine`], [`Error::Circuit`] or [`Error::Input`] before anything is sent; [`Error::Net`]
/// names the peer that failed; [`Error::Stopped`] and others from `gate`. After an error the link
/// is closed, and the peers know the culprit.
pub fn run(
    circuit: &Circuit,
    engine: impl Protocol,
    roster: &Roster,
    link: &mut dyn Link,
    inputs: Vec<Column>,
    gate: &mut dyn FnMut(&Step) -> Result<()>,
) -> Result<Vec<(String, Column)>> {
    run_measured(circuit, engine, roster, link, inputs, gate, &mut |_| {}).map(|(opened, _)| opened)
}

/// [`run`], with the most bytes of columns and frames that were alive at once; 0 at a party that
/// does not compute. `watch` is called with the number of each layer of the schedule before a
/// compute party does anything for it: when it is called with 1, everything is entered and dealt.
///
/// # Errors
/// As [`run`].
pub fn run_measured(
    circuit: &Circuit,
    engine: impl Protocol,
    roster: &Roster,
    link: &mut dyn Link,
    inputs: Vec<Column>,
    gate: &mut dyn FnMut(&Step) -> Result<()>,
    watch: &mut dyn FnMut(usize),
) -> Result<(Vec<(String, Column)>, u64)> {
    let me = link.me();
    let result = attempt(circuit, engine.scheme(roster), roster, link, inputs, gate, watch);
    if let Err(error) = &result {
        let culprit = match error {
            Error::Net(error) => error.culprit(),
            Error::Abort { culprit, .. } => *culprit,
            _ => Some(me),
        };
        link.abort(culprit, &error.to_string());
    }
    let (mut opened, peak) = result?;
    opened.sort_by_key(|(at, _)| *at);
    let named =
        opened.into_iter().filter_map(|(at, column)| match &circuit.instructions()[at].op {
            Op::Reveal { name, .. } => Some((name.clone(), column)),
            _ => None,
        });
    Ok((named.collect(), peak))
}

/// Instruction and what it opened.
pub(crate) type Opened = Vec<(usize, Column)>;

fn attempt(
    circuit: &Circuit,
    scheme: Result<Box<dyn Scheme>>,
    roster: &Roster,
    link: &mut dyn Link,
    inputs: Vec<Column>,
    gate: &mut dyn FnMut(&Step) -> Result<()>,
    watch: &mut dyn FnMut(usize),
) -> Result<(Opened, u64)> {
    if roster.parties != link.parties() {
        return Err(Error::Engine(format!(
            "the roster has {} parties, the link {}",
            roster.parties,
            link.parties()
        )));
    }
    let me = link.me();
    let scheme = scheme?;
    let schedule = schedule::lay_out(circuit, &*scheme, roster)?;
    check_inputs(circuit, me, &inputs)?;
    let mut rounds = Rounds { schedule: &schedule, link, gate, me, round: 0 };
    if roster.place(me).is_none() {
        let client = scheme.client(&schedule.demand, rounds.link)?;
        return Ok((attend(circuit, client, &inputs, &mut rounds)?, 0));
    }
    compute(circuit, &*scheme, inputs, &mut rounds, watch)
}

/// The columns must be exactly those that the circuit asks of this party.
fn check_inputs(circuit: &Circuit, me: usize, inputs: &[Column]) -> Result<()> {
    let mut count = 0;
    let entries = circuit.instructions().iter().flat_map(|i| block::entries(&i.op));
    for block::Entry { slot, shape, .. } in entries.filter(|entry| entry.holder == me) {
        count += 1;
        let column = inputs
            .get(slot)
            .ok_or_else(|| Error::Input(format!("column {slot} of party {me} is missing")))?;
        column.check(me, slot, shape)?;
    }
    if inputs.len() > count {
        return Err(Error::Input(format!(
            "party {me} enters {count} columns, {} are given",
            inputs.len()
        )));
    }
    Ok(())
}

/// The network rounds of a run at one party.
pub(crate) struct Rounds<'a> {
    pub(crate) schedule: &'a Schedule,
    link: &'a mut dyn Link,
    gate: &'a mut (dyn FnMut(&Step) -> Result<()> + 'a),
    me: usize,
    round: u64,
}

impl Rounds<'_> {
    /// Lengths of the frames that this party sends in a layer.
    pub(crate) fn sends(&self, layer: usize) -> impl Iterator<Item = (usize, usize)> + use<'_> {
        let me = self.me;
        self.schedule.layers[layer]
            .bytes
            .iter()
            .filter(move |((from, _), _)| *from == me)
            .map(|(&(_, to), &bytes)| (to, bytes))
    }

    /// Lengths of the frames that this party awaits in a layer.
    pub(crate) fn awaits(&self, layer: usize) -> impl Iterator<Item = (usize, usize)> + use<'_> {
        let me = self.me;
        self.schedule.layers[layer]
            .bytes
            .iter()
            .filter(move |((_, to), _)| *to == me)
            .map(|(&(from, _), &bytes)| (from, bytes))
    }

    /// Asks whether to go on into a layer's round.
    pub(crate) fn ask(&mut self, layer: usize) -> Result<()> {
        let layer = &self.schedule.layers[layer];
        if layer.bytes.is_empty() {
            return Ok(());
        }
        self.round += 1;
        if !layer.involves(self.me) {
            return Ok(());
        }
        let rounds = self.schedule.rounds();
        (self.gate)(&Step { round: self.round, rounds, opens: layer.opens })
    }

    /// One round. A layer in which nothing travels is none.
    pub(crate) fn exchange(&mut self, layer: usize, mut out: Outbox) -> Result<Inbox> {
        if self.schedule.layers[layer].bytes.is_empty() {
            return Ok(Inbox::default());
        }
        let expect: Vec<(usize, usize)> = self.awaits(layer).collect();
        let from: Vec<usize> = expect.iter().map(|e| e.0).collect();
        let whole = out.taken_whole();
        let send = out.seal()?;
        let kept = send.iter().filter(|(to, _)| whole.contains(to)).cloned().collect();
        let frames = self.link.exchange(tacit_net::Round { send, expect })?;
        Ok(Inbox::new(from.into_iter().zip(frames), kept))
    }
}

/// A party that does not compute.
fn attend(
    circuit: &Circuit,
    mut client: Box<dyn Client>,
    inputs: &[Column],
    rounds: &mut Rounds<'_>,
) -> Result<Opened> {
    let schedule = rounds.schedule;
    let mut opened = Vec::new();
    for (number, layer) in schedule.layers.iter().enumerate() {
        rounds.ask(number)?;
        let arena = rounds.link.arena();
        let frames = rounds.sends(number).map(|(to, bytes)| (to, arena.take(bytes)));
        let mut out = Outbox::new(frames);
        if number == 0 {
            client.ahead(&mut out)?;
        }
        for task in &layer.tasks {
            let mut job = idle(circuit, schedule, task.at, task.step);
            if let Op::Enter { holder, slot, .. } = job.op
                && *holder == rounds.me
            {
                job.input = inputs.get(*slot);
                client.enter(&mut job, &mut out)?;
            }
            if let Some(tiles) = schedule.blocks.get(&task.at) {
                let masks = schedule.masks[task.at];
                enter_tile(tiles, task, masks, rounds.me, inputs, &mut *client, &mut out)?;
            }
        }
        let inbox = rounds.exchange(number, out)?;
        for task in &layer.tasks {
            let mut job = idle(circuit, schedule, task.at, task.step);
            if matches!(job.op, Op::Reveal { to, .. } if *to == rounds.me) {
                client.open(&mut job, &inbox)?;
                opened.extend(job.opened.map(|column| (task.at, column)));
            }
        }
    }
    Ok(opened)
}

/// Enters what a tile asks of this party in one of its rounds.
fn enter_tile(
    tiles: &Tiles,
    task: &Task,
    masks: u64,
    me: usize,
    inputs: &[Column],
    client: &mut dyn Client,
    out: &mut Outbox,
) -> Result<()> {
    let (tile, step) = (task.step / tiles.depth, task.step % tiles.depth);
    let (bound, body) = (tiles.bounds[tile], tiles.body(tile));
    for task in &body.schedule.layers[step].tasks {
        let mut job = idle(&body.circuit, &body.schedule, task.at, task.step);
        if let Op::Enter { holder, slot, .. } = job.op
            && *holder == me
        {
            let rows = inputs.get(*slot).map(|column| column.part(bound.start, bound.rows));
            job.input = rows.as_ref();
            job.masks += masks + tile as u64 * tiles.masks;
            client.enter(&mut job, out)?;
        }
    }
    Ok(())
}

/// Shape that a job works on.
pub(crate) fn job_shape(circuit: &Circuit, instruction: &Instruction) -> Shape {
    circuit.shape(instruction.args.first().copied().unwrap_or(instruction.first))
}

/// A job without columns.
fn idle<'a>(circuit: &'a Circuit, schedule: &Schedule, at: usize, step: usize) -> Job<'a> {
    let instruction = &circuit.instructions()[at];
    Job {
        at,
        step,
        op: &instruction.op,
        shape: job_shape(circuit, instruction),
        shapes: &[],
        masks: schedule.masks[at],
        args: &[],
        results: &mut [],
        input: None,
        opened: None,
    }
}

/// A compute party.
fn compute(
    circuit: &Circuit,
    scheme: &dyn Scheme,
    inputs: Vec<Column>,
    rounds: &mut Rounds<'_>,
    watch: &mut dyn FnMut(usize),
) -> Result<(Opened, u64)> {
    let schedule = rounds.schedule;
    let budget = bill::peaks(circuit, schedule, scheme, &[rounds.me])[0];
    let engine = scheme.engine(&schedule.demand, rounds.link)?;
    let pool = Pool::new(rounds.link.arena(), budget);
    let mut machine = Machine::new(circuit, schedule, scheme, engine, rounds.me, inputs, pool);
    for (number, layer) in schedule.layers.iter().enumerate() {
        watch(number);
        for &at in &layer.local {
            machine.local(at)?;
        }
        if layer.tasks.is_empty() && layer.bytes.is_empty() {
            continue;
        }
        if layer.opens {
            machine.settle()?;
        }
        rounds.ask(number)?;
        let mut out = machine.outbox(rounds.sends(number), rounds.awaits(number));
        machine.start(&layer.tasks, &mut out)?;
        machine.expect();
        let inbox = rounds.exchange(number, out)?;
        if number == 0 {
            machine.prepare(&inbox)?;
        }
        machine.finish(&layer.tasks, &inbox)?;
        let frames: usize = rounds.sends(number).chain(rounds.awaits(number)).map(|f| f.1).sum();
        let kept = if number == 0 { schedule.held[rounds.me] } else { 0 };
        machine.recycle(frames as u64 - kept, inbox);
    }
    Ok(machine.done())
}
