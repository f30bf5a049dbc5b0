//! `tacit study show`.

use std::{fmt::Write as _, path::Path};

use tacit_client::Client;
use tacit_governance::{Error, FheTerms, KeySet, KeySetFault, Study, Verify};
use tacit_sql::Statement;

use crate::{
    context::Context,
    error::Result,
    render::{self, Format, Style, number, value::printable},
};

/// Prints the study for people.
///
/// # Errors
/// If it cannot be read.
pub fn run(path: &Path, context: &Context) -> Result<()> {
    let client = Client::open_study(path)?;
    let mut text = about(client.study(), path, context);
    let style = Style {
        format: Format::Table,
        status: false,
        threshold: client.study().disclosure().threshold,
        terminal: context.terminal,
    };
    for (name, table) in &client.study().dictionary().tables {
        let counted = match &table.person {
            Some(person) => format!("counts are of persons ({person})"),
            None => "counts are of records".into(),
        };
        let _ = writeln!(text, "\nTable {}: {counted}", printable(name));
        if let Some(description) = &table.description {
            let _ = writeln!(text, "{}", printable(description));
        }
        if let Some(columns) = client.show(&Statement::Describe(name.clone())) {
            text += &render::table::result(&columns, &style);
        }
    }
    context.print(&text)
}

fn about(study: &Study, path: &Path, context: &Context) -> String {
    let document = study.document();
    let mut text = format!("{}\n", printable(study.name()));
    if let Some(description) = &document.description {
        let _ = writeln!(text, "{}", printable(description));
    }
    let _ = writeln!(text, "\ndigest     {}", study.digest());
    let _ = writeln!(text, "valid      {} to {}", document.valid_from, document.valid_until);
    let _ = writeln!(
        text,
        "rows       at most {} a table and site",
        number::grouped(study.rows_at_most())
    );
    let _ =
        writeln!(text, "cells      at most {} a result", number::grouped(study.max_cells() as u64));
    let _ = writeln!(text, "transport  {}", study.transport());

    text += "\nParties\n";
    let rows: Vec<Vec<String>> = study
        .parties()
        .iter()
        .map(|party| {
            let address = party.address.clone().unwrap_or_default();
            vec![party.name.clone(), party.role.to_string(), address, party.key.fingerprint()]
        })
        .collect();
    let header = ["name", "role", "address", "key's fingerprint"];
    text += &render::table::words(&header, &rows, &[], &context.terminal);

    text += "\nEngines\n";
    for name in study.engines().names() {
        if let ("fhe", Some(terms)) = (name, &study.engines().fhe) {
            text += &homomorphic(terms);
            text += &keys(study, path);
            continue;
        }
        let compute = study.engines().compute(name).unwrap_or_default().join(", ");
        let kind: Option<tacit_mpc::EngineKind> = name.parse().ok();
        let security = kind.map(tacit_mpc::EngineKind::security).unwrap_or_default();
        let triples = kind.and_then(tacit_mpc::EngineKind::triples);
        let triples = triples.map_or(String::new(), |source| format!("; triples: {source}"));
        let _ = writeln!(text, "  {name}: {compute} compute; security: {security}{triples}");
    }

    let disclosure = study.disclosure();
    let _ = writeln!(text, "\nDisclosure (profile {})", disclosure.profile);
    for rule in disclosure.describe() {
        let _ = writeln!(text, "  - {rule}");
    }
    text
}

/// The terms of `fhe`: who does what, and who is trusted for what.
fn homomorphic(terms: &FheTerms) -> String {
    let evaluator = match terms.verify {
        Verify::Reevaluate => "every key holder evaluates again before it decrypts",
        Verify::Trust => "the key holders trust it (evaluator: semi-honest)",
    };
    let holders = terms.holders.join(", ");
    format!(
        "  fhe: every site encrypts; {} evaluates, and {evaluator}\n       {holders} hold the key, and \
         decrypt all together or not at all; security: semi-honest, all but one of them\n       \
         keys: trusted {dealer}, CRS: trusted {dealer}; a question waits {} days for absent sites\n",
        terms.evaluator,
        terms.wait_days(),
        dealer = terms.keys,
    )
}

/// Whether the keys of `fhe` are there.
fn keys(study: &Study, path: &Path) -> String {
    match KeySet::open(study, path) {
        Ok(set) => format!(
            "       keys {} of {} by {} ({})\n",
            set.keys.short(),
            set.made.get(..10).unwrap_or(&set.made),
            set.dealer,
            set.path().display()
        ),
        Err(Error::KeySet { fault, .. }) if matches!(*fault, KeySetFault::Missing { .. }) => {
            format!("       no keys yet: {fault}\n")
        }
        Err(error) => format!("       UNUSABLE {error}\n"),
    }
}
