//! How a [`Column`] is written in a study: one flat table whose fields depend on its `type`.
//!
//! Serde's own flattening cannot refuse unknown fields, so the flat form is a type of its own.

use serde::{Deserialize, Serialize};

use crate::{Column, ColumnType};

/// One end of a range: whole numbers are numbers, everything else is text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum End {
    Number(i64),
    Text(String),
}

impl End {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// The flat form of a column.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnForm {
    name: String,
    r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range: Option<[End; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<u8>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rounded: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    missing: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

const TYPES: [&str; 7] = ["integer", "decimal", "boolean", "category", "date", "timestamp", "text"];

impl From<Column> for ColumnForm {
    fn from(column: Column) -> Self {
        let mut form = Self {
            name: column.name,
            r#type: column.r#type.word().to_owned(),
            range: None,
            scale: None,
            rounded: false,
            values: None,
            missing: column.missing,
            unit: column.unit,
            description: column.description,
        };
        match column.r#type {
            ColumnType::Integer { range } => form.range = Some(range.map(End::Number)),
            ColumnType::Decimal { scale, range, rounded } => {
                form.scale = Some(scale);
                form.range = Some(range.map(End::Text));
                form.rounded = rounded;
            }
            ColumnType::Date { range } | ColumnType::Timestamp { range } => {
                form.range = Some(range.map(End::Text));
            }
            ColumnType::Category { values } => form.values = Some(values),
            ColumnType::Boolean | ColumnType::Text => {}
        }
        form
    }
}

impl TryFrom<ColumnForm> for Column {
    type Error = String;

    fn try_from(form: ColumnForm) -> Result<Self, String> {
        let ColumnForm {
            name,
            r#type: word,
            range,
            scale,
            rounded,
            values,
            missing,
            unit,
            description,
        } = form;
        let refuse = |what: String| Err(format!("column {name:?}: {what}"));
        let ranged = matches!(word.as_str(), "integer" | "decimal" | "date" | "timestamp");
        if !TYPES.contains(&word.as_str()) {
            return refuse(format!(
                "no type {word:?}{}; there are {}",
                crate::suggest::did_you_mean(&word, TYPES),
                TYPES.join(", ")
            ));
        }
        for (field, given, belongs) in [
            ("range", range.is_some(), ranged),
            ("scale", scale.is_some(), word == "decimal"),
            ("values", values.is_some(), word == "category"),
        ] {
            if given && !belongs {
                return refuse(format!("a column of type {word} has no {field}; remove it"));
            }
            if belongs && !given {
                return refuse(format!("a column of type {word} needs {field}"));
            }
        }
        if rounded && word != "decimal" {
            return refuse("only a decimal can be rounded; remove it".to_owned());
        }
        let r#type = match (word.as_str(), range, scale, values) {
            ("integer", Some([End::Number(low), End::Number(high)]), ..) => {
                ColumnType::Integer { range: [low, high] }
            }
            ("integer", ..) => {
                return refuse("the range of integers is two whole numbers, without quotes".into());
            }
            ("decimal", Some(range), Some(scale), _) => {
                ColumnType::Decimal { scale, range: range.map(End::text), rounded }
            }
            ("date", Some(range), ..) => ColumnType::Date { range: range.map(End::text) },
            ("timestamp", Some(range), ..) => ColumnType::Timestamp { range: range.map(End::text) },
            ("category", .., Some(values)) => ColumnType::Category { values },
            ("boolean", ..) => ColumnType::Boolean,
            _ => ColumnType::Text,
        };
        Ok(Self { name, r#type, unit, description, missing })
    }
}
