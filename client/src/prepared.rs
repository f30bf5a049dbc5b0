//! [`Prepared`]: a plan made ready for one engine among the parties of a session.

use tacit_governance::SessionParties;
use tacit_mpc::{Bill, Circuit, EngineKind, Roster};
use tacit_plan::{Digest, Plan};
use tacit_protocols::Parties;

use crate::{Error, Result};

/// A plan made ready for one engine among the parties of a session.
pub(crate) struct Prepared {
    pub engine: EngineKind,
    pub names: Vec<String>,
    pub roster: Roster,
    /// Lowered.
    pub circuit: Circuit,
    pub digest: Digest,
    pub bill: Bill,
}

impl Prepared {
    /// Builds, lowers, digests and prices the circuit of `plan`.
    pub fn new(plan: &Plan, engine: EngineKind, session: &SessionParties) -> Result<Self> {
        let roster = Roster {
            parties: session.parties.len(),
            compute: session.compute.clone(),
            dealer: session.dealer,
        };
        engine.check(&roster).map_err(|error| Error::NotAllowed { what: error.to_string() })?;
        let written = tacit_protocols::circuit(plan, &parties(session)).map_err(internal)?;
        let circuit = tacit_protocols::lower(&written, engine.addends(roster.compute.len()));
        let bill = tacit_mpc::bill(&circuit, engine, &roster).map_err(internal)?;
        let digest = Digest(circuit.digest());
        Ok(Self { engine, names: session.names(), roster, circuit, digest, bill })
    }
}

/// Who enters and who receives.
pub(crate) fn parties(session: &SessionParties) -> Parties {
    Parties { holders: session.holders.clone(), analyst: session.analyst }
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("the circuit of this plan cannot be built: {error}"))
}
