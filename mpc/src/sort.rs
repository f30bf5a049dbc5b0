//! Sorting rows of distinct keys in random order: see [`crate::Op::Sort`].

use serde::{Deserialize, Serialize};

use crate::{
    Circuit, Kind, Op, Result, Shape,
    block::{self, Bound},
    builder,
    rank::Contest,
};

/// How rows are sorted: the comparison, and how many at a time.
///
/// The comparison is a circuit over columns of [`Sort::tile`] rows; argument `i` is plane `i` of
/// the keys of the left rows, argument `width + i` that of the right rows, and its one
/// [`Op::Open`] opens whether the left key is the smaller. Which rows are compared follows from
/// what was opened before: [`mod@crate::rank`].
///
/// # Security
/// Every compute party learns the order of the rows in the places where they are. So they must be
/// in a random order that nobody knows ([`Op::Shuffle`]) and all keys must be distinct: the row's
/// number before it was shuffled makes them so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// Planes of a key, the first arguments; least significant first.
    pub width: usize,
    /// The comparison.
    pub less: Circuit,
    /// How many rows are wanted, the smallest; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<usize>,
    /// Rows of its columns, the most that are compared at a time; a multiple of 64.
    pub tile: usize,
}

impl Sort {
    /// Shapes of the results for arguments of these shapes: the same, of the rows that are wanted.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn results(&self, args: &[Shape]) -> Result<Vec<Shape>, String> {
        let rows = args.first().ok_or("a sort without arguments")?.rows;
        if self.width == 0 || self.width > args.len() {
            return Err(format!("a sort of {} columns by {} planes", args.len(), self.width));
        }
        if args.iter().any(|shape| shape.rows != rows) {
            return Err("the columns of a sort have different numbers of rows".into());
        }
        builder::numbered(rows)?;
        if args[..self.width].iter().any(|shape| shape.kind != Kind::Bit) {
            return Err("the keys of a sort are planes of bits".into());
        }
        if args.iter().any(|shape| shape.kind == Kind::Field) {
            return Err("a sort of elements of the field".into());
        }
        let kinds = vec![Kind::Bit; 2 * self.width];
        let opened = block::check(&self.less, self.tile, &kinds, false)?;
        let mut arguments = std::collections::BTreeSet::new();
        for instruction in self.less.instructions() {
            if let Op::Argument { index, .. } = instruction.op
                && !arguments.insert(index)
            {
                return Err(format!("the comparison of a sort takes argument {index} twice"));
            }
        }
        if opened != 1 {
            return Err(format!("the comparison of a sort opens {opened} columns, not one"));
        }
        if self.first.is_some_and(|first| first > rows) {
            return Err(format!("a sort of {rows} rows for more of them"));
        }
        let shape = |shape: &Shape| Shape { rows: self.first.unwrap_or(rows), ..*shape };
        Ok(args.iter().map(shape).collect())
    }

    /// The same sort with another number of comparisons at a time, rounded up to a multiple of 64.
    ///
    /// # Errors
    /// None for a sort that was checked.
    pub fn with_tile(&self, tile: usize) -> Result<Self> {
        let tile = block::rounded(tile);
        Ok(Self { less: block::resized(&self.less, tile)?, tile, ..self.clone() })
    }

    /// Which rows are compared.
    pub(crate) fn contest(&self, rows: usize) -> Contest {
        self.first.map_or_else(|| Contest::new(rows), |first| Contest::first(rows, first))
    }

    /// The tiles of all levels, one after the other.
    pub(crate) fn bounds(&self, rows: usize) -> Vec<Bound> {
        let levels = self.contest(rows).levels().collect::<Vec<_>>();
        let levels = levels.into_iter().enumerate();
        levels.flat_map(|(number, level)| block::bounds(level.pairs(), self.tile, number)).collect()
    }

    /// How many tiles there are.
    pub(crate) fn tiles(&self, rows: usize) -> usize {
        self.contest(rows).levels().map(|level| level.pairs().div_ceil(self.tile)).sum()
    }

    /// Bytes that a party needs beside shares of the columns: keys and bits packed row by row, as
    /// they are and in a tile of so many rows, and what is known of the order.
    pub(crate) fn beside(args: &[Shape], components: u64, tile: usize) -> u64 {
        let rows = args.first().map_or(0, |shape| shape.rows) as u64;
        let bits = args.iter().filter(|shape| shape.kind == Kind::Bit).count() as u64;
        8 * rows * components * (bits.div_ceil(64) + 1) + 48 * rows + 8 * tile as u64
    }
}
