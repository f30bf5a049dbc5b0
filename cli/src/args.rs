//! The command line's own words: global arguments, and one variant for each command.

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::{
    command::{
        audit, bench, completions, demo, dictionary, doctor, explain, key, query, sandbox, site,
        study,
    },
    context::Context,
    error::Result,
};

const AFTER: &str = "\
Examples:
  tacit demo
  tacit sandbox new demo/ --table visits=visits.csv --sites 3
  tacit sandbox start demo/
  tacit query --study demo/study.toml --key demo/analyst/key \\
      \"SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex\"

Exit codes:
  0    done
  1    something differs, or a check found a fault
  2    wrong use of the command line
  3    the question is refused (SQL, disclosure rules, a site's policy)
  4    study, key, configuration or data
  5    a party cannot be reached, was lost, or is too slow
  6    a party departed from the protocol
  130  stopped by Ctrl-C

Environment:
  TACIT_STUDY, TACIT_KEY  defaults of --study and --key
  TACIT_LOG               log filter, such as tacit_site=debug
  NO_COLOR                no colour when set";

/// Joint counts across sites: one SQL question over all of them, the exact answer of the pooled
/// data with small cells hidden, and no site sees another's rows or counts.
#[derive(Debug, Parser)]
#[command(name = "tacit", version, about, arg_required_else_help = true, after_help = AFTER)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Write errors to standard error as one line of JSON with a stable code
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more (-v what is done, -vv details, -vvv every round); never a value
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// No progress, notes or costs on standard error
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Three hospitals and an analyst on this machine, with real data: look at what it does
    Demo(demo::Arguments),
    /// A study of your own on this machine: same binary, files and transport as for real
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// Ask a question over all sites
    Query(query::Arguments),
    /// What a question computes, costs and reveals, without running it
    Explain(explain::Arguments),
    /// Make and show keys
    #[command(subcommand)]
    Key(key::Command),
    /// Describe a site's data, and check data against a study
    #[command(subcommand)]
    Dictionary(dictionary::Command),
    /// Write, check, sign and show a study
    #[command(subcommand)]
    Study(study::Command),
    /// Serve a site or a dealer
    #[command(subcommand)]
    Site(site::Command),
    /// Show and verify the receipts of a site
    #[command(subcommand)]
    Audit(audit::Command),
    /// Find out which side is at fault, and the fix
    Doctor(doctor::Arguments),
    /// Measure engines and operators, and compare and draw the figures
    #[command(subcommand)]
    Bench(bench::Command),
    /// Write a completion script for a shell
    Completions(completions::Arguments),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// With an exit code, a stable code, and what to do next.
    pub fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Demo(arguments) => demo::run(&arguments, context),
            Self::Sandbox(command) => sandbox::run(command, context),
            Self::Query(arguments) => query::run(&arguments, context),
            Self::Explain(arguments) => explain::run(&arguments, context),
            Self::Key(command) => key::run(&command, context),
            Self::Dictionary(command) => dictionary::run(command, context),
            Self::Study(command) => study::run(command, context),
            Self::Site(command) => site::run(command, context),
            Self::Audit(command) => audit::run(&command, context),
            Self::Doctor(arguments) => doctor::run(&arguments, context),
            Self::Bench(command) => bench::run(&command, context),
            Self::Completions(arguments) => completions::run(&arguments, context),
        }
    }

    /// Whether it serves others until it is stopped.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Site(_))
    }
}

/// The study, and the key to use with it.
#[derive(Clone, Debug, Args)]
pub struct StudyArgument {
    /// The study; the sites' signatures lie beside it
    #[arg(long, value_name = "FILE", env = "TACIT_STUDY")]
    pub study: std::path::PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
