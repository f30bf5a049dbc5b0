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
    /// No channel to a peer could be set up.
    #[error("{name} at {address}: {fault}")]
    Unreachable {
        /// Session index of the peer, where there is a session.
        peer: Option<usize>,
        /// Name of the peer.
        name: String,
        /// Its address, as far as known.
        address: String,
        /// What went wrong, and at which side.
        fault: Fault,
    },
    /// The other side of a conversation left.
    #[error("{name} ended the conversation: {cause}")]
    Ended {
        /// Name of the peer.
        name: String,
        /// What the transport said.
        cause: String,
    },
    /// The session was closed on this side.
    #[error("the session is closed")]
    Closed,
    /// A name, an address or a key that cannot be used.
    #[error("{0}")]
    Setup(String),
}

/// Why a peer cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The peer does not know the key that this side presented.
    #[error("it refused our key: is our key in its study?")]
    RefusedOurKey,
    /// The machine at that address holds another key than the one that is pinned.
    #[error("it presented another key than the study pins")]
    WrongKey,
    /// The machine answers that no process listens on that port.
    #[error("nothing listens there: is its service running?")]
    NothingListens,
    /// No answer at all.
    #[error("no answer: is the machine up, the address right, and its port let through?")]
    Silent,
    /// The machine takes the connection (TCP), but nothing more comes.
    #[error("it takes the connection and says nothing: is it its service that has the port?")]
    Mute,
    /// The peer answers but has no room for another connection or session.
    #[error("it is busy")]
    Busy,
    /// The peer could be reached but did not take up this session.
    #[error("it did not join the session in time")]
    Absent,
    /// The peer speaks another version of the protocol.
    #[error("it speaks another protocol version")]
    OtherProtocol,
    /// There is no address to dial.
    #[error("its address is not known")]
    NoAddress,
    /// Anything else the transport says.
    #[error("{0}")]
    Other(String),
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
            Self::Unreachable { peer, .. } => *peer,
            Self::Ended { .. } | Self::Closed | Self::Setup(_) => None,
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
