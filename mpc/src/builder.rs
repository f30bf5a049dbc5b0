//! [`Builder`]: writes a [`Circuit`] one instruction at a time.

use serde::{Deserialize, Serialize};

use crate::{Bit, Error, Handle, Id, Instruction, Kind, Num, Op, Result, Shape, field};

/// Most rows of a column: no machine holds one as long, and sums of sizes stay far from overflow.
pub(crate) const MOST_ROWS: usize = 1 << 40;

/// Most rows of columns whose rows are moved by row numbers, which take 32 bits.
const MOST_MOVED: usize = 1 << 32;

/// A list of instructions and the shape of every column.
///
/// What is deserialised is checked as if it were built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Circuit {
    instructions: Vec<Instruction>,
    shapes: Vec<Shape>,
}

/// A circuit as it was written down, not yet checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    instructions: Vec<Instruction>,
    shapes: Vec<Shape>,
}

impl TryFrom<Raw> for Circuit {
    type Error = Error;

    fn try_from(raw: Raw) -> Result<Self> {
        let mut circuit = Self::default();
        for Instruction { op, args, first } in raw.instructions {
            let at = circuit.instructions.len();
            if circuit.push(op, &args)?.start != first {
                let what = "its results are numbered out of order".into();
                return Err(Error::Circuit { at, what });
            }
        }
        if circuit.shapes != raw.shapes {
            let what = "the shapes that are listed are not those of the instructions".into();
            return Err(Error::Circuit { at: circuit.instructions.len(), what });
        }
        Ok(circuit)
    }
}

impl Circuit {
    /// The instructions, in an order in which every argument comes before its use.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Shape of every column, by [`Id`].
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Shape of one column.
    pub fn shape(&self, id: Id) -> Shape {
        self.shapes[id as usize]
    }

    /// Appends an instruction after checking it and returns its results.
    ///
    /// # Errors
    /// [`Error::Circuit`] if an argument does not exist or shapes do not fit.
    pub fn push(&mut self, op: Op, args: &[Id]) -> Result<std::ops::Range<Id>> {
        let wrong = |what: String| Error::Circuit { at: self.instructions.len(), what };
        let shapes: Vec<Shape> = args
            .iter()
            .map(|&id| self.shapes.get(id as usize).copied())
            .collect::<Option<_>>()
            .ok_or_else(|| wrong(format!("{op:?} uses a column that does not exist")))?;
        let results = results(&op, &shapes).map_err(wrong)?;
        if let Some(shape) = results.iter().find(|shape| shape.rows > MOST_ROWS) {
            return Err(wrong(format!("a column of {} rows: more than 2^40", shape.rows)));
        }
        if self.shapes.len() + results.len() > Id::MAX as usize {
            return Err(wrong("more than 2^32 columns".into()));
        }
        let first = self.shapes.len() as Id;
        self.shapes.extend(results);
        self.instructions.push(Instruction { op, args: args.to_vec(), first });
        Ok(first..self.shapes.len() as Id)
    }
}

/// Refuses to move more rows than row numbers tell apart.
///
/// # Errors
/// What is wrong.
pub(crate) fn numbered(rows: usize) -> Result<(), String> {
    if rows > MOST_MOVED {
        return Err(format!("{rows} rows to move: more than 2^32"));
    }
    Ok(())
}

/// Shapes of the results of `op` on arguments of these shapes.
fn results(op: &Op, args: &[Shape]) -> Result<Vec<Shape>, String> {
    let count = |n: usize| {
        if args.len() == n {
            Ok(())
        } else {
            Err(format!("{op:?} takes {n} arguments, not {}", args.len()))
        }
    };
    let kind = |kind: Kind| {
        if args.iter().all(|a| a.kind == kind) {
            Ok(())
        } else {
            Err(format!("{op:?} takes {kind:?} columns"))
        }
    };
    let alike = || {
        if args.windows(2).all(|w| w[0] == w[1]) {
            Ok(())
        } else {
            Err(format!("{op:?}: shapes differ: {args:?}"))
        }
    };
    let planes = |odd: usize| {
        if args.len() > odd && (args.len() - odd).is_multiple_of(2) {
            Ok((args.len() - odd) / 2)
        } else {
            Err(format!("{op:?}: planes do not pair up"))
        }
    };
    Ok(match op {
        Op::Constant { value, shape } if shape.kind == Kind::Field && *value >= field::MODULUS => {
            return Err(format!("{op:?}: an element is below 2^61 - 1"));
        }
        Op::Enter { shape, .. }
        | Op::Constant { shape, .. }
        | Op::Random { shape }
        | Op::Argument { shape, .. } => {
            count(0)?;
            vec![*shape]
        }
        Op::Add | Op::Sub | Op::Mul => {
            count(2)?;
            alike()?;
            vec![args[0]]
        }
        Op::Scale(c) => {
            count(1)?;
            if args[0].kind == Kind::Bit {
                return Err(format!("{op:?} of bits"));
            }
            if args[0].kind == Kind::Field && *c >= field::MODULUS {
                return Err(format!("{op:?}: an element is below 2^61 - 1"));
            }
            vec![args[0]]
        }
        Op::Sum => {
            count(1)?;
            vec![Shape { rows: 1, ..args[0] }]
        }
        Op::PrefixSum => {
            count(1)?;
            vec![args[0]]
        }
        Op::Transpose { columns } => {
            count(1)?;
            if args[0].rows.checked_rem(*columns).is_none_or(|rest| rest > 0) {
                return Err(format!("{op:?} of {} rows", args[0].rows));
            }
            vec![args[0]]
        }
        Op::Slice { start, rows } => {
            count(1)?;
            if start.checked_add(*rows).is_none_or(|end| end > args[0].rows) {
                return Err(format!("{op:?} of {} rows", args[0].rows));
            }
            vec![Shape { rows: *rows, ..args[0] }]
        }
        Op::Concat => {
            let first = args.first().ok_or("Concat of nothing")?;
            kind(first.kind)?;
            let rows = args.iter().try_fold(0_usize, |rows, arg| rows.checked_add(arg.rows));
            vec![Shape { kind: first.kind, rows: rows.ok_or("Concat of too many rows")? }]
        }
        Op::Broadcast { rows } => {
            count(1)?;
            if args[0].rows != 1 {
                return Err(format!("Broadcast of {} rows", args[0].rows));
            }
            vec![Shape { rows: *rows, ..args[0] }]
        }
        Op::Gather { index } => {
            count(1)?;
            if index.iter().any(|&i| i as usize >= args[0].rows) {
                return Err(format!("Gather beyond {} rows", args[0].rows));
            }
            vec![Shape { rows: index.len(), ..args[0] }]
        }
        Op::Addend { width, .. } => {
            count(1)?;
            let rows = args[0].rows;
            match args[0].kind {
                Kind::Num if (1..=64).contains(width) => {
                    vec![Shape { kind: Kind::Bit, rows }; *width]
                }
                Kind::Bit if *width == 1 => vec![Shape { kind: Kind::Num, rows }],
                _ => return Err(format!("{op:?} of {:?}", args[0])),
            }
        }
        Op::Reveal { .. } => {
            count(1)?;
            vec![]
        }
        Op::Block(block) => block.results(args)?,
        Op::Sort(sort) => sort.results(args)?,
        Op::Shuffle { .. } => {
            let rows = args.first().ok_or("Shuffle of nothing")?.rows;
            if args.iter().any(|shape| shape.rows != rows) {
                return Err(format!("{op:?}: numbers of rows differ: {args:?}"));
            }
            if args.iter().any(|shape| shape.kind == Kind::Field) {
                return Err(format!("{op:?} of elements of the field"));
            }
            numbered(rows)?;
            args.to_vec()
        }
        Op::Permute { order, .. } => {
            let (by, moved) = args.split_at_checked(*order).ok_or("Permute without an order")?;
            let first = by.first().ok_or("Permute without an order")?;
            if args.iter().any(|shape| shape.rows != first.rows) {
                return Err(format!("{op:?}: numbers of rows differ: {args:?}"));
            }
            numbered(first.rows)?;
            let most = match first.kind {
                Kind::Bit => 32,
                Kind::Num => 1,
                Kind::Field => 0,
            };
            if by.iter().any(|shape| shape.kind != first.kind) || by.len() > most {
                return Err(format!(
                    "{op:?}: an order is up to 32 planes or one column of numbers"
                ));
            }
            moved.to_vec()
        }
        Op::Mask { rows, width } => {
            count(0)?;
            if !(1..=64).contains(width) {
                return Err(format!("{op:?}: width is 1 to 64"));
            }
            vec![Shape { kind: Kind::Num, rows: *rows }]
        }
        Op::RowNumber { rows, width } => {
            count(0)?;
            if !(1..=64).contains(width) {
                return Err(format!("{op:?}: width is 1 to 64"));
            }
            vec![Shape { kind: Kind::Bit, rows: *rows }; *width]
        }
        Op::Open => {
            count(1)?;
            kind(Kind::Bit)?;
            vec![]
        }
        Op::ToBits { width } => {
            count(1)?;
            kind(Kind::Num)?;
            if !(1..=64).contains(width) {
                return Err(format!("{op:?}: width is 1 to 64"));
            }
            vec![Shape { kind: Kind::Bit, rows: args[0].rows }; *width]
        }
        Op::ToNum | Op::OpenMasked => {
            kind(Kind::Bit)?;
            alike()?;
            if !(1..=64).contains(&args.len()) {
                return Err(format!("{op:?} of {} planes", args.len()));
            }
            vec![Shape { kind: Kind::Num, rows: args[0].rows }]
        }
        Op::IsZero { width } => {
            count(1)?;
            kind(Kind::Num)?;
            if !(1..=64).contains(width) {
                return Err(format!("{op:?}: width is 1 to 64"));
            }
            vec![Shape { kind: Kind::Bit, rows: args[0].rows }]
        }
        Op::Less | Op::Equal => {
            kind(Kind::Bit)?;
            alike()?;
            planes(0)?;
            vec![args[0]]
        }
        Op::Select => {
            kind(Kind::Bit)?;
            alike()?;
            vec![args[0]; planes(1)?]
        }
    })
}

/// Writes a [`Circuit`]. A mistake of the operator's author (shapes that do not fit) panics.
#[derive(Default, Debug)]
pub struct Builder {
    circuit: Circuit,
    slots: std::collections::BTreeMap<usize, usize>,
    permutations: u32,
}

/// A random order of rows that nobody knows. Made by [`Builder::permutation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutation(u32);

impl Builder {
    /// An empty circuit.
    pub fn new() -> Self {
        Self::default()
    }

    /// The circuit written so far.
    pub fn finish(self) -> Circuit {
        self.circuit
    }

    /// Shape of a column.
    pub fn shape(&self, x: impl Handle) -> Shape {
        self.circuit.shape(x.id())
    }

    /// Number of rows of a column.
    pub fn rows(&self, x: impl Handle) -> usize {
        self.shape(x).rows
    }

    /// Appends any instruction as it is: for passes that copy a circuit while they rewrite it.
    pub fn push(&mut self, op: Op, args: &[Id]) -> std::ops::Range<Id> {
        match self.circuit.push(op, args) {
            Ok(results) => results,
            Err(error) => panic!("{error}"),
        }
    }

    fn one<H: Handle>(&mut self, op: Op, args: &[Id]) -> H {
        H::from_id(self.push(op, args).start)
    }

    /// The next private column of session party `holder`.
    pub fn enter<H: Handle>(&mut self, holder: usize, rows: usize) -> H {
        let next = self.slots.entry(holder).or_default();
        let slot = std::mem::replace(next, *next + 1);
        self.one(Op::Enter { holder, slot, shape: Shape { kind: H::KIND, rows } }, &[])
    }

    /// The same public word in every row (bits: 0 or 1, elements of the field: canonical).
    pub fn constant<H: Handle>(&mut self, value: u64, rows: usize) -> H {
        self.one(Op::Constant { value, shape: Shape { kind: H::KIND, rows } }, &[])
    }

    /// Uniformly random and known to nobody.
    pub fn random<H: Handle>(&mut self, rows: usize) -> H {
        self.one(Op::Random { shape: Shape { kind: H::KIND, rows } }, &[])
    }

    /// `x + y` in the ring of the kind (bits: exclusive or). Local.
    pub fn add<H: Handle>(&mut self, x: H, y: H) -> H {
        self.one(Op::Add, &[x.id(), y.id()])
    }

    /// `x - y` in the ring of the kind (bits: exclusive or). Local.
    pub fn sub<H: Handle>(&mut self, x: H, y: H) -> H {
        self.one(Op::Sub, &[x.id(), y.id()])
    }

    /// `c x` in the ring of the kind, not of bits. Local.
    pub fn scale<H: Handle>(&mut self, x: H, c: u64) -> H {
        self.one(Op::Scale(c), &[x.id()])
    }

    /// Sum of all rows in the ring of the kind, one row. Local.
    pub fn sum<H: Handle>(&mut self, x: H) -> H {
        self.one(Op::Sum, &[x.id()])
    }

    /// Row `i` is the sum of rows `0 ..= i` in the ring of the kind. Local.
    pub fn prefix_sum<H: Handle>(&mut self, x: H) -> H {
        self.one(Op::PrefixSum, &[x.id()])
    }

    /// The transposed matrix of one with so many columns, row after row: with 2 columns the even
    /// rows, then the odd ones. Local.
    pub fn transpose<H: Handle>(&mut self, x: H, columns: usize) -> H {
        self.one(Op::Transpose { columns }, &[x.id()])
    }

    /// Rows `start .. start + rows`. Local.
    pub fn slice<H: Handle>(&mut self, x: H, start: usize, rows: usize) -> H {
        self.one(Op::Slice { start, rows }, &[x.id()])
    }

    /// All columns one below the other. Local.
    pub fn concat<H: Handle>(&mut self, xs: &[H]) -> H {
        let ids: Vec<Id> = xs.iter().map(|x| x.id()).collect();
        self.one(Op::Concat, &ids)
    }

    /// One row repeated. Local.
    pub fn broadcast<H: Handle>(&mut self, x: H, rows: usize) -> H {
        self.one(Op::Broadcast { rows }, &[x.id()])
    }

    /// Row `index[i]` becomes row `i`; `index` is public. Local.
    pub fn gather<H: Handle>(&mut self, x: H, index: Vec<u32>) -> H {
        self.one(Op::Gather { index }, &[x.id()])
    }

    /// `x y` in the ring of the kind (bits: AND). One round.
    pub fn mul<H: Handle>(&mut self, x: H, y: H) -> H {
        self.one(Op::Mul, &[x.id(), y.id()])
    }

    /// Exclusive or. Local.
    pub fn xor(&mut self, x: Bit, y: Bit) -> Bit {
        self.add(x, y)
    }

    /// AND. One round.
    pub fn and(&mut self, x: Bit, y: Bit) -> Bit {
        self.mul(x, y)
    }

    /// NOT. Local.
    pub fn not(&mut self, x: Bit) -> Bit {
        let one = self.constant(1, self.rows(x));
        self.add(x, one)
    }

    /// OR. One round.
    pub fn or(&mut self, x: Bit, y: Bit) -> Bit {
        let both = self.and(x, y);
        let either = self.xor(x, y);
        self.xor(either, both)
    }

    /// The lowest `width` bits of addend `index` of a number, as bit planes: see [`Op::Addend`].
    pub fn addend_bits(&mut self, x: Num, index: usize, width: usize) -> Vec<Bit> {
        self.push(Op::Addend { index, width }, &[x.0]).map(Bit).collect()
    }

    /// Addend `index` of a bit as a number 0 or 1: see [`Op::Addend`].
    pub fn addend_num(&mut self, x: Bit, index: usize) -> Num {
        self.one(Op::Addend { index, width: 1 }, &[x.0])
    }

    /// A random order of rows that nobody knows, for [`Builder::shuffle`].
    pub fn permutation(&mut self) -> Permutation {
        self.permutations += 1;
        Permutation(self.permutations - 1)
    }

    /// The columns with their rows in the order `by`: the same for all columns with as many rows.
    pub fn shuffle(&mut self, by: Permutation, nums: &[Num], bits: &[Bit]) -> (Vec<Num>, Vec<Bit>) {
        self.permute(Op::Shuffle { permutation: by.0, inverse: false }, nums, bits)
    }

    /// The columns with their rows put back from the order `by`.
    pub fn unshuffle(
        &mut self,
        by: Permutation,
        nums: &[Num],
        bits: &[Bit],
    ) -> (Vec<Num>, Vec<Bit>) {
        self.permute(Op::Shuffle { permutation: by.0, inverse: true }, nums, bits)
    }

    fn permute(&mut self, op: Op, nums: &[Num], bits: &[Bit]) -> (Vec<Num>, Vec<Bit>) {
        self.moved(op, &[], nums, bits)
    }

    fn moved(&mut self, op: Op, before: &[Id], nums: &[Num], bits: &[Bit]) -> (Vec<Num>, Vec<Bit>) {
        if nums.is_empty() && bits.is_empty() {
            return (vec![], vec![]);
        }
        let columns = nums.iter().map(|x| x.0).chain(bits.iter().map(|x| x.0));
        let ids: Vec<Id> = before.iter().copied().chain(columns).collect();
        let results = self.push(op, &ids);
        let cut = results.start + nums.len() as Id;
        ((results.start..cut).map(Num).collect(), (cut..results.end).map(Bit).collect())
    }

    /// The columns with row `p[i]` as row `i`, or with `inverse` row `i` as row `p[i]`. `order` is `p`:
    /// planes of row numbers, or one column of numbers.
    ///
    /// # Security
    /// Opens `p` to all compute parties: it must be a random order that nobody knows. See
    /// [`Op::Permute`].
    pub fn permute_by_opened<H: Handle>(
        &mut self,
        order: &[H],
        inverse: bool,
        nums: &[Num],
        bits: &[Bit],
    ) -> (Vec<Num>, Vec<Bit>) {
        let by: Vec<Id> = order.iter().map(|x| x.id()).collect();
        self.moved(Op::Permute { order: by.len(), inverse }, &by, nums, bits)
    }

    /// Random numbers of `width` bits with no addend 0: see [`Op::Mask`].
    pub fn mask(&mut self, rows: usize, width: usize) -> Num {
        self.one(Op::Mask { rows, width }, &[])
    }

    /// The number whose planes are given, opened to whoever knows addend 0: see [`Op::OpenMasked`].
    ///
    /// # Security
    /// The planes must be masked by a sum with [`Builder::mask`] that is used nowhere else.
    pub fn open_masked(&mut self, planes: &[Bit]) -> Num {
        self.one(Op::OpenMasked, &ids(&[planes]))
    }

    /// Bit planes of the row's number, public; least significant first. Local.
    pub fn row_number(&mut self, rows: usize, width: usize) -> Vec<Bit> {
        self.push(Op::RowNumber { rows, width }, &[]).map(Bit).collect()
    }

    /// Opens `x` to session party `to` alone. One round.
    pub fn reveal(&mut self, x: impl Handle, to: usize, name: impl Into<String>) {
        self.push(Op::Reveal { to, name: name.into() }, &[x.id()]);
    }

    /// Macro: the lowest `width` bits of `x` as bit planes.
    pub fn to_bits(&mut self, x: Num, width: usize) -> Vec<Bit> {
        self.push(Op::ToBits { width }, &[x.0]).map(Bit).collect()
    }

    /// Macro: the number whose bit planes are given, unsigned.
    pub fn to_num(&mut self, planes: &[Bit]) -> Num {
        self.one(Op::ToNum, &ids(&[planes]))
    }

    /// Macro: whether the lowest `width` bits of `x` are all zero.
    pub fn is_zero(&mut self, x: Num, width: usize) -> Bit {
        self.one(Op::IsZero { width }, &[x.0])
    }

    /// Macro: `x < y`, unsigned, planes of the same width.
    pub fn less(&mut self, x: &[Bit], y: &[Bit]) -> Bit {
        assert_eq!(x.len(), y.len(), "less: widths differ");
        self.one(Op::Less, &ids(&[x, y]))
    }

    /// Macro: `x == y`, planes of the same width.
    pub fn equal(&mut self, x: &[Bit], y: &[Bit]) -> Bit {
        assert_eq!(x.len(), y.len(), "equal: widths differ");
        self.one(Op::Equal, &ids(&[x, y]))
    }

    /// Macro: `if c { x } else { y }`, planes of the same width.
    pub fn select(&mut self, c: Bit, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
        assert_eq!(x.len(), y.len(), "select: widths differ");
        self.push(Op::Select, &ids(&[&[c], x, y])).map(Bit).collect()
    }
}

fn ids(planes: &[&[Bit]]) -> Vec<Id> {
    planes.iter().flat_map(|p| p.iter().map(|b| b.0)).collect()
}
