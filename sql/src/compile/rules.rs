//! What sites enter, what decides inside the computation, and what may be opened.
//!
//! DISCLOSURE.md states the rules; here each becomes a [`Test`] over inputs. A rule speaks of the
//! rows that *contribute* to a number: those that pass the WHERE and the aggregate's FILTER and
//! where its argument is not NULL (see [`Rows`]), counted as persons if the table names a person
//! column. Opened counts are compared pairwise; a sum over an argument of one or two values is a
//! count in disguise and takes part.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::{
    common::{DFSchema, ScalarValue},
    logical_expr::{Expr, ExprSchemable},
};
use tacit_plan::{ColumnType, Disclosure, Input, Number, Role, Rows as Extent, Rule, Table, Test};

use super::{
    counts::Rows,
    domain,
    expr::{columns, inside},
    interval::{Interval, Ranges, literal},
    points,
    shape::{Aggregate, Function},
    summands::Summands,
    text,
};
use crate::Refusal;

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Combinations that are tried to find out how many values an argument takes.
pub(super) const TRIED: usize = 1_000_000;

/// Numbers of one aggregate of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// A count.
    Count(usize),
    /// A sum and its scale.
    Sum(usize, u8, bool),
    /// A mean's sum and count, and the sum's scale.
    Mean(usize, usize, u8),
}

impl Made {
    /// The numbers.
    pub(super) fn numbers(self) -> Vec<usize> {
        match self {
            Self::Count(n) | Self::Sum(n, ..) => vec![n],
            Self::Mean(sum, count, _) => vec![sum, count],
        }
    }
}

/// What the rules work on.
pub(super) struct Rules<'a> {
    pub(super) disclosure: &'a Disclosure,
    pub(super) table: &'a Table,
    pub(super) schema: &'a DFSchema,
    pub(super) ranges: &'a BTreeMap<String, Interval>,
    pub(super) filters: &'a [Expr],
    pub(super) grouped: bool,
    pub(super) most_rows: u64,
    pub(super) sites: usize,
    pub(super) max_domain: usize,
    /// Name of the table of cells, for the total.
    pub(super) cells: &'a str,
    pub(super) inputs: Vec<Input>,
    pub(super) tests: Vec<Test>,
    pub(super) numbers: Vec<Number>,
    pub(super) made: Vec<Made>,
    pub(super) presence: Option<usize>,
    pub(super) total: Option<String>,
    /// Pairs of conditions compared so far.
    pub(super) compared: usize,
}

/// One aggregate under the rules.
pub(super) struct Subject {
    pub(super) function: Function,
    pub(super) rows: Rows,
    /// The argument's only values, if they are one or two.
    pub(super) values: Option<Vec<ScalarValue>>,
    pub(super) argument: Option<Expr>,
    /// The argument's only values, if it chooses between more than two constants.
    pub(super) constants: Vec<ScalarValue>,
    /// What adds to the sum otherwise.
    pub(super) added: Vec<Added>,
    sum: Option<(usize, u8)>,
    text: String,
    pub(super) tests: Vec<usize>,
}

/// Rows that add to a sum.
#[derive(Clone)]
pub(super) struct Added {
    pub(super) rows: Rows,
    /// The columns of what they add; none if it is a constant.
    pub(super) read: BTreeSet<String>,
}

impl Rules<'_> {
    /// Applies the rules to `aggregates`; fills `inputs`, `tests`, `numbers`, `made`, `presence`
    /// and `total`.
    pub(super) fn apply(&mut self, aggregates: &[Aggregate]) -> Result<()> {
        let person = self.person();
        let all = Rows::default();
        let group = self.count(&all, person.as_deref())?;
        let mut always = Vec::new();
        self.total(group, &mut always)?;
        if self.grouped {
            let least = self.least(&all);
            let test = self.threshold(Rule::Group, group, least);
            always.push(test);
            self.floor(group, &mut always);
        }
        let mut subjects = aggregates
            .iter()
            .map(|aggregate| self.subject(aggregate))
            .collect::<Result<Vec<_>>>()?;
        for subject in &mut subjects {
            let mut tests = always.clone();
            let rows = &subject.rows;
            let own = self.count(rows, person.as_deref())?;
            if !rows.is_all() {
                let least = self.least(rows);
                let test = self.threshold(Rule::Contribution, own, least);
                tests.push(test);
                self.floor(own, &mut tests);
            }
            let mean = self.disclosure.mean_threshold.filter(|_| subject.function == Function::Avg);
            let below = mean.unwrap_or_default().max(self.disclosure.threshold);
            if mean.is_some() {
                let least = self.least(rows);
                tests.push(self.test(Rule::Contribution, own, None, least, Some(below)));
            }
            let both = subject.values.iter().filter(|values| values.len() == 2).flatten();
            let others = subject.constants.iter().filter(|value| !is_zero(value));
            for value in both.chain(others) {
                let Some(argument) = &subject.argument else { continue };
                let of_value = rows.with(argument, value)?;
                let count = self.count(&of_value, person.as_deref())?;
                let least = self.least(&of_value);
                tests.push(self.threshold(Rule::Indicator, count, least));
            }
            for added in subject.added.iter().filter(|added| added.rows != *rows) {
                let count = self.count(&added.rows, person.as_deref())?;
                let least = self.least(&added.rows);
                tests.push(self.test(Rule::Contribution, count, None, least, Some(below)));
                self.floor(count, &mut tests);
            }
            subject.tests = tests;
        }
        self.nest(&mut subjects)?;
        for subject in &subjects {
            let made = self.open(subject)?;
            self.made.push(made);
        }
        if self.grouped {
            self.presence = Some(self.number(&Number {
                expression: "count(*)".into(),
                value: None,
                count: group,
                hidden_by: tidy(&always),
                rounding: None,
            }));
        }
        Ok(())
    }

    pub(super) fn person(&self) -> Option<String> {
        self.table.person.clone()
    }

    /// The rule over all rows that pass the WHERE; without GROUP BY the one cell holds them.
    fn total(&mut self, group: usize, always: &mut Vec<usize>) -> Result<()> {
        let all = Rows::default();
        let least = self.least(&all);
        let mut input = group;
        if self.grouped {
            let person = self.person();
            let expression = all.count(person.as_deref())?;
            let sql = match person {
                // Persons may be in several groups; records are in one.
                Some(_) => None,
                None => Some(format!(
                    "SELECT coalesce(sum({}), 0) AS c{} FROM {}",
                    self.inputs[group].name,
                    self.inputs.len(),
                    text::name(self.cells)
                )),
            };
            self.total = sql;
            input = self.input(&expression, Extent::Total, Role::Count, self.count_bits()?);
        }
        let test = self.threshold(Rule::Total, input, least);
        always.push(test);
        self.floor(input, always);
        Ok(())
    }

    /// An aggregate, with the rows that contribute and the values that its argument takes.
    fn subject(&mut self, aggregate: &Aggregate) -> Result<Subject> {
        let argument = aggregate.argument.clone();
        let rows = Rows::of(aggregate.filter.as_ref(), argument.as_ref(), self.schema)?;
        let filtered = |call: String| match &aggregate.filter {
            Some(filter) => {
                Ok::<_, Refusal>(format!("{call} FILTER (WHERE {})", text::sql(filter)?))
            }
            None => Ok(call),
        };
        let (Some(expr), true) = (&argument, aggregate.function != Function::Count) else {
            let text = match &argument {
                Some(expr) => filtered(format!("count({})", text::sql(expr)?))?,
                None => filtered("count(*)".into())?,
            };
            return Ok(Subject {
                function: Function::Count,
                rows,
                values: None,
                argument,
                constants: Vec::new(),
                added: Vec::new(),
                sum: None,
                text,
                tests: Vec::new(),
            });
        };
        let name = match aggregate.function {
            Function::Avg => "AVG",
            _ => "SUM",
        };
        let written = text::sql(expr)?;
        let kind = expr.get_type(self.schema).map_err(|e| inside(&e))?;
        if kind.is_floating() {
            let inner = match expr {
                Expr::TryCast(cast) => text::sql(&cast.expr)?,
                _ => "...".to_owned(),
            };
            let message = format!("{name} of a floating-point expression is not supported");
            return Err(Refusal::new("floating", message).suggest(format!(
                "its result would depend on the order of the rows; \
                 try {name}(CAST({inner} AS DECIMAL(18,2)))"
            )));
        }
        let range = Ranges { schema: self.schema, columns: self.ranges }.of(expr)?;
        let Some(range) = range else {
            let message = format!("{name} of {written}, which is no number");
            return Err(Refusal::new("type", message).suggest("COUNT it, or CAST it to a number"));
        };
        let bits = sum_bits(range, self.most_rows).ok_or_else(|| {
            let message = format!(
                "{name}({written}) may need more than 63 bits: values up to {} over up to {} rows",
                text::decimal(
                    range.low.saturating_abs().max(range.high.saturating_abs()),
                    range.scale
                ),
                self.most_rows
            );
            Refusal::new("overflow", message)
                .suggest("narrow the argument, say by CAST(... AS SMALLINT) or fewer decimals")
        })?;
        let mut values = self.values(expr, aggregate.filter.as_ref(), range)?;
        let (mut constants, mut added) = (Vec::new(), Vec::new());
        if values.is_none() {
            match self.summands(expr, aggregate)? {
                Summands::Constants(all) if all.len() <= 2 => values = Some(all),
                Summands::Constants(all) => constants = all,
                Summands::Added(by_path) => added = by_path,
            }
        }
        if let Some(step) = self.disclosure.rounding {
            let few = values.is_some() || !constants.is_empty();
            if aggregate.function == Function::Avg || few {
                let why = if few {
                    format!("{written} takes few values, so the sum tells counts")
                } else {
                    "a mean opens its exact count".to_owned()
                };
                let message = format!("{name} is not supported where counts are rounded to {step}");
                return Err(Refusal::new("rounding", format!("{message}: {why}"))
                    .suggest("ask for COUNT, which is rounded, or for the SUM of a quantity"));
            }
        }
        let text = filtered(format!("sum({written})"))?;
        let sum = self.input(&text, Extent::Cells, Role::Sum, bits);
        Ok(Subject {
            function: aggregate.function,
            rows,
            constants,
            added,
            values,
            argument,
            sum: Some((sum, range.scale as u8)),
            text,
            tests: Vec::new(),
        })
    }

    /// The only values of an argument that takes one or two: by its form, by trying what its
    /// columns can be under the filters, or by its range.
    fn values(
        &self,
        expr: &Expr,
        filter: Option<&Expr>,
        range: Interval,
    ) -> Result<Option<Vec<ScalarValue>>> {
        let mut forms = Vec::new();
        if forms_of(expr, &mut forms) && forms.len() <= 2 {
            return Ok(Some(forms));
        }
        let read = columns(expr);
        let all = filter.into_iter().chain(self.filters);
        let conditions: Vec<Expr> = all.flat_map(super::expr::conjuncts).collect();
        let own = conditions.iter().filter(|c| columns(c).is_subset(&read));
        let own: Vec<&Expr> = own.collect();
        let most = self.max_domain.min(TRIED);
        if let Ok(values) = domain::few(expr, &own, self.table, most, 2) {
            return Ok((values.len() <= 2).then_some(values));
        }
        if let Some(values) = points::few(expr, &own, self.table, 2) {
            return Ok((values.len() <= 2).then_some(values));
        }
        let few = range.high - range.low <= 1;
        let kind = expr.get_type(self.schema).map_err(|e| inside(&e))?;
        let at = |n: i128| match kind {
            datafusion::arrow::datatypes::DataType::Decimal128(p, s) => {
                Some(ScalarValue::Decimal128(Some(n), p, s))
            }
            _ => ScalarValue::Int64(Some(i64::try_from(n).ok()?)).cast_to(&kind).ok(),
        };
        let both: Vec<ScalarValue> =
            if few { (range.low..=range.high).filter_map(at).collect() } else { Vec::new() };
        Ok(few.then_some(both))
    }

    /// The numbers of a subject.
    fn open(&mut self, subject: &Subject) -> Result<Made> {
        let person = self.person();
        let contributing = self.count(&subject.rows, person.as_deref())?;
        let hidden_by = tidy(&subject.tests);
        let records = match subject.function {
            Function::Sum => None,
            _ => Some(self.count(&subject.rows, None)?),
        };
        let count = records.map(|records| {
            self.number(&Number {
                expression: match subject.function {
                    Function::Count => subject.text.clone(),
                    _ => self.inputs[records].expression.clone(),
                },
                value: Some(records),
                count: contributing,
                hidden_by: hidden_by.clone(),
                rounding: self.disclosure.rounding,
            })
        });
        let sum = subject.sum.map(|(input, scale)| {
            let number = self.number(&Number {
                expression: subject.text.clone(),
                value: Some(input),
                count: contributing,
                hidden_by: hidden_by.clone(),
                rounding: None,
            });
            (number, scale)
        });
        Ok(match (sum, count) {
            (Some((sum, scale)), Some(count)) => Made::Mean(sum, count, scale),
            (Some((sum, scale)), None) => {
                let kind = subject.argument.as_ref().map(|a| a.get_type(self.schema));
                let integer = matches!(kind, Some(Ok(kind)) if kind.is_integer());
                Made::Sum(sum, scale, integer)
            }
            (None, Some(count)) => Made::Count(count),
            (None, None) => return Err(Refusal::new("malformed", "an aggregate of nothing")),
        })
    }

    fn number(&mut self, number: &Number) -> usize {
        let same = |other: &Number| {
            other.value == number.value
                && other.count == number.count
                && other.hidden_by == number.hidden_by
                && other.rounding == number.rounding
        };
        position_or_push(&mut self.numbers, same, || number.clone())
    }

    pub(super) fn count(&mut self, rows: &Rows, person: Option<&str>) -> Result<usize> {
        let expression = rows.count(person)?;
        let bits = self.count_bits()?;
        Ok(self.input(&expression, Extent::Cells, Role::Count, bits))
    }

    pub(super) fn count_bits(&self) -> Result<u32> {
        let bits = u64::BITS - self.most_rows.leading_zeros();
        if bits > 63 {
            return Err(Refusal::new("overflow", "the study's bound on rows is too large"));
        }
        Ok(bits.max(1))
    }

    pub(super) fn input(&mut self, expression: &str, rows: Extent, role: Role, bits: u32) -> usize {
        let next = self.inputs.len();
        let same = |other: &Input| {
            other.expression == expression && other.rows == rows && other.role == role
        };
        position_or_push(&mut self.inputs, same, || Input {
            name: format!("c{next}"),
            expression: expression.to_owned(),
            rows,
            role,
            bits,
        })
    }

    fn threshold(&mut self, rule: Rule, input: usize, least: u64) -> usize {
        self.test(rule, input, None, least, Some(self.disclosure.threshold))
    }

    pub(super) fn test(
        &mut self,
        rule: Rule,
        plus: usize,
        minus: Option<usize>,
        least: u64,
        below: Option<u64>,
    ) -> usize {
        let rows = self.inputs[plus].rows;
        let test = Test { rule, rows, plus, minus, least, below };
        position_or_push(&mut self.tests, |other| *other == test, || test.clone())
    }

    /// The floor per site on a count, where the study has one.
    fn floor(&mut self, of: usize, tests: &mut Vec<usize>) {
        let Some(floor) = self.disclosure.site_floor.filter(|floor| *floor > 1) else {
            return;
        };
        let role = Role::BelowFloor { of, floor };
        let bits = usize::BITS - self.sites.leading_zeros();
        let expression =
            format!("1 where {} is between 1 and {}", self.inputs[of].expression, floor - 1);
        let input = self.input(&expression, self.inputs[of].rows, role, bits.max(1));
        self.inputs[input].name = String::new();
        tests.push(self.test(Rule::SiteFloor, input, None, 1, None));
    }

    /// 0 where a filter on text decides which rows these are: then nobody may learn even that
    /// there are none.
    fn least(&self, rows: &Rows) -> u64 {
        let text = self.filter_reads_text() || self.reads_text_any(&rows.exprs());
        u64::from(!text)
    }

    fn filter_reads_text(&self) -> bool {
        self.reads_text_any(&self.filters.iter().collect::<Vec<_>>())
    }

    pub(super) fn reads_text_any(&self, exprs: &[&Expr]) -> bool {
        exprs.iter().any(|expr| self.reads_text(expr))
    }

    /// Whether an expression reads a text column.
    pub(super) fn reads_text(&self, expr: &Expr) -> bool {
        let read = columns(expr);
        let mut texts = self.table.columns.iter();
        texts.any(|c| matches!(c.r#type, ColumnType::Text) && read.contains(&c.name))
    }
}

fn position_or_push<T>(
    items: &mut Vec<T>,
    same: impl Fn(&T) -> bool,
    new: impl FnOnce() -> T,
) -> usize {
    items.iter().position(same).unwrap_or_else(|| {
        items.push(new());
        items.len() - 1
    })
}

fn tidy(tests: &[usize]) -> Vec<usize> {
    let mut tests = tests.to_vec();
    tests.sort_unstable();
    tests.dedup();
    tests
}

pub(super) fn is_zero(value: &ScalarValue) -> bool {
    literal(value).is_some_and(|at| at.low == 0 && at.high == 0)
}

/// Values of an expression made of literals by CASE, COALESCE and conversions; false if it is
/// made of anything else.
fn forms_of(expr: &Expr, into: &mut Vec<ScalarValue>) -> bool {
    match expr {
        Expr::Literal(value, _) => {
            if !value.is_null() && !into.contains(value) {
                into.push(value.clone());
            }
            true
        }
        Expr::Case(case) => {
            let thens = case.when_then_expr.iter().map(|(_, then)| then);
            let mut all = thens.chain(case.else_expr.as_ref());
            all.all(|part| forms_of(part, into))
        }
        Expr::ScalarFunction(call) if call.func.name() == "coalesce" => {
            call.args.iter().all(|part| forms_of(part, into))
        }
        Expr::TryCast(cast) => {
            let mut inner = Vec::new();
            let known = forms_of(&cast.expr, &mut inner);
            for value in inner {
                match value.cast_to(cast.field.data_type()) {
                    Ok(value) if value.is_null() || into.contains(&value) => {}
                    Ok(value) => into.push(value),
                    Err(_) => {}
                }
            }
            known
        }
        _ => false,
    }
}

/// Width of a sum of up to `rows` values of a range, in two's complement; `None` beyond 63 bits.
fn sum_bits(range: Interval, rows: u64) -> Option<u32> {
    let rows = i128::from(rows);
    let high = range.high.max(0).checked_mul(rows)?;
    let low = range.low.min(0).checked_mul(rows)?;
    let bits = |n: u128| u128::BITS - n.leading_zeros();
    let positive = bits(high.unsigned_abs());
    let negative = if low < 0 { bits((low + 1).unsigned_abs()) } else { 0 };
    let width = positive.max(negative) + 1;
    (width <= 63).then_some(width)
}
