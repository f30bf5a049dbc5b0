//! [`Layout`]: what a plan asks for, checked and without repetitions. Everything here is public.

use std::collections::HashMap;

use tacit_plan::{Input, Plan, Role, Rows};

use super::rounding::{Reciprocal, nearest};
use crate::{Error, Result};

/// A sign bit of `plus - minus - bound`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    pub rows: Rows,
    pub plus: usize,
    pub minus: Option<usize>,
    pub bound: u64,
}

/// Whether a value is below a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Below {
    Never,
    Always,
    /// Index of a comparison.
    When(usize),
}

/// A rule that passes where the value is not between the two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Condition {
    pub rows: Rows,
    pub least: Below,
    pub below: Below,
}

/// Bits of a pooled input that may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    pub input: usize,
    /// Number of bits that are opened.
    pub bits: usize,
    /// Two's complement.
    pub signed: bool,
    /// Rounding, as a product and a shift; the opened bits are multiplied by the second.
    pub rounding: Option<(Reciprocal, u64)>,
}

impl Conversion {
    /// Bits to convert, of which the last [`Conversion::bits`] are opened.
    pub fn width(&self) -> usize {
        self.bits + self.rounding.map_or(0, |(by, _)| by.shift)
    }
}

/// What a number of the plan is made of.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Rules, by index, in ascending order.
    pub conditions: Vec<usize>,
    /// Whether nothing contributes.
    pub zero: Below,
    /// Rows of the contributing count.
    pub zero_rows: Rows,
    /// Its value, by index of the conversion.
    pub value: Option<usize>,
}

/// What a plan asks for.
#[derive(Debug, Default)]
pub struct Layout {
    pub comparisons: Vec<Comparison>,
    /// Bits of the widest difference with its sign.
    pub width: usize,
    pub conditions: Vec<Condition>,
    pub conversions: Vec<Conversion>,
    pub numbers: Vec<Shown>,
}

impl Layout {
    pub fn of(plan: &Plan) -> Result<Self> {
        for (i, input) in plan.inputs.iter().enumerate() {
            if !(1..=63).contains(&input.bits) {
                return Err(wrong(format!("input {i} has {} bits, not 1 to 63", input.bits)));
            }
        }
        let mut writer = Writer {
            plan,
            layout: Self::default(),
            comparisons: HashMap::new(),
            conditions: HashMap::new(),
        };
        for (j, number) in plan.numbers.iter().enumerate() {
            let mut conditions = Vec::new();
            for &test in &number.hidden_by {
                conditions.extend(writer.condition(test)?);
            }
            conditions.sort_unstable();
            conditions.dedup();
            let zero_rows = writer.count(number.count)?.rows;
            let zero = writer.below(Comparison {
                rows: zero_rows,
                plus: number.count,
                minus: None,
                bound: 1,
            })?;
            let value = match number.value {
                Some(input) => Some(writer.conversion(j, input, number.rounding)?),
                None => None,
            };
            writer.layout.numbers.push(Shown { conditions, zero, zero_rows, value });
        }
        Ok(writer.layout)
    }

    /// Bits of a number's value; 0 where only its status is opened.
    pub fn bits(&self, number: &Shown) -> usize {
        number.value.map_or(0, |v| self.conversions[v].bits)
    }
}

struct Writer<'a> {
    plan: &'a Plan,
    layout: Layout,
    comparisons: HashMap<Comparison, usize>,
    conditions: HashMap<Condition, usize>,
}

impl Writer<'_> {
    fn input(&self, index: usize) -> Result<&Input> {
        let inputs = &self.plan.inputs;
        inputs.get(index).ok_or_else(|| wrong(format!("input {index} of {}", inputs.len())))
    }

    fn count(&self, index: usize) -> Result<&Input> {
        let input = self.input(index)?;
        if input.role == Role::Sum {
            return Err(wrong(format!("input {index} is a sum where a count is asked for")));
        }
        Ok(input)
    }

    fn below(&mut self, comparison: Comparison) -> Result<Below> {
        let input = self.count(comparison.plus)?;
        let bits = input.bits as usize;
        if comparison.bound == 0 {
            return Ok(Below::Never);
        }
        if comparison.bound >> bits != 0 {
            return Ok(Below::Always);
        }
        self.layout.width = self.layout.width.max(bits + 1);
        let next = self.comparisons.len();
        let index = *self.comparisons.entry(comparison).or_insert(next);
        if index == next {
            self.layout.comparisons.push(comparison);
        }
        Ok(Below::When(index))
    }

    /// The condition of test `index`; `None` if the test can never fail.
    fn condition(&mut self, index: usize) -> Result<Option<usize>> {
        let tests = &self.plan.tests;
        let test =
            tests.get(index).ok_or_else(|| wrong(format!("test {index} of {}", tests.len())))?;
        for input in std::iter::once(test.plus).chain(test.minus) {
            if self.count(input)?.rows != test.rows {
                return Err(wrong(format!("test {index} and its input {input} differ in rows")));
            }
        }
        if test.below.is_some_and(|below| below <= test.least) {
            return Ok(None);
        }
        let comparison =
            |bound| Comparison { rows: test.rows, plus: test.plus, minus: test.minus, bound };
        let least = self.below(comparison(test.least))?;
        let below = match test.below {
            Some(below) => self.below(comparison(below))?,
            None => Below::Always,
        };
        if least == below {
            return Ok(None);
        }
        let condition = Condition { rows: test.rows, least, below };
        let next = self.conditions.len();
        let index = *self.conditions.entry(condition).or_insert(next);
        if index == next {
            self.layout.conditions.push(condition);
        }
        Ok(Some(index))
    }

    fn conversion(&mut self, number: usize, input: usize, rounding: Option<u64>) -> Result<usize> {
        let Input { bits, role, .. } = *self.input(input)?;
        let signed = role == Role::Sum;
        let rounding = match rounding {
            None | Some(1) => None,
            Some(_) if signed => {
                return Err(wrong(format!("number {number}: only counts are rounded")));
            }
            Some(to) => {
                let by = nearest((1 << bits) - 1, to).ok_or_else(|| {
                    wrong(format!(
                        "number {number}: a count of {bits} bits cannot be rounded to {to} in 64 bits"
                    ))
                })?;
                Some((by, to))
            }
        };
        let conversion = Conversion {
            input,
            bits: rounding.map_or(bits as usize, |(by, _)| by.bits),
            signed,
            rounding,
        };
        let known = self.layout.conversions.iter().position(|c| *c == conversion);
        Ok(known.unwrap_or_else(|| {
            self.layout.conversions.push(conversion);
            self.layout.conversions.len() - 1
        }))
    }
}

fn wrong(what: String) -> Error {
    Error::Plan(what)
}
