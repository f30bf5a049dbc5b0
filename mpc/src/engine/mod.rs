//! Engines: what it takes to run a circuit on shares.
//!
//! A protocol is one file, here or elsewhere, with three small objects.
//!
//! - A [`Scheme`] is what everybody knows about the protocol among these parties: how many
//!   components a value has, and the [`Price`] of an instruction, down to who sends how many bytes
//!   to whom. It is apart from the running engine because a bill is made where nobody runs, and
//!   because the frames of a round are laid out from the same price list: an engine that sends
//!   anything but what it priced is stopped, so the ledger cannot differ from the bill.
//! - An [`Engine`] is one compute party of a run. It sees one [`Job`] at a time: `start` writes
//!   what the job sends, `finish` reads what came. The executor owns the link and calls all starts
//!   of a layer, exchanges one frame per peer, then calls all finishes; so every independent
//!   instruction shares the round and no engine can talk out of turn.
//! - A [`Client`] is everybody else: holders that do not compute, the receiver of openings, a
//!   dealer.
//!
//! A [`Protocol`] makes the scheme among given parties.
//!
//! Linear instructions are not here: they are the same for every scheme and belong to the
//! executor, which asks an engine only for its components of 1.
//!
//! [`Engine::settle`] runs before the first share of a [`crate::Op::Reveal`] leaves. The engines
//! here are semi-honest and have nothing to settle.

mod additive;
mod clear;
mod frames;
mod rep3;
mod triples;

use std::{collections::BTreeSet, fmt};

use tacit_net::Link;

use crate::{Circuit, Column, EngineKind, Error, Kind, Op, Result, Roster, Shape, words};

pub use crate::{mask::Prg, share::Share};
pub use frames::{FrameLengths, Inbox, Outbox};
pub use triples::{Ticket, TripleSource};

/// A message that an instruction sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Round of the instruction, from 0.
    pub step: usize,
    /// Session index of the sender.
    pub from: usize,
    /// Session index of the receiver.
    pub to: usize,
    /// Exact length in bytes.
    pub bytes: usize,
}

/// What an instruction costs.
#[derive(Clone, Debug, Default)]
pub struct Price {
    /// Network rounds; 0 is local.
    pub rounds: usize,
    /// All messages, in the order in which they lie in the frame of their sender and receiver.
    pub wires: Vec<Wire>,
    /// Messages of preparation, sent in the first round of the run.
    pub ahead: Vec<Wire>,
    /// Triples over Z_2^64 used.
    pub triples: u64,
    /// Bit triples used.
    pub bit_triples: u64,
}

impl Price {
    /// Forgets everything, keeps the memory.
    pub fn reset(&mut self) {
        self.wires.clear();
        self.ahead.clear();
        (self.rounds, self.triples, self.bit_triples) = (0, 0, 0);
    }

    /// One message in round `step` of the instruction; a message to oneself is none.
    pub fn wire(&mut self, step: usize, from: usize, to: usize, bytes: usize) {
        if from != to {
            self.wires.push(Wire { step, from, to, bytes });
        }
    }
}

/// A product that will need a triple.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Shape of its operands.
    pub shape: Shape,
    /// First counter block of its masks.
    pub masks: u64,
}

/// What a circuit will ask of an engine.
#[derive(Clone, Debug, Default)]
pub struct Demand {
    /// Everybody who enters a column.
    pub holders: BTreeSet<usize>,
    /// Every product, in circuit order.
    pub products: Vec<Product>,
}

/// One instruction in the hands of an engine.
pub struct Job<'a> {
    /// Index of the instruction.
    pub at: usize,
    /// Round of the instruction, from 0.
    pub step: usize,
    /// What it does.
    pub op: &'a Op,
    /// Shape of the first argument, or of the result if there is no argument.
    pub shape: Shape,
    /// Shapes of all arguments of a shuffle; otherwise empty.
    pub shapes: &'a [Shape],
    /// First counter block of the masks that this instruction owns.
    pub masks: u64,
    /// This party's shares of the arguments.
    pub args: &'a [&'a Share],
    /// This party's shares of the results, to be filled by the end of the last `finish`.
    pub results: &'a mut [Share],
    /// The column to enter, at its holder.
    pub input: Option<&'a Column>,
    /// What was opened, set by the receiver of a `Reveal`.
    pub opened: Option<Column>,
}

/// A protocol, whoever takes part: an [`EngineKind`], or one of your own.
///
/// Everything that runs, prices or tests a circuit takes a protocol, by value or by reference.
pub trait Protocol: fmt::Display + Sync {
    /// The protocol among these parties.
    ///
    /// # Errors
    /// [`Error::Engine`] if it cannot run among them.
    fn scheme(&self, roster: &Roster) -> Result<Box<dyn Scheme>>;
}

impl<P: Protocol + ?Sized> Protocol for &P {
    fn scheme(&self, roster: &Roster) -> Result<Box<dyn Scheme>> {
        (**self).scheme(roster)
    }
}

impl Protocol for EngineKind {
    fn scheme(&self, roster: &Roster) -> Result<Box<dyn Scheme>> {
        Self::scheme(*self, roster)
    }
}

/// A protocol among given parties, as everybody knows it.
pub trait Scheme: Send + Sync {
    /// Name, for people.
    fn name(&self) -> &str;

    /// Components of a value at one compute party; 0 of a kind that this protocol does not share.
    fn components(&self, kind: Kind) -> usize;

    /// Adds the cost of instruction `at` to an empty `price`.
    ///
    /// # Errors
    /// [`Error::Engine`] if this protocol does not know the instruction.
    fn price(&self, circuit: &Circuit, at: usize, price: &mut Price) -> Result<()>;

    /// This compute party's end of a run.
    ///
    /// # Errors
    /// If a seed cannot be had from the link.
    fn engine(&self, demand: &Demand, link: &mut dyn Link) -> Result<Box<dyn Engine>>;

    /// The end of a party that does not compute.
    ///
    /// # Errors
    /// If a seed cannot be had from the link.
    fn client(&self, demand: &Demand, link: &mut dyn Link) -> Result<Box<dyn Client>>;
}

/// One compute party of a run.
pub trait Engine: Send {
    /// This party's components of the public 1: each 0 or 1.
    fn one(&self) -> &[u64];

    /// Takes what came ahead of everything, in the first round.
    ///
    /// # Errors
    /// If it does not fit.
    fn prepare(&mut self, inbox: &Inbox) -> Result<()>;

    /// Whether the components of this product are the frames that travel for it: its results come
    /// without memory then, and `finish` puts the frames there.
    fn moves(&self, op: &Op, shape: Shape, frames: &FrameLengths) -> bool {
        let _ = (op, shape, frames);
        false
    }

    /// Begins a round of a job: writes what it sends.
    ///
    /// # Errors
    /// If the job does not fit the engine.
    fn start(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()>;

    /// Ends a round of a job: reads what came.
    ///
    /// # Errors
    /// If what came does not fit.
    fn finish(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()>;

    /// Settles every deferred check before anything is opened.
    ///
    /// # Errors
    /// [`Error::Abort`] if a check fails.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A party of a run that does not compute.
pub trait Client: Send {
    /// Writes what is sent ahead of everything (a dealer's corrections).
    ///
    /// # Errors
    /// If it does not fit what was priced.
    fn ahead(&mut self, out: &mut Outbox) -> Result<()> {
        let _ = out;
        Ok(())
    }

    /// Shares this party's column.
    ///
    /// # Errors
    /// If the job does not fit.
    fn enter(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()>;

    /// Puts together what was opened to this party.
    ///
    /// # Errors
    /// If what came does not fit.
    fn open(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()>;
}

impl EngineKind {
    /// The protocol of this kind among these parties.
    ///
    /// # Errors
    /// As [`EngineKind::check`].
    pub fn scheme(self, roster: &Roster) -> Result<Box<dyn Scheme>> {
        self.check(roster)?;
        Ok(match self {
            Self::Clear => Box::new(clear::Clear::new(roster)),
            Self::Rep3 => Box::new(rep3::Rep3::new(roster)),
            Self::Additive => Box::new(additive::Additive::new(roster)?),
        })
    }
}

/// The error for an instruction that no engine runs.
fn unknown(at: usize, op: &Op) -> Error {
    let hint =
        if op.is_macro() { "a macro: lower the circuit before it is run" } else { "unknown" };
    Error::Engine(format!("instruction {at} ({op:?}) is {hint}"))
}

/// The error for an addend that a scheme does not have.
fn no_addend(at: usize, index: usize) -> Error {
    Error::Engine(format!(
        "instruction {at} asks for addend {index}: the circuit was lowered for another engine"
    ))
}

/// The column that a job enters.
fn input<'a>(job: &Job<'a>) -> Result<&'a Column> {
    job.input.ok_or_else(|| Error::Input(format!("instruction {} has no input", job.at)))
}

/// Shape of the results of an `Addend`.
fn addend_shape(of: Shape) -> Shape {
    let kind = match of.kind {
        Kind::Num | Kind::Field => Kind::Bit,
        Kind::Bit => Kind::Num,
    };
    Shape { kind, ..of }
}

/// The addend `words` (of shape `of`) in the other world, written over `results`.
fn cross(of: Shape, words: &[u64], results: &mut [&mut [u64]]) {
    match of.kind {
        Kind::Num | Kind::Field => {
            words::to_planes(words, results);
            for plane in results {
                words::clean(addend_shape(of), plane);
            }
        }
        Kind::Bit => words::from_planes(&[words], results[0]),
    }
}

/// The column that `z` and what `from` sent add up to.
fn total(shape: Shape, z: &mut [u64], from: &[usize], inbox: &Inbox) -> Result<Column> {
    for &party in from {
        inbox.add(party, shape, z)?;
    }
    Ok(Column::from_words(shape, z.to_vec()))
}
