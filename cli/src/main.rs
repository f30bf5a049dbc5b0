//! Tacit cli.
fn main() {}
