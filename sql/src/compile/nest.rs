//! Numbers over nested rows, of which the difference is a number over the rows between.

use tacit_plan::{Role, Rows as Extent, Rule};

use super::{
    counts::Rows,
    rules::{Rules, Subject, is_zero},
    shape::Function,
};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// The most pairs of conditions that are compared by trying values: each may take milliseconds.
const MOST_COMPARED: usize = 10_000;

/// Rows whose number is opened, and the aggregates that open it.
struct Open {
    rows: Rows,
    by: Vec<usize>,
}

impl Rules<'_> {
    /// Tests on the differences of opened nested counts, and of sums over nested rows.
    pub(super) fn nest(&mut self, subjects: &mut [Subject]) -> Result<()> {
        let mut opened: Vec<Open> = Vec::new();
        let mut open = |rows: Rows, by: usize| match opened.iter_mut().find(|o| o.rows == rows) {
            Some(open) if open.by.contains(&by) => {}
            Some(open) => open.by.push(by),
            None => opened.push(Open { rows, by: vec![by] }),
        };
        for (i, subject) in subjects.iter().enumerate() {
            if subject.function != Function::Sum {
                open(subject.rows.clone(), i);
            }
            for added in subject.added.iter().filter(|added| added.read.is_empty()) {
                open(added.rows.clone(), i);
            }
            let Some(argument) = &subject.argument else { continue };
            let values = subject.values.as_deref().unwrap_or(&subject.constants);
            match values {
                [one] if !is_zero(one) => open(subject.rows.clone(), i),
                [] | [_] => {}
                several => {
                    for value in several.iter().filter(|value| !is_zero(value)) {
                        open(subject.rows.with(argument, value)?, i);
                    }
                }
            }
            if let Some(zero) = subject.constants.iter().find(|value| is_zero(value)) {
                open(subject.rows.without(argument, zero)?, i);
            } else if !subject.constants.is_empty() {
                open(subject.rows.clone(), i);
            }
        }
        // A sum is linked to the count of its rows where that is opened.
        for open in &mut opened {
            for (i, subject) in subjects.iter().enumerate() {
                if subject.rows == open.rows && !open.by.contains(&i) {
                    open.by.push(i);
                }
            }
        }
        for (n, narrow) in opened.iter().enumerate() {
            for (w, wide) in opened.iter().enumerate() {
                if n == w || !self.properly(&narrow.rows, &wide.rows)? {
                    continue;
                }
                // The other value of an indicator is tested already.
                let test = self.difference(&wide.rows, &narrow.rows)?;
                for by in &narrow.by {
                    subjects[*by].tests.push(test);
                }
            }
        }
        self.nest_sums(subjects)
    }

    /// The difference of two sums that share a column is a sum over the rows that one of them has
    /// more.
    fn nest_sums(&mut self, subjects: &mut [Subject]) -> Result<()> {
        let added = subjects.iter().enumerate();
        let added = added.flat_map(|(by, s)| s.added.iter().map(move |one| (by, one.clone())));
        let added: Vec<_> = added.collect();
        for (n, (by, narrow)) in added.iter().enumerate() {
            for (w, (_, wide)) in added.iter().enumerate() {
                let apart = n == w || narrow.read.is_disjoint(&wide.read);
                if !apart && self.properly(&narrow.rows, &wide.rows)? {
                    let test = self.difference(&wide.rows, &narrow.rows)?;
                    subjects[*by].tests.push(test);
                }
            }
        }
        Ok(())
    }

    /// Whether `narrow` is a part of `wide` and not all of it.
    fn properly(&mut self, narrow: &Rows, wide: &Rows) -> Result<bool> {
        if !narrow.is_plainly_within(wide) {
            self.compared += 1;
        }
        if self.compared > MOST_COMPARED {
            let message =
                format!("more than {MOST_COMPARED} pairs of conditions would have to be compared");
            return Err(Refusal::new("too_large", message)
                .suggest("ask for fewer COUNT, SUM and AVG with conditions at once"));
        }
        let inside = |a: &Rows, b: &Rows| a.within(b, self.filters, self.table);
        Ok(inside(narrow, wide) && !inside(wide, narrow))
    }

    /// Whether `wide` has some rows that `narrow` lacks, but fewer than the threshold.
    fn difference(&mut self, wide: &Rows, narrow: &Rows) -> Result<usize> {
        let text = narrow.beyond(wide).any(|condition| self.reads_text(condition));
        let least = u64::from(!text);
        let below = Some(self.disclosure.threshold);
        if let Some(person) = self.person() {
            let expression = wide.count_without(narrow, &person)?;
            let bits = self.count_bits()?;
            let input = self.input(&expression, Extent::Cells, Role::Count, bits);
            return Ok(self.test(Rule::Nested, input, None, least, below));
        }
        let (wide, narrow) = (self.count(wide, None)?, self.count(narrow, None)?);
        Ok(self.test(Rule::Nested, wide, Some(narrow), least, below))
    }
}
