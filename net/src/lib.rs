//! Links between parties: in memory, simulated, QUIC.

mod error;
mod link;

pub use error::{Error, Result};
pub use link::{Frames, Link, Round, Seed};
