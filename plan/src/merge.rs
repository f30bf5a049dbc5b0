//! One dictionary out of those that the sites inferred from their own parts.
//!
//! Ranges are united, word lists too, and NULL is allowed where one site has it. A whole number at
//! one site and a decimal at another is a decimal; a day and a moment is a moment; words and text
//! is text. A column that is empty at a site (a category without words) fits any type. Everything
//! else is a mistake that the sites must mend.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Column, ColumnType, Dictionary, Error, Result, Table, calendar, literal};

/// A united word list longer than this becomes text.
pub const MOST_INFERRED_WORDS: usize = 200;

/// A merged dictionary.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// Fits the data of every site.
    pub dictionary: Dictionary,
    /// What was changed on the way, for people: `table.column: ...`.
    pub notes: Vec<String>,
}

impl Dictionary {
    /// Unites the dictionaries of the sites (name and dictionary each). Every site has a part of
    /// every table, with the same columns (in any order; the first site's is kept).
    ///
    /// # Errors
    /// [`Error::Merge`] names the place, the two sites and what to do; [`Error::Dictionary`] if
    /// the union contradicts itself.
    pub fn merge(sites: &[(String, Self)]) -> Result<Merged> {
        let mut notes = Vec::new();
        let mut tables = BTreeMap::new();
        let names: BTreeSet<&String> =
            sites.iter().flat_map(|(_, dictionary)| dictionary.tables.keys()).collect();
        for name in names {
            let mut parts = Vec::new();
            for (site, dictionary) in sites {
                let Some(table) = dictionary.tables.get(name) else {
                    let other = sites.iter().find(|(_, other)| other.tables.contains_key(name));
                    return Err(Error::Merge {
                        at: name.clone(),
                        first: other.map_or_else(String::new, |(site, _)| site.clone()),
                        second: site.clone(),
                        what: format!(
                            "{site} has no such table; every site holds a part of every table (a \
                             file with the header alone will do)"
                        ),
                    });
                };
                parts.push((site.as_str(), table));
            }
            tables.insert(name.clone(), merge_tables(name, &parts, &mut notes)?);
        }
        let dictionary = Self { tables };
        dictionary.validate()?;
        Ok(Merged { dictionary, notes })
    }
}

fn merge_tables(name: &str, parts: &[(&str, &Table)], notes: &mut Vec<String>) -> Result<Table> {
    let Some(((first, table), rest)) = parts.split_first() else {
        return Ok(Table { person: None, description: None, columns: Vec::new() });
    };
    let mut merged: Table = (*table).clone();
    // Who said so: errors name the site whose word it was.
    let mut person_of = *first;
    for (site, other) in rest {
        same_columns(name, (first, table), (site, other))?;
        match (&merged.person, &other.person) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                return Err(Error::Merge {
                    at: name.to_owned(),
                    first: person_of.to_owned(),
                    second: (*site).to_owned(),
                    what: format!("the person column is {ours:?} and {theirs:?}; agree on one"),
                });
            }
            (None, Some(theirs)) => {
                merged.person = Some(theirs.clone());
                person_of = *site;
            }
            _ => {}
        }
        merged.description = merged.description.take().or(other.description.clone());
    }
    for column in &mut merged.columns {
        let at = format!("{name}.{}", column.name);
        let mut from = *first;
        for (site, other) in rest {
            if let Some(theirs) = other.columns.iter().find(|their| their.name == column.name) {
                let before = column.r#type.word();
                merge_columns(&at, (from, column), (site, theirs), notes)?;
                if column.r#type.word() != before {
                    from = *site;
                }
            }
        }
    }
    Ok(merged)
}

fn same_columns(name: &str, ours: (&str, &Table), theirs: (&str, &Table)) -> Result<()> {
    for ((first, has), (second, lacks)) in [(ours, theirs), (theirs, ours)] {
        let missing = has
            .columns
            .iter()
            .find(|column| !lacks.columns.iter().any(|other| other.name == column.name));
        if let Some(column) = missing {
            let names = lacks.columns.iter().map(|column| column.name.as_str());
            return Err(Error::Merge {
                at: format!("{name}.{}", column.name),
                first: first.to_owned(),
                second: second.to_owned(),
                what: format!(
                    "{second} has no such column{}; rename, add or remove it in one of the two",
                    crate::suggest::did_you_mean(&column.name, names)
                ),
            });
        }
    }
    Ok(())
}

fn merge_columns(
    at: &str,
    (first, ours): (&str, &mut Column),
    (second, theirs): (&str, &Column),
    notes: &mut Vec<String>,
) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::Merge {
            at: at.to_owned(),
            first: first.to_owned(),
            second: second.to_owned(),
            what,
        })
    };
    match (&ours.unit, &theirs.unit) {
        (Some(our), Some(their)) if our != their => {
            return refuse(format!("the unit is {our:?} and {their:?}; convert one of the two"));
        }
        (None, Some(their)) => ours.unit = Some(their.clone()),
        _ => {}
    }
    if ours.description.is_none() {
        ours.description.clone_from(&theirs.description);
    }
    ours.missing |= theirs.missing;
    let Some(united) = unite(&ours.r#type, &theirs.r#type) else {
        return refuse(format!(
            "the type is {} and {}, and no type holds both; mend the data or the dictionary of \
             one",
            ours.r#type.word(),
            theirs.r#type.word()
        ));
    };
    let word = united.word();
    if word != ours.r#type.word() || word != theirs.r#type.word() {
        let words = match &ours.r#type {
            ColumnType::Category { values } if values.is_empty() => "empty",
            other => other.word(),
        };
        let their_words = match &theirs.r#type {
            ColumnType::Category { values } if values.is_empty() => "empty",
            other => other.word(),
        };
        notes.push(format!("{at}: {word}, being {words} at {first} and {their_words} at {second}"));
    }
    ours.r#type = united;
    Ok(())
}

/// The smallest type that holds both; `None` if there is none (or a range does not parse).
fn unite(ours: &ColumnType, theirs: &ColumnType) -> Option<ColumnType> {
    use ColumnType::{Boolean, Category, Date, Decimal, Integer, Text, Timestamp};
    Some(match (ours, theirs) {
        (Category { values }, other) | (other, Category { values }) if values.is_empty() => {
            other.clone()
        }
        (Integer { range: a }, Integer { range: b }) => {
            Integer { range: [a[0].min(b[0]), a[1].max(b[1])] }
        }
        (Integer { .. } | Decimal { .. }, Integer { .. } | Decimal { .. }) => {
            let [a, b] = [ours, theirs].map(as_decimal);
            let (scale_a, range_a, rounded_a) = a?;
            let (scale_b, range_b, rounded_b) = b?;
            let scale = scale_a.max(scale_b);
            let up = |end: i128, from: u8| end * 10_i128.pow(u32::from(scale - from));
            let low = up(range_a[0], scale_a).min(up(range_b[0], scale_b));
            let high = up(range_a[1], scale_a).max(up(range_b[1], scale_b));
            Decimal {
                scale,
                range: [low, high].map(|end| literal::format_decimal(end, scale)),
                rounded: rounded_a || rounded_b,
            }
        }
        (Boolean, Boolean) => Boolean,
        (Category { values: a }, Category { values: b }) => {
            let known: BTreeSet<&String> = a.iter().collect();
            let more: Vec<_> = b.iter().filter(|word| !known.contains(word)).collect();
            if !more.is_empty() && a.len() + more.len() > MOST_INFERRED_WORDS {
                return Some(Text);
            }
            // Sorted lists stay sorted; a list in an order of its own keeps it.
            let sorted = a.is_sorted() && b.is_sorted();
            let mut values: Vec<String> = a.iter().chain(more).cloned().collect();
            if sorted {
                values.sort();
            }
            Category { values }
        }
        (Text, Text | Category { .. }) | (Category { .. }, Text) => Text,
        (Date { range: a }, Date { range: b }) => {
            let ends = |range: &[String; 2]| {
                Some([calendar::parse_date(&range[0])?, calendar::parse_date(&range[1])?])
            };
            let (a, b) = (ends(a)?, ends(b)?);
            Date { range: [a[0].min(b[0]), a[1].max(b[1])].map(calendar::format_date) }
        }
        (Date { .. } | Timestamp { .. }, Date { .. } | Timestamp { .. }) => {
            let (a, b) = (moments(ours)?, moments(theirs)?);
            Timestamp { range: [a[0].min(b[0]), a[1].max(b[1])].map(calendar::format_timestamp) }
        }
        _ => return None,
    })
}

fn as_decimal(column: &ColumnType) -> Option<(u8, [i128; 2], bool)> {
    match column {
        ColumnType::Integer { range } => Some((0, range.map(i128::from), false)),
        ColumnType::Decimal { scale, range, rounded } if *scale <= crate::LARGEST_SCALE => {
            let end = |text: &str| {
                literal::parse_decimal(text, *scale).filter(|end| i64::try_from(*end).is_ok())
            };
            Some((*scale, [end(&range[0])?, end(&range[1])?], *rounded))
        }
        _ => None,
    }
}

fn moments(column: &ColumnType) -> Option<[i64; 2]> {
    let read = |text: &str| calendar::parse_timestamp(text);
    match column {
        ColumnType::Date { range } => {
            Some([read(&range[0])?, read(&range[1])? + calendar::DAY - 1])
        }
        ColumnType::Timestamp { range } => Some([read(&range[0])?, read(&range[1])?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Value;

    fn column(r#type: ColumnType) -> Column {
        Column { name: "c".into(), r#type, unit: None, description: None, missing: false }
    }

    fn site(name: &str, columns: Vec<Column>) -> (String, Dictionary) {
        let table = Table { person: None, description: None, columns };
        let tables = [("t".to_owned(), table)].into();
        (name.to_owned(), Dictionary { tables })
    }

    fn merge_types(types: &[ColumnType]) -> Result<ColumnType> {
        let sites: Vec<_> = types
            .iter()
            .zip(["north", "south", "west"])
            .map(|(r#type, name)| site(name, vec![column(r#type.clone())]))
            .collect();
        let merged = Dictionary::merge(&sites)?;
        Ok(merged.dictionary.tables["t"].columns[0].r#type.clone())
    }

    fn integer(low: i64, high: i64) -> ColumnType {
        ColumnType::Integer { range: [low, high] }
    }

    fn decimal(scale: u8, low: &str, high: &str, rounded: bool) -> ColumnType {
        ColumnType::Decimal { scale, range: [low.into(), high.into()], rounded }
    }

    fn words(words: &[&str]) -> ColumnType {
        ColumnType::Category { values: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    fn date(low: &str, high: &str) -> ColumnType {
        ColumnType::Date { range: [low.into(), high.into()] }
    }

    #[test]
    fn types_unite_to_the_smallest_that_holds_both() {
        let merged = |types: &[ColumnType]| merge_types(types).unwrap();
        assert_eq!(merged(&[integer(3, 9), integer(-1, 4)]), integer(-1, 9));
        assert_eq!(
            merged(&[
                integer(3, 9),
                decimal(2, "-0.5", "1.25", true),
                decimal(1, "0", "9.5", false)
            ]),
            decimal(2, "-0.50", "9.50", true)
        );
        assert_eq!(merged(&[ColumnType::Boolean, ColumnType::Boolean]), ColumnType::Boolean);
        assert_eq!(merged(&[words(&["a", "c"]), words(&["b", "c"])]), words(&["a", "b", "c"]));
        assert_eq!(
            merged(&[words(&["low", "high"]), words(&["mid"])]),
            words(&["low", "high", "mid"])
        );
        assert_eq!(merged(&[words(&["a"]), ColumnType::Text]), ColumnType::Text);
        assert_eq!(merged(&[words(&[]), integer(0, 1)]), integer(0, 1));
        assert_eq!(merged(&[integer(0, 1), words(&[]), integer(1, 2)]), integer(0, 2));
        assert_eq!(
            merged(&[date("2020-01-01", "2020-02-01"), date("2019-05-05", "2019-05-06")]),
            date("2019-05-05", "2020-02-01")
        );
        let moments = ColumnType::Timestamp {
            range: ["2020-01-31T10:00:00".into(), "2020-01-31T11:00:00".into()],
        };
        assert_eq!(
            merged(&[date("2020-01-01", "2020-02-01"), moments]),
            ColumnType::Timestamp {
                range: ["2020-01-01T00:00:00".into(), "2020-02-01T23:59:59.999999".into()],
            }
        );
        let many = |from: usize| ColumnType::Category {
            values: (from..from + 150).map(|i| format!("w{i:03}")).collect(),
        };
        assert_eq!(merged(&[many(0), many(150)]), ColumnType::Text);
        assert_eq!(merged(&[many(0), many(0)]), many(0));
    }

    #[test]
    fn what_does_not_fit_names_both_sites() {
        for types in [
            [integer(0, 1), ColumnType::Boolean],
            [integer(0, 1), words(&["a"])],
            [ColumnType::Text, integer(0, 1)],
            [date("2020-01-01", "2020-02-01"), words(&["a"])],
        ] {
            let error = merge_types(&types).unwrap_err();
            assert!(matches!(error, Error::Merge { .. }));
            let text = error.to_string();
            assert!(text.starts_with("t.c: north and south differ: "), "{text}");
        }
        // The culprit is the site whose type it was.
        let error = merge_types(&[words(&[]), integer(0, 1), ColumnType::Boolean]).unwrap_err();
        assert!(error.to_string().contains("south and west"), "{error}");
    }

    #[test]
    fn units_columns_tables_and_persons_must_agree() {
        let with = |change: fn(&mut Column)| {
            let mut column = column(integer(0, 1));
            change(&mut column);
            column
        };
        let merge = |second: Column| {
            let first = with(|column| column.unit = Some("kg".into()));
            Dictionary::merge(&[site("north", vec![first]), site("south", vec![second])])
        };
        let merged = merge(with(|column| column.missing = true)).unwrap();
        let united = &merged.dictionary.tables["t"].columns[0];
        assert!(united.missing && united.unit.as_deref() == Some("kg"));
        let error = merge(with(|column| column.unit = Some("g".into()))).unwrap_err();
        assert!(error.to_string().contains("\"kg\" and \"g\""), "{error}");
        let error = merge(with(|column| column.name = "cc".into())).unwrap_err();
        assert!(error.to_string().contains("south has no such column"), "{error}");
        let none = ("south".to_owned(), Dictionary::default());
        let error = Dictionary::merge(&[site("north", vec![with(|_| ())]), none]).unwrap_err();
        assert!(error.to_string().contains("has no such table"), "{error}");

        let mut sites = [site("north", vec![with(|_| ())]), site("south", vec![with(|_| ())])];
        sites[1].1.tables.get_mut("t").unwrap().person = Some("c".into());
        let merged = Dictionary::merge(&sites).unwrap();
        assert_eq!(merged.dictionary.tables["t"].person.as_deref(), Some("c"));
        sites[0].1.tables.get_mut("t").unwrap().person = Some("d".into());
        assert!(matches!(Dictionary::merge(&sites), Err(Error::Merge { .. })));
    }

    #[test]
    fn a_change_of_type_is_noted() {
        let sites = [
            site("north", vec![column(integer(0, 1))]),
            site("south", vec![column(decimal(1, "0.5", "1.5", false))]),
        ];
        let merged = Dictionary::merge(&sites).unwrap();
        assert_eq!(merged.notes, ["t.c: decimal, being integer at north and decimal at south"]);
    }

    proptest! {
        #[test]
        fn what_one_site_admits_the_union_admits(
            a in any::<[i32; 2]>(), b in any::<[i32; 2]>(), scale in 0_u8..=6, pick in any::<i32>(),
        ) {
            let sort = |[x, y]: [i32; 2]| [x.min(y), x.max(y)];
            let (a, b) = (sort(a), sort(b));
            let ends = b.map(|end| literal::format_decimal(end.into(), scale));
            let types = [
                integer(a[0].into(), a[1].into()),
                decimal(scale, &ends[0], &ends[1], false),
            ];
            let united = column(merge_types(&types).unwrap());
            let value = Value::Decimal { unscaled: pick.clamp(b[0], b[1]).into(), scale };
            prop_assert!(united.admits(&value));
        }
    }
}
