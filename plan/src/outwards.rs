//! Rounding inferred ranges outwards, so that the extreme values of single persons are not
//! published with the dictionary.
//!
//! - Numbers: both ends move outwards to multiples of the largest power of ten that is not above
//!   the width of the range: 17 to 93 becomes 10 to 100, 1987 to 2021 becomes 1980 to 2030, 12.37
//!   to 15.02 becomes 12.00 to 16.00. Ranges of fewer than ten steps (codes, 0/1) stay.
//! - Days and moments: to whole months, and to whole years if the range spans two years or more.

use crate::{Column, ColumnType, Table, calendar, literal};

/// Days from which a range of dates is rounded to whole years.
const TWO_YEARS: i64 = 730;

impl Table {
    /// Rounds the range of every column outwards; see [`Column::round_outwards`].
    pub fn round_outwards(&mut self) {
        self.columns.iter_mut().for_each(Column::round_outwards);
    }
}

impl Column {
    /// Rounds the column's range outwards. Every value it held, it still holds; ranges that do not
    /// parse stay as they are. Rounding twice is rounding once or wider.
    pub fn round_outwards(&mut self) {
        match &mut self.r#type {
            ColumnType::Integer { range } => {
                let [low, high] = numbers(range.map(i128::from));
                let clamp = |end: i128| end.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
                *range = [clamp(low), clamp(high)];
            }
            ColumnType::Decimal { scale, range, .. } => {
                let ends = [&range[0], &range[1]].map(|end| literal::parse_decimal(end, *scale));
                if let [Some(low), Some(high)] = ends {
                    let ends = numbers([low, high]);
                    // A range that would leave 64 bits stays exact rather than be refused.
                    if ends.iter().all(|end| i64::try_from(*end).is_ok()) {
                        *range = ends.map(|end| literal::format_decimal(end, *scale));
                    }
                }
            }
            ColumnType::Date { range } => {
                let ends = [&range[0], &range[1]].map(|end| calendar::parse_date(end));
                if let [Some(low), Some(high)] = ends {
                    let [low, high] = days([i64::from(low), i64::from(high)]);
                    *range = [low as i32, high as i32].map(calendar::format_date);
                }
            }
            ColumnType::Timestamp { range } => {
                let ends = [&range[0], &range[1]].map(|end| calendar::parse_timestamp(end));
                if let [Some(low), Some(high)] = ends {
                    let [low, high] =
                        days([low, high].map(|moment| moment.div_euclid(calendar::DAY)));
                    let last = high * calendar::DAY + calendar::DAY - 1;
                    *range = [low * calendar::DAY, last].map(calendar::format_timestamp);
                }
            }
            ColumnType::Boolean | ColumnType::Category { .. } | ColumnType::Text => {}
        }
    }
}

fn numbers([low, high]: [i128; 2]) -> [i128; 2] {
    let width = (high - low).max(1).unsigned_abs();
    let step = 10_i128.pow(width.ilog10());
    let up = -((-high).div_euclid(step) * step);
    [low.div_euclid(step) * step, up]
}

fn days([low, high]: [i64; 2]) -> [i64; 2] {
    let years = high - low >= TWO_YEARS;
    let (year, month, _) = calendar::date_of(low);
    let first = calendar::days_of(year, if years { 1 } else { month }, 1);
    let (year, month, _) = calendar::date_of(high);
    let last = if years || month == 12 {
        calendar::days_of(year, 12, 31)
    } else {
        calendar::days_of(year, month + 1, 1) - 1
    };
    [first, last]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounded(r#type: ColumnType) -> ColumnType {
        let mut column =
            Column { name: "c".into(), r#type, unit: None, description: None, missing: false };
        column.round_outwards();
        column.r#type
    }

    fn integers(low: i64, high: i64) -> [i64; 2] {
        match rounded(ColumnType::Integer { range: [low, high] }) {
            ColumnType::Integer { range } => range,
            _ => unreachable!(),
        }
    }

    #[test]
    fn numbers_move_outwards_by_the_width_of_their_range() {
        assert_eq!(integers(17, 93), [10, 100]);
        assert_eq!(integers(1987, 2021), [1980, 2030]);
        assert_eq!(integers(1, 14), [0, 20]);
        assert_eq!(integers(-17, 93), [-100, 100]);
        assert_eq!(integers(0, 1), [0, 1]);
        assert_eq!(integers(2, 9), [2, 9]);
        assert_eq!(integers(5, 5), [5, 5]);
        assert_eq!(integers(i64::MIN, i64::MAX), [i64::MIN, i64::MAX]);
        let range = ["12.37".to_owned(), "15.02".to_owned()];
        let decimal = |range: [String; 2]| ColumnType::Decimal { scale: 2, range, rounded: false };
        assert_eq!(rounded(decimal(range)), decimal(["12.00".into(), "16.00".into()]));
    }

    #[test]
    fn dates_move_to_months_or_years() {
        let date =
            |low: &str, high: &str| ColumnType::Date { range: [low.to_owned(), high.to_owned()] };
        assert_eq!(rounded(date("2020-02-03", "2020-02-10")), date("2020-02-01", "2020-02-29"));
        assert_eq!(rounded(date("2020-02-03", "2020-12-10")), date("2020-02-01", "2020-12-31"));
        assert_eq!(rounded(date("1999-02-03", "2008-06-10")), date("1999-01-01", "2008-12-31"));
        let moments = |low: &str, high: &str| ColumnType::Timestamp {
            range: [low.to_owned(), high.to_owned()],
        };
        assert_eq!(
            rounded(moments("2020-02-03T10:00:00", "2020-03-01T00:00:00")),
            moments("2020-02-01T00:00:00", "2020-03-31T23:59:59.999999")
        );
        assert_eq!(rounded(date("0001-01-05", "9999-12-30")), date("0001-01-01", "9999-12-31"));
    }

    proptest! {
        #[test]
        fn a_rounded_range_holds_the_old_one(a in any::<i64>(), b in any::<i64>(), shift in 0_u32..60) {
            let (a, b): (i64, i64) = (a >> shift, b >> shift);
            let (low, high) = (a.min(b), a.max(b));
            let [first, last] = integers(low, high);
            prop_assert!(first <= low && high <= last);
            let width = i128::from(high) - i128::from(low);
            prop_assert!(i128::from(last) - i128::from(first) <= 3 * width.max(1));
        }

        #[test]
        fn rounded_days_hold_the_old_ones(low in -700_000_i64..2_900_000, width in 0_i64..30_000) {
            let [first, last] = days([low, low + width]);
            prop_assert!(first <= low && low + width <= last);
            prop_assert_eq!(calendar::date_of(first).2, 1);
            prop_assert_eq!(calendar::date_of(last + 1).2, 1);
        }
    }
}
