//! A world for tests: keys that are made once and kept in a folder, a whole run with its checks, and
//! random circuits.
//!
//! # Security
//! Whoever holds all shares can decrypt: [`World`] holds them in one place, for tests alone.

mod random;
mod world;

pub use random::{Random, circuit};
pub use world::{World, keys_of, words};
