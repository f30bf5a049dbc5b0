//! The folder that the records of a run go to.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tacit_bench::Record;

use super::failure;
use crate::{
    context::Context,
    error::{Failure, Result},
};

/// A folder, or none, and what was written into it.
pub struct Folder {
    path: Option<PathBuf>,
    written: usize,
}

impl Folder {
    /// Makes the folder if it is not there, finds out whether it can be written to, and says how
    /// many records of an earlier run are about to be replaced: those whose files are `files`.
    ///
    /// # Errors
    /// With the folder and why nothing can be written into it.
    pub fn prepare(
        path: Option<&Path>,
        files: impl Iterator<Item = String>,
        context: &Context,
    ) -> Result<Self> {
        let Some(path) = path else { return Ok(Self { path: None, written: 0 }) };
        probe(path).map_err(|error| {
            Failure::file(path, &error).help("name a folder that can be written to with --out")
        })?;
        match files.filter(|file| path.join(file).exists()).count() {
            0 => {}
            old => context.note(&format!(
                "{} of an earlier run in {} will be replaced",
                records(old),
                path.display()
            )),
        }
        Ok(Self { path: Some(path.to_owned()), written: 0 })
    }

    /// Writes a record, if there is a folder.
    ///
    /// # Errors
    /// With the file and the reason.
    pub fn write(&mut self, record: &Record) -> Result<()> {
        if let Some(path) = &self.path {
            record.write(path).map_err(failure)?;
            self.written += 1;
        }
        Ok(())
    }

    /// Says where the records are, if any were written.
    pub fn tell(&self, context: &Context) {
        if let Some(path) = self.path.as_ref().filter(|_| self.written > 0) {
            let (count, path) = (records(self.written), path.display());
            let be = if self.written == 1 { "is" } else { "are" };
            context.note(&format!("{count} {be} in {path}; next: tacit bench report {path}"));
        }
    }
}

fn records(count: usize) -> String {
    if count == 1 { "1 record".into() } else { format!("{count} records") }
}

/// Writes a file of its own into the folder, and removes it.
fn probe(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    tempfile::Builder::new().prefix(".tacit-").tempfile_in(folder)?.close()
}
