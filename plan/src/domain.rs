//! Public domains: every value that a column can hold.
//!
//! A group key has a cell for each value of its domain whether or not a row has it, so that the
//! number of cells tells nothing about the data.

use std::iter;

use crate::{Column, ColumnType, Value, calendar, literal};

/// The largest domain that is listed; [`Column::domain_size`] tells the size of any.
pub const LARGEST_DOMAIN: u64 = 10_000_000;

impl Column {
    /// Every value the column can hold, in ascending or listed order, NULL last if it may be
    /// missing; `None` where it has no public finite domain (text, decimals and timestamps) or
    /// one of more than [`LARGEST_DOMAIN`] values.
    pub fn domain(&self) -> Option<Vec<Value>> {
        if self.domain_size()? > LARGEST_DOMAIN {
            return None;
        }
        let mut values: Vec<Value> = match &self.r#type {
            ColumnType::Integer { range: [low, high] } => {
                (*low..=*high).map(Value::Integer).collect()
            }
            ColumnType::Boolean => [false, true].map(Value::Boolean).into(),
            ColumnType::Category { values } => values.iter().cloned().map(Value::Text).collect(),
            ColumnType::Date { range: [low, high] } => {
                let (low, high) = (calendar::parse_date(low)?, calendar::parse_date(high)?);
                (low..=high).map(Value::Date).collect()
            }
            ColumnType::Decimal { .. } | ColumnType::Timestamp { .. } | ColumnType::Text => {
                return None;
            }
        };
        values.extend(iter::repeat_n(Value::Null, usize::from(self.missing)));
        Some(values)
    }

    /// Number of values of its domain, NULL included; `None` where it has none.
    pub fn domain_size(&self) -> Option<u64> {
        let size = match &self.r#type {
            ColumnType::Integer { range: [low, high] } if low <= high => {
                high.abs_diff(*low).saturating_add(1)
            }
            ColumnType::Date { range: [low, high] } => {
                let (low, high) = (calendar::parse_date(low)?, calendar::parse_date(high)?);
                u64::try_from(i64::from(high) - i64::from(low) + 1).ok()?
            }
            ColumnType::Boolean => 2,
            ColumnType::Category { values } => values.len() as u64,
            _ => return None,
        };
        Some(size.saturating_add(u64::from(self.missing)))
    }

    /// For timestamps: the start of every day that the range touches, NULL last if it may be
    /// missing. An expression that depends on the day alone (EXTRACT of year, quarter, month or
    /// day; `date_trunc` to a day or longer) has its whole image over them. `None` for other
    /// types, and for more than [`LARGEST_DOMAIN`] days.
    pub fn days(&self) -> Option<Vec<Value>> {
        self.steps(calendar::DAY)
    }

    /// Like [`Column::days`], the start of every hour: for expressions that depend on day and
    /// hour alone.
    pub fn hours(&self) -> Option<Vec<Value>> {
        self.steps(calendar::HOUR)
    }

    fn steps(&self, step: i64) -> Option<Vec<Value>> {
        let ColumnType::Timestamp { range: [low, high] } = &self.r#type else {
            return None;
        };
        let first = calendar::parse_timestamp(low)?.div_euclid(step);
        let last = calendar::parse_timestamp(high)?.div_euclid(step);
        if last < first || last.abs_diff(first) >= LARGEST_DOMAIN {
            return None;
        }
        let values = (first..=last).map(|at| Value::Timestamp(at * step));
        Some(values.chain(iter::repeat_n(Value::Null, usize::from(self.missing))).collect())
    }

    /// Smallest and largest value of its range; `None` for booleans, categories and text.
    pub fn bounds(&self) -> Option<[Value; 2]> {
        let ends = |range: &[String; 2], read: &dyn Fn(&str) -> Option<Value>| {
            Some([read(&range[0])?, read(&range[1])?])
        };
        match &self.r#type {
            ColumnType::Integer { range } => Some(range.map(Value::Integer)),
            ColumnType::Decimal { scale, range, .. } => ends(range, &|text| {
                let unscaled = literal::parse_decimal(text, *scale)?;
                Some(Value::Decimal { unscaled, scale: *scale })
            }),
            ColumnType::Date { range } => {
                ends(range, &|text| calendar::parse_date(text).map(Value::Date))
            }
            ColumnType::Timestamp { range } => {
                ends(range, &|text| calendar::parse_timestamp(text).map(Value::Timestamp))
            }
            ColumnType::Boolean | ColumnType::Category { .. } | ColumnType::Text => None,
        }
    }

    /// Whether the column may hold the value: its type, its range or list, NULL only if it may be
    /// missing.
    pub fn admits(&self, value: &Value) -> bool {
        if value.is_null() {
            return self.missing;
        }
        if value.value_type() != Some(self.r#type.value_type()) {
            return false;
        }
        match (&self.r#type, value) {
            (ColumnType::Category { values }, Value::Text(text)) => values.contains(text),
            (ColumnType::Boolean | ColumnType::Text, _) => true,
            _ => self
                .bounds()
                .is_some_and(|[low, high]| low.order(value).is_le() && value.order(&high).is_le()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(r#type: ColumnType, missing: bool) -> Column {
        Column { name: "c".into(), r#type, unit: None, description: None, missing }
    }

    fn range(low: &str, high: &str) -> [String; 2] {
        [low.to_owned(), high.to_owned()]
    }

    #[test]
    fn domains_list_every_value_and_null_last() {
        let domain = |r#type, missing| {
            let column = column(r#type, missing);
            let domain = column.domain();
            assert_eq!(column.domain_size(), domain.as_ref().map(|values| values.len() as u64));
            assert!(domain.iter().flatten().all(|value| column.admits(value)));
            domain
        };
        assert_eq!(
            domain(ColumnType::Integer { range: [-1, 1] }, true),
            Some(vec![Value::Integer(-1), Value::Integer(0), Value::Integer(1), Value::Null])
        );
        assert_eq!(
            domain(ColumnType::Boolean, false),
            Some(vec![Value::Boolean(false), Value::Boolean(true)])
        );
        let values = vec!["m".to_owned(), "f".to_owned()];
        assert_eq!(
            domain(ColumnType::Category { values }, false),
            Some(vec![Value::Text("m".into()), Value::Text("f".into())])
        );
        let leap = range("2000-02-28", "2000-03-01");
        assert_eq!(domain(ColumnType::Date { range: leap }, true).unwrap().len(), 4);
        assert_eq!(domain(ColumnType::Text, true), None);
        let moments = range("2000-01-01", "2000-01-02");
        assert_eq!(domain(ColumnType::Timestamp { range: moments }, false), None);
    }

    #[test]
    fn a_huge_domain_has_a_size_but_no_list() {
        let all = column(ColumnType::Integer { range: [i64::MIN, i64::MAX] }, true);
        assert_eq!(all.domain_size(), Some(u64::MAX));
        assert_eq!(all.domain(), None);
    }

    #[test]
    fn days_and_hours_cover_a_range_of_moments() {
        let moments = range("2000-01-01T23:30:00", "2000-01-03T00:00:00");
        let column = column(ColumnType::Timestamp { range: moments }, true);
        assert_eq!(column.days().unwrap().len(), 4);
        assert_eq!(column.hours().unwrap().len(), 27);
        assert_eq!(column.days().unwrap()[0].to_string(), "2000-01-01T00:00:00");
    }

    #[test]
    fn values_outside_the_range_or_of_another_type_are_not_admitted() {
        let decimal = column(
            ColumnType::Decimal { scale: 1, range: range("-0.5", "2"), rounded: false },
            false,
        );
        let value = |unscaled, scale| Value::Decimal { unscaled, scale };
        assert!(decimal.admits(&value(-5, 1)));
        assert!(decimal.admits(&value(20, 1)));
        assert!(!decimal.admits(&value(21, 1)));
        assert!(!decimal.admits(&value(0, 2)));
        assert!(!decimal.admits(&Value::Integer(1)));
        assert!(!decimal.admits(&Value::Null));
    }
}
