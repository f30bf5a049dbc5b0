//! `tacit sandbox stop`.

use std::path::Path;

use crate::{context::Context, error::Result, sandbox::Sandbox};

/// Ends every party that runs.
///
/// # Errors
/// If the folder is no sandbox.
pub fn run(folder: &Path, context: &Context) -> Result<()> {
    for party in Sandbox::open(folder)?.parties() {
        let state = if party.stop() { "stopped" } else { "was not running" };
        context.print(&format!("{}: {state}\n", party.name))?;
    }
    Ok(())
}
