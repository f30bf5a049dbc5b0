//! Results as CSV (RFC 4180, line feeds). Hidden and NULL are empty; `--status` tells them apart.

use std::io::{self, Write};

use tacit_sql::{ResultTable, ValueStatus};

use super::value;

/// Writes the table.
///
/// # Errors
/// Of `out`.
pub fn write(table: &ResultTable, with_status: bool, out: &mut dyn Write) -> io::Result<()> {
    let names = table.columns.iter().flat_map(|column| {
        let status = with_status.then(|| format!("{}_status", column.name));
        std::iter::once(column.name.clone()).chain(status)
    });
    line(names, out)?;
    for row in &table.rows {
        let fields = row.iter().flat_map(|cell| {
            let text = match cell.status {
                ValueStatus::Exact => value::exact(&cell.value),
                ValueStatus::Hidden | ValueStatus::Null => String::new(),
            };
            let status = with_status.then(|| value::status(cell.status).to_owned());
            std::iter::once(text).chain(status)
        });
        line(fields, out)?;
    }
    Ok(())
}

fn line(fields: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    let fields: Vec<String> = fields.map(quoted).collect();
    writeln!(out, "{}", fields.join(","))
}

fn quoted(field: String) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn hidden_and_null_are_empty_unless_status_is_asked_for() {
        let mut plain = Vec::new();
        write(&samples::table(), false, &mut plain).unwrap();
        assert_eq!(
            String::from_utf8(plain).unwrap(),
            "city,n,mean\n\"a, b\",25,1.5\n\"|\"\"x\",,\n,12,\n"
        );
        let mut full = Vec::new();
        write(&samples::table(), true, &mut full).unwrap();
        let full = String::from_utf8(full).unwrap();
        assert!(full.starts_with("city,city_status,n,n_status,mean,mean_status\n"));
        assert!(full.ends_with(",null,12,exact,,null\n"));
    }
}
