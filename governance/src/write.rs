//! A study as people read it: sections with a comment each, one line for each column.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    Error, Result,
    document::{Document, Transport, Verify},
};

impl Document {
    /// The document as TOML with comments. Reading it gives the same document.
    ///
    /// # Errors
    /// [`Error::Study`] if a value has no TOML form.
    pub fn to_toml(&self) -> Result<String> {
        let mut out = String::new();
        self.write(&mut out)
            .map_err(|error| Error::study(format!("cannot be written: {error}")))?;
        Ok(out)
    }

    fn write(&self, out: &mut String) -> Result<(), toml::ser::Error> {
        out.push_str(
            "# A study: who may ask what of which data, and how it is computed.\n\
             # Every site signs the exact bytes of this file (`tacit study sign`); after any\n\
             # change, all sign again.\n\n",
        );
        field(out, "version", &self.version)?;
        field(out, "name", &self.name)?;
        if let Some(description) = &self.description {
            field(out, "description", description)?;
        }
        out.push_str("\n# In force from the first to the last of these days or moments (UTC).\n");
        field(out, "valid_from", &self.valid_from)?;
        field(out, "valid_until", &self.valid_until)?;
        out.push_str("\n# No site has more rows in a table than this power of ten.\n");
        field(out, "rows_at_most", &self.rows_at_most)?;
        if let Some(cells) = self.max_cells {
            out.push_str("\n# No result has more cells than this.\n");
            field(out, "max_cells", &cells)?;
        }
        if self.transport != Transport::default() {
            out.push_str(
                "\n# What carries the frames between the parties; none falls back to another.\n",
            );
            field(out, "transport", &self.transport)?;
        }

        out.push_str(
            "\n# What is shown: counts below the profile's threshold are hidden. Numbers given\n\
             # here (threshold, site_floor, rounding, mean_threshold) override the profile's.\n\
             [disclosure]\n",
        );
        let rules = &self.disclosure;
        field(out, "profile", &rules.profile)?;
        for (name, number) in [
            ("threshold", rules.threshold),
            ("site_floor", rules.site_floor),
            ("rounding", rules.rounding),
            ("mean_threshold", rules.mean_threshold),
        ] {
            if let Some(number) = number {
                field(out, name, &number)?;
            }
        }

        out.push_str("\n# The engines that may run, and the sites that compute with each.\n");
        if let Some(terms) = &self.engines.rep3 {
            out.push_str("[engines.rep3]\n");
            field(out, "compute", &terms.compute)?;
        }
        if let Some(terms) = &self.engines.additive {
            gap(out);
            out.push_str("[engines.additive]\n");
            field(out, "compute", &terms.compute)?;
            out.push_str("# The dealer must not work together with a site.\n");
            field(out, "triples", &terms.triples)?;
        }
        if let Some(terms) = &self.engines.fhe {
            gap(out);
            out.push_str(
                "# Sites encrypt, one evaluates, all key holders together decrypt; none need be there\n\
                 # at the same time. The dealer makes the keys (`tacit study keys`) and is trusted to\n\
                 # forget them.\n[engines.fhe]\n",
            );
            field(out, "holders", &terms.holders)?;
            field(out, "evaluator", &terms.evaluator)?;
            field(out, "keys", &terms.keys)?;
            out.push_str(match terms.verify {
                Verify::Reevaluate => "# Key holders evaluate again before they decrypt.\n",
                Verify::Trust => "# Key holders BELIEVE the evaluator.\n",
            });
            field(out, "verify", &terms.verify)?;
            if let Some(days) = terms.wait_days {
                out.push_str("# So long may a question wait for absent parties.\n");
                field(out, "wait_days", &days)?;
            }
        }
        if let Some(terms) = &self.engines.clear {
            gap(out);
            out.push_str(
                "# NO SECRECY: the compute sites see all that is entered.\n[engines.clear]\n",
            );
            field(out, "compute", &terms.compute)?;
        }

        out.push_str("\n# The parties. Whoever holds the secret half of a key is that party.\n");
        for party in &self.parties {
            gap(out);
            out.push_str("[[party]]\n");
            field(out, "name", &party.name)?;
            field(out, "role", &party.role)?;
            field(out, "key", &party.key)?;
            if let Some(address) = &party.address {
                field(out, "address", address)?;
            }
        }

        out.push_str(
            "\n# The data dictionary: each table is the union of its parts at the sites.\n\
             # person = \"...\" names the column that tells persons apart: counts are then of\n\
             # persons, not of records.\n",
        );
        for (name, table) in &self.tables {
            gap(out);
            let _ = writeln!(out, "[tables.{}]", key(name)?);
            if let Some(person) = &table.person {
                field(out, "person", person)?;
            }
            if let Some(description) = &table.description {
                field(out, "description", description)?;
            }
            out.push_str("columns = [\n");
            for column in &table.columns {
                let _ = writeln!(out, "  {},", text(column)?);
            }
            out.push_str("]\n");
        }
        Ok(())
    }
}

/// An empty line before what is not the first of a section.
fn gap(out: &mut String) {
    let after_comment = out.lines().next_back().is_some_and(|line| line.starts_with('#'));
    if !after_comment {
        out.push('\n');
    }
}

fn field(out: &mut String, name: &str, value: &impl Serialize) -> Result<(), toml::ser::Error> {
    let _ = writeln!(out, "{name} = {}", text(value)?);
    Ok(())
}

/// The value on one line, tables inline.
fn text(value: &impl Serialize) -> Result<String, toml::ser::Error> {
    let mut text = String::new();
    value.serialize(toml::ser::ValueSerializer::new(&mut text))?;
    Ok(text)
}

fn key(name: &str) -> Result<String, toml::ser::Error> {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        return Ok(name.to_owned());
    }
    text(&name)
}
