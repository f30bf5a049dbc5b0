//! `tacit sandbox`.

mod new;
mod start;
mod status;
mod stop;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{context::Context, error::Result};

/// Commands of `tacit sandbox`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Split data over sites and write keys, configuration and a signed study
    New(Box<new::Arguments>),
    /// Start what is down, and wait until every party is ready
    Start(Folder),
    /// Which parties are up, where they listen, how many rows they hold
    Status(Folder),
    /// End every party
    Stop(Folder),
}

/// The folder of a sandbox.
#[derive(Debug, Args)]
pub struct Folder {
    /// The sandbox
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Runs it.
///
/// # Errors
/// If the sandbox cannot be made, read or started.
pub fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::New(arguments) => new::run(*arguments, context),
        Command::Start(folder) => start::run(&folder.folder, context),
        Command::Status(folder) => status::run(&folder.folder, context),
        Command::Stop(folder) => stop::run(&folder.folder, context),
    }
}
