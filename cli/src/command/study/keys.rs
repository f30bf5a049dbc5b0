//! `tacit study keys`: what the dealer of `fhe` does, once for a study.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use tacit_governance::{KeyPair, KeySet, Study, keyset};

use crate::{
    args::StudyArgument,
    context::Context,
    error::{Failure, Result},
    keys,
    render::number,
};

/// Arguments of `tacit study keys`.
#[derive(Debug, Args)]
#[command(after_help = "\
For a study that allows the engine fhe, and with the key of its dealer. Writes the folder STUDY.keys
beside the study: what everybody computes with, and for each key holder its share of the decryption
key, sealed so that its own key alone opens it. Give the folder to every party. The keys are those of
these very bytes of the study: a study that is changed needs new ones.

Example:
  tacit study keys --study study.toml --key dealer.key")]
pub struct Arguments {
    #[command(flatten)]
    study: StudyArgument,
    /// The key of the study's dealer
    #[arg(long, value_name = "FILE", env = "TACIT_KEY")]
    key: PathBuf,
    /// Replace keys that are there: what was encrypted under them can never be decrypted then
    #[arg(long)]
    force: bool,
}

/// Makes the keys.
///
/// # Errors
/// If the key is not the dealer's, the study allows no `fhe`, keys are there already, or memory or
/// disk are too small.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let path = &arguments.study.study;
    let study = Study::open(path)?;
    let dealer = KeyPair::load(&arguments.key)?;
    keys::permit(&study, &dealer)?;
    let folder = KeySet::folder(path);
    if folder.exists() {
        if !arguments.force {
            let message = format!("{} is there already", folder.display());
            return Err(Failure::setup("file_exists", message).help(
                "these are the study's keys; --force makes others, and then whatever was encrypted \
                 under these can never be decrypted",
            ));
        }
        Context::warn(
            "the keys that are there are replaced: whatever was encrypted under them can never be \
             decrypted, and every party needs the new folder",
        );
    }
    context.note(&format!("making keys; it takes about {}", keys::SECONDS));
    let set = keys::make(&study, path, &dealer, arguments.force)?;
    context.print(&made(&set))?;
    context.note(&next(&set, path));
    Ok(())
}

/// Every file, its length, and whom it is for.
fn made(set: &KeySet) -> String {
    let mut text = format!("wrote {} (keys {})\n", set.path().display(), set.keys);
    let widest = set.files.keys().map(String::len).max().unwrap_or(0);
    let parts = [
        (keyset::SERVER, "for everybody who evaluates"),
        (keyset::PUBLIC, "for every site: encrypts"),
        (keyset::CRS, "for every site: proofs of encryption"),
        (keyset::CALIBRATION, "how fast this machine evaluates, for estimates"),
    ];
    let shares = set.holders.iter().map(|holder| {
        (format!("{holder}.share"), format!("for {holder}, whose key alone opens it"))
    });
    let parts = parts.map(|(name, what)| (name.to_owned(), what.to_owned()));
    for (name, what) in parts.into_iter().chain(shares) {
        if let Some(listed) = set.files.get(&name) {
            let bytes = number::bytes(listed.bytes);
            let short = listed.sha256.short();
            let _ = writeln!(text, "  {name:widest$}  {bytes:>8}  {short}  {what}");
        }
    }
    let _ =
        writeln!(text, "  keys.toml, keys.sig: the list of these files, signed by {}", set.dealer);
    text
}

fn next(set: &KeySet, path: &Path) -> String {
    format!(
        "next: give {folder} to every party, which keeps it beside its {study}; a key holder's \
         share may go to that key holder alone. A share that is lost, or a key holder's key, ends \
         what was encrypted under these keys: keep copies.\n\
         trust: whoever made these keys could decrypt everything, and forge proofs of encryption. \
         Nothing secret of them was written to disk; {dealer} is trusted to have kept no copy of \
         this machine's memory.",
        folder = set.path().display(),
        study = path.file_name().unwrap_or_default().display(),
        dealer = set.dealer,
    )
}
