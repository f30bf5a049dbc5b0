//! A circuit is a list of columnar instructions in single-assignment form.
//!
//! A value is a whole column of rows. Its [`Shape`] is public and known before anything runs.
//! Numbers live in Z_2^64, bits in Z_2 (64 rows packed in a word); a `w`-bit secret is `w` bit
//! planes, least significant first. Protocols over a prime field have a kind of column of their
//! own. [`Num`], [`Bit`] and [`Field`] are small `Copy` handles of columns, so an operator is a
//! plain function over a [`Builder`].
//!
//! Nothing in a circuit can branch on a secret, and nothing is opened but by [`Op::Reveal`].

use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers in Z_2^64, one word a row.
    Num,
    /// Bits, 64 rows to a word.
    Bit,
    /// Elements of the prime field of 2^61 - 1, one canonical word a row: see [`mod@crate::field`].
    Field,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Num, Self::Bit, Self::Field];
}

/// Kind and number of rows of a column; public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// What a row is.
    pub kind: Kind,
    /// Number of rows.
    pub rows: usize,
}

impl Shape {
    /// Words of 64 bits that one component of such a column takes.
    pub fn words(self) -> usize {
        match self.kind {
            Kind::Num | Kind::Field => self.rows,
            Kind::Bit => self.rows.div_ceil(64),
        }
    }

    /// Bytes that one component takes on the wire: 8 a number or element, one bit a bit, whole
    /// bytes.
    pub fn bytes(self) -> usize {
        match self.kind {
            Kind::Num | Kind::Field => 8 * self.rows,
            Kind::Bit => self.rows.div_ceil(8),
        }
    }
}

/// Index of a column in its circuit.
pub type Id = u32;

/// Handle of a column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Num(pub(crate) Id);

/// Handle of a column of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bit(pub(crate) Id);

/// Handle of a column of elements of the prime field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field(pub(crate) Id);

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Num {}
    impl Sealed for super::Bit {}
    impl Sealed for super::Field {}
}

/// [`Num`], [`Bit`] or [`Field`].
pub trait Handle: Copy + sealed::Sealed {
    /// The kind of column that this handle names.
    const KIND: Kind;
    /// Index of the column.
    fn id(self) -> Id;
    /// The handle of column `id`. Its kind is checked where the handle is used.
    fn from_id(id: Id) -> Self;
}

impl Handle for Num {
    const KIND: Kind = Kind::Num;
    fn id(self) -> Id {
        self.0
    }
    fn from_id(id: Id) -> Self {
        Self(id)
    }
}

impl Handle for Bit {
    const KIND: Kind = Kind::Bit;
    fn id(self) -> Id {
        self.0
    }
    fn from_id(id: Id) -> Self {
        Self(id)
    }
}

impl Handle for Field {
    const KIND: Kind = Kind::Field;
    fn id(self) -> Id {
        self.0
    }
    fn from_id(id: Id) -> Self {
        Self(id)
    }
}

/// What an instruction does. Arguments are columns; `n` is their number of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The next private column of session party `holder`.
    Enter {
        /// Session index of the party that knows the column.
        holder: usize,
        /// Which of the holder's columns, counted from 0.
        slot: usize,
        /// Its shape.
        shape: Shape,
    },
    /// The same public word in every row; for bits 0 or 1, for the field canonical.
    Constant {
        /// The word.
        #[serde(with = "hex")]
        value: u64,
        /// Its shape.
        shape: Shape,
    },
    /// Uniformly random, known to nobody.
    Random {
        /// Its shape.
        shape: Shape,
    },
    /// Sum in the ring of the kind: modulo 2^64, modulo 2^61 - 1, or exclusive or. Two arguments.
    Add,
    /// Difference in the ring of the kind. Two arguments.
    Sub,
    /// Product with a public word (not of bits; for the field canonical). One argument.
    Scale(#[serde(with = "hex")] u64),
    /// Sum of all rows in the ring of the kind, one row. One argument.
    Sum,
    /// Row `i` is the sum of rows `0 ..= i` in the ring of the kind. One argument.
    PrefixSum,
    /// The argument, read as a matrix of so many columns row after row, becomes the transposed
    /// matrix, row after row: with 2 columns the even rows, then the odd ones. One argument whose
    /// rows `columns` divides.
    Transpose {
        /// Columns of the matrix.
        columns: usize,
    },
    /// Rows `start .. start + rows`. One argument.
    Slice {
        /// First row.
        start: usize,
        /// Number of rows.
        rows: usize,
    },
    /// All arguments one below the other.
    Concat,
    /// One row repeated. One argument of one row.
    Broadcast {
        /// Number of rows.
        rows: usize,
    },
    /// Row `index[i]` of the argument becomes row `i`. One argument.
    Gather {
        /// Public row numbers.
        index: Vec<u32>,
    },
    /// Product in the ring of the kind: modulo 2^64, modulo 2^61 - 1, or AND. Two arguments. Interactive.
    Mul,
    /// Addend `index` of the argument in the other world. Every engine writes a number as a sum
    /// of `Engine::addends` addends, each known to some party; this enters the lowest
    /// `width` bits of one of them as bit planes. For a bit column the addends combine by
    /// exclusive or, `width` is 1, and the result is a number column of zeros and ones.
    /// Interactive. Lowering puts it in place of `ToBits` and `ToNum`.
    Addend {
        /// Which addend.
        index: usize,
        /// Number of bit planes.
        width: usize,
    },
    /// Opens the argument to session party `to` alone. Interactive.
    Reveal {
        /// Session index of the receiver.
        to: usize,
        /// Name in the list of openings.
        name: String,
    },
    /// Runs a block on its arguments, tile by tile: see [`crate::Block`]. All arguments have the
    /// same number of rows, as have the results.
    Block(Box<crate::Block>),
    /// All arguments with their rows in a random order that nobody knows: the same for all of them,
    /// and for all instructions with the same `permutation` and number of rows. With another number of
    /// rows it is another order, which tells nothing about this one. Interactive.
    Shuffle {
        /// Which order.
        permutation: u32,
        /// Whether the rows are put back from that order instead.
        inverse: bool,
    },
    /// All arguments with their rows sorted by the first of them, whose rows are distinct and in a
    /// random order: see [`crate::Sort`]. Interactive, and opens that order.
    Sort(Box<crate::Sort>),
    /// The arguments after the first `order` with their rows in an order `p`: row `p[i]` becomes row
    /// `i`, or with `inverse` row `i` becomes row `p[i]`. The first `order` arguments are `p`: planes
    /// of row numbers, or one column of numbers. Interactive, and opens `p` to all compute parties:
    /// it must be a random order that nobody knows, as it is once its rows were shuffled.
    Permute {
        /// How many arguments the order is.
        order: usize,
        /// Whether rows go to the row numbers that the order names instead of coming from there.
        inverse: bool,
    },
    /// Uniformly random numbers of `width` bits to mask others with: addend 0 is 0, every other addend
    /// is random below `2^width` and known only to those who know that addend. In the clear, where
    /// there is no other addend, it is 0.
    Mask {
        /// Number of rows.
        rows: usize,
        /// Number of bits, 1 to 64.
        width: usize,
    },
    /// The number, unsigned, whose bit planes the arguments are, at most 64: opened to whoever knows
    /// addend 0, which it becomes; all other addends are 0. The planes must be masked: see
    /// [`Op::Mask`]. Interactive.
    OpenMasked,
    /// Bit planes of the row's number, public: least significant first.
    RowNumber {
        /// Number of rows.
        rows: usize,
        /// Number of planes.
        width: usize,
    },
    /// In the body of a sort alone: opens a column of bits to all compute parties. Interactive.
    Open,
    /// In the body of a block alone: a tile of argument `index` of the block.
    Argument {
        /// Which argument.
        index: usize,
        /// Its shape.
        shape: Shape,
    },
    /// Macro: the lowest `width` bits of a number as bit planes.
    ToBits {
        /// Number of bit planes.
        width: usize,
    },
    /// Macro: the number (unsigned) whose bit planes the arguments are, at most 64.
    ToNum,
    /// Macro: whether the lowest `width` bits of a number are all zero.
    IsZero {
        /// Number of bits.
        width: usize,
    },
    /// Macro: `x < y`, unsigned; arguments are the planes of `x`, then as many of `y`.
    Less,
    /// Macro: `x == y`; arguments are the planes of `x`, then as many of `y`.
    Equal,
    /// Macro: `if c { x } else { y }`; arguments are `c`, the planes of `x`, as many of `y`.
    Select,
}

impl Op {
    /// Whether lowering must rewrite this instruction before a sharing engine can run it.
    pub fn is_macro(&self) -> bool {
        matches!(
            self,
            Self::ToBits { .. }
                | Self::ToNum
                | Self::IsZero { .. }
                | Self::Less
                | Self::Equal
                | Self::Select
        )
    }
}

/// A word as a string of hexadecimal digits: JSON numbers are exact up to 2^53 only, and two
/// circuits that differ in a word must not be written alike.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    // The signature is serde's.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(word: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{word:x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

/// One instruction: its results are the columns `first ..`, as many as its [`Op`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// What it does.
    pub op: Op,
    /// Its arguments.
    pub args: Vec<Id>,
    /// Index of its first result.
    pub first: Id,
}
