//! Carries by parallel prefix.
//!
//! A run of bit positions either *generates* a carry by itself (`g`) or *propagates* one that
//! comes in (`p`). Two neighbouring runs join as
//!
//! ```text
//! g = g_high + p_high g_low        p = p_high p_low
//! ```
//!
//! (`g` and `p` exclude each other, so OR is exclusive or.) Runs are joined in the pattern of
//! Sklansky, "Conditional-sum addition logic" (1960): a run is cut at the largest power of two
//! below its length, so that carries share their lower runs and the depth is `ceil(log2 n)`.
//! Runs are built when they are asked for: whoever needs only the last carry pays for one tree,
//! whoever needs all carries pays for the whole prefix network.

use std::collections::HashMap;

use tacit_mpc::{Bit, Builder};

/// A plane, or `None` for the public constant 0.
pub type Plane = Option<Bit>;

/// `x + y`, where a public zero costs nothing.
pub fn xor(b: &mut Builder, x: Plane, y: Plane) -> Plane {
    match (x, y) {
        (Some(x), Some(y)) => Some(b.xor(x, y)),
        (x, y) => x.or(y),
    }
}

/// `x y`, where a public zero costs nothing.
pub fn and(b: &mut Builder, x: Plane, y: Plane) -> Plane {
    Some(b.and(x?, y?))
}

/// Carries over bit positions.
pub struct Carries {
    leaves: Vec<(Plane, Plane)>,
    generates: HashMap<(usize, usize), Plane>,
    propagates: HashMap<(usize, usize), Plane>,
}

impl Carries {
    /// From `(generate, propagate)` of every position, least significant first.
    pub fn new(leaves: Vec<(Plane, Plane)>) -> Self {
        Self { leaves, generates: HashMap::new(), propagates: HashMap::new() }
    }

    /// The carry into position `n`, that is out of positions `0 .. n`; `ceil(log2 n)` rounds.
    pub fn carry(&mut self, b: &mut Builder, n: usize) -> Plane {
        if n == 0 {
            return None;
        }
        self.generate(b, 0, n)
    }

    fn generate(&mut self, b: &mut Builder, low: usize, high: usize) -> Plane {
        if high - low == 1 {
            return self.leaves[low].0;
        }
        if let Some(&known) = self.generates.get(&(low, high)) {
            return known;
        }
        let middle = cut(low, high);
        let below = self.generate(b, low, middle);
        let above = self.generate(b, middle, high);
        let through = match below {
            Some(_) => self.propagate(b, middle, high),
            None => None,
        };
        let carried = and(b, through, below);
        let out = xor(b, above, carried);
        self.generates.insert((low, high), out);
        out
    }

    fn propagate(&mut self, b: &mut Builder, low: usize, high: usize) -> Plane {
        if high - low == 1 {
            return self.leaves[low].1;
        }
        if let Some(&known) = self.propagates.get(&(low, high)) {
            return known;
        }
        let middle = cut(low, high);
        let below = self.propagate(b, low, middle);
        let above = self.propagate(b, middle, high);
        let out = and(b, above, below);
        self.propagates.insert((low, high), out);
        out
    }
}

/// Where a run of at least two positions is cut.
fn cut(low: usize, high: usize) -> usize {
    low + (high - low).next_power_of_two() / 2
}
