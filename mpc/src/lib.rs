//! Circuits as data and the engines that run them.
//!
//! A [`Circuit`] is a list of columnar instructions, written with a [`Builder`]. [`clear`] says
//! what it means; everything else is another reading of the same list:
//!
//! | reading | gives |
//! | --- | --- |
//! | [`clear`] | the oracle that every engine equals, bit for bit |
//! | [`schedule()`] | network rounds, and when a column dies |
//! | [`bill()`] | rounds, bytes, triples and peak memory, exactly, before anything runs |
//! | [`run`] | the real thing: one call for every role, on any engine over any link |
//! | [`tile()`] | the same circuit, its row-wise parts a tile of rows at a time |
//! | [`Circuit::digest`], [`Circuit::json`] | what parties compare and sign |
//! | [`Circuit::dot`], [`Circuit::stats`], [`mod@bristol`] | for people and researchers |
//!
//! Protocols are in [`engine`], and one of your own can be anywhere: all of these readings take an
//! [`engine::Protocol`]. The test world for operators and engines is in [`testing`].
//!
//! ```
//! use tacit_mpc::{Builder, Column, EngineKind, Num, bill, testing};
//!
//! // Three sites hold a number each; the analyst learns the product of their sum with itself.
//! let session = testing::session(EngineKind::Rep3, 3, 3);
//! let mut b = Builder::new();
//! let numbers: Vec<Num> = (0..3).map(|site| b.enter(site, 1)).collect();
//! let sum = b.concat(&numbers);
//! let sum = b.sum(sum);
//! let square = b.mul(sum, sum);
//! b.reveal(square, session.analyst, "square");
//! let circuit = b.finish();
//!
//! let bill = bill(&circuit, EngineKind::Rep3, &session.roster)?;
//! assert_eq!((bill.rounds, bill.parties[0].sent), (3, 24));
//!
//! let inputs = (0..3).map(|site| (site, vec![Column::Num(vec![site as u64 + 1])])).collect();
//! let opened = testing::assert_laws(&circuit, EngineKind::Rep3, &session.roster, &inputs, 7);
//! assert_eq!(opened[0].2.to_numbers(), [36]);
//! # Ok::<(), tacit_mpc::Error>(())
//! ```

// A loop takes the instructions of where it is inlined: see `wide`.
#![allow(clippy::inline_always)]

mod bill;
mod block;
pub mod bristol;
mod builder;
mod circuit;
mod column;
pub mod engine;
mod error;
mod execute;
pub mod field;
mod linear;
mod machine;
mod mask;
mod narrow;
mod oracle;
mod order;
mod pool;
pub mod rank;
mod reading;
mod roster;
mod schedule;
mod share;
mod sort;
pub mod testing;
mod transpose;
mod wide;
pub mod words;

pub use bill::{Bill, PartyCost, bill};
pub use block::{Block, Part, stream, tile};
pub use builder::{Builder, Circuit, Permutation};
pub use circuit::{Bit, Field, Handle, Id, Instruction, Kind, Num, Op, Shape};
pub use column::Column;
pub use error::{Error, Result};
pub use execute::{Step, run, run_measured};
pub use oracle::clear;
pub use reading::Stats;
pub use roster::{EngineKind, Roster};
pub use schedule::{Layer, Schedule, Task, schedule};
pub use sort::Sort;
