//! [`Explanation`]: everything about a query that can be told without running it. Plain data.

use serde::{Deserialize, Serialize};
use tacit_governance::Transport;
use tacit_mpc::EngineKind;
use tacit_plan::{Digest, LocalQuery, Plan};

use crate::Cost;

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
    pub engine: EngineKind,
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
    /// Seconds expected of the joint part.
    pub seconds: Vec<Estimate>,
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
