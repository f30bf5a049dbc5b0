//! [`Profile`]: what is known of a column after its values have gone by once.

use std::{cmp::Ordering, collections::HashSet};

use datafusion::arrow::compute;
use tacit_plan::{Column, ColumnType};

use super::{
    beside::Beside,
    cells::Cells,
    natural,
    parse::{self, DAY, Number},
};

/// A string column with more different values is text.
const WORDS: usize = 200;

/// A category's word has at most this many bytes.
const WORD_BYTES: usize = 200;

/// Below this many values, "mostly unique" says nothing.
const FEW: u64 = 20;

/// The largest scale of a decimal column.
const SCALE: u32 = 6;

/// Decimals have at most 18 digits.
const DECIMAL_LIMIT: i128 = 10_i128.pow(18);

/// What is known of a column so far.
pub(super) struct Profile {
    name: String,
    /// Whether values are text in which other types may be found (CSV).
    sniff: bool,
    form: Option<&'static str>,
    values: u64,
    missing: u64,
    strange: u64,
    endless: u64,
    zoned: u64,
    zeros: bool,
    numbers: Option<Numbers>,
    booleans: bool,
    days: Option<Span>,
    times: Option<Span>,
    words: Option<HashSet<String>>,
    /// What stands beside numbers, and beside dates and times, while it is few words.
    beside_numbers: Option<Beside>,
    beside_times: Option<Beside>,
}

#[derive(Clone, Copy, Default)]
struct Numbers {
    range: Option<(Number, Number)>,
    scale: u32,
}

#[derive(Clone, Copy, Default)]
struct Span {
    range: Option<(i64, i64)>,
}

impl Numbers {
    fn add(&mut self, number: Number) {
        self.scale = self.scale.max(number.scale);
        self.range = Some(match self.range {
            None => (number, number),
            Some((low, high)) => (
                if order(number, low).is_lt() { number } else { low },
                if order(number, high).is_gt() { number } else { high },
            ),
        });
    }
}

impl Span {
    fn add(&mut self, value: i64) {
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }
}

/// Compares two numbers of any scale.
fn order(a: Number, b: Number) -> Ordering {
    let scale = a.scale.max(b.scale);
    match (a.at_scale(scale, false), b.at_scale(scale, false)) {
        (Some(a), Some(b)) => a.cmp(&b),
        // One is too large for the other's scale: floats tell them apart.
        _ => float(a).total_cmp(&float(b)),
    }
}

fn float(number: Number) -> f64 {
    number.unscaled as f64 / 10_f64.powi(number.scale.cast_signed())
}

impl Profile {
    pub(super) fn new(name: &str, sniff: bool) -> Self {
        Self {
            name: name.to_owned(),
            sniff,
            form: None,
            values: 0,
            missing: 0,
            strange: 0,
            endless: 0,
            zoned: 0,
            zeros: false,
            numbers: Some(Numbers::default()),
            booleans: true,
            days: Some(Span::default()),
            times: Some(Span::default()),
            words: Some(HashSet::new()),
            beside_numbers: Some(Beside::default()),
            beside_times: Some(Beside::default()),
        }
    }

    /// Takes note of more values; `Err` says what else the column held before.
    pub(super) fn add(&mut self, cells: &Cells, strange: u64) -> Result<(), &'static str> {
        self.strange += strange;
        self.missing += cells.missing() as u64;
        let form = *self.form.get_or_insert(cells.form());
        if form != cells.form() {
            return Err(form);
        }
        self.values += (cells.len() - cells.missing()) as u64;
        if let (Cells::Integer(array), Some(numbers)) = (cells, &mut self.numbers) {
            let ends = [compute::min(array), compute::max(array)];
            for end in ends.into_iter().flatten() {
                let unscaled = end.into();
                numbers.add(Number { unscaled, scale: 0 });
            }
            return Ok(());
        }
        for row in (0..cells.len()).filter(|&row| !cells.is_missing(row)) {
            match cells {
                Cells::Text(array) => self.add_text(array.value(row)),
                Cells::Boolean(_) => {}
                Cells::Date(array) => {
                    if let Some(days) = &mut self.days {
                        days.add(array.value(row).into());
                    }
                }
                Cells::Timestamp(array) => {
                    if let Some(times) = &mut self.times {
                        times.add(array.value(row));
                    }
                }
                _ => match (cells.number(row), &mut self.numbers) {
                    (Some(number), Some(numbers)) => numbers.add(number),
                    _ => self.endless += 1,
                },
            }
        }
        Ok(())
    }

    fn add_text(&mut self, text: &str) {
        if let Some(words) = &mut self.words
            && !words.contains(text)
        {
            if words.len() == WORDS || text.len() > WORD_BYTES {
                self.words = None;
            } else {
                words.insert(text.to_owned());
            }
        }
        if !self.sniff {
            return;
        }
        let text = text.trim();
        if self.numbers.is_some() || self.beside_numbers.is_some() {
            let found = parse::number(text);
            let number = found.filter(|_| !parse::leading_zero(text));
            match (number, &mut self.numbers) {
                (Some(number), Some(numbers)) => numbers.add(number),
                (None, Some(_)) => {
                    self.zeros |= found.is_some();
                    self.numbers = None;
                }
                _ => {}
            }
            self.beside_numbers.take_if(|beside| !beside.add(text, number.is_some()));
        }
        self.booleans &= parse::boolean(text).is_some();
        if self.times.is_some() || self.beside_times.is_some() {
            self.add_time(text);
        }
    }

    fn add_time(&mut self, text: &str) {
        let day = parse::date(text);
        match (day, &mut self.days) {
            (Some(day), Some(days)) => days.add(day.into()),
            _ => self.days = None,
        }
        let midnight = day.map(|day| i64::from(day) * DAY);
        let time = midnight.or_else(|| parse::timestamp(text));
        self.beside_times.take_if(|beside| !beside.add(text, time.is_some()));
        match (time, &mut self.times) {
            (Some(time), Some(times)) => times.add(time),
            _ => self.times = None,
        }
        self.zoned += u64::from(day.is_none() && parse::has_zone(text));
    }

    /// The column, and what its reader should know.
    pub(super) fn finish(self) -> (Column, Vec<String>) {
        let mut warnings = Vec::new();
        let r#type = self.r#type(&mut warnings);
        if self.strange > 0 {
            let what =
                format!("{} values are not numbers (NaN) and count as missing", self.strange);
            warnings.push(what);
        }
        let at = |what: String| format!("{}: {what}", self.name);
        let warnings: Vec<String> = warnings.into_iter().map(at).collect();
        let mut column = Column {
            name: self.name,
            r#type,
            unit: None,
            description: None,
            missing: self.missing > 0,
        };
        column.round_outwards();
        (column, warnings)
    }

    fn r#type(&self, warnings: &mut Vec<String>) -> ColumnType {
        if self.values == 0 {
            warnings.push("every value is missing; taken for text".into());
            return ColumnType::Text;
        }
        match self.form {
            Some("booleans") => return ColumnType::Boolean,
            Some("numbers") => return self.number(warnings),
            Some("dates") => return days(self.days),
            Some("timestamps") => return times(self.times),
            _ => {}
        }
        if self.sniff && self.booleans {
            return ColumnType::Boolean;
        }
        if self.sniff && self.numbers.is_some() {
            return self.number(warnings);
        }
        if self.sniff && self.times.is_some() {
            if self.days.is_some() {
                return days(self.days);
            }
            if self.zoned > 0 {
                warnings.push(format!("{} times name a zone; they are kept in UTC", self.zoned));
            }
            return times(self.times);
        }
        let numbers = self.beside_numbers.as_ref().and_then(|beside| beside.warning("numbers"));
        let times = || self.beside_times.as_ref().and_then(|beside| beside.warning("dates"));
        warnings.extend(numbers.or_else(times).filter(|_| self.sniff));
        if self.zeros {
            warnings.push("numbers with zeros in front are kept as words".into());
        }
        self.words(warnings)
    }

    fn words(&self, warnings: &mut Vec<String>) -> ColumnType {
        let unique = |words: &HashSet<String>| words.len() as u64 * 2 > self.values;
        match &self.words {
            Some(words) if self.values <= FEW || !unique(words) => {
                let mut values: Vec<String> = words.iter().cloned().collect();
                values.sort_by(|a, b| natural::compare(a, b));
                ColumnType::Category { values }
            }
            Some(_) => {
                warnings.push("most values are different; taken for text".into());
                ColumnType::Text
            }
            None => ColumnType::Text,
        }
    }

    fn number(&self, warnings: &mut Vec<String>) -> ColumnType {
        if self.endless > 0 {
            let count = self.endless;
            warnings.push(format!(
                "{count} values are infinite or too long for a decimal; the check will refuse them"
            ));
        }
        let numbers = self.numbers.unwrap_or_default();
        let Some((low, high)) = numbers.range else {
            return ColumnType::Text;
        };
        if numbers.scale == 0 {
            let ends = [low, high].map(|end| i64::try_from(end.unscaled));
            if let [Ok(low), Ok(high)] = ends {
                return ColumnType::Integer { range: [low, high] };
            }
        }
        for scale in (0..=numbers.scale.min(SCALE)).rev() {
            let ends = (low.at_scale(scale, true), high.at_scale(scale, true));
            let (Some(low), Some(high)) = ends else {
                continue;
            };
            if low.abs().max(high.abs()) >= DECIMAL_LIMIT {
                continue;
            }
            let rounded = scale < numbers.scale;
            if rounded {
                warnings.push(format!(
                    "values have up to {} digits behind the point; they are rounded to {scale}",
                    numbers.scale
                ));
            }
            let write = |end| parse::write_decimal(end, scale);
            return ColumnType::Decimal {
                scale: scale as u8,
                range: [write(low), write(high)],
                rounded,
            };
        }
        warnings.push("numbers of more than 18 digits are kept as text".into());
        ColumnType::Text
    }
}

fn days(span: Option<Span>) -> ColumnType {
    let (low, high) = span.and_then(|span| span.range).unwrap_or_default();
    let write = |day: i64| parse::write_date(i32::try_from(day).unwrap_or_default());
    ColumnType::Date { range: [write(low), write(high)] }
}

fn times(span: Option<Span>) -> ColumnType {
    let (low, high) = span.and_then(|span| span.range).unwrap_or_default();
    ColumnType::Timestamp { range: [low, high].map(parse::write_timestamp) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_of_any_scale_are_ordered(a in any::<i32>(), b in any::<i32>(), s in 0_u32..9, t in 0_u32..9) {
            let number = |unscaled: i32, scale| Number::of_decimal(unscaled.into(), scale as i8).unwrap();
            let scaled = |value: i32, scale: u32| i128::from(value) * 10_i128.pow(9 - scale);
            prop_assert_eq!(order(number(a, s), number(b, t)), scaled(a, s).cmp(&scaled(b, t)));
        }
    }
}
