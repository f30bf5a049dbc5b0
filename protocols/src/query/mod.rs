//! A query plan as a circuit.
//!
//! # What is computed
//!
//! Every data holder enters every input of the plan, and their sum is the pooled value; adding,
//! subtracting and public bounds are free on the arithmetic side. A test asks whether a
//! difference of counts `v` lies in `least .. below`. With `v >= 0` that needs two sign bits,
//!
//! ```text
//! fails = lt(v, below) + lt(v, least)          lt(v, c) = top bit of v - c
//! ```
//!
//! and joining them is an exclusive or, because `v < least` implies `v < below`. The columns of all
//! comparisons of all rules, and of the zero test of every number, lie one below the other, so that
//! **one** carry chain decides everything. A number is shown where none of its tests fails: a tree
//! of ANDs. One more AND masks its zero bit and its value.
//!
//! # What is opened
//!
//! Three columns, to the analyst alone, in the last round: `hidden`, `zero` and `values`; the last
//! two are zero wherever `hidden` is one. Which rule fired is not told.
//!
//! # Rounds
//!
//! They are the same for every plan with counts of up to 32 bits and up to 16 rules on a
//! number: [`CHAIN`] for the comparison and [`TREE`] for the rules, whatever the plan would get
//! by with, so that they depend neither on groups nor on aggregates nor on rows. On `rep3` that is
//! 14: enter 1, addends 1, chain 6, rules 4, mask 1, open 1. On `additive` it is 12 with two or
//! three compute parties and 14 with five. What sets the pace is a comparison of full width on a
//! single row and a chain of ANDs behind it: a few dozen bits in all.

mod build;
mod layout;
mod open;
mod rounding;

pub use build::{Parties, circuit};
pub use open::{decode, inputs};

/// Bits of a comparison of counts of 32 bits, with its sign.
const CHAIN_WIDTH: usize = 33;

/// Rounds of its carry chain: `1 + log2 32`.
const CHAIN: usize = 6;

/// Rounds of the tree over 16 rules.
const TREE: usize = 4;

/// Name of the opening that says which numbers are hidden: a row for every number and cell.
const HIDDEN: &str = "hidden";
/// Name of the opening that says which shown numbers have no contribution.
const ZERO: &str = "zero";
/// Name of the opening with the bits of the shown values: for each number, for each bit, each cell.
const VALUES: &str = "values";
