//! Circuits as data and the engines that run them.

mod builder;
mod circuit;
mod error;

pub use builder::{Builder, Circuit};
pub use circuit::{Bit, Handle, Id, Instruction, Kind, Num, Op, Shape};
pub use error::{Error, Result};
