//! Questions end to end, without the computation between the sites.

mod answers;
mod choices;
mod disclosure;
mod questions;
mod random;
mod types;
