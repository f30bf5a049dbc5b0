//! Carries by parallel prefix.
//!
//! A run of bit positions either passes on the carry that comes in (`through`), or it does not and
//! then sends out a carry of its own (`own`), which means nothing where the run passes on. For one
//! position of a sum, `through = x + y` and `own = x`: where the bits are equal, either of them is
//! the carry. Two neighbouring runs join as
//!
//! ```text
//! own = own_high + through_high (own_high + own_low)        through = through_high through_low
//! ```
//!
//! which is a choice by `through_high`. The usual pair of *generate* and *propagate* would cost an
//! AND per position (`x y`) and a round before the first join; here only the lowest position does,
//! to which zero comes in.
//!
//! Runs are joined in the pattern of Sklansky, "Conditional-sum addition logic" (1960): a run is
//! cut at the largest power of two below its length, so that carries share their lower runs and the
//! depth is `ceil(log2 n)`. Runs are built when they are asked for: whoever needs only the last
//! carry pays for one tree, whoever needs all carries pays for the whole prefix network.

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

/// A run of positions.
#[derive(Clone, Copy)]
pub struct Run {
    /// The carry that it sends out where it does not pass on what comes in.
    pub own: Plane,
    /// Whether it passes on what comes in.
    pub through: Plane,
    /// Whether `own` is known to be 0 where `through` is 1.
    pub exact: bool,
}

impl Run {
    /// One position of the sum of two planes.
    pub fn of_sum(b: &mut Builder, x: Plane, y: Plane) -> Self {
        let both = x.is_some() && y.is_some();
        Self { own: if both { x } else { None }, through: xor(b, x, y), exact: !both }
    }
}

/// Carries over bit positions, zero coming into the lowest.
pub struct Carries {
    runs: Vec<Run>,
    /// 1 if a run that sends out zero was put before all positions, else 0.
    before: usize,
    owns: HashMap<(usize, usize), (Plane, bool)>,
    throughs: HashMap<(usize, usize), Plane>,
}

impl Carries {
    /// From the runs of single positions or of more, least significant first.
    pub fn new(mut runs: Vec<Run>) -> Self {
        let before = usize::from(runs.first().is_some_and(|lowest| !lowest.exact));
        if before > 0 {
            runs.insert(0, Run { own: None, through: None, exact: true });
        }
        Self { runs, before, owns: HashMap::new(), throughs: HashMap::new() }
    }

    /// The carry out of the lowest `n` runs; `ceil(log2(n + 1))` rounds, `ceil(log2 n)` if the
    /// lowest is exact.
    pub fn carry(&mut self, b: &mut Builder, n: usize) -> Plane {
        if n == 0 {
            return None;
        }
        self.own(b, 0, n + self.before).0
    }

    fn own(&mut self, b: &mut Builder, low: usize, high: usize) -> (Plane, bool) {
        if high - low == 1 {
            return (self.runs[low].own, self.runs[low].exact);
        }
        if let Some(&known) = self.owns.get(&(low, high)) {
            return known;
        }
        let middle = cut(low, high);
        let (below, below_exact) = self.own(b, low, middle);
        let (above, above_exact) = self.own(b, middle, high);
        let change = if above_exact { below } else { xor(b, above, below) };
        let through = match change {
            Some(_) => self.through(b, middle, high),
            None => None,
        };
        let changed = and(b, through, change);
        // Where both pass on, the joined run sends out what the lower one does.
        let out = (xor(b, above, changed), below_exact || below.is_none());
        self.owns.insert((low, high), out);
        out
    }

    fn through(&mut self, b: &mut Builder, low: usize, high: usize) -> Plane {
        if high - low == 1 {
            return self.runs[low].through;
        }
        if let Some(&known) = self.throughs.get(&(low, high)) {
            return known;
        }
        let middle = cut(low, high);
        let below = self.through(b, low, middle);
        let above = self.through(b, middle, high);
        let out = and(b, above, below);
        self.throughs.insert((low, high), out);
        out
    }
}

/// Where a run of at least two positions is cut.
fn cut(low: usize, high: usize) -> usize {
    low + (high - low).next_power_of_two() / 2
}
