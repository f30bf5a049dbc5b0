//! Keys, studies, signatures, messages and receipts: what is refused, and with which message.

mod keys;
mod keyset;
mod receipts;
mod session;
mod signatures;
mod study;

use std::fmt::Write;

use tacit_governance::{Document, KeyPair, Study};

/// The key of a party, made from its number.
fn key(number: u8) -> KeyPair {
    KeyPair::from_seed(&[number; 32])
}

/// Three sites (keys 1 to 3), a dealer (4), an analyst (5).
fn text() -> String {
    let mut text = String::from(
        r#"version = 1
name = "Readmissions"
valid_from = "2026-01-01"
valid_until = 2026-12-31
rows_at_most = 1000000

[disclosure]
profile = "default"
site_floor = 3

[engines.rep3]
compute = ["north", "south", "west"]

[engines.additive]
compute = ["south", "north"]
triples = "dealer"
"#,
    );
    let parties = [
        ("north", "site"),
        ("analyst", "analyst"),
        ("south", "site"),
        ("dealer", "dealer"),
        ("west", "site"),
    ];
    let numbers = [1, 5, 2, 4, 3];
    for ((name, role), number) in parties.into_iter().zip(numbers) {
        let _ = write!(
            text,
            "\n[[party]]\nname = \"{name}\"\nrole = \"{role}\"\nkey = \"{}\"\n",
            key(number).public()
        );
        if role != "analyst" {
            let _ = writeln!(text, "address = \"127.0.0.1:700{number}\"");
        }
    }
    text += r#"
[tables.encounters]
person = "patient"
columns = [
  { name = "patient", type = "integer", range = [0, 200000000] },
  { name = "sex", type = "category", values = ["Female", "Male"], missing = true },
  { name = "dose", type = "decimal", scale = 2, range = ["0.00", "9.50"], unit = "mg" },
  { name = "admitted", type = "date", range = ["2000-01-01", "2009-12-31"] },
  { name = "note", type = "text" },
]
"#;
    text
}

/// The same study, where south and west also hold keys and north evaluates.
fn homomorphic() -> String {
    let terms = "\n[engines.fhe]\nholders = [\"south\", \"west\"]\nevaluator = \"north\"\n\
                 keys = \"dealer\"\n\n[[party]]";
    text().replacen("\n[[party]]", terms, 1)
}

fn study() -> Study {
    Study::parse(text().as_bytes()).unwrap()
}

fn document() -> Document {
    study().document().clone()
}
