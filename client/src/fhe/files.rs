//! Files of a job: each is whole or not there, and on disk before anything is said of it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

/// Makes a folder that its owner alone can look into.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)?;
    path.parent().map_or(Ok(()), sync)
}

/// Writes `parts` one after the other to a new file beside `path` and puts it in its place.
pub(super) fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = private().truncate(true).open(&beside)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part));
    if let Err(error) = written.and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync)
}

/// Opens for writing; a new file is its owner's alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Reads a file of at most `cap` bytes.
pub(super) fn read(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        return Err(io::Error::other(format!("it has more than {cap} bytes")));
    }
    Ok(bytes)
}

fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if !folder.as_os_str().is_empty() {
        File::open(folder)?.sync_all()?;
    }
    let _ = folder;
    Ok(())
}
