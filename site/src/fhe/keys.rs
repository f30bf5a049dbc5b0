//! [`Keys`]: a study's keys of `fhe` at this party, from the folder beside the study.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tacit_governance::{
    KeyPair, KeySet, Study, keyset,
    session::{Code, Failure},
};
use tacit_he::{
    Calibration, EncryptionKeys, EvaluationKeys, KeyShare, PublicKeys,
    keys::{Origin, Scope, ephemeral, open},
};
use tacit_plan::Digest;

use crate::served::Served;

/// Memory that the keys take while they are read, beside what they take in the end, in MB.
const READ_MB: u64 = 700;

/// A study's keys at this party: what is small and always needed. The rest is read where it is needed.
pub(crate) struct StudyKeys {
    set: KeySet,
    scope: Scope,
    /// This party's name.
    me: String,
    /// With which this party encrypts, and checks what others encrypted.
    pub encryption: EncryptionKeys,
    /// How fast the dealer's machine was; if the file cannot be read, how fast one was that was measured.
    pub calibration: Calibration,
}

/// The keys of all studies that are served here, read once each.
#[derive(Default)]
pub(crate) struct Keys {
    read: Mutex<HashMap<Digest, Arc<StudyKeys>>>,
}

impl Keys {
    /// The keys of a study. What could not be read is tried again the next time, since an operator may
    /// have put it there meanwhile.
    ///
    /// # Errors
    /// What is wrong with the folder and what to do, for the analyst.
    pub fn of(&self, served: &Served) -> Result<Arc<StudyKeys>, Failure> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = served.study.digest();
        if let Some(keys) = read.get(&digest) {
            return Ok(keys.clone());
        }
        let keys = StudyKeys::read(&served.study, &served.path, &served.me.name)?;
        let keys = Arc::new(keys);
        read.insert(digest, keys.clone());
        Ok(keys)
    }
}

impl StudyKeys {
    fn read(study: &Study, path: &Path, me: &str) -> Result<Self, Failure> {
        let set = KeySet::open(study, path).map_err(|error| faulty(me, &error))?;
        let scope = Scope::new(study.digest().0, set.holders.len());
        let scope = scope.map_err(|error| unusable(me, &error))?;
        let public = public(&set, scope, me)?;
        let calibration = set.read(keyset::CALIBRATION).ok();
        let calibration = calibration.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let calibration = calibration.unwrap_or(Calibration::REFERENCE);
        Ok(Self { set, scope, me: me.to_owned(), encryption: public.encryption(), calibration })
    }

    /// Digest of the public keys: what the parties agree on.
    pub fn digest(&self) -> Digest {
        self.set.keys
    }

    /// Who has to be trusted for them.
    pub fn origin() -> String {
        Origin::Dealer.to_string()
    }

    /// This party's place among the key holders.
    pub fn holder(&self) -> Option<usize> {
        self.set.holder(&self.me)
    }

    /// What evaluation needs; to be dropped when it is done.
    ///
    /// # Errors
    /// How much memory is needed and there; that a file is missing or damaged.
    pub fn evaluation(&self) -> Result<EvaluationKeys, Failure> {
        enough(&self.me, tacit_he::keys::available_mb())?;
        let public = public(&self.set, self.scope, &self.me)?;
        public.evaluation().map_err(|error| {
            let failure = unusable(&self.me, &error);
            // Other work may end and give memory back.
            let memory = matches!(error, tacit_he::Error::Memory { .. });
            Failure { code: if memory { Code::Busy } else { failure.code }, ..failure }
        })
    }

    /// This party's share, wiped when it is dropped.
    ///
    /// # Errors
    /// That it has none; that the file is lost, of another study, of other keys or damaged.
    pub fn share(&self, key: &KeyPair) -> Result<KeyShare, Failure> {
        let me = &self.me;
        let lost = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "the share of the key");
            let what = format!(
                "{me} has no usable share of the key: {error}. Without it nothing that was encrypted \
                 under these keys can be decrypted any more: {me} puts back its copy of {}, or the \
                 study's dealer makes new keys and the question is asked anew",
                self.set.share(me).file_name().unwrap_or_default().display()
            );
            Failure::new(Code::Study, what).by(me)
        };
        let holder = self.holder().ok_or_else(|| {
            Failure::new(Code::Policy, format!("{me} is no key holder of this study"))
        })?;
        let sealed = self.set.sealed(me).map_err(|error| match &error {
            tacit_governance::Error::KeySet { fault, .. } => lost(fault),
            other => lost(other),
        })?;
        let agreed = ephemeral(&sealed)
            .ok_or_else(|| lost(&"the file is not a sealed share, or is cut short"))?;
        let secret = key.agree(&agreed).map_err(|error| lost(&error))?;
        open(&sealed, &secret, self.scope, self.set.keys.0, holder).map_err(|error| lost(&error))
    }
}

impl std::fmt::Debug for StudyKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StudyKeys({})", self.set.keys.short())
    }
}

/// Refuses before anything is read if `available` MB of memory do not hold the keys, as they lie on disk
/// and expanded; where that is not known, it is tried.
fn enough(me: &str, available: Option<u64>) -> Result<(), Failure> {
    let needed = EvaluationKeys::MEMORY_MB + READ_MB;
    let Some(available) = available.filter(|&available| available < needed) else {
        return Ok(());
    };
    let failure = unusable(me, &tacit_he::Error::Memory { needed, available });
    Err(Failure { code: Code::Busy, ..failure })
}

/// All public keys, checked against their digest.
fn public(set: &KeySet, scope: Scope, me: &str) -> Result<PublicKeys, Failure> {
    let parts = set.parts().map_err(|error| faulty(me, &error))?;
    let public = PublicKeys::from_parts(scope, Origin::Dealer, set.keys.0, &parts);
    public.map_err(|error| unusable(me, &error))
}

/// Where the files lie at this site stays in its log.
fn faulty(me: &str, error: &tacit_governance::Error) -> Failure {
    match error {
        tacit_governance::Error::KeySet { fault, .. } => unusable(me, fault),
        other => unusable(me, other),
    }
}

fn unusable(me: &str, error: &dyn std::fmt::Display) -> Failure {
    tracing::error!(%error, "the keys of fhe");
    Failure::new(Code::Study, format!("the keys of fhe at {me}: {error}")).by(me)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_told_with_both_numbers_and_may_be_another_time() {
        let needed = EvaluationKeys::MEMORY_MB + READ_MB;
        let failure = enough("north", Some(needed - 1)).unwrap_err();
        assert_eq!((failure.code, failure.culprit.as_deref()), (Code::Busy, Some("north")));
        for part in [format!("{needed} MB"), format!("{} MB", needed - 1), "at north".to_owned()] {
            assert!(failure.message.contains(&part), "{part}: {failure}");
        }
        assert!(enough("north", Some(needed)).is_ok() && enough("north", None).is_ok());
    }
}
