//! [`Draft`]: a set of keys while it is made.

use std::{fs, io, path::PathBuf};

use tacit_plan::Digest;

use crate::{
    Error, KeyPair, KeySet, KeySetFault, PublicKey, Result, files,
    keyset::{Listed, MANIFEST, SIGNATURE, share_name},
};

/// A set of keys while it is made: a folder beside the one that it becomes. Whoever drops it unfinished
/// leaves no trace.
pub struct Draft {
    set: KeySet,
    /// The key that the study pins for the dealer.
    dealer: PublicKey,
    folder: PathBuf,
}

impl Draft {
    pub(crate) fn new(set: KeySet, dealer: PublicKey) -> Result<Self> {
        let folder = beside(&set, "new");
        // What a process of the same number left when it was killed.
        clear(&folder)?;
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        Ok(Self { set, dealer, folder })
    }

    /// Puts a part that is everybody's: [`crate::keyset::SERVER`], and so on.
    ///
    /// # Errors
    /// [`Error::Exists`] if it is there, [`Error::Io`]; [`KeySetFault::Part`] for another name.
    pub fn part(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.put(name, bytes, 0o644)
    }

    /// Puts a key holder's sealed share.
    ///
    /// # Errors
    /// Those of [`Draft::part`]; [`KeySetFault::NoShare`] if that party is no key holder.
    pub fn share(&mut self, holder: &str, sealed: &[u8]) -> Result<()> {
        if self.set.holder(holder).is_none() {
            return Err(self.set.fault(KeySetFault::NoShare(holder.to_owned())));
        }
        self.put(&share_name(holder), sealed, 0o600)
    }

    fn put(&mut self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        if !self.set.due().iter().any(|due| due == name) {
            let what = format!("{name} belongs to no set of keys");
            return Err(self.set.fault(KeySetFault::Part(what)));
        }
        files::create(&self.folder.join(name), bytes, mode)?;
        let listed = Listed { bytes: bytes.len() as u64, sha256: Digest::of_bytes(bytes) };
        self.set.files.insert(name.to_owned(), listed);
        Ok(())
    }

    /// Signs the list of what was put as the study's dealer, and puts the folder in its place. With
    /// `replace`, older keys are removed: what was encrypted under them cannot be decrypted any more.
    ///
    /// # Errors
    /// [`Error::Exists`] if there are keys and they are not to be replaced; [`KeySetFault::Part`] if a
    /// part was not put; [`KeySetFault::Signer`] if that is not the key of the study's dealer;
    /// [`Error::Io`]. Older keys are then as they were.
    pub fn finish(self, dealer: &KeyPair, replace: bool) -> Result<KeySet> {
        if dealer.public() != self.dealer {
            return Err(self.set.fault(KeySetFault::Signer { dealer: self.set.dealer.clone() }));
        }
        if let Some(name) = self.set.due().iter().find(|due| !self.set.files.contains_key(*due)) {
            let what = format!("{name} was not made");
            return Err(self.set.fault(KeySetFault::Part(what)));
        }
        let (manifest, signature) = self.set.to_files(dealer)?;
        files::create(&self.folder.join(SIGNATURE), signature.as_bytes(), 0o644)?;
        files::create(&self.folder.join(MANIFEST), manifest.as_bytes(), 0o644)?;
        let place = &self.set.folder;
        let old = beside(&self.set, "old");
        if place.exists() {
            if !replace {
                return Err(Error::Exists(place.clone()));
            }
            clear(&old)?;
            fs::rename(place, &old).map_err(Error::io("write", place))?;
        }
        if let Err(error) = fs::rename(&self.folder, place) {
            // Rather the old ones than none.
            let _ = fs::rename(&old, place);
            return Err(Error::io("write", place)(error));
        }
        files::sync_folder(place)?;
        clear(&old)?;
        Ok(self.set.clone())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After it has taken its place, nothing is left here.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A folder beside the keys: `study.keys.123.new`.
fn beside(set: &KeySet, what: &str) -> PathBuf {
    let mut name = set.folder.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.{what}", std::process::id()));
    set.folder.with_file_name(name)
}

fn clear(folder: &std::path::Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}
