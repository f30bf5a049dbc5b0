//! Circuits as data and the engines that run them.
//!
//! A [`Circuit`] is a list of columnar instructions, written with a [`Builder`]. [`clear`] says
//! what it means.

mod builder;
mod circuit;
mod column;
mod error;
mod linear;
mod mask;
mod oracle;
mod roster;
mod words;

pub use builder::{Builder, Circuit};
pub use circuit::{Bit, Handle, Id, Instruction, Kind, Num, Op, Shape};
pub use column::Column;
pub use error::{Error, Result};
pub use oracle::clear;
pub use roster::{EngineKind, Roster};
