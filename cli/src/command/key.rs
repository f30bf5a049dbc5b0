//! `tacit key`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use tacit_governance::KeyPair;

use crate::{
    context::Context,
    error::{Failure, Result},
};

/// Commands of `tacit key`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key: FILE for its owner alone (mode 0600), FILE.pub for everybody
    #[command(after_help = "Example:\n  tacit key new site.key")]
    New {
        /// Where to write it
        file: PathBuf,
        /// Replace a key that is there; the old one is lost
        #[arg(long)]
        force: bool,
    },
    /// Print the public half of a key, and its fingerprint
    #[command(after_help = "Example:\n  tacit key show site.key")]
    Show {
        /// The key
        file: PathBuf,
    },
}

/// Runs it.
///
/// # Errors
/// If a key cannot be made, read or written.
pub fn run(command: &Command, context: &Context) -> Result<()> {
    match command {
        Command::New { file, force } => new(file, *force, context),
        Command::Show { file } => {
            let key = KeyPair::load(file)?.public();
            context.print(&format!("{key}\n"))?;
            context.note(&format!("fingerprint {}", key.fingerprint()));
            Ok(())
        }
    }
}

/// Where the public half of the key at `path` lies.
pub fn public_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".pub");
    path.with_file_name(name)
}

/// Makes a key with its public half beside it.
///
/// # Errors
/// If one of the files is there and not `force`, or cannot be written.
pub fn make(path: &Path, force: bool) -> Result<KeyPair> {
    let public = public_path(path);
    if !force && public.exists() {
        return Err(Failure::setup(
            "file_exists",
            format!("{} is there already; it is not overwritten", public.display()),
        )
        .help("choose another name, or --force"));
    }
    let key = KeyPair::generate()?;
    key.save(path, force)?;
    key.public().save(&public, force)?;
    Ok(key)
}

fn new(path: &Path, force: bool, context: &Context) -> Result<()> {
    let key = make(path, force)?.public();
    context.print(&format!("{key}\n"))?;
    context.note(&format!(
        "wrote {path} (secret, mode 0600) and {public}; fingerprint {fingerprint}\n\
         next: send {public} to whoever writes the study, and compare the fingerprint by telephone",
        path = path.display(),
        public = public_path(path).display(),
        fingerprint = key.fingerprint(),
    ));
    Ok(())
}
