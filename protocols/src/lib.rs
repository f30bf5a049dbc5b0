//! Oblivious operators as circuit builders, lowering, and the circuit of a query plan.
//!
//! # Operators
//!
//! An operator is a plain function over a [`Builder`](tacit_mpc::Builder). It takes and returns
//! handles of columns; every row of a column is one independent instance. Rounds and ANDs are
//! stated per row at each function and asserted by its tests. An operator in ten lines, the larger
//! of two numbers that nobody knows:
//!
//! ```
//! use tacit_mpc::{Bit, Builder};
//! use tacit_protocols::{less, select};
//!
//! /// `max(x, y)`, unsigned. `1 + ceil(log2(w + 1))` rounds.
//! fn largest(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
//!     let smaller = less(b, x, y);
//!     select(b, smaller, y, x)
//! }
//!
//! let mut b = Builder::new();
//! let x: Vec<Bit> = (0..8).map(|_| b.enter(0, 1000)).collect();
//! let y: Vec<Bit> = (0..8).map(|_| b.enter(1, 1000)).collect();
//! for plane in largest(&mut b, &x, &y) {
//!     b.reveal(plane, 2, "largest");
//! }
//! let circuit = tacit_protocols::lower(&b.finish(), 2);
//! assert!(circuit.instructions().iter().all(|i| !i.op.is_macro()));
//! ```
//!
//! # Lowering
//!
//! [`lower`] rewrites macro instructions (`ToBits`, `ToNum`, `IsZero`, `Less`,
//! `Equal`, `Select`) with the
//! same functions, for an engine that writes a number as so many addends, and leaves out what
//! nobody uses.
//!
//! # Queries
//!
//! [`circuit`] turns a [`Plan`](tacit_plan::Plan) into a circuit in which every rule of disclosure
//! is decided, [`inputs`] checks and orders what a data holder enters, and [`decode`] reads what
//! the analyst was shown.

mod error;
mod lower;
mod operators;
mod query;
mod tidy;

pub use error::{Error, Result};
pub use lower::lower;
pub use operators::*;
pub use query::{Parties, circuit, decode, inputs};
pub use tidy::tidy;
