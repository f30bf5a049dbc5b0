//! Operators of a family on every engine, against what plain Rust gives, and their price.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tacit_mpc::testing::{assert_laws, session};
use tacit_mpc::{Bit, Builder, Circuit, Column, EngineKind, Num, bill, clear};
use tacit_protocols::lower;

use super::{mask, numbers, planes};

/// The numbers of rows at which something may go wrong.
pub const SIZES: [usize; 7] = [0, 1, 2, 63, 64, 65, 130];

/// What party 0 enters.
#[derive(Clone, Debug)]
pub enum Given {
    /// Numbers of so many bits, as planes.
    Bits(usize, Vec<u64>),
    /// Numbers.
    Num(Vec<u64>),
}

impl Given {
    /// What the holder enters.
    pub fn columns(&self) -> Vec<Column> {
        match self {
            Self::Bits(width, x) => planes(x, *width),
            Self::Num(x) => vec![Column::Num(x.clone())],
        }
    }

    /// The columns as `holder` enters them.
    pub fn enter(&self, b: &mut Builder, holder: usize) -> Value {
        match self {
            Self::Bits(width, x) => {
                Value::Bits((0..*width).map(|_| b.enter(holder, x.len())).collect())
            }
            Self::Num(x) => Value::Num(b.enter(holder, x.len())),
        }
    }
}

/// What an operator takes or gives.
#[derive(Clone, Debug)]
pub enum Value {
    Bits(Vec<Bit>),
    Num(Num),
}

impl Value {
    pub fn bits(&self) -> &[Bit] {
        match self {
            Self::Bits(planes) => planes,
            Self::Num(_) => panic!("a number, not planes"),
        }
    }

    pub fn num(&self) -> Num {
        match self {
            Self::Num(x) => *x,
            Self::Bits(_) => panic!("planes, not a number"),
        }
    }
}

impl From<Bit> for Value {
    fn from(x: Bit) -> Self {
        Self::Bits(vec![x])
    }
}

impl From<Vec<Bit>> for Value {
    fn from(x: Vec<Bit>) -> Self {
        Self::Bits(x)
    }
}

impl From<Num> for Value {
    fn from(x: Num) -> Self {
        Self::Num(x)
    }
}

/// Opens every column of a value.
pub fn reveal(b: &mut Builder, value: &Value, to: usize) {
    match value {
        Value::Bits(planes) => planes.iter().for_each(|plane| b.reveal(*plane, to, "bits")),
        Value::Num(x) => b.reveal(*x, to, "number"),
    }
}

/// The circuit, and of every result how many planes it has (0 for a number).
fn circuit(
    given: &[Given],
    to: usize,
    build: &dyn Fn(&mut Builder, &[Value]) -> Vec<Value>,
) -> (Circuit, Vec<usize>) {
    let mut b = Builder::new();
    let entered: Vec<Value> = given.iter().map(|x| x.enter(&mut b, 0)).collect();
    let values = build(&mut b, &entered);
    let mut widths = Vec::new();
    for value in &values {
        reveal(&mut b, value, to);
        widths.push(match value {
            Value::Bits(planes) => planes.len(),
            Value::Num(_) => 0,
        });
    }
    (b.finish(), widths)
}

/// What was opened, by value and row; `widths` says how many planes a value has, 0 for a number.
pub fn read(opened: &[(usize, String, Column)], widths: &[usize]) -> Vec<Vec<u64>> {
    let mut columns = opened.iter().map(|(_, _, column)| column);
    widths
        .iter()
        .map(|&width| match width {
            0 => columns.next().unwrap().to_numbers(),
            _ => numbers(columns.by_ref().take(width)),
        })
        .collect()
}

/// Checks on the oracle, with and without lowering, that the results are as expected.
pub fn on_clear(
    given: &[Given],
    expected: &[Vec<u64>],
    build: impl Fn(&mut Builder, &[Value]) -> Vec<Value>,
) {
    let inputs = BTreeMap::from([(0, given.iter().flat_map(Given::columns).collect())]);
    let (circuit, widths) = circuit(given, 1, &build);
    assert_eq!(read(&clear(&circuit, &inputs).unwrap(), &widths), expected, "{given:?}");
    for addends in [1, 3] {
        let opened = clear(&lower(&circuit, addends), &inputs).unwrap();
        assert_eq!(read(&opened, &widths), expected, "{addends} addends, {given:?}");
    }
}

/// Checks the laws on every engine, and that the results are as expected.
pub fn on_engines(
    given: &[Given],
    expected: &[Vec<u64>],
    build: impl Fn(&mut Builder, &[Value]) -> Vec<Value>,
) {
    let inputs = BTreeMap::from([(0, given.iter().flat_map(Given::columns).collect())]);
    for (engine, sites) in [
        (EngineKind::Clear, 2),
        (EngineKind::Rep3, 3),
        (EngineKind::Additive, 2),
        (EngineKind::Additive, 5),
    ] {
        let session = session(engine, sites, sites);
        let (circuit, widths) = circuit(given, session.analyst, &build);
        let circuit = lower(&circuit, engine.addends(sites));
        let opened = assert_laws(&circuit, engine, &session.roster, &inputs, 5);
        assert_eq!(read(&opened, &widths), expected, "{engine} among {sites}, {given:?}");
    }
}

/// A column of numbers of `width` bits: with edge values, all equal, of few values, or sorted.
pub fn column(width: usize, rows: usize) -> impl Strategy<Value = Vec<u64>> {
    let top = mask(width);
    let number = prop_oneof![
        4 => any::<u64>().prop_map(move |x| x & top),
        1 => prop::sample::select(vec![0, 1 & top, top, top >> 1, top ^ (top >> 1)]),
    ];
    (prop::collection::vec(number, rows), 0..6).prop_map(|(mut x, mode)| {
        match mode {
            0 if !x.is_empty() => x = vec![x[0]; x.len()],
            1 => {
                let few: Vec<u64> = x.iter().take(3).copied().collect();
                x = x.iter().map(|x| few[*x as usize % few.len()]).collect();
            }
            2 => x.sort_unstable(),
            _ => {}
        }
        x
    })
}

/// Width, and `count` columns of that width and of one of [`SIZES`].
pub fn columns(
    count: usize,
    widths: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = (usize, Vec<Vec<u64>>)> {
    (widths, prop::sample::select(&SIZES[..])).prop_flat_map(move |(width, rows)| {
        (Just(width), prop::collection::vec(column(width, rows), count))
    })
}

/// What an operator costs without entering and opening.
#[derive(Debug)]
pub struct Price {
    pub rounds: u64,
    /// Bytes that each compute party sends, per row of the arguments.
    pub sent: Vec<f64>,
}

/// What an operator costs an engine among three, over arguments of so many rows that it makes of
/// nothing.
pub fn price(engine: EngineKind, build: impl Fn(&mut Builder, usize) -> Value) -> Price {
    const ROWS: usize = 8000;
    let session = session(engine, 3, 3);
    let mut b = Builder::new();
    let value = build(&mut b, ROWS);
    let opened: usize = match &value {
        Value::Bits(planes) => planes.iter().map(|plane| b.shape(*plane).bytes()).sum(),
        Value::Num(x) => b.shape(*x).bytes(),
    };
    reveal(&mut b, &value, session.analyst);
    let circuit = lower(&b.finish(), engine.addends(3));
    let bill = bill(&circuit, engine, &session.roster).unwrap();
    let sent = |p: usize| (bill.parties[p].sent - opened as u64) as f64 / ROWS as f64;
    Price { rounds: bill.rounds - 1, sent: (0..3).map(sent).collect() }
}
