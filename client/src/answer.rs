//! [`Answer`]: the released table and the receipt of the run that made it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tacit_governance::Transport;
use tacit_mpc::Bill;
use tacit_plan::Digest;
use tacit_sql::ResultTable;

use crate::Backend;

/// What a query gave.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The table, released by the rules of the study.
    pub table: ResultTable,
    /// What was run, at what cost. `None` where nothing was run (SHOW TABLES, DESCRIBE).
    pub receipt: Option<RunReceipt>,
}

/// What was run, at what cost: the part of an answer that others can check against the receipts
/// of the sites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReceipt {
    /// Identifier of the session, 64 hexadecimal digits.
    pub session: String,
    /// Digest of the study's exact bytes.
    pub study: Digest,
    /// Digest of the plan.
    pub plan: Digest,
    /// Digest of the circuit that ran.
    pub circuit: Digest,
    /// The engine.
    pub engine: Backend,
    /// What it resists.
    pub security: String,
    /// Where multiplication triples came from, if the engine needs any.
    pub triples: Option<String>,
    /// Where the keys came from, on `fhe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// Where the reference string of the proofs came from, on `fhe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crs: Option<String>,
    /// What would have become of an evaluator that deviates, on `fhe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluator: Option<String>,
    /// What carried the frames.
    pub transport: Transport,
    /// Name of the disclosure profile.
    pub disclosure: String,
    /// What the run had to cost, computed before it started.
    pub bill: Cost,
    /// What it cost, as counted on every link. Equal to the bill, or there is no answer.
    pub ledger: Cost,
    /// How long it took.
    pub times: Times,
    /// Hash of each party's own receipt, by name; on `fhe` by name and phase, such as `north/enter`.
    pub receipts: BTreeMap<String, String>,
    /// What each party did in each phase, on `fhe`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseReceipt>,
}

/// What a party did in a phase of a question on `fhe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseReceipt {
    /// `enter`, `evaluate` or `decrypt`.
    pub phase: String,
    /// The party.
    pub party: String,
    /// Hash of its receipt.
    pub receipt: String,
    /// Seconds that it took, as it says.
    pub seconds: f64,
    /// Bytes of what it made.
    pub bytes: u64,
}

/// Rounds and bytes of a run: payload, inputs and outputs included; handshake and framing are
/// apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Network rounds of the party that has most.
    pub rounds: u64,
    /// Every party of the session, in session order.
    pub parties: Vec<PartyTraffic>,
}

/// What one party sent and received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyTraffic {
    /// Its name.
    pub party: String,
    /// Network rounds that it took part in.
    pub rounds: u64,
    /// Bytes of payload that it sent.
    pub sent: u64,
    /// Bytes of payload that it received.
    pub received: u64,
}

/// Seconds of wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The local part at the slowest site.
    pub local: f64,
    /// Waiting at the lead for a free place.
    pub queued: f64,
    /// The joint part, handshake included.
    pub joint: f64,
    /// From the question to the table.
    pub total: f64,
}

impl Cost {
    /// The bill, with the parties' names in session order.
    pub fn of_bill(bill: &Bill, names: &[String]) -> Self {
        let parties = names.iter().zip(&bill.parties);
        Self {
            rounds: bill.rounds,
            parties: parties
                .map(|(name, cost)| PartyTraffic {
                    party: name.clone(),
                    rounds: cost.rounds,
                    sent: cost.sent,
                    received: cost.received,
                })
                .collect(),
        }
    }

    /// Bytes that all parties sent together.
    pub fn bytes(&self) -> u64 {
        self.parties.iter().map(|party| party.sent).sum()
    }
}
