//! [`Explanation`]: everything about a query that can be told without running it. Plain data.

use serde::{Deserialize, Serialize};
use tacit_governance::Transport;
use tacit_plan::{Digest, LocalQuery, Plan};

use crate::{Backend, Cost};

/// What a query is, costs and reveals, before anybody runs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The question.
    pub sql: String,
    /// Digest of the study's exact bytes.
    pub study: Digest,
    /// What carries the frames between the parties.
    pub transport: Transport,
    /// Digest of the plan.
    pub plan_digest: Digest,
    /// The plan.
    pub plan: Plan,
    /// Number of cells of the result.
    pub cells: usize,
    /// What each site runs on its own rows.
    pub local: Vec<LocalQuery>,
    /// The circuit as written by the operators, before it is rewritten for an engine.
    pub circuit: Stats,
    /// Who learns what with the default engine, the analyst and the outsider included.
    pub learns: Vec<Learns>,
    /// Every engine that the study allows, the default first.
    pub engines: Vec<EngineExplanation>,
    /// Engines that the study allows and that cannot be priced, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpriced: Vec<Unpriced>,
    /// What may be hidden, and by which rule.
    pub may_be_hidden: Vec<String>,
    /// What may surprise.
    pub notes: Vec<String>,
}

/// Size of a circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Number of instructions.
    pub instructions: usize,
    /// Layers of interactive instructions that must follow one another.
    pub depth: usize,
    /// Columns that exist, by what a row is and how many rows there are.
    pub widths: Vec<Width>,
}

/// How many columns of one shape a circuit has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Width {
    /// `num` or `bit`.
    pub kind: String,
    /// Rows of each.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
}

/// What somebody learns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learns {
    /// Who.
    pub who: String,
    /// What, one sentence each.
    pub what: Vec<String>,
}

/// What one engine would do with the query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineExplanation {
    /// The engine.
    pub engine: Backend,
    /// What it resists.
    pub security: String,
    /// Where multiplication triples come from, if it needs any.
    pub triples: Option<String>,
    /// Who learns what.
    pub learns: Vec<Learns>,
    /// Digest of the circuit that would run.
    pub circuit: Digest,
    /// Its size.
    pub stats: Stats,
    /// Exact rounds and bytes of every party.
    pub bill: Cost,
    /// Triples of numbers.
    pub number_triples: u64,
    /// Triples of bits.
    pub bit_triples: u64,
    /// Bytes of columns that are live at once at one compute party.
    pub peak_bytes: u64,
    /// Seconds expected of the joint part; empty on `fhe` where no speed is known.
    pub seconds: Vec<Estimate>,
    /// What is done on encrypted columns, on `fhe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<Encrypted>,
}

/// An engine that cannot be priced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpriced {
    /// The engine.
    pub engine: Backend,
    /// Why not, and what to use instead.
    pub reason: String,
}

/// How a question is answered on encrypted columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encrypted {
    /// Who hold the decryption key: all of them together decrypt, and no fewer.
    pub key_holders: Vec<String>,
    /// Who evaluates.
    pub evaluator: String,
    /// Who is trusted for what, one sentence each.
    pub trust: Vec<String>,
    /// What is done, in order; each phase waits for those before, however long that takes.
    pub phases: Vec<EncryptedPhase>,
    /// Squashed ciphertexts, each of five bits: what is decrypted, and most of the time.
    pub squashed: usize,
    /// `log2` of the bound on what the partial decryptions of this question tell, as a statistical
    /// distance.
    pub distance_bits: i64,
    /// Days after which absent parties are no longer waited for.
    pub wait_days: u32,
    /// How long it takes; nothing where no speed is known.
    pub time: Option<EncryptedTime>,
}

/// One phase of a question on `fhe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptedPhase {
    /// `enter`, `evaluate` or `decrypt`.
    pub phase: String,
    /// Who take part; they need not be there at the same time.
    pub parties: Vec<String>,
    /// Bytes that each of them is given, by the order of `parties`.
    pub given: Vec<u64>,
    /// Bytes that each of them makes.
    pub made: Vec<u64>,
}

/// How long a question on `fhe` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncryptedTime {
    /// Seconds at the site that encrypts most.
    pub enter: f64,
    /// Seconds at the evaluator.
    pub evaluator: f64,
    /// Seconds at each key holder.
    pub holder: f64,
    /// Cores that each of them is assumed to have.
    pub cores: usize,
    /// Where the speed was measured, and what else is assumed, one sentence each.
    pub assumptions: Vec<String>,
}

/// Seconds expected on a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Name of the profile.
    pub profile: String,
    /// One way, in milliseconds.
    pub latency_ms: f64,
    /// Of each party's line.
    pub mbit_per_s: f64,
    /// Seconds of the joint part.
    pub seconds: f64,
}
