//! `tacit sandbox start`: starts only what is down, so that it also repairs.

use std::path::Path;

use crate::{
    context::Context,
    error::Result,
    process::{Process, Starting},
    sandbox::Sandbox,
};

/// Starts what is down and waits until it is ready.
///
/// # Errors
/// If a party does not start; the others are left running.
pub fn run(folder: &Path, context: &Context) -> Result<()> {
    let sandbox = Sandbox::open(folder)?;
    let mut started: Vec<(String, Process, Starting)> = Vec::new();
    for party in sandbox.parties() {
        if let Some(pid) = party.running() {
            context.print(&format!("{}: up (process {pid})\n", party.name))?;
        } else {
            let (process, starting) = party.start(false, context.verbose)?;
            started.push((party.name.clone(), process, starting));
        }
    }
    let mut failed = None;
    for (name, mut process, starting) in started {
        match starting.ready() {
            Ok(said) => {
                context.print(&format!("{name}: started (process {}) {said}\n", process.id()))?;
            }
            Err(failure) => {
                process.kill();
                failed.get_or_insert(failure);
            }
        }
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    context.note(&format!(
        "next: tacit query --study {study} --key {key} \"SHOW TABLES\"\n\
         to end: tacit sandbox stop {folder}",
        study = sandbox.study().display(),
        key = sandbox.analyst_key().display(),
        folder = folder.display(),
    ));
    Ok(())
}
