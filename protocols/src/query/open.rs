//! What a data holder enters and what the analyst reads.

use tacit_mpc::Column;
use tacit_plan::{Cell, InputColumns, Opened, Plan, Role, Status};

use super::layout::{Conversion, Layout};
use super::{HIDDEN, VALUES, ZERO};
use crate::{Error, Result};

/// What a data holder enters, in the order of its `Enter` instructions.
///
/// # Errors
/// [`Error::Columns`] and [`Error::Input`] if there are too few or too many columns or rows, a
/// count is negative, a flag is neither 0 nor 1, or a value does not fit its input's bits. The
/// message does not carry the value.
pub fn inputs(plan: &Plan, own: &InputColumns) -> Result<Vec<Column>> {
    if own.columns.len() != plan.inputs.len() {
        return Err(Error::Columns { found: own.columns.len(), expected: plan.inputs.len() });
    }
    let mut columns = Vec::with_capacity(own.columns.len());
    for (index, (input, column)) in plan.inputs.iter().zip(&own.columns).enumerate() {
        let wrong =
            |what: String| Error::Input { input: index, name: input.expression.clone(), what };
        let rows = plan.rows(input.rows);
        if column.len() != rows {
            return Err(wrong(format!("{} rows, not {rows}", column.len())));
        }
        if !(1..=63).contains(&input.bits) {
            return Err(wrong(format!("{} bits, not 1 to 63", input.bits)));
        }
        let (least, most) = match input.role {
            Role::Count => (0, i64::MAX >> (63 - input.bits)),
            Role::BelowFloor { .. } => (0, 1),
            Role::Sum => {
                let half = 1i64 << (input.bits - 1);
                (-half, half - 1)
            }
        };
        if column.iter().any(|value| !(least..=most).contains(value)) {
            return Err(wrong(match input.role {
                Role::Count => format!("a count is negative or over {} bits", input.bits),
                Role::BelowFloor { .. } => "a flag is neither 0 nor 1".into(),
                Role::Sum => format!("a sum is over {} bits", input.bits),
            }));
        }
        let words = column.iter().map(|&value| value as u64).collect();
        columns.push(Column::Num(words));
    }
    Ok(columns)
}

/// What was opened to the analyst, as statuses and values.
///
/// # Errors
/// [`Error::Opened`] if the columns are not the ones that the plan's circuit opens, or contradict
/// each other; [`Error::Plan`] as [`crate::circuit`].
pub fn decode(plan: &Plan, opened: &[(String, Column)]) -> Result<Opened> {
    let layout = Layout::of(plan)?;
    let cells = plan.cells();
    let numbers = layout.numbers.len();
    let bits: usize = layout.numbers.iter().map(|n| layout.bits(n)).sum();
    let mut expected = Vec::new();
    if numbers > 0 {
        expected.extend([(HIDDEN, numbers * cells), (ZERO, numbers * cells)]);
    }
    if bits > 0 {
        expected.push((VALUES, bits * cells));
    }
    if opened.len() != expected.len() {
        return Err(Error::Opened {
            name: "everything".into(),
            what: format!("{} columns, not {}", opened.len(), expected.len()),
        });
    }
    let mut columns = Vec::with_capacity(expected.len());
    for ((name, rows), (found, column)) in expected.into_iter().zip(opened) {
        let wrong = |what: &str| Error::Opened { name: name.into(), what: what.into() };
        if found != name {
            return Err(wrong("missing or out of order"));
        }
        match column {
            Column::Bit { words, rows: n } if *n == rows && words.len() >= rows.div_ceil(64) => {
                columns.push(&words[..]);
            }
            Column::Bit { .. } => return Err(wrong("wrong number of rows")),
            Column::Num(_) | Column::Field(_) => return Err(wrong("numbers where bits belong")),
        }
    }
    let mut start = 0;
    let mut out = Vec::with_capacity(numbers);
    for (j, number) in layout.numbers.iter().enumerate() {
        let conversion = number.value.map(|v| &layout.conversions[v]);
        let values = conversion.map(|c| read(columns[2], start, c, cells));
        start += layout.bits(number) * cells;
        let mut row = Vec::with_capacity(cells);
        for cell in 0..cells {
            let hidden = bit(columns[0], j * cells + cell);
            let zero = bit(columns[1], j * cells + cell);
            let value = values.as_ref().map_or(0, |values| values[cell]);
            if hidden && (zero || value != 0) {
                return Err(Error::Opened {
                    name: HIDDEN.into(),
                    what: "a hidden number that is not masked".into(),
                });
            }
            row.push(match (hidden, zero) {
                (true, _) => Cell { status: Status::Hidden, value: 0 },
                (false, true) => Cell { status: Status::Zero, value: 0 },
                (false, false) => Cell { status: Status::Shown, value },
            });
        }
        out.push(row);
    }
    Ok(Opened { numbers: out })
}

/// The values whose planes begin at row `start`, one plane of `cells` rows after the other.
fn read(words: &[u64], start: usize, conversion: &Conversion, cells: usize) -> Vec<i64> {
    let mut values = vec![0u64; cells];
    for plane in 0..conversion.bits {
        let first = start + plane * cells;
        for (cell, value) in values.iter_mut().enumerate() {
            *value |= u64::from(bit(words, first + cell)) << plane;
        }
    }
    let unused = 64 - conversion.bits;
    values
        .into_iter()
        .map(|value| match conversion.rounding {
            Some((_, to)) => value.wrapping_mul(to) as i64,
            None if conversion.signed => ((value << unused) as i64) >> unused,
            None => value as i64,
        })
        .collect()
}

fn bit(words: &[u64], row: usize) -> bool {
    words[row / 64] >> (row % 64) & 1 == 1
}
