//! Circuits as data and the engines that run them.
//!
//! A [`Circuit`] is a list of columnar instructions, written with a [`Builder`]. [`clear`] says
//! what it means.

mod bill;
mod builder;
mod circuit;
mod column;
pub mod engine;
mod error;
mod execute;
mod linear;
mod machine;
mod mask;
mod oracle;
mod pool;
mod roster;
mod schedule;
pub mod testing;
mod words;

pub use bill::{Bill, PartyCost, bill};
pub use builder::{Builder, Circuit};
pub use circuit::{Bit, Handle, Id, Instruction, Kind, Num, Op, Shape};
pub use column::Column;
pub use error::{Error, Result};
pub use execute::{Step, run};
pub use oracle::clear;
pub use roster::{EngineKind, Roster};
pub use schedule::{Layer, Schedule, Task, schedule};
