//! `tacit sandbox status`.

use std::path::Path;

use tacit_governance::Study;

use crate::{
    context::Context,
    error::{Exit, Failure, Result},
    render::{number, table},
    sandbox::Sandbox,
};

/// Prints a line for each party.
///
/// # Errors
/// If the folder is no sandbox, or a party is down.
pub fn run(folder: &Path, context: &Context) -> Result<()> {
    let sandbox = Sandbox::open(folder)?;
    let study = Study::open(&sandbox.study())?;
    let parties = sandbox.parties();
    let mut down = Vec::new();
    let rows: Vec<Vec<String>> = parties
        .iter()
        .map(|party| {
            let running = party.running();
            if running.is_none() {
                down.push(party.name.as_str());
            }
            let address = study.party(&party.name).ok().and_then(|party| party.address.clone());
            let held = sandbox.facts.rows.get(&party.name).map(|tables| {
                let held = tables
                    .iter()
                    .map(|(table, rows)| format!("{table} {}", number::grouped(*rows)));
                held.collect::<Vec<_>>().join(", ")
            });
            vec![
                party.name.clone(),
                if running.is_some() { "up" } else { "down" }.into(),
                address.unwrap_or_default(),
                running.map_or_else(String::new, |pid| pid.to_string()),
                held.unwrap_or_else(|| "none: it deals triples".into()),
            ]
        })
        .collect();
    let header = ["party", "state", "address", "process", "rows"];
    context.print(&table::words(&header, &rows, &[3], &context.terminal))?;
    if down.is_empty() {
        return Ok(());
    }
    let message = format!("down: {}", down.join(", "));
    Err(Failure::new(Exit::Differs, "party_down", message)
        .help(format!("tacit sandbox start {}", folder.display())))
}
