//! [`Trouble`]: why a store does not take or give something.

use tacit_governance::session::{Code, Failure};

/// Why a store does not take or give something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// The file. What the system said, for the operator's log.
    #[error("{0}")]
    Store(String),
    /// An analyst has as many open questions as may be.
    #[error(
        "{0} questions of this analyst on fhe are open here, as many as this site allows: end one, or \
         have limits.fhe_open raised in its site.toml"
    )]
    Open(usize),
    /// It would be more bytes than the store may hold.
    #[error(
        "this site keeps at most {0} MiB for questions on fhe, and they are used up: end questions that \
         are open, or have limits.fhe_store_mib raised in its site.toml"
    )]
    Full(u64),
    /// Something else is there already.
    #[error("another one was taken before, and only the first counts")]
    Other,
    /// The question has ended.
    #[error("this question has ended: {0}")]
    Ended(String),
    /// A plan or a ciphertext was decrypted before.
    #[error("it was decrypted before")]
    Spent,
}

impl Trouble {
    /// What the analyst is told. What the file's fault is stays in the log.
    pub fn failure(&self, me: &str) -> Failure {
        let code = match self {
            Self::Store(cause) => {
                tracing::error!(%cause, "the store of questions on fhe");
                let what = format!(
                    "{me} cannot use its store of questions on fhe; its operator's log says why"
                );
                return Failure::new(Code::Data, what).by(me);
            }
            Self::Open(_) | Self::Full(_) => Code::Busy,
            Self::Other => Code::Abort,
            Self::Ended(_) | Self::Spent => Code::Policy,
        };
        Failure::new(code, self.to_string())
    }
}
