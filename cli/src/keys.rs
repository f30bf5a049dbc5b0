//! Making the keys of `fhe`: what a dealer's program does, once for a study, offline.

use std::path::Path;

use tacit_client::Backend;
use tacit_governance::{KeyPair, KeySet, Role, Study};

use crate::error::{Failure, Result};

/// How long it takes, about, on two cores, for people.
pub const SECONDS: &str = "a minute";

/// What it takes of memory, in MB: the keys as they are made and written, and those that are
/// expanded to be measured. The process was seen to grow to 2213 MB.
const MEMORY_MB: u64 = 2500;
/// What it takes of the disk, in MB.
const DISK_MB: u64 = 400;

/// Refuses before anything is done what cannot go well: this build, the memory, the disk.
///
/// # Errors
/// With what is lacking and what to do.
pub fn require(folder: &Path) -> Result<()> {
    Backend::Fhe.require_built()?;
    enough("memory", available_memory(), MEMORY_MB)?;
    enough("disk space", available_disk(folder), DISK_MB)
}

fn enough(what: &str, available: Option<u64>, needed: u64) -> Result<()> {
    match available {
        Some(available) if available < needed => {
            let message =
                format!("making keys takes {needed} MB of {what}, and {available} MB are free");
            Err(Failure::setup("resources", message)
                .help("end other programs, or make the keys on a larger machine"))
        }
        _ => Ok(()),
    }
}

fn available_memory() -> Option<u64> {
    #[cfg(feature = "fhe")]
    return tacit_he::keys::available_mb();
    #[cfg(not(feature = "fhe"))]
    return None;
}

/// Free space in MB of the disk that holds a folder.
fn available_disk(folder: &Path) -> Option<u64> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize) >> 20)
}

/// Checks that `dealer` is the key of the study's dealer, and that the study allows `fhe`.
///
/// # Errors
/// If it is not, or does not.
pub fn permit(study: &Study, dealer: &KeyPair) -> Result<()> {
    if study.engines().fhe.is_none() {
        let message = format!("the study {:?} does not allow the engine fhe", study.name());
        return Err(Failure::setup("not_allowed", message).help(
            "a study that does has a section [engines.fhe] (tacit study new --engines ...,fhe)",
        ));
    }
    study.require(&dealer.public(), Role::Dealer)?;
    Ok(())
}

/// Makes the keys of the study that lies at `path`, in the folder beside it, and measures how fast
/// this machine evaluates. With `replace`, keys that are there are replaced at the very end.
///
/// # Security
/// The secret keys are in this process while it runs: it should end soon after. It writes no core file.
///
/// # Errors
/// Those of [`require`] and [`permit`]; if a file cannot be written. Nothing is then left or replaced.
#[cfg(feature = "fhe")]
pub fn make(study: &Study, path: &Path, dealer: &KeyPair, replace: bool) -> Result<KeySet> {
    use tacit_governance::{Timestamp, keyset};
    use tacit_he::{
        Calibration, PARAMETERS,
        keys::{Dealer, KeySource as _, Scope, seal},
    };
    use tacit_plan::Digest;

    permit(study, dealer)?;
    require(path.parent().unwrap_or(Path::new(".")))?;
    no_core_file();
    let holders = study.engines().fhe.as_ref().map_or(&[][..], |terms| &terms.holders);
    let scope = Scope::new(study.digest().0, holders.len()).map_err(failed)?;
    let mut dealt = Dealer.deal(scope).map_err(failed)?;
    let digest = Digest(dealt.public().digest());
    let mut draft = KeySet::draft(study, path, digest, PARAMETERS, Timestamp::now())?;
    for (place, holder) in holders.iter().enumerate() {
        let share = dealt.share(place).map_err(failed)?;
        let (ephemeral, secret) = study.party(holder)?.key.agree()?;
        draft.share(holder, &seal(&share, ephemeral, &secret).map_err(failed)?)?;
    }
    let parts = dealt.public().to_parts().map_err(failed)?;
    for (name, part) in [keyset::SERVER, keyset::PUBLIC, keyset::CRS].into_iter().zip(parts) {
        draft.part(name, &part)?;
    }
    let evaluation = dealt.public().evaluation().map_err(failed)?;
    let measured = Calibration::measure(&dealt.public().encryption(), &evaluation);
    let measured = serde_json::to_vec_pretty(&measured.map_err(failed)?)
        .map_err(|error| Failure::setup("fhe_keys", error))?;
    draft.part(keyset::CALIBRATION, &measured)?;
    Ok(draft.finish(dealer, replace)?)
}

/// A build without homomorphic encryption makes no keys.
///
/// # Errors
/// Always, with how to build it.
#[cfg(not(feature = "fhe"))]
pub fn make(study: &Study, path: &Path, dealer: &KeyPair, _replace: bool) -> Result<KeySet> {
    permit(study, dealer)?;
    require(path.parent().unwrap_or(Path::new(".")))?;
    Err(Failure::setup("fhe_keys", "this build makes no keys"))
}

/// A process that ends in an accident leaves its memory on no disk.
#[cfg(feature = "fhe")]
fn no_core_file() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Where the system does not let us, its administrator has decided.
    let _ = setrlimit(Resource::Core, none);
}

#[cfg(feature = "fhe")]
fn failed(error: tacit_he::Error) -> Failure {
    match error {
        tacit_he::Error::Memory { .. } => Failure::setup("resources", error)
            .help("end other programs, or make the keys on a larger machine"),
        error => Failure::setup("fhe_keys", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_is_told_with_both_numbers_and_enough_is_not() {
        let failure = enough("memory", Some(2999), 3000).unwrap_err();
        assert_eq!(failure.stable_code(), "resources");
        let told = failure.to_string();
        assert!(told.contains("3000 MB of memory") && told.contains("2999 MB"), "{told}");
        assert!(enough("memory", Some(3000), 3000).is_ok());
        assert!(enough("memory", None, 3000).is_ok(), "a system that does not tell");
    }

    #[test]
    fn the_disk_tells_its_free_space() {
        assert!(available_disk(&std::env::temp_dir()).is_some());
        assert!(available_disk(Path::new("")).is_some());
        assert_eq!(available_disk(Path::new("/no/such/folder")), None);
    }
}
