//! `tacit study sign`.

use std::path::PathBuf;

use clap::Args;
use tacit_governance::{KeyPair, SignatureState, Study, sign, verify_all};

use crate::{context::Context, error::Result};

/// Arguments of `tacit study sign`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The study
    #[arg(value_name = "STUDY", env = "TACIT_STUDY")]
    study: PathBuf,
    /// The site's key
    #[arg(long, value_name = "FILE", env = "TACIT_KEY")]
    key: PathBuf,
}

/// Signs, and says who has not signed yet.
///
/// # Errors
/// If the key is no site's of the study.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let key = KeyPair::load(&arguments.key)?;
    let (site, file) = sign(&arguments.study, &key)?;
    let digest = Study::open(&arguments.study)?.digest();
    context.print(&format!("{site} signed the study {digest}\nwrote {}\n", file.display()))?;
    let missing: Vec<String> = verify_all(&arguments.study)?
        .into_iter()
        .filter(|(_, state)| *state != SignatureState::Valid)
        .map(|(name, _)| name)
        .collect();
    let next = if missing.is_empty() {
        "every site has signed; next: each party gets the study and all signatures, and runs \
         tacit site serve --config site.toml"
            .to_owned()
    } else {
        format!("next: {} sign too (send them the study and this signature)", missing.join(", "))
    };
    context.note(&next);
    Ok(())
}
