//! What an operator is to the laws: its name, data for it, and what plain Rust gives for them.

use tacit_mpc::{Bit, Builder, Num};

use super::common::family::{Given, Value};
use super::common::{mask, plans::Draw};

/// The numbers of rows at which packing, tiling and trees go wrong first.
pub const ROWS: [usize; 6] = [0, 1, 63, 64, 65, 130];

/// The forms that a column is made in.
pub const FORMS: [Form; 5] =
    [Form::Edges, Form::Duplicates, Form::Sorted, Form::Equal, Form::Random];

/// What is peculiar about the rows of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The smallest, the largest, and those about the sign.
    Edges,
    /// Three values.
    Duplicates,
    /// In order already.
    Sorted,
    /// One value.
    Equal,
    /// Anything.
    Random,
}

/// Where the data of one case come from.
pub struct Data {
    pub rows: usize,
    pub width: usize,
    pub form: Form,
    pub draw: Draw,
}

impl Data {
    /// A column of numbers of `width` bits in the form of the case.
    pub fn column(&mut self, width: usize) -> Vec<u64> {
        let most = mask(width);
        let edges = [0, 1, most, 1 << (width - 1), most >> 1, most - 1];
        let few: Vec<u64> = (0..3).map(|_| self.draw.word() & most).collect();
        let shift = self.draw.below(6) as usize;
        let draw = &mut self.draw;
        let mut row = |row: usize| match self.form {
            Form::Edges => edges[(row + shift) % 6],
            Form::Duplicates => few[draw.below(3) as usize],
            Form::Equal => few[0],
            Form::Sorted | Form::Random => draw.word() & most,
        };
        let mut column: Vec<u64> = (0..self.rows).map(&mut row).collect();
        if self.form == Form::Sorted {
            column.sort_unstable();
        }
        column
    }

    /// Several of them, of the width of the case.
    pub fn columns(&mut self, count: usize) -> Vec<Vec<u64>> {
        (0..count).map(|_| self.column(self.width)).collect()
    }

    /// A public number of `width` bits, often one that some row holds.
    pub fn public(&mut self, width: usize, column: &[u64]) -> u64 {
        match column.get(self.draw.below(2 * column.len() as u64 + 1) as usize) {
            Some(&held) => held & mask(width),
            None => self.draw.word() & mask(width),
        }
    }
}

/// A circuit over entered values; the last argument is the engine's number of addends.
pub type Build = Box<dyn Fn(&mut Builder, &[Value], usize) -> Vec<Value>>;

/// Data, the operator on them, and what has to come out.
pub struct Case {
    pub given: Vec<Given>,
    pub due: Vec<Vec<u64>>,
    pub build: Build,
}

impl Case {
    pub fn new(
        given: Vec<Given>,
        due: Vec<Vec<u64>>,
        build: impl Fn(&mut Builder, &[Value], usize) -> Vec<Value> + 'static,
    ) -> Self {
        Self { given, due, build: Box::new(build) }
    }
}

/// A public function that builds circuits.
pub struct Operator {
    /// As it is called within `tacit_protocols`.
    pub name: &'static str,
    /// The widths that the cases go through.
    pub widths: &'static [usize],
    /// The fewest rows that it takes.
    pub least_rows: usize,
    /// The most rows that it is tried on.
    pub most_rows: usize,
    /// How many of [`FORMS`] each number of rows goes through, in turn.
    pub forms: usize,
    /// Whether the rows come out in a random order.
    pub mixes: bool,
    /// Whether it runs on engines with a shuffle alone.
    pub shuffles: bool,
    /// Makes a case.
    pub case: fn(&mut Data) -> Case,
}

/// An operator on any number of rows.
pub const fn operator(
    name: &'static str,
    widths: &'static [usize],
    case: fn(&mut Data) -> Case,
) -> Operator {
    Operator {
        name,
        widths,
        least_rows: 0,
        most_rows: usize::MAX,
        forms: FORMS.len(),
        mixes: false,
        shuffles: false,
        case,
    }
}

impl Operator {
    /// The same for at least one row.
    pub const fn of_rows(self) -> Self {
        Self { least_rows: 1, ..self }
    }

    /// The same, tried on so many rows at most: for circuits that take long.
    pub const fn up_to(self, most_rows: usize) -> Self {
        Self { most_rows, ..self }
    }

    /// The same, in so many forms for each number of rows: for circuits that take long.
    pub const fn in_forms(self, forms: usize) -> Self {
        Self { forms, ..self }
    }

    /// The same where the rows come out in a random order.
    pub const fn mixing(self) -> Self {
        Self { mixes: true, ..self.shuffling() }
    }

    /// The same for engines with a shuffle.
    pub const fn shuffling(self) -> Self {
        Self { shuffles: true, ..self }
    }
}

/// Values as planes of one width.
pub fn planes(width: usize, x: &[Vec<u64>]) -> Vec<Given> {
    x.iter().map(|x| Given::Bits(width, x.clone())).collect()
}

/// Values as numbers.
pub fn words(x: &[Vec<u64>]) -> Vec<Given> {
    x.iter().map(|x| Given::Num(x.clone())).collect()
}

/// What `f` gives for every row.
pub fn by_row(x: &[Vec<u64>], f: impl Fn(&[u64]) -> u64) -> Vec<u64> {
    let row = |row: usize| f(&x.iter().map(|x| x[row]).collect::<Vec<_>>());
    (0..x[0].len()).map(row).collect()
}

/// The number in two's complement that `width` bits stand for.
pub fn signed(x: u64, width: usize) -> i64 {
    (x << (64 - width)) as i64 >> (64 - width)
}

/// An operator on one value of planes.
pub fn unary<R: Into<Value>>(
    d: &mut Data,
    build: impl Fn(&mut Builder, &[Bit]) -> R + 'static,
    due: impl Fn(u64) -> u64,
) -> Case {
    let x = d.columns(1);
    let due = by_row(&x, |x| due(x[0]));
    Case::new(planes(d.width, &x), vec![due], move |b, x, _| vec![build(b, x[0].bits()).into()])
}

/// An operator on two values of planes.
pub fn binary<R: Into<Value>>(
    d: &mut Data,
    build: impl Fn(&mut Builder, &[Bit], &[Bit]) -> R + 'static,
    due: impl Fn(u64, u64, usize) -> u64,
) -> Case {
    let x = d.columns(2);
    let due = by_row(&x, |x| due(x[0], x[1], d.width));
    let build = move |b: &mut Builder, x: &[Value], _| {
        let result = build(b, x[0].bits(), x[1].bits());
        vec![result.into()]
    };
    Case::new(planes(d.width, &x), vec![due], build)
}

/// An operator on numbers.
pub fn on_numbers<R: Into<Value>>(
    x: &[Vec<u64>],
    build: impl Fn(&mut Builder, &[Num]) -> R + 'static,
    due: impl Fn(&[u64]) -> u64,
) -> Case {
    let build = move |b: &mut Builder, x: &[Value], _| {
        let x: Vec<Num> = x.iter().map(Value::num).collect();
        vec![build(b, &x).into()]
    };
    Case::new(words(x), vec![by_row(x, due)], build)
}
