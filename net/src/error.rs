/// What can go wrong between parties. Peers are named by session index; whoever holds the study
/// turns the index into a name.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection to a peer is gone.
    #[error("party {peer} is gone: {cause}")]
    Lost {
        /// Session index of the peer.
        peer: usize,
        /// What the transport said.
        cause: String,
    },
    /// A peer did not send in time.
    #[error("party {peer} did not answer within {seconds} s")]
    Deadline {
        /// Session index of the peer.
        peer: usize,
        /// The deadline that passed.
        seconds: u64,
    },
    /// A peer sent a frame of another length, kind, round or session than is due.
    #[error("party {peer} sent {got}, expected {expected}")]
    Frame {
        /// Session index of the peer.
        peer: usize,
        /// What was due.
        expected: String,
        /// What came.
        got: String,
    },
    /// A peer ended the session and said why.
    #[error("party {by} ended the session: {reason}")]
    Aborted {
        /// Who told.
        by: usize,
        /// The first culprit, if there is one.
        culprit: Option<usize>,
        /// The reason, at most 1 kB, never a value.
        reason: String,
    },
    /// The session was closed on this side.
    #[error("the session is closed")]
    Closed,
    /// A name, an address or a key that cannot be used.
    #[error("{0}")]
    Setup(String),
}

impl Error {
    /// Session index of the party that this error blames, if it blames one.
    ///
    /// Whoever noticed first told the others, so all parties of a session give the same answer.
    pub fn culprit(&self) -> Option<usize> {
        match self {
            Self::Lost { peer, .. } | Self::Deadline { peer, .. } | Self::Frame { peer, .. } => {
                Some(*peer)
            }
            Self::Aborted { by, culprit, .. } => Some(culprit.unwrap_or(*by)),
            Self::Closed | Self::Setup(_) => None,
        }
    }

    /// What to tell the other parties when this error ends a session: culprit and reason.
    pub(crate) fn verdict(&self) -> (Option<usize>, String) {
        match self {
            Self::Aborted { reason, .. } => (self.culprit(), reason.clone()),
            other => (other.culprit(), other.to_string()),
        }
    }
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
