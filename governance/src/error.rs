use std::path::PathBuf;

/// What can be wrong with a key, a study, its signatures, a message or the receipts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// "read", "write", "lock" ...
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file that is there already and is not overwritten.
    #[error("{} is there already; it is not overwritten", .0.display())]
    Exists(PathBuf),
    /// No key in that place.
    #[error("no key at {}; make one with `tacit key new`", .0.display())]
    NoKey(PathBuf),
    /// A key file that other users of the machine can read.
    #[error(
        "the key {} can be read by others (mode {mode:04o}); run `chmod 600 {}` and, if others \
         may have read it, make a new one", path.display(), path.display()
    )]
    OpenKey {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key that is not one. The message never holds a part of a secret key.
    #[error("{0}")]
    Key(String),
    /// A study that does not parse, or contradicts itself.
    #[error("study{}: {what}", .line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Study {
        /// Line of the file, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong and what to do.
        what: String,
    },
    /// A study that some of its sites have not signed.
    #[error("the study is not signed by {}; each runs `tacit study sign`", .missing.join(", "))]
    Unsigned {
        /// Names of the sites.
        missing: Vec<String>,
    },
    /// A study that was changed after it was signed, or signature files that are damaged.
    #[error(
        "the study was altered after it was signed: the signature of {} does not fit it; compare \
         the file with theirs and sign again", .sites.join(", ")
    )]
    Altered {
        /// Names of the sites whose signature fails.
        sites: Vec<String>,
    },
    /// A study before its first or after its last moment.
    #[error("the study is {what}: it is valid from {from} to {until}, and now it is {now}")]
    Validity {
        /// "not yet valid" or "expired".
        what: &'static str,
        /// First moment, as written in the study.
        from: String,
        /// Last moment, as written in the study.
        until: String,
        /// The moment asked about.
        now: String,
    },
    /// A name or key that no party of the study has.
    #[error("{0}")]
    Party(String),
    /// An engine that the study does not allow, or does not know.
    #[error("{0}")]
    Engine(String),
    /// Two parties disagree on what they are about to run. No share has been sent.
    #[error("{0}")]
    ConfigMismatch(crate::session::Mismatch),
    /// A message of a peer that is oversize, cut or not of the form.
    #[error("message: {0}")]
    Message(String),
    /// Another process holds the receipts.
    #[error("the receipts {} are held by another process; one site runs once", .0.display())]
    Locked(PathBuf),
    /// Receipts whose chain is broken.
    #[error("receipts {}, line {line}: {what}", path.display())]
    Receipts {
        /// Which file.
        path: PathBuf,
        /// First bad line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A set of keys that cannot be used.
    #[error("keys {}: {fault}", path.display())]
    KeySet {
        /// Their folder.
        path: PathBuf,
        /// What is wrong and what to do.
        fault: Box<crate::KeySetFault>,
    },
    /// Disclosure rules or a dictionary that contradict themselves.
    #[error(transparent)]
    Plan(#[from] tacit_plan::Error),
}

impl Error {
    pub(crate) fn io(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    pub(crate) fn study(what: impl Into<String>) -> Self {
        Self::Study { line: None, what: what.into() }
    }
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
