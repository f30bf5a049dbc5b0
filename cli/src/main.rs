//! `tacit`: joint counts across sites that keep their rows to themselves.
//!
//! Data goes to standard output; progress, notes and costs go to standard error. Every failure has
//! a stable code, an exit code, and says what to do next.

mod args;
mod command;
mod context;
mod engines;
mod error;
mod failures;
mod keys;
mod process;
mod progress;
mod render;
mod runtime;
mod sandbox;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    args::Cli,
    context::Context,
    error::{Exit, Failure},
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let context = Context::new(cli.global);
    context.trace(cli.command.is_service());
    match cli.command.run(&context) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has seen enough.
        Err(failure) if failure.stable_code() == context::CLOSED_PIPE => ExitCode::SUCCESS,
        Err(failure) => {
            context.report(&failure);
            ExitCode::from(failure.exit() as u8)
        }
    }
}

/// Help and version go to standard output; a slip in the arguments is told, as JSON if `--json`
/// is among them.
fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && json {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        eprintln!("{}", Failure::new(Exit::Usage, "usage", text).to_json());
    } else {
        // A closed pipe is no reason to complain.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}
