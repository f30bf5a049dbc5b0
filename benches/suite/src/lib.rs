//! Figures that a researcher can trust.
//!
//! A [`Task`] or a circuit from a [`File`] is run on an engine over a link by [`Setting::measure`], which gives a [`Record`]:
//! one JSON document with the security model, what is taken for granted, rounds, bytes, memory,
//! times with their spread, and what the machine does at best, measured in the same run. A record
//! cannot flatter: values are checked against plain Rust and bytes against the bill before one is
//! written, a dealer stands in its name, and inputs and dealing have a phase of their own.
//! [`compare`] sets two records beside each other; [`html`], [`markdown`] and [`csv`] draw a folder
//! of them, each with the figures to reach ([`bars`]).

mod aes;
pub mod apart;
pub mod bars;
mod compare;
mod count;
mod error;
#[cfg(feature = "fhe")]
pub mod fhe;
mod link;
mod machine;
mod measure;
mod play;
pub mod record;
mod report;
mod rows;
mod suite;
mod task;
mod work;

pub use aes::aes_circuit;
pub use apart::Apart;
pub use compare::{Comparison, compare};
pub use error::{Error, Result};
pub use link::LinkKind;
pub use machine::{Plain, References};
pub use measure::Setting;
pub use record::Record;
pub use report::{csv, html, markdown, seconds, summary};
pub use suite::{BUDGET, Budget, distinct, suite};
pub use task::{Inputs, TASKS, Task};
pub use work::{File, Work};
