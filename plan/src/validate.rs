//! What a dictionary must say so that queries can be compiled against it.

use std::collections::{HashMap, HashSet};

use crate::{Column, ColumnType, Dictionary, Error, Result, Table, calendar, literal};

/// Most digits behind the point of a decimal.
pub const LARGEST_SCALE: u8 = 6;
/// Most words of a category that a dictionary may list.
pub const MOST_WORDS: usize = 10_000;
/// Most letters of a name or word.
const LONGEST_NAME: usize = 200;
/// Most letters of a description or unit.
const LONGEST_TEXT: usize = 2_000;
const MOST_TABLES: usize = 200;
const MOST_COLUMNS: usize = 2_000;

impl Dictionary {
    /// Refuses a dictionary that contradicts itself. Any name without control characters is
    /// usable: SQL quotes it.
    ///
    /// # Errors
    /// [`Error::Dictionary`] with the place (`table.column`) and what to do.
    pub fn validate(&self) -> Result<()> {
        if self.tables.len() > MOST_TABLES {
            let what = format!("{} tables; at most {MOST_TABLES}", self.tables.len());
            return refuse("tables", what);
        }
        let mut seen = HashMap::new();
        for (name, table) in &self.tables {
            check_name(name, name)?;
            if let Some(other) = seen.insert(name.to_lowercase(), name) {
                let what = format!(
                    "it and {other:?} differ in case alone, which SQL does not tell apart; \
                     rename one"
                );
                return refuse(name, what);
            }
            table.validate(name)?;
        }
        Ok(())
    }
}

impl Table {
    /// Refuses a table that contradicts itself; `name` is for the message.
    ///
    /// # Errors
    /// [`Error::Dictionary`].
    pub fn validate(&self, name: &str) -> Result<()> {
        if self.columns.is_empty() || self.columns.len() > MOST_COLUMNS {
            let what = format!("{} columns; 1 to {MOST_COLUMNS}", self.columns.len());
            return refuse(name, what);
        }
        check_text(name, "description", self.description.as_deref())?;
        let mut seen = HashMap::new();
        for column in &self.columns {
            let at = format!("{name}.{}", column.name);
            check_name(&at, &column.name)?;
            if let Some(other) = seen.insert(column.name.to_lowercase(), &column.name) {
                let what = if *other == column.name {
                    "two columns have this name; rename one".to_owned()
                } else {
                    format!(
                        "it and {other:?} differ in case alone, which SQL does not tell apart; \
                         rename one"
                    )
                };
                return refuse(&at, what);
            }
            column.check(&at)?;
        }
        if let Some(person) = &self.person
            && !self.columns.iter().any(|column| column.name == *person)
        {
            let names = self.columns.iter().map(|column| column.name.as_str());
            let what = format!(
                "person = {person:?} is no column of the table{}; name the column that tells \
                 persons apart, spelled as there",
                crate::suggest::did_you_mean(person, names)
            );
            return refuse(name, what);
        }
        Ok(())
    }
}

impl Column {
    fn check(&self, at: &str) -> Result<()> {
        check_text(at, "description", self.description.as_deref())?;
        check_text(at, "unit", self.unit.as_deref())?;
        match &self.r#type {
            ColumnType::Integer { range: [low, high] } => {
                ordered(at, low <= high, &low.to_string(), &high.to_string())
            }
            ColumnType::Decimal { scale, range, .. } => {
                if *scale > LARGEST_SCALE {
                    let what = format!(
                        "scale {scale}; at most {LARGEST_SCALE} digits behind the point are kept \
                         exactly: take {LARGEST_SCALE} and rounded = true, or another unit"
                    );
                    return refuse(at, what);
                }
                let end = |text: &String| {
                    let unscaled = literal::parse_decimal(text, *scale);
                    let fits = unscaled.and_then(|unscaled| i64::try_from(unscaled).ok());
                    fits.ok_or_else(|| {
                        dictionary(
                            at,
                            format!(
                                "range: {text:?} is no decimal of at most {scale} digits behind \
                                 the point within 64 bits"
                            ),
                        )
                    })
                };
                ordered(at, end(&range[0])? <= end(&range[1])?, &range[0], &range[1])
            }
            ColumnType::Date { range } => {
                let end = |text: &String| {
                    calendar::parse_date(text).ok_or_else(|| {
                        dictionary(
                            at,
                            format!(
                                "range: {text:?} is no day; write YYYY-MM-DD, years 0001 to 9999"
                            ),
                        )
                    })
                };
                ordered(at, end(&range[0])? <= end(&range[1])?, &range[0], &range[1])
            }
            ColumnType::Timestamp { range } => {
                let end = |text: &String| {
                    calendar::parse_timestamp(text).ok_or_else(|| {
                        dictionary(
                            at,
                            format!("range: {text:?} is no moment; write YYYY-MM-DDTHH:MM:SS"),
                        )
                    })
                };
                ordered(at, end(&range[0])? <= end(&range[1])?, &range[0], &range[1])
            }
            ColumnType::Category { values } => words(at, values),
            ColumnType::Boolean | ColumnType::Text => Ok(()),
        }
    }
}

fn words(at: &str, values: &[String]) -> Result<()> {
    if values.is_empty() {
        return refuse(at, "a category without words; list them in values".to_owned());
    }
    if values.len() > MOST_WORDS {
        let what = format!(
            "{} words; at most {MOST_WORDS}: make it text, or group the words",
            values.len()
        );
        return refuse(at, what);
    }
    let mut seen = HashSet::new();
    for word in values {
        if word.chars().count() > LONGEST_NAME {
            let what = format!("a word of more than {LONGEST_NAME} letters; make it text");
            return refuse(at, what);
        }
        if !seen.insert(word) {
            return refuse(at, format!("the word {word:?} is listed twice"));
        }
    }
    Ok(())
}

fn check_name(at: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return refuse(at, format!("a name has 1 to {LONGEST_NAME} letters"));
    }
    if name.chars().any(char::is_control) {
        return refuse(
            &at.escape_debug().to_string(),
            "a name with a control character".to_owned(),
        );
    }
    Ok(())
}

fn check_text(at: &str, field: &str, text: Option<&str>) -> Result<()> {
    if text.is_some_and(|text| text.chars().count() > LONGEST_TEXT) {
        return refuse(at, format!("{field}: more than {LONGEST_TEXT} letters"));
    }
    Ok(())
}

fn ordered(at: &str, ordered: bool, low: &str, high: &str) -> Result<()> {
    if ordered {
        return Ok(());
    }
    refuse(at, format!("range: it begins with {low}, after its end {high}; swap them"))
}

fn dictionary(at: &str, what: String) -> Error {
    Error::Dictionary { at: at.to_owned(), what }
}

fn refuse(at: &str, what: String) -> Result<()> {
    Err(dictionary(at, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, r#type: ColumnType) -> Column {
        Column { name: name.into(), r#type, unit: None, description: None, missing: false }
    }

    fn refusal(columns: Vec<Column>) -> String {
        let table = Table { person: None, description: None, columns };
        let dictionary = Dictionary { tables: [("t".to_owned(), table)].into() };
        match dictionary.validate() {
            Ok(()) => "fine".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn one(r#type: ColumnType) -> String {
        refusal(vec![column("c", r#type)])
    }

    fn decimal(scale: u8, low: &str, high: &str) -> ColumnType {
        ColumnType::Decimal { scale, range: [low.into(), high.into()], rounded: false }
    }

    #[test]
    fn sound_columns_pass_whatever_their_names() {
        let awkward = ["select", "a \"b\"", "Größe (cm)", "1st", "x.y"];
        let columns = awkward.iter().map(|name| column(name, ColumnType::Text)).collect();
        assert_eq!(refusal(columns), "fine");
        assert_eq!(one(decimal(2, "-1.5", "100")), "fine");
        assert_eq!(one(ColumnType::Integer { range: [3, 3] }), "fine");
        let range = ["2000-01-01".into(), "2000-01-01T10:00:00".into()];
        assert_eq!(one(ColumnType::Timestamp { range }), "fine");
    }

    #[test]
    fn contradictions_are_refused_with_place_and_reason() {
        for (refused, says) in [
            (one(ColumnType::Integer { range: [1, 0] }), "swap them"),
            (one(decimal(7, "0", "1")), "scale 7"),
            (one(decimal(1, "0.25", "1")), "no decimal"),
            (one(decimal(6, "0", "99999999999999")), "64 bits"),
            (one(decimal(0, "2", "1")), "swap them"),
            (one(ColumnType::Date { range: ["2021-02-29".into(), "2022-01-01".into()] }), "no day"),
            (one(ColumnType::Timestamp { range: ["x".into(), "2022-01-01".into()] }), "no moment"),
            (one(ColumnType::Category { values: vec![] }), "without words"),
            (one(ColumnType::Category { values: vec!["a".into(), "a".into()] }), "twice"),
            (
                one(ColumnType::Category {
                    values: (0..=MOST_WORDS).map(|i| i.to_string()).collect(),
                }),
                "make it text",
            ),
        ] {
            assert!(refused.starts_with("t.c: ") && refused.contains(says), "{refused}");
        }
        let twice = vec![column("a", ColumnType::Text), column("A", ColumnType::Text)];
        assert!(refusal(twice).contains("case alone"));
        assert!(refusal(vec![]).contains("0 columns"));
        assert!(refusal(vec![column("", ColumnType::Text)]).contains("1 to 200"));
        assert!(refusal(vec![column("a\nb", ColumnType::Text)]).contains("control"));
    }

    #[test]
    fn an_unknown_person_column_gets_a_suggestion() {
        let table = Table {
            person: Some("patientid".into()),
            description: None,
            columns: vec![column("patient_id", ColumnType::Text)],
        };
        let error = table.validate("t").unwrap_err().to_string();
        assert!(error.contains("did you mean \"patient_id\""), "{error}");
    }

    #[test]
    fn names_are_found_exactly_first_and_then_without_case() {
        let table = |columns: &[&str]| Table {
            person: None,
            description: None,
            columns: columns.iter().map(|name| column(name, ColumnType::Text)).collect(),
        };
        let dictionary =
            Dictionary { tables: [("Encounters".to_owned(), table(&["Age", "sex"]))].into() };
        let (name, found) = dictionary.table("ENCOUNTERS").unwrap();
        assert_eq!(name, "Encounters");
        assert_eq!(found.column("age").unwrap().name, "Age");
        let error = found.column("sexx").unwrap_err().to_string();
        assert_eq!(error, "there is no column \"sexx\"; did you mean \"sex\"?");
        let error = dictionary.table("zzz").unwrap_err().to_string();
        assert_eq!(error, "there is no table \"zzz\"; there are Encounters");
    }
}
