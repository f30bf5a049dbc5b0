//! [`Column`]: plain data, what holders enter and receivers get.

use std::fmt;

use zeroize::Zeroize;

use crate::{Error, Kind, Result, Shape, field, words};

/// Plain data of a column.
///
/// # Security
/// It is wiped on drop, and `Debug` shows its shape alone.
#[derive(Clone, PartialEq, Eq)]
pub enum Column {
    /// One word a row, modulo 2^64.
    Num(Vec<u64>),
    /// 64 rows to a word: row `i` is bit `i % 64` of word `i / 64`. Bits beyond the last row are
    /// ignored.
    Bit {
        /// The packed rows.
        words: Vec<u64>,
        /// Number of rows.
        rows: usize,
    },
    /// One canonical word a row, modulo 2^61 - 1.
    Field(Vec<u64>),
}

impl Column {
    /// A column of bits.
    pub fn bits(rows: impl IntoIterator<Item = bool>) -> Self {
        let mut words = Vec::new();
        let mut count = 0;
        for bit in rows {
            if count % 64 == 0 {
                words.push(0);
            }
            words[count / 64] |= u64::from(bit) << (count % 64);
            count += 1;
        }
        Self::Bit { words, rows: count }
    }

    /// A column of this shape from packed words; bits beyond the last row are cleared. Elements of
    /// the field are canonical.
    ///
    /// # Panics
    /// If there are fewer words than the shape takes.
    pub fn from_words(shape: Shape, mut words: Vec<u64>) -> Self {
        words.truncate(shape.words());
        assert_eq!(words.len(), shape.words(), "too few words for {shape:?}");
        words::clean(shape, &mut words);
        match shape.kind {
            Kind::Num => Self::Num(words),
            Kind::Bit => Self::Bit { words, rows: shape.rows },
            Kind::Field => Self::Field(words),
        }
    }

    /// Kind and rows.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Num(numbers) => Shape { kind: Kind::Num, rows: numbers.len() },
            Self::Bit { rows, .. } => Shape { kind: Kind::Bit, rows: *rows },
            Self::Field(elements) => Shape { kind: Kind::Field, rows: elements.len() },
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.shape().rows
    }

    /// The words: one a row for numbers and elements, packed for bits.
    pub fn words(&self) -> &[u64] {
        match self {
            Self::Num(words) | Self::Bit { words, .. } | Self::Field(words) => words,
        }
    }

    /// Row `row` as a number: the word, or the bit as 0 or 1.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> u64 {
        match self {
            Self::Num(words) | Self::Field(words) => words[row],
            Self::Bit { words, rows } => {
                assert!(row < *rows, "row {row} of {rows}");
                words::bit(words, row)
            }
        }
    }

    /// All rows as numbers.
    pub fn to_numbers(&self) -> Vec<u64> {
        (0..self.rows()).map(|row| self.row(row)).collect()
    }

    /// Rows `start .. start + rows`; `start` is a multiple of 64.
    pub(crate) fn part(&self, start: usize, rows: usize) -> Self {
        let shape = Shape { rows, ..self.shape() };
        let first = Shape { rows: start, ..shape }.words();
        Self::from_words(shape, self.words()[first..first + shape.words()].to_vec())
    }

    /// Refuses a column that is not of shape `due`, or not of the field though it says so.
    pub(crate) fn check(&self, holder: usize, slot: usize, due: Shape) -> Result<()> {
        let got = self.shape();
        if got != due {
            return Err(Error::Input(format!(
                "column {slot} of party {holder} is {got:?}, the circuit asks for {due:?}"
            )));
        }
        if self.words().len() < due.words() {
            return Err(Error::Input(format!(
                "column {slot} of party {holder} has too few words for {due:?}"
            )));
        }
        if due.kind == Kind::Field && !field::is_canonical(self.words()) {
            return Err(Error::Input(format!(
                "column {slot} of party {holder} has an element that is not below 2^61 - 1"
            )));
        }
        Ok(())
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { kind, rows } = self.shape();
        write!(f, "Column({kind:?}, {rows} rows)")
    }
}

impl Drop for Column {
    fn drop(&mut self) {
        match self {
            Self::Num(words) | Self::Bit { words, .. } | Self::Field(words) => words.zeroize(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_shape_alone() {
        let column = Column::Num(vec![123_456_789]);
        assert_eq!(format!("{column:?}"), "Column(Num, 1 rows)");
    }

    #[test]
    fn bits_are_packed_and_read_back() {
        let rows: Vec<bool> = (0..131).map(|i| i % 3 == 0).collect();
        let column = Column::bits(rows.iter().copied());
        assert_eq!(column.rows(), 131);
        assert_eq!(column.words().len(), 3);
        for (row, &bit) in rows.iter().enumerate() {
            assert_eq!(column.row(row), u64::from(bit));
        }
    }
}
