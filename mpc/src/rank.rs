//! Ranking rows by opened comparisons, with a schedule that is fixed beforehand.
//!
//! The rows are in a uniformly random order that nobody knows, and their keys are distinct. Then
//! which of two rows is the smaller tells nothing about the data, and comparisons can be opened and
//! steer which rows are compared next (Hamada, Kikuchi, Ikarashi, Chida, Takahashi, "Practically
//! efficient multi-party sorting protocols from comparison sort algorithms", ICISC 2012). What is
//! opened in all is the order of rows in random places.
//!
//! Every [`Level`] has a fixed number of pairs, so that the cost of a sort is known exactly. The
//! rows are split in phases. In each, every bucket of rows that may be anywhere among each other
//! takes its first rows as a sample: `2^t - 1` of them, which are compared all with all at once.
//! Then all other rows search their place in the sorted sample, `t` levels of one comparison per
//! row. In the last level all pairs of every bucket that is left are compared. Pairs beyond those
//! that are needed are pairs of a row with itself.
//!
//! Where the smallest few rows are wanted alone, all rows are first compared with one pivot from a
//! sorted sample, several times over: see `narrow.rs`. How many rows are below a pivot is opened too,
//! and is as random as the order.
//!
//! The samples of a phase are bounded by what its buckets hold, so that their pairs always suffice;
//! how many pairs the last level needs depends on the random order. It has room for more than
//! their mean by what a bucket adds that is so large as to occur once in 2^40 runs; beyond that,
//! [`Ranking::learn`] fails and the run must be repeated. Nothing is told by that.

use crate::{
    Column, Error, Result,
    narrow::{self, Narrowing},
};

/// Comparisons that are opened at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The samples of all buckets, so many pairs.
    Sample(usize),
    /// So many rows at most, each with one pivot.
    Against(usize),
    /// One comparison for each of so many rows at most, with a row of its sample.
    Search(usize),
    /// All pairs of what is left, so many pairs.
    Last(usize),
}

/// A split of every bucket.
#[derive(Clone, Copy, Debug)]
struct Phase {
    /// A sample has at most `2^depth - 1` rows.
    depth: u32,
    /// Pairs of all samples together.
    pairs: usize,
}

/// The schedule for so many rows.
#[derive(Clone, Debug)]
pub struct Contest {
    rows: usize,
    /// Rows that are wanted, the smallest.
    wanted: usize,
    narrowings: Vec<Narrowing>,
    /// Rows that are left after them at most.
    left: usize,
    phases: Vec<Phase>,
    last: usize,
}

/// The most phases.
const PHASES: usize = 12;

/// The negative logarithm of how rarely a run may fail: 2^-40.
const RARE: f64 = 27.8;

impl Contest {
    /// The schedule for `rows` rows.
    pub fn new(rows: usize) -> Self {
        let all = rows.saturating_mul(rows.saturating_sub(1)) / 2;
        let n = rows as f64;
        let empty = Self {
            rows,
            wanted: rows,
            narrowings: Vec::new(),
            left: rows,
            phases: Vec::new(),
            last: all,
        };
        let mut best = empty.clone();
        let mut fewest = all;
        let mut phases = Vec::new();
        // Rows of a bucket on average; pairs that are left on average, and in a bucket so large
        // that it is one in 2^40.
        let (mut mean, mut left, mut rare) = (n, n * n, 0.0_f64);
        while phases.len() < PHASES {
            let depth = ((mean.max(1.0).log2() / 2.0).round() as u32).max(2);
            let sample = f64::from(2_u32.pow(depth) - 1);
            // Whole samples for buckets of the mean size and above, and some room.
            let pairs = (n / mean * sample * (sample - 1.0) / 2.0).min(n).ceil() as usize;
            phases.push(Phase { depth, pairs });
            mean = (mean / (sample + 1.0)).max(2.0);
            // Two rows of a bucket fall into the same part of it.
            let together = 2.0 / (sample + 2.0);
            left = if phases.len() == 1 { n * mean } else { left * together };
            let largest = mean * (RARE + (n / mean).ln().max(0.0));
            rare = (rare * together).max(largest * largest / 2.0);
            let last = ((1.25 * left + rare + n / 8.0).ceil() as usize).min(all);
            let contest = Self { phases: phases.clone(), last, ..empty.clone() };
            let pairs = contest.pairs();
            if pairs < fewest {
                (best, fewest) = (contest, pairs);
            }
        }
        best
    }

    /// The schedule for the `wanted` smallest of `rows` rows: first as many comparisons of all rows
    /// with one pivot as are of use, then those of what is left. A level counts as much as
    /// comparisons of a 64th of the rows.
    pub fn first(rows: usize, wanted: usize) -> Self {
        let wanted = wanted.min(rows);
        let cost = |contest: &Self| contest.pairs() + contest.levels().count() * (rows / 64);
        let mut best = Self { wanted, ..Self::new(rows) };
        let mut narrowings: Vec<Narrowing> = Vec::new();
        let mut left = rows;
        while narrowings.len() < PHASES
            && let Some(narrowing) = Narrowing::new(left, wanted)
        {
            narrowings.push(narrowing);
            left = narrowing.most;
            let all = left.saturating_mul(left - 1) / 2;
            let sorted = Self::new(left);
            let at_once = Self { phases: Vec::new(), last: all, ..sorted.clone() };
            for rest in [sorted, at_once] {
                let contest = Self { rows, wanted, narrowings: narrowings.clone(), ..rest };
                if cost(&contest) < cost(&best) {
                    best = contest;
                }
            }
        }
        best
    }

    /// The levels, one after the other.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let narrowing = |narrowing: &Narrowing| {
            [Level::Sample(narrowing.pairs()), Level::Against(narrowing.rows)]
        };
        let left = self.left;
        let phase = move |phase: &Phase| {
            let searches = std::iter::repeat_n(Level::Search(left), phase.depth as usize);
            std::iter::once(Level::Sample(phase.pairs)).chain(searches)
        };
        let last = (self.last > 0).then_some(Level::Last(self.last));
        let narrowings = self.narrowings.iter().flat_map(narrowing);
        narrowings.chain(self.phases.iter().flat_map(phase)).chain(last)
    }

    /// Pairs of all levels.
    pub fn pairs(&self) -> usize {
        self.levels().map(Level::pairs).sum()
    }
}

impl Level {
    /// Pairs that are compared.
    pub fn pairs(self) -> usize {
        match self {
            Self::Sample(pairs)
            | Self::Last(pairs)
            | Self::Against(pairs)
            | Self::Search(pairs) => pairs,
        }
    }
}

/// Rows that may be anywhere among each other.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    start: usize,
    rows: usize,
    /// Its sample has `2^depth - 1` rows.
    depth: u32,
}

impl Bucket {
    fn sample(self) -> usize {
        (1 << self.depth) - 1
    }
}

/// What is known of the order while it is found.
pub struct Ranking {
    levels: Vec<Level>,
    narrowings: Vec<Narrowing>,
    wanted: usize,
    /// The row that all are compared with, while rows are narrowed.
    pivot: Option<u32>,
    depths: Vec<(u32, usize)>,
    level: usize,
    /// The rows that search, in ascending order; `None` if that is all of them.
    searching: Option<Vec<u32>>,
    /// Rows, bucket after bucket.
    order: Vec<u32>,
    buckets: Vec<Bucket>,
    /// Per row: its bucket, and the first place in the sample that it may take.
    bucket: Vec<u32>,
    place: Vec<u32>,
    /// Search levels that are left in this phase, and those it has.
    searches: (u32, u32),
}

impl Ranking {
    /// Nothing is known yet.
    pub fn new(contest: &Contest) -> Self {
        let rows = contest.rows;
        let mut ranking = Self {
            narrowings: contest.narrowings.iter().rev().copied().collect(),
            wanted: contest.wanted,
            pivot: None,
            searching: None,
            levels: contest.levels().collect(),
            depths: contest.phases.iter().map(|phase| (phase.depth, phase.pairs)).collect(),
            level: 0,
            order: (0..rows as u32).collect(),
            buckets: vec![Bucket { start: 0, rows, depth: 0 }],
            bucket: vec![0; rows],
            place: vec![0; rows],
            searches: (0, 0),
        };
        ranking.depths.reverse();
        if ranking.narrowings.is_empty() {
            ranking.sample();
        }
        ranking
    }

    /// Whether the level at hand narrows rows.
    fn narrows(&self) -> Option<Narrowing> {
        self.narrowings.last().copied()
    }

    /// Keeps the rows below the pivot.
    fn keep(&mut self, less: &Column) -> Result<()> {
        let Some(Narrowing { most, .. }) = self.narrowings.pop() else { return Ok(()) };
        let words = less.words();
        if self.pivot.is_some() {
            let mut at = 0;
            self.order.retain(|_| {
                at += 1;
                crate::words::bit(words, at - 1) == 1
            });
        }
        if self.order.len() > most || self.order.len() < self.wanted {
            return Err(Error::Unlucky);
        }
        // Those of the sample are sorted: back to their places, which are random.
        self.order.sort_unstable();
        self.buckets = vec![Bucket { start: 0, rows: self.order.len(), depth: 0 }];
        if self.narrowings.is_empty() {
            self.searching = Some(self.order.clone());
            self.sample();
        }
        Ok(())
    }

    /// Chooses the samples of the next phase.
    fn sample(&mut self) {
        let rows = self.order.len();
        let Some((depth, pairs)) = self.depths.pop() else { return };
        for bucket in &mut self.buckets {
            let fits = |depth: &u32| {
                let sample = (1_usize << depth) - 1;
                // Such shares of the pairs add up to no more than all of them.
                let due = sample as u128 * (sample.max(1) as u128 - 1) / 2 * rows as u128;
                sample <= bucket.rows && due <= pairs as u128 * bucket.rows as u128
            };
            bucket.depth = (1..=depth).rev().find(fits).unwrap_or(0);
        }
        self.place.fill(0);
        self.searches = (depth, depth);
    }

    /// The pairs of this level: row `left[i]` is compared with row `right[i]`. If `left` is `None`,
    /// it is row `i`.
    ///
    /// # Errors
    /// [`Error::Unlucky`] if the random order asks for more pairs than the level has.
    pub fn pairs(&self) -> Result<(Option<Vec<u32>>, Vec<u32>)> {
        match self.levels.get(self.level) {
            Some(&Level::Search(pairs)) => {
                let left = self.searches.0;
                let rival = |row: u32| {
                    let bucket = self.buckets[self.bucket[row as usize] as usize];
                    self.rival(row, bucket, left).unwrap_or(row)
                };
                let Some(searching) = &self.searching else {
                    return Ok((None, (0..self.order.len() as u32).map(rival).collect()));
                };
                let mut right: Vec<u32> = searching.iter().copied().map(rival).collect();
                let mut left = searching.clone();
                left.resize(pairs, 0);
                right.resize(pairs, 0);
                Ok((Some(left), right))
            }
            Some(&Level::Against(pairs)) => {
                let mut left = self.order.clone();
                left.resize(pairs, 0);
                Ok((Some(left), vec![self.pivot.unwrap_or(0); pairs]))
            }
            Some(&Level::Sample(pairs)) if let Some(narrowing) = self.narrows() => {
                self.all_pairs(pairs, |bucket| narrowing.sample.min(bucket.rows))
            }
            Some(&Level::Sample(pairs)) => self.all_pairs(pairs, Bucket::sample),
            Some(&Level::Last(pairs)) => self.all_pairs(pairs, |bucket| bucket.rows),
            None => Ok((None, Vec::new())),
        }
    }

    /// Whom a row is compared with when so many search levels are left.
    fn rival(&self, row: u32, bucket: Bucket, left: u32) -> Option<u32> {
        let place = self.place[row as usize];
        if left > bucket.depth || place == u32::MAX {
            return None;
        }
        let middle = place as usize + (1 << (left - 1)) - 1;
        self.order.get(bucket.start + middle).copied()
    }

    fn all_pairs(
        &self,
        budget: usize,
        first: impl Fn(Bucket) -> usize,
    ) -> Result<(Option<Vec<u32>>, Vec<u32>)> {
        let (mut left, mut right) = (Vec::with_capacity(budget), Vec::with_capacity(budget));
        for &bucket in &self.buckets {
            let rows = &self.order[bucket.start..bucket.start + first(bucket)];
            if left.len() + rows.len() * rows.len().saturating_sub(1) / 2 > budget {
                return Err(Error::Unlucky);
            }
            for (i, &x) in rows.iter().enumerate() {
                left.extend(std::iter::repeat_n(x, rows.len() - i - 1));
                right.extend_from_slice(&rows[i + 1..]);
            }
        }
        left.resize(budget, 0);
        right.resize(budget, 0);
        Ok((Some(left), right))
    }

    /// Takes in whether the left row is the smaller of each pair.
    ///
    /// # Errors
    /// [`Error::Contradiction`] if there is no order that fits.
    pub fn learn(&mut self, less: &Column) -> Result<()> {
        let Some(&level) = self.levels.get(self.level) else { return Ok(()) };
        self.level += 1;
        match level {
            Level::Sample(_) if let Some(narrowing) = self.narrows() => {
                let sample = narrowing.sample.min(self.order.len());
                self.rank(less, |_| sample)?;
                let rank = narrow::rank(self.order.len(), self.wanted, sample);
                self.pivot = rank.map(|rank| self.order[rank - 1]);
            }
            Level::Against(_) => self.keep(less)?,
            Level::Sample(_) => {
                self.rank(less, Bucket::sample)?;
                // The rows of a sample have their place.
                for bucket in &self.buckets {
                    for &row in &self.order[bucket.start..bucket.start + bucket.sample()] {
                        self.place[row as usize] = u32::MAX;
                    }
                }
            }
            Level::Search(_) => self.search(less),
            Level::Last(_) => self.rank(less, |bucket| bucket.rows)?,
        }
        Ok(())
    }

    /// Sorts the first rows of every bucket, of which all pairs were compared.
    fn rank(&mut self, less: &Column, first: impl Fn(Bucket) -> usize) -> Result<()> {
        let words = less.words();
        let (mut at, mut wins, mut sorted) = (0, Vec::new(), Vec::new());
        for &bucket in &self.buckets {
            let rows = &mut self.order[bucket.start..bucket.start + first(bucket)];
            wins.clear();
            wins.resize(rows.len(), 0_usize);
            for i in 0..rows.len() {
                for j in i + 1..rows.len() {
                    let smaller = crate::words::bit(words, at) == 1;
                    wins[if smaller { j } else { i }] += 1;
                    at += 1;
                }
            }
            sorted.clear();
            sorted.resize(rows.len(), u32::MAX);
            for (&row, &place) in rows.iter().zip(&wins) {
                if std::mem::replace(&mut sorted[place], row) != u32::MAX {
                    return Err(Error::Contradiction);
                }
            }
            rows.copy_from_slice(&sorted);
        }
        Ok(())
    }

    fn search(&mut self, less: &Column) {
        let (left, depth) = self.searches;
        let words = less.words();
        for at in 0..self.order.len() {
            let row = self.searching.as_ref().map_or(at, |rows| rows[at] as usize);
            let place = self.place[row];
            let searches =
                place != u32::MAX && left <= self.buckets[self.bucket[row] as usize].depth;
            if searches && crate::words::bit(words, at) == 0 {
                self.place[row] = place + (1 << (left - 1));
            }
        }
        self.searches = (left - 1, depth);
        if left == 1 {
            self.split();
            self.sample();
        }
    }

    /// Makes a bucket of every gap in the samples.
    fn split(&mut self) {
        let mut order = vec![0; self.order.len()];
        let mut buckets = Vec::with_capacity(2 * self.buckets.len());
        let mut ends = Vec::new();
        for &bucket in &self.buckets {
            let rows = &self.order[bucket.start..bucket.start + bucket.rows];
            if bucket.depth == 0 {
                order[bucket.start..bucket.start + bucket.rows].copy_from_slice(rows);
                buckets.push(bucket);
                continue;
            }
            let (sample, others) = rows.split_at(bucket.sample());
            // Where the next row of each gap goes.
            ends.clear();
            ends.resize(sample.len() + 1, 0_usize);
            for &row in others {
                ends[self.place[row as usize] as usize] += 1;
            }
            let mut start = bucket.start;
            for (gap, end) in ends.iter_mut().enumerate() {
                let rows = std::mem::replace(end, start);
                if rows > 0 {
                    buckets.push(Bucket { start, rows, depth: 0 });
                }
                start += rows;
                if let Some(&row) = sample.get(gap) {
                    order[start] = row;
                    buckets.push(Bucket { start, rows: 1, depth: 0 });
                    start += 1;
                }
            }
            for &row in others {
                let next = &mut ends[self.place[row as usize] as usize];
                order[*next] = row;
                *next += 1;
            }
        }
        for (number, bucket) in buckets.iter().enumerate() {
            for &row in &order[bucket.start..bucket.start + bucket.rows] {
                self.bucket[row as usize] = number as u32;
            }
        }
        (self.order, self.buckets) = (order, buckets);
    }

    /// The rows that are wanted from the smallest to the largest, once all levels are done.
    pub fn order(mut self) -> Vec<u32> {
        self.order.truncate(self.wanted);
        self.order
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{
        ChaCha12Rng,
        rand_core::{Rng as _, SeedableRng as _},
    };

    use super::*;

    fn shuffled(rows: usize, rng: &mut ChaCha12Rng) -> Vec<u64> {
        let mut keys: Vec<u64> = (0..rows as u64).collect();
        for i in (1..rows).rev() {
            keys.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
        }
        keys
    }

    fn sort(keys: &[u64]) -> Result<Vec<u32>> {
        run(&Contest::new(keys.len()), keys)
    }

    fn run(contest: &Contest, keys: &[u64]) -> Result<Vec<u32>> {
        let mut ranking = Ranking::new(contest);
        for level in contest.levels() {
            let (left, right) = ranking.pairs()?;
            assert_eq!(right.len(), level.pairs());
            let left = left.unwrap_or_else(|| (0..keys.len() as u32).collect());
            let less = left.iter().zip(&right).map(|(&a, &b)| keys[a as usize] < keys[b as usize]);
            ranking.learn(&Column::bits(less))?;
        }
        Ok(ranking.order())
    }

    #[test]
    fn rows_in_random_order_are_sorted_within_the_schedule() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        for rows in (0..80).chain([100, 127, 300, 1000, 3000, 10_000]) {
            for _ in 0..30_000 / (rows + 300) {
                let keys = shuffled(rows, &mut rng);
                let order = sort(&keys).unwrap();
                for (place, &row) in order.iter().enumerate() {
                    assert_eq!(keys[row as usize], place as u64, "{rows} rows");
                }
            }
        }
    }

    #[test]
    fn a_million_rows_take_few_levels_and_few_pairs() {
        for (rows, levels, per_row) in
            [(1000, 25, 25.0), (100_000, 30, 28.0), (1_000_000, 30, 29.5)]
        {
            let contest = Contest::new(rows);
            let per = contest.pairs() as f64 / rows as f64;
            assert!(contest.levels().count() <= levels, "{contest:?}");
            assert!(per < per_row, "{per} {contest:?}");
        }
    }

    #[test]
    fn the_smallest_rows_are_found_within_the_schedule() {
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        for rows in [0, 1, 5, 300, 3000, 20_000, 60_000] {
            for wanted in [0, 1, 10, 1000, rows] {
                let contest = Contest::first(rows, wanted);
                for _ in 0..3 {
                    let keys = shuffled(rows, &mut rng);
                    let order = run(&contest, &keys).unwrap();
                    assert_eq!(order.len(), wanted.min(rows));
                    for (place, &row) in order.iter().enumerate() {
                        assert_eq!(keys[row as usize], place as u64, "{wanted} of {rows}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_smallest_of_a_million_rows_take_two_comparisons_each() {
        let due = [(1, 15, 1.8), (100, 17, 2.0), (1000, 33, 2.0), (10_000, 40, 4.0)];
        for (wanted, levels, per_row) in due {
            let contest = Contest::first(1_000_000, wanted);
            let per = contest.pairs() as f64 / 1e6;
            assert!(per < per_row, "{wanted}: {per} {contest:?}");
            assert!(contest.levels().count() <= levels, "{wanted}: {contest:?}");
        }
    }

    #[test]
    fn comparisons_that_contradict_each_other_are_noticed() {
        let contest = Contest::new(3);
        let mut ranking = Ranking::new(&contest);
        ranking.pairs().unwrap();
        // 0 < 1, 2 < 0, 1 < 2.
        let error = ranking.learn(&Column::bits([true, false, true])).unwrap_err();
        assert!(matches!(error, Error::Contradiction));
    }

    #[test]
    fn an_order_that_is_not_random_may_ask_for_more_than_there_is() {
        let keys: Vec<u64> = (0..100_000).collect();
        assert!(matches!(sort(&keys), Err(Error::Unlucky)));
    }
}
