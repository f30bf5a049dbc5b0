//! A dictionary as TOML that people read: one line for each column, as in a study.

use std::{collections::BTreeMap, fmt::Write as _};

use tacit_plan::{Column, Dictionary, Table};

/// A dictionary.
///
/// # Errors
/// If a value cannot be written as TOML.
pub fn dictionary(dictionary: &Dictionary) -> Result<String, toml::ser::Error> {
    tables(&dictionary.tables)
}

fn tables(tables: &BTreeMap<String, Table>) -> Result<String, toml::ser::Error> {
    let mut text = String::new();
    for (name, table) in tables {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "[tables.{}]", key(name));
        if let Some(person) = &table.person {
            let _ = writeln!(text, "person = {}", toml::Value::from(person.as_str()));
        }
        if let Some(description) = &table.description {
            let _ = writeln!(text, "description = {}", toml::Value::from(description.as_str()));
        }
        text += "columns = [\n";
        for column in &table.columns {
            let _ = writeln!(text, "  {},", inline(column)?);
        }
        text += "]\n";
    }
    Ok(text)
}

/// The name and the type first, whatever the order of the alphabet.
fn inline(column: &Column) -> Result<String, toml::ser::Error> {
    let toml::Value::Table(mut fields) = toml::Value::try_from(column)? else {
        return Ok(String::new());
    };
    let first = ["name", "type"].into_iter().filter_map(|name| {
        let value = fields.remove(name)?;
        Some(format!("{name} = {value}"))
    });
    let mut parts: Vec<String> = first.collect();
    parts.extend(fields.iter().map(|(name, value)| format!("{name} = {value}")));
    Ok(format!("{{ {} }}", parts.join(", ")))
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        toml::Value::from(name).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacit_plan::ColumnType;

    #[test]
    fn a_dictionary_reads_back_as_it_was() {
        let column = |name: &str, r#type| Column {
            name: name.into(),
            r#type,
            unit: Some("mg/dL \"x\"".into()),
            description: Some("line\nbreak".into()),
            missing: true,
        };
        let values = vec!["a, b".into(), "it's \"so\"".into()];
        let table = Table {
            person: Some("id".into()),
            description: None,
            columns: vec![
                column("a b", ColumnType::Integer { range: [-5, 1 << 40] }),
                column("k", ColumnType::Category { values }),
            ],
        };
        let mut whole = Dictionary::default();
        whole.tables.insert("visits 2".into(), table);
        let text = dictionary(&whole).unwrap();
        let back: Dictionary = toml::from_str(&text).unwrap();
        assert_eq!(back, whole, "{text}");
        assert!(text.contains("{ name = \"k\", type = \"category\""), "{text}");
    }
}
