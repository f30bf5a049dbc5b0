//! `tacit site`.

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use tacit_site::{Config, Site};

use crate::{context::Context, error::Result, process::READY, signals};

/// Commands of `tacit site`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a site, or a dealer, until it is told to stop (Ctrl-C or SIGTERM)
    #[command(after_help = "\
Prints one line that begins with `ready` to standard output as soon as it serves; its log goes to
standard error.

site.toml:
  name = \"north\"                   # this party's name in the study
  study = \"study.toml\"             # the signatures lie beside it
  key = \"north.key\"
  receipts = \"receipts.jsonl\"

  [tables.visits]
  path = \"visits.csv\"
  null = [\"NA\"]

  [refuse]                         # optional: what this site never takes part in
  statistics = [\"avg\"]
  columns = [\"visits.weight\"]

  [limits]                         # optional: what one question, or analyst, may take; defaults:
  memory_mib = 4096                # for a circuit's columns
  traffic_mib = 65536              # sent and received here in one query
  conversations = 64               # open at once, of one analyst
  refusals_per_minute = 20         # of one analyst; beyond it questions are turned away unread
  fhe_open = 256                   # questions on fhe of one analyst that wait for something here
  fhe_store_mib = 4096             # of all questions on fhe that are kept here
  fhe_minutes = 60                 # of evaluation here, as calibrated

The limits hold for all studies of the process. `statistics` knows count, sum and avg, and looks at
what is opened: a sum beside its count is an average.

Example:
  tacit site serve --config site.toml")]
    Serve(Serve),
}

/// Arguments of `tacit site serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The site's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// End as soon as standard input is closed, as it is when the process that started us ends
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

/// Runs it.
///
/// # Errors
/// If the site cannot be served.
pub fn run(command: Command, _context: &Context) -> Result<()> {
    let Command::Serve(arguments) = command;
    let config = Config::read(&arguments.config)?;
    if arguments.exit_with_parent {
        std::thread::spawn(|| {
            let mut rest = Vec::new();
            // The other end is never written to; it is closed when that process is gone.
            let _ = std::io::stdin().lock().read_to_end(&mut rest);
            std::process::exit(0);
        });
    }
    let site = Site::open(&config)?;
    let shutdown = site.shutdown();
    signals::on_interrupt(move |signal| {
        tracing::info!("stopping ({signal})");
        shutdown.stop();
    });
    site.serve(|ready| {
        // Whoever started us may have gone: the log says it too.
        let _ = writeln!(std::io::stdout(), "{READY} at {}", ready.address);
        for served in &ready.studies {
            tracing::info!(
                party = served.party,
                role = %served.role,
                study = served.study,
                digest = %served.digest.short(),
                address = %ready.address,
                "serving"
            );
        }
    })?;
    Ok(())
}
