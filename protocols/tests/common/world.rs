//! Engines, the sessions that they run in, and the laws that a run must keep.

use std::collections::BTreeMap;

use tacit_mpc::testing::{assert_laws, session};
use tacit_mpc::{Bill, Circuit, Column, EngineKind, Roster, bill, clear};
use tacit_protocols::lower;

/// An engine among so many sites.
#[derive(Clone, Debug)]
pub struct World {
    pub engine: EngineKind,
    pub sites: usize,
    pub roster: Roster,
    pub analyst: usize,
}

impl World {
    pub fn new(engine: EngineKind, sites: usize) -> Self {
        let compute = match engine {
            EngineKind::Rep3 => 3,
            _ => sites,
        };
        let session = session(engine, sites, compute);
        Self { engine, sites, roster: session.roster, analyst: session.analyst }
    }

    /// Every engine in the sizes that matter.
    pub fn all() -> Vec<Self> {
        vec![
            Self::new(EngineKind::Clear, 3),
            Self::new(EngineKind::Rep3, 3),
            Self::new(EngineKind::Rep3, 5),
            Self::new(EngineKind::Additive, 2),
            Self::new(EngineKind::Additive, 3),
            Self::new(EngineKind::Additive, 5),
        ]
    }

    pub fn lowered(&self, circuit: &Circuit) -> Circuit {
        lower(circuit, self.engine.addends(self.roster.compute.len()))
    }

    pub fn bill(&self, circuit: &Circuit) -> Bill {
        bill(&self.lowered(circuit), self.engine, &self.roster).unwrap()
    }

    /// Runs a circuit, lowered, checks the laws, and that macros mean what they are lowered to.
    /// Returns what the analyst saw; nobody else sees anything.
    pub fn check(
        &self,
        circuit: &Circuit,
        inputs: &BTreeMap<usize, Vec<Column>>,
    ) -> Vec<(String, Column)> {
        let opened = assert_laws(&self.lowered(circuit), self.engine, &self.roster, inputs, 7);
        assert!(opened == clear(circuit, inputs).unwrap(), "{self:?}: lowering changes the result");
        let seen = opened.into_iter().map(|(to, name, column)| {
            assert_eq!(to, self.analyst);
            (name, column)
        });
        seen.collect()
    }
}
