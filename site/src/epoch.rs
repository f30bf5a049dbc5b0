//! The restart epoch: a counter on disk that grows with every start.
//!
//! The epochs of all parties go into the derivation of every mask. A machine that is restored from
//! a snapshot would otherwise be able to draw the same masks twice.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use crate::{Error, Result};

/// Reads the counter `epoch` in `folder`, adds one, and syncs it to disk before it is used.
///
/// # Errors
/// [`Error::State`] if the folder cannot be written or the file holds something else.
pub fn advance(folder: &Path) -> Result<u64> {
    let path = folder.join("epoch");
    let failed = |cause: &dyn std::fmt::Display| Error::State {
        path: path.display().to_string(),
        cause: cause.to_string(),
    };
    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let last: u64 = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| failed(&"holds no whole number"))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(failed(&error)),
    };
    let epoch = last + 1;
    let fresh = folder.join("epoch.new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&fresh)?;
        writeln!(file, "{epoch}")?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| failed(&error))?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_has_a_larger_epoch() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(advance(folder.path()).unwrap(), 1);
        assert_eq!(advance(folder.path()).unwrap(), 2);
    }

    #[test]
    fn a_damaged_counter_is_refused_not_reset() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("epoch"), "x").unwrap();
        assert!(advance(folder.path()).is_err());
    }
}
