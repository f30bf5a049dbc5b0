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
//! # Families
//!
//! | what | of bit planes | of numbers |
//! | --- | --- | --- |
//! | arithmetic | [`add`], [`subtract`], [`multiply`], [`sum_of`], [`carry_save`] | `Builder` |
//! | comparison | [`less`], [`equal`], [`less_public`], [`equal_public`], [`in_range_public`] | [`numbers::less`], [`numbers::equal`] |
//! | extremes and bounds | [`min`], [`argmin_of`], [`argmin_rows`], [`clamp`], [`clamp_public`] | [`numbers::min`] |
//! | choice | [`select`], [`suppress`] | [`numbers::select`], [`numbers::suppress`] |
//! | categories and tables | [`one_hot`], [`look_up`] | [`look_up_number`] |
//! | shifts and division | [`shift_right`], [`divide_public`], [`divide`] | [`numbers::shift_right`], [`numbers::divide_public`] |
//! | conversion | [`to_num`], [`to_num_by_planes`], [`to_num_by_sum`] | [`to_bits`], [`is_zero`] |
//! | within segments | [`segment_starts`], [`segmented_max`], [`segmented_first`] | [`segmented_sum`], [`segmented_count`] |
//! | order | [`sort`](sort()), [`shuffle`](shuffle()), [`top_k`], [`bottom_k`] | the same |
//! | secret permutations | [`random_order`], [`invert`], [`compose`], [`apply`], [`apply_inverse`] | the same |
//! | rows that count | [`compact`](compact()) | the same |
//! | by group | [`count_rows`] | [`group_sum`] (public), [`sum_by_key`], [`count_by_key`], [`aggregate_by_key`] (secret) |
//!
//! What some of them cost on `rep3`, in rounds and in bytes that a party sends per row on average:
//!
//! | operator | rounds | bytes |
//! | --- | --- | --- |
//! | [`numbers::is_negative`], 64 bits | 7 | 17.7 |
//! | [`numbers::is_zero`], 64 bits | 7 | 10.5 |
//! | [`less`], 20 bits | 5 | 4.4 |
//! | [`numbers::divide_public`], 31 bits | 7 | 31 |
//! | [`numbers::select`] | 3 | 18.7 |
//! | [`to_num_by_sum`], 32 bits | 8 | 30.9 |
//! | [`compact`](compact()), one column of numbers | 7 | 58.9 |
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
