//! Numbers as sums of multiples of what is encrypted.

use std::collections::BTreeMap;

/// Index of an atom: something encrypted, not negative, below a public bound.
pub(crate) type Atom = u32;

/// The integer `constant + sum of coefficient * atom`; the number it stands for is that modulo 2^64.
///
/// Every coefficient and the constant are below 2^64 in absolute value, and no coefficient is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) terms: BTreeMap<Atom, i128>,
    pub(crate) constant: i128,
}

/// What is below it in absolute value is kept; beyond it a factor is taken modulo 2^64.
const BOUND: i128 = 1 << 64;

/// The representative of `x` modulo 2^64 that is nearest to 0, unless `x` is small already.
fn small(x: i128) -> i128 {
    if -BOUND < x && x < BOUND { x } else { i128::from(x as u64 as i64) }
}

impl Form {
    pub(crate) fn constant(value: i128) -> Self {
        Self { terms: BTreeMap::new(), constant: small(value) }
    }

    pub(crate) fn atom(atom: Atom) -> Self {
        Self { terms: BTreeMap::from([(atom, 1)]), constant: 0 }
    }

    /// `self + factor * other`.
    pub(crate) fn plus(&self, factor: i128, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.constant = small(sum.constant + small(factor.wrapping_mul(other.constant)));
        for (&atom, &c) in &other.terms {
            let old = sum.terms.remove(&atom).unwrap_or(0);
            // Both factors are below 2^64, so the product may wrap in i128, which is right modulo 2^64.
            let new = small(old + small(factor.wrapping_mul(c)));
            if new != 0 {
                sum.terms.insert(atom, new);
            }
        }
        sum
    }

    /// The part with coefficients of one sign, all of them positive in what is returned.
    pub(crate) fn half(&self, positive: bool) -> Self {
        let of = |(&atom, &c): (&Atom, &i128)| ((c > 0) == positive).then_some((atom, c.abs()));
        Self { terms: self.terms.iter().filter_map(of).collect(), constant: 0 }
    }

    /// Least and largest integer that it can be; `bound` is the largest value of an atom.
    pub(crate) fn range(&self, bound: impl Fn(Atom) -> u64) -> (i128, i128) {
        // A saturated end is far outside of everything that is compared with it.
        let add = |(least, most): (i128, i128), (&atom, &c): (&Atom, &i128)| {
            let end = c.saturating_mul(i128::from(bound(atom)));
            (least.saturating_add(end.min(0)), most.saturating_add(end.max(0)))
        };
        self.terms.iter().fold((self.constant, self.constant), add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_cancel_are_gone() {
        let x = Form::atom(3).plus(2, &Form::atom(4)).plus(5, &Form::constant(7));
        assert_eq!(x.plus(-1, &x), Form::default());
        assert_eq!(x.range(|_| 10), (35, 65));
        assert_eq!(Form::default().plus(-1, &x).range(|_| 10), (-65, -35));
        assert_eq!((x.half(true).terms.len(), x.half(false).terms.len()), (2, 0));
    }

    #[test]
    fn factors_are_right_modulo_the_ring() {
        let big = i128::from(u64::MAX);
        let x = Form::constant(big).plus(big, &Form::constant(big));
        // -1 + 1
        assert_eq!(x.constant as u64, 0);
        let y = Form::constant(0).plus(big, &Form::atom(0).plus(big, &Form::atom(1)));
        assert_eq!(y.terms[&1] as u64, 1);
    }
}
