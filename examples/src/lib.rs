//! Examples, one per audience:
//!
//! - `operator`: an operator in ten lines, checked on every engine (library authors);
//! - `benchmark`: what a protocol costs, offline and online apart, on a simulated network
//!   (researchers);
//! - `embedded`: a joint count among three programs over QUIC, from library code (pipelines).
//!
//! Run one with `cargo run --release -p tacit-examples --example NAME`.
