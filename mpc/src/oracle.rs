//! The oracle: a circuit evaluated on plain data, in one place, by the definition of every
//! instruction. Every engine must equal it bit for bit.

use std::collections::BTreeMap;

use crate::{
    Circuit, Column, Error, Id, Instruction, Kind, Op, Result, Shape,
    block::{self, Part},
    linear::{self, Ring, with_ring},
    mask, order, transpose, words,
};

/// Evaluates a circuit on plain data: `inputs[holder]` are that party's columns by slot.
///
/// Macros are evaluated as such; a lowered circuit is evaluated with one addend (addend 0 is the
/// value, all others are zero). [`Op::Random`] draws from a fixed public key, so that a test is
/// repeatable. The result is what every [`Op::Reveal`] opens: receiver, name, column, in circuit
/// order.
///
/// # Errors
/// [`Error::Input`] if a column is missing or of another shape.
pub fn clear(
    circuit: &Circuit,
    inputs: &BTreeMap<usize, Vec<Column>>,
) -> Result<Vec<(usize, String, Column)>> {
    let (opened, _) = walk(circuit, inputs, &[], &[])?;
    Ok(opened)
}

/// Receiver, name and column of what is opened.
type Opened = Vec<(usize, String, Column)>;

/// What is opened, and the columns `outputs`; `given` are the arguments of a block.
fn walk(
    circuit: &Circuit,
    inputs: &BTreeMap<usize, Vec<Column>>,
    given: &[&Column],
    outputs: &[Id],
) -> Result<(Opened, Vec<Column>)> {
    let mut last = vec![0; circuit.shapes().len()];
    for (at, instruction) in circuit.instructions().iter().enumerate() {
        for &arg in &instruction.args {
            last[arg as usize] = at;
        }
    }
    for &id in outputs {
        last[id as usize] = usize::MAX;
    }
    let mut columns: Vec<Option<Column>> = vec![None; circuit.shapes().len()];
    let mut opened = Vec::new();
    let mut offset = 0;
    for (at, instruction) in circuit.instructions().iter().enumerate() {
        let args: Vec<&Column> = instruction
            .args
            .iter()
            .map(|&id| {
                columns[id as usize].as_ref().ok_or_else(|| Error::Circuit {
                    at,
                    what: "an argument comes after its use".into(),
                })
            })
            .collect::<Result<_>>()?;
        let results = match &instruction.op {
            Op::Enter { holder, slot, shape } => {
                let column =
                    inputs.get(holder).and_then(|columns| columns.get(*slot)).ok_or_else(|| {
                        Error::Input(format!("column {slot} of party {holder} is missing"))
                    })?;
                column.check(*holder, *slot, *shape)?;
                vec![Column::from_words(*shape, column.words().to_vec())]
            }
            Op::Reveal { to, name } => {
                opened.push((*to, name.clone(), args[0].clone()));
                vec![]
            }
            Op::Random { shape } => {
                let mut z = vec![0; shape.words()];
                mask::public().draw(shape.kind, offset, &mut z);
                vec![Column::from_words(*shape, z)]
            }
            Op::Argument { index, .. } => {
                given.get(*index).map(|&column| column.clone()).into_iter().collect()
            }
            // Any order is as good as another.
            Op::Shuffle { .. } => args.iter().map(|&column| column.clone()).collect(),
            Op::Sort(sort) => sorted(&args, sort.width, sort.first),
            Op::Permute { order, inverse } => permuted(&args, *order, *inverse)?,
            Op::RowNumber { rows, width } => planes(&(0..*rows as u64).collect::<Vec<_>>(), *width),
            Op::Block(block) => {
                let body = block::resized(&block.body, block.rows)?;
                let (_, mut columns) = walk(&body, inputs, &args, &block.kept())?;
                for (part, column) in block.parts.iter().zip(&mut columns[block.outputs.len()..]) {
                    let kind = column.shape().kind;
                    let (rows, words) = match *part {
                        Part::Sum(_) => (1, vec![linear::sum(kind, column.words())]),
                        Part::Rows { start, rows, .. } => {
                            let mut z = vec![0; Shape { kind, rows }.words()];
                            linear::slice(Shape { kind, rows }, column.words(), start, &mut z);
                            (rows, z)
                        }
                    };
                    *column = Column::from_words(Shape { kind, rows }, words);
                }
                columns
            }
            _ => evaluate(circuit, instruction, &args),
        };
        offset += mask::blocks(circuit, instruction);
        for (id, column) in (instruction.first..).zip(results) {
            columns[id as usize] = Some(column);
        }
        for &id in &instruction.args {
            if last[id as usize] == at {
                columns[id as usize] = None;
            }
        }
    }
    let kept = outputs.iter().filter_map(|&id| columns[id as usize].clone()).collect();
    Ok((opened, kept))
}

/// All columns with their rows sorted by the first `width`, planes of a key.
fn sorted(args: &[&Column], width: usize, first: Option<usize>) -> Vec<Column> {
    let key = |row: usize| -> Vec<u64> {
        args[..width].iter().rev().map(|plane| plane.row(row)).collect()
    };
    let mut rows: Vec<u32> = (0..args[0].rows() as u32).collect();
    rows.sort_by_cached_key(|&row| key(row as usize));
    rows.truncate(first.unwrap_or(rows.len()));
    let gathered = args.iter().map(|column| {
        let shape = Shape { rows: rows.len(), ..column.shape() };
        let mut z = vec![0; shape.words()];
        linear::gather(shape.kind, column.words(), &rows, &mut z);
        Column::from_words(shape, z)
    });
    gathered.collect()
}

/// The columns after the first `order` in the order that those are.
fn permuted(args: &[&Column], order: usize, inverse: bool) -> Result<Vec<Column>> {
    let (by, moved) = args.split_at(order);
    let planes: Vec<&[u64]> = by.iter().map(|plane| plane.words()).collect();
    let order = order::from_opened(&order::row_numbers(by[0].shape(), &planes))?;
    let moved = moved.iter().map(|column| {
        let shape = column.shape();
        let mut z = vec![0; shape.words()];
        order::arrange(&[shape], &[column.words()], &order, inverse, &mut [&mut z]);
        Column::from_words(shape, z)
    });
    Ok(moved.collect())
}

/// The results of an instruction that neither enters nor opens.
fn evaluate(circuit: &Circuit, instruction: &Instruction, args: &[&Column]) -> Vec<Column> {
    let shape = circuit.shape(instruction.first);
    let x = args.first().map_or(&[][..], |x| x.words());
    let y = args.get(1).map_or(&[][..], |y| y.words());
    let mut z = vec![0; shape.words()];
    match &instruction.op {
        Op::Constant { value, .. } => linear::fill(shape, linear::word(shape.kind, *value), &mut z),
        Op::Add => linear::add(shape.kind, x, y, &mut z),
        Op::Sub => linear::sub(shape.kind, x, y, &mut z),
        Op::Mul => {
            z = with_ring!(shape.kind, R => x.iter().zip(y).map(|(x, y)| R::mul(*x, *y)).collect());
        }
        Op::Scale(c) => {
            z.copy_from_slice(x);
            linear::scale(shape.kind, *c, &mut z);
        }
        Op::Sum => z[0] = linear::sum(shape.kind, x),
        Op::PrefixSum => transpose::prefix_sum(shape, x, &mut z),
        Op::Transpose { columns } => transpose::transpose(shape, *columns, x, &mut z),
        Op::Slice { start, .. } => linear::slice(shape, x, *start, &mut z),
        Op::Concat => {
            let parts = args.iter().map(|a| (a.words(), a.rows()));
            linear::concat(shape.kind, parts, &mut z);
        }
        Op::Broadcast { .. } => linear::broadcast(shape, x, &mut z),
        Op::Gather { index } => linear::gather(shape.kind, x, index, &mut z),
        Op::Addend { index, width } => {
            let kept = if *index == 0 {
                (*args[0]).clone()
            } else {
                Column::from_words(args[0].shape(), vec![0; args[0].words().len()])
            };
            return match kept.shape().kind {
                Kind::Num => planes(kept.words(), *width),
                Kind::Bit | Kind::Field => vec![Column::Num(kept.to_numbers())],
            };
        }
        Op::ToBits { width } => return planes(x, *width),
        Op::Mask { .. } => {}
        Op::ToNum | Op::OpenMasked => {
            let planes: Vec<&[u64]> = args.iter().map(|a| a.words()).collect();
            words::from_planes(&planes, &mut z);
        }
        Op::IsZero { width } => {
            let mask = u64::MAX >> (64 - width);
            return vec![Column::bits(x.iter().map(|x| x & mask == 0))];
        }
        Op::Less => {
            let (xs, ys) = args.split_at(args.len() / 2);
            for (x, y) in xs.iter().zip(ys) {
                for ((z, x), y) in z.iter_mut().zip(x.words()).zip(y.words()) {
                    *z = !x & y | !(x ^ y) & *z;
                }
            }
        }
        Op::Equal => {
            z.fill(u64::MAX);
            let (xs, ys) = args.split_at(args.len() / 2);
            for (x, y) in xs.iter().zip(ys) {
                for ((z, x), y) in z.iter_mut().zip(x.words()).zip(y.words()) {
                    *z &= !(x ^ y);
                }
            }
        }
        Op::Select => {
            let (xs, ys) = args[1..].split_at(args.len() / 2);
            return xs
                .iter()
                .zip(ys)
                .map(|(a, b)| {
                    let pick = |((a, b), c): ((&u64, &u64), &u64)| b ^ c & (a ^ b);
                    let z = a.words().iter().zip(b.words()).zip(x).map(pick).collect();
                    Column::from_words(shape, z)
                })
                .collect();
        }
        Op::Enter { .. }
        | Op::Random { .. }
        | Op::Reveal { .. }
        | Op::Block(_)
        | Op::Sort(_)
        | Op::Shuffle { .. }
        | Op::Permute { .. }
        | Op::RowNumber { .. }
        | Op::Open
        | Op::Argument { .. } => return vec![],
    }
    vec![Column::from_words(shape, z)]
}

/// The lowest `width` bits of numbers as columns of bits.
fn planes(numbers: &[u64], width: usize) -> Vec<Column> {
    let shape = Shape { kind: Kind::Bit, rows: numbers.len() };
    let mut planes = vec![vec![0; shape.words()]; width];
    let mut slices: Vec<&mut [u64]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
    words::to_planes(numbers, &mut slices);
    planes.into_iter().map(|plane| Column::from_words(shape, plane)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bit, Builder, Num};

    fn open(b: Builder, inputs: Vec<Column>) -> Vec<Vec<u64>> {
        clear(&b.finish(), &BTreeMap::from([(0, inputs)]))
            .unwrap()
            .into_iter()
            .map(|(_, _, column)| column.to_numbers())
            .collect()
    }

    #[test]
    fn macros_mean_what_they_say() {
        let (x, y) = (vec![3, 200, 77, 255], vec![4, 199, 77, 0]);
        let mut b = Builder::new();
        let (nx, ny): (Num, Num) = (b.enter(0, 4), b.enter(0, 4));
        let (px, py) = (b.to_bits(nx, 8), b.to_bits(ny, 8));
        let less = b.less(&px, &py);
        let equal = b.equal(&px, &py);
        let smaller = b.select(less, &px, &py);
        let smaller = b.to_num(&smaller);
        let even = b.is_zero(nx, 1);
        b.reveal(less, 1, "less");
        b.reveal(equal, 1, "equal");
        b.reveal(smaller, 1, "smaller");
        b.reveal(even, 1, "even");
        let opened = open(b, vec![Column::Num(x), Column::Num(y)]);
        assert_eq!(opened[0], [1, 0, 0, 0]);
        assert_eq!(opened[1], [0, 0, 1, 0]);
        assert_eq!(opened[2], [3, 199, 77, 0]);
        assert_eq!(opened[3], [0, 1, 0, 0]);
    }

    #[test]
    fn not_keeps_the_tail_clear() {
        let mut b = Builder::new();
        let x: Bit = b.enter(0, 70);
        let x = b.not(x);
        let parity = b.sum(x);
        b.reveal(parity, 1, "parity");
        let ones = Column::bits((0..70).map(|i| i > 2));
        assert_eq!(open(b, vec![ones])[0], [1]);
    }

    #[test]
    fn a_column_of_another_shape_is_refused() {
        let mut b = Builder::new();
        let x: Num = b.enter(0, 2);
        b.reveal(x, 1, "x");
        let circuit = b.finish();
        let given = |columns| clear(&circuit, &BTreeMap::from([(0, columns)]));
        assert!(given(vec![Column::Num(vec![1, 2])]).is_ok());
        assert!(given(vec![Column::Num(vec![1])]).is_err());
        assert!(given(vec![Column::bits([true, true])]).is_err());
        assert!(given(vec![]).is_err());
    }
}
