//! `tacit sandbox status`.

use std::path::Path;

use tacit_governance::Study;

use crate::{
    context::Context,
    error::Result,
    render::{number, table},
    sandbox::Sandbox,
};

/// Prints a line for each party.
///
/// # Errors
/// If the folder is no sandbox.
pub fn run(folder: &Path, context: &Context) -> Result<()> {
    let sandbox = Sandbox::open(folder)?;
    let study = Study::open(&sandbox.study())?;
    let parties = sandbox.parties();
    let mut down = 0;
    let rows: Vec<Vec<String>> = parties
        .iter()
        .map(|party| {
            let running = party.running();
            down += usize::from(running.is_none());
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
    if down > 0 {
        context.note(&format!("next: tacit sandbox start {}", folder.display()));
    }
    Ok(())
}
