//! [`Error`]: what can go wrong for an analyst, each with a stable code, the party it is about,
//! the side at fault and what to do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Awaited;

/// Who has to mend something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "side", content = "name")]
#[non_exhaustive]
pub enum Side {
    /// The person who asks: the question, the key, the copy of the study.
    Analyst,
    /// That party.
    Party(String),
    /// The way between this machine and that party, or that party is down.
    Network(String),
    /// This program.
    Tacit,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Analyst => f.write_str("the analyst"),
            Self::Party(name) => f.write_str(name),
            Self::Network(name) => write!(f, "{name}, or the network to it"),
            Self::Tacit => f.write_str("tacit itself"),
        }
    }
}

/// What can go wrong for an analyst.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument that means nothing.
    #[error("{0}")]
    Usage(String),
    /// The study, its signatures or the key.
    #[error(transparent)]
    Governance(#[from] tacit_governance::Error),
    /// The question.
    #[error(transparent)]
    Sql(#[from] tacit_sql::Error),
    /// The study forbids it.
    #[error("{what}")]
    NotAllowed {
        /// What is not allowed, and what is.
        what: String,
    },
    /// A party holds something else than this side: nothing was sent.
    #[error("{party} and {other} differ in the {what}: {theirs} at {party}, {ours} at {other}")]
    ConfigMismatch {
        /// The party that noticed or that differs.
        party: String,
        /// Whom it differs from.
        other: String,
        /// What differs: "study", "protocol version", "plan", ...
        what: String,
        /// The value at `other`.
        ours: String,
        /// The value at `party`.
        theirs: String,
    },
    /// A party refused the question.
    #[error("{party} refused: {message}")]
    Refused {
        /// Who.
        party: String,
        /// Stable code of the reason.
        code: String,
        /// The reason.
        message: String,
    },
    /// A party is down, or was lost on the way.
    #[error("{party} {cause}{}", also(.silent))]
    PeerLost {
        /// Who.
        party: String,
        /// What was noticed: "did not answer within 5 s", ...
        cause: String,
        /// Other parties that never answered.
        silent: Vec<String>,
    },
    /// A party stopped the run.
    #[error("{party} stopped the run: {message}")]
    Stopped {
        /// Who.
        party: String,
        /// Stable code of the reason.
        code: String,
        /// The reason.
        message: String,
    },
    /// What a party sent is not what it had to send.
    #[error("{party} departed from the protocol: {what}")]
    Rejected {
        /// Who; several names where one of them did.
        party: String,
        /// What is wrong with it.
        what: String,
    },
    /// A question on `fhe` was left before its answer; it stays open, and can be gone on with.
    #[error("the question is still open: {}", waiting(*.cancelled, .parties))]
    Unfinished {
        /// Identifier of the session, 64 hexadecimal digits.
        session: String,
        /// Whether the caller called it off; otherwise nobody more was waited for.
        cancelled: bool,
        /// Whom it waits for.
        parties: Vec<Awaited>,
    },
    /// A question on `fhe` waited for as long as its study allows.
    #[error(
        "the question waited {days} days, as long as the study allows, and has ended; what was \
         missing: {}", missing.join(", ")
    )]
    Overdue {
        /// Days that the study allows.
        days: u32,
        /// What never came, such as `the upload of north`.
        missing: Vec<String>,
    },
    /// What is kept on disk of a question on `fhe`.
    #[error("{}: {what}", path.display())]
    Job {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The caller called the query off.
    #[error("the query was cancelled")]
    Cancelled,
    /// What came back does not fit together: a fault of this program or of a party.
    #[error("{0}")]
    Internal(String),
}

fn also(silent: &[String]) -> String {
    if silent.is_empty() {
        String::new()
    } else {
        format!(" (no answer either from: {})", silent.join(", "))
    }
}

fn waiting(cancelled: bool, parties: &[Awaited]) -> String {
    let parties: Vec<String> = parties.iter().map(ToString::to_string).collect();
    match (cancelled, &*parties) {
        (true, []) => "you left while parties work on it".to_owned(),
        (true, parties) => format!("you left while it waits for {}", parties.join("; ")),
        (false, []) => "it waits for parties that work on it".to_owned(),
        (false, parties) => format!("it waits for {}", parties.join("; ")),
    }
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A stable name of the kind of failure, for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Usage(_) => "usage",
            Self::Governance(_) => "study",
            Self::Sql(_) => "sql",
            Self::NotAllowed { .. } => "not_allowed",
            Self::ConfigMismatch { .. } => "config_mismatch",
            Self::Refused { code, .. } | Self::Stopped { code, .. } => code,
            Self::PeerLost { .. } => "peer_lost",
            Self::Rejected { .. } => "abort",
            Self::Unfinished { cancelled: true, .. } | Self::Cancelled => "cancelled",
            Self::Unfinished { .. } => "waiting",
            Self::Overdue { .. } => "overdue",
            Self::Job { .. } => "job",
            Self::Internal(_) => "internal",
        }
    }

    /// The party that the failure is about.
    pub fn party(&self) -> Option<&str> {
        match self {
            Self::ConfigMismatch { party, .. }
            | Self::Refused { party, .. }
            | Self::PeerLost { party, .. }
            | Self::Rejected { party, .. }
            | Self::Stopped { party, .. } => Some(party),
            Self::Unfinished { parties, .. } => parties.first().map(|awaited| &*awaited.party),
            _ => None,
        }
    }

    /// Who has to mend it.
    pub fn side(&self) -> Side {
        match self {
            Self::ConfigMismatch { party, .. } | Self::Rejected { party, .. } => {
                Side::Party(party.clone())
            }
            Self::Refused { party, code, .. } | Self::Stopped { party, code, .. } => {
                match code.as_str() {
                    "query" | "policy" | "quota" | "not_a_party" | "cancelled" => Side::Analyst,
                    "network" => Side::Network(party.clone()),
                    _ => Side::Party(party.clone()),
                }
            }
            Self::PeerLost { party, .. } => Side::Network(party.clone()),
            Self::Unfinished { cancelled: false, parties, .. } => match parties.first() {
                Some(awaited) => Side::Network(awaited.party.clone()),
                None => Side::Analyst,
            },
            Self::Internal(_) => Side::Tacit,
            _ => Side::Analyst,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::ConfigMismatch { party, what, .. } if what == "study" => format!(
                "compare the study file here with the one at {party}: every party needs the same \
                 bytes, signed by all sites"
            ),
            Self::ConfigMismatch { party, what, .. } if what == "protocol version" => {
                format!("run the same version of tacit here and at {party}")
            }
            Self::ConfigMismatch { party, what, .. } if what == "transport" => format!(
                "{party} serves another study: compare the file here with the one at {party}"
            ),
            Self::ConfigMismatch { party, other, what, .. } if what == "keys" => format!(
                "{other} and {party} need the same keys: copy the folder of the study's dealer \
                 beside the study again"
            ),
            Self::ConfigMismatch { what, .. } if what == "arithmetic" => {
                "key holders evaluate again and compare bit by bit (verify = \"reevaluate\"), \
                 which needs machines with equal vector units and the same build of tacit; or agree \
                 on a study whose key holders believe the evaluator (verify = \"trust\")"
                    .to_owned()
            }
            Self::ConfigMismatch { party, .. } => {
                format!("run the same version of tacit at {party}, then ask again")
            }
            Self::Rejected { party, .. } => format!(
                "nothing was released; ask the operator of {party} before you go on"
            ),
            Self::Unfinished { session, .. } => format!(
                "it goes on where it is, also without you; put the answer together later: tacit \
                 query --resume {}",
                session.get(..8).unwrap_or(session)
            ),
            Self::Overdue { .. } => "ask again when these parties are there".to_owned(),
            Self::PeerLost { party, .. } => format!(
                "see that {party} is running and that its port can be reached (tacit doctor), \
                 then ask again"
            ),
            Self::Refused { party, code, .. } | Self::Stopped { party, code, .. } => {
                match code.as_str() {
                    "receipt" => format!(
                        "{party} must be able to write its receipts (space, permissions); nothing \
                         was released"
                    ),
                    "busy" => format!("{party} is busy: ask again in a moment"),
                    "quota" => format!("ask {party} for more queries a day, or wait"),
                    "policy" => format!("ask without it, or ask {party} to allow it"),
                    "data" => format!("{party} must look at its tables (tacit dictionary check)"),
                    "study" => "agree on a study that is in force, signed by all sites".into(),
                    "not_a_party" => {
                        "use the key that the study names for its analyst (--key)".into()
                    }
                    "stopping" => format!("ask again when {party} is back"),
                    "abort" => format!(
                        "{party} did not follow the protocol; ask its operator before you go on"
                    ),
                    "network" => "see that every party is running (tacit doctor)".into(),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }
}
