//! `tacit sandbox stop`.

use std::path::Path;

use crate::{context::Context, error::Result, process::Party, sandbox::Sandbox};

/// Ends every party that runs.
///
/// # Errors
/// If the folder is no sandbox.
pub fn run(folder: &Path, context: &Context) -> Result<()> {
    let parties = Sandbox::open(folder)?.parties();
    let asked: Vec<Option<u32>> = parties.iter().map(Party::ask_to_end).collect();
    for (party, pid) in parties.iter().zip(asked) {
        let state = match pid {
            Some(pid) => {
                party.end(pid);
                "stopped"
            }
            None => "was not running",
        };
        context.print(&format!("{}: {state}\n", party.name))?;
    }
    Ok(())
}
