//! A circuit read for homomorphic evaluation: macros kept whole, row by row.
//!
//! An engine of multi-party computation wants long columns and few rounds. Here a round costs nothing and
//! every operation on an encrypted cell costs tens of milliseconds, so a [`Program`] looks at each
//! row on its own and asks what has to be computed at all:
//!
//! - a number is a [`Form`], a sum of multiples of *atoms* (what is encrypted) with a public range, so that
//!   widths follow from the data, and `x + y - x` costs nothing;
//! - bit planes of a number stay planes *of that number* until something needs them as bits: `Less`
//!   of two lists of planes is one comparison of two numbers, the top plane of `x - c` is `x < c`,
//!   and planes that are all masked by one bit are one number times that bit;
//! - what is equal is computed once, what is public is not computed, and what nobody reveals is gone.
//!
//! A program is a public function of circuit and widths, so all parties arrive at the same one, and
//! it can be counted before anything is encrypted.

mod bits;
mod build;
mod form;
mod layout;
mod numbers;
mod plan;
#[cfg(test)]
mod queries;
mod reveal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub(crate) use bits::{Gate, Ref};
pub(crate) use form::{Atom, Form};
pub(crate) use layout::{Digit, Fifth, Group, Layout};
pub(crate) use plan::{Task, Work};
pub(crate) use reveal::Item;
use tacit_mpc::{Circuit, Column};

use crate::{Field, Result};

/// Index of a form.
pub(crate) type FormId = u32;

/// What an atom is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A row that a party entered.
    Input {
        party: usize,
        /// Among all rows of the party.
        index: usize,
    },
    /// A bit as 0 or 1.
    Bit(Ref),
    /// Product of two numbers that are not negative, modulo `4^blocks`.
    Product(FormId, FormId),
    /// One or the other number; neither is negative.
    Choose(Ref, FormId, FormId),
    /// A number modulo `2^width`.
    Reduced(FormId, u32),
}

/// An atom, with the bound that its width follows from.
#[derive(Clone, Debug)]
pub(crate) struct AtomInfo {
    pub(crate) kind: Kind,
    /// The largest value that it can have.
    pub(crate) most: u64,
}

impl AtomInfo {
    pub(crate) fn blocks(&self) -> usize {
        blocks(i128::from(self.most))
    }
}

/// Blocks that hold `0 ..= most`, at least one.
pub(crate) fn blocks(most: i128) -> usize {
    (128 - most.max(1).leading_zeros()).div_ceil(crate::BLOCK_BITS) as usize
}

/// A circuit made ready for evaluation.
#[derive(Debug, Default)]
pub struct Program {
    pub(crate) atoms: Vec<AtomInfo>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) forms: Vec<Form>,
    atom_ids: HashMap<Kind, Atom>,
    gate_ids: HashMap<Gate, u32>,
    form_ids: HashMap<Form, FormId>,
    pub(crate) fields: Vec<Vec<Field>>,
    pub(crate) outputs: reveal::Outputs,
    pub(crate) tasks: Vec<Task>,
    pub(crate) circuit: [u8; 32],
}

impl Program {
    /// Reads a circuit whose inputs have these fields (see [`crate::fields`]).
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] names the first instruction that there is no evaluation of;
    /// [`crate::Error::Input`] if more than one party receives something, if the fields are not the
    /// circuit's, or if there are more than a million nodes.
    pub fn new(circuit: &Circuit, fields: &[Vec<Field>]) -> Result<Self> {
        build::program(circuit, fields)
    }

    /// Digest of the circuit.
    pub fn circuit(&self) -> [u8; 32] {
        self.circuit
    }

    /// Session index of the one party that receives.
    pub fn receiver(&self) -> usize {
        self.outputs.to
    }

    /// What each party enters, by slot.
    pub fn fields(&self) -> &[Vec<Field>] {
        &self.fields
    }

    /// Ciphertexts that are squashed and decrypted; each holds up to five bits.
    pub fn released(&self) -> usize {
        self.outputs.layout().len()
    }

    /// The opened columns, from what was decrypted (five bits a ciphertext): receiver, name
    /// and column in the circuit's order, as the clear interpreter gives them.
    ///
    /// # Errors
    /// [`crate::Error::Input`] if there are not [`Program::released`] values of five bits.
    pub fn decode(&self, values: &[u8]) -> Result<Vec<(usize, String, Column)>> {
        self.outputs.decode(values)
    }
}
