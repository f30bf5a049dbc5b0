//! `tacit completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{args::Cli, context::Context, error::Result};

/// Arguments of `tacit completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tacit completions bash > ~/.local/share/bash-completion/completions/tacit
  tacit completions zsh > ~/.zfunc/_tacit
  tacit completions fish > ~/.config/fish/completions/tacit.fish")]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Writes the script to standard output.
///
/// # Errors
/// If it cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "tacit", &mut script);
    context.write(|out| out.write_all(&script))
}
