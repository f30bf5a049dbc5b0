//! The rules of release, written plainly over pooled values.
//!
//! This is what a trusted party would do that saw everything. The computation between the sites
//! must come to the same, cell for cell; tests and the demonstration compare the two.

use crate::{Cell, InputColumns, Number, Opened, Plan, Rows, Status, Test};

impl Plan {
    /// What the analyst is shown of pooled inputs: the status of every number in every cell, and
    /// its value where it is shown.
    ///
    /// # Panics
    /// If `pooled` is not the plan's: an index or row that does not exist.
    pub fn open_pooled(&self, pooled: &InputColumns) -> Opened {
        let numbers = self
            .numbers
            .iter()
            .map(|number| {
                (0..self.cells()).map(|cell| self.open_cell(number, cell, pooled)).collect()
            })
            .collect();
        Opened { numbers }
    }

    fn open_cell(&self, number: &Number, cell: usize, pooled: &InputColumns) -> Cell {
        let hidden =
            number.hidden_by.iter().any(|&test| self.fails(&self.tests[test], cell, pooled));
        if hidden {
            return Cell { status: Status::Hidden, value: 0 };
        }
        if self.pooled_value(pooled, number.count, cell) == 0 {
            return Cell { status: Status::Zero, value: 0 };
        }
        let value = number.value.map_or(0, |input| self.pooled_value(pooled, input, cell));
        Cell {
            status: Status::Shown,
            value: match number.rounding {
                Some(multiple) => nearest(value, multiple),
                None => value,
            },
        }
    }

    /// Whether a test hides what it guards in this cell.
    fn fails(&self, test: &Test, cell: usize, pooled: &InputColumns) -> bool {
        let plus = self.pooled_value(pooled, test.plus, cell);
        let minus = test.minus.map_or(0, |input| self.pooled_value(pooled, input, cell));
        let Ok(value) = u64::try_from(plus - minus) else {
            return false;
        };
        value >= test.least && test.below.is_none_or(|below| value < below)
    }

    fn pooled_value(&self, pooled: &InputColumns, input: usize, cell: usize) -> i64 {
        let row = match self.inputs[input].rows {
            Rows::Cells => cell,
            Rows::Total => 0,
        };
        pooled.columns[input][row]
    }
}

/// The nearest multiple, halves upwards.
fn nearest(value: i64, multiple: u64) -> i64 {
    match i64::try_from(multiple) {
        Ok(m) if m > 1 => (value + m / 2).div_euclid(m) * m,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_multiple_is_taken_and_halves_go_up() {
        let rounded: Vec<i64> = (0..=13).map(|v| nearest(v, 5)).collect();
        assert_eq!(rounded, [0, 0, 0, 5, 5, 5, 5, 5, 10, 10, 10, 10, 10, 15]);
        assert_eq!(nearest(2, 4), 4);
        assert_eq!(nearest(7, 1), 7);
    }
}
