//! `tacit study check`.

use std::path::Path;

use tacit_governance::{SignatureState, Study, Timestamp, verify_all};

use crate::{context::Context, error::Result};

/// Prints what is right, and ends with the first thing that is not.
///
/// # Errors
/// If the study is unsound, lacks a signature, or is out of its validity.
pub fn run(path: &Path, context: &Context) -> Result<()> {
    let study = Study::open(path)?;
    let digest = study.digest();
    context.print(&format!("study {:?} is sound; digest {digest}\n", study.name()))?;
    let mut all = true;
    for (site, state) in verify_all(path)? {
        all &= state == SignatureState::Valid;
        context.print(&format!("signature of {site}: {state}\n"))?;
    }
    let document = study.document();
    context
        .print(&format!("valid from {} until {}\n", document.valid_from, document.valid_until))?;
    if all {
        study.valid_at(Timestamp::now())?;
    }
    Study::open_signed(path, Timestamp::now())?;
    context.note("next: tacit site serve at each site, and tacit doctor at the analyst");
    Ok(())
}
