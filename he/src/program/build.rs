//! From columns of a circuit to forms and gates of rows.

use tacit_mpc::{Circuit, Instruction, Kind as Columns, Op, Shape};

use super::{
    Kind, Program,
    bits::{FALSE, Gate, Ref, TRUE},
    form::Form,
    reveal,
};
use crate::{BLOCK_BITS, Error, Field, Result};

/// Most atoms and gates, and most rows of all columns together: some hundred MB.
const MOST: usize = 1 << 20;

/// A column, row by row.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    Num(Vec<Form>),
    Bit(Vec<Ref>),
}

pub(super) fn program(circuit: &Circuit, fields: &[Vec<Field>]) -> Result<Program> {
    let mut program =
        Program { fields: fields.to_vec(), circuit: circuit.digest(), ..Program::default() };
    program.gate(Gate::False);
    let total = circuit.shapes().iter().fold(0usize, |sum, shape| sum.saturating_add(shape.rows));
    if total > MOST {
        return Err(Error::Input(format!("{total} rows in all columns; at most {MOST} can be")));
    }
    let mut columns: Vec<Option<Rows>> = vec![None; circuit.shapes().len()];
    let mut shown = Vec::new();
    for (at, instruction) in circuit.instructions().iter().enumerate() {
        let args = instruction.args.iter().map(|&id| columns[id as usize].clone());
        let args: Option<Vec<Rows>> = args.collect();
        let args = args.ok_or_else(|| Error::Input("a column is used before it is made".into()))?;
        if let Op::Reveal { to, name } = &instruction.op {
            let shape = circuit.shape(instruction.args[0]);
            shown.extend(args.into_iter().map(|rows| (*to, name.clone(), shape, rows)));
            continue;
        }
        let shape = circuit.shape(instruction.first);
        let results = program.results(at, instruction, shape, &args)?;
        for (id, rows) in (instruction.first..).zip(results) {
            columns[id as usize] = Some(rows);
        }
        if program.atoms.len() + program.gates.len() > MOST {
            return Err(Error::Input(format!("more than {MOST} encrypted values")));
        }
    }
    program.outputs = reveal::outputs(&mut program, shown)?;
    program.tasks = super::plan::tasks(&mut program);
    Ok(program)
}

/// The rows of an argument of bits. The circuit has checked kinds.
fn bits(rows: &Rows) -> &[Ref] {
    match rows {
        Rows::Bit(bits) => bits,
        Rows::Num(_) => &[],
    }
}

fn nums(rows: &Rows) -> &[Form] {
    match rows {
        Rows::Num(nums) => nums,
        Rows::Bit(_) => &[],
    }
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Self::Num(nums) => nums.len(),
            Self::Bit(bits) => bits.len(),
        }
    }

    /// Rows in another order.
    fn pick(&self, index: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Num(nums) => Self::Num(index.map(|i| nums[i].clone()).collect()),
            Self::Bit(bits) => Self::Bit(index.map(|i| bits[i]).collect()),
        }
    }
}

impl Program {
    fn results(
        &mut self,
        at: usize,
        instruction: &Instruction,
        shape: Shape,
        args: &[Rows],
    ) -> Result<Vec<Rows>> {
        let rows = shape.rows;
        if shape.kind == Columns::Field {
            return Err(lacks(at, "prime fields"));
        }
        Ok(match &instruction.op {
            Op::Enter { holder, slot, .. } => vec![self.enter(*holder, *slot, shape)?],
            Op::Constant { value, .. } => vec![match shape.kind {
                Columns::Num => Rows::Num(vec![Form::constant(i128::from(*value as i64)); rows]),
                _ => Rows::Bit(vec![if value & 1 == 1 { TRUE } else { FALSE }; rows]),
            }],
            Op::RowNumber { width, .. } => {
                let plane = |i: usize| (0..rows).map(move |row| bit(i < 64 && (row >> i) & 1 == 1));
                (0..*width).map(|i| Rows::Bit(plane(i).collect())).collect()
            }
            Op::Add => vec![self.zip(args, |p, x, y| (p, x.plus(1, y)).1, Self::xor)],
            Op::Sub => vec![self.zip(args, |p, x, y| (p, x.plus(-1, y)).1, Self::xor)],
            Op::Mul => vec![self.zip(args, Self::product, Self::and)],
            Op::Scale(c) => {
                let factor = i128::from(*c as i64);
                let scaled = nums(&args[0]).iter().map(|x| Form::default().plus(factor, x));
                vec![Rows::Num(scaled.collect())]
            }
            Op::Sum => {
                let sums = self.prefix(&args[0]);
                let last = sums.len().wrapping_sub(1);
                vec![match sums {
                    _ if last == usize::MAX && shape.kind == Columns::Num => {
                        Rows::Num(vec![Form::default()])
                    }
                    _ if last == usize::MAX => Rows::Bit(vec![FALSE]),
                    sums => sums.pick([last].into_iter()),
                }]
            }
            Op::PrefixSum => vec![self.prefix(&args[0])],
            Op::Transpose { columns } => {
                let of = args[0].len() / columns;
                vec![args[0].pick((0..rows).map(|i| (i % of) * columns + i / of))]
            }
            Op::Slice { start, rows } => vec![args[0].pick(*start..start + rows)],
            Op::Broadcast { rows } => vec![args[0].pick(std::iter::repeat_n(0, *rows))],
            Op::Gather { index } => vec![args[0].pick(index.iter().map(|&i| i as usize))],
            Op::Concat => vec![match shape.kind {
                Columns::Num => Rows::Num(args.iter().flat_map(nums).cloned().collect()),
                _ => Rows::Bit(args.iter().flat_map(bits).copied().collect()),
            }],
            Op::ToBits { width } => {
                let width = *width as u32;
                let x = nums(&args[0]);
                let plane = |p: &mut Self, i| x.iter().map(|x| p.plane(x, width, i)).collect();
                (0..width).map(|i| Rows::Bit(plane(self, i))).collect()
            }
            Op::ToNum => {
                let number = |p: &mut Self, row| p.number_of(&planes(args, row));
                vec![Rows::Num((0..rows).map(|row| number(self, row)).collect())]
            }
            Op::IsZero { width } => {
                let zero = |p: &mut Self, x: &Form| {
                    let (least, most) = p.range(x);
                    let once = 1i128 << width;
                    let x = if -once < least && most < once {
                        x.clone()
                    } else {
                        p.reduced(x, *width as u32)
                    };
                    p.zero(&x)
                };
                vec![Rows::Bit(nums(&args[0]).iter().map(|x| zero(self, x)).collect())]
            }
            Op::Less | Op::Equal => {
                let (xs, ys) = args.split_at(args.len() / 2);
                let less = instruction.op == Op::Less;
                let compare = |p: &mut Self, row| {
                    let x = p.number_of(&planes(xs, row));
                    let y = p.number_of(&planes(ys, row));
                    let difference = x.plus(-1, &y);
                    if less { p.negative(&difference) } else { p.zero(&difference) }
                };
                vec![Rows::Bit((0..rows).map(|row| compare(self, row)).collect())]
            }
            Op::Select => self.select(args, rows),
            Op::Random { .. } => return Err(lacks(at, "randomness")),
            Op::Addend { .. } => {
                return Err(lacks(at, "addends: it runs circuits that are not lowered"));
            }
            Op::Block(_) | Op::Argument { .. } => return Err(lacks(at, "blocks of tiles")),
            Op::Shuffle { .. } => return Err(lacks(at, "shuffles")),
            Op::Permute { .. } => return Err(lacks(at, "secret permutations")),
            Op::Mask { .. } | Op::OpenMasked => return Err(lacks(at, "openings of masked values")),
            Op::Sort(_) | Op::Open => return Err(lacks(at, "sorting")),
            Op::Reveal { .. } => return Err(lacks(at, "revealing here")),
        })
    }

    fn enter(&mut self, party: usize, slot: usize, shape: Shape) -> Result<Rows> {
        let of = self.fields.get(party).map_or(&[][..], Vec::as_slice);
        let field = of.get(slot).filter(|field| field.shape == shape).copied();
        let field = field.ok_or_else(|| {
            Error::Input(format!("there is no field {slot} of party {party} of shape {shape:?}"))
        })?;
        let first: usize = of[..slot].iter().map(|field| field.shape.rows).sum();
        let index = first..first + shape.rows;
        Ok(match shape.kind {
            Columns::Num => {
                let bits = field.row_blocks() as u32 * BLOCK_BITS;
                let most = u64::MAX >> (64 - bits);
                let atom = |index| Form::atom(self.atom(Kind::Input { party, index }, most));
                Rows::Num(index.map(atom).collect())
            }
            _ => Rows::Bit(index.map(|index| self.gate(Gate::Input { party, index })).collect()),
        })
    }

    fn zip(
        &mut self,
        args: &[Rows],
        mut num: impl FnMut(&mut Self, &Form, &Form) -> Form,
        mut bit: impl FnMut(&mut Self, Ref, Ref) -> Ref,
    ) -> Rows {
        match (&args[0], &args[1]) {
            (Rows::Num(x), Rows::Num(y)) => {
                Rows::Num(x.iter().zip(y).map(|(x, y)| num(self, x, y)).collect())
            }
            (x, y) => {
                Rows::Bit(bits(x).iter().zip(bits(y)).map(|(&x, &y)| bit(self, x, y)).collect())
            }
        }
    }

    /// Row `i` is the sum of rows `0 ..= i`.
    fn prefix(&mut self, rows: &Rows) -> Rows {
        match rows {
            Rows::Num(x) => {
                let sums = x.iter().scan(Form::default(), |sum, x| {
                    *sum = sum.plus(1, x);
                    Some(sum.clone())
                });
                Rows::Num(sums.collect())
            }
            Rows::Bit(x) => {
                let mut sum = FALSE;
                let next = |&x| {
                    sum = self.xor(sum, x);
                    sum
                };
                Rows::Bit(x.iter().map(next).collect())
            }
        }
    }

    fn select(&mut self, args: &[Rows], rows: usize) -> Vec<Rows> {
        let width = args.len() / 2;
        let (xs, ys) = args[1..].split_at(width);
        let mut chosen: Vec<Vec<Ref>> = vec![Vec::with_capacity(rows); width];
        for row in 0..rows {
            let condition = bits(&args[0])[row];
            if width == 1 {
                // y xor c(x xor y)
                let (x, y) = (bits(&xs[0])[row], bits(&ys[0])[row]);
                let (with, without) = (self.and(condition, x), self.and(!condition, y));
                chosen[0].push(self.or(with, without));
                continue;
            }
            let x = self.number_of(&planes(xs, row));
            let y = self.number_of(&planes(ys, row));
            let z = self.choose(condition, &x, &y);
            for (i, plane) in chosen.iter_mut().enumerate() {
                plane.push(self.plane(&z, width as u32, i as u32));
            }
        }
        chosen.into_iter().map(Rows::Bit).collect()
    }
}

/// One row of several columns of bits.
fn planes(columns: &[Rows], row: usize) -> Vec<Ref> {
    columns.iter().map(|column| bits(column)[row]).collect()
}

fn bit(value: bool) -> Ref {
    if value { TRUE } else { FALSE }
}

fn lacks(at: usize, what: &str) -> Error {
    Error::Unsupported { at, what: what.into() }
}
