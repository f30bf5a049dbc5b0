//! Rows among which the smallest few are, found by one comparison each.
//!
//! Of rows in a random order the first ones are a random sample. The row of rank `r` in the sorted
//! sample is the pivot, and the rows below it are kept. With `n` rows, `k` of them wanted and a sample
//! of `m`, fewer than `k` are kept only if `r` of the sample are among the `k` smallest, of which `m k / n`
//! are to be expected; `r` is so large that this is rare. More than `most` are kept only if fewer than
//! `r` of the sample are among the `most` smallest, which is as rare. Floyd and Rivest, "Expected time
//! bounds for selection" (1975), with bounds in place of expectations; the bounds are those of Bernstein
//! and Chernoff, which hold without replacement too (Hoeffding 1963).
//!
//! Square roots and divisions alone are used, which every machine rounds alike.

/// The negative logarithm of how rarely one bound may fail: 2^-40 for two bounds of 12 narrowings.
const RARE: f64 = 31.0;

/// Rows of a sample at least: a smaller one leaves a third of the rows or more.
const SAMPLE: usize = 300;

/// One comparison of all rows with a pivot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Narrowing {
    /// Rows of the sample at most.
    pub(crate) sample: usize,
    /// Rows that are compared at most.
    pub(crate) rows: usize,
    /// Rows that are kept at most.
    pub(crate) most: usize,
}

impl Narrowing {
    /// From `rows` rows, of which `wanted` are wanted; `None` if that does not leave fewer.
    pub(crate) fn new(rows: usize, wanted: usize) -> Option<Self> {
        let sample = ((rows as f64 / 2.0).sqrt() as usize).max(SAMPLE).min(rows);
        let rank = rank(rows, wanted, sample)?;
        // One more, for with fewer rows than `rows` the rank may round to the next.
        let root = f64::midpoint((2.0 * RARE).sqrt(), (2.0 * RARE + 4.0 * rank as f64).sqrt());
        let most = (root * root * rows as f64 / sample as f64).ceil() as usize;
        (most < rows).then_some(Self { sample, rows, most })
    }

    /// Pairs of the sample.
    pub(crate) fn pairs(&self) -> usize {
        self.sample * self.sample.saturating_sub(1) / 2
    }
}

/// The rank of the pivot in a sample, counted from 1; `None` if it would be beyond the sample.
pub(crate) fn rank(rows: usize, wanted: usize, sample: usize) -> Option<usize> {
    if sample == 0 || sample > rows {
        return None;
    }
    let mean = sample as f64 * wanted as f64 / rows as f64;
    let third = RARE / 3.0;
    let rank = (mean + third + (third * third + 2.0 * RARE * mean).sqrt()) as usize + 1;
    (rank <= sample).then_some(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_rows_leave_few_and_few_rows_are_not_narrowed() {
        let once = Narrowing::new(1_000_000, 100).unwrap();
        assert!(once.most < 150_000, "{once:?}");
        assert!(Narrowing::new(10_000, 9_999).is_none());
        assert!(Narrowing::new(100, 1).is_none());
        assert!(Narrowing::new(0, 0).is_none());
    }

    #[test]
    fn fewer_rows_than_foreseen_keep_fewer() {
        for wanted in [1, 10, 1000, 50_000] {
            let Some(Narrowing { sample, rows, most }) = Narrowing::new(1_000_000, wanted) else {
                continue;
            };
            for fewer in [rows, rows / 2, rows / 3, rows / 10] {
                let Some(rank) = rank(fewer, wanted, sample) else { continue };
                let root = f64::midpoint(
                    (2.0 * RARE).sqrt(),
                    (2.0 * RARE + 4.0 * rank as f64 - 4.0).sqrt(),
                );
                assert!(
                    root * root * fewer as f64 / sample as f64 <= most as f64,
                    "{fewer} {wanted}"
                );
            }
        }
    }
}
