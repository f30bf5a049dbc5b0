//! `tacit sandbox start`: starts only what is down, so that it also repairs.

use std::path::Path;

use crate::{context::Context, error::Result, process::Starting, sandbox::Sandbox};

/// Starts what is down and waits until it is ready.
///
/// # Errors
/// If a party does not start; the others are left running.
pub fn run(folder: &Path, context: &Context) -> Result<()> {
    let sandbox = Sandbox::open(folder)?;
    let mut starting: Vec<(String, Starting)> = Vec::new();
    for party in sandbox.parties() {
        match party.running() {
            Some(pid) => context.print(&format!("{}: up (process {pid})\n", party.name))?,
            None => starting.push((party.name.clone(), party.start(false, context.verbose)?)),
        }
    }
    let mut failed = None;
    for (name, party) in starting {
        match party.ready() {
            Ok((process, said)) => {
                context.print(&format!("{name}: started (process {}) {said}\n", process.id()))?;
            }
            Err(failure) => {
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
