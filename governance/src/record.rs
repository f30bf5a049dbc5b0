//! [`Record`]: what a receipt says about one query.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use tacit_plan::Digest;

/// How a query ended at this site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// Its part of the result goes to the analyst: written and synced before it leaves.
    Released,
    /// The site did not take part.
    Refused {
        /// Why; never a value.
        reason: String,
    },
    /// It ended before anything was released.
    Failed {
        /// Why; never a value.
        reason: String,
    },
    /// The analyst gave up.
    Cancelled,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Released => f.write_str("released"),
            Self::Refused { reason } => write!(f, "refused: {reason}"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// What a receipt says. It never holds a value, a count or a status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// The session, hexadecimal.
    pub session: String,
    /// Name of the analyst.
    pub analyst: String,
    /// Digest of the study.
    pub study: Digest,
    /// The question.
    pub sql: String,
    /// Digest of the plan, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// Digest of the circuit, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<Digest>,
    /// What was asked: for each table that the question reads, the digest of its files as they
    /// were checked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Digest>,
    /// The engine.
    pub engine: String,
    /// The phase, where a query has several that each leave a receipt: `enter`, `evaluate`,
    /// `decrypt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its security model.
    pub security: String,
    /// Where its triples come from, if it needs any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triples: Option<String>,
    /// The disclosure profile.
    pub disclosure: String,
    /// The cost as computed beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bill: Option<serde_json::Value>,
    /// The cost as counted so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<serde_json::Value>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Record {
    /// A record of that moment and session with the rest empty.
    pub fn new(time: Timestamp, session: &[u8; 32], analyst: &str, outcome: Outcome) -> Self {
        Self {
            time: rfc3339(time),
            session: Digest(*session).to_string(),
            analyst: analyst.to_owned(),
            study: Digest([0; 32]),
            sql: String::new(),
            plan: None,
            circuit: None,
            inputs: BTreeMap::new(),
            engine: String::new(),
            phase: None,
            security: String::new(),
            triples: None,
            disclosure: String::new(),
            bill: None,
            ledger: None,
            outcome,
        }
    }

    /// The day, in UTC; `None` if the time is none.
    pub(crate) fn day(&self) -> Option<Date> {
        self.time.parse::<Timestamp>().ok().map(day_of)
    }
}

pub(crate) fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// One line of the receipts.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// From 0, without gaps.
    pub sequence: u64,
    /// Hash of the line before; zeros for the first.
    pub previous: Digest,
    /// SHA-256 of this line, without its end.
    pub hash: Digest,
    /// What it says.
    pub record: Record,
}
