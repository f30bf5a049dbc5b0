//! Writes the circuit of a plan.

use std::collections::BTreeMap;

use tacit_mpc::{Bit, Builder, Circuit, Handle, Num};
use tacit_plan::{Plan, Rows};

use super::layout::{Below, Condition, Conversion, Layout};
use super::{CHAIN, CHAIN_WIDTH, HIDDEN, TREE, VALUES, ZERO};
use crate::operators::{and_all, ceil_log2};
use crate::{Error, Result};

/// Session indices of those who take part in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    /// Every data holder: each enters every input.
    pub holders: Vec<usize>,
    /// The only one to whom anything is opened.
    pub analyst: usize,
}

/// The circuit of a plan, with macro instructions.
///
/// Each holder enters a column for every input of the plan. What is opened: `hidden` and `zero`,
/// for each number each cell, and `values`, for each number each bit (least significant first) each
/// cell. For counts of up to 32 bits and up to 16 rules on a number the rounds are the same for
/// every plan: 14 on `rep3`, 12 to 14 on `additive` with two to five compute parties.
///
/// # Security
/// Opens `hidden`, `zero` and `values` to the analyst and nothing else to anybody. Shapes depend on
/// the plan and the parties alone.
///
/// # Errors
/// [`Error::Plan`] if the plan contradicts itself or asks for a rounding that does not fit 64
/// bits; [`Error::Parties`] if there is no holder, or one twice.
pub fn circuit(plan: &Plan, parties: &Parties) -> Result<Circuit> {
    let mut holders = parties.holders.clone();
    holders.sort_unstable();
    holders.dedup();
    if holders.is_empty() || holders.len() != parties.holders.len() {
        return Err(Error::Parties("every data holder once, at least one".into()));
    }
    let layout = Layout::of(plan)?;
    let mut b = Builder::new();
    let pooled = pool(&mut b, plan, &parties.holders);
    let mut writer = Writer { b, cells: plan.cells(), plan, layout: &layout, pooled };
    writer.write(parties.analyst);
    Ok(writer.b.finish())
}

/// Every input as the sum of what the holders enter.
fn pool(b: &mut Builder, plan: &Plan, holders: &[usize]) -> Vec<Num> {
    let mut pooled: Vec<Num> = Vec::with_capacity(plan.inputs.len());
    for (i, &holder) in holders.iter().enumerate() {
        for (j, input) in plan.inputs.iter().enumerate() {
            let own = b.enter(holder, plan.rows(input.rows));
            if i == 0 {
                pooled.push(own);
            } else {
                pooled[j] = b.add(pooled[j], own);
            }
        }
    }
    pooled
}

struct Writer<'a> {
    b: Builder,
    cells: usize,
    plan: &'a Plan,
    layout: &'a Layout,
    pooled: Vec<Num>,
}

impl Writer<'_> {
    fn write(&mut self, analyst: usize) {
        if self.layout.numbers.is_empty() {
            return;
        }
        let signs = self.compare();
        let pace = self.pace();
        let shown = self.shown(&signs, pace.map(|[late, _]| late));
        let zeros: Vec<Bit> = self
            .layout
            .numbers
            .iter()
            .map(|number| {
                let zero = self.below(number.zero, number.zero_rows, &signs);
                self.over_cells(zero)
            })
            .collect();

        let all_shown = self.b.concat(&shown);
        let mut hidden = self.b.not(all_shown);
        if let Some([_, nil]) = pace {
            // Opened together with what is masked, not a round before.
            hidden = self.shift(hidden, nil);
        }
        self.b.reveal(hidden, analyst, HIDDEN);

        let zero = self.b.concat(&zeros);
        let zero = self.b.and(zero, all_shown);
        self.b.reveal(zero, analyst, ZERO);

        let (planes, masks) = self.values(&shown);
        if !planes.is_empty() {
            let planes = self.b.concat(&planes);
            let masks = self.b.concat(&masks);
            let values = self.b.and(planes, masks);
            self.b.reveal(values, analyst, VALUES);
        }
    }

    /// All sign bits, by comparison, from one carry chain.
    fn compare(&mut self) -> Vec<Bit> {
        let comparisons = &self.layout.comparisons;
        if comparisons.is_empty() {
            return Vec::new();
        }
        let mut columns = Vec::with_capacity(comparisons.len());
        for c in comparisons {
            let mut value = self.pooled[c.plus];
            if let Some(minus) = c.minus {
                value = self.b.sub(value, self.pooled[minus]);
            }
            let bound = self.b.constant(c.bound, self.plan.rows(c.rows));
            columns.push(self.b.sub(value, bound));
        }
        let long = self.b.concat(&columns);
        let planes = self.b.to_bits(long, self.layout.width);
        let sign = planes[self.layout.width - 1];
        let mut start = 0;
        columns
            .iter()
            .map(|&column| {
                let rows = self.b.rows(column);
                start += rows;
                self.b.slice(sign, start - rows, rows)
            })
            .collect()
    }

    fn below(&mut self, below: Below, rows: Rows, signs: &[Bit]) -> Bit {
        match below {
            Below::Never => self.b.constant(0, self.plan.rows(rows)),
            Below::Always => self.b.constant(1, self.plan.rows(rows)),
            Below::When(i) => signs[i],
        }
    }

    /// Where a rule passes: not between its bounds.
    fn passes(&mut self, condition: Condition, signs: &[Bit]) -> Bit {
        let Condition { rows, least, below } = condition;
        let passes = match (least, below) {
            (Below::Never, below) => {
                let fails = self.below(below, rows, signs);
                self.b.not(fails)
            }
            (least, Below::Always) => self.below(least, rows, signs),
            (least, below) => {
                let least = self.below(least, rows, signs);
                let below = self.below(below, rows, signs);
                let fails = self.b.xor(least, below);
                self.b.not(fails)
            }
        };
        self.over_cells(passes)
    }

    /// For every number, the cells in which no rule hides it; all at the same depth.
    fn shown(&mut self, signs: &[Bit], nil: Option<Bit>) -> Vec<Bit> {
        let passes: Vec<Bit> = (self.layout.conditions.iter())
            .map(|&condition| self.passes(condition, signs))
            .collect();
        let mut shown = Vec::with_capacity(self.layout.numbers.len());
        for number in &self.layout.numbers {
            let rules: Vec<Bit> = number.conditions.iter().map(|&c| passes[c]).collect();
            let mut all = if rules.is_empty() {
                self.b.constant(1, self.cells)
            } else {
                and_all(&mut self.b, &rules)
            };
            if let Some(nil) = nil {
                all = self.shift(all, nil);
            }
            shown.push(all);
        }
        shown
    }

    /// Two rows of zero: the first is known when the rules of the largest plan would be, the second
    /// a round later. `None` if there are no rows at all.
    ///
    /// One row is compared at full width and then waits for as long as the rules may take.
    fn pace(&mut self) -> Option<[Bit; 2]> {
        let &row = self.pooled.iter().find(|&&column| self.b.rows(column) > 0)?;
        let row = self.b.slice(row, 0, 1);
        let planes = self.b.to_bits(row, CHAIN_WIDTH);
        let sign = planes[CHAIN_WIDTH - 1];
        let most = self.layout.numbers.iter().map(|n| n.conditions.len()).max();
        let chain = 1 + ceil_log2(self.layout.width.saturating_sub(1));
        let rounds = TREE.max(chain.saturating_sub(CHAIN) + ceil_log2(most.unwrap_or(0)));
        let one = self.b.constant(1, 1);
        let late = (0..rounds).fold(sign, |bit, _| self.b.and(bit, one));
        let later = self.b.and(late, one);
        Some([late, later].map(|bit| self.b.xor(sign, bit)))
    }

    /// The planes of all values and, beside each, where its number is shown.
    fn values(&mut self, shown: &[Bit]) -> (Vec<Bit>, Vec<Bit>) {
        let converted = self.convert();
        let (mut planes, mut masks) = (Vec::new(), Vec::new());
        for (number, &mask) in self.layout.numbers.iter().zip(shown) {
            let Some(value) = number.value else { continue };
            planes.extend_from_slice(&converted[value]);
            masks.resize(planes.len(), mask);
        }
        (planes, masks)
    }

    /// The bits of every conversion; those of one width share a conversion of one long column.
    fn convert(&mut self) -> Vec<Vec<Bit>> {
        let conversions = &self.layout.conversions;
        let mut widths: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, conversion) in conversions.iter().enumerate() {
            widths.entry(conversion.width()).or_default().push(i);
        }
        let mut converted = vec![Vec::new(); conversions.len()];
        for (width, members) in widths {
            let columns: Vec<Num> =
                members.iter().map(|&i| self.numerator(&conversions[i])).collect();
            let long = self.b.concat(&columns);
            let planes = self.b.to_bits(long, width);
            for (k, &i) in members.iter().enumerate() {
                converted[i] = planes[width - conversions[i].bits..]
                    .iter()
                    .map(|&plane| self.b.slice(plane, k * self.cells, self.cells))
                    .collect();
            }
        }
        converted
    }

    /// The number whose top bits are opened.
    fn numerator(&mut self, conversion: &Conversion) -> Num {
        let value = self.pooled[conversion.input];
        let value = self.over_cells(value);
        let Some((by, _)) = conversion.rounding else {
            return value;
        };
        let product = self.b.scale(value, by.factor);
        let add = self.b.constant(by.add, self.cells);
        self.b.add(product, add)
    }

    /// A column over cells: one of [`Rows::Total`] is repeated.
    fn over_cells<H: Handle>(&mut self, x: H) -> H {
        match self.b.rows(x) {
            rows if rows == self.cells => x,
            _ => self.b.broadcast(x, self.cells),
        }
    }

    /// `x`, no earlier than `nil`, a row of zero.
    fn shift(&mut self, x: Bit, nil: Bit) -> Bit {
        let rows = self.b.rows(x);
        let nil = self.b.broadcast(nil, rows);
        self.b.xor(x, nil)
    }
}
