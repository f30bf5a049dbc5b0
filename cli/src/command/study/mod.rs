//! `tacit study`.

mod check;
mod keys;
mod new;
mod show;
mod sign;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{context::Context, error::Result};

/// Commands of `tacit study`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a study from the sites' keys, addresses and dictionaries
    New(Box<new::Arguments>),
    /// Check a study, the signatures beside it, and its validity
    #[command(after_help = "Example:\n  tacit study check study.toml")]
    Check(File),
    /// Sign the study's exact bytes with a site's key
    #[command(after_help = "Example:\n  tacit study sign study.toml --key north.key")]
    Sign(sign::Arguments),
    /// Make the keys of a study that allows the engine fhe, as its dealer
    Keys(keys::Arguments),
    /// Parties, rules, engines, tables and columns, and which of them can be keys
    #[command(after_help = "Example:\n  tacit study show study.toml")]
    Show(File),
}

/// A study's file.
#[derive(Debug, Args)]
pub struct File {
    /// The study
    #[arg(value_name = "STUDY", env = "TACIT_STUDY")]
    study: PathBuf,
}

/// Runs it.
///
/// # Errors
/// If the study cannot be read, is unsound, or is not signed.
pub fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::New(arguments) => new::run(&arguments, context),
        Command::Check(file) => check::run(&file.study, context),
        Command::Sign(arguments) => sign::run(&arguments, context),
        Command::Keys(arguments) => keys::run(&arguments, context),
        Command::Show(file) => show::run(&file.study, context),
    }
}
