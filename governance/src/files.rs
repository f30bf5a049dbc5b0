//! Files that must be whole: created once, or replaced in one step, and synced to disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// Writes a new file, synced with its folder.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut file = open_new(path, mode).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => Error::io("write", path)(error),
    })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a file would be refused later with a message about its form; leave none.
        let _ = fs::remove_file(path);
        return Err(Error::io("write", path)(error));
    }
    sync_folder(path)
}

/// Writes a file beside the old one and puts it in its place in one step.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let _ = fs::remove_file(&beside);
    create(&beside, bytes, mode)?;
    if let Err(error) = fs::rename(&beside, path) {
        let _ = fs::remove_file(&beside);
        return Err(Error::io("write", path)(error));
    }
    sync_folder(path)
}

/// Reads a file of at most `cap` bytes.
pub(crate) fn read(path: &Path, cap: u64) -> Result<Vec<u8>> {
    use io::Read;
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(cap + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > cap {
        let error = io::Error::other(format!("it has more than {cap} bytes"));
        return Err(Error::io("read", path)(error));
    }
    Ok(bytes)
}

/// Makes the creation or renaming of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        let folder = folder_of(path);
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("sync", &folder))?;
    }
    let _ = path;
    Ok(())
}

fn open_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(mode);
    }
    let _ = mode;
    options.open(path)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
