//! [`Stamp`]: notices that a file is not what it was.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::Digest as _;
use tacit_plan::Digest;

use super::{Result, Source, SourceError};

/// Size and time of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: PathBuf,
    size: u64,
    written: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn of(files: &[PathBuf]) -> Result<Vec<Self>> {
        let one = |file: &PathBuf| {
            let about = std::fs::metadata(file).map_err(|e| SourceError::file(file, &e))?;
            Ok(Self { file: file.clone(), size: about.len(), written: about.modified().ok() })
        };
        files.iter().map(one).collect()
    }

    /// Compares with what is there now.
    pub(super) fn same(table: &str, source: &Source, before: &[Self]) -> Result<()> {
        let changed = |file: &Path| {
            Err(SourceError::Changed { table: table.to_owned(), file: file.to_owned() })
        };
        // A file that is gone has changed too.
        let Ok(now) = source.list().and_then(|files| Self::of(&files)) else {
            return changed(&source.path);
        };
        let pairs = before.iter().zip(&now);
        match pairs.into_iter().find(|(before, now)| before != now) {
            Some((_, now)) => changed(&now.file),
            None if before.len() != now.len() => changed(&source.path),
            None => Ok(()),
        }
    }

    /// Digest of the files' names and contents, in order.
    pub(super) fn digest(stamps: &[Self]) -> Result<Digest> {
        let mut parts = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        for Self { file, .. } in stamps {
            let failed = |e| SourceError::file(file, &e);
            let mut hash = sha2::Sha256::new();
            let mut opened = File::open(file).map_err(failed)?;
            loop {
                let read = opened.read(&mut buffer).map_err(failed)?;
                if read == 0 {
                    break;
                }
                hash.update(&buffer[..read]);
            }
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            parts.push((name.into_owned(), Digest(hash.finalize().into())));
        }
        Ok(Digest::of_json(&parts))
    }
}
