//! What parties say to each other outside the circuit.
//!
//! An analyst opens a control stream to every site (and to the dealer, if there is one) and sends
//! a [`Request`]; the site answers with [`Reply`]s. Sites send each other their [`Agreement`]s
//! and compare them before any share is sent.
//!
//! A message is the protocol's version (32 bits, little endian) and the value in postcard. The
//! version stands outside the value, so that two versions understand each other far enough to say
//! that they differ. Lengths are capped before anything is parsed.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tacit_plan::{Digest, Plan};

use crate::{
    Error, Result, SessionParties,
    phases::{Step, Word},
};

/// Version of the messages and of the order of steps. It is compared, not the release.
pub const PROTOCOL_VERSION: u32 = 3;

/// Longest message, in bytes.
pub const LARGEST_MESSAGE: usize = 256 << 10;

/// Longest SQL text, in bytes.
pub const LARGEST_SQL: usize = 64 << 10;

/// Longest reason or name in a message, in bytes.
pub const LARGEST_TEXT: usize = 4 << 10;

/// What an analyst (or `tacit doctor`) says to a site or the dealer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Take part in a query.
    Ask(Ask),
    /// Every party has accepted: open the link and run. The lead (the first compute party) gets
    /// it first and answers with [`Phase::Joint`] once it has a place; then the others get it.
    Start {
        /// Restart epochs of all parties in link order, as their agreements state them. Each party
        /// checks its own here and the others' against their agreements on the link.
        epochs: Vec<u64>,
    },
    /// Give up the query of this stream.
    Cancel,
    /// Say what time it is and which study is served.
    Clock(ClockRequest),
    /// The query of this stream still waits for other parties: say nothing, and do not give up.
    /// Said every few seconds until [`Request::Start`].
    Waiting,
    /// The next step of a query on `fhe`.
    Step(Step),
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// [`PROTOCOL_VERSION`] of the asker.
    pub version: u32,
    /// Digest of the asker's study.
    pub study: Digest,
    /// Drawn at random by the asker; names the session everywhere.
    pub session: [u8; 32],
    /// The engine's name.
    pub engine: String,
    /// The question.
    pub sql: String,
    /// Compile, compare and bill, but enter nothing.
    pub dry_run: bool,
}

/// What a party is about to run: every pair of parties compares theirs before it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// [`PROTOCOL_VERSION`].
    pub version: u32,
    /// Digest of the study's bytes.
    pub study: Digest,
    /// The session.
    pub session: [u8; 32],
    /// Digest of the plan.
    pub plan: Digest,
    /// Digest of the lowered circuit.
    pub circuit: Digest,
    /// The engine's name.
    pub engine: String,
    /// Digest of the public keys of `fhe`; zeros with other engines.
    pub keys: Digest,
    /// Names of the parties in link order.
    pub parties: Vec<String>,
    /// This party's index in `parties`. Not compared.
    pub me: u32,
    /// How often this party has been started: it goes into its seeds, so that none is drawn
    /// twice. Not compared.
    pub epoch: u64,
}

impl Agreement {
    /// What the party with session index `me` agrees to: a circuit for a plan among these parties, under the
    /// session's identifier. Without keys, which `fhe` alone has.
    pub fn of(
        plan: &Plan,
        parties: &SessionParties,
        circuit: Digest,
        session: [u8; 32],
        me: usize,
        epoch: u64,
    ) -> Self {
        Self {
            version: PROTOCOL_VERSION,
            study: plan.study,
            session,
            plan: plan.digest(),
            circuit,
            engine: parties.engine.clone(),
            keys: Digest([0; 32]),
            parties: parties.names(),
            me: me as u32,
            epoch,
        }
    }

    /// Digest of all that is compared, who asks among it: two parties whose digests are equal work on the
    /// same question, whatever messages carry.
    pub fn question(&self) -> Digest {
        Digest::of_json(&Self { me: 0, epoch: 0, ..self.clone() })
    }

    /// Compares this party's agreement with a peer's.
    ///
    /// # Errors
    /// The first field that differs, with both values. It is a mistake in the set-up, not
    /// cheating.
    pub fn compare(&self, other: &Self) -> Result<(), Mismatch> {
        let fields: [(&str, String, String); 8] = [
            ("protocol version", self.version.to_string(), other.version.to_string()),
            ("study", self.study.to_string(), other.study.to_string()),
            ("session", hex(&self.session), hex(&other.session)),
            ("engine", self.engine.clone(), other.engine.clone()),
            ("keys", self.keys.to_string(), other.keys.to_string()),
            ("parties", self.parties.join(", "), other.parties.join(", ")),
            ("plan", self.plan.to_string(), other.plan.to_string()),
            ("circuit", self.circuit.to_string(), other.circuit.to_string()),
        ];
        for (what, ours, theirs) in fields {
            if ours != theirs {
                return Err(Mismatch {
                    what: what.to_owned(),
                    ours: cut(&ours, 512),
                    theirs: cut(&theirs, 512),
                });
            }
        }
        if self.me == other.me || other.me as usize >= other.parties.len() {
            return Err(Mismatch {
                what: "party index".to_owned(),
                ours: self.me.to_string(),
                theirs: other.me.to_string(),
            });
        }
        Ok(())
    }
}

/// What two parties disagree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("the parties do not agree on the {what}: here it is {ours}, there it is {theirs}")]
pub struct Mismatch {
    /// Which field.
    pub what: String,
    /// This side's value.
    pub ours: String,
    /// The other side's value.
    pub theirs: String,
}

/// Where a query stands at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Compiling the question and comparing agreements.
    Agree,
    /// Running the site's own part over its rows.
    Local,
    /// Running the circuit with the others.
    Joint,
    /// Writing the receipt before anything is opened.
    Receipt,
    /// Encrypting the site's own part.
    Encrypt,
    /// Evaluating encrypted columns.
    Evaluate,
    /// Evaluating again what another party evaluated, before decrypting.
    Reevaluate,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Agree => "agree",
            Self::Local => "local",
            Self::Joint => "joint",
            Self::Receipt => "receipt",
            Self::Encrypt => "encrypt",
            Self::Evaluate => "evaluate",
            Self::Reevaluate => "reevaluate",
        })
    }
}

/// Why a query ended: stable codes for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The question cannot be answered: syntax, an unknown name, a construct that is refused.
    Query,
    /// The site's own policy refuses it.
    Policy,
    /// The analyst has used up the queries of the day.
    Quota,
    /// The study is not in force, or its signatures fail.
    Study,
    /// The key is not that of a party with the right role.
    NotAParty,
    /// The parties do not agree on what to run.
    ConfigMismatch,
    /// The site serves as many queries as it may, and its queue is full.
    Busy,
    /// The site's data cannot be read, or do not fit the dictionary.
    Data,
    /// A peer is gone or late.
    Network,
    /// A party cheated.
    Abort,
    /// The receipt could not be written.
    Receipt,
    /// The analyst gave up.
    Cancelled,
    /// A message that is not of the form.
    Message,
    /// The site is being stopped.
    Stopping,
    /// A fault of this program.
    Internal,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Query => "query",
            Self::Policy => "policy",
            Self::Quota => "quota",
            Self::Study => "study",
            Self::NotAParty => "not_a_party",
            Self::ConfigMismatch => "config_mismatch",
            Self::Busy => "busy",
            Self::Data => "data",
            Self::Network => "network",
            Self::Abort => "abort",
            Self::Receipt => "receipt",
            Self::Cancelled => "cancelled",
            Self::Message => "message",
            Self::Stopping => "stopping",
            Self::Internal => "internal",
        })
    }
}

/// What a site says to the analyst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// It takes part, and this is what it runs.
    Accepted {
        /// To be compared with the analyst's own.
        agreement: Agreement,
        /// Digest of the bill.
        bill: Digest,
    },
    /// It waits for other queries to end.
    Queued {
        /// Queries before it.
        position: u32,
    },
    /// It goes on.
    Progress {
        /// Where it stands.
        phase: Phase,
        /// Rounds done.
        round: u64,
        /// Rounds in all.
        rounds: u64,
    },
    /// Its part is done.
    Done {
        /// What it took.
        report: SiteReport,
    },
    /// It does not take part; nothing of its data was touched.
    Refused(Failure),
    /// It took part and the query failed; nothing was released.
    Failed(Failure),
    /// Answer to [`Request::Clock`].
    Clock(Clock),
    /// Answer to [`Request::Step`], or, without a step, after [`Reply::Accepted`] on `fhe`.
    Step(Word),
}

/// Why a query was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For programs.
    pub code: Code,
    /// For people; never a value.
    pub message: String,
    /// Name of the party at fault, if there is one.
    pub culprit: Option<String>,
    /// Both values, where the parties do not agree.
    pub mismatch: Option<Mismatch>,
}

impl Failure {
    /// A failure whose message is cut to [`LARGEST_TEXT`].
    pub fn new(code: Code, message: impl AsRef<str>) -> Self {
        Self { code, message: cut(message.as_ref(), LARGEST_TEXT), culprit: None, mismatch: None }
    }

    /// With the name of the party at fault.
    #[must_use]
    pub fn by(mut self, culprit: impl Into<String>) -> Self {
        self.culprit = Some(culprit.into());
        self
    }
}

impl From<Mismatch> for Failure {
    fn from(mismatch: Mismatch) -> Self {
        Self {
            mismatch: Some(mismatch.clone()),
            ..Self::new(Code::ConfigMismatch, mismatch.to_string())
        }
    }
}

/// Bytes of payload to and from one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerTraffic {
    /// Sent to it.
    pub sent: u64,
    /// Received from it.
    pub received: u64,
}

/// What a site's part of a query took, as counted on its link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteReport {
    /// Network rounds.
    pub rounds: u64,
    /// By session index of the peer.
    pub peers: Vec<PeerTraffic>,
    /// Hash of the receipt that the site wrote.
    pub receipt: Digest,
    /// Seconds over its own rows.
    pub local_seconds: f64,
    /// Seconds in the joint computation.
    pub joint_seconds: f64,
}

impl SiteReport {
    /// Bytes sent to all peers.
    pub fn sent(&self) -> u64 {
        self.peers.iter().map(|peer| peer.sent).sum()
    }

    /// Bytes received from all peers.
    pub fn received(&self) -> u64 {
        self.peers.iter().map(|peer| peer.received).sum()
    }
}

/// Asks for a site's clock and study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRequest {
    /// Digest of the asker's study.
    pub study: Digest,
}

/// A site's clock and study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub microseconds: i64,
    /// Digest of the study that it serves.
    pub study: Digest,
    /// The release of its program, for people.
    pub release: String,
    /// Whether it serves queries; if not, why.
    pub ready: Result<(), String>,
}

/// The bytes of a message.
///
/// # Errors
/// [`Error::Message`] if it is longer than [`LARGEST_MESSAGE`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>> {
    encode_as(PROTOCOL_VERSION, message)
}

/// The bytes of a message as another version of the protocol would send it, for tests.
///
/// # Errors
/// As [`encode`].
pub fn encode_as<T: Serialize>(version: u32, message: &T) -> Result<Vec<u8>> {
    let start = version.to_le_bytes().to_vec();
    let bytes = postcard::to_extend(message, start)
        .map_err(|error| Error::Message(format!("cannot be written: {error}")))?;
    if bytes.len() > LARGEST_MESSAGE {
        return Err(Error::Message(format!(
            "{} bytes; at most {LARGEST_MESSAGE} are sent",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// Reads a message from a peer's bytes; whatever they are, it does not panic and takes no more
/// memory than a small multiple of their length.
///
/// # Errors
/// [`Error::ConfigMismatch`] for another version of the protocol; [`Error::Message`] for bytes
/// that are oversize, cut, trailing or not of the form.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if bytes.len() > LARGEST_MESSAGE {
        return Err(Error::Message(format!(
            "{} bytes; at most {LARGEST_MESSAGE} are read",
            bytes.len()
        )));
    }
    let Some((version, body)) = bytes.split_first_chunk::<4>() else {
        return Err(Error::Message("cut short".to_owned()));
    };
    let theirs = u32::from_le_bytes(*version);
    if theirs != PROTOCOL_VERSION {
        return Err(Error::ConfigMismatch(Mismatch {
            what: "protocol version".to_owned(),
            ours: PROTOCOL_VERSION.to_string(),
            theirs: theirs.to_string(),
        }));
    }
    let (message, rest) = postcard::take_from_bytes(body)
        .map_err(|error| Error::Message(format!("not of the form: {error}")))?;
    if !rest.is_empty() {
        return Err(Error::Message(format!("{} bytes too many", rest.len())));
    }
    Ok(message)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// At most `length` bytes of a text, at a letter's end.
fn cut(text: &str, length: usize) -> String {
    if text.len() <= length {
        return text.to_owned();
    }
    let end = (0..=length).rev().find(|at| text.is_char_boundary(*at));
    format!("{}...", &text[..end.unwrap_or(0)])
}
